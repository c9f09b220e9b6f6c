"""What clients and nodes may cost each other: slow ones, silent ones, many at once."""

import contextlib
import json
import os
import re
import select
import socket
import threading
import time

import pytest
from support.frontend import receive, run, status_of, wait_for
from support.nodes import NodeServer

import lmcache_frontend as lf

MIB = 1 << 20
# A worker that is held waits for BODY_TIMEOUT, 60 s, and so does one whose client's leaving is not
# noticed; a busy machine may make others wait a moment.
HELD_UP = 5.0  # seconds
LINGER = 2.0  # seconds that a refused client may go on sending
SHARE = 64  # requests that may wait for one node
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="reads /proc")


def get(target):
    return b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target.encode()


@pytest.fixture
def send(start):
    """Send bytes on connections of their own: ``send(front, data, count)``; the test ends them."""
    with contextlib.ExitStack() as opened:

        def begin(front, data, count=1):
            socks = [opened.enter_context(front.connect()) for _ in range(count)]
            for sock in socks:
                sock.sendall(data)
            return socks

        yield begin


@pytest.fixture
def nodes():
    """Four nodes."""
    with contextlib.ExitStack() as running:
        yield [running.enter_context(NodeServer()) for _ in range(4)]


def options_for(nodes):
    return [
        part
        for number, node in enumerate(nodes)
        for part in ("--node", "n%d=%s" % (number, node.address))
    ]


def hung(node):
    """How many requests wait for this node."""
    return len([request for request in node.requests if request.target == "/hang"])


# -- a client that takes more than its turn


def without_pause(sock, requests):
    """Send requests for ever and read the answers, in two threads."""

    def send():
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(requests)

    def read():
        with contextlib.suppress(OSError):
            while sock.recv(MIB):
                pass

    for work in (send, read):
        threading.Thread(target=work, daemon=True).start()


@pytest.mark.parametrize("path", ["/", "/health", "/api/nodes", "/proxy2/w0/version"])
def test_a_client_that_pipelines_without_pause_leaves_others_their_turn(front, send, path):
    (sock,) = send(front, b"")
    without_pause(sock, get(path) * 2000)
    waits = []
    for _ in range(15):
        began = time.monotonic()
        assert front.ask("/health").status == 200
        waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.3, waits
    sock.shutdown(socket.SHUT_RDWR)


@needs_proc
def test_clients_whose_heads_and_small_bodies_drip_hold_no_worker(front, send):
    before = front.threads()
    heads = send(front, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", 100)
    bodies = send(
        front,
        b"POST /api/nodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        100,
    )
    for _ in range(5):
        for sock in heads + bodies:
            sock.sendall(b" ")
        for path in ("/health", "/api/status", "/proxy2/w0/version"):
            assert front.ask(path, timeout=HELD_UP).status == 200
    assert front.threads() < before + 12
    for sock in heads:
        sock.sendall(b"1\r\n\r\n")
        assert status_of(receive(sock)) == 200
    for sock in bodies:
        sock.sendall(b" " * 94)
        assert status_of(receive(sock)) == 400


@pytest.mark.parametrize("size", [200_000, 2_000_000])
def test_a_refused_body_that_drips_gives_its_place_back(start, send, size):
    front = start("--max-connections", "10")
    request = b"POST /api/nodes HTTP/1.1\r\nHost: example.org\r\nContent-Length: %d\r\n\r\n{"
    senders = send(front, request % size, 10)

    def free():
        """a place is free"""
        for sock in senders:
            with contextlib.suppress(OSError):
                sock.send(b" ")
        with contextlib.suppress(OSError):
            return front.ask("/health").status == 200

    began = time.monotonic()
    wait_for(free)
    assert time.monotonic() - began < LINGER + HELD_UP


# -- clients that read slowly


PAGE_LINES = 4000
PAGE = b"# TYPE x_total counter\n" + b"".join(
    b'x_total{a="%0900d"} %d\n' % (number, number) for number in range(PAGE_LINES)
)


@pytest.fixture
def long_page(start):
    """A frontend whose /metrics has about 4 MB."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    with NodeServer() as node:
        node.exact["/metrics"] = answer % len(PAGE) + PAGE
        yield start("--node", "w0=" + node.address)


def slow_reader(front, path):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", front.port))
    sock.sendall(get(path))
    return sock


@needs_proc
def test_slow_readers_of_a_page_share_it_and_hold_up_nobody(long_page):
    for _ in range(2):  # what one scrape needs is part of the memory before
        assert len(long_page.ask("/metrics").body) > len(PAGE)
    before = long_page.peak()
    with contextlib.ExitStack() as opened:
        readers = [opened.enter_context(slow_reader(long_page, "/metrics")) for _ in range(40)]
        for sock in readers:
            assert sock.recv(1) == b"H"
            assert long_page.slowest(seconds=0.01) < HELD_UP
        for path in ("/", "/api/status", "/proxy2/w0/version", "/metrics"):
            assert long_page.ask(path, timeout=5).status == 200
        # A page is shared for a second only; forty copies would be 160 MiB.
        assert long_page.peak() < before + 100


@pytest.mark.slow
@pytest.mark.waits
def test_a_reader_that_drips_has_a_deadline_for_the_whole_answer(long_page):
    with slow_reader(long_page, "/metrics") as sock:
        began = time.monotonic()
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while True:
                more = sock.recv(64)
                if not more:
                    break
                received += more
                assert time.monotonic() - began < 180
                time.sleep(0.5)
        assert status_of(received) == 200 and len(received) < len(PAGE)


def test_clients_that_do_not_read_what_a_node_sends_hold_up_none_of_our_own_routes(front, send):
    with contextlib.ExitStack() as opened:
        for _ in range(SHARE + 6):
            opened.enter_context(slow_reader(front, "/proxy2/w0/bytes/50000000"))
        assert front.slowest(seconds=1) < HELD_UP
        assert front.ask("/api/status", timeout=5).status == 200


def test_uploads_that_drip_hold_up_none_of_our_own_routes(front, node, send):
    upload = b"POST /proxy2/w0/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
    socks = send(front, upload, SHARE + 6)
    for _ in range(3):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(b"x")
        assert front.ask("/health", timeout=HELD_UP).status == 200
        assert front.ask("/api/status", timeout=HELD_UP).status == 200


@pytest.mark.slow
def test_slow_clients_make_room_at_a_node_for_others(start, nodes, send):
    front = start("--max-requests", "6", *options_for(nodes))
    upload = b"POST /proxy2/n0/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
    socks = send(front, upload, 3)
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(slow_reader(front, "/proxy2/n0/bytes/50000000"))
        check_refused_at_once(front, "/proxy2/n0/version")

        def is_served():
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.sendall(b"x")
            return front.ask("/proxy2/n0/version").status == 200

        wait_for(is_served, lf.SLOW_CLIENT + 10)
        assert front.ask("/proxy2/n1/version").status == 200


# -- clients that leave


@pytest.mark.parametrize("path", ["/hang", "/quiet?chunked", "/quiet?length", "/quiet?close"])
def test_a_client_that_leaves_a_silent_node_is_noticed_at_once(front, node, send, path):
    (sock,) = send(front, get("/proxy2/w0" + path))
    if path == "/hang":
        wait_for(lambda: node.requests)
    else:
        received = b""
        while b"first" not in received:
            received += sock.recv(65536)
    assert not node.hung_up.is_set()
    sock.close()
    assert node.hung_up.wait(HELD_UP)


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="needs POLLRDHUP")
def test_a_client_that_pipelined_much_and_leaves_is_noticed_at_once(front, node, send):
    (sock,) = send(front, get("/proxy2/w0/hang") + get("/version") * 2000)
    wait_for(lambda: hung(node) == 1)
    sock.close()
    assert node.hung_up.wait(HELD_UP)


def test_clients_that_leave_together_are_all_noticed(front, node, send):
    socks = send(front, get("/proxy2/w0/hang"), 40)
    wait_for(lambda: hung(node) == 40)
    began = time.monotonic()
    for sock in socks:
        sock.close()
    wait_for(lambda: node.open_connections == 0)
    assert time.monotonic() - began < HELD_UP


def test_a_client_that_leaves_in_the_middle_of_an_upload_is_noticed_at_once(front, node, send):
    upload = b"POST /proxy2/w0/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
    (sock,) = send(front, upload)
    wait_for(lambda: node.requests)
    sock.close()
    began = time.monotonic()
    wait_for(lambda: node.open_connections == 0)
    assert time.monotonic() - began < HELD_UP


# -- nodes that hang


OWN_ROUTES = ["/health", "/", "/static/style.css", "/api/nodes", "/api/status", "/api/session"]


def check_refused_at_once(front, path):
    began = time.monotonic()
    answer = front.ask(path)
    assert time.monotonic() - began < HELD_UP
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert answer.json()["detail"]


def check_own_routes(front):
    for path in OWN_ROUTES:
        assert front.ask(path, timeout=HELD_UP).status == 200, path
    entry = {"name": "more", "host": "127.0.0.1", "port": 9}
    assert front.ask("/api/nodes", "POST", entry, timeout=HELD_UP).status == 200
    assert front.ask("/api/nodes/more", "DELETE", timeout=HELD_UP).status == 200


def test_nodes_that_hang_hold_no_more_requests_than_the_option_says(start, nodes, send):
    front = start("--max-requests", "6", *options_for(nodes))
    send(front, get("/proxy2/n0/hang"), 3)
    send(front, get("/proxy2/n1/hang"), 2)
    wait_for(lambda: hung(nodes[0]) + hung(nodes[1]) == 5)
    assert front.ask("/proxy2/n2/version").status == 200
    send(front, get("/proxy2/n1/hang"))
    wait_for(lambda: hung(nodes[1]) == 3)
    for path in ("/proxy2/n2/version", "/proxy2/n0/version"):
        check_refused_at_once(front, path)
    assert nodes[2].requests[1:] == []
    check_own_routes(front)
    nodes[0].release.set()
    wait_for(lambda: front.ask("/proxy2/n2/version").status == 200)


def test_a_node_that_hangs_holds_its_share_and_leaves_the_others_theirs(start, nodes, send):
    front = start(*options_for(nodes))
    send(front, get("/proxy2/n0/hang"), SHARE - 1)
    wait_for(lambda: hung(nodes[0]) == SHARE - 1)
    assert front.ask("/proxy2/n0/version").status == 200
    (last,) = send(front, get("/proxy2/n0/hang"))
    wait_for(lambda: hung(nodes[0]) == SHARE)
    check_refused_at_once(front, "/proxy2/n0/version")
    check_refused_at_once(front, "/proxy/127.0.0.1/%d/version" % nodes[0].port)
    assert front.ask("/proxy2/n1/version").status == 200
    check_own_routes(front)
    last.close()
    wait_for(lambda: front.ask("/proxy2/n0/version").status == 200)


@pytest.mark.slow
def test_four_nodes_that_hang_hold_256_requests_and_none_of_our_own_routes(start, nodes, send):
    with NodeServer() as well:
        front = start(*options_for([*nodes, well]))
        for number, node in enumerate(nodes):
            send(front, get("/proxy2/n%d/hang" % number), SHARE)
            wait_for(lambda node=node: hung(node) == SHARE)
        check_refused_at_once(front, "/proxy2/n4/version")
        check_own_routes(front)
        assert front.slowest(seconds=1) < HELD_UP
        for node in nodes:
            node.release.set()
        wait_for(lambda: front.ask("/proxy2/n4/version").status == 200)


def test_a_refused_request_with_a_body_ends_its_connection_in_order(start, nodes, send):
    front = start("--max-requests", "1", *options_for(nodes))
    send(front, get("/proxy2/n0/hang"))
    wait_for(lambda: hung(nodes[0]) == 1)
    body = b"x" * MIB
    request = b"POST /proxy2/n1/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    assert status_of(front.raw(request % len(body) + body)) == 503
    assert nodes[1].requests == []


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_of_requests_that_is_none_is_refused(value):
    code, output = run("--port", "0", "--max-requests", value)
    assert code == 2 and "--max-requests" in output and "Traceback" not in output


def test_refreshes_of_a_silent_frontend_share_one_question_and_hold_up_nobody(start, send):
    class Silent(NodeServer):
        def do_api(self, request):
            return self.do_hang(request)

    with Silent() as silent:
        proxy = {"name": "rack1", "host": "127.0.0.1", "port": silent.port, "nodes": []}
        front = start("--nodes", json.dumps([proxy]))
        send(front, get("/api/proxies/rack1/refresh"), 100)
        wait_for(lambda: silent.requests)
        assert front.slowest(seconds=1) < HELD_UP
        assert front.ask("/api/nodes", timeout=HELD_UP).status == 200
        assert len(silent.requests) <= 4


@pytest.mark.slow
def test_the_end_does_not_wait_for_nodes_that_hang(front, node, send):
    send(front, get("/proxy2/w0/hang"), 20)
    wait_for(lambda: hung(node) == 20)
    began = time.monotonic()
    assert front.stop() == 0
    assert time.monotonic() - began < 8


# -- what a node says to the client's browser


@pytest.mark.slow
def test_a_node_that_reads_nothing_of_its_requests_holds_up_nobody(start, uds_node, send):
    front = start("--node", "w0=%s" % uds_node.address)
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 6000) for number in range(10))
    request = b"GET /proxy2/w0/reads-nothing HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % fields
    send(front, request * 12)
    assert front.slowest(seconds=4) < HELD_UP


def test_requests_without_pause_between_them_are_not_answered_with_pauses(front):
    count, pause = 50, 0.04  # seconds that a delayed acknowledgement takes

    def seconds():
        with front.connect() as sock:
            sock.sendall(get("/api/status") * count)
            began = time.monotonic()
            received = b""
            while received.count(b"HTTP/1.1 200 ") < count:
                received += sock.recv(65536)
            return time.monotonic() - began

    # A busy machine may delay some tries, but pauses would be in each.
    assert any(seconds() < count * pause / 2 for _ in range(10))


def exact(*fields):
    lines = "".join(line + "\r\n" for line in fields)
    return ("HTTP/1.1 200 OK\r\n" + lines + "Content-Length: 5\r\n\r\nhello").encode()


def test_equal_lengths_of_a_node_reach_the_client_as_one(front, node):
    node.exact["/twice"] = exact("Content-Length: 5", "X-After: 1")
    answer = front.ask("/proxy2/w0/twice")
    lengths = [value for name, value in answer.fields if name == "content-length"]
    assert (answer.body, lengths, answer.headers["x-after"]) == (b"hello", ["5"], "1")
    assert front.ask("/proxy2/w0/version").status == 200


OF_THE_WHOLE_ORIGIN = [
    'Clear-Site-Data: "*"',
    'clear-site-data: "cookies", "storage"',
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
    "Service-Worker-Allowed: /",
    "Access-Control-Allow-Origin: *",
    "Access-Control-Allow-Credentials: true",
    "Access-Control-Allow-Private-Network: true",
    "ACCESS-CONTROL-EXPOSE-HEADERS: *",
    'Speculation-Rules: "/rules.json"',
    'Use-As-Dictionary: match="/*"',
    "Accept-CH: Sec-CH-UA-Model",
    "Set-Login: logged-in",
]


def test_fields_that_act_on_our_whole_origin_do_not_pass_with_an_interim_answer(front, node):
    fields = b'Clear-Site-Data: "*"\r\nAccess-Control-Allow-Origin: *\r\nLink: </a>\r\n'
    node.exact["/early"] = b"HTTP/1.1 103 Early Hints\r\n%b\r\n%b" % (fields, exact())
    request = b"GET /proxy2/w0/early HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = front.raw(request, until_close=True).partition(b"\r\n\r\n")[0]
    assert received == b"HTTP/1.1 103 Early Hints\r\nLink: </a>"


def test_fields_that_act_on_our_whole_origin_do_not_pass(front, node):
    node.exact["/acts"] = exact("X-Before: 1", *OF_THE_WHOLE_ORIGIN, "X-After: 2")
    answer = front.ask("/proxy2/w0/acts")
    assert answer.body == b"hello"
    assert (answer.headers["x-before"], answer.headers["x-after"]) == ("1", "2")
    acting = {line.partition(":")[0].lower() for line in OF_THE_WHOLE_ORIGIN}
    assert acting.isdisjoint(answer.headers)


def path_of_cookie(value, request_path):
    """Where a browser sends a cookie to (RFC 6265 sections 5.1.4 and 5.2.4)."""
    paths = re.findall(r"(?i);\s*path\s*=\s*([^;]*)", value)
    if paths and paths[-1].strip().startswith("/"):
        return paths[-1].strip()
    return request_path.rpartition("/")[0] or "/"


COOKIES = [
    "plain=1",
    "root=1; Path=/",
    "root2=1; path = / ; HttpOnly",
    "api=1; Path=/api",
    "twice=1; Path=/proxy2/w0; Path=/",
    "neighbour=1; Path=/proxy2/w00",
    "above=1; Path=/proxy2",
    "relative=1; Path=x",
    'quoted=1; Path="/"',
    "inside=1; Path=/echo",
]


@pytest.mark.parametrize("base", ["/proxy2/w0", "/proxy/127.0.0.1/%d"])
def test_a_nodes_cookies_stay_below_its_own_path(front, node, base):
    base = base.replace("%d", str(node.port))
    lines = ["Set-Cookie: " + cookie for cookie in COOKIES]
    node.exact["/cookies"] = node.exact["/"] = exact(*lines, "Set-Cookie: host=1; Domain=localhost")
    for path in ("/cookies", "/"):
        answer = front.ask(base + path)
        assert answer.body == b"hello"
        cookies = [value for name, value in answer.fields if name == "set-cookie"]
        assert "plain" in [value.partition("=")[0] for value in cookies]
        for value in cookies:
            where = path_of_cookie(value, base + path)
            assert (where + "/").startswith(base + "/"), value
            assert "domain" not in value.lower()


def test_a_cookie_of_a_node_without_a_slash_after_its_name_stays_below_it_too(front, node):
    node.exact["/"] = exact("Set-Cookie: plain=1")
    answer = front.ask("/proxy2/w0")
    for name, value in answer.fields:
        assert name != "set-cookie" or path_of_cookie(value, "/proxy2/w0") == "/proxy2/w0"


@pytest.mark.browser
def test_a_nodes_answers_act_on_nothing_of_ours_in_a_browser(front, node, browser):
    script = b"self.addEventListener('fetch', () => {})"
    node.exact["/worker.js"] = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nService-Worker-Allowed: /\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(script), script)
    )
    lines = ["Set-Cookie: stolen=1; Path=/", "Set-Cookie: seen=1; Path=/api", *OF_THE_WHOLE_ORIGIN]
    node.exact["/acts"] = exact(*lines)
    browser.goto(front.url + "/")
    browser.script("localStorage.setItem('kept', 'yes')")
    assert browser.script("return fetch('/proxy2/w0/acts').then(r => r.status)") == 200
    assert browser.script("return localStorage.getItem('kept')") == "yes"
    assert "stolen" not in browser.script("return document.cookie")
    register = (
        "return navigator.serviceWorker.register('/proxy2/w0/worker.js', {scope: arguments[0]})"
        ".then(() => 'registered', error => error.name)"
    )
    assert browser.script(register, "/") == "SecurityError"
    assert (
        browser.script("return navigator.serviceWorker.getRegistrations().then(r => r.length)") == 0
    )
    browser.goto(front.url + "/proxy2/w0/acts")
    browser.goto(front.url + "/")
    assert browser.script("return localStorage.getItem('kept')") == "yes"
    assert "stolen" not in browser.script("return document.cookie")
    browser.script("localStorage.clear()")
