/* test_view_help.c - the keys of a view, and the notes behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tui/view_help.h"
#include "tui/vtin.h"

#include "tests/helper_screen.h"
#include "tests/helper_views.h"

static void help_shows_the_users_keys(void **state)
{
    (void)state;
    struct app app;
    struct err err;
    struct screen screen = {0};
    struct help help = {.context = CTX_EXPERTS};
    init_app(&app);
    assert_int_equal(keymap_bind(app.keymap, CTX_EXPERTS, "F7", CMD_FREEZE, &err), OK);
    screen_resize(&screen, 62, 80);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_experts_80x62");
    screen_resize(&screen, 40, 36);
    all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_experts_36x40");
    help = (struct help){.context = CTX_CHAT};
    screen_resize(&screen, 66, 70);
    all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_chat_70x66");
    assert_true(help_run(&help, CMD_LAST));
    assert_false(help_run(&help, CMD_SEND));
    screen_release(&screen);
    app_fake_release(&app);
}

static void help_says_that_there_is_more(void **state)
{
    (void)state;
    struct app app;
    struct help help = {.context = CTX_ROUTER};
    init_app(&app);
    for (int i = 0; i < 3; i++) {
        static const enum command moves[] = {CMD_FIRST, CMD_DOWN, CMD_LAST};
        struct screen screen = {0};
        struct buf out;
        char want[48];
        screen_resize(&screen, 10, 80);
        struct surface all = screen_surface(&screen);
        help_draw(&help, &app, &all); /* the first one measures */
        help_run(&help, moves[i]);
        surface_fill(&all, (struct rect){0, 0, 10, 80}, ROLE_TEXT, ' ');
        help_draw(&help, &app, &all);
        buf_init(&out, 1 << 16);
        screen_print(&screen, &out);
        snprintf(want, sizeof want, "\xE2\x86\x93 %d more lines\n", help.n_lines - 9 - i);
        assert_true((strstr(buf_text(&out), want) != NULL) == (i < 2));
        assert_true((strstr(buf_text(&out), "more line") != NULL) == (i < 2));
        assert_true((strstr(buf_text(&out), "Stop the answer, else") != NULL) == (i == 2));
        buf_release(&out);
        screen_release(&screen);
    }
    app_fake_release(&app);
}

static void write_into(struct help *help, const char *text)
{
    for (; *text; text++)
        assert_true(help_key(help, &(struct key){.code = (uint32_t)(unsigned char)*text}));
}

static void a_search_finds_keys_of_every_context(void **state)
{
    (void)state;
    struct app app;
    struct help help = {.context = CTX_EXPERTS};
    struct screen screen = {0};
    init_app(&app);
    assert_true(help_run(&help, CMD_SEARCH));
    write_into(&help, "cut the WORD");
    screen_resize(&screen, 12, 80);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_search_80x12");
    assert_true(help_run(&help, CMD_BACK));
    assert_true(help_run(&help, CMD_SEARCH));
    write_into(&help, "fork"); /* a command's name, which its help does not have */
    help_draw(&help, &app, &all);
    struct buf text;
    buf_init(&text, 1 << 16);
    screen_print(&screen, &text);
    assert_non_null(strstr(buf_text(&text), "Go on in a copy"));
    buf_release(&text);
    assert_true(help_key(&help, &(struct key){.code = KEY_ENTER}));
    assert_false(help_key(&help, &(struct key){.code = 'j'})); /* no text any more */
    assert_true(help_run(&help, CMD_BACK));
    assert_false(help_run(&help, CMD_BACK));
    screen_release(&screen);
    app_fake_release(&app);
}

static void notes_wrap_on_a_narrow_screen_and_scroll(void **state)
{
    (void)state;
    struct app app;
    struct screen screen = {0};
    struct help help = {.context = CTX_EXPERTS};
    init_app(&app);
    screen_resize(&screen, 30, 40);
    struct surface all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    help.top = 15;
    all = screen_surface(&screen);
    help_draw(&help, &app, &all);
    screen_expect(&screen, "help_notes_40x30");
    screen_release(&screen);
    app_fake_release(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(help_shows_the_users_keys),
            cmocka_unit_test(help_says_that_there_is_more),
            cmocka_unit_test(a_search_finds_keys_of_every_context),
            cmocka_unit_test(notes_wrap_on_a_narrow_screen_and_scroll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
