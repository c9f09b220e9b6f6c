"""The rules for Prometheus say what our own rules say: the same shapes, through both."""

import collections
import json
import re
import subprocess

import pytest
from support import prometheus_files
from support.cluster import Cluster
from support.prometheus import find_program

import lmcache_frontend as lf

USUAL = {
    **{"tokens": 1000, "hits": 800, "requested": 700, "hit": 600, "requests": 5, "stored": 400},
    **{"evictions": 1, "failures": 0, "unpinned": 0, "written": 5000},
    **{"ping_errors": 0, "pings": 0.1, "submitted": 2, "finished": 2, "l2_chunks": 3},
}
WORKER = """\
lmcache:num_lookup_tokens_total{role="worker"} %(tokens)g
lmcache:num_lookup_hits_total{role="worker"} %(hits)g
lmcache:num_requested_tokens_total{role="worker"} %(requested)g
lmcache:num_hit_tokens_total{role="worker"} %(hit)g
lmcache:num_lookup_requests_total{role="worker"} %(requests)g
lmcache:num_stored_tokens_total{role="worker"} %(stored)g
lmcache:local_cpu_evict_keys_count_total{role="worker"} %(evictions)g
lmcache:put_failed_count{role="worker"} %(failures)g
lmcache:get_blocking_failed_count{role="worker"} 0
lmcache:forced_unpin_count_total{role="worker"} %(unpinned)g
lmcache:num_remote_write_bytes_total{role="worker"} %(written)g
lmcache:remote_ping_errors_total{role="worker"} %(ping_errors)g
lmcache:remote_ping_successes_total{role="worker"} %(pings)g
"""
SERVER = """\
lmcache_mp_lookup_requested_tokens_total %(tokens)g
lmcache_mp_lookup_hit_tokens_total %(hits)g
lmcache_mp_lookups_requests_total %(requests)g
lmcache_mp_l1_evicted_chunks_total %(evictions)g
lmcache_mp_l2_prefetch_load_submitted_requests_total %(submitted)g
lmcache_mp_l2_load_completed_requests_total %(finished)g
lmcache_mp_l2_store_submitted_requests_total %(submitted)g
lmcache_mp_l2_store_completed_objects_chunks_total %(l2_chunks)g
"""
PAST, LOAD, AFTER = 2100, 600, 1200  # seconds


class Shape(collections.namedtuple("Shape", "rule page rates holds after")):
    """A load that comes after 35 minutes of the usual one, and whether the rule holds then.

    ``after`` are the rates that end it, beside the usual ones.
    """

    def __new__(cls, rule, page, rates, holds, after=()):
        return super().__new__(cls, rule, page, rates, holds, dict(after))


SHAPES = (
    Shape("hit_rate_halved", WORKER, {"hits": 50}, True),
    Shape("hit_rate_halved", WORKER, {"hits": 450}, False),
    Shape("hit_rate_halved", WORKER, {"hits": 0, "tokens": 50}, False),
    Shape("hit_rate_halved", WORKER, {"hit": 50}, True),
    Shape("hit_rate_halved", SERVER, {"hits": 50}, True),
    Shape("evictions_rising", WORKER, {"evictions": 40}, True),
    Shape("evictions_rising", WORKER, {"evictions": 2.5}, False),
    Shape("evictions_rising", SERVER, {"evictions": 40}, True),
    Shape("failures_rising", WORKER, {"failures": 1}, True),
    Shape("failures_rising", WORKER, {"failures": 0.01}, False),
    Shape("timeouts_rising", WORKER, {"unpinned": 1}, True),
    Shape("timeouts_rising", WORKER, {"unpinned": 0.01}, False),
    Shape("l2_loads_growing", SERVER, {"finished": 1.8}, True, {"finished": 2.1}),
    Shape("l2_loads_growing", SERVER, {"finished": 1.99}, False),
    Shape("remote_stores_stalled", WORKER, {"written": 0}, True),
    Shape("remote_stores_stalled", WORKER, {"written": 10}, False),
    Shape("remote_stores_stalled", WORKER, {"written": 0, "stored": 0}, False),
    Shape("remote_stores_stalled", SERVER, {"l2_chunks": 0}, True),
    Shape("remote_failing", WORKER, {"ping_errors": 0.1, "pings": 0}, True),
    Shape("remote_failing", WORKER, {"ping_errors": 0.1, "pings": 0.1}, False),
    Shape("node_down", None, {}, True),
    Shape("node_flapping", "flapping", {}, True),
)
# Rules that look at what is now: one look each is enough.
GAUGES = (
    ("thread_stalled", "lmcache:periodic_threads_critical_total 4", 1),
    ("node_degraded", "lmcache:lmcache_is_healthy 0", 1),
    ("node_degraded", "lmcache_frontend_node_latency_seconds 2.1", 1),
    ("node_degraded", "lmcache_frontend_node_latency_seconds 2", 0),
)


def pages_of(shape):
    """The pages of one node every 10 s; None where it does not answer."""
    counts = collections.Counter()
    for number in range((PAST + LOAD + AFTER) // 10):
        is_past, is_loaded = number * 10 < PAST, 0 <= number * 10 - PAST < LOAD
        changed = {} if is_past else shape.rates if is_loaded else shape.after
        for name, rate in {**USUAL, **changed}.items():
            counts[name] += 10 * rate
        page = WORKER if shape.page in (None, "flapping") else shape.page
        is_away = shape.page is None or (shape.page == "flapping" and number // 6 % 2)
        yield None if is_loaded and is_away else (page % counts).encode()


def times_of_our_alert(shape):
    """The polls after which our own alert lasts, by number."""
    cluster = Cluster({"w0": {}})
    found = []
    for number, page in enumerate(pages_of(shape)):
        cluster.answers.pop("w0", None)
        if page is not None:
            cluster.answers["w0"] = {"/metrics": page}
        if shape.rule in {alert["rule"] for alert in cluster.round()["alerts"]}:
            found.append(number)
    return found


def series_of(pages):
    """The pages as promtool's input: {series: [value or "_" where there is none]}."""
    pages = list(pages)
    names = frozenset(line.split("{")[0].split(" ")[0] for line in (WORKER + SERVER).split("\n"))
    wanted = frozenset(name.encode() for name in names)
    series = {}
    for number, page in enumerate(pages):
        up = series.setdefault('lmcache_frontend_node_up{node="w0"}', ["_"] * len(pages))
        up[number] = int(page is not None)
        for sample in lf.read_samples(page or b"", wanted):
            labels = "".join(', %s="%s"' % pair for pair in sample.labels.items())
            name = '%s{node="w0"%s}' % (sample.name.decode(), labels)
            series.setdefault(name, ["_"] * len(pages))[number] = sample.value
    return series


def rules_of(names):
    """The part of our rules that these alerts need: to evaluate all of them takes far longer."""
    text = prometheus_files.RULES_FILE.read_text()
    head, *parts = re.split(r"^(?=      - (?:record|alert): )", text, flags=re.MULTILINE)
    named = {part.split()[2]: part for part in parts}
    kept, found = set(), set(names)
    while found:
        kept |= found
        used = "".join(named[name] for name in kept)
        found = {name for name in named if name in used and name not in kept}
    return head + "".join(part for name, part in named.items() if name in kept)


def run_promtool(folder, tests):
    """Run promtool's unit tests on our rules; each is (series, {seconds: (rule, firing)})."""
    names = {rule for _, expected in tests for _, rule, _ in expected}
    (folder / "rules.yml").write_text(rules_of(names))
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "10s",
        "tests": [
            {
                "interval": "10s",
                "input_series": [
                    {"series": name, "values": " ".join(map(str, values))}
                    for name, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count(ALERTS{alertname="%s",alertstate="firing"}) or vector(0)'
                        % rule,
                        "eval_time": "%ds" % seconds,
                        "exp_samples": [{"labels": "{}", "value": firing}],
                    }
                    for seconds, rule, firing in expected
                ],
            }
            for series, expected in tests
        ],
    }
    path = folder / "rules_test.yml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return subprocess.run(
        [find_program("promtool"), "test", "rules", str(path)], capture_output=True, text=True
    )


def test_the_files_say_what_the_tables_say():
    assert prometheus_files.RULES_FILE.read_text() == prometheus_files.rules_text()
    assert prometheus_files.DASHBOARD_FILE.read_text() == prometheus_files.dashboard_text()


def test_the_frontend_serves_the_files(front):
    for path, text in (
        ("/static/prometheus/rules.yml", prometheus_files.rules_text()),
        ("/static/grafana/lmcache-frontend.json", prometheus_files.dashboard_text()),
    ):
        answer = front.ask(path)
        assert answer.status == 200 and answer.body.decode() == text


def test_every_figure_that_is_made_of_metrics_is_on_the_dashboard():
    rows = prometheus_files.ROWS.values()
    shown = {prometheus_files.FIGURES[name].of for names in rows for name in names}
    histograms = {of[0] for of in shown}
    for figure in lf.FIGURES:
        is_shown = figure.of in shown or figure.kind == lf.QUANTILE and figure.of[0] in histograms
        is_metric = prometheus_files.figure(figure.name) is not None
        is_left_out = figure.name in prometheus_files.NOT_SHOWN
        assert is_shown is (is_metric and not is_left_out), figure.name


def test_prometheus_accepts_the_rules():
    command = [find_program("promtool"), "check", "rules", str(prometheus_files.RULES_FILE)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_rule_is_there_or_known_to_be_the_frontends_alone():
    names, there = {rule.name for rule in lf.RULES}, set(prometheus_files.rules())
    assert there | set(prometheus_files.ONLY_IN_THE_FRONTEND) == names | set(lf.CLUSTER_RULES)
    assert not there & set(prometheus_files.ONLY_IN_THE_FRONTEND)
    tried = {shape.rule for shape in SHAPES if shape.holds} | {rule for rule, *_ in GAUGES}
    assert tried | {"node_restarting", "version_mix", "frontend_overloaded"} == there


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "%s %s" % (shape.rule, shape.rates))
def test_a_shape_alarms_in_prometheus_when_it_alarms_here(shape, tmp_path):
    ours = times_of_our_alert(shape)
    assert bool(ours) is shape.holds
    end = PAST + LOAD + AFTER - 10
    expected = [(PAST - 10, shape.rule, 0), (end, shape.rule, 0)]
    if shape.holds:
        # Windows are not filled in the same moment: a minute on each side of ours.
        begins, ends = ours[0] * 10, ours[-1] * 10
        assert PAST <= begins < PAST + LOAD and ends < end
        expected += [(begins - 60, shape.rule, 0), (begins + 60, shape.rule, 1)]
        expected += [(ends - 60, shape.rule, 1), (min(end, ends + 90), shape.rule, 0)]
    else:
        expected += [(seconds, shape.rule, 0) for seconds in range(PAST, end, 30)]
    run = run_promtool(tmp_path, [(series_of(pages_of(shape)), sorted(expected))])
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("rule, line, firing", GAUGES)
def test_rules_about_what_is_now_look_at_the_gauge(rule, line, firing, tmp_path):
    name, value = line.split(" ")
    series = {'%s{node="w0"}' % name: [value] * 10}
    if rule == "thread_stalled":
        series['lmcache:periodic_threads_critical_active{node="w0"}'] = [3] * 10
    run = run_promtool(tmp_path, [(series, [(60, rule, firing)])])
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("before, then, firing", [(2.1, 1.5, 1), (2.1, 1.4, 0), (1.9, 1.9, 0)])
def test_a_slow_node_is_degraded_in_prometheus_too_until_it_is_clearly_faster(
    before, then, firing, tmp_path
):
    series = {'lmcache_frontend_node_latency_seconds{node="w0"}': [before] * 10 + [then] * 20}
    run = run_promtool(tmp_path, [(series, [(200, "node_degraded", firing)])])
    assert run.returncode == 0, run.stdout + run.stderr


RESTARTS = 'lmcache_frontend_node_restarts_total{node="w0"}'


@pytest.mark.slow
@pytest.mark.parametrize("again, firing", [(60, 1), (89, 1), (92, 0)])
def test_two_restarts_in_a_quarter_of_an_hour_alarm_until_there_was_none_for_as_long(
    again, firing, tmp_path
):
    """``again`` is how many scrapes of 10 s lie between the first restart and the second."""
    counts = [0] * 30 + [1] * again + [2] * 120
    begun = (30 + again) * 10
    expected = [(begun - 10, 0), (begun + 30, firing), (begun + 880, firing), (begun + 920, 0)]
    looks = [(seconds, "node_restarting", value) for seconds, value in expected]
    run = run_promtool(tmp_path, [({RESTARTS: counts}, looks)])
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_a_node_that_restarts_again_and_again_is_not_flapping_in_prometheus_either(tmp_path):
    up = ([1] * 5 + [0]) * 10
    series = {'lmcache_frontend_node_up{node="w0"}': up}
    assert run_promtool(tmp_path, [(series, [(590, "node_flapping", 1)])]).returncode == 0
    series[RESTARTS] = [number // 6 for number in range(60)]
    run = run_promtool(tmp_path, [(series, [(590, "node_flapping", 0)])])
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, version, up, firing",
    [
        ("worker", "0.5.6", 1, 1),
        ("worker", "0.5.5", 1, 0),
        ("engine", "0.5.6", 1, 0),
        ("worker", "", 1, 0),
        ("worker", "0.5.6", 0, 0),
    ],
)
def test_nodes_of_different_versions_that_are_up_alarm(kind, version, up, firing, tmp_path):
    info = 'lmcache_frontend_node_info{node="%s", kind="%s", version="%s"}'
    series = {
        info % ("w0", "worker", "0.5.5"): [1] * 20,
        info % ("w1", kind, version): [1] * 20,
        'lmcache_frontend_node_up{node="w0"}': [1] * 20,
        'lmcache_frontend_node_up{node="w1"}': [up] * 20,
    }
    run = run_promtool(tmp_path, [(series, [(100, "version_mix", firing)])])
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("total, slow, firing", [(20, 4, 1), (20, 3, 0), (19, 19, 0)])
def test_many_slow_nodes_are_one_alert_in_prometheus_too(total, slow, firing, tmp_path):
    def look(pattern):
        """The latency of each node is slow while ``pattern`` has a number above its own."""
        name = 'lmcache_frontend_node_latency_seconds{node="n%d"}'
        times = [[3 if number < count else 0.1 for count in pattern] for number in range(total)]
        return {name % number: values for number, values in enumerate(times)}

    expected = [(90, "frontend_overloaded", firing)]
    expected += [(90, "node_degraded", 0 if firing else slow)]
    tests = [(look([0] * 5 + [slow] * 15), expected)]
    if firing:
        # It ends below a tenth, and not before.
        after = [(190, "frontend_overloaded", 1), (390, "frontend_overloaded", 0)]
        tests.append((look([0] * 5 + [slow] * 10 + [2] * 15 + [1] * 15), after))
    run = run_promtool(tmp_path, tests)
    assert run.returncode == 0, run.stdout + run.stderr
