/* SPDX-License-Identifier: MIT */
/*
 * bench/compose.c KIND N - CPU time of composing, and how many allocations a message takes
 *
 * KIND: small (a text message of 1 KiB, N times), or one message with N parts, recipients, or
 * octets of a header: parts, recipients, header.  Prints one line; the work of a kind grows
 * linearly in N (see the instruction counts of valgrind --tool=callgrind).
 */
#include <letterwing/letterwing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t n_allocations;

static void *
resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (n == 0) {
        free(p);
        return NULL;
    }
    n_allocations++;
    return realloc(p, n);
}

static const lw_alloc counting = { resize, NULL };

static lw_code
count(void *ctx, const char *p, size_t n)
{
    (void)p;
    *(size_t *)ctx += n;
    return LW_OK;
}

static lw_message *
begin(void)
{
    lw_message *m = lw_message_new_with(&counting);

    lw_message_from(m, "Ann Example <ann@example.com>");
    lw_message_subject(m, "The report of this week");
    return m;
}

static size_t
finish(lw_message *m)
{
    size_t octets = 0;
    lw_error err;

    if (lw_message_write(m, count, &octets, &err) != LW_OK) {
        fprintf(stderr, "compose: %s\n", err.text);
        exit(1);
    }
    lw_message_free(m);
    return octets;
}

static size_t
small(size_t n)
{
    char text[1024];
    size_t octets = 0;

    memset(text, 'x', sizeof text);
    for (size_t i = 63; i < sizeof text; i += 64)
        text[i] = '\n';
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < n; i++) {
        lw_message *m = begin();
        lw_message_to(m, "Bob <bob@example.org>");
        lw_message_header(m, "X-Campaign", "42");
        lw_message_text(m, text);
        octets = finish(m);
    }
    return octets;
}

static size_t
parts(size_t n)
{
    lw_message *m = begin();

    lw_message_to(m, "bob@example.org");
    for (size_t i = 0; i < n; i++)
        lw_message_attach_memory(m, "0123456789", 10, &(lw_attachment){ .name = "a.txt" });
    return finish(m);
}

static size_t
recipients(size_t n)
{
    lw_message *m = begin();
    char address[64];

    for (size_t i = 0; i < n; i++) {
        snprintf(address, sizeof address, "Person <p%zu@example.org>", i);
        lw_message_to(m, address);
    }
    return finish(m);
}

static size_t
header(size_t n)
{
    lw_message *m = begin();
    char *value = malloc(n + 1);

    if (value == NULL)
        exit(1);
    for (size_t i = 0; i < n; i++)
        value[i] = "w\xc3\xb6rd plain words "[i % 18];
    value[n / 18 * 18] = '\0';
    lw_message_to(m, "bob@example.org");
    lw_message_header(m, "X-Words", value);
    free(value);
    return finish(m);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t (*run)(size_t n);
    } kinds[] = { { "small", small }, { "parts", parts }, { "recipients", recipients },
                  { "header", header } };
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

    for (size_t i = 0; n > 0 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        clock_t before = clock();
        size_t octets = kinds[i].run(n);
        double us = (double)(clock() - before) * 1e6 / CLOCKS_PER_SEC;
        printf("%s %zu: %.2f us of CPU each, %.2f allocations each, %zu octets\n", argv[1], n,
               us / (double)n, (double)n_allocations / (double)n, octets);
        return 0;
    }
    fprintf(stderr, "usage: compose small|parts|recipients|header N\n");
    return 64;
}
