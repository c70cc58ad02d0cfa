/*
 * lines.cpp - how the lanes of a warp use memory together, by line of the source. An access of
 * a warp is put together from its lanes: each lane's n-th access at an instruction belongs to
 * the warp's n-th, which holds as long as lanes run through the same loops.
 */
#include "sites.h"

#ifdef GKEMU_CHECK

#include <algorithm>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <unordered_map>

namespace gkemu {

struct warp_access {
    site at;
    bool is_write;
    space kind;
    unsigned n_bytes;
    uintptr_t addresses[32]; /* of each lane; 0: it takes no part */
};

struct block_accesses {
    std::unordered_map<uint64_t, unsigned> times; /* (line, thread) -> how often so far */
    std::unordered_map<uint64_t, std::vector<warp_access>> accesses; /* (line, warp) -> n-th */
};

static bool is_tracking;
static std::map<std::pair<site, bool>, gkemu_line> uses;
static std::map<uint32_t, block_accesses> blocks;

static unsigned count_distinct(uintptr_t *values, unsigned n)
{
    std::sort(values, values + n);
    return (unsigned)(std::unique(values, values + n) - values);
}

static void add_sectors(gkemu_line *line, const warp_access &a)
{
    uintptr_t sectors[64], starts[32];
    unsigned n_sectors = 0, n_starts = 0;
    for (uintptr_t address : a.addresses)
        if (address) {
            sectors[n_sectors++] = address / 32;
            sectors[n_sectors++] = (address + a.n_bytes - 1) / 32;
            starts[n_starts++] = address;
        }
    line->n_sectors += count_distinct(sectors, n_sectors);
    line->n_sectors_ideal += (count_distinct(starts, n_starts) * a.n_bytes + 31) / 32;
}

/* Of the lanes from `first` on that are served at once: each of 32 banks gives one word. */
static unsigned n_passes(const warp_access &a, unsigned first, unsigned n_lanes)
{
    uintptr_t words[32];
    unsigned n = 0, n_of_bank[32] = {}, most = 0;
    for (unsigned i = first; i < first + n_lanes; i++)
        for (unsigned k = 0; a.addresses[i] && k < (a.n_bytes + 3) / 4; k++)
            words[n++] = a.addresses[i] / 4 + k;
    n = count_distinct(words, n);
    for (unsigned i = 0; i < n; i++)
        most = std::max(most, ++n_of_bank[words[i] % 32]);
    return most;
}

static void add_passes(gkemu_line *line, const warp_access &a)
{
    unsigned n_at_once = a.n_bytes <= 4 ? 32 : 128 / a.n_bytes;
    for (unsigned lane = 0; lane < 32; lane += n_at_once)
        line->n_extra_passes += std::max(n_passes(a, lane, n_at_once), 1u) - 1;
}

static void add(const warp_access &a)
{
    gkemu_line *line = &uses[std::make_pair(a.at, a.is_write)];
    line->is_write = a.is_write;
    line->is_shared = a.kind == SPACE_SHARED;
    line->n_accesses++;
    if (line->is_shared)
        add_passes(line, a);
    else
        add_sectors(line, a);
}

void lines_note(
        const fiber &f, site at, uintptr_t address, size_t n_bytes, bool is_write, space kind)
{
    if (!is_tracking)
        return;
    block_accesses *b = &blocks[f.home->serial];
    uint64_t key = (uint64_t)at << 1 | is_write;
    unsigned n = b->times[key << 10 | f.linear]++;
    std::vector<warp_access> *of_warp = &b->accesses[key << 5 | f.i_warp];
    if (of_warp->size() <= n)
        of_warp->resize(n + 1, warp_access{at, is_write, kind, (unsigned)n_bytes, {}});
    (*of_warp)[n].addresses[f.lane] = address;
}

void lines_block_end(uint32_t block)
{
    for (const auto &of_warp : blocks[block].accesses)
        for (const warp_access &a : of_warp.second)
            add(a);
    blocks.erase(block);
}

} // namespace gkemu

using namespace gkemu;

bool gkemu_can_track()
{
    return true;
}

void gkemu_track(bool is_wanted)
{
    is_tracking = is_wanted;
    uses.clear();
}

/* Instructions of one line are one. */
std::vector<gkemu_line> gkemu_tracked_lines()
{
    std::map<std::pair<std::string, bool>, gkemu_line> lines;
    for (const auto &entry : uses) {
        const gkemu_line &use = entry.second;
        std::string text = site_text(entry.first.first);
        gkemu_line *line = &lines[std::make_pair(text, use.is_write)];
        line->place = text;
        line->is_write = use.is_write;
        line->is_shared = use.is_shared;
        line->n_accesses += use.n_accesses;
        line->n_sectors += use.n_sectors;
        line->n_sectors_ideal += use.n_sectors_ideal;
        line->n_extra_passes += use.n_extra_passes;
    }
    std::vector<gkemu_line> all;
    for (const auto &entry : lines)
        all.push_back(entry.second);
    return all;
}

static void print_line(const gkemu_line &line)
{
    const char *what = line.is_write ? "written" : "read";
    fprintf(stderr, "%-32s %9llu times %s, ", line.place.c_str(),
            (unsigned long long)line.n_accesses, what);
    if (line.is_shared)
        fprintf(stderr, "%.2f extra passes for conflicts of banks\n",
                (double)line.n_extra_passes / (double)line.n_accesses);
    else
        fprintf(stderr, "%.2f of the sectors that it needs\n",
                (double)line.n_sectors / (double)line.n_sectors_ideal);
}

/* GKEMU_LINES=1: all lines at the end of the program, for who wonders where a kernel is slow.
 */
static const struct line_report {
    line_report()
    {
        gkemu_track(getenv("GKEMU_LINES"));
    }
    ~line_report()
    {
        if (is_tracking)
            for (const gkemu_line &line : gkemu_tracked_lines())
                print_line(line);
    }
} line_report __attribute__((unused));

#else

bool gkemu_can_track()
{
    return false;
}

void gkemu_track(bool)
{
}

std::vector<gkemu_line> gkemu_tracked_lines()
{
    return {};
}

#endif
