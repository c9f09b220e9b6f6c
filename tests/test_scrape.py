"""``/metrics`` and ``/api/status`` of a running frontend.

Nodes that answer nonsense, frontends that have each other as nodes.
"""

import gzip
import json
import re
import time

import pytest
from conftest import short_socket_path
from support.frontend import wait_for
from support.nodes import NodeServer

GOOD = b"# TYPE good_total counter\ngood_total 5\n"


class Page(NodeServer):
    """A node whose ``/metrics`` is exactly ``body``.

    Or that many spaces; None: it never answers.
    """

    def __init__(self, body, path=None):
        self.body = body
        super().__init__(path)

    def do_metrics(self, request):
        if self.body is None:
            return self.do_hang(request)
        if isinstance(self.body, bytes):
            request.answer(self.body)
            return True
        request.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.body)
        for _ in range(self.body >> 20):
            request.send(b" " * (1 << 20))
        return False


@pytest.mark.parametrize(
    "body, samples, errors",
    [
        (bytes(range(256)) * 50, [], True),
        (b"<html><body>502 Bad Gateway</body></html>\n" * 30, [], True),
        (100 << 20, [], True),
        (b"", [], False),
        (GOOD[:-1], ['good_total{node="odd"} 5'], False),
        (GOOD.replace(b"\n", b"\r\n"), ['good_total{node="odd"} 5'], False),
        (
            b'# TYPE other gauge\nother{node="x",a="\\"\\n\\\\"} NaN 1395066363000\n',
            ['other{exported_node="x",a="\\"\\n\\\\",node="odd"} NaN 1395066363000'],
            False,
        ),
        (
            b"# TYPE good_total gauge\ngood_total 7\n# TYPE more gauge\nmore +Inf",
            ['more{node="odd"} +Inf'],
            True,
        ),
        (
            b'# TYPE good counter\ngood_total 7 1.5 # {trace="x"} 1\n# EOF\n',
            ['good_total{node="odd"} 7 1500'],
            False,
        ),
        (
            b"# TYPE good_total counter\ngood_total 7\ngood_total 8\n",
            ['good_total{node="odd"} 7'],
            True,
        ),
    ],
    ids=[
        "binary",
        "HTML",
        "100 MiB",
        "empty",
        "no newline",
        "CRLF",
        "labels",
        "type",
        "OpenMetrics",
        "twice",
    ],
)
def test_whatever_a_node_answers_the_others_lose_nothing(start, body, samples, errors):
    with Page(body) as odd, Page(GOOD) as good, Page(GOOD) as better:
        front = start(
            "--node",
            f"g={good.address}",
            "--node",
            f"odd={odd.address}",
            "--node",
            f"h={better.address}",
        )
        lines = front.ask("/metrics", timeout=30).body.decode().splitlines()
        counted = [line for line in lines if 'scrape_errors_total{node="odd"}' in line][
            0
        ].rpartition(" ")[2]
        assert 'good_total{node="g"} 5' in lines and 'good_total{node="h"} 5' in lines
        assert [line for line in lines if '"odd"' in line and "frontend_" not in line] == samples
        assert (int(counted) > 0) is errors


def test_frontends_that_have_each_other_as_nodes_do_not_ask_without_end(start, node):
    first = start("--node", f"w0={node.address}", "--poll-interval", "0.2")
    second = start("--node", f"first=127.0.0.1:{first.port}", "--poll-interval", "0.2")
    assert (
        first.ask(
            "/api/nodes", "POST", {"name": "second", "host": "127.0.0.1", "port": second.port}
        ).status
        == 200
    )

    def scrapes():
        """How often the two were asked for their metrics, these questions included."""
        texts = [
            front.ask(
                "/metrics", headers={"X-LMCache-Frontends": ",".join(["0" * 16] * 3)}
            ).body.decode()
            for front in (first, second)
        ]
        return [
            sum(
                map(
                    int,
                    re.findall(
                        r'requests_total\{route="metrics",method="GET",status="200"\} (\d+)', text
                    ),
                )
            )
            for text in texts
        ]

    wait_for(
        lambda: (
            {one["name"]: one["kind"] for one in first.ask("/api/status").json()["nodes"]}
            == {"w0": "worker", "second": "frontend"}
        )
    )
    wait_for(lambda: second.ask("/api/status").json()["nodes"][0]["kind"] == "frontend")
    before = scrapes()
    text = first.ask("/metrics").body.decode()
    assert 'lmcache:num_hit_tokens_total{worker_id="0",node="w0"} 42.0' in text
    assert re.search(r'lmcache_frontend_build_info\{[^}]*,node="second"\} 1', text)
    assert [now - then for now, then in zip(scrapes(), before)] == [
        3,
        2,
    ]  # the question, the one that came back, and counting


def test_a_frontend_as_a_node_gives_its_nodes_metrics_under_its_name(start, node):
    inner = start("--node", f"w0={node.address}")
    outer = start("--node", f"inner=127.0.0.1:{inner.port}")
    assert (
        'lmcache:num_hit_tokens_total{worker_id="0",exported_node="w0",node="inner"} 42.0'
        in outer.ask("/metrics").body.decode()
    )


def test_a_status_is_packed_when_accepted_and_304_while_nothing_changed(front):
    front.ask("/api/refresh", "POST")
    plain = front.ask("/api/status")
    packed = front.ask("/api/status", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and len(packed.body) < len(plain.body)
    assert json.loads(gzip.decompress(packed.body))["nodes"] == plain.json()["nodes"]
    same = front.ask("/api/status", headers={"If-None-Match": plain.headers["etag"]})
    assert (same.status, same.body) == (304, b"")
    time.sleep(0.001)
    front.ask("/api/refresh", "POST")
    assert front.ask("/api/status", headers={"If-None-Match": plain.headers["etag"]}).status == 200


def test_a_node_that_never_answers_keeps_nobody_waiting(start):
    with Page(None) as hanging, Page(GOOD) as good:
        front = start(
            "--node",
            f"h={hanging.address}",
            "--node",
            f"g={good.address}",
            "--poll-interval",
            "0.3",
            "--poll-timeout",
            "5",
        )
        states = lambda: {
            one["name"]: (one["state"], one["error"])
            for one in front.ask("/api/status").json()["nodes"]
        }  # noqa: E731
        assert wait_for(lambda: states()["g"] == ("up", None) and states(), 4)["h"] == (
            "unknown",
            None,
        )
        wait_for(lambda: states()["h"] == ("down", "no answer within 5 s"), 15)
        assert states()["g"][0] == "up"


def test_a_killed_node_is_down_within_an_interval_and_its_successor_up_without_a_negative_rate(
    start,
):
    path = short_socket_path()
    counts = (
        b"# TYPE lmcache:num_hit_tokens_total counter\n"
        b'lmcache:num_hit_tokens_total{role="worker"} %d\n'
    )

    def is_now(state):
        entry = front.ask("/api/status").json()["nodes"][0]
        assert all(value is None or value >= 0 for value in entry["metrics"].values())
        return entry["state"] == state and entry

    with Page(counts % 1000, path):
        front = start("--node", f"w0={path}", "--poll-interval", "0.3")
        wait_for(lambda: is_now("up"))
    killed = time.monotonic()
    assert wait_for(lambda: is_now("down"))["error"] == "no such socket"
    assert time.monotonic() - killed < 3
    with Page(counts % 10, path) as successor:
        wait_for(lambda: is_now("up"))
        successor.body = counts % 40
        wait_for(
            lambda: is_now("up") and is_now("up")["metrics"]["hit_tokens_per_second"] is not None
        )


def test_many_scrapes_of_a_hanging_node_keep_nobody_else_waiting(start):
    with Page(None) as hanging:
        front = start("--node", f"h={hanging.address}", "--poll-interval", "0")
        scrapers = [front.connect() for _ in range(70)]
        for sock in scrapers:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(
            lambda: (
                len([request for request in hanging.requests if request.target == "/metrics"]) == 8
            )
        )
        assert front.ask("/api/nodes", timeout=3).status == 200
        for sock in scrapers:
            sock.close()
