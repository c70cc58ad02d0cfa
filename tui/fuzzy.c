/*
 * fuzzy.c - see fuzzy.h. The best way to lay the letters is found by looking at every place of
 * each letter once (row by row, as in an edit distance): greedy matching would find the "ed" of
 * "router/editor" in "routER/eDitor".
 */
#include "tui/fuzzy.h"

#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#define TEXT_MAX    256 /* code points that are looked at */
#define PATTERN_MAX 64

enum { HIT = 16, AT_START = 12, AT_WORD = 10, IN_A_ROW = 14, GAP = 1, UNSET = -100000 };

struct points {
    uint32_t cp[TEXT_MAX], folded[TEXT_MAX];
    int n;
};

static uint32_t fold(uint32_t cp)
{
    if (cp < 0x80)
        return cp - 'A' < 26 ? cp + 32 : cp;
    return (uint32_t)towlower((wint_t)cp);
}

static void decode(struct points *out, struct slice s, int most)
{
    int n = 0;
    for (size_t at = 0; at < s.n && n < most; n++) {
        at += utf8_decode(s.ptr + at, s.n - at, &out->cp[n]);
        out->folded[n] = fold(out->cp[n]);
    }
    out->n = n;
}

/* Most names are out at once. */
static bool is_in_order(const struct points *pattern, const struct points *text)
{
    int p = 0;
    for (int i = 0; i < text->n && p < pattern->n; i++)
        p += text->folded[i] == pattern->folded[p];
    return p == pattern->n;
}

static bool is_letter(uint32_t cp)
{
    return iswalnum((wint_t)cp) != 0;
}

/* Begins a word: behind a sign, or a capital behind a small letter. */
static int bonus_at(const struct points *text, int i)
{
    if (i == 0)
        return AT_START;
    uint32_t before = text->cp[i - 1], cp = text->cp[i];
    bool is_hump = iswlower((wint_t)before) && iswupper((wint_t)cp);
    return is_letter(cp) && (!is_letter(before) || is_hump) ? AT_WORD : 0;
}

/* One word. best[i]: of all ways that lay the letters so far with the newest at i. */
static int score_word(struct slice word, const struct points *text)
{
    struct points pattern;
    int rows[2][TEXT_MAX], best = UNSET;
    decode(&pattern, word, PATTERN_MAX);
    if (!is_in_order(&pattern, text))
        return UNSET;
    for (int p = 0; p < pattern.n; p++) {
        int *row = rows[p % 2], *last = rows[(p + 1) % 2], reach = UNSET;
        best = UNSET;
        for (int i = 0; i < text->n; i++) {
            bool fits = text->folded[i] == pattern.folded[p];
            int beside = i > 0 && p > 0 ? last[i - 1] + IN_A_ROW : UNSET;
            int from = p == 0 ? -(i < 8 ? i : 8) * GAP : reach > beside ? reach : beside;
            row[i] = fits && from > UNSET / 2 ? from + HIT + bonus_at(text, i) : UNSET;
            if (p > 0) { /* the way to the next place is one longer */
                int here = i > 0 ? last[i - 1] - 3 * GAP : UNSET;
                reach = reach - GAP > here ? reach - GAP : here;
            }
            best = row[i] > best ? row[i] : best;
        }
    }
    return best;
}

int fuzzy_score(struct slice pattern, struct slice text)
{
    struct points points;
    int score = 0;
    bool is_any = false;
    decode(&points, text, TEXT_MAX);
    for (struct slice rest = slice_trim(pattern); rest.ptr;) {
        struct slice word = slice_cut(&rest, ' ');
        if (word.n == 0)
            continue;
        int of_word = score_word(word, &points);
        if (of_word <= UNSET / 2)
            return FUZZY_NONE;
        score += of_word;
        is_any = true;
    }
    if (!is_any)
        return 0;
    score = score * 8 - points.n;
    return score > 0 ? score : 1;
}

bool fuzzy_begins_word(struct slice letters, struct slice text)
{
    struct points pattern, points;
    decode(&pattern, letters, PATTERN_MAX);
    decode(&points, text, TEXT_MAX);
    for (int i = 0; i + pattern.n <= points.n; i++)
        if (bonus_at(&points, i) && memcmp(points.folded + i, pattern.folded,
                                            (size_t)pattern.n * sizeof *points.folded) == 0)
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    const struct fuzzy_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->name && y->name ? strcmp(x->name, y->name) : (x->i > y->i) - (x->i < y->i);
}

void fuzzy_sort(struct fuzzy_hit *hits, size_t n)
{
    if (n)
        qsort(hits, n, sizeof *hits, compare);
}
