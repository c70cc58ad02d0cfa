/*
 * question.h - what one reading of a question finds: its words as hashes, the words of
 * lexicon.def by what they tell, its language, its form. A pure function of the bytes, which
 * may be any bytes; of a long text the first and the last 4 KB are read.
 * router/difficulty/words.py makes the same hashes.
 */
#ifndef ROUTER_QUESTION_H
#define ROUTER_QUESTION_H

#include "router/policy.h"

#define QUESTION_HEAD_BYTES 4096
#define QUESTION_WORDS_MAX  2048

enum cue { /* what a word or phrase tells about the work */
    CUE_NONE,
    CUE_GREETING,
    CUE_FACT,       /* asks for a single fact */
    CUE_EASY_TASK,  /* translate, rewrite, list */
    CUE_HARD_TASK,  /* prove, design, debug */
    CUE_HARD_TOPIC, /* the language of specialists */
    CUE_EASY_TOPIC, /* of everyday life */
    CUE_LIMIT,      /* something that a good answer has to keep: without, exactly */
    CUE_CAUSE,      /* why */
    CUE_NUMBER,     /* three, half, twice: counted as numbers */
    CUE_COUNT
};

struct question {
    uint16_t n_cues[CUE_COUNT];
    uint16_t n_early[CUE_COUNT]; /* of these, among the first words */
    enum cue task; /* the first task among the first words, CUE_EASY_TASK or CUE_HARD_TASK;
                      CUE_NONE: the words do not say */
    uint16_t n_in_domain[DOMAIN_COUNT];
    uint32_t n_words;   /* words and numbers; signs are not counted */
    uint32_t n_numbers; /* of these, spelled ones included */
    uint32_t n_asked;   /* "in 200 words": words of the answer; 0: not said */
    char language[3];   /* ISO 639-1, "": not known */
    bool is_exam;       /* multiple choice: lines A. and B. */
    bool has_code, wants_json;
    uint32_t n_hashes;
    uint32_t hashes[QUESTION_WORDS_MAX]; /* of words and signs in order */
};
void question_read(struct question *out, struct slice text);

#endif
