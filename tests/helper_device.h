/*
 * helper_device.h - arrays in the memory of the device that runs the CUDA backend's kernels in
 * tests, and numbers to fill them with.
 */
#ifndef TESTS_HELPER_DEVICE_H
#define TESTS_HELPER_DEVICE_H

#include <algorithm>
#include <stdint.h>
#include <vector>

#include "kernels/gk.h"

template <class T> struct device_array {
    T *at = nullptr;
    size_t n;

    explicit device_array(const std::vector<T> &values) : n(values.size())
    {
        cudaMalloc(&at, (n ? n : 1) * sizeof(T));
        cudaMemcpy(at, values.data(), n * sizeof(T), cudaMemcpyHostToDevice);
    }
    device_array(const device_array &) = delete;
    device_array &operator=(const device_array &) = delete;
    ~device_array()
    {
        cudaFree(at);
    }
    /* What is there once all launches have run. */
    std::vector<T> read() const
    {
        std::vector<T> values(n);
        cudaDeviceSynchronize();
        cudaMemcpy(values.data(), at, n * sizeof(T), cudaMemcpyDeviceToHost);
        return values;
    }
};

/* Zeros in memory of the host that the device writes to, at `at`. */
template <class T> struct mapped_array {
    T *at = nullptr, *host = nullptr;
    size_t n;

    explicit mapped_array(size_t n_values) : n(n_values)
    {
        cudaHostAlloc(&host, n * sizeof(T), cudaHostAllocMapped);
        cudaHostGetDevicePointer(&at, host, 0);
        std::fill(host, host + n, T());
    }
    mapped_array(const mapped_array &) = delete;
    mapped_array &operator=(const mapped_array &) = delete;
    ~mapped_array()
    {
        cudaFreeHost(host);
    }
    /* What is there once all launches have run. */
    std::vector<T> read() const
    {
        cudaDeviceSynchronize();
        return std::vector<T>(host, host + n);
    }
};

/* The same numbers in each run. */
struct test_numbers {
    uint32_t state;

    uint32_t below(uint32_t n)
    {
        state = state * 1664525u + 1013904223u;
        return (state >> 8) % n;
    }
    /* Between -size and size. */
    std::vector<float> floats(size_t n, float size)
    {
        std::vector<float> values(n);
        for (float &value : values)
            value = ((float)below(20001) / 10000.0f - 1) * size;
        return values;
    }
};

/* As the cache keeps them. */
static inline std::vector<gk_half> halves_of(const std::vector<float> &values)
{
    std::vector<gk_half> halves(values.size());
    for (size_t i = 0; i < values.size(); i++)
        halves[i] = gk_float_to_half(values[i]);
    return halves;
}

static inline std::vector<float> floats_of(const std::vector<gk_half> &halves)
{
    std::vector<float> values(halves.size());
    for (size_t i = 0; i < halves.size(); i++)
        values[i] = gk_half_to_float(halves[i]);
    return values;
}

#endif
