/* message_header.h - the line above a message: who, when, how fast, for how much. */
#ifndef TUI_MESSAGE_HEADER_H
#define TUI_MESSAGE_HEADER_H

#include <stdint.h>

struct core;
struct message;
struct siblings;
struct surface;

/* What a header says beside the message's own figures. */
struct message_header {
    uint64_t decision_serial; /* of the decision that `after` was read from; 0: of none */
    char after[64];           /* endpoints that failed before this one answered; "": none */
};

/* Reads the decision behind an answer, once. */
void message_header_refresh(
        struct message_header *header, const struct core *core, const struct message *m);
/* siblings: where it stands among its branches. */
void message_header_draw(const struct message *m, const struct message_header *header,
        const struct siblings *siblings, struct surface *out, int row);

#endif
