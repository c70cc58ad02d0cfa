/* pane_side.h - what stands beside the conversation: route, figures of the newest answer, what
 * was spent, and its experts. */
#ifndef TUI_PANE_SIDE_H
#define TUI_PANE_SIDE_H

struct app;
struct core;
struct surface;

void pane_side_draw(const struct app *app, struct surface *out);

/* Only figures and cost, side by side. */
#define SIDE_SESSION_ROWS 6
void pane_side_draw_session(const struct core *core, struct surface *out);

#endif
