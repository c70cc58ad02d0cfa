/*
 * fuzz_markdown.c - an answer of any bytes: at each width the lines fit, the cells are
 * harmless, and a text that grows by pieces ends as the whole one.
 */
#include <string.h>

#include "tui/markdown.h"
#include "tui/text.h"

#include "tests/fuzz.h"
#include "tests/helper_hostile.h"

#define TEXT_MAX_BYTES 4096 /* what is found in more is found in less, and sooner */

static bool is_same_span(const struct md_span *a, const struct md_span *b)
{
    return a->start == b->start && a->n == b->n && a->role == b->role && a->attrs == b->attrs;
}

static bool is_same_line(const struct md_line *a, const struct md_line *b)
{
    return a->i_span == b->i_span && a->n_spans == b->n_spans && a->indent == b->indent;
}

static bool is_same(const struct markdown *a, const struct markdown *b)
{
    bool is = a->n_spans == b->n_spans && a->n_lines == b->n_lines && a->text.n == b->text.n &&
              memcmp(buf_text(&a->text), buf_text(&b->text), a->text.n) == 0;
    for (size_t i = 0; is && i < a->n_spans; i++)
        is = is_same_span(&a->spans[i], &b->spans[i]);
    for (size_t i = 0; is && i < a->n_lines; i++)
        is = is_same_line(&a->lines[i], &b->lines[i]);
    return is;
}

static void check_lines(const struct markdown *md, int n_cols)
{
    struct screen screen = {0};
    screen_resize(&screen, 1, n_cols);
    for (size_t i = 0; i < md->n_lines; i++) {
        const struct md_line *line = &md->lines[i];
        for (uint32_t k = 0; k < line->n_spans; k++) {
            const struct md_span *span = &md->spans[line->i_span + k];
            FUZZ_CHECK(span->start + span->n <= md->text.n);
        }
        struct surface all = screen_surface(&screen);
        markdown_draw_line(md, i, &all, 0, 0);
        FUZZ_CHECK(screen_is_harmless(&screen));
    }
    screen_release(&screen);
}

/* Pieces of lengths that the text itself gives; each is a copy, so that a look behind what has
 * come is found. */
static void grow(struct markdown *md, struct slice text, int n_cols)
{
    size_t step = 1 + text.n / 16;
    for (size_t n = 0; n < text.n;) {
        n += 1 + ((unsigned char)text.ptr[n] * 7u) % step;
        n = n < text.n ? n : text.n;
        char *came = mem_dup(text.ptr, n);
        markdown_render(md, (struct slice){came, n}, n_cols);
        mem_free(came);
    }
}

static void check_width(struct slice text, int n_cols)
{
    struct markdown whole = {0}, grown = {0}, plain = {0};
    markdown_render(&whole, text, n_cols);
    check_lines(&whole, n_cols);
    grow(&grown, text, n_cols);
    FUZZ_CHECK(text.n == 0 || is_same(&whole, &grown));
    markdown_render_plain(&plain, text, n_cols);
    check_lines(&plain, n_cols);
    markdown_release(&whole);
    markdown_release(&grown);
    markdown_release(&plain);
}

/* Every cluster and line is taken once, nothing is lost but white space, and all fit. */
static void check_text(struct slice text, int n_cols)
{
    struct slice rest = text, line;
    struct cluster cluster;
    size_t n = 0;
    while (text_next_cluster(&rest, &cluster)) {
        FUZZ_CHECK(cluster.bytes.n > 0 && cluster.width >= 0);
        n += cluster.bytes.n;
    }
    FUZZ_CHECK(n == text.n);
    rest = text;
    while (text_wrap(&rest, n_cols, &line))
        FUZZ_CHECK(line.ptr >= text.ptr && line.ptr + line.n <= text.ptr + text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const int widths[] = {1, 7, 20, 80};
    n = n < TEXT_MAX_BYTES ? n : TEXT_MAX_BYTES;
    struct slice text = {(const char *)bytes, n};
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        check_width(text, widths[i]);
        check_text(text, widths[i]);
    }
    char *line = mem_alloc(n + 1);
    memcpy(line, bytes, n);
    utf8_make_printable(line);
    FUZZ_CHECK(text_is_harmless(slice_of(line)));
    mem_free(line);
    return 0;
}
