"""Rules: what begins and ends each, why hits fell, what is wrong between nodes."""

import collections
import json

import pytest
from support.cluster import Cluster

import lmcache_frontend as lf

NAN = float("nan")


def node_state(name="w0", state="up", kind="worker", figures=None, **about):
    node = lf.Node.parse({"name": name, "host": "127.0.0.1", "port": 9090}, "", "nodes")
    made = lf.NodeState(node, 0.0)
    made.state, made.kind = state, kind
    made.about.update(about)
    made.figures.update(figures or {})
    made.instance_id = about.get("instance")
    return made


def evidence(state, recent=None, base=None, active=False, now=1000.0, peers=()):
    """What a rule sees: means of the last minutes and of the past; the rest is not known."""
    means = [lambda name, of=of or {}: of.get(name, NAN) for of in (recent, base)]
    return lf.Evidence(state, now, active, *means, lambda name: [means[1](name)], peers)


def rule_named(name):
    return next(rule for rule in lf.RULES if rule.name == name)


# -- nodes


def test_a_node_is_reported_down_from_its_second_silence_on():
    state = node_state()
    state.failed("connection refused", 960.0, 10.0)
    assert lf.check_down(evidence(state)) == lf.NOTHING
    state.failed("connection refused", 970.0, 10.0)
    text = lf.check_down(evidence(state)).text
    assert text == "w0 is unreachable: connection refused"


def test_a_node_flaps_with_four_changes_in_a_quarter_of_an_hour_and_not_with_three():
    state = node_state()
    state.changes.extend([500, 600, 700])
    assert lf.check_flapping(evidence(state)) == lf.NOTHING
    state.changes.append(800)
    text = "w0 is flapping: 4 state changes within 15 min"
    assert lf.check_flapping(evidence(state)).text == text
    assert lf.check_flapping(evidence(state, now=2000.0)) == lf.NOTHING


def test_flapping_tells_the_most_changes_while_it_lasts():
    state = node_state()
    state.changes.extend([100, 200, 800, 900])
    text = "w0 is flapping: 4 state changes within 15 min"
    assert lf.check_flapping(evidence(state)).text == text
    assert lf.check_flapping(evidence(state, active=True, now=1250.0)) == lf.Finding(text, 4)
    state.changes.append(1250)
    found = lf.check_flapping(evidence(state, active=True, now=1250.0))
    assert found == lf.Finding(text, 4)


@pytest.mark.parametrize("count, lasts", [(2, True), (1, False)])
def test_flapping_ends_with_fewer_than_two_changes(count, lasts):
    state = node_state()
    state.changes.extend([900] * count)
    assert bool(lf.check_flapping(evidence(state, active=True)).text) is lasts


@pytest.mark.parametrize("earlier, alarm", [(100.0, True), (99.0, False)])
def test_a_node_that_restarts_twice_in_a_quarter_of_an_hour_is_critical(earlier, alarm):
    state, rule = node_state(), rule_named("node_restarting")
    state.restarts.extend([earlier, 900.0])
    text = "w0 restarted 2 times within 15 min" if alarm else ""
    assert (rule.check(evidence(state)).text, rule.severity) == (text, "critical")


@pytest.mark.parametrize("now, lasts", [(1800.0, True), (1801.0, False)])
def test_restarting_ends_a_quarter_of_an_hour_after_the_last_restart(now, lasts):
    state, check = node_state(), rule_named("node_restarting").check
    state.restarts.extend([100.0, 900.0])
    check(evidence(state))
    found = check(evidence(state, active=True, now=now))
    assert found == (lf.Finding("w0 restarted 2 times within 15 min", 2) if lasts else lf.NOTHING)


def test_a_node_that_restarts_again_and_again_is_not_flapping_too():
    state = node_state()
    state.changes.extend([500, 510, 900, 910])
    assert lf.check_flapping(evidence(state)) != lf.NOTHING
    state.restarts.extend([510, 910])
    assert lf.check_flapping(evidence(state)) == lf.Finding("", end_reason="node restarting")


def test_a_node_is_reported_degraded_with_its_reason_and_not_for_what_another_rule_says():
    state = node_state(state="degraded")
    state.reasons = ["/metrics responds with 500"]
    assert lf.check_unhealthy(evidence(state)).text == "w0 is degraded: /metrics responds with 500"
    for reason in ("stalled: PinMonitor-thread", "storage_manager.l2_adapters[1]: not healthy"):
        state.reasons = [reason]
        assert lf.check_unhealthy(evidence(state)) == lf.NOTHING
    state.state, state.reasons = "up", []
    assert lf.check_unhealthy(evidence(state)) == lf.NOTHING


@pytest.mark.parametrize(
    "said, reason", [("slow response (2.7 s)", "slow_response"), ("reports itself unhealthy", "")]
)
def test_an_alert_of_a_degraded_node_says_whether_it_is_slow_in_a_field_of_its_own(said, reason):
    cluster = Cluster({"w0": {"/metrics": b'lmcache:lmcache_is_healthy{role="worker"} 1\n'}})
    cluster.round()
    if reason:
        cluster.seconds = 2.7
    else:
        cluster.answers["w0"]["/metrics"] = b'lmcache:lmcache_is_healthy{role="worker"} 0\n'
    (alert,) = cluster.round(times=2)["alerts"]
    assert (alert["text"], alert["reason"]) == ("w0 is degraded: " + said, reason)


def test_a_stalled_critical_thread_alarms_by_its_name():
    state = node_state()
    assert lf.check_stalled(evidence(state)) == lf.NOTHING
    state.stalled = ["PinMonitor-thread"]
    assert lf.check_stalled(evidence(state)).text == "Thread of w0 is stalled: PinMonitor-thread"
    state.stalled = list("abcde")
    text = "Threads of w0 are stalled: a, b, c and 2 more"
    assert lf.check_stalled(evidence(state)).text == text


PINGS = b"lmcache:remote_ping_errors_total %d\nlmcache:remote_ping_successes_total %d\n"


def test_a_remote_backend_fails_after_two_failed_pings_without_a_success_between():
    state = node_state()
    said = []
    for counts in ((1, 5), (2, 5), (2, 6), (3, 6), (4, 6), (6, 7)):
        state.took(lf.take_snapshot(PINGS % counts, len(said) * 10.0))
        said.append(lf.check_remote(evidence(state)).text)
    failing = "Remote backend of w0 does not respond: the last 2 pings failed"
    assert said == ["", "", "", "", failing, ""]


@pytest.mark.parametrize(
    "state, rates, rule, reason",
    [
        ("up", {"evicted": 1.0}, "evictions_rising", ""),
        ("up", {}, "evictions_rising", "no metrics"),
        ("degraded", {}, "thread_stalled", ""),
        ("down", {"evicted": 1.0}, "evictions_rising", "node down"),
        ("down", {}, "remote_failing", "node down"),
        ("down", {}, "node_degraded", "node down"),
        ("down", {}, "node_down", ""),
        ("down", {}, "node_flapping", ""),
        ("unknown", {}, "node_down", "node unknown"),
    ],
)
def test_a_rule_says_nothing_about_a_node_that_does_not_report_what_it_needs(
    state, rates, rule, reason
):
    made = node_state(state=state)
    made.growth = lf.NO_GROWTH._replace(rates=rates)
    assert lf.why_not_evaluated(made, rule_named(rule)) == reason


def test_an_mp_servers_sick_adapter_is_a_failing_remote_backend_and_another_sick_part_is_not():
    state = node_state(kind="mp", state="degraded")
    state.reasons = ["storage_manager.l2_adapters[1]: not healthy"]
    text = "Remote backend of w0 fails: storage_manager.l2_adapters[1]: not healthy"
    assert lf.check_remote(evidence(state)).text == text
    state.reasons = ["storage_manager: not healthy"]
    assert lf.check_remote(evidence(state)) == lf.NOTHING


# -- figures that rise


def rising(name, figure, now, past, requests=5.0, lately=None, active=False):
    """Whether the rule holds for a figure of now and of the past."""
    state = node_state(figures={figure: now})
    recent = {figure: now if lately is None else lately, "requests_per_second": requests}
    found = rule_named(name).check(evidence(state, recent, {figure: past}, active))
    return found.text


@pytest.mark.parametrize(
    "now, past, requests, alarm",
    [
        (3.0, 1.0, 5.0, True),
        (2.9, 1.0, 5.0, False),
        (0.9, 0.0, 5.0, False),
        (3.0, 1.0, 0.0, False),
        (3.0, NAN, 5.0, False),
    ],
)
def test_evictions_alarm_when_they_tripled_and_there_are_requests(now, past, requests, alarm):
    figure = "evictions_per_second"
    assert bool(rising("evictions_rising", figure, now, past, requests)) is alarm


@pytest.mark.parametrize("now, lately, alarm", [(28, 28, True), (28, 4, False), (4, 28, False)])
def test_a_rise_must_show_in_the_figure_of_now_and_in_the_mean_of_five_minutes(now, lately, alarm):
    found = rising("evictions_rising", "evictions_per_second", now, 4.0, lately=lately)
    assert bool(found) is alarm


def test_an_alert_tells_the_figure_that_the_page_shows():
    text = rising("evictions_rising", "evictions_per_second", 28.0, 4.0, lately=20.0)
    assert text == "Evictions are rising on w0: 4 → 28 per second"


@pytest.mark.parametrize("rule", ["failures_rising", "timeouts_rising"])
@pytest.mark.parametrize(
    "per_minute, past, alarm",
    [(1.0, 0.0, True), (0.9, 0.0, False), (4.0, 2.0, True), (3.9, 2.0, False)],
)
def test_failures_and_timeouts_alarm_from_one_a_minute_on(rule, per_minute, past, alarm):
    figure = rule.replace("_rising", "_per_second")
    assert bool(rising(rule, figure, per_minute / 60, past / 60)) is alarm


def test_an_mp_server_that_counts_tokens_and_no_requests_has_traffic_too():
    state = node_state(kind="mp", figures={"evictions_per_second": 9.0})
    recent = {"evictions_per_second": 9.0, "lookup_tokens_per_second": 500.0}
    check = rule_named("evictions_rising").check
    assert check(evidence(state, recent, {"lookup_tokens_per_second": 500.0})).text
    del recent["lookup_tokens_per_second"]
    assert check(evidence(state, recent, {"lookup_tokens_per_second": 500.0})) == lf.NOTHING


def test_rates_below_one_per_second_are_told_per_minute():
    text = rising("failures_rising", "failures_per_second", 9 / 60, 0.0)
    assert text == "Failures are rising on w0: 0 → 9 per minute"


def test_a_counter_that_an_mp_server_did_not_have_before_was_zero():
    state = node_state(kind="mp", figures={"timeouts_per_second": 0.1})
    recent = {"timeouts_per_second": 0.1}
    measured_before = {"requests_per_second": 3.0}
    assert rule_named("timeouts_rising").check(evidence(state, recent, measured_before)).text
    assert rule_named("timeouts_rising").check(evidence(state, recent, {})) == lf.NOTHING


@pytest.mark.parametrize(
    "now, past, alarm", [(24.0, 2.0, True), (7.0, 0.0, False), (8.0, 0.0, True), (24, 9.0, False)]
)
def test_l2_loads_alarm_when_ever_more_are_in_flight(now, past, alarm):
    text = rising("l2_loads_growing", "loads_in_flight", now, past)
    assert bool(text) is alarm
    if now == 24.0 and alarm:
        assert text == "L2 loads in flight are rising on w0: 2 → 24"


@pytest.mark.parametrize("now, lasts", [(9.0, True), (7.9, False), (0.4, False)])
def test_a_rise_ends_by_the_figure_of_now_against_the_past_as_it_was(now, lasts):
    state = node_state(figures={"evictions_per_second": 20.0})
    recent = {"evictions_per_second": 20.0, "requests_per_second": 1.0}
    assert (
        rule_named("evictions_rising")
        .check(evidence(state, recent, {"evictions_per_second": 4.0}))
        .text
    )
    state.figures["evictions_per_second"] = now
    later = evidence(state, recent, {"evictions_per_second": 20.0}, active=True)
    assert bool(rule_named("evictions_rising").check(later).text) is lasts


@pytest.mark.parametrize("now, is_down", [(16.0, False), (15.0, True)])
def test_a_figure_at_most_half_its_peak_is_told_as_down_from_it(now, is_down):
    state = node_state(figures={"evictions_per_second": 20.0})
    recent = {"evictions_per_second": 20.0, "requests_per_second": 1.0}
    check = rule_named("evictions_rising").check
    check(evidence(state, recent, {"evictions_per_second": 4.0}))
    texts = []
    for figure in (30.0, now):
        state.figures["evictions_per_second"] = figure
        texts.append(check(evidence(state, recent, {}, active=True)).text)
    assert texts[0] == "Evictions are rising on w0: 4 → 30 per second"
    down = "Evictions are down from their peak on w0: 30 → 15 per second"
    assert texts[1] == (down if is_down else "Evictions are rising on w0: 4 → 16 per second")


# -- stores that stall


def stalled(kind="worker", conf=None, active=False, **means):
    """What the rule says; means are (now and lately, past) of a figure."""
    now = {name: pair[0] for name, pair in means.items()}
    state = node_state(kind=kind, figures=now)
    state.conf = json.dumps(conf or {}).encode()
    past = {name: pair[1] for name, pair in means.items()}
    return lf.check_stores(evidence(state, now, past, active)).text


STORES = {"stored_tokens_per_second": (500.0, 500.0)}


def test_stores_stall_when_they_go_on_and_no_byte_reaches_the_backend():
    conf = {"remote_url": "fs://host:0/secret/path"}
    text = stalled(conf=conf, **STORES, remote_write_bytes_per_second=(0.0, 9e6))
    assert text == "Remote stores of w0 stalled: no data was written to fs for 5 min"


@pytest.mark.parametrize(
    "means",
    [
        {**STORES, "remote_write_bytes_per_second": (1.0, 9e6)},
        {**STORES, "remote_write_bytes_per_second": (0.0, 0.0)},
        {**STORES, "remote_write_bytes_per_second": (0.0, NAN)},
        {"stored_tokens_per_second": (0.0, 500.0), "remote_write_bytes_per_second": (0.0, 9e6)},
    ],
)
def test_stores_that_are_written_or_never_were_or_stopped_do_not_stall(means):
    assert stalled(**means) == ""


def test_an_mp_servers_stores_stall_when_none_completes():
    means = {"l2_stores_per_second": (2.0, 2.0), "l2_chunks_stored_per_second": (0.0, 5.0)}
    text = "Remote stores of w0 stalled: no chunk was stored in L2 for 5 min"
    assert stalled("mp", **means) == text
    means["l2_chunks_stored_per_second"] = (0.1, 5.0)
    assert stalled("mp", **means) == ""


# -- hit rates


def traffic(rate, tokens=1000.0, what="lookup"):
    names = {
        "lookup": ("lookup_hits_per_second", "lookup_tokens_per_second"),
        "retrieve": ("hit_tokens_per_second", "requested_tokens_per_second"),
    }[what]
    return {names[0]: tokens * rate, names[1]: tokens}


def fallen(now, past, lately=None, state=None, active=False, peers=(), what="lookup", **more):
    """What the rule says of traffic now (and lately) and in the past; ``more`` are other means."""
    state = state or node_state()
    state.figures.update(now)
    if now:
        hits, tokens = now.values()
        state.figures[f"{what}_hit_rate"] = hits / tokens
    recent = {**(now if lately is None else lately)}
    base = dict(past)
    for name, pair in more.items():
        recent[name], base[name] = pair
    return lf.check_hit_rate(evidence(state, recent, base, active, peers=peers)).text


@pytest.mark.parametrize(
    "now, past, alarm",
    [
        (traffic(0.39), traffic(0.8), True),
        (traffic(0.41), traffic(0.8), False),  # not yet by half
        (traffic(0.1, tokens=99), traffic(0.8), False),  # hardly any traffic now
        (traffic(0.1), traffic(0.8, tokens=50), False),  # hardly any in the past
        (traffic(0.01), traffic(0.09), False),  # was never good
        (traffic(0.1), {}, False),  # no past
        ({}, traffic(0.8), False),
    ],
)
def test_a_hit_rate_alarms_when_it_fell_by_half_with_real_traffic(now, past, alarm):
    assert bool(fallen(now, past)) is alarm


def test_a_hit_rate_that_is_well_again_or_only_just_fell_does_not_alarm():
    assert fallen(traffic(0.8), traffic(0.8), lately=traffic(0.2)) == ""
    assert fallen(traffic(0.2), traffic(0.8), lately=traffic(0.7)) == ""


@pytest.mark.parametrize("now, lasts", [(0.55, True), (0.57, False)])
def test_a_fallen_hit_rate_ends_when_it_is_well_again_and_the_fall_does_not_become_normal(
    now, lasts
):
    state = node_state()
    text = fallen(traffic(0.3), traffic(0.8), state=state)
    assert text == "Lookup hit rate of w0 fell: 80% → 30%"
    later = fallen(traffic(now), traffic(0.3), state=state, active=True)
    assert bool(later) is lasts


def test_an_engine_beside_the_node_tells_what_its_users_notice():
    engine = node_state("api", kind="engine", figures={"ttft_p50": 0.93})
    text = fallen(traffic(0.3), traffic(0.8), peers=[engine])
    assert text == "Lookup hit rate of w0 fell: 80% → 30%; TTFT p50 of api is 930 ms"
    now, before = traffic(0.3), traffic(0.8)
    assert fallen(now, before, peers=[engine], ttft_p50=(0.93, 0.18)).endswith(
        "; TTFT p50 of api rose: 180 ms → 930 ms"
    )
    for past, said in ((1.23, "fell: 1.2 s → 930 ms"), (0.9301, "is still 930 ms")):
        text = fallen(now, before, peers=[engine], ttft_p50=(0.93, past))
        assert text.endswith("; TTFT p50 of api " + said)
    # The past is a mean of both.
    assert fallen(now, before, peers=[engine, engine], ttft_p50=(0.93, 0.18)).endswith("is 930 ms")


def test_the_wait_before_is_kept_while_the_alert_lasts():
    state, engine = node_state(), node_state("api", kind="engine", figures={"ttft_p50": 0.93})
    now, past = traffic(0.3), traffic(0.8)
    fallen(now, past, state=state, peers=[engine], ttft_p50=(0.93, 0.18))
    later = fallen(now, past, state=state, active=True, peers=[engine], ttft_p50=(0.93, 0.9))
    assert "TTFT p50 of api rose: 180 ms → 930 ms" in later


# Each reason with the shape that triggers it, and the nearest that does not.


def test_the_reason_is_a_cache_that_is_too_small_when_chunks_die_before_they_are_reused():
    more = {"evictions_per_second": (28.0, 4.0), "chunk_lifetime_p50": (240.0, 900.0)}
    text = fallen(traffic(0.3), traffic(0.8), **more, reuse_gap_p50=(540.0, 500.0))
    reason = "chunks are evicted after 4 min, requested again after 9 min: the cache is too small"
    assert text.endswith("; " + reason)
    text = fallen(traffic(0.3), traffic(0.8), **more, reuse_gap_p50=(239.0, 500.0))
    assert "cache" not in text
    more["evictions_per_second"] = (6.0, 4.0)
    assert "cache" not in fallen(traffic(0.3), traffic(0.8), **more, reuse_gap_p50=(540.0, 9.0))


def test_without_lifetimes_the_reason_is_that_evictions_rose():
    text = fallen(traffic(0.3), traffic(0.8), evictions_per_second=(12.0, 4.0))
    assert text.endswith("; evictions rose: 4 → 12 per second")
    assert ";" not in fallen(traffic(0.3), traffic(0.8), evictions_per_second=(6.0, 4.0))


@pytest.mark.parametrize(
    "zero_hits, reason", [(6.2, "; prompts are new: 62% of lookups had no hit (before: 8%)")]
)
def test_the_reason_is_new_prompts_when_more_lookups_find_nothing(zero_hits, reason):
    lookups = {"lookups_per_second": (10.0, 10.0)}
    now = {**lookups, "zero_hit_lookups_per_second": (zero_hits, 0.8)}
    assert fallen(traffic(0.3), traffic(0.8), **now).endswith(reason)
    for pair in ((6.2, 5.0), (1.9, 0.8)):
        now["zero_hit_lookups_per_second"] = pair
        assert ";" not in fallen(traffic(0.3), traffic(0.8), **now)


def test_the_reason_of_an_instance_says_whose_evictions_rose():
    now = {"evictions_per_second": (12.0, 4.0)}
    text = fallen(traffic(0.3), traffic(0.8), peers=[node_state("w1")], **now)
    assert text.endswith("; evictions of w0 rose: 4 → 12 per second")


def test_a_fallen_hit_rate_tells_the_rise_of_evictions_as_the_alert_about_them_does():
    state, now = node_state(figures={"evictions_per_second": 12.0}), {"evictions_per_second": 12.0}
    busy = {**now, "requests_per_second": 5.0}
    rising = evidence(state, busy, {"evictions_per_second": 0.3})._replace(rule="evictions_rising")
    assert rule_named("evictions_rising").check(rising).text.endswith("0.3 → 12 per second")
    later = evidence(state, now, {"evictions_per_second": 1.3})
    assert " rose: 0.3 → 12 per second" in lf.evicted_too_early(later)
    state.forget_past("evictions_rising")
    assert " rose: 1.3 → 12 per second" in lf.evicted_too_early(later)


def test_the_nodes_of_an_instance_have_one_reason_for_what_fell():
    peer = node_state("w1")
    peer.causes["hit_rate_halved"] = "evictions rose"
    seen = evidence(node_state(), peers=[peer])._replace(rule="hit_rate_halved")
    assert seen.keep_cause(lambda: "prompts are new") == "evictions rose"
    assert seen._replace(peers=[], active=True).keep_cause(lambda: "x") == "evictions rose"


def test_an_mp_server_has_new_prompts_when_more_of_its_tokens_must_be_stored():
    text = fallen(traffic(0.3), traffic(0.8), stored_tokens_per_second=(600.0, 200.0))
    assert text.endswith("; prompts are new: 60% of tokens had to be stored (before: 20%)")
    assert ";" not in fallen(traffic(0.3), traffic(0.8), stored_tokens_per_second=(600.0, 500.0))


def test_the_reason_is_the_remote_backend_when_it_does_not_answer_or_stores_stall():
    state = node_state("w1")
    state.ping_failures = 2
    text = fallen(traffic(0.3), traffic(0.8), peers=[state])
    assert text.endswith("; the remote backend of w1 does not respond")
    state.ping_failures = 1
    assert ";" not in fallen(traffic(0.3), traffic(0.8), peers=[state])
    writes = {"stored_tokens_per_second": (9.0, 9.0), "remote_write_bytes_per_second": (0.0, 5.0)}
    text = fallen(traffic(0.3), traffic(0.8), **writes)
    stall = "no data was written to the remote backend for 5 min"
    assert text.endswith("; stores continue, but " + stall)
    writes["remote_write_bytes_per_second"] = (1.0, 5.0)
    assert ";" not in fallen(traffic(0.3), traffic(0.8), **writes)


@pytest.mark.parametrize(
    "kind, restarted, is_reason",
    [("worker", 760.0, True), ("mp", 100.0, True), ("worker", 99.0, False), ("engine", 760, False)],
)
def test_the_reason_is_a_restart_when_a_node_with_a_cache_restarted_lately(
    kind, restarted, is_reason
):
    peer = node_state("w1", kind=kind)
    peer.restarts.append(restarted)
    text = fallen(traffic(0.3), traffic(0.8), peers=[peer])
    assert text.endswith("with an empty cache") is is_reason
    if restarted == 760.0 and is_reason:
        assert text.endswith("; w1 restarted at 00:12:40 UTC with an empty cache")


@pytest.mark.parametrize("restarted, is_reason", [(730.0, True), (731.0, False)])
def test_a_restart_after_the_hit_rate_fell_is_not_the_reason(restarted, is_reason):
    state, now, past = node_state(), traffic(0.3), traffic(0.8)
    check = rule_named("hit_rate_halved").check
    state.figures.update({"lookup_hit_rate": 0.3, "lookup_tokens_per_second": 1000.0})
    # The mean of five minutes has not fallen yet.
    assert check(evidence(state, past, past, now=700.0)) == lf.NOTHING
    state.restarts.append(restarted)
    text = fallen(now, past, state=state)
    assert "fell" in text and ("restarted" in text) is is_reason


@pytest.mark.parametrize("dipped, is_reason", [(100.0, False), (99.0, True)])
def test_a_dip_of_long_ago_that_made_no_alert_is_not_the_beginning(dipped, is_reason):
    state, now, past = node_state(), traffic(0.3), traffic(0.8)
    fallen(now, past, past, state=state)
    state.fell["lookup"] = dipped
    state.restarts.append(900.0)
    assert ("restarted" in fallen(now, past, state=state)) is is_reason


def test_lookups_that_hit_while_retrieves_do_not_are_told_as_such():
    now = traffic(0.3, what="retrieve")
    past = traffic(0.9, what="retrieve")
    text = fallen(now, past, what="retrieve", lookup_hit_rate=(0.74, 0.75))
    reason = "lookups still hit (74%), but retrievals do not get the chunks"
    assert text == f"Retrieve hit rate of w0 fell: 90% → 30%; {reason}"
    assert fallen(traffic(0.5, what="retrieve"), past, what="retrieve") == ""


def test_what_is_certain_is_told_before_what_is_likely():
    peer = node_state("w1")
    peer.restarts.append(900.0)
    text = fallen(traffic(0.3), traffic(0.8), peers=[peer], evictions_per_second=(28.0, 4.0))
    assert text.endswith("restarted at 00:15:00 UTC with an empty cache")


def test_a_reason_is_that_of_the_beginning_and_not_what_happens_later():
    state, peer = node_state(), node_state("w1")
    now, past = traffic(0.3), traffic(0.8)
    text = fallen(now, past, state=state, peers=[peer], evictions_per_second=(28.0, 4.0))
    assert text.endswith("; evictions of w0 rose: 4 → 28 per second")
    peer.restarts.append(990.0)
    assert fallen(now, past, state=state, peers=[peer], active=True) == text


# -- between nodes


def worker(name, conf, version="1", instance="i", **options):
    state = node_state(name, instance=instance, version=version, **options)
    state.conf = json.dumps(conf).encode()
    return state


def test_workers_of_one_instance_with_different_settings_are_reported_with_the_settings():
    found = lf.cluster_findings(
        [worker("a", {"chunk_size": 256, "x": 1}), worker("b", {"chunk_size": 128, "x": 1})]
    )
    assert [item.rule for item in found] == ["config_drift"]
    assert found[0].text.endswith("differ in their configuration: chunk_size")


@pytest.mark.parametrize(
    "second",
    [
        worker("b", {"chunk_size": 128}, instance="other"),
        worker("b", {"chunk_size": 256}),
        worker("b", {"chunk_size": 128}, kind="scheduler"),
        worker("b", {"chunk_size": 128}, state="down"),
    ],
)
def test_other_differences_are_no_configuration_drift(second):
    assert lf.cluster_findings([worker("a", {"chunk_size": 256}), second]) == []


@pytest.mark.parametrize(
    "name",
    [
        "remote_url",
        "p2p_host",
        "controller_pull_url",
        "lmcache_worker_ports",
        "internal_api_server_port_start",
        "internal_api_server_socket_path_prefix",
        "lmcache_instance_id",
        "local_disk",
        "gds_path",
        "pd_buffer_device",
        "runtime_plugin_locations",
    ],
)
def test_addresses_places_and_identities_may_differ(name):
    pair = [worker(key, {"chunk_size": 256, name: key}) for key in "ab"]
    assert lf.cluster_findings(pair) == []


def test_extra_settings_are_compared_one_by_one():
    confs = [
        {"extra_config": {"plugin.frontend.port": 1, "ping_interval": 5}},
        {"extra_config": {"plugin.frontend.port": 2, "ping_interval": 9}},
    ]
    found = lf.cluster_findings([worker(name, conf) for name, conf in zip("ab", confs)])
    assert [item.text.split(": ")[1] for item in found] == ["extra_config.ping_interval"]


@pytest.mark.parametrize("name", ["max_local_cpu_size", "hosted", "idle", "save_decode_cache"])
def test_other_settings_may_not_differ(name):
    pair = [worker(key, {name: key}) for key in "ab"]
    assert [item.rule for item in lf.cluster_findings(pair)] == ["config_drift"]


def test_versions_are_compared_between_lmcache_nodes_only():
    nodes = [worker("a", {}), worker("b", {}, version="2")]
    found = lf.cluster_findings(nodes)
    assert [item.text for item in found] == ["LMCache nodes run different versions: 1: a; 2: b"]
    nodes[1] = worker("f", {}, version="2", kind="frontend")
    assert lf.cluster_findings(nodes) == []


@pytest.mark.parametrize("count,end", [(5, "4: n4"), (6, "4: n4; and 1 other version")])
def test_an_alert_about_versions_names_five_of_them(count, end):
    nodes = [worker("n%d" % n, {}, version=str(n)) for n in range(count)]
    [alert] = lf.cluster_findings(nodes)
    assert alert.text.endswith("; 3: n3; " + end)


def controller(workers):
    return node_state("c", kind="controller", figures={"registered_workers": workers})


@pytest.mark.parametrize("known, alarm", [(1.0, True), (2.0, False), (3.0, False)])
def test_a_controller_that_knows_fewer_workers_than_are_up_is_reported(known, alarm):
    uses = {"enable_controller": True}
    others = [worker("d", uses, state="down"), worker("e", {"enable_controller": False})]
    nodes = [worker("a", uses), worker("b", uses), *others, controller(known)]
    found = [item for item in lf.cluster_findings(nodes) if item.rule != "config_drift"]
    only = "only 1 is registered with the controller"
    text = "Of 2 workers with enable_controller (a, b), " + only
    assert [item.text for item in found] == ([text] if alarm else [])


def test_without_a_controller_nobody_misses_workers():
    assert lf.cluster_findings([worker("a", {"enable_controller": True})]) == []


def slow_nodes(slow, total, reason="slow response (2.7 s)"):
    states = [node_state("n%d" % number) for number in range(total)]
    for state in states[:slow]:
        state.state, state.reasons = "degraded", [reason]
    return states


@pytest.mark.parametrize(
    "slow, total, lasts, alarm",
    [
        (4, 20, False, True),
        (3, 20, False, False),
        (19, 19, False, False),
        (2, 20, True, True),
        (1, 20, True, False),
        (217, 998, False, True),
    ],
)
def test_many_nodes_that_are_slow_at_once_tell_of_their_frontend(slow, total, lasts, alarm):
    lasting = {"frontend_overloaded"} if lasts else ()
    found = lf.cluster_findings(slow_nodes(slow, total), lasting)
    text = "This frontend may be overloaded: %d of %d nodes responded slowly" % (slow, total)
    assert [one.text for one in found] == ([text] if alarm else [])


@pytest.mark.parametrize("reason", ["reports itself unhealthy", "/metrics responds with 500"])
def test_nodes_that_are_degraded_for_another_reason_do_not_tell_of_their_frontend(reason):
    assert lf.cluster_findings(slow_nodes(20, 20, reason)) == []


def test_a_slow_node_is_no_alert_of_its_own_while_the_frontend_is_overloaded():
    (state,) = slow_nodes(1, 1)
    assert lf.check_unhealthy(evidence(state)).text == "n0 is degraded: slow response (2.7 s)"
    overloaded = evidence(state)._replace(is_overloaded=True)
    assert lf.check_unhealthy(overloaded) == lf.Finding("", end_reason="frontend overloaded")
    state.reasons.append("l2_adapters[1]: not healthy")
    assert lf.check_unhealthy(overloaded).end_reason == "frontend overloaded"
    del state.reasons[0]
    assert lf.check_unhealthy(overloaded) == lf.NOTHING
    state.reasons.insert(0, "/metrics responds with 500")
    assert lf.check_unhealthy(overloaded).text.endswith(": /metrics responds with 500")


# -- how often: through the poller, with a clock of the test


PAGE = """\
lmcache:num_lookup_tokens_total{role="worker"} %(tokens)d
lmcache:num_lookup_hits_total{role="worker"} %(hits)d
lmcache:num_lookup_requests_total{role="worker"} %(requests)d
lmcache:local_cpu_evict_keys_count_total{role="worker"} %(evictions)d
lmcache:put_failed_count{role="worker"} %(failures)d
lmcache:remote_ping_errors_total{role="worker"} %(ping_errors)d
"""
USUAL = {"tokens": 1000, "hits": 800, "requests": 5, "evictions": 1, "failures": 0}


class Load:
    """One worker whose counters grow by so much a second, polled every 10 s."""

    def __init__(self):
        self.counts = collections.Counter(ping_errors=0, failures=0)
        self.cluster = Cluster({"w0": {}})
        self.rules = []

    def run(self, seconds, **rates):
        """Poll for so long; returns the rules that hold after each poll."""
        seen = []
        for _ in range(int(seconds / 10)):
            for name, rate in {**USUAL, **rates}.items():
                self.counts[name] += 10 * rate
            page = PAGE % self.counts
            self.cluster.answers["w0"]["/metrics"] = page.encode()
            document = self.cluster.round()
            seen.append({alert["rule"] for alert in document["alerts"]})
        return seen


def polls_until(seen, rule, holds):
    """How many polls it took until the rule held (or did not)."""
    return next(count for count, rules in enumerate(seen, 1) if (rule in rules) is holds)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule, rates, begins, ends",
    [
        # The mean of five minutes is under half of 80 % after 200 s; one more poll must agree.
        ("hit_rate_halved", {"hits": 50}, 21, 7),
        ("evictions_rising", {"evictions": 40}, 5, 8),
        ("failures_rising", {"failures": 1}, 4, 8),
        ("remote_failing", {"ping_errors": 0.1}, 3, None),
    ],
)
def test_how_many_polls_begin_and_end_each_rule(rule, rates, begins, ends):
    load = Load()
    assert not any(load.run(2100)[-1])
    assert polls_until(load.run(600, **rates), rule, True) == begins
    if ends is not None:
        assert polls_until(load.run(600), rule, False) == ends


@pytest.mark.slow
@pytest.mark.parametrize("low, alarm", [(370, True), (420, False)])
def test_a_slow_fall_is_compared_with_what_it_fell_from(low, alarm):
    load = Load()
    load.run(650)
    for step in range(40):
        load.run(10, hits=800 - (800 - low) * step / 40)
    seen = load.run(600, hits=low)
    assert any("hit_rate_halved" in rules for rules in seen) is alarm


@pytest.mark.slow
def test_time_without_traffic_is_no_past_to_compare_with():
    load = Load()
    load.run(1000)
    load.run(1100, tokens=0, hits=0, requests=0)
    seen = load.run(600, hits=50)
    assert any("hit_rate_halved" in rules for rules in seen)


def test_a_refresh_between_two_rounds_makes_no_alert_come_earlier():
    load = Load()
    load.run(2100)
    load.run(40, evictions=40)  # Now the rule holds for the first time.
    for _ in range(3):
        load.cluster.clock.now += 1
        load.cluster.monitor.refresh()
        load.cluster.monitor.refresh("w0")
        assert load.cluster.alerts() == []
    assert "evictions_rising" in load.run(10, evictions=40)[0]


def test_a_refresh_shows_at_once_what_needs_no_second_poll():
    load = Load()
    load.run(20)
    del load.cluster.answers["w0"]
    for alerts in ([], ["down:w0"]):
        load.cluster.monitor.refresh("w0")
        assert load.cluster.alerts() == alerts


@pytest.mark.parametrize("past, alarm", [(200, False), (700, True)])
def test_a_comparison_needs_five_minutes_of_past(past, alarm):
    load = Load()
    load.run(past)
    seen = load.run(300, evictions=40)
    assert any("evictions_rising" in rules for rules in seen) is alarm


# -- what ends an alert without resolving it


def ends_of(load, rule):
    """How the alerts of a rule ended, oldest first: (text, reason)."""
    events = load.cluster.monitor.events.query()["events"]
    return [
        (event["text"], event.get("end_reason"))
        for event in reversed(events)
        if event.get("rule") == rule and event["until"] is not None
    ]


def rising_then(end):
    """A worker whose evictions rise until ``end(load)`` makes it silent for three polls."""
    load = Load()
    load.run(2100)
    assert "evictions_rising" in load.run(100, evictions=40)[-1]
    end(load)
    for _ in range(3):
        assert "evictions_rising:w0" in load.cluster.alerts()
        load.cluster.round()
    assert "evictions_rising:w0" not in load.cluster.alerts()
    return load


@pytest.mark.parametrize(
    "reasons, ended",
    [
        (["node down", "node down", "no metrics"], "node down"),
        (["node down", "", "no metrics"], "node down"),
        (["node down", "node down", ""], None),
        (["", "", ""], None),
    ],
)
def test_an_alert_that_is_no_longer_evaluated_names_the_first_reason(reasons, ended):
    book, alert = lf.AlertBook(), lf.Alert("r:w0", "r", "warning", "w0", "It rises", 0.0, None)
    book.see(alert, 0.0)
    for now, reason in enumerate(reasons, 10):
        assert book.is_active("r:w0")
        book.begin(True)
        end = lf.AlertEnd(reason, now) if reason else None
        book.see(alert._replace(text=""), now, clear_after=3, end=end)
    assert not book.is_active("r:w0")
    assert book.ends.get("r:w0") == (lf.AlertEnd(ended, 10) if ended else None)
    book.see(alert, 20.0)
    # It holds again: what kept it from being evaluated before that is no reason for its end.
    book.see(alert._replace(text=""), 25.0, clear_after=3, end=lf.AlertEnd("node down", 25.0))
    book.see(alert, 28.0)
    book.begin(True)
    book.see(alert._replace(text=""), 30.0, end=lf.AlertEnd("no metrics", 30.0))
    assert book.ends == {"r:w0": lf.AlertEnd("no metrics", 30.0)}


def test_an_alert_on_figures_is_not_resolved_by_its_node_going_down():
    load = rising_then(lambda load: load.cluster.answers.clear())
    [(text, reason)] = ends_of(load, "evictions_rising")
    assert (text[:27], reason) == ("Evictions are rising on w0:", "node down")
    events = load.cluster.monitor.events.query()["events"]
    (alert,) = [event for event in events if event.get("rule") == "evictions_rising"]
    (down,) = [event for event in events if event["kind"] == "node_down"]
    assert alert["until"] == down["time"], "it is not active while its node is down"
    load.cluster.answers["w0"] = {}
    assert "evictions_rising" in load.run(400, evictions=40)[-1]
    load.run(400)
    assert [reason for _, reason in ends_of(load, "evictions_rising")] == ["node down", None]


def test_an_alert_on_figures_is_not_resolved_by_a_page_without_metrics():
    def refuse(load):
        load.cluster.answers["w0"]["/metrics"] = (500, b"")

    [(_, reason)] = ends_of(rising_then(refuse), "evictions_rising")
    assert reason == "no metrics"


def test_an_alert_of_a_node_that_is_removed_is_not_resolved():
    load = Load()
    load.run(20)
    load.cluster.answers.clear()
    load.cluster.round(times=3)
    load.cluster.set_nodes([])
    load.cluster.round()
    assert ends_of(load, "node_down") == [("w0 is unreachable: connection refused", "node removed")]


def test_no_alert_on_figures_begins_while_its_node_is_down():
    load = Load()
    load.run(2100)
    load.run(20, evictions=400)
    load.cluster.answers.clear()
    load.cluster.round(times=6)
    assert load.cluster.alerts() == ["down:w0"]


@pytest.mark.parametrize(
    "silent, then, reason",
    [("w1", b'{"a": 2}', "nodes down"), (None, b'{"a": 1}', None), ("w2", b'{"a": 1}', None)],
)
def test_settings_that_differ_are_not_resolved_by_a_worker_that_goes_down(silent, then, reason):
    page = b'lmcache:num_lookup_tokens_total{role="worker",worker_id="%d",model_name="m"} 1\n'
    confs = enumerate([b'{"a": 1}', b'{"a": 2}', b'{"a": 1}'])
    answers = {"w%d" % n: {"/metrics": page % n, "/conf": conf} for n, conf in confs}
    load = Load()
    load.cluster = Cluster(answers)
    load.cluster.round(70, times=2)
    assert [alert["rule"] for alert in load.cluster.monitor.status()["alerts"]] == ["config_drift"]
    load.cluster.answers["w1"]["/conf"] = then
    if silent:
        del load.cluster.answers[silent]
    load.cluster.round(70, times=3)
    assert [found for _, found in ends_of(load, "config_drift")] == [reason]


def workers(*confs):
    """An instance whose workers w0, w1 ... have these settings; alerts and changes are seen."""
    page = b'lmcache:num_lookup_tokens_total{role="worker",worker_id="%d",model_name="m"} 1\n'
    answers = {"w%d" % n: {"/metrics": page % n, "/conf": conf} for n, conf in enumerate(confs)}
    cluster = Cluster(answers)
    cluster.round(times=2)
    return cluster


def set_through_us(cluster, name, **settings):
    """Change settings of a node through the frontend."""
    cluster.monitor.events.action("POST", f"/proxy2/{name}/conf", 200, "local", "127.0.0.1", name)
    cluster.monitor.watched.expect_change(name)
    set_elsewhere(cluster, name, **settings)


def set_elsewhere(cluster, name, **settings):
    answers = cluster.answers[name]
    answers["/conf"] = {**answers["/conf"], **settings}


def differences(cluster):
    texts = [alert["text"] for alert in cluster.monitor.status()["alerts"]]
    return [text.split(": ")[1] for text in texts if "differ in their configuration" in text]


def test_a_rollout_through_the_frontend_is_no_difference_for_ten_minutes():
    cluster = workers({"a": 1, "b": 1}, {"a": 1, "b": 1})
    set_through_us(cluster, "w0", a=2)
    cluster.round(lf.ROLLOUT_SECONDS - 1)
    assert differences(cluster) == []
    cluster.round(1)
    assert differences(cluster) == ["a"]
    # A difference that is told already stays, whoever changes more.
    set_through_us(cluster, "w0", b=2)
    cluster.round()
    assert differences(cluster) == ["a, b"]
    for name in ("w0", "w1"):
        set_through_us(cluster, name, a=1, b=1)
    cluster.round(times=2)
    assert differences(cluster) == []


def test_a_rollout_that_goes_on_has_ten_minutes_from_its_last_change():
    cluster = workers({"a": 1}, {"a": 1}, {"a": 1})
    for name in ("w0", "w1"):
        set_through_us(cluster, name, a=2)
        cluster.round(lf.ROLLOUT_SECONDS - 1)
        assert differences(cluster) == []
    cluster.round(1)
    assert differences(cluster) == ["a"]


@pytest.mark.parametrize("by_us", [True, False])
def test_a_rollout_goes_on_after_a_restart_of_a_frontend_that_keeps_its_events(by_us):
    cluster = workers({"a": 1}, {"a": 1})
    (set_through_us if by_us else set_elsewhere)(cluster, "w0", a=2)
    cluster.round(70)
    later = Cluster(cluster.answers)
    later.clock.now = cluster.clock.now
    kept = cluster.monitor.events.changed_since(0)
    later.monitor.events.restore(kept, cluster.clock.wall())
    later.round(70)
    assert differences(later) == ([] if by_us else ["a"])
    later.round(lf.ROLLOUT_SECONDS - 141)
    assert differences(later) == ([] if by_us else ["a"])
    later.round(1)
    assert differences(later) == ["a"]


def test_settings_that_were_changed_long_ago_are_not_remembered():
    state = node_state()
    state.note_changed_here(["a", "b"], 1000.0)
    state.note_changed_here(["b"], 1000.0 + lf.ROLLOUT_SECONDS - 1)
    assert set(state.changed_here) == {"a", "b"}
    state.note_changed_here(["c"], 1000.0 + lf.ROLLOUT_SECONDS)
    assert set(state.changed_here) == {"b", "c"}


def test_a_difference_that_came_from_elsewhere_is_told_at_once_also_beside_a_rollout():
    cluster = workers({"a": 1, "b": 1}, {"a": 1, "b": 1})
    set_elsewhere(cluster, "w1", b=2)
    cluster.round(70)
    assert differences(cluster) == ["b"]
    set_elsewhere(cluster, "w1", b=1)
    cluster.round(70, times=2)
    assert differences(cluster) == []
    set_through_us(cluster, "w0", a=2)
    cluster.round()
    set_elsewhere(cluster, "w1", b=2)
    cluster.round(70)
    assert differences(cluster) == ["a, b"]


# -- the table


def test_every_rule_has_words_for_several_nodes_and_says_what_to_do():
    assert all(rule.phrase for rule in lf.RULES)
    rules = [*(rule.name for rule in lf.RULES), *lf.CLUSTER_RULES]
    assert sorted(lf.REMEDIES) == sorted([*rules, *lf.SERVICE_ALERTS])


def test_the_longest_setting_name_that_is_compared():
    assert lf.flat_settings({"x" * lf.MAX_SETTING_NAME: 1})
    assert not lf.flat_settings({"x" * (lf.MAX_SETTING_NAME + 1): 1})
