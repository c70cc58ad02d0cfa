/*
 * place_cuda.cu - ends a plan: reads it (plan_cuda.cu), gets memory (memory_cuda.cu), fills the
 * launch structs, and brings the weights up (upload_cuda.cu).
 */
#include <stdlib.h>

#include "kernels/ops_cuda.h"

/* of decode attention: 32 KB of keys in flight; more parts cost merging */
#define BLOCKS_PER_SM 2

/* ---- launch structs ----------------------------------------------------------------------- */

static struct cuda_matrix matrix_of(const struct cuda *c, const struct weight *w)
{
    struct cuda_matrix m = {};
    if (!w->data)
        return m;
    const struct placed_weight *placed = plan_find_weight(&c->placement, w);
    m.quant = placed->quant;
    m.n_in = w->n_in;
    m.n_out = w->n_out;
    m.n_slabs = w->n_slabs;
    m.layout = placed->layout;
    m.slabs = c->placement.table + placed->i_slab;
    for (uint32_t s = 0; s < w->n_slabs; s++)
        m.is_far = m.is_far || c->placement.slabs[placed->i_slab + s].is_in_host;
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

/* ---- all of it ---------------------------------------------------------------------------- */

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
    if (!plan_collect(c) || !memory_get(c))
        return KERNELS_FAILED;
    for (uint32_t i = 0; i < c->n_steps; i++)
        fill_step(c, &c->steps[i]);
    return upload_weights(c, progress, user);
}

void place_release(struct cuda *c)
{
    free(c->placement.weights);
    free(c->placement.vectors);
    free(c->placement.slabs);
    free(c->kv);
}
