/* memory.c - see memory.h. The kernel writes /proc/meminfo anew for each reader: no disk. */
#include "engine/memory.h"

#include "engine/base.h"

static uint64_t take_kb(struct slice line)
{
    uint64_t n_kb = 0;
    slice_cut(&line, ':');
    line = slice_trim(line);
    return slice_to_u64(slice_cut(&line, ' '), &n_kb) ? n_kb * 1024 : 0;
}

struct memory memory_read(void)
{
    struct memory m = {0};
    struct buf text;
    if (file_read(&text, "/proc/meminfo", 1 << 16, NULL) != OK)
        return m;
    for (struct slice rest = buf_slice(&text), line; rest.ptr;) {
        line = slice_cut(&rest, '\n');
        if (slice_has_prefix(line, "MemTotal:"))
            m.total_bytes = take_kb(line);
        else if (slice_has_prefix(line, "MemAvailable:"))
            m.available_bytes = take_kb(line);
    }
    buf_release(&text);
    return m;
}
