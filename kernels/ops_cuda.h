/* clang-format off */
/*
 * ops_cuda.h - inside of the CUDA backend's host part: the instance, and what its files share.
 *   ops_cuda.cu          the table of kernel_ops: records a plan, runs a batch, reads buffers
 *   place_cuda.cu        ready: the steps below in order, and the launch structs
 *   plan_cuda.cu         whether the kernels can run a plan, and what it has
 *   memory_cuda.cu       how much memory, and what lies where
 *   upload_cuda.cu       weights into planes and up
 *   batch_cuda.cu        what varies, on its way to the device; picks and samples on their way back
 *   decode_ops_cuda.cu   the steps as launches, for few tokens
 *   prefill_ops_cuda.cu  the same for many
 *   device_cuda.cu       memory, stream, errors
 *   gemm_cuda.cu         cuBLAS
 */
/* clang-format on */
#ifndef KERNELS_OPS_CUDA_H
#define KERNELS_OPS_CUDA_H

#include "kernels/cuda.h"
#include "kernels/device_cuda.h"
#include "kernels/gemm_cuda.h"

enum step_kind {
    STEP_EMBED,
    STEP_ATTN_IN,
    STEP_ATTEND,
    STEP_FFN,
    STEP_GATE,
    STEP_EXPERTS,
    STEP_LOGITS
};

/* A step as the caller said it and, after ready, as its launchers take it. */
struct plan_step {
    enum step_kind kind;
    union {
        struct embed_step embed;
        struct attn_in_step attn_in;
        struct attend_step attend;
        struct ffn_step ffn;
        struct gate_step gate;
        struct experts_step experts;
        struct logits_step logits;
    } said;
    union {
        struct cuda_embed embed;
        struct cuda_attn_in attn_in;
        struct {
            struct cuda_attend in;
            struct cuda_matvec out;
        } attend;
        struct {
            struct cuda_ffn_in in;
            struct cuda_matvec out;
        } ffn;
        struct cuda_gate gate;
        struct cuda_experts experts;
        struct {
            struct cuda_matvec out;
            struct cuda_sample sample;
        } logits;
    } cuda;
};

/* The longest of each over all steps: what buffers must hold. */
struct extents {
    uint32_t n_ff, n_expert_ff, n_experts, n_used, n_vocab;
    uint32_t n_in; /* of a dense product's input */
    size_t dequant_values;
};

/* Where activations lie; sizes are in buffers_lay. */
struct buffers {
    float *x, *q, *k, *v, *attention, *parts, *inner, *gate_logits, *logits, *sample_scratch;
    uint32_t *tickets;
    struct cuda_routes routes;
    /* of prefill: inputs of products and, but for those that go to x, q, k and v, their
     * results as values (value_cuda.cuh) */
    void *input, *inner_input, *dequant, *wide, *wide_up, *expert_rows;
    struct cuda_pairs pairs;
    void **product_ptrs; /* [3 products][n_experts][a, b, c] */
    void *workspace;     /* of cuBLAS */
};

/* Mapped memory: what the device publishes, and copies that the host takes part in. */
struct told {
    uint16_t *ids;
    float *weights, *margins;
    uint32_t *seq; /* [batch_tok][n_moe_layers] */
    struct sample *samples;
    uint32_t *sample_seq; /* [batch_tok] */
    uint32_t *pair_first;
    void **product_ptrs;
};

struct placed_weight {
    struct weight file;
    enum quant quant; /* that it has on the device */
    struct plane_layout layout;
    bool is_movable; /* may lie in host memory */
    size_t i_slab;   /* of its first slab in slabs */
};

struct placed_vector {
    const float *file;
    uint32_t n;
    float *device;
};

struct slab {
    uint32_t i_weight;
    bool is_in_host;
    unsigned char *device, *host; /* host: when it lies there */
};

struct placement {
    struct placed_weight *weights;
    struct placed_vector *vectors;
    struct slab *slabs;
    size_t n_weights, n_vectors, n_slabs, cap_weights, cap_vectors;
    const unsigned char **table; /* device: addresses of all slabs */
    size_t n_bytes, host_bytes;  /* of all weights; of those in host memory */
};

/* What varies, in one block that goes up with one copy. */
struct batch_block {
    unsigned char *host, *device;
    size_t n_bytes;
};

/* Some tokens of a batch that go through the plan together: the whole batch, or up to
 * CUDA_DECODE_TOK of its tokens and of its rows. */
struct part {
    const struct cuda_step *step; /* device */
    uint32_t first, n;            /* tokens of the batch */
    uint32_t first_row, n_rows;
};

struct gemm {
    const struct gemm_library *library; /* NULL: prefill goes through the decode kernels */
    char why[128];                      /* a sentence, when it was there and failed; or "" */
    void *handle;
    bool has_groups;
    struct group_shapes *shapes; /* gemm_cuda.cu */
};

struct cuda {
    struct kernels head;
    struct device device;
    char name[160];
    bool is_exact;
    bool is_cancelled; /* atomic */
    size_t budget_bytes;
    struct plan_size size;
    struct plan_step *steps;
    uint32_t n_steps, cap_steps;
    struct extents extents;
    struct placement placement;
    struct buffers buffers;
    struct cuda_kv *kv;            /* [n_layers] */
    struct told told, told_device; /* the same memory, as host and device see it */
    struct batch_block block;
    const struct cuda_step *step_array; /* device: the whole batch, then its parts */
    struct gemm gemm;
    uint32_t n_split_max, seq;
    bool lacks_graphs; /* one could not be captured */
    cudaGraphExec_t graphs[CUDA_DECODE_TOK + 1][CUDA_DECODE_TOK + 1][2];
    bool was_run[CUDA_DECODE_TOK + 1][CUDA_DECODE_TOK + 1][2];
};

bool cuda_fail(struct cuda *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool cuda_is_cancelled(const struct cuda *c);

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* place_cuda.cu */
enum kernels_result place_all(struct cuda *c, kernels_progress *progress, void *user);
void place_release(struct cuda *c);

/* plan_cuda.cu: checks, then fills placement and extents. */
bool plan_collect(struct cuda *c);
/* NULL: the plan has none of this data. */
struct placed_weight *plan_find_weight(const struct placement *p, const struct weight *w);

/* memory_cuda.cu: of the collected plan: cuBLAS, the batch's block, buffers, cache, weights. */
bool memory_get(struct cuda *c);

/* upload_cuda.cu */
enum kernels_result upload_weights(struct cuda *c, kernels_progress *progress, void *user);

/* batch_cuda.cu */
/* Gets the block, for any batch of sequences that share no cells; others may make it grow. */
bool batch_open(struct cuda *c);
/* Fills the block, sends it; sets step_array. */
bool batch_send(struct cuda *c, const struct kernels_batch *batch);
struct part batch_whole(const struct cuda *c, const struct kernels_batch *batch);
uint32_t batch_n_parts(const struct kernels_batch *batch);
struct part batch_part(const struct cuda *c, const struct kernels_batch *batch, uint32_t i);
/* After the run: ids, weights, margins, samples into the caller's memory. */
bool batch_take(struct cuda *c, const struct kernels_batch *batch);

/* decode_ops_cuda.cu */
/* At most CUDA_DECODE_TOK tokens and rows, all steps; as a graph from the second time on. */
bool decode_run(struct cuda *c, const struct part *whole, bool is_sampled);
void decode_drop_graphs(struct cuda *c);
bool decode_step(struct cuda *c, const struct plan_step *step, const struct part *part);
bool decode_logits(
        struct cuda *c, const struct plan_step *step, const struct part *part, bool is_sampled);

/* prefill_ops_cuda.cu */
bool prefill_step(struct cuda *c, const struct plan_step *step, const struct part *whole);
/* What a plan reads of weights; a byte of host memory counts as several of the device's. */
struct weight_traffic {
    double dense_bytes, expert_bytes;   /* in planes */
    double dense_values, expert_values; /* unpacked, in bytes */
    double unused_share;                /* of experts, by one token */
};
/* Whether n tokens move fewer bytes through cuBLAS than through decode's kernels. */
bool prefill_is_worth(const struct weight_traffic *w, uint32_t n);
struct weight_traffic prefill_traffic(const struct cuda *c);

/* gemm_cuda.cu. Weights and inputs are values (value_cuda.cuh). */
/* out[n][n_out] (+)= in[n][n_in] w[n_out][n_in]^T */
struct product {
    uint32_t n, n_in, n_out;
    const void *w, *in;
    void *out;
    bool is_added, is_value_out; /* out: values, not float */
};

/* The same for experts [expert, expert + n_experts), whose weights are w[n_experts]; in and out
 * are the rows of all pairs, sorted by expert, as told.pair_first says. */
struct expert_product {
    int which; /* of the three of a step */
    uint32_t n_in, n_out, expert, n_experts;
    const void *w, *in;
    void *out; /* values */
};

/* With buffers.workspace, and before free memory is counted: cuBLAS and what it loads take
 * some. One that does not work is given up: gemm.library is then NULL and gemm.why says it. So
 * it is when a product fails later; the caller then runs the batch anew with the decode
 * kernels. False: the device failed. */
bool gemm_open(struct cuda *c);
void gemm_close(struct cuda *c);
bool gemm_product(struct cuda *c, const struct product *p);
bool gemm_expert_products(struct cuda *c, const struct expert_product *p);

#endif
