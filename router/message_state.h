/* message_state.h - how far a message is, in memory and in the database. */
#ifndef ROUTER_MESSAGE_STATE_H
#define ROUTER_MESSAGE_STATE_H

enum message_state {
    MESSAGE_DONE,
    MESSAGE_RUNNING,     /* in the database: the process that wrote it may be dead */
    MESSAGE_INTERRUPTED, /* stopped by a crash; what is there is kept */
    MESSAGE_STOPPED,     /* by the user */
    MESSAGE_FAILED       /* error text says why */
};

#endif
