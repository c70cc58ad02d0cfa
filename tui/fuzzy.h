/*
 * fuzzy.h - how well typed letters fit a name: they must stand in it in their order, not side
 * by side. One matcher for files, commands and the palette.
 */
#ifndef TUI_FUZZY_H
#define TUI_FUZZY_H

#include "engine/base.h"

#define FUZZY_NONE (-1)

/* Higher fits better; FUZZY_NONE: not at all. Blanks separate words that must all fit, in any
 * order; an empty pattern fits everything with 0. Letters fit in either case. Whole words,
 * their starts and letters side by side count most; of what fits alike the shorter text wins.
 */
int fuzzy_score(struct slice pattern, struct slice text);

/* Does a word of the text begin with these letters, in either case? */
bool fuzzy_begins_word(struct slice letters, struct slice text);

/* One of the names that fit. */
struct fuzzy_hit {
    int i, score;
    const char *name; /* decides between equal scores; NULL: the lower index does */
};
void fuzzy_sort(struct fuzzy_hit *hits, size_t n); /* best first */

#endif
