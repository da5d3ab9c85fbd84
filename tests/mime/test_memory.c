/* SPDX-License-Identifier: MIT */
/*
 * what a message asks of its allocator: not more with each line, recipient or part, nothing more for
 * values that are set again, and no half value when it says no
 */
#include "mime/support.h"

#define FEW 16 /* requests more for a hundred times as much: blocks and arrays double */

/* ---- how many requests ------------------------------------------------------------------------- */

typedef void (*fill)(lw_message *m, size_t n);

static void
add_headers(lw_message *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lw_message_header(m, "X-Campaign", "a value of some length");
}

static void
add_address_headers(lw_message *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lw_message_header(m, "Resent-To", "\"R. esent\" <r@example.org>, s@example.org");
}

static void
add_recipients(lw_message *m, size_t n)
{
    char address[64];

    for (size_t i = 0; i < n; i++) {
        snprintf(address, sizeof address, "\"Per. son\" <p%zu@example.org>", i);
        lw_message_to(m, address);
    }
}

static void
add_recipients_at_once(lw_message *m, size_t n)
{
    char *list = malloc(n * 40), *at = list;

    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "Person %zu <p%zu@example.org>,", i, i);
    lw_message_bcc(m, list);
    free(list);
}

static void
add_envelope_recipients(lw_message *m, size_t n)
{
    char address[64];

    for (size_t i = 0; i < n; i++) {
        snprintf(address, sizeof address, "p%zu@example.org", i);
        lw_message_envelope_to(m, address);
    }
}

static void
add_parts(lw_message *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lw_message_attach_memory(m, "0123456789", 10,
                                 &(lw_attachment){ .name = "a.txt", .is_inline = i % 2 == 0 });
}

static void
add_one_long_header(lw_message *m, size_t n)
{
    static const char words[] = "w\xc3\xb6rd plain words ";
    char *value = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        value[i] = words[i % (sizeof words - 1)];
    value[n / (sizeof words - 1) * (sizeof words - 1)] = '\0';
    lw_message_header(m, "X-Words", value);
    free(value);
}

/* requests for memory of a message from its beginning to its end; *octets: how large it is */
static long
requests(fill add, size_t n, size_t *octets)
{
    test_memory t;
    lw_render_opts o = test_opts(1);
    lw_rendering *r;
    lw_error e;
    lw_span s;
    lw_code rc;

    test_memory_init(&t, -1);
    lw_message *m = lw_message_new_with(&t.alloc);
    lw_message_from(m, "Ann <ann@example.com>");
    lw_message_to(m, "Bob <bob@example.org>");
    lw_message_subject(m, "The report of this week");
    lw_message_text(m, "One line of text.\n");
    add(m, n);
    assert_int_equal(lw_message_error(m)->code, LW_OK);
    assert_int_equal(lw_rendering_new(m, &o, &r, &e), LW_OK);
    *octets = 0;
    do {
        rc = lw_rendering_body(r)->next(r, &s);
        assert_true(rc >= 0);
        *octets += s.len;
    } while (rc != LW_DONE);
    assert_int_equal(*octets, lw_rendering_body(r)->size);
    lw_rendering_free(r);
    lw_message_free(m);
    assert_int_equal(t.n_out, 0);
    return t.n_asked;
}

static void
test_requests__do_not_grow_with_lines_recipients_parts(void **state)
{
    static const struct {
        const char *name;
        fill add;
        size_t few, many;
    } rows[] = {
        { "headers", add_headers, 10, 1000 },
        { "headers of addresses", add_address_headers, 10, 1000 },
        { "recipients", add_recipients, 1000, 100000 },
        { "recipients at once", add_recipients_at_once, 1000, 100000 },
        { "recipients of the envelope", add_envelope_recipients, 1000, 100000 },
        { "parts", add_parts, 100, 10000 },
        { "one long header", add_one_long_header, 10000, 1000000 },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        size_t octets[2];
        long few = requests(rows[i].add, rows[i].few, &octets[0]);
        long many = requests(rows[i].add, rows[i].many, &octets[1]);
        print_message("# %s: %ld requests of %zu, %ld of %zu\n", rows[i].name, few, rows[i].few, many,
                      rows[i].many);
        if (many - few > FEW)
            fail_msg("%s: %ld requests of %zu, %ld of %zu", rows[i].name, few, rows[i].few, many,
                     rows[i].many);
        assert_true(octets[1] >= octets[0]); /* the envelope is not in them */
    }
}

static void
nothing(lw_message *m, size_t n)
{
}

static void
test_requests__of_a_small_message(void **state)
{
    size_t octets;

    /* the message, its text, the rendering, the header, what the body gives */
    assert_int_equal(requests(nothing, 0, &octets), 5);
    assert_int_equal(requests(add_headers, 3, &octets), 5);
}

/* ---- set again ----------------------------------------------------------------------------------- */

static void
test_setters__a_million_times_take_no_more(void **state)
{
    static const char *const subjects[] = { "short", "a subject that is longer", "" };
    static const char *const senders[] = { "a@b.de", "\"A. nn\" <ann@example.com>",
                                           "Ann Example <ann.example@mail.example.com>" };
    long after_few = 0;
    test_memory t;

    test_memory_init(&t, -1);
    lw_message *m = lw_message_new_with(&t.alloc);
    for (int i = 0; i < 1000000; i++) {
        lw_message_from(m, senders[i % 3]);
        lw_message_subject(m, subjects[i % 3]);
        lw_message_envelope_from(m, i % 3 == 0 ? "" : "bounce@example.com");
        lw_message_id(m, i % 3 == 0 ? "<1@example.com>" : "<another@mail.example.com>");
        if (i == 10)
            after_few = t.n_asked;
    }
    assert_int_equal(t.n_asked, after_few);
    assert_string_equal(m->from.items[0].addr, "a@b.de");
    assert_null(m->from.items[0].name);
    assert_string_equal(m->subject.text, "short");
    assert_string_equal(m->envelope_from.text, "");
    lw_message_free(m);
    assert_int_equal(t.n_out, 0);
}

static void
test_refused_values__leave_nothing_behind(void **state)
{
    long after_few = 0;
    test_memory t;

    test_memory_init(&t, -1);
    lw_message *m = lw_message_new_with(&t.alloc);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(lw_message_to(m, "Ann <a@b.de>, \"B. ob\" <b@b.de>, c@"), LW_EADDRESS);
        assert_int_equal(lw_message_header(m, "Sender", "a@b.de, c@d.de"), LW_EADDRESS);
        assert_int_equal(lw_message_attach_memory(m, "x", 1, &(lw_attachment){ .cid = "a b" }),
                         LW_EMESSAGE);
        if (i == 10)
            after_few = t.n_asked;
    }
    assert_int_equal(t.n_asked, after_few);
    lw_message_free(m);
    assert_int_equal(t.n_out, 0);
}

/* ---- no memory, with each octet of room left ------------------------------------------------------- */

static lw_code set_from(lw_message *m) { return lw_message_from(m, "\"A. nn\" <ann@example.com>"); }
static lw_code set_to(lw_message *m) { return lw_message_to(m, "Ann <a@b.de>, x@y.de, z@y.de"); }
static lw_code set_subject(lw_message *m) { return lw_message_subject(m, "a subject"); }
static lw_code set_id(lw_message *m) { return lw_message_id(m, "<1@example.com>"); }
static lw_code set_return(lw_message *m) { return lw_message_envelope_from(m, "a@b.de"); }
static lw_code set_envelope(lw_message *m) { return lw_message_envelope_to(m, "a@b.de"); }
static lw_code set_header(lw_message *m) { return lw_message_header(m, "X-A", "a value"); }
static lw_code set_sender(lw_message *m) { return lw_message_header(m, "Sender", "Ann <a@b.de>"); }
static lw_code
set_attachment(lw_message *m)
{
    return lw_message_attach_memory(m, "x", 1, &(lw_attachment){ .name = "a.png", .is_inline = true });
}

/* all that a message holds of what these set */
static size_t
held(const lw_message *m)
{
    return m->from.n + m->to.n + (m->subject.text != NULL) + (m->message_id.text != NULL)
        + (m->envelope_from.text != NULL) + m->envelope_to.n + m->n_customs + m->attached.n;
}

static void
test_setters__without_memory_take_whole_or_nothing(void **state)
{
    static lw_code (*const setters[])(lw_message *m) = {
        set_from, set_to, set_subject, set_id, set_return, set_envelope, set_header, set_sender,
        set_attachment,
    };

    for (size_t i = 0; i < LW_COUNT(setters); i++) {
        size_t n_taken = 0, n_refused = 0;
        for (size_t left = 0; left < 600; left++) {
            test_memory t;
            test_memory_init(&t, -1);
            lw_message *m = lw_message_new_with(&t.alloc);
            assert_non_null(lw_arena_room(&m->arena, LW_MESSAGE_ROOM - left));
            t.left = 0;
            lw_code rc = setters[i](m);
            if (rc == LW_OK) {
                n_taken++;
                assert_true(held(m) > 0);
            } else {
                n_refused++;
                assert_int_equal(rc, LW_ENOMEM);
                assert_int_equal(lw_message_error(m)->code, LW_ENOMEM);
                assert_non_null(strstr(lw_message_error(m)->text, "out of memory"));
                assert_int_equal(held(m), 0);
            }
            lw_message_free(m);
            assert_int_equal(t.n_out, 0);
        }
        assert_true(n_taken > 0 && n_refused > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests__do_not_grow_with_lines_recipients_parts),
        cmocka_unit_test(test_requests__of_a_small_message),
        cmocka_unit_test(test_setters__a_million_times_take_no_more),
        cmocka_unit_test(test_refused_values__leave_nothing_behind),
        cmocka_unit_test(test_setters__without_memory_take_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
