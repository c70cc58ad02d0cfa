/*
 * helper_tiny_model.h - writes small but complete models with random weights: any shape of
 * mixture, a byte-level tokenizer with some English words, a ChatML template. Deterministic:
 * the same options give the same bytes.
 */
#ifndef TESTS_HELPER_TINY_MODEL_H
#define TESTS_HELPER_TINY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct tiny_model {
    const char *arch; /* "llama", "qwen3moe", "olmoe" */
    uint32_t n_layers, n_experts, n_used, n_embd, n_ff;
    uint64_t seed;
    const char *chat_template; /* NULL: ChatML without a default system text */
};

bool tiny_model_write(const char *path, const struct tiny_model *shape);

#endif
