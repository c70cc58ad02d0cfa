/* test_view_chat_draw.c - Chat at the sizes people have, and what it does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/session.h"

#include "tui/view_chat.h"

#include "tests/helper_clock.h"
#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static void chat_looks_right_at_every_size(void **state)
{
    (void)state;
    static const struct {
        int n_cols, n_rows;
        const char *name;
    } sizes[] = {{20, 4, "chat_20x5"}, {40, 7, "chat_40x10"}, {80, 21, "chat_80x24"},
            {120, 37, "chat_120x40"}};
    struct app app;
    init_app(&app);
    fill_chat(&app);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
        expect_screen(&app, VIEW_CHAT, chat, sizes[i].n_cols, sizes[i].n_rows, sizes[i].name);
        views[VIEW_CHAT].ops->release(chat);
        mem_free(chat);
    }
    app_fake_release(&app);
}

static void the_side_pane_says_what_it_needs(void **state)
{
    struct chat_fixture *f = *state;
    assert_false(chat_shows_at(f, 119, 37, "\xE2\x94\x82"));
    chat_run(f, CMD_SIDE_PANE);
    assert_string_equal(f->app.notice, "the side pane needs 120 columns");
    f->app.notice[0] = '\0';
    bool had_pane = chat_shows_at(f, 120, 37, "\xE2\x94\x82");
    chat_run(f, CMD_SIDE_PANE);
    assert_string_equal(f->app.notice, "");
    assert_true(had_pane != chat_shows_at(f, 120, 37, "\xE2\x94\x82"));
}

static void an_answer_says_what_it_cost_before_what_file_it_came_from(void **state)
{
    struct chat_fixture *f = *state;
    struct message *m = chat_say(f, MSG_ASSISTANT, "x");
    snprintf(m->endpoint, sizeof m->endpoint, "smol-135M.Q4_1");
    snprintf(m->model, sizeof m->model, "smol-135M.Q4_1.gguf");
    m->ttft_ms = 70;
    m->total_ms = 2070;
    m->usage.output = 130;
    m->cost_nusd = 0;
    assert_true(chat_shows_at(f, 80, 9, "first 0.07 s  130 tok"));
    assert_false(chat_shows_at(f, 120, 9, ".gguf")); /* the name stands there once */
    snprintf(m->model, sizeof m->model, "another-file-of-the-same-model.gguf");
    assert_true(chat_shows_at(f, 119, 9, "another-file-of-the-same-model.gguf  22:13  first"));
    assert_true(chat_shows_at(f, 60, 9, " tok/s  free"));
    assert_false(chat_shows_at(f, 60, 9, ".gguf"));
    m->cost_nusd = -1;
    assert_true(chat_shows_at(f, 80, 9, "cost unknown"));
}

/* What is below is told on the rule, and covers no text. */
static void lines_below_are_told_on_the_rule(void **state)
{
    struct chat_fixture *f = *state;
    fill_chat(&f->app);
    assert_false(chat_shows_at(f, 80, 15, "more lines"));
    chat_run(f, CMD_SCROLL_TOP);
    expect_screen(&f->app, VIEW_CHAT, f->view, 80, 15, "chat_scrolled_80x18");
    assert_true(chat_shows_at(f, 40, 10, "more lines"));
}

static void what_was_searched_comes_into_view(void **state)
{
    struct chat_fixture *f = *state;
    fill_chat(&f->app);
    view_chat_seek(f->view, f->app.core.session->id + 1, "LINEAR explain");
    assert_true(chat_shows_at(f, 80, 9, "Partly")); /* of another session */
    view_chat_seek(f->view, f->app.core.session->id, "LINEAR explain");
    assert_true(chat_shows_at(f, 80, 9, "Explain what this"));
    chat_run(f, CMD_SCROLL_END);
    assert_true(chat_shows_at(f, 80, 9, "Partly")); /* once */
    view_chat_seek(f->view, f->app.core.session->id, "linear nowhere");
    assert_true(chat_shows_at(f, 80, 9, "Partly"));
}

static void a_long_session_draws_fast_and_scrolls(void **state)
{
    (void)state;
    struct app app;
    char text[64];
    init_app(&app);
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof text, "message number %d", i);
        add_message(&app, i % 2 ? MSG_ASSISTANT : MSG_USER, text);
    }
    void *chat = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    uint64_t start = clock_cpu_ns();
    struct screen screen = app_fake_draw(&app, VIEW_CHAT, chat, 80, 21);
    assert_true(clock_cpu_ns() - start < 1000000000u);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "message number 9999"));
    screen_release(&screen);
    views[VIEW_CHAT].ops->run(chat, CMD_SCROLL_UP, &app);
    screen = app_fake_draw(&app, VIEW_CHAT, chat, 80, 21);
    buf_clear(&out);
    screen_print(&screen, &out);
    assert_null(strstr(buf_text(&out), "message number 9999"));
    assert_non_null(strstr(buf_text(&out), "more lines"));
    assert_int_equal(app.last_action, ACTION_SCROLL);
    screen_release(&screen);
    views[VIEW_CHAT].ops->run(chat, CMD_SCROLL_TOP, &app);
    screen = app_fake_draw(&app, VIEW_CHAT, chat, 80, 21);
    buf_clear(&out);
    screen_print(&screen, &out);
    assert_non_null(strstr(buf_text(&out), "message number 0\n"));
    screen_release(&screen);
    buf_release(&out);
    views[VIEW_CHAT].ops->release(chat);
    mem_free(chat);
    app_fake_release(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(chat_looks_right_at_every_size),
            CHAT(the_side_pane_says_what_it_needs),
            CHAT(an_answer_says_what_it_cost_before_what_file_it_came_from),
            CHAT(lines_below_are_told_on_the_rule),
            CHAT(what_was_searched_comes_into_view),
            cmocka_unit_test(a_long_session_draws_fast_and_scrolls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
