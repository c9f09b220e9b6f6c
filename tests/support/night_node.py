"""A worker as a process of its own: ``python night_node.py PORT VERSION RATE_FILE``.

Its counters grow with the time; RATE_FILE holds the hit rate of its lookups. ``POST /conf``
changes settings, as an operator would through the proxy.
"""

import http.server
import json
import sys
import time

TOKENS_PER_SECOND = 1000


class Worker:
    """What the worker counts and how it is configured."""

    def __init__(self, version, rate_file):
        self.version = version
        self.rate_file = rate_file
        self.conf = {"chunk_size": 256, "blocking_timeout_secs": 10, "api_token": "s3cret-of-conf"}
        self.last = time.monotonic()
        self.looked_up = 0.0
        self.hits = 0.0

    def metrics(self):
        now = time.monotonic()
        tokens, self.last = (now - self.last) * TOKENS_PER_SECOND, now
        with open(self.rate_file) as file:
            rate = float(file.read() or 0)
        self.looked_up += tokens
        self.hits += tokens * rate
        labels = '{model_name="m",role="worker",worker_id="0"}'
        lines = [
            "lmcache:num_lookup_tokens_total%s %f" % (labels, self.looked_up),
            "lmcache:num_lookup_hits_total%s %f" % (labels, self.hits),
            "lmcache:num_requested_tokens_total%s %f" % (labels, self.looked_up),
            "lmcache:num_hit_tokens_total%s %f" % (labels, self.hits),
        ]
        return "\n".join([*lines, ""]).encode()

    def answer(self, path):
        if path == "/metrics":
            return self.metrics()
        found = {"/version": self.version, "/conf": self.conf, "/meta": {"role": "worker"}}
        return json.dumps(found[path]).encode() if path in found else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    worker = None

    def do_GET(self):
        self.reply(self.worker.answer(self.path.split("?")[0]))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.worker.conf.update(json.loads(body))
        self.reply(b'{"status": "ok"}')

    def reply(self, body):
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass


def main():
    port, version, rate_file = sys.argv[1:]
    Handler.worker = Worker(version, rate_file)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
