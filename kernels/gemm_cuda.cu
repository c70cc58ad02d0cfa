/* gemm_cuda.cu - see gemm_cuda.h. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/gemm_cuda.h"
#include "kernels/ops_cuda.h"

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

/* From here on prefill goes through the decode kernels. */
static bool give_up(struct cuda *c, const char *call, int status)
{
    struct gemm *g = &c->gemm;
    snprintf(g->why, sizeof g->why, "cuBLAS cannot be used: %s failed with status %d", call,
            status);
    if (g->handle)
        g->library->destroy(g->handle);
    g->handle = NULL;
    g->library = NULL;
    cudaGetLastError(); /* it may have left one: whether the device still works is seen next */
    return false;
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

static int value_type(const struct cuda *c)
{
    return c->is_exact ? GEMM_FLOAT : GEMM_HALF;
}

static size_t value_bytes(const struct cuda *c)
{
    return c->is_exact ? sizeof(float) : sizeof(uint16_t);
}

static int compute_type(const struct cuda *c)
{
    return c->is_exact ? GEMM_COMPUTE_PEDANTIC : GEMM_COMPUTE;
}

/* Row-major out = in w^T is column-major out^T = w in^T, and a row-major matrix is its own
 * transposed in columns. */
static int multiply(struct cuda *c, const struct product *p)
{
    const float one = 1, beta = p->is_added ? 1 : 0;
    int type = value_type(c), m = (int)p->n_out, n = (int)p->n, k = (int)p->n_in;
    return c->gemm.library->product(c->gemm.handle, GEMM_TRANSPOSED, GEMM_AS_IS, m, n, k, &one,
            p->w, type, k, p->in, type, k, &beta, p->out, p->is_value_out ? type : GEMM_FLOAT,
            m, compute_type(c), GEMM_DEFAULT);
}

/* n products of the sizes in g->shapes; the addresses are in device memory, a, b and c
 * `stride` apart. */
static int multiply_groups(struct cuda *c, int n, void *const *addresses, size_t stride)
{
    const struct group_shapes *s = c->gemm.shapes;
    int type = value_type(c);
    const void *const *from = addresses;
    return c->gemm.library->grouped(c->gemm.handle, s->op_a, s->op_b, s->m, s->n, s->k,
            s->alpha, from, type, s->k, from + stride, type, s->k, s->beta,
            addresses + 2 * stride, type, s->m, n, s->size, compute_type(c));
}

/* ---- opening ------------------------------------------------------------------------ */

/* What the start of the workspace is for while products are tried. */
#define PROBE_SIZE  16
#define PROBE_BYTES 4096
struct probe_matrices {
    float a[PROBE_SIZE * PROBE_SIZE], b[PROBE_SIZE * PROBE_SIZE], c[PROBE_SIZE * PROBE_SIZE];
    void *addresses[3];
};
static_assert(sizeof(struct probe_matrices) <= PROBE_BYTES, "a probe fits");

/* Grouped products may be missing; then experts' go one by one. */
static bool probe_groups(struct cuda *c, struct probe_matrices *at)
{
    const struct group_shapes *s = c->gemm.shapes;
    void *addresses[] = {at->a, at->b, at->c};
    if (!c->gemm.library->grouped || c->extents.n_experts == 0)
        return true;
    s->m[0] = s->n[0] = s->k[0] = PROBE_SIZE;
    if (!device_upload(&c->device, at->addresses, addresses, sizeof addresses))
        return false;
    c->gemm.has_groups = multiply_groups(c, 1, at->addresses, 1) == 0;
    if (!c->gemm.has_groups)
        cudaGetLastError();
    return true;
}

/* Both kinds of products that prefill needs: a cuBLAS that is older than the device, or gets no
 * memory, says so here and not in the middle of a prompt. False: the device itself failed. */
static bool probe(struct cuda *c)
{
    static const struct probe_matrices zeros = {};
    struct probe_matrices *at = (struct probe_matrices *)c->buffers.workspace;
    struct product p = {.n = PROBE_SIZE,
            .n_in = PROBE_SIZE,
            .n_out = PROBE_SIZE,
            .w = at->a,
            .in = at->b,
            .out = at->c,
            .is_value_out = true};
    if (!device_upload(&c->device, at, &zeros, sizeof zeros))
        return false;
    int status = multiply(c, &p);
    p.is_value_out = false;
    p.is_added = true;
    if (status == 0)
        status = multiply(c, &p);
    if (status != 0)
        return give_up(c, "cublasGemmEx", status) || true;
    return probe_groups(c, at) && device_wait(&c->device);
}

bool gemm_open(struct cuda *c)
{
    struct gemm *g = &c->gemm;
    if (!g->library || !c->buffers.workspace)
        return true;
    if (!(g->shapes = open_shapes(c->extents.n_experts)))
        return cuda_fail(c, "no memory");
    const char *call = "cublasCreate";
    int status = g->library->create(&g->handle);
    if (status == 0) {
        call = "cublasSetStream";
        status = g->library->set_stream(g->handle, c->device.stream);
    }
    if (status == 0) {
        call = "cublasSetWorkspace";
        status =
                g->library->set_workspace(g->handle, (char *)c->buffers.workspace + PROBE_BYTES,
                        g->library->workspace_bytes - PROBE_BYTES);
    }
    if (status != 0) {
        give_up(c, call, status);
        return true;
    }
    return probe(c);
}

void gemm_close(struct cuda *c)
{
    if (c->gemm.handle)
        c->gemm.library->destroy(c->gemm.handle);
    free(c->gemm.shapes);
}

/* ---- products ----------------------------------------------------------------------- */

bool gemm_product(struct cuda *c, const struct product *p)
{
    int status = multiply(c, p);
    return status == 0 || give_up(c, "cublasGemmEx", status);
}

static struct product product_of(
        const struct cuda *c, const struct expert_product *p, uint32_t i)
{
    const uint32_t *first = c->told.pair_first + p->expert + i;
    size_t n_bytes = value_bytes(c);
    return {.n = first[1] - first[0],
            .n_in = p->n_in,
            .n_out = p->n_out,
            .w = (const char *)p->w + (size_t)i * p->n_in * p->n_out * n_bytes,
            .in = (const char *)p->in + (size_t)first[0] * p->n_in * n_bytes,
            .out = (char *)p->out + (size_t)first[0] * p->n_out * n_bytes,
            .is_added = false,
            .is_value_out = true};
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

/* A range of experts has its own addresses, which nobody writes again before the pairs of the
 * next layer came back; by then the copy is done. */
static bool grouped(struct cuda *c, const struct expert_product *p)
{
    const struct group_shapes *s = c->gemm.shapes;
    size_t at = 3 * ((size_t)p->which * c->extents.n_experts + p->expert);
    size_t stride = p->n_experts;
    void **host = c->told.product_ptrs + at, **device = c->buffers.product_ptrs + at;
    int n = 0;
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
    if (!device_check(&c->device, "cudaMemcpyAsync",
                cudaMemcpyAsync(device, host, (2 * stride + (size_t)n) * sizeof *host,
                        cudaMemcpyHostToDevice, c->device.stream)))
        return false;
    int status = multiply_groups(c, n, device, stride);
    return status == 0 || give_up(c, "cublasGemmGroupedBatchedEx", status);
}

/* Grouped products want every matrix aligned to 16 bytes, as rows of 8 values are. */
bool gemm_expert_products(struct cuda *c, const struct expert_product *p)
{
    bool is_aligned = p->n_in % 8 == 0 && p->n_out % 8 == 0;
    return (c->gemm.has_groups && is_aligned ? grouped : one_by_one)(c, p);
}
