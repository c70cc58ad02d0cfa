/* view_help.c - see view_help.h. Keys are the user's: the keymap is asked, not the defaults. */
#include "tui/view_help.h"

#include <stdio.h>
#include <string.h>

#include "tui/keys.h"
#include "tui/notes.h"
#include "tui/slash.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

/* Input line and conversation belong to Chat; who searches means all keys. */
static bool is_shown(const struct help *help, enum context context)
{
    bool is_of_chat = context == CTX_INPUT || context == CTX_TRANSCRIPT;
    return help->search.text[0] || context == help->context || context == CTX_GLOBAL ||
           (is_of_chat && help->context == CTX_CHAT);
}

struct printer {
    struct help *help;
    const struct keymap *map;
    struct surface *out;
    int line, at;      /* at: the line where the part begins that it opens with */
    const char *title; /* of the part, until something of it is printed */
};

static int next_row(struct printer *p)
{
    int row = p->line++ - p->help->top;
    return row >= 0 && row < p->out->rect.n_rows ? row : -1;
}

#define TEXT_COL    27
#define NARROW_COLS 60 /* below: the text stands under its key */

/* `col`: of every line; `at`: of the first. */
static void print_wrapped(
        struct printer *p, int row, int at, int col, enum role role, struct slice text)
{
    struct slice line;
    int n_cols = p->out->rect.n_cols;
    for (; text_wrap(&text, n_cols - at - 1, &line); row = text.n ? next_row(p) : -1, at = col)
        if (row >= 0)
            surface_text(p->out, row, at, role, 0, line);
}

static void begin_part(struct printer *p, const char *title)
{
    p->title = title;
}

static void end_part(struct printer *p)
{
    if (!p->title)
        next_row(p);
    p->title = NULL;
}

/* What the search looks at: the words on the screen, and the name of a command. */
static bool is_sought(const struct help *help, const char *const words[3])
{
    for (int i = 0; i < 3; i++)
        if (strcasestr(words[i], help->search.text))
            return true;
    return false;
}

static void print_row(struct printer *p, const char *name, const char *keys, const char *help)
{
    if (!is_sought(p->help, (const char *const[]){name, keys, help}))
        return;
    if (p->title)
        print_wrapped(p, next_row(p), 1, 1, ROLE_TITLE, slice_of(p->title));
    p->title = NULL;
    int row = next_row(p), end = 3 + text_width(slice_of(keys));
    if (p->out->rect.n_cols < NARROW_COLS) {
        print_wrapped(p, row, 1, 1, ROLE_HINT_KEY, slice_of(keys));
        print_wrapped(p, next_row(p), 3, 3, ROLE_TEXT, slice_of(help));
        return;
    }
    if (row >= 0)
        surface_puts(p->out, row, 3, ROLE_HINT_KEY, keys);
    print_wrapped(
            p, row, end < TEXT_COL ? TEXT_COL : end + 2, TEXT_COL, ROLE_TEXT, slice_of(help));
}

/* All keys of a command in a context on one line. */
static void print_command(struct printer *p, size_t i)
{
    const struct keymap *map = p->map;
    const struct binding *b = keymap_at(map, i);
    struct buf keys;
    for (size_t j = 0; j < i; j++)
        if (keymap_at(map, j)->context == b->context &&
                keymap_at(map, j)->command == b->command)
            return; /* printed with its first key */
    buf_init(&keys, 256);
    for (size_t j = i; j < keymap_n(map); j++)
        if (keymap_at(map, j)->context == b->context &&
                keymap_at(map, j)->command == b->command)
            buf_printf(&keys, "%s%s", keys.n ? ", " : "", keymap_at(map, j)->keys);
    print_row(p, command_defs[b->command].name, buf_text(&keys), command_defs[b->command].help);
    buf_release(&keys);
}

static bool has_key(const struct keymap *map, enum command command)
{
    for (size_t i = 0; i < keymap_n(map); i++)
        if (keymap_at(map, i)->command == command)
            return true;
    return false;
}

/* Those that take words or have no key. */
static void print_named(struct printer *p)
{
    begin_part(p, "Commands: write / and the name in the input line");
    for (const enum command *c = slash_commands; *c != CMD_NONE; c++) {
        char name[64];
        const char *argument = command_defs[*c].argument;
        if (!argument && has_key(p->map, *c))
            continue; /* stands above, with its key */
        snprintf(name, sizeof name, "/%s%s%s", command_defs[*c].name, argument ? " " : "",
                argument ? argument : "");
        print_row(p, "", name, command_defs[*c].help);
    }
    end_part(p);
}

static void print_notes(struct printer *p)
{
    begin_part(p, "What the numbers mean");
    for (size_t i = 0; i < n_notes; i++) {
        if (notes[i].context != p->help->context)
            continue;
        struct buf text;
        buf_init(&text, 1 << 12);
        note_print(&notes[i], &text);
        print_row(p, "", notes[i].name, buf_text(&text));
        buf_release(&text);
    }
    end_part(p);
}

static void print_context(struct printer *p, enum context context)
{
    if (!is_shown(p->help, context))
        return;
    if (context == p->help->at)
        p->at = p->line;
    begin_part(p, context_defs[context].title);
    for (size_t i = 0; i < keymap_n(p->map); i++)
        if (keymap_at(p->map, i)->context == context)
            print_command(p, i);
    end_part(p);
    if (context == p->help->context)
        print_notes(p);
}

static bool has_notes(enum context context)
{
    for (size_t i = 0; i < n_notes; i++)
        if (notes[i].context == context)
            return true;
    return false;
}

/* What else there is than the keys below it. */
static void print_head(struct printer *p)
{
    const char *search = keymap_keys_of(p->map, CTX_HELP, CMD_SEARCH);
    char text[160];
    snprintf(text, sizeof text, "%s%sman shunt-keys lists %s%s", search ? search : "",
            search ? " searches the keys of all views, " : "",
            search ? "them" : "the keys of all views",
            has_notes(p->help->context) ? "\nWhat the numbers mean stands below the keys" : "");
    print_wrapped(p, next_row(p), 1, 1, ROLE_DIM, slice_of(text));
    next_row(p);
}

/* All of it, of which the rows of `out` are seen. Returns how many lines it is; *at: where it
 * opens. */
static int print_all(struct help *help, const struct keymap *map, struct surface *out, int *at)
{
    struct printer p = {help, map, out, 0, 0, NULL};
    if (!help->search.text[0])
        print_head(&p);
    for (int context = CTX_GLOBAL + 1; context < CTX_COUNT; context++)
        print_context(&p, (enum context)context);
    print_context(&p, CTX_GLOBAL);
    if (help->context == CTX_CHAT || help->search.text[0])
        print_named(&p);
    if (p.line == 0)
        print_wrapped(
                &p, next_row(&p), 1, 1, ROLE_DIM, SLICE("No key and no help has this word."));
    *at = p.at;
    return p.line > 1 ? p.line - 1 : 1; /* nothing follows the last blank line */
}

#define BELOW_MIN_ROWS 3 /* less is all for the text */

/* Once: from then on it is where it was scrolled to. */
static void open_at(struct help *help, int line)
{
    int last = help->n_lines - help->n_rows;
    if (help->at == CTX_GLOBAL)
        return;
    if (help->at != help->context)
        help->top = line < last ? line : last > 0 ? last : 0;
    help->at = CTX_GLOBAL;
}

/* What does not fit gives its last row to say how much is below. */
static void draw_lines(struct help *help, const struct app *app, struct surface *out)
{
    struct rect rect = {0, 0, 0, out->rect.n_cols};
    struct surface part = surface_part(out, rect);
    int at;
    help->n_lines = print_all(help, app_keymap(app), &part, &at);
    bool is_long = help->n_lines > out->rect.n_rows && out->rect.n_rows >= BELOW_MIN_ROWS;
    rect.n_rows = help->n_rows = out->rect.n_rows - is_long;
    part = surface_part(out, rect);
    open_at(help, at);
    print_all(help, app_keymap(app), &part, &at);
    int n_below = help->n_lines - help->n_rows - help->top;
    char text[48];
    snprintf(
            text, sizeof text, "\xE2\x86\x93 %d more line%s", n_below, n_below == 1 ? "" : "s");
    if (is_long && n_below > 0)
        surface_puts_right(out, help->n_rows, out->rect.n_cols - 1, ROLE_WARN, text);
}

void help_draw(struct help *help, const struct app *app, struct surface *out)
{
    bool has_line = search_line_is_shown(&help->search);
    struct rect rect = {has_line, 0, out->rect.n_rows - has_line, out->rect.n_cols};
    struct surface lines = surface_part(out, rect);
    draw_lines(help, app, &lines);
    if (has_line)
        search_line_draw(&help->search, out);
}

bool help_key(struct help *help, const struct key *key)
{
    enum search_took took = search_line_take(&help->search, key);
    if (took == SEARCH_TEXT)
        help->top = 0;
    return took != SEARCH_NONE;
}

const struct view_hint *help_hints(const struct help *help)
{
    static const struct view_hint typing[] = {
            {"Enter", "to the list"}, {"Esc", "end the search"}, {NULL, NULL}};
    static const struct view_hint reading[] = {{.what = "search", .command = CMD_SEARCH},
            {.what = "line", .command = CMD_UP, .partner = CMD_DOWN},
            {.what = "page", .command = CMD_PAGE_UP, .partner = CMD_PAGE_DOWN},
            {.what = "back", .command = CMD_BACK}, {NULL, NULL}};
    return help->search.is_typing ? typing : reading;
}

/* The search goes first, then the help. */
static bool end_search(struct help *help)
{
    bool was_something = help->search.text[0];
    help->search = (struct search_line){0};
    return was_something;
}

bool help_run(struct help *help, enum command command)
{
    int most = help->n_lines - help->n_rows;
    switch (command) {
    case CMD_SEARCH:
        help->search.is_typing = true;
        break;
    case CMD_BACK:
        return end_search(help);
    case CMD_UP:
        help->top--;
        break;
    case CMD_DOWN:
        help->top++;
        break;
    case CMD_PAGE_UP:
        help->top -= help->n_rows - 1;
        break;
    case CMD_PAGE_DOWN:
        help->top += help->n_rows - 1;
        break;
    case CMD_FIRST:
        help->top = 0;
        break;
    case CMD_LAST:
        help->top = most;
        break;
    default:
        return false;
    }
    help->top = help->top > most ? most : help->top;
    help->top = help->top < 0 ? 0 : help->top;
    return true;
}
