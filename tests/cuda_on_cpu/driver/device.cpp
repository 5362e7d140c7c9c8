// The device, its attributes, and contexts. Contexts hold nothing here: there is one memory, whoever is current.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "driver.h"
#include "shared_memory.h"

namespace cuda_on_cpu {
namespace {

constexpr int compute_capability_major = 9, compute_capability_minor = 0;
constexpr size_t total_memory = size_t(8) << 30;

thread_local std::vector<CUcontext> context_stack;
const CUcontext primary_context = reinterpret_cast<CUcontext>(0x1000);
size_t created_contexts = 0;

int attribute(CUdevice_attribute name) {
    switch (name) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return compute_capability_major;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return compute_capability_minor;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return multiprocessors;
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return warp_size;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return max_threads_per_block;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 2147483647;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return max_threads_per_multiprocessor;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return max_blocks_per_multiprocessor;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return max_static_shared;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return max_dynamic_shared;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return shared_per_multiprocessor;
        case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return reserved_shared_per_block;
        case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 64 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 64 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 2147483647;
        case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: return 512;
        case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
        case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 1000000;
        case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 64;
        case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 1 << 20;
        case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
        case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
        case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
        case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
        case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: return 1;
        default: return 0;  // no textures, no peers, no such feature
    }
}

}  // namespace

std::recursive_mutex one_call_at_a_time;

bool has_context() { return !context_stack.empty(); }

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

ENTRY cuInit(unsigned) { return CUDA_SUCCESS; }

ENTRY cuDriverGetVersion(int *version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

ENTRY cuDeviceGetCount(int *count) {
    *count = 1;
    return CUDA_SUCCESS;
}

ENTRY cuDeviceGet(CUdevice *device, int ordinal) {
    if (ordinal != 0) return fail(CUDA_ERROR_INVALID_DEVICE, "there is device 0 only");
    *device = 0;
    return CUDA_SUCCESS;
}

ENTRY cuDeviceGetName(char *name, int size, CUdevice) {
    snprintf(name, static_cast<size_t>(size), "CUDA on the CPU");
    return CUDA_SUCCESS;
}

ENTRY cuDeviceGetPCIBusId(char *id, int size, CUdevice) {
    snprintf(id, static_cast<size_t>(size), "0000:00:00.0");
    return CUDA_SUCCESS;
}

ENTRY cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
    *bytes = total_memory;
    return CUDA_SUCCESS;
}

ENTRY cuDeviceComputeCapability(int *major, int *minor, CUdevice) {
    *major = compute_capability_major;
    *minor = compute_capability_minor;
    return CUDA_SUCCESS;
}

ENTRY cuDeviceGetAttribute(int *value, CUdevice_attribute name, CUdevice) {
    *value = attribute(name);
    return CUDA_SUCCESS;
}

ENTRY cuCtxCreate_v4(CUcontext *context, CUctxCreateParams *, unsigned, CUdevice) {
    *context = reinterpret_cast<CUcontext>(0x2000 + 16 * created_contexts++);
    context_stack.push_back(*context);
    return CUDA_SUCCESS;
}
// What a PyCUDA built with CUDA 12's headers asks for.
ENTRY cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
    return cuCtxCreate_v4(context, nullptr, flags, device);
}

ENTRY cuCtxDestroy_v2(CUcontext context) {
    ENTER;
    TRY(finish_all_streams());
    context_stack.erase(std::remove(context_stack.begin(), context_stack.end(), context), context_stack.end());
    return CUDA_SUCCESS;
}

ENTRY cuCtxAttach(CUcontext *context, unsigned) {
    ENTER;
    *context = context_stack.back();
    return CUDA_SUCCESS;
}

ENTRY cuCtxDetach(CUcontext context) { return cuCtxDestroy_v2(context); }

ENTRY cuCtxPushCurrent_v2(CUcontext context) {
    context_stack.push_back(context);
    return CUDA_SUCCESS;
}

ENTRY cuCtxPopCurrent_v2(CUcontext *context) {
    ENTER;
    if (context) *context = context_stack.back();
    context_stack.pop_back();
    return CUDA_SUCCESS;
}

ENTRY cuCtxGetCurrent(CUcontext *context) {
    *context = has_context() ? context_stack.back() : nullptr;
    return CUDA_SUCCESS;
}

ENTRY cuCtxSetCurrent(CUcontext context) {
    if (has_context()) context_stack.pop_back();
    if (context) context_stack.push_back(context);
    return CUDA_SUCCESS;
}

ENTRY cuCtxGetDevice(CUdevice *device) {
    ENTER;
    *device = 0;
    return CUDA_SUCCESS;
}

ENTRY cuCtxGetApiVersion(CUcontext, unsigned *version) {
    *version = 3020;
    return CUDA_SUCCESS;
}

ENTRY cuCtxSynchronize() {
    ENTER;
    return finish_all_streams();
}

ENTRY cuCtxSetCacheConfig(CUfunc_cache) { return CUDA_SUCCESS; }

ENTRY cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
    *context = primary_context;
    return CUDA_SUCCESS;
}

ENTRY cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
