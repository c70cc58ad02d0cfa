/* cmd.c - the table of subcommands, and what several of them need. */
#include "tui/cmd.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "router/conf.h"
#include "router/core.h"
#include "router/endpoint.h"
#include "router/model_file.h"

#include "tui/text.h"

const struct subcommand_def subcommand_defs[SUB_COUNT] = {
#define SUBCOMMAND(id, name, run, words, help) [SUB_##id] = {name, words, help, run},
#include "tui/subcommands.def"
};

enum subcommand cmd_find(const char *name)
{
    int i = SUB_TUI + 1;
    while (i < SUB_COUNT && strcmp(subcommand_defs[i].name, name) != 0)
        i++;
    return i < SUB_COUNT ? (enum subcommand)i : SUB_EVERY;
}

/* 0: it is no terminal, and lines stay whole. */
static int terminal_cols(FILE *out)
{
    struct winsize size = {0};
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Where the last column in the left half begins: below it goes on what is too long. */
static int hanging_cols(struct slice line, int n_cols)
{
    size_t at = 0;
    for (size_t i = 2; i < line.n && i < (size_t)n_cols / 2; i++)
        if (line.ptr[i - 2] == ' ' && line.ptr[i - 1] == ' ' && line.ptr[i] != ' ')
            at = i;
    return text_width((struct slice){line.ptr, at});
}

static void print_wrapped(FILE *out, struct slice line, int n_cols)
{
    struct slice part;
    int hanging = hanging_cols(line, n_cols), indent = 0;
    for (; text_wrap(&line, n_cols - indent, &part); indent = hanging)
        fprintf(out, "%*s%.*s\n", indent, "", (int)part.n, part.ptr);
}

void cmd_print_line(FILE *out, const char *fmt, ...)
{
    char line[8192];
    va_list va;
    va_start(va, fmt);
    vsnprintf(line, sizeof line, fmt, va);
    va_end(va);
    line[utf8_whole(line, strlen(line))] = '\0';
    utf8_make_printable(line);
    int n_cols = terminal_cols(out);
    if (n_cols && text_width(slice_of(line)) > n_cols)
        print_wrapped(out, slice_of(line), n_cols);
    else
        fprintf(out, "%s\n", line);
}

#define NAME_MOST_COLS 40

int cmd_name_cols(const struct fleet *fleet)
{
    int most = 16;
    for (int i = 0; i < fleet->n_endpoints; i++) {
        int n = text_width(slice_of(fleet->endpoints[i].conf->name));
        most = n > most ? n : most;
    }
    return most < NAME_MOST_COLS ? most : NAME_MOST_COLS;
}

int cmd_fail(const struct err *err)
{
    fprintf(stderr, "shunt: %s\n", err->text);
    return err->status == ERR_USAGE       ? EXIT_USAGE
           : err->status == ERR_CANCELLED ? EXIT_INTERRUPTED
                                          : EXIT_FAILED;
}

void cmd_note_cpu(const char *why_cpu)
{
    fprintf(stderr, "shunt: running on the CPU: %s\n", why_cpu);
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

int cmd_unknown(const struct args *args, bool may_be_question)
{
    const char *names[SUB_COUNT];
    size_t n = 0;
    struct buf text;
    struct err err;
    for (int i = SUB_TUI + 1; i < SUB_COUNT; i++)
        if (i != SUB_HELP) /* "hello" is near to it */
            names[n++] = subcommand_defs[i].name;
    const char *nearest = conf_nearest(args->value, names, n);
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

int cmd_stop(const struct args *args, int what)
{
    return what == ARG_HELP
                   ? cmd_print_help(args->subcommand)
                   : cmd_usage(subcommand_defs[args->subcommand].name, "%s", args->err.text);
}

enum verb cmd_find_verb(const struct args *args, const char *word)
{
    const char *names[VERB_COUNT], *name = subcommand_defs[args->subcommand].name;
    size_t n = 0;
    struct buf all;
    buf_init(&all, ERR_TEXT_BYTES);
    for (int i = VERB_NONE + 1; i < VERB_COUNT; i++) {
        if (verb_defs[i].subcommand != args->subcommand)
            continue;
        if (word && strcmp(verb_defs[i].name, word) == 0) {
            buf_release(&all);
            return (enum verb)i;
        }
        buf_printf(&all, "%s%s", n ? ", " : "", verb_defs[i].name);
        names[n++] = verb_defs[i].name;
    }
    const char *nearest = word ? conf_nearest(word, names, n) : NULL;
    if (nearest)
        cmd_usage(name, "no \"%s\": did you mean \"%s\"?", word, nearest);
    else if (word)
        cmd_usage(name, "no \"%s\": there is %s", word, buf_text(&all));
    else
        cmd_usage(name, "say what: %s", buf_text(&all));
    buf_release(&all);
    return VERB_NONE;
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

int cmd_take_nothing(struct args *args)
{
    int what = args_next(args);
    if (what == ARG_WORD)
        return cmd_usage(subcommand_defs[args->subcommand].name, "takes no words");
    return what == ARG_END ? -1 : cmd_stop(args, what);
}

int cmd_version(struct args *args)
{
    int code = cmd_take_nothing(args);
    if (code >= 0)
        return code;
    puts("shunt " SHUNT_VERSION);
    return EXIT_DONE;
}

void cmd_look_at_models(struct core *core)
{
    for (int i = 0; i < core->fleet.n_endpoints; i++) {
        const struct endpoint_conf *conf = core->fleet.endpoints[i].conf;
        if (!conf->enabled || conf->kind != PROVIDER_LOCAL || conf->fault)
            continue;
        struct event event = {.kind = EV_MODEL_FILE};
        event.u.file = model_file_new(i, conf->model);
        model_facts_read(
                &event.u.file->facts, conf->model, conf->context_tok, (int)conf->slots);
        core_apply(core, &event);
    }
}
