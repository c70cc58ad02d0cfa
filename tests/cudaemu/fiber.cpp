/*
 * fiber.cpp - see fiber.h. On x86-64 a switch is fifteen instructions; swapcontext would ask
 * the kernel for the signal mask at each.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef GKEMU_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace gkemu {

/* Only what is touched takes memory; ASan and the words of a fault take much. */
static const size_t stack_bytes = 256 << 10;
static const size_t guard_bytes = 4096;

void context_make_stack(context *c)
{
    void *memory = mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guard_bytes, PROT_NONE) != 0) {
        perror("cudaemu: no memory for the stack of a thread");
        abort();
    }
    c->stack = (char *)memory + guard_bytes;
    c->n_stack_bytes = stack_bytes;
}

#if defined(__x86_64__)

/* Saves what the calling convention keeps, and the stack pointer in *from. */
extern "C" void gkemu_switch_stack(void **from, void *to);
asm(R"(
    .text
    .globl gkemu_switch_stack
    .hidden gkemu_switch_stack
    .type gkemu_switch_stack, @function
gkemu_switch_stack:
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
    .size gkemu_switch_stack, .-gkemu_switch_stack
)");

static void prepare_registers(context *c, void (*start)())
{
    void **top = (void **)(c->stack + c->n_stack_bytes);
    void **frame = top - 8; /* six registers, where to return to, and that function's return */
    memset(frame, 0, 8 * sizeof *frame);
    frame[6] = (void *)start;
    c->stack_pointer = frame;
}

static void switch_registers(context *from, context *to)
{
    gkemu_switch_stack(&from->stack_pointer, to->stack_pointer);
}

#else

static void prepare_registers(context *c, void (*start)())
{
    getcontext(&c->registers);
    c->registers.uc_stack.ss_sp = c->stack;
    c->registers.uc_stack.ss_size = c->n_stack_bytes;
    c->registers.uc_link = nullptr;
    makecontext(&c->registers, start, 0);
}

static void switch_registers(context *from, context *to)
{
    swapcontext(&from->registers, &to->registers);
}

#endif

/* Nothing is poisoned on it any more: all functions that ASan knows have returned. */
void context_prepare(context *c, void (*start)())
{
    prepare_registers(c, start);
}

#ifdef GKEMU_ASAN

/* The stack of the thread that runs the fibers: ASan tells it to those that come from there. */
static const void *host_stack;
static size_t n_host_stack_bytes;
static bool is_from_host;

static void finish_switch(void *fake_stack)
{
    const void *bottom;
    size_t n_bytes;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &n_bytes);
    if (is_from_host) {
        host_stack = bottom;
        n_host_stack_bytes = n_bytes;
    }
}

void context_arrived()
{
    finish_switch(nullptr);
}

void context_switch(context *from, context *to, bool is_last)
{
    const void *bottom = to->stack ? to->stack : host_stack;
    size_t n_bytes = to->stack ? to->n_stack_bytes : n_host_stack_bytes;
    is_from_host = !from->stack;
    __sanitizer_start_switch_fiber(is_last ? nullptr : &from->fake_stack, bottom, n_bytes);
    switch_registers(from, to);
    finish_switch(from->fake_stack);
}

#else

void context_arrived()
{
}

void context_switch(context *from, context *to, bool)
{
    switch_registers(from, to);
}

#endif

} // namespace gkemu
