/* token_map.c - see token_map.h. */
#include "tui/token_map.h"

#include <string.h>

#include "router/session.h"

#define PROBE_BYTES 16 /* as many known bytes have to agree where the place is searched */
#define PROBE_LEAST 4  /* or so many, at the end of the text */
#define SEARCH_MAX  (4u << 10)
#define LOSS_MAX    (1u << 20) /* the same where text without records may stand before */

static const struct slice think = {"<think>", 7}, think_end = {"</think>", 8};

struct walker {
    struct token_map *map;
    const struct token_log *log;
    struct slice parts[PART_COUNT];
    size_t at[PART_COUNT]; /* bytes of each part that have been given out */
    enum answer_part now;
    size_t i_begin, i_end;      /* records of this run of the engine */
    size_t n_skip;              /* bytes of the tokens that the engine took away */
    bool is_open;               /* the newest token may reach further than is known: */
    enum answer_part open_part; /* in this part */
};

/* A byte of what the engine generated: record and offset in its piece. */
struct place {
    size_t i_record, offset;
};

const struct token_record *token_log_at(const struct token_log *log, size_t i_record)
{
    return (const struct token_record *)(const void *)(log->records.ptr +
                                                       i_record * log->record_bytes);
}

static size_t count_records(const struct token_log *log)
{
    return log->record_bytes ? log->records.n / log->record_bytes : 0;
}

double token_log_ms(const struct token_log *log, size_t i_record)
{
    const struct token_record *r = token_log_at(log, i_record);
    const struct token_record *before = i_record ? token_log_at(log, i_record - 1) : NULL;
    if (!before || before->request_id != r->request_id || before->t_ns > r->t_ns)
        return -1;
    return (double)(r->t_ns - before->t_ns) / 1e6;
}

double token_log_margin(const struct token_log *log, size_t i_record)
{
    const struct token_record *r = token_log_at(log, i_record);
    const float *margins =
            token_record_margins((struct token_record *)(uintptr_t)r, &log->shape);
    double sum = 0;
    for (uint16_t i = 0; i < log->shape.n_moe_layers; i++)
        sum += (double)margins[i];
    return log->shape.n_moe_layers ? sum / log->shape.n_moe_layers : -1;
}

/* Records of older versions do not say how long a piece is: one that was cut is nearly as long
 * as the field, half a character leaves it empty. */
static bool is_length_unknown(const struct token_record *r)
{
    return r->n_piece == UINT8_MAX ||
           (r->n_piece == 0 && (r->n_text == 0 || r->n_text + 4 > TOKEN_TEXT_BYTES));
}

static size_t piece_bytes(const struct token_record *r)
{
    return r->n_piece && !is_length_unknown(r) ? r->n_piece : r->n_text;
}

/* The record before it was lost, or there is none. */
static bool is_behind_loss(const struct token_log *log, size_t i_record)
{
    return i_record == 0 ||
           token_log_at(log, i_record)->i_token != token_log_at(log, i_record - 1)->i_token + 1;
}

/* False: the byte is not known, or this run of the engine ends here. */
static bool next_byte(const struct walker *w, struct place *p, char *out)
{
    for (size_t i_first = p->i_record; p->i_record < w->i_end; p->i_record++, p->offset = 0) {
        if (p->i_record > i_first && is_behind_loss(w->log, p->i_record))
            return false;
        const struct token_record *r = token_log_at(w->log, p->i_record);
        if (p->offset < piece_bytes(r)) {
            if (p->offset >= r->n_text)
                return false;
            *out = r->text[p->offset++];
            return true;
        }
        if (is_length_unknown(r))
            return false;
    }
    return false;
}

static bool starts_with(const struct walker *w, struct place p, struct slice literal)
{
    char c;
    for (size_t i = 0; i < literal.n; i++)
        if (!next_byte(w, &p, &c) || c != literal.ptr[i])
            return false;
    return true;
}

static size_t count_bytes(const struct walker *w, struct place *p, const char *of)
{
    size_t n = 0;
    char c;
    for (struct place next = *p; next_byte(w, &next, &c) && strchr(of, c) && c; *p = next)
        n++;
    return n;
}

/* The engine takes <think> at the very beginning for the opening of reasoning. */
static void begin(struct walker *w, size_t i_record)
{
    struct place p = {i_record, 0};
    size_t n_white = count_bytes(w, &p, " \t\r\n");
    bool is_reasoning = starts_with(w, p, think);
    w->now = is_reasoning ? PART_REASONING : PART_TEXT;
    w->n_skip = is_reasoning ? n_white + think.n : 0;
    w->i_begin = i_record;
    w->is_open = false;
}

/* Behind </think>; of the line ends that follow the engine dropped some. */
static void begin_text(struct walker *w, struct place p)
{
    struct slice text = w->parts[PART_TEXT];
    size_t n_kept = 0, at = w->at[PART_TEXT];
    char c;
    for (size_t i = 0; i < think_end.n; i++)
        if (!next_byte(w, &p, &c))
            break;
    size_t n = count_bytes(w, &p, "\n");
    while (at + n_kept < text.n && text.ptr[at + n_kept] == '\n')
        n_kept++;
    w->now = PART_TEXT;
    w->n_skip = think_end.n + (n > n_kept ? n - n_kept : 0);
}

/* The rest of a character whose beginning the record before does not hold. */
static bool is_torn(char before, char c)
{
    return ((unsigned char)c & 0xC0) == 0x80 && (unsigned char)before < 0x80;
}

/* How far behind the cursor the bytes from p on come first; SIZE_MAX: nowhere. */
static size_t find_gap(const struct walker *w, struct place p)
{
    char probe[PROBE_BYTES];
    size_t n = 0, at = w->at[w->now];
    struct slice part = w->parts[w->now];
    bool may_be_far = p.i_record == w->i_begin || is_behind_loss(w->log, p.i_record);
    size_t most = may_be_far ? LOSS_MAX : SEARCH_MAX;
    while (n < PROBE_BYTES && !(w->now == PART_REASONING && starts_with(w, p, think_end)) &&
            next_byte(w, &p, &probe[n]) && !(n && is_torn(probe[n - 1], probe[n])))
        n++;
    for (size_t gap = 0; n && at + gap < part.n && gap < most; gap++) {
        size_t left = part.n - at - gap, n_compared = n < left ? n : left;
        if (n_compared < n && n_compared < PROBE_LEAST)
            break;
        if (memcmp(probe, part.ptr + at + gap, n_compared) == 0)
            return gap;
    }
    return SIZE_MAX;
}

static void give(struct walker *w, struct mapped_token *token, enum answer_part part, size_t n)
{
    size_t left = w->parts[part].n - w->at[part];
    n = n < left ? n : left;
    if (token && n) {
        struct token_span *span = &token->at[part];
        span->start = span->n ? span->start : (uint32_t)w->at[part];
        span->n = (uint32_t)(w->at[part] + n) - span->start;
    }
    w->at[part] += n;
}

static bool fits(const struct walker *w, const struct token_record *r, size_t offset, size_t n)
{
    size_t left = w->parts[w->now].n - w->at[w->now];
    size_t n_known = r->n_text > offset ? r->n_text - offset : 0;
    n_known = n_known < n ? n_known : n;
    n_known = n_known < left ? n_known : left;
    return n_known == 0 ||
           memcmp(r->text + offset, w->parts[w->now].ptr + w->at[w->now], n_known) == 0;
}

/* Bytes [offset, offset + n) of the newest token go to the part of now. What lies before them
 * belongs to the token before if its length is not known, else to none. */
static void place_bytes(struct walker *w, size_t i_record, size_t offset, size_t n)
{
    struct mapped_token *token = &w->map->tokens[w->map->n - 1];
    const struct token_record *r = token_log_at(w->log, i_record);
    bool fits_here = fits(w, r, offset, n);
    if (w->is_open || !fits_here) {
        size_t gap = find_gap(w, (struct place){i_record, offset});
        if (gap == SIZE_MAX && !fits_here) { /* taken away, or shown as U+FFFD */
            w->is_open = true;
            w->open_part = w->now;
            return;
        }
        bool is_owned = w->is_open && w->open_part == w->now && token > w->map->tokens;
        if (gap != SIZE_MAX)
            give(w, is_owned ? token - 1 : NULL, w->now, gap);
    }
    give(w, token, w->now, n);
    w->is_open = is_length_unknown(r) && offset + n == piece_bytes(r);
    w->open_part = w->now;
}

static void take_token(struct walker *w, size_t i_record)
{
    const struct token_record *r = token_log_at(w->log, i_record);
    size_t n = piece_bytes(r), offset = 0;
    w->is_open = w->is_open && !is_behind_loss(w->log, i_record);
    if (n == 0) {
        w->is_open |= is_length_unknown(r);
        w->open_part = w->now;
    }
    while (offset < n) {
        size_t n_skip = w->n_skip < n - offset ? w->n_skip : n - offset, end = n;
        w->n_skip -= n_skip;
        offset += n_skip;
        if (w->now == PART_REASONING)
            for (end = offset;
                    end < n && !starts_with(w, (struct place){i_record, end}, think_end); end++)
                continue;
        if (end > offset)
            place_bytes(w, i_record, offset, end - offset);
        offset = end;
        if (offset < n)
            begin_text(w, (struct place){i_record, offset});
    }
}

static void add_token(struct token_map *map, size_t i_record)
{
    if (map->n == map->cap)
        map->tokens = mem_resize(
                map->tokens, (map->cap = map->cap ? map->cap * 2 : 256) * sizeof *map->tokens);
    map->tokens[map->n++] = (struct mapped_token){.i_record = (uint32_t)i_record};
}

static bool is_same_run(const struct token_record *a, const struct token_record *b)
{
    return b->phase == PHASE_DECODE && a->request_id == b->request_id;
}

void token_map_build(struct token_map *map, const struct token_log *log, struct slice reasoning,
        struct slice text)
{
    struct walker w = {.map = map, .log = log, .parts = {reasoning, text}};
    size_t n = count_records(log);
    map->n = 0;
    for (size_t i = 0; i < n;) {
        const struct token_record *first = token_log_at(log, i);
        if (first->phase != PHASE_DECODE) {
            i++;
            continue;
        }
        for (w.i_end = i + 1; w.i_end < n && is_same_run(first, token_log_at(log, w.i_end));)
            w.i_end++;
        begin(&w, i);
        for (; i < w.i_end; i++) {
            add_token(map, i);
            take_token(&w, i);
        }
    }
    if (map->n && w.is_open && is_length_unknown(token_log_at(log, n - 1)))
        give(&w, &map->tokens[map->n - 1], w.open_part, SIZE_MAX);
}

void token_map_release(struct token_map *map)
{
    mem_free(map->tokens);
    *map = (struct token_map){0};
}
