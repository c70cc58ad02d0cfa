/*
 * test_transcript.c - the conversation on the screen: reasoning that is folded, what is laid
 * out of a long session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tests/helper_chat.h"

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

#define CHAT(f) cmocka_unit_test_setup_teardown(f, chat_set_up, chat_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            CHAT(reasoning_is_one_line_until_it_is_unfolded),
            CHAT(each_message_keeps_its_own_fold),
            CHAT(reasoning_that_comes_shows_its_end),
            CHAT(the_setting_says_how_reasoning_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
