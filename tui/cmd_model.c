/* cmd_model.c - `shunt model`: what to do, and `shunt model info FILE`. */
#include "tui/cmd_model.h"

#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "engine/model.h"

#include "router/conf.h"
#include "router/endpoint.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/figures.h"

/* kernel NULL: the CPU's is not what would run it. */
static void print_info(const struct model_info *m, const char *kernel)
{
    char total[FIGURE_BYTES], active[FIGURE_BYTES];
    char file[SIZE_TEXT_BYTES], kv[SIZE_TEXT_BYTES], read[SIZE_TEXT_BYTES];
    figure_print(UNIT_PARAMS, (double)m->n_params, total);
    figure_print(UNIT_PARAMS, (double)m->n_params_active, active);
    size_text(m->file_bytes, file);
    size_text(m->kv_bytes, kv);
    size_text(m->active_bytes, read);
    cmd_print_line(stdout, "name          %s", m->name);
    printf("architecture  %s\nquantisation  %s\nfile          %s\n", m->arch, m->quant, file);
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
    printf("reads         %s per token%s%s\n", read, kernel ? " with kernel " : "",
            kernel ? kernel : "");
}

static void print_info_json(const struct model_info *m, const char *kernel)
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
            "\"active_bytes\":%llu",
            (unsigned long long)m->n_params, (unsigned long long)m->n_params_active,
            (unsigned long long)m->file_bytes, (unsigned long long)m->kv_bytes,
            (unsigned long long)m->active_bytes);
    json_add_member_text(&out, "kernel", kernel);
    puts(buf_add_text(&out, "}") ? buf_text(&out) : "");
    buf_release(&out);
}

const char *cmd_model_path(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_endpoints; i++)
        if (config->endpoints[i].kind == PROVIDER_LOCAL && config->endpoints[i].model &&
                strcmp(config->endpoints[i].name, name) == 0)
            return config->endpoints[i].model;
    return name;
}

static int run_info(const struct config *config, const char *path, bool is_json)
{
    struct model *model;
    struct err err;
    struct model_config cfg = {.path = cmd_model_path(config, path),
            .n_threads = 1,
            .backend = {.name = "cpu"}}; /* nothing is computed */
    if (model_open(&model, &cfg, &err) != OK)
        return cmd_fail(&err);
    struct backend_choice choice = config_backend(config);
    const struct model_info *m = model_info(model);
    const char *kernel = backend_wants_gpu(&choice) ? NULL : m->kernel;
    if (is_json)
        print_info_json(m, kernel);
    else
        print_info(m, kernel);
    model_close(model);
    return EXIT_DONE;
}

int cmd_model(struct args *args)
{
    const char *what = NULL, *path = NULL;
    bool is_json = false;
    for (int id; (id = args_next(args)) != ARG_END;) {
        if (id == FLAG_MODEL_JSON)
            is_json = true;
        else if (id == ARG_WORD && !path)
            *(what ? &path : &what) = args->value;
        else if (id == ARG_WORD)
            return cmd_usage("model", "one file at a time: %s", args->value);
        else
            return cmd_stop(args, id);
    }
    enum verb verb = cmd_find_verb(args, what);
    if (verb == VERB_NONE)
        return EXIT_USAGE;
    if (verb == VERB_MODEL_LIST && path)
        return cmd_usage("model", "list takes no file: %s", path);
    if (verb == VERB_MODEL_INFO && !path)
        return cmd_usage("model", "info needs a FILE or the name of an endpoint");
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    int code = verb == VERB_MODEL_LIST ? model_list(&config, is_json)
                                       : run_info(&config, path, is_json);
    config_release(&config);
    return code;
}
