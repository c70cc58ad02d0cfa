/*
 * test_transcript.c - the conversation on the screen: reasoning that is folded, messages that
 * are selected, edited and copied, branches that are walked, and a session of ten thousand
 * messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/surface.h"
#include "tui/view_chat.h"

#include "tests/helper_chat.h"
#include "tests/helper_clock.h"
#include "tests/helper_screen.h"

/* ---- reasoning -------------------------------------------------------------------------- */

static struct message *think(struct chat_fixture *f, const char *text)
{
    chat_say(f, MSG_USER, "Is it linear?");
    struct message *m = chat_say(f, MSG_ASSISTANT, text);
    buf_add_text(&m->reasoning, "One.\n\nTwo.\n\nThree.\n\nFour \xC3\xA9.");
    m->reasoning_ms = 6200;
    return m;
}

static void reasoning_is_one_line_until_it_is_unfolded(void **state)
{
    struct chat_fixture *f = *state;
    struct message *m = think(f, "It is.");
    assert_true(chat_shows(f, "\xE2\x96\xB8 reasoned 6.2 s, 27 characters\n   It is."));
    m->usage.reasoning = 148;
    assert_true(chat_shows(f, "\xE2\x96\xB8 reasoned 6.2 s, 148 tok\n"));
    assert_false(chat_shows(f, "Three."));
    chat_run(f, CMD_FOLD);
    assert_true(chat_shows(f, "\xE2\x96\xBE reasoned 6.2 s, 148 tok\n   One."));
    assert_true(chat_shows(f, "Four \xC3\xA9.\n   It is."));
    chat_run(f, CMD_FOLD);
    assert_false(chat_shows(f, "Three."));
}

static void each_message_keeps_its_own_fold(void **state)
{
    struct chat_fixture *f = *state;
    think(f, "First.");
    chat_run(f, CMD_FOLD);
    think(f, "Second.");
    assert_true(chat_shows(f, "\xE2\x96\xBE reasoned"));
    assert_true(chat_shows(f, "\xE2\x96\xB8 reasoned"));
}

static void reasoning_that_comes_shows_its_end(void **state)
{
    struct chat_fixture *f = *state;
    struct message *m = think(f, "");
    m->state = MESSAGE_RUNNING;
    assert_true(chat_shows(f, "\xE2\x96\xBE reasoning 6.2 s, 27 characters\n"));
    assert_false(chat_shows(f, "Two."));
    assert_true(chat_shows(f, "Three.\n\n   Four \xC3\xA9."));
    buf_add_text(&m->text, "It");
    m->version++;
    assert_true(chat_shows(f, "\xE2\x96\xB8 reasoned 6.2 s")); /* the answer begins: folded */
}

static void the_setting_says_how_reasoning_is_shown(void **state)
{
    struct chat_fixture *f = *state;
    think(f, "It is.");
    f->app.reasoning = REASONING_SHOW;
    assert_true(chat_shows(f, "Three."));
    f->app.reasoning = REASONING_HIDE;
    assert_false(chat_shows(f, "reasoned"));
    chat_run(f, CMD_FOLD);
    assert_true(chat_shows(f, "Three."));
}

/* ---- the focus -------------------------------------------------------------------------- */

/* Questions and answers in turn. */
static void converse(struct chat_fixture *f, int n)
{
    char text[64];
    for (int i = 1; i <= n; i++) {
        snprintf(text, sizeof text, i % 2 ? "question %d" : "answer %d", i);
        chat_say(f, i % 2 ? MSG_USER : MSG_ASSISTANT, text);
    }
}

static enum context context(struct chat_fixture *f)
{
    return views[VIEW_CHAT].ops->context_of(f->view, &f->app);
}

static int64_t leaf(const struct chat_fixture *f)
{
    return f->app.core.session->leaf_id;
}

static void press_tab(struct chat_fixture *f)
{
    chat_run(f, CMD_COMPLETE);
}

static void tab_goes_to_the_conversation_and_letters_return(void **state)
{
    struct chat_fixture *f = *state;
    press_tab(f); /* there is no message to go to */
    assert_int_equal(context(f), CTX_CHAT);
    converse(f, 4);
    press_tab(f);
    assert_int_equal(context(f), CTX_TRANSCRIPT);
    assert_true(chat_shows(f, "\xE2\x96\x8C"
                              "answer")); /* marked without colour */
    chat_run(f, CMD_FOCUS_NEXT);
    assert_int_equal(context(f), CTX_CHAT);
    assert_false(chat_shows(f, "\xE2\x96\x8C"));
    press_tab(f);
    chat_run(f, CMD_BACK);
    assert_int_equal(context(f), CTX_CHAT);
    press_tab(f);
    chat_type(f, "h");
    assert_int_equal(context(f), CTX_CHAT);
    chat_expect_input(f, "h");
    press_tab(f);
    chat_run(f, CMD_DELETE_LEFT); /* so does every key of the input line */
    assert_int_equal(context(f), CTX_CHAT);
    chat_type(f, "/re");
    press_tab(f); /* there is something to complete */
    assert_int_equal(context(f), CTX_CHAT);
}

/* "answer 4": the one behind the bar. */
static void expect_selected(struct chat_fixture *f, const char *text)
{
    struct buf screen = chat_screen(f, 80, 21);
    char want[64];
    snprintf(want, sizeof want, "\xE2\x96\x8C  %s\n", text);
    if (!strstr(buf_text(&screen), want))
        fail_msg("not selected: %s\n%s", text, buf_text(&screen));
    buf_release(&screen);
}

static void the_selection_moves_and_stays_on_the_screen(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 40);
    press_tab(f);
    expect_selected(f, "answer 40");
    chat_run(f, CMD_UP);
    expect_selected(f, "question 39");
    chat_run(f, CMD_OWN_BEFORE);
    expect_selected(f, "question 37");
    chat_run(f, CMD_DOWN);
    chat_run(f, CMD_OWN_AFTER);
    expect_selected(f, "question 39");
    chat_run(f, CMD_OWN_AFTER); /* there is none behind it */
    expect_selected(f, "question 39");
    chat_run(f, CMD_FIRST);
    expect_selected(f, "question 1");
    chat_run(f, CMD_UP);
    expect_selected(f, "question 1");
    chat_run(f, CMD_SCROLL_DOWN); /* what was scrolled away is not what is acted upon */
    assert_false(chat_shows(f, "question 1\n"));
    expect_selected(f, "question 7");
    for (int i = 0; i < 20; i++)
        chat_run(f, CMD_DOWN);
    expect_selected(f, "question 27");
    chat_run(f, CMD_LAST);
    expect_selected(f, "answer 40");
}

/* ---- branches --------------------------------------------------------------------------- */

static struct message *say_beside(
        struct chat_fixture *f, const struct message *m, const char *text)
{
    f->app.core.session->leaf_id = m->parent_id;
    return chat_say(f, m->role, text);
}

static void branches_are_walked_and_taken_back(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 4);
    const struct message *second = f->app.core.session->messages[1];
    int64_t other_id = say_beside(f, second, "another")->id;
    chat_say(f, MSG_USER, "and then?");
    assert_true(chat_shows(f, "answer  2/2  22:17"));
    press_tab(f);
    chat_run(f, CMD_BRANCH_AFTER); /* this message has no other: the nearest that has some */
    assert_string_equal(
            f->app.notice, "there is no other branch of that message, but of this one");
    expect_selected(f, "another");
    chat_run(f, CMD_BRANCH_BEFORE);
    expect_selected(f, "answer 2");
    assert_true(chat_shows(f, "answer  1/2"));
    assert_int_equal(leaf(f), 4);
    chat_run(f, CMD_BRANCH_BEFORE); /* it is the first */
    assert_int_equal(leaf(f), 4);
    chat_run(f, CMD_UNDO);
    expect_selected(f, "another");
    assert_int_equal(leaf(f), other_id + 1);
    chat_run(f, CMD_UNDO);
    assert_string_equal(f->app.notice, "there is nothing to take back");
}

static void the_list_of_branches_goes_to_each(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 4);
    say_beside(f, f->app.core.session->messages[1], "another \x1B[31m way");
    say_beside(f, f->app.core.session->messages[0], "in other words");
    chat_run(f, CMD_BRANCHES);
    assert_int_equal(context(f), CTX_TRANSCRIPT);
    struct screen screen = app_fake_draw(&f->app, VIEW_CHAT, f->view, 80, 21);
    screen_expect(&screen, "chat_branches_80x24");
    screen_release(&screen);
    chat_run(f, CMD_UP);
    chat_run(f, CMD_FOLD); /* Enter */
    assert_int_equal(leaf(f), 5);
    expect_selected(f, "another \xC2\xB7[31m way");
    chat_run(f, CMD_BRANCHES);
    chat_run(f, CMD_FIRST);
    chat_run(f, CMD_STOP); /* Esc: as it was */
    assert_int_equal(leaf(f), 5);
}

/* ---- editing ---------------------------------------------------------------------------- */

static void an_edited_message_begins_a_branch(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 4);
    chat_type(f, "half a thought");
    press_tab(f);
    chat_run(f, CMD_EDIT);
    assert_non_null(strstr(f->app.notice, "only your own"));
    chat_run(f, CMD_UP);
    chat_run(f, CMD_EDIT);
    chat_expect_input(f, "question 3");
    assert_int_equal(context(f), CTX_CHAT);
    assert_true(chat_shows(f, "editing"));
    chat_type(f, "?");
    int n = f->app.n_actions;
    chat_run(f, CMD_SEND);
    assert_true(f->app.n_actions > n);
    assert_string_equal(buf_text(&f->app.core.session->messages[4]->text), "question 3?");
    assert_int_equal(f->app.core.session->messages[4]->parent_id, 2);
    chat_expect_input(f, "half a thought"); /* what waited is there again */
    assert_false(chat_shows(f, "editing"));
}

static void an_edit_is_given_up_in_every_way(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 4);
    f->app.core.session->messages[2]->text.n = 0;
    buf_add_text(&f->app.core.session->messages[2]->text, "/etc is what?");
    chat_type(f, "draft");
    chat_run(f, CMD_EDIT);                  /* without a selection: the newest own */
    chat_expect_input(f, "//etc is what?"); /* a message, no command */
    chat_run(f, CMD_STOP);
    chat_expect_input(f, "draft");
    chat_run(f, CMD_EDIT);
    view_chat_clear_input(f->view, &f->app);
    chat_expect_input(f, "draft");
    chat_run(f, CMD_EDIT);
    press_tab(f);
    chat_run(f, CMD_UNDO);
    chat_expect_input(f, "draft");
    assert_int_equal(f->app.core.session->n_messages, 4);
}

static void esc(struct chat_fixture *f, uint64_t wait_ms)
{
    f->app.now_ns += wait_ms * 1000000;
    chat_run(f, CMD_STOP);
}

static void esc_twice_edits_the_last_message(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 2);
    esc(f, 5000);
    esc(f, 1100); /* too late to belong together */
    chat_expect_input(f, "");
    esc(f, 300);
    chat_expect_input(f, "question 1");
    esc(f, 5000);
    chat_expect_input(f, "");
    chat_type(f, "x"); /* not over what is being written */
    esc(f, 5000);
    esc(f, 100);
    chat_expect_input(f, "x");
}

static void esc_meant_for_the_answer_does_not_edit(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 2);
    f->app.now_ns += 5000000000;
    f->app.core.stopped_ns = f->app.now_ns; /* the time of the event */
    esc(f, 300);
    esc(f, 300);
    chat_expect_input(f, "");
    esc(f, 500);
    chat_expect_input(f, ""); /* those before do not count */
    esc(f, 200);
    chat_expect_input(f, "question 1");
}

/* ---- searching -------------------------------------------------------------------------- */

static bool press_first(struct chat_fixture *f, uint32_t code)
{
    return views[VIEW_CHAT].ops->key_first(f->view, &(struct key){.code = code}, &f->app);
}

static void words_are_looked_for_from_message_to_message(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 40);
    assert_false(press_first(f, 'q')); /* letters are keys until "/" */
    press_tab(f);
    assert_false(press_first(f, 'q'));
    chat_run(f, CMD_SEARCH);
    for (const char *c = "ANSWER 1"; *c; c++)
        assert_true(press_first(f, (uint32_t)*c));
    expect_selected(f, "answer 18"); /* the nearest above */
    assert_true(chat_shows(f, " / ANSWER 1\n"));
    assert_true(press_first(f, KEY_ENTER));
    assert_false(press_first(f, 'n'));
    chat_run(f, CMD_SEARCH_BEFORE);
    expect_selected(f, "answer 16");
    chat_run(f, CMD_SEARCH_AFTER);
    chat_run(f, CMD_SEARCH_AFTER); /* round the end */
    expect_selected(f, "answer 10");
    struct screen screen = app_fake_draw(&f->app, VIEW_CHAT, f->view, 80, 21);
    int n_marked = 0;
    for (int i = 0; i < 80 * 21; i++)
        n_marked += screen.cells[i].role == ROLE_MATCH;
    assert_true(n_marked >= 7); /* both words, where they are seen */
    screen_release(&screen);
    chat_run(f, CMD_SEARCH);
    press_first(f, 'Q');
    press_first(f, 'Q');
    chat_run(f, CMD_SEARCH_BEFORE);
    assert_string_equal(f->app.notice, "no message has these words");
}

/* ---- copying ---------------------------------------------------------------------------- */

static void expect_copied(const struct chat_fixture *f, const char *text, const char *what)
{
    assert_string_equal(buf_text(&f->app.copied), text);
    assert_string_equal(f->app.copied_what, what);
}

static void messages_and_their_code_are_copied(void **state)
{
    struct chat_fixture *f = *state;
    chat_run(f, CMD_COPY);
    assert_string_equal(f->app.notice, "there is no text to copy");
    chat_say(f, MSG_USER, "how?");
    chat_say(f, MSG_ASSISTANT,
            "*So*:\n\n```sh\nls\n\n  -l\n```\n\n- or\n\n  ~~~\n  `pwd`\n  ~~~\n");
    chat_run(f, CMD_COPY);
    expect_copied(f, "*So*:\n\n```sh\nls\n\n  -l\n```\n\n- or\n\n  ~~~\n  `pwd`\n  ~~~\n",
            "the answer");
    chat_run(f, CMD_COPY_CODE);
    expect_copied(f, "ls\n\n  -l", "code block 1 of 2"); /* pasted, it does not run by itself */
    chat_run(f, CMD_COPY_CODE);
    expect_copied(f, "`pwd`", "code block 2 of 2");
    chat_run(f, CMD_COPY_CODE);
    expect_copied(f, "ls\n\n  -l", "code block 1 of 2");
    press_tab(f);
    chat_run(f, CMD_UP);
    chat_run(f, CMD_COPY);
    expect_copied(f, "how?", "your message");
    chat_run(f, CMD_COPY_CODE);
    assert_string_equal(f->app.notice, "there is no code block in this message");
}

static void of_a_message_with_files_what_was_typed_is_copied(void **state)
{
    struct chat_fixture *f = *state;
    struct message *m = chat_say(f, MSG_USER, "see @x.md");
    m->n_attached = strlen("\n\nx.md:\n```\none\n```");
    buf_add_text(&m->text, "\n\nx.md:\n```\none\n```");
    press_tab(f);
    chat_run(f, CMD_UP);
    chat_run(f, CMD_COPY);
    expect_copied(f, "see @x.md", "your message");
    chat_run(f, CMD_COPY_CODE);
    assert_string_equal(f->app.notice, "there is no code block in this message");
    chat_run(f, CMD_EDIT);
    chat_expect_input(f, "see @x.md");
}

/* ---- a long session --------------------------------------------------------------------- */

/* A screen of another width, at the beginning, lays out what is seen there and no more. */
static void the_beginning_of_a_long_session_costs_a_screen(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 10000);
    assert_true(chat_shows(f, "answer 10000"));
    chat_run(f, CMD_SCROLL_TOP);
    uint64_t start = clock_cpu_ns();
    struct buf screen = chat_screen(f, 200, 57);
    assert_true(clock_cpu_ns() - start < 60000000);
    buf_release(&screen);
}

static void far_from_the_end_messages_are_counted(void **state)
{
    struct chat_fixture *f = *state;
    converse(f, 10000);
    assert_true(chat_shows(f, "answer 10000"));
    chat_run(f, CMD_SCROLL_TOP);
    assert_true(chat_shows(f, "question 1\n"));
    assert_true(chat_shows(f, "more messages"));
    chat_run(f, CMD_SCROLL_END);
    assert_true(chat_shows(f, "answer 10000"));
    chat_run(f, CMD_SCROLL_UP);
    assert_true(chat_shows(f, "17 more lines"));
}

#define CHAT(f) cmocka_unit_test_setup_teardown(f, chat_set_up, chat_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            CHAT(reasoning_is_one_line_until_it_is_unfolded),
            CHAT(each_message_keeps_its_own_fold),
            CHAT(reasoning_that_comes_shows_its_end),
            CHAT(the_setting_says_how_reasoning_is_shown),
            CHAT(tab_goes_to_the_conversation_and_letters_return),
            CHAT(the_selection_moves_and_stays_on_the_screen),
            CHAT(branches_are_walked_and_taken_back),
            CHAT(the_list_of_branches_goes_to_each),
            CHAT(an_edited_message_begins_a_branch),
            CHAT(an_edit_is_given_up_in_every_way),
            CHAT(esc_twice_edits_the_last_message),
            CHAT(esc_meant_for_the_answer_does_not_edit),
            CHAT(words_are_looked_for_from_message_to_message),
            CHAT(messages_and_their_code_are_copied),
            CHAT(of_a_message_with_files_what_was_typed_is_copied),
            CHAT(the_beginning_of_a_long_session_costs_a_screen),
            CHAT(far_from_the_end_messages_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
