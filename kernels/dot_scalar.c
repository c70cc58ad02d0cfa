/* dot_scalar.c - the readable specification of the row products (see dot.h). Sums run in float,
 * in order. */
#include <math.h>

#include "kernels/dot.h"

static bool is_supported(void)
{
    return true;
}

static float dot(const float *a, const float *b, uint32_t n)
{
    float sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float dot_half(const uint16_t *a, const float *b, uint32_t n)
{
    float sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += half_to_float(a[i]) * b[i];
    return sum;
}

static void row_f32(enum quant quant, const void *weights, const struct act *act,
        const uint32_t *rows, int n_rows, float *out)
{
    const struct quant_traits *traits = &quant_traits[quant];
    float w[DOT_CHUNK];
    for (int r = 0; r < n_rows; r++)
        out[r] = 0;
    for (uint32_t i = 0; i < act->n; i += DOT_CHUNK) {
        uint32_t n = act->n - i < DOT_CHUNK ? act->n - i : DOT_CHUNK;
        traits->decode((const char *)weights + quant_row_bytes(quant, i), w, n);
        for (int r = 0; r < n_rows; r++)
            out[r] += dot(w, act->f32 + (size_t)rows[r] * act->n + i, n);
    }
}

static void row_q8(enum quant quant, const void *weights, const struct act *act,
        const uint32_t *rows, int n_rows, float *out)
{
    const struct quant_traits *traits = &quant_traits[quant];
    float w[DOT_CHUNK];
    for (int r = 0; r < n_rows; r++)
        out[r] = 0;
    for (uint32_t i = 0; i < act->n; i += DOT_CHUNK) {
        uint32_t n = act->n - i < DOT_CHUNK ? act->n - i : DOT_CHUNK;
        traits->decode((const char *)weights + quant_row_bytes(quant, i), w, n);
        for (int r = 0; r < n_rows; r++) {
            const int8_t *q = act->q8 + (size_t)rows[r] * act->n + i;
            const float *d = act->d + (size_t)rows[r] * (act->n / 32) + i / 32;
            for (uint32_t j = 0; j < n; j++)
                out[r] += w[j] * (float)q[j] * d[j / 32];
        }
    }
}

static void quantise(const float *x, int8_t *q8, float *d, float *sum, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 32) {
        float largest = 0;
        for (uint32_t j = 0; j < 32; j++)
            largest = fmaxf(largest, fabsf(x[i + j]));
        float scale = largest / 127;
        float inverse = largest > 1e-30f ? 127 / largest : 0; /* never infinite */
        int total = 0;
        for (uint32_t j = 0; j < 32; j++) {
            q8[i + j] = (int8_t)nearbyintf(x[i + j] * inverse);
            total += q8[i + j];
        }
        d[i / 32] = scale;
        sum[i / 32] = scale * (float)total;
    }
}

static void add_scaled(float *out, const float *x, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] += scale * x[i];
}

static void add_scaled_half(float *out, const uint16_t *x, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] += scale * half_to_float(x[i]);
}

static void to_half(const float *x, uint16_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = float_to_half(x[i]);
}

const struct dot_ops dot_ops_scalar = {
        .name = "scalar",
        .is_supported = is_supported,
        .row_f32 = row_f32,
        .row_q8 = row_q8,
        .quantise = quantise,
        .dot = dot,
        .dot_half = dot_half,
        .add_scaled = add_scaled,
        .add_scaled_half = add_scaled_half,
        .to_half = to_half,
};
