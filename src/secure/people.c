/* SPDX-License-Identifier: MIT */
/*
 * secure/people.c - recipients whom no other recipient may learn of
 *
 * An encrypted message says for whom it is: it names the key of each.  So a recipient who stands in
 * neither To nor Cc must get a message of his own, unless he is the only one.
 */
#include "secure/secure_int.h"

static bool
is_visible(const lw_people *p, const char *address)
{
    const lw_mailboxes *l = &p->entity->visible;

    for (size_t i = 0; i < l->n; i++)
        if (lw_same_address(l->items[i].addr, address))
            return true;
    return false;
}

lw_code
lw_people_check_hidden(const lw_people *p, lw_error *err)
{
    for (size_t i = 0; p->env->n_rcpts > 1 && i < p->env->n_rcpts; i++)
        if (!is_visible(p, p->env->rcpts[i].address))
            return lw_secure_fail(err, LW_EMESSAGE, "%s is a hidden recipient (in neither To nor Cc), "
                                  "and an encrypted message names everybody who can read it: send that "
                                  "copy as a message of its own", p->env->rcpts[i].address);
    return LW_OK;
}
