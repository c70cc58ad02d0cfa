/* choice_list.h - how a list to choose from looks above the input line: names, what they are.
 */
#ifndef TUI_CHOICE_LIST_H
#define TUI_CHOICE_LIST_H

#include "tui/surface.h"

struct choice {
    const char *name, *argument, *help; /* argument: NULL: takes none */
};

/* Rows that end above `bottom`, `mark` before each name; selected -1: none. *top is the first
 * row in view and follows the selection. */
void choice_list_draw(int *top, int selected, const struct choice *rows, int n,
        const char *mark, struct surface *out, int bottom);

#endif
