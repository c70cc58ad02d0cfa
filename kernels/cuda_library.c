/* cuda_library.c - see cuda_library.h. */
#include "kernels/cuda_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define ADVICE "name the shunt-cuda.so of this build, or leave cuda_lib empty"

/* The loader's words without the path, which they begin with. */
static const char *loader_reason(const char *path)
{
    const char *text = dlerror();
    size_t n = strlen(path);
    bool has_path = strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0;
    return has_path ? text + n + 2 : text;
}

const struct cuda_library *cuda_library_load(const char *path, char *why, size_t n)
{
    cuda_library_entry *entry = NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(why, n, "%s is not a library that can be loaded (%s): " ADVICE, path,
                loader_reason(path));
        return NULL;
    }
    *(void **)&entry = dlsym(handle, CUDA_LIBRARY_SYMBOL); /* as POSIX has it */
    const struct cuda_library *library = entry ? entry(CUDA_LIBRARY_ABI) : NULL;
    if (!library)
        snprintf(why, n, "%s is not a CUDA backend of this version of shunt: " ADVICE, path);
    return library;
}
