"""What a user of a generated CUDA module relies on: the values, gradients and errors of the NumPy module."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from generated import lstm_cuda, lstm_numpy
from tests import cuda
from tests.cuda_modules import cotangents_of, cuda_module, excess, host, run, scaled_arguments
from tests.example_cells import ALL
from tests.modules import SMALL, Sizes, module, relative_error

cuda.require()

CELL_NAMES = sorted(ALL)
DTYPES = [np.float32, np.float64]
MEDIUM: Sizes = {"T": 3, "N": 5, "D": 4, "H": 19}
# Tiles have 16 or 64 rows and 16 or 64 columns and are 16 or 32 deep; sums over more than 64 rows are cut into parts.
ODD_SIZES = [
    {"T": 1, "N": 1, "D": 1, "H": 1},
    {"T": 2, "N": 3, "D": 17, "H": 33},
    {"T": 3, "N": 17, "D": 65, "H": 3},
    {"T": 2, "N": 65, "D": 33, "H": 17},
    {"T": 41, "N": 5, "D": 3, "H": 1},
    {"T": 2, "N": 33, "D": 1, "H": 65},
]


def lstm(sizes: Sizes = MEDIUM, dtype: Any = np.float32) -> tuple[list[np.ndarray], list[np.ndarray]]:
    args = scaled_arguments("lstm", sizes, dtype)
    return args, cotangents_of("lstm", args)


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", ODD_SIZES, ids=lambda sizes: "-".join(map(str, sizes.values())))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELL_NAMES)
def test_agrees_with_numpy(name: str, dtype: Any, sizes: Sizes) -> None:
    """Broken if a kernel computes anything else than its equation, at an edge of a tile say."""
    args = scaled_arguments(name, sizes, dtype)
    cotangents = cotangents_of(name, args)
    values = run(cuda_module(name), args, cotangents)
    assert all(value.dtype == dtype for value in values)
    assert excess(name, values, args, cotangents) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_more_states_than_threads_in_a_block(dtype: Any) -> None:
    """Broken if something is indexed by threadIdx alone: 257 states, 1028 gates."""
    args, cotangents = lstm({"T": 2, "N": 2, "D": 3, "H": 257}, dtype)
    assert excess("lstm", run(lstm_cuda, args, cotangents), args, cotangents) <= 1


def test_long_sums_keep_their_digits() -> None:
    """Broken if 2400 terms are added one by one in float32: dW_x and dW_h lose a digit to NumPy's."""
    args, cotangents = lstm({"T": 150, "N": 16, "D": 64, "H": 64})
    assert excess("lstm", run(lstm_cuda, args, cotangents), args, cotangents) <= 1


@pytest.mark.parametrize("name", CELL_NAMES)
def test_one_step(name: str) -> None:
    """Broken if ``step_forward`` or ``step_backward`` differ from NumPy's, or their results have an axis over time."""
    made, numpy_made = cuda_module(name), module(name)
    cell = ALL[name]
    whole = scaled_arguments(name, MEDIUM)
    args = [a[0] if array.role == "sequence" else a for array, a in zip(cell.inputs, whole, strict=True)]
    *values, cache = made.step_forward(*args)
    *expected, numpy_cache = numpy_made.step_forward(*args)
    cotangents = [np.random.default_rng(3).standard_normal(e.shape) for e in expected]
    gradients = made.step_backward(*cotangents, cache)
    due = numpy_made.step_backward(*cotangents, numpy_cache)
    assert gradients._fields == due._fields
    assert [g.shape for g in gradients] == [a.shape for a in args]
    for value, one in zip((*values, *gradients), (*expected, *due), strict=True):
        # NumPy's gradient of an argument that is not used is the number 0.
        assert relative_error(host(value), np.broadcast_to(one, value.shape)) <= 1e-13


@pytest.mark.parametrize("name", CELL_NAMES)
def test_none_means_zeros(name: str) -> None:
    made, args = cuda_module(name), scaled_arguments(name, MEDIUM)
    results = made.forward(*args)
    zeros = [np.zeros(r.shape) for r in results[:-1]]
    expected = made.backward(*zeros, results[-1])
    gradients = made.backward(*[None] * len(zeros), results[-1])
    assert all(np.array_equal(host(a), host(b)) for a, b in zip(gradients, expected, strict=True))


@pytest.mark.parametrize("empty", [("N",), ("T",), ("T", "N"), ("D",)], ids="-".join)
@pytest.mark.parametrize("name", CELL_NAMES)
def test_empty_sizes(name: str, empty: tuple[str, ...]) -> None:
    """Broken if a size of 0 launches an empty grid, or leaves a gradient that should be zero as it was."""
    args = scaled_arguments(name, {**MEDIUM, **dict.fromkeys(empty, 0)})
    cotangents = cotangents_of(name, args)
    values = run(cuda_module(name), args, cotangents)
    assert excess(name, values, args, cotangents) <= 1


def test_saturated_and_infinite_gates() -> None:
    """Broken if σ overflows on its way to 0 or 1, or a tile's padding meets an infinity."""
    args = [a.astype(np.float32) for a in scaled_arguments("lstm", MEDIUM)]
    args[-1][:] = np.resize([200, -200, np.inf, -np.inf, 88, -104], args[-1].shape)
    h, c, _ = lstm_cuda.forward(*args)
    h_due, c_due, _ = lstm_numpy.forward(*args)
    assert np.allclose(host(h), h_due, rtol=1e-5, atol=1e-6)
    assert np.allclose(host(c), c_due, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["reverse", "random:3"])
def test_the_same_bits_in_every_order(order: str) -> None:
    """Broken if a result depends on which thread or block is first: a missing barrier, a sum by atomics."""
    args, cotangents = lstm({"T": 30, "N": 5, "D": 4, "H": 19})
    first = run(lstm_cuda, args, cotangents)
    with cuda.thread_order(order):
        second = run(lstm_cuda, args, cotangents)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_arguments_and_cache_stay_as_they_are() -> None:
    """Broken if forward writes to its arguments, or backward to the cache."""
    args, cotangents = lstm()
    given = [upload(a) for a in (*args, *cotangents)]
    results = lstm_cuda.forward(*given[: len(args)])
    first = lstm_cuda.backward(*given[len(args) :], results[-1])
    second = lstm_cuda.backward(*given[len(args) :], results[-1])
    assert all(np.array_equal(host(a), b) for a, b in zip(given, (*args, *cotangents), strict=True))
    assert all(np.array_equal(host(a), host(b)) for a, b in zip(first, second, strict=True))


# -- what arguments may be -----------------------------------------------------------------------------------------


def upload(array: np.ndarray) -> Any:
    from pycuda import gpuarray

    lstm_cuda._driver()
    return gpuarray.to_gpu(array)


class Foreign:
    """An array of another library: all that is known is its interface."""

    def __init__(self, array: Any, **changes: Any) -> None:
        self.array = array
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, "strides": None, **changes}


def test_device_arrays_are_not_copied() -> None:
    """Broken if a GPUArray or an array with the interface is copied, or gives other values than NumPy arrays."""
    args, cotangents = lstm()
    expected = run(lstm_cuda, args, cotangents)
    given = [Foreign(upload(a)) if k % 2 else upload(a) for k, a in enumerate((*args, *cotangents))]
    values = run(lstm_cuda, given[: len(args)], given[len(args) :])
    assert all(np.array_equal(a, b) for a, b in zip(values, expected, strict=True))
    *_, cache = lstm_cuda.forward(*given[: len(args)])
    assert cache.x.address == int(given[0].gpudata)
    assert cache.W_x.address == int(given[3].array.gpudata)


def test_arrays_that_kernels_cannot_read_are_refused() -> None:
    args, _ = lstm()
    x, *rest = map(upload, args)
    strides = (x.strides[0] * 2, *x.strides[1:])
    with pytest.raises(ValueError, match=r"x is not C-contiguous, strides \(.*\): pass a contiguous copy"):
        lstm_cuda.forward(Foreign(x, strides=strides), *rest)
    with pytest.raises(ValueError, match="x begins at an address that is no multiple of 4: pass a copy"):
        lstm_cuda.forward(Foreign(x, data=(int(x.gpudata) + 1, False)), *rest)
    with pytest.raises(ValueError, match="x has a mask, for which there are no kernels"):
        lstm_cuda.forward(Foreign(x, mask=x), *rest)
    with pytest.raises(
        TypeError, match="x should be a NumPy array, a GPUArray or have __cuda_array_interface__, got list"
    ):
        lstm_cuda.forward([1.0], *rest)
    # A NumPy array is copied anyway, so any strides will do.
    values = lstm_cuda.forward(np.asfortranarray(args[0]), *rest)
    assert np.array_equal(host(values[0]), host(lstm_cuda.forward(*args)[0]))


@pytest.mark.parametrize(
    ("position", "change"),
    [
        (3, lambda a: a[:, :-1]),
        (0, lambda a: a[0]),
        (1, lambda a: a[:1]),
        (5, lambda a: a[:, None]),
        (2, lambda a: a.astype(np.float32)),
        (0, lambda a: a.astype(np.float16)),
        (4, lambda a: a.astype(">f8")),
    ],
)
@pytest.mark.parametrize("on_device", [False, True])
def test_the_errors_are_numpys(position: int, change: Any, on_device: bool) -> None:
    """Broken if a wrong shape or dtype is another error, or none, or names another argument."""
    args = scaled_arguments("lstm", SMALL)
    args[position] = np.ascontiguousarray(change(args[position]))
    with pytest.raises((TypeError, ValueError)) as expected:
        lstm_numpy.forward(*args)
    given = [upload(a) for a in args] if on_device else args
    with pytest.raises(type(expected.value)) as found:
        lstm_cuda.forward(*given)
    # NumPy's module has complex128 as well.
    assert str(found.value) == str(expected.value).replace("float32, float64 or complex128", "float32 or float64")


def test_errors_of_cotangents_are_numpys() -> None:
    args = scaled_arguments("lstm", SMALL)
    cache, numpy_cache = lstm_cuda.forward(*args)[-1], lstm_numpy.forward(*args)[-1]
    for dh in (np.zeros((1, 2, 2)), np.zeros((4, 2, 2), np.float32)):
        with pytest.raises((TypeError, ValueError)) as expected:
            lstm_numpy.backward(dh, None, numpy_cache)
        with pytest.raises(type(expected.value)) as found:
            lstm_cuda.backward(dh, None, cache)
        assert str(found.value) == str(expected.value)


class _Log:
    """A driver whose events and synchronisations are written down and not done."""

    event_flags = SimpleNamespace(DISABLE_TIMING=2)

    def __init__(self) -> None:
        self.done: list[str] = []
        self.Context = SimpleNamespace(synchronize=lambda: self.done.append("wait for everything"))

    def Event(self, _: int) -> Any:
        return SimpleNamespace(record=lambda: self.done.append("record on the default stream"))

    def stream(self, handle: int) -> Any:
        return SimpleNamespace(handle=handle, wait_for_event=lambda _: self.done.append(f"{handle} waits"))


@pytest.mark.parametrize(
    ("producer", "ours", "expected"),
    [
        (None, None, []),
        (None, 7, []),
        (1, None, []),
        (7, 7, []),
        (1, 7, ["record on the default stream", "7 waits"]),
        (2, None, ["wait for everything"]),
        (9, 7, ["wait for everything"]),
    ],
)
def test_the_stream_of_an_array_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, producer: int | None, ours: int | None, expected: list[str]
) -> None:
    """Broken if kernels may read an array before its own stream has written it, or the host waits without need."""
    log = _Log()
    monkeypatch.setattr(lstm_cuda, "_driver", lambda: log)
    lstm_cuda._wait_for(producer, None if ours is None else log.stream(ours))
    assert log.done == expected


def test_an_array_that_names_its_stream() -> None:
    """Broken if the interface's entry is not looked at, or the driver does not take the wait."""
    args, _ = lstm()
    stream = lstm_cuda._driver().Stream()
    given = [
        Foreign(upload(a), stream=producer) for a, producer in zip(args, (1, 1, None, 2, stream.handle, 1), strict=True)
    ]
    results = lstm_cuda.forward(*given, stream=stream)
    stream.synchronize()
    assert np.array_equal(host(results[0]), host(lstm_cuda.forward(*args)[0]))


# -- workspaces and streams ----------------------------------------------------------------------------------------


def test_a_workspace_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a call with device arrays and a workspace allocates, or finds what an earlier one left there."""
    args, cotangents = lstm()
    other, other_cotangents = [2 * a for a in args], [3 * w for w in cotangents]
    workspace = lstm_cuda.Workspace(**MEDIUM)
    expected = run(lstm_cuda, args, cotangents)
    run(lstm_cuda, other, other_cotangents, workspace=workspace)
    given = [upload(a) for a in (*args, *cotangents)]
    monkeypatch.delattr(lstm_cuda, "_empty")
    values = run(lstm_cuda, given[: len(args)], given[len(args) :], workspace=workspace)
    assert all(np.array_equal(a, b) for a, b in zip(values, expected, strict=True))


def test_a_workspace_for_something_else_is_refused() -> None:
    args, _ = lstm()
    with pytest.raises(ValueError, match="the workspace is for"):
        lstm_cuda.forward(*args, workspace=lstm_cuda.Workspace(**{**MEDIUM, "T": 9}))
    with pytest.raises(TypeError, match="the workspace is for float64, the arguments are float32"):
        lstm_cuda.forward(*args, workspace=lstm_cuda.Workspace(**MEDIUM, dtype=np.float64))
    with pytest.raises(TypeError, match="a workspace has dtype float32 or float64, not complex128"):
        lstm_cuda.Workspace(**MEDIUM, dtype=np.complex128)


def test_an_overwritten_cache_is_refused() -> None:
    args, _ = lstm()
    workspace = lstm_cuda.Workspace(**MEDIUM)
    *_, cache = lstm_cuda.forward(*args, workspace=workspace)
    lstm_cuda.forward(*args, workspace=workspace)
    with pytest.raises(RuntimeError, match="the cache is overwritten"):
        lstm_cuda.backward(None, None, cache)


def test_on_a_stream() -> None:
    """Broken if a copy or a kernel is queued elsewhere than on the stream that is given."""
    args, cotangents = lstm()
    stream = lstm_cuda._driver().Stream()
    results = lstm_cuda.forward(*args, stream=stream)
    gradients = lstm_cuda.backward(*cotangents, results[-1], stream=stream)
    stream.synchronize()
    expected = run(lstm_cuda, args, cotangents)
    assert all(np.array_equal(host(a), b) for a, b in zip((*results[:-1], *gradients), expected, strict=True))


def test_memory_is_used_again_without_a_workspace() -> None:
    """Broken if calls allocate although an earlier one has freed as much, or what it left there is taken for zeros."""
    args, cotangents = lstm()
    given = [upload(a) for a in (*args, *cotangents)]
    expected = run(lstm_cuda, given[: len(args)], given[len(args) :])
    pool = lstm_cuda._gpu(np.dtype(np.float32)).pool
    assert pool.active_blocks == 0
    held = pool.managed_bytes
    run(lstm_cuda, [2 * a for a in given[: len(args)]], given[len(args) :])
    values = run(lstm_cuda, given[: len(args)], given[len(args) :])
    assert pool.managed_bytes == held > 0
    assert all(np.array_equal(a, b) for a, b in zip(values, expected, strict=True))
    lstm_cuda.release_memory()
    assert pool.managed_bytes == 0


def test_streams_do_not_share_freed_memory() -> None:
    """Broken if memory that one stream's kernels still use goes to a call on another, or outlives its stream."""
    driver, (args, _), gpu = lstm_cuda._driver(), lstm(), lstm_cuda._gpu(np.dtype(np.float32))
    one, other = driver.Stream(), driver.Stream()
    first = lstm_cuda.forward(*args, stream=one)[0]
    address = int(first.gpudata)
    del first
    assert gpu.pools[one].held_blocks > 0
    results = lstm_cuda.forward(*args, stream=other)
    assert int(results[0].gpudata) != address
    before = len(gpu.pools)
    del one
    assert len(gpu.pools) == before - 1


def test_every_launch_names_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if one kernel of a call runs on the default stream: it would read what is not there yet."""
    args, cotangents = lstm()
    stream, used = lstm_cuda._driver().Stream(), []
    prepare = lstm_cuda._Gpu.prepare

    def noting(gpu: Any, name: str, *extent: int, **options: Any) -> Any:
        used.append(options["stream"])
        return prepare(gpu, name, *extent, **options)

    monkeypatch.setattr(lstm_cuda._Gpu, "prepare", noting)
    run(lstm_cuda, args, cotangents, stream=stream)
    assert used
    assert all(one is stream for one in used)


def test_a_failure_of_the_driver_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a launch or an allocation that fails goes unnoticed."""
    driver, (args, _) = lstm_cuda._driver(), lstm()
    with pytest.raises(driver.Error):
        lstm_cuda.Workspace(T=1 << 20, N=1 << 20, D=1, H=1 << 10)
    lstm_cuda.forward(*args)
    kernel = lstm_cuda._KERNELS["forward_step"]
    monkeypatch.setitem(lstm_cuda._KERNELS, "forward_step", kernel._replace(threads=(64, 64)))
    with pytest.raises(driver.Error):
        lstm_cuda.forward(*args)


def test_lstm_numpy_and_cuda_have_the_same_face() -> None:
    """Broken if swapping the import breaks a caller: names, fields, argument names and order."""
    for function in ("forward", "backward", "step_forward", "step_backward"):
        theirs = list(inspect.signature(getattr(lstm_numpy, function)).parameters)
        ours = list(inspect.signature(getattr(lstm_cuda, function)).parameters)
        assert ours == [*theirs, "stream"]
    assert lstm_cuda.GATE_ORDER == lstm_numpy.GATE_ORDER
    assert lstm_cuda.Gradients._fields == lstm_numpy.Gradients._fields
    assert lstm_cuda.StepGradients._fields == lstm_numpy.StepGradients._fields


def test_another_thread_needs_a_context_of_its_own() -> None:
    """Broken if the primary context is pushed where nobody pops it: PyCUDA ends the process when the thread ends."""
    args, _ = lstm()
    lstm_cuda.forward(*args)
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(lstm_cuda.forward, *args).exception()
    assert isinstance(error, lstm_cuda.CudaUnavailable)
    assert str(error).startswith("a thread other than the main one has to push a context itself")
