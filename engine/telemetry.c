/*
 * telemetry.c - see telemetry.h. Each slot carries the number of the record in it, twice the
 * number while valid and odd while it is written (a seqlock, Boehm 2012): the reader copies,
 * then looks whether the number is still the same. Words are copied as relaxed atomics, since
 * reader and writer may touch the same slot at once.
 */
#include "engine/telemetry.h"

#include <stdatomic.h>

struct telemetry_ring {
    size_t n_words; /* of a record, 8 bytes each */
    uint32_t n_records;
    _Atomic uint64_t n_written;
    _Atomic uint64_t *stamps; /* [n_records] */
    _Atomic uint64_t *words;  /* [n_records][n_words] */
};

static size_t picks_offset(void)
{
    return (sizeof(struct token_record) + 7) / 8 * 8;
}

static size_t margins_offset(const struct telemetry_shape *shape)
{
    return picks_offset() + (size_t)shape->n_moe_layers * shape->k * sizeof(struct expert_pick);
}

size_t token_record_bytes(const struct telemetry_shape *shape)
{
    return (margins_offset(shape) + shape->n_moe_layers * sizeof(float) + 7) / 8 * 8;
}

struct expert_pick *token_record_picks(struct token_record *record)
{
    return (struct expert_pick *)((char *)record + picks_offset());
}

float *token_record_margins(struct token_record *record, const struct telemetry_shape *shape)
{
    return (float *)((char *)record + margins_offset(shape));
}

struct telemetry_ring *telemetry_open(const struct telemetry_shape *shape, uint32_t n_records)
{
    struct telemetry_ring *ring = mem_alloc(sizeof *ring);
    ring->n_words = token_record_bytes(shape) / 8;
    ring->n_records = 1;
    while (ring->n_records < n_records)
        ring->n_records *= 2;
    ring->stamps = mem_alloc(ring->n_records * sizeof *ring->stamps);
    ring->words = mem_alloc(ring->n_records * ring->n_words * sizeof *ring->words);
    return ring;
}

void telemetry_close(struct telemetry_ring *ring)
{
    if (!ring)
        return;
    mem_free((void *)ring->stamps);
    mem_free((void *)ring->words);
    mem_free(ring);
}

void telemetry_put(struct telemetry_ring *ring, const struct token_record *record)
{
    uint64_t n = atomic_load_explicit(&ring->n_written, memory_order_relaxed);
    uint32_t slot = (uint32_t)n & (ring->n_records - 1);
    _Atomic uint64_t *to = ring->words + slot * ring->n_words;
    const uint64_t *from = (const uint64_t *)(const void *)record;
    atomic_store_explicit(&ring->stamps[slot], 2 * n + 1, memory_order_relaxed);
    for (size_t i = 0; i < ring->n_words;
            i++) /* release: nobody sees a new word before the odd stamp */
        atomic_store_explicit(&to[i], from[i], memory_order_release);
    atomic_store_explicit(&ring->stamps[slot], 2 * n + 2, memory_order_release);
    atomic_store_explicit(&ring->n_written, n + 1, memory_order_release);
}

bool telemetry_get(struct telemetry_ring *ring, uint64_t *cursor, struct token_record *out,
        uint64_t *n_lost)
{
    for (;;) {
        uint64_t n_written = atomic_load_explicit(&ring->n_written, memory_order_acquire);
        if (*cursor == n_written)
            return false;
        if (n_written - *cursor > ring->n_records) {
            *n_lost += n_written - ring->n_records - *cursor;
            *cursor = n_written - ring->n_records;
        }
        uint32_t slot = (uint32_t)*cursor & (ring->n_records - 1);
        const _Atomic uint64_t *from = ring->words + slot * ring->n_words;
        uint64_t *to = (uint64_t *)(void *)out, expected = 2 * *cursor + 2;
        bool is_whole =
                atomic_load_explicit(&ring->stamps[slot], memory_order_acquire) == expected;
        for (size_t i = 0; i < ring->n_words && is_whole; i++)
            to[i] = atomic_load_explicit(&from[i], memory_order_acquire);
        if (is_whole &&
                atomic_load_explicit(&ring->stamps[slot], memory_order_relaxed) == expected) {
            ++*cursor;
            return true;
        }
        ++*n_lost; /* overwritten while it was read */
        ++*cursor;
    }
}
