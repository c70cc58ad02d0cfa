/* facts.h - the lines of a detail pane: sentences over the whole width, and short facts side by
 * side. Pure. */
#ifndef TUI_FACTS_H
#define TUI_FACTS_H

#include "tui/surface.h"

struct facts {
    struct surface *out;
    int row, n_per_row, i_next;
};

/* A label and a text that goes on below itself; "" takes no row. Returns the row behind it. */
int facts_line(
        struct surface *out, int row, const char *label, enum role role, const char *text);
/* Short facts from this row on, as many beside each other as have room. */
struct facts facts_begin(struct surface *out, int row);
void facts_add(struct facts *f, const char *label, const char *fmt, ...) PRINTF(3, 4);

#endif
