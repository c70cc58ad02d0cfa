/* notice.h - something to tell the user in a line. */
#ifndef ROUTER_NOTICE_H
#define ROUTER_NOTICE_H

#include "engine/base.h"

struct notice {
    uint64_t t_ns;
    enum status status; /* OK: information */
    char text[ERR_TEXT_BYTES];
};

#endif
