// CUDA's atomics: relaxed, as on the device, so that TSan sees no order where there is none.
#pragma once

namespace cuda_on_cpu {
template <class T, class Update>
T atomic_update(T *address, Update update) {
    T old, desired;
    __atomic_load(address, &old, __ATOMIC_RELAXED);
    do desired = update(old);
    while (!__atomic_compare_exchange(address, &old, &desired, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}
template <class T>
struct Same {
    using type = T;  // keeps an argument out of template deduction: atomicAdd(&x, 1) with x unsigned
};
template <class T>
using same = typename Same<T>::type;
}  // namespace cuda_on_cpu

#define CUDA_ON_CPU_ATOMIC(name, expression)                                                \
    template <class T>                                                                      \
    T name(T *address, cuda_on_cpu::same<T> value) {                                        \
        return cuda_on_cpu::atomic_update(address, [=](T old) -> T { return expression; }); \
    }

CUDA_ON_CPU_ATOMIC(atomicAdd, old + value)
CUDA_ON_CPU_ATOMIC(atomicSub, old - value)
CUDA_ON_CPU_ATOMIC(atomicExch, (void(old), value))
CUDA_ON_CPU_ATOMIC(atomicMin, old < value ? old : value)
CUDA_ON_CPU_ATOMIC(atomicMax, old > value ? old : value)
CUDA_ON_CPU_ATOMIC(atomicAnd, (old & value))
CUDA_ON_CPU_ATOMIC(atomicOr, old | value)
CUDA_ON_CPU_ATOMIC(atomicXor, old ^ value)
CUDA_ON_CPU_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
CUDA_ON_CPU_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef CUDA_ON_CPU_ATOMIC

template <class T>
T atomicCAS(T *address, cuda_on_cpu::same<T> compare, cuda_on_cpu::same<T> value) {
    __atomic_compare_exchange(address, &compare, &value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return compare;
}
