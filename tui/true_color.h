/*
 * true_color.h - colours of 24 bits on top of ncurses' 256: a number of the palette stands for
 * each colour while ncurses computes a frame, and the frame's bytes are rewritten. Terminal
 * descriptions for direct colour are often not installed. Pure.
 */
#ifndef TUI_TRUE_COLOR_H
#define TUI_TRUE_COLOR_H

#include "engine/base.h"

#define TRUE_COLOR_FIRST 16 /* the terminal's own sixteen stay */
#define TRUE_COLOR_MAX   240

struct true_colors {
    int32_t rgb[TRUE_COLOR_MAX]; /* 0xRRGGBB */
    int n;
};

/* The number that stands for it; one that stands for another when there are too many. */
int true_color_number(struct true_colors *colors, int32_t rgb);
void true_color_write(const struct true_colors *colors, struct slice frame, struct buf *out);

#endif
