/* line_input.c - see line_input.h. */
#include "tui/line_input.h"

#include <string.h>

#include "tui/surface.h"
#include "tui/text.h"
#include "tui/vtin.h"

static enum line_took insert(struct line_input line, struct slice text)
{
    size_t n = strlen(line.text), at = *line.cursor;
    if (n + text.n >= line.n_bytes)
        return LINE_FULL;
    memmove(line.text + at + text.n, line.text + at, n - at + 1);
    memcpy(line.text + at, text.ptr, text.n);
    *line.cursor += text.n;
    return LINE_CHANGED;
}

static enum line_took paste(struct line_input line, struct slice text)
{
    struct buf clean;
    uint32_t code;
    char utf8[4];
    buf_init(&clean, line.n_bytes);
    for (size_t at = 0; at < text.n && !clean.is_cut;) {
        at += utf8_decode(text.ptr + at, text.n - at, &code);
        buf_add(&clean, utf8, utf8_encode(code < 0x20 ? ' ' : code, utf8));
    }
    enum line_took took =
            clean.is_cut ? LINE_FULL : insert(line, slice_trim(buf_slice(&clean)));
    buf_release(&clean);
    return took;
}

static void cut(struct line_input line, size_t from, size_t to)
{
    memmove(line.text + from, line.text + to, strlen(line.text + to) + 1);
    *line.cursor = from;
}

static size_t cluster_after(struct line_input line)
{
    struct slice rest = slice_of(line.text + *line.cursor);
    struct cluster cluster;
    return *line.cursor + (text_next_cluster(&rest, &cluster) ? cluster.bytes.n : 0);
}

static size_t cluster_before(struct line_input line)
{
    struct slice rest = {line.text, *line.cursor};
    struct cluster cluster;
    size_t at = 0, next = 0;
    while (text_next_cluster(&rest, &cluster)) {
        at = next;
        next += cluster.bytes.n;
    }
    return at;
}

static bool move(struct line_input line, uint32_t code, bool is_ctrl)
{
    if (code == KEY_LEFT || (is_ctrl && code == 'b'))
        *line.cursor = cluster_before(line);
    else if (code == KEY_RIGHT || (is_ctrl && code == 'f'))
        *line.cursor = cluster_after(line);
    else if (code == KEY_HOME || (is_ctrl && code == 'a'))
        *line.cursor = 0;
    else if (code == KEY_END || (is_ctrl && code == 'e'))
        *line.cursor = strlen(line.text);
    else
        return false;
    return true;
}

static bool erase(struct line_input line, uint32_t code, bool is_ctrl)
{
    if (code == KEY_BACKSPACE)
        cut(line, cluster_before(line), *line.cursor);
    else if (code == KEY_DELETE || (is_ctrl && code == 'd'))
        cut(line, *line.cursor, cluster_after(line));
    else if (is_ctrl && code == 'u')
        cut(line, 0, *line.cursor);
    else if (is_ctrl && code == 'k')
        cut(line, *line.cursor, strlen(line.text));
    else
        return false;
    return true;
}

enum line_took line_input_key(struct line_input line, const struct key *key)
{
    char utf8[4];
    if (key->code == KEY_PASTE)
        return paste(line, key->text);
    if (move(line, key->code, key->mods & MOD_CTRL))
        return LINE_MOVED;
    if (erase(line, key->code, key->mods & MOD_CTRL))
        return LINE_CHANGED;
    if (key->code < 0x20 || key->code >= KEY_SPECIAL || key->mods & (MOD_CTRL | MOD_ALT))
        return LINE_NONE;
    return insert(line, (struct slice){utf8, utf8_encode(key->code, utf8)});
}

static int width_to_cursor(struct line_input line, const char *from)
{
    return text_width((struct slice){from, *line.cursor - (size_t)(from - line.text)});
}

int line_input_draw(struct line_input line, struct surface *out, int row, int col,
        enum role role, bool has_cursor)
{
    struct slice rest = slice_of(line.text);
    struct cluster cluster;
    int n_cols = out->rect.n_cols - col - 1, n_seen;
    while (width_to_cursor(line, rest.ptr) >= n_cols && text_next_cluster(&rest, &cluster))
        continue;
    if (has_cursor)
        surface_cursor(out, row, col + width_to_cursor(line, rest.ptr));
    return col + surface_text(out, row, col, role, 0, text_fit(rest, n_cols, &n_seen));
}
