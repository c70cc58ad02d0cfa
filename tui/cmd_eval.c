/* cmd_eval.c - `shunt eval`: checks its flags and lets the engine or the router do the work. */
#include <stdio.h>
#include <string.h>

#include "engine/eval_logits.h"
#include "engine/eval_quant.h"
#include "engine/eval_tokens.h"
#include "engine/json.h"

#include "router/difficulty.h"
#include "router/question.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/config.h"

#define LINE_MAX_BYTES (64u << 20)

struct eval_args {
    const char *what, *path, *tokens;
    uint32_t pos, context, batch, top;
    const char *kernel;
    struct backend_choice backend;
    bool exact, json, plain, detokenize;
};

static bool parse_count(const char *text, uint32_t min, uint32_t *out, const char *flag)
{
    if (args_parse_u32(text, min, UINT32_MAX - 1, out))
        return true;
    cmd_usage("eval", "--%s %s is not a number", flag, text);
    return false;
}

/* Returns -1 when all was read, else the exit status. */
static int read_args(struct args *args, struct eval_args *e)
{
    for (int id; (id = args_next(args)) != ARG_END;) {
        bool ok = true;
        switch (id) {
        case ARG_WORD:
            if (e->path)
                return cmd_usage("eval", "one file at a time: %s", args->value);
            *(e->what ? &e->path : &e->what) = args->value;
            break;
        case FLAG_EVAL_IDS:
            e->tokens = args->value;
            break;
        case FLAG_EVAL_POS:
            ok = parse_count(args->value, 0, &e->pos, "pos");
            break;
        case FLAG_EVAL_CONTEXT:
            ok = parse_count(args->value, 1, &e->context, "context");
            break;
        case FLAG_EVAL_BATCH:
            ok = parse_count(args->value, 1, &e->batch, "batch");
            break;
        case FLAG_EVAL_TOP:
            ok = parse_count(args->value, 1, &e->top, "top");
            break;
        case FLAG_EVAL_EXACT:
            e->exact = true;
            break;
        case FLAG_EVAL_KERNEL:
            e->kernel = args->value;
            break;
        case FLAG_EVAL_JSON:
            e->json = true;
            break;
        case FLAG_EVAL_PLAIN:
            e->plain = true;
            break;
        case FLAG_EVAL_DETOKENIZE:
            e->detokenize = true;
            break;
        default:
            return cmd_stop(args, id);
        }
        if (!ok)
            return EXIT_USAGE;
    }
    return -1;
}

static int run_logits(const struct eval_args *e)
{
    if (!e->tokens)
        return cmd_usage("eval", "logits needs --tokens 1,2,3");
    struct err err;
    if (backend_check(&e->backend, &err) != OK)
        return cmd_fail(&err);
    size_t cap = strlen(e->tokens) / 2 + 1, n = 0;
    int32_t *tokens = mem_alloc(cap * sizeof *tokens);
    for (struct slice rest = slice_of(e->tokens); rest.ptr;) {
        uint64_t id;
        struct slice word = slice_trim(slice_cut(&rest, ','));
        if (!slice_to_u64(word, &id) || id > INT32_MAX) {
            mem_free(tokens);
            return cmd_usage(
                    "eval", "--tokens: \"%.*s\" is not a token id", (int)word.n, word.ptr);
        }
        tokens[n++] = (int32_t)id;
    }
    struct eval_logits_config cfg = {.path = e->path,
            .tokens = tokens,
            .n_tokens = n,
            .pos = e->pos,
            .context_tok = e->context,
            .batch_tok = e->batch,
            .n_top = e->top,
            .is_exact = e->exact,
            .backend = e->backend,
            .note = cmd_note_cpu};
    enum status status = eval_logits(&cfg, stdout, &err);
    mem_free(tokens);
    return status == OK ? EXIT_DONE : cmd_fail(&err);
}

/* False at the end of the input. */
static bool read_line(FILE *in, struct buf *line)
{
    int c;
    buf_clear(line);
    while ((c = getc(in)) != EOF && c != '\n')
        buf_add(line, &(char){(char)c}, 1);
    return c != EOF || line->n > 0;
}

static enum status print_difficulty(const struct buf *line, size_t number, struct err *err)
{
    struct json *root = line->is_cut ? NULL : json_parse(buf_slice(line));
    const char *prompt = json_get_text(root, "prompt");
    if (prompt) {
        struct question question;
        question_read(&question, slice_of(prompt));
        printf("%.6f\n", (double)difficulty_of(&question));
    }
    json_free(root);
    return prompt ? OK
                  : err_set(err, ERR_FORMAT,
                            "line %zu of the input is not a JSON object with a text \"prompt\"",
                            number);
}

static int run_difficulty(const struct eval_args *e)
{
    struct buf line;
    struct err err;
    enum status status = OK;
    (void)e;
    buf_init(&line, LINE_MAX_BYTES);
    for (size_t number = 1; status == OK && read_line(stdin, &line); number++)
        status = print_difficulty(&line, number, &err);
    if (status == OK && ferror(stdin))
        status = err_set(&err, ERR_IO, "cannot read standard input");
    buf_release(&line);
    return status == OK ? EXIT_DONE : cmd_fail(&err);
}

static int run_tokens(const struct eval_args *e)
{
    struct err err;
    return eval_tokens(e->path, e->plain, e->detokenize, stdin, stdout, &err) == OK
                   ? EXIT_DONE
                   : cmd_fail(&err);
}

static int run_quant(const struct eval_args *e)
{
    struct err err;
    return eval_quant(e->path, stdin, stdout, &err) == OK ? EXIT_DONE : cmd_fail(&err);
}

static int (*const runs[VERB_COUNT])(const struct eval_args *e) = {
        [VERB_EVAL_LOGITS] = run_logits,
        [VERB_EVAL_TOKENS] = run_tokens,
        [VERB_EVAL_QUANT] = run_quant,
        [VERB_EVAL_DIFFICULTY] = run_difficulty,
};

int cmd_eval(struct args *args)
{
    struct eval_args e = {.top = 20};
    int code = read_args(args, &e);
    if (code >= 0)
        return code;
    e.backend = config_backend_of_flags(&args->globals);
    e.backend.kernel = e.kernel;
    enum verb verb = cmd_find_verb(args, e.what);
    if (verb == VERB_NONE)
        return EXIT_USAGE;
    const char *words = verb_defs[verb].words;
    if (words[0] && !e.path)
        return cmd_usage("eval", "%s needs a %s", e.what, words);
    if (!words[0] && e.path)
        return cmd_usage("eval", "%s reads standard input, not %s", e.what, e.path);
    return runs[verb](&e);
}
