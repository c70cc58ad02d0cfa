/* expert_map.c - see expert_map.h. */
#include "tui/expert_map.h"

#include "tui/heat.h"
#include "tui/surface.h"

static void draw_ruler(const struct heat_map *map, struct surface *out, int row)
{
    int step = map->n_cols >= 64 ? 16 : map->n_cols >= 32 ? 8 : 4;
    for (int c = 0; c * map->cell_cols + 3 < map->n_cols * map->cell_cols; c += step)
        surface_printf(out, row, EXPERT_MAP_LABEL_COLS + c * map->cell_cols, ROLE_DIM, "%d",
                c * map->experts_per_col);
}

static void draw_row(const struct heat_map *map, const uint8_t *levels, struct surface *out,
        int row, int map_row)
{
    const uint8_t *top = levels + map_row * map->n_cols;
    const uint8_t *bottom = map->is_tall                ? top
                            : map_row + 1 < map->n_rows ? top + map->n_cols
                                                        : NULL;
    for (int c = 0; c < map->n_cols * map->cell_cols; c++)
        surface_heat(out, row, EXPERT_MAP_LABEL_COLS + c, RAMP_ACTIVATION,
                top[c / map->cell_cols], bottom ? bottom[c / map->cell_cols] : 0);
}

int expert_map_row(const struct heat_map *map, int top, int layer)
{
    return top + 1 + heat_map_row(map, layer) / (map->is_tall ? 1 : 2);
}

void expert_map_draw(const struct heat_map *map, const uint8_t *levels, const uint16_t *layers,
        struct surface *out, int top)
{
    draw_ruler(map, out, top);
    for (int r = 0; r < map->n_rows; r += map->is_tall ? 1 : 2) {
        int layer = r * map->layers_per_row, row = expert_map_row(map, top, layer);
        surface_printf(out, row, 0, ROLE_DIM, "%3d ", layers[layer]);
        draw_row(map, levels, out, row, r);
    }
}
