/* test_vtin.c - bytes into keys, whole and one at a time: sequences of several encodings,
 * pastes, and what must be swallowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/keys.h"

#include "tests/helper_clock.h"

static void name_of(const struct key *key, struct buf *out)
{
    buf_add_text(out, out->n ? " " : "");
    if (key->code == KEY_PASTE)
        buf_printf(out, "<%.*s>", (int)key->text.n, key->text.ptr);
    else if (key->code == KEY_BACKGROUND)
        buf_printf(out, "{%.*s}", (int)key->text.n, key->text.ptr);
    else
        key_print(key, out);
}

static void expect(const char *bytes, size_t n, const char *names)
{
    for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
        struct vtin *in = vtin_open();
        struct key key;
        struct buf got;
        buf_init(&got, 1 << 16);
        for (size_t at = 0; at < n; at += one_by_one ? 1 : n) {
            vtin_feed(in, bytes + at, one_by_one ? 1 : n, 1000);
            while (vtin_next(in, &key, 1000))
                name_of(&key, &got);
        }
        while (vtin_next(in, &key, 10000000000u)) /* time runs out */
            name_of(&key, &got);
        assert_int_equal(vtin_deadline(in), 0);
        if (strcmp(buf_text(&got), names) != 0)
            fail_msg("%s: \"%s\" in place of \"%s\"", one_by_one ? "one by one" : "whole",
                    buf_text(&got), names);
        buf_release(&got);
        vtin_close(in);
    }
}

#define EXPECT(bytes, names) expect(bytes, sizeof(bytes) - 1, names)

static void keys_of_every_encoding(void **state)
{
    (void)state;
    EXPECT("aZ \xC3\xA9\xF0\x9F\x98\x80", "a Z Space \xC3\xA9 \xF0\x9F\x98\x80");
    EXPECT("\r\t\x7F\x01\x1F", "Enter Tab Backspace C-a C-_");
    EXPECT("\x1B[A\x1BOB\x1B[1;5C\x1B[3~\x1B[5~\x1B[Z", "Up Down C-Right Delete PageUp S-Tab");
    EXPECT("\x1BOP\x1B[15~\x1B[24;2~", "F1 F5 S-F12");
    EXPECT("\x1B[13;2u\x1B[27;5;13~\x1B[97;5u", "S-Enter C-Enter C-a");
    EXPECT("\x1B"
           "b\x1B\r\x1B[1;3D",
            "M-b M-Enter M-Left");
    EXPECT("\x1BOM\x1B\x1BOM", "Enter M-Enter"); /* of the keypad */
    EXPECT("\x1B", "Esc");
    EXPECT("\x1B\x1B", "M-Esc");
    EXPECT("\x0A", "C-j");
}

static void what_means_nothing_is_swallowed(void **state)
{
    (void)state;
    EXPECT("a\x1B]10;rgb:0000/0000/0000\x07"
           "b",
            "a b"); /* a colour that nobody asked for */
    EXPECT("a\x1B]52;c;Zm9v\x1B\\b", "a b");
    EXPECT("a\x1BP1$r0m\x1B\\b", "a b"); /* DCS */
    EXPECT("a\x1B[?2026;2$yb", "a b");   /* mode reply */
    EXPECT("a\x1B[999999999999999999;9;9;9;9;9zb", "a b");
    EXPECT("\xFF\xC3", "\xEF\xBF\xBD"); /* broken, and unfinished */
}

/* A sequence that never came was Alt and its first letter. */
static void every_letter_can_be_pressed_with_alt(void **state)
{
    (void)state;
    for (int c = '!'; c < 0x7F; c++) {
        char bytes[] = {0x1B, (char)c}, name[] = {'M', '-', (char)c, '\0'};
        expect(bytes, sizeof bytes, name);
    }
}

/* Reports of a terminal that knows mode 1000 and not 1006, and those of mode 1015. */
static void an_old_report_of_the_mouse_is_no_key(void **state)
{
    (void)state;
    EXPECT("a\x1B[M !!b", "a b");
    EXPECT("a\x1B[M`\xFF\x1B"
           "b",
            "a b");
    EXPECT("a\x1B[32;1;1Mb", "a b");
    EXPECT("a\x1B[M ", "a");
}

static void the_mouse_says_where(void **state)
{
    (void)state;
    static const char bytes[] = "\x1B[<0;300;100M\x1B[<0;300;100m\x1B[<64;1;1M\x1B[<65;2;3M"
                                "\x1B[<2;2;3M\x1B[<35;2;3M\x1B[<0M";
    static const struct key want[] = {{.code = KEY_CLICK, .row = 99, .col = 299},
            {.code = KEY_WHEEL_UP}, {.code = KEY_WHEEL_DOWN, .row = 2, .col = 1}};
    struct vtin *in = vtin_open();
    struct key key;
    vtin_feed(in, bytes, sizeof bytes - 1, 1000);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(vtin_next(in, &key, 1000));
        assert_int_equal(key.code, want[i].code);
        assert_int_equal(key.row, want[i].row);
        assert_int_equal(key.col, want[i].col);
    }
    assert_false(vtin_next(in, &key, 1000)); /* other buttons, moves, reports without a place */
    vtin_close(in);
}

static void an_answer_for_the_background_is_one_key(void **state)
{
    (void)state;
    EXPECT("a\x1B]11;rgb:1e1e/1e1e/1e1e\x07"
           "b",
            "a {rgb:1e1e/1e1e/1e1e} b");
    EXPECT("a\x1B]11;rgb:ff/ff/ff\x1B\\b", "a {rgb:ff/ff/ff} b");
    EXPECT("a\x1B]11;\x01 rubbish! \x07"
           "b",
            "a {\x01 rubbish! } b");
}

/* The answer in two parts with half a second between them, cut at every byte; then a key. */
static void an_answer_in_parts_never_becomes_text(void **state)
{
    (void)state;
    static const char *const answers[] = {
            "\x1B]11;rgb:1e1e/1e1e/1e1e\x07", "\x1B]11;rgb:1e1e/1e1e/1e1e\x1B\\"};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        for (size_t cut = 1; cut < strlen(answers[i]); cut++) {
            struct vtin *in = vtin_open();
            struct key key;
            struct buf got;
            uint64_t now_ns = 1000000000u;
            buf_init(&got, 1 << 16);
            vtin_expect_background(in, now_ns);
            vtin_feed(in, answers[i], cut, now_ns);
            while (vtin_next(in, &key, now_ns) || vtin_next(in, &key, now_ns + 60000000u))
                name_of(&key, &got);
            now_ns += 500000000u;
            vtin_feed(in, answers[i] + cut, strlen(answers[i]) - cut, now_ns);
            vtin_feed(in, "x", 1, now_ns);
            while (vtin_next(in, &key, now_ns))
                name_of(&key, &got);
            const char *want =
                    cut == 1 ? "Esc {rgb:1e1e/1e1e/1e1e} x" : "{rgb:1e1e/1e1e/1e1e} x";
            if (strcmp(buf_text(&got), want) != 0)
                fail_msg("cut at %zu: %s", cut, buf_text(&got));
            buf_release(&got);
            vtin_close(in);
        }
}

static void an_answer_that_breaks_off_takes_no_typing_with_it(void **state)
{
    (void)state;
    struct vtin *in = vtin_open();
    struct key key;
    struct buf got;
    buf_init(&got, 1 << 16);
    vtin_feed(in, "\x1B]11;rgb:1e", 12, 1000);
    assert_false(vtin_next(in, &key, 100000000u));
    vtin_feed(in, "hello", 5, 200000000u);
    while (vtin_next(in, &key, 200000000u))
        name_of(&key, &got);
    assert_string_equal(buf_text(&got), "h e l l o");
    buf_release(&got);
    vtin_close(in);
}

static void an_answer_is_found_past_keys_that_wait(void **state)
{
    (void)state;
    struct vtin *in = vtin_open();
    struct key key;
    struct buf got;
    buf_init(&got, 1 << 16);
    static const char bytes[] = "ab\x1B]11;rgb:ff/ff/ff\x1B\\c";
    vtin_feed(in, bytes, sizeof bytes - 1, 1000);
    assert_true(vtin_take_background(in, &key));
    name_of(&key, &got);
    assert_false(vtin_take_background(in, &key));
    while (vtin_next(in, &key, 1000))
        name_of(&key, &got);
    assert_string_equal(buf_text(&got), "{rgb:ff/ff/ff} a b c");
    buf_release(&got);
    vtin_close(in);
}

static void a_paste_is_one_key_and_clean(void **state)
{
    (void)state;
    EXPECT("x\x1B[200~one\rtwo\r\nthree\t\x1B[31m\x07 end\x1B[201~y",
            "x <one\ntwo\nthree\t[31m end> y");
    EXPECT("\x1B[200~never closed", "<never closed>");
}

static void a_megabyte_takes_milliseconds(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    char *bytes = mem_alloc(n + 12);
    struct vtin *in = vtin_open();
    struct key key;
    memset(bytes + 6, 'x', n);
    memcpy(bytes, "\x1B[200~", 6);
    memcpy(bytes + 6 + n, "\x1B[201~", 6);
    uint64_t start = clock_cpu_ns();
    for (size_t at = 0; at < n + 12; at += 4096)
        vtin_feed(in, bytes + at, n + 12 - at < 4096 ? n + 12 - at : 4096, 1);
    assert_true(vtin_next(in, &key, 1));
    assert_int_equal(key.text.n, n);
    assert_true(
            clock_cpu_ns() - start < 2000000000u); /* sanitizers and a busy machine included */
    vtin_close(in);
    mem_free(bytes);
}

/* Ends a paste, a string and a sequence, whatever of them was open. */
#define END_OF_ANY "\x1B[201~\x1B\\\x07   a"

static void any_bytes_are_survived(void **state)
{
    (void)state;
    uint64_t rng = 11;
    struct vtin *in = vtin_open();
    struct key key;
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)("\x1B[O~;200m]P\\\x07\xC3\xA9"[rng_next(&rng) % 14] ^
                              (rng_next(&rng) % 8 == 0 ? (int)rng_next(&rng) : 0));
        vtin_feed(in, bytes, rng_next(&rng) % sizeof bytes, (uint64_t)round);
        while (vtin_next(in, &key, (uint64_t)round))
            continue;
        vtin_feed(in, END_OF_ANY, sizeof END_OF_ANY - 1, (uint64_t)round);
        struct key last = {0};
        while (vtin_next(in, &key, (uint64_t)round))
            last = key;
        assert_int_equal(last.code, 'a');
    }
    vtin_close(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_of_every_encoding),
            cmocka_unit_test(what_means_nothing_is_swallowed),
            cmocka_unit_test(every_letter_can_be_pressed_with_alt),
            cmocka_unit_test(an_old_report_of_the_mouse_is_no_key),
            cmocka_unit_test(the_mouse_says_where),
            cmocka_unit_test(an_answer_for_the_background_is_one_key),
            cmocka_unit_test(an_answer_in_parts_never_becomes_text),
            cmocka_unit_test(an_answer_that_breaks_off_takes_no_typing_with_it),
            cmocka_unit_test(an_answer_is_found_past_keys_that_wait),
            cmocka_unit_test(a_paste_is_one_key_and_clean),
            cmocka_unit_test(a_megabyte_takes_milliseconds),
            cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
