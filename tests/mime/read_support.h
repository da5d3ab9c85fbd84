/* SPDX-License-Identifier: MIT */
/*
 * tests/mime/read_support.h - what the reader says of a message, as text
 *
 * A line an event; the octets of a body are joined, so that the text does not depend on how the
 * input was split.
 */
#ifndef LW_TESTS_MIME_READ_SUPPORT_H
#define LW_TESTS_MIME_READ_SUPPORT_H

#include "mime/read_int.h"
#include "mime/support.h"

#include "support/guard.h"

/* how the input is split: all at once, octet by octet, or pieces from a seed */
enum { READ_WHOLE = 0, READ_BYTES = 1, READ_RANDOM = 2 };

static inline void
read_escaped(lw_buf *out, lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '\n')
            lw_buf_add(out, LW_LIT("\\n"));
        else if (c == '\r')
            lw_buf_add(out, LW_LIT("\\r"));
        else if (c < 0x20 || c == 0x7f)
            lw_buf_add_fmt(out, "\\x%02x", c);
        else
            lw_buf_add_char(out, (char)c);
    }
}

static inline void
read_event_text(lw_buf *out, lw_buf *body, const lw_read_event *ev)
{
    const lw_read_part *p = ev->part;

    switch (ev->kind) {
    case LW_READ_PART:
        lw_buf_add_fmt(out, "part %zu in %zu depth %u\n", p->number, p->parent, p->depth);
        lw_buf_reset(body);
        return;
    case LW_READ_FIELD:
        lw_buf_add_fmt(out, "%llu ", (unsigned long long)ev->line);
        read_escaped(out, ev->name);
        lw_buf_add(out, LW_LIT("="));
        read_escaped(out, ev->value);
        lw_buf_add(out, LW_LIT("\n"));
        return;
    case LW_READ_CONTENT:
        lw_buf_add_fmt(out, "is %s %s", p->type, p->encoding);
        if (p->charset != NULL)
            lw_buf_add_fmt(out, " charset %s", p->charset);
        if (p->disposition != NULL)
            lw_buf_add_fmt(out, " %s", p->disposition);
        if (p->name != NULL)
            lw_buf_add_fmt(out, " name %s", p->name);
        if (p->id != NULL)
            lw_buf_add_fmt(out, " id %s", p->id);
        lw_buf_add_str(out, p->has_parts ? " (parts)\n" : "\n");
        return;
    case LW_READ_BODY:
        assert_true(ev->body.len > 0);
        lw_buf_add(body, ev->body);
        return;
    case LW_READ_END:
        if (body->len > 0) {
            lw_buf_add(out, LW_LIT("body "));
            read_escaped(out, lw_buf_span(body));
            lw_buf_add(out, LW_LIT("\n"));
        }
        lw_buf_reset(body);
        lw_buf_add_fmt(out, "end %zu\n", p->number);
        return;
    case LW_READ_DEFECT:
        lw_buf_add_fmt(out, "! %s in %zu line %llu\n", lw_defect_id(ev->defect), p->number,
                       (unsigned long long)ev->line);
        return;
    }
}

static inline lw_code
read_take(lw_reader *r, lw_buf *out, lw_buf *body)
{
    lw_read_event ev;
    lw_code rc;

    while ((rc = lw_reader_next(r, &ev)) == LW_OK)
        read_event_text(out, body, &ev);
    return rc;
}

/* all events as text, from malloc; *rc: how it ended */
static inline char *
read_text(const lw_reader_opts *opts, lw_span in, int split, unsigned seed, lw_code *rc)
{
    lw_buf out, body;
    lw_reader *r;

    lw_buf_init(&out, NULL, SIZE_MAX / 2);
    lw_buf_init(&body, NULL, SIZE_MAX / 2);
    assert_int_equal(lw_reader_new(opts, &r), LW_OK);
    *rc = LW_OK;
    while (in.len > 0 && *rc >= 0) {
        size_t n = split == READ_WHOLE ? in.len : split == READ_BYTES ? 1 : 0, used;
        if (split == READ_RANDOM) {
            seed = seed * 1103515245u + 12345u;
            n = (seed >> 16) % 40 + 1;
            n = n < in.len ? n : in.len;
        }
        *rc = lw_reader_feed(r, in.ptr, n, &used);
        assert_true(used <= n && (*rc < 0 || used == n || *rc == LW_AGAIN));
        in = (lw_span){ in.ptr + used, in.len - used };
        if (*rc >= 0 && (split != READ_RANDOM || seed & 1 << 20 || *rc == LW_AGAIN))
            *rc = read_take(r, &out, &body);
    }
    if (*rc >= 0) {
        lw_reader_eof(r);
        *rc = read_take(r, &out, &body);
    }
    lw_buf_add(&out, LW_LIT(""));
    lw_buf_deinit(&body);
    lw_reader_free(r);
    return lw_buf_take(&out);
}

/* the same in every split and against an unreadable page; the caller's to free */
static inline char *
read_all_ways(const char *name, const lw_reader_opts *opts, lw_span in, lw_code *rc)
{
    char *whole = read_text(opts, in, READ_WHOLE, 0, rc), *again;
    lw_code rc2;
    guard g;

    guard_open(&g, in.len);
    lw_span guarded = { guard_put(&g, in.ptr, in.len), in.len };
    for (unsigned i = 0; i < 12; i++) {
        again = read_text(opts, guarded, i == 0 ? READ_WHOLE : i == 1 ? READ_BYTES : READ_RANDOM, i,
                          &rc2);
        if (*rc != rc2 || (*rc >= 0 && strcmp(whole, again) != 0)) {
            print_error("%s: split %u reads otherwise:\n%s--- whole:\n%s", name, i, again, whole);
            fail();
        }
        free(again);
    }
    guard_close(&g);
    return whole;
}

#endif
