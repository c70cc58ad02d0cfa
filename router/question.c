/*
 * question.c - reads a question once, word by word: each word is hashed for the linear models
 * and looked up in one sorted table for everything else. Words are cut without tables of
 * Unicode: what is not ASCII counts as a letter, but for punctuation and for the scripts that
 * put no spaces between words, where each character is a word.
 */
#include "router/question.h"

#include <string.h>

#define LEXEME_BYTES 29
#define WORD_BYTES   32 /* longer words are in no table */
#define EARLY_WORDS  5

enum {
    L_EN = 1,
    L_DE = 2,
    L_FR = 4,
    L_ES = 8,
    L_IT = 16,
    L_PT = 32,
    L_NL = 64,
    N_LANGUAGES = 7
};

struct lexeme {
    char text[LEXEME_BYTES];        /* padded with NUL */
    uint8_t cue, domain, languages; /* languages: bits L_* */
};

static const struct lexeme lexicon[] = {
#define LEX(text, cue, domain, languages) {text, CUE_##cue, DOMAIN_##domain, languages},
#include "router/lexicon.def"
#undef LEX
};

enum kind { KIND_END, KIND_WORD, KIND_NUMBER, KIND_SIGN };

struct word {
    char text[WORD_BYTES + 1]; /* small letters, terminated; cut when longer */
    size_t n;
    uint32_t hash; /* of the whole word */
    uint32_t value;
};

/* ---- words ------------------------------------------------------------------------------ */

#define FNV_START 0x811C9DC5u
#define FNV_PRIME 0x01000193u

static bool is_letter(uint8_t c)
{
    return (uint8_t)((c | 32) - 'a') < 26 || (c >= 0x80 && c < 0xE3);
}

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

/* General punctuation (U+2000..203F) and the signs of Latin-1: how many bytes, or 0. The single
 * quotation mark that stands for an apostrophe is one. */
static size_t punctuation_at(const uint8_t *p, const uint8_t *end, bool *is_apostrophe)
{
    *is_apostrophe = *p == '\'';
    if (*p == 0xE2 && end - p > 2 && p[1] == 0x80 && (p[2] & 0xC0) == 0x80) {
        *is_apostrophe = p[2] == 0x99;
        return 3;
    }
    if (*p == 0xC2 && end - p > 1 && p[1] >= 0xA0 && p[1] < 0xC0)
        return 2;
    return *is_apostrophe ? 1 : 0;
}

static void add_byte(struct word *w, uint8_t c)
{
    w->hash = (w->hash ^ c) * FNV_PRIME;
    if (w->n < WORD_BYTES)
        w->text[w->n] = (char)c;
    w->n++;
}

/* The letters and digits at p; an apostrophe only between letters, and not in a number. */
static const uint8_t *read_run(
        struct word *w, const uint8_t *p, const uint8_t *end, bool with_apostrophe)
{
    for (uint8_t before = 0; p < end; before = p[-1]) {
        bool is_apostrophe;
        size_t n = *p < 0x80 && *p != '\'' ? 0 : punctuation_at(p, end, &is_apostrophe);
        if (n == 0 && (is_letter(*p) || is_digit(*p))) {
            bool is_capital = (*p >= 'A' && *p <= 'Z') ||
                              (before == 0xC3 && *p >= 0x80 && *p <= 0x9E && *p != 0x97);
            add_byte(w, is_capital ? *p + 0x20 : *p);
            p++;
            continue;
        }
        bool is_inside = n > 0 && is_apostrophe && with_apostrophe && p + n < end &&
                         is_letter(p[n]) && punctuation_at(p + n, end, &is_apostrophe) == 0;
        if (!is_inside)
            break;
        add_byte(w, '\'');
        p += n;
    }
    return p;
}

static uint32_t value_of(const uint8_t *p, const uint8_t *end)
{
    uint32_t value = 0;
    for (; p < end && is_digit(*p) && value < 100000; p++)
        value = value * 10 + (*p - '0');
    return value;
}

/* Takes the next word, number or sign off *at. */
static enum kind next_word(const uint8_t **at, const uint8_t *end, struct word *w)
{
    const uint8_t *p = *at;
    bool is_apostrophe = false;
    for (size_t n; p < end; p += n)
        if ((n = *p <= ' ' || *p == 0x7F) == 0 &&
                ((n = punctuation_at(p, end, &is_apostrophe)) == 0 || is_apostrophe))
            break;
    memset(w->text, 0, sizeof(uint64_t)); /* lower_bound reads so much */
    w->n = 0;
    w->value = 0;
    w->hash = FNV_START;
    enum kind kind = KIND_SIGN;
    if (p == end) {
        kind = KIND_END;
    } else if (is_apostrophe) {
        p += *p == '\'' ? 1 : 3;
        add_byte(w, '\'');
    } else if (is_digit(*p)) {
        w->value = value_of(p, end);
        p = read_run(w, p, end, false);
        w->hash = (FNV_START ^ '0') * FNV_PRIME;
        kind = KIND_NUMBER;
    } else if (is_letter(*p)) {
        p = read_run(w, p, end, true);
        kind = KIND_WORD;
    } else {
        uint8_t lead = *p;
        add_byte(w, *p++);
        for (int i = 0; lead >= 0xE3 && i < 3 && p < end && (*p & 0xC0) == 0x80; i++)
            add_byte(w, *p++);
        kind = lead >= 0xE3 ? KIND_WORD : KIND_SIGN;
    }
    w->text[w->n < WORD_BYTES ? w->n : WORD_BYTES] = 0;
    *at = p;
    return kind;
}

/* ---- meaning ---------------------------------------------------------------------------- */

#define N_SCRIPTS 13

struct reading { /* while a question is read */
    struct question *q;
    uint32_t n_by_language[N_LANGUAGES], n_by_script[N_SCRIPTS];
    struct word words[2];       /* the newest and the one before, by turns */
    const struct lexeme *first; /* row of the word before: phrases that start with it follow */
    bool is_adjacent;           /* nothing but a hyphen since the word before */
    bool is_after_number;       /* the word before is one, written or spelled */
    bool has_option_a;
    int n_marks; /* of code */
};

static const struct lexeme *const lexicon_end = lexicon + ARRAY_LEN(lexicon);

/* The first eight bytes, so that numbers are in the order of the texts. */
static uint64_t key_of(const char *text)
{
    const uint8_t *b = (const uint8_t *)text; /* the compiler makes one load of this */
    return (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 |
           (uint64_t)b[3] << 32 | (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 |
           (uint64_t)b[6] << 8 | b[7];
}

/* The first row that is not below the word. Looked for by numbers, without a branch that could
 * be guessed wrongly: this is most of the time that a question takes. */
static const struct lexeme *lower_bound(const char *word)
{
    uint64_t key = key_of(word);
    const struct lexeme *low = lexicon;
    for (size_t n = ARRAY_LEN(lexicon); n > 1; n -= n / 2)
        low += key_of(low[n / 2 - 1].text) < key ? n / 2 : 0;
    while (low < lexicon_end && strcmp(low->text, word) < 0)
        low++;
    return low;
}

static void count_lexeme(struct reading *r, const struct lexeme *l)
{
    r->q->n_cues[l->cue]++;
    r->q->n_numbers += l->cue == CUE_NUMBER;
    if (r->q->n_words <= EARLY_WORDS) {
        r->q->n_early[l->cue]++;
        bool is_task = l->cue == CUE_EASY_TASK || l->cue == CUE_HARD_TASK;
        if (is_task && r->q->task == CUE_NONE)
            r->q->task = (enum cue)l->cue;
    }
    r->q->n_in_domain[l->domain]++;
    bool is_of_one = l->languages && !(l->languages & (l->languages - 1));
    for (int i = 0; i < N_LANGUAGES; i++)
        if (l->languages >> i & 1)
            r->n_by_language[i] += is_of_one ? 2 : 1;
}

/* A phrase of two words counts beside its words. */
static void count_phrase(struct reading *r, const struct word *before, const struct word *w)
{
    for (const struct lexeme *l = r->first; l < lexicon_end; l++) {
        if (strncmp(l->text, before->text, before->n) != 0 || l->text[before->n] != ' ')
            return;
        if (strcmp(l->text + before->n + 1, w->text) == 0) {
            count_lexeme(r, l);
            return;
        }
    }
}

/* The scripts that tell the language, or a language of many. A letter of the row `over` in the
 * same text belongs to this row's language. */
static const struct {
    uint32_t low, high;
    char language[3];
    int8_t over;
} scripts[N_SCRIPTS] = {{0x370, 0x3FF, "el", -1}, {0x400, 0x4FF, "ru", -1},
        {0x454, 0x457, "uk", 1}, {0x590, 0x5FF, "he", -1}, {0x600, 0x6FF, "ar", -1},
        {0x900, 0x97F, "hi", -1}, {0x980, 0x9FF, "bn", -1}, {0xB80, 0xBFF, "ta", -1},
        {0xE00, 0xE7F, "th", -1}, {0x10A0, 0x10FF, "ka", -1}, {0x3400, 0x9FFF, "zh", -1},
        {0x3040, 0x30FF, "ja", 10}, {0xAC00, 0xD7A3, "ko", -1}};

static void count_script(struct reading *r, const struct word *w)
{
    uint32_t cp;
    utf8_decode(w->text, w->n < WORD_BYTES ? w->n : WORD_BYTES, &cp);
    for (int i = N_SCRIPTS - 1; i >= 0; i--)
        if (cp >= scripts[i].low && cp <= scripts[i].high) {
            r->n_by_script[i]++;
            return;
        }
}

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

/* "in 200 words", "two paragraphs". */
static void look_for_length(struct question *q, const struct word *before, const char *unit)
{
    static const struct {
        const char *unit;
        uint32_t n_words;
    } units[] = {{"line", 10}, {"lines", 10}, {"page", 400}, {"pages", 400}, {"paragraph", 90},
            {"paragraphs", 90}, {"sentence", 20}, {"sentences", 20}, {"words", 1}};
    static const char *const numbers[] = {
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    uint32_t count = before->value;
    for (uint32_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (strcmp(before->text, numbers[i]) == 0)
            count = i + 1;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (count && strcmp(unit, units[i].unit) == 0)
            q->n_asked = count * units[i].n_words;
}

static void take_word(struct reading *r, const struct word *before, const struct word *w)
{
    static const char *const before_json[] = {
            "as", "in", "into", "only", "output", "return", "to", "valid"};
    struct question *q = r->q;
    q->n_words++;
    if ((uint8_t)w->text[0] >= 0x80)
        count_script(r, w);
    if (r->is_adjacent) {
        count_phrase(r, before, w);
        if (r->is_after_number)
            look_for_length(q, before, w->text);
        q->wants_json |= strcmp(w->text, "json") == 0 &&
                         is_one_of(before->text, before_json, ARRAY_LEN(before_json));
    }
    r->is_after_number = false;
    r->first = lower_bound(w->text);
    if (r->first < lexicon_end && strcmp(r->first->text, w->text) == 0) {
        r->is_after_number = r->first->cue == CUE_NUMBER;
        count_lexeme(r, r->first++);
    }
}

static void take_number(struct reading *r)
{
    r->q->n_words++;
    r->q->n_numbers++;
    r->is_after_number = true;
    r->first = lexicon_end;
}

static bool starts_with(const uint8_t *p, const uint8_t *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0;
}

/* The sign stands at p. */
static void take_sign(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    static const struct {
        const char *text;
        int n;
    } marks[] = {{"```", 2}, {"#include", 1}, {"()", 1}, {"=>", 1}, {"->", 1}, {"==", 1},
            {"};", 1}, {";\n", 1}, {"</", 1}, {"):\n", 1}, {"){", 1}, {") {", 1}};
    r->is_adjacent &= *p == '-';
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (*p == (uint8_t)marks[i].text[0] && starts_with(p, end, marks[i].text))
            r->n_marks += marks[i].n;
}

/* Lines that begin with "A. " and later "B. ", or with brackets. */
static void look_for_option(struct reading *r, const uint8_t *p, const uint8_t *end)
{
    if (end - p < 3 || p[-1] != '\n' || (p[1] != '.' && p[1] != ')') || p[2] != ' ')
        return;
    r->has_option_a |= *p == 'A';
    r->q->is_exam |= *p == 'B' && r->has_option_a;
}

static void read_part(struct reading *r, struct slice text)
{
    const uint8_t *start = (const uint8_t *)text.ptr, *p = start, *end = start + text.n;
    r->is_adjacent = r->has_option_a = false;
    for (int turn = 0; r->q->n_hashes < QUESTION_WORDS_MAX;) {
        struct word *w = &r->words[turn], *before = &r->words[!turn];
        enum kind kind = next_word(&p, end, w);
        if (kind == KIND_END)
            return;
        r->q->hashes[r->q->n_hashes++] = w->hash;
        if (kind == KIND_SIGN) {
            take_sign(r, p - w->n, end);
            continue;
        }
        if (kind == KIND_WORD && w->n == 1 && p - start > 1)
            look_for_option(r, p - 1, end);
        if (kind == KIND_WORD)
            take_word(r, before, w);
        else
            take_number(r);
        r->is_adjacent = true;
        turn = !turn;
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

static void set_language(struct reading *r)
{
    static const char names[N_LANGUAGES][3] = {"en", "de", "fr", "es", "it", "pt", "nl"};
    uint32_t best = 0, second = 0;
    for (int i = 0; i < N_SCRIPTS; i++)
        if (scripts[i].over >= 0 && r->n_by_script[i]) {
            r->n_by_script[i] += r->n_by_script[scripts[i].over];
            r->n_by_script[scripts[i].over] = 0;
        }
    for (int i = 0; i < N_SCRIPTS; i++)
        if (r->n_by_script[i] * 2 > r->q->n_words) {
            memcpy(r->q->language, scripts[i].language, sizeof r->q->language);
            return;
        }
    int i_best = 0;
    for (int i = 0; i < N_LANGUAGES; i++)
        if (r->n_by_language[i] > best) {
            second = best;
            best = r->n_by_language[i_best = i];
        } else if (r->n_by_language[i] > second) {
            second = r->n_by_language[i];
        }
    if (best >= 2 && best > second)
        memcpy(r->q->language, names[i_best], sizeof r->q->language);
}

void question_read(struct question *out, struct slice text)
{
    memset(out, 0, offsetof(struct question, hashes));
    struct reading r = {.q = out, .first = lexicon_end};
    struct slice head = text, tail = {text.ptr + text.n, 0};
    if (text.n > 2 * QUESTION_HEAD_BYTES) {
        head.n = tail.n = QUESTION_HEAD_BYTES;
        tail.ptr -= tail.n;
    }
    read_part(&r, head);
    read_part(&r, tail);
    set_language(&r);
    out->has_code = r.n_marks >= 2;
}
