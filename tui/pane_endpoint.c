/* pane_endpoint.c - see pane_endpoint.h. What is not known is not drawn. */
#include "tui/pane_endpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/event.h"

#include "router/endpoint.h"
#include "router/fleet.h"
#include "router/prices.h"

#include "tui/endpoint_mark.h"
#include "tui/facts.h"
#include "tui/figures.h"
#include "tui/surface.h"
#include "tui/view.h"

static void print_clock(const struct app *app, uint64_t t_ns, char out[FIGURE_BYTES])
{
    int64_t ahead_ms = ((int64_t)t_ns - (int64_t)app_now_ns(app)) / 1000000;
    figure_clock_s(out, app_now_ms(app) + ahead_ms + 999);
}

static bool is_untried(const struct endpoint_state *e)
{
    return e->conf->kind != PROVIDER_LOCAL && !e->n_requests && !e->ttft_samples_ms.n &&
           !e->probe_t_ns;
}

static void print_state(
        const struct app *app, const struct endpoint_state *e, char *out, size_t n_bytes)
{
    uint64_t now_ns = app_now_ns(app);
    enum endpoint_mark mark = endpoint_mark(e, now_ns);
    uint64_t until_ns = endpoint_mark_until_ns(e, now_ns);
    char clock[FIGURE_BYTES] = "";
    if (until_ns && (mark == MARK_OPEN || mark == MARK_LIMITED))
        print_clock(app, until_ns, clock);
    snprintf(out, n_bytes, "%s%s%s%s%s",
            mark == MARK_OK && is_untried(e) ? "not tried yet" : endpoint_mark_defs[mark].word,
            clock[0] ? " until " : "", clock, mark == MARK_FAULTY ? ": " : "",
            mark == MARK_FAULTY         ? e->fault
            : mark != MARK_DISABLED     ? ""
            : e->conf->is_faulty        ? ": a mistake in its section"
            : e->switched == SWITCH_OFF ? " for this run"
                                        : " in the configuration");
}

/* The newest answer to whether it lives, or "". */
static void print_probe(
        const struct app *app, const struct endpoint_state *e, char *out, size_t n_bytes)
{
    char clock[FIGURE_BYTES];
    out[0] = '\0';
    if (e->is_probing) {
        snprintf(out, n_bytes, "on its way");
        return;
    }
    if (!e->probe_t_ns)
        return;
    print_clock(app, e->probe_t_ns, clock);
    snprintf(out, n_bytes, "%s: ", clock);
    if (e->probe_error[0])
        snprintf(out + strlen(out), n_bytes - strlen(out), "%s", e->probe_error);
    else
        snprintf(out + strlen(out), n_bytes - strlen(out), "it lives, %u ms", e->probe_ms);
}

/* Where the key comes from. A command may carry one in its words: they are not shown. */
static void print_key_source(const struct endpoint_conf *conf, char *out, size_t n_bytes)
{
    static const char *const words[] = {[KEY_FROM_NONE] = "none",
            [KEY_FROM_ENV] = "from the variable ",
            [KEY_FROM_FILE] = "from the file ",
            [KEY_FROM_COMMAND] = "from the command "};
    const char *from = conf->key_source == KEY_FROM_NONE ? "" : conf->key_value;
    size_t n = conf->key_source == KEY_FROM_COMMAND ? strcspn(from, " ") : strlen(from);
    snprintf(out, n_bytes, "%s%.*s%s", words[conf->key_source], (int)n, from,
            from[n] ? " \xE2\x80\xA6" : "");
}

static void print_price(const struct endpoint_conf *conf, char *out, size_t n_bytes)
{
    int n = 0;
    out[0] = '\0';
    if (conf->usd_per_mtok_in < 0 || conf->usd_per_mtok_out < 0)
        return;
    if (conf->usd_per_mtok_in == 0 && conf->usd_per_mtok_out == 0) {
        snprintf(out, n_bytes, "free");
        return;
    }
    n = snprintf(
            out, n_bytes, "$%.2f in, $%.2f out", conf->usd_per_mtok_in, conf->usd_per_mtok_out);
    if (conf->usd_per_mtok_cached >= 0)
        n += snprintf(
                out + n, n_bytes - (size_t)n, ", $%.3f cached", conf->usd_per_mtok_cached);
    snprintf(out + n, n_bytes - (size_t)n, " per million tokens%s",
            conf->is_list_price ? ", list price of " PRICES_DATE : "");
}

static void add_duration(struct facts *f, const char *label, uint32_t ms)
{
    if (ms && ms % 1000 == 0)
        facts_add(f, label, "%u s", ms / 1000);
    else if (ms)
        facts_add(f, label, "%u ms", ms);
}

static void add_count(struct facts *f, const char *label, uint32_t n, const char *unit)
{
    if (n)
        facts_add(f, label, "%u%s", n, unit);
}

static void add_window(struct facts *f, const struct app *app, const char *label,
        const struct rate_limit *limit)
{
    uint64_t now_ns = app_now_ns(app);
    double left = endpoint_left(limit, now_ns);
    char clock[FIGURE_BYTES] = "", shown[FIGURE_BYTES], whole[FIGURE_BYTES] = "";
    if (isnan(left))
        return;
    if (limit->reset_ns > now_ns)
        print_clock(app, limit->reset_ns, clock);
    if (limit->limit && limit->limit != TOKENS_UNKNOWN)
        figure_print(UNIT_COUNT, limit->limit, whole);
    facts_add(f, label, "%s%s%s%s%s", figure_print(UNIT_COUNT, left, shown),
            whole[0] ? "/" : "", whole, clock[0] ? " until " : "", clock);
}

static void add_facts(struct facts *f, const struct app *app, const struct endpoint_state *e)
{
    const struct endpoint_conf *conf = e->conf;
    bool is_remote = conf->kind != PROVIDER_LOCAL;
    char usd[32];
    facts_add(f, "kind", "%s", providers[conf->kind].name);
    facts_add(f, "zone", "%s", zone_name(conf->zone));
    add_count(f, "tier", (uint32_t)conf->tier, "");
    add_count(f, "context", conf->context_tok, " tok");
    add_window(f, app, "requests left", &e->requests);
    add_window(f, app, "tokens left", &e->tokens);
    facts_add(f, "requests", "%u, %u failed", e->n_requests, e->n_errors);
    if (e->cost_nusd)
        facts_add(f, "this run", "%s", prices_usd_text(e->cost_nusd, usd));
    if (e->spent_today_nusd)
        facts_add(f, "today", "%s", prices_usd_text(e->spent_today_nusd, usd));
    add_count(f, "limit", conf->rpm, " requests/min");
    add_count(f, "limit", conf->tpm, " tok/min");
    add_count(f, "slots", conf->slots, "");
    if (!is_remote)
        return;
    facts_add(f, "retries", "%u", conf->retries);
    add_duration(f, "connect", conf->connect_timeout_ms);
    add_duration(f, "first token", conf->first_token_timeout_ms);
    add_duration(f, "idle", conf->idle_timeout_ms);
    add_duration(f, "in all", conf->total_timeout_ms);
}

void pane_endpoint_draw(
        const struct app *app, const struct endpoint_state *e, struct surface *out)
{
    const struct endpoint_conf *conf = e->conf;
    char text[600];
    enum endpoint_mark mark = endpoint_mark(e, app_now_ns(app));
    int row = 1;
    surface_rule(out, 0, ROLE_RULE, conf->name);
    print_state(app, e, text, sizeof text);
    row = facts_line(out, row, "state", endpoint_mark_defs[mark].role, text);
    snprintf(text, sizeof text, "%u in a row", e->n_failed_in_a_row);
    row = facts_line(out, row, "failures", ROLE_WARN, e->n_failed_in_a_row ? text : "");
    row = facts_line(
            out, row, "last error", e->failed_with ? ROLE_ERROR : ROLE_DIM, e->last_error);
    print_probe(app, e, text, sizeof text);
    row = facts_line(out, row, "probe", e->probe_error[0] ? ROLE_ERROR : ROLE_OK, text);
    endpoint_print_url(conf, text, sizeof text);
    row = facts_line(out, row, "url", ROLE_TEXT, conf->kind == PROVIDER_LOCAL ? "" : text);
    row = facts_line(out, row, "model", ROLE_TEXT, conf->model ? conf->model : "");
    print_key_source(conf, text, sizeof text);
    row = facts_line(out, row, "key", ROLE_TEXT, conf->kind == PROVIDER_LOCAL ? "" : text);
    print_price(conf, text, sizeof text);
    row = facts_line(out, row, "price", ROLE_TEXT, text);
    struct facts facts = facts_begin(out, row);
    add_facts(&facts, app, e);
}
