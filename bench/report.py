# SPDX-License-Identifier: MIT
"""Tables, ratios, and where a peer is better: all from the results of one run."""
import json
import os
import platform
import re
import subprocess

import aims
import harness
import plot
from aims import best, factor, figure
from tools import NODEMAILER

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


def versions():
    """What was measured, in which version."""
    found = {
        'letterwing': first_line('git', '-C', harness.TOP, 'describe', '--always', '--dirty'),
        'curl and libcurl': package('libcurl4'),
        'libESMTP': package('libesmtp6'),
        'msmtp': package('msmtp'),
        'swaks': package('swaks'),
        'Python': first_line('/usr/bin/python3', '--version'),
        'node': first_line('node', '--version'),
        'nodemailer': NODEMAILER.split('@')[1],
        'PHPMailer': package('libphp-phpmailer'),
        'PHP': package('php-cli'),
        'OpenSSL': package('libssl3'),
        'kernel': platform.release(),
    }
    candidate = first_line('sh', '-c', "apt-cache policy postfix | sed -n 's/.*Candidate: //p'")
    if candidate:
        found['Postfix (smtp-source, smtp-sink)'] = candidate
    return {name: version for name, version in found.items() if version}


def number(value, digits):
    if value is None:
        return ''
    return '{:,.{}f}'.format(value, digits)


def ratio(value):
    return '-' if value is None else '%.2f' % value if value < 10 else '%.0f' % value


def cells(load, row):
    metrics = load['metrics']
    if 'median' not in row:
        why = row.get('missing') or 'failed: ' + row['error']
        return ['*%s*' % why.replace('|', '/').replace('\n', ' ')] + [''] * len(metrics)
    out = [number(row['median'][m['key']], m['digits']) for m in metrics]
    return out + ['' if row['kind'] == 'ours' else ratio(times_ours(load, row))]


def ratio_metric(load):
    return next(m for m in load['metrics'] if m['key'] == load['ratio_of'])


def times_ours(load, row):
    """How many times better our best is than this row."""
    metric = ratio_metric(load)
    ours = best(load['rows'], metric, kind='ours')
    if ours is None:
        return None
    return factor(ours['median'][metric['key']], row['median'][metric['key']], metric)


def table(load):
    if load.get('missing'):
        return ['Not run: ' + load['missing'], '']
    metric = ratio_metric(load)
    titles = [m['title'] for m in load['metrics']]
    last = 'our best is better, times'
    if len(titles) > 1 and metric is not load['metrics'][0]:
        last += ' (%s)' % metric['title']
    lines = ['| | ' + ' | '.join([*titles, last]) + ' |', '|---|' + '---:|' * (len(titles) + 1)]
    for row in load['rows']:
        name = ' '.join(filter(None, (row['name'], row['note'])))
        name = '**%s**' % name if row['kind'] == 'ours' else name
        lines.append('| %s | %s |' % (name, ' | '.join(cells(load, row))))
    return lines + ['']


def where_peers_win(results):
    """One line for each number in which a peer is ahead of our best."""
    for load in results['loads']:
        for metric in load['metrics']:
            ours = best(load['rows'], metric, kind='ours')
            for row in load['rows']:
                if row['kind'] != 'peer' or 'median' not in row or ours is None:
                    continue
                mine, value = ours['median'][metric['key']], row['median'][metric['key']]
                if (factor(mine, value, metric) or 1) < 1:
                    yield '- %s, %s: %s has %s, we have %s.' % (
                        load['title'], figure(load, metric), row['name'],
                        number(value, metric['digits']), number(mine, metric['digits']))


def heading(results):
    machine = results['machine']
    return ('Measured on %s in %.0f minutes: %s, %d processors, Linux %s. Load average before: %s. '
            'Medians; every program ran in turn, and again%s. Ratios hold within this run only.' % (
                results['date'], results['seconds'] / 60, machine['processor'],
                machine['processors'], machine['kernel'], machine['load'],
                ', before all other programs (SCHED_FIFO)' if results['realtime'] else ''))


def markdown(results, plots=''):
    """The report; its plots lie in the folder `plots`."""
    lines = [heading(results), '']
    for load in results['loads']:
        lines += ['### ' + load['title'], '']
        if load['about']:
            lines += [load['about'], '']
        if plot.draw(load):
            lines += ['![%s](%s%s.svg)' % (load['title'], plots, load['key']), '']
        lines += table(load)
    lines += ['### Aims', '', *aims.table(results), '', '### Where a peer is better', '']
    lines += list(where_peers_win(results)) or ['Nowhere in this run.']
    lines += ['', '### Versions', '']
    lines += ['- %s: %s' % item for item in results['versions'].items()]
    return '\n'.join(lines) + '\n'


def write_plots(results, folder):
    """One file for each load; those of an earlier run go."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith('.svg'):
            os.unlink(os.path.join(folder, name))
    for load in results['loads']:
        svg = plot.draw(load)
        if svg:
            harness.write('%s/%s.svg' % (folder, load['key']), svg)


def write_results(folder, results):
    os.makedirs(folder, exist_ok=True)
    text = markdown(results)
    harness.write(folder + '/results.json', json.dumps(results, indent=1))
    harness.write(folder + '/results.md', text)
    write_plots(results, folder)
    return text


def write_docs(results):
    """Replace what stands between the two marks of docs/performance.md, and its plots."""
    path = harness.TOP + '/docs/performance.md'
    with open(path, encoding='utf-8') as f:
        head, rest = f.read().split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    text = markdown(results, 'performance/')
    harness.write(path, '%s%s\n\n%s\n%s%s' % (head, BEGIN, text, END, tail))
    write_plots(results, harness.TOP + '/docs/performance')
