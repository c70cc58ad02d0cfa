/*
 * helper_cli.h - the program from outside, as a script runs it: a folder of its own for
 * configuration and data, a server to talk to, and what came out of it.
 */
#ifndef TESTS_HELPER_CLI_H
#define TESTS_HELPER_CLI_H

#include <sys/types.h>

#include "engine/base.h"

#include "tests/helper_server.h"

/* ---- the folder ------------------------------------------------------------------------- */

#define KEY "sk-a1b2c3d4e5f6a7b8c9d0" /* in $SHUNT_TEST_KEY */

int set_up_folder(void **state); /* of the test program; also what the environment says */
int tear_down_folder(void **state);
char *path_of(const char *name); /* in the folder; one of the last four is valid */
void write_file(const char *name, const char *text, size_t n);
void write_text(const char *name, const char *text);

#define WAIT_MS 30000

/* ---- running it ------------------------------------------------------------------------- */

extern struct cli_result {
    int status; /* wait status */
    struct buf out, err;
} result; /* of the newest run */
int tear_down_result(void **state);

struct child {
    pid_t pid;
    int in, out, err; /* this side of the pipes */
};
/* Starts the program with these arguments. stdin_path NULL: a pipe; stdout_path NULL: a pipe.
 */
struct child spawn(char *const *args, const char *stdin_path, const char *stdout_path);
void finish(struct child *child); /* reads to the end; fails the test after 30 s */
int run_with(const char *stdin_text, char *const *args); /* its exit status */

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL})
#define RUN(...)  run_with("", ARGS(__VA_ARGS__))
#define NO_PILOT  "[endpoint \"pilot\"]\nenabled = no\n"
#define CONFIG    (char[]){"--config"}, path_of("shunt.conf"), (char[]){"--data"}, path_of("data")

/* ---- looking at the result -------------------------------------------------------------- */

void expect_exit(int got, int wanted);
void expect_in(const struct buf *where, const char *text);
/* One line that begins with the program's name and says this. */
void expect_sentence(const char *text);
void expect_no_escapes(void); /* in both streams */

/* ---- a server to talk to ---------------------------------------------------------------- */

#define HEAD(status, type)                                                                     \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define DELTA(text)                                                                            \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STREAM_END                                                                             \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"          \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: " \
    "[DONE]\n\n"
#define STREAM(text) HEAD("200 OK", "text/event-stream") DELTA(text) STREAM_END

extern struct server *server; /* the one that serves now */
/* A server that answers like this, and a configuration that names it as endpoint "e", with
 * these further lines. */
void serve_script(const struct server_script *answer, const char *conf_lines);
void serve(const char *response, bool hangs);
void stop_serving(void);

/* The texts of the messages in the one request that was sent, each with its role. */
void expect_sent(const char *joined);

#endif
