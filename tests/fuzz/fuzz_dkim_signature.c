/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_dkim_signature.c - the value of a DKIM-Signature: what is called valid is so
 *
 * Every span lies in the input, what is required is there, a problem has words, and the tag list
 * parses the same with a semicolon behind it.
 */
#include "dkim/dkim_int.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
must_lie_in(lw_span s, lw_span in)
{
    must(s.len == 0 || (s.ptr >= in.ptr && s.ptr + s.len <= in.ptr + in.len));
}

static void
check_valid(const lw_dkim_parsed *p, lw_span in)
{
    lw_span names = p->pub.headers, name;
    bool has_from = false;

    must(lw_dkim_is_domain(p->pub.domain) && lw_dkim_is_selector(p->pub.selector));
    must(lw_dkim_is_in_domain(p->identity_domain, p->pub.domain));
    must(p->sig_len > 0 && p->sig_len <= sizeof p->sig);
    must(p->pub.expires_s < 0 || p->pub.time_s < p->pub.expires_s);
    must(!lw_span_has_ctl(p->pub.domain) && !lw_span_has_ctl(p->pub.selector));
    must_lie_in(p->pub.domain, in);
    must_lie_in(p->pub.identity, in);
    must_lie_in(p->b_raw, in);
    while (lw_dkim_fws_token(&names, ':', &name)) {
        must(lw_dkim_is_field_name(name));
        has_from = has_from || lw_span_eq_nocase(name, LW_LIT("from"));
    }
    must(has_from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lw_dkim_parsed p;
    static lw_dkim_tags once, twice;
    lw_span in = { (const char *)data, size };
    lw_buf b;

    lw_dkim_signature_parse(&p, in);
    must(p.pub.is_valid == (p.problem == NULL));
    must(p.problem == NULL || (p.problem[0] != '\0' && p.status != LW_DKIM_PASS));
    if (p.pub.is_valid)
        check_valid(&p, in);
    if (lw_dkim_tags_parse(&once, in) != NULL)
        return 0;
    for (size_t i = 0; i < once.n; i++) {
        must_lie_in(once.items[i].raw, in);
        must(lw_dkim_tags_find(&once, "v") == NULL || once.n > 0);
    }
    lw_buf_init(&b, NULL, SIZE_MAX / 2);
    lw_buf_add(&b, in);
    lw_buf_add_char(&b, ';');
    bool had_end = size > 0 && once.items[once.n - 1].raw.ptr + once.items[once.n - 1].raw.len != in.ptr + in.len;
    if (!had_end)
        must(lw_dkim_tags_parse(&twice, lw_buf_span(&b)) == NULL && twice.n == once.n);
    lw_buf_deinit(&b);
    return 0;
}
