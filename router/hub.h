/*
 * hub.h - the core with its threads: opens the store, the net and an engine per local endpoint
 * (on first use), drains their rings into core_apply, carries out the effects. One owner
 * thread, the front end's.
 *
 * A front end polls hub_fd() (and its own descriptors) with hub_timeout_ms(), then calls
 * hub_step.
 */
#ifndef ROUTER_HUB_H
#define ROUTER_HUB_H

#include "engine/backend.h"

struct action;
struct core;
struct core_config;
struct engine;
struct hub;

struct hub_config {
    const struct core_config *core; /* copied; has_history follows from data_dir */
    const char *data_dir;           /* NULL: nothing is stored */
    const char *models_dir; /* whose files are listed beside those of the endpoints; or NULL */
    int n_threads;          /* of an engine; 0: all cores */
    struct backend_choice backend; /* copied */
    /* Around a key command that may talk to the terminal. May be NULL. */
    void (*terminal)(void *user, bool give);
    void *user;
};

enum status hub_open(struct hub **out, const struct hub_config *cfg, struct err *err) MUST_USE;
/* The end: answers stop, everything is sent to the store, what the disk refused is tried once
 * more. Else a sentence about what could not be saved. */
enum status hub_save(struct hub *hub, struct err *err) MUST_USE;
void hub_close(struct hub *hub); /* stops and joins everything; saves if hub_save did not */
const struct core *hub_core(const struct hub *hub);
int hub_fd(const struct hub *hub); /* readable when something is to drain */
/* Until the core's deadline; 0: there is more to drain; -1: nothing to do before hub_fd wakes.
 */
int hub_timeout_ms(const struct hub *hub);
/* Drains for at most budget_ns (2 ms in the TUI) and carries out effects. */
void hub_step(struct hub *hub, uint64_t budget_ns);
/* Hands the action to the core with the time of now. */
void hub_act(struct hub *hub, struct action *action);
/* The engine of a local endpoint when it is loaded, else NULL. */
const struct engine *hub_engine(const struct hub *hub, int endpoint);

#endif
