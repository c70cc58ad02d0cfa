/* helper_fixture.h - the provider fixtures: expected results and the comparison that their
 * README defines. */
#ifndef TESTS_HELPER_FIXTURE_H
#define TESTS_HELPER_FIXTURE_H

#include "engine/event.h"

/* An answer as it came in events. */
struct collected {
    struct buf text, reasoning;
    struct tool_call *calls[64];
    int n_calls;
    struct usage usage;
    bool has_usage;
    struct outcome outcome;
    bool is_done;
};

void collected_init(struct collected *c);
void collected_release(struct collected *c);
void collected_take(
        struct collected *c, const struct event *event); /* owns what the event carries */
/* Fails the test with the name and the difference. */
void collected_compare(const struct collected *c, const char *expected_path, const char *name);

struct fixture {
    char provider[64], name[64], expected[512], file[512], body[512];
    bool is_stream, is_cut;
    int status;
};
/* All fixtures of tests/golden/providers; returns how many, the list is freed with mem_free. */
size_t fixtures_list(struct fixture **out);

#endif
