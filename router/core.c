/*
 * core.c - the core's state and its door: events in, effects out. No clock, no file, no thread.
 */
#include "router/core.h"

#include <stdio.h>
#include <string.h>

#include "router/balance.h"
#include "router/core_internal.h"
#include "router/history.h"
#include "router/pilot.h"
#include "router/session.h"
#include "router/store.h"

struct action *action_new(enum action_kind kind)
{
    struct action *action = mem_alloc(sizeof *action);
    action->kind = kind;
    action->params = gen_params_default();
    return action;
}

void action_free(struct action *action)
{
    if (!action)
        return;
    mem_free(action->text);
    mem_free(action->text2);
    mem_free(action->extra_json);
    mem_free(action);
}

void core_init(struct core *core, const struct core_config *cfg)
{
    *core = (struct core){.use_endpoint = -1,
            .max_zone = cfg->max_zone,
            .budget = {cfg->budget_day_nusd > 0 ? cfg->budget_day_nusd : -1, 0},
            .remembers_session = cfg->remembers_session,
            .can_ask = cfg->can_ask,
            .help = cfg->help,
            .rng = cfg->seed,
            .next_request_id = 1,
            .base_ms = cfg->now_ms,
            .day_end_ms = history_next_day_ms(cfg->now_ms)};
    fleet_configure(&core->fleet, cfg->endpoints, cfg->n_endpoints);
    models_match(core);
    core->session = session_new(core_new_id(core, 0), cfg->now_ms);
    if (core->budget.day_nusd >= 0)
        budget_ask(core, 0); /* what was spent today before us */
    if (cfg->has_history)
        disk_ask(core, history_command(cfg->now_ms));
    if (cfg->remembers_session)
        disk_ask_theme(core);
}

static void free_effect(struct effect *effect)
{
    request_free(effect->request);
    store_command_free(effect->command);
}

void core_release(struct core *core)
{
    session_free(core->session);
    for (size_t i = 0; i < core->n_others; i++)
        session_free(core->others[i]);
    for (size_t i = 0; i < core->n_runs; i++)
        mem_free(core->runs[i].extra_json);
    for (size_t i = 0; i < core->n_effects; i++)
        free_effect(&core->effects[i]);
    for (size_t i = 0; i < core->n_unsaved; i++)
        store_command_free(core->unsaved[i]);
    store_command_free(core->found_owner);
    mem_free(core->trashed);
    decisions_release(core);
    models_release(core);
    balance_free(core->balance);
    mem_free(core->others);
    mem_free(core->runs);
    mem_free(core->effects);
    mem_free(core->unsaved);
    arena_release(&core->fleet.arena);
    *core = (struct core){0};
}

void core_notice(struct core *core, uint64_t t_ns, enum status status, const char *fmt, ...)
{
    struct notice *notice = &core->notices[core->n_notices++ % NOTICE_MAX];
    va_list va;
    va_start(va, fmt);
    vsnprintf(notice->text, sizeof notice->text, fmt, va);
    va_end(va);
    notice->text[utf8_whole(notice->text, strlen(notice->text))] = '\0';
    utf8_make_printable(notice->text);
    notice->status = status;
    notice->t_ns = t_ns;
    core->version++;
}

int64_t core_unix_ms(const struct core *core, uint64_t t_ns)
{
    return core->base_ns && t_ns > core->base_ns
                   ? core->base_ms + (int64_t)((t_ns - core->base_ns) / 1000000u)
                   : core->base_ms;
}

/* Milliseconds and chance: sorts by time, and two processes never meet. Within a millisecond,
 * or when the clock was set back, the next number: an answer sorts behind its question. */
int64_t core_new_id(struct core *core, uint64_t t_ns)
{
    uint64_t ms = (uint64_t)core_unix_ms(core, t_ns);
    int64_t id = (int64_t)((ms << 20 | (rng_next(&core->rng) & 0xFFFFF)) & INT64_MAX);
    core->newest_id = id > core->newest_id ? id : core->newest_id + 1;
    return core->newest_id;
}

void core_saw_id(struct core *core, int64_t id)
{
    if (id > core->newest_id &&
            id < INT64_MAX / 2) /* a damaged row must not use up the numbers */
        core->newest_id = id;
}

void core_add_effect(struct core *core, const struct effect *effect)
{
    if (core->n_effects == core->cap_effects)
        core->effects = mem_resize(core->effects,
                (core->cap_effects = core->cap_effects ? core->cap_effects * 2 : 16) *
                        sizeof *core->effects);
    core->effects[core->n_effects++] = *effect;
}

void core_cancel_request(struct core *core, const struct run *run)
{
    core_add_effect(core, &(struct effect){.kind = EFFECT_CANCEL,
                                  .endpoint = run->endpoint,
                                  .request_id = run->request_id});
}

bool core_take_effect(struct core *core, struct effect *out)
{
    if (core->n_effects == 0)
        return false;
    *out = core->effects[0];
    memmove(core->effects, core->effects + 1, --core->n_effects * sizeof *core->effects);
    return true;
}

struct session *core_find_message(const struct core *core, int64_t id, struct message **message)
{
    if ((*message = session_find(core->session, id)))
        return core->session;
    for (size_t i = 0; i < core->n_others; i++)
        if ((*message = session_find(core->others[i], id)))
            return core->others[i];
    return NULL;
}

struct features core_features(const struct core *core, const struct chat_message *messages,
        int n_messages, struct slice extra_json)
{
    struct features f = features_of(messages, n_messages, extra_json);
    if (fleet_pilot(&core->fleet) >= 0 && pilot_is_asked(core->help, messages, n_messages))
        f.domain = DOMAIN_SHUNT;
    return f;
}

struct run *core_find_run(const struct core *core, uint32_t request_id)
{
    for (size_t i = 0; i < core->n_runs; i++)
        if (core->runs[i].request_id == request_id)
            return &core->runs[i];
    return NULL;
}

const struct run *core_run_of(const struct core *core, int64_t message_id)
{
    for (size_t i = 0; i < core->n_runs; i++)
        if (core->runs[i].message_id == message_id)
            return &core->runs[i];
    return NULL;
}

bool core_is_refused(const struct core *core, const struct run *run)
{
    return run->phase == RUN_WAITS_FOR_STORE &&
           (core->disk_failed_ns || core->n_store_pending == 0);
}

struct run *core_run_in(const struct core *core, const struct session *session)
{
    for (size_t i = 0; i < core->n_runs; i++)
        if (session_find(session, core->runs[i].message_id))
            return &core->runs[i];
    return NULL;
}

bool core_is_busy(const struct core *core)
{
    return core->n_runs || core->n_store_pending || core->n_unsaved || core->is_loading;
}

static bool is_needed(const struct core *core, const struct session *s)
{
    if (core->disk_failed_ns || core_run_in(core, s))
        return true;
    for (size_t i = 0; i < s->n_messages; i++)
        if (!s->messages[i]->is_saved)
            return true;
    return false;
}

void core_leave_session(struct core *core)
{
    disk_put_draft(core);
    core->others = mem_resize(core->others, (core->n_others + 1) * sizeof *core->others);
    core->others[core->n_others++] = core->session;
    core->session = NULL;
    core_forget_saved(core);
    balance_free(core->balance);
    core->balance = NULL;
    core->is_dense = false;
    core->has_decision = false; /* it was about the session that goes */
}

/* Another process may write it now. */
static void let_go(struct core *core, const struct session *session)
{
    if (session->writer_pid || session->n_messages == 0)
        return;
    struct store_command *c = store_command_new(STORE_RELEASE);
    c->session.id = session->id;
    disk_ask(core, c);
}

void core_forget_saved(struct core *core)
{
    for (size_t i = core->n_others; i-- > 0;)
        if (!is_needed(core, core->others[i])) {
            let_go(core, core->others[i]);
            session_free(core->others[i]);
            core->others[i] = core->others[--core->n_others];
        }
}

/* The name stays: an endpoint that comes back has its session again. */
void core_take_choice(struct core *core, uint64_t t_ns)
{
    const char *name = core->session->endpoint;
    core->use_endpoint = name[0] ? fleet_find_present(&core->fleet, name) : -1;
    if (name[0] && core->use_endpoint < 0)
        core_notice(core, t_ns, ERR_CONFIG,
                "this session was to be answered by %s, which is no longer in the "
                "configuration: the router chooses",
                name);
}

bool core_show_session(struct core *core, int64_t id, uint64_t t_ns)
{
    if (core->session->id == id &&
            !core->session->writer_pid) /* else: perhaps it is free by now */
        return true;
    for (size_t i = 0; i < core->n_others; i++)
        if (core->others[i]->id == id) {
            struct session *s = core->others[i];
            core->others[i] = core->others[--core->n_others];
            core_leave_session(core);
            core->session = s;
            core_take_choice(core, t_ns);
            const struct message *leaf = session_find(s, s->leaf_id);
            if (leaf)
                core_show_tokens(core, leaf);
            disk_remember_shown(core);
            return true;
        }
    return false;
}

void core_apply(struct core *core, const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EV_ACTION:
        core->base_ms = event->u.action->now_ms ? event->u.action->now_ms : core->base_ms;
        core->base_ns = event->t_ns;
        actions_apply(core, event->u.action, event->t_ns);
        action_free(event->u.action);
        break;
    case EV_STORE:
        disk_apply(core, event->u.command, event->t_ns);
        break;
    case EV_PROBE:
        probe_apply(core, event);
        break;
    case EV_MODEL:
        models_take_state(core, event);
        break;
    case EV_MODEL_FILE:
        models_take_file(core, event->u.file);
        break;
    case EV_SCAN_END:
        models_take_scan_end(core, &event->u.memory);
        break;
    case EV_TIMER:
        disk_timer(core, event->t_ns);
        runs_timer(core, event->t_ns);
        budget_timer(core, event->t_ns);
        break;
    case EV_NONE:
    case EV_KIND_COUNT:
        break;
    default:
        runs_apply(core, event);
    }
}

/* The answer a record belongs to: of a running request, or of one that just ended. */
static struct message *message_of_record(const struct core *core, uint32_t request_id)
{
    struct message *m = NULL;
    const struct run *run = core_find_run(core, request_id);
    if (run)
        core_find_message(core, run->message_id, &m);
    else if ((m = session_find(core->session, core->session->leaf_id)) &&
             m->request_id != request_id)
        m = NULL;
    return m;
}

void core_apply_token(struct core *core, const struct telemetry_shape *shape,
        const struct token_record *record)
{
    core->is_dense = shape->n_moe_layers == 0;
    core->version++;
    struct message *m = message_of_record(core, record->request_id);
    if (!m)
        return;
    size_t n_bytes = token_record_bytes(shape);
    if (m->tokens.record_bytes == 0) {
        m->tokens.shape = *shape;
        m->tokens.record_bytes = n_bytes;
    }
    if (m->tokens.record_bytes == n_bytes)
        buf_add(&m->tokens.records, record, n_bytes);
    if (core->is_dense)
        return;
    if (!core->balance || memcmp(&core->balance->shape, shape, sizeof *shape) != 0) {
        balance_free(core->balance);
        core->balance = balance_new(shape, 512);
    }
    balance_add(core->balance, record);
}

void core_show_tokens(struct core *core, const struct message *m)
{
    const struct token_log *log = &m->tokens;
    if (log->record_bytes == 0 || core->balance)
        return;
    core->is_dense = log->shape.n_moe_layers == 0;
    if (core->is_dense)
        return;
    core->balance = balance_new(&log->shape, 512);
    for (size_t at = 0; at + log->record_bytes <= log->records.n; at += log->record_bytes)
        balance_add(core->balance, (const struct token_record *)(log->records.ptr + at));
}

uint32_t core_ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (uint32_t)((to_ns - from_ns) / 1000000u) : 0;
}

uint64_t core_earlier(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

uint64_t core_deadline(const struct core *core)
{
    return core_earlier(
            core_earlier(disk_deadline(core), runs_deadline(core)), budget_deadline(core));
}

void core_shut_down(struct core *core, uint64_t now_ns)
{
    struct outcome stopped = {.err = {.status = ERR_CANCELLED}, .retry_after_ms = -1};
    while (core->n_runs) {
        struct run *run = &core->runs[0];
        core_cancel_request(core, run);
        runs_end(core, run, MESSAGE_STOPPED, &stopped, now_ns);
    }
    disk_put_draft(core);
    disk_shut_down(core, now_ns);
}
