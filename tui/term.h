/*
 * term.h - the only ncurses user: takes a screen and brings the real terminal to it with one
 * write. ncurses draws into a memfd; raw mode, alternate screen, suspend, resize and restore
 * after a crash are done here, on an own non-blocking descriptor of /dev/tty.
 */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include <sys/types.h>

#include "tui/theme.h"

struct screen;
struct term;

/* name: $TERM. The theme is borrowed. */
enum status term_open(struct term **out, const char *name, const struct theme *theme,
        enum color_depth depth, struct err *err) MUST_USE;
void term_close(struct term *term);
int term_fd(const struct term *term); /* for poll: input; POLLOUT while term_wants_write */
bool term_wants_write(const struct term *term);
bool term_is_mono(const struct term *term);  /* shows no colours */
bool term_has_heat(const struct term *term); /* shows it in colours, else as characters */
void term_set_theme(struct term *term, const struct theme *theme); /* and draws from nothing */
/* Reports of the mouse as keys (vtin.h); while they come, the terminal selects no text. */
void term_set_mouse(struct term *term, bool is_on);
/* The answer comes as KEY_BACKGROUND (vtin.h), late or never. */
void term_ask_background(struct term *term);
void term_background_came(struct term *term);
void term_flush(struct term *term); /* continues a frame that did not fit */
/* Looks at the terminal's size (0x0 counts as 80x24). */
void term_check_size(struct term *term, int *n_rows, int *n_cols);
/* Sends what changed as one frame; nothing while term_wants_write. */
void term_show(struct term *term, const struct screen *screen);
/* Bytes that draw nothing, between two frames. */
void term_send(struct term *term, struct slice bytes);
void term_repaint(
        struct term *term); /* the next frame is drawn from nothing (Ctrl-L, after SIGCONT) */
ssize_t term_read(
        struct term *term, char *bytes, size_t n); /* 0: nothing (more) now; -1: gone */
void term_suspend(struct term *term); /* restores the terminal, stops the process, comes back */
void term_give(struct term *term);    /* hands the terminal to a child … */
void term_take(struct term *term);    /* … and takes it back */

#endif
