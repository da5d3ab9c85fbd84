/* SPDX-License-Identifier: MIT */
/* base/error.c - codes, stages and outcomes by name; the one place that writes sentences */
#include "base/base.h"

#include <stdio.h>

const char *
lw_version(void)
{
    return LW_VERSION;
}

const char *
lw_code_name(lw_code code)
{
    switch (code) {
#define NAME(name, value, text) case LW_##name: return #name;
        LW_CODE_MAP(NAME)
#undef NAME
    }
    return "?";
}

const char *
lw_code_text(lw_code code)
{
    switch (code) {
#define TEXT(name, value, text) case LW_##name: return text;
        LW_CODE_MAP(TEXT)
#undef TEXT
    }
    return "unknown result";
}

const char *
lw_stage_name(lw_stage stage)
{
    switch (stage) {
#define NAME(name, text) case LW_STAGE_##name: return text;
        LW_STAGE_MAP(NAME)
#undef NAME
    }
    return "?";
}

const char *
lw_outcome_name(lw_outcome outcome)
{
    switch (outcome) {
#define NAME(name, text) case LW_OUTCOME_##name: return text;
        LW_OUTCOME_MAP(NAME)
#undef NAME
    }
    return "?";
}

const lw_error lw_error_of_null = { .code = LW_EUSAGE,
                                    .text = "the object was NULL" };

void
lw_error_clear(lw_error *err)
{
    if (err == NULL)
        return;
    memset(err, 0, offsetof(lw_error, text));
    err->text[0] = '\0';
}

void
lw_print_safe(char *dst, size_t cap, lw_span src)
{
    size_t used = 0, i = 0;

    if (cap == 0)
        return;
    while (i < src.len) {
        uint32_t cp = 0;
        size_t n = lw_utf8_next((lw_span){ src.ptr + i, src.len - i }, &cp);
        bool shown = n > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0);
        size_t step = n == 0 ? 1 : n;
        if (used + (shown ? n : 1) >= cap)
            break;
        if (shown)
            memcpy(dst + used, src.ptr + i, n);
        else
            dst[used] = src.ptr[i] == '\n' || src.ptr[i] == '\t' ? ' ' : '?';
        used += shown ? n : 1;
        i += step;
    }
    dst[used] = '\0';
}

lw_code
lw_vfail(lw_error *err, lw_code code, lw_stage stage, const char *fmt, va_list ap)
{
    char raw[LW_ERROR_TEXT_MAX];
    int n;

    if (err == NULL)
        return code;
    lw_error_clear(err);
    err->code = code;
    err->stage = stage;
    n = vsnprintf(raw, sizeof raw, fmt, ap);
    if (n < 0)
        n = 0;
    if ((size_t)n >= sizeof raw)
        n = (int)sizeof raw - 1;
    lw_print_safe(err->text, sizeof err->text, (lw_span){ raw, (size_t)n });
    return code;
}

lw_code
lw_fail(lw_error *err, lw_code code, lw_stage stage, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    lw_vfail(err, code, stage, fmt, ap);
    va_end(ap);
    return code;
}
