/* view_help.h - the keys of a context and what they do, and its notes, from the tables;
 * scrollable. A search goes through the keys of all contexts. */
#ifndef TUI_VIEW_HELP_H
#define TUI_VIEW_HELP_H

#include <stdbool.h>

#include "tui/commands.h"
#include "tui/search_line.h"

struct app;
struct key;
struct surface;
struct view_hint;

struct help {
    enum context context; /* whose keys are shown */
    enum context at; /* opens there; CTX_GLOBAL: at the beginning, or it was drawn already */
    int top, n_rows, n_lines;
    struct search_line search;
};

void help_draw(struct help *help, const struct app *app, struct surface *out);
bool help_run(struct help *help, enum command command);
/* Of the search while it is typed: true when the key was its own. */
bool help_key(struct help *help, const struct key *key);
const struct view_hint *help_hints(const struct help *help);

#endif
