/*
 * helper_steps.h - the steps of the contract, one by one, on every backend that this machine
 * has.
 */
#ifndef TESTS_HELPER_STEPS_H
#define TESTS_HELPER_STEPS_H

#include "kernels/kernels.h"

/* The first row is the specification, the scalar CPU; the others are compared with it. */
struct step_backend {
    const char *name;
    struct kernels *(*open)(bool is_exact); /* returns NULL: not on this machine */
};
extern const struct step_backend step_backends[];
extern const size_t n_step_backends;

#endif
