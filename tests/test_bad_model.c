/*
 * test_bad_model.c - a local model that cannot be loaded, and a folder without any: what Chat
 * says then, and that what was put there meanwhile is looked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "router/model_file.h"
#include "router/session.h"

#include "tests/helper_chat.h"

static void find_bad(struct chat_fixture *f)
{
    struct model_file *file = model_file_new(0, "/models/qwen3.gguf");
    err_set(&file->facts.err, ERR_FORMAT, "/models/qwen3.gguf: cut off");
    core_apply(&f->app.core, &(struct event){.kind = EV_MODEL_FILE, .u.file = file});
}

static void the_only_one_is_nobody_to_talk_to(void **state)
{
    struct chat_fixture *f = *state;
    assert_true(chat_shows(f, "Write a message"));
    find_bad(f);
    assert_true(chat_shows(f, "There is nobody to talk to yet."));
    assert_true(chat_shows(f, "next: nobody: Fleet says why it cannot answer"));
}

static void a_message_looks_for_models_first(void **state)
{
    struct chat_fixture *f = *state;
    chat_type(f, "hello");
    assert_true(chat_run(f, CMD_SEND));
    assert_int_equal(f->app.n_looks_for_models, 1);
    assert_int_equal(f->app.last_action, ACTION_SEND);
}

static void what_failed_for_nothing_is_not_called_free(void **state)
{
    struct chat_fixture *f = *state;
    chat_say(f, MSG_USER, "hello");
    struct message *m = chat_say(f, MSG_ASSISTANT, "");
    snprintf(m->endpoint, sizeof m->endpoint, "local");
    m->cost_nusd = 0;
    m->state = MESSAGE_DONE;
    assert_true(chat_shows(f, "free"));
    m->state = MESSAGE_FAILED;
    m->version++;
    assert_false(chat_shows(f, "free"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, chat_set_up, chat_tear_down)
    const struct CMUnitTest tests[] = {
            T(the_only_one_is_nobody_to_talk_to),
            T(a_message_looks_for_models_first),
            T(what_failed_for_nothing_is_not_called_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
