/*
 * theme.h - colours and attributes of roles, and the heat ramps, from .theme files (syntax of
 * conf.h): those of the user's folder go before those that are built in, and one may inherit
 * another. Which of them is used, look.h decides.
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

enum theme_variant { VARIANT_ANY, VARIANT_DARK, VARIANT_LIGHT }; /* the background it is for */
extern const char *const theme_variant_names[];

struct theme {
    enum theme_variant variant;
    struct style styles[ROLE_COUNT];
    struct color ramps[RAMP_COUNT][RAMP_LEVELS]; /* by enum ramp */
    char mono[RAMP_LEVELS + 1];                  /* glyphs of heat without colours */
};

#define THEME_NAME_BYTES 64
#define THEME_MAX_BYTES  (1u << 20)

/* Reads dir/NAME.theme, else the built-in NAME, and what it inherits. Mistakes are sentences
 * "FILE:LINE: …", a line each, in `problems`; what they stand in is left out, the rest holds;
 * NULL: nobody wants to know. False: there is no such theme; then `out` has the terminal's own
 * colours. */
bool theme_load(struct theme *out, const char *name, const char *dir, struct buf *problems);
/* Names in the arena, sorted: the built-in ones and the files of dir. */
size_t theme_list(const char *dir, struct arena *arena, const char ***out);
/* Heat in colours; else it is drawn with `mono`. */
bool theme_has_heat(const struct theme *theme);
/* The number of a colour where the terminal has so many: COLOR_DEFAULT, or an index below 16 or
 * 256. */
int theme_color_number(const struct color *color, enum color_depth depth);

#endif
