/* cmd_route.c - `shunt route`: where a prompt would go and why; nothing is sent and nothing is
 * opened. */
#include <stdio.h>

#include "tui/cmd.h"

static void print_table(const struct decision *d, const struct fleet *fleet)
{
    printf("%s\n", d->reason);
    for (int i = 0; i < d->n_candidates; i++) {
        const struct candidate *c = &d->candidates[i];
        char cost[32] = "price unknown";
        if (c->is_price_known)
            snprintf(cost, sizeof cost, "$%.6f", (double)c->price_nusd / 1e9);
        printf("%s %-16s %-14s %s\n",
                i == d->chosen             ? ">"
                : c->filter != FILTER_NONE ? "x"
                                           : " ",
                fleet->endpoints[c->endpoint].conf->name, cost, c->reason);
    }
}

int cmd_route(struct args *args)
{
    bool is_json = false;
    struct buf prompt, out;
    buf_init(&prompt, 16 << 20);
    int id;
    while ((id = args_next(args)) != ARG_END) {
        if (id == 257) {
            is_json = true;
        } else if (id == ARG_WORD) {
            buf_printf(&prompt, "%s%s", prompt.n ? " " : "", args->value);
        } else {
            buf_release(&prompt);
            return cmd_stop(args, id, "route");
        }
    }
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK) {
        buf_release(&prompt);
        return cmd_fail(&err);
    }
    config_print_warnings(&config);
    struct core core;
    struct core_config cfg = {
            config.endpoints, config.n_endpoints, config.zone, 1, clock_unix_ms()};
    core_init(&core, &cfg);
    struct chat_message message = {MSG_USER, buf_slice(&prompt)};
    struct features features = features_of(&message, 1, slice_of(""));
    features.max_zone = config.zone;
    features.only_endpoint = -1;
    struct decision decision;
    const struct policy_world world = {&core.fleet, core.budget, core.prefs, clock_now_ns()};
    policy_decide(&decision, &features, &world, 0);
    buf_init(&out, 1 << 20);
    decision_print_json(&decision, &core.fleet, &out);
    if (is_json)
        puts(buf_text(&out));
    else
        print_table(&decision, &core.fleet);
    int code = decision.verdict == VERDICT_SEND ? EXIT_DONE : EXIT_REFUSED;
    buf_release(&out);
    buf_release(&prompt);
    core_release(&core);
    config_release(&config);
    return code;
}
