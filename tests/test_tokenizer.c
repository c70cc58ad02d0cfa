/* test_tokenizer.c - ids and bytes equal the reference's for every rule and every text of the
 * golden vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf.h"
#include "engine/json.h"
#include "engine/tokenizer.h"

#include "tests/helper_clock.h"

#define GOLDEN SOURCE_DIR "/tests/golden/vocabs"
#define SHARED SOURCE_DIR "/../shared/golden/vocabs"

static struct json *read_json(const char *path)
{
    struct buf text;
    struct err err;
    if (file_read(&text, path, 64 << 20, &err) != OK)
        return NULL;
    struct json *root = json_parse(buf_slice(&text));
    buf_release(&text);
    assert_non_null(root);
    return root;
}

static void unhex(const char *hex, struct buf *out)
{
    unsigned byte;
    buf_clear(out);
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        buf_add(out, &(char){(char)byte}, 1);
}

static bool is_equal(const struct tokens *got, const struct json *want)
{
    size_t i = 0;
    for (const struct json *v = json_first(want); v; v = json_next(v), i++) {
        double id;
        if (i >= got->n || !json_number(v, &id) || got->ids[i] != (int32_t)id)
            return false;
    }
    return i == got->n;
}

static void check_case(const struct tokenizer *tok, const char *name, const struct json *c,
        const struct buf *text, bool is_valid)
{
    static const struct {
        const char *member;
        int flags;
    } ways[] = {{"plain", 0}, {"special", TOKENIZE_SPECIAL | TOKENIZE_BOS}};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct tokens got = {0};
        char published[32];
        tokenizer_encode(tok, buf_slice(text), ways[i].flags, &got);
        snprintf(published, sizeof published, "published_%s", ways[i].member);
        const struct json *want = json_get(c, published);
        if (is_valid && !is_equal(&got, want ? want : json_get(c, ways[i].member)))
            fail_msg("%s: %s ids of \"%s\" differ", name, ways[i].member, buf_text(text));
        tokens_release(&got);
    }
}

/* The bytes of the plain ids are the bytes that went in. */
static void check_bytes(const struct tokenizer *tok, const char *name, const struct buf *text)
{
    struct tokens ids = {0};
    struct buf back;
    buf_init(&back, 1 << 20);
    tokenizer_encode(tok, buf_slice(text), 0, &ids);
    tokenizer_decode(tok, ids.ids, ids.n, &back);
    if (back.n != text->n || memcmp(buf_text(&back), buf_text(text), text->n) != 0)
        fail_msg("%s: \"%s\" comes back as \"%s\"", name, buf_text(text), buf_text(&back));
    tokens_release(&ids);
    buf_release(&back);
}

static void check_vocab(const char *folder, const char *name)
{
    char path[512];
    struct gguf *gguf;
    struct tokenizer *tok;
    struct err err;
    struct buf text;
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    if (access(path, R_OK) != 0)
        return;
    assert_int_equal(gguf_open(&gguf, path, true, &err), OK);
    if (tokenizer_open(&tok, gguf, &err) != OK)
        fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    struct json *golden = read_json(path), *texts = read_json(GOLDEN "/texts.json");
    buf_init(&text, 1 << 20);
    int n = 0;
    for (const struct json *c = json_first(json_get(golden, "cases")); c;
            c = json_next(c), n++) {
        uint32_t i = 0;
        assert_true(json_get_u32(c, "i", &i));
        const struct json *t = json_at(texts, i);
        unhex(json_get_text(t, "hex"), &text);
        bool is_valid = json_is_true(json_get(t, "valid_utf8"));
        check_case(tok, name, c, &text, is_valid);
        if (is_valid && text.n && strncmp(name, "small", 5) == 0)
            check_bytes(tok, name, &text);
    }
    assert_true(n > 100);
    buf_release(&text);
    json_free(golden);
    json_free(texts);
    tokenizer_close(tok);
    gguf_close(gguf);
}

static void ids_equal_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"small-gpt-2", "small-llama-bpe", "small-qwen2",
            "small-olmo", "small-refact", "phi-3"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        check_vocab(GOLDEN, names[i]);
}

static void large_vocabularies_too_where_they_are(void **state)
{
    (void)state;
    check_vocab(SHARED, "gpt-2");
    check_vocab(SHARED, "llama-spm");
}

static struct tokenizer *open_vocab(struct gguf **gguf, const char *name)
{
    char path[512];
    struct err err;
    struct tokenizer *tok;
    snprintf(path, sizeof path, GOLDEN "/%s.gguf", name);
    assert_int_equal(gguf_open(gguf, path, true, &err), OK);
    assert_int_equal(tokenizer_open(&tok, *gguf, &err), OK);
    return tok;
}

static void a_message_cannot_smuggle_in_a_control_token(void **state)
{
    (void)state;
    struct gguf *gguf;
    struct tokenizer *tok = open_vocab(&gguf, "phi-3");
    struct tokens plain = {0}, trusted = {0}, mixed = {0};
    static const uint8_t marks[] = "\1\1\1\1\1\1\1\0\0\0\0\0\0\0";
    tokenizer_encode(tok, SLICE("<|end|>"), 0, &plain);
    tokenizer_encode(tok, SLICE("<|end|>"), TOKENIZE_SPECIAL, &trusted);
    tokenizer_encode_trusted(tok, SLICE("<|end|><|end|>"), marks, 0, &mixed);
    assert_true(plain.n > 1);
    assert_int_equal(trusted.n, 1);
    assert_int_equal(mixed.ids[0], trusted.ids[0]);
    assert_true(mixed.n > 2);
    for (size_t i = 1; i < mixed.n; i++)
        assert_int_not_equal(mixed.ids[i], trusted.ids[0]);
    tokens_release(&plain);
    tokens_release(&trusted);
    tokens_release(&mixed);
    tokenizer_close(tok);
    gguf_close(gguf);
}

static void put(struct buf *out, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        buf_add(out, &(char){(char)(value >> 8 * i)}, 1);
}

static void put_string(struct buf *out, const char *text)
{
    put(out, strlen(text), 8);
    buf_add_text(out, text);
}

/* A SentencePiece vocabulary whose characters merge into a control token. */
static void write_mergeable(const char *path)
{
    static const char *const tokens[] = {
            "<unk>", "</s>", "<", "/", "s", ">", "</", "s>", "\xE2\x96\x81"};
    static const int types[] = {2, 3, 1, 1, 1, 1, 1, 1, 1};
    struct buf out;
    struct err err;
    buf_init(&out, 1 << 16);
    buf_add(&out, "GGUF\3\0\0", 8);
    put(&out, 0, 8);
    put(&out, 3, 8);
    put_string(&out, "tokenizer.ggml.model");
    put(&out, 8, 4);
    put_string(&out, "llama");
    put_string(&out, "tokenizer.ggml.tokens");
    put(&out, 9, 4);
    put(&out, 8, 4);
    put(&out, ARRAY_LEN(tokens), 8);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        put_string(&out, tokens[i]);
    put_string(&out, "tokenizer.ggml.token_type");
    put(&out, 9, 4);
    put(&out, 5, 4);
    put(&out, ARRAY_LEN(types), 8);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        put(&out, (uint64_t)types[i], 4);
    assert_int_equal(file_write(path, out.ptr, out.n, 0600, &err), OK);
    buf_release(&out);
}

static void text_never_merges_into_a_control_token(void **state)
{
    (void)state;
    char path[64];
    struct gguf *gguf;
    struct tokenizer *tok;
    struct tokens ids = {0};
    struct buf text;
    struct err err;
    snprintf(path, sizeof path, "/tmp/shunt-vocab-%d.gguf", (int)getpid());
    write_mergeable(path);
    assert_int_equal(gguf_open(&gguf, path, true, &err), OK);
    assert_int_equal(tokenizer_open(&tok, gguf, &err), OK);
    tokenizer_encode(tok, SLICE("</s>"), TOKENIZE_SPECIAL, &ids);
    assert_int_equal(ids.n, 1);
    ids.n = 0;
    tokenizer_encode(tok, SLICE("</s>"), 0, &ids);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_not_equal(ids.ids[i], 1);
    buf_init(&text, 100);
    tokenizer_decode(tok, ids.ids, ids.n, &text);
    assert_string_equal(buf_text(&text), "</s>");
    buf_release(&text);
    tokens_release(&ids);
    tokenizer_close(tok);
    gguf_close(gguf);
    unlink(path);
}

/* One piece of 300 KB: merging must not be quadratic. */
static void a_very_long_word_takes_no_time(void **state)
{
    (void)state;
    static const char *const names[] = {"small-qwen2", "phi-3"};
    size_t n = 300000;
    char *text = mem_alloc(n + 1);
    memset(text, 'a', n);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct gguf *gguf;
        struct tokenizer *tok = open_vocab(&gguf, names[i]);
        struct tokens ids = {0};
        uint64_t start = clock_cpu_ns();
        tokenizer_encode(tok, (struct slice){text, n}, 0, &ids);
        assert_true(clock_cpu_ns() - start < 20000000000u);
        assert_true(ids.n > 0 && ids.n < n);
        tokens_release(&ids);
        tokenizer_close(tok);
        gguf_close(gguf);
    }
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(ids_equal_the_reference),
            cmocka_unit_test(large_vocabularies_too_where_they_are),
            cmocka_unit_test(a_message_cannot_smuggle_in_a_control_token),
            cmocka_unit_test(text_never_merges_into_a_control_token),
            cmocka_unit_test(a_very_long_word_takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
