/*
 * helper_hostile.h - text that wants to steer the terminal or to read differently from what it
 * is, and the question whether some of it got through. The ranges are written down here once
 * more, from the Unicode tables, so that a mistake of the program is not shared.
 */
#ifndef TESTS_HELPER_HOSTILE_H
#define TESTS_HELPER_HOSTILE_H

#include "tui/surface.h"

/* Appends n_pieces pieces: sequences, controls, broken UTF-8, marks, and letters between. */
void hostile_add(struct buf *out, uint64_t *rng, int n_pieces);
/* Well-formed UTF-8 without C0 (but LF and TAB), C1, bidirectional controls, or what is drawn
 * as nothing and hides text (zero width, tags). */
bool text_is_harmless(struct slice text);
bool screen_is_harmless(const struct screen *screen);
/* What a terminal got: the text between the sequences is harmless, and the sequences are those
 * that draw, set colours and modes. Else where it is not, as a C string of what stands there.
 */
const char *find_harm(struct slice bytes);

#endif
