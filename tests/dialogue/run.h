/* SPDX-License-Identifier: MIT */
/* tests/dialogue/run.h - running a script in one manner, and under failing memory */
#ifndef LW_TESTS_DIALOGUE_RUN_H
#define LW_TESTS_DIALOGUE_RUN_H

#include "dialogue/engine.h"

typedef enum feed_manner { FEED_WHOLE, FEED_LINES, FEED_OCTETS, FEED_RANDOM, FEED_FLOOD } feed_manner;

/** How octets come in and go out. */
typedef struct manner {
    feed_manner feed;
    size_t drain; /* octets taken from the output at a time; 0 = all that there is */
    unsigned seed;/* FEED_RANDOM: of the pieces, and of the moments when output is taken */
} manner;

/** run_script - in one manner; what is not as the script says ends the program with 1 */
void run_script(const script *s, const manner *m);
/** run_failing_memory - each allocation of the engine fails, once and from there on */
unsigned run_failing_memory(const script *s);

#endif
