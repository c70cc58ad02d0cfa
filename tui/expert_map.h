/*
 * expert_map.h - a folded grid of layers x experts on the screen: the ruler of experts, the
 * layers' numbers, one heat cell per block.
 */
#ifndef TUI_EXPERT_MAP_H
#define TUI_EXPERT_MAP_H

#include <stdint.h>

struct heat_map;
struct surface;

#define EXPERT_MAP_LABEL_COLS 5

/* levels: [map->n_rows][map->n_cols]; layers: N of blk.N of each layer. The ruler stands in row
 * `top`, heat_map_screen_rows rows follow. */
void expert_map_draw(const struct heat_map *map, const uint8_t *levels, const uint16_t *layers,
        struct surface *out, int top);
/* Screen row of a layer below `top`. */
int expert_map_row(const struct heat_map *map, int top, int layer);

#endif
