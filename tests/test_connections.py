"""What a connection is worth after a message: a node's to the next request, a client's to itself.

A mistake here gives one client's request or answer to another.
"""

import contextlib
import json
import select
import socket
import struct
import threading
import time

import lmcache_frontend as lf
import pytest
from support.frontend import TOKEN, receive, status_of, statuses_of, wait_for

MIB = 1 << 20
VERSION = b'"0.5.6-gtest"'
SMUGGLED = b"GET /proxy2/w0/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def get(target, fields=b"", version=b"1.1"):
    """The bytes of a GET request; ``fields`` are more header lines."""
    return b"GET %b HTTP/%b\r\nHost: localhost\r\n%b\r\n" % (target, version, fields)


def targets(node):
    return [request.target for request in node.requests]


def keep_sending(sock, data, seconds=0.5):
    """Send it again and again, for a while or until the server has closed."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            sock.sendall(data)
            time.sleep(0.02)


def receive_to_the_end(sock):
    """What comes until the server closes in order; a reset raises ConnectionResetError."""
    received = b""
    while True:
        more = sock.recv(65536)
        if not more:
            return received
        received += more


def test_a_client_that_has_closed_its_side_gets_the_whole_of_a_large_response(front, node):
    with front.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(get(b"/static/help.html"))
        sock.shutdown(socket.SHUT_WR)
        # The server has seen the end of the requests before the response is read.
        wait_for(lambda: b"open_connections 1\n" in front.ask("/metrics").body)
        received = receive_to_the_end(sock)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head.lower()


def test_a_node_that_answers_an_upload_early_does_not_swallow_the_next_request(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/refuses-and-reads-on HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 1000000\r\n\r\nstart"
        )
        assert status_of(receive(sock)) == 413
        for _ in range(3):
            assert front.ask("/proxy2/w0/version", timeout=5).body == VERSION
    wait_for(lambda: node.open_connections == 1)


def test_after_an_early_answer_the_rest_of_the_body_is_no_request(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/refuses-and-reads-on HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 100000\r\n\r\n"
        )
        answer = receive(sock)
        assert status_of(answer) == 413 and b"\r\nConnection: close\r\n" in answer
        keep_sending(sock, SMUGGLED)
        assert receive(sock, until_close=True) == b""
    assert targets(node) == ["/refuses-and-reads-on"]


def test_a_node_that_answers_with_the_last_part_of_a_body_on_its_way_is_not_asked_there_again(
    start, uds_node
):
    front = start("--node", "w0=%s" % uds_node.address)
    body = bytes(380000)  # more than its socket holds, and all of it in our hands
    assert front.ask("/proxy2/w0/answers-first", "POST", body).body == b"early"
    assert front.ask("/proxy2/w0/version", timeout=5).body == VERSION
    assert uds_node.connections == 2


def test_a_chunked_body_ends_once_though_the_node_asks_for_it_afterwards(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/asks-after-all HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
        wait_for(lambda: node.requests)
        sock.sendall(get(b"/proxy2/w0/version", b"Connection: close\r\n"))
        select.select([sock], [], [], 0.2)  # it arrives while the node still reads
        node.release.set()
        assert statuses_of(receive(sock, until_close=True)) == [100, 200, 200]
    assert targets(node) == ["/asks-after-all", "/version"]
    assert node.connections == 1


@pytest.mark.parametrize("status", [b"404 Not Found", b"203 Non-Authoritative Information"])
def test_a_masked_answer_of_any_status_has_an_end_and_no_secrets(front, node, status):
    body = b"password=hunter2"
    node.exact["/conf"] = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )
    with front.connect() as sock:
        for _ in range(2):
            sock.sendall(get(b"/proxy2/w0/conf", b"X-Forwarded-For: 203.0.113.9\r\n"))
            head, _, text = receive_answer(sock)
            assert head.startswith(b"HTTP/1.1 " + status)
            assert text.startswith(b"password=") and b"hunter2" not in text


def test_a_client_that_resets_its_connection_does_not_have_its_request_sent_again(front, node):
    assert front.ask("/proxy2/w0/version").body == VERSION
    with front.connect() as sock:
        sock.sendall(get(b"/proxy2/w0/hang"))
        wait_for(lambda: len(node.requests) == 2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert node.hung_up.wait(5)
    assert front.ask("/proxy2/w0/version").body == VERSION
    assert targets(node) == ["/version", "/hang", "/version"]


def test_who_saw_a_connection_parked_does_not_take_it_when_it_was_served_meanwhile():
    workers = lf.Workers()
    first, second = (lf.Parked(int, int, deadline) for deadline in (1.0, 2.0))
    sock, other = socket.socketpair()
    with sock, other:
        workers.park(sock, lf.READ, first)
        assert workers.unpark(sock, first) is first
        workers.park(sock, lf.READ, second)
        assert workers.unpark(sock, first) is None
        assert workers.unpark(sock) is second and workers.unpark(sock) is None


def test_clients_that_reset_what_is_refused_leave_nothing_in_the_log(front):
    with contextlib.ExitStack() as opened:
        for _ in range(100):
            sock = opened.enter_context(front.connect())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(b"nonsense\r\n\r\n" * 9)
            opened.pop_all().close()
    assert front.ask("/health").status == 200
    assert "Traceback" not in front.output()


@pytest.mark.parametrize("path", [b"/api/nodes", b"/proxy2/nobody/x", b"/none"])
def test_after_a_refusal_the_rest_of_a_long_body_is_no_request(front, node, path):
    with front.connect() as sock:
        sock.sendall(
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" % path
        )
        answer = receive(sock)
        assert status_of(answer) in (404, 413) and b"\r\nConnection: close\r\n" in answer
        keep_sending(sock, SMUGGLED)
        assert receive(sock, until_close=True) == b""
    assert node.requests == []


@pytest.mark.parametrize("path", [b"/none", b"/health", b"/proxy2/nobody/x", b"/api/nodes"])
def test_a_short_body_that_comes_after_its_refusal_is_passed_over(front, node, path):
    fields = b"X-Forwarded-For: 203.0.113.9\r\nContent-Length: %d\r\n" % len(SMUGGLED)
    with front.connect() as sock:
        sock.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (path, fields))
        select.select([sock], [], [], 0.3)  # some are refused by their head alone
        sock.sendall(SMUGGLED[:10])
        sock.sendall(SMUGGLED[10:])
        sock.sendall(get(b"/proxy2/w0/version", b"Connection: close\r\n"))
        statuses = statuses_of(receive(sock, until_close=True))
    assert statuses[0] in (403, 404, 405) and statuses[1:] in ([200], [])
    assert "/smuggled" not in targets(node)


def test_a_short_body_that_nobody_reads_is_passed_over_and_the_connection_goes_on(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
            + SMUGGLED
            + get(b"/proxy2/w0/version", b"Connection: close\r\n")
        )
        assert statuses_of(receive(sock, until_close=True)) == [404, 200]
    assert targets(node) == ["/version"]


EXTRA = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
WITH_MORE_THAN_ASKED = {
    "after a length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + EXTRA,
    "after chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\n\r\n" + EXTRA,
    "after a long body": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"
    + b"x" * 300000
    + EXTRA,
    "after no content": b"HTTP/1.1 204 No Content\r\n\r\n" + EXTRA,
    "after 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok" + EXTRA,
}


@pytest.mark.parametrize("name", WITH_MORE_THAN_ASKED)
def test_bytes_after_the_end_of_an_answer_are_nobodys_answer(front, node, name):
    node.exact["/more"] = WITH_MORE_THAN_ASKED[name]
    with front.connect() as sock:
        for number in range(1, 4):
            sock.sendall(get(b"/proxy2/w0/more"))
            assert b"forged" not in receive_answer(sock)[2]
            sock.sendall(get(b"/proxy2/w0/version"))
            assert receive_answer(sock)[2] == VERSION
            assert node.connections == number + 1


def receive_answer(sock):
    """One answer on a connection that stays open: (head, separator, body)."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(1)
    if b"chunked" in received:
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += sock.recv(1)
    elif not received.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304")):
        received += receive_length(sock, received)
    return received.partition(b"\r\n\r\n")


def receive_length(sock, head):
    lines = head.lower().split(b"\r\n")
    length = int(next(line[16:] for line in lines if line.startswith(b"content-length: ")))
    body = b""
    while len(body) < length:
        more = sock.recv(length - len(body))
        assert more, "closed after %d of %d bytes" % (len(body), length)
        body += more
    return body


def test_an_answer_that_comes_while_its_connection_idles_is_nobodys_answer(front, node):
    assert front.ask("/proxy2/w0/talks-on").body == b"first"
    node.release.set()
    assert node.talked_on.wait(10)
    assert front.ask("/proxy2/w0/version").body == VERSION
    assert front.ask("/proxy2/w0/echo", "POST", b"x").json()["method"] == "POST"


def test_the_answer_to_a_head_request_is_not_waited_for_by_the_next(front, node):
    node.exact["/head"] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with front.connect() as sock:
        sock.sendall(b"HEAD /proxy2/w0/head HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        assert b"\r\nContent-Length: 1000\r\n" in head and head.endswith(b"\r\n\r\n")
        sock.sendall(get(b"/proxy2/w0/version"))
        assert receive(sock).endswith(VERSION)
    assert node.connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b""])
def test_an_answer_without_content_ends_with_its_head(front, node, status, framing):
    node.exact["/none"] = b"HTTP/1.1 %b\r\n%b\r\n" % (status, framing)
    with front.connect() as sock:
        sock.settimeout(5)
        sock.sendall(get(b"/proxy2/w0/none"))
        head = receive_answer(sock)[0].lower()
        assert b"transfer-encoding" not in head
        # RFC 9110 section 8.6: a 304 may tell the length of what it stands for, a 204 may not.
        assert (b"content-length" in head) == (framing != b"" and status.startswith(b"304"))
        sock.sendall(get(b"/proxy2/w0/version"))
        assert receive(sock).endswith(VERSION)
    assert node.connections == 1


def test_a_node_that_ends_its_connection_with_an_answer_is_not_asked_on_it_again(front, node):
    node.exact["/last"] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    for count in (1, 2, 3):
        assert front.ask("/proxy2/w0/last").body == b"ok"
        assert node.connections == count
    node.exact["/old"] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for count in (4, 5):
        assert front.ask("/proxy2/w0/old").body == b"ok"
        assert node.connections == count


@pytest.mark.parametrize("fields", [b"", b"Content-Length: 0\r\n"])
def test_a_post_without_a_body_is_never_sent_twice(front, node, fields):
    assert front.ask("/proxy2/w0/version").status == 200
    request = b"POST /proxy2/w0/silent HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % fields
    assert status_of(front.raw(request)) == 502
    assert targets(node) == ["/version", "/silent"]


def test_an_idempotent_request_with_a_body_is_never_sent_twice(front, node):
    assert front.ask("/proxy2/w0/version").status == 200
    assert front.ask("/proxy2/w0/silent", "PUT", b"x").status == 502
    assert targets(node) == ["/version", "/silent"]


def test_a_request_on_a_new_connection_is_not_tried_again(front, node):
    assert front.ask("/proxy2/w0/silent").status == 502
    assert targets(node) == ["/silent"]


def with_token(node):
    entry = {"name": "w0", "host": "127.0.0.1", "port": node.port, "token": "secret-of-the-node"}
    return "--nodes", json.dumps([entry])


def test_a_nodes_token_is_sent_for_trusted_clients_alone(start, node):
    front = start(*with_token(node))
    for path in ("/proxy2/w0/echo", "/proxy2/w0/echo?a=1"):
        assert front.ask(path).status == 200
        assert front.foreign(path).status == 200
        assert front.foreign(path, headers={"Authorization": "Bearer " + TOKEN}).status == 200
        assert front.foreign("/proxy/127.0.0.1/%d/echo" % node.port).status == 200
        sent = [request.header("Authorization") for request in node.requests]
        del node.requests[:]
        assert sent == [["Bearer secret-of-the-node"], [], ["Bearer secret-of-the-node"], []]


def test_a_clients_own_credentials_give_way_to_the_nodes_token(start, node):
    front = start(*with_token(node))
    basic = {"Authorization": "Basic YTpi"}
    front.ask("/proxy2/w0/echo", headers=basic)
    sent = node.requests[0].header("Authorization")
    assert len(sent) == 1 and TOKEN not in sent[0]


# -- how many connections a node has to bear, and for how long


def test_no_more_connections_to_a_node_are_kept_than_stated(front, node):
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(front.ask("/proxy2/w0/hang").status))
        for _ in range(200)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(node.requests) + len(statuses) == 200)
    most = node.open_connections
    node.release.set()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503} and statuses.count(200) == most
    wait_for(lambda: node.open_connections <= lf.MAX_IDLE_NODE_CONNECTIONS)
    assert front.ask("/proxy2/w0/version").status == 200


@pytest.mark.slow
@pytest.mark.waits
def test_idle_connections_to_nodes_and_clients_are_closed_in_the_end(front, node):
    assert front.ask("/proxy2/w0/version").status == 200
    began = time.monotonic()
    with front.connect(timeout=lf.IDLE_TIMEOUT + 15) as sock:
        sock.sendall(get(b"/health"))
        assert status_of(receive(sock)) == 200
        wait_for(lambda: node.open_connections == 0, lf.NODE_IDLE_TIMEOUT + 10)
        assert time.monotonic() - began > lf.NODE_IDLE_TIMEOUT - 5
        assert receive_to_the_end(sock) == b""
        assert time.monotonic() - began > lf.IDLE_TIMEOUT - 5


@pytest.mark.slow
def test_idle_clients_give_their_places_up_when_all_are_taken(start):
    front = start("--max-connections", "5")
    with contextlib.ExitStack() as opened:
        for _ in range(5):
            sock = opened.enter_context(front.connect())
            sock.sendall(get(b"/health"))
            assert status_of(receive(sock)) == 200
        assert front.ask("/health").status == 503
        wait_for(lambda: front.ask("/health").status == 200, lf.CROWDED_IDLE_TIMEOUT + 5)


# -- framing that two readers could understand in two ways


@pytest.mark.parametrize(
    "fields",
    [
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
        b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n",
    ],
)
def test_a_transfer_coding_in_http_1_0_never_reaches_a_node(front, node, fields):
    request = b"POST /proxy2/w0/echo HTTP/1.0\r\nHost: localhost\r\n%b\r\n0\r\n\r\n" % fields
    received = front.raw(request + SMUGGLED, until_close=True)
    assert statuses_of(received) == [400] and node.requests == []


CHUNKED = b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS_ANSWERS = {
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    + CHUNKED
    + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\n" + CHUNKED * 2 + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two lengths in one line": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "folded line": b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "switched protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "another major version": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "three fields too many": b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 131 + b"\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS_ANSWERS)
def test_an_ambiguous_answer_is_a_502_and_ends_its_connection(front, node, name):
    node.exact_then_close["/odd"] = AMBIGUOUS_ANSWERS[name]
    answer = front.ask("/proxy2/w0/odd", headers={"Upgrade": "x", "Connection": "Upgrade"})
    assert answer.status == 502 and answer.json()["detail"].startswith(node.address)
    assert front.ask("/proxy2/w0/version").body == VERSION
    assert node.connections == 2


BAD_CHUNKS = {
    "extension without a name": b"5;=x\r\nhello\r\n0\r\n\r\n",
    "extension with a bare quote": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "extension with a control character": b"5;a=\x01\r\nhello\r\n0\r\n\r\n",
    "space inside the size": b"5 5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "size of 17 digits": b"0" * 17 + b"5\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "long extension": b"5;a=" + b"b" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
    "trailer of 50 KB": b"5\r\nhello\r\n0\r\n" + b"X: %b\r\n" % (b"a" * 990) * 50 + b"\r\n",
    "trailer of one long line": b"5\r\nhello\r\n0\r\nX: " + b"a" * 50000 + b"\r\n\r\n",
}
POST_CHUNKS = (
    b"POST /proxy2/w0/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_a_malformed_chunk_is_a_400_and_no_node_sees_a_whole_request(front, node, name):
    received = front.raw(POST_CHUNKS + BAD_CHUNKS[name] + SMUGGLED, until_close=True)
    assert statuses_of(received) == [400] and b"\r\nConnection: close\r\n" in received
    assert "/smuggled" not in targets(node)


@pytest.mark.parametrize(
    "body",
    [
        b'5;a;b=c;d="e \\" f"\r\nhello\r\n0\r\n\r\n',
        b"005 ; a = b\r\nhello\r\n0;last\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"X: %b\r\n" % (b"a" * 990) * 15 + b"\r\n",
    ],
)
def test_chunk_extensions_and_a_trailer_within_the_limits_are_taken(front, node, body):
    answer = front.raw(POST_CHUNKS + body)
    assert status_of(answer) == 200 and b'"body": "hello"' in answer


def test_trailer_fields_that_mean_something_elsewhere_are_not_passed_on(front, node):
    dangerous = (
        b"Authorization: Basic YTpi\r\nSet-Cookie: a=1\r\nCookie: a=1\r\nHost: evil\r\n"
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\nContent-Type: text/html\r\n"
    )
    end = b"2\r\nok\r\n0\r\nX-Before: 1\r\n%bX-After: 2\r\n\r\n" % dangerous
    node.exact["/end"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + end
    answer = front.raw(get(b"/proxy2/w0/end", b"Connection: close\r\n"), until_close=True)
    assert answer.endswith(b"2\r\nok\r\n0\r\nX-Before: 1\r\nX-After: 2\r\n\r\n")
    assert status_of(front.raw(POST_CHUNKS + end)) == 200
    assert node.requests[-1].trailer == [b"X-Before: 1", b"X-After: 2"]


# -- how a client's connection ends


def test_an_http_1_0_client_is_closed_unless_it_asks_to_go_on(front, node):
    for path in (b"/health", b"/proxy2/w0/version", b"/api/nodes", b"/"):
        received = front.raw(get(path, version=b"1.0"), until_close=True)
        assert status_of(received) == 200
        assert b"\r\nConnection: keep-alive\r\n" not in received
    with front.connect() as sock:
        for path in (b"/health", b"/proxy2/w0/version", b"/api/nodes"):
            sock.sendall(get(path, b"Connection: keep-alive\r\n", b"1.0"))
            assert b"\r\nConnection: keep-alive\r\n" in receive(sock)


def test_connection_close_ends_the_connection_after_the_answer(front, node):
    for path in (b"/health", b"/proxy2/w0/version", b"/api/nodes", b"/none"):
        request = get(path, b"Connection: CLOSE\r\n")
        received = front.raw(request + SMUGGLED, until_close=True)
        assert len(statuses_of(received)) == 1 and b"\r\nConnection: close\r\n" in received
    assert "/smuggled" not in targets(node)


@pytest.mark.parametrize(
    "request_line,status",
    [
        (b"POST /api/nodes", 413),
        (b"POST /proxy2/w0/refuses-unread", 413),
        (b"POST /proxy2/nobody/x", 404),
    ],
)
def test_a_client_that_still_sends_reads_the_answer_without_a_reset(
    front, node, request_line, status
):
    with front.connect() as sock:
        head = request_line + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"
        sock.sendall(head + b"x" * 100000)
        assert select.select([sock], [], [], 10)[0]
        for _ in range(10):
            sock.sendall(b"x" * 10000)
            time.sleep(0.02)
        sock.shutdown(socket.SHUT_WR)
        assert statuses_of(receive_to_the_end(sock)) == [status]


@pytest.mark.slow
def test_a_head_has_ten_seconds_however_it_drips(front):
    with front.connect(timeout=20) as sock:
        began = time.monotonic()
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ")
        while not select.select([sock], [], [], 0.2)[0]:
            sock.sendall(b"a")
            assert time.monotonic() - began < 20
        assert status_of(receive(sock)) == 408
        assert 8 < time.monotonic() - began < 15


# -- what a client says of itself


@pytest.mark.parametrize(
    "accepted,coding",
    [
        ("gzip", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("br, gzip", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip; q=0, br", None),
        ("identity", None),
        ("*;q=0", None),
        ("", None),
    ],
)
def test_an_answer_is_compressed_only_for_clients_that_accept_it(lasting_front, accepted, coding):
    answer = lasting_front.ask("/static/style.css", headers={"Accept-Encoding": accepted})
    assert answer.status == 200 and answer.headers.get("content-encoding") == coding
