// Shared by the files that implement CUDA's driver API.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>

#include "../device/runtime.h"

#define ENTRY extern "C" __attribute__((visibility("default"))) CUresult

namespace cuda_on_cpu {

// device.cpp: one device, with a small GPU's limits.
constexpr unsigned max_threads_per_block = 1024;
constexpr unsigned max_threads_per_multiprocessor = 2048;
constexpr unsigned max_blocks_per_multiprocessor = 32;
constexpr unsigned multiprocessors = 4;
constexpr unsigned max_static_shared = 48 << 10;  // and of dynamic shared memory, unless a function asks for more
constexpr unsigned shared_per_multiprocessor = 228 << 10;
constexpr unsigned reserved_shared_per_block = 1 << 10;
bool has_context();
extern std::recursive_mutex one_call_at_a_time;

// errors.cpp: remembers the explanation for cuGetErrorString, so that it is in PyCUDA's exception. Returns the code.
CUresult fail(CUresult code, const std::string &explanation);

// memory.cpp
CUresult check_device_range(CUdeviceptr address, size_t size);  // is it inside one allocation?
void add_device_range(CUdeviceptr address, size_t size);        // a module's __device__ variable
void remove_device_range(CUdeviceptr address);

// streams.cpp. Work on a stream waits until somebody has to see its result: as late as CUDA allows, so that a program
// that forgets to synchronize reads old data here.
CUresult submit(CUstream stream, std::function<CUresult()> work);
CUresult finish_stream(CUstream stream);
CUresult finish_all_streams();

}  // namespace cuda_on_cpu

// How a call that works on a context begins: one host thread at a time, each with a current context of its own.
#define ENTER                                                                          \
    const std::lock_guard<std::recursive_mutex> lock(cuda_on_cpu::one_call_at_a_time); \
    if (!cuda_on_cpu::has_context()) return cuda_on_cpu::fail(CUDA_ERROR_INVALID_CONTEXT, "no context is current")
#define TRY(call) \
    if (const CUresult result = (call); result != CUDA_SUCCESS) return result
