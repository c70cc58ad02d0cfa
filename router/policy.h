/*
 * policy.h - where a request goes: a pure function of features, fleet, budget and time. Hard
 * filters first, then the least expected cost in dollars: the price, and what lateness, failure
 * and a wrong answer would cost. Every candidate keeps its parts and its reason.
 */
#ifndef ROUTER_POLICY_H
#define ROUTER_POLICY_H

#include "engine/base.h"

#include "router/endpoint_limits.h"
#include "router/zone.h"

struct chat_message;
struct fleet;

enum domain {
    DOMAIN_GENERAL,
    DOMAIN_CODE,
    DOMAIN_MATH,
    DOMAIN_SCIENCE,
    DOMAIN_WRITING,
    DOMAIN_SHUNT, /* this program: known where there is a pilot, who has its help */
    DOMAIN_COUNT
};
const char *domain_name(enum domain domain);

struct features {
    uint32_t n_input_tok;  /* estimate of the whole prompt */
    uint32_t n_output_tok; /* expected answer */
    enum zone max_zone;    /* how far this request may travel */
    int only_endpoint;     /* index; -1: any */
    float difficulty;      /* of the newest question: 0 easy .. 1 hard, see difficulty.h */
    enum domain domain;
    char language[3]; /* ISO 639-1 of the newest question; "": not known */
    bool needs_tools; /* the request carries tools */
    bool has_code, wants_json;
};
/* About how many tokens a text is, for no tokenizer in particular. */
double text_count_tok(struct slice text);
/* Estimates from the conversation, see features.c. extra_json: struct request. */
struct features features_of(
        const struct chat_message *messages, int n_messages, struct slice extra_json);

/* What is bought with money, the same for every request. */
struct prefs {
    int64_t answer_nusd;     /* what a right answer is worth */
    int64_t late_nusd_per_s; /* what a second beyond patience_ms costs */
    int64_t failure_nusd;    /* what an attempt that fails costs */
    uint32_t patience_ms;    /* for the whole answer */
};
struct prefs policy_prefs(void);

struct budget {
    int64_t day_nusd;   /* stop at this; negative: no budget */
    int64_t spent_nusd; /* today, by all processes, reservations included */
};
#define BUDGET_WARN_SHARE 0.8

/* What a decision looks at beside the request. */
struct policy_world {
    const struct fleet *fleet;
    struct budget budget;
    uint64_t now_ns;
};

enum verdict {
    VERDICT_SEND,
    VERDICT_WAIT, /* until wait_until_ns, then decide again */
    VERDICT_ASK,  /* the budget is reached: only the user can say yes */
    VERDICT_REFUSE
};

enum filter { /* why a candidate is out; FILTER_NONE: it is in */
    FILTER_NONE,
    FILTER_NOT_CHOSEN_BY_USER,
    FILTER_DISABLED,
    FILTER_CONTEXT,
    FILTER_TOOLS,
    FILTER_ZONE,
    FILTER_BREAKER,
    FILTER_RATE_LIMIT,
    FILTER_BUDGET,
    FILTER_FAULTY, /* its key or file is missing or bad, and the user did not name it */
    FILTER_TRIED,  /* this request already failed there */
    FILTER_DOMAIN, /* the pilot, the question is not about this program, and others can answer
                    */
    FILTER_COUNT
};

struct candidate {
    int endpoint; /* index in the fleet */
    enum filter filter;
    int64_t cost_nusd;  /* the sum of the parts: the least wins */
    int64_t price_nusd; /* unknown prices count as the highest known, is_price_known
                           false */
    int64_t late_nusd, failure_nusd,
            miss_nusd;    /* lateness, failure, an answer that is not good enough */
    float p_miss;         /* chance of the latter */
    uint32_t expected_ms; /* to the end of the answer */
    uint64_t retry_ns;    /* out for now: when it may be in again; 0: never */
    bool is_price_known;
    char reason[160]; /* "about 9000 tokens do not fit its context of 8192" */
};

const char *filter_name(enum filter filter);
const char *verdict_name(enum verdict verdict);

struct decision {
    int64_t t_ms; /* Unix time */
    uint32_t request_id;
    enum verdict verdict;
    int chosen; /* index into candidates; -1 */
    int n_candidates;
    struct candidate candidates[ENDPOINTS_MAX];
    uint64_t wait_until_ns;      /* VERDICT_WAIT */
    char reason[ERR_TEXT_BYTES]; /* one sentence, for a person */
    char flip[200];              /* what would have changed the choice, or "" */
    struct features features;
};

/* tried: bit per endpoint index < 64 that failed for this request already. */
void policy_decide(struct decision *out, const struct features *f,
        const struct policy_world *world, uint64_t tried);
/* Chance that an endpoint of this tier (0: unknown) does not answer well enough. */
float policy_p_miss(int tier, float difficulty);

#endif
