/* stream_cuda.cu - a plain read of device memory by all multiprocessors: the limit that
 * decoding is measured against. */
#include "kernels/device_cuda.h"

#define THREADS       256
#define BLOCKS_PER_SM 8

/* The sum keeps the reads from being dropped; nobody adds up to its condition. */
GK_KERNEL(THREADS, 1) read_words(const uint4 *words, size_t n, uint32_t *out)
{
    uint32_t sum = 0;
    size_t stride = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) {
        uint4 w = gk_ld_stream(words + i);
        sum += w.x ^ w.y ^ w.z ^ w.w;
    }
    if (sum == 1)
        *out = sum;
}

static bool time_read(struct device *d, const uint4 *words, size_t n, double *seconds)
{
    cudaEvent_t begin = NULL, end = NULL;
    float ms = 0;
    bool ok = device_check(d, "cudaEventCreate", cudaEventCreate(&begin)) &&
              device_check(d, "cudaEventCreate", cudaEventCreate(&end)) &&
              device_check(d, "cudaEventRecord", cudaEventRecord(begin, d->stream));
    if (ok)
        GK_LAUNCH(read_words, (uint32_t)d->n_sm * BLOCKS_PER_SM, THREADS, 0, d->stream, words,
                n, (uint32_t *)words);
    ok = ok && device_check(d, "cudaEventRecord", cudaEventRecord(end, d->stream)) &&
         device_wait(d) &&
         device_check(d, "cudaEventElapsedTime", cudaEventElapsedTime(&ms, begin, end));
    if (begin)
        cudaEventDestroy(begin);
    if (end)
        cudaEventDestroy(end);
    *seconds = ms / 1e3;
    return ok;
}

double device_stream_seconds(struct device *d, size_t n_bytes)
{
    double seconds = 0;
    void *memory = device_alloc(d, n_bytes);
    bool ok = memory && device_check(d, "cudaMemsetAsync",
                                cudaMemsetAsync(memory, 0, n_bytes, d->stream));
    if (ok)
        ok = time_read(d, (const uint4 *)memory, n_bytes / sizeof(uint4), &seconds);
    device_free(d, memory);
    return ok ? seconds : 0;
}
