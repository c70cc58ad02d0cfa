/*
 * core_internal.h - what the parts of the core share: core.c (state, time, effects),
 * core_actions.c (what the user does), core_branches.c (to the tree of messages), core_runs.c
 * (a request's way), core_answer.c (what comes of it), core_disk.c (what is saved when),
 * core_sessions.c (the list of sessions), core_budget.c (today's money), core_probe.c (whether
 * endpoints live), core_decisions.c (the log of decisions), core_models.c (local models, in
 * memory or not), core_preview.c (a decision in advance).
 */
#ifndef ROUTER_CORE_INTERNAL_H
#define ROUTER_CORE_INTERNAL_H

#include "engine/base.h"

#include "router/message_state.h"

struct action;
struct chat_message;
struct core;
struct effect;
struct endpoint_conf;
struct event;
struct features;
struct memory;
struct message;
struct model_file;
struct outcome;
struct run;
struct session;
struct store_command;

void core_notice(struct core *core, uint64_t t_ns, enum status status, const char *fmt, ...)
        PRINTF(4, 5);
int64_t core_unix_ms(const struct core *core, uint64_t t_ns);
uint32_t core_ms_between(uint64_t from_ns, uint64_t to_ns);
uint64_t core_earlier(uint64_t a, uint64_t b); /* 0: never */
int64_t core_new_id(struct core *core, uint64_t t_ns);
void core_saw_id(
        struct core *core, int64_t id); /* loaded: what is made later gets a higher one */
void core_add_effect(struct core *core, const struct effect *effect);
void core_cancel_request(struct core *core, const struct run *run); /* its attempt */
/* The session, open or not, that holds a message; *message gets it. NULL: none. */
struct session *core_find_message(
        const struct core *core, int64_t id, struct message **message);
struct run *core_find_run(const struct core *core, uint32_t request_id);
/* features_of, as far as the help tells more. */
struct features core_features(const struct core *core, const struct chat_message *messages,
        int n_messages, struct slice extra_json);
struct run *core_run_in(const struct core *core, const struct session *session);
/* The Experts statistics of an answer that was not live here, unless newer ones are shown. */
void core_show_tokens(struct core *core, const struct message *m);
/* Puts the open session away: kept while an answer runs in it or the disk does not have all of
 * it, else freed. */
void core_leave_session(struct core *core);
/* Frees what was put away and is needed no more. */
void core_forget_saved(struct core *core);
/* The open session's choice of an endpoint holds. */
void core_take_choice(struct core *core, uint64_t t_ns);
/* Shows the session if it is in memory, where it is newer than on the disk. */
bool core_show_session(struct core *core, int64_t id, uint64_t t_ns);

/* True, with a notice: an answer runs in the open session; another process writes it. */
bool core_refuse_while_running(struct core *core, uint64_t t_ns);
bool core_refuse_foreign(struct core *core, uint64_t t_ns);

void actions_apply(struct core *core, struct action *action, uint64_t t_ns);

/* The leaf becomes the parent of m, so that what is made next stands beside m. */
void branches_leave(struct core *core, struct message *m);
/* Makes the message part of what is shown, and keeps that. */
void branches_show(struct core *core, int64_t id, uint64_t t_ns);
/* The shown branch once more as a session of its own, up to the message; 0: all of it. */
void branches_fork(struct core *core, int64_t id, uint64_t t_ns);

/* Asks the store for those with all words of the query, newest first. */
void sessions_list(struct core *core, const char *query, bool is_trash);
/* A new session is open. */
void sessions_begin(struct core *core, uint64_t t_ns);
/* id 0: the open session. */
void sessions_rename(struct core *core, int64_t id, const char *text, uint64_t t_ns);
void sessions_trash(struct core *core, int64_t id, uint64_t t_ns);
void sessions_untrash(struct core *core, int64_t id, uint64_t t_ns);
/* The store has done what one of these asked. */
void sessions_take_change(struct core *core, const struct store_command *answer, uint64_t t_ns);

/* A run for an answer that is the session's leaf; it waits until the store has the message
 * before it. */
struct run *runs_begin(struct core *core, struct message *answer);
/* Decides and sends. */
void runs_dispatch(struct core *core, struct run *run, uint64_t t_ns);
/* The answer of the store to a reservation. */
void runs_reserved(struct core *core, const struct store_command *answer, uint64_t t_ns);
void runs_confirm(struct core *core, struct run *run, uint64_t t_ns);
void runs_stop(struct core *core, struct run *run, uint64_t t_ns);
void runs_apply(struct core *core, const struct event *event);
void runs_timer(struct core *core, uint64_t t_ns);
uint64_t runs_deadline(const struct core *core);
/* Ends the run; the answer's state, error and times are set, and all is sent to the store. */
void runs_end(struct core *core, struct run *run, enum message_state state,
        const struct outcome *outcome, uint64_t t_ns);

/* An attempt begins: what earlier ones took is kept apart. */
void answer_begin_attempt(
        struct run *run, struct message *answer, const struct endpoint_conf *conf);
/* Text, reasoning, a tool call, usage. */
void answer_take(
        struct core *core, struct run *run, struct message *answer, const struct event *event);
/* What looked like an echo and was held back is part of the answer after all. */
/* Something of it did not fit: it is larger than what is kept of a message. */
bool answer_is_cut(const struct message *answer);
void answer_give_back_echo(struct run *run, struct message *answer);
/* Adds what this attempt took so far to what the earlier ones took. */
void answer_count_attempt(
        struct core *core, const struct run *run, struct message *answer, uint64_t t_ns);

/* endpoint -1: all that may be asked. */
void probe_begin(struct core *core, int64_t endpoint, uint64_t t_ns);
void probe_apply(struct core *core, const struct event *event);

/* After a change of the fleet: every local endpoint that names a file has its model. */
void models_match(struct core *core);
void models_release(struct core *core);
void models_scan(struct core *core);
void models_load(struct core *core, int64_t endpoint, uint64_t t_ns);
void models_unload(struct core *core, int64_t endpoint, uint64_t t_ns);
void models_take_file(struct core *core, struct model_file *file);
void models_take_scan_end(struct core *core, const struct memory *memory);
void models_take_state(struct core *core, const struct event *event);
void models_used(struct core *core, int endpoint, uint64_t t_ns);

/* A decision just made, as JSON. */
void decisions_add(struct core *core, const struct run *run, struct slice json);
void decisions_ask(struct core *core, int64_t message_id); /* 0: the newest of all */
void decisions_take(struct core *core, const struct store_command *answer);
void decisions_release(struct core *core);

/* What all processes spent today. request_id 0: no request waits for it. */
void budget_ask(struct core *core, uint32_t request_id);
/* The price of the endpoint a run goes to, which waits for it. */
void budget_reserve(struct core *core, const struct run *run, int64_t price_nusd);
/* All that the answer to a reservation says was reserved. */
void budget_give_back(struct core *core, const struct store_command *answer);
/* What a run took in the end stands in place of what was reserved; what is not known stays
 * reserved. */
void budget_settle(struct core *core, struct run *run);
/* What the store says is spent today. is_for_run: a request waits for it. */
void budget_take(
        struct core *core, const struct store_command *answer, bool is_for_run, uint64_t t_ns);
void budget_take_history(struct core *core, const struct store_command *loaded);

/* Midnight. */
void budget_timer(struct core *core, uint64_t t_ns);
uint64_t budget_deadline(const struct core *core);

void disk_put(struct core *core,
        struct store_command *command); /* a write: in order, behind what waits */
void disk_ask(struct core *core, struct store_command *command); /* a read */
void disk_ask_first(
        struct core *core, struct store_command *command); /* before that of the history */
/* The session's row and these messages. request_id 0: nobody waits for it. */
void disk_put_messages(struct core *core, struct session *session,
        struct message *const *messages, size_t n, uint32_t request_id);
void disk_put_tokens(struct core *core, struct message *message);
void disk_ask_theme(struct core *core);
void disk_put_theme(struct core *core);
void disk_ask_tokens(struct core *core, struct message *message); /* once */
void disk_put_draft(struct core *core);
/* Opened or closed: `shunt fleet list` shows it. */
void disk_put_breaker(struct core *core, int endpoint);
/* The open session is in the store, or on its way: the next start shows it. */
void disk_remember_shown(struct core *core);
void disk_apply(struct core *core, struct store_command *answer, uint64_t t_ns);
void disk_shut_down(struct core *core, uint64_t t_ns);
void disk_timer(struct core *core, uint64_t t_ns);
uint64_t disk_deadline(const struct core *core);

#endif
