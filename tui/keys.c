/*
 * keys.c - default bindings, key names, lookup. Defaults are key names in the user's own language and go through the
 * same parser.
 */
#include "tui/keys.h"

const struct binding default_bindings[] = {
        {CTX_GLOBAL, "F1", CMD_HELP},
        {CTX_GLOBAL, "C-x 1", CMD_OPEN_CHAT},
        {CTX_GLOBAL, "C-x 2", CMD_OPEN_EXPERTS},
        {CTX_GLOBAL, "C-x 6", CMD_OPEN_SESSIONS},
        {CTX_GLOBAL, "C-l", CMD_REDRAW},
        {CTX_GLOBAL, "C-z", CMD_SUSPEND},
        {CTX_GLOBAL, "C-c", CMD_INTERRUPT},
};
const size_t n_default_bindings = ARRAY_LEN(default_bindings);
