/* SPDX-License-Identifier: MIT */
/*
 * cli/bulk_eml.c - a ready message as a template
 *
 * The message is taken apart and composed anew for each row: what a row puts into a header or a
 * body is then encoded as it must be, whatever the encoding in the file was.
 */
#include "cli/bulk.h"

#include <letterwing/read.h>

#include <stdlib.h>
#include <string.h>

typedef struct taker {
    cli_letter *l;
    const char *path;
    char **text;          /* where the octets of this part go; NULL = into data          */
    char *data;
    size_t len, cap;
    char *charset, *type, *name, *cid;
    bool is_inline;
} taker;

static bool
is_name(lw_span name, const char *word)
{
    return cli_is(name.ptr, name.len, word);
}

static char *
copy_span(lw_span s)
{
    char *out = malloc(s.len + 1);

    if (out == NULL)
        exit(cli_error(EX_OSERR, "out of memory"));
    if (s.len > 0)
        memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return out;
}

/* "{{name}} <{{email}}>": what stands before the address; NULL = nothing does */
static char *
name_of(lw_span to)
{
    const char *angle = memrchr(to.ptr, '<', to.len);
    lw_span name = { to.ptr, angle == NULL ? 0 : (size_t) (angle - to.ptr) };

    while (name.len > 0 && strchr(" \t\"", name.ptr[name.len - 1]) != NULL)
        name.len--;
    while (name.len > 0 && strchr(" \t\"", name.ptr[0]) != NULL) {
        name.ptr++;
        name.len--;
    }
    return name.len == 0 ? NULL : copy_span(name);
}

static bool
is_made_anew(lw_span name)
{
    static const char *const names[] = { "date", "message-id", "mime-version", "received",
                                         "return-path", "dkim-signature", "delivered-to",
                                         "list-unsubscribe-post", "arc-seal",
                                         "arc-message-signature", "arc-authentication-results" };

    if (name.len > 8 && cli_is(name.ptr, 8, "content-"))
        return true;
    for (size_t i = 0; i < CLI_COUNT_OF(names); i++)
        if (is_name(name, names[i]))
            return true;
    return false;
}

static int
take_field(taker *t, const lw_read_event *ev)
{
    bool has_words = memmem(ev->raw.ptr, ev->raw.len, "=?", 2) != NULL;
    lw_span value = has_words ? ev->value : ev->raw;
    cli_letter *l = t->l;
    char *line;

    if (is_name(ev->name, "from") && l->from == NULL)
        l->from = copy_span(value);
    else if (is_name(ev->name, "to") && l->to_name == NULL)
        l->to_name = name_of(value);
    else if (is_name(ev->name, "reply-to"))
        l->reply_to = copy_span(value);
    else if (is_name(ev->name, "subject"))
        l->subject = copy_span(value);
    else if (is_name(ev->name, "cc") || is_name(ev->name, "bcc"))
        return cli_error(EX_DATAERR, "bulk: %s has a %.*s field: every message goes to the row's "
                         "address alone", t->path, (int) ev->name.len, ev->name.ptr);
    else if (!is_made_anew(ev->name)) {
        size_t size = ev->name.len + value.len + 3;

        if ((line = malloc(size)) == NULL)
            return cli_error(EX_OSERR, "out of memory");
        snprintf(line, size, "%.*s: %.*s", (int) ev->name.len, ev->name.ptr, (int) value.len,
                 value.ptr);
        cli_list_add(&l->headers, line);
    }
    return CLI_GO_ON;
}

static void
begin_part(taker *t, const lw_read_part *p)
{
    bool is_attached = (p->disposition != NULL && strcmp(p->disposition, "attachment") == 0) ||
                       p->name != NULL || p->id != NULL;

    t->text = NULL;
    t->len = 0;
    t->charset = p->charset == NULL ? NULL : cli_copy(p->charset);
    t->type = cli_copy(p->type);
    t->name = p->name == NULL ? NULL : cli_copy(p->name);
    t->cid = p->id == NULL ? NULL : cli_copy(p->id);
    t->is_inline = p->disposition != NULL && strcmp(p->disposition, "inline") == 0;
    if (!is_attached && strcmp(p->type, "text/plain") == 0 && t->l->text == NULL)
        t->text = &t->l->text;
    else if (!is_attached && strcmp(p->type, "text/html") == 0 && t->l->html == NULL)
        t->text = &t->l->html;
}

static int
add_body(taker *t, lw_span s)
{
    size_t want = t->len + s.len + 1;

    if (want > t->cap) {
        char *grown = realloc(t->data, want * 2);

        if (grown == NULL)
            return cli_error(EX_OSERR, "out of memory");
        t->data = grown;
        t->cap = want * 2;
    }
    memcpy(t->data + t->len, s.ptr, s.len);
    t->len += s.len;
    t->data[t->len] = '\0';
    return CLI_GO_ON;
}

static int
end_part(taker *t)
{
    cli_letter *l = t->l;
    cli_part *grown;
    int rc = CLI_GO_ON;

    if (t->type == NULL)
        return rc; /* a multipart */
    if (t->data == NULL && (rc = add_body(t, (lw_span){ "", 0 })) != CLI_GO_ON)
        return rc;
    if (t->text != NULL) {
        *t->text = t->data;
        if (t->charset != NULL)
            rc = cli_to_utf8("bulk: --template", t->path, t->charset, t->text, &t->len);
        free(t->type);
        free(t->name);
        free(t->cid);
    } else if ((grown = realloc(l->parts, (l->n_parts + 1) * sizeof *grown)) == NULL) {
        return cli_error(EX_OSERR, "out of memory");
    } else {
        l->parts = grown;
        l->parts[l->n_parts++] = (cli_part){ t->data, t->name, t->type, t->cid, t->len,
                                             t->is_inline };
    }
    free(t->charset);
    t->data = t->charset = t->type = t->name = t->cid = NULL;
    t->len = t->cap = 0;
    return rc;
}

static int
take(taker *t, const lw_read_event *ev)
{
    switch (ev->kind) {
    case LW_READ_FIELD: return ev->part->number == 0 ? take_field(t, ev) : CLI_GO_ON;
    case LW_READ_CONTENT:
        if (!ev->part->has_parts)
            begin_part(t, ev->part);
        return CLI_GO_ON;
    case LW_READ_BODY: return t->type == NULL ? CLI_GO_ON : add_body(t, ev->body);
    case LW_READ_END: return end_part(t);
    case LW_READ_PART:
    case LW_READ_DEFECT: break;
    }
    return CLI_GO_ON;
}

static int
take_all(taker *t, lw_reader *r, const char *p, size_t n)
{
    lw_read_event ev;
    size_t used = 0;
    lw_code rc;
    int code = CLI_GO_ON;

    for (bool at_end = false; code == CLI_GO_ON;) {
        while ((rc = lw_reader_next(r, &ev)) == LW_OK && code == CLI_GO_ON)
            code = take(t, &ev);
        if (code != CLI_GO_ON || rc == LW_DONE)
            break;
        if (rc < 0 || (n > 0 && lw_reader_feed(r, p, n, &used) < 0))
            return cli_error(EX_DATAERR, "bulk: --template %s: %s", t->path,
                             lw_reader_error(r)->text);
        p += used;
        n -= used;
        used = 0;
        if (n == 0 && !at_end) {
            at_end = true;
            lw_reader_eof(r);
        }
    }
    return code;
}

int
cli_letter_read(cli_letter *l, const char *path)
{
    taker t = { .l = l, .path = path };
    lw_reader_opts o;
    lw_reader *r = NULL;
    char *octets = NULL;
    size_t n;
    int rc = cli_read_file("bulk: --template", path, &octets, &n);

    if (rc != CLI_GO_ON)
        return rc;
    lw_reader_opts_init(&o);
    rc = lw_reader_new(&o, &r) < 0 ? cli_error(EX_OSERR, "out of memory")
                                   : take_all(&t, r, octets, n);
    lw_reader_free(r);
    free(octets);
    free(t.data);
    free(t.charset);
    free(t.type);
    free(t.name);
    free(t.cid);
    if (rc == CLI_GO_ON && l->text == NULL && l->html == NULL)
        return cli_error(EX_DATAERR, "bulk: --template %s has no text", path);
    return rc;
}

void
cli_letter_free(cli_letter *l)
{
    free(l->from);
    free(l->to_name);
    free(l->reply_to);
    free(l->subject);
    free(l->text);
    free(l->html);
    for (size_t i = 0; i < l->headers.n; i++)
        free((char *) l->headers.items[i]);
    cli_list_free(&l->headers);
    for (size_t i = 0; i < l->n_parts; i++) {
        free(l->parts[i].data);
        free(l->parts[i].name);
        free(l->parts[i].type);
        free(l->parts[i].cid);
    }
    free(l->parts);
}

lw_code
cli_letter_attach(void *letter, lw_message *m)
{
    const cli_letter *l = letter;

    for (size_t i = 0; i < l->n_parts; i++) {
        const cli_part *p = &l->parts[i];
        lw_attachment how = { .name = p->name, .type = p->type, .cid = p->cid,
                              .is_inline = p->is_inline };
        lw_code rc = lw_message_attach_memory(m, p->data, p->len, &how);

        if (rc < 0)
            return rc;
    }
    return LW_OK;
}

/* with the final NUL, so that no two sequences of texts are the same octets */
static void
add_text(lw_digest *d, const char *text)
{
    lw_digest_add(d, text == NULL ? "" : text, (text == NULL ? 0 : strlen(text)) + 1);
}

void
cli_letter_identity(const cli_letter *l, unsigned char out[16])
{
    lw_digest d;

    lw_digest_init(&d);
    for (size_t i = 0; i < l->n_parts; i++) {
        const cli_part *p = &l->parts[i];

        add_text(&d, p->name);
        add_text(&d, p->type);
        add_text(&d, p->cid);
        lw_digest_add(&d, &p->is_inline, sizeof p->is_inline);
        lw_digest_add(&d, &p->len, sizeof p->len);
        lw_digest_add(&d, p->data, p->len);
    }
    lw_digest_end(&d, out);
}
