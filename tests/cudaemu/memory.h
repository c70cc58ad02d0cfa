/*
 * memory.h - device and mapped memory of the emulated device.
 */
#ifndef CUDAEMU_MEMORY_H
#define CUDAEMU_MEMORY_H

#include "check.h"

namespace gkemu {

/* The environment says it anew at every call: GKEMU_MEMORY=BYTES. */
size_t device_total_bytes();
size_t device_piece_bytes();
size_t device_used_bytes();

/* NULL: there is no room. */
void *device_allocate(size_t n_bytes);
void *mapped_allocate(size_t n_bytes);
/* False: not from here. */
bool memory_free(void *memory, space space);

/* The bytes from `memory` on in its allocation; 0: it lies in none of this kind. */
size_t memory_room(const void *memory, space space);

} // namespace gkemu

#endif
