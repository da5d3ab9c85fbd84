/* SPDX-License-Identifier: MIT */
/*
 * client/transcript.c - the dialogue as lines, secrets replaced
 *
 * What is told is what left and what came, octet by octet, cut at line ends: not what was meant
 * to be sent.  A secret never enters a buffer here; the octets of a message are counted and
 * told in one line, unless they shall be shown.  What a server says in a login is hidden too: with
 * the lines of SCRAM, CRAM-MD5 and DIGEST-MD5 passwords can be tried out at leisure.
 */
#include "client/client_int.h"

#include <stdio.h>
#include <time.h>

void
lw_transcript_init(lw_transcript *t, const lw_alloc *alloc, const lw_send_opts *o)
{
    *t = (lw_transcript){ .line = o->transcript, .ctx = o->transcript_ctx,
                          .shows_bodies = o->transcript_bodies,
                          .began_ms = uv_hrtime() / 1000000 };
    lw_buf_init(&t->sent, alloc, LW_TRANSCRIPT_LINE_MAX);
    lw_buf_init(&t->came, alloc, LW_TRANSCRIPT_LINE_MAX);
}

void
lw_transcript_deinit(lw_transcript *t)
{
    lw_buf_deinit(&t->sent);
    lw_buf_deinit(&t->came);
}

static void
tell(const lw_transcript *t, lw_direction direction, lw_span text)
{
    struct timespec now;
    lw_transcript_line line = { .direction = direction, .text = text };

    clock_gettime(CLOCK_REALTIME, &now);
    line.time_ms = uv_hrtime() / 1000000 - t->began_ms;
    line.unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    t->line(t->ctx, &line);
}

void
lw_transcript_note(lw_transcript *t, const char *fmt, ...)
{
    char raw[LW_ERROR_TEXT_MAX], text[LW_ERROR_TEXT_MAX];
    va_list ap;

    if (t->line == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    lw_print_safe(text, sizeof text, lw_span_str(raw));
    tell(t, LW_TRANSCRIPT_NOTE, lw_span_str(text));
}

static void
tell_buffer(lw_transcript *t, lw_buf *b, lw_direction direction)
{
    lw_span text = lw_buf_span(b);

    if (b->code != LW_OK)
        text = LW_LIT("(out of memory for this line)");
    else if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    tell(t, direction, text);
    lw_buf_reset(b);
}

/* [RFC4954 4] "A server challenge is sent as a 334 reply with the text part containing the [BASE64]
 * encoded string supplied by the SASL mechanism." */
static bool
hide_challenge(lw_buf *b)
{
    static const char code[] = "334 ";
    const size_t n = sizeof code - 1;

    if (b->len <= n || memcmp(b->ptr, code, n) != 0)
        return false;
    b->len = n;
    lw_buf_add(b, LW_LIT("<redacted>"));
    return true;
}

/* adds octets, tells each line that ends in them, cuts what is too long */
static void
take(lw_transcript *t, lw_buf *b, lw_direction direction, lw_span s)
{
    while (s.len > 0) {
        size_t n = lw_span_find(s, '\n'), room = LW_TRANSCRIPT_LINE_MAX - b->len;
        bool ends = n < s.len;

        if (n > room) {
            n = room;
            ends = false;
        }
        if (!t->hides_rest || direction == LW_TRANSCRIPT_CLIENT)
            lw_buf_add(b, (lw_span){ s.ptr, n });
        s = (lw_span){ s.ptr + n + ends, s.len - n - ends };
        if (direction == LW_TRANSCRIPT_SERVER && hide_challenge(b))
            t->hides_rest = true;
        if (ends || b->len == LW_TRANSCRIPT_LINE_MAX) {
            tell_buffer(t, b, direction);
            t->hides_rest = t->hides_rest && !(ends && direction == LW_TRANSCRIPT_SERVER);
        }
    }
}

static void
tell_body(lw_transcript *t)
{
    if (t->body_octets > 0)
        lw_transcript_note(t, "%llu octets of message data",
                           (unsigned long long)t->body_octets);
    t->body_octets = 0;
}

static void
take_slice(lw_transcript *t, const lw_slice *v, size_t n)
{
    switch (v->kind) {
    case LW_SLICE_COMMAND:
        tell_body(t);
        t->is_after_secret = false;
        take(t, &t->sent, LW_TRANSCRIPT_CLIENT, (lw_span){ v->ptr, n });
        return;
    case LW_SLICE_SECRET:
        if (!t->is_after_secret)
            lw_buf_add(&t->sent, LW_LIT("<redacted>"));
        t->is_after_secret = true;
        return;
    case LW_SLICE_BODY:
        if (t->shows_bodies)
            take(t, &t->sent, LW_TRANSCRIPT_CLIENT, (lw_span){ v->ptr, n });
        else
            t->body_octets += n;
        return;
    }
}

void
lw_transcript_sent(lw_transcript *t, const lw_slice *v, int count, size_t n)
{
    if (t->line == NULL)
        return;
    for (int i = 0; i < count && n > 0; i++) {
        size_t part = v[i].len < n ? v[i].len : n;

        take_slice(t, &v[i], part);
        n -= part;
    }
}

void
lw_transcript_came(lw_transcript *t, lw_span octets)
{
    if (t->line == NULL)
        return;
    tell_body(t);
    take(t, &t->came, LW_TRANSCRIPT_SERVER, octets);
}

void
lw_transcript_flush(lw_transcript *t)
{
    if (t->line == NULL)
        return;
    tell_body(t);
    if (t->sent.len > 0)
        tell_buffer(t, &t->sent, LW_TRANSCRIPT_CLIENT);
    if (t->came.len > 0)
        tell_buffer(t, &t->came, LW_TRANSCRIPT_SERVER);
    t->is_after_secret = false;
}
