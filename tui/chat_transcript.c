/* chat_transcript.c - see chat_transcript.h. */
#include "tui/chat_transcript.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tui/figures.h"
#include "tui/keys.h"
#include "tui/text.h"
#include "tui/view_stepper.h"

#define FOOTER_COLS 6 /* indent, mark and a column at the right */
#define INDENT                                                                                 \
    2 /* of text under its header: nothing stands left of it that a copy would catch */

static void free_rendered(struct rendered *r)
{
    if (!r)
        return;
    markdown_release(&r->text);
    markdown_release(&r->reasoning);
    tinted_text_release(&r->tinted);
    mem_free(r);
}

static void clear(struct transcript *t)
{
    for (size_t i = 0; i < t->n_cache; i++)
        free_rendered(t->cache[i]);
    mem_free(t->cache);
    mem_free(t->path);
    t->cache = NULL;
    t->path = NULL;
    t->n_cache = t->n_path = 0;
}

void transcript_release(struct transcript *t)
{
    clear(t);
}

/* Brings path and cache to the session of now. */
static void refresh(struct transcript *t, const struct app *app)
{
    const struct session *s = app_core(app)->session;
    if (s->id != t->session_id) {
        clear(t);
        t->session_id = s->id;
        t->follows = s->scroll_id == 0;
        t->top_id = s->scroll_id;
        t->top_line = (int)s->scroll_line;
    }
    const struct run *run = core_run_of(app_core(app), s->leaf_id);
    t->asks_id = run && run->phase == RUN_ASKS ? run->message_id : 0;
    t->question = t->asks_id ? run->decision.reason : NULL;
    mem_free(t->path);
    t->n_path = session_path(s, &t->path);
    if (t->n_path > t->n_cache) {
        t->cache = mem_resize(t->cache, t->n_path * sizeof *t->cache);
        memset(t->cache + t->n_cache, 0, (t->n_path - t->n_cache) * sizeof *t->cache);
        t->n_cache = t->n_path;
    }
}

static bool shows_reasoning(const struct message *m)
{
    return m->reasoning.n > 0 &&
           m->text.n == 0; /* folded to a line as soon as the answer begins */
}

static bool is_empty(const struct message *m)
{
    return m->state == MESSAGE_DONE && m->text.n == 0 && m->reasoning.n == 0 &&
           m->tool_calls.n == 0;
}

static int count_lines(const char *text, int n_cols)
{
    struct slice rest = slice_of(text), line;
    int n = 0;
    while (text_wrap(&rest, n_cols - FOOTER_COLS, &line))
        n++;
    return n > 0 ? n : 1;
}

/* Lines under an answer that is not simply done; a failure takes as many as its sentence needs.
 */
static int count_footer_lines(const struct message *m, const char *question, int n_cols)
{
    bool is_cut =
            m->finish == FINISH_LENGTH || m->finish == FINISH_CONTENT_FILTER || is_empty(m);
    if (m->role != MSG_ASSISTANT || (m->state == MESSAGE_DONE && !is_cut))
        return 0;
    if (question)
        return count_lines(question, n_cols) + 1;
    return m->state == MESSAGE_FAILED ? count_lines(m->error, n_cols) : 1;
}

/* What is shown of an answer below its header. */
static struct slice shown_part(const struct message *m)
{
    return slice_trim(buf_slice(shows_reasoning(m) ? &m->reasoning : &m->text));
}

/* Markdown does not keep where its words come from: coloured, an answer is shown as it was
 * sent. */
static void render_tinted(
        struct rendered *r, const struct message *m, enum token_color color, int n_cols)
{
    enum answer_part part = shows_reasoning(m) ? PART_REASONING : PART_TEXT;
    const struct buf *whole = part == PART_TEXT ? &m->text : &m->reasoning;
    struct slice shown = shown_part(m);
    struct token_map map = {0};
    uint8_t *tints = mem_alloc(whole->n + 1);
    tinted_text_wrap(&r->tinted, shown, n_cols);
    token_map_build(&map, &m->tokens, buf_slice(&m->reasoning), buf_slice(&m->text));
    token_color_tints(color, &m->tokens, &map, part, tints, whole->n);
    if (shown.n)
        memcpy(r->tinted.tints, tints + (shown.ptr - whole->ptr), shown.n);
    token_map_release(&map);
    mem_free(tints);
}

static void render_plain(struct rendered *r, const struct message *m, int n_cols)
{
    void (*render_text)(struct markdown *, struct slice, int) =
            m->role == MSG_ASSISTANT ? markdown_render : markdown_render_plain;
    render_text(&r->text, slice_trim(buf_slice(&m->text)), n_cols);
    if (shows_reasoning(m))
        markdown_render(&r->reasoning, slice_trim(buf_slice(&m->reasoning)), n_cols);
}

/* Lines of reasoning: all of them, or one that stands for them. */
static int count_reasoning_lines(const struct rendered *r, const struct message *m)
{
    if (!shows_reasoning(m))
        return m->reasoning.n > 0;
    return (int)(r->is_tinted ? r->tinted.n_lines : r->reasoning.n_lines);
}

static int count_text_lines(const struct rendered *r, const struct message *m)
{
    if (r->is_tinted)
        return shows_reasoning(m) ? 0 : (int)r->tinted.n_lines;
    return (int)r->text.n_lines;
}

static struct rendered *render(struct transcript *t, size_t i, int n_cols)
{
    const struct message *m = t->path[i];
    struct rendered *r = t->cache[i];
    if (r && r->message_id != m->id) {
        free_rendered(r);
        r = NULL;
    }
    if (!r) {
        r = t->cache[i] = mem_alloc(sizeof *r);
        r->version = UINT32_MAX;
    }
    bool is_same_color =
            r->color == t->color && (!t->color || r->n_records_bytes == m->tokens.records.n);
    if (r->version == m->version && r->n_cols == n_cols && is_same_color)
        return r;
    r->message_id = m->id;
    r->version = m->version;
    r->n_cols = n_cols;
    r->color = t->color;
    r->n_records_bytes = m->tokens.records.n;
    r->is_tinted = t->color && m->role == MSG_ASSISTANT && m->tokens.record_bytes;
    if (r->is_tinted)
        render_tinted(r, m, t->color, n_cols - INDENT - 1);
    else
        render_plain(r, m, n_cols - INDENT - 1);
    r->n_footer = count_footer_lines(m, m->id == t->asks_id ? t->question : NULL, n_cols);
    r->n_lines = 1 + count_reasoning_lines(r, m) + count_text_lines(r, m) + r->n_footer + 1;
    return r;
}

/* Names those that failed, if this decision was made because they had. */
static void print_failed(const struct decision_entry *entry, struct rendered *r)
{
    struct arena arena = {0};
    struct decision d;
    const char *names[CANDIDATES_MAX];
    size_t n = 0;
    r->after[0] = '\0';
    bool is_fallback = entry->is_fallback && entry->verdict == VERDICT_SEND;
    if (is_fallback && decision_read_json(slice_of(entry->json), &arena, &d, names))
        for (int i = 0; i < d.n_candidates && n < sizeof r->after; i++)
            if (d.candidates[i].filter == FILTER_TRIED)
                n += (size_t)snprintf(
                        r->after + n, sizeof r->after - n, "%s%s", n ? ", " : "", names[i]);
    r->after[utf8_whole(r->after, strlen(r->after))] = '\0';
    arena_release(&arena);
}

/* Once per decision: what it says stays. */
static void refresh_failed(struct rendered *r, const struct core *core, const struct message *m)
{
    const struct decision_entry *entry =
            m->role == MSG_ASSISTANT ? core_decision_of(core, m->id) : NULL;
    if (!entry || entry->serial == r->decision_serial)
        return;
    r->decision_serial = entry->serial;
    print_failed(entry, r);
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

static double tok_per_s(const struct message *m)
{
    uint32_t n = m->usage.output;
    if (n == TOKENS_UNKNOWN || n < 2 || m->total_ms <= m->ttft_ms)
        return 0;
    return (n - 1) * 1000.0 / (m->total_ms - m->ttft_ms);
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

/* endpoint model · 14:02 · first token 0.41 s · 212 tok · 14.2 tok/s · $0.0031 · after cheap
 * failed: only what is known. The figures give way to the failure. */
static void draw_answer_header(
        const struct message *m, const struct rendered *r, struct surface *out, int row)
{
    char after[96] = "", clock[FIGURE_BYTES], dollars[32];
    int col =
            1 + surface_puts(out, row, 1, ROLE_ANSWER, m->endpoint[0] ? m->endpoint : "answer");
    if (r->after[0])
        snprintf(after, sizeof after, "  after %s failed", r->after);
    struct figures f = {out, row, col, out->rect.n_cols - text_width(slice_of(after))};
    put_figure(&f, "%s", m->model);
    put_figure(&f, "%s", figure_clock(clock, m->created_ms));
    if (m->ttft_ms)
        put_figure(&f, "first %.2f s", m->ttft_ms / 1000.0);
    if (count_tokens(m))
        put_figure(&f, "%u tok", count_tokens(m));
    if (tok_per_s(m) > 0)
        put_figure(&f, "%.1f tok/s", tok_per_s(m));
    if (m->cost_nusd >= 0 && m->state != MESSAGE_RUNNING)
        put_figure(&f, "%s", m->cost_nusd ? usd_text(m->cost_nusd, dollars) : "free");
    surface_puts(out, row, f.col, ROLE_WARN, after);
}

static void draw_header(
        const struct message *m, const struct rendered *r, struct surface *out, int row)
{
    char clock[FIGURE_BYTES];
    if (m->role == MSG_ASSISTANT) {
        draw_answer_header(m, r, out, row);
        return;
    }
    figure_clock(clock, m->created_ms);
    int col = surface_puts(out, row, 1, ROLE_USER, "you");
    surface_printf(
            out, row, 1 + col, ROLE_DIM, "  %s%s", clock, m->is_saved ? "" : "  not saved yet");
}

/* The clock time it ends: a countdown would wake the program every second. */
static const char *waiting_text(const struct core *core, uint64_t t_ns, char out[96])
{
    int64_t ms = core->base_ms + ((int64_t)t_ns - (int64_t)core->base_ns) / 1000000;
    time_t seconds = ms / 1000;
    struct tm tm;
    localtime_r(&seconds, &tm);
    snprintf(out, 96, "waiting to try again at %02d:%02d:%02d …", tm.tm_hour % 100,
            tm.tm_min % 100, tm.tm_sec % 100);
    return out;
}

static const char *running_text(const struct core *core, const struct run *run, char out[96])
{
    const char *percent = "";
    char number[16] = "";
    if (run && run->fraction > 0) {
        snprintf(number, sizeof number, " %.0f %%", (double)run->fraction * 100);
        percent = number;
    }
    if (!run)
        return "";
    if (run->phase == RUN_WAITS_FOR_STORE)
        return core->disk_failed_ns ? "the disk does not take the message; /send-unsaved sends "
                                      "it all the same"
                                    : "saving the message …";
    if (run->phase == RUN_WAITS_FOR_RETRY)
        return waiting_text(core, run->t_retry_ns, out);
    if (run->phase == RUN_RESERVES)
        return "entering the price into today's budget …";
    if (run->phase == RUN_WAITS_FOR_ROUTE || run->phase == RUN_ASKS)
        return run->decision.reason;
    if (run->phase == RUN_STOPPING)
        return "stopping …";
    switch (run->state) {
    case RUN_LOADING:
        snprintf(out, 96, "loading the model%s …", percent);
        return out;
    case RUN_PREFILL:
        snprintf(out, 96, "reading the prompt%s …", percent);
        return out;
    case RUN_DECODE:
        return "…";
    case RUN_CONNECTING:
        return "waiting for the answer …";
    default:
        return "waiting …";
    }
}

/* Line i of a sentence below an answer, with a mark before the first. */
static void draw_sentence(const char *text, const char *mark, enum role role, int i_line,
        struct surface *out, int row)
{
    struct slice rest = slice_of(text), line = SLICE("");
    for (int i = 0; i <= i_line; i++)
        if (!text_wrap(&rest, out->rect.n_cols - FOOTER_COLS, &line))
            return;
    if (i_line == 0)
        surface_puts(out, row, INDENT + 1, role, mark);
    surface_text(out, row, INDENT + 3, role, 0, line);
}

static bool asks(const struct app *app, const struct message *m)
{
    const struct run *run = core_run_of(app_core(app), m->id);
    return run && run->phase == RUN_ASKS;
}

/* What it would cost, and what to press. */
static void draw_question(const struct app *app, const struct message *m, int i_line,
        struct surface *out, int row)
{
    const char *yes = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_CONFIRM);
    const char *no = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_STOP);
    const char *reason = core_run_of(app_core(app), m->id)->decision.reason;
    int n = count_lines(reason, out->rect.n_cols);
    if (i_line < n)
        draw_sentence(reason, "?", ROLE_WARN, i_line, out, row);
    else
        surface_printf(out, row, INDENT + 3, ROLE_DIM, "%s sends it, %s does not",
                yes ? yes : "/confirm", no ? no : "/stop");
}

static void draw_footer(const struct app *app, const struct message *m, int i_line,
        struct surface *out, int row)
{
    char text[96];
    const char *go_on = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_CONTINUE);
    switch (m->state) {
    case MESSAGE_RUNNING:
        if (asks(app, m)) {
            draw_question(app, m, i_line, out, row);
            break;
        }
        if (i_line == 0)
            surface_puts(out, row, INDENT + 1, ROLE_DIM,
                    running_text(app_core(app), core_run_of(app_core(app), m->id), text));
        break;
    case MESSAGE_INTERRUPTED:
        surface_printf(out, row, INDENT + 1, ROLE_WARN,
                "\xE2\x96\xA0 interrupted \xE2\x80\x93 %s goes on",
                go_on ? go_on : "/continue");
        break;
    case MESSAGE_STOPPED:
        surface_printf(out, row, INDENT + 1, ROLE_WARN,
                "\xE2\x96\xA0 stopped \xE2\x80\x93 %s goes on", go_on ? go_on : "/continue");
        break;
    case MESSAGE_FAILED:
        draw_sentence(m->error, "\xE2\x9C\x97", ROLE_ERROR, i_line, out, row);
        break;
    case MESSAGE_DONE:
        surface_puts(out, row, INDENT + 1, ROLE_WARN,
                is_empty(m) ? "\xE2\x96\xA0 the answer is empty"
                : m->finish == FINISH_LENGTH
                        ? "\xE2\x96\xA0 cut: the limit of tokens was reached"
                        : "\xE2\x96\xA0 a content filter ended it");
        break;
    }
}

static size_t count_words(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.ptr[i] > ' ' && (i == 0 || s.ptr[i - 1] <= ' ');
    return n;
}

static void draw_shown_line(const struct message *m, const struct rendered *r, size_t i_line,
        struct surface *out, int row)
{
    bool is_reasoning = shows_reasoning(m);
    enum role role = is_reasoning ? ROLE_REASONING : ROLE_TEXT;
    if (r->is_tinted)
        tinted_text_draw_line(&r->tinted, shown_part(m), i_line, out, row, INDENT + 1, role);
    else
        markdown_draw_line(
                is_reasoning ? &r->reasoning : &r->text, i_line, out, row, INDENT + 1);
    if (is_reasoning)
        surface_mark(out, (struct rect){row, 0, 1, out->rect.n_cols}, ROLE_REASONING, 0);
}

/* Line `line` of the message, at the given row. */
static void draw_line(const struct app *app, const struct message *m, const struct rendered *r,
        int line, struct surface *out, int row)
{
    int n_reasoning = count_reasoning_lines(r, m), n_text = count_text_lines(r, m);
    if (line == 0)
        draw_header(m, r, out, row);
    else if (line <= n_reasoning && shows_reasoning(m))
        draw_shown_line(m, r, (size_t)line - 1, out, row);
    else if (line <= n_reasoning)
        surface_printf(out, row, INDENT + 1, ROLE_REASONING, "\xE2\x96\xB8 reasoned, %zu words",
                count_words(buf_slice(&m->reasoning)));
    else if (line <= n_reasoning + n_text)
        draw_shown_line(m, r, (size_t)(line - n_reasoning - 1), out, row);
    else if (line - n_reasoning - n_text <= r->n_footer)
        draw_footer(app, m, line - n_reasoning - n_text - 1, out, row);
}

/* The first visible message and line when the end is at the bottom. */
static void find_top_from_end(
        struct transcript *t, int n_rows, int n_cols, size_t *i_out, int *line)
{
    int left = n_rows + 1; /* the last message's blank line may fall off */
    size_t i = t->n_path;
    while (i > 0 && left > 0)
        left -= render(t, --i, n_cols)->n_lines;
    *i_out = i;
    *line = left < 0 ? -left : 0;
}

static size_t find_top(struct transcript *t, int n_rows, int n_cols, int *line)
{
    size_t i_end;
    int line_end;
    find_top_from_end(t, n_rows, n_cols, &i_end, &line_end);
    for (size_t i = 0; i < t->n_path && !t->follows; i++)
        if (t->path[i]->id == t->top_id) {
            bool is_beyond = i > i_end || (i == i_end && t->top_line >= line_end);
            if (is_beyond) { /* scrolled or grown to the end: follow again */
                t->follows = true;
                break;
            }
            int n_lines = render(t, i, n_cols)->n_lines;
            *line = t->top_line < n_lines ? t->top_line : n_lines - 1;
            return i;
        }
    *line = line_end;
    return i_end;
}

void transcript_draw(struct transcript *t, const struct app *app, struct surface *out)
{
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols, line, row = 0;
    refresh(t, app);
    t->n_rows = n_rows;
    size_t i = find_top(t, n_rows, n_cols, &line);
    if (i < t->n_path) {
        t->top_id = t->path[i]->id;
        t->top_line = line;
    }
    for (; i < t->n_path && row < n_rows; i++, line = 0) {
        if (t->color && t->path[i]->role == MSG_ASSISTANT)
            view_stepper_load((struct app *)(uintptr_t)app, t->path[i]);
        struct rendered *r = render(t, i, n_cols);
        refresh_failed(r, app_core(app), t->path[i]);
        for (; line < r->n_lines && row < n_rows; line++, row++)
            draw_line(app, t->path[i], r, line, out, row);
        if (line < r->n_lines)
            break;
    }
    t->n_below = 0;
    for (; i < t->n_path && t->n_below < 10000; i++, line = 0)
        t->n_below += render(t, i, n_cols)->n_lines - line;
    t->n_below -= t->n_below > 0; /* the blank line behind the last message */
}

void transcript_scroll(struct transcript *t, const struct app *app, int n_lines)
{
    refresh(t, app);
    size_t i = 0;
    while (i + 1 < t->n_path && t->path[i]->id != t->top_id)
        i++;
    if (t->n_path == 0 || !t->cache[i])
        return;
    int line = t->top_line + n_lines, n_cols = t->cache[i]->n_cols;
    while (line < 0 && i > 0)
        line += render(t, --i, n_cols)->n_lines;
    while (i + 1 < t->n_path && line >= render(t, i, n_cols)->n_lines)
        line -= render(t, i++, n_cols)->n_lines;
    t->top_id = t->path[i]->id;
    t->top_line = line < 0 ? 0 : line;
    t->follows = false; /* drawing finds out whether this is the end */
}

static bool has_words(const struct message *m, const char *words)
{
    char word[128];
    for (struct slice rest = slice_of(words); rest.ptr;) {
        struct slice next = slice_cut(&rest, ' ');
        snprintf(word, sizeof word, "%.*s", (int)next.n, next.ptr);
        if (!strcasestr(buf_text(&m->text), word))
            return false;
    }
    return true;
}

void transcript_seek(struct transcript *t, const struct app *app, const char *words)
{
    refresh(t, app);
    size_t i = t->n_path;
    while (i > 0 && !has_words(t->path[i - 1], words))
        i--;
    if (i > 0)
        transcript_to_message(t, t->path[i - 1]->id);
}

void transcript_to_message(struct transcript *t, int64_t id)
{
    t->follows = false;
    t->top_id = id;
    t->top_line = 0;
}

void transcript_to_top(struct transcript *t)
{
    if (t->n_path)
        transcript_to_message(t, t->path[0]->id);
}

void transcript_to_end(struct transcript *t)
{
    t->follows = true;
}

int64_t transcript_answer(const struct transcript *t)
{
    int64_t id = 0;
    bool is_below = t->follows;
    for (size_t i = 0; i < t->n_path; i++) {
        is_below |= t->path[i]->id == t->top_id;
        if (t->path[i]->role != MSG_ASSISTANT)
            continue;
        id = t->path[i]->id;
        if (is_below && !t->follows)
            break;
    }
    return id;
}
