/*
 * core.h - the one core: all state, changed only by core_apply, core_apply_token and, at the
 * end, core_shut_down. It reads no clock, file or screen: time is the event's t_ns. What should
 * happen outside (send to an engine, to the net, to the store) is left in a list of effects
 * that the hub (hub.h) takes with core_take_effect and carries out, so everything here is
 * tested without a thread.
 *
 * Front ends look at the struct and never change it: they describe what the user did as an
 * action.
 */
#ifndef ROUTER_CORE_H
#define ROUTER_CORE_H

#include "engine/event.h"
#include "engine/request.h"
#include "engine/telemetry.h"

#include "router/endpoint_limits.h"
#include "router/fleet.h"
#include "router/models.h"
#include "router/notice.h"
#include "router/policy.h"

struct balance;
struct help_source;
struct message;
struct session;
struct session_row;
struct store_command;

enum action_kind {
    ACTION_SEND,     /* text: a new user message in the open session, text2: of files that go
                        along; id: the message that it stands beside, 0: it follows the leaf */
    ACTION_STOP,     /* the running answer */
    ACTION_CONTINUE, /* go on with an interrupted or stopped answer: the leaf */
    ACTION_RETRY,    /* id: answer that is given once more beside it, or question; 0: the
                        newest */
    ACTION_SEND_UNSAVED, /* send although the disk refuses the message */
    ACTION_DRAFT,        /* text, cursor */
    ACTION_SCROLL,       /* id (message or 0: follow), line */
    ACTION_NEW_SESSION,
    ACTION_OPEN_SESSION,  /* id or SESSION_… */
    ACTION_LIST_SESSIONS, /* text: search words or ""; id 1: of those in the trash */
    ACTION_RENAME,        /* text; id: session, 0: the open one */
    ACTION_TRASH,   /* id: session, which leaves the list; a new one opens in place of it */
    ACTION_UNTRASH, /* id: session, which comes back; 0: the one that went to the trash last in
                       this run */
    ACTION_SYSTEM,  /* text: system prompt of the session */
    ACTION_USE_ENDPOINT, /* text: name, "auto" for the router's choice, "": tell which there
                            are; id 1: the session does not keep it */
    ACTION_EXPORT,       /* text: path: the shown branch as markdown */
    ACTION_CONFIRM,      /* send although the budget is reached */
    ACTION_FORK,        /* go on in a copy of the shown branch, as a new session; id: up to this
                           message, 0: all */
    ACTION_SHOW_BRANCH, /* id: message that becomes part of what is shown */
    ACTION_PROBE,       /* id: endpoint index, -1: all that may be asked */
    ACTION_LOAD_TOKENS, /* id: of an answer whose token records are to come from the disk */
    ACTION_ADD_MESSAGE, /* text, id: enum message_role: what was said before, from elsewhere */
    ACTION_SWITCH, /* id: endpoint, switch_to: not NONE; what runs there stops when it is OFF */
    ACTION_CONFIGURE,      /* endpoints: those of the configuration of now */
    ACTION_LIST_DECISIONS, /* brings the decision log up to date with the store */
    ACTION_WHY,            /* id: message: looks for the decision behind an answer */
    ACTION_LIST_MODELS,    /* looks at the model files and the memory again */
    ACTION_LOAD_MODEL,     /* id: endpoint: its model, before a message needs it */
    ACTION_UNLOAD_MODEL,   /* id: endpoint: or cancels its load; what runs there stops */
    ACTION_PICK_THEME,     /* text: remembered as `theme`, for this start and the next ones */
    ACTION_COUNT
};

/* Allocated by action_new, freed by core_apply. */
struct action {
    enum action_kind kind;
    char *text, *text2; /* owned; NULL reads as "" */
    int64_t id;
    uint32_t cursor, line;
    enum endpoint_switch switch_to;
    struct gen_params
            params;   /* ACTION_SEND; its stop texts are borrowed until the answer ends */
    char *extra_json; /* ACTION_SEND; see struct request */
    bool asks_help;   /* ACTION_SEND: whoever answers gets what the help has on it */
    int64_t now_ms;   /* Unix time, for created_ms */
    const struct endpoint_conf *endpoints; /* ACTION_CONFIGURE: borrowed until it is applied */
    size_t n_endpoints;
};
struct action *action_new(enum action_kind kind);
void action_free(struct action *action);

/* What earlier attempts took that left text or a bill. */
struct spent {
    bool is_any;
    struct usage usage;
    int64_t cost_nusd;
    uint32_t ttft_ms, total_ms, reasoning_ms;
};

/* A request on its way to an answer: of one attempt after the other, to one endpoint or the
 * next. The phase is how far the run is, the stage how far the endpoint is with the attempt. */
struct run {
    uint32_t request_id;
    int64_t message_id; /* the answer it fills */
    int endpoint;
    uint8_t attempt;
    int only_endpoint;     /* asked for by name; -1: any */
    int64_t old_answer_id; /* a retry: what is shown again when nothing comes of it; 0: none */
    int own_endpoint;      /* wrote what is gone on with, and is asked first; -1: none */
    uint64_t tried;        /* bit per endpoint that failed */
    uint32_t n_retries_left;
    enum {
        RUN_WAITS_FOR_STORE,
        RUN_RESERVES,        /* its price, in the store */
        RUN_WAITS_FOR_ROUTE, /* nobody can take it now: t_retry_ns */
        RUN_ASKS,            /* the user, about the budget */
        RUN_SENT,
        RUN_WAITS_FOR_RETRY,
        RUN_STOPPING
    } phase;
    bool asks_help;        /* whoever answers gets what the help has on the question */
    bool is_confirmed;     /* the budget is not looked at */
    bool knows_budget;     /* the store was asked what is left, for this request */
    int64_t reserved_nusd; /* of today's budget, for the endpoint it goes to */
    char reserved_day[12];
    enum stage stage;
    float fraction;
    uint64_t t_sent_ns, t_first_ns, t_retry_ns, t_saved_ns;
    uint64_t t_reasoning_ns, reasoning_ns; /* the newest of it if nothing came since, else 0;
                                              how long it came in this attempt */
    struct spent before;
    struct usage usage; /* of this attempt */
    size_t n_base,
            n_echo; /* bytes of text the attempt goes on from; how many of them came back */
    struct decision decision;
    struct gen_params params;
    char *extra_json;
};

/* A line of the decision log. */
struct decision_entry {
    uint64_t serial; /* unique in this run of the program */
    int64_t t_ms, message_id;
    enum verdict verdict;
    bool is_fallback;                   /* the request had failed elsewhere */
    char endpoint[ENDPOINT_NAME_BYTES]; /* "": none was chosen */
    int64_t price_nusd;                 /* of what was chosen; -1: not known, or nothing was */
    uint32_t expected_ms;
    float difficulty;
    enum domain domain;
    char question[200]; /* its first words on one line */
    char *json;         /* all of it, for decision_read_json */
};

#define DECISIONS_KEPT 300

struct decision_log {
    struct decision_entry **entries; /* newest first; of all sessions and processes */
    size_t n;
    uint64_t newest_serial;
    int64_t why_id;             /* the message of the last ACTION_WHY */
    bool is_why_known;          /* the store has answered that */
    struct decision_entry *why; /* what it had; NULL: nothing */
};

enum effect_kind {
    EFFECT_STORE,
    EFFECT_SEND,
    EFFECT_CANCEL,
    EFFECT_PROBE,
    EFFECT_LOAD,
    EFFECT_UNLOAD,
    EFFECT_SCAN_MODELS
};

struct effect {
    enum effect_kind kind;
    int endpoint;                  /* of all but STORE and SCAN_MODELS */
    uint32_t request_id;           /* CANCEL */
    struct request *request;       /* SEND, PROBE: moved */
    struct store_command *command; /* STORE: moved */
};

#define NOTICE_MAX 16

struct core {
    struct fleet fleet;
    struct models models;
    struct session *session; /* the open one; never NULL after core_init */
    struct run *runs;        /* at most one per session */
    size_t n_runs;
    struct session_row *found; /* newest answer to LIST_SESSIONS, in found_owner's arena */
    size_t n_found;
    struct store_command *found_owner;
    char found_query[128];
    bool found_is_trash;
    int64_t *trashed; /* ids of what went to the trash in this run, oldest first */
    size_t n_trashed;
    int use_endpoint; /* index, the open session's; -1: the router chooses */
    enum zone max_zone;
    const struct help_source *help;
    struct budget budget;
    int64_t day_end_ms; /* Unix time at which the figures of today are yesterday's */
    struct decision last_decision;
    bool has_decision;
    struct decision_log log;
    struct balance *balance; /* of the newest answer's model; NULL: nothing seen */
    bool is_dense;           /* the last local answer came from a model without experts */
    struct notice notices[NOTICE_MAX];
    size_t n_notices;          /* ever; the newest is notices[(n_notices - 1) % NOTICE_MAX] */
    uint64_t disk_failed_ns;   /* 0: the store works; else when it first refused, … */
    struct notice disk_notice; /* … and what was said about it last */
    uint64_t disk_retry_ns;
    uint64_t version; /* grows with every change: a front end draws when it moved */
    uint64_t rng;
    int64_t newest_id; /* of a message or session, made or loaded: ids only grow */
    uint32_t next_request_id;
    struct effect *effects;
    size_t n_effects, cap_effects;
    struct session **
            others; /* not open, but an answer runs in them or the disk does not have all yet */
    size_t n_others;
    bool remembers_session;
    char theme[192];      /* what the last ACTION_PICK_THEME said; "": none */
    bool is_theme_known;  /* the store has answered that */
    bool can_ask;         /* there is a user to ask: ACTION_CONFIRM */
    bool was_warned;      /* of the budget, today */
    int64_t shown_id;     /* session that the store was told to show next time */
    uint64_t stopped_ns;  /* when the user last stopped an answer, or it came to its end for
                             that;  0: never */
    bool is_loading;      /* a session was asked for and has not come yet */
    uint64_t newest_load; /* tag of the newest load: the answer to an older one is not shown */
    uint64_t writer_ask_ns;  /* when it is asked whether the open session is free by now; 0: it
                                is ours */
    uint64_t draft_dirty_ns; /* since when the draft differs from what was sent to the store; 0:
                                it does not */
    struct store_command *
            *unsaved; /* commands the disk refused, in order, and all that came behind them */
    size_t n_unsaved;
    size_t n_refused; /* of unsaved, at its front: came back from the store */
    uint32_t n_disk_retries;
    size_t n_store_pending; /* commands that the store has not answered */
    size_t n_puts_pending;  /* writes among them */
    bool is_retrying;       /* the one write on its way is what the disk refused before */
    bool is_shutting_down, has_last_try; /* at the end what was refused is tried once more */
    int64_t base_ms;                     /* Unix time at base_ns */
    uint64_t base_ns;
};

struct core_config {
    struct endpoint_conf *endpoints; /* copied */
    size_t n_endpoints;
    enum zone max_zone;
    uint64_t seed;
    int64_t now_ms;
    bool remembers_session;         /* what is shown now is shown again at the next start */
    int64_t budget_day_nusd;        /* 0: none */
    bool can_ask;                   /* false: a decision to ask the user counts as a refusal */
    const struct help_source *help; /* borrowed; NULL: the pilot answers without */
    bool has_history;               /* a store is there: the fleet learns from what is in it */
};

void core_init(struct core *core, const struct core_config *cfg);
void core_release(struct core *core);
/* Consumes what the event points to. */
void core_apply(struct core *core, const struct event *event);
/* One telemetry record of an engine. */
void core_apply_token(struct core *core, const struct telemetry_shape *shape,
        const struct token_record *record);
/* When EV_TIMER should come, on the clock of t_ns; 0: never. */
uint64_t core_deadline(const struct core *core);
/* Removes the oldest effect and gives it to the caller. */
bool core_take_effect(struct core *core, struct effect *out);
/* The model behind a local endpoint; NULL: it is none. */
const struct model_state *core_model_of(const struct core *core, int endpoint);
/* The running answer's run, or NULL. */
const struct run *core_run_of(const struct core *core, int64_t message_id);
/* Its message could not be saved; the user decides whether it is sent (ACTION_SEND_UNSAVED). */
bool core_is_refused(const struct core *core, const struct run *run);
/* The newest decision about an answer, as far as the log or the last ACTION_WHY has it. */
const struct decision_entry *core_decision_of(const struct core *core, int64_t message_id);
/* What would be decided if `text` were the next message of the open session. */
void core_preview(
        const struct core *core, struct slice text, uint64_t now_ns, struct decision *out);
bool core_is_busy(const struct core *core); /* something runs, loads or waits to be saved */
/* The end of the program: running answers become stopped ones, drafts and they are sent to the
 * store; what the disk refused is tried once more. */
void core_shut_down(struct core *core, uint64_t now_ns);
/* OK, or a sentence about what the disk did not take. */
enum status core_unsaved(const struct core *core, struct err *err) MUST_USE;

#endif
