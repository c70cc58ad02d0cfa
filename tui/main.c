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

#include "engine/builtin.h"

#include "router/conf.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/pilot_bytes.h"

static int run(struct args *args)
{
    switch (args_next(args)) {
    case ARG_END:
        return cmd_tui(args);
    case ARG_HELP:
        return cmd_print_help(SUB_TUI);
    case ARG_BAD:
        fprintf(stderr, "shunt: %s (shunt --help tells more)\n", args->err.text);
        return EXIT_USAGE;
    case FLAG_TUI_VERSION:
        return cmd_version(args);
    }
    enum subcommand found = cmd_find(args->value);
    if (found == SUB_EVERY)
        return cmd_unknown(args, true);
    args->subcommand = found;
    return subcommand_defs[found].run(args);
}

/* The model that comes with the program, where the build had one. */
static void add_pilot(void)
{
#ifdef HAS_PILOT
    builtin_set_pilot((struct slice){pilot_begin, (size_t)(pilot_end - pilot_begin)});
#endif
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
    choose_locale();
    add_pilot();
    forbid_core_files();
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is treated like a full disk */
    struct args args = {.argc = argc, .argv = argv, .i = 1, .subcommand = SUB_TUI};
    int code = run(&args);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "shunt: not everything could be written to standard output\n");
    return EXIT_FAILED;
}
