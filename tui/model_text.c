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

/* What its head already says against it, before anybody has tried. */
static const char *fault_of(const struct model_state *m)
{
    bool is_untried = m->phase == MODEL_UNLOADED && m->file && m->file->facts.err.status;
    return is_untried ? m->file->facts.err.text : NULL;
}

struct model_sign model_sign(const struct model_state *m)
{
    return phases[fault_of(m) ? MODEL_FAILED : m->phase].sign;
}

static int print_work(const struct endpoint_state *e, char *out, size_t n_bytes)
{
    int n = e->n_in_flight ? snprintf(out, n_bytes, "busy: %u request%s", e->n_in_flight,
                                     e->n_in_flight == 1 ? "" : "s")
                           : snprintf(out, n_bytes, "ready");
    if (e->tok_per_s > 0)
        n += snprintf(out + n, n_bytes - (size_t)n, ", ~%.0f tok/s", e->tok_per_s);
    return n;
}

void model_state_text(
        const struct core *core, const struct model_state *m, char *out, size_t n_bytes)
{
    const char *fault = fault_of(m);
    if (fault)
        snprintf(out, n_bytes, "cannot be loaded: %s", fault);
    else if (m->endpoint < 0)
        snprintf(out, n_bytes, "no endpoint yet: restart, or add one in Fleet");
    else if (m->phase == MODEL_READY)
        print_work(&core->fleet.endpoints[m->endpoint], out, n_bytes);
    else if (m->phase == MODEL_LOADING && m->fraction >= 0)
        snprintf(out, n_bytes, "loading %.0f %%", (double)m->fraction * 100);
    else if (m->phase == MODEL_FAILED)
        snprintf(out, n_bytes, "failed: %s", m->why);
    else if (m->phase == MODEL_UNLOADED && m->why[0])
        snprintf(out, n_bytes, "%s", m->why);
    else
        snprintf(out, n_bytes, "%s", phases[m->phase].word);
}

const char *model_name(const struct core *core, const struct model_state *m)
{
    if (m->endpoint >= 0)
        return core->fleet.endpoints[m->endpoint].conf->name;
    const char *slash = strrchr(m->file->path, '/');
    return slash ? slash + 1 : m->file->path;
}
