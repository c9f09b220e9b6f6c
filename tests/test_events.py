"""What happened: the log of events, how it grows, and what it never shows."""

import io
import json
import os
import sys
import threading
import zipfile

import pytest

import lmcache_frontend as lf
from support.frontend import TOKEN, run, wait_for


class StillClock(lf.Clock):
    """A clock that stands still until the test moves it."""

    def __init__(self, wall=1_000_000.0):
        self.now = 0.0
        self.start = wall

    def monotonic(self):
        return self.now

    def wall(self):
        return self.start + self.now


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture
def events(clock):
    return lf.EventLog(clock)


def texts(events, **which):
    page = events.query(lf.EventFilter(**which))
    return [event["text"] for event in page["events"]]


def test_events_are_listed_newest_first_with_growing_ids(events, clock):
    events.add("nodes", "info", "w0 added", "w0")
    clock.now = 10
    events.add("nodes", "info", "w1 added", "w1")
    found = events.query()["events"]
    assert [event["text"] for event in found] == ["w1 added", "w0 added"]
    assert found[0]["id"] > found[1]["id"]
    assert found[0]["time"] == found[0]["until"] == 1_000_010.0


def test_an_event_that_lasts_has_no_end_until_it_is_closed(events, clock):
    events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    clock.now = 40
    assert events.query()["events"][0]["until"] is None
    events.close("down:w0", "w0 was unreachable for 40 s")
    event = events.query()["events"][0]
    assert (event["until"], event["seconds"]) == (1_000_040.0, 40.0)
    assert event["text"] == "w0 was unreachable for 40 s"
    assert events.close("down:w0") is None


def test_what_lasts_already_gets_the_new_text_and_stays_one_event(events, clock):
    events.open("alert:x", "alert", "warning", "3 nodes", worst=3)
    clock.now = 10
    events.open("alert:x", "alert", "critical", "5 nodes", worst=5)
    (event,) = events.query()["events"]
    assert (event["text"], event["severity"], event["worst"]) == ("5 nodes", "critical", 5)
    assert (event["count"], event["time"]) == (1, 1_000_000.0)


def outages(events, clock, count, pause):
    for _ in range(count):
        events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
        clock.now += 5
        events.close("down:w0")
        clock.now += pause
    return events.query()["events"]


def test_two_outages_are_two_events_each_as_long_as_it_was(events, clock):
    second, first = outages(events, clock, 2, 60)
    assert (first["time"], first["until"], first["seconds"]) == (1000000.0, 1000005.0, 5.0)
    assert (second["time"], second["until"], second["seconds"]) == (1000065.0, 1000070.0, 5.0)


def test_a_flapping_node_has_three_events_of_which_the_last_grows(events, clock):
    found = outages(events, clock, 6, 60)
    assert [event["count"] for event in found] == [4, 1, 1]
    assert found[0]["seconds"] == 20.0
    assert (found[0]["time"], found[0]["until"]) == (1_000_130.0, 1_000_330.0)


def test_an_outage_that_two_polls_notice_at_once_is_one_event():
    events = lf.EventLog()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(200):
            key = "down:%d" % number
            opened = threading.Barrier(2)

            def notice():
                opened.wait()
                events.open(key, "node_down", "critical", "it is unreachable")

            threads = [threading.Thread(target=notice) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            events.close(key)
    finally:
        sys.setswitchinterval(interval)
    found = events.query(limit=1000)["events"]
    assert len(found) == 200
    assert all(event["count"] == 1 and event["until"] for event in found)


@pytest.mark.parametrize("pause, count", [(295, 3), (296, 4)])
def test_a_fourth_outage_grows_only_within_a_quarter_of_an_hour(events, clock, pause, count):
    assert len(outages(events, clock, 4, pause)) == count


def test_an_alert_that_comes_again_lasts_from_then_on(events, clock):
    for _ in range(2):
        events.open("alert:x", "alert", "warning", "w0 is slow", "w0")
        clock.now += 5
        events.close("alert:x")
        clock.now += 60
    events.open("alert:x", "alert", "warning", "w0 is slow", "w0")
    newest = events.query()["events"][0]
    assert (newest["time"], newest["until"], newest["count"]) == (1_000_130.0, None, 1)


@pytest.mark.parametrize("pause, count", [(900, 1), (901, 2)])
def test_what_comes_again_after_a_quarter_of_an_hour_is_a_new_event(events, clock, pause, count):
    events.add("nodes", "info", "w0 added", "w0")
    clock.now += pause
    events.add("nodes", "info", "w0 added", "w0")
    assert len(events.query()["events"]) == count


def test_a_jump_of_the_wall_clock_changes_no_duration(events, clock):
    events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    clock.now += 10
    clock.start -= 3600
    event = events.close("down:w0")
    assert event.seconds == 10.0
    assert event.until >= event.time


def test_events_are_chosen_by_time_node_and_kind(events, clock):
    for name, kind in (("w0", "node_up"), ("w1", "restart"), ("w0", "restart")):
        events.add(kind, "info", "%s %s" % (name, kind), name)
        clock.now += 100
    assert texts(events, nodes=("w0",)) == ["w0 restart", "w0 node_up"]
    assert texts(events, kinds=("restart",)) == ["w0 restart", "w1 restart"]
    assert texts(events, since=1_000_050, until=1_000_150) == ["w1 restart"]


def test_an_event_that_lasts_is_in_every_range_after_its_begin(events, clock):
    events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    assert texts(events, since=2_000_000) == ["w0 is unreachable"]
    assert texts(events, until=999_999) == []


def test_pages_follow_each_other_until_there_is_no_more(events):
    for number in range(5):
        events.add("nodes", "info", "node %d added" % number)
    seen, before = [], None
    while True:
        page = events.query(limit=2, before=before)
        seen += [event["text"][5] for event in page["events"]]
        before = page["next"]
        if before is None:
            break
    assert seen == ["4", "3", "2", "1", "0"]


def test_the_oldest_events_go_first_but_never_what_still_lasts(clock):
    events = lf.EventLog(clock, capacity=3)
    events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    for number in range(4):
        events.add("nodes", "info", "node %d added" % number)
    assert texts(events) == ["node 3 added", "node 2 added", "w0 is unreachable"]


def test_a_flood_of_one_kind_leaves_the_events_of_other_kinds(clock):
    events = lf.EventLog(clock, capacity=10)
    for number in range(3):
        events.add("restart", "warning", "w%d restarted" % number, "w%d" % number)
    for number in range(50):
        name = "n%d" % number
        events.open("degraded:" + name, "node_degraded", "warning", name + " is slow", name)
        events.close("degraded:" + name)
    assert texts(events, kinds=("restart",)) == ["w2 restarted", "w1 restarted", "w0 restarted"]
    assert texts(events, kinds=("node_degraded",))[::6] == ["n49 is slow", "n43 is slow"]


def test_what_lasts_again_is_not_dropped_as_over(clock):
    events = lf.EventLog(clock, capacity=2)
    for _ in range(4):
        events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
        events.close("down:w0")
    events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    for number in range(5):
        events.add("nodes", "info", "node %d added" % number)
    assert texts(events) == ["node 4 added", "w0 is unreachable"]


def test_what_began_earlier_than_it_was_noticed_lasts_since_then(events, clock):
    clock.now = 100
    since = clock.wall() - 60
    events.open("alert:x", "alert", "warning", "w0 is slow", "w0", since=since)
    clock.now = 130
    event = events.close("alert:x").document()
    assert (event["time"], event["until"], event["seconds"]) == (since, clock.wall(), 90.0)
    later = events.open("alert:y", "alert", "warning", "w1 is slow", since=clock.wall() + 60)
    assert later.time == clock.wall()


def test_ten_thousand_events_are_kept():
    events = lf.EventLog()
    for number in range(10_001):
        events.add("nodes", "info", "node %d added" % number)
    assert len(events.query(limit=20_000)["events"]) == 10_000


def test_what_lasts_already_can_turn_out_to_have_begun_earlier(events, clock):
    began = events.open(
        "w0", "node_degraded", "warning", "w0 is degraded: slow response", "w0"
    ).time
    events.backdate("w0", began - 0.5)
    assert events.query()["events"][0]["time"] == began
    events.backdate("w0", began - 300)
    events.backdate("w1", began - 300)
    clock.now = 60
    event = events.close("w0").document()
    assert (event["time"], event["until"], event["seconds"]) == (began - 300, clock.wall(), 360.0)


def test_changes_are_told_since_the_last_one_seen(events):
    first = events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    assert events.changed_since(0) == [first]
    assert events.changed_since(first.changed) == []
    closed = events.close("down:w0")
    assert events.changed_since(first.changed) == [closed]


def test_an_earlier_run_is_taken_over_and_what_lasted_then_is_over(clock):
    earlier = lf.EventLog(clock)
    earlier.add("restart", "warning", "w1 restarted", "w1")
    earlier.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    clock.now += 100
    events = lf.EventLog(clock)
    events.restore(earlier.changed_since(0), ended=1_000_060.0)
    found = events.query()["events"]
    assert [(event["id"], event["until"]) for event in found] == [(2, 1000060.0), (1, 1000000.0)]
    assert events.add("nodes", "info", "w2 added", "w2").id == 3
    again = events.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    assert (again.id, again.until) == (2, None)


def test_an_outage_that_lasts_over_a_restart_happened_once(clock):
    earlier = lf.EventLog(clock)
    earlier.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    clock.now += 100
    events = lf.EventLog(clock)
    events.restore(earlier.changed_since(0), ended=clock.wall() - 40)
    assert events.open("down:w0", "node_down", "critical", "w0 is down", "w0").count == 1
    clock.now += 10
    ended = events.close("down:w0")
    assert (ended.count, round(ended.seconds)) == (1, 110)
    clock.now += 10
    assert events.open("down:w0", "node_down", "critical", "w0 is down", "w0").id == ended.id + 1


def lasting_for_the_fifth_time(clock):
    """A log with an outage of 10 s that came every 70 s; the last began 10 s ago."""
    log = lf.EventLog(clock)
    for number in range(5):
        clock.now += 60 if number else 0
        log.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
        clock.now += 10
        event = log.close("down:w0") if number < 4 else log.lasting("down:w0")
    assert (event.count, round(event.seconds)) == (3, 20)
    return log


def test_a_counted_event_that_lasts_over_restarts_lasted_as_long_as_it_was_seen(clock):
    log = lasting_for_the_fifth_time(clock)
    for seconds in (30, 60, 90):
        stored = [lf.stored_event(json.dumps(one.stored())) for one in log.changed_since(0)]
        log = lf.EventLog(clock)
        log.restore(stored, ended=clock.wall())
        assert log.newest("down:w0").seconds == seconds
        clock.now += 10
        assert log.open("down:w0", "node_down", "critical", "w0 is down", "w0").count == 3
        clock.now += 20
    assert log.close("down:w0").seconds == 120


def test_an_alert_that_was_active_when_the_frontend_stopped_was_not_resolved(clock):
    earlier = lf.EventLog(clock)
    earlier.open("alert:a", "alert", "warning", "evictions are rising", "w0", rule="r")
    earlier.open("down:w0", "node_down", "critical", "w0 is unreachable", "w0")
    clock.now += 100
    events = lf.EventLog(clock)
    events.restore(earlier.changed_since(0), ended=clock.wall())
    down, alert = events.query()["events"]
    assert (alert["end_reason"], alert["rule"]) == ("frontend stopped", "r")
    assert "end_reason" not in down
    events.open("alert:a", "alert", "warning", "evictions are rising", "w0", rule="r")
    assert "end_reason" not in events.query()["events"][1], "it goes on"
    events.close("alert:a")
    assert "end_reason" not in events.query()["events"][1], "it was resolved"


def test_an_alert_is_counted_again_without_the_reason_for_which_it_ended_before(events):
    for number in range(lf.MAX_SEPARATE + 2):
        events.open("alert:a", "alert", "warning", "evictions are rising", "w0")
        (event, *_) = events.query()["events"]
        assert "end_reason" not in event, number
        events.close("alert:a", end_reason="node down")
        (event, *_) = events.query()["events"]
        assert (event["end_reason"], event["count"]) == ("node down", max(1, number - 1)), number


# -- what people did


def test_an_action_says_who_did_what_and_how_it_ended(events):
    events.action("POST", "/proxy2/w0/loglevel?level=DEBUG", 200, "token", "10.0.0.7", "w0")
    (event,) = events.query()["events"]
    assert event["kind"] == "action" and event["node"] == "w0"
    assert (event["method"], event["status"]) == ("POST", 200)
    assert (event["by"], event["from"]) == ("token", "10.0.0.7")
    assert event["path"] == "/proxy2/w0/loglevel?level=DEBUG"
    assert "10.0.0.7" in event["text"] and "200" in event["text"]


def test_a_refused_request_changed_nothing_and_is_no_event(events):
    events.action("POST", "/api/nodes", 403, "", "10.0.0.7")
    assert events.query()["events"] == []


def test_the_same_action_many_times_is_one_event(events):
    for _ in range(50):
        events.action("POST", "/proxy2/w0/v1/completions", 200, "local", "127.0.0.1", "w0")
    (event,) = events.query()["events"]
    assert event["count"] == 50


def test_changes_of_settings_that_look_the_same_are_listed_one_by_one(events, clock):
    for _ in range(5):
        events.action("POST", "/proxy2/w0/conf", 200, "local", "127.0.0.1", "w0")
        clock.now += 10
    found = [(one["time"] - 1_000_000, one["count"]) for one in events.query()["events"]]
    assert found == [(20.0, 3), (10.0, 1), (0.0, 1)]


def test_a_change_that_was_undone_and_made_again_is_three_events_in_their_order(events, clock):
    for change in ("false → true", "true → false", "false → true"):
        events.add("changed", "info", "w0 changed: hot " + change, "w0")
        events.add("changed", "info", "w1 changed: hot " + change, "w1")
        clock.now += 10
    found = [event for event in events.query()["events"] if event["node"] == "w0"]
    assert [event["text"][-5:].strip() for event in found] == ["true", "false", "true"]
    assert [event["time"] - 1_000_000 for event in found] == [20.0, 10.0, 0.0]
    assert {event["count"] for event in found} == {1}


def test_an_action_that_was_taken_back_and_done_again_is_told_again(events, clock):
    for method in ("POST", "POST", "DELETE", "POST"):
        events.action(method, "/api/alerts/x/silence", 200, "local", "127.0.0.1")
        events.action("POST", "/proxy2/w0/echo", 200, "local", "127.0.0.1", "w0")
        clock.now += 10
    found = [event for event in events.query()["events"] if event["node"] is None]
    assert [(event["method"], event["count"]) for event in found] == [
        ("POST", 1),
        ("DELETE", 1),
        ("POST", 2),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/x?token=s3cr3t-value-1",
        "/x?a=1&access_token=s3cr3t-value-1&b=2",
        "/x?a=1;PassWord=s3cr3t-value-1",
        "/x?to%6Ben=s3cr3t-value-1",
        "/x?to%256Ben=s3cr3t-value-1",
        "/x?api-key=s3cr3t-value-1",
        "/x?s3cr3t-value-1",
        "/x?url=http%3A%2F%2Fuser%3As3cr3t-value-1%40host%2F",
        "/x?next=%2Flogin%3Ftoken%3Ds3cr3t-value-1",
        "/proxy/http://user:s3cr3t-value-1@host/x",
        "/proxy/user:s3cr3t-value-1@host/80/x",
        "/proxy/user%3As3cr3t-value-1%40host/80/x",
        "/proxy/http:%2F%2Fs3cr3t-value-1@host/80/x",
        "/x;password=s3cr3t-value-1",
        "/x/%3Ftoken=s3cr3t-value-1",
        "/proxy2/token=s3cr3t-value-1/x",
        "/x?code=s3cr3t",
        "/x?pin=s3cr3t",
        "/x?access=s3cr3t",
        "/x?s3cr3t-value-1=",
        "/x?hf=hf_s3cr3t-value-1",
        "/x?u=http%253A%252F%252Fme%253As3cr3t-value-1%2540h",
    ],
)
def test_no_secret_of_a_query_is_shown(events, path):
    events.action("POST", path, 200, "token", "10.0.0.7")
    assert "s3cr3t" not in str(events.query())


@pytest.mark.parametrize(
    "path",
    [
        "/proxy2/w0@rack1/loglevel?logger_name=lmcache.v1.cache_engine&level=DEBUG",
        "/proxy2/w0/cache/clear?location=LocalCPUBackend&n=1234567",
        "/api/alerts/down%3Aw1/silence",
        "/proxy/127.0.0.1/%252Ftmp%252Fx/conf",
    ],
)
def test_what_is_no_secret_is_shown_as_it_was_sent(events, path):
    events.action("POST", path, 200, "token", "10.0.0.7")
    assert events.query()["events"][0]["path"] == path


# -- asked over HTTP


def test_the_api_lists_events_and_refuses_what_is_too_much(front):
    assert front.ask("/api/events").json().keys() == {"events", "next"}
    assert front.ask("/api/events?limit=1000").status == 200
    wrongs = ["limit=1001", "limit=0", "limit=x", "limit=1.5", "since=x", "since=2&until=1"]
    for wrong in (*wrongs, "kind=nonsense", "before=nan"):
        answer = front.ask("/api/events?" + wrong)
        assert (answer.status, wrong.split("=")[0] in answer.json()["detail"]) == (400, True)


# -- in the terminal


def test_the_terminal_prints_events_newest_first(front):
    assert run("--events", "--url", front.url) == (0, "no events\n")
    front.ask("/proxy2/w0/echo", "POST", b"1")
    front.ask("/proxy2/w0/echo", "DELETE")
    status, text = run("--events", "--url", front.url)
    lines = text.strip().split("\n")
    assert (status, len(lines)) == (0, 2)
    assert "DELETE" in lines[0] and "POST" in lines[1]
    status, text = run("--events", "--json", "--url", front.url)
    assert len(json.loads(text)["events"]) == 2


# -- what is an action


def actions(frontend):
    return frontend.ask("/api/events?kind=action").json()["events"]


def test_input_that_the_api_rejects_changed_nothing_and_is_no_event(front):
    entry = {"name": "w9", "host": "127.0.0.1", "port": 9}
    assert front.ask("/api/nodes", "POST", {**entry, "port": 0}).status == 400
    assert front.ask("/api/proxies", "POST", {**entry, "host": 5}).status == 400
    assert front.ask("/api/nodes/w8", "DELETE").status == 404
    assert front.ask("/api/nodes", "POST", entry).status == 200
    assert front.ask("/api/nodes", "POST", entry).status == 409
    found = [(event["path"], event["status"]) for event in actions(front)]
    assert found == [("/api/nodes", 200)]


@pytest.mark.parametrize(
    "method, path, key",
    [
        ("POST", "/proxy2/w0/echo", "w0"),
        ("PUT", "/proxy2/w0/echo", "w0"),
        ("DELETE", "/proxy2/w0/echo", "w0"),
        ("POST", "/proxy2/w0/lookup/create", "w0"),
        ("GET", "/proxy2/w0/loglevel?logger_name=lmcache&level=DEBUG", "w0"),
        ("POST", "/proxy/127.0.0.1/1/x", None),
        ("POST", "/api/heartbeat/stop", None),
    ],
)
def test_what_changes_something_is_an_event_with_its_author(front, method, path, key):
    answer = front.ask(path, method, "{}" if method == "POST" else None)
    (event,) = actions(front)
    assert (event["method"], event["path"], event["node"]) == (method, path, key)
    assert (event["status"], event["by"], event["from"]) == (answer.status, "local", "127.0.0.1")


def test_a_change_is_recorded_when_its_client_leaves_before_the_response(front, node):
    with front.connect() as sock:
        sock.sendall(
            b"POST /proxy2/w0/hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        )
        wait_for(lambda: any(request.target == "/hang" for request in node.requests))
    wait_for(lambda: actions(front))
    (event,) = actions(front)
    assert (event["path"], event["status"]) == ("/proxy2/w0/hang", 499)
    node.release.set()


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/proxy2/w0/metrics"),
        ("GET", "/proxy2/w0/loglevel?logger_name=level"),
        ("HEAD", "/proxy2/w0/echo"),
        ("OPTIONS", "/api/nodes"),
        ("POST", "/api/refresh"),
        ("POST", "/api/test"),
        ("POST", "/proxy2/w0/lookup"),
        ("POST", "/proxy2/w0/directory/lookup"),
        ("POST", "/proxy2/w0/query_worker_info?x=1"),
        ("POST", "/proxy2/a/proxy2/w0/cache/checksums"),
        ("GET", "/api/status"),
    ],
)
def test_who_only_looks_leaves_no_event(front, method, path):
    front.ask(path, method, "{}" if method == "POST" else None)
    assert actions(front) == []


def test_what_was_refused_is_no_action_and_the_token_is_told_from_local(front):
    assert front.foreign("/proxy2/w0/echo", "POST", "{}").status == 403
    assert actions(front) == []
    headers = {"Authorization": "Bearer " + TOKEN}
    assert front.foreign("/proxy2/w0/echo", "POST", "{}", headers).status == 200
    assert [event["by"] for event in actions(front)] == ["token"]


def test_a_line_of_an_event_says_when_how_long_how_often_and_what():
    event = {"time": 0.0, "until": 500.0, "seconds": 90.0, "count": 3, "severity": "critical"}
    event.update(kind="node_down", text="w0 was unreachable")
    line = lf.event_line(event)
    assert line.split()[2:] == "90 s critical node_down w0 was unreachable (3 times)".split()
    assert "ongoing" in lf.event_line(dict(event, until=None))


def test_events_of_the_nodes_themselves_can_be_printed_without_a_frontend(node):
    status, text = run("--events", "--node", "w0=%s" % node.address)
    assert status == 0 and "Traceback" not in text


# -- secrets

QUERY_SECRET, HEADER_SECRET, BODY_SECRET = "s3cret-query-1", "s3cret-header-2", "s3cret-body-3"
PROXIED = ("/proxy2/w0/echo", "/proxy/127.0.0.1/%d/echo", "/proxy2/nobody/x", "/nothing/here")


def bodies(path):
    """Bodies that a route may take, each with a secret in it."""
    yield json.dumps({"password": BODY_SECRET, "seconds": 60, "comment": "x"})
    yield "not JSON: " + BODY_SECRET
    if path == "/api/nodes":
        entry = {"name": "w9", "host": "127.0.0.1", "port": 1, "token": BODY_SECRET}
        yield json.dumps(entry)
        yield json.dumps(dict(entry, port={"secret": BODY_SECRET}))


def send_secrets(frontend, node):
    """Send secrets to every route, in every place of a request, as who is trusted and as others."""
    routes = [(route.method, route.pattern.replace("{}", "w7")) for route in lf.ROUTES]
    for path in PROXIED:
        path = path % node.port if "%d" in path else path
        routes += [(method, path) for method in ("GET", "POST", "PUT", "DELETE", "PATCH")]
    for method, path in routes:
        query = "?token=%s&x=1&pass%%77ord=%s&redirect=http://u:%s@h/" % ((QUERY_SECRET,) * 3)
        for token in (TOKEN, HEADER_SECRET):
            headers = {
                "Authorization": "Bearer " + token,
                "X-Api-Key": HEADER_SECRET,
                "Cookie": "session=" + HEADER_SECRET,
                "Referer": "http://127.0.0.1/?token=" + QUERY_SECRET,
            }
            for body in bodies(path) if method != "GET" else (None,):
                frontend.ask(path + query, method, body, headers)


def test_no_secret_that_was_sent_to_any_route_is_remembered(start, node, tmp_path):
    path = tmp_path / "history.db"
    frontend = start(
        "--node", "w0=%s" % node.address, "--history-file", path, "--log-level", "debug"
    )
    send_secrets(frontend, node)
    frontend.ask("/api/refresh", "POST")
    events = frontend.ask("/api/events?limit=1000").body
    bundle = zipfile.ZipFile(io.BytesIO(frontend.ask("/api/bundle").body))
    places = {"events": events, "status": frontend.ask("/api/status").body}
    places.update(
        (name, bundle.read(name)) for name in bundle.namelist() if not name.endswith("metrics.txt")
    )
    frontend.stop()
    places["log"] = frontend.output().encode()
    for suffix in ("", "-wal"):
        if os.path.exists(str(path) + suffix):
            places["file" + suffix] = open(str(path) + suffix, "rb").read()
    assert len(json.loads(events)["events"]) > 3
    secrets = [QUERY_SECRET, HEADER_SECRET, BODY_SECRET, TOKEN]
    for name, content in places.items():
        found = [secret for secret in secrets if secret.encode() in content]
        assert not found, (name, found)


def test_a_changed_setting_too_deep_to_be_masked_is_noted_without_its_values():
    old, new = (b'{"deep": %b%d%b}' % (b"[" * 600, value, b"]" * 600) for value in (1, 2))
    assert lf.changed_settings(old, new) == {"deep": ["(nested too deeply)"] * 2}
