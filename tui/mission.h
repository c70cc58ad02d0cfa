/*
 * mission.h - mission control: on a very large screen the Experts, Fleet and Router views stand
 * beside the conversation, drawn by themselves on a part of the screen. Each is left out when
 * there is nothing to show in it.
 */
#ifndef TUI_MISSION_H
#define TUI_MISSION_H

#include "tui/surface.h"

struct app;

/* The least size of the Chat view that has room for it. */
#define MISSION_MIN_COLS 180
#define MISSION_MIN_ROWS 41

enum { MISSION_EXPERTS, MISSION_FLEET, MISSION_ROUTER, MISSION_PANES };

struct mission {                 /* zero-initialised is closed */
    void *states[MISSION_PANES]; /* of the views, apart from those of the full views */
    struct screen shown;         /* the panes as they were drawn last */
    uint64_t t_shown_ns, version_shown;
};

int mission_cols(int n_cols); /* of a screen so wide */
/* At most ten times a second the panes are drawn anew; in between they are as they were. */
void mission_draw(struct mission *mission, const struct app *app, struct surface *out);
void mission_release(struct mission *mission);

#endif
