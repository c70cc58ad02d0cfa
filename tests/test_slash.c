/* test_slash.c - commands by name in the input: the list, completion, mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/slash.h"

#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static const char *newest_notice_of(const struct chat_fixture *f)
{
    return f->app.core.notices[(f->app.core.n_notices - 1) % NOTICE_MAX].text;
}

static void every_command_with_words_is_offered(void **state)
{
    (void)state;
    for (int i = 1; i < CMD_COUNT; i++)
        if (command_defs[i].argument)
            assert_true(slash_offers((enum command)i));
}

static int count_selected_cells(struct chat_fixture *f, int row)
{
    struct screen screen = app_fake_draw(&f->app, VIEW_CHAT, f->view, 80, 21);
    int n = 0;
    for (int i = 0; i < 80; i++)
        n += screen.cells[row * 80 + i].role == ROLE_SELECTED;
    screen_release(&screen);
    return n;
}

static void the_list_of_commands_is_walked_and_scrolls(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "/");
    expect_screen(&f->app, VIEW_CHAT, f->view, 80, 21, "slash_80x24");
    assert_false(chat_shows_at(f, 80, 21, "/quit"));
    assert_int_equal(count_selected_cells(f, 7), 80);
    assert_int_equal(count_selected_cells(f, 8), 0);
    chat_run(f, CMD_LINE_UP); /* round to the last */
    assert_true(chat_shows_at(f, 80, 21, "/quit"));
    expect_screen(&f->app, VIEW_CHAT, f->view, 40, 9, "slash_end_40x10");
    chat_run(f, CMD_LINE_DOWN);
    chat_run(f, CMD_LINE_DOWN);
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_COMPLETE_BACK);
    chat_run(f, CMD_LINE_DOWN); /* rename: the third */
    chat_expect_input(f, "/");
    chat_run(f, CMD_SEND);
    chat_expect_input(f, "/rename ");
    chat_type(f, "t");
    chat_run(f, CMD_SEND);
    assert_string_equal(f->app.core.session->title, "t");
}

static void enter_runs_what_is_selected_and_esc_closes(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "/open-s");
    chat_run(f, CMD_STOP);
    assert_false(chat_shows_at(f, 80, 21, "List, search"));
    clear_input(f);
    chat_type(f, "/open-s");
    assert_true(chat_shows_at(f, 80, 21, "List, search"));
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.view, VIEW_SESSIONS);
    chat_expect_input(f, "");
}

/* shunt-keys(7) says so of each. */
static void every_view_is_opened_by_its_name(void **state)
{
    struct chat_fixture *f = *state;
    for (int i = VIEW_COUNT - 1; i >= 0; i--) {
        char line[64];
        snprintf(line, sizeof line, "/open-%s", views[i].name);
        chat_type(f, line);
        chat_run(f, CMD_SEND);
        chat_expect_input(f, "");
        assert_int_equal(f->app.view, i);
    }
}

static void paste(struct chat_fixture *f, const char *text)
{
    struct key key = {.code = KEY_PASTE, .text = slice_of(text)};
    assert_true(views[VIEW_CHAT].ops->key(f->view, &key, &f->app));
}

static void a_text_of_lines_is_a_command_only_by_name(void **state)
{
    static const struct {
        const char *typed, *sent;
    } cases[] = {
            {"/* a comment */\nint x;", "/* a comment */\nint x;"},
            {"// a comment\nint x;", "// a comment\nint x;"},
            {"//copy\nthat file", "/copy\nthat file"},
            {"//usr/bin is where?", "/usr/bin is where?"},
    };
    struct chat_fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        paste(f, cases[i].typed);
        chat_run(f, CMD_SEND);
        assert_int_equal(f->app.last_action, ACTION_SEND);
        assert_string_equal(f->app.last_text, cases[i].sent);
        chat_expect_input(f, "");
        assert_int_equal(chat_tear_down(state), 0); /* the answer would be in the way */
        assert_int_equal(chat_set_up(state), 0);
        f = *state;
    }
    paste(f, "/system Be short.\nBe kind.");
    chat_run(f, CMD_SEND);
    assert_string_equal(f->app.last_text, "Be short.\nBe kind.");
    chat_type(f, "/no-command");
    chat_run(f, CMD_SEND);
    chat_expect_input(f, "/no-command");
}

static void tab_completes_what_is_common_and_then_walks(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "/o");
    chat_run(f, CMD_COMPLETE);
    chat_expect_input(f, "/open-");
    chat_run(f, CMD_COMPLETE);
    chat_expect_input(f, "/open-");
    chat_run(f, CMD_SEND); /* the second */
    assert_int_equal(f->app.view, VIEW_EXPERTS);
    chat_type(f, "/re");
    chat_run(f, CMD_COMPLETE);
    chat_expect_input(f, "/re");
    clear_input(f);
    chat_type(f, "/exp");
    chat_run(f, CMD_COMPLETE);
    chat_expect_input(f, "/export ");
}

static void endpoints_are_completed(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "/endpoint ");
    expect_screen(&f->app, VIEW_CHAT, f->view, 80, 21, "slash_endpoint_80x24");
    chat_run(f, CMD_SEND); /* nothing selected: which are there? */
    assert_string_equal(newest_notice_of(f), "endpoints: local, mini; in use: auto");
    assert_int_equal(f->app.core.use_endpoint, -1);
    chat_type(f, "/endpoint m");
    chat_run(f, CMD_COMPLETE);
    chat_expect_input(f, "/endpoint mini");
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.core.use_endpoint, 1);
    chat_type(f, "/endpoint ");
    chat_run(f, CMD_LINE_DOWN);
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.core.use_endpoint, -1); /* auto */
    chat_type(f, "/endpoint  m");                   /* a blank more than completing wrote */
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.core.use_endpoint, 1);
}

static void what_is_gone_is_not_offered_and_not_taken(void **state)
{
    struct chat_fixture *f = *state;
    f->app.core.fleet.endpoints[0].is_gone = true;
    chat_type(f, "/endpoint ");
    assert_true(chat_shows(f, "mini"));
    assert_false(chat_shows(f, "local"));
    chat_type(f, "local");
    chat_run(f, CMD_SEND);
    assert_string_equal(newest_notice_of(f), "no endpoint \"local\"; there is: mini");
    assert_int_equal(f->app.core.use_endpoint, -1);
}

static void a_word_too_many_does_nothing(void **state)
{
    struct chat_fixture *f = *state;
    size_t n_messages = f->app.core.session->n_messages;
    chat_type(f, "/retry x");
    chat_run(f, CMD_SEND);
    assert_non_null(strstr(f->app.notice, "/retry takes no word"));
    assert_int_equal(f->app.core.session->n_messages, n_messages);
    chat_expect_input(f, "/retry x");
}

static void only_commands_that_failed_come_back(void **state)
{
    struct chat_fixture *f = *state;
    assert_true(chat_shows_at(f, 80, 21, ">")); /* the input has its width */
    chat_type(f, "/endpoint nobody");
    chat_run(f, CMD_SEND);
    chat_expect_input(f, "");
    chat_type(f, "/rename x");
    chat_run(f, CMD_SEND);
    chat_type(f, "/endpoint m");
    chat_run(f, CMD_STOP);
    chat_run(f, CMD_SEND);
    chat_run(f, CMD_LINE_UP);
    chat_expect_input(f, "/endpoint m"); /* begins like a name: Up goes on all the same */
    chat_run(f, CMD_LINE_UP);
    chat_expect_input(f, "/endpoint nobody");
    chat_run(f, CMD_LINE_UP);
    chat_expect_input(f, "/endpoint nobody");
}

static void a_closed_list_leaves_mistakes_to_a_hint(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "/exp");
    chat_run(f, CMD_STOP);
    chat_run(f, CMD_SEND);
    assert_non_null(strstr(f->app.notice, "did you mean /export?"));
    chat_expect_input(f, "/exp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_command_with_words_is_offered),
            CHAT(the_list_of_commands_is_walked_and_scrolls),
            CHAT(enter_runs_what_is_selected_and_esc_closes),
            CHAT(every_view_is_opened_by_its_name),
            CHAT(a_text_of_lines_is_a_command_only_by_name),
            CHAT(tab_completes_what_is_common_and_then_walks),
            CHAT(endpoints_are_completed),
            CHAT(what_is_gone_is_not_offered_and_not_taken),
            CHAT(a_word_too_many_does_nothing),
            CHAT(only_commands_that_failed_come_back),
            CHAT(a_closed_list_leaves_mistakes_to_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
