/* tab_bar.h - the top line: the names of the views, and who answers. */
#ifndef TUI_TAB_BAR_H
#define TUI_TAB_BAR_H

#include "tui/view.h"

/* is_help: the help of the open view is shown in its place. */
void tab_bar_draw(const struct app *app, bool is_help, struct surface *out);
/* The view whose name stands at this column of a screen so wide; VIEW_COUNT: none. */
enum view_id tab_bar_find(const struct app *app, bool is_help, int n_cols, int col);

#endif
