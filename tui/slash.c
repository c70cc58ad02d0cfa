/* slash.c - see slash.h. The list is found anew from the text each time: it is short. */
#include "tui/slash.h"

#include <string.h>

#include "router/core.h"
#include "router/endpoint.h"

#include "tui/choice_list.h"
#include "tui/editor.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define ITEMS_MAX 128

const enum command slash_commands[] = {
#define SLASH(id) CMD_##id,
#include "tui/slash.def"
        CMD_NONE};

struct items {
    struct choice rows[ITEMS_MAX];
    int n;
    struct slice head, typed; /* what stays of the text, and what the names begin like */
};

bool slash_offers(enum command command)
{
    for (const enum command *c = slash_commands; *c != CMD_NONE; c++)
        if (*c == command)
            return true;
    return false;
}

static void add(struct items *items, struct choice item)
{
    if (items->n < ITEMS_MAX && strncmp(item.name, items->typed.ptr, items->typed.n) == 0)
        items->rows[items->n++] = item;
}

static void find_endpoints(struct items *items, const struct app *app)
{
    const struct fleet *fleet = &app_core(app)->fleet;
    add(items, (struct choice){"auto", NULL, "Let the router choose"});
    for (int i = 0; i < fleet->n_endpoints; i++) {
        const struct endpoint_conf *conf = fleet->endpoints[i].conf;
        if (fleet->endpoints[i].is_gone)
            continue;
        add(items, (struct choice){conf->name, NULL, conf->model ? conf->model : ""});
    }
}

static void find_themes(struct items *items, const struct app *app)
{
    const char *const *names;
    size_t n = app_theme_names(app, &names);
    add(items, (struct choice){"auto", NULL, "Dark or light, as the terminal's background is"});
    for (size_t i = 0; i < n; i++)
        add(items, (struct choice){names[i], NULL, ""});
}

/* Commands whose word is one of a list. */
static const struct {
    const char *head;
    void (*find)(struct items *items, const struct app *app);
} word_lists[] = {{"/endpoint ", find_endpoints}, {"/theme ", find_themes}};

static void find(struct items *items, const struct app *app, struct slice text)
{
    size_t n_head = 1, i = 0;
    items->n = 0;
    if (text.n == 0 || text.ptr[0] != '/' || slice_has_prefix(text, "//"))
        return;
    while (i < ARRAY_LEN(word_lists) && !slice_has_prefix(text, word_lists[i].head))
        i++;
    if (i < ARRAY_LEN(word_lists))
        n_head = strlen(word_lists[i].head);
    while (n_head > 1 && n_head < text.n && text.ptr[n_head] == ' ')
        n_head++; /* a blank typed behind the one that completing wrote */
    items->head = (struct slice){text.ptr, n_head};
    items->typed = (struct slice){text.ptr + n_head, text.n - n_head};
    if (memchr(items->typed.ptr, ' ', items->typed.n) ||
            memchr(items->typed.ptr, '\n', items->typed.n))
        return;
    if (n_head > 1) {
        word_lists[i].find(items, app);
        return;
    }
    for (const enum command *c = slash_commands; *c != CMD_NONE; c++) {
        const struct command_def *def = &command_defs[*c];
        add(items, (struct choice){def->name, def->argument, def->help});
    }
}

/* What was typed in full, else the first; behind a command without a word yet: none, so that
 * Enter runs the command as it stands. */
static int natural_selection(const struct items *items)
{
    for (int i = 0; i < items->n; i++)
        if (slice_eq(items->typed, items->rows[i].name))
            return i;
    return items->head.n > 1 && items->typed.n == 0 ? -1 : 0;
}

static int selection(const struct slash *slash, const struct items *items)
{
    return slash->is_walked ? slash->selected : natural_selection(items);
}

void slash_restart(struct slash *slash)
{
    *slash = (struct slash){0};
}

bool slash_is_open(const struct slash *slash, const struct app *app, struct slice text)
{
    struct items items;
    find(&items, app, text);
    return items.n > 0 && !slash->is_closed;
}

bool slash_is_word(const struct editor *editor)
{
    struct slice before = {buf_text(&editor->text), editor->cursor};
    return before.n && before.ptr[0] == '/' && !memchr(before.ptr, ' ', before.n) &&
           !memchr(before.ptr, '\n', before.n);
}

static void walk(struct slash *slash, const struct items *items, int by)
{
    int from = selection(slash, items);
    slash->selected = from < 0 && by < 0 ? items->n - 1 : (from + by + items->n) % items->n;
    slash->is_walked = true;
}

static void write_item(struct editor *editor, const struct items *items, const char *name,
        size_t n, bool opens)
{
    struct buf text;
    buf_init(&text, EDITOR_MAX_BYTES);
    buf_add_slice(&text, items->head);
    buf_add(&text, name, n);
    buf_add_text(&text, opens ? " " : "");
    editor_set(editor, buf_slice(&text), SIZE_MAX);
    buf_release(&text);
}

/* Bytes that all names have in common. */
static size_t common_prefix(const struct items *items)
{
    size_t n = strlen(items->rows[0].name);
    for (int i = 1; i < items->n; i++)
        while (strncmp(items->rows[0].name, items->rows[i].name, n) != 0)
            n--;
    return utf8_whole(items->rows[0].name, n);
}

static void complete(struct slash *slash, struct editor *editor, const struct items *items)
{
    size_t n = common_prefix(items);
    bool opens = items->n == 1 && items->rows[0].argument;
    if (n <= items->typed.n && !opens) {
        walk(slash, items, 1);
        return;
    }
    write_item(editor, items, items->rows[0].name, n, opens);
    slash_restart(slash);
}

/* True: there is more to write before it can run. */
static bool accept(struct slash *slash, struct editor *editor, const struct items *items)
{
    int i = selection(slash, items);
    if (i < 0 || slice_eq(items->typed, items->rows[i].name))
        return false;
    bool opens = items->rows[i].argument != NULL;
    write_item(editor, items, items->rows[i].name, strlen(items->rows[i].name), opens);
    slash_restart(slash);
    return opens;
}

bool slash_run(
        struct slash *slash, const struct app *app, struct editor *editor, enum command command)
{
    struct items items;
    find(&items, app, buf_slice(&editor->text));
    if (items.n == 0 || (slash->is_closed && command != CMD_COMPLETE))
        return false;
    slash->is_closed = false;
    switch (command) {
    case CMD_LINE_UP:
    case CMD_COMPLETE_BACK:
        walk(slash, &items, -1);
        return true;
    case CMD_LINE_DOWN:
        walk(slash, &items, 1);
        return true;
    case CMD_COMPLETE:
        complete(slash, editor, &items);
        return true;
    case CMD_STOP:
        slash->is_closed = true;
        return true;
    case CMD_SEND:
        return accept(slash, editor, &items);
    default:
        return false;
    }
}

void slash_draw(struct slash *slash, const struct app *app, struct slice text,
        struct surface *out, int bottom)
{
    struct items items;
    find(&items, app, text);
    if (items.n > 0 && !slash->is_closed)
        choice_list_draw(&(struct choice_list){items.rows, items.n, selection(slash, &items),
                                 items.head.n > 1 ? "" : "/"},
                &slash->top, out, bottom);
}
