/* token_color.c - see token_color.h. The scales are fixed, so that answers can be compared.
 */
#include "tui/token_color.h"

#include <math.h>
#include <string.h>

#include "engine/telemetry.h"

#include "tui/surface.h"

static double entropy_of(const struct token_log *log, size_t i_record)
{
    return (double)token_log_at(log, i_record)->entropy;
}

static double logprob_of(const struct token_log *log, size_t i_record)
{
    return -(double)token_log_at(log, i_record)->logprob;
}

static const struct {
    const char *name, *cold_text, *hot_text;
    double cold, hot;
    bool is_log;
    double (*value)(const struct token_log *log, size_t i_record); /* negative: unknown */
} scales[TOKEN_COLOR_COUNT] = {
        [TOKEN_COLOR_OFF] = {.name = "off"},
        [TOKEN_COLOR_MARGIN] = {"gate margin, mean of layers", "0.1", "0.001", 0.1, 0.001, true,
                token_log_margin},
        [TOKEN_COLOR_ENTROPY] = {"entropy", "0", "4 nats", 0, 4, false, entropy_of},
        [TOKEN_COLOR_LOGPROB] = {"log probability", "0", "-6", 0, 6, false, logprob_of},
        [TOKEN_COLOR_MS] = {"time since the token before", "5", "500 ms", 5, 500, true,
                token_log_ms},
};

const char *token_color_name(enum token_color color)
{
    return scales[color].name;
}

int token_color_level(enum token_color color, const struct token_log *log, size_t i_record)
{
    double x = scales[color].value(log, i_record);
    double cold = scales[color].cold, hot = scales[color].hot;
    if (!(x > -1e-6)) /* a probability of 1 is rounded to either side */
        return -1;
    if (scales[color].is_log) {
        x = log10(x > 1e-9 ? x : 1e-9);
        cold = log10(cold);
        hot = log10(hot);
    }
    double at = (x - cold) / (hot - cold);
    return (int)lrint((at < 0 ? 0 : at > 1 ? 1 : at) * (RAMP_LEVELS - 1));
}

void token_color_tints(enum token_color color, const struct token_log *log,
        const struct token_map *map, enum answer_part part, uint8_t *tints, size_t n_bytes)
{
    memset(tints, 0, n_bytes);
    for (size_t i = 0; i < map->n; i++) {
        const struct token_span *span = &map->tokens[i].at[part];
        if (span->n && span->start + span->n <= n_bytes)
            memset(tints + span->start,
                    1 + token_color_level(color, log, map->tokens[i].i_record), span->n);
    }
}

void token_color_draw_legend(enum token_color color, struct surface *out, int row)
{
    int col = surface_puts(out, row, 1, ROLE_DIM, "text colour: ") + 1;
    col += surface_puts(out, row, col, ROLE_TITLE, scales[color].name) + 2;
    col += surface_puts(out, row, col, ROLE_DIM, scales[color].cold_text) + 1;
    for (int level = 0; level < RAMP_LEVELS; level++) {
        surface_puts(out, row, col, ROLE_TEXT, "\xE2\x96\xA0");
        surface_tint(out, (struct rect){row, col++, 1, 1}, level);
    }
    surface_puts(out, row, col + 1, ROLE_DIM, scales[color].hot_text);
}
