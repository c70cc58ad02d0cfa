/*
 * planted.h - see planted.cu. Pointers are device memory.
 */
#ifndef CUDAEMU_PLANTED_H
#define CUDAEMU_PLANTED_H

#include "kernels/gk.h"

/* out[r] = sum of in[r][n] */
void planted_sum_rows(float *out, const float *in, int n_rows, int n, cudaStream_t stream);

#endif
