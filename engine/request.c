/* request.c - see request.h and event.h: names, defaults, and what frees what they carry. */
#include "engine/request.h"

#include "engine/event.h"

const char *finish_reason_name(enum finish_reason reason)
{
    static const char *const names[FINISH_REASON_COUNT] = {
            [FINISH_STOP] = "stop",
            [FINISH_LENGTH] = "length",
            [FINISH_TOOL_CALLS] = "tool_calls",
            [FINISH_CONTENT_FILTER] = "content_filter",
            [FINISH_ERROR] = "error",
    };
    return names[reason];
}

const char *message_role_name(enum message_role role)
{
    static const char *const names[MESSAGE_ROLE_COUNT] = {
            [MSG_SYSTEM] = "system",
            [MSG_USER] = "user",
            [MSG_ASSISTANT] = "assistant",
            [MSG_TOOL] = "tool",
    };
    return names[role];
}

void tool_call_free(struct tool_call *call)
{
    if (!call)
        return;
    mem_free(call->id);
    mem_free(call->name);
    mem_free(call->arguments);
    mem_free(call);
}

struct gen_params gen_params_default(void)
{
    return (struct gen_params){
            .temperature = 0.7f,
            .top_k = 40,
            .top_p = 0.95f,
            .min_p = 0.05f,
            .repeat_last_n = 64,
    };
}

struct request *request_new(uint32_t id)
{
    struct arena arena = {0};
    struct request *request = arena_alloc(&arena, sizeof *request);
    request->arena = arena;
    request->id = id;
    request->params = gen_params_default();
    return request;
}

void request_add_message(struct request *request, enum message_role role, struct slice text)
{
    int n = request->n_messages;
    if ((n & (n - 1)) == 0) { /* grows at powers of two; the old list stays in the arena */
        size_t cap = n ? (size_t)n * 2 : 1;
        struct chat_message *grown =
                arena_alloc(&request->arena, cap * sizeof *request->messages);
        for (int i = 0; i < n; i++)
            grown[i] = request->messages[i];
        request->messages = grown;
    }
    request->messages[n] = (struct chat_message){
            role, {arena_strndup(&request->arena, text.ptr, text.n), text.n}};
    request->n_messages++;
}

void request_free(struct request *request)
{
    if (request)
        arena_release(&request->arena);
}
