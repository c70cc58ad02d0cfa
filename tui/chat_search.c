/* chat_search.c - see chat_search.h. */
#include "tui/chat_search.h"

#include <string.h>

#include "router/session.h"

#include "tui/chat_transcript.h"
#include "tui/surface.h"
#include "tui/view.h"

#define ROW_BYTES 8192

/* From message i on, in steps of `by`; once round. False: no message has the words. */
static bool find(const struct search_line *s, struct transcript *t, size_t i, int by,
        const struct app *app)
{
    for (size_t k = 0; k < t->n_path; k++) {
        if (transcript_has_words(t->path[i], s->text)) {
            t->selected_id = t->path[i]->id;
            transcript_reveal(t, app, i);
            return true;
        }
        i = (i + t->n_path + (size_t)by) % t->n_path;
    }
    return false;
}

bool chat_search_key(
        struct search_line *s, struct transcript *t, const struct key *key, struct app *app)
{
    enum search_took took = search_line_take(s, key);
    size_t i = transcript_find(t, t->selected_id);
    if (took == SEARCH_TEXT && s->text[0] && i < t->n_path && !find(s, t, i, -1, app))
        app_notice(app, OK, "no message has these words");
    return took != SEARCH_NONE;
}

bool chat_search_run(
        struct search_line *s, struct transcript *t, enum command command, struct app *app)
{
    int by = command == CMD_SEARCH_BEFORE ? -1 : 1;
    size_t i = transcript_find(t, t->selected_id);
    if (i == t->n_path)
        return false;
    if (command == CMD_SEARCH) {
        *s = (struct search_line){.is_typing = true};
        return true;
    }
    if (command != CMD_SEARCH_BEFORE && command != CMD_SEARCH_AFTER)
        return false;
    i = (i + t->n_path + (size_t)by) % t->n_path;
    int64_t old_id = t->selected_id;
    if (!s->text[0] || !find(s, t, i, by, app))
        app_notice(app, OK, "no message has these words");
    else if (t->selected_id == old_id)
        app_notice(app, OK, "only this message has these words");
    return true;
}

/* A row as text, and the column of each of its bytes. */
static void read_row(const struct surface *out, int row, char text[ROW_BYTES], int *cols)
{
    const struct cell *cells = out->cells + (out->rect.row + row) * out->stride + out->rect.col;
    size_t n = 0;
    for (int col = 0; col < out->rect.n_cols && n + CELL_BYTES < ROW_BYTES; col++)
        for (int k = 0; k < cells[col].n_bytes; k++) {
            cols[n] = col;
            text[n++] = cells[col].text[k];
        }
    text[n] = '\0';
}

static void mark_word(
        struct surface *out, int row, const char *text, const int *cols, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = text; n && (at = strcasestr(at, word)); at += n) {
        int from = cols[at - text], to = cols[at - text + (ptrdiff_t)n - 1];
        surface_mark(
                out, (struct rect){row, from, 1, to - from + 1}, ROLE_MATCH, ATTR_UNDERLINE);
    }
}

static void mark_row(const struct search_line *s, struct surface *out, int row)
{
    char text[ROW_BYTES], word[sizeof s->text];
    int cols[ROW_BYTES];
    read_row(out, row, text, cols);
    for (struct slice rest = slice_of(s->text); rest.ptr;) {
        struct slice next = slice_cut(&rest, ' ');
        memcpy(word, next.ptr, next.n);
        word[next.n] = '\0';
        mark_word(out, row, text, cols, word);
    }
}

void chat_search_draw(const struct search_line *s, struct surface *out)
{
    int n_rows = out->rect.n_rows;
    for (int row = 0; row < n_rows - 1 && s->text[0]; row++)
        mark_row(s, out, row);
    struct surface last = surface_part(out, (struct rect){n_rows - 1, 0, 1, out->rect.n_cols});
    surface_fill(&last, (struct rect){0, 0, 1, last.rect.n_cols}, ROLE_TEXT, ' ');
    search_line_draw(s, &last);
}
