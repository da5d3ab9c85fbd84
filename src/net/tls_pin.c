/* SPDX-License-Identifier: MIT */
/* net/tls_pin.c - a server known by its public key: "sha256:" and the hash of the SPKI */
#include "net/net_int.h"

static bool
from_hex(lw_span s, unsigned char pin[LW_PIN_BYTES])
{
    if (s.len != 2 * LW_PIN_BYTES)
        return false;
    for (size_t i = 0; i < LW_PIN_BYTES; i++) {
        int hi = lw_hex_value(s.ptr[2 * i]), lo = lw_hex_value(s.ptr[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        pin[i] = (unsigned char)(hi * 16 + lo);
    }
    return true;
}

/* 43 characters, the '=' behind them may be missing */
static bool
from_base64(lw_span s, unsigned char pin[LW_PIN_BYTES])
{
    char text[LW_BASE64_LEN(LW_PIN_BYTES)], octets[LW_BASE64_LEN(LW_PIN_BYTES) / 4 * 3];
    size_t n;

    if (s.len != sizeof text && s.len != sizeof text - 1)
        return false;
    text[sizeof text - 1] = '=';
    memcpy(text, s.ptr, s.len);
    if (!lw_base64_decode(octets, (lw_span){ text, sizeof text }, &n) || n != LW_PIN_BYTES)
        return false;
    memcpy(pin, octets, LW_PIN_BYTES);
    return true;
}

lw_code
lw_pin_parse(const char *text, unsigned char pin[LW_PIN_BYTES], lw_error *err)
{
    lw_span s = lw_span_trim(lw_span_str(text)), prefix = LW_LIT("sha256:");

    if (lw_span_starts_nocase(s, prefix)) {
        s = (lw_span){ s.ptr + prefix.len, s.len - prefix.len };
        if (from_hex(s, pin) || from_base64(s, pin))
            return LW_OK;
    }
    return lw_fail(err, LW_ECONFIG, LW_STAGE_TLS,
                   "the pin is malformed: write sha256: and the SHA-256 of the server's "
                   "public key as 64 hexadecimal digits or in base64");
}

bool
lw_pin_of(X509 *cert, unsigned char pin[LW_PIN_BYTES])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool done = len > 0 && EVP_Digest(der, (size_t)len, pin, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return done;
}
