/*
 * core_budget.c - today's spending, shared with other processes through the store: reserved
 * before a request is sent, settled when its cost is known.
 */
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/endpoint.h"
#include "router/history.h"
#include "router/prices.h"
#include "router/store.h"

/* Adds to what all processes spent on a day, "": today. */
static struct store_command *addition(
        const char *endpoint, const char *day, int64_t amount_nusd)
{
    struct store_command *c = store_command_new(STORE_RESERVE);
    c->key = slice_of(arena_strdup(&c->arena, endpoint));
    c->value = slice_of(arena_strdup(&c->arena, day));
    c->amount_nusd = amount_nusd;
    c->limit_nusd = -1;
    return c;
}

void budget_ask(struct core *core, uint32_t request_id)
{
    struct store_command *c = addition("", "", 0);
    c->tag = request_id;
    disk_ask(core, c);
}

void budget_reserve(struct core *core, const struct run *run, int64_t price_nusd)
{
    const char *name = core->fleet.endpoints[run->endpoint].conf->name;
    struct store_command *c = addition(name, "", price_nusd);
    c->tag = run->request_id;
    c->limit_nusd = run->is_confirmed ? -1 : core->budget.day_nusd;
    disk_ask(core, c);
}

void budget_give_back(struct core *core, const struct store_command *answer)
{
    if (answer->err.status == OK && !answer->is_above_limit)
        disk_ask(core, addition(answer->key.ptr, answer->value.ptr, -answer->amount_nusd));
}

void budget_settle(struct core *core, struct run *run)
{
    const struct endpoint_conf *conf = core->fleet.endpoints[run->endpoint].conf;
    bool gave = run->t_first_ns || run->usage.output != TOKENS_UNKNOWN;
    int64_t cost_nusd = gave ? prices_cost_nusd(conf, &run->usage) : 0;
    if (run->reserved_nusd && cost_nusd >= 0 && cost_nusd != run->reserved_nusd)
        disk_ask(core, addition(conf->name, run->reserved_day, cost_nusd - run->reserved_nusd));
    run->reserved_nusd = 0;
}

static void warn_of_budget(struct core *core, uint64_t t_ns)
{
    const struct budget *b = &core->budget;
    char spent[32], day[32];
    bool is_near = b->day_nusd >= 0 &&
                   (double)b->spent_nusd >= BUDGET_WARN_SHARE * (double)b->day_nusd;
    if (is_near && !core->was_warned)
        core_notice(core, t_ns, ERR_QUOTA, "%s of today's budget of %s are spent or reserved",
                prices_usd_text(b->spent_nusd, spent), prices_usd_text(b->day_nusd, day));
    core->was_warned = is_near;
}

void budget_take(
        struct core *core, const struct store_command *answer, bool is_for_run, uint64_t t_ns)
{
    if (answer->err.status == OK)
        core->budget.spent_nusd = answer->total_nusd;
    else if (is_for_run) /* a disk that refuses must not make the money invisible */
        core->budget.spent_nusd += answer->amount_nusd;
    warn_of_budget(core, t_ns);
}

/* Without a limit nobody asks the store for the sum of the day before something is spent. */
void budget_take_history(struct core *core, const struct store_command *loaded)
{
    int64_t spent_nusd = 0;
    for (size_t i = 0; i < loaded->n_costs; i++)
        spent_nusd += loaded->costs[i].cost_nusd > 0 ? loaded->costs[i].cost_nusd : 0;
    if (core->budget.day_nusd < 0 && core->budget.spent_nusd == 0)
        core->budget.spent_nusd = spent_nusd;
}

static bool has_figures_of_today(const struct core *core)
{
    bool has = core->budget.spent_nusd > 0;
    for (int i = 0; i < core->fleet.n_endpoints; i++)
        has |= core->fleet.endpoints[i].n_requests > 0;
    return has;
}

uint64_t budget_deadline(const struct core *core)
{
    if (core->is_shutting_down || !core->base_ns || !has_figures_of_today(core))
        return 0;
    int64_t left_ms = core->day_end_ms - core->base_ms;
    return core->base_ns + (left_ms > 0 ? (uint64_t)left_ms * 1000000u : 0);
}

void budget_timer(struct core *core, uint64_t t_ns)
{
    int64_t now_ms = core_unix_ms(core, t_ns);
    if (now_ms < core->day_end_ms)
        return;
    core->day_end_ms = history_next_day_ms(now_ms);
    fleet_begin_day(&core->fleet);
    core->version++;
    if (core->budget.day_nusd >= 0)
        budget_ask(core, 0); /* what the other processes spent since */
    core->budget.spent_nusd = 0;
}
