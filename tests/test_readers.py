"""Readers: what each kind and version of node is recognised as, what its answers tell."""

import json
import os

import pytest
from support.cluster import Cluster
from support.frontend import wait_for

import lmcache_frontend as lf

PAYLOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "payloads")
with open(os.path.join(PAYLOADS, "answers.json")) as file:
    ANSWERS = json.load(file)


def recorded(folder):
    """What a recorded node answers, by path."""
    answers = {}
    for path, (status, body) in ANSWERS[folder].items():
        is_text = isinstance(body, str) and (path != "/version" or body.startswith("#"))
        answers[path] = (status, body.encode() if is_text else body)
    page = os.path.join(PAYLOADS, folder, "metrics_b.txt")
    if os.path.exists(page):
        with open(page, "rb") as file:
            answers["/metrics"] = (200, file.read())
    return answers


def look_at(folder, **entry):
    """A recorded node as the status shows it after two rounds."""
    cluster = Cluster({folder: recorded(folder)}, extra={folder: entry})
    cluster.round(times=2)
    return cluster.node(folder)


LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
TINY = "example/tiny-model"
SMALL = 0.02 * 2**30


@pytest.mark.parametrize(
    "folder, kind, version, model, limit",
    [
        ("scheduler_0.3.5", "scheduler", "", "", None),
        ("worker_0.3.5", "worker", "", TINY, SMALL),
        ("scheduler_0.3.10", "scheduler", "0.3.10-ge129823a0", TINY, None),
        ("worker_0.3.10", "worker", "0.3.10-ge129823a0", TINY, SMALL),
        ("scheduler_0.4.4", "scheduler", "0.4.4-g6fbec463e", TINY, None),
        ("worker_0.4.4", "worker", "0.4.4-g6fbec463e", TINY, SMALL),
        ("scheduler_0.5.6", "scheduler", "0.5.6-g3e11e108", TINY, None),
        ("worker_0.5.6", "worker", "0.5.6-g3e11e108", TINY, SMALL),
        ("multiproc_page_0.5.6", "worker", "", LLAMA, None),
        ("mp_0.4.4", "mp", "", "", 12884901),
        ("mp_0.4.4_metrics_port", "mp", "", "", None),
        ("mp_0.5.0", "mp", "0.5.0-g389b9cfc", "test-model", 16106127),
        ("mp_0.5.6", "mp", "0.5.6-g3e11e108", "test-model", 16106127),
        ("vllm_0.9.2", "engine", "0.9.2", LLAMA, None),
        ("vllm_0.10.2", "engine", "0.10.2", LLAMA, None),
        ("vllm_0.11.0", "engine", "0.11.0", LLAMA, None),
        ("vllm_0.11.0_lmcache_0.3.10", "engine", "0.11.0", LLAMA, None),
        ("vllm_0.14.0", "engine", "0.14.0", LLAMA, None),
        ("vllm_0.14.0_lmcache_0.4.4", "engine", "0.14.0", LLAMA, None),
        ("vllm_0.33.0", "engine", "0.33.0", LLAMA, None),
        ("sglang_0.4.10", "engine", "0.4.10", LLAMA, None),
        ("sglang_0.5.6", "engine", "0.5.6", LLAMA, None),
        ("sglang_0.5.6_lmcache_0.4.4", "engine", "0.5.6", LLAMA, None),
        ("controller_0.5.6", "controller", "", "", None),
        ("coordinator_0.5.6", "coordinator", "", "", None),
        ("discovery_0.5.6", "discovery", "", "", None),
    ],
)
def test_a_recorded_node_is_recognised_and_up(folder, kind, version, model, limit):
    node = look_at(folder)
    assert (node["state"], node["reasons"]) == ("up", [])
    assert (node["kind"], node["version"], node["model"]) == (kind, version, model)
    assert node["metrics"]["local_cache_limit_bytes"] == (
        pytest.approx(limit, 1e-5) if limit else None
    )


def test_a_cpu_cache_that_is_off_has_no_limit():
    for is_on, limit in ((True, 5 * 2**30), (False, None)):
        conf = {"local_cpu": is_on, "max_local_cpu_size": 5.0}
        cluster = Cluster({"w0": worker(0, **conf)})
        cluster.round()
        seen = cluster.node("w0")["metrics"]["local_cache_limit_bytes"]
        assert seen == (pytest.approx(limit, 1e-5) if limit else None)


def test_all_recorded_nodes_are_in_the_table():
    assert len(ANSWERS) == 26


def test_an_older_path_is_tried_once_after_a_404_and_remembered():
    cluster = Cluster({"mp": recorded("mp_0.4.4"), "s": recorded("sglang_0.4.10")})
    cluster.round(times=3)
    asked = [path for name, path in cluster.asked if name == "mp"]
    assert asked.count("/status") == 1 and asked.count("/api/status") == 3
    assert asked.count("/metrics") == 2  # once as a node of unknown kind, once as an MP server
    asked = [path for name, path in cluster.asked if name == "s"]
    assert asked.count("/server_info") == 1


def test_an_mp_server_with_its_metrics_on_another_port_is_one_node():
    answers = {**recorded("mp_0.4.4"), "/metrics": recorded("mp_0.4.4_metrics_port")["/metrics"]}
    cluster = Cluster({"mp": answers}, extra={"mp": {"metrics_port": 9999}})
    cluster.round(times=2)
    node = cluster.node("mp")
    assert (node["kind"], node["state"]) == ("mp", "up")
    assert node["metrics"]["healthy"] == 1.0 and cluster.ports["/metrics"] == 9999
    del answers["/metrics"]
    answers["/metrics"] = lf.FetchError("connection refused")
    cluster.round()
    node = cluster.node("mp")
    assert (node["state"], node["reasons"]) == ("degraded", ["/metrics: connection refused"])


def test_two_ports_of_one_mp_server_given_as_two_nodes_are_one_instance():
    http, page = recorded("mp_0.5.0"), {}
    page["/metrics"] = http.pop("/metrics")
    cluster = Cluster({"http": http, "page": page})
    status = cluster.round(times=2)
    assert [one["nodes"] for one in status["instances"]] == [["http", "page"]]
    extra = {name: {"instance": "mp-1"} for name in ("http", "page")}
    answers = {"http": recorded("mp_0.4.4"), "page": recorded("mp_0.4.4_metrics_port")}
    status = Cluster(answers, extra=extra).round(times=2)
    found = [(one["name"], one["nodes"]) for one in status["instances"]]
    assert found == [("mp-1", ["http", "page"])]


def test_an_mp_server_is_called_by_its_instance_id_unless_it_made_that_up():
    nodes = {"old": recorded("mp_0.5.0"), "new": recorded("mp_0.5.6")}
    status = Cluster(nodes).round(times=2)
    assert sorted(one["name"] for one in status["instances"]) == ["mp-server-0", "old"]


@pytest.mark.parametrize("world_size, stored", [(1, 256.0), (2, 128.0), (0, 256.0)])
def test_an_mp_server_counts_the_chunks_of_each_rank_and_tokens_once(world_size, stored):
    context = {"0": {"model_name": LLAMA, "world_size": world_size}}
    status = {"is_healthy": True, "chunk_size": 256, "cache_context_meta": context}
    written = b"lmcache_mp_l1_write_chunks_total %d\n"
    before, after = ({"/metrics": written % count, "/status": status} for count in (0, 60))
    totals = grown_totals({"mp": before}, {"mp": after})["totals"]
    assert totals["stored_tokens_per_second"] == stored


def test_gpu_seconds_saved_are_those_of_all_ranks_that_an_mp_server_reports():
    status = {"is_healthy": True, "gpu_context_meta": {"0": {"model_name": LLAMA, "world_size": 2}}}

    def nodes(*tokens, seconds):
        engine = engine_page(*tokens)
        engine["/metrics"] += b"vllm:request_prefill_time_seconds_sum %d\n" % seconds
        return {"mp": {**mp_page(*tokens), "/status": status}, "api": engine}

    totals = grown_totals(nodes(0, 0, seconds=0), nodes(6000, 3000, seconds=30))["totals"]
    # 50 tokens a second are computed in half a second, on each of two GPUs; as many are saved.
    assert totals["gpu_seconds_saved_per_second"] == 1.0


# -- another tenant of an address


def test_what_a_node_said_is_forgotten_with_the_first_answer_of_another():
    cluster = Cluster({"w0": recorded("worker_0.4.4")})
    cluster.round()
    assert cluster.node("w0")["engine"]
    cluster.answers["w0"] = recorded("vllm_0.14.0")
    cluster.round()
    node = cluster.node("w0")
    assert (node["kind"], node["version"], node["engine"]) == ("engine", "0.14.0", "")
    assert (node["role"], node["worker_id"], node["instance"]) == ("", "", "")
    cluster.answers["w0"] = {"/metrics": b"node_load1 0.5\n"}
    cluster.round()
    node = cluster.node("w0")
    assert (node["kind"], node["version"], node["model"]) == ("unknown", "", "")
    assert all(value is None for value in node["metrics"].values())


@pytest.mark.parametrize(
    "body", [b"<!doctype html><html>log in</html>", b'  {"detail": "x"}', b"[1]"]
)
def test_a_page_that_is_no_prometheus_text_is_degraded(body):
    cluster = Cluster({"w0": recorded("worker_0.4.4"), "w1": {"/metrics": body}})
    cluster.round()
    cluster.answers["w0"] = {"/metrics": body}
    cluster.round()
    for name in ("w0", "w1"):
        node = cluster.node(name)
        assert (node["state"], node["kind"]) == ("degraded", "unknown")
        assert node["reasons"] == ["its /metrics is not Prometheus text"]


def test_a_restarted_node_shows_its_new_version_with_the_next_poll():
    cluster = Cluster({"w0": recorded("worker_0.4.4")})
    cluster.round()
    answers = cluster.answers["w0"]
    status, page = answers["/metrics"]
    line = next(item for item in page.split(b"\n") if item.startswith(b"process_start_time"))
    answers["/metrics"] = (status, page.replace(line, b"process_start_time_seconds 1.9e9"))
    answers["/version"] = "0.5.6"
    cluster.round()
    assert cluster.node("w0")["version"] == "0.5.6"
    events = cluster.monitor.events.query()["events"]
    assert [event["kind"] for event in events] == ["changed", "restart"]
    assert events[0]["changes"] == {"version": ["0.4.4-g6fbec463e", "0.5.6"]}


LAST = ("kind", "model", "instance", "instance_id", "worker_id", "version")


@pytest.mark.slow
def test_an_instance_that_is_down_for_hours_stays_what_it_was_and_where_it_was():
    nodes = {name: worker(rank, lmcache_instance_id="a") for rank, name in enumerate(("a0", "a1"))}
    nodes["s"] = {"/metrics": nodes["a0"]["/metrics"].replace(b"worker", b"scheduler", 1)}
    nodes["s"]["/conf"] = nodes["a0"]["/conf"]
    cluster = Cluster({**nodes, "mp": recorded("mp_0.5.6"), "v": recorded("vllm_0.14.0")})
    cluster.round(times=2)

    def seen():
        status = cluster.monitor.status()
        told = {one["key"]: [one[name] for name in LAST] for one in status["nodes"]}
        return told, [(one["id"], one["model"], one["nodes"]) for one in status["instances"]]

    before = seen()
    assert len(before[1]) == 3 and all(model for _, model, _ in before[1])
    cluster.answers.clear()
    cluster.round(60.0, times=300)
    assert {one["state"] for one in cluster.monitor.status()["nodes"]} == {"down"}
    assert seen() == before
    cluster.answers["a1"] = recorded("vllm_0.14.0")
    cluster.round(60.0, times=2)
    assert (cluster.node("a1")["kind"], cluster.node("a1")["instance"]) == ("engine", "")
    assert cluster.node("a0")["instance"] == "a"


# -- instances

RANDOM = "lmcacheengineconfig_9d3f2d696421456eb897feeb7238a5ca"


def worker(rank, **conf):
    """A worker of a version without engine ids."""
    labels = '{model_name="m",role="worker",worker_id="%d"}' % rank
    page = "lmcache:num_hit_tokens_total%s 100\n" % labels
    return {
        "/metrics": page.encode(),
        "/conf": {"chunk_size": 256, "lmcache_instance_id": RANDOM[:-1] + str(rank), **conf},
    }


def groups_of(status):
    return [(one["name"], one["nodes"]) for one in status["instances"]]


@pytest.mark.parametrize("version", ["0.3.5", "0.3.10", "0.4.4", "0.5.6"])
def test_the_scheduler_and_the_worker_of_one_engine_are_one_instance(version):
    names = ["scheduler_" + version, "worker_" + version]
    status = Cluster({name: recorded(name) for name in names}).round(times=2)
    assert [nodes for _, nodes in groups_of(status)] == [sorted(names)]
    assert len({node["instance_id"] for node in status["nodes"]}) == 1


def engine_of(size, ranks, instance="i"):
    """Workers of one instance that report the size of their engine."""
    workers = {"w%d" % rank: worker(rank, lmcache_instance_id=instance) for rank in ranks}
    for answers in workers.values():
        answers["/meta"] = {"model_name": "m", "worker_id": 0, "world_size": size}
    return workers


def missing_in(nodes):
    (instance,) = Cluster(nodes).round(times=2)["instances"]
    return instance["missing_ranks"]


@pytest.mark.parametrize("size, ranks, missing", [(2, [0], [1]), (4, [1, 3], [0, 2]), (1, [0], [])])
def test_ranks_that_are_no_nodes_are_told_by_the_size_that_their_engine_reports(
    size, ranks, missing
):
    assert missing_in(engine_of(size, ranks)) == missing


@pytest.mark.parametrize("size", [None, 0, -1, "2", True, 1e300, lf.MAX_WORLD_SIZE + 1])
def test_a_size_that_is_none_tells_nothing(size):
    assert missing_in(engine_of(size, [0])) == []


def test_an_engine_of_the_largest_size_has_its_missing_ranks():
    assert missing_in(engine_of(lf.MAX_WORLD_SIZE, [0])) == list(range(1, lf.MAX_WORLD_SIZE))


def test_no_rank_is_missing_where_several_engines_may_have_one_name():
    assert missing_in(engine_of(2, [0, 2])) == []
    assert missing_in({**engine_of(2, [0]), "w1": engine_of(4, [1])["w1"]}) == []


def test_a_rank_that_is_down_is_not_missing_unless_it_was_down_at_our_start():
    cluster = Cluster(engine_of(2, [0, 1]))
    cluster.round(times=2)
    away = cluster.answers.pop("w1")
    (instance,) = cluster.round(times=2)["instances"]
    assert (instance["nodes"], instance["missing_ranks"]) == (["w0", "w1"], [])
    cluster = Cluster({**engine_of(2, [0]), "w1": {}})
    del cluster.answers["w1"]
    (instance,) = cluster.round(times=2)["instances"]
    assert (instance["nodes"], instance["missing_ranks"]) == (["w0"], [1])
    cluster.answers["w1"] = away
    (instance,) = cluster.round(60.0, times=2)["instances"]
    assert (instance["nodes"], instance["missing_ranks"]) == (["w0", "w1"], [])


def test_what_is_missing_in_an_instance_is_in_the_list_and_an_empty_list_is_not():
    cluster = Cluster({**engine_of(2, [0]), **engine_of(1, [5], "j")})
    cluster.round(times=2)
    listed = cluster.monitor.status(None, None, True, lf.LISTED)["instances"]
    assert [one.get("missing_ranks") for one in listed] == [[1], None]


def test_instance_ids_that_lmcache_made_up_are_absent():
    for folder in ("worker_0.3.5", "worker_0.3.10"):
        assert look_at(folder)["instance"] == ""
    cluster = Cluster({"w0": worker(0), "w1": worker(1)})
    assert groups_of(cluster.round()) == [("m on localhost", ["w0", "w1"])]
    assert cluster.node("w0")["instance"] == ""


def test_nodes_without_an_engine_id_are_grouped_by_configured_instance_or_host():
    nodes = {
        "a0": worker(0),
        "a1": worker(1),
        "b0": worker(0),
        "c0": worker(0, lmcache_instance_id="c"),
    }
    extra = {"a0": {"instance": "a"}, "a1": {"instance": "a"}, "b0": {"host": "10.0.0.9"}}
    status = Cluster(nodes, extra=extra).round()
    found = sorted(nodes for _, nodes in groups_of(status))
    assert found == [["a0", "a1"], ["b0"], ["c0"]]


def test_ranks_of_one_engine_are_not_added_up_and_bytes_are():
    cluster = Cluster({"w0": worker(0), "w1": worker(1)})
    cluster.round()
    for name in ("w0", "w1"):
        _, page = 200, cluster.answers[name]["/metrics"]
        more = page.replace(b" 100\n", b" 4100\n")
        cluster.answers[name]["/metrics"] = more
    status = cluster.round(40.0)
    assert status["instances"][0]["metrics"]["hit_tokens_per_second"] == pytest.approx(100.0)
    assert status["totals"]["hit_tokens_per_second"] == pytest.approx(100.0)


def test_an_engine_belongs_to_the_instance_on_its_host_that_has_its_model():
    vllm = recorded("vllm_0.14.0")
    mine = {path: answer for path, answer in worker(0).items()}
    mine["/metrics"] = mine["/metrics"].replace(b'"m"', b'"%s"' % LLAMA.encode())
    status = Cluster({"w0": mine, "api": vllm, "other": worker(0)}).round(times=2)
    found = {tuple(one["nodes"]): one for one in status["instances"]}
    assert set(found) == {("api", "w0"), ("other",)}
    one = found["api", "w0"]
    assert (one["engine"], one["kinds"], one["model"]) == (
        "vLLM 0.14.0",
        ["engine", "worker"],
        LLAMA,
    )


def test_engines_with_lmcache_on_their_own_pages_are_instances_of_their_own():
    mine = worker(0)
    mine["/metrics"] = mine["/metrics"].replace(b'"m"', b'"%s"' % LLAMA.encode())
    one, other = recorded("vllm_0.14.0_lmcache_0.4.4"), recorded("vllm_0.11.0_lmcache_0.3.10")
    status = Cluster({"a": one, "b": other, "w0": mine}).round(times=2)
    assert sorted(nodes for _, nodes in groups_of(status)) == [["a"], ["b"], ["w0"]]
    status = Cluster({"a": one, "w0": mine}).round(times=2)
    assert [nodes for _, nodes in groups_of(status)] == [["a", "w0"]]


LOOKUPS = (
    b"lmcache_mp_lookup_requested_tokens_total %d\nlmcache_mp_lookup_hit_tokens_total %d\n"
    b"lmcache_mp_lookup_hit_l1_tokens_total %d\nlmcache_mp_lookup_hit_l2_tokens_total 0\n"
)
PROMPTS = (
    b"vllm:prompt_tokens_total %d\nvllm:prefix_cache_queries_total %d\n"
    b"vllm:prefix_cache_hits_total 0\nvllm:external_prefix_cache_queries_total %d\n"
    b"vllm:external_prefix_cache_hits_total %d\n"
)
OF_LLAMA = {"data": [{"id": "llama", "root": LLAMA}]}


def engine_page(prompt, external):
    """An engine of LLAMA that looks up all its prompts in LMCache when any are external."""
    looked_up = prompt if external else 0
    return {"/metrics": PROMPTS % (prompt, prompt, looked_up, external), "/v1/models": OF_LLAMA}


def mp_page(requested, hit):
    status = {"is_healthy": True, "gpu_context_meta": {"0": {"model_name": LLAMA}}}
    return {"/metrics": LOOKUPS % (requested, hit, hit), "/status": status}


def of_llama(rank, **conf):
    node = worker(rank, **conf)
    node["/metrics"] = node["/metrics"].replace(b'"m"', b'"%s"' % LLAMA.encode())
    return node


def grown_totals(before, after, extra=()):
    """The status of a cluster whose nodes answered one thing, and 60 s later another."""
    cluster = Cluster(before, extra=extra)
    cluster.round(times=2)
    for name, answers in after.items():
        cluster.answers[name] = answers
    return cluster.round(60.0)


def test_of_several_engines_beside_one_in_process_instance_none_is_taken_for_its_own():
    engines = {name: engine_page(0, 0) for name in ("api0", "api1", "api2")}
    for nodes in ({"w0": of_llama(0), **engines}, {**engines, "w0": of_llama(0)}):
        status = Cluster(nodes).round(times=2)
        found = sorted(nodes for _, nodes in groups_of(status))
        assert found == [["api0"], ["api1"], ["api2"], ["w0"]]


def test_engines_that_share_an_mp_server_are_one_instance_with_the_sum_of_their_tokens():
    before = {"mp": mp_page(0, 0), "api0": engine_page(0, 0), "api1": engine_page(0, 0)}
    after = {
        "mp": mp_page(12000, 6000),
        "api0": engine_page(6000, 1500),
        "api1": engine_page(6000, 4500),
    }
    status = grown_totals(before, after)
    assert [nodes for _, nodes in groups_of(status)] == [["api0", "api1", "mp"]]
    metrics = status["instances"][0]["metrics"]
    assert metrics["prompt_tokens_per_second"] == 200.0
    assert (metrics["source_l1"], metrics["source_computed"]) == (100.0, 100.0)


@pytest.mark.parametrize("hosts", [("127.0.0.1", "127.0.0.1"), ("10.0.0.1", "10.0.0.2")])
def test_tokens_count_once_where_nobody_can_say_which_engine_uses_which_mp_server(hosts):
    """Two MP servers beside one engine, or on other addresses (pods of a node)."""
    before = {"mp0": mp_page(0, 0), "mp1": mp_page(0, 0), "api": engine_page(0, 0)}
    after = {
        "mp0": mp_page(6000, 3000),
        "mp1": mp_page(6000, 3000),
        "api": engine_page(12000, 6000),
    }
    extra = {"mp0": {"host": hosts[1]}, "mp1": {"host": hosts[1]}, "api": {"host": hosts[0]}}
    status = grown_totals(before, after, extra)
    assert len(status["instances"]) == 3
    totals = status["totals"]
    assert (totals["source_l1"], totals["source_computed"]) == (100.0, 100.0)
    assert totals["prompt_tokens_per_second"] == totals["lookup_tokens_per_second"] == 200.0


@pytest.mark.parametrize("host", ["10.0.0.1", "10.0.0.2"])
def test_an_engine_that_looks_nothing_up_outside_keeps_its_tokens_apart(host):
    before = {"mp0": mp_page(0, 0), "mp1": mp_page(0, 0), "api": engine_page(0, 0)}
    after = {"mp0": mp_page(6000, 3000), "mp1": mp_page(0, 0), "api": engine_page(6000, 0)}
    extra = {"mp0": {"host": "10.0.0.1"}, "mp1": {"host": "10.0.0.1"}, "api": {"host": host}}
    totals = grown_totals(before, after, extra)["totals"]
    assert (totals["source_l1"], totals["source_computed"]) == (50.0, 150.0)


def test_data_parallel_engines_behind_one_api_server_count_their_prompts_once():
    def ranks(tokens):
        prompts = b'\nlmcache:num_prompt_tokens_total{worker_id="0",role="worker"} %d\n' % tokens
        nodes = {name: of_llama(0, lmcache_instance_id=name) for name in ("dp0", "dp1")}
        for node in nodes.values():
            node["/metrics"] += prompts
        return nodes

    before = {**ranks(0), "api": engine_page(0, 0)}
    after = {**ranks(6000), "api": engine_page(12000, 3000)}
    status = grown_totals(before, after)
    assert sorted(nodes for _, nodes in groups_of(status)) == [["api"], ["dp0"], ["dp1"]]
    assert status["totals"]["prompt_tokens_per_second"] == 200.0
    assert status["totals"]["source_computed"] == 150.0


@pytest.mark.parametrize("conf", [{"pd_role": "receiver"}, {"nixl_role": "receiver"}])
def test_a_decode_engine_receives_its_tokens_and_saves_none(conf):
    switch = next(iter(conf)).replace("_role", "")
    for conf_of, saves in (({f"enable_{switch}": True, **conf}, False), (conf, True)):
        before, after = {"w0": of_llama(0, **conf_of)}, {"w0": of_llama(0, **conf_of)}
        after["w0"]["/metrics"] = after["w0"]["/metrics"].replace(b" 100\n", b" 6100\n")
        totals = grown_totals(before, after)["totals"]
        assert totals["hit_tokens_per_second"] == 100.0
        assert totals.get("tokens_saved_per_second") == (100.0 if saves else None)


def test_an_engine_alone_is_an_instance_and_a_configured_one_joins_its_own():
    status = Cluster({"api": recorded("vllm_0.33.0")}).round()
    assert [nodes for _, nodes in groups_of(status)] == [["api"]]
    extra = {"api": {"host": "10.0.0.7", "instance": "i"}, "w0": {"instance": "i"}}
    status = Cluster({"api": recorded("vllm_0.33.0"), "w0": worker(0)}, extra=extra).round(times=2)
    assert groups_of(status) == [("i", ["api", "w0"])]


def test_a_node_that_was_never_reached_belongs_to_its_configured_instance():
    silent = {"/metrics": lf.FetchError("connection refused")}
    extra = {"w0": {"instance": "i"}, "w1": {"instance": "i"}}
    status = Cluster({"w0": dict(silent), "w1": dict(silent)}, extra=extra).round()
    assert groups_of(status) == [("i", ["w0", "w1"])]


def test_nodes_of_other_frontends_keep_the_instances_that_those_tell():
    def rack(name, *nodes):
        children = [{"name": node, "host": "10.0.0.1", "port": 80} for node in nodes]
        return {"name": name, "host": "10.0.0.9", "port": 80, "nodes": children}

    def entry(name, kind, instance, **more):
        return dict(more, key=name, name=name, state="up", kind=kind, instance_id=instance)

    cluster = Cluster(proxies=[rack("a", "s", "m"), rack("b", "w", "m"), rack("c", "api")])
    told = {
        "a": [entry("s", "scheduler", "engine:e"), entry("m", "mp", "mp:m")],
        "b": [entry("w", "worker", "engine:e"), entry("m", "mp", "mp:m")],
        "c": [entry("api", "engine", "x", software="vLLM", version="0.14.0")],
    }
    for name, entries in told.items():
        cluster.answers[name] = {"/api/status": {"nodes": entries}}
    found = {one["id"]: one for one in cluster.round()["instances"]}
    assert {key: one["nodes"] for key, one in found.items()} == {
        "engine:e": ["a/s", "b/w"],
        "a/mp:m": ["a/m"],
        "b/mp:m": ["b/m"],
        "c/x": ["c/api"],
    }
    assert found["c/x"]["engine"] == "vLLM 0.14.0"


def test_an_instance_is_as_bad_as_its_worst_node():
    cluster = Cluster({"w0": worker(0), "w1": worker(1)})
    cluster.round()
    del cluster.answers["w1"]
    status = cluster.round()
    assert [(one["state"], one["nodes"]) for one in status["instances"]] == [("down", ["w0", "w1"])]


def test_the_history_of_an_instance_can_be_asked_for():
    cluster = Cluster({"w0": worker(0), "w1": worker(1)})
    instance = cluster.round()["instances"][0]["id"]
    cluster.round()
    answer = cluster.monitor.history(None, "hit_tokens_per_second", 600.0, instance=instance)
    series = answer["series"][0]
    assert (series["node"], series["instance"]) == (None, instance)
    with pytest.raises(lf.FrontendError) as error:
        cluster.monitor.history(None, None, 600.0, instance="nobody")
    assert error.value.status == 404


# -- engines


def test_an_engine_that_is_not_well_is_degraded_until_it_says_so():
    cluster = Cluster({"api": recorded("vllm_0.14.0")})
    cluster.round()
    cluster.answers["api"]["/health"] = (503, b"")
    cluster.round(70.0)
    assert cluster.node("api")["reasons"] == ["health check: status 503"]
    cluster.round()
    assert cluster.node("api")["state"] == "degraded"
    cluster.answers["api"]["/health"] = (200, b"")
    cluster.round()
    assert cluster.node("api")["state"] == "up"


# -- a node that is not well


def says_unhealthy(message=None, success=False):
    """A worker that reports itself unhealthy, and what its health monitor said last."""
    page = worker(0)["/metrics"] + b'lmcache:lmcache_is_healthy{role="worker"} 0\n'
    answers = {**worker(0), "/metrics": page}
    if message:
        said = {"last_summary": {"success": success, "message": message}}
        answers["/periodic-threads/health-monitor-thread"] = said
    return answers


FAILED = "Failed checks: ['RemoteBackendHealthCheck(redis://u:s3cret@kv:6379)']"


@pytest.mark.parametrize(
    "answers, reason",
    [
        (says_unhealthy(), "reports itself unhealthy"),
        (says_unhealthy("All checks passed", success=True), "reports itself unhealthy"),
        (says_unhealthy("disk on fire"), "reports itself unhealthy: disk on fire"),
        (
            says_unhealthy("Failed checks: ['A(x)', 'B(y)']"),
            "reports itself unhealthy: A(x), B(y) failed",
        ),
        (
            says_unhealthy(FAILED),
            "reports itself unhealthy: RemoteBackendHealthCheck(redis://%s@kv:6379) failed"
            % lf.MASK,
        ),
    ],
)
def test_an_unhealthy_node_is_told_with_the_checks_that_failed(answers, reason):
    cluster = Cluster({"w0": answers})
    cluster.round(times=3)
    assert cluster.node("w0")["reasons"] == [reason]
    (found,) = cluster.monitor.status()["alerts"]
    assert found["text"] == "w0 is degraded: " + reason
    cluster.answers["w0"] = worker(0)
    cluster.round(times=2)
    assert cluster.node("w0")["state"] == "up"


def test_a_healthy_node_is_not_asked_for_its_checks_and_an_unhealthy_one_in_each_round():
    cluster = Cluster({"w0": worker(0)})
    cluster.round(70.0, times=2)
    assert not [path for _, path in cluster.asked if "health-monitor" in path]
    cluster.answers["w0"] = says_unhealthy(FAILED)
    cluster.round(times=3)
    assert len([path for _, path in cluster.asked if "health-monitor" in path]) == 3


def test_two_polls_at_once_tell_each_reason_once():
    answers = says_unhealthy(FAILED)
    answers["/version"] = lf.FetchError("connection reset")
    cluster = Cluster({"w0": answers})
    cluster.seconds = 2.7
    cluster.round()
    meanwhile = [True]

    def version(job):
        if meanwhile and not meanwhile.clear():
            cluster.monitor.refresh("w0")
        return lf.FetchError("connection reset")

    answers["/version"] = version
    cluster.round(70.0)
    reasons = cluster.node("w0")["reasons"]
    assert not meanwhile and len(reasons) == 3 and len(set(reasons)) == 3


# -- patience


def test_a_node_that_takes_seconds_is_slow_and_up_when_it_is_quick_again():
    cluster = Cluster({"w0": worker(0)})
    cluster.seconds = 3.4
    cluster.round()
    assert cluster.node("w0")["state"] == "degraded"
    assert cluster.node("w0")["reasons"] == ["slow response (3.4 s)"]
    cluster.seconds = 1.4
    cluster.round()
    assert cluster.node("w0")["state"] == "up"


def test_a_node_keeps_its_reasons_until_it_has_answered_every_question():
    cluster = Cluster({"w0": {**worker(0), "/version": "0.5.6"}})
    cluster.seconds = 3.4
    cluster.round()
    seen = []

    def answer(job):
        seen.append(cluster.monitor.health("w0")[1]["reasons"])
        return "0.5.6"

    cluster.answers["w0"]["/version"] = answer
    cluster.round(70.0)
    assert seen == [["slow response (3.4 s)"]]
    assert cluster.node("w0")["reasons"] == ["slow response (3.4 s)"]


def test_a_node_that_once_answers_too_late_is_slow_and_only_then_down():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    good = cluster.answers["w0"]["/metrics"]
    cluster.answers["w0"]["/metrics"] = lf.FetchError("no response within 10 s", True, True)
    cluster.round()
    node = cluster.node("w0")
    assert (node["state"], node["reasons"]) == ("degraded", ["no response within 10 s"])
    cluster.round()
    assert cluster.node("w0")["state"] == "down"
    cluster.answers["w0"]["/metrics"] = good
    cluster.round()
    assert cluster.node("w0")["state"] == "up"


def test_a_full_budget_of_answers_is_told_as_ours_and_not_as_the_nodes(node):
    lf.BUDGET.take(lf.RESPONSE_BUDGET, 0.0)
    try:
        with pytest.raises(lf.BudgetFull, match="too many responses"):
            lf.fetch_url("http://%s/metrics" % node.address, {}, 0.2)
    finally:
        lf.BUDGET.give_back(lf.RESPONSE_BUDGET)


@pytest.mark.parametrize("path", ["/metrics", "/meta"])
def test_a_node_keeps_its_state_while_there_is_no_room_for_its_answer(path):
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    cluster.answers["w0"][path] = lf.BudgetFull()
    cluster.round(60.0, times=3)
    node = cluster.node("w0")
    assert (node["state"], node["reasons"], node["error"]) == ("up", [], None)


def test_a_node_that_accepts_no_connection_is_down_at_once():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    cluster.answers["w0"]["/metrics"] = lf.FetchError("no connection within 2 s")
    cluster.round()
    assert cluster.node("w0")["state"] == "down"


# -- events


def test_outages_and_degradations_become_events_with_their_durations():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    answers = cluster.answers.pop("w0")
    cluster.round()
    cluster.answers["w0"] = answers
    cluster.round(130.0)
    answers["/metrics"] = (500, b"")
    cluster.round()
    events = cluster.monitor.events.query()["events"]
    assert [(event["kind"], event["text"]) for event in events] == [
        ("node_degraded", "w0 is degraded: /metrics responds with 500"),
        ("node_up", "w0 is up again after 2 min"),
        ("node_down", "w0 is down: connection refused"),
    ]
    assert [event["until"] is None for event in events] == [True, False, False]


def test_an_outage_tells_its_first_reason_and_the_present_one_as_its_alert_does():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    answers = cluster.answers.pop("w0")

    def told(reason):
        if reason:
            cluster.answers["w0"] = {"/metrics": lf.FetchError(reason)}
        cluster.round(70.0, times=2)
        both = cluster.monitor.events.query()["events"]
        texts = {event["kind"]: event["text"] for event in both if event["kind"] != "node_up"}
        [alert] = [one["text"] for one in cluster.monitor.status()["alerts"]] or [None]
        return texts["node_down"], texts["alert"], alert

    said, then = "w0 is unreachable: ", "w0 is down: connection refused, then "
    refused = said + "connection refused"
    assert told("") == ("w0 is down: connection refused", refused, refused)
    gone = said + "no such socket"
    assert told("no such socket") == (then + "no such socket", gone, gone)
    assert told("connection refused")[0] == "w0 is down: connection refused", "as at first"
    full = said + "no route to host"
    assert told("no route to host") == (then + "no route to host", full, full)
    changes = cluster.monitor.events.changed_since(0)[-1].changed
    cluster.round(70.0, times=2)
    assert not cluster.monitor.events.changed_since(changes)
    cluster.answers["w0"] = answers
    assert told("")[:2] == (then + "no route to host", full)
    [down] = [e for e in cluster.monitor.events.query()["events"] if e["kind"] == "node_down"]
    assert down["reasons"] == ["connection refused", "no route to host"]


def test_how_slow_a_node_is_at_each_poll_is_no_new_reason():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    for seconds in (2.5, 3.5, 2.2, 4.0):
        cluster.slow["w0"] = seconds
        cluster.round()
    events = cluster.monitor.events.query()["events"]
    said = "w0 is degraded: slow response (%s s)"
    # An alert begins at the second poll.
    assert {event["text"] for event in events} == {said % 2.5, said % 3.5}


def test_a_changed_setting_becomes_an_event_with_secrets_masked():
    cluster = Cluster({"w0": worker(0, remote_url="redis://u:secret@h/0", api_key="hush")})
    cluster.round()
    cluster.answers["w0"]["/conf"].update(chunk_size=128, api_key="other")
    cluster.round(70.0)
    event = cluster.monitor.events.query()["events"][0]
    assert event["kind"] == "changed" and event["changes"]["chunk_size"] == ["256", "128"]
    assert "hush" not in json.dumps(event) and "other" not in json.dumps(event)


def test_nodes_that_are_added_and_removed_become_events():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()
    cluster.set_nodes([{"name": "w1", "host": "127.0.0.1", "port": 9001}])
    cluster.round()
    events = cluster.monitor.events.query()["events"]
    texts = [event["text"] for event in events if event["kind"] == "nodes"]
    assert texts == ["Removed a node: w0", "Added a node: w1"]
    racks = [{"name": name, "host": "127.0.0.1", "port": 9002, "nodes": []} for name in ("a", "b")]
    cluster.set_nodes([*racks, {"name": "w1", "host": "127.0.0.1", "port": 9001}])
    cluster.round()
    newest = cluster.monitor.events.query(lf.EventFilter(nodes=("b",)))["events"][-1]
    assert (newest["text"], newest["added"]) == ("Added 2 frontends: a, b", ["a", "b"])


def test_events_of_nodes_hold_the_names_that_their_text_leaves_out():
    cluster = Cluster({"w0": worker(0)})
    cluster.round()

    def add(names):
        cluster.set_nodes([{"name": name, "host": "127.0.0.1", "port": 9001} for name in names])
        cluster.round()

    first, others = ["w%02d" % n for n in range(5)], ["w00", "w01", "w02", "x03", "x04"]
    for names in (first, [], others):
        add(["w0", *names])
    events = [one for one in cluster.monitor.events.query()["events"] if one["kind"] == "nodes"]
    text = "Added 5 nodes: w00, w01, w02 and 2 more"
    assert [one["text"] for one in events if "added" in one] == [text, text]
    assert [one.get("added") or one["removed"] for one in events] == [others, first, first]
    add(["w0", *others, *("y%03d" % n for n in range(201))])
    for node, times in (("w04", 2), ("x04", 1), ("w00", 3), ("z", 0)):
        only = lf.EventFilter(nodes=(node,), kinds=("nodes",))
        assert len(cluster.monitor.events.query(only)["events"]) == times, node
    only = lf.EventFilter(kinds=("nodes",))
    [newest] = cluster.monitor.events.query(only, 1)["events"]
    assert newest["text"].startswith("Added 201 nodes: ") and len(newest["added"]) == 200


def test_a_thread_that_read_the_nodes_earlier_does_not_bring_back_what_was_removed():
    cluster = Cluster({"w0": worker(0), "w1": worker(1)})
    cluster.round()
    watched, read = cluster.monitor.watched, cluster.registry.leaves

    def leaves_while_another_thread_is_faster():
        cluster.registry.leaves = read
        early = read()
        cluster.set_nodes([])
        watched.follow()
        return early

    cluster.set_nodes(cluster.entries[:1])
    cluster.registry.leaves = leaves_while_another_thread_is_faster
    watched.follow()
    assert not watched.nodes and watched.registry_version == cluster.registry.version
    events = cluster.monitor.events.query()["events"]
    assert [event["text"] for event in events] == ["Removed 2 nodes: w0, w1"]


# -- probes


def test_the_health_of_one_node_is_told_with_its_reasons():
    cluster = Cluster({"w0": worker(0)})
    assert cluster.monitor.health("w0")[0] is False
    cluster.round()
    up = (True, {"node": "w0", "state": "up", "reasons": []})
    assert cluster.monitor.health("w0") == up
    cluster.answers.clear()
    cluster.round()
    is_up, shown = cluster.monitor.health("w0")
    assert (is_up, shown["reasons"]) == (False, ["connection refused"])
    with pytest.raises(lf.FrontendError) as error:
        cluster.monitor.health("w9")
    assert error.value.status == 404


def test_a_probe_gets_200_for_a_node_that_is_up_and_503_with_reasons_otherwise(start, node):
    front = start(
        "--node", f"w0={node.address}", "--node", "w1=127.0.0.1:1", "--poll-interval", "1"
    )
    wait_for(lambda: front.ask("/api/nodes/w0/health").status == 200)
    answer = wait_for(
        lambda: (
            "w1" in front.ask("/api/nodes/w1/health").json()["node"]
            and front.ask("/api/nodes/w1/health")
        )
    )
    assert answer.status == 503 and answer.json()["reasons"]
    assert front.ask("/api/nodes/w9/health").status == 404


def test_a_node_that_is_removed_while_it_is_asked_leaves_no_lasting_event():
    def vanish(job):
        cluster.set_nodes([{"name": "w1", "host": "127.0.0.1", "port": 9001}])
        cluster.monitor.status()
        return lf.FetchError("connection reset")

    cluster = Cluster({"w0": {"/metrics": vanish}})
    cluster.round()
    events = cluster.monitor.events.query()["events"]
    assert [event["kind"] for event in events if event["node"] == "w0"] == ["nodes"]


@pytest.mark.parametrize("start", ["NaN", "+Inf", "never"])
def test_a_start_that_is_no_time_is_no_restart(start):
    page = b"lmcache:num_hit_tokens_total 1\nprocess_start_time_seconds %b\n"
    cluster = Cluster({"w0": {**worker(0), "/metrics": page % start.encode()}})
    cluster.round(times=4)
    events = cluster.monitor.events.query()["events"]
    assert "restart" not in {event["kind"] for event in events}


def test_a_document_of_too_many_values_is_no_json():
    most = lf.MAX_JSON_VALUES
    assert len(lf.loads(b"[" + b"{}," * most + b"{}]")) == most + 1
    for text in (b"[" + b"{}," * (most + 1) + b"{}]", "[" + "1," * (most + 1) + "1]"):
        with pytest.raises(ValueError, match="more than %d values" % most):
            lf.loads(text)


@pytest.mark.slow
def test_large_pages_take_little_memory_and_leave_none_behind(start, node):
    line = b'lmcache:x{model_name="%b",role="worker"} 1\n' % (b"m" * 4000)
    page = line * ((30 << 20) // len(line))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page)
    front = start("--node", f"w0={node.address}", "--poll-interval", "0.2")
    wait_for(lambda: front.ask("/api/nodes/w0/health").status == 200)
    before = front.rss()
    front.reset_peak()
    node.exact["/metrics"] = head + page

    def pages():
        return sum(request.target == "/metrics" for request in list(node.requests))

    had = pages()
    wait_for(lambda: pages() > had + 8, 120)
    assert front.peak() < before + 64
