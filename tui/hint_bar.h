/* hint_bar.h - the line of keys that are of use now. */
#ifndef TUI_HINT_BAR_H
#define TUI_HINT_BAR_H

#include "tui/commands.h"

struct key;
struct surface;
struct view_hint;

/* Hints of a view's own (struct view_ops), or NULL: the bindings of the context. */
void hint_bar_draw(const struct app *app, enum context context, const struct view_hint *own,
        struct surface *out, int row);

/* What may follow the first key of a sequence. */
void hint_bar_draw_sequence(const struct app *app, enum context context,
        const struct key *pending, struct surface *out, int row);

#endif
