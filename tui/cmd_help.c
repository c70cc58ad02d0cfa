/* cmd_help.c - `shunt help [COMMAND]` and --help, from the rows of subcommands.def. */
#include <stdio.h>
#include <string.h>

#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/manual.h"
#include "tui/text.h"

#define HELP_COLS 79
#define FLAG_COLS 29

/* A word of the usage line, on a new line when it does not fit. */
static void add_word(struct buf *out, size_t *col, size_t indent, const char *word)
{
    size_t n = (size_t)text_width(slice_of(word));
    if (*col + 1 + n > HELP_COLS) {
        buf_printf(out, "\n%*s", (int)indent, "");
        *col = indent;
    }
    buf_printf(out, " %s", word);
    *col += 1 + n;
}

static void print_flag_usage(const struct flag_def *f, char out[96])
{
    char name[64], letter[] = {'-', f->letter, '\0'};
    snprintf(name, sizeof name, "%s%s%s%s", f->letter ? letter : "--", f->letter ? "" : f->name,
            f->argument ? " " : "", f->argument ? f->argument : "");
    snprintf(out, 96, f->use == FLAG_NEEDED ? "%s%s" : "[%s]%s", name,
            f->use == FLAG_REPEATED ? "\xE2\x80\xA6" : "");
}

static void print_usage_line(enum subcommand subcommand, enum verb verb, struct buf *out)
{
    const char *name = subcommand_defs[subcommand].name;
    const char *words =
            verb == VERB_NONE ? subcommand_defs[subcommand].words : verb_defs[verb].words;
    char text[96];
    size_t col = strlen("usage: shunt"), indent = col + 1 + strlen(name);
    add_word(out, &col, indent, name);
    if (verb != VERB_NONE)
        add_word(out, &col, indent, verb_defs[verb].name);
    for (int i = 0; i < FLAG_COUNT; i++) {
        if (flag_defs[i].subcommand != subcommand || !flag_is_for((enum flag)i, verb))
            continue;
        print_flag_usage(&flag_defs[i], text);
        add_word(out, &col, indent, text);
    }
    if (words[0])
        add_word(out, &col, indent, words);
    buf_add_text(out, "\n");
}

/* "usage: shunt …", a line for each verb. */
static void print_usage(enum subcommand subcommand, struct buf *out)
{
    bool has_verbs = false;
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++) {
        if (verb_defs[i].subcommand != subcommand)
            continue;
        buf_add_text(out, has_verbs ? "       shunt" : "usage: shunt");
        print_usage_line(subcommand, (enum verb)i, out);
        has_verbs = true;
    }
    if (has_verbs)
        return;
    buf_add_text(out, "usage: shunt");
    print_usage_line(subcommand, VERB_NONE, out);
}

static void print_verbs(enum subcommand subcommand, struct buf *out)
{
    size_t n_before = out->n;
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++)
        if (verb_defs[i].subcommand == subcommand)
            buf_printf(out, "  %-10s  %s\n", verb_defs[i].name, verb_defs[i].help);
    if (out->n > n_before)
        buf_add_text(out, "\n");
}

/* What does not fit before the column of helps has its help on the next line. */
static void print_flag(const struct flag_def *f, struct buf *out)
{
    char left[64];
    int n = f->letter ? snprintf(left, sizeof left, "  -%c, --%s", f->letter, f->name)
                      : snprintf(left, sizeof left, "      --%s", f->name);
    if (f->argument)
        n += snprintf(left + n, sizeof left - (size_t)n, " %s", f->argument);
    buf_printf(out, "%s%s%*s%s", left, n < FLAG_COLS ? "" : "\n",
            n < FLAG_COLS ? FLAG_COLS - n : FLAG_COLS, "", f->help);
    buf_printf(out, f->verbs ? " (%s)\n" : "\n", f->verbs);
}

static void print_flags(enum subcommand subcommand, struct buf *out)
{
    for (int i = 0; i < FLAG_COUNT; i++)
        if (flag_defs[i].subcommand == subcommand)
            print_flag(&flag_defs[i], out);
}

static void print_program_help(struct buf *out)
{
    buf_add_text(out, "usage: shunt [OPTION…]                 chat in the terminal\n"
                      "       shunt COMMAND [OPTION…]\n\nCommands:\n");
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++)
        buf_printf(out, "  %-10s %s\n", subcommand_defs[i].name, subcommand_defs[i].help);
    buf_add_text(out, "\nOptions, before or after the command:\n");
    print_flags(SUB_EVERY, out);
    print_flags(SUB_TUI, out);
    buf_add_text(out, "\nshunt COMMAND --help tells more about one command.\n\n"
                      "Configuration, section [shunt]:\n");
    for (size_t i = 0; i < n_option_defs; i++)
        buf_printf(out, "  %-15s %s%s%s\n", option_defs[i].key, option_defs[i].help,
                option_defs[i].fallback[0] ? "; default " : "", option_defs[i].fallback);
    buf_add_text(out, "\nExit status: 0 done, 1 failed, 2 usage, 3 no permitted endpoint, "
                      "4 answer incomplete, 130 interrupted.\n");
}

static void print_help(enum subcommand subcommand, struct buf *out)
{
    if (subcommand == SUB_TUI) {
        print_program_help(out);
        return;
    }
    print_usage(subcommand, out);
    buf_printf(out, "\n%s.\n\n", subcommand_defs[subcommand].help);
    print_verbs(subcommand, out);
    size_t n_before = out->n;
    print_flags(subcommand, out);
    if (out->n > n_before)
        buf_add_text(out, "\n");
    print_flags(SUB_EVERY, out);
}

int cmd_print_help(enum subcommand subcommand)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    print_help(subcommand, &out);
    fputs(buf_text(&out), stdout);
    buf_release(&out);
    return EXIT_DONE;
}

static int print_page(struct slice page)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    manual_print(page, HELP_COLS, &out);
    fputs(buf_text(&out), stdout);
    buf_release(&out);
    return EXIT_DONE;
}

/* A page of the manual goes before a command of the same name, which has --help. */
int cmd_help(struct args *args)
{
    int what = args_next(args);
    if (what == ARG_END)
        return cmd_print_help(SUB_TUI);
    if (what != ARG_WORD)
        return cmd_stop(args, what);
    struct slice page = manual_find(args->value);
    enum subcommand subcommand = cmd_find(args->value);
    if (!page.n && subcommand == SUB_EVERY)
        return cmd_unknown(args, false);
    int code = cmd_take_nothing(args);
    if (code >= 0)
        return code;
    return page.n ? print_page(page) : cmd_print_help(subcommand);
}
