/* zone.c - see zone.h: the names, nearest first. */
#include "router/zone.h"

#include <string.h>

const char *const zone_choices[1 + ZONE_COUNT] = {"", "local", "lab", "region", "external"};

const char *zone_name(enum zone zone)
{
    return zone_choices[1 + zone];
}

bool zone_parse(const char *text, enum zone *out)
{
    for (int i = 0; i < ZONE_COUNT; i++)
        if (strcmp(text, zone_choices[1 + i]) == 0) {
            *out = (enum zone)i;
            return true;
        }
    return false;
}
