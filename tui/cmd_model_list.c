/*
 * cmd_model_list.c - `shunt model list`: the facts that the Models view shows, without a state:
 * in memory is only what a running program has loaded.
 */
#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "engine/model.h"
#include "engine/model_facts.h"

#include "router/endpoint.h"

#include "tui/cmd.h"
#include "tui/cmd_fleet.h"
#include "tui/cmd_model.h"
#include "tui/config.h"
#include "tui/figures.h"
#include "tui/listing.h"

struct line {
    const char *path, *endpoint; /* endpoint NULL: none names it */
    struct model_facts facts;
};

static void take(struct line *line, const char *path, const struct endpoint_conf *e)
{
    line->path = path;
    line->endpoint = e ? e->name : NULL;
    model_facts_read(&line->facts, path, e ? e->context_tok : 0, e ? (int)e->slots : 0);
}

static bool is_listed(const struct line *lines, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(lines[i].path, path) == 0)
            return true;
    return false;
}

/* The caller frees the lines. */
static size_t find_all(const struct config *config, struct arena *arena, struct line **out)
{
    char **paths;
    size_t n_paths = config_find_models(config->models_dir, arena, &paths), n = 0;
    struct line *lines = mem_alloc((config->n_endpoints + n_paths + 1) * sizeof *lines);
    for (size_t i = 0; i < config->n_endpoints; i++) {
        const struct endpoint_conf *e = &config->endpoints[i];
        if (e->kind == PROVIDER_LOCAL && e->model)
            take(&lines[n++], e->model, e);
    }
    for (size_t i = 0; i < n_paths; i++)
        if (!is_listed(lines, n, paths[i]))
            take(&lines[n++], paths[i], NULL);
    *out = lines;
    return n;
}

static void add_count(struct buf *out, const char *name, uint64_t value, bool is_read)
{
    json_add_member_number(out, name, is_read ? (double)value : -1);
}

/* text "" or NULL: not known. */
static void add_object(struct buf *out, const struct line *line)
{
    const struct model_facts *f = &line->facts;
    const struct model_info *m = &f->info;
    bool is_read = m->n_layers > 0;
    buf_add_text(out, "{\"path\":");
    json_add_string(out, slice_of(line->path));
    json_add_member_text(out, "endpoint", line->endpoint);
    add_count(out, "bytes", m->file_bytes, m->file_bytes);
    add_count(out, "modified_ms", (uint64_t)f->modified_ms, f->modified_ms);
    json_add_member_text(out, "name", m->name);
    json_add_member_text(out, "architecture", m->arch);
    json_add_member_text(out, "quantisation", m->quant);
    json_add_member_text(out, "tokenizer", f->tokenizer);
    json_add_member_text(out, "chat_format", f->chat_format);
    add_count(out, "n_params", m->n_params, is_read);
    add_count(out, "n_params_active", m->n_params_active, is_read);
    add_count(out, "n_layers", m->n_layers, is_read);
    add_count(out, "n_experts", m->n_experts, is_read);
    add_count(out, "n_experts_used", m->n_experts_used, is_read);
    add_count(out, "context_train_tok", m->context_train_tok, is_read);
    add_count(out, "context_tok", m->context_tok, is_read);
    add_count(out, "kv_bytes", m->kv_bytes, is_read);
    json_add_member_text(out, "error", f->err.status ? f->err.text : NULL);
    buf_add_text(out, "}");
}

static void print_json(const struct line *lines, size_t n)
{
    struct buf out;
    buf_init(&out, 1u << 30);
    buf_add_text(&out, "[");
    for (size_t i = 0; i < n; i++) {
        buf_add_text(&out, i ? ",\n" : "");
        add_object(&out, &lines[i]);
    }
    buf_add_text(&out, "]");
    puts(buf_text(&out));
    buf_release(&out);
}

static void add_params(struct listing *l, uint64_t n)
{
    char text[FIGURE_BYTES] = "";
    listing_add(l, "%s", n ? figure_print(UNIT_PARAMS, (double)n, text) : "");
}

static void add_line(struct listing *l, const struct line *line)
{
    const struct model_info *m = &line->facts.info;
    char size[SIZE_TEXT_BYTES], context[FIGURE_BYTES];
    listing_add(l, "%s", line->endpoint ? line->endpoint : "(no endpoint)");
    listing_add(l, "%s", m->arch);
    listing_add(l, "%s", m->quant);
    listing_add(
            l, "%s", line->facts.info.file_bytes ? size_text(m->file_bytes, size) : "missing");
    add_params(l, m->n_params);
    add_params(l, m->n_params_active);
    listing_add(l, "%s",
            m->context_train_tok ? figure_print(UNIT_COUNT, m->context_train_tok, context)
                                 : "");
    listing_add(l, "%s", line->path);
}

/* It names the file, whose name may be anything. */
static void tell_fault(struct err err)
{
    utf8_make_printable(err.text);
    if (err.status != OK)
        cmd_fail(&err);
}

static void print_table(const struct line *lines, size_t n)
{
    static const struct listing_column columns[] = {{"endpoint", false},
            {"architecture", false}, {"type", false}, {"size", true}, {"params", true},
            {"active", true}, {"context", true}, {"file", false}};
    struct listing l;
    listing_init(&l, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < n; i++)
        add_line(&l, &lines[i]);
    listing_print(&l);
    listing_release(&l);
    for (size_t i = 0; i < n; i++)
        tell_fault(lines[i].facts.err);
}

int model_list(const struct config *config, bool is_json)
{
    struct arena arena = {0};
    struct line *lines;
    size_t n = find_all(config, &arena, &lines);
    if (is_json)
        print_json(lines, n);
    else if (n)
        print_table(lines, n);
    else
        fprintf(stderr,
                "shunt: no local model; put a .gguf file into %s, or add to %s:\n"
                "  [endpoint \"local\"]\n  kind = local\n  model = /path/to/model.gguf\n",
                config->models_dir, config->path);
    mem_free(lines);
    arena_release(&arena);
    return EXIT_DONE;
}
