# SPDX-License-Identifier: MIT
"""How a load is run: each way takes (bench, load, runners) and gives {runner's name: [sample]}.

A sample is what harness.measure() tells, with 'error' where a figure must not be used.
"""
import contextlib

import harness
from commands import Job
from harness import CLIENT_CPU, PEER_CPU

LATE_MS = {1: 1, 10: 3, 50: 6, 200: 12}     # and how many programs may wait beside each other
SHORT_MS = 10           # up to here programs compute as long as they wait: measured again
LATE_SHOWN_MS = 50
MEMORY_MIB = (1, 16, 256)
LONG_S = 5              # a run that takes longer is not repeated
CONNECTIONS = (1, 10, 100, 1000, 10000)
ROWS = (1000, 10000, 100000, 1000000, 10000000)


def peer_options(load, runner):
    """The null peer that a runner meets: some meet one that acknowledges at once, by STARTTLS."""
    if runner.peer == 'none':
        return None
    quick = runner.peer == 'quick'
    tls = () if not load.tls else ('-S',) if quick else ('-t',)
    return (*load.options, *(('-q',) if quick else ()), *tls)


def null_peer(bench, load, runner, cpu=None, *more):
    if runner.peer == 'none':
        return harness.Nobody()
    return harness.NullPeer(bench.build, bench.data, *peer_options(load, runner), *more, cpu=cpu)


def run_once(bench, load, runner, peer, job, cpu=CLIENT_CPU, limit_s=120):
    job.port, job.tls, job.size = peer.port, load.tls, load.size
    stdin = runner.stdin(job) if runner.stdin else '/dev/null'
    return harness.measure(bench.build, runner.command(job), peer, job.count, cpu, stdin,
                           limit_s=limit_s)


def is_done(samples):
    """What failed is not tried again, and what takes long is measured once."""
    return any('error' in s or s['wall'] > LONG_S for s in samples)


def interleaved(bench, load, runners):
    """Every runner once, then every runner again: what disturbs one disturbs all."""
    samples = {runner.name: [] for runner in runners}
    cpu = CLIENT_CPU if load.same_cpu else PEER_CPU
    with contextlib.ExitStack() as stack:
        open_peers = {}
        for rep in range(-1 if load.warms else 0, bench.reps(load)):
            for runner in runners:
                if is_done(samples[runner.name]):
                    continue
                options = peer_options(load, runner)
                if options not in open_peers:
                    open_peers[options] = stack.enter_context(null_peer(bench, load, runner, cpu))
                took = run_once(bench, load, runner, open_peers[options],
                                Job(0, bench.count(load, runner), connections=load.connections))
                if rep >= 0:
                    samples[runner.name].append(took)
    return samples


def second_opinion(open_peer):
    """The same against another peer, which open_peer(bench) makes."""
    def way(bench, load, runners):
        samples = {runner.name: [] for runner in runners}
        with open_peer(bench) as peer:
            for _ in range(bench.reps(load)):
                for runner in runners:
                    samples[runner.name].append(run_once(
                        bench, load, runner, peer, Job(0, bench.count(load, runner))))
        return samples
    return way


def smtp_sink(bench):
    return harness.SmtpSink(bench.tools.postfix('smtp-sink'), cpu=CLIENT_CPU)


def our_engine(bench):
    return harness.NullPeer(bench.build, bench.data, cpu=CLIENT_CPU, name='nullpeer_engine')


# ---- late replies ----------------------------------------------------------------------------

def late_counts(ms, window):
    """Two numbers of messages: their difference leaves out what a session costs once, and lasts
    some two seconds at four waits a message, eight and sixteen where a wait is long."""
    few = {1: 50, 10: 10}.get(ms, 5)
    return few * window, max(5 * few, 20) * window


def late(bench, load, runners):
    """From two counts the waits of one message.  Where a wait is long nothing computes, so that
    all run at once, and once; where it is short, one after the other, and again."""
    def one(runner, ms, count):
        with null_peer(bench, load, runner, None, '-d', str(ms)) as peer:
            return run_once(bench, load, runner, peer, Job(0, count), cpu=None)

    samples = {runner.name: [{} for _ in range(bench.reps(load))] for runner in runners}
    for rep in range(bench.reps(load)):
        for ms in LATE_MS:
            if rep > 0 and ms > SHORT_MS:
                continue
            calls = [lambda r=r, n=n: one(r, ms, n)
                     for r in runners for n in late_counts(ms, r.window)]
            taken = harness.in_parallel(calls, LATE_MS[ms])
            for i, runner in enumerate(runners):
                keep_difference(samples[runner.name][rep], ms, *taken[2 * i:2 * i + 2])
    return samples


def keep_difference(sample, ms, few, many):
    for took in few, many:
        if 'error' in took:
            sample['error'] = took['error']
            return
    n, seconds = many['messages'] - few['messages'], many['seconds'] - few['seconds']
    if seconds <= 0:
        sample['error'] = 'the machine was too busy to tell'
        return
    sample[ms] = {'rate': n / seconds, 'waits': seconds * 1e3 / ms / n,
                  'cpu': (many['own_cpu'] - few['own_cpu']) / n}


def late_cold(bench, load, runners):
    def one(runner):
        with null_peer(bench, load, runner) as peer:
            return run_once(bench, load, runner, peer, Job(0), cpu=None)

    taken = harness.in_parallel([lambda r=runner: one(r) for runner in runners], 4)
    return {runner.name: [took] for runner, took in zip(runners, taken)}


# ---- memory --------------------------------------------------------------------------------------

def memory_by_attachment(bench, load, runners):
    samples = {runner.name: [{}] for runner in runners}
    for runner in runners:
        sample = samples[runner.name][0]
        with null_peer(bench, load, runner, PEER_CPU) as peer:
            for mib in MEMORY_MIB:
                took = run_once(bench, load, runner, peer, Job(0, mib=mib))
                sample[mib] = took.get('rss', 0) / 1024
                if 'error' in took:
                    sample['error'] = took['error']
    return samples


def memory_by_connections(bench, load, runners):
    """A new peer each time.  It greets nobody before all are open, but for who keeps them open by
    itself: our pool opens a second connection when the first one has proven the server."""
    def one(runner, n):
        held = () if runner.holds else ('-o', str(n))
        with null_peer(bench, load, runner, PEER_CPU, *held) as peer:
            took = run_once(bench, load, runner, peer, Job(0, n, connections=n), limit_s=40)
        if 'error' not in took and took['most_open'] != n:
            took['error'] = '%d were open at once' % took['most_open']
        return took

    samples = {runner.name: [{}] for runner in runners}
    for runner in runners:
        sample = samples[runner.name][0]
        for n in CONNECTIONS:
            if n > min(bench.connections_at_most, runner.most or n):
                break
            took = one(runner, n)
            if 'error' in took:
                harness.say('  %s, %d connections: %s' % (runner.name, n, took['error']))
                break
            sample[n] = took['rss'] / 1024
    return samples


def memory_by_rows(bench, load, runners):
    """More rows than bench/run --rows says are left out."""
    samples = {runner.name: [{}] for runner in runners}
    for runner in runners:
        sample = samples[runner.name][0]
        for n in (n for n in ROWS if n <= bench.rows_at_most):
            with null_peer(bench, load, runner, PEER_CPU) as peer:
                took = run_once(bench, load, runner, peer, Job(0, n), limit_s=1800)
            sample[n] = took.get('rss', 0) / 1024
            if 'error' in took:
                sample['error'] = took['error']
                break
    return samples
