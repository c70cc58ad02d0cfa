/* search_line.c - the line above a list that is typed after "/". */
#include "tui/search_line.h"

#include <string.h>

#include "tui/surface.h"
#include "tui/vtin.h"

static void insert(struct search_line *s, uint32_t code)
{
    char utf8[4];
    size_t n = strlen(s->text), n_bytes = utf8_encode(code, utf8);
    if (n + n_bytes >= sizeof s->text)
        return;
    memcpy(s->text + n, utf8, n_bytes);
    s->text[n + n_bytes] = '\0';
}

/* Its lines in one, as far as there is room. */
static void paste(struct search_line *s, struct slice text)
{
    uint32_t code;
    for (size_t at = 0; at < text.n;) {
        at += utf8_decode(text.ptr + at, text.n - at, &code);
        insert(s, code < 0x20 ? ' ' : code);
    }
}

static void erase_last(struct search_line *s)
{
    size_t n = strlen(s->text);
    s->text[utf8_whole(s->text, n - (n > 0))] = '\0';
}

enum search_took search_line_take(struct search_line *s, const struct key *key)
{
    if (!s->is_typing || key->mods & (MOD_CTRL | MOD_ALT))
        return SEARCH_NONE;
    if (key->code == KEY_ENTER) {
        s->is_typing = false;
        return SEARCH_KEY;
    }
    if (key->code == KEY_ESC)
        *s = (struct search_line){0};
    else if (key->code == KEY_PASTE)
        paste(s, key->text);
    else if (key->code == KEY_BACKSPACE)
        erase_last(s);
    else if (key->code >= 0x20 && key->code < KEY_SPECIAL)
        insert(s, key->code);
    else
        return SEARCH_NONE;
    return SEARCH_TEXT;
}

bool search_line_is_shown(const struct search_line *s)
{
    return s->is_typing || s->text[0];
}

int search_line_draw(const struct search_line *s, struct surface *out)
{
    int col = 1 + surface_puts(out, 0, 1, ROLE_HINT_KEY, "/ ");
    col += surface_puts(out, 0, col, ROLE_INPUT, s->text);
    if (s->is_typing)
        surface_cursor(out, 0, col);
    return col;
}
