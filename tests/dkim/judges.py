# SPDX-License-Identifier: MIT
"""tests/dkim/judges.py - other people's DKIM: dkimpy (Debian) and mailauth (npm)

A judge has a name, why_not (the reason why it cannot run here, or ''), verify() and sign().  It
runs as one process for a list of messages.  No DNS: records, name -> text, answers.
"""
import base64
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Judge:
    def __init__(self, name, command, why_not):
        self.name, self.command, self.why_not = name, command, why_not

    def __repr__(self):
        return self.name

    def run(self, jobs):
        done = subprocess.run(self.command, input=''.join(json.dumps(j) + '\n' for j in jobs),
                              text=True, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f'{self.name}: {done.stderr}')
        return [json.loads(line) for line in done.stdout.splitlines()]

    def verify(self, messages, records):
        """For each message the results of its signatures: 'pass', or 'fail: why' and the like."""
        return self.run([{'message': base64.b64encode(m).decode(), 'records': records}
                         for m in messages])

    def sign(self, messages, keys):
        """messages: (octets, canon); keys: selector -> PEM, for example.com.  The fields of each."""
        how = [{'signingDomain': 'example.com', 'selector': s, 'privateKey': pem}
               for s, pem in keys.items()]
        answers = self.run([{'message': base64.b64encode(m).decode(), 'canon': canon, 'sign': how}
                            for m, canon in messages])
        return [fields.encode() for fields in answers]


def dkimpy():
    # another python may stand before Debian's in PATH
    for python in (sys.executable, '/usr/bin/python3'):
        if subprocess.run([python, '-c', 'import dkim, nacl'], capture_output=True).returncode == 0:
            return Judge('dkimpy', [python, os.path.join(HERE, 'dkimpy_check.py')], '')
    return Judge('dkimpy', None, 'python3-dkim or python3-nacl is missing (tools/install-deps)')


def mailauth():
    tool = os.path.join(HERE, '..', '..', 'tools', 'fetch-npm')
    done = subprocess.run([tool, 'mailauth@4.9.5'], capture_output=True, text=True)
    said = done.stdout.strip()
    if done.returncode != 0:
        return Judge('mailauth', None, said.removeprefix('skipped: '))
    return Judge('mailauth', ['node', os.path.join(HERE, 'mailauth_check.js'), said], '')
