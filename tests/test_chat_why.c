/* test_chat_why.c - why an answer came from its endpoint: the popup over Chat and its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/pane_why.h"

#include "tests/helper_router.h"
#include "tests/helper_screen.h"

static void an_answer_is_explained_over_the_chat(void **state)
{
    (void)state;
    fill_answered_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    assert_true(command(CMD_WHY));
    assert_int_equal(app.last_action, ACTION_WHY); /* not in the log: the store may have it */
    assert_int_equal(app.last_id, 999);
    expect_shown("Looking for", true);
    struct store_command *c = store_command_new(STORE_LIST_DECISIONS);
    c->message_id = 999;
    give(c);
    expect_shown("No decision is stored", true);
    assert_false(command(CMD_LINE_DOWN) && app.last_id != 999); /* it is the last one */
    assert_true(command(CMD_LINE_UP));
    expect(40, 7, "chat_why_40x10");
    expect(80, 21, "chat_why_80x24");
    expect(120, 37, "chat_why_120x40");
    assert_true(command(CMD_LINE_UP));
    expect_shown("why local  22:13  Write a commit", true);
    assert_true(command(CMD_LINE_UP)); /* no answer before it */
    expect_shown("why local  22:13  Write a commit", true);
    assert_true(command(CMD_STOP)); /* Esc: the popup goes */
    expect_shown("why local", false);
    assert_false(command(CMD_STOP)); /* and stops the answer again */
}

static void a_fallback_leaves_its_mark(void **state)
{
    (void)state;
    fill_answered_chat();
    say(4, MSG_USER, "And then?");
    struct message *m = say(102, MSG_ASSISTANT, "Done.");
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    snprintf(m->model, sizeof m->model, "gpt-mini");
    open_view(VIEW_CHAT);
    expect_shown("mini  gpt-mini  22:13\n", true);
    fill_log(N_KINDS);
    expect_shown("mini  gpt-mini  22:13  after local failed", true);
    expect_shown("mini  22:13\n", true); /* decided as well, at the first try */
    assert_non_null(strstr(shown(36, 21), "  after local failed")); /* not cut */
}

static void the_answer_at_the_top_is_meant_when_scrolled(void **state)
{
    (void)state;
    fill_answered_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    shown(80, 8);
    command(CMD_SCROLL_TOP);
    shown(80, 8);
    command(CMD_WHY);
    expect_shown("why local  22:13  Write a commit", true);
    command(CMD_WHY); /* the same key closes */
    expect_shown("why local", false);
    type_text("/why"); /* now everything is on the screen: the newest */
    command(CMD_SEND);
    expect_shown("why gone  22:13  Go on.", true);
}

static void pages_scroll_the_transcript_where_the_popup_is_all_seen(void **state)
{
    (void)state;
    fill_answered_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    command(CMD_WHY);
    assert_non_null(strstr(shown(80, 14), "From long ago."));
    command(CMD_SCROLL_UP);
    assert_null(strstr(shown(80, 14), "From long ago."));
    expect_shown("why gone  22:13  Go on.", true);
}

/* What is explained can be read above the popup. */
static void the_chat_goes_to_the_explained_answer(void **state)
{
    (void)state;
    fill_answered_chat();
    fill_log(2);
    open_view(VIEW_CHAT);
    command(CMD_WHY);
    assert_non_null(strstr(shown(80, 17), "From long ago."));
    command(CMD_LINE_UP);
    assert_non_null(strstr(shown(80, 17), " mini  22:13\n   Let a_n be bounded.\n"));
    assert_null(strstr(shown(80, 17), "policy: count"));
    command(CMD_LINE_UP);
    assert_non_null(strstr(shown(80, 17), "policy: count"));
}

static void a_small_risk_is_not_none(void **state)
{
    (void)state;
    static const struct {
        float p_miss;
        const char *shown;
    } risks[] = {{0, " 0 %"}, {0.0001f, " <0.1 %"}, {0.003f, " 0.3 %"}, {0.0096f, " 1 %"},
            {0.21f, " 21 %"}};
    for (size_t i = 0; i < ARRAY_LEN(risks); i++) {
        static struct decision d;
        const char *names[] = {"a"};
        struct screen screen = {0};
        struct buf out;
        d = (struct decision){.n_candidates = 1, .candidates[0].p_miss = risks[i].p_miss};
        screen_resize(&screen, 4, 100);
        struct surface all = screen_surface(&screen);
        why_draw(&d, names, &all, 0);
        buf_init(&out, 1 << 12);
        screen_print(&screen, &out);
        if (!strstr(buf_text(&out), risks[i].shown))
            fail_msg("no \"%s\":\n%s", risks[i].shown, buf_text(&out));
        buf_release(&out);
        screen_release(&screen);
    }
}

static void without_an_answer_there_is_nothing_to_explain(void **state)
{
    (void)state;
    open_view(VIEW_CHAT);
    assert_true(command(CMD_WHY));
    assert_non_null(strstr(app.notice, "no answer yet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(an_answer_is_explained_over_the_chat),
            TEST(a_fallback_leaves_its_mark),
            TEST(the_answer_at_the_top_is_meant_when_scrolled),
            TEST(pages_scroll_the_transcript_where_the_popup_is_all_seen),
            TEST(the_chat_goes_to_the_explained_answer),
            TEST(a_small_risk_is_not_none),
            TEST(without_an_answer_there_is_nothing_to_explain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
