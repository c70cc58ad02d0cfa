/*
 * pool.h - workers that run one function together: pool_run calls fn(arg, ith, nth) on every
 * thread (the caller is number 0) and returns when all are done. Between runs the workers sleep
 * and cost nothing.
 */
#ifndef KERNELS_POOL_H
#define KERNELS_POOL_H

struct pool;
/* 0: one per core this process may use. NULL: not that many can be started. */
struct pool *pool_open(int n_threads);
void pool_close(struct pool *pool);
int pool_n_threads(const struct pool *pool);
void pool_run(struct pool *pool, void (*fn)(void *arg, int ith, int nth), void *arg);
/* Inside fn: waits for all threads. What was written before is seen by all behind it. */
void pool_barrier(struct pool *pool);

#endif
