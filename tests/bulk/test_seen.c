/* SPDX-License-Identifier: MIT */
/* tests/bulk/test_seen.c - the keyed hash against its authors' vectors, and addresses seen */
#include "bulk/bulk_int.h"

#include "support/memory.h"
#include "support/test.h"

/* SipHash-2-4 of the octets 00 01 02 ..., key 00 01 .. 0f, as `openssl mac SIPHASH` gives them */
static const struct {
    size_t n;
    const char *wide64, *wide128;
} vectors[] = {
    { 0, "310E0EDD47DB6F72", "A3817F04BA25A8E66DF67214C7550293" },
    { 1, "FD67DC93C539F874", "DA87C1D86B99AF44347659119B22FC45" },
    { 7, "37D1018BF50002AB", "A1F1EBBED8DBC153C0B84AA61FF08239" },
    { 8, "6224939A79F5F593", "3B62A9BA6258F5610F83E264F31497B4" },
    { 15, "E545BE4961CA29A1", "5493E99933B0A8117E08EC0F97CFC3D9" },
    { 16, "DB9BC2577FCC2A3F", "6EE2A4CA67B054BBFD3315BF85230577" },
    { 63, "724506EB4C328A95", "5150D1772F50834A503E069A973FBD7C" },
};
static const lw_sip_key vector_key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };

static void
hex(char *out, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02X", p[i]);
}

static void
add_split(lw_sip *s, const char *p, size_t n, size_t at)
{
    lw_sip_add(s, (lw_span){ p, at });
    lw_sip_add(s, (lw_span){ p + at, n - at });
}

static void
test_siphash__the_vectors_at_each_split(void **state)
{
    char octets[64], text[40];

    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (char)i;
    for (size_t i = 0; i < LW_COUNT(vectors); i++) {
        for (size_t at = 0; at <= vectors[i].n; at++) {
            unsigned char out[16];
            uint64_t h;
            lw_sip s;

            lw_sip_init(&s, vector_key);
            add_split(&s, octets, vectors[i].n, at);
            h = lw_sip_end(&s);
            for (unsigned k = 0; k < 8; k++)
                out[k] = (unsigned char)(h >> (8 * k));
            hex(text, out, 8);
            assert_string_equal(text, vectors[i].wide64);
            lw_sip_init_128(&s, vector_key);
            add_split(&s, octets, vectors[i].n, at);
            lw_sip_end_128(&s, out);
            hex(text, out, 16);
            assert_string_equal(text, vectors[i].wide128);
        }
    }
}

static void
test_siphash__framed_pieces_do_not_run_together(void **state)
{
    uint64_t h[2];
    lw_sip s;

    for (size_t i = 0; i < 2; i++) {
        lw_sip_init(&s, vector_key);
        lw_sip_add_framed(&s, i == 0 ? LW_LIT("ab") : LW_LIT("a"));
        lw_sip_add_framed(&s, i == 0 ? LW_LIT("c") : LW_LIT("bc"));
        h[i] = lw_sip_end(&s);
    }
    assert_true(h[0] != h[1]);
}

static void
test_seen__each_address_once_whatever_its_case(void **state)
{
    char address[200];
    lw_seen *seen = lw_seen_new(NULL);
    bool was;

    assert_non_null(seen);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 50000; i++) {
            snprintf(address, sizeof address, round == 0 ? "user%u@Example.com" : "USER%u@example.COM", i);
            assert_int_equal(lw_seen_has(seen, lw_span_str(address)), round == 1);
            assert_int_equal(lw_seen_add(seen, lw_span_str(address), &was), LW_OK);
            assert_int_equal(was, round == 1);
        }
    }
    assert_int_equal(seen->n, 50000);
    /* "a few octets a row": between growing and growing again */
    assert_true(seen->cap * sizeof *seen->slots < seen->n * 22);
    /* longer than the piece that is folded at a time */
    memset(address, 'x', sizeof address);
    assert_int_equal(lw_seen_add(seen, (lw_span){ address, 128 }, &was), LW_OK);
    assert_false(was);
    address[127] = 'y';
    assert_int_equal(lw_seen_add(seen, (lw_span){ address, 128 }, &was), LW_OK);
    assert_false(was);
    lw_seen_free(seen);
}

static void
test_seen__growing_may_fail_and_go_on(void **state)
{
    test_memory m;
    lw_seen *seen;
    bool was;

    test_memory_init(&m, 0);
    assert_null(lw_seen_new(&m.alloc));
    test_memory_init(&m, 1);
    assert_non_null(seen = lw_seen_new(&m.alloc));
    assert_int_equal(lw_seen_add(seen, LW_LIT("a@b"), &was), LW_ENOMEM);
    m.left = -1;
    assert_int_equal(lw_seen_add(seen, LW_LIT("a@b"), &was), LW_OK);
    assert_false(was);
    lw_seen_free(seen);
    assert_int_equal(m.n_out, 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash__the_vectors_at_each_split),
        cmocka_unit_test(test_siphash__framed_pieces_do_not_run_together),
        cmocka_unit_test(test_seen__each_address_once_whatever_its_case),
        cmocka_unit_test(test_seen__growing_may_fail_and_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
