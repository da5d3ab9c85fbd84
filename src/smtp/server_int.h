/* SPDX-License-Identifier: MIT */
/*
 * smtp/server_int.h - inside of the server engine
 *
 * Invariants (lw_server_check):
 * 1 at most one event that needs a reply is queued or owed, never both
 * 2 input is parsed only when nothing is queued, owed or left to say, and a whole reply fits
 * 3 out_start <= out_len <= out_cap; line_len <= line_cap; store.len <= store.cap
 * 4 n_rcpts > 0 only in a transaction
 */
#ifndef LW_SMTP_SERVER_INT_H
#define LW_SMTP_SERVER_INT_H

#include <letterwing/server.h>

#include "base/base.h"
#include "smtp/command.h"

typedef enum lw_server_state {
#define STATE(name, text) LW_SERVER_S_##name,
#include "smtp/server_states.def"
    LW_SERVER_N_STATES
} lw_server_state;

enum {
    LW_SERVER_AUTH_MAX = 12288,  /* octets of a challenge or response line (RFC 4954 4) */
    LW_SERVER_REPLY_MAX = 4096,  /* octets of one reply of the caller, on the wire      */
    LW_SERVER_GROUP = 8192,      /* octets of replies that are collected                */
    LW_SERVER_LAST_WORDS = 1024, /* kept free for a 421                                 */
    LW_SERVER_DOMAINS_MAX = 4096,
    LW_SERVER_QUEUE = 6
};

/** Where the octets of DATA stand. */
typedef enum lw_data_pos {
    LW_DATA_LINE_START,
    LW_DATA_TEXT,
    LW_DATA_DOT,   /* "." at the start of a line, held back   */
    LW_DATA_DOT_CR /* ".\r" there                             */
} lw_data_pos;

/** What is wrong with the line that is being skipped. */
typedef enum lw_line_skip { LW_SKIP_NONE, LW_SKIP_BARE_LF, LW_SKIP_TOO_LONG } lw_line_skip;

struct lw_smtp_server {
    lw_alloc alloc;
    lw_smtp_server_opts o; /* strings and defaults are in place */
    lw_server_state state;

    /* session */
    bool has_tls, has_auth, is_esmtp, has_eof;
    unsigned n_errors, n_mails;
    lw_code close_code;
    uint64_t now_ms, armed_ms;
    uint64_t *domains; /* hashes of recipient domains, o.limit_rcpt_domain_max */
    uint32_t n_domains;

    /* transaction */
    bool has_mail;      /* MAIL was accepted                                  */
    bool has_tried_mail;/* MAIL was given, if only to be refused              */
    bool has_smtputf8;
    lw_body_type body_type;
    size_t n_rcpts;     /* accepted                                           */
    size_t n_rcpt_cmds; /* given                                              */

    /* message */
    lw_data_pos data_pos;
    bool is_after_cr;   /* the last octet of the body was CR                  */
    uint64_t body_size, chunk_size, chunk_left;
    bool chunk_is_last, chunk_is_first, chunk_is_refused;
    lw_server_state chunk_from; /* refused chunk: the state to go back to      */
    const lw_refusal *fail;     /* why the message will be refused             */
    lw_refusal late;            /* the caller's refusal of a chunk, text in store */
    char late_enhanced[16];
    size_t final_left;          /* replies still to be said, all the same      */
    size_t final_index;         /* LMTP: the recipient whose MESSAGE is due    */
    bool final_waits;           /* it comes when the output has room           */

    /* events */
    lw_server_event ev;         /* the data of the queued event that has some  */
    unsigned char queue[LW_SERVER_QUEUE];
    unsigned n_queue;
    int owed;                   /* lw_server_event_kind, -1 = nothing          */

    /* buffers */
    lw_line_skip skip;
    bool skip_after_cr;
    char *line;
    size_t line_len, line_cap;
    lw_store store;
    char *out;
    size_t out_start, out_len, out_cap, out_reserve;
};

/* server.c */
void lw_server_set_state(lw_smtp_server *e, lw_server_state to);
void lw_server_queue(lw_smtp_server *e, lw_server_event_kind kind);
/** lw_server_ask - queue an event that needs a reply; e->ev holds its data but kind */
void lw_server_ask(lw_smtp_server *e, lw_server_event_kind kind);
bool lw_server_is_asking(const lw_smtp_server *e);
/** lw_server_drop - the transaction, if any, is over without a message: RESET */
void lw_server_drop(lw_smtp_server *e);
/** lw_server_end_transaction - forget the transaction, no event */
void lw_server_end_transaction(lw_smtp_server *e);
/** lw_server_begin_close - nothing more is read; CLOSED follows when the output has left */
void lw_server_begin_close(lw_smtp_server *e, lw_code code);
/** lw_server_has_room - the output takes one more reply of any size */
bool lw_server_has_room(const lw_smtp_server *e);
/** lw_server_ask_message - LMTP: the MESSAGE that is due, now or when there is room */
void lw_server_ask_message(lw_smtp_server *e);
/** lw_server_can_take - input may be parsed */
bool lw_server_can_take(const lw_smtp_server *e);
uint32_t lw_server_caps(const lw_smtp_server *e);
/** lw_server_mechanisms - those offered now, "" = none */
const char *lw_server_mechanisms(const lw_smtp_server *e);

/* server_reply.c */
/** lw_server_say - one reply; enhanced is left out where it may not be; false: no room */
bool lw_server_say(lw_smtp_server *e, int code, const char *enhanced, const char *text);
/** lw_server_refuse - say a refusal and count it; too many: 421 */
void lw_server_refuse(lw_smtp_server *e, const lw_refusal *why);
void lw_server_quit(lw_smtp_server *e);
/** lw_server_pump - say what is left of a row of equal final replies */
void lw_server_pump(lw_smtp_server *e);

/* server_line.c, server_command.c, server_data.c: each takes octets from the input and
 * returns how many */
size_t lw_server_take_line(lw_smtp_server *e, const char *p, size_t n);
void lw_server_command(lw_smtp_server *e, lw_span line);
void lw_server_auth_line(lw_smtp_server *e, lw_span line);
size_t lw_server_take_data(lw_smtp_server *e, const char *p, size_t n);
size_t lw_server_take_chunk(lw_smtp_server *e, const char *p, size_t n);
/** lw_server_body_taken - a BODY event was taken: what had to wait for that happens */
void lw_server_body_taken(lw_smtp_server *e);
void lw_server_begin_body(lw_smtp_server *e);
void lw_server_bdat(lw_smtp_server *e, lw_span args);
/** lw_server_chunk_answer - the caller's answer to the first BDAT; why NULL = go on */
void lw_server_chunk_answer(lw_smtp_server *e, const lw_refusal *why);

#endif
