/*
 * palette.h - one place to find anything by a few of its letters: commands with their keys,
 * views, sessions, endpoints, themes. All of it comes from the tables and the core at each
 * look, so nothing has to be kept up to date here.
 */
#ifndef TUI_PALETTE_H
#define TUI_PALETTE_H

#include "tui/search_line.h"

struct app;
struct view_hint;

struct palette { /* zero-initialised is closed */
    bool is_open;
    struct search_line typed;
    int selected, top;
};

void palette_toggle(struct palette *p, struct app *app);
/* A key while it is open. False: not one of its own. Enter closes it and runs what is selected:
 * a command that takes words is written into the input line of Chat. */
bool palette_key(struct palette *p, const struct key *key, struct app *app);
extern const struct view_hint *const palette_hints; /* of its keys */
/* Over the upper part of the body. */
void palette_draw(struct palette *p, const struct app *app, struct surface *out);

#endif
