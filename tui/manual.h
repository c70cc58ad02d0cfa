/*
 * manual.h - the manual pages inside the program, as text: for where there is no man(1). The
 * pages use few of the macros of mdoc(7); test_manual holds the text against mandoc's.
 */
#ifndef TUI_MANUAL_H
#define TUI_MANUAL_H

#include "engine/base.h"

/* The bytes of the page called "shunt-keys" or "keys"; empty: there is none. */
struct slice manual_find(const char *topic);
/* Appends the page's text, folded at n_cols. */
void manual_print(struct slice page, int n_cols, struct buf *out);

#endif
