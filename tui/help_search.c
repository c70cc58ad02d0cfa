/*
 * help_search.c - see help_search.h. The index is SQLite's FTS5, rows are ranked by BM25
 * (Robertson and Zaragoza, "The probabilistic relevance framework", 2009).
 */
#include "tui/help_search.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES      32 /* what is longer is no word that could be found */
#define WORDS_MAX       32 /* of a question */
#define GUESSES_MAX     8  /* words that a misspelt one may be */
#define GUESS_MIN_CHARS 4  /* shorter words are near to too many */
#define TWO_EDITS_CHARS 8
#define FOLLOW_UP_WORDS 4 /* so short a question may be about what the one before was */
#define FOLLOW_UP_SHARE 0.5

struct help_search {
    struct passages passages;
    const struct keymap *keymap; /* NULL: the passages are given */
    sqlite3 *db;
    sqlite3_stmt *find;
    char **words; /* of all passages, sorted, each once */
    size_t n_words, cap_words;
    double *scores; /* of the newest question, one per passage; higher is better */
    bool is_made;
};

struct question {
    char words[WORDS_MAX][WORD_BYTES];
    size_t n;
};

/* ---- words ------------------------------------------------------------------------------ */

static const char *const stop_words[] = {"a", "am", "an", "and", "are", "at", "be", "but", "by",
        "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "how", "i",
        "if", "in", "is", "it", "its", "ll", "may", "me", "must", "my", "of", "or", "please",
        "s", "should", "so", "t", "that", "the", "there", "this", "to", "ve", "want", "was",
        "we", "will", "with", "would"};

static bool is_stop_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(stop_words); i++)
        if (strcmp(stop_words[i], word) == 0)
            return true;
    return false;
}

/* Letters of other scripts are bytes from 0x80 on. */
static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || (unsigned char)c >= 0x80;
}

/* Takes the next word off *text, in lower case. False: there is none. */
static bool next_word(const char **text, char out[WORD_BYTES])
{
    const char *at = *text;
    size_t n = 0;
    while (*at && !is_word_byte(*at))
        at++;
    while (at[n] && is_word_byte(at[n]))
        n++;
    *text = at + n;
    slice_to_text((struct slice){at, n}, out, WORD_BYTES);
    for (; *out; out++)
        if (*out >= 'A' && *out <= 'Z')
            *out = (char)(*out - 'A' + 'a');
    return n > 0;
}

static void add_word(struct question *question, const char *word)
{
    for (size_t i = 0; i < question->n; i++)
        if (strcmp(question->words[i], word) == 0)
            return;
    if (question->n < WORDS_MAX)
        memcpy(question->words[question->n++], word, WORD_BYTES);
}

/* Stop words count only where there is nothing else: "how do I?". */
static void read_question(const char *text, struct question *out)
{
    char word[WORD_BYTES];
    out->n = 0;
    for (int pass = 0; pass < 2 && out->n == 0; pass++)
        for (const char *at = text; next_word(&at, word);)
            if (pass == 1 || !is_stop_word(word))
                add_word(out, word);
}

static bool goes_on(const char *question)
{
    static const char *const beginnings[][2] = {
            {"and", NULL}, {"but", NULL}, {"what", "about"}, {"how", "about"}};
    char first[WORD_BYTES], second[WORD_BYTES] = "";
    if (!next_word(&question, first))
        return false;
    (void)next_word(&question, second);
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        if (strcmp(first, beginnings[i][0]) == 0 &&
                (!beginnings[i][1] || strcmp(second, beginnings[i][1]) == 0))
            return true;
    return false;
}

/* ---- misspelt words --------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to be put in, left out, replaced, or swapped with their neighbour. */
static size_t edits_between(const char *a, const char *b)
{
    size_t rows[3][WORD_BYTES], n_b = strlen(b);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t k = 0; k <= n_b; k++)
        above[k] = k;
    for (size_t i = 1; i <= strlen(a); i++) {
        row[0] = i;
        for (size_t k = 1; k <= n_b; k++) {
            bool is_same = a[i - 1] == b[k - 1];
            row[k] = least(least(above[k], row[k - 1]) + 1, above[k - 1] + !is_same);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = least(row[k], before[k - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[n_b];
}

/* Adds the words of the help that are nearest to one that is none of them; or itself. */
static void add_guesses(
        const struct help_search *search, const char *word, struct question *out)
{
    size_t n = strlen(word), max = n >= TWO_EDITS_CHARS ? 2 : n >= GUESS_MIN_CHARS ? 1 : 0;
    size_t n_guesses = 0;
    for (size_t edits = 1; edits <= max && n_guesses == 0; edits++)
        for (size_t i = 0; i < search->n_words && n_guesses < GUESSES_MAX; i++) {
            size_t n_other = strlen(search->words[i]);
            if (n_other + edits < n || n_other > n + edits || n_other < GUESS_MIN_CHARS ||
                    edits_between(word, search->words[i]) > edits)
                continue;
            add_word(out, search->words[i]);
            n_guesses++;
        }
    if (n_guesses == 0)
        add_word(out, word);
}

/* ---- the index -------------------------------------------------------------------------- */

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void keep_words(struct help_search *search, const char *text)
{
    char word[WORD_BYTES];
    while (next_word(&text, word)) {
        if (search->n_words == search->cap_words) {
            search->cap_words = search->cap_words ? search->cap_words * 2 : 8192;
            search->words =
                    mem_resize(search->words, search->cap_words * sizeof *search->words);
        }
        search->words[search->n_words++] = arena_strdup(&search->passages.arena, word);
    }
}

static void sort_words(struct help_search *search)
{
    size_t n = 0;
    qsort(search->words, search->n_words, sizeof *search->words, compare_words);
    for (size_t i = 0; i < search->n_words; i++)
        if (n == 0 || strcmp(search->words[n - 1], search->words[i]) != 0)
            search->words[n++] = search->words[i];
    search->n_words = n;
}

static void index_passage(struct help_search *search, sqlite3_stmt *insert, size_t i)
{
    const struct passage *p = &search->passages.rows[i];
    const char *const columns[] = {p->title, p->ask, p->text};
    if (strcmp(p->title, PASSAGE_ELSE) == 0)
        return;
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)i);
    for (int k = 0; k < (int)ARRAY_LEN(columns); k++) {
        sqlite3_bind_text(insert, k + 2, columns[k], -1, SQLITE_STATIC);
        keep_words(search, columns[k]);
    }
    sqlite3_step(insert);
    sqlite3_reset(insert);
}

/* Where the database cannot be made, for want of memory, nothing is found. */
static void make_index(struct help_search *search)
{
    sqlite3_stmt *insert = NULL;
    if (sqlite3_open_v2(":memory:", &search->db,
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY,
                NULL) != SQLITE_OK)
        return;
    sqlite3_exec(search->db,
            "CREATE VIRTUAL TABLE passage USING fts5(title, ask, text, tokenize = 'porter "
            "unicode61'); BEGIN",
            NULL, NULL, NULL);
    if (sqlite3_prepare_v2(search->db,
                "INSERT INTO passage (rowid, title, ask, text) VALUES (?,?,?,?)", -1, &insert,
                NULL) == SQLITE_OK)
        for (size_t i = 0; i < search->passages.n; i++)
            index_passage(search, insert, i);
    sqlite3_finalize(insert);
    sqlite3_exec(search->db, "COMMIT", NULL, NULL, NULL);
    if (sqlite3_prepare_v2(search->db,
                "SELECT rowid, bm25(passage, 4, 3, 1) FROM passage WHERE passage MATCH ?", -1,
                &search->find, NULL) != SQLITE_OK)
        search->find = NULL;
}

static void make(struct help_search *search)
{
    if (search->is_made)
        return;
    search->is_made = true;
    if (search->keymap)
        passages_init(&search->passages, search->keymap);
    search->scores = mem_alloc((search->passages.n + 1) * sizeof *search->scores);
    make_index(search);
    sort_words(search);
}

struct help_search *help_search_new(const struct keymap *keymap)
{
    struct help_search *search = mem_alloc(sizeof *search);
    search->keymap = keymap;
    return search;
}

struct help_search *help_search_new_of(struct passages *passages)
{
    struct help_search *search = mem_alloc(sizeof *search);
    search->passages = *passages;
    *passages = (struct passages){0};
    return search;
}

void help_search_free(struct help_search *search)
{
    if (!search)
        return;
    sqlite3_finalize(search->find);
    sqlite3_close(search->db);
    mem_free(search->words);
    mem_free(search->scores);
    passages_release(&search->passages);
    mem_free(search);
}

const struct passages *help_search_passages(struct help_search *search)
{
    make(search);
    return &search->passages;
}

/* ---- searching -------------------------------------------------------------------------- */

/* "one" OR "two": each word between quotes, where FTS5 has no syntax. */
static void print_match(const struct question *question, struct buf *out)
{
    buf_init(out, WORDS_MAX * (WORD_BYTES + 8));
    for (size_t i = 0; i < question->n; i++)
        buf_printf(out, "%s\"%s\"", i ? " OR " : "", question->words[i]);
}

static bool is_known(const struct help_search *search, const char *word)
{
    struct buf match;
    buf_init(&match, WORD_BYTES + 8);
    buf_printf(&match, "\"%s\"", word);
    sqlite3_bind_text(search->find, 1, buf_text(&match), -1, SQLITE_STATIC);
    bool is_found = sqlite3_step(search->find) == SQLITE_ROW;
    sqlite3_reset(search->find);
    buf_release(&match);
    return is_found;
}

static void correct(const struct help_search *search, struct question *question)
{
    struct question corrected = {.n = 0};
    for (size_t i = 0; i < question->n; i++)
        if (is_known(search, question->words[i]))
            add_word(&corrected, question->words[i]);
        else
            add_guesses(search, question->words[i], &corrected);
    *question = corrected;
}

/* Adds `best` to the passage that fits best, and to others in proportion; best 0: what BM25
 * gives. */
static void add_scores(struct help_search *search, struct question *question, double best)
{
    struct buf match;
    double factor = 1;
    correct(search, question);
    if (question->n == 0)
        return;
    print_match(question, &match);
    sqlite3_bind_text(search->find, 1, buf_text(&match), -1, SQLITE_STATIC);
    for (int pass = best > 0 ? 0 : 1; pass < 2; pass++) {
        double highest = 0;
        while (sqlite3_step(search->find) == SQLITE_ROW) {
            double score = -sqlite3_column_double(search->find, 1); /* its better is lower */
            highest = score > highest ? score : highest;
            if (pass == 1)
                search->scores[sqlite3_column_int64(search->find, 0)] += score * factor;
        }
        factor = highest > 0 ? best / highest : 0;
        sqlite3_reset(search->find);
    }
    buf_release(&match);
}

static size_t best_of(const double *scores, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

size_t help_search(struct help_search *search, const char *question, const char *previous,
        const struct passage *out[HELP_FOUND_MAX])
{
    struct question words;
    size_t n = 0;
    make(search);
    if (!search->find || search->passages.n == 0)
        return 0;
    memset(search->scores, 0, search->passages.n * sizeof *search->scores);
    read_question(question, &words);
    bool is_short = words.n <= FOLLOW_UP_WORDS;
    add_scores(search, &words, 0);
    if (previous && (is_short || goes_on(question))) {
        double best = search->scores[best_of(search->scores, search->passages.n)];
        read_question(previous, &words);
        add_scores(search, &words, best * FOLLOW_UP_SHARE);
    }
    for (; n < HELP_FOUND_MAX; n++) {
        size_t best = best_of(search->scores, search->passages.n);
        if (search->scores[best] <= 0)
            break;
        out[n] = &search->passages.rows[best];
        search->scores[best] = 0;
    }
    return n;
}
