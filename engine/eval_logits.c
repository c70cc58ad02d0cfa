/* eval_logits.c - see eval_logits.h. Loads the file as chat would, tokenizer included. */
#include "engine/eval_logits.h"

#include <string.h>

#include "engine/json.h"
#include "engine/model.h"
#include "engine/telemetry.h"
#include "engine/tokenizer.h"

/* Indices of the n largest, largest first. Selection by a heap is not worth it: n is about 20.
 */
static uint32_t find_top(const float *logits, uint32_t n_vocab, uint32_t n, uint32_t *out)
{
    uint32_t n_out = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (n_out == n && !(logits[i] > logits[out[n - 1]]))
            continue;
        uint32_t at = n_out < n ? n_out++ : n - 1;
        for (; at > 0 && logits[i] > logits[out[at - 1]]; at--)
            out[at] = out[at - 1];
        out[at] = i;
    }
    return n_out;
}

static void print_experts(const struct model *model, uint32_t i, struct buf *line)
{
    const struct telemetry_shape *shape = model_shape(model);
    const struct expert_pick *picks = model_picks(model, i);
    const float *weights = model_weights(model, i);
    for (uint32_t l = 0; l < shape->n_moe_layers; l++) {
        buf_printf(line, "%s{\"layer\":%u,\"ids\":[", l ? "," : "", shape->layers[l]);
        for (uint32_t e = 0; e < shape->k; e++)
            buf_printf(line, "%s%u", e ? "," : "", picks[l * shape->k + e].expert);
        buf_add_text(line, "],\"weights\":[");
        for (uint32_t e = 0; e < shape->k; e++) {
            buf_add_text(line, e ? "," : "");
            json_add_float(line, weights[l * shape->k + e]);
        }
        buf_add_text(line, "]}");
    }
}

struct top { /* the likeliest of one position */
    uint32_t n, *ids;
};

static void print_position(
        struct model *model, uint32_t i, uint32_t pos, const struct top *top, struct buf *line)
{
    const float *logits = model_logits(model, i);
    uint32_t n = find_top(logits, model_info(model)->n_vocab, top->n, top->ids);
    buf_clear(line);
    buf_printf(line, "{\"pos\":%u,\"top\":[", pos);
    for (uint32_t k = 0; k < n; k++) {
        buf_printf(line, "%s[%u,", k ? "," : "", top->ids[k]);
        json_add_float(line, logits[top->ids[k]]);
        buf_add_text(line, "]");
    }
    buf_add_text(line, "],\"experts\":[");
    print_experts(model, i, line);
    buf_add_text(line, "]}\n");
}

static enum status run(struct model *model, const struct eval_logits_config *cfg,
        uint32_t n_batch, FILE *out, struct err *err)
{
    uint16_t *seq = mem_alloc(n_batch * sizeof *seq);
    uint32_t *pos = mem_alloc(n_batch * sizeof *pos);
    uint8_t *want = mem_alloc(n_batch);
    uint32_t n_vocab = model_info(model)->n_vocab;
    struct top top = {.n = cfg->n_top < n_vocab ? cfg->n_top : n_vocab};
    top.ids = mem_alloc((top.n + 1) * sizeof *top.ids);
    struct buf line;
    buf_init(&line, 256u << 20);
    memset(want, 1, n_batch);
    enum status status = OK;
    for (size_t at = 0; at < cfg->n_tokens && status == OK; at += n_batch) {
        uint32_t n = cfg->n_tokens - at < n_batch ? (uint32_t)(cfg->n_tokens - at) : n_batch;
        for (uint32_t i = 0; i < n; i++)
            pos[i] = cfg->pos + (uint32_t)at + i;
        struct batch batch = {n, cfg->tokens + at, seq, pos, want, .keeps_logits = true};
        status = model_forward(model, &batch, err);
        for (uint32_t i = 0; i < n && status == OK; i++) {
            print_position(model, i, pos[i], &top, &line);
            fwrite(buf_text(&line), 1, line.n, out);
        }
    }
    buf_release(&line);
    mem_free(top.ids);
    mem_free(want);
    mem_free(pos);
    mem_free(seq);
    return status;
}

enum status eval_logits(const struct eval_logits_config *cfg, FILE *out, struct err *err)
{
    if (cfg->n_tokens > UINT32_MAX - cfg->pos)
        return err_set(err, ERR_USAGE,
                "positions from %u on do not fit into 32 bits: lower --pos", cfg->pos);
    uint32_t n = (uint32_t)cfg->n_tokens;
    uint32_t n_batch = cfg->batch_tok && cfg->batch_tok < n ? cfg->batch_tok
                       : n < 512                            ? n
                                                            : 512;
    if (cfg->context_tok && cfg->context_tok < n)
        return err_set(err, ERR_CONTEXT,
                "%zu tokens do not fit into a context of %u: raise --context", cfg->n_tokens,
                cfg->context_tok);
    struct model_config model_cfg = {.path = cfg->path,
            .context_tok = cfg->context_tok ? cfg->context_tok : n,
            .batch_tok = n_batch,
            .is_exact = cfg->is_exact,
            .backend = cfg->backend};
    struct model *model;
    struct tokenizer *tok = NULL;
    enum status status = model_open(&model, &model_cfg, err);
    if (status != OK)
        return status;
    if (backend_wants_gpu(&cfg->backend) && model_info(model)->why_cpu[0])
        cfg->note(model_info(model)->why_cpu);
    status = tokenizer_open(&tok, model_gguf(model), err);
    if (status == OK)
        status = run(model, cfg, n_batch, out, err);
    tokenizer_close(tok);
    model_close(model);
    return status;
}
