"""The demo cluster: its answers have LMCache's shapes, and its metrics could be true."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import lmcache_frontend as lf
import pytest
from support.cluster import Cluster
from support.frontend import PROGRAM, Frontend, wait_for

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


def test_a_request_that_is_served_before_the_replay_begins_polls_nobody(monkeypatch):
    """It would be a round of the present, and alerts would count it with those of the past."""
    started = []
    monkeypatch.setattr(lf, "start_thread", lambda *arguments: started.append(arguments))
    demo = lf.DemoCluster()
    cluster = Cluster({node.name: Paths(node) for node in demo.nodes}, interval=0)
    lf.DemoReplay(demo).start(cluster.monitor, 0.0)
    cluster.monitor.refresh()
    assert cluster.monitor.status()["counts"]["unknown"] == len(demo.nodes)
    assert [arguments[0] for arguments in started] == ["demo replay"]


@pytest.fixture(scope="module")
def served():
    """A demo cluster that listens and where all is well: {name: port}."""
    cluster = lf.DemoCluster(story=False)
    yield {entry["name"]: entry["port"] for entry in cluster.start()}
    cluster.stop()


def node_of(cluster, name):
    return next(node for node in cluster.nodes if node.name == name)


def ask(port, method, path, body=None):
    """One request on its own connection; returns (status, content type, text)."""
    client = Client(port)
    try:
        client.request(method, path, body)
        response = client.getresponse()
        return response.status, response.getheader("content-type"), response.read().decode()
    finally:
        client.close()


def get(node, path, method="GET", body=b""):
    """What a node answers just now, without a socket."""
    return node.respond(method, path, body, node.process.cluster.clock())


def samples(node):
    """A node's metrics as {sample name with labels: value}."""
    found = {}
    for line in "".join(get(node, "/metrics").body).splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name not in found, name
            found[name] = float(value)
    return found


def total(found, name):
    return sum(value for key, value in found.items() if key.partition("{")[0] == name)


def growth(node, time_, names, seconds=60):
    """What counters grew by per second during the next seconds."""
    before = samples(node)
    time_.now += seconds
    after = samples(node)
    return [(total(after, name) - total(before, name)) / seconds for name in names]


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


ENGINE_ANSWERS = [
    ("GET", "/version", None, 200, JSON, {"version"}),
    ("GET", "/v1/models", None, 200, JSON, {"object", "data"}),
    ("GET", "/health", None, 200, TEXT, None),
    ("GET", "/conf", None, 404, JSON, {"detail"}),
]
COORDINATOR_ANSWERS = [
    ("GET", "/healthz", None, 200, JSON, {"status"}),
    ("GET", "/instances", None, 200, JSON, {"instances"}),
    ("GET", "/instances/usage", None, 200, JSON, {"instances", "shared_modules"}),
    ("GET", "/directory/keys", None, 200, JSON, {"total", "keys"}),
    ("POST", "/directory/lookup", '{"keys": []}', 200, JSON, {"chunks", "results"}),
    ("POST", "/cache/pins", "{}", 200, JSON, {"requested", "affected", "status"}),
    ("GET", "/version", None, 404, JSON, {"detail"}),
]


@pytest.mark.parametrize(
    "node,method,path,body,status,kind,keys",
    [("llama70b-b_worker0", *case) for case in WORKER_ANSWERS]
    + [("llama70b-b_scheduler", *case) for case in SCHEDULER_ANSWERS]
    + [("mp-0", *case) for case in MP_ANSWERS]
    + [("llama70b-a_api", *case) for case in ENGINE_ANSWERS]
    + [("coordinator", *case) for case in COORDINATOR_ANSWERS],
)
def test_an_answer_has_the_shape_of_lmcaches(served, node, method, path, body, status, kind, keys):
    answer = ask(served[node], method, path, body)
    assert answer[:2] == (status, kind)
    if keys is not None:
        assert set(json.loads(answer[2])) == keys


def test_operations_on_the_cache_are_answered_for_what_was_asked(served):
    def sent(node, method, path, **body):
        return json.loads(ask(served[node], method, path, json.dumps(body))[2])

    prompt = {"token_ids": list(range(4 * 256 + 10)), "model_name": "m", "world_size": 4}
    for method in ("POST", "DELETE"):
        answer = sent("coordinator", method, "/cache/pins", **prompt)
        assert (answer["requested"], answer["affected"]) == (4, 4)
    answers = []
    for count, server in ((4, "mp-0"), (8, "mp-1")):
        prompt["token_ids"] = list(range(count * 256))
        for path in ("/cache/prefetches", "/cache/delete"):
            answer = sent("coordinator", "POST", path, instance_id=server, **prompt)
            assert answer["instance_id"] == server
            assert answer.get("chunks", answer.get("requested")) == count
            answers.append(answer.get("request_id"))
    assert answers[0] != answers[2]
    sums = sent("mp-0", "POST", "/cache/checksums", block_ids=[0, 1, 5], chunk_size=256)
    assert len(set(sums["checksums"])) == 3
    again = sent("mp-0", "POST", "/cache/checksums", block_ids=[5], chunk_size=256)
    assert again["checksums"] == sums["checksums"][2:]


def test_a_prompt_is_located_by_its_whole_chunks_and_not_all_are_cached(served):
    def found(tokens, world_size=4):
        asked = {"model_name": "Qwen/Qwen3-32B", "world_size": world_size, "cache_salt": ""}
        body = json.dumps({**asked, "token_ids": list(range(tokens))})
        answer = json.loads(ask(served["coordinator"], "POST", "/directory/lookup", body)[2])
        results = answer["results"]
        cached = {one["key"]["chunk_hash_hex"] for one in results if one["placements"]}
        return answer["chunks"], len(results), len(cached)

    assert found(255) == (0, 0, 0)
    assert found(256)[:2] == (1, 4)
    chunks, results, cached = found(4100)
    assert (chunks, results) == (16, 64) and 0 < cached < 16
    assert found(4100, world_size=1) == (16, 64, 0)


def test_a_405_names_the_methods_there_are(served):
    client = Client(served["llama70b-b_worker0"])
    client.request("PUT", "/conf", b"{}")
    response = client.getresponse()
    assert (response.status, response.getheader("allow")) == (405, "GET, POST")
    client.close()


def test_a_head_has_the_fields_of_a_get_and_no_body(served):
    client = Client(served["llama70b-b_worker0"])
    for method, length in (("HEAD", 0), ("GET", 17)):
        client.request(method, "/version")
        response = client.getresponse()
        assert (response.status, response.getheader("content-length")) == (200, "17")
        assert len(response.read()) == length
    client.close()


def test_a_client_that_waits_for_100_continue_gets_it_at_once(served):
    client = Client(served["llama70b-b_worker0"])
    client.connect()
    fields = b"Host: w0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    client.sock.sendall(b"PUT /conf HTTP/1.1\r\n" + fields)
    assert client.sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sock.sendall(b"{}")
    assert client.sock.recv(1000).startswith(b"HTTP/1.1 405 ")
    client.close()


def test_the_configuration_holds_a_bare_infinity_as_lmcaches_does(served):
    text = ask(served["llama70b-b_worker0"], "GET", "/conf")[2]
    assert '"pd_allocation_timeout_sec": Infinity' in text and len(json.loads(text)) == 108


def test_one_connection_answers_many_requests(served):
    client = Client(served["mp-0"])
    client.connect()
    first = client.sock
    for body in (None, b"x" * 3000, iter([b"chunk", b"ed"])):
        client.request("POST" if body else "GET", "/quota", body, encode_chunked=True)
        assert client.getresponse().read() in (b'{"users":{}}', b'{"detail":"Method Not Allowed"}')
    assert client.sock is first
    client.close()


def test_a_setting_that_is_changed_now_was_not_so_in_the_hours_before(cluster, time_):
    worker = node_of(cluster, "llama70b-b_worker0")
    old = get(worker, "/conf").body
    get(worker, "/conf", "POST", b'{"min_retrieve_tokens": 512}')
    assert get(worker, "/conf").body == {**old, "min_retrieve_tokens": 512}
    before = worker.respond("GET", "/conf", b"", time_.now - 300)
    assert before.body["min_retrieve_tokens"] == old["min_retrieve_tokens"]


def test_settings_that_are_changed_stay_changed_in_their_type(cluster):
    worker = node_of(cluster, "llama70b-b_worker0")
    changes = {"min_retrieve_tokens": "512", "save_decode_cache": True}
    wrong = {"nosuch": 1, "chunk_size": "many"}
    body = json.dumps({**changes, **wrong}).encode()
    assert get(worker, "/conf", "POST", body).body == {
        "updated": {"min_retrieve_tokens": 512, "save_decode_cache": True},
        "errors": {"nosuch": "Unknown config", "chunk_size": "Failed to set config value"},
    }
    found = get(worker, "/conf?names=min_retrieve_tokens,save_decode_cache,chunk_size").body
    assert found == {"min_retrieve_tokens": 512, "save_decode_cache": True, "chunk_size": 256}


def test_a_log_level_that_is_set_is_shown(cluster):
    worker = node_of(cluster, "llama70b-b_worker0")
    one = "/loglevel?logger_name=lmcache.v1.config"
    answer = get(worker, one + "&level=debug").body
    assert answer == "Set lmcache.v1.config level to DEBUG (including all handlers)"
    assert get(worker, one).body == "lmcache.v1.config: DEBUG"
    assert "\nlmcache.v1.config: DEBUG\n" in get(worker, "/loglevel").encode().decode()


def test_switches_backends_and_bypasses_take_effect(cluster):
    worker = node_of(cluster, "llama70b-b_worker0")

    def do(method, path):
        return get(worker, path, method).body

    do("PUT", "/hot_cache/disable")
    assert do("GET", "/hot_cache/status")["hot_cache"] is False
    assert total(samples(worker), "lmcache:local_cache_usage") == 0
    assert do("PUT", "/bypass/add?backend_name=RemoteBackend")["was_already_bypassed"] is False
    assert do("PUT", "/bypass/add?backend_name=RemoteBackend")["was_already_bypassed"] is True
    assert do("GET", "/bypass/list")["bypassed_backends"] == ["RemoteBackend"]
    assert do("PUT", "/bypass/remove?backend_name=RemoteBackend")["bypassed_backends"] == []
    left = list(do("DELETE", "/backends/RemoteBackend")["backends"])
    assert left == ["LocalCPUBackend", "LocalDiskBackend"]
    assert get(worker, "/backends/RemoteBackend", "DELETE").status == 404
    assert do("POST", "/backends")["created"] == {"RemoteBackend": "RemoteBackend"}
    recreated = do("POST", "/backends/LocalDiskBackend/recreate")["recreated"]
    assert recreated == {"LocalDiskBackend": "LocalDiskBackend"}


def test_a_frozen_worker_stores_nothing_and_goes_on_answering(cluster, time_):
    worker = node_of(cluster, "llama70b-b_worker0")
    counters = ["lmcache:num_stored_tokens_total", "lmcache:num_hit_tokens_total"]
    get(worker, "/freeze/enable", "PUT")
    stored, hit = growth(worker, time_, counters)
    assert stored == 0 < hit
    get(worker, "/freeze/disable", "PUT")
    stored, hit = growth(worker, time_, counters)
    assert stored > 0 and hit > 0


def test_a_cleared_cache_fills_again_and_reset_metrics_start_at_zero(cluster, time_):
    worker = node_of(cluster, "llama70b-b_worker0")
    full = total(samples(worker), "lmcache:local_cache_usage")
    answer = get(worker, "/cache/clear?locations=LocalCPUBackend", "DELETE").body
    assert answer["num_removed"] > 0
    empty = total(samples(worker), "lmcache:local_cache_usage")
    get(worker, "/metrics/reset", "POST")
    now = samples(worker)
    assert total(now, "lmcache:num_lookup_tokens_total") == 0
    assert total(now, "lmcache:time_to_store_count") == 0
    time_.now += 600
    assert empty < 0.1 * full < total(samples(worker), "lmcache:local_cache_usage")
    assert total(samples(worker), "lmcache:num_lookup_tokens_total") > 0


def share_of(node, time_, part, whole, seconds=60):
    grown = growth(node, time_, [part, whole], seconds)
    return grown[0] / grown[1]


def test_without_the_hot_cache_fewer_lookups_hit_and_more_again_with_it(cluster, time_):
    workers = [node_of(cluster, "llama70b-b_worker%d" % rank) for rank in range(4)]
    engine = node_of(cluster, "llama70b-b_api")
    external = ["vllm:external_prefix_cache_%s_total" % name for name in ("hits", "queries")]
    before, served = share_of(workers[0], time_, *HITS), share_of(engine, time_, *external)
    for worker in workers:
        get(worker, "/hot_cache/disable", "PUT")
    without = share_of(workers[0], time_, *HITS)
    assert 0.4 < without < before - 0.1
    assert share_of(engine, time_, *external) < served - 0.1
    assert growth(workers[0], time_, [EVICTED]) == [0]
    for worker in workers:
        get(worker, "/hot_cache/enable", "PUT")
    assert share_of(workers[0], time_, *HITS) == pytest.approx(before, abs=0.01)
    assert share_of(engine, time_, *external) == pytest.approx(served, abs=0.01)
    used = total(samples(workers[0]), "lmcache:local_cache_usage")
    time_.now += 1200
    assert 0 < used < total(samples(workers[0]), "lmcache:local_cache_usage") / 2


@pytest.mark.parametrize(
    "off,on",
    [
        (
            "PUT /bypass/add?backend_name=RemoteBackend",
            "PUT /bypass/remove?backend_name=RemoteBackend",
        ),
        ("DELETE /backends/RemoteBackend", "POST /backends"),
    ],
)
def test_a_backend_that_is_not_used_has_no_traffic(cluster, time_, off, on):
    worker = node_of(cluster, "llama70b-a_worker1")
    counters = ["lmcache:num_remote_%s_bytes_total" % way for way in ("read", "write")]
    assert min(growth(worker, time_, counters)) > 0
    method, path = off.split(" ")
    get(worker, path, method)
    assert growth(worker, time_, counters) == [0, 0]
    method, path = on.split(" ")
    get(worker, path, method)
    assert min(growth(worker, time_, counters)) > 0


def test_a_frozen_worker_of_the_story_stores_and_evicts_nothing(cluster, time_):
    worker = node_of(cluster, "llama70b-a_worker1")
    counters = ["lmcache:num_stored_tokens_total", EVICTED, "lmcache:num_remote_write_bytes_total"]
    assert min(growth(worker, time_, counters)) > 0
    get(worker, "/freeze/enable", "PUT")
    assert growth(worker, time_, counters) == [0, 0, 0]


def test_what_a_cleared_l1_does_not_have_comes_from_l2_until_it_is_full_again(cluster, time_):
    mp = node_of(cluster, "mp-0")
    names = ["lmcache_mp_lookup_hit_%stokens_total" % tier for tier in ("l1_", "l2_", "")]
    full, (l1, l2, hits) = total(samples(mp), L1_BYTES), growth(mp, time_, names)
    get(mp, "/cache/clear", "POST")
    assert total(samples(mp), L1_BYTES) == 0
    empty_l1, empty_l2, empty_hits = growth(mp, time_, names)
    assert empty_l1 < 0.5 * l1 and empty_l2 > 1.5 * l2 and empty_hits < hits
    assert empty_l1 + empty_l2 == pytest.approx(empty_hits, abs=1)
    time_.now += 3600
    assert total(samples(mp), L1_BYTES) == pytest.approx(full, rel=0.01)
    assert growth(mp, time_, names) == pytest.approx([l1, l2, hits], rel=0.1)


L1_BYTES = "lmcache_mp_l1_memory_usage_bytes"
ACTIONS = [
    ("PUT", "/hot_cache/disable"),
    ("PUT", "/freeze/enable"),
    ("PUT", "/bypass/add?backend_name=RemoteBackend"),
    ("DELETE", "/cache/clear"),
    ("PUT", "/hot_cache/enable"),
    ("PUT", "/bypass/remove?backend_name=RemoteBackend"),
    ("POST", "/cache/clear"),
    ("PUT", "/freeze/disable"),
]


@pytest.mark.parametrize(
    "name", ["llama70b-a_worker1", "llama70b-a_worker2", "llama70b-b_worker0", "mp-1"]
)
def test_counters_never_fall_whatever_is_turned_off_or_cleared(cluster, time_, name):
    node = node_of(cluster, name)
    gauges = set(re.findall(r"# TYPE (\S+) gauge", get(node, "/metrics").body))
    before = samples(node)
    for step in range(64):
        if step % 4 == 0:
            method, path = ACTIONS[step // 4 % len(ACTIONS)]
            get(node, path, method)
        time_.now += 7
        now = samples(node)
        fallen = [name for name, value in now.items() if value < before[name]]
        assert not [name for name in fallen if name.partition("{")[0] not in gauges]
        before = now


def test_chunk_statistics_count_while_they_run(cluster, time_):
    scheduler = node_of(cluster, "llama70b-a_scheduler")

    def requests():
        return get(scheduler, "/chunk_statistics/status").body["total_requests"]

    get(scheduler, "/chunk_statistics/stop", "POST")
    before = requests()
    time_.now += 100
    assert requests() == before > 0
    get(scheduler, "/chunk_statistics/start", "POST")
    time_.now += 100
    assert requests() > before


def test_chunk_statistics_and_their_metrics_are_reset_together(cluster, time_):
    scheduler = node_of(cluster, "llama70b-a_scheduler")
    for path in ("/chunk_statistics/reset", "/metrics/reset"):
        time_.now += 100
        get(scheduler, path, "POST")
        time_.now += 10
        requests = total(samples(scheduler), "lmcache:chunk_statistics_total_requests")
        said = get(scheduler, "/chunk_statistics/status").body["total_requests"]
        assert int(said) == requests > 0


def test_pings_do_not_succeed_while_the_health_check_fails(cluster, time_):
    pings = ["lmcache:remote_ping_successes_total"]
    assert growth(node_of(cluster, "llama70b-a_worker1"), time_, pings)[0] > 0
    worker = node_of(cluster, "llama70b-a_worker2")
    assert growth(worker, time_, pings) == [0]

    def monitor():
        return get(worker, "/periodic-threads/health-monitor-thread").body

    failed = monitor()["failed_runs"]
    assert failed == monitor()["total_runs"] > 0 and monitor()["success_rate"] == 0
    set_everywhere(cluster, False)
    time_.now += 600
    assert growth(worker, time_, pings)[0] > 0
    # What failed before it was well again is not forgotten.
    assert failed < monitor()["failed_runs"] < monitor()["total_runs"]
    assert 0 < monitor()["success_rate"] < 100


def test_the_pinned_objects_of_the_monitor_are_those_of_the_metrics(cluster):
    worker = node_of(cluster, "llama70b-b_worker0")
    pinned = total(samples(worker), "lmcache:pin_monitor_pinned_objects_count")
    threads = get(worker, "/periodic-threads").body["threads"]
    summary = next(one for one in threads if one["name"] == "PinMonitor-thread")["last_summary"]
    assert summary["extra_info"]["pinned_count"] == str(int(pinned))
    assert summary["message"].startswith("Checked %d objects," % pinned)


def test_the_status_of_an_mp_server_agrees_with_its_metrics(cluster, time_):
    for name in ("mp-0", "mp-1"):
        for _ in range(60):
            time_.now += 13.7
            mp = node_of(cluster, name)
            found, status = samples(mp), get(mp, "/status").body
            manager = status["storage_manager"]

            def in_flight(what):
                submitted, completed = [
                    total(found, "lmcache_mp_l2_%s_requests_total" % one) for one in what
                ]
                return submitted - completed

            stores = in_flight(("store_submitted", "store_completed"))
            assert manager["store_controller"]["in_flight_task_count"] == stores == 2
            loads = in_flight(("prefetch_load_submitted", "load_completed"))
            assert manager["prefetch_controller"]["load_phase_count"] == loads
            jobs = total(found, "lmcache_mp_active_prefetch_jobs")
            assert status["active_prefetch_jobs"] == jobs
            assert manager["l1_manager"]["memory_used_bytes"] == total(found, L1_BYTES)


def usage_of(coordinator):
    """What each server and the shared tiers use, by tier."""
    answer = get(coordinator, "/instances/usage").body
    sums = {"l1": 0, "l2": 0}
    for module in answer["shared_modules"]:
        sums[module["tier"]] += module["used_bytes"]
    for instance in answer["instances"]:
        one = get(coordinator, "/instances/%s/usage" % instance["instance_id"]).body
        assert one == instance
        for module in instance["modules"]:
            assert module["shared"] is False
            sums[module["tier"]] += module["used_bytes"]
    return sums


@pytest.mark.parametrize("size", [15, 1000])
def test_a_coordinator_knows_its_servers_and_counts_a_shared_tier_once(size):
    cluster = lf.DemoCluster.of_size(size)
    coordinators = [node for node in cluster.nodes if "coordinator" in node.name]
    servers = {node.name: node for node in cluster.nodes if node.name.startswith("mp-")}
    listed = []
    for coordinator in coordinators:
        now = coordinator.process.cluster.clock()
        names = [one["instance_id"] for one in get(coordinator, "/instances").body["instances"]]
        listed += names
        sums, found = usage_of(coordinator), samples(coordinator)
        family = "lmcache_coordinator_key_directory_placement_bytes"
        assert {tier: found['%s{tier="%s"}' % (family, tier)] for tier in sums} == sums
        used = [total(samples(servers[name]), L1_BYTES) for name in names]
        assert sums["l1"] == pytest.approx(sum(used), rel=1e-4)
        stats = get(coordinator, "/directory/stats").body
        assert (stats["l1_size_bytes"], stats["l2_size_bytes"]) == (sums["l1"], sums["l2"])
        assert sum(stats["l1_keys_by_instance"].values()) == stats["l1_count"]
        assert stats["l1_count"] + stats["l2_count"] == stats["num_placements"]
        quota = get(coordinator, "/quota").body
        assert quota["total_gb"] == pytest.approx(sums["l2"] / 2**30, abs=2)
        assert sum(one["usage_gb"] for one in quota["by_cache_salt"]) == quota["total_gb"]
        asked = {"model_name": "Qwen/Qwen3-32B", "world_size": 4, "cache_salt": ""}
        body = json.dumps({**asked, "token_ids": list(range(8000))})
        text = json.dumps(coordinator.respond("POST", "/directory/lookup", body.encode(), now).body)
        assert set(re.findall(r'"instance_id": "([^"]+)"', text)) <= set(names)
    assert sorted(listed) == sorted(servers)
    assert get(coordinators[0], "/instances/nosuch/usage").status == 404


def test_addresses_in_documents_are_those_at_which_the_nodes_listen(served):
    def body(name, path):
        return json.loads(ask(served[name], "GET", path)[2])

    listed = body("coordinator", "/instances")["instances"]
    ports = {one["instance_id"]: one["http_port"] for one in listed}
    assert ports == {name: served[name] for name in ("mp-0", "mp-1")}
    for name in ports:
        url = body(name, "/config")["coordinator"]["url"]
        assert url == "http://127.0.0.1:%d" % served["coordinator"]


def test_a_process_on_a_socket_has_the_settings_that_make_its_path(served):
    for name in ("llama70b-a_scheduler", "llama70b-a_worker1"):
        conf = json.loads(ask(served[name], "GET", "/conf")[2])
        offset = 2 if name.endswith("worker1") else 0
        prefix = conf["internal_api_server_socket_path_prefix"]
        port = conf["internal_api_server_port_start"] + offset
        assert served[name] == "%s_%d" % (prefix, port)


def test_a_scheduler_has_as_many_unfinished_requests_as_its_engine(cluster):
    engine, scheduler = (
        samples(node_of(cluster, "llama70b-a_" + role)) for role in ("api", "scheduler")
    )
    running = total(engine, "vllm:num_requests_running")
    assert total(scheduler, "lmcache:scheduler_unfinished_requests_count") == running


def test_threads_ran_a_whole_number_of_times(cluster):
    for name in ("llama70b-a_worker2", "mp-0", "mp-1"):
        text = json.dumps(get(node_of(cluster, name), "/periodic-threads").body)
        runs = re.findall(r'"total_runs": ([^,}]+)', text)
        assert runs and all(count.isdigit() for count in runs)


def test_quotas_are_kept(cluster):
    mp = node_of(cluster, "mp-0")
    quota = {"cache_salt": "user-a", "limit_gb": 0.5, "status": "ok"}
    assert get(mp, "/quota/user-a", "PUT", b'{"limit_gb": 0.5}').body == quota
    users = {"users": {"user-a": {"limit_gb": 0.5, "current_usage_gb": 0.0}}}
    assert get(mp, "/quota").body == users
    get(mp, "/quota/user-a", "DELETE")
    assert get(mp, "/quota/user-a").body["exists"] is False


ONE_OF_EACH = ["llama70b-a_api", "llama70b-a_scheduler", "llama70b-a_worker2", "mp-1"]


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "coordinator"])
def test_metrics_are_a_valid_exposition(cluster, name):
    text = get(node_of(cluster, name), "/metrics").body
    family, seen = "", set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in seen, family
            seen.add(family)
        elif line.startswith("# TYPE "):
            kind = line.split(" ")[3]
            assert line.split(" ")[2] == family and kind in ("counter", "gauge", "histogram")
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert re.fullmatch(re.escape(family) + "(_bucket|_count|_sum)?", found.group(1)), line
    assert text.endswith("\n") and len(seen) > 15


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_over_hours_counters_fall_at_restarts_only_and_histograms_add_up(cluster, time_, name):
    node = node_of(cluster, name)
    gauges = set(re.findall(r"# TYPE (\S+) gauge", get(node, "/metrics").body))
    start = "process_start_time_seconds"
    before = samples(node)
    restarts = 0
    for _ in range(400):
        time_.now += 59
        now = samples(node)
        fallen = [
            sample
            for sample, value in now.items()
            if value < before[sample] and sample.partition("{")[0] not in gauges
        ]
        if now.get(start) != before.get(start):
            restarts += 1
        else:
            assert not fallen, fallen
        for sample, value in now.items():
            if 'le="+Inf"' in sample:
                series = sample.replace("_bucket{", "_count{")
                assert value == now[re.sub(r',?le="\+Inf"', "", series)]
        before = now
    assert restarts == (2 if name == "llama70b-a_worker2" else 0)
    for sample in [sample for sample in before if "_sum{" in sample]:
        count = before[sample.replace("_sum{", "_count{")]
        assert count == before[sample] == 0 or 0 < before[sample] / count < 1e6, sample


def test_within_one_histogram_the_buckets_grow(cluster):
    last = ("", 0.0)
    for sample, value in samples(node_of(cluster, "llama70b-a_worker2")).items():
        if "_bucket{" in sample:
            series = sample.partition("{")[0]
            assert series != last[0] or value >= last[1], sample
            last = (series, value)


def test_the_story_is_told_evictions_rise_and_the_hit_rate_falls(cluster, time_):
    """A setting was changed 22 minutes ago; the figures are those of the sketch of the page."""
    counters = [
        "lmcache:num_lookup_hits_total",
        "lmcache:num_lookup_tokens_total",
        "lmcache:local_cpu_evict_keys_count_total",
    ]
    worker, now = node_of(cluster, "llama70b-a_worker1"), time_.now
    name = "/conf?names=save_unfull_chunk"
    hits, tokens, evicted = growth(worker, time_, counters)
    assert 0.3 < hits / tokens < 0.45 and 8 < evicted < 16
    assert get(worker, name).body == {"save_unfull_chunk": True}
    time_.now = now - 25 * 60
    hits, tokens, evicted = growth(worker, time_, counters)
    assert 0.7 < hits / tokens < 0.85 and evicted < 1
    assert get(worker, name).body == {"save_unfull_chunk": False}
    time_.now = now + 3 * 60 * 60
    hits, tokens, evicted = growth(worker, time_, counters)
    assert 0.7 < hits / tokens < 0.85 and evicted < 1


WORKERS = ["llama70b-a_worker%d" % rank for rank in range(4)]
HITS = ["lmcache:num_lookup_hits_total", "lmcache:num_lookup_tokens_total"]
EVICTED = "lmcache:local_cpu_evict_keys_count_total"


def set_everywhere(cluster, value, names=WORKERS):
    for name in names:
        body = json.dumps({"save_unfull_chunk": value}).encode()
        assert get(node_of(cluster, name), "/conf", "POST", body).status == 200


def test_the_figures_follow_the_setting_when_it_is_set_back_and_set_again(cluster, time_):
    worker = node_of(cluster, "llama70b-a_worker1")
    for value in (False, True, False):
        set_everywhere(cluster, value)
        time_.now += 150
        hits, tokens, evicted = growth(worker, time_, [*HITS, EVICTED])
        assert (evicted > 8 and hits / tokens < 0.45) if value else (evicted < 1)
        assert value or 0.7 < hits / tokens < 0.85
    # What the story would have done later, a restart among it, belongs to the setting too.
    start = samples(worker)["process_start_time_seconds"]
    time_.now += 21600 - 1000
    assert samples(worker)["process_start_time_seconds"] == start
    assert not node_of(cluster, "llama70b-a_worker2").process.is_down(time_.now)
    assert get(worker, "/conf?names=save_unfull_chunk").body == {"save_unfull_chunk": False}


def test_the_engine_waits_for_as_many_of_its_workers_as_have_the_setting(cluster, time_):
    engine = node_of(cluster, "llama70b-a_api")
    hits = ["vllm:external_prefix_cache_hits_total"]
    (sick,) = growth(engine, time_, hits)
    set_everywhere(cluster, False, WORKERS[:2])
    time_.now += 3600
    (half,) = growth(engine, time_, hits)
    set_everywhere(cluster, False)
    time_.now += 150
    (well,) = growth(engine, time_, hits)
    assert sick < 0.6 * half < 0.6 * 0.7 * well
    _, _, evicted = growth(node_of(cluster, WORKERS[3]), time_, [*HITS, EVICTED])
    assert evicted < 1


def test_counters_never_fall_around_a_change_and_what_was_before_it_stays(cluster, time_):
    nodes = [node_of(cluster, "llama70b-a_" + name) for name in ("api", "worker1", "worker2")]
    gauges = set(re.findall(r"# TYPE (\S+) gauge", "".join(get(nodes[0], "/metrics").body)))
    gauges |= set(re.findall(r"# TYPE (\S+) gauge", "".join(get(nodes[1], "/metrics").body)))
    past = time_.now - 5
    was = [node.metrics(cluster.pages, past).body for node in nodes]
    before = [samples(node) for node in nodes]
    for step in range(60):
        if step % 7 == 0:
            set_everywhere(cluster, step % 2 == 1, WORKERS[step % 4 :])
        time_.now += 11
        now = [samples(node) for node in nodes]
        for old, new in zip(before, now):
            fallen = [name for name, value in new.items() if value < old[name]]
            assert not [name for name in fallen if name.partition("{")[0] not in gauges]
        before = now
    assert was == [node.metrics(cluster.pages, past).body for node in nodes]


class Paths:
    """What a demo node answers, for a cluster without sockets."""

    def __init__(self, node):
        self.node = node

    def get(self, path, default):
        return self.answer

    def answer(self, job):
        response = get(self.node, job.path)
        return response.status, response.encode()


@pytest.mark.slow
def test_the_alerts_end_within_minutes_when_the_setting_is_set_back(time_):
    time_.now = 1.7e9 + 1700  # The cluster's clock begins at 1.7e9: 6 minutes before the story.
    demo = lf.DemoCluster(clock=time_)
    nodes = [node for node in demo.nodes if "llama70b-a" in node.name]
    entries = {node.name: {"instance": "llama70b-a"} for node in nodes}
    cluster = Cluster({node.name: Paths(node) for node in nodes}, extra=entries, interval=20.0)

    def live(seconds):
        for _ in range(seconds // 20):
            time_.now = cluster.clock.wall() + 20
            cluster.round(20)
        status = cluster.monitor.status()
        rules = {alert["rule"] for alert in status["alerts"]}
        return rules, status["instances"][0]["metrics"]["lookup_hit_rate"]

    caused = {"evictions_rising", "hit_rate_halved"}
    rules, sick = live(1700)
    assert caused <= rules
    set_everywhere(demo, False)
    rules, well = live(180)
    assert not caused & rules and well > 0.7 > 0.45 > sick
    events = cluster.monitor.events.query(limit=1000)["events"]
    assert any("save_unfull_chunk true → false" in event["text"] for event in events)
    set_everywhere(demo, True)
    rules, sick = live(300)
    assert "evictions_rising" in rules and sick < 0.45


def test_who_changes_a_setting_in_the_present_is_an_event_too(time_):
    demo = lf.DemoCluster()
    replay = lf.DemoReplay(demo)
    replay.monitor = Cluster({}).monitor

    def sent():
        assert list(replay.ask(iter([None]))) == []
        events = replay.monitor.events.query()["events"]
        return [event for event in events if event["kind"] == "action"]

    assert sent() == []
    demo.zero = time.time() - 7199
    assert sent() == []
    demo.zero = time.time() - 7201
    assert sorted(event["node"] for event in sent()) == WORKERS
    assert {event["path"] for event in sent()} == {"/proxy2/%s/conf" % name for name in WORKERS}


def test_a_slow_cache_shows_in_the_time_to_first_token_and_in_the_tail_of_retrieves(cluster, time_):
    def share_above(name, family, bound):
        counters = ['%s_bucket{%s,le="%s"}' % (family, labels_of(name, family), bound)]
        counters.append("%s_count{%s}" % (family, labels_of(name, family)))
        before = samples(node_of(cluster, name))
        time_.now += 120
        after = samples(node_of(cluster, name))
        below, count = [after[sample] - before[sample] for sample in counters]
        return 1 - below / count

    def labels_of(name, family):
        found = samples(node_of(cluster, name))
        sample = next(sample for sample in found if sample.startswith(family + "_count{"))
        return sample.partition("{")[2][:-1]

    retrieve, first_token = "lmcache:time_to_retrieve", "vllm:time_to_first_token_seconds"
    for name, family, bound in [
        ("llama70b-%s_worker1", retrieve, "0.04"),
        ("llama70b-%s_api", first_token, "0.25"),
    ]:
        slow = share_above(name % "a", family, bound)
        assert slow > share_above(name % "b", family, bound) + 0.02


def test_figures_are_the_same_for_the_same_time(time_):
    def pages():
        return [get(node, "/metrics").body for node in lf.DemoCluster(clock=time_).nodes]

    first = pages()
    assert first == pages() and len(set(first)) == len(first)


def test_a_rank_is_away_now_and_then_and_comes_back_as_it_began_and_unhealthy_first(time_):
    cluster = lf.DemoCluster(clock=time_)
    time_.now -= 340  # Just before the second outage of this story.
    ports = {entry["name"]: entry["port"] for entry in cluster.start()}
    port, worker = ports["llama70b-a_worker2"], node_of(cluster, "llama70b-a_worker2")
    try:
        before = get(worker, "/conf").body["min_retrieve_tokens"]
        ask(port, "POST", "/conf", json.dumps({"min_retrieve_tokens": before + 64}))
        assert get(worker, "/conf").body["min_retrieve_tokens"] == before + 64
        client = Client(port)
        client.request("GET", "/version")
        assert client.getresponse().read()
        time_.now += 20

        def refuses():
            """the worker's server is away"""
            try:
                ask(port, "GET", "/version")
            except OSError:
                return True

        wait_for(refuses)
        assert client.sock.recv(1) == b"", "its connections are gone too"
        client.close()
        assert ask(ports["llama70b-a_worker1"], "GET", "/version")[0] == 200
        time_.now += 35
        wait_for(lambda: not refuses())
        assert get(worker, "/conf").body["min_retrieve_tokens"] == before, "it is a new process"
        assert total(samples(worker), "lmcache:lmcache_is_healthy") == 0
        threads = get(worker, "/periodic-threads").body["threads"]
        monitor = next(one for one in threads if one["name"] == "health-monitor-thread")
        assert "Failed checks: ['RemoteBackend" in monitor["last_summary"]["message"]
        time_.now += 7200
        assert total(samples(worker), "lmcache:lmcache_is_healthy") == 1
    finally:
        cluster.stop()


def test_a_large_fleet_is_of_real_nodes_needs_few_threads_and_leaves_nothing_behind():
    others = set(threading.enumerate())  # one of an earlier test may end meanwhile

    def threads():
        return set(threading.enumerate()) - others

    cluster = lf.DemoCluster.of_size(240, story=False)
    entries = cluster.start()
    directory = cluster.directory
    try:
        assert 220 < len(entries) == len({entry["name"] for entry in entries}) < 260
        for entry in entries:
            path = "/healthz" if "coordinator" in entry["name"] else "/version"
            assert ask(entry["port"], "GET", path)[0] == 200
        wait_for(lambda: len(threads()) == 1)
        assert max(len(str(entry["port"])) for entry in entries) < 104
    finally:
        cluster.stop()
    assert not threads() and not os.path.exists(directory)


def test_the_demo_option_serves_a_cluster(start):
    front = start("--demo")
    nodes = front.ask("/api/nodes").json()["nodes"][0]["children"]
    names = [node["name"] for node in nodes]
    instance = ["api", "scheduler", "worker0", "worker1", "worker2", "worker3"]
    vllm = ["llama70b-%s_%s" % (name, part) for name in "ab" for part in instance]
    assert names == [*vllm, "mp-0", "mp-1", "coordinator"]
    assert front.ask("/proxy2/llama70b-a_worker0/version").body == b'"0.5.6-g3e11e108"'
    assert front.ask("/proxy2/mp-0/healthcheck").json() == {"status": "healthy"}
    directory = os.path.dirname(nodes[1]["port"])
    assert os.path.isdir(directory)
    assert front.stop() == 0 and not os.path.exists(directory)


@pytest.mark.slow
def test_the_demo_option_with_a_number_is_a_fleet_of_about_that_size(start):
    front = start("--demo", "60")
    nodes = front.ask("/api/nodes").json()["nodes"][0]["children"]
    assert 50 < len(nodes) < 70
    instances = {node["name"].rpartition("_")[0] for node in nodes}
    assert {"llama70b-001", "llama70b-006", "qwen32b-001", "mistral24b-001"} <= instances
    wait_for(lambda: front.ask("/api/status").json()["counts"]["up"] > 50, 90)


@pytest.mark.parametrize("size", ["0", "5001", "many"])
def test_a_fleet_of_no_such_size_is_refused(size):
    done = subprocess.run(
        [sys.executable, PROGRAM, "--demo", size],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
    )
    last = done.stdout.decode().splitlines()[-1]
    assert done.returncode == 2
    assert "--demo: '%s' is not a number from 1 to 5000" % size in last


def test_a_fleet_for_which_there_are_too_few_descriptors_says_so_in_one_line():
    command = 'ulimit -n 600 && exec "$0" "$@"'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, PROGRAM, "--demo", "400", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
    )
    words = (
        r"lmcache_frontend: --demo: \d+ nodes need \d+ open files: raise the limit \(ulimit -n\)\n"
    )
    assert done.returncode == 1 and re.fullmatch(words, done.stdout.decode())


@pytest.mark.slow
def test_a_node_that_is_added_is_watched_beside_the_demos(start, node):
    front = start("--demo", "--poll-interval", "1")

    def counts():
        counts = front.ask("/api/status").json()["counts"]
        return counts if counts["unknown"] == 0 else None

    assert wait_for(counts, 90)["total"] == 15
    entry = {"name": "w0", "host": "127.0.0.1", "port": node.port}
    assert front.ask("/api/nodes", "POST", entry).status == 200
    assert front.ask("/api/refresh", "POST").status == 200
    assert wait_for(counts, 90)["total"] == 16
    wait_for(lambda: front.ask("/api/status").json()["counts"]["down"] == 0, 90)


def test_the_status_says_whether_it_is_of_a_demo(start, front):
    assert front.ask("/api/status").json()["demo"] is False
    assert start("--demo").ask("/api/status").json()["demo"] is True


@pytest.mark.slow
def test_while_the_past_is_replayed_nobody_takes_it_for_the_present(start):
    began = time.time()
    front = start("--demo", "--poll-interval", "1")
    pages = ("/api/status", "/api/status?figures=listed", "/api/status?whole=mp-0")

    def is_over():
        for status in [front.ask(page).json() for page in pages]:
            assert status["time"] > began - 1
            assert status["counts"]["unknown"] in (0, 15)
        assert "whole" not in status or status["whole"]["polled"] > began - 120
        history = front.ask("/api/history?metric=lookup_hit_rate&seconds=60").json()
        assert history["end"] > began - 120  # the end of a step
        return status["counts"]["unknown"] == 0

    assert front.ask("/api/refresh", "POST").status == 200
    wait_for(is_over, 90)
    assert front.ask("/api/events?limit=1").json()["events"]


@pytest.fixture(scope="module")
def replayed():
    """A frontend with the demo, polled once more after the hours before were replayed."""
    front = Frontend("--demo", "--poll-interval", "1")

    def present():
        status = front.ask("/api/status").json()
        return status if status["counts"]["unknown"] == 0 else None

    status = wait_for(present, 90)
    yield front, status
    front.stop()


@pytest.mark.slow
def test_the_hours_before_are_there_as_soon_as_the_nodes_are(replayed):
    front, status = replayed
    answer = front.ask("/api/history?metric=lookup_hit_rate&seconds=22000").json()
    times, values = answer["series"][0]["times"], answer["series"][0]["values"]
    assert times == sorted(times)
    assert times[-1] - times[0] > 5.5 * 3600
    # A chart draws a line from one point to the next.
    steps = [after - before for before, after in zip(times, times[1:])]
    assert max(steps) < answer["interval"] * 1.5
    last_hour = [value for time, value in zip(times, values) if time > times[-1] - 3600]
    assert len(last_hour) > 50 and None not in last_hour
    # What was replayed and what is polled now have one resolution, and no minute is left out.
    minutes = [time / 60 for time in times if time > times[-1] - 3600]
    assert minutes == [minutes[0] + number for number in range(len(minutes))]
    before, after = last_hour[:20], last_hour[-10:]
    assert min(before) > 0.75 > 0.7 > max(after)


@pytest.mark.slow
def test_a_line_of_two_hours_begins_where_its_chart_does(replayed):
    front, _ = replayed
    asked = front.ask("/api/status").json()["time"] - 7200
    answer = front.ask("/api/history?metric=lookup_hit_rate&seconds=7200").json()
    assert asked - 660 < answer["series"][0]["times"][0] <= asked


@pytest.mark.slow
def test_alerts_and_events_are_as_old_as_what_they_tell(replayed):
    front, status = replayed
    ages = {alert["rule"]: status["time"] - alert["since"] for alert in status["alerts"]}
    assert 900 < ages["evictions_rising"] < 1300
    assert 300 < ages["hit_rate_halved"] < 1200
    events = front.ask("/api/events?limit=1000").json()["events"]
    times = [event["time"] for event in events]
    assert min(times) < status["time"] - 3 * 3600
    kinds = {event["kind"]: event for event in events}
    assert {"alert", "changed", "node_down", "node_up", "restart"} <= set(kinds)
    # The story repeats: how it stood six hours ago depends on the hour.
    changes = [event["text"] for event in events if event["kind"] == "changed"]
    said = "changed: save_unfull_chunk false → true, by token from 10.2.0.14"
    assert any(text.endswith(said) for text in changes)
    lasted = [event for event in events if event["kind"] == "alert" and event["until"]]
    assert any(event["until"] - event["time"] > 300 for event in lasted)


@pytest.mark.slow
def test_who_changed_a_setting_in_the_past_is_an_event_too(replayed):
    front, status = replayed
    events = front.ask("/api/events?limit=1000").json()["events"]
    changed = [event for event in events if event["kind"] == "changed"]
    sent = {(event["node"], event["time"]): event for event in events if event["kind"] == "action"}
    assert len(sent) == len(changed) >= 4
    for (node, time), action in sent.items():
        assert (action["by"], action["from"]) == ("token", "10.2.0.14")
        assert action["path"] == "/proxy2/%s/conf" % node
        assert any(one["node"] == node and 0 <= one["time"] - time < 60 for one in changed)


@pytest.mark.slow
def test_an_engine_and_its_ranks_are_one_instance_that_counts_tokens_once(replayed):
    front, status = replayed
    instances = {instance["name"]: instance for instance in status["instances"]}
    assert set(instances) == {"llama70b-a", "llama70b-b", "mp-0", "mp-1"}
    figures = instances["llama70b-b"]["metrics"]
    assert len(instances["llama70b-b"]["nodes"]) == 6
    nodes = {node["name"]: node["metrics"] for node in status["nodes"]}
    prompt = nodes["llama70b-b_api"]["prompt_tokens_per_second"]
    assert figures["prompt_tokens_per_second"] == pytest.approx(prompt, rel=0.05)
    sources = sum(value or 0 for name, value in figures.items() if name.startswith("source_"))
    assert sources == pytest.approx(prompt, rel=0.05)


@pytest.mark.slow
def test_an_unhealthy_rank_says_which_check_failed_and_a_healthy_one_that_all_passed(replayed):
    front, status = replayed
    reasons = {node["name"]: node["reasons"] for node in status["nodes"]}

    def monitor(name):
        threads = front.ask("/proxy2/%s/periodic-threads" % name).json()["threads"]
        (found,) = [one for one in threads if one["name"] == "health-monitor-thread"]
        path = "/proxy2/%s/periodic-threads/health-monitor-thread" % name
        assert front.ask(path).json()["last_summary"].keys() == found["last_summary"].keys()
        return found["last_summary"]["message"]

    check = "RemoteBackendHealthCheck(fs://localhost:0/var/lib/lmcache/remote/)"
    assert reasons["llama70b-a_worker2"] == ["reports itself unhealthy: %s failed" % check]
    assert monitor("llama70b-a_worker2") == "Failed checks: ['%s']" % check
    assert (reasons["llama70b-a_worker1"], monitor("llama70b-a_worker1")) == (
        [],
        "All checks passed",
    )


@pytest.mark.slow
def test_an_instance_of_a_fleet_that_is_away_at_the_start_has_its_model(start):
    front = start("--demo", "240", "--poll-interval", "2")

    def away():
        instances = front.ask("/api/status").json()["instances"]
        return [one for one in instances if one["state"] == "down"]

    (found,) = wait_for(away, 60)
    assert (found["name"], found["model"]) == ("qwen32b-007", "Qwen/Qwen3-32B")
    assert found["kinds"] == ["engine", "scheduler", "worker"]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["150", "240"])
def test_the_history_of_a_fleet_is_not_stretched_by_the_round_before_its_story(start, size):
    """Charts take the longest time between two points for the usual one."""
    front = start("--demo", size, "--poll-interval", "2")

    def history():
        found = front.ask("/api/history?metric=lookup_hit_rate&seconds=3600").json()
        return found if len(found["series"][0]["times"]) > 3 else None

    found = wait_for(history, 90)
    assert found["interval"] <= 120, found["series"][0]["times"]


@pytest.mark.slow
def test_a_fleet_has_an_alert_for_each_node_that_is_down_in_the_first_picture_of_them(start):
    front = start("--demo", "240", "--poll-interval", "2")

    def status():
        status = front.ask("/api/status").json()
        return status if status["counts"]["down"] else None

    first = wait_for(status, 90)
    down = {node["name"] for node in first["nodes"] if node["state"] == "down"}
    told = {alert["node"] for alert in first["alerts"] if alert["rule"] == "node_down"}
    assert told == down and len(down) == 6


@pytest.mark.slow
def test_the_past_ends_where_the_present_begins(replayed):
    """What is polled over sockets goes on with what was replayed in the process."""
    front, status = replayed
    began = status["time"]
    path = "/api/history?metric=hit_tokens_per_second,lookup_hit_rate,retrieve_p50&seconds=300"

    def series():
        found = front.ask(path).json()["series"]
        live = [time for time in found[0]["times"] if time > began]
        return found if live else None

    for one in wait_for(series, 90):
        values = [value for value in one["values"] if value is not None]
        assert max(values) < 1.25 * min(values), one["metric"]


@pytest.mark.slow
def test_what_was_changed_here_is_an_event_at_the_next_poll(replayed):
    """The configuration is read once a minute, but at once after a change through the proxy."""
    front, status = replayed
    path = "/proxy2/llama70b-b_worker1/conf"
    old = front.ask(path).json()["save_decode_cache"]
    for value in (not old, old):
        front.ask(path, method="POST", body=json.dumps({"save_decode_cache": value}))
        text = "save_decode_cache %s → %s" % (json.dumps(not value), json.dumps(value))
        query = "/api/events?kind=changed&node=llama70b-b_worker1"
        events = lambda: front.ask(query).json()["events"]  # noqa: E731
        wait_for(lambda: any(text in event["text"] for event in events()), 30)


@pytest.mark.slow
def test_the_past_has_response_times_that_differ_as_those_of_the_present_do(replayed):
    front, _ = replayed
    path = "/api/history?node=coordinator&metric=latency&seconds=3600"
    [series] = front.ask(path).json()["series"]
    past = [value for value in series["values"][:40] if value is not None]
    assert len(set(past)) > 20 and all(0.003 <= value <= 0.013 for value in past)


@pytest.mark.slow
def test_the_present_is_silent_about_the_past_in_the_log(start):
    front = start("--demo")
    wait_for(lambda: front.ask("/api/status").json()["counts"]["unknown"] == 0, 90)
    front.stop()
    assert "alert" not in front.output()


def test_without_its_data_the_demo_says_in_one_line_what_is_missing(tmp_path):
    program = shutil.copy(PROGRAM, str(tmp_path))
    done = subprocess.run(
        [sys.executable, program, "--demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
    )
    path = os.path.join(str(tmp_path), "static", "demo", "cluster.json")
    words = "lmcache_frontend: --demo needs the folder static/ beside the program: no %s\n" % path
    assert (done.returncode, done.stdout.decode()) == (1, words)
