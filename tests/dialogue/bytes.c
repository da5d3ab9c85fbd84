/* SPDX-License-Identifier: MIT */
/* tests/dialogue/bytes.c - growing octets, and the escapes of a script both ways */
#include "dialogue/bytes.h"

#include <stdarg.h>

enum { REPEAT_MAX = 1 << 20, SHOW_RUN = 24 };

void
bytes_add(bytes *b, const void *p, size_t n)
{
    if (b->cap - b->len <= n) {
        b->cap = (b->len + n + 1) * 2;
        if ((b->ptr = realloc(b->ptr, b->cap)) == NULL)
            abort();
    }
    if (n > 0)
        memcpy(b->ptr + b->len, p, n);
    b->len += n;
    b->ptr[b->len] = '\0';
}

void
bytes_printf(bytes *b, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line)
        abort();
    bytes_add(b, line, (size_t)n);
}

void
bytes_free(bytes *b)
{
    free(b->ptr);
    *b = (bytes){ NULL, 0, 0 };
}

static void
show_octet(bytes *b, char c)
{
    static const char names[] = "r\rn\nt\t\\\\\"\"";

    for (size_t i = 0; names[i] != '\0'; i += 2)
        if (names[i + 1] == c) {
            bytes_printf(b, "\\%c", names[i]);
            return;
        }
    if ((unsigned char)c < 0x20 || (unsigned char)c > 0x7e)
        bytes_printf(b, "\\x%02x", (unsigned)(unsigned char)c);
    else
        bytes_add(b, &c, 1);
}

void
bytes_show(bytes *b, const char *p, size_t n)
{
    for (size_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && p[i + run] == p[i];)
            run++;
        if (run > SHOW_RUN)
            bytes_printf(b, "\\{%zu*", run);
        for (size_t k = 0; k < (run > SHOW_RUN ? 1 : run); k++)
            show_octet(b, p[i]);
        if (run > SHOW_RUN)
            bytes_add(b, "}", 1);
    }
}

bool
parse_number(const char *s, uint64_t *value)
{
    return lw_span_uint(lw_span_str(s), UINT64_MAX, value);
}

/* ---- reading ------------------------------------------------------------------------- */

typedef struct reader {
    bytes *out, *secrets;
    const char *p, *end;
    bool is_secret;
} reader;

static const char *
emit(reader *r, const char *p, size_t n)
{
    char mark = r->is_secret;

    bytes_add(r->out, p, n);
    for (size_t i = 0; r->secrets != NULL && i < n; i++)
        bytes_add(r->secrets, &mark, 1);
    return NULL;
}

static int
hex_digit(char c)
{
    if (lw_is_digit(c))
        return c - '0';
    c = lw_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *
read_hex(reader *r)
{
    int high = r->p < r->end ? hex_digit(r->p[0]) : -1;
    int low = r->end - r->p > 1 ? hex_digit(r->p[1]) : -1;
    char c = (char)(high * 16 + low);

    if (high < 0 || low < 0)
        return "\\x needs two hexadecimal digits";
    r->p += 2;
    return emit(r, &c, 1);
}

/* {N*text}: text may hold escapes, but no further run */
static const char *
read_run(reader *r)
{
    const char *star = memchr(r->p, '*', (size_t)(r->end - r->p));
    const char *close = memchr(r->p, '}', (size_t)(r->end - r->p));
    bytes once = { NULL, 0, 0 };
    const char *why;
    uint64_t count;
    bool no_end;

    if (star == NULL || close == NULL || star > close ||
        !lw_span_uint((lw_span){ r->p, (size_t)(star - r->p) }, REPEAT_MAX, &count))
        return "a run is written \\{COUNT*text}";
    why = bytes_unescape(&once, NULL, star + 1, (size_t)(close - star) - 1, &no_end);
    for (uint64_t i = 0; why == NULL && i < count; i++)
        emit(r, once.ptr, once.len);
    bytes_free(&once);
    r->p = close + 1;
    return why;
}

static const char *
read_escape(reader *r)
{
    char c = *r->p++;

    switch (c) {
    case 'r': return emit(r, "\r", 1);
    case 'n': return emit(r, "\n", 1);
    case 't': return emit(r, "\t", 1);
    case 's': return emit(r, " ", 1);
    case '0': return emit(r, "\0", 1);
    case '\\': return emit(r, "\\", 1);
    case '"': return emit(r, "\"", 1);
    case 'x': return read_hex(r);
    case '{': return read_run(r);
    case '<':
    case '>':
        if (r->secrets == NULL)
            return "\\< and \\> mark secrets in lines that the client engine sends";
        r->is_secret = c == '<';
        return NULL;
    default: return "unknown escape";
    }
}

const char *
bytes_unescape(bytes *b, bytes *secrets, const char *p, size_t n, bool *no_end)
{
    reader r = { b, secrets, p, p + n, false };
    const char *why = NULL;

    *no_end = false;
    bytes_add(b, "", 0);
    while (why == NULL && r.p < r.end) {
        char c = *r.p++;
        if (c != '\\')
            emit(&r, &c, 1);
        else if (r.p == r.end)
            *no_end = true;
        else
            why = read_escape(&r);
    }
    return why;
}
