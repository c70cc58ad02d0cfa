/* test_chat_next.c - the line above the input: where the draft would go, for how much, or why
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/chat_next.h"
#include "tui/surface.h"

#include "tests/helper_clock.h"
#include "tests/helper_router.h"

#define S 1000000000ull

static void the_draft_says_where_it_would_go(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    expect_shown("next: the best of 4 endpoints", true);
    type_text("hi");
    expect_shown("next: \xE2\x96\xB6 local \xC2\xB7 $0 \xC2\xB7 ", true);
    expect_shown(" \xE2\x94\x82 mini \xC2\xB7 $0.00", true);
    assert_null(strstr(shown(24, 21), "mini \xC2\xB7")); /* what does not fit is left out */
    command(CMD_KILL_LINE_LEFT);
    type_text("/he");
    expect_shown("next: the best of 4 endpoints", true); /* a command goes nowhere */
    app.core.use_endpoint = 3;
    command(CMD_KILL_LINE_LEFT);
    type_text("x");
    app.now_ns += S;
    expect_shown("next: \xE2\x96\xB6 opus (pinned) \xC2\xB7 $0.0", true);
    expect_shown("mini", false);
    command(CMD_KILL_LINE_LEFT);
    expect_shown("next: opus, pinned by /endpoint \xE2\x94\x80", true);
}

/* Those that cannot be asked are not promised; those that have no room are counted. */
static void the_rule_hides_nobody(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    app.core.fleet.endpoints[2].switched = SWITCH_DRAIN;
    expect_shown("next: the best of 3 endpoints", true);
    app.core.max_zone = ZONE_LOCAL;
    expect_shown("next: local \xE2\x94\x80", true);
    app.core.fleet.endpoints[0].switched = SWITCH_DRAIN;
    expect_shown("next: nobody: all 4 endpoints are off", true);
    app.core.max_zone = ZONE_EXTERNAL;
    for (int i = 0; i < 3; i++)
        app.core.fleet.endpoints[i].is_gone = true;
    expect_shown("next: opus \xE2\x94\x80", true);
    app.core.fleet.endpoints[3].is_gone = true;
    expect_shown("next: nobody yet", true);
    for (int i = 0; i < 4; i++)
        app.core.fleet.endpoints[i].is_gone = false;
    app.core.fleet.endpoints[0].switched = app.core.fleet.endpoints[2].switched = SWITCH_NONE;
    type_text("hi");
    assert_non_null(strstr(shown(100, 21), " \xE2\x94\x82 1 other \xE2\x94\x80")); /* three are
                                                                                named at most */
    assert_non_null(strstr(shown(45, 21), " \xE2\x94\x82 3 others \xE2\x94\x80"));
    app.core.budget = (struct budget){2000000000, 1999999999};
    app.now_ns += S;
    expect_shown(" (budget reached: mini, lab-gpu, opus out)", true);
    assert_non_null(strstr(shown(60, 21), " (budget reached: 3 out)"));
    expect_shown(" other", false);
}

static void a_session_that_is_only_read_says_so(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    type_text("hi");
    app.core.session->writer_pid = 4711;
    expect_shown("read only: process 4711 writes it; /fork \xE2\x94\x80", true);
    expect_shown("next:", false);
    app.core.session->writer_pid = 0;
    expect_shown("next: \xE2\x96\xB6 local", true);
}

/* At once after a pause, then every 50 ms, and not at all when nothing changes. */
static void the_rule_is_decided_every_50_ms_at_most(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    type_text("what is the capital of France");
    expect_shown("next: \xE2\x96\xB6 local", true);
    assert_int_equal(app.wake_ns, 0);
    app.core.fleet.endpoints[0].switched = SWITCH_DRAIN;
    app.now_ns += S / 100;
    expect_shown("next: \xE2\x96\xB6 local", true); /* not yet */
    assert_int_equal(app.wake_ns, S + S / 20);
    app.now_ns = app.wake_ns;
    app.wake_ns = 0;
    expect_shown("next: \xE2\x96\xB6 local", false);
    assert_int_equal(app.wake_ns, 0); /* idle: nobody wakes the program */
    app.now_ns += 100 * S;
    app.core.version++;
    shown(80, 21);
    assert_int_equal(app.wake_ns, 0);
}

static void close_all_but_local(void)
{
    for (int i = 1; i < 4; i++)
        app.core.fleet.endpoints[i].switched = SWITCH_DRAIN;
}

static void a_verdict_that_is_not_to_send_says_why(void **state)
{
    (void)state;
    struct endpoint_state *local = &app.core.fleet.endpoints[0];
    open_view(VIEW_CHAT);
    type_text("x");
    close_all_but_local();
    local->open_until_ns = app.now_ns + 9 * S;
    expect_shown("next: waits for local until 22:13:29", true);
    assert_int_equal(app.wake_ns, local->open_until_ns); /* then it may go */
    app.now_ns = app.wake_ns;
    expect_shown("next: \xE2\x96\xB6 local", true);
    local->switched = SWITCH_DRAIN;
    app.now_ns += S;
    expect_shown("next: no endpoint may take it: all 4 are off", true);
    app.core.fleet.endpoints[1].switched = SWITCH_NONE;
    app.core.budget = (struct budget){1000, 900};
    app.now_ns += S;
    expect_shown("next: asks you first: today's budget of", true);
    app.core.budget.spent_nusd = 2000;
    app.now_ns += S;
    expect_shown("is used up ($", true);
}

static void the_title_leaves_room_for_the_candidates(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    snprintf(app.core.session->title, sizeof app.core.session->title, "regex backtracking");
    type_text("what is the capital of France");
    expect_shown("regex", true);
    const char *narrow = shown(30, 21);
    assert_non_null(strstr(narrow, "local"));
    assert_null(strstr(narrow, "regex"));
}

/* A pasted text must not make typing slow: what is looked at is bounded. */
static void a_long_draft_is_previewed_in_time(void **state)
{
    (void)state;
    static struct decision d;
    char *text = mem_alloc(8 << 20);
    uint64_t best_ns = UINT64_MAX;
    memset(text, 'x', (8 << 20) - 1);
    for (int i = 0; i < 5; i++) {
        uint64_t start = clock_cpu_ns();
        core_preview(&app.core, slice_of(text), app.now_ns, &d);
        uint64_t ns = clock_cpu_ns() - start;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    assert_true(d.features.n_input_tok > 1000000); /* the size is still right */
    assert_true(best_ns < 20000000);
    mem_free(text);
}

static void draw_rule(struct chat_next *next, const char *draft)
{
    struct screen screen = {0};
    screen_resize(&screen, 1, 80);
    struct surface all = screen_surface(&screen);
    app.now_ns += S;
    chat_next_change(next);
    chat_next_draw(next, &app, slice_of(draft), &all);
    screen_release(&screen);
}

/* Each letter of a further path would read all of them. */
static void a_file_is_read_once_while_another_is_typed(void **state)
{
    (void)state;
    struct chat_next next = {0};
    struct err err;
    assert_int_equal(file_write("once.md", "one\n", 4, 0644, &err), OK);
    draw_rule(&next, "see @once.md");
    const char *read = next.files.text.ptr;
    assert_int_equal(next.files.n_files, 1);
    draw_rule(&next, "see @once.md and @o");
    draw_rule(&next, "see @once.md and @on");
    assert_ptr_equal(next.files.text.ptr, read);
    draw_rule(&next, "see @once.md and @once.md.");
    assert_int_equal(next.files.n_files, 1); /* it is named once more: sent once */
    assert_int_equal(file_write("once.md", "one two\n", 8, 0644, &err), OK);
    draw_rule(&next, "see @once.md");
    assert_non_null(strstr(buf_text(&next.files.text), "two"));
    draw_rule(&next, "see");
    assert_int_equal(next.files.n_files, 0);
    unlink("once.md");
    chat_next_release(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_draft_says_where_it_would_go),
            TEST(the_rule_hides_nobody),
            TEST(a_file_is_read_once_while_another_is_typed),
            TEST(a_session_that_is_only_read_says_so),
            TEST(the_rule_is_decided_every_50_ms_at_most),
            TEST(a_verdict_that_is_not_to_send_says_why),
            TEST(the_title_leaves_room_for_the_candidates),
            TEST(a_long_draft_is_previewed_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
