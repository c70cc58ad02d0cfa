/*
 * test_glyphs.c - ASCII mode: every view draws nothing beyond ASCII by itself, texts stay as
 * they are where the terminal can show them, and every character in the sources of the screen
 * is in glyphs.def.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/surface.h"
#include "tui/text.h"

#include "tests/helper_source.h"

static const struct {
    const char *glyph;
    char ascii;
} glyphs[] = {
#define GLYPH(character, ascii, what) {character, ascii},
#include "tui/glyphs.def"
#undef GLYPH
};

static bool is_known(struct slice glyph)
{
    for (size_t i = 0; i < ARRAY_LEN(glyphs); i++)
        if (slice_eq(glyph, glyphs[i].glyph))
            return true;
    return false;
}

static void glyphs_stand_once_and_take_one_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(glyphs); i++) {
        assert_int_equal(text_width(slice_of(glyphs[i].glyph)), 1);
        assert_in_range(glyphs[i].ascii, ' ' + 1, '~');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(glyphs[i].glyph, glyphs[k].glyph);
    }
}

static struct screen draw_text(enum charset charset, bool is_content, const char *text)
{
    struct screen screen = {.charset = charset};
    screen_resize(&screen, 1, 16);
    struct surface all = screen_surface(&screen), content = surface_content(&all);
    surface_puts(is_content ? &content : &all, 0, 0, ROLE_TEXT, text);
    return screen;
}

static void expect_text(
        enum charset charset, bool is_content, const char *text, const char *want)
{
    struct screen screen = draw_text(charset, is_content, text);
    struct buf got;
    buf_init(&got, 1 << 12);
    screen_print(&screen, &got);
    assert_string_equal(buf_text(&got), want);
    buf_release(&got);
    screen_release(&screen);
}

static void texts_stay_where_the_terminal_can_show_them(void **state)
{
    (void)state;
    expect_text(CHARSET_UTF8, false, "a → é 中", "a → é 中\n");
    expect_text(CHARSET_ASCII_CHROME, false, "a → é 中", "a > é 中\n");
    expect_text(CHARSET_ASCII_CHROME, true, "a → é 中", "a → é 中\n");
    expect_text(CHARSET_ASCII, false, "a → é 中b", "a > ? ? b\n");
    expect_text(CHARSET_ASCII, true, "e\xCC\x81!", "e!\n");
    expect_text(CHARSET_ASCII_CHROME, true, "a\xFF\x01", "a..\n"); /* the dots are drawn */
    expect_text(CHARSET_ASCII_CHROME, true, "e\xCC\x81!", "e\xCC\x81!\n");
    expect_text(CHARSET_ASCII, true, "a → é 中b", "a ? ? ? b\n");
}

static void rules_and_cut_texts_are_ascii(void **state)
{
    (void)state;
    struct screen screen = {.charset = CHARSET_ASCII_CHROME};
    struct buf got;
    buf_init(&got, 1 << 12);
    screen_resize(&screen, 2, 12);
    struct surface all = screen_surface(&screen);
    surface_rule(&all, 0, ROLE_RULE, "x");
    surface_column_rule(&all, 11, ROLE_RULE);
    surface_cut(&all, 1, 0, 6, ROLE_TEXT, SLICE("abcdefgh"));
    screen_print(&screen, &got);
    assert_string_equal(buf_text(&got), "- x -------|\nabcde~     |\n");
    buf_release(&got);
    screen_release(&screen);
}

/* "\\xE2\\x80\\xA6" as it stands in a source, or the character itself. */
static size_t read_character(const char *at, char out[4])
{
    size_t n = 0, used = 0;
    unsigned byte;
    if (!(*at & 0x80)) {
        while (n < 4 && sscanf(at + used, "\\x%2X", &byte) == 1 && byte >= 0x80 &&
                (n == 0 || byte < 0xC0)) {
            out[n++] = (char)byte;
            used += 4;
        }
        return n;
    }
    for (; n < 4 && (n == 0 || ((unsigned char)at[n] & 0xC0) == 0x80); n++)
        out[n] = at[n];
    return n;
}

/* Of literals in this line; comments do not count. */
static void check_line(const char *file, int line, const char *text)
{
    bool is_literal = false;
    for (const char *at = text; *at; at++) {
        char bytes[4];
        size_t n;
        if (*at == '"' && (at == text || at[-1] != '\\'))
            is_literal = !is_literal;
        if (!is_literal && strncmp(at, "/*", 2) == 0)
            return;
        if (!is_literal || (n = read_character(at, bytes)) < 2)
            continue;
        struct slice glyph = {bytes, n};
        if (!is_known(glyph))
            fail_msg("%s:%d: \"%.*s\" is not in glyphs.def", file, line, (int)n, bytes);
        at += (*at & 0x80 ? n : 4 * n) - 1;
    }
}

/* Entities of HTML in messages are somebody's text. */
static void sources_draw_nothing_else(void **state)
{
    (void)state;
    static const char *const patterns[] = {"tui/*.c", "tui/commands.def"};
    static const char *const not_drawn[] = {
            "tui/cmd*.c", "tui/ask*.c", "tui/main.c", "tui/manual.c"};
    source_read_all();
    for (size_t i = 0; i < n_source_files; i++) {
        const struct source_file *file = &source_files[i];
        struct slice rest = buf_slice(&file->text), line;
        int number = 0;
        if (!source_matches_any(patterns, ARRAY_LEN(patterns), file->path) ||
                source_matches_any(not_drawn, ARRAY_LEN(not_drawn), file->path))
            continue;
        while (source_next_line(&rest, &line, &number)) {
            char *text = mem_alloc(line.n + 1);
            memcpy(text, line.ptr, line.n);
            if (!strstr(text, "{\"&"))
                check_line(file->path, number, text);
            mem_free(text);
        }
    }
    source_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(glyphs_stand_once_and_take_one_column),
            cmocka_unit_test(texts_stay_where_the_terminal_can_show_them),
            cmocka_unit_test(rules_and_cut_texts_are_ascii),
            cmocka_unit_test(sources_draw_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
