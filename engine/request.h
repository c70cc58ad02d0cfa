/*
 * request.h - one attempt to get one answer: what the core hands to an engine or to the net
 * thread. Everything a request points to lives in its own arena; the request itself is the
 * arena's first allocation, so request_free is one call and moving it between threads moves
 * all.
 */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include "engine/base.h"

enum message_role { MSG_SYSTEM, MSG_USER, MSG_ASSISTANT, MSG_TOOL, MESSAGE_ROLE_COUNT };
const char *message_role_name(enum message_role role); /* "system", "user", … */

struct chat_message {
    enum message_role role;
    struct slice text;
};

#define STOP_MAX 8

/* Members of struct gen_params that somebody set: the others are left to a remote endpoint. */
enum gen_given {
    GIVEN_TEMPERATURE = 1 << 0,
    GIVEN_TOP_K = 1 << 1,
    GIVEN_TOP_P = 1 << 2,
    GIVEN_MIN_P = 1 << 3,
    GIVEN_PRESENCE_PENALTY = 1 << 4,
    GIVEN_FREQUENCY_PENALTY = 1 << 5,
    GIVEN_SEED = 1 << 6
};

struct gen_params {
    unsigned given;         /* enum gen_given, or'ed */
    float temperature;      /* 0: greedy */
    uint32_t top_k;         /* 0: off */
    float top_p, min_p;     /* 1 and 0: off */
    uint32_t repeat_last_n; /* tokens that the penalties look back over */
    float presence_penalty, frequency_penalty;
    uint64_t seed;
    uint32_t max_tokens; /* 0: until the context is full */
    struct slice stop[STOP_MAX];
    int n_stop;
};
struct gen_params gen_params_default(void);

struct endpoint_conf; /* router/endpoint.h; the engine never looks inside */

struct request {
    struct arena arena;
    uint32_t id;
    uint8_t attempt;
    struct chat_message *messages;
    int n_messages;
    struct gen_params params;
    struct slice extra_json; /* members of an OpenAI-shaped body passed on as they came
                                (tools, response_format, …): `"tools":[…],"x":…` or empty */
    const struct endpoint_conf *endpoint; /* a copy inside the arena */
};

struct request *request_new(uint32_t id);
void request_add_message(struct request *request, enum message_role role, struct slice text);
void request_free(struct request *request);

#endif
