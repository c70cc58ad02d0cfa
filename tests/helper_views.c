/* helper_views.c - see helper_views.h. */
#include "tests/helper_views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"

#include "tui/hint_bar.h"

#include "tests/helper_screen.h"

void init_app(struct app *app)
{
    static struct endpoint_conf confs[2];
    confs[0] = endpoint_local("local", "/models/qwen3.gguf");
    confs[1] = (struct endpoint_conf){.name = "mini",
            .kind = PROVIDER_OPENAI,
            .model = "gpt-mini",
            .enabled = true,
            .zone = ZONE_EXTERNAL,
            .usd_per_mtok_in = 0.75,
            .usd_per_mtok_out = 4.5,
            .usd_per_mtok_cached = -1};
    app_fake_init(app, confs, 2);
}

void expect_screen(
        struct app *app, enum view_id id, void *state, int n_cols, int n_rows, const char *name)
{
    struct screen screen = app_fake_draw(app, id, state, n_cols, n_rows);
    screen_expect(&screen, name);
    screen_release(&screen);
}

struct message *add_message(struct app *app, enum message_role role, const char *text)
{
    struct session *s = app->core.session;
    struct message *m = session_add(
            s, (int64_t)s->n_messages + 1, role, NOW_MS + (int64_t)s->n_messages * 60000);
    buf_add_text(&m->text, text);
    m->is_saved = true;
    return m;
}

void fill_chat(struct app *app)
{
    add_message(app, MSG_USER, "Explain what this regex does and make it linear time.");
    struct message *m = add_message(app, MSG_ASSISTANT,
            "The group `(a+)+` can match \"aaaa\" in **exponentially** many ways.\n\n"
            "1. Remove the inner quantifier:\n\n```python\npat = re.compile(r\"^a+$\")\n```\n\n"
            "- it is now linear\n- each character is looked at *once*\n\n> Quoted, with a "
            "[link](https://example.org/x).\n\n"
            "| shape | cost |\n|---|---|\n| old | 2^n |\n| new | n |\n");
    snprintf(m->endpoint, sizeof m->endpoint, "local");
    snprintf(m->model, sizeof m->model, "qwen3.gguf");
    buf_add_text(&m->reasoning, "first I look at the nesting");
    m->usage = (struct usage){412, 212, 400, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    m->ttft_ms = 410;
    m->total_ms = 15300;
    m->cost_nusd = 0;
    add_message(app, MSG_USER, "\xE4\xB8\xAD\xE6\x96\x87 and \xF0\x9F\x98\x80 too?");
    m = add_message(app, MSG_ASSISTANT, "Partly");
    m->state = MESSAGE_INTERRUPTED;
    snprintf(m->endpoint, sizeof m->endpoint, "mini");
    snprintf(m->model, sizeof m->model, "gpt-mini");
    snprintf(app->core.session->title, sizeof app->core.session->title, "regex backtracking");
}

void press(struct app *app, void *chat, const char *text)
{
    for (const char *c = text; *c; c++) {
        struct key key = {.code = (uint32_t)*c};
        assert_true(views[VIEW_CHAT].ops->key(chat, &key, app));
    }
}

int set_up_chat(void **state)
{
    struct chat_fixture *f = mem_alloc(sizeof *f);
    init_app(&f->app);
    f->view = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    *state = f;
    return 0;
}

void clear_input(struct chat_fixture *f)
{
    chat_run(f, CMD_LINE_END);
    chat_run(f, CMD_KILL_LINE_LEFT);
}

void expect_hints(const struct app *app, enum context context, const struct view_hint *own,
        int n_cols, const char *text)
{
    struct screen screen = {0};
    struct buf out;
    buf_init(&out, 1000);
    screen_resize(&screen, 1, n_cols);
    struct surface all = screen_surface(&screen);
    hint_bar_draw(app, context, own, &all, 0);
    screen_print(&screen, &out);
    assert_string_equal(buf_text(&out), text);
    buf_release(&out);
    screen_release(&screen);
}

void fill_balance(struct app *app, uint16_t layers, uint16_t experts, uint16_t k, int n_tokens)
{
    struct telemetry_shape shape = {.n_moe_layers = layers, .n_experts = experts, .k = k};
    uint64_t rng = 1;
    for (uint16_t i = 0; i < layers; i++)
        shape.layers[i] = i;
    struct token_record *r = mem_alloc(token_record_bytes(&shape));
    r->phase = PHASE_DECODE;
    for (int t = 0; t < n_tokens; t++) {
        struct expert_pick *picks = token_record_picks(r);
        for (int i = 0; i < layers * k; i++)
            picks[i] = (struct expert_pick){
                    (uint16_t)((rng_next(&rng) % (experts / k)) * (rng_next(&rng) % 3 ? 1 : 0) +
                               (unsigned)(i % k) * (experts / k)),
                    (uint16_t)(65535 / k)};
        core_apply_token(&app->core, &shape, r);
    }
    mem_free(r);
}
