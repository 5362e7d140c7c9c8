// What the driver's handles for modules and functions point at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "driver.h"

struct CUfunc_st {
    CUmodule module;
    const Kernel *kernel;
    std::string name;
    unsigned dynamic_shared_limit;  // more needs CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
};

struct CUmod_st {
    void *library;
    std::vector<const Kernel *> kernels;
    std::vector<const Kernel *> shared_arrays;  // those outside of kernels
    std::vector<std::unique_ptr<CUfunc_st>> functions;
    std::vector<CUdeviceptr> variables;
};

namespace cuda_on_cpu {
std::vector<const Kernel *> shared_owners(const CUfunc_st &function);  // rows of the table: it, and what kernels share
size_t static_shared(const CUfunc_st &function);                       // bytes of its __shared__ arrays of fixed size
}  // namespace cuda_on_cpu
