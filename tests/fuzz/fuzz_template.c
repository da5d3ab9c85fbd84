/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_template.c - templates: the first line is the value of every field, the rest the
 * template.  What compiles renders or says why; no render is longer than its maximum.
 */
#include <letterwing/bulk.h>

#include "base/base.h"

#include <stdlib.h>

#define MAX_BYTES 4096

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
check_fields(const lw_template *t, const char **names)
{
    for (size_t i = 0; i < lw_template_n_fields(t); i++) {
        const lw_template_field *f = lw_template_field_at(t, i);

        names[i] = f->name;
        must(f->line > 0 && f->column > 0);
        must(f->name[0] != '\0' && strlen(f->name) <= LW_TEMPLATE_NAME);
        for (size_t k = 0; k < i; k++)
            must(strcmp(names[k], names[i]) != 0);
    }
}

static void
check_render(lw_template *t, lw_span value)
{
    const char *names[LW_TEMPLATE_FIELDS];
    lw_span values[LW_TEMPLATE_FIELDS], out;
    size_t n = lw_template_n_fields(t);
    lw_error err = { .code = LW_OK };
    lw_code rc;

    check_fields(t, names);
    must(lw_template_bind(t, names, n, &err) == LW_OK);
    for (size_t i = 0; i < n; i++)
        values[i] = i % 3 == 2 ? LW_NO_SPAN : value;
    rc = lw_template_render(t, values, n, &out, &err);
    must(rc == LW_OK || (rc == err.code && err.text[0] != '\0'));
    must(rc == LW_OK || rc == LW_EMESSAGE || rc == LW_ELIMIT);
    must(out.len <= MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_span all = { (const char *)data, size }, value;
    lw_error err = { .code = LW_OK };
    lw_template_opts o;
    lw_template *t;
    lw_code rc;

    if (size == 0 || !lw_span_token(&all, '\n', &value))
        return 0;
    lw_template_opts_init(&o);
    o.escape = (lw_template_escape)(value.len % 3);
    o.max_bytes = MAX_BYTES;
    rc = lw_template_new(&o, all, &t, &err);
    must(rc == LW_OK || rc == LW_EMESSAGE || rc == LW_ELIMIT);
    must(rc == LW_OK || err.text[0] != '\0');
    if (rc == LW_OK)
        check_render(t, value);
    lw_template_free(t);
    return 0;
}
