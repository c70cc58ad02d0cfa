/*
 * token_map.h - which bytes of an answer each generated token stands for. Between the tokens
 * and the answer lies what the engine takes away (<think> tags, stop strings) and, when an
 * answer goes on or records were lost, what has no record; the map follows the engine's rules
 * and verifies every byte that a record knows. Pure.
 */
#ifndef TUI_TOKEN_MAP_H
#define TUI_TOKEN_MAP_H

#include <stddef.h>
#include <stdint.h>

struct slice;
struct token_log;
struct token_record;

enum answer_part { PART_REASONING, PART_TEXT, PART_COUNT };

struct token_span {
    uint32_t start, n; /* bytes; n 0: the token added nothing */
};

struct mapped_token { /* one that was generated; those of the prompt are left out */
    uint32_t i_record;
    struct token_span at[PART_COUNT];
};

struct token_map { /* zero-initialised is empty */
    struct mapped_token *tokens;
    size_t n, cap;
};
void token_map_build(struct token_map *map, const struct token_log *log, struct slice reasoning,
        struct slice text);
void token_map_release(struct token_map *map);

const struct token_record *token_log_at(const struct token_log *log, size_t i_record);
/* Since the token before it in the same request; negative: there is none. */
double token_log_ms(const struct token_log *log, size_t i_record);
/* Mean of its layers' gate margins; negative: a dense model has none. */
double token_log_margin(const struct token_log *log, size_t i_record);

#endif
