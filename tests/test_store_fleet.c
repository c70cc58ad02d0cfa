/*
 * test_store_fleet.c - what the database knows of endpoints: the budget that processes share,
 * costs by day, the newest answers, decisions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "tests/helper_store.h"

static struct store_command *reserve(
        struct store *store, int64_t amount_nusd, int64_t limit_nusd)
{
    struct store_command *c = store_command_new(STORE_RESERVE);
    c->key = SLICE("mini");
    c->amount_nusd = amount_nusd;
    c->limit_nusd = limit_nusd;
    return ask(store, c);
}

/* Four processes at once want more than there is. */
static void a_shared_budget_is_never_overdrawn_and_no_cent_is_lost(void **state)
{
    (void)state;
    pid_t children[4];
    store_close(open_store()); /* the schema is there */
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        struct store *store = open_store();
        int n = 0;
        for (int k = 0; k < 50; k++) {
            struct store_command *c = reserve(store, 10, 1000);
            n += c->err.status == OK && !c->is_above_limit;
            store_command_free(c);
        }
        store_close(store);
        _exit(n);
    }
    int n_granted = 0, status;
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status));
        n_granted += WEXITSTATUS(status);
    }
    assert_int_equal(n_granted, 100);
    struct store *store = open_store();
    struct store_command *c = reserve(store, -30, -1);
    assert_int_equal(c->total_nusd, 970);
    store_command_free(c);
    c = reserve(store, 31, 1000);
    assert_true(c->is_above_limit);
    assert_int_equal(c->total_nusd, 970);
    store_command_free(c);
    store_close(store);
}

static void put_decision(
        struct store *store, int64_t t_ms, int64_t message_id, const char *json)
{
    struct store_command *c = store_command_new(STORE_PUT_DECISION);
    c->session.used_ms = t_ms;
    c->message_id = message_id;
    c->value = slice_of(json);
    expect_ok(ask(store, c));
}

static struct store_command *list_decisions(
        struct store *store, int64_t message_id, uint32_t limit)
{
    struct store_command *c = store_command_new(STORE_LIST_DECISIONS);
    c->message_id = message_id;
    c->limit = limit;
    c = ask(store, c);
    assert_int_equal(c->err.status, OK);
    return c;
}

static void decisions_come_back_newest_first(void **state)
{
    (void)state;
    struct store *store = open_store();
    static const char files[] = "\n\n\xC3\xA9.md:\n```\n\xC3\xA9\n```";
    struct store_command *asked = put(
            1, 1, 0, MSG_USER, MESSAGE_DONE, "wh\xC3\xA9?\n\n\xC3\xA9.md:\n```\n\xC3\xA9\n```");
    asked->messages[0].n_attached = sizeof files - 1; /* is no part of the question */
    expect_ok(ask(store, asked));
    expect_ok(ask(store, put(1, 2, 1, MSG_ASSISTANT, MESSAGE_DONE, "so")));
    put_decision(store, 10, 2, "first");
    put_decision(store, 20, 7, "of a message that is not there");
    put_decision(store, 30, 2, "last");
    struct store_command *c = list_decisions(store, 0, 2);
    assert_int_equal(c->n_decisions, 2);
    assert_true(slice_eq(c->decisions[0].json, "last"));
    assert_int_equal(c->decisions[0].t_ms, 30);
    assert_true(slice_eq(c->decisions[0].question, "wh\xC3\xA9?"));
    assert_int_equal(c->decisions[1].message_id, 7);
    assert_int_equal(c->decisions[1].question.n, 0);
    store_command_free(c);
    c = list_decisions(store, 2, 100);
    assert_int_equal(c->n_decisions, 2);
    assert_true(slice_eq(c->decisions[1].json, "first"));
    store_command_free(c);
    c = list_decisions(store, 3, 100);
    assert_int_equal(c->n_decisions, 0);
    store_command_free(c);
    store_close(store);
}

/* The n-th answer of today so far, as the core numbers them. */
static void put_answer(struct store *store, int64_t now_ms, int n, struct message_row row)
{
    struct store_command *c = put(7, (now_ms << 20) + n, 0, MSG_ASSISTANT, row.state, "text");
    row.id = c->messages[0].id;
    row.session_id = 7;
    row.role = MSG_ASSISTANT;
    row.created_ms = row.created_ms ? row.created_ms : now_ms;
    row.text = c->messages[0].text;
    c->messages[0] = row;
    expect_ok(ask(store, c));
}

static const struct usage known = {10, 20, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN},
                          unknown = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN,
                                  TOKENS_UNKNOWN, TOKENS_UNKNOWN};

static void the_newest_answers_of_each_endpoint_come_back(void **state)
{
    (void)state;
    struct store *store = open_store();
    int64_t now = clock_unix_ms();
    for (int i = 0; i < ANSWERS_MAX + 3; i++)
        put_answer(store, now, i,
                (struct message_row){.endpoint = SLICE("a"),
                        .usage = known,
                        .cost_nusd = 5,
                        .ttft_ms = 100 + (uint32_t)i,
                        .total_ms = 900});
    put_answer(store, now, 200,
            (struct message_row){.endpoint = SLICE("b"),
                    .state = MESSAGE_FAILED,
                    .error = SLICE("no"),
                    .usage = unknown,
                    .cost_nusd = -1});
    put_answer(store, now, 201,
            (struct message_row){.endpoint = SLICE("b"), .state = MESSAGE_RUNNING});
    put_answer(store, now, 202,
            (struct message_row){
                    .endpoint = SLICE("b"), .created_ms = now - 5000, .ttft_ms = 1});
    struct store_command *c = store_command_new(STORE_PUT_SETTING);
    c->key = SLICE("breaker a b");
    c->value = SLICE("1700000000001");
    expect_ok(ask(store, c));
    c = store_command_new(STORE_PUT_SETTING);
    c->key = SLICE("breakers");
    c->value = SLICE("1");
    expect_ok(ask(store, c));
    c = store_command_new(STORE_LOAD_FLEET);
    c->since_ms = c->day_ms = now - 1000;
    c = ask(store, c);
    assert_int_equal(c->err.status, OK);
    assert_int_equal(c->n_answers, ANSWERS_MAX + 1); /* not the old, not the running one */
    assert_int_equal(c->answers[0].ttft_ms, 103);
    assert_int_equal(c->answers[ANSWERS_MAX - 1].ttft_ms, 100 + ANSWERS_MAX + 2);
    assert_int_equal(c->answers[0].n_output_tok, 20);
    assert_true(slice_eq(c->answers[ANSWERS_MAX].endpoint, "b"));
    assert_true(slice_eq(c->answers[ANSWERS_MAX].error, "no"));
    assert_int_equal(c->answers[ANSWERS_MAX].state, MESSAGE_FAILED);
    assert_int_equal(c->answers[ANSWERS_MAX].n_output_tok, TOKENS_UNKNOWN);
    assert_int_equal(c->n_breakers, 1);
    assert_true(slice_eq(c->breakers[0].endpoint, "a b"));
    assert_int_equal(c->breakers[0].until_ms, 1700000000001);
    assert_int_equal(c->n_costs, 2);
    assert_int_equal(c->costs[0].n_requests, ANSWERS_MAX + 3); /* sums are over all */
    assert_int_equal(c->costs[0].cost_nusd, 5 * (ANSWERS_MAX + 3));
    store_command_free(c);
    store_close(store);
}

static void costs_are_summed_by_local_day(void **state)
{
    (void)state;
    setenv("TZ", "<+10>-10", 1); /* ten hours east */
    tzset();
    struct store *store = open_store();
    int64_t late = 1767189600000; /* 2025-12-31T14:00:00Z: midnight there */
    struct message_row row = {.endpoint = SLICE("a"), .usage = known, .cost_nusd = 7};
    put_answer(store, late - 1, 1, row);
    put_answer(store, late, 2, row);
    row.cost_nusd = -1;
    put_answer(store, late, 3, row);
    row.state = MESSAGE_FAILED;
    row.usage = unknown;
    put_answer(store, late, 4, row);
    row.endpoint = SLICE("b");
    put_answer(store, late, 5, row);
    row.is_copy = true; /* is no request, and costs nothing again */
    put_answer(store, late, 6, row);
    struct store_command *c = store_command_new(STORE_LOAD_COSTS);
    c->since_ms = late - 1;
    c = ask(store, c);
    assert_int_equal(c->n_costs, 3);
    assert_true(slice_eq(c->costs[0].day, "2025-12-31"));
    assert_int_equal(c->costs[0].n_requests, 1);
    assert_true(slice_eq(c->costs[1].day, "2026-01-01"));
    assert_int_equal(c->costs[1].n_requests, 3);
    assert_int_equal(c->costs[1].n_errors, 1);
    assert_int_equal(c->costs[1].n_unpriced, 1); /* one that gave nothing is no debt */
    assert_int_equal(c->costs[1].n_input_tok, 20);
    assert_int_equal(c->costs[1].n_output_tok, 40);
    assert_int_equal(c->costs[1].cost_nusd, 7);
    assert_true(slice_eq(c->costs[2].endpoint, "b"));
    assert_int_equal(c->costs[2].n_requests, 1);
    assert_int_equal(c->costs[2].cost_nusd, -1);
    assert_int_equal(c->costs[2].n_input_tok, -1);
    store_command_free(c);
    c = store_command_new(STORE_LOAD_COSTS);
    c->since_ms = late;
    c = ask(store, c);
    assert_int_equal(c->n_costs, 2);
    store_command_free(c);
    store_close(store);
    unsetenv("TZ");
    tzset();
}

static void the_newest_decisions_come_first(void **state)
{
    (void)state;
    struct store *store = open_store();
    for (int i = 1; i <= 3; i++) {
        struct store_command *c = store_command_new(STORE_PUT_DECISION);
        c->session.used_ms = i;
        c->value = slice_of(arena_printf(&c->arena, "{\"n\":%d}", i));
        expect_ok(ask(store, c));
    }
    struct store_command *c = store_command_new(STORE_LIST_DECISIONS);
    c->limit = 2;
    c = ask(store, c);
    assert_int_equal(c->n_decisions, 2);
    assert_int_equal(c->decisions[0].t_ms, 3);
    assert_true(slice_eq(c->decisions[1].json, "{\"n\":2}"));
    store_command_free(c);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_shared_budget_is_never_overdrawn_and_no_cent_is_lost),
            TEST(decisions_come_back_newest_first),
            TEST(the_newest_answers_of_each_endpoint_come_back),
            TEST(costs_are_summed_by_local_day),
            TEST(the_newest_decisions_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
