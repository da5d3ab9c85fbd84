/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_lint.c - any octets linted: sentences that are safe to show, the same findings in
 * every split
 */
#include "mime/read_int.h"

#include <letterwing/lint.h>

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
see(uint64_t *hash, const lw_lint_finding *f)
{
    lw_span text = lw_span_str(f->text), header = lw_span_str(f->header);

    must(text.len > 0 && lw_utf8_valid(text) && !lw_span_has_ctl(text));
    must(lw_utf8_valid(header) && !lw_span_has_ctl(header));
    for (size_t i = 0; i < text.len; i++)
        *hash = (*hash ^ (unsigned char)text.ptr[i]) * UINT64_C(1099511628211);
    *hash = (*hash ^ f->id ^ f->line << 8 ^ (uint64_t)f->part << 40) * UINT64_C(1099511628211);
}

static lw_code
lint(const uint8_t *data, size_t size, size_t piece, uint64_t *sum)
{
    const lw_lint_finding *f;
    lw_lint_opts o;
    lw_lint *l;
    lw_code rc = LW_OK;

    lw_lint_opts_init(&o);
    o.max_findings = 60;
    o.large_bytes = 1000;
    o.too_large_bytes = 2000;
    if (lw_lint_new(&o, &l) < 0)
        abort();
    for (size_t at = 0; rc >= 0 && at < size; at += piece)
        rc = lw_lint_feed(l, data + at, size - at < piece ? size - at : piece);
    rc = lw_lint_end(l);
    must(rc == LW_OK || rc == LW_ELIMIT);
    *sum = 0; /* a sum: the order of findings of one part may depend on the split */
    for (size_t i = 0; (f = lw_lint_finding_at(l, i)) != NULL; i++) {
        uint64_t hash = 1;
        must(i <= 60);
        see(&hash, f);
        *sum += hash;
    }
    for (int s = LW_LINT_NOTE; s <= LW_LINT_ERROR; s++)
        *sum = *sum * 31 + lw_lint_count(l, (lw_lint_severity)s);
    lw_lint_free(l);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t a, b;
    lw_code rc = lint(data, size, size + 1, &a);

    must(lint(data, size, size > 0 ? data[size / 2] % 31u + 1 : 1, &b) == rc);
    must(rc < 0 || a == b);
    return 0;
}
