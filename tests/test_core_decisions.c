/* test_core_decisions.c - the log of decisions, and where a draft would go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_core.h"

static void a_decision_is_in_the_log_at_once(void **state)
{
    (void)state;
    act(ACTION_SEND, "why\nso?");
    struct effect e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(core.log.n, 1);
    const struct decision_entry *entry = core_decision_of(&core, leaf()->id);
    assert_ptr_equal(entry, core.log.entries[0]);
    assert_string_equal(entry->endpoint, "a");
    assert_string_equal(entry->question, "why so?"); /* one line */
    assert_int_equal(entry->price_nusd,
            core.last_decision.candidates[core.last_decision.chosen].price_nusd);
    assert_false(entry->is_fallback);
    emit_done(e.request, ERR_SERVER, -1);
    request_free(e.request);
    tick(60 * S); /* the retry */
    e = next_other();
    emit_done(e.request, ERR_SERVER, -1);
    request_free(e.request);
    e = next_other();
    assert_int_equal(core.log.n, 2);
    entry = core_decision_of(&core, leaf()->id); /* the newest one led to the answer */
    assert_string_equal(entry->endpoint, "b");
    assert_true(entry->is_fallback);
    request_free(e.request);
}

static const struct store_command *expect_list(struct effect *e, int64_t message_id)
{
    *e = take(EFFECT_STORE);
    assert_int_equal(e->command->op, STORE_LIST_DECISIONS);
    assert_int_equal(e->command->message_id, message_id);
    return e->command;
}

static void give_decisions(struct store_command *c, const struct decision_row *rows, size_t n)
{
    c->decisions = arena_alloc(&c->arena, (n + 1) * sizeof *rows);
    if (n)
        memcpy(c->decisions, rows, n * sizeof *rows);
    c->n_decisions = n;
    answer_store(c, OK);
}

#define STORED_JSON                                                                            \
    "{\"endpoint\":\"gone\",\"verdict\":\"send\",\"candidates\":[{\"endpoint\":\"gone\","      \
    "\"cost_usd\":0.002,\"expected_ms\":1500}]}"

static void the_log_is_completed_from_the_store(void **state)
{
    (void)state;
    struct effect e, sent;
    act(ACTION_SEND, "live");
    sent = next_other();
    while (core_take_effect(&core, &e))
        answer_store(e.command, OK);
    request_free(sent.request);
    const struct decision_entry *live = core.log.entries[0];
    struct decision_row rows[] = {
            {live->t_ms, live->message_id, slice_of(live->json), SLICE("live")},
            {live->t_ms - 5, 7, SLICE(STORED_JSON), SLICE("before")},
            {live->t_ms - 9, 8, SLICE("damaged"), SLICE("")},
    };
    for (int round = 0; round < 2; round++) { /* asked again, nothing stands there twice */
        act(ACTION_LIST_DECISIONS, NULL);
        expect_list(&e, 0);
        give_decisions(e.command, rows, 3);
        assert_int_equal(core.log.n, 2);
    }
    assert_ptr_equal(core.log.entries[0], live);
    assert_string_equal(core.log.entries[1]->endpoint, "gone");
    assert_int_equal(core.log.entries[1]->price_nusd, 2000000);
    assert_int_equal(core.log.entries[1]->expected_ms, 1500);
    assert_string_equal(core.log.entries[1]->question, "before");
}

static void the_log_forgets_the_oldest(void **state)
{
    (void)state;
    struct decision_row *rows = mem_alloc((DECISIONS_KEPT + 5) * sizeof *rows);
    struct effect e;
    for (int i = 0; i < DECISIONS_KEPT + 5; i++)
        rows[i] = (struct decision_row){1000 - i, 7 + i, SLICE(STORED_JSON), SLICE("")};
    act(ACTION_LIST_DECISIONS, NULL);
    expect_list(&e, 0);
    give_decisions(e.command, rows, DECISIONS_KEPT + 5);
    assert_int_equal(core.log.n, DECISIONS_KEPT);
    assert_int_equal(core.log.entries[DECISIONS_KEPT - 1]->message_id, 7 + DECISIONS_KEPT - 1);
    act(ACTION_SEND, "one more");
    struct effect sent = next_other();
    request_free(sent.request);
    assert_int_equal(core.log.n, DECISIONS_KEPT);
    assert_string_equal(core.log.entries[0]->question, "one more");
    assert_int_equal(core.log.entries[DECISIONS_KEPT - 1]->message_id, 7 + DECISIONS_KEPT - 2);
    mem_free(rows);
}

static void why_is_looked_up_for_a_reopened_answer(void **state)
{
    (void)state;
    struct effect e, first;
    const struct decision_row row = {5, 42, SLICE(STORED_JSON), SLICE("before")};
    act_on(ACTION_WHY, 41, NULL);
    expect_list(&first, 41);
    act_on(ACTION_WHY, 42, NULL);
    expect_list(&e, 42);
    assert_null(core_decision_of(&core, 42));
    give_decisions(
            first.command, NULL, 0); /* of the message before: says nothing of this one */
    assert_false(core.log.is_why_known);
    give_decisions(e.command, &row, 1);
    assert_true(core.log.is_why_known);
    assert_string_equal(core_decision_of(&core, 42)->endpoint, "gone");
    assert_int_equal(core.log.n, 0); /* one answer is no log */
    act_on(ACTION_WHY, 43, NULL);
    expect_list(&e, 43);
    give_decisions(e.command, NULL, 0);
    assert_true(core.log.is_why_known);
    assert_null(core_decision_of(&core, 43));
}

static void a_preview_is_what_sending_decides(void **state)
{
    (void)state;
    static struct decision d;
    act(ACTION_SEND, "first question");
    struct effect e = next_other();
    emit_text(e.request, "an answer");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    core_preview(&core, SLICE("second question"), now, &d);
    expect_nothing(); /* nothing is stored, nothing sent */
    act(ACTION_SEND, "second question");
    e = next_other();
    assert_int_equal(d.features.n_input_tok, core.last_decision.features.n_input_tok);
    assert_string_equal(d.reason, core.last_decision.reason);
    assert_int_equal(d.n_candidates, 2);
    assert_int_equal(d.candidates[1].cost_nusd, core.last_decision.candidates[1].cost_nusd);
    request_free(e.request);
    core.use_endpoint = 1;
    core_preview(&core, SLICE("x"), now, &d);
    assert_int_equal(d.candidates[d.chosen].endpoint, 1);
}

/* Beginning and end stand for the whole, within a tenth. */
static void a_preview_of_a_long_text_is_near(void **state)
{
    (void)state;
    static struct decision d;
    struct buf text;
    buf_init(&text, 4 << 20);
    for (int i = 0; text.n < 1 << 20; i++)
        buf_printf(&text, "line %d of something that was pasted\n", i);
    struct chat_message whole = {MSG_USER, buf_slice(&text)};
    double n = features_of(&whole, 1, SLICE("")).n_input_tok;
    core_preview(&core, whole.text, now, &d);
    assert_true(d.features.n_input_tok > n * 0.9 && d.features.n_input_tok < n * 1.1);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_decision_is_in_the_log_at_once),
            TEST(the_log_is_completed_from_the_store),
            TEST(the_log_forgets_the_oldest),
            TEST(why_is_looked_up_for_a_reopened_answer),
            TEST(a_preview_is_what_sending_decides),
            TEST(a_preview_of_a_long_text_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
