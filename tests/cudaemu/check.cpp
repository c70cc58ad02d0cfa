/*
 * check.cpp - the checker: every access of a kernel against what CUDA promises. Two accesses of
 * a byte by different threads, one of them a write and not both atomic, are a race unless
 *   within a block  a barrier stands between them,
 *   within a warp   that, or __syncwarp,
 *   between blocks  the first was made before its block drew a ticket of gk_last_block, and
 *                   the second by the block that drew the last one,
 * in whatever order the threads have run here. A shuffle orders nothing. Memory is watched in
 * words of eight bytes, each with its last few writes and reads.
 */
#ifdef GKEMU_CHECK

#include "check.h"

#include <map>
#include <unordered_map>

#include "sites.h"

namespace gkemu {

bool check_is_paused;
uintptr_t check_stack;
size_t check_stack_bytes;

enum { WORD = 8, N_WRITES = 4, N_READS = 3, PAGE_WORDS = 512 };

struct record {
    uint32_t block; /* 0: none */
    uint32_t epoch, warp_epoch;
    site at;
    uint16_t thread;
    uint8_t mask; /* of the bytes of the word */
    bool is_atomic;
};

struct word {
    record writes[N_WRITES], reads[N_READS];
    uint8_t i_write, i_read; /* the latest */
};

/* An allocation, or an object in shared memory. */
struct region {
    uintptr_t start;
    size_t n_bytes;
    space kind;
    std::vector<uint8_t> is_written; /* empty: by the host, who is not watched */
    std::vector<word *> pages;       /* NULL: not touched yet */
};

struct mapped_write {
    uint32_t epoch, warp_epoch;
    unsigned thread;
    site at;
};

struct checked_block {
    std::vector<region *> shared;
    std::unordered_map<uint32_t, uint32_t> seen; /* block -> its epochs below are before us */
    std::vector<mapped_write> unpublished;
};

/* Blocks that have drawn a ticket of a counter, and with it what they had seen. */
typedef std::unordered_map<uint32_t, uint32_t> tickets;

static std::map<uintptr_t, region *> regions;
static region *last_region;
static std::unordered_map<unsigned *, tickets> counters;
static const gkemu_call *launch;
static uint32_t first_block; /* of the launch: records of earlier ones are of the past */
static fiber *current;

static const char *const space_names[] = {"the device", "the host", "the block"};

/* ---- regions ------------------------------------------------------------------------ */

static region *region_make(const void *memory, size_t n_bytes, space kind)
{
    region *r = new region{(uintptr_t)memory, n_bytes, kind, {}, {}};
    r->pages.resize(n_bytes / (WORD * PAGE_WORDS) + 1);
    if (kind != SPACE_MAPPED)
        r->is_written.resize(n_bytes);
    return r;
}

static void region_free(region *r)
{
    for (word *page : r->pages)
        delete[] page;
    delete r;
}

static bool contains(const region *r, uintptr_t address)
{
    return address - r->start < r->n_bytes;
}

static region *region_at(uintptr_t address)
{
    for (region *r : current->home->checked->shared)
        if (contains(r, address))
            return r;
    if (last_region && contains(last_region, address))
        return last_region;
    auto next = regions.upper_bound(address);
    if (next == regions.begin() || !contains((--next)->second, address))
        return nullptr;
    return last_region = next->second;
}

void check_allocated(const void *memory, size_t n_bytes, space kind)
{
    regions[(uintptr_t)memory] = region_make(memory, n_bytes, kind);
}

void check_freed(const void *memory)
{
    auto found = regions.find((uintptr_t)memory);
    region_free(found->second);
    regions.erase(found);
    last_region = nullptr;
}

void check_host_wrote(const void *memory, size_t n_bytes)
{
    auto next = regions.upper_bound((uintptr_t)memory);
    if (next == regions.begin())
        return;
    region *r = (--next)->second;
    if (!contains(r, (uintptr_t)memory) || r->is_written.empty())
        return;
    memset(&r->is_written[(uintptr_t)memory - r->start], true, n_bytes);
}

/* ---- launches and blocks ------------------------------------------------------------ */

void check_launch_start(const gkemu_call &call, uint32_t block)
{
    launch = &call;
    first_block = block;
    counters.clear();
}

void check_launch_end()
{
    launch = nullptr;
}

void check_block_start(block *b)
{
    b->checked = new checked_block();
    check_shared(b, b->shared[0]);
}

void check_shared(block *b, const shared_object &object)
{
    b->checked->shared.push_back(region_make(object.memory, object.n_bytes, SPACE_SHARED));
}

void check_block_end(block *b)
{
    checked_block *c = b->checked;
    if (!c->unpublished.empty()) {
        const mapped_write &w = c->unpublished.front();
        fault(place{},
                "block %u,%u,%u: thread %u writes mapped host memory at %s, which no "
                "gk_publish of the block follows that a barrier orders after it",
                b->id.x, b->id.y, b->id.z, w.thread, site_text(w.at).c_str());
    }
    for (region *r : c->shared)
        region_free(r);
    lines_block_end(b->serial);
    delete c;
}

void check_switch(fiber *to)
{
    current = to;
    check_stack = to ? (uintptr_t)to->at.stack : 0;
    check_stack_bytes = to ? to->at.n_stack_bytes : 0;
    check_is_paused = true; /* a fiber waits inside of the engine only */
}

void check_fiber_start()
{
    check_is_paused = false;
}

/* ---- gk_last_block and gk_publish --------------------------------------------------- */

static void see(tickets *all, uint32_t block, uint32_t epoch)
{
    uint32_t &known = (*all)[block];
    known = max(known, epoch);
}

void check_ticket(block *b, unsigned *counter, place at)
{
    region *r = region_at((uintptr_t)counter);
    if (!r || r->kind != SPACE_DEVICE || (uintptr_t)counter % sizeof *counter != 0)
        fault(at, "the counter of gk_last_block is not in device memory, or not aligned");
    if (!r->is_written[(uintptr_t)counter - r->start])
        fault(at, "the counter of gk_last_block was never written: it has to be zero at first");
    tickets *all = &counters[counter];
    see(all, b->serial, b->epoch);
    for (const auto &seen : b->checked->seen)
        see(all, seen.first, seen.second);
}

void check_ticket_last(block *b, unsigned *counter)
{
    for (const auto &seen : counters[counter])
        see(&b->checked->seen, seen.first, seen.second);
    counters.erase(counter);
}

void check_publish(fiber *f, uint32_t *seq, place at)
{
    checked_block *c = f->home->checked;
    region *r = region_at((uintptr_t)seq);
    if (!r || r->kind != SPACE_MAPPED || (uintptr_t)seq % sizeof *seq != 0)
        fault(at, "what gk_publish writes is not in mapped host memory, or not aligned");
    std::vector<mapped_write> left;
    for (const mapped_write &w : c->unpublished) {
        bool is_before =
                w.thread == f->linear || w.epoch < f->home->epoch ||
                (w.thread / 32 == f->i_warp && w.warp_epoch < f->home->warps[f->i_warp].epoch);
        if (!is_before)
            left.push_back(w);
    }
    c->unpublished = std::move(left);
}

/* ---- accesses ----------------------------------------------------------------------- */

struct access {
    uintptr_t address;
    size_t n_bytes;
    bool is_write, is_atomic;
    site at;
};

static void fault_access(const access &a, const char *what, const char *about)
{
    fault(place{}, "%s %s %zu bytes %s", site_text(a.at).c_str(),
            a.is_write ? "writes" : "reads", a.n_bytes, (std::string(what) + about).c_str());
}

/* How far outside; within it 0. */
static size_t distance(const region *r, uintptr_t address)
{
    if (address < r->start)
        return r->start - address;
    return contains(r, address) ? 0 : address - (r->start + r->n_bytes) + 1;
}

static void fault_outside(const access &a)
{
    const region *nearest = nullptr;
    std::vector<region *> all = current->home->checked->shared;
    for (const auto &entry : regions)
        all.push_back(entry.second);
    for (const region *r : all)
        if (!nearest || distance(r, a.address) < distance(nearest, a.address))
            nearest = r;
    if (nearest && distance(nearest, a.address) < 4096)
        fault_access(a, "just outside of what is allocated in memory of ",
                space_names[nearest->kind]);
    fault_access(a, "outside of every allocation that a kernel may touch", "");
}

/* The thread's own: its indices, its parameters. */
static bool is_private(uintptr_t address)
{
    return address - (uintptr_t)current < sizeof *current ||
           address - (uintptr_t)&gkemu_self < sizeof gkemu_self ||
           address - (uintptr_t)launch < launch->n_bytes;
}

static bool is_same_thread(const record &r)
{
    return r.block == current->home->serial && r.thread == current->linear;
}

static bool is_before_us(const record &r)
{
    const block *b = current->home;
    if (r.block == b->serial)
        return r.thread == current->linear || r.epoch < b->epoch ||
               (r.thread / 32u == current->i_warp &&
                       r.warp_epoch < b->warps[current->i_warp].epoch);
    auto seen = b->checked->seen.find(r.block);
    return seen != b->checked->seen.end() && r.epoch < seen->second;
}

[[noreturn]] static void fault_race(
        const access &a, const record &r, bool was_write, space kind)
{
    bool is_own = r.block == current->home->serial;
    std::string here = site_text(a.at), there = site_text(r.at);
    fault(place{},
            "race in memory of %s: %s at %s, and thread %u of %s %s at %s, with nothing that "
            "orders them",
            space_names[kind], a.is_write ? "writes" : "reads", here.c_str(), r.thread,
            is_own ? "the block" : "another block", was_write ? "writes" : "reads",
            there.c_str());
}

/* Against what others did before; records of blocks before `oldest` are of the past. */
static void look_for_race(const record *records, int n, bool were_writes, const access &a,
        uint8_t mask, uint32_t oldest, space kind)
{
    for (int i = 0; i < n; i++) {
        const record &r = records[i];
        bool is_conflict =
                r.block >= oldest && (r.mask & mask) && !(a.is_atomic && r.is_atomic);
        if (is_conflict && !is_before_us(r))
            fault_race(a, r, were_writes, kind);
    }
}

/* Where the record of this access goes: what it supersedes, what is of the past, or the next
 * in turn. */
static record *record_to_replace(
        record *records, int n, uint8_t *latest, const access &a, uint8_t mask, uint32_t oldest)
{
    record *gone = nullptr;
    for (int i = 0; i < n; i++) {
        record &r = records[i];
        if (is_same_thread(r) && r.is_atomic == a.is_atomic && r.mask == mask)
            return &r;
        if (r.block < oldest)
            gone = &r;
    }
    if (gone)
        return gone;
    *latest = (uint8_t)((*latest + 1) % n);
    return &records[*latest];
}

static void watch_word(word *w, const access &a, uint8_t mask, space kind)
{
    const block *b = current->home;
    uint32_t oldest = kind == SPACE_SHARED ? b->serial : first_block;
    record *r;
    look_for_race(w->writes, N_WRITES, true, a, mask, oldest, kind);
    if (a.is_write) {
        look_for_race(w->reads, N_READS, false, a, mask, oldest, kind);
        r = record_to_replace(w->writes, N_WRITES, &w->i_write, a, mask, oldest);
    } else {
        r = record_to_replace(w->reads, N_READS, &w->i_read, a, mask, oldest);
    }
    r->block = b->serial;
    r->epoch = b->epoch;
    r->warp_epoch = b->warps[current->i_warp].epoch;
    r->thread = (uint16_t)current->linear;
    r->mask = mask;
    r->is_atomic = a.is_atomic;
    r->at = a.at;
}

static void watch(region *r, const access &a)
{
    size_t first = a.address - r->start, end = first + a.n_bytes;
    for (size_t i = first / WORD; i * WORD < end; i++) {
        size_t from = max(first, i * WORD) - i * WORD, to = min(end, (i + 1) * WORD) - i * WORD;
        uint8_t mask = (uint8_t)((1u << to) - (1u << from));
        word *&page = r->pages[i / PAGE_WORDS];
        if (!page)
            page = new word[PAGE_WORDS]();
        watch_word(&page[i % PAGE_WORDS], a, mask, r->kind);
    }
}

static void watch_contents(region *r, const access &a)
{
    if (r->is_written.empty())
        return;
    uint8_t *written = &r->is_written[a.address - r->start];
    if (a.is_write && !a.is_atomic)
        memset(written, true, a.n_bytes);
    else if (memchr(written, false, a.n_bytes))
        fault_access(a, "that nobody has written, in memory of ", space_names[r->kind]);
}

static void note_mapped_write(const access &a)
{
    const block *b = current->home;
    b->checked->unpublished.push_back(
            mapped_write{b->epoch, b->warps[current->i_warp].epoch, current->linear, a.at});
}

static void check_access(const access &a)
{
    if (is_private(a.address))
        return;
    region *r = region_at(a.address);
    if (!r) {
        if (a.is_write || !site_is_constant(a.address))
            fault_outside(a);
        return;
    }
    if (a.n_bytes > r->n_bytes - (a.address - r->start))
        fault_access(
                a, "across the end of what is allocated in memory of ", space_names[r->kind]);
    bool is_value = (a.n_bytes & (a.n_bytes - 1)) == 0 && a.n_bytes <= 16;
    if (is_value && a.address % a.n_bytes != 0)
        fault_access(a, "at an address that is no multiple of it", "");
    watch_contents(r, a);
    watch(r, a);
    if (r->kind == SPACE_MAPPED && a.is_write)
        note_mapped_write(a);
    bool is_streamed = a.address - current->streamed < current->n_streamed_bytes;
    if (is_value && !is_streamed) /* that one is counted as a whole */
        lines_note(*current, a.at, a.address, a.n_bytes, a.is_write, r->kind);
}

void check_kernel_access(
        const void *memory, size_t n_bytes, bool is_write, bool is_atomic, const void *caller)
{
    check_pause pause; /* its own copies */
    check_access(access{(uintptr_t)memory, n_bytes, is_write, is_atomic, site_of_call(caller)});
}

void check_stream(fiber *f, const void *from, size_t n_bytes, place at)
{
    f->streamed = (uintptr_t)from;
    f->n_streamed_bytes = n_bytes;
    lines_note(*f, site_of_place(at), (uintptr_t)from, n_bytes, false, SPACE_DEVICE);
}

} // namespace gkemu

#endif
