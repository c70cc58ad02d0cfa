/*
 * view_models.c - the local models as a table: what their files are and how each stands in
 * memory; below, all about the one under the cursor. Loading, unloading and cancelling are
 * actions of the core: nothing here waits.
 */
#include <stdio.h>
#include <string.h>

#include "engine/model_info.h"

#include "router/core.h"
#include "router/model_file.h"

#include "tui/figures.h"
#include "tui/keys.h"
#include "tui/model_text.h"
#include "tui/pane_model.h"
#include "tui/search_line.h"
#include "tui/surface.h"
#include "tui/table.h"
#include "tui/text.h"
#include "tui/view.h"

#define DETAIL_MIN_ROWS 8
#define NAME_MOST_COLS  28
#define NARROW_COLS     48 /* below: the name leaves two thirds to the state */

struct models_view {
    int cursor, top, n_rows; /* rows of the table; n_rows: when it was drawn last */
    bool is_detail;          /* the pane takes the whole screen */
    int asked_unload;        /* 1 + endpoint whose answer the next press would stop */
    struct search_line search;
};

/* ---- what is listed --------------------------------------------------------------------- */

struct shown {
    const struct model_state **models;
    int n;
};

static bool matches(const struct core *core, const struct model_state *m, const char *word)
{
    const struct model_info *info = m->file ? &m->file->facts.info : NULL;
    return strcasestr(model_name(core, m), word) ||
           (m->file && strcasestr(m->file->path, word)) ||
           (info && (strcasestr(info->arch, word) || strcasestr(info->name, word)));
}

static bool is_listed(
        const struct models_view *v, const struct core *core, const struct model_state *m)
{
    bool is_gone = m->endpoint >= 0 && core->fleet.endpoints[m->endpoint].is_gone &&
                   m->phase == MODEL_UNLOADED;
    return !is_gone && matches(core, m, v->search.text);
}

/* Those of endpoints first. The caller frees the list. */
static struct shown find_shown(const struct models_view *v, const struct core *core)
{
    const struct models *models = &core->models;
    struct shown s = {mem_alloc((models->n + 1) * sizeof *s.models), 0};
    for (int is_loose = 0; is_loose < 2; is_loose++)
        for (size_t i = 0; i < models->n; i++)
            if ((models->all[i].endpoint < 0) == is_loose &&
                    is_listed(v, core, &models->all[i]))
                s.models[s.n++] = &models->all[i];
    return s;
}

static const struct model_state *selected(struct models_view *v, const struct shown *s)
{
    v->cursor = v->cursor >= s->n ? s->n - 1 : v->cursor;
    v->cursor = v->cursor < 0 ? 0 : v->cursor;
    return s->n ? s->models[v->cursor] : NULL;
}

/* ---- the table -------------------------------------------------------------------------- */

enum column {
    COLUMN_MARK,
    COLUMN_NAME,
    COLUMN_ARCH,
    COLUMN_QUANT,
    COLUMN_SIZE,
    COLUMN_PARAMS,
    COLUMN_ACTIVE,
    COLUMN_CONTEXT,
    COLUMN_STATE,
    COLUMN_COUNT
};

static const struct table_column columns[COLUMN_COUNT] = {
        [COLUMN_MARK] = {"", 1, 0, false},
        [COLUMN_NAME] = {"model", 12, 0, false},
        [COLUMN_ARCH] = {"arch", 9, 5, false},
        [COLUMN_QUANT] = {"type", 6, 2, false},
        [COLUMN_SIZE] = {"size", 7, 1, true},
        [COLUMN_PARAMS] = {"params", 6, 3, true},
        [COLUMN_ACTIVE] = {"active", 6, 6, true},
        [COLUMN_CONTEXT] = {"context", 7, 4, true},
        [COLUMN_STATE] = {"state", 26, 0, false},
};

static void cell_text(const struct model_facts *f, int column, char out[FIGURE_BYTES])
{
    const struct model_info *info = &f->info;
    out[0] = '\0';
    if (column == COLUMN_ARCH)
        snprintf(out, FIGURE_BYTES, "%s", info->arch);
    else if (column == COLUMN_QUANT)
        snprintf(out, FIGURE_BYTES, "%s", info->quant);
    else if (column == COLUMN_SIZE && info->file_bytes)
        size_text(info->file_bytes, out);
    else if (column == COLUMN_PARAMS && info->n_params)
        figure_print(UNIT_PARAMS, (double)info->n_params, out);
    else if (column == COLUMN_ACTIVE && info->n_experts)
        figure_print(UNIT_PARAMS, (double)info->n_params_active, out);
    else if (column == COLUMN_CONTEXT && info->context_train_tok)
        figure_print(UNIT_COUNT, info->context_train_tok, out);
}

static void draw_row(const struct core *core, const struct model_state *m,
        const struct table_column *table, const int starts[], struct surface *out, int row)
{
    char text[FIGURE_BYTES], state[ERR_TEXT_BYTES + 32];
    struct model_sign sign = model_sign(m);
    table_draw_cell(
            &table[COLUMN_NAME], starts[COLUMN_NAME], out, row, ROLE_TEXT, model_name(core, m));
    for (int c = COLUMN_ARCH; c < COLUMN_STATE; c++) {
        if (starts[c] < 0 || !m->file)
            continue;
        cell_text(&m->file->facts, c, text);
        table_draw_cell(&table[c], starts[c], out, row,
                table[c].is_right ? ROLE_NUMBER : ROLE_TEXT, text);
    }
    model_state_text(core, m, state, sizeof state);
    surface_cut(out, row, starts[COLUMN_STATE], out->rect.n_cols - starts[COLUMN_STATE],
            sign.role, slice_of(state));
    surface_puts(out, row, starts[COLUMN_MARK], sign.role, sign.glyph);
}

static void fit_columns(const struct core *core, const struct shown *s, int n_cols,
        struct table_column table[COLUMN_COUNT], int starts[])
{
    int most = n_cols / 4 < NAME_MOST_COLS ? n_cols / 4 : NAME_MOST_COLS;
    memcpy(table, columns, sizeof columns);
    for (int i = 0; i < s->n; i++) {
        int n = text_width(slice_of(model_name(core, s->models[i])));
        n = n < most ? n : most;
        table[COLUMN_NAME].n_cols =
                n > table[COLUMN_NAME].n_cols ? n : table[COLUMN_NAME].n_cols;
    }
    if (n_cols < NARROW_COLS)
        table[COLUMN_NAME].n_cols = n_cols / 3;
    table_fit(table, COLUMN_COUNT, n_cols, starts);
}

static void draw_table(struct models_view *v, const struct core *core, const struct shown *s,
        struct surface *out)
{
    struct table_column table[COLUMN_COUNT];
    int starts[TABLE_COLUMNS_MAX];
    v->n_rows = out->rect.n_rows > 1 ? out->rect.n_rows - 1 : 1;
    v->top = v->cursor < v->top                ? v->cursor
             : v->cursor >= v->top + v->n_rows ? v->cursor - v->n_rows + 1
                                               : v->top;
    fit_columns(core, s, out->rect.n_cols, table, starts);
    table_draw_titles(table, starts, COLUMN_COUNT, -1, false, out);
    for (int i = v->top; i < s->n && i < v->top + v->n_rows; i++) {
        int row = 1 + i - v->top;
        draw_row(core, s->models[i], table, starts, out, row);
        if (i == v->cursor)
            surface_mark(out, (struct rect){row, 0, 1, out->rect.n_cols}, ROLE_SELECTED, 0);
    }
}

/* ---- the screen ------------------------------------------------------------------------- */

static void draw_head(const struct models_view *v, const struct core *core,
        const struct shown *s, struct surface *out)
{
    const struct memory *memory = &core->models.memory;
    char text[64], available[SIZE_TEXT_BYTES], total[SIZE_TEXT_BYTES];
    int col = 1;
    if (search_line_is_shown(&v->search))
        col = search_line_draw(&v->search, out);
    else
        col += surface_printf(out, 0, col, ROLE_DIM, "%d local model%s%s", s->n,
                s->n == 1 ? "" : "s",
                core->models.is_scanning ? ", looking at the files \xE2\x80\xA6" : "");
    if (memory->total_bytes == 0)
        return;
    int n = snprintf(text, sizeof text, "RAM: %s of %s free",
            size_text(memory->available_bytes, available),
            size_text(memory->total_bytes, total));
    if (col + 2 + n < out->rect.n_cols)
        surface_puts_right(out, 0, out->rect.n_cols - 1, ROLE_DIM, text);
}

static void draw_nothing(const struct models_view *v, struct surface *out)
{
    struct slice line,
            rest = slice_of(
                    v->search.text[0]
                            ? "No local model is called so."
                            : "Put a .gguf file into the models folder (`shunt doctor` names "
                              "it), or add an endpoint of kind local in Fleet.");
    for (int row = 2; text_wrap(&rest, out->rect.n_cols - 6, &line); row++)
        surface_text(out, row, 3, ROLE_DIM, 0, line);
}

static void draw(void *state, struct app *app, struct surface *out)
{
    struct models_view *v = state;
    const struct core *core = app_core(app);
    int n_rows = out->rect.n_rows, n_cols = out->rect.n_cols;
    struct shown s = find_shown(v, core);
    const struct model_state *m = selected(v, &s);
    bool has_head = n_rows > 5;
    int n_table = s.n + 2; /* titles and a free line */
    if (n_table > n_rows - has_head - DETAIL_MIN_ROWS)
        n_table = n_rows < 2 * DETAIL_MIN_ROWS ? n_rows - has_head : n_rows * 2 / 5;
    n_table = v->is_detail && m ? 0 : n_table;
    int top = has_head + n_table;
    struct surface table = surface_part(out, (struct rect){has_head, 0, n_table, n_cols});
    struct surface detail = surface_part(out, (struct rect){top, 0, n_rows - top, n_cols});
    if (has_head)
        draw_head(v, core, &s, out);
    if (!m)
        draw_nothing(v, out);
    else if (n_table)
        draw_table(v, core, &s, &table);
    if (m && detail.rect.n_rows > 1)
        pane_model_draw(core, m, &detail);
    mem_free(s.models);
}

/* ---- commands --------------------------------------------------------------------------- */

static void act(struct app *app, enum action_kind kind, int endpoint)
{
    struct action *a = action_new(kind);
    a->id = endpoint;
    app_act(app, a);
}

static bool is_loading(const struct model_state *m)
{
    return m->phase == MODEL_LOADING || m->phase == MODEL_WAITING;
}

static bool can_load(const struct model_state *m)
{
    return m->endpoint >= 0 && (m->phase == MODEL_UNLOADED || m->phase == MODEL_FAILED);
}

/* In place of what the key would do: why it does nothing now. */
static void tell_state(const struct model_state *m, struct app *app)
{
    char text[ERR_TEXT_BYTES + 32];
    model_state_text(app_core(app), m, text, sizeof text);
    app_notice(app, OK, "%s: %s", model_name(app_core(app), m), text);
}

static void cancel(const struct model_state *m, struct app *app)
{
    if (is_loading(m))
        act(app, ACTION_UNLOAD_MODEL, m->endpoint);
    else
        app_notice(app, OK, "%s is not being loaded", model_name(app_core(app), m));
}

/* Unloading stops what it answers: that is asked once. */
static void unload(struct models_view *v, const struct model_state *m, struct app *app)
{
    const struct core *core = app_core(app);
    const char *keys = keymap_keys_of(app_keymap(app), CTX_MODELS, CMD_MODEL_UNLOAD);
    if (m->phase != MODEL_READY) {
        app_notice(app, OK, "%s is not loaded", model_name(core, m));
    } else if (core->fleet.endpoints[m->endpoint].n_in_flight &&
               v->asked_unload != 1 + m->endpoint) {
        v->asked_unload = 1 + m->endpoint;
        app_notice(app, OK, "%s is answering: %s again stops the answer and unloads it",
                model_name(core, m), keys ? keys : "the same key");
    } else {
        v->asked_unload = 0;
        act(app, ACTION_UNLOAD_MODEL, m->endpoint);
    }
}

/* Ctrl-C stops what is under the cursor, if that is on its way. */
static bool run_model_command(struct models_view *v, enum command command,
        const struct model_state *m, struct app *app)
{
    if (command == CMD_MODEL_LOAD && can_load(m))
        act(app, ACTION_LOAD_MODEL, m->endpoint);
    else if (command == CMD_MODEL_UNLOAD)
        unload(v, m, app);
    else if (command == CMD_MODEL_CANCEL || (command == CMD_INTERRUPT && is_loading(m)))
        cancel(m, app);
    else if (command == CMD_MODEL_LOAD)
        tell_state(m, app);
    else
        return false;
    return true;
}

static bool move(struct models_view *v, enum command command, int last)
{
    const struct {
        enum command command;
        int to;
    } moves[] = {{CMD_UP, v->cursor - 1}, {CMD_DOWN, v->cursor + 1},
            {CMD_PAGE_UP, v->cursor - v->n_rows}, {CMD_PAGE_DOWN, v->cursor + v->n_rows},
            {CMD_FIRST, 0}, {CMD_LAST, last}};
    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        if (moves[i].command == command) {
            v->cursor = moves[i].to > last ? last : moves[i].to;
            v->cursor = v->cursor < 0 ? 0 : v->cursor;
            return true;
        }
    return false;
}

/* Back out of one thing at a time. */
static bool go_back(struct models_view *v)
{
    bool was_something = v->is_detail || v->search.text[0];
    if (!v->is_detail)
        v->search = (struct search_line){0};
    v->is_detail = false;
    return was_something;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct models_view *v = state;
    struct shown s = find_shown(v, app_core(app));
    const struct model_state *m = selected(v, &s);
    bool was_ours = true;
    if (command != CMD_MODEL_UNLOAD)
        v->asked_unload = 0;
    if (command == CMD_OPEN)
        v->is_detail = !v->is_detail;
    else if (command == CMD_SEARCH)
        v->search.is_typing = true;
    else if (command == CMD_BACK)
        was_ours = go_back(v);
    else
        was_ours = move(v, command, s.n - 1) || (m && run_model_command(v, command, m, app));
    mem_free(s.models);
    return was_ours;
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct models_view *v = state;
    (void)app;
    return search_line_take(&v->search, key) != SEARCH_NONE;
}

static void open_view(void *state, struct app *app)
{
    (void)state;
    app_look_for_models(app);
    act(app, ACTION_LIST_MODELS, -1);
}

static bool is_idle(const void *state, const struct app *app, enum command command)
{
    struct models_view v = *(const struct models_view *)state;
    struct shown s = find_shown(&v, app_core(app));
    const struct model_state *m = selected(&v, &s);
    mem_free(s.models);
    return (command == CMD_MODEL_LOAD && !(m && can_load(m))) ||
           (command == CMD_MODEL_UNLOAD && !(m && m->phase == MODEL_READY)) ||
           (command == CMD_MODEL_CANCEL && !(m && is_loading(m)));
}

static const struct view_hint *hints(const void *state, const struct app *app)
{
    static const struct view_hint typing[] = {
            {"Enter", "to the list"}, {"Esc", "end the search"}, {NULL, NULL}};
    const struct models_view *v = state;
    (void)app;
    return v->search.is_typing ? typing : NULL;
}

const struct view_ops view_models_ops = {
        .context = CTX_MODELS,
        .state_bytes = sizeof(struct models_view),
        .draw = draw,
        .run = run,
        .key_first = take_key,
        .hints = hints,
        .is_idle = is_idle,
        .open = open_view,
};
