/*
 * cmd_fleet_list.c - `shunt fleet list` and `shunt fleet costs`: what the answers in the
 * database tell, so that it works beside a running program. What is not known is left blank.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/builtin.h"
#include "engine/json.h"

#include "router/core.h"
#include "router/endpoint.h"
#include "router/history.h"
#include "router/prices.h"
#include "router/secret.h"
#include "router/store.h"

#include "tui/cmd.h"
#include "tui/cmd_fleet.h"
#include "tui/config.h"
#include "tui/figures.h"
#include "tui/listing.h"

#define DAY_MS 86400000LL

enum standing { /* what is known against an endpoint without asking it */
    STANDING_OK,
    STANDING_DISABLED,
    STANDING_BEYOND_ZONE,
    STANDING_NO_FILE,
    STANDING_BAD_FILE,
    STANDING_NO_KEY,
    STANDING_BREAKER,
    STANDING_FAILED
};
static const struct {
    const char *json, *text;
} standings[] = {
        [STANDING_OK] = {"ok", "ok"},
        [STANDING_DISABLED] = {"disabled", "disabled"},
        [STANDING_BEYOND_ZONE] = {"beyond_zone", "beyond zone"},
        [STANDING_NO_FILE] = {"no_file", "no file"},
        [STANDING_BAD_FILE] = {"bad_file", "bad file"},
        [STANDING_NO_KEY] = {"no_key", "no key"},
        [STANDING_BREAKER] = {"breaker_open", "breaker open until"},
        [STANDING_FAILED] = {"failed", "failed"},
};

struct moment { /* on both clocks */
    int64_t ms;
    uint64_t ns;
};

struct line { /* of the list */
    const struct endpoint_state *e;
    const struct answer_row *newest; /* NULL: none in the last 24 hours */
    const struct cost_row *today;    /* NULL: no request today */
    bool has_history;
    enum standing standing;
    int64_t t_ms; /* STANDING_FAILED: when; STANDING_BREAKER: until when; else -1 */
};

static double dollars(int64_t nusd)
{
    return nusd < 0 ? -1 : (double)nusd / 1e9;
}

static enum standing standing_of(
        const struct config *config, const struct line *line, uint64_t now_ns)
{
    const struct endpoint_conf *conf = line->e->conf;
    if (!conf->enabled)
        return STANDING_DISABLED;
    if (conf->zone > config->zone)
        return STANDING_BEYOND_ZONE;
    if (conf->kind == PROVIDER_LOCAL && !endpoint_is_pilot(conf) &&
            access(conf->model, R_OK) != 0)
        return STANDING_NO_FILE;
    if (conf->kind == PROVIDER_LOCAL && line->e->fault[0])
        return STANDING_BAD_FILE;
    struct err err;
    if (conf->kind != PROVIDER_LOCAL && secret_check(conf, &err) != OK)
        return STANDING_NO_KEY;
    if (fleet_breaker(line->e, now_ns) == BREAKER_OPEN)
        return STANDING_BREAKER;
    return line->newest && line->newest->state == MESSAGE_FAILED ? STANDING_FAILED
                                                                 : STANDING_OK;
}

static struct line line_of(const struct config *config, const struct endpoint_state *e,
        const struct store_command *s, struct moment now)
{
    struct line line = {.e = e, .has_history = s->err.status == OK};
    for (size_t i = 0; i < s->n_answers; i++)
        if (slice_eq(s->answers[i].endpoint, e->conf->name))
            line.newest = &s->answers[i];
    for (size_t i = 0; i < s->n_costs; i++)
        if (slice_eq(s->costs[i].endpoint, e->conf->name))
            line.today = &s->costs[i];
    line.standing = standing_of(config, &line, now.ns);
    line.t_ms = line.standing == STANDING_FAILED ? line.newest->created_ms
                : line.standing == STANDING_BREAKER
                        ? now.ms + (int64_t)((e->open_until_ns - now.ns) / 1000000)
                        : -1;
    return line;
}

static const char *model_of(const struct endpoint_conf *conf)
{
    const char *model = conf->model ? conf->model : "";
    return conf->kind == PROVIDER_LOCAL ? builtin_name(model) : model;
}

/* ---- as text ---------------------------------------------------------------------------- */

static void add_known(
        struct listing *l, bool is_known, const char *unit, int n_decimals, double value)
{
    if (is_known)
        listing_add(l, "%s%.*f", unit, n_decimals, value);
    else
        listing_add(l, "%s", "");
}

static void add_standing(struct listing *l, const struct line *line)
{
    char clock[FIGURE_BYTES] = "";
    bool has_time = line->t_ms >= 0;
    listing_add(l, "%s%s%s", standings[line->standing].text, has_time ? " " : "",
            has_time ? figure_clock_s(clock, line->t_ms) : "");
}

/* A "+" where some answers have no known price: it is at least so much; "?" where none has. */
static void add_cost(struct listing *l, int64_t nusd, uint32_t n_unpriced)
{
    char usd[32];
    if (nusd < 0)
        listing_add(l, "%s", n_unpriced ? "?" : "");
    else
        listing_add(l, "%s%s", prices_usd_text(nusd, usd), n_unpriced ? "+" : "");
}

static void explain_marks(const struct cost_row *rows, size_t n)
{
    bool is_least = false, is_unknown = false;
    for (size_t i = 0; i < n; i++) {
        is_least |= rows[i].n_unpriced && rows[i].cost_nusd >= 0;
        is_unknown |= rows[i].n_unpriced && rows[i].cost_nusd < 0;
    }
    if (is_least)
        fprintf(stderr, "shunt: + at least: some answers have no known price\n");
    if (is_unknown)
        fprintf(stderr, "shunt: ? no answer has a known price\n");
}

static void add_line(struct listing *l, const struct line *line)
{
    const struct endpoint_state *e = line->e;
    const struct endpoint_conf *conf = e->conf;
    const struct cost_row none = {0}, *today = line->today ? line->today : &none;
    listing_add(l, "%s", conf->name);
    listing_add(l, "%s", providers[conf->kind].name);
    listing_add(l, "%s", model_of(conf));
    listing_add(l, "%s", zone_name(conf->zone));
    add_known(l, conf->tier > 0, "", 0, conf->tier);
    add_standing(l, line);
    add_known(l, conf->usd_per_mtok_in >= 0, "$", 2, conf->usd_per_mtok_in);
    add_known(l, conf->usd_per_mtok_out >= 0, "$", 2, conf->usd_per_mtok_out);
    bool has_ttft = e->ttft_samples_ms.n > 0;
    add_known(l, has_ttft, "", 0, (double)samples_quantile(&e->ttft_samples_ms, 0.5));
    add_known(l, has_ttft, "", 0, (double)samples_quantile(&e->ttft_samples_ms, 0.95));
    add_known(l, e->tok_per_s_samples.n > 0, "", 1,
            (double)samples_quantile(&e->tok_per_s_samples, 0.5));
    add_known(l, line->has_history, "", 0, today->n_requests);
    add_known(l, line->has_history, "", 0, today->n_errors);
    add_cost(l, line->has_history ? today->cost_nusd : -1, today->n_unpriced);
}

static void print_list(const struct line *lines, int n, const struct store_command *s)
{
    static const struct listing_column columns[] = {{"endpoint", false}, {"kind", false},
            {"model", false}, {"zone", false}, {"tier", true}, {"state", false},
            {"in $/M", true}, {"out $/M", true}, {"ttft p50 ms", true}, {"p95 ms", true},
            {"tok/s", true}, {"requests", true}, {"errors", true}, {"today", true}};
    struct listing l;
    listing_init(&l, columns, ARRAY_LEN(columns));
    for (int i = 0; i < n; i++)
        add_line(&l, &lines[i]);
    listing_print(&l);
    listing_release(&l);
    explain_marks(s->costs, s->n_costs);
}

/* ---- as JSON ---------------------------------------------------------------------------- */

static void add_samples(struct buf *out, const char *name, const struct samples *s, double q)
{
    buf_printf(out, ",\"%s\":", name);
    if (s->n)
        json_add_float(out, samples_quantile(s, q));
    else
        buf_add_text(out, "null");
}

static void add_line_json(struct buf *out, const struct line *line)
{
    const struct endpoint_state *e = line->e;
    const struct endpoint_conf *conf = e->conf;
    const struct cost_row none = {0}, *today = line->today ? line->today : &none;
    bool is_known = line->has_history;
    buf_add_text(out, "{\"endpoint\":");
    json_add_string(out, slice_of(conf->name));
    json_add_member_text(out, "kind", providers[conf->kind].name);
    json_add_member_text(out, "model", model_of(conf));
    json_add_member_text(out, "zone", zone_name(conf->zone));
    json_add_member_number(out, "tier", conf->tier > 0 ? conf->tier : -1);
    json_add_member_text(out, "state", standings[line->standing].json);
    json_add_member_number(
            out, "failed_at_ms", line->standing == STANDING_FAILED ? (double)line->t_ms : -1);
    json_add_member_number(out, "breaker_until_ms",
            line->standing == STANDING_BREAKER ? (double)line->t_ms : -1);
    json_add_member_text(out, "last_error", e->last_error);
    json_add_member_number(out, "price_in_usd_per_mtok", conf->usd_per_mtok_in);
    json_add_member_number(out, "price_out_usd_per_mtok", conf->usd_per_mtok_out);
    add_samples(out, "ttft_p50_ms", &e->ttft_samples_ms, 0.5);
    add_samples(out, "ttft_p95_ms", &e->ttft_samples_ms, 0.95);
    add_samples(out, "tok_per_s", &e->tok_per_s_samples, 0.5);
    json_add_member_number(out, "requests_today", is_known ? today->n_requests : -1.0);
    json_add_member_number(out, "errors_today", is_known ? today->n_errors : -1.0);
    json_add_member_number(out, "unpriced_today", is_known ? today->n_unpriced : -1.0);
    json_add_member_number(out, "cost_today_usd", is_known ? dollars(today->cost_nusd) : -1);
    buf_add_text(out, "}");
}

static void print_list_json(const struct line *lines, int n)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    buf_add_text(&out, "[");
    for (int i = 0; i < n; i++) {
        buf_add_text(&out, i ? ",\n" : "");
        add_line_json(&out, &lines[i]);
    }
    buf_add_text(&out, "]");
    puts(buf_text(&out));
    buf_release(&out);
}

int fleet_print_list(const struct config *config, bool is_json)
{
    struct store_command *s;
    struct err err;
    struct core core;
    struct core_config cfg = {.endpoints = config->endpoints,
            .n_endpoints = config->n_endpoints,
            .max_zone = config->zone};
    struct moment now = {clock_unix_ms(), clock_now_ns()};
    if (cmd_ask_store(config, history_command(now.ms), &s, &err) != OK)
        fprintf(stderr, "shunt: %s; figures are left out\n", err.text);
    core_init(&core, &cfg);
    cmd_look_at_models(&core);
    history_replay(&core.fleet, s);
    history_replay_breakers(&core.fleet, s, now.ms, now.ns);
    int n = core.fleet.n_endpoints;
    struct line *lines = mem_alloc(((size_t)n + 1) * sizeof *lines);
    for (int i = 0; i < n; i++)
        lines[i] = line_of(config, &core.fleet.endpoints[i], s, now);
    if (is_json)
        print_list_json(lines, n);
    else if (n)
        print_list(lines, n, s);
    else
        fprintf(stderr, "shunt: no endpoint is configured; shunt doctor says what to do\n");
    mem_free(lines);
    core_release(&core);
    store_command_free(s);
    return EXIT_DONE;
}

/* ---- costs ------------------------------------------------------------------------------ */

static void print_costs(const struct store_command *s)
{
    static const struct listing_column columns[] = {{"day", false}, {"endpoint", false},
            {"requests", true}, {"errors", true}, {"tokens in", true}, {"tokens out", true},
            {"cost", true}};
    struct listing l;
    listing_init(&l, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->n_costs; i++) {
        const struct cost_row *row = &s->costs[i];
        listing_add(&l, "%s", row->day.ptr);
        listing_add(&l, "%s", row->endpoint.ptr);
        listing_add(&l, "%u", row->n_requests);
        listing_add(&l, "%u", row->n_errors);
        add_known(&l, row->n_input_tok >= 0, "", 0, (double)row->n_input_tok);
        add_known(&l, row->n_output_tok >= 0, "", 0, (double)row->n_output_tok);
        add_cost(&l, row->cost_nusd, row->n_unpriced);
    }
    listing_print(&l);
    listing_release(&l);
    explain_marks(s->costs, s->n_costs);
}

static void print_costs_json(const struct store_command *s)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    buf_add_text(&out, "[");
    for (size_t i = 0; i < s->n_costs; i++) {
        const struct cost_row *row = &s->costs[i];
        buf_printf(&out, "%s{\"day\":\"%s\"", i ? ",\n" : "", row->day.ptr);
        json_add_member_text(&out, "endpoint", row->endpoint.ptr);
        json_add_member_number(&out, "requests", row->n_requests);
        json_add_member_number(&out, "errors", row->n_errors);
        json_add_member_number(&out, "unpriced", row->n_unpriced);
        json_add_member_number(&out, "input_tok", (double)row->n_input_tok);
        json_add_member_number(&out, "output_tok", (double)row->n_output_tok);
        json_add_member_number(&out, "cost_usd", dollars(row->cost_nusd));
        buf_add_text(&out, "}");
    }
    buf_add_text(&out, "]");
    puts(buf_text(&out));
    buf_release(&out);
}

int fleet_print_costs(const struct config *config, uint32_t n_days, bool is_json)
{
    struct store_command *command = store_command_new(STORE_LOAD_COSTS), *s;
    struct err err;
    int64_t today_ms = history_day_ms(clock_unix_ms());
    /* by way of noon: not every day has 24 hours */
    command->since_ms = history_day_ms(today_ms - (n_days - 1) * DAY_MS + DAY_MS / 2);
    enum status status = cmd_ask_store(config, command, &s, &err);
    if (status != OK)
        cmd_fail(&err);
    else if (is_json)
        print_costs_json(s);
    else if (s->n_costs)
        print_costs(s);
    else
        fprintf(stderr, "shunt: no answer in %u day%s\n", n_days, n_days == 1 ? "" : "s");
    store_command_free(s);
    return status == OK ? EXIT_DONE : EXIT_FAILED;
}
