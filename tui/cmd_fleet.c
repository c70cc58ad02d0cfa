/* cmd_fleet.c - `shunt fleet list | probe [NAME…] | costs [--days N]`. */
#include "tui/cmd_fleet.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "engine/json.h"

#include "router/core.h"
#include "router/endpoint.h"
#include "router/hub.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"

#define NAMES_MAX 64
#define DAYS_MAX  3660

struct fleet_args {
    const char *what, *names[NAMES_MAX];
    int n_names;
    uint32_t n_days;
    bool is_json;
};

/* ---- probe ------------------------------------------------------------------------------ */

static void ask(struct hub *hub, int endpoint)
{
    struct action *action = action_new(ACTION_PROBE);
    action->id = endpoint;
    action->now_ms = clock_unix_ms();
    hub_act(hub, action);
}

static bool is_probing(const struct fleet *fleet)
{
    for (int i = 0; i < fleet->n_endpoints; i++)
        if (fleet->endpoints[i].is_probing)
            return true;
    return false;
}

static void wait_for_all(struct hub *hub)
{
    while (is_probing(&hub_core(hub)->fleet)) {
        struct pollfd fd = {hub_fd(hub), POLLIN, 0};
        poll(&fd, 1, hub_timeout_ms(hub));
        hub_step(hub, 2000000);
    }
}

static void print_result(const struct endpoint_state *e, int n_name)
{
    if (e->probe_error[0])
        cmd_print_line(stdout, "%-*s FAILED  %s", n_name, e->conf->name, e->probe_error);
    else
        cmd_print_line(stdout, "%-*s ok  %6u ms", n_name, e->conf->name, e->probe_ms);
}

static void print_result_json(const struct endpoint_state *e, bool is_first)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    bool is_fine = !e->probe_error[0];
    buf_printf(&out, "%s{\"endpoint\":", is_first ? "" : ",\n");
    json_add_string(&out, slice_of(e->conf->name));
    buf_printf(&out, ",\"ok\":%s", is_fine ? "true" : "false");
    json_add_member_number(&out, "probe_ms", is_fine ? e->probe_ms : -1.0);
    json_add_member_text(&out, "error", e->probe_error);
    buf_add_text(&out, "}");
    fputs(buf_text(&out), stdout);
    buf_release(&out);
}

static int print_results(const struct fleet *fleet, bool is_json)
{
    int n_failed = 0, n_asked = 0;
    fputs(is_json ? "[" : "", stdout);
    for (int i = 0; i < fleet->n_endpoints; i++) {
        const struct endpoint_state *e = &fleet->endpoints[i];
        if (!e->probe_t_ns)
            continue;
        if (is_json)
            print_result_json(e, n_asked == 0);
        else
            print_result(e, cmd_name_cols(fleet));
        n_asked++;
        n_failed += e->probe_error[0] != '\0';
    }
    fputs(is_json ? "]\n" : "", stdout);
    if (n_asked == 0)
        fprintf(stderr, "shunt: no endpoint may be asked; shunt fleet list says why\n");
    return n_failed || n_asked == 0 ? EXIT_FAILED : EXIT_DONE;
}

static enum status begin_probes(struct hub *hub, const struct fleet_args *args, struct err *err)
{
    const struct fleet *fleet = &hub_core(hub)->fleet;
    for (int i = 0; i < args->n_names; i++)
        if (fleet_find(fleet, args->names[i]) < 0)
            return err_set(err, ERR_USAGE,
                    "there is no endpoint \"%s\"; shunt fleet list shows all", args->names[i]);
    for (int i = 0; i < args->n_names; i++)
        ask(hub, fleet_find(fleet, args->names[i]));
    if (args->n_names == 0)
        ask(hub, -1);
    return OK;
}

static int run_probe(const struct config *config, const struct fleet_args *args)
{
    struct hub *hub;
    struct err err;
    struct hub_config cfg = {.core = &(struct core_config){.endpoints = config->endpoints,
                                     .n_endpoints = config->n_endpoints,
                                     .max_zone = config->zone,
                                     .now_ms = clock_unix_ms()}};
    if (hub_open(&hub, &cfg, &err) != OK)
        return cmd_fail(&err);
    int code;
    if (begin_probes(hub, args, &err) == OK) {
        wait_for_all(hub);
        code = print_results(&hub_core(hub)->fleet, args->is_json);
    } else {
        code = cmd_fail(&err);
    }
    hub_close(hub);
    return code;
}

/* ---- which one -------------------------------------------------------------------------- */

static int run_list(const struct config *config, const struct fleet_args *args)
{
    return fleet_print_list(config, args->is_json);
}

static int run_costs(const struct config *config, const struct fleet_args *args)
{
    return fleet_print_costs(config, args->n_days, args->is_json);
}

static const struct {
    int n_names_max;
    int (*run)(const struct config *config, const struct fleet_args *args);
} runs[VERB_COUNT] = {
        [VERB_FLEET_LIST] = {0, run_list},
        [VERB_FLEET_PROBE] = {NAMES_MAX, run_probe},
        [VERB_FLEET_COSTS] = {0, run_costs},
};

/* -1, or the exit status of what ended it. */
static int read_args(struct fleet_args *out, struct args *args)
{
    for (int id; (id = args_next(args)) != ARG_END;) {
        if (id == FLAG_FLEET_JSON)
            out->is_json = true;
        else if (id == FLAG_FLEET_DAYS &&
                 args_parse_u32(args->value, 1, DAYS_MAX, &out->n_days))
            continue;
        else if (id == FLAG_FLEET_DAYS)
            return cmd_usage("fleet", "--days takes a number from 1 to %d", DAYS_MAX);
        else if (id == ARG_WORD && !out->what)
            out->what = args->value;
        else if (id == ARG_WORD && out->n_names < NAMES_MAX)
            out->names[out->n_names++] = args->value;
        else if (id == ARG_WORD)
            return cmd_usage("fleet", "too many words");
        else
            return cmd_stop(args, id);
    }
    return -1;
}

int cmd_fleet(struct args *args)
{
    struct fleet_args in = {.n_days = 7};
    struct config config;
    struct err err;
    int code = read_args(&in, args);
    if (code >= 0)
        return code;
    enum verb verb = cmd_find_verb(args, in.what);
    if (verb == VERB_NONE)
        return EXIT_USAGE;
    if (in.n_names > runs[verb].n_names_max)
        return cmd_usage("fleet", "%s takes no names: %s", in.what, in.names[0]);
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    code = runs[verb].run(&config, &in);
    config_release(&config);
    return code;
}
