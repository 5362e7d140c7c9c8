// The switch between stacks, for x86-64: ucontext's takes two system calls, which at two switches for each thread and
// barrier would be most of a kernel's time.
#include "fiber.h"

#include <sys/mman.h>

#include <new>

#include "sanitizers.h"

extern "C" void cuda_on_cpu_switch(void **save, void *to);
__asm__(R"(
    .text
    .hidden cuda_on_cpu_switch
    .type cuda_on_cpu_switch, @function
cuda_on_cpu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size cuda_on_cpu_switch, .-cuda_on_cpu_switch
)");

namespace cuda_on_cpu {
namespace {

constexpr size_t guard_size = 4096;
constexpr size_t stack_size = 256 << 10;  // reserved; memory is taken as it is touched
constexpr int saved_registers = 6;

Fiber *current = nullptr;

// The scheduler's side of the switch.
void *scheduler_stack_pointer;
const void *scheduler_stack;
size_t scheduler_stack_size;
void *scheduler_tsan;

}  // namespace

Fiber::Fiber(void (*body)()) : body_(body) {
    void *memory = mmap(nullptr, guard_size + stack_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stack_ = static_cast<char *>(memory);
    mprotect(stack_, guard_size, PROT_NONE);
    // As if enter() had been called from address 0, where debuggers end a backtrace, and then switched away.
    void **top = reinterpret_cast<void **>(stack_ + guard_size + stack_size) - 1;
    *--top = reinterpret_cast<void *>(&Fiber::enter);
    stack_pointer_ = top - saved_registers;
    if (under_tsan()) tsan_ = __tsan_create_fiber(0);
}

Fiber::~Fiber() {
    if (under_tsan()) __tsan_destroy_fiber(tsan_);
    if (under_asan()) __asan_unpoison_memory_region(stack_, guard_size + stack_size);
    munmap(stack_, guard_size + stack_size);
}

Fiber *Fiber::running() { return current; }

bool Fiber::owns(const void *address) const { return address >= stack_ && address < stack_ + guard_size + stack_size; }

void Fiber::resume() {
    current = this;
    void *fake_stack = nullptr;
    if (under_asan()) __sanitizer_start_switch_fiber(&fake_stack, stack_ + guard_size, stack_size);
    if (under_tsan()) {
        scheduler_tsan = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(tsan_, 1);  // 1: a switch alone orders nothing
    }
    cuda_on_cpu_switch(&scheduler_stack_pointer, stack_pointer_);
    if (under_asan()) __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
    current = nullptr;
}

void Fiber::suspend() {
    Fiber *self = current;
    if (under_asan()) __sanitizer_start_switch_fiber(&self->fake_stack_, scheduler_stack, scheduler_stack_size);
    if (under_tsan()) __tsan_switch_to_fiber(scheduler_tsan, 1);
    cuda_on_cpu_switch(&self->stack_pointer_, scheduler_stack_pointer);
    if (under_asan()) __sanitizer_finish_switch_fiber(self->fake_stack_, &scheduler_stack, &scheduler_stack_size);
}

void Fiber::enter() {
    if (under_asan()) __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
    current->body_();
}

}  // namespace cuda_on_cpu
