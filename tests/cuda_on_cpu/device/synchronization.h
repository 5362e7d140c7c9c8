// Barriers, warp shuffles and votes: each is a call into the scheduler, which lets other threads run meanwhile.
#pragma once

#include <cstring>

#include "runtime.h"

#define CUDA_ON_CPU_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace cuda_on_cpu {
inline unsigned thread_rank() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
inline unsigned block_size() { return blockDim.x * blockDim.y * blockDim.z; }
inline unsigned lane() { return thread_rank() % warpSize; }

// The value that the lane `source` brought. CUDA leaves the value of a lane outside the mask undefined: all ones, NaN.
template <class T>
T shuffle(unsigned mask, T value, unsigned source, Site site) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "shuffles move up to 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = cuda_on_cpu_shuffle(mask, bits, source, site);
    memcpy(&value, &bits, sizeof value);
    return value;
}
}  // namespace cuda_on_cpu

inline void __syncthreads(CUDA_ON_CPU_CALLER) { cuda_on_cpu_block_barrier(0, {file, line}); }
inline int __syncthreads_count(int predicate, CUDA_ON_CPU_CALLER) {
    return static_cast<int>(cuda_on_cpu_block_barrier(predicate, {file, line}));
}
inline int __syncthreads_and(int predicate, CUDA_ON_CPU_CALLER) {
    return cuda_on_cpu_block_barrier(predicate, {file, line}) == cuda_on_cpu::block_size();
}
inline int __syncthreads_or(int predicate, CUDA_ON_CPU_CALLER) {
    return cuda_on_cpu_block_barrier(predicate, {file, line}) != 0;
}
inline void __syncwarp(unsigned mask = ~0u, CUDA_ON_CPU_CALLER) { cuda_on_cpu_ballot(mask, 0, {file, line}); }

// Shuffles within segments of `width` lanes; a lane whose source lies outside its segment gets its own value.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, CUDA_ON_CPU_CALLER) {
    const unsigned first = cuda_on_cpu::lane() & ~(width - 1u);
    return cuda_on_cpu::shuffle(mask, value, first | (source & (width - 1u)), {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, CUDA_ON_CPU_CALLER) {
    const unsigned lane = cuda_on_cpu::lane(), inside = lane & (width - 1u);
    return cuda_on_cpu::shuffle(mask, value, inside < delta ? lane : lane - delta, {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, CUDA_ON_CPU_CALLER) {
    const unsigned lane = cuda_on_cpu::lane(), inside = lane & (width - 1u);
    return cuda_on_cpu::shuffle(mask, value, inside + delta >= unsigned(width) ? lane : lane + delta, {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int with, int width = warpSize, CUDA_ON_CPU_CALLER) {
    const unsigned lane = cuda_on_cpu::lane(), source = lane ^ with;
    const bool later_segment = (source & ~(width - 1u)) > (lane & ~(width - 1u));
    return cuda_on_cpu::shuffle(mask, value, later_segment ? lane : source, {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_ON_CPU_CALLER) {
    return cuda_on_cpu_ballot(mask, predicate, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, CUDA_ON_CPU_CALLER) {
    return cuda_on_cpu_ballot(mask, predicate, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, CUDA_ON_CPU_CALLER) {
    return cuda_on_cpu_ballot(mask, predicate == 0, {file, line}) == 0;
}

// A fence orders this thread's accesses before it against those of a thread whose fence comes later. TSan knows no
// fences of their own, so they are read-modify-writes of one variable.
inline void __threadfence() {
    static unsigned fence;
    __atomic_fetch_add(&fence, 1, __ATOMIC_ACQ_REL);
}
inline void __threadfence_block() { __threadfence(); }
inline void __threadfence_system() { __threadfence(); }

inline void __trap(CUDA_ON_CPU_CALLER) { cuda_on_cpu_trap("__trap()", {file, line}); }
