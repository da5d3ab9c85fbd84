/* SPDX-License-Identifier: MIT */
/* dkim/record.c - what the tags of a key record mean (RFC 6376 3.6.1, 6.1.2) */
#include "dkim/dkim_int.h"

static bool
lists(const lw_dkim_tags *t, const char *name, const char *word, const char *other)
{
    const lw_dkim_tag *tag = lw_dkim_tags_find(t, name);

    return tag == NULL || lw_dkim_has_item(tag->value, word, other);
}

/* [RFC6376 3.6.1] 'Records beginning with a "v=" tag with any other value MUST be discarded.' */
static bool
is_version_right(const lw_dkim_tags *t)
{
    const lw_dkim_tag *v = lw_dkim_tags_find(t, "v");

    return v == NULL || (v == &t->items[0] && lw_span_eq(v->value, LW_LIT("DKIM1")));
}

static bool
is_kind_right(const lw_dkim_tags *t, lw_dkim_algorithm algorithm)
{
    const lw_dkim_tag *k = lw_dkim_tags_find(t, "k");
    lw_span kind = k == NULL ? LW_LIT("rsa") : k->value;

    return lw_span_eq(kind,
                      algorithm == LW_DKIM_RSA ? LW_LIT("rsa") : LW_LIT("ed25519"));
}

static const char *
read_key(lw_dkim_keyrecord *k, lw_dkim_algorithm algorithm, lw_span p)
{
    unsigned char der[LW_DKIM_DER_MAX];
    size_t n;

    /* [RFC6376 6.1.2] "this key has been revoked and the Verifier MUST treat this as a failed
     * signature check" */
    if (p.len == 0)
        return "the key was revoked";
    if (!lw_dkim_base64(p, der, sizeof der, &n))
        return "p= of the key record is no base64";
    if ((k->key = lw_dkim_public_key(algorithm, (lw_span){ (const char *)der, n })) ==
        NULL)
        return "p= of the key record holds no such key";
    k->bits = algorithm == LW_DKIM_RSA ? (unsigned)EVP_PKEY_get_bits(k->key) : 256;
    /* [RFC8301 3.2] "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as
     * valid signatures." */
    if (algorithm == LW_DKIM_RSA && k->bits < LW_DKIM_RSA_MIN)
        return "the RSA key is too short (RFC 8301: at least 1024 bits)";
    if (algorithm == LW_DKIM_RSA && k->bits > LW_DKIM_RSA_MAX)
        return "the RSA key is too long (at most 8192 bits)";
    return NULL;
}

const char *
lw_dkim_record_parse(lw_dkim_keyrecord *k, lw_dkim_algorithm algorithm, lw_span record)
{
    const lw_dkim_tag *p, *flags;
    lw_dkim_tags t;

    memset(k, 0, sizeof *k);
    if (record.len > 16384 || lw_dkim_tags_parse(&t, record) != NULL)
        return "the key record is malformed";
    if (!is_version_right(&t))
        return "the key record is not of version DKIM1";
    if ((flags = lw_dkim_tags_find(&t, "t")) != NULL) {
        k->is_testing = lw_dkim_has_item(flags->value, "y", NULL);
        k->is_strict = lw_dkim_has_item(flags->value, "s", NULL);
    }
    /* [RFC6376 3.6.1] "Verifiers for a given service type MUST ignore this record if the appropriate
     * type is not listed." */
    if (!lists(&t, "s", "*", "email"))
        return "the key record is not for mail (s=)";
    if (!lists(&t, "h", "sha256", NULL))
        return "the key record does not allow SHA-256 (h=)";
    if (!is_kind_right(&t, algorithm))
        return "the key record is for another algorithm (k=)";
    if ((p = lw_dkim_tags_find(&t, "p")) == NULL)
        return "the key record has no key (p=)";
    return read_key(k, algorithm, p->value);
}

void
lw_dkim_record_deinit(lw_dkim_keyrecord *k)
{
    if (k->key != NULL)
        EVP_PKEY_free(k->key);
    k->key = NULL;
}
