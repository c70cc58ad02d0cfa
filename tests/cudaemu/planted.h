/*
 * planted.h - see planted.cu. All of them take the same arguments and launch on the stream:
 * out[n] and in[n] in device memory, out zero; counter zero; told[4] in mapped memory.
 */
#ifndef CUDAEMU_PLANTED_H
#define CUDAEMU_PLANTED_H

#include "kernels/gk.h"

struct planted {
    float *out;
    const float *in;
    unsigned *counter;
    uint32_t *told;
    int n; /* a multiple of 256 */
    cudaStream_t stream;
};

/* out[0] = sum of in, by one block unless said otherwise */
#define PLANTED(name) void planted_##name(planted p);
#include "planted.def"
#undef PLANTED

#endif
