/* arch_olmoe.c - OLMoE: one norm over the whole projected q and k, gate weights as they are. */
#include "engine/arch.h"
#include "engine/model_internal.h"

const struct arch arch_olmoe = {
        .name = "olmoe",
        .rope = ROPE_NEOX,
        .has_qk_norm = true,
        .is_qk_norm_whole = true,
        .needs_experts = true,
        .expert_ff_key = "feed_forward_length",
};
