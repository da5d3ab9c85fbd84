# SPDX-License-Identifier: MIT
"""A mail server as an ordinary process: the part that all servers share.

A server lives in a private copy (hard links) of the folder that tools/fetch-servers unpacked,
and is started there with chroot(): its fixed paths, users and spool are inside, nothing of the
machine is used or changed.  It listens on free ports of 127.0.0.1 only.  It is ended by pid:
every process whose root folder is the private copy was started by us.
"""

import ctypes
import glob
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = "inbox.test"
HOSTNAME = "mx.inbox.test"
USERS = ("ann", "bob", "carol", "zoe")  # have mailboxes; any other address is refused
LATER = "later@" + DOMAIN               # deferred by a 4yz where the server can be told so
PASSWORD = "s3cret \\\"word=,"          # characters that a careless client gets wrong
SIZE_LIMIT = 8 * 1024 * 1024
MAIL_UID = 64200
START_SECONDS = 30
STOP_SECONDS = 10         # for SIGKILL; SIGTERM gets 1: the spool is thrown away anyway


class Skip(Exception):
    """The server cannot run here; the text says why."""


def load_fetcher():
    path = os.path.join(HERE, "../../tools/fetch-servers")
    loader = importlib.machinery.SourceFileLoader("fetch_servers", os.path.normpath(path))
    sys.dont_write_bytecode = True
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("fetch_servers", loader))
    loader.exec_module(module)
    return module


fetcher = load_fetcher()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, probe, seconds):
    """Poll until probe() gives something true; the polls get no longer than 20 ms."""
    end = time.monotonic() + seconds
    pause = 0.001
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError("waited %d s for %s" % (seconds, what))
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class Server:
    """One running server.  Subclasses give name, accounts, ports, configure() and command()."""

    name = None
    packages = None              # name for fetch-servers, if it is not self.name
    accounts = ()                # (user, uid) the daemon wants
    certificate = "server"
    port_names = ("smtp", "submission", "smtps")
    queue = ()                   # folders with files while mail waits, in a message's order
    _count = 0

    def __init__(self, certificates):
        if os.geteuid() != 0:
            raise Skip("needs root to start %s in a folder of its own (chroot)" % self.name)
        try:
            self.source = fetcher.fetch(self.packages or self.name)
        except fetcher.Unavailable as why:
            raise Skip("%s cannot be fetched: %s" % (self.name, why))
        self.certificates = certificates
        self.process = None
        self.root = None
        self.ports = {}

    # ---- what subclasses fill in

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def sockets(self):
        """Paths of Unix sockets that must answer before the server counts as started."""
        return ()

    # ---- the private folder

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)      # a hard link into the cache: never written through
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def mkdir(self, inside, uid=0, gid=0, mode=0o755):
        path = self.path(inside)
        os.makedirs(path, exist_ok=True)
        os.chown(path, uid, gid)
        os.chmod(path, mode)

    def read_log(self):
        text = ""
        for path in sorted(glob.glob(self.path("/var/log/**"), recursive=True)):
            if os.path.isfile(path):
                with open(path, errors="replace") as f:
                    text += "---- %s\n%s" % (path, f.read())
        return text

    def make_root(self):
        Server._count += 1
        runs = os.path.join(os.path.dirname(self.source), "run")
        os.makedirs(runs, exist_ok=True)
        sweep(runs)
        self.root = os.path.join(runs, "%s.%d.%d" % (self.name, os.getpid(), Server._count))
        subprocess.run(["cp", "-al", self.source, self.root], check=True)
        self.make_devices()
        self.make_etc()
        self.mkdir("/var/mail", MAIL_UID, MAIL_UID)
        for user in USERS:
            self.mkdir("/var/mail/" + user, MAIL_UID, MAIL_UID, 0o700)

    def make_devices(self):
        for device, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
            path = self.path("/dev/" + device)
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
                os.chmod(path, 0o666)
                open(path, "rb").close()
            except OSError as why:
                raise Skip("no device files may be made or used in %s (%s)" % (self.root, why))

    def make_etc(self):
        users = [("root", 0), ("nobody", 65534), ("vmail", MAIL_UID)] + list(self.accounts)
        self.write("/etc/passwd", "".join(
            "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (user, uid, uid)
            for user, uid in users))
        self.write("/etc/group", "".join(
            "%s:x:%d:\n" % user for user in users) + "mail:x:8:\nnogroup:x:65533:\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        self.write("/etc/hosts", "127.0.0.1 localhost %s\n" % HOSTNAME)
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("/etc/mailname", DOMAIN + "\n")
        for name, source, mode in (("server.crt", self.certificate + ".crt", 0o644),
                                   ("server.key", self.certificate + ".key", 0o600),
                                   ("ca.crt", "ca.crt", 0o644),
                                   ("certs/ca-certificates.crt", "ca.crt", 0o644)):
            with open(os.path.join(self.certificates.folder, source)) as f:
                self.write("/etc/ssl/" + name, f.read(), mode)

    # ---- the process

    def start(self):
        self.make_root()
        for attempt in range(3):
            self.ports = {name: free_port() for name in self.port_names}
            self.configure()
            self.launch()
            if self.wait_ready():
                return self
            self.end_processes()         # somebody took a port in between: again with others
        log = self.read_log()
        self.stop()
        raise RuntimeError("%s does not start:\n%s" % (self.name, log[-4000:]))

    def launch(self):
        root = self.root

        def enter():
            os.chroot(root)
            os.chdir("/")
            die_with_parent()

        self.mkdir("/var/log")
        with open(self.path("/var/log/output"), "ab") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
                preexec_fn=enter, start_new_session=True)

    def wait_ready(self):
        def answers():
            if self.process.poll() is not None:
                return "ended"
            return "ready" if all(map(can_connect, self.addresses())) else None
        try:
            return wait_for(self.name, answers, START_SECONDS) == "ready"
        except TimeoutError:
            return False

    def addresses(self):
        return [("127.0.0.1", port) for port in self.ports.values()] + \
               [self.path(inside) for inside in self.sockets()]

    def pids(self):
        """Every process that runs inside the private folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                root = os.readlink("/proc/%s/root" % pid)
            except OSError:
                continue
            if root == self.root or root.startswith(self.root + "/"):
                found.append(int(pid))
        return found

    def end_processes(self):
        for number, seconds in ((signal.SIGTERM, 1), (signal.SIGKILL, STOP_SECONDS)):
            for pid in self.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            try:
                wait_for("the end of " + self.name, lambda: self.reap() and not self.pids(),
                         seconds)
                break
            except TimeoutError:
                continue
        self.process = None

    def reap(self):
        return self.process is None or self.process.poll() is not None

    def stop(self):
        if self.root is None:
            return
        self.end_processes()
        if os.environ.get("LW_KEEP"):
            print("kept: " + self.root, file=sys.stderr)
        else:
            shutil.rmtree(self.root, ignore_errors=True)
        self.root = None

    # ---- what arrived

    def mail_files(self, user):
        """Delivered messages, oldest first (Maildir new/ and cur/)."""
        base = self.path("/var/mail/" + user)
        files = glob.glob(base + "/new/*") + glob.glob(base + "/cur/*")
        return sorted(files, key=lambda path: (os.stat(path).st_mtime_ns, path))

    def take_mail(self, user, count=1, seconds=30):
        """Wait for count messages, remove them, give their octets."""
        def arrived():
            files = self.mail_files(user)
            return files if len(files) >= count else None
        try:
            files = wait_for("%d messages of %s" % (count, user), arrived, seconds)
        except TimeoutError as why:
            raise TimeoutError("%s; has %d\n%s" % (why, len(self.mail_files(user)),
                                                   self.read_log()[-4000:]))
        messages = []
        for path in files:
            with open(path, "rb") as f:
                messages.append(f.read())
            os.unlink(path)
        return messages

    def wait_delivered(self, seconds):
        """Wait until the server has nothing left to deliver."""
        def is_empty():
            return not any(files for folder in self.queue
                           for _, _, files in os.walk(self.path(folder)))
        assert self.queue, "where does %s keep its queue?" % self.name
        try:
            wait_for("an empty queue of " + self.name, is_empty, seconds)
        except TimeoutError as why:
            raise TimeoutError("%s\n%s" % (why, self.read_log()[-4000:]))

    def clear_mail(self):
        for user in USERS:
            for path in self.mail_files(user):
                os.unlink(path)


def can_connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        try:
            if family == socket.AF_UNIX:
                with short_path(address) as short:
                    s.connect(short)
            else:
                s.connect(address)
        except OSError:
            return False
        return True


class short_path:
    """A Unix socket's path has at most 107 octets: reach it through /proc/self/fd/N."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.fd = os.open(os.path.dirname(self.path), os.O_PATH)
        return "/proc/self/fd/%d/%s" % (self.fd, os.path.basename(self.path))

    def __exit__(self, *_):
        os.close(self.fd)


def sweep(runs):
    """Remove private folders whose test has died without cleaning up."""
    for name in os.listdir(runs):
        owner = name.split(".")[1]
        if not os.path.exists("/proc/" + owner):
            shutil.rmtree(os.path.join(runs, name), ignore_errors=True)


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Certificates:
    """A throw-away authority, a server's certificate and a client's (CN=ann)."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = os.path.join(folder, "ca.crt")
        self.client_cert = os.path.join(folder, "client.crt")
        self.client_key = os.path.join(folder, "client.key")
        self.openssl("req", "-x509", *self.new_key("ca", EC), "-days", "2",
                     "-subj", "/CN=Interop test authority", "-out", self.ca)
        server = ("subjectAltName=DNS:localhost,DNS:%s,IP:127.0.0.1\n"
                  "extendedKeyUsage=serverAuth\n" % HOSTNAME)
        self.issue("server", "/CN=" + HOSTNAME, server)
        self.issue("server-rsa", "/CN=" + HOSTNAME, server, ("rsa:2048",))
        self.issue("client", "/CN=ann", "extendedKeyUsage=clientAuth\n")

    def openssl(self, *args):
        try:
            subprocess.run(("openssl",) + args, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise Skip("no openssl command to make certificates with")

    def new_key(self, name, kind):
        return ("-newkey",) + kind + ("-nodes", "-keyout",
                                      os.path.join(self.folder, name + ".key"))

    def issue(self, name, subject, extensions, kind=EC):
        base = os.path.join(self.folder, name)
        with open(base + ".ext", "w") as f:
            f.write("basicConstraints=CA:FALSE\n" + extensions)
        self.openssl("req", "-new", *self.new_key(name, kind), "-subj", subject, "-out", base + ".csr")
        self.openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca,
                     "-CAkey", os.path.join(self.folder, "ca.key"), "-CAcreateserial",
                     "-days", "2", "-extfile", base + ".ext", "-out", base + ".crt")
