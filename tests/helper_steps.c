/* helper_steps.c - see helper_steps.h. */
#include "tests/helper_steps.h"

#include "engine/base.h"

static struct kernels *open_scalar(bool is_exact)
{
    return kernels_open_cpu("scalar", 1, is_exact);
}

static struct kernels *open_avx2(bool is_exact)
{
    return kernels_open_cpu("avx2", 3, is_exact);
}

const struct step_backend step_backends[] = {
        {"scalar", open_scalar},
        {"avx2", open_avx2},
};
const size_t n_step_backends = ARRAY_LEN(step_backends);
