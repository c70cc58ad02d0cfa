/* app.h - the terminal program: one loop over keyboard, hub and signals. */
#ifndef TUI_APP_H
#define TUI_APP_H

#include "engine/base.h"

struct config;

/* Runs until the user quits, the terminal goes away or a signal ends it. `attached` (may be
 * empty) is put into the draft. The exit status. */
int app_run(struct config *config, struct slice attached, const char *why_cpu);

#endif
