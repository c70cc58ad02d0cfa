/*
 * sites.cpp - see sites.h. An access of a warp is put together from its lanes: each lane's n-th
 * access at an instruction belongs to the warp's n-th, which holds as long as lanes run through
 * the same loops.
 */
#include "sites.h"

#ifdef GKEMU_CHECK

#include <algorithm>
#include <dlfcn.h>
#include <link.h>
#include <map>
#include <set>
#include <stdio.h>
#include <unistd.h>

namespace gkemu {

/* ---- instructions as lines ------------------------------------------------------------------
 */

struct range {
    uintptr_t start, end;
};

/* This program or library. */
static struct {
    range all;
    std::vector<range> constant;
    std::string path;
} image;

static bool is_in(range r, uintptr_t address)
{
    return address >= r.start && address < r.end;
}

/* Read only from the start, or once the loader has filled in its addresses. */
static bool is_constant(const ElfW(Phdr) & segment)
{
    return segment.p_type == PT_GNU_RELRO ||
           (segment.p_type == PT_LOAD && !(segment.p_flags & PF_W));
}

static int note_image(struct dl_phdr_info *info, size_t, void *)
{
    range all = {UINTPTR_MAX, 0};
    std::vector<range> constant;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &segment = info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment.p_vaddr;
        range here = {start, start + segment.p_memsz};
        if (is_constant(segment))
            constant.push_back(here);
        if (segment.p_type == PT_LOAD)
            all = {min(all.start, here.start), max(all.end, here.end)};
    }
    if (!is_in(all, (uintptr_t)(void *)&note_image))
        return 0;
    char program[4096] = "";
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    image.path = info->dlpi_name[0] ? info->dlpi_name : n > 0 ? program : "this program";
    image.all = all;
    image.constant = constant;
    return 1;
}

static const bool image_is_known __attribute__((unused)) = dl_iterate_phdr(note_image, nullptr);

bool site_is_constant(uintptr_t address)
{
    for (const range &r : image.constant)
        if (is_in(r, address))
            return true;
    return false;
}

site site_of_call(const void *return_address)
{
    return (site)((uintptr_t)return_address - 1 - image.all.start);
}

/* The innermost line that is a kernel's own, not the emulator's that it calls. */
static std::string look_up(site at)
{
    char line[4096], offset[32];
    snprintf(offset, sizeof offset, "%#x", at);
    std::string command = "addr2line -i -e '" + image.path + "' " + offset + " 2>/dev/null";
    std::string text;
    FILE *out = popen(command.c_str(), "r");
    while (out && fgets(line, sizeof line, out)) {
        line[strcspn(line, " \n")] = '\0';
        text = place_file(place{line, 0});
        if (text.find("cudaemu/cudaemu") != 0)
            break;
    }
    if (out)
        pclose(out);
    bool is_known = !text.empty() && text[0] != '?';
    return is_known ? text : std::string(offset) + " of " + image.path;
}

std::string site_text(site at)
{
    static std::map<site, std::string> known;
    auto found = known.find(at);
    if (found != known.end())
        return found->second;
    return known[at] = look_up(at);
}

/* ---- warps together -------------------------------------------------------------------------
 */

struct warp_access {
    unsigned n_lanes, n_bytes;
    uintptr_t addresses[32];
};

struct line_key {
    std::string text; /* of streams; else the instruction is looked up at the end */
    site at;
    bool is_write;
    bool operator<(const line_key &o) const
    {
        return std::tie(text, at, is_write) < std::tie(o.text, o.at, o.is_write);
    }
};

struct line_use {
    space kind;
    uint64_t n_accesses, n_sectors, n_sectors_ideal, n_extra_passes;
};

struct pending {
    line_key key;
    space kind;
    warp_access access;
};

static bool is_tracking;
static std::map<line_key, line_use> uses;
/* (block, warp, line, n-th time) and (block, thread, line) */
static std::map<std::tuple<uint32_t, unsigned, line_key, unsigned>, pending> open_accesses;
static std::map<std::tuple<uint32_t, unsigned, line_key>, unsigned> times;

static void add_sectors(line_use *use, const warp_access &a)
{
    std::set<uintptr_t> sectors, bytes;
    for (unsigned lane = 0; lane < a.n_lanes; lane++) {
        for (uintptr_t at = a.addresses[lane] / 32;
                at <= (a.addresses[lane] + a.n_bytes - 1) / 32; at++)
            sectors.insert(at);
        bytes.insert(a.addresses[lane]);
    }
    use->n_sectors += sectors.size();
    use->n_sectors_ideal += (bytes.size() * a.n_bytes + 31) / 32;
}

/* A pass serves 128 bytes: so many lanes at once; each of the 32 banks gives one word. */
static void add_passes(line_use *use, const warp_access &a)
{
    unsigned n_at_once = a.n_bytes <= 4 ? 32 : 128 / a.n_bytes;
    for (unsigned lane = 0; lane < a.n_lanes; lane += n_at_once) {
        std::set<uintptr_t> words;
        unsigned n_of_bank[32] = {}, n_passes = 1;
        for (unsigned i = lane; i < std::min(a.n_lanes, lane + n_at_once); i++)
            for (uintptr_t at = a.addresses[i] / 4; at <= (a.addresses[i] + a.n_bytes - 1) / 4;
                    at++)
                if (words.insert(at).second)
                    n_passes = std::max(n_passes, ++n_of_bank[at % 32]);
        use->n_extra_passes += n_passes - 1;
    }
}

static void add(const pending &p)
{
    line_use *use = &uses[p.key];
    use->kind = p.kind;
    use->n_accesses++;
    if (p.kind == SPACE_SHARED)
        add_passes(use, p.access);
    else
        add_sectors(use, p.access);
}

static void note(
        const fiber &f, const line_key &key, uintptr_t address, size_t n_bytes, space kind)
{
    uint32_t b = f.home->serial;
    unsigned n = times[std::make_tuple(b, f.linear, key)]++;
    pending *p = &open_accesses[std::make_tuple(b, f.i_warp, key, n)];
    p->key = key;
    p->kind = kind;
    p->access.n_bytes = (unsigned)n_bytes;
    p->access.addresses[p->access.n_lanes++] = address;
}

void sites_note(
        const fiber &f, site at, uintptr_t address, size_t n_bytes, bool is_write, space kind)
{
    if (is_tracking)
        note(f, line_key{"", at, is_write}, address, n_bytes, kind);
}

void sites_note_stream(const fiber &f, place at, uintptr_t address, size_t n_bytes)
{
    if (is_tracking)
        note(f, line_key{std::string(place_file(at)) + ":" + std::to_string(at.line), 0, false},
                address, n_bytes, SPACE_DEVICE);
}

void sites_block_end(uint32_t block)
{
    if (!is_tracking)
        return;
    auto first = open_accesses.lower_bound(std::make_tuple(block, 0u, line_key{}, 0u));
    auto last = first;
    for (; last != open_accesses.end() && std::get<0>(last->first) == block; ++last)
        add(last->second);
    open_accesses.erase(first, last);
    times.erase(times.lower_bound(std::make_tuple(block, 0u, line_key{})),
            times.lower_bound(std::make_tuple(block + 1, 0u, line_key{})));
}

} // namespace gkemu

using namespace gkemu;

void gkemu_track(bool is_wanted)
{
    is_tracking = is_wanted;
    uses.clear();
}

std::vector<gkemu_line> gkemu_tracked_lines()
{
    std::map<std::pair<std::string, bool>, gkemu_line> lines;
    for (const auto &entry : uses) {
        const line_key &key = entry.first;
        const line_use &use = entry.second;
        std::string text = key.text.empty() ? site_text(key.at) : key.text;
        gkemu_line *line = &lines[std::make_pair(text, key.is_write)];
        line->place = text;
        line->is_write = key.is_write;
        line->is_shared = use.kind == SPACE_SHARED;
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

#else

void gkemu_track(bool)
{
}

std::vector<gkemu_line> gkemu_tracked_lines()
{
    return {};
}

#endif
