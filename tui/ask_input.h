/*
 * ask_input.h - what `shunt ask` was given, as one conversation: words, standard input, files,
 * or an OpenAI-shaped request.
 */
#ifndef TUI_ASK_INPUT_H
#define TUI_ASK_INPUT_H

#include "engine/request.h"

struct args;

#define PROMPT_MAX_BYTES (32u << 20)

struct ask_input {
    struct arena arena;
    const char *endpoint, *system, *session; /* NULL: not given */
    const char *request_path;
    const char **files; /* [n_files], in arena */
    size_t n_files;
    bool is_continue, no_stdin, is_json, has_stats;
    struct buf prompt; /* the newest user message */
    struct chat_message
            *earlier; /* of --request: what was said before, without the system text */
    size_t n_earlier;
    uint32_t max_tokens; /* --max-tokens; 0: not given */
    struct gen_params params;
    struct buf extra_json; /* see struct request */
};

/* Reads flags and words. Returns -1, or the exit status when the command is to end. */
int ask_input_read_args(struct ask_input *in, struct args *args);
/* Adds standard input, files and the request. */
enum status ask_input_complete(struct ask_input *in, struct err *err) MUST_USE;
/* The part of it that reads request_path: ask_request.c. */
enum status ask_request_read(struct ask_input *in, struct err *err) MUST_USE;
void ask_input_release(struct ask_input *in);

#endif
