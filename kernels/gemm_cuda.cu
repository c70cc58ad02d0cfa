/* gemm_cuda.cu - see gemm_cuda.h. */
#include <stdlib.h>

#include "kernels/gemm_cuda.h"
#include "kernels/ops_cuda.h"

#define STATUS_NOT_SUPPORTED 15 /* CUBLAS_STATUS_NOT_SUPPORTED */

#if defined(__CUDACC__)
#include <dlfcn.h>

#define WORKSPACE_BYTES ((size_t)32 << 20) /* what its manual advises for current cards */

static bool find_functions(void *handle, struct gemm_library *g)
{
    const struct {
        const char *name;
        void **at;
    } wanted[] = {{"cublasCreate_v2", (void **)&g->create},
            {"cublasDestroy_v2", (void **)&g->destroy},
            {"cublasSetStream_v2", (void **)&g->set_stream},
            {"cublasSetWorkspace_v2", (void **)&g->set_workspace},
            {"cublasGemmEx", (void **)&g->product}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!(*wanted[i].at = dlsym(handle, wanted[i].name)))
            return false;
    *(void **)&g->grouped = dlsym(handle, "cublasGemmGroupedBatchedEx");
    return true;
}

static const struct gemm_library *open_library(void)
{
    static struct gemm_library library;
    static const char *const names[] = {"libcublas.so.13", "libcublas.so.12"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        library.workspace_bytes = WORKSPACE_BYTES;
        if (handle && find_functions(handle, &library))
            return &library;
    }
    return NULL;
}

const struct gemm_library *gemm_library_find(void)
{
    static const struct gemm_library *const library = open_library();
    return library;
}
#else
const struct gemm_library *gemm_library_find(void)
{
    return gemm_library_emulated();
}
#endif

static bool check(struct cuda *c, const char *call, int status)
{
    return status == 0 || cuda_fail(c, "the GPU failed in %s: status %d", call, status);
}

/* Host arrays of a grouped call, one entry an expert: each is a group of one product. */
struct group_shapes {
    int *op_a, *op_b, *m, *n, *k, *size;
    float *alpha, *beta;
    int memory[];
};

static struct group_shapes *open_shapes(uint32_t n)
{
    struct group_shapes *s =
            (struct group_shapes *)calloc(1, sizeof *s + (size_t)8 * n * sizeof(int));
    if (!s)
        return NULL;
    int **const arrays[] = {&s->op_a, &s->op_b, &s->m, &s->n, &s->k, &s->size};
    for (uint32_t i = 0; i < 6; i++)
        *arrays[i] = s->memory + (size_t)i * n;
    s->alpha = (float *)(s->memory + (size_t)6 * n);
    s->beta = (float *)(s->memory + (size_t)7 * n);
    for (uint32_t e = 0; e < n; e++) {
        s->op_a[e] = GEMM_TRANSPOSED;
        s->op_b[e] = GEMM_AS_IS;
        s->size[e] = 1;
        s->alpha[e] = 1;
    }
    return s;
}

bool gemm_open(struct cuda *c)
{
    struct gemm *g = &c->gemm;
    if (!g->library || !c->buffers.workspace)
        return true;
    if (!(g->shapes = open_shapes(c->extents.n_experts)))
        return cuda_fail(c, "no memory");
    return check(c, "cublasCreate", g->library->create(&g->handle)) &&
           check(c, "cublasSetStream", g->library->set_stream(g->handle, c->device.stream)) &&
           check(c, "cublasSetWorkspace",
                   g->library->set_workspace(
                           g->handle, c->buffers.workspace, g->library->workspace_bytes));
}

void gemm_close(struct cuda *c)
{
    if (c->gemm.handle)
        c->gemm.library->destroy(c->gemm.handle);
    free(c->gemm.shapes);
}

/* Row-major out = in w^T is column-major out^T = w in^T, and a row-major matrix is its own
 * transposed in columns. */
bool gemm_product(struct cuda *c, const struct product *p)
{
    const float one = 1, beta = p->is_added ? 1 : 0;
    int type = c->is_exact ? GEMM_FLOAT : GEMM_HALF;
    int m = (int)p->n_out, n = (int)p->n, k = (int)p->n_in;
    return check(c, "cublasGemmEx",
            c->gemm.library->product(c->gemm.handle, GEMM_TRANSPOSED, GEMM_AS_IS, m, n, k, &one,
                    p->w, type, k, p->in, type, k, &beta, p->out, GEMM_FLOAT, m,
                    c->is_exact ? GEMM_COMPUTE_PEDANTIC : GEMM_COMPUTE, GEMM_DEFAULT));
}

static size_t value_bytes(const struct cuda *c)
{
    return c->is_exact ? sizeof(float) : sizeof(uint16_t);
}

static struct product product_of(
        const struct cuda *c, const struct expert_product *p, uint32_t i)
{
    const uint32_t *first = c->told.pair_first + p->expert + i;
    return {.n = first[1] - first[0],
            .n_in = p->n_in,
            .n_out = p->n_out,
            .w = (const char *)p->w + (size_t)i * p->n_in * p->n_out * value_bytes(c),
            .in = (const char *)p->in + (size_t)first[0] * p->n_in * value_bytes(c),
            .out = p->out + (size_t)first[0] * p->n_out,
            .is_added = false};
}

static bool one_by_one(struct cuda *c, const struct expert_product *p)
{
    for (uint32_t i = 0; i < p->n_experts; i++) {
        struct product one = product_of(c, p, i);
        if (one.n > 0 && !gemm_product(c, &one))
            return false;
    }
    return true;
}

/* Addresses go up from memory that nobody writes before the pairs of the next layer came back.
 */
static int grouped(struct cuda *c, const struct expert_product *p, void **host, void **device)
{
    const struct group_shapes *s = c->gemm.shapes;
    uint32_t stride = c->extents.n_experts;
    int n = 0, type = c->is_exact ? GEMM_FLOAT : GEMM_HALF;
    for (uint32_t i = 0; i < p->n_experts; i++) {
        struct product one = product_of(c, p, i);
        if (one.n == 0)
            continue;
        s->m[n] = (int)one.n_out;
        s->n[n] = (int)one.n;
        s->k[n] = (int)one.n_in;
        host[n] = (void *)one.w;
        host[stride + n] = (void *)one.in;
        host[2 * stride + n] = one.out;
        n++;
    }
    if (cudaMemcpyAsync(device, host, (2 * stride + (uint32_t)n) * sizeof *host,
                cudaMemcpyHostToDevice, c->device.stream) != cudaSuccess)
        return -1;
    return c->gemm.library->grouped(c->gemm.handle, s->op_a, s->op_b, s->m, s->n, s->k,
            s->alpha, (const void *const *)device, type, s->k,
            (const void *const *)device + stride, type, s->k, s->beta, device + 2 * stride,
            GEMM_FLOAT, s->m, n, s->size, c->is_exact ? GEMM_COMPUTE_PEDANTIC : GEMM_COMPUTE);
}

/* Not every version takes every combination of types: what it refuses goes one by one. */
bool gemm_expert_products(struct cuda *c, const struct expert_product *p)
{
    struct gemm *g = &c->gemm;
    size_t at = (size_t)p->which * 3 * c->extents.n_experts + p->expert;
    if (!g->library->grouped || g->lacks_grouped)
        return one_by_one(c, p);
    int status = grouped(c, p, c->told.product_ptrs + at, c->buffers.product_ptrs + at);
    g->lacks_grouped = status == STATUS_NOT_SUPPORTED;
    return g->lacks_grouped ? one_by_one(c, p) : check(c, "cublasGemmGroupedBatchedEx", status);
}
