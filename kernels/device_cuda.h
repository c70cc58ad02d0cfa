/*
 * device_cuda.h - one CUDA device as the backend uses it: memory that is got at load and freed
 * with the device, one stream, and the sentence of the last failure. Used by one thread at a
 * time, which may change: device_enter makes the device its own.
 */
#ifndef KERNELS_DEVICE_CUDA_H
#define KERNELS_DEVICE_CUDA_H

#include "kernels/cuda_library.h"
#include "kernels/gk.h"

#define DEVICE_ALIGN 256 /* of every part of an arena */

struct device_block;

struct device {
    int index, n_sm;
    bool is_integrated; /* its memory is the main memory */
    size_t n_bytes;     /* of device memory, got and not freed */
    cudaStream_t stream;
    struct device_block *blocks; /* all memory */
    char why[256];
};

/* Looks for the best device. False: why[n] says in a sentence what is missing. */
bool device_probe(struct cuda_device *out, int *index, char *why, size_t n);
bool device_open(struct device *d, int index);
void device_close(struct device *d);
void device_enter(const struct device *d);

/* True for cudaSuccess; else d->why is a sentence that names the call. */
bool device_check(struct device *d, const char *call, cudaError_t error);
/* NULL: d->why. */
void *device_alloc(struct device *d, size_t n_bytes);
/* Pinned host memory that kernels reach at *on_device. */
void *device_alloc_mapped(struct device *d, size_t n_bytes, void **on_device);
/* Of either kind, before the device is closed; NULL: nothing. */
void device_free(struct device *d, void *ptr);
/* Main memory that programs can get now, what the system would give up of its cache included;
 * SIZE_MAX: nobody knows. */
size_t device_host_bytes(void);
/* Free device memory now, on an integrated device what device_host_bytes leaves the system; 0
 * on failure. */
size_t device_free_bytes(struct device *d);
bool device_wait(struct device *d);
/* Both wait. */
bool device_upload(struct device *d, void *to, const void *from, size_t n_bytes);
bool device_download(struct device *d, void *to, const void *from, size_t n_bytes);

/* stream_cuda.cu: how long reading so much takes at best; 0 on failure. */
double device_stream_seconds(struct device *d, size_t n_bytes);
/* Whether there is machine code for the current device; loads a kernel. */
cudaError_t device_try_code(void);

/* Memory in parts, each aligned. From base 0 it only counts. */
struct cursor {
    uintptr_t at;
    uintptr_t base;
};

static inline void *cursor_take(struct cursor *c, size_t n_bytes)
{
    uintptr_t at = c->at;
    c->at += (n_bytes + DEVICE_ALIGN - 1) / DEVICE_ALIGN * DEVICE_ALIGN;
    return (void *)at;
}

static inline size_t cursor_bytes(const struct cursor *c)
{
    return c->at - c->base;
}

#endif
