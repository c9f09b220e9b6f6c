"""A short benchmark beside a plain proxy.

``python tests/bench/bench.py``, standard library alone, about a minute.

Everything is measured in one run, ours and a plain ``ThreadingHTTPServer`` + ``http.client`` proxy
in turn, so that the ratios hold on a noisy machine; the absolute figures are this machine's and
this minute's. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import io
import json
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, ROOT)
sys.path.insert(0, HERE)

MIB = 1 << 20
ROUNDS = 3  # in turn; the median counts
START_TIME = 30.0  # seconds that a server may take to answer first
SMALL = b"x" * 200
PAGE_NODES = (100, 1000)


# -- the servers, each in a process of its own


def exposition(node: int) -> bytes:
    """A page as a worker's: 40 families, two of them histograms, about 12 KiB.

    Values differ from node to node.
    """
    lines = []
    for family in range(38):
        lines += [
            "# HELP lmcache:metric_%d What metric %d counts" % (family, family),
            "# TYPE lmcache:metric_%d gauge" % family,
        ]
        lines += [
            'lmcache:metric_%d{model_name="m",role="worker",worker_id="%d"} %d.0'
            % (family, worker, node * family)
            for worker in range(2)
        ]
    for family in ("retrieve", "store"):
        lines += [
            "# HELP lmcache:time_to_%s Seconds" % family,
            "# TYPE lmcache:time_to_%s histogram" % family,
        ]
        for bound in [*(str(0.001 * 2**i) for i in range(20)), "+Inf"]:
            lines.append(
                'lmcache:time_to_%s_bucket{model_name="m",role="worker",le="%s"} %d.0'
                % (family, bound, node)
            )
        lines += [
            'lmcache:time_to_%s_%s{model_name="m",role="worker"} %d.0' % (family, part, node)
            for part in ("count", "sum")
        ]
    return ("\n".join(lines) + "\n").encode()


class Node:
    """A node for load: ``/metrics``, ``/large?MIB``, a sink for POST, and 200 bytes anywhere else.

    One thread answers what is small; a connection that asks for a large body gets a thread of its
    own.
    """

    PAGE = exposition(7)
    BLOCK = bytes(MIB)

    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path)
        for listener in (tcp, unix):
            listener.listen(1024)
            self.selector.register(listener, selectors.EVENT_READ, True)
        self.server_port = tcp.getsockname()[1]

    def serve_forever(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.data:
                    sock = key.fileobj.accept()[0]  # type: ignore[union-attr]
                    self.selector.register(sock, selectors.EVENT_READ, False)
                else:
                    self._serve(key.fileobj)  # type: ignore[arg-type]

    def _serve(self, sock: socket.socket) -> None:
        try:
            head = sock.recv(65536)
            if head.startswith((b"POST", b"GET /large")):
                self.selector.unregister(sock)
                threading.Thread(target=self._serve_large, args=(sock, head), daemon=True).start()
            elif head:
                body = self.PAGE if head.startswith(b"GET /metrics") else SMALL
                sock.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
        except OSError:
            head = b""
        if not head:
            self.selector.unregister(sock)
            sock.close()

    def _serve_large(self, sock: socket.socket, data: bytes) -> None:
        with sock, contextlib.suppress(OSError):
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, _, rest = data.partition(b"\r\n\r\n")
            if head.startswith(b"GET"):
                count = int(head.split()[1].partition(b"?")[2])
                sock.sendall(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                    % (count * MIB)
                )
                for _ in range(count):
                    sock.sendall(self.BLOCK)
                return
            left = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(rest)
            buffer = bytearray(MIB)
            while left > 0:
                left -= sock.recv_into(buffer) or left
            sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")


class PlainProxy(http.server.BaseHTTPRequestHandler):
    """What one writes first: a thread and a new connection for each request, bodies in pieces."""

    protocol_version = "HTTP/1.1"
    target = ("127.0.0.1", 0)

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def forward(self) -> None:
        connection = http.client.HTTPConnection(*self.target)
        length = int(self.headers.get("Content-Length") or 0)
        path = "/" + self.path.split("/", 3)[3] if self.path.startswith("/proxy2/") else self.path
        connection.putrequest(self.command, path, skip_accept_encoding=True)
        if length:
            connection.putheader("Content-Length", str(length))
        connection.endheaders()
        while length:
            piece = self.rfile.read(min(length, 64 * 1024))
            length -= len(piece)
            connection.send(piece)
        answer = connection.getresponse()
        self.send_response(answer.status)
        self.send_header("Content-Length", answer.getheader("Content-Length", "0"))
        self.end_headers()
        shutil.copyfileobj(answer, self.wfile)
        connection.close()

    do_GET = do_POST = forward

    def log_message(self, *args: object) -> None:
        pass


def serve_role(role: str, arguments: list) -> None:
    """Run one of the servers above in this process, for good."""
    if role == "node":
        server = Node(arguments[0])
    else:
        PlainProxy.target = ("127.0.0.1", int(arguments[0]))
        http.server.ThreadingHTTPServer.request_queue_size = 512
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), PlainProxy)
    print(server.server_port, flush=True)
    server.serve_forever()


# -- the load


def ask(port: int, path: str, count: int, connections: int, keep: bool = True) -> float:
    """Send ``count`` GETs over ``connections`` connections, one at a time on each.

    Returns requests a second.
    """
    request = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (
        path.encode(),
        b"" if keep else b"Connection: close\r\n",
    )
    selector = selectors.DefaultSelector()
    left, running = count, 0

    def begin() -> None:
        nonlocal left, running
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(request)
        selector.register(sock, selectors.EVENT_READ)
        left, running = left - 1, running + 1

    started = time.perf_counter()
    for _ in range(connections):
        begin()
    while running:
        for key, _ in selector.select():
            sock = key.fileobj
            data = sock.recv(65536)  # type: ignore[union-attr]
            if keep and not data.endswith(SMALL):
                assert data, "the connection was closed"
                continue
            if keep and left > 0:
                left -= 1
                sock.sendall(request)  # type: ignore[union-attr]
                continue
            if not keep and data:
                continue  # until the server closes
            selector.unregister(sock)
            sock.close()  # type: ignore[union-attr]
            running -= 1
            if not keep and left > 0:
                begin()
    return count / (time.perf_counter() - started)


def download(port: int, path: str) -> float:
    """Read one large body; returns MiB a second."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    answer = connection.getresponse()
    buffer, size = bytearray(MIB), 0
    while True:
        got = answer.readinto(buffer)
        if not got:
            break
        size += got
    connection.close()
    return size / MIB / (time.perf_counter() - started)


def upload(port: int, path: str, count: int) -> float:
    """Send one large body; returns MiB a second."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(count * MIB))
    connection.endheaders()
    for _ in range(count):
        connection.send(Node.BLOCK)
    assert connection.getresponse().read() == b"ok"
    connection.close()
    return count / (time.perf_counter() - started)


def seconds_of(call: object, *arguments: object) -> float:
    started = time.perf_counter()
    call(*arguments)  # type: ignore[operator]
    return time.perf_counter() - started


# -- the measurements


class Bench:
    """Starts the servers, measures, and keeps rows: (what, unit, ours, plain or None)."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.rows: list = []
        self.stack = stack
        folder = tempfile.mkdtemp(prefix="lf-bench-", dir="/tmp")
        stack.callback(shutil.rmtree, folder, True)
        self.socket = os.path.join(folder, "node.sock")
        self.node = int(self._start("node", self.socket))
        self.plain = int(self._start("plain", str(self.node)))
        nodes = [
            {"name": "tcp", "host": "127.0.0.1", "port": self.node},
            {"name": "uds", "host": "localhost", "port": self.socket},
        ]
        self.ours = self.frontend(nodes)

    def _start(self, role: str, *arguments: str) -> str:
        command = [sys.executable, os.path.abspath(__file__), "--role", role, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        return process.stdout.readline()  # type: ignore[union-attr]

    def frontend(self, nodes: list) -> int:
        """Start ours on a free port and return that when it answers."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        command = [
            sys.executable,
            os.path.join(ROOT, "lmcache_frontend.py"),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += ["--poll-interval", "0", "--nodes", json.dumps(nodes)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        deadline = time.monotonic() + START_TIME
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                return port
            time.sleep(0.01)
        raise SystemExit("the frontend did not start")

    def compare(self, what: str, unit: str, ours: object, plain: object = None) -> None:
        """Measure both in turn and keep the medians."""
        results: tuple = ([], [])
        for _ in range(ROUNDS):
            for call, found in ((ours, results[0]), (plain, results[1])):
                if call is not None:
                    found.append(call())  # type: ignore[operator]
        medians = [statistics.median(found) if found else None for found in results]
        self.rows.append((what, unit, *medians))
        print("  " + what, file=sys.stderr)

    def small(self) -> None:
        for connections, count in ((1, 800), (16, 3000), (64, 3000)):
            self.compare(
                "small GET, %d connections" % connections,
                "req/s",
                lambda: ask(self.ours, "/proxy2/tcp/small", count, connections),
                lambda: ask(self.plain, "/small", count // 4, connections),
            )
        self.compare(
            "small GET from a Unix socket, 16 connections",
            "req/s",
            lambda: ask(self.ours, "/proxy2/uds/small", 4000, 16),
        )
        self.compare(
            "small GET, a new connection for each",
            "req/s",
            lambda: ask(self.ours, "/proxy2/tcp/small", 1500, 16, False),
            lambda: ask(self.plain, "/small", 500, 16, False),
        )

    def large(self) -> None:
        self.compare(
            "download of 256 MiB",
            "MiB/s",
            lambda: download(self.ours, "/proxy2/tcp/large?256"),
            lambda: download(self.plain, "/large?256"),
        )
        self.compare(
            "upload of 256 MiB",
            "MiB/s",
            lambda: upload(self.ours, "/proxy2/tcp/sink", 256),
            lambda: upload(self.plain, "/sink", 256),
        )

    def merge(self) -> None:
        """The merge alone, then with its scrapes.

        Plain means the pages one after the other, unmerged.
        """
        from lmcache_frontend import ExpositionMerger

        def merge_pages(pages):
            merger = ExpositionMerger()
            for name, page in pages:
                merger.add(name, page)
            return merger.result()

        for count in PAGE_NODES:
            pages = [("node%d" % index, exposition(index)) for index in range(count)]
            self.compare(
                "merging %d expositions" % count,
                "ms",
                lambda: 1000 * seconds_of(merge_pages, pages),
            )
        for count in PAGE_NODES:
            port = self.frontend(
                [
                    {"name": "node%d" % index, "host": "127.0.0.1", "port": self.node}
                    for index in range(count)
                ]
            )

            def one_by_one() -> None:
                for _ in range(count):
                    fetch(self.plain, "/metrics")

            what = "/metrics of %d nodes" % count
            self.compare(
                what,
                "ms",
                lambda: 1000 * seconds_of(fetch, port, "/metrics"),
                lambda: 1000 * seconds_of(one_by_one),
            )

    def status(self) -> None:
        """The status document of 1,000 nodes that were polled once.

        Built anew, and as it is sent.
        """
        from lmcache_frontend import Monitor, NodeRegistry, parse_nodes

        registry = NodeRegistry()
        entries = [
            {"name": "node%d" % index, "host": "127.0.0.1", "port": self.node}
            for index in range(1000)
        ]
        registry.replace_source("nodes", parse_nodes(entries, "bench", "nodes"))
        monitor = Monitor(registry, interval=10, history_minutes=60)
        self.compare(
            "a round of polls of 1,000 nodes", "ms", lambda: 1000 * seconds_of(monitor.refresh)
        )

        def anew() -> float:
            monitor.refresh("node0")
            return 1000 * seconds_of(monitor.status_json)

        self.compare("status JSON of 1,000 nodes, after a change", "ms", anew)
        self.compare(
            "status JSON of 1,000 nodes, unchanged",
            "ms",
            lambda: 1000 * seconds_of(monitor.status_json),
        )

    def heads(self) -> None:
        """A browser's request head; plain is the standard library's parser."""
        from lmcache_frontend import parse_request_head

        fields = "".join("X-Field-%d: value %d\r\n" % (index, index) for index in range(8))
        text = (
            "GET /proxy2/w0/metrics?a=1 HTTP/1.1\r\nHost: localhost:8080\r\nAccept: */*\r\n"
            "User-Agent: bench\r\n" + fields
        ).encode()

        def ours() -> float:
            return 1e6 * seconds_of(lambda: [parse_request_head(text) for _ in range(2000)]) / 2000

        def plain() -> float:
            block = text.partition(b"\r\n")[2] + b"\r\n"
            return (
                1e6
                * seconds_of(
                    lambda: [http.client.parse_headers(io.BytesIO(block)) for _ in range(500)]
                )
                / 500
            )

        self.compare("parsing a request's head", "µs", ours, plain)

    def print_table(self) -> None:
        print("%-48s %-6s %10s %10s %8s" % ("", "", "ours", "plain", "ratio"))
        for what, unit, ours, plain in self.rows:
            ratio = "" if plain is None else "%.2f" % (ours / plain)
            print(
                "%-48s %-6s %10.4g %10s %8s"
                % (what, unit, ours, "" if plain is None else "%.4g" % plain, ratio)
            )


def fetch(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, answer.status
    return body


def main() -> None:
    parts = ("small", "large", "merge", "status", "heads")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", help="some of %s, comma-separated" % ",".join(parts), default=",".join(parts)
    )
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        return serve_role(options.role[0], options.role[1:])
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        for part in options.only.split(","):
            getattr(bench, part)()
        bench.print_table()


if __name__ == "__main__":
    main()
