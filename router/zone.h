/* zone.h - how far data may travel: each zone holds the ones before it. */
#ifndef ROUTER_ZONE_H
#define ROUTER_ZONE_H

#include <stdbool.h>

enum zone { ZONE_LOCAL, ZONE_LAB, ZONE_REGION, ZONE_EXTERNAL, ZONE_COUNT };
/* "" for none, then the names of all, nearest first. */
extern const char *const zone_choices[1 + ZONE_COUNT];
const char *zone_name(enum zone zone);
bool zone_parse(const char *text, enum zone *out); /* false: no zone is called so */

#endif
