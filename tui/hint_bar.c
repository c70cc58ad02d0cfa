/* hint_bar.c - see hint_bar.h. What has no room is left out, the most needed come first. */
#include "tui/hint_bar.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/keys.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define GAP_COLS   2
#define VIEWS_HINT "views"

static const enum command first[] = {CMD_SEND, CMD_STOP, CMD_CONTINUE, CMD_EDIT, CMD_COPY,
        CMD_BRANCH_BEFORE, CMD_OPEN, CMD_MODEL_LOAD, CMD_MODEL_UNLOAD, CMD_MODEL_CANCEL,
        CMD_SEARCH, CMD_MAP_MODE, CMD_FREEZE, CMD_ENDPOINT_SWITCH, CMD_ENDPOINT_ADD,
        CMD_ENDPOINT_EDIT, CMD_TOKEN_BEFORE, CMD_LAYER_UP, CMD_HELP, CMD_BACK, CMD_FORK,
        CMD_RETRY, CMD_QUIT_EMPTY, CMD_NEWLINE, CMD_STEP};

static const enum command open_commands[] = {
#define VIEW(id, name, number, title, ops) CMD_OPEN_##id,
#include "tui/views.def"
#undef VIEW
};

/* One hint for both: "Left/Right token". */
static const struct {
    enum command command, partner;
} pairs[] = {{CMD_TOKEN_BEFORE, CMD_TOKEN_AFTER}, {CMD_LAYER_UP, CMD_LAYER_DOWN},
        {CMD_ANSWER_BEFORE, CMD_ANSWER_AFTER}, {CMD_BRANCH_BEFORE, CMD_BRANCH_AFTER}};

struct bar {
    const struct app *app;
    enum context context;
    struct surface *out;
    int row, col, end;
    bool was_looked_at[CMD_COUNT];
};

static void put(struct bar *bar, const char *keys, const char *what)
{
    int n = text_width(slice_of(keys)) + 1 + text_width(slice_of(what));
    if (bar->col + n > bar->end)
        return;
    bar->col += surface_puts(bar->out, bar->row, bar->col, ROLE_HINT_KEY, keys) + 1;
    bar->col += surface_puts(bar->out, bar->row, bar->col, ROLE_HINT, what) + GAP_COLS;
}

static void put_pair(struct bar *bar, const char *keys, const char *partner, const char *what)
{
    char text[64];
    snprintf(text, sizeof text, "%s%s%s", keys, partner ? "/" : "", partner ? partner : "");
    put(bar, text, what);
}

/* As the view sees it whose bindings these are. */
static bool is_idle_in_view(const struct bar *bar, enum command command)
{
    enum context context = bar->context == CTX_TRANSCRIPT ? CTX_CHAT : bar->context;
    for (int i = 0; i < VIEW_COUNT; i++)
        if (views[i].ops->context == context)
            return views[i].ops->is_idle &&
                   views[i].ops->is_idle(app_view_state(bar->app, i), bar->app, command);
    return false;
}

/* Leads to where one is already, or does nothing now. */
static bool is_idle(const struct bar *bar, enum command command)
{
    const struct session *s = app_core(bar->app)->session;
    switch (command) {
    case CMD_HELP:
        return bar->context == CTX_HELP;
    case CMD_WHY:
        return bar->context == CTX_CHAT && s->leaf_id == 0;
    case CMD_QUIT_EMPTY:
        return s->draft.n > 0;
    case CMD_STOP:
        return !core_run_of(app_core(bar->app), s->leaf_id);
    default:
        return is_idle_in_view(bar, command);
    }
}

static const char *keys_of(const struct bar *bar, enum command command)
{
    const struct keymap *map = app_keymap(bar->app);
    const char *keys = keymap_keys_of(map, bar->context, command);
    return keys || bar->context != CTX_CHAT ? keys : keymap_keys_of(map, CTX_INPUT, command);
}

static void offer(struct bar *bar, enum command command)
{
    const char *hint = command_defs[command].hint, *partner = NULL;
    if (!hint || bar->was_looked_at[command])
        return;
    bar->was_looked_at[command] = true;
    const char *keys = keys_of(bar, command);
    if (!keys || is_idle(bar, command))
        return;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (pairs[i].command == command)
            partner = keys_of(bar, pairs[i].partner);
    put_pair(bar, keys, partner, hint);
}

/* "C-x 1…7": where the keys of the first and the last view differ only in their last sign. */
static bool find_view_keys(const struct keymap *map, char *out, size_t n)
{
    const char *from = keymap_keys_of(map, CTX_GLOBAL, open_commands[0]);
    const char *to = keymap_keys_of(map, CTX_GLOBAL, open_commands[VIEW_COUNT - 1]);
    if (!from || !to)
        return false;
    size_t n_from = strlen(from), n_same = n_from - 1;
    bool is_series = strlen(to) == n_from && memcmp(from, to, n_same) == 0;
    snprintf(out, n, "%s\xE2\x80\xA6%s", from, to + (is_series ? n_same : 0));
    return true;
}

/* Popups take commands of what is below them. */
static const char *find_keys(const struct bar *bar, enum command command)
{
    const enum context contexts[] = {bar->context, CTX_CHAT, CTX_INPUT};
    const char *keys = NULL;
    for (size_t i = 0; i < ARRAY_LEN(contexts) && !keys && command != CMD_NONE; i++)
        keys = keymap_keys_of(app_keymap(bar->app), contexts[i], command);
    return keys;
}

static void put_own(struct bar *bar, const struct view_hint *own)
{
    const char *keys = own->keys ? own->keys : find_keys(bar, own->command);
    if (keys && !is_idle_in_view(bar, own->command))
        put_pair(bar, keys, find_keys(bar, own->partner), own->what);
}

static void put_all(struct bar *bar, const struct view_hint *own)
{
    for (; own && own->what; own++)
        put_own(bar, own);
    if (bar->col > 1)
        return;
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        offer(bar, first[i]);
    for (size_t i = 0; i < keymap_n(app_keymap(bar->app)); i++)
        offer(bar, keymap_at(app_keymap(bar->app), i)->command);
}

/* How to get to the other views stands in every bar that has room for more than that. */
void hint_bar_draw(const struct app *app, enum context context, const struct view_hint *own,
        struct surface *out, int row)
{
    struct bar bar = {.app = app, .context = context, .out = out, .row = row, .col = 1};
    char keys[32];
    bool has_keys = find_view_keys(app_keymap(app), keys, sizeof keys);
    int n_keys =
            has_keys ? GAP_COLS + text_width(slice_of(keys)) + 1 + (int)strlen(VIEWS_HINT) : 0;
    bar.end = out->rect.n_cols - (n_keys <= out->rect.n_cols / 3 ? n_keys : 0);
    put_all(&bar, own);
    bar.end = out->rect.n_cols;
    if (has_keys)
        put(&bar, keys, VIEWS_HINT);
}

static bool opens_view(enum command command)
{
    size_t i = 0;
    while (i < VIEW_COUNT && open_commands[i] != command)
        i++;
    return i < VIEW_COUNT;
}

static bool holds_in(enum context bound, enum context context)
{
    bool is_chat = context == CTX_CHAT || context == CTX_TRANSCRIPT;
    return bound == context || bound == CTX_GLOBAL ||
           (is_chat && (bound == CTX_CHAT || bound == CTX_INPUT));
}

/* "C-x …  n new  p palette  1…7 views" */
void hint_bar_draw_sequence(const struct app *app, enum context context,
        const struct key *pending, struct surface *out, int row)
{
    struct bar bar = {.row = row, .col = 1, .end = out->rect.n_cols, .out = out};
    const struct keymap *map = app_keymap(app);
    char first_key[32], views_keys[32];
    struct buf name;
    buf_init(&name, sizeof first_key);
    key_print(pending, &name);
    snprintf(first_key, sizeof first_key, "%s ", buf_text(&name));
    buf_release(&name);
    size_t n = strlen(first_key);
    bool has_views = find_view_keys(map, views_keys, sizeof views_keys) &&
                     strncmp(views_keys, first_key, n) == 0;
    first_key[n - 1] = '\0';
    put(&bar, first_key, "\xE2\x80\xA6");
    first_key[n - 1] = ' ';
    if (has_views)
        put(&bar, views_keys + n, VIEWS_HINT);
    for (size_t i = 0; i < keymap_n(map); i++) {
        const struct binding *b = keymap_at(map, i);
        const struct command_def *def = &command_defs[b->command];
        if (strncmp(b->keys, first_key, n) == 0 && holds_in(b->context, context) &&
                !(has_views && opens_view(b->command)))
            put(&bar, b->keys + n, def->hint ? def->hint : def->name);
    }
}
