/* ask_output.h - how `shunt ask` prints: text as it comes, one JSON object, or a line of
 * figures. */
#ifndef TUI_ASK_OUTPUT_H
#define TUI_ASK_OUTPUT_H

#include "engine/base.h"

struct core;
struct message;

/* Prints what is new behind the first n_printed bytes, whole characters only; returns the new
 * count. On a terminal control characters are replaced: model text never steers it. */
size_t ask_print_text(struct slice text, size_t n_printed);
void ask_print_end(const struct message *answer, size_t n_printed);
/* One object: text, reasoning, tool_calls, finish_reason, usage, error, route,
 * timing, cost_usd, session, model. */
void ask_print_json(const struct core *core, const struct message *answer);
/* The same without an answer: only the error says something. */
void ask_print_json_failure(const struct err *err);
void ask_print_stats(const struct core *core, const struct message *answer); /* on stderr */

#endif
