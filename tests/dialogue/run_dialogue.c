/* SPDX-License-Identifier: MIT */
/*
 * tests/dialogue/run_dialogue.c - run a dialogue script in every manner
 *
 *     run_dialogue FILE...
 *
 * Ends with 0, with 1 when an engine does not do what the script says, with 2 when the script
 * itself is wrong.  Whatever the manner, the octets and the events must be the script's.
 */
#include "dialogue/run.h"

enum { N_SEEDS = 12 };

/* input a turn at a time, by line, by octet and at random; output whole and in odd sizes */
static unsigned
run_all(const script *s)
{
    static const feed_manner feeds[] = { FEED_WHOLE, FEED_LINES, FEED_OCTETS, FEED_FLOOD };
    static const size_t drains[] = { 0, 1, 3, 7, 64 };
    unsigned n = 0;

    for (size_t f = 0; f < LW_COUNT(feeds); f++) {
        /* a client's next turn depends on what it says in this one; a server reads on */
        if (feeds[f] == FEED_FLOOD && !s->is_server)
            continue;
        for (size_t d = 0; d < LW_COUNT(drains); d++, n++)
            run_script(s, &(manner){ feeds[f], drains[d], 0 });
    }
    for (unsigned seed = 1; seed <= N_SEEDS; seed++, n++)
        run_script(s, &(manner){ FEED_RANDOM, drains[seed % LW_COUNT(drains)], seed });
    return n;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: run_dialogue FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        script s;
        unsigned runs, failing;

        script_load(&s, argv[i]);
        runs = run_all(&s);
        failing = run_failing_memory(&s);
        printf("%s: %u runs, %u with failing memory\n", s.name, runs, failing);
        script_free(&s);
    }
    return 0;
}
