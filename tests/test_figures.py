"""What is measured: figures against arithmetic on recorded pages, ranks, sources, groups."""

import collections
import pathlib
import re
import time

import pytest

import lmcache_frontend as lf
from support.frontend import wait_for

PAYLOADS = pathlib.Path(__file__).parent / "payloads"
SECONDS = dict(
    re.findall(r"(?m)^\| (\w[\w.]+) \| (\d+\.\d) \|$", (PAYLOADS / "README.md").read_text())
)
SAMPLE = re.compile(r"([^{ ]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')


def figures_of(window):
    """The figures of a node with these readings."""
    return lf.figures_of(lf.complete(lf.growth_of(window)))


class Page:
    """A page read in the simplest way, to check the real reader against."""

    def __init__(self, text):
        self.samples = []
        for line in text.split("\n"):
            found = SAMPLE.fullmatch(line)
            if found and not line.startswith("#"):
                labels = dict(LABEL.findall(found[2] or ""))
                self.samples.append((found[1], labels, float(found[3])))

    def total(self, name, **wanted):
        """The sum of a family's samples that have these labels."""
        return sum(
            value
            for found, labels, value in self.samples
            if found == name and all(labels.get(key) == want for key, want in wanted.items())
        )

    def buckets(self, name):
        counts = collections.Counter()
        for found, labels, value in self.samples:
            if found == name + "_bucket":
                counts[float(labels["le"])] += value
        return counts


class Pair:
    """Two readings of one node, and what its counters grew by per second."""

    def __init__(self, folder):
        self.seconds = float(SECONDS[folder])
        texts = [(PAYLOADS / folder / f"metrics_{which}.txt").read_bytes() for which in "ab"]
        self.before, self.after = [Page(text.decode()) for text in texts]
        window = collections.deque()
        for at, text in zip((0.0, self.seconds), texts):
            assert lf.keep_reading(window, lf.take_snapshot(text, at)) is False
        self.figures = figures_of(window)

    def grew(self, name, **labels):
        return self.after.total(name, **labels) - self.before.total(name, **labels)

    def rate(self, *names, **labels):
        return sum(self.grew(name, **labels) for name in names) / self.seconds

    def per_rank(self, name, ranks=2, **labels):
        """What each of several workers counts alike; the scheduler on the page counts nothing."""
        return self.rate(name, role="worker", **labels) / ranks

    def quantile(self, name, q, scale=1.0):
        """As PromQL's histogram_quantile, written down a second time."""
        grown = self.after.buckets(name)
        grown.subtract(self.before.buckets(name))
        rank = q * grown[float("inf")]
        lower = below = 0.0
        for bound in sorted(grown):
            if grown[bound] >= rank and grown[bound] > below:
                if bound == float("inf"):
                    return lower * scale
                return (lower + (bound - lower) * (rank - below) / (grown[bound] - below)) * scale
            lower, below = bound, grown[bound]
        raise AssertionError("nothing was counted")


IN_PROCESS_WORKERS = ("worker_0.3.5", "worker_0.3.10", "worker_0.4.4")
SHARED_PAGES = (
    "multiproc_page_0.5.6",
    "vllm_0.11.0_lmcache_0.3.10",
    "vllm_0.14.0_lmcache_0.4.4",
)
ENGINES = (
    "vllm_0.11.0_lmcache_0.3.10",
    "vllm_0.14.0_lmcache_0.4.4",
    "sglang_0.5.6_lmcache_0.4.4",
)


# -- figures are what arithmetic on the pages gives


@pytest.mark.parametrize("folder", IN_PROCESS_WORKERS)
def test_a_workers_figures_are_what_arithmetic_on_its_pages_gives(folder):
    pair = Pair(folder)
    lookups, hits = (
        pair.grew("lmcache:num_lookup_tokens_total"),
        pair.grew("lmcache:num_lookup_hits_total"),
    )
    expected = {
        "lookup_hit_rate": hits / lookups,
        "retrieve_hit_rate": pair.grew("lmcache:num_hit_tokens_total")
        / pair.grew("lmcache:num_requested_tokens_total"),
        "requested_tokens_per_second": pair.rate("lmcache:num_requested_tokens_total"),
        "hit_tokens_per_second": pair.rate("lmcache:num_hit_tokens_total"),
        "requests_per_second": pair.rate(
            "lmcache:num_lookup_requests_total",
            "lmcache:num_retrieve_requests_total",
            "lmcache:num_store_requests_total",
        ),
        "evictions_per_second": pair.rate("lmcache:local_cpu_evict_keys_count_total"),
        "remote_write_bytes_per_second": pair.rate("lmcache:num_remote_write_bytes_total"),
        "local_cache_bytes": pair.after.total("lmcache:local_cache_usage"),
        "local_storage_bytes": pair.after.total("lmcache:local_storage_usage"),
        "retrieve_p50": pair.quantile("lmcache:time_to_retrieve", 0.5),
        "retrieve_p99": pair.quantile("lmcache:time_to_retrieve", 0.99),
        "store_p90": pair.quantile("lmcache:time_to_store", 0.9),
        "store_speed_p50": pair.quantile("lmcache:store_speed", 0.5),
        "remote_write_p99": pair.quantile("lmcache:remote_time_to_put", 0.99, scale=0.001),
    }
    if folder != "worker_0.3.5":
        expected["stored_tokens_per_second"] = pair.rate("lmcache:num_stored_tokens_total")
        expected["zero_hit_lookups_per_second"] = pair.rate("lmcache:lookup_0_hit_requests_total")
        expected["cache_lifespan_p50"] = pair.quantile("lmcache:request_cache_lifespan", 0.5, 60)
        expected["request_hit_rate_p50"] = pair.quantile("lmcache:request_cache_hit_rate", 0.5)
    for name, value in expected.items():
        assert pair.figures[name] == pytest.approx(value), name


@pytest.mark.parametrize("folder", SHARED_PAGES)
def test_ranks_on_one_page_count_tokens_once_and_bytes_and_evictions_each(folder):
    pair = Pair(folder)
    expected = {
        "hit_tokens_per_second": pair.per_rank("lmcache:num_hit_tokens_total"),
        "stored_tokens_per_second": pair.per_rank("lmcache:num_stored_tokens_total"),
        "lookup_tokens_per_second": pair.rate("lmcache:num_lookup_tokens_total", role="scheduler"),
        "requests_per_second": pair.rate("lmcache:num_lookup_requests_total", role="scheduler")
        + pair.per_rank("lmcache:num_retrieve_requests_total")
        + pair.per_rank("lmcache:num_store_requests_total"),
        "lookup_hit_rate": pair.grew("lmcache:num_lookup_hits_total")
        / pair.grew("lmcache:num_lookup_tokens_total"),
        "evictions_per_second": pair.rate("lmcache:local_cpu_evict_keys_count_total"),
        "remote_read_bytes_per_second": pair.rate("lmcache:num_remote_read_bytes_total"),
        "local_cache_bytes": pair.after.total("lmcache:local_cache_usage"),
        "retrieve_p90": pair.quantile("lmcache:time_to_retrieve", 0.9),
    }
    for name, value in expected.items():
        assert pair.figures[name] == pytest.approx(value), name


def test_ranks_without_a_role_are_ranks_by_their_worker_id():
    pair = Pair("sglang_0.5.6_lmcache_0.4.4")
    expected = pair.rate("lmcache:num_hit_tokens_total") / 2
    assert pair.figures["hit_tokens_per_second"] == pytest.approx(expected)


@pytest.mark.parametrize("folder", ENGINES)
def test_two_engines_on_one_page_are_two_sums(folder):
    pair = Pair(folder)
    engine = "sglang" if folder.startswith("sglang") else "vllm"
    names = {
        "vllm": ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"),
        "sglang": ("num_running_reqs", "num_queue_reqs", "token_usage"),
    }[engine]
    running, waiting, usage = [pair.after.total(f"{engine}:{name}") for name in names]
    expected = {
        "running_requests": running,
        "waiting_requests": waiting,
        "kv_usage_ratio": usage / 2,
        "prompt_tokens_per_second": pair.rate(f"{engine}:prompt_tokens_total"),
        "generation_tokens_per_second": pair.rate(f"{engine}:generation_tokens_total"),
        "ttft_p50": pair.quantile(f"{engine}:time_to_first_token_seconds", 0.5),
        "itl_p99": pair.quantile(f"{engine}:inter_token_latency_seconds", 0.99),
    }
    for name, value in expected.items():
        assert pair.figures[name] == pytest.approx(value), name


def test_tensor_parallel_ranks_of_sglang_have_the_same_requests():
    text = b""
    for labels in (b'dp_rank="0",tp_rank="0"', b'dp_rank="0",tp_rank="1"', b'dp_rank="1"'):
        text += b"sglang:num_running_reqs{%b} 5\n" % labels
    assert measured((0.0, text), (60.0, text))["running_requests"] == 10.0


def test_vllms_external_cache_has_a_hit_rate_from_the_version_on_that_counts_it():
    pair = Pair("vllm_0.14.0_lmcache_0.4.4")
    queries, hits = (f"vllm:external_prefix_cache_{what}_total" for what in ("queries", "hits"))
    assert pair.figures["external_prefix_hit_rate"] == pytest.approx(
        pair.grew(hits) / pair.grew(queries)
    )
    assert "external_prefix_hit_rate" not in Pair("vllm_0.11.0_lmcache_0.3.10").figures


def test_an_mp_server_of_0_4_4_is_measured_in_chunks_of_its_size():
    pair = Pair("mp_0.4.4_metrics_port")
    found, missed = (
        pair.grew(f"lmcache_mp_sm_read_{what}_keys_total") for what in ("succeed", "failed")
    )
    from_l2 = pair.grew("lmcache_mp_l2_prefetch_hit_keys_total")
    figures = pair.figures
    assert figures["lookup_hit_rate"] == pytest.approx((found + from_l2) / (found + missed))
    assert figures["hit_tokens_per_second"] == pytest.approx(256 * found / pair.seconds)
    assert figures["evictions_per_second"] == 0.0
    assert figures["stores_in_flight"] == 0.0
    assert "retrieve_hit_rate" not in figures


def test_the_first_mp_servers_wrote_a_colon_in_their_names():
    text = (
        b"lmcache_mp:sm_read_succeed_keys_total %d\nlmcache_mp:sm_read_failed_keys_total %d\n"
        b"lmcache_mp:l1_evicted_keys_total %d\n"
    )
    figures = measured((0.0, text % (0, 0, 0)), (60.0, text % (30, 10, 120)))
    assert figures["lookup_hit_rate"] == 0.75
    assert figures["evictions_per_second"] == 2.0


def test_an_mp_server_of_0_5_0_is_measured_in_tokens_and_layers():
    pair = Pair("mp_0.5.0")
    requested = pair.grew("lmcache_mp_lookup_requested_tokens_total")
    hit = pair.grew("lmcache_mp_lookup_hit_tokens_total")
    speeds = "lmcache_mp_l2_store_throughput_GB_per_second"
    expected = {
        "lookup_hit_rate": hit / requested,
        "l1_hit_rate": hit / requested,
        "l2_hit_rate": 0.0,
        "requested_tokens_per_second": requested / pair.seconds,
        "stored_tokens_per_second": 256 * pair.rate("lmcache_mp_l1_write_chunks_total"),
        "l1_usage_ratio": pair.after.total("lmcache_mp_l1_usage_ratio"),
        "local_cache_bytes": pair.after.total("lmcache_mp_l1_memory_usage_bytes"),
        "remote_cache_bytes": 0.0,
        "l2_store_bytes_per_second": 1e9
        * pair.grew(speeds + "_sum")
        / pair.grew(speeds + "_count"),
        "l2_stores_per_second": pair.rate("lmcache_mp_l2_store_submitted_requests_total"),
        "stores_in_flight": 0.0,
        "reuse_gap_p50": pair.quantile("lmcache_mp_real_reuse_gap_seconds", 0.5),
    }
    for name, value in expected.items():
        assert pair.figures[name] == pytest.approx(value), name


@pytest.mark.parametrize("folder", ["scheduler_0.3.10", "scheduler_0.4.4"])
def test_a_scheduler_has_no_figures_of_what_it_does_not_count(folder):
    assert set(Pair(folder).figures) <= {"queue_size", "healthy", "failures_per_second"}


# -- meaning


def measured(*pages):
    """The figures of a node with these pages: pairs of seconds and text."""
    window = collections.deque()
    for at, text in pages:
        lf.keep_reading(window, lf.take_snapshot(text, at))
    return figures_of(window)


def grown(text, *values, seconds=60.0):
    """The figures of a node whose page held zeros a minute ago, and these values now."""
    return measured((0.0, text % ((0,) * len(values))), (seconds, text % values))


def test_after_one_reading_nothing_covers_a_nodes_whole_life():
    text = b"lmcache:num_lookup_tokens_total 100\nlmcache:num_lookup_hits_total 60\n"
    text += b'lmcache:time_to_retrieve_bucket{le="1"} 9\nlmcache:local_cache_usage 5\n'
    assert measured((0.0, text)) == {"local_cache_bytes": 5.0}


def test_without_traffic_a_hit_rate_is_not_known():
    text = b"lmcache:num_lookup_tokens_total 100\nlmcache:num_lookup_hits_total 60\n"
    assert "lookup_hit_rate" not in measured((0.0, text), (60.0, text))


def counter_at(at, value):
    return at, b"lmcache:num_hit_tokens_total %d\n" % value


@pytest.mark.parametrize(
    "times",
    [
        [10.0 * count + jitter for count, jitter in enumerate((0, 0.02, -0.03, 0.01, 0, 0.02) * 3)],
        [5.0 * count for count in range(40)],
        [float(count) for count in range(200)],
    ],
)
def test_rates_are_taken_over_a_minute_because_nodes_count_in_steps_of_ten_seconds(times):
    window = collections.deque()
    for at in times:
        counted = 100 * int((at + 0.5) // 10)
        lf.keep_reading(window, lf.take_snapshot(counter_at(at, counted)[1], at))
        if at >= 60.0:
            assert window[-1].at - window[0].at == pytest.approx(60.0, abs=0.1)
            rate = figures_of(window)["hit_tokens_per_second"]
            assert rate == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize(
    "interval, seconds", [(15.0, 60.0), (20.0, 60.0), (45.0, 45.0), (300.0, 300.0)]
)
def test_the_window_is_the_multiple_of_the_interval_that_is_nearest_to_a_minute(interval, seconds):
    window = collections.deque()
    for count in range(10):
        lf.keep_reading(window, lf.take_snapshot(b"", count * interval))
    assert window[-1].at - window[0].at == seconds


def test_the_readings_kept_of_a_node_are_bounded_whatever_the_interval():
    window = collections.deque()
    for count in range(2000):
        lf.keep_reading(window, lf.take_snapshot(b"", count * 0.1))
    assert len(window) <= lf.WINDOW / lf.MIN_SPACING + 2


def test_a_restarted_node_is_noticed_and_has_no_negative_rates():
    window = collections.deque()
    said = []
    for at, value in ((0.0, 500), (40.0, 900), (80.0, 10), (120.0, 410)):
        said.append(lf.keep_reading(window, lf.take_snapshot(counter_at(at, value)[1], at)))
    assert said == [False, False, True, False]
    assert figures_of(window)["hit_tokens_per_second"] == pytest.approx(10.0)


@pytest.mark.parametrize("now, restarted", [(4, True), (5, False), (6, False)])
def test_a_histogram_that_went_back_is_a_restart_and_one_that_grew_is_none(now, restarted):
    text = b'lmcache:time_to_store_bucket{le="+Inf"} %d\n'
    old, new = lf.take_snapshot(text % 5, 0.0), lf.take_snapshot(text % now, 10.0)
    assert lf.was_reset(old, new) is restarted


def test_a_counter_that_appears_later_was_zero_before():
    figures = measured((0.0, b""), counter_at(60.0, 600))
    assert figures["hit_tokens_per_second"] == 10.0


def test_evictions_are_counted_in_chunks_and_not_in_allocations():
    text = b"lmcache:local_cpu_evict_count_total %d\nlmcache:local_cpu_evict_keys_count_total %d\n"
    assert grown(text, 60, 3840)["evictions_per_second"] == 64.0


def test_a_retrieval_that_is_slow_by_time_and_by_speed_counts_once():
    text = b"lmcache:num_slow_retrieval_by_time_total %d\n"
    text += b"lmcache:num_slow_retrieval_by_speed_total %d\n"
    assert grown(text, 60, 30)["slow_retrievals_per_second"] == 1.0


@pytest.mark.parametrize(
    "name, figure", [(b"remote_cache_usage", "remote_cache_bytes"), (b"x", "remote_ping_seconds")]
)
def test_a_gauge_that_nothing_sets_is_unknown_and_not_zero(name, figure):
    name = b"remote_ping_latency" if name == b"x" else name
    assert figure not in measured((0.0, b"lmcache:%s 0.0\n" % name))
    assert measured((0.0, b"lmcache:%s 12.0\n" % name))[figure] in (12.0, 0.012)


def test_a_gauge_with_a_header_and_no_sample_is_unknown_and_not_zero():
    text = b"# TYPE lmcache:lmcache_is_healthy gauge\n# TYPE lmcache:kv_msg_queue_size gauge\n"
    assert measured((0.0, text)) == {}


def test_an_mp_servers_empty_l2_is_a_fact():
    text = b'lmcache_mp_l2_usage_bytes{l2_name="fs"} 0.0\n'
    assert measured((0.0, text))["remote_cache_bytes"] == 0.0


def test_a_rank_that_begins_to_count_later_does_not_look_like_a_restart():
    text = b'lmcache:num_hit_tokens_total{role="worker",worker_id="0"} %d\n'
    text += b'lmcache:num_hit_tokens_total{role="worker",worker_id="1"} %d\n'
    window = collections.deque()
    for at, values in ((0.0, (100, 0)), (60.0, (700, 1))):
        assert not lf.keep_reading(window, lf.take_snapshot(text % values, at))


def test_where_old_and_new_names_are_on_one_page_the_new_ones_count():
    text = b"vllm:kv_cache_usage_perc 0.5\nvllm:gpu_cache_usage_perc 0.4\n"
    assert measured((0.0, text))["kv_usage_ratio"] == 0.5
    assert measured((0.0, b"vllm:gpu_cache_usage_perc 0.4\n"))["kv_usage_ratio"] == 0.4


def test_what_is_in_flight_is_submitted_less_finished():
    text = b"lmcache_mp_l2_prefetch_load_submitted_requests_total 9\n"
    text += b'lmcache_mp_l2_load_completed_requests_total{l2_name="fs"} 4\n'
    text += b'lmcache_mp_l2_load_completed_requests_total{l2_name="s3"} 2\n'
    text += b"lmcache_mp_active_prefetch_jobs 1\n"
    assert measured((0.0, text))["loads_in_flight"] == 3.0
    assert measured((0.0, b"lmcache_mp_active_prefetch_jobs 1\n"))["loads_in_flight"] == 1.0


def test_quantiles_are_of_what_was_counted_within_the_window():
    text = b'lmcache:time_to_retrieve_bucket{le="0.1"} %d\n'
    text += b'lmcache:time_to_retrieve_bucket{le="1.0"} %d\n'
    text += b'lmcache:time_to_retrieve_bucket{le="+Inf"} %d\n'
    figures = measured((0.0, text % (900, 900, 900)), (60.0, text % (900, 910, 910)))
    assert 0.1 < figures["retrieve_p50"] < 1.0


def test_a_bucket_that_counts_down_does_not_bend_a_quantile():
    text = b'lmcache:time_to_retrieve_bucket{le="0.1"} %d\n'
    text += b'lmcache:time_to_retrieve_bucket{le="1.0"} %d\n'
    text += b'lmcache:time_to_retrieve_bucket{le="+Inf"} %d\n'
    figures = measured((0.0, text % (5, 5, 5)), (60.0, text % (4, 15, 15)))
    assert figures["retrieve_p50"] == pytest.approx(0.55)


# -- where the tokens came from


def sources(figures):
    return {
        name[len("source_") :]: rate
        for name, rate in figures.items()
        if name.startswith("source_") and rate
    }


@pytest.mark.parametrize("folder", SHARED_PAGES[1:] + ("sglang_0.5.6_lmcache_0.4.4",))
def test_sources_add_up_to_the_prompt_tokens(folder):
    figures = Pair(folder).figures
    asked = figures["prompt_tokens_per_second"]
    if folder == "vllm_0.11.0_lmcache_0.3.10":
        # Before 0.12 vLLM does not say what came from outside: LMCache's own count is used.
        asked = Pair(folder).rate("lmcache:num_prompt_tokens_total")
    assert sum(sources(figures).values()) == pytest.approx(asked)


BY_SOURCE = b"""\
vllm:prompt_tokens_total %d
vllm:prefix_cache_hits_total 0
vllm:prompt_tokens_by_source_total{source="local_compute"} %d
vllm:prompt_tokens_cached_by_source_total{source="device"} %d
vllm:prompt_tokens_cached_by_source_total{source="host"} %d
vllm:prompt_tokens_cached_by_source_total{source="disk"} %d
vllm:prompt_tokens_cached_by_source_total{source="p2p"} %d
vllm:prompt_tokens_cached_by_source_total{source="external_unspecified"} %d
"""


def test_a_vllm_that_tells_the_sources_is_believed():
    figures = grown(BY_SOURCE, 6000, 600, 1200, 1800, 600, 300, 1500)
    assert sources(figures) == {
        "computed": 10.0,
        "gpu": 20.0,
        "l1": 30.0,
        "disk": 10.0,
        "remote": 5.0,
        "lmcache": 25.0,
    }


EXTERNAL = b"""\
vllm:prompt_tokens_total %d
vllm:prefix_cache_queries_total %d
vllm:prefix_cache_hits_total %d
vllm:external_prefix_cache_hits_total %d
"""


def test_an_engine_that_counts_external_hits_leaves_their_layer_open():
    figures = grown(EXTERNAL, 6000, 6000, 1200, 600)
    assert sources(figures) == {"computed": 70.0, "gpu": 20.0, "lmcache": 10.0}


def test_an_engine_that_does_not_say_what_came_from_outside_has_no_sources():
    figures = grown(b"\n".join(EXTERNAL.split(b"\n")[:3]) + b"\n", 6000, 6000, 1200)
    assert figures["prompt_tokens_per_second"] == 100.0 and sources(figures) == {}


IN_PROCESS = b"""\
lmcache:num_prompt_tokens_total %d
lmcache:num_vllm_hit_tokens_total %d
lmcache:num_retrieve_requests_total %d
lmcache:num_lookup_hits_total %d
lmcache:num_hit_tokens_total %d
lmcache:num_remote_read_bytes_total %d
"""


@pytest.mark.parametrize(
    "remote_bytes, disk, layer", [(0, b"", "l1"), (9, b"", "lmcache"), (0, b"8", "lmcache")]
)
def test_in_process_hits_are_l1s_when_no_other_layer_is_in_use(remote_bytes, disk, layer):
    text = IN_PROCESS + (b"lmcache:local_storage_usage %s\n" % disk if disk else b"")
    figures = grown(text, 6000, 1200, 60, 1800, 1800, remote_bytes)
    assert sources(figures) == {"computed": 50.0, "gpu": 20.0, layer: 30.0}
    assert figures["tokens_saved_per_second"] == 30.0


def test_a_scheduler_alone_does_not_know_what_its_workers_loaded():
    figures = grown(IN_PROCESS, 6000, 1200, 0, 1800, 0, 0)
    assert sources(figures) == {}
    figures = grown(IN_PROCESS, 6000, 1200, 0, 0, 0, 0)
    assert sources(figures) == {"computed": 80.0, "gpu": 20.0}


def test_an_mp_server_alone_divides_the_tokens_that_were_looked_up():
    text = b"lmcache_mp_lookup_requested_tokens_total %d\nlmcache_mp_lookup_hit_tokens_total %d\n"
    text += b"lmcache_mp_lookup_hit_l1_tokens_total %d\nlmcache_mp_lookup_hit_l2_tokens_total %d\n"
    figures = grown(text, 6000, 3000, 2400, 600)
    assert sources(figures) == {"computed": 50.0, "l1": 40.0, "remote": 10.0}
    assert (figures["l1_hit_rate"], figures["l2_hit_rate"]) == (0.4, 0.1)


# -- several nodes together


def growth(*pages):
    window = collections.deque()
    for at, text in pages:
        lf.keep_reading(window, lf.take_snapshot(text, at))
    return lf.growth_of(window)


def member(name, text, *values, kind="worker", group="e", rank=None, model="m", limit=None, of=""):
    counted = growth((0.0, text % ((0,) * len(values))), (60.0, text % values))
    rank = name if rank is None else rank
    return lf.Member(name, kind, group, rank, model, counted, limit, of)


HITS = b"lmcache:num_requested_tokens_total %d\nlmcache:num_hit_tokens_total %d\n"


def test_workers_of_one_engine_count_its_tokens_once_and_engines_are_added_up():
    ranks = [member(name, HITS, 6000, 3000) for name in ("w0", "w1")]
    other = member("x0", HITS, 12000, 12000, group="f")
    figures = lf.aggregate([*ranks, other])
    assert figures["hit_tokens_per_second"] == 250.0
    assert figures["retrieve_hit_rate"] == pytest.approx(250 / 300)


def test_ranks_that_count_nothing_do_not_make_an_engine_slower():
    ranks = [member("w0", HITS, 6000, 3000), member("w1", HITS, 0, 0)]
    assert lf.aggregate(ranks)["hit_tokens_per_second"] == 50.0


def test_nodes_of_one_rank_are_replicas_and_added_up():
    replicas = [member(name, HITS, 6000, 3000, rank="worker 0") for name in ("a", "b")]
    assert lf.aggregate(replicas)["hit_tokens_per_second"] == 100.0


def test_a_total_of_nothing_is_not_known_and_of_idle_nodes_zero():
    assert lf.aggregate([]) == {}
    assert lf.aggregate([member("w0", HITS, 0, 0)])["hit_tokens_per_second"] == 0.0


def test_bytes_limits_and_evictions_are_of_each_worker_and_added_up():
    text = b"lmcache:local_cpu_evict_keys_count_total %d\nlmcache:local_cache_usage %d\n"
    figures = lf.aggregate([member(name, text, 60, 5, limit=8.0) for name in ("w0", "w1")])
    assert figures["evictions_per_second"] == 2.0
    assert (figures["local_cache_bytes"], figures["local_cache_limit_bytes"]) == (10.0, 16.0)
    mixed = [member("w0", text, 60, 5, limit=8.0), member("w1", text, 60, 5)]
    assert "local_cache_limit_bytes" not in lf.aggregate(mixed), "the limit of one is none of both"


def test_quantiles_of_several_nodes_come_from_all_their_buckets():
    text = b'lmcache:time_to_store_bucket{le="1"} %d\nlmcache:time_to_store_bucket{le="+Inf"} %d\n'
    figures = lf.aggregate([member("w0", text, 10, 10), member("w1", text, 0, 10)])
    assert figures["store_p50"] == 1.0


def test_a_quantile_of_nodes_with_other_buckets_is_between_theirs():
    name = b"lmcache:time_to_store_bucket"
    fine = b'%s{le="0.2"} %%d\n%s{le="0.4"} %%d\n%s{le="+Inf"} %%d\n' % (name, name, name)
    coarse = b'%s{le="0.3"} %%d\n%s{le="5"} %%d\n%s{le="+Inf"} %%d\n' % (name, name, name)
    nodes = [member("w0", fine, 0, 100, 100), member("w1", coarse, 100, 100, 100)]
    alone = [lf.aggregate([one])["store_p50"] for one in nodes]
    assert alone == [pytest.approx(0.3), pytest.approx(0.15)]
    # 150 of 200 are below 0.3, 200/3 of them below 0.2.
    assert lf.aggregate(nodes)["store_p50"] == pytest.approx(
        0.2 + 0.1 * (100 - 200 / 3) / (250 / 3)
    )
    # What is above the last bound of one may be above that of the other, too.
    nodes = [member("w0", fine, 0, 0, 100), member("w1", coarse, 0, 100, 100)]
    assert lf.aggregate(nodes)["store_p50"] == 5.0


def test_what_the_engines_page_repeats_of_lmcache_counts_once():
    page = HITS + b"lmcache:local_cache_usage %d\n"
    engine = page + b"vllm:num_requests_running %d\n"
    nodes = [
        member("w0", page, 6000, 3000, 5),
        member("api", engine, 6000, 3000, 5, 7, kind="engine"),
    ]
    figures = lf.aggregate(nodes)
    assert figures["hit_tokens_per_second"] == 50.0
    assert (figures["local_cache_bytes"], figures["running_requests"]) == (5.0, 7.0)
    alone = lf.aggregate(nodes[1:])
    assert alone["local_cache_bytes"] == 5.0


LOOKUPS = b"lmcache:num_lookup_tokens_total %d\nlmcache:num_lookup_hits_total %d\n" + HITS
SILENT = b"vllm:prompt_tokens_total %d\nvllm:prefix_cache_hits_total %d\n"


def test_in_process_lmcache_without_a_count_of_prompts_tells_the_sources_of_what_it_looked_up():
    worker = member("w0", LOOKUPS, 6000, 3000, 2400, 2400)
    # What was found and not loaded was in the GPU already.
    assert sources(lf.aggregate([worker])) == {"computed": 50.0, "gpu": 10.0, "lmcache": 40.0}
    # An engine that counts its prompts and its own hits knows better.
    engine = member("api", SILENT, 9000, 1800, kind="engine")
    figures = lf.aggregate([worker, engine])
    assert sources(figures) == {"computed": 80.0, "gpu": 30.0, "lmcache": 40.0}
    # A scheduler counts lookups alone; what was retrieved without one came from nowhere known.
    scheduler = member("s", LOOKUPS[: LOOKUPS.index(HITS)], 6000, 3000)
    assert sources(lf.aggregate([scheduler])) == {"computed": 50.0, "lmcache": 50.0}
    idle = member("w0", LOOKUPS, 0, 0, 2400, 2400)
    assert sources(lf.aggregate([idle])) == {}


MP_HITS = b"lmcache_mp_lookup_requested_tokens_total %d\nlmcache_mp_lookup_hit_tokens_total %d\n"
MP_LAYERS = b"lmcache_mp_lookup_hit_l1_tokens_total %d\nlmcache_mp_lookup_hit_l2_tokens_total %d\n"


def test_an_engines_external_tokens_are_divided_as_its_mp_servers_hits_are():
    nodes = [
        member("api", EXTERNAL, 6000, 6000, 1200, 600, kind="engine"),
        member("mp", MP_HITS + MP_LAYERS, 6000, 2400, 1800, 600, kind="mp"),
    ]
    figures = lf.aggregate(nodes)
    assert sources(figures) == {"computed": 70.0, "gpu": 20.0, "l1": 7.5, "remote": 2.5}


def test_in_a_rolling_upgrade_each_engine_tells_its_sources_as_its_version_can():
    """One does not tell what it loaded, one does, and one tells the sources themselves."""
    silent = b"vllm:prompt_tokens_total %d\nvllm:prefix_cache_hits_total %d\n"
    told = b'vllm:prompt_tokens_by_source_total{source="local_compute"} %d\n'
    told += b'vllm:prompt_tokens_cached_by_source_total{source="device"} %d\n'
    told += b'vllm:prompt_tokens_cached_by_source_total{source="external_unspecified"} %d\n'
    nodes = [
        member("old", silent, 60000, 6000, kind="engine"),
        member("mid", EXTERNAL, 6000, 6000, 1200, 600, kind="engine"),
        member("new", told, 3000, 600, 1200, kind="engine"),
        member("mp", MP_HITS + MP_LAYERS, 72000, 36000, 27000, 9000, kind="mp"),
    ]
    assert sources(lf.aggregate(nodes)) == pytest.approx(
        {"computed": 120.0, "gpu": 30.0, "l1": 22.5, "remote": 7.5}
    )
    assert sources(lf.aggregate([nodes[0], nodes[3]])) == {}


def test_sources_of_the_cluster_are_those_of_its_instances_added_up():
    engine = member("api", EXTERNAL, 6000, 6000, 1200, 600, kind="engine", group="a")
    server = member("mp", MP_HITS + MP_LAYERS, 6000, 2400, 1800, 600, kind="mp", group="b")
    figures = lf.aggregate([engine, server])
    assert sources(figures) == {
        "computed": 130.0,
        "gpu": 20.0,
        "lmcache": 10.0,
        "l1": 30.0,
        "remote": 10.0,
    }


def test_ranks_are_those_of_their_instance_where_several_share_an_engines_page():
    """Two data-parallel engines behind one API server: of two ranks, and of one."""
    nodes = [
        member("api", EXTERNAL, 12000, 12000, 2400, 9000, kind="engine"),
        member("a0", HITS, 6000, 3000, rank="worker 0", of="a"),
        member("a1", HITS, 6000, 3000, rank="worker 1", of="a"),
        member("b0", HITS, 6000, 6000, rank="worker 0", of="b"),
    ]
    figures = lf.aggregate(nodes)
    assert figures["hit_tokens_per_second"] == 150.0
    assert figures["prompt_tokens_per_second"] == 200.0


def test_what_a_prefill_engine_sends_is_neither_a_layer_of_the_cache_nor_a_saving():
    decoder = member("w0", IN_PROCESS, 6000, 0, 9, 6000, 6000, 0)
    received = decoder._replace(growth=decoder.growth._replace(is_receiver=True))
    assert sources(lf.aggregate([decoder])) == {"l1": 100.0}
    figures = lf.aggregate([received])
    assert sources(figures) == {"lmcache": 100.0}
    assert "tokens_saved_per_second" not in figures
    again = lf.growth_from_figures(lf.figures_of(received.growth))
    assert again.is_receiver and not lf.growth_from_figures({}).is_receiver


def test_gpu_seconds_saved_are_tokens_times_prefill_time_times_ranks_and_unknown_without():
    prefill = EXTERNAL + b"vllm:request_prefill_time_seconds_sum %d\n"
    engine = member("api", prefill, 6000, 6000, 1200, 600, 42, kind="engine")
    workers = [member(name, HITS, 600, 600) for name in ("w0", "w1")]
    # 42 s for 4,200 computed tokens are 10 ms a token; 10 tokens/s were saved on two GPUs.
    figures = lf.aggregate([engine, *workers])
    assert figures["gpu_seconds_saved_per_second"] == pytest.approx(0.2)
    assert figures["tokens_saved_per_second"] == 10.0
    assert "gpu_seconds_saved_per_second" not in lf.aggregate(workers)
    units = {one["name"]: one["unit"] for one in lf.list_figures()}
    assert units["gpu_seconds_saved_per_second"] == "GPUs"


@pytest.mark.parametrize(
    "seconds, cost, money", [(0.5, 3.0, 1.5), (0.5, 0.0, None), (None, 3.0, None)]
)
def test_a_price_of_a_gpu_hour_turns_savings_into_money(seconds, cost, money):
    saved = lf.savings_document({"gpu_seconds_saved_per_second": seconds}, cost)
    assert saved["money_per_hour"] == money and saved["assumption"]


def test_each_l2_of_an_mp_server_has_its_own_figures():
    speeds = b'lmcache_mp_l2_store_throughput_GB_per_second_%s{l2_name="%s"} %%d\n'
    text = b"".join(speeds % (what, name) for name in (b"fs", b"s3") for what in (b"sum", b"count"))
    text += (
        b'lmcache_mp_l2_usage_bytes{l2_name="fs"} %d\nlmcache_mp_l2_usage_bytes{l2_name="s3"} %d\n'
    )
    server = member("mp", text, 6, 3, 10, 2, 7, 9, kind="mp")
    found = lf.l2_figures(server.growth)
    assert found["fs"] == {"remote_cache_bytes": 7.0, "l2_store_bytes_per_second": 2e9}
    assert found["s3"] == {"remote_cache_bytes": 9.0, "l2_store_bytes_per_second": 5e9}
    figures = lf.aggregate([server])
    assert figures["remote_cache_bytes"] == 16.0
    assert figures["l2_store_bytes_per_second"] == pytest.approx(16e9 / 5)
    by_l2 = lf.aggregate_by([server, server], "l2_name")
    assert {item["name"]: item["metrics"]["remote_cache_bytes"] for item in by_l2} == {
        "fs": 14.0,
        "s3": 18.0,
    }


def test_each_l2_has_the_rates_of_the_tasks_that_it_finished():
    loads = b'lmcache_mp_l2_load_completed_requests_total{l2_name="%s"} %%d\n'
    stores = b'lmcache_mp_l2_store_completed_requests_total{l2_name="fs"} %d\n'
    text = loads % b"fs" + loads % b"s3" + stores
    found = lf.l2_figures(member("mp", text, 60, 30, 120, kind="mp").growth)
    per_second = {"loads_finished_per_second": 1.0, "stores_finished_per_second": 2.0}
    assert found == {"fs": per_second, "s3": {"loads_finished_per_second": 0.5}}


TENANT = b'lmcache_mp_lookup_requested_tokens_total{cache_salt="%s",model_name="%s"} %d\n'


def tenants(*rows):
    text = b"".join(TENANT % row for row in rows)
    empty = b"".join(TENANT % (*row[:2], 0) for row in rows)
    counted = growth((0.0, empty), (60.0, text))
    return lf.Member("mp", "mp", "mp", "mp", "", counted)


def test_tokens_are_told_by_tenant_and_by_model():
    server = tenants((b"a", b"m", 600), (b"b", b"m", 1200), (b"b", b"n", 600))
    worker = member("w0", HITS, 6000, 3000)
    by_tenant = lf.aggregate_by([server, worker], "cache_salt")
    rates = {item["name"]: item["metrics"]["requested_tokens_per_second"] for item in by_tenant}
    assert rates == {"b": 30.0, "a": 10.0}
    by_model = lf.aggregate_by([server, worker], "model_name")
    rates = {item["name"]: item["metrics"]["requested_tokens_per_second"] for item in by_model}
    assert rates == {"m": 130.0, "n": 10.0}
    assert by_model[0]["nodes"] == 2


@pytest.mark.parametrize("count, rest", [(lf.MAX_GROUPS, 0), (lf.MAX_GROUPS + 2, 2)])
def test_more_tenants_than_the_limit_are_one_group_of_others(count, rest):
    server = tenants(*((b"t%03d" % number, b"m", 6000 - 60 * number) for number in range(count)))
    found = lf.aggregate_by([server], "cache_salt")
    assert [item["name"] for item in found][lf.MAX_GROUPS :] == ["other"] * bool(rest)
    total = sum(item["metrics"]["requested_tokens_per_second"] for item in found)
    assert total == pytest.approx(sum(100 - number for number in range(count)))


def test_a_page_with_any_number_of_label_sets_costs_a_bounded_memory():
    lines = (TENANT % (b"t%06d" % number, b"m", 60) for number in range(lf.MAX_COLUMNS + 500))
    snapshot = lf.take_snapshot(b"".join(lines), 0.0)
    assert len(snapshot.counts) <= lf.MAX_COLUMNS + 1
    assert sum(snapshot.counts) == 60.0 * (lf.MAX_COLUMNS + 500)


def test_long_labels_are_cut_and_many_columns_are_not_shared_between_nodes():
    long = TENANT % (b"t" * 50_000, b"m" * 5_000, 60)
    column = lf.take_snapshot(long, 0.0).layout.columns[0]
    assert max(len(value) for _, value in column.labels) == lf.MAX_LABEL_VALUE
    for count, shared in ((lf.MAX_SHARED_COLUMNS, True), (lf.MAX_SHARED_COLUMNS + 1, False)):
        text = b"".join(TENANT % (b"u%d" % number, b"m", 60) for number in range(count))
        layouts = [lf.take_snapshot(text, 0.0).layout for _ in range(2)]
        assert (layouts[0] is layouts[1]) is shared


@pytest.mark.parametrize(
    "values, outlier",
    [((10, 11, 25), "r2"), ((10, 11, 21), None), ((0, 0, 1), "r2"), ((9, 1), None)],
)
def test_the_spread_of_ranks_names_the_outlier(values, outlier):
    figures = {f"r{number}": {"x": float(value)} for number, value in enumerate(values)}
    found = lf.spread(figures)["x"]
    assert (found["min"], found["max"], found["outlier"]) == (min(values), max(values), outlier)


def test_what_one_rank_alone_has_no_spread():
    assert lf.spread({"r0": {"x": 1.0}, "r1": {"y": 1.0}}) == {}


def test_figures_of_another_frontend_give_the_same_figures_again():
    figures = grown(HITS + b"lmcache:local_cache_usage %d\n", 6000, 3000, 5)
    assert lf.figures_of(lf.growth_from_figures(figures)) == pytest.approx(figures)
    figures = grown(EXTERNAL, 6000, 6000, 1200, 600)
    again = lf.figures_of(lf.growth_from_figures(figures))
    assert sources(again) == sources(figures)
    assert again["gpu_prefix_hit_rate"] == figures["gpu_prefix_hit_rate"]


# -- limits


def test_reading_a_page_costs_time_in_proportion_to_its_size():
    line = (
        b'lmcache:num_hit_tokens_total{worker_id="%d"} 5\nlmcache:time_to_store_bucket{le="%d"} 5\n'
    )
    costs = []
    for count in (1000, 4000):
        text = b"".join(line % (number, number) for number in range(count))
        runs = []
        for _ in range(3):
            began = time.process_time()
            lf.take_snapshot(text, 0.0)
            runs.append(time.process_time() - began)
        costs.append(min(runs))
    assert costs[1] < 4 * 2.5 * costs[0]


# -- the table


def test_every_figure_says_what_it_is_made_of():
    units = {"ratio", "seconds", "bytes", "bytes/s", "tokens/s", "1/s", "count", "bool", "GPUs"}
    for shown in lf.list_figures():
        assert shown["unit"] in units and shown["label"] and shown["help"]
        assert shown["families"] or shown["kind"] in ("configured", "derived"), shown["name"]
    names = [shown["name"] for shown in lf.list_figures()]
    assert len(set(names)) == len(names)


def test_every_family_that_is_read_belongs_to_a_figure():
    used = {name for figure in lf.FIGURES for name in figure.of}
    elsewhere = {"critical_total", "critical_active", "ping_errors", "ping_successes"}
    sources = {"lmcache_prompt_tokens", "lmcache_gpu_hits", "sglang_cached_tokens"}
    sources |= {name for name in lf.FACTS if name.startswith("from_")}
    in_chunks = {"lookup_keys", "lookup_hit_keys", "l2_hit_chunks", "stored_chunks"}
    savings = {"prefill_seconds", "sglang_prefill_seconds"}
    assert set(lf.FACTS) == used & set(lf.FACTS) | elsewhere | sources | in_chunks | savings


# -- over HTTP


def test_the_table_of_figures_is_served(lasting_front):
    figures = lasting_front.ask("/api/figures").json()["figures"]
    assert {figure["name"] for figure in figures} == set(lf.METRICS)


def test_the_status_is_divided_by_model_and_tenant_and_by_nothing_else(start, service):
    pages = (b"# mp\n" + TENANT % (b"a", b"m", 60 * number) for number in range(10**6))
    server = service({"/metrics": (200, lambda: next(pages))})
    front = start("--node", f"mp=127.0.0.1:{server.port}", "--poll-interval", "1")

    def requested():
        """the tokens requested by the tenant are known"""
        groups = front.ask("/api/status?by=cache_salt").json()["groups"]
        return groups and groups[0]["metrics"]["requested_tokens_per_second"]

    assert wait_for(requested) > 0
    assert front.ask("/api/status?by=model").json()["groups"][0]["name"] == "m"
    refused = front.ask("/api/status?by=colour")
    assert refused.status == 400 and "model, cache_salt" in refused.json()["detail"]
