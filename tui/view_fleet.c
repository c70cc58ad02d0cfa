/*
 * view_fleet.c - the endpoints as a table: how each is, how fast, how much it took today, and
 * below it what is known of the one under the cursor; a form adds and changes them. What is not
 * known stays blank.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/builtin.h"

#include "router/conf.h"
#include "router/core.h"
#include "router/endpoint.h"

#include "tui/endpoint_form.h"
#include "tui/endpoint_mark.h"
#include "tui/figures.h"
#include "tui/keys.h"
#include "tui/pane_endpoint.h"
#include "tui/spark.h"
#include "tui/surface.h"
#include "tui/table.h"
#include "tui/text.h"
#include "tui/view.h"

#define DETAIL_MIN_ROWS 6
#define SPARK_COLS      8

struct fleet_view {
    int cursor; /* endpoint index: it stays with the endpoint when the order changes */
    int top;
    int n_rows; /* of the table, when it was drawn last */
    int sorted; /* 1 + column; 0: as configured */
    bool is_reverse;
    int asked_off; /* 1 + endpoint that is to be switched off although an answer runs there */
    int switched;  /* 1 + endpoint that was switched or drained last; 0: none to take back */
    enum endpoint_switch was; /* on, off or drain: before that */
    bool is_detail;           /* the pane takes the whole screen */
    bool has_form;
    int starts[TABLE_COLUMNS_MAX]; /* what was drawn last */
    struct endpoint_form form;
};

/* ---- figures ---------------------------------------------------------------------------- */

static double known(double value, bool is_known)
{
    return is_known ? value : NAN;
}

static double tier_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known(e->conf->tier, e->conf->tier > 0);
}

static double in_flight_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return e->n_in_flight;
}

static double ttft_p50_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known(samples_quantile(&e->ttft_samples_ms, 0.5) / 1000, e->ttft_samples_ms.n > 0);
}

static double ttft_p95_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known(samples_quantile(&e->ttft_samples_ms, 0.95) / 1000, e->ttft_samples_ms.n > 0);
}

static double tok_per_s_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known(e->tok_per_s, e->tok_per_s > 0);
}

static double requests_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return e->n_requests;
}

static double errors_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return e->n_errors;
}

static double requests_left_of(const struct endpoint_state *e, uint64_t now_ns)
{
    return endpoint_left(&e->requests, now_ns);
}

static double tokens_left_of(const struct endpoint_state *e, uint64_t now_ns)
{
    return endpoint_left(&e->tokens, now_ns);
}

static double price_in_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known(e->conf->usd_per_mtok_in, e->conf->usd_per_mtok_in >= 0);
}

static double price_out_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known(e->conf->usd_per_mtok_out, e->conf->usd_per_mtok_out >= 0);
}

static double today_of(const struct endpoint_state *e, uint64_t now_ns)
{
    (void)now_ns;
    return known((double)e->spent_today_nusd / 1e9, e->spent_today_nusd > 0);
}

static double mark_of(const struct endpoint_state *e, uint64_t now_ns)
{
    return (double)endpoint_mark(e, now_ns);
}

static const char *name_of(const struct endpoint_state *e)
{
    return e->conf->name;
}

static const char *kind_of(const struct endpoint_state *e)
{
    return providers[e->conf->kind].name;
}

static const char *model_of(const struct endpoint_state *e)
{
    const char *model = e->conf->model ? e->conf->model : "";
    return e->conf->kind == PROVIDER_LOCAL ? builtin_name(model) : model;
}

static const char *zone_of(const struct endpoint_state *e)
{
    return zone_name(e->conf->zone);
}

/* ---- the table -------------------------------------------------------------------------- */

enum column {
    COLUMN_MARK,
    COLUMN_NAME,
    COLUMN_KIND,
    COLUMN_MODEL,
    COLUMN_ZONE,
    COLUMN_TIER,
    COLUMN_IN_FLIGHT,
    COLUMN_TREND,
    COLUMN_TTFT_P50,
    COLUMN_TTFT_P95,
    COLUMN_TOK_PER_S,
    COLUMN_REQUESTS,
    COLUMN_ERRORS,
    COLUMN_REQUESTS_LEFT,
    COLUMN_TOKENS_LEFT,
    COLUMN_PRICE_IN,
    COLUMN_PRICE_OUT,
    COLUMN_TODAY,
    COLUMN_COUNT
};

static const struct column_def {
    struct table_column table;
    int most_cols; /* texts: as wide as what is in them, up to this */
    const char *(*text)(const struct endpoint_state *e);
    double (*number)(const struct endpoint_state *e, uint64_t now_ns);
    enum unit unit;
} columns[COLUMN_COUNT] = {
        [COLUMN_MARK] = {{"", 1, 0, false}, .number = mark_of},
        [COLUMN_NAME] = {{"name", 4, 0, false}, 24, name_of},
        [COLUMN_KIND] = {{"kind", 4, 11, false}, 16, kind_of},
        [COLUMN_MODEL] = {{"model", 5, 6, false}, 28, model_of},
        [COLUMN_ZONE] = {{"zone", 4, 10, false}, 8, zone_of},
        [COLUMN_TIER] = {{"tier", 4, 12, true}, .number = tier_of},
        [COLUMN_IN_FLIGHT] = {{"running", 7, 7, true}, .number = in_flight_of},
        [COLUMN_TREND] = {{"ttft \xE2\x96\x81\xE2\x96\x86\xE2\x96\x83", SPARK_COLS, 5, false},
                .number = ttft_p50_of},
        [COLUMN_TTFT_P50] = {{"ttft p50", 8, 1, true}, 0, NULL, ttft_p50_of, UNIT_SECONDS},
        [COLUMN_TTFT_P95] = {{"p95", 7, 4, true}, 0, NULL, ttft_p95_of, UNIT_SECONDS},
        [COLUMN_TOK_PER_S] = {{"tok/s", 6, 3, true}, 0, NULL, tok_per_s_of, UNIT_RATE},
        [COLUMN_REQUESTS] = {{"requests", 8, 7, true}, .number = requests_of},
        [COLUMN_ERRORS] = {{"errors", 6, 4, true}, .number = errors_of},
        [COLUMN_REQUESTS_LEFT] = {{"req left", 8, 11, true}, .number = requests_left_of},
        [COLUMN_TOKENS_LEFT] = {{"tok left", 8, 11, true}, .number = tokens_left_of},
        [COLUMN_PRICE_IN] = {{"$/M in", 6, 9, true}, 0, NULL, price_in_of, UNIT_PRICE},
        [COLUMN_PRICE_OUT] = {{"$/M out", 7, 8, true}, 0, NULL, price_out_of, UNIT_PRICE},
        [COLUMN_TODAY] = {{"today", 8, 2, true}, 0, NULL, today_of, UNIT_USD},
};

/* The endpoints that are shown, by index. */
struct shown {
    int *order;
    int n;
};

/* A long name takes no more than a fifth of the screen from the figures. */
static int text_cols(const struct core *core, const struct column_def *column, int n_cols)
{
    int most = column->table.n_cols, fifth = n_cols / 5;
    for (int i = 0; i < core->fleet.n_endpoints; i++) {
        int cols = text_width(slice_of(column->text(&core->fleet.endpoints[i])));
        most = cols > most ? cols : most;
    }
    most = most < column->most_cols ? most : column->most_cols;
    return most <= fifth || most <= 8 ? most : fifth > 8 ? fifth : 8;
}

static void fit_columns(const struct core *core, int n_cols,
        struct table_column out[COLUMN_COUNT], int starts[])
{
    for (int c = 0; c < COLUMN_COUNT; c++) {
        out[c] = columns[c].table;
        if (columns[c].text)
            out[c].n_cols = text_cols(core, &columns[c], n_cols);
    }
    table_fit(out, COLUMN_COUNT, n_cols, starts);
}

/* The indexes of the endpoints in the order of the table; the caller frees them. */
static struct shown find_shown(const struct fleet_view *v, const struct app *app)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    size_t most = (size_t)fleet->n_endpoints + 1;
    struct shown shown = {mem_alloc(most * sizeof *shown.order)};
    int *found = mem_alloc(most * sizeof *found), n = 0;
    struct table_key *keys = mem_alloc(most * sizeof *keys);
    const struct column_def *column = v->sorted ? &columns[v->sorted - 1] : NULL;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        const struct endpoint_state *e = &fleet->endpoints[i];
        if (e->is_gone)
            continue;
        if (column && column->text)
            keys[n].text = column->text(e);
        else
            keys[n].number = column ? column->number(e, app_now_ns(app)) : 0;
        found[n++] = i;
    }
    table_sort(keys, n, v->is_reverse && column, shown.order);
    for (int i = 0; i < n; i++)
        shown.order[i] = found[shown.order[i]];
    shown.n = n;
    mem_free(keys);
    mem_free(found);
    return shown;
}

/* Row of the cursor; it goes to the first row when its endpoint is gone. */
static int cursor_row(struct fleet_view *v, const struct shown *shown)
{
    for (int i = 0; i < shown->n; i++)
        if (shown->order[i] == v->cursor)
            return i;
    v->cursor = shown->n ? shown->order[0] : 0;
    return 0;
}

static void draw_row(const struct fleet_view *v, const struct app *app,
        const struct table_column *table, int endpoint, struct surface *out, int row)
{
    const struct endpoint_state *e = &app_core(app)->fleet.endpoints[endpoint];
    uint64_t now_ns = app_now_ns(app);
    const struct endpoint_mark_def *mark = &endpoint_mark_defs[endpoint_mark(e, now_ns)];
    char text[FIGURE_BYTES];
    for (int c = COLUMN_NAME; c < COLUMN_COUNT; c++) {
        double number = columns[c].text ? 1 : columns[c].number(e, now_ns);
        enum role role = !e->conf->enabled || number == 0 ? ROLE_DIM
                         : columns[c].text                ? ROLE_TEXT
                         : c == COLUMN_ERRORS             ? ROLE_WARN
                                                          : ROLE_NUMBER;
        if (v->starts[c] < 0)
            continue;
        if (c == COLUMN_TREND) {
            spark_draw(out, row, v->starts[c], SPARK_COLS, role, &e->ttft_samples_ms);
            continue;
        }
        if (!columns[c].text)
            figure_print(columns[c].unit, number, text);
        table_draw_cell(&table[c], v->starts[c], out, row, role,
                columns[c].text ? columns[c].text(e) : text);
    }
    surface_puts(out, row, v->starts[COLUMN_MARK], mark->role, mark->glyph);
    if (endpoint == v->cursor)
        surface_mark(out, (struct rect){row, 0, 1, out->rect.n_cols}, ROLE_SELECTED, 0);
}

static void draw_table(struct fleet_view *v, const struct app *app, const struct shown *shown,
        struct surface *out)
{
    struct table_column table[COLUMN_COUNT];
    int at = cursor_row(v, shown);
    v->n_rows = out->rect.n_rows > 1 ? out->rect.n_rows - 1 : 1;
    v->top = at < v->top ? at : at >= v->top + v->n_rows ? at - v->n_rows + 1 : v->top;
    fit_columns(app_core(app), out->rect.n_cols, table, v->starts);
    table_draw_titles(table, v->starts, COLUMN_COUNT, v->sorted - 1, v->is_reverse, out);
    for (int i = v->top; i < shown->n && i < v->top + v->n_rows; i++)
        draw_row(v, app, table, shown->order[i], out, 1 + i - v->top);
}

/* ---- the form --------------------------------------------------------------------------- */

/* A model of the models folder, or the pilot, has no section until it is edited. */
static void add_section(struct conf *conf, const struct endpoint_state *e)
{
    if (e->conf->kind != PROVIDER_LOCAL || conf_get(conf, "endpoint", e->conf->name, "kind"))
        return;
    conf_set(conf, "endpoint", e->conf->name, "kind", providers[PROVIDER_LOCAL].name);
    conf_set(conf, "endpoint", e->conf->name, "model", e->conf->model);
}

/* e NULL: a new one. */
static void open_form(struct fleet_view *v, const struct endpoint_state *e, struct app *app)
{
    struct conf *conf;
    struct err err;
    if (e && strpbrk(e->conf->name, "\"\\")) {
        app_notice(
                app, ERR_USAGE, "the name of a section cannot hold \" or \\: rename the file");
        return;
    }
    if (app_read_conf(app, &conf, &err) != OK) {
        app_notice(app, err.status, "%s", err.text);
        return;
    }
    if (e)
        add_section(conf, e);
    endpoint_form_open(&v->form, conf, e ? e->conf->name : NULL);
    v->has_form = true;
    conf_free(conf);
}

/* The file is read again: it may have been edited while the form was open. */
static enum status save(struct fleet_view *v, struct app *app, struct err *err)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    struct conf *conf;
    int i = fleet_find(fleet, endpoint_form_name(&v->form));
    enum status status = app_read_conf(app, &conf, err);
    if (status != OK)
        return status;
    if (i >= 0)
        add_section(conf, &fleet->endpoints[i]);
    endpoint_form_write(&v->form, conf);
    return app_save_endpoints(app, conf, err);
}

static void save_form(struct fleet_view *v, struct app *app)
{
    const char *name = endpoint_form_name(&v->form);
    struct err err;
    if (!endpoint_form_check(&v->form, &app_core(app)->fleet))
        return;
    if (save(v, app, &err) != OK) {
        app_notice(app, err.status, "%s", err.text);
        return;
    }
    int i = fleet_find(&app_core(app)->fleet, name);
    v->cursor = i >= 0 ? i : v->cursor;
    v->has_form = false;
    const char *fault = i >= 0 ? app_core(app)->fleet.endpoints[i].fault : "";
    if (fault[0])
        app_notice(app, ERR_CONFIG, "%s is saved, but it cannot answer: %s", name, fault);
    else
        app_notice(app, OK, "%s is saved and used from now on", name);
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct fleet_view *v = state;
    if (!v->has_form)
        return false;
    enum form_result result = endpoint_form_key(&v->form, key, &app_core(app)->fleet);
    if (result == FORM_SAVE)
        save_form(v, app);
    v->has_form &= result != FORM_CANCEL;
    return result != FORM_NOT_MINE;
}

static const struct view_hint *hints(const void *state, const struct app *app)
{
    static const struct view_hint of_form[] = {{"Enter", "save"}, {"Esc", "cancel"},
            {"Tab", "next field"}, {"\xE2\x97\x82 \xE2\x96\xB8", "choose"}, {NULL, NULL}};
    const struct fleet_view *v = state;
    (void)app;
    return v->has_form ? of_form : NULL;
}

/* ---- commands --------------------------------------------------------------------------- */

static void move(struct fleet_view *v, const struct app *app, int by)
{
    struct shown shown = find_shown(v, app);
    int at = cursor_row(v, &shown), last = shown.n - 1;
    at = by > last - at ? last : by < -at ? 0 : at + by;
    v->cursor = shown.n ? shown.order[at] : 0;
    mem_free(shown.order);
}

static void click(void *state, int row, struct app *app)
{
    struct fleet_view *v = state;
    struct shown shown = find_shown(v, app);
    int at = v->top + row - 1; /* below the titles */
    if (!v->has_form && !v->is_detail && row >= 1 && row <= v->n_rows && at < shown.n)
        v->cursor = shown.order[at];
    mem_free(shown.order);
}

static void act(struct app *app, enum action_kind kind, int endpoint, enum endpoint_switch to)
{
    struct action *a = action_new(kind);
    a->id = endpoint;
    a->switch_to = to;
    app_act(app, a);
}

static enum endpoint_switch switch_of(const struct endpoint_state *e)
{
    return !e->conf->enabled             ? SWITCH_OFF
           : e->switched == SWITCH_DRAIN ? SWITCH_DRAIN
                                         : SWITCH_ON;
}

static void switch_to(struct fleet_view *v, const struct endpoint_state *e,
        enum endpoint_switch to, struct app *app)
{
    enum endpoint_switch was = switch_of(e);
    act(app, ACTION_SWITCH, v->cursor, to);
    if (switch_of(e) == was)
        return; /* refused: the one before can still be taken back */
    v->switched = 1 + v->cursor;
    v->was = was;
}

/* What was off only drains while an answer runs there: nothing is cut by taking back. */
static void undo_switch(struct fleet_view *v, struct app *app)
{
    if (!v->switched) {
        app_notice(app, OK, "nothing was switched or drained that could be taken back");
        return;
    }
    int i = v->switched - 1;
    const struct endpoint_state *e = &app_core(app)->fleet.endpoints[i];
    bool cuts = v->was == SWITCH_OFF && e->n_in_flight;
    if (v->was == SWITCH_DRAIN && !e->conf->enabled)
        act(app, ACTION_SWITCH, i, SWITCH_ON); /* what is off has nothing to drain */
    act(app, ACTION_SWITCH, i, cuts ? SWITCH_DRAIN : v->was);
    v->switched = 0;
}

/* Switching off stops what runs there: that is asked once. */
static void switch_endpoint(
        struct fleet_view *v, const struct endpoint_state *e, struct app *app)
{
    bool is_off = e->conf->enabled && e->switched != SWITCH_DRAIN;
    if (is_off && e->n_in_flight && v->asked_off != 1 + v->cursor) {
        const char *again = keymap_keys_of(app_keymap(app), CTX_FLEET, CMD_ENDPOINT_SWITCH);
        const char *drain = keymap_keys_of(app_keymap(app), CTX_FLEET, CMD_ENDPOINT_DRAIN);
        v->asked_off = 1 + v->cursor;
        app_notice(app, OK, "an answer runs there: %s again stops it%s%s%s",
                again ? again : command_defs[CMD_ENDPOINT_SWITCH].name, drain ? ", " : "",
                drain ? drain : "", drain ? " lets it end" : "");
        return;
    }
    v->asked_off = 0;
    switch_to(v, e, is_off ? SWITCH_OFF : SWITCH_ON, app);
}

/* Only columns that are on the screen: another order without its reason would be a riddle. */
static void sort_next(struct fleet_view *v)
{
    do
        v->sorted = (v->sorted + 1) % (COLUMN_COUNT + 1);
    while (v->sorted && v->starts[v->sorted - 1] < 0);
}

static bool run_endpoint_command(struct fleet_view *v, enum command command, struct app *app)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    const struct endpoint_state *e =
            v->cursor < fleet->n_endpoints && !fleet->endpoints[v->cursor].is_gone
                    ? &fleet->endpoints[v->cursor]
                    : NULL;
    if (e && command == CMD_ENDPOINT_SWITCH)
        switch_endpoint(v, e, app);
    else if (e && command == CMD_ENDPOINT_DRAIN)
        switch_to(v, e, e->switched == SWITCH_DRAIN ? SWITCH_ON : SWITCH_DRAIN, app);
    else if (command == CMD_UNDO)
        undo_switch(v, app);
    else if (e && command == CMD_ENDPOINT_PROBE)
        act(app, ACTION_PROBE, v->cursor, SWITCH_NONE);
    else if (command == CMD_PROBE_ALL)
        act(app, ACTION_PROBE, -1, SWITCH_NONE);
    else if (e && command == CMD_ENDPOINT_EDIT)
        open_form(v, e, app);
    else if (command == CMD_ENDPOINT_ADD)
        open_form(v, NULL, app);
    else
        return false;
    return true;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct fleet_view *v = state;
    if (v->has_form)
        return false;
    if (command != CMD_ENDPOINT_SWITCH)
        v->asked_off = 0;
    switch (command) {
    case CMD_UP:
        move(v, app, -1);
        return true;
    case CMD_DOWN:
        move(v, app, 1);
        return true;
    case CMD_PAGE_UP:
        move(v, app, -v->n_rows);
        return true;
    case CMD_PAGE_DOWN:
        move(v, app, v->n_rows);
        return true;
    case CMD_FIRST:
        move(v, app, -app_core(app)->fleet.n_endpoints);
        return true;
    case CMD_LAST:
        move(v, app, app_core(app)->fleet.n_endpoints);
        return true;
    case CMD_OPEN:
        v->is_detail = !v->is_detail;
        return true;
    case CMD_BACK:
        if (!v->is_detail)
            return false;
        v->is_detail = false;
        return true;
    case CMD_SORT_NEXT:
        sort_next(v);
        return true;
    case CMD_SORT_REVERSE:
        v->is_reverse = !v->is_reverse;
        if (!v->sorted)
            app_notice(
                    app, OK, "the order is that of the configuration: choose a column first");
        return true;
    default:
        return run_endpoint_command(v, command, app);
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

static void draw_form(const struct fleet_view *v, struct surface *out)
{
    char title[FORM_TEXT_BYTES + 32];
    bool has_title = out->rect.n_rows > 4;
    snprintf(title, sizeof title, v->form.is_new ? "new endpoint" : "endpoint %s",
            endpoint_form_name(&v->form));
    if (has_title)
        surface_rule(out, 0, ROLE_RULE, title);
    struct surface part = surface_part(
            out, (struct rect){has_title, 0, out->rect.n_rows - has_title, out->rect.n_cols});
    form_draw(&v->form.form, &part);
}

static void draw_nothing(const struct app *app, struct surface *out)
{
    const char *keys = keymap_keys_of(app_keymap(app), CTX_FLEET, CMD_ENDPOINT_ADD);
    int col = 3 + surface_puts(out, 1, 3, ROLE_DIM, "No endpoint is configured. ");
    if (keys)
        col += surface_puts(out, 1, col, ROLE_HINT_KEY, keys);
    if (keys)
        surface_puts(out, 1, col, ROLE_DIM, " adds one.");
}

static void draw(void *state, struct app *app, struct surface *out)
{
    struct fleet_view *v = state;
    const struct fleet *fleet = &app_core(app)->fleet;
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    if (v->has_form) {
        draw_form(v, out);
        return;
    }
    struct shown shown = find_shown(v, app);
    cursor_row(v, &shown);
    int n_table = shown.n + 2; /* titles and a free line */
    if (n_table > n_rows - DETAIL_MIN_ROWS)
        n_table = n_rows < 2 * DETAIL_MIN_ROWS ? n_rows : n_rows * 3 / 5;
    n_table = v->is_detail ? 0 : n_table;
    if (shown.n == 0)
        draw_nothing(app, out);
    struct surface table = surface_part(out, (struct rect){0, 0, n_table, n_cols});
    if (shown.n && n_table)
        draw_table(v, app, &shown, &table);
    struct surface detail =
            surface_part(out, (struct rect){n_table, 0, n_rows - n_table, n_cols});
    if (shown.n && detail.rect.n_rows > 0)
        pane_endpoint_draw(app, &fleet->endpoints[v->cursor], &detail);
    mem_free(shown.order);
}

const struct view_ops view_fleet_ops = {
        .context = CTX_FLEET,
        .state_bytes = sizeof(struct fleet_view),
        .draw = draw,
        .run = run,
        .click = click,
        .key_first = take_key,
        .hints = hints,
};
