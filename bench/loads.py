# SPDX-License-Identifier: MIT
"""The loads: what is run, interleaved and repeated, and what is kept of each run."""
import contextlib
import dataclasses
import statistics
import sys

import harness
import peers
from harness import CLIENT_CPU, PEER_CPU

LATE_MS = 50
LATE_COUNTS = (5, 25)       # the difference leaves out what a session costs once
MEMORY_MIB = (1, 50, 500)


@dataclasses.dataclass
class Metric:
    key: str
    title: str
    digits: int
    more_is_better: bool
    of: object              # sample -> number
    middle: object = statistics.median


COLD = [Metric('wall_ms', 'wall, ms', 2, False, lambda s: s['wall'] * 1e3),
        Metric('best_ms', 'at best, ms', 2, False, lambda s: s['wall'] * 1e3, min),
        Metric('cpu_ms', 'CPU, ms', 2, False, lambda s: s['cpu'] * 1e3)]
SESSION = [Metric('rate', 'messages/s', 0, True, lambda s: s['messages'] / s['seconds']),
           Metric('cpu_us', 'CPU a message, us', 1, False,
                  lambda s: s['own_cpu'] / s['messages'] * 1e6),
           Metric('turns', "peer's turns a message", 2, False,
                  lambda s: s.get('turns', 0) / s['messages'])]
ATTACHMENT = [Metric('mb_s', 'MB/s of the file', 0, True, lambda s: 50 * 1.048576 / s['wall']),
              Metric('cpu_s', 'CPU, s', 3, False, lambda s: s['cpu']),
              Metric('rss_mib', 'peak memory, MiB', 1, False, lambda s: s['rss'] / 1024)]
LATE = [Metric('waits', 'waits a message', 2, False, lambda s: s['waits']),
        Metric('rate', 'messages/s', 1, True, lambda s: 1000 / LATE_MS / s['waits'])]
LATE_COLD = [Metric('waits', 'waits, whole session', 1, False,
                    lambda s: s['wall'] * 1e3 / LATE_MS)]
MEMORY = [Metric('rss_%d' % mib, '%d MiB' % mib, 1, False, lambda s, m=mib: s[m])
          for mib in MEMORY_MIB]


@dataclasses.dataclass
class Load:
    key: str
    title: str
    about: str
    metrics: list           # the first one decides the order and the ratios
    runners: str            # which part of the catalogue
    measure: object         # bench, load, runners -> {name: [sample]}
    tls: bool = False
    count: int = 1
    reps: int = 5
    same_cpu: bool = False
    only: object = None     # runner -> bool
    options: tuple = ()     # of the null peer


class Bench:
    def __init__(self, build, data, reps_percent):
        self.build, self.data, self.reps_percent = build, data, reps_percent
        self.tools = peers.Tools(build, data)
        self.catalogue = peers.catalogue(self.tools)

    def reps(self, load):
        return max(1, load.reps * self.reps_percent // 100)


def say(text):
    print(text, file=sys.stderr, flush=True)


def peer_options(load, runner):
    """The null peer that a runner meets: libESMTP's acknowledges at once, and offers STARTTLS."""
    quick = runner.peer == 'quick'
    tls = () if not load.tls else ('-S',) if quick else ('-t',)
    return (*load.options, *(('-q',) if quick else ()), *tls)


def run_once(bench, load, runner, peer, count, mib=50):
    job = peers.Job(peer.port, count, load.tls, mib)
    cpu = None if load.options else CLIENT_CPU
    stdin = runner.stdin(job) if runner.stdin else '/dev/null'
    return harness.measure(bench.build, runner.command(job), peer, count, cpu, stdin)


def interleaved(bench, load, runners):
    """Every runner once, then every runner again: what disturbs one disturbs all."""
    samples = {runner.name: [] for runner in runners}
    cpu = CLIENT_CPU if load.same_cpu else PEER_CPU
    with contextlib.ExitStack() as stack:
        open_peers = {}
        for rep in range(-1 if load.count == 1 else 0, bench.reps(load)):
            for runner in runners:
                options = peer_options(load, runner)
                if options not in open_peers:
                    open_peers[options] = stack.enter_context(
                        harness.NullPeer(bench.build, bench.data, *options, cpu=cpu))
                took = run_once(bench, load, runner, open_peers[options],
                                runner.count or load.count)
                if rep >= 0:            # the first round of single messages warms the caches
                    samples[runner.name].append(took)
    return samples


def second_opinion(bench, load, runners):
    """The same against Postfix's smtp-sink, which cannot tell how much arrived."""
    samples = {runner.name: [] for runner in runners}
    with harness.SmtpSink(bench.tools.postfix('smtp-sink'), cpu=CLIENT_CPU) as peer:
        for _ in range(bench.reps(load)):
            for runner in runners:
                took = run_once(bench, load, runner, peer, runner.count or load.count)
                samples[runner.name].append(took)
    return samples


def late(bench, load, runners):
    """From two counts the waits of one message; nothing computes, so all run at once."""
    def one(runner, count):
        with harness.NullPeer(bench.build, bench.data, *peer_options(load, runner)) as peer:
            return run_once(bench, load, runner, peer, count)

    calls = [lambda r=runner, n=count: one(r, n) for runner in runners for count in LATE_COUNTS]
    taken, samples = harness.in_parallel(calls, 8), {}
    few, many = LATE_COUNTS
    for i, runner in enumerate(runners):
        a, b = taken[2 * i], taken[2 * i + 1]
        if 'error' not in a and 'error' not in b:
            b['waits'] = (b['seconds'] - a['seconds']) * 1e3 / LATE_MS / (many - few)
        samples[runner.name] = [a if 'error' in a else b]
    return samples


def late_cold(bench, load, runners):
    def one(runner):
        with harness.NullPeer(bench.build, bench.data, *peer_options(load, runner)) as peer:
            return run_once(bench, load, runner, peer, 1)

    taken = harness.in_parallel([lambda r=runner: one(r) for runner in runners], 4)
    return {runner.name: [took] for runner, took in zip(runners, taken)}


def memory(bench, load, runners):
    samples = {}
    with harness.NullPeer(bench.build, bench.data, cpu=PEER_CPU) as peer:
        for runner in runners:
            sample = {}
            for mib in MEMORY_MIB:
                took = run_once(bench, load, runner, peer, 1, mib)
                sample[mib] = took.get('rss', 0) / 1024
                if 'error' in took:
                    sample['error'] = took['error']
            samples[runner.name] = [sample]
    return samples


def all_loads():
    slow = ('swaks', 'Python')
    return [
        Load('cold', 'One process, one message of 2 KiB',
             'Start, connect, send, QUIT, end. The floor is a static program that speaks in lock '
             'step.', COLD, 'cold', interleaved, reps=25),
        Load('cold-tls', 'One process, one message of 2 KiB, over TLS 1.3',
             'The certificate is verified by everybody but the limit, a bare OpenSSL client.',
             COLD, 'cold-tls', interleaved, tls=True, reps=15),
        Load('session', 'One connection, messages of 4 KiB',
             'Client and peer on one processor, so that a wait costs a switch and no more.',
             SESSION, 'session', interleaved, count=5000, same_cpu=True),
        Load('session-sink', 'The same against Postfix\'s smtp-sink',
             'A second opinion: smtp-sink has no CHUNKING.', SESSION[:2], 'session',
             second_opinion, count=5000, reps=3,
             only=lambda r: r.name in ('limit: lock step', 'limit: DATA, 2 waits',
                                       'lw_session_send_raw', 'lw_session_send, composing',
                                       'smtp-source', 'libcurl easy')),
        Load('session-tls', 'One connection, messages of 4 KiB, over TLS 1.3', '',
             SESSION, 'session', interleaved, tls=True, count=5000, same_cpu=True, reps=3),
        Load('many', '20 connections, messages of 4 KiB', 'Client and peer on a processor each.',
             SESSION, 'many', interleaved, count=20000, reps=3),
        Load('attachment', 'One message with an attachment of 50 MiB',
             'Composed and encoded by the program; the wall clock of the whole process. msmtp and '
             'smtp-source do not compose.', ATTACHMENT, 'attachment', interleaved, reps=5),
        Load('attachment-tls', 'The same over TLS 1.3', '', ATTACHMENT, 'attachment', interleaved,
             tls=True, reps=3, only=lambda r: not r.name.startswith(slow)),
        Load('memory', 'Peak memory by size of the attachment', 'MiB, one run each.', MEMORY,
             'attachment', memory,
             only=lambda r: r.kind == 'ours' or r.name in ('nodemailer', 'curl -F')),
        Load('late', 'One connection, every reply %d ms late' % LATE_MS,
             'Round trips waited for, by message: the time of %d messages less that of %d.' %
             LATE_COUNTS[::-1], LATE, 'session', late, options=('-d', str(LATE_MS)),
             only=lambda r: 'window 64' not in r.name),
        Load('late-cold', 'One process, one message, every reply %d ms late' % LATE_MS,
             'The wall clock of the process in units of %d ms.' % LATE_MS, LATE_COLD, 'cold',
             late_cold, options=('-d', str(LATE_MS))),
    ]


def can_run(bench, load, runner):
    """None, or why this program cannot take part."""
    try:
        runner.command(peers.Job(1, load.count, load.tls))
        return None
    except harness.Missing as why:
        return str(why)


def summarise(load, runner, samples):
    errors = [s['error'] for s in samples if 'error' in s]
    if errors:
        return {'error': errors[0]}
    values = {m.key: [m.of(s) for s in samples] for m in load.metrics}
    return {'median': {m.key: m.middle(values[m.key]) for m in load.metrics},
            'all': {key: [round(x, 4) for x in v] for key, v in values.items()}}


def run(bench, load):
    """One load, as a dictionary that goes into the JSON."""
    say('%s: %s' % (load.key, load.title))
    rows, able = [], []
    for runner in bench.catalogue[load.runners]:
        if load.only and not load.only(runner):
            continue
        row = {'name': runner.name, 'kind': runner.kind, 'runner': runner}
        if runner.peer == 'quick':
            row['note'] = peers.QUICK
        why = can_run(bench, load, runner)
        if why:
            row['missing'] = why
        else:
            able.append(runner)
            command = runner.command(peers.Job(0, runner.count or load.count, load.tls))
            row['command'] = ' '.join(command).replace(harness.TOP + '/', '')
            row['count'] = runner.count or load.count
        rows.append(row)
    try:
        samples = load.measure(bench, load, able)
    except harness.Missing as why:
        return {'key': load.key, 'title': load.title, 'about': load.about, 'missing': str(why),
                'rows': []}
    for row in rows:
        runner = row.pop('runner')
        if 'missing' not in row:
            row.update(summarise(load, runner, samples[runner.name]))
            row['starts_count'] = runner.cpu == 'whole'
            if 'error' in row:
                say('  %s: %s' % (runner.name, row['error']))
    return {'key': load.key, 'title': load.title, 'about': load.about, 'rows': rows,
            'reps': bench.reps(load),
            'metrics': [{'key': m.key, 'title': m.title, 'digits': m.digits,
                         'more_is_better': m.more_is_better} for m in load.metrics]}
