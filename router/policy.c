/* policy.c - see policy.h. */
#include "router/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/json.h"

#include "router/prices.h"

/* Short answers still fit a small context; a prompt that leaves no room for one does not. */
#define MIN_ANSWER_TOK 64

static const char *const filter_names[FILTER_COUNT] = {
        [FILTER_NONE] = "none",
        [FILTER_NOT_CHOSEN_BY_USER] = "not_chosen",
        [FILTER_DISABLED] = "disabled",
        [FILTER_CONTEXT] = "context",
        [FILTER_ZONE] = "zone",
        [FILTER_BREAKER] = "breaker",
        [FILTER_TRIED] = "tried",
};

static enum filter filter_of(const struct features *f, const struct fleet *fleet, int i,
        uint64_t tried, uint64_t now_ns)
{
    const struct endpoint_state *e = &fleet->endpoints[i];
    bool is_forced = f->only_endpoint == i;
    if (f->only_endpoint >= 0 && !is_forced)
        return FILTER_NOT_CHOSEN_BY_USER;
    if (!e->conf->enabled)
        return FILTER_DISABLED;
    if (i < 64 && tried >> i & 1)
        return FILTER_TRIED;
    if (e->conf->zone > f->max_zone)
        return FILTER_ZONE;
    if (e->conf->context_tok && f->n_input_tok + MIN_ANSWER_TOK > e->conf->context_tok)
        return FILTER_CONTEXT;
    /* An endpoint named by the user is asked even when it failed lately. */
    if (!is_forced && fleet_breaker(e, now_ns) == BREAKER_OPEN)
        return FILTER_BREAKER;
    return FILTER_NONE;
}

static int64_t highest_known_cost(const struct fleet *fleet, const struct usage *usage)
{
    int64_t highest = 0;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        int64_t cost = endpoint_cost_nusd(fleet->endpoints[i].conf, usage);
        highest = cost > highest ? cost : highest;
    }
    return highest;
}

static void explain_price(struct candidate *c, const struct features *f,
        const struct endpoint_conf *conf, const char *zone)
{
    char *out = c->reason;
    size_t n = sizeof c->reason;
    if (!c->is_price_known && c->cost_nusd == 0)
        snprintf(out, n, "price unknown, zone %s", zone);
    else if (!c->is_price_known)
        snprintf(out, n, "price unknown, counted as the highest known, zone %s", zone);
    else if (c->cost_nusd == 0)
        snprintf(out, n, "free, zone %s", zone);
    else
        snprintf(out, n, "about $%.6f for %u + %u tokens%s, zone %s",
                (double)c->cost_nusd / 1e9, f->n_input_tok, f->n_output_tok,
                conf->is_list_price ? " at the list price of " PRICES_DATE : "", zone);
}

static void explain(struct candidate *c, const struct features *f,
        const struct endpoint_state *e, uint64_t now_ns)
{
    const struct endpoint_conf *conf = e->conf;
    char *out = c->reason;
    size_t n = sizeof c->reason;
    switch (c->filter) {
    case FILTER_NOT_CHOSEN_BY_USER:
        snprintf(out, n, "another endpoint was asked for");
        break;
    case FILTER_DISABLED:
        snprintf(out, n, "disabled in the configuration");
        break;
    case FILTER_CONTEXT:
        snprintf(out, n, "about %u tokens do not fit its context of %u", f->n_input_tok,
                conf->context_tok);
        break;
    case FILTER_ZONE:
        snprintf(out, n, "zone %s; this may travel to %s at most", zone_name(conf->zone),
                zone_name(f->max_zone));
        break;
    case FILTER_BREAKER:
        snprintf(out, n, "failed lately; tried again in %" PRIu64 " s",
                now_ns < e->open_until_ns ? (e->open_until_ns - now_ns) / 1000000000 + 1 : 1);
        break;
    case FILTER_TRIED:
        snprintf(out, n, "failed for this request");
        break;
    default:
        explain_price(c, f, conf, zone_name(conf->zone));
    }
}

/* Cheaper first, then nearer, then the order of the configuration. */
static bool is_better(
        const struct fleet *fleet, const struct candidate *a, const struct candidate *b)
{
    if (a->cost_nusd != b->cost_nusd)
        return a->cost_nusd < b->cost_nusd;
    if (a->is_price_known != b->is_price_known)
        return a->is_price_known;
    return fleet->endpoints[a->endpoint].conf->zone < fleet->endpoints[b->endpoint].conf->zone;
}

#define REASONS_MAX 3

/* "no endpoint may take it: A (why), B (why), C (why) and 2 more" */
static void refuse(struct decision *d, const struct fleet *fleet)
{
    const struct candidate *out[CANDIDATES_MAX];
    int n = 0;
    struct buf text;
    d->verdict = VERDICT_REFUSE;
    if (fleet->n_endpoints == 0) {
        snprintf(d->reason, sizeof d->reason,
                "no endpoint is configured: `shunt doctor` says where to put a model or an "
                "[endpoint]");
        return;
    }
    for (int i = 0; i < d->n_candidates; i++)
        if (d->candidates[i].filter != FILTER_NOT_CHOSEN_BY_USER)
            out[n++] = &d->candidates[i];
    buf_init(&text, 4096);
    if (n == 1)
        buf_printf(&text, "%s cannot take it: %s",
                fleet->endpoints[out[0]->endpoint].conf->name, out[0]->reason);
    else
        buf_add_text(&text, "no endpoint may take it:");
    for (int i = 0; n > 1 && i < n && i < REASONS_MAX; i++)
        buf_printf(&text, "%s %s (%s)", i ? "," : "",
                fleet->endpoints[out[i]->endpoint].conf->name, out[i]->reason);
    if (n > REASONS_MAX)
        buf_printf(&text, " and %d more", n - REASONS_MAX);
    size_t n_bytes = utf8_whole(
            buf_text(&text), text.n < sizeof d->reason ? text.n : sizeof d->reason - 1);
    memcpy(d->reason, buf_text(&text), n_bytes);
    buf_release(&text);
}

static void choose(struct decision *d, const struct features *f, const struct fleet *fleet)
{
    int n_left = 0;
    for (int i = 0; i < d->n_candidates; i++) {
        if (d->candidates[i].filter != FILTER_NONE)
            continue;
        n_left++;
        if (d->chosen < 0 || is_better(fleet, &d->candidates[i], &d->candidates[d->chosen]))
            d->chosen = i;
    }
    if (d->chosen < 0) {
        refuse(d, fleet);
        return;
    }
    const struct candidate *c = &d->candidates[d->chosen];
    const char *name = fleet->endpoints[c->endpoint].conf->name;
    d->verdict = VERDICT_SEND;
    if (f->only_endpoint >= 0)
        snprintf(d->reason, sizeof d->reason, "%s: asked for by name", name);
    else if (n_left == 1)
        snprintf(
                d->reason, sizeof d->reason, "%s: the only one that can (%s)", name, c->reason);
    else
        snprintf(d->reason, sizeof d->reason, "%s: the cheapest of %d that can (%s)", name,
                n_left, c->reason);
}

void policy_decide(struct decision *out, const struct features *f, const struct fleet *fleet,
        uint64_t tried, uint64_t now_ns)
{
    struct usage expected = {
            f->n_input_tok, f->n_output_tok, 0, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    int64_t highest = highest_known_cost(fleet, &expected);
    *out = (struct decision){.chosen = -1};
    for (int i = 0; i < fleet->n_endpoints && i < CANDIDATES_MAX; i++) {
        struct candidate *c = &out->candidates[out->n_candidates++];
        int64_t cost = endpoint_cost_nusd(fleet->endpoints[i].conf, &expected);
        c->endpoint = i;
        c->is_price_known = cost >= 0;
        c->cost_nusd = cost >= 0 ? cost : highest;
        c->filter = filter_of(f, fleet, i, tried, now_ns);
        explain(c, f, &fleet->endpoints[i], now_ns);
    }
    choose(out, f, fleet);
}

void decision_print_json(const struct decision *d, const struct fleet *fleet, struct buf *out)
{
    buf_add_text(out, "{\"endpoint\":");
    if (d->chosen >= 0)
        json_add_string(
                out, slice_of(fleet->endpoints[d->candidates[d->chosen].endpoint].conf->name));
    else
        buf_add_text(out, "null");
    buf_add_text(out, ",\"reason\":");
    json_add_string(out, slice_of(d->reason));
    buf_add_text(out, ",\"candidates\":[");
    for (int i = 0; i < d->n_candidates; i++) {
        const struct candidate *c = &d->candidates[i];
        buf_printf(out, "%s{\"endpoint\":", i ? "," : "");
        json_add_string(out, slice_of(fleet->endpoints[c->endpoint].conf->name));
        buf_printf(out, ",\"filter\":\"%s\",\"cost_usd\":", filter_names[c->filter]);
        if (c->is_price_known)
            json_add_double(out, (double)c->cost_nusd / 1e9);
        else
            buf_add_text(out, "null");
        buf_add_text(out, ",\"reason\":");
        json_add_string(out, slice_of(c->reason));
        buf_add_text(out, "}");
    }
    buf_add_text(out, "]}");
}
