/* view_sessions.c - the list of sessions with a search in all their text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "router/core.h"
#include "router/session.h"
#include "router/store.h"

#include "tui/search_line.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"
#include "tui/view_chat.h"
#include "tui/vtin.h"

#define LIST_ROW 1 /* where the list begins */

struct sessions {
    int cursor, top, n_rows;
    struct search_line search;
    int64_t renamed_id; /* whose title is being typed; 0: none */
    struct search_line title;
};

static const struct session_row *selected(const struct sessions *v, const struct core *core)
{
    return (size_t)v->cursor < core->n_found ? &core->found[v->cursor] : NULL;
}

static void act(struct app *app, enum action_kind kind, int64_t id, const char *text)
{
    struct action *a = action_new(kind);
    a->id = id;
    a->text = mem_strdup(text);
    app_act(app, a);
}

static void ask(struct sessions *v, struct app *app, bool is_trash)
{
    v->cursor = v->top = 0;
    act(app, ACTION_LIST_SESSIONS, is_trash, v->search.text);
}

static void open_view(void *state, struct app *app)
{
    struct sessions *v = state;
    v->search = v->title = (struct search_line){0};
    v->renamed_id = 0;
    ask(v, app, false);
}

static void move(struct sessions *v, const struct core *core, int by)
{
    int last = (int)core->n_found - 1;
    v->cursor += by;
    v->cursor = v->cursor > last ? last : v->cursor;
    v->cursor = v->cursor < 0 ? 0 : v->cursor;
}

static void open_selected(struct sessions *v, struct app *app)
{
    const struct session_row *s = selected(v, app_core(app));
    if (!s)
        return;
    view_chat_seek(app_view_state(app, VIEW_CHAT), s->id, v->search.text);
    act(app, ACTION_OPEN_SESSION, s->id, "");
    app_open_view(app, VIEW_CHAT);
}

static void begin_rename(struct sessions *v, const struct core *core)
{
    const struct session_row *s = selected(v, core);
    if (!s)
        return;
    v->renamed_id = s->id;
    v->title.is_typing = true;
    search_line_set(&v->title, s->title);
}

/* The list stands still under a title that is typed. */
static bool take_title(struct sessions *v, const struct key *key, struct app *app)
{
    enum search_took took = search_line_take(&v->title, key);
    if (took == SEARCH_NONE)
        return !(key->mods & (MOD_CTRL | MOD_ALT));
    if (v->title.is_typing)
        return true;
    int64_t id = v->renamed_id;
    v->renamed_id = 0;
    if (took == SEARCH_KEY)
        act(app, ACTION_RENAME, id, v->title.text);
    return true;
}

static void trash(struct sessions *v, struct app *app)
{
    const struct session_row *s = selected(v, app_core(app));
    if (s && !app_core(app)->found_is_trash)
        act(app, ACTION_TRASH, s->id, "");
}

/* In the trash the selected one, else the one that went there last. */
static void untrash(struct sessions *v, struct app *app)
{
    const struct session_row *s = selected(v, app_core(app));
    if (!app_core(app)->found_is_trash)
        act(app, ACTION_UNTRASH, 0, "");
    else if (s)
        act(app, ACTION_UNTRASH, s->id, "");
}

/* Out of the search first, then out of the trash. */
static bool back(struct sessions *v, struct app *app)
{
    bool is_trash = app_core(app)->found_is_trash;
    if (!v->search.text[0] && !is_trash)
        return false;
    is_trash &= v->search.text[0] != '\0';
    v->search = (struct search_line){0};
    ask(v, app, is_trash);
    return true;
}

static bool run(void *state, enum command command, struct app *app)
{
    struct sessions *v = state;
    const struct core *core = app_core(app);
    switch (command) {
    case CMD_UP:
        move(v, core, -1);
        return true;
    case CMD_DOWN:
        move(v, core, 1);
        return true;
    case CMD_PAGE_UP:
        move(v, core, -v->n_rows);
        return true;
    case CMD_PAGE_DOWN:
        move(v, core, v->n_rows);
        return true;
    case CMD_FIRST:
        v->cursor = 0;
        return true;
    case CMD_LAST:
        move(v, core, (int)core->n_found);
        return true;
    case CMD_OPEN:
        open_selected(v, app);
        return true;
    case CMD_SEARCH:
        v->search.is_typing = true;
        return true;
    case CMD_RENAME:
        begin_rename(v, core);
        return true;
    case CMD_TRASH:
        trash(v, app);
        return true;
    case CMD_UNDO:
        untrash(v, app);
        return true;
    case CMD_LIST_TRASH:
        ask(v, app, !core->found_is_trash);
        return true;
    case CMD_BACK:
        return back(v, app);
    default:
        return false;
    }
}

static void click(void *state, int row, struct app *app)
{
    struct sessions *v = state;
    if (row >= LIST_ROW && row < LIST_ROW + v->n_rows)
        move(v, app_core(app), v->top + row - LIST_ROW - v->cursor);
}

static bool take_key(void *state, const struct key *key, struct app *app)
{
    struct sessions *v = state;
    if (v->renamed_id)
        return take_title(v, key, app);
    enum search_took took = search_line_take(&v->search, key);
    if (took == SEARCH_TEXT)
        ask(v, app, app_core(app)->found_is_trash);
    return took != SEARCH_NONE;
}

static void when(int64_t unix_ms, int64_t now_ms, char out[24])
{
    time_t seconds = unix_ms / 1000, today = now_ms / 1000;
    struct tm tm, now;
    localtime_r(&seconds, &tm);
    localtime_r(&today, &now);
    bool is_today = tm.tm_yday == now.tm_yday && tm.tm_year == now.tm_year;
    strftime(out, 24, is_today ? "today %H:%M" : "%Y-%m-%d", &tm);
}

#define MARK_INTERRUPTED "\xE2\x96\xA0"
#define MARK_DRAFT       "\xE2\x9C\x8E"
#define MARK_OPEN        "\xE2\x97\x8F"
#define LEGEND                                                                                 \
    MARK_OPEN " open  " MARK_INTERRUPTED " interrupted or stopped  " MARK_DRAFT " unsent "     \
              "draft"
#define DATE_COLS    18
#define COUNT_COLS   12
#define PREVIEW_ROWS 5 /* at least */

/* The title has the room that it needs first: counts drop out, then dates. */
static void draw_row(const struct app *app, const struct session_row *s, struct surface *out,
        int row, bool is_selected)
{
    char date[24], count[32];
    int n_cols = out->rect.n_cols;
    bool has_date = n_cols >= 50, has_count = n_cols >= 64;
    int end = n_cols - 1 - has_date * DATE_COLS - has_count * COUNT_COLS;
    bool is_open = s->id == app_core(app)->session->id;
    surface_puts(out, row, 0, ROLE_OK, is_open ? MARK_OPEN : " ");
    surface_puts(out, row, 1, ROLE_WARN,
            s->has_interrupted || s->is_stopped ? MARK_INTERRUPTED
            : s->has_draft                      ? MARK_DRAFT
                                                : " ");
    struct slice title = s->title.n ? s->title : s->has_draft ? s->draft : SLICE("(empty)");
    enum role role = is_open ? ROLE_OK : ROLE_TEXT;
    int n = surface_cut(out, row, 3, end - 3, role, title);
    if (is_selected)
        surface_mark(out, (struct rect){row, 3, 1, n}, role, ATTR_BOLD);
    when(s->used_ms, app_now_ms(app), date);
    snprintf(count, sizeof count, "%4u msg", s->n_messages);
    if (has_date)
        surface_puts(out, row, end + 1, ROLE_DIM, date);
    if (has_count)
        surface_puts(out, row, n_cols - COUNT_COLS, ROLE_DIM, count);
    if (is_selected)
        surface_mark(out, (struct rect){row, 0, 1, n_cols}, ROLE_SELECTED, 0);
}

/* In place of the row. */
static void draw_title(const struct search_line *title, struct surface *out, int row)
{
    surface_fill(out, (struct rect){row, 0, 1, out->rect.n_cols}, ROLE_TEXT, ' ');
    surface_puts(out, row, 1, ROLE_HINT_KEY, ">");
    search_line_draw_text(title, out, row, 3);
}

static int draw_text(struct slice text, const char *mark, enum role role, int most_rows,
        struct surface *out, int row)
{
    struct slice line;
    int end = row + most_rows, col = 3;
    text = slice_trim(text);
    if (text.n && most_rows > 0)
        surface_puts(out, row, 1, ROLE_WARN, mark);
    for (; row < end && text_wrap(&text, out->rect.n_cols - 5, &line); row++)
        col = 3 + surface_text(out, row, 3, role, 0, line);
    if (text.n && most_rows > 0)
        surface_puts(out, row - 1, col, role, "\xE2\x80\xA6");
    return row;
}

/* The end of what Enter opens: asked, answered, not sent yet; the id is what `shunt ask -c`
 * takes. */
static void draw_preview(const struct session_row *s, struct surface *out)
{
    char id[40];
    int n_rows = out->rect.n_rows - 1, n_draft = s->has_draft && s->snippet.n ? 1 : 0;
    const char *title =
            s->has_interrupted ? "preview: " MARK_INTERRUPTED " an answer was interrupted"
            : s->is_stopped    ? "preview: " MARK_INTERRUPTED " the last answer was stopped"
                               : "preview";
    surface_rule(out, 0, ROLE_RULE, title);
    int n_id = snprintf(id, sizeof id, " shunt ask -c %016" PRIx64 " ", (uint64_t)s->id);
    if (text_width(slice_of(title)) + n_id + 6 < out->rect.n_cols)
        surface_puts_right(out, 0, out->rect.n_cols - 2, ROLE_DIM, id);
    int n_asked = s->answer.n ? (n_rows - n_draft + 1) / 2 : n_rows - n_draft;
    int row = draw_text(s->snippet, " ", ROLE_TEXT, n_asked, out, 1);
    row = draw_text(s->answer, " ", ROLE_DIM, n_rows + 1 - n_draft - row, out, row);
    draw_text(s->draft, MARK_DRAFT, ROLE_DIM, n_rows + 1 - row, out, row);
}

static void draw_head(const struct sessions *v, const struct core *core, struct surface *out)
{
    int col = 1, n_cols = out->rect.n_cols;
    if (search_line_is_shown(&v->search)) {
        col = search_line_draw(&v->search, out);
    } else {
        col += surface_printf(out, 0, col, core->found_is_trash ? ROLE_WARN : ROLE_DIM,
                "%zu session%s%s, newest first", core->n_found, core->n_found == 1 ? "" : "s",
                core->found_is_trash ? " in the trash" : "");
    }
    if (core->n_found && col + 2 + text_width(SLICE(LEGEND)) < n_cols)
        surface_puts_right(out, 0, n_cols - 1, ROLE_DIM, LEGEND);
}

/* What the list leaves free, at most the lower half. */
static int preview_rows(int n_rows, int n_found)
{
    int n = n_rows - LIST_ROW - n_found;
    n = n > n_rows / 2 ? n_rows / 2 : n;
    return n_rows < 12 ? 0 : n < PREVIEW_ROWS ? PREVIEW_ROWS : n;
}

static void draw_nothing(const struct sessions *v, const struct core *core, struct surface *out)
{
    surface_puts(out, LIST_ROW + 1, 3, ROLE_DIM,
            v->search.text[0]      ? "No session contains that."
            : core->found_is_trash ? "The trash is empty."
                                   : "No session yet: write a message in Chat.");
}

static void draw(void *state, struct app *app, struct surface *out)
{
    struct sessions *v = state;
    const struct core *core = app_core(app);
    int n_cols = out->rect.n_cols, n_rows = out->rect.n_rows, row = LIST_ROW;
    draw_head(v, core, out);
    int n_preview = preview_rows(n_rows, (int)core->n_found);
    v->n_rows = n_rows - row - n_preview;
    v->n_rows = v->n_rows < 1 ? 1 : v->n_rows;
    move(v, core, 0);
    if (v->cursor < v->top)
        v->top = v->cursor;
    if (v->cursor >= v->top + v->n_rows)
        v->top = v->cursor - v->n_rows + 1;
    if (core->n_found == 0)
        draw_nothing(v, core, out);
    for (int i = 0; i < v->n_rows && (size_t)(v->top + i) < core->n_found; i++) {
        const struct session_row *s = &core->found[v->top + i];
        if (s->id == v->renamed_id)
            draw_title(&v->title, out, row + i);
        else
            draw_row(app, s, out, row + i, v->top + i == v->cursor);
    }
    if (n_preview && (size_t)v->cursor < core->n_found) {
        struct surface part =
                surface_part(out, (struct rect){n_rows - n_preview, 0, n_preview, n_cols});
        draw_preview(&core->found[v->cursor], &part);
    }
}

static const struct view_hint *hints(const void *state, const struct app *app)
{
    static const struct view_hint typing[] = {{"Enter", "to the list"},
            {"Esc", "end the search"}, {"Up/Down", "select"}, {NULL, NULL}};
    static const struct view_hint renaming[] = {
            {"Enter", "take the title"}, {"Esc", "leave it as it was"}, {NULL, NULL}};
    static const struct view_hint in_trash[] = {{NULL, "bring it back", CMD_UNDO},
            {NULL, "open", CMD_OPEN}, {NULL, "search", CMD_SEARCH},
            {NULL, "other sessions", CMD_LIST_TRASH}, {NULL, NULL}};
    const struct sessions *v = state;
    if (v->renamed_id)
        return renaming;
    return v->search.is_typing ? typing : app_core(app)->found_is_trash ? in_trash : NULL;
}

const struct view_ops view_sessions_ops = {
        .context = CTX_SESSIONS,
        .state_bytes = sizeof(struct sessions),
        .draw = draw,
        .run = run,
        .click = click,
        .hints = hints,
        .key_first = take_key,
        .open = open_view,
};
