/*
 * test_core_sessions.c - sessions that come and go: opened, left with an answer that runs, put
 * into the trash, renamed, written by another process, gone on with after a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_core.h"

static void an_answer_goes_on_while_another_session_is_open(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    int64_t first = core.session->id;
    act(ACTION_NEW_SESSION, NULL);
    assert_int_not_equal(core.session->id, first);
    emit_text(e.request, "text");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    struct effect saved = take(EFFECT_STORE);
    assert_int_equal(saved.command->session.id, first);
    assert_true(slice_eq(saved.command->messages[0].text, "text"));
    answer_store(saved.command, OK);
    assert_int_equal(core.n_others, 0);
}

/* Answers a load with a session of one question and an answer. */
static void answer_load(struct store_command *c, int64_t session_id, enum message_state state)
{
    assert_int_equal(c->op, STORE_LOAD);
    c->session = (struct session_row){
            .id = session_id, .created_ms = 1, .used_ms = 2, .leaf_id = 12};
    c->messages = arena_alloc(&c->arena, 2 * sizeof *c->messages);
    c->n_messages = 2;
    c->messages[0] = (struct message_row){
            .id = 11, .role = MSG_USER, .text = SLICE("question"), .cost_nusd = -1};
    c->messages[1] = (struct message_row){.id = 12,
            .parent_id = 11,
            .role = MSG_ASSISTANT,
            .state = state,
            .text = SLICE("half"),
            .cost_nusd = -1,
            .usage = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN,
                    TOKENS_UNKNOWN}};
    answer_store(c, OK);
}

static void a_row_never_replaces_a_session_in_memory(void **state)
{
    (void)state;
    act_open(0); /* the newest: asked for before its answer runs */
    struct effect load = take(EFFECT_STORE);
    struct effect e = send_and_take("x");
    struct session *open = core.session;
    act_open(0);
    struct effect again = take(EFFECT_STORE);
    answer_load(load.command, open->id, MESSAGE_RUNNING);
    answer_load(again.command, open->id, MESSAGE_RUNNING);
    assert_ptr_equal(core.session, open);
    assert_int_equal(core.n_others, 0);
    act(ACTION_NEW_SESSION, NULL); /* the same when it is put away */
    act_open(0);
    load = next_other();
    assert_int_equal(load.endpoint, -2);
    emit_text(e.request, "to its session");
    assert_string_equal(buf_text(&session_find(open, open->leaf_id)->text), "to its session");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

static void a_session_put_away_with_an_answer_comes_back_from_memory(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    struct session *first = core.session;
    act(ACTION_NEW_SESSION, NULL);
    act_open(0);
    answer_load(take(EFFECT_STORE).command, first->id, MESSAGE_RUNNING);
    assert_ptr_equal(core.session, first);
    assert_int_equal(core.n_others, 0);
    emit_text(e.request, "text");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_string_equal(buf_text(&leaf()->text), "text");
    next_other();
}

static void only_the_session_asked_for_last_is_opened(void **state)
{
    (void)state;
    act_open(70);
    act_open(80);
    struct effect first = take(EFFECT_STORE), second = take(EFFECT_STORE);
    answer_load(first.command, 70, MESSAGE_DONE);
    assert_int_not_equal(core.session->id, 70);
    assert_true(core_is_busy(&core));
    answer_load(second.command, 80, MESSAGE_DONE);
    assert_int_equal(core.session->id, 80);
    next_other();
    act_open(70);
    first = take(EFFECT_STORE);
    act(ACTION_NEW_SESSION, NULL);
    answer_load(first.command, 70, MESSAGE_DONE);
    assert_int_equal(core.session->n_messages, 0);
    next_other();
}

static void what_is_shown_is_remembered_once(void **state)
{
    (void)state;
    core.remembers_session = true;
    act(ACTION_SEND, "x");
    struct effect message = take(EFFECT_STORE), shown = take(EFFECT_STORE);
    assert_int_equal(message.command->op, STORE_PUT_MESSAGE);
    assert_int_equal(shown.command->op, STORE_PUT_SETTING);
    assert_true(slice_eq(shown.command->key, "shown"));
    char id[32];
    snprintf(id, sizeof id, "%lld", (long long)core.session->id);
    assert_true(slice_eq(shown.command->value, id));
    answer_store(message.command, OK);
    answer_store(shown.command, OK);
    struct effect e = next_other();
    emit_done(e.request, OK, -1);
    request_free(e.request);
    struct effect later;
    while (core_take_effect(&core, &later)) {
        assert_int_not_equal(later.command->op, STORE_PUT_SETTING);
        answer_store(later.command, OK);
    }
}

static void names_and_prompts_are_confirmed_and_never_emptied_by_accident(void **state)
{
    (void)state;
    act(ACTION_RENAME, "rivers");
    assert_non_null(strstr(newest_notice(), "rivers"));
    act(ACTION_RENAME, "");
    assert_string_equal(core.session->title, "rivers");
    act(ACTION_SYSTEM, "be brief");
    act(ACTION_SYSTEM, "");
    assert_non_null(strstr(newest_notice(), "be brief"));
    assert_string_equal(buf_text(&core.session->system), "be brief");
    act(ACTION_SYSTEM, "off");
    assert_int_equal(core.session->system.n, 0);
}

static struct store_command *take_put(enum store_op op)
{
    struct effect e;
    while (core_take_effect(&core, &e)) {
        if (e.kind == EFFECT_STORE && e.command->op == op)
            return e.command;
        answer_store(e.command, OK);
    }
    fail_msg("nothing with op %d was sent to the store", (int)op);
    return NULL;
}

static void trash_comes_back_newest_first(void **state)
{
    (void)state;
    for (int64_t id = 11; id <= 12; id++) {
        act_on(ACTION_TRASH, id, NULL);
        struct store_command *c = take_put(STORE_TRASH);
        assert_int_equal(c->session.id, id);
        assert_true(c->trashed_ms >= 1700000000000);
        answer_store(c, OK);
    }
    assert_non_null(strstr(newest_notice(), "trash"));
    act_on(ACTION_TRASH, 13, NULL);
    answer_store(take_put(STORE_TRASH), ERR_DENIED); /* another process writes it */
    for (int64_t id = 12; id >= 11; id--) {
        act(ACTION_UNTRASH, NULL);
        struct store_command *c = take_put(STORE_TRASH);
        assert_int_equal(c->session.id, id);
        assert_int_equal(c->trashed_ms, 0);
        answer_store(c, OK);
    }
    act(ACTION_UNTRASH, NULL);
    expect_nothing();
}

static void any_session_of_the_trash_comes_back(void **state)
{
    (void)state;
    act_on(ACTION_TRASH, 11, NULL);
    answer_store(take_put(STORE_TRASH), OK);
    for (int64_t id = 10; id <= 11; id++) { /* 10 went there in an earlier run */
        act_on(ACTION_UNTRASH, id, NULL);
        struct store_command *c = take_put(STORE_TRASH);
        assert_int_equal(c->session.id, id);
        assert_int_equal(c->trashed_ms, 0);
        answer_store(c, OK);
    }
    act(ACTION_UNTRASH, NULL); /* 11 is back already */
    expect_nothing();
}

static void the_list_of_the_trash_is_renewed_as_such(void **state)
{
    (void)state;
    act_on(ACTION_LIST_SESSIONS, 1, "word");
    struct store_command *c = take_put(STORE_LIST);
    assert_true(c->is_trash);
    answer_store(c, OK);
    assert_true(core.found_is_trash);
    act_on(ACTION_UNTRASH, 10, NULL);
    answer_store(take_put(STORE_TRASH), OK);
    assert_true((c = take_put(STORE_LIST))->is_trash);
    answer_store(c, OK);
}

static void a_new_session_opens_in_place_of_the_trashed(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    int64_t id = core.session->id;
    act_on(ACTION_TRASH, id, NULL);
    assert_int_equal(core.session->id, id); /* its answer runs */
    assert_non_null(strstr(newest_notice(), "stop it first"));
    emit_done(e.request, OK, -1);
    request_free(e.request);
    act_on(ACTION_TRASH, id, NULL);
    assert_int_not_equal(core.session->id, id);
    assert_int_equal(core.session->n_messages, 0);
    struct store_command *c = take_put(STORE_TRASH);
    assert_int_equal(c->session.id, id);
    answer_store(c, OK);
}

static void a_session_that_is_not_open_is_renamed(void **state)
{
    (void)state;
    act_on(ACTION_RENAME, 11, "rivers");
    struct store_command *c = take_put(STORE_PUT_TITLE);
    assert_int_equal(c->session.id, 11);
    assert_true(slice_eq(c->session.title, "rivers"));
    assert_string_equal(core.session->title, "");
    answer_store(c, OK);
    assert_non_null(strstr(newest_notice(), "rivers"));
}

static void an_interrupted_answer_goes_on_after_loading(void **state)
{
    (void)state;
    act_open(70);
    answer_load(take(EFFECT_STORE).command, 70, MESSAGE_INTERRUPTED);
    assert_non_null(strstr(newest_notice(), "interrupted"));
    assert_int_equal(next_other().endpoint, -2);
    act(ACTION_CONTINUE, NULL);
    struct effect e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    assert_int_equal(e.request->n_messages, 2);
    assert_true(slice_eq(e.request->messages[1].text, "half"));
    emit_text(e.request, " and half");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(core.session->n_messages, 2); /* the same message */
    assert_string_equal(buf_text(&leaf()->text), "half and half");
    struct effect saved = take(EFFECT_STORE);
    while (saved.command->op != STORE_PUT_MESSAGE ||
            saved.command->messages[0].state != MESSAGE_DONE) {
        answer_store(saved.command, OK);
        saved = take(EFFECT_STORE);
    }
    assert_int_equal(saved.command->messages[0].id, 12);
    answer_store(saved.command, OK);
    act(ACTION_CONTINUE, NULL); /* it is whole now */
    expect_nothing();
    assert_non_null(strstr(newest_notice(), "no interrupted answer"));
}

static void a_question_saved_before_a_crash_is_answered(void **state)
{
    (void)state;
    act_open(70);
    struct store_command *c = take(EFFECT_STORE).command;
    c->session = (struct session_row){.id = 70, .leaf_id = 11};
    c->messages = arena_alloc(&c->arena, sizeof *c->messages);
    c->n_messages = 1;
    c->messages[0] = (struct message_row){
            .id = 11, .role = MSG_USER, .text = SLICE("question"), .cost_nusd = -1};
    answer_store(c, OK);
    act(ACTION_CONTINUE, NULL);
    struct effect e = next_other();
    assert_int_equal(e.request->n_messages, 1);
    emit_text(e.request, "answer");
    emit_done(e.request, OK, -1);
    request_free(e.request);
    assert_int_equal(leaf()->parent_id, 11);
    next_other();
}

static void the_session_comes_before_the_history(void **state)
{
    (void)state;
    struct core_config cfg = {.seed = 1, .now_ms = 1700000000000, .has_history = true};
    core_release(&core);
    core_init(&core, &cfg);
    act_on(ACTION_OPEN_SESSION, SESSION_SHOWN, NULL);
    struct effect e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_LOAD);
    store_command_free(e.command);
    e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_LOAD_FLEET);
    store_command_free(e.command);
}

static void a_session_that_another_process_lets_go_is_ours(void **state)
{
    (void)state;
    act_open(70);
    struct effect load = take(EFFECT_STORE);
    load.command->writer_pid = 4711;
    answer_load(load.command, 70, MESSAGE_DONE);
    assert_int_equal(next_other().endpoint, -2);
    act(ACTION_DRAFT, "typed meanwhile");
    for (int pid = 4711; pid >= 0; pid -= 4711) {
        assert_int_equal(core.session->writer_pid, 4711);
        tick(4 * S);
        load = take(EFFECT_STORE);
        assert_true(load.command->only_if_free);
        load.command->writer_pid = pid;
        answer_load(load.command, 70, MESSAGE_DONE);
    }
    assert_int_equal(core.session->writer_pid, 0);
    assert_non_null(strstr(newest_notice(), "let go"));
    assert_string_equal(buf_text(&core.session->draft), "typed meanwhile");
    next_other();
    tick(10 * S); /* the draft is saved, and nobody is asked any more */
    next_other();
    assert_int_equal(core_deadline(&core), 0);
}

static void a_session_of_another_process_is_read_and_copied(void **state)
{
    (void)state;
    act_open(70);
    struct effect load = take(EFFECT_STORE);
    load.command->writer_pid = 4711;
    answer_load(load.command, 70, MESSAGE_DONE);
    assert_non_null(strstr(newest_notice(), "4711"));
    assert_int_equal(next_other().endpoint, -2);
    act(ACTION_SEND, "mine");
    assert_int_equal(core.session->n_messages, 2);
    act(ACTION_DRAFT, "my draft");
    tick(5 * S);
    answer_store(take(EFFECT_STORE).command, ERR_IO); /* is it free by now? */
    expect_nothing();                                 /* the owner has its own draft */
    act(ACTION_FORK, NULL);
    assert_int_not_equal(core.session->id, 70);
    assert_int_equal(core.session->writer_pid, 0);
    assert_int_equal(core.session->n_messages, 2);
    struct effect put = take(EFFECT_STORE);
    assert_int_equal(put.command->op, STORE_PUT_MESSAGE);
    assert_int_equal(put.command->n_messages, 2);
    answer_store(put.command, OK);
    act(ACTION_SEND, "mine");
    struct effect e = next_other();
    assert_int_equal(e.request->n_messages, 3);
    emit_done(e.request, OK, -1);
    request_free(e.request);
    next_other();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(an_answer_goes_on_while_another_session_is_open),
            TEST(a_session_of_another_process_is_read_and_copied),
            TEST(a_session_that_another_process_lets_go_is_ours),
            TEST(a_row_never_replaces_a_session_in_memory),
            TEST(a_session_put_away_with_an_answer_comes_back_from_memory),
            TEST(only_the_session_asked_for_last_is_opened),
            TEST(what_is_shown_is_remembered_once),
            TEST(names_and_prompts_are_confirmed_and_never_emptied_by_accident),
            TEST(trash_comes_back_newest_first),
            TEST(any_session_of_the_trash_comes_back),
            TEST(the_list_of_the_trash_is_renewed_as_such),
            TEST(a_new_session_opens_in_place_of_the_trashed),
            TEST(a_session_that_is_not_open_is_renamed),
            TEST(an_interrupted_answer_goes_on_after_loading),
            TEST(a_question_saved_before_a_crash_is_answered),
            TEST(the_session_comes_before_the_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
