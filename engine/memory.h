/* memory.h - how much memory this machine has and how much of it is free. */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include <stdint.h>

struct memory { /* 0: the system does not tell */
    uint64_t total_bytes;
    uint64_t available_bytes; /* without swapping; what only caches files counts as free */
};
struct memory memory_read(void);

#endif
