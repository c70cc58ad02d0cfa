/* token_color.h - what the text of an answer can be coloured by, and how: a level of RAMP_TEXT
 * per byte. Pure. */
#ifndef TUI_TOKEN_COLOR_H
#define TUI_TOKEN_COLOR_H

#include "tui/token_map.h"

struct surface;

enum token_color {
    TOKEN_COLOR_OFF,
    TOKEN_COLOR_MARGIN,
    TOKEN_COLOR_ENTROPY,
    TOKEN_COLOR_LOGPROB,
    TOKEN_COLOR_MS,
    TOKEN_COLOR_COUNT
};

const char *token_color_name(enum token_color color);
/* 0 (sure, likely, fast) to RAMP_LEVELS - 1; negative: the record does not tell. */
int token_color_level(enum token_color color, const struct token_log *log, size_t i_record);
/* tints[i] = 1 + level of the token that byte i of the part belongs to; 0: of none. */
void token_color_tints(enum token_color color, const struct token_log *log,
        const struct token_map *map, enum answer_part part, uint8_t *tints, size_t n_bytes);
/* One row: what is shown and the ends of the scale. */
void token_color_draw_legend(enum token_color color, struct surface *out, int row);

#endif
