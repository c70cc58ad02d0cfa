/* builtin.c - see builtin.h. */
#include "engine/builtin.h"

#include <string.h>

static struct slice pilot;

void builtin_set_pilot(struct slice bytes)
{
    pilot = bytes;
}

bool builtin_find(const char *path, struct slice *out)
{
    if (pilot.n == 0 || strcmp(path, BUILTIN_PILOT) != 0)
        return false;
    if (out)
        *out = pilot;
    return true;
}

const char *builtin_name(const char *path)
{
    return strcmp(path, BUILTIN_PILOT) == 0 ? BUILTIN_PILOT_NAME : path_name(path);
}
