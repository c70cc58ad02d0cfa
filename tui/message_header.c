/* message_header.c - see message_header.h. */
#include "tui/message_header.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/decision_json.h"
#include "router/prices.h"
#include "router/session.h"
#include "router/session_tree.h"

#include "tui/figures.h"
#include "tui/surface.h"
#include "tui/text.h"

#define FIGURE_MAX_BYTES 160

/* Names those that failed, if this decision was made because they had. */
static void print_failed(const struct decision_entry *entry, char *after, size_t n_after)
{
    struct arena arena = {0};
    struct decision d;
    const char *names[ENDPOINTS_MAX];
    size_t n = 0;
    after[0] = '\0';
    bool is_fallback = entry->is_fallback && entry->verdict == VERDICT_SEND;
    if (is_fallback && decision_read_json(slice_of(entry->json), &arena, &d, names))
        for (int i = 0; i < d.n_candidates && n < n_after; i++)
            if (d.candidates[i].filter == FILTER_TRIED)
                n += (size_t)snprintf(after + n, n_after - n, "%s%s", n ? ", " : "", names[i]);
    after[utf8_whole(after, strlen(after))] = '\0';
    arena_release(&arena);
}

void message_header_refresh(
        struct message_header *h, const struct core *core, const struct message *m)
{
    const struct decision_entry *entry =
            m->role == MSG_ASSISTANT ? core_decision_of(core, m->id) : NULL;
    if (!entry || entry->serial == h->decision_serial)
        return;
    h->decision_serial = entry->serial;
    print_failed(entry, h->after, sizeof h->after);
}

/* What a local model made is counted while it runs. */
static uint32_t count_tokens(const struct message *m)
{
    uint32_t n = 0;
    const struct token_log *log = &m->tokens;
    if (m->usage.output != TOKENS_UNKNOWN)
        return m->usage.output;
    for (size_t at = 0; log->record_bytes && at + log->record_bytes <= log->records.n;
            at += log->record_bytes)
        n += ((const struct token_record *)(log->records.ptr + at))->phase == PHASE_DECODE;
    return n;
}

enum figure {
    MODEL_NAME,
    CLOCK,
    FIRST_TOKEN,
    TOKENS,
    SPEED,
    COST,
    FIGURE_COUNT
}; /* as drawn */

static const enum figure dropped[] = {MODEL_NAME, FIRST_TOKEN, CLOCK, TOKENS, SPEED, COST};

/* What has no room is left out, never cut; an empty one takes none. Returns the column behind.
 */
static int put_figures(
        char texts[FIGURE_COUNT][FIGURE_MAX_BYTES], struct surface *out, const struct rect *at)
{
    int n = 0;
    for (int i = 0; i < FIGURE_COUNT; i++)
        n += texts[i][0] ? 2 + text_width(slice_of(texts[i])) : 0;
    for (size_t i = 0; i < ARRAY_LEN(dropped) && n > at->n_cols; i++) {
        char *text = texts[dropped[i]];
        n -= text[0] ? 2 + text_width(slice_of(text)) : 0;
        text[0] = '\0';
    }
    int col = at->col;
    for (int i = 0; i < FIGURE_COUNT; i++)
        if (texts[i][0])
            col += 2 + surface_puts(out, at->row, col + 2, ROLE_DIM, texts[i]);
    return col;
}

/* "2/3": the second of three branches. Returns the columns it takes. */
static int draw_place(const struct siblings *siblings, struct surface *out, int row, int col)
{
    if (siblings->n < 2)
        return 0;
    return 2 + surface_printf(
                       out, row, col + 2, ROLE_NUMBER, "%u/%u", siblings->i + 1, siblings->n);
}

/* Of an endpoint that is named after its model file the name stands there already. */
static bool has_own_model_name(const struct message *m)
{
    size_t n = strlen(m->endpoint);
    return strncmp(m->model, m->endpoint, n) != 0 || strcmp(m->model + n, ".gguf") != 0;
}

static const char *cost_text(const struct message *m, char dollars[FIGURE_BYTES])
{
    bool is_over = m->state != MESSAGE_RUNNING;
    if (m->is_copy)
        return "copied";
    if (m->cost_nusd < 0)
        return is_over && count_tokens(m) ? "cost unknown" : "";
    if (!is_over || (m->cost_nusd == 0 && m->state == MESSAGE_FAILED))
        return ""; /* nothing for nothing is no price */
    return m->cost_nusd ? prices_usd_text(m->cost_nusd, dollars) : "free";
}

static void print_figures(const struct message *m, char texts[FIGURE_COUNT][FIGURE_MAX_BYTES])
{
    char dollars[FIGURE_BYTES];
    if (has_own_model_name(m))
        snprintf(texts[MODEL_NAME], FIGURE_MAX_BYTES, "%s", m->model);
    figure_clock(texts[CLOCK], m->created_ms);
    if (m->ttft_ms)
        snprintf(texts[FIRST_TOKEN], FIGURE_MAX_BYTES, "first %.2f s", m->ttft_ms / 1000.0);
    if (count_tokens(m))
        snprintf(texts[TOKENS], FIGURE_MAX_BYTES, "%u tok", count_tokens(m));
    if (message_tok_per_s(m) > 0)
        snprintf(texts[SPEED], FIGURE_MAX_BYTES, "%.1f tok/s", message_tok_per_s(m));
    snprintf(texts[COST], FIGURE_MAX_BYTES, "%s", cost_text(m, dollars));
}

/* "endpoint 2/3  model  14:02  first 0.41 s  212 tok  14.2 tok/s  $0.0031  after cheap failed":
 * only what is known. The figures give way to the failure. */
static void draw_answer(const struct message *m, const struct message_header *h,
        const struct siblings *siblings, struct surface *out, int row)
{
    char after[96] = "", texts[FIGURE_COUNT][FIGURE_MAX_BYTES] = {{0}};
    int col =
            1 + surface_puts(out, row, 1, ROLE_ANSWER, m->endpoint[0] ? m->endpoint : "answer");
    col += draw_place(siblings, out, row, col);
    if (h->after[0])
        snprintf(after, sizeof after, "  after %s failed", h->after);
    print_figures(m, texts);
    int n_room = out->rect.n_cols - text_width(slice_of(after)) - col;
    col = put_figures(texts, out, &(struct rect){row, col, 1, n_room});
    surface_puts(out, row, col, ROLE_WARN, after);
}

void message_header_draw(const struct message *m, const struct message_header *h,
        const struct siblings *siblings, struct surface *out, int row)
{
    char clock[FIGURE_BYTES], size[SIZE_TEXT_BYTES];
    if (m->role == MSG_ASSISTANT) {
        draw_answer(m, h, siblings, out, row);
        return;
    }
    int col = 1 + surface_puts(out, row, 1, ROLE_USER, "you");
    col += draw_place(siblings, out, row, col);
    col += surface_printf(out, row, col, ROLE_DIM, "  %s%s", figure_clock(clock, m->created_ms),
            m->is_saved ? "" : "  not saved yet");
    if (m->n_attached)
        surface_printf(out, row, col, ROLE_DIM, "  with %s of attached text",
                size_text(m->n_attached, size));
}
