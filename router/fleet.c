/*
 * fleet.c - see fleet.h. The breaker opens after three failures in a row, for 15 s, and twice
 * as long with each further one; only failures that say something about the endpoint count.
 * Speeds are an average that the newest observation moves by a third, beside the newest few as
 * they were: the former for estimates, the latter for quantiles.
 */
#include "router/fleet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/event.h"

#include "router/endpoint.h"

#define FAILURES_TO_OPEN 3
#define OPEN_MIN_NS      15000000000ull
#define OPEN_MAX_NS      300000000000ull
#define SERVER_MAX_NS    3600000000000ull /* a server may ask for more: once an hour one tries */
#define LEARN            0.3              /* weight of the newest observation */

float samples_quantile(const struct samples *samples, double q)
{
    float sorted[SAMPLES_MAX];
    uint32_t n = samples->n < SAMPLES_MAX ? samples->n : SAMPLES_MAX;
    for (uint32_t i = 0; i < n; i++) { /* by insertion: few */
        uint32_t k = i;
        for (; k > 0 && sorted[k - 1] > samples->values[i]; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = samples->values[i];
    }
    uint32_t rank = (uint32_t)ceil(q * n);
    return n == 0 ? 0 : sorted[rank > 0 ? rank - 1 : 0];
}

static void add_sample(struct samples *samples, double value)
{
    samples->values[samples->n++ % SAMPLES_MAX] = (float)value;
}

static void take_limit(struct rate_limit *to, uint32_t limit, uint32_t remaining,
        uint32_t reset_ms, uint64_t now_ns)
{
    *to = (struct rate_limit){
            limit, remaining, reset_ms == TOKENS_UNKNOWN ? 0 : now_ns + reset_ms * 1000000ull};
}

static void learn(double *estimate, double value)
{
    *estimate = *estimate > 0 ? *estimate + LEARN * (value - *estimate) : value;
}

/* Failures that say something about the endpoint, not about the request. */
static bool is_endpoint_failure(enum status status)
{
    return status_is_retryable(status) || status == ERR_AUTH || status == ERR_QUOTA;
}

static void open_breaker(struct endpoint_state *e, const struct observation *o, uint64_t now_ns)
{
    uint64_t open_ns = OPEN_MIN_NS;
    for (uint32_t i = FAILURES_TO_OPEN; i < e->n_failed_in_a_row && open_ns < OPEN_MAX_NS; i++)
        open_ns *= 2;
    if (open_ns > OPEN_MAX_NS)
        open_ns = OPEN_MAX_NS;
    if (o->retry_after_ms >= 0 && o->status == ERR_RATE_LIMIT) { /* the server knows better */
        open_ns = (uint64_t)o->retry_after_ms * 1000000u;
        open_ns = open_ns < SERVER_MAX_NS ? open_ns : SERVER_MAX_NS;
    }
    e->open_until_ns = now_ns + open_ns;
}

static void observe_speed(struct endpoint_state *e, const struct observation *o)
{
    if (o->n_output_tok <= 1 || o->ms <= 0)
        return;
    double tok_per_s = (o->n_output_tok - 1) * 1000.0 / o->ms;
    learn(&e->tok_per_s, tok_per_s);
    add_sample(&e->tok_per_s_samples, tok_per_s);
}

static void observe_probe(
        struct endpoint_state *e, const struct observation *o, uint64_t now_ns)
{
    e->is_probing = false;
    e->probe_t_ns = now_ns;
    e->probe_ms = (uint32_t)o->ms;
    slice_to_text(slice_of(o->text), e->probe_error, sizeof e->probe_error);
}

static void observe_end(struct endpoint_state *e, const struct observation *o, uint64_t now_ns)
{
    if (e->n_in_flight)
        e->n_in_flight--;
    e->n_requests++;
    e->failed_with = o->status;
    if (o->cost_nusd > 0) {
        e->cost_nusd += o->cost_nusd;
        e->spent_today_nusd += o->cost_nusd;
    }
    observe_speed(e, o);
    if (o->status == OK) {
        e->n_failed_in_a_row = 0;
        e->open_until_ns = 0;
        return;
    }
    if (!is_endpoint_failure(o->status))
        return;
    e->n_errors++;
    e->n_failed_in_a_row++;
    if (e->n_failed_in_a_row >= FAILURES_TO_OPEN || o->status == ERR_RATE_LIMIT)
        open_breaker(e, o, now_ns);
}

void fleet_observe(struct fleet *fleet, const struct observation *o, uint64_t now_ns)
{
    struct endpoint_state *e = &fleet->endpoints[o->endpoint];
    switch (o->what) {
    case SEEN_START:
        e->n_in_flight++;
        break;
    case SEEN_FIRST_TOKEN:
        learn(&e->ttft_ms, o->ms);
        add_sample(&e->ttft_samples_ms, o->ms);
        break;
    case SEEN_END:
        observe_end(e, o, now_ns);
        break;
    case SEEN_LIMITS:
        take_limit(&e->requests, o->limits->request_limit, o->limits->requests_left,
                o->limits->requests_reset_ms, now_ns);
        take_limit(&e->tokens, o->limits->token_limit, o->limits->tokens_left,
                o->limits->tokens_reset_ms, now_ns);
        break;
    case SEEN_SPEED:
        observe_speed(e, o);
        break;
    case SEEN_BREAKER:
        e->open_until_ns = now_ns + (uint64_t)(o->ms * 1e6);
        break;
    case SEEN_SPENT:
        e->spent_today_nusd = o->cost_nusd + e->cost_nusd; /* none of ours is stored yet */
        e->n_requests += o->n_requests;
        e->n_errors += o->n_errors;
        break;
    case SEEN_PROBE_START:
        e->is_probing = true;
        break;
    case SEEN_PROBE:
        observe_probe(e, o, now_ns);
        break;
    }
}

enum breaker fleet_breaker(const struct endpoint_state *e, uint64_t now_ns)
{
    if (e->open_until_ns == 0)
        return BREAKER_CLOSED;
    if (now_ns < e->open_until_ns)
        return BREAKER_OPEN;
    return e->n_in_flight ? BREAKER_OPEN : BREAKER_HALF_OPEN; /* one request at a time tries */
}

int fleet_find(const struct fleet *fleet, const char *name)
{
    for (int i = 0; i < fleet->n_endpoints; i++)
        if (strcmp(fleet->endpoints[i].conf->name, name) == 0)
            return i;
    return -1;
}

bool fleet_is_remote(const struct fleet *fleet, const char *name)
{
    int i = fleet_find(fleet, name);
    return i >= 0 && fleet->endpoints[i].conf->kind != PROVIDER_LOCAL;
}

int fleet_find_present(const struct fleet *fleet, const char *name)
{
    int i = fleet_find(fleet, name);
    return i >= 0 && !fleet->endpoints[i].is_gone ? i : -1;
}

/* A request on its way keeps the copy it was sent with, so the old one may only be replaced. */
static void set_conf(
        struct fleet *fleet, struct endpoint_state *e, const struct endpoint_conf *conf)
{
    struct endpoint_conf *own = endpoint_conf_copy(&fleet->arena, conf);
    bool is_on = e->switched == SWITCH_NONE ? e->is_on_in_conf : e->switched != SWITCH_OFF;
    own->enabled = is_on && !e->is_gone && !own->is_faulty;
    e->conf = own;
}

static void set_fault(struct endpoint_state *e, const char *fault)
{
    snprintf(e->fault, sizeof e->fault, "%s",
            fault            ? fault
            : e->conf->fault ? e->conf->fault
                             : "");
}

static void take_conf(
        struct fleet *fleet, struct endpoint_state *e, const struct endpoint_conf *conf)
{
    if (e->is_on_in_conf != conf->enabled)
        e->switched = SWITCH_NONE;
    e->is_on_in_conf = conf->enabled;
    set_conf(fleet, e, conf);
    set_fault(e, NULL);
}

static const struct endpoint_conf *find_conf(
        const struct endpoint_conf *confs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(confs[i].name, name) == 0)
            return &confs[i];
    return NULL;
}

void fleet_configure(struct fleet *fleet, const struct endpoint_conf *confs, size_t n_confs)
{
    size_t n_old = (size_t)fleet->n_endpoints, n = n_old;
    struct endpoint_state *all =
            arena_alloc(&fleet->arena, (n_old + n_confs + 1) * sizeof *all);
    if (n_old)
        memcpy(all, fleet->endpoints, n_old * sizeof *all);
    for (size_t i = 0; i < n_old; i++) {
        const struct endpoint_conf *conf = find_conf(confs, n_confs, all[i].conf->name);
        all[i].is_gone = !conf;
        if (conf)
            take_conf(fleet, &all[i], conf);
        else
            set_conf(fleet, &all[i], all[i].conf);
    }
    for (size_t i = 0; i < n_confs; i++)
        if (fleet_find(fleet, confs[i].name) < 0)
            take_conf(fleet, &all[n++], &confs[i]);
    fleet->endpoints = all;
    fleet->n_endpoints = (int)n;
}

static bool is_usable(const struct endpoint_state *e)
{
    return e->conf->enabled && !e->fault[0];
}

bool fleet_has_nobody(const struct fleet *fleet)
{
    for (int i = 0; i < fleet->n_endpoints; i++)
        if (is_usable(&fleet->endpoints[i]) && !endpoint_is_pilot(fleet->endpoints[i].conf))
            return false;
    return true;
}

int fleet_pilot(const struct fleet *fleet)
{
    for (int i = 0; i < fleet->n_endpoints; i++)
        if (is_usable(&fleet->endpoints[i]) && endpoint_is_pilot(fleet->endpoints[i].conf))
            return i;
    return -1;
}

void fleet_set_fault(struct fleet *fleet, int endpoint, const char *fault)
{
    set_fault(&fleet->endpoints[endpoint], fault);
}

void fleet_set_error(struct fleet *fleet, int endpoint, struct slice text)
{
    struct endpoint_state *e = &fleet->endpoints[endpoint];
    slice_to_text(text, e->last_error, sizeof e->last_error);
}

void fleet_begin_day(struct fleet *fleet)
{
    for (int i = 0; i < fleet->n_endpoints; i++) {
        struct endpoint_state *e = &fleet->endpoints[i];
        e->spent_today_nusd = 0;
        e->n_requests = e->n_errors = 0;
    }
}

bool fleet_switch(struct fleet *fleet, int endpoint, enum endpoint_switch to)
{
    struct endpoint_state *e = &fleet->endpoints[endpoint];
    if (to != SWITCH_OFF && (e->is_gone || e->conf->is_faulty))
        return false;
    e->switched = to;
    set_conf(fleet, e, e->conf);
    return true;
}
