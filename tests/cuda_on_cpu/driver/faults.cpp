#include "faults.h"

#include <cstdint>
#include <cstdio>

#include "fiber.h"
#include "sanitizers.h"

namespace cuda_on_cpu {
namespace {

char handler_stack[64 << 10];  // the fiber's own may be what ran out
struct sigaction previous_segv, previous_bus;
void (*callback)(const std::string &);

void handle(int signal, siginfo_t *info, void *) {
    Fiber *const fiber = Fiber::running();
    if (!fiber) {  // not a kernel's: the instruction faults again, for the handler that was there before
        sigaction(signal, signal == SIGSEGV ? &previous_segv : &previous_bus, nullptr);
        return;
    }
    // A kernel holds no lock and is not inside malloc, so this handler may allocate.
    char address[32];
    snprintf(address, sizeof address, "0x%jx", static_cast<uintmax_t>(reinterpret_cast<uintptr_t>(info->si_addr)));
    callback(fiber->owns(info->si_addr) ? "its stack is full: local arrays too large or recursion too deep"
                                        : std::string("illegal memory access at ") + address);
}

}  // namespace

FaultHandler::FaultHandler(void (*on_fault)(const std::string &)) {
    if (under_asan() || under_tsan()) return;
    callback = on_fault;
    stack_t stack = {};
    stack.ss_sp = handler_stack;
    stack.ss_size = sizeof handler_stack;
    sigaltstack(&stack, &previous_stack_);
    struct sigaction action = {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // the handler never returns from a kernel's fault
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
}

FaultHandler::~FaultHandler() {
    if (under_asan() || under_tsan()) return;
    sigaction(SIGSEGV, &previous_segv, nullptr);
    sigaction(SIGBUS, &previous_bus, nullptr);
    sigaltstack(&previous_stack_, nullptr);
}

}  // namespace cuda_on_cpu
