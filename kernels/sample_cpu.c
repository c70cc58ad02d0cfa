/*
 * sample_cpu.c - the next token from one row of logits. A token costs a few plain passes over
 * the vocabulary; only without top-k is it sorted.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/cpu.h"

/* The n largest as a sorted list, by insertion: n is small, and few logits get past the first
 * comparison. */
static uint32_t find_largest(
        const float *logits, uint32_t n_vocab, uint32_t n, struct candidate *out)
{
    uint32_t n_out = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (n_out == n && !(logits[i] > out[n - 1].logit))
            continue;
        uint32_t at = n_out < n ? n_out++ : n - 1;
        for (; at > 0 && logits[i] > out[at - 1].logit; at--)
            out[at] = out[at - 1];
        out[at] = (struct candidate){(int32_t)i, logits[i]};
    }
    return n_out;
}

/* exp for x <= 0, within 2e-7 relative: 2^n * 2^f with f in [-0.5, 0.5] by a polynomial. In
 * this form the compiler vectorises the loop over the vocabulary. */
static inline float exp_negative(float x)
{
    x = x < -87 ? -87 : x;
    float z = x * 1.44269504f, n = (float)(int32_t)(z - 0.5f), f = (z - n) * 0.693147181f;
    float p = 1 +
              f * (1 + f * (0.5f + f * (1 / 6.0f +
                                               f * (1 / 24.0f + f * (1 / 120.0f + f / 720)))));
    union {
        int32_t i;
        float f;
    } two = {((int32_t)n + 127) << 23};
    return p * two.f;
}

/* Fills what does not depend on the choice and returns log(sum(exp(logits))). */
static float measure(const float *logits, uint32_t n, struct sample *out)
{
    float top = -INFINITY;
    for (uint32_t i = 0; i < n; i++)
        top = logits[i] > top ? logits[i] : top;
    if (!(top > -INFINITY)) {
        out->entropy = 0;
        out->n_top = 0;
        return 0;
    }
    float sum = 0, weighted = 0;
    for (uint32_t i = 0; i < n; i++) {
        float below = logits[i] - top, e = exp_negative(below);
        below = below < -87 ? -87 : below;
        sum += e;
        weighted += e * below;
    }
    float log_sum = logf(sum);
    out->entropy = log_sum - weighted / sum;
    struct candidate best[SAMPLE_TOP_N];
    out->n_top = find_largest(logits, n, SAMPLE_TOP_N, best);
    for (uint32_t i = 0; i < out->n_top; i++) {
        out->top[i].token = best[i].token;
        out->top[i].logprob = best[i].logit - top - log_sum;
    }
    return top + log_sum;
}

/* Puts the tokens that are penalised, with their logits before, into out; returns how many. */
static uint32_t apply_penalties(
        const struct sample_params *p, float *logits, uint32_t n_vocab, struct candidate *out)
{
    uint32_t n_out = 0;
    if (p->presence_penalty == 0 && p->frequency_penalty == 0)
        return 0;
    for (uint32_t i = 0; i < p->n_recent; i++) {
        int32_t token = p->recent[i];
        uint32_t count = 1;
        bool was_seen = false;
        for (uint32_t j = 0; j < p->n_recent; j++) {
            was_seen |= j < i && p->recent[j] == token;
            count += j > i && p->recent[j] == token;
        }
        if (was_seen || (uint32_t)token >= n_vocab)
            continue;
        float *logit = &logits[token];
        out[n_out++] = (struct candidate){token, *logit};
        *logit -= p->presence_penalty + p->frequency_penalty * (float)count;
    }
    return n_out;
}

static int by_logit(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->logit > y->logit ? -1 : x->logit < y->logit ? 1 : x->token - y->token;
}

/* Candidates sorted by logit, largest first. */
static uint32_t list_candidates(
        const float *logits, uint32_t n_vocab, uint32_t k, struct candidate *out)
{
    if (k > 0 && k <= 256)
        return find_largest(logits, n_vocab, k < n_vocab ? k : n_vocab, out);
    for (uint32_t i = 0; i < n_vocab; i++)
        out[i] = (struct candidate){(int32_t)i, logits[i]};
    qsort(out, n_vocab, sizeof *out, by_logit);
    return k > 0 && k < n_vocab ? k : n_vocab;
}

static int32_t draw(const struct sample_params *p, const float *logits, uint32_t n_vocab,
        struct candidate *c)
{
    uint32_t n = list_candidates(logits, n_vocab, p->top_k, c);
    float top = c[0].logit, sum = 0;
    if (!(top > -INFINITY))
        return 0;
    for (uint32_t i = 0; i < n; i++) /* from here on `logit` holds a probability */
        sum += c[i].logit = expf((c[i].logit - top) / p->temperature);
    uint32_t n_kept = 0;
    float kept = 0, most = c[0].logit;
    while (n_kept < n &&
            (n_kept == 0 || (kept < p->top_p * sum && c[n_kept].logit >= p->min_p * most)))
        kept += c[n_kept++].logit;
    float at = (float)p->uniform * kept;
    for (uint32_t i = 0; i + 1 < n_kept; i++) {
        at -= c[i].logit;
        if (at < 0)
            return c[i].token;
    }
    return c[n_kept - 1].token;
}

static int32_t largest(const float *logits, uint32_t n_vocab)
{
    struct candidate best = {0, -INFINITY};
    for (uint32_t i = 0; i < n_vocab; i++)
        if (logits[i] > best.logit)
            best = (struct candidate){(int32_t)i, logits[i]};
    return best.token;
}

void sample_row(const struct sample_params *p, float *logits, uint32_t n_vocab,
        struct candidate *scratch, struct sample *out)
{
    struct candidate *penalised = scratch + n_vocab;
    for (uint32_t i = 0; i < n_vocab; i++)
        logits[i] = logits[i] < INFINITY ? logits[i] : -INFINITY; /* NaN is never less */
    float log_sum = measure(logits, n_vocab, out);
    uint32_t n_penalised = apply_penalties(p, logits, n_vocab, penalised);
    out->token =
            p->temperature <= 0 ? largest(logits, n_vocab) : draw(p, logits, n_vocab, scratch);
    float logit = logits[out->token];
    for (uint32_t i = 0; i < n_penalised; i++)
        if (penalised[i].token == out->token)
            logit = penalised[i].logit;
    out->logprob = logit - log_sum;
}
