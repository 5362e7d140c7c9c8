#include "scheduler.h"

#include <memory>
#include <vector>

#include "block.h"
#include "faults.h"
#include "fiber.h"
#include "order.h"
#include "sanitizers.h"
#include "shared_memory.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

extern "C" {
__attribute__((visibility("default"))) dim3 blockDim, gridDim;
}

namespace cuda_on_cpu {
namespace {

const Launch *current_launch;
Block *current_block;

// TSan's view of a launch: what the host did before it happens before what the threads do, and that happens before
// what the host does after it. Blocks are not ordered among each other, though they run one after the other.
char launch_object, end_object;

// What every fiber runs, for one thread after the other.
void run_threads() {
    for (;;) {
        happens_after(&launch_object);
        current_launch->kernel->call(current_launch->arguments);
        happens_before(&end_object);
        current_block->finish();
    }
}

// Fibers are kept from launch to launch.
class FiberPool {
public:
    Fiber *const *at_least(size_t n) {
        while (fibers_.size() < n) {
            owners_.push_back(std::make_unique<Fiber>(run_threads));
            fibers_.push_back(owners_.back().get());
        }
        return fibers_.data();
    }
    void clear() {  // fibers that stopped inside a kernel are of no further use
        fibers_.clear();
        owners_.clear();
    }

private:
    std::vector<std::unique_ptr<Fiber>> owners_;
    std::vector<Fiber *> fibers_;
};
FiberPool pool;

uint3 block_index(unsigned i, dim3 grid) { return {i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)}; }

Block::Progress run_block(Block &block, Order &order) {
    current_block = &block;
    happens_before(&launch_object);
    return block.run(order);
}

void run_one_by_one(const Launch &launch, Order &order, unsigned blocks, unsigned threads) {
    // One fiber more than threads, and each block starts with the next one: TSan, to which a fiber is a thread, sees
    // the threads of equal index in two blocks as two.
    const unsigned fibers = threads + 1;
    Fiber *const *const pooled = pool.at_least(fibers);
    SharedMemory shared(launch);
    Block block;
    std::vector<unsigned> turns;
    order.arrange(turns, blocks);
    for (const unsigned i : turns) {
        shared.poison();
        block.start(block_index(i, launch.grid), launch.block, pooled, fibers, i % fibers);
        if (run_block(block, order) == Block::Progress::at_grid_barrier)
            throw LaunchError("a barrier of the grid needs a cooperative launch");
    }
}

void run_together(const Launch &launch, Order &order, unsigned blocks, unsigned threads) {
    Fiber *const *const pooled = pool.at_least(blocks * threads);
    SharedMemory shared(launch);
    shared.poison();
    std::vector<std::vector<char>> memories(blocks, shared.save());
    std::vector<Block> all(blocks);
    for (unsigned i = 0; i < blocks; i++)
        all[i].start(block_index(i, launch.grid), launch.block, pooled + i * threads, threads, 0);
    std::vector<unsigned> turns;
    for (;;) {
        unsigned waiting = 0;
        order.arrange(turns, blocks);
        for (const unsigned i : turns) {
            shared.load(memories[i]);
            waiting += run_block(all[i], order) == Block::Progress::at_grid_barrier;
            memories[i] = shared.save();
        }
        if (waiting == 0) return;
        if (waiting < blocks)
            throw LaunchError("only " + std::to_string(waiting) + " of " + std::to_string(blocks) +
                              " blocks came to a barrier of the grid");
        for (Block &block : all) block.leave_grid_barrier();
    }
}

}  // namespace

void run(const Launch &launch) {
    current_launch = &launch;
    gridDim = launch.grid;
    blockDim = launch.block;
    const unsigned blocks = launch.grid.x * launch.grid.y * launch.grid.z;
    const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
    Order order = Order::from_environment();
    const FaultHandler faults([](const std::string &reason) { current_block->fail(reason, true); });
    try {
        (launch.cooperative ? run_together : run_one_by_one)(launch, order, blocks, threads);
    } catch (const LaunchError &) {
        pool.clear();
        throw;
    }
    happens_after(&end_object);
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::current_block;

EXPORT unsigned cuda_on_cpu_block_barrier(int predicate, Site site) {
    return current_block->block_barrier(predicate, site);
}
EXPORT uint64_t cuda_on_cpu_shuffle(unsigned mask, uint64_t value, unsigned source, Site site) {
    return current_block->shuffle(mask, value, source, site);
}
EXPORT unsigned cuda_on_cpu_ballot(unsigned mask, int predicate, Site site) {
    return current_block->ballot(mask, predicate, site);
}
EXPORT void cuda_on_cpu_grid_barrier(Site site) {
    current_block->grid_barrier(site);
    cuda_on_cpu::happens_after(&cuda_on_cpu::launch_object);
}
EXPORT void cuda_on_cpu_trap(const char *reason, Site site) {
    current_block->fail(std::string(reason) + " at " + site.file + ":" + std::to_string(site.line));
}
