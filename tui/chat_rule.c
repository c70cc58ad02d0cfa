/* chat_rule.c - see chat_rule.h. */
#include "tui/chat_rule.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/chat_next.h"
#include "tui/chat_transcript.h"
#include "tui/keys.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define TITLE_MIN_COLS 8

/* At the right: what is below the screen. Returns the columns it takes. */
static int draw_below(
        const struct transcript *t, const struct app *app, struct surface *out, int row)
{
    const char *keys = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_SCROLL_END);
    bool is_above = app_core(app)->session->leaf_id && !t->follows;
    char text[64];
    if (!is_above || t->n_below < 1)
        return 0;
    snprintf(text, sizeof text, " \xE2\x86\x93 %d more %s%s  %s ", t->n_below,
            t->is_far ? "message" : "line", t->n_below == 1 ? "" : "s", keys ? keys : "");
    surface_puts_right(out, row, out->rect.n_cols - 1, ROLE_WARN, text);
    return text_width(slice_of(text)) + 1;
}

/* At the right where `left` columns leave room. */
static void draw_title(const char *title, struct surface *out, int row, int left)
{
    int n_cols = out->rect.n_cols, room = n_cols - left - 6, cols;
    room = room < n_cols / 2 - 4 ? room : n_cols / 2 - 4;
    if (!title[0] || room < TITLE_MIN_COLS)
        return;
    struct slice fit = text_fit(slice_of(title), room, &cols);
    cols += fit.n < strlen(title);
    int col = n_cols - cols - 3;
    surface_puts(out, row, col, ROLE_DIM, " ");
    surface_cut(out, row, col + 1, cols, ROLE_DIM, slice_of(title));
    surface_puts(out, row, col + 1 + cols, ROLE_DIM, " ");
}

/* Returns the columns it takes. */
static int draw_editing(struct surface *out, int row)
{
    static const char text[] = " editing: sent, it begins a branch ";
    surface_puts_right(out, row, out->rect.n_cols - 1, ROLE_WARN, text);
    return (int)sizeof text;
}

void chat_rule_draw(const struct chat_rule *r, struct app *app, struct surface *out, int row)
{
    surface_rule(out, row, ROLE_RULE, "");
    int taken =
            r->is_editing ? draw_editing(out, row) : draw_below(r->transcript, app, out, row);
    struct surface left =
            surface_part(out, (struct rect){row, 0, 1, out->rect.n_cols - 1 - taken});
    int col = chat_next_draw(r->next, app, r->draft, &left);
    if (!taken)
        draw_title(app_core(app)->session->title, out, row, col);
}
