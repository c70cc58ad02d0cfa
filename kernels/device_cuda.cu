/* device_cuda.cu - see device_cuda.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/device_cuda.h"

#define COMPUTE_MIN  75                     /* the oldest that CUDA 13 compiles for */
#define DRIVER       "version 580 or newer" /* of the driver, which knows CUDA 13 */
#define SYSTEM_BYTES ((size_t)2 << 30)      /* of memory that a device shares, for the system */

#if defined(__CUDACC__)
#define MEMINFO "/proc/meminfo"
#else
#define MEMINFO gkemu_meminfo()
#endif

struct device_block {
    struct device_block *next;
    void *ptr;
    size_t n_bytes; /* of device memory; 0: mapped host memory */
};

static int attribute(cudaDeviceAttr what, int index)
{
    int value = 0;
    return cudaDeviceGetAttribute(&value, what, index) == cudaSuccess ? value : 0;
}

static int compute_of(int index)
{
    return 10 * attribute(cudaDevAttrComputeCapabilityMajor, index) +
           attribute(cudaDevAttrComputeCapabilityMinor, index);
}

/* A driver that is older than the runtime, or none at all, gives the same error. */
static void say_no_device(cudaError_t error, char *why, size_t n)
{
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (error == cudaErrorInsufficientDriver && driver == 0)
        snprintf(why, n, "there is no NVIDIA driver on this machine; " DRIVER " is needed");
    else if (error == cudaErrorInsufficientDriver)
        snprintf(why, n,
                "the NVIDIA driver supports CUDA %d.%d only; %d.%d is needed: install " DRIVER,
                driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    else if (error == cudaErrorNoDevice || error == cudaSuccess)
        snprintf(why, n, "there is no NVIDIA GPU on this machine");
    else
        snprintf(why, n, "the GPU cannot be used: %s", cudaGetErrorString(error));
}

/* Makes the device current, which costs it a context. */
static cudaError_t measure(int index, size_t *free_bytes, size_t *total_bytes)
{
    cudaError_t error = cudaSetDevice(index);
    return error == cudaSuccess ? cudaMemGetInfo(free_bytes, total_bytes) : error;
}

/* False: why. */
static bool is_usable(int index, size_t *free_bytes, char *why, size_t n)
{
    cudaDeviceProp prop;
    size_t total_bytes;
    int compute = compute_of(index);
    cudaError_t error = cudaGetDeviceProperties(&prop, index);
    if (error == cudaSuccess && compute >= COMPUTE_MIN)
        error = measure(index, free_bytes, &total_bytes);
    if (error == cudaSuccess && compute >= COMPUTE_MIN)
        error = device_try_code();
    cudaGetLastError(); /* the next device shall not inherit it */
    if (error == cudaErrorNoKernelImageForDevice)
        snprintf(why, n, "this shunt has no code for %s, of compute capability %d.%d",
                prop.name, compute / 10, compute % 10);
    else if (error != cudaSuccess)
        snprintf(why, n, "the GPU cannot be used: %s", cudaGetErrorString(error));
    else if (compute < COMPUTE_MIN)
        snprintf(why, n, "%s has compute capability %d.%d; %d.%d is needed", prop.name,
                compute / 10, compute % 10, COMPUTE_MIN / 10, COMPUTE_MIN % 10);
    return error == cudaSuccess && compute >= COMPUTE_MIN;
}

/* -1: why. Of those that can run this code the one with most free memory: a model that fits
 * runs faster on an old card than one that does not on a new one. */
static int best_device(int n_devices, char *why, size_t n)
{
    int best = -1;
    size_t free_bytes = 0, best_bytes = 0;
    for (int i = 0; i < n_devices; i++)
        if (is_usable(i, &free_bytes, why, n) && (best < 0 || free_bytes > best_bytes)) {
            best = i;
            best_bytes = free_bytes;
        }
    return best;
}

static void describe(struct cuda_device *out, int index)
{
    cudaDeviceProp prop;
    memset(&prop, 0, sizeof prop);
    cudaGetDeviceProperties(&prop, index);
    snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof out->name - 1, prop.name);
    out->compute_major = attribute(cudaDevAttrComputeCapabilityMajor, index);
    out->compute_minor = attribute(cudaDevAttrComputeCapabilityMinor, index);
    cudaDriverGetVersion(&out->driver_version);
    cudaRuntimeGetVersion(&out->runtime_version);
    out->n_sm = attribute(cudaDevAttrMultiProcessorCount, index);
    out->clock_khz = attribute(cudaDevAttrClockRate, index);
    out->memory_clock_khz = attribute(cudaDevAttrMemoryClockRate, index);
    out->memory_bus_bits = attribute(cudaDevAttrGlobalMemoryBusWidth, index);
    out->is_integrated = attribute(cudaDevAttrIntegrated, index) != 0;
    /* two transfers a clock */
    out->bytes_per_s = 2e3 * out->memory_clock_khz * (out->memory_bus_bits / 8);
}

size_t device_host_bytes(void)
{
    char line[128];
    unsigned long long kb;
    size_t n_bytes = SIZE_MAX;
    FILE *file = fopen(MEMINFO, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu", &kb) == 1)
            n_bytes = (size_t)kb << 10;
    if (file)
        fclose(file);
    return n_bytes;
}

/* What cudaMemGetInfo calls free lacks what the system's cache would give up. */
static size_t shared_bytes(size_t free_bytes)
{
    size_t available = device_host_bytes();
    if (available == SIZE_MAX)
        return free_bytes;
    return available > SYSTEM_BYTES ? available - SYSTEM_BYTES : 0;
}

bool device_probe(struct cuda_device *out, int *index, char *why, size_t n)
{
    int n_devices = 0;
    memset(out, 0, sizeof *out);
    cudaError_t error = cudaGetDeviceCount(&n_devices);
    if (error != cudaSuccess || n_devices == 0) {
        say_no_device(error, why, n);
        return false;
    }
    *index = best_device(n_devices, why, n);
    if (*index < 0)
        return false;
    describe(out, *index);
    error = measure(*index, &out->free_bytes, &out->total_bytes);
    if (error == cudaSuccess && out->is_integrated)
        out->free_bytes = shared_bytes(out->free_bytes);
    if (error != cudaSuccess)
        snprintf(why, n, "%s cannot be used: %s", out->name, cudaGetErrorString(error));
    cudaGetLastError();
    return error == cudaSuccess;
}

bool device_check(struct device *d, const char *call, cudaError_t error)
{
    if (error == cudaSuccess)
        return true;
    snprintf(
            d->why, sizeof d->why, "the GPU failed in %s: %s", call, cudaGetErrorString(error));
    cudaGetLastError(); /* else the next launch reports it again */
    return false;
}

bool device_open(struct device *d, int index)
{
    memset(d, 0, sizeof *d);
    d->index = index;
    d->n_sm = attribute(cudaDevAttrMultiProcessorCount, index);
    d->is_integrated = attribute(cudaDevAttrIntegrated, index) != 0;
    return device_check(d, "cudaSetDevice", cudaSetDevice(index)) &&
           device_check(d, "cudaStreamCreate",
                   cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking));
}

void device_enter(const struct device *d)
{
    cudaSetDevice(d->index);
}

static void free_block(struct device_block *block)
{
    if (block->n_bytes)
        cudaFree(block->ptr);
    else
        cudaFreeHost(block->ptr);
    free(block);
}

void device_close(struct device *d)
{
    if (d->stream) {
        cudaStreamSynchronize(d->stream);
        cudaStreamDestroy(d->stream);
    }
    while (d->blocks) {
        struct device_block *block = d->blocks;
        d->blocks = block->next;
        free_block(block);
    }
}

static void *keep(struct device *d, void *ptr, size_t n_bytes)
{
    struct device_block *block = (struct device_block *)calloc(1, sizeof *block);
    if (!block) {
        snprintf(d->why, sizeof d->why, "no memory");
        n_bytes ? cudaFree(ptr) : cudaFreeHost(ptr);
        return NULL;
    }
    block->next = d->blocks;
    block->ptr = ptr;
    block->n_bytes = n_bytes;
    d->n_bytes += n_bytes;
    d->blocks = block;
    return ptr;
}

static bool check_alloc(struct device *d, const char *call, size_t n_bytes, cudaError_t error)
{
    char text[64];
    snprintf(text, sizeof text, "%s of %.1f MB", call, (double)n_bytes / 1e6);
    return device_check(d, text, error);
}

void *device_alloc(struct device *d, size_t n_bytes)
{
    void *ptr = NULL;
    if (!check_alloc(d, "cudaMalloc", n_bytes, cudaMalloc(&ptr, n_bytes)))
        return NULL;
    return keep(d, ptr, n_bytes);
}

void *device_alloc_mapped(struct device *d, size_t n_bytes, void **on_device)
{
    void *ptr = NULL;
    if (!check_alloc(d, "cudaHostAlloc", n_bytes,
                cudaHostAlloc(&ptr, n_bytes, cudaHostAllocMapped)) ||
            !keep(d, ptr, 0) ||
            !device_check(
                    d, "cudaHostGetDevicePointer", cudaHostGetDevicePointer(on_device, ptr, 0)))
        return NULL;
    return ptr;
}

void device_free(struct device *d, void *ptr)
{
    for (struct device_block **at = &d->blocks; *at && ptr; at = &(*at)->next)
        if ((*at)->ptr == ptr) {
            struct device_block *block = *at;
            *at = block->next;
            d->n_bytes -= block->n_bytes;
            free_block(block);
            return;
        }
}

size_t device_free_bytes(struct device *d)
{
    size_t free_bytes = 0, total = 0;
    if (!device_check(d, "cudaMemGetInfo", cudaMemGetInfo(&free_bytes, &total)))
        return 0;
    return d->is_integrated ? shared_bytes(free_bytes) : free_bytes;
}

bool device_wait(struct device *d)
{
    return device_check(d, "cudaStreamSynchronize", cudaStreamSynchronize(d->stream));
}

bool device_upload(struct device *d, void *to, const void *from, size_t n_bytes)
{
    return device_check(d, "cudaMemcpyAsync",
                   cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyHostToDevice, d->stream)) &&
           device_wait(d);
}

bool device_download(struct device *d, void *to, const void *from, size_t n_bytes)
{
    return device_check(d, "cudaMemcpyAsync",
                   cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyDeviceToHost, d->stream)) &&
           device_wait(d);
}
