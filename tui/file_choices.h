/*
 * file_choices.h - the list over the input while `@path` is typed: files and folders that fit
 * the word under the cursor, and what Tab, the arrows, Enter and Esc do to it.
 */
#ifndef TUI_FILE_CHOICES_H
#define TUI_FILE_CHOICES_H

#include "tui/commands.h"
#include "tui/file_list.h"
#include "tui/fuzzy.h"

struct editor;
struct surface;

struct file_choices { /* zero-initialised is closed */
    bool is_open, is_walked;
    int selected, top;
    struct file_list list;
    char *folder, *pattern; /* the word as it was taken apart; NULL: none yet */
    struct fuzzy_hit *hits; /* best first */
    size_t n_hits, cap_hits, n_looked_at;
};

/* The text was changed by typing: the list opens where the cursor is in such a word. */
void file_choices_restart(struct file_choices *c, const struct editor *editor);
void file_choices_close(struct file_choices *c);
/* Reads on; true while more is to come. */
bool file_choices_read(struct file_choices *c);
bool file_choices_are_shown(const struct file_choices *c);
/* True: the key was for the list. Enter on a name that is typed in full is the sender's. */
bool file_choices_run(struct file_choices *c, struct editor *editor, enum command command);
/* Rows that end above `bottom`. */
void file_choices_draw(struct file_choices *c, struct surface *out, int bottom);

#endif
