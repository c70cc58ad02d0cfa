/*
 * telemetry.h - one record per token the model saw or made, in an overwrite-oldest ring: the
 * engine thread writes and never waits, one reader copies what is new and counts what it lost.
 *
 * A record is a fixed head followed by routing data whose size the model decides:
 *   struct token_record; struct expert_pick picks[n_moe_layers][k]; float margins[n_moe_layers]
 * n_moe_layers counts only layers with experts, in order; telemetry_shape.layers says which
 * `blk.N` each one is.
 */
#ifndef ENGINE_TELEMETRY_H
#define ENGINE_TELEMETRY_H

#include "engine/base.h"

#define TOKEN_TOP_N      5
#define TOKEN_TEXT_BYTES 24
#define MOE_LAYERS_MAX   256

enum token_phase { PHASE_PREFILL, PHASE_DECODE };

struct telemetry_shape {
    uint16_t n_moe_layers; /* 0: a dense model */
    uint16_t n_experts;
    uint16_t k;                      /* experts used per token */
    uint16_t layers[MOE_LAYERS_MAX]; /* N of blk.N of each */
};

struct token_record {
    uint32_t request_id;
    uint32_t i_token; /* counts within the request: prompt tokens first, then the answer */
    int32_t token;    /* vocabulary id */
    uint8_t phase;    /* enum token_phase */
    uint8_t n_text;   /* bytes in text; longer pieces are cut at a code point */
    uint8_t n_top;    /* 0 in prefill */
    uint8_t n_piece;  /* bytes it adds to the text, 255: that many or more. 0: none (a control
                         token), or not known (written by an older version) */
    uint64_t t_ns;    /* when it was chosen (decode) or computed (prefill) */
    float logprob;    /* natural log of the probability of `token`; 0 in prefill */
    float entropy;    /* of the distribution it was drawn from, nats; before sampling cuts */
    struct {
        int32_t token;
        float logprob;
    } top[TOKEN_TOP_N];
    char text[TOKEN_TEXT_BYTES];
};

struct expert_pick {
    uint16_t expert;
    uint16_t weight_q16; /* gate weight * 65535, clamped to [0, 1] */
};

/* Bytes of one whole record of this shape, a multiple of 8. */
size_t token_record_bytes(const struct telemetry_shape *shape);
struct expert_pick *token_record_picks(struct token_record *record); /* [n_moe_layers][k] */
float *token_record_margins(struct token_record *record, const struct telemetry_shape *shape);

struct telemetry_ring;
/* n_records is rounded up to a power of two. Its memory counts as engine memory. */
struct telemetry_ring *telemetry_open(const struct telemetry_shape *shape, uint32_t n_records);
void telemetry_close(struct telemetry_ring *ring);
/* Writer: copies one whole record in, over the oldest. */
void telemetry_put(struct telemetry_ring *ring, const struct token_record *record);
/* Reader: copies the record number *cursor (starts at 0) and advances it. False: nothing new.
 * Records overwritten before they were read are skipped and added to *n_lost. */
bool telemetry_get(struct telemetry_ring *ring, uint64_t *cursor, struct token_record *out,
        uint64_t *n_lost);

#endif
