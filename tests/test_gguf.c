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
#include <unistd.h>

#include <cmocka.h>

#include "kernels/quant.h"

#include "engine/gguf.h"
#include "engine/model.h"
#include "engine/tokenizer.h"

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
        n++;
    }
    closedir(dir);
    assert_true(n >= 58);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_and_tensors_of_a_good_file_are_found),
            cmocka_unit_test(a_wrong_type_and_a_missing_key_are_different_errors),
            cmocka_unit_test(every_damaged_file_is_refused_with_a_sentence),
            cmocka_unit_test(a_file_cut_anywhere_is_refused),
            cmocka_unit_test(a_missing_file_and_a_folder_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
