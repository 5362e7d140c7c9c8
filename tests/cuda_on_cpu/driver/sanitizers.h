// What the driver tells ASan and TSan. Kernels are instrumented and the driver is not, so the driver is built once, and
// these functions are weak: they are there if the process was started with a sanitizer's library preloaded.
#pragma once

#include <cstddef>

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
__attribute__((weak)) void __asan_poison_memory_region(const volatile void *begin, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *begin, size_t size);
__attribute__((weak)) void *__tsan_get_current_fiber();
__attribute__((weak)) void *__tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_destroy_fiber(void *fiber);
__attribute__((weak)) void __tsan_switch_to_fiber(void *fiber, unsigned flags);
__attribute__((weak)) void __tsan_acquire(void *object);
__attribute__((weak)) void __tsan_release(void *object);
}

namespace cuda_on_cpu {

inline bool under_asan() { return __asan_poison_memory_region != nullptr; }
inline bool under_tsan() { return __tsan_create_fiber != nullptr; }

// What a thread did before it released an object happened before what others do after they acquire it.
inline void happens_before(void *object) {
    if (under_tsan()) __tsan_release(object);
}
inline void happens_after(void *object) {
    if (under_tsan()) __tsan_acquire(object);
}

}  // namespace cuda_on_cpu
