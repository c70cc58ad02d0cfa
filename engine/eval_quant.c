/* eval_quant.c - see eval_quant.h. Some hundred blocks at a time, so that any length of input
 * passes; what ends inside a block is refused behind the whole ones. */
#include "engine/eval_quant.h"

#include <string.h>

#include "kernels/quant.h"

#define CHUNK_BLOCKS 256

static const struct quant_traits *find_type(const char *name)
{
    for (size_t i = 0; i < QUANT_COUNT; i++)
        if (strcmp(quant_traits[i].name, name) == 0)
            return &quant_traits[i];
    return NULL;
}

static enum status refuse_type(const char *name, struct err *err)
{
    struct buf known;
    buf_init(&known, ERR_TEXT_BYTES);
    for (size_t i = 0; i < QUANT_COUNT; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", quant_traits[i].name);
    err_set(err, ERR_USAGE, "no type \"%s\"; there are %s", name, buf_text(&known));
    buf_release(&known);
    return ERR_USAGE;
}

static enum status decode_all(
        const struct quant_traits *traits, FILE *in, FILE *out, struct err *err)
{
    size_t chunk_bytes = (size_t)CHUNK_BLOCKS * traits->block_bytes, n_bytes;
    char *blocks = mem_alloc(chunk_bytes);
    float *values = mem_alloc((size_t)CHUNK_BLOCKS * traits->block_elems * sizeof *values);
    enum status status = OK;
    while (status == OK && (n_bytes = fread(blocks, 1, chunk_bytes, in)) > 0) {
        size_t n = n_bytes / traits->block_bytes * traits->block_elems;
        traits->decode(blocks, values, n);
        if (fwrite(values, sizeof *values, n, out) != n)
            status = err_set(err, ERR_IO, "cannot write the values");
        else if (n_bytes % traits->block_bytes)
            status = err_set(err, ERR_FORMAT,
                    "the input ends %zu bytes into a block of %s, which has %u",
                    n_bytes % traits->block_bytes, traits->name, traits->block_bytes);
    }
    if (status == OK && ferror(in))
        status = err_set(err, ERR_IO, "cannot read standard input");
    if (status == OK && fflush(out) != 0)
        status = err_set(err, ERR_IO, "cannot write the values");
    mem_free(values);
    mem_free(blocks);
    return status;
}

enum status eval_quant(const char *type, FILE *in, FILE *out, struct err *err)
{
    const struct quant_traits *traits = find_type(type);
    return traits ? decode_all(traits, in, out, err) : refuse_type(type, err);
}
