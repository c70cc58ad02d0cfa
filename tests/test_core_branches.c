/* test_core_branches.c - a message beside another one: edited, answered again, chosen, forked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_core.h"

static void retry_answers_again_beside_the_first(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "first");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    struct message *first = leaf();
    act(ACTION_RETRY, NULL);
    assert_ptr_not_equal(leaf(), first);
    e = next_other();
    assert_int_equal(e.request->n_messages, 1); /* the model does not see its first answer */
    emit_text(e.request, "second");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->parent_id, first->parent_id);
    assert_string_equal(buf_text(&leaf()->text), "second");
    assert_string_equal(buf_text(&first->text), "first"); /* and it is not lost */
    struct message **path;
    assert_int_equal(session_path(core.session, &path), 2);
    mem_free(path);
    assert_int_equal(core.session->n_messages, 3);
    next_other();
}

/* Question and answer. */
static struct message *converse(enum action_kind kind, int64_t id, const char *question)
{
    act_on(kind, id, question);
    struct effect e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    emit_text(e.request, question ? question : "again");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    return leaf();
}

static void an_edited_question_stands_beside_the_first(void **state)
{
    (void)state;
    int64_t first_id = converse(ACTION_SEND, 0, "one")->parent_id;
    int64_t old_leaf_id = converse(ACTION_SEND, 0, "two")->id;
    act_on(ACTION_SEND, first_id, "other");
    struct effect e = next_other();
    assert_int_equal(e.request->n_messages, 1); /* of the old branch the model sees nothing */
    emit_text(e.request, "yes");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    const struct message *question = session_find(core.session, leaf()->parent_id);
    assert_string_equal(buf_text(&question->text), "other");
    assert_int_equal(question->parent_id, 0);
    assert_int_equal(core.session->n_messages, 6);
    act_on(ACTION_SHOW_BRANCH, first_id, NULL);
    assert_int_equal(core.session->leaf_id, old_leaf_id); /* all of the old branch is there */
    next_other();
}

static void the_choice_of_a_branch_is_stored(void **state)
{
    (void)state;
    int64_t first_id = converse(ACTION_SEND, 0, "one")->id;
    int64_t second_id = converse(ACTION_RETRY, 0, NULL)->id;
    act_on(ACTION_SHOW_BRANCH, first_id, NULL);
    struct effect e = take(EFFECT_STORE);
    assert_int_equal(e.command->session.leaf_id, first_id);
    answer_store(e.command, OK);
    act_on(ACTION_SHOW_BRANCH, first_id, NULL); /* shown already */
    expect_nothing();
    core.session->writer_pid = 77; /* another process keeps its own choice */
    act_on(ACTION_SHOW_BRANCH, second_id, NULL);
    assert_int_equal(core.session->leaf_id, second_id);
    expect_nothing();
    core.session->writer_pid = 0;
    struct effect running = send_and_take("x");
    act_on(ACTION_SHOW_BRANCH, first_id, NULL);
    assert_int_not_equal(core.session->leaf_id, first_id);
    emit_done(running.request, OK, -1);
    request_free(running.request);
    next_other();
}

static void any_answer_is_given_once_more(void **state)
{
    (void)state;
    int64_t early_id = converse(ACTION_SEND, 0, "one")->id;
    int64_t late_id = converse(ACTION_SEND, 0, "two")->id;
    act_on(ACTION_RETRY, early_id, NULL);
    struct effect e = next_other();
    assert_int_equal(e.request->n_messages, 1);
    emit_done(e.request, ERR_INVALID, -1);
    request_free(e.request);
    next_other();
    assert_int_equal(
            core.session->leaf_id, late_id); /* nothing came: what was shown is shown */
    int64_t again_id = converse(ACTION_RETRY, early_id, NULL)->id;
    assert_int_equal(session_find(core.session, again_id)->parent_id,
            session_find(core.session, early_id)->parent_id);
    int64_t question_id = session_find(core.session, late_id)->parent_id;
    assert_int_equal(converse(ACTION_RETRY, question_id, NULL)->parent_id, question_id);
}

/* Nor does it bring them into the sums when a copied answer is gone on with. */
static void a_copied_answer_is_no_request_and_costs_nothing_again(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "half");
    emit_usage(e.request, 1000, 1000);
    act(ACTION_STOP, NULL);
    emit_done(e.request, ERR_CANCELLED, -1);
    request_free(e.request);
    next_other();
    assert_true(leaf()->cost_nusd > 0);
    act(ACTION_FORK, NULL);
    next_other();
    struct arena arena = {0};
    struct message_row row;
    message_fill_row(core.session, leaf(), &arena, &row);
    assert_true(row.is_copy);
    arena_release(&arena);
    act(ACTION_CONTINUE, NULL);
    e = next_other();
    emit_text(e.request, " whole");
    emit_usage(e.request, 7, 1);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    assert_false(leaf()->is_copy);
    assert_int_equal(leaf()->usage.input, 7);
    assert_int_equal(leaf()->cost_nusd, 8000);
}

static void a_fork_ends_at_the_message(void **state)
{
    (void)state;
    int64_t id = converse(ACTION_SEND, 0, "one")->id;
    converse(ACTION_SEND, 0, "two");
    act_on(ACTION_FORK, id, NULL);
    next_other();
    assert_int_equal(core.session->n_messages, 2);
    assert_string_equal(buf_text(&leaf()->text), "one");
}

static void a_retry_that_brings_nothing_leaves_the_old_answer(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "good");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
    int64_t old_id = leaf()->id;
    act(ACTION_RETRY, NULL);
    e = next_other();
    act(ACTION_STOP, NULL);
    emit_done(e.request, ERR_CANCELLED, -1);
    request_free(e.request);
    next_other();
    assert_int_equal(leaf()->id, old_id);
    act(ACTION_RETRY, NULL);
    e = next_other();
    emit_text(e.request, "better");
    emit_done(e.request, ERR_CANCELLED, -1);
    request_free(e.request);
    next_other();
    assert_string_equal(buf_text(&leaf()->text), "better"); /* what came is shown */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(retry_answers_again_beside_the_first),
            TEST(an_edited_question_stands_beside_the_first),
            TEST(the_choice_of_a_branch_is_stored),
            TEST(any_answer_is_given_once_more),
            TEST(a_fork_ends_at_the_message),
            TEST(a_copied_answer_is_no_request_and_costs_nothing_again),
            TEST(a_retry_that_brings_nothing_leaves_the_old_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
