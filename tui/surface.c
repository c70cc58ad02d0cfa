/* surface.c - see surface.h. */
#include "tui/surface.h"

#include <stdio.h>
#include <string.h>

#include "tui/text.h"

bool role_is_state(enum role role)
{
    return role == ROLE_OK || role == ROLE_WARN || role == ROLE_ERROR;
}

static const struct cell blank = {.text = " ", .n_bytes = 1, .width = 1, .role = ROLE_TEXT};

void screen_resize(struct screen *screen, int n_rows, int n_cols)
{
    if (screen->n_rows == n_rows && screen->n_cols == n_cols)
        return;
    screen->n_rows = n_rows;
    screen->n_cols = n_cols;
    screen->cells =
            mem_resize(screen->cells, (size_t)n_rows * (size_t)n_cols * sizeof *screen->cells);
}

void screen_release(struct screen *screen)
{
    mem_free(screen->cells);
    *screen = (struct screen){0};
}

struct surface screen_surface(struct screen *screen)
{
    for (int i = 0; i < screen->n_rows * screen->n_cols; i++)
        screen->cells[i] = blank;
    screen->cursor_row = screen->cursor_col = -1;
    return (struct surface){screen->cells, screen->n_cols,
            {0, 0, screen->n_rows, screen->n_cols}, &screen->cursor_row, &screen->cursor_col,
            screen->charset, false, false};
}

struct surface surface_content(const struct surface *s)
{
    struct surface content = *s;
    content.is_content = true;
    return content;
}

struct surface surface_passive(const struct surface *s)
{
    struct surface passive = *s;
    passive.is_passive = true;
    return passive;
}

void surface_copy(struct surface *s, const struct screen *from)
{
    int n_cols = s->rect.n_cols < from->n_cols ? s->rect.n_cols : from->n_cols;
    for (int row = 0; row < s->rect.n_rows && row < from->n_rows; row++)
        if (n_cols > 0)
            memcpy(&s->cells[(s->rect.row + row) * s->stride + s->rect.col],
                    &from->cells[row * from->n_cols], (size_t)n_cols * sizeof *s->cells);
}

static int at_least_0(int value)
{
    return value < 0 ? 0 : value;
}

struct surface surface_part(const struct surface *s, struct rect r)
{
    struct surface part = *s;
    int row = at_least_0(r.row), col = at_least_0(r.col);
    int n_rows = r.n_rows + (r.row < 0 ? r.row : 0),
        n_cols = r.n_cols + (r.col < 0 ? r.col : 0);
    n_rows = n_rows > s->rect.n_rows - row ? s->rect.n_rows - row : n_rows;
    n_cols = n_cols > s->rect.n_cols - col ? s->rect.n_cols - col : n_cols;
    part.rect = (struct rect){
            s->rect.row + row, s->rect.col + col, at_least_0(n_rows), at_least_0(n_cols)};
    return part;
}

static struct cell *cell_at(struct surface *s, int row, int col)
{
    if (row < 0 || col < 0 || row >= s->rect.n_rows || col >= s->rect.n_cols)
        return NULL;
    return &s->cells[(s->rect.row + row) * s->stride + s->rect.col + col];
}

/* Half of a wide cluster that is written over leaves a blank in its other half. */
static void unlink_wide(struct surface *s, struct cell *cell)
{
    int col = (int)(cell - s->cells) % s->stride;
    if (cell->width == 0 && col > 0) {
        cell[-1] = blank;
    } else if (cell->width == 2 && col + 1 < s->stride) {
        cell[1] = blank;
    }
}

static void put(struct surface *s, int row, int col, const struct cell *value)
{
    struct cell *cell = cell_at(s, row, col);
    if (!cell)
        return;
    unlink_wide(s, cell);
    *cell = *value;
    if (value->width != 2)
        return;
    struct cell *second = cell_at(s, row, col + 1);
    if (!second) { /* no room for the second half */
        *cell = blank;
        cell->role = value->role;
        cell->attrs = value->attrs;
        return;
    }
    unlink_wide(s, second);
    *second = *value;
    second->width = second->n_bytes = 0;
}

static char find_ascii(struct slice glyph)
{
    static const struct {
        const char *glyph;
        char ascii;
    } glyphs[] = {
#define GLYPH(character, in_ascii, what) {character, in_ascii},
#include "tui/glyphs.def"
#undef GLYPH
    };
    for (size_t i = 0; i < ARRAY_LEN(glyphs); i++)
        if (slice_eq(glyph, glyphs[i].glyph))
            return glyphs[i].ascii;
    return '\0';
}

/* What the surface's charset shows for it; *ascii is where a character of one column stands. */
static struct slice in_charset(const struct surface *s, struct slice shown, char *ascii)
{
    if (s->charset == CHARSET_UTF8)
        return shown;
    if (shown.n && !(shown.ptr[0] & 0x80)) /* and perhaps marks over it */
        return s->charset == CHARSET_ASCII ? (struct slice){shown.ptr, 1} : shown;
    *ascii = s->is_content ? '\0' : find_ascii(shown);
    if (!*ascii && s->charset == CHARSET_ASCII_CHROME)
        return shown;
    *ascii = *ascii ? *ascii : '?';
    return (struct slice){ascii, 1};
}

static int put_part(
        struct surface *s, int row, int col, struct cell cell, struct slice shown, int width)
{
    char ascii;
    if (s->is_passive && cell.role == ROLE_SELECTED)
        return width;
    shown = in_charset(s, shown, &ascii);
    if (shown.ptr == &ascii && width > 1)
        for (int i = 1; i < width; i++)
            put_part(s, row, col + i, cell, SLICE(" "), 1);
    int n_cols = shown.ptr == &ascii ? 1 : width;
    cell.n_bytes = (uint8_t)(shown.n < CELL_BYTES ? shown.n : CELL_BYTES);
    memcpy(cell.text, shown.ptr, cell.n_bytes);
    cell.width = (uint8_t)n_cols;
    put(s, row, col, &cell);
    return width;
}

static int put_cluster(
        struct surface *s, int row, int col, const struct cell *cell, const struct cluster *c)
{
    struct slice rest = c->bytes, part;
    int n_spacing = 0, start = col;
    while (text_next_part(c, &rest, CELL_BYTES, &part))
        n_spacing++;
    rest = c->bytes;
    for (int width = c->width - (n_spacing - 1); text_next_part(c, &rest, CELL_BYTES, &part);
            width = 1)
        col += put_part(s, row, col, *cell, part, width);
    return col - start;
}

int surface_text(
        struct surface *s, int row, int col, enum role role, int attrs, struct slice text)
{
    const struct cell cell = {.role = (uint8_t)role, .attrs = (uint8_t)attrs};
    struct surface own = *s; /* what stands for a character is the program's, not content */
    struct cluster c;
    int start = col;
    own.is_content = false;
    while (text_next_cluster(&text, &c) && c.bytes.ptr[0] != '\n') {
        if (c.bytes.ptr[0] == '\t')
            col += put_part(s, row, col, cell, SLICE(" "), 1);
        else if (!c.is_printable)
            col += put_part(&own, row, col, cell, SLICE("\xC2\xB7"), c.width);
        else
            col += put_cluster(s, row, col, &cell, &c);
    }
    return col - start;
}

int surface_puts(struct surface *s, int row, int col, enum role role, const char *text)
{
    return surface_text(s, row, col, role, 0, slice_of(text));
}

int surface_printf(struct surface *s, int row, int col, enum role role, const char *fmt, ...)
{
    char text[1024];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    text[utf8_whole(text, strlen(text))] = '\0';
    return surface_puts(s, row, col, role, text);
}

int surface_cut(
        struct surface *s, int row, int col, int n_cols, enum role role, struct slice text)
{
    int cols;
    if (n_cols < 1)
        return 0;
    if (text_fit(text, n_cols, &cols).n == text.n)
        return surface_text(s, row, col, role, 0, text);
    surface_text(s, row, col, role, 0, text_fit(text, n_cols - 1, &cols));
    return cols + surface_text(s, row, col + cols, role, 0, SLICE("\xE2\x80\xA6"));
}

void surface_puts_right(struct surface *s, int row, int end, enum role role, const char *text)
{
    surface_puts(s, row, end - text_width(slice_of(text)), role, text);
}

void surface_fill(struct surface *s, struct rect r, enum role role, char c)
{
    struct cell cell = {.text = {c}, .n_bytes = 1, .width = 1, .role = (uint8_t)role};
    for (int row = r.row; row < r.row + r.n_rows; row++)
        for (int col = r.col; col < r.col + r.n_cols; col++)
            put(s, row, col, &cell);
}

void surface_rule(struct surface *s, int row, enum role role, const char *title)
{
    const struct cell cell = {.role = (uint8_t)role};
    for (int col = 0; col < s->rect.n_cols; col++)
        put_part(s, row, col, cell, SLICE("\xE2\x94\x80"), 1);
    if (!title[0])
        return;
    surface_puts(s, row, 1, role, " ");
    int n = surface_puts(s, row, 2, ROLE_TITLE, title);
    surface_puts(s, row, 2 + n, role, " ");
}

void surface_column_rule(struct surface *s, int col, enum role role)
{
    const struct cell cell = {.role = (uint8_t)role};
    for (int row = 0; row < s->rect.n_rows; row++)
        put_part(s, row, col, cell, SLICE("\xE2\x94\x82"), 1);
}

void surface_heat(
        struct surface *s, int row, int col, enum ramp ramp, int level_top, int level_bottom)
{
    const struct cell cell = {.role = ROLE_TEXT,
            .ramp = (uint8_t)ramp,
            .level_top = (uint8_t)level_top,
            .level_bottom = (uint8_t)level_bottom};
    put_part(s, row, col, cell, SLICE("\xE2\x96\x80"), 1);
}

void surface_mark(struct surface *s, struct rect r, enum role role, int attrs)
{
    if (s->is_passive && role == ROLE_SELECTED)
        return;
    for (int row = r.row; row < r.row + r.n_rows; row++)
        for (int col = r.col; col < r.col + r.n_cols; col++) {
            struct cell *cell = cell_at(s, row, col);
            if (!cell)
                continue;
            cell->attrs |= (uint8_t)attrs;
            cell->is_selected = role == ROLE_SELECTED;
            bool keeps_role = cell->ramp != RAMP_NONE ||
                              (cell->is_selected && role_is_state((enum role)cell->role));
            if (!keeps_role)
                cell->role = (uint8_t)role;
        }
}

void surface_tint(struct surface *s, struct rect r, int level)
{
    for (int row = r.row; row < r.row + r.n_rows; row++)
        for (int col = r.col; col < r.col + r.n_cols; col++) {
            struct cell *cell = cell_at(s, row, col);
            if (cell)
                cell->tint = (uint8_t)(level + 1);
        }
}

void surface_cursor(struct surface *s, int row, int col)
{
    if (!cell_at(s, row, col))
        return;
    *s->cursor_row = s->rect.row + row;
    *s->cursor_col = s->rect.col + col;
}

/* A heat cell as text: both levels as one digit each would be two columns, so the hotter one,
 * 1-9 and a-c. */
static char heat_letter(const struct cell *cell)
{
    int level = cell->level_top > cell->level_bottom ? cell->level_top : cell->level_bottom;
    return level == 0 ? '.' : level < 10 ? (char)('0' + level) : (char)('a' + level - 10);
}

void screen_print(const struct screen *screen, struct buf *out)
{
    for (int row = 0; row < screen->n_rows; row++) {
        size_t last = out->n;
        for (int col = 0; col < screen->n_cols; col++) {
            const struct cell *cell = &screen->cells[row * screen->n_cols + col];
            if (cell->ramp != RAMP_NONE)
                buf_add(out, &(char){heat_letter(cell)}, 1);
            else
                buf_add(out, cell->text, cell->n_bytes);
            if (cell->ramp != RAMP_NONE || cell->n_bytes != 1 || cell->text[0] != ' ')
                last = out->n;
        }
        out->n = last;
        buf_add(out, "\n", 1);
    }
}
