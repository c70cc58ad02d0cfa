/*
 * status_line.h - the last lines of the screen: what is to be said, else the endpoints. What is
 * said goes with time, with the next key or with another view; what the disk refuses stays.
 */
#ifndef TUI_STATUS_LINE_H
#define TUI_STATUS_LINE_H

#include "router/notice.h"

struct core;
struct surface;

struct status_line {
    struct notice own; /* of the app itself; newer than the core's when t_ns says so */
    uint64_t own_until_ns;
    uint64_t read_until_ns; /* notices up to then have been read: a key came */
    bool keeps_nothing;     /* there is no database */
};

#define STATUS_NOTICE_NS 12000000000ull /* how long a failure is shown; others half as long */

void status_line_say(struct status_line *line, enum status status, uint64_t now_ns,
        const char *fmt, va_list va);
/* A key came: what stands there for a while has been seen. */
void status_line_read(struct status_line *line, uint64_t now_ns);
/* Something else is shown: so has everything older than this turn. */
void status_line_pass(struct status_line *line, uint64_t now_ns);
/* At most a fifth of the screen, at least 1. */
int status_line_rows(const struct status_line *line, const struct core *core, uint64_t now_ns,
        int n_rows, int n_cols);
/* Returns when it changes by time alone; 0: never. */
uint64_t status_line_draw(const struct status_line *line, const struct core *core,
        uint64_t now_ns, struct surface *out);

#endif
