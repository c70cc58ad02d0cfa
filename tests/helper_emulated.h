/* helper_emulated.h - golden models (helper_golden.h) on the emulated CUDA device. */
#ifndef TESTS_HELPER_EMULATED_H
#define TESTS_HELPER_EMULATED_H

#include "engine/backend.h"

struct golden;
struct model;

#define EMULATED_LIBRARY SHUNT_LIB_DIR "/shunt-cuda-emu.so"

extern const struct backend_choice emulated_cpu, emulated_device;

/* A teardown: the state of whoever changes what the emulated device is. */
int emulated_restore(void **state);
/* Fails if the backend is not the one that is asked for. */
struct model *emulated_open(const struct golden *g, const struct backend_choice *choice);
/* Logits of the whole prompt in batches of n_batch; the caller frees them. */
float *emulated_logits(const struct golden *g, struct model *m, uint32_t n_batch);
/* The same, bit by bit; else it fails and names `what`. */
void emulated_expect_equal(
        const struct golden *g, const float *want, const float *got, const char *what);

#endif
