/*
 * history.h - what the answers in the database tell about the endpoints, so that estimates and
 * today's costs outlive the program and a second process knows them.
 */
#ifndef ROUTER_HISTORY_H
#define ROUTER_HISTORY_H

#include <stdint.h>

struct fleet;
struct store_command;

/* The command that loads it: latencies of the last 24 hours, costs of the local day. */
struct store_command *history_command(int64_t now_ms);
/* Into a fleet that has seen nothing yet. Failures of earlier runs count as today's errors,
 * but not as failures in a row: they would open breakers for what is long over. */
void history_replay(struct fleet *fleet, const struct store_command *loaded);
/* Breakers of other processes, for a list of the fleet. They bind nobody else: a person who
 * asks again wants to know whether it works now. now_ms and now_ns are the same moment. */
void history_replay_breakers(struct fleet *fleet, const struct store_command *loaded,
        int64_t now_ms, uint64_t now_ns);
/* The last local midnight, and the next. */
int64_t history_day_ms(int64_t now_ms);
int64_t history_next_day_ms(int64_t now_ms);

#endif
