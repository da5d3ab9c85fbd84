#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/mime/test_reading.py COMPOSER READER FOLDER [ROUNDS [SEED]] - what our reader reads

Two halves.  Messages of readback.py's family (part combinations, character sets, names, sizes)
must come back from our reader as they were composed: parse(write(x)) = x.  And the odd messages
of FOLDER must be read as Python's email package reads them: parts, types, file names, octets,
header values; where we mean to differ, DIFFERENCES says how.
"""
import email
import email.header
import email.policy
import os
import random
import subprocess
import sys

import readback
from readback import Mismatch, as_read, same

# file: (what differs, why)
DIFFERENCES = {
    'qp.eml': ('body', 'RFC 2045 6.7 (3): white space at the end of a line goes; Python keeps it'),
    'params-words.eml': ('field', 'Python puts spaces around encoded words in quotes'),
    'words-broken.eml': ('field', 'Python finds a word where one with a "?" in it is cut'),
    'qp-broken.eml': ('body', 'we keep what is malformed, Python drops some of it'),
    'no-parts.eml': ('body', 'Python waits for the end, then calls the preamble the body'),
    'not-closed.eml': ('body', 'Python drops the last line end, though no boundary follows'),
    'space-before-colon.eml': ('field', 'RFC 5322 4.5: obsolete and taken; Python ends the header'),
    'params-odd.eml': ('name', 'Python takes the first form, we the one of RFC 2231'),
    'message-base64.eml': ('parts', 'Python opens a message that is coded without undoing the coding'),
}


class Part:
    def __init__(self, depth):
        self.depth, self.type, self.name, self.charset = depth, '', None, None
        self.fields, self.addresses, self.body, self.defects = [], [], b'', []


def read(reader, raw):
    """The parts of a message, in order."""
    reader.stdin.write(b'%d\n' % len(raw) + raw)
    reader.stdin.flush()
    parts, opened = [], []
    while True:
        kind, length = reader.stdout.readline().split()
        value = reader.stdout.read(int(length))
        text = value.decode('utf-8', 'strict' if kind != b'body' else 'replace')
        if kind == b'done':
            return parts
        if kind == b'part':
            parts.append(Part(int(text)))
            opened.append(parts[-1])
        elif kind == b'end':
            opened.pop()
        elif kind == b'body':
            opened[-1].body += value
        elif kind == b'field':
            opened[-1].fields.append(tuple(text.split(':', 1)))
        elif kind == b'address':
            opened[-1].addresses.append(tuple(text.split('\n')))
        elif kind == b'defect':
            opened[-1].defects.append(text)
        elif kind in (b'type', b'name', b'charset'):
            setattr(opened[-1], kind.decode(), text)
        else:
            raise Mismatch(f'{kind}: {text}')


# ---- what we wrote -----------------------------------------------------------------------------

def field(part, name):
    return [v for n, v in part.fields if n.lower() == name.lower()]


def check_composed(parts, p):
    for part in parts:
        same('defects', part.defects, [])
    top = parts[0]
    for name in ('from', 'to', 'cc', 'reply-to'):
        got = [(n, a) for f, n, a in top.addresses if f.lower() == name]
        same(name, got, [(' '.join(n.split()), a) for n, a in p[name][1]] if name in p else [])
    same('subject', (field(top, 'subject') or [''])[0], p.get('subject', ''))
    same('X-Words', (field(top, 'x-words') or [''])[0], p.get('header', ''))
    texts = {x.type: x for x in reversed(parts) if not field(x, 'content-disposition')}
    for kind, name in (('text/plain', 'text'), ('text/html', 'html'), ('text/x-amp-html', 'amp'),
                       ('text/calendar', 'calendar')):
        if name in p:
            # without a line end behind the last line it belongs to the boundary
            got = texts[kind].body.decode().replace('\r\n', '\n')
            want = as_read(p[name])
            same(name, got if len(parts) == 1 else as_read(got), want)
            if want and not want.isascii():
                same('charset', texts[kind].charset, 'utf-8')
    files = [x for x in parts if field(x, 'content-disposition')]
    want = sorted(p['attached'], key=lambda a: not (a['inline'] and 'html' in p))
    if 'calendar' in p:
        want.append({'name': 'invite.ics', 'type': 'application/ics', 'data': p['calendar'].encode()})
    same('number of attachments', len(files), len(want))
    for part, a in zip(files, want):
        same('file name', part.name, a['name'])
        same('octets of ' + a['name'], part.body, a['data'])
        if a['type']:
            same('type', part.type, a['type'].split(';')[0])


def round_trips(composer, reader, rounds, seed):
    for i in range(rounds):
        p = readback.plan(random.Random(f'{seed}:{i}'), i)
        raw = readback.ask(composer, p)
        try:
            check_composed(read(reader, raw), p)
        except Mismatch as problem:
            yield f'message {i} of seed {seed}: {problem}'


# ---- what the world writes -------------------------------------------------------------------------

def depth_first(message, depth=0):
    yield depth, message
    if isinstance(message.get_payload(), list):
        for inner in message.get_payload():
            yield from depth_first(inner, depth + 1)


def decoded(value):
    """As lw_header_text(): controls and what is no UTF-8 as U+FFFD."""
    octets = str(value).encode('ascii', 'surrogateescape') if not isinstance(value, str) \
        else value.encode('utf-8', 'surrogateescape')
    text = octets.replace(b'\r', b'').replace(b'\n', b'').decode('utf-8', 'replace')
    return str(email.header.make_header(email.header.decode_header(text))).strip(' \t')


def check_odd(parts, raw):
    message = email.message_from_bytes(raw)
    theirs = list(depth_first(message))
    same('parts', [p.depth for p in parts], [d for d, _ in theirs])
    for ours, (_, part) in zip(parts, theirs):
        same('type', ours.type, part.get_content_type())
        same('field', [(n.strip().lower(), ' '.join(v.split())) for n, v in ours.fields],
             [(n.lower(), ' '.join(decoded(v).split())) for n, v in part.raw_items()])
        name = part.get_filename()
        same('name', ours.name, decoded(name) if name is not None else None)
        if not isinstance(part.get_payload(), list):
            same('body', ours.body, part.get_payload(decode=True))


def odd_messages(reader, folder):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), 'rb') as f:
            raw = f.read()
        aspect, why = DIFFERENCES.get(name, (None, None))
        for kind, variant in (('', raw), (' with CRLF', raw.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n'))):
            try:
                check_odd(read(reader, variant), variant)
                if aspect:
                    yield f'{name}{kind}: no difference any more, though: {why}'
            except Mismatch as problem:
                if not aspect or not str(problem).startswith(aspect):
                    yield f'{name}{kind}: {problem}'


def main():
    composer_path, reader_path, folder = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 400
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
    with subprocess.Popen([composer_path], **pipes) as composer, \
            subprocess.Popen([reader_path], **pipes) as reader:
        problems = list(odd_messages(reader, folder)) + list(round_trips(composer, reader, rounds, seed))
        composer.stdin.close()
        reader.stdin.close()
    for problem in problems[:6]:
        print(problem)
    print(f'{rounds} messages and {len(os.listdir(folder))} odd ones, {len(problems)} problem(s)')
    return bool(problems)


if __name__ == '__main__':
    sys.exit(main())
