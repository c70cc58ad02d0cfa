/* test_search_line.c - what is typed above a list is edited like any other line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/search_line.h"
#include "tui/surface.h"
#include "tui/vtin.h"

static struct search_line line;

static int set_up(void **state)
{
    (void)state;
    line = (struct search_line){.is_typing = true};
    return 0;
}

static enum search_took press(uint32_t code, uint8_t mods)
{
    return search_line_take(&line, &(struct key){.code = code, .mods = mods});
}

static void type(const char *words)
{
    for (; *words; words++)
        press((uint32_t)*words, 0);
}

static void the_cursor_goes_where_it_is_wanted(void **state)
{
    (void)state;
    type("ac");
    assert_int_equal(press(KEY_LEFT, 0), SEARCH_KEY);
    assert_int_equal(press('b', 0), SEARCH_TEXT);
    assert_string_equal(line.text, "abc");
    press(KEY_HOME, 0);
    press(KEY_DELETE, 0);
    assert_string_equal(line.text, "bc");
    press('e', MOD_CTRL);
    type("d");
    assert_string_equal(line.text, "bcd");
    press(KEY_LEFT, 0);
    press('k', MOD_CTRL);
    assert_string_equal(line.text, "bc");
    press('u', MOD_CTRL);
    assert_string_equal(line.text, "");
}

static void a_paste_becomes_one_line_at_the_cursor(void **state)
{
    (void)state;
    type("ab");
    press(KEY_LEFT, 0);
    struct key key = {.code = KEY_PASTE, .text = SLICE(" x\ny\xC3\xA9\n")};
    assert_int_equal(search_line_take(&line, &key), SEARCH_TEXT);
    assert_string_equal(line.text, "ax y\xC3\xA9"
                                   "b");
}

static void keys_of_the_list_stay_with_it(void **state)
{
    (void)state;
    static const struct key keys[] = {{.code = KEY_UP}, {.code = KEY_DOWN},
            {.code = KEY_PAGE_UP}, {.code = 'x', .mods = MOD_CTRL},
            {.code = 'p', .mods = MOD_CTRL}, {.code = 'm', .mods = MOD_ALT}, {.code = KEY_F1}};
    type("a");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_int_equal(search_line_take(&line, &keys[i]), SEARCH_NONE);
    assert_string_equal(line.text, "a");
}

/* Of a long text the part around the cursor. */
static void the_cursor_is_always_seen(void **state)
{
    (void)state;
    struct screen screen = {0};
    screen_resize(&screen, 1, 20);
    struct surface out = screen_surface(&screen);
    for (int i = 0; i < 60; i++) {
        type("a");
        search_line_draw(&line, &out);
        assert_in_range(screen.cursor_col, 3, 19);
    }
    press(KEY_HOME, 0);
    search_line_draw(&line, &out);
    assert_int_equal(screen.cursor_col, 3);
    screen_release(&screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup(the_cursor_goes_where_it_is_wanted, set_up),
            cmocka_unit_test_setup(a_paste_becomes_one_line_at_the_cursor, set_up),
            cmocka_unit_test_setup(keys_of_the_list_stay_with_it, set_up),
            cmocka_unit_test_setup(the_cursor_is_always_seen, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
