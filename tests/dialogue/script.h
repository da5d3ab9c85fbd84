/* SPDX-License-Identifier: MIT */
/*
 * tests/dialogue/script.h - a script, read
 *
 * Three rows beside each other: what is done to the engine (ops), the octets that it must say
 * (output), the events that it must give (expects).  A check among the ops says how much of the
 * other two must have come there, and no more: README.md calls what lies between two checks a turn.
 */
#ifndef LW_TESTS_DIALOGUE_SCRIPT_H
#define LW_TESTS_DIALOGUE_SCRIPT_H

#include "dialogue/bytes.h"

typedef enum op_kind { OP_INPUT, OP_CALL, OP_CHECK } op_kind;

typedef struct op {
    op_kind kind;
    int line;
    bytes input;                /* INPUT                                           */
    words call;                 /* CALL, without "-> result"                       */
    words result;               /* CALL, what follows "->"                         */
    size_t n_expects, n_output; /* CHECK                                           */
} op;

typedef struct expectation {
    int line;
    bool is_maybe; /* only some splits of the input give it                        */
    words event;
    words action;  /* what follows "->": the answer to a server engine's question  */
} expectation;

/** Where the octets of one line begin in the output. */
typedef struct output_line {
    int line;
    size_t at;
} output_line;

typedef struct script {
    const char *name; /* of the file, without its folder */
    bool is_server;
    words *options;
    size_t n_options;
    op *ops;
    size_t n_ops;
    expectation *expects;
    size_t n_expects;
    bytes output, secrets; /* an octet of secrets for each of output */
    output_line *lines;
    size_t n_lines;
} script;

/** script_load - read a file; a mistake in it is printed and ends the program with 2 */
void script_load(script *s, const char *path);
void script_free(script *s);
/** script_output_line - the number of the line that the octet at comes from */
int script_output_line(const script *s, size_t at);
/** script_bad - the script itself is wrong: says so and ends the program with 2 */
_Noreturn void script_bad(const script *s, int line, const char *fmt, ...) LW_PRINTF(3, 4);

#endif
