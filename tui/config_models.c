/* config_models.c - the models folder: each .gguf file that no [endpoint] names is one itself.
 */
#include <string.h>

#include "router/endpoint.h"

#include "tui/config.h"

size_t config_find_models(const char *dir, struct arena *arena, char ***out)
{
    return dir_list(dir, ".gguf", arena, out);
}

static bool has_endpoint(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_endpoints; i++)
        if (strcmp(config->endpoints[i].name, name) == 0)
            return true;
    return false;
}

/* Behind the configured ones: what a model's own [endpoint] says about it holds. A name that is
 * taken keeps its .gguf. Each file is looked at once: of hundreds, comparing each with each
 * would be seen at the start. */
static void add_models_folder(struct config *config)
{
    char **paths;
    size_t n = config_find_models(config->models_dir, &config->arena, &paths), n_ids = 0;
    struct endpoint_conf *all =
            arena_alloc(&config->arena, (config->n_endpoints + n + 1) * sizeof *all);
    struct file_id *ids = mem_alloc((config->n_endpoints + n + 1) * sizeof *ids);
    for (size_t i = 0; i < config->n_endpoints; i++) {
        const struct endpoint_conf *e = &config->endpoints[i];
        all[i] = *e;
        if (e->kind == PROVIDER_LOCAL && e->model)
            ids[n_ids++] = file_id_of(e->model);
    }
    config->endpoints = all;
    for (size_t i = 0; i < n; i++) {
        const char *file = path_name(paths[i]);
        const char *name = arena_strndup(&config->arena, file, strlen(file) - strlen(".gguf"));
        struct file_id id = file_id_of(paths[i]);
        if (file_id_is_among(ids, n_ids, id))
            continue;
        ids[n_ids++] = id;
        all[config->n_endpoints++] =
                endpoint_local(has_endpoint(config, name) ? file : name, paths[i]);
    }
    mem_free(ids);
}

bool config_look_for_models(struct config *config)
{
    int64_t changed_ns = file_changed_ns(config->models_dir);
    if (!config->models_folder || changed_ns == config->models_ns)
        return false;
    config->models_ns = changed_ns;
    config->n_endpoints = config->n_sections;
    add_models_folder(config);
    return true;
}
