/*
 * stream.h - what is put into streams beside launches.
 */
#ifndef CUDAEMU_STREAM_H
#define CUDAEMU_STREAM_H

#include <functional>

#include "cudaemu_runtime.h"

namespace gkemu {

/* Runs when somebody waits for the stream; recorded when it is being captured. */
cudaError_t submit(cudaStream_t stream, std::function<void()> operation);
/* Runs all that all streams hold. */
void run_everything();
/* True, and the capture is spoilt, when one is going on: for calls that may not be captured. */
bool spoil_capture();
/* Remembers an error for cudaGetLastError. */
cudaError_t note_error(cudaError_t error);
/* GKEMU_FAIL=NAME makes this function fail. */
bool is_made_to_fail(const char *function);

/* Of whoever calls the runtime, for the time of a call. */
struct runtime_lock {
    runtime_lock();
    ~runtime_lock();
};

} // namespace gkemu

#endif
