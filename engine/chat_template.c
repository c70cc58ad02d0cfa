/*
 * chat_template.c - see chat_template.h. Each row spells a conversation; the text is built
 * whole, with a mark per byte that tells format from message, and tokenised once: so cuts
 * between them fall where they do in the rendered template, and nobody can smuggle a control
 * token in through a message.
 */
#include "engine/chat_template.h"

#include <string.h>

#include "engine/gguf.h"
#include "engine/request.h"
#include "engine/tokenizer.h"

struct chat_format_row {
    const char *name;
    const char *marks[2]; /* texts that the template contains; the first row whose marks all
                             occur wins */
    const char *begin;    /* once, unless the vocabulary adds BOS by itself */
    struct {
        const char *open, *close;
    } turns[3];         /* by role: system, user, assistant */
    const char *answer; /* where the assistant begins */
    const char *stop;
    bool folds_system; /* the system text goes in front of the first user text */
    bool trims;        /* message text without white space around it */
};

static const struct chat_format_row rows[] = {
        {"ChatML", {"<|im_start|>"}, "",
                {{"<|im_start|>system\n", "<|im_end|>\n"},
                        {"<|im_start|>user\n", "<|im_end|>\n"},
                        {"<|im_start|>assistant\n", "<|im_end|>\n"}},
                "<|im_start|>assistant\n", "<|im_end|>", false, false},
        {"Llama 3", {"<|start_header_id|>"}, "<|begin_of_text|>",
                {{"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},
                        {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},
                        {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"}},
                "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>", false, true},
        {"Llama 2", {"[INST]", "<<SYS>>"}, "<s>",
                {{"<<SYS>>\n", "\n<</SYS>>\n\n"}, {"[INST] ", " [/INST]"}, {" ", " </s><s>"}},
                " ", "</s>", true, true},
        {"Mistral", {"[INST]"}, "<s>", {{"", "\n\n"}, {"[INST] ", " [/INST]"}, {" ", "</s>"}},
                " ", "</s>", true, true},
        {"Phi 3", {"<|user|>", "<|end|>"}, "",
                {{"<|system|>\n", "<|end|>\n"}, {"<|user|>\n", "<|end|>\n"},
                        {"<|assistant|>\n", "<|end|>\n"}},
                "<|assistant|>\n", "<|end|>", false, false},
        {"Tulu", {"<|user|>", "<|assistant|>"}, "<|endoftext|>",
                {{"<|system|>\n", "\n"}, {"<|user|>\n", "\n"},
                        {"<|assistant|>\n", "<|endoftext|>\n"}},
                "<|assistant|>\n", "<|endoftext|>", false, false},
};

static bool contains(struct slice text, const char *needle)
{
    return !needle || memmem(text.ptr, text.n, needle, strlen(needle)) != NULL;
}

/* The literal between the system turn's opening and its end in the template's own source:
 * '<|im_start|>system\nYou are …
 * <|im_end|>\n', the line's end escaped or as it is. A turn put together from variables has a
 * quote or a brace in between. */
static struct slice find_default_system(struct slice source)
{
    static const char open[] = "<|im_start|>system", close[] = "<|im_end|>";
    for (const char *at; (at = memmem(source.ptr, source.n, open, sizeof open - 1));) {
        struct slice rest = {
                at + sizeof open - 1, source.n - (size_t)(at - source.ptr) - sizeof open + 1};
        source = rest;
        size_t n_skip = slice_has_prefix(rest, "\n")    ? 1
                        : slice_has_prefix(rest, "\\n") ? 2
                                                        : 0;
        rest = (struct slice){rest.ptr + n_skip, rest.n - n_skip};
        const char *end = n_skip ? memmem(rest.ptr, rest.n, close, sizeof close - 1) : NULL;
        struct slice text = {rest.ptr, end ? (size_t)(end - rest.ptr) : 0};
        bool is_literal = text.n > 0;
        for (size_t i = 0; i < text.n; i++)
            is_literal &= !strchr("'\"{}\\", text.ptr[i]);
        if (is_literal)
            return text;
    }
    return (struct slice){"", 0};
}

enum status chat_format_find(struct chat_format *out, const struct gguf *gguf, struct err *err)
{
    struct slice source;
    *out = (struct chat_format){0};
    enum status status = gguf_get_str(gguf, "tokenizer.chat_template", &source, err);
    if (status == ERR_NOT_FOUND)
        return err_set(err, ERR_UNSUPPORTED,
                "%s carries no chat template (tokenizer.chat_template): it is not made for "
                "chat; use an instruct model",
                gguf_path(gguf));
    if (status != OK)
        return status;
    for (size_t i = 0; i < ARRAY_LEN(rows) && !out->row; i++)
        if (contains(source, rows[i].marks[0]) && contains(source, rows[i].marks[1]))
            out->row = &rows[i];
    if (!out->row)
        return err_set(err, ERR_UNSUPPORTED,
                "%s has a chat template of a kind this version does not know (it knows ChatML, "
                "Llama 2 and 3, Mistral, Phi 3 and Tulu)",
                gguf_path(gguf));
    out->default_system = find_default_system(source);
    return OK;
}

const char *chat_format_name(const struct chat_format *format)
{
    return format->row->name;
}

const char *chat_format_stop(const struct chat_format *format)
{
    return format->row->stop;
}

/* Text with a mark per byte. */
struct marked {
    struct buf text, marks;
};

static void add(struct marked *m, struct slice text, bool is_format)
{
    buf_add_slice(&m->text, text);
    for (size_t i = 0; i < text.n; i++)
        buf_add(&m->marks, is_format ? "\1" : "\0", 1);
}

static void add_turn(struct marked *m, const struct chat_format_row *row,
        enum message_role role, struct slice text, bool is_closed)
{
    int turn = role == MSG_TOOL ? MSG_USER : (int)role;
    add(m, slice_of(row->turns[turn].open), true);
    add(m, row->trims && is_closed ? slice_trim(text) : text, false);
    if (is_closed)
        add(m, slice_of(row->turns[turn].close), true);
}

/* [INST] system user [/INST] */
static void add_folded(struct marked *m, const struct chat_format_row *row, struct slice system,
        struct slice user)
{
    add(m, slice_of(row->turns[MSG_USER].open), true);
    add_turn(m, row, MSG_SYSTEM, system, true);
    add(m, row->trims ? slice_trim(user) : user, false);
    add(m, slice_of(row->turns[MSG_USER].close), true);
}

static void add_messages(struct marked *m, const struct chat_format *format,
        const struct chat_message *messages, int n)
{
    const struct chat_format_row *row = format->row;
    struct slice folded = {0};
    bool has_system = n > 0 && messages[0].role == MSG_SYSTEM;
    if (!has_system && format->default_system.n)
        add_turn(m, row, MSG_SYSTEM, format->default_system, true);
    for (int i = 0; i < n; i++) {
        bool is_closed = i + 1 < n || messages[i].role != MSG_ASSISTANT;
        if (row->folds_system && messages[i].role == MSG_SYSTEM) {
            folded = messages[i].text;
        } else if (folded.n && messages[i].role == MSG_USER) {
            add_folded(m, row, folded, messages[i].text);
            folded.n = 0;
        } else {
            add_turn(m, row, messages[i].role, messages[i].text, is_closed);
        }
    }
    if (n == 0 || messages[n - 1].role != MSG_ASSISTANT)
        add(m, slice_of(row->answer), true);
}

void chat_format_encode(const struct chat_format *format, const struct tokenizer *tok,
        const struct chat_message *messages, int n_messages, struct tokens *out)
{
    struct marked m;
    buf_init(&m.text, SIZE_MAX / 2);
    buf_init(&m.marks, SIZE_MAX / 2);
    size_t before = out->n;
    tokenizer_encode(tok, slice_of(""), TOKENIZE_BOS, out);
    if (out->n == before)
        add(&m, slice_of(format->row->begin), true);
    add_messages(&m, format, messages, n_messages);
    tokenizer_encode_trusted(
            tok, buf_slice(&m.text), (const uint8_t *)buf_text(&m.marks), 0, out);
    buf_release(&m.text);
    buf_release(&m.marks);
}
