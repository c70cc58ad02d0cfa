/*
 * sites.h - instructions of kernels as lines of their source, and per line how well the lanes
 * of a warp use memory together.
 */
#ifndef CUDAEMU_SITES_H
#define CUDAEMU_SITES_H

#include <string>

#include "check.h"

namespace gkemu {

/* An instruction: how far it is from the start of the program or library. Or a place. */
typedef uint32_t site;
site site_of_call(const void *return_address);
site site_of_place(place at);
/* "kernels/file.cu:12" */
std::string site_text(site at);
/* Of the program or library itself: a table. */
bool site_is_constant(uintptr_t address);

/* ---- lines.cpp ---------------------------------------------------------------------- */

/* While tests track (gkemu_track): an access by a lane. */
void lines_note(
        const fiber &f, site at, uintptr_t address, size_t n_bytes, bool is_write, space kind);
void lines_block_end(uint32_t block);

} // namespace gkemu

#endif
