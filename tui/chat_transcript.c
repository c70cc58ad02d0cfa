/* chat_transcript.c - see chat_transcript.h. */
#include "tui/chat_transcript.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/session.h"
#include "router/session_tree.h"

#include "tui/message_lines.h"
#include "tui/surface.h"
#include "tui/view.h"
#include "tui/view_tokens.h"

#define EXACT_BELOW_LINES 100 /* more below the screen is told in messages: not laid out */

static void free_lines(struct message_lines **lines)
{
    if (*lines)
        message_lines_release(*lines);
    mem_free(*lines);
    *lines = NULL;
}

static void forget_path(struct transcript *t)
{
    mem_free(t->path);
    mem_free(t->siblings);
    t->path = NULL;
    t->siblings = NULL;
    t->n_path = 0;
}

static void clear(struct transcript *t)
{
    for (size_t i = 0; i < LAID_OUT_MAX; i++)
        free_lines(&t->lines[i]);
    mem_free(t->turned);
    t->turned = NULL;
    t->n_turned = 0;
    forget_path(t);
}

void transcript_release(struct transcript *t)
{
    clear(t);
}

static void open_session(struct transcript *t, const struct session *s)
{
    clear(t);
    t->session_id = s->id;
    t->follows = s->scroll_id == 0;
    t->top_id = s->scroll_id;
    t->top_line = (int)s->scroll_line;
    t->selected_id = 0;
}

void transcript_refresh(struct transcript *t, const struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (s->id != t->session_id)
        open_session(t, s);
    else if (t->path && s->load == t->load && s->leaf_id == t->leaf_id &&
             s->n_messages == t->n_messages)
        return;
    forget_path(t);
    t->load = s->load;
    t->leaf_id = s->leaf_id;
    t->n_messages = s->n_messages;
    t->n_path = session_path(s, &t->path);
    t->siblings = mem_alloc((t->n_path + 1) * sizeof *t->siblings);
    session_path_siblings(s, t->path, t->n_path, t->siblings);
}

size_t transcript_find(const struct transcript *t, int64_t id)
{
    size_t i = 0;
    while (i < t->n_path && t->path[i]->id != id)
        i++;
    return i;
}

static bool is_turned(const struct transcript *t, int64_t id)
{
    for (size_t i = 0; i < t->n_turned; i++)
        if (t->turned[i] == id)
            return true;
    return false;
}

void transcript_turn(struct transcript *t, int64_t id)
{
    for (size_t i = 0; i < t->n_turned; i++)
        if (t->turned[i] == id) {
            t->turned[i] = t->turned[--t->n_turned];
            return;
        }
    t->turned = mem_resize(t->turned, (t->n_turned + 1) * sizeof *t->turned);
    t->turned[t->n_turned++] = id;
}

static enum fold fold_of(
        const struct transcript *t, const struct app *app, const struct message *m)
{
    enum reasoning_mode mode = app_reasoning(app);
    bool is_coming = m->state == MESSAGE_RUNNING && m->text.n == 0;
    if (is_turned(t, m->id))
        return mode == REASONING_SHOW ? FOLD_LINE : FOLD_OPEN;
    if (mode == REASONING_HIDE)
        return FOLD_HIDDEN;
    if (mode == REASONING_SHOW)
        return FOLD_OPEN;
    return is_coming ? FOLD_TAIL : FOLD_LINE;
}

/* Message i of the path, laid out. */
static struct message_lines *lines_of(
        struct transcript *t, const struct app *app, size_t i, int n_cols)
{
    struct message_lines **lines = &t->lines[i % LAID_OUT_MAX];
    const struct message *m = t->path[i];
    const struct run *run =
            m->state == MESSAGE_RUNNING ? core_run_of(app_core(app), m->id) : NULL;
    struct message_look look = {t->color, fold_of(t, app, m),
            run && run->phase == RUN_ASKS ? run->decision.reason : NULL};
    if (!*lines)
        *lines = mem_alloc(sizeof **lines);
    message_lines_lay_out(*lines, m, &look, n_cols);
    return *lines;
}

/* The first visible message and line when the end is at the bottom. */
static size_t find_top_from_end(
        struct transcript *t, const struct app *app, int n_rows, int n_cols, int *line)
{
    int left = n_rows + 1; /* the last message's blank line may fall off */
    size_t i = t->n_path;
    while (i > 0 && left > 0)
        left -= lines_of(t, app, --i, n_cols)->n_lines;
    *line = left < 0 ? -left : 0;
    return i;
}

/* A message has a header and a blank line: this many end below the screen. */
static bool is_far_from_end(const struct transcript *t, size_t i, int n_rows)
{
    return t->n_path - i > (size_t)n_rows;
}

/* Scrolled or grown to the end, it follows again. */
static size_t find_top(
        struct transcript *t, const struct app *app, int n_rows, int n_cols, int *line)
{
    int line_end = 0;
    size_t i = t->follows ? t->n_path : transcript_find(t, t->top_id), i_end = t->n_path;
    if (i == t->n_path || !is_far_from_end(t, i, n_rows))
        i_end = find_top_from_end(t, app, n_rows, n_cols, &line_end);
    if (i > i_end || (i == i_end && t->top_line >= line_end)) {
        t->follows = t->follows || i < t->n_path;
        *line = line_end;
        return i_end;
    }
    int n_lines = lines_of(t, app, i, n_cols)->n_lines;
    *line = t->top_line < n_lines ? t->top_line : n_lines - 1;
    return i;
}

/* Marked without colour too: a bar at its left, and the header as a selected row. */
static void mark_selected(struct transcript *t, int i_line, struct surface *out, int row)
{
    surface_puts(out, row, 0, ROLE_TITLE, "\xE2\x96\x8C");
    if (i_line == 0)
        surface_mark(out, (struct rect){row, 1, 1, out->rect.n_cols - 1}, ROLE_SELECTED, 0);
    if (i_line == 0 || row == 0)
        t->selected_row = row;
}

/* Message i from `line` on into the rows from `row`; returns the row behind it. */
static int draw_message(
        struct transcript *t, struct app *app, size_t i, int line, struct surface *out, int row)
{
    const struct message *m = t->path[i];
    if (t->color && m->role == MSG_ASSISTANT)
        view_tokens_load(app, m);
    struct message_lines *l = lines_of(t, app, i, out->rect.n_cols);
    message_header_refresh(&l->header, app_core(app), m);
    for (; line < l->n_lines && row < out->rect.n_rows; line++, row++) {
        struct surface one = surface_part(out, (struct rect){row, 0, 1, out->rect.n_cols});
        message_lines_draw(l, app, m, &t->siblings[i], line, &one);
        if (m->id == t->selected_id && line < l->n_lines - 1)
            mark_selected(t, line, out, row);
    }
    return row;
}

/* The selection is always on the screen: what was scrolled away is not acted upon. */
static void keep_selection(struct transcript *t, const struct app *app, size_t i, int line)
{
    int row = -line;
    size_t selected = t->selected_id ? transcript_find(t, t->selected_id) : t->n_path;
    bool is_first_cut = line > 0 && i + 1 < t->n_path;
    if (!t->selected_id || i == t->n_path)
        return;
    for (size_t k = i; k <= selected && row < t->n_rows && selected < t->n_path; k++) {
        row += lines_of(t, app, k, t->n_cols)->n_lines;
        if (k == selected && row > 1)
            return;
    }
    bool fills_screen = lines_of(t, app, i, t->n_cols)->n_lines - line >= t->n_rows;
    t->selected_id = t->path[is_first_cut && !fills_screen ? i + 1 : i]->id;
}

/* What is below line `line` of message i. */
static void count_below(struct transcript *t, const struct app *app, size_t i, int line)
{
    t->n_below = 0;
    t->is_far = false;
    for (size_t k = i; k < t->n_path && !t->is_far; k++, line = 0) {
        t->n_below += lines_of(t, app, k, t->n_cols)->n_lines - line;
        t->is_far = t->n_below > EXACT_BELOW_LINES;
    }
    t->n_below -= t->n_below > 0; /* the blank line behind the last message */
    if (t->is_far)
        t->n_below = (int)(t->n_path - i);
}

void transcript_draw(struct transcript *t, struct app *app, struct surface *out)
{
    int line, row = 0;
    transcript_refresh(t, app);
    t->n_rows = out->rect.n_rows;
    t->n_cols = out->rect.n_cols;
    size_t i = find_top(t, app, t->n_rows, t->n_cols, &line);
    if (i < t->n_path) {
        t->top_id = t->path[i]->id;
        t->top_line = line;
    }
    keep_selection(t, app, i, line);
    while (i < t->n_path) {
        int end = draw_message(t, app, i, line, out, row);
        line += end - row;
        row = end;
        if (line < lines_of(t, app, i, t->n_cols)->n_lines)
            break;
        i++;
        line = 0;
    }
    count_below(t, app, i, line);
}

void transcript_scroll(struct transcript *t, const struct app *app, int n_lines)
{
    transcript_refresh(t, app);
    size_t i = transcript_find(t, t->top_id);
    if (i == t->n_path)
        return;
    int line = t->top_line + n_lines, n;
    while (line < 0 && i > 0)
        line += lines_of(t, app, --i, t->n_cols)->n_lines;
    while (i + 1 < t->n_path && line >= (n = lines_of(t, app, i, t->n_cols)->n_lines)) {
        line -= n;
        i++;
    }
    t->top_id = t->path[i]->id;
    t->top_line = line < 0 ? 0 : line;
    t->follows = false; /* drawing finds out whether this is the end */
}

void transcript_reveal(struct transcript *t, const struct app *app, size_t i)
{
    size_t top = transcript_find(t, t->top_id);
    int row = -t->top_line;
    if (i < top || (i == top && row < 0)) {
        transcript_to_message(t, t->path[i]->id);
        return;
    }
    for (size_t k = top; k < i && row < t->n_rows; k++)
        row += lines_of(t, app, k, t->n_cols)->n_lines;
    int n_lines = lines_of(t, app, i, t->n_cols)->n_lines - 1, by = row + n_lines - t->n_rows;
    if (row >= t->n_rows + n_lines)
        transcript_to_message(t, t->path[i]->id);
    else if (by > 0)
        transcript_scroll(t, app, by < row ? by : row);
}

bool transcript_has_words(const struct message *m, const char *words)
{
    char word[128];
    for (struct slice rest = slice_of(words); rest.ptr;) {
        struct slice next = slice_cut(&rest, ' ');
        snprintf(word, sizeof word, "%.*s", (int)next.n, next.ptr);
        if (!strcasestr(buf_text(&m->text), word))
            return false;
    }
    return true;
}

void transcript_seek(struct transcript *t, const struct app *app, const char *words)
{
    transcript_refresh(t, app);
    size_t i = t->n_path;
    while (i > 0 && !transcript_has_words(t->path[i - 1], words))
        i--;
    if (i > 0)
        transcript_to_message(t, t->path[i - 1]->id);
}

void transcript_to_message(struct transcript *t, int64_t id)
{
    t->follows = false;
    t->top_id = id;
    t->top_line = 0;
}

void transcript_to_top(struct transcript *t)
{
    if (t->n_path)
        transcript_to_message(t, t->path[0]->id);
}

void transcript_to_end(struct transcript *t)
{
    t->follows = true;
}

static bool is_answer(const struct transcript *t, size_t i)
{
    return t->path[i]->role == MSG_ASSISTANT;
}

int64_t transcript_answer(const struct transcript *t)
{
    size_t i = transcript_find(t, t->selected_id);
    if (i == t->n_path && !t->follows)
        i = transcript_find(t, t->top_id);
    while (i < t->n_path && !is_answer(t, i))
        i++;
    if (i < t->n_path)
        return t->path[i]->id;
    while (i > 0 && !is_answer(t, i - 1))
        i--;
    return i > 0 ? t->path[i - 1]->id : 0;
}

bool transcript_has_branches(const struct transcript *t, size_t i)
{
    return i < t->n_path && t->siblings[i].n > 1;
}
