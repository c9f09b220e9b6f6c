"""Alerts as they are shown: silences, groups, their events, and what an Alertmanager gets."""

import json
import socket
import threading
import time
import urllib.parse

import pytest

import lmcache_frontend as lf
from support.cluster import Cluster
from support.frontend import TOKEN, wait_for
from support.ports import free_port

METRICS = b'lmcache:num_lookup_tokens_total{role="worker"} 1\n'
NAMES = {"x1": "demo002"}  # of instances, by id


class StillClock(lf.Clock):
    """A clock that stands still until the test moves it."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1_000_000.0 + self.now


def alert(
    name, rule="node_down", severity="critical", instance=None, text="", value=None, reason=""
):
    text = text or "%s is unreachable" % name
    key = "%s:%s" % (rule, name)
    return lf.Alert(key, rule, severity, name, text, 0.0, instance, (), value, reason)


def quoted(alert_id):
    return urllib.parse.quote(alert_id, safe="")


# -- groups


def test_alerts_of_one_rule_and_instance_are_one_group():
    alerts = [alert("a", instance="x"), alert("b", instance="x"), alert("c", instance="y")]
    groups = lf.group_alerts(alerts)
    assert groups["node_down:a"] == groups["node_down:b"] == "node_down:x"
    assert groups["node_down:c"] == "node_down:y"


@pytest.mark.parametrize("instances, expected", [(3, 3), (4, 1)])
def test_what_many_instances_have_is_one_group(instances, expected):
    alerts = [alert("n%d" % index, instance="i%d" % index) for index in range(instances)]
    assert len(set(lf.group_alerts(alerts).values())) == expected


def test_nodes_that_are_slow_are_no_group_with_one_that_is_unwell():
    slow = [alert("s%d" % n, "node_degraded", reason="slow_response") for n in range(2)]
    groups = lf.group_alerts([*slow, alert("w", "node_degraded")])
    assert groups["node_degraded:s0"] == groups["node_degraded:s1"] != groups["node_degraded:w"]


def test_305_nodes_with_one_trouble_are_one_sentence():
    alerts = [alert("node%03d" % index, instance="demo%d" % (index // 5)) for index in range(305)]
    (group,) = lf.grouped_sentences(lf.alert_documents(alerts, {}, NAMES))
    assert group.text == (
        "305 nodes are unreachable (node000, node001, node002 and 302 more): node000 is unreachable"
    )
    assert (group.severity, group.count) == ("critical", 305)


def test_other_frontends_in_a_group_are_counted_as_frontends():
    alerts = lf.alert_documents([alert("a"), alert("b"), alert("rack2")], {}, NAMES)
    (group,) = lf.grouped_sentences(alerts, ["rack2"])
    assert group.text.startswith("2 nodes and 1 frontend are unreachable (a, b, rack2)")
    (group,) = lf.grouped_sentences(alerts, ["a", "b", "rack2"])
    assert group.text.startswith("3 frontends are unreachable")


def test_a_group_of_one_instance_names_it():
    alerts = [alert("a", instance="x1"), alert("b", instance="x1")]
    (group,) = lf.grouped_sentences(lf.alert_documents(alerts, {}, NAMES))
    assert group.text.startswith("2 nodes of demo002 are unreachable (a, b)")


def test_an_alert_by_itself_is_its_own_sentence():
    (group,) = lf.grouped_sentences(lf.alert_documents([alert("a")], {}, NAMES))
    assert group.text == "a is unreachable"


def test_an_alert_says_what_to_do():
    (document,) = lf.alert_documents([alert("a")], {}, NAMES)
    assert document["advice"] == lf.REMEDIES["node_down"] != ""
    hang = alert("a", text="a is unreachable: no response within 10 s")
    (document,) = lf.alert_documents([hang], {}, NAMES)
    assert document["advice"].startswith(
        "The process runs but does not respond: look at its threads"
    )


def test_silenced_alerts_of_a_group_are_a_sentence_of_their_own():
    alerts = [alert("a"), alert("b"), alert("c")]
    silences = {"node_down:b": lf.Silence("node_down:b", 2e9, "known", "local")}
    groups = lf.grouped_sentences(lf.alert_documents(alerts, silences, NAMES))
    assert [(group.count, group.silence is not None) for group in groups] == [(2, False), (1, True)]


# -- silences


def test_a_silence_ends_by_itself():
    clock = StillClock()
    silences = lf.Silences(clock)
    until = silences.add(["x"], 60, "known", "local")
    assert until == 1_000_060.0
    clock.now = 59.9
    assert list(silences.active()) == ["x"]
    clock.now = 60
    assert silences.active() == {}


@pytest.mark.parametrize(
    "seconds, is_valid",
    [(0.9, False), (1, True), (lf.MAX_SILENCE_SECONDS, True), (lf.MAX_SILENCE_SECONDS + 1, False)],
)
def test_a_silence_has_a_least_and_a_longest_time(seconds, is_valid):
    silences = lf.Silences()
    if is_valid:
        silences.add(["x"], seconds, "", "local")
    else:
        with pytest.raises(lf.FrontendError, match="seconds"):
            silences.add(["x"], seconds, "", "local")


def test_silences_have_a_limit():
    silences = lf.Silences()
    silences.add(map(str, range(lf.MAX_SILENCES)), 60, "", "local")
    silences.add(["5"], 60, "again", "local")
    with pytest.raises(lf.FrontendError, match="silences"):
        silences.add(["one more"], 60, "", "local")


def test_silences_survive_a_restart_but_not_nonsense():
    first, second = lf.Silences(), lf.Silences()
    first.add(["x"], 60, "known", "token (10.0.0.7)", {"x": "x is down"})
    second.restore([*first.stored(), {"alert": "y"}, {"until": "soon"}, {}])
    assert second.active() == first.active()


def test_a_silence_of_a_run_that_kept_no_text_is_still_one():
    silences = lf.Silences()
    silences.restore([{"alert": "x", "until": 2e12, "comment": "", "by": "local"}])
    assert silences.active()["x"].text == ""


@pytest.mark.parametrize("more", [0, 1])
def test_silences_of_alerts_that_are_over_are_listed_up_to_a_limit_the_first_to_end_first(more):
    silences = lf.Silences()
    silences.add(["active"], 60, "", "local")
    for seconds in range(lf.MAX_LISTED_SILENCES + more, 0, -1):
        silences.add([str(seconds)], 1000 + seconds, "", "local")
    found = lf.silence_documents(silences.active(), [{"id": "active"}])
    assert [one["alert"] for one in found["silences"]] == [
        str(seconds) for seconds in range(1, lf.MAX_LISTED_SILENCES + 1)
    ]
    assert found["silences_total"] == lf.MAX_LISTED_SILENCES + more


def test_an_alert_that_comes_back_under_its_silence_is_silent_until_that_ends():
    answers = {"w0": {"/metrics": METRICS}}
    cluster = Cluster(answers)
    monitor = cluster.monitor

    def sent():
        return [one.text[:2] for one in lf.labelled_alerts(monitor.alert_documents(), "front")]

    cluster.answers.clear()
    cluster.round(times=3)
    assert sent() == ["w0"]
    monitor.silences.add(["down:w0"], 600, "being repaired", "local")
    assert sent() == []
    cluster.answers.update(answers)
    cluster.round(60, times=2)
    assert monitor.alert_documents() == []
    cluster.answers.clear()
    (alert_again,) = cluster.round(times=3)["alerts"]
    assert alert_again["silence"]["comment"] == "being repaired" and sent() == []
    (alert_again,) = cluster.round(300, times=2)["alerts"]
    assert alert_again["silence"] is None and sent() == ["w0"]


# -- events of alerts


def test_an_alert_is_an_event_until_it_is_resolved_with_its_worst_value():
    clock = StillClock()
    events = lf.EventLog(clock)
    follower = lf.AlertEvents(events)
    for value in (3.0, 28.0, 7.0):
        text = "evictions of w0 are at %g per second" % value
        follower.follow([alert("w0", "evictions_rising", "warning", None, text, value)], {})
        clock.now += 10
    (event,) = events.query()["events"]
    assert (event["until"], event["value"], event["kind"]) == (None, 28.0, "alert")
    follower.follow([], {})
    (event,) = events.query()["events"]
    assert (event["seconds"], event["until"]) == (30.0, 1_000_030.0)
    assert event["text"] == "evictions of w0 are at 28 per second"


def test_the_event_of_an_alert_has_the_facts_that_the_alert_is_told_with():
    events = lf.EventLog()
    follower = lf.AlertEvents(events)
    events.add("restart", "warning", "w0 restarted", "w0")
    follower.follow([alert("w0")], {})
    (found,) = events.query(lf.EventFilter(kinds=("alert",)))["events"]
    assert found["details"] == ["at the same time: restart on w0"]


def test_a_resolved_alert_without_a_value_keeps_its_last_sentence():
    events = lf.EventLog()
    follower = lf.AlertEvents(events)
    for seconds in (2, 97):
        follower.follow([alert("w0", text="w0 unreachable for %d s" % seconds)], {})
    follower.follow([], {})
    (event,) = events.query()["events"]
    assert event["text"] == "w0 unreachable for 97 s"


# -- what happened shortly before


@pytest.fixture
def told_of():
    """What an alert that is raised now is told with, after events of ``happened``."""
    clock = StillClock()
    events = lf.EventLog(clock)
    follower = lf.AlertEvents(events)

    def tell(happened, raised):
        raised = raised._replace(since=raised.since or 1_010_000.0)
        for age, kind, node, more in sorted(happened, key=lambda event: -event[0]):
            clock.now = 10_000.0 - age
            text = "%s %s %s" % (kind, node, more)
            events.add(kind, "info", text, node, "x1" if node != "other" else "x2", **more)
        clock.now = 10_000.0
        follower.follow([raised], {})
        return follower.nearby(raised.id)

    return tell


def changed(name, old, new):
    return {"changes": {name: [old, new]}}


def test_an_alert_is_told_with_what_changed_in_its_instance_before(told_of):
    change = changed("save_unfull_chunk", "false", "true")
    happened = [(240 + index, "changed", "w%d" % index, change) for index in range(4)]
    happened += [(40, "restart", "w2", {}), (30, "changed", "other", changed("x", "1", "2"))]
    assert told_of(happened, alert("w0", "hit_rate_halved", instance="x1")) == (
        "40 s before: restart on w2",
        "4 min before: save_unfull_chunk false → true on 4 nodes",
    )


def test_a_change_before_an_alert_is_told_with_who_made_it_when_all_were_made_by_the_same(told_of):
    change = changed("save_unfull_chunk", "false", "true")
    by = {**change, "by": "token", "from": "10.2.0.14"}
    mine = [(240, "changed", "w2", by)]
    raised = alert("w0", "hit_rate_halved", instance="x1")
    told = "4 min before: save_unfull_chunk false → true on w2, by token from 10.2.0.14"
    assert told_of(mine, raised) == (told,)
    assert told_of(mine, alert("w1", instance="x1"))[0] == told
    other = [(230, "changed", "w3", change)]
    raised = alert("w2", "hit_rate_halved", instance="x1")
    told = "4 min before: save_unfull_chunk false → true on 2 nodes"
    assert told_of([*mine, *other], raised) == (told,)


@pytest.mark.parametrize("age, is_told", [(600, True), (601, False), (0, True)])
def test_what_happened_long_before_an_alert_is_not_told_with_it(told_of, age, is_told):
    facts = told_of([(age, "restart", "w0", {})], alert("w0"))
    assert bool(facts) is is_told
    if not age:
        assert facts == ("at the same time: restart on w0",)


def test_rising_evictions_are_told_with_a_hit_rate_that_fell_but_not_with_themselves(told_of):
    rising = (120, "alert", "w0", {"rule": "evictions_rising"})
    facts = told_of([rising], alert("w0", "hit_rate_halved", instance="x1"))
    assert facts == ("2 min before: rising evictions on w0",)
    assert told_of([rising], alert("w1", "evictions_rising", instance="x1")) == ()


def test_what_was_before_an_alert_is_counted_from_its_beginning_and_not_from_its_notice(told_of):
    restarts = [(50, "restart", "w0", {})]
    late = alert("w0", "node_degraded")._replace(since=1_010_000.0 - 50)
    assert told_of(restarts, late) == ("at the same time: restart on w0",)
    assert told_of([], alert("w0", "failures_rising")) == ("50 s before: restart on w0",)


def test_evictions_that_no_longer_rise_are_told_with_the_time_since_they_rose():
    clock = StillClock()
    events = lf.EventLog(clock)
    follower = lf.AlertEvents(events)
    about = ("alert", "warning", "rising", "w0", "x1")
    events.open("alert:evictions_rising:w0", *about, rule="evictions_rising")
    clock.now = 240.0
    events.close("alert:evictions_rising:w0")
    clock.now = 300.0
    raised = alert("w0", "hit_rate_halved", instance="x1")._replace(since=clock.wall())
    follower.follow([raised], {})
    assert follower.nearby(raised.id) == ("5 min before: rising evictions on w0",)


@pytest.mark.parametrize("age, is_told", [(900, True), (901, False)])
def test_the_change_before_rising_evictions_is_told_with_what_they_led_to(told_of, age, is_told):
    rising = (300, "alert", "w0", {"rule": "evictions_rising"})
    happened = [rising, (age, "changed", "w1", changed("chunk_size", "256", "512"))]
    facts = told_of(happened, alert("w0", "hit_rate_halved", instance="x1"))
    assert facts[0] == "5 min before: rising evictions on w0"
    assert facts[1:] == (("15 min before: chunk_size 256 → 512 on w1",) if is_told else ())


def test_restarts_are_not_told_with_an_alert_about_restarts(told_of):
    assert told_of([(9, "restart", "w1", {})], alert("w1", "node_restarting")) == ()


def test_an_alert_without_an_instance_is_told_with_its_own_nodes_changes_only(told_of):
    happened = [(50, "restart", "w0", {}), (60, "changed", "w1", changed("version", "1", "2"))]
    assert told_of(happened, alert("w0")) == ("50 s before: restart on w0",)
    mixed = lf.Alert("versions", "version_mix", "warning", None, "versions differ", 0.0)
    assert told_of([], mixed)[1] == "60 s before: version 1 → 2 on w1"
    away = lf.Alert("history_file", "history_file", "warning", None, "disk full", 0.0)
    assert told_of([], away) == ()


def test_at_most_three_facts_are_told_with_an_alert(told_of):
    happened = [(index, "changed", "w0", changed("s%d" % index, "1", "2")) for index in range(2, 9)]
    facts = told_of(happened, alert("w0"))
    assert [fact.split(":")[0] for fact in facts] == ["2 s before", "3 s before", "4 s before"]


def test_the_status_tells_an_alert_with_a_change_before_it():
    cluster = Cluster({"w0": {"/metrics": METRICS, "/conf": {"chunk_size": 256}}})
    cluster.round(times=2)
    cluster.answers["w0"]["/conf"] = {"chunk_size": 512}
    cluster.round(70)
    del cluster.answers["w0"]
    status = cluster.round(times=3)
    (found,) = status["alerts"]
    assert found["details"] == ["10 s before: chunk_size 256 → 512 on w0"]


def test_the_worst_node_is_the_example_of_a_group():
    alerts = [alert(name, "x", value=value) for name, value in (("a", 1.0), ("b", 9.0))]
    (group,) = lf.grouped_sentences(lf.alert_documents(alerts, {}, NAMES))
    assert group.text.startswith("b is unreachable")


def test_an_alert_that_lasts_unchanged_changes_no_event():
    events = lf.EventLog()
    follower = lf.AlertEvents(events)
    follower.follow([alert("w0", text="w0 is degraded: slow response (2.1 s)")], {})
    seen = events.changed_since(0)[-1].changed
    follower.follow([alert("w0", text="w0 is degraded: slow response (2.4 s)")], {})
    assert events.changed_since(seen) == []
    follower.follow([alert("w0", text="w0 is degraded: health check: status 500")], {})
    follower.follow([alert("w0", text="w0 is degraded: health check: status 503")], {})
    [event] = events.changed_since(seen)
    assert event.text.endswith("status 503") and event.until is None


@pytest.mark.parametrize("changes", [lf.MAX_SENTENCES - 1, lf.MAX_SENTENCES])
def test_an_alert_whose_sentence_changes_with_every_poll_changes_its_event_some_times(changes):
    events = lf.EventLog()
    follower = lf.AlertEvents(events)
    for number in range(changes + 1):
        follower.follow([alert("w0", text="w0 is degraded: lag %d" % number)], {})
    (event,) = events.query()["events"]
    assert event["text"].endswith("lag %d" % min(changes, lf.MAX_SENTENCES - 1))
    follower.follow([], {})
    (event,) = events.query()["events"]
    assert event["text"].endswith("lag %d" % changes), "the last one when it is over"


def test_an_alert_with_two_sentences_in_turn_changes_its_event_once():
    events = lf.EventLog()
    follower = lf.AlertEvents(events)
    for number in range(9):
        reason = ("connection refused", "no response within 10 s")[number % 2]
        follower.follow([alert("w0", text="w0 is unreachable: " + reason)], {})
    [event] = events.changed_since(0)
    assert (event.changed, event.text[-4:]) == (2, "10 s")


# -- through the server


@pytest.fixture
def front_with_a_dead_node(start, node):
    frontend = start("--node", "w0=%s" % node.address, "--node", "w1=127.0.0.1:1")
    for _ in range(2):
        frontend.ask("/api/refresh", "POST")
    wait_for(lambda: alert_of(frontend, "down:w1"))
    return frontend


def alert_of(frontend, alert_id):
    alerts = frontend.ask("/api/status").json()["alerts"]
    return next((item for item in alerts if item["id"] == alert_id), None)


def test_a_silenced_alert_says_who_until_when_and_why(front_with_a_dead_node):
    frontend = front_with_a_dead_node
    path = "/api/alerts/%s/silence" % quoted("down:w1")
    body = {"seconds": 3600, "comment": "being repaired"}
    answer = frontend.ask(path, "POST", body)
    assert (answer.status, answer.json()["alerts"]) == (200, ["down:w1"])
    silence = alert_of(frontend, "down:w1")["silence"]
    assert silence["comment"] == "being repaired"
    assert silence["by"] == "local (127.0.0.1)"
    assert 3500 < silence["until"] - time.time() < 3610
    assert 'alerts{severity="critical"} 0' in frontend.ask("/metrics").body.decode()
    assert frontend.ask(path, "DELETE").status == 200
    assert alert_of(frontend, "down:w1")["silence"] is None
    assert frontend.ask(path, "DELETE").status == 404


def test_a_silence_is_listed_when_its_alert_is_over_and_can_be_ended(front_with_a_dead_node):
    frontend = front_with_a_dead_node

    def silences():
        return frontend.ask("/api/status").json()["silences"]

    path = "/api/alerts/%s/silence" % quoted("down:w1")
    said = alert_of(frontend, "down:w1")["text"]
    frontend.ask(path, "POST", {"seconds": 3600, "comment": "being repaired"})
    assert silences() == [], "the alert has it"
    assert frontend.ask("/api/nodes/w1", "DELETE").status == 200
    frontend.ask("/api/refresh", "POST")
    assert alert_of(frontend, "down:w1") is None
    [silence] = silences()
    assert 3500 < silence.pop("until") - time.time() < 3610
    assert silence == {
        "alert": "down:w1",
        "text": said,
        "comment": "being repaired",
        "by": "local (127.0.0.1)",
    }
    # Another one takes its place, and is about the same.
    assert frontend.ask(path, "POST", {"seconds": 60}).status == 200
    [silence] = silences()
    assert silence["until"] - time.time() < 70 and silence["text"] == said
    assert frontend.foreign(path, "DELETE").status == 403
    assert frontend.ask(path, "DELETE").status == 200
    ended = wait_for(
        lambda: last_action(frontend).get("method") == "DELETE" and last_action(frontend)
    )
    assert ended["alert"] == said
    assert silences() == []
    assert frontend.ask(path, "DELETE").status == 404


def last_action(frontend):
    found = frontend.ask("/api/events?kind=action&limit=1").json()["events"]
    return found[0] if found else {}


def test_the_event_of_a_silence_keeps_what_the_alert_said(front_with_a_dead_node):
    frontend = front_with_a_dead_node
    path = "/api/alerts/%s/silence" % quoted("down:w1")
    frontend.ask(path, "POST", {"seconds": 3600, "comment": "being repaired"})
    silenced = wait_for(lambda: last_action(frontend))
    said = alert_of(frontend, "down:w1")
    assert silenced["alert"] == said["text"]
    assert silenced["silence"] == {"until": said["silence"]["until"], "comment": "being repaired"}


def test_the_event_of_a_failed_change_says_why(front_with_a_dead_node):
    frontend = front_with_a_dead_node
    path = "/proxy2/w1/loglevel?logger_name=lmcache&level=INFO"
    assert frontend.ask(path).status == 502
    failed = wait_for(lambda: last_action(frontend))
    assert (failed["node"], failed["status"]) == ("w1", 502)
    assert failed["error"] == "connection refused"


def test_a_whole_group_can_be_silenced(front_with_a_dead_node):
    frontend = front_with_a_dead_node
    group = alert_of(frontend, "down:w1")["group"]
    path = "/api/alerts/%s/silence" % quoted(group)
    assert frontend.ask(path, "POST", {"seconds": 60}).json()["alerts"] == ["down:w1"]


def test_only_who_is_trusted_can_silence(front_with_a_dead_node):
    frontend = front_with_a_dead_node
    path = "/api/alerts/%s/silence" % quoted("down:w1")
    assert frontend.foreign(path, "POST", {"seconds": 60}).status == 403
    assert frontend.foreign(path, "DELETE").status == 403
    headers = {"Authorization": "Bearer " + TOKEN}
    assert frontend.foreign(path, "POST", {"seconds": 60}, headers).status == 200
    assert alert_of(frontend, "down:w1")["silence"]["by"].startswith("token")


@pytest.mark.parametrize(
    "body", [{}, {"seconds": "60"}, {"seconds": 0}, {"seconds": 1e9}, {"seconds": 9, "comment": 1}]
)
def test_a_wrong_silence_names_its_field(front_with_a_dead_node, body):
    path = "/api/alerts/%s/silence" % quoted("down:w1")
    answer = front_with_a_dead_node.ask(path, "POST", body)
    assert answer.status == 400
    assert ("comment" if "comment" in body else "seconds") in answer.json()["detail"]


def test_there_is_nothing_to_silence_where_there_is_no_alert(front):
    answer = front.ask("/api/alerts/down%3Aw0/silence", "POST", {"seconds": 60})
    assert answer.status == 404


def test_the_exit_status_does_not_count_what_is_silenced():
    nodes = [{"key": "w0", "state": "up"}, {"key": "w1", "state": "down"}]
    status = {"counts": {"total": 2, "up": 1}, "nodes": nodes, "alerts": []}
    assert lf.status_exit_code(status) == 1
    silence = {"until": 2e9, "by": "local", "comment": ""}
    status["alerts"] = [{"node": "w1", "silence": silence}]
    assert lf.status_exit_code(status) == 0
    status["alerts"].append({"node": "w1", "silence": None})
    assert lf.status_exit_code(status) == 1


# -- Alertmanager


class Alertmanager:
    """An Alertmanager that keeps what it gets; ``answer`` writes the answer, well or badly."""

    def __init__(self):
        port = free_port()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=16)
        self.url = "http://127.0.0.1:%d" % port
        self.reports = []
        self.requests = []
        self.answer = self.accept
        self.stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock:
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += sock.recv(65536)
                head, _, body = data.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += sock.recv(65536)
                self.requests.append(head.decode())
                self.answer(sock, json.loads(body))
            except OSError:
                pass

    def accept(self, sock, report):
        self.reports.append(report)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def refuse(self, sock, report):
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nbad label")

    def talk_without_end(self, sock, report):
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
        while not self.stopped.wait(0.05):
            sock.sendall(b"a")

    def talk_nonsense(self, sock, report):
        sock.sendall(b"this is not HTTP\r\n\r\n")

    def say_continue_without_end(self, sock, report):
        while not self.stopped.wait(0.001):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)

    def hang(self, sock, report):
        self.stopped.wait(30)

    def close(self):
        self.stopped.set()
        self.listener.close()


@pytest.fixture
def alertmanager():
    made = Alertmanager()
    yield made
    made.close()


@pytest.fixture
def sending(alertmanager):
    """A sender whose alerts the test sets."""
    documents = []
    senders = []

    def begin(alerts=(), url=None):
        documents[:] = lf.alert_documents(list(alerts), {}, NAMES)
        report = lambda: lf.labelled_alerts(list(documents), "front:8080")  # noqa: E731
        sender = lf.AlertmanagerSender(url or alertmanager.url, report, "http://front:8080/", 1.0)
        sender.documents = documents
        sender.start()
        senders.append(sender)
        return sender

    yield begin
    for sender in senders:
        sender.stop()


def test_an_alert_is_sent_at_once_with_labels_and_a_link(alertmanager, sending):
    sending([alert("w0", instance="demo002")])
    wait_for(lambda: alertmanager.reports)
    (entry,) = alertmanager.reports[0]
    assert entry["labels"] == {
        "alertname": "node_down",
        "severity": "critical",
        "node": "w0",
        "instance": "demo002",
        "frontend": "front:8080",
    }
    assert entry["annotations"] == {
        "summary": "w0 is unreachable",
        "advice": "Check that the process runs on its host, and read its log.",
        "link": "http://front:8080/",
    }
    assert entry["startsAt"] < entry["endsAt"]
    assert alertmanager.requests[0].startswith("POST /api/v2/alerts HTTP/1.1")


def test_a_resolved_alert_is_ended_at_once(alertmanager, sending):
    sender = sending([alert("w0"), alert("w1")])
    wait_for(lambda: alertmanager.reports)
    sender.documents[:] = lf.alert_documents([alert("w1")], {}, NAMES)
    wait_for(lambda: len(alertmanager.reports) == 2)
    ends = {entry["labels"]["node"]: entry["endsAt"] for entry in alertmanager.reports[1]}
    now = lf.rfc3339(time.time() + 5)
    assert ends["w0"] < now < ends["w1"]


def test_silenced_alerts_are_not_sent(alertmanager, sending):
    sender = sending()
    silences = {"node_down:w0": lf.Silence("node_down:w0", 2e9, "", "local")}
    sender.documents[:] = lf.alert_documents([alert("w0"), alert("w1")], silences, NAMES)
    wait_for(lambda: alertmanager.reports)
    assert [entry["labels"]["node"] for entry in alertmanager.reports[0]] == ["w1"]


def test_alerts_with_the_same_labels_are_one_and_end_together():
    alerts = [lf.Alert("a", "name_taken", "warning", None, text, 5.0) for text in ("one", "two")]
    (sent,) = lf.labelled_alerts(lf.alert_documents(alerts, {}, NAMES), "f")
    assert sent.text == "one; two"


@pytest.mark.slow
@pytest.mark.parametrize(
    "how, words",
    [
        ("refuse", "it responded with 400: bad label"),
        ("talk_nonsense", "not HTTP"),
        ("talk_without_end", "no response within"),
        ("say_continue_without_end", "interim responses"),
        ("hang", "no response within"),
    ],
)
def test_an_alertmanager_that_lies_or_hangs_is_an_alert_until_it_works(
    alertmanager, sending, how, words
):
    alertmanager.answer = getattr(alertmanager, how)
    sender = sending([alert("w0")])
    wait_for(sender.alerts, 15)
    (found,) = sender.alerts()
    assert found.rule == "alertmanager_away"
    assert alertmanager.url in found.text and words in found.text
    alertmanager.answer = alertmanager.accept
    alertmanager.stopped.set()
    wait_for(lambda: alertmanager.reports, 15)
    wait_for(lambda: not sender.alerts())


def test_an_alertmanager_that_is_away_gets_what_it_missed_when_it_is_back(alertmanager, sending):
    alertmanager.answer = alertmanager.refuse
    sender = sending([alert("w0")])
    wait_for(sender.alerts)
    sender.documents.clear()
    alertmanager.answer = alertmanager.accept
    wait_for(lambda: alertmanager.reports, 15)
    (entry,) = alertmanager.reports[0]
    assert entry["endsAt"] <= lf.rfc3339(time.time())


def test_an_alert_never_ends_before_it_began_when_the_clock_is_set_back(alertmanager, sending):
    raised = alert("w0")._replace(since=time.time() + 3600)
    sender = sending([raised])
    wait_for(lambda: alertmanager.reports)
    sender.documents.clear()
    wait_for(lambda: len(alertmanager.reports) == 2)
    for (entry,) in alertmanager.reports:
        assert entry["startsAt"] <= entry["endsAt"]


def test_since_when_something_is_wrong_moves_with_the_wall_clock():
    clock = StillClock()
    trouble = lf.Trouble("x", clock)
    trouble.note("x is away")
    clock.now += 10
    clock.wall = lambda: 500_000.0 + clock.now
    assert trouble.alerts("history_file")[0].since == 500_000.0


def test_an_alertmanager_that_was_away_is_asked_again_when_there_is_nothing_to_send(
    alertmanager, sending
):
    alertmanager.answer = alertmanager.refuse
    sender = sending([alert("w0")])
    wait_for(sender.alerts)
    sender.documents.clear()
    alertmanager.answer = alertmanager.accept
    wait_for(lambda: not sender.alerts(), 15)


@pytest.mark.parametrize("url", ["", "ftp://host", "host:9093", "http://", "http://host:x"])
def test_a_wrong_url_is_refused_at_once(url):
    with pytest.raises(lf.FrontendError, match="--alertmanager-url"):
        lf.AlertmanagerSender(url, list, "")


def test_credentials_of_the_url_are_sent_but_never_shown(alertmanager, sending):
    alertmanager.answer = alertmanager.refuse
    sender = sending([alert("w0")], alertmanager.url.replace("//", "//me:s3cret@"))
    wait_for(sender.alerts)
    assert "Authorization: Basic" in alertmanager.requests[0]
    assert "s3cret" not in sender.alerts()[0].text + sender.url


def test_a_round_that_computed_its_alerts_first_does_not_reopen_what_another_one_ended():
    monitor = Cluster().monitor
    alert = lf.Alert("source:x", "source_away", "warning", None, "x is unreachable", 0.0)
    computed, other_is_done = threading.Event(), threading.Event()

    def source():
        if computed.is_set():
            return []
        computed.set()
        other_is_done.wait(1.0)
        return [alert]

    monitor.add_alert_source(source)
    first = threading.Thread(target=monitor.poll_once)
    first.start()
    assert computed.wait(10.0)

    def other():
        monitor.poll_once()
        other_is_done.set()

    second = threading.Thread(target=other)
    second.start()
    first.join()
    second.join()
    (event,) = monitor.events.query()["events"]
    assert event["text"] == "x is unreachable" and event["until"] is not None
