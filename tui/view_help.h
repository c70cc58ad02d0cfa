/* view_help.h - the keys of a context and what they do, and its notes, from the tables;
 * scrollable. */
#ifndef TUI_VIEW_HELP_H
#define TUI_VIEW_HELP_H

#include <stdbool.h>

#include "tui/commands.h"

struct app;
struct surface;

struct help {
    enum context context; /* whose keys are shown */
    enum context at; /* opens there; CTX_GLOBAL: at the beginning, or it was drawn already */
    int top, n_rows, n_lines;
};

void help_draw(struct help *help, const struct app *app, struct surface *out);
bool help_run(struct help *help, enum command command);

#endif
