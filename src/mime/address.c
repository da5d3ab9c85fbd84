/* SPDX-License-Identifier: MIT */
/*
 * mime/address.c - RFC 5322 address lists (3.4, and 4.4's obsolete forms), one pass, no recursion
 *
 * A member is looked at twice: seek_mark() finds the character that tells what it is ('@': an
 * address, '<': a name before it, ':': a group), then it is read by its grammar rule.  Both
 * looks end at the same place, so the whole is linear.  Addresses leave in canonical form: no
 * comments, no white space, quotes only where they must be.  UTF-8 as in RFC 6532 3.2.
 */
#include "mime/mime_int.h"

typedef struct parser {
    lw_span in;
    size_t pos;
    const char *field;
    lw_error *err;
    size_t member, member_start; /* its number, from 1 */
    bool is_bare;                /* one addr-spec and nothing else, no list */
    bool in_group;
    lw_buf name, local, addr;    /* of the member */
} parser;

/* No address that is good is longer.  A local part is at most 64 octets, each perhaps behind a
 * backslash; its room takes a domain's A-labels afterwards. */
typedef struct scratch {
    char local[LW_DOMAIN_MAX + 1];
    char addr[2 * LW_DOMAIN_MAX + 4];
} scratch;

/* an octet, or '\0' at the end: the gate has refused NUL inside */
static char
peek(const parser *p)
{
    return p->pos < p->in.len ? p->in.ptr[p->pos] : '\0';
}

/* the text of the member for an error: to the next comma outside quotes, 60 octets at most */
static lw_span
member_text(const parser *p)
{
    const char *s = p->in.ptr + p->member_start;
    size_t n = 0, rest = p->in.len - p->member_start;
    bool quoted = false;

    for (; n < rest && n < 60 && (quoted || (s[n] != ',' && s[n] != ';')); n++)
        if (s[n] == '"')
            quoted = !quoted;
    while (n > 0 && n < rest && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return lw_span_trim((lw_span){ s, n });
}

static lw_code
fail(const parser *p, size_t pos, const char *why)
{
    lw_span text = member_text(p);
    size_t column = lw_mime_column(p->in, pos);

    if (p->is_bare)
        return lw_fail(p->err, LW_EADDRESS, LW_STAGE_COMPOSE, "%s: \"%.*s\" at column %zu: %s",
                       p->field, (int)text.len, text.ptr, column, why);
    return lw_fail(p->err, LW_EADDRESS, LW_STAGE_COMPOSE,
                   "%s: member %zu \"%.*s\" at column %zu: %s", p->field,
                   p->member == 0 ? 1 : p->member, (int)text.len, text.ptr, column, why);
}

/* comment = "(" *([FWS] ccontent) [FWS] ")"; nested ones are counted */
static lw_code
skip_comment(parser *p)
{
    size_t depth = 0, begin = p->pos;

    for (; p->pos < p->in.len; p->pos++) {
        char c = p->in.ptr[p->pos];
        if (c == '\\' && p->pos + 1 < p->in.len)
            p->pos++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0) {
            p->pos++;
            return LW_OK;
        }
    }
    return fail(p, begin, "the comment is not closed: ) is missing");
}

static lw_code
skip_cfws(parser *p)
{
    lw_code rc;

    for (;;) {
        char c = peek(p);
        if (p->is_bare && (c == ' ' || c == '\t' || c == '('))
            return fail(p, p->pos, "a bare address without spaces and comments is needed");
        if (c == ' ' || c == '\t')
            p->pos++;
        else if (c != '(')
            return LW_OK;
        else if ((rc = skip_comment(p)) < 0)
            return rc;
    }
}

/* quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE; decoded into out, which may be NULL */
static lw_code
quoted_string(parser *p, lw_buf *out)
{
    size_t begin = p->pos++;

    for (; p->pos < p->in.len; p->pos++) {
        char c = p->in.ptr[p->pos];
        if (c == '"') {
            p->pos++;
            return LW_OK;
        }
        if (c == '\\' && p->pos + 1 < p->in.len)
            c = p->in.ptr[++p->pos];
        if (out != NULL)
            lw_buf_add_char(out, c);
    }
    return fail(p, begin, "the quoted text is not closed: \" is missing");
}

static lw_span
atom(parser *p)
{
    lw_span s = { p->in.ptr + p->pos, 0 };

    while (p->pos < p->in.len && lw_mime_is_atext(p->in.ptr[p->pos]))
        p->pos++;
    s.len = (size_t)(p->in.ptr + p->pos - s.ptr);
    return s;
}

/* the first character behind words, dots, comments and spaces: what kind of member this is, and how
 * many octets before it could be a name */
static lw_code
seek_mark(parser *p, char *mark, size_t *reach)
{
    size_t begin = p->pos;
    lw_code rc;

    for (;;) {
        if ((rc = skip_cfws(p)) < 0)
            return rc;
        char c = peek(p);
        if (c == '"') {
            if ((rc = quoted_string(p, NULL)) < 0)
                return rc;
        } else if (c == '.') {
            p->pos++;
        } else if (atom(p).len == 0) {
            *mark = c;
            if (c != '<' && c != '@' && c != ':' && c != ',' && c != ';' && c != '\0')
                return fail(p, p->pos, "a character that is not allowed here");
            *reach = p->pos - begin;
            p->pos = begin;
            return LW_OK;
        }
    }
}

/* phrase = 1*word / obs-phrase (4.1: dots too); seek_mark() has seen that it is well-formed */
static lw_code
phrase(parser *p, char mark)
{
    lw_code rc;

    for (;;) {
        size_t before = p->pos;
        if ((rc = skip_cfws(p)) < 0)
            return rc;
        char c = peek(p);
        if (c == mark)
            return LW_NEVER(lw_buf_finish(&p->name) < 0) ? LW_EBUG : LW_OK;
        if (p->pos > before && p->name.len > 0)
            lw_buf_add_char(&p->name, ' ');
        if (c == '"') {
            if ((rc = quoted_string(p, &p->name)) < 0)
                return rc;
        } else if (c == '.') {
            lw_buf_add_char(&p->name, c);
            p->pos++;
        } else {
            lw_buf_add(&p->name, atom(p));
        }
    }
}

static const char *
no_word_reason(const parser *p, bool is_first)
{
    char c = peek(p);

    if (c == '@')
        return is_first ? "nothing before the @" : "a dot before the @";
    if (c == '.')
        return is_first ? "a dot at the beginning" : "two dots in a row";
    return c == '\0' || c == '>' ? "no address" : "a character that is not allowed here";
}

/* local-part = dot-atom / quoted-string / obs-local-part = word *("." word); up to the @ */
static lw_code
local_part(parser *p)
{
    size_t begin = p->pos;
    lw_code rc;

    for (bool is_first = true;; is_first = false) {
        if ((rc = skip_cfws(p)) < 0)
            return rc;
        if (peek(p) == '"') {
            if ((rc = quoted_string(p, &p->local)) < 0)
                return rc;
        } else {
            lw_span s = atom(p);
            if (s.len == 0)
                return fail(p, p->pos, no_word_reason(p, is_first));
            lw_buf_add(&p->local, s);
        }
        if ((rc = skip_cfws(p)) < 0)
            return rc;
        char c = peek(p);
        if (c == '@')
            return LW_OK;
        if (c == '\0' || c == '>' || c == ',')
            return fail(p, begin, "there is no @ and no domain in it");
        if (c != '.')
            return fail(p, p->pos, lw_mime_is_atext(c) || c == '"'
                        ? "a space before the @" : "a character that is not allowed here");
        lw_buf_add_char(&p->local, '.');
        p->pos++;
    }
}

/* domain-literal = "[" *([FWS] dtext) [FWS] "]" */
static lw_code
domain_literal(parser *p)
{
    size_t begin = p->pos;

    for (; p->pos < p->in.len; p->pos++) {
        char c = p->in.ptr[p->pos];
        if (c == '\\')
            return fail(p, p->pos, "a backslash is not allowed between [ and ]");
        if (c != ' ' && c != '\t')
            lw_buf_add_char(&p->addr, c);
        if (c == ']') {
            p->pos++;
            return LW_OK;
        }
    }
    return fail(p, begin, "the ] is missing");
}

/* The domain behind the first len octets of addr holds U-labels.  With an ASCII local part its
 * A-labels do, and no SMTPUTF8 is needed; else the address is UTF-8 anyway and stays readable. */
static lw_code
internationalized(parser *p, size_t begin, size_t len)
{
    lw_span domain = { p->addr.ptr + len, p->addr.len - len };
    const char *problem;
    lw_code rc;

    lw_buf_reset(&p->local); /* used up: its memory takes the result */
    rc = lw_idn_to_ascii(&p->local, domain, &problem);
    if (rc == LW_EADDRESS)
        return fail(p, begin, problem);
    if (rc < 0 || rc == LW_DONE || !lw_span_is_ascii((lw_span){ p->addr.ptr, len }))
        return rc < 0 ? rc : LW_OK;
    p->addr.len = len;
    lw_buf_add(&p->addr, lw_buf_span(&p->local));
    return lw_buf_finish(&p->addr);
}

/* domain = dot-atom / domain-literal / obs-domain = atom *("." atom); appended to addr */
static lw_code
domain(parser *p)
{
    size_t begin, len = p->addr.len;
    lw_code rc;

    if ((rc = skip_cfws(p)) < 0)
        return rc;
    begin = p->pos;
    if (peek(p) == '[') {
        if ((rc = domain_literal(p)) < 0)
            return rc;
    } else {
        for (;;) {
            lw_buf_add(&p->addr, atom(p));
            if ((rc = skip_cfws(p)) < 0)
                return rc;
            if (peek(p) != '.')
                break;
            lw_buf_add_char(&p->addr, '.');
            p->pos++;
            if ((rc = skip_cfws(p)) < 0)
                return rc;
        }
    }
    lw_span whole = { p->addr.ptr + len, p->addr.len - len };
    const char *problem = lw_buf_finish(&p->addr) < 0 ? "the domain is longer than 255 octets"
        : lw_addr_domain_problem(whole);
    if (problem != NULL)
        return fail(p, begin, problem);
    return lw_span_is_ascii(whole) ? LW_OK : internationalized(p, begin, len);
}

/* the decoded local part goes to addr, in quotes if it must be */
static lw_code
put_local(parser *p, size_t begin)
{
    lw_span local = lw_buf_span(&p->local);
    bool is_whole = lw_buf_finish(&p->local) >= 0;

    if (is_whole && lw_span_has_ctl(local))
        return fail(p, begin, "a tab before the @");
    if (!lw_addr_wants_quotes(local)) {
        lw_buf_add(&p->addr, local);
    } else {
        lw_buf_add_char(&p->addr, '"');
        for (size_t i = 0; i < local.len; i++) {
            if (local.ptr[i] == '"' || local.ptr[i] == '\\')
                lw_buf_add_char(&p->addr, '\\');
            lw_buf_add_char(&p->addr, local.ptr[i]);
        }
        lw_buf_add_char(&p->addr, '"');
    }
    /* [RFC5321 4.5.3.1.1] "The maximum total length of a user name or other local-part is 64
     * octets." */
    if (!is_whole || p->addr.len > 64)
        return fail(p, begin, "more than 64 octets before the @");
    return LW_OK;
}

/* addr-spec = local-part "@" domain, checked and in canonical form in p->addr */
static lw_code
addr_spec(parser *p)
{
    size_t begin = p->pos;
    lw_code rc;

    if ((rc = local_part(p)) < 0 || (rc = put_local(p, begin)) < 0)
        return rc;
    lw_buf_add_char(&p->addr, '@');
    p->pos++;
    if ((rc = domain(p)) < 0)
        return rc;
    /* [RFC5321 4.5.3.1.3] "The maximum total length of a reverse-path or forward-path is 256
     * octets (including the punctuation and element separators)." */
    if (p->addr.len > LW_ADDR_MAX)
        return fail(p, begin, "the address is longer than 254 octets");
    return LW_OK;
}

/* angle-addr = "<" addr-spec ">" / obs-angle-addr with a route, which is dropped */
static lw_code
angle_addr(parser *p)
{
    lw_code rc;

    p->pos++;
    if ((rc = skip_cfws(p)) < 0)
        return rc;
    if (peek(p) == '>')
        return fail(p, p->pos, "nothing between < and >");
    if (peek(p) == '@') {
        size_t begin = p->pos;
        while (peek(p) != ':' && peek(p) != '>' && peek(p) != '\0')
            p->pos++;
        if (peek(p) != ':')
            return fail(p, begin, "nothing before the @");
        p->pos++;
    }
    if ((rc = addr_spec(p)) < 0 || (rc = skip_cfws(p)) < 0)
        return rc;
    if (peek(p) != '>')
        return fail(p, p->pos, peek(p) == '\0' || peek(p) == ','
                    ? "the > is missing" : "unexpected text before the >");
    p->pos++;
    return LW_OK;
}

/* behind a member: the end, a comma, or the end of the group */
static lw_code
member_end(parser *p)
{
    lw_code rc = skip_cfws(p);

    if (rc < 0)
        return rc;
    char c = peek(p);
    if (c == '\0' || c == ',' || (c == ';' && p->in_group))
        return LW_OK;
    return fail(p, p->pos, c == ';' ? "addresses are separated by commas, not semicolons"
                : "unexpected text behind the address (is a comma missing?)");
}

/* The phrase before mark is decoded behind what the arena has given away, close to where it will
 * stand: so that the array must have its room before. */
static lw_code
read_name(parser *p, lw_mailboxes *l, char mark, size_t reach)
{
    char *room = lw_mailboxes_room(l) ? lw_arena_reserve(l->arena, reach + 1) : NULL;

    if (room == NULL)
        return LW_ENOMEM;
    lw_buf_init_over(&p->name, room, reach + 1);
    return phrase(p, mark);
}

/* one member: mailbox, or the beginning of a group */
static lw_code
member(parser *p, lw_mailboxes *l)
{
    size_t reach;
    lw_code rc;
    char mark;

    lw_buf_reset(&p->name);
    lw_buf_reset(&p->local);
    lw_buf_reset(&p->addr);
    p->member++;
    p->member_start = p->pos;
    if ((rc = seek_mark(p, &mark, &reach)) < 0)
        return rc;
    if (mark == ':') {
        if (p->in_group)
            return fail(p, p->pos, "a group inside a group");
        if ((rc = read_name(p, l, mark, reach)) < 0)
            return rc;
        if (p->name.len == 0)
            return fail(p, p->pos, "a group without a name");
        p->pos++;
        p->member--;
        p->in_group = true;
        return LW_OK;
    }
    if (mark != '<' && mark != '@')
        return fail(p, p->pos, "there is no @ and no domain in it");
    if (mark == '<' && (rc = read_name(p, l, mark, reach)) < 0)
        return rc;
    rc = mark == '<' ? angle_addr(p) : addr_spec(p);
    if (rc < 0 || (rc = member_end(p)) < 0)
        return rc;
    return lw_mailboxes_add(l, lw_span_trim(lw_buf_span(&p->name)), lw_buf_span(&p->addr));
}

/* address-list = (address *("," address)) / obs-addr-list, where members may be empty */
static lw_code
address_list(parser *p, lw_mailboxes *l)
{
    lw_code rc;

    for (;;) {
        if ((rc = skip_cfws(p)) < 0)
            return rc;
        char c = peek(p);
        if (c == '\0')
            break;
        if (c == ',') {
            p->pos++;
        } else if (c == ';' && p->in_group) {
            p->pos++;
            p->in_group = false;
            rc = member_end(p);
        } else {
            rc = member(p, l);
        }
        if (rc < 0)
            return rc;
    }
    return p->in_group ? fail(p, p->pos, "the group is not closed: ; is missing") : LW_OK;
}

static void
parser_init(parser *p, scratch *room, lw_span in, const char *field, lw_error *err)
{
    *p = (parser){ .in = in, .field = field, .err = err };
    lw_buf_init_over(&p->local, room->local, sizeof room->local);
    lw_buf_init_over(&p->addr, room->addr, sizeof room->addr);
}

static lw_code
no_memory(lw_error *err, const char *field)
{
    return lw_fail(err, LW_ENOMEM, LW_STAGE_COMPOSE, "%s: out of memory", field);
}

lw_code
lw_mailboxes_parse_with(lw_mailboxes *l, lw_span list, const char *field, unsigned flags,
                        lw_error *err)
{
    lw_mailboxes before = *l;
    lw_arena mark = *l->arena;
    scratch room;
    parser p;
    lw_code rc;

    if ((rc = lw_mime_gate(list, field, LW_EADDRESS, err)) < 0)
        return rc;
    parser_init(&p, &room, list, field, err);
    rc = address_list(&p, l);
    if (rc >= 0 && l->n == before.n && !(flags & LW_LIST_MAY_BE_EMPTY))
        rc = lw_fail(err, LW_EADDRESS, LW_STAGE_COMPOSE, "%s: no address in \"%.*s\"", field,
                     (int)(list.len < 60 ? list.len : 60), list.ptr);
    if (rc == LW_ENOMEM)
        no_memory(err, field);
    if (rc < 0) {
        lw_arena_rewind(l->arena, &mark);
        *l = before;
    }
    return rc;
}

lw_code
lw_addr_parse(lw_span s, const char *field, char addr[LW_ADDR_MAX + 1], lw_error *err)
{
    scratch room;
    parser p;
    lw_code rc;

    if ((rc = lw_mime_gate(s, field, LW_EADDRESS, err)) < 0)
        return rc;
    if (s.len == 0)
        return lw_fail(err, LW_EADDRESS, LW_STAGE_COMPOSE, "%s: the address is empty", field);
    parser_init(&p, &room, s, field, err);
    p.is_bare = true;
    rc = addr_spec(&p);
    if (rc >= 0 && p.pos < s.len)
        rc = fail(&p, p.pos, "unexpected text behind the address");
    if (rc == LW_ENOMEM)
        no_memory(err, field);
    if (rc < 0)
        return rc;
    memcpy(addr, p.addr.ptr, p.addr.len);
    addr[p.addr.len] = '\0';
    return LW_OK;
}

lw_code
lw_addr_check(lw_span addr, const char *field, lw_error *err)
{
    char canonical[LW_ADDR_MAX + 1];

    return lw_addr_parse(addr, field, canonical, err);
}
