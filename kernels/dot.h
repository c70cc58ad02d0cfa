/*
 * dot.h - products of one weight row with a few activation rows, per instruction set.
 * dot_scalar.c is the specification; the others must match it in tests.
 */
#ifndef KERNELS_DOT_H
#define KERNELS_DOT_H

#include <stdbool.h>

#include "kernels/quant.h"

#define DOT_TILE  4   /* activation rows per call at most */
#define DOT_CHUNK 256 /* values decoded at a time: a multiple of every block */

/* Activations of one matrix product. The 8-bit form is made only where it is used: per 32
 * values a scale d, q = round(x / d), and d times the sum of the 32 q. */
struct act {
    const float *f32; /* [n_rows][n] */
    const int8_t *q8; /* [n_rows][n], or NULL: use f32 */
    const float *d;   /* [n_rows][n/32] */
    const float *sum; /* [n_rows][n/32] */
    uint32_t n;
};

struct dot_ops {
    const char *name;
    bool (*is_supported)(void);
    /* out[i] = weight row . f32 row rows[i], for n_rows <= DOT_TILE */
    void (*row_f32)(enum quant quant, const void *weights, const struct act *act,
            const uint32_t *rows, int n_rows, float *out);
    /* the same with the 8-bit form; quant is a block type */
    void (*row_q8)(enum quant quant, const void *weights, const struct act *act,
            const uint32_t *rows, int n_rows, float *out);
    /* q8, d and sum of n values, n a multiple of 32 */
    void (*quantise)(const float *x, int8_t *q8, float *d, float *sum, uint32_t n);
    float (*dot)(const float *a, const float *b, uint32_t n);
    float (*dot_half)(const uint16_t *a, const float *b, uint32_t n);
    void (*add_scaled)(
            float *out, const float *x, float scale, uint32_t n); /* out += scale * x */
    void (*add_scaled_half)(float *out, const uint16_t *x, float scale, uint32_t n);
    void (*to_half)(const float *x, uint16_t *out, uint32_t n);
};

extern const struct dot_ops dot_ops_scalar;
#if defined(__x86_64__)
extern const struct dot_ops dot_ops_avx2;
#endif

#endif
