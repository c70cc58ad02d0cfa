/*
 * app_theme.c - which theme the screen has: the one that was picked last time, the one for the
 * terminal's background, the one that is picked now.
 */
#include "router/core.h"

#include "tui/app_internal.h"
#include "tui/look.h"
#include "tui/term.h"

#define LOOK_WAIT_NS                                                                           \
    15000000ull /* for what decides the theme: a first frame in the wrong one would flash */

void app_ask_background(struct app *app)
{
    vtin_expect_background(app->in, clock_now_ns());
    term_ask_background(app->term);
}

void app_use_look(struct app *app)
{
    struct slice rest = buf_slice(&app->look->problems), first = slice_cut(&rest, '\n');
    term_set_theme(app->term, &app->look->theme);
    app->is_dirty = true;
    if (first.n)
        app_notice(app, ERR_CONFIG, "%.*s%s", (int)first.n, first.ptr,
                rest.n ? " (`shunt doctor` shows all)" : "");
}

size_t app_theme_names(const struct app *app, const char *const **out)
{
    return look_names(app->look, out);
}

static void tell_unfit(struct app *app)
{
    const char *const *names = theme_variant_names;
    const struct look *look = app->look;
    if (look_is_unfit(look))
        app_notice(app, OK,
                "the theme %s is made for a %s background, and this terminal's is %s; /theme "
                "auto takes the one that fits",
                look_name(look), names[look->theme.variant], names[look->background]);
}

void app_use_theme(struct app *app, const char *name)
{
    if (!name[0]) {
        char source[4200];
        look_print_source(app->look, source, sizeof source);
        app_notice(app, OK,
                "the theme is %s (%s); /theme NAME takes another, `shunt themes` lists them",
                look_name(app->look), source);
        return;
    }
    if (!look_pick(app->look, name)) {
        app_notice(app, ERR_USAGE, "there is no theme \"%s\"; `shunt themes` lists them", name);
        return;
    }
    struct action *a = action_new(ACTION_PICK_THEME);
    char kept[LOOK_PICK_BYTES];
    look_print_pick(app->look, kept, sizeof kept);
    a->text = mem_strdup(kept);
    app_act(app, a);
    app_notice(app, OK, "the theme is %s", name);
    tell_unfit(app);
    app_use_look(app);
    app->tells_unfit = !app->look->background;
    if (look_is_auto(app->look) || app->tells_unfit)
        app_ask_background(app);
}

void app_take_background(struct app *app, struct slice answer)
{
    term_background_came(app->term);
    if (look_take_background(app->look, answer))
        app_use_look(app);
    if (app->tells_unfit)
        tell_unfit(app);
    app->tells_unfit = false;
}

void app_restore_theme(struct app *app)
{
    if (app->has_theme || !app_core(app)->is_theme_known)
        return;
    app->has_theme = true;
    if (look_restore_pick(app->look, app_core(app)->theme))
        app_use_look(app);
}

/* The first frame waits for the theme that was picked last time and for the terminal's
 * background; what comes later changes the theme then. */
bool app_waits_for_look(struct app *app)
{
    uint64_t until_ns = app->started_ns + LOOK_WAIT_NS;
    bool is_known = app->has_theme && (!look_is_auto(app->look) || app->look->background);
    app->has_look |= is_known || app->now_ns >= until_ns;
    if (!app->has_look)
        app_wake_at(app, until_ns);
    return !app->has_look;
}
