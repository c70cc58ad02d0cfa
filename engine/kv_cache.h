/*
 * kv_cache.h - which cell of the cache holds which (sequences, position). Cells are given out
 * one per token; a cell may belong to several sequences (a shared prefix), so sharing copies
 * nothing. The keys and values themselves are the backend's memory, indexed by cell.
 */
#ifndef ENGINE_KV_CACHE_H
#define ENGINE_KV_CACHE_H

#include "engine/base.h"

struct kv_cache {
    uint32_t n_cells, n_used;
    uint32_t hint;  /* no cell below it is free */
    uint64_t *seqs; /* [n_cells] bit per sequence; 0: free */
    uint32_t *pos;  /* [n_cells] */
    size_t n_bytes; /* of keys and values of all layers */
};

/* What the keys and values of n_cells tokens take. False: more than can be counted. */
bool kv_cache_bytes(
        uint32_t n_cells, uint32_t n_layers, size_t width, bool is_half, size_t *out) MUST_USE;
/* width: numbers of one token's key in one layer, and of its value. ERR_NOMEM: there is nothing
 * to close. */
enum status kv_cache_open(struct kv_cache *kv, uint32_t n_cells, uint32_t n_layers,
        size_t width, bool is_half, struct err *err) MUST_USE;
void kv_cache_close(struct kv_cache *kv);
/* Takes n free cells into out and marks them. False: not that many are free; nothing changed.
 */
bool kv_cache_take(struct kv_cache *kv, uint32_t n, const uint16_t *seq, const uint32_t *pos,
        uint32_t *out) MUST_USE;
/* What was taken for a batch that failed. */
void kv_cache_give_back(struct kv_cache *kv, const uint32_t *cells, uint32_t n);
/* Ranges of positions are [p0, p1). */
void kv_cache_remove(struct kv_cache *kv, uint16_t seq, uint32_t p0, uint32_t p1);
void kv_cache_share(struct kv_cache *kv, uint16_t src, uint16_t dst, uint32_t p0, uint32_t p1);
/* Cells of a sequence in the order of their positions, into out [n_cells]; returns how many. */
uint32_t kv_cache_list(const struct kv_cache *kv, uint16_t seq, uint32_t *out);

#endif
