/*
 * markdown.c - see markdown.h. md4c tells the structure; its callbacks collect styled text per
 * block, which is wrapped when the block ends. A text is rendered in parts that end at blank
 * lines outside fences and lists, and the parts before the last one are kept while it grows: a
 * whole text goes through the same parts, so both ways give the same lines. Definitions of
 * links are given to every part; a new one renders all again.
 */
#include "tui/markdown.h"

#include <md4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/markdown_parts.h"
#include "tui/markdown_table.h"
#include "tui/text.h"

#define INDENT_MAX            24
#define NESTING_MAX           64
#define TEXT_COLS_MIN         8
#define DEFINITIONS_MAX_BYTES 16384
#define TABLE_GAP             3 /* " │ " */

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
    size_t n_runs, cap_runs, i_run; /* i_run: the first one that reaches into the next line */
    int indent;
    struct list lists[NESTING_MAX];
    int n_lists, depth;
    char mark[16]; /* list mark that goes before the next line */
    uint8_t role, attrs;
    uint8_t role_stack[NESTING_MAX], attr_stack[NESTING_MAX];
    char *targets[NESTING_MAX]; /* of links and images, beside the styles */
    int n_styles;
    bool was_block;
    struct table table; /* the open one */
};

static void add_span(
        struct markdown *md, uint32_t start, uint32_t n, uint8_t role, uint8_t attrs)
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
        r->runs = mem_resize(
                r->runs, (r->cap_runs = r->cap_runs ? r->cap_runs * 2 : 64) * sizeof *r->runs);
    r->runs[r->n_runs++] = (struct run){(uint32_t)r->text.n, (uint32_t)text.n, role, attrs};
    buf_add_slice(&r->text, text);
}

/* The parts of the runs from i_run on that lie inside the slice become spans of the last line.
 * Returns the first run that reaches into it. */
static size_t add_styled(struct renderer *r, size_t i_run, struct slice part)
{
    struct markdown *md = r->md;
    uint32_t begin = (uint32_t)(part.ptr - buf_text(&r->text)), end = begin + (uint32_t)part.n;
    while (i_run < r->n_runs && r->runs[i_run].start + r->runs[i_run].n <= begin)
        i_run++;
    for (size_t i = i_run; i < r->n_runs && r->runs[i].start < end; i++) {
        const struct run *run = &r->runs[i];
        uint32_t from = run->start > begin ? run->start : begin;
        uint32_t to = run->start + run->n < end ? run->start + run->n : end;
        if (from >= to)
            continue; /* an empty run */
        uint32_t at = (uint32_t)md->text.n;
        buf_add(&md->text, buf_text(&r->text) + from, to - from);
        add_span(md, at, to - from, run->role, run->attrs);
    }
    return i_run;
}

static void emit_line(struct renderer *r, struct slice line, int indent)
{
    begin_line(r->md, indent);
    r->i_run = add_styled(r, r->i_run, line);
}

/* The list mark goes in front of the line that was begun last. */
static void put_mark(struct renderer *r, int indent)
{
    struct markdown *md = r->md;
    struct md_line *line = &md->lines[md->n_lines - 1];
    uint32_t at = (uint32_t)md->text.n, n = (uint32_t)strlen(r->mark);
    int width = text_width(slice_of(r->mark));
    if (n == 0)
        return;
    buf_add_text(&md->text, r->mark);
    r->mark[0] = '\0';
    line->indent = (uint16_t)(indent > width ? indent - width : 0);
    add_span(md, at, n, ROLE_MD_QUOTE, 0);
    struct md_span mark = md->spans[md->n_spans - 1];
    memmove(md->spans + line->i_span + 1, md->spans + line->i_span,
            (line->n_spans - 1) * sizeof mark);
    md->spans[line->i_span] = mark;
}

static void blank_between_blocks(struct renderer *r)
{
    if (r->was_block && r->n_lists == 0)
        begin_line(r->md, 0);
    r->was_block = true;
}

/* Deep nesting leaves room for the text. */
static int indent_of(const struct renderer *r)
{
    int most = r->md->n_cols - TEXT_COLS_MIN;
    most = most < 0 ? 0 : most > INDENT_MAX ? INDENT_MAX : most;
    return r->indent < most ? r->indent : most;
}

static void forget_text(struct renderer *r)
{
    buf_clear(&r->text);
    r->n_runs = r->i_run = 0;
}

/* Ends the block's text: wraps it, with the list mark before the first line. */
static void flush(struct renderer *r, bool is_preformatted)
{
    struct slice rest = buf_slice(&r->text), line;
    int indent = indent_of(r), n_cols = r->md->n_cols - indent, cols;
    while (text_wrap(&rest, is_preformatted ? 1 << 20 : n_cols, &line)) {
        struct slice part = line;
        do { /* code keeps its lines; what is too wide goes on below */
            struct slice fit = is_preformatted ? text_fit(part, n_cols, &cols) : part;
            if (is_preformatted && fit.n == 0 && part.n)
                fit = part;
            emit_line(r, fit, indent);
            put_mark(r, indent);
            part = (struct slice){part.ptr + fit.n, part.n - fit.n};
        } while (part.n);
    }
    r->mark[0] = '\0';
    forget_text(r);
}

/* ---- tables ----------------------------------------------------------------------------- */

static void add_padding(struct renderer *r, int n_cols)
{
    uint32_t at = (uint32_t)r->md->text.n;
    for (int i = 0; i < n_cols; i++)
        buf_add(&r->md->text, " ", 1);
    if (n_cols > 0)
        add_span(r->md, at, (uint32_t)n_cols, ROLE_TEXT, 0);
}

static void add_ruled(struct renderer *r, const char *text)
{
    add_span(r->md, (uint32_t)r->md->text.n, (uint32_t)strlen(text), ROLE_RULE, 0);
    buf_add_text(&r->md->text, text);
}

static void emit_cell_line(struct renderer *r, const struct table_cell *cell, struct slice line,
        int width, bool is_last)
{
    int left = width - text_width(line);
    int before = cell->align == TABLE_RIGHT ? left : cell->align == TABLE_CENTRE ? left / 2 : 0;
    add_padding(r, before);
    add_styled(r, cell->i_run, line);
    if (is_last)
        return;
    add_padding(r, left - before);
    add_ruled(r, " \xE2\x94\x82 ");
}

/* As many lines as the cell that wraps most. */
static void emit_row(struct renderer *r, const struct table_cell *cells, int indent)
{
    const struct table *t = &r->table;
    struct slice rest[TABLE_COLUMNS_MAX];
    bool has_more = true;
    for (int i = 0; i < t->n_columns; i++)
        rest[i] = (struct slice){buf_text(&r->text) + cells[i].start, cells[i].n};
    while (has_more) {
        has_more = false;
        begin_line(r->md, indent);
        for (int i = 0; i < t->n_columns; i++) {
            struct slice line = {rest[i].ptr, 0};
            if (text_wrap(&rest[i], t->widths[i], &line))
                has_more |= rest[i].n > 0;
            emit_cell_line(r, &cells[i], line, t->widths[i], i + 1 == t->n_columns);
        }
        put_mark(r, indent);
    }
}

static void emit_table_rule(struct renderer *r, int indent)
{
    begin_line(r->md, indent);
    for (int i = 0; i < r->table.n_columns; i++) {
        if (i)
            add_ruled(r, "\xE2\x94\x80\xE2\x94\xBC\xE2\x94\x80");
        for (int k = 0; k < r->table.widths[i]; k++)
            add_ruled(r, "\xE2\x94\x80");
    }
}

/* Too many columns for the screen: one cell below the other. */
static void emit_cells(struct renderer *r, int indent, int n_cols)
{
    const struct table *t = &r->table;
    for (size_t i = 0; i < t->n_cells; i++) {
        struct slice rest = {buf_text(&r->text) + t->cells[i].start, t->cells[i].n}, line;
        while (text_wrap(&rest, n_cols, &line)) {
            begin_line(r->md, indent);
            add_styled(r, t->cells[i].i_run, line);
            put_mark(r, indent);
        }
    }
}

static void end_table(struct renderer *r)
{
    struct table *t = &r->table;
    int indent = indent_of(r), n_cols = r->md->n_cols - indent;
    size_t n_columns = t->n_columns > 0 ? (size_t)t->n_columns : 1;
    bool fits = table_fit(t, buf_text(&r->text), n_cols, TABLE_GAP);
    if (!fits)
        emit_cells(r, indent, n_cols);
    for (size_t i = 0; fits && i + n_columns <= t->n_cells; i += n_columns) {
        emit_row(r, t->cells + i, indent);
        if (i == 0)
            emit_table_rule(r, indent);
    }
    table_release(t);
    forget_text(r);
}

static void enter_cell(struct renderer *r, MD_ALIGN align)
{
    table_add(&r->table, (struct table_cell){(uint32_t)r->text.n, 0, r->n_runs,
                                 align == MD_ALIGN_RIGHT    ? TABLE_RIGHT
                                 : align == MD_ALIGN_CENTER ? TABLE_CENTRE
                                                            : TABLE_LEFT});
}

static void leave_cell(struct renderer *r)
{
    struct table_cell *cell = &r->table.cells[r->table.n_cells - 1];
    cell->n = (uint32_t)r->text.n - cell->start;
}

/* ----------------------------------------------------------------------------------------- */

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
    size_t n = code->lang.size < 40 ? code->lang.size : utf8_whole(code->lang.text, 40);
    if (n == 0)
        return;
    add_text(r, (struct slice){code->lang.text, n}, ROLE_DIM, 0);
    flush(r, false);
}

static void enter_item(struct renderer *r)
{
    struct list *list =
            r->n_lists > 0 && r->n_lists <= NESTING_MAX ? &r->lists[r->n_lists - 1] : NULL;
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
        push_style(r, ROLE_MD_CODE, 0);
        break;
    case MD_BLOCK_TABLE:
        if (r->text.n)
            flush(r, false);
        blank_between_blocks(r);
        r->table.n_columns = (int)((MD_BLOCK_TABLE_DETAIL *)detail)->col_count;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        enter_cell(r, ((MD_BLOCK_TD_DETAIL *)detail)->align);
        push_style(r, r->role, type == MD_BLOCK_TH ? ATTR_BOLD : 0);
        break;
    case MD_BLOCK_HR:
        blank_between_blocks(r);
        for (int i = 0; i < 20 && i < r->md->n_cols - indent_of(r); i++)
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
        struct list *list =
                r->n_lists > 0 && r->n_lists <= NESTING_MAX ? &r->lists[r->n_lists - 1] : NULL;
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
        flush(r, false);
        break;
    case MD_BLOCK_TABLE:
        end_table(r);
        break;
    case MD_BLOCK_HTML:
    case MD_BLOCK_CODE:
        flush(r, true);
        r->indent -= 2;
        pop_style(r);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        leave_cell(r);
        pop_style(r);
        break;
    default:
        break;
    }
    return 0;
}

static void push_target(struct renderer *r, const MD_ATTRIBUTE *target)
{
    if (r->n_styles >= NESTING_MAX || target->size == 0)
        return;
    char *copy = mem_alloc(target->size + 1);
    memcpy(copy, target->text, target->size);
    r->targets[r->n_styles] = copy;
}

/* The target of a link or an image is shown: text and target may say different things. */
static void show_target(struct renderer *r)
{
    char *target = r->n_styles < NESTING_MAX ? r->targets[r->n_styles] : NULL;
    if (!target)
        return;
    struct slice shown = buf_slice(&r->text);
    size_t n = strlen(target);
    if (shown.n < n || memcmp(shown.ptr + shown.n - n, target, n) != 0) {
        add_text(r, SLICE(" ("), ROLE_DIM, 0);
        add_text(r, slice_of(target), ROLE_MD_LINK, 0);
        add_text(r, SLICE(")"), ROLE_DIM, 0);
    }
    mem_free(target);
    r->targets[r->n_styles] = NULL;
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
    case MD_SPAN_A:
        push_target(r, &((MD_SPAN_A_DETAIL *)detail)->href);
        push_style(r, r->role, ATTR_UNDERLINE);
        break;
    case MD_SPAN_IMG:
        push_target(r, &((MD_SPAN_IMG_DETAIL *)detail)->src);
        push_style(r, r->role, ATTR_UNDERLINE);
        break;
    default:
        push_style(r, r->role, 0);
    }
    return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    (void)detail;
    pop_style(r);
    if (type == MD_SPAN_A || type == MD_SPAN_IMG)
        show_target(r);
    return 0;
}

/* Numbers and the names that are met in answers; md4c gives entities as they stand. */
static struct slice decode_entity(struct slice s, char utf8[4])
{
    static const struct {
        const char *name, *text;
    } known[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""},
            {"&apos;", "'"}, {"&nbsp;", "\xC2\xA0"}, {"&ndash;", "\xE2\x80\x93"},
            {"&mdash;", "\xE2\x80\x94"}, {"&hellip;", "\xE2\x80\xA6"}, {"&copy;", "\xC2\xA9"},
            {"&times;", "\xC3\x97"}, {"&larr;", "\xE2\x86\x90"}, {"&rarr;", "\xE2\x86\x92"},
            {"&le;", "\xE2\x89\xA4"}, {"&ge;", "\xE2\x89\xA5"}, {"&ne;", "\xE2\x89\xA0"}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (slice_eq(s, known[i].name))
            return slice_of(known[i].text);
    if (s.n < 4 || s.ptr[1] != '#')
        return s;
    bool is_hex = (s.ptr[2] | 32) == 'x';
    unsigned long cp = strtoul(s.ptr + (is_hex ? 3 : 2), NULL, is_hex ? 16 : 10);
    return (struct slice){
            utf8, utf8_encode(cp == 0 || cp > 0x10FFFF ? 0xFFFD : (uint32_t)cp, utf8)};
}

static int take_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *user)
{
    struct renderer *r = user;
    struct slice s = {text, n};
    char utf8[4];
    if (type == MD_TEXT_BR)
        s = SLICE("\n");
    else if (type == MD_TEXT_SOFTBR)
        s = SLICE(" ");
    else if (type == MD_TEXT_NULLCHAR)
        s = SLICE("\xEF\xBF\xBD");
    else if (type == MD_TEXT_ENTITY)
        s = decode_entity(s, utf8);
    add_text(r, s, r->role, r->attrs);
    return 0;
}

static void render_part(struct markdown *md, struct slice source)
{
    static const MD_PARSER parser = {0,
            MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_NOHTMLSPANS |
                    MD_FLAG_NOHTMLBLOCKS | MD_FLAG_PERMISSIVEURLAUTOLINKS,
            enter_block, leave_block, enter_span, leave_span, take_text, NULL, NULL};
    struct renderer r = {.md = md, .role = ROLE_TEXT, .was_block = md->n_lines > 0};
    struct buf with_definitions;
    buf_init(&with_definitions, UINT32_MAX - 1);
    buf_init(&r.text, SIZE_MAX / 2);
    if (md->definitions.n && buf_add_slice(&with_definitions, buf_slice(&md->definitions)) &&
            buf_add_text(&with_definitions, "\n") && buf_add_slice(&with_definitions, source))
        source = buf_slice(&with_definitions);
    if (source.n && source.n < UINT32_MAX)
        md_parse(source.ptr, (MD_SIZE)source.n, &parser, &r);
    if (r.text.n)
        flush(&r, false);
    table_release(&r.table);
    buf_release(&with_definitions);
    buf_release(&r.text);
    mem_free(r.runs);
    for (int i = 0; i < NESTING_MAX; i++)
        mem_free(r.targets[i]);
}

static int note_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    (void)detail;
    *(bool *)user |= type != MD_BLOCK_DOC;
    return 0;
}

static int ignore_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    (void)type, (void)detail, (void)user;
    return 0;
}

static int ignore_span(MD_SPANTYPE type, void *detail, void *user)
{
    (void)type, (void)detail, (void)user;
    return 0;
}

static int ignore_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *user)
{
    (void)type, (void)text, (void)n, (void)user;
    return 0;
}

/* A line of its own that shows nothing. */
static bool is_definition(struct slice line)
{
    static const MD_PARSER parser = {
            0, 0, note_block, ignore_block, ignore_span, ignore_span, ignore_text, NULL, NULL};
    bool has_block = false;
    if (line.n < 4 || line.n > 2048 || line.ptr[0] != '[' || !memmem(line.ptr, line.n, "]:", 2))
        return false;
    return md_parse(line.ptr, (MD_SIZE)line.n, &parser, &has_block) == 0 && !has_block;
}

static void forget_parts(struct markdown *md)
{
    md->n_stable_bytes = md->n_stable_lines = md->n_stable_spans = md->n_stable_text = 0;
}

static void update_definitions(struct markdown *md, struct slice source)
{
    struct buf found;
    buf_init(&found, DEFINITIONS_MAX_BYTES);
    markdown_find_definitions(source, is_definition, &found);
    if (!slice_eq(buf_slice(&found), buf_text(&md->definitions)))
        forget_parts(md);
    buf_release(&md->definitions);
    md->definitions = found;
}

void markdown_render(struct markdown *md, struct slice source, int n_cols)
{
    if (md->text.max_bytes == 0)
        buf_init(&md->text, SIZE_MAX / 2);
    if (n_cols != md->n_cols || source.n < md->n_stable_bytes)
        forget_parts(md);
    update_definitions(md, source);
    md->n_cols = n_cols;
    md->n_lines = md->n_stable_lines;
    md->n_spans = md->n_stable_spans;
    md->text.n = md->n_stable_text;
    size_t at = md->n_stable_bytes, end;
    for (; (end = markdown_part_end(source, at)) > at; at = end) {
        render_part(md, (struct slice){source.ptr + at, end - at});
        md->n_stable_bytes = end;
        md->n_stable_lines = md->n_lines;
        md->n_stable_spans = md->n_spans;
        md->n_stable_text = md->text.n;
    }
    render_part(md, (struct slice){source.ptr + at, source.n - at});
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

void markdown_draw_line(
        const struct markdown *md, size_t i_line, struct surface *out, int row, int col)
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
    buf_release(&md->definitions);
    mem_free(md->spans);
    mem_free(md->lines);
    *md = (struct markdown){0};
}
