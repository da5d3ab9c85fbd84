/* SPDX-License-Identifier: MIT */
/* tests/dkim/support.h - keys, random octets, bodies with seams, an allocator that fails */
#ifndef LW_TESTS_DKIM_SUPPORT_H
#define LW_TESTS_DKIM_SUPPORT_H

#include "support/test.h"

#define LW_LATE_TABLE_ONLY /* the tests are linked with OpenSSL and call it directly */
#include "dkim/dkim_int.h"

/* RFC 6376 Appendix C and RFC 8463 Appendix A */
extern const char rfc6376_key[], rfc8463_rsa_key[], rfc8463_ed_key[];
extern const char rfc6376_record[], rfc8463_rsa_record[], rfc8463_ed_record[];
extern const char rfc6376_message[], rfc8463_message[];

lw_dkim_key *test_key(const char *pem);

/* for example.com, selector s1; of canon, bit 0 is the header's, bit 1 the body's: 1 = simple */
lw_dkim_opts test_opts(lw_dkim_key *key, int canon);
/* a signer of n signatures */
lw_dkim_signer *test_signer(const lw_dkim_opts *o, size_t n);

/* a deterministic stream of random numbers */
typedef struct test_random {
    uint64_t state;
} test_random;
uint64_t test_next(test_random *r, uint64_t below);

/* a body over memory that gives spans cut by r (NULL = one span) */
typedef struct test_memory {
    lw_span all;
    size_t at, max_span;
    test_random random;
    unsigned n_rewinds;
} test_memory;
lw_body test_body(test_memory *m, lw_span all, size_t max_span, uint64_t seed);

/* everything a body gives; rc = its last result.  To be freed. */
char *test_pull(lw_body *b, size_t *len, lw_code *rc);

/* verifies message (fed in random cuts) against one record; the result of signature i */
lw_dkim_result test_verify(lw_span message, size_t i, const char *record, int64_t now_s, uint64_t seed);

/* an allocator that fails its i-th call (and all later ones if it stays); counts what is in use */
typedef struct test_failing {
    long countdown, n_calls, n_live;
    bool stays;
} test_failing;
lw_alloc test_failing_alloc(test_failing *f);

#endif
