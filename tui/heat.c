/* heat.c - see heat.h. */
#include "tui/heat.h"

#include <math.h>

#include "tui/role.h"

#define COLDEST 0.5f /* half of an even share is level 0, an even share is level 2 */
#define HOTTEST 16.0f
#define STICKY  0.75f

float heat_scale(float times_even)
{
    if (!(times_even > COLDEST))
        return 0;
    float x = logf(times_even / COLDEST) / logf(HOTTEST / COLDEST) * (RAMP_LEVELS - 1);
    return x < RAMP_LEVELS - 1 ? x : RAMP_LEVELS - 1;
}

int heat_level(float scaled, int shown)
{
    return fabsf(scaled - (float)shown) > STICKY ? (int)lrintf(scaled) : shown;
}

static int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

struct heat_map heat_map_fit(
        int n_layers, int n_experts, int n_screen_rows, int n_screen_cols, bool is_mono)
{
    int rows = (n_screen_rows > 0 ? n_screen_rows : 1) * (is_mono ? 1 : 2),
        cols = n_screen_cols > 0 ? n_screen_cols : 1;
    struct heat_map map = {.n_layers = n_layers, .n_experts = n_experts};
    map.layers_per_row = divide_up(n_layers, rows);
    map.experts_per_col = divide_up(n_experts, cols);
    map.n_rows = divide_up(n_layers, map.layers_per_row);
    map.n_cols = divide_up(n_experts, map.experts_per_col);
    map.is_tall = is_mono || map.n_rows <= n_screen_rows;
    map.cell_cols = map.n_cols * 2 <= n_screen_cols ? 2 : 1;
    return map;
}

float heat_map_hottest(const struct heat_map *map, int row, int col,
        float (*value)(const void *user, int layer, int expert), const void *user)
{
    int layer = row * map->layers_per_row, expert = col * map->experts_per_col;
    float best = 0;
    for (int l = layer; l < layer + map->layers_per_row && l < map->n_layers; l++)
        for (int e = expert; e < expert + map->experts_per_col && e < map->n_experts; e++)
            best = fmaxf(best, value(user, l, e));
    return best;
}

int heat_map_screen_rows(const struct heat_map *map)
{
    return map->is_tall ? map->n_rows : divide_up(map->n_rows, 2);
}

int heat_map_row(const struct heat_map *map, int layer)
{
    return layer / map->layers_per_row;
}

int heat_map_col(const struct heat_map *map, int expert)
{
    return expert / map->experts_per_col;
}
