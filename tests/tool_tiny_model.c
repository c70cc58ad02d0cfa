/* tool_tiny_model.c - tool_tiny_model OUT.gguf [ARCH LAYERS EXPERTS TOP HIDDEN FF SEED]: a
 * synthetic model for looking at. */
#include <stdio.h>

#include "engine/base.h"

#include "tests/helper_tiny_model.h"

static uint32_t number(int argc, char **argv, int i, uint32_t fallback)
{
    uint64_t value = fallback;
    if (i < argc && !slice_to_u64(slice_of(argv[i]), &value))
        fprintf(stderr, "tool_tiny_model: %s is not a number\n", argv[i]);
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr,
                "usage: tool_tiny_model OUT.gguf [ARCH LAYERS EXPERTS TOP HIDDEN FF SEED]\n");
        return 2;
    }
    struct tiny_model shape = {argc > 2 ? argv[2] : "qwen3moe", number(argc, argv, 3, 48),
            number(argc, argv, 4, 128), number(argc, argv, 5, 8), number(argc, argv, 6, 64),
            number(argc, argv, 7, 32), number(argc, argv, 8, 1)};
    if (tiny_model_write(argv[1], &shape))
        return 0;
    perror(argv[1]);
    return 1;
}
