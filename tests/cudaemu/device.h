/*
 * device.h - limits of the emulated device.
 */
#ifndef CUDAEMU_DEVICE_H
#define CUDAEMU_DEVICE_H

#include <stddef.h>

namespace gkemu {

/* Bytes of dynamic shared memory that a kernel may be launched with. */
size_t shared_limit(const void *kernel);

} // namespace gkemu

#endif
