# SPDX-License-Identifier: MIT
"""What the design aims at, held against the results of one run."""
import dataclasses
import re


@dataclasses.dataclass
class Aim:
    """Our figure is `times` as good as another's; or it is at most, or at least, a number."""
    load: str
    metric: str
    ours: str = ''          # pattern; the best of those that match
    against: str = ''       # pattern; the best of those that match, or of all peers
    times: float = 0
    at_most: float = 0
    at_least: float = 0
    wanted: str = ''        # in words, where the number is none


AIMS = (
    Aim('cold', 'wall_ms', against='^static floor', times=1 / 3),
    Aim('cold', 'wall_ms', times=1),
    Aim('cold-tls', 'wall_ms', against='^curl$', times=1),
    Aim('session', 'rate', 'window 64', 'limit: BDAT, window 64', 0.5),
    Aim('session', 'rate', 'pool, DATA', 'limit: DATA, 1 wait', 0.9),
    Aim('session', 'rate', against='libcurl', times=40),
    Aim('session-tls', 'rate', 'window 64', 'limit: BDAT, window 64', 0.5),
    Aim('many', 'rate', against='smtp-source', times=10),
    Aim('many', 'cpu_us', against='smtp-source', times=8),
    Aim('bulk', 'cpu_us', 'journal', at_most=33.3, wanted='30,000 messages a second of CPU'),
    Aim('late', 'rate_50', 'pool, DATA', 'limit: DATA, 1 wait', 0.9),
    Aim('late', 'rate_50', 'window 8', 'limit: BDAT, window 8', 0.9),
    Aim('late', 'rate_50', 'window 64', 'limit: BDAT, window 64', 0.9),
    Aim('late', 'rate_50', against='libcurl', times=100),
    Aim('attachment', 'mb_s', against='^limit', times=0.6),
    Aim('attachment', 'mb_s', against='^nodemailer', times=10),
    Aim('attachment-tls', 'mb_s', against='^limit', times=0.6),
    Aim('compose', 'best_us', at_most=5),
    Aim('encode', 'mb_s', against='bare', times=0.6),
    Aim('memory', 'rss_256', at_most=16),
    Aim('connections', 'rss_1000', at_most=40),
    Aim('connections', 'rss_10000', at_most=float('inf'), wanted='reached'),
)


def best(rows, metric, pattern='', kind=None):
    """The row that is ahead in a metric, or None."""
    rows = [row for row in rows if row.get('median', {}).get(metric['key']) is not None
            and re.search(pattern, row['name']) and kind in (None, row['kind'])]
    pick = max if metric['more_is_better'] else min
    return pick(rows, key=lambda row: row['median'][metric['key']], default=None)


def factor(a, b, metric):
    """How many times better a is than b."""
    if not a or not b:
        return None
    return a / b if metric['more_is_better'] else b / a


def figure(load, metric):
    """What a metric is, in words: that of a curve has its place on the x axis."""
    if metric['x'] is None:
        return metric['title']
    return '%s; %s: %s' % (load['y_title'], load['x_title'], '{:,g}'.format(metric['x']))


def plain(value):
    return '%.3g' % value if value < 1000 else '{:,.0f}'.format(value)


def judge(aim, load):
    """(whose, wanted, measured, is reached), or None: nothing was measured."""
    metric = next(m for m in load['metrics'] if m['key'] == aim.metric)
    ours = best(load['rows'], metric, aim.ours, 'ours')
    if ours is None:
        return None
    value = ours['median'][aim.metric]
    if aim.at_most:
        return '', aim.wanted or 'at most %s' % plain(aim.at_most), plain(value), value <= aim.at_most
    if aim.at_least:
        return '', 'at least %s' % plain(aim.at_least), plain(value), value >= aim.at_least
    other = best(load['rows'], metric, aim.against, None if aim.against else 'peer')
    if other is None:
        return None
    got = factor(value, other['median'][aim.metric], metric)
    return other['name'], '%s times' % plain(aim.times), plain(got), got >= aim.times


def table(results):
    by_key = {load['key']: load for load in results['loads']}
    lines = ['| load | figure | as good as | aim | measured | reached |', '|---|---|---|---:|---:|---|']
    for aim in AIMS:
        load = by_key.get(aim.load)
        found = judge(aim, load) if load and not load.get('missing') else None
        if found:
            whose, wanted, got, is_reached = found
            what = figure(load, next(m for m in load['metrics'] if m['key'] == aim.metric))
            lines.append('| %s | %s | %s | %s | %s | %s |' % (
                load['title'], what, whose, wanted, got, 'yes' if is_reached else '**no**'))
    return lines
