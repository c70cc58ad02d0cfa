/*
 * gkemu.h - what tests may ask of the emulator. The environment says the same, read once:
 * GKEMU_ORDER=forward|reverse|random[:SEED], GKEMU_RESIDENT=N and GKEMU_LINES=1.
 */
#ifndef CUDAEMU_GKEMU_H
#define CUDAEMU_GKEMU_H

#include <stdint.h>
#include <string>
#include <vector>

enum gkemu_order { GKEMU_FORWARD, GKEMU_REVERSE, GKEMU_RANDOM };
/* In which order blocks and threads run, and how many blocks at once. Random, 1 and 4 at first.
 */
void gkemu_set_order(gkemu_order order, uint64_t seed, unsigned n_resident);

struct gkemu_stats {
    uint64_t n_launches, n_blocks, n_threads, n_barriers, n_warp_ops, n_switches;
    uint64_t n_streamed_bytes; /* by gk_ld_stream */
};
/* Since the last call. */
gkemu_stats gkemu_take_stats();

/* Called at every gk_publish, as a host that looks at just this moment would see it; NULL:
 * nobody looks. */
void gkemu_on_publish(
        void (*look)(void *context, const uint32_t *seq, uint32_t value), void *context);

/* How the lanes of warps use memory together, by line of the source; the checker's build only.
 */
struct gkemu_line {
    std::string place; /* "kernels/matvec_cuda.cu:80" */
    bool is_write, is_shared;
    uint64_t n_accesses;                 /* of warps */
    uint64_t n_sectors, n_sectors_ideal; /* of 32 bytes in device or mapped memory */
    uint64_t n_extra_passes;             /* in shared memory, for conflicts of banks */
};
bool gkemu_can_track();
/* Begins anew, or ends. */
void gkemu_track(bool is_wanted);
std::vector<gkemu_line> gkemu_tracked_lines();

#endif
