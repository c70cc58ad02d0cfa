/*
 * check.h - what the engine tells the checker. Only the library of the checker is built with
 * GKEMU_CHECK, and its kernels with -fsanitize=thread, whose calls check.cpp answers.
 */
#ifndef CUDAEMU_CHECK_H
#define CUDAEMU_CHECK_H

#include "engine.h"

namespace gkemu {

enum space { SPACE_DEVICE, SPACE_MAPPED, SPACE_SHARED };

#ifdef GKEMU_CHECK
/* Memory that kernels may touch, none of it written yet unless it is the host's. */
void check_allocated(const void *memory, size_t n_bytes, space space);
void check_freed(const void *memory);
void check_host_wrote(const void *memory, size_t n_bytes);
void check_launch_start(const gkemu_call &launch, uint32_t first_block);
void check_launch_end();
void check_block_start(block *b);
void check_block_end(block *b);
void check_shared(block *b, const shared_object &object);
void check_switch(fiber *to);
void check_fiber_start();
/* The ticket of gk_last_block: drawn by b, which has waited for its threads; and it is the
 * last. */
void check_ticket(block *b, unsigned *counter, place at);
void check_ticket_last(block *b, unsigned *counter);
void check_publish(fiber *f, uint32_t *seq, place at);
void check_stream(fiber *f, const void *from, size_t n_bytes, place at);
/* An access that the compiler has announced, of no stack; caller: where. */
void check_kernel_access(
        const void *memory, size_t n_bytes, bool is_write, bool is_atomic, const void *caller);
/* The stack of the fiber that runs: most accesses are there. */
extern uintptr_t check_stack;
extern size_t check_stack_bytes;

/* The engine's own accesses are nobody's. */
extern bool check_is_paused;
struct check_pause {
    check_pause()
    {
        check_is_paused = true;
    }
    ~check_pause()
    {
        check_is_paused = false;
    }
};
#else
static inline void check_allocated(const void *, size_t, space)
{
}
static inline void check_freed(const void *)
{
}
static inline void check_host_wrote(const void *, size_t)
{
}
static inline void check_launch_start(const gkemu_call &, uint32_t)
{
}
static inline void check_launch_end()
{
}
static inline void check_block_start(block *)
{
}
static inline void check_block_end(block *)
{
}
static inline void check_shared(block *, const shared_object &)
{
}
static inline void check_switch(fiber *)
{
}
static inline void check_fiber_start()
{
}
static inline void check_ticket(block *, unsigned *, place)
{
}
static inline void check_ticket_last(block *, unsigned *)
{
}
static inline void check_publish(fiber *, uint32_t *, place)
{
}
static inline void check_stream(fiber *, const void *, size_t, place)
{
}
struct check_pause {
    ~check_pause()
    {
    }
};
#endif

} // namespace gkemu

#endif
