/*
 * args.h - the command line, walked by the rows of subcommands.def, from which parsing, errors,
 * --help, the manual and the completions of shells come. Flags and words may be mixed; `--`
 * ends flags; the flags of every subcommand are accepted everywhere.
 */
#ifndef TUI_ARGS_H
#define TUI_ARGS_H

#include "engine/base.h"

enum subcommand {
    SUB_EVERY,
    SUB_TUI, /* none was given */
#define SUBCOMMAND(id, ...) SUB_##id,
#include "tui/subcommands.def"
    SUB_COUNT
};

enum verb {
    VERB_NONE,
#define VERB(subcommand, id, ...) VERB_##subcommand##_##id,
#include "tui/subcommands.def"
    VERB_COUNT
};

enum flag {
#define FLAG(subcommand, id, ...) FLAG_##subcommand##_##id,
#include "tui/subcommands.def"
    FLAG_COUNT
};

enum flag_use { FLAG_OPTIONAL, FLAG_NEEDED, FLAG_REPEATED };

struct verb_def {
    enum subcommand subcommand;
    const char *name, *words, *help;
};
extern const struct verb_def verb_defs[VERB_COUNT];

struct flag_def {
    enum subcommand subcommand;
    char letter;          /* 0: only the long name */
    const char *name;     /* without dashes */
    const char *argument; /* NULL: takes none; "NAME": required; "[NAME]": only as -xVALUE,
                             -x=VALUE or --name=VALUE, unless the command looks ahead */
    enum flag_use use;
    const char *verbs; /* "list probe": only with these; NULL: with all */
    const char *help;  /* no full stop */
};
extern const struct flag_def flag_defs[FLAG_COUNT];

/* Flags that stand before or after the subcommand. NULL: not given. */
struct global_flags {
    const char *config, *data, *color, *backend, *cuda_lib;
    bool ascii;
};

enum { ARG_END = -1, ARG_WORD = -2, ARG_BAD = -3, ARG_HELP = -4 };

struct args {
    int argc;
    char **argv;
    int i;              /* next word */
    const char *rest;   /* further short flags of the current word: -ns */
    bool is_words_only; /* after `--` */
    enum subcommand subcommand;
    struct global_flags globals;
    const char *
            value; /* of the flag or word just returned; NULL when an optional one is missing */
    struct err err; /* after ARG_BAD */
};

/* Returns the next flag, ARG_WORD, ARG_END, ARG_HELP (-h, --help) or ARG_BAD. The flags of
 * every subcommand are stored in args->globals and not returned. */
int args_next(struct args *args);
/* The next word without interpreting it, if it is there and is no flag. */
const char *args_peek_word(const struct args *args);
void args_skip_word(struct args *args);
/* False: only other verbs of its subcommand know the flag. */
bool flag_is_for(enum flag flag, enum verb verb);
bool args_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out) MUST_USE;

#endif
