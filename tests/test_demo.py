"""The demo cluster.

Its answers have LMCache's shapes, its changes take effect, its metrics could be true.
"""

import http.client
import json
import os
import re
import socket
import threading

import lmcache_frontend as lf
import pytest
from support.frontend import wait_for

TEXT, JSON = "text/plain; charset=utf-8", "application/json"
SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(\{(?:[a-z_]\w*="[^"\\]*",?)*\})? (-?[0-9][0-9.e+-]*)')


class Client(http.client.HTTPConnection):
    """A connection to a demo node, over TCP or its Unix socket."""

    def __init__(self, port):
        super().__init__("127.0.0.1", port if isinstance(port, int) else 80, timeout=5)
        self.path = port

    def connect(self):
        if isinstance(self.path, int):
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1.8e9

    def __call__(self):
        return self.now


@pytest.fixture
def time_():
    return Time()


@pytest.fixture
def cluster(time_):
    """A demo cluster without sockets, whose time the test moves."""
    return lf.DemoCluster(clock=time_)


@pytest.fixture(scope="module")
def served():
    """A demo cluster that listens: (cluster, {name: port})."""
    cluster = lf.DemoCluster(failing=False)
    ports = {entry["name"]: entry["port"] for entry in cluster.start()}
    yield cluster, ports
    cluster.stop()


def node_of(cluster, role, worker=0):
    return next(node for node in cluster.nodes if (node.role, node.worker) == (role, worker))


def ask(port, method, path, body=None):
    """One request on its own connection; returns (status, content type, text)."""
    client = Client(port)
    try:
        client.request(method, path, body)
        response = client.getresponse()
        return response.status, response.getheader("content-type"), response.read().decode()
    finally:
        client.close()


def samples(node):
    """A node's metrics as {sample name with labels: value}."""
    found = {}
    for line in str(node.answer("GET", "/metrics", b"").value).splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name not in found, name
            found[name] = float(value)
    return found


def total(found, name):
    return sum(value for key, value in found.items() if key.partition("{")[0] == name)


WORKER_ANSWERS = [
    ("GET", "/version", None, 200, JSON, None),
    ("GET", "/lmc_version", None, 200, JSON, None),
    ("GET", "/commit_id", None, 200, JSON, None),
    ("GET", "/conf", None, 200, TEXT, None),
    ("GET", "/env", None, 200, TEXT, None),
    ("GET", "/threads", None, 200, TEXT, None),
    (
        "GET",
        "/meta",
        None,
        200,
        TEXT,
        {
            "chunk_size",
            "engine_id",
            "first_rank",
            "kv_connector_extra_config",
            "kv_dtype",
            "kv_layer_groups_manager",
            "kv_shape",
            "local_worker_id",
            "local_world_size",
            "model_name",
            "role",
            "served_model_name",
            "use_mla",
            "worker_id",
            "world_size",
        },
    ),
    ("GET", "/meta?names=model_name,worker_id", None, 200, TEXT, {"model_name", "worker_id"}),
    (
        "GET",
        "/conf?names=chunk_size,max_local_cpu_size,nosuch",
        None,
        200,
        TEXT,
        {"chunk_size", "max_local_cpu_size"},
    ),
    (
        "GET",
        "/inference_info",
        None,
        200,
        JSON,
        {"vllm_version", "lmcache_version", "vllm_config", "model_config", "cache_config"},
    ),
    ("GET", "/inference_version", None, 500, JSON, {"error", "message"}),
    ("GET", "/loglevel?logger_name=lmcache&level=loud", None, 400, TEXT, None),
    ("GET", "/loglevel?level=info", None, 200, JSON, None),
    ("GET", "/periodic-threads", None, 200, JSON, {"summary", "threads"}),
    ("GET", "/periodic-threads?level=urgent", None, 400, JSON, {"error"}),
    ("GET", "/periodic-threads/nosuch", None, 404, JSON, {"error"}),
    (
        "GET",
        "/periodic-threads-health",
        None,
        200,
        JSON,
        {"healthy", "unhealthy_count", "unhealthy_threads"},
    ),
    ("GET", "/backends", None, 200, JSON, {"LocalCPUBackend", "LocalDiskBackend", "RemoteBackend"}),
    ("GET", "/bypass/list", None, 200, JSON, {"status", "bypassed_backends", "all_backends"}),
    ("PUT", "/bypass/add", None, 400, JSON, {"error", "message"}),
    ("PUT", "/bypass/add?backend_name=Nope", None, 400, JSON, {"error", "message"}),
    ("GET", "/hot_cache/status", None, 200, JSON, {"status", "hot_cache", "message"}),
    ("GET", "/freeze/status", None, 200, JSON, {"status", "freeze", "message"}),
    ("GET", "/chunk_statistics/status", None, 503, JSON, {"error", "message"}),
    ("GET", "/lookup/info", None, 200, JSON, {"client", "server"}),
    ("GET", "/cache/kvcache/info", None, 200, JSON, {"status", "num_layers", "layers"}),
    ("GET", "/controller/workers", None, 503, JSON, {"detail"}),
    ("POST", "/conf", '{"nosuch": 1}', 400, JSON, {"updated", "errors"}),
    ("POST", "/conf", "{oops", 400, JSON, {"error", "message"}),
    ("POST", "/conf", "[1]", 400, JSON, {"error"}),
    ("PUT", "/conf", "{}", 405, JSON, {"detail"}),
    ("POST", "/run_script", "x", 404, TEXT, None),
    ("GET", "/no/such/path", None, 404, JSON, {"detail"}),
    ("POST", "/threads", None, 405, JSON, {"detail"}),
    ("GET", "/metrics", None, 200, TEXT, None),
]
SCHEDULER_ANSWERS = [
    ("GET", "/backends", None, 503, JSON, {"error", "message"}),
    ("GET", "/bypass/list", None, 503, JSON, {"error", "message"}),
    ("GET", "/hot_cache/status", None, 503, JSON, {"error", "message"}),
    ("PUT", "/freeze/enable", None, 503, JSON, {"error", "message"}),
    ("DELETE", "/cache/clear", None, 503, JSON, {"error", "message"}),
    ("GET", "/cache/kvcache/info", None, 404, JSON, {"error", "message"}),
    ("POST", "/bypass/add", None, 405, JSON, {"detail"}),
    (
        "GET",
        "/chunk_statistics/status",
        None,
        200,
        JSON,
        {
            "enabled",
            "total_requests",
            "timing",
            "total_chunks",
            "unique_chunks",
            "duplicate_chunks",
            "reuse_rate",
            "bloom_filter",
            "async_queue",
            "timestamp",
            "auto_exit_enabled",
            "auto_exit_timeout_hours",
            "auto_exit_target_unique_chunks",
        },
    ),
]
MP_ANSWERS = [
    ("GET", "/", None, 200, JSON, {"status", "service"}),
    ("GET", "/healthcheck", None, 200, JSON, {"status"}),
    (
        "GET",
        "/config",
        None,
        200,
        JSON,
        {"mp", "storage_manager", "observability", "http", "coordinator"},
    ),
    ("GET", "/config/adapters", None, 200, JSON, {"adapters"}),
    ("GET", "/quota", None, 200, JSON, {"users"}),
    (
        "GET",
        "/quota/nobody",
        None,
        200,
        JSON,
        {"cache_salt", "limit_gb", "current_usage_gb", "exists"},
    ),
    ("PUT", "/quota/user-a", '{"nosuch": 1}', 400, JSON, {"error"}),
    ("POST", "/cache/clear", None, 200, JSON, {"status", "cleared"}),
    ("POST", "/cache/clear", '{"tier": "l2"}', 400, JSON, {"detail"}),
    ("DELETE", "/cache/clear", None, 405, JSON, {"detail"}),
    ("GET", "/conf", None, 404, JSON, {"detail"}),
    ("GET", "/api/status", None, 404, JSON, {"detail"}),
]


@pytest.mark.parametrize(
    "node,method,path,body,status,kind,keys",
    [("demo_worker0", *case) for case in WORKER_ANSWERS]
    + [("demo_scheduler", *case) for case in SCHEDULER_ANSWERS]
    + [("demo_mp", *case) for case in MP_ANSWERS],
)
def test_an_answer_has_the_shape_of_lmcaches(served, node, method, path, body, status, kind, keys):
    answer = ask(served[1][node], method, path, body)
    assert answer[:2] == (status, kind)
    if keys is not None:
        assert set(json.loads(answer[2])) == keys


def test_a_405_names_the_methods_there_are(served):
    client = Client(served[1]["demo_worker0"])
    client.request("PUT", "/conf", b"{}")
    response = client.getresponse()
    assert (response.status, response.getheader("allow")) == (405, "GET, POST")
    client.close()


def test_the_configuration_holds_a_bare_infinity_as_lmcaches_does(served):
    text = ask(served[1]["demo_worker0"], "GET", "/conf")[2]
    assert '"pd_allocation_timeout_sec": Infinity' in text and len(json.loads(text)) == 108


def test_one_connection_answers_many_requests(served):
    client = Client(served[1]["demo_mp"])
    client.connect()
    first = client.sock
    for body in (None, b"x" * 3000, iter([b"chunk", b"ed"])):
        client.request("POST" if body else "GET", "/quota", body, encode_chunked=True)
        assert client.getresponse().read() in (b'{"users":{}}', b'{"detail":"Method Not Allowed"}')
    assert client.sock is first
    client.close()


def test_settings_that_are_changed_stay_changed_in_their_type(cluster):
    worker = node_of(cluster, "worker")
    answer = worker.answer(
        "POST",
        "/conf",
        b'{"min_retrieve_tokens": "512", "save_decode_cache": true, "nosuch": 1, '
        b'"chunk_size": "many"}',
    )
    assert answer.value == {
        "updated": {"min_retrieve_tokens": 512, "save_decode_cache": True},
        "errors": {"nosuch": "Unknown config", "chunk_size": "Failed to set config value"},
    }
    found = worker.answer(
        "GET", "/conf?names=min_retrieve_tokens,save_decode_cache,chunk_size", b""
    ).value
    assert found == {"min_retrieve_tokens": 512, "save_decode_cache": True, "chunk_size": 256}


def test_a_log_level_that_is_set_is_shown(cluster):
    worker = node_of(cluster, "worker")
    answer = worker.answer("GET", "/loglevel?logger_name=lmcache.v1.config&level=debug", b"")
    assert answer.value == "Set lmcache.v1.config level to DEBUG (including all handlers)"
    assert (
        worker.answer("GET", "/loglevel?logger_name=lmcache.v1.config", b"").value
        == "lmcache.v1.config: DEBUG"
    )
    assert "\nlmcache.v1.config: DEBUG\n" in worker.answer("GET", "/loglevel", b"").value


def test_switches_backends_and_bypasses_take_effect(cluster):
    worker = node_of(cluster, "worker")

    def do(method, path):
        return worker.answer(method, path, b"").value

    do("PUT", "/hot_cache/disable")
    assert (
        do("GET", "/hot_cache/status")["hot_cache"] is False
        and total(samples(worker), "lmcache:local_cache_usage") == 0
    )
    assert do("PUT", "/bypass/add?backend_name=RemoteBackend")["was_already_bypassed"] is False
    assert do("PUT", "/bypass/add?backend_name=RemoteBackend")["was_already_bypassed"] is True
    assert do("GET", "/bypass/list")["bypassed_backends"] == ["RemoteBackend"]
    assert do("PUT", "/bypass/remove?backend_name=RemoteBackend")["bypassed_backends"] == []
    assert list(do("DELETE", "/backends/RemoteBackend")["backends"]) == [
        "LocalCPUBackend",
        "LocalDiskBackend",
    ]
    assert worker.answer("DELETE", "/backends/RemoteBackend", b"").status == 404
    assert do("POST", "/backends")["created"] == {"RemoteBackend": "RemoteBackend"}
    assert do("POST", "/backends/LocalDiskBackend/recreate")["recreated"] == {
        "LocalDiskBackend": "LocalDiskBackend"
    }


def test_a_frozen_worker_stores_nothing_and_goes_on_answering(cluster, time_):
    worker = node_of(cluster, "worker")
    worker.answer("PUT", "/freeze/enable", b"")
    before = samples(worker)
    time_.now += 60
    after = samples(worker)
    assert (
        total(after, "lmcache:num_stored_tokens_total")
        == total(before, "lmcache:num_stored_tokens_total")
        > 0
    )
    assert total(after, "lmcache:num_hit_tokens_total") > total(
        before, "lmcache:num_hit_tokens_total"
    )
    worker.answer("PUT", "/freeze/disable", b"")
    time_.now += 60
    assert total(samples(worker), "lmcache:num_stored_tokens_total") > total(
        after, "lmcache:num_stored_tokens_total"
    )


def test_a_cleared_cache_fills_again_and_reset_metrics_start_at_zero(cluster, time_):
    worker = node_of(cluster, "worker")
    full = total(samples(worker), "lmcache:local_cache_usage")
    assert (
        worker.answer("DELETE", "/cache/clear?locations=LocalCPUBackend", b"").value["num_removed"]
        > 0
    )
    empty = total(samples(worker), "lmcache:local_cache_usage")
    worker.answer("POST", "/metrics/reset", b"")
    assert (
        total(samples(worker), "lmcache:num_lookup_tokens_total")
        == total(samples(worker), "lmcache:time_to_store_count")
        == 0
    )
    time_.now += 600
    assert empty < 0.1 * full < total(samples(worker), "lmcache:local_cache_usage")
    assert total(samples(worker), "lmcache:num_lookup_tokens_total") > 0


def test_chunk_statistics_count_while_they_run(cluster, time_):
    scheduler = node_of(cluster, "scheduler")

    def requests():
        return scheduler.answer("GET", "/chunk_statistics/status", b"").value["total_requests"]

    scheduler.answer("POST", "/chunk_statistics/stop", b"")
    before = requests()
    time_.now += 100
    assert requests() == before > 0
    scheduler.answer("POST", "/chunk_statistics/reset", b"")
    scheduler.answer("POST", "/chunk_statistics/start", b"")
    assert requests() == 0
    time_.now += 100
    assert requests() > 0


def test_quotas_are_kept(cluster):
    mp = node_of(cluster, "mp")
    assert mp.answer("PUT", "/quota/user-a", b'{"limit_gb": 0.5}').value == {
        "cache_salt": "user-a",
        "limit_gb": 0.5,
        "status": "ok",
    }
    assert mp.answer("GET", "/quota", b"").value == {
        "users": {"user-a": {"limit_gb": 0.5, "current_usage_gb": 0.0}}
    }
    mp.answer("DELETE", "/quota/user-a", b"")
    assert mp.answer("GET", "/quota/user-a", b"").value["exists"] is False


@pytest.mark.parametrize("role", ["scheduler", "worker", "mp"])
def test_metrics_are_a_valid_exposition(cluster, role):
    text = str(node_of(cluster, role).answer("GET", "/metrics", b"").value)
    family, seen = "", set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in seen, family
            seen.add(family)
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == family and line.split(" ")[3] in (
                "counter",
                "gauge",
                "histogram",
            )
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert re.fullmatch(re.escape(family) + "(_bucket|_count|_sum)?", found.group(1)), line
    assert text.endswith("\n") and len(seen) > 30


@pytest.mark.parametrize("role", ["worker", "mp"])
def test_over_hours_counters_never_fall_and_histograms_add_up(cluster, time_, role):
    node = node_of(cluster, role)
    gauges = set(re.findall(r"# TYPE (\S+) gauge", str(node.answer("GET", "/metrics", b"").value)))
    time_.now -= lf.DEMO_AGE - 1
    before = samples(node)
    for _ in range(400):
        time_.now += 47
        now = samples(node)
        fallen = [
            name
            for name, value in now.items()
            if value < before[name] and name.partition("{")[0] not in gauges
        ]
        assert not fallen, fallen
        for name, value in now.items():
            series = name.replace("_bucket{", "_count{")
            if ',le="+Inf"' in name or '{le="+Inf"' in name:
                assert value == now[re.sub(r',?le="\+Inf"', "", series)]
        before = now
    for name in [name for name in before if name.endswith("_sum}") or "_sum{" in name]:
        count = before[name.replace("_sum{", "_count{")]
        assert 0 < before[name] / count < 1e6


def test_within_one_histogram_the_buckets_grow(cluster):
    last = ("", 0.0)
    for name, value in samples(node_of(cluster, "worker")).items():
        if "_bucket{" in name:
            series = name.partition("{")[0]
            assert series != last[0] or value >= last[1], name
            last = (series, value)


def test_hit_rates_warm_up_fall_in_a_storm_and_stay_between_0_and_1(cluster, time_):
    worker, born = node_of(cluster, "worker"), cluster.birth
    rates = {}
    for age in range(10, 20000, 10):
        time_.now = born + age
        rates[age] = worker.basis()["k"]
        assert 0 < rates[age] < 1 and 0 < worker.basis()["r"] < 1 and 0 <= worker.basis()["f"] <= 1
    storm = int(lf.DEMO_STORM[0] + 50)
    assert rates[10] < 0.4 < 0.6 < rates[3600]
    assert rates[storm] < rates[storm - 100] - 0.25


def test_a_slow_hour_shows_in_the_tail_of_the_latency(cluster, time_):
    worker = node_of(cluster, "worker")

    def slow_share():
        first = samples(worker)
        time_.now += 120
        then = samples(worker)
        names = [
            next(
                name
                for name in first
                if name.startswith("lmcache:time_to_retrieve_bucket") and 'le="%s"' % le in name
            )
            for le in ("0.1", "+Inf")
        ]
        fast, all_ = [then[name] - first[name] for name in names]
        return 1 - fast / all_

    usual = slow_share()
    time_.now = cluster.birth + lf.DEMO_SLOW[0] + 60
    assert slow_share() > usual + 0.1


def test_figures_are_the_same_for_the_same_seed_and_time(time_):
    def page(seed):
        return lf.DemoCluster(seed=seed, clock=time_).nodes[1].answer("GET", "/metrics", b"").value

    assert page(1) == page(1) != page(2)


def test_one_worker_is_away_now_and_then_and_comes_back_unhealthy_first(time_):
    cluster = lf.DemoCluster(clock=time_)
    ports = {entry["name"]: entry["port"] for entry in cluster.start()}
    port, worker = ports["demo_worker1"], node_of(cluster, "worker", 1)
    try:
        client = Client(port)
        client.request("GET", "/version")
        assert client.getresponse().read()
        time_.now = cluster.birth + lf.DEMO_OUTAGE[0] + 1

        def refuses():
            """the worker's server is away"""
            try:
                ask(port, "GET", "/version")
            except OSError:
                return True

        wait_for(refuses)
        assert client.sock.recv(1) == b"", "its connections are gone too"
        client.close()
        assert ask(ports["demo_worker0"], "GET", "/version")[0] == 200
        time_.now += lf.DEMO_OUTAGE[2]
        wait_for(lambda: not refuses())
        assert total(samples(worker), "lmcache:lmcache_is_healthy") == 0
        assert json.loads(ask(port, "GET", "/periodic-threads-health")[2])["healthy"] is False
        time_.now += lf.DEMO_RECOVERY
        assert total(samples(worker), "lmcache:lmcache_is_healthy") == 1
    finally:
        cluster.stop()


def test_sixty_instances_need_one_thread_and_leave_nothing_behind():
    before = threading.active_count()
    cluster = lf.DemoCluster(60, workers=3, failing=False)
    entries = cluster.start()
    directory = cluster.directory
    try:
        assert len(entries) == len({entry["name"] for entry in entries}) == 241
        clients = [Client(entry["port"]) for entry in entries]
        for client in clients:
            client.request("GET", "/version")
        assert all(client.getresponse().read() for client in clients)
        assert threading.active_count() == before + 1
        assert max(len(str(entry["port"])) for entry in entries) < 104
        for client in clients:
            client.close()
    finally:
        cluster.stop()
    assert threading.active_count() == before and not os.path.exists(directory)


def test_the_demo_option_serves_a_cluster(start):
    front = start("--demo")
    names = [child["name"] for child in front.ask("/api/nodes").json()["nodes"][0]["children"]]
    assert names == ["demo_scheduler", "demo_worker0", "demo_worker1", "demo_worker2", "demo_mp"]
    assert front.ask("/proxy2/demo_worker0/version").body == b'"0.5.6-g3e11e108"'
    assert front.ask("/proxy2/demo_mp/healthcheck").json() == {"status": "healthy"}
    directory = os.path.dirname(front.ask("/api/nodes").json()["nodes"][0]["children"][0]["port"])
    assert os.path.isdir(directory)
    assert front.stop() == 0 and not os.path.exists(directory)
