"""Nodes for tests: each path makes the node behave in its own way, well or badly."""

import fcntl
import hashlib
import json
import os
import select
import shutil
import socket
import struct
import termios
import threading
import time

from support.ports import free_port


class NodeServer:
    """A node on a raw socket: what it answers depends on the path.

    ``/echo...`` answers with JSON of what it received; every other behaviour is a method
    ``do_<first segment>``. ``exact`` maps a target to the bytes that answer it instead, and
    ``exact_then_close`` does the same for answers after which the connection ends. ``requests``
    holds the raw bytes that it was sent.
    """

    def __init__(self, path=None):
        self.path = path
        if path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(path)
            self.address = self.port = path
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.port = free_port()
            self.listener.bind(("127.0.0.1", self.port))
            self.address = "127.0.0.1:%d" % self.port
        self.listener.listen(128)
        self.requests = []
        self.exact = {}
        self.exact_then_close = {}
        self.connections = 0
        self.open_connections = 0
        self.release = threading.Event()  # set it to let a hanging answer go on
        self.hung_up = threading.Event()  # set when a client left while it was waited for
        self.talked_on = threading.Event()  # set when more was sent than was asked for
        self.lock = threading.Lock()
        self.socks = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        self.release.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for sock in list(self.socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.path:
            shutil.rmtree(os.path.dirname(self.path), ignore_errors=True)

    def drop_connections(self):
        """Close every open connection, as a node does with idle ones."""
        for sock in list(self.socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open_connections += 1
                self.socks.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        buffer = b""
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                while b"\r\n\r\n" not in buffer:
                    more = sock.recv(65536)
                    if not more:
                        return
                    buffer += more
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                request = Request(head + b"\r\n\r\n", sock, buffer)
                with self.lock:
                    self.requests.append(request)
                if request.target in self.exact_then_close:
                    request.send(self.exact_then_close[request.target])
                    return
                if request.target in self.exact:
                    request.read_body()
                    request.send(self.exact[request.target])
                    buffer = request.rest
                    continue
                name = request.target.split("?")[0].strip("/").split("/")[0].replace("-", "_")
                keep = getattr(self, "do_" + name, self.do_echo)(request)
                buffer = request.rest
                if keep is False:
                    return
        except OSError:
            pass
        finally:
            with self.lock:
                self.open_connections -= 1
                self.socks.discard(sock)
            sock.close()

    # -- behaviours

    def do_echo(self, request):
        body = request.read_body()
        answer = {
            "method": request.method,
            "target": request.target,
            "body": body.decode("latin-1"),
            "head": request.head.decode("latin-1"),
        }
        request.answer(json.dumps(answer).encode(), "application/json")

    def do_version(self, request):
        request.answer(b'"0.5.6-gtest"', "application/json")

    def do_metrics(self, request):
        request.answer(
            b"# HELP lmcache:num_hit_tokens_total Hit tokens\n"
            b"# TYPE lmcache:num_hit_tokens_total counter\n"
            b'lmcache:num_hit_tokens_total{worker_id="0"} 42.0\n',
            "text/plain; charset=utf-8",
        )

    def do_tiny_chunks(self, request):
        """A mebibyte in chunks of one byte."""
        request.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            request.sock.sendall(b"1\r\nx\r\n" * 16384)
        request.sock.sendall(b"0\r\n\r\n")

    def do_asks_for_the_rest(self, request):
        """``100 Continue`` in two parts, between which some of the body arrives.

        Then the body is given back.
        """
        request.sock.sendall(b"HTTP/1.1 100 Cont")
        self.release.wait(10)
        request.sock.sendall(b"inue\r\n\r\n")
        request.answer(request.read_body(), "text/plain")

    def do_refuses_unread(self, request):
        """An early answer to a body of which nothing is read."""
        request.sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        self.release.wait(20)
        return False

    def do_refuses_and_reads_on(self, request):
        """Answers an upload early, keeps the connection and reads the rest of the body."""
        request.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        request.drain_body()

    def do_asks_late(self, request):
        """``100 Continue`` once nothing more of the body fits, which it then gives a digest of."""
        wait_until_full(request.sock)
        request.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest = hashlib.sha256()
        for piece in request.pieces():
            digest.update(piece)
        request.answer(digest.hexdigest().encode())

    def do_answers_first(self, request):
        """An answer once nothing more of the body fits; reads that when ``release`` is set."""
        wait_until_full(request.sock)
        request.answer(b"early")
        self.release.wait(10)
        request.drain_body()

    def do_asks_after_all(self, request):
        """``100 Continue`` when the whole body is here and ``release`` is set, and then its answer.

        What is sent in between is part of the next request.
        """
        body = request.read_body()
        self.release.wait(10)
        request.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if select.select([request.sock], [], [], 0.3)[0]:
            request.rest += request.sock.recv(65536)
        request.answer(body)

    def do_reads_nothing(self, request):
        """Answers again and again on a connection of which it reads nothing more."""
        while True:
            request.answer(b"unread")
            time.sleep(0.1)

    def do_talks_on(self, request):
        """A whole answer, and, when ``release`` is set, another one that nobody asked for."""
        request.answer(b"first")
        self.release.wait(10)
        request.answer(b"unasked")
        self.talked_on.set()

    def do_interims(self, request):
        """Interim answers without end."""
        while True:
            request.sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)

    def do_odd_location(self, request):
        request.sock.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"
        )

    def do_disowns_its_length(self, request):
        request.sock.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok"
        )

    def do_bad_chunk(self, request):
        request.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")

    def do_sink(self, request):
        """Count the body without keeping it."""
        total = request.drain_body()
        request.answer(str(total).encode(), "text/plain")

    def do_digest(self, request):
        """SHA-256 of the body, without keeping it."""
        digest = hashlib.sha256()
        for piece in request.pieces():
            digest.update(piece)
        request.answer(digest.hexdigest().encode())

    def do_bytes(self, request):
        """``/bytes/N``: N bytes with a length."""
        total = int(request.target.split("/")[2])
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        block = bytes(range(256)) * 4096
        while total:
            part = block[: min(total, len(block))]
            request.send(part)
            total -= len(part)

    def do_hang(self, request):
        """Never answers until ``release`` is set; notices a client that leaves."""
        if self._wait_for_the_end(request):
            request.answer(b"late")
            return True
        return False

    def do_quiet(self, request):
        """``/quiet?chunked``, ``?length`` or ``?close``: the beginning of a body, then silence."""
        kind = request.target.partition("?")[2]
        framing = {
            "chunked": b"Transfer-Encoding: chunked\r\n",
            "length": b"Content-Length: 99\r\n",
        }
        begin = b"5\r\nfirst\r\n" if kind == "chunked" else b"first"
        request.send(b"HTTP/1.1 200 OK\r\n%b\r\n" % framing.get(kind, b"") + begin)
        self._wait_for_the_end(request)
        return False

    def _wait_for_the_end(self, request):
        """Wait until ``release`` is set (true) or the client has left (false)."""
        request.sock.settimeout(0.05)
        while not self.release.is_set():
            try:
                if not request.sock.recv(65536):
                    self.hung_up.set()
                    return False
            except socket.timeout:
                pass
            except OSError:  # a reset
                self.hung_up.set()
                return False
        request.sock.settimeout(None)
        return True

    def do_stream(self, request):
        """Server-sent events: one each time ``release`` is set, three in all."""
        request.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(3):
            event = b"data: %d\n\n" % number
            request.send(b"%x\r\n%b\r\n" % (len(event), event))
            if not self.release.wait(10):
                return False
            self.release.clear()
        request.send(b"0\r\n\r\n")

    def do_trailer(self, request):
        request.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\n"
            b"hello\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n"
        )

    def do_hints(self, request):
        request.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        request.answer(b"done")

    def do_die(self, request):
        """Promises 1,000 bytes and closes after ten."""
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
        return False

    def do_die_chunked(self, request):
        request.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        return False

    def do_close(self, request):
        """A body that ends with the connection."""
        request.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
        return False

    def do_silent(self, request):
        """Closes without an answer."""
        return False

    def do_garbage(self, request):
        request.send(b"this is not HTTP at all\r\n\r\n")
        return False

    def do_two_lengths(self, request):
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")
        return False

    def do_long_head(self, request):
        request.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200000 + b"\r\n\r\n")
        return False

    def do_redirect(self, request):
        host = [
            line[6:]
            for line in request.head.decode().split("\r\n")
            if line.lower().startswith("host: ")
        ][0]
        kind = request.target.rpartition("=")[2]
        place = {
            "absolute": "http://%s/echo?x=1" % host,
            "path": "/echo",
            "other": "http://example.org/x",
        }[kind]
        request.send(
            b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % place.encode()
        )

    def do_cookies(self, request):
        request.send(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
            b"Connection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    def do_nocontent(self, request):
        request.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    def do_early(self, request):
        """Answers an upload before it has been sent."""
        request.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        time.sleep(0.05)
        return False

    def do_html(self, request):
        request.answer(b"<script>alert(1)</script>", "text/html")


def wait_until_full(sock):
    """Wait until what has arrived and was not read has stopped to grow."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 0.3:
        size = struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]
        if size != seen:
            seen, since = size, time.monotonic()
        time.sleep(0.02)


class Request:
    """One request as the node received it."""

    def __init__(self, head, sock, rest):
        self.head = head
        self.sock = sock
        self.rest = rest
        self.method, self.target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ")

    def header(self, name):
        """The values of a header, in order."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [
            line.partition(":")[2].strip()
            for line in lines
            if line.partition(":")[0].lower() == name.lower()
        ]

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, body, content_type="text/plain"):
        head = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            content_type,
            len(body),
        )
        self.send(head.encode() + (b"" if self.method == "HEAD" else body))

    def _fill(self, size):
        while len(self.rest) < size:
            more = self.sock.recv(1 << 20)
            if not more:
                raise OSError("the client left")
            self.rest += more

    def _line(self):
        while b"\r\n" not in self.rest:
            self._fill(len(self.rest) + 1)
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line

    def pieces(self):
        """The body, piece by piece."""
        if self.header("Expect"):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.header("Transfer-Encoding"):
            while True:
                size = int(self._line().split(b";")[0], 16)
                if not size:
                    break
                self._fill(size + 2)
                yield self.rest[:size]
                self.rest = self.rest[size + 2 :]
            self.trailer = []
            while True:
                line = self._line()
                if not line:
                    return
                self.trailer.append(line)
        left = int((self.header("Content-Length") or ["0"])[0])
        while left:
            self._fill(1)
            piece, self.rest = self.rest[:left], self.rest[left:]
            left -= len(piece)
            yield piece

    def read_body(self):
        return b"".join(self.pieces())

    def drain_body(self):
        return sum(map(len, self.pieces()))
