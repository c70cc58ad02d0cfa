/*
 * test_chat_input.c - what is typed in Chat reaches what it was meant for, and none of it is
 * lost: an edit that is given up, words to search for, a session that is loaded anew between
 * two keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/vtin.h"

#include "tests/helper_chat.h"

static void give_up_edit(struct chat_fixture *f)
{
    chat_run(f, CMD_STOP);
    chat_expect_input(f, "half a thought");
}

static void edit_other(struct chat_fixture *f)
{
    chat_run(f, CMD_COMPLETE); /* the focus */
    chat_run(f, CMD_FIRST);
    chat_run(f, CMD_EDIT);
    chat_expect_input(f, "first");
}

static void what_was_typed_over_a_message_is_remembered(void **state)
{
    static void (*const ways[])(struct chat_fixture *) = {give_up_edit, edit_other};
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "first");
    chat_say(f, MSG_USER, "second");
    assert_true(chat_shows(f, "first"));
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        if (i == 0)
            chat_type(f, "half a thought");
        chat_run(f, CMD_EDIT);
        chat_type(f, " in other words");
        ways[i](f);
        chat_run(f, CMD_HISTORY_PREV);
        chat_expect_input(f, "second in other words");
        chat_run(f, CMD_HISTORY_NEXT);
    }
}

static void an_edit_that_changed_nothing_is_not(void **state)
{
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "first");
    chat_say(f, MSG_USER, "second");
    assert_true(chat_shows(f, "first"));
    chat_type(f, "half a thought");
    chat_run(f, CMD_EDIT);
    give_up_edit(f);
    chat_run(f, CMD_HISTORY_PREV);
    chat_expect_input(f, "half a thought");
}

/* Other messages behind the same ids, as after another process wrote them. */
static void load_anew(struct chat_fixture *f)
{
    struct session *old = f->app.core.session, *s = session_new(old->id, APP_NOW_MS);
    s->load = old->load + 1;
    f->app.core.session = s;
    for (size_t i = 0; i < old->n_messages; i++)
        chat_say(f, old->messages[i]->role, buf_text(&old->messages[i]->text));
    session_free(old);
}

static void a_session_may_be_loaded_anew_between_two_keys(void **state)
{
    static const enum command commands[] = {CMD_LEFT, CMD_SEARCH, CMD_SEARCH_AFTER, CMD_UP,
            CMD_COPY, CMD_WHY, CMD_BRANCH_BEFORE};
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "question");
    chat_say(f, MSG_ASSISTANT, "answer");
    assert_true(chat_shows(f, "question"));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        chat_run(f, CMD_FOCUS_NEXT);
        load_anew(f);
        chat_run(f, commands[i]);
    }
    assert_true(chat_shows(f, "question"));
}

static void the_list_of_branches_may_be_loaded_anew_too(void **state)
{
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "question");
    chat_say(f, MSG_ASSISTANT, "answer");
    chat_run(f, CMD_BRANCHES);
    assert_true(chat_shows(f, "only branch"));
    load_anew(f);
    chat_run(f, CMD_FOLD);
    assert_false(chat_shows(f, "only branch"));
}

static bool press_first(struct chat_fixture *f, struct key key)
{
    return views[VIEW_CHAT].ops->key_first(f->view, &key, &f->app);
}

static void a_paste_into_the_search_is_searched_for(void **state)
{
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "question");
    chat_say(f, MSG_ASSISTANT, "answer");
    assert_true(chat_shows(f, "question"));
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_SEARCH);
    assert_true(
            press_first(f, (struct key){.code = KEY_PASTE, .text = SLICE("ques\nt\xC3\xA9")}));
    assert_true(chat_shows(f, "/ ques t\xC3\xA9"));
    chat_expect_input(f, "");
}

static void a_search_ends_with_the_focus(void **state)
{
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "question");
    assert_true(chat_shows(f, "question"));
    chat_run(f, CMD_COMPLETE);
    chat_run(f, CMD_SEARCH);
    assert_true(press_first(f, (struct key){.code = 'q'}));
    chat_run(f, CMD_FOCUS_NEXT); /* to the input */
    chat_run(f, CMD_COMPLETE);   /* and back */
    assert_false(press_first(f, (struct key){.code = 'e'}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, chat_set_up, chat_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(what_was_typed_over_a_message_is_remembered),
            TEST(an_edit_that_changed_nothing_is_not),
            TEST(a_session_may_be_loaded_anew_between_two_keys),
            TEST(the_list_of_branches_may_be_loaded_anew_too),
            TEST(a_paste_into_the_search_is_searched_for),
            TEST(a_search_ends_with_the_focus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
