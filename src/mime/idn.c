/* SPDX-License-Identifier: MIT */
/*
 * mime/idn.c - a domain in its own script (U-labels) as the ASCII that DNS and SMTP take (A-labels)
 *
 * libidn2 does it by IDNA2008 and UTS 46 (non-transitional).  It is found when the first domain
 * that is not ASCII comes: linking it would make every start pay for it and for its tables.  It
 * does not judge ASCII names, so the result passes our own check again.
 */
#include "mime/mime_int.h"

#ifdef LW_HAVE_IDN2
#include "late/late.h"

#include <idn2.h>

static struct {
    int (*lookup)(const uint8_t *src, uint8_t **lookupname, int flags);
    void (*release)(void *p);
} idn2;

static const char *const names[] = { "idn2_lookup_u8", "idn2_free" };
static lw_late library = { LW_LATE("libidn2.so.0", names, idn2) };

/* our own words: idn2_strerror() follows the locale */
static const char *
problem_text(int rc)
{
    switch (rc) {
    case IDN2_TOO_BIG_LABEL:
    case IDN2_PUNYCODE_BIG_OUTPUT:
        return "a part of the domain is longer than 63 octets in its ASCII form";
    case IDN2_TOO_BIG_DOMAIN:
        return "the domain is longer than 255 octets in its ASCII form";
    case IDN2_BIDI:
        return "the domain mixes writing directions in a way that IDNA forbids";
    case IDN2_DISALLOWED:
    case IDN2_UNASSIGNED:
        return "the domain holds a character that IDNA does not allow";
    default:
        return "the domain is no valid internationalized name (IDNA2008)";
    }
}

static lw_code
put(lw_buf *out, const char *name, const char **problem)
{
    lw_span s = lw_span_str(name);

    if (!lw_span_is_ascii(s)) {
        *problem = problem_text(0);
        return LW_EADDRESS;
    }
    if ((*problem = lw_addr_domain_problem(s)) != NULL)
        return LW_EADDRESS;
    lw_buf_add(out, s);
    return lw_buf_finish(out);
}

lw_code
lw_idn_to_ascii(lw_buf *out, lw_span domain, const char **problem)
{
    uint8_t name[LW_DOMAIN_MAX + 1], *ascii = NULL;
    lw_code rc;
    int found;

    *problem = NULL;
    if (lw_late_load(&library, LW_STAGE_COMPOSE, "such a domain needs libidn2", NULL) < 0)
        return LW_DONE;
    if (LW_NEVER(domain.len > LW_DOMAIN_MAX))
        return LW_EBUG;
    memcpy(name, domain.ptr, domain.len);
    name[domain.len] = '\0';
    if ((found = idn2.lookup(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL)) == IDN2_MALLOC)
        return LW_ENOMEM;
    if (found != IDN2_OK) {
        *problem = problem_text(found);
        return LW_EADDRESS;
    }
    rc = put(out, (const char *)ascii, problem);
    idn2.release(ascii);
    return rc;
}

#else

lw_code
lw_idn_to_ascii(lw_buf *out, lw_span domain, const char **problem)
{
    (void)out;
    (void)domain;
    *problem = NULL;
    return LW_DONE;
}

#endif
