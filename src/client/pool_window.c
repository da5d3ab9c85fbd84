/* SPDX-License-Identifier: MIT */
/*
 * client/pool_window.c - how many jobs make sense on a connection at once
 *
 * What is on its way and not answered is what can become `uncertain`, so it should be no more than
 * the link needs: the jobs that are answered in a round trip, and a few that keep the server busy
 * while we or it are not scheduled.  A round is measured when the window is full: `wanted` jobs
 * are on the way, and after `took_ms` all of them were answered.  That is the rate, and
 *
 *     window = rate x (round trip + QUEUED_MS) + SPARE
 *
 * where the round trip is that of EHLO, which waits for nothing but the link.  A link that is idle
 * part of the time has took_ms near its round trip, so the window grows; where messages wait at the
 * server took_ms grows with the window, and the window shrinks.
 */
#include "client/pool_int.h"

#define QUEUED_MS 10u
#define SPARE 2u

void
lw_window_init(lw_window *w, uint32_t first, uint32_t most, uint64_t round_trip_ms)
{
    *w = (lw_window){ .now = first < most ? first : most, .most = most,
                      .round_trip_ms = round_trip_ms };
}

void
lw_window_given(lw_window *w, uint32_t n_jobs, uint64_t now_ms)
{
    if (w->wanted > 0 || n_jobs < w->now)
        return;
    w->wanted = n_jobs;
    w->n_done = 0;
    w->began_ms = now_ms;
}

static uint64_t
needed(const lw_window *w, uint64_t took_ms)
{
    uint64_t busy_ms = w->round_trip_ms + QUEUED_MS;

    took_ms = took_ms > 0 ? took_ms : 1;
    return (w->wanted * busy_ms + took_ms - 1) / took_ms + SPARE;
}

void
lw_window_done(lw_window *w, uint64_t now_ms)
{
    uint64_t n;

    if (w->wanted == 0 || ++w->n_done < w->wanted)
        return;
    n = needed(w, now_ms - w->began_ms);
    if (n < w->now) /* half the way: one late reply is no reason to begin anew */
        n = (n + w->now) / 2;
    w->now = (uint32_t)(n < w->most ? n : w->most);
    w->wanted = 0;
}
