/*
 * history.c - see history.h. A stored answer is played back as the observations that it was, so
 * that estimates have one source. Days are local ones: clocks that were changed make some of 23
 * or 25 hours.
 */
#include "router/history.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "router/fleet.h"
#include "router/store.h"

#define DAY_MS 86400000

int64_t history_day_ms(int64_t now_ms)
{
    time_t seconds = now_ms / 1000;
    struct tm tm;
    localtime_r(&seconds, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1; /* the clocks may have been changed since midnight */
    return (int64_t)mktime(&tm) * 1000;
}

int64_t history_next_day_ms(int64_t now_ms)
{
    return history_day_ms(history_day_ms(now_ms) + DAY_MS + DAY_MS / 2); /* a day has 23 to 25
                                                                           hours */
}

struct store_command *history_command(int64_t now_ms)
{
    struct store_command *c = store_command_new(STORE_LOAD_FLEET);
    c->since_ms = now_ms - DAY_MS;
    c->day_ms = history_day_ms(now_ms);
    return c;
}

static void replay_answer(
        struct fleet *fleet, struct observation o, const struct answer_row *answer)
{
    if (answer->ttft_ms) {
        o.what = SEEN_FIRST_TOKEN;
        o.ms = answer->ttft_ms;
        fleet_observe(fleet, &o, 0);
    }
    bool has_speed = answer->ttft_ms && answer->total_ms > answer->ttft_ms &&
                     answer->n_output_tok != TOKENS_UNKNOWN;
    if (has_speed) {
        o.what = SEEN_SPEED;
        o.ms = answer->total_ms - answer->ttft_ms;
        o.n_output_tok = answer->n_output_tok;
        fleet_observe(fleet, &o, 0);
    }
    if (answer->state == MESSAGE_FAILED)
        fleet_set_error(fleet, o.endpoint, answer->error);
}

void history_replay_breakers(struct fleet *fleet, const struct store_command *loaded,
        int64_t now_ms, uint64_t now_ns)
{
    for (size_t i = 0; i < loaded->n_breakers; i++) {
        const struct breaker_row *row = &loaded->breakers[i];
        struct observation o = {
                .endpoint = fleet_find(fleet, row->endpoint.ptr), .what = SEEN_BREAKER};
        /* further away than a day, a clock was set, not a breaker */
        if (o.endpoint < 0 || row->until_ms <= now_ms || row->until_ms > now_ms + DAY_MS)
            continue;
        o.ms = (double)(row->until_ms - now_ms);
        fleet_observe(fleet, &o, now_ns);
    }
}

void history_replay(struct fleet *fleet, const struct store_command *loaded)
{
    for (size_t i = 0; i < loaded->n_answers; i++) {
        struct observation o = {.endpoint = fleet_find(fleet, loaded->answers[i].endpoint.ptr)};
        if (o.endpoint >= 0)
            replay_answer(fleet, o, &loaded->answers[i]);
    }
    for (size_t i = 0; i < loaded->n_costs; i++) {
        const struct cost_row *cost = &loaded->costs[i];
        struct observation o = {.endpoint = fleet_find(fleet, cost->endpoint.ptr),
                .what = SEEN_SPENT,
                .cost_nusd = cost->cost_nusd > 0 ? cost->cost_nusd : 0,
                .n_requests = cost->n_requests,
                .n_errors = cost->n_errors};
        if (o.endpoint >= 0)
            fleet_observe(fleet, &o, 0);
    }
}
