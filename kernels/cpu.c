/*
 * cpu.c - the CPU backend's instance, its list of steps, and the matrix product all steps
 * share.
 */
#include "kernels/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dot_ops *const variants[] = {
#if defined(__x86_64__)
        &dot_ops_avx2,
#endif
        &dot_ops_scalar,
};

static const struct dot_ops *supported_at(int wanted)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (variants[i]->is_supported() && wanted-- == 0)
            return variants[i];
    return NULL;
}

const char *kernels_name_at(int i)
{
    const struct dot_ops *dot = supported_at(i);
    return dot ? dot->name : NULL;
}

static const struct dot_ops *choose_variant(const char *name)
{
    const struct dot_ops *dot;
    int i = 0;
    while ((dot = supported_at(i)) && name && strcmp(dot->name, name) != 0)
        i++;
    return dot;
}

static _Noreturn void out_of_memory(size_t n_bytes)
{
    fprintf(stderr, "shunt: out of memory (%zu bytes refused)\n", n_bytes);
    abort();
}

struct kernels *kernels_open(const char *kernel, int n_threads, bool is_exact)
{
    const struct dot_ops *dot = choose_variant(kernel);
    if (!dot)
        return NULL;
    struct pool *pool = pool_open(n_threads);
    struct kernels *k = pool ? calloc(1, sizeof *k) : NULL;
    if (!k) {
        pool_close(pool);
        return NULL;
    }
    k->dot = dot;
    k->is_exact = is_exact;
    k->pool = pool;
    return k;
}

void kernels_close(struct kernels *k)
{
    if (!k)
        return;
    pool_close(k->pool);
    struct scratch *all[] = {&k->normed, &k->inner, &k->quants, &k->scores, &k->pairs};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]->ptr);
    free(k->list);
    free(k);
}

const char *kernels_name(const struct kernels *k)
{
    return k->dot->name;
}

int kernels_n_threads(const struct kernels *k)
{
    return pool_n_threads(k->pool);
}

void kernels_cancel(struct kernels *k)
{
    atomic_store(&k->is_cancelled, true);
}

void kernels_cancel_clear(struct kernels *k)
{
    atomic_store(&k->is_cancelled, false);
}

void kernels_begin(struct kernels *k)
{
    k->n_items = 0;
}

struct list_item *kernels_add(struct kernels *k, step_fn *fn)
{
    if (k->n_items == k->cap_items) {
        k->cap_items = k->cap_items ? k->cap_items * 2 : 256;
        k->list = realloc(k->list, k->cap_items * sizeof *k->list);
        if (!k->list)
            out_of_memory(k->cap_items * sizeof *k->list);
    }
    struct list_item *item = &k->list[k->n_items++];
    item->fn = fn;
    return item;
}

/* One thread decides for all whether to go on: otherwise one could stop while others wait at a
 * barrier. */
static void run_list(void *arg, int ith, int nth)
{
    struct kernels *k = arg;
    for (size_t i = 0; i < k->n_items; i++) {
        if (ith == 0 && i % 4 == 0)
            atomic_store_explicit(&k->stops,
                    atomic_load_explicit(&k->is_cancelled, memory_order_relaxed),
                    memory_order_relaxed);
        if (i % 4 == 0)
            pool_barrier(k->pool);
        if (atomic_load_explicit(&k->stops, memory_order_relaxed))
            return;
        k->list[i].fn(k, &k->list[i].u, ith, nth);
    }
}

bool kernels_end(struct kernels *k)
{
    pool_run(k->pool, run_list, k);
    return !atomic_load(&k->stops);
}

void *scratch_get(struct scratch *scratch, size_t n_bytes)
{
    if (n_bytes > scratch->n_bytes) {
        free(scratch->ptr);
        scratch->n_bytes = (n_bytes + 4095) / 4096 * 4096;
        scratch->ptr = aligned_alloc(64, scratch->n_bytes);
        if (!scratch->ptr)
            out_of_memory(scratch->n_bytes);
    }
    return scratch->ptr;
}

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

bool uses_q8(const struct kernels *k, const struct weight *w)
{
    return !k->is_exact && quant_traits[w->quant].block_elems >= 32 && w->n_in % 32 == 0;
}

struct act act_for(
        const struct kernels *k, const struct act_buf *buf, const struct weight *w, uint32_t n)
{
    return (struct act){buf->f32, uses_q8(k, w) ? buf->q8 : NULL, buf->d, buf->sum, n};
}

void quantise_share(const struct kernels *k, const struct act_buf *buf, uint32_t n_rows,
        uint32_t n, int ith, int nth)
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

void matmul(const struct kernels *k, struct range range, const struct matmul_in *in,
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
