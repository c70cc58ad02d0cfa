/* message_footer.h - the lines under an answer that is not simply done: what it waits for, what
 * it asks, why it ended early. */
#ifndef TUI_MESSAGE_FOOTER_H
#define TUI_MESSAGE_FOOTER_H

struct app;
struct message;
struct surface;

/* question: what is asked before it is sent, or NULL. 0: it is simply done. */
int message_footer_lines(const struct message *m, const char *question, int n_cols);
void message_footer_draw(const struct app *app, const struct message *m, int i_line,
        struct surface *out, int row);

#endif
