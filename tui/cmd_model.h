/* cmd_model.h - the parts of `shunt model`. */
#ifndef TUI_CMD_MODEL_H
#define TUI_CMD_MODEL_H

#include <stdbool.h>

struct config;

/* Every local model: of the endpoints, and the files of the models folder that none of them
 * names. The exit status. */
int model_list(const struct config *config, bool is_json);

#endif
