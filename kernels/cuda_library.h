/*
 * cuda_library.h - what the program and the CUDA backend, a library that is loaded when there
 * is one, know of each other: one exported function with a version number. Only the library
 * knows CUDA; it is never unloaded.
 */
#ifndef KERNELS_CUDA_LIBRARY_H
#define KERNELS_CUDA_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

struct kernels;

#define CUDA_LIBRARY_ABI    1
#define CUDA_LIBRARY_SYMBOL "shunt_cuda_library"

struct cuda_device {
    char name[128];
    int compute_major, compute_minor, driver_version, runtime_version; /* 13000: CUDA 13.0 */
    int n_sm, clock_khz, memory_clock_khz, memory_bus_bits;
    size_t total_bytes, free_bytes;
    double bytes_per_s; /* nominal, from memory clock and bus width; 0: not told */
    bool is_integrated; /* its memory is the host's */
};

struct cuda_library {
    int abi;
    /* The best device. False: why[n] says in a sentence what is missing. */
    bool (*probe)(struct cuda_device *out, char *why, size_t n);
    /* budget_bytes: of device memory at most; 0: what is free less a reserve for the desktop.
     * NULL: why[n] says it in a sentence. */
    struct kernels *(*open)(bool is_exact, size_t budget_bytes, char *why, size_t n);
    /* cuBLAS is there and multiplies on the best device; without it prefill goes through the
     * decode kernels. False: why[n] says in a few words what is wrong. */
    bool (*check_cublas)(char *why, size_t n);
};
typedef const struct cuda_library *cuda_library_entry(int abi);

/* ---- the program's side (cuda_library.c) -------------------------------------------- */

/* Opens the library at path. NULL: why[n] says it in a sentence. Opened once, kept for good. */
const struct cuda_library *cuda_library_load(const char *path, char *why, size_t n);

#endif
