/*
 * forward.c - the pass as a plan of kernel steps, made once, and model_forward, which runs it
 * over a batch. Written once for all architectures; what differs is in the rows of arch_*.c and
 * in which tensors a layer has.
 */
#include <math.h>

#include "engine/model_internal.h"

/* cos and sin of every angle, in double: at large positions float32 products would lose the
 * logits' third digit. */
static void fill_rope_table(struct model *m, const struct batch *b)
{
    uint32_t half = m->hp.n_rot / 2;
    for (uint32_t t = 0; t < b->n_tokens; t++)
        for (uint32_t j = 0; j < half; j++) {
            double angle = b->pos[t] * m->rope_freqs[j];
            float *pair = m->rope_table + ((size_t)t * half + j) * 2;
            pair[0] = (float)cos(angle) * m->rope_magnitude;
            pair[1] = (float)sin(angle) * m->rope_magnitude;
        }
}

static uint32_t count_up_to(
        const struct model *m, const uint32_t *cells, uint32_t n, uint32_t pos)
{
    uint32_t low = 0;
    while (low < n) {
        uint32_t middle = (low + n) / 2;
        if (m->kv.pos[cells[middle]] <= pos)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* The cells each token sees: those of its sequence up to its position. One list per sequence of
 * the batch; returns the length of all. */
static uint32_t fill_visible(struct model *m, const struct batch *b)
{
    uint32_t first_of[KV_SEQ_MAX], n_of[KV_SEQ_MAX], n = 0;
    uint64_t listed = 0;
    for (uint32_t t = 0; t < b->n_tokens; t++) {
        uint16_t seq = b->seq[t];
        if (!(listed >> seq & 1)) {
            listed |= (uint64_t)1 << seq;
            if (m->n_visible_cap < n + m->kv.n_cells) { /* sequences may share cells */
                m->n_visible_cap = n + m->kv.n_cells;
                m->visible = mem_resize(m->visible, m->n_visible_cap * sizeof *m->visible);
            }
            first_of[seq] = n;
            n_of[seq] = kv_cache_list(&m->kv, seq, m->visible + n);
            n += n_of[seq];
        }
        m->first[t] = first_of[seq];
        m->count[t] = count_up_to(m, m->visible + first_of[seq], n_of[seq], b->pos[t]);
    }
    return n;
}

static void add_attention(struct model *m, const struct layer *l, uint32_t i)
{
    const struct hparams *hp = &m->hp;
    kernels_attn_in(m->kernels, &(struct attn_in_step){.layer = i,
                                        .d = hp->d,
                                        .n_heads = hp->n_heads,
                                        .n_kv_heads = hp->n_kv_heads,
                                        .head_dim = hp->head_dim,
                                        .n_rot = hp->n_rot,
                                        .eps = hp->eps,
                                        .norm = l->attn_norm,
                                        .wq = l->wq,
                                        .wk = l->wk,
                                        .wv = l->wv,
                                        .bq = l->bq,
                                        .bk = l->bk,
                                        .bv = l->bv,
                                        .q_norm = l->q_norm,
                                        .k_norm = l->k_norm,
                                        .is_norm_whole = m->arch->is_qk_norm_whole,
                                        .rope = m->arch->rope});
    kernels_attend(m->kernels, &(struct attend_step){.layer = i,
                                       .d = hp->d,
                                       .n_heads = hp->n_heads,
                                       .n_kv_heads = hp->n_kv_heads,
                                       .head_dim = hp->head_dim,
                                       .scale = hp->attn_scale,
                                       .wo = l->wo,
                                       .bo = l->bo});
}

static void add_experts(struct model *m, const struct layer *l, uint32_t i_moe)
{
    const struct hparams *hp = &m->hp;
    kernels_gate(m->kernels, &(struct gate_step){.i_moe = i_moe,
                                     .d = hp->d,
                                     .n_experts = hp->n_experts,
                                     .n_used = hp->n_experts_used,
                                     .eps = hp->eps,
                                     .norm = l->ffn_norm,
                                     .gate = l->gate_inp,
                                     .is_normalised = m->arch->is_gate_normalised,
                                     .scale = hp->expert_scale});
    kernels_experts(m->kernels, &(struct experts_step){.i_moe = i_moe,
                                        .d = hp->d,
                                        .n_ff = hp->n_expert_ff,
                                        .n_experts = hp->n_experts,
                                        .n_used = hp->n_experts_used,
                                        .gate = l->gate,
                                        .up = l->up,
                                        .down = l->down});
}

void model_plan(struct model *m)
{
    const struct hparams *hp = &m->hp;
    kernels_plan(m->kernels, &(struct plan_size){.batch_tok = m->batch_tok,
                                     .n_cells = m->kv.n_cells,
                                     .n_layers = hp->n_layers,
                                     .d = hp->d,
                                     .n_heads = hp->n_heads,
                                     .n_kv_heads = hp->n_kv_heads,
                                     .head_dim = hp->head_dim,
                                     .n_rot = hp->n_rot,
                                     .n_vocab = hp->n_vocab,
                                     .n_moe_layers = m->shape.n_moe_layers,
                                     .n_experts = m->shape.n_experts,
                                     .n_used = m->shape.k});
    kernels_embed(m->kernels, &(struct embed_step){m->token_embd});
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const struct layer *l = &m->layers[i];
        add_attention(m, l, i);
        if (l->gate_inp.data)
            add_experts(m, l, i);
        else
            kernels_ffn(m->kernels, &(struct ffn_step){hp->d, hp->n_ff, hp->eps, l->ffn_norm,
                                            l->gate, l->up, l->down});
    }
    kernels_logits(m->kernels,
            &(struct logits_step){hp->d, hp->n_vocab, hp->eps, m->output_norm, m->output});
}

static enum status check_batch(const struct model *m, const struct batch *b, struct err *err)
{
    if (b->n_tokens == 0 || b->n_tokens > m->batch_tok)
        return err_set(err, ERR_USAGE, "a batch of %u tokens; 1 to %u are possible",
                b->n_tokens, m->batch_tok);
    for (uint32_t t = 0; t < b->n_tokens; t++)
        if (b->tokens[t] < 0 || (uint32_t)b->tokens[t] >= m->hp.n_vocab ||
                b->seq[t] >= KV_SEQ_MAX)
            return err_set(err, ERR_USAGE, "token %d is outside the vocabulary of %u",
                    b->tokens[t], m->hp.n_vocab);
    return OK;
}

static enum status prepare_logits(
        struct model *m, const struct batch *b, uint32_t *n_rows, struct err *err)
{
    *n_rows = 0;
    for (uint32_t t = 0; t < b->n_tokens; t++) {
        m->i_logits[t] = b->want_logits[t] ? (int32_t)*n_rows : -1;
        if (!b->want_logits[t])
            continue;
        if (b->params)
            m->params[*n_rows] = b->params[t];
        m->rows[(*n_rows)++] = t;
    }
    size_t n = b->keeps_logits ? (size_t)*n_rows * m->hp.n_vocab : 0;
    m->has_logits = b->keeps_logits;
    m->has_samples = b->params != NULL;
    if (n <= m->n_logits_cap)
        return OK;
    mem_free(m->logits);
    m->n_logits_cap = 0;
    m->logits = mem_try(n * sizeof *m->logits);
    if (!m->logits)
        return err_set(err, ERR_NOMEM, "no memory for the logits of %u tokens", *n_rows);
    m->n_logits_cap = n;
    return OK;
}

static void fill_picks(struct model *m, uint32_t n_tokens)
{
    size_t n = (size_t)n_tokens * m->shape.n_moe_layers * m->shape.k;
    for (size_t i = 0; i < n; i++) {
        float weight = fminf(1, fmaxf(0, m->weights[i]));
        m->picks[i] = (struct expert_pick){m->ids[i], (uint16_t)lrintf(weight * 65535)};
    }
}

static enum kernels_result run_plan(struct model *m, const struct batch *b, uint32_t n_rows)
{
    uint32_t n_visible = fill_visible(m, b); /* may move m->visible */
    return kernels_run(m->kernels, &(struct kernels_batch){.n_tokens = b->n_tokens,
                                           .tokens = b->tokens,
                                           .rope_table = m->rope_table,
                                           .cells = m->cells,
                                           .visible = m->visible,
                                           .n_visible = n_visible,
                                           .first = m->first,
                                           .count = m->count,
                                           .n_rows = n_rows,
                                           .rows = m->rows,
                                           .params = b->params ? m->params : NULL,
                                           .samples = m->samples,
                                           .ids = m->ids,
                                           .weights = m->weights,
                                           .margins = m->margins,
                                           .logits = b->keeps_logits ? m->logits : NULL});
}

enum status model_forward(struct model *m, const struct batch *b, struct err *err)
{
    uint32_t n_rows;
    enum status status = check_batch(m, b, err);
    if (status == OK)
        status = prepare_logits(m, b, &n_rows, err);
    if (status != OK)
        return status;
    if (!kv_cache_take(&m->kv, b->n_tokens, b->seq, b->pos, m->cells))
        return err_set(err, ERR_CONTEXT, "the context of %u tokens is full", m->kv.n_cells);
    fill_rope_table(m, b);
    switch (run_plan(m, b, n_rows)) {
    case KERNELS_CANCELLED:
        kv_cache_give_back(&m->kv, m->cells, b->n_tokens);
        return err_set(err, ERR_CANCELLED, "stopped");
    case KERNELS_FAILED:
        kv_cache_give_back(&m->kv, m->cells, b->n_tokens);
        return err_set(err, ERR_IO, "%s", kernels_why(m->kernels));
    case KERNELS_OK:
        break;
    }
    fill_picks(m, b->n_tokens);
    return OK;
}

float *model_logits(struct model *m, uint32_t i)
{
    return m->i_logits[i] < 0 || !m->has_logits
                   ? NULL
                   : m->logits + (size_t)m->i_logits[i] * m->hp.n_vocab;
}

const struct sample *model_sample(const struct model *m, uint32_t i)
{
    return m->i_logits[i] < 0 || !m->has_samples ? NULL : &m->samples[m->i_logits[i]];
}

const struct expert_pick *model_picks(const struct model *m, uint32_t i)
{
    return m->shape.n_moe_layers ? m->picks + (size_t)i * m->shape.n_moe_layers * m->shape.k
                                 : NULL;
}

const float *model_weights(const struct model *m, uint32_t i)
{
    return m->shape.n_moe_layers ? m->weights + (size_t)i * m->shape.n_moe_layers * m->shape.k
                                 : NULL;
}

const float *model_margins(const struct model *m, uint32_t i)
{
    return m->shape.n_moe_layers ? m->margins + (size_t)i * m->shape.n_moe_layers : NULL;
}
