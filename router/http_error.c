/*
 * http_error.c - see http_error.h. What an error means is told: by status first, then by the
 * code in the body, then by its words. Bodies come as many shapes of JSON, as HTML pages of
 * proxies, or empty.
 */
#include "router/http_error.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "engine/event.h"
#include "engine/json.h"

#define MESSAGE_MAX_BYTES_SHOWN 400
#define WAIT_MAX_MS             1e12 /* thirty years: as good as never, and far from overflow */

static const struct {
    int first, last;
    enum status status;
} by_status[] = {
        {401, 401, ERR_AUTH},
        {402, 402, ERR_QUOTA},
        {403, 403, ERR_DENIED},
        {404, 404, ERR_NOT_FOUND},
        {408, 408, ERR_TIMEOUT},
        {409, 409, ERR_SERVER},
        {424, 424, ERR_SERVER},
        {429, 429, ERR_RATE_LIMIT},
        {498, 498, ERR_RATE_LIMIT},
        {400, 499, ERR_INVALID},
        {503, 503, ERR_OVERLOADED},
        {529, 529, ERR_OVERLOADED},
        {500, 599, ERR_SERVER},
};

/* Words in a code, type or message that say more than the status. The first match counts. */
static const struct {
    const char *words;
    enum status status;
} by_words[] = {
        {"insufficient_quota", ERR_QUOTA},
        {"billing", ERR_QUOTA},
        {"context_length_exceeded", ERR_CONTEXT},
        {"exceed_context_size", ERR_CONTEXT},
        {"maximum context length", ERR_CONTEXT},
        {"context window", ERR_CONTEXT},
        {"available context size", ERR_CONTEXT},
        {"prompt is too long", ERR_CONTEXT},
        {"content_policy", ERR_FILTER},
        {"content_filter", ERR_FILTER},
        {"invalid_api_key", ERR_AUTH},
        {"rate_limit", ERR_RATE_LIMIT},
        {"overloaded", ERR_OVERLOADED},
};

static enum status refine(enum status status, int http_status, const char *text)
{
    bool may_be_other = http_status == 0 || http_status == 400 || http_status == 413 ||
                        http_status == 422 || http_status == 429 || http_status == 403 ||
                        http_status >= 500;
    for (size_t i = 0; may_be_other && i < ARRAY_LEN(by_words); i++)
        if (text && strcasestr(text, by_words[i].words)) {
            if (http_status == 429 && by_words[i].status != ERR_QUOTA)
                continue; /* "rate limit … context window" stays a rate limit */
            return by_words[i].status;
        }
    return status;
}

static const char *find_message(const struct json *root)
{
    static const char *const names[] = {
            "message", "Message", "detail", "error_description", "title"};
    if (json_is_array(root))
        root = json_first(root);
    const struct json *error = json_get(root, "error");
    if (json_get_text(error, "message"))
        return json_get_text(error, "message");
    if (json_text(error))
        return json_text(error);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_get_text(root, names[i]))
            return json_get_text(root, names[i]);
    return json_get_text(json_first(json_get(root, "detail")), "msg");
}

/* Text without tags, white space folded. */
static void strip_tags(struct slice body, char *out, size_t n_out)
{
    size_t n = 0;
    bool is_tag = false, had_space = true;
    for (size_t i = 0; i < body.n && n + 1 < n_out && n < 200; i++) {
        char c = body.ptr[i];
        if (c == '<')
            is_tag = true;
        bool is_space = c == ' ' || (c >= '\t' && c <= '\r') || is_tag;
        if (!is_space || !had_space)
            out[n++] = is_space ? ' ' : c;
        had_space = is_space;
        if (c == '>')
            is_tag = false;
    }
    out[utf8_whole(out, n)] = '\0';
}

static int64_t whole_ms(double ms)
{
    return ms < 0 ? 0 : ms > WAIT_MAX_MS ? (int64_t)WAIT_MAX_MS : (int64_t)ms;
}

/* "try again in 2.644s", "in 20s", "in 6m0s" */
static int64_t wait_in_words(const char *message)
{
    static const char before[] = "try again in ";
    const char *at = message ? strstr(message, before) : NULL;
    struct slice rest = slice_of(at ? at + strlen(before) : NULL);
    double ms = 0;
    bool is_any = limits_take_duration(&rest, &ms);
    while (limits_take_duration(&rest, &ms))
        continue;
    return is_any ? whole_ms(ms) : -1;
}

static int64_t read_wait_ms(const struct http_head *head, const char *message)
{
    double value;
    if (slice_to_double(slice_trim(slice_of(head->retry_after_ms)), &value) && value >= 0)
        return whole_ms(value);
    if (slice_to_double(slice_trim(slice_of(head->retry_after)), &value))
        return whole_ms(value * 1000);
    if (head->retry_after[0]) { /* a date counts from the response's own */
        time_t then = curl_getdate(head->retry_after, NULL),
               now = curl_getdate(head->date, NULL);
        if (then >= 0 && now >= 0)
            return then > now ? (int64_t)(then - now) * 1000 : 0;
    }
    return wait_in_words(message);
}

static struct slice tidy(const char *message)
{
    struct slice s = slice_trim(slice_of(message));
    if (s.n > MESSAGE_MAX_BYTES_SHOWN)
        s.n = utf8_whole(s.ptr, MESSAGE_MAX_BYTES_SHOWN);
    return s;
}

static void set_text(struct outcome *out, enum status status, struct slice text)
{
    bool is_refused = out->http_status >= 300; /* else it came inside a stream */
    if (is_refused && text.n)
        err_set(&out->err, status, "HTTP %d: %.*s", out->http_status, (int)text.n, text.ptr);
    else if (is_refused)
        err_set(&out->err, status, "HTTP %d", out->http_status);
    else
        err_set(&out->err, status, "%.*s", (int)text.n, text.ptr);
}

/* Of the first row that fits; `otherwise` where none does. */
static enum status status_of(double http_status, enum status otherwise)
{
    for (size_t i = 0; i < ARRAY_LEN(by_status); i++)
        if (http_status >= by_status[i].first && http_status <= by_status[i].last)
            return by_status[i].status;
    return otherwise;
}

void http_error_read(const struct http_head *head, struct slice body, struct outcome *out)
{
    enum status status = status_of(head->status, ERR_PROTOCOL);
    struct json *root = json_parse(body);
    char page[256] = "";
    const char *message = find_message(root);
    struct buf words;
    buf_init(&words, 1 << 16);
    if (root)
        json_print(root, &words);
    if (!message)
        strip_tags(body, page, sizeof page);
    status = refine(status, head->status, words.n ? buf_text(&words) : page);
    out->http_status = head->status;
    out->retry_after_ms = read_wait_ms(head, message);
    set_text(out, status, tidy(message ? message : page));
    buf_release(&words);
    json_free(root);
}

void stream_error_read(const struct json *error, struct outcome *out)
{
    double code = 0;
    struct buf words;
    buf_init(&words, 1 << 16);
    const char *message = json_text(error) ? json_text(error) : json_get_text(error, "message");
    json_print(error, &words);
    enum status status = ERR_SERVER;
    if (json_get_number(error, "code", &code))
        status = status_of(code, ERR_SERVER);
    status = refine(status, 0, buf_text(&words));
    out->finish_reason = FINISH_ERROR;
    struct slice text = tidy(message ? message : "");
    set_text(out, status, text.n ? text : SLICE("the server reported an error in its stream"));
    buf_release(&words);
}
