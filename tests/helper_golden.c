/* helper_golden.c - see helper_golden.h. */
#include "tests/helper_golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/json.h"
#include "engine/model.h"
#include "engine/telemetry.h"

bool golden_open(struct golden *g, const char *folder, const char *name)
{
    char path[512];
    struct err err;
    *g = (struct golden){0};
    snprintf(path, sizeof path, "%smodels/%s.json", folder, name);
    if (access(path, R_OK) != 0)
        return false;
    if (file_read(&g->text, path, 64 << 20, &err) != OK)
        fail_msg("%s", err.text);
    g->json = json_parse(buf_slice(&g->text));
    assert_non_null(g->json);
    snprintf(g->model_path, sizeof g->model_path, "%smodels/%s", folder,
            json_get_text(g->json, "model"));
    snprintf(path, sizeof path, "%smodels/%s", folder, json_get_text(g->json, "logits_file"));
    if (file_read(&g->logits, path, 64 << 20, &err) != OK)
        fail_msg("%s", err.text);
    assert_true(json_get_u32(g->json, "n_vocab", &g->n_vocab));
    assert_true(json_get_u32(g->json, "pos0", &g->pos0));
    assert_true(json_get_u32(g->json, "n_ctx", &g->n_ctx));
    const struct json *tokens = json_get(g->json, "tokens");
    for (const struct json *t = json_first(tokens); t; t = json_next(t)) {
        double value;
        assert_true(json_number(t, &value) && g->n_tokens < GOLDEN_MAX_TOK);
        g->tokens[g->n_tokens++] = (int32_t)value;
    }
    g->n_known = (uint32_t)(g->logits.n / sizeof(float) / g->n_vocab);
    return true;
}

void golden_close(struct golden *g)
{
    json_free(g->json);
    buf_release(&g->text);
    buf_release(&g->logits);
}

struct model *golden_open_model(
        const struct golden *g, const struct backend_choice *backend, bool is_exact)
{
    struct model *m;
    struct err err;
    struct model_config cfg = {.path = g->model_path,
            .context_tok = g->n_ctx,
            .batch_tok = GOLDEN_MAX_TOK,
            .n_threads = 2,
            .is_exact = is_exact,
            .backend = *backend};
    if (model_open(&m, &cfg, &err) != OK)
        fail_msg("%s", err.text);
    return m;
}

static void compare_experts(const struct golden *g, const struct model *m, uint32_t i,
        uint32_t i_known, struct difference *diff)
{
    const struct json *layers = json_get(g->json, "moe");
    if (!layers)
        layers = json_get(g->json, "moe_last");
    const struct telemetry_shape *shape = model_shape(m);
    assert_int_equal(json_count(layers), shape->n_moe_layers);
    for (uint32_t l = 0; l < shape->n_moe_layers; l++) {
        const struct json *ids = json_at(json_get(json_at(layers, l), "ids"), i_known),
                          *weights = json_at(json_get(json_at(layers, l), "weights"), i_known);
        assert_int_equal(json_count(ids), shape->k);
        for (uint32_t e = 0; e < shape->k; e++) {
            double want_id, want_weight, got_weight = -1;
            assert_true(json_number(json_at(ids, e), &want_id));
            assert_true(json_number(json_at(weights, e), &want_weight));
            for (uint32_t k = 0; k < shape->k; k++)
                if (model_picks(m, i)[l * shape->k + k].expert == (uint16_t)want_id)
                    got_weight = model_weights(m, i)[l * shape->k + k];
            if (got_weight < 0)
                diff->n_flipped++;
            else
                diff->largest = fmax(diff->largest, fabs(got_weight - want_weight));
        }
        assert_true(model_margins(m, i)[l] >= 0);
    }
}

void golden_compare(const struct golden *g, struct model *m, uint32_t i, uint32_t at,
        struct difference *diff)
{
    uint32_t first_known = g->n_tokens - g->n_known;
    if (at < first_known)
        return;
    const float *want = (const float *)(const void *)g->logits.ptr +
                        (size_t)(at - first_known) * g->n_vocab;
    const float *got = model_logits(m, i);
    assert_non_null(got);
    for (uint32_t v = 0; v < g->n_vocab; v++) {
        double d = fabs((double)got[v] - want[v]);
        diff->largest = d <= diff->largest ? diff->largest : d; /* NaN is kept */
        diff->sum_squares += d * d;
        diff->n++;
    }
    compare_experts(g, m, i, at - first_known, diff);
}

struct difference golden_run(const struct golden *g, struct model *m, uint16_t seq_id,
        uint32_t begin, uint32_t end, uint32_t n_batch)
{
    uint16_t seq[GOLDEN_MAX_TOK];
    uint32_t pos[GOLDEN_MAX_TOK];
    uint8_t want[GOLDEN_MAX_TOK];
    struct difference diff = {0};
    struct err err;
    memset(want, 1, sizeof want);
    for (uint32_t at = begin; at < end; at += n_batch) {
        uint32_t n = end - at < n_batch ? end - at : n_batch;
        for (uint32_t i = 0; i < n; i++) {
            seq[i] = seq_id;
            pos[i] = g->pos0 + at + i;
        }
        struct batch batch = {n, g->tokens + at, seq, pos, want, .keeps_logits = true};
        if (model_forward(m, &batch, &err) != OK)
            fail_msg("%s", err.text);
        for (uint32_t i = 0; i < n; i++)
            golden_compare(g, m, i, at + i, &diff);
    }
    return diff;
}

void golden_expect(const char *what, const struct difference *diff, double tolerance)
{
    if (!(diff->largest <= tolerance) || diff->n_flipped || !diff->n)
        fail_msg("%s: largest difference %g of %zu logits, %zu experts differ", what,
                diff->largest, diff->n, diff->n_flipped);
}

void golden_check(const char *folder, const char *name, const struct backend_choice *backend)
{
    static const uint32_t whole[] = {1, 7, GOLDEN_MAX_TOK}, long_prompt[] = {256};
    struct golden g;
    if (!golden_open(&g, folder, name))
        return;
    bool is_long = g.n_known < g.n_tokens;
    const uint32_t *batches = is_long ? long_prompt : whole;
    struct model *m = golden_open_model(&g, backend, true);
    assert_string_equal(model_info(m)->why_cpu, "");
    for (size_t b = 0; b < (is_long ? ARRAY_LEN(long_prompt) : ARRAY_LEN(whole)); b++) {
        char what[256];
        snprintf(what, sizeof what, "%s %s batch %u", name, model_info(m)->kernel, batches[b]);
        struct difference diff = golden_run(&g, m, 0, 0, g.n_tokens, batches[b]);
        golden_expect(what, &diff, is_long ? 5 * EXACT_TOLERANCE : EXACT_TOLERANCE);
        model_kv_remove(m, 0, 0, UINT32_MAX);
        assert_int_equal(model_kv_room(m), model_info(m)->context_tok);
    }
    model_close(m);
    golden_close(&g);
}
