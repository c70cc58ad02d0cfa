/* view_help.c - see view_help.h. Keys are the user's: the keymap is asked, not the defaults. */
#include "tui/view_help.h"

#include <stdio.h>

#include "tui/keys.h"
#include "tui/notes.h"
#include "tui/slash.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

/* Input line and conversation belong to Chat. */
static bool is_shown(const struct help *help, enum context context)
{
    bool is_of_chat = context == CTX_INPUT || context == CTX_TRANSCRIPT;
    return context == help->context || context == CTX_GLOBAL ||
           (is_of_chat && help->context == CTX_CHAT);
}

struct printer {
    struct help *help;
    const struct keymap *map;
    struct surface *out;
    int line, at; /* at: the line where the part begins that it opens with */
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

static void print_row(struct printer *p, const char *keys, const char *help)
{
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
    print_row(p, buf_text(&keys), command_defs[b->command].help);
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
    print_wrapped(p, next_row(p), 1, 1, ROLE_TITLE,
            SLICE("Commands: write / and the name in the input line"));
    for (const enum command *c = slash_commands; *c != CMD_NONE; c++) {
        char name[64];
        const char *argument = command_defs[*c].argument;
        if (!argument && has_key(p->map, *c))
            continue; /* stands above, with its key */
        snprintf(name, sizeof name, "/%s%s%s", command_defs[*c].name, argument ? " " : "",
                argument ? argument : "");
        print_row(p, name, command_defs[*c].help);
    }
}

static void print_notes(struct printer *p)
{
    bool has_title = false;
    for (size_t i = 0; i < n_notes; i++) {
        if (notes[i].context != p->help->context)
            continue;
        int row = has_title ? -1 : next_row(p);
        if (row >= 0)
            surface_puts(p->out, row, 1, ROLE_TITLE, "What the numbers mean");
        has_title = true;
        struct buf text;
        buf_init(&text, 1 << 12);
        note_print(&notes[i], &text);
        print_row(p, notes[i].name, buf_text(&text));
        buf_release(&text);
    }
    if (has_title)
        next_row(p);
}

static void print_context(struct printer *p, enum context context)
{
    if (!is_shown(p->help, context))
        return;
    if (context == p->help->at)
        p->at = p->line;
    int row = next_row(p);
    if (row >= 0)
        surface_puts(p->out, row, 1, ROLE_TITLE, context_defs[context].title);
    for (size_t i = 0; i < keymap_n(p->map); i++)
        if (keymap_at(p->map, i)->context == context)
            print_command(p, i);
    next_row(p);
    if (context == p->help->context)
        print_notes(p);
}

/* All of it, of which the rows of `out` are seen. Returns how many lines it is; *at: where it
 * opens. */
static int print_all(struct help *help, const struct keymap *map, struct surface *out, int *at)
{
    struct printer p = {help, map, out, 0, 0};
    print_wrapped(&p, next_row(&p), 1, 1, ROLE_DIM,
            SLICE("The keys of all views: man shunt-keys, or shunt help keys"));
    next_row(&p);
    for (int context = CTX_GLOBAL + 1; context < CTX_COUNT; context++)
        print_context(&p, (enum context)context);
    print_context(&p, CTX_GLOBAL);
    if (help->context == CTX_CHAT) {
        print_named(&p);
        next_row(&p);
    }
    *at = p.at;
    return p.line - 1; /* nothing follows the last blank line */
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
void help_draw(struct help *help, const struct app *app, struct surface *out)
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

bool help_run(struct help *help, enum command command)
{
    int most = help->n_lines - help->n_rows;
    switch (command) {
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
