/* prices.c - see prices.h. */
#include "router/prices.h"

#include <string.h>

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
