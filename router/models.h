/*
 * models.h - the local models: what their files say and how each stands in memory. Plain state
 * that the core changes: model files come from the scan (scan.h), phases from the engines.
 */
#ifndef ROUTER_MODELS_H
#define ROUTER_MODELS_H

#include "engine/base.h"
#include "engine/memory.h"

struct model_file;

enum model_phase {
    MODEL_UNLOADED,
    MODEL_WAITING, /* to be loaded: its engine has not begun */
    MODEL_LOADING,
    MODEL_READY,
    MODEL_ENDING, /* on its way out of memory */
    MODEL_FAILED,
    MODEL_PHASE_COUNT
};

struct model_state {
    int endpoint; /* index of a local one that names a file; -1: no endpoint names it */
    struct model_file *file; /* NULL: not looked at yet */
    bool is_seen;            /* by the running scan */
    enum model_phase phase;
    float fraction;           /* loading: done; negative: not known */
    char why[ERR_TEXT_BYTES]; /* unloaded: why it is no longer there, ""; failed: the error;
                                 ready: where it runs */
    uint64_t used_ns;         /* when it was loaded or an answer ended last */
    uint64_t need_bytes;      /* in memory: file and KV cache; 0: not known */
};

struct models {
    struct model_state *all;
    size_t n;
    bool is_scanning, was_scanned;
    struct memory memory; /* as told last */
};

/* Why it cannot be loaded: it was tried, or its head says so; NULL: nothing is known. */
const char *model_fault(const struct model_state *m);

#endif
