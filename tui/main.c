/*
 * main.c - finds the subcommand and runs it; without one, the terminal program. SIGPIPE ends
 * quietly: a closed pipe behind `shunt ask` is not an error worth a message.
 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tui/cmd.h"

static int print_help(const char *name)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    cmd_print_help(name, &out);
    fputs(buf_text(&out), stdout);
    buf_release(&out);
    return EXIT_DONE;
}

static const struct cmd_def *find_command(const char *name)
{
    for (size_t i = 0; i < n_cmd_defs; i++)
        if (strcmp(cmd_defs[i].name, name) == 0)
            return &cmd_defs[i];
    return NULL;
}

/* `shunt what is a shunt`: most likely a question. Quotes that keep it whole in a shell. */
static void suggest_ask(const struct args *args, struct buf *out)
{
    struct buf words;
    buf_init(&words, ERR_TEXT_BYTES / 2);
    for (int i = args->i - 1; i < args->argc; i++)
        buf_printf(&words, "%s%s", words.n ? " " : "", args->argv[i]);
    const char *quote = strpbrk(buf_text(&words), "\"$`\\!") ? "'" : "\"";
    if (words.is_cut || strstr(buf_text(&words), quote))
        buf_add_text(out, "; shunt ask PROMPT asks a question");
    else
        buf_printf(
                out, "; to ask a question: shunt ask %s%s%s", quote, buf_text(&words), quote);
    buf_release(&words);
}

static int unknown_command(const struct args *args, bool may_be_question)
{
    const char *names[16];
    struct buf text;
    struct err err;
    for (size_t i = 0; i < n_cmd_defs; i++)
        names[i] = cmd_defs[i].name;
    const char *nearest = conf_nearest(args->value, names, n_cmd_defs);
    buf_init(&text, ERR_TEXT_BYTES);
    buf_printf(&text, "no command \"%s\"", args->value);
    if (nearest)
        buf_printf(&text, ": did you mean \"%s\"?", nearest);
    else if (may_be_question)
        suggest_ask(args, &text);
    err_set(&err, ERR_USAGE, "%s (shunt --help lists the commands)", buf_text(&text));
    buf_release(&text);
    return cmd_fail(&err);
}

static int run_help(struct args *args)
{
    int what = args_next(args);
    if (what == ARG_WORD && !find_command(args->value))
        return unknown_command(args, false);
    if (what == ARG_BAD)
        return cmd_stop(args, what, "help");
    return print_help(what == ARG_WORD ? args->value : NULL);
}

static int print_version(void)
{
    puts("shunt " SHUNT_VERSION);
    return EXIT_DONE;
}

static int run(struct args *args)
{
    switch (args_next(args)) {
    case ARG_END:
        return cmd_tui(args);
    case ARG_HELP:
        return print_help(NULL);
    case ARG_BAD:
        fprintf(stderr, "shunt: %s (shunt --help tells more)\n", args->err.text);
        return EXIT_USAGE;
    case ARG_WORD:
        break;
    default:
        return print_version();
    }
    if (strcmp(args->value, "help") == 0)
        return run_help(args);
    if (strcmp(args->value, "version") == 0)
        return print_version();
    const struct cmd_def *cmd = find_command(args->value);
    if (!cmd)
        return unknown_command(args, true);
    args->flags = cmd->flags;
    args->n_flags = cmd->n_flags;
    return cmd->run(args);
}

/* No locale, or one that is not installed, says nothing about the terminal: nearly all speak
 * UTF-8. A locale that names another character set is believed. */
static void choose_locale(void)
{
    bool is_set = setlocale(LC_CTYPE, "") != NULL;
    if (!is_set || strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* A core file would hold the keys. 1 byte is too small for any, and unlike 0 also tells the
 * kernel not to start the program that collects them. */
static void forbid_core_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max > 0) {
        limit.rlim_cur = 1;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

int main(int argc, char **argv)
{
    static const struct flag_def flags[] = {{256, "version", NULL, "Print the version"}};
    choose_locale();
    forbid_core_files();
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is treated like a full disk */
    struct args args = {.argc = argc, .argv = argv, .i = 1, .flags = flags, .n_flags = 1};
    int code = run(&args);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "shunt: not everything could be written to standard output\n");
    return EXIT_FAILED;
}
