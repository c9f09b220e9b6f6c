"""Ends what a run of the tests started and could not end itself, after ``kill -9`` or a crash.

It is a process of its own that reads from a pipe what there is to end: ``+ process 123``,
``+ group 123``, ``+ folder /tmp/x``, and the same with ``-`` when the run has ended it. The pipe
closes when the run is over, however it came to that; what is left then is ended.
"""

import os
import shutil
import signal
import sys


def end(what):
    kind, _, name = what.partition(" ")
    try:
        if kind == "process":
            os.kill(int(name), signal.SIGKILL)
        elif kind == "group":
            os.killpg(int(name), signal.SIGKILL)
        elif kind == "folder":
            shutil.rmtree(name, ignore_errors=True)
    except OSError:
        pass  # it has ended meanwhile


def main():
    # What interrupts the run must not end its guard.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = []
    for line in sys.stdin:
        sign, _, what = line.rstrip("\n").partition(" ")
        if sign == "+":
            left.append(what)
        elif what in left:
            left.remove(what)
    for what in sorted(left, key=lambda item: item.startswith("folder")):
        end(what)


if __name__ == "__main__":
    main()
