/*
 * session_tree.h - the branches of a session: which messages stand beside each other, which
 * branch is shown, and all of them as a list. Damaged trees (circles, lost parents) are
 * walked without harm.
 */
#ifndef ROUTER_SESSION_TREE_H
#define ROUTER_SESSION_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message;
struct session;

/* A message among those with the same parent, in the order of creation. */
struct siblings {
    uint32_t i, n;               /* i from 0; n 1: it stands alone */
    int64_t before_id, after_id; /* 0: it is the first, the last */
};
struct siblings session_siblings(const struct session *session, const struct message *m);
/* Of every message of a path, by one walk over the session. out: [n] */
void session_path_siblings(const struct session *session, struct message *const *path, size_t n,
        struct siblings *out);
/* Makes `id` part of what is shown: below it, what was shown when it was left, else the newest
 * message of each fork. False: there is no such message. */
bool session_show(struct session *session, int64_t id);

/* The messages from a fork (or a root) to where the next one begins, or to a leaf. */
struct branch {
    const struct message *first, *last;
    int depth;         /* forks above it */
    size_t n_messages; /* first to last */
    bool is_shown;     /* on the path to the leaf */
};
/* All of them, each followed by those that begin below it, oldest first. The caller frees *out
 * with mem_free. Returns how many. */
size_t session_branches(const struct session *session, struct branch **out);

#endif
