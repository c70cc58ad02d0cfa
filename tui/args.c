/* args.c - see args.h. */
#include "tui/args.h"

#include <stdio.h>
#include <string.h>

#include "router/conf.h"

enum { FLAG_CONFIG = 1000, FLAG_DATA, FLAG_COLOR }; /* commands number theirs from 256 */

const struct flag_def global_flag_defs[] = {
        {FLAG_CONFIG, "config", "FILE", "Read this configuration file"},
        {FLAG_DATA, "data", "DIR", "Keep sessions and models in this folder"},
        {FLAG_COLOR, "color", "WHEN", "Colours: auto, never, 16, 256 or rgb"},
        {'h', "help", NULL, "Show this help"},
};
const size_t n_global_flag_defs = ARRAY_LEN(global_flag_defs);

static const struct flag_def *find_long(const struct args *args, const char *name, size_t n)
{
    for (size_t i = 0; i < args->n_flags + n_global_flag_defs; i++) {
        const struct flag_def *flag =
                i < args->n_flags ? &args->flags[i] : &global_flag_defs[i - args->n_flags];
        if (flag->name && strlen(flag->name) == n && memcmp(flag->name, name, n) == 0)
            return flag;
    }
    return NULL;
}

static const struct flag_def *find_short(const struct args *args, char letter)
{
    for (size_t i = 0; i < args->n_flags; i++)
        if (args->flags[i].id == letter)
            return &args->flags[i];
    return letter == 'h' ? &global_flag_defs[n_global_flag_defs - 1] : NULL;
}

static int bad_flag(struct args *args, const char *word)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < args->n_flags && n < ARRAY_LEN(names); i++)
        if (args->flags[i].name)
            names[n++] = args->flags[i].name;
    for (size_t i = 0; i < n_global_flag_defs && n < ARRAY_LEN(names); i++)
        names[n++] = global_flag_defs[i].name;
    char name[64];
    int n_name = (int)strcspn(word, "="); /* --colour=never: the value is not what is unknown */
    snprintf(name, sizeof name, "%.*s", n_name, word);
    const char *nearest = conf_nearest(name + strspn(name, "-"), names, n);
    err_set(&args->err, ERR_USAGE, "unknown option %.*s%s%s%s", n_name, word,
            nearest ? ": did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "");
    return ARG_BAD;
}

/* Gives the flag its value: `inlined` is what stands behind `=` or behind a short letter. */
static int take_flag(struct args *args, const struct flag_def *flag, const char *inlined)
{
    args->value = inlined;
    if (flag->argument && flag->argument[0] != '[' && !inlined) {
        if (args->i >= args->argc) {
            err_set(&args->err, ERR_USAGE, "option --%s needs a value: %s", flag->name,
                    flag->argument);
            return ARG_BAD;
        }
        args->value = args->argv[args->i++];
    }
    switch (flag->id) {
    case FLAG_CONFIG:
        args->globals.config = args->value;
        return args_next(args);
    case FLAG_DATA:
        args->globals.data = args->value;
        return args_next(args);
    case FLAG_COLOR:
        args->globals.color = args->value;
        return args_next(args);
    case 'h':
        return ARG_HELP;
    default:
        return flag->id;
    }
}

static int take_short(struct args *args, const char *letters)
{
    const struct flag_def *flag = find_short(args, letters[0]);
    char word[3] = {'-', letters[0], '\0'};
    if (!flag)
        return bad_flag(args, word);
    const char *behind = letters[1] ? letters + 1 : NULL;
    if (behind && flag->argument && flag->argument[0] == '[' && behind[0] == '=')
        behind++; /* -c=ID, as --continue=ID */
    args->rest = flag->argument ? NULL : behind;
    return take_flag(args, flag, flag->argument ? behind : NULL);
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
    const struct flag_def *flag = find_long(args, word + 2, n);
    const char *inlined = word[2 + n] == '=' ? word + 3 + n : NULL;
    if (!flag)
        return bad_flag(args, word);
    if (inlined && !flag->argument) {
        err_set(&args->err, ERR_USAGE, "option --%s takes no value", flag->name);
        return ARG_BAD;
    }
    return take_flag(args, flag, inlined);
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

void args_print_flags(const struct flag_def *flags, size_t n_flags, struct buf *out)
{
    for (size_t i = 0; i < n_flags; i++) {
        char left[64];
        const struct flag_def *f = &flags[i];
        int n = f->id < 256 ? snprintf(left, sizeof left, "  -%c", f->id)
                            : snprintf(left, sizeof left, "    ");
        if (f->name)
            n += snprintf(left + n, sizeof left - (size_t)n, "%s--%s",
                    f->id < 256 ? ", " : "  ", f->name);
        if (f->argument)
            snprintf(left + n, sizeof left - (size_t)n, " %s", f->argument);
        buf_printf(out, "%-28s %s\n", left, f->help);
    }
}

bool args_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value;
    if (!slice_to_u64(slice_of(text), &value) || value < min || value > max)
        return false;
    *out = (uint32_t)value;
    return true;
}
