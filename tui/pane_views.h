/*
 * pane_views.h - on a very large screen the Experts, Fleet and Router views stand
 * beside the conversation, drawn by themselves on a part of the screen, above the figures of
 * its last answer. Each is left out when there is nothing to show in it; decisions are those of
 * the open session.
 */
#ifndef TUI_PANE_VIEWS_H
#define TUI_PANE_VIEWS_H

#include <stdint.h>

struct app;
struct screen;
struct surface;

/* The least size of the Chat view that has room for it. */
#define PANE_VIEWS_MIN_COLS 180
#define PANE_VIEWS_MIN_ROWS 41

enum {
    PANE_EXPERTS,
    PANE_FLEET,
    PANE_ROUTER,
    PANE_SESSION,
    PANE_COUNT,
    PANE_VIEW_COUNT = PANE_SESSION /* those before it */
};

struct pane_views {                /* zero-initialised is closed */
    void *states[PANE_VIEW_COUNT]; /* of the views, apart from those of the full views */
    struct screen *shown;          /* the panes as they were drawn last; NULL: never */
    uint64_t t_shown_ns, version_shown;
};

int pane_views_cols(int n_cols); /* of a screen so wide */
/* At most ten times a second the panes are drawn anew; in between they are as they were. */
void pane_views_draw(struct pane_views *panes, struct app *app, struct surface *out);
void pane_views_release(struct pane_views *panes);

#endif
