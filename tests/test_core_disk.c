/*
 * test_core_disk.c - what is saved when, and a disk that refuses: order, retries, drafts, the
 * end of the program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_core.h"

static void a_full_disk_keeps_order_and_sends_nothing(void **state)
{
    (void)state;
    act(ACTION_SEND, "first");
    struct effect e = take(EFFECT_STORE);
    answer_store(e.command, ERR_FULL);
    expect_nothing();
    assert_true(core.disk_failed_ns != 0);
    assert_non_null(
            strstr(core.notices[(core.n_notices - 1) % NOTICE_MAX].text, "/send-unsaved"));
    assert_non_null(strstr(core.disk_notice.text, "/send-unsaved"));
    assert_string_equal(buf_text(&core.session->messages[0]->text), "first");
    act(ACTION_SEND_UNSAVED, NULL);
    e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_RESERVE);
    answer_store(
            e.command, ERR_FULL); /* the money is counted in memory, and the message goes */
    assert_true(core.budget.spent_nusd > 0);
    e = take(EFFECT_SEND);
    emit_text(e.request, "answer");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    expect_nothing(); /* everything waits behind the refused command */
    tick(1 * S);
    e = take(EFFECT_STORE);
    expect_nothing(); /* one at a time */
    assert_true(slice_eq(e.command->messages[0].text, "first"));
    answer_store(e.command, ERR_FULL);
    expect_nothing();
    tick(2 * S);
    e = take(EFFECT_STORE);
    assert_true(slice_eq(e.command->messages[0].text, "first"));
    answer_store(e.command, OK);
    int64_t last_state = -1;
    struct effect more;
    while (core_take_effect(&core, &more)) {
        assert_int_equal(more.kind, EFFECT_STORE);
        if (more.command->op == STORE_PUT_MESSAGE && more.command->n_messages)
            last_state = more.command->messages[0].state;
        answer_store(more.command, OK);
    }
    assert_int_equal(last_state, MESSAGE_DONE); /* the newest state is written last */
    assert_int_equal(core.disk_failed_ns, 0);
    assert_false(core_is_busy(&core));
}

static void drafts_are_saved_within_two_seconds(void **state)
{
    (void)state;
    act(ACTION_DRAFT, "a");
    now += S / 2;
    act(ACTION_DRAFT, "ab");
    assert_true(core_deadline(&core) <= 102 * S);
    tick(S);
    struct effect e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_PUT_DRAFT);
    assert_true(slice_eq(e.command->session.draft, "ab"));
    answer_store(e.command, OK);
    assert_int_equal(core_deadline(&core), 0);
}

static void a_running_answer_is_checkpointed(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "so far");
    tick(2 * S);
    struct effect checkpoint = take(EFFECT_STORE);
    assert_int_equal(checkpoint.command->messages[0].state, MESSAGE_RUNNING);
    assert_true(slice_eq(checkpoint.command->messages[0].text, "so far"));
    answer_store(checkpoint.command, OK);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

static void shutting_down_saves_the_running_answer(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "part");
    act(ACTION_DRAFT, "next");
    core_shut_down(&core, now);
    take(EFFECT_CANCEL);
    struct effect saved = take(EFFECT_STORE);
    assert_int_equal(saved.command->messages[0].state, MESSAGE_STOPPED);
    assert_true(slice_eq(saved.command->messages[0].text, "part"));
    answer_store(saved.command, OK);
    saved = take(EFFECT_STORE);
    assert_int_equal(saved.command->op, STORE_PUT_DRAFT);
    answer_store(saved.command, OK);
    request_free(e.request);
}

/* The disk has an older state than the memory until it takes what waits. */
static void an_unsaved_session_is_not_read_back(void **state)
{
    (void)state;
    act(ACTION_SEND, "x");
    struct session *first = core.session;
    answer_store(take(EFFECT_STORE).command, ERR_FULL);
    act(ACTION_STOP, NULL);
    act(ACTION_NEW_SESSION, NULL);
    act_open(first->id);
    expect_nothing();
    assert_ptr_equal(core.session, first);
    act(ACTION_NEW_SESSION, NULL);
    tick(1 * S);
    next_other();
    assert_int_equal(core.n_others, 0); /* saved: nobody needs it in memory */
    assert_int_equal(core.n_unsaved, 0);
}

static void what_is_refused_for_good_is_dropped_and_said(void **state)
{
    (void)state;
    act(ACTION_ADD_MESSAGE, "first");
    act(ACTION_ADD_MESSAGE, "second");
    struct effect first = take(EFFECT_STORE), second = take(EFFECT_STORE);
    answer_store(first.command, ERR_FULL);
    answer_store(second.command, ERR_FULL);
    tick(1 * S);
    answer_store(take(EFFECT_STORE).command, ERR_FORMAT);
    assert_non_null(strstr(newest_notice(), "went wrong"));
    second = take(EFFECT_STORE); /* the next is not held up */
    assert_true(slice_eq(second.command->messages[0].text, "second"));
    answer_store(second.command, OK);
    assert_false(core_is_busy(&core));
    assert_int_equal(core_deadline(&core), 0);
    assert_false(core.session->messages[0]->is_saved);
    assert_true(core.session->messages[1]->is_saved);
}

static void a_message_refused_for_good_waits_for_the_user(void **state)
{
    (void)state;
    act(ACTION_SEND, "x");
    assert_false(core_is_refused(&core, &core.runs[0])); /* it is on its way */
    answer_store(take(EFFECT_STORE).command, ERR_FORMAT);
    expect_nothing();
    assert_true(core_is_refused(&core, &core.runs[0]));
    assert_string_equal(newest_notice(), "went wrong");
    size_t n_notices = core.n_notices;
    act(ACTION_SEND_UNSAVED, NULL);
    struct effect e, send = {.endpoint = -2};
    while (core_take_effect(&core, &e)) {
        if (e.kind == EFFECT_SEND)
            send = e;
        else
            answer_store(e.command, ERR_FORMAT);
    }
    assert_int_equal(send.kind, EFFECT_SEND);
    assert_int_equal(core.n_notices, n_notices); /* the same is not said twice */
    emit_text(send.request, "text");
    emit_done(send.request, OK, -1);
    request_free(send.request);
    answer_store(take(EFFECT_STORE).command, ERR_FORMAT);
    assert_false(core_is_busy(&core));
    assert_int_equal(leaf()->state, MESSAGE_DONE);
}

/* A locked database takes the second command although it refused the first. */
static void an_old_state_never_overwrites_a_newer_one(void **state)
{
    (void)state;
    act(ACTION_RENAME, "nobody writes an empty session");
    act(ACTION_ADD_MESSAGE, "x");
    act(ACTION_RENAME, "newer");
    struct effect old = take(EFFECT_STORE), newer = take(EFFECT_STORE);
    answer_store(old.command, ERR_IO);
    tick(1 * S);
    expect_nothing(); /* one at a time: the newer one has not come back */
    answer_store(newer.command, OK);
    tick(0);
    old = take(EFFECT_STORE);
    assert_int_equal(old.command->n_messages, 1);
    answer_store(old.command, OK);
    newer = take(EFFECT_STORE);
    assert_true(slice_eq(newer.command->session.title, "newer"));
    answer_store(newer.command, OK);
    assert_false(core_is_busy(&core));
}

static void the_end_tries_a_full_disk_once_more(void **state)
{
    (void)state;
    struct err err;
    act(ACTION_ADD_MESSAGE, "one");
    act(ACTION_ADD_MESSAGE, "two");
    struct effect first = take(EFFECT_STORE), second = take(EFFECT_STORE);
    answer_store(first.command, ERR_FULL);
    answer_store(second.command, ERR_FULL);
    core_shut_down(&core, now);
    expect_nothing();
    assert_int_equal(core_deadline(&core), now);
    tick(0);
    first = take(EFFECT_STORE);
    answer_store(first.command, OK);
    second = take(EFFECT_STORE);
    answer_store(second.command, ERR_FULL);
    tick(60 * S);
    expect_nothing(); /* once */
    assert_int_equal(core_deadline(&core), 0);
    assert_int_equal(core_unsaved(&core, &err), ERR_FULL);
    assert_non_null(strstr(err.text, "1 message of \"one\""));
    assert_non_null(strstr(err.text, "no space left"));
}

static void the_end_tries_a_first_refusal_once_more(void **state)
{
    (void)state;
    struct err err;
    act(ACTION_DRAFT, "half a thought");
    core_shut_down(&core, now);
    answer_store(take(EFFECT_STORE).command, ERR_FULL);
    tick(0);
    struct effect e = take(EFFECT_STORE);
    assert_int_equal(core_unsaved(&core, &err), OK); /* it may still be taken */
    answer_store(e.command, ERR_FULL);
    assert_int_equal(core_deadline(&core), 0);
    assert_int_equal(core_unsaved(&core, &err), ERR_FULL);
    assert_non_null(strstr(err.text, "a draft"));
}

/* It is put away before the disk refuses its message. */
static void a_session_stays_in_memory_until_it_is_saved(void **state)
{
    (void)state;
    act(ACTION_ADD_MESSAGE, "x");
    struct session *first = core.session;
    act(ACTION_NEW_SESSION, NULL);
    answer_store(take(EFFECT_STORE).command, ERR_FULL);
    act_open(first->id);
    expect_nothing();
    assert_ptr_equal(core.session, first);
    tick(1 * S);
    next_other();
}

static void a_draft_the_disk_refuses_comes_back_with_its_session(void **state)
{
    (void)state;
    act(ACTION_ADD_MESSAGE, "x");
    answer_store(take(EFFECT_STORE).command, OK);
    struct session *first = core.session;
    act(ACTION_DRAFT, "old");
    tick(1 * S);
    answer_store(take(EFFECT_STORE).command, ERR_FULL);
    act(ACTION_DRAFT, "new");
    act(ACTION_NEW_SESSION, NULL);
    act_open(first->id);
    expect_nothing();
    assert_ptr_equal(core.session, first);
    assert_string_equal(buf_text(&core.session->draft), "new");
    tick(2 * S);
    next_other();
    assert_int_equal(core.n_others, 0);
}
static void a_draft_taken_back_at_once_leaves_no_session(void **state)
{
    (void)state;
    act(ACTION_DRAFT, "a");
    act(ACTION_DRAFT, "");
    tick(2 * S);
    expect_nothing();
    act(ACTION_DRAFT, "a");
    tick(2 * S);
    answer_store(take(EFFECT_STORE).command, OK);
    act(ACTION_DRAFT, ""); /* now the store has one to empty */
    tick(2 * S);
    struct effect e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_PUT_DRAFT);
    assert_int_equal(e.command->session.draft.n, 0);
    answer_store(e.command, OK);
}

/* An empty list would say that there is no history. */
static void a_list_that_cannot_be_read_keeps_the_old_one(void **state)
{
    (void)state;
    act(ACTION_LIST_SESSIONS, "");
    struct effect e = take(EFFECT_STORE);
    e.command->sessions = arena_alloc(&e.command->arena, sizeof *e.command->sessions);
    e.command->n_sessions = 1;
    answer_store(e.command, OK);
    assert_int_equal(core.n_found, 1);
    act(ACTION_LIST_SESSIONS, "");
    answer_store(take(EFFECT_STORE).command, ERR_IO);
    assert_int_equal(core.n_found, 1);
    assert_string_equal(newest_notice(), "went wrong");
    core.n_notices = 0;
    act(ACTION_LIST_DECISIONS, NULL);
    answer_store(take(EFFECT_STORE).command, ERR_FORMAT);
    assert_string_equal(newest_notice(), "went wrong");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_full_disk_keeps_order_and_sends_nothing),
            TEST(drafts_are_saved_within_two_seconds),
            TEST(a_running_answer_is_checkpointed),
            TEST(shutting_down_saves_the_running_answer),
            TEST(an_unsaved_session_is_not_read_back),
            TEST(what_is_refused_for_good_is_dropped_and_said),
            TEST(a_message_refused_for_good_waits_for_the_user),
            TEST(an_old_state_never_overwrites_a_newer_one),
            TEST(the_end_tries_a_full_disk_once_more),
            TEST(the_end_tries_a_first_refusal_once_more),
            TEST(a_session_stays_in_memory_until_it_is_saved),
            TEST(a_draft_the_disk_refuses_comes_back_with_its_session),
            TEST(a_draft_taken_back_at_once_leaves_no_session),
            TEST(a_list_that_cannot_be_read_keeps_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
