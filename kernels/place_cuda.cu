/*
 * place_cuda.cu - ends a plan: counts memory, gets it, fills the launch structs, and brings the
 * weights to the device in planes. Dense weights and the cache must fit into device memory;
 * experts, and a token table of which one row a token is read, follow in the order of the plan
 * as far as the memory goes. The rest stays in pinned host memory behind the same table of
 * addresses, so kernels do not see the difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops_cuda.h"

#define RESERVE_BYTES ((size_t)512 << 20) /* for the desktop */
#define STAGING_BYTES ((size_t)8 << 20)   /* of rows that are packed at a time */
#define HOST_PIECE    ((size_t)1 << 30)   /* pinned at once */
#define DEQUANT_BYTES ((size_t)256 << 20) /* of experts that are unpacked at a time */
#define BLOCKS_PER_SM                                                                          \
    2 /* of decode attention: 32 KB of keys in flight; more parts cost merging */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static uint32_t larger_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* ---- what the plan needs ------------------------------------------------------------------
 */

static bool grow(void **array, size_t *cap, size_t n, size_t item_bytes)
{
    if (n < *cap)
        return true;
    size_t cap_new = *cap ? *cap * 2 : 64;
    void *larger_array = calloc(cap_new, item_bytes);
    if (!larger_array)
        return false;
    if (n > 0)
        memcpy(larger_array, *array, n * item_bytes);
    free(*array);
    *array = larger_array;
    *cap = cap_new;
    return true;
}

static struct placed_weight *find_weight(const struct placement *p, const struct weight *w)
{
    for (size_t i = 0; i < p->n_weights; i++)
        if (p->weights[i].file.data == w->data)
            return &p->weights[i];
    return NULL;
}

/* The same data may be the token table and the output matrix. quant: that it gets. */
static bool add_weight_as(
        struct cuda *c, const struct weight *w, enum quant quant, bool is_movable)
{
    struct placement *p = &c->placement;
    if (!w->data)
        return true;
    struct placed_weight *known = find_weight(p, w);
    if (known) {
        known->is_movable &= is_movable;
        return true;
    }
    if (!grow((void **)&p->weights, &p->cap_weights, p->n_weights, sizeof *p->weights))
        return cuda_fail(c, "no memory");
    struct placed_weight *placed = &p->weights[p->n_weights++];
    placed->file = *w;
    placed->quant = quant;
    placed->layout = plane_layout_of(quant, w->n_in, w->n_out);
    placed->is_movable = is_movable;
    placed->i_slab = p->n_slabs;
    p->n_slabs += w->n_slabs;
    if (placed->layout.slab_bytes == 0)
        return cuda_fail(c, "there is no CUDA kernel for weights of type %s",
                quant_traits[w->quant].name);
    return true;
}

static bool add_weight(struct cuda *c, const struct weight *w, bool is_movable)
{
    return add_weight_as(c, w, w->quant, is_movable);
}

static bool add_vector(struct cuda *c, const float *values, uint32_t n)
{
    struct placement *p = &c->placement;
    if (!values)
        return true;
    if (!grow((void **)&p->vectors, &p->cap_vectors, p->n_vectors, sizeof *p->vectors))
        return cuda_fail(c, "no memory");
    p->vectors[p->n_vectors++] = {values, n, NULL};
    return true;
}

/* Prefill unpacks whole slabs; of experts as many as fit into DEQUANT_BYTES. */
static void extend_dequant(struct cuda *c, const struct weight *w)
{
    size_t slab = (size_t)w->n_in * w->n_out, most = slab * w->n_slabs;
    size_t value_bytes = c->is_exact ? sizeof(float) : sizeof(uint16_t);
    size_t at_once = larger(slab, DEQUANT_BYTES / value_bytes);
    c->extents.dequant_values =
            larger(c->extents.dequant_values, most < at_once ? most : at_once);
}

static bool add_dense(struct cuda *c, const struct weight *w)
{
    extend_dequant(c, w);
    c->extents.n_in = larger_u32(c->extents.n_in, w->n_in);
    return add_weight(c, w, false);
}

static bool add_experts(struct cuda *c, const struct weight *w)
{
    extend_dequant(c, w);
    return add_weight(c, w, true);
}

static bool collect_attn_in(struct cuda *c, const struct attn_in_step *a)
{
    uint32_t n_q = a->n_heads * a->head_dim, n_kv = a->n_kv_heads * a->head_dim;
    return add_dense(c, &a->wq) && add_dense(c, &a->wk) && add_dense(c, &a->wv) &&
           add_vector(c, a->norm, a->d) && add_vector(c, a->bq, n_q) &&
           add_vector(c, a->bk, n_kv) && add_vector(c, a->bv, n_kv) &&
           add_vector(c, a->q_norm, a->is_norm_whole ? n_q : a->head_dim) &&
           add_vector(c, a->k_norm, a->is_norm_whole ? n_kv : a->head_dim);
}

static bool collect_ffn(struct cuda *c, const struct ffn_step *f)
{
    c->extents.n_ff = larger_u32(c->extents.n_ff, f->n_ff);
    return add_dense(c, &f->gate) && add_dense(c, &f->up) && add_dense(c, &f->down) &&
           add_vector(c, f->norm, f->d);
}

/* A gate's weights become floats, which is exact: its kernel knows no other type, and files
 * rarely have one. */
static bool collect_gate(struct cuda *c, const struct gate_step *g)
{
    c->extents.n_experts = larger_u32(c->extents.n_experts, g->n_experts);
    c->extents.n_used = larger_u32(c->extents.n_used, g->n_used);
    return add_weight_as(c, &g->gate, QUANT_F32, false) && add_vector(c, g->norm, g->d);
}

static bool collect_experts(struct cuda *c, const struct experts_step *e)
{
    c->extents.n_expert_ff = larger_u32(c->extents.n_expert_ff, e->n_ff);
    c->extents.n_in = larger_u32(c->extents.n_in, e->d);
    return add_experts(c, &e->gate) && add_experts(c, &e->up) && add_experts(c, &e->down);
}

static bool collect_logits(struct cuda *c, const struct logits_step *l)
{
    c->extents.n_vocab = larger_u32(c->extents.n_vocab, l->n_vocab);
    return add_weight(c, &l->output, false) && add_vector(c, l->norm, l->d);
}

static bool collect(struct cuda *c, const struct plan_step *step)
{
    switch (step->kind) {
    case STEP_ATTN_IN:
        return collect_attn_in(c, &step->said.attn_in);
    case STEP_ATTEND:
        return add_dense(c, &step->said.attend.wo) &&
               add_vector(c, step->said.attend.bo, step->said.attend.d);
    case STEP_FFN:
        return collect_ffn(c, &step->said.ffn);
    case STEP_GATE:
        return collect_gate(c, &step->said.gate);
    case STEP_EXPERTS:
        return collect_experts(c, &step->said.experts);
    case STEP_LOGITS:
        return collect_logits(c, &step->said.logits);
    case STEP_EMBED:
        return true; /* last: it moves first */
    }
    return false;
}

static bool collect_all(struct cuda *c)
{
    for (uint32_t i = 0; i < c->n_steps; i++)
        if (!collect(c, &c->steps[i]))
            return false;
    for (uint32_t i = 0; i < c->n_steps; i++)
        if (c->steps[i].kind == STEP_EMBED &&
                !add_weight(c, &c->steps[i].said.embed.table, true))
            return false;
    struct placement *p = &c->placement;
    p->slabs = (struct slab *)calloc(p->n_slabs + 1, sizeof *p->slabs);
    if (!p->slabs)
        return cuda_fail(c, "no memory");
    for (uint32_t i = 0; i < p->n_weights; i++)
        for (uint32_t s = 0; s < p->weights[i].file.n_slabs; s++)
            p->slabs[p->weights[i].i_slab + s].i_weight = i;
    return true;
}

/* ---- arenas -------------------------------------------------------------------------------
 */

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
    b->workspace = cursor_take(at, c->gemm.library->workspace_bytes);
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

/* Decides what lies where. False: what must lie in device memory does not fit. */
static bool fit(struct cuda *c)
{
    struct placement *p = &c->placement;
    size_t free_bytes = device_free_bytes(&c->device);
    size_t room = free_bytes > RESERVE_BYTES ? free_bytes - RESERVE_BYTES : 0;
    if (c->budget_bytes)
        room = c->budget_bytes < free_bytes ? c->budget_bytes : free_bytes;
    choose_homes(p, 0);
    size_t needed = count_buffers(c) + count_weights(p);
    if (needed > room)
        return cuda_fail(c,
                "the model needs %.1f MB of GPU memory%s, of which %.1f MB can be used: a "
                "smaller context needs less",
                (double)needed / 1e6, p->host_bytes ? " beside its experts" : "",
                (double)room / 1e6);
    choose_homes(p, room - needed);
    return true;
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

static bool get_weights(struct cuda *c)
{
    struct cursor at;
    if (!get_arena(c, count_weights(&c->placement), &at))
        return false;
    lay_weights(&c->placement, &at);
    return get_host_weights(c);
}

/* ---- launch structs -----------------------------------------------------------------------
 */

static struct cuda_matrix matrix_of(const struct cuda *c, const struct weight *w)
{
    struct cuda_matrix m = {};
    if (!w->data)
        return m;
    const struct placed_weight *placed = find_weight(&c->placement, w);
    m.quant = placed->quant;
    m.n_in = w->n_in;
    m.n_out = w->n_out;
    m.n_slabs = w->n_slabs;
    m.layout = placed->layout;
    m.slabs = c->placement.table + placed->i_slab;
    return m;
}

static const float *vector_of(const struct cuda *c, const float *values)
{
    for (size_t i = 0; values && i < c->placement.n_vectors; i++)
        if (c->placement.vectors[i].file == values)
            return c->placement.vectors[i].device;
    return NULL;
}

static struct cuda_attn_in attn_in_of(const struct cuda *c, const struct attn_in_step *a)
{
    const struct buffers *b = &c->buffers;
    return {.d = a->d,
            .n_heads = a->n_heads,
            .n_kv_heads = a->n_kv_heads,
            .head_dim = a->head_dim,
            .n_rot = a->n_rot,
            .eps = a->eps,
            .is_exact = c->is_exact,
            .is_norm_whole = a->is_norm_whole,
            .rope = a->rope,
            .x = b->x,
            .norm = vector_of(c, a->norm),
            .wq = matrix_of(c, &a->wq),
            .wk = matrix_of(c, &a->wk),
            .wv = matrix_of(c, &a->wv),
            .bq = vector_of(c, a->bq),
            .bk = vector_of(c, a->bk),
            .bv = vector_of(c, a->bv),
            .q_norm = vector_of(c, a->q_norm),
            .k_norm = vector_of(c, a->k_norm),
            .kv = c->kv[a->layer],
            .q = b->q,
            .k = b->k,
            .v = b->v,
            .tickets = b->tickets};
}

/* x += W in + bias */
static struct cuda_matvec added_of(
        const struct cuda *c, const struct weight *w, const float *in, const float *bias)
{
    return {.w = matrix_of(c, w),
            .in = in,
            .bias = vector_of(c, bias),
            .is_exact = c->is_exact,
            .is_added = true,
            .out = c->buffers.x};
}

static struct cuda_attend attend_of(const struct cuda *c, const struct attend_step *a)
{
    const struct buffers *b = &c->buffers;
    return {.n_heads = a->n_heads,
            .n_kv_heads = a->n_kv_heads,
            .head_dim = a->head_dim,
            .n_split_max = c->n_split_max,
            .scale = a->scale,
            .kv = c->kv[a->layer],
            .q = b->q,
            .out = b->attention,
            .parts = b->parts,
            .tickets = b->tickets};
}

static struct cuda_ffn_in ffn_in_of(const struct cuda *c, const struct ffn_step *f)
{
    return {.gate = matrix_of(c, &f->gate),
            .up = matrix_of(c, &f->up),
            .x = c->buffers.x,
            .norm = vector_of(c, f->norm),
            .eps = f->eps,
            .is_exact = c->is_exact,
            .inner = c->buffers.inner};
}

static struct cuda_gate gate_of(const struct cuda *c, const struct gate_step *g)
{
    const struct buffers *b = &c->buffers;
    return {.i_moe = g->i_moe,
            .d = g->d,
            .n_experts = g->n_experts,
            .n_used = g->n_used,
            .eps = g->eps,
            .scale = g->scale,
            .is_normalised = g->is_normalised,
            .x = b->x,
            .norm = vector_of(c, g->norm),
            .gate = matrix_of(c, &g->gate),
            .logits = b->gate_logits,
            .tickets = b->tickets,
            .routes = b->routes};
}

/* The input is that of the gate step just before. */
static struct cuda_experts experts_of(
        const struct cuda *c, const struct experts_step *e, const struct cuda_gate *gate)
{
    return {.i_moe = e->i_moe,
            .d = e->d,
            .n_ff = e->n_ff,
            .n_used = e->n_used,
            .eps = gate->eps,
            .is_exact = c->is_exact,
            .norm = gate->norm,
            .gate = matrix_of(c, &e->gate),
            .up = matrix_of(c, &e->up),
            .down = matrix_of(c, &e->down),
            .x = c->buffers.x,
            .inner = c->buffers.inner,
            .routes = c->buffers.routes};
}

static void fill_logits(const struct cuda *c, struct plan_step *step)
{
    const struct logits_step *l = &step->said.logits;
    const struct buffers *b = &c->buffers;
    step->cuda.logits.out = {.w = matrix_of(c, &l->output),
            .in = b->x,
            .norm = vector_of(c, l->norm),
            .eps = l->eps,
            .is_exact = c->is_exact,
            .by_rows = true,
            .out = b->logits};
    step->cuda.logits.sample = {.n_vocab = l->n_vocab,
            .logits = b->logits,
            .scratch = b->sample_scratch,
            .told = c->told_device.samples,
            .told_seq = c->told_device.sample_seq};
}

static void fill_step(const struct cuda *c, struct plan_step *step)
{
    switch (step->kind) {
    case STEP_EMBED:
        step->cuda.embed = {matrix_of(c, &step->said.embed.table), c->buffers.x};
        break;
    case STEP_ATTN_IN:
        step->cuda.attn_in = attn_in_of(c, &step->said.attn_in);
        break;
    case STEP_ATTEND:
        step->cuda.attend = {attend_of(c, &step->said.attend),
                added_of(c, &step->said.attend.wo, c->buffers.attention, step->said.attend.bo)};
        break;
    case STEP_FFN:
        step->cuda.ffn = {ffn_in_of(c, &step->said.ffn),
                added_of(c, &step->said.ffn.down, c->buffers.inner, NULL)};
        break;
    case STEP_GATE:
        step->cuda.gate = gate_of(c, &step->said.gate);
        break;
    case STEP_EXPERTS:
        step->cuda.experts = experts_of(c, &step->said.experts, &step[-1].cuda.gate);
        break;
    case STEP_LOGITS:
        fill_logits(c, step);
        break;
    }
}

/* ---- weights to planes and up -------------------------------------------------------------
 */

/* Two pinned blocks: one is packed while the other one is copied. */
struct upload {
    struct cuda *c;
    unsigned char *staging[2];
    float *floats; /* of rows that change their type */
    size_t done_bytes;
    int turn;
    kernels_progress *progress;
    void *user;
};

static uint32_t rows_at_once(const struct plane_layout *layout, uint32_t n_out)
{
    size_t row_bytes = layout->slab_bytes / n_out + 1, n = STAGING_BYTES / row_bytes;
    return n < 1 ? 1 : n < n_out ? (uint32_t)n : n_out;
}

static size_t count_staging(const struct placement *p)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < p->n_weights; i++) {
        const struct placed_weight *w = &p->weights[i];
        uint32_t n_rows = rows_at_once(&w->layout, w->file.n_out);
        n_bytes = larger(n_bytes, plane_layout_of(w->quant, w->file.n_in, n_rows).slab_bytes);
    }
    return n_bytes;
}

static bool open_upload(struct upload *u)
{
    size_t n_bytes = count_staging(&u->c->placement) + DEVICE_ALIGN;
    void *ignored;
    for (int i = 0; i < 2; i++)
        if (!(u->staging[i] = (unsigned char *)device_alloc_mapped(
                      &u->c->device, n_bytes, &ignored)))
            return false;
    u->floats = (float *)calloc(1, n_bytes);
    return u->floats || cuda_fail(u->c, "no memory");
}

static void close_upload(struct upload *u)
{
    for (int i = 0; i < 2; i++)
        device_free(&u->c->device, u->staging[i]);
    free(u->floats);
}

/* Rows of the file's type, or as floats. */
static const void *as_placed(struct upload *u, const struct placed_weight *w,
        const unsigned char *rows, uint32_t n_rows, size_t *row_bytes)
{
    const struct weight *f = &w->file;
    *row_bytes = f->row_bytes;
    if (w->quant == f->quant)
        return rows;
    for (uint32_t i = 0; i < n_rows; i++)
        quant_traits[f->quant].decode(
                rows + i * f->row_bytes, u->floats + (size_t)i * f->n_in, f->n_in);
    *row_bytes = f->n_in * sizeof(float);
    return u->floats;
}

static bool copy_plane(struct upload *u, const struct slab *slab, const struct plane *whole,
        const struct plane *some, uint32_t row, uint32_t n_rows)
{
    size_t at = whole->offset + (size_t)row * whole->row_bytes;
    size_t n_bytes = (size_t)n_rows * some->row_bytes;
    const unsigned char *from = u->staging[u->turn] + some->offset;
    if (n_bytes == 0)
        return true;
    if (slab->is_in_host) {
        memcpy(slab->host + at, from, n_bytes);
        return true;
    }
    return device_check(&u->c->device, "cudaMemcpyAsync",
            cudaMemcpyAsync(slab->device + at, from, n_bytes, cudaMemcpyHostToDevice,
                    u->c->device.stream));
}

/* Rows of a slab of a weight, packed while the copies of the rows before run. */
static bool place_rows(struct upload *u, const struct placed_weight *w, uint32_t i_slab,
        uint32_t row, uint32_t n_rows)
{
    const struct weight *f = &w->file;
    const struct slab *slab = &u->c->placement.slabs[w->i_slab + i_slab];
    const unsigned char *rows =
            (const unsigned char *)f->data + ((size_t)i_slab * f->n_out + row) * f->row_bytes;
    struct plane_layout some = plane_layout_of(w->quant, f->n_in, n_rows);
    size_t row_bytes;
    const void *placed = as_placed(u, w, rows, n_rows, &row_bytes);
    u->turn = !u->turn;
    planes_pack(w->quant, &some, placed, row_bytes, f->n_in, n_rows, u->staging[u->turn]);
    u->done_bytes += some.slab_bytes;
    return device_wait(&u->c->device) &&
           copy_plane(u, slab, &w->layout.low, &some.low, row, n_rows) &&
           copy_plane(u, slab, &w->layout.high, &some.high, row, n_rows) &&
           copy_plane(u, slab, &w->layout.scale, &some.scale, row, n_rows);
}

static enum kernels_result place_weight(struct upload *u, const struct placed_weight *w)
{
    uint32_t at_once = rows_at_once(&w->layout, w->file.n_out), n_out = w->file.n_out;
    for (uint32_t s = 0; s < w->file.n_slabs; s++)
        for (uint32_t row = 0; row < n_out; row += at_once) {
            if (cuda_is_cancelled(u->c) ||
                    (u->progress &&
                            !u->progress(u->user, (float)((double)u->done_bytes /
                                                          (double)u->c->placement.n_bytes))))
                return KERNELS_CANCELLED;
            uint32_t n_rows = n_out - row < at_once ? n_out - row : at_once;
            if (!place_rows(u, w, s, row, n_rows))
                return KERNELS_FAILED;
        }
    return KERNELS_OK;
}

static bool place_table_and_vectors(struct cuda *c)
{
    struct placement *p = &c->placement;
    const unsigned char **table = (const unsigned char **)calloc(p->n_slabs + 1, sizeof *table);
    if (!table)
        return cuda_fail(c, "no memory");
    for (size_t i = 0; i < p->n_slabs; i++)
        table[i] = p->slabs[i].device;
    bool ok = device_upload(&c->device, p->table, table, p->n_slabs * sizeof *table);
    for (size_t i = 0; ok && i < p->n_vectors; i++)
        ok = device_upload(&c->device, p->vectors[i].device, p->vectors[i].file,
                p->vectors[i].n * sizeof(float));
    free(table);
    return ok;
}

static enum kernels_result place_weights(struct cuda *c, kernels_progress *progress, void *user)
{
    struct upload u = {};
    u.c = c;
    u.progress = progress;
    u.user = user;
    enum kernels_result result = open_upload(&u) ? KERNELS_OK : KERNELS_FAILED;
    for (size_t i = 0; i < c->placement.n_weights && result == KERNELS_OK; i++)
        result = place_weight(&u, &c->placement.weights[i]);
    if (result == KERNELS_OK && (!device_wait(&c->device) || !place_table_and_vectors(c)))
        result = KERNELS_FAILED;
    close_upload(&u);
    if (result == KERNELS_OK && progress && !progress(user, 1))
        result = KERNELS_CANCELLED;
    return result;
}

/* ---- all of it ----------------------------------------------------------------------------
 */

/* So many parts that all multiprocessors have work, none of them shorter than CUDA_PART_CELLS.
 */
static uint32_t choose_split_max(const struct cuda *c)
{
    uint32_t n_kv_heads = c->size.n_kv_heads ? c->size.n_kv_heads : 1;
    uint32_t by_blocks = (uint32_t)c->device.n_sm * BLOCKS_PER_SM / n_kv_heads;
    uint32_t by_cells = (c->size.n_cells + CUDA_PART_CELLS - 1) / CUDA_PART_CELLS;
    uint32_t n = by_blocks < by_cells ? by_blocks : by_cells;
    return n ? n : 1;
}

enum kernels_result place_all(struct cuda *c, kernels_progress *progress, void *user)
{
    c->kv = (struct cuda_kv *)calloc(c->size.n_layers + 1, sizeof *c->kv);
    if (!c->kv) {
        cuda_fail(c, "no memory");
        return KERNELS_FAILED;
    }
    c->n_split_max = choose_split_max(c);
    if (!collect_all(c) || !fit(c) || !get_buffers(c) || !get_told(c) || !get_weights(c))
        return KERNELS_FAILED;
    if (!gemm_open(c))
        return KERNELS_FAILED;
    for (uint32_t i = 0; i < c->n_steps; i++)
        fill_step(c, &c->steps[i]);
    return place_weights(c, progress, user);
}

void place_release(struct cuda *c)
{
    free(c->placement.weights);
    free(c->placement.vectors);
    free(c->placement.slabs);
    free(c->kv);
}
