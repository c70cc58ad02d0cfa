/*
 * dot_avx2.c - row products for AVX2, FMA and F16C (see dot.h). Quantised weights stay
 * integers: nibbles times 8-bit activations in maddubs, one float multiply per block, the
 * constant part of a block through the activations' sums. Each weight block is unpacked once
 * for up to DOT_TILE activation rows.
 */
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "kernels/dot.h"

#define INLINE  static inline __attribute__((always_inline))
#define UNROLL  _Pragma("GCC unroll 4")
#define UNROLL8 _Pragma("GCC unroll 8")

/* F16C is older than AVX2 and came with every processor that has it; clang 14 cannot ask. */
static bool is_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

INLINE float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

INLINE float half(const uint8_t *bytes)
{
    uint16_t bits;
    memcpy(&bits, bytes, 2);
    return _cvtsh_ss(bits);
}

/* 16 bytes -> 32 nibbles, low ones first. */
INLINE __m256i nibbles16(const uint8_t *bytes)
{
    __m128i q = _mm_loadu_si128((const __m128i *)bytes);
    __m256i both = _mm256_set_m128i(_mm_srli_epi16(q, 4), q);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* Sums of four neighbouring products of unsigned w (at most 128) and signed a, as eight int32.
 */
INLINE __m256i mul_unsigned(__m256i w, __m256i a)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1));
}

INLINE __m256i load_act(const struct act *act, uint32_t row, uint32_t i)
{
    return _mm256_loadu_si256((const __m256i *)(act->q8 + (size_t)row * act->n + i));
}

INLINE const float *act_scales(const struct act *act, uint32_t row)
{
    return act->d + (size_t)row * (act->n / 32);
}

INLINE const float *act_sums(const struct act *act, uint32_t row)
{
    return act->sum + (size_t)row * (act->n / 32);
}

INLINE __m256 scaled(__m256i sums, float scale, __m256 acc)
{
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale), acc);
}

/* 32 fifth bits -> 32 bytes of 0 or 16: byte k tests bit k % 8 of mask byte k / 8. */
INLINE __m256i fifth_bits32(const uint8_t *mask)
{
    uint32_t bits;
    memcpy(&bits, mask, 4);
    const __m256i spread =
            _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i which = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), spread);
    bytes = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, which), which);
    return _mm256_and_si256(bytes, _mm256_set1_epi8(16));
}

enum form45 { CENTRED_4, CENTRED_5, MINIMUM_4, MINIMUM_5 };

/* The four types of 32 values with 4 or 5 bits each, with a minimum or centred. */
INLINE void q45_32(const uint8_t *w, const struct act *act, const uint32_t *rows, float *out,
        const int n_rows, const enum form45 form)
{
    const bool has_min = form >= MINIMUM_4, has_fifth = form & 1;
    const int head_bytes = has_min ? 4 : 2, block_bytes = head_bytes + 16 + 4 * has_fifth;
    __m256 acc[DOT_TILE];
    float constant[DOT_TILE];
    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r] = _mm256_setzero_ps(), constant[r] = 0;
    for (uint32_t i = 0; i < act->n; i += 32, w += block_bytes) {
        float d = half(w), m = has_min ? half(w + 2) : (has_fifth ? -16 : -8) * d;
        __m256i q = nibbles16(w + block_bytes - 16);
        if (has_fifth)
            q = _mm256_or_si256(q, fifth_bits32(w + head_bytes));
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            acc[r] = scaled(mul_unsigned(q, load_act(act, rows[r], i)),
                    d * act_scales(act, rows[r])[i / 32], acc[r]);
            constant[r] += m * act_sums(act, rows[r])[i / 32];
        }
    }
    UNROLL
    for (int r = 0; r < n_rows; r++)
        out[r] = sum8(acc[r]) + constant[r];
}

#define Q45_32(name, form)                                                                     \
    INLINE void name(const uint8_t *w, const struct act *act, const uint32_t *rows,            \
            float *out, const int n_rows)                                                      \
    {                                                                                          \
        q45_32(w, act, rows, out, n_rows, form);                                               \
    }
Q45_32(q4_0, CENTRED_4)
Q45_32(q4_1, MINIMUM_4)
Q45_32(q5_0, CENTRED_5)
Q45_32(q5_1, MINIMUM_5)
#undef Q45_32

INLINE void q8_0(const uint8_t *w, const struct act *act, const uint32_t *rows, float *out,
        const int n_rows)
{
    __m256 acc[DOT_TILE];
    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r] = _mm256_setzero_ps();
    for (uint32_t i = 0; i < act->n; i += 32, w += 34) {
        float d = half(w);
        __m256i q = _mm256_loadu_si256((const __m256i *)(w + 2)),
                magnitude = _mm256_abs_epi8(q);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            __m256i a = _mm256_sign_epi8(load_act(act, rows[r], i), q);
            acc[r] = scaled(
                    mul_unsigned(magnitude, a), d * act_scales(act, rows[r])[i / 32], acc[r]);
        }
    }
    UNROLL
    for (int r = 0; r < n_rows; r++)
        out[r] = sum8(acc[r]);
}

/* Bit j of each of 32 bytes -> 0 or 16. */
INLINE __m256i fifth_plane(const uint8_t *high, int j)
{
    __m256i h = _mm256_loadu_si256((const __m256i *)high);
    h = _mm256_and_si256(_mm256_srl_epi16(h, _mm_cvtsi32_si128(j)), _mm256_set1_epi8(1));
    return _mm256_slli_epi16(h, 4);
}

/* The eight 6-bit scales and minima of Q4_K and Q5_K as floats. */
INLINE void k_scales(const uint8_t *bytes, __m256 *scales, __m256 *minima)
{
    uint32_t u[3];
    memcpy(u, bytes, sizeof u);
    uint32_t scales_low = u[0] & 0x3F3F3F3F, minima_low = u[1] & 0x3F3F3F3F;
    uint32_t scales_high = (u[2] & 0x0F0F0F0F) | (u[0] >> 6 & 0x03030303) << 4;
    uint32_t minima_high = (u[2] >> 4 & 0x0F0F0F0F) | (u[1] >> 6 & 0x03030303) << 4;
    __m128i all = _mm_setr_epi32(
            (int)scales_low, (int)scales_high, (int)minima_low, (int)minima_high);
    *scales = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(all));
    *minima = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(all, 8)));
}

/* acc += sums * factors[j] */
INLINE __m256 scaled_by(__m256i sums, __m256 factors, int j, __m256 acc)
{
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums),
            _mm256_permutevar8x32_ps(factors, _mm256_set1_epi32(j)), acc);
}

/* Q4_K, and Q5_K with 32 bytes of fifth bits before the nibbles. A block's eight groups lie
 * beside eight activation scales and sums, so factors and minima are one vector operation each.
 */
INLINE void q45_k(const uint8_t *w, const struct act *act, const uint32_t *rows, float *out,
        const int n_rows, const bool has_fifth)
{
    const int low_at = has_fifth ? 48 : 16, block_bytes = low_at + 128;
    __m256 acc[DOT_TILE], constant[DOT_TILE], factors[DOT_TILE];
    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r] = constant[r] = _mm256_setzero_ps();
    for (uint32_t i = 0; i < act->n; i += 256, w += block_bytes) {
        __m256 scales, minima;
        k_scales(w + 4, &scales, &minima);
        scales = _mm256_mul_ps(scales, _mm256_set1_ps(half(w)));
        minima = _mm256_mul_ps(minima, _mm256_set1_ps(half(w + 2)));
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            factors[r] =
                    _mm256_mul_ps(scales, _mm256_loadu_ps(act_scales(act, rows[r]) + i / 32));
            constant[r] = _mm256_fnmadd_ps(
                    minima, _mm256_loadu_ps(act_sums(act, rows[r]) + i / 32), constant[r]);
        }
        UNROLL8
        for (int j = 0; j < 8; j++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(w + low_at + j / 2 * 32));
            __m256i q = _mm256_and_si256(
                    j & 1 ? _mm256_srli_epi16(bytes, 4) : bytes, _mm256_set1_epi8(15));
            if (has_fifth)
                q = _mm256_or_si256(q, fifth_plane(w + 16, j));
            UNROLL
            for (int r = 0; r < n_rows; r++)
                acc[r] =
                        scaled_by(mul_unsigned(q, load_act(act, rows[r], i + 32 * (uint32_t)j)),
                                factors[r], j, acc[r]);
        }
    }
    UNROLL
    for (int r = 0; r < n_rows; r++)
        out[r] = sum8(_mm256_add_ps(acc[r], constant[r]));
}

INLINE void q4_k(const uint8_t *w, const struct act *act, const uint32_t *rows, float *out,
        const int n_rows)
{
    q45_k(w, act, rows, out, n_rows, false);
}

INLINE void q5_k(const uint8_t *w, const struct act *act, const uint32_t *rows, float *out,
        const int n_rows)
{
    q45_k(w, act, rows, out, n_rows, true);
}

/* Values of quarter k (0..3) of one half of a Q6_K block, minus 32. */
INLINE __m256i q6_quarter(const uint8_t *low, const uint8_t *high, int k)
{
    __m256i l = _mm256_loadu_si256((const __m256i *)(low + 32 * (k & 1)));
    __m256i h = _mm256_loadu_si256((const __m256i *)high);
    l = _mm256_and_si256(k & 2 ? _mm256_srli_epi16(l, 4) : l, _mm256_set1_epi8(15));
    h = _mm256_and_si256(_mm256_srl_epi16(h, _mm_cvtsi32_si128(2 * k)), _mm256_set1_epi8(3));
    return _mm256_sub_epi8(_mm256_or_si256(l, _mm256_slli_epi16(h, 4)), _mm256_set1_epi8(32));
}

/* Scales 2k and 2k + 1 of sixteen, each in its own half. */
INLINE __m256i scale_pair(__m256i scales, int k)
{
    const __m256i spread = _mm256_set_m128i(_mm_set1_epi16(0x0302), _mm_set1_epi16(0x0100));
    return _mm256_shuffle_epi8(
            _mm256_permutevar8x32_epi32(scales, _mm256_set1_epi32(k)), spread);
}

INLINE void q6_k(const uint8_t *w, const struct act *act, const uint32_t *rows, float *out,
        const int n_rows)
{
    __m256 acc[DOT_TILE], factors[DOT_TILE];
    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r] = _mm256_setzero_ps();
    for (uint32_t i = 0; i < act->n; i += 256, w += 210) {
        __m256 d = _mm256_set1_ps(half(w + 208));
        __m256i scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 192)));
        UNROLL
        for (int r = 0; r < n_rows; r++)
            factors[r] = _mm256_mul_ps(d, _mm256_loadu_ps(act_scales(act, rows[r]) + i / 32));
        UNROLL8
        for (int k = 0; k < 8; k++) {
            __m256i q = q6_quarter(w + k / 4 * 64, w + 128 + k / 4 * 32, k % 4);
            __m256i magnitude = _mm256_abs_epi8(q), scale = scale_pair(scales, k);
            UNROLL
            for (int r = 0; r < n_rows; r++) {
                __m256i a = _mm256_sign_epi8(load_act(act, rows[r], i + 32 * (uint32_t)k), q);
                __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, a), scale);
                acc[r] = scaled_by(sums, factors[r], k, acc[r]);
            }
        }
    }
    UNROLL
    for (int r = 0; r < n_rows; r++)
        out[r] = sum8(acc[r]);
}

/* A copy of fn per number of rows, so that the accumulators stay in registers. */
#define BY_ROWS(fn)                                                                            \
    (n_rows == 1          ? fn(w, act, rows, out, 1)                                           \
            : n_rows == 2 ? fn(w, act, rows, out, 2)                                           \
            : n_rows == 3 ? fn(w, act, rows, out, 3)                                           \
                          : fn(w, act, rows, out, 4))

static void row_q8(enum quant quant, const void *weights, const struct act *act,
        const uint32_t *rows, int n_rows, float *out)
{
    const uint8_t *w = weights;
    switch (quant) {
    case QUANT_Q4_0:
        BY_ROWS(q4_0);
        break;
    case QUANT_Q4_1:
        BY_ROWS(q4_1);
        break;
    case QUANT_Q5_0:
        BY_ROWS(q5_0);
        break;
    case QUANT_Q5_1:
        BY_ROWS(q5_1);
        break;
    case QUANT_Q8_0:
        BY_ROWS(q8_0);
        break;
    case QUANT_Q4_K:
        BY_ROWS(q4_k);
        break;
    case QUANT_Q5_K:
        BY_ROWS(q5_k);
        break;
    case QUANT_Q6_K:
        BY_ROWS(q6_k);
        break;
    default:
        dot_ops_scalar.row_q8(quant, weights, act, rows, n_rows, out);
    }
}

static float dot(const float *a, const float *b, uint32_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    }
    float sum = sum8(_mm256_add_ps(s0, s1));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

INLINE __m256 load_half8(const uint16_t *a)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)a));
}

static float dot_half(const uint16_t *a, const float *b, uint32_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 = _mm256_fmadd_ps(load_half8(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(load_half8(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    }
    float sum = sum8(_mm256_add_ps(s0, s1));
    for (; i < n; i++)
        sum += _cvtsh_ss(a[i]) * b[i];
    return sum;
}

INLINE __m256 load_brain8(const uint16_t *a)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)a));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static float dot_brain(const uint16_t *a, const float *b, uint32_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 = _mm256_fmadd_ps(load_brain8(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(load_brain8(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    }
    float sum = sum8(_mm256_add_ps(s0, s1)), last;
    for (; i < n; i++) {
        quant_traits[QUANT_BF16].decode(a + i, &last, 1);
        sum += last * b[i];
    }
    return sum;
}

/* Types without an integer form, and exact mode: the row is decoded in chunks that stay in L1.
 */
static void row_f32(enum quant quant, const void *weights, const struct act *act,
        const uint32_t *rows, int n_rows, float *out)
{
    float w[DOT_CHUNK];
    UNROLL
    for (int r = 0; r < n_rows; r++)
        out[r] = 0;
    for (uint32_t i = 0; i < act->n; i += DOT_CHUNK) {
        uint32_t n = act->n - i < DOT_CHUNK ? act->n - i : DOT_CHUNK;
        const char *at = (const char *)weights + quant_row_bytes(quant, i);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const float *x = act->f32 + (size_t)rows[r] * act->n + i;
            if (quant == QUANT_F32) {
                out[r] += dot((const float *)at, x, n);
            } else if (quant == QUANT_F16) {
                out[r] += dot_half((const uint16_t *)at, x, n);
            } else if (quant == QUANT_BF16) {
                out[r] += dot_brain((const uint16_t *)at, x, n);
            } else {
                if (r == 0)
                    quant_traits[quant].decode(at, w, n);
                out[r] += dot(w, x, n);
            }
        }
    }
}

static void quantise(const float *x, int8_t *q8, float *d, float *sum, uint32_t n)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    for (uint32_t i = 0; i < n; i += 32) {
        __m256 v[4], largest = _mm256_setzero_ps();
        for (int k = 0; k < 4; k++) {
            v[k] = _mm256_loadu_ps(x + i + 8 * k);
            largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, v[k]));
        }
        __m128 m =
                _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
        m = _mm_max_ps(m, _mm_movehl_ps(m, m));
        float top = _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
        __m256 inverse = _mm256_set1_ps(top > 1e-30f ? 127 / top : 0);
        __m256i q[4], total = _mm256_setzero_si256();
        for (int k = 0; k < 4; k++) {
            q[k] = _mm256_cvtps_epi32(_mm256_mul_ps(v[k], inverse));
            total = _mm256_add_epi32(total, q[k]);
        }
        /* packs works per 128-bit lane: the final permute puts the groups of four back in order
         */
        __m256i packed = _mm256_packs_epi16(
                _mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(q8 + i), packed);
        d[i / 32] = top / 127;
        sum[i / 32] = top / 127 * sum8(_mm256_cvtepi32_ps(total));
    }
}

static void add_scaled(float *out, const float *x, float scale, uint32_t n)
{
    __m256 s = _mm256_set1_ps(scale);
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
                out + i, _mm256_fmadd_ps(s, _mm256_loadu_ps(x + i), _mm256_loadu_ps(out + i)));
    for (; i < n; i++)
        out[i] += scale * x[i];
}

static void add_scaled_half(float *out, const uint16_t *x, float scale, uint32_t n)
{
    __m256 s = _mm256_set1_ps(scale);
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
                out + i, _mm256_fmadd_ps(s, load_half8(x + i), _mm256_loadu_ps(out + i)));
    for (; i < n; i++)
        out[i] += scale * _cvtsh_ss(x[i]);
}

static void to_half(const float *x, uint16_t *out, uint32_t n)
{
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(out + i),
                _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++)
        out[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

const struct dot_ops dot_ops_avx2 = {
        .name = "avx2",
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

#endif
