"""The proxy, on real sockets: what reaches the node, what reaches the client."""

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from urllib.parse import quote

import lmcache_frontend as lf
import pytest
from support.frontend import TOKEN, receive, wait_for
from support.ports import free_port

MIB = 1 << 20


def test_the_path_and_the_query_reach_the_node_byte_for_byte(lasting_front, shared_node):
    answer = lasting_front.ask("/proxy2/w0/echo//a%2Fb/../%c3%a4?b=1+2&a=%2F&a=2&&c")
    assert answer.status == 200
    assert answer.json()["target"] == "/echo//a%2Fb/../%c3%a4?b=1+2&a=%2F&a=2&&c"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_every_method_is_forwarded(lasting_front, shared_node, method):
    assert lasting_front.ask("/proxy2/w0/echo", method, b"x=1").json()["method"] == method


def test_a_head_request_has_no_body_and_keeps_the_length(lasting_front, shared_node):
    answer = lasting_front.ask("/proxy2/w0/version", "HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "13")


def test_the_socket_path_may_be_encoded_once_or_twice(start, uds_node):
    front = start("--node", "u0=" + uds_node.path)
    once = quote(uds_node.path, safe="")
    for segment in (once, quote(once, safe="")):
        answer = front.ask("/proxy/localhost/%s/version" % segment)
        assert (answer.status, answer.body) == (200, b'"0.5.6-gtest"')
    assert uds_node.requests[0].header("Host") == ["localhost"]


def test_a_target_may_be_named_by_host_and_port(lasting_front, shared_node):
    assert (
        lasting_front.ask("/proxy/127.0.0.1/%d/echo?x" % shared_node.port).json()["target"]
        == "/echo?x"
    )
    assert lasting_front.ask("/proxy/localhost/%d/echo" % shared_node.port).status == 200


def test_headers_keep_their_order_and_duplicates_and_lose_what_is_hop_by_hop(
    lasting_front, shared_node
):
    lasting_front.raw(
        b"GET /proxy2/w0/echo HTTP/1.1\r\nHost: localhost:1\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\n"
        b"Connection: X-Drop, close\r\n"
        b"X-Drop: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nKeep-Alive: 3\r\n"
        b"X-Forwarded-For: 1.2.3.4\r\n\r\n"
    )
    request = shared_node.requests[0]
    lines = request.head.decode().split("\r\n")
    assert [line for line in lines if line.lower().startswith("x-")][:3] == [
        "X-B: 1",
        "x-a: 2",
        "X-B: 3",
    ]
    for name in (
        "Connection",
        "X-Drop",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "User-Agent",
        "Accept-Encoding",
        "Content-Length",
    ):
        assert request.header(name) == [], name
    assert request.header("Host") == [shared_node.address]
    assert request.header("X-Forwarded-For") == ["1.2.3.4, 127.0.0.1"]
    assert request.header("X-Forwarded-Host") == ["localhost:1"]
    assert request.header("X-Forwarded-Proto") == ["http"]
    assert request.header("Via") == ["1.1 lmcache-frontend"]


def test_answer_headers_keep_duplicates_and_lose_what_is_hop_by_hop(front, node):
    answer = front.ask("/proxy2/w0/cookies")
    assert [value for name, value in answer.fields if name == "set-cookie"] == [
        "a=1",
        "b=2",
    ]
    assert "x-private" not in answer.headers and "keep-alive" not in answer.headers
    assert answer.headers["content-security-policy"] == "sandbox"
    assert "date" in answer.headers


def test_our_token_never_reaches_a_node_and_other_credentials_do(front, node):
    front.ask("/proxy2/w0/echo", "POST", b"", {"Authorization": "Bearer " + TOKEN})
    front.ask("/proxy2/w0/echo", headers={"Authorization": "Basic abc"})
    assert node.requests[0].header("Authorization") == []
    assert node.requests[1].header("Authorization") == ["Basic abc"]


@pytest.mark.parametrize(
    "kind,expected",
    [
        ("absolute", "/proxy2/w0/echo?x=1"),
        ("path", "/proxy2/w0/echo"),
        ("other", "http://example.org/x"),
    ],
)
def test_a_redirect_to_the_node_stays_inside_the_proxy(lasting_front, shared_node, kind, expected):
    answer = lasting_front.ask("/proxy2/w0/redirect?to=" + kind)
    assert (answer.status, answer.headers["location"]) == (302, expected)


def test_connections_to_nodes_are_kept_and_used_again(front, node):
    for _ in range(5):
        assert front.ask("/proxy2/w0/version").status == 200
    assert node.connections == 1


def test_an_idle_connection_that_the_node_closed_is_replaced(front, node):
    for _ in range(3):
        assert front.ask("/proxy2/w0/version").status == 200
        node.drop_connections()
        wait_for(lambda: node.open_connections == 0)
    assert front.ask("/proxy2/w0/echo", "POST", b"x").status == 200
    assert len(node.requests) == 4


def test_a_request_is_tried_twice_only_when_that_is_safe(front, node):
    assert (
        front.ask("/proxy2/w0/version").status == 200
    )  # opens a connection that is then used again
    assert front.ask("/proxy2/w0/silent").status == 502
    assert len(node.requests) == 3  # GET: once more on a new connection
    assert front.ask("/proxy2/w0/version").status == 200
    assert front.ask("/proxy2/w0/silent", "POST", b"x").status == 502
    assert len(node.requests) == 5  # POST: never


def test_a_large_body_goes_both_ways_intact_in_constant_memory(front, node):
    assert front.ask("/proxy2/w0/version").status == 200
    before = front.rss()
    front.reset_peak()
    answer = front.ask("/proxy2/w0/bytes/%d" % (64 * MIB))
    block = bytes(range(256)) * 4096
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(block * 64).digest()
    sent = front.ask("/proxy2/w0/sink", "POST", block * 32)
    assert sent.body == str(32 * MIB).encode()
    assert front.peak() < before + 8


def test_a_chunked_upload_stays_chunked_and_keeps_its_trailer(front, node):
    front.raw(
        b"POST /proxy2/w0/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n"
    )
    request = node.requests[0]
    assert (
        request.header("Transfer-Encoding") == ["chunked"]
        and request.header("Content-Length") == []
    )
    assert request.trailer == [b"X-Sum: 1"]


def test_an_upload_that_arrives_slowly_is_streamed_to_the_node(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello"
        )
        wait_for(lambda: node.requests)
        sock.sendall(b"world")
        assert b"helloworld" in receive(sock)


def test_expect_100_continue_is_answered_by_the_node(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 100")
        sock.sendall(b"hello")
        assert b'"body": "hello"' in receive(sock)


def test_interim_answers_are_passed_on_but_not_to_http_1_0(front, node):
    raw = front.raw(
        b"GET /proxy2/w0/hints HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        until_close=True,
    )
    assert raw.startswith(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200"
    ) and raw.endswith(b"done")
    raw = front.raw(b"GET /proxy2/w0/hints HTTP/1.0\r\nHost: localhost\r\n\r\n", until_close=True)
    assert raw.startswith(b"HTTP/1.1 200")


def test_a_chunked_answer_keeps_its_trailer_without_what_frames(front, node):
    raw = front.raw(
        b"GET /proxy2/w0/trailer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        until_close=True,
    )
    assert raw.endswith(b"5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
    raw = front.raw(b"GET /proxy2/w0/trailer HTTP/1.0\r\nHost: localhost\r\n\r\n", until_close=True)
    assert raw.endswith(b"\r\n\r\nhello")


def test_events_arrive_one_by_one(front, node):
    with front.connect() as sock:
        sock.sendall(b"GET /proxy2/w0/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        for number in range(3):
            while b"data: %d\n\n" % number not in received:
                received += sock.recv(65536)
            assert b"data: %d" % (number + 1) not in received
            node.release.set()
        while not received.endswith(b"0\r\n\r\n"):
            received += sock.recv(65536)


def test_a_client_that_leaves_frees_the_node_at_once(front, node):
    sock = front.connect()
    sock.sendall(b"GET /proxy2/w0/hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: node.requests)
    sock.close()
    assert node.hung_up.wait(5)


@pytest.mark.parametrize("path", ["die", "die_chunked"])
def test_an_answer_that_ends_early_never_looks_complete(lasting_front, shared_node, path):
    raw = lasting_front.raw(
        b"GET /proxy2/w0/%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode(), until_close=True
    )
    assert (
        b"200 OK" in raw
        and not raw.endswith(b"0\r\n\r\n")
        and len(raw.partition(b"\r\n\r\n")[2]) < 100
    )


def test_an_answer_that_ends_with_its_connection_is_complete(lasting_front, shared_node):
    answer = lasting_front.ask("/proxy2/w0/close")
    assert answer.body == b"until the end" and answer.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("path", ["garbage", "two_lengths", "long_head", "silent"])
def test_nonsense_from_a_node_is_a_502_that_names_it(lasting_front, shared_node, path):
    answer = lasting_front.ask("/proxy2/w0/" + path)
    assert answer.status == 502
    assert answer.json()["detail"].startswith(shared_node.address)


def test_an_answer_without_content_stays_without(lasting_front, shared_node):
    raw = lasting_front.raw(
        b"GET /proxy2/w0/nocontent HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        until_close=True,
    )
    assert (
        raw.startswith(b"HTTP/1.1 204")
        and b"content-length" not in raw.lower()
        and b"chunked" not in raw
    )


def test_an_early_answer_to_an_upload_reaches_the_client(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/early HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 100000000\r\n\r\nstart"
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_dead_node_is_a_502_with_the_reason(start, tmp_path):
    port = free_port()
    front = start("--node", "dead=127.0.0.1:%d" % port, "--node", "gone=/tmp/no/such/socket")
    answer = front.ask("/proxy2/dead/version")
    assert (answer.status, answer.json()["detail"]) == (
        502,
        "127.0.0.1:%d: connection refused" % port,
    )
    answer = front.ask("/proxy2/gone/version")
    assert (answer.status, answer.json()["detail"]) == (502, "/tmp/no/such/socket: no such socket")


def test_a_node_that_hangs_is_a_504_and_slows_nobody(start, node):
    front = start("--node", "w0=" + node.address, "--proxy-timeout", "1")
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(front.ask("/proxy2/w0/hang").status))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(node.requests) == 20)
    assert front.ask("/proxy2/w0/version").status == 200
    assert not results
    for thread in threads:
        thread.join()
    assert results == [504] * 20


def both_addresses():
    """Sockets on one port of 127.0.0.1 and of ::1, where nobody else has either.

    (IPv4, IPv6, port).
    """
    for _ in range(50):
        four, six = socket.socket(), socket.socket(socket.AF_INET6)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.bind(("::1", 0))
        port = six.getsockname()[1]
        try:
            four.bind(("127.0.0.1", port))
            return four, six, port
        except OSError:
            four.close()
            six.close()
    raise AssertionError("no port is free on both addresses")


@pytest.mark.skipif(not socket.has_ipv6, reason="a host with two addresses")
def test_an_address_that_is_silent_leaves_time_for_the_host_s_next_one(start):
    silent, good, port = both_addresses()
    with silent, good, contextlib.ExitStack() as fillers:
        good.listen(5)
        silent.listen(0)
        for _ in range(4):  # a full queue: the next connection gets no answer at all
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        front = start("--node", f"two=localhost:{port}", "--poll-interval", "0")
        began = time.monotonic()
        with front.connect(timeout=10) as sock:
            sock.sendall(b"GET /proxy2/two/x HTTP/1.1\r\nHost: a\r\n\r\n")
            good.settimeout(10)
            with good.accept()[0] as node:
                assert node.recv(65536).startswith(b"GET /x ")
                node.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began < lf.CONNECT_TIMEOUT


def test_an_unknown_node_is_a_404_that_names_it(lasting_front):
    answer = lasting_front.ask("/proxy2/nobody%20here/x")
    assert answer.status == 404 and "nobody here" in answer.json()["detail"]


def test_frontends_can_be_chained(start, node):
    inner = start("--node", "w0=" + node.address)
    nodes = [
        {"name": "rack1", "host": "127.0.0.1", "port": inner.port, "nodes": [], "token": TOKEN}
    ]
    outer = start("--nodes", json.dumps(nodes))
    answer = outer.ask("/proxy2/rack1/proxy2/w0/echo?x=%2F", "POST", b"body")
    assert answer.json()["target"] == "/echo?x=%2F" and answer.json()["body"] == "body"


def test_what_a_node_answers_cannot_act_as_the_dashboard(lasting_front):
    answer = lasting_front.ask("/proxy2/w0/html")
    assert (
        answer.body == b"<script>alert(1)</script>"
        and answer.headers["content-security-policy"] == "sandbox"
    )


@pytest.mark.slow
def test_a_body_in_chunks_of_one_byte_lets_others_have_their_turn(front, node):
    found = []
    thread = threading.Thread(
        target=lambda: found.append(front.ask("/proxy2/w0/tiny-chunks", timeout=60).body)
    )
    thread.start()
    while thread.is_alive():
        assert front.ask("/health", timeout=5).status == 200
    thread.join()
    assert found == [b"x" * MIB]


def test_what_of_a_body_arrives_while_the_node_asks_for_it_is_not_lost(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/asks-for-the-rest HTTP/1.1\r\nHost: localhost\r\n"
            b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        )
        wait_for(lambda: node.requests)
        sock.sendall(b"A" * 10)
        sock.sendall(b"B" * 20)
        node.release.set()
        sock.sendall(b"C" * 70)
        received = b""
        while not received.endswith(b"C" * 70):
            more = sock.recv(65536)
            assert more, received
            received += more
    assert received.endswith(b"\r\n\r\n" + b"A" * 10 + b"B" * 20 + b"C" * 70)


def test_what_is_on_its_way_when_the_node_asks_for_the_body_is_not_lost(start, uds_node):
    front = start("--node", "w0=%s" % uds_node.address)
    body = os.urandom(2 * MIB)
    answer = front.ask("/proxy2/w0/asks-late", "POST", body, {"Expect": "100-continue"})
    assert answer.body.decode() == hashlib.sha256(body).hexdigest()


def test_an_early_answer_is_seen_while_the_node_takes_nothing_of_the_body(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/refuses-unread HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 50000000\r\n\r\n"
        )
        threading.Thread(target=lambda: send_until_closed(sock, bytes(MIB)), daemon=True).start()
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def send_until_closed(sock, block):
    try:
        while True:
            sock.sendall(block)
    except OSError:
        pass


@pytest.mark.parametrize(
    "path,status",
    [("interims", 502), ("bad-chunk", 502), ("odd-location", 302), ("disowns-its-length", 200)],
)
def test_an_odd_answer_is_passed_on_or_refused_but_never_hangs(front, node, path, status):
    received = front.raw(
        b"GET /proxy2/w0/%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode(),
        until_close=True,
    )
    assert b"HTTP/1.1 %d " % status in received
    if path == "disowns-its-length":
        assert b"\r\nContent-Length: 2\r\n" in received and received.endswith(b"\r\n\r\nok")


def test_a_host_name_that_is_none_is_a_502(front):
    for host in ("a..b", "x" * 64 + ".example"):
        answer = front.ask("/proxy/%s/80/" % host, headers={"Authorization": "Bearer " + TOKEN})
        assert answer.status == 502 and "host name" in answer.json()["detail"], answer.body


def test_a_socket_whose_backlog_is_full_is_waited_for(start, tmp_path):
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(path)
    front = start("--node", "busy=" + path, "--poll-interval", "0")
    found = []
    thread = threading.Thread(
        target=lambda: found.append(front.ask("/proxy2/busy/x").body), daemon=True
    )
    thread.start()
    assert front.ask("/health").status == 200 and not found
    first.close()
    listener.settimeout(10)
    while True:
        with listener.accept()[0] as peer:
            peer.settimeout(10)
            if peer.recv(65536):  # the first one says nothing
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                break
    thread.join(10)
    listener.close()
    assert found == [b"ok"]


def test_our_token_never_reaches_a_node_even_beside_another_authorization(front, node):
    fields = b"Authorization: Basic YTpi\r\nAuthorization: Bearer %b\r\n" % TOKEN.encode()
    front.raw(b"GET /proxy2/w0/echo HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    assert TOKEN.encode() not in node.requests[0].head
