/*
 * chat_template.h - turns messages into the token text a model was trained on. The format is
 * recognised from the file's own template text; a file whose template is none of the table's is
 * refused with a sentence.
 */
#ifndef ENGINE_CHAT_TEMPLATE_H
#define ENGINE_CHAT_TEMPLATE_H

#include "engine/base.h"

struct chat_message;
struct gguf;
struct tokenizer;
struct tokens;

struct chat_format {
    const struct chat_format_row *row;
    struct slice default_system; /* what the template says when the conversation has no system
                                    text; may be empty; lives as long as the gguf */
};

enum status chat_format_find(
        struct chat_format *out, const struct gguf *gguf, struct err *err) MUST_USE;
const char *chat_format_name(const struct chat_format *format);
/* Appends the ids of the whole conversation up to the place where the assistant begins to
 * speak; when the last message is the assistant's, up to the end of its text, which the model
 * then continues. Control tokens come only from the format; message text is encoded as plain
 * text. */
void chat_format_encode(const struct chat_format *format, const struct tokenizer *tok,
        const struct chat_message *messages, int n_messages, struct tokens *out);
/* A text that ends the assistant's turn when it appears. */
const char *chat_format_stop(const struct chat_format *format);

#endif
