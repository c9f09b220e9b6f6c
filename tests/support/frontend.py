"""The frontend as users start it, and a client that sends exact bytes."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from support.processes import Process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "lmcache_frontend.py")
TOKEN = "test-token-123"
BYTECODE = tempfile.TemporaryDirectory(
    prefix="lf-bytecode-"
)  # what a start compiles the next one finds here


def wait_for(condition, seconds=20.0):
    """Wait until ``condition()`` is true and return its value; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited %g s for %s" % (
            seconds,
            getattr(condition, "__doc__", None) or condition,
        )
        time.sleep(0.01)


class Answer:
    """An answer: status, headers (lower-case names; a list of pairs in ``fields``) and body."""

    def __init__(self, response, body):
        self.status = response.status
        self.fields = [(name.lower(), value) for name, value in response.getheaders()]
        self.headers = dict(self.fields)
        self.body = body

    def json(self):
        return json.loads(self.body)


class Frontend:
    """``python -m lmcache_frontend --port 0 ...`` in its own process.

    With ``program`` it is ``python PROGRAM``, which is compiled at each start.
    """

    def __init__(
        self,
        *options,
        env=None,
        program=None,
        python=sys.executable,
        wait=True,
        host="127.0.0.1",
        port=True,
        prefix=(),
    ):
        self.output_file = tempfile.TemporaryFile()
        arguments = [*prefix, python, *([program] if program else ["-m", "lmcache_frontend"])]
        if port:
            arguments += ["--port", "0", "--host", host, "--token", TOKEN, "--poll-interval", "0"]
        arguments += list(map(str, options))
        environment = dict(
            os.environ, PYTHONUNBUFFERED="1", PYTHONPATH=ROOT, PYTHONPYCACHEPREFIX=BYTECODE.name
        )
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment.update(env or {})
        self.process = Process(
            arguments,
            stdout=self.output_file,
            stderr=subprocess.STDOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        self.port = 0
        if wait:
            try:
                self.port = int(wait_for(self._announced, 60).group(1))
            except BaseException:  # nobody has us yet who could end the process
                self.stop()
                raise

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def _announced(self):
        """the frontend says where it serves"""
        assert self.process.poll() is None, self.output()
        return re.search(r" at https?://[^\s/]*:(\d+)/", self.output())

    def output(self):
        # It writes where the file's place is, which reading must not move.
        written = self.output_file.fileno()
        return os.pread(written, os.fstat(written).st_size, 0).decode("utf-8", "replace")

    def stop(self, number=signal.SIGTERM):
        """End the process; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed"

    def connect(self, timeout=10):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, path, method="GET", body=None, headers=None, timeout=15):
        """Send one request and read its whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def foreign(self, path, method="GET", body=None, headers=None):
        """The same as a client on another host that came through a proxy."""
        return self.ask(
            path, method, body, dict(headers or {}, **{"X-Forwarded-For": "203.0.113.9"})
        )

    def raw(self, data, until_close=False, timeout=10):
        """Send exact bytes.

        Returns what comes back, up to the close or until the answers are complete.
        """
        with self.connect(timeout) as sock:
            sock.sendall(data)
            return receive(sock, until_close)

    def slowest(self, path="/health", seconds=2.0):
        """Ask for ``path`` on new connections for that long; the longest wait in seconds."""
        longest = 0.0
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            began = time.monotonic()
            assert self.ask(path).status == 200
            longest = max(longest, time.monotonic() - began)
        return longest

    def threads(self):
        """How many threads it has (Linux)."""
        return len(os.listdir("/proc/%d/task" % self.process.pid))

    def rss(self):
        """Resident memory in MiB (Linux)."""
        return self._status("VmRSS")

    def peak(self):
        """The most resident memory since the start or ``reset_peak``, in MiB (Linux)."""
        return self._status("VmHWM")

    def reset_peak(self):
        """Begin to watch for the most resident memory anew (Linux, see proc(5), clear_refs)."""
        with open("/proc/%d/clear_refs" % self.process.pid, "w") as file:
            file.write("5")

    def _status(self, key):
        with open("/proc/%d/status" % self.process.pid) as file:
            return int(re.search(key + r":\s+(\d+)", file.read()).group(1)) / 1024


def receive(sock, until_close=False):
    """What comes up to the close, or up to the end of one answer with a length."""
    received = b""
    while until_close or not complete(received):
        try:
            more = sock.recv(65536)
        except ConnectionResetError:
            break
        if not more:
            break
        received += more
    return received


def complete(data):
    """Tell whether ``data`` is one whole answer with a length."""
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length.group(1)))


def status_of(raw):
    """The status of the first answer in raw bytes, or None when there is none."""
    return int(raw.split(b" ")[1]) if raw.startswith(b"HTTP/1.1 ") else None


def statuses_of(raw):
    """The status of every answer in raw bytes, in order (no body may hold ``HTTP/1.1``)."""
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


def run(*arguments, env=None, timeout=60):
    """Run the program to its end; returns (exit status, what it printed)."""
    done = subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        env=dict(os.environ, **(env or {})),
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")
