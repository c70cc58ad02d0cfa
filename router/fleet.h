/*
 * fleet.h - the endpoints and what was observed of them. Plain state that only these functions
 * change: time comes in as an argument, and what recovers is computed when read.
 */
#ifndef ROUTER_FLEET_H
#define ROUTER_FLEET_H

#include "engine/base.h"

struct endpoint_conf;
struct rate_limits;

enum breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

#define SAMPLES_MAX 64

/* The newest observations of one kind, a ring: quantiles are computed when they are shown. */
struct samples {
    float values[SAMPLES_MAX];
    uint32_t n; /* ever; the newest is values[(n - 1) % SAMPLES_MAX] */
};
/* q in 0..1 of what is kept, the nearest rank; 0 when nothing is. */
float samples_quantile(const struct samples *samples, double q);

/* What a provider's headers say is left in its window. */
struct rate_limit {
    uint32_t limit, remaining; /* TOKENS_UNKNOWN: not told */
    uint64_t reset_ns;         /* when it is full again; 0: not told */
};

/* What the user said for this run of the program, over `enabled` in the configuration. */
enum endpoint_switch {
    SWITCH_NONE,
    SWITCH_ON,
    SWITCH_OFF,
    SWITCH_DRAIN /* what runs there ends, nothing new is sent */
};

struct endpoint_state {
    const struct endpoint_conf *conf; /* its `enabled` is what holds now */
    enum endpoint_switch switched;
    bool is_on_in_conf; /* `enabled` of the configuration; when that changes, it holds again */
    bool is_gone;       /* no longer in the configuration */
    char fault[ERR_TEXT_BYTES]; /* why it cannot answer; "": nothing is known against it */
    struct samples ttft_samples_ms, tok_per_s_samples;
    struct rate_limit requests, tokens;
    int64_t spent_today_nusd; /* by all processes at the start, by this one since */
    uint32_t n_in_flight;
    uint32_t n_failed_in_a_row;
    uint64_t open_until_ns;        /* breaker; 0: closed */
    uint32_t n_requests, n_errors; /* since today's beginning, or ours */
    double ttft_ms, tok_per_s;     /* running estimates; 0: never seen */
    int64_t cost_nusd;             /* spent in this run of the program */
    enum status failed_with;       /* of the newest request; OK: it did not fail */
    char last_error[160];
    /* the newest probe, which is no request and changes nothing above */
    bool is_probing;
    uint64_t probe_t_ns;   /* when it ended; 0: never asked */
    uint32_t probe_ms;     /* how long it took */
    char probe_error[160]; /* "": it lives */
};

struct fleet {
    struct endpoint_state *endpoints;
    int n_endpoints;
    struct arena arena; /* the configuration's strings */
};

struct observation {
    int endpoint;
    enum {
        SEEN_START,
        SEEN_FIRST_TOKEN,
        SEEN_END,
        SEEN_LIMITS,
        SEEN_SPEED,   /* of an answer of another run of the program: ms, n_output_tok */
        SEEN_BREAKER, /* of another process: ms until it closes */
        SEEN_SPENT,   /* cost_nusd, n_requests, n_errors: today before us, from the store */
        SEEN_PROBE_START,
        SEEN_PROBE /* ms, text: "" or the error */
    } what;
    enum status status;               /* SEEN_END */
    int64_t retry_after_ms;           /* SEEN_END; -1: none */
    double ms;                        /* SEEN_FIRST_TOKEN: time to it; SEEN_END: decode time */
    uint32_t n_output_tok;            /* SEEN_END */
    int64_t cost_nusd;                /* SEEN_END; -1: unknown */
    uint32_t n_requests, n_errors;    /* SEEN_SPENT */
    const struct rate_limits *limits; /* SEEN_LIMITS */
    const char *text;                 /* SEEN_PROBE */
};

void fleet_observe(struct fleet *fleet, const struct observation *o, uint64_t now_ns);
enum breaker fleet_breaker(const struct endpoint_state *e, uint64_t now_ns);
/* Known, and no model that runs inside this program. */
bool fleet_is_remote(const struct fleet *fleet, const char *name);
int fleet_find(const struct fleet *fleet, const char *name);         /* -1: none */
int fleet_find_present(const struct fleet *fleet, const char *name); /* not one that is gone */
/* The endpoints of the configuration of now. An index stands for the same name as long as the
 * program runs, since what is on its way is named by it: what is known by name keeps its state,
 * what is new comes behind, what is missing stays, off, as gone. A switch of this run goes
 * before the configuration until `enabled` is changed there. */
void fleet_configure(struct fleet *fleet, const struct endpoint_conf *confs, size_t n_confs);
/* None is enabled and, as far as it is known, able to answer. The pilot is nobody: it knows
 * only this program. */
bool fleet_has_nobody(const struct fleet *fleet);
int fleet_pilot(
        const struct fleet *fleet); /* the same, of it: its index; -1: it is not there */
/* A sentence of what was found out since the configuration was read; NULL: only that holds. */
void fleet_set_fault(struct fleet *fleet, int endpoint, const char *fault);
/* What it failed with last. */
void fleet_set_error(struct fleet *fleet, int endpoint, struct slice text);
/* A new day: nothing was spent, asked or failed in it yet. */
void fleet_begin_day(struct fleet *fleet);
/* False: it cannot be on, its section has a mistake or is gone. */
bool fleet_switch(struct fleet *fleet, int endpoint, enum endpoint_switch to);

#endif
