/* SPDX-License-Identifier: MIT */
/*
 * bulk/template.c - Mustache's tags read once, into a flat program
 *
 * One pass over the text.  Open sections stand on a stack of fixed depth; each knows the jump
 * that its end completes.  What is malformed is an error with line and column.
 */
#include "bulk/template_int.h"

#define DEFAULT_MAX_BYTES ((size_t)16 << 20)

/** An open section. */
typedef struct section {
    size_t op;        /* its IF or UNLESS                   */
    unsigned field;
    size_t at;        /* of its tag in the text             */
    bool is_inverted;
} section;

typedef struct compiler {
    lw_template *t;
    lw_error *err;
    size_t at;        /* octets of the text that are done   */
    section open[LW_TEMPLATE_DEPTH];
    size_t n_open;
} compiler;

/** A tag as it stands in the text. */
typedef struct tag {
    size_t at, end;   /* from "{{" to behind "}}"           */
    char kind;        /* '\0', '{', '&', '#', '^', '/', '!' */
    lw_span name;     /* trimmed                            */
} tag;

/* ---- where something stands ------------------------------------------------------------- */

static void
place(const lw_template *t, size_t at, unsigned *line, unsigned *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at; i++) {
        if (t->text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)t->text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

static lw_code
malformed(compiler *c, size_t at, const char *what, lw_span name)
{
    unsigned line, column;

    place(c->t, at, &line, &column);
    return lw_fail(c->err, LW_EMESSAGE, LW_STAGE_COMPOSE, "%s line %u column %u: %s%.*s%s",
                   c->t->name, line, column, what, (int)(name.len < 80 ? name.len : 80),
                   name.len == 0 ? "" : name.ptr, name.len == 0 ? "" : "}}");
}

static lw_code
no_memory(compiler *c)
{
    return lw_fail(c->err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", c->t->name);
}

/* ---- the program ------------------------------------------------------------------------- */

static bool
room(const lw_alloc *alloc, void **items, size_t n, size_t *cap, size_t size)
{
    size_t wanted = n < 8 ? 16 : n * 2, bytes;
    void *grown;

    if (n < *cap)
        return true;
    if (!lw_mul_size(&bytes, wanted, size) || (grown = lw_resize(alloc, *items, bytes)) == NULL)
        return false;
    *items = grown;
    *cap = wanted;
    return true;
}

static lw_code
emit(compiler *c, lw_template_op op)
{
    lw_template *t = c->t;

    if (!room(&t->alloc, (void **)&t->ops, t->n_ops, &t->cap_ops, sizeof *t->ops))
        return no_memory(c);
    t->ops[t->n_ops++] = op;
    return LW_OK;
}

static lw_code
emit_text(compiler *c, size_t from, size_t to)
{
    if (from >= to)
        return LW_OK;
    return emit(c, (lw_template_op){ .kind = LW_OP_TEXT, .at = from, .len = to - from });
}

static lw_code
add_field(compiler *c, const tag *g, unsigned *field)
{
    lw_template *t = c->t;
    lw_template_slot *s;

    if (t->n_slots == LW_TEMPLATE_FIELDS)
        return lw_fail(c->err, LW_ELIMIT, LW_STAGE_COMPOSE, "%s: more than %d different fields",
                       t->name, LW_TEMPLATE_FIELDS);
    if (!room(&t->alloc, (void **)&t->slots, t->n_slots, &t->cap_slots, sizeof *t->slots))
        return no_memory(c);
    s = &t->slots[t->n_slots];
    *s = (lw_template_slot){ .column = 0 };
    if ((s->field.name = lw_span_dup(&t->alloc, g->name)) == NULL)
        return no_memory(c);
    place(t, g->at, &s->field.line, &s->field.column);
    *field = (unsigned)t->n_slots++;
    return LW_OK;
}

static lw_code
find_field(compiler *c, const tag *g, unsigned *field)
{
    for (size_t i = 0; i < c->t->n_slots; i++) {
        if (lw_span_eq(lw_span_str(c->t->slots[i].field.name), g->name)) {
            *field = (unsigned)i;
            return LW_OK;
        }
    }
    return add_field(c, g, field);
}

/* ---- tags --------------------------------------------------------------------------------- */

static lw_code
check_name(compiler *c, const tag *g)
{
    lw_span n = g->name;

    if (n.len == 0)
        return malformed(c, g->at, "a tag without a name", LW_NO_SPAN);
    if (n.len > LW_TEMPLATE_NAME)
        return malformed(c, g->at, "a name of more than 128 octets", LW_NO_SPAN);
    if (lw_span_has_ctl(n) || lw_span_find(n, '{') < n.len || lw_span_find(n, '}') < n.len)
        return malformed(c, g->at, "a brace or a control character in a name: is a }} missing?",
                         LW_NO_SPAN);
    return LW_OK;
}

/* the tag that begins at g->at: what it is, its name, where it ends */
static lw_code
read_tag(compiler *c, tag *g)
{
    lw_span rest = { c->t->text + g->at + 2, c->t->text_len - g->at - 2 };
    const char *close, *name;
    bool is_triple;

    g->kind = rest.len > 0 && memchr("{&#^/!>=<$*", rest.ptr[0], 11) != NULL ? rest.ptr[0] : '\0';
    if (memchr(">=<$*", g->kind, 5) != NULL)
        return malformed(c, g->at, "partials, parents and other delimiters are not supported",
                         LW_NO_SPAN);
    is_triple = g->kind == '{';
    close = memmem(rest.ptr, rest.len, is_triple ? "}}}" : "}}", is_triple ? 3 : 2);
    if (close == NULL)
        return malformed(c, g->at, is_triple ? "{{{ without }}}" : "{{ without }}", LW_NO_SPAN);
    name = rest.ptr + (g->kind != '\0');
    g->end = (size_t)(close - c->t->text) + (is_triple ? 3 : 2);
    if (g->kind == '!')
        return LW_OK;
    g->name = lw_span_trim((lw_span){ name, (size_t)(close - name) });
    return check_name(c, g);
}

static bool
is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

/* A section or comment alone on its line takes the line, from *from to *to. */
static void
take_line(const lw_template *t, const tag *g, size_t *from, size_t *to)
{
    size_t a = g->at, b = g->end;

    *from = a;
    *to = b;
    while (a > 0 && is_blank(t->text[a - 1]))
        a--;
    while (b < t->text_len && is_blank(t->text[b]))
        b++;
    if (a > 0 && t->text[a - 1] != '\n')
        return;
    if (b + 1 < t->text_len && t->text[b] == '\r' && t->text[b + 1] == '\n')
        b++;
    if (b < t->text_len && t->text[b] != '\n')
        return;
    *from = a;
    *to = b < t->text_len ? b + 1 : b;
}

/* the field is written here: is it sure to be there? */
static bool
is_inside_own_section(const compiler *c, unsigned field)
{
    for (size_t i = 0; i < c->n_open; i++)
        if (c->open[i].field == field && !c->open[i].is_inverted)
            return true;
    return false;
}

static lw_code
value(compiler *c, tag *g)
{
    lw_template_op op = { .kind = g->kind == '\0' ? LW_OP_VALUE : LW_OP_RAW };
    lw_code rc;

    if (lw_span_eq(g->name, LW_LIT("."))) {
        if (c->n_open == 0)
            return malformed(c, g->at, "{{.}} stands in no section", LW_NO_SPAN);
        g->name = lw_span_str(c->t->slots[c->open[c->n_open - 1].field].field.name);
    }
    if ((rc = find_field(c, g, &op.field)) < 0)
        return rc;
    if (!is_inside_own_section(c, op.field))
        c->t->slots[op.field].field.is_required = true;
    return emit(c, op);
}

static lw_code
open_section(compiler *c, const tag *g)
{
    section *s = &c->open[c->n_open];
    lw_code rc;

    if (c->n_open == LW_TEMPLATE_DEPTH)
        return lw_fail(c->err, LW_ELIMIT, LW_STAGE_COMPOSE, "%s: sections nest deeper than %d",
                       c->t->name, LW_TEMPLATE_DEPTH);
    if (lw_span_eq(g->name, LW_LIT(".")))
        return malformed(c, g->at, "a section needs a field's name", LW_NO_SPAN);
    *s = (section){ .op = c->t->n_ops, .at = g->at, .is_inverted = g->kind == '^' };
    if ((rc = find_field(c, g, &s->field)) < 0)
        return rc;
    c->n_open++;
    return emit(c, (lw_template_op){ .kind = s->is_inverted ? LW_OP_UNLESS : LW_OP_IF,
                                     .field = s->field });
}

static lw_code
close_section(compiler *c, const tag *g)
{
    const section *s;
    const char *name;

    if (c->n_open == 0)
        return malformed(c, g->at, "no section is open here: {{/", g->name);
    s = &c->open[c->n_open - 1];
    name = c->t->slots[s->field].field.name;
    if (!lw_span_eq(g->name, lw_span_str(name)))
        return malformed(c, g->at, "this does not close the innermost section, which is {{#",
                         lw_span_str(name));
    c->t->ops[s->op].to = c->t->n_ops;
    c->n_open--;
    return LW_OK;
}

static lw_code
compile_tag(compiler *c, tag *g)
{
    size_t from = g->at, to = g->end;
    bool is_value = g->kind == '\0' || g->kind == '{' || g->kind == '&';
    lw_code rc;

    if (!is_value)
        take_line(c->t, g, &from, &to);
    if ((rc = emit_text(c, c->at, from)) < 0)
        return rc;
    c->at = to;
    if (is_value)
        return value(c, g);
    if (g->kind == '!')
        return LW_OK;
    return g->kind == '/' ? close_section(c, g) : open_section(c, g);
}

static lw_code
compile(compiler *c)
{
    lw_template *t = c->t;
    size_t look = 0;
    const char *found;
    lw_code rc;

    while ((found = memmem(t->text + look, t->text_len - look, "{{", 2)) != NULL) {
        tag g = { .at = (size_t)(found - t->text) };

        if ((rc = read_tag(c, &g)) < 0 || (rc = compile_tag(c, &g)) < 0)
            return rc;
        look = g.end;
    }
    if (c->n_open > 0) {
        const section *s = &c->open[c->n_open - 1];
        return malformed(c, s->at, "this section is never closed: {{#",
                         lw_span_str(t->slots[s->field].field.name));
    }
    return emit_text(c, c->at, t->text_len);
}

/* ---- the template's life ------------------------------------------------------------------ */

lw_code
lw_template_new(const lw_template_opts *opts, lw_span text, lw_template **out, lw_error *err)
{
    const lw_alloc *alloc;
    compiler c = { .err = err };
    lw_template_opts o;
    lw_template *t;
    lw_code rc;

    if (out == NULL)
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "template: a pointer is NULL");
    *out = NULL;
    if (lw_opts_copy(&o, sizeof o, opts) < 0 || (text.ptr == NULL && text.len > 0))
        return lw_fail(err, LW_EUSAGE, LW_STAGE_COMPOSE, "template: no options or no text");
    alloc = lw_alloc_or_default(o.alloc);
    if ((t = lw_zalloc(alloc, sizeof *t)) == NULL)
        return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "template: out of memory");
    t->alloc = *alloc;
    t->escape = o.escape;
    lw_buf_init(&t->out, &t->alloc, o.max_bytes > 0 ? o.max_bytes : DEFAULT_MAX_BYTES);
    t->name = lw_strdup(alloc, o.name == NULL ? "template" : o.name);
    t->text = lw_span_dup(alloc, text);
    t->text_len = text.len;
    c.t = t;
    rc = t->name == NULL || t->text == NULL
             ? lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "template: out of memory")
             : compile(&c);
    if (rc < 0) {
        lw_template_free(t);
        return rc;
    }
    *out = t;
    return LW_OK;
}

void
lw_template_free(lw_template *t)
{
    if (t == NULL)
        return;
    lw_alloc alloc = t->alloc;
    for (size_t i = 0; i < t->n_slots; i++)
        lw_release(&alloc, (char *)t->slots[i].field.name);
    lw_buf_deinit(&t->out);
    lw_release(&alloc, t->slots);
    lw_release(&alloc, t->ops);
    lw_release(&alloc, t->text);
    lw_release(&alloc, t->name);
    lw_release(&alloc, t);
}
