/*
 * look.h - which theme is used: what `/theme` picked, else what the configuration says; `auto`
 * is light or dark as the terminal's background is.
 */
#ifndef TUI_LOOK_H
#define TUI_LOOK_H

#include "engine/base.h"

#include "tui/theme.h"

struct config;

#define LOOK_PICK_BYTES 192

struct look {
    const struct config *config;
    struct theme theme;
    char picked[THEME_NAME_BYTES]; /* "": nothing */
    enum theme_variant background; /* of the terminal; VARIANT_ANY: not known */
    struct buf problems;           /* of the theme: sentences, a line each */
    struct theme_names *names;
};

/* Loads the theme as far as it is known without asking anybody. */
void look_init(struct look *look, const struct config *config);
void look_release(struct look *look);
const char *look_name(const struct look *look); /* `auto` is one */
/* Who says so: "picked with /theme", "theme = dark in FILE", "the default". */
void look_print_source(const struct look *look, char *out, size_t n);
/* Of all themes; those of the user's folder as it is now. They live until the next call. */
size_t look_names(const struct look *look, const char *const **out);
/* The theme is for another background than the terminal has, as far as both are known. */
bool look_is_unfit(const struct look *look);
/* Whether the terminal's background decides. */
bool look_is_auto(const struct look *look);
/* True: the theme has changed. False for a name that there is no theme of: all stays. */
bool look_pick(struct look *look, const char *name);
/* The terminal's answer to the question for its background (OSC 11). True: the theme has
 * changed; rubbish changes nothing. */
bool look_take_background(struct look *look, struct slice answer);
/* What is kept of a pick in the database, and back. A pick holds until the configuration names
 * another theme than it did. */
void look_print_pick(const struct look *look, char *out, size_t n);
bool look_restore_pick(struct look *look, const char *kept);

#endif
