/*
 * features.c - what is known of a request before it is sent. Tokens are estimated from the
 * kinds of characters: counting with a tokenizer would need every remote model's vocabulary,
 * and filters only need the size within about a fifth. Everything else comes from the newest
 * question. Messages hold text only, so no request needs a model that sees pictures.
 */
#include <math.h>
#include <string.h>

#include "engine/request.h"

#include "router/difficulty.h"
#include "router/question.h"

#define MESSAGE_TOK      5 /* what a template adds to each message */
#define TOK_PER_WORD     1.35f
#define FOLLOW_UP_WORDS  4    /* so short a message leans on the question before */
#define FOLLOW_UP_FACTOR 0.9f /* and is about as hard */

/* ASCII letters make about 4 bytes per token, digits and signs 2, other alphabets 2 characters,
 * CJK 1. */
double text_count_tok(struct slice text)
{
    size_t n_letters = 0, n_signs = 0, n_other = 0, n_wide = 0;
    for (size_t at = 0; at < text.n;) {
        uint32_t cp = (uint8_t)text.ptr[at];
        if (cp < 0x80) {
            bool is_letter = (cp | 32) - 'a' < 26 || cp == ' ';
            n_letters += is_letter;
            n_signs += !is_letter;
            at++;
            continue;
        }
        at += utf8_decode(text.ptr + at, text.n - at, &cp);
        *(cp < 0x2E80 ? &n_other : &n_wide) += 1;
    }
    return 0.23 * (double)n_letters + 0.45 * (double)n_signs + 0.5 * (double)n_other +
           0.9 * (double)n_wide;
}

/* The subject with the most words; one word of writing says less than one of a science. */
static enum domain domain_of(const struct question *q)
{
    static const float weight[DOMAIN_COUNT] = {[DOMAIN_CODE] = 1,
            [DOMAIN_MATH] = 1,
            [DOMAIN_SCIENCE] = 1,
            [DOMAIN_WRITING] = 0.9f};
    enum domain best = DOMAIN_GENERAL;
    float most = 0;
    for (int d = DOMAIN_GENERAL + 1; d < DOMAIN_COUNT; d++) {
        float n = weight[d] * (float)q->n_in_domain[d] +
                  (d == DOMAIN_CODE && q->has_code ? 3 : 0);
        if (n > most) {
            most = n;
            best = (enum domain)d;
        }
    }
    return best;
}

/* How long answers to such questions are. Measured on nothing yet: orders of magnitude, so that
 * "hello" is not priced as an essay. */
static float answer_tok(const struct question *q, float difficulty, float question_tok)
{
    static const float by_domain[DOMAIN_COUNT] = {300, 500, 500, 400, 450, 100};
    if (q->n_asked)
        return TOK_PER_WORD * (float)q->n_asked;
    if (q->is_exam)
        return 100;
    if (q->n_early[CUE_GREETING] && q->n_words <= 12)
        return 40;
    if (q->task == CUE_EASY_TASK)
        return q->n_in_domain[DOMAIN_WRITING] ? 30 + question_tok : 150;
    if (q->n_early[CUE_FACT] && q->n_words <= 20 && difficulty < 0.5f)
        return 90;
    return by_domain[domain_of(q)] * (0.5f + 1.5f * difficulty);
}

/* The newest message of the user before `end`, or -1. */
static int newest_question(const struct chat_message *messages, int end)
{
    int i = end - 1;
    while (i >= 0 && messages[i].role != MSG_USER)
        i--;
    return i;
}

/* "And why?" is as hard as what it follows. */
static float difficulty_in(
        const struct chat_message *messages, int newest, const struct question *q)
{
    float difficulty = difficulty_of(q);
    int before = newest_question(messages, newest);
    if (before < 0 || q->n_words > FOLLOW_UP_WORDS || q->n_early[CUE_GREETING])
        return difficulty;
    struct question earlier;
    question_read(&earlier, messages[before].text);
    return fmaxf(difficulty, FOLLOW_UP_FACTOR * difficulty_of(&earlier));
}

static const char *find(struct slice text, const char *what)
{
    return text.n ? memmem(text.ptr, text.n, what, strlen(what)) : NULL;
}

static bool has_tools(struct slice extra_json)
{
    const char *name = find(extra_json, "\"tools\"");
    if (!name)
        return false;
    struct slice rest = {name + 7, (size_t)(extra_json.ptr + extra_json.n - name - 7)};
    return slice_has_prefix(slice_trim(rest), ":");
}

struct features features_of(
        const struct chat_message *messages, int n_messages, struct slice extra_json)
{
    int newest = newest_question(messages, n_messages);
    double n = MESSAGE_TOK, n_newest = 0;
    for (int i = 0; i < n_messages; i++) {
        double n_tok = text_count_tok(messages[i].text);
        n += MESSAGE_TOK + n_tok;
        if (i == newest)
            n_newest = n_tok;
    }
    struct features f = {.n_input_tok = n < 4e9 ? (uint32_t)n : UINT32_MAX / 2,
            .max_zone = ZONE_EXTERNAL,
            .only_endpoint = -1,
            .needs_tools = has_tools(extra_json)};
    struct slice text = newest >= 0 ? messages[newest].text : slice_of("");
    struct question q;
    question_read(&q, text);
    f.difficulty = difficulty_in(messages, newest, &q);
    f.domain = domain_of(&q);
    memcpy(f.language, q.language, sizeof f.language);
    f.has_code = q.has_code;
    f.wants_json = q.wants_json || find(extra_json, "\"json_object\"") ||
                   find(extra_json, "\"json_schema\"");
    f.n_output_tok = (uint32_t)fminf(answer_tok(&q, f.difficulty, (float)n_newest), 4000);
    return f;
}
