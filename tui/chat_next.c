/* chat_next.c - see chat_next.h. */
#include "tui/chat_next.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/figures.h"
#include "tui/file_word.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define PAUSE_NS    50000000ull
#define WORDS_BYTES 65536 /* of a draft are searched for `@path` between two keystrokes */
#define SHOWN_MAX   3

void chat_next_change(struct chat_next *next)
{
    next->is_stale = true;
}

static void forget_files(struct chat_next *next)
{
    attachments_release(&next->files);
    next->files = (struct attachments){0};
    next->words_key = next->files_stamp = 0;
}

void chat_next_release(struct chat_next *next)
{
    forget_files(next);
    mem_free(next->decision);
}

/* ---- when to decide anew ---------------------------------------------------------------- */

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * 0x100000001b3u;
    *hash ^= *hash >> 29;
}

static void mix_float(uint64_t *hash, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    mix(hash, bits);
}

/* Everything but the draft and the time that a decision looks at. A running answer changes it
 * when it begins and ends, not with every token. */
static uint64_t state_of(const struct core *core)
{
    uint64_t hash = 0xcbf29ce484222325u;
    mix(&hash, (uint64_t)core->session->id);
    mix(&hash, (uint64_t)core->session->leaf_id);
    mix(&hash, core->session->system.n);
    mix(&hash, core_run_of(core, core->session->leaf_id) != NULL);
    mix(&hash, (uint64_t)core->use_endpoint);
    mix(&hash, (uint64_t)core->budget.spent_nusd);
    for (int i = 0; i < core->fleet.n_endpoints; i++) {
        const struct endpoint_state *e = &core->fleet.endpoints[i];
        mix(&hash, (uint64_t)e->conf->enabled << 1 | (e->switched == SWITCH_DRAIN));
        mix(&hash, e->fault[0] != '\0');
        mix(&hash, e->open_until_ns);
        mix(&hash, (uint64_t)e->n_requests << 32 | e->n_errors);
        mix(&hash, (uint64_t)e->n_in_flight << 32 | e->n_failed_in_a_row);
        mix(&hash, (uint64_t)e->requests.remaining << 32 | e->tokens.remaining);
        mix(&hash, e->requests.reset_ns ^ e->tokens.reset_ns << 1);
        mix_float(&hash, e->ttft_ms);
        mix_float(&hash, e->tok_per_s);
    }
    return hash;
}

/* When the first of those that are out for now may be in again. */
static uint64_t next_change_ns(const struct decision *d, uint64_t now_ns)
{
    uint64_t soonest_ns = 0;
    for (int i = 0; i < d->n_candidates; i++) {
        uint64_t t_ns = d->candidates[i].retry_ns;
        if (t_ns > now_ns && (!soonest_ns || t_ns < soonest_ns))
            soonest_ns = t_ns;
    }
    return soonest_ns;
}

/* Drawing changes nothing of the app but when it draws again. */
static void wake_at(struct app *app, uint64_t t_ns)
{
    if (t_ns)
        app_wake_at(app, t_ns);
}

static void read_again(struct chat_next *next, struct slice draft, uint64_t stamp)
{
    struct err err;
    forget_files(next);
    next->files_stamp = stamp;
    if (stamp && attachments_read(&next->files, draft, true, &err) != OK)
        next->files = (struct attachments){0};
}

/* The files that the draft names, looked at again only when its words are others, and read
 * again only when those name other files: a path is typed letter by letter. */
static void read_files(struct chat_next *next, struct slice draft)
{
    struct file_word word;
    uint64_t key = 0;
    draft.n = draft.n < WORDS_BYTES ? draft.n : WORDS_BYTES;
    bool has_words = draft.n && memchr(draft.ptr, '@', draft.n);
    for (size_t at = 0; has_words && file_word_next(draft, at, &word); at = word.end)
        for (const char *c = word.path; *c; c++)
            mix(&key, (uint64_t)(uint8_t)*c + 1);
    if (key == next->words_key)
        return;
    uint64_t stamp = key ? attachments_stamp(draft) : 0;
    if (stamp != next->files_stamp)
        read_again(next, draft, stamp);
    next->words_key = key;
}

/* As it would be sent. */
static void preview(
        struct chat_next *next, const struct core *core, struct slice draft, uint64_t now_ns)
{
    bool is_escaped = slice_has_prefix(draft, "//"); /* what is sent has one less */
    struct slice typed = {draft.ptr + is_escaped, draft.n - is_escaped};
    struct buf all;
    read_files(next, draft);
    if (!next->decision)
        next->decision = mem_alloc(sizeof *next->decision);
    if (next->files.n_files == 0) {
        core_preview(core, typed, now_ns, next->decision);
        return;
    }
    buf_init(&all, MESSAGE_MAX_BYTES);
    buf_add_slice(&all, typed);
    buf_add_text(&all, "\n\n");
    buf_add_slice(&all, buf_slice(&next->files.text));
    core_preview(core, buf_slice(&all), now_ns, next->decision);
    buf_release(&all);
}

static void refresh(struct chat_next *next, struct app *app, struct slice draft)
{
    const struct core *core = app_core(app);
    uint64_t now_ns = app_now_ns(app), state = state_of(core);
    bool is_over = next->until_ns && now_ns >= next->until_ns;
    if (next->t_ns && !next->is_stale && state == next->state && !is_over) {
        wake_at(app, next->until_ns);
        return;
    }
    if (next->t_ns && now_ns < next->t_ns + PAUSE_NS) {
        wake_at(app, next->t_ns + PAUSE_NS);
        return;
    }
    preview(next, core, draft, now_ns);
    next->is_stale = false;
    next->state = state;
    next->t_ns = now_ns;
    next->until_ns = next_change_ns(next->decision, now_ns);
    wake_at(app, next->until_ns);
}

/* ---- drawing ---------------------------------------------------------------------------- */

static bool is_on(const struct core *core, const struct endpoint_state *e)
{
    return e->conf->enabled && e->switched != SWITCH_DRAIN && !e->is_gone &&
           e->conf->zone <= core->max_zone;
}

/* What is known without a text. */
static void print_fixed(const struct core *core, char *out, size_t n_out)
{
    const struct endpoint_conf *only = NULL, *there = NULL;
    int n_usable = 0, n_on = 0, n_there = 0;
    for (int i = 0; i < core->fleet.n_endpoints; i++) {
        const struct endpoint_state *e = &core->fleet.endpoints[i];
        bool is_usable = is_on(core, e) && !e->fault[0];
        only = is_usable ? e->conf : only;
        there = e->is_gone ? there : e->conf;
        n_there += !e->is_gone;
        n_usable += is_usable;
        n_on += is_on(core, e);
    }
    if (core->use_endpoint >= 0)
        snprintf(out, n_out, "%s, pinned by /endpoint",
                core->fleet.endpoints[core->use_endpoint].conf->name);
    else if (n_there == 0)
        snprintf(out, n_out, "nobody yet");
    else if (n_usable == 0 && n_on)
        snprintf(out, n_out, "nobody: Fleet says why %s cannot answer",
                n_on > 1 ? "they" : "it");
    else if (n_there == 1)
        snprintf(out, n_out, "%s%s", there->name,
                there->enabled ? "" : ", which is disabled: `shunt doctor` says why");
    else if (n_usable == 0)
        snprintf(out, n_out, "nobody: all %d endpoints are off", n_there);
    else if (n_usable == 1)
        snprintf(out, n_out, "%s", only->name);
    else
        snprintf(out, n_out, "the best of %d endpoints", n_usable);
}

/* The chosen one, then the others by cost; returns how many. */
static int find_best(const struct decision *d, const struct candidate *best[SHOWN_MAX])
{
    int n = 0;
    best[n++] = &d->candidates[d->chosen];
    for (int i = 0; i < d->n_candidates; i++) {
        const struct candidate *c = &d->candidates[i];
        if (i == d->chosen || c->filter != FILTER_NONE)
            continue;
        int at = n < SHOWN_MAX ? n++ : SHOWN_MAX;
        for (; at > 1 && c->cost_nusd < best[at - 1]->cost_nusd; at--)
            if (at < SHOWN_MAX)
                best[at] = best[at - 1];
        if (at < SHOWN_MAX)
            best[at] = c;
    }
    return n;
}

static int count_filtered(const struct decision *d, enum filter filter)
{
    int n = 0;
    for (int i = 0; i < d->n_candidates; i++)
        n += d->candidates[i].filter == filter;
    return n;
}

/* Whom the budget keeps out: by name, or how many where the names have no room. */
static int draw_budget(
        const struct core *core, const struct decision *d, struct surface *out, int col)
{
    char names[160] = "", text[256];
    int n_out = count_filtered(d, FILTER_BUDGET);
    size_t n = 0;
    for (int i = 0; i < d->n_candidates && n < sizeof names; i++)
        if (d->candidates[i].filter == FILTER_BUDGET)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "",
                    core->fleet.endpoints[d->candidates[i].endpoint].conf->name);
    snprintf(text, sizeof text, " (budget reached: %s out)", names);
    if (n >= sizeof names || col + text_width(slice_of(text)) >= out->rect.n_cols)
        snprintf(text, sizeof text, " (budget reached: %d out)", n_out);
    if (!n_out || col + text_width(slice_of(text)) >= out->rect.n_cols)
        return col;
    return col + surface_puts(out, 0, col, ROLE_WARN, text);
}

#define MORE_COLS 12 /* " │ 12 others" */

/* ▶ mini · $0.0026 · 11 s */
static void print_candidate(
        const struct core *core, const struct candidate *c, bool is_chosen, char out[160])
{
    char dollars[FIGURE_BYTES], seconds[FIGURE_BYTES];
    bool is_pinned = is_chosen && core->use_endpoint == c->endpoint;
    snprintf(out, 160, "%s%s%s \xC2\xB7 %s%s \xC2\xB7 %s", is_chosen ? "\xE2\x96\xB6 " : "",
            core->fleet.endpoints[c->endpoint].conf->name, is_pinned ? " (pinned)" : "",
            c->is_price_known ? "" : "at most ", figure_dollars(dollars, c->price_nusd),
            figure_seconds(seconds, c->expected_ms));
}

/* As many as fit, and how many more there are. */
static int draw_candidates(
        const struct core *core, const struct decision *d, struct surface *out, int col)
{
    const struct candidate *best[SHOWN_MAX];
    int n = find_best(d, best), n_more = count_filtered(d, FILTER_NONE);
    for (int i = 0; i < n; i++) {
        char text[160];
        print_candidate(core, best[i], i == 0, text);
        int cols = text_width(slice_of(text)) + (i ? 3 : 0);
        if (i && col + cols + (n_more > 1 ? MORE_COLS : 0) >= out->rect.n_cols)
            break;
        if (i)
            col += surface_puts(out, 0, col, ROLE_RULE, " \xE2\x94\x82 ");
        col += surface_puts(out, 0, col, i == 0 ? ROLE_OK : ROLE_TEXT, text);
        n_more--;
    }
    if (n_more && col + MORE_COLS < out->rect.n_cols) {
        col += surface_puts(out, 0, col, ROLE_RULE, " \xE2\x94\x82 ");
        col += surface_printf(
                out, 0, col, ROLE_DIM, "%d other%s", n_more, n_more == 1 ? "" : "s");
    }
    return draw_budget(core, d, out, col);
}

/* Seconds that count down would wake the program each second: the time of day stands still. */
static void print_wait(const struct app *app, const struct decision *d, char *out, size_t n_out)
{
    const char *name = "";
    for (int i = 0; i < d->n_candidates; i++)
        if (d->candidates[i].retry_ns == d->wait_until_ns)
            name = app_core(app)->fleet.endpoints[d->candidates[i].endpoint].conf->name;
    int64_t ms =
            app_now_ms(app) + (int64_t)(d->wait_until_ns - app_now_ns(app)) / 1000000 + 999;
    char clock[FIGURE_BYTES];
    snprintf(out, n_out, "waits for %s until %s", name, figure_clock_s(clock, ms));
}

static int draw_verdict(
        const struct app *app, const struct decision *d, struct surface *out, int col)
{
    char text[sizeof d->reason + 32];
    if (d->verdict == VERDICT_WAIT)
        print_wait(app, d, text, sizeof text);
    else
        snprintf(text, sizeof text, "%s%s", d->verdict == VERDICT_ASK ? "asks you first: " : "",
                d->reason);
    return col +
           surface_cut(out, 0, col, out->rect.n_cols - col - 1, ROLE_WARN, slice_of(text));
}

/* A command is not sent to anybody. */
static bool is_message(struct slice draft)
{
    return slice_trim(draft).n > 0 && (draft.ptr[0] != '/' || slice_has_prefix(draft, "//"));
}

/* Nothing goes anywhere from here. */
static int draw_read_only(int writer_pid, struct surface *out)
{
    char text[96];
    snprintf(text, sizeof text, " read only: process %d writes it; /fork ", writer_pid);
    return 1 + surface_cut(out, 0, 1, out->rect.n_cols - 2, ROLE_WARN, slice_of(text));
}

int chat_next_draw(
        struct chat_next *next, struct app *app, struct slice draft, struct surface *out)
{
    const struct core *core = app_core(app);
    char text[256];
    if (core->session->writer_pid)
        return draw_read_only(core->session->writer_pid, out);
    int col = 1 + surface_puts(out, 0, 1, ROLE_TITLE, " next: ");
    if (!is_message(draft) || core->fleet.n_endpoints == 0) {
        print_fixed(core, text, sizeof text);
        col += surface_cut(out, 0, col, out->rect.n_cols - col - 1, ROLE_TITLE, slice_of(text));
    } else {
        refresh(next, app, draft);
        const struct decision *d = next->decision;
        col = d->verdict == VERDICT_SEND ? draw_candidates(core, d, out, col)
                                         : draw_verdict(app, d, out, col);
    }
    return col + surface_puts(out, 0, col, ROLE_RULE, " ");
}
