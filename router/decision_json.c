/*
 * decision_json.c - see decision_json.h. A stored decision is read like any file: what is
 * missing or of another kind keeps its zero, and what is too long is cut.
 */
#include "router/decision_json.h"

#include <math.h>
#include <string.h>

#include "engine/json.h"

#include "router/endpoint.h"
#include "router/fleet.h"
#include "router/policy.h"

static void print_dollars(struct buf *out, const char *name, int64_t nusd)
{
    buf_printf(out, ",\"%s\":", name);
    json_add_double(out, (double)nusd / 1e9);
}

static void print_features(const struct features *f, struct buf *out)
{
    buf_printf(out,
            ",\"features\":{\"input_tok\":%u,\"output_tok\":%u,\"difficulty\":", f->n_input_tok,
            f->n_output_tok);
    json_add_double(out, (double)f->difficulty);
    buf_printf(out,
            ",\"domain\":\"%s\",\"language\":\"%s\",\"tools\":%s,\"code\":%s,"
            "\"json\":%s}",
            domain_name(f->domain), f->language, f->needs_tools ? "true" : "false",
            f->has_code ? "true" : "false", f->wants_json ? "true" : "false");
}

static void print_candidate(
        const struct candidate *c, const struct fleet *fleet, struct buf *out)
{
    buf_add_text(out, "{\"endpoint\":");
    json_add_string(out, slice_of(fleet->endpoints[c->endpoint].conf->name));
    buf_printf(out, ",\"filter\":\"%s\",\"cost_usd\":", filter_name(c->filter));
    if (c->is_price_known)
        json_add_double(out, (double)c->price_nusd / 1e9);
    else
        buf_add_text(out, "null");
    print_dollars(out, "late_usd", c->late_nusd);
    print_dollars(out, "failure_usd", c->failure_nusd);
    print_dollars(out, "miss_usd", c->miss_nusd);
    print_dollars(out, "expected_usd", c->cost_nusd);
    buf_add_text(out, ",\"p_miss\":");
    json_add_float(out, c->p_miss);
    buf_printf(out, ",\"expected_ms\":%u,\"reason\":", c->expected_ms);
    json_add_string(out, slice_of(c->reason));
    buf_add_text(out, "}");
}

void decision_print_json(const struct decision *d, const struct fleet *fleet, struct buf *out)
{
    buf_add_text(out, "{\"endpoint\":");
    if (d->chosen >= 0)
        json_add_string(
                out, slice_of(fleet->endpoints[d->candidates[d->chosen].endpoint].conf->name));
    else
        buf_add_text(out, "null");
    buf_printf(out, ",\"verdict\":\"%s\",\"reason\":", verdict_name(d->verdict));
    json_add_string(out, slice_of(d->reason));
    buf_add_text(out, ",\"flip\":");
    json_add_string(out, slice_of(d->flip));
    buf_add_text(out, ",\"candidates\":[");
    for (int i = 0; i < d->n_candidates; i++) {
        buf_add_text(out, i ? "," : "");
        print_candidate(&d->candidates[i], fleet, out);
    }
    buf_add_text(out, "]");
    print_features(&d->features, out);
    buf_add_text(out, "}");
}

static void copy_text(char *out, size_t n_out, const struct json *v, const char *member)
{
    slice_to_text(slice_of(json_get_text(v, member)), out, n_out);
}

static int64_t read_nusd(const struct json *v, const char *member)
{
    double usd;
    return json_get_number(v, member, &usd) && fabs(usd) < 1e9 ? llround(usd * 1e9) : 0;
}

static float read_share(const struct json *v, const char *member)
{
    double share;
    return json_get_number(v, member, &share) && share >= 0 && share <= 1 ? (float)share : 0;
}

/* Position of a text in a table of names; 0 when it is none of them. */
static int find_name(const char *text, const char *(*name_at)(int), int n)
{
    for (int i = 0; text && i < n; i++)
        if (strcmp(text, name_at(i)) == 0)
            return i;
    return 0;
}

static const char *filter_at(int i)
{
    return filter_name((enum filter)i);
}

static const char *verdict_at(int i)
{
    return verdict_name((enum verdict)i);
}

static const char *domain_at(int i)
{
    return domain_name((enum domain)i);
}

static void read_features(const struct json *v, struct features *f)
{
    *f = (struct features){.max_zone = ZONE_EXTERNAL, .only_endpoint = -1};
    if (!json_get_u32(v, "input_tok", &f->n_input_tok) ||
            !json_get_u32(v, "output_tok", &f->n_output_tok))
        f->n_input_tok = f->n_output_tok = 0;
    f->difficulty = read_share(v, "difficulty");
    f->domain = (enum domain)find_name(json_get_text(v, "domain"), domain_at, DOMAIN_COUNT);
    copy_text(f->language, sizeof f->language, v, "language");
    f->needs_tools = json_is_true(json_get(v, "tools"));
    f->has_code = json_is_true(json_get(v, "code"));
    f->wants_json = json_is_true(json_get(v, "json"));
}

/* An unknown price is null; what it was counted as is what the other parts leave of the sum. */
static void read_candidate(const struct json *v, struct candidate *c)
{
    *c = (struct candidate){.endpoint = -1,
            .filter =
                    (enum filter)find_name(json_get_text(v, "filter"), filter_at, FILTER_COUNT),
            .cost_nusd = read_nusd(v, "expected_usd"),
            .late_nusd = read_nusd(v, "late_usd"),
            .failure_nusd = read_nusd(v, "failure_usd"),
            .miss_nusd = read_nusd(v, "miss_usd"),
            .p_miss = read_share(v, "p_miss"),
            .is_price_known = !json_is_null(json_get(v, "cost_usd"))};
    c->price_nusd = c->is_price_known
                            ? read_nusd(v, "cost_usd")
                            : c->cost_nusd - c->late_nusd - c->failure_nusd - c->miss_nusd;
    if (!json_get_u32(v, "expected_ms", &c->expected_ms))
        c->expected_ms = 0;
    copy_text(c->reason, sizeof c->reason, v, "reason");
}

bool decision_read_json(
        struct slice json, struct arena *arena, struct decision *out, const char **names)
{
    struct json *root = json_parse(json);
    const struct json *list = json_get(root, "candidates");
    const char *chosen = json_get_text(root, "endpoint");
    *out = (struct decision){.chosen = -1};
    if (!json_is_array(list)) {
        json_free(root);
        return false;
    }
    for (const struct json *v = json_first(list); v && out->n_candidates < ENDPOINTS_MAX;
            v = json_next(v)) {
        const char *name = json_get_text(v, "endpoint");
        int i = out->n_candidates++;
        names[i] = arena_strdup(arena, name ? name : "?");
        read_candidate(v, &out->candidates[i]);
        if (out->chosen < 0 && chosen && strcmp(chosen, names[i]) == 0)
            out->chosen = i;
    }
    out->verdict = (enum verdict)find_name(
            json_get_text(root, "verdict"), verdict_at, VERDICT_REFUSE + 1);
    copy_text(out->reason, sizeof out->reason, root, "reason");
    copy_text(out->flip, sizeof out->flip, root, "flip");
    read_features(json_get(root, "features"), &out->features);
    json_free(root);
    return true;
}
