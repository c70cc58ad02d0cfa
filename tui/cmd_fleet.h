/* cmd_fleet.h - what `shunt fleet` and `shunt top` print alike. Each returns an exit status. */
#ifndef TUI_CMD_FLEET_H
#define TUI_CMD_FLEET_H

#include <stdbool.h>
#include <stdint.h>

struct config;

/* A row per endpoint, from the configuration and the answers in the database. */
int fleet_print_list(const struct config *config, bool is_json);
/* A row per day and endpoint of the last n_days local days, today included. */
int fleet_print_costs(const struct config *config, uint32_t n_days, bool is_json);

#endif
