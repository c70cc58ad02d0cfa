/* message_lines.c - see message_lines.h. */
#include "tui/message_lines.h"

#include <stdio.h>
#include <string.h>

#include "router/session.h"

#include "tui/message_footer.h"
#include "tui/surface.h"

#define TAIL_ROWS 3 /* of reasoning while it comes: that it moves is what matters */

void message_lines_release(struct message_lines *l)
{
    for (int i = 0; i < PART_COUNT; i++) {
        markdown_release(&l->parts[i].md);
        tinted_text_release(&l->parts[i].tinted);
    }
    *l = (struct message_lines){0};
}

static const struct buf *bytes_of(const struct message *m, enum answer_part part)
{
    return part == PART_TEXT ? &m->text : &m->reasoning;
}

static struct slice shown_bytes(const struct message *m, enum answer_part part)
{
    return slice_trim(part == PART_TEXT ? message_typed(m) : buf_slice(bytes_of(m, part)));
}

/* Markdown does not keep where its words come from: coloured, an answer is shown as it was
 * sent. */
static void lay_out_tinted(struct part_lines *p, const struct message *m, enum answer_part part,
        enum token_color color, int n_cols)
{
    const struct buf *whole = bytes_of(m, part);
    struct slice shown = shown_bytes(m, part);
    struct token_map map = {0};
    uint8_t *tints = mem_alloc(whole->n + 1);
    tinted_text_wrap(&p->tinted, shown, n_cols);
    token_map_build(&map, &m->tokens, buf_slice(&m->reasoning), buf_slice(&m->text));
    token_color_tints(color, &m->tokens, &map, part, tints, whole->n);
    if (shown.n)
        memcpy(p->tinted.tints, tints + (shown.ptr - whole->ptr), shown.n);
    token_map_release(&map);
    mem_free(tints);
    p->n_lines = (int)p->tinted.n_lines;
}

static void lay_out_part(
        struct message_lines *l, const struct message *m, enum answer_part part, int n_cols)
{
    struct part_lines *p = &l->parts[part];
    if (l->is_tinted) {
        lay_out_tinted(p, m, part, l->color, n_cols);
        return;
    }
    if (m->role == MSG_ASSISTANT)
        markdown_render(&p->md, shown_bytes(m, part), n_cols);
    else
        markdown_render_plain(&p->md, shown_bytes(m, part), n_cols);
    p->n_lines = (int)p->md.n_lines;
}

static size_t count_chars(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    return n;
}

/* Lines of reasoning below the one that stands for it. */
static int count_unfolded(const struct message_lines *l)
{
    int n = l->parts[PART_REASONING].n_lines;
    if (l->fold == FOLD_OPEN)
        return n;
    return l->fold == FOLD_TAIL ? (n < TAIL_ROWS ? n : TAIL_ROWS) : 0;
}

static void lay_out_reasoning(struct message_lines *l, const struct message *m, int n_cols)
{
    l->n_reasoning = 0;
    if (m->reasoning.n == 0 || l->fold == FOLD_HIDDEN)
        return;
    l->n_reasoning_chars = count_chars(shown_bytes(m, PART_REASONING));
    if (l->fold != FOLD_LINE)
        lay_out_part(l, m, PART_REASONING, n_cols);
    l->n_reasoning = 1 + count_unfolded(l);
}

static bool is_laid_out(const struct message_lines *l, const struct message *m,
        const struct message_look *look, int n_cols)
{
    bool has_same_colors =
            l->color == look->color && (!l->color || l->n_records_bytes == m->tokens.records.n);
    return l->n_lines && l->message_id == m->id && l->version == m->version &&
           l->n_cols == n_cols && l->fold == look->fold && has_same_colors;
}

void message_lines_lay_out(struct message_lines *l, const struct message *m,
        const struct message_look *look, int n_cols)
{
    int n_text_cols = n_cols - MESSAGE_INDENT - 1;
    if (is_laid_out(l, m, look, n_cols))
        return;
    if (l->message_id != m->id)
        message_lines_release(l);
    l->message_id = m->id;
    l->version = m->version;
    l->n_cols = n_cols;
    l->color = look->color;
    l->fold = look->fold;
    l->n_records_bytes = m->tokens.records.n;
    l->is_tinted = look->color && m->role == MSG_ASSISTANT && m->tokens.record_bytes;
    lay_out_reasoning(l, m, n_text_cols);
    lay_out_part(l, m, PART_TEXT, n_text_cols);
    l->n_footer = message_footer_lines(m, look->question, n_cols);
    l->n_lines = 1 + l->n_reasoning + l->parts[PART_TEXT].n_lines + l->n_footer + 1;
}

static void draw_part(const struct message_lines *l, const struct message *m,
        enum answer_part part, int i_line, struct surface *out)
{
    const struct part_lines *p = &l->parts[part];
    enum role role = part == PART_TEXT ? ROLE_TEXT : ROLE_REASONING;
    int col = MESSAGE_INDENT + 1;
    struct surface text = surface_part(out, (struct rect){0, col, 1, out->rect.n_cols - col});
    if (l->is_tinted)
        tinted_text_draw_line(&p->tinted, shown_bytes(m, part), (size_t)i_line, &text, role);
    else
        markdown_draw_line(&p->md, (size_t)i_line, &text, 0, 0);
    if (part == PART_REASONING)
        surface_mark(out, (struct rect){0, 0, 1, out->rect.n_cols}, ROLE_REASONING, 0);
}

/* ▸ reasoned 6.2 s, 148 tok: what is known of it, or how long it is. */
static void draw_fold(
        const struct message_lines *l, const struct message *m, struct surface *out)
{
    char seconds[32] = "", amount[48];
    bool is_coming = m->state == MESSAGE_RUNNING && m->text.n == 0;
    if (m->reasoning_ms)
        snprintf(seconds, sizeof seconds, " %.1f s", m->reasoning_ms / 1000.0);
    if (m->usage.reasoning != TOKENS_UNKNOWN && m->usage.reasoning > 0)
        snprintf(amount, sizeof amount, "%u tok", m->usage.reasoning);
    else
        snprintf(amount, sizeof amount, "%zu characters", l->n_reasoning_chars);
    surface_printf(out, 0, MESSAGE_INDENT + 1, ROLE_REASONING, "%s %s%s, %s",
            l->fold == FOLD_LINE ? "\xE2\x96\xB8" : "\xE2\x96\xBE",
            is_coming ? "reasoning" : "reasoned", seconds, amount);
}

static void draw_reasoning(
        const struct message_lines *l, const struct message *m, int i_line, struct surface *out)
{
    int n_above = l->parts[PART_REASONING].n_lines - count_unfolded(l);
    if (i_line == 0)
        draw_fold(l, m, out);
    else
        draw_part(l, m, PART_REASONING, n_above + i_line - 1, out);
}

void message_lines_draw(const struct message_lines *l, const struct app *app,
        const struct message *m, const struct siblings *siblings, int i_line,
        struct surface *out)
{
    int i = i_line - 1, n_text = l->parts[PART_TEXT].n_lines;
    if (i_line == 0)
        message_header_draw(m, &l->header, siblings, out, 0);
    else if (i < l->n_reasoning)
        draw_reasoning(l, m, i, out);
    else if ((i -= l->n_reasoning) < n_text)
        draw_part(l, m, PART_TEXT, i, out);
    else if ((i -= n_text) < l->n_footer)
        message_footer_draw(app, m, i, out, 0);
}
