#include "block.h"

#include <algorithm>
#include <map>

#include "sanitizers.h"

extern "C" {
__attribute__((visibility("default"))) uint3 threadIdx, blockIdx;
}

namespace cuda_on_cpu {
namespace {

// What TSan is told: objects whose addresses stand for a barrier. Barriers in a row use two in turn: a thread that has
// passed one may come to the next before the last thread leaves the first.
char block_objects[2], grid_objects[2], warp_objects[2][1024 / warp_size];

std::string text(uint3 index) {
    return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

std::string text(Site site) { return std::string(site.file) + ":" + std::to_string(site.line); }

}  // namespace

void Block::start(uint3 index, dim3 size, Fiber *const *fibers, unsigned fiber_count, unsigned first_fiber) {
    const unsigned n = size.x * size.y * size.z;
    index_ = index;
    threads_.resize(n);
    warps_.assign((n + warp_size - 1) / warp_size, Warp());
    counts_ = {};
    counts_[static_cast<size_t>(State::ready)] = n;
    barriers_ = grid_barriers_ = votes_ = 0;
    for (unsigned rank = 0; rank < n; rank++) {
        const uint3 thread = {rank % size.x, rank / size.x % size.y, rank / (size.x * size.y)};
        threads_[rank] = {fibers[(first_fiber + rank) % fiber_count], thread, rank, State::ready, {}, 0, 0};
    }
}

Block::Progress Block::run(Order &order) {
    blockIdx = index_;
    for (;;) {
        resume_ready(order);
        if (release_warps()) continue;
        if (count(State::finished) == threads_.size()) return Progress::finished;
        if (release_block()) continue;
        if (count(State::at_grid_barrier) == threads_.size()) return Progress::at_grid_barrier;
        throw LaunchError("block " + text(index_) + ": barrier divergence: " + who_waits_where());
    }
}

void Block::resume_ready(Order &order) {
    if (turns_.size() != threads_.size() || order.is_random())
        order.arrange(turns_, static_cast<unsigned>(threads_.size()));
    for (const unsigned turn : turns_) {
        Thread &thread = threads_[turn];
        if (thread.state != State::ready) continue;
        running_ = &thread;
        threadIdx = thread.index;
        thread.fiber->resume();
        if (failure_) throw *failure_;
    }
}

void Block::enter(Thread &thread, State state) {
    counts_[static_cast<size_t>(thread.state)]--;
    counts_[static_cast<size_t>(state)]++;
    thread.state = state;
}

void Block::wait(State state, Site site) {
    running_->site = site;
    enter(*running_, state);
    Fiber::suspend();
}

// Warps whose lanes have all come. A lane that has returned is no longer waited for.
bool Block::release_warps() {
    if (count(State::at_warp_barrier) == 0) return false;
    bool released = false;
    for (size_t first = 0; first < threads_.size(); first += warp_size)
        for (size_t i = first; i < std::min(first + warp_size, threads_.size()); i++)
            if (threads_[i].state == State::at_warp_barrier) released |= release_lanes(first, threads_[i].mask);
    return released;
}

bool Block::release_lanes(size_t first, unsigned mask) {
    Thread *const lanes = &threads_[first];
    const size_t n = std::min<size_t>(warp_size, threads_.size() - first);
    for (size_t i = 0; i < n; i++) {
        const bool here = lanes[i].state == State::at_warp_barrier && lanes[i].mask == mask;
        if (mask >> i & 1 && !here && lanes[i].state != State::finished) return false;
    }
    Warp &warp = warps_[first / warp_size];
    warp.values.fill(~uint64_t(0));
    for (size_t i = 0; i < n; i++) {
        if (!(mask >> i & 1) || lanes[i].state == State::finished) continue;
        warp.values[i] = lanes[i].value;
        enter(lanes[i], State::ready);
    }
    warp.barriers++;
    return true;
}

// CUDA asks that all threads of the block come to the same barrier; here a thread that has returned has not come.
bool Block::release_block() {
    if (count(State::at_block_barrier) != threads_.size() || !all_at_one_site()) return false;
    votes_ = 0;
    for (Thread &thread : threads_) {
        votes_ += thread.value != 0;
        enter(thread, State::ready);
    }
    barriers_++;
    return true;
}

bool Block::all_at_one_site() const {
    return std::all_of(threads_.begin(), threads_.end(),
                       [&](const Thread &thread) { return thread.site.line == threads_[0].site.line; });
}

void Block::leave_grid_barrier() {
    for (Thread &thread : threads_) enter(thread, State::ready);
    grid_barriers_++;
}

unsigned Block::block_barrier(int predicate, Site site) {
    void *const object = &block_objects[barriers_ % 2];
    running_->value = predicate != 0;
    happens_before(object);
    wait(State::at_block_barrier, site);
    happens_after(object);
    return votes_;
}

const Warp &Block::warp_barrier(unsigned mask, uint64_t value, Site site) {
    const unsigned lane = running_->rank % warp_size, number = running_->rank / warp_size;
    if (!(mask >> lane & 1)) fail("lane " + std::to_string(lane) + " is not in the mask it passes at " + text(site));
    Warp &warp = warps_[number];
    void *const object = &warp_objects[warp.barriers % 2][number];
    running_->mask = mask;
    running_->value = value;
    happens_before(object);
    wait(State::at_warp_barrier, site);
    happens_after(object);
    return warp;
}

uint64_t Block::shuffle(unsigned mask, uint64_t value, unsigned source, Site site) {
    return warp_barrier(mask, value, site).values[source];
}

unsigned Block::ballot(unsigned mask, int predicate, Site site) {
    const Warp &warp = warp_barrier(mask, predicate != 0, site);
    unsigned ballot = 0;
    for (unsigned lane = 0; lane < warp_size; lane++)
        if (warp.values[lane] == 1) ballot |= 1u << lane;
    return ballot;
}

void Block::grid_barrier(Site site) {
    void *const object = &grid_objects[grid_barriers_ % 2];
    happens_before(object);
    wait(State::at_grid_barrier, site);
    happens_after(object);
}

void Block::finish() { wait(State::finished, {}); }

void Block::fail(const std::string &reason, bool illegal_address) {
    failure_.emplace(running_thread() + ": " + reason, illegal_address);
    for (;;) Fiber::suspend();
}

std::string Block::running_thread() const { return "thread " + text(running_->index) + " of block " + text(index_); }

std::string Block::who_waits_where() const {
    static const char *const names[states] = {"", "__syncthreads at ", "a warp's barrier at ", "the grid's barrier at ",
                                              ""};
    std::map<std::string, size_t> groups;
    for (const Thread &thread : threads_)
        groups[thread.state == State::finished
                   ? "have returned"
                   : "wait in " + std::string(names[static_cast<size_t>(thread.state)]) + text(thread.site)]++;
    std::string list;
    for (const auto &[what, threads] : groups)
        list += (list.empty() ? "" : ", ") + std::to_string(threads) + (list.empty() ? " threads " : " ") + what;
    return list;
}

}  // namespace cuda_on_cpu
