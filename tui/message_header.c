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

struct figures { /* of a header, from left to right */
    struct surface *out;
    int row, col, end;
};

/* One that has no room is left out, never cut. */
static void PRINTF(2, 3) put_figure(struct figures *f, const char *fmt, ...)
{
    char text[160];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    text[utf8_whole(text, strlen(text))] = '\0';
    if (text[0] && f->col + 2 + text_width(slice_of(text)) <= f->end)
        f->col += 2 + surface_puts(f->out, f->row, f->col + 2, ROLE_DIM, text);
}

/* "2/3": the second of three branches. Returns the columns it takes. */
static int draw_place(const struct siblings *siblings, struct surface *out, int row, int col)
{
    if (siblings->n < 2)
        return 0;
    return 2 + surface_printf(
                       out, row, col + 2, ROLE_NUMBER, "%u/%u", siblings->i + 1, siblings->n);
}

/* "endpoint 2/3  model  14:02  first 0.41 s  212 tok  14.2 tok/s  $0.0031  after cheap failed":
 * only what is known. The figures give way to the failure. */
static void draw_answer(const struct message *m, const struct message_header *h,
        const struct siblings *siblings, struct surface *out, int row)
{
    char after[96] = "", clock[FIGURE_BYTES], dollars[FIGURE_BYTES];
    int col =
            1 + surface_puts(out, row, 1, ROLE_ANSWER, m->endpoint[0] ? m->endpoint : "answer");
    col += draw_place(siblings, out, row, col);
    if (h->after[0])
        snprintf(after, sizeof after, "  after %s failed", h->after);
    struct figures f = {out, row, col, out->rect.n_cols - text_width(slice_of(after))};
    put_figure(&f, "%s", m->model);
    put_figure(&f, "%s", figure_clock(clock, m->created_ms));
    if (m->is_copy)
        put_figure(&f, "copied");
    if (m->ttft_ms)
        put_figure(&f, "first %.2f s", m->ttft_ms / 1000.0);
    if (count_tokens(m))
        put_figure(&f, "%u tok", count_tokens(m));
    if (message_tok_per_s(m) > 0)
        put_figure(&f, "%.1f tok/s", message_tok_per_s(m));
    if (m->cost_nusd >= 0 && m->state != MESSAGE_RUNNING &&
            (m->cost_nusd || m->state != MESSAGE_FAILED)) /* nothing for nothing is no price */
        put_figure(&f, "%s", m->cost_nusd ? prices_usd_text(m->cost_nusd, dollars) : "free");
    surface_puts(out, row, f.col, ROLE_WARN, after);
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
