"""Watching the cluster.

Figures from counters, states, rules, the status document, the bundle and the table.
"""

import collections
import io
import json
import threading
import time
import tracemalloc
import types
import zipfile

import pytest
from support.cluster import Cluster
from support.frontend import wait_for

import lmcache_frontend as lf

WORKER = """\
# TYPE lmcache:num_lookup_tokens_total counter
lmcache:num_lookup_tokens_total{{model_name="m",role="worker"}} {tokens}
lmcache:num_lookup_hits_total{{model_name="m",role="worker"}} {hits}
lmcache:num_requested_tokens_total{{model_name="m",role="worker"}} {hits}
lmcache:num_hit_tokens_total{{model_name="m",role="worker"}} {hits}
lmcache:remote_ping_latency{{model_name="m",role="worker"}} 12.0
lmcache:remote_ping_errors_total{{model_name="m",role="worker"}} {errors}
lmcache:remote_ping_successes_total{{model_name="m",role="worker"}} {successes}
lmcache:lmcache_is_healthy{{model_name="m",role="worker"}} {healthy}
lmcache:time_to_retrieve_bucket{{le="0.1",role="worker"}} {fast}
lmcache:time_to_retrieve_bucket{{le="1.0",role="worker"}} {all}
lmcache:time_to_retrieve_bucket{{le="+Inf",role="worker"}} {all}
"""


def page(**values):
    known = collections.defaultdict(float, healthy=1.0)
    known.update(values)
    return WORKER.format_map(known).encode()


def reading(at, **values):
    return lf.take_snapshot(page(**values), at)


def node(name="w0", port=9090):
    return lf.Node.parse({"name": name, "host": "127.0.0.1", "port": port}, "", "nodes")


def node_state(name="w0", state="up", kind="worker", **about):
    made = lf.NodeState(node(name), 0.0)
    made.state, made.kind = state, kind
    made.about.update(about)
    return made


# -- kinds


@pytest.mark.parametrize(
    "kind, text",
    [
        ("worker", page()),
        ("scheduler", page().replace(b'role="worker"', b'role="scheduler"')),
        ("mp", b"x 1\nlmcache_mp_event_bus_queue_depth 0\n"),
        (
            "coordinator",
            b"x 1\nlmcache_mp_event_bus_queue_depth 0\n"
            b"lmcache_coordinator_key_directory_placements 1\n",
        ),
        ("controller", b'x 1\nlmcache:cache_controller_kv_pool_keys_count{role="controller"} 1\n'),
        ("frontend", b"lmcache_frontend_polls_total 1\n" + page()),
        ("", b"process_open_fds 5\n"),
    ],
)
def test_a_kind_is_recognised_by_what_the_node_measures(kind, text):
    assert lf.recognise(text)[0] == kind


# -- states


def test_a_node_that_answers_is_up_and_one_whose_health_says_no_is_degraded():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    seen = cluster.node("w0")
    assert (seen["kind"], seen["state"], seen["model"]) == ("worker", "up", "m")
    cluster.answers["w0"]["/metrics"] = page(healthy=0.0)
    cluster.round()
    seen = cluster.node("w0")
    assert (seen["state"], seen["reasons"]) == ("degraded", ["reports itself unhealthy"])


def degraded_events(cluster):
    return [e for e in cluster.monitor.events.query()["events"] if e["kind"] == "node_degraded"]


def test_of_two_polls_at_once_one_that_times_out_leaves_no_event_open():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    late = [lf.FetchError("no answer in 5 s", timed_out=True, connected=True)]

    def meanwhile(job):
        if late:
            cluster.answers["w0"]["/metrics"] = late.pop()
            cluster.monitor.refresh("w0")
        return page()

    cluster.answers["w0"]["/metrics"] = meanwhile
    cluster.round()
    assert cluster.node("w0")["state"] == "up"
    [event] = degraded_events(cluster)
    assert event["until"] is not None


def test_a_degraded_node_that_gets_another_address_leaves_no_event_open():
    cluster = Cluster({"w0": {"/metrics": page(healthy=0.0)}})
    cluster.round()
    cluster.answers["w0"]["/metrics"] = page()
    cluster.set_nodes([{"name": "w0", "host": "127.0.0.1", "port": 9999}])
    cluster.round()
    assert cluster.node("w0")["state"] == "up"
    [event] = degraded_events(cluster)
    assert event["until"] is not None


def test_a_state_at_the_first_poll_began_before_it_and_a_later_one_began_when_it_is_seen():
    cluster = Cluster({"w0": {"/metrics": page()}})
    first = cluster.round()["time"]
    assert (cluster.node("w0")["since"], cluster.node("w0")["since_known"]) == (first, False)
    cluster.answers.clear()
    assert "since_known" not in cluster.round()["nodes"][0]
    cluster.answers["w0"] = {"/metrics": page()}
    cluster.round(50)
    assert "since_known" not in cluster.node("w0")
    assert cluster.monitor.events.query()["events"][0]["text"] == "w0 is up again after 50 s"


def test_a_node_that_was_down_at_the_first_poll_was_down_for_longer_than_is_known():
    cluster = Cluster({"w0": {"/metrics": page()}})
    answers = cluster.answers.pop("w0")
    cluster.round(times=2)
    assert cluster.node("w0")["since_known"] is False
    cluster.answers["w0"] = answers
    cluster.round(50)
    text = "w0 is up again after at least 60 s"
    assert cluster.monitor.events.query()["events"][0]["text"] == text


def restarted(cluster, seconds):
    """Another frontend of the same nodes that has the events of the first one, so much later."""
    again = Cluster(cluster.answers)
    again.entries = cluster.entries
    again.set_nodes(cluster.entries)
    again.clock.now = cluster.clock.now + seconds
    events = cluster.monitor.events.changed_since(0)
    again.monitor.events.restore(events, cluster.clock.wall())
    again.round(0)
    return again


@pytest.mark.parametrize("seconds, is_kept", [(890, True), (910, False)])
def test_a_state_is_as_old_after_a_restart_as_it_was_before_it(seconds, is_kept):
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    cluster.answers.clear()
    cluster.round(times=10)
    since = cluster.node("w0")["since"]
    again = restarted(cluster, seconds)
    again.round(times=2)
    found = again.node("w0")
    assert (found["since"] == since) is is_kept
    assert found.get("since_known", True) is is_kept
    [alert] = again.monitor.status()["alerts"]
    assert (alert["since"] == since) is is_kept


def test_a_node_that_is_down_over_a_restart_stays_in_its_instance_while_others_are_there():
    def answers(rank, engine="e1"):
        return {"/metrics": page(), "/meta": {"engine_id": engine, "worker_id": rank}}

    cluster = Cluster({"w0": answers(0), "w1": answers(1)})
    (instance,) = cluster.round()["instances"]
    cluster.answers.pop("w1")
    cluster.round(times=3)
    again = restarted(cluster, 60)
    (found,) = again.round()["instances"]
    assert (found["id"], found["nodes"]) == (instance["id"], ["w0", "w1"])
    assert again.node("w1")["instance_id"] == instance["id"]
    again.answers["w0"] = answers(0, "e2")
    last = restarted(again, 60)
    (other,) = last.round(times=2)["instances"]
    assert other["nodes"] == ["w0"], "it may be of another one by now"
    last.answers["w1"] = answers(1, "e2")
    last.round(100)
    assert last.node("w1")["instance_id"] == other["id"]


def test_a_down_time_of_several_has_no_known_start_after_a_restart():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    answers = cluster.answers.pop("w0")
    for _ in range(lf.MAX_SEPARATE + 1):
        cluster.answers.pop("w0", None)
        cluster.round()
        cluster.answers["w0"] = answers
        cluster.round()
    del cluster.answers["w0"]
    cluster.round()
    again = restarted(cluster, 30)
    assert again.node("w0")["since_known"] is False
    assert again.node("w0")["since"] == again.clock.wall()


def test_an_alert_about_a_state_says_since_when_the_state_is():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    cluster.answers["w0"]["/metrics"] = page(healthy=0.0)
    cluster.round(times=3)
    [alert] = cluster.monitor.status()["alerts"]
    assert alert["rule"] == "node_degraded"
    assert alert["since"] == degraded_events(cluster)[0]["time"] == cluster.node("w0")["since"]


def test_the_events_of_a_state_and_of_its_alert_begin_when_the_state_began():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    cluster.answers["w0"]["/metrics"] = page(healthy=0.0)
    cluster.round(times=3)
    since = cluster.node("w0")["since"]
    events = cluster.monitor.events.query()["events"]
    assert [(one["kind"], one["time"]) for one in events] == [
        ("alert", since),
        ("node_degraded", since),
    ]


def test_an_overloaded_frontend_is_one_alert_and_one_event_and_not_one_for_each_node():
    names = ["w%d" % number for number in range(25)]
    cluster = Cluster({name: {"/metrics": page()} for name in names})
    cluster.round()
    cluster.seconds = 2.7
    for _ in range(3):
        status = cluster.round()
        text = "This frontend may be overloaded: 25 of 25 nodes responded slowly"
        assert [alert["text"] for alert in status["alerts"]] == [text]
    assert status["counts"]["degraded"] == 25
    assert [one["text"] for one in cluster.monitor.events.query()["events"]] == [text]
    cluster.seconds = 0.004
    assert cluster.round(times=2)["alerts"] == []
    (event,) = cluster.monitor.events.query()["events"]
    assert event["until"] is not None and event["text"] == text


def test_the_alerts_of_slow_nodes_that_an_overloaded_frontend_takes_over_are_not_resolved():
    names = ["w%d" % number for number in range(25)]
    cluster = Cluster({name: {"/metrics": page()} for name in names})
    cluster.round()
    cluster.slow = {"w7": 2.7, "w8": 2.7}
    cluster.round(times=2)
    assert cluster.alerts() == ["node_degraded:w7", "node_degraded:w8"]
    cluster.seconds, cluster.slow = 2.7, {"w8": 0.004}
    cluster.round()
    assert cluster.alerts() == ["frontend_overloaded"]
    events = cluster.monitor.events.query(lf.EventFilter(kinds=("alert",)))["events"]
    ended = {event["node"]: event.get("end_reason") for event in events if event["node"]}
    assert ended == {"w7": "frontend overloaded", "w8": None}


def test_who_is_still_slow_when_the_frontend_is_well_again_gets_an_alert_and_an_event():
    names = ["w%d" % number for number in range(25)]
    cluster = Cluster({name: {"/metrics": page()} for name in names})
    cluster.round()
    cluster.seconds = 2.7
    cluster.round()
    since = cluster.node("w7")["since"]
    cluster.seconds, cluster.slow = 0.004, {"w7": 2.1}
    cluster.round(times=4)
    assert cluster.alerts() == ["node_degraded:w7"]
    (event,) = degraded_events(cluster)
    assert (event["node"], event["time"], event["until"]) == ("w7", since, None)


def test_a_slow_node_alone_is_an_event_of_its_own():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    cluster.seconds = 2.7
    cluster.round()
    (event,) = degraded_events(cluster)
    assert event["text"] == "w0 is degraded: slow response (2.7 s)"
    assert event["time"] == cluster.node("w0")["since"]


@pytest.mark.parametrize(
    "seconds, slow",
    [
        ((2.0, 2.0), (False, False)),
        ((2.1, 2.0), (True, True)),
        ((2.1, 1.5, 1.5), (True, True, True)),
        ((2.1, 1.4, 2.0, 2.1), (True, False, False, True)),
    ],
)
def test_a_node_is_slow_above_one_limit_until_it_is_below_another(seconds, slow):
    cluster = Cluster({"w0": {"/metrics": page()}})
    found = []
    for cluster.seconds in seconds:
        cluster.round()
        found.append(cluster.node("w0")["reasons"])
    assert found == [
        ["slow response (%.1f s)" % took] if it else [] for took, it in zip(seconds, slow)
    ]


def test_a_node_whose_response_time_is_around_the_limit_has_one_alert_with_the_time_of_now():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    since = set()
    for cluster.seconds in (2.1, 2.5, 1.9, 2.2, 1.6, 1.7, 2.4):
        cluster.round()
        alerts = cluster.monitor.status()["alerts"]
        since.update(alert["since"] for alert in alerts)
    assert [alert["text"] for alert in alerts] == ["w0 is degraded: slow response (2.4 s)"]
    assert since == {cluster.node("w0")["since"]}
    cluster.seconds = 1.4
    assert cluster.round()["alerts"] == []
    assert [event["kind"] for event in cluster.monitor.events.query()["events"]] == [
        "alert",
        "node_degraded",
    ]


def test_the_alert_of_a_slow_node_has_the_response_time_that_the_node_has():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.seconds = 3.3
    cluster.round(times=2)
    # Its next poll ends before the round in which the alert is seen again.
    cluster.monitor.watched.nodes["w0"].reasons = ["slow response (6.3 s)"]
    texts = [alert["text"] for alert in cluster.monitor.alert_documents()]
    assert texts == ["w0 is degraded: slow response (6.3 s)"]


def test_one_state_of_a_node_ends_where_the_next_begins():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {"/metrics": page()}})

    def late(_):  # the round goes on when the state of w0 is known
        cluster.clock.now += 3.0
        return page()

    cluster.answers["w1"]["/metrics"] = late
    cluster.round()
    timeout = lf.FetchError("no response within 10 s", connected=True, timed_out=True)
    cluster.answers["w0"]["/metrics"] = timeout
    cluster.round(times=2)
    # Two polls in a row had no response.
    assert cluster.alerts() == ["down:w0"]
    cluster.answers["w0"]["/metrics"] = page()
    cluster.round(20.0)
    kinds = ("node_degraded", "node_down", "node_up")
    events = cluster.monitor.events.query(lf.EventFilter(kinds=kinds))["events"]
    up, down, degraded = events
    assert [one["kind"] for one in (degraded, down, up)] == list(kinds)
    assert degraded["until"] - degraded["time"] == 13.0
    assert (degraded["until"], down["until"]) == (down["time"], up["time"])


def test_a_node_that_did_not_respond_in_time_for_once_is_slow_until_it_is_clearly_faster():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    timeout = lf.FetchError("no response within 10 s", connected=True, timed_out=True)
    cluster.answers["w0"]["/metrics"] = timeout
    cluster.round()
    assert cluster.node("w0")["reasons"] == ["no response within 10 s"]
    cluster.answers["w0"]["/metrics"], cluster.seconds = page(), 1.8
    cluster.round()
    assert cluster.node("w0")["reasons"] == ["slow response (1.8 s)"]
    cluster.seconds = 1.4
    cluster.round()
    assert cluster.node("w0")["state"] == "up"


def test_a_node_polled_long_before_the_end_of_a_round_is_in_the_history():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {"/metrics": page()}})
    cluster.round(times=2)

    def late(job):
        cluster.clock.now += 30.0
        return page()

    cluster.answers["w1"]["/metrics"] = late
    cluster.round()
    [series] = cluster.monitor.history("w0", "latency", 1000.0)["series"]
    assert series["values"][-1] == 0.004


def test_a_poll_that_lasts_longer_than_rounds_leaves_no_gap_in_the_history():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {"/metrics": page()}}, interval=0.1)
    cluster.round(times=2)
    go_on = threading.Event()

    def soon(job):
        cluster.clock.now += 10.0
        return page()

    def late(job):
        go_on.wait(30)
        return page()

    cluster.answers["w0"]["/metrics"] = soon
    cluster.answers["w1"]["/metrics"] = late

    def values(name, metric="latency"):
        [series] = cluster.monitor.history(name, metric, 1000.0)["series"]
        return series["values"]

    cluster.monitor.start()
    try:
        wait_for(lambda: len(values("w0")) >= 4)
        assert values("w1")[1:] == [0.004] * (len(values("w1")) - 1)
        assert None not in values("w1", "lookup_tokens_per_second")[1:]
    finally:
        go_on.set()
        cluster.monitor.stop()


# -- who changed it


def changes_after(*actions, version="1", now=1000.0):
    """The event of a setting that changed after these actions, a minute after it was read."""
    answers = {"/metrics": page(), "/conf": {"chunk_size": 1}, "/version": "1"}
    cluster = Cluster({"w0": answers})
    cluster.clock.now = now
    cluster.round(times=2)
    cluster.clock.now += 60
    for ago, method, path, status, node in actions:
        cluster.clock.now -= ago
        cluster.monitor.events.action(method, path, status, "token", "10.2.0.14", node)
        cluster.clock.now += ago
    cluster.answers["w0"].update({"/conf": {"chunk_size": 2}, "/version": version})
    cluster.round()
    events = cluster.monitor.events.query()["events"]
    return next(one for one in events if one["kind"] == "changed")


CONF = "/proxy2/w0/conf"


def test_a_change_that_was_made_through_the_frontend_says_by_whom():
    event = changes_after((40, "POST", CONF + "?x=1", 200, "w0"))
    assert event["text"] == "w0 changed: chunk_size 1 → 2, by token from 10.2.0.14"
    assert (event["by"], event["from"]) == ("token", "10.2.0.14")


@pytest.mark.parametrize(
    "actions, age",
    [
        ([(40, "POST", CONF, 200, "w0")], 40),
        ([(40, "POST", CONF, 200, "w0"), (15, "POST", CONF, 200, "w0")], 15),
        ([(40, "POST", CONF, 400, "w0")], 0),
        ([], 0),
    ],
)
def test_a_change_is_dated_when_it_was_made_through_the_frontend_else_when_it_was_seen(
    actions, age
):
    seen = 1_700_000_000 + 2 * 10 + 60 + 10  # the poll; the actions were made a round before it
    event = changes_after(*actions)
    assert seen - event["time"] == (age + 10 if age else 0)
    assert event["until"] == event["time"]


@pytest.mark.parametrize(
    "action",
    [
        (90, "POST", CONF, 200, "w0"),  # before its configuration was read the last time
        (40, "POST", "/proxy2/w1/conf", 200, "w1"),
        (40, "POST", CONF, 400, "w0"),
        (40, "POST", "/proxy2/w0/cache/clear", 200, "w0"),
        (40, "POST", "/proxy/127.0.0.1/9000/conf", 200, None),
    ],
)
def test_a_change_that_no_action_explains_names_nobody(action):
    event = changes_after(action)
    assert event["text"] == "w0 changed: chunk_size 1 → 2"
    assert "by" not in event


def test_a_change_is_seen_while_a_replayed_clock_is_before_the_start_of_the_host():
    event = changes_after((40, "POST", CONF, 200, "w0"), now=-5000.0)
    assert event["text"] == "w0 changed: chunk_size 1 → 2, by token from 10.2.0.14"


def test_what_changed_with_another_version_was_not_changed_by_an_action():
    event = changes_after((40, "POST", CONF, 200, "w0"), version="2")
    assert event["text"] == "w0 changed: version 1 → 2, chunk_size 1 → 2"


def test_a_node_that_answers_an_error_is_degraded():
    cluster = Cluster({"w0": {"/metrics": (500, b"")}})
    cluster.round()
    seen = cluster.node("w0")
    assert (seen["state"], seen["reasons"]) == ("degraded", ["/metrics responds with 500"])


def test_a_dead_node_is_asked_less_often_and_never_less_than_once_a_minute():
    state = node_state()
    waits = []
    for _ in range(8):
        state.failed("connection refused", 1000.0, 10.0)
        waits.append(state.due - 1000.0)
    assert waits == [10, 10, 20, 40, 60, 60, 60, 60]
    assert (state.state, state.error) == ("down", "connection refused")


def test_a_stalled_thread_that_is_critical_counts_and_another_does_not():
    threads = [{"name": "a", "level": "critical"}, {"name": "b", "level": "high"}]
    answers = {"/metrics": page(), "/periodic-threads-health": {"unhealthy_threads": threads}}
    cluster = Cluster({"w0": answers})
    cluster.round()
    assert cluster.node("w0")["reasons"] == ["stalled: a"]


def test_the_part_of_an_mp_server_that_is_not_healthy_is_named():
    status = {
        "is_healthy": False,
        "storage_manager": {
            "is_healthy": False,
            "l2_adapters": [{"is_healthy": True}, {"is_healthy": False}],
        },
    }
    assert lf.unhealthy_parts(status) == ["storage_manager.l2_adapters[1]: not healthy"]
    assert lf.unhealthy_parts({"is_healthy": True, "p2p_enabled": False}) == []


DEEP = b"[" * 100_000 + b"]" * 100_000
WIDE = b'{"is_healthy": false, "x": [%s]}' % b",".join([b'{"is_healthy": false}'] * 5000)
PAGES = [b"nothing 1\n", page(), b"x 1\nlmcache_mp_event_bus_queue_depth 0\n"]


@pytest.mark.parametrize("metrics", PAGES, ids=["unknown", "worker", "mp"])
@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        WIDE,
        b'{"unhealthy_threads": 5}',
        b'"%s"' % (b"v" * 1_000_000),
        b"[1]",
        b"null",
        b"\xff",
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_whatever_a_node_says_of_itself_the_round_goes_on_and_little_is_kept(metrics, body):
    class Everything(dict):
        def get(self, path, default=None):
            return metrics if path == "/metrics" else body

    cluster = Cluster({"w0": Everything(), "w1": {"/metrics": page()}})
    cluster.round(times=2)
    seen = cluster.node("w0")
    assert seen["state"] in ("up", "degraded") and len(json.dumps(seen)) < 30_000
    assert cluster.node("w1")["state"] == "up"


# -- nodes of another frontend

RACK = {
    "name": "rack1",
    "host": "10.0.0.9",
    "port": 80,
    "nodes": [{"name": "u", "host": "", "port": "/s"}],
}


def rack(**answers):
    """A frontend with one node, u, on a socket of its host."""
    return Cluster({"rack1": answers} if answers else {}, proxies=[RACK])


def test_a_child_behind_a_frontend_that_is_down_is_unknown_and_not_down():
    cluster = rack()
    cluster.round()
    child = cluster.node("rack1/u")
    assert child["state"] == "unknown"
    assert child["error"] == "its frontend rack1 does not respond: connection refused"


def test_outages_of_a_frontend_are_no_state_changes_of_its_nodes():
    cluster = Cluster(proxies=[RACK])
    for _ in range(5):
        cluster.answers["rack1"] = status_of(CHILD)
        cluster.round()
        assert cluster.node("rack1/u")["state"] == "degraded"
        del cluster.answers["rack1"]
        cluster.round(times=2)
    assert cluster.node("rack1/u")["state"] == "unknown"
    assert "node_flapping:rack1/u" not in cluster.alerts()


def test_a_response_that_cannot_be_read_costs_its_own_node_alone(caplog):
    broken = lf.Reply(200, {"content-type": None}, (b"a 1\n",), 0.004)
    cluster = Cluster({"good": {"/metrics": b"a 1\n"}})
    answer = cluster._answer
    cluster.set_nodes([*cluster.entries, {"name": "bad", "host": "127.0.0.1", "port": 9100}])
    cluster._answer = lambda job: broken if job.node.name == "bad" else answer(job)
    status = cluster.round(times=2)
    states = {node["key"]: node["state"] for node in status["nodes"]}
    assert states == {"good": "up", "bad": "down"}
    assert "its response cannot be read" in cluster.node("bad")["error"]
    assert "the response of bad to /metrics cannot be read" in caplog.text


def status_of(*entries, **more):
    return {"/api/status": {"nodes": list(entries), **more}}


CHILD = {
    "key": "u",
    "name": "u",
    "state": "degraded",
    "kind": "worker",
    "version": "9",
    "reasons": ["r"],
    "metrics": {"lookup_hit_rate": 0.5},
}


def test_a_frontend_is_believed_about_its_children():
    other = dict(CHILD, key="inner/u", state="down")
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = status_of(CHILD, other, "nonsense", {"name": 5})
    cluster.round()
    child = cluster.node("rack1/u")
    assert (child["state"], child["kind"], child["version"]) == ("degraded", "worker", "9")
    assert child["metrics"]["lookup_hit_rate"] == 0.5
    assert cluster.asked == [("rack1", "/api/status")]


def test_the_p99_of_the_cluster_is_that_of_the_slowest_instance_behind_a_frontend_too():
    cluster = Cluster(proxies=[RACK])
    slow = {"retrieve_p99": 0.5, "retrieve_p50": 0.1}
    cluster.answers["rack1"] = status_of(dict(CHILD, metrics=slow))
    totals = cluster.round()["totals"]
    assert totals["retrieve_p99"] == 0.5
    assert totals["retrieve_p50"] is None, "medians cannot be merged"
    [series] = cluster.monitor.history(None, "retrieve_p99", 15.0)["series"]
    assert series["values"][-1] == 0.5


def test_alerts_that_another_frontend_raised_name_its_nodes_as_they_are_called_here():
    silenced = {"id": "x", "rule": "x", "node": "u", "silence": {"until": None}}
    raised = {
        "id": "node_restarting:u",
        "rule": "node_restarting",
        "severity": "critical",
        "node": "u",
        "text": "u restarted 2 times in 15 min",
        "since": 5000.0,
        "details": ["2 min before: restart on u", 5],
        "advice": "Read the log.",
    }
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = status_of(CHILD, alerts=[raised, silenced, 7], time=5060.0)
    [proxy] = cluster.round()["proxies"]
    [alert] = proxy["alerts"]
    assert (alert["node"], alert["severity"]) == ("rack1/u", "critical")
    assert alert["text"] == "rack1/u restarted 2 times in 15 min"
    assert alert["details"] == ["2 min before: restart on rack1/u"]
    assert alert["since"] == pytest.approx(cluster.clock.wall() - 60, abs=0.01)
    del cluster.answers["rack1"]
    assert cluster.round()["proxies"][0]["alerts"] == []


@pytest.mark.parametrize("more", [0, 1])
def test_so_many_alerts_of_another_frontend_are_kept_that_are_not_silenced(more):
    silenced = [{"id": "s", "silence": {"until": None}}] * 5
    raised = [{"id": "r%d" % i} for i in range(lf.MAX_REPORTED_ALERTS + more)]
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = status_of(CHILD, alerts=silenced + raised)
    [proxy] = cluster.round()["proxies"]
    kept = [alert["id"] for alert in proxy["alerts"]]
    assert kept == ["r%d" % i for i in range(lf.MAX_REPORTED_ALERTS)]


def test_a_child_that_was_asked_before_its_frontend_told_of_it_has_a_history():
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = {"/api/status": (404, b""), "/metrics": page()}
    cluster.answers["rack1/u"] = cluster.answers["rack1"]
    cluster.round()
    assert ("rack1/u", "/metrics") in cluster.asked
    cluster.answers["rack1"] = status_of(CHILD)
    cluster.round(times=3)
    [series] = cluster.monitor.history("rack1/u", "lookup_hit_rate", 15.0)["series"]
    assert series["values"][-1] == 0.5


def test_since_of_a_child_is_an_age_on_its_frontends_clock_and_never_in_the_future():
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = status_of(dict(CHILD, since=5000.0), time=5060.0)
    cluster.round()
    assert cluster.node("rack1/u")["since"] == pytest.approx(cluster.clock.wall() - 60, abs=0.01)
    cluster.answers["rack1"] = status_of(dict(CHILD, since=9e9), time=5060.0)
    cluster.round()
    assert cluster.node("rack1/u")["since"] <= cluster.clock.wall()


@pytest.mark.parametrize("more, is_known", [({}, True), ({"since_known": False}, False)])
def test_its_frontend_says_whether_the_since_of_a_child_is_known(more, is_known):
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = status_of(dict(CHILD, since=5000.0, **more), time=5060.0)
    cluster.round()
    assert cluster.node("rack1/u").get("since_known", True) is is_known


def test_a_gateway_error_for_a_proxied_child_means_that_the_child_is_down():
    cluster = Cluster(proxies=[RACK])
    cluster.answers["rack1"] = {"/metrics": (502, {"detail": "no such socket"})}
    cluster.answers["rack1"]["/api/status"] = (404, b"")
    cluster.answers["rack1/u"] = cluster.answers["rack1"]
    cluster.round()
    child = cluster.node("rack1/u")
    assert (child["state"], child["error"]) == ("down", "no such socket")


# -- alerts


def test_an_alert_needs_its_condition_several_times_to_come_and_to_go():
    book = lf.AlertBook()

    def see(text):
        book.see(lf.Alert("k", "rule", "warning", "w0", text, 5.0), 5.0, 2, 2)
        return len(book.alerts())

    assert [see(text) for text in ("bad", "", "bad", "bad", "", "bad", "", "")] == [
        0,
        0,
        0,
        1,
        1,
        1,
        1,
        0,
    ]


def test_alerts_of_nodes_that_are_gone_go_with_them():
    book = lf.AlertBook()
    book.see(lf.Alert("down:w0", "node_down", "critical", "w0", "bad", 1.0), 1.0)
    book.keep_only(set(), 2.0)
    assert book.alerts() == []


def test_critical_alerts_are_listed_first():
    book = lf.AlertBook()
    book.see(lf.Alert("a", "r", "warning", None, "bad", 9.0), 9.0)
    book.see(lf.Alert("b", "r", "critical", None, "bad", 1.0), 1.0)
    assert [alert.id for alert in book.alerts()] == ["b", "a"]


# -- clocks


def test_a_wall_clock_that_steps_by_hours_changes_no_duration_and_no_order():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {}})
    del cluster.answers["w1"]
    for hours in (0, 3, -5, 2):
        cluster.clock.ahead += hours * 3600
        status = cluster.round()
        assert 0 < status["uptime"] < 60
        assert 0 <= status["time"] - cluster.node("w1")["since"] < 60
        times = cluster.monitor.history(None, "lookup_hit_rate", 3600)["series"][0]["times"]
        assert times == sorted(times) and times[-1] - times[0] < 60
    (alert,) = (item for item in status["alerts"] if item["node"] == "w1")
    assert 0 <= status["time"] - alert["since"] < 60


def test_the_p99_of_an_instance_is_that_of_its_slowest_rank_and_the_rest_of_all_of_them():
    nodes = [node_state(f"w{i}", engine="e", worker_id=str(i)) for i in range(3)]
    for state, seconds in zip(nodes, (0.1, 0.5, None)):
        state.figures["retrieve_p99"] = seconds
        state.figures["retrieve_p50"] = 0.01
    (instance,) = lf.assign_instances(nodes)
    assert instance.figures["retrieve_p99"] == 0.5
    assert "retrieve_p50" not in instance.figures, "there are no buckets to merge"


# -- the history


def test_history_is_a_ring_with_null_for_rounds_without_an_answer():
    cluster = Cluster({"w0": {}}, history_minutes=0.5)  # 4 places
    for step in range(6):
        cluster.answers["w0"]["/metrics"] = page(tokens=1000 * step, hits=500 * step)
        if step == 3:
            cluster.answers["w0"]["/metrics"] = lf.FetchError("connection reset")
        cluster.round(40.0)
    series = cluster.monitor.history("w0", "lookup_hit_rate", 1000.0)["series"]
    # One reading after an outage is no rate yet.
    assert series[0]["values"] == [0.5, None, None, 0.5]
    assert series[0]["times"] == sorted(series[0]["times"])


def test_zeros_and_gaps_of_a_figure_stay_when_it_has_another_value_later():
    cluster = Cluster({"w0": {}})
    for step, hits in enumerate((0, 0, None, 0, 0, 500)):
        cluster.answers["w0"]["/metrics"] = page(tokens=1000 * step, hits=hits)
        if hits is None:
            cluster.answers["w0"]["/metrics"] = lf.FetchError("connection reset")
        cluster.round(70.0)
        series = cluster.monitor.history("w0", "lookup_hit_rate", 1000.0)["series"][0]
        if step == 4:
            assert series["values"] == [None, 0.0, None, None, 0.0]
    assert series["values"] == [None, 0.0, None, None, 0.0, 0.5]


def test_a_node_and_a_metric_that_are_asked_for_twice_come_once():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    names = ",".join(["w0"] * 100)
    metrics = ",".join(["lookup_hit_rate", "queue_size"] * 100)
    series = cluster.monitor.history(names, metrics, 60.0)["series"]
    seen = [(item["node"], item["metric"]) for item in series]
    assert seen == [("w0", "lookup_hit_rate"), ("w0", "queue_size")]


def test_a_history_has_as_few_points_as_are_asked_for():
    cluster = Cluster({"w0": {}})
    for step in range(40):
        cluster.answers["w0"]["/metrics"] = page(tokens=1000 * step, hits=500 * step)
        cluster.round(15.0)
    whole = cluster.monitor.history("w0", "lookup_hit_rate", 600.0)
    few = cluster.monitor.history("w0", "lookup_hit_rate", 600.0, points=10)
    assert len(whole["series"][0]["times"]) > 30 and few["interval"] == 60.0
    assert len(few["series"][0]["times"]) <= 11 and 0.5 in few["series"][0]["values"]


def test_a_history_of_too_many_values_is_refused_with_the_limit():
    lf.check_history_size(1000, 1, lf.MAX_HISTORY_VALUES // 1000)
    with pytest.raises(lf.FrontendError) as error:
        lf.check_history_size(1000, 1, lf.MAX_HISTORY_VALUES // 1000 + 1)
    assert error.value.status == 400 and str(lf.MAX_HISTORY_VALUES) in error.value.detail


def test_a_history_of_too_many_values_is_refused_before_they_are_copied():
    watched, history = Cluster().monitor.watched, lf.History(100)
    keys = {"w%d" % index: "w%d" % index for index in range(60)}
    figures = dict.fromkeys(lf.SERIES, 1.0)
    for ago in range(100, 0, -1):
        history.add(watched.clock.monotonic() - ago, dict.fromkeys(keys, figures))
    past, now = lf.Past(watched, history, 1.0), watched.clock.wall()
    tracemalloc.start()
    try:
        with pytest.raises(lf.FrontendError):
            past.document(keys, lf.SERIES, now - 110, now)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000


@pytest.mark.parametrize(
    "rounds, means",
    [(4, []), (5, []), (6, [1.5]), (9, [3.5]), (10, [4.5, 1.5]), (20, [14.5, 10.5, 7.5])],
)
def test_the_past_is_compared_in_parts_without_a_short_rest(rounds, means):
    history = lf.History(14)
    for number in range(rounds):
        history.add(float(number), {"w0": {"queue_size": number + 1.0}})
    assert history.means("w0", "queue_size", 14, 4) == means


@pytest.mark.parametrize("node_name, metric, status", [("w9", None, 404), ("w0", "nonsense", 400)])
def test_an_unknown_node_or_metric_has_no_history(node_name, metric, status):
    with pytest.raises(lf.FrontendError) as error:
        Cluster({"w0": {}}).monitor.history(node_name, metric, 60.0)
    assert error.value.status == status


# -- the status document


def test_the_status_document_has_every_field_of_a_node_and_counts_by_state():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {}})
    del cluster.answers["w1"]
    document = cluster.round()
    assert document["counts"] == {"up": 1, "degraded": 0, "down": 1, "unknown": 0, "total": 2}
    first = document["nodes"][0]
    assert set(lf.ALWAYS_SHOWN) <= set(first["metrics"]) <= set(lf.METRICS)
    expected = {
        "id": "node_w0",
        "key": "w0",
        "proxy": "local_proxy",
        "address": "127.0.0.1:9000",
        "path": "/proxy2/w0",
        "kind": "worker",
    }
    assert {key: first[key] for key in expected} == expected
    assert document["nodes"][1]["error"] == "connection refused"


def test_the_etag_changes_with_a_round_and_only_then():
    cluster = Cluster({"w0": {"/metrics": page()}})
    cluster.round()
    first = cluster.monitor.status_json()
    assert cluster.monitor.status_json() == first
    cluster.round()
    assert cluster.monitor.status_json()[1] != first[1]


def test_a_finished_round_is_seen_at_once_however_young_the_last_document_is():
    cluster = Cluster({"w0": {"/metrics": page()}})
    assert cluster.node("w0")["state"] == "unknown"
    for state in ("up", "down"):
        if state == "down":
            cluster.answers.clear()
        cluster.round()
        assert cluster.node("w0")["state"] == state


def test_a_status_can_be_narrowed_by_name_and_state():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {}})
    del cluster.answers["w1"]
    cluster.round()
    monitor = cluster.monitor
    assert [entry["key"] for entry in monitor.status(["w1"])["nodes"]] == ["w1"]
    assert [entry["key"] for entry in monitor.status(None, ["up"])["nodes"]] == ["w0"]
    assert monitor.status_json(["w1"])[1] != monitor.status_json()[1]
    with pytest.raises(lf.FrontendError) as error:
        monitor.status(["w9"])
    assert error.value.status == 404
    with pytest.raises(lf.FrontendError) as error:
        monitor.status(None, ["sideways"])
    assert error.value.status == 400


def test_a_status_can_be_narrowed_to_figures_with_one_node_in_full():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {"/metrics": page()}})
    cluster.round()
    cluster.round(40.0)
    monitor = cluster.monitor
    full, listed = monitor.status(), json.loads(monitor.status_json(figures=lf.LISTED)[0])
    assert {*full} - {*listed} == {"totals_series"} and listed["counts"] == full["counts"]
    (node, _) = listed["nodes"]
    unlisted = {"name", "engine", "worker_id", "models", "world_size", "series"}
    derived = {"id", "address", "polled", "path", "latency"}
    assert {*full["nodes"][0]} - {*node} == derived | unlisted
    assert node["since"] == int(full["nodes"][0]["since"]), "in whole seconds"
    assert full["nodes"][0]["path"] == "/proxy2/w0", "what a list leaves out"
    assert full["nodes"][0]["name"] == full["nodes"][0]["key"]
    for one in full["instances"]:
        assert one["nodes"] == [n["key"] for n in full["nodes"] if n["instance_id"] == one["id"]]
    left_out = {*full["instances"][0]} - {*listed["instances"][0]}
    assert left_out == {"nodes", "missing_ranks", "series"}
    assert set(listed["instances"][0]["spread"]) <= {*lf.LISTED_SPREAD}
    exact = {"local_cache_bytes": 1234567.0, "retrieve_p99": 0.0123456, "queue_size": 1234.0}
    shown = {"local_cache_bytes": 1.235e6, "retrieve_p99": 0.0123, "queue_size": 1234.0}
    assert lf.shown_figures(exact, lf.LISTED) == shown
    assert node["metrics"] and {*node["metrics"]} < {*lf.LISTED}
    # The hit rates of instances can be put together.
    weights = [{*one["metrics"]} & {"lookup_tokens_per_second"} for one in listed["instances"]]
    assert all(weights) and "lookup_tokens_per_second" not in node["metrics"]
    # What only a chosen column shows is there when it is named.
    reported = [name for name, value in full["nodes"][0]["metrics"].items() if value is not None]
    other = next(name for name in reported if name not in lf.LISTED)
    more = json.loads(monitor.status_json(figures=[*lf.LISTED, other, "latency"])[0])
    assert {*more["nodes"][0]} == {*node, "latency"}
    assert {*more["nodes"][0]["metrics"]} == {*node["metrics"], other}
    assert {*more["instances"][0]["metrics"]} >= {*listed["instances"][0]["metrics"]}
    one = json.loads(monitor.status_json(figures=["retrieve_p50"], whole="w1")[0])
    assert all({*entry["metrics"]} <= {"retrieve_p50"} for entry in one["nodes"])
    assert one["whole"] == full["nodes"][1]
    # A page may be open at a node that is no longer there.
    assert "whole" not in json.loads(monitor.status_json(figures=lf.LISTED, whole="w9")[0])


def test_the_status_of_lists_is_as_young_as_the_whole_one():
    cluster = Cluster({"w0": {"/metrics": page()}})
    tags = set()
    for state in ("up", "down"):
        if state == "down":
            cluster.answers.clear()
        cluster.round()
        document, tag = cluster.monitor.status_json(figures=lf.LISTED)
        assert json.loads(document)["nodes"][0]["state"] == state
        tags.add(tag)
    assert len(tags) == 2


def test_cluster_hit_rates_are_weighted_by_traffic_and_not_averaged():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {"/metrics": page()}})
    cluster.round()
    cluster.answers["w0"]["/metrics"] = page(tokens=900, hits=0)
    cluster.answers["w1"]["/metrics"] = page(tokens=100, hits=100)
    assert cluster.round(40.0)["totals"]["lookup_hit_rate"] == pytest.approx(0.1)


def test_concurrent_refreshes_share_one_question():
    asked = threading.Semaphore(0)
    go_on = threading.Event()

    def slow(job):
        asked.release()
        assert go_on.wait(20)
        return page()

    cluster = Cluster({"w0": {"/metrics": slow}})
    threads = [threading.Thread(target=cluster.monitor.refresh) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert asked.acquire(timeout=10)
    go_on.set()
    for thread in threads:
        thread.join(20)
    questions = [path for _, path in cluster.asked if path == "/metrics"]
    # One that comes when the first is over asks anew.
    assert cluster.node("w0")["state"] == "up" and len(questions) < 5


def test_nodes_that_are_gone_from_the_registry_are_gone_from_the_status():
    cluster = Cluster({"w0": {}})
    cluster.set_nodes([{"name": "w1", "host": "127.0.0.1", "port": 9091}])
    assert [entry["key"] for entry in cluster.monitor.status()["nodes"]] == ["w1"]


def test_own_metrics_say_how_many_nodes_are_up():
    cluster = Cluster({"w0": {"/metrics": page()}, "w1": {}})
    del cluster.answers["w1"]
    cluster.round()
    text = cluster.monitor.exposition(cluster.registry.leaves()).decode()
    assert 'lmcache_frontend_nodes{state="up"} 1\n' in text
    assert 'lmcache_frontend_nodes{state="down"} 1\n' in text


def test_own_metrics_say_which_version_each_node_runs_and_how_often_it_restarted():
    cluster = Cluster({"w0": {"/metrics": page(tokens=5), "/version": "0.5.6"}})
    cluster.round(times=2)
    cluster.answers["w0"]["/metrics"] = page(tokens=2)
    cluster.round()
    text = cluster.monitor.exposition(cluster.registry.leaves()).decode()
    info = 'lmcache_frontend_node_info{node="w0",kind="worker",version="0.5.6"} 1'
    assert info in text
    assert 'lmcache_frontend_node_restarts_total{node="w0"} 1' in text


def test_a_status_that_expired_is_made_once_and_given_to_nobody_meanwhile():
    watched = types.SimpleNamespace(registry_version=1, version=1)
    made, may_end = [], threading.Event()
    may_end.set()

    def make():
        made.append(watched.version)
        assert may_end.wait(20)
        return b"%d" % watched.version

    status = lf.StatusDocument(make, watched)
    assert status.get()[0] == b"1"
    for _ in range(40):  # forty alerts are silenced
        watched.version += 1
        status.expire()
    assert made == [1]
    may_end.clear()
    answers = []
    readers = [threading.Thread(target=lambda: answers.append(status.get()[0])) for _ in range(3)]
    for reader in readers:
        reader.start()
    assert wait_for(lambda: len(made) == 2)
    may_end.set()
    for reader in readers:
        reader.join(20)
    assert answers == [b"41"] * 3 and made == [1, 41]


# -- ranks and engines


# -- Prometheus, bundle, terminal


def test_service_discovery_names_tcp_nodes_directly_and_sockets_through_us():
    socket_node = lf.Node.parse({"name": "u 0", "host": "", "port": "/tmp/s"}, "", "nodes")
    direct, ours = lf.service_discovery([node(), socket_node], "front:8080", False)
    assert direct == {
        "targets": ["127.0.0.1:9090"],
        "labels": {"node": "w0", "proxy": "local_proxy"},
    }
    assert (
        ours["targets"] == ["front:8080"]
        and ours["labels"]["__metrics_path__"] == "/proxy2/u%200/metrics"
    )
    assert [group["targets"] for group in lf.service_discovery([node()], "front:8080", True)] == [
        ["front:8080"]
    ]


def test_secrets_are_masked_by_name_and_in_urls():
    text = lf.mask_secrets(
        b'{"HF_TOKEN": "abc", "tokens": "12", "list": [{"api_key": "k"}], '
        b'"remote_url": "redis://u:pw@h:1/0", "empty_password": ""}'
    )
    masked = json.loads(text)
    assert masked["HF_TOKEN"] == masked["list"][0]["api_key"] == lf.MASK
    assert masked["tokens"] == "12" and masked["empty_password"] == ""
    assert masked["remote_url"] == f"redis://{lf.MASK}@h:1/0"
    assert lf.mask_secrets(b"GET http://u:pw@h/x") == f"GET http://{lf.MASK}@h/x".encode()


def test_secrets_are_masked_in_json_inside_a_string_in_queries_and_on_command_lines():
    environment = {
        "LMCACHE_EXTRA_CONFIG": '{"password": "x1", "size": 3}',
        "SIGNING_KEY": "x2",
        "ARGS": "serve --api-key x3 --port 80",
        "chunk_key_size": "keep",
    }
    masked = json.loads(lf.mask_secrets(json.dumps(environment).encode()))
    assert json.loads(masked["LMCACHE_EXTRA_CONFIG"]) == {"password": lf.MASK, "size": 3}
    assert masked["SIGNING_KEY"] == lf.MASK and masked["chunk_key_size"] == "keep"
    assert masked["ARGS"] == f"serve --api-key {lf.MASK} --port 80"
    assert (
        lf.mask_secrets(b"http://h/x?user=u&access_token=abc&n=1 bypass --tokens 5")
        == f"http://h/x?user=u&access_token={lf.MASK}&n=1 bypass --tokens 5".encode()
    )


@pytest.mark.slow
def test_masking_takes_no_longer_than_the_text_is_long():
    started = time.process_time()
    for text in (
        b"-" * 1_000_000,
        b" --" * 300_000,
        b"://" * 300_000,
        b"://a:" * 200_000,
        b"&token" * 150_000,
    ):
        lf.mask_secrets(text)
    assert time.process_time() - started < 20


def test_a_bundle_says_what_is_missing():
    data = b"".join(
        lf.bundle_pieces(
            [node("w0")], {"nodes": [{"key": "w0", "state": "down", "error": "refused"}]}
        )
    )
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert bundle.testzip() is None
        assert bundle.read("nodes/w0/missing.txt") == b"skipped: the node is down (refused)\n"
        assert json.loads(bundle.read("status.json"))["nodes"][0]["key"] == "w0"


def table_of(*names, **options):
    """The table of nodes: w0 is up with a hit rate of a half, all others went down just now."""
    cluster = Cluster({name: {"/metrics": page()} for name in names})
    cluster.round()
    cluster.answers = {"w0": {"/metrics": page(tokens=100, hits=50)}}
    return lf.status_table(cluster.round(40.0), **options)


def test_the_table_shows_state_reason_and_hit_rate_and_no_color_unless_asked():
    text = table_of("w0", "w1", color=False)
    assert "2 nodes: 1 up, 1 down" in text and "50.0%" in text and "connection refused" in text
    assert "\x1b" not in text and "\x1b[31mdown" in table_of("w0", "w1", color=True)


def test_what_is_not_up_stands_first_in_the_table():
    lines = table_of("w0", "w1", color=False).splitlines()
    nodes = next(index for index, line in enumerate(lines) if " NODE " in line)
    assert [line.split()[1] for line in lines[nodes + 1 :]] == ["w1", "w0"]


def test_the_status_shows_parts_that_add_up_while_a_round_goes_on():
    cluster = Cluster({name: {"/metrics": page()} for name in ("w0", "w1")})
    cluster.round()
    watched = cluster.monitor.watched

    def shown():
        [node] = cluster.monitor.status(["w0"])["nodes"]
        return node["metrics"]["remote_ping_seconds"]

    assert shown() == 0.012
    with watched.lock:
        state = watched.nodes["w0"]
        state.figures = dict(state.figures, remote_ping_seconds=1.0)
    assert shown() == 0.012, "its instance was not computed with it yet"
    with watched.lock:
        watched.add_up()
    assert shown() == 1.0


def test_instances_stand_before_their_nodes_in_the_table_the_worst_first():
    lone = page().replace(b'"m"', b'"other"')
    cluster = Cluster({"w0": {"/metrics": lone}, "w1": {"/metrics": page()}, "w2": {}})
    cluster.answers["w2"]["/metrics"] = page()
    cluster.round()
    del cluster.answers["w2"]
    cluster.answers["w1"]["/metrics"] = page(tokens=100, hits=50)
    lines = lf.status_table(cluster.round(40.0), color=False).splitlines()
    nodes = next(index for index, line in enumerate(lines) if " NODE " in line)
    instances = [line.split() for line in lines[2 : nodes - 1]]
    assert instances[0][:3] == ["STATE", "INSTANCE", "KINDS"]
    assert [line[0] for line in instances[1:]] == ["down", "up"]
    assert "50.0%" in instances[1] and instances[1][-2:] == ["2", "m"]


@pytest.mark.parametrize("width", [30, 50, 80, 100])
def test_the_table_fits_its_terminal_and_keeps_state_node_and_reason(width):
    lines = table_of("w0", "w1", "a-rather-long-name", color=False, width=width).splitlines()
    assert max(map(len, lines)) <= width
    headers = [line.split()[:2] for line in lines if line.startswith("STATE")]
    assert headers == [["STATE", "INSTANCE"], ["STATE", "NODE"]]
    assert any("conn" in line or line.endswith("...") for line in lines)
    assert "LATENCY" in table_of("w0", color=False)


def test_control_characters_of_a_node_do_not_reach_the_terminal():
    cluster = Cluster({"w0": {"/metrics": lf.FetchError("bad \x1b[2J thing")}})
    assert "\x1b" not in lf.status_table(cluster.round(), color=False)


@pytest.mark.parametrize(
    "counts, proxies, code",
    [
        ({"up": 2, "total": 2}, [], 0),
        ({"up": 1, "total": 2}, [], 1),
        ({"up": 0, "total": 0}, [], 1),
        ({"up": 2, "total": 2}, [{"name": "rack1", "state": "down"}], 1),
    ],
)
def test_the_exit_status_is_zero_only_when_there_are_nodes_and_all_are_up(counts, proxies, code):
    states = ["up"] * counts["up"] + ["down"] * (counts["total"] - counts["up"])
    nodes = [{"key": f"w{number}", "state": state} for number, state in enumerate(states)]
    assert lf.status_exit_code({"counts": counts, "proxies": proxies, "nodes": nodes}) == code


@pytest.mark.parametrize("behind", [0.0, 2.0, 29.0])
def test_a_time_that_another_frontend_reports_does_not_depend_on_how_old_its_status_is(behind):
    assert lf.reported_age(1000.0, 1500.0, 1500.0 + behind) == 500.0 + behind


@pytest.mark.parametrize("apart", [-7200.0, 31.0, 86400.0])
def test_a_time_of_a_frontend_whose_clock_differs_is_told_by_what_had_passed(apart):
    assert lf.reported_age(1000.0, 1500.0, 1500.0 + apart) == 500.0
    assert lf.reported_age(None, 1500.0, 1500.0) == lf.reported_age(1000.0, None, 1500.0) == 0.0
