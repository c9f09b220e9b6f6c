"""Processes that tests start: none outlives the run, however the run ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

GUARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guard.py")
lock = threading.Lock()  # guards the line that is being written
guard = None


def tell_guard(line):
    """Tell the guard what to end when this run no longer can (see ``guard.py``)."""
    global guard
    with lock:
        if guard is None:
            guard = subprocess.Popen(
                [sys.executable, "-S", GUARD], stdin=subprocess.PIPE, start_new_session=True
            )
        guard.stdin.write(line.encode() + b"\n")
        guard.stdin.flush()


class Process(subprocess.Popen):
    """A ``subprocess.Popen`` that ends with the run."""

    guarded = ""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.guarded = "process %d" % self.pid
        tell_guard("+ " + self.guarded)

    def poll(self):
        return self._forget_ended(super().poll())

    def wait(self, timeout=None):
        return self._forget_ended(super().wait(timeout))

    def _forget_ended(self, status):
        """Its number may be another process's soon: the guard must not end that one."""
        if status is not None and self.guarded:
            tell_guard("- " + self.guarded)
            self.guarded = ""
        return status


class ProcessGroup(subprocess.Popen):
    """A ``subprocess.Popen`` with a process group of its own, all of which ends with the run."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, start_new_session=True, **options)
        tell_guard("+ group %d" % self.pid)

    def end(self):
        """End it, in order if it goes within 10 s, and whatever is left of its group."""
        self.terminate()
        try:
            self.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass  # nothing is left
        self.wait()
        tell_guard("- group %d" % self.pid)


@contextlib.contextmanager
def temporary_folder(prefix):
    """A folder that is removed at the end, also when the run is killed meanwhile."""
    folder = tempfile.mkdtemp(prefix=prefix)
    tell_guard("+ folder " + folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        tell_guard("- folder " + folder)


def find_program(*names):
    """The path of the first of these programs that is installed.

    Without one the test is skipped; in CI, where all of them must be, it fails.
    """
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing("%s is not installed" % names[0])
    return path


def missing(reason):
    """Skip the test for something that is not installed, or fail in CI."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
