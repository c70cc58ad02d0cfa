/* pane_model.h - all that is known of one local model, and what it takes of this machine's
 * memory.
 */
#ifndef TUI_PANE_MODEL_H
#define TUI_PANE_MODEL_H

struct core;
struct model_state;
struct surface;

void pane_model_draw(const struct core *core, const struct model_state *m, struct surface *out);

#endif
