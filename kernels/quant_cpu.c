/*
 * quant_cpu.c - decoding of every weight type, one function each: the readable specification
 * that SIMD and GPU code is tested against. d and m are binary16; "low"/"high" are the two
 * nibbles of a byte.
 */
#include <string.h>

#include "kernels/quant.h"

float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31,
             mantissa = half & 1023;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7F800000 | mantissa << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else { /* subnormal: mantissa * 2^-24, exact in float */
        float value = (float)mantissa * 0x1.0p-24f;
        memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

uint16_t float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000)
        return sign | 0x7E00;
    if (bits >= 0x477FF000) /* rounds to 65536 or more */
        return sign | 0x7C00;
    if (bits < 0x38800000) { /* subnormal: adding 0.5 aligns the mantissa and rounds to even */
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        magnitude += 0.5f;
        memcpy(&bits, &magnitude, sizeof bits);
        return sign | (uint16_t)(bits - 0x3F000000);
    }
    bits += 0xFFF + (bits >> 13 & 1);
    return sign | (uint16_t)((bits - 0x38000000) >> 13);
}

static float read_half(const uint8_t *bytes)
{
    return half_to_float((uint16_t)(bytes[0] | bytes[1] << 8));
}

static void decode_F32(const void *row, float *out, size_t n)
{
    memcpy(out, row, n * sizeof *out);
}

static void decode_F16(const void *row, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = read_half((const uint8_t *)row + 2 * i);
}

/* The upper half of a float32. */
static void decode_BF16(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i++, b += 2) {
        uint32_t bits = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 24;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

/* d, 16 bytes: y = d * (nibble - 8); low nibbles are values 0-15. */
static void decode_Q4_0(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 32, b += 18, out += 32) {
        float d = read_half(b);
        for (int k = 0; k < 16; k++) {
            out[k] = d * (float)((b[2 + k] & 15) - 8);
            out[k + 16] = d * (float)((b[2 + k] >> 4) - 8);
        }
    }
}

/* d, m, 16 bytes: y = d * nibble + m. */
static void decode_Q4_1(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 32, b += 20, out += 32) {
        float d = read_half(b), m = read_half(b + 2);
        for (int k = 0; k < 16; k++) {
            out[k] = d * (float)(b[4 + k] & 15) + m;
            out[k + 16] = d * (float)(b[4 + k] >> 4) + m;
        }
    }
}

/* 16 bytes of nibbles with the fifth bit of value i in bit i of `high`. */
static void unpack_five_bits(const uint8_t *nibbles, const uint8_t *high, int out[32])
{
    for (int i = 0; i < 32; i++)
        out[i] = (nibbles[i % 16] >> i / 16 * 4 & 15) | (high[i / 8] >> i % 8 & 1) << 4;
}

/* d, 4 bytes of fifth bits, 16 bytes: y = d * (q - 16). */
static void decode_Q5_0(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    int q[32];
    for (size_t i = 0; i < n; i += 32, b += 22, out += 32) {
        float d = read_half(b);
        unpack_five_bits(b + 6, b + 2, q);
        for (int k = 0; k < 32; k++)
            out[k] = d * (float)(q[k] - 16);
    }
}

/* d, m, 4 bytes of fifth bits, 16 bytes: y = d * q + m. */
static void decode_Q5_1(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    int q[32];
    for (size_t i = 0; i < n; i += 32, b += 24, out += 32) {
        float d = read_half(b), m = read_half(b + 2);
        unpack_five_bits(b + 8, b + 4, q);
        for (int k = 0; k < 32; k++)
            out[k] = d * (float)q[k] + m;
    }
}

/* d, 32 int8. */
static void decode_Q8_0(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 32, b += 34, out += 32) {
        float d = read_half(b);
        for (int k = 0; k < 32; k++)
            out[k] = d * (float)(int8_t)b[2 + k];
    }
}

/* Value v of 64 bytes that hold 256 two-bit values in planes: 32 bytes per half, 32 values per
 * shift. */
static int two_bits(const uint8_t *q, int v)
{
    return q[v / 128 * 32 + v % 32] >> v % 128 / 32 * 2 & 3;
}

/* 16 bytes of 4-bit scales and minima, 64 bytes of two-bit planes, d, m: 16 groups of 16. */
static void decode_Q2_K(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 256, b += 84) {
        float d = read_half(b + 80), m = read_half(b + 82);
        for (int v = 0; v < 256; v++, out++)
            *out = d * (float)(b[v / 16] & 15) * (float)two_bits(b + 16, v) -
                   m * (float)(b[v / 16] >> 4);
    }
}

/* 32 bytes of third bits, 64 bytes of two-bit planes, 12 bytes of 6-bit scales, d: y = d *
 * (scale - 32) * (q - 4); bit k of third[l] belongs to value 32 k + l. */
static void decode_Q3_K(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 256, b += 110) {
        float d = read_half(b + 108);
        const uint8_t *s = b + 96;
        for (int v = 0; v < 256; v++, out++) {
            int g = v / 16;
            int scale = (s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4;
            int q = two_bits(b + 32, v) | (b[v % 32] >> v / 32 & 1) << 2;
            *out = d * (float)(scale - 32) * (float)(q - 4);
        }
    }
}

/* Scale and minimum of group j from the 12 bytes that Q4_K and Q5_K share. */
static void unpack_scale(const uint8_t *s, int j, int *scale, int *minimum)
{
    *scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    *minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
}

/* d, m, 12 bytes of 6-bit scales and minima, 128 bytes: eight groups of 32. */
static void decode_Q4_K(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 256, b += 144) {
        float d = read_half(b), m = read_half(b + 2);
        const uint8_t *q = b + 16;
        for (int j = 0; j < 8; j++, out += 32) {
            int scale, minimum;
            unpack_scale(b + 4, j, &scale, &minimum);
            float ds = d * (float)scale, mm = m * (float)minimum;
            for (int k = 0; k < 32; k++)
                out[k] = ds * (float)(q[j / 2 * 32 + k] >> (j & 1) * 4 & 15) - mm;
        }
    }
}

/* As Q4_K, with 32 bytes of fifth bits before the nibbles: bit j of high[k] is group j's. */
static void decode_Q5_K(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 256, b += 176) {
        float d = read_half(b), m = read_half(b + 2);
        const uint8_t *high = b + 16, *low = b + 48;
        for (int j = 0; j < 8; j++, out += 32) {
            int scale, minimum;
            unpack_scale(b + 4, j, &scale, &minimum);
            float ds = d * (float)scale, mm = m * (float)minimum;
            for (int k = 0; k < 32; k++) {
                int nibble = low[j / 2 * 32 + k] >> (j & 1) * 4 & 15;
                out[k] = ds * (float)(nibble | (high[k] >> j & 1) << 4) - mm;
            }
        }
    }
}

/* 128 bytes of low nibbles, 64 of upper two bits, 16 int8 scales, d: y = d * scale * (q - 32).
 */
static void decode_Q6_K(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 256, b += 210) {
        float d = read_half(b + 208);
        const int8_t *scale = (const int8_t *)b + 192;
        for (int v = 0; v < 256; v++, out++) {
            int half = v / 128, quarter = v % 128 / 32, l = v % 32;
            int low = b[64 * half + 32 * (quarter & 1) + l] >> (quarter & 2) * 2 & 15;
            int high = b[128 + 32 * half + l] >> 2 * quarter & 3;
            *out = d * (float)scale[v / 16] * (float)((low | high << 4) - 32);
        }
    }
}

const struct quant_traits quant_traits[QUANT_COUNT] = {
#define QUANT(id, name, file_id, block_elems, block_bytes)                                     \
    [QUANT_##id] = {name, file_id, block_elems, block_bytes, decode_##id},
#include "kernels/quant.def"
#undef QUANT
};

int quant_find(uint32_t file_id)
{
    for (int i = 0; i < QUANT_COUNT; i++)
        if (quant_traits[i].file_id == file_id)
            return i;
    return -1;
}

size_t quant_row_bytes(enum quant quant, size_t n)
{
    return n / quant_traits[quant].block_elems * quant_traits[quant].block_bytes;
}
