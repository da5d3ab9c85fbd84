/* SPDX-License-Identifier: MIT */
/*
 * tests/fault/test_oom.c - each request for memory fails in turn, once or from then on
 *
 * A case runs whole to learn how many requests it makes, then once for each of them and mode.
 * Always: the case says LW_ENOMEM, every block is given back, and nothing half-made got out.
 */
#include "sasl/exchange.h"
#include "support/memory.h"
#include "support/test.h"

#include "mime/mime.h"
#include "net/net.h"

#include <letterwing/server.h>

typedef lw_code (*oom_case)(const lw_alloc *alloc);

static void
run_case(const char *name, oom_case run)
{
    test_memory whole;
    long n;

    test_memory_init(&whole, -1);
    assert_int_equal(run(&whole.alloc), LW_OK);
    assert_int_equal(whole.n_out, 0);
    n = whole.n_asked;
    assert_true(n > 0);
    for (int mode = 0; mode < 2; mode++)
        for (long i = 0; i < n; i++) {
            test_memory m;
            test_memory_init(&m, i);
            m.once = mode == 0;
            lw_code rc = run(&m.alloc);
            if (rc != LW_ENOMEM || m.n_out != 0 || !m.has_failed)
                fail_msg("%s, request %ld of %ld fails%s: %s, %ld blocks left", name, i, n,
                         m.once ? " once" : "", lw_code_name(rc), m.n_out);
        }
    print_message("%s: %ld requests\n", name, n);
}

/* ---- base --------------------------------------------------------------------------------- */

static lw_code
base_texts(const lw_alloc *alloc)
{
    lw_buf b;
    lw_code rc = LW_OK;
    char *copy, *taken = NULL;

    if ((copy = lw_strdup(alloc, "text")) == NULL)
        return LW_ENOMEM;
    lw_buf_init(&b, alloc, 100000);
    for (int i = 0; i < 300; i++)
        lw_buf_add_fmt(&b, "%d %s,", i, copy);
    lw_buf_add_uint(&b, 7);
    if ((rc = lw_buf_finish(&b)) == LW_OK && (taken = lw_buf_take(&b)) == NULL)
        rc = LW_ENOMEM;
    lw_release(alloc, taken);
    lw_release(alloc, copy);
    lw_buf_deinit(&b);
    return rc;
}

/* ---- addresses -------------------------------------------------------------------------------- */

static lw_code
addresses(const lw_alloc *alloc)
{
    static const char list[] = "Ann <ann@example.com>, \"B, ob\" <bob@example.org>, "
                               "=?utf-8?q?Zo=C3=AB?= <zoe@example.net>, "
                               "team: c1@example.com, (x) \"c 2\"@[192.0.2.1];, "
                               "d1@x.example, d2@x.example, d3@x.example, d4@x.example";
    lw_arena arena;
    lw_mailboxes l;
    lw_code rc;

    lw_arena_init(&arena, alloc);
    lw_mailboxes_init(&l, &arena);
    rc = lw_mailboxes_parse(&l, lw_span_str("first@example.com"), "to", NULL);
    if (rc == LW_OK) {
        rc = lw_mailboxes_parse(&l, lw_span_str(list), "to", NULL);
        /* taken whole or not at all */
        assert_int_equal(l.n, rc == LW_OK ? 10 : 1);
    }
    lw_arena_deinit(&arena);
    return rc;
}

/* ---- composing ---------------------------------------------------------------------------------- */

static char picture[30000];

static lw_code
compose(lw_message *m)
{
    lw_attachment pdf = { .name = "r\xc3\xa9sum\xc3\xa9 \xe6\xb5\x8b\xe8\xaf\x95.pdf" };
    lw_attachment inline_image = { .name = "logo.png", .cid = "logo@example.com" };

    (void)lw_message_from(m, "Ann \xc3\x84 <ann@example.com>");
    (void)lw_message_to(m, "bob@example.org, Zo\xc3\xab <zoe@example.net>");
    (void)lw_message_cc(m, "team: c1@example.com, c2@example.com;");
    (void)lw_message_bcc(m, "hidden@example.org");
    (void)lw_message_reply_to(m, "replies@example.com");
    (void)lw_message_envelope_from(m, "bounces@example.com");
    (void)lw_message_subject(m, "\xe6\xb5\x8b\xe8\xaf\x95\xe9\x82\xae\xe4\xbb\xb6 and a long one "
                                "that must be folded more than once to fit into lines");
    (void)lw_message_text(m, "Gr\xc3\xbc\xc3\x9f" "e,\n.\nAnn");
    (void)lw_message_html(m, "<h1>Gr\xc3\xbc\xc3\x9f" "e</h1><img src=\"cid:logo@example.com\">");
    (void)lw_message_header(m, "X-Campaign", "\xe6\x98\xa5");
    (void)lw_message_header(m, "Sender", "Office <office@example.com>");
    (void)lw_message_id(m, "<1@example.com>");
    (void)lw_message_attach_memory(m, picture, sizeof picture, &pdf);
    (void)lw_message_attach_memory(m, picture, 100, &inline_image);
    return lw_message_error(m)->code;
}

/* a rendering of m, or why there is none */
static lw_code
render(lw_message *m, lw_rendering **r)
{
    const lw_render_opts opts = { .now_s = 1790000000, .host = "host.example" };
    lw_error err = { .code = LW_OK };
    lw_code rc = lw_rendering_new(m, &opts, r, &err);

    assert_true(rc == LW_OK || *r == NULL);
    return rc;
}

static lw_code
pull_all(lw_rendering *r, lw_buf *out)
{
    lw_body *body = lw_rendering_body(r);
    lw_code rc;
    lw_span s;

    do {
        s = LW_NO_SPAN;
        rc = body->next(body->ctx, &s);
        if (rc >= 0)
            lw_buf_add(out, s);
    } while (rc == LW_OK);
    return rc == LW_DONE ? LW_OK : rc;
}

/* all octets, twice; what comes must be the size that was promised */
static lw_code
pull_twice(lw_rendering *r)
{
    lw_body *body = lw_rendering_body(r);
    lw_buf once, again;
    lw_code rc;

    lw_buf_init(&once, NULL, 1 << 20);
    lw_buf_init(&again, NULL, 1 << 20);
    if ((rc = pull_all(r, &once)) == LW_OK && (rc = body->rewind(body->ctx)) == LW_OK)
        rc = pull_all(r, &again);
    if (rc == LW_OK) {
        assert_int_equal(once.len, body->size);
        assert_int_equal(again.len, body->size);
        assert_memory_equal(once.ptr, again.ptr, once.len);
    }
    lw_buf_deinit(&once);
    lw_buf_deinit(&again);
    return rc;
}

static lw_code
composed_message(const lw_alloc *alloc)
{
    lw_message *m = lw_message_new_with(alloc);
    lw_rendering *r = NULL;
    lw_code rc = compose(m), made;

    made = m == NULL ? LW_ENOMEM : render(m, &r);
    assert_true(rc == LW_OK || made == rc); /* a message with a failure is never rendered */
    if ((rc = made) == LW_OK)
        rc = pull_twice(r);
    lw_rendering_free(r);
    lw_message_free(m);
    return rc;
}

static lw_code
ready_message(const lw_alloc *alloc)
{
    static const char raw[] = "From: ann@example.com\r\nTo: Bob <bob@example.org>,\r\n zoe@x.example"
                              "\r\nBcc: hidden@example.org\r\nMessage-ID: <2@example.com>\r\n"
                              "Subject: x\r\n\r\n.dot\nbare\rend";
    lw_message *m = lw_message_new_with(alloc);
    lw_rendering *r = NULL;
    lw_code rc = m == NULL ? LW_ENOMEM : lw_message_raw_memory(m, raw, strlen(raw));

    if (rc == LW_OK)
        rc = render(m, &r);
    if (rc == LW_OK) {
        assert_int_equal(lw_rendering_envelope(r)->n_rcpts, 3);
        rc = pull_twice(r);
    }
    lw_rendering_free(r);
    lw_message_free(m);
    return rc;
}

/* ---- URLs --------------------------------------------------------------------------------------- */

static lw_code
server_url(const lw_alloc *alloc)
{
    static const char text[] = "smtp://ann%40x:se%2Fcret@mail.example.com:587?auth=PLAIN,LOGIN";
    lw_url u;
    lw_code rc = lw_url_parse(alloc, text, &u, NULL);

    if (rc == LW_OK)
        lw_url_deinit(alloc, &u);
    return rc;
}

/* ---- logins --------------------------------------------------------------------------------------- */

static const char *mechanism;

static lw_code
login(const lw_alloc *alloc)
{
    static const unsigned char exporter[32] = { 1 };
    lw_credentials who = { .user = "ann", .password = "secret", .has_tls = true,
                           .host = "mail.example.com", .port = 587, .has_client_cert = true,
                           .is_token = strstr(mechanism, "OAUTH") != NULL,
                           .tls_exporter = strstr(mechanism, "PLUS") != NULL ? exporter : NULL };
    lw_exchange x = exchange_run(alloc, mechanism, &who, &who, false);
    const lw_code codes[] = { x.client_new, x.server_new, x.client, x.server, x.verdict };

    for (size_t i = 0; i < LW_COUNT(codes); i++)
        if (codes[i] == LW_ENOMEM)
            return LW_ENOMEM;
    return x.server == LW_DONE && x.verdict == LW_OK ? LW_OK : LW_EAUTH;
}

/* ---- composed and sent ----------------------------------------------------------------------------- */

typedef struct mailroom {
    lw_smtp *client;
    lw_smtp_server *server;
    lw_code code;       /* the first failure that an event told */
    size_t n_octets, n_stored, stored_octets;
    bool is_over;
} mailroom;

static void
client_event(mailroom *r, const lw_event *ev)
{
    if (ev->kind == LW_EVENT_RCPT && ev->code < 0 && r->code == LW_OK)
        r->code = ev->code;
    r->is_over |= ev->kind == LW_EVENT_CLOSED;
}

static void
server_event(mailroom *r, const lw_server_event *ev)
{
    if (ev->kind == LW_SERVER_BODY)
        r->n_octets += ev->data.len;
    if (ev->kind == LW_SERVER_RESET)
        r->n_octets = 0;
    if (ev->kind == LW_SERVER_MESSAGE) {
        r->n_stored++;
        r->stored_octets = r->n_octets;
    }
    if (ev->needs_reply)
        assert_int_equal(lw_smtp_server_accept(r->server), LW_OK);
}

static void
events(mailroom *r)
{
    lw_event ev;
    lw_server_event sev;

    while (lw_smtp_next(r->client, &ev) == LW_OK)
        client_event(r, &ev);
    while (lw_smtp_server_next(r->server, &sev) == LW_OK)
        server_event(r, &sev);
}

/* one turn of both engines; false when nothing moved */
static bool
turn(mailroom *r)
{
    lw_slice v;
    size_t used = 0;
    bool moved = false;

    if (lw_smtp_out(r->client, &v, 1) == 1 && !r->is_over) {
        (void)!lw_smtp_server_feed(r->server, v.ptr, v.len, &used);
        lw_smtp_sent(r->client, used);
        moved = used > 0;
    }
    events(r);
    if (lw_smtp_server_out(r->server, &v, 1) == 1) {
        used = v.len;
        if (!r->is_over)
            (void)!lw_smtp_feed(r->client, v.ptr, v.len, &used);
        lw_smtp_server_sent(r->server, used);
        moved |= used > 0;
    }
    events(r);
    return moved;
}

static uint32_t capabilities;

static lw_code
send_rendering(mailroom *room, lw_rendering *r)
{
    lw_code rc = lw_smtp_submit(room->client, lw_rendering_envelope(r), lw_rendering_body(r), r);

    if (rc != LW_OK)
        return rc;
    (void)lw_smtp_quit(room->client);
    while (turn(room))
        ;
    (void)lw_smtp_eof(room->client);
    (void)lw_smtp_server_eof(room->server);
    events(room);
    assert_true(room->is_over);
    /* whole, or not at all */
    if (room->n_stored > 0)
        assert_int_equal(room->stored_octets, lw_rendering_body(r)->size);
    assert_int_equal(room->n_stored, room->code == LW_OK ? 1 : 0);
    return room->code;
}

static lw_code
composed_and_sent(const lw_alloc *alloc)
{
    lw_message *m = lw_message_new_with(alloc);
    lw_rendering *r = NULL;
    mailroom room = { .code = LW_OK };
    lw_smtp_opts copts;
    lw_smtp_server_opts sopts;
    lw_code rc = compose(m);

    lw_smtp_opts_init(&copts);
    lw_smtp_server_opts_init(&sopts);
    copts.alloc = sopts.alloc = alloc;
    sopts.capabilities = capabilities;
    sopts.auth = "PLAIN";
    if (rc == LW_OK)
        rc = render(m, &r);
    if (rc == LW_OK)
        rc = lw_smtp_new(&copts, 0, &room.client);
    if (rc == LW_OK)
        rc = lw_smtp_server_new(&sopts, 0, &room.server);
    if (rc == LW_OK)
        rc = send_rendering(&room, r);
    lw_smtp_free(room.client);
    lw_smtp_server_free(room.server);
    lw_rendering_free(r);
    lw_message_free(m);
    return rc;
}

/* ---- the tests ----------------------------------------------------------------------------------------- */

static void
test_oom__base_mime_and_url_say_so_and_give_all_back(void **state)
{
    (void)state;
    memset(picture, 'p', sizeof picture);
    run_case("texts and buffers", base_texts);
    run_case("addresses", addresses);
    run_case("composed message", composed_message);
    run_case("ready message", ready_message);
    run_case("URL", server_url);
}

static void
test_oom__each_mechanism_says_so_and_gives_all_back(void **state)
{
    static const char *const names[] = { "PLAIN", "LOGIN", "EXTERNAL", "XOAUTH2", "OAUTHBEARER",
                                         "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
                                         "SCRAM-SHA-256-PLUS" };
    const char *have = lw_sasl_server_available(true);

    (void)state;
    for (size_t i = 0; i < LW_COUNT(names); i++) {
        mechanism = names[i];
        if (strcmp(mechanism, "EXTERNAL") == 0 || strstr(have, mechanism) != NULL)
            run_case(mechanism, login);
        else
            print_message("%s: not in this build\n", mechanism);
    }
}

static void
test_oom__composed_and_sent_no_half_message_is_stored(void **state)
{
    (void)state;
    memset(picture, 'p', sizeof picture);
    capabilities = LW_CAP_8BITMIME | LW_CAP_PIPELINING | LW_CAP_SIZE;
    run_case("composed and sent with DATA", composed_and_sent);
    capabilities |= LW_CAP_CHUNKING | LW_CAP_AUTH | LW_CAP_DSN;
    run_case("composed and sent with BDAT", composed_and_sent);
    capabilities = LW_CAP_NONE;
    run_case("composed and sent in lock step", composed_and_sent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oom__base_mime_and_url_say_so_and_give_all_back),
        cmocka_unit_test(test_oom__each_mechanism_says_so_and_gives_all_back),
        cmocka_unit_test(test_oom__composed_and_sent_no_half_message_is_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
