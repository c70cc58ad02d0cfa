/*
 * memory_cuda.cu - what lies where: counts memory, decides, gets it. Dense weights and the
 * cache must fit into device memory; experts, and a token table of which one row a token is
 * read, follow in the order of the plan as far as the memory goes. The rest stays in pinned
 * host memory behind the same table of addresses, so kernels do not see the difference.
 */
#include <string.h>

#include "kernels/ops_cuda.h"

#define RESERVE_BYTES      ((size_t)512 << 20) /* for the desktop */
#define HOST_RESERVE_BYTES ((size_t)2 << 30)   /* that pinning leaves to the system */
#define HOST_PIECE         ((size_t)1 << 30)   /* pinned at once */
#define SHRINK             8 /* a part of the experts that goes, 1 of so many */

/* ---- arenas ------------------------------------------------------------------------------- */

static bool can_prefill(const struct cuda *c)
{
    return c->gemm.library && c->size.batch_tok > CUDA_DECODE_TOK;
}

static void lay_prefill(const struct cuda *c, struct buffers *b, struct cursor *at)
{
    const struct extents *e = &c->extents;
    size_t value = c->is_exact ? sizeof(float) : sizeof(uint16_t);
    size_t n = c->size.batch_tok, n_pairs = larger(n, n * e->n_used);
    size_t n_inner = larger(n * e->n_ff, n_pairs * e->n_expert_ff);
    b->input = cursor_take(at, n_pairs * e->n_in * value);
    b->inner_input = cursor_take(at, n_inner * value);
    b->wide = (float *)cursor_take(at, n_inner * sizeof(float));
    b->wide_up = (float *)cursor_take(at, n_inner * sizeof(float));
    b->expert_rows = (float *)cursor_take(at, n * e->n_used * c->size.d * sizeof(float));
    b->dequant = cursor_take(at, e->dequant_values * value);
    b->pairs.first = (uint32_t *)cursor_take(at, (e->n_experts + 1) * sizeof(uint32_t));
    b->pairs.token = (uint32_t *)cursor_take(at, n * e->n_used * sizeof(uint32_t));
    b->pairs.place = (uint32_t *)cursor_take(at, n * e->n_used * sizeof(uint32_t));
    b->product_ptrs = (void **)cursor_take(at, (size_t)9 * e->n_experts * sizeof(void *));
}

static size_t n_tickets(const struct cuda *c)
{
    size_t heads = c->size.n_heads + 2u * c->size.n_kv_heads;
    size_t attend = (size_t)CUDA_DECODE_TOK * c->size.n_kv_heads;
    return larger(larger(heads, attend), c->size.batch_tok);
}

static float *take_floats(struct cursor *at, size_t n)
{
    return (float *)cursor_take(at, n * sizeof(float));
}

static void lay_buffers(const struct cuda *c, struct buffers *b, struct cursor *at)
{
    const struct plan_size *s = &c->size;
    const struct extents *e = &c->extents;
    size_t n = s->batch_tok, few = CUDA_DECODE_TOK;
    size_t q = (size_t)s->n_heads * s->head_dim, kv = (size_t)s->n_kv_heads * s->head_dim;
    size_t n_picks = n * s->n_moe_layers * s->n_used;
    b->x = take_floats(at, n * s->d);
    b->q = take_floats(at, n * q);
    b->k = take_floats(at, n * kv);
    b->v = take_floats(at, n * kv);
    b->attention = take_floats(at, n * q);
    b->parts = take_floats(at, few * s->n_heads * c->n_split_max * (s->head_dim + 2u));
    b->inner = take_floats(at, few * larger(e->n_ff, (size_t)e->n_used * e->n_expert_ff));
    b->gate_logits = take_floats(at, n * e->n_experts);
    b->logits = take_floats(at, few * e->n_vocab);
    b->sample_scratch = take_floats(at, few * e->n_vocab);
    b->tickets = (uint32_t *)cursor_take(at, n_tickets(c) * sizeof(uint32_t));
    b->routes.ids = (uint16_t *)cursor_take(at, n_picks * sizeof(uint16_t));
    b->routes.weights = take_floats(at, n_picks);
    b->routes.counts = (uint32_t *)cursor_take(
            at, (size_t)s->n_moe_layers * e->n_experts * sizeof(uint32_t));
    if (can_prefill(c))
        lay_prefill(c, b, at);
}

static void lay_told(const struct cuda *c, struct told *t, struct cursor *at)
{
    const struct plan_size *s = &c->size;
    size_t n = s->batch_tok, n_layers = n * s->n_moe_layers, n_picks = n_layers * s->n_used;
    t->ids = (uint16_t *)cursor_take(at, n_picks * sizeof(uint16_t));
    t->weights = take_floats(at, n_picks);
    t->margins = take_floats(at, n_layers);
    t->seq = (uint32_t *)cursor_take(at, n_layers * sizeof(uint32_t));
    t->samples = (struct sample *)cursor_take(at, n * sizeof(struct sample));
    t->sample_seq = (uint32_t *)cursor_take(at, n * sizeof(uint32_t));
    t->pair_first = (uint32_t *)cursor_take(at, (c->extents.n_experts + 1) * sizeof(uint32_t));
    t->product_ptrs =
            (void **)cursor_take(at, (size_t)9 * c->extents.n_experts * sizeof(void *));
}

static void lay_kv(const struct cuda *c, struct cuda_kv *kv, struct cursor *at)
{
    const struct plan_size *s = &c->size;
    size_t n_bytes = (size_t)s->n_cells * s->n_kv_heads * s->head_dim *
                     (c->is_exact ? sizeof(float) : sizeof(uint16_t));
    for (uint32_t i = 0; i < s->n_layers; i++)
        kv[i] = {cursor_take(at, n_bytes), cursor_take(at, n_bytes), !c->is_exact};
}

static size_t slab_bytes(const struct placement *p, size_t i)
{
    return p->weights[p->slabs[i].i_weight].layout.slab_bytes;
}

/* room: device memory for what is movable. */
static void choose_homes(struct placement *p, size_t room)
{
    p->n_bytes = p->host_bytes = 0;
    for (size_t i = 0; i < p->n_slabs; i++) {
        size_t n_bytes = slab_bytes(p, i);
        p->n_bytes += n_bytes;
        if (!p->weights[p->slabs[i].i_weight].is_movable)
            continue;
        p->slabs[i].is_in_host = n_bytes > room;
        if (p->slabs[i].is_in_host)
            p->host_bytes += n_bytes;
        else
            room -= n_bytes;
    }
}

static void lay_weights(struct placement *p, struct cursor *at)
{
    for (size_t i = 0; i < p->n_slabs; i++)
        if (!p->slabs[i].is_in_host)
            p->slabs[i].device = (unsigned char *)cursor_take(at, slab_bytes(p, i));
    for (size_t i = 0; i < p->n_vectors; i++)
        p->vectors[i].device = take_floats(at, p->vectors[i].n);
    p->table = (const unsigned char **)cursor_take(at, p->n_slabs * sizeof *p->table);
}

/* In pieces: a system may refuse to pin much at once. */
static bool get_host_weights(struct cuda *c)
{
    struct placement *p = &c->placement;
    struct cursor host = {0, 0}, device = {0, 0};
    size_t left = 0, rest = p->host_bytes;
    for (size_t i = 0; i < p->n_slabs; i++) {
        size_t n_bytes = slab_bytes(p, i);
        if (!p->slabs[i].is_in_host)
            continue;
        if (n_bytes > left) {
            void *on_device = NULL;
            left = larger(n_bytes, rest < HOST_PIECE ? rest : HOST_PIECE);
            host.at = (uintptr_t)device_alloc_mapped(&c->device, left, &on_device);
            device.at = (uintptr_t)on_device;
            if (!host.at)
                return false;
        }
        p->slabs[i].host = (unsigned char *)cursor_take(&host, n_bytes);
        p->slabs[i].device = (unsigned char *)cursor_take(&device, n_bytes);
        left -= n_bytes;
        rest -= n_bytes;
    }
    return true;
}

static size_t count_weights(struct placement *p)
{
    struct cursor at = {0, 0};
    lay_weights(p, &at);
    return cursor_bytes(&at);
}

static size_t count_buffers(struct cuda *c)
{
    struct cursor at = {0, 0};
    lay_buffers(c, &c->buffers, &at);
    lay_kv(c, c->kv, &at);
    return cursor_bytes(&at);
}

/* What of device memory this instance may have, with what it has. */
static size_t limit_of(struct cuda *c)
{
    size_t most = device_free_bytes(&c->device) + c->device.n_bytes;
    if (c->budget_bytes && c->budget_bytes < most)
        return c->budget_bytes;
    return most > RESERVE_BYTES ? most - RESERVE_BYTES : 0;
}

/* On an integrated device all memory is the same, and a second kind of it gains nothing. */
static bool check_host(struct cuda *c)
{
    size_t available = device_host_bytes(), wanted = c->placement.host_bytes;
    size_t room = available > HOST_RESERVE_BYTES ? available - HOST_RESERVE_BYTES : 0;
    if (wanted == 0)
        return true;
    if (c->device.is_integrated)
        return cuda_fail(c,
                "%.1f MB of the model's experts do not fit: the GPU shares the main memory",
                (double)wanted / 1e6);
    return wanted <= room ||
           cuda_fail(c,
                   "%.1f MB of experts would lie in main memory, of which %.1f MB can be used",
                   (double)wanted / 1e6, (double)room / 1e6);
}

/* Decides what lies where. False: it does not fit. */
static bool fit(struct cuda *c)
{
    struct placement *p = &c->placement;
    size_t limit = limit_of(c);
    choose_homes(p, 0);
    size_t needed = c->device.n_bytes + count_buffers(c) + count_weights(p);
    if (needed > limit)
        return cuda_fail(c,
                "the model needs %.1f MB of GPU memory%s, of which %.1f MB can be used: a "
                "smaller context needs less",
                (double)needed / 1e6, p->host_bytes ? " beside its experts" : "",
                (double)limit / 1e6);
    choose_homes(p, limit - needed);
    return check_host(c);
}

static bool get_arena(struct cuda *c, size_t n_bytes, struct cursor *at)
{
    void *ptr = device_alloc(&c->device, n_bytes + DEVICE_ALIGN);
    *at = {(uintptr_t)ptr, (uintptr_t)ptr};
    return ptr != NULL;
}

/* Tickets and counters begin at zero, and so does what attention may read of unused cells. */
static bool get_buffers(struct cuda *c)
{
    struct cursor at;
    size_t n_bytes = count_buffers(c);
    if (!get_arena(c, n_bytes, &at))
        return false;
    void *base = (void *)at.at;
    lay_buffers(c, &c->buffers, &at);
    lay_kv(c, c->kv, &at);
    return device_check(
            &c->device, "cudaMemsetAsync", cudaMemsetAsync(base, 0, n_bytes, c->device.stream));
}

static bool get_told(struct cuda *c)
{
    struct cursor at = {0, 0};
    struct told on_device;
    void *device_base = NULL;
    lay_told(c, &c->told, &at);
    void *base =
            device_alloc_mapped(&c->device, cursor_bytes(&at) + DEVICE_ALIGN, &device_base);
    if (!base)
        return false;
    memset(base, 0, cursor_bytes(&at));
    at = {(uintptr_t)base, (uintptr_t)base};
    lay_told(c, &c->told, &at);
    at = {(uintptr_t)device_base, (uintptr_t)device_base};
    lay_told(c, &on_device, &at);
    struct cuda_routes *routes = &c->buffers.routes;
    routes->told_ids = on_device.ids;
    routes->told_weights = on_device.weights;
    routes->told_margins = on_device.margins;
    routes->told_seq = on_device.seq;
    routes->n_moe_layers = c->size.n_moe_layers;
    routes->n_used = c->size.n_used;
    routes->n_experts = c->size.n_experts;
    c->told_device = on_device;
    return true;
}

/* Of weights that could lie in host memory. */
static size_t count_movable(const struct placement *p)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < p->n_slabs; i++)
        if (p->weights[p->slabs[i].i_weight].is_movable && !p->slabs[i].is_in_host)
            n_bytes += slab_bytes(p, i);
    return n_bytes;
}

/* Memory that was said to be free may be gone, or lie in pieces: with fewer and fewer experts.
 */
static bool get_weights(struct cuda *c)
{
    struct placement *p = &c->placement;
    struct cursor at;
    while (!get_arena(c, count_weights(p), &at)) {
        size_t n_bytes = count_movable(p);
        if (n_bytes == 0)
            return false;
        choose_homes(p, n_bytes - n_bytes / SHRINK - 1);
        if (!check_host(c))
            return false;
    }
    lay_weights(p, &at);
    return get_host_weights(c);
}

/* Before anything is counted: cuBLAS and what it loads take memory of their own. */
static bool open_gemm(struct cuda *c)
{
    void **workspace = &c->buffers.workspace;
    if (!can_prefill(c))
        return true;
    *workspace = device_alloc(&c->device, c->gemm.library->workspace_bytes);
    if (!*workspace || !gemm_open(c))
        return false;
    if (!c->gemm.library) {
        device_free(&c->device, *workspace);
        *workspace = NULL;
    }
    return true;
}

bool memory_get(struct cuda *c)
{
    return open_gemm(c) && batch_open(c) && fit(c) && get_buffers(c) && get_told(c) &&
           get_weights(c);
}
