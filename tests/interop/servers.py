#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Postfix, Exim, OpenSMTPD and Dovecot, each with a small private configuration.

All accept mail for ann, bob, carol and zoe @inbox.test, refuse everyone else there, keep mail in
/var/mail/USER (Maildir), take 8 MiB at most, and log in ann with fixture.PASSWORD.  Ports:
"smtp" (clear, STARTTLS offered, no login needed), "submission" (STARTTLS, login required),
"smtps" (TLS from the first byte, login required).

    tests/interop/servers.py NAME     start one by hand; its ports are printed, end of input ends it
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time

from fixture import (Certificates, DOMAIN, HOSTNAME, LATER, MAIL_UID, PASSWORD, SIZE_LIMIT,
                     Server, Skip, USERS, fetcher, free_port)


class Postfix(Server):
    name = "postfix"
    accounts = (("postfix", 64101), ("postdrop", 64102))
    queue = tuple("/var/spool/postfix/" + name for name in ("incoming", "active", "deferred"))

    def __init__(self, certificates, auth=None):
        super().__init__(certificates)
        self.auth = auth         # a Dovecot that checks the passwords; None: no login

    def configure(self):
        self.make_queue()
        boxes = " ".join("{ %s@%s = %s/ }" % (user, DOMAIN, user) for user in USERS)
        self.write("/etc/postfix/main.cf", """
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = %(hostname)s
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = %(domain)s
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = inline:{ %(boxes)s }
virtual_mailbox_limit = 0
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(uid)d
message_size_limit = %(size)d
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
    check_recipient_access inline:{ { %(later)s = 450 4.2.1 Mailbox busy, try again later } }
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/ssl/server.crt
smtpd_tls_key_file = /etc/ssl/server.key
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:%(auth)d
smtpd_client_connection_rate_limit = 0
""" % {"hostname": HOSTNAME, "domain": DOMAIN, "boxes": boxes, "uid": MAIL_UID,
            "size": SIZE_LIMIT, "later": LATER,
            "auth": self.auth.ports["auth"] if self.auth else 0})
        login = "yes" if self.auth else "no"
        self.write("/etc/postfix/master.cf", """
127.0.0.1:%(smtp)d inet n - n - - smtpd
127.0.0.1:%(submission)d inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=%(login)s
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:%(smtps)d inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=%(login)s
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
""" % dict(self.ports, login=login))

    def make_queue(self):
        uid, drop = 64101, 64102
        for folder in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                       "incoming", "private", "saved", "trace"):
            self.mkdir("/var/spool/postfix/" + folder, uid, 0, 0o700)
        self.mkdir("/var/spool/postfix/pid")
        self.mkdir("/var/spool/postfix/maildrop", uid, drop, 0o730)
        self.mkdir("/var/spool/postfix/public", uid, drop, 0o710)
        self.mkdir("/var/lib/postfix", uid, uid, 0o700)

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix"]


class Exim(Server):
    name = "exim"
    accounts = (("Debian-exim", 64103),)
    queue = ("/var/spool/exim4/input",)

    def configure(self):
        uid = 64103
        for folder in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            self.mkdir(folder, uid, uid, 0o750)
        os.chown(self.path("/etc/ssl/server.key"), uid, uid)   # read after root is given up
        self.write("/etc/exim4/exim4.conf", """
primary_hostname = %(hostname)s
domainlist local_domains = %(domain)s
daemon_smtp_ports = %(smtp)d
local_interfaces = <; [127.0.0.1]:%(smtp)d; [127.0.0.1]:%(submission)d; [127.0.0.1]:%(smtps)d
tls_on_connect_ports = %(smtps)d
tls_advertise_hosts = *
tls_certificate = /etc/ssl/server.crt
tls_privatekey = /etc/ssl/server.key
message_size_limit = %(size)d
dsn_advertise_hosts = *
prdr_enable = true
log_file_path = /var/log/exim4/%%slog
spool_directory = /var/spool/exim4
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
acl_smtp_vrfy = accept
host_lookup =
rfc1413_query_timeout = 0s
never_users = root
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
keep_environment =

begin acl
check_mail:
  deny message = login required
       condition = ${if !={$received_port}{%(smtp)d}}
       !authenticated = *
  accept
check_rcpt:
  defer message = 4.2.1 Mailbox busy, try again later
        recipients = %(later)s
  deny message = relay not permitted
       !domains = +local_domains
       !authenticated = *
  require message = 5.1.1 unknown user
          verify = recipient
  accept

begin routers
mailboxes:
  driver = accept
  domains = +local_domains
  local_parts = %(users)s
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = /var/mail/$local_part_data
  maildir_format
  user = vmail
  group = vmail
  mode = 0600

begin retry
* * F,1h,1m

begin authenticators
PLAIN:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_set_id = $auth2
  server_condition = ${if and{{eq{$auth2}{ann}}%(eq3)s}}
  server_advertise_condition = ${if def:tls_in_cipher}
LOGIN:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_set_id = $auth1
  server_condition = ${if and{{eq{$auth1}{ann}}%(eq2)s}}
  server_advertise_condition = ${if def:tls_in_cipher}
CRAM:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{ann}{%(secret)s}fail}
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}
""" % dict(self.ports, hostname=HOSTNAME, domain=DOMAIN, size=SIZE_LIMIT, later=LATER,
           users=" : ".join(USERS), eq3="{eq{$auth3}{%s}}" % self.secret(),
           eq2="{eq{$auth2}{%s}}" % self.secret(), secret=self.secret()))

    @staticmethod
    def secret():
        """The password as an Exim string: base64 keeps its odd characters out of the syntax."""
        return "${base64d:%s}" % base64.b64encode(PASSWORD.encode()).decode()

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q10s"]


class OpenSMTPD(Server):
    name = "opensmtpd"
    accounts = (("opensmtpd", 64104), ("opensmtpq", 64105))
    queue = ("/var/spool/smtpd/incoming", "/var/spool/smtpd/queue")
    certificate = "server-rsa"

    def configure(self):
        self.mkdir("/var/lib/opensmtpd/empty")
        self.mkdir("/var/spool/smtpd", mode=0o711)
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        self.write("/etc/creds", "ann %s\n" % hashed)
        self.write("/etc/boxes", "".join("%s %d:%d:/var/mail/%s\n" % (user, MAIL_UID, MAIL_UID,
                                                                       user) for user in USERS))
        self.write("/etc/smtpd.conf", """
pki inbox cert "/etc/ssl/server.crt"
pki inbox key "/etc/ssl/server.key"
table creds file:/etc/creds
table boxes file:/etc/boxes
smtp max-message-size "%(size)d"
listen on 127.0.0.1 port %(smtp)d tls pki inbox hostname %(hostname)s
listen on 127.0.0.1 port %(submission)d tls-require pki inbox auth <creds> hostname %(hostname)s
listen on 127.0.0.1 port %(smtps)d smtps pki inbox auth <creds> hostname %(hostname)s
action deliver maildir "/var/mail/%%{user.username}" userbase <boxes>
match from any for domain "%(domain)s" action deliver
""" % dict(self.ports, hostname=HOSTNAME, domain=DOMAIN, size=SIZE_LIMIT))

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-F"]


class Dovecot(Server):
    """Checks logins for others (port "auth"), delivers by LMTP (port and Unix socket), and
    takes submissions, which it hands to the SMTP server at relay_port."""

    name = "dovecot"
    accounts = (("dovecot", 64106), ("dovenull", 64107))
    port_names = ("auth", "lmtp", "submission", "smtps")

    def __init__(self, certificates, relay_port=1):
        super().__init__(certificates)
        self.relay_port = relay_port

    def sockets(self):
        return ("/run/dovecot/lmtp",)

    def configure(self):
        self.mkdir("/run/dovecot")
        self.write("/etc/dovecot/users", "ann:{PLAIN}%s::::::\n" % PASSWORD)
        self.write("/etc/dovecot/keys/default/HS256/default", self.token_key())
        self.write("/etc/dovecot/oauth2.conf", """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/
username_attribute = sub
username_format = %u
""")
        self.write("/etc/dovecot/dovecot.conf", """
protocols = submission lmtp
listen = 127.0.0.1
log_path = /var/log/dovecot.log
auth_verbose = yes
auth_failure_delay = 0
hostname = %(hostname)s
ssl = yes
ssl_cert = </etc/ssl/server.crt
ssl_key = </etc/ssl/server.key
ssl_ca = </etc/ssl/ca.crt
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer external
auth_username_format = %%n
mail_location = maildir:/var/mail/%%n
first_valid_uid = 1
passdb {
  driver = static
  mechanisms = external
  args = nopassword=y
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/oauth2.conf
}
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = passwd-file
  args = username_format=%%n /etc/dovecot/boxes
}
submission_relay_host = 127.0.0.1
submission_relay_port = %(relay)d
submission_relay_trusted = no
submission_max_mail_size = %(size)d
recipient_delimiter =
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  inet_listener clients {
    address = 127.0.0.1
    port = %(auth)d
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = %(lmtp)d
  }
}
service submission-login {
  inet_listener submission {
    port = %(submission)d
  }
  inet_listener submissions {
    port = %(smtps)d
    ssl = yes
  }
}
""" % dict(self.ports, hostname=HOSTNAME, size=SIZE_LIMIT, relay=self.relay_port))
        self.write("/etc/dovecot/boxes", "".join("%s::%d:%d::/var/mail/%s::\n" % (
            user, MAIL_UID, MAIL_UID, user) for user in USERS))

    @staticmethod
    def token_key():
        return base64.b64encode(b"k" * 32).decode() + "\n"

    def token(self, user="ann", lifetime_s=600):
        """A JSON web token that logs user in with XOAUTH2 and OAUTHBEARER."""
        def pack(value):
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            return base64.urlsafe_b64encode(raw).rstrip(b"=")
        now = int(time.time())
        text = pack({"alg": "HS256", "typ": "JWT"}) + b"." + pack(
            {"sub": user, "iat": now - 10, "nbf": now - 10, "exp": now + lifetime_s})
        return (text + b"." + pack(hmac.new(b"k" * 32, text, hashlib.sha256).digest())).decode()

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"]


SERVERS = {cls.name: cls for cls in (Postfix, Exim, OpenSMTPD, Dovecot)}


def main(args):
    if len(args) != 1 or args[0] not in SERVERS:
        print(__doc__.strip(), file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(folder)
        auth = Dovecot(certificates).start() if args[0] == "postfix" else None
        server = SERVERS[args[0]](certificates, *([auth] if auth else []))
        try:
            server.start()
            print("root %s\nca %s" % (server.root, certificates.ca))
            for name, port in server.ports.items():
                print("%s 127.0.0.1:%d" % (name, port))
            sys.stdout.flush()
            sys.stdin.read()
        finally:
            print(server.read_log() if server.root else "")
            server.stop()
            if auth:
                auth.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Skip as why:
        print("skipped: %s" % why)
        sys.exit(77)
