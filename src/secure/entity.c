/* SPDX-License-Identifier: MIT */
/*
 * secure/entity.c - a message taken apart: what its MIME entity is, and what stays outside
 *
 * [RFC8551 3.1] "The MIME entity that is secured and described in this section can be thought of as
 * the "inside" MIME entity."  Inside go the Content-* fields and the body; everything else stays where
 * servers and readers look for it.
 */
#include "secure/secure_int.h"

#define VALUE_MAX ((size_t)1 << 20)
#define LINE_MAX_OCTETS 998 /* RFC 5322 2.1.1 */

void
lw_entity_init(lw_entity *e, const lw_alloc *alloc)
{
    memset(e, 0, sizeof *e);
    lw_buf_init(&e->outer, alloc, LW_SECURE_HEADER_MAX);
    lw_buf_init(&e->inner, alloc, LW_SECURE_HEADER_MAX);
    lw_arena_init(&e->people, alloc);
    lw_mailboxes_init(&e->senders, &e->people);
    lw_mailboxes_init(&e->visible, &e->people);
}

void
lw_entity_deinit(lw_entity *e)
{
    lw_buf_deinit(&e->outer);
    lw_buf_deinit(&e->inner);
    lw_arena_deinit(&e->people);
}

/* ---- fields ------------------------------------------------------------------------------------ */

/* octets of the line at the front of s, its end included */
static size_t
line_length(lw_span s)
{
    size_t n = lw_span_find(s, '\n');
    return n + (n < s.len);
}

/* a field with all its folds, moved out of *rest */
static lw_span
take_field(lw_span *rest)
{
    size_t n = line_length(*rest);

    while (n < rest->len && (rest->ptr[n] == ' ' || rest->ptr[n] == '\t'))
        n += line_length((lw_span){ rest->ptr + n, rest->len - n });
    lw_span field = { rest->ptr, n };
    *rest = (lw_span){ rest->ptr + n, rest->len - n };
    return field;
}

static bool
is_named(lw_span field, const char *name)
{
    lw_span before = { field.ptr, lw_span_find(field, ':') };
    return lw_span_eq_nocase(lw_span_trim(before), lw_span_str(name));
}

/* The addresses of a field.  What cannot be read names nobody: a sender or recipient who should have
 * stood there is then missing, and that is refused where it matters. */
static lw_code
add_addresses(lw_mailboxes *l, lw_span field)
{
    size_t colon = lw_span_find(field, ':');
    lw_error ignored;
    lw_buf value;
    lw_code rc;

    lw_buf_init(&value, l->arena->alloc, VALUE_MAX);
    for (size_t i = colon + 1; i < field.len; i++)
        if (field.ptr[i] != '\r' && field.ptr[i] != '\n')
            lw_buf_add_char(&value, field.ptr[i]);
    rc = lw_buf_finish(&value);
    if (rc >= 0)
        rc = lw_mailboxes_parse(l, lw_span_trim(lw_buf_span(&value)), "address", &ignored);
    lw_buf_deinit(&value);
    return rc == LW_ENOMEM ? rc : LW_OK;
}

static lw_code
sort_field(lw_entity *e, lw_span field)
{
    if (lw_span_starts_nocase(field, LW_LIT("Content-"))) {
        lw_buf_add(&e->inner, field);
        return LW_OK;
    }
    if (is_named(field, "MIME-Version"))
        return LW_OK; /* it is written anew */
    lw_buf_add(&e->outer, field);
    if (is_named(field, "From") || is_named(field, "Sender"))
        return add_addresses(&e->senders, field);
    if (is_named(field, "To") || is_named(field, "Cc"))
        return add_addresses(&e->visible, field);
    return LW_OK;
}

static lw_code
sort_fields(lw_entity *e, lw_span header, lw_error *err)
{
    bool has_type = false;
    lw_code rc = LW_OK;

    while (rc >= 0 && header.len > 0) {
        lw_span field = take_field(&header);
        has_type = has_type || is_named(field, "Content-Type");
        rc = sort_field(e, field);
    }
    /* [RFC2045 5.2] "Default RFC 822 messages without a MIME Content-Type header are taken by this
     * protocol to be plain text in the US-ASCII character set" */
    if (!has_type)
        lw_buf_add(&e->inner, LW_LIT("Content-Type: text/plain\r\n"));
    if (rc >= 0 && (rc = lw_buf_finish(&e->outer)) >= 0)
        rc = lw_buf_finish(&e->inner);
    return rc >= 0 ? LW_OK : lw_secure_no_memory(err);
}

/* ---- where the header ends ------------------------------------------------------------------------ */

/* where the body begins: behind the first empty line; 0 = not seen yet */
static size_t
find_body(lw_span s, size_t from)
{
    if (s.len >= 2 && memcmp(s.ptr, "\r\n", 2) == 0)
        return 2;
    from = from > 3 ? from - 3 : 0;
    const char *end = s.len > from ? memmem(s.ptr + from, s.len - from, "\r\n\r\n", 4) : NULL;
    return end == NULL ? 0 : (size_t)(end - s.ptr) + 4;
}

static lw_code
read_header(lw_buf *header, lw_body *body, size_t *body_at, lw_error *err)
{
    lw_span span;
    lw_code rc;

    do {
        size_t before = header->len;
        if ((rc = body->next(body->ctx, &span)) < 0)
            return lw_secure_fail(err, rc, "the message could not be read: %s", lw_code_text(rc));
        /* the limit is on the header: a long span may reach far into the body */
        size_t room = LW_SECURE_HEADER_MAX - before;
        lw_buf_add(header, (lw_span){ span.ptr, span.len < room ? span.len : room });
        if (lw_buf_finish(header) < 0)
            return lw_secure_no_memory(err);
        *body_at = find_body(lw_buf_span(header), before);
        if (*body_at == 0 && span.len >= room)
            return lw_secure_fail(err, LW_ELIMIT, "the header is longer than %zu octets",
                                  LW_SECURE_HEADER_MAX);
    } while (*body_at == 0 && rc != LW_DONE);
    return LW_OK;
}

lw_code
lw_entity_read(lw_entity *e, lw_body *body, lw_error *err)
{
    size_t body_at = 0;
    lw_buf header;
    lw_code rc;

    lw_buf_init(&header, e->outer.alloc, LW_SECURE_HEADER_MAX);
    if ((rc = read_header(&header, body, &body_at, err)) >= 0) {
        bool has_end = body_at > 0;
        e->header_len = has_end ? body_at : header.len;
        rc = sort_fields(e, (lw_span){ header.ptr, (size_t)e->header_len - (has_end ? 2 : 0) }, err);
    }
    lw_buf_deinit(&header);
    return rc;
}

/* ---- what a signature would not survive -------------------------------------------------------------- */

static lw_code
fragile(const lw_fragile *f, const char *what, lw_error *err)
{
    return lw_secure_fail(err, LW_EMESSAGE, "line %llu of what shall be signed has %s, which could be "
                          "changed on the way: encode it as quoted-printable or base64",
                          (unsigned long long)f->n_lines + 1, what);
}

static lw_code
end_line(lw_fragile *f, lw_error *err)
{
    /* [RFC3156 3] "implementations MUST make sure that no trailing whitespace is present after the
     * MIME encoding has been applied." */
    if (!f->allows_spaces && (f->before == ' ' || f->before == '\t'))
        return fragile(f, "a space at its end", err);
    f->n_lines++;
    f->line_len = 0;
    f->before = 0;
    return LW_OK;
}

/* one octet but CR and LF */
static lw_code
add_octet(lw_fragile *f, unsigned char c, lw_error *err)
{
    /* [RFC8551 3.1.3] "it MUST have transfer encoding applied so that it is represented as 7-bit text" */
    if (c >= 0x80 || c == 0)
        return fragile(f, c == 0 ? "a NUL" : "octets that are not 7-bit", err);
    if (++f->line_len > LINE_MAX_OCTETS)
        return fragile(f, "more than 998 octets", err);
    f->before = c;
    return LW_OK;
}

lw_code
lw_fragile_feed(lw_fragile *f, lw_span octets, lw_error *err)
{
    lw_code rc = LW_OK;

    for (size_t i = 0; rc >= 0 && i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.ptr[i];
        if (f->after_cr != (c == '\n'))
            return fragile(f, f->after_cr ? "a bare CR" : "a bare LF", err);
        f->after_cr = c == '\r';
        if (c == '\n')
            rc = end_line(f, err);
        else if (c != '\r')
            rc = add_octet(f, c, err);
    }
    return rc;
}
