/* SPDX-License-Identifier: MIT */
/*
 * smtp/client_int.h - the client engine from inside
 *
 * Who does what:
 *   client.c          life, feeding, time, the events' order, set_state()
 *   client_session.c  greeting, EHLO, STARTTLS, AUTH, commands by hand, QUIT
 *   client_mail.c     transactions: what is sent next, and what each reply means
 *   client_rcpt.c     what becomes of each recipient
 *   client_out.c      the gather list, and the replies that are awaited for it
 *   pump.c            a body on its way out: line ends, dots
 *   envelope.c        wishes against capabilities; MAIL and RCPT lines
 *   caps.c, reply.c   what the server says
 *
 * Invariants, asserted by check_engine():
 *   1. awaited replies are in the order of the commands; each slot's n_awaited counts its own
 *   2. at most one event waits (ev); nothing is fed to the parser while it does
 *   3. a slot in use has recipients without an outcome, or replies that are still awaited;
 *      n_in_flight of them have begun a batch; n_fresh + n_further wait
 *   4. the gather list points into cmd, into static text, or into the one span pulled last;
 *      n_queued of a slot counts what of its body is there
 */
#ifndef LW_SMTP_CLIENT_INT_H
#define LW_SMTP_CLIENT_INT_H

#include <letterwing/smtp.h>

#include "smtp/pump.h"
#include "smtp/reply.h"

typedef enum state {
#define STATE(name, meaning) STATE_##name,
#include "smtp/states.def"
    N_STATES
} state;

/* ---- output ------------------------------------------------------------------------------ */

enum {
    N_SEGMENTS = 128,
    CMD_BYTES = 8192,
    CMD_LONGEST = 3072, /* no single command line is longer (envelope.c keeps to it) */
    LINE_MAX_BYTES = 512, /* a longer initial response goes after the 334     */
    AUTH_MAX_BYTES = 12288,
    DOMAINS_MAX = 64    /* a larger RCPTDOMAINMAX is taken for this           */
};

typedef struct segment {
    const char *ptr;
    size_t len;
    lw_slice_kind kind;
    uint32_t slot;      /* whose body                                     */
    bool ends_data;     /* its last octet ends the message's data         */
} segment;

/* ---- awaited replies ---------------------------------------------------------------------- */

typedef enum awaited_kind {
    AWAIT_GREETING, AWAIT_EHLO, AWAIT_HELO, AWAIT_STARTTLS, AWAIT_AUTH, AWAIT_COMMAND,
    AWAIT_RSET, AWAIT_MAIL, AWAIT_RCPT, AWAIT_DATA, AWAIT_CHUNK, AWAIT_FINAL, AWAIT_QUIT
} awaited_kind;

/** A run of equal commands whose replies have not come. */
typedef struct awaited {
    awaited_kind kind;
    uint32_t slot;
    uint32_t count;
    uint64_t sent_at;   /* out_offset behind the first command: no reply may come before */
} awaited;

/* ---- transactions --------------------------------------------------------------------------- */

/** lw_rcpt.state: what the engine knows of one recipient */
enum { RCPT_NEW, RCPT_OFFERED, RCPT_TAKEN, RCPT_AGAIN, RCPT_FINAL };
enum { RCPT_OPEN = 1 << RCPT_NEW | 1 << RCPT_AGAIN, RCPT_BATCH = 1 << RCPT_OFFERED | 1 << RCPT_TAKEN,
       RCPT_ALL = RCPT_OPEN | RCPT_BATCH };

/** How far the output of a slot's batch has come. */
typedef enum phase {
    PHASE_FREE,    /* no transaction                                                      */
    PHASE_WAIT,    /* submitted; not yet looked at                                        */
    PHASE_MAIL, PHASE_RCPT, PHASE_DATA, /* that command is next                           */
    PHASE_BODY,    /* data is being sent (DATA after 354; BDAT chunk by chunk)            */
    PHASE_SENT     /* nothing more goes out for this batch                                */
} phase;

/** One submitted transaction; split into batches where the server takes fewer recipients. */
typedef struct slot {
    lw_envelope *env;
    lw_body *body;
    void *tag;
    phase phase;
    uint32_t n_awaited;
    uint32_t n_queued;  /* segments of its body in the gather list                         */
    size_t open;        /* every recipient before it is final                             */
    size_t offered_end; /* this batch's recipients lie in [open, offered_end)             */
    size_t reply_at;    /* search here for the recipient of the next RCPT reply           */
    size_t final_at;    /* LMTP: search here for the recipient of the next final reply    */
    uint32_t n_offered, n_answered, n_taken, n_again; /* of this batch                    */
    uint32_t dropped;   /* wishes left out, LW_CAP_* bits                                 */
    unsigned n_transactions;
    lw_code code;       /* the first failure that is not a reply                          */
    bool uses_bdat;
    bool go_ahead;      /* 354 came                                                       */
    bool is_failed;     /* MAIL, DATA or a chunk was refused, or the body failed          */
    bool needs_reset;   /* the server may still hold this batch's transaction             */
    bool data_left;     /* the end of the data has left this machine                      */
    bool body_used;     /* something was pulled: rewind before the next batch             */
    uint64_t began_at;  /* out_offset before its MAIL                                     */
    uint64_t n_octets;  /* of this batch, once all is queued                              */
    bool finals_begun;  /* LMTP: the number of final replies is known and awaited         */
} slot;

/** Outcomes being handed out, a recipient at a time, for one cause. */
typedef struct sweep {
    bool is_active;
    bool is_lost;       /* outcome by what had left: unsent or uncertain                  */
    uint32_t slot;
    size_t at, end;
    unsigned states;    /* 1 << RCPT_*                                                    */
    lw_event cause;     /* kind RCPT; outcome, stage, code, reply, text                   */
} sweep;

/* ---- the engine --------------------------------------------------------------------------------- */

struct lw_smtp {
    lw_alloc alloc;
    lw_smtp_opts opts;
    char ehlo_name[256];
    state state;
    uint64_t now_ms, began_ms, since_ms;
    uint64_t judged_ms;               /* when deadlines were last looked at                   */

    lw_reply_parser parser;
    lw_capabilities caps;
    char *caps_text, *caps_auth;
    bool tls_active, logged_in;

    uint32_t seg_first, n_seg;
    size_t cmd_len, cmd_most;         /* at present, and since the beginning              */
    uint64_t out_offset, sent_offset; /* octets queued and sent since the beginning       */

    awaited *await;                   /* ring                                             */
    uint32_t await_cap, await_first, n_await;

    slot *slots;                      /* ring of opts.max_transactions                    */
    uint32_t first_slot, n_slots;
    uint32_t n_in_flight;             /* slots whose batch has begun and not ended        */
    uint32_t n_fresh;                 /* the last ones: submitted, never begun            */
    uint32_t n_further;               /* those that wait for a further batch              */
    uint32_t cur;                     /* slot whose output is being made, or NO_SLOT      */
    uint32_t ending;                  /* slot to look at: has its batch ended? or NO_SLOT */
    lw_pump pump;                     /* its body                                         */
    uint64_t n_mails;                 /* MAIL commands in this session                    */
    bool needs_reset;                 /* RSET before the next MAIL                        */
    bool counts_resets;               /* the server does: see lw_smtp_reset_is_too_many() */
    bool has_begun;                   /* a message, or the session, since the last RSET   */
    uint32_t n_idle_resets;           /* RSETs in this session with none behind the last  */
    uint32_t n_resets_awaited;
    uint64_t octets_in_flight;        /* of batches that are queued whole, not answered   */
    lw_pipelining pipelining;
    bool has_group, group_answered;   /* commands went out behind unanswered ones; replies came */
    uint32_t learned_rcpt_max;        /* by a 452; 0 = none                               */
    uint32_t n_domains;

    lw_span auth_later;               /* initial response that waits for the 334          */
    bool auth_has_later;
    void *command_tag;
    uint32_t command_left;
    bool command_is_hello;
    bool last_was_334;

    sweep sweep;
    lw_event ev;
    bool has_event;
    bool quit_wanted, quit_sent;
    bool is_closing, closed_told;
    bool has_waited;                  /* input came while nothing was left to write       */
    uint32_t n_uncounted;             /* check_engine(): calls since it last counted      */
    unsigned flights;
    lw_error err;

    /* not touched before it is needed: an idle engine is small */
    char text[LW_ERROR_TEXT_MAX];     /* of the event under way                           */
    segment seg[N_SEGMENTS];          /* ring                                             */
    uint64_t domains[DOMAINS_MAX];    /* hashes; only with RCPTDOMAINMAX                  */
    char cmd[CMD_BYTES];
};

enum { NO_SLOT = UINT32_MAX };

/** lw_ring - place i of a ring, i < 2 cap: what % does, without a division for every reply */
static inline uint32_t
lw_ring(uint32_t i, uint32_t cap)
{
    return i < cap ? i : i - cap;
}

/* client.c */
void lw_smtp_set_state(lw_smtp *e, state to);
void lw_smtp_put_event(lw_smtp *e, lw_event ev);
/** lw_smtp_lose - the session is over: remember why (unless a reason is known), stop output */
lw_code lw_smtp_lose(lw_smtp *e, lw_code code, lw_stage stage, const char *fmt, ...)
    LW_PRINTF(4, 5);
lw_stage lw_smtp_stage(lw_smtp *e);
/** lw_smtp_settle - make the next event if there is one, start what may start */
void lw_smtp_settle(lw_smtp *e);

/* client_out.c */
static inline bool
lw_smtp_out_room(const lw_smtp *e, uint32_t n_segments)
{
    return e->n_seg + n_segments <= N_SEGMENTS && e->cmd_len + CMD_LONGEST <= CMD_BYTES;
}
void lw_smtp_out_text(lw_smtp *e, lw_span text);               /* copied into cmd          */
void lw_smtp_out_ref(lw_smtp *e, lw_span s, lw_slice_kind kind);/* borrowed                */
void lw_smtp_out_body(lw_smtp *e, lw_span s, uint32_t i);   /* borrowed                */
void lw_smtp_out_ends_data(lw_smtp *e, uint32_t i);
void lw_smtp_await(lw_smtp *e, awaited_kind kind, uint32_t i);
/** lw_smtp_awaited - the first, NULL = none */
static inline awaited *
lw_smtp_awaited(lw_smtp *e)
{
    return e->n_await == 0 ? NULL : &e->await[e->await_first];
}
void lw_smtp_answered(lw_smtp *e);                              /* the first one's reply came */

/* client_session.c */
lw_code lw_smtp_session_reply(lw_smtp *e, awaited_kind kind, const lw_reply *r);
void lw_smtp_send_ehlo(lw_smtp *e);
void lw_smtp_make_quit(lw_smtp *e);

/* client_mail.c */
/** what goes out next; STEP_NONE = wait for a reply or for the caller */
typedef enum step {
    STEP_NONE, STEP_RESET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_CHUNK, STEP_BODY, STEP_DOT,
    STEP_QUIT
} step;
step lw_smtp_next_step(const lw_smtp *e);
void lw_smtp_make_step(lw_smtp *e, step s);
lw_code lw_smtp_mail_reply(lw_smtp *e, awaited_kind kind, uint32_t i, const lw_reply *r);
/** lw_smtp_reset_was_taken - 250 to RSET: what it counts for */
void lw_smtp_reset_was_taken(lw_smtp *e);
/** lw_smtp_reset_is_too_many - the next transaction would need one that may cost the session */
bool lw_smtp_reset_is_too_many(const lw_smtp *e);
/** lw_smtp_doubt - the session ends for this reason: what it says of PIPELINING */
void lw_smtp_doubt(lw_smtp *e, lw_code code);
/** lw_smtp_early_reply - a refusal while the data was still being sent: false if none was */
bool lw_smtp_early_reply(lw_smtp *e, const lw_reply *r);

/* client_batch.c */
/** lw_smtp_start_next - look at the next waiting transaction: start it, or refuse it with events;
 *  false if there is nothing to do */
bool lw_smtp_start_next(lw_smtp *e);
/** lw_smtp_end_batch - if slot i has no more to send and to wait for: next batch, or DONE */
void lw_smtp_end_batch(lw_smtp *e, uint32_t i);
/** lw_smtp_abandon - the session is over: every open transaction gets its outcomes and its DONE, one
 *  after the other; false when none is left */
bool lw_smtp_abandon(lw_smtp *e);
static inline slot *
lw_smtp_slot(lw_smtp *e, uint32_t i)
{
    return &e->slots[i];
}
/** lw_smtp_domain_fits - a recipient of this domain keeps within RCPTDOMAINMAX */
bool lw_smtp_domain_fits(const lw_smtp *e, uint64_t hash);

/* client_rcpt.c */
void lw_smtp_sweep_reply(lw_smtp *e, uint32_t i, unsigned states, lw_stage stage,
                         const lw_reply *r);
void lw_smtp_sweep_unsent(lw_smtp *e, uint32_t i, unsigned states, lw_stage stage,
                          lw_code code);
void lw_smtp_sweep_lost(lw_smtp *e, uint32_t i);
bool lw_smtp_sweep_next(lw_smtp *e);    /* puts the next event; false when it is over   */
void lw_smtp_rcpt_final(lw_smtp *e, uint32_t i, size_t rcpt, lw_stage stage, const lw_reply *r);
/** lw_smtp_rcpt_unsent - this one was not offered, and will not be; the sentence is in e->text */
void lw_smtp_rcpt_unsent(lw_smtp *e, uint32_t i, size_t rcpt, lw_code code);
lw_outcome lw_smtp_outcome_of(int code);

/* envelope.c */
/** lw_smtp_check_envelope - addresses and parameters hold nothing that could break a command */
lw_code lw_smtp_check_envelope(const lw_envelope *env);
/** lw_smtp_check_wishes - what the caller asks against what the server offers: LW_OK with *dropped,
 *  or LW_ECAPABILITY with a sentence in e->text */
lw_code lw_smtp_check_wishes(lw_smtp *e, const slot *s, uint32_t *dropped);
size_t lw_smtp_write_mail(const lw_smtp *e, const slot *s, char *dst);
size_t lw_smtp_write_rcpt(const lw_smtp *e, const lw_rcpt *r, char *dst);

/* caps.c */
/** lw_caps_parse - the text of the 250 to EHLO; copies into text and auth, cap octets each */
lw_code lw_caps_parse(lw_capabilities *c, lw_span reply, char *text, char *auth, size_t cap);

#endif
