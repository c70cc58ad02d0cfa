/*
 * policy.h - where a request goes: a pure function of features, fleet, zone limit and time.
 * Hard filters first, then the least expected price; every candidate keeps its reason.
 */
#ifndef ROUTER_POLICY_H
#define ROUTER_POLICY_H

#include "router/fleet.h"

struct features {
    uint32_t n_input_tok;  /* estimate of the whole prompt */
    uint32_t n_output_tok; /* expected answer */
    enum zone max_zone;    /* how far this request may travel */
    int only_endpoint;     /* index; -1: any */
};
/* Estimates from the conversation: bytes by kind of script, see features.c. */
struct features features_of(const struct chat_message *messages, int n_messages);

enum verdict { VERDICT_SEND, VERDICT_REFUSE };

enum filter { /* why a candidate is out; FILTER_NONE: it is in */
    FILTER_NONE,
    FILTER_NOT_CHOSEN_BY_USER,
    FILTER_DISABLED,
    FILTER_CONTEXT,
    FILTER_ZONE,
    FILTER_BREAKER,
    FILTER_TRIED, /* this request already failed there */
    FILTER_COUNT
};

struct candidate {
    int endpoint; /* index in the fleet */
    enum filter filter;
    int64_t cost_nusd; /* expected; unknown prices count as the fleet's highest known,
                          is_price_known false */
    bool is_price_known;
    char reason[96]; /* "out: prompt 9,000 tokens > context 8,192", "free, zone local" */
};

#define CANDIDATES_MAX 64

struct decision {
    int64_t t_ms; /* Unix time */
    uint32_t request_id;
    enum verdict verdict;
    int chosen; /* index into candidates; -1 */
    int n_candidates;
    struct candidate candidates[CANDIDATES_MAX];
    char reason[400]; /* one sentence, for a person */
};

/* tried: bit per endpoint index < 64 that failed for this request already. */
void policy_decide(struct decision *out, const struct features *f, const struct fleet *fleet,
        uint64_t tried, uint64_t now_ns);
/* The decision as one JSON object {"endpoint","reason","candidates":[…]}. */
void decision_print_json(const struct decision *d, const struct fleet *fleet, struct buf *out);

#endif
