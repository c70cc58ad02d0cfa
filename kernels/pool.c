/*
 * pool.c - see pool.h. A barrier lies between any two dependent parts of a step, hundreds of
 * times per token, so it spins: a futex costs more than the work between. It yields after a
 * while, so that more threads than cores still advance.
 */
#include "kernels/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define SPINS 2000 /* about 20 us, longer than any imbalance inside a step */

struct worker {
    struct pool *pool;
    int ith;
    pthread_t thread;
};

struct pool {
    struct worker *workers; /* [n_threads], the first one unused */
    int n_threads;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned long i_run; /* under lock: which run the workers should do */
    bool is_closing;
    void (*fn)(void *, int, int);
    void *arg;
    _Alignas(64) atomic_int n_arrived;
    _Alignas(64) atomic_uint i_barrier;
};

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void pool_barrier(struct pool *pool)
{
    unsigned mine = atomic_load_explicit(&pool->i_barrier, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&pool->n_arrived, 1, memory_order_acq_rel) ==
            pool->n_threads - 1) {
        atomic_store_explicit(&pool->n_arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&pool->i_barrier, mine + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&pool->i_barrier, memory_order_acquire) == mine;
            spins++)
        if (spins < SPINS)
            pause_cpu();
        else
            sched_yield();
}

static void *work(void *arg)
{
    const struct worker *worker = arg;
    struct pool *pool = worker->pool;
    for (unsigned long n_done = 0;;) {
        pthread_mutex_lock(&pool->lock);
        while (pool->i_run == n_done && !pool->is_closing)
            pthread_cond_wait(&pool->wake, &pool->lock);
        bool is_closing = pool->is_closing;
        n_done = pool->i_run;
        pthread_mutex_unlock(&pool->lock);
        if (is_closing)
            return NULL;
        pool->fn(pool->arg, worker->ith, pool->n_threads);
        pool_barrier(pool);
    }
}

static int n_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

struct pool *pool_open(int n_threads)
{
    int wanted = n_threads > 0 ? n_threads : n_cores();
    struct pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    struct worker *workers = calloc((size_t)wanted, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return NULL;
    }
    *pool = (struct pool){.workers = workers, .n_threads = 1};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (; pool->n_threads < wanted; pool->n_threads++) { /* nobody reads it before a run */
        struct worker *worker = &workers[pool->n_threads];
        *worker = (struct worker){pool, pool->n_threads, 0};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            pool_close(pool);
            return NULL;
        }
    }
    return pool;
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->n_threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

int pool_n_threads(const struct pool *pool)
{
    return pool->n_threads;
}

void pool_run(struct pool *pool, void (*fn)(void *arg, int ith, int nth), void *arg)
{
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->arg = arg;
    pool->i_run++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    fn(arg, 0, pool->n_threads);
    pool_barrier(pool);
}
