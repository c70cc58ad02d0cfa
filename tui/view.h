/*
 * view.h - what a full screen is: a row of views.def with a draw and a run function. A view can
 * look at anything in the core and change only its own state, or ask for more by an action
 * (app_act) or a command.
 */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include "engine/base.h"

#include "tui/commands.h"
#include "tui/settings.h"

struct action;
struct app;
struct conf;
struct core;
struct key;
struct keymap;
struct message;
struct model_info;
struct surface;

struct view_hint {    /* of the hint bar */
    const char *keys; /* of a mode that has its own; NULL: those that are bound to … */
    const char *what;
    enum command command, partner; /* … this and, one hint for both, perhaps this */
};

struct view_ops {
    enum context context; /* which key bindings apply */
    /* The same while that depends on the state; NULL: it never does. */
    enum context (*context_of)(const void *state, const struct app *app);
    size_t state_bytes; /* zeroed by the app, owned by it */
    /* Draws everything between the tab row and the hint bar. May keep scroll positions and
     * caches in state, ask for what it lacks and when to be drawn again. */
    void (*draw)(void *state, struct app *app, struct surface *out);
    /* A command bound in this view's context. False: not mine. */
    bool (*run)(void *state, enum command command, struct app *app);
    /* A key that no binding claims: typed text, pastes. False: not mine. NULL: takes none. */
    bool (*key)(void *state, const struct key *key, struct app *app);
    /* What the hint bar shows in place of the bindings, ended by what NULL; NULL: the
     * bindings. May be NULL itself. */
    const struct view_hint *(*hints)(const void *state, const struct app *app);
    /* Does this command do nothing now? The hint bar leaves it out. NULL: none. */
    bool (*is_idle)(const void *state, const struct app *app, enum command command);
    bool (*key_first)(void *state, const struct key *key, struct app *app); /* as key, asked
                                                   before the bindings; NULL: not asked */
    /* The mouse, while it is on; rows from the top of the view. click NULL: nothing to select;
     * wheel NULL: CMD_UP and CMD_DOWN. */
    void (*click)(void *state, int row, struct app *app);
    void (*wheel)(void *state, int n_rows, struct app *app);
    void (*open)(void *state, struct app *app); /* each time it is shown; may be NULL */
    void (*release)(void *state);               /* may be NULL */
};

enum view_id {
#define VIEW(id, name, number, title, ops) VIEW_##id,
#include "tui/views.def"
#undef VIEW
    VIEW_COUNT
};

struct view_def {
    const char *name, *title;
    int number; /* the key that opens it, fixed */
    const struct view_ops *ops;
};
extern const struct view_def views[VIEW_COUNT];

/* What the app offers to views and command handlers (app_offer.c). */
const struct core *app_core(const struct app *app);
void app_act(struct app *app, struct action *action); /* at the time of now; takes the action */
void app_open_view(struct app *app, enum view_id id);
void app_open_help(struct app *app);
void app_open_palette(struct app *app); /* or closes it */
void app_notice(struct app *app, enum status status, const char *fmt, ...) PRINTF(3, 4);
void app_toggle_mouse(struct app *app);
/* Hands the terminal to the user's editor; the text comes back by view_chat_set_input. */
void app_edit(struct app *app, struct slice text);
void app_run_command(struct app *app, enum command command); /* as its key does */
void app_redraw(struct app *app);                            /* the whole screen from nothing */
void app_wake_at(struct app *app, uint64_t t_ns);            /* draw again at that time, once */
void app_suspend(struct app *app);
void app_interrupt(struct app *app); /* stop, else clear, else arm quitting */
void app_quit(struct app *app);
const struct keymap *app_keymap(const struct app *app);
const char *app_models_dir(const struct app *app); /* where model files are looked for */
bool app_side_pane(const struct app *app);         /* the configured default */
enum reasoning_mode app_reasoning(const struct app *app);
bool app_is_mono(const struct app *app);  /* no colours */
bool app_has_heat(const struct app *app); /* in colours, else it is drawn as characters */
/* Those that there are; valid until the next call. */
size_t app_theme_names(const struct app *app, const char *const **out);
void app_use_theme(struct app *app, const char *name); /* from now on; "": tells which */
uint64_t app_now_ns(const struct app *app);            /* time of the current loop turn */
int64_t app_now_ms(const struct app *app);             /* Unix time of the current loop turn */
/* Cleaned, into a file and to the terminal's clipboard, which a notice about `what` says. */
void app_copy(struct app *app, struct slice text, const char *what);
enum view_id app_view(const struct app *app);
void *app_view_state(const struct app *app, enum view_id id);
/* Appends the text of a vocabulary id of the model that wrote the answer. False: that model is
 * not loaded. */
bool app_token_text(
        const struct app *app, const struct message *answer, int32_t token, struct buf *out);
const struct model_info *app_model_info(
        const struct app *app); /* of the loaded local model, or NULL */
/* The configuration file as it is now; the caller frees it. */
enum status app_read_conf(const struct app *app, struct conf **out, struct err *err) MUST_USE;
/* Model files that came or went since are endpoints, or are no longer. */
void app_look_for_models(struct app *app);
/* Writes it, frees it and goes on with its endpoints. */
enum status app_save_endpoints(struct app *app, struct conf *conf, struct err *err) MUST_USE;

#endif
