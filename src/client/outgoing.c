/* SPDX-License-Identifier: MIT */
/*
 * client/outgoing.c - a message on its way out: rendered, and signed when a signer was given
 *
 * Signing reads the rendered message once to hash it; sending reads it again (src/dkim/body.c).
 * Both happen before anything is connected, so that a key or a file that fails costs nothing.
 */
#include "client/client_int.h"

lw_code
lw_outgoing_open(lw_outgoing *o, lw_message *m, lw_error *err)
{
    lw_dkim_signer *signer;
    lw_render_opts now;
    char host[256];
    lw_code rc;

    *o = (lw_outgoing){ .rendering = NULL };
    lw_render_now(&now, host, sizeof host);
    if ((rc = lw_rendering_new(m, &now, &o->rendering, err)) < 0)
        return rc;
    if ((signer = lw_message_dkim_signer(m)) == NULL)
        return LW_OK;
    rc = lw_dkim_sign_body(signer, lw_rendering_body(o->rendering), now.now_s, &o->dkim,
                           err);
    if (rc >= 0)
        return LW_OK;
    if (err != NULL && lw_rendering_error(o->rendering)->code < 0)
        *err = *lw_rendering_error(o->rendering); /* it names the file */
    lw_outgoing_close(o);
    return rc;
}

void
lw_outgoing_close(lw_outgoing *o)
{
    lw_dkim_signed_free(o->dkim);
    lw_rendering_free(o->rendering);
    *o = (lw_outgoing){ .rendering = NULL };
}

lw_body *
lw_outgoing_body(const lw_outgoing *o)
{
    return o->dkim != NULL ? lw_dkim_signed_body(o->dkim) : lw_rendering_body(o->rendering);
}

const lw_error *
lw_outgoing_error(const lw_outgoing *o)
{
    if (o->dkim != NULL && lw_dkim_signed_error(o->dkim)->code < 0)
        return lw_dkim_signed_error(o->dkim);
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
    if (o->dkim != NULL)
        return LW_OK;
    return lw_rendering_fit(o->rendering, taken_by(peer, no_chunking), err);
}
