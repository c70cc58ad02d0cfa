/*
 * helper_pty.h - the program in a terminal of the test's own: a small shell starts it as a
 * foreground job, so that it can be stopped and continued as in real life; what it writes is
 * kept as bytes and as a picture (libvterm).
 */
#ifndef TESTS_HELPER_PTY_H
#define TESTS_HELPER_PTY_H

#include <sys/types.h>

#include "engine/base.h"

struct pty_config {
    int n_rows, n_cols; /* 0: a terminal that does not know its size */
    const char *term;   /* $TERM; NULL: unset */
    char *const *argv;
};

struct pty;
struct pty *pty_open(const struct pty_config *cfg);
void pty_close(struct pty *pty); /* ends what still runs */
void pty_type(struct pty *pty, const char *bytes);
void pty_signal(struct pty *pty, int signum);
void pty_hang_up(struct pty *pty); /* the window was closed: nothing can be read or typed */
void pty_resize(struct pty *pty, int n_rows, int n_cols);
/* Reads for so long; returns how many bytes came. */
size_t pty_read(struct pty *pty, int ms);
/* Reads until the picture shows the text, else fails the test with the picture. */
void pty_wait_text(struct pty *pty, const char *text);
/* Reads until nothing came for 300 ms. */
void pty_wait_quiet(struct pty *pty);
/* Reads until the program stops, goes on or ends; its wait status. Without `reads` its output
 * is left where it is. */
int pty_wait_status(struct pty *pty, bool reads);
const char *pty_picture(
        struct pty *pty); /* rows, trailing blanks dropped; until the next call */
struct slice pty_bytes(const struct pty *pty);
/* The last word on a private mode: 'h' or 'l', 0 when it was never set. */
char pty_mode(const struct pty *pty, int mode);
bool pty_is_cooked(const struct pty *pty); /* lines and echo, as a shell leaves the terminal */

#endif
