/* ask_output.c - see ask_output.h. */
#include "tui/ask_output.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/json.h"

#include "router/core.h"
#include "router/decision_json.h"
#include "router/session.h"

#include "tui/cmd.h"

static void print_clean(struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        uint32_t cp;
        char utf8[4];
        i += utf8_decode(text.ptr + i, text.n - i, &cp);
        if (utf8_is_hostile(cp))
            fputs("\xC2\xB7", stdout);
        else
            fwrite(utf8, 1, utf8_encode(cp, utf8), stdout);
    }
}

size_t ask_print_text(struct slice text, size_t n_printed)
{
    size_t n = utf8_whole(text.ptr, text.n);
    if (n <= n_printed)
        return n_printed;
    struct slice fresh = {text.ptr + n_printed, n - n_printed};
    if (isatty(STDOUT_FILENO))
        print_clean(fresh);
    else
        fwrite(fresh.ptr, 1, fresh.n, stdout);
    fflush(stdout);
    return n;
}

void ask_print_end(const struct message *answer, size_t n_printed)
{
    ask_print_text(buf_slice(&answer->text), n_printed);
    if (answer->text.n && answer->text.ptr[answer->text.n - 1] != '\n')
        putchar('\n');
    fflush(stdout);
}

static void add_count(struct buf *out, const char *name, uint32_t n_tok)
{
    json_add_member_number(out, name, n_tok == TOKENS_UNKNOWN ? -1.0 : n_tok);
}

static void add_usage(struct buf *out, const struct usage *usage)
{
    buf_add_text(out, ",\"usage\":{");
    add_count(out, "input", usage->input);
    add_count(out, "output", usage->output);
    add_count(out, "cached_input", usage->cached_input);
    add_count(out, "cache_write", usage->cache_write);
    add_count(out, "reasoning", usage->reasoning);
    buf_add_text(out, "}");
}

static void add_error(struct buf *out, const struct message *answer)
{
    if (answer->error_status == OK) {
        buf_add_text(out, ",\"error\":null");
        return;
    }
    buf_printf(out, ",\"error\":{\"class\":\"%s\",\"retryable\":%s",
            status_name(answer->error_status),
            status_is_retryable(answer->error_status) ? "true" : "false");
    json_add_member_number(out, "retry_after_s", (double)answer->retry_after_ms / 1000);
    json_add_member_text(out, "message", buf_text(&answer->error));
    buf_add_text(out, "}");
}

static void add_timing(struct buf *out, const struct message *answer)
{
    buf_printf(out, ",\"timing\":{\"ttft_ms\":%u,\"total_ms\":%u,\"tok_per_s\":%.1f}",
            answer->ttft_ms, answer->total_ms, message_tok_per_s(answer));
    json_add_member_number(out, "cost_usd", (double)answer->cost_nusd / 1e9);
}

static const char *session_name(const struct core *core, char out[20])
{
    snprintf(out, 20, "%016llx", (unsigned long long)core->session->id);
    return out;
}

void ask_print_json(const struct core *core, const struct message *answer)
{
    struct buf out;
    buf_init(&out, 512u << 20);
    buf_add_text(&out, "{\"text\":");
    json_add_string(&out, buf_slice(&answer->text));
    buf_add_text(&out, ",\"reasoning\":");
    json_add_string(&out, buf_slice(&answer->reasoning));
    buf_printf(&out, ",\"tool_calls\":[%s]", buf_text(&answer->tool_calls));
    json_add_member_text(&out, "finish_reason", finish_reason_name(answer->finish));
    add_usage(&out, &answer->usage);
    add_error(&out, answer);
    buf_add_text(&out, ",\"route\":");
    if (core && core->has_decision)
        decision_print_json(&core->last_decision, &core->fleet, &out);
    else
        buf_add_text(&out, "null");
    add_timing(&out, answer);
    char session[20];
    json_add_member_text(&out, "session", core ? session_name(core, session) : NULL);
    json_add_member_text(&out, "model", answer->model[0] ? answer->model : NULL);
    buf_add_text(&out, "}");
    puts(buf_text(&out));
    buf_release(&out);
}

void ask_print_json_failure(const struct err *err)
{
    struct message none = {.error_status = err->status,
            .retry_after_ms = -1,
            .cost_nusd = -1,
            .usage = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN,
                    TOKENS_UNKNOWN}};
    buf_init(&none.error, ERR_TEXT_BYTES);
    buf_add_text(&none.error, err->text);
    ask_print_json(NULL, &none);
    buf_release(&none.error);
}

void ask_print_stats(const struct core *core, const struct message *answer)
{
    const struct usage *u = &answer->usage;
    struct buf line;
    char session[20];
    buf_init(&line, 4096);
    buf_printf(&line, "endpoint %s, model %s", answer->endpoint[0] ? answer->endpoint : "none",
            answer->model[0] ? answer->model : "unknown");
    if (u->input != TOKENS_UNKNOWN)
        buf_printf(&line, ", %u tokens in", u->input);
    if (u->cached_input != TOKENS_UNKNOWN && u->cached_input)
        buf_printf(&line, " (%u cached)", u->cached_input);
    if (u->output != TOKENS_UNKNOWN)
        buf_printf(&line, ", %u out", u->output);
    buf_printf(&line, ", first token %u ms, total %u ms", answer->ttft_ms, answer->total_ms);
    if (message_tok_per_s(answer) > 0)
        buf_printf(&line, ", %.1f tok/s", message_tok_per_s(answer));
    if (answer->cost_nusd > 0)
        buf_printf(&line, ", $%.6f", (double)answer->cost_nusd / 1e9);
    else if (answer->cost_nusd == 0)
        buf_add_text(&line, ", free");
    else if (answer->text.n)
        buf_printf(
                &line, ", %s", u->output == TOKENS_UNKNOWN ? "cost unknown" : "price unknown");
    cmd_print_line(stderr, "%s", buf_text(&line));
    cmd_print_line(stderr, "session %s", session_name(core, session));
    buf_release(&line);
}
