# SPDX-License-Identifier: MIT
"""The loads: what is sent, how often, which figures are kept, and how they are drawn."""
import dataclasses
import statistics
import time

import catalogue
import harness
import ways
from commands import Commands, Job
from tools import Tools


@dataclasses.dataclass
class Metric:
    key: str
    title: str
    digits: int
    more_is_better: bool
    of: object              # sample -> number, or None
    middle: object = statistics.median
    x: float = None         # its place on the x axis, where the figures of a row are a curve


def late_shown(sample, what, times=1):
    shown = sample.get(ways.LATE_SHOWN_MS)
    return shown and shown[what] * times


COLD = [Metric('wall_ms', 'wall, ms', 2, False, lambda s: s['wall'] * 1e3),
        Metric('best_ms', 'at best, ms', 2, False, lambda s: s['wall'] * 1e3, min),
        Metric('cpu_ms', 'CPU, ms', 2, False, lambda s: s['cpu'] * 1e3)]
SESSION = [Metric('rate', 'messages/s', 0, True, lambda s: s['messages'] / s['seconds']),
           Metric('cpu_us', 'CPU a message, us', 1, False,
                  lambda s: s['own_cpu'] / s['messages'] * 1e6),
           Metric('turns', "peer's turns a message", 2, False,
                  lambda s: s.get('turns', 0) / s['messages'])]
ATTACHMENT = [Metric('mb_s', 'MB/s of the file', 0, True, lambda s: harness.ATTACHMENT_MIB * 1.048576 / s['wall']),
              Metric('cpu_s', 'CPU, s', 3, False, lambda s: s['cpu']),
              Metric('rss_mib', 'peak memory, MiB', 1, False, lambda s: s['rss'] / 1024)]
LATE = [*[Metric('rate_%d' % ms, '%d ms' % ms, 1, True,
                 lambda s, ms=ms: s[ms]['rate'] if ms in s else None, x=ms) for ms in ways.LATE_MS],
        Metric('waits', 'waits a message', 2, False, lambda s: late_shown(s, 'waits')),
        Metric('cpu_us', 'CPU a message, us', 1, False,
               lambda s: late_shown(s, 'cpu', 1e6))]
LATE_COLD = [Metric('waits', 'waits, whole session', 1, False,
                    lambda s: s['wall'] * 1e3 / ways.LATE_SHOWN_MS),
             Metric('cpu_ms', 'CPU, ms', 2, False, lambda s: s['cpu'] * 1e3)]
COMPOSE = [Metric('cpu_us', 'CPU a message, us', 2, False,
                  lambda s: s['own_cpu'] / s['messages'] * 1e6),
           Metric('best_us', 'at best, us', 2, False,
                  lambda s: s['own_cpu'] / s['messages'] * 1e6, min)]
OCTETS = [Metric('mb_s', 'MB/s of CPU', 0, True, lambda s: harness.ATTACHMENT_MIB * 1.048576 / s['own_cpu'])]
MEMORY = [Metric('rss_%d' % mib, '%d MiB' % mib, 1, False, lambda s, m=mib: s[m], x=mib)
          for mib in ways.MEMORY_MIB]
CONNECTIONS = [Metric('rss_%d' % n, '{:,}'.format(n), 1, False, lambda s, n=n: s.get(n), x=n)
               for n in ways.CONNECTIONS]

ROWS = [Metric('rss_%d' % n, '{:,}'.format(n), 1, False, lambda s, n=n: s.get(n), x=n)
        for n in ways.ROWS]


@dataclasses.dataclass
class Load:
    key: str
    title: str
    about: str
    metrics: list
    runners: str            # which part of the catalogue
    measure: object         # a function of ways.py
    tls: bool = False
    count: int = 1
    size: int = 4096        # octets of a ready message
    connections: int = 1
    reps: int = 5
    warms: bool = False     # a first round that does not count: programs come from the disk
    same_cpu: bool = False
    only: object = None     # runner -> bool
    options: tuple = ()     # of the null peer
    ratio_of: str = ''      # the metric that decides the ratios; the first one if empty
    x_title: str = ''       # of the plot, where metrics have an x
    y_title: str = ''


class Bench:
    def __init__(self, build, data, reps_percent=100, count_percent=100, rows_at_most=1000000):
        self.build, self.data = build, data
        self.reps_percent, self.count_percent = reps_percent, count_percent
        self.rows_at_most = rows_at_most * count_percent // 100
        self.connections_at_most = harness.raise_open_files()
        self.tools = Tools(build)
        self.catalogue = catalogue.all_runners(Commands(self.tools, data))

    def reps(self, load):
        return max(1, load.reps * self.reps_percent // 100)

    def count(self, load, runner):
        if load.count == 1:
            return 1
        return max(load.connections, int(load.count * runner.share * self.count_percent / 100))


def all_loads():
    slow = ('swaks', 'Python', 'PHPMailer')
    return [
        Load('cold', 'One process, one message of 2 KiB',
             'Start, connect, send, QUIT, end. The floor is a static program that speaks in lock '
             'step.', COLD, 'cold', ways.interleaved, size=2048, reps=20,
             warms=True),
        Load('cold-tls', 'One process, one message of 2 KiB, over TLS 1.3',
             'The certificate is verified by everybody but the limit, a bare OpenSSL client.',
             COLD, 'cold-tls', ways.interleaved, size=2048, tls=True, reps=10, warms=True),
        Load('session', 'One connection, messages of 4 KiB',
             'Client and peer on one processor, so that a wait costs a switch and no more.',
             SESSION, 'session', ways.interleaved, count=5000, same_cpu=True),
        Load('session-engine', 'The same against our own server engine',
             'A second opinion: the peer parses all, and believes everybody.', SESSION, 'session',
             ways.second_opinion(ways.our_engine), count=5000, reps=2,
             only=lambda r: r.kind != 'peer' or r.name in ('smtp-source', 'libcurl easy')),
        Load('session-sink', "The same against Postfix's smtp-sink",
             'Another: smtp-sink has no CHUNKING.', SESSION[:2], 'session',
             ways.second_opinion(ways.smtp_sink), count=5000, reps=2,
             only=lambda r: r.name in ('limit: lock step', 'limit: DATA, 2 waits',
                                       'limit: DATA, 1 wait', 'lw_session_send_raw',
                                       'lw_session_send, composing', 'lw_pool, DATA',
                                       'smtp-source', 'libcurl easy')),
        Load('session-tls', 'One connection, messages of 4 KiB, over TLS 1.3', '',
             SESSION, 'session', ways.interleaved, tls=True, count=5000, same_cpu=True, reps=3),
        Load('many', '20 connections, messages of 4 KiB', 'Client and peer on a processor each.',
             SESSION, 'many', ways.interleaved, count=20000, connections=20, reps=3),
        Load('bulk', 'Everybody in a list: a template of 2 KiB, 4 connections',
             'Composed for each row, with a journal that is synced to the disk and without. Start '
             'and the first look through the list count as CPU. The others send 4 KiB.',
             SESSION, 'bulk', ways.interleaved, count=100000, connections=4, reps=3),
        Load('bulk-memory', 'Peak memory by rows of the list',
             'MiB of the whole process, one run each; empty: not measured (bench/run --rows).',
             ROWS, 'bulk-memory', ways.memory_by_rows, ratio_of='rss_1000',
             x_title='rows', y_title='peak memory, MiB'),
        Load('attachment', 'One message with an attachment of 50 MiB',
             'Composed and encoded by the program; the wall clock of the whole process. msmtp and '
             'smtp-source do not compose.', ATTACHMENT, 'attachment', ways.interleaved, reps=3),
        Load('attachment-tls', 'The same over TLS 1.3', '', ATTACHMENT, 'attachment',
             ways.interleaved, tls=True, reps=3, only=lambda r: not r.name.startswith(slow)),
        Load('compose', 'Composing a text message of 1 KiB',
             'From the setters to the last octet, without a connection. libcurl composes only what '
             'it sends: its row has the dialogue in it.', COMPOSE, 'compose', ways.interleaved,
             count=100000, size=1024),
        Load('encode', 'Encoding an attachment of 50 MiB, from memory to nothing', '', OCTETS,
             'encode', ways.interleaved),
        Load('dkim', 'Signing 50 MiB with DKIM, Ed25519', 'The limit is one SHA-256 of the body '
             'and one signature.', OCTETS, 'dkim', ways.interleaved),
        Load('dkim-small', 'Signing 1 KiB with DKIM, Ed25519', '', COMPOSE, 'dkim-small',
             ways.interleaved, count=5000),
        Load('dkim-rsa', 'Signing 1 KiB with DKIM, RSA-2048', '', COMPOSE, 'dkim-rsa',
             ways.interleaved, count=500),
        Load('memory', 'Peak memory by size of the attachment', 'MiB, one run each.', MEMORY,
             'attachment', ways.memory_by_attachment,
             only=lambda r: r.kind != 'peer' or r.name in ('nodemailer', 'curl -F'),
             x_title='attachment, MiB', y_title='peak memory, MiB'),
        Load('connections', 'Peak memory by connections open at once',
             'MiB of the whole process, one run each, against a peer that greets nobody before all are '
             'open; lw_pool, which tries a server with one connection first, keeps them open by '
             'itself. Empty: not tried, or not so many at once.', CONNECTIONS, 'connections', ways.memory_by_connections,
             ratio_of='rss_1000', x_title='connections', y_title='peak memory, MiB'),
        Load('late', 'One connection, every reply late',
             'Messages a second by the delay, from the time of many messages less that of few. '
             'Waits and CPU at %d ms.' % ways.LATE_SHOWN_MS, LATE, 'session', ways.late, reps=2,
             ratio_of='rate_%d' % ways.LATE_SHOWN_MS, x_title='each reply late by, ms',
             y_title='messages/s'),
        Load('late-cold', 'One process, one message, every reply %d ms late' % ways.LATE_SHOWN_MS,
             'The wall clock of the process in units of %d ms.' % ways.LATE_SHOWN_MS, LATE_COLD,
             'cold', ways.late_cold, size=2048, options=('-d', str(ways.LATE_SHOWN_MS))),
    ]


def summarise(load, samples):
    errors = [s['error'] for s in samples if 'error' in s]
    if errors:
        return {'error': errors[0]}
    values = {m.key: [x for x in map(m.of, samples) if x is not None] for m in load.metrics}
    return {'median': {m.key: m.middle(values[m.key]) if values[m.key] else None
                       for m in load.metrics},
            'all': {key: [round(x, 4) for x in v] for key, v in values.items()}}


def find_runners(bench, load):
    """A row for each runner, and the runners that can run."""
    rows, able = [], []
    for runner in bench.catalogue[load.runners]:
        if load.only and not load.only(runner):
            continue
        row = {'name': runner.name, 'kind': runner.kind, 'note': runner.note()}
        rows.append(row)
        count = bench.count(load, runner)
        try:
            command = runner.command(Job(0, count, load.tls, load.connections, load.size))
        except harness.Missing as why:
            row['missing'] = str(why)
            continue
        able.append(runner)
        row.update(count=count, command=' '.join(command).replace(harness.TOP + '/', ''),
                   starts_count=runner.cpu == 'whole')
    return rows, able


def run(bench, load):
    """One load, as a dictionary that goes into the JSON."""
    harness.say('%s: %s' % (load.key, load.title))
    began = time.monotonic()
    rows, able = find_runners(bench, load)
    result = {'key': load.key, 'title': load.title, 'about': load.about, 'rows': rows,
              'reps': bench.reps(load), 'ratio_of': load.ratio_of or load.metrics[0].key,
              'x_title': load.x_title, 'y_title': load.y_title,
              'metrics': [{'key': m.key, 'title': m.title, 'digits': m.digits,
                           'more_is_better': m.more_is_better, 'x': m.x} for m in load.metrics]}
    try:
        samples = load.measure(bench, load, able)
    except harness.Missing as why:
        return {**result, 'missing': str(why), 'rows': [], 'seconds': 0}
    for row in rows:
        if 'missing' not in row:
            row.update(summarise(load, samples[row['name']]))
        if 'error' in row:
            harness.say('  %s: %s' % (row['name'], row['error']))
    result['seconds'] = round(time.monotonic() - began, 1)
    harness.say('  %.0f s' % result['seconds'])
    return result
