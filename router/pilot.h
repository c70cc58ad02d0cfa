/*
 * pilot.h - what makes a request one for the pilot, the built-in model: passages of the
 * program's help stand before the question, and it answers from them (its training is
 * engine/pilot). The help is the front end's, which knows the user's keys: it comes as
 * functions.
 */
#ifndef ROUTER_PILOT_H
#define ROUTER_PILOT_H

#include "engine/base.h"

struct chat_message;
struct gen_params;
struct request;

struct help_source {
    void *user;
    /* Whether the question is about this program. previous: the one before it, or NULL. */
    bool (*is_about)(void *user, const char *question, const char *previous);
    /* Appends what the help has on it: the best passages, a line each, the best first, and what
     * is said to questions about anything else. */
    void (*add_passages)(
            void *user, const char *question, const char *previous, struct buf *out);
};

/* Whether the newest of these questions is about this program; false without help. */
bool pilot_is_asked(
        const struct help_source *help, const struct chat_message *messages, int n_messages);
/* The request of the same conversation as the pilot is trained on it: passages, the last turn
 * before the question, the question, and what there is of the answer. */
struct request *pilot_request(const struct help_source *help, const struct request *whole);
/* The request of the same conversation in which a model that was not trained for it is told to
 * answer from the passages. */
struct request *pilot_help_request(const struct help_source *help, const struct request *whole);
/* Greedy and short, where nobody said otherwise. */
void pilot_set_params(struct gen_params *params);

#endif
