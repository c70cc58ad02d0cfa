/*
 * model.c - opens and closes a model: file, hyperparameters, weights, KV cache, buffers, and
 * the figures about it.
 */
#include "engine/model.h"

#include <stdio.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/memory.h"
#include "engine/model_internal.h"

#define CONTEXT_DEFAULT_TOK 8192
#define CELLS_MAX           (1u << 28)
#define BATCH_DEFAULT_TOK   512
#define READ_STEP_BYTES     (4u << 20) /* a slow disk gives this in a tenth of a second */

static enum status find_arch(struct model *m, struct err *err)
{
    struct slice name;
    enum status status = gguf_get_str(m->gguf, "general.architecture", &name, err);
    if (status != OK)
        return status == ERR_NOT_FOUND ? err_set(err, ERR_FORMAT,
                                                 "%s does not say its architecture (no key "
                                                 "general.architecture)",
                                                 gguf_path(m->gguf))
                                       : status;
    m->arch = arch_find(name);
    if (m->arch)
        return OK;
    struct buf known;
    buf_init(&known, 1024);
    arch_list(&known);
    err_set(err, ERR_UNSUPPORTED,
            "%s has architecture \"%.*s\", which this version cannot run; it runs %s",
            gguf_path(m->gguf), (int)(name.n < 64 ? name.n : 64), name.ptr, buf_text(&known));
    buf_release(&known);
    return ERR_UNSUPPORTED;
}

static enum status refuse_shards(const struct model *m, struct err *err)
{
    uint32_t n_shards = 1;
    if (!gguf_has(m->gguf, "split.count"))
        return OK;
    enum status status = gguf_get_u32(m->gguf, "split.count", &n_shards, err);
    if (status == OK && n_shards > 1)
        return err_set(err, ERR_UNSUPPORTED,
                "%s is one of %u parts; this version reads whole files only: merge them first",
                gguf_path(m->gguf), n_shards);
    return status;
}

static void count_params(struct model *m)
{
    struct model_info *info = &m->info;
    uint64_t by_quant[QUANT_COUNT] = {0};
    bool has_output = gguf_find_tensor(m->gguf, "output.weight");
    for (uint64_t i = 0; i < gguf_n_tensors(m->gguf); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->gguf, i);
        uint64_t n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        bool is_expert = t->name.n > 12 && memmem(t->name.ptr, t->name.n, "_exps.weight", 12);
        bool is_table = has_output && slice_eq(t->name, "token_embd.weight");
        uint64_t share = is_expert ? m->hp.n_experts_used : 1,
                 of = is_expert ? m->hp.n_experts : 1;
        info->n_params += n;
        by_quant[t->quant] += t->n_bytes;
        if (is_table)
            continue; /* one row is read */
        info->n_params_active += n / of * share;
        info->active_bytes += t->n_bytes / of * share;
    }
    int most = 0;
    for (int q = 1; q < QUANT_COUNT; q++)
        most = by_quant[q] > by_quant[most] ? q : most;
    snprintf(info->quant, sizeof info->quant, "%s", quant_traits[most].name);
}

void model_fill_info(struct model *m)
{
    const struct hparams *hp = &m->hp;
    struct model_info *info = &m->info;
    struct slice name = {0};
    snprintf(info->arch, sizeof info->arch, "%s", m->arch->name);
    if (gguf_get_str(m->gguf, "general.name", &name, NULL) != OK || name.n == 0)
        name = slice_of(path_name(gguf_path(m->gguf)));
    snprintf(info->name, sizeof info->name, "%.*s", (int)(name.n < 127 ? name.n : 127),
            name.ptr);
    info->name[utf8_whole(info->name, strlen(info->name))] = '\0';
    utf8_make_printable(info->name); /* a file's text never reaches a terminal raw */
    info->n_layers = hp->n_layers;
    info->n_embd = hp->d;
    info->n_heads = hp->n_heads;
    info->n_kv_heads = hp->n_kv_heads;
    info->head_dim = hp->head_dim;
    info->n_vocab = hp->n_vocab;
    info->n_ff = hp->n_experts ? hp->n_expert_ff : hp->n_ff;
    info->n_experts = hp->n_experts;
    info->n_experts_used = hp->n_experts_used;
    info->context_train_tok = hp->context_train_tok;
    info->context_tok = m->kv.n_cells;
    info->file_bytes = gguf_file_bytes(m->gguf);
    info->kv_bytes = m->kv.n_bytes;
    count_params(m);
}

static enum status set_shape(struct model *m, struct err *err)
{
    if (!m->hp.n_experts)
        return OK;
    if (m->hp.n_layers > MOE_LAYERS_MAX)
        return err_set(err, ERR_UNSUPPORTED, "%s has %u layers with experts; %d are supported",
                gguf_path(m->gguf), m->hp.n_layers, MOE_LAYERS_MAX);
    m->shape.n_moe_layers = (uint16_t)m->hp.n_layers;
    m->shape.n_experts = (uint16_t)m->hp.n_experts;
    m->shape.k = (uint16_t)m->hp.n_experts_used;
    for (uint32_t i = 0; i < m->hp.n_layers; i++)
        m->shape.layers[i] = (uint16_t)i;
    return OK;
}

/* One allocation per buffer; all are bounded by batch_tok. */
static enum status open_buffers(struct model *m, struct err *err)
{
    size_t n = m->batch_tok;
    size_t n_picks = (size_t)m->shape.n_moe_layers * m->shape.k + 1;
    m->rope_table = mem_try(n * m->hp.n_rot * sizeof *m->rope_table);
    m->cells = mem_try(n * sizeof *m->cells);
    m->first = mem_try(n * sizeof *m->first);
    m->count = mem_try(n * sizeof *m->count);
    m->rows = mem_try(n * sizeof *m->rows);
    m->i_logits = mem_try(n * sizeof *m->i_logits);
    m->params = mem_try(n * sizeof *m->params);
    m->samples = mem_try(n * sizeof *m->samples);
    m->ids = mem_try(n * n_picks * sizeof *m->ids);
    m->weights = mem_try(n * n_picks * sizeof *m->weights);
    m->picks = mem_try(n * n_picks * sizeof *m->picks);
    m->margins = mem_try(n * (m->shape.n_moe_layers + 1u) * sizeof *m->margins);
    m->n_visible_cap = m->kv.n_cells;
    m->visible = mem_try(m->n_visible_cap * sizeof *m->visible);
    if (m->rope_table && m->cells && m->first && m->count && m->rows && m->i_logits &&
            m->params && m->samples && m->ids && m->weights && m->picks && m->margins &&
            m->visible)
        return OK;
    return err_set(err, ERR_NOMEM, "%s: no memory for batches of %u tokens", gguf_path(m->gguf),
            m->batch_tok);
}

static enum status cancelled(const struct model_config *cfg, struct err *err)
{
    return err_set(err, ERR_CANCELLED, "loading %s was cancelled", cfg->path);
}

enum status model_read_head(struct model *m, struct err *err)
{
    enum status status = refuse_shards(m, err);
    if (status == OK)
        status = find_arch(m, err);
    return status == OK ? hparams_read(&m->hp, m->arch, m->gguf, err) : status;
}

enum status model_count_cells(
        struct model *m, uint32_t context_tok, int n_seqs, struct err *err)
{
    uint32_t trained = m->hp.context_train_tok, n = n_seqs > 0 ? (uint32_t)n_seqs : 1;
    if (context_tok == 0)
        context_tok = trained < CONTEXT_DEFAULT_TOK ? trained : CONTEXT_DEFAULT_TOK;
    if (context_tok > CELLS_MAX / n)
        return err_set(err, ERR_NOMEM,
                "%s: a context of %u tokens for each of %u requests at once is more than a KV "
                "cache can hold; set a smaller context on the endpoint",
                gguf_path(m->gguf), context_tok, n);
    m->kv.n_cells = context_tok * n;
    return OK;
}

static enum status open_parts(struct model *m, const struct model_config *cfg, struct err *err)
{
    enum status status = gguf_open(&m->gguf, cfg->path, false, err);
    if (status == OK)
        status = model_read_head(m, err);
    if (status == OK)
        status = model_bind(m, err);
    if (status == OK)
        status = model_prepare_rope(m, err);
    if (status == OK)
        status = set_shape(m, err);
    if (status == OK)
        status = backend_open(&m->kernels, &cfg->backend, cfg->n_threads, cfg->is_exact,
                m->info.why_cpu, err);
    if (status != OK)
        return status;
    m->batch_tok = cfg->batch_tok ? cfg->batch_tok : BATCH_DEFAULT_TOK;
    status = model_count_cells(m, cfg->context_tok, cfg->n_seqs, err);
    if (status == OK)
        status = kv_cache_open(&m->kv, m->kv.n_cells, m->hp.n_layers,
                (size_t)m->hp.n_kv_heads * m->hp.head_dim, !cfg->is_exact, err);
    if (status == OK)
        status = open_buffers(m, err);
    return status;
}

/* Weights come from the disk in the order of the file, which is faster than in that of the
 * first token, and with a figure of how far it is. What does not fit into memory would push out
 * what was read before: it is left for later. */
static enum status read_weights(
        struct model *m, const struct model_config *cfg, struct err *err)
{
    uint64_t n_bytes = m->info.file_bytes, available = memory_read().available_bytes;
    if (available && available < n_bytes)
        n_bytes = available;
    for (uint64_t at = 0; at < n_bytes; at += READ_STEP_BYTES) {
        if (!cfg->progress(cfg->user, &m->info, (float)((double)at / (double)n_bytes)))
            return cancelled(cfg, err);
        gguf_touch(m->gguf, at, READ_STEP_BYTES);
    }
    return cfg->progress(cfg->user, &m->info, 1) ? OK : cancelled(cfg, err);
}

struct loading {
    const struct model_config *cfg;
    const struct model_info *info;
};

static bool report_placing(void *user, float fraction)
{
    const struct loading *l = user;
    return !l->cfg->progress || l->cfg->progress(l->cfg->user, l->info, fraction);
}

static enum kernels_result plan_and_place(struct model *m, const struct model_config *cfg)
{
    struct loading loading = {cfg, &m->info};
    snprintf(m->info.kernel, sizeof m->info.kernel, "%s", kernels_name(m->kernels));
    model_plan(m);
    return kernels_ready(m->kernels, report_placing, &loading);
}

/* A GPU that has no room for the model, or lacks something that it needs: the CPU takes it. */
static enum status leave_gpu(struct model *m, const struct model_config *cfg, struct err *err)
{
    snprintf(m->info.why_cpu, sizeof m->info.why_cpu, "%s", kernels_why(m->kernels));
    kernels_close(m->kernels);
    m->kernels = NULL;
    return backend_open_cpu(
            &m->kernels, cfg->backend.kernel, cfg->n_threads, cfg->is_exact, err);
}

/* The backend gets its memory before anything is read: what does not fit is known at once. */
static enum status place_weights(
        struct model *m, const struct model_config *cfg, struct err *err)
{
    enum kernels_result result = plan_and_place(m, cfg);
    if (result == KERNELS_FAILED && !m->kernels->ops->is_in_place) {
        enum status status = leave_gpu(m, cfg, err);
        if (status != OK)
            return status;
        result = plan_and_place(m, cfg);
    }
    switch (result) {
    case KERNELS_CANCELLED:
        return cancelled(cfg, err);
    case KERNELS_FAILED:
        return err_set(err, ERR_NOMEM, "%s", kernels_why(m->kernels));
    case KERNELS_OK:
        break;
    }
    return cfg->progress && m->kernels->ops->is_in_place ? read_weights(m, cfg, err) : OK;
}

enum status model_open(struct model **out, const struct model_config *cfg, struct err *err)
{
    struct model *m = mem_alloc(sizeof *m);
    enum status status = open_parts(m, cfg, err);
    if (status == OK) {
        model_fill_info(m);
        status = place_weights(m, cfg, err);
    }
    if (status != OK) {
        model_close(m);
        return status;
    }
    *out = m;
    return OK;
}

void model_close(struct model *m)
{
    if (!m)
        return;
    kernels_close(m->kernels);
    kv_cache_close(&m->kv);
    void *buffers[] = {m->rope_table, m->cells, m->first, m->count, m->rows, m->i_logits,
            m->params, m->samples, m->ids, m->weights, m->picks, m->margins, m->visible,
            m->logits};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        mem_free(buffers[i]);
    arena_release(&m->arena);
    gguf_close(m->gguf);
    mem_free(m);
}

const struct model_info *model_info(const struct model *m)
{
    return &m->info;
}

const struct telemetry_shape *model_shape(const struct model *m)
{
    return &m->shape;
}

const struct gguf *model_gguf(const struct model *m)
{
    return m->gguf;
}

void model_cancel(struct model *m)
{
    kernels_cancel(m->kernels);
}

void model_cancel_clear(struct model *m)
{
    kernels_cancel_clear(m->kernels);
}

void model_kv_remove(struct model *m, uint16_t seq, uint32_t p0, uint32_t p1)
{
    kv_cache_remove(&m->kv, seq, p0, p1);
}

void model_kv_share(struct model *m, uint16_t src, uint16_t dst, uint32_t p0, uint32_t p1)
{
    kv_cache_share(&m->kv, src, dst, p0, p1);
}

uint32_t model_kv_room(const struct model *m)
{
    return m->kv.n_cells - m->kv.n_used;
}
