/* args.c - see args.h. */
#include "tui/args.h"

#include <stdio.h>
#include <string.h>

#include "router/conf.h"

const struct verb_def verb_defs[VERB_COUNT] = {
#define VERB(subcommand, id, ...) [VERB_##subcommand##_##id] = {SUB_##subcommand, __VA_ARGS__},
#include "tui/subcommands.def"
};

const struct flag_def flag_defs[FLAG_COUNT] = {
#define FLAG(subcommand, id, letter, name, argument, use, verbs, help)                         \
    [FLAG_##subcommand##_##id] = {                                                             \
            SUB_##subcommand, letter, name, argument, FLAG_##use, verbs, help},
#include "tui/subcommands.def"
};

static bool is_accepted(const struct args *args, int flag)
{
    enum subcommand owner = flag_defs[flag].subcommand;
    return owner == args->subcommand || owner == SUB_EVERY;
}

/* FLAG_COUNT: there is none. */
static int find_long(const struct args *args, struct slice name)
{
    int i = 0;
    while (i < FLAG_COUNT && !(is_accepted(args, i) && slice_eq(name, flag_defs[i].name)))
        i++;
    return i;
}

static int find_short(const struct args *args, char letter)
{
    int i = 0;
    while (i < FLAG_COUNT && !(is_accepted(args, i) && flag_defs[i].letter == letter))
        i++;
    return i;
}

static int bad_flag(struct args *args, const char *word)
{
    const char *names[FLAG_COUNT];
    size_t n = 0;
    for (int i = 0; i < FLAG_COUNT; i++)
        if (is_accepted(args, i))
            names[n++] = flag_defs[i].name;
    char name[64];
    int n_name = (int)strcspn(word, "="); /* --colour=never: the value is not what is unknown */
    snprintf(name, sizeof name, "%.*s", n_name, word);
    const char *nearest = conf_nearest(name + strspn(name, "-"), names, n);
    err_set(&args->err, ERR_USAGE, "unknown option %.*s%s%s%s", n_name, word,
            nearest ? ": did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "");
    return ARG_BAD;
}

/* Gives the flag its value: `inlined` is what stands behind `=` or behind a short letter. */
static int take_flag(struct args *args, int id, const char *inlined)
{
    const struct flag_def *flag = &flag_defs[id];
    args->value = inlined;
    if (flag->argument && flag->argument[0] != '[' && !inlined) {
        if (args->i >= args->argc) {
            err_set(&args->err, ERR_USAGE, "option --%s needs a value: %s", flag->name,
                    flag->argument);
            return ARG_BAD;
        }
        args->value = args->argv[args->i++];
    }
    switch (id) {
    case FLAG_EVERY_CONFIG:
        args->globals.config = args->value;
        return args_next(args);
    case FLAG_EVERY_DATA:
        args->globals.data = args->value;
        return args_next(args);
    case FLAG_EVERY_COLOR:
        args->globals.color = args->value;
        return args_next(args);
    case FLAG_EVERY_ASCII:
        args->globals.ascii = true;
        return args_next(args);
    case FLAG_EVERY_BACKEND:
        args->globals.backend = args->value;
        return args_next(args);
    case FLAG_EVERY_CUDA_LIB:
        args->globals.cuda_lib = args->value;
        return args_next(args);
    case FLAG_EVERY_HELP:
        return ARG_HELP;
    default:
        return id;
    }
}

static int take_short(struct args *args, const char *letters)
{
    int id = find_short(args, letters[0]);
    char word[3] = {'-', letters[0], '\0'};
    if (id == FLAG_COUNT)
        return bad_flag(args, word);
    const char *argument = flag_defs[id].argument, *behind = letters[1] ? letters + 1 : NULL;
    if (behind && argument && argument[0] == '[' && behind[0] == '=')
        behind++; /* -c=ID, as --continue=ID */
    args->rest = argument ? NULL : behind;
    return take_flag(args, id, argument ? behind : NULL);
}

int args_next(struct args *args)
{
    if (args->rest)
        return take_short(args, args->rest);
    if (args->i >= args->argc)
        return ARG_END;
    const char *word = args->argv[args->i++];
    if (args->is_words_only || word[0] != '-' || word[1] == '\0') {
        args->value = word;
        return ARG_WORD;
    }
    if (strcmp(word, "--") == 0) {
        args->is_words_only = true;
        return args_next(args);
    }
    if (word[1] != '-')
        return take_short(args, word + 1);
    size_t n = strcspn(word + 2, "=");
    int id = find_long(args, (struct slice){word + 2, n});
    const char *inlined = word[2 + n] == '=' ? word + 3 + n : NULL;
    if (id == FLAG_COUNT)
        return bad_flag(args, word);
    if (inlined && !flag_defs[id].argument) {
        err_set(&args->err, ERR_USAGE, "option --%s takes no value", flag_defs[id].name);
        return ARG_BAD;
    }
    return take_flag(args, id, inlined);
}

const char *args_peek_word(const struct args *args)
{
    if (args->rest || args->i >= args->argc)
        return NULL;
    const char *word = args->argv[args->i];
    return word[0] == '-' && word[1] && !args->is_words_only ? NULL : word;
}

void args_skip_word(struct args *args)
{
    args->i++;
}

/* The word is one of those in the list, which spaces separate. */
static bool is_listed(const char *list, const char *word)
{
    for (struct slice rest = slice_of(list); rest.ptr;)
        if (slice_eq(slice_cut(&rest, ' '), word))
            return true;
    return false;
}

bool flag_is_for(enum flag flag, enum verb verb)
{
    return !flag_defs[flag].verbs || verb == VERB_NONE ||
           is_listed(flag_defs[flag].verbs, verb_defs[verb].name);
}

bool args_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value;
    if (!slice_to_u64(slice_of(text), &value) || value < min || value > max)
        return false;
    *out = (uint32_t)value;
    return true;
}
