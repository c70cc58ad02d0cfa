/* cmd_fleet.h - what `shunt fleet` and `shunt top` print alike. Each returns an exit status. */
#ifndef TUI_CMD_FLEET_H
#define TUI_CMD_FLEET_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct config;

/* A row per endpoint, from the configuration and the answers in the database. */
int fleet_print_list(const struct config *config, bool is_json);
/* A row per day and endpoint of the last n_days local days, today included. */
int fleet_print_costs(const struct config *config, uint32_t n_days, bool is_json);
/* ,"NAME":VALUE; a value below 0 is not known: null. */
void fleet_add_number(struct buf *out, const char *name, double value);
void fleet_add_text(struct buf *out, const char *name, const char *text);

#endif
