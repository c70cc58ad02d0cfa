/*
 * cpu.c - the CPU backend's instance, and its list of steps.
 */
#include "kernels/cpu.h"

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
