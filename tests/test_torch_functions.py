"""Generated cells as functions of PyTorch tensors: derivatives of first and second order, transforms, the compiler."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from derive.cells import CELLS
from tests.modules import SMALL, arguments, cotangents_for

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its functions over our modules did not run")
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402

# PyTorch itself warns when it first loads its formulas of forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning")
TINY = {"T": 3, "N": 2, "D": 2, "H": 2}
NAMES = list(CELLS)


def function(name: str) -> Callable[..., Any]:
    return getattr(importlib.import_module(f"generated.{name}_torch"), name)  # type: ignore[no-any-return]


def tensors(name: str, sizes: dict[str, int] = SMALL, gradient: bool = False) -> list[Any]:
    return [torch.tensor(0.5 * one, requires_grad=gradient) for one in arguments(name, sizes)]


def results(outcome: Any) -> tuple[Any, ...]:
    return outcome if isinstance(outcome, tuple) else (outcome,)


def loss(*args: Any, **order: Any) -> Any:
    """A number that depends on all results of an LSTM, and not linearly."""
    h, c = function("lstm")(*args, **order)
    return (h * h).sum() + torch.sin(c).sum()


def close(found: Any, due: Any) -> float:
    return max(float((one - other).detach().abs().max()) for one, other in zip(found, due, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_and_tangents(name: str) -> None:
    """Broken if a gradient or a tangent goes to another argument than its own, or the bridge loses one."""
    assert gradcheck(function(name), tensors(name, TINY, gradient=True), check_forward_ad=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.full)])
def test_second_order(name: str, fast: bool) -> None:
    """Broken if a gradient's own gradient or tangent is wrong, lost or misplaced; fast is along one direction."""
    args = tensors(name, TINY, gradient=True)
    assert gradgradcheck(function(name), args, check_fwd_over_rev=True, check_rev_over_rev=True, fast_mode=fast)


@pytest.mark.parametrize("reverse", [False, True])
def test_lengths_and_reverse(reverse: bool) -> None:
    """Broken if the order of steps is forgotten between the functions of different order."""
    args = tensors("lstm", {**TINY, "N": 4}, gradient=True)
    lengths = torch.tensor([3, 0, 1, 2])

    def ordered(*some: Any) -> Any:
        return function("lstm")(*some, lengths=lengths, reverse=reverse)

    assert gradcheck(ordered, args, check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(ordered, args, check_fwd_over_rev=True, check_rev_over_rev=True, fast_mode=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_the_modules(name: str, dtype: Any) -> None:
    """Broken if anything but the NumPy module, with PyTorch's products, computes, or a dtype is changed on the way."""
    arrays = arguments(name, SMALL, dtype)
    own = importlib.import_module(f"generated.{name}_torch").CELL.engines["cpu"].module
    *due, cache = own.forward(*arrays)
    cotangents = cotangents_for([*due, cache])
    gradients = own.backward(*cotangents, cache)
    args = [torch.tensor(one, requires_grad=True) for one in arrays]
    found = results(function(name)(*args))
    torch.autograd.backward(found, [torch.from_numpy(one) for one in cotangents])
    for one, other in zip([*found, *(one.grad for one in args)], [*due, *gradients], strict=True):
        assert one.detach().numpy().dtype == dtype
        assert np.array_equal(one.detach().numpy(), other)


def test_products_are_pytorchs() -> None:
    """Broken if NumPy's threads compute beside PyTorch's, or whoever imports the NumPy module gets PyTorch's."""
    from generated import lstm_numpy
    from generated.lstm_torch import CELL

    args = tensors("lstm", gradient=True)
    with torch.profiler.profile() as profile:
        torch.autograd.grad(results(function("lstm")(*args))[0].sum(), args)
    products = sum(one.count for one in profile.key_averages() if one.key == "aten::mm")
    assert products == SMALL["T"] * 2 + 4  # of every step, up and down, and of all steps
    assert CELL.engines["cpu"].module is not lstm_numpy
    assert lstm_numpy.matmul is np.matmul


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_numpys(large: bool, order: Any, dtype: Any) -> None:
    """Broken if a product of matrices of some size, layout or dtype is another than numpy.matmul."""
    from generated.torch_engine import _is_onednns, _linear, _product

    chance, (M, K, N) = np.random.default_rng(0), (40, 700, 650) if large else (4, 5, 6)
    left, right = chance.standard_normal((M, K)).astype(dtype), chance.standard_normal((N, K)).astype(dtype).T
    due = left.astype(np.float64) @ right.astype(np.float64)
    for one, other in ((left, right), (np.asfortranarray(left), np.ascontiguousarray(right))):
        chosen = _is_onednns(torch.from_numpy(one), torch.from_numpy(other))
        assert chosen == (large and dtype == np.float32 and _linear is not None)
        out = np.empty((M, N), dtype, order=order)
        _product(one, other, out)
        # Sums of 700 terms: the roundings of single precision add up to some 1e-6 of the largest.
        assert np.abs(out - due).max() <= 20 * np.finfo(dtype).eps * np.abs(due).max()


def test_results_are_the_tapes_memory() -> None:
    """Broken if tensors are copied on their way: an argument's memory is read in place, a result's is the tape's."""
    args = tensors("lstm")
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one) or one, lambda one: one):
        h, _ = function("lstm")(args[0], *(one.requires_grad_() for one in args[1:]))
    (array,) = importlib.import_module("generated.lstm_torch").CELL.engines["cpu"].arrays([args[0]])
    assert array is not None
    assert array.ctypes.data == args[0].data_ptr()
    assert args[0].data_ptr() in {one.data_ptr() for one in kept}
    tape = next(one for one in kept if one.shape == (SMALL["T"] + 1, SMALL["N"], SMALL["H"]))
    assert h.data_ptr() in {one[1:].data_ptr() for one in kept if one.shape == tape.shape}


def test_what_is_kept() -> None:
    """Broken if training with first derivatives keeps more than arguments, tape and results."""
    engine = importlib.import_module("generated.lstm_torch").CELL.engines["cpu"]
    args = tensors("lstm", gradient=True)
    kept: list[Any] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one) or one, lambda one: one):
        h, c = function("lstm")(*args)
        (h.sum() + c.sum()).backward()
    assert len(kept) == len(engine.arguments) + len(engine.tape) + len(engine.results)
    with torch.no_grad():
        assert function("lstm")(*args)[0].grad_fn is None


def test_a_change_in_place_is_noticed() -> None:
    """Broken if a result or a weight that is changed before backward gives wrong gradients instead of an error."""
    for victim in range(2):
        args = tensors("lstm", gradient=True)
        h, c = function("lstm")(*args)
        with torch.no_grad():
            (h if victim else args[3]).mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            c.sum().backward()


def test_checkpointing_gives_the_same_gradients() -> None:
    """Broken if what is kept cannot be computed again."""
    from torch.utils.checkpoint import checkpoint

    args = tensors("lstm", gradient=True)
    due = torch.autograd.grad(loss(*args), args)
    found = torch.autograd.grad(checkpoint(loss, *args, use_reentrant=False), args)
    assert all(torch.equal(one, other) for one, other in zip(found, due, strict=True))


def test_transforms_of_second_order() -> None:
    """grad, jvp, vjp and their compositions agree: broken if one of them loses a term."""
    args = tensors("lstm")
    every = tuple(range(len(args)))
    v = [torch.sin(1 + k + one) for k, one in enumerate(args)]
    due = torch.autograd.grad(loss(*(one.requires_grad_() for one in args)), args, create_graph=True)
    hvp = torch.autograd.grad(due, args, v)
    args = [one.detach() for one in args]
    gradient = grad(loss, argnums=every)
    assert close(gradient(*args), due) == 0
    # Sums of some ten terms of about one, in another order.
    assert close(jvp(gradient, tuple(args), tuple(v))[1], hvp) < 1e-13
    assert close(vjp(gradient, *args)[1](tuple(v)), hvp) < 1e-13
    slope = jvp(lambda *some: loss(*some), tuple(args), tuple(v))[1]
    assert close([slope], [sum((one * g).sum() for one, g in zip(v, due, strict=True))]) < 1e-12


def test_hessians_by_every_mode() -> None:
    """Broken if tangents under vmap, or gradients of tangents, are wrong."""
    args = tensors("lstm", TINY)
    ways = [hessian, lambda f, k: jacrev(jacrev(f, k), k), lambda f, k: jacrev(jacfwd(f, k), k)]
    first, *others = (way(loss, 3)(*args) for way in ways)
    assert first.abs().max() > 0.1
    assert close([first], [first.permute(2, 3, 0, 1)]) < 1e-13
    for other in others:
        assert close([other], [first]) < 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_sequences(name: str) -> None:
    """Broken if the mapped axis is folded into another place of the batch than it is taken from."""
    args = tensors(name)
    first = CELLS[name].having("sequence")[0].name
    place = [array.name for array in CELLS[name].inputs].index(first)
    many = torch.stack([args[place] * k for k in (1.0, -0.5, 0.25)], dim=2)

    def one(x: Any) -> Any:
        return results(function(name)(*args[:place], x, *args[place + 1 :]))

    found = vmap(one, in_dims=2)(many)
    due = [torch.stack(column) for column in zip(*(one(many.select(2, k)) for k in range(3)), strict=True)]
    assert close(found, due) < 1e-14  # products of another number of rows round otherwise


def test_vmap_over_states_with_lengths() -> None:
    """Broken if the lengths of a batch are not those of every copy of it."""
    args = tensors("lstm")
    h0 = torch.stack([args[1], 2 * args[1], -args[1]])
    one = lambda h0: function("lstm")(args[0], h0, *args[2:], lengths=torch.tensor([3, 1]), reverse=True)  # noqa: E731
    due = [torch.stack(column) for column in zip(*map(one, h0), strict=True)]
    assert close(vmap(one)(h0), due) < 1e-14


def test_vmap_over_weights_and_gradients_per_sample() -> None:
    """Broken if mapped weights are taken for one, or gradients of samples are summed."""
    x, h0, c0, *weights = tensors("lstm")
    many = torch.stack([weights[0], 2 * weights[0]])
    due = torch.stack([loss(x, h0, c0, W, *weights[1:]) for W in many])
    assert close([vmap(lambda W: loss(x, h0, c0, W, *weights[1:]))(many)], [due]) < 1e-13

    def sample(W: Any, x: Any, h0: Any, c0: Any) -> Any:
        return loss(x[:, None], h0[None], c0[None], W, *weights[1:])

    found = vmap(grad(sample), in_dims=(None, 1, 0, 0))(weights[0], x, h0, c0)
    due = torch.stack([grad(sample)(weights[0], x[:, n], h0[n], c0[n]) for n in range(SMALL["N"])])
    assert found.shape == (SMALL["N"], *weights[0].shape)
    assert close([found], [due]) < 1e-13


def test_what_is_not_generated_is_an_error() -> None:
    """Broken if a derivative of third order, or a tangent of a tangent, is silently zero."""
    args = tensors("lstm", TINY, gradient=True)
    one = lambda b: loss(*args[:5], b)  # noqa: E731
    with pytest.raises(NotImplementedError, match="lstm: tangents of tangents are not generated"):
        jacfwd(jacfwd(one))(args[5].detach())
    first = torch.autograd.grad(loss(*args), args, create_graph=True)
    second = torch.autograd.grad(first[5].sum(), args, create_graph=True)
    with pytest.raises(NotImplementedError, match="lstm: derivatives of third order are not generated"):
        second[5].sum().backward()


def test_errors_name_the_argument() -> None:
    """Broken if a tensor that cannot be computed with gives numbers, or a message that does not say which it was."""
    lstm = function("lstm")
    x, h0, c0, W_x, W_h, b = tensors("lstm")
    cases: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
        (TypeError, r"x should be a tensor, got ndarray", (x.numpy(), h0, c0, W_x, W_h, b)),
        (TypeError, r"x has dtype torch\.float16, expected torch\.float32 or .*64$", (x.half(), h0, c0, W_x, W_h, b)),
        (TypeError, r"W_h has dtype torch\.float32, but x has torch\.float64", (x, h0, c0, W_x, W_h.float(), b)),
        (ValueError, r"h0 has shape \(1, 2\), expected \(N, H\) = \(2, 2\)", (x, h0[:1], c0, W_x, W_h, b)),
        (ValueError, r"b is on device meta, expected cpu or cuda", (x, h0, c0, W_x, W_h, b.to("meta"))),
        (ValueError, r"x has layout torch\.sparse_coo, expected torch\.strided", (x.to_sparse(), h0, c0, W_x, W_h, b)),
    ]
    for kind, message, args in cases:
        with pytest.raises(kind, match=message):
            lstm(*args)
    with pytest.raises(ValueError, match=r"lengths\[1\] is 9, expected 0 to T = 4"):
        lstm(x, h0, c0, W_x, W_h, b, lengths=torch.tensor([1, 9]))
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(TypeError, match="autocast is not supported"):
        lstm((x[0] @ W_x)[None].bfloat16(), h0, c0, W_x, W_h, b)


@pytest.mark.parametrize("name", NAMES)
def test_operators(name: str) -> None:
    """Broken if an operator of a compiled model gives other shapes than it tells the compiler, or shared memory."""
    cell, args = (
        importlib.import_module(f"generated.{name}_torch").CELL,
        tensors(name, {"T": 4, "N": 3, "D": 5, "H": 2}),
    )
    made = cell.operators["cpu"](*args, torch.tensor([4, 1, 0]), True)
    assert [one.shape for one in made] == [one.shape for one in cell.engines["cpu"].fake(*args)]
    assert all(one.is_contiguous() for one in made)
    assert len({one.untyped_storage().data_ptr() for one in made}) == len(made)


def test_operators_as_pytorch_checks_them() -> None:
    """Broken if schema, autograd or shapes of an operator are not what the compiler takes for granted."""
    for lengths, reverse in ((None, False), (torch.tensor([2, 4]), True)):
        args = (*tensors("lstm", gradient=True), lengths, reverse)
        tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
        torch.library.opcheck(torch.ops.generated.lstm_numpy.default, args, test_utils=tests)
