/* tab_bar.c - see tab_bar.h. */
#include "tui/tab_bar.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/surface.h"
#include "tui/text.h"

#define HELP " Help "

struct tabs {
    int open;      /* the view that is shown; VIEW_COUNT: its help is */
    bool is_short; /* where not all names have room, only the open view has its own */
};

static int print_name(const struct tabs *tabs, int i, char out[64])
{
    bool is_number = tabs->is_short && i != tabs->open;
    snprintf(out, 64, is_number ? " %d " : " %d %s ", views[i].number, views[i].title);
    return text_width(slice_of(out));
}

static struct tabs lay_out(const struct app *app, bool is_help, int n_cols)
{
    struct tabs tabs = {.open = is_help ? VIEW_COUNT : (int)app_view(app)};
    char name[64];
    int n = is_help ? (int)strlen(HELP) : 0;
    for (int i = 0; i < VIEW_COUNT; i++)
        n += print_name(&tabs, i, name);
    tabs.is_short = n > n_cols;
    return tabs;
}

/* Whose the newest answer is, where it has room. */
static void draw_endpoint(const struct session *session, int left, struct surface *out)
{
    const struct message *leaf = session_find(session, session->leaf_id);
    char text[sizeof leaf->endpoint + 70] = "";
    if (leaf && leaf->endpoint[0])
        snprintf(text, sizeof text, "%s %.60s ", leaf->endpoint, leaf->model);
    if (text_width(slice_of(text)) < out->rect.n_cols - left)
        surface_puts_right(out, 0, out->rect.n_cols, ROLE_DIM, text);
}

void tab_bar_draw(const struct app *app, bool is_help, struct surface *out)
{
    struct tabs tabs = lay_out(app, is_help, out->rect.n_cols);
    char name[64];
    int col = 0;
    for (int i = 0; i < VIEW_COUNT; i++) {
        int n = print_name(&tabs, i, name);
        surface_puts(out, 0, col, i == tabs.open ? ROLE_TAB_ACTIVE : ROLE_TAB, name);
        col += n;
    }
    if (is_help)
        col += surface_puts(out, 0, col, ROLE_TAB_ACTIVE, HELP);
    draw_endpoint(app_core(app)->session, col, out);
}

enum view_id tab_bar_find(const struct app *app, bool is_help, int n_cols, int col)
{
    struct tabs tabs = lay_out(app, is_help, n_cols);
    char name[64];
    int i = 0;
    for (int end = 0; i < VIEW_COUNT && (end += print_name(&tabs, i, name)) <= col; i++)
        continue;
    return (enum view_id)i;
}
