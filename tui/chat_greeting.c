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

void chat_greeting_draw(const struct app *app, struct surface *out)
{
    const char *newline = keymap_keys_of(app_keymap(app), CTX_INPUT, CMD_NEWLINE);
    const char *help = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_HELP);
    const char *sessions = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_OPEN_SESSIONS);
    int row = out->rect.n_rows > 12 ? 2 : 0;
    if (fleet_has_nobody(&app_core(app)->fleet)) {
        draw_nobody(app, out, row);
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
