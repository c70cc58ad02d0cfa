/*
 * test_core_limits.c - messages and answers that are larger than what is kept of one: they end
 * with a sentence, never with a hole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_core.h"

static char *text_of_bytes(size_t n)
{
    char *text = mem_alloc(n + 1);
    memset(text, 'x', n);
    return text;
}

static void a_message_that_is_too_large_leaves_no_trace(void **state)
{
    (void)state;
    char *text = text_of_bytes(MESSAGE_MAX_BYTES + 1);
    act(ACTION_DRAFT, "as it was");
    tick(2 * S);
    next_other();
    act(ACTION_SEND, text);
    assert_non_null(strstr(newest_notice(), "larger than 64 MB"));
    assert_int_equal(core.session->n_messages, 0);
    assert_string_equal(buf_text(&core.session->draft), "as it was");
    text[MESSAGE_MAX_BYTES - 10] = '\0';
    struct action *a = action_new(ACTION_SEND); /* with its files it is */
    a->text = text;
    a->text2 = mem_strdup("a file of more");
    core_apply(&core, &(struct event){.kind = EV_ACTION, .t_ns = now, .u.action = a});
    assert_int_equal(core.session->n_messages, 0);
    expect_nothing();
}

static void fill(struct buf *b, size_t n_left)
{
    char *text = text_of_bytes(MESSAGE_MAX_BYTES - n_left - b->n);
    assert_true(buf_add_text(b, text));
    mem_free(text);
}

static void expect_too_large(const struct request *r)
{
    struct effect e = {0};
    while (core_take_effect(&core, &e) && e.kind == EFFECT_STORE)
        answer_store(e.command, OK);
    assert_int_equal(e.kind, EFFECT_CANCEL);
    assert_int_equal(e.request_id, r->id);
    assert_int_equal(leaf()->state, MESSAGE_FAILED);
    assert_non_null(strstr(buf_text(&leaf()->error), "larger than 64 MB"));
    assert_int_equal(core.n_runs, 0);
    assert_int_equal(core.fleet.endpoints[0].n_in_flight, 0);
    next_other();
}

/* Pieces that still fit would follow those that do not. */
static void an_answer_that_is_too_large_is_ended(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    emit_text(e.request, "begin");
    fill(&leaf()->text, 4);
    emit_text(e.request, "too long");
    expect_too_large(e.request);
    size_t n = leaf()->text.n;
    emit_text(e.request, "yes"); /* on its way before it was stopped */
    emit_done(e.request, ERR_CANCELLED, -1);
    assert_int_equal(leaf()->text.n, n);
    request_free(e.request);
}

static void tool_calls_that_are_too_large_stay_whole(void **state)
{
    (void)state;
    struct effect e = send_and_take("x");
    fill(&leaf()->tool_calls, 20);
    size_t n = leaf()->tool_calls.n;
    struct event event = {.request_id = e.request->id, .kind = EV_TOOL, .t_ns = now};
    event.u.tool = mem_alloc(sizeof *event.u.tool);
    *event.u.tool =
            (struct tool_call){mem_strdup("id"), mem_strdup("name"), mem_strdup("{\"a\":1}")};
    core_apply(&core, &event);
    assert_int_equal(leaf()->tool_calls.n, n); /* no half of an object */
    expect_too_large(e.request);
    request_free(e.request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_message_that_is_too_large_leaves_no_trace),
            TEST(an_answer_that_is_too_large_is_ended),
            TEST(tool_calls_that_are_too_large_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
