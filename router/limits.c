/*
 * limits.c - see limits.h. Headers are kept as text until the head is complete: which of
 * several windows of tokens counts (the one with the least left) and when "now" is, is known
 * only then.
 */
#include "router/limits.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/event.h"

#define RESET_MAX_MS 172800000.0 /* two days: the longest windows are a day */
#define DAY_MS       86400000

static const char *const window_names[WINDOW_COUNT] = {
        "requests", "tokens", "input-tokens", "output-tokens"};
static const char *const field_names[FIELD_COUNT] = {"limit", "remaining", "reset"};

static int find_name(const char *const *names, int n, struct slice name)
{
    for (int i = 0; i < n; i++)
        if (name.n == strlen(names[i]) && strncasecmp(name.ptr, names[i], name.n) == 0)
            return i;
    return -1;
}

/* Cuts the prefix off, in any case. */
static bool take_prefix(struct slice *name, const char *prefix)
{
    size_t n = strlen(prefix);
    if (name->n < n || strncasecmp(name->ptr, prefix, n) != 0)
        return false;
    *name = (struct slice){name->ptr + n, name->n - n};
    return true;
}

bool limits_take_header(struct limit_headers *headers, struct slice name, struct slice value)
{
    struct slice window = name, field;
    if (take_prefix(&window, "x-ratelimit-")) {
        field = slice_cut(&window, '-');
    } else if (take_prefix(&window, "anthropic-ratelimit-")) {
        const char *dash = window.n ? memrchr(window.ptr, '-', window.n) : NULL;
        if (!dash)
            return false;
        field = (struct slice){dash + 1, window.n - (size_t)(dash + 1 - window.ptr)};
        window.n = (size_t)(dash - window.ptr);
    } else {
        return false;
    }
    int w = find_name(window_names, WINDOW_COUNT, window),
        f = find_name(field_names, FIELD_COUNT, field);
    if (w < 0 || f < 0)
        return false;
    bool is_usable = value.n < sizeof headers->values[w][f]; /* half a number is another one */
    snprintf(headers->values[w][f], sizeof headers->values[w][f], "%.*s",
            is_usable ? (int)value.n : 0, value.ptr);
    return headers->is_any = true;
}

static uint32_t read_count(const char *text)
{
    uint64_t value;
    return slice_to_u64(slice_of(text), &value) && value < TOKENS_UNKNOWN ? (uint32_t)value
                                                                          : TOKENS_UNKNOWN;
}

static bool is_of_unit(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

bool limits_take_duration(struct slice *s, double *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"us", 1e-3},
            {"\xC2\xB5s", 1e-3}, {"ns", 1e-6}, {"", 1000}};
    size_t n = 0, n_unit = 0;
    while (n < s->n && (s->ptr[n] == '.' || (s->ptr[n] >= '0' && s->ptr[n] <= '9')))
        n++;
    while (n + n_unit < s->n && is_of_unit(s->ptr[n + n_unit]))
        n_unit++;
    double value;
    if (!slice_to_double((struct slice){s->ptr, n}, &value))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (n_unit == strlen(units[i].name) && memcmp(s->ptr + n, units[i].name, n_unit) == 0) {
            *ms += value * units[i].ms;
            *s = (struct slice){s->ptr + n + n_unit, s->n - n - n_unit};
            return true;
        }
    return false;
}

/* Days from 1970-01-01, by the civil calendar: years begin in March, so that the leap day is
 * the last one. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* "Z" or an offset from UTC such as "+01:30". */
static bool read_zone(const char *text, int *offset_min)
{
    char sign[2] = "";
    unsigned hour = 0, minute = 0;
    int n = 0;
    *offset_min = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (sscanf(text, "%1[+-]%2u:%2u%n", sign, &hour, &minute, &n) != 3 || text[n] ||
            hour > 23 || minute > 59)
        return false;
    *offset_min = (int)(hour * 60 + minute) * (sign[0] == '-' ? -1 : 1);
    return true;
}

/* "2026-01-31T12:00:00Z", perhaps with a fraction of a second, as Unix time. */
static bool read_date(const char *text, int64_t *ms)
{
    unsigned year, month, day, hour, minute;
    int n = 0, offset_min;
    double second;
    if (sscanf(text, "%4u-%2u-%2u%*1[Tt ]%2u:%2u:%n", &year, &month, &day, &hour, &minute,
                &n) != 5 ||
            n == 0)
        return false;
    size_t n_second = strspn(text + n, "0123456789.");
    if (!slice_to_double((struct slice){text + n, n_second}, &second) ||
            !read_zone(text + n + n_second, &offset_min))
        return false;
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 ||
            hour > 23 || minute > 59 || second >= 61)
        return false;
    *ms = days_of((int)year, (int)month, (int)day) * DAY_MS +
          ((int)(hour * 60 + minute) - offset_min) * 60000LL + (int64_t)(second * 1000);
    return true;
}

static uint32_t read_reset(const char *text, int64_t now_ms)
{
    struct slice rest = slice_of(text);
    int64_t then_ms;
    double ms = 0;
    if (read_date(text, &then_ms)) {
        ms = then_ms > now_ms ? (double)(then_ms - now_ms) : 0;
    } else {
        while (rest.n && limits_take_duration(&rest, &ms))
            continue;
        if (!text[0] || rest.n)
            return TOKENS_UNKNOWN;
    }
    return ms <= RESET_MAX_MS ? (uint32_t)(ms + 0.999) : TOKENS_UNKNOWN;
}

struct window {
    uint32_t limit, left, reset_ms;
};

static struct window read_window(
        const struct limit_headers *headers, enum limit_window w, int64_t now_ms)
{
    const char(*values)[40] = headers->values[w];
    return (struct window){read_count(values[FIELD_LIMIT]), read_count(values[FIELD_REMAINING]),
            read_reset(values[FIELD_RESET], now_ms)};
}

bool limits_read(const struct limit_headers *headers, int64_t now_ms, struct rate_limits *out)
{
    struct window requests = read_window(headers, WINDOW_REQUESTS, now_ms);
    struct window tokens = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    for (int w = WINDOW_TOKENS; w < WINDOW_COUNT; w++) {
        struct window one = read_window(headers, (enum limit_window)w, now_ms);
        bool is_first = tokens.limit == TOKENS_UNKNOWN && tokens.left == TOKENS_UNKNOWN;
        if (is_first || one.left < tokens.left)
            tokens = one;
    }
    *out = (struct rate_limits){requests.limit, requests.left, requests.reset_ms, tokens.limit,
            tokens.left, tokens.reset_ms};
    return requests.left != TOKENS_UNKNOWN || requests.limit != TOKENS_UNKNOWN ||
           tokens.left != TOKENS_UNKNOWN || tokens.limit != TOKENS_UNKNOWN;
}
