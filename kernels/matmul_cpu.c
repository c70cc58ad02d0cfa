/* matmul_cpu.c - what the step files share: shares of work, activations and their 8-bit form,
 * norms, and the matrix product. */
#include <math.h>

#include "kernels/cpu.h"

struct range split_range(uint32_t n, uint32_t grain, int ith, int nth)
{
    uint64_t n_grains = (n + grain - 1) / grain;
    uint64_t begin = n_grains * (uint64_t)ith / (uint64_t)nth * grain;
    uint64_t end = n_grains * (uint64_t)(ith + 1) / (uint64_t)nth * grain;
    return (struct range){begin < n ? (uint32_t)begin : n, end < n ? (uint32_t)end : n};
}

size_t act_quant_bytes(uint32_t n_rows, uint32_t n)
{
    size_t n_values = (size_t)n_rows * n;
    return (n_values + 63) / 64 * 64 + n_values / 32 * 2 * sizeof(float) + 64;
}

struct act_buf act_buf_at(float *f32, void *quants, uint32_t n_rows, uint32_t n)
{
    size_t n_values = (size_t)n_rows * n;
    float *d = (float *)((char *)quants + (n_values + 63) / 64 * 64);
    return (struct act_buf){f32, quants, d, d + n_values / 32};
}

bool uses_q8(const struct cpu *k, const struct weight *w)
{
    return !k->is_exact && quant_traits[w->quant].block_elems >= 32 && w->n_in % 32 == 0;
}

struct act act_for(
        const struct cpu *k, const struct act_buf *buf, const struct weight *w, uint32_t n)
{
    return (struct act){buf->f32, uses_q8(k, w) ? buf->q8 : NULL, buf->d, buf->sum, n};
}

void quantise_share(const struct cpu *k, const struct act_buf *buf, uint32_t n_rows, uint32_t n,
        int ith, int nth)
{
    struct range r = split_range(n_rows * (n / 32), 1, ith, nth);
    size_t at = (size_t)r.begin * 32;
    if (r.end > r.begin)
        k->dot->quantise(buf->f32 + at, buf->q8 + at, buf->d + r.begin, buf->sum + r.begin,
                (r.end - r.begin) * 32);
}

void norm_row(const float *x, const float *norm, float eps, uint32_t n, float *out)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    float scale = 1 / sqrtf((float)(sum / n) + eps);
    for (uint32_t i = 0; i < n; i++)
        out[i] = x[i] * scale * norm[i];
}

void norm_share(const struct norm_in *in, float *out, int ith, int nth)
{
    uint32_t d = in->d;
    struct range r = split_range(in->n_rows, 1, ith, nth);
    for (uint32_t t = r.begin; t < r.end; t++)
        norm_row(in->x + (size_t)t * d, in->norm, in->eps, d, out + (size_t)t * d);
}

void softmax(float *values, uint32_t n)
{
    float top = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        top = fmaxf(top, values[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += values[i] = expf(values[i] - top);
    for (uint32_t i = 0; i < n; i++)
        values[i] /= sum;
}

static void put_tile(
        const struct matmul_out *to, uint32_t first, int n, uint32_t row, const float *values)
{
    float bias = to->bias ? to->bias[row] : 0;
    for (int j = 0; j < n; j++) {
        uint32_t i = first + (uint32_t)j;
        float *at = to->out + (to->targets ? to->targets[i] : i) * to->stride + row;
        float value = (to->scales ? to->scales[i] * values[j] : values[j]) + bias;
        *at = to->is_added ? *at + value : value;
    }
}

#define ROW_BLOCK                                                                              \
    16 /* weight rows that pass over a tile of activations together: both stay in L1 */

void matmul(const struct cpu *k, struct range range, const struct matmul_in *in,
        const struct matmul_out *to)
{
    const struct weight *w = in->w;
    const struct act *act = in->act;
    const char *base = (const char *)w->data + (size_t)in->slab * w->n_out * w->row_bytes;
    uint32_t n = in->n;
    for (uint32_t block = range.begin; block < range.end; block += ROW_BLOCK) {
        uint32_t block_end = block + ROW_BLOCK < range.end ? block + ROW_BLOCK : range.end;
        for (uint32_t i = 0; i < n; i += DOT_TILE) {
            uint32_t ids[DOT_TILE];
            float values[DOT_TILE];
            int n_tile = n - i < DOT_TILE ? (int)(n - i) : DOT_TILE;
            for (int j = 0; j < n_tile; j++)
                ids[j] = in->rows ? in->rows[i + (uint32_t)j] : i + (uint32_t)j;
            for (uint32_t row = block; row < block_end; row++) {
                const void *weights = base + (size_t)row * w->row_bytes;
                if (act->q8)
                    k->dot->row_q8(w->quant, weights, act, ids, n_tile, values);
                else
                    k->dot->row_f32(w->quant, weights, act, ids, n_tile, values);
                put_tile(to, i, n_tile, row, values);
            }
        }
    }
}

float silu_mul(float gate, float up)
{
    return gate / (1 + expf(-gate)) * up;
}
