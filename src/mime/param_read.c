/* SPDX-License-Identifier: MIT */
/*
 * mime/param_read.c - parameters of Content-Type and Content-Disposition, read
 *
 * RFC 2045 5.1; RFC 2231 3 (continuations) and 4 (character sets).  Two looks at the value: the
 * first counts the sections of the parameter asked for, the second places them, so that they may
 * come in any order and memory is bounded by what is there.
 */
#include "mime/read_int.h"

typedef struct param {
    lw_span name, value; /* value as it stands, without its quotes */
    bool is_quoted;
} param;

/* a section of the parameter asked for: name*N or name*N*; or all of it: name, name* */
typedef struct section {
    lw_span value;
    bool is_set, is_quoted, is_coded;
} section;

typedef struct found {
    section plain, coded;
    section *sections;
    size_t n, n_counted;
} found;

static lw_span
from(lw_span s, size_t n)
{
    return (lw_span){ s.ptr + n, s.len - n };
}

lw_span
lw_comment_skip(lw_span s)
{
    size_t i = 0, depth = 0;

    for (; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (c == '\\' && depth > 0 && i + 1 < s.len)
            i++;
        else if (depth == 0 && c != ' ' && c != '\t')
            break;
    }
    return from(s, i);
}

lw_span
lw_param_head(lw_span value)
{
    lw_span s = lw_comment_skip(value);
    size_t end = lw_span_find(s, ';');

    s.len = lw_span_find((lw_span){ s.ptr, end }, '(');
    return lw_span_trim(s);
}

/* octets of the quoted string at s, its quotes among them; all of s if it is not closed */
static size_t
quoted_len(lw_span s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '"')
            return i + 1;
        if (s.ptr[i] == '\\')
            i++;
    }
    return s.len;
}

/* behind the next ";" that is not in a comment or in quotes; {NULL, 0} = there is none */
static lw_span
behind_semicolon(lw_span s)
{
    while (s.len > 0 && s.ptr[0] != ';') {
        if (s.ptr[0] == '(')
            s = lw_comment_skip(s);
        else
            s = from(s, s.ptr[0] == '"' ? quoted_len(s) : 1);
    }
    return s.len > 0 ? from(s, 1) : LW_NO_SPAN;
}

/* a value without quotes: to the semicolon, whatever it holds, but for a comment at its end */
static lw_span
bare_value(lw_span s)
{
    size_t open;

    s = lw_span_trim((lw_span){ s.ptr, lw_span_find(s, ';') });
    open = lw_span_find(s, '(');
    if (open > 0 && open < s.len && s.ptr[s.len - 1] == ')')
        s = lw_span_trim((lw_span){ s.ptr, open });
    return s;
}

/* [RFC2045 5.1] "parameter := attribute "=" value"; false at the end */
static bool
next_param(lw_span *rest, param *p)
{
    while (rest->ptr != NULL) {
        lw_span s = lw_comment_skip(*rest), value;
        size_t end = lw_span_find(s, ';'), equals = lw_span_find((lw_span){ s.ptr, end }, '=');
        if (equals == end) {
            *rest = behind_semicolon(s);
            continue;
        }
        p->name = lw_span_trim((lw_span){ s.ptr, equals });
        value = lw_comment_skip(from(s, equals + 1));
        p->is_quoted = value.len > 0 && value.ptr[0] == '"';
        if (p->is_quoted) {
            size_t len = quoted_len(value);
            bool is_closed = len > 1 && value.ptr[len - 1] == '"';
            p->value = (lw_span){ value.ptr + 1, len - 1 - is_closed };
            *rest = behind_semicolon(from(value, len));
        } else {
            end = lw_span_find(value, ';');
            p->value = bare_value(value);
            *rest = end < value.len ? from(value, end + 1) : LW_NO_SPAN;
        }
        return true;
    }
    return false;
}

/* what a parameter is to the one asked for: its section's number, or one of these */
enum { OTHER = -1, PLAIN = -2, CODED = -3 };

static int
match(const param *p, lw_span name, bool *is_coded)
{
    lw_span tail;
    uint64_t n;

    *is_coded = false;
    if (!lw_span_starts_nocase(p->name, name))
        return OTHER;
    tail = from(p->name, name.len);
    if (tail.len == 0)
        return PLAIN;
    if (tail.ptr[0] != '*')
        return OTHER;
    tail = from(tail, 1);
    if (tail.len == 0)
        return CODED;
    *is_coded = tail.ptr[tail.len - 1] == '*';
    tail.len -= *is_coded;
    return lw_span_uint(tail, INT32_MAX, &n) ? (int)n : OTHER;
}

static void
place(found *f, int which, section s)
{
    section *slot = which == PLAIN ? &f->plain : which == CODED ? &f->coded : NULL;

    if (which >= 0 && (size_t)which < f->n)
        slot = &f->sections[which];
    if (slot != NULL && !slot->is_set)
        *slot = s;
}

/* one look: counts the sections, or places all */
static void
look(found *f, lw_span value, lw_span name)
{
    lw_span rest = behind_semicolon(value);
    param p;

    while (next_param(&rest, &p)) {
        bool is_coded;
        int which = match(&p, name, &is_coded);
        f->n_counted += which >= 0;
        place(f, which, (section){ p.value, true, p.is_quoted, is_coded || which == CODED });
    }
}

static void
add_quoted(lw_buf *out, lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len)
            i++;
        lw_buf_add_char(out, s.ptr[i]);
    }
}

static void
add_percent(lw_buf *out, lw_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len ? lw_hex_value(s.ptr[i + 1]) : -1;
        int low = i + 2 < s.len ? lw_hex_value(s.ptr[i + 2]) : -1;
        if (s.ptr[i] == '%' && high >= 0 && low >= 0) {
            lw_buf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            lw_buf_add_char(out, s.ptr[i]);
        }
    }
}

/* [RFC2231 4] "A single quote is used to separate the character set, language, and actual value
 * information in the parameter value string"; taken off the value */
static lw_span
take_charset(lw_span *value)
{
    size_t first = lw_span_find(*value, '\'');
    lw_span charset = { value->ptr, first }, rest;
    size_t second;

    if (first == value->len)
        return LW_LIT("");
    rest = from(*value, first + 1);
    second = lw_span_find(rest, '\'');
    if (second == rest.len)
        return LW_LIT("");
    *value = from(rest, second + 1);
    return charset;
}

/* the sections, from the first on, without a gap; false if the character set is unknown */
static bool
join(lw_buf *out, section *sections, size_t n, const lw_charset_hook *hook)
{
    lw_span charset = LW_LIT("");
    bool is_known = true, is_coded = sections[0].is_coded;
    lw_buf octets;

    if (is_coded)
        charset = take_charset(&sections[0].value);
    lw_buf_init(&octets, out->alloc, LW_READ_VALUE_MAX);
    for (size_t i = 0; i < n && sections[i].is_set; i++) {
        if (sections[i].is_coded)
            add_percent(&octets, sections[i].value);
        else if (sections[i].is_quoted)
            add_quoted(&octets, sections[i].value);
        else
            lw_buf_add(&octets, sections[i].value);
    }
    if (is_coded)
        is_known = lw_charset_add(out, charset, lw_buf_span(&octets), hook);
    else
        (void)lw_words_decode(out, lw_buf_span(&octets), hook, NULL);
    if (lw_buf_finish(&octets) < 0)
        out->code = lw_buf_finish(&octets);
    lw_buf_deinit(&octets);
    return is_known;
}

bool
lw_param_find(lw_buf *out, lw_span value, lw_span name, const lw_charset_hook *hook)
{
    found f = { .n = 0 };
    bool done = false;

    if (value.len == 0)
        return false;
    look(&f, value, name);
    if (f.n_counted > 0) {
        f.n = f.n_counted;
        f.sections = lw_zalloc_array(out->alloc, f.n, sizeof *f.sections);
        if (f.sections == NULL) {
            out->code = LW_ENOMEM;
            return false;
        }
        look(&f, value, name);
    }
    if (f.n > 0 && f.sections[0].is_set)
        done = join(out, f.sections, f.n, hook);
    if (!done && f.coded.is_set)
        done = join(out, &f.coded, 1, hook);
    if (!done && f.plain.is_set)
        done = join(out, &f.plain, 1, hook);
    /* a character set that nobody knows, and no other form: ASCII at least */
    if (!done && (f.coded.is_set || (f.n > 0 && f.sections[0].is_set))) {
        lw_utf8_repair(out, f.coded.is_set ? f.coded.value : f.sections[0].value);
        done = true;
    }
    lw_release(out->alloc, f.sections);
    return done;
}
