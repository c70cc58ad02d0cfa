/* helper_endpoint.c - see helper_endpoint.h. */
#include "tests/helper_endpoint.h"

struct endpoints_text endpoints_of_text(const char *text)
{
    struct endpoints_text r = {.conf = conf_parse(slice_of(text), "x.conf")};
    r.n = endpoints_read(r.conf, &r.arena, &r.list);
    return r;
}

void endpoints_release(struct endpoints_text *r)
{
    conf_free(r->conf);
    arena_release(&r->arena);
}
