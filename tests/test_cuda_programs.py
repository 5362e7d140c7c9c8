"""CUDA programs as users of PyCUDA write them. They run on a GPU and on the CPU driver, and must come out the same."""

from __future__ import annotations

import ctypes
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests import cuda_on_cpu

cuda_on_cpu.require()

import pycuda.autoprimaryctx  # noqa: E402, F401
import pycuda.driver as drv  # noqa: E402
from pycuda import gpuarray  # noqa: E402
from pycuda.compiler import SourceModule  # noqa: E402
from pycuda.compiler import compile as compile_cuda  # noqa: E402

RNG = np.random.default_rng(0)

MATMUL = """
#define TILE 16
__global__ void __launch_bounds__(TILE * TILE)
matmul(const REAL *__restrict__ a, const REAL *__restrict__ b, REAL *__restrict__ c, int n, int k, int m)
{
    __shared__ REAL a_tile[TILE][TILE], b_tile[TILE][TILE];
    const int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    REAL sum = 0;
    for (int k0 = 0; k0 < k; k0 += TILE) {
        const int i = k0 + threadIdx.x, j = k0 + threadIdx.y;
        a_tile[threadIdx.y][threadIdx.x] = row < n && i < k ? a[row * k + i] : (REAL)0;
        b_tile[threadIdx.y][threadIdx.x] = j < k && column < m ? __ldg(&b[j * m + column]) : (REAL)0;
        __syncthreads();
#pragma unroll
        for (int t = 0; t < TILE; ++t) sum += a_tile[threadIdx.y][t] * b_tile[t][threadIdx.x];
        __syncthreads();
    }
    if (row < n && column < m) c[row * m + column] = sum;
}
"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiled_product_with_barriers(dtype: type[np.floating]) -> None:
    """Static shared memory, two barriers a tile, edges that no tile fits: the shape of every kernel with a product."""
    real = {np.float32: "float", np.float64: "double"}[dtype]
    matmul = SourceModule(MATMUL, options=[f"-DREAL={real}"]).get_function("matmul")
    n, k, m = 37, 50, 41
    a, b = RNG.standard_normal((n, k)).astype(dtype), RNG.standard_normal((k, m)).astype(dtype)
    c = np.empty((n, m), dtype)
    sizes = map(np.int32, (n, k, m))
    matmul(drv.In(a), drv.In(b), drv.Out(c), *sizes, block=(16, 16, 1), grid=(3, 3))
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=100 * np.finfo(dtype).eps)
    assert matmul.shared_size_bytes == 2 * 16 * 16 * np.dtype(dtype).itemsize
    assert matmul.max_threads_per_block == 256


def test_reduction_with_dynamic_shared_memory_shuffles_and_atomics() -> None:
    """A sum over lanes, then warps, then blocks. Breaks if shared memory's size, shuffles or atomics are wrong."""
    total = SourceModule("""
        __global__ void total(const float *x, long long n, float *out) {
            extern __shared__ float partial[];
            const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
            float v = i < n ? x[i] : 0.f;
            for (int d = 16; d; d >>= 1) v += __shfl_down_sync(0xffffffffu, v, d);
            if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
            __syncthreads();
            if (threadIdx.x < 32) {
                v = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.f;
                for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
                if (threadIdx.x == 0) atomicAdd(out, v);
            }
        }""").get_function("total")
    x = gpuarray.to_gpu(RNG.standard_normal(100_003).astype(np.float32))
    out = gpuarray.zeros(1, np.float32)
    total(x, np.int64(x.size), out, block=(256, 1, 1), grid=(-(-x.size // 256), 1), shared=8 * 4)
    assert out.get()[0] == pytest.approx(x.get().sum(dtype=np.float64), abs=0.05)


def test_shuffles_and_votes() -> None:
    """Every shuffle within segments of 8 lanes, and votes of warp and block, against their definitions."""
    f = SourceModule("""
        __global__ void f(int *out) {
            const unsigned all = 0xffffffffu;
            const int t = threadIdx.x, n = blockDim.x;
            out[0 * n + t] = __shfl_sync(all, 10 * t, 3, 8);
            out[1 * n + t] = __shfl_up_sync(all, 10 * t, 2, 8);
            out[2 * n + t] = __shfl_down_sync(all, 10 * t, 2, 8);
            out[3 * n + t] = __shfl_xor_sync(all, 10 * t, 5, 8);
            out[4 * n + t] = (int)__ballot_sync(all, t % 3 == 0);
            out[5 * n + t] = __any_sync(all, t == 40) + 2 * __all_sync(all, t < 32);
            out[6 * n + t] = __syncthreads_count(t % 5 == 0);
            out[7 * n + t] = __syncthreads_and(t < n) + 2 * __syncthreads_or(t == 7) + 4 * __syncthreads_and(t != 7);
            __syncwarp();
        }""").get_function("f")
    out = gpuarray.empty((8, 64), np.int32)
    f(out, block=(64, 1, 1))
    shfl, up, down, xor, ballot, any_all, count, block_votes = out.get()
    t = np.arange(64)
    first, inside = t // 8 * 8, t % 8
    np.testing.assert_array_equal(shfl, 10 * (first + 3))
    np.testing.assert_array_equal(up, 10 * np.where(inside < 2, t, t - 2))
    np.testing.assert_array_equal(down, 10 * np.where(inside + 2 >= 8, t, t + 2))
    np.testing.assert_array_equal(xor, 10 * (t ^ 5))
    votes = [sum(1 << i for i in range(32) if (32 * w + i) % 3 == 0) for w in range(2)]
    np.testing.assert_array_equal(ballot.astype(np.uint32), np.repeat(np.array(votes, np.uint32), 32))
    np.testing.assert_array_equal(any_all, np.where(t < 32, 2, 1))
    np.testing.assert_array_equal(count, 13)
    np.testing.assert_array_equal(block_votes, 1 + 2)


def test_device_functions_and_vector_types() -> None:
    """The functions and types that cell kernels use, in float and double."""
    f = SourceModule(
        """
        template <class T> __device__ __forceinline__ T sigmoid(T x) { return (T)1 / ((T)1 + exp(-x)); }
        template <class T> __global__ void pointwise(const T *x, T *y) {
            const int t = threadIdx.x;
            y[4 * t] = sigmoid(x[t]);
            y[4 * t + 1] = tanh(x[t]);
            y[4 * t + 2] = fma(x[t], x[t], (T)1);
            y[4 * t + 3] = max(x[t], (T)0);
        }
        template __global__ void pointwise<float>(const float *, float *);
        template __global__ void pointwise<double>(const double *, double *);
        extern "C" __global__ void vectors(const float4 *x, double2 *y) {
            const float4 v = x[threadIdx.x];
            y[threadIdx.x] = make_double2(v.x + v.y, (double)fmaf(v.z, v.w, expf(0.f)) - tanhf(0.f) + __expf(0.f));
        }""",
        no_extern_c=True,
    )
    for dtype, name in ((np.float32, "_Z9pointwiseIfEvPKT_PS0_"), (np.float64, "_Z9pointwiseIdEvPKT_PS0_")):
        x, y = RNG.standard_normal(32).astype(dtype), np.empty((32, 4), dtype)
        f.get_function(name)(drv.In(x), drv.Out(y), block=(32, 1, 1))
        expected = np.stack([1 / (1 + np.exp(-x)), np.tanh(x), x * x + 1, np.maximum(x, 0)], axis=1)
        np.testing.assert_allclose(y, expected, rtol=8 * np.finfo(dtype).eps)
    x4, y2 = RNG.standard_normal((8, 4)).astype(np.float32), np.empty((8, 2))
    f.get_function("vectors")(drv.In(x4), drv.Out(y2), block=(8, 1, 1))
    np.testing.assert_allclose(y2[:, 0], x4[:, 0] + x4[:, 1], rtol=1e-6)
    np.testing.assert_allclose(y2[:, 1], x4[:, 2] * x4[:, 3] + 2, rtol=1e-6, atol=1e-6)


def test_indices_of_large_grids_and_64_bits() -> None:
    """300 000 blocks in three dimensions; offsets that do not fit into 32 bits."""
    f = SourceModule("""
        __global__ void f(long long *out, long long stride) {
            const long long block = blockIdx.x + (long long)gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
            const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
            if (thread == 0) out[block] = block * stride;
        }""").get_function("f")
    out = gpuarray.empty(1000 * 150 * 2, np.int64)
    f(out, np.int64(10**10), block=(2, 1, 2), grid=(1000, 150, 2))
    np.testing.assert_array_equal(out.get(), np.arange(out.size) * 10**10)


def test_modules_have_their_own_variables() -> None:
    """Two modules with equal names: a constant set in one must not appear in the other, nor its kernels."""
    text = """
        __constant__ float scale[2];
        __device__ int calls;
        __global__ void f(float *x) { x[threadIdx.x] *= scale[SIGN]; if (threadIdx.x == 0) atomicAdd(&calls, 1); }"""
    first, second, again = (SourceModule(text, options=[f"-DSIGN={sign}"]) for sign in (0, 1, 0))
    for module, values in ((first, [2, 3]), (second, [5, 7]), (again, [11, 13])):
        address, size = module.get_global("scale")
        assert size == 8
        drv.memcpy_htod(address, np.array(values, np.float32))
        drv.memset_d32(module.get_global("calls")[0], 0, 1)
    x = gpuarray.zeros(4, np.float32) + 1
    for module in (first, second, first, again):
        module.get_function("f")(x, block=(4, 1, 1))
    np.testing.assert_array_equal(x.get(), 2 * 7 * 2 * 11)
    calls = np.empty(1, np.int32)
    drv.memcpy_dtoh(calls, first.get_global("calls")[0])
    assert calls[0] == 2


STEPS = """
__global__ void fill(float *x, float value) { x[threadIdx.x] = value; }
__global__ void add(const float *x, float *y) { y[threadIdx.x] += x[threadIdx.x]; }
"""


def test_streams_and_events() -> None:
    """Work on two streams, ordered by an event, and copies through page-locked memory."""
    steps = SourceModule(STEPS)
    fill, add = steps.get_function("fill"), steps.get_function("add")
    fill.prepare("Pf")
    add.prepare("PP")
    first, second = drv.Stream(), drv.Stream()
    begin, filled, end = drv.Event(), drv.Event(), drv.Event()
    host, result = drv.pagelocked_empty(32, np.float32), drv.pagelocked_empty(32, np.float32)
    host[:] = np.arange(32)
    x, y, z = (gpuarray.zeros(32, np.float32) for _ in range(3))
    begin.record(first)
    fill.prepared_async_call((1, 1), (32, 1, 1), first, x.gpudata, 3.0)
    filled.record(first)
    drv.memcpy_htod_async(y.gpudata, host, second)
    second.wait_for_event(filled)
    add.prepared_async_call((1, 1), (32, 1, 1), second, x.gpudata, y.gpudata)
    drv.memcpy_dtod_async(z.gpudata, y.gpudata, y.nbytes, second)
    drv.memcpy_dtoh_async(result, z.gpudata, second)
    end.record(second)
    end.synchronize()
    np.testing.assert_array_equal(result, host + 3)
    assert end.time_since(begin) >= 0
    assert first.is_done()


def test_gpuarray() -> None:
    """What generated host code does with arrays: allocate, fill, slice, reshape, compute, pass on without a copy."""
    host = RNG.standard_normal((6, 5)).astype(np.float32)
    x = gpuarray.to_gpu(host)
    np.testing.assert_array_equal(x[1:3].get(), host[1:3])
    np.testing.assert_array_equal(x.reshape(5, 6)[2].get(), host.reshape(5, 6)[2])
    np.testing.assert_allclose((2 * x - 1).get(), 2 * host - 1)
    x[2:4].fill(7)
    assert (x.get()[2:4] == 7).all()
    assert gpuarray.empty_like(x).shape == x.shape
    interface = x.__cuda_array_interface__
    assert interface["data"][0] == int(x.gpudata)
    assert interface["shape"] == x.shape


def test_host_threads_have_their_own_context() -> None:
    """A thread that nobody gave a context has none, and gets an error; with the context pushed it shares the memory."""
    x = gpuarray.zeros(4, np.float32)
    context = drv.Context.get_current()

    def work() -> tuple[object, float]:
        before = drv.Context.get_current()
        with pytest.raises(drv.LogicError):
            drv.mem_alloc(4)
        context.push()
        value = float(x.get()[0])
        drv.Context.pop()
        return before, value

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == (None, 0.0)


def test_device_and_occupancy() -> None:
    """What host code asks before it chooses a launch."""
    device = drv.Context.get_device()
    a = drv.device_attribute
    assert device.get_attribute(a.WARP_SIZE) == 32
    assert device.get_attribute(a.MAX_THREADS_PER_BLOCK) >= 1024
    assert device.get_attribute(a.MULTIPROCESSOR_COUNT) >= 1
    assert device.get_attribute(a.MAX_SHARED_MEMORY_PER_BLOCK) >= 48 * 1024
    available, total = drv.mem_get_info()
    assert 0 < available <= total == device.total_memory()


def call_driver(entry: str, *arguments: object) -> None:
    """Entry points that PyCUDA does not wrap."""
    status = getattr(ctypes.CDLL("libcuda.so.1"), entry)(*arguments)
    assert status == 0, f"{entry} returned {status}"


def test_cooperative_launch() -> None:
    """A persistent kernel with barriers of the whole grid: all blocks are there, each with shared memory of its own."""
    image = compile_cuda(
        """
        #include <cooperative_groups.h>
        extern "C" __global__ void rotate(int *x, int steps) {
            __shared__ int mine;
            const int n = gridDim.x;
            for (int step = 0; step < steps; ++step) {
                if (threadIdx.x == 0) mine = x[(blockIdx.x + 1) % n] + (step ? mine : 0);
                cooperative_groups::this_grid().sync();
                if (threadIdx.x == 0) x[blockIdx.x] = mine;
                cooperative_groups::this_grid().sync();
            }
        }""",
        no_extern_c=True,
    )
    module, rotate, resident = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    call_driver("cuModuleLoadData", ctypes.byref(module), image)
    call_driver("cuModuleGetFunction", ctypes.byref(rotate), module, b"rotate")
    query = "cuOccupancyMaxActiveBlocksPerMultiprocessor"
    call_driver(query, ctypes.byref(resident), rotate, 64, ctypes.c_size_t(0))
    assert resident.value >= 1

    state = np.array([1, 2, 3, 4], np.int32)
    x = gpuarray.to_gpu(state)
    values = ctypes.c_void_p(int(x.gpudata)), ctypes.c_int(3)
    pointers = (ctypes.c_void_p * 2)(*map(ctypes.addressof, values))
    call_driver("cuLaunchCooperativeKernel", rotate, 4, 1, 1, 64, 1, 1, 0, None, pointers)
    mine = 0
    for _ in range(3):
        state = mine = np.roll(state, -1) + mine
    np.testing.assert_array_equal(x.get(), state)


BOUNDED = """
__global__ void __launch_bounds__(64) bounded(int *x) { extern __shared__ int s[]; s[0] = 1; x[0] = s[0]; }
"""


def test_impossible_launches_are_errors() -> None:
    """A launch that no device can do, or that the kernel forbids, must not run in some other way."""
    f = SourceModule(BOUNDED).get_function("bounded")
    x = gpuarray.zeros(1, np.int32)
    for configuration in (
        {"block": (1025, 1, 1)},
        {"block": (65, 1, 1)},
        {"block": (1, 1, 65)},
        {"block": (1, 1, 1), "grid": (1, 65536)},
        {"block": (1, 1, 1), "shared": 48 * 1024 + 1},
    ):
        with pytest.raises(drv.Error):
            f(x, **configuration)
    f.set_attribute(drv.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 64 * 1024)
    f(x, block=(64, 1, 1), shared=64 * 1024)
    assert x.get()[0] == 1


def test_names_are_linkage_names() -> None:
    """Outside of extern "C" a kernel has its mangled name; a missing one is an error that names it."""
    module = SourceModule("__global__ void f(int *x) { *x = 1; }", no_extern_c=True)
    with pytest.raises(drv.LogicError):
        module.get_function("f")
    x = gpuarray.zeros(1, np.int32)
    module.get_function("_Z1fPi")(x, block=(1, 1, 1))
    assert x.get()[0] == 1


def test_compile_errors_name_the_line() -> None:
    """A mistake in generated CUDA C is found by its line; PyCUDA's own first line counts."""
    with pytest.raises(drv.CompileError) as error:
        SourceModule("__global__ void f(int *x)\n{\n    *x = undefined_name;\n}")
    assert re.search(r"kernel\.cu[:(]4\b", str(error.value))
    assert "undefined_name" in str(error.value)
