/* test_editor.c - the input line: movement by clusters, cutting, undo, history, and that no key
 * ever breaks the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/editor.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/vtin.h"

#include "tests/helper_clock.h"

#define N_COLS  40
#define E_ACUTE "e\xCC\x81"        /* two code points, one cluster */
#define HAN     "\xE4\xB8\xAD"     /* two columns */
#define FLAG_A  "\xF0\x9F\x87\xA6" /* regional indicators: two of them are one cluster */
#define FAMILY  "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7"

static struct editor editor;

static int set_up(void **state)
{
    (void)state;
    editor_init(&editor);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    editor_release(&editor);
    return 0;
}

static void type(const char *text)
{
    for (struct slice rest = slice_of(text); rest.n;) {
        struct key key = {0};
        size_t n = utf8_decode(rest.ptr, rest.n, &key.code);
        assert_true(editor_key(&editor, &key));
        rest = (struct slice){rest.ptr + n, rest.n - n};
    }
}

static bool paste(struct slice text)
{
    return editor_key(&editor, &(struct key){.code = KEY_PASTE, .text = text});
}

static bool run(enum command command)
{
    return editor_run(&editor, command, N_COLS);
}

/* The text with `|` where the cursor is. */
static void expect(const char *marked)
{
    struct buf got;
    buf_init(&got, 64u << 20);
    buf_add(&got, buf_text(&editor.text), editor.cursor);
    buf_add_text(&got, "|");
    buf_add_text(&got, buf_text(&editor.text) + editor.cursor);
    assert_string_equal(buf_text(&got), marked);
    buf_release(&got);
}

static void start_with(const char *text)
{
    editor_set(&editor, slice_of(text), SIZE_MAX);
}

static void the_cursor_moves_by_clusters(void **state)
{
    (void)state;
    start_with("a" E_ACUTE HAN FAMILY FLAG_A FLAG_A "\n");
    static const char *const stops[] = {"a" E_ACUTE HAN FAMILY FLAG_A FLAG_A "|\n",
            "a" E_ACUTE HAN FAMILY "|" FLAG_A FLAG_A "\n",
            "a" E_ACUTE HAN "|" FAMILY FLAG_A FLAG_A "\n",
            "a" E_ACUTE "|" HAN FAMILY FLAG_A FLAG_A "\n",
            "a|" E_ACUTE HAN FAMILY FLAG_A FLAG_A "\n",
            "|a" E_ACUTE HAN FAMILY FLAG_A FLAG_A "\n",
            "|a" E_ACUTE HAN FAMILY FLAG_A FLAG_A "\n"};
    for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
        run(CMD_CHAR_LEFT);
        expect(stops[i]);
    }
    for (size_t i = ARRAY_LEN(stops) - 2; i-- > 0;) {
        run(CMD_CHAR_RIGHT);
        expect(stops[i]);
    }
}

static void a_key_deletes_a_whole_cluster(void **state)
{
    (void)state;
    start_with("x" E_ACUTE FAMILY);
    run(CMD_DELETE_LEFT);
    expect("x" E_ACUTE "|");
    run(CMD_DELETE_LEFT);
    expect("x|");
    start_with(FAMILY "y");
    editor.cursor = 0;
    run(CMD_DELETE_RIGHT);
    expect("|y");
}

static void the_cursor_never_stands_inside_a_cluster(void **state)
{
    (void)state;
    start_with("a\n\xCC\x81z"); /* the line break goes: the accent joins the letter */
    run(CMD_LINE_START);
    run(CMD_DELETE_LEFT);
    expect("a\xCC\x81|z");
    start_with(FLAG_A "x" FLAG_A);
    run(CMD_CHAR_LEFT);
    run(CMD_DELETE_LEFT);
    expect(FLAG_A FLAG_A "|");
    editor_set(&editor, SLICE(HAN), 1);
    expect("|" HAN);
}

static void lines_are_begun_joined_and_walked(void **state)
{
    (void)state;
    type("first");
    run(CMD_NEWLINE);
    type("second line");
    expect("first\nsecond line|");
    run(CMD_LINE_START);
    expect("first\n|second line");
    run(CMD_DELETE_LEFT);
    expect("first|second line");
    run(CMD_LINE_END);
    run(CMD_NEWLINE);
    assert_int_equal(editor_n_lines(&editor, N_COLS), 2);
    assert_int_equal(
            editor_n_lines(&editor, 6), 4); /* firsts, econd, line, and the empty one */
}

static void up_and_down_keep_the_column(void **state)
{
    (void)state;
    start_with("abcdef\nxy\n" HAN HAN HAN);
    run(CMD_CHAR_LEFT); /* column 4 */
    run(CMD_LINE_UP);
    expect("abcdef\nxy|\n" HAN HAN HAN);
    run(CMD_LINE_UP);
    expect("abcd|ef\nxy\n" HAN HAN HAN);
    run(CMD_LINE_DOWN);
    run(CMD_LINE_DOWN);
    expect("abcdef\nxy\n" HAN HAN "|" HAN);
    assert_false(run(CMD_LINE_DOWN));
}

/* Where a long line goes on below, its end and the start of the next are one place: up must not
 * stay there. */
static void up_reaches_the_top_of_wrapped_lines(void **state)
{
    (void)state;
    start_with("abcdefghijkl\nwxyz");
    for (int i = 3; i > 0; i--)
        assert_true(editor_run(&editor, CMD_LINE_UP, 4));
    expect("abc|defghijkl\nwxyz");
    assert_false(editor_run(&editor, CMD_LINE_UP, 4));
    for (int i = 3; i > 0; i--)
        assert_true(editor_run(&editor, CMD_LINE_DOWN, 4));
    expect("abcdefghijkl\nwxyz|");
}

static void words_and_lines_are_cut_and_come_back(void **state)
{
    (void)state;
    start_with("one two-three\nfour five");
    run(CMD_KILL_WORD_LEFT);
    expect("one two-three\nfour |");
    run(CMD_YANK);
    expect("one two-three\nfour five|");
    run(CMD_KILL_LINE_LEFT);
    expect("one two-three\n|");
    run(CMD_DELETE_LEFT);
    run(CMD_WORD_LEFT);
    expect("one two-|three");
    run(CMD_WORD_LEFT);
    run(CMD_WORD_LEFT);
    expect("|one two-three");
    run(CMD_KILL_WORD_RIGHT);
    expect("| two-three");
    run(CMD_WORD_RIGHT);
    expect(" two|-three");
    run(CMD_KILL_LINE_RIGHT);
    expect(" two|");
    run(CMD_YANK);
    run(CMD_YANK);
    expect(" two-three-three|");
}

static void the_end_of_a_line_takes_the_line_break(void **state)
{
    (void)state;
    start_with("a\nb");
    editor.cursor = 1;
    run(CMD_KILL_LINE_RIGHT);
    expect("a|b");
}

static void undo_takes_back_a_run_of_letters_at_once(void **state)
{
    (void)state;
    type("hello");
    paste(SLICE(" big"));
    type(" world");
    run(CMD_KILL_WORD_LEFT);
    expect("hello big |");
    run(CMD_UNDO);
    expect("hello big world|");
    run(CMD_UNDO);
    expect("hello big|");
    run(CMD_UNDO);
    expect("hello|");
    run(CMD_UNDO);
    expect("|");
    run(CMD_UNDO);
    expect("|");
}

static void what_changes_nothing_is_no_step_of_undo(void **state)
{
    (void)state;
    type("x");
    run(CMD_YANK); /* nothing was cut yet */
    run(CMD_KILL_LINE_RIGHT);
    run(CMD_UNDO);
    expect("|");
}

static void history_is_walked_and_the_draft_stays(void **state)
{
    (void)state;
    editor_remember(&editor, SLICE("oldest"));
    editor_remember(&editor, SLICE("newer"));
    editor_remember(&editor, SLICE("newer")); /* once is enough */
    type("draft");
    assert_true(run(CMD_LINE_UP));
    expect("newer|");
    assert_true(run(CMD_HISTORY_PREV));
    expect("oldest|");
    assert_false(run(CMD_HISTORY_PREV));
    expect("oldest|");
    assert_true(run(CMD_LINE_DOWN));
    expect("newer|");
    assert_true(run(CMD_HISTORY_NEXT));
    expect("draft|");
    assert_false(run(CMD_HISTORY_NEXT));
    expect("draft|");
}

static void up_walks_a_long_entry_before_the_one_above(void **state)
{
    (void)state;
    editor_remember(&editor, SLICE("first"));
    editor_remember(&editor, SLICE("two\nlines"));
    run(CMD_LINE_UP);
    expect("two\nlines|");
    run(CMD_LINE_UP);
    expect("two|\nlines");
    run(CMD_LINE_UP);
    expect("first|");
}

static void a_changed_entry_of_history_can_be_brought_back(void **state)
{
    (void)state;
    editor_remember(&editor, SLICE("sent"));
    type("draft");
    run(CMD_LINE_UP);
    type(" and more");
    run(CMD_LINE_DOWN);
    expect("draft|");
    run(CMD_UNDO);
    expect("sent and more|");
    run(CMD_UNDO);
    run(CMD_UNDO);
    expect("draft|");
    assert_true(run(CMD_HISTORY_PREV));
    expect("sent|");
}

static void a_megabyte_is_pasted_quickly(void **state)
{
    (void)state;
    char *text = mem_alloc(1u << 20);
    memset(text, 'x', 1u << 20);
    for (size_t i = 79; i < 1u << 20; i += 80)
        text[i] = '\n';
    type("ab");
    run(CMD_CHAR_LEFT);
    uint64_t start = clock_cpu_ns();
    assert_true(paste((struct slice){text, 1u << 20}));
    assert_true(clock_cpu_ns() - start < 2000000000u);
    assert_int_equal(editor.text.n, (1u << 20) + 2);
    assert_int_equal(editor.cursor, (1u << 20) + 1);
    assert_int_equal(buf_text(&editor.text)[editor.text.n - 1], 'b');
    start = clock_cpu_ns();
    for (int i = 0; i < 300; i++)
        run(i % 2 ? CMD_DELETE_LEFT : CMD_CHAR_RIGHT);
    assert_true(clock_cpu_ns() - start < 2000000000u);
    mem_free(text);
}

static void full_is_full_and_nothing_is_lost(void **state)
{
    (void)state;
    size_t n = 32u << 20;
    char *text = mem_alloc(n);
    memset(text, 'x', n);
    text[n - 1] = 'z';
    editor_set(&editor, (struct slice){text, n}, 5);
    editor_key(&editor, &(struct key){.code = 'a'});
    paste(SLICE("more"));
    run(CMD_NEWLINE);
    assert_int_equal(editor.text.n, n);
    assert_int_equal(editor.cursor, 5);
    assert_int_equal(buf_text(&editor.text)[n - 1], 'z');
    run(CMD_DELETE_RIGHT);
    type("a");
    assert_int_equal(buf_text(&editor.text)[5], 'a');
    assert_int_equal(buf_text(&editor.text)[n - 1], 'z');
    mem_free(text);
}

static void the_history_holds_so_much_and_the_newest(void **state)
{
    (void)state;
    size_t n = 20u << 20;
    char *text = mem_alloc(n);
    for (char c = 'a'; c < 'g'; c++) {
        memset(text, c, n);
        editor_remember(&editor, (struct slice){text, n});
    }
    assert_int_equal(editor.n_history, HISTORY_MAX_BYTES / n);
    assert_int_equal(editor.i_history, editor.n_history);
    for (size_t i = 0; i < editor.n_history; i++)
        assert_int_equal(editor.history[i][0], 'f' + 1 - (int)(editor.n_history - i));
    mem_free(text);
}

static void undo_of_a_large_text_holds_little_memory(void **state)
{
    (void)state;
    size_t n = 1u << 20, held = 0;
    char *text = mem_alloc(n);
    memset(text, 'x', n);
    editor_set(&editor, (struct slice){text, n}, 0);
    for (int i = 0; i < 100; i++)
        run(CMD_DELETE_RIGHT);
    for (; editor.n_undo; held += editor.text.n)
        run(CMD_UNDO);
    assert_true(held > 0 && held <= 16u << 20);
    mem_free(text);
}

static void pasted_bytes_become_text(void **state)
{
    (void)state;
    paste((struct slice){"a\xFF"
                         "b\xC3\r\nc\rd\0e",
            11});
    expect("a\xEF\xBF\xBD"
           "b\xEF\xBF\xBD\nc\nd\xEF\xBF\xBD"
           "e|");
}

static void keys_that_type_nothing_are_left_to_others(void **state)
{
    (void)state;
    assert_false(editor_key(&editor, &(struct key){.code = 'x', .mods = MOD_CTRL}));
    assert_false(editor_key(&editor, &(struct key){.code = 'x', .mods = MOD_ALT}));
    assert_false(editor_key(&editor, &(struct key){.code = KEY_F5}));
    assert_false(editor_key(&editor, &(struct key){.code = 0x1B}));
    assert_false(run(CMD_SEND));
    expect("|");
}

static void expect_screen(int n_rows, int n_cols, const char *text, int row, int col)
{
    struct screen screen = {0};
    struct buf out;
    buf_init(&out, 10000);
    screen_resize(&screen, n_rows, n_cols);
    struct surface all = screen_surface(&screen);
    editor_draw(&editor, &all);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out), text);
    assert_int_equal(screen.cursor_row, row);
    assert_int_equal(screen.cursor_col, col);
    buf_release(&out);
    screen_release(&screen);
}

static void the_lines_around_the_cursor_are_drawn(void **state)
{
    (void)state;
    start_with("one\ntwo\nthree\n");
    expect_screen(2, 8, "three\n\n", 1, 0);
    editor.cursor = 1;
    expect_screen(2, 8, "one\ntwo\n", 0, 1);
    start_with("ab" HAN HAN "c");
    expect_screen(3, 5, "ab" HAN "\n" HAN "c\n\n", 1, 3);
}

/* The offset of a long text does not outlive it. */
static void a_text_that_gets_shorter_is_shown_whole(void **state)
{
    (void)state;
    paste(SLICE("one\ntwo"));
    paste(SLICE("\n\n\n\n\n\n\n\n\nend"));
    expect_screen(3, 8, "\n\nend\n", 2, 3);
    run(CMD_UNDO);
    expect_screen(3, 8, "one\ntwo\n\n", 1, 3);
}

static void a_tab_reaches_the_next_stop(void **state)
{
    (void)state;
    paste(SLICE("a\tb\t\tc"));
    expect("a\tb\t\tc|");
    expect_screen(1, 16, "a   b       c\n", 0, 13);
    expect_screen(2, 8, "a   b\nc\n", 1, 1);
}

static bool is_whole_text(void)
{
    struct slice rest = buf_slice(&editor.text);
    while (rest.n) {
        uint32_t cp;
        size_t n = utf8_decode(rest.ptr, rest.n, &cp);
        if (cp == 0xFFFD && n == 1)
            return false;
        rest = (struct slice){rest.ptr + n, rest.n - n};
    }
    return true;
}

/* On a border of clusters as they are counted from the start of the line. */
static bool is_on_border(void)
{
    size_t at = editor.cursor;
    while (at > 0 && buf_text(&editor.text)[at - 1] != '\n')
        at--;
    struct slice rest = {buf_text(&editor.text) + at, editor.text.n - at};
    struct cluster c;
    while (at < editor.cursor && text_next_cluster(&rest, &c))
        at += c.bytes.n;
    return at == editor.cursor;
}

static void no_sequence_of_keys_breaks_the_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", " ", E_ACUTE, HAN, FAMILY, FLAG_A, "\xCC\x81",
            "\xE2\x80\x8D", "-", "\xE0", "\x80", "\xF0\x9F", "word", "\r\n", "\t",
            "\xED\xA0\x80"};
    uint64_t rng = 7;
    editor_remember(&editor, SLICE("x" HAN));
    for (int i = 0; i < 20000; i++) {
        int n_cols = 1 + (int)(rng_next(&rng) % 12);
        if (rng_next(&rng) % 3 == 0)
            paste(slice_of(pieces[rng_next(&rng) % ARRAY_LEN(pieces)]));
        else
            editor_run(&editor,
                    (enum command)(CMD_NEWLINE + rng_next(&rng) % (CMD_UNDO - CMD_NEWLINE + 1)),
                    n_cols);
        if (editor.cursor > editor.text.n || !is_whole_text() || !is_on_border())
            fail_msg("step %d: cursor %zu of \"%s\"", i, editor.cursor, buf_text(&editor.text));
        if (editor.text.n > 300)
            start_with("");
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(the_cursor_moves_by_clusters),
            TEST(a_key_deletes_a_whole_cluster),
            TEST(the_cursor_never_stands_inside_a_cluster),
            TEST(lines_are_begun_joined_and_walked),
            TEST(up_and_down_keep_the_column),
            TEST(up_reaches_the_top_of_wrapped_lines),
            TEST(words_and_lines_are_cut_and_come_back),
            TEST(the_end_of_a_line_takes_the_line_break),
            TEST(undo_takes_back_a_run_of_letters_at_once),
            TEST(what_changes_nothing_is_no_step_of_undo),
            TEST(history_is_walked_and_the_draft_stays),
            TEST(up_walks_a_long_entry_before_the_one_above),
            TEST(a_changed_entry_of_history_can_be_brought_back),
            TEST(a_megabyte_is_pasted_quickly),
            TEST(full_is_full_and_nothing_is_lost),
            TEST(the_history_holds_so_much_and_the_newest),
            TEST(undo_of_a_large_text_holds_little_memory),
            TEST(pasted_bytes_become_text),
            TEST(keys_that_type_nothing_are_left_to_others),
            TEST(the_lines_around_the_cursor_are_drawn),
            TEST(a_text_that_gets_shorter_is_shown_whole),
            TEST(a_tab_reaches_the_next_stop),
            TEST(no_sequence_of_keys_breaks_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
