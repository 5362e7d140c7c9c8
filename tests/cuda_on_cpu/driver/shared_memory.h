// The __shared__ arrays of a launch. They are static arrays of the kernel's module, as many as one block needs: blocks
// use them one after the other, or take turns with copies of their own in a cooperative launch.
#pragma once

#include <cstddef>
#include <vector>

#include "scheduler.h"

namespace cuda_on_cpu {

constexpr unsigned max_dynamic_shared = 227 << 10;

class SharedMemory {
public:
    explicit SharedMemory(const Launch &launch);

    void poison();  // all ones, which read as NaN: a kernel must not rely on what it did not write
    std::vector<char> save() const;
    void load(const std::vector<char> &saved);

private:
    struct Range {
        char *begin;
        size_t size;
    };
    std::vector<Range> ranges_;
    size_t size_ = 0;
};

}  // namespace cuda_on_cpu
