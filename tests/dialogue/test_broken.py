#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_broken.py RUNNER FOLDER - the runner fails where it must

Each script in the folder is wrong in one way; its line "# fails: TEXT" says which complaint it
must draw, and the runner must end with 1 (the engine differs) or 2 (the script is no script).
"""
import glob
import os
import re
import subprocess
import sys


def problem(runner, path):
    with open(path, encoding='utf-8') as f:
        wanted = re.search(r'^# fails: (.*)$', f.read(), re.M).group(1)
    done = subprocess.run([runner, path], capture_output=True, text=True, timeout=60)
    if done.returncode not in (1, 2):
        return f'the runner ends with {done.returncode}'
    if wanted not in done.stderr or os.path.basename(path) not in done.stderr:
        return f'"{wanted}" is not in: {done.stderr}'
    return None


def main():
    runner, folder = sys.argv[1:3]
    paths = sorted(glob.glob(os.path.join(folder, '*.smtp')))
    problems = [(os.path.basename(p), problem(runner, p)) for p in paths]
    problems = [(name, why) for name, why in problems if why]
    for name, why in problems:
        print(f'{name}: {why}')
    print(f'{len(paths) - len(problems)} of {len(paths)} broken scripts fail as they must')
    return 1 if problems or not paths else 0


if __name__ == '__main__':
    sys.exit(main())
