/*
 * engine.h - inside of the emulator: a launch as the fibers of its resident blocks. All of it
 * belongs to the thread that holds the lock of the runtime (stream.cpp).
 */
#ifndef CUDAEMU_ENGINE_H
#define CUDAEMU_ENGINE_H

#include <memory>
#include <vector>

#include "cudaemu.h"
#include "fiber.h"
#include "gkemu.h"

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace gkemu {

struct block;
struct checked_block;

/* A line of a kernel. */
struct place {
    const char *file;
    int line;
    bool operator==(const place &other) const
    {
        return line == other.line && (file == other.file || strcmp(file, other.file) == 0);
    }
};

struct fiber : gkemu_thread {
    context at;
    block *home;
    unsigned linear, lane, i_warp;
    bool is_done;
    const char *waits_for; /* NULL: it does not */
    place waits_at;
    uint32_t mask;      /* of the warp operation that it waits for */
    uintptr_t streamed; /* what gk_ld_stream reads */
    size_t n_streamed_bytes;
};

/* Where the lanes of one mask meet. Two banks, for a fast lane gives its next value before a
 * slow one has read the last ones. */
struct meeting {
    uint32_t mask, arrived;
    gkemu_warp_op kind;
    place at;
    unsigned bank;
    uint64_t values[2][32];
    uint32_t combined[2];
    std::vector<char> gathered[2];
    std::vector<fiber *> waiting;
};

struct warp {
    std::vector<std::unique_ptr<meeting>> meetings; /* waiting lanes keep pointers */
    uint32_t epoch;                                 /* counts __syncwarp */
};

struct shared_object {
    const void *key;
    void *memory;
    size_t n_bytes;
};

struct block {
    uint3 id;
    uint32_t serial; /* of all blocks ever */
    unsigned n_threads, n_alive, n_arrived;
    bool has_exits;
    place barrier_at;
    bool is_barrier_ticket; /* the barrier is gk_last_block's */
    bool is_last;           /* and what it answers */
    uint32_t epoch;         /* counts barriers */
    std::vector<fiber *> fibers, waiting;
    std::vector<warp> warps;
    std::vector<shared_object> shared; /* [0]: the dynamic one */
    checked_block *checked;            /* of the checker */
};

/* Stops the program with a sentence: who, where, what. */
[[noreturn]] void fault(place at, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* File without the folders above the last one. */
const char *place_file(place at);

extern gkemu_stats stats;
fiber *running(); /* NULL: the host */
/* The running fiber waits until somebody makes it ready. */
void wait_for(const char *what, place at);
void make_ready(std::vector<fiber *> *waiting);

void run_launch(const gkemu_call &call);
const gkemu_call *launched(); /* NULL: none runs */

/* ---- memory.cpp --------------------------------------------------------------------- */
void *shared_make(size_t n_bytes);
void shared_free(const shared_object &object);
/* While kernels run, and while copies do, device memory may be touched. */
void device_open();
void device_close();

} // namespace gkemu

#endif
