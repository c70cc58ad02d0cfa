/*
 * test_core.c - the core driven by hand-made events: what is saved before what is sent, files
 * that go along, ids, records of tokens. The other tests of it are named after its files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_core.h"

static void the_message_is_saved_before_it_is_sent(void **state)
{
    (void)state;
    act(ACTION_DRAFT, "hello");
    act(ACTION_SEND, "hello");
    struct effect e = take(EFFECT_STORE);
    expect_nothing(); /* nothing is sent yet */
    assert_int_equal(e.command->op, STORE_PUT_MESSAGE);
    assert_int_equal(e.command->n_messages, 1);
    assert_true(slice_eq(e.command->messages[0].text, "hello"));
    assert_int_equal(
            e.command->session.draft.n, 0); /* the draft goes with the same transaction */
    assert_int_equal(e.command->session.leaf_id, e.command->messages[0].id);
    answer_store(e.command, OK);
    e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.endpoint, 0); /* the cheaper one */
    assert_int_equal(e.request->n_messages, 1);
    assert_int_equal(next_other().endpoint, -2);
    emit_text(e.request, "hi ");
    emit_text(e.request, "there");
    emit_done(e.request, OK, -1);
    assert_string_equal(buf_text(&leaf()->text), "hi there");
    assert_int_equal(leaf()->state, MESSAGE_DONE);
    assert_int_equal(core.n_runs, 0);
    request_free(e.request);
    e = take(EFFECT_STORE); /* the finished answer */
    assert_int_equal(e.command->messages[0].state, MESSAGE_DONE);
    answer_store(e.command, OK);
    assert_true(leaf()->is_saved);
    assert_false(core_is_busy(&core));
    assert_string_equal(core.session->title, "hello");
}

static void files_go_along_with_what_is_written(void **state)
{
    (void)state;
    struct action *a = action_new(ACTION_SEND);
    a->text = mem_strdup("see @x.md");
    a->text2 = mem_strdup("x.md:\n```\none\n```");
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
    struct effect e = take(EFFECT_STORE);
    assert_true(slice_eq(e.command->messages[0].text, "see @x.md\n\nx.md:\n```\none\n```"));
    assert_int_equal(e.command->messages[0].n_attached, strlen("\n\nx.md:\n```\none\n```"));
    assert_string_equal(core.session->title, "see @x.md");
    answer_store(e.command, OK);
    e = next_other();
    assert_true(slice_eq(e.request->messages[0].text, "see @x.md\n\nx.md:\n```\none\n```"));
    const struct message *user = session_find(core.session, leaf()->parent_id);
    assert_true(slice_eq(message_typed(user), "see @x.md"));
    struct session *copy = session_new(1, 1);
    const struct message *copied = session_copy_message(copy, user, 2);
    assert_true(slice_eq(message_typed(copied), "see @x.md"));
    session_free(copy);
    emit_done(e.request, OK, -1);
    request_free(e.request);
}

/* 200 questions and answers within one millisecond, then a clock that was set back. */
static void ids_only_grow(void **state)
{
    (void)state;
    int64_t last = core.session->id;
    for (int i = 0; i < 200; i++)
        act(ACTION_ADD_MESSAGE, "x");
    now -= 50 * S;
    act(ACTION_ADD_MESSAGE, "x");
    for (size_t i = 0; i < core.session->n_messages; i++) {
        assert_true(core.session->messages[i]->id > last);
        last = core.session->messages[i]->id;
    }
    next_other();
}

/* Records are read when somebody wants to see them, and once. */
static void token_records_of_any_answer_are_read_once(void **state)
{
    (void)state;
    struct session *s = core.session;
    struct message *old = session_add(s, 101, MSG_ASSISTANT, 1);
    session_add(s, 102, MSG_USER, 2);
    struct telemetry_shape shape = {.n_moe_layers = 1, .n_experts = 4, .k = 1};
    size_t n = token_record_bytes(&shape);
    for (int i = 0; i < 2; i++) {
        struct action *a = action_new(ACTION_LOAD_TOKENS);
        a->id = 101;
        core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
    }
    struct effect e = take(EFFECT_STORE);
    expect_nothing();
    assert_int_equal(e.command->op, STORE_LOAD_TOKENS);
    assert_int_equal(e.command->message_id, 101);
    assert_int_equal(old->tokens.disk, TOKENS_ASKED);
    e.command->shape = arena_alloc(&e.command->arena, sizeof shape);
    *e.command->shape = shape;
    e.command->records = arena_alloc(&e.command->arena, 2 * n);
    memset(e.command->records, 0, 2 * n);
    e.command->n_records = 2;
    answer_store(e.command, OK);
    assert_int_equal(old->tokens.disk, TOKENS_CAME);
    assert_int_equal(old->tokens.records.n, 2 * n);
    assert_int_equal(old->tokens.n_stored, 2); /* they are not written once more */
    assert_null(core.balance); /* an older answer's experts are not shown as the newest's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_message_is_saved_before_it_is_sent),
            TEST(files_go_along_with_what_is_written),
            TEST(ids_only_grow),
            TEST(token_records_of_any_answer_are_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
