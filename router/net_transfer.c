/*
 * net_transfer.c - one HTTP exchange from a request to its last event: what is sent, what
 * libcurl hands over, what an end means. Events that find the ring full wait in the transfer's
 * own list and pause it alone. On the net thread.
 */
#include "router/net_transfer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/event.h"
#include "engine/request.h"

#include "router/endpoint.h"
#include "router/wire.h"

#define KEY_MIN_BYTES       8 /* shorter ones are words that stand everywhere */
#define ERROR_BODY_BYTES    (256u << 10)
#define UNSENT_PAUSE_EVENTS 256 /* more than so many waiting: pause the transfer */

/* ---- events out ------------------------------------------------------------------------- */

void transfer_flush(struct transfer *t)
{
    size_t n = 0;
    while (n < t->n_unsent && queue_push(&t->net->events, &t->unsent[n]))
        n++;
    if (n == 0)
        return;
    memmove(t->unsent, t->unsent + n, (t->n_unsent - n) * sizeof *t->unsent);
    t->n_unsent -= n;
    queue_poke(t->net->wake_fd);
}

static void emit(void *arg, struct event *event)
{
    struct transfer *t = arg;
    event->request_id = t->request->id;
    event->attempt = t->request->attempt;
    event->t_ns = clock_now_ns();
    t->has_content |=
            event->kind == EV_TEXT || event->kind == EV_REASONING || event->kind == EV_TOOL;
    if (t->n_unsent == t->cap_unsent)
        t->unsent = mem_resize(t->unsent,
                (t->cap_unsent = t->cap_unsent ? t->cap_unsent * 2 : 64) * sizeof *t->unsent);
    t->unsent[t->n_unsent++] = *event;
    transfer_flush(t);
}

static void emit_stage(struct transfer *t, enum stage stage)
{
    struct event event = {.kind = EV_STAGE};
    event.u.stage.stage = stage;
    event.u.stage.fraction = -1;
    emit(t, &event);
}

/* A server that echoes the key must not put it on the screen or into the database. Messages are
 * cut: a beginning of the key at their end counts too. */
static void redact(struct err *err, const struct secret *key)
{
    char *text = err->text, *at = text;
    size_t n_text = strlen(text), n;
    if (key->n < KEY_MIN_BYTES)
        return;
    for (; (at = memmem(at, n_text - (size_t)(at - text), key->bytes, key->n)); at += key->n)
        memset(at, '*', key->n);
    for (n = key->n < n_text ? key->n : n_text; n >= KEY_MIN_BYTES / 2; n--)
        if (memcmp(text + n_text - n, key->bytes, n) == 0)
            memset(text + n_text - n, '*', n);
}

static void say_where(struct transfer *t, struct outcome *outcome)
{
    const struct endpoint_conf *e = t->request->endpoint;
    char text[ERR_TEXT_BYTES];
    memcpy(text, outcome->err.text, sizeof text);
    static const char *const sources[] = {"no key is configured: add key_env = VARIABLE",
            "the key comes from the environment variable", "the key comes from the file",
            "the key comes from the command"};
    if (outcome->err.status == ERR_AUTH)
        err_set(&outcome->err, ERR_AUTH, "endpoint \"%s\": %s (%s%s%s)", e->name, text,
                sources[e->key_source], e->key_value ? " " : "",
                e->key_value ? e->key_value : "");
    else
        err_set(&outcome->err, outcome->err.status, "endpoint \"%s\": %s", e->name, text);
}

static void end_transfer(struct transfer *t, struct outcome *outcome)
{
    struct event event = {.kind = t->is_probe ? EV_PROBE : EV_DONE};
    redact(&outcome->err, &t->key); /* before words behind a cut message hide that it was cut */
    if (outcome->err.status != OK && outcome->err.status != ERR_CANCELLED)
        say_where(t, outcome);
    redact(&outcome->err, &t->key);
    if (t->is_probe) {
        event.u.probe.endpoint = (int32_t)t->request->id;
        event.u.probe.ms = (uint32_t)((clock_now_ns() - t->t_start_ns) / 1000000u);
        event.u.probe.outcome = mem_dup(outcome, sizeof *outcome);
    } else {
        event.u.outcome = mem_dup(outcome, sizeof *outcome);
    }
    emit(t, &event);
    t->is_over = true;
    if (t->easy) {
        curl_multi_remove_handle(t->net->multi, t->easy);
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
    }
}

void transfer_end(struct transfer *t, enum status status, const char *fmt, ...)
{
    struct outcome outcome = {.retry_after_ms = -1, .http_status = t->head.status};
    char text[ERR_TEXT_BYTES];
    va_list va;
    va_start(va, fmt);
    vsnprintf(text, sizeof text, fmt, va);
    va_end(va);
    struct outcome ignored = outcome;
    if (t->parser &&
            t->head.status / 100 == 2) /* what came whole before is kept: usage, tool calls */
        t->wire->finish(t->parser, true, &ignored);
    err_set(&outcome.err, status, "%s", text);
    end_transfer(t, &outcome);
}

/* ---- curl's callbacks ------------------------------------------------------------------- */

static void take_header(char *out, size_t n_out, struct slice value)
{
    snprintf(out, n_out, "%.*s", (int)value.n, value.ptr);
}

/* The head is complete. */
static void emit_limits(struct transfer *t)
{
    struct event event = {.kind = EV_LIMITS};
    time_t date = t->head.date[0] ? curl_getdate(t->head.date, NULL) : -1;
    int64_t now_ms = date > 0 ? (int64_t)date * 1000 : clock_unix_ms();
    if (!t->is_probe && t->head.limits.is_any &&
            limits_read(&t->head.limits, now_ms, &event.u.limits))
        emit(t, &event);
    t->head.limits.is_any = false; /* a trailer ends like a head */
}

static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct slice line = slice_trim((struct slice){bytes, size * n}), value = line;
    struct http_head *head = &t->head;
    if (slice_has_prefix(line, "HTTP/")) {
        *head = (struct http_head){0}; /* of the last response: 100 Continue may come before */
        return size * n;
    }
    if (line.n == 0) {
        emit_limits(t);
        return size * n;
    }
    struct slice name = slice_cut(&value, ':');
    if (limits_take_header(&head->limits, name, slice_trim(value)))
        return size * n;
    const struct {
        const char *name;
        char *out;
        size_t n_out;
    } wanted[] = {{"retry-after", head->retry_after, sizeof head->retry_after},
            {"retry-after-ms", head->retry_after_ms, sizeof head->retry_after_ms},
            {"date", head->date, sizeof head->date}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (name.n == strlen(wanted[i].name) &&
                strncasecmp(name.ptr, wanted[i].name, name.n) == 0)
            take_header(wanted[i].out, wanted[i].n_out, slice_trim(value));
    return size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    if (t->n_unsent > UNSENT_PAUSE_EVENTS) {
        t->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->head.status = (int)status;
    t->t_last_ns = clock_now_ns();
    if (status / 100 == 2 && t->parser)
        t->wire->feed(t->parser, bytes, size * n);
    else if (status / 100 != 2)
        buf_add(&t->error_body, bytes, size * n);
    return size * n;
}

/* ---- one transfer ----------------------------------------------------------------------- */

static void add_header(struct transfer *t, const char *text)
{
    t->headers = curl_slist_append(t->headers, text);
}

static void add_key_header(struct transfer *t)
{
    const struct provider *p = &providers[t->request->endpoint->kind];
    if (!t->key.n || !p->key_header)
        return;
    size_t n = strlen(p->key_header) + strlen(p->key_prefix) + t->key.n + 3;
    char *line = mem_alloc(n);
    snprintf(line, n, "%s: %s%s", p->key_header, p->key_prefix, t->key.bytes);
    add_header(t, line);
    explicit_bzero(line, n);
    mem_free(line);
}

static void set_options(struct transfer *t)
{
    const struct endpoint_conf *e = t->request->endpoint;
    const struct provider *p = &providers[e->kind];
    const char *base = e->url ? e->url : p->url;
    size_t n = strlen(base);
    while (n && base[n - 1] == '/')
        n--;
    char url[4096];
    bool is_stream = e->stream && !t->is_probe;
    snprintf(url, sizeof url, "%.*s%s", (int)n, base, t->is_probe ? p->models_path : p->path);
    if (!t->is_probe)
        add_header(t, "Content-Type: application/json");
    add_header(t, is_stream ? "Accept: text/event-stream" : "Accept: application/json");
    add_header(
            t, "Accept-Encoding: identity"); /* decoded all the same when a proxy compresses */
    add_header(t, "Expect:");
    if (p->header)
        add_header(t, p->header);
    add_key_header(t);
    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "shunt/" SHUNT_VERSION);
    if (t->is_probe) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.n);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, buf_text(&t->body));
    }
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->curl_error);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
            (long)(e->connect_timeout_ms ? e->connect_timeout_ms : 300000));
    if (e->ca_file)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, e->ca_file);
}

void transfer_begin(struct net *net, struct net_command *command)
{
    struct transfer *t = mem_alloc(sizeof *t);
    t->net = net;
    t->request = command->request;
    t->key = command->key;
    t->next = net->transfers;
    net->transfers = t;
    t->t_start_ns = t->t_last_ns = clock_now_ns();
    const struct endpoint_conf *e = t->request->endpoint;
    t->wire = providers[e->kind].wire;
    t->is_probe = command->is_probe;
    buf_init(&t->body, SIZE_MAX / 2);
    buf_init(&t->error_body, ERROR_BODY_BYTES);
    if (!t->is_probe) {
        t->parser = t->wire->open(e->stream, emit, t);
        t->wire->build(t->request, &t->body);
        emit_stage(t, STAGE_CONNECTING);
    }
    t->easy = curl_easy_init();
    if (t->easy)
        set_options(t);
    if (!t->easy || curl_multi_add_handle(net->multi, t->easy) != CURLM_OK)
        transfer_end(t, ERR_NOMEM, "cannot start an HTTP request");
}

static void wipe_headers(struct curl_slist *headers)
{
    for (struct curl_slist *h = headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(headers);
}

void transfer_free_event(struct event *event)
{
    if (event->kind == EV_DONE)
        mem_free(event->u.outcome);
    else if (event->kind == EV_TOOL)
        tool_call_free(event->u.tool);
    else if (event->kind == EV_PROBE)
        mem_free(event->u.probe.outcome);
}

void transfer_free(struct transfer *t)
{
    if (t->easy) {
        curl_multi_remove_handle(t->net->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    wipe_headers(t->headers);
    if (t->parser)
        t->wire->close(t->parser);
    buf_release(&t->body);
    buf_release(&t->error_body);
    for (size_t i = 0; i < t->n_unsent; i++)
        transfer_free_event(&t->unsent[i]);
    mem_free(t->unsent);
    secret_release(&t->key);
    request_free(t->request);
    mem_free(t);
}

/* ---- how it ends ------------------------------------------------------------------------- */

static enum status curl_status(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_CONFIG;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_OUT_OF_MEMORY:
        return ERR_PROTOCOL;
    default:
        return ERR_NETWORK;
    }
}

static const char *curl_advice(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return "; check that the server is running and that the url is right";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "; check the host's name in url, and the network";
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "; what answers there speaks no HTTP: check url and its port";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "; the server's certificate is not trusted (ca_file = FILE names one that is)";
    default:
        return "";
    }
}

/* "Failed to connect to HOST port N after 0 ms: Couldn't connect to server" says it twice. */
static void drop_noise(CURLcode code, char *text)
{
    char *noise = code == CURLE_COULDNT_CONNECT ? strstr(text, " after ") : NULL;
    if (noise)
        *noise = '\0';
}

static void finish_failed(struct transfer *t, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->head.status = (int)status;
    struct outcome outcome = {.retry_after_ms = -1, .http_status = t->head.status};
    drop_noise(code, t->curl_error);
    const char *text = t->curl_error[0] ? t->curl_error : curl_easy_strerror(code);
    if (code == CURLE_OUT_OF_MEMORY) /* libcurl's word for a head over 100 KB */
        text = "its headers are too large";
    if (status / 100 == 2 && t->parser) {
        t->wire->finish(t->parser, true, &outcome); /* whole events count, even behind a cut */
        if (outcome.err.status == OK && outcome.finish_reason != FINISH_NONE) {
            end_transfer(t, &outcome);
            return;
        }
        if (outcome.err.status == ERR_NETWORK)
            err_set(&outcome.err, curl_status(code),
                    "the connection was cut in the middle of the answer (%s)", text);
        end_transfer(t, &outcome);
        return;
    }
    err_set(&outcome.err, curl_status(code), "%s%s", text, curl_advice(code));
    end_transfer(t, &outcome);
}

static void finish_done(struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->head.status = (int)status;
    struct outcome outcome = {.retry_after_ms = -1, .http_status = (int)status};
    if (status / 100 == 2 && t->parser)
        t->wire->finish(t->parser, false, &outcome);
    else if (status / 100 == 3)
        err_set(&outcome.err, ERR_CONFIG,
                "the server redirects elsewhere (HTTP %ld), which is not followed: put the new "
                "address into url",
                status);
    else if (status / 100 != 2)
        http_error_read(&t->head, buf_slice(&t->error_body), &outcome);
    end_transfer(t, &outcome);
}

/* The next deadline of a transfer; *what names it. */
static uint64_t deadline_of(const struct transfer *t, const char **what, uint32_t *limit_ms)
{
    const struct endpoint_conf *e = t->request->endpoint;
    const struct {
        uint32_t ms;
        uint64_t since_ns;
        const char *what;
    } limits[] = {
            {e->total_timeout_ms, t->t_start_ns, "the whole answer"},
            {t->has_content ? e->idle_timeout_ms : 0, t->t_last_ns,
                    "the next part of the answer"},
            {t->has_content ? 0 : e->first_token_timeout_ms, t->t_start_ns, "the first token"},
    };
    uint64_t nearest = UINT64_MAX;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        uint64_t end = limits[i].since_ns + (uint64_t)limits[i].ms * 1000000u;
        if (limits[i].ms && end < nearest) {
            nearest = end;
            *what = limits[i].what;
            *limit_ms = limits[i].ms;
        }
    }
    return nearest;
}

void transfer_finish(struct transfer *t, CURLcode code)
{
    if (code == CURLE_OK)
        finish_done(t);
    else
        finish_failed(t, code);
}

uint64_t transfer_check(struct transfer *t, uint64_t now_ns)
{
    const char *what = "";
    uint32_t limit_ms = 0;
    if (t->is_over || t->is_paused)
        return UINT64_MAX;
    uint64_t end = deadline_of(t, &what, &limit_ms);
    if (end > now_ns)
        return end;
    transfer_end(t, ERR_TIMEOUT, "timed out waiting for %s (%.1f s)", what, limit_ms / 1e3);
    return UINT64_MAX;
}

void transfer_resume(struct transfer *t)
{
    if (!t->is_paused || t->n_unsent || !t->easy)
        return;
    t->is_paused = false;
    t->t_last_ns = clock_now_ns();
    curl_easy_pause(t->easy, CURLPAUSE_CONT);
}
