/*
 * memory.cpp - see memory.h. New memory holds 0xff bytes, which are NaN as floats and halves.
 * With ASan, device memory is poisoned while host code runs.
 */
#include "memory.h"

#include <map>
#include <stdlib.h>

#ifdef GKEMU_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace gkemu {

struct allocation {
    size_t n_bytes;
    space kind;
};
static std::map<uintptr_t, allocation> allocations; /* what it holds at exit is a leak */
static size_t n_used_bytes;

static size_t padded(size_t n_bytes)
{
    return n_bytes / 256 * 256 + 256; /* at least a byte more: what lies behind is poisoned */
}

size_t device_used_bytes()
{
    return n_used_bytes;
}

static void *allocate(size_t n_bytes, space kind)
{
    void *memory = aligned_alloc(256, padded(n_bytes));
    if (!memory)
        return nullptr;
    memset(memory, 0xff, padded(n_bytes));
    allocations[(uintptr_t)memory] = allocation{n_bytes, kind};
    check_allocated(memory, n_bytes, kind);
#ifdef GKEMU_ASAN
    size_t room = kind == SPACE_DEVICE ? 0 : n_bytes;
    __asan_poison_memory_region((char *)memory + room, padded(n_bytes) - room);
#endif
    return memory;
}

void *device_allocate(size_t n_bytes)
{
    if (n_used_bytes + n_bytes > device_total_bytes() || n_bytes > device_piece_bytes())
        return nullptr;
    void *memory = allocate(n_bytes, SPACE_DEVICE);
    n_used_bytes += memory ? n_bytes : 0;
    return memory;
}

void *mapped_allocate(size_t n_bytes)
{
    return allocate(n_bytes, SPACE_MAPPED);
}

bool memory_free(void *memory, space kind)
{
    auto found = allocations.find((uintptr_t)memory);
    if (found == allocations.end() || found->second.kind != kind)
        return false;
    if (kind == SPACE_DEVICE)
        n_used_bytes -= found->second.n_bytes;
#ifdef GKEMU_ASAN
    __asan_unpoison_memory_region(memory, padded(found->second.n_bytes));
#endif
    check_freed(memory);
    allocations.erase(found);
    free(memory);
    return true;
}

size_t memory_room(const void *memory, space kind)
{
    auto next = allocations.upper_bound((uintptr_t)memory);
    if (next == allocations.begin())
        return 0;
    auto found = --next;
    size_t offset = (uintptr_t)memory - found->first;
    bool is_inside = found->second.kind == kind && offset < found->second.n_bytes;
    return is_inside ? found->second.n_bytes - offset : 0;
}

#ifdef GKEMU_ASAN
static int n_open;

void device_open()
{
    if (n_open++ == 0)
        for (const auto &a : allocations)
            if (a.second.kind == SPACE_DEVICE)
                __asan_unpoison_memory_region((void *)a.first, a.second.n_bytes);
}

void device_close()
{
    if (--n_open == 0)
        for (const auto &a : allocations)
            if (a.second.kind == SPACE_DEVICE)
                __asan_poison_memory_region((void *)a.first, a.second.n_bytes);
}
#else
void device_open()
{
}

void device_close()
{
}
#endif

/* Of exactly this size, so that ASan sees the end. */
void *shared_make(size_t n_bytes)
{
    size_t n_padded = (n_bytes + 15) / 16 * 16 + 16;
    void *memory = aligned_alloc(16, n_padded);
    memset(memory, 0xff, n_padded);
#ifdef GKEMU_ASAN
    __asan_poison_memory_region((char *)memory + n_bytes, n_padded - n_bytes);
#endif
    return memory;
}

void shared_free(const shared_object &object)
{
#ifdef GKEMU_ASAN
    __asan_unpoison_memory_region(object.memory, (object.n_bytes + 15) / 16 * 16 + 16);
#endif
    free(object.memory);
}

} // namespace gkemu
