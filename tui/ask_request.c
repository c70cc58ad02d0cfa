/*
 * ask_request.c - the OpenAI-shaped request of `shunt ask --request`. What it says is sent,
 * what cannot be sent is refused by its name, and nothing that it does not say is added.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "engine/json.h"

#include "tui/ask_input.h"

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
        if (role == MSG_SYSTEM && i > 0)
            return err_set(err, ERR_UNSUPPORTED,
                    "%s: messages[%zu] is a system message; only the first message can be one",
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

static enum status refuse(
        const struct ask_input *in, const char *name, const char *needed, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: \"%s\" needs %s", in->request_path, name, needed);
}

/* One text or a list of them. */
static enum status read_stop(struct ask_input *in, const struct json *stop, struct err *err)
{
    struct gen_params *p = &in->params;
    const struct json *s = json_is_array(stop) ? json_first(stop) : stop;
    for (; s; s = s == stop ? NULL : json_next(s)) {
        if (!json_text(s) || p->n_stop == STOP_MAX)
            return refuse(in, "stop", "at most 8 texts", err);
        p->stop[p->n_stop++] = slice_of(arena_strdup(&in->arena, json_text(s)));
    }
    return OK;
}

#define AT(member) offsetof(struct gen_params, member)
#define EXACT      9007199254740992.0 /* up to it a double holds every whole number */

static const struct param {
    const char *name;
    enum { PARAM_FLOAT, PARAM_U32, PARAM_U64 } type;
    unsigned given; /* see struct gen_params */
    size_t offset;
    double least, most; /* of a whole number */
    const char *needed;
} params[] = {
        {"temperature", PARAM_FLOAT, GIVEN_TEMPERATURE, AT(temperature), 0, 0, "a number"},
        {"top_p", PARAM_FLOAT, GIVEN_TOP_P, AT(top_p), 0, 0, "a number"},
        {"min_p", PARAM_FLOAT, GIVEN_MIN_P, AT(min_p), 0, 0, "a number"},
        {"presence_penalty", PARAM_FLOAT, GIVEN_PRESENCE_PENALTY, AT(presence_penalty), 0, 0,
                "a number"},
        {"frequency_penalty", PARAM_FLOAT, GIVEN_FREQUENCY_PENALTY, AT(frequency_penalty), 0, 0,
                "a number"},
        {"top_k", PARAM_U32, GIVEN_TOP_K, AT(top_k), 0, UINT32_MAX, "a whole number from 0"},
        {"seed", PARAM_U64, GIVEN_SEED, AT(seed), 0, EXACT, "a whole number from 0"},
        {"max_tokens", PARAM_U32, 0, AT(max_tokens), 1, UINT32_MAX, "a whole number from 1"},
        {"max_completion_tokens", PARAM_U32, 0, AT(max_tokens), 1, UINT32_MAX,
                "a whole number from 1"},
};

static enum status read_param(struct ask_input *in, const struct param *row,
        const struct json *value, struct err *err)
{
    void *out = (char *)&in->params + row->offset;
    double number;
    bool is_number = json_number(value, &number);
    bool is_whole =
            is_number && number >= row->least && number <= row->most && number == floor(number);
    if (row->type == PARAM_FLOAT ? !is_number : !is_whole)
        return refuse(in, row->name, row->needed, err);
    if (row->type == PARAM_FLOAT)
        *(float *)out = (float)number;
    else if (row->type == PARAM_U32)
        *(uint32_t *)out = (uint32_t)number;
    else
        *(uint64_t *)out = (uint64_t)number;
    in->params.given |= row->given;
    return OK;
}

static void pass_on(struct ask_input *in, const struct json *member)
{
    buf_add_text(&in->extra_json, in->extra_json.n ? "," : "");
    json_add_string(&in->extra_json, slice_of(json_name(member)));
    buf_add_text(&in->extra_json, ":");
    json_print(member, &in->extra_json);
}

/* null in place of a sampling member: as if it were not there. */
static enum status read_member(struct ask_input *in, const struct json *member, struct err *err)
{
    static const char *const ours[] = {"messages", "model", "stream", "stream_options", "n"};
    const char *name = json_name(member);
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcmp(name, ours[i]) == 0)
            return OK;
    for (size_t i = 0; i < ARRAY_LEN(params); i++)
        if (strcmp(name, params[i].name) == 0)
            return json_is_null(member) ? OK : read_param(in, &params[i], member, err);
    if (strcmp(name, "stop") == 0)
        return json_is_null(member) ? OK : read_stop(in, member, err);
    pass_on(in, member);
    return OK;
}

enum status ask_request_read(struct ask_input *in, struct err *err)
{
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
    for (const struct json *m = json_first(root); m && status == OK; m = json_next(m))
        status = read_member(in, m, err);
    json_free(root);
    return status;
}
