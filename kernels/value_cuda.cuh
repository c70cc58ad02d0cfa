/*
 * value_cuda.cuh - activations and weights as products of matrices take and give them: floats
 * in exact mode, else binary16. A half ends at 65504, and an infinity would make whole rows of
 * the next product NaN, so what is larger becomes the largest half, both on the way in and when
 * the product itself gave an infinity; decode, whose 8-bit activations have scales, does not
 * clamp. Only down projections of unusual models come that far, their other inputs are normed.
 * Values below 6e-8 become 0. NaN stays NaN.
 */
#ifndef KERNELS_VALUE_CUDA_CUH
#define KERNELS_VALUE_CUDA_CUH

#include "kernels/gk.h"

#define GK_HALF_MAX 65504.0f

GK_DEV float gk_clamp_to_half(float value)
{
    value = value > GK_HALF_MAX ? GK_HALF_MAX : value;
    return value < -GK_HALF_MAX ? -GK_HALF_MAX : value;
}

GK_DEV void gk_put_value(float *out, float value)
{
    *out = value;
}
GK_DEV void gk_put_value(gk_half *out, float value)
{
    *out = gk_float_to_half(gk_clamp_to_half(value));
}

GK_DEV float gk_value(float value)
{
    return value;
}
GK_DEV float gk_value(gk_half value)
{
    return gk_clamp_to_half(gk_half_to_float(value));
}

/* In decode and in prefill. */
GK_DEV float gk_silu(float x)
{
    return x / (1 + expf(-x));
}

#endif
