/*
 * stream.cpp - streams, events, capture. Every operation waits in its stream's queue until the
 * host waits for it, and what it has to follow in other streams runs before it. The order of
 * streams that do not know of each other is therefore the worst one.
 */
#include "stream.h"

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <stdlib.h>
#include <vector>

#include "device.h"
#include "memory.h"

/* A point in a stream: its first n operations. */
struct stream_point {
    cudaStream_t stream;
    uint64_t n;
};

struct stream_operation {
    std::function<void()> run;
    std::vector<stream_point> after;
};

typedef std::vector<std::function<void()>> operation_list;

struct gkemu_stream {
    std::deque<stream_operation> queue;
    uint64_t n_submitted, n_done;
    bool is_blocking; /* with the default stream */
    bool is_capturing, is_spoilt;
    operation_list captured;
};

struct gkemu_event {
    stream_point at;
    std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

struct gkemu_graph {
    operation_list operations;
};

struct gkemu_graph_exec {
    std::shared_ptr<operation_list> operations;
};

namespace gkemu {

static std::recursive_mutex runtime_mutex;
static gkemu_stream default_stream = {{}, 0, 0, true, false, false, {}};
static std::set<cudaStream_t> streams = {&default_stream};
static gkemu_stream *capturing; /* one at a time */

runtime_lock::runtime_lock()
{
    runtime_mutex.lock();
}

runtime_lock::~runtime_lock()
{
    runtime_mutex.unlock();
}

static cudaStream_t resolved(cudaStream_t stream)
{
    cudaStream_t s = stream ? stream : &default_stream;
    if (streams.count(s) == 0)
        fault(place{}, "a stream that does not exist, or no longer");
    return s;
}

static void run_until(stream_point point)
{
    if (streams.count(point.stream) == 0)
        return; /* it ran all before it went */
    while (point.stream->n_done < point.n) {
        stream_operation next = std::move(point.stream->queue.front());
        point.stream->queue.pop_front();
        for (const stream_point &before : next.after)
            run_until(before);
        device_open();
        next.run();
        device_close();
        point.stream->n_done++;
    }
}

static void run_all(cudaStream_t stream)
{
    run_until(stream_point{stream, stream->n_submitted});
}

void run_everything()
{
    for (cudaStream_t s : streams)
        run_all(s);
}

/* The default stream and the blocking ones wait for each other. */
static std::vector<stream_point> points_before(cudaStream_t stream)
{
    std::vector<stream_point> points;
    if (stream == &default_stream) {
        for (cudaStream_t s : streams)
            if (s->is_blocking && s != stream)
                points.push_back(stream_point{s, s->n_submitted});
    } else if (stream->is_blocking) {
        points.push_back(stream_point{&default_stream, default_stream.n_submitted});
    }
    return points;
}

static cudaError_t submit_after(
        cudaStream_t stream, std::function<void()> operation, stream_point *before)
{
    std::vector<stream_point> after = points_before(stream);
    if (before)
        after.push_back(*before);
    stream->queue.push_back(stream_operation{std::move(operation), std::move(after)});
    stream->n_submitted++;
    return cudaSuccess;
}

cudaError_t submit(cudaStream_t stream, std::function<void()> operation)
{
    cudaStream_t s = resolved(stream);
    if (s->is_capturing) {
        s->captured.push_back(std::move(operation));
        return cudaSuccess;
    }
    if (s == &default_stream && spoil_capture())
        return note_error(cudaErrorStreamCaptureUnsupported);
    return submit_after(s, std::move(operation), nullptr);
}

bool spoil_capture()
{
    if (!capturing)
        return false;
    capturing->is_spoilt = true;
    return true;
}

} // namespace gkemu

using namespace gkemu;

/* What every function of the runtime begins with. */
#define RUNTIME_CALL                                                                           \
    runtime_lock lock;                                                                         \
    if (is_made_to_fail(__func__))                                                             \
    return note_error((cudaError_t)999)
#define NOT_IN_CAPTURE                                                                         \
    RUNTIME_CALL;                                                                              \
    if (spoil_capture())                                                                       \
    return note_error(cudaErrorStreamCaptureUnsupported)

/* ---- launches ----------------------------------------------------------------------- */

static void check_configuration(const gkemu_call &call)
{
    uint64_t n_threads = (uint64_t)call.block.x * call.block.y * call.block.z;
    const char *kernel = call.kernel;
    if (n_threads == 0 || n_threads > 1024 || call.block.z > 64)
        fault(place{}, "%s is launched with blocks of %u,%u,%u threads", kernel, call.block.x,
                call.block.y, call.block.z);
    if (call.grid.x == 0 || call.grid.y == 0 || call.grid.z == 0 || call.grid.x > 0x7fffffff ||
            call.grid.y > 65535 || call.grid.z > 65535)
        fault(place{}, "%s is launched with a grid of %u,%u,%u blocks", kernel, call.grid.x,
                call.grid.y, call.grid.z);
    if (call.smem > shared_limit(call.address))
        fault(place{},
                "%s is launched with %zu bytes of dynamic shared memory, %zu is the "
                "limit (48 KB before cudaFuncSetAttribute)",
                kernel, call.smem, shared_limit(call.address));
}

void gkemu_enqueue(gkemu_call *call, cudaStream_t stream)
{
    runtime_lock lock;
    std::shared_ptr<gkemu_call> kept(call);
    check_configuration(*call);
    submit(stream, [kept] { run_launch(*kept); });
}

/* ---- streams ------------------------------------------------------------------------ */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    RUNTIME_CALL;
    *out = new gkemu_stream{{}, 0, 0, !(flags & cudaStreamNonBlocking), false, false, {}};
    streams.insert(*out);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *out)
{
    return cudaStreamCreateWithFlags(out, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    NOT_IN_CAPTURE;
    run_all(resolved(stream));
    streams.erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    NOT_IN_CAPTURE;
    run_all(resolved(stream));
    return cudaSuccess;
}

/* Asks again until it is done, one operation at a time. */
static cudaError_t poll(stream_point point)
{
    if (streams.count(point.stream) == 0 || point.stream->n_done >= point.n)
        return cudaSuccess;
    run_until(stream_point{point.stream, point.stream->n_done + 1});
    return cudaErrorNotReady;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    NOT_IN_CAPTURE;
    cudaStream_t s = resolved(stream);
    return poll(stream_point{s, s->n_submitted});
}

cudaError_t cudaDeviceSynchronize(void)
{
    NOT_IN_CAPTURE;
    run_everything();
    return cudaSuccess;
}

/* ---- events ------------------------------------------------------------------------- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    RUNTIME_CALL;
    *out = new gkemu_event{{&default_stream, 0}, nullptr};
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *out)
{
    return cudaEventCreateWithFlags(out, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    RUNTIME_CALL;
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    NOT_IN_CAPTURE;
    cudaStream_t s = resolved(stream);
    event->time = std::make_shared<std::chrono::steady_clock::time_point>();
    auto time = event->time;
    submit_after(
            s, [time] { *time = std::chrono::steady_clock::now(); }, nullptr);
    event->at = stream_point{s, s->n_submitted};
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    NOT_IN_CAPTURE;
    return submit_after(
            resolved(stream), [] {}, &event->at);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    NOT_IN_CAPTURE;
    run_until(event->at);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    NOT_IN_CAPTURE;
    return poll(event->at);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    NOT_IN_CAPTURE;
    if (!from->time || !to->time)
        return note_error(cudaErrorInvalidResourceHandle);
    if (poll(from->at) != cudaSuccess || poll(to->at) != cudaSuccess)
        return note_error(cudaErrorNotReady);
    *ms = std::chrono::duration<float, std::milli>(*to->time - *from->time).count();
    return cudaSuccess;
}

/* ---- capture ------------------------------------------------------------------------ */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    NOT_IN_CAPTURE;
    cudaStream_t s = resolved(stream);
    if (s == &default_stream)
        return note_error(cudaErrorStreamCaptureUnsupported);
    s->is_capturing = true;
    s->is_spoilt = false;
    s->captured.clear();
    capturing = s;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out)
{
    RUNTIME_CALL;
    cudaStream_t s = resolved(stream);
    *out = nullptr;
    if (!s->is_capturing)
        return note_error(cudaErrorInvalidValue);
    s->is_capturing = false;
    capturing = nullptr;
    if (s->is_spoilt)
        return note_error(cudaErrorStreamCaptureInvalidated);
    *out = new gkemu_graph{std::move(s->captured)};
    s->captured.clear();
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long)
{
    RUNTIME_CALL;
    *out = new gkemu_graph_exec{std::make_shared<operation_list>(graph->operations)};
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    RUNTIME_CALL;
    std::shared_ptr<operation_list> operations = exec->operations;
    return submit(stream, [operations] {
        for (const std::function<void()> &run : *operations)
            run();
    });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t)
{
    RUNTIME_CALL;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    RUNTIME_CALL;
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    RUNTIME_CALL;
    delete exec;
    return cudaSuccess;
}

/* ---- memory ------------------------------------------------------------------------- */

static size_t room(const void *memory)
{
    size_t n = memory_room(memory, SPACE_DEVICE);
    return n ? n : memory_room(memory, SPACE_MAPPED);
}

static bool is_device(const void *memory)
{
    return memory_room(memory, SPACE_DEVICE) > 0;
}

/* A side of a copy, which the kind calls device or host. */
static void check_side(
        const void *memory, size_t n_bytes, bool is_named_device, const char *what)
{
    size_t n = room(memory);
    if (is_named_device && n == 0)
        fault(place{}, "a copy %s %p, which is no device memory", what, memory);
    if (!is_named_device && is_device(memory))
        fault(place{}, "a copy %s %p as if it were the host's, but it is device memory", what,
                memory);
    if (n > 0 && n < n_bytes)
        fault(place{}, "a copy of %zu bytes %s memory that ends after %zu", n_bytes, what, n);
}

static void check_copy(const void *to, const void *from, size_t n_bytes, cudaMemcpyKind kind)
{
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    check_side(to, n_bytes, kind == cudaMemcpyDefault ? is_device(to) : to_device, "to");
    check_side(
            from, n_bytes, kind == cudaMemcpyDefault ? is_device(from) : from_device, "from");
}

/* What was known of a side when the copy was asked for. */
static void check_alive(const void *memory, size_t n_known)
{
    if (room(memory) != n_known)
        fault(place{}, "a copy that had yet to run uses %p, which was freed", memory);
}

static void copy_now(void *to, const void *from, size_t n_bytes)
{
    memcpy(to, from, n_bytes);
    check_host_wrote(to, n_bytes);
}

/* Memory that only the host knows is copied before the call returns; a graph cannot hold it. */
cudaError_t cudaMemcpyAsync(
        void *to, const void *from, size_t n_bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    RUNTIME_CALL;
    if (n_bytes == 0)
        return cudaSuccess;
    check_copy(to, from, n_bytes, kind);
    size_t n_to = room(to), n_from = room(from);
    bool is_pageable = n_to == 0 || n_from == 0;
    if (is_pageable && spoil_capture())
        return note_error(cudaErrorStreamCaptureUnsupported);
    cudaError_t error = submit(stream, [=] {
        check_alive(to, n_to);
        check_alive(from, n_from);
        copy_now(to, from, n_bytes);
    });
    if (is_pageable && error == cudaSuccess)
        run_all(resolved(stream));
    return error;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t n_bytes, cudaMemcpyKind kind)
{
    NOT_IN_CAPTURE;
    cudaError_t error = cudaMemcpyAsync(to, from, n_bytes, kind, nullptr);
    run_all(&default_stream);
    return error;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t n_bytes, cudaStream_t stream)
{
    RUNTIME_CALL;
    if (n_bytes == 0)
        return cudaSuccess;
    check_side(to, n_bytes, true, "to");
    return submit(stream, [=] {
        memset(to, value, n_bytes);
        check_host_wrote(to, n_bytes);
    });
}

cudaError_t cudaMemset(void *to, int value, size_t n_bytes)
{
    NOT_IN_CAPTURE;
    return cudaMemsetAsync(to, value, n_bytes, nullptr);
}

cudaError_t cudaMalloc(void **out, size_t n_bytes)
{
    NOT_IN_CAPTURE;
    *out = nullptr;
    if (n_bytes == 0)
        return cudaSuccess;
    *out = device_allocate(n_bytes);
    return *out ? cudaSuccess : note_error(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void *memory)
{
    NOT_IN_CAPTURE;
    run_everything();
    if (memory && !memory_free(memory, SPACE_DEVICE))
        fault(place{}, "cudaFree of %p, which cudaMalloc did not give, or which is free",
                memory);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t n_bytes, unsigned)
{
    NOT_IN_CAPTURE;
    *out = n_bytes ? mapped_allocate(n_bytes) : nullptr;
    return *out || n_bytes == 0 ? cudaSuccess : note_error(cudaErrorMemoryAllocation);
}

/* Unlike cudaFree, nowhere said to wait for what runs. */
cudaError_t cudaFreeHost(void *memory)
{
    NOT_IN_CAPTURE;
    if (memory && !memory_free(memory, SPACE_MAPPED))
        fault(place{}, "cudaFreeHost of %p, which cudaHostAlloc did not give", memory);
    return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void **out, void *host, unsigned)
{
    RUNTIME_CALL;
    *out = nullptr;
    if (memory_room(host, SPACE_MAPPED) == 0)
        return note_error(cudaErrorInvalidValue);
    *out = host; /* one address space, as on every system that CUDA 13 supports */
    return cudaSuccess;
}
