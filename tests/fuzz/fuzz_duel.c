/* SPDX-License-Identifier: MIT */
/*
 * Client engine against server engine (tests/duel) with the input in place of chance: options,
 * capabilities, envelopes, bodies, refusals, pieces, cuts.  Every claim of a round must hold.
 */
#include "duel/duel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *problem;
    plan p;

    plan_init_from(&p, data, size);
    problem = round_run(&p, NULL);
    plan_deinit(&p);
    if (problem != NULL) {
        fprintf(stderr, "does not hold: %s\n", problem);
        abort();
    }
    return 0;
}
