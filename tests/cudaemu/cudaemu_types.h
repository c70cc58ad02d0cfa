/*
 * cudaemu_types.h - CUDA's vector types with their alignment, and the stored halves.
 */
#ifndef CUDAEMU_TYPES_H
#define CUDAEMU_TYPES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define GKEMU_VECTORS(type, base)                                                              \
    struct alignas(2 * sizeof(base)) type##2                                                   \
    {                                                                                          \
        base x, y;                                                                             \
    };                                                                                         \
    struct type##3                                                                             \
    {                                                                                          \
        base x, y, z;                                                                          \
    };                                                                                         \
    struct alignas(4 * sizeof(base)) type##4                                                   \
    {                                                                                          \
        base x, y, z, w;                                                                       \
    };                                                                                         \
    static inline type##2 make_##type##2(base x, base y)                                       \
    {                                                                                          \
        return type##2 {x, y};                                                                 \
    }                                                                                          \
    static inline type##3 make_##type##3(base x, base y, base z)                               \
    {                                                                                          \
        return type##3 {x, y, z};                                                              \
    }                                                                                          \
    static inline type##4 make_##type##4(base x, base y, base z, base w)                       \
    {                                                                                          \
        return type##4 {x, y, z, w};                                                           \
    }
GKEMU_VECTORS(char, signed char)
GKEMU_VECTORS(uchar, unsigned char)
GKEMU_VECTORS(short, short)
GKEMU_VECTORS(ushort, unsigned short)
GKEMU_VECTORS(int, int)
GKEMU_VECTORS(uint, unsigned)
GKEMU_VECTORS(float, float)
#undef GKEMU_VECTORS

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

static inline uint32_t gkemu_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float gkemu_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct gk_half {
    uint16_t bits;
};

static inline gk_half gk_half_of_bits(uint16_t bits)
{
    return gk_half{bits};
}

static inline float gk_half_to_float(gk_half half)
{
    uint32_t sign = (half.bits & 0x8000u) << 16, exponent = half.bits >> 10 & 31;
    uint32_t mantissa = half.bits & 1023;
    if (exponent == 31)
        return gkemu_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent > 0)
        return gkemu_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float value = (float)mantissa * 0x1p-24f;
    return sign ? -value : value;
}

/* To the nearest, ties to even; from 65520 on infinity. */
static inline gk_half gk_float_to_half(float value)
{
    uint16_t sign = (uint16_t)(gkemu_bits(value) >> 16 & 0x8000u);
    float size = fabsf(value);
    if (isnan(value))
        return gk_half{0x7fff}; /* as CUDA has it */
    if (size >= 65520.0f)
        return gk_half{(uint16_t)(sign | 0x7c00)};
    if (size < 0x1p-14f)
        return gk_half{(uint16_t)(sign | (uint16_t)lrintf(size * 0x1p24f))};
    uint32_t bits = gkemu_bits(size);
    bits += 0xfff + (bits >> 13 & 1);
    return gk_half{(uint16_t)(sign | (bits - (112u << 23)) >> 13)};
}

#endif
