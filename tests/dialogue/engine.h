/* SPDX-License-Identifier: MIT */
/*
 * tests/dialogue/engine.h - the client and the server engine behind one face
 *
 * The runner moves octets and compares; what is special to a side stands in engine_client.c
 * and engine_server.c: options, calls, events told as words.
 */
#ifndef LW_TESTS_DIALOGUE_ENGINE_H
#define LW_TESTS_DIALOGUE_ENGINE_H

#include "dialogue/script.h"

#include <letterwing/server.h>
#include <letterwing/smtp.h>

/** One engine under test, with what its caller must keep for it. */
typedef struct engine engine;

typedef struct engine_kind {
    /** open - with the script's options; step = octets a span of bodies with step=any, 0 = all */
    lw_code (*open)(const script *s, const lw_alloc *alloc, size_t step, engine **out);
    void (*close)(engine *e);
    unsigned (*want)(const engine *e);
    int (*out)(engine *e, lw_slice *v, int n);
    void (*sent)(engine *e, size_t n);
    lw_code (*feed)(engine *e, const char *p, size_t n, size_t *used);
    /** next - an event as words; false if none waits */
    bool (*next)(engine *e, words *event);
    /** answer - to the question that next gave; false: these words are no answer to it */
    bool (*answer)(engine *e, const words *action);
    /** call - a line of the script that is no dialogue; NULL and *rc, or what is wrong with it */
    const char *(*call)(engine *e, const op *o, lw_code *rc);
    /** verdict - NULL, or a promise of the engine that was broken */
    const char *(*verdict)(const engine *e);
} engine_kind;

extern const engine_kind client_kind, server_kind;

/* submission.c: the transactions of a client's script */
typedef struct submission submission;
/** submission_new - from the words of a submit line; ends the program if they are wrong */
submission *submission_new(const script *s, const op *o, size_t step);
void submission_free(submission *m);
lw_code submission_submit(submission *m, lw_smtp *e);
/** submission_outcome - note the outcome of a recipient: its address, or NULL if it had one */
const char *submission_outcome(submission *m, size_t rcpt);
/** submission_done - false if a recipient has no outcome, or it was done already */
bool submission_done(submission *m);
bool submission_is_done(const submission *m);

/* words that both sides share */
void add_reply_words(words *w, const lw_reply *r);
const char *parse_capabilities(const words *w, size_t from, uint32_t *flags);
bool parse_code(const char *name, lw_code *code);
/** check_want - w is "want" and the names of the bits that are set, in order; NULL, or what is */
const char *check_want(unsigned want, const words *w);

#endif
