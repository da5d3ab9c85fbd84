/* SPDX-License-Identifier: MIT */
/*
 * nullpeer.h - the null peer's half of the dialogue, without any I/O
 *
 * It believes everything, keeps nothing and counts: octets in, replies out.  There are two:
 * nullpeer_dialogue.c knows hardly anything, nullpeer_engine.c is our server engine.
 */
#ifndef LW_BENCH_NULLPEER_H
#define LW_BENCH_NULLPEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was seen; bench/harness.py reads these by their place in the file of option -s. */
typedef struct counters {
    uint64_t sessions, messages, body_bytes, commands, turns, chunks, handshakes,
        refused, most_open;
} counters;

/* What the answer to EHLO leaves out, and whether it offers STARTTLS. */
typedef struct offer {
    bool no_pipelining, no_chunking, no_8bitmime, no_smtputf8, no_size, no_dsn;
    bool starttls;
} offer;

enum { LINE_MAX_BYTES = 2048 };

typedef struct dialogue {
    const offer *offer;
    counters *seen;
    enum { AT_COMMAND, AT_DATA, AT_CHUNK, AT_LAST_CHUNK } at;
    bool has_quit,
        wants_tls; /* set after the reply: close, or begin the handshake */
    uint64_t chunk_left; /* octets of this chunk still to come */
    char tail[4]; /* the last octets of DATA, for an end that was split */
    size_t tail_len;
    char line
        [LINE_MAX_BYTES]; /* an unfinished command */
    size_t line_len;
    struct lw_smtp_server *engine; /* of nullpeer_engine.c, which needs none of at..line */
    char *out; /* replies to be sent; the caller sets out_len to 0 */
    size_t out_len, out_size;
} dialogue;

void dialogue_init(dialogue *d, const offer *what, counters *seen);
void dialogue_deinit(dialogue *d);
void dialogue_greet(dialogue *d);
/* Takes all of p, up to the end of QUIT or STARTTLS; replies are appended to out. */
void dialogue_feed(dialogue *d, const char *p, size_t n);

#endif
