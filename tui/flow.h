/*
 * flow.h - a line of parts, each drawn as a whole: on this row, else on the next, else not at
 * all. So a narrow screen leaves something out but never cuts a word or a number.
 */
#ifndef TUI_FLOW_H
#define TUI_FLOW_H

#include "engine/base.h"

#include "tui/role.h"

struct surface;

struct flow {
    struct surface *out;
    int row, col; /* where the next part goes; rows begin at column 1 */
    int last_row;
    int gap;     /* columns between two parts */
    int reserve; /* columns of the last row that this part must leave free */
};

/* False: there was no room. The first part of a row is always drawn, clipped if it must be. */
bool flow_put(struct flow *f, enum role role, const char *fmt, ...) PRINTF(3, 4);

#endif
