/* helper_emulated.c - see helper_emulated.h. */
#include "tests/helper_emulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/model.h"
#include "engine/model_info.h"

#include "tests/helper_golden.h"

const struct backend_choice emulated_cpu = {.name = "cpu"},
                            emulated_device = {.name = "cuda-emu"};

int emulated_restore(void **state)
{
    (void)state;
    static const char *const settings[] = {"GKEMU_DEVICES", "GKEMU_ERROR", "GKEMU_DRIVER",
            "GKEMU_MEMORY", "GKEMU_FAIL", "GKEMU_GEMM", "GKEMU_NO_CODE", "GKEMU_INTEGRATED",
            "GKEMU_MEMINFO", "GKEMU_PIECE"};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        unsetenv(settings[i]);
    return 0;
}

struct model *emulated_open(const struct golden *g, const struct backend_choice *choice)
{
    struct model *m = golden_open_model(g, choice, true);
    const char *why = model_info(m)->why_cpu;
    if (why[0])
        fail_msg("%s: %s", g->model_path, why);
    return m;
}

float *emulated_logits(const struct golden *g, struct model *m, uint32_t n_batch)
{
    uint16_t seq[GOLDEN_MAX_TOK] = {0};
    uint32_t pos[GOLDEN_MAX_TOK];
    uint8_t want[GOLDEN_MAX_TOK];
    size_t row_bytes = g->n_vocab * sizeof(float);
    char *all = mem_alloc(g->n_tokens * row_bytes);
    struct err err;
    memset(want, 1, sizeof want);
    for (uint32_t at = 0; at < g->n_tokens; at += n_batch) {
        uint32_t n = g->n_tokens - at < n_batch ? g->n_tokens - at : n_batch;
        for (uint32_t i = 0; i < n; i++)
            pos[i] = at + i;
        struct batch batch = {n, g->tokens + at, seq, pos, want, .keeps_logits = true};
        if (model_forward(m, &batch, &err) != OK)
            fail_msg("%s", err.text);
        for (uint32_t i = 0; i < n; i++)
            memcpy(all + (at + i) * row_bytes, model_logits(m, i), row_bytes);
    }
    model_kv_remove(m, 0, 0, UINT32_MAX);
    return (float *)(void *)all;
}

void emulated_expect_equal(
        const struct golden *g, const float *want, const float *got, const char *what)
{
    for (size_t i = 0; i < (size_t)g->n_tokens * g->n_vocab; i++)
        if (want[i] != got[i])
            fail_msg("%s: logit %zu of position %zu is %g, not %g", what, i % g->n_vocab,
                    i / g->n_vocab, (double)got[i], (double)want[i]);
}
