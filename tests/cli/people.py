# SPDX-License-Identifier: MIT
"""tests/cli/people.py - people with S/MIME certificates and OpenPGP keys, and readers of their mail

The certificates are made by openssl, the keys by gpg in a folder of the test.  smime_* and pgp_*
read messages as the receiver does: with `openssl cms` and gpg.
"""
import email
import email.policy
import os
import shutil
import subprocess
import tempfile

STRICT = email.policy.default.clone(raise_on_defect=True)
CA = '''[ca]
default_ca=d
[d]
database=index.txt
serial=serial
new_certs_dir=.
certificate=ca.pem
private_key=ca.key
default_md=sha256
policy=p
unique_subject=no
[p]
commonName=supplied
'''


def command(*args, cwd=None, stdin=b'', env=None):
    return subprocess.run(args, cwd=cwd, input=stdin, capture_output=True, timeout=120,
                          env={**os.environ, **(env or {})})


def must(*args, **more):
    done = command(*args, **more)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


class Smime:
    """A certificate authority, and a certificate for each who is asked for."""

    def __init__(self, folder, domain='example.com'):
        self.folder = folder
        self.domain = domain
        must('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out',
             'ca.pem', '-days', '30', '-subj', '/CN=Mail authority', cwd=folder)
        for name, text in (('ca.conf', CA), ('index.txt', ''), ('serial', '01\n')):
            with open(os.path.join(folder, name), 'w', encoding='ascii') as f:
                f.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, who, name=None, purpose='emailProtection', usage='digitalSignature,keyEncipherment',
              start='20200101000000Z', end='21200101000000Z', key=('rsa:2048',)):
        """Makes NAME.pem and NAME.key for who at the domain; (certificate, key)."""
        name = name or who
        with open(self.path(name + '.ext'), 'w', encoding='ascii') as f:
            f.write(f'basicConstraints=CA:FALSE\nkeyUsage={usage}\nextendedKeyUsage={purpose}\n'
                    f'subjectAltName=email:{who}@{self.domain}\n')
        must('openssl', 'req', '-newkey', *key, '-nodes', '-keyout', name + '.key', '-out',
             name + '.csr', '-subj', f'/CN={who}', cwd=self.folder)
        must('openssl', 'ca', '-batch', '-config', 'ca.conf', '-in', name + '.csr', '-out', name + '.pem',
             '-startdate', start, '-enddate', end, '-notext', '-extfile', name + '.ext', cwd=self.folder)
        return self.path(name + '.pem'), self.path(name + '.key')

    def verify(self, message):
        """What was signed, or None if the signature is not good."""
        done = command('openssl', 'cms', '-verify', '-inform', 'SMIME', '-CAfile', self.path('ca.pem'),
                       '-purpose', 'smimesign', stdin=message)
        return done.stdout if done.returncode == 0 else None

    def decrypt(self, message, who):
        """What who can read of it, or None."""
        done = command('openssl', 'cms', '-decrypt', '-inform', 'SMIME', '-recip', self.path(who + '.pem'),
                       '-inkey', self.path(who + '.key'), stdin=message)
        return done.stdout if done.returncode == 0 else None


class Gpg:
    """A folder of keys, to be closed."""

    def __init__(self, domain='example.com'):
        self.domain = domain
        self.home = tempfile.mkdtemp(prefix='lw-gpg-')
        self.env = {'GNUPGHOME': self.home}

    def run(self, *args, stdin=b''):
        return command('gpg', '--batch', '--no-tty', *args, stdin=stdin, env=self.env)

    def make(self, who, expires='never', password=''):
        """Keys of who at the domain, to sign and to decrypt; the fingerprint."""
        secret = ('--pinentry-mode', 'loopback', '--passphrase', password)
        done = self.run(*secret, '--quick-gen-key', f'{who} <{who}@{self.domain}>', 'ed25519', 'default', expires)
        assert done.returncode == 0, done.stderr
        fingerprint = self.fingerprint(who)
        done = self.run(*secret, '--quick-add-key', fingerprint, 'cv25519', 'encr', expires)
        assert done.returncode == 0, done.stderr
        return fingerprint

    def fingerprint(self, who):
        shown = self.run('--list-keys', '--with-colons', f'<{who}@{self.domain}>').stdout.decode()
        return [line.split(':')[9] for line in shown.splitlines() if line.startswith('fpr')][0]

    def verify(self, message):
        """(what was signed, what gpg said), or (None, ...) if the signature is not good."""
        boundary = email.message_from_bytes(message).get_boundary().encode()
        _, signed, signature, _ = (b'\r\n' + message).split(b'\r\n--' + boundary)
        signed = signed.split(b'\r\n', 1)[1]
        with open(os.path.join(self.home, 'signature'), 'wb') as f:
            f.write(signature.split(b'\r\n\r\n', 1)[1])
        done = self.run('--verify', f.name, '-', stdin=signed)
        return signed if done.returncode == 0 else None, done.stderr.decode()

    def decrypt(self, message):
        """(what can be read, what gpg said), or (None, ...)."""
        control, content = email.message_from_bytes(message).get_payload()
        assert control.get_payload().strip() == 'Version: 1', control
        done = self.run('--decrypt', stdin=content.get_payload().encode())
        return done.stdout if done.returncode == 0 else None, done.stderr.decode()

    def close(self):
        command('gpgconf', '--kill', 'all', env=self.env)
        # the agent takes its sockets away while it ends
        shutil.rmtree(self.home, ignore_errors=True)


def has_gpg():
    return shutil.which('gpg') is not None


def parse(octets):
    """By Python's email package; whatever it calls a defect is an error."""
    return email.message_from_bytes(octets, policy=STRICT)
