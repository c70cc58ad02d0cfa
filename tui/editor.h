/*
 * editor.h - multi-line text input with readline's keys: pure state, no screen. Positions are
 * byte offsets on cluster borders.
 */
#ifndef TUI_EDITOR_H
#define TUI_EDITOR_H

#include "engine/base.h"

#include "tui/commands.h"
#include "tui/editor_lines.h"

struct key;
struct surface;

#define EDITOR_MAX_BYTES  (32u << 20)
#define HISTORY_MAX_BYTES (2 * EDITOR_MAX_BYTES)

struct editor {
    struct buf text;
    bool has_refused; /* the last insertion would not fit; whoever tells the user takes it back
                       */
    size_t cursor;
    struct buf killed; /* C-y */
    struct editor_undo *undo;
    size_t n_undo;
    char **history;              /* newest last */
    size_t n_history, i_history; /* i_history == n_history: the draft itself */
    size_t history_bytes;
    struct buf draft;          /* kept while history is shown */
    int goal_col;              /* of up/down; -1: none */
    int scroll;                /* first visible line */
    struct editor_lines lines; /* as they were drawn last */
};
void editor_init(struct editor *e);
void editor_release(struct editor *e);
/* Replaces the text; the steps of undo go. cursor: byte offset, beyond the end: at it. */
void editor_set(struct editor *e, struct slice text, size_t cursor);
/* Appends what comes from a paste, a file or a store as whole characters and lines that end
 * with LF, without NUL. */
void editor_clean(struct buf *out, struct slice text);
void editor_insert(struct editor *e, struct slice text);
/* Puts clean text in the place of [begin, end), the cursor behind it; can be undone. */
void editor_replace(struct editor *e, size_t begin, size_t end, struct slice with);
/* Commands of CTX_INPUT. False: not an editing command, or nothing to do (up on the first line,
 * …). */
bool editor_run(struct editor *e, enum command command, int n_cols);
bool editor_key(struct editor *e, const struct key *key); /* typed text and pastes */
/* Newest entry of the history, which forgets its oldest beyond HISTORY_MAX_BYTES. */
void editor_remember(struct editor *e, struct slice text);
int editor_n_lines(struct editor *e, int n_cols);
void editor_draw(struct editor *e, struct surface *out); /* places the hardware cursor */

#endif
