/* SPDX-License-Identifier: MIT */
/*
 * tests/dialogue/bytes.h - octets that grow, the escapes of a script, lines of words
 *
 * Out of memory ends the program: this is a test tool.
 */
#ifndef LW_TESTS_DIALOGUE_BYTES_H
#define LW_TESTS_DIALOGUE_BYTES_H

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct bytes {
    char *ptr; /* always followed by a NUL once something was added */
    size_t len, cap;
} bytes;

void bytes_add(bytes *b, const void *p, size_t n);
void bytes_printf(bytes *b, const char *fmt, ...) LW_PRINTF(2, 3);
/** bytes_show - add octets as a script writes them: printable ASCII, escapes, runs */
void bytes_show(bytes *b, const char *p, size_t n);
void bytes_free(bytes *b);

/**
 * bytes_unescape - add the octets that n octets of script text stand for
 *
 * @secrets  one octet for each octet added to b, 1 between \< and \>; NULL = no such marks
 * @no_end   out: the text ends with a lone backslash
 * Returns NULL, or what is wrong.
 */
const char *bytes_unescape(bytes *b, bytes *secrets, const char *p, size_t n, bool *no_end);

typedef struct word {
    char *ptr; /* NUL-terminated */
    size_t len;
    bool is_optional;
} word;

typedef struct words {
    word *v;
    size_t n;
} words;

/** words_split - a line's words, quotes and escapes resolved; NULL, or what is wrong */
const char *words_split(words *w, const char *line);
void words_add(words *w, const char *fmt, ...) LW_PRINTF(2, 3);
void words_add_octets(words *w, const char *before, lw_span s);
/** words_optional - the last word need not be expected */
void words_optional(words *w);
void words_show(bytes *b, const words *w);
void words_free(words *w);
/** words_match - got is what wanted says; got's optional words may be missing there */
bool words_match(const words *wanted, const words *got);
bool word_is(const words *w, size_t i, const char *text);
/** word_value - what stands behind "key=" in word i, NULL if the word is another */
const char *word_value(const words *w, size_t i, const char *key);
bool parse_number(const char *s, uint64_t *value);

#endif
