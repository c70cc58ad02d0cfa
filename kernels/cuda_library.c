/* cuda_library.c - see cuda_library.h. */
#include "kernels/cuda_library.h"

#include <dlfcn.h>
#include <stdio.h>

const struct cuda_library *cuda_library_load(const char *path, char *why, size_t n)
{
    cuda_library_entry *entry = NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(why, n, "the CUDA backend cannot be loaded: %s", dlerror());
        return NULL;
    }
    *(void **)&entry = dlsym(handle, CUDA_LIBRARY_SYMBOL); /* as POSIX has it */
    const struct cuda_library *library = entry ? entry(CUDA_LIBRARY_ABI) : NULL;
    if (!library)
        snprintf(why, n, "%s is not a CUDA backend of this version of shunt", path);
    return library;
}
