/*
 * features.c - what is known of a request before it is sent. Tokens are estimated from the
 * kinds of characters: counting with a tokenizer would need every remote model's vocabulary,
 * and filters only need the size within about a fifth.
 */
#include <string.h>

#include "router/policy.h"

#define EXPECTED_OUTPUT_TOK 512
#define MESSAGE_TOK         5 /* what a template adds to each message */

/* ASCII letters make about 4 bytes per token, digits and signs 2, other alphabets 2 characters,
 * CJK 1. */
static double tokens_in(struct slice text)
{
    double n = 0;
    for (size_t at = 0; at < text.n;) {
        uint32_t cp;
        at += utf8_decode(text.ptr + at, text.n - at, &cp);
        if (cp < 0x80)
            n += (cp | 32) - 'a' < 26 || cp == ' ' ? 0.23 : 0.45;
        else
            n += cp < 0x2E80 ? 0.5 : 0.9;
    }
    return n;
}

struct features features_of(
        const struct chat_message *messages, int n_messages, struct slice extra_json)
{
    double n = MESSAGE_TOK;
    for (int i = 0; i < n_messages; i++)
        n += MESSAGE_TOK + tokens_in(messages[i].text);
    return (struct features){.n_input_tok = n < 4e9 ? (uint32_t)n : UINT32_MAX / 2,
            .n_output_tok = EXPECTED_OUTPUT_TOK,
            .needs_tools = extra_json.n && memmem(extra_json.ptr, extra_json.n, "\"tools\"", 7),
            .max_zone = ZONE_EXTERNAL,
            .only_endpoint = -1};
}
