/*
 * tokenizer_merge.c - the string table and the merging that both tokenizer families use.
 * Candidates wait in a heap; one whose pieces changed meanwhile is recognised by its lengths
 * and dropped.
 */
#include <string.h>

#include "engine/tokenizer_internal.h"

static uint64_t hash(struct slice s)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

void string_table_init(struct string_table *t, size_t n_expected)
{
    *t = (struct string_table){.n_slots = 64};
    while (t->n_slots < n_expected * 2)
        t->n_slots *= 2;
    t->slots = mem_alloc(t->n_slots * sizeof *t->slots);
}

void string_table_release(struct string_table *t)
{
    mem_free(t->strings);
    mem_free(t->slots);
    *t = (struct string_table){0};
}

static size_t find_slot(const struct string_table *t, struct slice s)
{
    size_t at = hash(s) & (t->n_slots - 1);
    for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        struct slice other = t->strings[t->slots[at] - 1];
        if (other.n == s.n && memcmp(other.ptr, s.ptr, s.n) == 0)
            break;
    }
    return at;
}

int32_t string_table_find(const struct string_table *t, struct slice s)
{
    return (int32_t)t->slots[find_slot(t, s)] - 1;
}

static void grow(struct string_table *t)
{
    mem_free(t->slots);
    t->n_slots *= 2;
    t->slots = mem_alloc(t->n_slots * sizeof *t->slots);
    for (size_t i = 0; i < t->n; i++) {
        size_t at = find_slot(t, t->strings[i]);
        if (!t->slots[at])
            t->slots[at] = (uint32_t)i + 1;
    }
}

int32_t string_table_add(struct string_table *t, struct slice s)
{
    if (t->n == t->cap)
        t->strings = mem_resize(
                t->strings, (t->cap = t->cap ? t->cap * 2 : 64) * sizeof *t->strings);
    t->strings[t->n++] = s;
    if (t->n * 2 > t->n_slots) {
        grow(t);
        return string_table_find(t, s);
    }
    size_t at = find_slot(t, s);
    if (!t->slots[at])
        t->slots[at] = (uint32_t)t->n;
    return (int32_t)t->slots[at] - 1;
}

struct candidate {
    int64_t priority;
    int32_t left, symbol;
    uint32_t n_left, n_right; /* lengths when it was proposed */
};

struct heap {
    struct candidate *items;
    size_t n, cap;
};

static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->left < b->left;
}

static void heap_push(struct heap *h, struct candidate c)
{
    if (h->n == h->cap)
        h->items = mem_resize(h->items, (h->cap = h->cap ? h->cap * 2 : 64) * sizeof *h->items);
    size_t at = h->n++;
    for (; at > 0 && is_before(&c, &h->items[(at - 1) / 2]); at = (at - 1) / 2)
        h->items[at] = h->items[(at - 1) / 2];
    h->items[at] = c;
}

static struct candidate heap_pop(struct heap *h)
{
    struct candidate top = h->items[0], last = h->items[--h->n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && is_before(&h->items[child + 1], &h->items[child]))
            child++;
        if (!is_before(&h->items[child], &last))
            break;
        h->items[at] = h->items[child];
    }
    h->items[at] = last;
    return top;
}

static void propose(
        struct heap *h, const struct piece *pieces, int32_t left, merge_fn *fn, const void *ctx)
{
    struct candidate c = {.left = left};
    if (left < 0 || pieces[left].next < 0)
        return;
    const struct piece *l = &pieces[left], *r = &pieces[l->next];
    if (!fn(ctx, l, r, &c.priority, &c.symbol))
        return;
    c.n_left = l->n;
    c.n_right = r->n;
    heap_push(h, c);
}

void merge_pieces(struct piece *pieces, size_t n, merge_fn *fn, const void *ctx)
{
    struct heap heap = {0};
    for (size_t i = 0; i + 1 < n; i++)
        propose(&heap, pieces, (int32_t)i, fn, ctx);
    while (heap.n) {
        struct candidate c = heap_pop(&heap);
        struct piece *l = &pieces[c.left];
        if (l->n != c.n_left || l->n == 0 || l->next < 0 || pieces[l->next].n != c.n_right)
            continue;
        struct piece *r = &pieces[l->next];
        l->n += r->n;
        l->symbol = c.symbol;
        l->next = r->next;
        r->n = 0;
        if (l->next >= 0)
            pieces[l->next].prev = c.left;
        propose(&heap, pieces, l->prev, fn, ctx);
        propose(&heap, pieces, c.left, fn, ctx);
    }
    mem_free(heap.items);
}
