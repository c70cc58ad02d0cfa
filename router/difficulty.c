/*
 * difficulty.c - see difficulty.h. Two forms of text, two models: a multiple choice question is
 * judged by what a strong model added to a weak one on such questions, anything else by how
 * hard the words are and by what is asked for. The second model alone would take every short
 * text for small talk and every long one for work: the score by hand corrects it where people
 * ask in few words.
 */
#include "router/difficulty.h"

#include <math.h>

#include "router/question.h"

#define BUCKET_BITS 14
#define N_BUCKETS   (1 << BUCKET_BITS)

struct weights {
    float bias, step;   /* score = bias + step * levels summed / sqrt(buckets) */
    float mean, spread; /* of the scores of the training texts */
    char levels[N_BUCKETS + 1];
};

#include "router/difficulty.inc"

struct difficulty_sums difficulty_sums_of(const struct question *q)
{
    uint64_t seen[N_BUCKETS / 64] = {0};
    struct difficulty_sums sums = {0};
    for (uint32_t i = 0; i < q->n_hashes; i++) {
        uint32_t h = q->hashes[i], before = i ? q->hashes[i - 1] : 0;
        uint32_t at[2] = {h * 0x85EBCA6Bu >> (32 - BUCKET_BITS),
                ((before * 0x9E3779B1u) ^ h) * 0x85EBCA6Bu >> (32 - BUCKET_BITS)};
        for (int k = 0; k < (before ? 2 : 1); k++) {
            if (seen[at[k] / 64] >> at[k] % 64 & 1)
                continue;
            seen[at[k] / 64] |= (uint64_t)1 << at[k] % 64;
            sums.n_buckets++;
            sums.exam += exam_weights.levels[at[k]] - '_';
            sums.chat += chat_weights.levels[at[k]] - '_';
        }
    }
    return sums;
}

/* In standard deviations of the training texts. */
static float score_of(const struct weights *w, int32_t sum, uint32_t n_buckets)
{
    float scale = n_buckets ? 1 / sqrtf((float)n_buckets) : 0;
    return (w->bias + w->step * (float)sum * scale - w->mean) / w->spread;
}

static float at_most(uint32_t n, uint32_t limit)
{
    return (float)(n < limit ? n : limit);
}

/* What is asked for, in logits. An easy job stays easy whatever the text is about that it is
 * done to: "translate this theorem". */
static float score_by_hand(const struct question *q)
{
    const uint16_t *cues = q->n_cues, *early = q->n_early;
    bool is_easy_task = q->task == CUE_EASY_TASK;
    bool is_fact = early[CUE_FACT] && q->n_words <= 20 &&
                   (q->n_numbers < 2 || q->n_words <= 8) &&
                   cues[CUE_HARD_TASK] + cues[CUE_HARD_TOPIC] < 2;
    float length = log2f((float)(q->n_words + 4) / 16);
    float hard = 1.5f * at_most(cues[CUE_HARD_TASK], 3) +
                 0.6f * at_most(cues[CUE_HARD_TOPIC], 4) + 0.35f * at_most(cues[CUE_LIMIT], 4) +
                 0.5f * at_most(early[CUE_CAUSE], 1) +
                 0.3f * at_most(q->n_numbers > 1 ? q->n_numbers - 1 : 0, 4) +
                 (q->has_code ? 0.5f : 0) + 0.4f * fminf(fmaxf(length, 0), 3);
    float easy = 0.5f * at_most(cues[CUE_EASY_TOPIC], 4) + 1.2f * (float)is_easy_task +
                 (q->n_words <= 12 ? 2.0f * at_most(early[CUE_GREETING], 1) : 0) +
                 (is_fact ? 0.9f : 0);
    return hard * (is_easy_task ? 0.3f : 1.0f) - easy;
}

float difficulty_of(const struct question *q)
{
    struct difficulty_sums sums = difficulty_sums_of(q);
    float logit;
    if (q->is_exam)
        /* Mixtral 8x7B was wrong on half of the questions around 0.25 deviations. */
        logit = 2 * score_of(&exam_weights, sums.exam, sums.n_buckets) - 0.5f;
    else
        logit = 0.9f * score_of(&chat_weights, sums.chat, sums.n_buckets) + score_by_hand(q) -
                0.3f;
    return 1 / (1 + expf(-logit));
}
