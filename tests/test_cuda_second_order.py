"""Tangents, Hessian products and double backward in the CUDA modules: the values and errors of the NumPy modules."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from generated import lstm_cuda, lstm_numpy
from tests import cuda
from tests.cuda_modules import cuda_module, host
from tests.modules import SMALL, Sizes, relative_error
from tests.ragged import CELLS, LENGTHS, SIZES, Arrays, numpy_module_of, problem, spoilt
from tests.second_order import assert_all_close, directions, names, tangents

cuda.require()

TOLERANCE = 1e-12
# Two stages in a step; a state without a step; an output that is no state; states of rank 3; several products in a sum.
FEW = {"lstm", "projection", "shift", "readout", "mlstm", "gru"}
SOME = [pytest.param(name, marks=[] if name in FEW else pytest.mark.full) for name in sorted(CELLS)]
# More rows and columns than a tile of one step has; sums in parts.
WIDE: Sizes = {"T": 9, "N": 19, "D": 5, "H": 18}
WIDE_LENGTHS = np.array([9, 0, 3, 1, 8] * 4)[:19]
IN_ORDER: dict[str, Any] = {"lengths": LENGTHS, "reverse": True}

Given = tuple[Arrays, Arrays, dict[str, Any], dict[str, Any]]


def given(name: str, sizes: Sizes = SIZES, dtype: Any = np.float64) -> Given:
    """Arguments, cotangents, tangents of the arguments and of the cotangents, by name."""
    args, cotangents = problem(name, sizes)
    # A cell that divides by its input stays away from zero.
    args = [np.asarray(a if name == "growth" else 0.5 * a) for a in args]
    args, cotangents, moved, turned = (
        [one.astype(dtype) for one in arrays]
        for arrays in (args, cotangents, directions(args, 3), directions(cotangents, 4))
    )
    made = numpy_module_of(name)
    return args, cotangents, tangents(made, moved), cotangents_dot(made, turned)


def cotangents_dot(made: ModuleType, values: Arrays) -> dict[str, Any]:
    return {f"d{field}": value for field, value in zip(made.Tangents._fields, values, strict=True)}


def all_of(made: ModuleType, problem: Given, stream: Any = None, **order: Any) -> Iterator[tuple[str, list[Any]]]:
    """The results of all functions, along all tangents and along each alone."""
    args, cotangents, moved, turned = problem
    on = {} if stream is None else {"stream": stream}
    cache = made.forward(*args, **order, **on)[-1]
    yield "jvp", list(made.jvp(*args, **moved, **order, **on))
    yield "hvp", list(made.hvp(*cotangents, cache, **moved, **turned, **on))
    yield "hvp along cotangents", list(made.hvp(*cotangents, cache, **turned, **on))
    for name, value in moved.items():
        yield f"jvp along {name}", list(made.jvp(*args, **{name: value}, **order, **on))
        yield f"hvp along {name}", list(made.hvp(*cotangents, cache, **{name: value}, **on))
    made.backward(*cotangents, cache, **on)
    double = {f"dd{name}": value for name, value in zip(names(made), moved.values(), strict=True)}
    yield "double backward", list(made.backward_backward(cache, **double, **on))
    for name, value in double.items():
        yield f"double backward from {name}", list(made.backward_backward(cache, **{name: value}, **on))


def on_host(found: Iterator[tuple[str, list[Any]]]) -> dict[str, Arrays]:
    return {what: [host(one) for one in values] for what, values in found}


def check(name: str, sizes: Sizes = SIZES, **order: Any) -> None:
    """The CUDA module of a cell against its NumPy module; what is beyond the ends of sequences is NaN or infinite."""
    made, numpy_made, problem = cuda_module(name), numpy_module_of(name), given(name, sizes)
    dues = all_of(numpy_made, problem, **order)
    used = spoil(name, problem, order["lengths"]) if "lengths" in order else problem
    for (what, values), (_, due) in zip(all_of(made, used, **order), dues, strict=True):
        assert_all_close([host(one) for one in values], due, TOLERANCE, f"{what} of {name}")


def spoil(name: str, problem: Given, lengths: np.ndarray) -> Given:
    chance, cell = np.random.default_rng(5), CELLS[name]

    def spoil_some(values: Any, over_time: list[bool]) -> Arrays:
        return [spoilt(v, lengths, chance) if t else v for v, t in zip(values, over_time, strict=True)]

    args, cotangents, moved, turned = problem
    inputs = [one.role == "sequence" for one in cell.inputs]
    outputs = [k < len(cell.outputs) for k in range(len(cotangents))]
    return (
        spoil_some(args, inputs),
        spoil_some(cotangents, outputs),
        dict(zip(moved, spoil_some(moved.values(), inputs), strict=True)),
        dict(zip(turned, spoil_some(turned.values(), outputs), strict=True)),
    )


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_agrees_with_numpy(name: str) -> None:
    """Broken if a kernel computes anything else than its equation, or a tangent that is left out is not zeros."""
    check(name)


@pytest.mark.parametrize("name", SOME)
def test_sequences_of_different_lengths(name: str) -> None:
    """Broken if padding reaches anything but zeros, or what belongs to a last state comes in elsewhere than there."""
    check(name, **IN_ORDER)


@pytest.mark.parametrize("order", ["reverse", "random:3"])
def test_more_than_a_tile_in_every_order(order: str) -> None:
    """Broken at an edge of a tile, or if a result depends on which thread or block is first."""
    how = {"lengths": WIDE_LENGTHS, "reverse": True}
    problem = given("lstm", WIDE)
    first = on_host(all_of(lstm_cuda, problem, **how))
    with cuda.thread_order(order):
        second = on_host(all_of(lstm_cuda, problem, **how))
    dues = dict(all_of(lstm_numpy, problem, **how))
    for what, values in first.items():
        assert all(np.array_equal(a, b) for a, b in zip(values, second[what], strict=True)), what
        assert_all_close(values, dues[what], TOLERANCE, what)


def test_float32() -> None:
    """Broken if an accumulator or a constant has another precision; allowed is four times NumPy's own error."""
    problem, low = given("lstm", WIDE), given("lstm", WIDE, np.float32)
    dues, owns = all_of(lstm_numpy, problem), all_of(lstm_numpy, low)
    for (what, values), (_, due), (_, own) in zip(all_of(lstm_cuda, low), dues, owns, strict=True):
        for value, exact, theirs in zip(values, due, own, strict=True):
            assert value.dtype == np.float32
            allowed = max(2e-6, 4 * relative_error(theirs, exact))
            assert relative_error(host(value), exact) <= allowed, what


@pytest.mark.parametrize("empty", [{"T": 0}, {"N": 0}, {"D": 0}], ids=str)
@pytest.mark.parametrize("name", SOME)
def test_empty_sizes(name: str, empty: Sizes) -> None:
    """Broken if a size of 0 launches an empty grid, or a result is left as the memory was."""
    check(name, {**SIZES, **empty})


def test_no_steps_in_any_sequence() -> None:
    """Broken if tangents of initial states do not pass through, or those of cotangents of last states do not."""
    check("lstm", lengths=np.zeros(SIZES["N"], int), reverse=True)


def test_arguments_stay_as_they_are_and_may_be_on_the_device() -> None:
    """Broken if something is written to an argument or to the cache, or device arrays give other bits."""
    problem = given("lstm")
    due = on_host(all_of(lstm_cuda, problem))
    args, cotangents, moved, turned = problem
    device: Given = (
        [upload(a) for a in args],
        [upload(a) for a in cotangents],
        {name: upload(a) for name, a in moved.items()},
        {name: upload(a) for name, a in turned.items()},
    )
    for what, values in all_of(lstm_cuda, device):
        assert all(np.array_equal(host(a), b) for a, b in zip(values, due[what], strict=True)), what
    for values, before in zip(device, problem, strict=True):
        pairs = zip(*(list(v.values()) if isinstance(v, dict) else v for v in (values, before)), strict=True)
        assert all(np.array_equal(host(a), b) for a, b in pairs)


def upload(array: np.ndarray) -> Any:
    from pycuda import gpuarray

    lstm_cuda._driver()
    return gpuarray.to_gpu(array)


# -- caches, streams, errors ---------------------------------------------------------------------------------------


def test_double_backward_is_of_the_last_backward() -> None:
    """Broken if hvp, or a backward with another cache, changes what backward_backward differentiates."""
    args, cotangents, moved, turned = given("lstm")
    cache, numpy_cache = lstm_cuda.forward(*args)[-1], lstm_numpy.forward(*args)[-1]
    for made, one in ((lstm_cuda, cache), (lstm_numpy, numpy_cache)):
        made.backward(*(2 * w for w in cotangents), one)
        made.backward(*cotangents, one)
        made.hvp(*cotangents, one, **turned)
        made.backward(*turned.values(), made.forward(*args)[-1])
    found = lstm_cuda.backward_backward(cache, ddx=moved["x_dot"])
    due = lstm_numpy.backward_backward(numpy_cache, ddx=moved["x_dot"])
    assert found._fields == due._fields
    assert_all_close([host(one) for one in found], list(due), TOLERANCE, "double backward")


def test_tangents_that_are_no_results_take_one_step() -> None:
    """Broken if jvp keeps for all steps what only the second derivatives read."""
    sizes = {"T": 50, "N": 4, "D": 3, "H": 8}
    dtype = np.dtype(np.float32)
    allocate = lstm_cuda._gpu(dtype).allocator(None)
    small, large = (lstm_cuda._Moved(*sizes.values(), dtype, allocate, keep) for keep in (False, True))
    names = [name for name in vars(large) if getattr(small, name).bytes != getattr(large, name).bytes]
    assert names == ["i_dot", "g_dot", "f_dot", "o_dot", "tanh_c_dot"]
    assert all(50 * getattr(small, name).bytes == getattr(large, name).bytes for name in names)


def test_only_what_is_used_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if forward and backward wait for the kernels of second order, or these are compiled twice."""
    from pycuda import compiler

    made, source_module = [], compiler.SourceModule
    monkeypatch.setattr(compiler, "SourceModule", lambda *a, **k: made.append(a[0]) or source_module(*a, **k))
    monkeypatch.setattr(lstm_cuda, "_GPUS", {})
    args, cotangents, moved, _ = given("lstm")
    lstm_cuda.backward(*cotangents, lstm_cuda.forward(*args)[-1])
    assert len(made) == 1
    lstm_cuda.jvp(*args, **moved)
    lstm_cuda.hvp(*cotangents, lstm_cuda.forward(*args)[-1], **moved)
    assert len(made) == 2
    assert "upward_step" not in made[0]


def test_every_launch_names_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if one kernel of a call runs on the default stream: it would read what is not there yet."""
    problem, stream, used = given("lstm"), lstm_cuda._driver().Stream(), []
    expected = on_host(all_of(lstm_cuda, problem, **IN_ORDER))
    prepare = lstm_cuda._Gpu.prepare

    def noting(gpu: Any, name: str, *extent: int, **options: Any) -> Any:
        used.append((name, options["stream"]))
        return prepare(gpu, name, *extent, **options)

    monkeypatch.setattr(lstm_cuda._Gpu, "prepare", noting)
    found = list(all_of(lstm_cuda, problem, stream, **IN_ORDER))
    stream.synchronize()
    assert {"upward_step", "downward_step", "take_rows"} <= {name for name, _ in used}
    assert all(one is stream for _, one in used)
    for what, values in found:
        assert all(np.array_equal(host(a), b) for a, b in zip(values, expected[what], strict=True)), what


def test_the_errors_are_numpys() -> None:
    """Broken if a wrong tangent gives numbers, or a message that does not say which argument it was."""
    args, cotangents = problem("lstm", SMALL)
    for call in (
        lambda made, cache: made.jvp(*args, W_x_dot=np.zeros((2, 3))),
        lambda made, cache: made.jvp(*args, x_dot=np.zeros((4, 2, 3)), lengths=[1.0, 2.0]),
        lambda made, cache: made.jvp(*args[:-1], np.zeros(3)),
        lambda made, cache: made.hvp(*cotangents, cache, dc_dot=np.zeros((2, 2), np.float32)),
        lambda made, cache: made.hvp(cotangents[0][0], None, cache),
        lambda made, cache: made.backward_backward(cache),
        lambda made, cache: (made.backward(*cotangents, cache), made.backward_backward(cache, ddb=np.zeros(3))),
    ):
        with pytest.raises((TypeError, ValueError, RuntimeError)) as expected:
            call(lstm_numpy, lstm_numpy.forward(*args)[-1])
        with pytest.raises(type(expected.value)) as found:
            call(lstm_cuda, lstm_cuda.forward(*args)[-1])
        assert str(found.value) == str(expected.value)


def test_an_overwritten_cache_is_refused() -> None:
    args, cotangents = problem("lstm", SMALL)
    workspace = lstm_cuda.Workspace(*SMALL.values(), np.float64)
    cache = lstm_cuda.forward(*args, workspace=workspace)[-1]
    lstm_cuda.backward(*cotangents, cache)
    later = lstm_cuda.forward(*args, workspace=workspace)[-1]
    for call in (lambda: lstm_cuda.hvp(*cotangents, cache), lambda: lstm_cuda.backward_backward(cache)):
        with pytest.raises(RuntimeError, match="the cache is overwritten"):
            call()
    with pytest.raises(RuntimeError, match="backward has not been called with this cache"):
        lstm_cuda.backward_backward(later)


def test_lstm_numpy_and_cuda_have_the_same_face() -> None:
    """Broken if swapping the import breaks a caller: names, fields, argument names, defaults, order."""
    for function in ("jvp", "hvp", "backward_backward"):
        theirs = list(inspect.signature(getattr(lstm_numpy, function)).parameters.values())
        *ours, stream = inspect.signature(getattr(lstm_cuda, function)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in theirs]
        assert stream.name == "stream"
    assert lstm_cuda.Tangents._fields == lstm_numpy.Tangents._fields
    assert lstm_cuda.DoubleGradients._fields == lstm_numpy.DoubleGradients._fields
