/*
 * order_cuda.cuh - floats as integers of the same order, so that the largest can be found with
 * integer maxima and bit by bit. Equal floats are equal integers; NaN is below all.
 */
#ifndef KERNELS_ORDER_CUDA_CUH
#define KERNELS_ORDER_CUDA_CUH

#include <limits.h>

#include "kernels/gk.h"

/* Of no value: what has been taken, or was never there. */
#define ORDER_NONE INT_MIN

GK_DEV int order_of(float value)
{
    if (isnan(value))
        return ORDER_NONE + 1;
    int bits = __float_as_int(value == 0 ? 0.0f : value); /* the zeros are equal */
    return bits < 0 ? bits ^ INT_MAX : bits;
}

GK_DEV float value_of_order(int order)
{
    return __int_as_float(order < 0 ? order ^ INT_MAX : order);
}

#endif
