/* notes.h - what a view's words and numbers mean: shown by its help below the keys. */
#ifndef TUI_NOTES_H
#define TUI_NOTES_H

#include <stddef.h>

#include "tui/commands.h"

struct buf;

struct note {
    enum context context;
    const char *name,
            *text; /* text: {…} stands for what the router works with, see note_print */
};
extern const struct note notes[];
extern const size_t n_notes;

/* Appends its text with the router's numbers in place. */
void note_print(const struct note *note, struct buf *out);

#endif
