"""Batches of sequences of different lengths, and reversed sequences, in the CUDA modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from generated import lstm_cuda, lstm_numpy
from tests import cuda
from tests.cuda_modules import cuda_module, run
from tests.modules import Sizes, relative_error
from tests.ragged import CELLS, LENGTHS, SIZES, Arrays, alone, beyond, numpy_module_of, problem, spoil

cuda.require()

TOLERANCE = 1e-12
# More rows and columns than a tile of one step has; sums in parts.
WIDE: Sizes = {"T": 9, "N": 19, "D": 5, "H": 18, "P": 4}
WIDE_LENGTHS = np.array([9, 0, 3, 1, 8] * 4)[:19]
# A state that is no output; two stages in a step; a state without a step; an output that is no state.
FEW = {"lstm", "projection", "shift", "readout"}
SOME = [pytest.param(name, marks=[] if name in FEW else pytest.mark.full) for name in sorted(CELLS)]


def check(values: tuple[np.ndarray, ...], due: tuple[Arrays, Arrays], tolerance: float = TOLERANCE) -> None:
    for value, one in zip(values, (*due[0], *due[1]), strict=True):
        assert value.shape == one.shape
        assert relative_error(value, one) <= tolerance


@pytest.mark.parametrize(
    ("name", "reverse"),
    [
        *((name, True) for name in sorted(CELLS)),
        *(pytest.param(name, False, marks=[] if name in FEW else pytest.mark.full) for name in sorted(CELLS)),
    ],
)
def test_a_batch_is_its_sequences(name: str, reverse: bool) -> None:
    """Broken if one sequence's end or padding, NaN and infinite here, reaches anything but zeros."""
    args, cotangents = problem(name)
    due = alone(numpy_module_of(name), CELLS[name], args, cotangents, LENGTHS, reverse)
    values = run(cuda_module(name), *spoil(name, args, cotangents, LENGTHS), {"lengths": LENGTHS, "reverse": reverse})
    check(values, due)
    roles = ["output"] * len(CELLS[name].outputs) + [""] * (len(due[0]) - len(CELLS[name].outputs))
    roles += [a.role for a in CELLS[name].inputs]
    for value, role in zip(values, roles, strict=True):
        if role in {"output", "sequence"}:
            assert not value[beyond(LENGTHS, SIZES["T"])].any()


@pytest.mark.parametrize("order", ["reverse", "random:3"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_than_a_tile(dtype: Any, order: str) -> None:
    """Broken if an end is looked up for another row than the thread's, or a result depends on which thread is first."""
    args, cotangents = problem("lstm", WIDE)
    due = alone(lstm_numpy, CELLS["lstm"], args, cotangents, WIDE_LENGTHS, True)
    given = [[a.astype(dtype) for a in arrays] for arrays in spoil("lstm", args, cotangents, WIDE_LENGTHS)]
    how = {"lengths": WIDE_LENGTHS, "reverse": True}
    first = run(lstm_cuda, *given, how)
    with cuda.thread_order(order):
        second = run(lstm_cuda, *given, how)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    # float32: sums of some hundred products, whose rounding errors average out.
    check(first, due, TOLERANCE if dtype is np.float64 else 1e-5)


@pytest.mark.parametrize("name", SOME)
def test_reverse_without_lengths_is_flipping(name: str) -> None:
    """Broken if h[t] does not stand at x[t], or a gradient of a sequence is not turned back."""
    args, cotangents = problem(name)
    full = np.full(SIZES["N"], SIZES["T"])
    due = alone(numpy_module_of(name), CELLS[name], args, cotangents, full, True)
    check(run(cuda_module(name), args, cotangents, {"reverse": True}), due)


@pytest.mark.parametrize("name", SOME)
def test_full_lengths_are_no_lengths(name: str) -> None:
    """Broken if lengths that are all T change a bit."""
    args, cotangents = problem(name)
    plain = run(cuda_module(name), args, cotangents)
    values = run(cuda_module(name), args, cotangents, {"lengths": [SIZES["T"]] * SIZES["N"]})
    assert all(np.array_equal(a, b) for a, b in zip(values, plain, strict=True))


@pytest.mark.parametrize("sizes", [{"T": 5}, {"T": 0}, {"N": 0}], ids=str)
@pytest.mark.parametrize("name", SOME)
def test_no_steps_at_all(name: str, sizes: Sizes) -> None:
    """Broken if a batch without a real step launches nothing where something is due, or keeps NaN."""
    args, cotangents = problem(name, {**SIZES, **sizes})
    lengths = np.zeros({**SIZES, **sizes}["N"], int)
    due = alone(numpy_module_of(name), CELLS[name], args, cotangents, lengths, False)
    for reverse in (False, True):
        values = run(
            cuda_module(name), *spoil(name, args, cotangents, lengths), {"lengths": lengths, "reverse": reverse}
        )
        check(values, due, tolerance=0)


@pytest.mark.parametrize("name", SOME)
def test_none_means_zeros(name: str) -> None:
    args, cotangents = problem(name)
    order = {"lengths": LENGTHS, "reverse": True}
    due = run(cuda_module(name), args, [np.zeros_like(w) for w in cotangents], order)
    values = run(cuda_module(name), args, [None] * len(cotangents), order)
    assert all(np.array_equal(a, b) for a, b in zip(values, due, strict=True))


def test_states_do_not_grow_in_the_padding() -> None:
    """Broken if a sequence goes on beyond its end: 2^400 is no float32, and infinity times zero no zero."""
    args, cotangents = problem("growth", {"T": 400, "N": 2, "D": 1, "H": 1}, np.float32)
    args[0] = np.full_like(args[0], 2)
    args[0][:, 1] = 1
    lengths = np.array([3, 400])
    due = alone(numpy_module_of("growth"), CELLS["growth"], args, cotangents, lengths, False)
    check(run(cuda_module("growth"), args, cotangents, {"lengths": lengths}), due, tolerance=1e-5)


def test_a_workspace_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a second call with other lengths allocates, or finds what an earlier one left there."""
    args, cotangents = problem("lstm", WIDE)
    workspace = lstm_cuda.Workspace(*(WIDE[n] for n in "TNDH"), np.float64)
    other = [2 * a for a in args]
    run(lstm_cuda, other, cotangents, {"lengths": WIDE_LENGTHS, "reverse": True}, workspace=workspace)
    orders: list[dict[str, Any]] = [{"lengths": WIDE_LENGTHS[::-1]}, {}, {"reverse": True}, {"lengths": [0] * 19}]
    dues = [run(lstm_cuda, args, cotangents, order) for order in orders]
    given = [[upload(a) for a in arrays] for arrays in (args, cotangents)]
    monkeypatch.delattr(lstm_cuda, "_empty")
    for order, due in zip(orders, dues, strict=True):
        values = run(lstm_cuda, *given, order, workspace=workspace)
        assert all(np.array_equal(a, b) for a, b in zip(values, due, strict=True))


def upload(array: np.ndarray) -> Any:
    from pycuda import gpuarray

    return gpuarray.to_gpu(array)


@pytest.mark.parametrize(
    "order",
    [
        {"lengths": [1.0, 2.0]},
        {"lengths": [[1], [1, 2]]},
        {"lengths": [1, 2, 3]},
        {"lengths": [4, -1]},
        {"lengths": [5, 1]},
        {"reverse": None},
    ],
    ids=str,
)
def test_the_errors_are_numpys(order: dict[str, Any]) -> None:
    args, _ = problem("lstm", {"T": 4, "N": 2, "D": 3, "H": 2})
    with pytest.raises((TypeError, ValueError)) as expected:
        lstm_numpy.forward(*args, **order)
    with pytest.raises(type(expected.value)) as found:
        lstm_cuda.forward(*args, **order)
    assert str(found.value) == str(expected.value)


def test_lengths_in_device_memory_are_refused() -> None:
    """Broken if lengths that only the device knows are taken for something else."""
    args, _ = problem("lstm", {"T": 4, "N": 2, "D": 3, "H": 2})
    with pytest.raises(TypeError, match="lengths should be 2 integers in the host's memory, got GPUArray"):
        lstm_cuda.forward(*args, lengths=upload(np.array([1, 2])))


def test_every_launch_names_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if one kernel of a call runs on the default stream: it would read what is not there yet."""
    args, cotangents = problem("lstm")
    stream, used = lstm_cuda._driver().Stream(), []
    prepare = lstm_cuda._Gpu.prepare

    def noting(gpu: Any, name: str, *extent: int, **options: Any) -> Any:
        used.append((name, options["stream"]))
        return prepare(gpu, name, *extent, **options)

    monkeypatch.setattr(lstm_cuda._Gpu, "prepare", noting)
    *_, cache = lstm_cuda.forward(*args, lengths=LENGTHS, reverse=True, stream=stream)
    lstm_cuda.backward(*cotangents, cache, stream=stream)
    stream.synchronize()
    assert sum(name == "take_rows" for name, _ in used) == 5  # x, h, c, dh, dx
    assert all(one is stream for _, one in used)
