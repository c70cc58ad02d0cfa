/* sampler.c - see sampler.h. */
#include "engine/sampler.h"

#include "kernels/kernels.h"

#include "engine/request.h"

#define RECENT_MAX 4096

struct sampler {
    struct gen_params params;
    uint64_t rng;
    int32_t *recent; /* ring of repeat_last_n */
    uint32_t n_recent, i_recent;
};

struct sampler *sampler_open(const struct gen_params *params)
{
    struct sampler *s = mem_alloc(sizeof *s);
    s->params = *params;
    s->rng = params->seed;
    if (s->params.repeat_last_n > RECENT_MAX)
        s->params.repeat_last_n = RECENT_MAX;
    s->recent = mem_alloc((s->params.repeat_last_n + 1) * sizeof *s->recent);
    return s;
}

void sampler_close(struct sampler *s)
{
    if (!s)
        return;
    mem_free(s->recent);
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

struct sample_params sampler_params(const struct sampler *s)
{
    const struct gen_params *p = &s->params;
    uint64_t rng = s->rng;
    return (struct sample_params){.temperature = p->temperature,
            .top_p = p->top_p,
            .min_p = p->min_p,
            .top_k = p->top_k,
            .presence_penalty = p->presence_penalty,
            .frequency_penalty = p->frequency_penalty,
            .recent = s->recent,
            .n_recent = s->n_recent,
            .uniform = rng_uniform(&rng)};
}

void sampler_take(struct sampler *s, int32_t token)
{
    rng_next(&s->rng);
    sampler_accept(s, token);
}
