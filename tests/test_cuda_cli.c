/*
 * test_cuda_cli.c - the program with the emulated CUDA backend from outside: where it says that
 * models run, and what doctor and bench say of the device. Skipped in builds without the
 * emulator.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/cmd.h"

#include "tests/helper_cli.h"
#include "tests/helper_tiny_model.h"

#define MODEL SOURCE_DIR "/tests/golden/models/olmoe.gguf"
#define EMULATED                                                                               \
    (char[]){"--backend"}, (char[])                                                            \
    {                                                                                          \
        "cuda-emu"                                                                             \
    }

/* No library: a GPU was asked for all the same. */
#define MISSING                                                                                \
    (char[]){"--backend"}, (char[]){"cuda"}, (char[]){"--cuda-lib"}, (char[])                  \
    {                                                                                          \
        "/nonexistent.so"                                                                      \
    }

#define LOGITS "eval", "logits", MODEL, "--tokens", "1,2,3,4,5,6,7,8,9,10", "--top", "1"

static void restore_device(void)
{
    unsetenv("GKEMU_DEVICES");
    unsetenv("GKEMU_MEMORY");
    unsetenv("GKEMU_GEMM");
    unsetenv("SHUNT_CUDA_LIB");
}

static int tear_down(void **state)
{
    restore_device();
    return tear_down_result(state);
}

/* The id of the likeliest token of the first position. */
static long first_id(void)
{
    const char *top = strstr(buf_text(&result.out), "\"top\":[[");
    assert_non_null(top);
    return strtol(top + 8, NULL, 10);
}

static void logits_come_from_the_device(void **state)
{
    (void)state;
    expect_exit(RUN(LOGITS, "--backend", "cpu"), EXIT_DONE);
    long id = first_id();
    expect_exit(RUN(LOGITS, EMULATED), EXIT_DONE);
    assert_int_equal(first_id(), id);
    assert_int_equal(result.err.n, 0);
    setenv("GKEMU_DEVICES", "0", 1);
    expect_exit(RUN(LOGITS, EMULATED), EXIT_DONE);
    assert_int_equal(first_id(), id);
    expect_sentence("running on the CPU: there is no NVIDIA GPU");
}

static void a_library_that_is_not_there_is_one_sentence(void **state)
{
    (void)state;
    expect_exit(RUN(LOGITS, MISSING), EXIT_DONE);
    expect_sentence("running on the CPU: /nonexistent.so is not a library that can be loaded "
                    "(cannot open shared object file: No such file or directory): name the "
                    "shunt-cuda.so of this build");
    expect_exit(
            RUN("bench", "--synthetic", "tiny", "-p", "1", "-n", "1", MISSING), EXIT_FAILED);
    expect_sentence("no GPU to measure: /nonexistent.so");
    setenv("SHUNT_CUDA_LIB", "/nowhere.so", 1);
    expect_exit(RUN(LOGITS, "--backend", "cuda"), EXIT_DONE);
    expect_sentence("/nowhere.so");
    expect_exit(RUN(LOGITS), EXIT_DONE);
    expect_sentence("/nowhere.so");
    RUN("doctor", CONFIG);
    expect_in(&result.out, "BAD  gpu            not used: /nowhere.so");
    expect_exit(RUN(LOGITS, "--backend", "cpu"), EXIT_DONE); /* nobody asked for a GPU */
    assert_int_equal(result.err.n, 0);
    setenv("SHUNT_CUDA_LIB", "libm.so.6", 1); /* a file here, not the system's */
    expect_exit(RUN(LOGITS), EXIT_DONE);
    expect_sentence("./libm.so.6 is not a library that can be loaded");
}

/* It can be loaded, but the one function is not in it. */
static void another_programs_library_is_one_sentence(void **state)
{
    (void)state;
    Dl_info libm;
    char sentence[512];
    void *handle = dlopen("libm.so.6", RTLD_LAZY);
    assert_non_null(handle);
    assert_int_not_equal(dladdr(dlsym(handle, "cbrt"), &libm), 0);
    assert_int_equal(libm.dli_fname[0], '/');
    snprintf(sentence, sizeof sentence,
            "running on the CPU: %s is not a CUDA backend of this version of shunt: name the "
            "shunt-cuda.so of this build",
            libm.dli_fname);
    setenv("SHUNT_CUDA_LIB", libm.dli_fname, 1);
    expect_exit(RUN(LOGITS), EXIT_DONE);
    expect_sentence(sentence);
    dlclose(handle);
}

static void only_backends_that_exist_are_taken(void **state)
{
    (void)state;
    static char *const commands[][3] = {{"doctor"}, {"bench", "--synthetic", "tiny"}};
    expect_exit(RUN(LOGITS, "--backend", "vulkan"), EXIT_USAGE);
    expect_sentence("vulkan");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        expect_exit(RUN("--backend", "vulkan", commands[i][0], commands[i][1], commands[i][2]),
                EXIT_USAGE);
        expect_sentence("cpu or cuda");
    }
    expect_exit(RUN("doctor", "--backend", ""), EXIT_USAGE);
    write_text("shunt.conf", "[shunt]\nbackend = vulkan\ngpu_memory_mb = all\n");
    RUN("doctor", CONFIG);
    expect_in(&result.out, "BAD  configuration");
    expect_in(&result.out,
            "shunt.conf:2: there is no backend \"vulkan\"; use cpu or cuda; until");
    expect_in(&result.out, "gpu_memory_mb = all is not a whole number from 0 to 4194304; 0 is");
}

static void doctor_says_what_the_gpu_is_and_what_fits(void **state)
{
    (void)state;
    write_text("shunt.conf", "[endpoint \"olmoe\"]\nkind = local\nmodel = " MODEL "\n");
    expect_exit(RUN("doctor", CONFIG, EMULATED), EXIT_DONE);
    expect_in(&result.out, "ok   gpu            emulated device, compute 8.9, driver for CUDA "
                           "13.0, 1.1 GB, 1.1 GB free, of which 537 MB may be used\n");
    expect_in(&result.out, "ok   gpu library    " SHUNT_LIB_DIR "/shunt-cuda-emu.so\n");
    expect_in(&result.out, "fits into the GPU");
    write_text("shunt.conf",
            "[shunt]\ngpu_memory_mb = 1\n[endpoint \"olmoe\"]\nkind = local\nmodel = " MODEL
            "\n");
    expect_exit(RUN("doctor", CONFIG, EMULATED), EXIT_DONE);
    assert_null(strstr(buf_text(&result.out), "fits into the GPU"));
    expect_in(&result.out, " the GPU");
    expect_in(&result.out, "1.1 GB free, of which 1.0 MB may be used\n");
    write_text("shunt.conf", "[endpoint \"olmoe\"]\nkind = local\nmodel = " MODEL "\n");
    setenv("GKEMU_MEMORY", "268435456", 1); /* less than the reserve */
    expect_exit(RUN("doctor", CONFIG, EMULATED), EXIT_DONE);
    expect_in(&result.out, "does not fit into the GPU: needs ");
    expect_in(&result.out, " of which it has 0");
    setenv("GKEMU_DEVICES", "0", 1);
    expect_exit(RUN("doctor", CONFIG, EMULATED), EXIT_FAILED);
    expect_in(&result.out, "BAD  gpu            not used: there is no NVIDIA GPU");
    expect_exit(RUN("doctor", CONFIG, "--backend", "cpu"), EXIT_DONE);
    expect_in(&result.out, "note gpu            not used: the CPU is asked for\n");
}

static void bench_says_what_share_of_the_card_it_takes(void **state)
{
    (void)state;
    expect_exit(RUN("bench", "--synthetic", "tiny", "-p", "9", "-n", "1", EMULATED), EXIT_DONE);
    expect_in(&result.out, "kernel   cuda: emulated device\n");
    expect_in(&result.out, "GB/s read by the GPU\n");
    expect_in(&result.out, "of the nominal 16.0\n");
    assert_int_equal(result.err.n, 0);
}

static void bench_refuses_a_model_that_the_card_cannot_take(void **state)
{
    (void)state;
    write_text("shunt.conf", "[shunt]\ngpu_memory_mb = 1\n");
    expect_exit(RUN("bench", CONFIG, "--synthetic", "tiny", "-p", "1", "-n", "1", "--backend",
                        "cpu"),
            EXIT_DONE);
    expect_exit(RUN("bench", CONFIG, "--synthetic", "tiny", "-p", "1", "-n", "1", EMULATED),
            EXIT_FAILED);
    expect_sentence("the GPU cannot run ");
    expect_in(&result.err, "MB can be used");
    assert_int_equal(result.out.n, 0);
}

/* The kernel of the CPU is not what would run it. */
static void model_info_names_no_kernel_where_a_gpu_is_asked_for(void **state)
{
    (void)state;
    expect_exit(RUN("model", "info", MODEL, "--backend", "cpu"), EXIT_DONE);
    expect_in(&result.out, " per token with kernel ");
    expect_exit(RUN("model", "info", MODEL, EMULATED), EXIT_DONE);
    expect_in(&result.out, "reads         ");
    assert_null(strstr(buf_text(&result.out), "kernel"));
    expect_exit(RUN("model", "info", MODEL, "--json", EMULATED), EXIT_DONE);
    expect_in(&result.out, "\"kernel\":null}\n");
}

static void bench_follows_the_configuration(void **state)
{
    (void)state;
    write_text("shunt.conf", "[shunt]\nbackend = cuda\ncuda_lib = ~/nowhere.so\nthreads = 2\n");
    expect_exit(RUN("bench", CONFIG, "--synthetic", "tiny", "-p", "1", "-n", "1"), EXIT_FAILED);
    expect_sentence("/nowhere.so");
    assert_null(strstr(buf_text(&result.err), "~"));
    expect_exit(RUN("bench", CONFIG, "--synthetic", "tiny", "-p", "1", "-n", "1", "--backend",
                        "cpu", "--json"),
            EXIT_DONE);
    expect_in(&result.out, "\"backend\":\"cpu\",\"n_threads\":2,");
}

static void answers_are_those_of_the_cpu(void **state)
{
    (void)state;
    char path[256], conf[512];
    struct tiny_model shape = {"qwen3moe", 3, 8, 2, 32, 16, 7};
    snprintf(path, sizeof path, "%s", path_of("tiny.gguf"));
    assert_true(tiny_model_write(path, &shape));
    snprintf(conf, sizeof conf, "[endpoint \"tiny\"]\nkind = local\nmodel = %s\n", path);
    write_text("shunt.conf", conf);
    write_text("request.json", "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],"
                               "\"temperature\":0,\"max_tokens\":9}");
    setenv("GKEMU_GEMM", "none", 1); /* prompts in 8 bits as well, where the CPU has them */
    expect_exit(RUN("ask", CONFIG, "--backend", "cpu", "--request", path_of("request.json")),
            EXIT_INCOMPLETE);
    char *wanted = mem_strdup(buf_text(&result.out));
    expect_exit(RUN("ask", CONFIG, EMULATED, "--request", path_of("request.json")),
            EXIT_INCOMPLETE);
    assert_string_equal(buf_text(&result.out), wanted);
    assert_null(strstr(buf_text(&result.err), "CPU"));
    setenv("GKEMU_DEVICES", "0", 1);
    expect_exit(RUN("ask", CONFIG, EMULATED, "--request", path_of("request.json")),
            EXIT_INCOMPLETE);
    assert_string_equal(buf_text(&result.out), wanted);
    expect_in(&result.err, "running on the CPU: there is no NVIDIA GPU");
    expect_exit(RUN("ask", CONFIG, "--cuda-lib", "/nowhere.so", "--request",
                        path_of("request.json")),
            EXIT_INCOMPLETE);
    expect_in(&result.err, "running on the CPU: /nowhere.so");
    mem_free(wanted);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    if (access(SHUNT_LIB_DIR "/shunt-cuda-emu.so", R_OK) != 0) {
        print_message("skipped: this build has no emulator\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
            TEST(logits_come_from_the_device),
            TEST(a_library_that_is_not_there_is_one_sentence),
            TEST(another_programs_library_is_one_sentence),
            TEST(only_backends_that_exist_are_taken),
            TEST(doctor_says_what_the_gpu_is_and_what_fits),
            TEST(bench_says_what_share_of_the_card_it_takes),
            TEST(bench_refuses_a_model_that_the_card_cannot_take),
            TEST(model_info_names_no_kernel_where_a_gpu_is_asked_for),
            TEST(bench_follows_the_configuration),
            TEST(answers_are_those_of_the_cpu),
    };
    return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
