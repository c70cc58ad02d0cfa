/*
 * vtin.h - bytes from the terminal into keys, pastes and replies: an own parser, so that
 * unknown sequences are swallowed, a paste is one blob, and recorded input replays.
 */
#ifndef TUI_VTIN_H
#define TUI_VTIN_H

#include "engine/base.h"

enum key_code { /* values below KEY_SPECIAL are Unicode code points */
    KEY_SPECIAL = 0x110000,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_INSERT,
    KEY_DELETE,
    KEY_BACKSPACE,
    KEY_ENTER,
    KEY_TAB,
    KEY_ESC,
    KEY_F1,
    KEY_F2,
    KEY_F3,
    KEY_F4,
    KEY_F5,
    KEY_F6,
    KEY_F7,
    KEY_F8,
    KEY_F9,
    KEY_F10,
    KEY_F11,
    KEY_F12,
    KEY_PASTE, /* text: the pasted bytes, cleaned of ESC and C0 but TAB and LF */
    KEY_FOCUS_IN,
    KEY_FOCUS_OUT,
    KEY_CLICK, /* the left button was pressed at row, col */
    KEY_WHEEL_UP,
    KEY_WHEEL_DOWN,
    KEY_BACKGROUND, /* text: the terminal's answer to the question for its background colour,
                       "rgb:1e1e/1e1e/1e1e" */
    KEY_NONE        /* a sequence that means nothing to us */
};
enum { MOD_SHIFT = 1, MOD_ALT = 2, MOD_CTRL = 4 };

struct key {
    uint32_t code; /* code point (lower case for Ctrl letters) or enum key_code */
    uint8_t mods;
    int row, col;      /* of the mouse, from 0 */
    struct slice text; /* KEY_PASTE, KEY_BACKGROUND: valid until the next vtin call */
};

struct vtin;
struct vtin *vtin_open(void);
void vtin_close(struct vtin *in);
void vtin_feed(struct vtin *in, const char *bytes, size_t n, uint64_t now_ns);
/* The next finished key. False: more bytes (or the deadline) are needed. */
bool vtin_next(struct vtin *in, struct key *out, uint64_t now_ns);
/* The question has been asked: an answer may come in parts. */
void vtin_expect_background(struct vtin *in, uint64_t now_ns);
/* Takes a whole answer out of what has not been looked at, past keys that have to wait. */
bool vtin_take_background(struct vtin *in, struct key *out);
bool vtin_has_more(const struct vtin *in); /* bytes that have not been looked at */
/* When a lone ESC or an unfinished paste is to be ended; 0: nothing is pending. */
uint64_t vtin_deadline(const struct vtin *in);

#endif
