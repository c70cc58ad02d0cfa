/*
 * cpu.c - the CPU backend's instance, and how its list of steps is run.
 */
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

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

static void close_cpu(struct kernels *kernels)
{
    struct cpu *k = cpu_of(kernels);
    pool_close(k->pool);
    cpu_plan_release(k);
    free(k);
}

static const char *name(const struct kernels *k)
{
    return ((const struct cpu *)k)->dot->name;
}

static int n_threads_of(const struct kernels *k)
{
    return pool_n_threads(((const struct cpu *)k)->pool);
}

static const char *why(const struct kernels *k)
{
    return ((const struct cpu *)k)->why;
}

static void cancel(struct kernels *k)
{
    atomic_store(&cpu_of(k)->is_cancelled, true);
}

static void cancel_clear(struct kernels *k)
{
    atomic_store(&cpu_of(k)->is_cancelled, false);
}

/* One thread decides for all whether to go on: otherwise one could stop while others wait at a
 * barrier. */
static void run_list(void *arg, int ith, int nth)
{
    struct cpu *k = arg;
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

static enum kernels_result run(struct kernels *kernels, const struct kernels_batch *batch)
{
    struct cpu *k = cpu_of(kernels);
    k->batch = batch;
    pool_run(k->pool, run_list, k);
    return atomic_load(&k->stops) ? KERNELS_CANCELLED : KERNELS_OK;
}

struct stream {
    const uint64_t *words;
    size_t n;
    _Atomic uint64_t sum; /* keeps the reads from being dropped */
};

static void run_stream(void *arg, int ith, int nth)
{
    struct stream *s = arg;
    size_t n = s->n / (size_t)nth;
    atomic_fetch_add(&s->sum, stream_sum(s->words + n * (size_t)ith, n));
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double stream(struct kernels *k, size_t n_bytes)
{
    void *memory = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return 0;
    memset(memory, 1, n_bytes); /* pages that nobody wrote are one page in the cache */
    struct stream s = {memory, n_bytes / sizeof *s.words, 0};
    double begin = now_s();
    pool_run(cpu_of(k)->pool, run_stream, &s);
    double seconds = now_s() - begin;
    munmap(memory, n_bytes);
    return seconds;
}

static const struct kernel_ops cpu_ops = {
        .close = close_cpu,
        .name = name,
        .n_threads = n_threads_of,
        .why = why,
        .cancel = cancel,
        .cancel_clear = cancel_clear,
        .stream = stream,
        .plan = cpu_plan,
        .embed = cpu_embed,
        .attn_in = cpu_attn_in,
        .attend = cpu_attend,
        .ffn = cpu_ffn,
        .gate = cpu_gate,
        .experts = cpu_experts,
        .logits = cpu_logits,
        .ready = cpu_ready,
        .run = run,
        .read = cpu_read,
        .write = cpu_write,
        .is_in_place = true,
};

struct kernels *kernels_open_cpu(const char *kernel, int n_threads, bool is_exact)
{
    const struct dot_ops *dot = choose_variant(kernel);
    if (!dot)
        return NULL;
    struct pool *pool = pool_open(n_threads);
    struct cpu *k = pool ? calloc(1, sizeof *k) : NULL;
    if (!k) {
        pool_close(pool);
        return NULL;
    }
    k->kernels.ops = &cpu_ops;
    k->dot = dot;
    k->is_exact = is_exact;
    k->pool = pool;
    return &k->kernels;
}
