/* endpoint_mark.h - one sign for how an endpoint is, with its colour and its word. Pure. */
#ifndef TUI_ENDPOINT_MARK_H
#define TUI_ENDPOINT_MARK_H

#include <stdint.h>

#include "tui/role.h"

struct endpoint_state;
struct rate_limit;

enum endpoint_mark {
    MARK_OK,
    MARK_TRYING, /* the breaker lets one request through */
    MARK_LIMITED,
    MARK_OPEN,
    MARK_FAULTY, /* its key or file is missing */
    MARK_DRAINED,
    MARK_DISABLED,
    MARK_COUNT
};
struct endpoint_mark_def {
    const char *glyph, *word;
    enum role role;
};
extern const struct endpoint_mark_def endpoint_mark_defs[MARK_COUNT];

enum endpoint_mark endpoint_mark(const struct endpoint_state *e, uint64_t now_ns);
/* When time alone changes the mark or what is left in a window; 0: never. */
uint64_t endpoint_mark_until_ns(const struct endpoint_state *e, uint64_t now_ns);
/* What is left in a window, which is full again when its end has passed; NAN: not told. */
double endpoint_left(const struct rate_limit *limit, uint64_t now_ns);

#endif
