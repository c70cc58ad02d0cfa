/*
 * warp.cpp - warp operations: the lanes that a mask names give a value each and wait for the
 * others. What hardware leaves undefined is a fault here.
 */
#include "check.h"

namespace gkemu {

static size_t gathered_bytes; /* of the running fiber, until it waits */

static meeting *meeting_of(warp *w, uint32_t mask)
{
    for (const std::unique_ptr<meeting> &m : w->meetings)
        if (m->mask == mask)
            return m.get();
    w->meetings.emplace_back(new meeting());
    w->meetings.back()->mask = mask;
    return w->meetings.back().get();
}

static void check_mask(const fiber *f, uint32_t mask, place at)
{
    unsigned n_lanes = f->home->n_threads - f->i_warp * 32;
    if (!(mask >> f->lane & 1))
        fault(at, "lane %u is not in the mask %08x that it names", f->lane, mask);
    if (n_lanes < 32 && mask >> n_lanes != 0)
        fault(at, "the mask %08x names lanes that this block has not", mask);
}

static float sum_of_butterfly(const uint64_t values[32])
{
    float sums[32];
    for (int i = 0; i < 32; i++)
        sums[i] = gkemu_float((uint32_t)values[i]);
    for (int distance = 16; distance > 0; distance /= 2)
        for (int i = 0; i < distance; i++)
            sums[i] += sums[i + distance];
    return sums[0];
}

static uint32_t combine_two(gkemu_warp_op kind, uint32_t a, uint32_t b)
{
    switch (kind) {
    case GKEMU_ADD:
        return a + b;
    case GKEMU_MAX_SIGNED:
        return (int32_t)a > (int32_t)b ? a : b;
    case GKEMU_MAX_FLOAT:
        return gkemu_bits(fmaxf(gkemu_float(a), gkemu_float(b)));
    default:
        return a;
    }
}

static uint32_t combine_all(const meeting *m, const uint64_t values[32])
{
    if (m->kind == GKEMU_SUM_FLOAT)
        return gkemu_bits(sum_of_butterfly(values));
    uint32_t result = 0;
    bool is_first = true;
    for (int i = 0; i < 32; i++) {
        uint32_t value = (uint32_t)values[i];
        if (!(m->mask >> i & 1))
            continue;
        if (m->kind == GKEMU_BALLOT)
            result |= value << i;
        else
            result = is_first ? value : combine_two(m->kind, result, value);
        is_first = false;
    }
    return result;
}

/* While all lanes wait, what they give is still where they say. */
static void gather(meeting *m, size_t n_bytes)
{
    std::vector<char> &out = m->gathered[m->bank];
    out.resize(32 * n_bytes);
    for (size_t lane = 0; lane < 32; lane++)
        memcpy(&out[lane * n_bytes], (const void *)m->values[m->bank][lane], n_bytes);
}

/* The last lane to arrive lets the others go on. */
static void complete(meeting *m, warp *w)
{
    unsigned bank = m->bank;
    if (m->kind == GKEMU_GATHER)
        gather(m, gathered_bytes);
    if (m->kind >= GKEMU_BALLOT && m->kind < GKEMU_GATHER)
        m->combined[bank] = combine_all(m, m->values[bank]);
    if (m->kind == GKEMU_SYNC)
        w->epoch++;
    m->arrived = 0;
    m->bank ^= 1;
    make_ready(&m->waiting);
}

static const char *const op_names[] = {"__syncwarp", "__shfl_sync", "__shfl_xor_sync",
        "__shfl_down_sync", "__shfl_up_sync", "a vote", "gk_warp_sum", "gk_warp_max",
        "gk_warp_sum", "gk_warp_max", "a matrix product"};

/* Gives the value, waits for all lanes of the mask; *bank: where what they gave stands. */
static meeting *meet(
        uint32_t mask, uint64_t value, gkemu_warp_op kind, place at, unsigned *bank)
{
    fiber *f = running();
    warp *w = &f->home->warps[f->i_warp];
    check_mask(f, mask, at);
    meeting *m = meeting_of(w, mask);
    if (m->arrived == 0) {
        m->kind = kind;
        m->at = at;
    } else if (m->kind != kind || !(m->at == at)) {
        fault(at, "lanes of a warp meet at different operations, the others at %s:%d, %s",
                place_file(m->at), m->at.line, op_names[m->kind]);
    }
    *bank = m->bank;
    m->values[*bank][f->lane] = value;
    m->arrived |= 1u << f->lane;
    stats.n_warp_ops++;
    if (m->arrived == mask) {
        complete(m, w);
    } else {
        m->waiting.push_back(f);
        f->mask = mask;
        wait_for(op_names[kind], at);
    }
    return m;
}

/* The lane that a shuffle reads; its own where it would leave its part of the warp. */
static int source_lane(int lane, gkemu_warp_op kind, int operand, int width)
{
    int base = lane & ~(width - 1), from;
    switch (kind) {
    case GKEMU_SHUFFLE:
        return base + (operand & (width - 1));
    case GKEMU_SHUFFLE_XOR:
        from = lane ^ operand;
        return from < base + width ? from : lane;
    case GKEMU_SHUFFLE_DOWN:
        from = lane + operand;
        return from < base + width ? from : lane;
    default:
        from = lane - operand;
        return from >= base ? from : lane;
    }
}

} // namespace gkemu

using namespace gkemu;

void gkemu_warp_barrier(uint32_t mask, const char *file, int line)
{
    check_pause pause;
    unsigned bank;
    meet(mask, 0, GKEMU_SYNC, place{file, line}, &bank);
}

uint64_t gkemu_shuffle(uint32_t mask, uint64_t value, gkemu_warp_op kind, int operand,
        int width, const char *file, int line)
{
    check_pause pause;
    unsigned bank;
    place at = {file, line};
    int lane = (int)running()->lane, from = source_lane(lane, kind, operand, width);
    if (from < 0 || from > 31 || !(mask >> from & 1))
        fault(at, "lane %d reads lane %d, which is not in the mask %08x", lane, from, mask);
    return meet(mask, value, kind, at, &bank)->values[bank][from];
}

uint32_t gkemu_combine(
        uint32_t mask, uint32_t value, gkemu_warp_op kind, const char *file, int line)
{
    check_pause pause;
    unsigned bank;
    return meet(mask, value, kind, place{file, line}, &bank)->combined[bank];
}

void gkemu_gather(const void *mine, size_t n_bytes, void *all, const char *file, int line)
{
    check_pause pause;
    unsigned bank;
    gathered_bytes = n_bytes;
    meeting *m = meet(0xffffffffu, (uintptr_t)mine, GKEMU_GATHER, place{file, line}, &bank);
    memcpy(all, m->gathered[bank].data(), 32 * n_bytes);
}
