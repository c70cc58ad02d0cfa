/*
 * chat_next.h - the rule above the input: where the draft would go if it were sent now, with
 * what it would cost and how long it would take, the files it names included. Decided anew only
 * when the draft, the session or the fleet changed, and at most every 50 ms.
 */
#ifndef TUI_CHAT_NEXT_H
#define TUI_CHAT_NEXT_H

#include "tui/attachment.h"

struct app;
struct decision;
struct surface;

struct chat_next {
    bool is_stale;             /* the draft changed */
    uint64_t state;            /* of session and fleet when it was decided: a hash */
    uint64_t t_ns;             /* when it was decided; 0: never */
    uint64_t until_ns;         /* when time alone may change it; 0: it does not */
    struct decision *decision; /* NULL: never */
    uint64_t words_key;        /* of the `@path` words that were looked at last: a hash */
    uint64_t files_stamp;      /* of the files that were read for them */
    struct attachments files;
};
void chat_next_release(struct chat_next *next);

/* The draft is another one. */
void chat_next_change(struct chat_next *next);
/* On the only row of `out`, over the rule that is there; returns the columns it takes. */
int chat_next_draw(
        struct chat_next *next, struct app *app, struct slice draft, struct surface *out);

#endif
