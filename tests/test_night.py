"""The story of a night, with real processes.

Three workers, a history file and an Alertmanager. The hit rate falls and recovers, a worker is
killed and comes back with another version, a setting is changed, an alert is silenced, and the
frontend itself is killed and started again: all of it can be read in the morning.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import pytest
from support.frontend import TOKEN, wait_for
from support.ports import free_port
from support.processes import Process, find_program

pytestmark = [pytest.mark.slow, pytest.mark.waits]
NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "support", "night_node.py")
CONFIG = """
route: {receiver: nobody, group_wait: 1s, group_interval: 1s}
receivers: [{name: nobody}]
"""
SECRETS = ("s3cret-of-conf", "s3cret-of-query", TOKEN)


class Worker:
    """A worker in a process of its own, that can be killed and started again."""

    def __init__(self, folder, name):
        self.name = name
        self.port = free_port()
        self.rate_file = str(folder / (name + ".rate"))
        self.set_rate(0.8)
        self.process = None

    def set_rate(self, rate):
        with open(self.rate_file + ".new", "w") as file:
            file.write(str(rate))
        os.replace(self.rate_file + ".new", self.rate_file)

    def start(self, version):
        arguments = [sys.executable, NODE, str(self.port), version, self.rate_file]
        self.process = Process(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def workers(tmp_path):
    made = [Worker(tmp_path, "w%d" % index) for index in range(3)]
    try:
        for worker in made:
            worker.start("0.5.5")
        yield made
    finally:
        for worker in made:
            worker.kill()


@pytest.fixture
def alertmanager(tmp_path):
    """A real Alertmanager: its URL, and a function that asks it for its alerts."""
    program = find_program("prometheus-alertmanager")
    port = free_port()
    (tmp_path / "alertmanager.yml").write_text(CONFIG)
    options = [
        "--config.file=%s/alertmanager.yml" % tmp_path,
        "--storage.path=%s/alertmanager" % tmp_path,
        "--web.listen-address=127.0.0.1:%d" % port,
        "--cluster.listen-address=",
    ]
    with open(str(tmp_path / "alertmanager.log"), "wb") as log:
        process = Process([program, *options], stdout=log, stderr=log)

    def ask():
        assert process.poll() is None, (tmp_path / "alertmanager.log").read_text()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/api/v2/alerts")
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError):
            return None
        finally:
            connection.close()

    wait_for(lambda: ask() is not None, 30)
    yield "http://127.0.0.1:%d" % port, ask
    process.terminate()
    process.wait(20)


def events_of(front, **which):
    query = urllib.parse.urlencode({"limit": 1000, **which})
    return front.ask("/api/events?" + query).json()["events"][::-1]


def first_event(front, kind, node=None, ended=False):
    """The first event of a kind, of a node; with ``ended`` one that is over."""
    which = {"kind": kind, **({"node": node} if node else {})}
    for event in events_of(front, **which):
        if event["until"] is not None or not ended:
            return event
    return None


def written(front):
    """When the history file was written last, in Unix seconds."""
    for line in front.ask("/metrics").body.decode().split("\n"):
        if line.startswith("lmcache_frontend_history_file_written_timestamp_seconds "):
            return float(line.split()[1])
    return 0.0


def wait_for_a_minute_in_the_file(front):
    """Wait until one more minute was written; returns its Unix time."""
    before = written(front)
    wait_for(lambda: written(front) > before, 75)
    return int(time.time() // 60) * 60 - 60


def hit_rates(front, start, end):
    """The cluster's hit rate by minute."""
    query = "start=%d&end=%d&metric=lookup_hit_rate" % (start, end)
    answer = front.ask("/api/history?" + query).json()
    minutes = {}
    for at, value in zip(answer["series"][0]["times"], answer["series"][0]["values"]):
        if value is not None:
            minutes.setdefault(int(at // 60) * 60, []).append(value)
    return answer["source"], {at: sum(found) / len(found) for at, found in minutes.items()}


def test_the_story_of_a_night(start, workers, alertmanager, tmp_path):
    url, ask_alertmanager = alertmanager
    history = str(tmp_path / "history.db")
    options = ["--history-file", history, "--alertmanager-url", url, "--poll-interval", "1"]
    for worker in workers:
        options += ["--node", "%s=127.0.0.1:%d" % (worker.name, worker.port)]
    front = start(*options, "--log-level", "info")
    first_minute = wait_for_a_minute_in_the_file(front) + 60

    # The hit rate falls, for a whole minute at least, and recovers.
    wait_for_a_minute_in_the_file(front)
    for worker in workers:
        worker.set_rate(0.1)
    fell = time.time()
    wait_for_a_minute_in_the_file(front)
    wait_for_a_minute_in_the_file(front)
    for worker in workers:
        worker.set_rate(0.8)

    # A worker is killed: the Alertmanager hears of it, and of the end, when it is silenced.
    workers[1].kill()
    wait_for(lambda: first_event(front, "node_down", "w1"))
    wait_for(lambda: first_event(front, "alert", "w1"), 30)

    def active():
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return [alert for alert in ask_alertmanager() or [] if alert["endsAt"] > now]

    (received,) = wait_for(active, 30)
    assert received["labels"]["alertname"] == "node_down"
    assert received["labels"]["node"] == "w1"
    assert "unreachable" in received["annotations"]["summary"]
    path = "/api/alerts/%s/silence" % urllib.parse.quote("down:w1", safe="")
    body = {"seconds": 3600, "comment": "being repaired"}
    assert front.ask(path, "POST", body).status == 200
    wait_for(lambda: not active(), 30)

    # It comes back with another version, and a setting is changed through the proxy.
    workers[1].start("0.5.6")
    wait_for(lambda: first_event(front, "node_up", "w1"), 90)
    wait_for(lambda: first_event(front, "changed", "w1"), 90)
    wait_for(lambda: first_event(front, "alert", "w1", ended=True), 30)
    headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}
    change = {"blocking_timeout_secs": 5, "api_token": "s3cret-of-conf-2"}
    proxied = "/proxy2/w0/conf?token=s3cret-of-query"
    assert front.ask(proxied, "POST", change, headers).status == 200
    front.ask("/api/refresh?node=w0", "POST")
    wait_for(lambda: first_event(front, "changed", "w0"), 90)

    # The frontend is killed, after the minute was written, and started again.
    before = events_of(front)
    last_minute = wait_for_a_minute_in_the_file(front)
    assert front.stop(signal.SIGKILL) == -signal.SIGKILL
    output = front.output()
    front = start(*options)
    after = events_of(front)

    check_what_is_told(after)
    assert [event["text"] for event in after][: len(before)] == [event["text"] for event in before]
    silence = [event for event in after if event["kind"] == "restart" and event["node"] is None]
    assert silence, "the frontend's own restart is an event"
    source, rates = hit_rates(front, first_minute, last_minute + 59)
    assert source in ("file", "both")
    expected = range(first_minute, last_minute + 1, 60)
    assert [at for at in expected if at not in rates] == []
    assert min(rates.values()) < 0.3 and max(rates.values()) > 0.7
    assert min(rates, key=rates.get) >= fell // 60 * 60
    for place in (json.dumps(after), output, open(history, "rb").read().decode("latin-1")):
        assert not [secret for secret in SECRETS if secret in place]


def check_what_is_told(events):
    """The events are in order, with durations and reasons."""
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    story = [
        (event["kind"], event["node"])
        for event in events
        if event["kind"] != "nodes" and event["time"]
    ]
    wanted = [
        ("node_down", "w1"),
        ("alert", "w1"),
        ("action", None),
        ("node_up", "w1"),
        ("changed", "w1"),
        ("action", "w0"),
        ("changed", "w0"),
    ]
    places = [story.index(item) for item in wanted]
    assert places == sorted(places), story
    found = dict(zip(wanted, (events[place] for place in places)))
    by_kind = {kind: event for (kind, _), event in found.items()}
    down = next(event for event in events if event["kind"] == "node_down")
    # It may have been killed after it accepted a connection.
    assert down["text"].endswith(("refused", "reset")) and down["until"] - down["time"] > 1
    alert = next(event for event in events if event["kind"] == "alert")
    assert alert["seconds"] > 0 and "unreachable" in alert["text"]
    versions = next(event for event in events if event["kind"] == "changed")["changes"]
    assert versions["version"] == ["0.5.5", "0.5.6"]
    assert by_kind["changed"]["changes"]["blocking_timeout_secs"] == ["10", "5"]
    assert (by_kind["changed"]["by"], by_kind["changed"]["from"]) == ("token", "127.0.0.1")
    action = by_kind["action"]
    assert (action["method"], action["status"], action["by"]) == ("POST", 200, "token")
