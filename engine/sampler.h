/*
 * sampler.h - chooses the next token from logits. Order: penalties, top-k, temperature, top-p,
 * min-p, draw. All state is the seed and the recent tokens, so the same seed gives the same
 * text.
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stdint.h>

struct gen_params;
struct token_record;

struct sampler;
struct sampler *sampler_open(const struct gen_params *params, uint32_t n_vocab);
void sampler_close(struct sampler *s);
/* Chooses from logits[n_vocab] (changed in place) and remembers the token. Fills logprob,
 * entropy and top of *record (of the distribution before penalties and cuts). NaN and infinite
 * logits count as -inf; all -inf chooses token 0. */
int32_t sampler_choose(struct sampler *s, float *logits, struct token_record *record);
/* A prompt token: counts for penalties. */
void sampler_accept(struct sampler *s, int32_t token);

#endif
