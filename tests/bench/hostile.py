#!/usr/bin/env python3
"""What one hostile node of fifty costs the clients of a frontend; asserts nothing about time.

    python tests/bench/hostile.py [--seconds 8] [--only NAME]

For each hostile input, a frontend that polls every second has 49 nodes with an ordinary page and
one that serves the input. Prints p50, p99 and the slowest of /health and /api/status as another
client sees them, and how much the resident memory grew over a run with fifty ordinary nodes.
"""

import argparse
import contextlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from support.frontend import Frontend, wait_for  # noqa: E402

MIB = 1 << 20
NODES = 50
PAGE = b"".join(
    b"# HELP lmcache:metric_%d A counter\n# TYPE lmcache:metric_%d counter\n"
    b'lmcache:metric_%d{worker_id="0",role="worker",model_name="m"} %d.0\n' % (n, n, n, n)
    for n in range(400)
)
METRICS = {
    "ordinary": PAGE,
    "spaces in braces": b"lmcache:x{" + b" " * 65000 + b"\n",
    "letters in braces": b"lmcache:x{" + b"a" * 65000 + b"\n",
    "quotes in braces": b"lmcache:x{" + b'a="\\' * 16000 + b"\n",
    "many labels": b"lmcache:x{" + b'a="b",' * 10000 + b"} 1\n",
    "long number": b"lmcache:x " + b"1" * 64000 + b"z\n",
    "newlines, 30 MiB": b"\n" * (30 * MIB),
    "comments, 30 MiB": b"# \n" * (10 * MIB),
    "one line, 30 MiB": b"a" * (30 * MIB),
    "samples, 30 MiB": b"lmcache:num_hit_tokens_total 1\n" * MIB,
    "long lines, 30 MiB": (b'lmcache:x{a="%b"} 1\n' % (b"a" * 4000)) * 7800,
    "families, 30 MiB": b"".join(b"lmcache:f%d 1\n" % n for n in range(1_700_000)),
}
DOCUMENTS = {
    "JSON of empty objects, 30 MiB": b"[" + b"{}," * (10 * MIB) + b"{}]",
    "JSON of empty objects, 7.9 MiB": b"[" + b"{}," * 2_750_000 + b"{}]",
    "JSON of 290,000 members": b"{%b}" % b",".join(b'"a%d":{}' % n for n in range(290_000)),
    "JSON of empty objects, 1 MiB": b"[" + b"{}," * (MIB // 3 - 10) + b"{}]",
    "JSON nested 500,000 deep": b"[" * 500_000,
    "JSON number of 1,000,000 digits": b"1" * 1_000_000,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pages = {"metrics": PAGE, "document": b'{"role": "worker"}'}

    def do_GET(self):
        body = self.pages["metrics" if self.path.startswith("/metrics") else "document"]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve(name):
    """Be the nodes: an ordinary one, and the hostile one; in a process of its own."""
    ordinary = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pages = {"metrics": METRICS.get(name, PAGE), "document": DOCUMENTS.get(name, b"{}")}
    hostile_handler = type("Hostile", (Handler,), {"pages": pages})
    hostile = http.server.ThreadingHTTPServer(("127.0.0.1", 0), hostile_handler)
    threading.Thread(target=hostile.serve_forever, daemon=True).start()
    print(ordinary.server_port, hostile.server_port, flush=True)
    ordinary.serve_forever()


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def watch(front, path, seconds, times):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        front.ask(path, timeout=60)
        times.append((time.monotonic() - started) * 1000)
        time.sleep(0.01)


def measure(name, seconds):
    command = [sys.executable, __file__, "--serve", name]
    nodes = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ordinary, hostile = map(int, nodes.stdout.readline().split())
        entries = []
        for number in range(NODES):
            port = hostile if number == 7 else ordinary
            entries.append({"name": "n%d" % number, "host": "127.0.0.1", "port": port})
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(entries, file)
            file.flush()
            options = ("--port", "0", "--host", "127.0.0.1", "--poll-interval", "1")
            front = Frontend(*options, "--config", file.name, port=False)
            try:
                wait_for(lambda: front.ask("/api/status").json()["counts"]["unknown"] < NODES, 60)
                health, status = [], []
                both = (("/health", health), ("/api/status", status))
                threads = [
                    threading.Thread(target=watch, args=(front, path, seconds, times))
                    for path, times in both
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                return health, status, front.peak()
            finally:
                front.stop()
    finally:
        nodes.kill()
        nodes.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    print(
        "%-34s %24s %24s %9s"
        % ("input", "/health p50 p99 max ms", "/api/status p50 p99 max", "peak MiB")
    )
    base = None
    for name in [*METRICS, *DOCUMENTS]:
        if options.only not in name and name != "ordinary":
            continue
        health, status, peak = measure(name, options.seconds)
        base = peak if base is None else base
        cells = []
        for times in (health, status):
            figures = percentile(times, 0.5), percentile(times, 0.99), max(times)
            cells.append("%7.1f %7.1f %8.1f" % figures)
        print("%-34s %24s %24s %+9.0f" % (name, *cells, peak - base), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
