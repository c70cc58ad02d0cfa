/* cmd.c - the table of subcommands and the help that comes from it. */
#include "tui/cmd.h"

#include <stdio.h>
#include <string.h>

static const struct flag_def ask_flags[] = {
        {'e', "endpoint", "NAME", "Use exactly this endpoint: no choice, no fallback"},
        {'s', "system", "TEXT", "System prompt"},
        {'c', "continue", "[SESSION]", "Continue the newest session, or the one named"},
        {'f', "file", "FILE", "Attach a text file; may be given more than once"},
        {'n', "no-stdin", NULL, "Do not read standard input"},
        {256, "request", "FILE", "Take an OpenAI-shaped request from this file"},
        {257, "json", NULL, "Print one JSON object with the answer, usage and route"},
        {258, "stats", NULL, "Print times, tokens and cost to standard error"},
        {259, "max-tokens", "N",
                "Stop after so many tokens; default: no limit but the context"},
};
static const struct flag_def route_flags[] = {
        {'e', "endpoint", "NAME", "Decide as if this endpoint was asked for"},
        {257, "json", NULL, "Print the decision as JSON"},
};
static const struct flag_def model_flags[] = {
        {257, "json", NULL, "Print JSON"},
};
static const struct flag_def fleet_flags[] = {
        {256, "days", "N", "costs: so many days, today included (7)"},
        {257, "json", NULL, "Print JSON"},
};
static const struct flag_def top_flags[] = {
        {'b', "batch", NULL, "Print the view once, as text"},
        {256, "view", "VIEW", "fleet, router or experts (fleet)"},
        {257, "json", NULL, "Print JSON"},
        {258, "session", "ID", "experts: of this session's newest answer"},
};
static const struct flag_def eval_flags[] = {
        {256, "tokens", "1,2,3", "logits: the prompt as token ids"},
        {257, "pos", "P", "logits: rope position of the first token"},
        {258, "context", "N", "logits: tokens that the KV cache holds"},
        {259, "batch", "N", "logits: tokens that go through the model at a time"},
        {260, "top", "N", "logits: how many of the largest are printed (20)"},
        {261, "exact", NULL, "logits: float32 activations and KV cache"},
        {262, "kernel", "NAME", "logits: scalar or avx2"},
        {263, "backend", "NAME", "logits: cpu"},
        {264, "json", NULL, "logits: one JSON line per position"},
        {265, "plain", NULL, "tokens: no special tokens, no BOS"},
        {266, "detokenize", NULL, "tokens: ids as a JSON list to text"},
};

const struct cmd_def cmd_defs[] = {
        {"ask",
                "[-e ENDPOINT] [-s SYSTEM] [-c [SESSION]] [-f FILE]… [-n] [--request FILE] "
                "[--max-tokens N] [--json] [--stats] [PROMPT…]",
                "Get one answer through the router", ask_flags, ARRAY_LEN(ask_flags), cmd_ask},
        {"route", "[-e ENDPOINT] [--json] PROMPT…",
                "Decide and explain where a prompt would go; sends nothing", route_flags,
                ARRAY_LEN(route_flags), cmd_route},
        {"fleet", "list | probe [NAME…] | costs [--days N] [--json]",
                "List endpoints with health, latency and cost; ask whether they live",
                fleet_flags, ARRAY_LEN(fleet_flags), cmd_fleet},
        {"top", "-b [--view fleet|router|experts] [--session ID] [--json]",
                "Print a view as text, beside a running program", top_flags,
                ARRAY_LEN(top_flags), cmd_top},
        {"model", "list | info FILE [--json]", "List local models, describe one", model_flags,
                ARRAY_LEN(model_flags), cmd_model},
        {"eval",
                "logits FILE --tokens 1,2,3 [--pos P] [--context N] [--batch N] [--top N] "
                "[--exact] [--kernel K] --json | tokens FILE [--plain] [--detokenize] | "
                "quant TYPE | difficulty",
                "Look inside: logits, expert choices, token ids; quant decodes blocks from "
                "standard input to float32; difficulty reads JSON lines {\"prompt\":\"…\"} and "
                "prints how hard each is, 0 to 1",
                eval_flags, ARRAY_LEN(eval_flags), cmd_eval},
        {"keys", "", "List every key and what it does", NULL, 0, cmd_keys},
        {"doctor", "", "Check terminal, configuration, data, endpoints and models", NULL, 0,
                cmd_doctor},
};
const size_t n_cmd_defs = ARRAY_LEN(cmd_defs);

void cmd_print_line(FILE *out, const char *fmt, ...)
{
    char line[8192];
    va_list va;
    va_start(va, fmt);
    vsnprintf(line, sizeof line, fmt, va);
    va_end(va);
    line[utf8_whole(line, strlen(line))] = '\0';
    utf8_make_printable(line);
    fprintf(out, "%s\n", line);
}

int cmd_fail(const struct err *err)
{
    fprintf(stderr, "shunt: %s\n", err->text);
    return err->status == ERR_USAGE       ? EXIT_USAGE
           : err->status == ERR_CANCELLED ? EXIT_INTERRUPTED
                                          : EXIT_FAILED;
}

int cmd_usage(const char *name, const char *fmt, ...)
{
    va_list va;
    fprintf(stderr, "shunt %s: ", name);
    va_start(va, fmt);
    vfprintf(stderr, fmt, va);
    va_end(va);
    fprintf(stderr, " (shunt %s --help tells more)\n", name);
    return EXIT_USAGE;
}

int cmd_stop(const struct args *args, int what, const char *name)
{
    if (what != ARG_HELP)
        return cmd_usage(name, "%s", args->err.text);
    struct buf out;
    buf_init(&out, 1 << 16);
    cmd_print_help(name, &out);
    fputs(buf_text(&out), stdout);
    buf_release(&out);
    return EXIT_DONE;
}

enum status cmd_find_endpoint(
        const struct fleet *fleet, const char *name, int *out, struct err *err)
{
    struct buf names;
    *out = fleet_find(fleet, name);
    if (*out >= 0)
        return OK;
    buf_init(&names, ERR_TEXT_BYTES);
    for (int i = 0; i < fleet->n_endpoints; i++)
        buf_printf(&names, "%s %s", i ? "," : "", fleet->endpoints[i].conf->name);
    err_set(err, ERR_USAGE, "there is no endpoint \"%s\"; the configuration has:%s", name,
            names.n ? buf_text(&names) : " none");
    buf_release(&names);
    return ERR_USAGE;
}

static void print_program_help(struct buf *out)
{
    buf_add_text(out, "usage: shunt [OPTION…]                 chat in the terminal\n"
                      "       shunt COMMAND [OPTION…]\n\nCommands:\n");
    for (size_t i = 0; i < n_cmd_defs; i++)
        buf_printf(out, "  %-10s %s\n", cmd_defs[i].name, cmd_defs[i].help);
    buf_add_text(out, "\nOptions, before or after the command:\n");
    args_print_flags(global_flag_defs, n_global_flag_defs, out);
    buf_add_text(out, "      --version              Print the version\n\n"
                      "shunt help [COMMAND] and shunt version do the same.\n"
                      "shunt COMMAND --help tells more about one command.\n\n"
                      "Configuration, section [shunt]:\n");
    for (size_t i = 0; i < n_option_defs; i++)
        buf_printf(out, "  %-14s %s%s%s\n", option_defs[i].key, option_defs[i].help,
                option_defs[i].fallback[0] ? "; default " : "", option_defs[i].fallback);
    buf_add_text(out, "\nExit status: 0 done, 1 failed, 2 usage, 3 no permitted endpoint, "
                      "4 answer incomplete, 130 interrupted.\n");
}

void cmd_print_help(const char *name, struct buf *out)
{
    for (size_t i = 0; name && i < n_cmd_defs; i++) {
        const struct cmd_def *cmd = &cmd_defs[i];
        if (strcmp(cmd->name, name) != 0)
            continue;
        buf_printf(out, "usage: shunt %s%s%s\n\n%s.\n\n", cmd->name,
                cmd->synopsis[0] ? " " : "", cmd->synopsis, cmd->help);
        args_print_flags(cmd->flags, cmd->n_flags, out);
        args_print_flags(global_flag_defs, n_global_flag_defs, out);
        return;
    }
    print_program_help(out);
}
