/* ask_input.c - see ask_input.h. */
#include "tui/ask_input.h"

#include <string.h>

#include "tui/args.h"
#include "tui/attachment.h"
#include "tui/cmd.h"
#include "tui/stdin_text.h"

/* Session ids are shown as hexadecimal, by older versions without leading zeros. */
static bool is_session_id(const char *word)
{
    return strlen(word) >= 12 && strlen(word) <= 16 &&
           strspn(word, "0123456789abcdef") == strlen(word);
}

/* A word of this form behind -c names a session, any other belongs to the prompt: an id that
 * was cut or typed in capitals must not be sent as a question to another session. */
static bool is_meant_as_id(const char *word)
{
    return strlen(word) >= 8 && strspn(word, "0123456789abcdefABCDEF") == strlen(word) &&
           strpbrk(word, "0123456789");
}

static void add_file(struct ask_input *in, const char *path)
{
    const char **grown = arena_alloc(&in->arena, (in->n_files + 1) * sizeof *grown);
    for (size_t i = 0; i < in->n_files; i++)
        grown[i] = in->files[i];
    grown[in->n_files++] = path;
    in->files = grown;
}

static void take_continue(struct ask_input *in, struct args *args)
{
    in->is_continue = true;
    in->session = args->value;
    const char *word = args_peek_word(args);
    if (!in->session && word && is_meant_as_id(word)) {
        in->session = word;
        args_skip_word(args);
    }
}

int ask_input_read_args(struct ask_input *in, struct args *args)
{
    *in = (struct ask_input){.params = gen_params_default()};
    buf_init(&in->prompt, PROMPT_MAX_BYTES);
    buf_init(&in->extra_json, PROMPT_MAX_BYTES);
    for (int id; (id = args_next(args)) != ARG_END;) {
        switch (id) {
        case ARG_WORD:
            buf_printf(&in->prompt, "%s%s", in->prompt.n ? " " : "", args->value);
            break;
        case FLAG_ASK_ENDPOINT:
            in->endpoint = args->value;
            break;
        case FLAG_ASK_SYSTEM:
            in->system = args->value;
            break;
        case FLAG_ASK_CONTINUE:
            take_continue(in, args);
            break;
        case FLAG_ASK_FILE:
            add_file(in, args->value);
            break;
        case FLAG_ASK_NO_STDIN:
            in->no_stdin = true;
            break;
        case FLAG_ASK_REQUEST:
            in->request_path = args->value;
            break;
        case FLAG_ASK_JSON:
            in->is_json = true;
            break;
        case FLAG_ASK_STATS:
            in->has_stats = true;
            break;
        case FLAG_ASK_MAX_TOKENS:
            if (!args_parse_u32(args->value, 1, UINT32_MAX, &in->max_tokens))
                err_set(&args->err, ERR_USAGE, "--max-tokens %s: a number from 1 is needed",
                        args->value);
            break;
        default:
            return cmd_stop(args, id);
        }
    }
    if (in->session && !is_session_id(in->session))
        err_set(&args->err, ERR_USAGE,
                "--continue: %s is not a session id (-c -- before a question that looks like one)",
                in->session[0] ? in->session : "\"\"");
    return args->err.status == OK ? -1 : cmd_usage("ask", "%s", args->err.text);
}

static enum status add_stdin(struct ask_input *in, struct err *err)
{
    struct buf text;
    buf_init(&text, PROMPT_MAX_BYTES);
    enum status status = stdin_read(&text, err);
    if (status == OK && slice_trim(buf_slice(&text)).n)
        buf_printf(&in->prompt, "%s%s", in->prompt.n ? "\n\n" : "", buf_text(&text));
    buf_release(&text);
    return status;
}

static enum status attach_file(struct ask_input *in, const char *path, struct err *err)
{
    return attachment_add(&in->prompt, path_name(path), path, PROMPT_MAX_BYTES, err);
}

enum status ask_input_complete(struct ask_input *in, struct err *err)
{
    enum status status = OK;
    if (in->request_path)
        status = ask_request_read(in, err);
    if (in->max_tokens) /* the command line goes before the request */
        in->params.max_tokens = in->max_tokens;
    if (status == OK && !in->no_stdin)
        status = add_stdin(in, err);
    for (size_t i = 0; i < in->n_files && status == OK; i++)
        status = attach_file(in, in->files[i], err);
    if (status == OK && in->prompt.is_cut)
        status = err_set(err, ERR_USAGE,
                "the prompt is larger than %u MB with standard input and the files",
                PROMPT_MAX_BYTES >> 20);
    if (status == OK && in->prompt.n == 0)
        status = err_set(err, ERR_USAGE,
                "nothing to ask: give a PROMPT, pipe text in, or attach a file with -f");
    return status;
}

void ask_input_release(struct ask_input *in)
{
    buf_release(&in->prompt);
    buf_release(&in->extra_json);
    arena_release(&in->arena);
}
