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

/* d, m, 12 bytes of 6-bit scales and minima, 128 bytes: eight groups of 32. */
static void decode_Q4_K(const void *row, float *out, size_t n)
{
    const uint8_t *b = row;
    for (size_t i = 0; i < n; i += 256, b += 144) {
        float d = read_half(b), m = read_half(b + 2);
        const uint8_t *s = b + 4, *q = b + 16;
        for (int j = 0; j < 8; j++, out += 32) {
            int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
            int minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
            float ds = d * (float)scale, mm = m * (float)minimum;
            for (int k = 0; k < 32; k++)
                out[k] = ds * (float)(q[j / 2 * 32 + k] >> (j & 1) * 4 & 15) - mm;
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
