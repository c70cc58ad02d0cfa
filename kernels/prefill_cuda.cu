/*
 * prefill_cuda.cu - what stands between the products of prefill: rows normed and activations
 * in the type that cuBLAS takes, heads finished. All of it moves each value once.
 */
#include "kernels/heads_cuda.cuh"
#include "kernels/value_cuda.cuh"

#define THREADS    256
#define MAX_BLOCKS 65535u

/* A block a row. */
template <class T>
GK_KERNEL(THREADS, 4)
norm_rows_k(
        uint32_t d, const float *x, const uint32_t *rows, const float *norm, float eps, T *out)
{
    const float *row = x + (size_t)(rows ? rows[blockIdx.x] : blockIdx.x) * d;
    T *to = out + (size_t)blockIdx.x * d;
    float sum = 0, scale = 1;
    if (norm) {
        for (uint32_t i = threadIdx.x; i < d; i += THREADS)
            sum += row[i] * row[i];
        scale = 1 / sqrtf(gk_block_sum(sum) / (float)d + eps);
    }
    for (uint32_t i = threadIdx.x; i < d; i += THREADS)
        gk_put_value(to + i, norm ? row[i] * scale * norm[i] : row[i]);
}

void gk_norm_rows(uint32_t n, uint32_t d, const float *x, const uint32_t *rows,
        const float *norm, float eps, void *out, bool is_exact, cudaStream_t stream)
{
    if (is_exact)
        GK_LAUNCH((norm_rows_k<float>), n, THREADS, 0, stream, d, x, rows, norm, eps,
                (float *)out);
    else
        GK_LAUNCH((norm_rows_k<gk_half>), n, THREADS, 0, stream, d, x, rows, norm, eps,
                (gk_half *)out);
}

/* A block a token, its warps take the heads in turn. */
GK_KERNEL(THREADS, 4) heads_k(const struct cuda_step *step, struct cuda_attn_in a)
{
    uint32_t t = blockIdx.x, n = a.n_heads + 2 * a.n_kv_heads;
    float q_scale = 1, k_scale = 1;
    if (a.is_norm_whole) {
        q_scale = a.q_norm ? gk_whole_scale(a, t, false) : 1;
        k_scale = a.k_norm ? gk_whole_scale(a, t, true) : 1;
        __syncthreads(); /* finished heads replace what the scales are made of */
    }
    for (uint32_t head = threadIdx.x / 32; head < n; head += THREADS / 32)
        gk_finish_head(a, step, t, head, head < a.n_heads ? q_scale : k_scale);
}

void gk_heads(
        const struct cuda_step *step, uint32_t n, struct cuda_attn_in a, cudaStream_t stream)
{
    GK_LAUNCH(heads_k, n, THREADS, 0, stream, step, a);
}

template <class T> GK_KERNEL(THREADS, 4) silu_k(size_t n, const T *gate, const T *up, T *out)
{
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n;
            i += (size_t)gridDim.x * THREADS)
        gk_put_value(out + i, gk_silu(gk_value(gate[i])) * gk_value(up[i]));
}

static uint32_t blocks_of(size_t n)
{
    size_t n_blocks = (n + THREADS - 1) / THREADS;
    return n_blocks < MAX_BLOCKS ? (uint32_t)n_blocks : MAX_BLOCKS;
}

void gk_silu(size_t n, const void *gate, const void *up, void *out, bool is_exact,
        cudaStream_t stream)
{
    if (is_exact)
        GK_LAUNCH((silu_k<float>), blocks_of(n), THREADS, 0, stream, n, (const float *)gate,
                (const float *)up, (float *)out);
    else
        GK_LAUNCH((silu_k<gk_half>), blocks_of(n), THREADS, 0, stream, n, (const gk_half *)gate,
                (const gk_half *)up, (gk_half *)out);
}

GK_KERNEL(THREADS, 4) add_bias_k(size_t n, uint32_t d, const float *bias, float *x)
{
    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n;
            i += (size_t)gridDim.x * THREADS)
        x[i] += bias[i % d];
}

void gk_add_bias(uint32_t n, uint32_t d, const float *bias, float *x, cudaStream_t stream)
{
    size_t n_values = (size_t)n * d;
    GK_LAUNCH(add_bias_k, blocks_of(n_values), THREADS, 0, stream, n_values, d, bias, x);
}
