/* SPDX-License-Identifier: MIT */
/* cli/options.c - a table of options parsed with getopt_long */
#include "cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 80
#define HELP_VALUE 1000 /* letters are below, table places start here */

void
cli_list_add(cli_list *l, const char *item)
{
    const char **grown = realloc(l->items, (l->n + 1) * sizeof *grown);

    if (grown == NULL) {
        cli_error(EX_OSERR, "out of memory");
        exit(EX_OSERR);
    }
    l->items = grown;
    l->items[l->n++] = item;
}

void
cli_list_free(cli_list *l)
{
    free(l->items);
    *l = (cli_list){ NULL, 0 };
}

char *
cli_copy(const char *s)
{
    char *out = strdup(s);

    if (out == NULL) {
        cli_error(EX_OSERR, "out of memory");
        exit(EX_OSERR);
    }
    return out;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
}

bool
cli_is(const char *s, size_t n, const char *word)
{
    if (strlen(word) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (lower(s[i]) != lower(word[i]))
            return false;
    }
    return true;
}

char *
cli_hide_url_password(char *url)
{
    char *out = cli_copy(url);
    char *start = strstr(url, "://"), *end, *colon;

    start = start == NULL ? url : start + 3; /* who forgets the scheme has a secret too */
    end = start + strcspn(start, "/?#");
    while (end > start && *end != '@')
        end--;
    colon = memchr(start, ':', (size_t) (end - start));
    for (char *p = colon; p != NULL && ++p < end;)
        *p = '*';
    return out;
}

/* optimal string alignment distance, so that swapped letters count once; words are short */
static size_t
distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), rows[3][40];

    if (la >= 40 || lb >= 40)
        return 99;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = up[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = up[j] + 1 < row[j] ? up[j] + 1 : row[j];
            row[j] = row[j - 1] + 1 < row[j] ? row[j - 1] + 1 : row[j];
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]
                && up2[j - 2] + 1 < row[j])
                row[j] = up2[j - 2] + 1;
        }
    }
    return rows[la % 3][lb];
}

const char *
cli_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t best = 3, d;
    const char *near = NULL;

    for (size_t i = 0; i < n; i++) {
        d = distance(word, candidates[i]);
        if (d < best && d < strlen(word)) {
            best = d;
            near = candidates[i];
        }
    }
    return near;
}

int
cli_check_word(const char *option, const char *value)
{
    for (const char *p = value; p != NULL && *p != '\0'; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f)
            return cli_error(EX_USAGE, "--%s: the value holds a control character", option);
    }
    return CLI_GO_ON;
}

/* what getopt_long calls it */
static int
argument_of(const cli_option *o)
{
    if (o->kind == CLI_MAYBE || o->kind == CLI_MAYBE_NUMBER)
        return optional_argument;
    return o->kind == CLI_FLAG || o->kind == CLI_COUNT ? no_argument : required_argument;
}

/* digits with at most three decimals, as thousandths; no locale */
static bool
parse_milli(const char *s, uint64_t *out)
{
    uint64_t n = 0, unit = 1000;
    bool has_digit = false, after_dot = false;

    for (; *s != '\0'; s++) {
        if (*s == '.' && !after_dot) {
            after_dot = true;
        } else if (*s >= '0' && *s <= '9' && n < UINT64_C(1) << 50) {
            has_digit = true;
            if (after_dot && unit == 1)
                return false;
            n = n * 10 + (uint64_t) (*s - '0');
            unit = after_dot ? unit / 10 : unit;
        } else {
            return false;
        }
    }
    *out = n * unit;
    return has_digit && *out > 0;
}

bool
cli_parse_seconds(const char *s, uint64_t *ms)
{
    return parse_milli(s, ms) && *ms <= 4000000000u;
}

static int
bad_value(const cli_page *page, const cli_option *o, const char *value, const char *what)
{
    return cli_error(EX_USAGE, "%s: --%s \"%s\" is not %s", page->name, o->name, value,
                     what);
}

static int
store(const cli_page *page, const cli_option *o, void *target, char *value)
{
    void *slot = (char *) target + o->offset;
    uint64_t milli;

    switch (o->kind) {
    case CLI_FLAG:
        *(bool *) slot = true;
        return CLI_GO_ON;
    case CLI_COUNT:
        ++*(int *) slot;
        return CLI_GO_ON;
    case CLI_TEXT:
        *(const char **) slot = value;
        return CLI_GO_ON;
    case CLI_MAYBE:
        *(const char **) slot = value == NULL ? "" : value;
        return CLI_GO_ON;
    case CLI_SECRET:
        *(char **) slot = cli_copy(value);
        memset(value, '*', strlen(value));
        return CLI_GO_ON;
    case CLI_LIST:
        cli_list_add(slot, value);
        return CLI_GO_ON;
    case CLI_URLS:
        cli_list_add(slot, cli_hide_url_password(value));
        return CLI_GO_ON;
    case CLI_MAYBE_NUMBER:
        if (value == NULL) {
            *(uint64_t *) slot = 1;
            return CLI_GO_ON;
        }
        /* fall through */
    case CLI_NUMBER:
        if (!parse_milli(value, &milli) || strchr(value, '.') != NULL)
            return bad_value(page, o, value, "a whole number above 0");
        *(uint64_t *) slot = milli / 1000;
        return CLI_GO_ON;
    case CLI_SECONDS:
        if (!cli_parse_seconds(value, slot))
            return bad_value(page, o, value, "a number of seconds above 0");
        return CLI_GO_ON;
    case CLI_HEADING:
    case CLI_END:
        break;
    }
    return EX_SOFTWARE;
}

/* what getopt_long calls '?': unknown, ambiguous, or a value for a flag */
static int
unknown(const cli_page *page, char **argv)
{
    const char *names[MAX_OPTIONS], *given, *near, *equals;
    char word[40] = "";
    size_t n = 0;

    if (optopt != 0 && optopt < HELP_VALUE && optopt != 'h')
        return cli_error(EX_USAGE, "%s: unknown option -%c: see letterwing %s --help",
                         page->name, optopt, page->name);
    given = argv[optind - 1];
    if (optopt >= HELP_VALUE)
        return cli_error(EX_USAGE, "%s: %s takes no value", page->name, given);
    for (const cli_option *o = page->options; o->kind != CLI_END; o++) {
        if (o->kind != CLI_HEADING && n < MAX_OPTIONS)
            names[n++] = o->name;
    }
    equals = strchr(given, '=');
    snprintf(word, sizeof word, "%.*s", equals ? (int) (equals - given - 2) : 39, given + 2);
    near = cli_nearest(word, names, n);
    if (near != NULL)
        return cli_error(EX_USAGE, "%s: unknown option --%s: did you mean --%s?", page->name,
                         word, near);
    return cli_error(EX_USAGE, "%s: unknown option --%s: see letterwing %s --help",
                     page->name, word, page->name);
}

typedef struct getopt_tables {
    struct option longs[MAX_OPTIONS + 2];
    char shorts[MAX_OPTIONS * 2 + 4];
} getopt_tables;

static void
make_tables(const cli_page *page, getopt_tables *t)
{
    size_t n = 0, s = 0;

    memset(t, 0, sizeof *t);
    t->shorts[s++] = ':';
    t->shorts[s++] = 'h';
    for (const cli_option *o = page->options; o->kind != CLI_END; o++) {
        if (o->kind == CLI_HEADING || n >= MAX_OPTIONS)
            continue;
        t->longs[n++] = (struct option){ o->name,
                                         argument_of(o),
                                         NULL, HELP_VALUE + 1 + (int) (o - page->options) };
        if (o->letter == 0)
            continue;
        t->shorts[s++] = o->letter;
        if (argument_of(o) == required_argument)
            t->shorts[s++] = ':';
    }
    t->longs[n] = (struct option){ "help", no_argument, NULL, HELP_VALUE };
}

static const cli_option *
option_of(const cli_page *page, int value)
{
    if (value > HELP_VALUE)
        return &page->options[value - HELP_VALUE - 1];
    for (const cli_option *o = page->options; o->kind != CLI_END; o++) {
        if (o->letter != 0 && o->letter == value)
            return o;
    }
    return NULL;
}

int
cli_parse(const cli_page *page, int argc, char **argv, void *target, cli_list *positional)
{
    getopt_tables tables;
    int value, rc;

    make_tables(page, &tables);
    optind = 0; /* start anew, glibc's way; the BSDs need optreset and 1 */
    opterr = 0;
    while ((value = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        const cli_option *o = option_of(page, value);

        if (value == 'h' || value == HELP_VALUE) {
            cli_help_page(page);
            return EX_OK;
        }
        if (value == ':')
            return cli_error(EX_USAGE, "%s: %s needs a value", page->name, argv[optind - 1]);
        if (value == '?' || o == NULL)
            return unknown(page, argv);
        if ((rc = store(page, o, target, optarg)) != CLI_GO_ON)
            return rc;
    }
    for (; optind < argc; optind++)
        cli_list_add(positional, argv[optind]);
    return CLI_GO_ON;
}

void
cli_release(const cli_page *page, void *target)
{
    for (const cli_option *o = page->options; o->kind != CLI_END; o++) {
        void *slot = (char *) target + o->offset;
        cli_list *l = slot;

        if (o->kind == CLI_SECRET)
            cli_wipe(*(char **) slot);
        for (size_t i = 0; o->kind == CLI_URLS && i < l->n; i++)
            cli_wipe((char *) l->items[i]);
        if (o->kind == CLI_LIST || o->kind == CLI_URLS)
            cli_list_free(l);
    }
}

int
cli_one_url(const cli_page *page, cli_list *positional, char **url)
{
    const char *given = getenv("LETTERWING_URL");
    size_t n = positional->n;

    if (n == 1)
        *url = cli_hide_url_password((char *) positional->items[0]);
    else if (n == 0 && given != NULL && given[0] != '\0')
        *url = cli_copy(given);
    cli_list_free(positional);
    if (*url == NULL)
        return cli_error(EX_USAGE, "%s: name one server, as in letterwing %s "
                                   "smtp://mail.example.com", page->name, page->name);
    return CLI_GO_ON;
}
