/* SPDX-License-Identifier: MIT */
/*
 * cli/say.c - sentences for people
 *
 * What a server said may hold anything; on a terminal, control characters could move the
 * cursor, change the title or worse.  So everything goes through cli_print_span(): C0, C1,
 * DEL, broken UTF-8 and the direction marks that make text read differently become '?'.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* length of the valid UTF-8 sequence at p (RFC 3629), 0 = broken */
static size_t
utf8_next(const unsigned char *p, size_t n, uint32_t *cp)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    *cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3fu);
    }
    if (*cp < least[len] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000))
        return 0;
    return len;
}

static bool
is_harmless(uint32_t cp)
{
    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        return false;
    return !(cp >= 0x202a && cp <= 0x202e) && !(cp >= 0x2066 && cp <= 0x2069);
}

/* the length of the character at text[at], or of an octet that is none */
static size_t
next_char(lw_span text, size_t at, bool *is_shown)
{
    uint32_t cp = 0;
    size_t n = utf8_next((const unsigned char *) text.ptr + at, text.len - at, &cp);

    *is_shown = n > 0 && (is_harmless(cp) || cp == '\t');
    return n == 0 ? 1 : n;
}

void
cli_print_span(FILE *f, lw_span text)
{
    bool is_shown;
    size_t n;

    for (size_t at = 0; at < text.len; at += n) {
        n = next_char(text, at, &is_shown);
        if (is_shown)
            fwrite(text.ptr + at, 1, n, f);
        else
            fputc('?', f);
    }
}

bool
cli_is_shown_whole(lw_span text)
{
    bool is_shown = true;

    for (size_t at = 0; is_shown && at < text.len;)
        at += next_char(text, at, &is_shown);
    return is_shown;
}

static void
print_lines(FILE *f, const char *text)
{
    const char *end;

    while ((end = strchr(text, '\n')) != NULL) {
        cli_print_span(f, (lw_span){ text, (size_t) (end - text) });
        fputc('\n', f);
        text = end + 1;
    }
    cli_print_span(f, (lw_span){ text, strlen(text) });
}

void
cli_print(FILE *f, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    print_lines(f, text);
    free(text);
}

int
cli_error(int code, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fflush(stdout);
    fputs("letterwing: ", stderr);
    cli_print_span(stderr, (lw_span){ text, strlen(text) }); /* a line break becomes '?' */
    fputc('\n', stderr);
    return code;
}

int
cli_finish(int code)
{
    char text[128];

    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    cli_error(EX_IOERR, "standard output cannot be written: %s",
              strerror_r(errno, text, sizeof text));
    return code == EX_OK ? EX_IOERR : code;
}

void
cli_reply_status(char *dst, size_t cap, int code, lw_enhanced e)
{
    if (code == 0)
        snprintf(dst, cap, "%s", "");
    else if (e.klass == 0)
        snprintf(dst, cap, "%d ", code);
    else
        snprintf(dst, cap, "%d %u.%u.%u ", code, e.klass, e.subject, e.detail);
}

void
cli_time(char *dst, size_t cap, int64_t unix_ms)
{
    time_t s = (time_t) (unix_ms / 1000);
    struct tm tm;
    size_t n;

    gmtime_r(&s, &tm);
    n = strftime(dst, cap, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(dst + n, cap - n, ".%03dZ", (int) (unix_ms % 1000));
}
