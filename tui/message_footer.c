/* message_footer.c - see message_footer.h. */
#include "tui/message_footer.h"

#include <stdio.h>

#include "router/core.h"
#include "router/endpoint.h"
#include "router/session.h"

#include "tui/figures.h"
#include "tui/keys.h"
#include "tui/surface.h"
#include "tui/text.h"
#include "tui/view.h"

#define INDENT     2
#define FRAME_COLS 6 /* indent, mark and a column at the right */

static bool is_empty(const struct message *m)
{
    return m->state == MESSAGE_DONE && m->text.n == 0 && m->reasoning.n == 0 &&
           m->tool_calls.n == 0;
}

static int count_lines(const char *text, int n_cols)
{
    struct slice rest = slice_of(text), line;
    int n = 0;
    while (text_wrap(&rest, n_cols - FRAME_COLS, &line))
        n++;
    return n > 0 ? n : 1;
}

/* Lines under an answer that is not simply done; a failure takes as many as its sentence needs.
 */
int message_footer_lines(const struct message *m, const char *question, int n_cols)
{
    bool is_cut =
            m->finish == FINISH_LENGTH || m->finish == FINISH_CONTENT_FILTER || is_empty(m);
    if (m->role != MSG_ASSISTANT || (m->state == MESSAGE_DONE && !is_cut))
        return 0;
    if (question)
        return count_lines(question, n_cols) + 1;
    return m->state == MESSAGE_FAILED ? count_lines(buf_text(&m->error), n_cols) : 1;
}

/* The clock time it ends: a countdown would wake the program every second. */
static const char *waiting_text(const struct core *core, uint64_t t_ns, char out[96])
{
    int64_t ms = core->base_ms + ((int64_t)t_ns - (int64_t)core->base_ns) / 1000000;
    char clock[FIGURE_BYTES];
    snprintf(out, 96, "waiting to try again at %s …", figure_clock_s(clock, ms));
    return out;
}

static const char *running_text(const struct core *core, const struct run *run, char out[96])
{
    const char *percent = "";
    char number[16] = "";
    if (run && run->fraction > 0) {
        snprintf(number, sizeof number, " %.0f %%", (double)run->fraction * 100);
        percent = number;
    }
    if (!run)
        return "";
    if (run->phase == RUN_WAITS_FOR_STORE)
        return core_is_refused(core, run) ? "the message could not be saved; /send-unsaved "
                                            "sends it all the same"
                                          : "saving the message …";
    if (run->phase == RUN_WAITS_FOR_RETRY)
        return waiting_text(core, run->t_retry_ns, out);
    if (run->phase == RUN_RESERVES)
        return "entering the price into today's budget …";
    if (run->phase == RUN_WAITS_FOR_ROUTE || run->phase == RUN_ASKS)
        return run->decision.reason;
    if (run->phase == RUN_STOPPING)
        return "stopping …";
    switch (run->stage) {
    case STAGE_LOADING:
        snprintf(out, 96, "loading %.60s%s …", core->fleet.endpoints[run->endpoint].conf->name,
                percent);
        return out;
    case STAGE_PREFILL:
        snprintf(out, 96, "reading the prompt%s …", percent);
        return out;
    case STAGE_DECODE:
        return "…";
    case STAGE_CONNECTING:
        return "waiting for the answer …";
    default:
        return "waiting …";
    }
}

/* Line i of a sentence below an answer, with a mark before the first. */
static void draw_sentence(const char *text, const char *mark, enum role role, int i_line,
        struct surface *out, int row)
{
    struct slice rest = slice_of(text), line = SLICE("");
    for (int i = 0; i <= i_line; i++)
        if (!text_wrap(&rest, out->rect.n_cols - FRAME_COLS, &line))
            return;
    if (i_line == 0)
        surface_puts(out, row, INDENT + 1, role, mark);
    surface_text(out, row, INDENT + 3, role, 0, line);
}

static bool asks(const struct app *app, const struct message *m)
{
    const struct run *run = core_run_of(app_core(app), m->id);
    return run && run->phase == RUN_ASKS;
}

/* What it would cost, and what to press. */
static void draw_question(const struct app *app, const struct message *m, int i_line,
        struct surface *out, int row)
{
    const char *yes = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_CONFIRM);
    const char *no = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_STOP);
    const char *reason = core_run_of(app_core(app), m->id)->decision.reason;
    int n = count_lines(reason, out->rect.n_cols);
    if (i_line < n)
        draw_sentence(reason, "?", ROLE_WARN, i_line, out, row);
    else
        surface_printf(out, row, INDENT + 3, ROLE_DIM, "%s sends it, %s does not",
                yes ? yes : "/confirm", no ? no : "/stop");
}

void message_footer_draw(const struct app *app, const struct message *m, int i_line,
        struct surface *out, int row)
{
    char text[96];
    const char *go_on = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_CONTINUE);
    switch (m->state) {
    case MESSAGE_RUNNING:
        if (asks(app, m)) {
            draw_question(app, m, i_line, out, row);
            break;
        }
        if (i_line == 0)
            surface_puts(out, row, INDENT + 1, ROLE_DIM,
                    running_text(app_core(app), core_run_of(app_core(app), m->id), text));
        break;
    case MESSAGE_INTERRUPTED:
        surface_printf(out, row, INDENT + 1, ROLE_WARN,
                "\xE2\x96\xA0 interrupted \xE2\x80\x93 %s goes on",
                go_on ? go_on : "/continue");
        break;
    case MESSAGE_STOPPED:
        surface_printf(out, row, INDENT + 1, ROLE_WARN,
                "\xE2\x96\xA0 stopped \xE2\x80\x93 %s goes on", go_on ? go_on : "/continue");
        break;
    case MESSAGE_FAILED:
        draw_sentence(buf_text(&m->error), "\xE2\x9C\x97", ROLE_ERROR, i_line, out, row);
        break;
    case MESSAGE_DONE:
        surface_puts(out, row, INDENT + 1, ROLE_WARN,
                is_empty(m) ? "\xE2\x96\xA0 the answer is empty"
                : m->finish == FINISH_LENGTH
                        ? "\xE2\x96\xA0 cut: the limit of tokens was reached"
                        : "\xE2\x96\xA0 a content filter ended it");
        break;
    }
}
