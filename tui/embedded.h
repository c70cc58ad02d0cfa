/* embedded.h - files that the build put into the program: themes, manual pages,
 * topics of the help. */
#ifndef TUI_EMBEDDED_H
#define TUI_EMBEDDED_H

#include <stddef.h>

struct embedded {
    const char *name; /* NULL ends the list */
    const char *bytes;
    size_t n;
};
extern const struct embedded embedded_themes[], embedded_pages[], embedded_topics[];

#endif
