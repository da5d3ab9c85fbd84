/* SPDX-License-Identifier: MIT */
/* tests/dkim/test_verify.c - the examples of the RFCs, and what each broken signature is called */
#include "dkim/support.h"
#include "support/guard.h"

#define NOW INT64_C(1528637909) /* t= of the example of RFC 8463 */

static guard g;

static void
check(const char *name, lw_dkim_result r, lw_dkim_status status, const char *reason)
{
    if (r.status != status || strcmp(r.reason, reason) != 0)
        fail_msg("%s: %s (%s)", name, lw_dkim_status_name(r.status), r.reason);
}

/* text with the first occurrence of one string replaced by another; to be freed */
static char *
replaced(const char *text, const char *what, const char *with)
{
    const char *at = strstr(text, what);
    lw_buf b;

    assert_non_null(at);
    lw_buf_init(&b, NULL, 1 << 20);
    lw_buf_add(&b, (lw_span){ text, (size_t)(at - text) });
    lw_buf_add_str(&b, with);
    lw_buf_add_str(&b, at + strlen(what));
    return lw_buf_take(&b);
}

static void
test_example__rfc8463_verifies_at_every_split(void **state)
{
    lw_span m = lw_span_str(rfc8463_message);

    for (uint64_t seed = 0; seed < 50; seed++) {
        check("ed25519", test_verify(m, 0, rfc8463_ed_record, NOW, seed), LW_DKIM_PASS, "");
        check("rsa", test_verify(m, 1, rfc8463_rsa_record, NOW, seed), LW_DKIM_PASS, "");
    }
    assert_int_equal(test_verify(m, 0, rfc8463_ed_record, NOW, 0).key_bits, 256);
    assert_int_equal(test_verify(m, 1, rfc8463_rsa_record, NOW, 0).key_bits, 1024);
}

static void
test_example__rfc6376_verifies(void **state)
{
    for (uint64_t seed = 0; seed < 50; seed++)
        check("A.2", test_verify(lw_span_str(rfc6376_message), 0, rfc6376_record, -1, seed), LW_DKIM_PASS, "");
}

static void
test_signature__says_what_stands_in_it(void **state)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_error e;

    assert_int_equal(lw_dkim_verifier_feed(v, lw_span_str(rfc8463_message), &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_n(v), 2);
    const lw_dkim_signature *s = lw_dkim_verifier_signature(v, 1);
    assert_true(s->is_valid);
    assert_int_equal(s->algorithm, LW_DKIM_RSA);
    assert_span(s->domain, "football.example.com");
    assert_span(s->selector, "test");
    assert_span(s->identity, "@football.example.com");
    assert_int_equal(s->time_s, NOW);
    assert_int_equal(s->expires_s, -1);
    assert_int_equal(s->header_canon, LW_DKIM_RELAXED);
    assert_true(s->body_limit == UINT64_MAX);
    assert_null(lw_dkim_verifier_signature(v, 2));
    lw_dkim_verifier_free(v);
}

/* one edit of the example's first (Ed25519) signature or of the message, and the judgement */
static void
test_verify__edits(void **state)
{
    static const struct {
        const char *what, *with, *reason;
        lw_dkim_status status;
    } rows[] = {
        { "hungry yet?", "hungry  yet?", "", LW_DKIM_PASS },
        { "Subject: Is", "sUBJECT : \r\n\t Is", "", LW_DKIM_PASS },
        { "Joe.\r\n", "Joe.\r\n\r\n\r\n", "", LW_DKIM_PASS },
        { "Joe.\r\n", "Joe.", "", LW_DKIM_PASS },
        { "From: Joe", "X-New: y\r\nFrom: Joe", "", LW_DKIM_PASS },
        { "Joe.\r\n", "Joe!\r\n", "the body is not the one that was signed", LW_DKIM_FAIL },
        { "dinner", "supper", "the header is not the one that was signed, or the key another", LW_DKIM_FAIL },
        { "t=1528637909", "t=1528637908", "the header is not the one that was signed, or the key another",
          LW_DKIM_FAIL },
        { "b=/gCrin", "b=/gCrio", "the header is not the one that was signed, or the key another", LW_DKIM_FAIL },
        { "1Q1Dw==", "1Q1A==", "b= is no base64", LW_DKIM_NEUTRAL },
        { "v=1;", "v=2;", "v= is not 1", LW_DKIM_NEUTRAL },
        { "v=1;", "", "v= is missing", LW_DKIM_NEUTRAL },
        { "v=1;", "v=1;;", "a tag has no \"=\"", LW_DKIM_NEUTRAL },
        { "v=1;", "v=1; v=1;", "a tag occurs twice", LW_DKIM_NEUTRAL },
        { "v=1;", "v=1; 1x=y;", "a tag has no proper name", LW_DKIM_NEUTRAL },
        { "v=1;", "v=1; n=\x01;", "it holds a control character or broken UTF-8", LW_DKIM_NEUTRAL },
        { "v=1;", "v=1; n=\xe9;", "it holds a control character or broken UTF-8", LW_DKIM_NEUTRAL },
        { "a=ed25519-sha256;", "", "a= is missing", LW_DKIM_NEUTRAL },
        { "a=ed25519-sha256;", "a=ed25519-sha512;", "a= names an unknown algorithm", LW_DKIM_NEUTRAL },
        { "a=ed25519-sha256;", "a=rsa-sha1;", "a=rsa-sha1 is not trusted any more (RFC 8301)", LW_DKIM_PERMERROR },
        { "a=ed25519-sha256;", "a=rsa-sha256;", "the key record is for another algorithm (k=)", LW_DKIM_PERMERROR },
        { "c=relaxed/relaxed", "c=relaxed/none", "c= names an unknown canonical form", LW_DKIM_NEUTRAL },
        { "c=relaxed/relaxed", "c=", "c= names an unknown canonical form", LW_DKIM_NEUTRAL },
        { "c=relaxed/relaxed", "c=relaxed", "the body is not the one that was signed", LW_DKIM_FAIL },
        { "d=football.example.com; ", "", "d= is missing", LW_DKIM_NEUTRAL },
        { "d=football.example.com", "d=com", "d= is no domain", LW_DKIM_NEUTRAL },
        { "d=football.example.com", "d=example.com", "the header is not the one that was signed, or the key another",
          LW_DKIM_FAIL },
        { "d=football.example.com", "d=soccer.example.com", "i= is not in the domain of d=", LW_DKIM_PERMERROR },
        { "i=@football", "i=football", "i= is no identity", LW_DKIM_NEUTRAL },
        { "s=brisbane; ", "", "s= is missing", LW_DKIM_NEUTRAL },
        { "s=brisbane", "s=bris bane", "s= is no selector", LW_DKIM_NEUTRAL },
        { "q=dns/txt", "q=http", "q= does not name dns/txt", LW_DKIM_NEUTRAL },
        { "h=from : to :\r\n subject : date : message-id : from", "h=sender : to :\r\n subject",
          "h= does not cover From", LW_DKIM_PERMERROR },
        { "h=from : to", "h=from : : to", "h= is malformed", LW_DKIM_NEUTRAL },
        { "t=1528637909", "t=1528637909; x=1528637909", "x= is not after t=", LW_DKIM_NEUTRAL },
        { "t=1528637909", "t=-1", "t= is no time", LW_DKIM_NEUTRAL },
        { "t=1528637909", "t=1234567890123", "t= is no time", LW_DKIM_NEUTRAL },
        { "t=1528637909", "x=", "x= is no time", LW_DKIM_NEUTRAL },
        { "v=1;", "v=1; l=9999;", "the body is shorter than l= says", LW_DKIM_FAIL },
        { "v=1;", "v=1; l=x;", "l= is no length", LW_DKIM_NEUTRAL },
        { "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", "bh=2jUS", "bh= is no SHA-256 in base64",
          LW_DKIM_NEUTRAL },
        { "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8",
          "bh= is no SHA-256 in base64", LW_DKIM_NEUTRAL },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            char *m = replaced(rfc8463_message, rows[i].what, rows[i].with), name[80];

            snprintf(name, sizeof name, "row %zu, %s", i, rows[i].with);
            check(name, test_verify(lw_span_str(m), 0, rfc8463_ed_record, NOW, seed), rows[i].status,
                  rows[i].reason);
            lw_free(m);
        }
}

static void
test_record__rows(void **state)
{
    static const char p[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    static const struct {
        const char *record, *reason;
        lw_dkim_status status;
    } rows[] = {
        { "v=DKIM1; k=ed25519; p=%", "", LW_DKIM_PASS },
        { "k=ed25519;p=%;", "", LW_DKIM_PASS },
        { "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7T yWQHOg7hcvPapi\r\n MlrwIaaPcHURo=", "", LW_DKIM_PASS },
        { "v=DKIM1; k=ed25519; h=sha1:sha256; s=other:email; t=s:x; n=note=3B; zz=; p=%", "", LW_DKIM_PASS },
        { "v=DKIM1; k=ed25519; s=*; p=%", "", LW_DKIM_PASS },
        { "", "the key record is malformed", LW_DKIM_PERMERROR },
        { "some other TXT record", "the key record is malformed", LW_DKIM_PERMERROR },
        { "v=spf1 -all", "the key record is not of version DKIM1", LW_DKIM_PERMERROR },
        { "v=DKIM1.0; k=ed25519; p=%", "the key record is not of version DKIM1", LW_DKIM_PERMERROR },
        { "k=ed25519; v=DKIM1; p=%", "the key record is not of version DKIM1", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; k=rsa; p=%", "the key record is malformed", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; p=", "the key was revoked", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519", "the key record has no key (p=)", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; p=!", "p= of the key record is no base64", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; p=AAAA", "p= of the key record holds no such key", LW_DKIM_PERMERROR },
        { "v=DKIM1; p=%", "the key record is for another algorithm (k=)", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=dsa; p=%", "the key record is for another algorithm (k=)", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; h=sha1; p=%", "the key record does not allow SHA-256 (h=)", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; s=tlsrpt; p=%", "the key record is not for mail (s=)", LW_DKIM_PERMERROR },
        { "v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=",
          "the header is not the one that was signed, or the key another", LW_DKIM_FAIL },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        char *r = strchr(rows[i].record, '%') != NULL ? replaced(rows[i].record, "%", p)
                                                      : lw_strdup(NULL, rows[i].record);
        check(rows[i].record, test_verify(lw_span_str(rfc8463_message), 0, r, NOW, 3), rows[i].status,
              rows[i].reason);
        lw_free(r);
    }
}

static void
test_record__flags(void **state)
{
    char *m = replaced(rfc8463_message, "d=football.example.com", "d=example.com");
    char *strict = replaced(rfc8463_ed_record, "v=DKIM1;", "v=DKIM1; t=s:y;");
    lw_dkim_result r = test_verify(lw_span_str(m), 0, strict, NOW, 0);

    check("t=s", r, LW_DKIM_PERMERROR, "the key allows no subdomain in i= (t=s)");
    assert_true(r.is_testing);
    assert_true(test_verify(lw_span_str(rfc8463_message), 0, strict, NOW, 0).is_testing);
    check("t=s, same domain", test_verify(lw_span_str(rfc8463_message), 0, strict, NOW, 0), LW_DKIM_PASS, "");
    lw_free(m);
    lw_free(strict);
}

static void
test_record__rsa_forms_and_sizes(void **state)
{
    /* the RSAPublicKey alone, as RFC 6376 3.6.1 has it: what the SubjectPublicKeyInfo holds */
    static const char bare[] = "v=DKIM1; p=MIGJAoGBAOQeU5CgFPNZGIazlXo2k/eJ1jpaTTxrmqF1HrDLlt04pvaMtCJj8nXol"
        "iLRC/H9vJjMI1vdb3XLcW60AIN/PBD8EL97/y4GwJH7LPUvGP48vqUe+owqszesbiGy1PlCO8c70/OjFnJVgvMF87YR4Lci"
        "ncb7aSvI5MgpP6X8rjDdAgMBAAE=";
    static const char rsa_512[] = "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANzV/hU7mCXx+WK8emKbJiU98bIE"
        "Z01qBJgPokNkZDc53O8CVbahkPeqXBu69m4dFAyOvQUsC0ZXBWbCKzdNe4ECAwEAAQ==";
    char *longer = replaced(rfc8463_rsa_record, "MIGfMA0G", "MIGgMA0G");

    check("RSAPublicKey", test_verify(lw_span_str(rfc8463_message), 1, bare, NOW, 0), LW_DKIM_PASS, "");
    check("512 bits", test_verify(lw_span_str(rfc8463_message), 1, rsa_512, NOW, 0), LW_DKIM_PERMERROR,
          "the RSA key is too short (RFC 8301: at least 1024 bits)");
    check("bad DER", test_verify(lw_span_str(rfc8463_message), 1, longer, NOW, 0), LW_DKIM_PERMERROR,
          "p= of the key record holds no such key");
    lw_free(longer);
}

static void
test_check__answers_and_misuse(void **state)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_dkim_result r;
    lw_error e;

    assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_RECORD, LW_LIT("x"), NOW, &r), LW_EUSAGE);
    assert_int_equal(lw_dkim_verifier_feed(v, lw_span_str(rfc8463_message), &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_RECORD, LW_LIT("x"), NOW, &r), LW_EUSAGE);
    assert_int_equal(lw_dkim_verifier_end(v, &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_end(v, &e), LW_EUSAGE);
    assert_int_equal(lw_dkim_verifier_feed(v, LW_LIT("x"), &e), LW_EUSAGE);
    assert_int_equal(lw_dkim_verifier_check(v, 2, LW_DKIM_RECORD, LW_LIT("x"), NOW, &r), LW_EUSAGE);
    assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_NO_RECORD, LW_LIT(""), NOW, &r), LW_OK);
    check("none", r, LW_DKIM_PERMERROR, "there is no key record");
    assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_NO_ANSWER, LW_LIT(""), NOW, &r), LW_OK);
    check("no answer", r, LW_DKIM_TEMPERROR, "the key record could not be asked for");
    assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_RECORD, lw_span_str(rfc8463_ed_record), NOW, &r), LW_OK);
    check("then the record", r, LW_DKIM_PASS, "");

    lw_dkim_verifier_reset(v);
    assert_int_equal(lw_dkim_verifier_feed(v, LW_LIT("From: a@b.de\r\n\r\nx"), &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_end(v, &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_n(v), 0);
    lw_dkim_verifier_reset(v);
    assert_int_equal(lw_dkim_verifier_feed(v, LW_LIT("From: a@b.de\nx"), &e), LW_EMESSAGE);
    assert_string_equal(e.text, "dkim: the header has a bare LF at octet 12: bring line ends to CRLF first");
    assert_int_equal(lw_dkim_verifier_end(v, &e), LW_EUSAGE);
    lw_dkim_verifier_free(v);
}

/* ---- good by its mathematics, and still not to be relied on ---------------------- */

typedef struct made {
    char *text, *record;
    size_t len;
} made;

/* a message with a signature made here of tags that the signer never writes; body "one\r\ntwo\r\n" */
static made
make(const char *tags, const char *head)
{
    lw_dkim_key *key = test_key(rfc8463_ed_key);
    unsigned char digest[LW_DKIM_DIGEST], sig[LW_DKIM_SIG_MAX];
    char text[LW_BASE64_LEN(LW_DKIM_SIG_MAX) + 1] = "";
    bool is_cut = strstr(tags, "l=5") != NULL;
    lw_span body = is_cut ? LW_LIT("one\r\n") : LW_LIT("one\r\ntwo\r\n");
    lw_error e;
    lw_buf b, h;
    size_t n;
    made m;

    lw_buf_init(&b, NULL, 1 << 16);
    lw_buf_init(&h, NULL, 1 << 16);
    EVP_Digest(body.ptr, body.len, digest, NULL, EVP_sha256(), NULL);
    lw_base64_encode(text, digest, sizeof digest);
    lw_buf_add_fmt(&b, "DKIM-Signature: v=1; a=ed25519-sha256; d=b.de; s=s; h=from; %s; bh=%s; b=", tags, text);
    lw_buf_add(&h, LW_LIT("From: a@b.de\r\n"));
    lw_buf_add(&h, lw_buf_span(&b));
    EVP_Digest(h.ptr, h.len, digest, NULL, EVP_sha256(), NULL);
    assert_int_equal(lw_dkim_key_sign(key, digest, sig, &n, &e), LW_OK);
    memset(text, 0, sizeof text);
    lw_base64_encode(text, sig, n);
    lw_buf_add_fmt(&b, "%s\r\n%sFrom: a@b.de\r\n\r\none\r\ntwo\r\n", text, head);
    m.len = b.len;
    m.text = lw_buf_take(&b);
    assert_int_equal(lw_dkim_key_record(key, &m.record), LW_OK);
    lw_buf_deinit(&h);
    lw_dkim_key_free(key);
    return m;
}

static void
test_policy__rows(void **state)
{
    static const struct {
        const char *name, *tags, *head, *reason;
        lw_dkim_status status;
    } rows[] = {
        { "nothing special", "t=1000", "", "", LW_DKIM_PASS },
        { "l= is the whole", "l=10", "", "", LW_DKIM_PASS },
        { "l= is a part", "l=5", "", "l= leaves the end of the body unsigned", LW_DKIM_POLICY },
        { "expires now", "t=1000; x=2000", "", "", LW_DKIM_PASS },
        { "expired", "t=1000; x=1999", "", "the signature has expired (x=)", LW_DKIM_POLICY },
        { "a little ahead", "t=2300", "", "", LW_DKIM_PASS },
        { "from the future", "t=2301", "", "the signature is from the future (t=)", LW_DKIM_POLICY },
        { "a second From", "t=1000", "From: evil@c.de\r\n", "there is a From that is not signed", LW_DKIM_POLICY },
        { "unknown tags", "zz=1; z=From:x|To:y", "", "", LW_DKIM_PASS },
        { "itself in h=", "t=1", "", "", LW_DKIM_PASS },
    };

    for (size_t i = 0; i < LW_COUNT(rows); i++) {
        made m = make(rows[i].tags, rows[i].head);

        check(rows[i].name, test_verify((lw_span){ m.text, m.len }, 0, m.record, 2000, i), rows[i].status,
              rows[i].reason);
        lw_free(m.text);
        lw_free(m.record);
    }
    made m = make("t=3000; x=4000", "");
    check("no time given", test_verify((lw_span){ m.text, m.len }, 0, m.record, -1, 0), LW_DKIM_PASS, "");
    lw_free(m.text);
    lw_free(m.record);
}

/* ---- bounds ---------------------------------------------------------------------- */

static void
test_bounds__signatures_tags_and_names(void **state)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    lw_dkim_result r;
    lw_error e;
    lw_buf b;

    lw_buf_init(&b, NULL, 1 << 22);
    for (int i = 0; i < LW_DKIM_SIGNATURES_MAX + 5; i++)
        lw_buf_add_fmt(&b, "DKIM-Signature: v=1; i=%d\r\n", i);
    assert_int_equal(lw_dkim_verifier_feed(v, lw_buf_span(&b), &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_end(v, &e), LW_OK);
    assert_int_equal(lw_dkim_verifier_n(v), LW_DKIM_SIGNATURES_MAX);

    for (int n = LW_DKIM_TAGS_MAX; n <= LW_DKIM_TAGS_MAX + 1; n++) {
        lw_dkim_verifier_reset(v);
        lw_buf_reset(&b);
        lw_buf_add_str(&b, "DKIM-Signature: v=2");
        for (int i = 1; i < n; i++)
            lw_buf_add_fmt(&b, "; a%d=", i);
        lw_buf_add_str(&b, "\r\n");
        assert_int_equal(lw_dkim_verifier_feed(v, lw_buf_span(&b), &e), LW_OK);
        assert_int_equal(lw_dkim_verifier_end(v, &e), LW_OK);
        assert_int_equal(lw_dkim_verifier_check(v, 0, LW_DKIM_RECORD, LW_LIT("x"), 0, &r), LW_OK);
        assert_string_equal(r.reason, n == LW_DKIM_TAGS_MAX ? "v= is not 1" : "it has too many tags");
    }
    lw_buf_deinit(&b);
    lw_dkim_verifier_free(v);
}

/* a crafted message costs no more than a constant for each octet: 16 signatures, each with 1,000
 * names for 10,000 fields of one hash chain, end */
static void
test_bounds__worst_header_ends(void **state)
{
    lw_buf b;

    lw_buf_init(&b, NULL, LW_DKIM_HEADER_MAX);
    lw_buf_add_str(&b, "DKIM-Signature: v=1; a=ed25519-sha256; d=a.de; s=s; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6S"
                       "n7XIkfJVOzv8=; b=AAAA; h=from");
    for (int i = 1; i < LW_DKIM_NAMES_MAX; i++)
        lw_buf_add_str(&b, ":x");
    lw_buf_add_str(&b, "\r\n");
    for (int i = 1; i < LW_DKIM_FIELDS_MAX; i++)
        lw_buf_add_str(&b, "X: y\r\n");
    lw_buf_add_str(&b, "\r\nHi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n");
    check("worst", test_verify(lw_buf_span(&b), 0, rfc8463_ed_record, NOW, 0), LW_DKIM_FAIL,
          "the header is not the one that was signed, or the key another");
    lw_buf_deinit(&b);
}

/* parsers against an unreadable page, for each beginning of good text */
static void
test_parsers__read_no_further(void **state)
{
    static lw_dkim_parsed p;
    lw_dkim_keyrecord k;
    const char *value = strchr(rfc8463_message, ':') + 1;
    size_t n = (size_t)(strstr(value, "\r\nDKIM") - value);

    for (size_t len = 0; len <= n; len++) {
        lw_dkim_signature_parse(&p, (lw_span){ guard_put(&g, value, len), len });
        assert_true(p.pub.is_valid == (p.problem == NULL));
        /* without its end b= may still be base64, of a signature that is too short */
        assert_true(!p.pub.is_valid || (len == n) == (p.sig_len == 64));
    }
    for (size_t len = 0; len <= strlen(rfc8463_rsa_record); len++) {
        const char *problem = lw_dkim_record_parse(&k, LW_DKIM_RSA, (lw_span){ guard_put(&g, rfc8463_rsa_record,
                                                                                        len), len });
        assert_true((problem == NULL) == (len == strlen(rfc8463_rsa_record)));
        lw_dkim_record_deinit(&k);
    }
}

static void
test_status__has_the_words_of_rfc_8601(void **state)
{
    assert_string_equal(lw_dkim_status_name(LW_DKIM_PASS), "pass");
    assert_string_equal(lw_dkim_status_name(LW_DKIM_FAIL), "fail");
    assert_string_equal(lw_dkim_status_name(LW_DKIM_POLICY), "policy");
    assert_string_equal(lw_dkim_status_name(LW_DKIM_NEUTRAL), "neutral");
    assert_string_equal(lw_dkim_status_name(LW_DKIM_TEMPERROR), "temperror");
    assert_string_equal(lw_dkim_status_name(LW_DKIM_PERMERROR), "permerror");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example__rfc8463_verifies_at_every_split),
        cmocka_unit_test(test_example__rfc6376_verifies),
        cmocka_unit_test(test_signature__says_what_stands_in_it),
        cmocka_unit_test(test_verify__edits),
        cmocka_unit_test(test_record__rows),
        cmocka_unit_test(test_record__flags),
        cmocka_unit_test(test_record__rsa_forms_and_sizes),
        cmocka_unit_test(test_check__answers_and_misuse),
        cmocka_unit_test(test_policy__rows),
        cmocka_unit_test(test_bounds__signatures_tags_and_names),
        cmocka_unit_test(test_bounds__worst_header_ends),
        cmocka_unit_test(test_parsers__read_no_further),
        cmocka_unit_test(test_status__has_the_words_of_rfc_8601),
    };
    guard_open(&g, 1 << 16);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
