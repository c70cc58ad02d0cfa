/* dequant_cuda.cu - whole slabs as rows of halves or floats, for cuBLAS. */
#include "kernels/cuda.h"
#include "kernels/quant_cuda.cuh"
#include "kernels/value_cuda.cuh"

struct alignas(16) gk_eight_halves {
    gk_half values[8];
};

/* n: how many of the eight values there are. */
GK_DEV void gk_put_eight(gk_half *out, const float *v, uint32_t n, bool is_aligned)
{
    gk_eight_halves halves;
    GK_UNROLL
    for (uint32_t k = 0; k < 8; k++)
        gk_put_value(&halves.values[k], v[k]);
    if (is_aligned) {
        *(gk_eight_halves *)out = halves;
        return;
    }
    GK_UNROLL
    for (uint32_t k = 0; k < 8; k++)
        if (k < n)
            out[k] = halves.values[k];
}

GK_DEV void gk_put_eight(float *out, const float *v, uint32_t n, bool)
{
    GK_UNROLL
    for (uint32_t k = 0; k < 8; k++)
        if (k < n)
            out[k] = v[k];
}

/* A thread takes eight values: four neighbours read the same group, and a warp writes 512
 * contiguous bytes. blockIdx.y: the slab. */
template <class T>
GK_KERNEL(128, 8)
k_dequant(cuda_matrix w, uint32_t first, const uint32_t *pair_first, T *out)
{
    uint32_t slab = first + blockIdx.y;
    if (pair_first && pair_first[slab] == pair_first[slab + 1])
        return;
    uint32_t i = blockIdx.x * 128 + threadIdx.x, n_row = w.layout.n_groups * 4;
    uint32_t r = i / n_row, eight = i % n_row;
    if (r >= w.n_out || 8 * eight >= w.n_in)
        return;
    float values[8];
    gk_row row = gk_row_at(w.slabs[slab], w.layout, r);
    gk_any_eight_values(w.quant, row, eight / 4, (int)(eight % 4), values);
    gk_put_eight(out + ((size_t)blockIdx.y * w.n_out + r) * w.n_in + 8 * eight, values,
            w.n_in - 8 * eight, w.n_in % 8 == 0);
}

void gk_dequant(struct cuda_matrix w, uint32_t first, uint32_t n_slabs,
        const uint32_t *pair_first, void *out, bool is_exact, cudaStream_t stream)
{
    dim3 grid((uint32_t)(((uint64_t)w.n_out * w.layout.n_groups * 4 + 127) / 128), n_slabs);
    if (is_exact)
        GK_LAUNCH((k_dequant<float>), grid, 128, 0, stream, w, first, pair_first, (float *)out);
    else
        GK_LAUNCH((k_dequant<gk_half>), grid, 128, 0, stream, w, first, pair_first,
                (gk_half *)out);
}
