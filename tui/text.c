/*
 * text.c - see text.h. utf8proc finds the clusters; how wide one is follows what ncurses and
 * wcwidth count, so that the screen never shifts: a spacing vowel sign and the second half of a
 * flag take a column of their own, a mark takes none. What terminals count differently among
 * themselves (joined emoji, skin tones, variation selectors) is left out.
 */
#include "tui/text.h"

#include <string.h>
#include <utf8proc.h>

/* Marks that make text read differently from what it is, and code points with no glyph. */
static bool is_shown(uint32_t cp)
{
    if ((cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200E ||
            cp == 0x200F || cp == 0x061C || cp == 0xFEFF || cp == 0xFFFD)
        return false;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CF:
        return false;
    default:
        return true;
    }
}

static int width_of(uint32_t cp)
{
    int width = utf8proc_charwidth((utf8proc_int32_t)cp);
    return width < 0 ? 0 : width > 2 ? 2 : width;
}

/* Takes a column of its own inside a cluster. */
static bool is_spacing(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_MC ||
           (cp >= 0x1F1E6 && cp <= 0x1F1FF);
}

static bool is_zero_width_mark(uint32_t cp)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)cp);
    bool is_selector = (cp >= 0xFE00 && cp <= 0xFE0F) || (cp >= 0xE0100 && cp <= 0xE01EF);
    return (category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME) &&
           !is_selector && cp != 0x20E3;
}

/* Takes the code point at the front, and the marks behind it that have room. */
static struct slice take_part(struct slice *cluster, size_t most_bytes)
{
    uint32_t cp;
    size_t n = utf8_decode(cluster->ptr, cluster->n, &cp);
    while (n < cluster->n) {
        size_t used = utf8_decode(cluster->ptr + n, cluster->n - n, &cp);
        if (!is_zero_width_mark(cp) || n + used > most_bytes)
            break;
        n += used;
    }
    struct slice part = {cluster->ptr, n};
    *cluster = (struct slice){cluster->ptr + n, cluster->n - n};
    return part;
}

bool text_next_part(
        const struct cluster *c, struct slice *rest, size_t most_bytes, struct slice *part)
{
    uint32_t cp;
    while (rest->n) {
        size_t n = utf8_decode(rest->ptr, rest->n, &cp);
        if (rest->ptr == c->bytes.ptr || is_spacing(cp)) {
            *part = take_part(rest, most_bytes);
            return true;
        }
        *rest = (struct slice){rest->ptr + n, rest->n - n};
    }
    return false;
}

bool text_next_cluster(struct slice *s, struct cluster *out)
{
    uint32_t cp, next;
    utf8proc_int32_t state = 0;
    if (s->n == 0)
        return false;
    size_t n = utf8_decode(s->ptr, s->n, &cp);
    *out = (struct cluster){.bytes = {s->ptr, n}, .is_printable = is_shown(cp)};
    out->width = cp == '\n' ? 0 : out->is_printable ? width_of(cp) : 1;
    if (out->is_printable && out->width == 0)
        out->width = 1; /* a mark without a base */
    /* Plain ASCII pairs need no look at the tables: most text is that. */
    bool is_ascii_pair = cp < 0x80 && s->n > n && (unsigned char)s->ptr[n] < 0x80;
    while (!is_ascii_pair && n < s->n && cp >= 0x20) {
        size_t used = utf8_decode(s->ptr + n, s->n - n, &next);
        if (utf8proc_grapheme_break_stateful(
                    (utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state))
            break;
        n += used;
        cp = next;
        out->width += out->is_printable && is_spacing(cp);
    }
    out->bytes.n = n;
    *s = (struct slice){s->ptr + n, s->n - n};
    return true;
}

static int width_at(const struct cluster *c, int col)
{
    return c->bytes.ptr[0] == '\t' ? TEXT_TAB_COLS - col % TEXT_TAB_COLS : c->width;
}

int text_width(struct slice s)
{
    struct cluster c;
    int width = 0;
    while (text_next_cluster(&s, &c))
        width += width_at(&c, width);
    return width;
}

bool text_next_piece(struct slice *s, int *col, struct slice *piece, int *n_blanks)
{
    if (s->n == 0)
        return false;
    const char *tab = memchr(s->ptr, '\t', s->n);
    size_t n = tab ? (size_t)(tab - s->ptr) : s->n;
    *piece = (struct slice){s->ptr, n};
    *col += text_width(*piece);
    *n_blanks = tab ? TEXT_TAB_COLS - *col % TEXT_TAB_COLS : 0;
    *col += *n_blanks;
    *s = (struct slice){s->ptr + n + (tab != NULL), s->n - n - (tab != NULL)};
    return true;
}

struct slice text_fit(struct slice s, int n_cols, int *cols)
{
    struct slice rest = s;
    struct cluster c;
    *cols = 0;
    for (struct slice before = rest; text_next_cluster(&rest, &c); before = rest) {
        int width = width_at(&c, *cols);
        if (*cols + width > n_cols)
            return (struct slice){s.ptr, (size_t)(before.ptr - s.ptr)};
        *cols += width;
    }
    return s;
}

static bool is_break(struct slice bytes)
{
    return bytes.n == 1 && (bytes.ptr[0] == ' ' || bytes.ptr[0] == '\t');
}

/* Takes [0, n) as the line and drops what separates it from the rest. */
static void cut(struct slice *s, size_t n, size_t n_dropped, struct slice *line)
{
    *line = (struct slice){s->ptr, n};
    *s = (struct slice){s->ptr + n + n_dropped, s->n - n - n_dropped};
}

bool text_wrap(struct slice *s, int n_cols, struct slice *line)
{
    struct slice rest = *s;
    struct cluster c;
    int cols = 0;
    size_t last_break = 0; /* the white space that may end the line; 0: none */
    if (s->n == 0)
        return false;
    while (text_next_cluster(&rest, &c)) {
        size_t at = (size_t)(c.bytes.ptr - s->ptr);
        if (c.bytes.ptr[0] == '\n' || c.bytes.ptr[0] == '\r') {
            cut(s, at, c.bytes.n, line);
            return true;
        }
        int width = width_at(&c, cols);
        if (cols + width > n_cols && at > 0) {
            if (is_break(c.bytes))
                cut(s, at, 1, line);
            else if (last_break)
                cut(s, last_break, 1, line);
            else
                cut(s, at, 0, line);
            return true;
        }
        if (is_break(c.bytes) && at > 0)
            last_break = at;
        cols += width;
    }
    cut(s, s->n, 0, line);
    return true;
}
