"""Whole fleets.

Frontends that report to each other, forward through each other and list each other; HTTPS.
"""

import hashlib
import http.client
import json
import os
import socket
import ssl
import threading
import time

import lmcache_frontend as lf
import pytest
from support.frontend import TOKEN, Frontend, wait_for
from support.ports import free_port

CERTIFICATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "support", "certificate.pem")
MIB = 1 << 20


class Relay:
    """Another address of a server.

    Connections are passed on to ``port``, which may be told later, and counted.
    """

    def __init__(self, port=0):
        self.target = port
        self.connections = 0
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def relay():
    running = []

    def make(port=0):
        running.append(Relay(port))
        return running[-1]

    yield make
    for item in running:
        item.close()


@pytest.fixture
def over(start, tmp_path):
    """Start a frontend over others: ``over(rack1=port, ...)``."""

    def begin(*options, **ports):
        entries = [
            {"name": name, "host": "127.0.0.1", "port": port, "nodes": [], "token": TOKEN}
            for name, port in ports.items()
        ]
        file = tmp_path / ("over-%s.json" % "-".join(map(str, ports.values())))
        file.write_text(json.dumps(entries))
        return start("--config", str(file), "--refresh-interval", "0.2", *options)

    return begin


def reports_to(frontend, interval="0.2"):
    url = "http://x:%s@127.0.0.1:%d/lmcache_heartbeat" % (TOKEN, frontend.port)
    return "--heartbeat-url", url, "--heartbeat-interval", interval, "--report-host", "127.0.0.1"


def children(frontend):
    """(group, node) of every node that a frontend lists."""
    groups = frontend.ask("/api/nodes").json()["nodes"]
    return sorted(
        (group["name"], entry["name"]) for group in groups for entry in group.get("children", ())
    )


def group_of(frontend):
    return "proxy_127.0.0.1_%d" % frontend.port


# -- frontends that report to each other


def test_three_frontends_in_a_chain_report_list_and_forget(start, node):
    options = "--discovery", "--refresh-interval", "0.2", "--discovery-expiry", "1"
    top = start(*options)
    middle = start(*options, *reports_to(top))
    low = start("--node", "w0=%s" % node.address, *reports_to(middle))
    expected = (group_of(middle), "w0")
    wait_for(lambda: children(top) == [expected], 20)
    answer = top.ask("/proxy2/%s/proxy2/%s/echo" % expected)
    assert answer.status == 200 and answer.json()["target"] == "/echo"
    document = top.ask("/lmcache_infos").json()
    assert list(document["processInfos"]) == [middle.url] and document["versions"] is None
    low.stop()
    wait_for(lambda: children(top) == [], 20)
    middle.stop()
    wait_for(lambda: top.ask("/lmcache_infos").json()["processCount"] == 0, 20)
    wait_for(
        lambda: (
            [group["name"] for group in top.ask("/api/nodes").json()["nodes"]] == ["local_proxy"]
        )
    )


def test_a_chain_of_three_forwards_64_mib_intact_both_ways(start, over, node):
    low = start("--node", "w0=%s" % node.address)
    top = over(middle=over(low=low.port).port)
    wait_for(lambda: children(top) == [("middle", "w0")], 20)
    block = bytes(range(256)) * 4096
    got = top.ask("/proxy2/middle/proxy2/low/proxy2/w0/bytes/%d" % (64 * MIB), timeout=60)
    assert got.status == 200 and len(got.body) == 64 * MIB
    assert hashlib.sha256(got.body).digest() == hashlib.sha256(block * 64).digest()
    sent = top.ask("/proxy2/middle/proxy2/w0/digest", "POST", block * 64, timeout=60)
    assert sent.body.decode() == hashlib.sha256(block * 64).hexdigest()


def test_a_frontend_that_reports_to_itself_does_not_list_itself(start, node):
    frontend = start("--discovery", "--node", "w0=%s" % node.address)
    headers = {"Authorization": "Bearer " + TOKEN}
    body = {"heartbeat_url": reports_to(frontend)[1], "interval": 0.1}
    assert frontend.ask("/api/heartbeat/start", "POST", body, headers).status == 200
    wait_for(lambda: frontend.ask("/lmcache_infos").json()["processCount"])
    wait_for(lambda: frontend.ask("/api/heartbeat/status").json()["last_success"])
    assert children(frontend) == [("local_proxy", "w0")]
    assert frontend.ask("/api/heartbeat/stop", "POST", b"", headers).status == 200
    assert frontend.ask("/api/heartbeat/status").json()["running"] is False


# -- frontends that list each other


def test_two_frontends_that_list_each_other_under_other_addresses_are_no_loop(over, relay):
    to_a, to_b = relay(), relay()
    a = over("--node", "a0=127.0.0.1:1", b=to_b.port)
    b = over("--node", "b0=127.0.0.1:1", a=to_a.port)
    to_a.target, to_b.target = a.port, b.port
    for frontend, expected in (
        (a, [("b", "b0"), ("local_proxy", "a0")]),
        (b, [("a", "a0"), ("local_proxy", "b0")]),
    ):
        wait_for(lambda: children(frontend) == expected, 20)
        assert frontend.ask("/api/proxies/%s/refresh" % expected[0][0]).status == 200
        assert children(frontend) == expected
    before = time.monotonic()  # with polling off, a status asks the nodes: each other
    assert [proxy["state"] for proxy in a.ask("/api/status").json()["proxies"]] == ["up"]
    assert time.monotonic() - before < 8


def test_a_ring_of_three_is_cut_where_it_comes_back(over, relay):
    to_a = relay()
    c = over("--node", "c0=127.0.0.1:1", a=to_a.port)
    b = over("--node", "b0=127.0.0.1:1", c=c.port)
    a = over("--node", "a0=127.0.0.1:1", b=b.port)
    to_a.target = a.port
    expected = [("b", "b0"), ("b", "c0"), ("local_proxy", "a0")]
    wait_for(lambda: children(c) == [("a", "a0"), ("a", "b0"), ("local_proxy", "c0")], 20)
    wait_for(lambda: children(a) == expected, 20)
    a.ask("/api/proxies/b/refresh")
    assert children(a) == expected


def test_a_frontend_that_is_its_own_proxy_has_an_alert_that_says_so(over, relay):
    myself = relay()
    frontend = over("--node", "w0=127.0.0.1:1", mirror=myself.port)
    myself.target = frontend.port
    answer = wait_for(
        lambda: [
            a
            for a in frontend.ask("/api/status").json()["alerts"]
            if "this frontend itself" in a["text"]
        ],
        20,
    )
    assert "mirror" in answer[0]["text"] and children(frontend) == [("local_proxy", "w0")]


def test_frontends_that_have_each_other_as_plain_nodes_do_not_scrape_for_ever(start, relay, node):
    to_a, to_b = relay(), relay()
    a = start("--node", "b=127.0.0.1:%d" % to_b.port)
    b = start("--node", "a=127.0.0.1:%d" % to_a.port, "--node", "w0=%s" % node.address)
    to_a.target, to_b.target = a.port, b.port
    before = time.monotonic()
    answer = a.ask("/metrics")
    assert answer.status == 200 and b'exported_node="w0"' in answer.body
    assert time.monotonic() - before < 8 and (to_a.connections, to_b.connections) == (1, 1)


@pytest.mark.slow
def test_the_nodes_of_an_original_are_asked_a_few_at_a_time(over, service):
    busy, most = [], []

    def page():
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.02)  # the original is slow
        busy.pop()
        return b"# TYPE lmcache:hit gauge\nlmcache:hit 1\n"

    names = ["n%02d" % number for number in range(40)]
    answers = {"/proxy2/%s/metrics" % name: (200, page) for name in names}
    entries = [{"name": name, "host": "10.0.0.1", "port": "1"} for name in names]
    original = service(
        dict(
            answers,
            **{
                "/api/nodes": (
                    200,
                    {
                        "nodes": [
                            {"name": "local_proxy", "host": "h", "port": 1, "children": entries}
                        ]
                    },
                )
            },
        )
    )
    # Rounds are so far apart that on a busy machine, too, one ends before the next.
    frontend = over("--poll-interval", "5", original=original.port)
    wait_for(lambda: frontend.ask("/api/status").json()["counts"]["up"] == 40, 40)
    assert 1 < max(most) <= lf.MAX_THROUGH


def test_a_status_is_told_while_the_monitor_makes_the_next_one():
    armed, making, go_on = threading.Event(), threading.Event(), threading.Event()

    def slow_source():
        if armed.is_set() and threading.current_thread().name == "monitor":
            making.set()
            go_on.wait(20)
        return []

    registry = lf.NodeRegistry()
    registry.replace_source("node", [lf.parse_node_option("w0=127.0.0.1:1")])
    monitor = lf.Monitor(registry, interval=0.1, history_minutes=1)
    monitor.add_alert_source(slow_source)
    monitor.start()
    try:
        wait_for(lambda: monitor.status()["counts"]["down"] == 1)
        armed.set()
        assert making.wait(10)
        before = time.monotonic()
        assert monitor.status()["counts"]["down"] == 1
        assert time.monotonic() - before < 15
    finally:
        go_on.set()
        monitor.stop()


# -- strangers


def test_a_stranger_cannot_make_an_address_reachable_by_reporting_it(node):
    # Without --token, strangers may report themselves.
    options = ("--port", "0", "--host", "127.0.0.1", "--discovery", "--poll-interval", "0")
    frontend = Frontend(*options, port=False)
    try:
        assert frontend.foreign("/heartbeat?api_address=http://%s" % node.address).status == 403
        assert frontend.foreign("/proxy/127.0.0.1/%d/echo" % node.port).status == 403
        assert frontend.ask("/lmcache_infos").json()["processCount"] == 0 and node.connections == 0
    finally:
        frontend.stop()


def test_with_a_token_set_a_report_needs_it(start):
    frontend = start("--discovery")
    assert frontend.foreign("/heartbeat?api_address=http://127.0.0.1:1").status == 403
    headers = {"Authorization": "Bearer " + TOKEN}
    assert (
        frontend.foreign("/heartbeat?api_address=http://127.0.0.1:1", headers=headers).status == 200
    )


# -- a child that lies


TREE = {
    "nodes": [
        {
            "name": "local_proxy",
            "host": "h",
            "port": 1,
            "children": [{"name": "w0", "host": "h", "port": 1}],
        }
    ]
}
LIES = {
    "deep": b"[" * 200000,
    "html": b"<html>no</html>",
    "number": b'{"nodes": 5}',
    "digits": b'{"nodes": [], "x": ' + b"9" * (1 << 20) + b"}",
    "large": b'{"nodes": [' + b" " * (10 << 20) + b"]}",
    "list": b"[1]",
    "types": json.dumps(
        {
            "nodes": [
                {"name": ["w0"], "state": "up"},
                5,
                None,
                {"name": "w0", "state": ["up"], "metrics": 7, "reasons": 3},
            ]
        }
    ).encode(),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_child_that_lies_about_its_status_costs_nobody_else(over, node, service, lie):
    liar = service({"/api/nodes": (200, TREE), "/api/status": (200, LIES[lie])})
    frontend = over("--node", "good=%s" % node.address, "--poll-interval", "0.2", liar=liar.port)

    def polled():
        """both nodes were asked"""
        nodes = {entry["key"]: entry for entry in frontend.ask("/api/status").json()["nodes"]}
        return (
            nodes
            if {entry["polled"] is not None for entry in nodes.values()} == {True}
            and len(nodes) == 2
            else None
        )

    nodes = wait_for(polled, 20)
    assert nodes["good"]["state"] in ("up", "degraded") and nodes["liar/w0"]["state"] == "degraded"
    assert "Traceback" not in frontend.output()


def test_what_a_child_tells_of_its_nodes_is_short_and_on_one_line(over, service):
    long = "<b>\n\x1b[31m" + "x" * 10000
    entry = {
        "name": "w0",
        "state": "degraded",
        "kind": long,
        "role": long,
        "version": [1],
        "error": long,
        "reasons": [long, 5] * 50,
        "metrics": {"healthy": "1", "queue_size": 1e308},
        "since": -1,
        "latency": "x",
    }
    liar = service({"/api/nodes": (200, TREE), "/api/status": (200, {"nodes": [entry]})})
    frontend = over("--poll-interval", "0.2", liar=liar.port)
    (told,) = wait_for(
        lambda: [
            n for n in frontend.ask("/api/status").json()["nodes"] if n["state"] == "degraded"
        ],
        20,
    )
    texts = [told["kind"], told["role"], told["version"], told["error"], *told["reasons"]]
    assert all(isinstance(text, str) and text.isprintable() and len(text) <= 500 for text in texts)
    assert (
        len(told["reasons"]) <= 20 and told["metrics"]["healthy"] is None and told["version"] == ""
    )


# -- HTTPS


def https(port):
    context = ssl.create_default_context(cafile=CERTIFICATE)
    return http.client.HTTPSConnection("localhost", port, context=context, timeout=10)


def test_https_serves_the_dashboard_and_forwards(start, node):
    front = start("--tls-cert", CERTIFICATE, "--node", "w0=%s" % node.address)
    assert "https://" in front.output()
    connection = https(front.port)
    for _ in range(2):  # the second on the same connection
        connection.request("POST", "/proxy2/w0/digest", b"x" * 3 * MIB)
        assert (
            connection.getresponse().read().decode() == hashlib.sha256(b"x" * 3 * MIB).hexdigest()
        )
    connection.request("GET", "/proxy2/w0/bytes/%d" % (5 * MIB))
    assert len(connection.getresponse().read()) == 5 * MIB
    connection.close()


def test_a_node_behind_https_learns_the_protocol_of_the_client(start, node):
    front = start("--tls-cert", CERTIFICATE, "--node", "w0=%s" % node.address)
    connection = https(front.port)
    for path in ("/proxy2/w0/echo", "/proxy/127.0.0.1/%d/echo" % node.port):
        connection.request("GET", path)
        assert connection.getresponse().read()
        assert node.requests[-1].header("X-Forwarded-Proto") == ["https"]
    connection.close()


def test_clients_that_never_shake_hands_hold_nobody_up(start, node):
    front = start("--tls-cert", CERTIFICATE, "--node", "w0=%s" % node.address)
    silent = [front.connect() for _ in range(100)]
    before = time.monotonic()
    connection = https(front.port)
    connection.request("GET", "/metrics")  # needs a worker thread
    assert connection.getresponse().status == 200
    connection.close()
    assert time.monotonic() - before < 8
    for sock in silent:
        sock.close()


def test_plain_http_to_an_https_port_is_closed_and_the_next_client_served(start):
    front = start("--tls-cert", CERTIFICATE)
    assert (
        front.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", until_close=True)[:4]
        != b"HTTP"
    )
    connection = https(front.port)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    "options", [["--port", "0", "--tls-cert", CERTIFICATE], ["--uds", "lf.sock"]]
)
def test_a_heartbeat_that_nobody_could_use_is_said_at_the_start(options, tmp_path, relay):
    command = [*options, "--heartbeat-url", "http://127.0.0.1:%d/heartbeat" % relay().port]
    frontend = Frontend(
        "--host",
        "127.0.0.1",
        *command,
        port=False,
        wait=False,
        prefix=["env", "-C", str(tmp_path)],
    )
    try:
        wait_for(lambda: "heartbeat" in frontend.output(), 20)
    finally:
        assert frontend.stop() == 0
