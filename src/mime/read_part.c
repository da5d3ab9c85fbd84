/* SPDX-License-Identifier: MIT */
/*
 * mime/read_part.c - the parts that are open, and what their headers say
 *
 * A frame owns the text that its lw_read_part points to.  Frames end in the reverse of the order in
 * which they began; a multipart's frame has its boundary until that was closed.
 */
#include "mime/read_int.h"

enum { TYPE, CHARSET, ENCODING, DISPOSITION, NAME, ID, CONTENT_TYPE, CONTENT_DISPOSITION };

void
lw_frame_push(lw_reader *r)
{
    lw_frame *f = &r->frames[r->n_frames];

    if (r->counts.n_parts == r->opts.max_parts) {
        lw_reader_fail(r, LW_ELIMIT, "the message has more parts than allowed");
        return;
    }
    memset(f, 0, sizeof *f);
    f->part.number = r->counts.n_parts++;
    f->part.depth = (unsigned)r->n_frames;
    if (r->n_frames > 0)
        f->part.parent = lw_read_top(r)->part.number;
    f->line = r->line;
    r->n_frames++;
    r->state = LW_READING_HEADER;
    r->header_bytes = 0;
    lw_buf_reset(&r->field);
    r->line_start = 0;
    r->field_told = false;
    lw_read_event_of(r, LW_READ_PART, f);
}

void
lw_frame_pop(lw_reader *r)
{
    lw_frame *f = &r->frames[--r->n_frames];

    for (size_t i = 0; i < LW_COUNT(f->strings); i++)
        lw_release(&r->alloc, f->strings[i]);
    lw_release(&r->alloc, f->encoding_raw);
    lw_release(&r->alloc, f->id_raw);
    if (f->boundary != NULL) {
        lw_release(&r->alloc, f->boundary);
        r->n_boundaries--;
    }
}

/* the first field of a name counts */
static void
keep(lw_reader *r, char **slot, lw_span value)
{
    if (*slot == NULL && (*slot = lw_span_dup(&r->alloc, value)) == NULL)
        lw_reader_fail(r, LW_ENOMEM, "out of memory");
}

void
lw_frame_field(lw_reader *r, lw_span name, lw_span raw)
{
    lw_frame *f = lw_read_top(r);

    if (!lw_span_starts_nocase(name, LW_LIT("Content-")))
        return;
    if (lw_span_eq_nocase(name, LW_LIT("Content-Type")))
        keep(r, &f->strings[CONTENT_TYPE], raw);
    else if (lw_span_eq_nocase(name, LW_LIT("Content-Disposition")))
        keep(r, &f->strings[CONTENT_DISPOSITION], raw);
    else if (lw_span_eq_nocase(name, LW_LIT("Content-Transfer-Encoding")))
        keep(r, &f->encoding_raw, raw);
    else if (lw_span_eq_nocase(name, LW_LIT("Content-ID")))
        keep(r, &f->id_raw, raw);
}

static const char *
lower(char *s)
{
    for (char *p = s; p != NULL && *p != '\0'; p++)
        *p = lw_lower(*p);
    return s;
}

static const char *
keep_lower(lw_reader *r, lw_frame *f, int slot, lw_span value)
{
    keep(r, &f->strings[slot], value);
    return lower(f->strings[slot]);
}

/* the parameter of a field, into a slot of its own; NULL = there is none */
static char *
param(lw_reader *r, const char *field, const char *name)
{
    char *out = NULL;
    lw_buf b;

    if (field == NULL)
        return NULL;
    lw_buf_init(&b, &r->alloc, LW_READ_VALUE_MAX);
    if (lw_param_find(&b, lw_span_str(field), lw_span_str(name), &r->opts.charset))
        out = lw_buf_take(&b);
    if (b.code == LW_ENOMEM)
        lw_reader_fail(r, LW_ENOMEM, "out of memory");
    if (out == NULL)
        lw_buf_deinit(&b);
    return out;
}

/* [RFC2045 5.1] "content := "Content-Type" ":" type "/" subtype" */
static bool
is_type(lw_span s)
{
    size_t slash = lw_span_find(s, '/');

    return slash < s.len && lw_mime_is_token((lw_span){ s.ptr, slash })
        && lw_mime_is_token((lw_span){ s.ptr + slash + 1, s.len - slash - 1 });
}

static void
set_type(lw_reader *r, lw_frame *f)
{
    bool in_digest = r->n_frames > 1 && f[-1].is_digest;
    lw_span type = lw_param_head(lw_span_str(f->strings[CONTENT_TYPE]));

    if (!is_type(type)) {
        if (f->strings[CONTENT_TYPE] != NULL)
            lw_read_defect(r, LW_DEFECT_BAD_TYPE, f->line);
        /* [RFC2046 5.1.5] "in a digest, the default Content-Type value for a body part is
         * changed from "text/plain" to "message/rfc822"" */
        type = in_digest ? LW_LIT("message/rfc822") : LW_LIT("text/plain");
    }
    f->part.type = keep_lower(r, f, TYPE, type);
}

/* what the header says, as text */
static void
set_texts(lw_reader *r, lw_frame *f)
{
    lw_read_part *p = &f->part;
    lw_span id = lw_span_trim(lw_comment_skip(lw_span_str(f->id_raw)));

    p->content_type = f->strings[CONTENT_TYPE];
    p->content_disposition = f->strings[CONTENT_DISPOSITION];
    f->strings[CHARSET] = param(r, p->content_type, "charset");
    p->charset = lower(f->strings[CHARSET]);
    f->strings[NAME] = param(r, p->content_disposition, "filename");
    if (f->strings[NAME] == NULL)
        f->strings[NAME] = param(r, p->content_type, "name");
    p->name = f->strings[NAME];
    if (p->content_disposition != NULL)
        p->disposition = keep_lower(r, f, DISPOSITION,
                                    lw_param_head(lw_span_str(p->content_disposition)));
    if (id.len > 1 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>')
        id = (lw_span){ id.ptr + 1, id.len - 2 };
    if (id.len > 0)
        keep(r, &f->strings[ID], id);
    p->id = f->strings[ID];
}

/* how the body is coded; true if that is a coding that hides what is inside */
static bool
set_encoding(lw_reader *r, lw_frame *f)
{
    lw_span e = lw_param_head(lw_span_str(f->encoding_raw));

    if (e.len == 0)
        e = LW_LIT("7bit");
    f->part.encoding = keep_lower(r, f, ENCODING, e);
    r->decoder.kind = LW_DECODING_NONE;
    if (lw_span_eq_nocase(e, LW_LIT("quoted-printable")))
        r->decoder.kind = LW_DECODING_QP;
    else if (lw_span_eq_nocase(e, LW_LIT("base64")))
        r->decoder.kind = LW_DECODING_BASE64;
    else if (!lw_span_eq_nocase(e, LW_LIT("7bit")) && !lw_span_eq_nocase(e, LW_LIT("8bit"))
             && !lw_span_eq_nocase(e, LW_LIT("binary"))) {
        /* [RFC2045 6.4] "Any entity with an unrecognized Content-Transfer-Encoding must be
         * treated as if it has a Content-Type of "application/octet-stream"" */
        lw_read_defect(r, LW_DEFECT_BAD_ENCODING, f->line);
        return false;
    }
    return r->decoder.kind != LW_DECODING_NONE;
}

/* true if the multipart can be opened */
static bool
open_multipart(lw_reader *r, lw_frame *f, bool is_coded)
{
    char *boundary = param(r, f->part.content_type, "boundary");
    size_t len = boundary == NULL ? 0 : strlen(boundary);

    /* [RFC2045 6.4] "it is EXPRESSLY FORBIDDEN to use any encodings other than "7bit", "8bit", or
     * "binary" with any composite media type"; as in most readers, the parts are looked for */
    if (is_coded)
        lw_read_defect(r, LW_DEFECT_ENCODED_MULTIPART, f->line);
    while (len > 0 && (boundary[len - 1] == ' ' || boundary[len - 1] == '\t'))
        len--;
    if (len == 0 || len > LW_BOUNDARY_MAX || f->part.depth >= r->opts.max_depth) {
        lw_read_defect(r, len == 0 || len > LW_BOUNDARY_MAX ? LW_DEFECT_NO_BOUNDARY
                       : LW_DEFECT_TOO_DEEP, f->line);
        lw_release(&r->alloc, boundary);
        return false;
    }
    f->boundary = boundary;
    f->boundary_len = len;
    f->is_digest = strcmp(f->part.type, "multipart/digest") == 0;
    r->n_boundaries++;
    return true;
}

static bool
is_message(const char *type)
{
    return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0
        || strcmp(type, "message/news") == 0;
}

/* true if the message inside can be opened */
static bool
open_message(lw_reader *r, lw_frame *f, bool is_coded)
{
    if (is_coded)
        lw_read_defect(r, LW_DEFECT_ENCODED_MESSAGE, f->line);
    else if (f->part.depth >= r->opts.max_depth)
        lw_read_defect(r, LW_DEFECT_TOO_DEEP, f->line);
    else
        return true;
    return false;
}

/* a part without parts: octets follow */
static void
begin_body(lw_reader *r, lw_frame *f)
{
    if (r->opts.raw_bodies || r->opts.is_flat || f->is_multipart)
        r->decoder.kind = LW_DECODING_NONE;
    f->part.is_decoded = r->decoder.kind != LW_DECODING_NONE;
    r->decoder.is_bad = r->decoder.is_padded = false;
    r->decoder.n_held = r->decoder.n_bits = 0;
    r->decoder.bits = 0;
    r->state = LW_READING_BODY;
}

void
lw_frame_content(lw_reader *r)
{
    lw_frame *f = lw_read_top(r);
    bool is_coded;

    set_type(r, f);
    set_texts(r, f);
    is_coded = set_encoding(r, f);
    r->eol_len = r->head_len = 0;
    r->at_line_start = true;
    if (r->error.code != LW_OK)
        return;
    f->is_multipart = lw_span_starts_nocase(lw_span_str(f->part.type), LW_LIT("multipart/"));
    if (r->opts.is_flat) {
        f->is_multipart = false;
        begin_body(r, f);
    } else if (f->is_multipart && open_multipart(r, f, is_coded)) {
        f->part.has_parts = true;
        r->state = LW_READING_AROUND;
    } else if (!f->is_multipart && r->opts.enter_messages && is_message(f->part.type)
               && open_message(r, f, is_coded)) {
        f->part.has_parts = true;
        r->begins_part = true;
    } else {
        begin_body(r, f);
    }
    lw_read_event_of(r, LW_READ_CONTENT, f);
}
