/*
 * args.h - the command line, walked by tables: what a command accepts is a list of rows, from
 * which parsing, errors and --help come. Flags and words may be mixed; `--` ends flags; global
 * flags are accepted everywhere.
 */
#ifndef TUI_ARGS_H
#define TUI_ARGS_H

#include "engine/base.h"

struct flag_def {
    int id;               /* the short letter, or a value above 255 when there is none */
    const char *name;     /* long name without dashes, or NULL */
    const char *argument; /* NULL: takes none; "NAME": required; "[NAME]": only as -xVALUE,
                             -x=VALUE or --name=VALUE, unless the command looks ahead */
    const char *help;     /* no full stop */
};

/* Flags that stand before or after the subcommand. NULL: not given. */
struct global_flags {
    const char *config, *data, *color;
};

enum { ARG_END = -1, ARG_WORD = -2, ARG_BAD = -3, ARG_HELP = -4 };

struct args {
    int argc;
    char **argv;
    int i;                        /* next word */
    const char *rest;             /* further short flags of the current word: -ns */
    bool is_words_only;           /* after `--` */
    const struct flag_def *flags; /* of the command */
    size_t n_flags;
    struct global_flags globals;
    const char *
            value; /* of the flag or word just returned; NULL when an optional one is missing */
    struct err err; /* after ARG_BAD */
};

extern const struct flag_def global_flag_defs[];
extern const size_t n_global_flag_defs;

/* Returns the id of the next flag, ARG_WORD, ARG_END, ARG_HELP (-h, --help) or ARG_BAD. Global
 * flags are stored in args->globals and not returned. */
int args_next(struct args *args);
/* The next word without interpreting it, if it is there and is no flag. */
const char *args_peek_word(const struct args *args);
void args_skip_word(struct args *args);
/* Rows of --help, aligned. */
void args_print_flags(const struct flag_def *flags, size_t n_flags, struct buf *out);
bool args_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out) MUST_USE;

#endif
