// A fiber: a stack of its own on which a CUDA thread runs until it has to wait for others.
#pragma once

#include <cstddef>

namespace cuda_on_cpu {

class Fiber {
public:
    // The body is called on the fiber's stack when it is first resumed, and must not return.
    explicit Fiber(void (*body)());
    ~Fiber();
    Fiber(const Fiber &) = delete;
    Fiber &operator=(const Fiber &) = delete;

    void resume();          // from the scheduler: runs the fiber until it suspends itself
    static void suspend();  // from the running fiber: back to the scheduler
    static Fiber *running();

    bool owns(const void *address) const;  // does it lie in the stack or in the guard page below?

private:
    static void enter();

    char *stack_;
    void *stack_pointer_;
    void (*body_)();
    void *tsan_ = nullptr;        // TSan's identity of the fiber
    void *fake_stack_ = nullptr;  // ASan's
};

}  // namespace cuda_on_cpu
