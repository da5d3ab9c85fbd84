/* SPDX-License-Identifier: MIT */
/*
 * bulk/mailing.c - the message for a row: every text a template, every value checked where it
 * enters the message
 */
#include "bulk/bulk_int.h"

#include <stdio.h>

typedef struct pattern {
    lw_template *t;      /* NULL = there is none */
    char *header;        /* of a header: its name */
} pattern;

enum { TO_NAME, FROM, REPLY_TO, SUBJECT, TEXT, HTML, UNSUBSCRIBE, N_FIXED };

struct lw_mailing {
    lw_alloc alloc;
    pattern fixed[N_FIXED];
    pattern *headers, *attach;
    size_t n_headers, n_attach;
    size_t to_column;
    char *envelope_from;
    bool verp;
    lw_code (*decorate)(void *ctx, lw_message *m);
    void *decorate_ctx;
    lw_dkim_signer *dkim;
    unsigned char identity[16];
    lw_buf text;          /* NUL-terminated copy of a rendered text, or an address */
};

/* ---- identities -------------------------------------------------------------------------------- */

void
lw_digest_init(lw_digest *d)
{
    lw_sip s;

    if (d == NULL)
        return;
    _Static_assert(sizeof s <= sizeof *d, "room for the hash");
    lw_sip_init_128(&s, (lw_sip_key){ 0, 0 });
    memset(d, 0, sizeof *d);
    memcpy(d, &s, sizeof s);
}

void
lw_digest_add(lw_digest *d, const void *p, size_t n)
{
    lw_sip s;

    if (d == NULL || (p == NULL && n > 0))
        return;
    memcpy(&s, d, sizeof s);
    lw_sip_add(&s, (lw_span){ p, n });
    memcpy(d, &s, sizeof s);
}

void
lw_digest_end(lw_digest *d, unsigned char out[16])
{
    lw_sip s;

    if (d == NULL || out == NULL)
        return;
    memcpy(&s, d, sizeof s);
    lw_sip_end_128(&s, out);
}

uint64_t
lw_row_print(const lw_row *row)
{
    lw_sip s;

    lw_sip_init(&s, (lw_sip_key){ 0, 0 });
    for (size_t i = 0; i < row->n; i++)
        lw_sip_add_framed(&s, row->values[i]);
    return lw_sip_end(&s);
}

/* what the options say, each option with its length or with "there is none" */
static void
add_identity(lw_sip *s, const char *text)
{
    lw_sip_add(s, text == NULL ? LW_LIT("-") : LW_LIT("+"));
    if (text != NULL)
        lw_sip_add_framed(s, lw_span_str(text));
}

static void
identify(lw_mailing *m, const lw_mailing_opts *o, const char *const *columns, size_t n)
{
    const char *texts[] = { o->to_field, o->to_name, o->from, o->reply_to, o->subject, o->text,
                            o->html, o->unsubscribe, o->envelope_from, o->verp ? "verp" : NULL };
    static const unsigned char none[sizeof o->decoration];
    lw_sip s;

    lw_sip_init_128(&s, (lw_sip_key){ 0, 0 });
    for (size_t i = 0; i < LW_COUNT(texts); i++)
        add_identity(&s, texts[i]);
    for (size_t i = 0; i < o->n_headers; i++)
        add_identity(&s, o->headers[i]);
    add_identity(&s, NULL);
    for (size_t i = 0; i < o->n_attach; i++)
        add_identity(&s, o->attach[i]);
    add_identity(&s, NULL);
    for (size_t i = 0; i < n; i++)
        add_identity(&s, columns[i]);
    if (memcmp(o->decoration, none, sizeof none) != 0)
        lw_sip_add(&s, (lw_span){ (const char *)o->decoration, sizeof o->decoration });
    lw_sip_end_128(&s, m->identity);
}

/* ---- compiling ------------------------------------------------------------------------------------ */

/** What compiling needs everywhere. */
typedef struct maker {
    lw_mailing *m;
    const char *const *columns;
    size_t n;
    lw_error *err;
} maker;

static lw_code
compile(maker *k, pattern *p, const char *name, const char *text, lw_template_escape escape)
{
    lw_template_opts o;
    lw_code rc;

    if (text == NULL)
        return LW_OK;
    lw_template_opts_init(&o);
    o.alloc = &k->m->alloc;
    o.name = name;
    o.escape = escape;
    if ((rc = lw_template_new(&o, lw_span_str(text), &p->t, k->err)) < 0)
        return rc;
    return lw_template_bind(p->t, k->columns, k->n, k->err);
}

static lw_code
compile_header(maker *k, pattern *p, const char *field)
{
    lw_span name, value = lw_span_str(field);

    if (!lw_span_token(&value, ':', &name) || lw_span_trim(name).len == 0 ||
        name.len == strlen(field))
        return lw_fail(k->err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                       "header \"%.80s\": it has no colon: write Name: value", field);
    if ((p->header = lw_span_dup(&k->m->alloc, lw_span_trim(name))) == NULL)
        return LW_ENOMEM;
    return compile(k, p, p->header, field + name.len + 1, LW_TEMPLATE_TEXT);
}

static lw_code
compile_fixed(maker *k, const lw_mailing_opts *o)
{
    const struct {
        const char *name, *text;
        lw_template_escape escape;
    } all[N_FIXED] = {
        [TO_NAME] = { "to-name", o->to_name, LW_TEMPLATE_TEXT },
        [FROM] = { "from", o->from, LW_TEMPLATE_TEXT },
        [REPLY_TO] = { "reply-to", o->reply_to, LW_TEMPLATE_TEXT },
        [SUBJECT] = { "subject", o->subject, LW_TEMPLATE_TEXT },
        [TEXT] = { "text", o->text, LW_TEMPLATE_TEXT },
        [HTML] = { "html", o->html, LW_TEMPLATE_HTML },
        [UNSUBSCRIBE] = { "unsubscribe", o->unsubscribe, LW_TEMPLATE_URL },
    };
    lw_code rc = LW_OK;

    for (size_t i = 0; i < N_FIXED && rc == LW_OK; i++)
        rc = compile(k, &k->m->fixed[i], all[i].name, all[i].text, all[i].escape);
    return rc;
}

static lw_code
compile_lists(maker *k, const lw_mailing_opts *o)
{
    lw_mailing *m = k->m;
    lw_code rc = LW_OK;

    m->headers = lw_zalloc_array(&m->alloc, o->n_headers + 1, sizeof *m->headers);
    m->attach = lw_zalloc_array(&m->alloc, o->n_attach + 1, sizeof *m->attach);
    if (m->headers == NULL || m->attach == NULL)
        return LW_ENOMEM;
    for (; m->n_headers < o->n_headers && rc == LW_OK; m->n_headers++)
        rc = compile_header(k, &m->headers[m->n_headers], o->headers[m->n_headers]);
    for (; m->n_attach < o->n_attach && rc == LW_OK; m->n_attach++)
        rc = compile(k, &m->attach[m->n_attach], "attach", o->attach[m->n_attach],
                     LW_TEMPLATE_TEXT);
    return rc;
}

static lw_code
find_to(maker *k, const char *to_field)
{
    const char *name = to_field == NULL ? "email" : to_field;
    char known[LW_COLUMNS_SHOWN];

    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->columns[i], name) == 0) {
            k->m->to_column = i;
            return LW_OK;
        }
    }
    lw_list_columns(known, k->columns, k->n);
    return lw_fail(k->err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                   "the list has no column \"%s\" for the address; its columns are: %s", name, known);
}

lw_code
lw_mailing_new(const lw_mailing_opts *opts, const char *const *columns, size_t n,
               lw_mailing **out, lw_error *err)
{
    const lw_alloc *alloc;
    lw_mailing_opts copy;
    maker k = { NULL, columns, n, err };
    lw_mailing *m;
    lw_code rc;

    if (out == NULL || (columns == NULL && n > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "mailing: a pointer is NULL");
    *out = NULL;
    if (lw_opts_copy(&copy, sizeof copy, opts) < 0 || (copy.text == NULL && copy.html == NULL) ||
        copy.from == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "mailing: from, and text or html");
    opts = &copy;
    alloc = lw_alloc_or_default(opts->alloc);
    if ((m = lw_zalloc(alloc, sizeof *m)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "mailing: out of memory");
    m->alloc = *alloc;
    m->verp = opts->verp;
    m->decorate = opts->decorate;
    m->decorate_ctx = opts->decorate_ctx;
    m->dkim = opts->dkim;
    lw_buf_init(&m->text, &m->alloc, (size_t)32 << 20);
    m->envelope_from = lw_strdup(&m->alloc, opts->envelope_from);
    k.m = m;
    identify(m, opts, columns, n);
    if ((rc = find_to(&k, opts->to_field)) == LW_OK && (rc = compile_fixed(&k, opts)) == LW_OK)
        rc = compile_lists(&k, opts);
    if (rc == LW_ENOMEM || (opts->envelope_from != NULL && m->envelope_from == NULL))
        rc = lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "mailing: out of memory");
    if (rc < 0) {
        lw_mailing_free(m);
        return rc;
    }
    *out = m;
    return LW_OK;
}

static void
free_patterns(const lw_alloc *alloc, pattern *p, size_t n)
{
    for (size_t i = 0; p != NULL && i < n; i++) {
        lw_template_free(p[i].t);
        lw_release(alloc, p[i].header);
    }
}

void
lw_mailing_free(lw_mailing *m)
{
    if (m == NULL)
        return;
    lw_alloc alloc = m->alloc;
    free_patterns(&alloc, m->fixed, N_FIXED);
    free_patterns(&alloc, m->headers, m->n_headers);
    free_patterns(&alloc, m->attach, m->n_attach);
    lw_buf_deinit(&m->text);
    lw_release(&alloc, m->headers);
    lw_release(&alloc, m->attach);
    lw_release(&alloc, m->envelope_from);
    lw_release(&alloc, m);
}

void
lw_mailing_identity(const lw_mailing *m, unsigned char out[16])
{
    if (m == NULL || out == NULL)
        return;
    memcpy(out, m->identity, 16);
}

lw_span
lw_mailing_address(const lw_mailing *m, const lw_row *row)
{
    return m != NULL && row != NULL && m->to_column < row->n ? lw_span_trim(row->values[m->to_column]) : LW_NO_SPAN;
}

/* ---- a row's message ---------------------------------------------------------------------------------- */

/** A message in the making. */
typedef struct making {
    lw_mailing *mailing;
    const lw_row *row;
    lw_message *m;
    lw_error *err;
} making;

/* NUL-terminated, until the next call; NULL after a failure.  A NUL inside would end it early:
 * lists have none, templates may */
static const char *
render(making *k, const pattern *p, lw_code *rc)
{
    lw_buf *b = &k->mailing->text;
    lw_span s;

    if ((*rc = lw_template_render(p->t, k->row->values, k->row->n, &s, k->err)) < 0)
        return NULL;
    lw_buf_reset(b);
    lw_buf_add(b, s);
    if ((*rc = lw_buf_finish(b)) == LW_OK && s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL)
        *rc = lw_fail(k->err, LW_EMESSAGE, LW_STAGE_COMPOSE, "a template holds a NUL octet");
    return *rc == LW_OK ? lw_buf_cstr(b) : NULL;
}

static lw_code
set(making *k, int which, lw_code (*setter)(lw_message *, const char *))
{
    const pattern *p = &k->mailing->fixed[which];
    lw_code rc = LW_OK;
    const char *text = p->t == NULL ? NULL : render(k, p, &rc);

    return text == NULL ? rc : setter(k->m, text);
}

/* a quoted-string (RFC 5322 3.2.4) holds any name once " and \ have a \ before them */
static void
add_quoted(lw_buf *b, lw_span name)
{
    lw_buf_add_char(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            lw_buf_add_char(b, '\\');
        lw_buf_add_char(b, name.ptr[i]);
    }
    lw_buf_add_char(b, '"');
}

static lw_code
set_to(making *k, lw_span address)
{
    const pattern *p = &k->mailing->fixed[TO_NAME];
    lw_buf *b = &k->mailing->text;
    lw_span name = LW_NO_SPAN;
    lw_code rc;

    if (address.len == 0)
        return lw_fail(k->err, LW_EADDRESS, LW_STAGE_COMPOSE, "there is no address");
    lw_buf_reset(b);
    lw_buf_add(b, address);
    if ((rc = lw_buf_finish(b)) < 0 ||
        (rc = lw_message_envelope_to(k->m, lw_buf_cstr(b))) < 0)
        return rc;
    if (p->t != NULL &&
        (rc = lw_template_render(p->t, k->row->values, k->row->n, &name, k->err)) < 0)
        return rc;
    name = lw_span_trim(name);
    lw_buf_reset(b);
    if (name.len > 0)
        add_quoted(b, name);
    lw_buf_add_str(b, name.len > 0 ? " <" : "<");
    lw_buf_add(b, address);
    lw_buf_add_char(b, '>');
    return (rc = lw_buf_finish(b)) < 0 ? rc : lw_message_to(k->m, lw_buf_cstr(b));
}

/* the domain behind the last @ of a mailbox, if a Message-ID can hold it */
static lw_span
domain_of(const char *mailbox)
{
    const char *at = strrchr(mailbox, '@');
    size_t n = 0;

    while (at != NULL && (lw_is_alnum(at[1 + n]) || at[1 + n] == '.' || at[1 + n] == '-'))
        n++;
    if (at == NULL || n == 0 || (at[1 + n] != '\0' && strchr("> \t", at[1 + n]) == NULL))
        return LW_LIT("bulk.invalid");
    return (lw_span){ at + 1, n };
}

static char *
put_hex(char *p, uint64_t n, int digits)
{
    for (int i = digits - 1; i >= 0; i--)
        *p++ = "0123456789abcdef"[n >> (4 * i) & 15];
    return p;
}

/* [RFC5322 3.6.4] "itself MUST be a globally unique identifier for a message": made from the
 * mailing's and the row's, so that a message that is sent again is the same one */
static lw_code
set_from_and_id(making *k)
{
    const unsigned char *who = k->mailing->identity;
    char id[400], *p = id;
    lw_span domain;
    lw_code rc = LW_OK;
    const char *from = render(k, &k->mailing->fixed[FROM], &rc);

    if (from == NULL || (rc = lw_message_from(k->m, from)) < 0)
        return rc;
    domain = domain_of(from);
    domain.len = domain.len < 255 ? domain.len : 255;
    *p++ = '<';
    for (int i = 0; i < 8; i++)
        p = put_hex(p, who[i], 2);
    *p++ = '.';
    p += lw_uint_write(p, k->row->number);
    *p++ = '.';
    p = put_hex(p, lw_row_print(k->row), 16);
    *p++ = '@';
    memcpy(p, domain.ptr, domain.len);
    memcpy(p + domain.len, ">", 2);
    return lw_message_id(k->m, id);
}

/* bounces@example.com and ann@example.org: bounces+ann=example.org@example.com */
static lw_code
set_envelope_from(making *k, lw_span address)
{
    const lw_mailing *m = k->mailing;
    lw_span domain = lw_span_str(m->envelope_from), local;
    size_t at = address.len;
    lw_buf *b = &k->mailing->text;
    lw_code rc;

    if (m->envelope_from == NULL || !m->verp)
        return m->envelope_from == NULL ? LW_OK
                                        : lw_message_envelope_from(k->m, m->envelope_from);
    while (at > 0 && address.ptr[at - 1] != '@')
        at--;
    lw_span_token(&domain, '@', &local);
    lw_buf_reset(b);
    lw_buf_add(b, local);
    lw_buf_add_char(b, '+');
    lw_buf_add(b, (lw_span){ address.ptr, at == 0 ? 0 : at - 1 });
    lw_buf_add_char(b, '=');
    lw_buf_add(b, (lw_span){ address.ptr + at, address.len - at });
    lw_buf_add_char(b, '@');
    lw_buf_add(b, domain);
    return (rc = lw_buf_finish(b)) < 0 ? rc : lw_message_envelope_from(k->m, lw_buf_cstr(b));
}

static lw_code
set_headers(making *k)
{
    lw_code rc = LW_OK;

    for (size_t i = 0; i < k->mailing->n_headers && rc == LW_OK; i++) {
        const pattern *p = &k->mailing->headers[i];
        const char *value = render(k, p, &rc);

        if (value != NULL)
            rc = lw_message_header(k->m, p->header, value + strspn(value, " \t"));
    }
    return rc;
}

static lw_code
attach(making *k)
{
    lw_code rc = LW_OK;

    for (size_t i = 0; i < k->mailing->n_attach && rc == LW_OK; i++) {
        const char *path = render(k, &k->mailing->attach[i], &rc);

        if (path != NULL && path[0] != '\0')
            rc = lw_message_attach_file(k->m, path);
    }
    return rc;
}

static lw_code
set_unsubscribe(making *k)
{
    const pattern *p = &k->mailing->fixed[UNSUBSCRIBE];
    lw_code rc = LW_OK;
    const char *url = p->t == NULL ? NULL : render(k, p, &rc);

    return url == NULL ? rc : lw_message_unsubscribe(k->m, url, NULL);
}

static lw_code
make(making *k)
{
    lw_mailing *m = k->mailing;
    lw_span address = lw_mailing_address(m, k->row);
    lw_code rc;

    if ((rc = set_to(k, address)) < 0 || (rc = set_from_and_id(k)) < 0 ||
        (rc = set_envelope_from(k, address)) < 0 ||
        (rc = set(k, REPLY_TO, lw_message_reply_to)) < 0 ||
        (rc = set(k, SUBJECT, lw_message_subject)) < 0 ||
        (rc = set(k, TEXT, lw_message_text)) < 0 || (rc = set(k, HTML, lw_message_html)) < 0 ||
        (rc = set_headers(k)) < 0 || (rc = set_unsubscribe(k)) < 0 || (rc = attach(k)) < 0)
        return rc;
    if (m->decorate != NULL && (rc = m->decorate(m->decorate_ctx, k->m)) < 0)
        return rc;
    return m->dkim == NULL ? LW_OK : lw_message_dkim(k->m, m->dkim);
}

lw_code
lw_mailing_compose(lw_mailing *m, const lw_row *row, lw_message **out, lw_error *err)
{
    lw_error e = { .code = LW_OK };
    making k = { m, row, NULL, &e };
    lw_code rc;

    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "message: a pointer is NULL");
    *out = NULL;
    if (m == NULL || row == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "message: a pointer is NULL");
    k.m = lw_message_new_with(&m->alloc);
    if (k.m == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "message: out of memory");
    if ((rc = make(&k)) < 0) {
        if (e.code == LW_OK) /* a setter refused: the message knows why */
            e = *lw_message_error(k.m);
        if (e.code == LW_OK)
            lw_fail(&e, rc, LW_STAGE_COMPOSE, "message: %s", lw_code_text(rc));
        if (err != NULL)
            *err = e;
        lw_message_free(k.m);
        return rc;
    }
    *out = k.m;
    return LW_OK;
}
