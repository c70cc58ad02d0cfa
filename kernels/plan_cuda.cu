/*
 * plan_cuda.cu - a plan as the caller recorded it, read before anything is got: whether the
 * kernels can run it, which weights and vectors it has, and the longest of everything.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/ops_cuda.h"

#define DEQUANT_BYTES ((size_t)256 << 20) /* of experts that are unpacked at a time */

/* ---- what the kernels can run ------------------------------------------------------------- */

#define MAX_HEAD_DIM  256   /* attention: a lane's sums */
#define MAX_USED      32    /* the gate: a lane a pick */
#define MAX_EXPERTS   3072  /* the gate: 4 tokens' logits in 48 KB */
#define MAX_BATCH_TOK 65535 /* a grid's second axis */

static bool check_most(struct cuda *c, const char *what, uint32_t n, uint32_t most)
{
    return n <= most ||
           cuda_fail(c, "the CUDA kernels take at most %u %s, and the model has %u", most, what,
                   n);
}

static bool check_heads(
        struct cuda *c, uint32_t head_dim, uint32_t n_heads, uint32_t n_kv_heads)
{
    if (head_dim % 2)
        return cuda_fail(
                c, "the CUDA kernels take an even head_dim, and the model's is %u", head_dim);
    if (n_kv_heads == 0 || n_heads % n_kv_heads)
        return cuda_fail(c,
                "the CUDA kernels take so many heads that key heads divide them, and the model "
                "has %u and %u",
                n_heads, n_kv_heads);
    return check_most(c, "values a head", head_dim, MAX_HEAD_DIM);
}

static bool check_step(struct cuda *c, const struct plan_step *step)
{
    const struct attn_in_step *in = &step->said.attn_in;
    const struct attend_step *attend = &step->said.attend;
    const struct gate_step *gate = &step->said.gate;
    const struct experts_step *experts = &step->said.experts;
    switch (step->kind) {
    case STEP_ATTN_IN:
        return check_heads(c, in->head_dim, in->n_heads, in->n_kv_heads) &&
               check_most(c, "turned values a head", in->n_rot, in->head_dim);
    case STEP_ATTEND:
        return check_heads(c, attend->head_dim, attend->n_heads, attend->n_kv_heads);
    case STEP_GATE:
        return check_most(c, "experts", gate->n_experts, MAX_EXPERTS) &&
               check_most(c, "experts a token", gate->n_used, MAX_USED);
    case STEP_EXPERTS:
        return check_most(c, "experts", experts->n_experts, MAX_EXPERTS) &&
               check_most(c, "experts a token", experts->n_used, MAX_USED);
    case STEP_EMBED:
    case STEP_FFN:
    case STEP_LOGITS:
        return true;
    }
    return false;
}

/* Kernels do not look: beyond these they would compute something else or not start. */
static bool check_limits(struct cuda *c)
{
    for (uint32_t i = 0; i < c->n_steps; i++)
        if (!check_step(c, &c->steps[i]))
            return false;
    return check_most(c, "tokens a batch", c->size.batch_tok, MAX_BATCH_TOK);
}

/* ---- what it needs ------------------------------------------------------------------------ */

static uint32_t larger_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

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

struct placed_weight *plan_find_weight(const struct placement *p, const struct weight *w)
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
    struct placed_weight *known = plan_find_weight(p, w);
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

bool plan_collect(struct cuda *c)
{
    if (!check_limits(c))
        return false;
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
