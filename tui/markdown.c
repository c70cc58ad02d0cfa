/*
 * markdown.c - see markdown.h. md4c tells the structure; its callbacks collect styled text per block, which is wrapped when the
 * block ends. While a text grows, everything before the last blank line outside fences is rendered once and kept.
 */
#include "tui/markdown.h"

#include <md4c.h>
#include <stdio.h>
#include <string.h>

#include "tui/text.h"

#define INDENT_MAX  24
#define NESTING_MAX 64

/* A piece of the current block's text with one style. */
struct run {
    uint32_t start, n;
    uint8_t role, attrs;
};

struct list {
    bool is_ordered;
    unsigned number;
};

struct renderer {
    struct markdown *md;
    struct buf text; /* of the current block */
    struct run *runs;
    size_t n_runs, cap_runs;
    int indent;
    struct list lists[NESTING_MAX];
    int n_lists, depth;
    char mark[16]; /* list mark that goes before the next line */
    uint8_t role, attrs;
    uint8_t role_stack[NESTING_MAX], attr_stack[NESTING_MAX];
    int n_styles;
    char *link;
    bool in_code, was_block;
    int i_cell; /* column of a table row */
};

static void add_span(struct markdown *md, uint32_t start, uint32_t n, uint8_t role, uint8_t attrs)
{
    if (md->n_spans == md->cap_spans)
        md->spans = mem_resize(md->spans,
                (md->cap_spans = md->cap_spans ? md->cap_spans * 2 : 64) * sizeof *md->spans);
    md->spans[md->n_spans++] = (struct md_span){start, n, role, attrs};
    md->lines[md->n_lines - 1].n_spans++;
}

static void begin_line(struct markdown *md, int indent)
{
    if (md->n_lines == md->cap_lines)
        md->lines = mem_resize(md->lines,
                (md->cap_lines = md->cap_lines ? md->cap_lines * 2 : 64) * sizeof *md->lines);
    md->lines[md->n_lines++] = (struct md_line){(uint32_t)md->n_spans, 0, (uint16_t)indent};
}

static void add_text(struct renderer *r, struct slice text, uint8_t role, uint8_t attrs)
{
    if (r->n_runs == r->cap_runs)
        r->runs = mem_resize(r->runs,
                (r->cap_runs = r->cap_runs ? r->cap_runs * 2 : 64) * sizeof *r->runs);
    r->runs[r->n_runs++] = (struct run){(uint32_t)r->text.n, (uint32_t)text.n, role, attrs};
    buf_add_slice(&r->text, text);
}

/* One wrapped line: the parts of the runs inside it become spans. */
static void emit_line(struct renderer *r, struct slice line, int indent)
{
    struct markdown *md = r->md;
    uint32_t begin = (uint32_t)(line.ptr - buf_text(&r->text)), end = begin + (uint32_t)line.n;
    begin_line(md, indent);
    for (size_t i = 0; i < r->n_runs; i++) {
        const struct run *run = &r->runs[i];
        uint32_t from = run->start > begin ? run->start : begin;
        uint32_t to = run->start + run->n < end ? run->start + run->n : end;
        if (from >= to)
            continue;
        uint32_t at = (uint32_t)md->text.n;
        buf_add(&md->text, buf_text(&r->text) + from, to - from);
        add_span(md, at, to - from, run->role, run->attrs);
    }
}

static void blank_between_blocks(struct renderer *r)
{
    if (r->was_block && r->n_lists == 0)
        begin_line(r->md, 0);
    r->was_block = true;
}

static int indent_of(const struct renderer *r)
{
    return r->indent < INDENT_MAX ? r->indent : INDENT_MAX;
}

/* Ends the block's text: wraps it, with the list mark before the first line. */
static void flush(struct renderer *r, bool is_preformatted)
{
    struct slice rest = buf_slice(&r->text), line;
    int indent = indent_of(r), n_cols = r->md->n_cols - indent, n_mark = (int)strlen(r->mark);
    bool is_first = true;
    if (n_cols < 8)
        n_cols = 8;
    while (text_wrap(&rest, is_preformatted ? 1 << 20 : n_cols, &line)) {
        struct slice part = line;
        do { /* code keeps its lines; what is too wide goes on below */
            int cols;
            struct slice fit = is_preformatted ? text_fit(part, n_cols, &cols) : part;
            if (is_preformatted && fit.n == 0 && part.n)
                fit = part;
            emit_line(r, fit, indent);
            if (is_first && n_mark) {
                struct md_line *l = &r->md->lines[r->md->n_lines - 1];
                uint32_t at = (uint32_t)r->md->text.n;
                buf_add_text(&r->md->text, r->mark);
                int width = text_width(slice_of(r->mark));
                l->indent = (uint16_t)(indent > width ? indent - width : 0);
                add_span(r->md, at, (uint32_t)n_mark, ROLE_MD_QUOTE, 0);
                struct md_span mark = r->md->spans[r->md->n_spans - 1];
                memmove(r->md->spans + l->i_span + 1, r->md->spans + l->i_span,
                        (l->n_spans - 1) * sizeof mark);
                r->md->spans[l->i_span] = mark;
            }
            is_first = false;
            part = (struct slice){part.ptr + fit.n, part.n - fit.n};
        } while (part.n);
    }
    r->mark[0] = '\0';
    buf_clear(&r->text);
    r->n_runs = 0;
}

static void push_style(struct renderer *r, uint8_t role, uint8_t attrs)
{
    if (r->n_styles < NESTING_MAX) {
        r->role_stack[r->n_styles] = r->role;
        r->attr_stack[r->n_styles] = r->attrs;
    }
    r->n_styles++;
    r->role = role;
    r->attrs |= attrs;
}

static void pop_style(struct renderer *r)
{
    if (--r->n_styles < NESTING_MAX && r->n_styles >= 0) {
        r->role = r->role_stack[r->n_styles];
        r->attrs = r->attr_stack[r->n_styles];
    }
}

static void label_code(struct renderer *r, const MD_BLOCK_CODE_DETAIL *code)
{
    char label[64];
    size_t n = code->lang.size < 40 ? code->lang.size : 40;
    if (n == 0)
        return;
    snprintf(label, sizeof label, "%.*s", (int)n, code->lang.text);
    add_text(r, slice_of(label), ROLE_DIM, 0);
    flush(r, false);
}

static void enter_item(struct renderer *r)
{
    struct list *list = r->n_lists > 0 && r->n_lists <= NESTING_MAX ? &r->lists[r->n_lists - 1] : NULL;
    if (list && list->is_ordered)
        snprintf(r->mark, sizeof r->mark, "%u. ", list->number++);
    else
        snprintf(r->mark, sizeof r->mark, "\xE2\x80\xA2 ");
    int n = list && list->is_ordered ? (int)strlen(r->mark) : 2;
    r->indent += n > 3 ? n : 3;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    if (++r->depth > NESTING_MAX)
        return 0;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        if (r->text.n)
            flush(r, false);
        else if (r->n_lists == 0)
            blank_between_blocks(r);
        if (r->n_lists < NESTING_MAX)
            r->lists[r->n_lists] = (struct list){type == MD_BLOCK_OL,
                    type == MD_BLOCK_OL ? ((MD_BLOCK_OL_DETAIL *)detail)->start : 0};
        r->n_lists++;
        break;
    case MD_BLOCK_LI:
        enter_item(r);
        break;
    case MD_BLOCK_QUOTE:
        r->indent += 2;
        push_style(r, ROLE_MD_QUOTE, 0);
        break;
    case MD_BLOCK_H:
        blank_between_blocks(r);
        push_style(r, ROLE_MD_HEADING, 0);
        break;
    case MD_BLOCK_P:
        blank_between_blocks(r);
        break;
    case MD_BLOCK_HTML:
    case MD_BLOCK_CODE:
        blank_between_blocks(r);
        if (type == MD_BLOCK_CODE)
            label_code(r, detail);
        r->indent += 2;
        r->in_code = true;
        push_style(r, ROLE_MD_CODE, 0);
        break;
    case MD_BLOCK_TABLE:
        blank_between_blocks(r);
        break;
    case MD_BLOCK_TR:
        r->i_cell = 0;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        if (r->i_cell++)
            add_text(r, SLICE("  \xE2\x94\x82  "), ROLE_RULE, 0);
        push_style(r, r->role, type == MD_BLOCK_TH ? ATTR_BOLD : 0);
        break;
    case MD_BLOCK_HR:
        blank_between_blocks(r);
        for (int i = 0; i < 20; i++)
            add_text(r, SLICE("\xE2\x94\x80"), ROLE_RULE, 0);
        flush(r, false);
        break;
    default:
        break;
    }
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    (void)detail;
    if (r->depth-- > NESTING_MAX)
        return 0;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        r->n_lists--;
        break;
    case MD_BLOCK_LI: {
        struct list *list = r->n_lists > 0 && r->n_lists <= NESTING_MAX ? &r->lists[r->n_lists - 1] : NULL;
        flush(r, false);
        int n = 3;
        if (list && list->is_ordered) {
            char mark[16];
            n = snprintf(mark, sizeof mark, "%u. ", list->number - 1);
        }
        r->indent -= n > 3 ? n : 3;
        break;
    }
    case MD_BLOCK_QUOTE:
        r->indent -= 2;
        pop_style(r);
        break;
    case MD_BLOCK_H:
        flush(r, false);
        pop_style(r);
        break;
    case MD_BLOCK_P:
    case MD_BLOCK_TR:
        flush(r, false);
        break;
    case MD_BLOCK_HTML:
    case MD_BLOCK_CODE:
        flush(r, true);
        r->indent -= 2;
        r->in_code = false;
        pop_style(r);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        pop_style(r);
        break;
    default:
        break;
    }
    return 0;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    switch (type) {
    case MD_SPAN_EM:
        push_style(r, ROLE_MD_EMPHASIS, 0);
        break;
    case MD_SPAN_STRONG:
        push_style(r, r->role, ATTR_BOLD);
        break;
    case MD_SPAN_CODE:
        push_style(r, ROLE_MD_CODE, 0);
        break;
    case MD_SPAN_A: {
        const MD_SPAN_A_DETAIL *a = detail;
        mem_free(r->link);
        r->link = mem_alloc(a->href.size + 1);
        if (a->href.size)
            memcpy(r->link, a->href.text, a->href.size);
        push_style(r, r->role, ATTR_UNDERLINE);
        break;
    }
    default:
        push_style(r, r->role, 0);
    }
    return 0;
}

/* The target of a link is shown: text and target may say different things. */
static void show_link(struct renderer *r)
{
    struct slice shown = buf_slice(&r->text);
    size_t n = strlen(r->link);
    bool is_same = shown.n >= n && n && memcmp(shown.ptr + shown.n - n, r->link, n) == 0;
    if (n && !is_same) {
        add_text(r, SLICE(" ("), ROLE_DIM, 0);
        add_text(r, slice_of(r->link), ROLE_MD_LINK, 0);
        add_text(r, SLICE(")"), ROLE_DIM, 0);
    }
    mem_free(r->link);
    r->link = NULL;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    (void)detail;
    pop_style(r);
    if (type == MD_SPAN_A && r->link)
        show_link(r);
    return 0;
}

static int take_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *user)
{
    struct renderer *r = user;
    struct slice s = {text, n};
    if (type == MD_TEXT_BR)
        s = SLICE("\n");
    else if (type == MD_TEXT_SOFTBR)
        s = SLICE(" ");
    else if (type == MD_TEXT_NULLCHAR)
        s = SLICE("\xEF\xBF\xBD");
    add_text(r, s, r->role, r->attrs);
    return 0;
}

static void render_part(struct markdown *md, struct slice source)
{
    static const MD_PARSER parser = {0,
            MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_NOHTMLSPANS | MD_FLAG_NOHTMLBLOCKS |
                    MD_FLAG_PERMISSIVEURLAUTOLINKS,
            enter_block, leave_block, enter_span, leave_span, take_text, NULL, NULL};
    struct renderer r = {.md = md, .role = ROLE_TEXT, .was_block = md->n_lines > 0};
    buf_init(&r.text, SIZE_MAX / 2);
    if (source.n && source.n < UINT32_MAX)
        md_parse(source.ptr, (MD_SIZE)source.n, &parser, &r);
    if (r.text.n)
        flush(&r, false);
    buf_release(&r.text);
    mem_free(r.runs);
    mem_free(r.link);
}

/* Where the part that later text cannot change ends: behind a blank line that is followed by an unindented line, outside a
 * fence, and not inside a list or a quote, which could go on. */
static size_t find_stable(struct slice source, size_t from)
{
    size_t stable = from, at = from;
    bool in_fence = false, was_blank = false, was_plain = true;
    char fence = 0;
    while (at < source.n) {
        const char *line = source.ptr + at, *end = memchr(line, '\n', source.n - at);
        if (!end)
            break;
        size_t n = (size_t)(end - line), skip = 0;
        while (skip < n && line[skip] == ' ')
            skip++;
        bool is_blank = skip == n;
        bool is_fence = n - skip >= 3 && (line[skip] == '`' || line[skip] == '~') &&
                line[skip + 1] == line[skip] && line[skip + 2] == line[skip];
        if (was_blank && !is_blank && !in_fence && was_plain && skip == 0)
            stable = at;
        if (is_fence && (!in_fence || line[skip] == fence)) {
            in_fence = !in_fence;
            fence = line[skip];
        }
        if (!is_blank && !in_fence) {
            char c = line[skip];
            was_plain = skip == 0 && c != '-' && c != '*' && c != '+' && c != '>' && c != '|' &&
                    c != '[' && c != '<' && !(c >= '0' && c <= '9') && c != '\t';
        }
        was_blank = is_blank;
        at += n + 1;
    }
    return stable;
}

void markdown_render(struct markdown *md, struct slice source, int n_cols)
{
    if (md->text.max_bytes == 0)
        buf_init(&md->text, SIZE_MAX / 2);
    if (n_cols != md->n_cols || source.n < md->n_stable_bytes)
        md->n_stable_bytes = md->n_stable_lines = md->n_stable_spans = md->n_stable_text = 0;
    md->n_cols = n_cols;
    md->n_lines = md->n_stable_lines;
    md->n_spans = md->n_stable_spans;
    md->text.n = md->n_stable_text;
    size_t stable = find_stable(source, md->n_stable_bytes);
    if (stable > md->n_stable_bytes) {
        render_part(md, (struct slice){source.ptr + md->n_stable_bytes, stable - md->n_stable_bytes});
        md->n_stable_bytes = stable;
        md->n_stable_lines = md->n_lines;
        md->n_stable_spans = md->n_spans;
        md->n_stable_text = md->text.n;
    }
    render_part(md, (struct slice){source.ptr + stable, source.n - stable});
}

void markdown_render_plain(struct markdown *md, struct slice source, int n_cols)
{
    if (md->text.max_bytes == 0)
        buf_init(&md->text, SIZE_MAX / 2);
    md->n_stable_bytes = md->n_stable_lines = md->n_stable_spans = md->n_stable_text = 0;
    md->n_cols = n_cols;
    md->n_lines = md->n_spans = md->text.n = 0;
    struct renderer r = {.md = md, .role = ROLE_TEXT};
    buf_init(&r.text, SIZE_MAX / 2);
    add_text(&r, source, ROLE_TEXT, 0);
    flush(&r, false);
    buf_release(&r.text);
    mem_free(r.runs);
}

void markdown_draw_line(const struct markdown *md, size_t i_line, struct surface *out, int row,
        int col)
{
    const struct md_line *line = &md->lines[i_line];
    col += line->indent;
    for (uint32_t i = 0; i < line->n_spans; i++) {
        const struct md_span *span = &md->spans[line->i_span + i];
        col += surface_text(out, row, col, (enum role)span->role, span->attrs,
                (struct slice){buf_text(&md->text) + span->start, span->n});
    }
}

void markdown_release(struct markdown *md)
{
    buf_release(&md->text);
    mem_free(md->spans);
    mem_free(md->lines);
    *md = (struct markdown){0};
}
