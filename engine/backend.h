/*
 * backend.h - where a model is computed. The CUDA backend is a library of its own, looked for
 * beside the program and in ../lib/shunt; where it, a driver or a device is missing, models run
 * on the CPU.
 */
#ifndef ENGINE_BACKEND_H
#define ENGINE_BACKEND_H

#include "engine/base.h"

struct kernels;

#define BACKEND_WHY_BYTES 320 /* model_info.why_cpu */

/* What the user asked for. */
struct backend_choice {
    const char *name;    /* "cpu", "cuda", "cuda-emu"; NULL: CUDA where it can be used and no
                            kernel is asked for, else the CPU */
    const char *library; /* the CUDA backend's file; NULL: looked for */
    const char *kernel;  /* of the CPU; NULL: the best */
    uint64_t gpu_bytes;  /* of device memory at most; 0: what is free, less a reserve */
};

/* The GPU that would be used. */
struct backend_gpu {
    char library[4200]; /* the CUDA backend's file that was loaded; "": none */
    char name[128], compute[8], driver[8]; /* "8.9"; the newest CUDA it knows, "13.0" */
    uint64_t total_bytes, free_bytes;
    double bytes_per_s;      /* nominal; 0: not told */
    char why_no_cublas[128]; /* "": it is used */
};

/* With strings of its own. */
void backend_choice_copy(struct backend_choice *out, const struct backend_choice *choice);
void backend_choice_release(struct backend_choice *copy);

/* ERR_USAGE: there is no backend of this name. */
enum status backend_check(const struct backend_choice *choice, struct err *err) MUST_USE;
/* A GPU was asked for by name, or a library was: whoever did is told why it is not used. */
bool backend_wants_gpu(const struct backend_choice *choice);
/* False: the CPU is used, and why[BACKEND_WHY_BYTES] says in a sentence why; all but the
 * library is zero. */
bool backend_find_gpu(const struct backend_choice *choice, struct backend_gpu *out, char *why);
/* A GPU's backend where that can be used, else the CPU's and why as above. */
enum status backend_open(struct kernels **out, const struct backend_choice *choice,
        int n_threads, bool is_exact, char *why, struct err *err) MUST_USE;
/* The CPU's: kernels_open_cpu, with a sentence when it fails. */
enum status backend_open_cpu(struct kernels **out, const char *kernel, int n_threads,
        bool is_exact, struct err *err) MUST_USE;

#endif
