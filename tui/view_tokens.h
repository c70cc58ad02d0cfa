/* view_tokens.h - what the other views may ask of the Tokens view. */
#ifndef TUI_VIEW_TOKENS_H
#define TUI_VIEW_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

struct app;
struct message;

/* Opens it at an answer, or at the newest if the id is of none; going back returns to the view
 * of now. */
void view_tokens_open(struct app *app, int64_t message_id);
/* Asks for the records of a local answer that are only on the disk. */
void view_tokens_load(struct app *app, const struct message *m);

#endif
