/* status_line.c - see status_line.h. */
#include "tui/status_line.h"

#include <stdio.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/endpoint_mark.h"
#include "tui/model_text.h"
#include "tui/surface.h"
#include "tui/text.h"

#define READ_NS 800000000ull /* a notice younger than this may not have been seen */

static uint64_t end_ns(const struct notice *notice)
{
    return notice->t_ns + STATUS_NOTICE_NS / (notice->status == OK ? 2 : 1);
}

void status_line_say(struct status_line *line, enum status status, uint64_t now_ns,
        const char *fmt, va_list va)
{
    vsnprintf(line->own.text, sizeof line->own.text, fmt, va);
    line->own.status = status;
    line->own.t_ns = now_ns;
    line->own_until_ns = end_ns(&line->own);
}

void status_line_read(struct status_line *line, uint64_t now_ns)
{
    if (now_ns > line->read_until_ns + READ_NS)
        line->read_until_ns = now_ns - READ_NS;
}

void status_line_pass(struct status_line *line, uint64_t now_ns)
{
    line->read_until_ns = now_ns - 1;
}

static const struct notice *newest(const struct status_line *line, const struct core *core)
{
    const struct notice *own = &line->own;
    if (core->n_notices == 0)
        return own;
    const struct notice *last = &core->notices[(core->n_notices - 1) % NOTICE_MAX];
    return last->t_ns >= own->t_ns ? last : own;
}

/* What is to be said, or NULL; until_ns 0: it stays. */
static const struct notice *current(const struct status_line *line, const struct core *core,
        uint64_t now_ns, uint64_t *until_ns)
{
    const struct notice *notice = newest(line, core);
    *until_ns = notice == &line->own ? line->own_until_ns : end_ns(notice);
    if (notice->text[0] && now_ns < *until_ns && notice->t_ns > line->read_until_ns)
        return notice;
    *until_ns = 0;
    return core->disk_failed_ns && core->disk_notice.text[0] ? &core->disk_notice : NULL;
}

int status_line_rows(const struct status_line *line, const struct core *core, uint64_t now_ns,
        int n_rows, int n_cols)
{
    uint64_t until_ns;
    const struct notice *notice = current(line, core, now_ns, &until_ns);
    struct slice rest = slice_of(notice ? notice->text : ""), row;
    int n = 0, most = n_rows / 5 < 1 ? 1 : n_rows / 5;
    while (n < most && text_wrap(&rest, n_cols - 2, &row))
        n++;
    return n > 1 ? n : 1;
}

/* How its model comes into memory, or how fast it answers. */
static int draw_endpoint_state(
        const struct core *core, int endpoint, struct surface *out, int col)
{
    const struct endpoint_state *e = &core->fleet.endpoints[endpoint];
    const struct model_state *m = core_model_of(core, endpoint);
    char text[64];
    if (m && (m->phase == MODEL_WAITING || m->phase == MODEL_LOADING)) {
        model_state_text(core, m, text, sizeof text);
        return surface_printf(out, 0, col, ROLE_WARN, " %s", text);
    }
    return e->tok_per_s > 0
                   ? surface_printf(out, 0, col, ROLE_DIM, " ~%.0f tok/s", e->tok_per_s)
                   : 0;
}

#define STATE_COLS 14
#define MORE_COLS  4 /* "+12" */

/* The one that the session uses now: it has its place however many there are. -1: none yet. */
static int endpoint_in_use(const struct core *core)
{
    const struct message *leaf = session_find(core->session, core->session->leaf_id);
    if (core->use_endpoint >= 0 || !leaf)
        return core->use_endpoint;
    return fleet_find(&core->fleet, leaf->endpoint);
}

/* False: it has no room. */
static bool draw_endpoint(
        const struct core *core, int i, uint64_t now_ns, struct surface *out, int *col)
{
    const struct endpoint_state *e = &core->fleet.endpoints[i];
    const struct endpoint_mark_def *mark = &endpoint_mark_defs[endpoint_mark(e, now_ns)];
    if (*col + text_width(slice_of(e->conf->name)) + STATE_COLS + MORE_COLS > out->rect.n_cols)
        return false;
    *col += surface_puts(out, 0, *col, mark->role, mark->glyph);
    *col += surface_printf(out, 0, *col, ROLE_STATUS, " %s", e->conf->name);
    *col += 2 + draw_endpoint_state(core, i, out, *col);
    return true;
}

static void draw_endpoints(const struct status_line *line, const struct core *core,
        uint64_t now_ns, struct surface *out)
{
    int col = 1, n_more = 0, used = endpoint_in_use(core);
    if (line->keeps_nothing)
        col += surface_puts(out, 0, col, ROLE_ERROR, "not saved") + 2;
    for (int k = used < 0 ? 0 : -1; k < core->fleet.n_endpoints; k++) {
        int i = k < 0 ? used : k;
        if (core->fleet.endpoints[i].is_gone || k == used)
            continue;
        n_more += n_more || !draw_endpoint(core, i, now_ns, out, &col);
    }
    if (n_more)
        surface_printf(out, 0, col, ROLE_DIM, "+%d", n_more);
}

uint64_t status_line_draw(const struct status_line *line, const struct core *core,
        uint64_t now_ns, struct surface *out)
{
    uint64_t until_ns;
    const struct notice *notice = current(line, core, now_ns, &until_ns);
    if (!notice) {
        draw_endpoints(line, core, now_ns, out);
        return 0;
    }
    struct slice rest = slice_of(notice->text), row;
    for (int i = 0; i < out->rect.n_rows && text_wrap(&rest, out->rect.n_cols - 2, &row); i++)
        surface_text(out, i, 1, notice->status == OK ? ROLE_STATUS : ROLE_ERROR, 0, row);
    return until_ns;
}
