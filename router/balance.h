/*
 * balance.h - statistics of expert choices over a window of tokens, each beside what uniform
 * random routing would give for the same number of tokens (the null model). Pure state:
 * balance_add changes it, and what chance gives is kept where it was asked for. Unit: (layer,
 * expert), never pooled over layers; prefill is left out.
 */
#ifndef ROUTER_BALANCE_H
#define ROUTER_BALANCE_H

#include "engine/telemetry.h"

struct balance {
    struct telemetry_shape shape;
    uint64_t n_tokens;   /* decode tokens seen */
    uint32_t window_tok; /* at most so many count below (512) */
    uint32_t *counts;    /* [n_moe_layers][n_experts] selections in the window */
    float *heat;         /* [n_moe_layers][n_experts] decayed selections, see balance_heat */
    float *weight;       /* [n_moe_layers][n_experts] decayed gate weight */
    uint16_t *window;    /* [window_tok][n_moe_layers][k] experts, a ring */
    uint16_t *last;      /* [n_moe_layers][k] of the newest token of any phase */
    float *last_weight;  /* [n_moe_layers][k] */
    float *last_margin;  /* [n_moe_layers] */
    float half_life_tok; /* of heat; 64 */
    uint64_t n_heat;     /* tokens that entered heat (any phase) */
    float heat_unit;     /* what one selection now adds to heat: grows, so that old ones fade */
    uint32_t *overlaps; /* [window_tok] experts shared with the token before, over all layers */
    bool was_decode;    /* the newest token was a decode token */
    struct null_cache *null_cache;
};

/* All are freed with balance_free. */
struct balance *balance_new(const struct telemetry_shape *shape, uint32_t window_tok);
struct balance *balance_copy(const struct balance *b);
void balance_free(struct balance *b);
void balance_add(struct balance *b, const struct token_record *record);
/* Decayed selections of one cell as a multiple of an even share (1: as often as every other).
 */
float balance_heat(const struct balance *b, int layer, int expert);

struct balance_stats {
    uint32_t n_tokens; /* in the window */
    double effective;  /* exp(entropy of selections) */
    double gini;
    double dead;      /* experts never chosen */
    double top_share; /* share of selections taken by the busiest 9 % of experts */
    double overlap;   /* mean experts shared with the previous token, of k */
};
/* Of one layer, or the mean over layers for layer -1. Values, and the null model's for the same
 * n. */
void balance_layer(const struct balance *b, int layer, struct balance_stats *value,
        struct balance_stats *null_model);
/* True when the cell's count lies outside the null model's 99 % band after Benjamini-Hochberg
 * over all cells: +1 hot, -1 dead, 0 chance. */
int balance_flag(const struct balance *b, int layer, int expert);

#endif
