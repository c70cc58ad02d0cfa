/* helper_chat.h - a Chat view on a fake app: messages put into its session by hand, commands
 * run and text typed in it, and what it shows. */
#ifndef TESTS_HELPER_CHAT_H
#define TESTS_HELPER_CHAT_H

#include "tests/helper_app.h"

struct chat_fixture {
    struct app app;
    void *view;
};

int chat_set_up(void **state); /* for cmocka: *state is a struct chat_fixture */
int chat_tear_down(void **state);
/* Below the leaf; ids count from 1, a minute apart. */
struct message *chat_say(struct chat_fixture *f, enum message_role role, const char *text);
bool chat_run(struct chat_fixture *f, enum command command);
void chat_type(struct chat_fixture *f, const char *text);
/* The screen as text; the caller releases it. */
struct buf chat_screen(struct chat_fixture *f, int n_cols, int n_rows);
bool chat_shows_at(struct chat_fixture *f, int n_cols, int n_rows, const char *text);
bool chat_shows(struct chat_fixture *f, const char *text); /* at 80 x 21 */
/* The draft is what the input holds. */
void chat_expect_input(const struct chat_fixture *f, const char *text);

#endif
