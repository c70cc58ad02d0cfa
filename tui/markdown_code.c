/* markdown_code.c - see markdown_code.h. */
#include "tui/markdown_code.h"

#include <md4c.h>

struct finder {
    size_t n, i_wanted;
    bool is_inside;
    struct buf *out; /* NULL: only count */
};

static int enter_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct finder *f = user;
    (void)detail;
    f->is_inside = type == MD_BLOCK_CODE;
    f->n += f->is_inside;
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    struct finder *f = user;
    (void)type, (void)detail;
    f->is_inside = false;
    return 0;
}

static int pass_span(MD_SPANTYPE type, void *detail, void *user)
{
    (void)type, (void)detail, (void)user;
    return 0;
}

static int take_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *user)
{
    struct finder *f = user;
    (void)type;
    if (f->is_inside && f->out && f->n == f->i_wanted + 1)
        buf_add(f->out, text, n);
    return 0;
}

static size_t walk(struct slice source, size_t i_wanted, struct buf *out)
{
    static const MD_PARSER parser = {0,
            MD_FLAG_TABLES | MD_FLAG_NOHTMLSPANS | MD_FLAG_NOHTMLBLOCKS, enter_block,
            leave_block, pass_span, pass_span, take_text, NULL, NULL};
    struct finder f = {.i_wanted = i_wanted, .out = out};
    if (source.n < UINT32_MAX)
        md_parse(source.ptr, (MD_SIZE)source.n, &parser, &f);
    return f.n;
}

size_t markdown_code(struct slice source, size_t *i, struct buf *out)
{
    size_t n = walk(source, 0, NULL);
    if (n == 0)
        return 0;
    *i %= n;
    walk(source, *i, out);
    if (out->n && out->ptr[out->n - 1] == '\n')
        out->ptr[--out->n] = '\0';
    return n;
}
