/* test_gguf.c - the container: what is in a good file is found, and every damaged one ends with
 * a sentence. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/quant.h"

#include "engine/gguf.h"
#include "engine/model.h"
#include "engine/tokenizer.h"

#include "tests/helper_tiny_model.h"

#define GOLDEN SOURCE_DIR "/tests/golden"

static void keys_and_tensors_of_a_good_file_are_found(void **state)
{
    (void)state;
    struct gguf *g;
    struct err err;
    uint32_t n;
    float eps;
    struct slice s;
    assert_int_equal(gguf_open(&g, GOLDEN "/models/qwen3moe.gguf", false, &err), OK);
    assert_int_equal(gguf_get_str(g, "general.architecture", &s, &err), OK);
    assert_true(slice_eq(s, "qwen3moe"));
    assert_int_equal(gguf_get_u32(g, "qwen3moe.block_count", &n, &err), OK);
    assert_int_equal(n, 3);
    assert_int_equal(
            gguf_get_f32(g, "qwen3moe.attention.layer_norm_rms_epsilon", &eps, &err), OK);
    const struct gguf_tensor *t = gguf_find_tensor(g, "token_embd.weight");
    assert_non_null(t);
    assert_int_equal(t->quant, QUANT_F32);
    assert_int_equal(t->n_bytes, t->dims[0] * t->dims[1] * 4);
    assert_null(gguf_find_tensor(g, "no.such.tensor"));
    gguf_close(g);
}

static void a_wrong_type_and_a_missing_key_are_different_errors(void **state)
{
    (void)state;
    struct gguf *g;
    struct err err;
    uint32_t n;
    assert_int_equal(gguf_open(&g, GOLDEN "/models/llama-dense.gguf", true, &err), OK);
    assert_int_equal(gguf_get_u32(g, "no.such.key", &n, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "no.such.key"));
    assert_int_equal(gguf_get_u32(g, "general.architecture", &n, &err), ERR_FORMAT);
    assert_non_null(strstr(err.text, "llama-dense.gguf"));
    assert_int_equal(gguf_n_tensors(g), 0); /* keys only */
    gguf_close(g);
}

/* As `eval logits` loads a file: container, model, tokenizer. */
static enum status load(const char *path, struct err *err)
{
    struct model *model;
    struct tokenizer *tok = NULL;
    enum status status =
            model_open(&model, &(struct model_config){.path = path, .n_threads = 1}, err);
    if (status != OK)
        return status;
    status = tokenizer_open(&tok, model_gguf(model), err);
    tokenizer_close(tok);
    model_close(model);
    return status;
}

/* From outside: exit 1 and a sentence that names the file. */
static void check_command(const char *command, const char *path, const char *name)
{
    char line[1024], text[1024] = "";
    snprintf(line, sizeof line,
            SHUNT_BINARY " --config /dev/null --data /tmp %s 2>&1 >/dev/null", command);
    snprintf(line + strlen(line), sizeof line - strlen(line), " %s", path);
    FILE *out = popen(line, "r");
    assert_non_null(out);
    size_t n = fread(text, 1, sizeof text - 1, out);
    int status = pclose(out);
    text[n] = '\0';
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 || !strstr(text, name))
        fail_msg("shunt %s %s ended with %d: %s", command, name, status, text);
}

static void every_damaged_file_is_refused_with_a_sentence(void **state)
{
    (void)state;
    DIR *dir = opendir(GOLDEN "/malformed");
    int n = 0;
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        char path[512];
        struct err err = {0};
        if (!strstr(e->d_name, ".gguf"))
            continue;
        snprintf(path, sizeof path, GOLDEN "/malformed/%s", e->d_name);
        if (load(path, &err) == OK)
            fail_msg("%s was accepted", e->d_name);
        if (!strstr(err.text, e->d_name))
            fail_msg("%s: the error does not name the file: %s", e->d_name, err.text);
        check_command("eval logits --tokens 1,2,3 --json", path, e->d_name);
        check_command("model info", path, e->d_name);
        n++;
    }
    closedir(dir);
    assert_true(n >= 58);
}

/* A whole model in memory, to be damaged and written again. */
static void make_model(struct buf *whole, char path[32])
{
    static const struct tiny_model shape = {"llama", 1, 4, 2, 32, 32, 1};
    struct err err;
    snprintf(path, 32, "/tmp/shunt-bad-XXXXXX");
    close(mkstemp(path));
    assert_true(tiny_model_write(path, &shape));
    assert_int_equal(file_read(whole, path, 64 << 20, &err), OK);
    assert_int_equal(load(path, &err), OK);
}

static void write_model(const struct buf *whole, const char *path)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(whole->ptr, 1, whole->n, f), whole->n);
    assert_int_equal(fclose(f), 0);
}

#define BITS_NAN 0x7FC00000u
#define BITS_INF 0x7F800000u

static void absurd_hyperparameters_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
    } cases[] = {{"llama.block_count", 0}, {"llama.block_count", 2},
            {"llama.block_count", UINT32_MAX}, {"llama.context_length", 0},
            {"llama.context_length", UINT32_MAX}, {"llama.embedding_length", 0},
            {"llama.embedding_length", 64}, {"llama.embedding_length", 0x80000000},
            {"llama.attention.head_count", 0}, {"llama.attention.head_count", 3},
            {"llama.attention.head_count", UINT32_MAX}, {"llama.attention.head_count_kv", 0},
            {"llama.attention.head_count_kv", 3}, {"llama.attention.head_count_kv", 8},
            {"llama.attention.layer_norm_rms_epsilon", BITS_NAN},
            {"llama.attention.layer_norm_rms_epsilon", BITS_INF},
            {"llama.attention.layer_norm_rms_epsilon", 0xBF800000 /* -1 */},
            {"llama.expert_count", 0}, {"llama.expert_count", 5},
            {"llama.expert_count", UINT32_MAX}, {"llama.expert_used_count", 0},
            {"llama.expert_used_count", 5}, {"llama.feed_forward_length", 0},
            {"llama.feed_forward_length", 33}, {"tokenizer.ggml.eos_token_id", UINT32_MAX}};
    struct buf whole;
    char path[32];
    make_model(&whole, path);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        char *at = memmem(whole.ptr, whole.n, cases[i].key, strlen(cases[i].key));
        uint32_t kept;
        assert_non_null(at);
        at += strlen(cases[i].key) + 4; /* the type */
        memcpy(&kept, at, 4);
        memcpy(at, &cases[i].value, 4);
        write_model(&whole, path);
        if (load(path, &err) == OK || !strstr(err.text, path))
            fail_msg("%s = %#x: %s", cases[i].key, cases[i].value, err.text);
        memcpy(at, &kept, 4);
    }
    unlink(path);
    buf_release(&whole);
}

/* A list for each layer is as long as its writer likes. */
static void a_list_longer_than_any_model_is_refused(void **state)
{
    (void)state;
    static const char key[] = "llama.attention.head_count";
    static const struct {
        uint32_t of, type;
        uint64_t n;
    } __attribute__((packed)) list = {9, 4, 1006}; /* keeps what follows aligned */
    struct buf whole, longer;
    struct err err = {0};
    char path[32];
    make_model(&whole, path);
    buf_init(&longer, 64 << 20);
    const char *at = memmem(whole.ptr, whole.n, key, sizeof key - 1);
    assert_non_null(at);
    at += sizeof key - 1;
    buf_add(&longer, whole.ptr, (size_t)(at - whole.ptr));
    buf_add(&longer, &list, sizeof list);
    for (uint64_t i = 0; i < list.n; i++)
        buf_add(&longer, at + 4, 4);
    buf_add(&longer, at + 8, whole.n - (size_t)(at + 8 - whole.ptr));
    write_model(&longer, path);
    assert_int_equal(load(path, &err), ERR_FORMAT);
    assert_non_null(strstr(err.text, "has 1006 values"));
    unlink(path);
    buf_release(&longer);
    buf_release(&whole);
}

/* Whatever stands before the weights: it loads, or a sentence says why not. */
static void any_byte_of_the_head_may_be_wrong(void **state)
{
    (void)state;
    struct buf whole;
    char path[32];
    uint64_t rng = 5;
    int n_refused = 0;
    make_model(&whole, path);
    const char *weights = memmem(whole.ptr, whole.n, "output_norm.weight", 18);
    assert_non_null(weights);
    for (int i = 0; i < 400; i++) {
        struct err err = {0};
        /* Half of the tries hit keys and tensor infos rather than the long token list. */
        size_t n_head = (size_t)(weights - whole.ptr);
        size_t at = i & 1 ? n_head + rng_next(&rng) % 800 : rng_next(&rng) % n_head;
        char kept = whole.ptr[at];
        whole.ptr[at] = (char)(rng_next(&rng) & 1 ? 0xFF : rng_next(&rng));
        write_model(&whole, path);
        if (load(path, &err) != OK) {
            n_refused++;
            if (!strstr(err.text, path))
                fail_msg("byte %zu: %s", at, err.text);
        }
        whole.ptr[at] = kept;
    }
    assert_true(n_refused > 50);
    unlink(path);
    buf_release(&whole);
}

/* Factors of the angles that nothing reads: the answers would be wrong. */
static void tensors_that_change_the_result_unread_are_refused(void **state)
{
    (void)state;
    struct buf whole;
    struct err err = {0};
    char path[32];
    make_model(&whole, path);
    char *at = memmem(whole.ptr, whole.n, "output.weight", 13); /* need not be there */
    assert_non_null(at);
    memcpy(at, "rope_factors_", 13);
    write_model(&whole, path);
    assert_int_equal(load(path, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "rope_factors_"));
    unlink(path);
    buf_release(&whole);
}

/* Cutting a file anywhere must never be read past. */
static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct buf whole;
    struct err err;
    char path[] = "/tmp/shunt-cut-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(
            file_read(&whole, GOLDEN "/malformed/wrong-shape.gguf", 1 << 20, &err), OK);
    for (size_t n = 0; n < whole.n; n += n < 400 ? 1 : 37) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, whole.ptr, n, 0), (ssize_t)n);
        assert_int_not_equal(load(path, &err), OK);
    }
    close(fd);
    unlink(path);
    buf_release(&whole);
}

static void a_missing_file_and_a_folder_say_so(void **state)
{
    (void)state;
    struct gguf *g;
    struct err err;
    assert_int_equal(gguf_open(&g, "/nowhere/x.gguf", false, &err), ERR_NOT_FOUND);
    assert_int_equal(gguf_open(&g, "/tmp", false, &err), ERR_IO);
    assert_int_equal(gguf_open(&g, "/dev/null", false, &err), ERR_IO);
}

/* Somebody else may lay anything into a folder of models. */
static void a_pipe_is_refused_at_once(void **state)
{
    (void)state;
    struct gguf *g;
    struct err err;
    char path[] = "/tmp/shunt-pipe-XXXXXX";
    assert_non_null(mkdtemp(path));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(gguf_open(&g, path, false, &err), ERR_IO);
    alarm(0);
    unlink(path);
}

/* A file of holes is as long as its writer likes: what it claims must not be paid in memory. */
static void a_long_file_of_holes_cannot_claim_a_directory(void **state)
{
    (void)state;
    static const uint64_t claims[][2] = {{0, 30000000}, {14000000, 1}};
    struct gguf *g;
    struct err err;
    char path[] = "/tmp/shunt-holes-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(ftruncate(fd, 400000000), 0);
    for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
        assert_int_equal(pwrite(fd, "GGUF\3\0\0", 8, 0), 8);
        assert_int_equal(pwrite(fd, claims[i], 16, 8), 16);
        assert_int_equal(gguf_open(&g, path, false, &err), ERR_FORMAT);
        assert_non_null(strstr(err.text, "claims"));
    }
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_and_tensors_of_a_good_file_are_found),
            cmocka_unit_test(a_wrong_type_and_a_missing_key_are_different_errors),
            cmocka_unit_test(every_damaged_file_is_refused_with_a_sentence),
            cmocka_unit_test(absurd_hyperparameters_are_refused_by_name),
            cmocka_unit_test(a_list_longer_than_any_model_is_refused),
            cmocka_unit_test(any_byte_of_the_head_may_be_wrong),
            cmocka_unit_test(tensors_that_change_the_result_unread_are_refused),
            cmocka_unit_test(a_file_cut_anywhere_is_refused),
            cmocka_unit_test(a_missing_file_and_a_folder_say_so),
            cmocka_unit_test(a_pipe_is_refused_at_once),
            cmocka_unit_test(a_long_file_of_holes_cannot_claim_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
