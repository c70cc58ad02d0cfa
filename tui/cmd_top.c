/*
 * cmd_top.c - `shunt top -b`: the text twin of a view, from the database that a running program
 * writes: the fleet, the newest decisions of the router, the experts of an answer.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/json.h"

#include "router/balance.h"
#include "router/prices.h"
#include "router/store.h"

#include "tui/args.h"
#include "tui/cmd.h"
#include "tui/cmd_fleet.h"
#include "tui/config.h"
#include "tui/listing.h"

#define N_DECISIONS 20
#define N_BUSIEST   4

struct top_args {
    bool is_batch, is_json;
    const char *view, *session;
};

/* ---- router ----------------------------------------------------------------------------- */

struct choice { /* a stored decision, read */
    int64_t t_ms;
    struct json *root; /* NULL: damaged */
    const char *endpoint, *verdict, *reason;
    double cost_usd, difficulty; /* negative: not known */
};

static double number_or_unknown(const struct json *v, const char *member)
{
    double value;
    return json_get_number(v, member, &value) ? value : -1;
}

static struct choice read_choice(const struct decision_row *row)
{
    struct choice c = {.t_ms = row->t_ms, .root = json_parse(row->json), .cost_usd = -1};
    c.endpoint = json_get_text(c.root, "endpoint");
    c.verdict = json_get_text(c.root, "verdict");
    c.reason = json_get_text(c.root, "reason");
    c.difficulty = number_or_unknown(json_get(c.root, "features"), "difficulty");
    const struct json *candidate = json_first(json_get(c.root, "candidates"));
    for (; candidate && c.endpoint; candidate = json_next(candidate)) {
        const char *name = json_get_text(candidate, "endpoint");
        if (name && strcmp(name, c.endpoint) == 0)
            c.cost_usd = number_or_unknown(candidate, "cost_usd");
    }
    return c;
}

static void add_choice(struct listing *l, const struct choice *c)
{
    time_t seconds = c->t_ms / 1000;
    char when[32] = "", usd[32];
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%m-%d %H:%M:%S", &tm);
    listing_add(l, "%s", when);
    listing_add(l, "%s", c->endpoint ? c->endpoint : c->verdict ? c->verdict : "");
    if (c->cost_usd < 0)
        listing_add(l, "%s", "");
    else
        listing_add(l, "%s", prices_usd_text(llround(c->cost_usd * 1e9), usd));
    if (c->difficulty < 0)
        listing_add(l, "%s", "");
    else
        listing_add(l, "%.2f", c->difficulty);
    listing_add(l, "%s", c->reason ? c->reason : "");
}

static void print_choices(const struct store_command *s)
{
    static const struct listing_column columns[] = {{"time", false}, {"endpoint", false},
            {"expected cost", true}, {"difficulty", true}, {"reason", false}};
    struct listing l;
    listing_init(&l, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->n_decisions; i++) {
        struct choice c = read_choice(&s->decisions[i]);
        if (c.root)
            add_choice(&l, &c);
        json_free(c.root);
    }
    listing_print(&l);
    listing_release(&l);
}

/* Each as it was stored, with its time and the two figures of the table. */
static void print_choices_json(const struct store_command *s)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    for (size_t i = 0; i < s->n_decisions; i++) {
        struct choice c = read_choice(&s->decisions[i]);
        if (c.root) {
            buf_printf(&out, "%s{\"t_ms\":%" PRId64, out.n ? ",\n" : "", c.t_ms);
            json_add_member_number(&out, "cost_usd", c.cost_usd);
            json_add_member_number(&out, "difficulty", c.difficulty);
            buf_add_text(&out, ",\"decision\":");
            json_print(c.root, &out);
            buf_add_text(&out, "}");
        }
        json_free(c.root);
    }
    printf("[%s]\n", buf_text(&out));
    buf_release(&out);
}

static int run_router(const struct config *config, const struct top_args *args)
{
    struct store_command *command = store_command_new(STORE_LIST_DECISIONS), *s;
    struct err err;
    command->limit = N_DECISIONS;
    enum status status = cmd_ask_store(config, command, &s, &err);
    if (status != OK)
        cmd_fail(&err);
    else if (args->is_json)
        print_choices_json(s);
    else if (s->n_decisions)
        print_choices(s);
    else
        fprintf(stderr, "shunt: no decision is stored yet\n");
    store_command_free(s);
    return status == OK ? EXIT_DONE : EXIT_FAILED;
}

/* ---- experts ---------------------------------------------------------------------------- */

/* The experts of a layer that were chosen most, the first first. */
static int find_busiest(const struct balance *b, int layer, int out[N_BUSIEST])
{
    const uint32_t *counts = b->counts + (size_t)layer * b->shape.n_experts;
    int n = 0;
    for (int e = 0; e < b->shape.n_experts; e++) {
        int at = n < N_BUSIEST ? n : N_BUSIEST;
        while (at > 0 && counts[out[at - 1]] < counts[e])
            at--;
        if (at == N_BUSIEST || counts[e] == 0)
            continue;
        for (int i = n < N_BUSIEST ? n : N_BUSIEST - 1; i > at; i--)
            out[i] = out[i - 1];
        out[at] = e;
        n += n < N_BUSIEST;
    }
    return n;
}

static double share_of(const struct balance *b, int layer, int expert)
{
    return (double)b->counts[(size_t)layer * b->shape.n_experts + (size_t)expert] /
           (double)b->n_tokens;
}

static void add_layer(struct listing *l, const struct balance *b, int layer)
{
    struct balance_stats v, chance;
    struct buf busiest;
    int experts[N_BUSIEST];
    balance_layer(b, layer, &v, &chance);
    buf_init(&busiest, 256);
    for (int i = 0, n = layer < 0 ? 0 : find_busiest(b, layer, experts); i < n; i++)
        buf_printf(&busiest, "%s%d:%.0f%%%s", i ? " " : "", experts[i],
                100 * share_of(b, layer, experts[i]),
                balance_flag(b, layer, experts[i]) > 0 ? "*" : "");
    if (layer < 0)
        listing_add(l, "mean");
    else
        listing_add(l, "%d", b->shape.layers[layer]);
    listing_add(l, "%.1f", v.effective);
    listing_add(l, "%.1f", chance.effective);
    listing_add(l, "%.2f", v.gini);
    listing_add(l, "%.2f", chance.gini);
    listing_add(l, "%.*f", layer < 0 ? 1 : 0, v.dead);
    listing_add(l, "%.1f", chance.dead);
    listing_add(l, "%s", buf_text(&busiest));
    buf_release(&busiest);
}

static void print_experts(const struct balance *b, const struct message_row *m)
{
    static const struct listing_column columns[] = {{"layer", true}, {"effective", true},
            {"chance", true}, {"gini", true}, {"chance", true}, {"never", true},
            {"chance", true}, {"busiest", false}};
    struct listing l;
    char name[256];
    snprintf(name, sizeof name, "%.100s %.100s", m->endpoint.ptr, m->model.ptr);
    utf8_make_printable(name);
    printf("session %" PRIx64 ", %s: %" PRIu64
           " generated tokens, %u experts of which each token uses %u\n",
            (uint64_t)m->session_id, name, b->n_tokens, b->shape.n_experts, b->shape.k);
    listing_init(&l, columns, ARRAY_LEN(columns));
    for (int layer = 0; layer < b->shape.n_moe_layers; layer++)
        add_layer(&l, b, layer);
    add_layer(&l, b, -1);
    listing_print(&l);
    listing_release(&l);
    puts("chance: as many tokens with uniform random routing; busiest: expert and the share of "
         "tokens that chose it, * where chance does not explain it");
}

static void add_stats(struct buf *out, const struct balance_stats *s)
{
    buf_add_text(out, "{\"effective\":");
    json_add_double(out, s->effective);
    json_add_member_number(out, "gini", s->gini);
    json_add_member_number(out, "never_chosen", s->dead);
    json_add_member_number(out, "top_share", s->top_share);
    buf_add_text(out, "}");
}

static void add_layer_json(struct buf *out, const struct balance *b, int layer)
{
    struct balance_stats v, chance;
    int experts[N_BUSIEST], n = find_busiest(b, layer, experts);
    balance_layer(b, layer, &v, &chance);
    buf_printf(out, "%s{\"layer\":%d,\"stats\":", layer ? ",\n" : "", b->shape.layers[layer]);
    add_stats(out, &v);
    buf_add_text(out, ",\"busiest\":[");
    for (int i = 0; i < n; i++) {
        buf_printf(out, "%s{\"expert\":%d", i ? "," : "", experts[i]);
        json_add_member_number(out, "share", share_of(b, layer, experts[i]));
        buf_printf(out, ",\"is_hot\":%s}",
                balance_flag(b, layer, experts[i]) > 0 ? "true" : "false");
    }
    buf_add_text(out, "]}");
}

static void print_experts_json(const struct balance *b, const struct message_row *m)
{
    struct balance_stats mean, chance;
    struct buf out;
    buf_init(&out, 64 << 20);
    balance_layer(b, -1, &mean, &chance);
    buf_printf(&out, "{\"session\":\"%" PRIx64 "\"", (uint64_t)m->session_id);
    json_add_member_text(&out, "endpoint", m->endpoint.ptr);
    json_add_member_text(&out, "model", m->model.ptr);
    buf_printf(&out,
            ",\"n_tokens\":%" PRIu64 ",\"n_experts\":%u,\"n_experts_used\":%u,\"mean\":",
            b->n_tokens, b->shape.n_experts, b->shape.k);
    add_stats(&out, &mean);
    buf_add_text(&out, ",\"chance\":");
    add_stats(&out, &chance);
    buf_add_text(&out, ",\"layers\":[");
    for (int layer = 0; layer < b->shape.n_moe_layers; layer++)
        add_layer_json(&out, b, layer);
    buf_add_text(&out, "]}");
    puts(buf_text(&out));
    buf_release(&out);
}

/* NULL: no token was generated by a mixture; err says what there is. */
static struct balance *balance_of(const struct store_command *s, struct err *err)
{
    if (s->n_messages == 0 || !s->shape || s->n_records == 0) {
        err_set(err, ERR_NOT_FOUND, "%s has no answer of a local model",
                s->session.id ? "this session" : "the database");
        return NULL;
    }
    if (s->shape->n_moe_layers == 0) {
        err_set(err, ERR_NOT_FOUND,
                "the newest answer came from a dense model, which has no experts: --session ID "
                "names another session; Sessions (C-x 6) shows the id of each");
        return NULL;
    }
    struct balance *b = balance_new(s->shape, (uint32_t)s->n_records);
    size_t n_bytes = token_record_bytes(s->shape);
    for (size_t i = 0; i < s->n_records; i++)
        balance_add(b, (const struct token_record *)(s->records + i * n_bytes));
    if (b->n_tokens)
        return b;
    balance_free(b);
    err_set(err, ERR_NOT_FOUND, "no token of the answer has been generated yet");
    return NULL;
}

static int run_experts(const struct config *config, const struct top_args *args)
{
    struct store_command *command = store_command_new(STORE_LOAD_TOKENS), *s;
    struct err err;
    struct balance *b = NULL;
    if (args->session)
        command->session.id = (int64_t)strtoull(args->session, NULL, 16);
    if (cmd_ask_store(config, command, &s, &err) == OK && (b = balance_of(s, &err))) {
        if (args->is_json)
            print_experts_json(b, s->messages);
        else
            print_experts(b, s->messages);
    }
    int code = b ? EXIT_DONE : cmd_fail(&err);
    balance_free(b);
    store_command_free(s);
    return code;
}

/* ---- which one -------------------------------------------------------------------------- */

static int run_fleet(const struct config *config, const struct top_args *args)
{
    return fleet_print_list(config, args->is_json);
}

static const struct {
    const char *name;
    int (*run)(const struct config *config, const struct top_args *args);
} twins[] = {{"fleet", run_fleet}, {"router", run_router}, {"experts", run_experts}};

static bool is_session(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 16 && strspn(text, "0123456789abcdef") == n;
}

static int read_args(struct top_args *out, struct args *args)
{
    for (int id; (id = args_next(args)) != ARG_END;) {
        if (id == FLAG_TOP_BATCH)
            out->is_batch = true;
        else if (id == FLAG_TOP_JSON)
            out->is_json = true;
        else if (id == FLAG_TOP_VIEW)
            out->view = args->value;
        else if (id == FLAG_TOP_SESSION && is_session(args->value))
            out->session = args->value;
        else if (id == FLAG_TOP_SESSION)
            return cmd_usage("top", "no session id: %s", args->value);
        else if (id == ARG_WORD)
            return cmd_usage("top", "takes no words");
        else
            return cmd_stop(args, id);
    }
    return -1;
}

int cmd_top(struct args *args)
{
    struct top_args in = {.view = "fleet"};
    struct config config;
    struct err err;
    int code = read_args(&in, args);
    if (code >= 0)
        return code;
    size_t i = 0;
    while (i < ARRAY_LEN(twins) && strcmp(twins[i].name, in.view) != 0)
        i++;
    if (i == ARRAY_LEN(twins))
        return cmd_usage("top", "no view \"%s\": fleet, router or experts", in.view);
    if (!in.is_batch)
        return cmd_usage("top", "-b prints a view as text; `shunt` alone shows them live");
    if (config_load(&config, &args->globals, &err) != OK)
        return cmd_fail(&err);
    config_print_warnings(&config);
    code = twins[i].run(&config, &in);
    config_release(&config);
    return code;
}
