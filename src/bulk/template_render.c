/* SPDX-License-Identifier: MIT */
/* bulk/template_render.c - a template meets its columns, then row after row */
#include "bulk/bulk_int.h"
#include "bulk/template_int.h"

size_t
lw_template_n_fields(const lw_template *t)
{
    return t == NULL ? 0 : t->n_slots;
}

const lw_template_field *
lw_template_field_at(const lw_template *t, size_t i)
{
    return t == NULL || i >= t->n_slots ? NULL : &t->slots[i].field;
}

/* ---- columns ------------------------------------------------------------------------------ */

void
lw_list_columns(char list[LW_COLUMNS_SHOWN], const char *const *names, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n && len + LW_TEMPLATE_NAME + 8 < LW_COLUMNS_SHOWN; i++) {
        size_t k = strnlen(names[i], LW_TEMPLATE_NAME);

        if (len > 0)
            memcpy(list + len, ", ", 2);
        len += len > 0 ? 2 : 0;
        memcpy(list + len, names[i], k);
        len += k;
    }
    list[len] = '\0';
}

static lw_code
no_column(const lw_template *t, const lw_template_field *f, const char *const *names, size_t n,
          lw_error *err)
{
    char list[LW_COLUMNS_SHOWN];

    lw_list_columns(list, names, n);
    return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                   "%s line %u column %u: the list has no column \"%s\"; its columns are: %s",
                   t->name, f->line, f->column, f->name, list);
}

lw_code
lw_template_bind(lw_template *t, const char *const *names, size_t n, lw_error *err)
{
    if (t == NULL || (names == NULL && n > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "template: nothing to bind");
    t->is_bound = false;
    for (size_t i = 0; i < t->n_slots; i++) {
        lw_template_slot *s = &t->slots[i];

        s->column = 0;
        while (s->column < n && strcmp(names[s->column], s->field.name) != 0)
            s->column++;
        if (s->column == n)
            return no_column(t, &s->field, names, n, err);
    }
    t->is_bound = true;
    return LW_OK;
}

/* ---- escaping ------------------------------------------------------------------------------ */

static const char *
entity(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

static void
add_html(lw_buf *out, lw_span v)
{
    size_t from = 0;

    for (size_t i = 0; i < v.len; i++) {
        const char *e = entity(v.ptr[i]);

        if (e == NULL)
            continue;
        lw_buf_add(out, (lw_span){ v.ptr + from, i - from });
        lw_buf_add_str(out, e);
        from = i + 1;
    }
    lw_buf_add(out, (lw_span){ v.ptr + from, v.len - from });
}

/* RFC 3986 2.3: letters, digits and - . _ ~ mean the same in every part of a URL */
static void
add_url(lw_buf *out, lw_span v)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];

        if (lw_is_alnum((char)c) || memchr("-._~", c, 4) != NULL) {
            lw_buf_add_char(out, (char)c);
            continue;
        }
        lw_buf_add_char(out, '%');
        lw_buf_add_char(out, hex[c >> 4]);
        lw_buf_add_char(out, hex[c & 15]);
    }
}

static void
add_escaped(lw_buf *out, lw_span v, lw_template_escape escape)
{
    switch (escape) {
    case LW_TEMPLATE_TEXT: lw_buf_add(out, v); return;
    case LW_TEMPLATE_HTML: add_html(out, v); return;
    case LW_TEMPLATE_URL: add_url(out, v); return;
    }
}

/* ---- rendering ------------------------------------------------------------------------------- */

static lw_span
value_of(const lw_template *t, unsigned field, const lw_span *values, size_t n)
{
    size_t column = t->slots[field].column;

    return column < n && values[column].len > 0 ? values[column] : LW_NO_SPAN;
}

static lw_code
is_empty(const lw_template *t, unsigned field, lw_error *err)
{
    const lw_template_field *f = &t->slots[field].field;

    return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE,
                   "column \"%s\" is empty, and %s line %u writes it: "
                   "{{#%s}}...{{/%s}} around it allows that",
                   f->name, t->name, f->line, f->name, f->name);
}

/* runs one op; *pc is moved on */
static lw_code
run(lw_template *t, size_t *pc, const lw_span *values, size_t n, lw_error *err)
{
    const lw_template_op *op = &t->ops[(*pc)++];
    lw_span v;

    if (op->kind == LW_OP_TEXT) {
        lw_buf_add(&t->out, (lw_span){ t->text + op->at, op->len });
        return LW_OK;
    }
    v = value_of(t, op->field, values, n);
    if (op->kind == LW_OP_IF || op->kind == LW_OP_UNLESS) {
        if ((v.len == 0) == (op->kind == LW_OP_IF))
            *pc = op->to;
        return LW_OK;
    }
    if (v.len == 0)
        return is_empty(t, op->field, err);
    add_escaped(&t->out, v, op->kind == LW_OP_RAW ? LW_TEMPLATE_TEXT : t->escape);
    return LW_OK;
}

lw_code
lw_template_render(lw_template *t, const lw_span *values, size_t n, lw_span *out, lw_error *err)
{
    size_t pc = 0;
    lw_code rc;

    if (out == NULL || (values == NULL && n > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "template: a pointer is NULL");
    *out = LW_NO_SPAN;
    if (t == NULL || (!t->is_bound && t->n_slots > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "template: not bound to columns");
    lw_buf_reset(&t->out);
    while (pc < t->n_ops) {
        lw_assert(t->ops[pc].to == 0 || t->ops[pc].to > pc);
        if ((rc = run(t, &pc, values, n, err)) < 0)
            return rc;
    }
    if ((rc = lw_buf_finish(&t->out)) < 0)
        return lw_fail(err, rc, LW_STAGE_COMPOSE, "%s: %s", t->name,
                       rc == LW_ELIMIT ? "the text of this row is too long" : "out of memory");
    *out = lw_buf_span(&t->out);
    return LW_OK;
}
