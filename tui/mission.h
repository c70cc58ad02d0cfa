/*
 * mission.h - mission control: on a very large screen the Experts, Fleet and Router views stand
 * beside the conversation, drawn by themselves on a part of the screen, above the figures of
 * its last answer. Each is left out when there is nothing to show in it; decisions are those of
 * the open session.
 */
#ifndef TUI_MISSION_H
#define TUI_MISSION_H

#include <stdint.h>

struct app;
struct screen;
struct surface;

/* The least size of the Chat view that has room for it. */
#define MISSION_MIN_COLS 180
#define MISSION_MIN_ROWS 41

enum {
    MISSION_EXPERTS,
    MISSION_FLEET,
    MISSION_ROUTER,
    MISSION_SESSION,
    MISSION_PANES,
    MISSION_VIEWS = MISSION_SESSION /* those before it */
};

struct mission {                 /* zero-initialised is closed */
    void *states[MISSION_VIEWS]; /* of the views, apart from those of the full views */
    struct screen *shown;        /* the panes as they were drawn last; NULL: never */
    uint64_t t_shown_ns, version_shown;
};

int mission_cols(int n_cols); /* of a screen so wide */
/* At most ten times a second the panes are drawn anew; in between they are as they were. */
void mission_draw(struct mission *mission, const struct app *app, struct surface *out);
void mission_release(struct mission *mission);

#endif
