# SPDX-License-Identifier: MIT
"""Where the programs are.  Each is looked for once; harness.Missing says why one cannot run."""
import functools
import os
import shutil
import subprocess
import sys

import harness
from harness import Missing

NODEMAILER = 'nodemailer@10.6.1'
PHPMAILER = '/usr/share/php/libphp-phpmailer/autoload.php'
PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable


class Tools:
    def __init__(self, build):
        self.build = build

    def ours(self, name):
        return harness.program(self.build, name)

    def letterwing(self):
        path = os.path.join(self.build, 'letterwing')
        if not os.path.exists(path):
            raise Missing('the command was not built (jansson)')
        return path

    @functools.lru_cache(maxsize=None)
    def found(self, command):
        path = shutil.which(command)
        if path is None:
            raise Missing('there is no command %s (tools/install-deps bench)' % command)
        return path

    def phpmailer(self):
        if not os.path.exists(PHPMAILER):
            raise Missing('there is no PHPMailer (libphp-phpmailer; tools/install-deps bench)')
        return [self.found('php'), harness.HERE + '/peers/phpmailer.php']

    @functools.lru_cache(maxsize=None)
    def fetched(self, tool, *what):
        done = subprocess.run([harness.TOP + '/tools/' + tool, *what], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Missing((done.stdout + done.stderr).strip().split('\n')[-1][-200:])
        return done.stdout.strip()

    def postfix(self, tool):
        return self.fetched('fetch-servers', '--path', tool)

    def nodemailer(self, script='nodemailer.js'):
        os.environ['NODE_PATH'] = self.fetched('fetch-npm', NODEMAILER)
        return [self.found('node'), harness.HERE + '/peers/' + script]

    def fetch_all(self):
        """What has to be downloaded, before anything is measured; the rows tell what is missing."""
        for fetch in (self.nodemailer, lambda: self.postfix('smtp-source'),
                      lambda: self.postfix('smtp-sink')):
            try:
                fetch()
            except Missing:
                pass
