/*
 * test_view_chat.c - what Chat says around the conversation: the popup that explains an answer,
 * the list of branches, hints, notices, the tab bar and the line that says where the draft
 * goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/hint_bar.h"
#include "tui/status_line.h"
#include "tui/surface.h"
#include "tui/tab_bar.h"
#include "tui/view_chat.h"
#include "tui/view_help.h"

#include "tests/helper_views.h"

#define S 1000000000ull

static int set_up(void **state)
{
    int failed = chat_set_up(state);
    struct chat_fixture *f = *state;
    f->app.states[VIEW_CHAT] = f->view;
    return failed;
}

static struct message *answer(struct chat_fixture *f, const char *endpoint, const char *text)
{
    chat_say(f, MSG_USER, "question");
    struct message *m = chat_say(f, MSG_ASSISTANT, text);
    snprintf(m->endpoint, sizeof m->endpoint, "%s", endpoint);
    m->cost_nusd = -1;
    return m;
}

static struct buf text_of(struct screen *screen)
{
    struct buf out;
    buf_init(&out, 1 << 12);
    screen_print(screen, &out);
    screen_release(screen);
    return out;
}

static bool has_hint(struct chat_fixture *f, const char *hint)
{
    struct screen screen = {0}, body = app_fake_draw(&f->app, VIEW_CHAT, f->view, 80, 21);
    const struct view_ops *ops = views[VIEW_CHAT].ops;
    screen_release(&body);
    screen_resize(&screen, 1, 400);
    struct surface all = screen_surface(&screen);
    hint_bar_draw(
            &f->app, ops->context_of(f->view, &f->app), ops->hints(f->view, &f->app), &all, 0);
    struct buf row = text_of(&screen);
    bool is_there = strstr(buf_text(&row), hint) != NULL;
    buf_release(&row);
    return is_there;
}

/* ---- why -------------------------------------------------------------------------------- */

static void the_popup_follows_the_newest_answer(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "first", "One.");
    answer(f, "second", "Two.");
    chat_run(f, CMD_WHY);
    assert_true(chat_shows(f, "why second"));
    chat_run(f, CMD_LINE_UP);
    assert_true(chat_shows(f, "why first")); /* as long as nothing new comes */
    answer(f, "third", "Three.");
    assert_true(chat_shows(f, "why third"));
}

static void the_popup_follows_the_selection(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "first", "One.");
    answer(f, "second", "Two.");
    chat_run(f, CMD_WHY);
    assert_true(chat_shows(f, "why second"));
    chat_run(f, CMD_COMPLETE); /* Tab: the conversation has the focus */
    chat_run(f, CMD_FIRST);    /* a question stands for its answer */
    assert_true(chat_shows(f, "why first"));
    chat_run(f, CMD_LAST);
    assert_true(chat_shows(f, "why second"));
}

static void the_popup_says_what_it_really_cost(void **state)
{
    struct chat_fixture *f = *state;
    struct message *m = answer(f, "mini", "One.");
    chat_run(f, CMD_WHY);
    assert_true(chat_shows(f, "actual: cost unknown\n"));
    m->cost_nusd = 3100000;
    m->usage.input = 412;
    m->usage.output = 610;
    m->total_ms = 9800;
    assert_true(chat_shows(f, "actual: $0.003100 for 412 + 610 tokens \xC2\xB7 9.80 s\n"));
    m->state = MESSAGE_RUNNING;
    assert_true(chat_shows(f, "the answer is still running"));
}

static void the_popup_does_not_hide_that_enter_sends(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_WHY);
    assert_true(has_hint(f, "Enter send"));
    assert_true(has_hint(f, "Esc close"));
    chat_run(f, CMD_COMPLETE);
    assert_false(has_hint(f, "Enter send")); /* there it folds */
}

/* ---- hints ------------------------------------------------------------------------------ */

static void only_what_works_on_the_selected_message_is_offered(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_COMPLETE);
    assert_false(has_hint(f, "e edit")); /* an answer */
    assert_false(has_hint(f, " branch"));
    assert_false(has_hint(f, "x tokens")); /* of no local model */
    assert_false(has_hint(f, "c code"));
    buf_add_text(&f->app.core.session->messages[1]->text, "\n```\ncode\n```\n");
    assert_true(has_hint(f, "c code"));
    assert_true(has_hint(f, "f fork"));
    assert_true(has_hint(f, "M-r again"));
    snprintf(f->app.core.session->messages[1]->endpoint, 64, "local");
    assert_true(has_hint(f, "x tokens"));
    f->app.core.session->messages[1]->n_attached = 17; /* all of it: nothing that is copied */
    assert_false(has_hint(f, "c code"));
    f->app.core.session->messages[1]->n_attached = 0;
    chat_run(f, CMD_UP);
    assert_true(has_hint(f, "e edit"));
    f->app.core.session->leaf_id = 1;
    chat_say(f, MSG_ASSISTANT, "Or two.");
    chat_run(f, CMD_LAST);
    assert_true(has_hint(f, "</> branch"));
    assert_true(has_hint(f, "b branches"));
}

static void the_bar_of_a_popup_names_what_it_can_do(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_WHY);
    assert_false(has_hint(f, "other answers"));
    assert_false(has_hint(f, " more"));
    answer(f, "mini", "Two.");
    assert_true(has_hint(f, "Up/Down other answers"));
}

static void a_search_says_its_keys_and_what_it_found(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_SEARCH);
    assert_true(has_hint(f, "Enter keep what is found  Esc close"));
    assert_true(views[VIEW_CHAT].ops->key_first(f->view, &(struct key){.code = 'z'}, &f->app));
    assert_string_equal(f->app.notice, "no message has these words");
    views[VIEW_CHAT].ops->key_first(f->view, &(struct key){.code = KEY_BACKSPACE}, &f->app);
    views[VIEW_CHAT].ops->key_first(f->view, &(struct key){.code = '.'}, &f->app);
    views[VIEW_CHAT].ops->key_first(f->view, &(struct key){.code = KEY_ENTER}, &f->app);
    assert_true(has_hint(f, "n next above  N next below"));
    chat_run(f, CMD_SEARCH_BEFORE);
    assert_string_equal(f->app.notice, "only this message has these words");
}

static void the_list_of_files_says_that_enter_inserts(void **state)
{
    struct chat_fixture *f = *state;
    FILE *file = fopen("hinted.md", "w");
    assert_non_null(file);
    fclose(file);
    chat_type(f, "@hinted");
    assert_true(has_hint(f, "Enter insert"));
    unlink("hinted.md");
}

/* ---- branches --------------------------------------------------------------------------- */

static void a_single_branch_says_how_another_begins(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_BRANCHES);
    assert_true(chat_shows(f, "the only branch"));
    assert_true(chat_shows(
            f, "Another begins when you edit a message (Tab, e) or repeat an answer (M-r)."));
}

static void a_branch_is_named_by_what_was_typed(void **state)
{
    struct chat_fixture *f = *state;
    struct message *m = chat_say(f, MSG_USER, "see @x.md\n\nx.md:\n```\nsecret\n```");
    m->n_attached = strlen("\n\nx.md:\n```\nsecret\n```");
    chat_run(f, CMD_BRANCHES);
    assert_true(chat_shows(f, "you: see @x.md  "));
}

static void a_branch_tells_that_it_was_stopped(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.")->state = MESSAGE_STOPPED;
    chat_run(f, CMD_BRANCHES);
    assert_true(chat_shows(f, "2 messages, stopped  "));
}

static int64_t leaf(const struct chat_fixture *f)
{
    return f->app.core.session->leaf_id;
}

static void answering_an_earlier_message_again_says_what_is_hidden(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    answer(f, "mini", "Two.");
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_FIRST);
    chat_run(f, CMD_DOWN); /* the first answer */
    chat_run(f, CMD_RETRY);
    assert_int_not_equal(leaf(f), 4);
    assert_string_equal(f->app.notice,
            "a new branch: the 2 later messages are on the other one; < goes back, C-x b lists "
            "them");
    assert_int_equal(views[VIEW_CHAT].ops->context_of(f->view, &f->app), CTX_TRANSCRIPT);
}

/* ---- what does nothing says so ---------------------------------------------------------- */

static void nothing_to_fold_is_said(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_FOLD);
    assert_string_equal(f->app.notice, "no message here has reasoning to show or fold");
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_FOLD);
    assert_string_equal(f->app.notice, "this message has no reasoning to show or fold");
}

static void an_answer_is_not_edited_and_keeps_the_focus(void **state)
{
    struct chat_fixture *f = *state;
    answer(f, "mini", "One.");
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_EDIT);
    assert_non_null(strstr(f->app.notice, "only your own messages can be edited"));
    assert_int_equal(views[VIEW_CHAT].ops->context_of(f->view, &f->app), CTX_TRANSCRIPT);
    chat_type(f, "dX"); /* meant for the message that cannot be edited */
    chat_expect_input(f, "");
    chat_run(f, CMD_UP);
    chat_type(f, "d");
    chat_expect_input(f, "d");
}

/* ---- notices ---------------------------------------------------------------------------- */

static void PRINTF(4, 5)
        say(struct status_line *line, enum status status, uint64_t now_ns, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    status_line_say(line, status, now_ns, fmt, va);
    va_end(va);
}

static bool is_said(
        const struct chat_fixture *f, const struct status_line *line, uint64_t now_ns)
{
    struct screen screen = {0};
    screen_resize(&screen, 1, 80);
    struct surface all = screen_surface(&screen);
    status_line_draw(line, &f->app.core, now_ns, &all);
    struct buf row = text_of(&screen);
    bool is = strstr(buf_text(&row), "something") != NULL;
    buf_release(&row);
    return is;
}

static void a_notice_goes_with_time_a_key_or_another_view(void **state)
{
    struct chat_fixture *f = *state;
    struct status_line line = {0};
    say(&line, OK, 100 * S, "something");
    assert_true(is_said(f, &line, 105 * S));
    assert_false(is_said(f, &line, 107 * S)); /* a failure is read twice as long */
    say(&line, ERR_USAGE, 200 * S, "something");
    assert_true(is_said(f, &line, 207 * S));
    status_line_read(&line, 203 * S); /* a key */
    assert_false(is_said(f, &line, 203 * S));
    say(&line, OK, 300 * S, "something");
    status_line_pass(&line, 300 * S); /* the same key said it and changed the view */
    assert_true(is_said(f, &line, 300 * S));
    status_line_pass(&line, 300 * S + 1);
    assert_false(is_said(f, &line, 300 * S + 1));
    status_line_read(&line, 300 * S + 2); /* does not come back */
    assert_false(is_said(f, &line, 300 * S + 2));
}

/* A later one is said in between, and then is over. */
static void what_the_disk_refuses_stays(void **state)
{
    struct chat_fixture *f = *state;
    struct status_line line = {0};
    f->app.core.disk_failed_ns = 100 * S;
    f->app.core.disk_notice = (struct notice){100 * S, ERR_FULL, "something is full"};
    status_line_read(&line, 150 * S);
    assert_true(is_said(f, &line, 150 * S));
    say(&line, OK, 200 * S, "the mouse is on");
    assert_false(is_said(f, &line, 201 * S));
    assert_true(is_said(f, &line, 207 * S));
    struct screen screen = {0};
    screen_resize(&screen, 1, 80);
    struct surface all = screen_surface(&screen);
    assert_int_equal(status_line_draw(&line, &f->app.core, 207 * S, &all), 0);
    screen_release(&screen);
    f->app.core.disk_failed_ns = 0;
    assert_false(is_said(f, &line, 208 * S));
}

/* ---- the endpoints ---------------------------------------------------------------------- */

static struct buf endpoints_row(const struct core *core, int n_cols)
{
    struct screen screen = {0};
    screen_resize(&screen, 1, n_cols);
    struct surface all = screen_surface(&screen);
    status_line_draw(&(struct status_line){0}, core, 100 * S, &all);
    return text_of(&screen);
}

static void the_endpoint_in_use_is_named_and_the_others_are_counted(void **state)
{
    struct chat_fixture *f = *state;
    struct core *core = &f->app.core;
    struct buf row = endpoints_row(core, 80);
    assert_string_equal(buf_text(&row), " \xE2\x97\x8F local  \xE2\x97\x8F mini\n");
    buf_release(&row);
    row = endpoints_row(core, 30);
    assert_string_equal(buf_text(&row), " \xE2\x97\x8F local  +1\n");
    buf_release(&row);
    core->use_endpoint = 1;
    row = endpoints_row(core, 30);
    assert_string_equal(buf_text(&row), " \xE2\x97\x8F mini  +1\n");
    buf_release(&row);
    core->use_endpoint = -1;
    snprintf(chat_say(f, MSG_ASSISTANT, "x")->endpoint, ENDPOINT_NAME_BYTES, "mini");
    row = endpoints_row(core, 30);
    assert_string_equal(buf_text(&row), " \xE2\x97\x8F mini  +1\n");
    buf_release(&row);
}

/* ---- the tab bar ------------------------------------------------------------------------ */

static void expect_tabs(struct chat_fixture *f, bool is_help, int n_cols, const char *text)
{
    struct screen screen = {0};
    screen_resize(&screen, 1, n_cols);
    struct surface all = screen_surface(&screen);
    tab_bar_draw(&f->app, is_help, &all);
    struct buf row = text_of(&screen);
    assert_string_equal(buf_text(&row), text);
    buf_release(&row);
}

static void tabs_are_never_cut_inside_a_word(void **state)
{
    struct chat_fixture *f = *state;
    expect_tabs(f, false, 80,
            " 1 Chat  2 Experts  3 Fleet  4 Router  5 Models  6 Sessions  7 Tokens\n");
    f->app.view = VIEW_SESSIONS;
    expect_tabs(f, false, 50, " 1  2  3  4  5  6 Sessions  7\n");
    expect_tabs(f, false, 30, " 1  2  3  4  5  6 Sessions  7\n");
    expect_tabs(f, true, 72, " 1  2  3  4  5  6  7  Help\n");
    assert_int_equal(tab_bar_find(&f->app, false, 50, 3), VIEW_EXPERTS);
    assert_int_equal(tab_bar_find(&f->app, false, 50, 26), VIEW_SESSIONS);
    assert_int_equal(tab_bar_find(&f->app, false, 50, 28), VIEW_TOKENS);
    assert_int_equal(tab_bar_find(&f->app, false, 50, 40), VIEW_COUNT);
}

/* ---- help ------------------------------------------------------------------------------- */

static void help_opens_at_the_keys_that_hold(void **state)
{
    struct chat_fixture *f = *state;
    struct help help = {.context = CTX_CHAT, .at = CTX_TRANSCRIPT};
    struct screen screen = {0};
    screen_resize(&screen, 20, 80);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &f->app, &all);
    struct buf text = text_of(&screen);
    assert_true(slice_has_prefix(buf_slice(&text), " Conversation: Tab goes there"));
    buf_release(&text);
    help_run(&help, CMD_FIRST); /* what is above is there */
    screen_resize(&screen, 20, 80);
    all = screen_surface(&screen);
    help_draw(&help, &f->app, &all);
    text = text_of(&screen);
    assert_true(slice_has_prefix(buf_slice(&text), " / searches the keys"));
    buf_release(&text);
}

/* ---- before anything is there ------------------------------------------------------------ */

static void the_first_screen_names_both_ways_until_there_is_somebody(void **state)
{
    struct chat_fixture *f = *state;
    assert_false(chat_shows(f, "nobody to talk to"));
    assert_true(fleet_switch(&f->app.core.fleet, 0, SWITCH_OFF));
    assert_true(chat_shows(f, "nobody to talk to"));
    assert_true(chat_shows(f, "~/.local/share/shunt/models"));
    assert_true(chat_shows(f, "C-x 3 opens Fleet, the key a adds an endpoint"));
    chat_type(f, "hello?");
    chat_run(f, CMD_SEND); /* to nobody: text and help stay */
    chat_expect_input(f, "hello?");
    assert_true(chat_shows(f, "nobody to talk to"));
    assert_non_null(strstr(f->app.notice, "nobody can answer yet, your text stays here"));
    assert_true(fleet_switch(&f->app.core.fleet, 0, SWITCH_ON));
    fleet_set_fault(&f->app.core.fleet, 0, "its file is cut");
    chat_run(f, CMD_SEND);
    assert_string_equal(
            f->app.notice, "local cannot answer, your text stays here: its file is cut");
    fleet_set_fault(&f->app.core.fleet, 0, "");
    assert_true(fleet_switch(&f->app.core.fleet, 0, SWITCH_OFF));
    assert_true(fleet_switch(&f->app.core.fleet, 0, SWITCH_ON));
    assert_false(chat_shows(f, "nobody to talk to"));
}

/* ---- where the draft goes ---------------------------------------------------------------- */

static void the_preview_counts_the_files_that_the_draft_names(void **state)
{
    struct chat_fixture *f = *state;
    FILE *file = fopen("weighed.md", "w");
    assert_non_null(file);
    for (int i = 0; i < 40000; i++)
        fputs("word ", file);
    fclose(file);
    struct endpoint_conf small = *f->app.core.fleet.endpoints[0].conf;
    const struct endpoint_conf *roomy = f->app.core.fleet.endpoints[0].conf;
    small.context_tok = 2048;
    f->app.core.fleet.endpoints[0].conf = &small;
    chat_type(f, "see @weighed.md");
    assert_true(chat_shows(f, "do not fit"));
    chat_run(f, CMD_KILL_LINE_LEFT);
    chat_type(f, "see weighed.md");
    f->app.now_ns += S;
    assert_false(chat_shows(f, "do not fit"));
    f->app.core.fleet.endpoints[0].conf = roomy;
    unlink("weighed.md");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, chat_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_popup_follows_the_newest_answer),
            TEST(the_popup_follows_the_selection),
            TEST(the_popup_says_what_it_really_cost),
            TEST(the_popup_does_not_hide_that_enter_sends),
            TEST(only_what_works_on_the_selected_message_is_offered),
            TEST(the_bar_of_a_popup_names_what_it_can_do),
            TEST(a_search_says_its_keys_and_what_it_found),
            TEST(the_list_of_files_says_that_enter_inserts),
            TEST(a_single_branch_says_how_another_begins),
            TEST(a_branch_is_named_by_what_was_typed),
            TEST(a_branch_tells_that_it_was_stopped),
            TEST(answering_an_earlier_message_again_says_what_is_hidden),
            TEST(nothing_to_fold_is_said),
            TEST(an_answer_is_not_edited_and_keeps_the_focus),
            TEST(a_notice_goes_with_time_a_key_or_another_view),
            TEST(what_the_disk_refuses_stays),
            CHAT(the_endpoint_in_use_is_named_and_the_others_are_counted),
            TEST(tabs_are_never_cut_inside_a_word),
            TEST(help_opens_at_the_keys_that_hold),
            TEST(the_first_screen_names_both_ways_until_there_is_somebody),
            TEST(the_preview_counts_the_files_that_the_draft_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
