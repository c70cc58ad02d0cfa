/* stdin_text.h - text that is piped into the program. */
#ifndef TUI_STDIN_TEXT_H
#define TUI_STDIN_TEXT_H

#include "engine/base.h"

/* All of a pipe, socket or regular file, as far as it fits into out; of a terminal, /dev/null
 * or a closed descriptor nothing. A signal that has a handler ends it with ERR_CANCELLED. */
enum status stdin_read(struct buf *out, struct err *err) MUST_USE;

#endif
