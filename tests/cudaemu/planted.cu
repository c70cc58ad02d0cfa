/*
 * planted.cu - kernels for test_cuda_emu: correct ones, and one for each fault that the
 * emulator has to find.
 */
#include "planted.h"

GK_KERNEL(256, 1) k_sum_rows(float *out, const float *in, int n)
{
    const float *row = in + (size_t)blockIdx.x * n;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        sum += row[i];
    sum = gk_block_sum(sum);
    if (threadIdx.x == 0)
        out[blockIdx.x] = sum;
}

void planted_sum_rows(float *out, const float *in, int n_rows, int n, cudaStream_t stream)
{
    GK_LAUNCH(k_sum_rows, n_rows, 64, 0, stream, out, in, n);
}
