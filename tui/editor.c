/*
 * editor.c - see editor.h. The text is one buffer; a long paste is inserted with one move of
 * the tail.
 */
#include "tui/editor.h"

#include <string.h>

#include "tui/surface.h"
#include "tui/text.h"
#include "tui/vtin.h"

#define UNDO_MAX       200
#define UNDO_MAX_BYTES (8u << 20) /* together; the newest step is kept whatever it takes */

struct editor_undo {
    char *text;
    size_t n, cursor;
    bool is_typing; /* letters typed one after the other are one step */
};

void editor_init(struct editor *e)
{
    *e = (struct editor){.goal_col = -1};
    buf_init(&e->text, EDITOR_MAX_BYTES);
    buf_init(&e->killed, EDITOR_MAX_BYTES);
    buf_init(&e->draft, EDITOR_MAX_BYTES);
}

static void free_undo(struct editor *e)
{
    for (size_t i = 0; i < e->n_undo; i++)
        mem_free(e->undo[i].text);
    e->n_undo = 0;
}

void editor_release(struct editor *e)
{
    free_undo(e);
    mem_free(e->undo);
    editor_lines_release(&e->lines);
    for (size_t i = 0; i < e->n_history; i++)
        mem_free(e->history[i]);
    mem_free(e->history);
    buf_release(&e->text);
    buf_release(&e->killed);
    buf_release(&e->draft);
}

void editor_clean(struct buf *out, struct slice text)
{
    size_t done = 0, n;
    for (size_t i = 0; i < text.n; i += n) {
        uint32_t cp;
        n = utf8_decode(text.ptr + i, text.n - i, &cp);
        if (cp != 0 && cp != '\r' && !(cp == 0xFFFD && n == 1))
            continue;
        bool is_crlf = cp == '\r' && i + 1 < text.n && text.ptr[i + 1] == '\n';
        buf_add(out, text.ptr + done, i - done);
        buf_add_text(out, is_crlf ? "" : cp == '\r' ? "\n" : "\xEF\xBF\xBD");
        done = i + n;
    }
    buf_add(out, text.ptr + done, text.n - done);
}

static void drop_oldest_undo(struct editor *e)
{
    mem_free(e->undo[0].text);
    memmove(e->undo, e->undo + 1, --e->n_undo * sizeof *e->undo);
}

static void remember_state(struct editor *e, bool is_typing)
{
    if (is_typing && e->n_undo && e->undo[e->n_undo - 1].is_typing)
        return;
    if (!e->undo)
        e->undo = mem_alloc(UNDO_MAX * sizeof *e->undo);
    size_t n_bytes = e->text.n;
    for (size_t i = 0; i < e->n_undo; i++)
        n_bytes += e->undo[i].n;
    while (e->n_undo && (e->n_undo == UNDO_MAX || n_bytes > UNDO_MAX_BYTES)) {
        n_bytes -= e->undo[0].n;
        drop_oldest_undo(e);
    }
    e->undo[e->n_undo++] = (struct editor_undo){
            mem_dup(buf_text(&e->text), e->text.n + 1), e->text.n, e->cursor, is_typing};
}

/* The cluster border before / behind a place. */
static size_t step_left(const struct editor *e, size_t at)
{
    const char *text = buf_text(&e->text);
    size_t line = at;
    while (line > 0 && text[line - 1] != '\n' && at - line < 4096)
        line--;
    while (line > 0 &&
            ((unsigned char)text[line] & 0xC0) == 0x80) /* a long line: begin at a character */
        line--;
    if (line == at)
        return at > 0 ? at - 1 : 0;
    struct slice rest = {text + line, at - line};
    struct cluster c = {0};
    while (text_next_cluster(&rest, &c))
        continue;
    return (size_t)(c.bytes.ptr - text);
}

static size_t step_right(const struct editor *e, size_t at)
{
    struct slice rest = {buf_text(&e->text) + at, e->text.n - at};
    struct cluster c;
    return text_next_cluster(&rest, &c) ? at + c.bytes.n : at;
}

/* The border at a place, or behind it where it lies inside a cluster. */
static size_t next_border(const struct editor *e, size_t at)
{
    size_t end = at > 0 ? step_right(e, step_left(e, at)) : 0;
    return end > at ? end : at;
}

static size_t last_border(const struct editor *e, size_t at)
{
    size_t begin = step_left(e, at);
    return step_right(e, begin) > at ? begin : at;
}

void editor_set(struct editor *e, struct slice text, size_t cursor)
{
    free_undo(e);
    editor_lines_forget(&e->lines);
    buf_clear(&e->text);
    editor_clean(&e->text, text);
    cursor = cursor <= e->text.n ? cursor : e->text.n;
    while (cursor > 0 && ((unsigned char)buf_text(&e->text)[cursor] & 0xC0) == 0x80)
        cursor--;
    e->cursor = next_border(e, cursor);
    e->goal_col = -1;
    e->i_history = e->n_history;
}

/* The new text must fit. */
static void replace(struct editor *e, size_t begin, size_t end, struct slice with)
{
    size_t tail = e->text.n - end;
    char *rest = mem_dup(buf_text(&e->text) + end, tail);
    e->text.n = begin;
    buf_add_slice(&e->text, with);
    size_t cursor = e->text.n;
    buf_add(&e->text, rest, tail);
    mem_free(rest);
    editor_lines_change(&e->lines, buf_slice(&e->text), begin, end - begin, with.n);
    e->cursor = next_border(e, cursor); /* what was typed may join what follows */
    e->goal_col = -1;
}

static void insert(struct editor *e, struct slice text, bool is_typing)
{
    e->has_refused = e->text.n + text.n > EDITOR_MAX_BYTES;
    if (text.n == 0 || e->has_refused)
        return;
    remember_state(e, is_typing);
    replace(e, e->cursor, e->cursor, text);
}

void editor_insert(struct editor *e, struct slice text)
{
    struct buf clean;
    buf_init(&clean, EDITOR_MAX_BYTES);
    editor_clean(&clean, text);
    if (!clean.is_cut)
        insert(e, buf_slice(&clean), false);
    e->has_refused |= clean.is_cut;
    buf_release(&clean);
}

void editor_replace(struct editor *e, size_t begin, size_t end, struct slice with)
{
    e->has_refused = e->text.n - (end - begin) + with.n > EDITOR_MAX_BYTES;
    if (e->has_refused)
        return;
    remember_state(e, false);
    replace(e, begin, end, with);
}

static bool is_word(const struct editor *e, size_t at)
{
    unsigned char c = (unsigned char)buf_text(&e->text)[at];
    return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') ||
           ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static size_t word_left(const struct editor *e, size_t at)
{
    while (at > 0 && !is_word(e, at - 1))
        at--;
    while (at > 0 && is_word(e, at - 1))
        at--;
    return last_border(e, at);
}

static size_t word_right(const struct editor *e, size_t at)
{
    while (at < e->text.n && !is_word(e, at))
        at++;
    while (at < e->text.n && is_word(e, at))
        at++;
    return next_border(e, at);
}

static size_t line_start(const struct editor *e, size_t at)
{
    while (at > 0 && buf_text(&e->text)[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const struct editor *e, size_t at)
{
    while (at < e->text.n && buf_text(&e->text)[at] != '\n')
        at++;
    return at;
}

static int column_of(const struct editor *e, size_t begin, size_t at)
{
    return text_width((struct slice){buf_text(&e->text) + begin, at - begin});
}

static void lay_out(struct editor *e, int n_cols)
{
    editor_lines_lay_out(&e->lines, buf_slice(&e->text), n_cols < 1 ? 1 : n_cols);
}

static bool move_line(struct editor *e, int n_cols, int by)
{
    lay_out(e, n_cols);
    size_t i = editor_lines_find(&e->lines, e->cursor);
    if ((by < 0 && i == 0) || (by > 0 && i + 1 == e->lines.n))
        return false;
    const struct editor_line *at = &e->lines.rows[i], *to = at + by;
    int cols, goal = e->goal_col >= 0 ? e->goal_col
                                      : column_of(e, at->begin,
                                                e->cursor < at->end ? e->cursor : at->end);
    struct slice fit = text_fit(
            (struct slice){buf_text(&e->text) + to->begin, to->end - to->begin}, goal, &cols);
    e->cursor = to->begin + fit.n;
    bool has_next = to + 1 < e->lines.rows + e->lines.n;
    if (fit.n && has_next && e->cursor == to[1].begin) /* that is the start of the line below */
        e->cursor = step_left(e, e->cursor);
    e->goal_col = goal;
    return true;
}

static bool show_history(struct editor *e, int by)
{
    size_t wanted = e->i_history + (size_t)by;
    if ((by < 0 && e->i_history == 0) || (by > 0 && e->i_history >= e->n_history))
        return false;
    remember_state(e, false);
    if (e->i_history == e->n_history) {
        buf_clear(&e->draft);
        buf_add_slice(&e->draft, buf_slice(&e->text));
    }
    struct slice text =
            wanted == e->n_history ? buf_slice(&e->draft) : slice_of(e->history[wanted]);
    editor_lines_forget(&e->lines);
    buf_clear(&e->text);
    buf_add_slice(&e->text, text);
    e->cursor = e->text.n;
    e->i_history = wanted;
    e->goal_col = -1;
    return true;
}

static void delete (struct editor *e, size_t begin, size_t end)
{
    if (begin == end)
        return;
    remember_state(e, false);
    replace(e, begin, end, SLICE(""));
}

static void cut(struct editor *e, size_t begin, size_t end)
{
    if (begin == end)
        return;
    buf_clear(&e->killed);
    buf_add(&e->killed, buf_text(&e->text) + begin, end - begin);
    delete (e, begin, end);
}

static void undo(struct editor *e)
{
    if (e->n_undo == 0)
        return;
    struct editor_undo *u = &e->undo[--e->n_undo];
    editor_lines_forget(&e->lines);
    buf_clear(&e->text);
    buf_add(&e->text, u->text, u->n);
    e->cursor = u->cursor;
    e->goal_col = -1;
    e->i_history = e->n_history;
    mem_free(u->text);
}

static bool move_to(struct editor *e, size_t at)
{
    e->cursor = at;
    e->goal_col = -1;
    return true;
}

bool editor_run(struct editor *e, enum command command, int n_cols)
{
    if (e->n_undo)
        e->undo[e->n_undo - 1].is_typing = false;
    switch (command) {
    case CMD_NEWLINE:
        editor_insert(e, SLICE("\n"));
        return true;
    case CMD_CHAR_LEFT:
        return move_to(e, step_left(e, e->cursor));
    case CMD_CHAR_RIGHT:
        return move_to(e, step_right(e, e->cursor));
    case CMD_WORD_LEFT:
        return move_to(e, word_left(e, e->cursor));
    case CMD_WORD_RIGHT:
        return move_to(e, word_right(e, e->cursor));
    case CMD_LINE_START:
        return move_to(e, line_start(e, e->cursor));
    case CMD_LINE_END:
        return move_to(e, line_end(e, e->cursor));
    case CMD_LINE_UP:
        return move_line(e, n_cols, -1) || show_history(e, -1);
    case CMD_LINE_DOWN:
        return move_line(e, n_cols, 1) || show_history(e, 1);
    case CMD_HISTORY_PREV:
        return show_history(e, -1);
    case CMD_HISTORY_NEXT:
        return show_history(e, 1);
    case CMD_DELETE_LEFT:
        delete (e, step_left(e, e->cursor), e->cursor);
        return true;
    case CMD_DELETE_RIGHT:
        delete (e, e->cursor, step_right(e, e->cursor));
        return true;
    case CMD_KILL_WORD_LEFT:
        cut(e, word_left(e, e->cursor), e->cursor);
        return true;
    case CMD_KILL_WORD_RIGHT:
        cut(e, e->cursor, word_right(e, e->cursor));
        return true;
    case CMD_KILL_LINE_LEFT:
        cut(e, line_start(e, e->cursor), e->cursor);
        return true;
    case CMD_KILL_LINE_RIGHT: {
        size_t end = line_end(e, e->cursor);
        cut(e, e->cursor, end == e->cursor && end < e->text.n ? end + 1 : end);
        return true;
    }
    case CMD_YANK:
        editor_insert(e, buf_slice(&e->killed));
        return true;
    case CMD_UNDO:
        undo(e);
        return true;
    default:
        return false;
    }
}

bool editor_key(struct editor *e, const struct key *key)
{
    char utf8[4];
    if (key->code == KEY_PASTE) {
        editor_insert(e, key->text);
        return true;
    }
    if (key->code < 0x20 || key->code >= KEY_SPECIAL || key->mods & (MOD_CTRL | MOD_ALT))
        return false;
    insert(e, (struct slice){utf8, utf8_encode(key->code, utf8)}, true);
    return true;
}

static void forget_oldest(struct editor *e)
{
    e->history_bytes -= strlen(e->history[0]) + 1;
    mem_free(e->history[0]);
    memmove(e->history, e->history + 1, --e->n_history * sizeof *e->history);
}

void editor_remember(struct editor *e, struct slice text)
{
    struct buf clean;
    buf_init(&clean, EDITOR_MAX_BYTES);
    editor_clean(&clean, text);
    if (e->n_history == 0 || !slice_eq(buf_slice(&clean), e->history[e->n_history - 1])) {
        e->history = mem_resize(e->history, (e->n_history + 1) * sizeof *e->history);
        e->history[e->n_history++] = mem_strdup(buf_text(&clean));
        e->history_bytes += clean.n + 1;
    }
    while (e->history_bytes > HISTORY_MAX_BYTES)
        forget_oldest(e);
    buf_release(&clean);
    e->i_history = e->n_history;
}

int editor_n_lines(struct editor *e, int n_cols)
{
    lay_out(e, n_cols);
    return (int)e->lines.n;
}

static void draw_line(const struct surface *out, int row, struct slice line)
{
    struct surface content = surface_content(out);
    struct slice piece;
    int start = 0, col = 0, n_blanks;
    for (; text_next_piece(&line, &col, &piece, &n_blanks); start = col)
        surface_text(&content, row, start, ROLE_INPUT, 0, piece);
}

void editor_draw(struct editor *e, struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    lay_out(e, n_cols);
    int i_cursor = (int)editor_lines_find(&e->lines, e->cursor), n = (int)e->lines.n;
    if (i_cursor < e->scroll)
        e->scroll = i_cursor;
    if (i_cursor >= e->scroll + n_rows)
        e->scroll = i_cursor - n_rows + 1;
    int last_top = n - n_rows; /* the text may have become shorter */
    if (e->scroll > last_top)
        e->scroll = last_top > 0 ? last_top : 0;
    for (int row = 0; row < n_rows && e->scroll + row < n; row++) {
        const struct editor_line *line = &e->lines.rows[e->scroll + row];
        draw_line(out, row,
                (struct slice){buf_text(&e->text) + line->begin, line->end - line->begin});
    }
    const struct editor_line *at = &e->lines.rows[i_cursor];
    size_t shown = e->cursor < at->end ? e->cursor : at->end;
    int col = column_of(e, at->begin, shown < at->begin ? at->begin : shown);
    surface_cursor(out, i_cursor - e->scroll, col < n_cols ? col : n_cols - 1);
}
