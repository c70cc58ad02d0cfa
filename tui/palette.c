/* palette.c - see palette.h. */
#include "tui/palette.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/store.h"

#include "tui/fuzzy.h"
#include "tui/keys.h"
#include "tui/slash.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"
#include "tui/view_chat.h"
#include "tui/vtin.h"

#define MOST_COLS  100
#define MOST_ROWS  14 /* of things to choose from */
#define NAME_COLS  24
#define ITEMS_MAX  1024
#define THEME      "theme: "
#define NAME_BONUS 4000 /* the letters stand in the name: that is what was meant */

struct item {
    enum { ITEM_COMMAND, ITEM_SESSION, ITEM_ENDPOINT, ITEM_THEME } kind;
    int64_t id; /* enum command, session, endpoint; of a theme the name behind THEME says all */
    const char *name, *help, *keys;
};

struct items {
    struct arena arena;
    struct item all[ITEMS_MAX];
    struct fuzzy_hit hits[ITEMS_MAX];
    int n, n_hits;
};

/* ---- what there is ---------------------------------------------------------------------- */

static void add(struct items *items, struct item item)
{
    if (items->n < ITEMS_MAX)
        items->all[items->n++] = item;
}

static enum context context_of(const struct app *app)
{
    return views[app_view(app)].ops->context;
}

/* "Fleet d": where else it is bound. */
static const char *keys_elsewhere(
        struct items *items, const struct app *app, enum command command)
{
    const struct keymap *map = app_keymap(app);
    for (size_t i = 0; i < keymap_n(map); i++) {
        const struct binding *b = keymap_at(map, i);
        const char *title = context_defs[b->context].title;
        if (b->command == command)
            return arena_printf(
                    &items->arena, "%.*s %s", (int)strcspn(title, ":"), title, b->keys);
    }
    return "";
}

static const char *keys_of(struct items *items, const struct app *app, enum command command)
{
    const enum context contexts[] = {context_of(app), CTX_CHAT, CTX_INPUT};
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        const char *keys = keymap_keys_of(app_keymap(app), contexts[i], command);
        if (keys)
            return keys;
    }
    return keys_elsewhere(items, app, command);
}

static void add_command(struct items *items, const struct app *app, enum command command)
{
    for (int i = 0; i < items->n; i++)
        if (items->all[i].kind == ITEM_COMMAND && items->all[i].id == (int64_t)command)
            return;
    const struct command_def *def = &command_defs[command];
    if (command != CMD_PALETTE)
        add(items, (struct item){ITEM_COMMAND, command, def->name, def->help,
                           keys_of(items, app, command)});
}

/* Those with a name for the input line, those that hold everywhere, and those of this view. */
static void add_commands(struct items *items, const struct app *app)
{
    const struct keymap *map = app_keymap(app);
    for (const enum command *c = slash_commands; *c != CMD_NONE; c++)
        add_command(items, app, *c);
    for (size_t i = 0; i < keymap_n(map); i++)
        if (keymap_at(map, i)->context == CTX_GLOBAL ||
                keymap_at(map, i)->context == context_of(app))
            add_command(items, app, keymap_at(map, i)->command);
}

/* Behind all that can be done here. */
static void add_others(struct items *items, const struct app *app)
{
    const struct keymap *map = app_keymap(app);
    for (size_t i = 0; i < keymap_n(map); i++)
        if (keymap_at(map, i)->context != CTX_HELP)
            add_command(items, app, keymap_at(map, i)->command);
}

static void add_endpoints(struct items *items, const struct app *app)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        const struct endpoint_conf *conf = fleet->endpoints[i].conf;
        bool is_file = conf->model && conf->kind == PROVIDER_LOCAL;
        const char *file = is_file ? path_name(conf->model) : conf->model;
        if (!fleet->endpoints[i].is_gone)
            add(items, (struct item){ITEM_ENDPOINT, i,
                               arena_printf(&items->arena, "endpoint: %s", conf->name),
                               arena_printf(&items->arena, "Send everything to %s",
                                       file ? file : conf->name),
                               ""});
    }
}

static void add_sessions(struct items *items, const struct core *core)
{
    for (size_t i = 0; i < core->n_found; i++) {
        const struct session_row *s = &core->found[i];
        if (s->title.n)
            add(items, (struct item){ITEM_SESSION, s->id,
                               arena_printf(&items->arena, "session: %.*s", (int)s->title.n,
                                       s->title.ptr),
                               "", ""});
    }
}

static void add_theme(struct items *items, const char *name, const char *help)
{
    add(items, (struct item){
                       ITEM_THEME, 0, arena_printf(&items->arena, THEME "%s", name), help, ""});
}

static void add_themes(struct items *items, const struct app *app)
{
    const char *const *names;
    size_t n = app_theme_names(app, &names);
    add_theme(items, "auto", "Dark or light, as the terminal's background is");
    for (size_t i = 0; i < n; i++)
        add_theme(items, names[i], "Its colours, now and at the next start");
}

/* Each word by its letters in the name, or as the beginning of a word of the help. */
static int score_item(const struct item *item, struct slice typed)
{
    int score = 0;
    for (struct slice rest = slice_trim(typed); rest.ptr;) {
        struct slice word = slice_cut(&rest, ' ');
        int in_name = fuzzy_score(word, slice_of(item->name));
        if (in_name != FUZZY_NONE)
            score += in_name + (word.n ? NAME_BONUS : 0);
        else if (!fuzzy_begins_word(word, slice_of(item->help)))
            return FUZZY_NONE;
    }
    return score;
}

static void rank(struct items *items, struct slice typed)
{
    for (int i = 0; i < items->n; i++) {
        int score = score_item(&items->all[i], typed);
        if (score != FUZZY_NONE)
            items->hits[items->n_hits++] = (struct fuzzy_hit){i, score, NULL};
    }
    fuzzy_sort(items->hits, (size_t)items->n_hits);
}

static struct items *find(const struct palette *p, const struct app *app)
{
    struct items *items = mem_alloc(sizeof *items);
    add_commands(items, app);
    add_endpoints(items, app);
    add_themes(items, app);
    add_sessions(items, app_core(app));
    add_others(items, app);
    rank(items, slice_of(p->typed.text));
    return items;
}

static void free_items(struct items *items)
{
    arena_release(&items->arena);
    mem_free(items);
}

/* ---- keys ------------------------------------------------------------------------------- */

void palette_toggle(struct palette *p, struct app *app)
{
    *p = (struct palette){.is_open = !p->is_open, .typed.is_typing = true};
    if (!p->is_open || app_view(app) == VIEW_SESSIONS)
        return; /* the list of that view stays as it was sought */
    struct action *a = action_new(ACTION_LIST_SESSIONS);
    app_act(app, a);
}

/* The view whose rows it is about; Chat when it is about none. */
static enum view_id home_of(const struct app *app, enum command command)
{
    const struct keymap *map = app_keymap(app);
    bool is_of_chat = slash_offers(command) || keymap_keys_of(map, CTX_INPUT, command) ||
                      keymap_keys_of(map, CTX_TRANSCRIPT, command);
    for (int i = 0; i < VIEW_COUNT && !is_of_chat; i++)
        if (keymap_keys_of(map, views[i].ops->context, command))
            return (enum view_id)i;
    return VIEW_CHAT;
}

/* Which row is meant is seen there only: the key waits for that. */
static void go_and_tell(struct app *app, enum view_id home, enum command command)
{
    app_open_view(app, home);
    app_notice(app, OK, "%s: %s", keymap_keys_of(app_keymap(app), context_of(app), command),
            command_defs[command].help);
}

/* Where its own view is; what has words behind its name is for the input line. */
static void go_and_run(struct app *app, enum command command)
{
    bool is_known = keymap_keys_of(app_keymap(app), context_of(app), command) != NULL;
    enum view_id home = home_of(app, command);
    if (!is_known && home != VIEW_CHAT) {
        go_and_tell(app, home, command);
        return;
    }
    if (!is_known || command_defs[command].argument)
        app_open_view(app, VIEW_CHAT);
    if (command_defs[command].argument)
        view_chat_write_command(app_view_state(app, VIEW_CHAT), command, app);
    else
        app_run_command(app, command);
}

static void run(const struct item *item, struct app *app)
{
    if (item->kind == ITEM_COMMAND) {
        go_and_run(app, (enum command)item->id);
        return;
    }
    if (item->kind == ITEM_THEME) {
        app_use_theme(app, item->name + strlen(THEME));
        return;
    }
    bool is_session = item->kind == ITEM_SESSION;
    struct action *a = action_new(is_session ? ACTION_OPEN_SESSION : ACTION_USE_ENDPOINT);
    if (is_session)
        a->id = item->id;
    else
        a->text = mem_strdup(app_core(app)->fleet.endpoints[item->id].conf->name);
    app_act(app, a);
    if (is_session)
        app_open_view(app, VIEW_CHAT);
}

static void run_selected(struct palette *p, struct app *app)
{
    struct items *items = find(p, app);
    p->is_open = false;
    if (p->selected < items->n_hits)
        run(&items->all[items->hits[p->selected].i], app);
    free_items(items);
}

static void select_next(struct palette *p, const struct app *app)
{
    struct items *items = find(p, app);
    p->selected += p->selected + 1 < items->n_hits;
    free_items(items);
}

bool palette_key(struct palette *p, const struct key *key, struct app *app)
{
    bool is_ctrl = key->mods & MOD_CTRL;
    if (key->code == KEY_ESC || (is_ctrl && key->code == 'c')) {
        p->is_open = false;
    } else if (key->code == KEY_ENTER) {
        run_selected(p, app);
    } else if (key->code == KEY_UP || (is_ctrl && key->code == 'p')) {
        p->selected -= p->selected > 0;
    } else if (key->code == KEY_DOWN || (is_ctrl && key->code == 'n')) {
        select_next(p, app);
    } else {
        enum search_took took = search_line_take(&p->typed, key);
        if (took == SEARCH_TEXT)
            p->selected = p->top = 0;
        return took != SEARCH_NONE;
    }
    return true;
}

static const struct view_hint hints[] = {
        {"Enter", "run"}, {"Up/Down", "choose"}, {"Esc", "close"}, {NULL, NULL}};
const struct view_hint *const palette_hints = hints;

/* ---- drawing ---------------------------------------------------------------------------- */

static void draw_item(const struct item *item, bool is_selected, struct surface *out, int row)
{
    int n_cols = out->rect.n_cols, end = n_cols - 2 - text_width(slice_of(item->keys));
    int col = 3 + surface_cut(out, row, 3, end - 4, ROLE_TEXT, slice_of(item->name));
    col = col < 3 + NAME_COLS ? 3 + NAME_COLS : col + 2;
    surface_cut(out, row, col, end - 2 - col, ROLE_DIM, slice_of(item->help));
    surface_puts(out, row, end, ROLE_HINT_KEY, item->keys);
    if (is_selected)
        surface_mark(out, (struct rect){row, 0, 1, n_cols}, ROLE_SELECTED, 0);
}

static void draw_items(struct palette *p, const struct items *items, struct surface *out)
{
    int n_rows = out->rect.n_rows, last = items->n_hits - 1;
    p->selected = p->selected > last ? last : p->selected;
    p->selected = p->selected < 0 ? 0 : p->selected;
    p->top = p->selected >= p->top + n_rows ? p->selected - n_rows + 1 : p->top;
    p->top = p->selected < p->top ? p->selected : p->top;
    for (int row = 0; row < n_rows && p->top + row < items->n_hits; row++)
        draw_item(&items->all[items->hits[p->top + row].i], p->top + row == p->selected, out,
                row);
    if (items->n_hits == 0)
        surface_puts(out, 0, 3, ROLE_DIM, "No name has these letters, no help such words.");
}

/* A free row and column around it keep it apart from what is below. */
void palette_draw(struct palette *p, const struct app *app, struct surface *out)
{
    int n_cols = out->rect.n_cols - 4 < MOST_COLS ? out->rect.n_cols - 4 : MOST_COLS;
    int n_rows = out->rect.n_rows - 2 < MOST_ROWS + 3 ? out->rect.n_rows - 2 : MOST_ROWS + 3;
    struct rect rect = {1, (out->rect.n_cols - n_cols) / 2, n_rows, n_cols};
    struct surface box = surface_part(out, rect);
    struct items *items = find(p, app);
    surface_fill(out, (struct rect){0, rect.col - 2, n_rows + 2, n_cols + 4}, ROLE_TEXT, ' ');
    surface_rule(&box, 0, ROLE_RULE, "palette");
    surface_rule(&box, n_rows - 1, ROLE_RULE, "");
    surface_puts(&box, 1, 1, ROLE_HINT_KEY, ">");
    search_line_draw_text(&p->typed, &box, 1, 3);
    struct surface list = surface_part(&box, (struct rect){2, 0, n_rows - 3, n_cols});
    draw_items(p, items, &list);
    free_items(items);
}
