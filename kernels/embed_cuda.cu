/* embed_cuda.cu - rows of the token table. */
#include "kernels/cuda.h"
#include "kernels/quant_cuda.cuh"

/* blockIdx.y: the token; a thread takes eight values. */
GK_KERNEL(128, 8) k_embed(const cuda_step *step, cuda_embed e)
{
    uint32_t i = blockIdx.x * 128 + threadIdx.x, t = blockIdx.y, d = e.table.n_in;
    if (i >= e.table.layout.n_groups * 4)
        return;
    float values[8];
    gk_row row = gk_row_at(e.table.slabs[0], e.table.layout, (uint32_t)step->tokens[t]);
    gk_any_eight_values(e.table.quant, row, i / 4, (int)(i % 4), values);
    float *x = e.x + (size_t)t * d;
    GK_UNROLL
    for (uint32_t k = 0; k < 8; k++)
        if (8 * i + k < d)
            x[8 * i + k] = values[k];
}

void gk_embed(
        const struct cuda_step *step, uint32_t n, struct cuda_embed e, cudaStream_t stream)
{
    dim3 grid((e.table.layout.n_groups * 4 + 127) / 128, n);
    GK_LAUNCH(k_embed, grid, 128, 0, stream, step, e);
}
