// The threads of one block: who waits at which barrier, and whose turn it is.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "fiber.h"
#include "order.h"
#include "scheduler.h"

namespace cuda_on_cpu {

enum class State { ready, at_block_barrier, at_warp_barrier, at_grid_barrier, finished };
constexpr size_t states = 5;

struct Thread {
    Fiber *fiber;
    uint3 index;
    unsigned rank;
    State state;
    Site site;       // where it waits
    unsigned mask;   // the lanes for which it waits
    uint64_t value;  // what it brought to the barrier
};

struct Warp {
    std::array<uint64_t, warp_size> values;  // what the lanes brought to the last barrier
    unsigned barriers;                       // passed so far
};

class Block {
public:
    enum class Progress { finished, at_grid_barrier };

    void start(uint3 index, dim3 size, Fiber *const *fibers, unsigned fiber_count, unsigned first_fiber);
    Progress run(Order &order);  // throws LaunchError
    void leave_grid_barrier();

    // Called on the running thread's fiber.
    unsigned block_barrier(int predicate, Site site);
    uint64_t shuffle(unsigned mask, uint64_t value, unsigned source, Site site);
    unsigned ballot(unsigned mask, int predicate, Site site);
    void grid_barrier(Site site);
    void finish();
    [[noreturn]] void fail(const std::string &reason, bool illegal_address = false);

    const uint3 &index() const { return index_; }
    std::string running_thread() const;

private:
    void enter(Thread &thread, State state);
    void wait(State state, Site site);
    const Warp &warp_barrier(unsigned mask, uint64_t value, Site site);
    void resume_ready(Order &order);
    bool release_warps();
    bool release_lanes(size_t first, unsigned mask);
    bool release_block();
    size_t count(State state) const { return counts_[static_cast<size_t>(state)]; }
    bool all_at_one_site() const;
    std::string who_waits_where() const;

    uint3 index_;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    std::array<size_t, states> counts_;
    std::vector<unsigned> turns_;
    Thread *running_ = nullptr;
    unsigned votes_;                      // how many threads brought a predicate that holds
    unsigned barriers_;                   // of the block, passed so far
    unsigned grid_barriers_;              // of the grid, passed so far
    std::optional<LaunchError> failure_;  // what a thread says before it stops for good
};

}  // namespace cuda_on_cpu
