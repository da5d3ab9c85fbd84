/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_read.c - any octets as a message: the reader ends, its events are in order, and
 * they are the same in every split
 *
 * The last octet chooses options and the size of the pieces.
 */
#include "mime/read_int.h"

#include <stdlib.h>

#define DEPTH 6

typedef struct seen {
    uint64_t events, body, defects; /* hashes */
    uint64_t n_body;
    size_t n_open, n_parts;
    bool has_content[DEPTH + 3];
} seen;

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
mix(uint64_t *hash, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *hash = (*hash ^ ((const unsigned char *)p)[i]) * UINT64_C(1099511628211);
}

static void
mix_text(uint64_t *hash, const char *s)
{
    must(s == NULL || lw_utf8_valid(lw_span_str(s)));
    mix(hash, s == NULL ? "-" : s, s == NULL ? 1 : strlen(s) + 1);
}

static void
see_content(seen *s, const lw_read_part *p)
{
    must(!s->has_content[p->depth] && p->type != NULL && p->encoding != NULL);
    s->has_content[p->depth] = true;
    mix_text(&s->events, p->type);
    mix_text(&s->events, p->charset);
    mix_text(&s->events, p->name);
    mix(&s->events, &p->has_parts, 1);
}

static void
see_field(seen *s, const lw_read_event *ev)
{
    must(!s->has_content[ev->part->depth] && ev->name.len > 0);
    must(lw_utf8_valid(ev->value) && !lw_span_has_eol(ev->value) && !lw_span_has_eol(ev->name));
    must(lw_span_find(ev->raw, '\n') == ev->raw.len && lw_span_find(ev->raw, '\r') == ev->raw.len);
    mix(&s->events, ev->octets.ptr, ev->octets.len);
    mix(&s->events, ev->value.ptr, ev->value.len);
    mix(&s->events, &ev->line, sizeof ev->line);
}

static void
see(seen *s, const lw_read_event *ev)
{
    const lw_read_part *p = ev->part;
    uint64_t d = 14695981039346656037u;

    mix(&s->events, &p->number, ev->kind == LW_READ_BODY || ev->kind == LW_READ_DEFECT
        ? 0 : sizeof p->number);
    must(p->depth + 1 == s->n_open || ev->kind == LW_READ_PART);
    switch (ev->kind) {
    case LW_READ_PART:
        must(p->depth == s->n_open && p->number == s->n_parts++ && p->depth <= DEPTH);
        s->has_content[s->n_open++] = false;
        break;
    case LW_READ_FIELD: see_field(s, ev); break;
    case LW_READ_CONTENT: see_content(s, p); break;
    case LW_READ_BODY:
        must(ev->body.len > 0 && s->has_content[p->depth] && !p->has_parts);
        mix(&s->body, ev->body.ptr, ev->body.len);
        s->n_body += ev->body.len;
        break;
    case LW_READ_END:
        must(s->has_content[p->depth]);
        mix(&s->body, &p->number, sizeof p->number);
        s->n_open--;
        break;
    case LW_READ_DEFECT:
        mix(&d, &p->number, sizeof p->number);
        mix(&d, &ev->line, sizeof ev->line);
        mix_text(&d, lw_defect_id(ev->defect));
        s->defects += d;
        break;
    }
}

static lw_code
take(lw_reader *r, seen *s)
{
    lw_read_event ev;
    lw_code rc;

    while ((rc = lw_reader_next(r, &ev)) == LW_OK)
        see(s, &ev);
    return rc;
}

static lw_code
read_in_pieces(const lw_reader_opts *o, const uint8_t *data, size_t size, size_t piece, seen *s)
{
    lw_reader *r;
    lw_code rc;
    size_t used;

    *s = (seen){ .events = 1 };
    if (lw_reader_new(o, &r) < 0)
        abort();
    rc = LW_OK;
    for (size_t at = 0; rc >= 0 && at < size; at += used) {
        rc = lw_reader_feed(r, data + at, size - at < piece ? size - at : piece, &used);
        if (rc >= 0)
            rc = take(r, s);
    }
    if (rc >= 0) {
        lw_reader_eof(r);
        rc = take(r, s);
        must(rc < 0 || s->n_open == 0);
        must(lw_reader_counts(r)->octets == size || rc < 0);
    }
    must(rc == LW_DONE || rc == LW_ELIMIT);
    must((lw_reader_error(r)->code == LW_OK) == (rc == LW_DONE));
    lw_reader_free(r);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned how = size > 0 ? data[size - 1] : 0;
    lw_reader_opts o;
    seen a, b;
    lw_code rc;

    lw_reader_opts_init(&o);
    o.max_depth = DEPTH;
    o.max_parts = 50;
    o.max_header_bytes = 2000;
    o.enter_messages = !(how & 1);
    o.raw_bodies = (how & 6) == 6;
    o.is_flat = (how & 24) == 24;
    rc = read_in_pieces(&o, data, size, SIZE_MAX, &a);
    must(read_in_pieces(&o, data, size, how % 29 + 1, &b) == rc);
    must(rc < 0 || (a.events == b.events && a.body == b.body && a.defects == b.defects));
    must(a.n_body <= size + 2);
    return 0;
}
