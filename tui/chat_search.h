/*
 * chat_search.h - words looked for in the conversation while it has the focus: typed after "/",
 * then from message to message; what is found is marked where it is seen.
 */
#ifndef TUI_CHAT_SEARCH_H
#define TUI_CHAT_SEARCH_H

#include "tui/commands.h"
#include "tui/search_line.h"

struct app;
struct transcript;

/* A key while the words are typed. The selection goes to the nearest message that has them, at
 * or above where it is. */
bool chat_search_key(
        struct search_line *s, struct transcript *t, const struct key *key, struct app *app);
/* Begins to type, or goes on to the message above or below. False: another command. */
bool chat_search_run(
        struct search_line *s, struct transcript *t, enum command command, struct app *app);
/* Marks the words in what is drawn, and draws the line into the last row. */
void chat_search_draw(const struct search_line *s, struct surface *out);

#endif
