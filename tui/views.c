/* views.c - the table of full screens, from views.def. */
#include "tui/view.h"

#define VIEW(id, name, number, title, ops) extern const struct view_ops ops;
#include "tui/views.def"
#undef VIEW

const struct view_def views[VIEW_COUNT] = {
#define VIEW(id, name, number, title, ops) [VIEW_##id] = {name, title, number, &ops},
#include "tui/views.def"
#undef VIEW
};
