/* markdown_code.h - the code blocks of a message, as they were written. */
#ifndef TUI_MARKDOWN_CODE_H
#define TUI_MARKDOWN_CODE_H

#include "engine/base.h"

/* How many code blocks the text has; block *i, counted round when there are fewer, is added to
 * out without its last line end: pasted, it must not run by itself. */
size_t markdown_code(struct slice source, size_t *i, struct buf *out);

#endif
