/* view_help.c - see view_help.h. Keys are the user's: the keymap is asked, not the defaults. */
#include "tui/view_help.h"

#include "tui/keys.h"

static const struct {
    enum context context;
    const char *title;
} sections[] = {{CTX_CHAT, "Chat"}, {CTX_INPUT, "Writing"}, {CTX_EXPERTS, "Experts"},
        {CTX_SESSIONS, "Sessions"}, {CTX_TOKENS, "Tokens"}, {CTX_HELP, "Help"},
        {CTX_GLOBAL, "Everywhere"}};

/* The input line belongs to Chat. */
static bool is_shown(const struct help *help, enum context context)
{
    return context == help->context || context == CTX_GLOBAL ||
           (context == CTX_INPUT && help->context == CTX_CHAT);
}

struct printer {
    struct help *help;
    struct surface *out;
    int line;
};

static int next_row(struct printer *p)
{
    int row = p->line++ - p->help->top;
    return row >= 0 && row < p->out->rect.n_rows ? row : -1;
}

/* All keys of a command in a context on one line. */
static void print_command(struct printer *p, const struct keymap *map, size_t i)
{
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
    int row = next_row(p);
    if (row >= 0) {
        int col = 3 + surface_puts(p->out, row, 3, ROLE_HINT_KEY, buf_text(&keys));
        surface_puts(
                p->out, row, col < 26 ? 27 : col + 2, ROLE_TEXT, command_defs[b->command].help);
    }
    buf_release(&keys);
}

static void print_named(struct printer *p)
{
    int row = next_row(p);
    if (row >= 0)
        surface_puts(
                p->out, row, 1, ROLE_TITLE, "Commands: write / and the name in the input line");
    for (int i = 1; i < CMD_COUNT; i++) {
        if (!command_defs[i].takes_text)
            continue;
        row = next_row(p);
        if (row < 0)
            continue;
        int col = 3 + surface_printf(
                              p->out, row, 3, ROLE_HINT_KEY, "/%s TEXT", command_defs[i].name);
        surface_puts(p->out, row, col < 26 ? 27 : col + 2, ROLE_TEXT, command_defs[i].help);
    }
}

void help_draw(struct help *help, const struct app *app, struct surface *out)
{
    const struct keymap *map = app_keymap(app);
    struct printer p = {help, out, 0};
    help->n_rows = out->rect.n_rows;
    for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
        if (!is_shown(help, sections[s].context))
            continue;
        int row = next_row(&p);
        if (row >= 0)
            surface_puts(out, row, 1, ROLE_TITLE, sections[s].title);
        for (size_t i = 0; i < keymap_n(map); i++)
            if (keymap_at(map, i)->context == sections[s].context)
                print_command(&p, map, i);
        next_row(&p);
    }
    if (help->context == CTX_CHAT)
        print_named(&p);
    help->n_lines = p.line;
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
