/*
 * model_bind.c - from tensor names to weights: every tensor the architecture needs must be
 * there with the right shape. Matrices are used where they lie in the mapped file; the small
 * float vectors are copied, since a file need not align them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/model_internal.h"

struct binder {
    struct model *m;
    struct err *err;
    enum status status;
};

static const struct gguf_tensor *find(struct binder *b, const char *name, bool is_needed)
{
    if (b->status != OK)
        return NULL;
    const struct gguf_tensor *t = gguf_find_tensor(b->m->gguf, name);
    if (!t && is_needed)
        b->status = err_set(b->err, ERR_FORMAT,
                "%s has no tensor %s, which the architecture %s needs", gguf_path(b->m->gguf),
                name, b->m->arch->name);
    return t;
}

static bool has_shape(struct binder *b, const struct gguf_tensor *t, uint64_t n_in,
        uint64_t n_out, uint64_t n_slabs)
{
    if (t->dims[0] == n_in && t->dims[1] == n_out && t->dims[2] == n_slabs && t->dims[3] == 1)
        return true;
    b->status = err_set(b->err, ERR_FORMAT,
            "%s: tensor %.*s has shape %" PRIu64 " x %" PRIu64 " x %" PRIu64 "; %" PRIu64
            " x %" PRIu64 " x %" PRIu64 " is expected",
            gguf_path(b->m->gguf), (int)t->name.n, t->name.ptr, t->dims[0], t->dims[1],
            t->dims[2], n_in, n_out, n_slabs);
    return false;
}

/* n_out 0: as many rows as the tensor has. */
static struct weight bind_weight(struct binder *b, const char *name, uint32_t n_in,
        uint32_t n_out, uint32_t n_slabs, bool is_needed)
{
    struct weight w = {0};
    const struct gguf_tensor *t = find(b, name, is_needed);
    if (!t || !has_shape(b, t, n_in, n_out ? n_out : t->dims[1], n_slabs))
        return w;
    if (t->dims[1] > INT32_MAX) {
        b->status = err_set(b->err, ERR_FORMAT, "%s: tensor %s has too many rows",
                gguf_path(b->m->gguf), name);
        return w;
    }
    return (struct weight){(enum quant)t->quant, t->data, n_in, (uint32_t)t->dims[1], n_slabs,
            quant_row_bytes((enum quant)t->quant, n_in)};
}

static const float *bind_vector(struct binder *b, const char *name, uint32_t n, bool is_needed)
{
    const struct gguf_tensor *t = find(b, name, is_needed);
    if (!t || !has_shape(b, t, n, 1, 1))
        return NULL;
    float *copy = arena_alloc(&b->m->arena, n * sizeof *copy);
    quant_traits[t->quant].decode(t->data, copy, n);
    return copy;
}

static const char *layer_name(char out[64], uint32_t layer, const char *name)
{
    snprintf(out, 64, "blk.%u.%s", layer, name);
    return out;
}

static void bind_attention(struct binder *b, struct layer *l, uint32_t i)
{
    const struct hparams *hp = &b->m->hp;
    const struct arch *arch = b->m->arch;
    uint32_t q = hp->n_heads * hp->head_dim, kv = hp->n_kv_heads * hp->head_dim;
    char name[64];
    l->attn_norm = bind_vector(b, layer_name(name, i, "attn_norm.weight"), hp->d, true);
    l->wq = bind_weight(b, layer_name(name, i, "attn_q.weight"), hp->d, q, 1, true);
    l->wk = bind_weight(b, layer_name(name, i, "attn_k.weight"), hp->d, kv, 1, true);
    l->wv = bind_weight(b, layer_name(name, i, "attn_v.weight"), hp->d, kv, 1, true);
    l->wo = bind_weight(b, layer_name(name, i, "attn_output.weight"), q, hp->d, 1, true);
    l->bq = bind_vector(b, layer_name(name, i, "attn_q.bias"), q, false);
    l->bk = bind_vector(b, layer_name(name, i, "attn_k.bias"), kv, false);
    l->bv = bind_vector(b, layer_name(name, i, "attn_v.bias"), kv, false);
    l->bo = bind_vector(b, layer_name(name, i, "attn_output.bias"), hp->d, false);
    if (!arch->has_qk_norm)
        return;
    uint32_t n_q = arch->is_qk_norm_whole ? q : hp->head_dim;
    uint32_t n_k = arch->is_qk_norm_whole ? kv : hp->head_dim;
    l->q_norm = bind_vector(b, layer_name(name, i, "attn_q_norm.weight"), n_q, true);
    l->k_norm = bind_vector(b, layer_name(name, i, "attn_k_norm.weight"), n_k, true);
}

static void bind_ffn(struct binder *b, struct layer *l, uint32_t i)
{
    const struct hparams *hp = &b->m->hp;
    uint32_t n = hp->n_experts, ff = n ? hp->n_expert_ff : hp->n_ff, slabs = n ? n : 1;
    char name[64];
    l->ffn_norm = bind_vector(b, layer_name(name, i, "ffn_norm.weight"), hp->d, true);
    if (n)
        l->gate_inp =
                bind_weight(b, layer_name(name, i, "ffn_gate_inp.weight"), hp->d, n, 1, true);
    l->gate =
            bind_weight(b, layer_name(name, i, n ? "ffn_gate_exps.weight" : "ffn_gate.weight"),
                    hp->d, ff, slabs, true);
    l->up = bind_weight(b, layer_name(name, i, n ? "ffn_up_exps.weight" : "ffn_up.weight"),
            hp->d, ff, slabs, true);
    l->down =
            bind_weight(b, layer_name(name, i, n ? "ffn_down_exps.weight" : "ffn_down.weight"),
                    ff, hp->d, slabs, true);
}

/* Biases and scales change every product they stand beside, rope factors every angle: what is
 * not bound would give wrong answers without a word. */
static enum status refuse_unbound(const struct model *m, struct err *err)
{
    static const char *const bound[] = {
            "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias"};
    for (uint64_t i = 0; i < gguf_n_tensors(m->gguf); i++) {
        struct slice name = gguf_tensor_at(m->gguf, i)->name, rest = name;
        if (slice_has_prefix(name, "blk.")) {
            slice_cut(&rest, '.');
            slice_cut(&rest, '.');
        }
        bool is_harmless = !memmem(rest.ptr, rest.n, ".bias", 5) &&
                           !memmem(rest.ptr, rest.n, ".scale", 6) &&
                           !slice_has_prefix(rest, "attn_sinks") &&
                           !slice_has_prefix(rest, "rope_factors");
        for (size_t k = 0; k < ARRAY_LEN(bound); k++)
            is_harmless |= slice_eq(rest, bound[k]);
        if (!is_harmless)
            return err_set(err, ERR_UNSUPPORTED,
                    "%s: tensor %.*s is not supported with the architecture %s",
                    gguf_path(m->gguf), (int)name.n, name.ptr, m->arch->name);
    }
    return OK;
}

enum status model_bind(struct model *m, struct err *err)
{
    struct binder b = {m, err, OK};
    struct hparams *hp = &m->hp;
    m->token_embd = bind_weight(&b, "token_embd.weight", hp->d, 0, 1, true);
    hp->n_vocab = m->token_embd.n_out;
    m->output_norm = bind_vector(&b, "output_norm.weight", hp->d, true);
    m->output = bind_weight(&b, "output.weight", hp->d, hp->n_vocab, 1, false);
    if (!m->output.data)
        m->output = m->token_embd; /* tied */
    if (b.status != OK)
        return b.status;
    m->layers = arena_alloc(&m->arena, hp->n_layers * sizeof *m->layers);
    for (uint32_t i = 0; i < hp->n_layers && b.status == OK; i++) {
        bind_attention(&b, &m->layers[i], i);
        bind_ffn(&b, &m->layers[i], i);
    }
    return b.status == OK ? refuse_unbound(m, err) : b.status;
}

/* Share of the original frequency that YaRN keeps for pair j: 1 for fast pairs, 0 for slow
 * ones. */
static double yarn_share(const struct hparams *hp, uint32_t j)
{
    double per_turn = 2 * log(hp->rope_base), original = hp->rope_original_tok;
    double low = floor(hp->n_rot * log(original / (2 * M_PI * hp->yarn_beta_fast)) / per_turn);
    double high = ceil(hp->n_rot * log(original / (2 * M_PI * hp->yarn_beta_slow)) / per_turn);
    low = fmax(low, 0);
    high = fmin(high, hp->n_rot - 1.0);
    double slope = (j - low) / fmax(0.001, high - low);
    return 1 - fmin(1, fmax(0, slope));
}

enum status model_prepare_rope(struct model *m, struct err *err)
{
    const struct hparams *hp = &m->hp;
    struct binder b = {m, err, OK};
    uint32_t half = hp->n_rot / 2;
    const float *factors = bind_vector(&b, "rope_freqs.weight", half, false);
    m->rope_freqs = arena_alloc(&m->arena, half * sizeof *m->rope_freqs);
    double scale = 1 / (double)hp->rope_factor;
    for (uint32_t j = 0; j < half && b.status == OK; j++) {
        if (factors && !(factors[j] > 1e-6f))
            return err_set(err, ERR_FORMAT, "%s: rope_freqs.weight[%u] is not positive",
                    gguf_path(m->gguf), j);
        double freq = pow(hp->rope_base, -2.0 * j / hp->n_rot) / (factors ? factors[j] : 1);
        double share = hp->is_yarn ? yarn_share(hp, j) : 0;
        m->rope_freqs[j] = freq * (scale * (1 - share) + share);
    }
    m->rope_magnitude = hp->yarn_attn_factor;
    if (hp->is_yarn && hp->rope_factor > 1)
        m->rope_magnitude *= 1 + 0.1f * logf(hp->rope_factor);
    return b.status;
}
