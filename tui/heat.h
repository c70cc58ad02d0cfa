/*
 * heat.h - how numbers become heat levels and how a grid of layers x experts is folded into the
 * space there is. Pure.
 */
#ifndef TUI_HEAT_H
#define TUI_HEAT_H

#include <stdbool.h>

/* A value as a multiple of an even share on a logarithmic scale, 0 .. RAMP_LEVELS - 1 as a
 * real number. */
float heat_scale(float times_even);
/* The level to show, given the one that is shown: it moves only when the value is clearly
 * elsewhere, so that a screen full of slowly fading cells does not flicker. */
int heat_level(float scaled, int shown);

/* A folded grid: every cell stands for a block of layers x experts and shows the hottest of it.
 * Two map rows fit one screen row (half blocks), unless there is room for more. */
struct heat_map {
    int n_layers, n_experts;
    int layers_per_row, experts_per_col;
    int n_rows, n_cols; /* of the map */
    bool is_tall;       /* there is room: a map row takes a whole screen row */
    int cell_cols;      /* screen columns of a cell: 1 or 2 */
};
/* is_mono: a character cannot show two map rows. */
struct heat_map heat_map_fit(
        int n_layers, int n_experts, int n_screen_rows, int n_screen_cols, bool is_mono);
/* The greatest value of a cell's block, at least 0; 0 below the last row. */
float heat_map_hottest(const struct heat_map *map, int row, int col,
        float (*value)(const void *user, int layer, int expert), const void *user);
int heat_map_screen_rows(const struct heat_map *map);
int heat_map_row(const struct heat_map *map, int layer);
int heat_map_col(const struct heat_map *map, int expert);

#endif
