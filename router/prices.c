/*
 * prices.c - see prices.h. A row stands for a model's name with or without a date behind it. An
 * endpoint with an address of its own gets no list price: whoever serves there asks what he
 * likes.
 */
#include "router/prices.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/event.h"

#include "router/endpoint.h"

static const struct price {
    enum provider_kind kind;
    const char *model;
    double in, out, cached;
    uint32_t context_tok;
    struct long_price long_price;
} prices[] = {
#define PRICE(kind, model, in, out, cached, context_tok, above_tok, ...)                       \
    {PROVIDER_##kind, model, in, out, cached, context_tok, {above_tok, __VA_ARGS__}},
#include "router/prices.def"
#undef PRICE
};

static bool is_date(const char *text) /* -2025-04-14 */
{
    static const char form[] = "-0000-00-00";
    size_t i = 0;
    for (; form[i] && text[i]; i++)
        if (form[i] == '-' ? text[i] != '-' : text[i] < '0' || text[i] > '9')
            return false;
    return form[i] == text[i];
}

static bool is_model(const char *name, const char *row)
{
    size_t n = strlen(row);
    return strncmp(name, row, n) == 0 && (!name[n] || is_date(name + n));
}

void prices_fill(struct endpoint_conf *e)
{
    if (e->url || !e->model)
        return;
    for (size_t i = 0; i < ARRAY_LEN(prices); i++) {
        const struct price *p = &prices[i];
        if (p->kind != e->kind || !is_model(e->model, p->model))
            continue;
        if (!e->context_tok)
            e->context_tok = p->context_tok;
        if (e->usd_per_mtok_in >= 0 || e->usd_per_mtok_out >= 0)
            return;
        e->usd_per_mtok_in = p->in;
        e->usd_per_mtok_out = p->out;
        if (e->usd_per_mtok_cached < 0)
            e->usd_per_mtok_cached = p->cached;
        e->long_price = p->long_price;
        e->is_list_price = true;
        return;
    }
}

const char *prices_usd_text(int64_t nusd, char out[32])
{
    double usd = (double)nusd / 1e9, size = fabs(usd);
    snprintf(out, 32, "%s$%.*f", usd < 0 ? "-" : "",
            size >= 1 || size == 0 ? 2
            : size >= 0.01         ? 4
                                   : 6,
            size);
    return out;
}

int64_t prices_cost_nusd(const struct endpoint_conf *conf, const struct usage *usage)
{
    if (conf->usd_per_mtok_in < 0 || conf->usd_per_mtok_out < 0 ||
            usage->input == TOKENS_UNKNOWN || usage->output == TOKENS_UNKNOWN)
        return -1;
    struct long_price p = {
            0, conf->usd_per_mtok_in, conf->usd_per_mtok_out, conf->usd_per_mtok_cached};
    if (conf->long_price.above_tok && usage->input > conf->long_price.above_tok)
        p = conf->long_price;
    double cached = usage->cached_input == TOKENS_UNKNOWN ? 0 : usage->cached_input;
    double fresh = usage->input > cached ? usage->input - cached : 0;
    double per_cached = p.usd_per_mtok_cached < 0 ? p.usd_per_mtok_in : p.usd_per_mtok_cached;
    /* USD per million tokens is 1000 nano-dollars per token */
    return llround(1000 * (fresh * p.usd_per_mtok_in + cached * per_cached +
                                  usage->output * p.usd_per_mtok_out));
}

int64_t prices_dearest_nusd(const struct usage *usage)
{
    int64_t dearest = 0;
    for (size_t i = 0; i < ARRAY_LEN(prices); i++) {
        const struct price *p = &prices[i];
        struct endpoint_conf conf = {.usd_per_mtok_in = p->in,
                .usd_per_mtok_out = p->out,
                .usd_per_mtok_cached = p->cached,
                .long_price = p->long_price};
        int64_t cost = prices_cost_nusd(&conf, usage);
        dearest = cost > dearest ? cost : dearest;
    }
    return dearest;
}
