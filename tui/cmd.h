/*
 * cmd.h - the subcommands: one row each in cmd.c, one file per command. A command reads its own
 * flags, loads the configuration if it needs it, and returns the exit status. Answers go to
 * stdout, everything else to stderr.
 */
#ifndef TUI_CMD_H
#define TUI_CMD_H

#include <stdio.h>

#include "tui/args.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,    /* no permitted endpoint */
    EXIT_INCOMPLETE = 4, /* the answer was cut */
    EXIT_INTERRUPTED = 130
};

struct cmd_def {
    const char *name, *synopsis, *help; /* help: a line, no full stop */
    const struct flag_def *flags;
    size_t n_flags;
    int (*run)(struct args *args);
};

extern const struct cmd_def cmd_defs[];
extern const size_t n_cmd_defs;

int cmd_ask(struct args *args);
int cmd_route(struct args *args);
int cmd_model(struct args *args);
int cmd_eval(struct args *args);
int cmd_keys(struct args *args);
int cmd_doctor(struct args *args);
int cmd_fleet(struct args *args);
int cmd_top(struct args *args);
int cmd_tui(struct args *args);

/* Moves one command to the database and waits; *answer is the command with its results and is
 * freed by the caller, whatever is returned. */
enum status cmd_ask_store(const struct config *config, struct stored *command,
        struct stored **answer, struct err *err) MUST_USE;
/* One line for a person; what a terminal must not see becomes spaces. */
void cmd_print_line(FILE *out, const char *fmt, ...) PRINTF(2, 3);
/* "shunt: …" on stderr; returns the exit status that fits. */
int cmd_fail(const struct err *err);
/* "shunt NAME: …" on stderr, EXIT_USAGE. */
int cmd_usage(const char *name, const char *fmt, ...) PRINTF(2, 3);
/* The index of -e NAME; ERR_USAGE names those that there are. */
enum status cmd_find_endpoint(
        const struct fleet *fleet, const char *name, int *out, struct err *err) MUST_USE;
/* What args_next returned that ends parsing: prints the help or the mistake, returns the exit
 * status. */
int cmd_stop(const struct args *args, int what, const char *name);
/* --help of one command, or of the program when name is NULL. */
void cmd_print_help(const char *name, struct buf *out);

#endif
