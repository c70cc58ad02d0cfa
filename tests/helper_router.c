/* helper_router.c - see helper_router.h. */
#include "tests/helper_router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/decision_json.h"
#include "router/session.h"

#include "tests/helper_screen.h"

struct app app;
void *view_state;
enum view_id view_id;

struct endpoint_conf confs[] = {
        {.name = "local",
                .kind = PROVIDER_LOCAL,
                .model = "/models/qwen3.gguf",
                .enabled = true,
                .tier = 2,
                .context_tok = 8192},
        {.name = "mini",
                .kind = PROVIDER_OPENAI,
                .model = "gpt-mini",
                .enabled = true,
                .zone = ZONE_EXTERNAL,
                .tier = 3,
                .usd_per_mtok_in = 0.75,
                .usd_per_mtok_out = 4.5,
                .usd_per_mtok_cached = -1},
        {.name = "lab-gpu",
                .kind = PROVIDER_VLLM,
                .model = "big",
                .enabled = true,
                .zone = ZONE_LAB,
                .tier = 4,
                .usd_per_mtok_in = -1,
                .usd_per_mtok_out = -1,
                .usd_per_mtok_cached = -1},
        {.name = "opus",
                .kind = PROVIDER_ANTHROPIC,
                .model = "opus",
                .enabled = true,
                .zone = ZONE_EXTERNAL,
                .tier = 5,
                .usd_per_mtok_in = 5,
                .usd_per_mtok_out = 25,
                .usd_per_mtok_cached = -1},
};

int set_up_router(void **state)
{
    (void)state;
    app_fake_init(&app, confs, ARRAY_LEN(confs));
    view_state = NULL;
    return 0;
}

void close_view(void)
{
    if (view_state)
        views[view_id].ops->release(view_state);
    mem_free(view_state);
    view_state = NULL;
}

int tear_down_router(void **state)
{
    (void)state;
    close_view();
    app_fake_release(&app);
    return 0;
}

void open_view(enum view_id id)
{
    close_view();
    view_id = id;
    view_state = mem_alloc(views[id].ops->state_bytes);
    if (views[id].ops->open)
        views[id].ops->open(view_state, &app);
}

bool command(enum command command)
{
    return views[view_id].ops->run(view_state, command, &app);
}

void type_text(const char *text)
{
    for (; *text; text++)
        assert_true(app_fake_key(
                &app, view_id, view_state, &(struct key){.code = (uint32_t)*text}));
}

void expect(int n_cols, int n_rows, const char *name)
{
    struct screen screen = app_fake_draw(&app, view_id, view_state, n_cols, n_rows);
    screen_expect(&screen, name);
    screen_release(&screen);
}

const char *shown(int n_cols, int n_rows)
{
    static char text[1 << 16];
    struct buf out;
    struct screen screen = app_fake_draw(&app, view_id, view_state, n_cols, n_rows);
    buf_init(&out, sizeof text - 1);
    screen_print(&screen, &out);
    memcpy(text, buf_text(&out), out.n + 1);
    buf_release(&out);
    screen_release(&screen);
    return text;
}

void expect_shown(const char *text, bool is_there)
{
    const char *screen = shown(80, 21);
    if ((strstr(screen, text) != NULL) != is_there)
        fail_msg("\"%s\" is %s:\n%s", text, is_there ? "missing" : "there", screen);
}

struct features features(float difficulty, enum domain domain)
{
    return (struct features){.n_input_tok = 412,
            .n_output_tok = 512,
            .difficulty = difficulty,
            .domain = domain,
            .language = "en",
            .max_zone = ZONE_EXTERNAL,
            .only_endpoint = -1};
}

struct decision_row row_of(struct arena *arena, const struct features *f,
        const struct budget *budget, uint64_t tried, const char *question)
{
    static struct decision d;
    const struct policy_world world = {&app.core.fleet, *budget, app.now_ns};
    struct buf json;
    buf_init(&json, 1 << 20);
    policy_decide(&d, f, &world, tried);
    decision_print_json(&d, &app.core.fleet, &json);
    struct decision_row row = {.json = {arena_strdup(arena, buf_text(&json)), json.n},
            .question = slice_of(question)};
    buf_release(&json);
    return row;
}

void give(struct store_command *c)
{
    core_apply(
            &app.core, &(struct event){.kind = EV_STORE, .t_ns = app.now_ns, .u.command = c});
}

void fill_log(int n)
{
    struct store_command *c = store_command_new(STORE_LIST_DECISIONS);
    const struct budget none = {-1, 0}, spent = {2000000000, 1999990000};
    struct features easy = features(0.1f, DOMAIN_WRITING), hard = features(0.75f, DOMAIN_MATH),
                    stuck = features(0.4f, DOMAIN_CODE);
    stuck.max_zone = ZONE_LOCAL;
    stuck.n_input_tok = 20000;
    c->decisions = arena_alloc(&c->arena, (size_t)n * sizeof *c->decisions);
    struct decision_row kinds[N_KINDS] = {
            row_of(&c->arena, &easy, &none, 0, "Write a commit message for this change."),
            row_of(&c->arena, &hard, &none, 0,
                    "Prove that every bounded monotone sequence "
                    "converges, and say where completeness enters."),
            row_of(&c->arena, &easy, &none, 1, "\xE4\xB8\xAD\xE6\x96\x87 too?"),
            row_of(&c->arena, &hard, &spent, 5, "And now formally."),
            row_of(&c->arena, &stuck, &none, 0, "Refactor this file: ..."),
    };
    for (int i = 0; i < n; i++) {
        c->decisions[i] = kinds[i % N_KINDS];
        c->decisions[i].t_ms = APP_NOW_MS - i * 61000 - (i == N_KINDS - 1 ? 86400000 * 3 : 0);
        c->decisions[i].message_id = 100 + i;
    }
    c->n_decisions = (size_t)n;
    give(c);
}

struct message *say(int64_t id, enum message_role role, const char *text)
{
    struct message *m = session_add(app.core.session, id, role, APP_NOW_MS);
    buf_add_text(&m->text, text);
    m->is_saved = true;
    return m;
}

void fill_answered_chat(void)
{
    say(1, MSG_USER, "Write a commit message.");
    snprintf(say(100, MSG_ASSISTANT, "policy: **count** lateness")->endpoint, 64, "local");
    say(2, MSG_USER, "Prove it.");
    snprintf(say(101, MSG_ASSISTANT, "Let a_n be bounded.")->endpoint, 64, "mini");
    say(3, MSG_USER, "Go on.");
    snprintf(say(999, MSG_ASSISTANT, "From long ago.")->endpoint, 64, "gone");
}
