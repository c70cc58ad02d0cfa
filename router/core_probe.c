/*
 * core_probe.c - asks endpoints whether they live, without spending money and without counting
 * it as a request. What no request may be sent to is not asked either.
 */
#include "router/core.h"
#include "router/core_internal.h"
#include "router/endpoint.h"

#define PROBE_TIMEOUT_MS 5000

static const char *why_not(const struct core *core, const struct endpoint_conf *conf)
{
    if (!conf->enabled)
        return "not asked: it is disabled in the configuration";
    if (conf->zone > core->max_zone)
        return "not asked: it is beyond the permitted zone";
    return NULL;
}

static void ask(struct core *core, int endpoint, uint64_t t_ns)
{
    struct request *request = request_new((uint32_t)endpoint);
    struct endpoint_conf *conf =
            endpoint_conf_copy(&request->arena, core->fleet.endpoints[endpoint].conf);
    conf->total_timeout_ms = conf->connect_timeout_ms = PROBE_TIMEOUT_MS;
    conf->first_token_timeout_ms = 0;
    request->endpoint = conf;
    core_add_effect(core,
            &(struct effect){.kind = EFFECT_PROBE, .endpoint = endpoint, .request = request});
    fleet_observe(&core->fleet,
            &(struct observation){.endpoint = endpoint, .what = SEEN_PROBE_START}, t_ns);
}

static void observe(
        struct core *core, int endpoint, uint32_t ms, const char *text, uint64_t t_ns)
{
    struct observation o = {.endpoint = endpoint, .what = SEEN_PROBE, .ms = ms, .text = text};
    fleet_observe(&core->fleet, &o, t_ns);
}

void probe_begin(struct core *core, int64_t endpoint, uint64_t t_ns)
{
    for (int i = 0; i < core->fleet.n_endpoints; i++) {
        const struct endpoint_state *e = &core->fleet.endpoints[i];
        const char *why = why_not(core, e->conf);
        if (e->is_probing || (endpoint != i && (endpoint != -1 || why)))
            continue;
        if (why)
            observe(core, i, 0, why, t_ns);
        else
            ask(core, i, t_ns);
    }
}

void probe_apply(struct core *core, const struct event *event)
{
    const struct outcome *outcome = event->u.probe.outcome;
    observe(core, event->u.probe.endpoint, event->u.probe.ms,
            outcome->err.status == OK ? "" : outcome->err.text, event->t_ns);
    core->version++;
    mem_free(event->u.probe.outcome);
}
