/*
 * helper_views.h - an app with a local and a remote endpoint, a conversation in it, and golden
 * screens of its views.
 */
#ifndef TESTS_HELPER_VIEWS_H
#define TESTS_HELPER_VIEWS_H

#include "tests/helper_chat.h"

#define NOW_MS APP_NOW_MS

#define CHAT(f) cmocka_unit_test_setup_teardown(f, set_up_chat, chat_tear_down)

void init_app(struct app *app);
void expect_screen(struct app *app, enum view_id id, void *state, int n_cols, int n_rows,
        const char *name);
struct message *add_message(struct app *app, enum message_role role, const char *text);
void fill_chat(struct app *app);
void press(struct app *app, void *chat, const char *text);
int set_up_chat(void **state);
void clear_input(struct chat_fixture *f);
void expect_hints(const struct app *app, enum context context, const struct view_hint *own,
        int n_cols, const char *text);
void fill_balance(struct app *app, uint16_t layers, uint16_t experts, uint16_t k, int n_tokens);

#endif
