/*
 * surface.h - the grid of cells that views draw into. Pure memory: no terminal here; term.c
 * turns a finished surface into ncurses calls. Coordinates are (row, column) from 0; everything
 * is clipped to the surface's rectangle, so a view can draw as if it had room. A cell holds one
 * grapheme cluster; a wide one takes two cells, the second of which is a continuation (n_bytes
 * 0, width 0).
 */
#ifndef TUI_SURFACE_H
#define TUI_SURFACE_H

#include "engine/base.h"

#include "tui/role.h"

#define CELL_BYTES 23

struct cell {
    char text[CELL_BYTES]; /* UTF-8 of the cluster, not terminated */
    uint8_t n_bytes;
    uint8_t width; /* 1, 2, or 0 for the second half of a wide cluster */
    uint8_t role;
    uint8_t attrs; /* added to the role's own */
    uint8_t ramp;  /* not RAMP_NONE: colours come from the ramp, text is the half block */
    uint8_t level_top, level_bottom; /* 0..RAMP_LEVELS-1 */
    bool is_selected;                /* the background is that of ROLE_SELECTED */
    uint8_t tint; /* of text: 0, or 1 + a level of RAMP_TEXT that replaces the role's colour */
};

struct rect {
    int row, col, n_rows, n_cols;
};

struct surface {
    struct cell *cells;           /* of the whole screen */
    int stride;                   /* columns of the whole screen */
    struct rect rect;             /* what this surface may touch */
    int *cursor_row, *cursor_col; /* hardware cursor of the screen; -1: hidden */
    enum charset charset;
    bool is_passive; /* nothing can be selected here: ROLE_SELECTED is not drawn */
    bool is_content; /* what is drawn here was written by somebody: glyphs.def does not hold */
};

struct screen { /* owns the cells */
    struct cell *cells;
    int n_rows, n_cols, cursor_row, cursor_col;
    enum charset charset;
};
void screen_resize(struct screen *screen, int n_rows, int n_cols);
void screen_release(struct screen *screen);
struct surface screen_surface(struct screen *screen); /* the whole screen, cleared */
/* The part of `s` at r, relative to s, clipped. */
struct surface surface_part(const struct surface *s, struct rect r);
/* The same, for messages: their characters stay what they are where the terminal can show them.
 */
struct surface surface_content(const struct surface *s);

/* The same, for what is only looked at: no cursor, no selection. */
struct surface surface_passive(const struct surface *s);
/* The cells of a screen, as far as they fit. */
void surface_copy(struct surface *s, const struct screen *from);

/* Writes text from (row, col) rightwards; returns the columns it takes (also where clipped).
 * Control characters, bidi controls and malformed bytes become `·`; TAB becomes one
 * space (text_next_piece is for who wants it wider); stops at '\n'. */
int surface_text(
        struct surface *s, int row, int col, enum role role, int attrs, struct slice text);
int surface_puts(struct surface *s, int row, int col, enum role role, const char *text);
int surface_printf(struct surface *s, int row, int col, enum role role, const char *fmt, ...)
        PRINTF(5, 6);
/* At most n_cols columns; a longer text ends with "…". Returns the columns it takes. */
int surface_cut(
        struct surface *s, int row, int col, int n_cols, enum role role, struct slice text);
/* Right-aligned: ends before column `end`. */
void surface_puts_right(struct surface *s, int row, int end, enum role role, const char *text);
void surface_fill(struct surface *s, struct rect r, enum role role, char c);
void surface_rule(
        struct surface *s, int row, enum role role, const char *title); /* ─ title ──── */
void surface_column_rule(struct surface *s, int col, enum role role); /* │ top to bottom */
/* One cell showing two heat levels, upper and lower half. */
void surface_heat(
        struct surface *s, int row, int col, enum ramp ramp, int level_top, int level_bottom);
/* Adds attributes to cells that are there (cursor, selection). States keep their colour when
 * they are selected. */
void surface_mark(struct surface *s, struct rect r, enum role role, int attrs);
/* Colours text that is there with a level of RAMP_TEXT. */
void surface_tint(struct surface *s, struct rect r, int level);
void surface_cursor(struct surface *s, int row, int col);
/* Rows as text, trailing blanks dropped: golden screens and text twins. */
void screen_print(const struct screen *screen, struct buf *out);

#endif
