/*
 * pilot_help.h - the program's help as the router hands it to the pilot: passages found by
 * help_search, with the user's keys in them.
 */
#ifndef TUI_PILOT_HELP_H
#define TUI_PILOT_HELP_H

#include "router/pilot.h"

struct help_search;
struct keymap;

struct pilot_help {
    struct help_source source; /* for struct core_config: lives as long as the core */
    struct help_search *search;
};

void pilot_help_init(struct pilot_help *out, const struct keymap *keymap);
void pilot_help_release(struct pilot_help *help);
/* What pilots are trained on: "TITLE: TEXT" of the best passages, the best first, and of
 * PASSAGE_ELSE, a line each, without an end of the last one. */
void pilot_help_add_passages(struct help_search *search, const char *question,
        const char *previous, struct buf *out);

#endif
