/* search_line.c - the line above a list that is typed after "/". */
#include "tui/search_line.h"

#include <string.h>

#include "tui/line_input.h"
#include "tui/surface.h"
#include "tui/vtin.h"

static struct line_input line_of(struct search_line *s)
{
    return (struct line_input){s->text, sizeof s->text, &s->cursor};
}

void search_line_set(struct search_line *s, struct slice text)
{
    size_t n = text.n < sizeof s->text ? text.n : sizeof s->text - 1;
    s->cursor = utf8_whole(text.ptr, n);
    memcpy(s->text, text.ptr, s->cursor);
    s->text[s->cursor] = '\0';
}

enum search_took search_line_take(struct search_line *s, const struct key *key)
{
    if (!s->is_typing)
        return SEARCH_NONE;
    if (key->code == KEY_ESC) {
        *s = (struct search_line){0};
        return SEARCH_TEXT;
    }
    if (key->code == KEY_ENTER) {
        s->is_typing = false;
        return SEARCH_KEY;
    }
    enum line_took took = line_input_key(line_of(s), key);
    return took == LINE_NONE ? SEARCH_NONE : took == LINE_CHANGED ? SEARCH_TEXT : SEARCH_KEY;
}

bool search_line_is_shown(const struct search_line *s)
{
    return s->is_typing || s->text[0];
}

int search_line_draw_text(const struct search_line *s, struct surface *out, int row, int col)
{
    struct search_line seen = *s;
    return line_input_draw(line_of(&seen), out, row, col, ROLE_INPUT, s->is_typing);
}

int search_line_draw(const struct search_line *s, struct surface *out)
{
    int col = 1 + surface_puts(out, 0, 1, ROLE_HINT_KEY, "/ ");
    return search_line_draw_text(s, out, 0, col);
}
