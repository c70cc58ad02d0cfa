/* arch_qwen3moe.c - Qwen3 mixtures: a norm per head on q and k, normalised gate weights, an
 * explicit head size. */
#include "engine/arch.h"
#include "engine/model_internal.h"

const struct arch arch_qwen3moe = {
        .name = "qwen3moe",
        .rope = ROPE_NEOX,
        .has_qk_norm = true,
        .is_gate_normalised = true,
        .needs_experts = true,
        .expert_ff_key = "expert_feed_forward_length",
};
