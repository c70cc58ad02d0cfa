/*
 * clipboard.h - text on its way out of the program: cleaned, to the terminal's clipboard by
 * OSC 52, and always to a file, because no terminal says whether it took the escape sequence.
 */
#ifndef TUI_CLIPBOARD_H
#define TUI_CLIPBOARD_H

#include "engine/base.h"

#define OSC52_MAX_BYTES 74000 /* of base64: what the narrowest terminals take */

enum multiplexer { MULTIPLEXER_NONE, MULTIPLEXER_TMUX, MULTIPLEXER_SCREEN };

struct clipboard { /* where copied text goes */
    char *path;    /* of the file */
    enum multiplexer multiplexer;
};

/* All of it: writes the file, gives what is to be sent to the terminal, and tells what was done
 * with `what` (OK) or why it failed. */
void clipboard_copy(const struct clipboard *clipboard, struct slice text, const char *what,
        struct buf *escape, struct err *told);

/* Without what steers a terminal or makes text read differently from what it is, and without
 * malformed bytes: pasted, it is what was read. */
void clipboard_clean(struct slice text, struct buf *out);
/* The sequence that puts text into the terminal's clipboard, in what carries it through the
 * multiplexer. False: the text is too large for it, nothing is added. */
bool clipboard_escape(
        enum multiplexer multiplexer, struct slice text, struct buf *out) MUST_USE;

#endif
