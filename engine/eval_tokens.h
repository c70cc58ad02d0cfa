/* eval_tokens.h - what `shunt eval tokens` runs. */
#ifndef ENGINE_EVAL_TOKENS_H
#define ENGINE_EVAL_TOKENS_H

#include <stdio.h>

#include "engine/base.h"

/* Reads bytes from `in` to its end and prints the ids as a JSON list; or reads a JSON list and
 * prints the bytes. Only the tokenizer keys of the file are read. is_plain: no special tokens,
 * no BOS. */
enum status eval_tokens(const char *path, bool is_plain, bool detokenize, FILE *in, FILE *out,
        struct err *err) MUST_USE;

#endif
