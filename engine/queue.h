/*
 * queue.h - single-producer, single-consumer ring of fixed-size items, by value. Header only.
 *
 * The producer alone writes `tail`, the consumer alone writes `head`; both are free-running
 * counters published with release and read with acquire. Nobody ever waits: a full ring says so
 * and the producer keeps the item. Items that own memory are moved.
 */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "engine/base.h"

struct queue {
    _Alignas(64) _Atomic uint32_t head; /* next item to take */
    _Alignas(64) _Atomic uint32_t tail; /* next place to fill */
    _Alignas(64) unsigned char *items;
    uint32_t n_items; /* a power of two */
    uint32_t item_bytes;
};

static inline void queue_init(struct queue *q, uint32_t n_items, uint32_t item_bytes)
{
    memset(q, 0, sizeof *q);
    q->items = mem_alloc((size_t)n_items * item_bytes);
    q->n_items = n_items;
    q->item_bytes = item_bytes;
}

static inline void queue_release(struct queue *q)
{
    mem_free(q->items);
    q->items = NULL;
}

/* Producer side. False: full, nothing was taken. */
static inline bool queue_push(struct queue *q, const void *item)
{
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    if (tail - head == q->n_items)
        return false;
    memcpy(q->items + (size_t)(tail & (q->n_items - 1)) * q->item_bytes, item, q->item_bytes);
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return true;
}

/* Consumer side. False: empty. */
static inline bool queue_pop(struct queue *q, void *item)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);
    if (tail == head)
        return false;
    memcpy(item, q->items + (size_t)(head & (q->n_items - 1)) * q->item_bytes, q->item_bytes);
    atomic_store_explicit(&q->head, head + 1, memory_order_release);
    return true;
}

/* Free places as the producer sees them: at least this many pushes will succeed. */
static inline uint32_t queue_room(struct queue *q)
{
    return q->n_items - (atomic_load_explicit(&q->tail, memory_order_relaxed) -
                                atomic_load_explicit(&q->head, memory_order_acquire));
}

/* Wakes the other side, which polls this eventfd; -1: nobody does. */
static inline void queue_poke(int fd)
{
    uint64_t one = 1;
    if (fd < 0)
        return;
    ssize_t n = write(fd, &one, sizeof one); /* EAGAIN: the counter is set anyway */
    (void)n;
}

/* The woken side, behind its poll: sleeps again until the next poke. */
static inline void queue_unpoke(int fd)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count); /* EAGAIN: somebody else woke it */
    (void)n;
}

#endif
