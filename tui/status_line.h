/*
 * status_line.h - the last lines of the screen: what is to be said, else the endpoints. What is
 * said goes with time or with the next key; what the disk refuses stays.
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

#define STATUS_NOTICE_NS 12000000000ull /* how long it is shown */

void status_line_say(struct status_line *line, enum status status, uint64_t now_ns,
        uint64_t for_ns, const char *fmt, va_list va);
void status_line_read(struct status_line *line, uint64_t now_ns);
/* At most a fifth of the screen, at least 1. */
int status_line_rows(const struct status_line *line, const struct core *core, uint64_t now_ns,
        int n_rows, int n_cols);
/* Returns when it changes by time alone; 0: never. */
uint64_t status_line_draw(const struct status_line *line, const struct core *core,
        uint64_t now_ns, struct surface *out);

#endif
