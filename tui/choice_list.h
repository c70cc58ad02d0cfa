/* choice_list.h - how a list to choose from looks above the input line: names, what they are.
 */
#ifndef TUI_CHOICE_LIST_H
#define TUI_CHOICE_LIST_H

#include "tui/surface.h"

struct choice {
    const char *name, *argument, *help; /* argument: NULL: takes none */
};

struct choice_list {
    const struct choice *rows;
    int n, selected;  /* selected -1: none */
    const char *mark; /* before each name */
};

/* Rows that end above `bottom`. *top is the first row in view and follows the selection. */
void choice_list_draw(
        const struct choice_list *list, int *top, struct surface *out, int bottom);

#endif
