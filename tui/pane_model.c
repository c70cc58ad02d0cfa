/*
 * pane_model.c - see pane_model.h. Memory is drawn to one scale, so that it is seen at once
 * whether a model fits; what is not known is not drawn.
 */
#include "tui/pane_model.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/builtin.h"
#include "engine/model_info.h"

#include "router/core.h"
#include "router/endpoint.h"
#include "router/model_file.h"

#include "tui/facts.h"
#include "tui/figures.h"
#include "tui/model_text.h"

#define BAR_COL  28
#define BAR_FULL "\xE2\x96\x93"
#define BAR_REST "\xE2\x96\x91"

/* share of n_cols cells, at least one when there is anything. */
static void draw_bar(struct surface *out, int row, double share, enum role role)
{
    int n_cols = out->rect.n_cols - BAR_COL - 2;
    int n_full = share > 0 ? (int)(share * n_cols + 0.5) : 0;
    n_full = share > 0 && n_full == 0 ? 1 : n_full;
    for (int i = 0; i < n_cols; i++)
        surface_puts(out, row, BAR_COL + i, i < n_full ? role : ROLE_RULE,
                i < n_full ? BAR_FULL : BAR_REST);
}

static int draw_bytes(struct surface *out, int row, const char *label, uint64_t n_bytes,
        uint64_t all_bytes, enum role role)
{
    char text[SIZE_TEXT_BYTES];
    if (n_bytes == 0 || all_bytes == 0)
        return row;
    surface_puts(out, row, 1, ROLE_DIM, label);
    surface_puts_right(out, row, BAR_COL - 2, ROLE_NUMBER, size_text(n_bytes, text));
    draw_bar(out, row, (double)n_bytes / (double)all_bytes, role);
    return row + 1;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int draw_memory(const struct core *core, const struct model_info *info,
        const struct model_state *m, struct surface *out, int row)
{
    const struct memory *memory = &core->models.memory;
    uint64_t all = most(memory->total_bytes, info->file_bytes + info->kv_bytes);
    bool is_there = m->phase == MODEL_READY || m->phase == MODEL_LOADING;
    bool fits = is_there || info->file_bytes + info->kv_bytes <= memory->available_bytes;
    if (memory->total_bytes == 0 || out->rect.n_cols < 2 * BAR_COL)
        return row;
    row = draw_bytes(
            out, row, "weights", info->file_bytes, all, fits ? ROLE_NUMBER : ROLE_WARN);
    row = draw_bytes(out, row, "KV cache", info->kv_bytes, all, fits ? ROLE_NUMBER : ROLE_WARN);
    return draw_bytes(out, row, "free RAM", memory->available_bytes, all, ROLE_OK);
}

static void add_shape(struct facts *f, const struct model_info *info)
{
    if (info->n_experts)
        facts_add(f, "layers", "%u \xC3\x97 %u experts, top %u", info->n_layers,
                info->n_experts, info->n_experts_used);
    else
        facts_add(f, "layers", "%u, dense", info->n_layers);
}

static void add_params(struct facts *f, const struct model_info *info)
{
    char all[FIGURE_BYTES], active[FIGURE_BYTES];
    figure_print(UNIT_PARAMS, (double)info->n_params, all);
    figure_print(UNIT_PARAMS, (double)info->n_params_active, active);
    if (info->n_experts)
        facts_add(f, "parameters", "%s, %s active", all, active);
    else
        facts_add(f, "parameters", "%s", all);
}

static void add_date(struct facts *f, int64_t unix_ms)
{
    char text[24];
    time_t seconds = unix_ms / 1000;
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    facts_add(f, "changed", "%s", text);
}

static void add_head(struct facts *f, const struct model_facts *facts)
{
    const struct model_info *info = &facts->info;
    if (info->arch[0])
        facts_add(f, "architecture", "%s", info->arch);
    if (info->n_layers) {
        add_shape(f, info);
        add_params(f, info);
        facts_add(f, "type", "%s", info->quant);
        facts_add(f, "context", "%u of %u tok", info->context_tok, info->context_train_tok);
    }
    if (facts->tokenizer[0] && info->n_vocab)
        facts_add(f, "tokenizer", "%s, %u tokens", facts->tokenizer, info->n_vocab);
    if (facts->chat_format[0])
        facts_add(f, "template", "%s", facts->chat_format);
    if (facts->modified_ms)
        add_date(f, facts->modified_ms);
}

static void draw_rule(const struct core *core, const struct model_state *m, struct surface *out)
{
    char title[200];
    const char *name = m->file ? m->file->facts.info.name : "";
    snprintf(title, sizeof title, "%.60s%s%.60s", model_name(core, m), name[0] ? ": " : "",
            name);
    surface_rule(out, 0, ROLE_RULE, title);
}

static int draw_progress(const struct model_state *m, struct surface *out, int row)
{
    if (m->phase != MODEL_LOADING || m->fraction < 0 || out->rect.n_cols < 2 * BAR_COL)
        return row;
    surface_puts(out, row, 1, ROLE_DIM, "read");
    draw_bar(out, row, (double)m->fraction, ROLE_WARN);
    return row + 1;
}

static int draw_about(const struct model_state *m, struct surface *out, int row)
{
    const struct model_facts *facts = &m->file->facts;
    if (facts->about[0])
        row = facts_line(out, row, "about", ROLE_TEXT, facts->about);
    if (builtin_find(m->file->path, NULL))
        row = facts_line(out, row, "knows", ROLE_TEXT, "only shunt: this program");
    return row;
}

void pane_model_draw(const struct core *core, const struct model_state *m, struct surface *out)
{
    char text[ERR_TEXT_BYTES + 32];
    int row = 1;
    draw_rule(core, m, out);
    model_state_text(core, m, text, sizeof text);
    row = facts_line(out, row, "state", model_sign(m).role, text);
    row = draw_progress(m, out, row);
    if (!m->file) {
        facts_line(out, row, "file", ROLE_TEXT, core->fleet.endpoints[m->endpoint].conf->model);
        return;
    }
    bool is_builtin = builtin_find(m->file->path, NULL);
    row = facts_line(out, row, "file", ROLE_TEXT,
            is_builtin ? builtin_name(m->file->path) : m->file->path);
    if (m->phase == MODEL_READY)
        row = facts_line(out, row, "kernel", ROLE_TEXT, m->why);
    row = draw_memory(core, &m->file->facts.info, m, out, row);
    row = draw_about(m, out, row);
    struct facts facts = facts_begin(out, row);
    add_head(&facts, &m->file->facts);
}
