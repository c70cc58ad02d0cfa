/*
 * balance.c - see balance.h. Heat decays by letting each new selection count more instead of
 * shrinking all old ones: O(layers * k) per token. The null model is closed where a formula
 * exists and simulated, once per token count, where none does.
 */
#include "router/balance.h"

#include <math.h>
#include <string.h>

#define TOP_SHARE      0.09
#define NULL_RUNS      64
#define N_NULL_BUCKETS 24
#define HEAT_LIMIT     1e20f
#define FDR            0.01

struct null_cache {
    uint32_t n_tokens[N_NULL_BUCKETS]; /* 0: empty */
    struct balance_stats stats[N_NULL_BUCKETS];
    /* flags of the current window */
    uint64_t n_flagged_at;
    int8_t *flags; /* [n_moe_layers][n_experts] */
};

static size_t n_cells(const struct balance *b)
{
    return (size_t)b->shape.n_moe_layers * b->shape.n_experts;
}

static size_t n_picks(const struct balance *b)
{
    return (size_t)b->shape.n_moe_layers * b->shape.k;
}

struct balance *balance_new(const struct telemetry_shape *shape, uint32_t window_tok)
{
    struct balance *b = mem_alloc(sizeof *b);
    b->shape = *shape;
    b->window_tok = window_tok;
    b->half_life_tok = 64;
    b->heat_unit = 1;
    b->counts = mem_alloc(n_cells(b) * sizeof *b->counts);
    b->heat = mem_alloc(n_cells(b) * sizeof *b->heat);
    b->weight = mem_alloc(n_cells(b) * sizeof *b->weight);
    b->window = mem_alloc(window_tok * n_picks(b) * sizeof *b->window);
    b->overlaps = mem_alloc(window_tok * sizeof *b->overlaps);
    b->last = mem_alloc(n_picks(b) * sizeof *b->last);
    b->last_weight = mem_alloc(n_picks(b) * sizeof *b->last_weight);
    b->last_margin = mem_alloc(shape->n_moe_layers * sizeof *b->last_margin);
    b->null_cache = mem_alloc(sizeof *b->null_cache);
    b->null_cache->flags = mem_alloc(n_cells(b));
    return b;
}

struct balance *balance_copy(const struct balance *b)
{
    struct balance *copy = mem_dup(b, sizeof *b);
    size_t cells = n_cells(b), picks = n_picks(b);
    copy->counts = mem_dup(b->counts, cells * sizeof *b->counts);
    copy->heat = mem_dup(b->heat, cells * sizeof *b->heat);
    copy->weight = mem_dup(b->weight, cells * sizeof *b->weight);
    copy->window = mem_dup(b->window, b->window_tok * picks * sizeof *b->window);
    copy->overlaps = mem_dup(b->overlaps, b->window_tok * sizeof *b->overlaps);
    copy->last = mem_dup(b->last, picks * sizeof *b->last);
    copy->last_weight = mem_dup(b->last_weight, picks * sizeof *b->last_weight);
    copy->last_margin = mem_dup(b->last_margin, b->shape.n_moe_layers * sizeof *b->last_margin);
    copy->null_cache = mem_dup(b->null_cache, sizeof *b->null_cache);
    copy->null_cache->flags = mem_dup(b->null_cache->flags, cells);
    return copy;
}

void balance_free(struct balance *b)
{
    if (!b)
        return;
    void *all[] = {b->counts, b->heat, b->weight, b->window, b->overlaps, b->last,
            b->last_weight, b->last_margin, b->null_cache->flags, b->null_cache};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        mem_free(all[i]);
    mem_free(b);
}

static void fade(struct balance *b)
{
    b->heat_unit *= exp2f(1 / b->half_life_tok);
    b->n_heat++;
    if (b->heat_unit < HEAT_LIMIT)
        return;
    for (size_t i = 0; i < n_cells(b); i++) {
        b->heat[i] /= b->heat_unit;
        b->weight[i] /= b->heat_unit;
    }
    b->heat_unit = 1;
}

static uint32_t count_shared(const struct balance *b, const struct expert_pick *picks)
{
    uint32_t n = 0, k = b->shape.k;
    for (uint32_t l = 0; l < b->shape.n_moe_layers; l++)
        for (uint32_t i = 0; i < k; i++)
            for (uint32_t j = 0; j < k; j++)
                n += picks[l * k + i].expert == b->last[l * k + j];
    return n;
}

static void enter_window(struct balance *b, const struct expert_pick *picks)
{
    size_t n = n_picks(b), slot = b->n_tokens % b->window_tok;
    uint16_t *at = b->window + slot * n;
    uint32_t k = b->shape.k, n_experts = b->shape.n_experts;
    for (size_t i = 0; i < n; i++) {
        size_t row = i / k * n_experts;
        if (b->n_tokens >= b->window_tok)
            b->counts[row + at[i]]--;
        at[i] = picks[i].expert;
        b->counts[row + at[i]]++;
    }
    b->overlaps[slot] = b->was_decode ? count_shared(b, picks) : UINT32_MAX;
    b->n_tokens++;
}

void balance_add(struct balance *b, const struct token_record *record)
{
    /* The record is only read; the accessors are shared with the writer. */
    struct token_record *r = (struct token_record *)(uintptr_t)record;
    const struct expert_pick *picks = token_record_picks(r);
    const float *margins = token_record_margins(r, &b->shape);
    size_t n = n_picks(b);
    for (size_t i = 0; i < n; i++) /* a record from a file may hold anything */
        if (picks[i].expert >= b->shape.n_experts)
            return;
    fade(b);
    for (size_t i = 0; i < n; i++) {
        size_t cell = i / b->shape.k * b->shape.n_experts + picks[i].expert;
        b->heat[cell] += b->heat_unit;
        b->weight[cell] += b->heat_unit * picks[i].weight_q16 / 65535;
    }
    bool is_decode = record->phase == PHASE_DECODE;
    if (is_decode)
        enter_window(b, picks);
    b->was_decode = is_decode;
    for (size_t i = 0; i < n; i++) {
        b->last[i] = picks[i].expert;
        b->last_weight[i] = (float)picks[i].weight_q16 / 65535;
    }
    memcpy(b->last_margin, margins, b->shape.n_moe_layers * sizeof *margins);
}

float balance_heat(const struct balance *b, int layer, int expert)
{
    if (b->n_heat == 0)
        return 0;
    /* What an even share would have collected by now: k/E of the sum of all decayed units. */
    float g = exp2f(-1 / b->half_life_tok);
    float units = (1 - powf(g, (float)b->n_heat)) / (1 - g);
    float even = units * b->shape.k / b->shape.n_experts;
    return b->heat[(size_t)layer * b->shape.n_experts + (size_t)expert] / b->heat_unit / even;
}

static void sort_counts(uint32_t *counts, uint32_t n) /* Shell's method; n is a few hundred */
{
    for (uint32_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (uint32_t i = gap; i < n; i++) {
            uint32_t value = counts[i], at = i;
            for (; at >= gap && counts[at - gap] > value; at -= gap)
                counts[at] = counts[at - gap];
            counts[at] = value;
        }
}

/* Effective number, Gini, dead share and the share of the busiest, of one layer's counts. */
static void measure(const uint32_t *counts, uint32_t n_experts, struct balance_stats *out)
{
    uint32_t *sorted = mem_dup(counts, n_experts * sizeof *counts);
    sort_counts(sorted, n_experts);
    double total = 0, entropy = 0, ranked = 0, top = 0;
    uint32_t n_dead = 0, n_top = (uint32_t)(n_experts * TOP_SHARE + 0.5);
    n_top = n_top ? n_top : 1;
    for (uint32_t e = 0; e < n_experts; e++)
        total += sorted[e];
    for (uint32_t e = 0; e < n_experts && total > 0; e++) {
        double p = sorted[e] / total;
        entropy -= p > 0 ? p * log(p) : 0;
        ranked += (2.0 * (e + 1) - n_experts - 1) * sorted[e];
        n_dead += sorted[e] == 0;
        top += e >= n_experts - n_top ? p : 0;
    }
    out->effective = total > 0 ? exp(entropy) : 0;
    out->gini = total > 0 ? ranked / (n_experts * total) : 0;
    out->dead = n_dead;
    out->top_share = top;
    mem_free(sorted);
}

/* Uniform routing: k different experts of E per token, n tokens. */
static void simulate(const struct telemetry_shape *shape, uint32_t n_tokens, uint64_t seed,
        struct balance_stats *out)
{
    uint32_t n_experts = shape->n_experts;
    uint32_t *counts = mem_alloc(n_experts * sizeof *counts);
    uint32_t *order = mem_alloc(n_experts * sizeof *order);
    struct balance_stats one;
    for (uint32_t e = 0; e < n_experts; e++)
        order[e] = e;
    for (int run = 0; run < NULL_RUNS; run++) {
        memset(counts, 0, n_experts * sizeof *counts);
        for (uint32_t t = 0; t < n_tokens; t++)
            for (uint32_t i = 0; i < shape->k; i++) { /* the first k of a shuffle */
                uint32_t j = i + (uint32_t)(rng_next(&seed) % (n_experts - i)), pick = order[j];
                order[j] = order[i];
                order[i] = pick;
                counts[pick]++;
            }
        measure(counts, n_experts, &one);
        out->effective += one.effective / NULL_RUNS;
        out->gini += one.gini / NULL_RUNS;
        out->top_share += one.top_share / NULL_RUNS;
    }
    mem_free(counts);
    mem_free(order);
}

static void null_stats(const struct balance *b, uint32_t n_tokens, struct balance_stats *out)
{
    struct null_cache *cache = b->null_cache;
    uint32_t at = n_tokens % N_NULL_BUCKETS;
    if (n_tokens && cache->n_tokens[at] != n_tokens) {
        cache->n_tokens[at] = n_tokens;
        cache->stats[at] = (struct balance_stats){0};
        simulate(&b->shape, n_tokens, n_tokens, &cache->stats[at]);
    }
    *out = n_tokens ? cache->stats[at] : (struct balance_stats){0};
    double p = (double)b->shape.k / b->shape.n_experts;
    out->n_tokens = n_tokens;
    out->dead = b->shape.n_experts * pow(1 - p, n_tokens);
    out->overlap = p * b->shape.k;
}

static uint32_t n_in_window(const struct balance *b)
{
    return b->n_tokens < b->window_tok ? (uint32_t)b->n_tokens : b->window_tok;
}

static double mean_overlap(const struct balance *b)
{
    double sum = 0, n = 0;
    for (uint32_t i = 0; i < n_in_window(b); i++)
        if (b->overlaps[i] != UINT32_MAX)
            sum += b->overlaps[i], n++;
    return n > 0 ? sum / n / b->shape.n_moe_layers : 0;
}

void balance_layer(const struct balance *b, int layer, struct balance_stats *value,
        struct balance_stats *null_model)
{
    struct balance_stats one;
    int first = layer < 0 ? 0 : layer, last = layer < 0 ? b->shape.n_moe_layers - 1 : layer;
    *value = (struct balance_stats){.n_tokens = n_in_window(b)};
    for (int l = first; l <= last; l++) {
        double share = 1.0 / (last - first + 1);
        measure(b->counts + (size_t)l * b->shape.n_experts, b->shape.n_experts, &one);
        value->effective += one.effective * share;
        value->gini += one.gini * share;
        value->dead += one.dead * share;
        value->top_share += one.top_share * share;
    }
    value->overlap = mean_overlap(b);
    null_stats(b, value->n_tokens, null_model);
}

struct tail {
    double p;    /* two-sided */
    int8_t sign; /* +1: more than expected */
};

/* For each count 0..n of a binomial: how likely one so far out is. The terms are computed from
 * their logarithms: (1 - p)^n underflows when most experts are used. */
static struct tail *binomial_tails(uint32_t n, double p)
{
    struct tail *tails = mem_alloc((n + 1) * sizeof *tails);
    double *term = mem_alloc((n + 1) * sizeof *term), below = 0, above = 0;
    int sign;
    for (uint32_t c = 0; c <= n; c++) {
        term[c] = exp(lgamma_r(n + 1.0, &sign) - lgamma_r(c + 1.0, &sign) -
                      lgamma_r(n - c + 1.0, &sign) + c * log(p) + (n - c) * log1p(-p));
        tails[c].p = below += term[c];
    }
    for (uint32_t c = n + 1; c-- > 0;) {
        above += term[c];
        tails[c].sign = above < tails[c].p ? 1 : -1;
        tails[c].p = fmin(1, 2 * fmin(tails[c].p, above));
    }
    mem_free(term);
    return tails;
}

static int compare_doubles(const double *a, const double *b)
{
    return *a < *b ? -1 : *a > *b;
}

static void sort_doubles(double *v, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (size_t i = gap; i < n; i++) {
            double value = v[i];
            size_t at = i;
            for (; at >= gap && compare_doubles(&v[at - gap], &value) > 0; at -= gap)
                v[at] = v[at - gap];
            v[at] = value;
        }
}

/* Benjamini and Hochberg 1995: the largest p that still keeps the share of false flags at FDR.
 */
static void flag_all(const struct balance *b)
{
    size_t n = n_cells(b);
    uint32_t n_tok = n_in_window(b);
    double p_choice = (double)b->shape.k / b->shape.n_experts, limit = -1;
    double *p = mem_alloc((n + 1) * sizeof *p), *sorted;
    struct tail *tails = binomial_tails(n_tok, p_choice);
    for (size_t i = 0; i < n; i++) {
        /* A damaged record may name an expert twice. */
        const struct tail *tail = &tails[b->counts[i] < n_tok ? b->counts[i] : n_tok];
        p[i] = tail->p;
        b->null_cache->flags[i] = tail->sign;
    }
    mem_free(tails);
    sorted = mem_dup(p, (n + 1) * sizeof *p);
    sort_doubles(sorted, n);
    for (size_t i = 0; i < n; i++)
        if (sorted[i] <= FDR * (double)(i + 1) / (double)n)
            limit = sorted[i];
    for (size_t i = 0; i < n; i++)
        if (p[i] > limit)
            b->null_cache->flags[i] = 0;
    mem_free(sorted);
    mem_free(p);
}

int balance_flag(const struct balance *b, int layer, int expert)
{
    if (b->n_tokens == 0 || b->shape.k >= b->shape.n_experts)
        return 0;
    if (b->null_cache->n_flagged_at != b->n_tokens) {
        flag_all(b);
        b->null_cache->n_flagged_at = b->n_tokens;
    }
    return b->null_cache->flags[(size_t)layer * b->shape.n_experts + (size_t)expert];
}
