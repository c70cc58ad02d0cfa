/*
 * test_core_runs.c - a request's way: tried again, elsewhere or not at all, stopped, gone on
 * with; what its attempts cost and how long they took.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"

#include "tests/helper_core.h"

static void a_failure_before_text_is_tried_again_then_elsewhere(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_done(e.request, ERR_SERVER, 2000);
    request_free(e.request);
    assert_int_equal(next_other().endpoint, -2);
    assert_int_equal(core_deadline(&core), now + 2 * S); /* as the server asked */
    tick(2 * S);
    e = next_other();
    assert_int_equal(e.endpoint, 0);
    assert_int_equal(e.request->attempt, 1);
    emit_done(e.request, ERR_SERVER, -1);
    request_free(e.request);
    e = next_other(); /* its one retry is used up: the other endpoint */
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 1);
    assert_true(core.n_notices >= 2);
    emit_text(e.request, "ok");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_string_equal(leaf()->endpoint, "b");
    assert_int_equal(leaf()->state, MESSAGE_DONE);
    next_other();
}

static void a_failure_behind_text_keeps_it_and_can_go_on(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "half");
    emit_done(e.request, ERR_NETWORK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_string_equal(buf_text(&leaf()->text), "half");
    assert_int_equal(next_other().endpoint, -2); /* no silent second attempt */
    act(ACTION_CONTINUE, NULL);
    e = next_other();
    assert_int_equal(e.request->n_messages, 2);
    assert_int_equal(e.request->messages[1].role, MSG_ASSISTANT);
    assert_true(slice_eq(e.request->messages[1].text, "half"));
    emit_text(e.request, " and half");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_string_equal(buf_text(&leaf()->text), "half and half");
    next_other();
}

static void an_endpoint_asked_for_by_name_has_no_fallback(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, "b");
    struct effect e = send_and_take("x");
    assert_int_equal(e.endpoint, 1);
    emit_done(e.request, ERR_AUTH, -1);
    request_free(e.request);
    assert_int_equal(next_other().endpoint, -2);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_int_equal(leaf()->error_status, ERR_AUTH);
    act(ACTION_USE_ENDPOINT, "nobody");
    assert_int_equal(core.use_endpoint, 1);
    assert_non_null(
            strstr(core.notices[(core.n_notices - 1) % NOTICE_MAX].text, "there are: a, b"));
    act(ACTION_USE_ENDPOINT, "");
    assert_int_equal(core.use_endpoint, 1); /* it asks, it changes nothing */
    assert_non_null(strstr(core.notices[(core.n_notices - 1) % NOTICE_MAX].text, "in use: b"));
}

static void stopping_ends_with_what_came(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "one");
    act(ACTION_STOP, NULL);
    struct effect cancel = take(EFFECT_CANCEL);
    assert_int_equal(cancel.request_id, e.request->id);
    emit_text(e.request, "late");
    emit_done(e.request, ERR_CANCELLED, -1);
    assert_string_equal(buf_text(&leaf()->text), "one");
    assert_int_equal(leaf()->state, MESSAGE_STOPPED);
    request_free(e.request);
    next_other();
}

static void nothing_permitted_is_said_in_the_answer(void **state)
{
    (void)state;
    act(ACTION_SEND, "x");
    struct effect e = take(EFFECT_STORE);
    core.fleet.endpoints[0].open_until_ns = core.fleet.endpoints[1].open_until_ns =
            now + 200 * S;
    answer_store(e.command, OK);
    assert_int_equal(next_other().endpoint, -2);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_int_equal(core.last_decision.verdict, VERDICT_REFUSE);
    assert_true(leaf()->error.n);
}

static void an_answer_costs_what_all_its_attempts_cost(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    now += S;
    emit_text(e.request, "half");
    now += 2 * S;
    emit_usage(e.request, 100, 10);
    emit_done(e.request, ERR_NETWORK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->cost_nusd, 110 * 1000);
    next_other();
    act(ACTION_USE_ENDPOINT, "b"); /* nine times the price */
    act(ACTION_CONTINUE, NULL);
    e = next_other();
    now += S;
    emit_text(e.request, " more");
    assert_int_equal(leaf()->cost_nusd, -1); /* what a crash would leave in the database */
    now += 3 * S;
    emit_usage(e.request, 100, 1);
    emit_usage(e.request, 110, 20); /* the last one of an attempt counts */
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->usage.input, 210);
    assert_int_equal(leaf()->usage.output, 30);
    assert_int_equal(leaf()->usage.cached_input, TOKENS_UNKNOWN);
    assert_int_equal(leaf()->cost_nusd, 110 * 1000 + 130 * 9000);
    assert_int_equal(
            leaf()->ttft_ms, 2000); /* so that output / (total - ttft) stays the speed */
    assert_int_equal(leaf()->total_ms, 7000);
    assert_int_equal(
            core.fleet.endpoints[1].cost_nusd, 130 * 9000); /* each attempt where it was made */
    next_other();
}

/* Stops after a text long enough to be told from chance, goes on, and gets the given pieces. */
static const char *text_after_continuing(const char *const *pieces, size_t n)
{
    struct effect e = send_and_take("x");
    emit_text(e.request, "Once upon a time in Rome");
    emit_done(e.request, ERR_NETWORK, -1);
    request_free(e.request);
    next_other();
    act(ACTION_CONTINUE, NULL);
    e = next_other();
    for (size_t i = 0; i < n; i++)
        emit_text(e.request, pieces[i]);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    return buf_text(&leaf()->text);
}

static void a_beginning_sent_twice_is_shown_once(void **state)
{
    (void)state;
    const char *const echo[] = {"Once upon ", "a time in ", "Rome there", " was"};
    const char *const same_start[] = {"Once upon ", "another time"};
    const char *const short_end[] = {"Once upon"};
    assert_string_equal(text_after_continuing(echo, 4), "Once upon a time in Rome there was");
    act(ACTION_NEW_SESSION, NULL);
    assert_string_equal(text_after_continuing(same_start, 2),
            "Once upon a time in RomeOnce upon another time");
    act(ACTION_NEW_SESSION, NULL);
    assert_string_equal(
            text_after_continuing(short_end, 1), "Once upon a time in RomeOnce upon");
}

static void an_answer_goes_on_where_it_came_from(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, "b");
    struct effect e = send_and_take("x");
    assert_int_equal(e.endpoint, 1);
    emit_text(e.request, "half");
    emit_done(e.request, ERR_NETWORK, -1);
    request_free(e.request);
    next_other();
    act(ACTION_USE_ENDPOINT, "auto"); /* a is cheaper, but b knows what it wanted to say */
    act(ACTION_CONTINUE, NULL);
    e = next_other();
    assert_int_equal(e.endpoint, 1);
    emit_done(e.request, ERR_AUTH, -1);
    request_free(e.request);
    e = next_other();
    assert_int_equal(e.endpoint, 0); /* better than nobody */
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

static void an_attempt_of_unknown_cost_makes_the_sum_unknown(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "half");
    emit_done(e.request, ERR_NETWORK, -1);
    request_free(e.request);
    next_other();
    act(ACTION_CONTINUE, NULL);
    e = next_other();
    emit_text(e.request, " more");
    emit_usage(e.request, 100, 10);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->cost_nusd, -1);
    assert_int_equal(leaf()->usage.output, TOKENS_UNKNOWN);
    next_other();
}

static void an_attempt_without_a_word_costs_nothing(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_done(e.request, ERR_AUTH, -1);
    request_free(e.request);
    e = next_other();
    assert_int_equal(e.endpoint, 1);
    emit_text(e.request, "ok");
    emit_usage(e.request, 100, 10);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->cost_nusd, 110 * 9000);
    assert_int_equal(leaf()->usage.output, 10);
    next_other();
}

static void emit_reasoning(const struct request *r)
{
    struct event e = {.request_id = r->id, .kind = EV_REASONING, .n_bytes = 1, .t_ns = now};
    e.u.text[0] = 'r';
    core_apply(&core, &e);
}

/* From its first to its last word, what lies between two thoughts left out. */
static void the_time_of_reasoning_is_counted(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    now += S; /* the first second is the prompt's */
    emit_reasoning(e.request);
    now += 2 * S;
    emit_reasoning(e.request);
    now += S / 2;
    emit_text(e.request, "so");
    assert_int_equal(leaf()->reasoning_ms, 2500);
    now += 7 * S;
    emit_reasoning(e.request);
    now += S;
    emit_text(e.request, "!");
    now += S;
    emit_done(e.request, OK, -1);
    assert_int_equal(leaf()->reasoning_ms, 3500);
    request_free(e.request);
    struct effect stored = take(EFFECT_STORE);
    assert_int_equal(stored.command->messages[0].reasoning_ms, 3500);
    answer_store(stored.command, OK);
}

/* When it was asked for, and when it came about. */
static void the_time_of_a_stop_is_known(void **state)
{
    (void)state;
    act(ACTION_STOP, NULL); /* nothing runs */
    assert_int_equal(core.stopped_ns, 0);
    struct effect e = send_and_take("x");
    now += S;
    act(ACTION_STOP, NULL);
    assert_int_equal(core.stopped_ns, now);
    now += 2 * S;
    emit_done(e.request, ERR_CANCELLED, -1);
    assert_int_equal(core.stopped_ns, now);
    request_free(e.request);
    next_other();
}

static void a_long_retry_after_goes_elsewhere(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_done(e.request, ERR_RATE_LIMIT, 30001); /* longer than anybody wants to look at */
    request_free(e.request);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 1);
    emit_text(e.request, "ok");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    e = send_and_take("y");
    assert_int_equal(e.endpoint, 1); /* the other is left alone */
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    now += 31 * S;
    e = send_and_take("z");
    assert_int_equal(e.endpoint, 0);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

static void a_long_retry_after_with_nowhere_to_go_is_an_error(void **state)
{
    (void)state;
    act(ACTION_USE_ENDPOINT, "a");
    struct effect e = send_and_take("x");
    emit_done(e.request, ERR_RATE_LIMIT, 30001);
    request_free(e.request);
    assert_int_equal(next_other().endpoint, -2);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_int_equal(leaf()->retry_after_ms, 30001); /* so that a person knows when */
}

static void switch_endpoint(int64_t id, enum endpoint_switch to)
{
    struct action *a = action_new(ACTION_SWITCH);
    a->id = id;
    a->switch_to = to;
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
}

static void what_is_drained_ends_and_gets_nothing_new(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    assert_int_equal(e.endpoint, 0);
    switch_endpoint(0, SWITCH_DRAIN);
    expect_nothing(); /* no cancel */
    emit_text(e.request, "to its end");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->state, MESSAGE_DONE);
    next_other();
    e = send_and_take("y");
    assert_int_equal(e.endpoint, 1);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    switch_endpoint(0, SWITCH_ON);
    e = send_and_take("z");
    assert_int_equal(e.endpoint, 0);
    request_free(e.request);
}

static void a_retry_leaves_an_endpoint_that_is_drained(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_done(e.request, ERR_SERVER, 2000);
    request_free(e.request);
    assert_int_equal(next_other().endpoint, -2);
    switch_endpoint(0, SWITCH_DRAIN);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 1);
    request_free(e.request);
}

static void who_asks_for_patience_is_left_for_who_can_answer_now(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_done(e.request, ERR_RATE_LIMIT, 20000);
    request_free(e.request);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 1);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

static void switching_off_stops_what_runs_there(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    switch_endpoint(1, SWITCH_OFF);
    expect_nothing(); /* not there */
    switch_endpoint(0, SWITCH_OFF);
    assert_int_equal(take(EFFECT_CANCEL).request_id, e.request->id);
    emit_done(e.request, ERR_CANCELLED, -1);
    request_free(e.request);
    assert_int_equal(leaf()->state, MESSAGE_STOPPED);
    next_other();
    switch_endpoint(0, SWITCH_DRAIN); /* would switch it on, as far as /endpoint is concerned */
    assert_int_not_equal(core.fleet.endpoints[0].switched, SWITCH_DRAIN);
    assert_false(core.fleet.endpoints[0].conf->enabled);
    act(ACTION_SEND, "y");
    next_other();
    assert_int_equal(leaf()->state, MESSAGE_FAILED); /* nobody is left */
}

static void a_new_configuration_changes_nothing_on_its_way(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    struct endpoint_conf confs[] = {*core.fleet.endpoints[1].conf};
    confs[0].model = "newer";
    struct action *a = action_new(ACTION_CONFIGURE);
    a->endpoints = confs;
    a->n_endpoints = 1;
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
    expect_nothing();
    assert_string_equal(e.request->endpoint->model, "m");
    emit_text(e.request, "whole");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->state, MESSAGE_DONE);
    next_other();
    e = send_and_take("y"); /* "a" is gone */
    assert_int_equal(e.endpoint, 1);
    assert_string_equal(e.request->endpoint->model, "newer");
    request_free(e.request);
}

static void who_is_back_soon_is_waited_for(void **state)
{
    (void)state;
    act(ACTION_SEND, "x");
    core.fleet.endpoints[0].open_until_ns = now + 20 * S;
    core.fleet.endpoints[1].open_until_ns = now + 50 * S;
    assert_int_equal(next_other().endpoint, -2);
    assert_int_equal(core.last_decision.verdict, VERDICT_WAIT);
    assert_int_equal(leaf()->state, MESSAGE_RUNNING);
    assert_non_null(strstr(newest_notice(), "20 s"));
    assert_true(core_deadline(&core) <= now + 20 * S);
    tick(20 * S);
    struct effect e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 0);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}
static void fields_that_an_endpoint_does_not_take_are_said(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct endpoint_conf conf = *core.fleet.endpoints[0].conf;
        conf.kind = i ? PROVIDER_ANTHROPIC : PROVIDER_OPENAI;
        struct action *configure = action_new(ACTION_CONFIGURE);
        configure->endpoints = &conf;
        configure->n_endpoints = 1;
        core_apply(
                &core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = configure});
        struct action *a = action_new(ACTION_SEND);
        a->text = mem_strdup("x");
        a->extra_json = mem_strdup("\"response_format\":{\"type\":\"json_object\"}");
        core.n_notices = 0;
        core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
        struct effect e = next_other();
        assert_int_equal(e.kind, EFFECT_SEND);
        assert_int_equal(strstr(newest_notice(), "response_format") != NULL, i == 1);
        emit_done(e.request, OK, -1);
        request_free(e.request);
        next_other();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_failure_before_text_is_tried_again_then_elsewhere),
            TEST(a_failure_behind_text_keeps_it_and_can_go_on),
            TEST(an_endpoint_asked_for_by_name_has_no_fallback),
            TEST(stopping_ends_with_what_came),
            TEST(nothing_permitted_is_said_in_the_answer),
            TEST(who_is_back_soon_is_waited_for),
            TEST(an_answer_costs_what_all_its_attempts_cost),
            TEST(a_beginning_sent_twice_is_shown_once),
            TEST(an_answer_goes_on_where_it_came_from),
            TEST(an_attempt_of_unknown_cost_makes_the_sum_unknown),
            TEST(an_attempt_without_a_word_costs_nothing),
            TEST(the_time_of_reasoning_is_counted),
            TEST(the_time_of_a_stop_is_known),
            TEST(a_long_retry_after_goes_elsewhere),
            TEST(a_long_retry_after_with_nowhere_to_go_is_an_error),
            TEST(what_is_drained_ends_and_gets_nothing_new),
            TEST(a_retry_leaves_an_endpoint_that_is_drained),
            TEST(who_asks_for_patience_is_left_for_who_can_answer_now),
            TEST(switching_off_stops_what_runs_there),
            TEST(a_new_configuration_changes_nothing_on_its_way),
            TEST(fields_that_an_endpoint_does_not_take_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
