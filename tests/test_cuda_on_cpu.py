"""The CPU driver where it differs from a GPU: a kernel's mistakes are found and said."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests import cuda_on_cpu
from tests.cuda_on_cpu import build, nvcc

cuda_on_cpu.require()
if not cuda_on_cpu.on_cpu():
    pytest.skip("a GPU is in use; CUDA_ON_CPU=1 tests the CPU driver", allow_module_level=True)

import pycuda.autoprimaryctx  # noqa: E402, F401
import pycuda.driver as drv  # noqa: E402
from pycuda import gpuarray  # noqa: E402
from pycuda.compiler import SourceModule  # noqa: E402

ROOT = build.HERE.parents[1]
ORDERS = ("forward", "reverse", "random:1", "random:2")


def kernel(text: str, name: str = "f") -> Callable[..., None]:
    return SourceModule(text).get_function(name)


# A correct kernel, and the same without its barrier.
REVERSE = """
__global__ void f(const float *x, float *y) {
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    BARRIER
    y[threadIdx.x] = s[63 - threadIdx.x];
}
"""


@pytest.mark.parametrize("order", ORDERS)
def test_orders_do_not_change_correct_kernels(order: str) -> None:
    """If one did, the scheduler would be wrong, and a kernel that depends on the order could not be told."""
    x, y = np.arange(64, dtype=np.float32), np.empty(64, np.float32)
    with cuda_on_cpu.thread_order(order):
        kernel(REVERSE.replace("BARRIER", "__syncthreads();"))(drv.In(x), drv.Out(y), block=(64, 1, 1))
    np.testing.assert_array_equal(y, x[::-1])


@pytest.mark.parametrize("order", ORDERS)
def test_missing_barrier_reads_nan(order: str) -> None:
    """Shared memory starts as NaN, so that what another thread has not written yet cannot pass for a value."""
    x, y = np.arange(64, dtype=np.float32), np.empty(64, np.float32)
    with cuda_on_cpu.thread_order(order):
        kernel(REVERSE.replace("BARRIER", ""))(drv.In(x), drv.Out(y), block=(64, 1, 1))
    assert np.isnan(y).any()


def test_orders_show_races() -> None:
    """Threads, and blocks, that write the same place: another order, another result."""
    last = kernel("__global__ void f(int *x) { x[0] = threadIdx.x; x[1] = blockIdx.x; }")
    results = set()
    for order in ORDERS:
        x = gpuarray.zeros(2, np.int32)
        with cuda_on_cpu.thread_order(order):
            last(x, block=(50, 1, 1), grid=(50, 1))
        results.add(tuple(x.get().tolist()))
    assert {(49, 49), (0, 0)} < results
    assert len(results) == 4


def test_unknown_order_is_an_error() -> None:
    """A misspelt order must not mean the usual one."""
    with cuda_on_cpu.thread_order("backwards"), pytest.raises(drv.LogicError, match="CUDA_ON_CPU_ORDER is backwards"):
        kernel("__global__ void f() {}")(block=(1, 1, 1))


# Kernels' bodies, and what is said of them; the first line of a body is line 3.
MISTAKES = {
    "barriers_of_two_branches": (
        "if (threadIdx.x < 32) __syncthreads();\nelse __syncthreads();",
        r"block \(0,0,0\): barrier divergence: 32 threads wait in __syncthreads at kernel.cu:3, 32 wait in "
        r"__syncthreads at kernel.cu:4",
    ),
    "return_before_barrier": (
        "if (threadIdx.x >= 40) return;\n__syncthreads();",
        r"24 threads have returned, 40 wait in __syncthreads at kernel.cu:4",
    ),
    "shuffle_that_not_all_lanes_come_to": (
        "if (threadIdx.x % 2) __shfl_sync(0xffffffff, 1, 0);\nelse __syncthreads();",
        r"32 threads wait in __syncthreads at kernel.cu:4, 32 wait in a warp's barrier at kernel.cu:3",
    ),
    "lane_outside_its_mask": (
        "__syncwarp(0x0000ffff);",
        r"thread \(16,0,0\) of block \(0,0,0\): lane 16 is not in the mask it passes at kernel.cu:3",
    ),
    "grid_barrier_in_plain_launch": (
        "cooperative_groups::this_grid().sync();",
        "a barrier of the grid needs a cooperative launch",
    ),
    "trap": ("if (threadIdx.x == 5) __trap();", r"thread \(5,0,0\) of block \(0,0,0\): __trap\(\) at kernel.cu:3"),
    "large_local_array": ("volatile char local[1 << 20]; local[x[0]] = 1; x[0] = local[0];", "its stack is full"),
    "wild_pointer": ("x[1ll << 40] = 1;", r"thread \(0,0,0\) of block \(0,0,0\): illegal memory access at 0x"),
    "none": ("__syncthreads(); x[0] = 7;", ""),
}


@pytest.fixture(scope="module")
def mistakes() -> SourceModule:
    kernels = [f"#line 2\n__global__ void {name}(int *x) {{\n{body}\n}}\n" for name, (body, _) in MISTAKES.items()]
    return SourceModule("#include <cooperative_groups.h>\n" + "".join(kernels))


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != "none"])
def test_mistakes_are_reported(mistake: str, mistakes: SourceModule) -> None:
    """Each is an exception that says where; none hangs or ends the process; the next launch works."""
    x = gpuarray.zeros(1, np.int32)
    with pytest.raises(drv.Error, match=MISTAKES[mistake][1]):
        mistakes.get_function(mistake)(x, block=(64, 1, 1))
    mistakes.get_function("none")(x, block=(64, 1, 1))
    assert x.get()[0] == 7


def test_arguments_of_another_size() -> None:
    """An int passed as a long would shift what follows."""
    f = kernel("__global__ void f(int n, float *x) { x[0] = n; }")
    with pytest.raises(drv.LogicError, match="f takes 16 bytes of arguments, not 12"):
        f.prepare("iii").prepared_call((1, 1), (1, 1, 1), 1, 2, 3)


def test_memory_errors() -> None:
    """Copies beyond an allocation, use after free, and reading what nobody wrote."""
    x = drv.mem_alloc(100)
    host = np.zeros(104, np.uint8)
    for copy in (
        lambda: drv.memcpy_htod(x, host),
        lambda: drv.memcpy_dtoh(host, x),
        lambda: drv.memcpy_htod(int(x) + 50, host[:51]),
        lambda: drv.memcpy_dtod(int(x), int(x) + 1, 100),
        lambda: drv.memset_d8(x, 0, 101),
        lambda: drv.memset_d32(int(x) - 4, 0, 1),
    ):
        with pytest.raises(drv.LogicError, match=r"CUDA_ERROR_INVALID_VALUE: .* bytes are not inside one allocation"):
            copy()
    assert np.isnan(gpuarray.empty(8, np.float32).get()).all()
    address = int(x)
    x.free()
    with pytest.raises(drv.LogicError, match="not inside one allocation"):
        drv.memcpy_htod(address, host[:1])
    with pytest.raises(drv.MemoryError):
        drv.mem_alloc(1 << 50)


def test_streams_are_as_late_as_they_may_be() -> None:
    """Who forgets to synchronize, or to wait for an event, reads old data: always, not just now and then."""
    first, second = drv.Stream(), drv.Stream()
    result = drv.pagelocked_zeros(4, np.float32)
    x, y = gpuarray.zeros(4, np.float32), gpuarray.zeros(4, np.float32)
    f = kernel("__global__ void f(float *x, const float *y) { x[threadIdx.x] += y[threadIdx.x] + 1; }").prepare("PP")

    f.prepared_async_call((1, 1), (4, 1, 1), first, x.gpudata, y.gpudata)
    drv.memcpy_dtoh_async(result, x.gpudata, first)
    assert (result == 0).all()
    first.synchronize()
    assert (result == 1).all()

    f.prepared_async_call((1, 1), (4, 1, 1), first, x.gpudata, y.gpudata)
    f.prepared_async_call((1, 1), (4, 1, 1), second, y.gpudata, x.gpudata)  # nothing orders it after the line above
    second.synchronize()
    drv.Context.synchronize()
    np.testing.assert_array_equal(y.get(), 2)  # from the old x, not 3


def test_errors_on_streams_come_at_synchronization() -> None:
    """As on a GPU, where a launch returns before the kernel runs."""
    stream = drv.Stream()
    f = kernel("__global__ void f() { __trap(); }").prepare("")
    f.prepared_async_call((1, 1), (1, 1, 1), stream)
    with pytest.raises(drv.LaunchError, match="__trap"):
        stream.synchronize()


def test_what_is_missing_says_so() -> None:
    """An entry point that the driver lacks must not seem to work."""
    with pytest.raises(drv.LogicError, match="the CPU driver has no cuMemsetD2D8"):
        drv.memset_d2d8(drv.mem_alloc(4), 2, 0, 1, 1)
    with pytest.raises(drv.RuntimeError, match="a module for a GPU"):
        drv.module_from_buffer(b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xbe\x00" + bytes(44))


def test_kernels_run_at_usable_speed() -> None:
    """64 blocks of 256 threads with 32 barriers each: about 30 ms. Ten times that would spoil every test of a cell."""
    f = kernel("__global__ void f(int n) { for (int i = 0; i < n; ++i) __syncthreads(); }")
    durations = []
    for _ in range(3):
        start = time.process_time()
        f(np.int32(32), block=(256, 1, 1), grid=(64, 1))
        durations.append(time.process_time() - start)
    assert min(durations) < 0.3


def test_compiled_kernels_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyCUDA's cache holds while options, headers and sanitizers are the same; a stale kernel would test nothing."""
    for options in ([], [], ["-DOTHER"]):
        SourceModule("__global__ void f() {}", options=options, cache_dir=str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    plain = nvcc.version()
    monkeypatch.setenv("CUDA_ON_CPU_SANITIZE", "thread")
    assert nvcc.version() != plain


def test_kernels_are_found_in_any_spelling() -> None:
    """What the compiler's stand-in does not find cannot be launched."""
    found = nvcc.find_kernels("""
        __global__ void declared(int *x);
        static __global__ __launch_bounds__(2 * (8 + 8), 2) void first(float (*f)(int), int n) { if (n) { f(n); } }
        extern "C" void __global__ __launch_bounds__(64) second() {}
        template <class T, int N> __global__ void generic(T *x) { *x = N; }
        template __global__ void generic<float, 3>(float *x);
        """)
    assert [(k.name, k.bounds) for k in found] == [
        ("declared", nvcc.NO_BOUNDS),
        ("first", "2 * (8 + 8), 2"),
        ("second", "64"),
        ("generic<float, 3>", nvcc.NO_BOUNDS),
    ]


def test_kernels_in_comments_and_unused_branches_are_none() -> None:
    """They are looked for after preprocessing."""
    module = SourceModule("""
        // __global__ void comment() {}
        #if 0
        __global__ void unused() {}
        #endif
        #define KERNEL(name, n) __global__ void __launch_bounds__(n) name(int *x) { *x = __CUDA_ARCH__; }
        KERNEL(f, 32)
        """)
    x = gpuarray.zeros(1, np.int32)
    module.get_function("f")(x, block=(32, 1, 1))
    assert x.get()[0] == 900


def test_unknown_options_are_refused() -> None:
    """An option that the stand-in ignored could change what nvcc does."""
    with pytest.raises(drv.CompileError, match="Unknown option '--no-such-option'"):
        SourceModule("__global__ void f() {}", options=["--no-such-option"])


def test_scripts_run_unchanged(tmp_path: Path) -> None:
    """python -m tests.cuda_on_cpu is how a kernel is debugged."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, pycuda.autoinit, pycuda.driver as drv\nprint(drv.Context.get_device().name(), sys.argv[1])"
    )
    command = [sys.executable, "-m", "tests.cuda_on_cpu", str(script), "argument"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "CUDA on the CPU argument\n"


def test_a_driver_with_a_device_is_left_alone() -> None:
    """With a GPU, its driver must be the one in use. Here the CPU's plays its part: libcuda and nvcc on the paths."""
    program = "from tests import cuda_on_cpu as c; c.activate(); import pycuda.autoinit; print(c.on_cpu())"
    environment = os.environ | {"LD_LIBRARY_PATH": str(build.driver().parent)}
    for forced, on_cpu in ({}, "False\n"), ({"CUDA_ON_CPU": "1"}, "True\n"):
        command = [sys.executable, "-c", program]
        result = subprocess.run(command, cwd=ROOT, env=environment | forced, capture_output=True, text=True, check=True)
        assert result.stdout == on_cpu


def test_old_entry_points() -> None:
    """A PyCUDA that was built with CUDA 12's headers asks for these."""
    driver = ctypes.CDLL("libcuda.so.1")
    context = ctypes.c_void_p()
    assert driver.cuCtxCreate_v2(ctypes.byref(context), 0, 0) == 0
    assert driver.cuCtxDestroy_v2(context) == 0
    begin, milliseconds = ctypes.c_void_p(), ctypes.c_float()
    assert driver.cuEventCreate(ctypes.byref(begin), 0) == 0
    assert driver.cuEventRecord(begin, None) == 0
    assert driver.cuEventElapsedTime(ctypes.byref(milliseconds), begin, begin) == 0
    assert driver.cuEventDestroy_v2(begin) == 0
