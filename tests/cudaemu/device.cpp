/*
 * device.cpp - the emulated device, what it says of itself, and how it is made to fail. The
 * environment is read at every call, so that a test can change its mind:
 *   GKEMU_DEVICES=N      so many; 0: none. The second one is older (8.6) than the first (8.9)
 *   GKEMU_ERROR=35       cudaGetDeviceCount fails with this number (35: the driver is too old)
 *   GKEMU_DRIVER=12040   the newest CUDA that the driver knows; 0: there is no driver
 *   GKEMU_MEMORY=BYTES   of the device; BYTES,BYTES: of the first and the second one
 *   GKEMU_PIECE=BYTES    the most that cudaMalloc gives at once, whatever is free
 *   GKEMU_INTEGRATED=1   its memory is the main memory
 *   GKEMU_MEMINFO=FILE   is read as /proc/meminfo; without it there is no such file
 *   GKEMU_NO_CODE=N      the backend was built without code for device I when bit I of N is set
 *   GKEMU_FAIL=NAME      the function of this name fails with 999
 */
#include "device.h"

#include <map>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "stream.h"

namespace gkemu {

static const int N_SM = 4, SHARED_LIMIT = 48 << 10;
static const int SHARED_LIMIT_OPTIN = 99 << 10; /* of sm_86, sm_89 and sm_120 */

static cudaError_t last_error;
static thread_local int current_device;
static std::map<const void *, size_t> shared_limits;

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value ? value : otherwise;
}

cudaError_t note_error(cudaError_t error)
{
    last_error = error;
    return error;
}

size_t device_total_bytes()
{
    const char *bytes = setting("GKEMU_MEMORY", "1073741824");
    const char *second = strchr(bytes, ',');
    return strtoull(current_device && second ? second + 1 : bytes, nullptr, 10);
}

size_t device_piece_bytes()
{
    return strtoull(setting("GKEMU_PIECE", "18446744073709551615"), nullptr, 10);
}

bool is_made_to_fail(const char *function)
{
    return strcmp(setting("GKEMU_FAIL", ""), function) == 0;
}

size_t shared_limit(const void *kernel)
{
    auto found = shared_limits.find(kernel);
    return found == shared_limits.end() ? (size_t)SHARED_LIMIT : found->second;
}

} // namespace gkemu

using namespace gkemu;

#define RUNTIME_CALL                                                                           \
    runtime_lock lock;                                                                         \
    if (is_made_to_fail(__func__))                                                             \
    return note_error((cudaError_t)999)

cudaError_t cudaGetLastError(void)
{
    runtime_lock lock;
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    runtime_lock lock;
    return last_error;
}

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
        {cudaSuccess, "cudaSuccess", "no error"},
        {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
        {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
        {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
                "invalid configuration argument"},
        {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
                "CUDA driver version is insufficient for CUDA runtime version"},
        {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
        {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
        {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle",
                "invalid resource handle"},
        {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
        {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
                "operation not permitted when stream is capturing"},
        {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
                "operation failed due to a previous error during capture"},
};

const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error)
            return row.text;
    return "unknown error";
}

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error)
            return row.name;
    return "cudaErrorUnknown";
}

static const int RUNTIME_VERSION = 13000;

static int driver_version()
{
    return (int)strtol(setting("GKEMU_DRIVER", "13000"), nullptr, 10);
}

cudaError_t cudaGetDeviceCount(int *n)
{
    RUNTIME_CALL;
    int error = (int)strtol(setting("GKEMU_ERROR", "0"), nullptr, 10);
    if (driver_version() < RUNTIME_VERSION)
        error = cudaErrorInsufficientDriver;
    int n_devices = (int)strtol(setting("GKEMU_DEVICES", "1"), nullptr, 10);
    if (error)
        return note_error((cudaError_t)error); /* *n stays as it was: so does CUDA's */
    if (n_devices == 0)
        return note_error(cudaErrorNoDevice);
    *n = n_devices;
    return cudaSuccess;
}

static bool is_device(int device)
{
    return device >= 0 && device < strtol(setting("GKEMU_DEVICES", "1"), nullptr, 10);
}

cudaError_t cudaGetDevice(int *device)
{
    RUNTIME_CALL;
    *device = current_device;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    RUNTIME_CALL;
    if (!is_device(device))
        return note_error(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaSetDeviceFlags(unsigned)
{
    RUNTIME_CALL;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    RUNTIME_CALL;
    if (!is_device(device))
        return note_error(cudaErrorInvalidDevice);
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, device ? "emulated device %d" : "emulated device",
            device);
    out->totalGlobalMem = device_total_bytes();
    out->sharedMemPerBlock = SHARED_LIMIT;
    out->sharedMemPerBlockOptin = SHARED_LIMIT_OPTIN;
    out->major = 8;
    out->minor = device ? 6 : 9;
    out->multiProcessorCount = N_SM;
    out->maxThreadsPerMultiProcessor = 1536;
    out->warpSize = 32;
    out->canMapHostMemory = 1;
    out->memoryBusWidth = 64;
    out->l2CacheSize = 1 << 20;
    return cudaSuccess;
}

static const struct {
    cudaDeviceAttr attribute;
    int value;
} attributes[] = {
        {cudaDevAttrMaxSharedMemoryPerBlock, SHARED_LIMIT},
        {cudaDevAttrClockRate, 1000000},
        {cudaDevAttrMultiProcessorCount, N_SM},
        {cudaDevAttrCanMapHostMemory, 1},
        {cudaDevAttrMemoryClockRate, 1000000},
        {cudaDevAttrGlobalMemoryBusWidth, 64},
        {cudaDevAttrL2CacheSize, 1 << 20},
        {cudaDevAttrMaxThreadsPerMultiProcessor, 1536},
        {cudaDevAttrComputeCapabilityMajor, 8},
        {cudaDevAttrComputeCapabilityMinor, 9},
        {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 100 << 10},
        {cudaDevAttrMaxSharedMemoryPerBlockOptin, SHARED_LIMIT_OPTIN},
};

cudaError_t cudaDeviceGetAttribute(int *out, cudaDeviceAttr attribute, int device)
{
    RUNTIME_CALL;
    bool is_integrated = strcmp(setting("GKEMU_INTEGRATED", "0"), "1") == 0;
    if (!is_device(device))
        return note_error(cudaErrorInvalidDevice);
    for (const auto &row : attributes)
        if (row.attribute == attribute) {
            *out = attribute == cudaDevAttrComputeCapabilityMinor && device ? 6 : row.value;
            return cudaSuccess;
        }
    *out = is_integrated;
    return attribute == cudaDevAttrIntegrated ? cudaSuccess : note_error(cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(size_t *n_free, size_t *n_total)
{
    RUNTIME_CALL;
    size_t total = device_total_bytes(), used = device_used_bytes();
    *n_total = total;
    *n_free = used < total ? total - used : 0;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    RUNTIME_CALL;
    *version = driver_version();
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    RUNTIME_CALL;
    *version = RUNTIME_VERSION;
    return cudaSuccess;
}

cudaError_t gkemu_func_get_attributes(cudaFuncAttributes *out)
{
    RUNTIME_CALL;
    if (strtol(setting("GKEMU_NO_CODE", "0"), nullptr, 10) >> current_device & 1)
        return note_error(cudaErrorNoKernelImageForDevice);
    *out = cudaFuncAttributes{};
    return cudaSuccess;
}

cudaError_t gkemu_max_blocks(int *out, int n_threads)
{
    RUNTIME_CALL;
    *out = 1536 / n_threads;
    return cudaSuccess;
}

const char *gkemu_meminfo(void)
{
    return setting("GKEMU_MEMINFO", "");
}

cudaError_t gkemu_func_set_attribute(const void *kernel, cudaFuncAttribute what, int value)
{
    runtime_lock lock;
    if (is_made_to_fail("cudaFuncSetAttribute"))
        return note_error((cudaError_t)999);
    if (what != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return cudaSuccess;
    if (value > SHARED_LIMIT_OPTIN)
        return note_error(cudaErrorInvalidValue);
    shared_limits[kernel] = (size_t)max(value, SHARED_LIMIT);
    return cudaSuccess;
}
