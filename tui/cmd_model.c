/* cmd_model.c - `shunt model`: what to do, and `shunt model info FILE`. */
#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "engine/model.h"

#include "tui/cmd_model.h"
#include "tui/figures.h"

static void print_info(const struct model_info *m)
{
    char total[FIGURE_BYTES], active[FIGURE_BYTES];
    char file[SIZE_TEXT_BYTES], kv[SIZE_TEXT_BYTES], read[SIZE_TEXT_BYTES];
    figure_print(UNIT_PARAMS, (double)m->n_params, total);
    figure_print(UNIT_PARAMS, (double)m->n_params_active, active);
    size_text(m->file_bytes, file);
    size_text(m->kv_bytes, kv);
    size_text(m->active_bytes, read);
    printf("name          %s\narchitecture  %s\nquantisation  %s\nfile          %s\n", m->name,
            m->arch, m->quant, file);
    printf("parameters    %s", total);
    if (m->n_experts)
        printf(", %s used per token", active);
    puts("");
    printf("layers        %u of width %u, %u heads, %u key/value heads of %u\n", m->n_layers,
            m->n_embd, m->n_heads, m->n_kv_heads, m->head_dim);
    if (m->n_experts)
        printf("experts       %u per layer, %u used per token\n", m->n_experts,
                m->n_experts_used);
    printf("vocabulary    %u tokens\ncontext       %u tokens trained, %u used (cache %s)\n",
            m->n_vocab, m->context_train_tok, m->context_tok, kv);
    printf("reads         %s per token with kernel %s\n", read, m->kernel);
}

static void print_info_json(const struct model_info *m)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    buf_add_text(&out, "{\"name\":");
    json_add_string(&out, slice_of(m->name));
    buf_add_text(&out, ",\"architecture\":");
    json_add_string(&out, slice_of(m->arch));
    buf_add_text(&out, ",\"quantisation\":");
    json_add_string(&out, slice_of(m->quant));
    buf_printf(&out,
            ",\"n_layers\":%u,\"n_embd\":%u,\"n_heads\":%u,\"n_kv_heads\":%u,\"head_dim\":%u,"
            "\"n_vocab\":%u,\"n_experts\":%u,\"n_experts_used\":%u,\"context_train_tok\":%u,"
            "\"context_tok\":%u",
            m->n_layers, m->n_embd, m->n_heads, m->n_kv_heads, m->head_dim, m->n_vocab,
            m->n_experts, m->n_experts_used, m->context_train_tok, m->context_tok);
    buf_printf(&out,
            ",\"n_params\":%llu,\"n_params_active\":%llu,\"file_bytes\":%llu,\"kv_bytes\":%llu,"
            "\"active_bytes\":%llu,\"kernel\":\"%s\"}",
            (unsigned long long)m->n_params, (unsigned long long)m->n_params_active,
            (unsigned long long)m->file_bytes, (unsigned long long)m->kv_bytes,
            (unsigned long long)m->active_bytes, m->kernel);
    puts(buf_text(&out));
    buf_release(&out);
}

static int run_info(const struct config *config, const char *path, bool is_json)
{
    struct model *model;
    struct err err;
    struct model_config cfg = {.path = path, .n_threads = 1};
    for (size_t i = 0; i < config->n_endpoints;
            i++) /* an endpoint's name stands for its file */
        if (config->endpoints[i].kind == PROVIDER_LOCAL && config->endpoints[i].model &&
                strcmp(config->endpoints[i].name, path) == 0)
            cfg.path = config->endpoints[i].model;
    if (model_open(&model, &cfg, &err) != OK)
        return cmd_fail(&err);
    if (is_json)
        print_info_json(model_info(model));
    else
        print_info(model_info(model));
    model_close(model);
    return EXIT_DONE;
}

int cmd_model(struct args *args)
{
    const char *what = NULL, *path = NULL;
    bool is_json = false;
    for (int id; (id = args_next(args)) != ARG_END;) {
        if (id == 257)
            is_json = true;
        else if (id == ARG_WORD && !path)
            *(what ? &path : &what) = args->value;
        else if (id == ARG_WORD)
            return cmd_usage("model", "one file at a time: %s", args->value);
        else
            return cmd_stop(args, id, "model");
    }
    static const char *const names[] = {"list", "info"};
    bool is_list = what && strcmp(what, "list") == 0 && !path;
    bool is_info = what && strcmp(what, "info") == 0 && path;
    const char *nearest = what ? conf_nearest(what, names, ARRAY_LEN(names)) : NULL;
    if (nearest && strcmp(nearest, what) != 0)
        return cmd_usage("model", "no \"%s\": did you mean \"%s\"?", what, nearest);
    if (!is_list && !is_info)
        return cmd_usage("model", "use `shunt model list` or `shunt model info FILE`");
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    int code = is_list ? model_list(&config, is_json) : run_info(&config, path, is_json);
    config_release(&config);
    return code;
}
