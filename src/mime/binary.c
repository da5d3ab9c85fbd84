/* SPDX-License-Identifier: MIT */
/*
 * mime/binary.c - has a ready message a binary part that must not be altered?
 *
 * RFC 2045 2.9, RFC 3030.  Only where a look (scan.c) has found that a part may be declared as binary,
 * and line ends or lines that mail does not allow elsewhere, it is read whole: what lies outside
 * of such parts is made right or refused as ever.
 */
#include "mime/scan.h"

#include <letterwing/read.h>

typedef struct finding {
    lw_reader *reader;
    bool has_binary;          /* a part that is declared as such    */
    bool is_whole;            /* it is all of the message           */
    bool is_illegal_outside;  /* a NUL or a long line in another    */
} finding;

static void
take_event(finding *f, const lw_read_event *ev)
{
    if (ev->kind == LW_READ_CONTENT) {
        bool is_binary = !ev->part->has_parts && strcmp(ev->part->encoding, "binary") == 0;
        f->has_binary = f->has_binary || is_binary;
        f->is_whole = f->is_whole || (is_binary && ev->part->number == 0);
    }
    if (ev->kind == LW_READ_DEFECT && (ev->defect == LW_DEFECT_NUL || ev->defect == LW_DEFECT_LONG_LINE))
        f->is_illegal_outside = true;
}

static lw_code
take_events(finding *f)
{
    lw_read_event ev;
    lw_code rc;

    while ((rc = lw_reader_next(f->reader, &ev)) == LW_OK)
        take_event(f, &ev);
    return rc;
}

static lw_code
read_piece(void *ctx, lw_span piece, lw_error *err)
{
    finding *f = ctx;
    lw_code rc = LW_OK;
    size_t used;

    while (piece.len > 0 && rc >= 0) {
        if ((rc = lw_reader_feed(f->reader, piece.ptr, piece.len, &used)) >= 0)
            rc = take_events(f);
        piece = (lw_span){ piece.ptr + used, piece.len - used };
    }
    if (rc < 0)
        *err = *lw_reader_error(f->reader);
    return rc < 0 ? rc : LW_OK;
}

/* Does what only a binary part may hold stand in one?  Then nothing else of the message is altered
 * either: line ends that have to be are refused. */
static lw_code
look_into_binary(const lw_scan *s, const finding *f, bool *is_binary, lw_error *err)
{
    const lw_read_counts *n = lw_reader_counts(f->reader);
    uint64_t n_outside = n->n_cr + n->n_lf;

    *is_binary = f->has_binary && !f->is_illegal_outside
        && (s->illegal.code < 0 || s->n_bare > n_outside || (f->is_whole && !s->ends_crlf));
    if (*is_binary && n_outside > 0)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "%s: a part is binary, and outside of it is a CR or LF that is not part of a CRLF: "
                       "make it CRLF, or encode the part", s->label);
    return LW_OK;
}

static lw_code
read_it(const lw_scan *s, const lw_content *c, bool *is_binary, lw_error *err)
{
    finding f = { .reader = NULL };
    lw_reader_opts o;
    lw_code rc;

    lw_reader_opts_init(&o);
    o.alloc = s->header.alloc;
    o.raw_bodies = o.enter_messages = true;
    if (lw_reader_new(&o, &f.reader) < 0)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", s->label);
    if ((rc = lw_scan_read(s->header.alloc, c, read_piece, &f, err)) >= 0) {
        lw_reader_eof(f.reader);
        if ((rc = take_events(&f)) < 0)
            *err = *lw_reader_error(f.reader);
    }
    if (rc >= 0)
        rc = look_into_binary(s, &f, is_binary, err);
    lw_reader_free(f.reader);
    return rc < 0 ? rc : LW_OK;
}

/* A message whose header has other line ends than CRLF is a text file of this machine: its line ends
 * are no octets of anybody's. */
lw_code
lw_scan_settle(const lw_scan *s, const lw_content *c, bool *is_binary, lw_error *err)
{
    bool is_odd = s->n_bare > 0 || s->illegal.code < 0 || !s->ends_crlf;
    lw_code rc;

    *is_binary = false;
    if (s->may_be_binary && is_odd && !s->has_bare_header
        && (rc = read_it(s, c, is_binary, err)) < 0)
        return rc;
    if (*is_binary || s->illegal.code == LW_OK)
        return LW_OK;
    *err = s->illegal;
    return err->code;
}
