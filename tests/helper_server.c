/* helper_server.c - see helper_server.h. One connection after the other: tests of many at once
 * open several servers. */
#include "tests/helper_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 64

struct server {
    int fd, port;
    pthread_t thread;
    atomic_bool is_closing;
    atomic_size_t n_requests, n_sent;
    const struct server_script *scripts;
    size_t n_scripts;
    struct buf requests[REQUESTS_MAX];
};

static bool is_whole(const struct buf *request)
{
    const char *end = strstr(buf_text(request), "\r\n\r\n");
    const char *length = strcasestr(buf_text(request), "content-length:");
    if (!end)
        return false;
    return !length ||
           request->n - (size_t)(end + 4 - request->ptr) >= strtoul(length + 15, NULL, 10);
}

static bool wait_for(struct server *s, int fd, short events, int ms)
{
    for (; ms > 0 && !atomic_load(&s->is_closing); ms -= 10) {
        struct pollfd p = {fd, events, 0};
        if (poll(&p, 1, 10) > 0)
            return true;
    }
    return false;
}

/* The gap between two chunks; true when the other side has gone. */
static bool wait_for_end(int fd, int ms)
{
    struct pollfd p = {fd, POLLRDHUP, 0};
    return poll(&p, 1, ms) > 0 && ms > 0;
}

static void serve(struct server *s, int fd, size_t i)
{
    char bytes[4096];
    struct buf *request = &s->requests[i];
    buf_init(request, 16 << 20);
    while (!is_whole(request) && wait_for(s, fd, POLLIN, 5000)) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            return;
        buf_add(request, bytes, (size_t)n);
    }
    atomic_store(&s->n_sent, 0);
    atomic_store(&s->n_requests, i + 1);
    const struct server_script *script = &s->scripts[i < s->n_scripts ? i : s->n_scripts - 1];
    for (int left = script->delay_ms; left > 0 && !atomic_load(&s->is_closing); left -= 10)
        poll(NULL, 0, 10);
    size_t chunk = script->chunk ? script->chunk : script->n;
    for (size_t at = 0; at < script->n && !atomic_load(&s->is_closing); at += chunk) {
        size_t n = script->n - at < chunk ? script->n - at : chunk;
        if (send(fd, (const char *)script->bytes + at, n, MSG_NOSIGNAL) < 0)
            return;
        atomic_store(&s->n_sent, at + n);
        if (script->chunk && wait_for_end(fd, script->gap_ms))
            return;
    }
    while (script->hangs && !atomic_load(&s->is_closing)) {
        if (wait_for(s, fd, POLLIN, 50) && read(fd, bytes, sizeof bytes) <= 0)
            return;
    }
}

static void end(int fd, bool resets)
{
    struct linger at_once = {.l_onoff = 1};
    if (resets)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    else
        shutdown(fd, SHUT_WR);
    close(fd);
}

static void *run(void *arg)
{
    struct server *s = arg;
    for (size_t i = 0; i < REQUESTS_MAX && !atomic_load(&s->is_closing);) {
        if (!wait_for(s, s->fd, POLLIN, 1000))
            continue;
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            continue;
        serve(s, fd, i);
        end(fd, s->scripts[i < s->n_scripts ? i : s->n_scripts - 1].resets);
        i++;
    }
    return NULL;
}

struct server *server_open(const struct server_script *scripts, size_t n_scripts)
{
    struct server *s = mem_alloc(sizeof *s);
    struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    s->scripts = scripts;
    s->n_scripts = n_scripts;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
            listen(s->fd, 16) != 0 ||
            getsockname(s->fd, (struct sockaddr *)&address, &n) != 0 ||
            pthread_create(&s->thread, NULL, run, s) != 0)
        abort();
    s->port = ntohs(address.sin_port);
    return s;
}

void server_close(struct server *s)
{
    atomic_store(&s->is_closing, true);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        buf_release(&s->requests[i]);
    mem_free(s);
}

int server_port(const struct server *s)
{
    return s->port;
}

size_t server_n_requests(const struct server *s)
{
    return atomic_load(&((struct server *)(uintptr_t)s)->n_requests);
}

size_t server_n_sent(const struct server *server)
{
    return atomic_load(&server->n_sent);
}

const char *server_request(struct server *s, size_t i)
{
    if (i >= atomic_load(&s->n_requests)) /* which also makes its bytes visible here */
        return "";
    return buf_text(&s->requests[i]);
}
