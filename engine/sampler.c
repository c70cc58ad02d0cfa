/*
 * sampler.c - see sampler.h. A token costs a few plain passes over the vocabulary; only without
 * top-k is it sorted.
 */
#include "engine/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "engine/request.h"
#include "engine/telemetry.h"

struct candidate {
    int32_t token;
    float logit;
};

struct sampler {
    struct gen_params params;
    uint32_t n_vocab;
    uint64_t rng;
    int32_t *recent; /* ring of repeat_last_n */
    uint32_t n_recent, i_recent;
    struct candidate *candidates; /* [n_vocab] */
    struct candidate *penalised;  /* of this token, with their logits before */
    uint32_t n_penalised;
};

struct sampler *sampler_open(const struct gen_params *params, uint32_t n_vocab)
{
    struct sampler *s = mem_alloc(sizeof *s);
    s->params = *params;
    s->n_vocab = n_vocab;
    s->rng = params->seed;
    if (s->params.repeat_last_n > 4096)
        s->params.repeat_last_n = 4096;
    s->recent = mem_alloc((s->params.repeat_last_n + 1) * sizeof *s->recent);
    s->penalised = mem_alloc((s->params.repeat_last_n + 1) * sizeof *s->penalised);
    s->candidates = mem_alloc((n_vocab + 1) * sizeof *s->candidates);
    return s;
}

void sampler_close(struct sampler *s)
{
    if (!s)
        return;
    mem_free(s->recent);
    mem_free(s->penalised);
    mem_free(s->candidates);
    mem_free(s);
}

void sampler_accept(struct sampler *s, int32_t token)
{
    if (s->params.repeat_last_n == 0)
        return;
    s->recent[s->i_recent] = token;
    s->i_recent = (s->i_recent + 1) % s->params.repeat_last_n;
    if (s->n_recent < s->params.repeat_last_n)
        s->n_recent++;
}

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

/* Fills logprob-independent figures and returns log(sum(exp(logits))). */
static float measure(const float *logits, uint32_t n, struct token_record *record)
{
    float top = -INFINITY;
    for (uint32_t i = 0; i < n; i++)
        top = logits[i] > top ? logits[i] : top;
    if (!(top > -INFINITY)) {
        record->entropy = 0;
        record->n_top = 0;
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
    record->entropy = log_sum - weighted / sum;
    struct candidate best[TOKEN_TOP_N];
    uint32_t n_best = find_largest(logits, n, TOKEN_TOP_N, best);
    record->n_top = (uint8_t)n_best;
    for (uint32_t i = 0; i < n_best; i++) {
        record->top[i].token = best[i].token;
        record->top[i].logprob = best[i].logit - top - log_sum;
    }
    return top + log_sum;
}

static void apply_penalties(struct sampler *s, float *logits)
{
    const struct gen_params *p = &s->params;
    s->n_penalised = 0;
    if (p->presence_penalty == 0 && p->frequency_penalty == 0)
        return;
    for (uint32_t i = 0; i < s->n_recent; i++) {
        int32_t token = s->recent[i];
        uint32_t count = 1;
        bool was_seen = false;
        for (uint32_t j = 0; j < s->n_recent; j++) {
            was_seen |= j < i && s->recent[j] == token;
            count += j > i && s->recent[j] == token;
        }
        if (was_seen || (uint32_t)token >= s->n_vocab)
            continue;
        float *logit = &logits[token];
        s->penalised[s->n_penalised++] = (struct candidate){token, *logit};
        *logit -= p->presence_penalty + p->frequency_penalty * (float)count;
    }
}

static int by_logit(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return x->logit > y->logit ? -1 : x->logit < y->logit ? 1 : x->token - y->token;
}

/* Candidates sorted by logit, largest first. */
static uint32_t list_candidates(struct sampler *s, const float *logits)
{
    uint32_t k = s->params.top_k;
    if (k > 0 && k <= 256)
        return find_largest(logits, s->n_vocab, k < s->n_vocab ? k : s->n_vocab, s->candidates);
    for (uint32_t i = 0; i < s->n_vocab; i++)
        s->candidates[i] = (struct candidate){(int32_t)i, logits[i]};
    qsort(s->candidates, s->n_vocab, sizeof *s->candidates, by_logit);
    return k > 0 && k < s->n_vocab ? k : s->n_vocab;
}

static int32_t draw(struct sampler *s, const float *logits)
{
    uint32_t n = list_candidates(s, logits);
    struct candidate *c = s->candidates;
    float top = c[0].logit, sum = 0;
    if (!(top > -INFINITY))
        return 0;
    for (uint32_t i = 0; i < n; i++) /* from here on `logit` holds a probability */
        sum += c[i].logit = expf((c[i].logit - top) / s->params.temperature);
    uint32_t n_kept = 0;
    float kept = 0, most = c[0].logit;
    while (n_kept < n && (n_kept == 0 || (kept < s->params.top_p * sum &&
                                                 c[n_kept].logit >= s->params.min_p * most)))
        kept += c[n_kept++].logit;
    float at = (float)rng_uniform(&s->rng) * kept;
    for (uint32_t i = 0; i + 1 < n_kept; i++) {
        at -= c[i].logit;
        if (at < 0)
            return c[i].token;
    }
    return c[n_kept - 1].token;
}

static int32_t largest(const struct sampler *s, const float *logits)
{
    struct candidate best = {0, -INFINITY};
    for (uint32_t i = 0; i < s->n_vocab; i++)
        if (logits[i] > best.logit)
            best = (struct candidate){(int32_t)i, logits[i]};
    return best.token;
}

static float logit_before_penalties(const struct sampler *s, const float *logits, int32_t token)
{
    for (uint32_t i = 0; i < s->n_penalised; i++)
        if (s->penalised[i].token == token)
            return s->penalised[i].logit;
    return logits[token];
}

int32_t sampler_choose(struct sampler *s, float *logits, struct token_record *record)
{
    for (uint32_t i = 0; i < s->n_vocab; i++)
        logits[i] = logits[i] < INFINITY ? logits[i] : -INFINITY; /* NaN is never less */
    float log_sum = measure(logits, s->n_vocab, record);
    apply_penalties(s, logits);
    int32_t token = s->params.temperature <= 0 ? largest(s, logits) : draw(s, logits);
    record->token = token;
    record->logprob = logit_before_penalties(s, logits, token) - log_sum;
    sampler_accept(s, token);
    return token;
}
