/* test_core_budget.c - money: reserved, settled, used up by others; midnight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/history.h"
#include "router/session.h"

#include "tests/helper_core.h"

static struct effect take_reservation(void)
{
    struct effect e = {0};
    while (core_take_effect(&core, &e) && e.kind == EFFECT_STORE &&
            e.command->op != STORE_RESERVE)
        answer_store(e.command, OK);
    if (e.kind != EFFECT_STORE || !e.command)
        fail_msg("no reservation");
    return e;
}

/* Another process may have spent meanwhile: the store decides, and what was reserved is settled
 * in the end. */
static void money_is_reserved_before_and_settled_after(void **state)
{
    (void)state;
    core.budget.day_nusd = 10000000;
    act(ACTION_SEND, "x");
    struct effect e = take_reservation();
    int64_t reserved = e.command->amount_nusd;
    assert_true(reserved > 0);
    assert_int_equal(e.command->limit_nusd, 10000000);
    assert_true(slice_eq(e.command->key, "a"));
    e.command->total_nusd = reserved;
    e.command->value = SLICE("2026-01-02");
    answer_store(e.command, OK);
    assert_int_equal(core.budget.spent_nusd, reserved);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    emit_text(e.request, "ok");
    emit_usage(e.request, 10, 1);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    e = take_reservation();
    assert_int_equal(e.command->amount_nusd, 11 * 1000 - reserved);
    assert_true(slice_eq(e.command->value, "2026-01-02")); /* of the day it was taken from */
    e.command->total_nusd = 11000;
    answer_store(e.command, OK);
    assert_int_equal(core.budget.spent_nusd, 11000);
    next_other();
}

/* The store is asked once more before the user is. */
static void answer_spent(int64_t nusd)
{
    struct effect e = take_reservation();
    assert_int_equal(e.command->amount_nusd, 0);
    e.command->total_nusd = nusd;
    answer_store(e.command, OK);
    assert_int_equal(next_other().endpoint, -2);
}

static void a_new_day_is_noticed_before_anybody_is_asked(void **state)
{
    (void)state;
    core.budget = (struct budget){10000000, 10000000}; /* of yesterday */
    core.can_ask = true;
    act(ACTION_SEND, "x");
    struct effect e = take_reservation();
    assert_int_equal(e.command->amount_nusd, 0);
    answer_store(e.command, OK); /* nothing yet today */
    e = take_reservation();
    assert_true(e.command->amount_nusd > 0);
    answer_store(e.command, OK);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

static void a_reached_budget_asks_the_user_or_refuses(void **state)
{
    (void)state;
    core.budget = (struct budget){1000000, 1000000};
    act(ACTION_SEND, "x");
    answer_spent(1000000);
    assert_int_equal(core.log.n, 1); /* the question was one, though the sum was looked up */
    assert_int_equal(leaf()->state, MESSAGE_FAILED); /* nobody to ask */
    assert_non_null(strstr(buf_text(&leaf()->error), "budget"));
    core.can_ask = true;
    act(ACTION_RETRY, NULL);
    answer_spent(1000000);
    assert_int_equal(leaf()->state, MESSAGE_RUNNING);
    act(ACTION_CONFIRM, NULL);
    struct effect e = take_reservation();
    assert_true(e.command->limit_nusd < 0);
    answer_store(e.command, OK);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    act(ACTION_CONFIRM, NULL);
    assert_non_null(strstr(newest_notice(), "nothing waits"));
}

static void a_budget_that_another_process_used_up_stops_it(void **state)
{
    (void)state;
    core.budget.day_nusd = 10000000;
    act(ACTION_SEND, "x");
    struct effect e = take_reservation();
    e.command->is_above_limit = true;
    e.command->total_nusd = 9999999;
    answer_store(e.command, OK);
    answer_spent(9999999);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_int_equal(core.last_decision.verdict, VERDICT_ASK);
}

static void the_figures_of_today_end_at_midnight(void **state)
{
    (void)state;
    core.budget.day_nusd = 10000000;
    act(ACTION_SEND, "x");
    struct effect e = take_reservation();
    e.command->total_nusd = 1000000;
    answer_store(e.command, OK);
    e = next_other();
    emit_usage(e.request, 10, 10);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(next_other().endpoint, -2);
    assert_true(core.fleet.endpoints[0].spent_today_nusd > 0);
    int64_t now_ms = 1700000000000 + (int64_t)(now / 1000000),
            left_ms = history_next_day_ms(now_ms) - now_ms;
    assert_int_equal(core_deadline(&core), now + (uint64_t)left_ms * 1000000u);
    tick((uint64_t)left_ms * 1000000u - 1000000u);
    assert_true(core.fleet.endpoints[0].spent_today_nusd > 0);
    tick(1000000u);
    assert_int_equal(core.fleet.endpoints[0].spent_today_nusd, 0);
    assert_int_equal(core.fleet.endpoints[0].n_requests, 0);
    assert_true(core.fleet.endpoints[0].cost_nusd > 0); /* of this run */
    assert_int_equal(core.budget.spent_nusd, 0);
    answer_spent(5);
    assert_int_equal(core.budget.spent_nusd, 5);
    assert_true(core_deadline(&core) > now + 22 * 3600 * S);
}
static void switched_off_while_the_money_is_reserved_it_gets_nothing(void **state)
{
    (void)state;
    core.budget.day_nusd = 1000000000;
    act(ACTION_SEND, "x");
    struct effect e = take_reservation();
    assert_true(slice_eq(e.command->key, "a"));
    int64_t reserved = e.command->amount_nusd;
    struct action *a = action_new(ACTION_SWITCH);
    a->switch_to = SWITCH_OFF;
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
    answer_store(e.command, OK);
    e = take_reservation();
    assert_true(slice_eq(e.command->key, "a"));
    assert_int_equal(e.command->amount_nusd, -reserved); /* given back */
    answer_store(e.command, OK);
    e = take_reservation();
    assert_true(slice_eq(e.command->key, "b"));
    answer_store(e.command, OK);
    e = next_other();
    assert_int_equal(e.endpoint, 1);
    request_free(e.request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(money_is_reserved_before_and_settled_after),
            TEST(a_new_day_is_noticed_before_anybody_is_asked),
            TEST(a_reached_budget_asks_the_user_or_refuses),
            TEST(a_budget_that_another_process_used_up_stops_it),
            TEST(the_figures_of_today_end_at_midnight),
            TEST(switched_off_while_the_money_is_reserved_it_gets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
