// What a kernel's shared object and the driver know of each other. Kernels include it through cuda_c.h, the scheduler
// directly.
#pragma once

#include <cstdint>

#include "vector_types.h"

// Where a thread waits; __builtin_FILE and __builtin_LINE as default arguments name the caller.
struct Site {
    const char *file;
    int line;
};

struct Parameter {
    unsigned size, alignment;
};

// A row of the table that every module exports: a __global__ function, or a __shared__ array outside of such functions,
// which then has no entry.
struct Kernel {
    const void *entry;               // the function's address: the driver finds it by its linkage name
    void (*call)(void **arguments);  // calls it, one pointer for each parameter
    Parameter (*parameter)(unsigned i);
    unsigned parameters;
    unsigned max_threads;             // of __launch_bounds__, or 1024
    char *shared_begin, *shared_end;  // its __shared__ arrays
};

extern "C" {
// Stops the thread until all threads of its block are here; returns for how many of them the predicate was not zero.
unsigned cuda_on_cpu_block_barrier(int predicate, Site site);

// Stop the thread until the lanes of its warp that the mask names are here. They return what the source lane brought,
// all ones if the mask leaves it out, and the lanes whose predicate was not zero.
uint64_t cuda_on_cpu_shuffle(unsigned mask, uint64_t value, unsigned source, Site site);
unsigned cuda_on_cpu_ballot(unsigned mask, int predicate, Site site);

// Stops the thread until all threads of a cooperative launch are here.
void cuda_on_cpu_grid_barrier(Site site);

// Ends the launch with an error.
void cuda_on_cpu_trap(const char *reason, Site site);
}
