/* arch.c - the registry of architectures and the reading of hyperparameters, every one with its
 * limits. */
#include "engine/arch.h"

#include <math.h>
#include <stdio.h>

#include "engine/gguf.h"
#include "engine/model_internal.h"

#define LAYERS_MAX 1000

static const struct arch *const archs[] = {
        &arch_llama, &arch_qwen3, &arch_qwen3moe, &arch_olmoe};

const struct arch *arch_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        if (slice_eq(name, archs[i]->name))
            return archs[i];
    return NULL;
}

void arch_list(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        buf_printf(out, "%s%s", i ? ", " : "", archs[i]->name);
}

/* Reads "ARCH.name"; a missing key gives fallback. Stops doing anything after the first error.
 */
struct reader {
    const struct gguf *g;
    const char *arch;
    struct err *err;
    enum status status;
};

static const char *full_key(const struct reader *r, const char *name, char out[128])
{
    snprintf(out, 128, "%s.%s", r->arch, name);
    return out;
}

static bool has(const struct reader *r, const char *name)
{
    char key[128];
    return gguf_has(r->g, full_key(r, name, key));
}

/* One value for all layers counts as that value. */
static enum status read_per_layer(
        struct reader *r, const char *key, const struct gguf_array *array, uint32_t *out)
{
    double first = gguf_array_number(array, 0);
    if (array->n > LAYERS_MAX)
        return err_set(r->err, ERR_FORMAT,
                "%s: %s has %llu values; a model has at most %d layers", gguf_path(r->g), key,
                (unsigned long long)array->n, LAYERS_MAX);
    for (uint64_t i = 1; i < array->n; i++)
        if (gguf_array_number(array, i) != first)
            return err_set(r->err, ERR_UNSUPPORTED,
                    "%s: %s differs between layers, which this architecture does not do",
                    gguf_path(r->g), key);
    *out = first >= 0 && first <= UINT32_MAX ? (uint32_t)first : UINT32_MAX;
    return OK;
}

/* fallback UINT32_MAX: the key must be there. */
static uint32_t read_u32(
        struct reader *r, const char *name, uint32_t fallback, uint32_t min, uint32_t max)
{
    char key[128];
    uint32_t value = fallback;
    full_key(r, name, key);
    if (r->status != OK || (!gguf_has(r->g, key) && fallback != UINT32_MAX))
        return fallback;
    struct gguf_array array;
    struct err ignored;
    if (gguf_get_array(r->g, key, &array, &ignored) == OK && array.type != GGUF_STRING &&
            array.n) {
        r->status = read_per_layer(r, key, &array, &value);
    } else {
        r->status = gguf_get_u32(r->g, key, &value, r->err);
    }
    if (r->status == OK && (value < min || value > max))
        r->status = err_set(r->err, ERR_FORMAT, "%s: %s is %u; %u to %u are valid",
                gguf_path(r->g), key, value, min, max);
    return value;
}

static float read_f32(struct reader *r, const char *name, float fallback, float min, float max)
{
    char key[128];
    float value = fallback;
    full_key(r, name, key);
    if (r->status != OK || !gguf_has(r->g, key))
        return fallback;
    r->status = gguf_get_f32(r->g, key, &value, r->err);
    if (r->status == OK && !(value >= min && value <= max))
        r->status = err_set(r->err, ERR_FORMAT, "%s: %s is %g; %g to %g are valid",
                gguf_path(r->g), key, (double)value, (double)min, (double)max);
    return value;
}

static void refuse(struct reader *r, const char *why)
{
    if (r->status == OK)
        r->status = err_set(r->err, ERR_FORMAT, "%s: %s", gguf_path(r->g), why);
}

static void read_rope(struct reader *r, struct hparams *hp)
{
    char key[128];
    struct slice type = SLICE("linear");
    hp->n_rot = read_u32(r, "rope.dimension_count", hp->head_dim, 2, hp->head_dim);
    hp->rope_base = read_f32(r, "rope.freq_base", 10000, 2, 1e12f);
    hp->rope_factor = read_f32(
            r, "rope.scaling.factor", read_f32(r, "rope.scale_linear", 1, 0, 1e6f), 0, 1e6f);
    if (has(r, "rope.scaling.type") && r->status == OK)
        r->status = gguf_get_str(r->g, full_key(r, "rope.scaling.type", key), &type, r->err);
    hp->is_yarn = slice_eq(type, "yarn");
    if (slice_eq(type, "none") || hp->rope_factor == 0)
        hp->rope_factor = 1;
    if (r->status == OK && !hp->is_yarn && !slice_eq(type, "none") && !slice_eq(type, "linear"))
        r->status =
                err_set(r->err, ERR_UNSUPPORTED, "%s: RoPE scaling \"%.*s\" is not supported",
                        gguf_path(r->g), (int)(type.n < 32 ? type.n : 32), type.ptr);
    hp->rope_original_tok = read_u32(
            r, "rope.scaling.original_context_length", hp->context_train_tok, 1, 1u << 30);
    hp->yarn_beta_fast = read_f32(r, "rope.scaling.yarn_beta_fast", 32, 0.01f, 1e6f);
    hp->yarn_beta_slow = read_f32(r, "rope.scaling.yarn_beta_slow", 1, 0.01f, 1e6f);
    hp->yarn_attn_factor = read_f32(r, "rope.scaling.attn_factor", 1, 0, 1e3f);
    if (hp->n_rot % 2)
        refuse(r, "rope.dimension_count is odd");
}

static void read_experts(struct reader *r, struct hparams *hp, const struct arch *arch)
{
    hp->n_experts = read_u32(r, "expert_count", 0, 0, 4096);
    if (hp->n_experts == 0) {
        if (arch->needs_experts)
            refuse(r, "expert_count is missing or 0 although the architecture is a mixture");
        else if (hp->n_ff == 0)
            refuse(r, "feed_forward_length is 0");
        return;
    }
    uint32_t most = hp->n_experts < 256 ? hp->n_experts : 256;
    hp->n_experts_used = read_u32(r, "expert_used_count", UINT32_MAX, 1, most);
    hp->n_expert_ff = read_u32(r, arch->expert_ff_key, UINT32_MAX, 1, 1u << 20);
    if (r->status == OK && read_u32(r, "expert_shared_count", 0, 0, 1u << 16) > 0)
        r->status = err_set(r->err, ERR_UNSUPPORTED, "%s: shared experts are not supported yet",
                gguf_path(r->g));
    if (r->status == OK && read_u32(r, "expert_gating_func", 1, 0, 255) > 1)
        r->status = err_set(r->err, ERR_UNSUPPORTED,
                "%s: expert_gating_func other than softmax (1) is not supported with %s",
                gguf_path(r->g), arch->name);
    hp->expert_scale = read_f32(r, "expert_weights_scale", 1, 0, 1e3f);
    if (hp->expert_scale == 0) /* not set */
        hp->expert_scale = 1;
}

enum status hparams_read(
        struct hparams *hp, const struct arch *arch, const struct gguf *g, struct err *err)
{
    struct reader r = {g, arch->name, err, OK};
    *hp = (struct hparams){0};
    hp->n_layers = read_u32(&r, "block_count", UINT32_MAX, 1, LAYERS_MAX);
    hp->d = read_u32(&r, "embedding_length", UINT32_MAX, 1, 1u << 18);
    hp->n_heads = read_u32(&r, "attention.head_count", UINT32_MAX, 1, 4096);
    hp->n_kv_heads = read_u32(&r, "attention.head_count_kv", hp->n_heads, 1, 4096);
    hp->context_train_tok = read_u32(&r, "context_length", UINT32_MAX, 1, 1u << 30);
    hp->n_ff = read_u32(
            &r, "feed_forward_length", arch->needs_experts ? 0 : UINT32_MAX, 0, 1u << 20);
    hp->eps = read_f32(&r, "attention.layer_norm_rms_epsilon", -1, 0, 1);
    if (r.status == OK && hp->eps < 0)
        refuse(&r, "attention.layer_norm_rms_epsilon is missing");
    if (r.status != OK)
        return r.status;
    uint32_t fallback_dim = hp->d / hp->n_heads;
    hp->head_dim = read_u32(&r, "attention.key_length", fallback_dim, 1, 4096);
    if (read_u32(&r, "attention.value_length", hp->head_dim, 1, 4096) != hp->head_dim)
        refuse(&r, "keys and values of different length are not supported");
    if (hp->head_dim == 0 || (!has(&r, "attention.key_length") && hp->d % hp->n_heads))
        refuse(&r, "embedding_length is no multiple of attention.head_count");
    if (hp->n_heads % hp->n_kv_heads)
        refuse(&r, "attention.head_count is no multiple of attention.head_count_kv");
    hp->attn_scale = read_f32(&r, "attention.scale", 0, 0, 1e3f);
    if (hp->attn_scale == 0 && hp->head_dim)
        hp->attn_scale = 1 / sqrtf((float)hp->head_dim);
    if (r.status == OK)
        read_rope(&r, hp);
    read_experts(&r, hp, arch);
    return r.status;
}
