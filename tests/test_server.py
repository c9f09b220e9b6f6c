"""The server itself: HTTP/1.1 rules, limits, our own routes, static files."""

import contextlib
import ctypes
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from support.frontend import PROGRAM, receive, run, status_of, wait_for


GET = b"GET /proxy2/w0/echo HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /proxy2/w0/echo HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BAD_REQUESTS = {
    "both lengths": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "length with underscore": POST + b"Content-Length: 1_0\r\n\r\nhellohello",
    "chunked twice": POST + CHUNKED * 2 + b"\r\n0\r\n\r\n",
    "bad chunk size": POST + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "chunk too short": POST + CHUNKED + b"\r\n3\r\nhello\r\n0\r\n\r\n",
    "bare LF": b"GET /proxy2/w0/echo HTTP/1.1\nHost: localhost\n\n",
    "bare LF in a head": GET + b"X: 1\n\r\n\r\n",
    "bare CR in a head": GET + b"X: 1\r2\r\n\r\n",
    "NUL": GET + b"X: a\x00b\r\n\r\n",
    "space before colon": GET + b"X : 1\r\n\r\n",
    "folded line": GET + b"X: 1\r\n 2\r\n\r\n",
    "no Host": b"GET /proxy2/w0/echo HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: localhost\r\n\r\n",
    "space in target": b"GET /proxy2/w0/a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no name": GET + b": 1\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_an_ambiguous_request_is_refused_and_never_reaches_the_node(
    lasting_front, shared_node, name
):
    raw = lasting_front.raw(BAD_REQUESTS[name], until_close=True)
    assert status_of(raw) == 400 and b"Connection: close" in raw
    assert "detail" in json.loads(raw.partition(b"\r\n\r\n")[2])
    assert not [request for request in shared_node.requests if request.target.startswith("/echo")]


@pytest.mark.parametrize(
    "data,status",
    [
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"POST /api/nodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"FOO /health HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"TRACE /health HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ],
)
def test_limits_and_unknown_things_have_their_own_status(lasting_front, data, status):
    assert status_of(lasting_front.raw(data)) == status


@pytest.mark.parametrize(
    "data",
    [
        b"GET /health?" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 60000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 100 + b"\r\n",
        b"\r\nGET http://localhost/health HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_within_the_limits_is_served(lasting_front, data):
    assert status_of(lasting_front.raw(data)) == 200


def test_pipelined_requests_are_answered_in_order(lasting_front):
    raw = lasting_front.raw(
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nPOST /none HTTP/1.1\r\nHost: a\r\n"
        b"Content-Length: 3\r\n\r\nabc"
        b"GET /proxy2/w0/version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        until_close=True,
    )
    assert [part[:3] for part in raw.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


def test_a_head_may_arrive_byte_by_byte(lasting_front):
    with lasting_front.connect() as sock:
        for byte in b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_a_head_that_never_ends_is_cut_off_and_slows_nobody(front):
    with front.connect(timeout=20) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ")
        assert front.ask("/health").status == 200
        assert sock.recv(65536).startswith(b"HTTP/1.1 408")


def test_one_connection_too_many_gets_503_and_the_others_go_on(start, node):
    front = start("--node", "w0=" + node.address, "--max-connections", "5")
    held = [front.connect() for _ in range(5)]
    for sock in held:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    assert front.ask("/health").status == 503
    held.pop().close()
    wait_for(lambda: front.ask("/health").status == 200)
    for sock in held:
        sock.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_a_thousand_idle_connections_cost_no_thread(start):
    front = start()
    held = []
    for _ in range(500):
        sock = front.connect()
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        held.append(sock)
    assert all(sock.recv(65536).startswith(b"HTTP/1.1 200") for sock in held)
    assert len(os.listdir("/proc/%d/task" % front.process.pid)) < 12
    for sock in held:
        sock.close()


def test_requests_in_flight_finish_before_the_end(front, node):
    results = []
    thread = threading.Thread(target=lambda: results.append(front.ask("/proxy2/w0/hang")))
    thread.start()
    wait_for(lambda: node.requests)
    front.process.send_signal(signal.SIGTERM)
    wait_for(lambda: refused(front.port))
    node.release.set()
    thread.join()
    assert results[0].body == b"late"
    assert front.process.wait(10) == 0


def refused(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_sigint_ends_it_in_order_and_quietly(front):
    assert front.stop(signal.SIGINT) == 0
    assert "Traceback" not in front.output()


@pytest.mark.skipif(
    not os.path.isdir("/proc/self/task") or not hasattr(ctypes.CDLL(None), "tgkill"),
    reason="signals one thread of /proc",
)
def test_a_signal_that_another_thread_gets_while_the_main_thread_sleeps_ends_it_too(front):
    pid = front.process.pid

    def signalled():
        """a thread beside the main thread gets the signal"""
        others = sorted(
            int(thread) for thread in os.listdir("/proc/%d/task" % pid) if int(thread) != pid
        )
        return others and ctypes.CDLL(None).tgkill(pid, others[0], signal.SIGTERM) == 0

    wait_for(signalled)
    assert front.process.wait(10) == 0


@pytest.mark.parametrize(
    "head",
    (
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /health HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        b"GET /health?x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n"
        b"Connection: close\r\n\r\n",
    ),
)
def test_a_waiting_connection_is_answered_as_a_new_one(lasting_front, head):
    def lines_of(requests):
        """What comes back for the last request and for one after it, less its date."""
        with lasting_front.connect() as sock:
            for request in requests[:-1]:
                sock.sendall(request)
                receive(sock)
            sock.sendall(requests[-1])
            data = receive(sock)
            # Where the connection goes on, this is answered, and ends it.
            with contextlib.suppress(OSError):
                sock.sendall(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            data += receive(sock, until_close=True)
        return [line for line in data.split(b"\r\n") if not line.startswith(b"Date:")]

    assert lines_of([b"GET /health HTTP/1.1\r\nHost: first\r\n\r\n", head]) == lines_of([head])


def test_health_tells_the_service(lasting_front):
    answer = lasting_front.ask("/health")
    assert answer.json()["status"] == "healthy" and answer.json()["service"] == "lmcache-monitor"
    assert lasting_front.ask("/health", "HEAD").headers["content-length"] == str(len(answer.body))
    assert "GET" in lasting_front.ask("/health", "OPTIONS").headers["allow"]
    refused = lasting_front.ask("/health", "DELETE")
    assert refused.status == 405 and refused.headers["allow"] == "GET, HEAD, OPTIONS"


def test_static_files_have_entity_tags_and_are_compressed_when_accepted(lasting_front):
    plain = lasting_front.ask("/")
    assert (
        plain.status == 200
        and plain.headers["content-type"].startswith("text/html")
        and b"LMCache" in plain.body
    )
    assert "script-src 'self'" in plain.headers["content-security-policy"]
    assert plain.headers["cache-control"] == "no-cache"
    again = lasting_front.ask("/", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    packed = lasting_front.ask("/static/style.css", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == lasting_front.ask("/static/style.css").body


@pytest.mark.parametrize(
    "path",
    [
        "/static/../lmcache_frontend.py",
        "/static/..%2flmcache_frontend.py",
        "/static/%2e%2e/README.md",
        "/static//etc/passwd",
        "/static/js/../../pyproject.toml",
        "/static/",
        "/static/.hidden",
        "/static/style.css%00.js",
        "/lmcache_frontend.py",
    ],
)
def test_nothing_outside_static_is_served(lasting_front, path):
    raw = lasting_front.raw(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
    assert status_of(raw) == 404


def test_without_static_the_page_says_what_is_missing(start, node, tmp_path):
    program = tmp_path / "lmcache_frontend.py"
    program.write_bytes(open(PROGRAM, "rb").read())
    front = start("--node", "w<b>0=" + node.address, program=str(program))
    page = front.ask("/").body
    assert b"static" in page and b"w&lt;b&gt;0" in page and b"<b>" not in page
    assert front.ask("/proxy2/w%3Cb%3E0/version").status == 200


def test_it_listens_on_ipv6_and_ipv4(start, node):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    front = start("--node", "w0=" + node.address, host="::")
    assert front.ask("/health").status == 200
    with socket.create_connection(("::1", front.port)) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_it_listens_on_a_unix_socket(start, node):
    from conftest import short_socket_path

    path = short_socket_path()
    front = start("--uds", path, "--node", "w0=" + node.address, port=False, wait=False)
    wait_for(
        lambda: " at " + path in front.output()
    )  # the file is there a moment before anybody listens
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.sendall(b"GET /proxy2/w0/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"0.5.6" in receive(sock)
    assert front.stop() == 0 and not os.path.exists(path)


def test_the_access_log_is_written_at_level_info(start, node):
    front = start("--node", "w0=" + node.address, "--log-level", "info")
    front.ask("/proxy2/w0/version?x=1")
    wait_for(lambda: '"GET /proxy2/w0/version?x=1 HTTP/1.1" 200' in front.output())


@pytest.mark.parametrize(
    "options,status,words",
    [
        (["--port", "eighty"], 2, "--port"),
        (["--port", "70000"], 2, "--port"),
        (["--nodes", "[{"], 2, "--nodes is not JSON"),
        (["--nodes", '[{"name": "a", "host": "h"}]'], 2, "port is missing"),
        (["--nodes", '{"a": 1}'], 2, "not a list"),
        (["--config", "/no/such/file"], 2, "/no/such/file"),
        (["--node", "w0"], 2, "NAME="),
        (["--node", "w0=h:0"], 2, "port"),
        (["--node", "a=h:1", "--node", "a=h:2"], 2, "'a'"),
        (["--host", "203.0.113.1", "--port", "0"], 1, "cannot listen"),
        (["--uds", "/no/such/socket"], 1, "No such file or directory: choose another path"),
        (["--no-http"], 2, "--heartbeat-url"),
        (["--bogus"], 2, "--bogus"),
        (["--tls-cert", "/no/cert", "--port", "0"], 2, "/no/cert"),
    ],
)
def test_a_wrong_option_is_one_clear_line(options, status, words):
    code, output = run(*options)
    assert code == status and words in output and "Traceback" not in output


def test_a_port_in_use_is_one_clear_line(lasting_front):
    code, output = run("--host", "127.0.0.1", "--port", lasting_front.port)
    assert code == 1 and "in use" in output and len(output.strip().splitlines()) == 1


def test_options_come_from_the_environment_and_the_command_line_wins(node):
    env = {"LMCACHE_FRONTEND_NODES": "[{", "LMCACHE_FRONTEND_PORT": "0"}
    assert run(env=env) == (
        2,
        "lmcache_frontend: LMCACHE_FRONTEND_NODES is not JSON: Expecting property name enclosed "
        "in double quotes: line 1 column 3 (char 2)\n",
    )
    code, output = run("--port", "x", env=env)
    assert code == 2 and "'x'" in output


def test_a_slow_reader_slows_nobody(front, node):
    with front.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /proxy2/w0/bytes/50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: node.requests)
        started = time.monotonic()
        for _ in range(20):
            assert front.ask("/proxy2/w0/version").status == 200
        assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "line",
    [
        b"X:" + b" " * 60000 + b"\x01",
        b"a" * 60000,
        b"X: " + b"a" * 60000 + b"\x01",
        b"X: " + b"a " * 30000 + b"\x01",
    ],
    ids=["spaces", "no colon", "long value", "many words"],
)
def test_a_head_that_is_hard_to_read_costs_no_time(front, line):
    received = front.raw(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n", until_close=True, timeout=5
    )
    assert received.startswith(b"HTTP/1.1 400 ")


def test_bodies_that_do_not_arrive_hold_no_worker(front):
    waiting = [front.connect() for _ in range(80)]
    for sock in waiting:
        sock.sendall(b"GET /api/nodes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert front.ask("/api/nodes", timeout=5).status == 200
    for sock in waiting:
        sock.close()


def test_too_many_parameters_are_a_clear_400(front):
    answer = front.ask("/api/status?" + "a&" * 300)
    assert answer.status == 400 and "256" in answer.json()["detail"]


def test_a_figure_that_a_status_names_often_is_made_once(lasting_front):
    """Nobody makes the status slow by asking for the same a thousand times."""
    once = lasting_front.ask("/api/status?figures=listed")
    often = lasting_front.ask("/api/status?figures=" + ",".join(["listed"] * 1000))
    assert (often.status, often.headers["etag"]) == (200, once.headers["etag"])


INTERRUPTED = """
import os, signal, sys, threading
import lmcache_frontend as lf

ended = threading.Event()

class Server:
    registry = None
    shutdown = ended.set

lf.listen_to_signals(Server(), False)
with threading._active_limbo_lock:  # as while this thread starts another one
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit(0 if ended.wait(20) else "not shut down")
"""


def test_a_signal_that_interrupts_the_start_of_a_thread_ends_the_program_all_the_same():
    command = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(command, cwd=os.path.dirname(PROGRAM), timeout=60)
    assert ended.returncode == 0
