/* SPDX-License-Identifier: MIT */
/* tests/dialogue/engine.c - words and looks that both sides share */
#include "dialogue/engine.h"

void
add_reply_words(words *w, const lw_reply *r)
{
    words_add(w, "%d", r->code);
    if (r->enhanced.klass != 0)
        words_add(w, "%u.%u.%u", (unsigned)r->enhanced.klass, (unsigned)r->enhanced.subject,
                  (unsigned)r->enhanced.detail);
}

const char *
parse_capabilities(const words *w, size_t from, uint32_t *flags)
{
    static const char *const names[] = {
#define NAME(name, keyword) [LW_CAP_INDEX_##name] = keyword,
        LW_CAP_MAP(NAME)
#undef NAME
    };

    for (size_t i = from; i < w->n; i++) {
        size_t k = 0;
        while (k < LW_CAP_COUNT && !word_is(w, i, names[k]))
            k++;
        if (k == LW_CAP_COUNT)
            return "offer takes EHLO keywords that the engine knows";
        *flags |= 1u << k;
    }
    return NULL;
}

bool
parse_code(const char *name, lw_code *code)
{
    static const struct { const char *name; lw_code code; } rows[] = {
#define ROW(name_, value, text) { #name_, LW_##name_ },
        LW_CODE_MAP(ROW)
#undef ROW
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        if (strcmp(name, rows[i].name) == 0) {
            *code = rows[i].code;
            return true;
        }
    return false;
}

const char *
check_want(unsigned want, const words *w)
{
    static const char *const names[] = { "read", "write", "event", "tls", "caller" };
    static char why[64];
    words got = { NULL, 0 };
    bytes shown = { NULL, 0, 0 };
    bool is_same;

    words_add(&got, "want");
    for (size_t i = 0; i < LW_COUNT(names); i++)
        if ((want >> i & 1) != 0)
            words_add(&got, "%s", names[i]);
    is_same = words_match(w, &got);
    words_show(&shown, &got);
    snprintf(why, sizeof why, "it is: %s", shown.ptr);
    bytes_free(&shown);
    words_free(&got);
    return is_same ? NULL : why;
}
