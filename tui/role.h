/* role.h - what a cell can look like: the role that gives its colour, attributes, heat ramps.
 */
#ifndef TUI_ROLE_H
#define TUI_ROLE_H

enum role { /* rows of roles.def: what a colour means */
#define ROLE(id, ...) ROLE_##id,
#include "tui/roles.def"
#undef ROLE
    ROLE_COUNT
};

enum { ATTR_BOLD = 1, ATTR_DIM = 2, ATTR_UNDERLINE = 4, ATTR_REVERSE = 8, ATTR_ITALIC = 16 };

enum ramp { RAMP_NONE, RAMP_ACTIVATION, RAMP_DIVERGING, RAMP_TEXT, RAMP_COUNT };
#define RAMP_LEVELS 12

#endif
