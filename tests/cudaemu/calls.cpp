/*
 * calls.cpp - answers the calls that -fsanitize=thread has put into kernels. Not the
 * sanitizer's run-time: that knows threads and locks, not barriers of a block.
 */
#ifdef GKEMU_CHECK

#include <string.h>

#include "check.h"

#define CALLER __builtin_return_address(0)

static inline void note(
        const void *memory, size_t n_bytes, bool is_write, bool is_atomic, const void *caller)
{
    bool is_of_stack = (uintptr_t)memory - gkemu::check_stack < gkemu::check_stack_bytes;
    if (!is_of_stack && gkemu_self && !gkemu::check_is_paused && n_bytes > 0)
        gkemu::check_kernel_access(memory, n_bytes, is_write, is_atomic, caller);
}

extern "C" {

void __tsan_init(void)
{
}
void __tsan_func_entry(void *)
{
}
void __tsan_func_exit(void)
{
}
void __tsan_vptr_update(void **, void *)
{
}
void __tsan_vptr_read(void **)
{
}

#define ACCESS(name, n_bytes)                                                                  \
    void __tsan_##name##read##n_bytes(void *memory)                                            \
    {                                                                                          \
        note(memory, n_bytes, false, false, CALLER);                                           \
    }                                                                                          \
    void __tsan_##name##write##n_bytes(void *memory)                                           \
    {                                                                                          \
        note(memory, n_bytes, true, false, CALLER);                                            \
    }
#define ACCESSES(name)                                                                         \
    ACCESS(name, 1) ACCESS(name, 2) ACCESS(name, 4) ACCESS(name, 8) ACCESS(name, 16)
ACCESSES()
ACCESSES(unaligned_)
ACCESSES(volatile_)

void __tsan_read_range(void *memory, size_t n_bytes)
{
    note(memory, n_bytes, false, false, CALLER);
}
void __tsan_write_range(void *memory, size_t n_bytes)
{
    note(memory, n_bytes, true, false, CALLER);
}

#define FETCH(bits, type, name, op)                                                            \
    type __tsan_atomic##bits##_fetch_##name(type *at, type value, int)                         \
    {                                                                                          \
        note(at, sizeof *at, true, true, CALLER);                                              \
        type old = *at;                                                                        \
        *at = (type)(old op value);                                                            \
        return old;                                                                            \
    }
#define COMPARE(bits, type, name)                                                              \
    int __tsan_atomic##bits##_compare_exchange_##name(                                         \
            type *at, type *expected, type value, int, int)                                    \
    {                                                                                          \
        note(at, sizeof *at, true, true, CALLER);                                              \
        type old = *at, wanted = *expected;                                                    \
        *(old == wanted ? at : expected) = old == wanted ? value : old;                        \
        return old == wanted;                                                                  \
    }
#define ATOMICS(bits, type)                                                                    \
    type __tsan_atomic##bits##_load(const type *at, int)                                       \
    {                                                                                          \
        note(at, sizeof *at, false, true, CALLER);                                             \
        return *at;                                                                            \
    }                                                                                          \
    void __tsan_atomic##bits##_store(type *at, type value, int)                                \
    {                                                                                          \
        note(at, sizeof *at, true, true, CALLER);                                              \
        *at = value;                                                                           \
    }                                                                                          \
    type __tsan_atomic##bits##_exchange(type *at, type value, int)                             \
    {                                                                                          \
        note(at, sizeof *at, true, true, CALLER);                                              \
        type old = *at;                                                                        \
        *at = value;                                                                           \
        return old;                                                                            \
    }                                                                                          \
    type __tsan_atomic##bits##_compare_exchange_val(                                           \
            type *at, type expected, type value, int, int)                                     \
    {                                                                                          \
        note(at, sizeof *at, true, true, CALLER);                                              \
        type old = *at;                                                                        \
        *at = old == expected ? value : old;                                                   \
        return old;                                                                            \
    }                                                                                          \
    FETCH(bits, type, add, +)                                                                  \
    FETCH(bits, type, or, |)                                                                   \
    COMPARE(bits, type, strong)                                                                \
    COMPARE(bits, type, weak)
ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

/* Compilers make calls of these from copied structs; the linker sends them here (--wrap). */
void *__real_memcpy(void *to, const void *from, size_t n_bytes);
void *__real_memmove(void *to, const void *from, size_t n_bytes);
void *__real_memset(void *to, int value, size_t n_bytes);

void *__wrap_memcpy(void *to, const void *from, size_t n_bytes)
{
    note(from, n_bytes, false, false, CALLER);
    note(to, n_bytes, true, false, CALLER);
    return __real_memcpy(to, from, n_bytes);
}
void *__wrap_memmove(void *to, const void *from, size_t n_bytes)
{
    note(from, n_bytes, false, false, CALLER);
    note(to, n_bytes, true, false, CALLER);
    return __real_memmove(to, from, n_bytes);
}
void *__wrap_memset(void *to, int value, size_t n_bytes)
{
    note(to, n_bytes, true, false, CALLER);
    return __real_memset(to, value, n_bytes);
}
}

#endif
