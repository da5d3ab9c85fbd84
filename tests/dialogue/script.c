/* SPDX-License-Identifier: MIT */
/* tests/dialogue/script.c - reading a script; README.md describes the language */
#include "dialogue/script.h"

#include <stdarg.h>
#include <unistd.h>

/** The script being read. */
typedef struct parser {
    script *s;
    int line;
    bool has_engine, names_rfc;
    bool has_said;     /* this turn has octets that the engine must say    */
    bool has_expected; /* this turn has events                             */
    bool is_open;      /* something since the last check                   */
} parser;

void
script_bad(const script *s, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: ", s->name, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    _exit(2);
}

static void
bad_if(const parser *p, const char *why)
{
    if (why != NULL)
        script_bad(p->s, p->line, "%s", why);
}

static void *
grow(void *v, size_t n, size_t size)
{
    if ((v = realloc(v, (n + 1) * size)) == NULL)
        abort();
    memset((char *)v + n * size, 0, size);
    return v;
}

static op *
new_op(parser *p, op_kind kind)
{
    script *s = p->s;

    s->ops = grow(s->ops, s->n_ops, sizeof *s->ops);
    s->ops[s->n_ops].kind = kind;
    s->ops[s->n_ops].line = p->line;
    return &s->ops[s->n_ops++];
}

/* ---- turns --------------------------------------------------------------------------- */

static void
end_turn(parser *p)
{
    op *o;

    if (!p->is_open)
        return;
    o = new_op(p, OP_CHECK);
    o->n_expects = p->s->n_expects;
    o->n_output = p->s->output.len;
    p->is_open = p->has_said = p->has_expected = false;
}

/* input goes on with a turn until the engine has something to say */
static void
add_input(parser *p, const char *text)
{
    bool no_end;
    op *o;

    if (p->has_said)
        end_turn(p);
    o = new_op(p, OP_INPUT);
    bad_if(p, bytes_unescape(&o->input, NULL, text, strlen(text), &no_end));
    if (!no_end)
        bytes_add(&o->input, "\r\n", 2);
    p->is_open = true;
}

static void
add_output(parser *p, const char *text)
{
    script *s = p->s;
    bytes *secrets = s->is_server ? NULL : &s->secrets;
    bool no_end;

    s->lines = grow(s->lines, s->n_lines, sizeof *s->lines);
    s->lines[s->n_lines++] = (output_line){ p->line, s->output.len };
    bad_if(p, bytes_unescape(&s->output, secrets, text, strlen(text), &no_end));
    if (!no_end)
        bytes_add(&s->output, "\r\n", 2);
    while (s->secrets.len < s->output.len)
        bytes_add(&s->secrets, "", 1);
    p->has_said = p->is_open = true;
}

/* ---- directives ------------------------------------------------------------------------ */

/* moves what follows "->" out of w */
static words
split_arrow(words *w)
{
    words behind = { NULL, 0 };
    size_t at = 0;

    while (at < w->n && !word_is(w, at, "->"))
        at++;
    for (size_t i = at; i < w->n; i++) {
        if (i > at)
            words_add_octets(&behind, "", (lw_span){ w->v[i].ptr, w->v[i].len });
        free(w->v[i].ptr);
    }
    w->n = at;
    return behind;
}

static void
add_expect(parser *p, const char *text, bool is_maybe)
{
    script *s = p->s;
    expectation *x;

    s->expects = grow(s->expects, s->n_expects, sizeof *s->expects);
    x = &s->expects[s->n_expects++];
    x->line = p->line;
    x->is_maybe = is_maybe;
    bad_if(p, words_split(&x->event, text));
    x->action = split_arrow(&x->event);
    if (x->event.n == 0)
        script_bad(s, p->line, "which event?");
    if (x->action.n > 0 && !s->is_server)
        script_bad(s, p->line, "only a server's events are answered with ->");
    p->has_expected = p->is_open = true;
}

static void
add_call(parser *p, const char *text)
{
    op *o;

    if (p->has_said || p->has_expected)
        end_turn(p);
    o = new_op(p, OP_CALL);
    bad_if(p, words_split(&o->call, text));
    o->result = split_arrow(&o->call);
    p->is_open = true;
}

static void
add_option(parser *p, const char *text)
{
    script *s = p->s;

    if (s->n_ops > 0 || s->output.len > 0 || s->n_expects > 0)
        script_bad(s, p->line, "options stand before the dialogue");
    s->options = grow(s->options, s->n_options, sizeof *s->options);
    bad_if(p, words_split(&s->options[s->n_options++], text));
}

static void
set_engine(parser *p, const char *text)
{
    if (p->has_engine || (strcmp(text, "client") != 0 && strcmp(text, "server") != 0))
        script_bad(p->s, p->line, "one line says \"engine client\" or \"engine server\"");
    if (!p->names_rfc)
        script_bad(p->s, p->line, "the head names no section such as RFC 5321 4.1.1.1");
    p->s->is_server = strcmp(text, "server") == 0;
    p->has_engine = true;
}

/* ---- lines -------------------------------------------------------------------------------- */

/* text behind "key" and a space; NULL if the line begins otherwise */
static const char *
behind(const char *line, const char *key)
{
    size_t n = strlen(key);

    if (strncmp(line, key, n) != 0 || (line[n] != ' ' && line[n] != '\0'))
        return NULL;
    return line[n] == '\0' ? line + n : line + n + 1;
}

static bool
names_section(const char *comment)
{
    const char *rfc = strstr(comment, "RFC ");

    return rfc != NULL && lw_is_digit(rfc[4]) && strchr(rfc + 4, ' ') != NULL;
}

static void
take_line(parser *p, const char *line)
{
    const char *rest;
    bool in;

    if (line[0] == '#') {
        p->names_rfc = p->names_rfc || names_section(line);
    } else if ((rest = behind(line, "engine")) != NULL) {
        set_engine(p, rest);
    } else if (!p->has_engine) {
        script_bad(p->s, p->line, "\"engine client\" or \"engine server\" comes first");
    } else if ((rest = behind(line, "S:")) != NULL || (rest = behind(line, "C:")) != NULL) {
        in = (line[0] == 'C') == p->s->is_server;
        (in ? add_input : add_output)(p, rest);
    } else if ((rest = behind(line, "expect")) != NULL) {
        add_expect(p, rest, false);
    } else if ((rest = behind(line, "maybe")) != NULL) {
        add_expect(p, rest, true);
    } else if ((rest = behind(line, "option")) != NULL) {
        add_option(p, rest);
    } else {
        add_call(p, line);
    }
}

/* A line that begins with a space goes on with the one before. */
static void
take_file(parser *p, FILE *f)
{
    bytes whole = { NULL, 0, 0 };
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int number = 0;

    while ((n = getline(&line, &cap, f)) >= 0) {
        number++;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
            line[--n] = '\0';
        if (n > 0 && line[0] == ' ') {
            bytes_add(&whole, line, (size_t)n);
            continue;
        }
        if (whole.len > 0)
            take_line(p, whole.ptr);
        whole.len = 0;
        p->line = number;
        bytes_add(&whole, line, (size_t)n);
    }
    if (whole.len > 0)
        take_line(p, whole.ptr);
    free(line);
    bytes_free(&whole);
}

void
script_load(script *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    parser p = { .s = s };
    FILE *f;

    *s = (script){ .name = slash == NULL ? path : slash + 1 };
    if ((f = fopen(path, "r")) == NULL)
        script_bad(s, 0, "cannot be opened");
    take_file(&p, f);
    fclose(f);
    end_turn(&p);
    if (s->n_ops == 0)
        script_bad(s, p.line, "there is no dialogue");
}

void
script_free(script *s)
{
    for (size_t i = 0; i < s->n_options; i++)
        words_free(&s->options[i]);
    for (size_t i = 0; i < s->n_ops; i++) {
        bytes_free(&s->ops[i].input);
        words_free(&s->ops[i].call);
        words_free(&s->ops[i].result);
    }
    for (size_t i = 0; i < s->n_expects; i++) {
        words_free(&s->expects[i].event);
        words_free(&s->expects[i].action);
    }
    free(s->options);
    free(s->ops);
    free(s->expects);
    free(s->lines);
    bytes_free(&s->output);
    bytes_free(&s->secrets);
}

int
script_output_line(const script *s, size_t at)
{
    size_t i = s->n_lines;

    while (i > 0 && s->lines[i - 1].at > at)
        i--;
    return i > 0 ? s->lines[i - 1].line : 0;
}
