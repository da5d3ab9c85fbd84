/* SPDX-License-Identifier: MIT */
/* Arguments of commands: a refusal or values that end where they should, in a bounded store. */
#include "smtp/command.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL_CAPS = (1 << LW_CAP_COUNT) - 1 };

/* NULL, or text that ends within the store. */
static void
check_text(const lw_store *store, const char *s)
{
    if (s == NULL || *s == '\0')
        return;
    if (s < store->ptr || s + strlen(s) >= store->ptr + store->len)
        abort();
    if (lw_span_has_ctl(lw_span_str(s)))
        abort();
}

static void
check_refusal(const lw_refusal *why)
{
    if (why->code < 500 || why->code > 555 || why->text == NULL || why->enhanced[0] != '5')
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char octets[4096];
    lw_command_rules rules = { ALL_CAPS, true, 1000, 60, 1000, "2030-01-01T00:00:00Z" };
    lw_span args = { (const char *)data, size };
    lw_store store = { octets, 0, sizeof octets };
    const lw_refusal *why;
    lw_server_mail mail;
    lw_server_rcpt rcpt;
    uint64_t chunk;
    bool is_last;

    /* the engine has sorted these out before */
    if (lw_span_has_ctl(args) || !lw_utf8_valid(args))
        return 0;
    (void)lw_command_verb(args, &(lw_span){ NULL, 0 });
    (void)lw_command_bdat(args, &chunk, &is_last);
    if ((why = lw_command_mail(args, &rules, &store, &mail)) != NULL) {
        check_refusal(why);
    } else {
        check_text(&store, mail.from);
        check_text(&store, mail.envid);
        check_text(&store, mail.auth);
        check_text(&store, mail.hold_until);
        if (mail.size > rules.size_max || mail.priority < -9 || mail.priority > 9)
            abort();
    }
    store.len = 0;
    if ((why = lw_command_rcpt(args, &rules, &store, &rcpt)) != NULL) {
        check_refusal(why);
    } else {
        check_text(&store, rcpt.address);
        check_text(&store, rcpt.orcpt);
        if (rcpt.address[0] == '\0')
            abort();
    }
    return 0;
}
