/* chat_greeting.c - see chat_greeting.h. */
#include "tui/chat_greeting.h"

#include "engine/base.h"

#include "router/core.h"
#include "router/fleet.h"

#include "tui/keys.h"
#include "tui/surface.h"

void chat_greeting_draw(const struct app *app, struct surface *out)
{
    const char *newline = keymap_keys_of(app_keymap(app), CTX_INPUT, CMD_NEWLINE);
    const char *help = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_HELP);
    const char *sessions = keymap_keys_of(app_keymap(app), CTX_CHAT, CMD_OPEN_SESSIONS);
    int row = out->rect.n_rows > 12 ? 2 : 0;
    if (fleet_has_nobody(&app_core(app)->fleet)) {
        surface_puts(out, row, 3, ROLE_WARN, "There is nobody to talk to yet.");
        surface_puts(out, row + 2, 3, ROLE_TEXT,
                "Put an instruct model (a .gguf file) into the models folder,");
        surface_puts(out, row + 3, 3, ROLE_TEXT, "or add an [endpoint] to the configuration.");
        surface_puts(out, row + 4, 3, ROLE_TEXT,
                "`shunt doctor` names both places and what is wrong.");
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
