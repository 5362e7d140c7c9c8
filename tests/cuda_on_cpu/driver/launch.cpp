// Launches: are they possible on this device, what are their arguments, and what came of them.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "modules.h"
#include "scheduler.h"

namespace cuda_on_cpu {
namespace {

std::string text(dim3 d) {
    return "(" + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
}

unsigned resident_blocks(const CUfunc_st &function, unsigned threads, size_t dynamic_shared) {
    const unsigned whole_warps = (threads + warp_size - 1) / warp_size * warp_size;
    const size_t shared = static_shared(function) + dynamic_shared + reserved_shared_per_block;
    return std::min({max_blocks_per_multiprocessor, max_threads_per_multiprocessor / whole_warps,
                     static_cast<unsigned>(shared_per_multiprocessor / shared)});
}

CUresult check_configuration(const CUfunc_st &function, dim3 grid, dim3 block, unsigned dynamic_shared,
                             bool cooperative) {
    const unsigned long long threads = 1ull * block.x * block.y * block.z;
    const unsigned long long blocks = 1ull * grid.x * grid.y * grid.z;
    const std::string name = function.name + ": ";
    if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > max_threads_per_block)
        return fail(CUDA_ERROR_INVALID_VALUE, name + "the device has no blocks of " + text(block) + " threads");
    if (threads > function.kernel->max_threads)
        return fail(CUDA_ERROR_INVALID_VALUE, name + "__launch_bounds__ allows " +
                                                  std::to_string(function.kernel->max_threads) + " threads, not " +
                                                  std::to_string(threads));
    if (blocks == 0 || grid.x > 2147483647 || grid.y > 65535 || grid.z > 65535 || blocks > 0xffffffff)
        return fail(CUDA_ERROR_INVALID_VALUE, name + "the device has no grids of " + text(grid) + " blocks");
    if (dynamic_shared > function.dynamic_shared_limit ||
        static_shared(function) + dynamic_shared > std::max(max_static_shared, function.dynamic_shared_limit))
        return fail(CUDA_ERROR_INVALID_VALUE, name + std::to_string(static_shared(function)) + " + " +
                                                  std::to_string(dynamic_shared) + " bytes of shared memory; " +
                                                  std::to_string(function.dynamic_shared_limit) + " are allowed");
    const unsigned resident = resident_blocks(function, static_cast<unsigned>(threads), dynamic_shared);
    if (cooperative && blocks > 1ull * resident * multiprocessors)
        return fail(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, name + std::to_string(blocks) + " blocks, but " +
                                                                 std::to_string(resident * multiprocessors) +
                                                                 " run at the same time");
    return CUDA_SUCCESS;
}

// A copy of the arguments, each at its parameter's offset: the caller's are gone when a stream comes to the launch.
class Arguments {
public:
    explicit Arguments(const Kernel &kernel) : offsets_(kernel.parameters) {
        for (unsigned i = 0; i < kernel.parameters; i++) {
            const auto [size, alignment] = kernel.parameter(i);
            offsets_[i] = (end_ + alignment - 1) / alignment * alignment;
            end_ = offsets_[i] + size;
        }
        bytes_.resize(end_ / sizeof(std::max_align_t) + 1);
    }

    void copy_each(const Kernel &kernel, void *const *values) {
        for (unsigned i = 0; i < kernel.parameters; i++) memcpy(at(i), values[i], kernel.parameter(i).size);
    }

    // From one buffer, as cuLaunchKernel's `extra` gives it and PyCUDA packs it.
    CUresult copy_packed(const std::string &name, void *const *extra) {
        const void *buffer = nullptr;
        size_t size = 0;
        for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
            if (extra[0] == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[1];
            if (extra[0] == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *static_cast<size_t *>(extra[1]);
        }
        if (size != end_)
            return fail(CUDA_ERROR_INVALID_VALUE,
                        name + " takes " + std::to_string(end_) + " bytes of arguments, not " + std::to_string(size));
        if (size) memcpy(bytes_.data(), buffer, size);
        return CUDA_SUCCESS;
    }

    std::vector<void *> pointers() {
        std::vector<void *> pointers;
        for (size_t i = 0; i < offsets_.size(); i++) pointers.push_back(at(i));
        return pointers;
    }

private:
    void *at(size_t i) { return reinterpret_cast<char *>(bytes_.data()) + offsets_[i]; }

    std::vector<size_t> offsets_;
    size_t end_ = 0;
    std::vector<std::max_align_t> bytes_;
};

CUresult launch(CUfunction function, dim3 grid, dim3 block, unsigned dynamic_shared, CUstream stream, bool cooperative,
                void **values, void **extra) {
    ENTER;
    TRY(check_configuration(*function, grid, block, dynamic_shared, cooperative));
    Arguments arguments(*function->kernel);
    if (extra) {
        TRY(arguments.copy_packed(function->name, extra));
    } else {
        arguments.copy_each(*function->kernel, values);
    }
    return submit(stream, [=]() mutable {
        std::vector<void *> pointers = arguments.pointers();
        try {
            run({function->kernel, shared_owners(*function), grid, block, dynamic_shared, cooperative,
                 pointers.data()});
            return CUDA_SUCCESS;
        } catch (const LaunchError &error) {
            const CUresult code = error.illegal_address ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_ERROR_LAUNCH_FAILED;
            return fail(code, function->name + ": " + error.what());
        } catch (const std::invalid_argument &error) {
            return fail(CUDA_ERROR_INVALID_VALUE, error.what());
        }
    });
}

}  // namespace
}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

ENTRY cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                     unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void **values,
                     void **extra) {
    return launch(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, stream, false, values,
                  extra);
}

ENTRY cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared, CUstream stream,
                                void **values) {
    return launch(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, stream, true, values,
                  nullptr);
}

ENTRY cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads, size_t shared) {
    if (threads <= 0) return fail(CUDA_ERROR_INVALID_VALUE, "a block has threads");
    *blocks = static_cast<int>(resident_blocks(*function, static_cast<unsigned>(threads), shared));
    return CUDA_SUCCESS;
}
ENTRY cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction function, int threads, size_t shared,
                                                           unsigned) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared);
}

// PyCUDA calls these ahead of every launch; cuLaunchKernel is told the same again.
ENTRY cuFuncSetBlockShape(CUfunction, int, int, int) { return CUDA_SUCCESS; }
ENTRY cuFuncSetSharedSize(CUfunction, unsigned) { return CUDA_SUCCESS; }
