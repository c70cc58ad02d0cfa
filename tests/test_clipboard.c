/*
 * test_clipboard.c - what is copied leaves the program clean, by a sequence that every
 * multiplexer carries and by a file that only its owner reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tui/clipboard.h"

static void what_steers_a_terminal_is_not_copied(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    clipboard_clean(SLICE("a\x1B[31mb\x07\r\n\tc\x9B\xC2\x9B\xE2\x80\xAE"
                          "d\xFF\xEF\xBF\xBD\xC3\xA9\0e"),
            &out);
    assert_string_equal(buf_text(&out), "a[31mb\n\tcd\xEF\xBF\xBD\xC3\xA9"
                                        "e");
    buf_release(&out);
}

static void expect_escape(enum multiplexer multiplexer, const char *text, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(clipboard_escape(multiplexer, slice_of(text), &out));
    assert_string_equal(buf_text(&out), want);
    buf_release(&out);
}

static void the_sequence_goes_through_multiplexers(void **state)
{
    (void)state;
    /* RFC 4648, section 10 */
    static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
            {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
            {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        char want[64];
        snprintf(want, sizeof want, "\x1B]52;c;%s\x07", vectors[i][1]);
        expect_escape(MULTIPLEXER_NONE, vectors[i][0], want);
    }
    expect_escape(MULTIPLEXER_TMUX, "f",
            "\x1B]52;c;Zg==\x07"
            "\x1BPtmux;\x1B\x1B]52;c;Zg==\x07\x1B\\");
    expect_escape(MULTIPLEXER_SCREEN, "f", "\x1BP\x1B]52;c;Zg==\x07\x1B\\");
}

/* Screen drops a string that is too long: no piece is, and together they are the sequence. */
static void screen_gets_it_in_pieces(void **state)
{
    (void)state;
    char text[3000];
    struct buf whole, pieces, joined;
    memset(text, 'x', sizeof text);
    buf_init(&whole, 1 << 20);
    buf_init(&pieces, 1 << 20);
    buf_init(&joined, 1 << 20);
    struct slice s = {text, sizeof text};
    assert_true(clipboard_escape(MULTIPLEXER_NONE, s, &whole));
    assert_true(clipboard_escape(MULTIPLEXER_SCREEN, s, &pieces));
    for (const char *at = buf_text(&pieces); *at;) {
        const char *end = strstr(at, "\x1B\\");
        assert_memory_equal(at, "\x1BP", 2);
        assert_true(end && end - at < 768);
        buf_add(&joined, at + 2, (size_t)(end - at) - 2);
        at = end + 2;
    }
    assert_string_equal(buf_text(&joined), buf_text(&whole));
    buf_release(&whole);
    buf_release(&pieces);
    buf_release(&joined);
}

static void the_file_is_written_and_what_was_done_is_told(void **state)
{
    (void)state;
    char dir[] = "/tmp/shunt-clip-XXXXXX", path[64], want[200];
    struct clipboard c = {path, MULTIPLEXER_NONE};
    struct buf escape, file;
    struct err told, err;
    struct stat st;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/new/clip", dir);
    buf_init(&escape, 1 << 20);
    clipboard_copy(&c,
            SLICE("a\x1B"
                  "b"),
            "the answer", &escape, &told);
    assert_int_equal(file_read(&file, path, 1000, &err), OK);
    assert_string_equal(buf_text(&file), "ab");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(want, sizeof want,
            "the answer: copied, if the terminal allows it (OSC 52), and written to %s", path);
    assert_string_equal(told.text, want);
    assert_string_equal(buf_text(&escape), "\x1B]52;c;YWI=\x07");
    buf_release(&file);

    char *large = mem_alloc(60000);
    memset(large, 'x', 60000);
    buf_clear(&escape);
    clipboard_copy(&c, (struct slice){large, 60000}, "the answer", &escape, &told);
    assert_int_equal(escape.n, 0);
    assert_non_null(strstr(told.text, "too large"));
    assert_int_equal(file_read(&file, path, 100000, &err), OK);
    assert_int_equal(file.n, 60000);
    buf_release(&file);
    mem_free(large);

    snprintf(path, sizeof path, "/proc/none/clip");
    clipboard_copy(&c, SLICE("x"), "the answer", &escape, &told);
    assert_int_not_equal(told.status, OK);
    assert_non_null(strstr(told.text, "(OSC 52); cannot"));
    buf_release(&escape);
    snprintf(path, sizeof path, "%s/new/clip", dir);
    remove(path);
    snprintf(path, sizeof path, "%s/new", dir);
    remove(path);
    remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_steers_a_terminal_is_not_copied),
            cmocka_unit_test(the_sequence_goes_through_multiplexers),
            cmocka_unit_test(screen_gets_it_in_pieces),
            cmocka_unit_test(the_file_is_written_and_what_was_done_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
