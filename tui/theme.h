/*
 * theme.h - colours and attributes of roles, and the heat ramps, from a .theme file (syntax of
 * conf.h) or the one that is built in.
 */
#ifndef TUI_THEME_H
#define TUI_THEME_H

#include "engine/base.h"

#include "tui/role.h"

#define COLOR_DEFAULT (-1)

struct color {
    int32_t rgb;       /* 0xRRGGBB or COLOR_DEFAULT */
    int16_t n256, n16; /* COLOR_DEFAULT or index */
};

struct style {
    struct color fg, bg;
    uint8_t attrs;
};

enum color_depth { COLOR_NEVER, COLOR_16, COLOR_256, COLOR_RGB };

struct theme {
    char name[32];
    struct style styles[ROLE_COUNT];
    struct color ramps[RAMP_COUNT][RAMP_LEVELS]; /* by enum ramp */
    char mono[RAMP_LEVELS + 1];                  /* glyphs for no-colour heat */
    enum color_depth depth;
    const char *term; /* $TERM */
};

/* text: a .theme file's bytes. Unknown roles and bad colours are reported; missing roles fall
 * back along roles.def. */
enum status theme_parse(
        struct theme *out, struct slice text, const char *name, struct err *err) MUST_USE;
struct slice theme_builtin(const char *name); /* bytes of themes/NAME.theme, or empty */

#endif
