/* replay.c - runs a fuzz target over files and folders of seeds, where no libFuzzer is. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz.h"

#define SEED_MAX_BYTES (8u << 20)

static int replay_file(const char *path)
{
    struct buf bytes;
    struct err err;
    if (file_read(&bytes, path, SEED_MAX_BYTES, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    setenv("SHUNT_SEED", path, 1); /* whose turn it is, for whoever looks at a crash */
    /* memory of just this size: what is read behind it is found */
    uint8_t *copy = mem_dup(buf_text(&bytes), bytes.n);
    LLVMFuzzerTestOneInput(copy, bytes.n);
    mem_free(copy);
    buf_release(&bytes);
    return 1;
}

static int replay(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    if (!dir)
        return replay_file(path);
    for (const struct dirent *e; (e = readdir(dir));) {
        char inside[4096];
        struct stat st;
        snprintf(inside, sizeof inside, "%s/%s", path, e->d_name);
        if (stat(inside, &st) == 0 && S_ISREG(st.st_mode))
            n += replay_file(inside);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++)
        n += replay(argv[i]);
    printf("%d seeds\n", n);
    return n > 0 ? 0 : 1;
}
