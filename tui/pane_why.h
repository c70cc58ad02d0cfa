/*
 * pane_why.h - the table that explains a decision: every candidate with the parts of its
 * expected cost, the cheapest first, those that are out last with their reason; then the
 * sentence, what was known of the request, and what would have changed the choice. One painter
 * for the Router view, the popup over Chat and the side pane: where it is narrow, columns go.
 */
#ifndef TUI_PANE_WHY_H
#define TUI_PANE_WHY_H

#include "engine/base.h"

struct decision;
struct decision_entry;
struct fleet;
struct surface;

/* An entry of the log, read when somebody looks at it. Zero is valid and empty. */
struct why {
    uint64_t serial; /* of the entry; 0: none */
    bool is_readable;
    struct decision *decision; /* it and the names of its candidates: in the arena */
    const char **names;
    struct arena arena;
};
void why_read(struct why *why, const struct decision_entry *entry);
void why_release(struct why *why);

/* What the candidates of a decision of this run are called. names: [ENDPOINTS_MAX]. */
void why_names(const struct decision *d, const struct fleet *fleet, const char **names);
/* Draws from `row` on, which may be negative (scrolled up); returns the row behind the last. */
int why_draw(const struct decision *d, const char *const *names, struct surface *out, int row);

#endif
