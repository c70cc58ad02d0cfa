/* arch_qwen3.c - dense Qwen3: a norm per head on q and k, an explicit head size. */
#include "engine/arch.h"
#include "engine/model_internal.h"

const struct arch arch_qwen3 = {
        .name = "qwen3",
        .rope = ROPE_NEOX,
        .has_qk_norm = true,
        .expert_ff_key = "expert_feed_forward_length",
};
