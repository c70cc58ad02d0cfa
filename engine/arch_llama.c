/* arch_llama.c - Llama 1/2/3, Mistral, SmolLM2 and Mixtral: Q and K rows are stored permuted
 * for neighbouring RoPE pairs. */
#include "engine/arch.h"
#include "engine/model_internal.h"

const struct arch arch_llama = {
        .name = "llama",
        .rope = ROPE_NORM,
        .is_gate_normalised = true,
        .expert_ff_key = "feed_forward_length",
};
