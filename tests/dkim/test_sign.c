/* SPDX-License-Identifier: MIT */
/* tests/dkim/test_sign.c - the signer: what it writes, its limits, and that it verifies */
#include "dkim/support.h"

#define NOW INT64_C(1700000000)
#define HEAD "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Hi\r\n"

typedef struct fixture {
    lw_dkim_key *rsa, *ed;
    char *rsa_record, *ed_record;
} fixture;

static fixture f;

static int
set_up(void **state)
{
    f.rsa = test_key(rfc8463_rsa_key);
    f.ed = test_key(rfc8463_ed_key);
    assert_int_equal(lw_dkim_key_record(f.rsa, &f.rsa_record), LW_OK);
    assert_int_equal(lw_dkim_key_record(f.ed, &f.ed_record), LW_OK);
    return 0;
}

static int
tear_down(void **state)
{
    lw_free(f.rsa_record);
    lw_free(f.ed_record);
    lw_dkim_key_free(f.rsa);
    lw_dkim_key_free(f.ed);
    return 0;
}

/* message signed as a whole, through a body; NULL and e when it was refused.  To be freed. */
static char *
sign_text(lw_dkim_signer *s, lw_span message, size_t max_span, uint64_t seed, size_t *len, lw_error *e)
{
    lw_dkim_signed *b;
    test_memory m;
    lw_body in = test_body(&m, message, max_span, seed);
    char *out;
    lw_code rc;

    if (lw_dkim_sign_body(s, &in, NOW, &b, e) != LW_OK)
        return NULL;
    out = test_pull(lw_dkim_signed_body(b), len, &rc);
    assert_int_equal(rc, LW_DONE);
    assert_int_equal(*len, lw_dkim_signed_body(b)->size);
    assert_int_equal(m.n_rewinds, 1);
    assert_memory_equal(out + *len - message.len, message.ptr, message.len);
    lw_dkim_signed_free(b);
    return out;
}

/* ---- what is written ------------------------------------------------------------- */

static void
test_field__has_the_tags_that_were_asked_for(void **state)
{
    static const char want[] =
        "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed; d=example.com; s=s1;\r\n"
        " t=1700000000; x=1700003600; i=ann=20b=3D@mail.example.com;\r\n"
        " h=From:From:To:To:Cc:Reply-To:Subject:Subject:In-Reply-To:References:\r\n"
        "  MIME-Version:Content-Type:Content-Transfer-Encoding:List-Unsubscribe:\r\n"
        "  List-Unsubscribe:List-Unsubscribe-Post:List-Unsubscribe-Post:X-Mine:X-Mine;\r\n"
        " bh=g3zLYH4xKxcPrHOD18z9YfpQcnk/GaJedfustWU5uGs=;\r\n"
        " b=";
    static const char *const extra[] = { "X-Mine", "X-Absent", "subject" };
    lw_dkim_opts o = test_opts(f.ed, 1);
    lw_error e;
    size_t len;
    o.lifetime_s = 3600;
    o.identity = "ann b=@mail.example.com";
    o.headers = extra;
    o.n_headers = LW_COUNT(extra);
    lw_dkim_signer *s = test_signer(&o, 1);
    char *out = sign_text(s, LW_LIT(HEAD "List-Unsubscribe: <https://e.com/u>\r\nx-mine: 1\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\ntest\r\n"), 0, 0, &len, &e);
    assert_non_null(out);
    out[strlen(want)] = '\0';
    assert_string_equal(out, want);
    lw_free(out);
    lw_dkim_signer_free(s);
}

static void
test_field__lines_are_at_most_78_octets(void **state)
{
    static char domain[] = "a23456789012345678901234567890123456789012345678901234567890.example.com";
    static char big[3 * 4096];
    lw_dkim_opts o[2] = { test_opts(f.rsa, 0), test_opts(f.ed, 3) };
    lw_error e;
    size_t len, column = 0;

    o[0].domain = domain;
    lw_dkim_signer *s = test_signer(o, 2);
    memset(big, 'x', sizeof big);
    memcpy(big, HEAD "\r\n", strlen(HEAD "\r\n"));
    char *out = sign_text(s, (lw_span){ big, sizeof big }, 0, 0, &len, &e);
    assert_non_null(out);
    for (const char *p = out; p < out + len - sizeof big; p++) {
        column = *p == '\n' ? 0 : column + 1;
        assert_true(column <= 79); /* with the CR */
    }
    lw_free(out);
    lw_dkim_signer_free(s);
}

static void
test_names__as_is_in_the_table_and_list_unsubscribe_too(void **state)
{
    bool is_sealed, has_post = false, has_from = false;
    const char *name;

    for (size_t i = 0; (name = lw_dkim_header_names(i, &is_sealed)) != NULL; i++) {
        has_post = has_post || strcmp(name, "List-Unsubscribe-Post") == 0;
        has_from = has_from || (strcmp(name, "From") == 0 && is_sealed);
        assert_true(lw_dkim_is_field_name(lw_span_str(name)));
        assert_string_not_equal(name, "DKIM-Signature");
    }
    assert_true(has_post && has_from);
}

/* ---- that it verifies ------------------------------------------------------------ */

static void
check_verifies(const char *name, lw_span message, int canon, uint64_t seed)
{
    lw_dkim_opts o[2] = { test_opts(f.rsa, canon), test_opts(f.ed, canon ^ 3) };
    lw_dkim_signer *s = test_signer(o, 2);
    lw_error e;
    size_t len;
    char *out = sign_text(s, message, seed == 0 ? 0 : 25, seed, &len, &e);

    if (out == NULL)
        fail_msg("%s: %s", name, e.text);
    for (size_t i = 0; i < 2; i++) {
        lw_dkim_result r = test_verify((lw_span){ out, len }, i, i == 0 ? f.rsa_record : f.ed_record, NOW,
                                       seed + 1);
        if (r.status != LW_DKIM_PASS)
            fail_msg("%s, canon %d, signature %zu: %s: %s", name, canon, i,
                     lw_dkim_status_name(r.status), r.reason);
        assert_string_equal(r.reason, "");
        assert_int_equal(r.key_bits, i == 0 ? 1024 : 256);
    }
    lw_free(out);
    lw_dkim_signer_free(s);
}

static void
test_sign__odd_messages_verify(void **state)
{
    static char longest[998 * 3 + 200];
    static const struct {
        const char *name, *message;
    } rows[] = {
        { "plain", HEAD "\r\nHello\r\n" },
        { "no body", HEAD },
        { "no body, no last line end", "From: a@b.de" },
        { "empty body", HEAD "\r\n" },
        { "line ends only", HEAD "\r\n\r\n\r\n\r\n" },
        { "spaces at line ends", HEAD "\r\nx \t\r\n  \r\n\r\ny \r\n \r\n" },
        { "no last line end", HEAD "\r\nHello" },
        { "spaces and no last line end", HEAD "\r\nHello \t" },
        { "dots", HEAD "\r\n.\r\n..\r\n.x\r\n" },
        { "8 bit", "From: \xc3\xa9 <a@b.de>\r\n\r\n\xe9\xff\x01\r\n" },
        { "odd folding", "From:\r\n\ta@b.de\r\nSUBJECT :  a \t b\r\n \t \r\n  c\r\nsubject: again\r\nTo:\r\n\r\nx\r\n" },
        { "two of each", HEAD HEAD "\r\nx\r\n" },
        { "signed already", "DKIM-Signature: v=1; a=x\r\n" HEAD "\r\nx\r\n" },
    };

    for (int canon = 0; canon < 4; canon++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            for (size_t i = 0; i < LW_COUNT(rows); i++)
                if (strcmp(rows[i].name, "signed already") != 0)
                    check_verifies(rows[i].name, lw_span_str(rows[i].message), canon, seed);
            memset(longest, 'l', sizeof longest);
            memcpy(longest, HEAD "\r\n", strlen(HEAD "\r\n"));
            for (size_t at = 998 + strlen(HEAD); at + 2 < sizeof longest; at += 1000)
                memcpy(longest + at, "\r\n", 2);
            check_verifies("998 octets", (lw_span){ longest, sizeof longest }, canon, seed);
        }
}

/* a signature that is there already stays, and the new one is above it */
static void
test_sign__signed_already_new_one_is_first(void **state)
{
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_error e;
    size_t len, len2;
    char *once = sign_text(s, LW_LIT(HEAD "\r\nx\r\n"), 0, 0, &len, &e);
    char *twice = sign_text(s, (lw_span){ once, len }, 0, 0, &len2, &e);

    assert_non_null(twice);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(test_verify((lw_span){ twice, len2 }, i, f.ed_record, NOW, 3).status, LW_DKIM_PASS);
    lw_free(once);
    lw_free(twice);
    lw_dkim_signer_free(s);
}

static void
add_random_header(lw_buf *b, test_random *r)
{
    static const char *const names[] = { "To", "cc", "Subject", "X-Other", "List-Id", "MIME-Version", "from" };
    static const char *const bits[] = { " ", "\t", "\r\n ", "word", ":", ";", "\xc3\xa9", "=20", "\r\n\t\t" };
    size_t n = (size_t)test_next(r, 8), parts;

    lw_buf_add_str(b, "From: a@b.de\r\n");
    while (n-- > 0) {
        lw_buf_add_str(b, names[test_next(r, LW_COUNT(names))]);
        lw_buf_add_char(b, ':');
        for (parts = (size_t)test_next(r, 12); parts > 0; parts--)
            lw_buf_add_str(b, bits[test_next(r, LW_COUNT(bits))]);
        lw_buf_add_str(b, "x\r\n");
    }
    lw_buf_add_str(b, "\r\n");
}

/* sign, then verify, at random splits; then change one octet that counts: it fails */
static void
test_sign__random_messages_verify_and_changed_ones_do_not(void **state)
{
    static const char *const bits[] = { " ", "\t", "\r\n", "word", ".", "\xe9", "\r\n.\r\n", "longer words" };
    test_random r = { 2026 };
    lw_buf b;

    lw_buf_init(&b, NULL, 1 << 20);
    for (int round = 0; round < 150; round++) {
        lw_dkim_opts o = test_opts(f.ed, round % 4);
        lw_dkim_signer *s = test_signer(&o, 1);
        lw_error e;
        size_t len, n = (size_t)test_next(&r, 50);
        char *out, *at;

        lw_buf_reset(&b);
        add_random_header(&b, &r);
        while (n-- > 0)
            lw_buf_add_str(&b, bits[test_next(&r, LW_COUNT(bits))]);
        check_verifies("random", lw_buf_span(&b), round % 4, (uint64_t)round);
        out = sign_text(s, lw_buf_span(&b), 9, (uint64_t)round, &len, &e);
        assert_non_null(out);
        if ((at = memmem(out, len, "word", 4)) != NULL) {
            at[1] = 'O';
            lw_dkim_result got = test_verify((lw_span){ out, len }, 0, f.ed_record, NOW, 5);
            bool in_other = false; /* X-Other is not signed */
            char *line = at;
            while (line > out && !(line[-1] == '\n' && line[0] != ' ' && line[0] != '\t'))
                line--;
            in_other = memcmp(line, "X-Other", 7) == 0;
            assert_int_equal(got.status, in_other ? LW_DKIM_PASS : LW_DKIM_FAIL);
        }
        lw_free(out);
        lw_dkim_signer_free(s);
    }
    lw_buf_deinit(&b);
}

/* header fields that somebody adds later break the signature */
static void
test_sign__added_fields_break_it(void **state)
{
    static const char *const added[] = { "From: evil@example.net\r\n", "Subject: buy\r\n", "Cc: x@y.z\r\n",
                                         "Reply-To: x@y.z\r\n", "Content-Type: text/html\r\n" };
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_error e;
    size_t len;
    char *out = sign_text(s, LW_LIT(HEAD "\r\nx\r\n"), 0, 0, &len, &e);
    lw_buf b;

    lw_buf_init(&b, NULL, 1 << 16);
    for (size_t i = 0; i < LW_COUNT(added); i++) {
        lw_buf_reset(&b);
        lw_buf_add_str(&b, added[i]);
        lw_buf_add(&b, (lw_span){ out, len });
        lw_dkim_result r = test_verify(lw_buf_span(&b), 0, f.ed_record, NOW, 1);
        if (r.status != LW_DKIM_FAIL)
            fail_msg("%s: %s", added[i], lw_dkim_status_name(r.status));
    }
    lw_buf_deinit(&b);
    lw_free(out);
    lw_dkim_signer_free(s);
}

/* ---- limits -------------------------------------------------------------------- */

static void
test_header__limits_on_both_sides(void **state)
{
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_error e;
    size_t len;
    lw_buf b;

    lw_buf_init(&b, NULL, LW_DKIM_HEADER_MAX * 2);
    lw_buf_add_str(&b, "From: a@b.de\r\n");
    for (int i = 1; i < LW_DKIM_FIELDS_MAX; i++)
        lw_buf_add_str(&b, "X: y\r\n");
    char *out = sign_text(s, lw_buf_span(&b), 0, 0, &len, &e);
    assert_non_null(out);
    lw_free(out);
    lw_buf_add_str(&b, "X: y\r\n");
    assert_null(sign_text(s, lw_buf_span(&b), 0, 0, &len, &e));
    assert_int_equal(e.code, LW_ELIMIT);
    assert_string_equal(e.text, "dkim: the header has more than 10000 fields");

    lw_buf_reset(&b);
    lw_buf_add_str(&b, "From: a@b.de\r\nSubject: ");
    while (b.len < LW_DKIM_HEADER_MAX - 4)
        lw_buf_add_char(&b, 'x');
    lw_buf_add_str(&b, "\r\n\r\n"); /* the last CRLF is not header: it fits */
    lw_buf_add_str(&b, "body\r\n");
    out = sign_text(s, (lw_span){ b.ptr, b.len - 6 }, 0, 0, &len, &e);
    assert_non_null(out);
    lw_free(out);
    b.ptr[b.len - 7] = b.ptr[b.len - 8] = b.ptr[b.len - 9] = b.ptr[b.len - 10] = 'x';
    assert_null(sign_text(s, lw_buf_span(&b), 0, 0, &len, &e));
    assert_int_equal(e.code, LW_ELIMIT);
    lw_buf_deinit(&b);
    lw_dkim_signer_free(s);
}

static void
test_header__more_than_1000_names_is_refused(void **state)
{
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_error e;
    size_t len;
    lw_buf b;

    lw_buf_init(&b, NULL, 1 << 20);
    for (int i = 0; i < 1000; i++)
        lw_buf_add_str(&b, "From: a@b.de\r\n");
    assert_null(sign_text(s, lw_buf_span(&b), 0, 0, &len, &e));
    assert_int_equal(e.code, LW_ELIMIT);
    assert_string_equal(e.text, "dkim: more than 1000 header fields to sign");
    lw_buf_deinit(&b);
    lw_dkim_signer_free(s);
}

/* ---- the body in two passes ------------------------------------------------------ */

/* a source that gives other octets the second time */
typedef struct changing {
    lw_span first, second;
    bool is_second, has_given;
    size_t at;
} changing;

static lw_code
changing_next(void *ctx, lw_span *span)
{
    changing *c = ctx;
    lw_span all = c->is_second ? c->second : c->first;
    size_t n = all.len - c->at < 50000 ? all.len - c->at : 50000;

    *span = (lw_span){ all.ptr + c->at, n };
    c->at += n;
    return c->at == all.len ? LW_DONE : LW_OK;
}

static lw_code
changing_rewind(void *ctx)
{
    changing *c = ctx;

    c->is_second = true;
    c->at = 0;
    return LW_OK;
}

static void
test_body__changed_source_never_ends(void **state)
{
    static char big[200000], other[200001];
    static const struct {
        const char *name;
        size_t len, at;
    } rows[] = { { "an octet early", 200000, 100 }, { "the last octet", 200000, 199999 },
                 { "shorter", 199999, 0 }, { "longer", 200001, 0 }, { "empty", 0, 0 },
                 { "small, an octet", 100, 99 }, { "small, longer", 101, 0 } };
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);

    memset(big, 'x', sizeof big);
    memcpy(big, HEAD "\r\n", strlen(HEAD "\r\n"));
    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        bool is_small = strncmp(rows[i].name, "small", 5) == 0;
        changing c = { .first = { big, is_small ? 100 : sizeof big }, .second = { other, rows[i].len } };
        lw_body in = { changing_next, changing_rewind, &c, LW_SIZE_UNKNOWN, true };
        lw_dkim_signed *b;
        lw_error e;
        size_t len;
        lw_code rc;

        memset(other, 'x', sizeof other);
        memcpy(other, big, sizeof big);
        if (rows[i].at > 0)
            other[rows[i].at] = 'y';
        assert_int_equal(lw_dkim_sign_body(s, &in, NOW, &b, &e), LW_OK);
        assert_int_equal(lw_dkim_signed_error(b)->code, LW_OK);
        lw_free(test_pull(lw_dkim_signed_body(b), &len, &rc));
        if (rc != LW_ESOURCE)
            fail_msg("%s: %d", rows[i].name, rc);
        assert_int_equal(lw_dkim_signed_error(b)->code, LW_ESOURCE);
        assert_non_null(strstr(lw_dkim_signed_error(b)->text, "the message changed after it was signed"));
        lw_dkim_signed_free(b);
    }
    lw_dkim_signer_free(s);
}

static void
test_body__rewinds_and_gives_the_same_again(void **state)
{
    static char big[100000];
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    lw_error e;
    lw_code rc;

    memset(big, 'x', sizeof big);
    memcpy(big, HEAD "\r\n", strlen(HEAD "\r\n"));
    for (size_t max_span = 0; max_span < 60000; max_span += 20000) {
        test_memory m;
        lw_body in = test_body(&m, (lw_span){ big, sizeof big }, max_span, 9);
        lw_dkim_signed *b;
        size_t len[2];
        char *out[2];
        lw_span span;

        assert_int_equal(lw_dkim_sign_body(s, &in, NOW, &b, &e), LW_OK);
        lw_body *body = lw_dkim_signed_body(b);
        assert_true(body->next(body->ctx, &span) >= 0); /* left half-way */
        assert_int_equal(body->rewind(body->ctx), LW_OK);
        for (int i = 0; i < 2; i++) {
            out[i] = test_pull(body, &len[i], &rc);
            assert_int_equal(rc, LW_DONE);
            assert_int_equal(body->rewind(body->ctx), LW_OK);
        }
        assert_int_equal(len[0], len[1]);
        assert_memory_equal(out[0], out[1], len[0]);
        assert_memory_equal(out[0], lw_dkim_signed_fields(b).ptr, lw_dkim_signed_fields(b).len);
        lw_free(out[0]);
        lw_free(out[1]);
        lw_dkim_signed_free(b);
    }
    lw_dkim_signer_free(s);
}

/* a small message stays one span, a big one is not copied */
static void
test_body__small_is_joined_big_is_not_copied(void **state)
{
    static char big[100000];
    lw_dkim_opts o = test_opts(f.ed, 0);
    lw_dkim_signer *s = test_signer(&o, 1);
    test_memory m;
    lw_dkim_signed *b;
    lw_span span;
    lw_error e;

    lw_body in = test_body(&m, LW_LIT(HEAD "\r\nx\r\n"), 0, 0);
    assert_int_equal(lw_dkim_sign_body(s, &in, NOW, &b, &e), LW_OK);
    assert_int_equal(lw_dkim_signed_body(b)->next(lw_dkim_signed_body(b)->ctx, &span), LW_DONE);
    assert_int_equal(span.len, lw_dkim_signed_body(b)->size);
    lw_dkim_signed_free(b);

    memset(big, 'x', sizeof big);
    memcpy(big, HEAD "\r\n", strlen(HEAD "\r\n"));
    in = test_body(&m, (lw_span){ big, sizeof big }, 0, 0);
    assert_int_equal(lw_dkim_sign_body(s, &in, NOW, &b, &e), LW_OK);
    assert_int_equal(lw_dkim_signed_body(b)->next(lw_dkim_signed_body(b)->ctx, &span), LW_OK);
    assert_int_equal(span.len, lw_dkim_signed_fields(b).len);
    assert_int_equal(lw_dkim_signed_body(b)->next(lw_dkim_signed_body(b)->ctx, &span), LW_DONE);
    assert_ptr_equal(span.ptr, big);
    lw_dkim_signed_free(b);

    in.rewind = NULL;
    assert_int_equal(lw_dkim_sign_body(s, &in, NOW, &b, &e), LW_EUSAGE);
    lw_dkim_signer_free(s);
}

/* ---- a signing function of the caller -------------------------------------------- */

static lw_code
sign_by_hand(void *ctx, const unsigned char digest[32], unsigned char *sig, size_t cap, size_t *len)
{
    lw_error e;

    if (ctx == NULL)
        return LW_ECANCELED;
    assert_int_equal(cap, LW_DKIM_SIG_MAX);
    return lw_dkim_key_sign(ctx, digest, sig, len, &e);
}

static void
test_callback__signs_and_its_failure_is_told(void **state)
{
    lw_dkim_key *keys[3];
    lw_error e;
    char *text;
    size_t len;

    assert_int_equal(lw_dkim_key_callback(NULL, LW_DKIM_RSA, sign_by_hand, f.rsa, &keys[0]), LW_OK);
    assert_int_equal(lw_dkim_key_callback(NULL, LW_DKIM_ED25519, sign_by_hand, f.ed, &keys[1]), LW_OK);
    assert_int_equal(lw_dkim_key_callback(NULL, LW_DKIM_RSA, sign_by_hand, NULL, &keys[2]), LW_OK);
    assert_int_equal(lw_dkim_key_record(keys[0], &text), LW_EUSAGE);
    assert_int_equal(lw_dkim_key_pem(keys[0], &text), LW_EUSAGE);
    for (int i = 0; i < 3; i++) {
        lw_dkim_opts o = test_opts(keys[i], 0);
        lw_dkim_signer *s = test_signer(&o, 1);
        char *out = sign_text(s, LW_LIT(HEAD "\r\nx\r\n"), 0, 0, &len, &e);

        if (i < 2)
            assert_int_equal(test_verify((lw_span){ out, len }, 0, i == 0 ? f.rsa_record : f.ed_record, NOW,
                                         1).status, LW_DKIM_PASS);
        else {
            assert_null(out);
            assert_int_equal(e.code, LW_ECANCELED);
            assert_string_equal(e.text, "dkim: the signing function failed: canceled by the caller");
        }
        lw_free(out);
        lw_dkim_signer_free(s);
        lw_dkim_key_free(keys[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field__has_the_tags_that_were_asked_for),
        cmocka_unit_test(test_field__lines_are_at_most_78_octets),
        cmocka_unit_test(test_names__as_is_in_the_table_and_list_unsubscribe_too),
        cmocka_unit_test(test_sign__odd_messages_verify),
        cmocka_unit_test(test_sign__signed_already_new_one_is_first),
        cmocka_unit_test(test_sign__random_messages_verify_and_changed_ones_do_not),
        cmocka_unit_test(test_sign__added_fields_break_it),
        cmocka_unit_test(test_header__limits_on_both_sides),
        cmocka_unit_test(test_header__more_than_1000_names_is_refused),
        cmocka_unit_test(test_body__changed_source_never_ends),
        cmocka_unit_test(test_body__rewinds_and_gives_the_same_again),
        cmocka_unit_test(test_body__small_is_joined_big_is_not_copied),
        cmocka_unit_test(test_callback__signs_and_its_failure_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
