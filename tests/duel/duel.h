/* SPDX-License-Identifier: MIT */
/*
 * tests/duel/duel.h - the client engine against the server engine, in memory
 *
 * plan.c    what is to happen in one round, all drawn from one seed
 * wire.c    reads both byte streams by itself: what was asked, offered and answered
 * round.c   drives the two engines over two small pipes, and holds every claim against both
 *
 * Nothing here asks an engine what it believes: what is right follows from the plan, from
 * the bytes that passed, and from what the server's caller stored.
 */
#ifndef LW_TESTS_DUEL_H
#define LW_TESTS_DUEL_H

#include <letterwing/server.h>
#include <letterwing/smtp.h>

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES_MAX = 8, WINDOW_MAX = 256, RCPTS_MAX = 24, PIPE_MAX = 65536 };

/* ---- chance: given octets while they last (a fuzzer's), then splitmix64 ---------------- */

typedef struct dice {
    uint64_t state;
    const unsigned char *octets;
    size_t n_octets;
} dice;

uint64_t dice_roll(dice *d);
/** dice_below - 0..n-1 */
unsigned dice_below(dice *d, unsigned n);
/** dice_chance - true once in n */
bool dice_chance(dice *d, unsigned n);

/* ---- what is to happen ----------------------------------------------------------------- */

typedef struct plan_message {
    lw_envelope env;
    lw_rcpt rcpts[RCPTS_MAX];
    char from[80], address[RCPTS_MAX][80], orcpt[RCPTS_MAX][80];
    char *octets;         /* as the body gives them                                     */
    size_t n_octets;
    char *expected;       /* as they must arrive: line ends made CRLF by our own code     */
    size_t n_expected;
    bool is_canonical, size_is_known, has_rewind, rewind_fails;
    size_t fails_at;      /* the source fails at this octet; SIZE_MAX = never           */
    unsigned longest_span;
} plan_message;

/** A fault at one octet. */
typedef enum fault_kind {
    FAULT_NONE,
    FAULT_SERVER_CLOSES, FAULT_SERVER_STALLS, FAULT_SERVER_BABBLES, /* of what it says    */
    FAULT_CLIENT_CLOSES, FAULT_CLIENT_STALLS, FAULT_CLIENT_BABBLES  /* of what it sends   */
} fault_kind;

typedef struct plan {
    uint64_t seed;
    fault_kind fault;
    uint64_t fault_at;    /* behind so many octets                                        */
    dice dice;            /* goes on being used while the round runs                      */
    lw_smtp_opts client;
    lw_smtp_server_opts server;
    plan_message *messages; /* n_messages                                               */
    unsigned n_messages;
    unsigned refusals;    /* one decision in so many is a refusal; 0 = none               */
    unsigned lateness;    /* a decision waits up to so many turns                         */
    size_t pipe_cap[2];   /* octets between the two: client to server, server to client */
    unsigned piece_max;   /* octets moved at once                                         */
    unsigned n_slices;
    bool uses_tls, uses_auth, submits_early, quits_early, asks_by_hand;
    unsigned n_challenges;
    bool cancels_auth;
    unsigned cut_after;   /* turns; 0 = no cut                                            */
    unsigned cut_after_ends; /* or when so many ends of data have left; 0 = no            */
    enum { CUT_CLIENT_SEES_EOF, CUT_CLIENT_TIMES_OUT, CUT_CLIENT_FAILS, CUT_SERVER_CLOSES } cut;
    bool is_calm;         /* no chance: whoever can act does, and moves all there is      */
    bool is_bursty;       /* the server rests until the client has no more to say         */
    bool cut_loses;       /* what is in the pipe to the server is lost                    */
} plan;

void plan_init(plan *p, uint64_t seed);
/** plan_init_wide - many small messages, windows of 1..WINDOW_MAX */
void plan_init_wide(plan *p, uint64_t seed);
/** plan_init_from - the same, with octets instead of chance while they last; borrowed */
void plan_init_from(plan *p, const unsigned char *octets, size_t n);
void plan_deinit(plan *p);
/** plan_set_messages - n of them, all zero */
void plan_set_messages(plan *p, unsigned n);
/** plan_set_body - these octets, and what they must become */
void plan_set_body(plan_message *m, const char *octets, size_t n, bool is_binary);
void plan_print(const plan *p, FILE *f);

/* ---- what passed between them --------------------------------------------------------------- */

typedef enum asked_kind {
    ASKED_GREETING, ASKED_HELLO, ASKED_EHLO, ASKED_STARTTLS, ASKED_AUTH, ASKED_OTHER, ASKED_RSET,
    ASKED_MAIL, ASKED_RCPT, ASKED_DATA, ASKED_CHUNK, ASKED_END, ASKED_QUIT
} asked_kind;

/** One command whose reply has not come. */
typedef struct asked {
    asked_kind kind;
    unsigned transaction; /* number of its MAIL                                           */
    int message, rcpt;    /* -1 = none                                                    */
} asked;

/** What the replies said of one recipient. */
typedef struct verdict {
    int code;             /* the reply that decided; 0 = none did                         */
    bool is_offered, is_taken, is_put_off; /* in its last transaction                     */
    bool end_has_left;    /* the last octet of that transaction's data was sent           */
} verdict;

typedef struct wire {
    const plan *plan;
    const char *problem;  /* the first rule that was broken; NULL = none                  */
    FILE *log;
    bool has_tls, is_babbling, is_over;
    /* the client's side */
    enum { SENT_LINE, SENT_DATA, SENT_CHUNK, SENT_SECRET } sent;
    char line[16384];
    size_t line_len;
    uint64_t chunk_left;
    bool chunk_is_last, chunk_begins;
    int data_match;       /* octets of CRLF.CRLF seen                                     */
    asked *queue;
    size_t n_queue, queue_cap, first;
    unsigned n_transactions, n_rcpts, n_domains, n_taken;
    unsigned taken_of;    /* transaction that n_taken counts                              */
    unsigned ends_left;   /* LMTP: replies to come for the data's end                     */
    char domains[16][80];
    int message;          /* of the transaction being sent                                */
    bool *is_failed;      /* of a message's last transaction                              */
    bool is_open;         /* MAIL, and neither the end of its data nor RSET behind it     */
    bool must_wait;       /* the last command must be the last of its group               */
    /* the server's side */
    char reply[16384];
    size_t reply_len;
    unsigned reply_lines, subject, detail; /* of the enhanced code                        */
    bool has_enhanced;
    uint32_t offered;     /* LW_CAP_* bits                                                */
    unsigned rcpt_max, mail_max, domain_max;
    int farewell;         /* a refusal that answered nothing; 0 = none                    */
    verdict (*verdicts)[RCPTS_MAX];
    unsigned most_in_flight;
    unsigned flights;     /* counted here: written after something was read               */
    bool has_read;
    unsigned n_ends;      /* of data that have left                                       */
} wire;

void wire_init(wire *w, const plan *p);
void wire_deinit(wire *w);
void wire_sent(wire *w, const char *p, size_t n);
void wire_fed(wire *w, const char *p, size_t n);
/** wire_in_flight - transactions with replies outstanding */
unsigned wire_in_flight(const wire *w);

/* ---- the round --------------------------------------------------------------------------------- */

typedef struct tube {
    char *ptr;            /* exactly cap octets                                           */
    size_t len, cap;
} tube;

typedef struct source {
    const plan_message *message;
    dice *dice;
    size_t at;
    bool was_empty, is_calm;
    char *span;           /* freed at the next call: who still reads it is caught         */
} source;

typedef struct round_state {
    plan *plan;
    dice *dice;
    wire wire;
    FILE *log;
    const char *problem;
    uint64_t now_ms;
    lw_smtp *client;
    lw_smtp_server *server;
    tube to_server, to_client;
    bool is_cut, client_gone, server_gone, eof_told;
    /* the client's caller */
    source *sources;
    lw_body *bodies;
    unsigned n_submitted, n_done;
    bool *is_submitted, may_submit, quit_asked, tried_tls, tried_auth, tried_hand;
    bool *is_done;
    lw_outcome (*outcomes)[RCPTS_MAX];
    unsigned n_client_closed;
    /* the server's caller */
    bool owes;            /* a decision that is still late                                */
    unsigned late_turns;
    lw_server_event_kind kind;
    int about, about_rcpt;/* what the event was about                                     */
    size_t event_index;
    bool has_transaction;
    int message;
    int rcpts[RCPTS_MAX]; /* accepted ones, in order                                      */
    size_t n_rcpts;
    char *body;
    size_t body_len, body_cap;
    unsigned n_challenged;
    unsigned (*stored)[RCPTS_MAX];
    unsigned n_server_closed;
    bool server_rests;
    unsigned turns_to_rest;
    unsigned long turns;
    uint64_t n_said, n_sent; /* octets that the client read and gave away                 */
    bool has_struck, client_stalls, server_must_close;
} round_state;

/** round_run - one round; NULL, or the claim that does not hold */
const char *round_run(plan *p, FILE *log);
enum { DEEP = 16, DEEP_KINDS = LW_SERVER_CLOSED + 1 };
/** round_counts - what the rounds so far saw, to prove that they are not all alike */
typedef struct round_counts {
    unsigned long rounds, outcomes[6], cut, tls, auth, bdat, lmtp, stored, turns;
    unsigned last_flights, last_wire_flights;
    /* with more than DEEP transactions in flight: refusals by what was refused, 421s and 452s
     * among them, and ends of the connection with what they left in doubt */
    unsigned long deep_rounds, deep_refused[DEEP_KINDS], deep_421, deep_452, deep_cut;
    unsigned most_in_flight;
    uint64_t last_said, last_sent;
    bool last_fault_struck;
} round_counts;
extern round_counts round_seen;

#endif
