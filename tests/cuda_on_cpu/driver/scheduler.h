// Runs one kernel launch, from its first thread to its last.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "../device/runtime.h"

namespace cuda_on_cpu {

constexpr unsigned warp_size = 32;

struct Launch {
    const Kernel *kernel;
    std::vector<const Kernel *> shared_owners;  // whose __shared__ arrays it may use
    dim3 grid, block;
    unsigned dynamic_shared;
    bool cooperative;
    void **arguments;
};

// What ends a launch early: an illegal address, or anything else that a device would call a failed launch.
struct LaunchError : std::runtime_error {
    LaunchError(const std::string &what, bool illegal_address = false)
        : std::runtime_error(what), illegal_address(illegal_address) {}
    bool illegal_address;
};

void run(const Launch &launch);  // throws LaunchError

}  // namespace cuda_on_cpu
