/* model_text.h - how a local model stands, as a sign, a colour and a few words. Pure. */
#ifndef TUI_MODEL_TEXT_H
#define TUI_MODEL_TEXT_H

#include <stddef.h>

#include "tui/role.h"

struct core;
struct model_state;

struct model_sign {
    const char *glyph;
    enum role role;
};

struct model_sign model_sign(const struct model_state *m);
/* "ready", "loading 43 %", "busy: 2 requests, ~34 tok/s", "failed: …" with the whole sentence.
 */
void model_state_text(
        const struct core *core, const struct model_state *m, char *out, size_t n_bytes);
/* The endpoint's name, or that of the file. */
const char *model_name(const struct core *core, const struct model_state *m);

#endif
