/* synthetic.h - mixture models of well-known shapes with made-up weights, so that a machine
 * without a model can measure. The text such a model makes is noise; the work is the real one.
 */
#ifndef ENGINE_SYNTHETIC_H
#define ENGINE_SYNTHETIC_H

#include "engine/base.h"

struct synthetic_shape {
    const char *name;
    uint32_t n_layers, d, n_heads, n_kv_heads, head_dim, n_experts, n_used, n_ff, n_vocab;
};
extern const struct synthetic_shape synthetic_shapes[];
extern const size_t n_synthetic_shapes;

const struct synthetic_shape *synthetic_find(const char *name); /* or NULL */
/* Writes the model as GGUF into memory that has no name in any folder and is gone with its
 * descriptor. The caller closes *fd. */
enum status synthetic_make(
        const struct synthetic_shape *shape, int *fd, struct err *err) MUST_USE;

#endif
