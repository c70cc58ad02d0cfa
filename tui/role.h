/* role.h - what a cell can look like: the role that gives its colour, attributes, heat ramps,
 * characters. */
#ifndef TUI_ROLE_H
#define TUI_ROLE_H

#include <stdbool.h>

enum role { /* rows of roles.def: what a colour means */
#define ROLE(id, ...) ROLE_##id,
#include "tui/roles.def"
#undef ROLE
    ROLE_COUNT
};
bool role_is_state(enum role role); /* surface.c */

enum { ATTR_BOLD = 1, ATTR_DIM = 2, ATTR_UNDERLINE = 4, ATTR_REVERSE = 8, ATTR_ITALIC = 16 };

enum ramp { RAMP_NONE, RAMP_ACTIVATION, RAMP_TEXT, RAMP_COUNT };
#define RAMP_LEVELS 12

enum charset {
    CHARSET_UTF8,
    CHARSET_ASCII_CHROME, /* what the program draws by itself is ASCII, texts are as they are */
    CHARSET_ASCII         /* the terminal shows nothing else: `?` in texts */
};

#endif
