/*
 * external_editor.h - a text in the user's own editor: it is written to a file that nobody else
 * can read, the editor runs as a child on the terminal, and the file is read back and removed;
 * one that was written and cannot be taken stays. Who has the terminal is the caller's
 * business.
 */
#ifndef TUI_EXTERNAL_EDITOR_H
#define TUI_EXTERNAL_EDITOR_H

#include <sys/types.h>

#include "engine/base.h"

struct external_editor { /* zero-initialised: none runs */
    pid_t pid;           /* 0: none */
    char path[4096];     /* of the file */
    char command[128];   /* what was run, for who reads that it is missing */
    struct buf given;    /* what it held at first */
};

/* Runs `command FILE` by the shell, FILE in temp_dir. */
enum status external_editor_start(struct external_editor *x, const char *command,
        const char *temp_dir, struct slice text, struct err *err) MUST_USE;
/* True when it has ended; then the status says how, and `text` (initialised by the callee,
 * released by the caller only after OK) is what was written, without a line break at its end.
 */
bool external_editor_has_ended(struct external_editor *x, size_t max_bytes, struct buf *text,
        enum status *status, struct err *err);
/* Ends one that runs, and removes the file. */
void external_editor_release(struct external_editor *x);

#endif
