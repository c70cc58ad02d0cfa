/* helper_chat.c - see helper_chat.h. */
#include "tests/helper_chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/endpoint.h"
#include "router/session.h"

#include "tui/surface.h"

int chat_set_up(void **state)
{
    static struct endpoint_conf confs[1];
    struct chat_fixture *f = mem_alloc(sizeof *f);
    confs[0] = endpoint_local("local", "/models/qwen3.gguf");
    app_fake_init(&f->app, confs, 1);
    f->view = mem_alloc(views[VIEW_CHAT].ops->state_bytes);
    *state = f;
    return 0;
}

int chat_tear_down(void **state)
{
    struct chat_fixture *f = *state;
    views[VIEW_CHAT].ops->release(f->view);
    mem_free(f->view);
    app_fake_release(&f->app);
    mem_free(f);
    return 0;
}

struct message *chat_say(struct chat_fixture *f, enum message_role role, const char *text)
{
    struct session *s = f->app.core.session;
    int64_t n = (int64_t)s->n_messages;
    struct message *m = session_add(s, n + 1, role, APP_NOW_MS + n * 60000);
    buf_add_text(&m->text, text);
    m->is_saved = true;
    return m;
}

bool chat_run(struct chat_fixture *f, enum command command)
{
    return views[VIEW_CHAT].ops->run(f->view, command, &f->app);
}

void chat_type(struct chat_fixture *f, const char *text)
{
    for (const char *c = text; *c; c++) {
        struct key key = {.code = (uint32_t)*c};
        assert_true(views[VIEW_CHAT].ops->key(f->view, &key, &f->app));
    }
}

struct buf chat_screen(struct chat_fixture *f, int n_cols, int n_rows)
{
    struct screen screen = app_fake_draw(&f->app, VIEW_CHAT, f->view, n_cols, n_rows);
    struct buf out;
    buf_init(&out, 1 << 20);
    screen_print(&screen, &out);
    screen_release(&screen);
    return out;
}

bool chat_shows_at(struct chat_fixture *f, int n_cols, int n_rows, const char *text)
{
    struct buf screen = chat_screen(f, n_cols, n_rows);
    bool is_there = strstr(buf_text(&screen), text) != NULL;
    buf_release(&screen);
    return is_there;
}

bool chat_shows(struct chat_fixture *f, const char *text)
{
    return chat_shows_at(f, 80, 21, text);
}

void chat_expect_input(const struct chat_fixture *f, const char *text)
{
    assert_string_equal(buf_text(&f->app.core.session->draft), text);
}
