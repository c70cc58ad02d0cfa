/*
 * gemm_cuda.h - products of matrices for prefill. They are cuBLAS's, which is opened when it is
 * there and never linked: decode does without it, and the program starts on machines that have
 * none. The numbers below are cuBLAS's own (cublas_api.h, library_types.h); its headers are not
 * needed to build. The emulator in tests/ gives the same table.
 */
#ifndef KERNELS_GEMM_CUDA_H
#define KERNELS_GEMM_CUDA_H

#include "kernels/gk.h"

enum { GEMM_AS_IS, GEMM_TRANSPOSED };                   /* cublasOperation_t */
enum { GEMM_FLOAT = 0, GEMM_HALF = 2 };                 /* cudaDataType_t */
enum { GEMM_COMPUTE = 68, GEMM_COMPUTE_PEDANTIC = 69 }; /* cublasComputeType_t: 32F */
enum { GEMM_DEFAULT = -1 };                             /* cublasGemmAlgo_t */

/* Functions return 0, or a cublasStatus_t. Matrices are column-major. */
struct gemm_library {
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    int (*set_stream)(void *handle, cudaStream_t stream);
    int (*set_workspace)(void *handle, void *workspace, size_t n_bytes);
    /* c[m, n] = alpha op(a)[m, k] op(b)[k, n] + beta c. Computed in float, c is float or has
     * the type of a and b; pedantic: all are float. */
    int (*product)(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
            const void *a, int type_a, int lda, const void *b, int type_b, int ldb,
            const void *beta, void *c, int type_c, int ldc, int compute, int algo);
    /* n_groups products: sizes, alphas and betas are host arrays, [n_groups]; a, b, c are
     * device arrays of addresses. Here c always has the type of a and b. Matrices are aligned
     * to 16 bytes when k is a multiple of 8. NULL: a version without it. */
    int (*grouped)(void *handle, const int *op_a, const int *op_b, const int *m, const int *n,
            const int *k, const void *alpha, const void *const *a, int type_a, const int *lda,
            const void *const *b, int type_b, const int *ldb, const void *beta, void *const *c,
            int type_c, const int *ldc, int n_groups, const int *group_sizes, int compute);
    size_t workspace_bytes; /* device memory that it is given, so that it gets none itself */
    bool is_always_worth;   /* the emulator's: prefill is tried on batches of few tokens */
};

/* NULL: there is no cuBLAS. Opened once, kept for good. */
const struct gemm_library *gemm_library_find(void);
#if !defined(__CUDACC__)
const struct gemm_library *gemm_library_emulated(void); /* of the emulator */
#endif

#endif
