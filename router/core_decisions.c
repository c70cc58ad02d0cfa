/*
 * core_decisions.c - the log of decisions: what this process decides is in it at once, what the
 * store has from before and from other processes comes when it is asked for. An entry keeps the
 * figures of its line and the JSON of the rest, which is read only when somebody looks: a
 * struct decision has room for 64 candidates.
 */
#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/core_internal.h"
#include "router/decision_json.h"
#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

static void free_entry(struct decision_entry *entry)
{
    if (!entry)
        return;
    mem_free(entry->json);
    mem_free(entry);
}

void decisions_release(struct core *core)
{
    for (size_t i = 0; i < core->log.n; i++)
        free_entry(core->log.entries[i]);
    mem_free(core->log.entries);
    free_entry(core->log.why);
    core->log = (struct decision_log){0};
}

static struct decision_entry *entry_new(struct core *core, const struct decision *d,
        const char *chosen, const struct decision_row *row)
{
    struct decision_entry *entry = mem_alloc(sizeof *entry);
    entry->serial = ++core->log.newest_serial;
    entry->t_ms = row->t_ms;
    entry->message_id = row->message_id;
    entry->verdict = d->verdict;
    entry->difficulty = d->features.difficulty;
    entry->domain = d->features.domain;
    entry->price_nusd = -1;
    for (int i = 0; i < d->n_candidates; i++)
        entry->is_fallback |= d->candidates[i].filter == FILTER_TRIED;
    if (d->chosen >= 0) {
        const struct candidate *c = &d->candidates[d->chosen];
        snprintf(entry->endpoint, sizeof entry->endpoint, "%s", chosen);
        entry->price_nusd = c->is_price_known ? c->price_nusd : -1;
        entry->expected_ms = c->expected_ms;
    }
    slice_to_text(row->question, entry->question, sizeof entry->question);
    utf8_make_printable(entry->question);
    entry->json = mem_alloc(row->json.n + 1);
    memcpy(entry->json, row->json.ptr, row->json.n);
    return entry;
}

static struct decision_entry *entry_of_row(struct core *core, const struct decision_row *row)
{
    struct arena arena = {0};
    struct decision d;
    const char *names[ENDPOINTS_MAX];
    struct decision_entry *entry = NULL;
    if (decision_read_json(row->json, &arena, &d, names))
        entry = entry_new(core, &d, d.chosen >= 0 ? names[d.chosen] : "", row);
    arena_release(&arena);
    return entry;
}

/* Behind those that are as new: what is stored comes newest first. */
static void insert(struct core *core, struct decision_entry *entry, bool is_newest)
{
    struct decision_log *log = &core->log;
    size_t i = 0;
    while (!is_newest && i < log->n && log->entries[i]->t_ms >= entry->t_ms)
        i++;
    if (i == DECISIONS_KEPT) {
        free_entry(entry);
        return;
    }
    if (!log->entries)
        log->entries = mem_alloc((DECISIONS_KEPT + 1) * sizeof *log->entries);
    memmove(log->entries + i + 1, log->entries + i, (log->n - i) * sizeof *log->entries);
    log->entries[i] = entry;
    if (++log->n > DECISIONS_KEPT)
        free_entry(log->entries[--log->n]);
}

void decisions_add(struct core *core, const struct run *run, struct slice json)
{
    const struct decision *d = &run->decision;
    struct message *answer, *asked = NULL;
    const struct session *s = core_find_message(core, run->message_id, &answer);
    if (s)
        asked = session_find(s, answer->parent_id);
    const struct decision_row row = {
            d->t_ms, run->message_id, json, asked ? message_typed(asked) : SLICE("")};
    const char *chosen =
            d->chosen < 0 ? ""
                          : core->fleet.endpoints[d->candidates[d->chosen].endpoint].conf->name;
    insert(core, entry_new(core, d, chosen, &row), true);
}

void decisions_ask(struct core *core, int64_t message_id)
{
    struct store_command *c = store_command_new(STORE_LIST_DECISIONS);
    c->message_id = message_id;
    c->limit = message_id ? 1 : DECISIONS_KEPT;
    if (message_id) {
        core->log.why_id = message_id;
        core->log.is_why_known = false;
    }
    disk_ask(core, c);
}

/* The same text of the same time is the same decision. */
static bool is_in_log(const struct decision_log *log, const struct decision_row *row)
{
    for (size_t i = 0; i < log->n; i++)
        if (log->entries[i]->t_ms == row->t_ms &&
                log->entries[i]->message_id == row->message_id &&
                slice_eq(row->json, log->entries[i]->json))
            return true;
    return false;
}

static void take_why(struct core *core, const struct store_command *c)
{
    struct decision_log *log = &core->log;
    if (c->message_id != log->why_id)
        return; /* another was asked for meanwhile */
    free_entry(log->why);
    log->why = c->n_decisions ? entry_of_row(core, &c->decisions[0]) : NULL;
    log->is_why_known = true;
}

void decisions_take(struct core *core, const struct store_command *c)
{
    if (c->message_id) {
        take_why(core, c);
        return;
    }
    for (size_t i = 0; i < c->n_decisions; i++) {
        struct decision_entry *entry = is_in_log(&core->log, &c->decisions[i])
                                               ? NULL
                                               : entry_of_row(core, &c->decisions[i]);
        if (entry)
            insert(core, entry, false);
    }
}

const struct decision_entry *core_decision_of(const struct core *core, int64_t message_id)
{
    const struct decision_log *log = &core->log;
    for (size_t i = 0; i < log->n; i++)
        if (log->entries[i]->message_id == message_id)
            return log->entries[i];
    return log->why && log->why->message_id == message_id ? log->why : NULL;
}
