/* app_internal.h - the state of the terminal program, for the files of app.c only. */
#ifndef TUI_APP_INTERNAL_H
#define TUI_APP_INTERNAL_H

#include "tui/external_editor.h"
#include "tui/palette.h"
#include "tui/pilot_help.h"
#include "tui/status_line.h"
#include "tui/surface.h"
#include "tui/view.h"
#include "tui/view_help.h"
#include "tui/vtin.h"

struct look;

struct app {
    struct hub *hub;
    struct term *term;
    struct vtin *in;
    struct keymap *keymap;
    struct pilot_help pilot_help;
    struct config *config;
    struct look *look;
    struct screen screen;
    void *states[VIEW_COUNT];
    enum view_id view;
    struct external_editor editor; /* has the terminal while it runs */
    struct help help;
    bool help_is_open;
    struct palette palette; /* over all of it */
    struct key pending;     /* first key of a sequence */
    uint64_t now_ns, frame_ns, draw_ns, version_shown, quit_armed_ns, unsaved_told_ns, wake_ns;
    uint64_t started_ns;
    int64_t now_ms;
    int body_row; /* of the screen, where the view begins */
    bool is_dirty, must_quit, has_session, has_theme, has_look, has_mouse;
    bool tells_unfit; /* a theme was picked before the terminal's background is known */
    int signal_pipe[2];
    struct status_line status;
    int exit_code;
};

void app_scan_models(struct app *app); /* app_offer.c: reads the heads of the files again */

/* app_theme.c */
void app_ask_background(struct app *app); /* the answer is a key */
void app_take_background(struct app *app, struct slice answer);
void app_use_look(struct app *app); /* draws with it; a notice says what is wrong with it */
void app_restore_theme(struct app *app);
bool app_waits_for_look(struct app *app);

/* app_draw.c */
enum context app_context(const struct app *app); /* whose bindings hold */
void app_show(struct app *app);                  /* what is due */
uint64_t app_next_frame_ns(const struct app *app);

/* app_input.c */
void app_read_input(struct app *app);
void app_take_keys(struct app *app);

/* app_signals.c */
void app_install_signals(struct app *app);
void app_take_signals(struct app *app);
void app_resize(struct app *app); /* to the terminal's size now */

#endif
