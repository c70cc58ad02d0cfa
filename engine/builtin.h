/*
 * builtin.h - a model that is part of the program. Whoever opens models opens it by its name in
 * place of a path; its bytes are read where they are, so that it costs no memory twice.
 */
#ifndef ENGINE_BUILTIN_H
#define ENGINE_BUILTIN_H

#include "engine/base.h"

#define BUILTIN_PILOT      "builtin:pilot"
#define BUILTIN_PILOT_NAME "pilot (built in)" /* in messages */

/* The bytes of BUILTIN_PILOT, which must live as long; none: there is no such model. Before any
 * thread starts. */
void builtin_set_pilot(struct slice bytes);
/* False: path is no built-in model, or there is none. out may be NULL. */
bool builtin_find(const char *path, struct slice *out);
/* What to call a model file: its path without the folders, or the built-in model's name. */
const char *builtin_name(const char *path);

#endif
