/* SPDX-License-Identifier: MIT */
/* cli/codes.c - exit codes of failures that have no report */
#include "cli/cli.h"

static int
of_reply(const lw_error *err, int permanent)
{
    return err->reply_code >= 400 && err->reply_code < 500 ? EX_TEMPFAIL : permanent;
}

int
cli_exit_code(const lw_error *err)
{
    switch (err->code) {
    case LW_OK:
    case LW_AGAIN:
    case LW_DONE: return EX_OK;
    case LW_EUSAGE: return EX_USAGE;
    case LW_ENOMEM: return EX_OSERR;
    case LW_EBUG: return EX_SOFTWARE;
    case LW_ECANCELED: return EX_TEMPFAIL;
    case LW_ECONFIG: return EX_CONFIG;
    case LW_ELIMIT: return err->stage == LW_STAGE_COMPOSE ? EX_DATAERR : EX_PROTOCOL;
    case LW_EADDRESS:
    case LW_EMESSAGE:
    case LW_ESOURCE: return EX_DATAERR;
    case LW_EOUTPUT: return EX_IOERR;
    case LW_EHOST: return EX_NOHOST;
    case LW_ECONNECT: return EX_UNAVAILABLE;
    case LW_ELOST:
    case LW_ETIMEOUT: return EX_TEMPFAIL;
    case LW_ETLS: return EX_NOPERM;
    case LW_EPROTO: return EX_PROTOCOL;
    case LW_EREPLY: return of_reply(err, EX_UNAVAILABLE);
    case LW_ECAPABILITY: return EX_UNAVAILABLE;
    case LW_EAUTH: return of_reply(err, EX_NOPERM);
    }
    return EX_SOFTWARE;
}
