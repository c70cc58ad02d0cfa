/* base_utf8.c - the UTF-8 of base.h, strict: no overlong forms, no surrogates; a byte that
 * begins no character stands for U+FFFD by itself, so the rest of a damaged text stays
 * readable. */
#include <string.h>

#include "engine/base.h"

/* Bytes a sequence with this first byte has; 0: no sequence starts so. */
static size_t utf8_length(unsigned char c)
{
    return c < 0x80                ? 1
           : c >= 0xC2 && c < 0xE0 ? 2
           : (c & 0xF0) == 0xE0    ? 3
           : c >= 0xF0 && c < 0xF5 ? 4
                                   : 0;
}

/* True when c may follow as byte i of a sequence that starts with `first`. */
static bool utf8_continues(unsigned char first, size_t i, unsigned char c)
{
    if ((c & 0xC0) != 0x80)
        return false;
    if (i != 1)
        return true;
    return !(first == 0xE0 && c < 0xA0) && !(first == 0xED && c > 0x9F) &&
           !(first == 0xF0 && c < 0x90) && !(first == 0xF4 && c > 0x8F);
}

size_t utf8_decode(const char *s, size_t n, uint32_t *code_point)
{
    unsigned char first = (unsigned char)s[0];
    size_t len = utf8_length(first);
    if (len == 1) {
        *code_point = first;
        return 1;
    }
    *code_point = 0xFFFD;
    if (len == 0 || len > n)
        return 1;
    uint32_t cp = first & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!utf8_continues(first, i, c))
            return 1;
        cp = cp << 6 | (c & 0x3F);
    }
    *code_point = cp;
    return len;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
        cp = 0xFFFD;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xFF) | cp);
    return n;
}

bool utf8_is_hostile(uint32_t cp)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
            {0, 0x08}, {0x0B, 0x1F}, {0x7F, 0x9F}, /* controls */
            {0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}, /* bidi */
            {0x200B, 0x200B}, {0x2060, 0x2064}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, /* unseen */
            {0xE0000, 0xE007F},                                                     /* tags */
            {0xE000, 0xF8FF}, {0xF0000, 0x10FFFF}, /* private use: anything */
            {0x2028, 0x2029},                      /* line ends */
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return true;
    return false;
}

void utf8_make_printable(char *text)
{
    size_t n_text = strlen(text), n;
    for (size_t i = 0; i < n_text; i += n) {
        uint32_t cp;
        n = utf8_decode(text + i, n_text - i, &cp);
        if (cp < 0x20 || utf8_is_hostile(cp) || (cp == 0xFFFD && n == 1))
            memset(text + i, ' ', n);
    }
}

size_t utf8_whole(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        if (utf8_length(c) <= back)
            return n;
        for (size_t i = 1; i < back; i++)
            if (!utf8_continues(c, i, (unsigned char)s[n - back + i]))
                return n;
        return n - back;
    }
    return n;
}
