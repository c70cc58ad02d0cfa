/*
 * model.h - one loaded model: hyperparameters, weights, KV cache, and the one call that runs
 * it.
 *
 * model_forward takes n tokens, each with its KV sequence, its position and whether its logits
 * are wanted: decode, prefill, several requests at once and branches are all this call. Owned
 * by one thread at a time (its engine, or eval/bench).
 */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "engine/backend.h"
#include "engine/model_info.h"

struct expert_pick;
struct gguf;
struct model;
struct sample;
struct sample_params;
struct telemetry_shape;

struct model_config {
    const char *path;
    int n_threads;        /* 0: one per core */
    uint32_t context_tok; /* KV cells per sequence; 0: the model's own, at most 8192 */
    int n_seqs;           /* KV sequences, at most KV_SEQ_MAX; 0: 1 */
    uint32_t batch_tok;   /* largest batch; 0: 512 */
    bool is_exact;        /* float32 activations and float32 KV cache */
    struct backend_choice backend;
    /* Called while all weights are read, with the done fraction; returning false cancels within
     * a few megabytes. NULL: those that stay in the file are read when they are first needed.
     */
    bool (*progress)(void *user, const struct model_info *info, float fraction);
    void *user;
};

/* Maps the file, checks every tensor, binds it. Errors name the file and the field. */
enum status model_open(
        struct model **out, const struct model_config *cfg, struct err *err) MUST_USE;
void model_close(struct model *model);
const struct model_info *model_info(const struct model *model);
const struct telemetry_shape *model_shape(const struct model *model);
const struct gguf *model_gguf(const struct model *model); /* tokenizer and template keys */

struct batch {
    uint32_t n_tokens;          /* at most batch_tok */
    const int32_t *tokens;      /* [n_tokens] vocabulary ids, checked */
    const uint16_t *seq;        /* [n_tokens] KV sequence of each, < KV_SEQ_MAX */
    const uint32_t *pos;        /* [n_tokens] rope position of each */
    const uint8_t *want_logits; /* [n_tokens] bool: computed */
    bool keeps_logits;          /* for model_logits; otherwise they may stay on a device */
    const struct sample_params *params; /* [n_tokens], read where logits are wanted; or NULL:
                                           no token is drawn */
};
#define KV_SEQ_MAX 64

/* Runs the batch and appends its keys and values to the cache. ERR_CONTEXT when the cache has
 * no room (nothing was changed), ERR_CANCELLED when model_cancel was called meanwhile, ERR_IO
 * when the device failed. */
enum status model_forward(
        struct model *model, const struct batch *batch, struct err *err) MUST_USE;
/* Of the last model_forward; valid until the next. i counts all tokens of the batch. */
float *model_logits(struct model *model, uint32_t i); /* [n_vocab], may be changed in place;
                                                         NULL if not wanted, or not kept */
/* The token drawn behind token i; NULL without logits or params. */
const struct sample *model_sample(const struct model *model, uint32_t i);
/* Routing of token i of the last batch: picks [n_moe_layers][k], float weights
 * [n_moe_layers][k] exact, margins [n_moe_layers]. NULL for a dense model. */
const struct expert_pick *model_picks(const struct model *model, uint32_t i);
const float *model_weights(const struct model *model, uint32_t i);
const float *model_margins(const struct model *model, uint32_t i);
/* From any thread: makes the running model_forward return within one layer. Cleared by the next
 * call of model_forward's owner to model_cancel_clear. */
void model_cancel(struct model *model);
void model_cancel_clear(struct model *model);

/* KV cache by (sequence, position). Ranges are [p0, p1). */
void model_kv_remove(struct model *model, uint16_t seq, uint32_t p0, uint32_t p1);
/* dst sees the same cells as src in the range; nothing is copied. */
void model_kv_share(struct model *model, uint16_t src, uint16_t dst, uint32_t p0, uint32_t p1);
uint32_t model_kv_room(const struct model *model); /* free cells */

#endif
