/*
 * test_core.c - the core driven by hand-made events: what is saved before what is sent, retries
 * and fallback, a full disk, drafts, interrupted answers, several sessions. No thread, no
 * clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/history.h"
#include "router/session.h"
#include "router/store.h"

#define S 1000000000ull

static struct core core;
static uint64_t now;

static int set_up(void **state)
{
    static struct endpoint_conf confs[] = {{.name = "a",
                                                   .kind = PROVIDER_OPENAI,
                                                   .model = "m",
                                                   .url = "http://h",
                                                   .enabled = true,
                                                   .retries = 1,
                                                   .usd_per_mtok_in = 1,
                                                   .usd_per_mtok_out = 1,
                                                   .usd_per_mtok_cached = -1},
            {.name = "b",
                    .kind = PROVIDER_OPENAI,
                    .model = "m",
                    .url = "http://h",
                    .enabled = true,
                    .usd_per_mtok_in = 9,
                    .usd_per_mtok_out = 9,
                    .usd_per_mtok_cached = -1}};
    struct core_config cfg = {confs, 2, ZONE_EXTERNAL, 1, 1700000000000};
    (void)state;
    now = 100 * S;
    core_init(&core, &cfg);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    core_release(&core);
    return 0;
}

static void act_on(enum action_kind kind, int64_t id, const char *text)
{
    struct action *a = action_new(kind);
    a->id = id;
    a->text = text ? mem_strdup(text) : NULL;
    a->now_ms = 1700000000000 + (int64_t)(now / 1000000);
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
}

static void act(enum action_kind kind, const char *text)
{
    act_on(kind, 0, text);
}

static struct effect take(enum effect_kind kind)
{
    struct effect e = {0};
    if (!core_take_effect(&core, &e) || e.kind != kind)
        fail_msg("effect %d in place of %d", (int)e.kind, (int)kind);
    return e;
}

static void expect_nothing(void)
{
    struct effect e;
    if (core_take_effect(&core, &e))
        fail_msg("unexpected effect %d", (int)e.kind);
}

static void answer_store(struct stored *command, enum status status)
{
    command->err = (struct err){0};
    if (status != OK)
        err_set(&command->err, status, status == ERR_FULL ? "no space left" : "went wrong");
    core_apply(&core, &(struct event){.kind = EV_STORE, .t_ns = now, .u.stored = command});
}

/* Answers every store command with OK until something else comes; returns that, or a cleared
 * effect. */
static struct effect next_other(void)
{
    struct effect e;
    while (core_take_effect(&core, &e)) {
        if (e.kind != EFFECT_STORE)
            return e;
        answer_store(e.command, OK);
    }
    return (struct effect){.endpoint = -2};
}

static void emit_text(const struct request *r, const char *text)
{
    struct event e = {.request_id = r->id,
            .attempt = r->attempt,
            .kind = EV_TEXT,
            .n_bytes = (uint8_t)strlen(text),
            .t_ns = now};
    memcpy(e.u.text, text, strlen(text));
    core_apply(&core, &e);
}

static void emit_done(const struct request *r, enum status status, int64_t retry_after_ms)
{
    struct event e = {.request_id = r->id, .attempt = r->attempt, .kind = EV_DONE, .t_ns = now};
    e.u.outcome = mem_alloc(sizeof *e.u.outcome);
    e.u.outcome->finish_reason = status == OK ? FINISH_STOP : FINISH_NONE;
    e.u.outcome->retry_after_ms = retry_after_ms;
    if (status != OK)
        err_set(&e.u.outcome->err, status, "went wrong");
    core_apply(&core, &e);
}

static void tick(uint64_t ns)
{
    now += ns;
    core_apply(&core, &(struct event){.kind = EV_TIMER, .t_ns = now});
}

static struct message *leaf(void)
{
    return session_find(core.session, core.session->leaf_id);
}

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

static struct effect send_and_take(const char *text)
{
    act(ACTION_SEND, text);
    struct effect e = next_other();
    assert_int_equal(e.kind, EFFECT_SEND);
    struct effect rest = next_other();
    assert_int_equal(rest.endpoint, -2);
    return e;
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

/* Answers a load with a session of one question and an answer. */
static void answer_load(struct stored *c, int64_t session_id, enum message_state state)
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

static void act_open(int64_t id)
{
    struct action *a = action_new(ACTION_OPEN_SESSION);
    a->id = id;
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
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

static const char *newest_notice(void)
{
    return core.n_notices ? core.notices[(core.n_notices - 1) % NOTICE_MAX].text : "";
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

static void emit_usage(const struct request *r, uint32_t input, uint32_t output)
{
    struct event e = {
            .request_id = r->id, .attempt = r->attempt, .kind = EV_USAGE, .t_ns = now};
    e.u.usage = (struct usage){input, output, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    core_apply(&core, &e);
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

static struct stored *take_put(enum store_op op)
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
        struct stored *c = take_put(STORE_TRASH);
        assert_int_equal(c->session.id, id);
        assert_true(c->trashed_ms >= 1700000000000);
        answer_store(c, OK);
    }
    assert_non_null(strstr(newest_notice(), "trash"));
    act_on(ACTION_TRASH, 13, NULL);
    answer_store(take_put(STORE_TRASH), ERR_DENIED); /* another process writes it */
    for (int64_t id = 12; id >= 11; id--) {
        act(ACTION_UNTRASH, NULL);
        struct stored *c = take_put(STORE_TRASH);
        assert_int_equal(c->session.id, id);
        assert_int_equal(c->trashed_ms, 0);
        answer_store(c, OK);
    }
    act(ACTION_UNTRASH, NULL);
    expect_nothing();
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
    struct stored *c = take_put(STORE_TRASH);
    assert_int_equal(c->session.id, id);
    answer_store(c, OK);
}

static void a_session_that_is_not_open_is_renamed(void **state)
{
    (void)state;
    act_on(ACTION_RENAME, 11, "rivers");
    struct stored *c = take_put(STORE_PUT_TITLE);
    assert_int_equal(c->session.id, 11);
    assert_true(slice_eq(c->session.title, "rivers"));
    assert_string_equal(core.session->title, "");
    answer_store(c, OK);
    assert_non_null(strstr(newest_notice(), "rivers"));
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
    struct stored *c = take(EFFECT_STORE).command;
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

static void the_session_comes_before_the_history(void **state)
{
    (void)state;
    struct core_config cfg = {.seed = 1, .now_ms = 1700000000000, .has_history = true};
    core_release(&core);
    core_init(&core, &cfg);
    act_on(ACTION_OPEN_SESSION, SESSION_SHOWN, NULL);
    struct effect e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_LOAD);
    stored_free(e.command);
    e = take(EFFECT_STORE);
    assert_int_equal(e.command->op, STORE_LOAD_FLEET);
    stored_free(e.command);
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

static void switch_endpoint(int64_t id, const char *to)
{
    struct action *a = action_new(ACTION_SWITCH);
    a->id = id;
    a->text = mem_strdup(to);
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
}

static void what_is_drained_ends_and_gets_nothing_new(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    assert_int_equal(e.endpoint, 0);
    switch_endpoint(0, "drain");
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
    switch_endpoint(0, "on");
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
    switch_endpoint(0, "drain");
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

static void switching_off_stops_what_runs_there(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    switch_endpoint(1, "off");
    expect_nothing(); /* not there */
    switch_endpoint(0, "off");
    assert_int_equal(take(EFFECT_CANCEL).request_id, e.request->id);
    emit_done(e.request, ERR_CANCELLED, -1);
    request_free(e.request);
    assert_int_equal(leaf()->state, MESSAGE_STOPPED);
    next_other();
    switch_endpoint(0, "drain"); /* would switch it on, as far as /endpoint is concerned */
    assert_false(core.fleet.endpoints[0].is_drained);
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

/* ---- decisions -------------------------------------------------------------------------- */

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

static const struct stored *expect_list(struct effect *e, int64_t message_id)
{
    *e = take(EFFECT_STORE);
    assert_int_equal(e->command->op, STORE_LIST_DECISIONS);
    assert_int_equal(e->command->message_id, message_id);
    return e->command;
}

static void give_decisions(struct stored *c, const struct decision_row *rows, size_t n)
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
    e.command->is_over = true;
    e.command->total_nusd = 9999999;
    answer_store(e.command, OK);
    answer_spent(9999999);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_int_equal(core.last_decision.verdict, VERDICT_ASK);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
            TEST(a_failure_before_text_is_tried_again_then_elsewhere),
            TEST(a_failure_behind_text_keeps_it_and_can_go_on),
            TEST(an_endpoint_asked_for_by_name_has_no_fallback),
            TEST(stopping_ends_with_what_came),
            TEST(a_full_disk_keeps_order_and_sends_nothing),
            TEST(drafts_are_saved_within_two_seconds),
            TEST(a_running_answer_is_checkpointed),
            TEST(an_answer_goes_on_while_another_session_is_open),
            TEST(shutting_down_saves_the_running_answer),
            TEST(nothing_permitted_is_said_in_the_answer),
            TEST(who_is_back_soon_is_waited_for),
            TEST(money_is_reserved_before_and_settled_after),
            TEST(a_new_day_is_noticed_before_anybody_is_asked),
            TEST(a_reached_budget_asks_the_user_or_refuses),
            TEST(a_budget_that_another_process_used_up_stops_it),
            TEST(a_session_of_another_process_is_read_and_copied),
            TEST(a_session_that_another_process_lets_go_is_ours),
            TEST(the_figures_of_today_end_at_midnight),
            TEST(ids_only_grow),
            TEST(a_row_never_replaces_a_session_in_memory),
            TEST(a_session_put_away_with_an_answer_comes_back_from_memory),
            TEST(only_the_session_asked_for_last_is_opened),
            TEST(an_unsaved_session_is_not_read_back),
            TEST(what_is_refused_for_good_is_dropped_and_said),
            TEST(a_message_refused_for_good_waits_for_the_user),
            TEST(an_old_state_never_overwrites_a_newer_one),
            TEST(the_end_tries_a_full_disk_once_more),
            TEST(the_end_tries_a_first_refusal_once_more),
            TEST(an_answer_costs_what_all_its_attempts_cost),
            TEST(a_beginning_sent_twice_is_shown_once),
            TEST(an_answer_goes_on_where_it_came_from),
            TEST(what_is_shown_is_remembered_once),
            TEST(names_and_prompts_are_confirmed_and_never_emptied_by_accident),
            TEST(trash_comes_back_newest_first),
            TEST(a_new_session_opens_in_place_of_the_trashed),
            TEST(a_session_that_is_not_open_is_renamed),
            TEST(an_attempt_of_unknown_cost_makes_the_sum_unknown),
            TEST(an_attempt_without_a_word_costs_nothing),
            TEST(an_interrupted_answer_goes_on_after_loading),
            TEST(a_question_saved_before_a_crash_is_answered),
            TEST(retry_answers_again_beside_the_first),
            TEST(the_session_comes_before_the_history),
            TEST(an_edited_question_stands_beside_the_first),
            TEST(the_choice_of_a_branch_is_stored),
            TEST(any_answer_is_given_once_more),
            TEST(the_time_of_reasoning_is_counted),
            TEST(the_time_of_a_stop_is_known),
            TEST(a_fork_ends_at_the_message),
            TEST(a_long_retry_after_goes_elsewhere),
            TEST(a_long_retry_after_with_nowhere_to_go_is_an_error),
            TEST(a_session_stays_in_memory_until_it_is_saved),
            TEST(a_draft_the_disk_refuses_comes_back_with_its_session),
            TEST(what_is_drained_ends_and_gets_nothing_new),
            TEST(a_retry_leaves_an_endpoint_that_is_drained),
            TEST(who_asks_for_patience_is_left_for_who_can_answer_now),
            TEST(a_retry_that_brings_nothing_leaves_the_old_answer),
            TEST(switching_off_stops_what_runs_there),
            TEST(a_new_configuration_changes_nothing_on_its_way),
            TEST(a_decision_is_in_the_log_at_once),
            TEST(the_log_is_completed_from_the_store),
            TEST(the_log_forgets_the_oldest),
            TEST(why_is_looked_up_for_a_reopened_answer),
            TEST(a_preview_is_what_sending_decides),
            TEST(a_preview_of_a_long_text_is_near),
            TEST(token_records_of_any_answer_are_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
