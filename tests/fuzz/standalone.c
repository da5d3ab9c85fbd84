/* SPDX-License-Identifier: MIT */
/*
 * standalone.c - runs a fuzz target over files, without a fuzzer
 *
 * Each file of the folders given, and each beginning of a file of at most 2,048 octets, goes
 * to LLVMFuzzerTestOneInput in memory of exactly its size, so that a sanitizer sees a read
 * past the end.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20, PREFIX_MAX = 2048 };

static unsigned long n_runs;

static void
run_exactly(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_runs++;
}

static bool
run_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *f = fopen(path, "rb");
    size_t size;

    if (f == NULL) {
        perror(path);
        return false;
    }
    size = fread(data, 1, sizeof data, f);
    fclose(f);
    if (size <= PREFIX_MAX)
        for (size_t n = 0; n < size; n++)
            run_exactly(data, n);
    run_exactly(data, size);
    return true;
}

static bool
run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[4096];
    bool ok = dir != NULL;

    if (dir == NULL)
        perror(folder);
    while (ok && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        ok = run_file(path);
    }
    if (dir != NULL)
        closedir(dir);
    return ok;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!run_folder(argv[i]))
            return 1;
    printf("%lu inputs\n", n_runs);
    return n_runs > 0 ? 0 : 1;
}
