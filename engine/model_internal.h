/*
 * model_internal.h - a loaded model as model.c binds it and forward.c runs it.
 */
#ifndef ENGINE_MODEL_INTERNAL_H
#define ENGINE_MODEL_INTERNAL_H

#include "kernels/kernels.h"

#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/telemetry.h"

/* What an architecture is, as one row (arch_*.c). */
struct arch {
    const char *name;
    enum rope_kind rope;
    bool has_qk_norm, is_qk_norm_whole; /* whole: over all heads at once */
    bool is_gate_normalised;
    bool needs_experts;
    const char *expert_ff_key; /* key, behind the prefix, of an expert's width */
};
const struct arch *arch_find(struct slice name);
void arch_list(struct buf *out); /* "llama, qwen3moe, …" */

struct hparams {
    uint32_t n_layers, d, n_heads, n_kv_heads, head_dim, n_rot, n_ff, n_vocab;
    uint32_t n_experts, n_experts_used, n_expert_ff;
    uint32_t context_train_tok;
    float eps, attn_scale;
    float expert_scale;           /* of the gate weights */
    float rope_base, rope_factor; /* factor 1: no scaling */
    bool is_yarn;
    uint32_t rope_original_tok;
    float yarn_beta_fast, yarn_beta_slow, yarn_attn_factor;
};

struct layer {
    const float *attn_norm, *ffn_norm; /* [d] */
    const float *q_norm, *k_norm;      /* or NULL */
    const float *bq, *bk, *bv, *bo;    /* or NULL */
    struct weight wq, wk, wv, wo;
    struct weight gate, up, down; /* dense, or one slab per expert */
    struct weight gate_inp;       /* n_slabs 0: a dense layer */
};

struct model {
    struct gguf *gguf;
    const struct arch *arch;
    struct hparams hp;
    struct arena arena; /* norms, layers */
    struct layer *layers;
    struct weight token_embd, output;
    const float *output_norm;
    double *rope_freqs; /* [n_rot/2] radians per position, scaling included */
    float rope_magnitude;
    struct kernels *kernels;
    struct kv_cache kv;
    struct model_info info;
    struct telemetry_shape shape;
    uint32_t batch_tok;
    /* of the running batch */
    float *rope_table;
    uint32_t *cells, *visible, *first, *count, *rows;
    uint32_t n_visible_cap;
    float *logits;
    size_t n_logits_cap;
    bool has_logits, has_samples; /* the last batch kept them, drew them */
    int32_t *i_logits;            /* [batch_tok] row in logits; -1: not wanted */
    struct sample_params *params; /* [batch_tok], of the rows */
    struct sample *samples;       /* the same */
    uint16_t *ids;                /* [batch_tok][n_moe_layers][k] */
    float *weights, *margins;
    struct expert_pick *picks;
};

/* Reads and checks the hyperparameters of g into hp. */
enum status hparams_read(struct hparams *hp, const struct arch *arch, const struct gguf *g,
        struct err *err) MUST_USE;
/* Of an opened file: what it is, and whether this version can run it. */
enum status model_read_head(struct model *m, struct err *err) MUST_USE;
/* Sets kv.n_cells for n_seqs sequences (0: 1) of context_tok each; 0: as many as the model was
 * trained with, at most 8192. */
enum status model_count_cells(
        struct model *m, uint32_t context_tok, int n_seqs, struct err *err) MUST_USE;
/* All of info but the kernel, from file, hyperparameters and KV cache. */
void model_fill_info(struct model *m);
/* Finds every tensor of the model and checks type and shape. */
enum status model_bind(struct model *m, struct err *err) MUST_USE;
/* Angles per position with all scaling applied (RoPE; YaRN: Peng et al. 2023). */
enum status model_prepare_rope(struct model *m, struct err *err) MUST_USE;

/* forward.c: tells the kernels all steps of a pass. */
void model_plan(struct model *m);

#endif
