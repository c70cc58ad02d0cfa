/*
 * core_models.c - local models in the core: their files, what is in memory, what must leave it.
 *
 * A model is loaded for the first message that goes to it, or by hand, and stays. The pages of
 * a mapped file count as free memory, so what the loaded ones hold is subtracted before a new
 * one is said to fit; when it does not, those that have no request leave, the longest unused
 * first.
 */
#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/endpoint.h"
#include "router/model_file.h"

struct model_file *model_file_new(int endpoint, const char *path)
{
    struct model_file *file = mem_alloc(sizeof *file);
    file->endpoint = endpoint;
    file->path = mem_strdup(path);
    return file;
}

void model_file_free(struct model_file *file)
{
    if (!file)
        return;
    mem_free(file->path);
    mem_free(file);
}

static struct model_state *add(struct models *models, int endpoint)
{
    models->all = mem_resize(models->all, (models->n + 1) * sizeof *models->all);
    struct model_state *m = &models->all[models->n++];
    *m = (struct model_state){.endpoint = endpoint, .fraction = -1};
    return m;
}

static struct model_state *find(const struct core *core, int64_t endpoint)
{
    for (size_t i = 0; i < core->models.n; i++)
        if (endpoint >= 0 && core->models.all[i].endpoint == endpoint)
            return &core->models.all[i];
    return NULL;
}

const struct model_state *core_model_of(const struct core *core, int endpoint)
{
    return find(core, endpoint);
}

const char *model_fault(const struct model_state *m)
{
    bool is_untried = m->phase == MODEL_UNLOADED && m->file && m->file->facts.err.status;
    return m->phase == MODEL_FAILED ? m->why : is_untried ? m->file->facts.err.text : NULL;
}

/* The router passes over a model that cannot be loaded. */
static void judge(struct core *core, const struct model_state *m)
{
    if (m->endpoint >= 0)
        fleet_set_fault(&core->fleet, m->endpoint, model_fault(m));
}

static void forget_file(struct model_state *m)
{
    model_file_free(m->file);
    m->file = NULL;
}

static void drop(struct models *models, struct model_state *m)
{
    size_t i = (size_t)(m - models->all);
    forget_file(m);
    memmove(m, m + 1, (--models->n - i) * sizeof *m);
}

static bool names_file(const struct endpoint_conf *conf, const struct model_file *file)
{
    return !file || strcmp(conf->model, file->path) == 0;
}

static void match(struct core *core, int endpoint)
{
    const struct endpoint_conf *conf = core->fleet.endpoints[endpoint].conf;
    struct model_state *m = find(core, endpoint);
    if (conf->kind != PROVIDER_LOCAL || !conf->model) {
        if (m)
            drop(&core->models, m);
        return;
    }
    if (!m)
        m = add(&core->models, endpoint);
    if (!names_file(conf, m->file))
        forget_file(m);
    judge(core, m);
}

void models_match(struct core *core)
{
    for (int i = 0; i < core->fleet.n_endpoints; i++)
        match(core, i);
    if (core->models.was_scanned)
        models_scan(core);
}

void models_release(struct core *core)
{
    for (size_t i = 0; i < core->models.n; i++)
        forget_file(&core->models.all[i]);
    mem_free(core->models.all);
}

/* ---- the files -------------------------------------------------------------------------- */

void models_scan(struct core *core)
{
    if (core->models.is_scanning)
        return;
    core->models.is_scanning = core->models.was_scanned = true;
    for (size_t i = 0; i < core->models.n; i++)
        core->models.all[i].is_seen = false;
    core_add_effect(core, &(struct effect){.kind = EFFECT_SCAN_MODELS, .endpoint = -1});
}

static struct model_state *find_file(struct models *models, const struct model_file *file)
{
    for (size_t i = 0; i < models->n; i++)
        if (models->all[i].endpoint < 0 && strcmp(models->all[i].file->path, file->path) == 0)
            return &models->all[i];
    return NULL;
}

/* What failed is not the file that lies there now. */
static void forgive(struct model_state *m, const struct model_file *now)
{
    const struct model_facts *was = m->file ? &m->file->facts : &now->facts;
    bool is_other = was->modified_ms != now->facts.modified_ms ||
                    was->info.file_bytes != now->facts.info.file_bytes;
    if (m->phase == MODEL_FAILED && is_other)
        m->phase = MODEL_UNLOADED;
}

/* The configuration may have changed since the scan began: a file that is no longer the
 * endpoint's is not told as its own. */
void models_take_file(struct core *core, struct model_file *file)
{
    struct model_state *m = find(core, file->endpoint);
    if (file->endpoint < 0 && !(m = find_file(&core->models, file)))
        m = add(&core->models, -1);
    if (!m ||
            (m->endpoint >= 0 && !names_file(core->fleet.endpoints[m->endpoint].conf, file))) {
        model_file_free(file);
        return;
    }
    forgive(m, file);
    forget_file(m);
    m->file = file;
    m->is_seen = true;
    judge(core, m);
    core->version++;
}

void models_take_scan_end(struct core *core, const struct memory *memory)
{
    struct models *models = &core->models;
    models->memory = *memory;
    models->is_scanning = false;
    for (size_t i = models->n; i-- > 0;)
        if (models->all[i].endpoint < 0 && !models->all[i].is_seen)
            drop(models, &models->all[i]);
    core->version++;
}

/* ---- in memory -------------------------------------------------------------------------- */

static const char *name_of(const struct core *core, const struct model_state *m)
{
    return core->fleet.endpoints[m->endpoint].conf->name;
}

static bool is_in_memory(const struct model_state *m)
{
    return m->phase == MODEL_LOADING || m->phase == MODEL_READY;
}

static void add_effect(struct core *core, enum effect_kind kind, int endpoint)
{
    core_add_effect(core, &(struct effect){.kind = kind, .endpoint = endpoint});
}

static void begin_unload(struct core *core, struct model_state *m, const char *why)
{
    m->phase = MODEL_ENDING;
    snprintf(m->why, sizeof m->why, "%s", why);
    add_effect(core, EFFECT_UNLOAD, m->endpoint);
}

void models_load(struct core *core, int64_t endpoint, uint64_t t_ns)
{
    struct model_state *m = find(core, endpoint);
    if (!m || is_in_memory(m) || m->phase == MODEL_WAITING)
        return;
    if (core->fleet.endpoints[endpoint].is_gone) {
        core_notice(core, t_ns, ERR_CONFIG, "%s is no longer in the configuration",
                name_of(core, m));
        return;
    }
    m->phase = MODEL_WAITING;
    m->fraction = -1;
    m->why[0] = '\0';
    judge(core, m);
    add_effect(core, EFFECT_LOAD, m->endpoint);
}

/* What waits for it or is answered by it stops. */
void models_unload(struct core *core, int64_t endpoint, uint64_t t_ns)
{
    struct model_state *m = find(core, endpoint);
    if (!m || (!is_in_memory(m) && m->phase != MODEL_WAITING))
        return;
    bool was_ready = m->phase == MODEL_READY;
    for (size_t i = core->n_runs; i-- > 0;)
        if (core->runs[i].endpoint == m->endpoint && core->runs[i].phase == RUN_SENT)
            runs_stop(core, &core->runs[i], t_ns);
    begin_unload(core, m, was_ready ? "unloaded by hand" : "loading was cancelled");
}

/* Memory that a new model can have: what is available, less what loaded files count into that.
 */
static uint64_t room_bytes(const struct core *core, const struct model_state *newcomer)
{
    uint64_t held = 0, available = core->models.memory.available_bytes;
    for (size_t i = 0; i < core->models.n; i++) {
        const struct model_state *m = &core->models.all[i];
        held += m != newcomer && is_in_memory(m) ? m->need_bytes : 0;
    }
    return available > held ? available - held : 0;
}

static struct model_state *longest_idle(struct core *core, const struct model_state *newcomer)
{
    struct model_state *found = NULL;
    for (size_t i = 0; i < core->models.n; i++) {
        struct model_state *m = &core->models.all[i];
        if (m != newcomer && m->phase == MODEL_READY &&
                core->fleet.endpoints[m->endpoint].n_in_flight == 0 &&
                (!found || m->used_ns < found->used_ns))
            found = m;
    }
    return found;
}

static void make_room(struct core *core, const struct model_state *newcomer, uint64_t t_ns)
{
    char need[SIZE_TEXT_BYTES], room[SIZE_TEXT_BYTES], why[ERR_TEXT_BYTES];
    struct model_state *idle;
    for (uint64_t n_free; (n_free = room_bytes(core, newcomer)) < newcomer->need_bytes;) {
        if (!(idle = longest_idle(core, newcomer)))
            return;
        snprintf(why, sizeof why, "unloaded: it was idle, and %s needs %s where %s were free",
                name_of(core, newcomer), size_text(newcomer->need_bytes, need),
                size_text(n_free, room));
        begin_unload(core, idle, why);
        core_notice(core, t_ns, OK, "%s is %s", name_of(core, idle), why);
    }
}

static void take_loading(struct core *core, struct model_state *m, const struct event *event)
{
    bool is_size_new = m->need_bytes == 0 && event->u.model.need_bytes;
    m->phase = MODEL_LOADING;
    m->fraction = event->u.model.fraction;
    m->need_bytes = event->u.model.need_bytes;
    if (is_size_new && core->models.memory.available_bytes)
        make_room(core, m, event->t_ns);
}

/* Not only what was asked to end ends: a failed engine makes way for a new try. */
static void take_stopped(struct core *core, struct model_state *m)
{
    if (m->phase != MODEL_ENDING)
        m->why[0] = '\0';
    if (m->phase != MODEL_WAITING)
        m->phase = MODEL_UNLOADED;
    m->need_bytes = 0;
    if (core->models.was_scanned)
        models_scan(core); /* for how much memory is free now */
}

void models_take_state(struct core *core, const struct event *event)
{
    struct model_state *m = find(core, event->u.model.endpoint);
    bool is_ending = m && m->phase == MODEL_ENDING;
    if (event->u.model.available_bytes)
        core->models.memory.available_bytes = event->u.model.available_bytes;
    if (m && event->u.model.state == ENGINE_STOPPED)
        take_stopped(core, m);
    else if (m && !is_ending && event->u.model.state == ENGINE_LOADING)
        take_loading(core, m, event);
    else if (m && !is_ending && event->u.model.state == ENGINE_READY) {
        const struct err *place = event->u.model.err;
        m->phase = MODEL_READY;
        snprintf(m->why, sizeof m->why, "%s", place ? place->text : "");
        m->used_ns = event->t_ns;
        m->need_bytes = event->u.model.need_bytes;
    } else if (m && !is_ending) {
        m->phase = MODEL_FAILED;
        m->need_bytes = 0;
        snprintf(m->why, sizeof m->why, "%s", event->u.model.err->text);
    }
    if (m)
        judge(core, m);
    mem_free(event->u.model.err);
    core->version++;
}

void models_used(struct core *core, int endpoint, uint64_t t_ns)
{
    struct model_state *m = find(core, endpoint);
    if (m)
        m->used_ns = t_ns;
}
