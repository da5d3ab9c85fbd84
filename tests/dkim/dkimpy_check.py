#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/dkim/dkimpy_check.py < JSON lines > JSON lines - dkimpy, as mailauth_check.js is mailauth

In:  {"message": base64, "records": {name: text}}      out: [result of each signature]
     {"message": base64, "canon": C, "sign": [{...}]}  out: the DKIM-Signature fields
No DNS: records answers.
"""
import base64
import json
import sys

import dkim
import nacl  # noqa: F401  (dkimpy needs it for Ed25519)


def verify(message, records):
    def dns(name, timeout=5):
        return records.get(name.decode().rstrip('.'), '').encode()

    results = []
    for i in range(sum(name.lower() == b'dkim-signature' for name, _ in dkim.DKIM(message).headers)):
        try:
            results.append('pass' if dkim.DKIM(message).verify(idx=i, dnsfunc=dns) else 'fail')
        except dkim.DKIMException as e:
            results.append(f'fail: {e}')
    return results


def sign(message, canon, how):
    pem = how['privateKey'].encode()
    algorithm = b'rsa-sha256'
    if how['selector'] == 'ed25519':
        # it wants the seed in base64: the end of the PKCS#8 octets
        pem = base64.b64encode(base64.b64decode(b''.join(pem.splitlines()[1:-1]))[-32:])
        algorithm = b'ed25519-sha256'
    return dkim.sign(message, how['selector'].encode(), how['signingDomain'].encode(), pem,
                     canonicalize=tuple(c.encode() for c in canon.split('/')),
                     signature_algorithm=algorithm).decode()


for line in sys.stdin:
    job = json.loads(line)
    octets = base64.b64decode(job['message'])
    if 'sign' in job:
        answer = ''.join(sign(octets, job['canon'], how) for how in job['sign'])
    else:
        answer = verify(octets, job['records'])
    print(json.dumps(answer))
