/* pane_why.c - see pane_why.h. */
#include "tui/pane_why.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/decision_json.h"
#include "router/endpoint.h"

#include "tui/figures.h"
#include "tui/surface.h"
#include "tui/text.h"

#define MARK_COLS       3 /* mark and the blanks around it */
#define GAP_COLS        2
#define NAME_COLS_MAX   20
#define REASON_COLS_MIN 24
#define DECIMALS_MAX    6 /* a millionth of a dollar changes no choice that matters */

void why_read(struct why *why, const struct decision_entry *entry)
{
    if (why->serial == entry->serial)
        return;
    arena_release(&why->arena);
    why->serial = entry->serial;
    why->decision = arena_alloc(&why->arena, sizeof *why->decision);
    why->names = arena_alloc(&why->arena, ENDPOINTS_MAX * sizeof *why->names);
    why->is_readable =
            decision_read_json(slice_of(entry->json), &why->arena, why->decision, why->names);
}

void why_release(struct why *why)
{
    arena_release(&why->arena);
    why->serial = 0;
}

void why_names(const struct decision *d, const struct fleet *fleet, const char **names)
{
    for (int i = 0; i < d->n_candidates; i++)
        names[i] = fleet->endpoints[d->candidates[i].endpoint].conf->name;
}

/* ---- columns ---------------------------------------------------------------------------- */

enum column {
    COL_PRICE,
    COL_LATE,
    COL_FAILURE,
    COL_RISK,
    COL_CHANCE,
    COL_SUM,
    COL_TIME,
    N_COL
};

#define MONEY(field) offsetof(struct candidate, field)
#define NO_MONEY     SIZE_MAX

/* In the order of the screen; the one with the highest rank goes first when it gets narrow. */
static const struct {
    const char *title;
    size_t money; /* where the amount stands in a candidate */
    int rank;
} columns[N_COL] = {
        [COL_PRICE] = {"price $", MONEY(price_nusd), 2},
        [COL_LATE] = {"late $", MONEY(late_nusd), 4},
        [COL_FAILURE] = {"fail $", MONEY(failure_nusd), 5},
        [COL_RISK] = {"risk $", MONEY(miss_nusd), 3},
        [COL_CHANCE] = {"risk", NO_MONEY, 6},
        [COL_SUM] = {"sum $", MONEY(cost_nusd), 0},
        [COL_TIME] = {"time", NO_MONEY, 1},
};

struct layout {
    int name_cols, decimals;
    int cols[N_COL]; /* 0: does not fit */
};

static int64_t money_of(const struct candidate *c, int column)
{
    int64_t nusd;
    memcpy(&nusd, (const char *)c + columns[column].money, sizeof nusd);
    return nusd;
}

/* A small chance is not none. */
static void print_chance(double percent, char out[FIGURE_BYTES])
{
    if (percent > 0 && percent < 0.05)
        snprintf(out, FIGURE_BYTES, "<0.1 %%");
    else
        snprintf(out, FIGURE_BYTES, "%.*f %%", percent > 0 && percent < 0.95, percent);
}

/* Zero stands where the point of the others' amounts has its whole dollars. */
static void print_cell(
        const struct candidate *c, int column, int decimals, char out[FIGURE_BYTES])
{
    if (column == COL_TIME)
        figure_seconds(out, c->expected_ms);
    else if (column == COL_CHANCE)
        print_chance((double)c->p_miss * 100, out);
    else if (money_of(c, column) == 0)
        snprintf(out, FIGURE_BYTES, "0%*s", decimals + 1, "");
    else
        snprintf(out, FIGURE_BYTES, "%.*f", decimals, (double)money_of(c, column) / 1e9);
}

static int find_decimals(const struct decision *d)
{
    int decimals = 0;
    for (int i = 0; i < d->n_candidates; i++)
        for (int k = 0; k < N_COL && d->candidates[i].filter == FILTER_NONE; k++)
            if (columns[k].money != NO_MONEY) {
                int64_t nusd = money_of(&d->candidates[i], k);
                int needed = figure_decimals(&nusd, 1);
                decimals = needed > decimals ? needed : decimals;
            }
    return decimals < DECIMALS_MAX ? decimals : DECIMALS_MAX;
}

static int column_cols(const struct decision *d, int column, int decimals)
{
    int most = (int)strlen(columns[column].title);
    for (int i = 0; i < d->n_candidates; i++) {
        char text[FIGURE_BYTES];
        if (d->candidates[i].filter != FILTER_NONE)
            continue;
        print_cell(&d->candidates[i], column, decimals, text);
        most = (int)strlen(text) > most ? (int)strlen(text) : most;
    }
    return most;
}

static struct layout lay_out(const struct decision *d, const char *const *names, int n_cols)
{
    struct layout l = {.decimals = find_decimals(d)};
    for (int i = 0; i < d->n_candidates; i++) {
        int cols = text_width(slice_of(names[i]));
        l.name_cols = cols > l.name_cols ? cols : l.name_cols;
    }
    l.name_cols = l.name_cols > NAME_COLS_MAX ? NAME_COLS_MAX : l.name_cols;
    int used = MARK_COLS + l.name_cols;
    for (int rank = 0; rank < N_COL; rank++)
        for (int k = 0; k < N_COL; k++) {
            int cols = columns[k].rank == rank ? column_cols(d, k, l.decimals) : 0;
            if (cols && used + GAP_COLS + cols < n_cols) {
                l.cols[k] = cols;
                used += GAP_COLS + cols;
            } else if (cols) {
                return l; /* a less important one that is narrower would stand alone */
            }
        }
    return l;
}

/* ---- rows ------------------------------------------------------------------------------- */

static bool comes_before(const struct decision *d, int a, int b)
{
    const struct candidate *x = &d->candidates[a], *y = &d->candidates[b];
    if ((x->filter != FILTER_NONE) != (y->filter != FILTER_NONE))
        return x->filter == FILTER_NONE;
    if (x->filter != FILTER_NONE)
        return false;
    if ((a == d->chosen) != (b == d->chosen))
        return a == d->chosen;
    return x->cost_nusd < y->cost_nusd;
}

static void sort(const struct decision *d, int order[ENDPOINTS_MAX])
{
    for (int i = 0; i < d->n_candidates; i++) {
        int at = i;
        for (; at > 0 && comes_before(d, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static int draw_wrapped(struct surface *out, int row, int col, enum role role, const char *text)
{
    struct slice rest = slice_of(text), line;
    while (text_wrap(&rest, out->rect.n_cols - col - 1, &line))
        surface_text(out, row++, col, role, 0, line);
    return row;
}

static void draw_titles(const struct layout *l, struct surface *out, int row)
{
    int col = MARK_COLS + l->name_cols;
    for (int k = 0; k < N_COL; k++)
        if (l->cols[k]) {
            col += GAP_COLS + l->cols[k];
            surface_puts_right(out, row, col, ROLE_DIM, columns[k].title);
        }
}

static void draw_name(const char *name, const struct layout *l, struct surface *out, int row,
        enum role role, const char *mark)
{
    int cols;
    surface_puts(out, row, 1, role, mark);
    surface_text(out, row, MARK_COLS, role, 0, text_fit(slice_of(name), l->name_cols, &cols));
}

static void draw_figures(const struct candidate *c, const struct layout *l, struct surface *out,
        int row, enum role role)
{
    int col = MARK_COLS + l->name_cols;
    for (int k = 0; k < N_COL; k++) {
        char text[FIGURE_BYTES];
        if (!l->cols[k])
            continue;
        col += GAP_COLS + l->cols[k];
        print_cell(c, k, l->decimals, text);
        surface_puts_right(out, row, col, role, text);
        if (k == COL_PRICE && !c->is_price_known)
            surface_puts(out, row, col - (int)strlen(text) - 1, ROLE_WARN, "?");
    }
}

static int draw_candidate(const struct decision *d, int i, const char *name,
        const struct layout *l, struct surface *out, int row)
{
    const struct candidate *c = &d->candidates[i];
    int reason_col = MARK_COLS + l->name_cols + GAP_COLS;
    if (c->filter == FILTER_NONE) {
        bool is_chosen = i == d->chosen;
        enum role role = is_chosen ? ROLE_OK : ROLE_TEXT;
        draw_name(name, l, out, row, role, is_chosen ? "\xE2\x96\xB6" : "\xC2\xB7");
        draw_figures(c, l, out, row, is_chosen ? ROLE_OK : ROLE_NUMBER);
        return row + 1;
    }
    draw_name(name, l, out, row, ROLE_DIM, "\xE2\x9C\x97");
    if (out->rect.n_cols - reason_col >= REASON_COLS_MIN)
        return draw_wrapped(out, row, reason_col, ROLE_DIM, c->reason);
    return draw_wrapped(out, row + 1, MARK_COLS, ROLE_DIM, c->reason);
}

/* ---- below the table -------------------------------------------------------------------- */

static void print_features(const struct features *f, struct buf *out)
{
    const struct {
        bool is_there;
        const char *text;
    } parts[] = {{f->language[0], f->language}, {f->has_code, "code"}, {f->wants_json, "JSON"},
            {f->needs_tools, "tools"}};
    buf_printf(out, "%u + about %u tokens \xC2\xB7 difficulty %.2f \xC2\xB7 %s", f->n_input_tok,
            f->n_output_tok, (double)f->difficulty, domain_name(f->domain));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].is_there)
            buf_printf(out, " \xC2\xB7 %s", parts[i].text);
}

static bool has_unknown_price(const struct decision *d)
{
    for (int i = 0; i < d->n_candidates; i++)
        if (d->candidates[i].filter == FILTER_NONE && !d->candidates[i].is_price_known)
            return true;
    return false;
}

int why_draw(const struct decision *d, const char *const *names, struct surface *out, int row)
{
    struct layout l = lay_out(d, names, out->rect.n_cols);
    int order[ENDPOINTS_MAX], n_in = 0;
    struct buf text;
    sort(d, order);
    for (int i = 0; i < d->n_candidates; i++)
        n_in += d->candidates[i].filter == FILTER_NONE;
    if (n_in)
        draw_titles(&l, out, row++);
    for (int i = 0; i < d->n_candidates; i++)
        row = draw_candidate(d, order[i], names[order[i]], &l, out, row);
    if (l.cols[COL_PRICE] && has_unknown_price(d))
        row = draw_wrapped(
                out, row, 1, ROLE_DIM, "? price not known, counted as the highest that is");
    row = draw_wrapped(
            out, row, 1, d->verdict == VERDICT_SEND ? ROLE_TEXT : ROLE_WARN, d->reason);
    buf_init(&text, 512);
    print_features(&d->features, &text);
    row = draw_wrapped(out, row, 1, ROLE_DIM, buf_text(&text));
    buf_release(&text);
    return draw_wrapped(out, row, 1, ROLE_DIM, d->flip);
}
