// What the driver needs to know of a kernel, as nvcc.py lists it in a table at the end of every module.
#pragma once

#include <type_traits>
#include <utility>

#include "runtime.h"

namespace cuda_on_cpu {
// What __launch_bounds__ says; of its arguments, the threads of a block alone matter here.
constexpr unsigned launch_bounds(unsigned max_threads, unsigned = 0, unsigned = 0) { return max_threads; }

template <auto kernel>
struct Describe;

template <class... Parameters, void (*kernel)(Parameters...)>
struct Describe<kernel> {
    static Parameter parameter(unsigned i) {
        constexpr Parameter all[] = {{sizeof(Parameters), alignof(Parameters)}..., {0, 1}};  // one for an empty list
        return all[i];
    }
    template <size_t... I>
    static void apply([[maybe_unused]] void **arguments, std::index_sequence<I...>) {
        kernel(*static_cast<std::remove_const_t<Parameters> *>(arguments[I])...);
    }
    static void call(void **arguments) { apply(arguments, std::index_sequence_for<Parameters...>{}); }
    static Kernel entry(unsigned max_threads, char *shared_begin, char *shared_end) {
        return {reinterpret_cast<const void *>(kernel),
                call,
                parameter,
                sizeof...(Parameters),
                max_threads,
                shared_begin,
                shared_end};
    }
};
}  // namespace cuda_on_cpu
