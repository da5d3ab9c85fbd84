/* SPDX-License-Identifier: MIT */
/* cli/wishes.c - the words of DSN wishes (RFC 3461), for send and sendmail */
#include "cli/cli.h"

#include <string.h>

bool
cli_parse_dsn(const char *s, unsigned *bits)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = { { "never", LW_NOTIFY_NEVER }, { "success", LW_NOTIFY_SUCCESS },
                  { "failure", LW_NOTIFY_FAILURE }, { "delay", LW_NOTIFY_DELAY } };

    *bits = 0;
    for (size_t n; *s != '\0'; s += n + (s[n] == ',')) {
        size_t i = 0;

        n = strcspn(s, ",");
        while (i < CLI_COUNT_OF(words) && !cli_is(s, n, words[i].word))
            i++;
        if (i == CLI_COUNT_OF(words))
            return false;
        *bits |= words[i].bit;
    }
    return *bits != 0 && (*bits == LW_NOTIFY_NEVER || !(*bits & LW_NOTIFY_NEVER));
}

bool
cli_parse_ret(const char *s, lw_ret *ret)
{
    bool is_full = cli_is(s, strlen(s), "full");

    if (!is_full && !cli_is(s, strlen(s), "hdrs"))
        return false;
    *ret = is_full ? LW_RET_FULL : LW_RET_HDRS;
    return true;
}
