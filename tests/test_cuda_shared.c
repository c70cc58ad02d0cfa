/*
 * test_cuda_shared.c - the golden models that are too large for the repository on the emulated
 * CUDA backend, long prompts included; behind the label slow. Skipped where they, or the
 * emulator, are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/backend.h"

#include "tests/helper_golden.h"

static void models_match_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen3", "qwen3moe-q-Q4_K_M", "qwen3moe.long",
            "llama-mixtral", "llama-mixtral.long", "llama-mixtral-BF16", "llama-mixtral-F16",
            "llama-mixtral-Q8_0", "mixtral-q-Q4_K_M", "mixtral-q-Q2_K"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        golden_check(SHARED, names[i], &(struct backend_choice){.name = "cuda-emu"});
}

int main(void)
{
    if (access(SHUNT_LIB_DIR "/shunt-cuda-emu.so", R_OK) != 0 || access(SHARED, R_OK) != 0) {
        print_message("skipped: no emulator, or no shared models\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(models_match_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
