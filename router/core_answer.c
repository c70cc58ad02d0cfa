/*
 * core_answer.c - what comes of an answer, attempt by attempt: its text without what a server
 * repeats, its reasoning and how long that took, its tokens and what they cost. Of several
 * attempts the sums are kept; a sum with an unknown part is unknown.
 */
#include "engine/json.h"

#include "router/core.h"
#include "router/core_internal.h"
#include "router/endpoint.h"
#include "router/prices.h"
#include "router/session.h"

#define ECHO_MIN_BYTES 16

static bool is_free(const struct endpoint_conf *conf)
{
    return conf->usd_per_mtok_in == 0 && conf->usd_per_mtok_out == 0;
}

static const struct usage no_usage = {
        TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};

void answer_begin_attempt(
        struct run *run, struct message *answer, const struct endpoint_conf *conf)
{
    run->usage = no_usage;
    run->before = (struct spent){.is_any = answer->text.n || answer->reasoning.n ||
                                           answer->tool_calls.n ||
                                           answer->usage.output != TOKENS_UNKNOWN};
    if (answer->is_copy) /* what there is was asked and paid for elsewhere */
        run->before = (struct spent){.is_any = true};
    else if (run->before.is_any)
        run->before = (struct spent){true, answer->usage, answer->cost_nusd, answer->ttft_ms,
                answer->total_ms, answer->reasoning_ms};
    else if (is_free(conf))
        answer->cost_nusd = 0; /* known even if the program dies before the end */
    run->n_base = conf->kind != PROVIDER_LOCAL && answer->text.n >= ECHO_MIN_BYTES
                          ? answer->text.n
                          : 0;
    run->n_echo = 0;
    answer->is_copy = false;
}

static uint32_t add_tokens(uint32_t a, uint32_t b)
{
    return a == TOKENS_UNKNOWN || b == TOKENS_UNKNOWN ? TOKENS_UNKNOWN : a + b;
}

static struct usage usage_with(const struct spent *before, const struct usage *u)
{
    const struct usage *b = &before->usage;
    if (!before->is_any)
        return *u;
    return (struct usage){add_tokens(b->input, u->input), add_tokens(b->output, u->output),
            add_tokens(b->cached_input, u->cached_input),
            add_tokens(b->cache_write, u->cache_write), add_tokens(b->reasoning, u->reasoning)};
}

/* Adds what this attempt took to what the earlier ones took. A sum with an unknown part is
 * unknown; an attempt that gave nothing and told nothing changes only the time. */
void answer_count_attempt(
        struct core *core, const struct run *run, struct message *answer, uint64_t t_ns)
{
    const struct endpoint_conf *conf = core->fleet.endpoints[run->endpoint].conf;
    bool gave = run->t_first_ns || run->usage.output != TOKENS_UNKNOWN;
    int64_t cost_nusd = is_free(conf) || (!gave && run->before.is_any)
                                ? 0
                                : prices_cost_nusd(conf, &run->usage);
    answer->total_ms = run->before.total_ms + core_ms_between(run->t_sent_ns, t_ns);
    answer->usage = gave || !run->before.is_any ? usage_with(&run->before, &run->usage)
                                                : run->before.usage;
    answer->cost_nusd = cost_nusd;
    if (run->before.is_any)
        answer->cost_nusd = cost_nusd < 0 || run->before.cost_nusd < 0
                                    ? -1
                                    : run->before.cost_nusd + cost_nusd;
}

void answer_give_back_echo(struct run *run, struct message *answer)
{
    struct arena arena = {0};
    buf_add_text(&answer->text, arena_strndup(&arena, buf_text(&answer->text), run->n_echo));
    run->n_base = run->n_echo = 0;
    arena_release(&arena);
}

/* Asked to go on with an answer, some servers send its beginning once more. What equals it is
 * held back until it is whole (and dropped) or differs (and was meant). Returns what is to be
 * shown now. */
static struct slice drop_echo(struct run *run, struct message *answer, struct slice text)
{
    const char *base = buf_text(&answer->text);
    size_t n = 0;
    while (n < text.n && run->n_echo + n < run->n_base && base[run->n_echo + n] == text.ptr[n])
        n++;
    if (run->n_echo + n == run->n_base) {
        run->n_base = run->n_echo = 0;
        return (struct slice){text.ptr + n, text.n - n};
    }
    if (n == text.n) {
        run->n_echo += n;
        return SLICE("");
    }
    answer_give_back_echo(run, answer);
    return text;
}

static void take_content(
        struct core *core, struct run *run, struct message *answer, uint64_t t_ns)
{
    answer->version++;
    core->version++;
    if (run->t_first_ns)
        return;
    run->t_first_ns = t_ns;
    run->stage = STAGE_DECODE;
    answer->ttft_ms = run->before.ttft_ms + core_ms_between(run->t_sent_ns, t_ns);
    answer_count_attempt(core, run, answer,
            t_ns); /* if the program dies now, the sum is not told as whole */
    fleet_observe(&core->fleet,
            &(struct observation){.endpoint = run->endpoint,
                    .what = SEEN_FIRST_TOKEN,
                    .ms = (double)(t_ns - run->t_sent_ns) / 1e6},
            t_ns);
}

/* Some models think again between parts of the answer: what lies between is not counted. */
static void time_reasoning(
        struct run *run, struct message *answer, uint64_t t_ns, bool is_reasoning)
{
    if (run->t_reasoning_ns)
        run->reasoning_ns += t_ns - run->t_reasoning_ns;
    run->t_reasoning_ns = is_reasoning ? t_ns : 0;
    answer->reasoning_ms = run->before.reasoning_ms + (uint32_t)(run->reasoning_ns / 1000000u);
}

static void take_text(
        struct core *core, struct run *run, struct message *answer, const struct event *event)
{
    struct slice text = {event->u.text, event->n_bytes};
    if (run->n_base)
        text = drop_echo(run, answer, text);
    buf_add_slice(&answer->text, text);
    time_reasoning(run, answer, event->t_ns, false);
    if (text.n)
        take_content(core, run, answer, event->t_ns);
}

static void take_field(uint32_t *to, uint32_t from)
{
    if (from != TOKENS_UNKNOWN)
        *to = from;
}

static void take_usage(struct run *run, struct message *answer, const struct usage *u)
{
    take_field(&run->usage.input, u->input);
    take_field(&run->usage.output, u->output);
    take_field(&run->usage.cached_input, u->cached_input);
    take_field(&run->usage.cache_write, u->cache_write);
    take_field(&run->usage.reasoning, u->reasoning);
    answer->usage = usage_with(&run->before, &run->usage);
}

/* All of it or nothing: half an object is none. */
static void take_tool(struct message *answer, struct tool_call *call)
{
    struct buf one;
    buf_init(&one, SIZE_MAX / 2);
    buf_add_text(&one, answer->tool_calls.n ? ",{\"id\":" : "{\"id\":");
    json_add_string(&one, slice_of(call->id));
    buf_add_text(&one, ",\"name\":");
    json_add_string(&one, slice_of(call->name));
    buf_add_text(&one, ",\"arguments\":");
    json_add_string(&one, slice_of(call->arguments));
    buf_add_text(&one, "}");
    buf_add_slice(&answer->tool_calls, buf_slice(&one));
    buf_release(&one);
}

bool answer_is_cut(const struct message *answer)
{
    return answer->text.is_cut || answer->reasoning.is_cut || answer->tool_calls.is_cut;
}

void answer_take(
        struct core *core, struct run *run, struct message *answer, const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EV_TEXT:
        take_text(core, run, answer, event);
        break;
    case EV_REASONING:
        buf_add(&answer->reasoning, event->u.text, event->n_bytes);
        time_reasoning(run, answer, event->t_ns, true);
        take_content(core, run, answer, event->t_ns);
        break;
    case EV_TOOL:
        take_tool(answer, event->u.tool);
        take_content(core, run, answer, event->t_ns);
        break;
    case EV_USAGE:
        take_usage(run, answer, &event->u.usage);
        break;
    default:
        break;
    }
}
