/*
 * cmd.h - the subcommands: one row each in subcommands.def, one file per command. A command
 * reads its own flags, loads the configuration if it needs it, and returns the exit status.
 * Answers go to stdout, everything else to stderr.
 */
#ifndef TUI_CMD_H
#define TUI_CMD_H

#include <stdio.h>

#include "tui/args.h"

struct config;
struct core;
struct fleet;
struct look;
struct store_command;

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,    /* no permitted endpoint */
    EXIT_INCOMPLETE = 4, /* the answer was cut */
    EXIT_INTERRUPTED = 130
};

struct subcommand_def {
    const char *name, *words, *help; /* help: a line, no full stop */
    int (*run)(struct args *args);
};
extern const struct subcommand_def subcommand_defs[SUB_COUNT]; /* EVERY and TUI are empty */

enum subcommand cmd_find(const char *name); /* SUB_EVERY: there is none */

int cmd_ask(struct args *args);
int cmd_route(struct args *args);
int cmd_model(struct args *args);
int cmd_bench(struct args *args);
int cmd_eval(struct args *args);
int cmd_keys(struct args *args);
int cmd_themes(struct args *args);
int cmd_doctor(struct args *args);
int cmd_fleet(struct args *args);
int cmd_top(struct args *args);
int cmd_help(struct args *args);
int cmd_version(struct args *args);
int cmd_tui(struct args *args);

/* The file of the local endpoint of this name, or the name itself: a path. */
const char *cmd_model_path(const struct config *config, const char *name);
/* Of a column that shows every endpoint's name whole, if it is not too long. */
int cmd_name_cols(const struct fleet *fleet);
/* Reads the heads of the local models' files: what cannot be loaded is faulty then. */
void cmd_look_at_models(struct core *core);
bool cmd_has_store(const struct config *config);
/* Moves one question to the database and waits; *answer is the command with its results and is
 * freed by the caller, whatever is returned. Where there is no database none is made, and
 * nothing is known. */
enum status cmd_ask_store(const struct config *config, struct store_command *command,
        struct store_command **answer, struct err *err) MUST_USE;
/* What `/theme` picked last is picked in `look` too. */
void cmd_restore_pick(struct look *look);
/* One line for a person; what a terminal must not see becomes spaces. */
void cmd_print_line(FILE *out, const char *fmt, ...) PRINTF(2, 3);
/* "shunt: …" on stderr; returns the exit status that fits. */
int cmd_fail(const struct err *err);
/* A GPU was asked for, and the model runs on the CPU: the sentence that says why on stderr. */
void cmd_note_cpu(const char *why_cpu);
/* "shunt NAME: …" on stderr, EXIT_USAGE. */
int cmd_usage(const char *name, const char *fmt, ...) PRINTF(2, 3);
/* The index of -e NAME; ERR_USAGE names those that there are. */
enum status cmd_find_endpoint(
        const struct fleet *fleet, const char *name, int *out, struct err *err) MUST_USE;
/* What args_next returned that ends parsing: prints the help or the mistake, returns the exit
 * status. */
int cmd_stop(const struct args *args, int what);
/* For one that takes neither words nor flags: -1, or the exit status when the command is to
 * end. */
int cmd_take_nothing(struct args *args);
/* "no command "x"" with the nearest one or, when it looks like one, how to ask a question. */
int cmd_unknown(const struct args *args, bool may_be_question);
/* The verb of this subcommand; VERB_NONE after a sentence on stderr that names those that there
 * are. word may be NULL. */
enum verb cmd_find_verb(const struct args *args, const char *word);
/* --help of one command, or of the program (SUB_TUI); returns EXIT_DONE. */
int cmd_print_help(enum subcommand subcommand);

#endif
