/*
 * gemm.cpp - in the place of cuBLAS: the same table of functions, plain loops. What it is given
 * is checked as strictly as cuBLAS may take it; a product runs in its stream.
 * GKEMU_GEMM=none: there is no cuBLAS; single: one without grouped products; float: one whose
 * grouped products refuse mixed types.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm_cuda.h"

#include "check.h"
#include "memory.h"
#include "stream.h"

using namespace gkemu;

struct emulated_handle {
    cudaStream_t stream;
};

struct operand {
    const void *values;
    int type, n_lead;
    bool is_transposed;
};

static float value_of(const operand &o, int row, int column)
{
    size_t at = o.is_transposed ? (size_t)row * (size_t)o.n_lead + (size_t)column
                                : (size_t)column * (size_t)o.n_lead + (size_t)row;
    if (o.type == GEMM_FLOAT)
        return ((const float *)o.values)[at];
    return gk_half_to_float(((const gk_half *)o.values)[at]);
}

static void multiply(int m, int n, int k, float alpha, const operand &a, const operand &b,
        float beta, float *c, int n_lead)
{
    for (int column = 0; column < n; column++)
        for (int row = 0; row < m; row++) {
            double sum = 0;
            for (int i = 0; i < k; i++)
                sum += (double)value_of(a, row, i) * (double)value_of(b, i, column);
            float *at = c + (size_t)column * (size_t)n_lead + row;
            *at = alpha * (float)sum + (beta != 0 ? beta * *at : 0);
            check_host_wrote(at, sizeof *at);
        }
}

static int create(void **handle)
{
    *handle = new emulated_handle{nullptr};
    return 0;
}

static int destroy(void *handle)
{
    delete (emulated_handle *)handle;
    return 0;
}

static int set_stream(void *handle, cudaStream_t stream)
{
    ((emulated_handle *)handle)->stream = stream;
    return 0;
}

static int set_workspace(void *, void *workspace, size_t n_bytes)
{
    return memory_room(workspace, SPACE_DEVICE) >= n_bytes ? 0 : 7;
}

/* In device memory and long enough. */
static bool is_there(const void *values, int type, int n_lead, int n_columns)
{
    size_t n_bytes = (size_t)n_lead * (size_t)n_columns * (type == GEMM_FLOAT ? 4 : 2);
    return memory_room(values, SPACE_DEVICE) >= n_bytes;
}

static int product(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
        const void *a, int type_a, int lda, const void *b, int type_b, int ldb,
        const void *beta, void *c, int type_c, int ldc, int, int)
{
    float scale = *(const float *)alpha, keep = *(const float *)beta;
    if (type_c != GEMM_FLOAT || type_a != type_b || m <= 0 || n <= 0 || k <= 0)
        return 7;
    if (!is_there(a, type_a, lda, op_a == GEMM_TRANSPOSED ? m : k) ||
            !is_there(b, type_b, ldb, op_b == GEMM_TRANSPOSED ? k : n) ||
            !is_there(c, type_c, ldc, n))
        return 14;
    operand left = {a, type_a, lda, op_a == GEMM_TRANSPOSED};
    operand right = {b, type_b, ldb, op_b == GEMM_TRANSPOSED};
    submit(((emulated_handle *)handle)->stream,
            [=] { multiply(m, n, k, scale, left, right, keep, (float *)c, ldc); });
    return 0;
}

static int grouped(void *handle, const int *op_a, const int *op_b, const int *m, const int *n,
        const int *k, const void *alpha, const void *const *a, int type_a, const int *lda,
        const void *const *b, int type_b, const int *ldb, const void *beta, void *const *c,
        int type_c, const int *ldc, int n_groups, const int *group_sizes, int compute)
{
    const char *setting = getenv("GKEMU_GEMM");
    if (setting && strcmp(setting, "float") == 0 && type_a != type_c)
        return 15;
    size_t n_bytes = (size_t)n_groups * sizeof *a;
    if (memory_room(a, SPACE_DEVICE) < n_bytes || memory_room(b, SPACE_DEVICE) < n_bytes ||
            memory_room(c, SPACE_DEVICE) < n_bytes)
        return 14;
    cudaStream_t stream = ((emulated_handle *)handle)->stream;
    cudaStreamSynchronize(stream); /* addresses lie in device memory */
    for (int i = 0; i < n_groups; i++) {
        const void *left, *right;
        void *out;
        if (group_sizes[i] != 1)
            return 7;
        device_open();
        left = a[i];
        right = b[i];
        out = c[i];
        device_close();
        int status = product(handle, op_a[i], op_b[i], m[i], n[i], k[i],
                (const float *)alpha + i, left, type_a, lda[i], right, type_b, ldb[i],
                (const float *)beta + i, out, type_c, ldc[i], compute, GEMM_DEFAULT);
        if (status != 0)
            return status;
    }
    return 0;
}

const struct gemm_library *gemm_library_emulated(void)
{
    static const gemm_library full = {
            create, destroy, set_stream, set_workspace, product, grouped, 256};
    static const gemm_library single = {
            create, destroy, set_stream, set_workspace, product, nullptr, 256};
    const char *setting = getenv("GKEMU_GEMM");
    if (setting && strcmp(setting, "none") == 0)
        return nullptr;
    return setting && strcmp(setting, "single") == 0 ? &single : &full;
}
