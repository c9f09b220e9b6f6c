"""What remembering costs a running frontend of many nodes: run twice, without and with a file.

    python tests/bench/memory.py [NODES] [SECONDS]

Prints the p50 and p99 of /health in the seconds around a minute's write and in all others, the
CPU of that write, and resident memory.
"""

import http.client
import http.server
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import lmcache_frontend as lf  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(os.path.dirname(os.path.dirname(HERE)), "lmcache_frontend.py")
AROUND = 4.0  # seconds of a minute from its second 0 on that belong to its write


class Fleet(http.server.BaseHTTPRequestHandler):
    """All nodes at once: a frontend whose children have figures that move."""

    protocol_version = "HTTP/1.1"
    names = []

    def do_GET(self):
        number = int(time.time() * 10) % 100000
        page = PAGE.replace(b"%d", b"%d" % number)
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args):
        pass


PAGE = "".join(
    'lmcache:%s{model_name="m",role="worker",worker_id="0"} %%d\n' % name
    for name in """num_lookup_tokens_total num_lookup_hits_total num_requested_tokens_total
    num_hit_tokens_total num_stored_tokens_total num_lookup_requests_total
    num_retrieve_requests_total num_store_requests_total local_cpu_evict_count_total
    local_cpu_evict_failed_count_total num_slow_retrieval_by_time_total remote_ping_latency
    local_cache_usage remote_cache_usage local_storage_usage pinned_memory_objs_count
    kv_msg_queue_size lmcache_is_healthy""".split()
).encode()
for histogram in ("retrieve", "store", "lookup"):
    for bound in ("0.001", "0.01", "0.1", "1.0", "+Inf"):
        PAGE += b'lmcache:time_to_%b_bucket{le="%b",role="worker"} %%d\n' % (
            histogram.encode(),
            bound.encode(),
        )


def frontend(nodes, port, *options):
    """A frontend of many nodes, which are all served at one port."""
    entries = [
        {"name": "node%04d" % index, "host": "127.0.%d.%d" % divmod(index + 250, 250), "port": port}
        for index in range(nodes)
    ]
    listed = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(entries, listed)
    listed.flush()
    arguments = [sys.executable, PROGRAM, "--port", "0", "--host", "127.0.0.1"]
    arguments += ["--config", listed.name, *options]
    output = tempfile.TemporaryFile()
    process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT)
    for _ in range(600):
        output.seek(0)
        found = re.search(rb" at http://[^\s/]*:(\d+)/", output.read())
        if found:
            return process, int(found.group(1))
        time.sleep(0.05)
    raise SystemExit("the frontend did not start")


def cpu(process):
    """Seconds of CPU that a process took so far."""
    with open("/proc/%d/stat" % process.pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process):
    with open("/proc/%d/status" % process.pid) as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def percentile(values, part):
    return sorted(values)[int(len(values) * part)] * 1000 if values else float("nan")


def measure(nodes, port, seconds, *options):
    process, place = frontend(nodes, port, *options)
    try:
        around, other = [], []
        connection = http.client.HTTPConnection("127.0.0.1", place, timeout=10)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            connection.request("GET", "/health")
            connection.getresponse().read()
            took = time.monotonic() - began
            (around if time.time() % 60 < AROUND else other).append(took)
            time.sleep(0.005)
        print("options: %s" % (" ".join(options) or "none"))
        for name, values in (("around a minute's write", around), ("else", other)):
            found = (name, percentile(values, 0.5), percentile(values, 0.99), len(values))
            print("  /health %s: p50 %.2f ms, p99 %.2f ms (%d requests)" % found)
        connection.request("GET", "/metrics?node=node0000")
        text = connection.getresponse().read().decode()
        for line in text.split("\n"):
            if line.startswith("lmcache_frontend_history"):
                print("  " + line)
        print("  resident %.1f MiB, CPU in all %.1f s" % (resident(process), cpu(process)))
    finally:
        process.terminate()
        process.wait()


def write_a_minute(nodes):
    """CPU of a minute's write: the means of what memory has, and the transaction."""
    clock = lf.Clock()
    start = time.time()
    clock.wall = lambda: start + clock.monotonic()
    clock.monotonic = lambda: clock.now
    clock.now = 0.0
    registry = lf.NodeRegistry()
    entries = [
        {"name": "node%04d" % index, "host": "127.0.0.1", "port": index + 1}
        for index in range(nodes)
    ]
    registry.replace_source("nodes", lf.parse_nodes(entries, "", "nodes"))

    def ask(jobs, **options):
        body = PAGE.replace(b"%d", b"%d" % (1000 + 7 * clock.now))
        for job in jobs:
            if job is None:
                return
            yield job, lf.Reply(200, {}, [body], 0.01)

    with tempfile.TemporaryDirectory() as folder:
        file = lf.HistoryFile(os.path.join(folder, "history.db"))
        file.open()
        options = dict(interval=10.0, history_minutes=60.0, fetch=ask, clock=clock)
        monitor = lf.Monitor(registry, older=file.reader, **options)
        keeper = lf.HistoryKeeper(file, monitor)
        for _ in range(9):
            monitor.poll_once()
            clock.now += 10.0
        keeper.start()
        spent, began = time.process_time(), time.monotonic()
        keeper.stop()
        spent, took = time.process_time() - spent, time.monotonic() - began
        found = (nodes, spent * 1000, took * 1000)
        print("the first write of %d nodes (two minutes): %.0f ms of CPU, %.0f ms" % found)


def main():
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    http.server.ThreadingHTTPServer.request_queue_size = 1024
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Fleet)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    port = server.server_address[1]
    multiprocessing.Process(target=server.serve_forever, daemon=True).start()
    server.socket.close()
    write_a_minute(nodes)
    with tempfile.TemporaryDirectory() as folder:
        measure(nodes, port, seconds)
        measure(nodes, port, seconds, "--history-file", os.path.join(folder, "history.db"))


if __name__ == "__main__":
    main()
