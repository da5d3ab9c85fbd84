/* SPDX-License-Identifier: MIT */
/*
 * client/outgoing.c - a message on its way out: rendered, then S/MIME or OpenPGP, then DKIM
 *
 * Each layer is a body that pulls from the one below (src/mime, src/secure, src/dkim).  Signing reads
 * the message once to hash it; sending reads it again.  All of it happens before anything is connected,
 * so that a key or a file that fails costs nothing.
 */
#include "client/client_int.h"

/* the message as far as it has got */
static lw_body *
top(const lw_outgoing *o)
{
    if (o->dkim != NULL)
        return lw_dkim_signed_body(o->dkim);
    return o->secured != NULL ? lw_secured_body(o->secured) : lw_rendering_body(o->rendering);
}

static lw_code
protect_and_sign(lw_outgoing *o, lw_message *m, int64_t now_s, lw_error *err)
{
    lw_dkim_signer *signer = lw_message_dkim_signer(m);
    lw_secure *secure = lw_message_protection(m);
    lw_code rc = LW_OK;

    /* signed or encrypted text goes by lines (RFC 8551 3.1.3) */
    if (secure != NULL && lw_rendering_envelope(o->rendering)->body_type == LW_BODY_BINARYMIME)
        return lw_fail(err, LW_EMESSAGE, LW_STAGE_COMPOSE, "message: it has a binary part, so it can be "
                       "neither signed nor encrypted as it is");
    if (secure != NULL)
        rc = lw_secure_body(secure, top(o), lw_rendering_envelope(o->rendering), now_s, &o->secured,
                            err);
    if (rc >= 0 && signer != NULL)
        rc = lw_dkim_sign_body(signer, top(o), now_s, &o->dkim, err);
    return rc;
}

lw_code
lw_outgoing_open(lw_outgoing *o, lw_message *m, lw_error *err)
{
    lw_render_opts now;
    char host[256];
    lw_code rc;

    *o = (lw_outgoing){ .rendering = NULL };
    lw_render_now(&now, m, host, sizeof host);
    if ((rc = lw_rendering_new(m, &now, &o->rendering, err)) < 0)
        return rc;
    if ((rc = protect_and_sign(o, m, now.now_s, err)) >= 0)
        return LW_OK;
    if (err != NULL && lw_outgoing_error(o)->code < 0)
        *err = *lw_outgoing_error(o); /* it names the file */
    lw_outgoing_close(o);
    return rc;
}

void
lw_outgoing_close(lw_outgoing *o)
{
    lw_dkim_signed_free(o->dkim);
    lw_secured_free(o->secured);
    lw_rendering_free(o->rendering);
    *o = (lw_outgoing){ .rendering = NULL };
}

lw_body *
lw_outgoing_body(const lw_outgoing *o)
{
    return top(o);
}

const lw_error *
lw_outgoing_error(const lw_outgoing *o)
{
    if (o->dkim != NULL && lw_dkim_signed_error(o->dkim)->code < 0)
        return lw_dkim_signed_error(o->dkim);
    if (o->secured != NULL && lw_secured_error(o->secured)->code < 0)
        return lw_secured_error(o->secured);
    return lw_rendering_error(o->rendering);
}

/* BINARYMIME goes with BDAT only (RFC 3030 3).  Without ESMTP nothing is known but 7bit. */
static lw_body_type
taken_by(const lw_capabilities *peer, bool no_chunking)
{
    if ((peer->flags & LW_CAP_BINARYMIME) && (peer->flags & LW_CAP_CHUNKING) && !no_chunking)
        return LW_BODY_BINARYMIME;
    return peer->flags & LW_CAP_8BITMIME ? LW_BODY_8BITMIME : LW_BODY_7BIT;
}

lw_code
lw_outgoing_fit(const lw_outgoing *o, const lw_capabilities *peer, bool no_chunking,
                lw_error *err)
{
    /* a signature holds for the octets that were hashed */
    if (o->dkim != NULL || o->secured != NULL)
        return LW_OK;
    return lw_rendering_fit(o->rendering, taken_by(peer, no_chunking), err);
}
