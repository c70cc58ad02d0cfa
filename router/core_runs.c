/*
 * core_runs.c - a request's way: decided, sent, answered; tried again or elsewhere as long as
 * the user has seen nothing of it; ended. One budget of attempts per request.
 */
#include <stdio.h>
#include <string.h>

#include "engine/builtin.h"

#include "router/core.h"
#include "router/core_internal.h"
#include "router/decision_json.h"
#include "router/endpoint.h"
#include "router/pilot.h"
#include "router/prices.h"
#include "router/session.h"
#include "router/store.h"

#define ATTEMPTS_MAX      8
#define RETRY_WAIT_MAX_MS 30000
#define RETRY_PATIENCE_MS 2500 /* who can answer now is asked before anybody waits longer */
#define BACKOFF_MS        500
#define BACKOFF_MAX_MS    8000
#define CHECKPOINT_NS     1500000000ull /* of two seconds that may be lost: the disk needs some */

struct run *runs_begin(struct core *core, struct message *answer)
{
    core->runs = mem_resize(core->runs, (core->n_runs + 1) * sizeof *core->runs);
    struct run *run = &core->runs[core->n_runs++];
    *run = (struct run){.request_id = core->next_request_id++,
            .message_id = answer->id,
            .endpoint = -1,
            .only_endpoint = core->use_endpoint,
            .own_endpoint = answer->text.n ? fleet_find(&core->fleet, answer->endpoint) : -1,
            .params = gen_params_default(),
            .phase = RUN_WAITS_FOR_STORE};
    run->params.seed = rng_next(&core->rng);
    return run;
}

static void remove_run(struct core *core, struct run *run)
{
    mem_free(run->extra_json);
    *run = core->runs[--core->n_runs];
}

/* What the model gets: the path to the answer, and its own partial text when it is to go on. */
static void fill_request(
        struct request *request, const struct session *s, const struct message *answer)
{
    struct message **path;
    size_t n = session_path(s, &path);
    if (s->system.n)
        request_add_message(request, MSG_SYSTEM, buf_slice(&s->system));
    for (size_t i = 0; i < n; i++) {
        if (path[i]->text.n) /* failed answers without text say nothing */
            request_add_message(request, path[i]->role, buf_slice(&path[i]->text));
        if (path[i] == answer)
            break;
    }
    mem_free(path);
}

static void put_decision(struct core *core, const struct run *run, uint64_t t_ns)
{
    struct store_command *c = store_command_new(STORE_PUT_DECISION);
    struct buf json;
    buf_init(&json, 1 << 20);
    decision_print_json(&run->decision, &core->fleet, &json);
    c->session.used_ms = core_unix_ms(core, t_ns);
    c->message_id = run->message_id;
    c->value = (struct slice){arena_strndup(&c->arena, buf_text(&json), json.n), json.n};
    decisions_add(core, run, buf_slice(&json));
    buf_release(&json);
    disk_put(core, c);
}

static void decide(
        struct core *core, struct run *run, const struct request *request, uint64_t t_ns)
{
    struct features f = core_features(core, request->messages, request->n_messages,
            slice_of(run->extra_json ? run->extra_json : ""));
    struct policy_world world = {&core->fleet, core->budget, t_ns};
    if (run->is_confirmed)
        world.budget.day_nusd = -1;
    f.max_zone = core->max_zone;
    f.only_endpoint = run->only_endpoint;
    if (run->params.max_tokens && run->params.max_tokens < f.n_output_tok)
        f.n_output_tok = run->params.max_tokens;
    bool is_own = f.only_endpoint < 0 && run->own_endpoint >= 0;
    if (is_own) {
        f.only_endpoint = run->own_endpoint;
        policy_decide(&run->decision, &f, &world, run->tried);
        f.only_endpoint = -1;
    }
    if (!is_own || run->decision.verdict != VERDICT_SEND)
        policy_decide(&run->decision, &f, &world, run->tried);
    else
        snprintf(run->decision.reason, sizeof run->decision.reason,
                "%s: goes on with its own answer",
                core->fleet.endpoints[run->own_endpoint].conf->name);
    run->decision.request_id = run->request_id;
    run->decision.t_ms = core_unix_ms(core, t_ns);
    core->last_decision = run->decision;
    core->has_decision = true;
    if (run->decision.verdict != VERDICT_ASK || run->knows_budget)
        put_decision(core, run, t_ns); /* else today's sum is looked up, and it is made anew */
}

static void refuse(struct core *core, struct run *run, uint64_t t_ns)
{
    struct outcome outcome = {.retry_after_ms = -1};
    err_set(&outcome.err, ERR_DENIED, "%s", run->decision.reason);
    if (core->models.was_scanned)
        models_scan(core); /* a file may have been mended: the next try knows */
    runs_end(core, run, MESSAGE_FAILED, &outcome, t_ns);
}

static void tell_of_extra(struct core *core, const struct run *run, uint64_t t_ns)
{
    const struct endpoint_conf *conf = core->fleet.endpoints[run->endpoint].conf;
    if (run->extra_json && !endpoint_takes_extra(conf))
        core_notice(core, t_ns, ERR_UNSUPPORTED,
                "%s does not take these fields of the request, they are left out: %.100s",
                conf->name, run->extra_json);
}

static void send(struct core *core, struct run *run, struct request *request, uint64_t t_ns)
{
    tell_of_extra(core, run, t_ns);
    struct message *answer;
    struct session *s = core_find_message(core, run->message_id, &answer);
    const struct endpoint_conf *conf = core->fleet.endpoints[run->endpoint].conf;
    snprintf(answer->endpoint, sizeof answer->endpoint, "%s", conf->name);
    snprintf(answer->model, sizeof answer->model, "%s",
            conf->model ? builtin_name(conf->model) : "");
    answer_begin_attempt(run, answer, conf);
    answer->request_id = run->request_id;
    answer->version++;
    request->attempt = run->attempt;
    request->params = run->params;
    if (endpoint_is_pilot(conf))
        pilot_set_params(&request->params);
    if (run->extra_json)
        request->extra_json = slice_of(arena_strdup(&request->arena, run->extra_json));
    for (int i = 0; i < request->params.n_stop; i++)
        request->params.stop[i] = slice_of(
                arena_strndup(&request->arena, run->params.stop[i].ptr, run->params.stop[i].n));
    request->endpoint = endpoint_conf_copy(&request->arena, conf);
    run->phase = RUN_SENT;
    run->stage = STAGE_QUEUED;
    run->fraction = -1;
    run->t_sent_ns = t_ns;
    run->t_saved_ns = t_ns;
    run->t_first_ns = 0;
    run->t_reasoning_ns = run->reasoning_ns = 0;
    core_add_effect(
            core, &(struct effect){
                          .kind = EFFECT_SEND, .endpoint = run->endpoint, .request = request});
    fleet_observe(&core->fleet,
            &(struct observation){.endpoint = run->endpoint, .what = SEEN_START}, t_ns);
    disk_put_messages(
            core, s, &answer, 1, 0); /* from here on a crash leaves an interrupted answer */
}

/* Takes the request and gives the one that goes out. */
static struct request *with_help(
        const struct core *core, const struct run *run, struct request *whole)
{
    bool is_pilot = endpoint_is_pilot(core->fleet.endpoints[run->endpoint].conf);
    if (!is_pilot && !run->asks_help)
        return whole;
    struct request *out =
            is_pilot ? pilot_request(core->help, whole) : pilot_help_request(core->help, whole);
    request_free(whole);
    return out;
}

static void send_again(struct core *core, struct run *run, uint64_t t_ns)
{
    struct message *answer;
    const struct session *s = core_find_message(core, run->message_id, &answer);
    struct request *request = request_new(run->request_id);
    fill_request(request, s, answer);
    request = with_help(core, run, request);
    send(core, run, request, t_ns);
}

/* To the endpoint of the decision: what costs money is entered into today's spending of all
 * processes first. */
static void go(struct core *core, struct run *run, uint64_t t_ns)
{
    const struct candidate *c = &run->decision.candidates[run->decision.chosen];
    const struct endpoint_conf *conf = core->fleet.endpoints[c->endpoint].conf;
    run->endpoint = c->endpoint;
    run->n_retries_left = conf->retries;
    if (c->price_nusd == 0) {
        send_again(core, run, t_ns);
        return;
    }
    run->phase = RUN_RESERVES;
    budget_reserve(core, run, c->price_nusd);
}

/* It was switched off or drained while the reservation was on its way. */
static bool is_out(const struct core *core, const struct run *run)
{
    const struct endpoint_state *e = &core->fleet.endpoints[run->endpoint];
    return !e->conf->enabled ||
           (e->switched == SWITCH_DRAIN && run->only_endpoint != run->endpoint);
}

void runs_reserved(struct core *core, const struct store_command *answer, uint64_t t_ns)
{
    struct run *run = answer->tag ? core_find_run(core, (uint32_t)answer->tag) : NULL;
    bool is_ours = run && run->phase == RUN_RESERVES;
    budget_take(core, answer, is_ours, t_ns);
    if (!is_ours) {
        if (answer->tag) /* stopped meanwhile */
            budget_give_back(core, answer);
        return;
    }
    if (answer->amount_nusd == 0 || answer->is_above_limit) { /* another process was faster:
                              with what is left now, the choice may be another */
        runs_dispatch(core, run, t_ns);
        return;
    }
    if (is_out(core, run)) {
        budget_give_back(core, answer);
        runs_dispatch(core, run, t_ns);
        return;
    }
    run->reserved_nusd = answer->err.status == OK ? answer->amount_nusd : 0;
    snprintf(run->reserved_day, sizeof run->reserved_day, "%.*s", (int)answer->value.n,
            answer->value.ptr);
    send_again(core, run, t_ns);
}

static void wait_for_route(struct core *core, struct run *run, uint64_t t_ns)
{
    run->phase = RUN_WAITS_FOR_ROUTE;
    run->t_retry_ns = run->decision.wait_until_ns;
    core_notice(core, t_ns, OK, "%s", run->decision.reason);
}

/* Who would have been better is out because of money: that is worth a word. */
static void tell_of_budget(struct core *core, const struct run *run, uint64_t t_ns)
{
    const struct decision *d = &run->decision;
    for (int i = 0; i < d->n_candidates; i++)
        if (d->candidates[i].filter == FILTER_BUDGET &&
                d->candidates[i].cost_nusd < d->candidates[d->chosen].cost_nusd) {
            core_notice(core, t_ns, OK,
                    "%s would be better, but today's budget keeps it out: %s answers",
                    core->fleet.endpoints[d->candidates[i].endpoint].conf->name,
                    core->fleet.endpoints[d->candidates[d->chosen].endpoint].conf->name);
            return;
        }
}

/* It may be another day, or another process has given something back. */
static void ask_for_budget(struct core *core, struct run *run)
{
    run->knows_budget = true;
    run->phase = RUN_RESERVES;
    budget_ask(core, run->request_id);
}

void runs_dispatch(struct core *core, struct run *run, uint64_t t_ns)
{
    struct message *answer;
    const struct session *s = core_find_message(core, run->message_id, &answer);
    struct request *request = request_new(run->request_id);
    fill_request(request, s, answer);
    decide(core, run, request, t_ns);
    request_free(request);
    core->version++;
    answer->version++;
    if (run->decision.verdict == VERDICT_SEND) {
        tell_of_budget(core, run, t_ns);
        go(core, run, t_ns);
    } else if (run->decision.verdict == VERDICT_WAIT)
        wait_for_route(core, run, t_ns);
    else if (run->decision.verdict == VERDICT_ASK && !run->knows_budget)
        ask_for_budget(core, run);
    else if (run->decision.verdict == VERDICT_ASK && core->can_ask)
        run->phase = RUN_ASKS;
    else
        refuse(core, run, t_ns);
}

void runs_confirm(struct core *core, struct run *run, uint64_t t_ns)
{
    run->is_confirmed = true;
    runs_dispatch(core, run, t_ns);
}

void runs_stop(struct core *core, struct run *run, uint64_t t_ns)
{
    struct outcome stopped = {.err = {.status = ERR_CANCELLED}, .retry_after_ms = -1};
    if (run->phase == RUN_SENT) { /* the producer's last event ends the run */
        core_cancel_request(core, run);
        run->phase = RUN_STOPPING;
    } else if (run->phase != RUN_STOPPING) {
        runs_end(core, run, MESSAGE_STOPPED, &stopped, t_ns);
    }
}

/* A retry that brought nothing leaves the answer that was there. */
static void show_old_answer(struct core *core, const struct run *run, struct session *s,
        const struct message *answer, uint64_t t_ns)
{
    if (!run->old_answer_id || answer->text.n || s->leaf_id != answer->id)
        return;
    s->leaf_id = run->old_answer_id;
    if (answer->state == MESSAGE_FAILED)
        core_notice(core, t_ns, ERR_USAGE, "%s; the earlier answer stays",
                buf_text(&answer->error));
}

void runs_end(struct core *core, struct run *run, enum message_state state,
        const struct outcome *outcome, uint64_t t_ns)
{
    struct message *answer;
    struct session *s = core_find_message(core, run->message_id, &answer);
    answer->state = state;
    answer->finish = outcome->finish_reason;
    answer->error_status = outcome->err.status;
    answer->retry_after_ms = outcome->retry_after_ms;
    buf_clear(&answer->error);
    buf_add_text(&answer->error, state == MESSAGE_FAILED ? outcome->err.text : "");
    if (run->phase == RUN_SENT || run->phase == RUN_STOPPING)
        answer_count_attempt(core, run, answer, t_ns);
    if (run->endpoint >= 0)
        budget_settle(core, run);
    if (state == MESSAGE_STOPPED)
        core->stopped_ns = t_ns;
    if (state != MESSAGE_DONE)
        show_old_answer(core, run, s, answer, t_ns);
    answer->is_saved = false;
    answer->version++;
    core->version++;
    remove_run(core, run);
    disk_put_messages(core, s, &answer, 1, 0);
    disk_put_tokens(core, answer);
}

static void observe_end(
        struct core *core, const struct run *run, const struct outcome *outcome, uint64_t t_ns)
{
    struct observation o = {.endpoint = run->endpoint,
            .what = SEEN_END,
            .status = outcome->err.status,
            .retry_after_ms = outcome->retry_after_ms,
            .ms = run->t_first_ns ? core_ms_between(run->t_first_ns, t_ns) : 0,
            .n_output_tok = run->usage.output == TOKENS_UNKNOWN ? 0 : run->usage.output,
            .cost_nusd =
                    prices_cost_nusd(core->fleet.endpoints[run->endpoint].conf, &run->usage)};
    uint64_t open_until_ns = core->fleet.endpoints[run->endpoint].open_until_ns;
    fleet_observe(&core->fleet, &o, t_ns);
    models_used(core, run->endpoint, t_ns);
    if (core->fleet.endpoints[run->endpoint].open_until_ns != open_until_ns)
        disk_put_breaker(core, run->endpoint);
    if (outcome->err.status != OK)
        fleet_set_error(&core->fleet, run->endpoint, slice_of(outcome->err.text));
}

/* -1: not again at this endpoint. */
static int64_t retry_wait_ms(
        struct core *core, const struct run *run, const struct outcome *outcome)
{
    if (!status_is_retryable(outcome->err.status) || run->n_retries_left == 0 ||
            run->attempt + 1 >= ATTEMPTS_MAX)
        return -1;
    if (outcome->retry_after_ms >= 0)
        return outcome->retry_after_ms <= RETRY_WAIT_MAX_MS ? outcome->retry_after_ms : -1;
    uint64_t ms = BACKOFF_MS;
    for (uint8_t i = 0; i < run->attempt && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return (int64_t)((double)ms * (1 - 0.25 * rng_uniform(&core->rng)));
}

/* Errors that are the request's own fault would be the same everywhere. */
static bool may_help_elsewhere(enum status status)
{
    return status != ERR_INVALID && status != ERR_FILTER && status != ERR_CANCELLED;
}

static bool try_elsewhere(
        struct core *core, struct run *run, const struct outcome *outcome, uint64_t t_ns)
{
    if (run->only_endpoint >= 0 || !may_help_elsewhere(outcome->err.status) ||
            run->attempt + 1 >= ATTEMPTS_MAX)
        return false;
    struct message *answer;
    const struct session *s = core_find_message(core, run->message_id, &answer);
    struct request *request = request_new(run->request_id);
    struct decision before = run->decision;
    run->tried |= (uint64_t)1 << run->endpoint;
    fill_request(request, s, answer);
    decide(core, run, request, t_ns);
    request_free(request);
    if (run->decision.verdict != VERDICT_SEND) {
        run->decision = before;
        core->last_decision = before;
        return false;
    }
    budget_settle(core, run);
    run->attempt++;
    int next = run->decision.candidates[run->decision.chosen].endpoint;
    core_notice(core, t_ns, outcome->err.status, "%s; going on with %s", outcome->err.text,
            core->fleet.endpoints[next].conf->name);
    go(core, run, t_ns);
    return true;
}

static void end_failed(
        struct core *core, struct run *run, const struct outcome *outcome, uint64_t t_ns)
{
    int64_t wait_ms = run->t_first_ns ? -1 : retry_wait_ms(core, run, outcome);
    if (wait_ms > RETRY_PATIENCE_MS && try_elsewhere(core, run, outcome, t_ns))
        return;
    if (wait_ms >= 0) {
        run->phase = RUN_WAITS_FOR_RETRY;
        run->t_retry_ns = t_ns + (uint64_t)wait_ms * 1000000u;
        run->n_retries_left--;
        run->attempt++;
        core_notice(core, t_ns, outcome->err.status, "%s; trying again in %.1f s",
                outcome->err.text, (double)wait_ms / 1000);
        return;
    }
    if (!run->t_first_ns && try_elsewhere(core, run, outcome, t_ns))
        return;
    runs_end(core, run, MESSAGE_FAILED, outcome, t_ns);
}

static void take_done(struct core *core, struct run *run, struct message *answer,
        const struct outcome *outcome, uint64_t t_ns)
{
    if (outcome->err.status == OK)
        answer_give_back_echo(run, answer);
    answer_count_attempt(core, run, answer, t_ns);
    observe_end(core, run, outcome, t_ns);
    if (run->phase == RUN_STOPPING || outcome->err.status == ERR_CANCELLED)
        runs_end(core, run, MESSAGE_STOPPED, outcome, t_ns);
    else if (outcome->err.status != OK)
        end_failed(core, run, outcome, t_ns);
    else
        runs_end(core, run, MESSAGE_DONE, outcome, t_ns);
}

static void free_payload(const struct event *event)
{
    if (event->kind == EV_DONE)
        mem_free(event->u.outcome);
    else if (event->kind == EV_TOOL)
        tool_call_free(event->u.tool);
}

/* Pieces that still fit would follow those that did not. */
static void end_too_large(
        struct core *core, struct run *run, struct message *answer, uint64_t t_ns)
{
    struct outcome outcome = {.retry_after_ms = -1};
    err_set(&outcome.err, ERR_PROTOCOL, "the answer is larger than %u MB",
            MESSAGE_MAX_BYTES >> 20);
    core_cancel_request(core, run);
    take_done(core, run, answer, &outcome, t_ns);
}

void runs_apply(struct core *core, const struct event *event)
{
    struct run *run = core_find_run(core, event->request_id);
    struct message *answer = NULL;
    bool is_ours = run && event->attempt == run->attempt &&
                   (run->phase == RUN_SENT || run->phase == RUN_STOPPING);
    if (!is_ours ||
            (run->phase == RUN_STOPPING && event->kind != EV_DONE && event->kind != EV_USAGE)) {
        free_payload(event);
        return;
    }
    core_find_message(core, run->message_id, &answer);
    switch ((enum event_kind)event->kind) {
    case EV_TEXT:
    case EV_REASONING:
    case EV_TOOL:
    case EV_USAGE:
        answer_take(core, run, answer, event);
        if (run->phase == RUN_SENT && answer_is_cut(answer))
            end_too_large(core, run, answer, event->t_ns);
        break;
    case EV_STAGE:
        run->stage = event->u.stage.stage;
        run->fraction = event->u.stage.fraction;
        core->version++;
        break;
    case EV_LIMITS:
        fleet_observe(&core->fleet,
                &(struct observation){.endpoint = run->endpoint,
                        .what = SEEN_LIMITS,
                        .limits = &event->u.limits},
                event->t_ns);
        core->version++;
        break;
    case EV_DONE:
        take_done(core, run, answer, event->u.outcome, event->t_ns);
        break;
    default:
        break;
    }
    free_payload(event);
}

void runs_timer(struct core *core, uint64_t t_ns)
{
    for (size_t i = 0; i < core->n_runs; i++) {
        struct run *run = &core->runs[i];
        if (run->phase == RUN_WAITS_FOR_RETRY && t_ns >= run->t_retry_ns)
            send_again(core, run, t_ns);
        else if (run->phase == RUN_WAITS_FOR_ROUTE && t_ns >= run->t_retry_ns)
            runs_dispatch(core, run, t_ns);
        else if (run->phase == RUN_SENT && t_ns >= run->t_saved_ns + CHECKPOINT_NS) {
            struct message *answer;
            struct session *s = core_find_message(core, run->message_id, &answer);
            run->t_saved_ns = t_ns;
            if (core->n_unsaved) /* a full disk gets the whole answer later, not every state of
                                    it */
                continue;
            disk_put_messages(core, s, &answer, 1, 0);
            disk_put_tokens(core, answer);
        }
    }
}

uint64_t runs_deadline(const struct core *core)
{
    uint64_t nearest = 0;
    for (size_t i = 0; i < core->n_runs; i++) {
        const struct run *run = &core->runs[i];
        bool waits = run->phase == RUN_WAITS_FOR_RETRY || run->phase == RUN_WAITS_FOR_ROUTE;
        nearest =
                core_earlier(nearest, waits                    ? run->t_retry_ns
                                      : run->phase == RUN_SENT ? run->t_saved_ns + CHECKPOINT_NS
                                                               : 0);
    }
    return nearest;
}
