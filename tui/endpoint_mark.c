/* endpoint_mark.c - see endpoint_mark.h. */
#include "tui/endpoint_mark.h"

#include <math.h>

#include "engine/event.h"

#include "router/endpoint.h"
#include "router/fleet.h"

const struct endpoint_mark_def endpoint_mark_defs[MARK_COUNT] = {
        [MARK_OK] = {"\xE2\x97\x8F", "ready", ROLE_OK},
        [MARK_TRYING] = {"\xE2\x96\xB2", "failed: the next request tries it", ROLE_WARN},
        [MARK_LIMITED] = {"\xE2\x96\xB2", "rate limited", ROLE_WARN},
        [MARK_OPEN] = {"\xE2\x9C\x97", "breaker open", ROLE_ERROR},
        [MARK_FAULTY] = {"\xE2\x9C\x97", "cannot answer", ROLE_ERROR},
        [MARK_DRAINED] = {"\xE2\x97\x90", "drained: gets nothing new", ROLE_WARN},
        [MARK_DISABLED] = {"\xE2\x97\x8B", "disabled", ROLE_DIM},
};

static bool is_used_up(const struct rate_limit *limit, uint64_t now_ns)
{
    return limit->remaining == 0 && limit->reset_ns > now_ns;
}

enum endpoint_mark endpoint_mark(const struct endpoint_state *e, uint64_t now_ns)
{
    enum breaker breaker = fleet_breaker(e, now_ns);
    if (!e->conf->enabled)
        return MARK_DISABLED;
    if (e->switched == SWITCH_DRAIN)
        return MARK_DRAINED;
    if (e->fault[0])
        return MARK_FAULTY;
    if (is_used_up(&e->requests, now_ns) || is_used_up(&e->tokens, now_ns))
        return MARK_LIMITED;
    if (breaker == BREAKER_OPEN)
        return e->failed_with == ERR_RATE_LIMIT ? MARK_LIMITED : MARK_OPEN;
    return breaker == BREAKER_HALF_OPEN ? MARK_TRYING : MARK_OK;
}

uint64_t endpoint_mark_until_ns(const struct endpoint_state *e, uint64_t now_ns)
{
    const uint64_t ends_ns[] = {e->open_until_ns, e->requests.reset_ns, e->tokens.reset_ns};
    uint64_t nearest = 0;
    for (size_t i = 0; i < ARRAY_LEN(ends_ns); i++)
        if (ends_ns[i] > now_ns && (!nearest || ends_ns[i] < nearest))
            nearest = ends_ns[i];
    return nearest;
}

double endpoint_left(const struct rate_limit *limit, uint64_t now_ns)
{
    bool is_told = limit->limit || limit->remaining || limit->reset_ns;
    bool is_full = limit->reset_ns && limit->reset_ns <= now_ns;
    uint32_t left = is_full ? limit->limit : limit->remaining;
    return is_told && left != TOKENS_UNKNOWN ? left : NAN;
}
