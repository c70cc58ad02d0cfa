/* test_fuzzy.c - which names fit what is typed, and which fits best. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/fuzzy.h"

static bool fits(const char *pattern, const char *text)
{
    return fuzzy_score(slice_of(pattern), slice_of(text)) != FUZZY_NONE;
}

static void letters_stand_in_their_order(void **state)
{
    (void)state;
    assert_true(fits("tedc", "tui/editor.c"));
    assert_true(fits("TEDC", "tui/editor.c") && fits("readme", "README.md"));
    assert_false(fits("cedt", "tui/editor.c"));
    assert_false(fits("editorr", "tui/editor.c"));
    assert_true(fits("", "x") && fits("  ", "x"));
    assert_false(fits("x", ""));
}

static void words_fit_in_any_order(void **state)
{
    (void)state;
    assert_true(fits("editor tui", "tui/editor.c"));
    assert_false(fits("editor engine", "tui/editor.c"));
}

static void letters_beyond_ascii_are_letters(void **state)
{
    (void)state;
    assert_true(fits("\xC3\xBC"
                     "ber",
            "\xC3\x9C"
            "bersicht.txt"));                                                  /* ü, Ü */
    assert_true(fits("\xD1\x84\xD0\xBB", "\xD0\xA4\xD0\xB0\xD0\xB9\xD0\xBB")); /* фл, Файл */
    assert_true(fits("\xE6\x96\x87", "\xE4\xB8\xAD\xE6\x96\x87"));
    assert_false(fits("\xC3", "\xC3\xBC")); /* half a letter is none */
}

/* Each row: what is typed, and names from the best to the worst. */
static void the_better_fit_comes_first(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *names[5];
    } rows[] = {
            {"ed", {"editor.c", "tui/editor.c", "router/redo.c", "the/wide/road"}},
            {"edi", {"tui/editor.c", "router/credits.c"}},
            {"vc", {"view_chat.c", "view/classic_lines", "invoice"}},
            {"chat", {"chat.c", "chat_next.c", "tui/view_chat.c", "c/h/a/t"}},
            {"oc", {"open-chat", "open-experts-col"}},
            {"sp", {"sidePane", "side-pane-width-in-columns", "display"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice pattern = slice_of(rows[i].pattern);
        for (int k = 0; rows[i].names[k + 1]; k++) {
            int better = fuzzy_score(pattern, slice_of(rows[i].names[k]));
            int worse = fuzzy_score(pattern, slice_of(rows[i].names[k + 1]));
            if (better <= worse)
                fail_msg("%s: %s has %d, %s has %d", rows[i].pattern, rows[i].names[k], better,
                        rows[i].names[k + 1], worse);
        }
    }
}

static void equal_hits_stand_by_name_or_place(void **state)
{
    (void)state;
    struct fuzzy_hit hits[] = {{0, 5, NULL}, {1, 9, "b"}, {2, 5, NULL}, {3, 9, "a"}};
    fuzzy_sort(hits, ARRAY_LEN(hits));
    static const int wanted[] = {3, 1, 0, 2};
    for (size_t i = 0; i < ARRAY_LEN(hits); i++)
        assert_int_equal(hits[i].i, wanted[i]);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(letters_stand_in_their_order),
            cmocka_unit_test(words_fit_in_any_order),
            cmocka_unit_test(letters_beyond_ascii_are_letters),
            cmocka_unit_test(the_better_fit_comes_first),
            cmocka_unit_test(equal_hits_stand_by_name_or_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
