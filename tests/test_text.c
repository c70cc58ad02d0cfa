/* test_text.c - clusters, widths and wrapping, and the cell grid they are drawn into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/surface.h"
#include "tui/text.h"

static void widths_are_those_of_terminals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int width;
    } cases[] = {{"abc", 3}, {"", 0}, {"\xE4\xB8\xAD\xE6\x96\x87", 4}, {"e\xCC\x81", 1},
            {"\xF0\x9F\x98\x80", 2}, {"\xE2\x94\x80", 1}, {"\x1B[31m", 5},
            {"\xE2\x80\xAE"
             "abc",
                    4},
            {"\xFF", 1},
            {"\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80",
                    5},                                           /* हिन्दी */
            {"\xE0\xB8\x99\xE0\xB8\xB5\xE0\xB9\x89", 1},          /* นี้ */
            {"\xF0\x9F\x87\xA8\xF0\x9F\x87\xAD", 2},              /* a flag */
            {"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", 2}}; /* joined emoji */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (text_width(slice_of(cases[i].text)) != cases[i].width)
            fail_msg("\"%s\" is %d wide", cases[i].text, text_width(slice_of(cases[i].text)));
}

static void a_cluster_is_never_cut(void **state)
{
    (void)state;
    int cols;
    assert_int_equal(text_fit(SLICE("ae\xCC\x81z"), 2, &cols).n, 4);
    assert_int_equal(cols, 2);
    assert_int_equal(
            text_fit(SLICE("a\xE4\xB8\xAD"), 2, &cols).n, 1); /* the wide one does not fit */
}

static void expect_lines(const char *text, int n_cols, const char *joined)
{
    struct slice rest = slice_of(text), line;
    struct buf got;
    buf_init(&got, 1000);
    while (text_wrap(&rest, n_cols, &line))
        buf_printf(&got, "[%.*s]", (int)line.n, line.ptr);
    assert_string_equal(buf_text(&got), joined);
    buf_release(&got);
}

static void lines_break_at_white_space(void **state)
{
    (void)state;
    expect_lines("the quick brown fox", 9, "[the quick][brown fox]");
    expect_lines("one\n\ntwo", 9, "[one][][two]");
    expect_lines("abcdefghij", 4, "[abcd][efgh][ij]");
    expect_lines("a bcdefgh", 4, "[a][bcde][fgh]");
    expect_lines("\xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97", 5,
            "[\xE4\xB8\xAD\xE6\x96\x87][\xE5\xAD\x97]");
    expect_lines("", 5, "");
    expect_lines("x", 0, "[x]"); /* always goes on */
    expect_lines("a\tb c", 5, "[a\tb][c]");
    expect_lines("a\tb c", 7, "[a\tb c]");
}

static void print(struct screen *screen, struct buf *out)
{
    buf_init(out, 10000);
    screen_print(screen, out);
}

static void drawing_is_clipped(void **state)
{
    (void)state;
    struct screen screen = {0};
    struct buf out;
    screen_resize(&screen, 3, 6);
    struct surface all = screen_surface(&screen);
    surface_puts(&all, 0, -2, ROLE_TEXT, "abcdefghij");
    surface_puts(&all, -1, 0, ROLE_TEXT, "x");
    surface_puts(&all, 5, 0, ROLE_TEXT, "x");
    struct surface part = surface_part(&all, (struct rect){1, 2, 9, 2});
    surface_puts(&part, 0, 0, ROLE_TEXT, "12345");
    surface_cursor(&part, 0, 1);
    print(&screen, &out);
    assert_string_equal(buf_text(&out), "cdefgh\n  12\n\n");
    assert_int_equal(screen.cursor_col, 3);
    buf_release(&out);
    screen_release(&screen);
}

static void half_a_wide_cluster_never_stays(void **state)
{
    (void)state;
    struct screen screen = {0};
    struct buf out;
    screen_resize(&screen, 1, 5);
    struct surface all = screen_surface(&screen);
    surface_puts(&all, 0, 0, ROLE_TEXT, "\xE4\xB8\xAD\xE4\xB8\xAD");
    surface_puts(&all, 0, 1, ROLE_TEXT, "x");
    surface_puts(&all, 0, 4, ROLE_TEXT, "\xE4\xB8\xAD"); /* no room for its second half */
    print(&screen, &out);
    assert_string_equal(buf_text(&out), " x\xE4\xB8\xAD\n");
    buf_release(&out);
    screen_release(&screen);
}

static void hostile_text_is_shown_as_dots(void **state)
{
    (void)state;
    struct screen screen = {0};
    struct buf out;
    screen_resize(&screen, 1, 20);
    struct surface all = screen_surface(&screen);
    surface_puts(&all, 0, 0, ROLE_TEXT,
            "a\x1B[2Jb\x07\xE2\x80\xAE"
            "c\xC2\x9B"
            "d\xFF\te");
    print(&screen, &out);
    assert_string_equal(buf_text(&out), "a\xC2\xB7[2Jb\xC2\xB7\xC2\xB7"
                                        "c\xC2\xB7"
                                        "d\xC2\xB7 e\n");
    buf_release(&out);
    screen_release(&screen);
}

static void vowel_signs_and_marks_are_kept(void **state)
{
    (void)state;
    struct screen screen = {0};
    struct buf out;
    const char *text = "\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5"
                       "\x80 \xE0\xB8\x99\xE0\xB8\xB5\xE0\xB9\x89 "
                       "e\xCC\x81 \xF0\x9F\x87\xA8\xF0\x9F\x87\xAD\n";
    screen_resize(&screen, 1, 20);
    struct surface all = screen_surface(&screen);
    assert_int_equal(surface_puts(&all, 0, 0, ROLE_TEXT, text), 12);
    print(&screen, &out);
    assert_string_equal(buf_text(&out), text);
    buf_release(&out);
    screen_release(&screen);
}

static void any_bytes_fit_the_grid(void **state)
{
    (void)state;
    uint64_t rng = 4;
    struct screen screen = {0};
    screen_resize(&screen, 4, 20);
    for (int round = 0; round < 3000; round++) {
        char bytes[40];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rng_next(&rng);
        struct surface all = screen_surface(&screen);
        surface_text(&all, (int)(rng_next(&rng) % 6) - 1, (int)(rng_next(&rng) % 30) - 5,
                ROLE_TEXT, 0, (struct slice){bytes, sizeof bytes});
        for (int i = 0; i < 80; i++) {
            const struct cell *c = &screen.cells[i];
            assert_true(c->width <= 2 && c->n_bytes <= CELL_BYTES);
            assert_true(c->width != 2 || (i % 20 < 19 && screen.cells[i + 1].width == 0));
        }
    }
    screen_release(&screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(widths_are_those_of_terminals),
            cmocka_unit_test(a_cluster_is_never_cut),
            cmocka_unit_test(lines_break_at_white_space),
            cmocka_unit_test(drawing_is_clipped),
            cmocka_unit_test(half_a_wide_cluster_never_stays),
            cmocka_unit_test(hostile_text_is_shown_as_dots),
            cmocka_unit_test(vowel_signs_and_marks_are_kept),
            cmocka_unit_test(any_bytes_fit_the_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
