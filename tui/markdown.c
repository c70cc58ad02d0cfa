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
#include "tui/markdown_text.h"
#include "tui/surface.h"

#define INDENT_MAX            24
#define NESTING_MAX           64
#define TEXT_COLS_MIN         8
#define DEFINITIONS_MAX_BYTES 16384

struct list {
    bool is_ordered;
    unsigned number;
};

struct renderer {
    struct md_text text; /* of the current block */
    int indent;
    struct list lists[NESTING_MAX];
    int n_lists, depth;
    uint8_t role, attrs;
    uint8_t role_stack[NESTING_MAX], attr_stack[NESTING_MAX];
    char *targets[NESTING_MAX]; /* of links and images, beside the styles */
    int n_styles;
    int n_styles_of[NESTING_MAX]; /* open when the block at this depth began */
    bool was_block;
    struct md_table table; /* the open one */
};

static void blank_between_blocks(struct renderer *r)
{
    if (r->was_block && r->n_lists == 0)
        md_begin_line(r->text.md, 0);
    r->was_block = true;
}

/* Deep nesting leaves room for the text. */
static int indent_of(const struct renderer *r)
{
    int most = r->text.md->n_cols - TEXT_COLS_MIN;
    most = most < 0 ? 0 : most > INDENT_MAX ? INDENT_MAX : most;
    return r->indent < most ? r->indent : most;
}

static enum md_align align_of(MD_ALIGN align)
{
    return align == MD_ALIGN_RIGHT ? MD_RIGHT : align == MD_ALIGN_CENTER ? MD_CENTRE : MD_LEFT;
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
    if (--r->n_styles < NESTING_MAX) {
        r->role = r->role_stack[r->n_styles];
        r->attrs = r->attr_stack[r->n_styles];
    }
}

static void label_code(struct renderer *r, const MD_BLOCK_CODE_DETAIL *code)
{
    size_t n = code->lang.size < 40 ? code->lang.size : utf8_whole(code->lang.text, 40);
    if (n == 0)
        return;
    md_text_add(&r->text, (struct slice){code->lang.text, n}, ROLE_DIM, 0);
    md_text_flush(&r->text, indent_of(r), false);
}

static void enter_item(struct renderer *r)
{
    struct list *list =
            r->n_lists > 0 && r->n_lists <= NESTING_MAX ? &r->lists[r->n_lists - 1] : NULL;
    if (list && list->is_ordered)
        snprintf(r->text.mark, sizeof r->text.mark, "%u. ", list->number++);
    else
        snprintf(r->text.mark, sizeof r->text.mark, "\xE2\x80\xA2 ");
    int n = list && list->is_ordered ? (int)strlen(r->text.mark) : 2;
    r->indent += n > 3 ? n : 3;
}

static void begin_block(struct renderer *r, MD_BLOCKTYPE type, void *detail)
{
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        if (r->text.text.n)
            md_text_flush(&r->text, indent_of(r), false);
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
        if (r->text.text.n)
            md_text_flush(&r->text, indent_of(r), false);
        blank_between_blocks(r);
        r->table.n_columns = (int)((MD_BLOCK_TABLE_DETAIL *)detail)->col_count;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        md_table_begin_cell(
                &r->table, &r->text, align_of(((MD_BLOCK_TD_DETAIL *)detail)->align));
        push_style(r, r->role, type == MD_BLOCK_TH ? ATTR_BOLD : 0);
        break;
    case MD_BLOCK_HR:
        blank_between_blocks(r);
        for (int i = 0; i < 20 && i < r->text.md->n_cols - indent_of(r); i++)
            md_text_add(&r->text, SLICE("\xE2\x94\x80"), ROLE_RULE, 0);
        md_text_flush(&r->text, indent_of(r), false);
        break;
    default:
        break;
    }
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    if (++r->depth > NESTING_MAX)
        return 0;
    begin_block(r, type, detail);
    r->n_styles_of[r->depth - 1] = r->n_styles;
    return 0;
}

static int n_styles_of_block(const struct renderer *r)
{
    int depth = r->depth < NESTING_MAX ? r->depth : NESTING_MAX;
    return depth > 0 ? r->n_styles_of[depth - 1] : 0;
}

static void drop_target(struct renderer *r)
{
    if (r->n_styles >= NESTING_MAX)
        return;
    mem_free(r->targets[r->n_styles]);
    r->targets[r->n_styles] = NULL;
}

/* md4c 0.4.8 never tells the end of an address that goes on behind its cell. */
static void close_spans(struct renderer *r)
{
    while (r->n_styles > n_styles_of_block(r)) {
        pop_style(r);
        drop_target(r);
    }
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct renderer *r = user;
    (void)detail;
    close_spans(r);
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
        md_text_flush(&r->text, indent_of(r), false);
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
        md_text_flush(&r->text, indent_of(r), false);
        pop_style(r);
        break;
    case MD_BLOCK_P:
        md_text_flush(&r->text, indent_of(r), false);
        break;
    case MD_BLOCK_TABLE:
        md_table_flush(&r->table, &r->text, indent_of(r));
        break;
    case MD_BLOCK_HTML:
    case MD_BLOCK_CODE:
        md_text_flush(&r->text, indent_of(r), true);
        r->indent -= 2;
        pop_style(r);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        md_table_end_cell(&r->table, &r->text);
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
    struct slice shown = buf_slice(&r->text.text);
    size_t n = strlen(target);
    if (shown.n < n || memcmp(shown.ptr + shown.n - n, target, n) != 0) {
        md_text_add(&r->text, SLICE(" ("), ROLE_DIM, 0);
        md_text_add(&r->text, slice_of(target), ROLE_MD_LINK, 0);
        md_text_add(&r->text, SLICE(")"), ROLE_DIM, 0);
    }
    drop_target(r);
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
    if (r->n_styles <= n_styles_of_block(r))
        return 0; /* of a block before */
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
    md_text_add(&r->text, s, r->role, r->attrs);
    return 0;
}

/* md4c 0.4.8 looks at bytes behind an address that ends the text: it gets a copy, whose end is
 * a NUL. */
static void render_part(struct markdown *md, struct slice source)
{
    static const MD_PARSER parser = {0,
            MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_NOHTMLSPANS |
                    MD_FLAG_NOHTMLBLOCKS | MD_FLAG_PERMISSIVEURLAUTOLINKS,
            enter_block, leave_block, enter_span, leave_span, take_text, NULL, NULL};
    struct renderer r = {.text.md = md, .role = ROLE_TEXT, .was_block = md->n_lines > 0};
    struct buf text;
    buf_init(&text, UINT32_MAX - 1);
    buf_init(&r.text.text, SIZE_MAX / 2);
    buf_add_slice(&text, buf_slice(&md->definitions));
    buf_add_text(&text, md->definitions.n ? "\n" : "");
    if (source.n && buf_add_slice(&text, source))
        md_parse(text.ptr, (MD_SIZE)text.n, &parser, &r);
    if (r.text.text.n)
        md_text_flush(&r.text, indent_of(&r), false);
    md_table_release(&r.table);
    buf_release(&text);
    md_text_release(&r.text);
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
    struct renderer r = {.text.md = md, .role = ROLE_TEXT};
    buf_init(&r.text.text, SIZE_MAX / 2);
    md_text_add(&r.text, source, ROLE_TEXT, 0);
    md_text_flush(&r.text, indent_of(&r), false);
    md_text_release(&r.text);
}

void markdown_draw_line(
        const struct markdown *md, size_t i_line, struct surface *out, int row, int col)
{
    const struct md_line *line = &md->lines[i_line];
    struct surface content = surface_content(out);
    col += line->indent;
    for (uint32_t i = 0; i < line->n_spans; i++) {
        const struct md_span *span = &md->spans[line->i_span + i];
        bool is_own = span->role == ROLE_RULE || span->role == ROLE_MD_MARK;
        col += surface_text(is_own ? out : &content, row, col, (enum role)span->role,
                span->attrs, (struct slice){buf_text(&md->text) + span->start, span->n});
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
