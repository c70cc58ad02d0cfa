/* model_text.c - see model_text.h. */
#include "tui/model_text.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/model_file.h"

static const struct {
    struct model_sign sign;
    const char *word;
} phases[MODEL_PHASE_COUNT] = {
        [MODEL_UNLOADED] = {{"\xE2\x97\x8B", ROLE_DIM}, "not loaded"},
        [MODEL_WAITING] = {{"\xE2\x97\x90", ROLE_WARN}, "waiting to be loaded"},
        [MODEL_LOADING] = {{"\xE2\x97\x90", ROLE_WARN}, "loading"},
        [MODEL_READY] = {{"\xE2\x97\x8F", ROLE_OK}, "ready"},
        [MODEL_ENDING] = {{"\xE2\x97\x90", ROLE_WARN}, "leaving the memory"},
        [MODEL_FAILED] = {{"\xE2\x9C\x97", ROLE_ERROR}, "failed"},
};

/* Without the path, which stands beside it and would push the reason off the screen. */
static const char *reason_of(const struct core *core, const struct model_state *m)
{
    const char *fault = model_fault(m);
    const char *path = m->file            ? m->file->path
                       : m->endpoint >= 0 ? core->fleet.endpoints[m->endpoint].conf->model
                                          : NULL;
    size_t n = path ? strlen(path) : 0;
    if (!fault || !n || strncmp(fault, path, n) != 0)
        return fault;
    return fault + n + strspn(fault + n, ": ");
}

struct model_sign model_sign(const struct model_state *m)
{
    return phases[model_fault(m) ? MODEL_FAILED : m->phase].sign;
}

static void print_work(const struct endpoint_state *e, char *out, size_t n_bytes)
{
    int n = e->n_in_flight ? snprintf(out, n_bytes, "busy: %u request%s", e->n_in_flight,
                                     e->n_in_flight == 1 ? "" : "s")
                           : snprintf(out, n_bytes, "ready");
    if (e->tok_per_s > 0)
        snprintf(out + n, n_bytes - (size_t)n, ", ~%.0f tok/s", e->tok_per_s);
}

void model_state_text(
        const struct core *core, const struct model_state *m, char *out, size_t n_bytes)
{
    const char *reason = reason_of(core, m);
    if (reason)
        snprintf(out, n_bytes, "%s", reason);
    else if (m->endpoint < 0)
        snprintf(out, n_bytes, "no endpoint yet: add one in Fleet");
    else if (m->phase == MODEL_READY)
        print_work(&core->fleet.endpoints[m->endpoint], out, n_bytes);
    else if (m->phase == MODEL_LOADING && m->fraction >= 0)
        snprintf(out, n_bytes, "loading %.0f %%", (double)m->fraction * 100);
    else if (m->phase == MODEL_UNLOADED && m->why[0])
        snprintf(out, n_bytes, "%s", m->why);
    else
        snprintf(out, n_bytes, "%s", phases[m->phase].word);
}

const char *model_name(const struct core *core, const struct model_state *m)
{
    if (m->endpoint >= 0)
        return core->fleet.endpoints[m->endpoint].conf->name;
    return path_name(m->file->path);
}
