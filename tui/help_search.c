/*
 * help_search.c - see help_search.h. The index is SQLite's FTS5, rows are ranked by BM25
 * (Robertson and Zaragoza, "The probabilistic relevance framework", 2009).
 */
#include "tui/help_search.h"

#include <sqlite3.h>
#include <string.h>

#include "engine/builtin.h"

#define WORD_BYTES      32    /* what is longer is no word that could be found */
#define WORDS_MAX       32    /* of a question */
#define WORD_SLOTS      16384 /* of which half may be full; the help has some 2,000 */
#define GUESSES_MAX     8     /* words that a misspelt one may be */
#define GUESS_MIN_CHARS 4     /* shorter words are near to too many */
#define TWO_EDITS_CHARS 8
#define FOLLOW_UP_WORDS 4 /* so short a question may be about what the one before was */
#define FOLLOW_UP_SHARE 0.5
#define WAYS_COUNTED    3
#define WAYS_MAX        64 /* to ask for one passage, its title included */
/* Beside what is written for questions. Found with 1,500 phrasings of such questions: instead
 * of 55 % of them 59 have their topic among the first three. */
#define ROW_SHARE 0.7
/* What the ways to ask that fit best add, in shares of their BM25; with the same questions
 * from 59 to 62 %. Taken together, as a column, many ways to ask for one thing count as a long
 * text, in which every word is worth less. */
static const double way_shares[WAYS_COUNTED] = {0.5, 0.15, 0.15};

struct help_search {
    struct passages passages;
    const struct keymap *keymap; /* NULL: the passages are given */
    sqlite3 *db;
    sqlite3_stmt *find_passage, *find_way;
    char **words; /* of the passages, by their hash; NULL until a question has another */
    size_t n_words;
    /* one per passage, of the newest question; higher is better */
    double (*ways)[WAYS_COUNTED];
    double *scores, *scores_before;
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

/* Where the word stands or would stand. */
static char **slot_of(char **words, const char *word)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = word; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    size_t i = hash % WORD_SLOTS;
    while (words[i] && strcmp(words[i], word) != 0)
        i = (i + 1) % WORD_SLOTS;
    return &words[i];
}

static void keep_words(struct help_search *search, const char *text)
{
    char word[WORD_BYTES];
    while (next_word(&text, word)) {
        char **slot = slot_of(search->words, word);
        if (*slot || search->n_words == WORD_SLOTS / 2)
            continue;
        *slot = arena_strdup(&search->passages.arena, word);
        search->n_words++;
    }
}

static bool is_searched(const struct passage *p)
{
    return strcmp(p->title, PASSAGE_ELSE) != 0 &&
           (!p->is_pilots || builtin_find(BUILTIN_PILOT, NULL));
}

static void make_words(struct help_search *search)
{
    search->words = mem_alloc(WORD_SLOTS * sizeof *search->words);
    for (size_t i = 0; i < search->passages.n; i++) {
        const struct passage *p = &search->passages.rows[i];
        if (!is_searched(p))
            continue;
        keep_words(search, p->title);
        keep_words(search, p->ask);
        keep_words(search, p->text);
    }
}

/* Adds the words of the help that are nearest to one that is none of them. */
static void add_guesses(struct help_search *search, const char *word, struct question *out)
{
    size_t n = strlen(word), max = n >= TWO_EDITS_CHARS ? 2 : n >= GUESS_MIN_CHARS ? 1 : 0;
    size_t n_guesses = 0;
    if (!search->words)
        make_words(search);
    for (size_t edits = 1; edits <= max && n_guesses == 0; edits++)
        for (size_t i = 0; i < WORD_SLOTS && n_guesses < GUESSES_MAX; i++) {
            size_t n_other = search->words[i] ? strlen(search->words[i]) : 0;
            if (n_other + edits < n || n_other > n + edits || n_other < GUESS_MIN_CHARS ||
                    edits_between(word, search->words[i]) > edits)
                continue;
            add_word(out, search->words[i]);
            n_guesses++;
        }
}

/* ---- the index -------------------------------------------------------------------------- */

static void insert_row(sqlite3_stmt *insert, size_t id, const struct slice *columns, int n)
{
    sqlite3_bind_int64(insert, 1, (sqlite3_int64)id);
    for (int k = 0; k < n; k++)
        sqlite3_bind_text64(
                insert, k + 2, columns[k].ptr, columns[k].n, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_step(insert);
    sqlite3_reset(insert);
}

static void index_passage(
        struct help_search *search, sqlite3_stmt *passage, sqlite3_stmt *way, size_t i)
{
    const struct passage *p = &search->passages.rows[i];
    const struct slice columns[] = {slice_of(p->title), slice_of(p->ask), slice_of(p->text)};
    struct slice ways = columns[1];
    if (!is_searched(p))
        return;
    insert_row(passage, i, columns, (int)ARRAY_LEN(columns));
    insert_row(way, i * WAYS_MAX, columns, 1);
    for (size_t k = 1; ways.ptr && k < WAYS_MAX; k++) {
        struct slice one = slice_cut(&ways, '|');
        insert_row(way, i * WAYS_MAX + k, &one, 1);
    }
}

static sqlite3_stmt *prepare(struct help_search *search, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(search->db, sql, -1, &statement, NULL);
    return statement;
}

/* Where the database cannot be made, for want of memory, the statements stay NULL, SQLite
 * ignores those, and nothing is found. */
static void make_index(struct help_search *search)
{
    sqlite3_open_v2(":memory:", &search->db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
                    SQLITE_OPEN_NOMUTEX,
            NULL);
    sqlite3_exec(search->db,
            "CREATE VIRTUAL TABLE passage USING fts5(title, ask, text, content = '', tokenize = "
            "'porter unicode61');"
            "CREATE VIRTUAL TABLE way USING fts5(ask, content = '', tokenize = 'porter "
            "unicode61');"
            "BEGIN",
            NULL, NULL, NULL);
    sqlite3_stmt *passage =
            prepare(search, "INSERT INTO passage (rowid, title, ask, text) VALUES (?,?,?,?)");
    sqlite3_stmt *way = prepare(search, "INSERT INTO way (rowid, ask) VALUES (?,?)");
    for (size_t i = 0; i < search->passages.n; i++)
        index_passage(search, passage, way, i);
    sqlite3_finalize(passage);
    sqlite3_finalize(way);
    sqlite3_exec(search->db, "COMMIT", NULL, NULL, NULL);
    search->find_passage = prepare(
            search, "SELECT rowid, bm25(passage, 4, 3, 1) FROM passage WHERE passage MATCH ?");
    search->find_way = prepare(search, "SELECT rowid, bm25(way) FROM way WHERE way MATCH ?");
}

static void make(struct help_search *search)
{
    if (search->is_made)
        return;
    search->is_made = true;
    if (search->keymap)
        passages_init(&search->passages, search->keymap);
    search->ways = mem_alloc((search->passages.n + 1) * sizeof *search->ways);
    search->scores = mem_alloc((search->passages.n + 1) * sizeof *search->scores);
    search->scores_before = mem_alloc((search->passages.n + 1) * sizeof *search->scores);
    make_index(search);
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
    sqlite3_finalize(search->find_passage);
    sqlite3_finalize(search->find_way);
    sqlite3_close(search->db);
    mem_free(search->words);
    mem_free(search->ways);
    mem_free(search->scores);
    mem_free(search->scores_before);
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
    sqlite3_bind_text(search->find_passage, 1, buf_text(&match), -1, SQLITE_STATIC);
    bool is_found = sqlite3_step(search->find_passage) == SQLITE_ROW;
    sqlite3_reset(search->find_passage);
    buf_release(&match);
    return is_found;
}

static void correct(struct help_search *search, struct question *question)
{
    struct question corrected = {.n = 0};
    for (size_t i = 0; i < question->n; i++)
        if (is_known(search, question->words[i]))
            add_word(&corrected, question->words[i]);
        else
            add_guesses(search, question->words[i], &corrected);
    *question = corrected;
}

/* Keeps the highest, the first of which is the best. */
static void keep_way(double ways[WAYS_COUNTED], double score)
{
    for (int i = 0; i < WAYS_COUNTED; i++)
        if (score > ways[i]) {
            double lower = ways[i];
            ways[i] = score;
            score = lower;
        }
}

/* SQLite's BM25 is lower the better a row fits. */
static void find_ways(struct help_search *search, const struct buf *match)
{
    memset(search->ways, 0, search->passages.n * sizeof *search->ways);
    sqlite3_bind_text(search->find_way, 1, buf_text(match), -1, SQLITE_STATIC);
    while (sqlite3_step(search->find_way) == SQLITE_ROW)
        keep_way(search->ways[sqlite3_column_int64(search->find_way, 0) / WAYS_MAX],
                -sqlite3_column_double(search->find_way, 1));
    sqlite3_reset(search->find_way);
}

static void score_passages(struct help_search *search, struct question *question, double *out)
{
    struct buf match;
    memset(out, 0, search->passages.n * sizeof *out);
    correct(search, question);
    print_match(question, &match);
    find_ways(search, &match);
    sqlite3_bind_text(search->find_passage, 1, buf_text(&match), -1, SQLITE_STATIC);
    while (sqlite3_step(search->find_passage) == SQLITE_ROW) {
        sqlite3_int64 i = sqlite3_column_int64(search->find_passage, 0);
        out[i] = -sqlite3_column_double(search->find_passage, 1);
        for (int k = 0; k < WAYS_COUNTED; k++)
            out[i] += way_shares[k] * search->ways[i][k];
        out[i] *= search->passages.rows[i].is_row ? ROW_SHARE : 1;
    }
    sqlite3_reset(search->find_passage);
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

/* So that what fitted best before counts a share of what fits best now. */
static void add_scores_before(struct help_search *search)
{
    size_t n = search->passages.n;
    double best = search->scores[best_of(search->scores, n)];
    double before = search->scores_before[best_of(search->scores_before, n)];
    for (size_t i = 0; i < n && before > 0; i++)
        search->scores[i] +=
                search->scores_before[i] * (best > 0 ? FOLLOW_UP_SHARE * best / before : 1);
}

size_t help_search(struct help_search *search, const char *question, const char *previous,
        const struct passage *out[HELP_FOUND_MAX])
{
    struct question words;
    size_t n = 0;
    make(search);
    if (search->passages.n == 0)
        return 0;
    read_question(question, &words);
    bool is_follow_up = words.n <= FOLLOW_UP_WORDS || goes_on(question);
    score_passages(search, &words, search->scores);
    if (previous && is_follow_up) {
        read_question(previous, &words);
        score_passages(search, &words, search->scores_before);
        add_scores_before(search);
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

/* ---- about this program or not ---------------------------------------------------------- */

#define ABOUT_MIN_WORDS 2

/* What asks, and says nothing of what is asked for. */
static bool is_asking_word(const char *word)
{
    static const char *const words[] = {"about", "explain", "get", "key", "keys", "make",
            "mean", "need", "press", "show", "tell", "use", "what", "when", "where", "which",
            "who", "why", "work", "works", "you", "your"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static bool names_program(const struct question *question)
{
    for (size_t i = 0; i < question->n; i++)
        if (strcmp(question->words[i], "shunt") == 0)
            return true;
    return false;
}

/* In one passage, all of them: of 200 questions about the program 57 are known so, of 200
 * others one is taken for such. Where only titles and ways to ask count it is 28, and the same
 * one. */
static bool is_passage_with(struct help_search *search, const struct question *question)
{
    struct buf match;
    size_t n = 0;
    buf_init(&match, WORDS_MAX * (WORD_BYTES + 8));
    for (size_t i = 0; i < question->n; i++) {
        const char *word = question->words[i];
        if (is_asking_word(word))
            continue;
        buf_printf(&match, "%s\"%s\"", match.n ? " AND " : "", word);
        n += word[1] != '\0'; /* a letter says little */
    }
    sqlite3_bind_text(search->find_passage, 1, buf_text(&match), -1, SQLITE_STATIC);
    bool is_found = n >= ABOUT_MIN_WORDS && sqlite3_step(search->find_passage) == SQLITE_ROW;
    sqlite3_reset(search->find_passage);
    buf_release(&match);
    return is_found;
}

bool help_search_is_about(
        struct help_search *search, const char *question, const char *previous)
{
    struct question words;
    make(search);
    read_question(question, &words);
    if (names_program(&words) || is_passage_with(search, &words))
        return true;
    return previous && goes_on(question) && words.n <= FOLLOW_UP_WORDS &&
           help_search_is_about(search, previous, NULL);
}
