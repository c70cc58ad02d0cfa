/* chat_greeting.c - see chat_greeting.h. */
#include "tui/chat_greeting.h"

#include <stdio.h>

#include "engine/base.h"

#include "router/core.h"
#include "router/fleet.h"

#include "tui/keys.h"
#include "tui/surface.h"
#include "tui/text.h"

/* The two ways to somebody who answers; it goes as soon as there is one. */
static void draw_nobody(const struct app *app, struct surface *out, int row)
{
    const char *fleet = keymap_keys_of(app_keymap(app), CTX_GLOBAL, CMD_OPEN_FLEET);
    const char *add = keymap_keys_of(app_keymap(app), CTX_FLEET, CMD_ENDPOINT_ADD);
    char ways[3][1024];
    struct slice line;
    snprintf(ways[0], sizeof ways[0],
            "A model here: put an instruct model (a .gguf file) into %s; the next key finds it.",
            app_models_dir(app));
    snprintf(ways[1], sizeof ways[1],
            "A provider or server: %s opens Fleet, the key %s adds an endpoint there; it is "
            "used at once.",
            fleet ? fleet : "/open-fleet", add ? add : "/endpoint-add");
    snprintf(ways[2], sizeof ways[2], "`shunt doctor` says what is found and what is wrong.");
    surface_puts(out, row++, 3, ROLE_WARN, "There is nobody to talk to yet.");
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        row++;
        for (struct slice rest = slice_of(ways[i]);
                text_wrap(&rest, out->rect.n_cols - 6, &line); row++)
            surface_text(out, row, 3, ROLE_TEXT, 0, line);
    }
}

static int draw_wrapped(struct surface *out, int row, enum role role, const char *text)
{
    struct slice line;
    for (struct slice rest = slice_of(text); text_wrap(&rest, out->rect.n_cols - 6, &line);
            row++)
        surface_text(out, row, 3, role, 0, line);
    return row;
}

/* Only the pilot is there: what it can be asked, and the ways to somebody who knows more. */
static void draw_pilot(const struct app *app, struct surface *out, int row)
{
    static const char *const questions[] = {"How do I add an endpoint?",
            "Which key shows the experts of an answer?", "What is a mixture of experts?"};
    const char *fleet = keymap_keys_of(app_keymap(app), CTX_GLOBAL, CMD_OPEN_FLEET);
    const char *add = keymap_keys_of(app_keymap(app), CTX_FLEET, CMD_ENDPOINT_ADD);
    char ways[1024];
    surface_puts(out, row, 3, ROLE_TITLE, "Write a message and press Enter.");
    row = draw_wrapped(out, row + 2, ROLE_TEXT,
            "The pilot answers, a small model inside this program. It knows only shunt:");
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        surface_puts(out, row++, 5, ROLE_USER, questions[i]);
    snprintf(ways, sizeof ways,
            "For anything else put an instruct model (a .gguf file) into %s, where it is found "
            "at once, or add a provider or server: %s opens Fleet, the key %s adds one.",
            app_models_dir(app), fleet ? fleet : "/open-fleet", add ? add : "/endpoint-add");
    draw_wrapped(out, row + 1, ROLE_DIM, ways);
}

void chat_greeting_draw(const struct app *app, struct surface *out)
{
    const char *newline = keymap_keys_of(app_keymap(app), CTX_INPUT, CMD_NEWLINE);
    const char *help = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_HELP);
    const char *sessions = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_OPEN_SESSIONS);
    int row = out->rect.n_rows > 12 ? 2 : 0;
    if (fleet_has_nobody(&app_core(app)->fleet)) {
        bool has_pilot = fleet_pilot(&app_core(app)->fleet) >= 0;
        (has_pilot ? draw_pilot : draw_nobody)(app, out, row);
        return;
    }
    surface_puts(out, row, 3, ROLE_TITLE, "Write a message and press Enter.");
    surface_printf(
            out, row + 2, 3, ROLE_DIM, "%-8s begins a new line", newline ? newline : "-");
    surface_printf(out, row + 3, 3, ROLE_DIM, "%-8s lists the commands", "/");
    surface_printf(out, row + 4, 3, ROLE_DIM, "%-8s shows earlier sessions",
            sessions ? sessions : "-");
    surface_printf(out, row + 5, 3, ROLE_DIM, "%-8s shows all keys", help ? help : "-");
}
