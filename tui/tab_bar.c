/* tab_bar.c - see tab_bar.h. */
#include "tui/tab_bar.h"

#include <stdio.h>
#include <string.h>

#include "router/core.h"
#include "router/session.h"

#include "tui/surface.h"
#include "tui/text.h"

#define NAMES_MIN_COLS 50 /* below: only the numbers */

static int print_name(int i, int n_cols, char out[64])
{
    snprintf(out, 64, n_cols < NAMES_MIN_COLS ? " %d " : " %d %s ", views[i].number,
            views[i].title);
    return text_width(slice_of(out));
}

/* Whose the newest answer is, where it has room. */
static void draw_endpoint(const struct session *session, int left, struct surface *out)
{
    const struct message *leaf = session_find(session, session->leaf_id);
    char text[160] = "";
    if (leaf && leaf->endpoint[0])
        snprintf(text, sizeof text, "%s %.60s ", leaf->endpoint, leaf->model);
    if (text_width(slice_of(text)) < out->rect.n_cols - left)
        surface_puts_right(out, 0, out->rect.n_cols, ROLE_DIM, text);
}

void tab_bar_draw(const struct app *app, bool is_help, struct surface *out)
{
    char name[64];
    int col = 0;
    for (int i = 0; i < VIEW_COUNT; i++) {
        bool is_open = (int)app_view(app) == i && !is_help;
        int n = print_name(i, out->rect.n_cols, name);
        surface_puts(out, 0, col, is_open ? ROLE_TAB_ACTIVE : ROLE_TAB, name);
        col += n;
    }
    if (is_help)
        col += surface_puts(out, 0, col, ROLE_TAB_ACTIVE, " Help ");
    draw_endpoint(app_core(app)->session, col, out);
}

enum view_id tab_bar_find(int n_cols, int col)
{
    char name[64];
    int i = 0;
    for (int end = 0; i < VIEW_COUNT && (end += print_name(i, n_cols, name)) <= col; i++)
        continue;
    return (enum view_id)i;
}
