/* mangen.h - the rows of subcommands.def as the pages and the completions need them. */
#ifndef MAN_MANGEN_H
#define MAN_MANGEN_H

#include <stdbool.h>

struct man_subcommand {
    const char *id, *name, *words, *help;
};
struct man_verb {
    const char *subcommand, *name, *words, *help; /* subcommand: its id */
};
struct man_flag {
    const char *subcommand;
    char letter; /* or 0 */
    const char *name, *argument, *use, *verbs, *help;
};
/* Each ends with an empty row. */
extern const struct man_subcommand man_subcommands[];
extern const struct man_verb man_verbs[];
extern const struct man_flag man_flags[];

bool man_is(const char *a, const char *b);
bool man_is_choice(const char *argument); /* a|b|c, not FILE|NAME */
/* verb NULL: any. */
bool man_flag_is_for(const struct man_flag *flag, const char *subcommand, const char *verb);

/* pages.c: the generated parts, in mdoc(7). */
void page_synopsis(void);
void page_subcommands(void);
void page_options(void);
void page_quants(void);
void page_settings(void);
void page_endpoint_keys(void);
void page_kinds(void);
void page_prices(void);
void page_roles(void);
void page_views(void);
void page_keys(void);
void page_key_names(void);
void page_slash_commands(void);

/* completions.c */
void complete_bash(void);
void complete_zsh(void);
void complete_fish(void);

#endif
