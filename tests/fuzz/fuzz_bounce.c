/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_bounce.c - any octets as a delivery report: the same in every split, text that is
 * UTF-8 without controls
 */
#include "mime/read_int.h"

#include <letterwing/bounce.h>

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
see_text(uint64_t *hash, const char *s)
{
    lw_span t = lw_span_str(s);

    must(lw_utf8_valid(t) && !lw_span_has_eol(t));
    for (size_t i = 0; i <= t.len; i++)
        *hash = (*hash ^ (i < t.len ? (unsigned char)t.ptr[i] : s == NULL)) * UINT64_C(1099511628211);
}

static void
see_value(uint64_t *hash, lw_bounce_value v)
{
    must(v.text == NULL || v.type != NULL);
    see_text(hash, v.type);
    see_text(hash, v.text);
}

static void
see_rcpt(uint64_t *hash, const lw_bounce_rcpt *p)
{
    must(p->reply_code == 0 || (p->reply_code >= 200 && p->reply_code <= 599));
    must(p->status.klass == 0 || p->status.klass == 2 || p->status.klass == 4 || p->status.klass == 5);
    see_text(hash, lw_bounce_action_name(p->action));
    see_value(hash, p->original);
    see_value(hash, p->final_rcpt);
    see_value(hash, p->remote_mta);
    see_value(hash, p->diagnostic);
    see_text(hash, p->last_attempt);
    see_text(hash, p->final_log_id);
}

static lw_code
parse(const uint8_t *data, size_t size, size_t piece, uint64_t *hash)
{
    const lw_bounce_report *r = NULL;
    lw_bounce_opts o;
    lw_bounce *b;
    lw_code rc = LW_OK;

    *hash = 1;
    lw_bounce_opts_init(&o);
    o.max_rcpts = 5;
    o.max_bytes = 3000;
    if (lw_bounce_new(&o, &b) < 0)
        abort();
    for (size_t at = 0; rc >= 0 && at < size; at += piece)
        rc = lw_bounce_feed(b, data + at, size - at < piece ? size - at : piece);
    rc = lw_bounce_end(b, &r);
    must(rc == LW_OK || rc == LW_EMESSAGE || rc == LW_ELIMIT);
    must((rc == LW_OK) == (r != NULL));
    if (r != NULL) {
        must(r->kind != LW_BOUNCE_NONE && r->n_rcpts <= 5);
        see_text(hash, lw_bounce_kind_name(r->kind));
        see_value(hash, r->reporting_mta);
        see_text(hash, r->envelope_id);
        see_text(hash, r->message_id);
        see_text(hash, r->subject);
        see_text(hash, r->from);
        for (size_t i = 0; i < r->n_rcpts; i++)
            see_rcpt(hash, &r->rcpts[i]);
    }
    lw_bounce_free(b);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t a, b;
    lw_code rc = parse(data, size, size + 1, &a);

    must(parse(data, size, size > 0 ? data[0] % 23u + 1 : 1, &b) == rc);
    must(rc != LW_OK || a == b);
    return 0;
}
