/*
 * fuzz.h - a fuzz target is one function over bytes in fuzz_NAME.c. clang's libFuzzer calls it
 * for ever with inputs of its own (`./dev fuzz`); in the test build replay.c calls it once for
 * every seed, so what was found once stays mended.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "engine/base.h"

/* Returns 0. What must never be, ends the program. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Unlike assert it says which seed, where there is no libFuzzer to say so. */
#define FUZZ_CHECK(condition)                                                                  \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, getenv("SHUNT_SEED"),       \
                    #condition);                                                               \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

#endif
