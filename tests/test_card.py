"""What it is built on: ``http.server.ThreadingHTTPServer`` and ``http.client``, really used."""

import contextlib
import http.client
import http.server
import json
import os
import socket
import socketserver
import stat
import tempfile
import threading
import time

import lmcache_frontend as lf
import pytest
from support.frontend import ROOT, Frontend, receive, statuses_of, wait_for


TRACE = os.path.join(ROOT, "tests", "support", "trace.py")
SERVER_FUNCTIONS = {
    "socketserver.serve_forever",
    "http.server.handle",
    "http.server.handle_one_request",
    "http.server.send_response",
    "http.server.send_header",
    "http.server.end_headers",
}
CLIENT_FUNCTIONS = {
    "http.client.putrequest",
    "http.client.putheader",
    "http.client.endheaders",
    "http.client.getresponse",
}


@pytest.fixture
def traced(tmp_path):
    """Run a frontend while ``traffic(frontend)`` happens; gives the standard functions that ran."""

    def run(traffic, *options):
        notes = tmp_path / "notes.json"
        common = ["--port", "0", "--host", "127.0.0.1", "--poll-interval", "0"]
        frontend = Frontend(str(notes), *common, *options, program=TRACE, port=False)
        try:
            traffic(frontend)
        finally:
            frontend.stop()
        return set(json.loads(notes.read_text()))

    return run


@pytest.mark.parametrize("path", ["/health", "/", "/api/nodes", "/none"])
def test_a_route_of_our_own_runs_the_standard_servers_functions(traced, path):
    ran = traced(lambda frontend: frontend.ask(path))
    assert SERVER_FUNCTIONS <= ran, SERVER_FUNCTIONS - ran


def test_a_forwarded_request_runs_the_standard_servers_and_clients_functions(traced, node):
    ran = traced(
        lambda frontend: frontend.ask("/proxy2/w0/version"), "--node", "w0=" + node.address
    )
    # The node's own Server and Date stay: send_response would add ours to them.
    wanted = SERVER_FUNCTIONS - {"http.server.send_response"} | {"http.server.send_response_only"}
    assert wanted | CLIENT_FUNCTIONS <= ran, (wanted | CLIENT_FUNCTIONS) - ran


def test_a_request_forwarded_to_a_socket_runs_the_standard_clients_functions(traced, uds_node):
    ran = traced(
        lambda frontend: frontend.ask("/proxy2/u0/version"), "--node", "u0=" + uds_node.path
    )
    assert CLIENT_FUNCTIONS <= ran, CLIENT_FUNCTIONS - ran


def test_a_poll_runs_the_standard_clients_functions(traced, node):
    ran = traced(
        lambda frontend: wait_for(lambda: node.requests),
        *("--node", "w0=" + node.address, "--poll-interval", "1"),
    )
    assert CLIENT_FUNCTIONS <= ran, CLIENT_FUNCTIONS - ran


def test_the_classes_are_the_standard_ones_subclasses():
    assert issubclass(lf.WorkerHTTPServer, http.server.ThreadingHTTPServer)
    assert issubclass(lf.FrontendServer, lf.WorkerHTTPServer)
    assert issubclass(lf.FrontendHandler, http.server.BaseHTTPRequestHandler)
    assert issubclass(lf.UnixHTTPConnection, http.client.HTTPConnection)
    own = {name for name, value in vars(lf.UnixHTTPConnection).items() if callable(value)}
    assert own == {"__init__", "connect"}


# -- a connection over a Unix socket


def test_a_unix_connection_works_alone_and_twice(uds_node):
    connection = lf.UnixHTTPConnection(uds_node.path)
    with contextlib.closing(connection):
        for _ in range(2):
            connection.request("GET", "/version")
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b'"0.5.6-gtest"')
        connection.request("POST", "/echo", b"body", {"X-A": "1"})
        answer = json.loads(connection.getresponse().read())
        assert (answer["method"], answer["body"]) == ("POST", "body")
        connection.request("PUT", "/sink", iter([b"a", b"bc"]), encode_chunked=True)
        assert connection.getresponse().read() == b"3"
        connection.request("HEAD", "/version")
        response = connection.getresponse()
        assert (response.read(), response.getheader("Content-Length")) == (b"", "13")
    assert uds_node.connections == 1


def test_a_unix_connection_honours_its_timeout(uds_node):
    connection = lf.UnixHTTPConnection(uds_node.path, timeout=0.2)
    with contextlib.closing(connection):
        began = time.monotonic()
        connection.request("GET", "/hang")
        with pytest.raises(socket.timeout):
            connection.getresponse()
        assert 0.1 < time.monotonic() - began < 5


def test_a_unix_connection_opens_again_after_it_was_closed(uds_node):
    connection = lf.UnixHTTPConnection(uds_node.path, timeout=5)
    for _ in range(2):
        connection.request("GET", "/version")
        assert connection.getresponse().read() == b'"0.5.6-gtest"'
        connection.close()
    assert uds_node.connections == 2


def test_a_unix_connection_to_no_socket_says_so(tmp_path):
    connection = lf.UnixHTTPConnection(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        connection.request("GET", "/")


# -- other handlers on the same way of serving


class Plain(http.server.BaseHTTPRequestHandler):
    """A handler as the standard library's documentation shows it, for HTTP/1.1."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/wait":
            self.server.barrier.wait(10)
        self._answer(("GET %s %s" % (self.path, self.headers["Host"])).encode())

    def do_POST(self):
        if self.path == "/fail":
            raise ValueError("a defect of this handler")
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Old(Plain):
    """The same for HTTP/1.0, which is the standard handler's default."""

    protocol_version = "HTTP/1.0"


class Echo(socketserver.StreamRequestHandler):
    """No HTTP at all."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


@pytest.fixture
def serving():
    """Serve with a handler class: ``serving(Plain)`` returns the server, which runs."""
    running = []

    def begin(handler):
        server = lf.WorkerHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield begin
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(10)
        assert not thread.is_alive()


def connect(server):
    return http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)


def test_a_plain_handler_is_served(serving):
    server = serving(Plain)
    with contextlib.closing(connect(server)) as connection:
        for path in ("/a", "/b"):
            connection.request("GET", path, headers={"Host": "h"})
            assert connection.getresponse().read() == ("GET %s h" % path).encode()
        for body in (b"short", b"long" * 100000):
            connection.request("POST", "/", body)
            assert connection.getresponse().read() == body


def test_a_unix_socket_has_its_mode_before_anybody_can_connect():
    class Looks(lf.WorkerHTTPServer):
        def server_activate(self):
            self.mode_before = stat.S_IMODE(os.stat(self.server_address).st_mode)
            super().server_activate()

    with tempfile.TemporaryDirectory(prefix="lf-", dir="/tmp") as folder:
        for mode in (0o600, 0o666):
            path = os.path.join(folder, str(mode))
            server = Looks(path, Plain, socket_mode=mode)
            server.server_close()
            assert server.mode_before == mode


def test_a_plain_handlers_pipelined_requests_are_served(serving):
    address = serving(Plain).server_address
    with socket.create_connection(address, 10) as sock:
        sock.sendall(
            b"GET /a HTTP/1.1\r\n\r\n" * 3 + b"GET /b HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        assert statuses_of(receive(sock, until_close=True)) == [200] * 4


def test_a_plain_handlers_request_may_arrive_in_pieces(serving):
    address = serving(Plain).server_address
    with socket.create_connection(address, 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for byte in b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
                sock.sendall(bytes([byte]))
            assert receive(sock).endswith(b"\r\n\r\nabc")


def test_an_old_plain_handlers_connection_ends_with_its_answer(serving):
    address = serving(Old).server_address
    with socket.create_connection(address, 10) as sock:
        sock.sendall(b"GET /a HTTP/1.0\r\n\r\n")
        assert receive(sock, until_close=True).endswith(b"GET /a None")


def test_a_handler_that_is_not_http_is_served(serving):
    address = serving(Echo).server_address
    with socket.create_connection(address, 10) as sock:
        sock.sendall(b"one\ntwo\n")
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock, until_close=True) == b"one\ntwo\n"


def test_plain_handlers_that_wait_for_each_other_are_served_side_by_side(serving):
    server = serving(Plain)
    server.barrier = threading.Barrier(10)
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(contextlib.closing(connect(server))) for _ in range(10)]
        for connection in connections:
            connection.request("GET", "/wait")
        assert [connection.getresponse().status for connection in connections] == [200] * 10


def test_a_plain_handler_that_fails_costs_its_own_connection(serving, capfd):
    server = serving(Plain)
    with contextlib.closing(connect(server)) as connection:
        connection.request("POST", "/fail", b"x")
        with pytest.raises((http.client.BadStatusLine, ConnectionError)):
            connection.getresponse()
    with contextlib.closing(connect(server)) as connection:
        connection.request("GET", "/a")
        assert connection.getresponse().status == 200
