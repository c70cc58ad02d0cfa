/* test_view_chat_send.c - what goes out of the input, with which files, and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/hint_bar.h"
#include "tui/view_chat.h"

#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static void typing_sends_and_commands_run(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    const struct view_ops *ops = views[VIEW_CHAT].ops;
    expect_screen(&app, VIEW_CHAT, chat, 80, 21, "chat_empty_80x24");
    press(&app, chat, "hello");
    assert_int_equal(app.last_action, ACTION_DRAFT);
    assert_string_equal(app.last_text, "hello");
    assert_true(ops->run(chat, CMD_SEND, &app));
    assert_int_equal(app.last_action, ACTION_SEND);
    assert_string_equal(app.last_text, "hello");
    press(&app, chat, "second");
    int n = app.n_actions;
    assert_true(ops->run(chat, CMD_SEND, &app)); /* one is running: the text stays */
    assert_int_equal(app.n_actions, n);
    assert_non_null(strstr(app.notice, "running"));
    for (int i = 0; i < 6; i++)
        ops->run(chat, CMD_DELETE_LEFT, &app);
    press(&app, chat, "/sys");
    expect_screen(&app, VIEW_CHAT, chat, 80, 21, "chat_complete_80x24");
    assert_true(ops->run(chat, CMD_COMPLETE, &app));
    press(&app, chat, "be brief");
    assert_true(ops->run(chat, CMD_SEND, &app));
    assert_string_equal(buf_text(&app.core.session->system), "be brief");
    press(&app, chat, "/hlep");
    assert_true(ops->run(chat, CMD_SEND, &app));
    assert_non_null(strstr(app.notice, "/help"));
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

/* In the working directory of the test: its name is known, and nobody else has it. */
static void a_named_file_goes_along_or_nothing_does(void **state)
{
    struct chat_fixture *f = *state;
    struct err err;
    const char *missing = "there is no file shunt test.md: Enter again sends it as a word";
    unlink("shunt test.md"); /* of a run that was broken off */
    chat_type(f, "see @\"shunt test.md\"");
    chat_run(f, CMD_SEND);
    assert_string_equal(f->app.notice, missing);
    chat_expect_input(f, "see @\"shunt test.md\""); /* it stays */
    chat_type(f, "!");                              /* another text is asked about again */
    chat_run(f, CMD_SEND);
    chat_expect_input(f, "see @\"shunt test.md\"!");
    assert_int_equal(f->app.last_action, ACTION_DRAFT);
    chat_run(f, CMD_DELETE_LEFT);
    assert_int_equal(file_write("shunt test.md", "one\n", 4, 0644, &err), OK);
    chat_run(f, CMD_SEND);
    unlink("shunt test.md");
    assert_int_equal(f->app.last_action, ACTION_SEND);
    assert_string_equal(f->app.notice,
            "attached shunt test.md: 28 B with names and fences, about 8 tokens");
    assert_true(chat_shows_at(f, 80, 21, "   see @\"shunt test.md\"\n"));
    assert_true(chat_shows_at(f, 80, 21, "with 28 B of attached text"));
    assert_false(chat_shows_at(f, 80, 21, "one"));
}

static void what_is_no_file_is_sent_as_a_word_when_asked_twice(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "def f(): @nosuchdecorator");
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.last_action, ACTION_DRAFT);
    chat_run(f, CMD_SEND);
    assert_int_equal(f->app.last_action, ACTION_SEND);
    chat_expect_input(f, "");
}

static void a_cleared_draft_is_the_newest_of_the_history(void **state)
{
    struct chat_fixture *f = *state;
    assert_true(chat_shows_at(f, 80, 21, ">")); /* the input has its width */
    chat_type(f, "/endpoint nobody");
    chat_run(f, CMD_SEND); /* remembered, because it failed */
    chat_type(f, "half a thought");
    assert_true(view_chat_clear_input(f->view, &f->app));
    chat_expect_input(f, "");
    chat_run(f, CMD_LINE_UP);
    chat_expect_input(f, "half a thought");
    chat_run(f, CMD_LINE_UP);
    chat_expect_input(f, "/endpoint nobody");
}

static void undo_brings_a_cleared_draft_back(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "half a thought");
    assert_true(view_chat_clear_input(f->view, &f->app));
    chat_run(f, CMD_UNDO);
    chat_expect_input(f, "half a thought");
}

static void only_what_ended_early_is_gone_on_with(void **state)
{
    (void)state;
    static const struct {
        enum message_role role;
        enum message_state state;
        int writer_pid;
        bool can_go_on;
    } leaves[] = {{MSG_ASSISTANT, MESSAGE_DONE, 0, false},
            {MSG_ASSISTANT, MESSAGE_STOPPED, 0, true},
            {MSG_ASSISTANT, MESSAGE_INTERRUPTED, 0, true},
            {MSG_ASSISTANT, MESSAGE_FAILED, 0, true},
            {MSG_ASSISTANT, MESSAGE_STOPPED, 77, false}, {MSG_USER, MESSAGE_DONE, 0, true}};
    struct app app;
    init_app(&app);
    app.states[VIEW_CHAT] = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        struct message *m = add_message(&app, leaves[i].role, "x");
        struct screen screen = {0};
        struct buf out;
        m->state = leaves[i].state;
        app.core.session->writer_pid = leaves[i].writer_pid;
        buf_init(&out, 1000);
        screen_resize(&screen, 1, 200);
        struct surface all = screen_surface(&screen);
        hint_bar_draw(&app, CTX_CHAT, NULL, &all, 0);
        screen_print(&screen, &out);
        if ((strstr(buf_text(&out), "M-c continue") != NULL) != leaves[i].can_go_on)
            fail_msg("leaf %zu: %s", i, buf_text(&out));
        buf_release(&out);
        screen_release(&screen);
    }
    mem_free(app.states[VIEW_CHAT]);
    app_fake_release(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(typing_sends_and_commands_run),
            CHAT(a_named_file_goes_along_or_nothing_does),
            CHAT(what_is_no_file_is_sent_as_a_word_when_asked_twice),
            CHAT(a_cleared_draft_is_the_newest_of_the_history),
            CHAT(undo_brings_a_cleared_draft_back),
            cmocka_unit_test(only_what_ended_early_is_gone_on_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
