/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_dkim_record.c - key records, for both algorithms, and PEM keys */
#include "dkim/dkim_int.h"

#include <stdlib.h>

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
check_record(lw_dkim_algorithm algorithm, lw_span record)
{
    static const unsigned char zeros[LW_DKIM_DIGEST];
    lw_dkim_keyrecord k;
    const char *problem = lw_dkim_record_parse(&k, algorithm, record);

    must(problem == NULL || problem[0] != '\0');
    if (problem == NULL) {
        must(k.key != NULL);
        must(algorithm == LW_DKIM_RSA ? k.bits >= LW_DKIM_RSA_MIN && k.bits <= LW_DKIM_RSA_MAX : k.bits == 256);
        (void)lw_dkim_verify_digest(k.key, algorithm, zeros, zeros, sizeof zeros);
    }
    lw_dkim_record_deinit(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lw_span in = { (const char *)data, size };
    lw_dkim_key *key;
    lw_error e;

    check_record(LW_DKIM_RSA, in);
    check_record(LW_DKIM_ED25519, in);
    lw_code rc = lw_dkim_key_parse(NULL, in, &key, &e);
    must((rc == LW_OK) == (key != NULL));
    must(rc == LW_OK || (rc == LW_ECONFIG && e.text[0] != '\0'));
    lw_dkim_key_free(key);
    return 0;
}
