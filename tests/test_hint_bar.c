/* test_hint_bar.c - the keys that are offered below a view. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/hint_bar.h"

#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static void hints_are_of_use_where_they_stand(void **state)
{
    struct chat_fixture *f = *state;
    struct app *app = &f->app;
    app->states[VIEW_CHAT] = f->view;
    expect_hints(app, CTX_CHAT, NULL, 80,
            " Enter send  F1 help  C-d quit  C-j newline  C-x 1\xE2\x80\xA6"
            "7 views\n");
    expect_hints(app, CTX_CHAT, NULL, 32, " Enter send  F1 help  C-d quit\n");
    expect_hints(app, CTX_SESSIONS, NULL, 80,
            " Enter open  / search  ? help  Esc back  R rename  D trash  C-x 1\xE2\x80\xA6"
            "7 views\n");
    chat_type(f, "x"); /* C-d deletes now */
    expect_hints(app, CTX_CHAT, NULL, 32, " Enter send  F1 help\n");
    chat_run(f, CMD_SEND);
    expect_hints(app, CTX_CHAT, NULL, 32, " Enter send  Esc stop  F1 help\n");
    chat_type(f, "/");
    const struct view_hint *own = views[VIEW_CHAT].ops->hints(f->view, app);
    expect_hints(app, CTX_CHAT, own, 80,
            " Enter run  Up/Down choose  Tab complete  Esc close  C-x 1\xE2\x80\xA6"
            "7 views\n");
    clear_input(f);
    assert_null(views[VIEW_CHAT].ops->hints(f->view, app));
}

static void popups_name_the_users_keys(void **state)
{
    struct chat_fixture *f = *state;
    struct app *app = &f->app;
    struct err err;
    app->states[VIEW_CHAT] = f->view;
    assert_int_equal(keymap_bind(app->keymap, CTX_CHAT, "C-s", CMD_SEND, &err), OK);
    assert_int_equal(keymap_bind(app->keymap, CTX_CHAT, "Enter", CMD_NONE, &err), OK);
    assert_int_equal(keymap_bind(app->keymap, CTX_INPUT, "Up", CMD_NONE, &err), OK);
    chat_type(f, "/");
    const struct view_hint *own = views[VIEW_CHAT].ops->hints(f->view, app);
    expect_hints(app, CTX_CHAT, own, 40, " C-s run  Tab complete  Esc close\n");
}

/* No view hides how one leaves it, whatever its bar is full of. */
static void every_bar_says_how_to_get_to_the_other_views(void **state)
{
    (void)state;
    struct app app;
    init_app(&app);
    static const struct view_hint many[] = {{"Enter", "a long story"}, {"Tab", "another one"},
            {"Up/Down", "and one more of them"}, {"Esc", "enough"}, {"F9", "or not"},
            {NULL, NULL}};
    fill_balance(&app, 4, 16, 2, 10);
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    for (int i = 0; i < VIEW_COUNT; i++)
        for (int own = 0; own < 2; own++) {
            struct screen screen = {0};
            struct buf out;
            buf_init(&out, 1000);
            screen_resize(&screen, 1, 80);
            struct surface all = screen_surface(&screen);
            hint_bar_draw(&app, views[i].ops->context, own ? many : NULL, &all, 0);
            screen_print(&screen, &out);
            if (!strstr(buf_text(&out), "C-x 1\xE2\x80\xA6"
                                        "7 views"))
                fail_msg("%s: %s", views[i].name, buf_text(&out));
            buf_release(&out);
            screen_release(&screen);
        }
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i].ops->release)
            views[i].ops->release(app.states[i]);
        mem_free(app.states[i]);
    }
    app_fake_release(&app);
}

static void the_first_key_of_a_sequence_says_what_may_follow(void **state)
{
    struct chat_fixture *f = *state;
    const struct key pending = {.code = 'x', .mods = MOD_CTRL};
    struct screen screen = {0};
    struct buf out;
    buf_init(&out, 1000);
    screen_resize(&screen, 1, 80);
    struct surface all = screen_surface(&screen);
    hint_bar_draw_sequence(&f->app, CTX_FLEET, &pending, &all, 0);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out), " C-x \xE2\x80\xA6  1\xE2\x80\xA6"
                                        "7 views  n new  p palette\n");
    buf_clear(&out);
    hint_bar_draw_sequence(&f->app, CTX_TRANSCRIPT, &pending, &all, 0);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "b branches")); /* of Chat holds there too */
    buf_release(&out);
    screen_release(&screen);
}

static void a_question_about_the_budget_offers_its_two_answers(void **state)
{
    struct chat_fixture *f = *state;
    struct app *app = &f->app;
    app->states[VIEW_CHAT] = f->view;
    chat_type(f, "x");
    chat_run(f, CMD_SEND);
    app->core.runs[0].phase = RUN_ASKS;
    expect_hints(app, CTX_CHAT, views[VIEW_CHAT].ops->hints(f->view, app), 80,
            " M-y send it all the same  Esc do not send it  C-x 1\xE2\x80\xA6"
            "7 views\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            CHAT(hints_are_of_use_where_they_stand),
            CHAT(popups_name_the_users_keys),
            CHAT(the_first_key_of_a_sequence_says_what_may_follow),
            CHAT(a_question_about_the_budget_offers_its_two_answers),
            cmocka_unit_test(every_bar_says_how_to_get_to_the_other_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
