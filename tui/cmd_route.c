/* cmd_route.c - `shunt route`: where a prompt would go and why, by what the database tells of
 * today; nothing is sent. */
#include <stdio.h>

#include "router/core.h"
#include "router/decision_json.h"
#include "router/endpoint.h"
#include "router/history.h"
#include "router/pilot.h"
#include "router/prices.h"
#include "router/store.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/keys.h"
#include "tui/pilot_help.h"

static void print_table(const struct decision *d, const struct fleet *fleet)
{
    int n_name = cmd_name_cols(fleet);
    cmd_print_line(stdout, "%s", d->reason);
    if (d->n_candidates)
        cmd_print_line(
                stdout, "  %-*s %8s %10s  %s", n_name, "endpoint", "time", "expected", "why");
    for (int i = 0; i < d->n_candidates; i++) {
        const struct candidate *c = &d->candidates[i];
        char usd[32];
        cmd_print_line(stdout, "%s %-*s %6.1f s %10s  %s",
                i == d->chosen             ? ">"
                : c->filter != FILTER_NONE ? "x"
                                           : " ",
                n_name, fleet->endpoints[c->endpoint].conf->name, c->expected_ms / 1000.0,
                prices_usd_text(c->cost_nusd, usd), c->reason);
    }
    if (d->flip[0])
        cmd_print_line(stdout, "%s", d->flip);
}

/* The decision knows no file and no variable; a person wants to know that the chosen one cannot
 * answer. */
static void print_problems(
        const struct decision *d, const struct fleet *fleet, FILE *out, const char *prefix)
{
    for (int i = 0; i < d->n_candidates; i++) {
        const struct endpoint_conf *e = fleet->endpoints[d->candidates[i].endpoint].conf;
        struct err err;
        if (d->candidates[i].filter == FILTER_NONE && endpoint_check(e, &err) != OK)
            cmd_print_line(out, "%s%s: %s", prefix, e->name, err.text);
    }
}

static void print_decision(const struct decision *d, const struct fleet *fleet, bool is_json)
{
    struct buf out;
    if (!is_json) {
        print_table(d, fleet);
        print_problems(d, fleet, stdout, "");
        return;
    }
    buf_init(&out, 1 << 20);
    decision_print_json(d, fleet, &out);
    puts(buf_text(&out));
    buf_release(&out);
    print_problems(d, fleet, stderr, "shunt: ");
}

/* What a running program knows when it decides; without a database nothing was seen. */
static void read_today(const struct config *config, struct core *core)
{
    struct store_command *spent = store_command_new(STORE_RESERVE),
                         *history; /* of nothing: only reads */
    struct err err;
    spent->limit_nusd = -1;
    enum status status = cmd_ask_store(config, spent, &spent, &err);
    if (status == OK)
        core->budget.spent_nusd = spent->total_nusd;
    store_command_free(spent);
    if (status != OK) {
        fprintf(stderr, "shunt: %s; decided without what was seen before\n", err.text);
        return;
    }
    if (cmd_ask_store(config, history_command(clock_unix_ms()), &history, &err) == OK)
        history_replay(&core->fleet, history);
    store_command_free(history);
}

static int decide(
        struct config *config, struct slice prompt, const char *endpoint, bool is_json)
{
    struct core core;
    struct err err;
    struct core_config cfg = {.endpoints = config->endpoints,
            .n_endpoints = config->n_endpoints,
            .max_zone = config->zone,
            .now_ms = clock_unix_ms(),
            .budget_day_nusd = config->budget_day_nusd};
    struct chat_message message = {MSG_USER, prompt};
    struct features features = features_of(&message, 1, SLICE(""));
    struct keymap *keymap = config_keymap(config);
    struct pilot_help help;
    pilot_help_init(&help, keymap);
    struct decision decision;
    int code;
    core_init(&core, &cfg);
    cmd_look_at_models(&core);
    read_today(config, &core);
    features.max_zone = config->zone;
    if (fleet_pilot(&core.fleet) >= 0 && pilot_is_asked(&help.source, &message, 1))
        features.domain = DOMAIN_SHUNT;
    if (endpoint &&
            cmd_find_endpoint(&core.fleet, endpoint, &features.only_endpoint, &err) != OK) {
        code = cmd_fail(&err);
    } else {
        const struct policy_world world = {&core.fleet, core.budget, clock_now_ns()};
        policy_decide(&decision, &features, &world, 0);
        print_decision(&decision, &core.fleet, is_json);
        code = decision.verdict == VERDICT_SEND ? EXIT_DONE : EXIT_REFUSED;
    }
    core_release(&core);
    pilot_help_release(&help);
    keymap_free(keymap);
    return code;
}

static int run(struct args *args, struct buf *prompt)
{
    const char *endpoint = NULL;
    bool is_json = false;
    for (int id; (id = args_next(args)) != ARG_END;) {
        if (id == FLAG_ROUTE_JSON)
            is_json = true;
        else if (id == FLAG_ROUTE_ENDPOINT)
            endpoint = args->value;
        else if (id == ARG_WORD)
            buf_printf(prompt, "%s%s", prompt->n ? " " : "", args->value);
        else
            return cmd_stop(args, id);
    }
    if (prompt->n == 0)
        return cmd_usage("route", "nothing to decide: give a PROMPT");
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    int code = decide(&config, buf_slice(prompt), endpoint, is_json);
    config_release(&config);
    return code;
}

int cmd_route(struct args *args)
{
    struct buf prompt;
    buf_init(&prompt, 16 << 20);
    int code = run(args, &prompt);
    buf_release(&prompt);
    return code;
}
