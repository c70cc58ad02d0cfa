/*
 * cpu_plan.c - from steps to a list, and the memory that the list needs: each step says how
 * much room it wants for the largest batch, and all is got when the plan is ready. So a run
 * allocates nothing, and too little memory is known before a request waits for an answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/cpu.h"

static _Noreturn void out_of_memory(size_t n_bytes)
{
    fprintf(stderr, "shunt: out of memory (%zu bytes refused)\n", n_bytes);
    abort();
}

struct list_item *cpu_add(struct cpu *k, step_fn *fn)
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

void room_want(struct room *room, size_t n_bytes)
{
    if (n_bytes > room->n_bytes)
        room->n_bytes = n_bytes;
}

/* Bytes of the keys, or of the values, of one layer. False: more than can be counted. */
static bool half_layer_bytes(const struct cpu *k, size_t *out)
{
    size_t width = (size_t)k->size.n_kv_heads * k->size.head_dim * (k->is_exact ? 4 : 2);
    return !__builtin_mul_overflow(width, k->size.n_cells, out);
}

struct kv_layer kv_layer_at(const struct cpu *k, uint32_t layer)
{
    size_t half = k->kv.n_bytes / k->size.n_layers / 2;
    char *keys = (char *)k->kv.ptr + 2 * half * layer;
    return (struct kv_layer){keys, keys + half, !k->is_exact};
}

void cpu_plan(struct kernels *kernels, const struct plan_size *size)
{
    struct cpu *k = cpu_of(kernels);
    size_t n = size->batch_tok, heads = (size_t)size->n_heads * size->head_dim, half;
    k->size = *size;
    room_want(&k->x, n * size->d * sizeof(float));
    room_want(&k->q, n * heads * sizeof(float));
    room_want(&k->attention, n * heads * sizeof(float));
    k->kv.is_mapped = true;
    if (!half_layer_bytes(k, &half) ||
            __builtin_mul_overflow(half, 2 * (size_t)size->n_layers, &k->kv.n_bytes))
        k->kv.n_bytes = SIZE_MAX / 2; /* no machine has that */
}

static bool room_open(struct room *room)
{
    if (room->n_bytes == 0)
        return true;
    if (!room->is_mapped) {
        room->n_bytes = (room->n_bytes + 63) / 64 * 64;
        room->ptr = aligned_alloc(64, room->n_bytes);
        return room->ptr != NULL;
    }
    void *ptr = mmap(NULL, room->n_bytes, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    room->ptr = ptr == MAP_FAILED ? NULL : ptr;
    return room->ptr != NULL;
}

static void room_close(struct room *room)
{
    if (!room->is_mapped)
        free(room->ptr);
    else if (room->ptr)
        munmap(room->ptr, room->n_bytes);
}

enum kernels_result cpu_ready(struct kernels *kernels, kernels_progress *progress, void *user)
{
    struct cpu *k = cpu_of(kernels);
    (void)progress; /* weights stay where they are */
    (void)user;
    if (!room_open(&k->kv)) {
        snprintf(k->why, sizeof k->why,
                "no memory for a KV cache of %zu MB; set a smaller context on the endpoint",
                k->kv.n_bytes >> 20);
        return KERNELS_FAILED;
    }
    if (room_open(&k->x) && room_open(&k->q) && room_open(&k->attention) &&
            room_open(&k->normed) && room_open(&k->inner) && room_open(&k->quants) &&
            room_open(&k->scores) && room_open(&k->pairs) && room_open(&k->logits) &&
            room_open(&k->candidates))
        return KERNELS_OK;
    snprintf(k->why, sizeof k->why, "no memory for batches of %u tokens", k->size.batch_tok);
    return KERNELS_FAILED;
}

void cpu_plan_release(struct cpu *k)
{
    struct room *all[] = {&k->kv, &k->x, &k->q, &k->attention, &k->normed, &k->inner,
            &k->quants, &k->scores, &k->pairs, &k->logits, &k->candidates};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        room_close(all[i]);
    free(k->list);
}

static void *buffer_at(const struct cpu *k, enum kernels_buffer buffer, uint32_t layer)
{
    switch (buffer) {
    case BUFFER_X:
        return k->x.ptr;
    case BUFFER_Q:
        return k->q.ptr;
    case BUFFER_ATTENTION:
        return k->attention.ptr;
    case BUFFER_KEYS:
        return kv_layer_at(k, layer).keys;
    case BUFFER_VALUES:
        return kv_layer_at(k, layer).values;
    }
    return NULL;
}

static bool is_half(const struct cpu *k, enum kernels_buffer buffer)
{
    return !k->is_exact && (buffer == BUFFER_KEYS || buffer == BUFFER_VALUES);
}

void cpu_read(struct kernels *kernels, enum kernels_buffer buffer, uint32_t layer, float *out,
        size_t n)
{
    const struct cpu *k = cpu_of(kernels);
    const void *from = buffer_at(k, buffer, layer);
    if (!is_half(k, buffer))
        memcpy(out, from, n * sizeof *out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = half_to_float(((const uint16_t *)from)[i]);
}

void cpu_write(struct kernels *kernels, enum kernels_buffer buffer, uint32_t layer,
        const float *values, size_t n)
{
    struct cpu *k = cpu_of(kernels);
    void *to = buffer_at(k, buffer, layer);
    if (!is_half(k, buffer))
        memcpy(to, values, n * sizeof *values);
    else
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)to)[i] = float_to_half(values[i]);
}
