# SPDX-License-Identifier: MIT
"""Who takes part in which load.

A runner is ours, a limit (octets rendered beforehand, or the bare minimum), or a peer.
"""
import dataclasses
import typing

# A client that leaves Nagle's algorithm on and writes a message in two pieces waits 40 ms for a
# delayed acknowledgement.  That hides all else, so that it meets a peer that acknowledges at
# once, and by STARTTLS where there is TLS; its rows say so.
QUICK = '(peer acknowledges at once)'


@dataclasses.dataclass
class Runner:
    name: str
    kind: str                       # 'ours', 'limit', 'peer'
    command: typing.Callable        # job -> argument list
    peer: str = ''                  # 'quick': the null peer acknowledges at once, see QUICK;
                                    # 'none': it speaks to nobody
    share: float = 1                # of the load's messages: the slow send fewer, the fast more
    window: int = 1                 # messages in flight: the unit where replies are late
    most: int = 0                   # connections that it is asked for, 0 = any number
    holds: bool = False             # keeps all its connections open by itself
    stdin: typing.Callable = None   # job -> file for the standard input
    cpu: str = 'own'                # 'whole': it does not tell; its start is in the figure

    def note(self):
        return QUICK if self.peer == 'quick' else ''


def cold(c):
    """One process, one message."""
    lf = c.data.unix_message
    return [
        Runner('letterwing send, composing', 'ours', c.letterwing(
            '-s', 'benchmark message', '--text', lambda job: '@' + c.data.body(job.size))),
        Runner('letterwing send, ready message', 'ours', c.letterwing(
            '--message', lambda job: c.data.message(job.size))),
        Runner('a program with lw_session_send_raw', 'ours', c.session('raw')),
        Runner('libESMTP', 'peer', c.libesmtp(), peer='quick'),
        Runner('smtp-source', 'peer', c.smtp_source()),
        Runner('libcurl', 'peer', c.libcurl()),
        Runner('curl', 'peer', c.curl('-T', lambda job: c.data.message(job.size))),
        Runner('msmtp', 'peer', c.msmtp(), peer='quick', stdin=lambda job: lf(job.size)),
        Runner('swaks', 'peer', c.swaks('--data', lambda job: '@' + lf(job.size))),
        Runner('Python smtplib', 'peer', c.smtplib('raw')),
        Runner('PHPMailer', 'peer', c.phpmailer('compose'), peer='quick'),
        Runner('nodemailer', 'peer', c.nodemailer('raw')),
    ]


def limits(c):
    return [
        Runner('limit: lock step', 'limit', c.limit('lock')),
        Runner('limit: DATA, 2 waits', 'limit', c.limit('data2')),
        Runner('limit: DATA, 1 wait', 'limit', c.limit('data')),
        Runner('limit: BDAT, window 1', 'limit', c.limit('bdat')),
        Runner('limit: BDAT, window 8', 'limit', c.limit('bdat', 8), share=20, window=8),
        Runner('limit: BDAT, window 64', 'limit', c.limit('bdat', 64), share=20, window=64),
        Runner('limit: RSET and BDAT, window 64', 'limit', c.limit('reset', 64), share=20,
               window=64),
    ]


def pools(c):
    return [
        Runner('lw_pool, DATA', 'ours', c.pool('chunking', 'no')),
        Runner('lw_pool, BDAT, window 8', 'ours', c.pool(), share=20, window=8),
        Runner('lw_pool, BDAT, window 64', 'ours', c.pool('window', '64'), share=20, window=64),
    ]


def scripts(c, share=1):
    """nodemailer needs some 2,000 messages before it is as fast as it gets."""
    return [
        Runner('Python smtplib, ready message', 'peer', c.smtplib('raw'), share=share),
        Runner('Python smtplib, composing', 'peer', c.smtplib('compose'), share=0.1 * share),
        Runner('PHPMailer, composing', 'peer', c.phpmailer('compose'), peer='quick',
               share=0.4 * share),
        Runner('nodemailer pooled, ready message', 'peer', c.nodemailer('raw'), share=0.4 * share),
        Runner('nodemailer pooled, composing', 'peer', c.nodemailer('compose'), share=0.4 * share),
    ]


def session(c):
    """Many messages over one connection."""
    return [
        *limits(c),
        Runner('lw_session_send_raw', 'ours', c.session('raw')),
        Runner('lw_session_send, composing', 'ours', c.session('compose')),
        *pools(c),
        Runner('libESMTP', 'peer', c.libesmtp(), peer='quick'),
        Runner('smtp-source', 'peer', c.smtp_source(), cpu='whole'),
        Runner('libcurl easy', 'peer', c.libcurl()),
        *scripts(c),
    ]


def many(c):
    """Many messages over several connections."""
    return [
        *[limit for limit in limits(c) if limit.name != 'limit: DATA, 2 waits'],
        *pools(c),
        Runner('libESMTP, a thread each', 'peer', c.libesmtp(), peer='quick'),
        Runner('smtp-source', 'peer', c.smtp_source(), cpu='whole'),
        Runner('libcurl multi', 'peer', c.libcurl_multi(), share=0.25),
        *scripts(c, 0.25),
    ]


def attachment(c):
    """One message with a large attachment, composed by the program."""
    def file(job):
        return c.data.attachment(job.mib)

    return [
        Runner('limit: encode and write, DATA', 'limit', c.limit_attachment('data')),
        Runner('limit: encode and write, BDAT', 'limit', c.limit_attachment('bdat')),
        Runner('letterwing send -a', 'ours',
               c.letterwing('-s', 'attachment', '--text', 'hello', '-a', file)),
        Runner('nodemailer', 'peer', c.nodemailer('attach')),
        Runner('libcurl, curl_mime', 'peer', c.libcurl('attach')),
        Runner('curl -F', 'peer', c.curl(
            '-H', 'Subject: attachment', '-H', 'From: a@bench.test', '-F', '=hello', '-F',
            lambda job: 'file=@%s;encoder=base64' % file(job))),
        Runner('PHPMailer', 'peer', c.phpmailer('attach'), peer='quick'),
        Runner('Python email and smtplib', 'peer', c.smtplib('attach')),
        Runner('swaks --attach', 'peer', c.swaks('--body', 'hello', '--attach',
                                                 lambda job: '@' + file(job))),
    ]


def connections(c):
    """As many connections as messages, all open at once."""
    return [
        Runner('limit: lock step', 'limit', c.limit('lock')),
        Runner('lw_pool', 'ours', c.pool_holding(), holds=True),
        Runner('libcurl multi', 'peer', c.libcurl_multi()),
        Runner('libESMTP, a thread each', 'peer', c.libesmtp(), peer='quick',
               most=1000),
        Runner('smtp-source', 'peer', c.smtp_source(), most=1000),
        Runner('nodemailer pooled', 'peer', c.nodemailer('raw')),
    ]


def compose(c):
    """Small messages, to nobody; libcurl composes only what it sends."""
    return [
        Runner('letterwing (composer, writes to nothing)', 'ours', c.compose(), peer='none'),
        Runner("nodemailer's MailComposer", 'peer', c.mail_composer(), peer='none', share=0.02),
        Runner('Python email', 'peer', c.python_email(), peer='none', share=0.01),
        Runner('libcurl, curl_mime, and sends it', 'peer', c.libcurl('text'), share=0.05),
    ]


def encode(c):
    return [
        Runner('limit: bare encoder loop', 'limit', c.encode('loop'), peer='none'),
        Runner('limit: EVP_EncodeBlock', 'limit', c.encode('evp'), peer='none'),
        Runner('letterwing (composer, writes to nothing)', 'ours', c.compose_attachment(),
               peer='none'),
    ]


def dkim(c, **body):
    return [
        Runner('limit: a hash and a signature', 'limit', c.dkim('floor', **body), peer='none'),
        Runner('lw_dkim_signer, relaxed', 'ours', c.dkim('relaxed', **body), peer='none'),
        Runner('lw_dkim_signer, simple', 'ours', c.dkim('simple', **body), peer='none'),
    ]


def bulk(c):
    """Many messages, each composed for its recipient."""
    return [
        Runner('limit: BDAT, window 8', 'limit', c.limit('bdat', 8)),
        Runner('letterwing bulk, journal', 'ours', c.bulk(True), cpu='whole'),
        Runner('letterwing bulk', 'ours', c.bulk(False), cpu='whole'),
        Runner('lw_pool, ready messages', 'ours', c.pool()),
        Runner('Python smtplib, composing', 'peer', c.smtplib('compose'), share=0.02),
        Runner('nodemailer pooled, composing', 'peer', c.nodemailer('compose'), share=0.1),
    ]


def bulk_memory(c):
    return [Runner('letterwing bulk, journal', 'ours', c.bulk(True))]


def all_runners(c):
    """By the name of the part."""
    return {
        'cold': [Runner('static floor, lock step', 'limit', c.floor()), *cold(c)],
        'cold-tls': [Runner('bare OpenSSL, lock step', 'limit', c.limit('lock')), *cold(c)],
        'session': session(c),
        'many': many(c),
        'attachment': attachment(c),
        'connections': connections(c),
        'compose': compose(c),
        'encode': encode(c),
        'dkim': dkim(c),
        'dkim-small': dkim(c, size=1024),
        'dkim-rsa': dkim(c, size=1024, algorithm='rsa'),
        'bulk': bulk(c),
        'bulk-memory': bulk_memory(c),
    }
