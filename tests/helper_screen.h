/*
 * helper_screen.h - golden screens: what a view draws, as text, compared with a file that a
 * person looked at. SHUNT_UPDATE_GOLDEN=1 writes the files anew.
 */
#ifndef TESTS_HELPER_SCREEN_H
#define TESTS_HELPER_SCREEN_H

#include "tui/surface.h"

/* tests/golden/screens/NAME.txt */
void screen_expect(const struct screen *screen, const char *name);

#endif
