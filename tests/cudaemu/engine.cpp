/*
 * engine.cpp - runs a launch: blocks come in waves of a few resident ones, each thread is a
 * fiber, and fibers switch only when they wait. An OS thread per lane was rejected: tens of
 * thousands of system calls a launch, and no say in the order.
 */
#include "engine.h"

#include <deque>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

gkemu_thread *gkemu_self;

namespace gkemu {

static struct {
    bool is_read;
    gkemu_order order;
    uint64_t seed, random;
    unsigned n_resident;
} schedule = {false, GKEMU_RANDOM, 1, 1, 4};

static fiber host, *current = &host;
static const gkemu_call *call;
/* They live as long as the program: at its end nothing of them is a leak. */
static std::deque<fiber *> &ready = *new std::deque<fiber *>();
static std::vector<fiber *> &idle_fibers = *new std::vector<fiber *>();
static std::vector<block *> &idle_blocks = *new std::vector<block *>();
static std::vector<block *> &resident = *new std::vector<block *>();
static block *finished; /* its last thread has ended just now */
static uint32_t n_blocks_ever;
gkemu_stats stats;

/* ---- faults ------------------------------------------------------------------------- */

const char *place_file(place at)
{
    const char *name = at.file, *slash = strrchr(name, '/');
    while (slash && slash > name && slash[-1] != '/')
        slash--;
    return slash ? slash : name;
}

void fault(place at, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "cudaemu: ");
    if (call)
        fprintf(stderr, "kernel %s, ", call->kernel);
    if (current != &host)
        fprintf(stderr, "block %u,%u,%u, thread %u,%u,%u, ", current->block_idx.x,
                current->block_idx.y, current->block_idx.z, current->thread_idx.x,
                current->thread_idx.y, current->thread_idx.z);
    if (at.file)
        fprintf(stderr, "%s:%d: ", place_file(at), at.line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    static const char *const orders[] = {"forward", "reverse", "random"};
    fprintf(stderr, " (order %s:%llu, %u resident blocks)\n", orders[schedule.order],
            (unsigned long long)schedule.seed, schedule.n_resident);
    abort();
}

/* ---- order -------------------------------------------------------------------------- */

static void set_order(gkemu_order order, uint64_t seed, unsigned n_resident)
{
    schedule.is_read = true;
    schedule.order = order;
    schedule.seed = seed;
    schedule.random = seed * 0x9e3779b97f4a7c15u | 1;
    schedule.n_resident = n_resident > 0 ? n_resident : 1;
}

static void read_environment()
{
    const char *order = getenv("GKEMU_ORDER"), *n_resident = getenv("GKEMU_RESIDENT");
    gkemu_order kind = order && strcmp(order, "forward") == 0   ? GKEMU_FORWARD
                       : order && strcmp(order, "reverse") == 0 ? GKEMU_REVERSE
                                                                : GKEMU_RANDOM;
    const char *colon = order ? strchr(order, ':') : nullptr;
    set_order(kind, colon ? strtoull(colon + 1, nullptr, 10) : 1,
            n_resident ? (unsigned)strtoul(n_resident, nullptr, 10) : 4);
}

static uint64_t random_below(uint64_t n)
{
    uint64_t x = schedule.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    schedule.random = x;
    return (x >> 11) % n;
}

static fiber *pick()
{
    if (ready.empty())
        return &host;
    if (schedule.order == GKEMU_FORWARD) {
        fiber *f = ready.front();
        ready.pop_front();
        return f;
    }
    if (schedule.order == GKEMU_RANDOM)
        std::swap(ready[random_below(ready.size())], ready.back());
    fiber *f = ready.back();
    ready.pop_back();
    return f;
}

/* ---- fibers ------------------------------------------------------------------------- */

fiber *running()
{
    return current == &host ? nullptr : current;
}

const gkemu_call *launched()
{
    return call;
}

static void jump(fiber *to)
{
    fiber *from = current;
    if (from == to)
        return;
    stats.n_switches++;
    current = to;
    gkemu_self = to == &host ? nullptr : to;
    check_switch(gkemu_self ? to : nullptr);
    context_switch(&from->at, &to->at, from->is_done);
}

void wait_for(const char *what, place at)
{
    current->waits_for = what;
    current->waits_at = at;
    jump(pick());
    current->waits_for = nullptr;
}

void make_ready(std::vector<fiber *> *waiting)
{
    for (fiber *f : *waiting)
        ready.push_back(f);
    waiting->clear();
    if (schedule.order == GKEMU_RANDOM) { /* who came last is not always first to go on */
        ready.push_back(current);
        jump(pick());
    }
}

static void end_thread()
{
    check_pause pause;
    block *b = current->home;
    b->n_alive--;
    b->has_exits = true;
    if (b->n_arrived > 0 && b->n_arrived == b->n_alive)
        fault(b->barrier_at, "a thread left the kernel while the rest of its block waits here");
    current->is_done = true;
    if (b->n_alive == 0)
        finished = b;
    jump(finished ? &host : pick());
}

static void fiber_start()
{
    context_arrived();
    check_fiber_start();
    call->run();
    end_thread();
    abort(); /* nobody switches to a fiber that is done */
}

static fiber *take_fiber()
{
    if (idle_fibers.empty()) {
        fiber *f = new fiber();
        context_make_stack(&f->at);
        return f;
    }
    fiber *f = idle_fibers.back();
    idle_fibers.pop_back();
    return f;
}

/* ---- blocks ------------------------------------------------------------------------- */

static void start_fiber(block *b, unsigned i)
{
    fiber *f = take_fiber();
    dim3 n = call->block;
    f->thread_idx = uint3{i % n.x, i / n.x % n.y, i / (n.x * n.y)};
    f->block_idx = b->id;
    f->block_dim = n;
    f->grid_dim = call->grid;
    f->home = b;
    f->linear = i;
    f->lane = i % 32;
    f->i_warp = i / 32;
    f->is_done = false;
    f->waits_for = nullptr;
    f->n_streamed_bytes = 0;
    context_prepare(&f->at, fiber_start);
    b->fibers.push_back(f);
    ready.push_back(f);
}

static void start_block(uint64_t i)
{
    block *b = idle_blocks.empty() ? new block() : idle_blocks.back();
    if (!idle_blocks.empty())
        idle_blocks.pop_back();
    dim3 grid = call->grid;
    b->id = uint3{(unsigned)(i % grid.x), (unsigned)(i / grid.x % grid.y),
            (unsigned)(i / ((uint64_t)grid.x * grid.y))};
    b->serial = ++n_blocks_ever;
    b->n_threads = b->n_alive = call->block.x * call->block.y * call->block.z;
    b->n_arrived = b->epoch = 0;
    b->has_exits = b->is_last = false;
    b->warps.resize((b->n_threads + 31) / 32);
    for (warp &w : b->warps) {
        w.epoch = 0;
        w.meetings.resize(w.meetings.empty() ? 0 : 1); /* mostly the whole warp's */
    }
    b->shared.push_back(shared_object{nullptr, shared_make(call->smem), call->smem});
    check_block_start(b);
    for (unsigned thread = 0; thread < b->n_threads; thread++)
        start_fiber(b, thread);
    resident.push_back(b);
    stats.n_blocks++;
    stats.n_threads += b->n_threads;
}

static void end_block(block *b)
{
    check_block_end(b);
    for (const shared_object &object : b->shared)
        shared_free(object);
    b->shared.clear();
    idle_fibers.insert(idle_fibers.end(), b->fibers.begin(), b->fibers.end());
    b->fibers.clear();
    for (size_t i = 0; i < resident.size(); i++)
        if (resident[i] == b) {
            resident[i] = resident.back();
            resident.pop_back();
            break;
        }
    idle_blocks.push_back(b);
}

/* ---- launches ----------------------------------------------------------------------- */

[[noreturn]] static void fault_deadlock()
{
    for (fiber *f : resident[0]->fibers)
        if (!f->is_done) {
            current = f; /* who the sentence is about */
            if (f->mask != 0)
                fault(f->waits_at, "waits at %s for lanes %08x, some of which never come",
                        f->waits_for, f->mask);
            fault(f->waits_at, "waits at %s for threads that never come", f->waits_for);
        }
    fault(place{}, "no thread can go on");
}

static std::vector<uint64_t> block_order(uint64_t n)
{
    std::vector<uint64_t> order(n);
    for (uint64_t i = 0; i < n; i++)
        order[i] = schedule.order == GKEMU_REVERSE ? n - 1 - i : i;
    if (schedule.order == GKEMU_RANDOM)
        for (uint64_t i = n; i > 1; i--)
            std::swap(order[i - 1], order[random_below(i)]);
    return order;
}

void run_launch(const gkemu_call &launch)
{
    if (!schedule.is_read)
        read_environment();
    call = &launch;
    stats.n_launches++;
    std::vector<uint64_t> order =
            block_order((uint64_t)launch.grid.x * launch.grid.y * launch.grid.z);
    check_launch_start(launch, n_blocks_ever + 1);
    for (size_t next = 0; next < order.size() || !resident.empty();) {
        while (next < order.size() && resident.size() < schedule.n_resident)
            start_block(order[next++]);
        if (ready.empty())
            fault_deadlock();
        jump(pick());
        if (finished)
            end_block(finished);
        finished = nullptr;
    }
    check_launch_end();
    call = nullptr;
}

/* ---- barriers ----------------------------------------------------------------------- */

/* The host's view of a record at the moment when it is published. */
static void (*publish_look)(void *context, const uint32_t *seq, uint32_t value);
static void *publish_context;

static void arrive(const char *what, bool is_ticket, place at)
{
    block *b = current->home;
    stats.n_barriers++;
    if (b->has_exits)
        fault(at, "%s after threads of the block have left the kernel", what);
    if (b->n_arrived == 0) {
        b->barrier_at = at;
        b->is_barrier_ticket = is_ticket;
    } else if (!(b->barrier_at == at)) {
        fault(at, "threads of a block meet at different barriers, the others at %s:%d",
                place_file(b->barrier_at), b->barrier_at.line);
    }
    b->n_arrived++;
}

static void wait_at_barrier(const char *what, place at)
{
    current->mask = 0;
    current->home->waiting.push_back(current);
    wait_for(what, at);
}

static void release_barrier(block *b)
{
    b->n_arrived = 0;
    b->epoch++;
    make_ready(&b->waiting);
}

/* What the last thread to arrive does for its block. */
static bool draw_ticket(block *b, unsigned *counter, unsigned n, place at)
{
    check_ticket(b, counter, at);
    if (n == 0 || *counter >= n)
        fault(at,
                "the counter of gk_last_block is %u of %u: it was not zero at first, or more "
                "blocks come than it expects",
                *counter, n);
    bool is_last = ++*counter == n;
    if (is_last) {
        *counter = 0;
        check_ticket_last(b, counter);
    }
    return is_last;
}

} // namespace gkemu

using namespace gkemu;

void gkemu_barrier(const char *file, int line)
{
    place at = {file, line};
    block *b = current->home;
    check_pause pause;
    arrive("__syncthreads", false, at);
    if (b->n_arrived < b->n_alive)
        wait_at_barrier("__syncthreads", at);
    else
        release_barrier(b);
}

bool gkemu_last_block(unsigned *counter, unsigned n, const char *file, int line)
{
    place at = {file, line};
    block *b = current->home;
    check_pause pause;
    arrive("gk_last_block", true, at);
    if (b->n_arrived < b->n_alive) {
        wait_at_barrier("gk_last_block", at);
    } else {
        b->epoch++; /* the first of its two barriers */
        b->is_last = draw_ticket(b, counter, n, at);
        release_barrier(b);
    }
    return b->is_last;
}

void gkemu_publish(uint32_t *seq, uint32_t value, const char *file, int line)
{
    check_pause pause;
    check_publish(current, seq, place{file, line});
    *seq = value;
    if (publish_look)
        publish_look(publish_context, seq, value);
}

void gkemu_on_publish(
        void (*look)(void *context, const uint32_t *seq, uint32_t value), void *context)
{
    publish_look = look;
    publish_context = context;
}

void *gkemu_shared(const void *key, size_t n_bytes)
{
    check_pause pause;
    block *b = current->home;
    for (const shared_object &object : b->shared)
        if (object.key == key)
            return object.memory;
    shared_object object = {key, shared_make(n_bytes), n_bytes};
    b->shared.push_back(object);
    check_shared(b, object);
    return object.memory;
}

void *gkemu_shared_dyn(const char *file, int line)
{
    if (current->home->shared[0].n_bytes == 0)
        fault(place{file, line}, "dynamic shared memory, but the launch gave none");
    return current->home->shared[0].memory;
}

void gkemu_note_stream(const void *from, size_t n_bytes, const char *file, int line)
{
    check_pause pause;
    if ((uintptr_t)from % n_bytes != 0)
        fault(place{file, line}, "a load of %zu bytes at an address that is no multiple of it",
                n_bytes);
    stats.n_streamed_bytes += n_bytes;
    check_stream(current, from, n_bytes, place{file, line});
}

void gkemu_set_order(gkemu_order order, uint64_t seed, unsigned n_resident)
{
    set_order(order, seed, n_resident);
}

gkemu_stats gkemu_take_stats()
{
    gkemu_stats taken = stats;
    stats = gkemu_stats{};
    return taken;
}
