/* upload_cuda.cu - weights from the file into planes (repack.h), and these to where they lie.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/ops_cuda.h"

#define STAGING_BYTES ((size_t)8 << 20) /* of rows that are packed at a time */

/* Two pinned blocks: one is packed while the other one is copied. */
struct upload {
    struct cuda *c;
    unsigned char *staging[2];
    float *floats; /* of rows that change their type */
    size_t done_bytes;
    int turn;
    kernels_progress *progress;
    void *user;
};

static uint32_t rows_at_once(const struct plane_layout *layout, uint32_t n_out)
{
    size_t row_bytes = layout->slab_bytes / n_out + 1, n = STAGING_BYTES / row_bytes;
    return n < 1 ? 1 : n < n_out ? (uint32_t)n : n_out;
}

static size_t count_staging(const struct placement *p)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < p->n_weights; i++) {
        const struct placed_weight *w = &p->weights[i];
        uint32_t n_rows = rows_at_once(&w->layout, w->file.n_out);
        n_bytes = larger(n_bytes, plane_layout_of(w->quant, w->file.n_in, n_rows).slab_bytes);
    }
    return n_bytes;
}

static bool open_upload(struct upload *u)
{
    size_t n_bytes = count_staging(&u->c->placement) + DEVICE_ALIGN;
    void *ignored;
    for (int i = 0; i < 2; i++)
        if (!(u->staging[i] = (unsigned char *)device_alloc_mapped(
                      &u->c->device, n_bytes, &ignored)))
            return false;
    u->floats = (float *)calloc(1, n_bytes);
    return u->floats || cuda_fail(u->c, "no memory");
}

/* A copy from them may still run when somebody cancelled. Its failure is not the first one. */
static void close_upload(struct upload *u)
{
    cudaStreamSynchronize(u->c->device.stream);
    for (int i = 0; i < 2; i++)
        device_free(&u->c->device, u->staging[i]);
    free(u->floats);
}

/* Rows of the file's type, or as floats. */
static const void *as_placed(struct upload *u, const struct placed_weight *w,
        const unsigned char *rows, uint32_t n_rows, size_t *row_bytes)
{
    const struct weight *f = &w->file;
    *row_bytes = f->row_bytes;
    if (w->quant == f->quant)
        return rows;
    for (uint32_t i = 0; i < n_rows; i++)
        quant_traits[f->quant].decode(
                rows + i * f->row_bytes, u->floats + (size_t)i * f->n_in, f->n_in);
    *row_bytes = f->n_in * sizeof(float);
    return u->floats;
}

static bool copy_plane(struct upload *u, const struct slab *slab, const struct plane *whole,
        const struct plane *some, uint32_t row, uint32_t n_rows)
{
    size_t at = whole->offset + (size_t)row * whole->row_bytes;
    size_t n_bytes = (size_t)n_rows * some->row_bytes;
    const unsigned char *from = u->staging[u->turn] + some->offset;
    if (n_bytes == 0)
        return true;
    if (slab->is_in_host) {
        memcpy(slab->host + at, from, n_bytes);
        return true;
    }
    return device_check(&u->c->device, "cudaMemcpyAsync",
            cudaMemcpyAsync(slab->device + at, from, n_bytes, cudaMemcpyHostToDevice,
                    u->c->device.stream));
}

/* Rows of a slab of a weight, packed while the copies of the rows before run. */
static bool place_rows(struct upload *u, const struct placed_weight *w, uint32_t i_slab,
        uint32_t row, uint32_t n_rows)
{
    const struct weight *f = &w->file;
    const struct slab *slab = &u->c->placement.slabs[w->i_slab + i_slab];
    const unsigned char *rows =
            (const unsigned char *)f->data + ((size_t)i_slab * f->n_out + row) * f->row_bytes;
    struct plane_layout some = plane_layout_of(w->quant, f->n_in, n_rows);
    size_t row_bytes;
    const void *placed = as_placed(u, w, rows, n_rows, &row_bytes);
    u->turn = !u->turn;
    planes_pack(w->quant, &some, placed, row_bytes, f->n_in, n_rows, u->staging[u->turn]);
    u->done_bytes += some.slab_bytes;
    return device_wait(&u->c->device) &&
           copy_plane(u, slab, &w->layout.low, &some.low, row, n_rows) &&
           copy_plane(u, slab, &w->layout.high, &some.high, row, n_rows) &&
           copy_plane(u, slab, &w->layout.scale, &some.scale, row, n_rows);
}

static enum kernels_result place_weight(struct upload *u, const struct placed_weight *w)
{
    uint32_t at_once = rows_at_once(&w->layout, w->file.n_out), n_out = w->file.n_out;
    for (uint32_t s = 0; s < w->file.n_slabs; s++)
        for (uint32_t row = 0; row < n_out; row += at_once) {
            if (cuda_is_cancelled(u->c) ||
                    (u->progress &&
                            !u->progress(u->user, (float)((double)u->done_bytes /
                                                          (double)u->c->placement.n_bytes))))
                return KERNELS_CANCELLED;
            uint32_t n_rows = n_out - row < at_once ? n_out - row : at_once;
            if (!place_rows(u, w, s, row, n_rows))
                return KERNELS_FAILED;
        }
    return KERNELS_OK;
}

static bool place_table_and_vectors(struct cuda *c)
{
    struct placement *p = &c->placement;
    const unsigned char **table = (const unsigned char **)calloc(p->n_slabs + 1, sizeof *table);
    if (!table)
        return cuda_fail(c, "no memory");
    for (size_t i = 0; i < p->n_slabs; i++)
        table[i] = p->slabs[i].device;
    bool ok = device_upload(&c->device, p->table, table, p->n_slabs * sizeof *table);
    for (size_t i = 0; ok && i < p->n_vectors; i++)
        ok = device_upload(&c->device, p->vectors[i].device, p->vectors[i].file,
                p->vectors[i].n * sizeof(float));
    free(table);
    return ok;
}

enum kernels_result upload_weights(struct cuda *c, kernels_progress *progress, void *user)
{
    struct upload u = {};
    u.c = c;
    u.progress = progress;
    u.user = user;
    enum kernels_result result = open_upload(&u) ? KERNELS_OK : KERNELS_FAILED;
    for (size_t i = 0; i < c->placement.n_weights && result == KERNELS_OK; i++)
        result = place_weight(&u, &c->placement.weights[i]);
    if (result == KERNELS_OK && (!device_wait(&c->device) || !place_table_and_vectors(c)))
        result = KERNELS_FAILED;
    close_upload(&u);
    if (result == KERNELS_OK && progress && !progress(user, 1))
        result = KERNELS_CANCELLED;
    return result;
}
