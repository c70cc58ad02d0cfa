/*
 * policy.c - see policy.h. All costs are money, so that a second, a failure and a poor answer
 * can be added up and shown. A candidate that is out keeps its estimate and the reason: the
 * sentence of a refusal and the table behind a decision are made of them.
 */
#include "router/policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/event.h"

#include "router/endpoint.h"
#include "router/fleet.h"
#include "router/prices.h"

/* Short answers still fit a small context; a prompt that leaves no room for one does not. */
#define MIN_ANSWER_TOK 64

/* What is assumed before anything was observed. */
#define LOCAL_TTFT_MS 800
#define FAR_TTFT_MS   1200
#define FAR_TOK_PER_S 50
/* About this program: nobody but the pilot gets its help. Not measured; what matters is their
 * order. */
#define PILOT_P_MISS  0.15f
#define OTHERS_P_MISS 0.8f
#define WAIT_MAX_NS   60000000000ull /* longer than this nobody is kept waiting */

static const char *const filter_names[FILTER_COUNT] = {
        [FILTER_NONE] = "none",
        [FILTER_NOT_CHOSEN_BY_USER] = "not_chosen",
        [FILTER_DISABLED] = "disabled",
        [FILTER_CONTEXT] = "context",
        [FILTER_TOOLS] = "tools",
        [FILTER_ZONE] = "zone",
        [FILTER_BREAKER] = "breaker",
        [FILTER_RATE_LIMIT] = "rate_limit",
        [FILTER_BUDGET] = "budget",
        [FILTER_FAULTY] = "faulty",
        [FILTER_TRIED] = "tried",
        [FILTER_DOMAIN] = "domain",
};

const char *filter_name(enum filter filter)
{
    return filter_names[filter];
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"send", "wait", "ask", "refuse"};
    return names[verdict];
}

const char *domain_name(enum domain domain)
{
    static const char *const names[DOMAIN_COUNT] = {
            "general", "code", "math", "science", "writing", "shunt"};
    return names[domain];
}

static const struct prefs prefs = {.answer_nusd = 30000000,
        .late_nusd_per_s = 50000,
        .failure_nusd = 2000000,
        .patience_ms = 10000};

struct prefs policy_prefs(void)
{
    return prefs;
}

/* A tier's share of poor answers to the hardest questions, and the square of the difficulty:
 * easy questions are answered well by nearly everybody, and the gap between the tiers grows
 * with the difficulty. The shares stand in the order of published success rates by tier
 * (general questions .80 .85 .93 .98), wider because local models begin below the first. */
float policy_p_miss(int tier, float difficulty)
{
    static const float hardest[] = {0.40f, 0.60f, 0.40f, 0.20f, 0.08f, 0.03f};
    return hardest[tier >= 0 && tier <= 5 ? tier : 0] * difficulty * difficulty;
}

static float p_miss_of(const struct endpoint_conf *conf, enum domain domain, float difficulty)
{
    if (domain != DOMAIN_SHUNT)
        return policy_p_miss(conf->tier, difficulty);
    return endpoint_is_pilot(conf) ? PILOT_P_MISS : OTHERS_P_MISS;
}

static bool is_empty(const struct rate_limit *limit, uint64_t now_ns)
{
    return limit->remaining == 0 && limit->reset_ns > now_ns;
}

/* What the endpoint is; the price comes later. */
static enum filter filter_of(
        const struct features *f, const struct policy_world *w, int i, uint64_t tried)
{
    const struct endpoint_state *e = &w->fleet->endpoints[i];
    const struct endpoint_conf *conf = e->conf;
    bool is_forced = f->only_endpoint == i;
    if (f->only_endpoint >= 0 && !is_forced)
        return FILTER_NOT_CHOSEN_BY_USER;
    if (!conf->enabled || (e->switched == SWITCH_DRAIN && !is_forced))
        return FILTER_DISABLED;
    if (tried >> i & 1)
        return FILTER_TRIED;
    if (conf->zone > f->max_zone)
        return FILTER_ZONE;
    if (e->fault[0] && !is_forced)
        return FILTER_FAULTY;
    if (conf->context_tok && f->n_input_tok + MIN_ANSWER_TOK > conf->context_tok)
        return FILTER_CONTEXT;
    if (f->needs_tools && !endpoint_takes_extra(conf))
        return FILTER_TOOLS;
    /* An endpoint named by the user is asked even when it failed lately. */
    if (!is_forced && fleet_breaker(e, w->now_ns) == BREAKER_OPEN)
        return FILTER_BREAKER;
    if (!is_forced && (is_empty(&e->requests, w->now_ns) || is_empty(&e->tokens, w->now_ns)))
        return FILTER_RATE_LIMIT;
    if (!is_forced && endpoint_is_pilot(conf) && f->domain != DOMAIN_SHUNT &&
            !fleet_has_nobody(w->fleet))
        return FILTER_DOMAIN;
    return FILTER_NONE;
}

static uint64_t retry_time(
        const struct candidate *c, const struct endpoint_state *e, uint64_t now_ns)
{
    if (c->filter == FILTER_BREAKER)
        return e->open_until_ns > now_ns ? e->open_until_ns : now_ns + 1000000000u;
    if (c->filter == FILTER_RATE_LIMIT)
        return is_empty(&e->requests, now_ns) && e->requests.reset_ns > e->tokens.reset_ns
                       ? e->requests.reset_ns
               : is_empty(&e->tokens, now_ns) ? e->tokens.reset_ns
                                              : e->requests.reset_ns;
    return 0;
}

/* Where nobody else costs anything, the dearest of the price list: unknown is not free. */
static int64_t highest_known_price(const struct fleet *fleet, const struct usage *usage)
{
    int64_t highest = 0;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        int64_t price = prices_cost_nusd(fleet->endpoints[i].conf, usage);
        highest = price > highest ? price : highest;
    }
    return highest ? highest : prices_dearest_nusd(usage);
}

/* A small file is fast: what is known of a local model before it spoke is its tier, which
 * follows from the size. */
static double local_tok_per_s(int tier)
{
    return tier == 1 ? 60 : tier == 2 ? 20 : 8;
}

static double expected_ms(const struct endpoint_state *e, const struct features *f)
{
    bool is_local = e->conf->kind == PROVIDER_LOCAL;
    double ttft_ms = e->ttft_ms > 0 ? e->ttft_ms : is_local ? LOCAL_TTFT_MS : FAR_TTFT_MS;
    double tok_per_s = e->tok_per_s > 0 ? e->tok_per_s
                       : is_local       ? local_tok_per_s(e->conf->tier)
                                        : FAR_TOK_PER_S;
    uint32_t n_slots = e->conf->slots ? e->conf->slots : 1;
    double queue = is_local && e->n_in_flight >= n_slots ? 2 : 1; /* what runs comes first */
    return queue * (ttft_ms + f->n_output_tok * 1000.0 / tok_per_s);
}

/* Of today's requests, with one failure in twenty assumed before the first. */
static double p_failure(const struct endpoint_state *e)
{
    return (e->n_errors + 0.5) / (e->n_requests + 10.0);
}

static void estimate(
        struct candidate *c, const struct features *f, const struct policy_world *w)
{
    const struct endpoint_state *e = &w->fleet->endpoints[c->endpoint];
    double ms = expected_ms(e, f),
           late_ms = ms > prefs.patience_ms ? ms - prefs.patience_ms : 0;
    c->expected_ms = ms < 4e9 ? (uint32_t)ms : UINT32_MAX;
    c->late_nusd = (int64_t)(late_ms / 1000 * (double)prefs.late_nusd_per_s);
    c->failure_nusd = (int64_t)(p_failure(e) * (double)prefs.failure_nusd);
    c->p_miss = p_miss_of(e->conf, f->domain, f->difficulty);
    c->miss_nusd = (int64_t)((double)c->p_miss * (double)prefs.answer_nusd);
    c->cost_nusd = c->price_nusd + c->late_nusd + c->failure_nusd + c->miss_nusd;
}

static bool is_over_budget(const struct candidate *c, const struct budget *budget)
{
    return budget->day_nusd >= 0 && c->price_nusd > 0 &&
           budget->spent_nusd + c->price_nusd > budget->day_nusd;
}

static void explain_price(
        struct candidate *c, const struct features *f, const struct endpoint_conf *conf)
{
    char *out = c->reason;
    size_t n = sizeof c->reason;
    const char *zone = zone_name(conf->zone);
    if (!c->is_price_known)
        snprintf(out, n, "price unknown, counted as the highest known, zone %s", zone);
    else if (c->price_nusd == 0)
        snprintf(out, n, "free, zone %s", zone);
    else
        snprintf(out, n, "about $%.6f for %u + %u tokens%s, zone %s",
                (double)c->price_nusd / 1e9, f->n_input_tok, f->n_output_tok,
                conf->is_list_price ? " at the list price of " PRICES_DATE : "", zone);
}

static double seconds_until(uint64_t t_ns, uint64_t now_ns)
{
    return t_ns > now_ns ? (double)(t_ns - now_ns) / 1e9 : 0;
}

/* Without the path, which may be so long that what to do is cut off. */
static void copy_fault(const struct endpoint_state *e, char *out, size_t n)
{
    const char *path = e->conf->model;
    bool begins_with_path = path && path[0] && slice_has_prefix(slice_of(e->fault), path);
    const char *subject = begins_with_path ? "its file" : "";
    snprintf(out, n, "%s%.*s", subject, (int)(n - 1 - strlen(subject)),
            e->fault + (begins_with_path ? strlen(path) : 0));
    out[utf8_whole(out, strlen(out))] = '\0';
}

static void explain(struct candidate *c, const struct features *f, const struct policy_world *w)
{
    const struct endpoint_state *e = &w->fleet->endpoints[c->endpoint];
    const struct endpoint_conf *conf = e->conf;
    char *out = c->reason, more[32], day[32];
    size_t n = sizeof c->reason;
    switch (c->filter) {
    case FILTER_NOT_CHOSEN_BY_USER:
        snprintf(out, n, "another endpoint was asked for");
        break;
    case FILTER_DISABLED:
        snprintf(out, n, "%s",
                e->is_gone ? "no longer in the configuration"
                : e->switched == SWITCH_DRAIN || e->switched == SWITCH_OFF
                        ? "switched off for now"
                        : "disabled in the configuration");
        break;
    case FILTER_CONTEXT:
        snprintf(out, n, "about %u tokens do not fit its context of %u", f->n_input_tok,
                conf->context_tok);
        break;
    case FILTER_TOOLS:
        snprintf(out, n, "the request carries tools, and none can be sent there");
        break;
    case FILTER_ZONE:
        snprintf(out, n, "zone %s; this may travel to %s at most", zone_name(conf->zone),
                zone_name(f->max_zone));
        break;
    case FILTER_BREAKER:
        snprintf(out, n, "failed lately; tried again in %.0f s",
                ceil(seconds_until(c->retry_ns, w->now_ns)));
        break;
    case FILTER_RATE_LIMIT:
        snprintf(out, n, "its rate limit is used up for %.0f s",
                ceil(seconds_until(c->retry_ns, w->now_ns)));
        break;
    case FILTER_BUDGET:
        snprintf(out, n, "about %s more than today's budget of %s allows",
                prices_usd_text(
                        w->budget.spent_nusd + c->price_nusd - w->budget.day_nusd, more),
                prices_usd_text(w->budget.day_nusd, day));
        break;
    case FILTER_FAULTY:
        copy_fault(e, out, n);
        break;
    case FILTER_TRIED:
        snprintf(out, n, "failed for this request");
        break;
    case FILTER_DOMAIN:
        snprintf(out, n, "knows only shunt");
        break;
    default:
        explain_price(c, f, conf);
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

static const char *why_out(const struct candidate *c, const struct fleet *fleet)
{
    const char *fault = fleet->endpoints[c->endpoint].fault;
    return c->filter == FILTER_FAULTY ? fault : c->reason; /* which may be cut */
}

/* What can be mended comes first. */
static int find_out(const struct decision *d, const struct candidate *out[ENDPOINTS_MAX])
{
    int n = 0;
    for (int is_faulty = 1; is_faulty >= 0; is_faulty--)
        for (int i = 0; i < d->n_candidates; i++)
            if (d->candidates[i].filter != FILTER_NOT_CHOSEN_BY_USER &&
                    (d->candidates[i].filter == FILTER_FAULTY) == is_faulty)
                out[n++] = &d->candidates[i];
    return n;
}

/* ": A (why), B (why) and 2 more; 3 are off": as many as the reason of a decision holds. */
static void list_out(
        const struct candidate *const out[], int n, const struct fleet *fleet, struct buf *text)
{
    enum { TAIL_BYTES = 40 };
    size_t begin = text->n, most = sizeof((struct decision *)0)->reason - TAIL_BYTES;
    int n_more = 0, n_off = 0;
    for (int i = 0; i < n; i++) {
        size_t before = text->n;
        if (out[i]->filter == FILTER_DISABLED) {
            n_off++;
            continue;
        }
        buf_printf(text, "%s %s (%s)", before > begin ? "," : "",
                fleet->endpoints[out[i]->endpoint].conf->name, why_out(out[i], fleet));
        if (text->n > most) {
            text->n = before;
            n_more++;
        }
    }
    if (n_more)
        buf_printf(text, " and %d more", n_more);
    if (n_off)
        buf_printf(text, n_off < n ? "; %d %s off" : " all %d %s off", n_off,
                n_off > 1 ? "are" : "is");
}

/* Nobody was configured, and the pilot is not there or off. */
static bool has_none(const struct fleet *fleet)
{
    for (int i = 0; i < fleet->n_endpoints; i++)
        if (!endpoint_is_pilot(fleet->endpoints[i].conf) || fleet->endpoints[i].conf->enabled)
            return false;
    return true;
}

static void refuse(struct decision *d, const struct fleet *fleet)
{
    const struct candidate *out[ENDPOINTS_MAX];
    struct buf text;
    d->verdict = VERDICT_REFUSE;
    if (has_none(fleet)) {
        snprintf(d->reason, sizeof d->reason,
                "no endpoint is configured: `shunt doctor` says where to put a model or "
                "an [endpoint]");
        return;
    }
    if (d->features.only_endpoint >= ENDPOINTS_MAX) {
        snprintf(d->reason, sizeof d->reason,
                "%s stands behind the first %d endpoints, and no others are used",
                fleet->endpoints[d->features.only_endpoint].conf->name, ENDPOINTS_MAX);
        return;
    }
    int n = find_out(d, out);
    buf_init(&text, 4096);
    if (n == 1) {
        buf_printf(&text, "%s cannot take it: %s",
                fleet->endpoints[out[0]->endpoint].conf->name, why_out(out[0], fleet));
    } else {
        buf_add_text(&text, "no endpoint may take it:");
        list_out(out, n, fleet, &text);
    }
    size_t n_bytes = utf8_whole(
            buf_text(&text), text.n < sizeof d->reason ? text.n : sizeof d->reason - 1);
    memcpy(d->reason, buf_text(&text), n_bytes);
    buf_release(&text);
}

/* The best of those that are in, leaving one out; -1: none. */
static int best_of(const struct decision *d, const struct fleet *fleet, int but)
{
    int best = -1;
    for (int i = 0; i < d->n_candidates; i++)
        if (i != but && d->candidates[i].filter == FILTER_NONE &&
                (best < 0 || is_better(fleet, &d->candidates[i], &d->candidates[best])))
            best = i;
    return best;
}

static int64_t cost_at(const struct candidate *c, const struct endpoint_conf *conf,
        enum domain domain, float difficulty)
{
    return c->cost_nusd - c->miss_nusd +
           (int64_t)((double)p_miss_of(conf, domain, difficulty) * (double)prefs.answer_nusd);
}

/* The difficulty at which the second would have won, searched away from the one there is in
 * steps of a hundredth. */
static bool find_flip(
        const struct decision *d, const struct policy_world *w, int second, float *difficulty)
{
    const struct candidate *a = &d->candidates[d->chosen], *b = &d->candidates[second];
    const struct endpoint_conf *conf_a = w->fleet->endpoints[a->endpoint].conf;
    const struct endpoint_conf *conf_b = w->fleet->endpoints[b->endpoint].conf;
    enum domain domain = d->features.domain;
    for (int step = 1; step <= 100; step++)
        for (int sign = -1; sign <= 1; sign += 2) {
            float at = d->features.difficulty + (float)(sign * step) * 0.01f;
            if (at >= 0 && at <= 1 &&
                    cost_at(b, conf_b, domain, at) < cost_at(a, conf_a, domain, at)) {
                *difficulty = at;
                return true;
            }
        }
    return false;
}

/* What would have changed the choice. */
static void explain_flip(struct decision *d, const struct policy_world *w)
{
    int second = best_of(d, w->fleet, d->chosen);
    float at;
    if (second < 0)
        return;
    const struct candidate *other = &d->candidates[second];
    int64_t more_nusd = other->cost_nusd - d->candidates[d->chosen].cost_nusd;
    const char *name = w->fleet->endpoints[d->candidates[second].endpoint].conf->name;
    if (find_flip(d, w, second, &at))
        snprintf(d->flip, sizeof d->flip,
                "%s instead, if the question were %s: difficulty %.2f in place of %.2f", name,
                at > d->features.difficulty ? "harder" : "easier", (double)at,
                (double)d->features.difficulty);
    else if (more_nusd <= other->price_nusd) /* nothing costs less than nothing */
        snprintf(d->flip, sizeof d->flip, "%s instead, if it cost $%.4f less", name,
                (double)more_nusd / 1e9);
}

static void send_to_chosen(struct decision *d, const struct policy_world *w, int n_in)
{
    const struct candidate *c = &d->candidates[d->chosen];
    const struct endpoint_conf *conf = w->fleet->endpoints[c->endpoint].conf;
    d->verdict = VERDICT_SEND;
    if (d->features.only_endpoint >= 0)
        snprintf(d->reason, sizeof d->reason, "%s: asked for by name", conf->name);
    else if (endpoint_is_pilot(conf) && d->features.domain == DOMAIN_SHUNT)
        snprintf(d->reason, sizeof d->reason, "%s: the question is about shunt (%s)",
                conf->name, c->reason);
    else if (n_in == 1)
        snprintf(d->reason, sizeof d->reason, "%s: the only one that can (%s)", conf->name,
                c->reason);
    else
        snprintf(d->reason, sizeof d->reason,
                "%s: the least expected cost of %d for a question of difficulty %.2f (%s)",
                conf->name, n_in, (double)d->features.difficulty, c->reason);
    explain_flip(d, w);
}

/* Nobody may take it now: soon, if the user agrees, or not at all. */
static void wait_ask_or_refuse(struct decision *d, const struct policy_world *w)
{
    const struct candidate *dear = NULL;
    uint64_t soonest_ns = 0;
    const char *soonest = "";
    char day[32], spent[32], price[32];
    for (int i = 0; i < d->n_candidates; i++) {
        const struct candidate *c = &d->candidates[i];
        if (c->filter == FILTER_BUDGET && (!dear || c->cost_nusd < dear->cost_nusd))
            dear = c;
        if (c->retry_ns && (!soonest_ns || c->retry_ns < soonest_ns)) {
            soonest_ns = c->retry_ns;
            soonest = w->fleet->endpoints[c->endpoint].conf->name;
        }
    }
    if (dear) {
        d->verdict = VERDICT_ASK;
        snprintf(d->reason, sizeof d->reason,
                w->budget.spent_nusd < w->budget.day_nusd
                        ? "today's budget of %s has no room (%s spent): %s costs about %s"
                        : "today's budget of %s is used up (%s spent): %s costs about %s",
                prices_usd_text(w->budget.day_nusd, day),
                prices_usd_text(w->budget.spent_nusd, spent),
                w->fleet->endpoints[dear->endpoint].conf->name,
                prices_usd_text(dear->price_nusd, price));
    } else if (soonest_ns && soonest_ns <= w->now_ns + WAIT_MAX_NS) {
        d->verdict = VERDICT_WAIT;
        d->wait_until_ns = soonest_ns;
        snprintf(d->reason, sizeof d->reason, "nobody can take it now; %s may in %.0f s",
                soonest, ceil(seconds_until(soonest_ns, w->now_ns)));
    } else {
        refuse(d, w->fleet);
    }
}

void policy_decide(struct decision *out, const struct features *f, const struct policy_world *w,
        uint64_t tried)
{
    struct usage expected = {
            f->n_input_tok, f->n_output_tok, 0, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    int64_t highest = highest_known_price(w->fleet, &expected);
    int n_in = 0;
    *out = (struct decision){.chosen = -1, .features = *f};
    for (int i = 0; i < w->fleet->n_endpoints && i < ENDPOINTS_MAX; i++) {
        struct candidate *c = &out->candidates[out->n_candidates++];
        int64_t price = prices_cost_nusd(w->fleet->endpoints[i].conf, &expected);
        c->endpoint = i;
        c->is_price_known = price >= 0;
        c->price_nusd = price >= 0 ? price : highest;
        c->filter = filter_of(f, w, i, tried);
        c->retry_ns = retry_time(c, &w->fleet->endpoints[i], w->now_ns);
        estimate(c, f, w);
        if (c->filter == FILTER_NONE && is_over_budget(c, &w->budget))
            c->filter = FILTER_BUDGET;
        n_in += c->filter == FILTER_NONE;
        explain(c, f, w);
    }
    out->chosen = best_of(out, w->fleet, -1);
    if (out->chosen >= 0)
        send_to_chosen(out, w, n_in);
    else
        wait_ask_or_refuse(out, w);
}
