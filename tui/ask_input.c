/* ask_input.c - see ask_input.h. */
#include "tui/ask_input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/json.h"

#include "tui/args.h"
#include "tui/attachment.h"
#include "tui/cmd.h"

/* Session ids are shown as hexadecimal, by older versions without leading zeros: a word of that
 * form behind -c names a session, any other word belongs to the prompt. */
static bool is_session_id(const char *word)
{
    return strlen(word) >= 12 && strlen(word) <= 16 &&
           strspn(word, "0123456789abcdef") == strlen(word);
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
    if (!in->session && word && is_session_id(word)) {
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
        err_set(&args->err, ERR_USAGE, "--continue: %s is not a session id",
                in->session[0] ? in->session : "\"\"");
    return args->err.status == OK ? -1 : cmd_usage("ask", "%s", args->err.text);
}

/* A pipe or a file is read; a terminal, /dev/null and a closed descriptor are not. */
static bool stdin_has_text(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

static enum status add_stdin(struct ask_input *in, struct err *err)
{
    struct buf text;
    buf_init(&text, PROMPT_MAX_BYTES);
    char chunk[65536];
    ssize_t n;
    enum status status = OK;
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            status = err_set(err, ERR_CANCELLED, "interrupted while reading standard input");
        else if (n < 0)
            status = err_set(err, ERR_IO, "cannot read standard input: %s", strerror(errno));
        else if (!buf_add(&text, chunk, (size_t)n))
            status = err_set(err, ERR_USAGE, "standard input is larger than %u MB",
                    PROMPT_MAX_BYTES >> 20);
        if (status != OK)
            break;
    }
    if (status == OK && slice_trim(buf_slice(&text)).n)
        buf_printf(&in->prompt, "%s%s", in->prompt.n ? "\n\n" : "", buf_text(&text));
    buf_release(&text);
    return status;
}

static enum status attach_file(struct ask_input *in, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    return attachment_add(
            &in->prompt, slash ? slash + 1 : path, path, PROMPT_MAX_BYTES, err);
}

/* `content` is a string or a list of text parts. */
static enum status read_content(
        const struct json *content, struct buf *out, const char *path, struct err *err)
{
    if (json_text(content)) {
        buf_add_text(out, json_text(content));
        return OK;
    }
    for (const struct json *part = json_first(content); part; part = json_next(part)) {
        const char *type = json_get_text(part, "type"), *text = json_get_text(part, "text");
        if (!type || strcmp(type, "text") != 0 || !text)
            return err_set(err, ERR_UNSUPPORTED,
                    "%s: a message has a part of type \"%s\"; only text can be sent", path,
                    type ? type : "?");
        buf_add_text(out, text);
    }
    return OK;
}

static int find_role(const char *name)
{
    for (int role = 0; role <= MSG_ASSISTANT; role++)
        if (name && strcmp(name, message_role_name((enum message_role)role)) == 0)
            return role;
    return name && strcmp(name, "developer") == 0 ? MSG_SYSTEM : -1;
}

static enum status read_messages(
        struct ask_input *in, const struct json *messages, struct err *err)
{
    size_t n = json_count(messages), i = 0;
    in->earlier = arena_alloc(&in->arena, (n + 1) * sizeof *in->earlier);
    for (const struct json *m = json_first(messages); m; m = json_next(m), i++) {
        int role = find_role(json_get_text(m, "role"));
        if (role < 0 || json_get(m, "tool_calls"))
            return err_set(err, ERR_UNSUPPORTED,
                    "%s: messages[%zu] is a tool message; only system, user and assistant text "
                    "can be sent",
                    in->request_path, i);
        struct buf text;
        buf_init(&text, PROMPT_MAX_BYTES);
        enum status status = read_content(json_get(m, "content"), &text, in->request_path, err);
        if (status == OK && role == MSG_SYSTEM && !in->system)
            in->system = arena_strdup(&in->arena, buf_text(&text));
        else if (status == OK && i + 1 == n && role == MSG_USER)
            buf_printf(&in->prompt, "%s%s", in->prompt.n ? "\n\n" : "", buf_text(&text));
        else if (status == OK && role != MSG_SYSTEM)
            in->earlier[in->n_earlier++] = (struct chat_message){(enum message_role)role,
                    {arena_strndup(&in->arena, buf_text(&text), text.n), text.n}};
        buf_release(&text);
        if (status != OK)
            return status;
    }
    return OK;
}

static void read_stop(struct ask_input *in, const struct json *stop)
{
    const struct json *first = json_text(stop) ? stop : json_first(stop);
    for (const struct json *s = first; s && in->params.n_stop < STOP_MAX;
            s = json_text(stop) ? NULL : json_next(s))
        if (json_text(s))
            in->params.stop[in->params.n_stop++] =
                    slice_of(arena_strdup(&in->arena, json_text(s)));
}

/* Takes a sampling member. False: it is none. */
static bool read_param(struct ask_input *in, const struct json *member)
{
    struct gen_params *p = &in->params;
    const char *name = json_name(member);
    const struct {
        const char *name;
        float *value;
    } floats[] = {{"temperature", &p->temperature}, {"top_p", &p->top_p}, {"min_p", &p->min_p},
            {"presence_penalty", &p->presence_penalty},
            {"frequency_penalty", &p->frequency_penalty}};
    double number = 0;
    bool is_number = json_number(member, &number);
    for (size_t i = 0; i < ARRAY_LEN(floats); i++)
        if (strcmp(name, floats[i].name) == 0 && is_number) {
            *floats[i].value = (float)number;
            return true;
        }
    bool is_count = is_number && number >= 0 && number < UINT32_MAX;
    if (strcmp(name, "max_tokens") == 0 || strcmp(name, "max_completion_tokens") == 0)
        p->max_tokens = is_count ? (uint32_t)number : 0;
    else if (strcmp(name, "top_k") == 0)
        p->top_k = is_count ? (uint32_t)number : 0;
    else if (strcmp(name, "seed") == 0)
        p->seed = is_count ? (uint64_t)number : 0;
    else if (strcmp(name, "stop") == 0)
        read_stop(in, member);
    else
        return false;
    return true;
}

static enum status read_request(struct ask_input *in, struct err *err)
{
    static const char *const ours[] = {"messages", "model", "stream", "stream_options", "n"};
    struct buf text;
    enum status status = file_read(&text, in->request_path, PROMPT_MAX_BYTES, err);
    if (status != OK)
        return status;
    struct json *root = json_parse(buf_slice(&text));
    buf_release(&text);
    if (!json_is_object(root) || !json_is_array(json_get(root, "messages"))) {
        json_free(root);
        return err_set(err, ERR_FORMAT,
                "%s is not a request: a JSON object with \"messages\" is needed",
                in->request_path);
    }
    status = read_messages(in, json_get(root, "messages"), err);
    for (const struct json *m = json_first(root); m && status == OK; m = json_next(m)) {
        bool is_ours = false;
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
            is_ours |= strcmp(json_name(m), ours[i]) == 0;
        if (is_ours)
            continue;
        if (read_param(in, m)) {
            in->has_params = true;
            continue;
        }
        buf_add_text(&in->extra_json, in->extra_json.n ? "," : "");
        json_add_string(&in->extra_json, slice_of(json_name(m)));
        buf_add_text(&in->extra_json, ":");
        json_print(m, &in->extra_json);
    }
    json_free(root);
    return status;
}

enum status ask_input_complete(struct ask_input *in, struct err *err)
{
    enum status status = OK;
    if (in->request_path)
        status = read_request(in, err);
    if (in->max_tokens) /* the command line goes before the request */
        in->params.max_tokens = in->max_tokens;
    if (status == OK && !in->no_stdin && stdin_has_text())
        status = add_stdin(in, err);
    for (size_t i = 0; i < in->n_files && status == OK; i++)
        status = attach_file(in, in->files[i], err);
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
