"""``/metrics`` and ``/api/status`` of a running frontend.

Nodes that answer nonsense, frontends that have each other as nodes.
"""

import gzip
import io
import json
import re
import threading
import time
import weakref
import zipfile

import pytest
from conftest import short_socket_path
from support.frontend import wait_for
from support.nodes import NodeServer
from support.ports import free_port

import lmcache_frontend as frontend

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


@pytest.mark.slow
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
            "8",
        )
        states = lambda: {
            one["name"]: (one["state"], one["error"])
            for one in front.ask("/api/status").json()["nodes"]
        }  # noqa: E731
        assert wait_for(lambda: states()["g"] == ("up", None) and states(), 7)["h"] == (
            "unknown",
            None,
        )
        wait_for(lambda: states()["h"] == ("down", "no response within 8 s"))
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
    assert time.monotonic() - killed < 5
    with Page(counts % 10, path) as successor:
        wait_for(lambda: is_now("up"))
        successor.body = counts % 40
        wait_for(
            lambda: is_now("up") and is_now("up")["metrics"]["hit_tokens_per_second"] is not None
        )


def test_many_scrapes_of_a_hanging_node_share_one_question_and_keep_nobody_else_waiting(start):
    with Page(None) as hanging:
        front = start("--node", f"h={hanging.address}", "--poll-interval", "0")
        scrapers = [front.connect() for _ in range(70)]
        for sock in scrapers:
            sock.sendall(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                b"X-Prometheus-Scrape-Timeout-Seconds: 30\r\n\r\n"
            )
        wait_for(lambda: hanging.requests)
        assert front.ask("/api/nodes", timeout=15).status == 200
        assert len(hanging.requests) == 1
        for sock in scrapers:
            sock.close()


# -- what the scrape itself knows


def values_of(text, name):
    """{node: value} of one of our own metrics in an exposition."""
    found = re.findall(r'(?m)^lmcache_frontend_%s\{node="([^"]*)"\} (\S+)$' % name, text)
    return {node: float(value) for node, value in found}


@pytest.fixture
def dead_address():
    """An address where nobody listens, and nobody else can."""
    return "127.0.0.1:%d" % free_port()


@pytest.mark.parametrize("interval", ["0", "10"])
def test_the_very_first_scrape_says_of_every_node_whether_it_answered(
    start, dead_address, interval
):
    with Page(GOOD) as good, NodeServer() as without, Page(GOOD) as slow:
        without.exact["/metrics"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        slow.do_metrics = lambda request: slow.release.wait(0.7) or Page.do_metrics(slow, request)
        nodes = {"good": good.address, "without": without.address, "dead": dead_address}
        nodes["slow"] = slow.address
        options = [part for item in nodes.items() for part in ("--node", "%s=%s" % item)]
        front = start(*options, "--poll-interval", interval)
        text = front.ask("/metrics").body.decode()
        assert values_of(text, "node_up") == {"good": 1, "without": 1, "dead": 0, "slow": 1}
        errors = {"good": 0, "without": 1, "dead": 1, "slow": 0}
        assert values_of(text, "scrape_errors_total") == errors
        text = front.ask("/metrics?node=dead").body.decode()
        assert values_of(text, "node_up") == {"dead": 0}
        assert values_of(text, "scrape_errors_total") == {"dead": 2}


def test_a_page_that_is_cut_off_gives_no_sample_and_its_node_is_not_up(start):
    with NodeServer() as cut, Page(GOOD) as good:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        cut.exact_then_close["/metrics"] = head + b"# TYPE a gauge\na 1\nb 2"
        front = start("--node", f"cut={cut.address}", "--node", f"good={good.address}")
        text = front.ask("/metrics").body.decode()
        samples = [line for line in text.splitlines() if line[0] != "#" and 'node="' in line]
        others = [line for line in samples if not line.startswith("lmcache_frontend_")]
        assert others == ['good_total{node="good"} 5']
        assert values_of(text, "node_up") == {"cut": 0, "good": 1}
        assert values_of(text, "scrape_errors_total") == {"cut": 1, "good": 0}


def test_the_answer_is_there_before_the_scraper_gives_up_with_all_nodes_that_answered(start):
    with Page(None) as hanging, Page(GOOD) as good:
        front = start("--node", f"h={hanging.address}", "--node", f"g={good.address}")
        fields = {"X-Prometheus-Scrape-Timeout-Seconds": "4"}
        for _ in range(3):  # a busy machine may be late once
            began = time.monotonic()
            text = front.ask("/metrics", headers=fields).body.decode()
            took = time.monotonic() - began
            if took < 4:
                break
        assert took < 4
        assert 'good_total{node="g"} 5' in text.splitlines()
        assert values_of(text, "node_up") == {"h": 0, "g": 1}


@pytest.mark.parametrize("told", ["nan", "soon", "-1", "1e400", ""])
def test_a_scrape_timeout_that_is_no_time_is_no_fault(start, told):
    with Page(GOOD) as good:
        front = start("--node", f"g={good.address}")
        fields = {"X-Prometheus-Scrape-Timeout-Seconds": told}
        assert front.ask("/metrics", headers=fields).status == 200


def test_a_node_whose_metrics_are_on_another_port_is_scraped_there(start):
    with NodeServer() as node, Page(GOOD) as metrics:
        port = metrics.port
        entry = {"name": "mp", "host": "127.0.0.1", "port": node.port, "metrics_port": port}
        front = start("--nodes", json.dumps([entry]))
        assert 'good_total{node="mp"} 5' in front.ask("/metrics").body.decode().splitlines()


def test_the_proxy_serves_metrics_that_are_on_another_port(start):
    with NodeServer() as node, Page(GOOD) as metrics:
        entry = {"name": "mp", "host": "127.0.0.1", "port": node.port, "metrics_port": metrics.port}
        front = start("--nodes", json.dumps([entry]))
        assert b"good_total 5" in front.ask("/proxy2/mp/metrics").body
        assert b"good_total" not in front.ask("/proxy2/mp/version").body


def test_a_bundle_has_metrics_that_are_on_another_port():
    with NodeServer() as node, Page(GOOD) as metrics:
        entry = {"name": "mp", "host": "127.0.0.1", "port": node.port, "metrics_port": metrics.port}
        nodes = frontend.parse_nodes([entry], "test", "test")
        data = b"".join(frontend.bundle_pieces(nodes, {}))
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert b"good_total 5" in bundle.read("nodes/mp/metrics.txt")


def test_responses_that_nobody_takes_do_not_stay_in_the_budget():
    def has_room():
        try:
            frontend.BUDGET.take(frontend.RESPONSE_BUDGET, 0.0)
        except frontend.BudgetFull:
            return False
        frontend.BUDGET.give_back(frontend.RESPONSE_BUDGET)
        return True

    with Page(1 << 20) as node:
        entries = [
            {"name": f"w{number}", "host": "127.0.0.1", "port": node.port} for number in range(8)
        ]
        nodes = frontend.parse_nodes(entries, "test", "test")
        results = frontend.fetch_many([frontend.FetchJob(each, "/metrics") for each in nodes])
        next(results)
        results.close()
        wait_for(has_room)


# -- the order of questions, and one page for many


def nodes_called(*names):
    entries = [{"name": name, "host": "127.0.0.1", "port": 1} for name in names]
    return frontend.parse_nodes(entries, "test", "test")


class Asked:
    """Stands for the network: remembers the jobs, and answers all but the ``silent`` nodes."""

    def __init__(self):
        self.jobs, self.silent = [], set()

    def __call__(self, jobs):
        for job in jobs:
            self.jobs.append(job)
            if job.node.name in self.silent:
                yield job, frontend.FetchError("it is silent")
            else:
                yield job, frontend.Reply(200, {}, (b"a 1\n",), 0.0)


def test_nodes_that_did_not_answer_are_asked_last():
    asked = Asked()
    scraper = frontend.Scraper(asked)
    asked.silent = {"a", "b"}
    for expected in ("abc", "cab", "cab"):
        del asked.jobs[:]
        text = b"".join(scraper.scrape(nodes_called(*"abc"), bytes, 5.0)).decode()
        assert "".join(job.node.name for job in asked.jobs) == expected
        assert values_of(text, "node_up") == {"a": 0, "b": 0, "c": 1}


@pytest.mark.slow
def test_removed_nodes_are_not_remembered_without_end():
    asked = Asked()
    scraper = frontend.Scraper(asked)
    names = ["n%d" % number for number in range(frontend.MAX_COUNTED_NODES)]
    asked.silent = {"a", *names}
    for nodes in (nodes_called("a"), nodes_called(*names), nodes_called("c")):
        scraper.scrape(nodes, bytes, 60.0)
    del asked.jobs[:]
    scraper.scrape(nodes_called(*"ab"), bytes, 5.0)
    assert [job.node.name for job in asked.jobs] == ["a", "b"]


def test_a_question_has_the_time_that_is_left_and_none_is_asked_when_none_is():
    asked = Asked()
    scraper = frontend.Scraper(asked)
    scraper.scrape(nodes_called(*"abc"), bytes, 5.0)
    times = [job.timeout for job in asked.jobs]
    assert times == sorted(times, reverse=True) and 4.5 < times[-1] <= times[0] <= 5.0
    del asked.jobs[:]
    text = b"".join(scraper.scrape(nodes_called(*"abc"), bytes, frontend.MIN_SCRAPE_TIME / 2))
    assert asked.jobs == [] and values_of(text.decode(), "node_up") == {"a": 0, "b": 0, "c": 0}


class Maker:
    """Makes pages slowly: each call waits for ``go``."""

    def __init__(self, fails=False):
        self.calls, self.fails, self.go = 0, fails, threading.Event()

    def __call__(self):
        self.calls += 1
        assert self.go.wait(10)
        if self.fails:
            raise OSError("it failed")
        return frontend.Exposition([b"page %d" % self.calls])


def get_from_threads(pages, make, count=5):
    """What ``count`` threads get that ask while the page is made."""
    got, started = [], threading.Semaphore(0)

    def ask():
        started.release()
        try:
            got.append(pages.get("key", make))
        except OSError as error:
            got.append(error)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
        started.acquire()
    wait_for(lambda: make.calls)
    make.go.set()
    for thread in threads:
        thread.join(10)
    return got


def test_who_asks_while_a_page_is_made_or_read_gets_the_same_for_a_second():
    now = [100.0]
    pages = frontend.SharedPages(lambda: now[0])
    make = Maker()
    got = get_from_threads(pages, make)
    assert make.calls == 1 and len({id(page) for page in got}) == 1
    now[0] += frontend.PAGE_AGE - 0.01
    assert pages.get("key", make) is got[0]
    assert pages.get("another key", make) is not got[0]
    now[0] += 0.01
    assert pages.get("key", make) is not got[0]


def test_a_page_that_nobody_reads_is_neither_kept_nor_given_again():
    pages, make = frontend.SharedPages(lambda: 100.0), Maker()
    make.go.set()
    held = weakref.ref(pages.get("key", make))
    assert held() is None
    assert pages.get("key", make) == [b"page 2"]


def test_a_page_that_cannot_be_made_costs_nobody_the_next_one():
    pages = frontend.SharedPages()
    got = get_from_threads(pages, Maker(fails=True))
    assert [str(error) for error in got] == ["it failed"] * 5
    make = Maker()
    make.go.set()
    assert pages.get("key", make) == [b"page 1"]
