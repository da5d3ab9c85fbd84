/* SPDX-License-Identifier: MIT */
/*
 * dkim/fields.c - a message split at its first empty line; its header as fields
 *
 * The header is kept whole, bounded, because h= may name its fields in any order.  Bare CR and LF
 * are refused: software differs on whether they end a line, so a signature over them says nothing.
 */
#include "dkim/dkim_int.h"

void
lw_dkim_header_init(lw_dkim_header *h, const lw_alloc *alloc)
{
    *h = (lw_dkim_header){ .fields = NULL };
    lw_buf_init(&h->octets, alloc, LW_DKIM_HEADER_MAX);
}

void
lw_dkim_header_deinit(lw_dkim_header *h)
{
    lw_release(h->octets.alloc, h->fields);
    lw_buf_deinit(&h->octets);
    h->fields = NULL;
    h->n = h->cap = 0;
}

void
lw_dkim_header_reset(lw_dkim_header *h)
{
    lw_buf_reset(&h->octets);
    h->n = h->scanned = 0;
    h->selection = 0;
    h->is_complete = h->after_cr = false;
}

static lw_code
fail(lw_error *err, lw_code rc)
{
    return rc == LW_ELIMIT
               ? lw_dkim_fail(err, rc, "the header has more than %zu octets",
                              LW_DKIM_HEADER_MAX)
               : lw_dkim_fail(err, rc, "out of memory");
}

/* Looks at what was added for the empty line: *end is where it begins.  Every CR and LF must be
 * part of a CRLF, but for a CR that is the last octet so far. */
static lw_code
scan(lw_dkim_header *h, bool *is_end, size_t *end, lw_error *err)
{
    lw_span s = lw_buf_span(&h->octets);

    *is_end = false;
    for (; h->scanned < s.len; h->scanned++) {
        size_t i = h->scanned;
        bool is_lf = s.ptr[i] == '\n';

        if (is_lf != h->after_cr)
            return lw_dkim_fail(err, LW_EMESSAGE,
                                "the header has a bare %s at octet %zu: "
                                "bring line ends to CRLF first",
                                is_lf ? "LF" : "CR", is_lf ? i : i - 1);
        h->after_cr = s.ptr[i] == '\r';
        if (is_lf && (i == 1 || (i >= 3 && s.ptr[i - 2] == '\n'))) {
            *is_end = true;
            *end = i - 1;
            h->scanned++;
            return LW_OK;
        }
    }
    return LW_OK;
}

lw_code
lw_dkim_header_feed(lw_dkim_header *h, lw_span *octets, lw_error *err)
{
    size_t before = h->octets.len, end;
    bool is_end;
    lw_code rc;

    while (!h->is_complete && octets->len > 0) {
        /* in pieces: the header is small, what follows it need not be */
        lw_span piece = { octets->ptr, octets->len < 4096 ? octets->len : 4096 };

        before = h->octets.len;
        lw_buf_add(&h->octets, piece);
        if ((rc = lw_buf_finish(&h->octets)) < 0)
            return fail(err, rc);
        if ((rc = scan(h, &is_end, &end, err)) < 0)
            return rc;
        if (is_end) {
            piece.len = h->scanned - before;
            h->octets.len = end;
            h->is_complete = true;
        }
        *octets = (lw_span){ octets->ptr + piece.len, octets->len - piece.len };
    }
    return LW_OK;
}

/* ---- fields ---------------------------------------------------------------------- */

uint32_t
lw_dkim_name_key(lw_span name)
{
    uint32_t key = UINT32_C(2166136261);

    for (size_t i = 0; i < name.len; i++)
        key = (key ^ (unsigned char)lw_lower(name.ptr[i])) * UINT32_C(16777619);
    return key;
}

lw_span
lw_dkim_field_name(const lw_dkim_field *f)
{
    return (lw_span){ f->whole.ptr, f->name_len };
}

static lw_code
add_field(lw_dkim_header *h, lw_span whole, lw_error *err)
{
    lw_span name = { whole.ptr, lw_span_find(whole, ':') };

    if (h->n == LW_DKIM_FIELDS_MAX)
        return lw_dkim_fail(err, LW_ELIMIT, "the header has more than %d fields",
                            LW_DKIM_FIELDS_MAX);
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? 32 : h->cap * 2;
        lw_dkim_field *grown =
            lw_resize(h->octets.alloc, h->fields, cap * sizeof *grown);

        if (grown == NULL)
            return fail(err, LW_ENOMEM);
        h->fields = grown;
        h->cap = cap;
    }
    if (name.len == whole.len)
        name.len = 0;
    while (name.len > 0 &&
           (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--; /* obsolete, RFC 5322 4.5.3 */
    if (!lw_dkim_is_field_name(name))
        name.len = 0;
    h->fields[h->n++] = (lw_dkim_field){ .whole = whole,
                                         .name_len = name.len,
                                         .key = lw_dkim_name_key(name) };
    return LW_OK;
}

/* the length of the first field, up to its last CRLF: one that no WSP follows */
static size_t
field_length(lw_span s)
{
    size_t at = 0;

    for (;;) {
        const char *lf = memchr(s.ptr + at, '\n', s.len - at);

        if (lf == NULL)
            return s.len;
        at = (size_t)(lf - s.ptr) + 1;
        if (at == s.len || (s.ptr[at] != ' ' && s.ptr[at] != '\t'))
            return at - 2;
    }
}

lw_code
lw_dkim_header_end(lw_dkim_header *h, lw_error *err)
{
    lw_span s = lw_buf_span(&h->octets);
    lw_code rc = LW_OK;

    if (!h->is_complete && h->after_cr)
        return lw_dkim_fail(err, LW_EMESSAGE,
                            "the message ends in the middle of a line end");
    h->is_complete = true;
    h->n = 0;
    while (rc >= 0 && s.len > 0) {
        size_t n = field_length(s), skip = n + 2 < s.len ? n + 2 : s.len;

        rc = add_field(h, (lw_span){ s.ptr, n }, err);
        s = (lw_span){ s.ptr + skip, s.len - skip };
    }
    return rc;
}

static bool
is_named(const lw_dkim_field *f, uint32_t key, lw_span name)
{
    return f->key == key && lw_span_eq_nocase(lw_dkim_field_name(f), name);
}

size_t
lw_dkim_header_count(const lw_dkim_header *h, lw_span name)
{
    uint32_t key = lw_dkim_name_key(name);
    size_t n = 0;

    for (size_t i = 0; i < h->n; i++)
        n += is_named(&h->fields[i], key, name);
    return n;
}

void
lw_dkim_header_select(lw_dkim_header *h)
{
    h->selection++;
}

/* [RFC6376 5.4.2] "MUST sign such header fields in order from the bottom of the header field block
 * to the top" */
const lw_dkim_field *
lw_dkim_header_last(lw_dkim_header *h, lw_span name)
{
    uint32_t key = lw_dkim_name_key(name);

    for (size_t i = h->n; i-- > 0;) {
        lw_dkim_field *f = &h->fields[i];

        if (f->mark != h->selection && is_named(f, key, name)) {
            f->mark = h->selection;
            return f;
        }
    }
    return NULL;
}
