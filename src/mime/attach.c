/* SPDX-License-Identifier: MIT */
/*
 * mime/attach.c - attachments and ready messages, from memory or from a source
 *
 * What is kept here is checked, but nothing is opened or read before rendering.
 */
#include "mime/mime_int.h"

#define NAME_LEN_MAX 1024
#define TYPE_LEN_MAX 256
#define CID_LEN_MAX 256
#define MESSAGE_TYPE "message/rfc822"

void
lw_content_deinit(lw_content *c)
{
    if (c->has_source && c->source.free != NULL)
        c->source.free(c->source.ctx);
}

/* media type: token "/" token, then parameters as they are; the composer's own are refused */
static lw_code
check_type(const char *type, lw_error *err)
{
    lw_span s = lw_span_str(type), base = { s.ptr, lw_span_find(s, ';') };
    lw_span trimmed = lw_span_trim(base);
    size_t slash = lw_span_find(trimmed, '/');
    lw_span sub = { trimmed.ptr + slash + 1, trimmed.len - slash - (slash < trimmed.len) };
    lw_code rc = lw_mime_gate(s, "attachment type", LW_EMESSAGE, err);

    if (rc < 0)
        return rc;
    if (slash == trimmed.len || !lw_mime_is_token((lw_span){ trimmed.ptr, slash })
        || !lw_mime_is_token(sub) || !lw_span_is_ascii(s) || s.len > TYPE_LEN_MAX
        || lw_span_trim(s).ptr[lw_span_trim(s).len - 1] == ';')
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "attachment type: \"%.60s\" is not of the form type/subtype", type);
    /* A message leaves as it is; of other composite types we cannot know how (RFC 2046 5). */
    if (lw_span_eq_nocase(s, LW_LIT(MESSAGE_TYPE)))
        return LW_OK;
    if (lw_span_starts_nocase(trimmed, LW_LIT("message/"))
        || lw_span_starts_nocase(trimmed, LW_LIT("multipart/")))
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "attachment type: %.60s must not be "
                       "encoded as an attachment is; leave the type out", type);
    return LW_OK;
}

static lw_code
check_cid(lw_span s, lw_error *err)
{
    bool ok = s.len > 0 && s.len <= CID_LEN_MAX;
    lw_code rc = lw_mime_gate(s, "cid", LW_EMESSAGE, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < s.len; i++)
        ok = ok && s.ptr[i] > ' ' && s.ptr[i] <= '~' && s.ptr[i] != '<' && s.ptr[i] != '>';
    return ok ? LW_OK : lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
        "cid: printable ASCII without spaces, < and > is needed, at most %d characters",
        CID_LEN_MAX);
}

static lw_span
last_part(lw_span path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/')
            return (lw_span){ path.ptr + i, path.len - i };
    return path;
}

/* the name where a cid is not given: what HTML can refer to as cid:logo.png */
static char *
cid_from_name(lw_arena *arena, const char *name)
{
    char *cid = lw_arena_str(arena, name == NULL || name[0] == '\0' ? "part" : name);

    for (char *p = cid; p != NULL && *p != '\0'; p++)
        if (!lw_is_alnum(*p) && (*p == '\0' || strchr(".-_+@", *p) == NULL))
            *p = '_';
    if (cid != NULL && strlen(cid) > CID_LEN_MAX)
        cid[CID_LEN_MAX] = '\0';
    return cid;
}

static lw_code
check_name(lw_span name, lw_error *err)
{
    lw_code rc = lw_mime_gate(name, "attachment name", LW_EMESSAGE, err);

    if (rc < 0)
        return rc;
    return name.len <= NAME_LEN_MAX ? LW_OK : lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
        "attachment name: longer than %d octets", NAME_LEN_MAX);
}

/* name, type and cid of what is attached; label is the path, or NULL */
static lw_code
describe(lw_message *m, lw_attached *a, const char *label, const lw_attachment *how,
         const char *guessed, lw_error *err)
{
    lw_span name = how->name != NULL ? lw_span_str(how->name) : last_part(lw_span_str(label));
    lw_arena *arena = &m->arena;
    lw_code rc;

    if ((rc = check_name(name, err)) < 0 || (how->type != NULL && (rc = check_type(how->type, err)) < 0)
        || (how->cid != NULL && (rc = check_cid(lw_span_str(how->cid), err)) < 0))
        return rc;
    a->is_inline = how->is_inline || how->cid != NULL;
    if (guessed != NULL && check_type(guessed, NULL) < 0)
        guessed = NULL;
    a->type = how->type != NULL ? lw_arena_str(arena, how->type)
        : guessed != NULL ? lw_arena_str(arena, guessed) : lw_mediatype_by_name(name);
    a->has_type = how->type != NULL;
    a->is_message = a->type != NULL
        && lw_span_eq_nocase(lw_span_str(a->type), LW_LIT(MESSAGE_TYPE));
    if (name.len > 0 && (a->name = lw_arena_span(arena, name)) == NULL)
        return LW_ENOMEM;
    if (label != NULL && (a->content.label = lw_arena_str(arena, label)) == NULL)
        return LW_ENOMEM;
    if (a->is_inline)
        a->cid = how->cid != NULL ? lw_arena_str(arena, how->cid) : cid_from_name(arena, a->name);
    return a->type == NULL || (a->is_inline && a->cid == NULL) ? LW_ENOMEM : LW_OK;
}

/* a's content is set; on failure the source stays the caller's */
static lw_code
attach(lw_message *m, lw_attached *a, const char *label, const lw_attachment *how,
       const char *guessed, lw_error *err)
{
    static const lw_attachment plain = { .name = NULL };
    lw_arena before = m->arena;
    void *items = m->attached.items;
    lw_code rc = describe(m, a, label, how == NULL ? &plain : how, guessed, err);

    if (rc >= 0 && !lw_arena_grow(&m->arena, &items, m->attached.n, &m->attached.cap, sizeof *a))
        rc = LW_ENOMEM;
    if (rc < 0) {
        if (rc == LW_ENOMEM)
            lw_fail(err, rc, LW_STAGE_COMPOSE, "attachment: out of memory");
        lw_arena_rewind(&m->arena, &before);
        return rc;
    }
    m->attached.items = items;
    m->attached.items[m->attached.n++] = *a;
    m->n_inline += a->is_inline;
    return LW_OK;
}

lw_code
lw_message_attach_guessed(lw_message *m, lw_source source, const char *name,
                          const lw_attachment *how, const char *guessed)
{
    lw_attached a = { .content = { .source = source, .has_source = true } };
    lw_error e;

    if (m == NULL)
        return LW_ENOMEM;
    return lw_message_keep(m, attach(m, &a, name, how, guessed, &e), &e);
}

lw_code
lw_message_attach_source(lw_message *m, lw_source source, const char *name,
                         const lw_attachment *how)
{
    return lw_message_attach_guessed(m, source, name, how, NULL);
}

static bool
is_whole(const lw_source *s)
{
    return s != NULL && s->open != NULL && s->read != NULL && s->close != NULL;
}

static lw_code
refuse_source(lw_message *m, const char *field)
{
    lw_error e;

    if (m == NULL)
        return LW_ENOMEM;
    lw_fail(&e, LW_EUSAGE, LW_STAGE_COMPOSE, "%s: a source needs open, read and close", field);
    return lw_message_keep(m, LW_EUSAGE, &e);
}

lw_code
lw_message_attach_callback(lw_message *m, const lw_source *source, const lw_attachment *how)
{
    return m != NULL && is_whole(source) ? lw_message_attach_source(m, *source, NULL, how)
        : refuse_source(m, "attachment");
}

lw_code
lw_message_raw_callback(lw_message *m, const lw_source *source)
{
    return m != NULL && is_whole(source) ? lw_message_raw_source(m, *source, NULL)
        : refuse_source(m, "message");
}

lw_code
lw_message_attach_memory(lw_message *m, const void *data, size_t len, const lw_attachment *how)
{
    lw_attached a = { .content = { .memory = { data, len } } };
    lw_error e;

    if (m == NULL)
        return LW_ENOMEM;
    if (data == NULL && len > 0) {
        lw_fail(&e, LW_EUSAGE, LW_STAGE_COMPOSE, "attachment: NULL was given");
        return lw_message_keep(m, LW_EUSAGE, &e);
    }
    return lw_message_keep(m, attach(m, &a, NULL, how, NULL, &e), &e);
}

/* the ready message; a second one is refused */
static lw_code
set_raw(lw_message *m, lw_content content, const char *name)
{
    lw_error e;

    if (m->is_raw) {
        lw_fail(&e, LW_EUSAGE, LW_STAGE_COMPOSE, "message: a ready message was given already");
        return lw_message_keep(m, LW_EUSAGE, &e);
    }
    if (name != NULL && (content.label = lw_arena_str(&m->arena, name)) == NULL) {
        lw_fail(&e, LW_ENOMEM, LW_STAGE_COMPOSE, "message: out of memory");
        return lw_message_keep(m, LW_ENOMEM, &e);
    }
    m->raw = content;
    m->is_raw = true;
    return LW_OK;
}

lw_code
lw_message_raw_source(lw_message *m, lw_source source, const char *name)
{
    if (m == NULL)
        return LW_ENOMEM;
    return set_raw(m, (lw_content){ .source = source, .has_source = true }, name);
}

lw_code
lw_message_raw_memory(lw_message *m, const void *data, size_t len)
{
    lw_error e;

    if (m == NULL)
        return LW_ENOMEM;
    if (data == NULL && len > 0) {
        lw_fail(&e, LW_EUSAGE, LW_STAGE_COMPOSE, "message: NULL was given");
        return lw_message_keep(m, LW_EUSAGE, &e);
    }
    return set_raw(m, (lw_content){ .memory = { data, len } }, NULL);
}
