/*
 * helper_app.h - the app as views see it: a plain struct around a core that is filled by hand.
 * What a view asks of it is kept for the test to look at.
 */
#ifndef TESTS_HELPER_APP_H
#define TESTS_HELPER_APP_H

#include "router/core.h"

#include "tui/keys.h"
#include "tui/view.h"

#define APP_NOW_MS 1700000000000

struct app {
    struct core core;
    struct keymap *keymap;
    enum view_id view;
    void *states[VIEW_COUNT]; /* of views that another view looks at or opens */
    uint64_t now_ns, wake_ns; /* wake_ns: the nearest time asked for; 0: none */
    char notice[512];
    struct buf copied; /* the newest text that was copied */
    char copied_what[64];
    char last_text[512]; /* of the newest action */
    enum action_kind last_action;
    int64_t last_id;
    int n_actions, n_loads; /* n_loads: of them ACTION_LOAD_TOKENS */
    int n_looks_for_models;
    bool must_quit, is_mono, has_no_side_pane;
    enum reasoning_mode reasoning;
    bool knows_texts;     /* of tokens: the model is loaded */
    struct buf conf_text; /* the configuration file */
    bool is_disk_full;    /* it cannot be written */
    struct arena arena;
};
void app_fake_init(struct app *app, struct endpoint_conf *endpoints, size_t n_endpoints);
void app_fake_release(struct app *app);
/* As the app gives a view a key that no command has. */
bool app_fake_key(struct app *app, enum view_id id, void *state, const struct key *key);
/* Draws the view at that size; the screen is the caller's. */
struct screen app_fake_draw(
        struct app *app, enum view_id id, void *state, int n_cols, int n_rows);

#endif
