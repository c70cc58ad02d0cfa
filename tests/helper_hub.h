/* helper_hub.h - a hub with its real threads, taken through its turns until it has nothing to
 * do. */
#ifndef TESTS_HELPER_HUB_H
#define TESTS_HELPER_HUB_H

#include "router/hub.h"

/* One turn: sleeps until there is something to do. */
void hub_turn(struct hub *hub);
void hub_wait_until_idle(struct hub *hub); /* for at most 30 s */

#endif
