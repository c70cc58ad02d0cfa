/*
 * difficulty.h - how hard a question is: 0 easy .. 1 hard; at 0.5 and above a small model
 * should not be trusted with it. A pure function of the text: a linear model over hashed words
 * and pairs, trained by router/difficulty/train.py, and a score by hand for what the question
 * asks for.
 */
#ifndef ROUTER_DIFFICULTY_H
#define ROUTER_DIFFICULTY_H

#include <stdint.h>

struct question;

float difficulty_of(const struct question *q);

/* What the two linear models add up, in their own steps: for tests against the training kit. */
struct difficulty_sums {
    uint32_t n_buckets; /* distinct words and pairs, hashed */
    int32_t exam, chat;
};
struct difficulty_sums difficulty_sums_of(const struct question *q);

#endif
