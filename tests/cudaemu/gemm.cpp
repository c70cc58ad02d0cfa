/*
 * gemm.cpp - in the place of cuBLAS: the same table of functions, plain loops in the declared
 * types. It refuses what NVIDIA's manual says that cuBLAS refuses, and what would read beyond a
 * matrix is a fault; a product runs in its stream. The environment is read at every search:
 *   GKEMU_GEMM=none     there is no cuBLAS
 *   GKEMU_GEMM=single   a version without grouped products
 *   GKEMU_GEMM=counted  prefill goes through it only where that is worth it
 */
#include <stdlib.h>
#include <vector>

#include "kernels/gemm_cuda.h"

#include "memory.h"
#include "stream.h"

namespace gkemu {

enum {
    STATUS_INVALID_VALUE = 7,
    STATUS_EXECUTION_FAILED = 13,
    STATUS_NOT_SUPPORTED = 15,
    WORKSPACE_BYTES = 1 << 16
};

struct cublas_handle {
    cudaStream_t stream;
    bool has_workspace;
};

/* Column-major; rows and columns as it lies in memory. */
struct matrix {
    const void *values;
    int type, n_rows, n_columns, stride;
};

struct product {
    bool is_a_transposed, is_b_transposed;
    int m, n, k;
    float alpha, beta;
    matrix a, b, c;
};

static bool is_version(const char *name)
{
    const char *wanted = getenv("GKEMU_GEMM");
    return wanted && strcmp(wanted, name) == 0;
}

static size_t value_bytes(int type)
{
    return type == GEMM_HALF ? sizeof(gk_half) : sizeof(float);
}

static const char *address_of(const matrix &in, int row, int column)
{
    size_t at = (size_t)column * (size_t)in.stride + (size_t)row;
    return (const char *)in.values + at * value_bytes(in.type);
}

static float value_at(const matrix &from, int row, int column)
{
    const char *at = address_of(from, row, column);
    return from.type == GEMM_HALF ? gk_half_to_float(*(const gk_half *)at) : *(const float *)at;
}

static void set_value(const matrix &to, int row, int column, float value)
{
    char *at = (char *)address_of(to, row, column);
    if (to.type == GEMM_HALF)
        *(gk_half *)at = gk_float_to_half(value);
    else
        *(float *)at = value;
    check_host_wrote(at, value_bytes(to.type));
}

static void check_matrix(const matrix &x, const char *name)
{
    size_t n = (size_t)(x.n_columns - 1) * (size_t)x.stride + (size_t)x.n_rows;
    if ((uintptr_t)x.values % value_bytes(x.type) != 0)
        fault(place{}, "cuBLAS: %s is not aligned to its values", name);
    if (memory_room(x.values, SPACE_DEVICE) < n * value_bytes(x.type))
        fault(place{}, "cuBLAS: %s, %d x %d, is not wholly in device memory", name, x.n_rows,
                x.n_columns);
}

/* op(x), inner index first: what a column of the result reads lies together. */
static std::vector<float> inner_first(const matrix &x, bool is_inner_rows)
{
    int n_inner = is_inner_rows ? x.n_rows : x.n_columns;
    int n_outer = is_inner_rows ? x.n_columns : x.n_rows;
    std::vector<float> out((size_t)n_inner * (size_t)n_outer);
    for (int o = 0; o < n_outer; o++)
        for (int i = 0; i < n_inner; i++)
            out[(size_t)o * (size_t)n_inner + (size_t)i] =
                    is_inner_rows ? value_at(x, i, o) : value_at(x, o, i);
    return out;
}

static void run_product(const product &p)
{
    check_matrix(p.a, "a");
    check_matrix(p.b, "b");
    check_matrix(p.c, "c");
    std::vector<float> a = inner_first(p.a, p.is_a_transposed);
    std::vector<float> b = inner_first(p.b, !p.is_b_transposed);
    for (int column = 0; column < p.n; column++)
        for (int row = 0; row < p.m; row++) {
            const float *x = &a[(size_t)row * (size_t)p.k],
                        *y = &b[(size_t)column * (size_t)p.k];
            double sum = 0;
            for (int i = 0; i < p.k; i++)
                sum += (double)x[i] * (double)y[i];
            float was = p.beta != 0 ? p.beta * value_at(p.c, row, column) : 0;
            set_value(p.c, row, column, p.alpha * (float)sum + was);
        }
}

static product product_of(
        int op_a, int op_b, int m, int n, int k, const void *alpha, const void *beta)
{
    product p = {};
    p.is_a_transposed = op_a == GEMM_TRANSPOSED;
    p.is_b_transposed = op_b == GEMM_TRANSPOSED;
    p.m = m;
    p.n = n;
    p.k = k;
    p.alpha = *(const float *)alpha;
    p.beta = *(const float *)beta;
    return p;
}

static void set_matrices(product *p, const void *a, int type_a, int lda, const void *b,
        int type_b, int ldb, void *c, int type_c, int ldc)
{
    int a_rows = p->is_a_transposed ? p->k : p->m, b_rows = p->is_b_transposed ? p->n : p->k;
    p->a = matrix{a, type_a, a_rows, p->m + p->k - a_rows, lda};
    p->b = matrix{b, type_b, b_rows, p->n + p->k - b_rows, ldb};
    p->c = matrix{c, type_c, p->m, p->n, ldc};
}

/* The manual's table of cublasGemmEx for sums in float, without bfloat16 and integers. */
static bool are_types_known(int type_a, int type_b, int type_c, int compute)
{
    bool is_known = type_a == GEMM_HALF || type_a == GEMM_FLOAT;
    bool is_summed_in_float = compute == GEMM_COMPUTE || compute == GEMM_COMPUTE_PEDANTIC;
    return is_known && is_summed_in_float && type_a == type_b &&
           (type_c == type_a || type_c == GEMM_FLOAT);
}

/* That of cublasGemmGroupedBatchedEx: three equal types, and only floats are pedantic. */
static bool are_grouped_types_known(int type_a, int type_b, int type_c, int compute)
{
    return are_types_known(type_a, type_b, type_c, compute) && type_a == type_c &&
           (compute == GEMM_COMPUTE || type_a == GEMM_FLOAT);
}

static bool are_sizes_valid(const product &p)
{
    return p.m > 0 && p.n > 0 && p.k > 0 && p.a.stride >= p.a.n_rows &&
           p.b.stride >= p.b.n_rows && p.c.stride >= p.c.n_rows;
}

/* "Ideally" 16 bytes, says the manual, and asks for it where k is a multiple of 8, for 4 where
 * it is even. */
static void check_alignment(const product &p)
{
    size_t wanted = p.k % 8 == 0 ? 16 : p.k % 2 == 0 ? 4 : 1;
    for (const matrix *x : {&p.a, &p.b, &p.c})
        if ((uintptr_t)x->values % wanted != 0)
            fault(place{},
                    "cuBLAS: %p of grouped products, k = %d, is not aligned to %zu bytes",
                    x->values, p.k, wanted);
}

static int create(void **handle)
{
    if (is_made_to_fail("cublasCreate"))
        return 1;
    *handle = new cublas_handle{nullptr, false};
    return 0;
}

static int destroy(void *handle)
{
    delete (cublas_handle *)handle;
    return 0;
}

static int set_stream(void *handle, cudaStream_t stream)
{
    ((cublas_handle *)handle)->stream = stream;
    return 0;
}

static int set_workspace(void *handle, void *workspace, size_t n_bytes)
{
    runtime_lock lock;
    if (memory_room(workspace, SPACE_DEVICE) < n_bytes)
        fault(place{}, "cuBLAS: its workspace of %zu bytes is not in device memory", n_bytes);
    ((cublas_handle *)handle)->has_workspace = true;
    return 0;
}

static int one_product(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
        const void *a, int type_a, int lda, const void *b, int type_b, int ldb,
        const void *beta, void *c, int type_c, int ldc, int compute, int)
{
    runtime_lock lock;
    cublas_handle *h = (cublas_handle *)handle;
    product p = product_of(op_a, op_b, m, n, k, alpha, beta);
    set_matrices(&p, a, type_a, lda, b, type_b, ldb, c, type_c, ldc);
    if (is_made_to_fail("cublasGemmEx"))
        return STATUS_EXECUTION_FAILED;
    if (!are_sizes_valid(p))
        return STATUS_INVALID_VALUE;
    if (!are_types_known(type_a, type_b, type_c, compute))
        return STATUS_NOT_SUPPORTED;
    if (!h->has_workspace && spoil_capture())
        return STATUS_INVALID_VALUE; /* it would get memory of its own */
    submit(h->stream, [p] { run_product(p); });
    return 0;
}

/* The addresses of a group's products, which only the device may read. */
static const void *address_in(const void *const *addresses, size_t i)
{
    if (memory_room(addresses + i, SPACE_DEVICE) < sizeof *addresses)
        fault(place{}, "cuBLAS: the addresses of grouped products are not in device memory");
    return addresses[i];
}

static int grouped_products(void *handle, const int *op_a, const int *op_b, const int *m,
        const int *n, const int *k, const void *alpha, const void *const *a, int type_a,
        const int *lda, const void *const *b, int type_b, const int *ldb, const void *beta,
        void *const *c, int type_c, const int *ldc, int n_groups, const int *group_sizes,
        int compute)
{
    runtime_lock lock;
    cublas_handle *h = (cublas_handle *)handle;
    if (is_made_to_fail("cublasGemmGroupedBatchedEx"))
        return STATUS_EXECUTION_FAILED;
    if (!are_grouped_types_known(type_a, type_b, type_c, compute))
        return STATUS_NOT_SUPPORTED;
    if (spoil_capture())
        return STATUS_INVALID_VALUE; /* its host arrays are no part of a graph */
    size_t at = 0;
    for (int g = 0; g < n_groups; g++) {
        product p = product_of(op_a[g], op_b[g], m[g], n[g], k[g], (const float *)alpha + g,
                (const float *)beta + g);
        int strides[] = {lda[g], ldb[g], ldc[g]};
        set_matrices(
                &p, nullptr, type_a, lda[g], nullptr, type_b, ldb[g], nullptr, type_c, ldc[g]);
        if (!are_sizes_valid(p))
            return STATUS_INVALID_VALUE;
        for (int i = 0; i < group_sizes[g]; i++, at++)
            submit(h->stream, [=] {
                product one = p;
                set_matrices(&one, address_in(a, at), type_a, strides[0], address_in(b, at),
                        type_b, strides[1], (void *)address_in((const void *const *)c, at),
                        type_c, strides[2]);
                check_alignment(one);
                run_product(one);
            });
    }
    return 0;
}

} // namespace gkemu

using namespace gkemu;

const struct gemm_library *gemm_library_emulated(void)
{
    static const gemm_library full = {create, destroy, set_stream, set_workspace, one_product,
            grouped_products, WORKSPACE_BYTES, true};
    static const gemm_library single = {create, destroy, set_stream, set_workspace, one_product,
            nullptr, WORKSPACE_BYTES, true};
    static const gemm_library counted = {create, destroy, set_stream, set_workspace,
            one_product, grouped_products, WORKSPACE_BYTES, false};
    if (is_version("none"))
        return nullptr;
    return is_version("single") ? &single : is_version("counted") ? &counted : &full;
}
