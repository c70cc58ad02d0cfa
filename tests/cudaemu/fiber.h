/*
 * fiber.h - stacks and the switch between them; nothing of CUDA.
 */
#ifndef CUDAEMU_FIBER_H
#define CUDAEMU_FIBER_H

#include <stddef.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace gkemu {

/* A place to continue at: of a fiber, or of the thread that runs the fibers. */
struct context {
    void *stack_pointer;
    char *stack; /* NULL: the thread's own */
    size_t n_stack_bytes;
    void *fake_stack; /* of ASan */
#if !defined(__x86_64__)
    ucontext_t registers;
#endif
};

void context_make_stack(context *c);
/* The next switch to c calls start on its stack, which must not return. */
void context_prepare(context *c, void (*start)());
/* is_last: `from` is never switched to again, until it is prepared anew. */
void context_switch(context *from, context *to, bool is_last);
/* First thing in a start function: tells ASan that the switch is done. */
void context_arrived();

} // namespace gkemu

#endif
