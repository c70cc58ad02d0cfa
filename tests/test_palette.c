/* test_palette.c - what the palette finds, and what Enter does with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/palette.h"
#include "tui/surface.h"
#include "tui/view.h"
#include "tui/vtin.h"

#include "tests/helper_app.h"
#include "tests/helper_screen.h"

static struct app app;
static struct palette palette;
static struct session_row found[2];

static int set_up(void **state)
{
    (void)state;
    struct endpoint_conf endpoints[] = {
            {.name = "desk", .kind = PROVIDER_LLAMA_SERVER, .model = "qwen3", .enabled = true},
            {.name = "mini", .kind = PROVIDER_OPENAI, .model = "gpt-mini", .enabled = true}};
    app_fake_init(&app, endpoints, ARRAY_LEN(endpoints));
    for (int i = 0; i < VIEW_COUNT; i++)
        app.states[i] = mem_alloc(views[i].ops->state_bytes);
    found[0] = (struct session_row){.id = 71, .title = SLICE("Regex back\x1B[31mtracking")};
    found[1] = (struct session_row){.id = 72,
            .title = SLICE("\xC3\x9C"
                           "bersetzung")};
    app.core.found = found;
    app.core.n_found = ARRAY_LEN(found);
    palette = (struct palette){0};
    palette_toggle(&palette, &app);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    app.core.found = NULL;
    app.core.n_found = 0;
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i].ops->release)
            views[i].ops->release(app.states[i]);
        mem_free(app.states[i]);
    }
    app_fake_release(&app);
    return 0;
}

static void press(uint32_t code)
{
    assert_true(palette_key(&palette, &(struct key){.code = code}, &app));
}

static void type(const char *text)
{
    for (; *text; text++)
        press((uint32_t)*text);
}

static struct screen draw(int n_cols, int n_rows)
{
    struct screen screen = {0};
    screen_resize(&screen, n_rows, n_cols);
    struct surface all = screen_surface(&screen);
    palette_draw(&palette, &app, &all);
    return screen;
}

static void expect_row(int row, const char *begin, const char *end)
{
    struct screen screen = draw(80, 22);
    struct buf out;
    buf_init(&out, 1 << 16);
    screen_print(&screen, &out);
    struct slice rest = buf_slice(&out), line = {0};
    for (int i = 0; i <= row; i++)
        line = slice_cut(&rest, '\n');
    line = slice_trim(line);
    struct slice tail = {line.ptr + line.n - strlen(end), strlen(end)};
    if (!slice_has_prefix(line, begin) || !slice_eq(tail, end))
        fail_msg("row %d: %s", row, buf_text(&out));
    buf_release(&out);
    screen_release(&screen);
}

static void it_looks_like_this(void **state)
{
    (void)state;
    struct screen screen = draw(80, 22);
    screen_expect(&screen, "palette_80x24");
    screen_release(&screen);
    type("exp");
    screen = draw(40, 9);
    screen_expect(&screen, "palette_40x11");
    screen_release(&screen);
    screen = draw(7, 2); /* nothing of it may be outside */
    screen_release(&screen);
}

static void commands_are_found_with_their_keys(void **state)
{
    (void)state;
    type("exper");
    expect_row(3, "open-experts", "C-x 2");
    press(KEY_ENTER);
    assert_int_equal(app.view, VIEW_EXPERTS);
    assert_false(palette.is_open);
}

static void words_of_the_help_find_a_command_too(void **state)
{
    (void)state;
    type("colour margin");
    expect_row(3, "text-color", "M-h");
}

/* Letters that are scattered over a help text say nothing. */
static void help_is_found_by_the_beginnings_of_its_words(void **state)
{
    (void)state;
    type("lgo"); /* "fromL itsG endpOint" would do */
    expect_row(3, "No name has these letters", "words.");
    for (int i = 0; i < 3; i++)
        press(KEY_BACKSPACE);
    type("healt");
    expect_row(3, "open-fleet", "C-x 3");
}

static void a_command_with_words_is_written_into_the_input(void **state)
{
    (void)state;
    app.view = VIEW_FLEET;
    type("rename");
    press(KEY_ENTER);
    assert_int_equal(app.view, VIEW_CHAT);
    assert_string_equal(buf_text(&app.core.session->draft), "/rename ");
    assert_int_equal(app.last_action, ACTION_DRAFT);
}

static void commands_of_chat_are_run_there(void **state)
{
    (void)state;
    app.view = VIEW_ROUTER;
    type("side-pane");
    press(KEY_ENTER);
    assert_int_equal(app.view, VIEW_CHAT);
    assert_string_equal(app.notice, "the side pane needs 120 columns");
}

static void endpoints_and_sessions_are_found(void **state)
{
    (void)state;
    type("gpt mini");
    expect_row(3, "endpoint: mini", "gpt-mini");
    press(KEY_ENTER);
    assert_int_equal(app.core.use_endpoint, 1);
    palette_toggle(&palette, &app);
    app.core.found = found;
    app.core.n_found = ARRAY_LEN(found);
    type("regex");
    expect_row(3, "session: Regex back\xC2\xB7[31mtracking", "tracking"); /* never raw */
    press(KEY_ENTER);
    assert_int_equal(app.last_id, 71);
    assert_int_equal(app.last_action, ACTION_OPEN_SESSION);
}

static void themes_are_found_and_taken(void **state)
{
    (void)state;
    type("theme li");
    expect_row(3, "theme: light", "start");
    press(KEY_ENTER);
    assert_string_equal(app.notice, "theme light");
}

static void arrows_choose_and_esc_closes(void **state)
{
    (void)state;
    type("open-");
    press(KEY_DOWN);
    press(KEY_DOWN);
    press(KEY_UP);
    expect_row(2, ">", "open-");
    assert_int_equal(palette.selected, 1);
    type("zzz");
    expect_row(3, "No name has these letters", "words.");
    press(KEY_ENTER); /* runs nothing */
    assert_false(palette.is_open);
    palette_toggle(&palette, &app);
    press(KEY_ESC);
    assert_false(palette.is_open);
}

static void it_finds_keys_of_every_context(void **state)
{
    (void)state;
    int n_before = app.n_actions;
    app.view = VIEW_EXPERTS;
    type("drain");
    expect_row(3, "endpoint-drain", "Fleet d");
    press(KEY_ENTER); /* which endpoint is seen there only */
    assert_int_equal(app.view, VIEW_FLEET);
    assert_non_null(strstr(app.notice, "d: "));
    assert_int_equal(app.n_actions, n_before);
    palette_toggle(&palette, &app);
    type("cut word before");
    expect_row(3, "kill-word-left", "C-w");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
            TEST(it_looks_like_this),
            TEST(it_finds_keys_of_every_context),
            TEST(commands_are_found_with_their_keys),
            TEST(words_of_the_help_find_a_command_too),
            TEST(help_is_found_by_the_beginnings_of_its_words),
            TEST(a_command_with_words_is_written_into_the_input),
            TEST(commands_of_chat_are_run_there),
            TEST(endpoints_and_sessions_are_found),
            TEST(themes_are_found_and_taken),
            TEST(arrows_choose_and_esc_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
