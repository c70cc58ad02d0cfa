/*
 * main.c - finds the subcommand and runs it; without one, the terminal program. SIGPIPE ends
 * quietly: a closed pipe behind `shunt ask` is not an error worth a message.
 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

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

static int unknown_command(const char *name)
{
    const char *names[16];
    for (size_t i = 0; i < n_cmd_defs; i++)
        names[i] = cmd_defs[i].name;
    const char *nearest = conf_nearest(name, names, n_cmd_defs);
    fprintf(stderr, "shunt: no command \"%s\"%s%s%s\n", name,
            nearest ? "; did you mean \"" : "; shunt --help lists them", nearest ? nearest : "",
            nearest ? "\"?" : "");
    return EXIT_USAGE;
}

static int run(struct args *args)
{
    switch (args_next(args)) {
    case ARG_END:
        return cmd_tui(args);
    case ARG_HELP:
        return print_help(NULL);
    case ARG_BAD:
        fprintf(stderr, "shunt: %s\n", args->err.text);
        return EXIT_USAGE;
    case ARG_WORD:
        break;
    default:
        puts("shunt " SHUNT_VERSION);
        return EXIT_DONE;
    }
    const struct cmd_def *cmd = find_command(args->value);
    if (!cmd)
        return unknown_command(args->value);
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

int main(int argc, char **argv)
{
    static const struct flag_def flags[] = {{256, "version", NULL, "Print the version"}};
    choose_locale();
    signal(SIGPIPE, SIG_DFL);
    struct args args = {.argc = argc, .argv = argv, .i = 1, .flags = flags, .n_flags = 1};
    int code = run(&args);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "shunt: not everything could be written to standard output\n");
    return EXIT_FAILED;
}
