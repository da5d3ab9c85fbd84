#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/mime/test_other_readers.py COMPOSER READER [ROUNDS [SEED]] - what we compose, read by npm's

READER is postal-mime or mailparser, which share no code with Python's email package.  Messages of
readback.py's family must give the same addresses, subject, texts, file names and octets.  Where a
reader itself goes astray, DIFFERENCES says when and why: what stands there must happen, and nothing
else may.  A text that is to be shown in line (RFC 2183 2.1) both show in the text, not as a file.
"""
import base64
import json
import os
import random
import re
import subprocess
import sys
from collections import namedtuple

import readback

HERE = os.path.dirname(os.path.abspath(__file__))
Reader = namedtuple('Reader', 'package script differences')
# aspect: of what; when: for which message, what is got and wanted; then the reason
Difference = namedtuple('Difference', 'aspect when why')


def is_bare_ipv6(box):
    return not box[0] and '[IPv6:' in box[1]


def unquoted(address):
    local, domain = address.rsplit('@', 1)
    return local.strip('"').replace('\\"', '"') + '@' + domain


def words_opened(name):
    word = r'=\?UTF-8\?Q\?x\?='
    return re.sub(f'{word}( (?={word}))?', 'x', name)


def line_ends(octets):
    """as a reader that works by lines puts it together again"""
    lines = octets.split(b'\n')
    return b''.join(x.rstrip(b'\r') + b'\n' for x in lines)


POSTAL = [
    Difference('list', lambda p, got, want: any(map(is_bare_ipv6, want)),
               'RFC 5322 3.4.1: the ":" in a domain literal is dtext; it begins a group there'),
    Difference('address', lambda p, got, want: want.startswith('"') and got == unquoted(want),
               'RFC 5322 3.2.4: it gives the content of a quoted local part, without the quotes'),
    Difference('file name', lambda p, got, want: got == words_opened(want) and '=?UTF-8?Q?x?=' in want,
               'RFC 2047 5 (3): no encoded word stands in a parameter; it decodes what looks like one'),
    Difference('octets', lambda p, got, want: p['fit'] == '2' and got == line_ends(want),
               'RFC 2045 2.9: binary octets are no lines; it splits them, and ends the last one'),
    Difference('text', lambda p, got, want: got == want + '\n',
               'RFC 2046 5.1.1: the CRLF before a boundary is not of the body; it keeps it'),
]
MAILPARSER = [
    Difference('octets', lambda p, got, want: p['fit'] == '2' and (got, want) == (b'\r\n', b''),
               'RFC 2046 5.1.1: the CRLF before a boundary is not of the body; it keeps it if that is all'),
    Difference('text', lambda p, got, want: (got, want) == ('\n', ''),
               'RFC 2046 5.1.1: the same'),
]
READERS = {
    'postal-mime': Reader('postal-mime@4.0.0', 'read_postal.mjs', POSTAL),
    'mailparser': Reader('mailparser@3.14.2', 'read_mailparser.js', MAILPARSER),
}


def compose(composer, plans):
    with subprocess.Popen([composer], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as c:
        raws = [readback.ask(c, p) for p in plans]
        c.stdin.close()
    return raws


def read(reader, folder, raws):
    lines = b''.join(base64.b64encode(r) + b'\n' for r in raws)
    ran = subprocess.run(['node', os.path.join(HERE, reader.script), folder], input=lines,
                         stdout=subprocess.PIPE, timeout=240, check=True)
    return [json.loads(x) for x in ran.stdout.splitlines()]


# ---- what is read against what was composed -----------------------------------------------------

def compare_addresses(p, got):
    for field in ('from', 'to', 'cc', 'reply-to'):
        want = p[field][1] if field in p else []
        have = [(n, a) for n, a in got[field]]
        # an address that is read as another one, or as two, shifts all behind it
        if len(have) != len(want) or any(map(is_bare_ipv6, want)):
            yield 'list', [(n, unquoted(a) if '@' in a else a) for n, a in have], \
                [(n, unquoted(a)) for n, a in want]
            continue
        for (name, address), (want_name, want_address) in zip(have, want):
            yield 'name', name, want_name
            yield 'address', address, want_address


def is_shown(part):
    """A text/plain by its name, to be shown: both readers put it into the text."""
    return part['inline'] and part['type'] == '' and part['name'].lower().endswith('.txt')


def text_of(p, name):
    """without what is shown in the text, which the reader puts behind it"""
    return readback.as_read(p.get(name, '')), any(map(is_shown, p['attached']))


def compare_texts(p, got):
    for name in ('text', 'html'):
        want, is_longer = text_of(p, name)
        have = readback.as_read(got[name])
        if name in p:
            yield 'text', have[:len(want)] if is_longer else have, want


def wanted_files(p):
    files = sorted(p['attached'], key=lambda a: not (a['inline'] and 'html' in p))
    files = [a for a in files if not is_shown(a)]
    if 'calendar' in p:
        files.append({'name': 'invite.ics', 'type': 'application/ics', 'inline': False,
                      'data': p['calendar'].encode()})
    return files


def compare_files(p, got):
    files, want = [x for x in got['parts'] if x['disposition']], wanted_files(p)
    yield 'number of files', len(files), len(want)
    for part, a in zip(files, want):
        octets = base64.b64decode(part['data'])
        yield 'file name', part['name'], a['name']
        yield 'disposition', part['disposition'], 'inline' if a['inline'] else 'attachment'
        if a['type']:
            yield 'type', part['type'], a['type'].split(';')[0]
        if a['type'] == 'application/ics':
            yield 'calendar', octets.replace(b'\r\n', b'\n'), a['data'].replace(b'\r\n', b'\n')
        else:
            yield 'octets', octets, a['data']


def compare_others(p, got):
    """the alternatives that are no plain text"""
    for name, kind in (('amp', 'text/x-amp-html'), ('calendar', 'text/calendar')):
        found = [x for x in got['parts'] if x['type'] == kind and not x['disposition']]
        yield 'number of ' + name, len(found), int(name in p)
        for part in found:
            text = base64.b64decode(part['data']).decode().replace('\r\n', '\n')
            yield name, text.rstrip('\n'), p[name].replace('\r\n', '\n').rstrip('\n')


def compare(p, got):
    yield 'subject', got['subject'], p.get('subject', '')
    yield 'X-Words', got['header'], p.get('header', '')
    for part in (compare_addresses, compare_texts, compare_files, compare_others):
        yield from part(p, got)


def problems_of(reader, plans, answers):
    unused = list(reader.differences)
    for i, (p, got) in enumerate(zip(plans, answers, strict=True)):
        for aspect, have, want in compare(p, got):
            if have == want:
                continue
            why = next((d for d in reader.differences if d.aspect == aspect and d.when(p, have, want)), None)
            if why is None:
                yield f'message {i}, {aspect}:\n  got  {have!r:.600}\n  want {want!r:.600}'
            elif why in unused:
                unused.remove(why)
    for d in unused:
        yield f'{d.aspect}: no difference any more, though: {d.why}'


def main():
    reader = READERS[sys.argv[2]]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    fetched = subprocess.run([os.path.join(HERE, '..', '..', 'tools', 'fetch-npm'), reader.package],
                             capture_output=True, text=True)
    if fetched.returncode != 0:
        print(fetched.stdout.strip() or fetched.stderr.strip())
        return fetched.returncode
    plans = [readback.plan(random.Random(f'{seed}:{i}'), i) for i in range(rounds)]
    raws = compose(sys.argv[1], plans)
    problems = list(problems_of(reader, plans, read(reader, fetched.stdout.strip(), raws)))
    for problem in problems[:6]:
        print(problem)
    print(f'{rounds} messages of seed {seed} read by {reader.package}, {len(problems)} problem(s)')
    return len(problems) > 0


if __name__ == '__main__':
    sys.exit(main())
