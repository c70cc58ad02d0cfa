/* pilot.c - see pilot.h. */
#include "router/pilot.h"

#include "engine/request.h"

#define ANSWER_MAX_TOK     160
#define PASSAGES_MAX_BYTES (64u << 10)
#define QUESTION_MAX_BYTES 4096 /* what is longer is looked up by its beginning */

/* The newest message of this role before `end`, or -1. */
static int newest(const struct chat_message *messages, int end, enum message_role role)
{
    int i = end - 1;
    while (i >= 0 && messages[i].role != role)
        i--;
    return i;
}

struct asked {
    int question, previous; /* indexes of messages; -1: none */
    char *text, *previous_text;
};

static char *text_of(const struct chat_message *messages, int i)
{
    size_t n = i < 0 ? 0 : messages[i].text.n;
    char *text = mem_alloc((n < QUESTION_MAX_BYTES ? n : QUESTION_MAX_BYTES) + 1);
    if (i >= 0)
        slice_to_text(messages[i].text, text, QUESTION_MAX_BYTES);
    return text;
}

static void find_asked(struct asked *out, const struct chat_message *messages, int n_messages)
{
    out->question = newest(messages, n_messages, MSG_USER);
    out->previous = newest(messages, out->question, MSG_USER);
    out->text = text_of(messages, out->question);
    out->previous_text = text_of(messages, out->previous);
}

static const char *previous_of(const struct asked *asked)
{
    return asked->previous >= 0 ? asked->previous_text : NULL;
}

static void release(struct asked *asked)
{
    mem_free(asked->text);
    mem_free(asked->previous_text);
}

bool pilot_is_asked(
        const struct help_source *help, const struct chat_message *messages, int n_messages)
{
    struct asked asked;
    if (!help || !help->is_about)
        return false;
    find_asked(&asked, messages, n_messages);
    bool is_about = help->is_about(help->user, asked.text, previous_of(&asked));
    release(&asked);
    return is_about;
}

struct request *pilot_request(const struct help_source *help, const struct request *whole)
{
    struct request *out = request_new(whole->id);
    struct asked asked;
    struct buf passages;
    find_asked(&asked, whole->messages, whole->n_messages);
    buf_init(&passages, PASSAGES_MAX_BYTES);
    if (help && asked.question >= 0)
        help->add_passages(help->user, asked.text, previous_of(&asked), &passages);
    if (passages.n)
        request_add_message(out, MSG_SYSTEM, buf_slice(&passages));
    int said = newest(whole->messages, asked.question, MSG_ASSISTANT);
    bool has_turn = asked.previous >= 0 && said > asked.previous;
    for (int i = 0; i < whole->n_messages; i++)
        if (i >= asked.question || (has_turn && (i == asked.previous || i == said)))
            request_add_message(out, whole->messages[i].role, whole->messages[i].text);
    buf_release(&passages);
    release(&asked);
    return out;
}

struct request *pilot_help_request(const struct help_source *help, const struct request *whole)
{
    struct request *out = request_new(whole->id);
    struct asked asked;
    struct buf system;
    find_asked(&asked, whole->messages, whole->n_messages);
    buf_init(&system, PASSAGES_MAX_BYTES);
    buf_add_text(&system,
            "Answer the question about the program shunt from these passages of its help, and "
            "say so if they do not answer it.\n");
    if (help)
        help->add_passages(help->user, asked.text, previous_of(&asked), &system);
    request_add_message(out, MSG_SYSTEM, buf_slice(&system));
    for (int i = 0; i < whole->n_messages; i++)
        if (whole->messages[i].role != MSG_SYSTEM)
            request_add_message(out, whole->messages[i].role, whole->messages[i].text);
    buf_release(&system);
    release(&asked);
    return out;
}

void pilot_set_params(struct gen_params *params)
{
    if (!(params->given & GIVEN_TEMPERATURE))
        params->temperature = 0;
    if (!params->max_tokens)
        params->max_tokens = ANSWER_MAX_TOK;
}
