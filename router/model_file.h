/* model_file.h - a model file as the scan (scan.h) found it. */
#ifndef ROUTER_MODEL_FILE_H
#define ROUTER_MODEL_FILE_H

#include "engine/model_facts.h"

struct model_file {
    int endpoint; /* that names it; -1: none */
    char *path;
    struct model_facts facts;
};
struct model_file *model_file_new(int endpoint, const char *path);
void model_file_free(struct model_file *file);

#endif
