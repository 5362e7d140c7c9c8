"""What ASan, UBSan and TSan find in kernels on the CPU driver, and that they find nothing in correct ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import cuda_on_cpu
from tests.cuda_on_cpu.sanitize import sanitize

cuda_on_cpu.require()

pytestmark = pytest.mark.full

# Launches the kernel that the command line names, on 256 floats: together, if it has a barrier of the grid, for which
# PyCUDA has no launch.
SCRIPT = """
import ctypes
import sys
import numpy as np
import pycuda.autoprimaryctx
import pycuda.driver as drv
from pycuda import gpuarray
from pycuda.compiler import compile

cuda = ctypes.CDLL("libcuda.so.1")
name = sys.argv[2]
x = gpuarray.zeros(256, np.float32)
module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
image = compile(open(sys.argv[1]).read(), no_extern_c=True)
assert cuda.cuModuleLoadData(ctypes.byref(module), image) == 0
assert cuda.cuModuleGetFunction(ctypes.byref(kernel), module, name.encode()) == 0
values = ctypes.c_void_p(int(x.gpudata)), ctypes.c_int(256)
arguments = (ctypes.c_void_p * 2)(*map(ctypes.addressof, values))
launch, rest = (cuda.cuLaunchCooperativeKernel, ()) if "grid" in name else (cuda.cuLaunchKernel, (None,))
if "freed" in name:
    x.gpudata.free()
assert launch(kernel, 4, 1, 1, 64, 1, 1, 64 * 4, None, arguments, *rest) == 0
print(x.get().sum())
"""

KERNELS = """
#include <cooperative_groups.h>

extern "C" {

__device__ unsigned arrived;

__global__ void correct(float *x, int n) {
    __shared__ float s[64], blocks;
    extern __shared__ float d[];
    const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    s[t] = i;
    d[63 - t] = i;
    __syncthreads();
    float v = s[63 - t] + d[t];
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    x[i] = v;
    __syncthreads();
    s[63 - t] = 0;
    __threadfence();  // the block that comes last adds up what all have written
    __syncthreads();
    if (t == 0) blocks = atomicAdd(&arrived, 1);
    __syncthreads();
    if (t == 0 && blocks == gridDim.x - 1)
        for (int k = 1; k < n; ++k) x[0] += x[k];
}
__global__ void beyond_an_allocation(float *x, int n) { x[blockIdx.x * 64 + threadIdx.x + 1] = 0; }
__global__ void beyond_static_shared(float *x, int n) {
    __shared__ float s[64];
    s[threadIdx.x + n / 256] = 0;
}
__global__ void beyond_dynamic_shared(float *x, int n) {
    extern __shared__ float d[];
    d[threadIdx.x + 1] = 0;
}
__global__ void beyond_a_local_array(float *x, int n) {
    float local[4];
    for (int i = 0; i < n; ++i) local[i & 3] = i;
    x[0] = local[n / 64];
}
__global__ void overflow(float *x, int n) { x[0] = n * 100000000; }
__global__ void missing_barrier(float *x, int n) {
    __shared__ float s[64];
    s[threadIdx.x] = threadIdx.x;
    x[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x ^ 32];
}
__global__ void barrier_missing_between_rounds(float *x, int n) {
    __shared__ float s[64];
    for (int k = 0; k < 2; ++k) {
        s[threadIdx.x] = threadIdx.x + k;
        __syncthreads();
        x[blockIdx.x * 64 + threadIdx.x] = s[63 - threadIdx.x];
    }
}
__global__ void blocks_write_one_place(float *x, int n) { if (threadIdx.x == 0) x[0] += 1; }
__global__ void atomics_write_one_place(float *x, int n) { atomicAdd(x, 1.f); }
__global__ void freed(float *x, int n) { x[blockIdx.x * 64 + threadIdx.x] = 0; }
__global__ void barriers_of_the_grid(float *x, int n) {
    __shared__ float s[64];
    const int t = threadIdx.x, i = blockIdx.x * 64 + t;
    for (int k = 0; k < 3; ++k) {
        s[t] = x[(i + 64) % n] + 1;
        __syncthreads();
        cooperative_groups::this_grid().sync();
        x[i] = s[63 - t];
        cooperative_groups::this_grid().sync();
    }
}
__global__ void one_barrier_of_the_grid(float *x, int n) {
    const int i = blockIdx.x * 64 + threadIdx.x;
    for (int k = 0; k < 3; ++k) {
        x[i] = x[(i + 64) % n] + 1;
        cooperative_groups::this_grid().sync();
    }
}
}
"""

FOUND = [
    ("address", "beyond_an_allocation", "heap-buffer-overflow"),
    ("address", "beyond_static_shared", "global-buffer-overflow"),
    ("address", "beyond_dynamic_shared", "use-after-poison"),
    ("address", "beyond_a_local_array", "index 4 out of bounds"),
    ("address", "freed", "heap-use-after-free"),
    ("address", "overflow", "signed integer overflow"),
    ("thread", "missing_barrier", "data race"),
    ("thread", "barrier_missing_between_rounds", "data race"),
    ("thread", "blocks_write_one_place", "data race"),
    ("thread", "one_barrier_of_the_grid", "data race"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder: Path = tmp_path_factory.mktemp("sanitized")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "kernels.cu").write_text(KERNELS)
    return str(folder / "script.py"), str(folder / "kernels.cu")


@pytest.mark.parametrize(("sanitizer", "kernel", "report"), FOUND)
def test_mistakes_are_found(sanitizer: str, kernel: str, report: str, program: tuple[str, str]) -> None:
    """A sanitizer that went blind would let every later kernel pass."""
    found = sanitize(sanitizer, *program, kernel)
    assert any(report in text and "kernel.cu:" in text for text in found.reports), found.stderr


@pytest.mark.parametrize("kernel", ["correct", "atomics_write_one_place", "barriers_of_the_grid"])
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_correct_kernels_pass(sanitizer: str, kernel: str, program: tuple[str, str]) -> None:
    """Shared memory that blocks use in turn, barriers, shuffles, fences and atomics are no races."""
    found = sanitize(sanitizer, *program, kernel)
    assert found.reports == [], found.stderr
    assert found.returncode == 0, found.stderr
    # Every index is in 4 of the elements, of which the first became the sum of all; it was 2 (63 + 62).
    total, first = 4 * sum(range(256)), 2 * (63 + 62)
    sums = {"correct": 2 * total - first, "atomics_write_one_place": 256, "barriers_of_the_grid": 3 * 256}
    assert float(found.stdout) == sums[kernel]
