// CUDA C as g++ understands it: nvcc.py includes this before the text of every kernel.
//
// __global__, __shared__ and __launch_bounds__ are no macros: nvcc.py looks for them in the preprocessed text.
#pragma once

#include "runtime.h"

#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))

#define __CUDACC__ 1
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0

// The scheduler changes them as it goes from thread to thread, but for one thread they never change. Declaring them
// const lets the compiler keep them in registers across barriers, which is right: registers belong to the thread.
extern "C" const uint3 threadIdx, blockIdx;
extern "C" const dim3 blockDim, gridDim;
constexpr int warpSize = 32;

#include "atomics.h"
#include "device_functions.h"
#include "kernel_table.h"
#include "synchronization.h"
