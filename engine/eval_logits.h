/* eval_logits.h - what `shunt eval logits` runs. */
#ifndef ENGINE_EVAL_LOGITS_H
#define ENGINE_EVAL_LOGITS_H

#include <stdio.h>

#include "engine/backend.h"

struct eval_logits_config {
    const char *path;
    const int32_t *tokens; /* [n_tokens] */
    size_t n_tokens;
    uint32_t pos;                    /* rope position of the first token */
    uint32_t context_tok, batch_tok; /* 0: as many as there are tokens */
    uint32_t n_top;
    bool is_exact;
    struct backend_choice backend;
    void (*note)(const char *why_cpu); /* called when a GPU was asked for and is not used */
};

/* Runs the tokens through the model and prints one JSON line per position:
 * {"pos","top":[[id,logit],…],"experts":[{"layer","ids":[…],"weights":[…]},…]} */
enum status eval_logits(
        const struct eval_logits_config *cfg, FILE *out, struct err *err) MUST_USE;

#endif
