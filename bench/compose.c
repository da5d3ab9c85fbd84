/* SPDX-License-Identifier: MIT */
/*
 * bench/compose.c KIND N [FILE] - CPU time of composing, and how many allocations a message takes
 *
 * KIND: small (a text message, N times; FILE or 1 KiB), or one message with N parts, recipients, octets
 * of a header, or MiB of an attachment: parts, recipients, header, attachment.  It is written to
 * nothing.  The work of a kind grows linearly in N (linear.py counts it).
 */
#include "bench.h"

#include <letterwing/letterwing.h>
#include <string.h>

static size_t n_allocations;
static const char *text; /* of small */
static stopwatch since;

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

static const char *
some_text(void)
{
    static char lines[1024];

    memset(lines, 'x', sizeof lines);
    for (size_t i = 63; i < sizeof lines; i += 64)
        lines[i] = '\n';
    lines[sizeof lines - 1] = '\0';
    return lines;
}

static size_t
small(size_t n)
{
    size_t octets = 0;

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

static size_t
attachment(size_t n)
{
    lw_message *m = begin();
    char *octets = malloc(n << 20);

    if (octets == NULL)
        exit(1);
    for (size_t i = 0; i < n << 20; i++)
        octets[i] = (char)(i * 7);
    since = look_at_clock();
    lw_message_to(m, "bob@example.org");
    lw_message_attach_memory(m, octets, n << 20, &(lw_attachment){ .name = "a.bin" });
    return finish(m); /* the process ends soon, nobody frees the octets */
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t (*run)(size_t n);
    } kinds[] = { { "small", small }, { "parts", parts }, { "recipients", recipients },
                  { "header", header }, { "attachment", attachment } };
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, len;

    text = argc > 3 ? load_file(argv[3], &len) : some_text();
    for (size_t i = 0; n > 0 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        since = look_at_clock();
        size_t octets = kinds[i].run(n);
        double us = (look_at_clock().cpu - since.cpu) * 1e6;
        printf("%s %zu: %.2f us of CPU each, %.2f allocations each, %zu octets\n", argv[1], n,
               us / (double)n, (double)n_allocations / (double)n, octets);
        return print_result(since, (long)n, (long)n);
    }
    fprintf(stderr, "usage: compose small|parts|recipients|header|attachment N [FILE]\n");
    return 64;
}
