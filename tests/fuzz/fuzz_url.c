/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_url.c - server URLs: what is taken makes sense, what is refused says why
 *
 * A '~' stands for a secret: when the only ones lie between the first ':' behind the scheme and
 * the last '@', no refusal may show one.
 */
#include "net/net.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
check_taken(const lw_url *u)
{
    must((u->host == NULL) != (u->path == NULL));
    must((u->host == NULL) == (u->port == 0));
    if (u->host != NULL)
        must(u->host[0] != '\0' && strlen(u->host) < 400 && !lw_span_has_ctl(lw_span_str(u->host)));
    else
        must(u->path[0] == '/' && strlen(u->path) <= 107);
    must(!lw_span_has_eol(lw_span_str(u->user)) && !lw_span_has_eol(lw_span_str(u->password)));
    must(u->password == NULL || u->user != NULL);
}

static bool
is_secret_only_there(const char *text)
{
    const char *from = strstr(text, "://"), *until = strrchr(text, '@');
    const char *first = strchr(text, '~'), *last = strrchr(text, '~');

    from = from == NULL ? NULL : strchr(from + 3, ':');
    return from != NULL && until != NULL && first != NULL && first > from && last < until;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = lw_span_dup(NULL, (lw_span){ (const char *)data, size });
    lw_error err = { .code = LW_OK };
    lw_url u;
    lw_code rc;

    must(text != NULL);
    rc = lw_url_parse(NULL, text, &u, &err);
    must(rc == LW_OK || (rc == LW_ECONFIG && err.text[0] != '\0'));
    if (rc == LW_OK)
        check_taken(&u);
    else
        must(!is_secret_only_there(text) || strchr(err.text, '~') == NULL);
    lw_url_deinit(NULL, &u);
    lw_free(text);
    return 0;
}
