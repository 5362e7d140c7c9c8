#include "shared_memory.h"

#include <sys/mman.h>

#include <cstdint>

#include "sanitizers.h"

// `extern __shared__` arrays of every kernel are this one; nvcc.py gives them its name.
extern "C" {
__attribute__((visibility("default"))) alignas(1024) char cuda_dynamic_shared[cuda_on_cpu::max_dynamic_shared];
}

namespace cuda_on_cpu {
namespace {

// Not memset and memcpy: the sanitizers would take these accesses for the program's, and report red zones and races.
void fill_with_ones(void *to, size_t size) { asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0xff) : "memory"); }
void copy(void *to, const void *from, size_t size) {
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

// Makes TSan forget who touched the range: another block's array begins to live at the same address. TSan does so for
// pages that are mapped anew, so that is what happens to them, with their contents kept.
void forget_accesses(char *begin, size_t size) {
    constexpr uintptr_t page = 4096;
    char *const first = reinterpret_cast<char *>(reinterpret_cast<uintptr_t>(begin) / page * page);
    const size_t length = (static_cast<size_t>(begin - first) + size + page - 1) / page * page;
    std::vector<char> contents(length);
    copy(contents.data(), first, length);
    mmap(first, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    copy(first, contents.data(), length);
}

}  // namespace

SharedMemory::SharedMemory(const Launch &launch) {
    for (const Kernel *owner : launch.shared_owners)
        ranges_.push_back({owner->shared_begin, static_cast<size_t>(owner->shared_end - owner->shared_begin)});
    ranges_.push_back({cuda_dynamic_shared, launch.dynamic_shared});
    for (const Range &range : ranges_) size_ += range.size;
    if (under_asan()) {
        __asan_poison_memory_region(cuda_dynamic_shared, sizeof cuda_dynamic_shared);
        __asan_unpoison_memory_region(cuda_dynamic_shared, launch.dynamic_shared);
    }
}

void SharedMemory::poison() {
    for (const Range &range : ranges_) {
        if (range.size == 0) continue;
        if (under_tsan()) forget_accesses(range.begin, range.size);
        fill_with_ones(range.begin, range.size);
    }
}

std::vector<char> SharedMemory::save() const {
    std::vector<char> saved(size_);
    char *to = saved.data();
    for (const Range &range : ranges_) {
        copy(to, range.begin, range.size);
        to += range.size;
    }
    return saved;
}

void SharedMemory::load(const std::vector<char> &saved) {
    const char *from = saved.data();
    for (const Range &range : ranges_) {
        if (range.size == 0) continue;
        if (under_tsan()) forget_accesses(range.begin, range.size);
        copy(range.begin, from, range.size);
        from += range.size;
    }
}

}  // namespace cuda_on_cpu
