/* backend.c - see backend.h. */
#include "engine/backend.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/cuda_library.h"
#include "kernels/kernels.h"

static const char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void backend_choice_copy(struct backend_choice *out, const struct backend_choice *choice)
{
    *out = (struct backend_choice){copy_text(choice->name), copy_text(choice->library),
            copy_text(choice->kernel), choice->gpu_bytes};
}

void backend_choice_release(struct backend_choice *copy)
{
    mem_free((char *)copy->name);
    mem_free((char *)copy->library);
    mem_free((char *)copy->kernel);
}

static bool is_named(const struct backend_choice *choice, const char *name)
{
    return choice->name && strcmp(choice->name, name) == 0;
}

enum status backend_check(const struct backend_choice *choice, struct err *err)
{
    if (!choice->name || is_named(choice, "cpu") || is_named(choice, "cuda") ||
            is_named(choice, "cuda-emu"))
        return OK;
    return err_set(err, ERR_USAGE, "there is no backend \"%s\"; use cpu or cuda", choice->name);
}

/* NAME in the program's folder, or in ../lib/shunt. */
static bool find_file(const char *name, char *out, size_t n)
{
    static const char *const folders[] = {"", "../lib/shunt/"};
    char program[4096];
    ssize_t n_program = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n_program > 0 ? n_program : 0] = '\0';
    int n_folder = (int)(strlen(program) - strlen(path_name(program)));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(out, n, "%.*s%s%s", n_folder, program, folders[i], name);
        if (access(out, R_OK) == 0)
            return true;
    }
    return false;
}

static bool is_for_cpu(const struct backend_choice *choice)
{
    return is_named(choice, "cpu") || (!choice->name && choice->kernel);
}

bool backend_wants_gpu(const struct backend_choice *choice)
{
    return !is_for_cpu(choice) && (choice->name || choice->library);
}

/* Why no library is looked for, or none is there. */
static void say_unused(const struct backend_choice *choice, char *why)
{
    snprintf(why, BACKEND_WHY_BYTES, "%s",
            is_for_cpu(choice)
                    ? "the CPU is asked for"
                    : "there is no shunt-cuda.so beside the program or in ../lib/shunt; it is "
                      "built where nvcc is, and --cuda-lib names one elsewhere");
}

/* Where the library is. False: why, which stays empty when nobody asked. */
static bool find_library(const struct backend_choice *choice, char *path, size_t n, char *why)
{
    bool is_emulated = is_named(choice, "cuda-emu");
    if (is_for_cpu(choice))
        return false;
    if (choice->library && !is_emulated) {
        /* dlopen looks for a bare name in the system's folders */
        snprintf(path, n, "%s%s", strchr(choice->library, '/') ? "" : "./", choice->library);
        return true;
    }
    if (find_file(is_emulated ? "shunt-cuda-emu.so" : "shunt-cuda.so", path, n))
        return true;
    if (is_emulated)
        snprintf(why, BACKEND_WHY_BYTES,
                "the emulated GPU is there in builds with tests only: shunt-cuda-emu.so is "
                "not beside the program");
    else if (choice->name)
        say_unused(choice, why);
    return false;
}

static const struct cuda_library *load(
        const struct backend_choice *choice, char *path, size_t n, char *why)
{
    why[0] = '\0';
    return find_library(choice, path, n, why) ? cuda_library_load(path, why, BACKEND_WHY_BYTES)
                                              : NULL;
}

bool backend_find_gpu(const struct backend_choice *choice, struct backend_gpu *out, char *why)
{
    struct cuda_device device;
    *out = (struct backend_gpu){0};
    const struct cuda_library *library = load(choice, out->library, sizeof out->library, why);
    if (!library)
        out->library[0] = '\0';
    if (!library && !why[0])
        say_unused(choice, why);
    if (!library || !library->probe(&device, why, BACKEND_WHY_BYTES))
        return false;
    out->total_bytes = device.total_bytes;
    out->free_bytes = device.free_bytes;
    out->bytes_per_s = device.bytes_per_s;
    if (library->check_cublas(out->why_no_cublas, sizeof out->why_no_cublas))
        out->why_no_cublas[0] = '\0';
    snprintf(out->name, sizeof out->name, "%s", device.name);
    utf8_make_printable(out->name);
    snprintf(out->compute, sizeof out->compute, "%d.%d", device.compute_major % 100,
            device.compute_minor % 100);
    snprintf(out->driver, sizeof out->driver, "%d.%d", device.driver_version / 1000 % 100,
            device.driver_version % 1000 / 10);
    return true;
}

/* Why there are no kernels: a name that this processor does not know, or no threads. */
static enum status refuse_kernel(const char *kernel, struct err *err)
{
    struct buf names;
    bool is_known = !kernel;
    const char *name;
    buf_init(&names, 256);
    for (int i = 0; (name = kernels_name_at(i)); i++) {
        buf_printf(&names, "%s%s", i ? " or " : "", name);
        is_known |= kernel && strcmp(kernel, name) == 0;
    }
    if (is_known)
        err_set(err, ERR_NOMEM,
                "cannot start the threads of the local engine: set fewer with `threads`");
    else
        err_set(err, ERR_UNSUPPORTED,
                "kernel \"%s\" is unknown or not supported by this processor; use %s", kernel,
                buf_text(&names));
    buf_release(&names);
    return is_known ? ERR_NOMEM : ERR_UNSUPPORTED;
}

enum status backend_open_cpu(
        struct kernels **out, const char *kernel, int n_threads, bool is_exact, struct err *err)
{
    *out = kernels_open_cpu(kernel, n_threads, is_exact);
    return *out ? OK : refuse_kernel(kernel, err);
}

enum status backend_open(struct kernels **out, const struct backend_choice *choice,
        int n_threads, bool is_exact, char *why, struct err *err)
{
    enum status status = backend_check(choice, err);
    if (status != OK)
        return status;
    char path[sizeof(((struct backend_gpu *)0)->library)];
    const struct cuda_library *library = load(choice, path, sizeof path, why);
    *out = library ? library->open(is_exact, choice->gpu_bytes, why, BACKEND_WHY_BYTES) : NULL;
    if (!*out)
        return backend_open_cpu(out, choice->kernel, n_threads, is_exact, err);
    why[0] = '\0'; /* of several devices one may have been refused */
    return OK;
}
