/*
 * kv_cache.c - see kv_cache.h. Free cells are looked for in a circle from where the last one
 * was found, so taking one costs a step or two while the cache is not full. On the thread of
 * the model's owner.
 */
#include "engine/kv_cache.h"

#include <stdlib.h>

bool kv_cache_bytes(
        uint32_t n_cells, uint32_t n_layers, size_t width, bool is_half, size_t *out)
{
    size_t per_layer;
    return size_mul(n_cells, width * (is_half ? 4 : 8), &per_layer) &&
           size_mul(per_layer, n_layers, out);
}

enum status kv_cache_open(struct kv_cache *kv, uint32_t n_cells, uint32_t n_layers,
        size_t width, bool is_half, struct err *err)
{
    *kv = (struct kv_cache){.n_cells = n_cells};
    if (!kv_cache_bytes(n_cells, n_layers, width, is_half, &kv->n_bytes))
        return err_set(err, ERR_NOMEM, "the KV cache for %u tokens is too large", n_cells);
    kv->seqs = mem_try((size_t)n_cells * sizeof *kv->seqs);
    kv->pos = mem_try((size_t)n_cells * sizeof *kv->pos);
    if (kv->seqs && kv->pos)
        return OK;
    kv_cache_close(kv);
    return err_set(err, ERR_NOMEM, "no memory for a KV cache of %u tokens", n_cells);
}

void kv_cache_close(struct kv_cache *kv)
{
    mem_free(kv->seqs);
    mem_free(kv->pos);
    *kv = (struct kv_cache){0};
}

bool kv_cache_take(struct kv_cache *kv, uint32_t n, const uint16_t *seq, const uint32_t *pos,
        uint32_t *out)
{
    if (n > kv->n_cells - kv->n_used)
        return false;
    uint32_t cell = kv->hint;
    for (uint32_t i = 0; i < n; i++) {
        while (kv->seqs[cell])
            cell = cell + 1 == kv->n_cells ? 0 : cell + 1;
        kv->seqs[cell] = (uint64_t)1 << seq[i];
        kv->pos[cell] = pos[i];
        out[i] = cell;
    }
    kv->hint = cell;
    kv->n_used += n;
    return true;
}

/* The lowest free cell is used next: cells in the order of positions need no sorting later. */
static void drop(struct kv_cache *kv, uint32_t cell, uint64_t mask)
{
    kv->seqs[cell] &= ~mask;
    if (kv->seqs[cell])
        return;
    kv->n_used--;
    if (cell < kv->hint)
        kv->hint = cell;
}

void kv_cache_give_back(struct kv_cache *kv, const uint32_t *cells, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        drop(kv, cells[i], kv->seqs[cells[i]]);
}

void kv_cache_remove(struct kv_cache *kv, uint16_t seq, uint32_t p0, uint32_t p1)
{
    uint64_t mask = (uint64_t)1 << seq;
    for (uint32_t cell = 0; cell < kv->n_cells; cell++)
        if (kv->seqs[cell] & mask && kv->pos[cell] >= p0 && kv->pos[cell] < p1)
            drop(kv, cell, mask);
}

void kv_cache_share(struct kv_cache *kv, uint16_t src, uint16_t dst, uint32_t p0, uint32_t p1)
{
    for (uint32_t cell = 0; cell < kv->n_cells; cell++)
        if (kv->seqs[cell] & (uint64_t)1 << src && kv->pos[cell] >= p0 && kv->pos[cell] < p1)
            kv->seqs[cell] |= (uint64_t)1 << dst;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_by_pos(const struct kv_cache *kv, uint32_t *cells, uint32_t n)
{
    uint64_t *keys = mem_alloc(n * sizeof *keys);
    for (uint32_t i = 0; i < n; i++)
        keys[i] = (uint64_t)kv->pos[cells[i]] << 32 | cells[i];
    qsort(keys, n, sizeof *keys, compare_u64);
    for (uint32_t i = 0; i < n; i++)
        cells[i] = (uint32_t)keys[i];
    mem_free(keys);
}

uint32_t kv_cache_list(const struct kv_cache *kv, uint16_t seq, uint32_t *out)
{
    uint64_t mask = (uint64_t)1 << seq;
    uint32_t n = 0;
    bool is_sorted = true;
    for (uint32_t cell = 0; cell < kv->n_cells; cell++) {
        if (!(kv->seqs[cell] & mask))
            continue;
        is_sorted &= n == 0 || kv->pos[out[n - 1]] <= kv->pos[cell];
        out[n++] = cell;
    }
    if (!is_sorted)
        sort_by_pos(kv, out, n);
    return n;
}
