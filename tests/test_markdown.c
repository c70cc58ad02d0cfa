/*
 * test_markdown.c - answers as lines: what each construct looks like, that a growing text ends
 * as the whole one, that nothing hostile reaches the grid, and that md4c's own view of the
 * whole text agrees about what is code.
 */
#include <md4c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/markdown.h"
#include "tui/surface.h"
#include "tui/text.h"

#include "tests/helper_clock.h"

#define SECOND_NS 1000000000ull

/* ---- what it looks like ----------------------------------------------------------------- */

static void print_line(const struct markdown *md, size_t i, struct buf *out)
{
    const struct md_line *line = &md->lines[i];
    buf_printf(out, "%*s", line->indent, "");
    for (uint32_t k = 0; k < line->n_spans; k++) {
        const struct md_span *span = &md->spans[line->i_span + k];
        buf_add(out, buf_text(&md->text) + span->start, span->n);
    }
    buf_add_text(out, "\n");
}

static void expect(const char *source, int n_cols, const char *lines)
{
    struct markdown md = {0};
    struct buf got;
    buf_init(&got, 1 << 20);
    markdown_render(&md, slice_of(source), n_cols);
    for (size_t i = 0; i < md.n_lines; i++)
        print_line(&md, i, &got);
    assert_string_equal(buf_text(&got), lines);
    buf_release(&got);
    markdown_release(&md);
}

static void blocks_stand_apart(void **state)
{
    (void)state;
    expect("# Title\nText that is\nwrapped here.\n\nNext.", 12,
            "Title\n\nText that is\nwrapped\nhere.\n\nNext.\n");
    expect("a  \nb\n\n---\n\nc", 12,
            "a\nb\n\n\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80"
            "\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\n\nc\n");
    expect("", 12, "");
    expect("> quoted\n", 12, "  quoted\n");
}

static void lists_have_marks_and_depth(void **state)
{
    (void)state;
    expect("- one\n- two\n  - deeper\n- three\n", 30,
            " \xE2\x80\xA2 one\n \xE2\x80\xA2 two\n    \xE2\x80\xA2 deeper\n \xE2\x80\xA2 "
            "three\n");
    expect("9. nine\n10. ten\n", 30, "9. nine\n10. ten\n");
    expect("- long item text\n", 13, " \xE2\x80\xA2 long item\n   text\n");
}

static void code_keeps_its_lines(void **state)
{
    (void)state;
    expect("```c\nint  x;\n\n  y\n```\nafter", 20, "c\n  int  x;\n  \n    y\n\nafter\n");
    expect("~~~\n**no**", 20, "  **no**\n"); /* still open */
    expect("    abcdefghijklmno\n", 10, "  abcdefgh\n  ijklmno\n");
}

static void tabs_reach_the_next_stop(void **state)
{
    (void)state;
    expect("```\na\tb\n\tc\n```\n", 20, "  a   b\n      c\n");
    expect("```\na\tbcd\te\n```\n", 10, "  a   bcd \n  e\n");
    struct markdown md = {0};
    markdown_render_plain(&md, SLICE("ab\tc\td"), 20);
    assert_string_equal(buf_text(&md.text), "ab  c   d");
    markdown_release(&md);
}

static void a_table_has_a_line_per_row(void **state)
{
    (void)state;
    expect("| a | b |\n|---|---|\n| 1 | 2 |\n", 30, "a │ b\n──┼──\n1 │ 2\n");
    expect("| shape | cost |\n|:-:|---:|\n| old | *2^n* |\n| 中 | 1 |\n", 30,
            "shape │ cost\n──────┼─────\n old  │  2^n\n 中   │    1\n");
    expect("- | a | b |\n  |---|---|\n  | 1 |\n", 30, " • a │ b\n   ──┼──\n   1 │ \n");
}

static void a_wide_table_wraps_its_longest_cells(void **state)
{
    (void)state;
    expect("| k | long |\n|---|---|\n| 1 | one two three |\n| 2 | x |\n", 13,
            "k │ long\n──┼──────────\n1 │ one two\n  │ three\n2 │ x\n");
    expect("| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n", 10,
            "a\nb\nc\n1\n2\n3\n"); /* no room at all */
}

static void targets_of_links_are_shown(void **state)
{
    (void)state;
    expect("[site](http://a.b/c)", 60, "site (http://a.b/c)\n");
    expect("see http://a.b/c now", 60, "see http://a.b/c now\n");
    expect("[http://good](http://evil)", 60, "http://good (http://evil)\n");
    expect("![chart](http://a/b.png)", 60, "chart (http://a/b.png)\n");
    expect("[![chart](http://a/b.png)](http://c)", 60, "chart (http://a/b.png) (http://c)\n");
}

static void definitions_are_found_wherever_they_stand(void **state)
{
    (void)state;
    expect("First [one][1].\n\nMore [two].\n\n[1]: http://a\n[two]: http://b\n", 60,
            "First one (http://a).\n\nMore two (http://b).\n");
    expect("One [a].\n\nTwo\n\n[a]: http://a", 60, "One a (http://a).\n\nTwo\n");
    expect("A [x].\n\nB\n\n[x]: no target\n\nC", 60, "A [x].\n\nB\n\n[x]: no target\n\nC\n");
    expect("A [x].\n\n```\n[x]: http://a\n```\n", 60, "A [x].\n\n  [x]: http://a\n");
}

static void entities_are_characters_and_html_is_text(void **state)
{
    (void)state;
    expect("a &lt;b&gt; &amp; &#65;&#x42; `&lt;`", 60, "a <b> & AB &lt;\n");
    expect("&#1114112; &nosuch;", 60, "\xEF\xBF\xBD &nosuch;\n");
    expect("<b>x</b>\n\n<script>\ny\n</script>\n", 60, "<b>x</b>\n\n<script> y </script>\n");
}

static const struct md_span *find_span(const struct markdown *md, const char *text)
{
    for (size_t i = 0; i < md->n_spans; i++)
        if (slice_eq((struct slice){buf_text(&md->text) + md->spans[i].start, md->spans[i].n},
                    text))
            return &md->spans[i];
    fail_msg("there is no span \"%s\"", text);
    return NULL;
}

/* md4c 0.4.8 tells that this address begins in its cell, and never that it ends. */
static void a_style_ends_with_its_block(void **state)
{
    (void)state;
    struct markdown md = {0};
    markdown_render(&md, SLICE("- > a\n  > :-:|\n  > http://.-|\n- after"), 80);
    assert_int_equal(find_span(&md, "after")->role, ROLE_TEXT);
    markdown_release(&md);
}

static void styles_begin_and_end(void **state)
{
    (void)state;
    struct markdown md = {0};
    markdown_render(&md, SLICE("# H\n\nplain **bold *both*** `code` [l](u) _em_\n"), 80);
    assert_int_equal(find_span(&md, "H")->role, ROLE_MD_HEADING);
    assert_int_equal(find_span(&md, "plain ")->role, ROLE_TEXT);
    assert_int_equal(find_span(&md, "bold ")->attrs, ATTR_BOLD);
    assert_int_equal(find_span(&md, "both")->attrs, ATTR_BOLD);
    assert_int_equal(find_span(&md, "both")->role, ROLE_MD_EMPHASIS);
    assert_int_equal(find_span(&md, "code")->role, ROLE_MD_CODE);
    assert_int_equal(find_span(&md, "code")->attrs, 0);
    assert_int_equal(find_span(&md, "l")->attrs, ATTR_UNDERLINE);
    assert_int_equal(find_span(&md, "u")->role, ROLE_MD_LINK);
    assert_int_equal(find_span(&md, "em")->role, ROLE_MD_EMPHASIS);
    markdown_release(&md);
}

/* ---- random texts ----------------------------------------------------------------------- */

static const char *const lines[] = {"", "", "",
        "Plain text with some words that are long enough to be wrapped.", "word", "# Heading",
        "### Third", "- item", "- item with **bold** and `code`", "  - nested", "    - deeper",
        "* star", "1. first", "2. second", "   continued", "```", "```python", "````", "~~~",
        "  ```", "    indented", "```` ```", "x = 1", "def f():", "| a | b |", "|---|:-:|",
        "| 1 | *2* |", "> quote", "> - in quote", "> ```", "---",
        "===", "[link](http://example.org/a)", "![image](http://example.org/b.png)",
        "[ref][1] and [two]", "[1]: http://example.org/c", "[two]: <http://d> \"title\"",
        "<div>", "</div>", "<!-- comment", "**unclosed", "`tick", "a\\",
        "http://example.org/auto.", "&amp; &lt;",
        "\xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97\xE7\xAC\xA6\xE5\xBE\x88\xE9\x95\xBF\xE7\x9A\x84"
        "\xE4\xB8\x80\xE8\xA1\x8C",
        "caf\x65\xCC\x81 \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7", "\ttab", "text\r",
        "- ```", "  code", "5) five"};

static void make_text(uint64_t *rng, size_t n_lines, struct buf *out)
{
    buf_init(out, 1 << 20);
    for (size_t i = 0; i < n_lines; i++)
        buf_printf(out, "%s%s", lines[rng_next(rng) % ARRAY_LEN(lines)],
                i + 1 < n_lines || rng_next(rng) % 2 ? "\n" : "");
}

static bool is_same(const struct markdown *a, const struct markdown *b)
{
    if (a->n_lines != b->n_lines || a->n_spans != b->n_spans || a->text.n != b->text.n)
        return false;
    for (size_t i = 0; i < a->n_lines; i++)
        if (a->lines[i].i_span != b->lines[i].i_span ||
                a->lines[i].n_spans != b->lines[i].n_spans ||
                a->lines[i].indent != b->lines[i].indent)
            return false;
    for (size_t i = 0; i < a->n_spans; i++)
        if (a->spans[i].start != b->spans[i].start || a->spans[i].n != b->spans[i].n ||
                a->spans[i].role != b->spans[i].role || a->spans[i].attrs != b->spans[i].attrs)
            return false;
    return memcmp(buf_text(&a->text), buf_text(&b->text), a->text.n) == 0;
}

static void expect_grown_equals_whole(const struct buf *text, int n_cols, uint64_t *rng)
{
    struct markdown grown = {0}, whole = {0};
    for (size_t n = 0; n < text->n;) {
        n += 1 + rng_next(rng) % (rng_next(rng) % 2 ? 4 : 60);
        n = n < text->n ? n : text->n;
        /* a copy of its own: reading behind what has come is an error that the sanitizer sees
         */
        char *came = mem_dup(text->ptr, n);
        markdown_render(&grown, (struct slice){came, n}, n_cols);
        mem_free(came);
    }
    markdown_render(&whole, buf_slice(text), n_cols);
    if (!is_same(&grown, &whole))
        fail_msg("%d columns: the grown text differs:\n%s", n_cols, buf_text(text));
    markdown_release(&grown);
    markdown_release(&whole);
}

static void a_growing_text_ends_as_the_whole_one(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint64_t rng = seed;
        struct buf text;
        make_text(&rng, 1 + rng_next(&rng) % 30, &text);
        expect_grown_equals_whole(&text, seed % 2 ? 20 : 200, &rng);
        buf_release(&text);
    }
}

static void a_new_width_or_a_shorter_text_begins_anew(void **state)
{
    (void)state;
    uint64_t rng = 3;
    struct markdown md = {0}, fresh = {0};
    struct buf text;
    make_text(&rng, 60, &text);
    markdown_render(&md, buf_slice(&text), 100);
    markdown_render(&md, buf_slice(&text), 20);
    markdown_render(&fresh, buf_slice(&text), 20);
    assert_true(is_same(&md, &fresh));
    markdown_release(&fresh);
    markdown_render(&md, SLICE("short"), 20);
    markdown_render(&fresh, SLICE("short"), 20);
    assert_true(is_same(&md, &fresh));
    markdown_release(&md);
    markdown_release(&fresh);
    buf_release(&text);
}

static void lines_fit_the_width(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        uint64_t rng = seed;
        int n_cols = seed % 3 == 0 ? 200 : seed % 3 == 1 ? 20 : 13;
        struct buf text, line;
        struct markdown md = {0};
        make_text(&rng, 30, &text);
        markdown_render(&md, buf_slice(&text), n_cols);
        buf_init(&line, 1 << 20);
        for (size_t i = 0; i < md.n_lines; i++, buf_clear(&line)) {
            print_line(&md, i, &line);
            if (text_width(slice_of(buf_text(&line))) > n_cols)
                fail_msg("wider than %d: %s", n_cols, buf_text(&line));
        }
        buf_release(&line);
        buf_release(&text);
        markdown_release(&md);
    }
}

/* ---- what md4c says about the whole text ------------------------------------------------ */

struct oracle {
    struct buf code;
    int depth;
};

static void add_dense(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n", s.ptr[i]))
            buf_add(out, s.ptr + i, 1);
}

static int oracle_enter(MD_BLOCKTYPE type, void *detail, void *user)
{
    (void)detail;
    ((struct oracle *)user)->depth += type == MD_BLOCK_CODE;
    return 0;
}

static int oracle_leave(MD_BLOCKTYPE type, void *detail, void *user)
{
    (void)detail;
    ((struct oracle *)user)->depth -= type == MD_BLOCK_CODE;
    return 0;
}

static int oracle_enter_span(MD_SPANTYPE type, void *detail, void *user)
{
    (void)detail;
    ((struct oracle *)user)->depth += type == MD_SPAN_CODE;
    return 0;
}

static int oracle_leave_span(MD_SPANTYPE type, void *detail, void *user)
{
    (void)detail;
    ((struct oracle *)user)->depth -= type == MD_SPAN_CODE;
    return 0;
}

static int oracle_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *user)
{
    struct oracle *o = user;
    (void)type;
    if (o->depth)
        add_dense(&o->code, (struct slice){text, n});
    return 0;
}

static void parts_are_cut_outside_code(void **state)
{
    (void)state;
    static const MD_PARSER parser = {0, MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_NOHTML,
            oracle_enter, oracle_leave, oracle_enter_span, oracle_leave_span, oracle_text, NULL,
            NULL};
    for (uint64_t seed = 0; seed < 3000; seed++) {
        uint64_t rng = seed;
        struct buf text, got;
        struct oracle o = {.depth = 0};
        struct markdown md = {0};
        buf_init(&o.code, 1 << 20);
        buf_init(&got, 1 << 20);
        make_text(&rng, 1 + rng_next(&rng) % 40, &text);
        md_parse(buf_text(&text), (MD_SIZE)text.n, &parser, &o);
        markdown_render(&md, buf_slice(&text), 80);
        for (size_t i = 0; i < md.n_spans; i++)
            if (md.spans[i].role == ROLE_MD_CODE)
                add_dense(&got,
                        (struct slice){buf_text(&md.text) + md.spans[i].start, md.spans[i].n});
        if (strcmp(buf_text(&got), buf_text(&o.code)) != 0)
            fail_msg("seed %d: code is\n%s\nin place of\n%s\nof\n%s", (int)seed, buf_text(&got),
                    buf_text(&o.code), buf_text(&text));
        buf_release(&text);
        buf_release(&got);
        buf_release(&o.code);
        markdown_release(&md);
    }
}

/* ---- hostile text ----------------------------------------------------------------------- */

static bool is_harmless(const struct cell *cell)
{
    for (size_t at = 0; at < cell->n_bytes;) {
        uint32_t cp;
        size_t n = utf8_decode(cell->text + at, cell->n_bytes - at, &cp);
        bool is_bidi = (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069) ||
                       cp == 0x200E || cp == 0x200F;
        if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || is_bidi || (cp == 0xFFFD && n == 1))
            return false;
        at += n;
    }
    return true;
}

static void expect_harmless(struct slice source, int n_cols)
{
    struct markdown md = {0};
    struct screen screen = {0};
    screen_resize(&screen, 1, n_cols);
    markdown_render(&md, source, n_cols);
    for (size_t i = 0; i < md.n_lines; i++) {
        struct surface all = screen_surface(&screen);
        markdown_draw_line(&md, i, &all, 0, 0);
        for (int col = 0; col < n_cols; col++)
            if (!is_harmless(&screen.cells[col]))
                fail_msg("line %d, column %d", (int)i, col);
    }
    screen_release(&screen);
    markdown_release(&md);
}

static void hostile_bytes_never_reach_the_grid(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\x1B[2J", "\x1B]0;x\x07", "\x9B", "\xC2\x9B",
            "\xE2\x80\xAE", "\xE2\x81\xA6", "\xE2\x80\x8F", "\xFF", "\xC3", "\xED\xA0\x80",
            "\xF4\x90\x80\x80", "\xE2\x80", "\r", "\x08", "\x7F", "a", " ", "\n", "\n\n", "`",
            "```\x1B\n", "**", "[\x1B](\x1B)", "[x](<\xE2\x80\xAE>)", "&#27;", "&#x202e;",
            "&#155;", "| \x1B |\n|-|\n", "\xCC\x81", "\xE2\x80\x8D"};
    uint64_t rng = 11;
    for (int round = 0; round < 1500; round++) {
        struct buf text;
        buf_init(&text, 10000);
        for (uint64_t n = rng_next(&rng) % 40; n > 0; n--)
            buf_add_text(&text, pieces[rng_next(&rng) % ARRAY_LEN(pieces)]);
        if (round % 10 == 0)
            buf_add(&text, "\0", 1);
        expect_harmless(buf_slice(&text), round % 2 ? 20 : 200);
        buf_release(&text);
    }
}

/* md4c looks behind the end of an address: whatever lies there, the lines are the same. */
static void nothing_behind_the_text_is_looked_at(void **state)
{
    (void)state;
    static const char text[] =
            "see http://a.b/c?d=(e) and https://x.org, `c` [a](b) ![i](j) *k*\n";
    size_t n_page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages =
            mmap(NULL, 2 * n_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + n_page, n_page, PROT_NONE), 0);
    for (size_t n = 1; n < sizeof text; n++) {
        struct markdown md = {0};
        char *source = pages + n_page - n; /* a look behind it ends the test */
        memcpy(source, text, n);
        markdown_render(&md, (struct slice){source, n}, 80);
        assert_int_equal(md.n_lines, 1);
        markdown_release(&md);
    }
    munmap(pages, 2 * n_page);
}

/* ---- size ------------------------------------------------------------------------------- */

static void expect_quick(const char *head, const char *piece, size_t n_bytes, const char *name)
{
    struct buf text;
    struct markdown md = {0};
    buf_init(&text, 16 << 20);
    buf_add_text(&text, head);
    while (text.n < n_bytes)
        buf_add_text(&text, piece);
    buf_add_text(&text, "x");
    uint64_t start = clock_cpu_ns();
    markdown_render(&md, buf_slice(&text), 80);
    if (clock_cpu_ns() - start > 4 * SECOND_NS)
        fail_msg("%s: %d ms", name, (int)((clock_cpu_ns() - start) / 1000000));
    assert_true(md.n_lines > 0);
    markdown_release(&md);
    buf_release(&text);
}

static void large_texts_end_in_time(void **state)
{
    (void)state;
    expect_quick("", "word ", 1 << 20, "one paragraph");
    expect_quick("", "x", 1 << 20, "one word");
    expect_quick("", "*a* **b** `c` ", 1 << 19, "many styles");
    expect_quick("```\n", "x = 1\n", 1 << 20, "code of many lines");
    expect_quick("```\n", "x", 1 << 20, "code of one line");
    expect_quick("", "paragraph\n\n", 1 << 19, "many paragraphs");
    expect_quick("", "- item\n", 1 << 19, "a long list");
    expect_quick("", "| a | b |\n|---|---|\n| 1 | 2 |\n\ntext\n\n", 1 << 18, "many tables");
}

static void deep_nesting_ends_in_time(void **state)
{
    (void)state;
    expect_quick("", "> ", 20000, "quotes");
    expect_quick("", "- ", 20000, "lists");
    expect_quick("", "[", 100000, "brackets");
    expect_quick("", "*a _b ", 100000, "emphasis");
    expect_quick("", "![", 100000, "images");
    expect_quick("", "[a](", 100000, "targets");
    expect_quick("[a]: http://b\n\n", "text [a]\n\n[b]: http://c\n\n", 1 << 17, "definitions");
}

static void text_stays_visible_at_any_depth(void **state)
{
    (void)state;
    struct markdown md = {0};
    struct buf text;
    buf_init(&text, 10000);
    for (int i = 0; i < 40; i++)
        buf_add_text(&text, "> ");
    buf_add_text(&text, "deep");
    markdown_render(&md, buf_slice(&text), 20);
    assert_true(md.lines[0].indent + 4 <= 20);
    assert_int_equal(find_span(&md, "deep")->n, 4);
    buf_release(&text);
    markdown_release(&md);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(blocks_stand_apart),
            cmocka_unit_test(lists_have_marks_and_depth),
            cmocka_unit_test(code_keeps_its_lines),
            cmocka_unit_test(tabs_reach_the_next_stop),
            cmocka_unit_test(a_table_has_a_line_per_row),
            cmocka_unit_test(a_wide_table_wraps_its_longest_cells),
            cmocka_unit_test(targets_of_links_are_shown),
            cmocka_unit_test(definitions_are_found_wherever_they_stand),
            cmocka_unit_test(entities_are_characters_and_html_is_text),
            cmocka_unit_test(a_style_ends_with_its_block),
            cmocka_unit_test(styles_begin_and_end),
            cmocka_unit_test(a_growing_text_ends_as_the_whole_one),
            cmocka_unit_test(a_new_width_or_a_shorter_text_begins_anew),
            cmocka_unit_test(lines_fit_the_width),
            cmocka_unit_test(parts_are_cut_outside_code),
            cmocka_unit_test(hostile_bytes_never_reach_the_grid),
            cmocka_unit_test(nothing_behind_the_text_is_looked_at),
            cmocka_unit_test(large_texts_end_in_time),
            cmocka_unit_test(deep_nesting_ends_in_time),
            cmocka_unit_test(text_stays_visible_at_any_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
