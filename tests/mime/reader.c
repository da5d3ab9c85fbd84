/* SPDX-License-Identifier: MIT */
/*
 * tests/mime/reader.c - reads messages for test_reading.py
 *
 * Standard input: "LENGTH\n" and LENGTH octets, again and again.  For each, items "KIND LENGTH\n"
 * and LENGTH octets: part (its depth), field (name: decoded value), address (of a field that holds
 * some: "name\nlocal@domain"), type, name, body, end, defect; "done 0\n" at last.
 */
#include "read_support.h"

static void
put(const char *kind, lw_span s)
{
    printf("%s %zu\n", kind, s.len);
    fwrite(s.ptr, 1, s.len, stdout);
}

static bool
holds_addresses(lw_span name)
{
    static const char *const names[] = { "From", "To", "Cc", "Reply-To" };

    for (size_t i = 0; i < LW_COUNT(names); i++)
        if (lw_span_eq_nocase(name, lw_span_str(names[i])))
            return true;
    return false;
}

/* parsed first, decoded then: a name may decode to what looks like an address */
static void
put_addresses(const lw_read_event *ev)
{
    lw_arena arena;
    lw_mailboxes l;
    lw_error e;

    lw_arena_init(&arena, NULL);
    lw_mailboxes_init(&l, &arena);
    if (lw_mailboxes_parse_with(&l, ev->raw, "field", LW_LIST_MAY_BE_EMPTY, &e) < 0)
        put("refused", lw_span_str(e.text));
    for (size_t i = 0; i < l.n; i++) {
        lw_buf b;
        lw_buf_init(&b, NULL, 1 << 24);
        lw_buf_add(&b, ev->name);
        lw_buf_add_char(&b, '\n');
        if (l.items[i].name != NULL)
            lw_words_decode(&b, lw_span_str(l.items[i].name), NULL, NULL);
        lw_buf_add_char(&b, '\n');
        lw_buf_add_str(&b, l.items[i].addr);
        put("address", lw_buf_span(&b));
        lw_buf_deinit(&b);
    }
    lw_arena_deinit(&arena);
}

static void
put_field(const lw_read_event *ev)
{
    lw_buf b;

    lw_buf_init(&b, NULL, 1 << 24);
    lw_buf_add(&b, ev->name);
    lw_buf_add_char(&b, ':');
    lw_buf_add(&b, ev->value);
    put("field", lw_buf_span(&b));
    lw_buf_deinit(&b);
    if (holds_addresses(ev->name))
        put_addresses(ev);
}

static void
put_event(const lw_read_event *ev)
{
    const lw_read_part *p = ev->part;
    char depth[16];

    snprintf(depth, sizeof depth, "%u", p->depth);
    switch (ev->kind) {
    case LW_READ_PART: put("part", lw_span_str(depth)); break;
    case LW_READ_FIELD: put_field(ev); break;
    case LW_READ_CONTENT:
        put("type", lw_span_str(p->type));
        if (p->name != NULL)
            put("name", lw_span_str(p->name));
        if (p->charset != NULL)
            put("charset", lw_span_str(p->charset));
        break;
    case LW_READ_BODY: put("body", ev->body); break;
    case LW_READ_END: put("end", LW_LIT("")); break;
    case LW_READ_DEFECT: put("defect", lw_span_str(lw_defect_id(ev->defect))); break;
    }
}

static void
answer(const char *data, size_t len)
{
    lw_reader_opts o;
    lw_read_event ev;
    lw_reader *r;
    size_t used;
    lw_code rc;

    lw_reader_opts_init(&o);
    o.enter_messages = true;
    if (lw_reader_new(&o, &r) < 0)
        abort();
    for (size_t at = 0; at < len; at += used) {
        if (lw_reader_feed(r, data + at, len - at, &used) < 0)
            put("failed", lw_span_str(lw_reader_error(r)->text));
        while (lw_reader_next(r, &ev) == LW_OK)
            put_event(&ev);
    }
    lw_reader_eof(r);
    while ((rc = lw_reader_next(r, &ev)) == LW_OK)
        put_event(&ev);
    put(rc == LW_DONE ? "done" : "failed", LW_LIT(""));
    lw_reader_free(r);
}

int
main(void)
{
    size_t len;

    while (scanf("%zu", &len) == 1 && getchar() == '\n') {
        char *data = malloc(len + 1);
        if (data == NULL || fread(data, 1, len, stdin) != len)
            return 1;
        answer(data, len);
        free(data);
        fflush(stdout);
    }
    return 0;
}
