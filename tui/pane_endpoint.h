/*
 * pane_endpoint.h - all that is known of one endpoint: how it is and until when, its last error
 * in full, where its key comes from (never the key), limits, timeouts and prices.
 */
#ifndef TUI_PANE_ENDPOINT_H
#define TUI_PANE_ENDPOINT_H

struct app;
struct endpoint_state;
struct surface;

void pane_endpoint_draw(
        const struct app *app, const struct endpoint_state *e, struct surface *out);

#endif
