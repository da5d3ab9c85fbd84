/* SPDX-License-Identifier: MIT */
/* cli/charset.c - text files in other character sets become UTF-8 (iconv) */
#include "cli/cli.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

typedef struct mark {
    const char *octets;
    size_t len;
    const char *charset;
} mark;

/* what a file begins with tells its character set; the longer mark comes first */
static const mark marks[] = { { "\xff\xfe\0\0", 4, "UTF-32LE" }, { "\0\0\xfe\xff", 4, "UTF-32BE" },
                              { "\xef\xbb\xbf", 3, "UTF-8" }, { "\xff\xfe", 2, "UTF-16LE" },
                              { "\xfe\xff", 2, "UTF-16BE" } };

static const mark *
find_mark(const char *text, size_t len)
{
    for (size_t i = 0; i < CLI_COUNT_OF(marks); i++) {
        if (len >= marks[i].len && memcmp(text, marks[i].octets, marks[i].len) == 0)
            return &marks[i];
    }
    return NULL;
}

/* no character of any set has more than 4 octets of UTF-8; 0 or an errno value */
static int
convert(iconv_t cd, char *in, size_t n, char **out, size_t *len)
{
    size_t room = n * 4 + 16, left = room;
    char *p;

    if ((*out = p = malloc(room + 1)) == NULL)
        return ENOMEM;
    while (iconv(cd, &in, &n, &p, &left) == (size_t) -1 || iconv(cd, NULL, NULL, &p, &left) != 0) {
        int os_err = errno;
        size_t used = (size_t) (p - *out);
        char *grown;

        if (os_err != E2BIG) {
            free(*out);
            return os_err;
        }
        if ((grown = realloc(*out, room * 2 + 1)) == NULL) {
            free(*out);
            return ENOMEM;
        }
        p = grown + used;
        left += room;
        room *= 2;
        *out = grown;
    }
    *p = '\0';
    *len = (size_t) (p - *out);
    return 0;
}

static bool
has_prefix(const char *s, const char *prefix)
{
    return strlen(s) >= strlen(prefix) && cli_is(s, strlen(prefix), prefix);
}

static bool
is_ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char) s[i] >= 0x80)
            return false;
    }
    return true;
}

/* iconv reads UTF-8 as strictly as all others */
static int
check_utf8(const char *what, const char *path, char *text, size_t len)
{
    char *same;
    iconv_t cd;
    int os_err;

    if (is_ascii(text, len) || (cd = iconv_open("UTF-8", "UTF-8")) == (iconv_t) -1)
        return CLI_GO_ON; /* who takes the text looks at it too */
    if ((os_err = convert(cd, text, len, &same, &len)) == 0)
        free(same);
    iconv_close(cd);
    return os_err == 0 ? CLI_GO_ON
        : os_err == ENOMEM ? cli_error(EX_OSERR, "out of memory")
        : cli_error(EX_DATAERR, "%s: %s is not UTF-8: convert it, or send it with --charset latin1, "
                                "or what it is", what, path);
}

int
cli_to_utf8(const char *what, const char *path, const char *charset, char **out, size_t *len)
{
    const mark *m = find_mark(*out, *len);
    size_t skip = m == NULL ? 0 : m->len;
    char *converted, *text = *out;
    iconv_t cd;
    int os_err;

    if (m != NULL && (charset == NULL || has_prefix(charset, "utf")))
        charset = m->charset;
    else
        skip = 0;
    if (charset == NULL || cli_is(charset, strlen(charset), "utf-8")
        || cli_is(charset, strlen(charset), "utf8")) {
        memmove(text, text + skip, *len - skip + 1);
        *len -= skip;
        return check_utf8(what, path, text, *len);
    }
    *out = NULL;
    if ((cd = iconv_open("UTF-8", charset)) == (iconv_t) -1) {
        free(text);
        return cli_error(EX_USAGE, "send: --charset \"%s\" is not known here: iconv -l lists "
                                   "the names", charset);
    }
    os_err = convert(cd, text + skip, *len - skip, &converted, len);
    iconv_close(cd);
    free(text);
    if (os_err == ENOMEM)
        return cli_error(EX_OSERR, "out of memory");
    if (os_err != 0)
        return cli_error(EX_DATAERR, "%s: %s is not in the character set %s", what, path, charset);
    *out = converted;
    return CLI_GO_ON;
}
