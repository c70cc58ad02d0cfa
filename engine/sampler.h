/*
 * sampler.h - what a request's next token depends on beside the logits: its parameters, the
 * seed and the recent tokens. The draw itself is a step of the kernels, which gets them with
 * the batch; so the same seed gives the same text on every backend.
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stdint.h>

struct gen_params;
struct sample_params;

struct sampler;
struct sampler *sampler_open(const struct gen_params *params);
void sampler_close(struct sampler *s);
/* For the next token; points into the sampler and is valid until its next change. The random
 * number stays the same until a token is taken: a batch that was cancelled draws it again. */
struct sample_params sampler_params(const struct sampler *s);
/* The token that was drawn with them. */
void sampler_take(struct sampler *s, int32_t token);
/* A prompt token: counts for penalties. */
void sampler_accept(struct sampler *s, int32_t token);

#endif
