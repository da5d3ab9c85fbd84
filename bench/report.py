# SPDX-License-Identifier: MIT
"""Tables, ratios, and where a peer is better: all from the results of one run."""
import os
import platform
import re
import subprocess

import harness

BEGIN, END = '<!-- results: begin -->', '<!-- results: end -->'


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=20)
    except OSError:
        return None
    return done.stdout.strip().split('\n')[0] if done.returncode == 0 else None


def package(name):
    out = first_line('dpkg-query', '-W', '-f=${Version}', name)
    return out or None


def processor():
    try:
        with open('/proc/cpuinfo') as f:
            return re.search(r'model name\s*:\s*(.*)', f.read()).group(1)
    except (OSError, AttributeError):
        return platform.machine()


def versions(tools):
    """What was measured, in which version."""
    found = {
        'letterwing': first_line('git', '-C', harness.TOP, 'describe', '--always', '--dirty'),
        'curl and libcurl': package('libcurl4'),
        'libESMTP': package('libesmtp6'),
        'msmtp': package('msmtp'),
        'swaks': package('swaks'),
        'Python': first_line('/usr/bin/python3', '--version'),
        'node': first_line('node', '--version'),
        'OpenSSL': package('libssl3'),
        'kernel': platform.release(),
    }
    try:
        modules = tools.node_modules()
        with open(modules + '/nodemailer/package.json') as f:
            found['nodemailer'] = re.search(r'"version": *"([^"]+)"', f.read()).group(1)
    except (harness.Missing, OSError, AttributeError):
        pass
    candidate = first_line('sh', '-c', "apt-cache policy postfix | sed -n 's/.*Candidate: //p'")
    if candidate:
        found['Postfix (smtp-source, smtp-sink)'] = candidate
    return {name: version for name, version in found.items() if version}


def best(rows, kind, metric):
    values = [row['median'][metric['key']] for row in rows
              if row['kind'] == kind and 'median' in row]
    if not values:
        return None
    return max(values) if metric['more_is_better'] else min(values)


def factor(a, b, metric):
    """How many times better a is than b."""
    if not a or not b:
        return None
    return a / b if metric['more_is_better'] else b / a


def number(value, digits):
    return '{:,.{}f}'.format(value, digits)


def ratio(value):
    return '-' if value is None else '%.2f' % value if value < 10 else '%.0f' % value


def cells(load, row):
    metrics, first = load['metrics'], load['metrics'][0]
    if 'median' not in row:
        why = row.get('missing') or 'failed: ' + row['error']
        return ['*%s*' % why.replace('|', '/').replace('\n', ' ')] + [''] * len(metrics)
    out = [number(row['median'][m['key']], m['digits']) for m in metrics]
    ours = best(load['rows'], 'ours', first)
    mine = row['median'][first['key']]
    return out + [ratio(factor(ours, mine, first)) if row['kind'] != 'ours' else '']


def table(load):
    if load.get('missing'):
        return ['Not run: ' + load['missing'], '']
    titles = [m['title'] for m in load['metrics']]
    lines = ['| | ' + ' | '.join(titles) + ' | letterwing is faster, times |',
             '|---|' + '---:|' * (len(titles) + 1)]
    if load['metrics'][0]['key'] in ('waits', 'rss_1'):
        lines[0] = lines[0].replace('is faster', 'needs less')
    for row in load['rows']:
        name = ' '.join(filter(None, (row['name'], row.get('note'))))
        name = '**%s**' % name if row['kind'] == 'ours' else name
        lines.append('| %s | %s |' % (name, ' | '.join(cells(load, row))))
    return lines + ['']


def where_peers_win(results):
    """One line for each number in which a peer is ahead of our best."""
    for load in results['loads']:
        for metric in load.get('metrics', ()):
            ours = best(load['rows'], 'ours', metric)
            for row in load['rows']:
                if row['kind'] != 'peer' or 'median' not in row or ours is None:
                    continue
                value = row['median'][metric['key']]
                if (factor(ours, value, metric) or 1) < 1:
                    yield '- %s, %s: %s has %s, we have %s.' % (
                        load['title'], metric['title'], row['name'],
                        number(value, metric['digits']), number(ours, metric['digits']))


# What DESIGN aims at: load, metric, whose best, better than whose, how many times.
AIMS = (
    ('cold', 'wall_ms', 'ours', '^static floor', 1 / 3),
    ('cold', 'wall_ms', 'ours', None, 1),
    ('cold-tls', 'wall_ms', 'ours', '^curl$', 1),
    ('session', 'rate', 'ours', 'limit: BDAT, window 64', 0.5),
    ('session', 'rate', 'ours', 'libcurl', 40),
    ('session-tls', 'rate', 'ours', 'limit: BDAT, window 64', 0.5),
    ('many', 'rate', 'ours', 'limit: BDAT, window 64', 0.5),
    ('many', 'rate', 'ours', 'smtp-source', 10),
    ('many', 'cpu_us', 'ours', 'smtp-source', 8),
    ('late', 'rate', 'ours', 'limit: BDAT, window 1', 0.9),
    ('attachment', 'mb_s', 'ours', '^limit', 0.6),
    ('attachment', 'mb_s', 'ours', '^nodemailer', 10),
    ('attachment-tls', 'mb_s', 'ours', '^limit', 0.6),
)


def aims(results):
    """One row an aim: what was wanted, what was measured."""
    by_key = {load['key']: load for load in results['loads']}
    for key, metric_key, kind, against, wanted in AIMS:
        load = by_key.get(key)
        if load is None or load.get('missing'):
            continue
        metric = next(m for m in load['metrics'] if m['key'] == metric_key)
        others = [row for row in load['rows'] if 'median' in row and
                  (re.search(against, row['name']) if against else row['kind'] == 'peer')]
        if not others:
            continue
        pick = max if metric['more_is_better'] else min
        other = pick(others, key=lambda row: row['median'][metric_key])
        got = factor(best(load['rows'], kind, metric), other['median'][metric_key], metric)
        yield '| %s | %s | %s | %s | %s |' % (load['title'], other['name'], ratio(wanted),
                                              ratio(got), 'yes' if got >= wanted else '**no**')


def markdown(results):
    machine = results['machine']
    lines = ['Measured on %s: %s, %d processors, Linux %s. Load average before: %s. Medians; every '
             'program ran in turn, and again%s. Ratios hold within this run only.' % (
                 results['date'], machine['processor'], machine['processors'], machine['kernel'],
                 machine['load'],
                 ', before all other programs (SCHED_FIFO)' if results['realtime'] else ''), '']
    for load in results['loads']:
        lines += ['### ' + load['title'], '']
        if load['about']:
            lines += [load['about'], '']
        lines += table(load)
    lines += ['### Aims', '', '| load | speed, as a multiple of | aim | measured | reached |',
              '|---|---|---:|---:|---|', *aims(results), '']
    lines += ['### Where a peer is better', '']
    lines += list(where_peers_win(results)) or ['Nowhere in this run.']
    lines += ['', '### Versions', '']
    lines += ['- %s: %s' % item for item in results['versions'].items()]
    return '\n'.join(lines) + '\n'


def write_into(path, text):
    """Replace what stands between the two marks of a document."""
    with open(path, encoding='utf-8') as f:
        old = f.read()
    head, rest = old.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    with open(path, 'w', encoding='utf-8') as f:
        f.write('%s%s\n\n%s\n%s%s' % (head, BEGIN, text, END, tail))
    return os.path.relpath(path, harness.TOP)
