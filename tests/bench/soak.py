"""Mixed load for half an hour.

``python tests/bench/soak.py [--minutes 30]``, standard library alone.

Small GETs, 64 MiB bodies both ways, clients that leave in the middle, a node that dies and comes
back, ``/metrics``, the status and page loads, side by side. Prints the frontend's memory,
descriptors and threads as time goes by, and every error that the load did not ask for.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Iterator

from bench import HERE, MIB, ROOT, SMALL

BODY = 64  # MiB
LIFE = 4.0  # seconds that the mortal node lives, and is dead
SAMPLE = 30.0  # seconds between two looks at the process
PAUSES = {
    "small": 0.002,
    "download": 1.5,
    "upload": 1.5,
    "abort": 0.2,
    "mortal": 0.05,
    "metrics": 1.0,
    "page": 1.0,
    "status": 0.5,
}


def page_files() -> Iterator[str]:
    """The paths that a load of the dashboard asks for: the page, its style, its modules."""
    yield from ("/", "/favicon.ico", "/static/style.css")
    scripts = os.path.join(ROOT, "static", "js")
    for folder, _, names in os.walk(scripts):
        relative = os.path.relpath(folder, os.path.join(ROOT, "static"))
        for name in sorted(names):
            if name.endswith(".js"):
                yield "/static/%s/%s" % (relative.replace(os.sep, "/"), name)


FILES = tuple(page_files())


class Soak:
    """The servers, the loads and what they saw.

    ``counts`` and ``errors`` are guarded by ``lock``.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.stack, self.lock = stack, threading.Lock()
        self.counts: collections.Counter = collections.Counter()
        self.errors: collections.Counter = collections.Counter()
        self.stopped = threading.Event()
        self.folder = tempfile.mkdtemp(prefix="lf-soak-", dir="/tmp")
        stack.callback(shutil.rmtree, self.folder, True)
        self.unix = os.path.join(self.folder, "a.sock")
        self.mortal_path = os.path.join(self.folder, "mortal.sock")
        self.node_port = int(self.start_node(self.unix)[1])
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        command = [
            sys.executable,
            os.path.join(ROOT, "lmcache_frontend.py"),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        command += [
            "--poll-interval",
            "2",
            "--node",
            "tcp=127.0.0.1:%d" % self.node_port,
            "--node",
            "uds=" + self.unix,
        ]
        command += ["--node", "mortal=" + self.mortal_path, "--history", "5"]
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        stack.callback(self.process.wait)
        stack.callback(self.process.terminate)
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            time.sleep(0.05)

    def start_node(self, path: str) -> tuple:
        command = [sys.executable, os.path.join(HERE, "bench.py"), "--role", "node", path]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process, process.stdout.readline()  # type: ignore[union-attr]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    # -- the loads; each returns what happened in a word, "" when all was well

    def small(self, connection: http.client.HTTPConnection, number: int) -> str:
        connection.request("GET", "/proxy2/%s/x" % ("tcp", "uds")[number % 2])
        answer = connection.getresponse()
        body = answer.read()
        return (
            ""
            if (answer.status, body) == (200, SMALL)
            else "small: %d, %d bytes" % (answer.status, len(body))
        )

    def download(self, connection: http.client.HTTPConnection, number: int) -> str:
        connection.request("GET", "/proxy2/%s/large?%d" % (("tcp", "uds")[number % 2], BODY))
        answer = connection.getresponse()
        digest = hashlib.sha1()
        while True:
            piece = answer.read(MIB)
            if not piece:
                break
            digest.update(piece)
        return "" if digest.hexdigest() == self.expected else "download: wrong bytes"

    def upload(self, connection: http.client.HTTPConnection, number: int) -> str:
        block = bytes(MIB)
        connection.putrequest("POST", "/proxy2/%s/sink" % ("tcp", "uds")[number % 2])
        connection.putheader("Content-Length", str(BODY * MIB))
        connection.endheaders()
        for _ in range(BODY):
            connection.send(block)
        answer = connection.getresponse()
        return "" if answer.read() == b"ok" else "upload: %d" % answer.status

    def abort(self, connection: http.client.HTTPConnection, number: int) -> str:
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            kind = number % 4
            if kind == 0:
                sock.sendall(b"GET /proxy2/tcp/large?64 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                sock.recv(random.randrange(1, 3 * MIB))
            elif kind == 1:
                sock.sendall(
                    b"POST /proxy2/uds/sink HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Length: 9999999\r\n\r\n" + bytes(100_000)
                )
            elif kind == 2:
                sock.sendall(b"GET /proxy2/tcp/x HTTP/1.1\r\nHo")
            else:
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return ""

    def mortal(self, connection: http.client.HTTPConnection, number: int) -> str:
        connection.request("GET", "/proxy2/mortal/x")
        answer = connection.getresponse()
        answer.read()
        self.counts["mortal %d" % answer.status] += 1
        return "" if answer.status in (200, 502) else "mortal: %d" % answer.status

    def metrics(self, connection: http.client.HTTPConnection, number: int) -> str:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read()
        good = (
            answer.status == 200
            and b'node="tcp"' in body
            and b'lmcache_frontend_node_up{node="mortal"}' in body
        )
        return "" if good else "metrics: %d, %d bytes" % (answer.status, len(body))

    def page(self, connection: http.client.HTTPConnection, number: int) -> str:
        for path in FILES:
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or not body:
                return "page: %s %d" % (path, answer.status)
        return ""

    def status(self, connection: http.client.HTTPConnection, number: int) -> str:
        connection.request("GET", "/api/status")
        answer = connection.getresponse()
        return "" if b'"counts"' in answer.read() else "status: %d" % answer.status

    def run_load(self, name: str) -> None:
        """One client that repeats one load until the end."""
        load, number = getattr(self, name), 0
        connection = self.connect()
        while not self.stopped.wait(PAUSES[name]):
            number += 1
            try:
                error = load(connection, number)
            except (OSError, http.client.HTTPException) as caught:
                error = "%s: %s: %s" % (name, type(caught).__name__, caught)
                connection.close()
            with self.lock:
                self.counts[name] += 1
                if error:
                    self.errors[error] += 1
        connection.close()

    def run_mortal_node(self) -> None:
        """Let a node die (killed, in the middle of whatever it does) and come back."""
        while not self.stopped.is_set():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.mortal_path)
            process, _ = self.start_node(self.mortal_path)
            self.stopped.wait(LIFE)
            process.kill()
            process.wait()
            self.stopped.wait(LIFE)

    def sample(self) -> tuple:
        """(resident MiB, descriptors, threads) of the frontend; Linux only."""
        with open("/proc/%d/status" % self.process.pid) as file:
            fields = dict(line.split(":", 1) for line in file)
        return (
            int(fields["VmRSS"].split()[0]) / 1024,
            len(os.listdir("/proc/%d/fd" % self.process.pid)),
            int(fields["Threads"]),
        )

    def run(self, minutes: float) -> None:
        digest = hashlib.sha1()
        for _ in range(BODY):
            digest.update(bytes(MIB))
        self.expected = digest.hexdigest()
        threads = [
            threading.Thread(target=self.run_load, args=(name,))
            for name in [*PAUSES, "small", "small"]
        ]
        threads.append(threading.Thread(target=self.run_mortal_node))
        for thread in threads:
            thread.start()
        started = time.monotonic()
        print(
            "%8s %9s %6s %8s %9s %7s"
            % ("minute", "RSS MiB", "fds", "threads", "requests", "errors")
        )
        while time.monotonic() - started < minutes * 60 and self.process.poll() is None:
            self.stopped.wait(min(SAMPLE, minutes * 10))
            with self.lock:
                counted, wrong = (
                    sum(self.counts[name] for name in PAUSES),
                    sum(self.errors.values()),
                )
            print(
                "%8.1f %9.1f %6d %8d %9d %7d"
                % ((time.monotonic() - started) / 60, *self.sample(), counted, wrong),
                flush=True,
            )
        self.stopped.set()
        for thread in threads:
            thread.join()
        print("load:", ", ".join("%s %d" % item for item in sorted(self.counts.items())))
        for error, count in self.errors.most_common(20):
            print("ERROR %d x %s" % (count, error))
        self.log.seek(0)
        said = [line for line in self.log.read().decode().splitlines() if "alert" not in line]
        print("the frontend said:", *said[:20], sep="\n  ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        Soak(stack).run(options.minutes)


if __name__ == "__main__":
    main()
