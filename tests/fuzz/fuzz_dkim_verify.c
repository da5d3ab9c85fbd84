/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_dkim_verify.c - whole messages: every split is judged alike, and what we sign
 * verifies
 *
 * Input: one octet that seeds the splits, the message, and behind the last NUL, if there is one, a
 * key record.
 */
#include "dkim/dkim_int.h"

#include <stdlib.h>

static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
static const char own_record[] = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

static void
must(bool holds)
{
    if (!holds)
        abort();
}

/* feeds message in pieces of 1 + seed % 61 octets, and so on; 0 = at once */
static lw_code
feed(lw_dkim_verifier *v, lw_span message, unsigned seed)
{
    lw_error e;
    lw_code rc = LW_OK;

    while (rc == LW_OK && message.len > 0) {
        size_t n = seed == 0 ? message.len : 1 + seed % 61;

        n = n > message.len ? message.len : n;
        seed = seed == 0 ? 0 : seed * 1103515245u + 12345u;
        rc = lw_dkim_verifier_feed(v, (lw_span){ message.ptr, n }, &e);
        message = (lw_span){ message.ptr + n, message.len - n };
    }
    return rc == LW_OK ? lw_dkim_verifier_end(v, &e) : rc;
}

static size_t
verify(lw_span message, lw_span record, unsigned seed, lw_dkim_result *results)
{
    lw_dkim_verifier *v = lw_dkim_verifier_new(NULL);
    size_t n = 0;

    if (feed(v, message, seed) == LW_OK) {
        n = lw_dkim_verifier_n(v);
        must(n <= LW_DKIM_SIGNATURES_MAX);
        for (size_t i = 0; i < n; i++)
            must(lw_dkim_verifier_check(v, i, LW_DKIM_RECORD, record, 1700000000, &results[i]) == LW_OK);
    }
    lw_dkim_verifier_free(v);
    return n;
}

/* with a signature of our own in front: that one passes, whatever the message */
static void
check_signed(lw_span message, unsigned seed, lw_dkim_key *key)
{
    lw_dkim_result results[LW_DKIM_SIGNATURES_MAX];
    lw_dkim_signer *s = lw_dkim_signer_new(NULL);
    lw_dkim_opts o;
    lw_span fields;
    lw_error e;
    lw_buf b;

    lw_dkim_opts_init(&o);
    o.domain = "example.com";
    o.selector = "s";
    o.key = key;
    o.header_canon = (lw_dkim_canon)(seed >> 1 & 1);
    o.body_canon = (lw_dkim_canon)(seed >> 2 & 1);
    must(lw_dkim_signer_add(s, &o, &e) == LW_OK && lw_dkim_sign_begin(s, 1700000000, &e) == LW_OK);
    lw_buf_init(&b, NULL, SIZE_MAX / 2);
    if (lw_dkim_sign_feed(s, message, &e) == LW_OK && lw_dkim_sign_finish(s, &fields, &e) == LW_OK) {
        lw_buf_add(&b, fields);
        lw_buf_add(&b, message);
        must(verify(lw_buf_span(&b), lw_span_str(own_record), seed, results) > 0);
        must(results[0].status == LW_DKIM_PASS);
    } else {
        must(e.text[0] != '\0');
    }
    lw_buf_deinit(&b);
    lw_dkim_signer_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lw_dkim_key *key;
    lw_dkim_result whole[LW_DKIM_SIGNATURES_MAX], cut[LW_DKIM_SIGNATURES_MAX];
    lw_span message, record = lw_span_str(own_record);
    unsigned seed;
    lw_error e;

    if (key == NULL)
        must(lw_dkim_key_parse(NULL, lw_span_str(pem), &key, &e) == LW_OK);
    if (size == 0)
        return 0;
    seed = data[0];
    message = (lw_span){ (const char *)data + 1, size - 1 };
    for (size_t i = message.len; i-- > 0;)
        if (message.ptr[i] == '\0') {
            record = (lw_span){ message.ptr + i + 1, message.len - i - 1 };
            message.len = i;
            break;
        }
    size_t n = verify(message, record, 0, whole);
    must(verify(message, record, seed + 1, cut) == n);
    for (size_t i = 0; i < n; i++)
        must(whole[i].status == cut[i].status && strcmp(whole[i].reason, cut[i].reason) == 0);
    check_signed(message, seed, key);
    return 0;
}
