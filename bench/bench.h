/* SPDX-License-Identifier: MIT */
/* bench.h - what the measuring programs share: a stopwatch, a file, one line of result */
#ifndef LW_BENCH_BENCH_H
#define LW_BENCH_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

typedef struct stopwatch {
    double wall, cpu;
} stopwatch;

static inline stopwatch
look_at_clock(void)
{
    struct timespec t;
    struct rusage r;

    clock_gettime(CLOCK_MONOTONIC, &t);
    getrusage(RUSAGE_SELF, &r);
    return (stopwatch){ (double)t.tv_sec + (double)t.tv_nsec / 1e9,
                        (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
                            (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6 };
}

/* The line that bench/harness.py reads; gives the exit status. */
static inline int
print_result(stopwatch since, long wanted, long sent)
{
    stopwatch now = look_at_clock();

    printf("{\"messages\":%ld,\"seconds\":%.6f,\"cpu\":%.6f}\n", sent,
           now.wall - since.wall, now.cpu - since.cpu);
    return sent == wanted ? 0 : 1;
}

/* A whole file, NUL after its end; the process ends soon, nobody frees it. */
static inline char *
load_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text;
    long size;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 ||
        (text = malloc((size_t)size + 1)) == NULL) {
        perror(path);
        exit(66);
    }
    rewind(f);
    *len = fread(text, 1, (size_t)size, f);
    text[*len] = '\0';
    fclose(f);
    return text;
}

#endif
