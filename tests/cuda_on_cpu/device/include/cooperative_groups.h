// Cooperative groups: the grid, the block, and tiles of a warp.
#pragma once

// PyCUDA puts the kernel's text into extern "C" { } unless told not to; templates need C++ linkage.
extern "C++" {
namespace cooperative_groups {

struct grid_group {
    void sync(CUDA_ON_CPU_CALLER) const { cuda_on_cpu_grid_barrier({file, line}); }
    unsigned long long num_blocks() const { return 1ull * gridDim.x * gridDim.y * gridDim.z; }
    unsigned long long size() const { return num_blocks() * cuda_on_cpu::block_size(); }
    unsigned long long block_rank() const {
        return blockIdx.x + gridDim.x * (blockIdx.y + 1ull * gridDim.y * blockIdx.z);
    }
    unsigned long long thread_rank() const {
        return block_rank() * cuda_on_cpu::block_size() + cuda_on_cpu::thread_rank();
    }
    bool is_valid() const { return true; }
};
inline grid_group this_grid() { return {}; }

struct thread_block {
    void sync(CUDA_ON_CPU_CALLER) const { cuda_on_cpu_block_barrier(0, {file, line}); }
    unsigned size() const { return cuda_on_cpu::block_size(); }
    unsigned thread_rank() const { return cuda_on_cpu::thread_rank(); }
    dim3 group_index() const { return {blockIdx.x, blockIdx.y, blockIdx.z}; }
    dim3 thread_index() const { return {threadIdx.x, threadIdx.y, threadIdx.z}; }
};
inline thread_block this_thread_block() { return {}; }

template <unsigned Size>
struct thread_block_tile {
    static_assert(Size >= 1 && Size <= 32 && (Size & (Size - 1)) == 0, "tiles of up to a warp");
    unsigned size() const { return Size; }
    unsigned thread_rank() const { return cuda_on_cpu::lane() % Size; }
    unsigned meta_group_rank() const { return cuda_on_cpu::thread_rank() / Size; }
    unsigned mask() const {
        return (Size == 32 ? ~0u : (1u << (Size % 32)) - 1) << (cuda_on_cpu::lane() / Size * Size);
    }
    void sync(CUDA_ON_CPU_CALLER) const { __syncwarp(mask(), file, line); }
    template <class T>
    T shfl(T value, int source, CUDA_ON_CPU_CALLER) const {
        return __shfl_sync(mask(), value, source, Size, file, line);
    }
    template <class T>
    T shfl_up(T value, unsigned delta, CUDA_ON_CPU_CALLER) const {
        return __shfl_up_sync(mask(), value, delta, Size, file, line);
    }
    template <class T>
    T shfl_down(T value, unsigned delta, CUDA_ON_CPU_CALLER) const {
        return __shfl_down_sync(mask(), value, delta, Size, file, line);
    }
    template <class T>
    T shfl_xor(T value, int with, CUDA_ON_CPU_CALLER) const {
        return __shfl_xor_sync(mask(), value, with, Size, file, line);
    }
};
template <unsigned Size>
thread_block_tile<Size> tiled_partition(const thread_block &) {
    return {};
}

}  // namespace cooperative_groups
}
