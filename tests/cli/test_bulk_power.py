#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/cli/test_bulk_power.py - letterwing bulk when the power fails

The journal is on a file system of its own, on a loop device.  EXT4_IOC_SHUTDOWN stops that as a
power failure does: nothing that waits in memory is written any more.  It is mounted again, which
replays its own journal, and the campaign continues.  Needs root and a loop device.

The process is stopped meanwhile: of a sync that the shutdown overtakes, ext4 says that it went
well (it waits for no transaction, because none could be begun), and no process outlives a power
failure to believe that.
"""
import fcntl
import os
import random
import signal
import struct
import subprocess
import sys

import harness
from harness import PATIENCE, run
from test_bulk import BASIC, Bulk, CountingSink, start

LOSSES = int(os.environ.get('LW_POWER_LOSSES', '6'))
ROWS = 3000
# include/uapi/linux/ext4.h: _IOR('X', 125, __u32); 2: without flushing its log
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587d, 2


class Disk:
    """An ext4 file system in a file."""

    def __init__(self, folder):
        self.image = os.path.join(folder, 'disk.img')
        self.path = os.path.join(folder, 'disk')
        os.mkdir(self.path)
        with open(self.image, 'wb') as f:
            f.truncate(32 << 20)
        self.call('mkfs.ext4', '-q', '-F', self.image)
        self.mount()

    @staticmethod
    def call(*command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise OSError(f'{command[0]}: {done.stdout.strip()[-200:]}')

    def mount(self):
        self.call('mount', '-o', 'loop', self.image, self.path)

    def fail(self):
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack('I', NOLOGFLUSH))
        finally:
            os.close(fd)

    def unmount(self):
        self.call('umount', self.path)


def why_not(folder):
    """Why there can be no such disk here; None = there can."""
    if os.geteuid() != 0:
        return 'a loop device needs root'
    try:
        disk = Disk(folder)
        disk.fail()
        disk.unmount()
    except OSError as error:
        return f'no ext4 file system on a loop device: {error}'
    return None


class PowerLoss(Bulk):
    def setUp(self):
        super().setUp()
        self.disk = Disk(self.folder.name)
        self.addCleanup(self.disk.unmount)
        self.people = self.list(ROWS)
        self.args = ['--list', self.people, *BASIC, '--journal',
                     os.path.join(self.disk.path, 'j'), '--json']

    def lose_power(self, sink, after, is_killed):
        """Runs until so many octets came to the sink; was it cut short?"""
        size = os.path.getsize(sink.path) + after
        process = start('--via', sink.url, *self.args)
        while os.path.getsize(sink.path) < size and process.poll() is None:
            os.sched_yield()
        if process.returncode is None:
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.disk.fail()
        process.send_signal(signal.SIGKILL if is_killed else signal.SIGCONT)
        _, err = process.communicate(timeout=PATIENCE)
        self.disk.unmount()
        self.disk.mount()
        if process.returncode in (0, 75): # it was through; 75: rows of earlier losses are uncertain
            return False
        if not is_killed:
            self.assertEqual(process.returncode, 74, err)
            self.assertIn(b'journal', err)
        return True

    def check(self, is_killed):
        """Until all rows went out; each time what the disk kept must be enough to go on."""
        seed, losses = random.Random(is_killed), 0
        with CountingSink(self.folder.name) as sink:
            while losses < LOSSES and self.lose_power(sink, seed.randrange(1, 250000), is_killed):
                losses += 1
            failed = self.path('uncertain.csv')
            run('bulk', '--via', sink.url, *self.args, '--failures', failed)
            uncertain = {r['address'] for r in self.failures(failed)}
            again = run('bulk', '--via', sink.url, *self.args, '--resend-uncertain')
            self.assertEqual((again.code, again.json['accepted']), (0, len(uncertain)), again)
            count = sink.accepted()
        self.assertGreater(losses, 0)
        self.assertEqual(len(count), ROWS, 'lost')
        for address, times in count.items():
            self.assertLessEqual(times, 2 if address in uncertain else 1, address)
        # 4 connections with a window of 8: so many can be on their way
        self.assertLessEqual(len(uncertain), 64 * losses)
        print(f'# {losses} losses of power, {len(uncertain)} rows uncertain', file=sys.stderr)

    def test_with_all_processes_nothing_is_lost_and_nothing_sent_twice(self):
        self.check(True)

    def test_of_the_disk_alone_the_run_ends_in_order(self):
        self.check(False)


if __name__ == '__main__':
    with harness.tempfile.TemporaryDirectory(prefix='lw-power-') as first:
        reason = why_not(first)
    if reason is not None:
        print(f'skipped: {reason}')
        sys.exit(77)
    harness.main()
