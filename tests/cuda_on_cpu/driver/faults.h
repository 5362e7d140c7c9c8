// While a kernel runs: turns its segmentation faults into failed launches, as a device does, so that a wrong index
// fails a test and not the whole run. Under a sanitizer, faults are left to it.
#pragma once

#include <csignal>
#include <string>

namespace cuda_on_cpu {

class FaultHandler {
public:
    // The callback is called on the fiber that faulted and must not return.
    explicit FaultHandler(void (*on_fault)(const std::string &reason));
    ~FaultHandler();
    FaultHandler(const FaultHandler &) = delete;
    FaultHandler &operator=(const FaultHandler &) = delete;

private:
    stack_t previous_stack_;
};

}  // namespace cuda_on_cpu
