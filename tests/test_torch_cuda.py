"""PyTorch's tensors computed by the CUDA modules: on the GPU where there is one, else through the CPU driver."""

from __future__ import annotations

import gc
import importlib
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from derive.cells import CELLS
from tests import cuda
from tests.cuda_on_cpu import on_cpu
from tests.modules import arguments

cuda.require()
torch = pytest.importorskip("torch", reason="PyTorch is not installed: its modules did not run on CUDA")
from torch import nn  # noqa: E402

from tests.torch_on_cuda import OnTheCpu, cell, device  # noqa: E402

# PyTorch itself warns when it first loads its formulas of forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script.* is deprecated:DeprecationWarning")
SIZES = {"T": 3, "N": 2, "D": 2, "H": 2}
LENGTHS = ([3, 1], True)
# Sums of some ten terms, in another order than NumPy's.
TOLERANCE = 1e-12


def tensors(name: str, dtype: Any = np.float64) -> list[Any]:
    some = [torch.tensor(0.5 * one, device=device()) for one in arguments(name, SIZES, dtype)]
    return [one.requires_grad_() for one in some]


def numbers(some: list[Any]) -> list[Any]:
    return [one.detach().cpu().requires_grad_() for one in some]


def close(found: Any, due: Any) -> float:
    return max(float((one.detach().cpu() - other.detach()).abs().max()) for one, other in zip(found, due, strict=True))


def all_orders(function: Any, args: list[Any], lengths: Any, reverse: bool) -> list[Any]:
    """Results, gradients, gradients of gradients, tangents, and gradients of tangents."""

    def one(*some: Any) -> Any:
        return function(*some, lengths=lengths, reverse=reverse)

    results = one(*args)
    first = torch.autograd.grad(sum(torch.sin(part).sum() for part in results), args, create_graph=True)
    second = torch.autograd.grad(sum(torch.sin(part).sum() for part in first), args)
    options = {"create_graph": True, "materialize_grads": True}
    alone = torch.autograd.grad(torch.sin(one(*args)[0]).sum(), args, **options)  # the others have no cotangent
    second += torch.autograd.grad(sum(torch.sin(part).sum() for part in alone), args, **options)
    detached = tuple(part.detach() for part in args)
    moved = tuple(torch.cos(part) for part in detached)
    tangents = torch.func.jvp(one, detached, moved)[1]
    slope = torch.func.grad(
        lambda *some: sum(torch.sin(part).sum() for part in torch.func.jvp(one, some, moved)[1]),
        argnums=tuple(range(len(args))),
    )(*detached)
    hessian = torch.func.jvp(
        torch.func.grad(
            lambda *some: sum(torch.sin(part).sum() for part in one(*some)), argnums=tuple(range(len(args)))
        ),
        detached,
        moved,
    )[1]
    return [*results, *first, *second, *tangents, *slope, *hessian]


@pytest.mark.parametrize("name", CELLS)
def test_all_derivatives_are_numpys(name: str) -> None:
    """Broken if tensors, the tape or a cotangent that is not there reach the CUDA module otherwise than NumPy's."""
    args, plain = tensors(name), importlib.import_module(f"generated.{name}_torch").CELL
    for lengths, reverse in ((None, False), LENGTHS):
        found = all_orders(cell(name), args, lengths, reverse)
        due = all_orders(plain, numbers(args), lengths, reverse)
        assert close(found, due) <= TOLERANCE * max(1.0, *(float(one.detach().abs().max()) for one in due))
        assert {one.device.type for one in found} == {device()}


@pytest.mark.full
@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_what_differences_say(name: str) -> None:
    """Broken if both modules are wrong in the same way."""
    one, args = cell(name), tensors(name)
    assert torch.autograd.gradcheck(one, args, check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(one, args, check_fwd_over_rev=True, check_rev_over_rev=True, fast_mode=True)


def test_single_precision() -> None:
    """Broken if a dtype is changed on the way."""
    args = tensors("lstm", np.float32)
    found = cell("lstm")(*args)
    assert {one.dtype for one in found} == {torch.float32}
    due = importlib.import_module("generated.lstm_torch").lstm(*numbers(args))
    assert close(found, due) < 1e-6


def test_results_share_the_tapes_memory() -> None:
    """Broken if results are copied, or memory is freed that a tensor still shows."""
    kept: list[Any] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one) or one, lambda one: one):
        h, c = cell("lstm")(*tensors("lstm"))
    tape = next(one for one in kept if one.shape == (SIZES["T"] + 1, SIZES["N"], SIZES["H"]))
    assert h.untyped_storage().data_ptr() in {one.untyped_storage().data_ptr() for one in kept}
    due = c.detach().clone()
    del h, tape
    kept.clear()
    gc.collect()
    for _ in range(3):
        cell("lstm")(*tensors("lstm"))
    assert torch.equal(c, due)


def test_memory_is_held_to_the_end_of_a_call() -> None:
    """Broken if what a call no longer needs is PyTorch's again before its stream waits for the call's kernels."""
    engine, like = cell("lstm").engines[device()], tensors("lstm")[0]
    with engine.at_work([like]) as (options, _):
        block = weakref.ref(engine._gpu(like).allocator(options["stream"])(8))
        assert block() is not None
    gc.collect()
    assert block() is None


def test_a_thread_that_pycuda_does_not_know() -> None:
    """Broken if backward needs the main thread's context, which autograd's threads lack, or leaves one behind."""
    args, found = tensors("lstm"), []
    h, c = cell("lstm")(*args)
    due = torch.autograd.grad(h.sum() + c.sum(), args, retain_graph=True)

    def work() -> None:
        found.extend(torch.autograd.grad(h.sum() + c.sum(), args))
        found.extend(cell("lstm")(*args))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert all(torch.equal(one, other) for one, other in zip(found, [*due, h, c], strict=True))


def test_no_steps_and_no_sequences() -> None:
    """Broken if an array without entries, which has no address, is no tensor."""
    x, h0, c0, *weights = tensors("lstm")
    h, c = cell("lstm")(x[:0], h0, c0, *weights)
    assert h.shape == (0, *h0.shape)
    assert torch.equal(c, c0)
    h, c = cell("lstm")(x[:, :0], h0[:0], c0[:0], *weights)
    assert h.shape == (SIZES["T"], 0, SIZES["H"])
    assert all(one.abs().sum() == 0 for one in torch.autograd.grad(h.sum() + c.sum(), weights))


def test_mapped_axes() -> None:
    """Broken if the batch's axis in the CUDA module's tape is taken to be NumPy's."""
    x, *rest = (one.detach() for one in tensors("lstm"))
    many = torch.stack([x, -x])

    def gradient(x: Any) -> Any:
        return torch.func.grad(lambda x: cell("lstm")(x, *rest)[0].square().sum())(x)

    due = torch.stack([gradient(one) for one in many])
    assert (torch.func.vmap(gradient)(many) - due).abs().max() <= TOLERANCE


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_projection", "mlstm"])
def test_layers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if layers make something on another device than their parameters', or pack in another order."""
    made = importlib.import_module(f"generated.{name}_torch")
    kind = next(one for one in vars(made).values() if isinstance(one, type) and one.__module__ == made.__name__)
    layer = kind(3, 2, 2, bidirectional=True, dtype=torch.float64, **({"proj_size": 2} if "proj" in name else {}))
    x, lengths = torch.randn(4, 3, 3, dtype=torch.float64), torch.tensor([2, 4, 1])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)

    def outcome(x: Any, packed: Any) -> list[Any]:
        output, states = layer(x, None, lengths)
        other, again = layer(packed)
        some = [output, other.data, *(states if isinstance(states, tuple) else (states,))]
        some += again if isinstance(again, tuple) else (again,)
        return [*some, *torch.autograd.grad(sum(one.square().sum() for one in some), list(layer.parameters()))]

    due = outcome(x, packed)
    if on_cpu():
        monkeypatch.setitem(made.CELL.engines, "cpu", OnTheCpu(made.CELL.signature))
    layer.to(device())
    found = outcome(x.to(device()), packed.to(device()))
    assert close(found, due) <= 1e-11


@pytest.mark.parametrize("name", CELLS)
def test_operators(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if an operator of a compiled model gives other shapes than it tells the compiler."""
    from generated.torch_operators import operator

    engine = cell(name).engines[device()]
    assert engine.module is not None  # kept from now on, under whatever name
    monkeypatch.setitem(vars(engine), "kind", "as_tested")  # the operator under the true name is the GPU's
    args = [one.detach() for one in tensors(name)]
    made = operator(engine)(*args, torch.tensor([3, 1]), True)
    made = (made,) if isinstance(made, torch.Tensor) else made
    assert [one.shape for one in made] == [one.shape for one in engine.fake(*args)]


def test_what_the_module_cannot_take() -> None:
    """Broken if an error inside of a call leaves PyCUDA's context pushed, or the module's memory PyTorch's."""
    from generated import lstm_cuda

    x, h0, *rest = tensors("lstm")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"h0 has shape \(1, 2\), expected \(N, H\) = \(2, 2\)"):
            cell("lstm")(x, h0[:1], *rest)
    assert not any(len(gpu.pools) for gpu in lstm_cuda._GPUS.values() if gpu.real == "double")


if on_cpu():  # on a GPU the streams themselves tell

    def test_what_is_copied_and_allocated_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
        """Broken if kernels may start before PyTorch has copied what they read, or is done with their memory."""
        events: list[str] = []

        class Recorded(OnTheCpu):
            def follow(self, stream: Any, like: Any) -> None:
                del stream, like
                events.append("wait")

            def lead(self, stream: Any, like: Any) -> None:
                events.append("back")
                super().lead(stream, like)

            def _allocated(self, size: int, stream: Any, like: Any) -> Any:
                events.append("memory")
                return super()._allocated(size, stream, like)

        def contiguous(one: Any) -> Any:
            if not one.is_contiguous():
                events.append("copy")
            return plain(one)

        plain = torch.Tensor.contiguous
        x, *rest = tensors("lstm")
        turned = x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
        made = cell("lstm", Recorded)
        monkeypatch.setattr(torch.Tensor, "contiguous", contiguous)
        for act in (lambda: made(turned, *rest)[0], lambda: made(turned, *rest)[0].sum().backward()):
            events.clear()
            act()
            assert "copy" in events
            calls = " ".join(events).split("back")[:-1]  # each ends when PyTorch's stream waits for the module's
            assert len(calls) >= 1
            for call in calls:
                copies, _, work = call.partition("wait")
                assert set(copies.split()) <= {"copy"}
                assert "copy" not in work
                assert work.count("memory wait") == work.count("memory") > 0


if not on_cpu():

    def test_a_stream_of_ones_own() -> None:
        """Broken if the kernels do not wait for PyTorch's current stream, or what is queued there not for them."""
        args = [torch.rand(shape, device="cuda") for shape in ((64, 64, 512), (64, 512), (64, 512))]
        args += [torch.rand(shape, device="cuda") / 32 for shape in ((512, 2048), (512, 2048), (2048,))]
        due, _ = cell("lstm")(*args)
        expected, stream = 2 * due, torch.cuda.Stream()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            for _ in range(5):
                torch.cuda._sleep(50_000_000)
                x = args[0].clone()
                h, _ = cell("lstm")(x, *args[1:])
                x.fill_(float("nan"))
                found = 2 * h
                del h
        stream.synchronize()
        assert torch.equal(found, expected)

    def test_memory_is_pytorchs() -> None:
        """Broken if what a call allocates stays when its results are gone, or is not PyTorch's."""
        args = tensors("lstm")
        torch.autograd.grad(sum(one.sum() for one in cell("lstm")(*args)), args)  # makes what is kept for good
        gc.collect()
        before = torch.cuda.memory_allocated()
        h, c = cell("lstm")(*args)
        assert torch.cuda.memory_allocated() > before
        gradients = torch.autograd.grad(h.sum() + c.sum(), args)
        del h, c, gradients
        gc.collect()
        assert torch.cuda.memory_allocated() == before

    def test_compiles() -> None:
        """Broken if the compiler has to leave the graph for a layer on the GPU, or computes something else in it."""
        from generated.lstm_torch import LSTM

        layer, x = LSTM(3, 4, device="cuda"), torch.randn(5, 2, 3, device="cuda")
        due = torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters()))
        compiled = torch.compile(lambda x: layer(x)[0].square().sum(), fullgraph=True, backend="aot_eager")
        found = torch.autograd.grad(compiled(x), list(layer.parameters()))
        assert max((a - b).abs().max() for a, b in zip(found, due, strict=True)) < 1e-5
