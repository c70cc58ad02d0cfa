/* chat_rule.h - the line between conversation and input: where the next message goes, and at
 * the right what is below the screen, that a message is edited, or the title. */
#ifndef TUI_CHAT_RULE_H
#define TUI_CHAT_RULE_H

#include "engine/base.h"

struct app;
struct chat_next;
struct surface;
struct transcript;

struct chat_rule {
    const struct transcript *transcript;
    struct chat_next *next;
    struct slice draft;
    bool is_editing;
};

void chat_rule_draw(
        const struct chat_rule *rule, struct app *app, struct surface *out, int row);

#endif
