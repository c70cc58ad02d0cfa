/*
 * hub.c - see hub.h. Only this file knows that the core has threads around it. Rings that are
 * full leave the effect in hub's list; what goes to the store keeps its order there, a request
 * may overtake another that waits.
 */
#include "router/hub.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/queue.h"

#include "router/core.h"
#include "router/endpoint.h"
#include "router/net.h"
#include "router/scan.h"
#include "router/secret.h"
#include "router/store.h"
#include "router/store_export.h"

_Static_assert(
        ENDPOINT_SLOTS_MAX <= ENGINE_SLOTS_MAX, "an engine takes what a section may say");

#define CLOSE_WAIT_NS 10000000000ull /* a disk that takes longer than this keeps nobody */

struct local {
    struct engine *engine;            /* NULL: not loaded yet */
    const struct endpoint_conf *conf; /* it was opened with */
    size_t n_open;                    /* requests it took and has not told the end of */
    struct token_record *record;
    bool is_closing; /* its thread was asked to end */
};

struct hub {
    struct core core;
    struct store *store;  /* NULL: nothing is stored */
    int64_t spent_nusd;   /* without a store: by this run */
    struct net *net;      /* NULL until the first remote request */
    struct scan *scan;    /* NULL until models are listed */
    struct local *locals; /* [n_locals], by endpoint */
    int n_locals;
    int fd;
    char *models_dir;
    struct backend_choice backend; /* its own copy */
    int n_threads;
    bool has_more; /* events lie in the rings whose wake-up was taken already */
    void (*terminal)(void *user, bool give);
    void *user;
    struct effect *waiting; /* taken from the core, not yet taken by a ring */
    size_t n_waiting;
};

static void close_local(struct local *local)
{
    engine_close(local->engine);
    mem_free(local->record);
    *local = (struct local){0};
}

/* It ends by itself, and finish_locals hears of it: nobody waits for memory to be taken apart.
 */
static void stop_local(struct local *local)
{
    if (!local->is_closing)
        engine_stop(local->engine);
    local->is_closing = true;
}

static bool names_model(const struct endpoint_conf *conf)
{
    return conf->kind == PROVIDER_LOCAL && conf->model;
}

/* The model in memory is not the one that the configuration names now. */
static bool is_stale(const struct hub *hub, int endpoint)
{
    const struct endpoint_conf *was = hub->locals[endpoint].conf;
    const struct endpoint_conf *is = hub->core.fleet.endpoints[endpoint].conf;
    return hub->locals[endpoint].engine &&
           (!names_model(is) || strcmp(was->model, is->model) != 0 || was->slots != is->slots ||
                   was->context_tok != is->context_tok);
}

/* After a change of the configuration: room for all, and nothing loaded that is not wanted.
 * What is still needed for an answer goes when the next one begins. */
static void match_locals(struct hub *hub)
{
    int n = hub->core.fleet.n_endpoints;
    if (n > hub->n_locals || !hub->locals) {
        hub->locals = mem_resize(hub->locals, ((size_t)n + 1) * sizeof *hub->locals);
        memset(hub->locals + hub->n_locals, 0,
                ((size_t)(n - hub->n_locals) + 1) * sizeof *hub->locals);
        hub->n_locals = n;
    }
    for (int i = 0; i < n; i++)
        if (is_stale(hub, i) && hub->locals[i].n_open == 0)
            stop_local(&hub->locals[i]);
}

enum status hub_open(struct hub **out, const struct hub_config *cfg, struct err *err)
{
    struct hub *hub = mem_alloc(sizeof *hub);
    hub->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status = OK;
    if (hub->fd < 0)
        status = err_set(err, ERR_NOMEM, "too many files are open for this program to work");
    else if (cfg->data_dir)
        status = store_open(&hub->store, cfg->data_dir, hub->fd, err);
    if (status != OK) {
        close(hub->fd);
        mem_free(hub);
        return status;
    }
    struct core_config core_cfg = *cfg->core;
    core_cfg.has_history = cfg->data_dir != NULL;
    core_init(&hub->core, &core_cfg);
    match_locals(hub);
    hub->n_threads = cfg->n_threads;
    backend_choice_copy(&hub->backend, &cfg->backend);
    hub->models_dir = cfg->models_dir ? mem_strdup(cfg->models_dir) : NULL;
    hub->terminal = cfg->terminal;
    hub->user = cfg->user;
    *out = hub;
    return OK;
}

const struct core *hub_core(const struct hub *hub)
{
    return &hub->core;
}

int hub_fd(const struct hub *hub)
{
    return hub->fd;
}

int hub_timeout_ms(const struct hub *hub)
{
    uint64_t deadline = core_deadline(&hub->core), now = clock_now_ns();
    if (hub->has_more)
        return 0;
    if (hub->n_waiting)
        return 5; /* a ring was full */
    if (deadline == 0)
        return -1;
    return deadline <= now ? 0 : (int)((deadline - now) / 1000000u) + 1;
}

const struct engine *hub_engine(const struct hub *hub, int endpoint)
{
    bool is_there = endpoint >= 0 && endpoint < hub->core.fleet.n_endpoints &&
                    !hub->locals[endpoint].is_closing;
    return is_there ? hub->locals[endpoint].engine : NULL;
}

/* ---- effects out ------------------------------------------------------------------------ */

/* In place of an effect in the list that is no longer wanted. */
static const struct effect nothing = {.kind = EFFECT_CANCEL, .endpoint = -1};

static void apply_failure(struct hub *hub, const struct request *request, const struct err *err)
{
    struct event event = {.request_id = request->id,
            .attempt = request->attempt,
            .kind = EV_DONE,
            .t_ns = clock_now_ns()};
    event.u.outcome = mem_alloc(sizeof *event.u.outcome);
    *event.u.outcome = (struct outcome){.err = *err, .retry_after_ms = -1};
    core_apply(&hub->core, &event);
}

/* The engine that answers for the endpoint, opened if there is none. NULL: another one has to
 * end first. */
static struct engine *open_local(struct hub *hub, int endpoint)
{
    struct local *local = &hub->locals[endpoint];
    const struct endpoint_conf *conf = hub->core.fleet.endpoints[endpoint].conf;
    bool is_useless = local->engine &&
                      (engine_state(local->engine) == ENGINE_FAILED || is_stale(hub, endpoint));
    if (is_useless && local->n_open == 0) /* else its last events would be thrown away */
        stop_local(local);                /* a file may have been mended meanwhile */
    if (is_useless || local->is_closing)
        return NULL;
    if (!local->engine) {
        struct engine_config cfg = {.path = conf->model,
                .n_threads = hub->n_threads,
                .n_slots = (int)conf->slots,
                .context_tok = conf->context_tok,
                .backend = hub->backend,
                .wake_fd = hub->fd};
        local->engine = engine_open(&cfg);
        local->conf = conf;
    }
    return local->engine;
}

static bool send_local(struct hub *hub, struct effect *effect)
{
    struct engine *engine = open_local(hub, effect->endpoint);
    bool was_taken = engine && engine_send(engine, effect->request);
    hub->locals[effect->endpoint].n_open += was_taken;
    return was_taken;
}

static void apply_stopped(struct hub *hub, int endpoint)
{
    struct event event = {.kind = EV_MODEL, .t_ns = clock_now_ns()};
    event.u.model.endpoint = endpoint;
    event.u.model.state = ENGINE_STOPPED;
    core_apply(&hub->core, &event);
}

/* False: an answer there has not ended yet. */
static bool unload(struct hub *hub, int endpoint)
{
    struct local *local = &hub->locals[endpoint];
    for (size_t i = 0; i < hub->n_waiting; i++)
        if (hub->waiting[i].kind == EFFECT_LOAD && hub->waiting[i].endpoint == endpoint)
            hub->waiting[i] = nothing;
    if (!local->engine)
        apply_stopped(hub, endpoint);
    else if (local->n_open == 0)
        stop_local(local);
    return local->n_open == 0;
}

static void scan_models(struct hub *hub)
{
    const struct fleet *fleet = &hub->core.fleet;
    struct scan_request *r = scan_request_new((size_t)fleet->n_endpoints);
    r->dir = hub->models_dir ? arena_strdup(&r->arena, hub->models_dir) : NULL;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        const struct endpoint_conf *conf = fleet->endpoints[i].conf;
        if (names_model(conf) && !fleet->endpoints[i].is_gone)
            r->endpoints[r->n_endpoints++] = (struct scan_endpoint){i,
                    arena_strdup(&r->arena, conf->model), conf->context_tok, (int)conf->slots};
    }
    if (!hub->scan)
        hub->scan = scan_open(hub->fd);
    if (hub->scan && scan_send(hub->scan, r))
        return;
    scan_request_free(r);
    core_apply(&hub->core, &(struct event){.kind = EV_SCAN_END, .t_ns = clock_now_ns()});
}

/* The network thread and the endpoint's key. */
static enum status open_remote(
        struct hub *hub, const struct endpoint_conf *conf, struct secret *key, struct err *err)
{
    bool talks = conf->key_source == KEY_FROM_COMMAND && hub->terminal;
    if (!hub->net && !(hub->net = net_open(hub->fd)))
        return err_set(err, ERR_NOMEM, "cannot start the network thread");
    if (talks)
        hub->terminal(hub->user, true);
    enum status status = secret_fetch(conf, key, err);
    if (talks)
        hub->terminal(hub->user, false);
    return status;
}

static bool send_remote(struct hub *hub, struct effect *effect)
{
    struct secret key = {0};
    struct err err = {0};
    if (open_remote(hub, effect->request->endpoint, &key, &err) != OK) {
        apply_failure(hub, effect->request, &err);
        request_free(effect->request);
        return true;
    }
    bool was_taken = net_send(hub->net, effect->request, &key);
    secret_release(&key);
    return was_taken;
}

/* The configuration may have changed while the request waited: what was meant for a file does
 * not leave the machine. */
static bool send(struct hub *hub, struct effect *effect)
{
    const struct endpoint_conf *meant = effect->request->endpoint;
    struct err err = {0};
    if (meant->kind != PROVIDER_LOCAL)
        return send_remote(hub, effect);
    if (names_model(hub->core.fleet.endpoints[effect->endpoint].conf))
        return send_local(hub, effect);
    err_set(&err, ERR_CONFIG, "%s was changed while the message waited for it", meant->name);
    apply_failure(hub, effect->request, &err);
    request_free(effect->request);
    return true;
}

/* True also when there is nothing left to load. */
static bool load(struct hub *hub, int endpoint)
{
    return !names_model(hub->core.fleet.endpoints[endpoint].conf) || open_local(hub, endpoint);
}

static void apply_probe(struct hub *hub, int endpoint, uint64_t start_ns, const struct err *err)
{
    struct event event = {.kind = EV_PROBE, .t_ns = clock_now_ns()};
    struct outcome outcome = {.err = *err, .retry_after_ms = -1};
    event.u.probe.endpoint = endpoint;
    event.u.probe.ms = (uint32_t)((event.t_ns - start_ns) / 1000000u);
    event.u.probe.outcome = mem_dup(&outcome, sizeof outcome);
    core_apply(&hub->core, &event);
}

/* A model that is loaded lives; of another the file's head is read. */
static void probe_local(struct hub *hub, const struct effect *effect)
{
    uint64_t start_ns = clock_now_ns();
    const struct engine *engine = hub->locals[effect->endpoint].engine;
    const char *path = effect->request->endpoint->model;
    struct gguf *gguf;
    struct err err = {0};
    bool is_loaded = engine && !hub->locals[effect->endpoint].is_closing &&
                     engine_state(engine) == ENGINE_READY;
    if (!is_loaded && gguf_open(&gguf, path, false, &err) == OK)
        gguf_close(gguf);
    apply_probe(hub, effect->endpoint, start_ns, &err);
}

/* False: the ring is full. */
static bool probe(struct hub *hub, struct effect *effect)
{
    struct secret key = {0};
    struct err err = {0};
    bool was_taken = true;
    if (effect->request->endpoint->kind == PROVIDER_LOCAL)
        probe_local(hub, effect);
    else if (open_remote(hub, effect->request->endpoint, &key, &err) != OK)
        apply_probe(hub, effect->endpoint, clock_now_ns(), &err);
    else if ((was_taken = net_probe(hub->net, effect->request, &key)))
        return true; /* moved */
    secret_release(&key);
    if (was_taken)
        request_free(effect->request);
    return was_taken;
}

/* A request that no ring has taken yet ends here. */
static bool cancel_waiting(struct hub *hub, uint32_t request_id)
{
    static const struct err stopped = {.status = ERR_CANCELLED, .text = "stopped"};
    for (size_t i = 0; i < hub->n_waiting; i++) {
        struct effect *e = &hub->waiting[i];
        if (e->kind != EFFECT_SEND || e->request->id != request_id)
            continue;
        struct request *request = e->request;
        *e = nothing;
        apply_failure(hub, request, &stopped);
        request_free(request);
        return true;
    }
    return false;
}

/* False: a ring is full. */
static bool cancel(struct hub *hub, const struct effect *effect)
{
    bool was_taken = true;
    if (effect->endpoint < 0 || cancel_waiting(hub, effect->request_id))
        return true;
    if (hub->locals[effect->endpoint].engine && !hub->locals[effect->endpoint].is_closing)
        was_taken = engine_cancel(hub->locals[effect->endpoint].engine, effect->request_id);
    if (hub->net) /* its kind may have been another when it was sent */
        was_taken &= net_cancel(hub->net, effect->request_id);
    return was_taken;
}

/* The budget holds for what this run spends, since nobody knows of more. */
static void reserve_without_store(struct hub *hub, struct store_command *c)
{
    c->is_above_limit = c->limit_nusd >= 0 && c->amount_nusd > 0 &&
                        hub->spent_nusd + c->amount_nusd > c->limit_nusd;
    if (!c->is_above_limit)
        hub->spent_nusd += c->amount_nusd;
    c->total_nusd = hub->spent_nusd;
}

/* What is written succeeds at once, and nothing is there to read. */
static void answer_without_store(struct hub *hub, struct store_command *command)
{
    struct event event = {.kind = EV_STORE, .t_ns = clock_now_ns(), .u.command = command};
    switch (command->op) {
    case STORE_LOAD:
        err_set(&command->err, ERR_NOT_FOUND, "nothing is stored");
        break;
    case STORE_RESERVE:
        reserve_without_store(hub, command);
        break;
    case STORE_EXPORT:
        store_export(command);
        break;
    case STORE_PUT_MESSAGE:
    case STORE_PUT_DRAFT:
    case STORE_PUT_TOKENS:
    case STORE_PUT_DECISION:
    case STORE_PUT_SETTING:
    case STORE_PUT_TITLE:
    case STORE_TRASH:
    case STORE_RELEASE:
    case STORE_LIST:
    case STORE_LIST_DECISIONS:
    case STORE_LOAD_TOKENS:
    case STORE_LOAD_FLEET:
    case STORE_LOAD_COSTS:
    case STORE_GET_SETTING:
    case STORE_OP_COUNT:
        break;
    }
    core_apply(&hub->core, &event);
}

/* False: a ring is full, try later. */
static bool carry_out(struct hub *hub, struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_STORE:
        if (hub->store)
            return store_send(hub->store, effect->command);
        answer_without_store(hub, effect->command);
        return true;
    case EFFECT_SEND:
        return send(hub, effect);
    case EFFECT_CANCEL:
        return cancel(hub, effect);
    case EFFECT_PROBE:
        return probe(hub, effect);
    case EFFECT_LOAD:
        return load(hub, effect->endpoint);
    case EFFECT_UNLOAD:
        return unload(hub, effect->endpoint);
    case EFFECT_SCAN_MODELS:
        scan_models(hub);
        return true;
    }
    return true;
}

static void carry_out_all(struct hub *hub)
{
    struct effect effect;
    size_t n_left = 0, n = hub->n_waiting;
    bool store_is_full = false;
    for (size_t i = 0; i < n; i++) {
        bool waits = hub->waiting[i].kind == EFFECT_STORE && store_is_full;
        if (waits || !carry_out(hub, &hub->waiting[i])) {
            store_is_full |= hub->waiting[i].kind == EFFECT_STORE;
            hub->waiting[n_left++] = hub->waiting[i];
        }
    }
    hub->n_waiting = n_left;
    while (core_take_effect(&hub->core, &effect)) {
        bool waits = effect.kind == EFFECT_STORE && store_is_full;
        if (!waits && carry_out(hub, &effect))
            continue;
        store_is_full |= effect.kind == EFFECT_STORE;
        hub->waiting = mem_resize(hub->waiting, (hub->n_waiting + 1) * sizeof *hub->waiting);
        hub->waiting[hub->n_waiting++] = effect;
    }
}

/* ---- events in -------------------------------------------------------------------------- */

static void drain_tokens(struct hub *hub, int i)
{
    struct local *local = &hub->locals[i];
    if (local->is_closing)
        return;
    if (!local->record) {
        if (engine_state(local->engine) != ENGINE_READY)
            return;
        local->record = mem_alloc(token_record_bytes(engine_shape(local->engine)));
    }
    uint64_t n_lost = 0; /* the statistics do without some */
    while (engine_poll_token(local->engine, local->record, &n_lost))
        core_apply_token(&hub->core, engine_shape(local->engine), local->record);
}

static bool is_late(uint64_t end_ns)
{
    return clock_now_ns() >= end_ns;
}

/* The records of a token are in the ring before its text: the last event must not overtake
 * them. */
static bool drain_engine(struct hub *hub, int i, uint64_t end_ns)
{
    struct event event;
    while (engine_poll_event(hub->locals[i].engine, &event)) {
        if (event.kind == EV_DONE) {
            drain_tokens(hub, i);
            hub->locals[i].n_open--;
        } else if (event.kind == EV_MODEL) {
            event.u.model.endpoint = i;
        }
        core_apply(&hub->core, &event);
        if (is_late(end_ns))
            return true;
    }
    drain_tokens(hub, i);
    return false;
}

/* Engines that ended as they were asked to. */
static void finish_locals(struct hub *hub)
{
    for (int i = 0; i < hub->core.fleet.n_endpoints; i++)
        if (hub->locals[i].is_closing &&
                engine_state(hub->locals[i].engine) == ENGINE_STOPPED) {
            close_local(&hub->locals[i]);
            apply_stopped(hub, i);
        }
}

static bool drain(struct hub *hub, uint64_t end_ns)
{
    struct event event;
    while (hub->store && store_poll_event(hub->store, &event)) {
        core_apply(&hub->core, &event);
        if (is_late(end_ns))
            return true;
    }
    for (int i = 0; i < hub->core.fleet.n_endpoints; i++)
        if (hub->locals[i].engine && drain_engine(hub, i, end_ns))
            return true;
    finish_locals(hub);
    while (hub->scan && scan_poll_event(hub->scan, &event))
        core_apply(&hub->core, &event);
    while (hub->net && net_poll_event(hub->net, &event)) {
        core_apply(&hub->core, &event);
        if (is_late(end_ns))
            return true;
    }
    return false;
}

void hub_step(struct hub *hub, uint64_t budget_ns)
{
    uint64_t now = clock_now_ns(), deadline = core_deadline(&hub->core);
    queue_unpoke(hub->fd);
    if (deadline && now >= deadline)
        core_apply(&hub->core, &(struct event){.kind = EV_TIMER, .t_ns = now});
    carry_out_all(hub);
    hub->has_more = drain(hub, now + budget_ns);
    carry_out_all(hub);
}

void hub_act(struct hub *hub, struct action *action)
{
    struct event event = {.kind = EV_ACTION, .t_ns = clock_now_ns(), .u.action = action};
    bool is_reconfigured = action->kind == ACTION_CONFIGURE;
    core_apply(&hub->core, &event);
    if (is_reconfigured)
        match_locals(hub);
    carry_out_all(hub);
}

static bool is_saving(const struct hub *hub)
{
    return hub->store &&
           (hub->core.n_store_pending || hub->n_waiting || core_deadline(&hub->core));
}

enum status hub_save(struct hub *hub, struct err *err)
{
    uint64_t end = clock_now_ns() + CLOSE_WAIT_NS;
    hub->has_more = drain(hub, clock_now_ns() + 50000000u);
    core_shut_down(&hub->core, clock_now_ns());
    carry_out_all(hub);
    while (is_saving(hub) && clock_now_ns() < end) {
        struct pollfd fd = {hub->fd, POLLIN, 0};
        poll(&fd, 1, hub->has_more || core_deadline(&hub->core) ? 0 : 20);
        hub_step(hub, 50000000u);
    }
    if (is_saving(hub))
        return err_set(
                err, ERR_IO, "the disk does not answer: what came last may not be saved");
    return core_unsaved(&hub->core, err);
}

void hub_close(struct hub *hub)
{
    struct err err;
    if (!hub->core.is_shutting_down && hub_save(hub, &err) != OK)
        err = (struct err){0}; /* who wants to know asks hub_save */
    for (int i = 0; i < hub->n_locals; i++)
        close_local(&hub->locals[i]);
    scan_close(hub->scan);
    net_close(hub->net);
    store_close(hub->store);
    for (size_t i = 0; i < hub->n_waiting; i++) {
        request_free(hub->waiting[i].request);
        store_command_free(hub->waiting[i].command);
    }
    mem_free(hub->waiting);
    mem_free(hub->locals);
    backend_choice_release(&hub->backend);
    mem_free(hub->models_dir);
    core_release(&hub->core);
    close(hub->fd);
    mem_free(hub);
}
