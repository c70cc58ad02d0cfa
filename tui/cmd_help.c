/* cmd_help.c - `shunt help [COMMAND]` and --help, from the rows of subcommands.def. */
#include <stdio.h>
#include <string.h>

#include "engine/json.h"

#include "tui/cmd.h"
#include "tui/config.h"
#include "tui/help_search.h"
#include "tui/keys.h"
#include "tui/manual.h"
#include "tui/text.h"

#define HELP_COLS          79
#define FLAG_COLS          29
#define QUESTION_MAX_BYTES 4096

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

/* ---- what the help says to a question --------------------------------------------------- */

static void print_passage(const struct passage *passage)
{
    struct slice rest = slice_of(passage->text), line;
    printf("%s\n", passage->title);
    while (text_wrap(&rest, HELP_COLS - 2, &line))
        printf("  %.*s\n", (int)line.n, line.ptr);
}

static int print_found(struct help_search *search, const char *question)
{
    const struct passage *found[HELP_FOUND_MAX];
    struct err err;
    size_t n = help_search(search, question, NULL, found);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? "\n" : "", stdout);
        print_passage(found[i]);
    }
    if (n > 0)
        return EXIT_DONE;
    err_set(&err, ERR_NOT_FOUND,
            "the help has none of these words (shunt help shunt prints "
            "the manual)");
    return cmd_fail(&err);
}

static int print_passages(struct help_search *search)
{
    const struct passages *passages = help_search_passages(search);
    struct buf line;
    buf_init(&line, 1 << 16);
    for (size_t i = 0; i < passages->n; i++) {
        const struct passage *p = &passages->rows[i];
        buf_clear(&line);
        buf_add_text(&line, "{\"title\":");
        json_add_string(&line, slice_of(p->title));
        json_add_member_text(&line, "ask", p->ask);
        json_add_member_text(&line, "text", p->text);
        json_add_member_text(&line, "template", p->template);
        buf_printf(&line, ",\"is_row\":%s}", p->is_row ? "true" : "false");
        puts(buf_text(&line));
    }
    buf_release(&line);
    return EXIT_DONE;
}

/* Of one question, or of all passages (NULL), with the user's keys. */
static int search_help(const struct args *args, const char *question)
{
    struct config config;
    struct err err;
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    struct keymap *map = config_keymap(&config);
    struct help_search *search = help_search_new(map);
    config_print_warnings(&config);
    int code = question ? print_found(search, question) : print_passages(search);
    help_search_free(search);
    keymap_free(map);
    config_release(&config);
    return code;
}

/* Behind -s: the words of the question. */
static int take_question(struct args *args)
{
    struct buf question;
    int what;
    buf_init(&question, QUESTION_MAX_BYTES);
    do
        buf_printf(&question, "%s%s", question.n ? " " : "", args->value);
    while ((what = args_next(args)) == ARG_WORD);
    int code = what == ARG_END ? search_help(args, buf_text(&question)) : cmd_stop(args, what);
    buf_release(&question);
    return code;
}

/* ---- the command ------------------------------------------------------------------------ */

/* A page of the manual goes before a command of the same name, which has --help. */
static int print_about(struct args *args)
{
    struct slice page = manual_find(args->value);
    enum subcommand subcommand = cmd_find(args->value);
    if (!page.n && subcommand == SUB_EVERY)
        return cmd_unknown(args, false);
    int code = cmd_take_nothing(args);
    if (code >= 0)
        return code;
    return page.n ? print_page(page) : cmd_print_help(subcommand);
}

int cmd_help(struct args *args)
{
    int what = args_next(args), code;
    switch (what) {
    case ARG_END:
        return cmd_print_help(SUB_TUI);
    case ARG_WORD:
        return print_about(args);
    case FLAG_HELP_SEARCH:
        return take_question(args);
    case FLAG_HELP_PASSAGES:
        code = cmd_take_nothing(args);
        return code >= 0 ? code : search_help(args, NULL);
    default:
        return cmd_stop(args, what);
    }
}
