/* test_editor_lines.c - lines that were kept through a change are those of the text laid out
 * anew, for any changes of any text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tui/editor_lines.h"

static void expect_same(const struct editor_lines *kept, struct slice text, int n_cols)
{
    struct editor_lines anew = {0};
    editor_lines_lay_out(&anew, text, n_cols);
    if (kept->n != anew.n)
        fail_msg("%zu lines in place of %zu: %.*s", kept->n, anew.n, (int)text.n, text.ptr);
    for (size_t i = 0; i < anew.n; i++)
        if (kept->rows[i].begin != anew.rows[i].begin || kept->rows[i].end != anew.rows[i].end)
            fail_msg("line %zu of: %.*s", i, (int)text.n, text.ptr);
    editor_lines_release(&anew);
}

static void kept_lines_are_those_of_the_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {"word ", "\n", "longerthanaline", " ", "\n\n",
            "\xE4\xB8\xAD\xE6\x96\x87", "a\nb c\n", "x", "\t", "two words\n"};
    uint64_t rng = 7;
    for (int round = 0; round < 200; round++) {
        struct editor_lines lines = {0};
        struct buf text;
        int n_cols = 1 + (int)(rng_next(&rng) % 12);
        buf_init(&text, 1 << 20);
        editor_lines_lay_out(&lines, SLICE(""), n_cols);
        for (int step = 0; step < 60; step++) {
            char before[4096];
            size_t n = text.n, begin = rng_next(&rng) % (n + 1);
            size_t n_removed = rng_next(&rng) % 3 ? 0 : rng_next(&rng) % (n - begin + 1);
            const char *piece =
                    rng_next(&rng) % 4 ? pieces[rng_next(&rng) % ARRAY_LEN(pieces)] : "";
            memcpy(before, buf_text(&text), n + 1);
            buf_clear(&text);
            buf_add(&text, before, begin);
            buf_add_text(&text, piece);
            buf_add(&text, before + begin + n_removed, n - begin - n_removed);
            editor_lines_change(&lines, buf_slice(&text), begin, n_removed, strlen(piece));
            expect_same(&lines, buf_slice(&text), n_cols);
        }
        buf_release(&text);
        editor_lines_release(&lines);
    }
}

static void a_place_is_in_its_line(void **state)
{
    (void)state;
    struct editor_lines lines = {0};
    editor_lines_lay_out(&lines, SLICE("one two\n\nthree\n"), 4);
    static const size_t wanted[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4, 5};
    for (size_t at = 0; at < ARRAY_LEN(wanted); at++)
        assert_int_equal(editor_lines_find(&lines, at), wanted[at]);
    editor_lines_release(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(kept_lines_are_those_of_the_text),
            cmocka_unit_test(a_place_is_in_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
