"""Every figure of the status against PromQL on the same nodes.

    python tests/bench/promql.py w0=127.0.0.1:9091 mp=127.0.0.1:8080

A real Prometheus scrapes the nodes every second, a frontend polls them every 10 s. After two
minutes each figure is compared, several times, with what PromQL gives for the same window. It
prints a table and asserts nothing. Nodes must listen on TCP: Prometheus opens no Unix socket.
"""

import argparse
import collections
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from support.frontend import Frontend  # noqa: E402

import lmcache_frontend as lf  # noqa: E402

WARM_UP = 130.0  # seconds until every window is full
SCRAPE = 1.0  # seconds between two scrapes
# Our window begins and ends between two scrapes. PromQL is asked for all that may be the same:
# each edge up to one scrape earlier or later.
WINDOWS = [f"[{lf.WINDOW + more * SCRAPE:.0f}s]" for more in (0, 1, 2)]
SHIFTS = (-SCRAPE, 0.0, SCRAPE)
CLOSE = 0.01  # of the value: what counts as equal
# What stands for a fact that a node does not count under that name.
INSTEAD = {
    "requested": "lookup_tokens",
    "hit": "lookup_hits",
    "stored": "stored_chunks",
    "prompt_tokens": "lmcache_prompt_tokens",
    "gpu_lookup_tokens": "lmcache_prompt_tokens",
    "gpu_hits": "lmcache_gpu_hits",
}


def selectors(names, fact, node):
    """The samples of a fact on a node, by these names of its families."""
    label, value = fact.label
    more = f',{label}="{value}"' if label else ""
    suffix = "_bucket" if fact.together == lf.MERGED else ""
    return [f'{{__name__="{name}{suffix}",job="{node}"{more}}}' for name in names]


def newest(fact, node, query_of):
    """``query_of(samples)`` of the fact's families, or of its older names where none is there."""
    parts = []
    absent = ""
    for names in (fact.families, fact.older):
        if names:
            samples = selectors(names, fact, node)
            is_there = " or ".join(f"count({each})" for each in samples)
            parts.append(f"(({query_of(samples)}) and on() ({is_there})){absent}")
            absent = f" unless on() ({is_there})"
    return "(" + " or ".join(f"({part})" for part in parts) + ")"


def summed(fact, node, wrap):
    """PromQL that adds up a fact's families, each as ``wrap`` says."""
    return newest(
        fact,
        node,
        lambda samples: " + ".join(f"(sum({wrap % each}) or vector(0))" for each in samples),
    )


def rate(name, node, window):
    """The rate of a fact, or of the one that stands for it."""
    fact = lf.FACTS[name]
    own = f"({summed(fact, node, f'rate(%s{window})')}) * {fact.scale}"
    if name not in INSTEAD:
        return own
    chunk_size = lf.DEFAULT_CHUNK_SIZE if name == "stored" else 1.0
    return f"({own}) or ({rate(INSTEAD[name], node, window)}) * {chunk_size}"


def query(figure, node, window):
    """The PromQL of a figure; "" for those that are made of no families."""
    of = figure.of
    rates = [f"({rate(name, node, window)})" for name in of if name in lf.FACTS]
    if figure.kind == lf.LARGER:
        return f"({rates[0]} > {rates[1]}) or {rates[1]}"
    if figure.kind == lf.RATE and len(of) == 1:
        return rates[0]
    if figure.kind == lf.RATE:
        return " + ".join(f"({each} or vector(0))" for each in rates)
    if figure.kind in (lf.RATIO, lf.AVERAGE):
        return f"{rates[0]} / ({rates[1]} > 0)"
    fact = lf.FACTS.get(of[0]) if of else None
    if figure.kind == lf.QUANTILE:
        q = lf.QUANTILES[of[1]]

        def quantile(samples):
            buckets = [f"sum by (le) (rate({each}{window}))" for each in samples]
            return f"histogram_quantile({q}, {' or '.join(buckets)})"

        return f"{newest(fact, node, quantile)} * {fact.scale}"
    if figure.kind == lf.GAUGE:
        return f"({summed(fact, node, '%s')}) * {fact.scale}"
    if figure.kind == lf.IN_FLIGHT:
        submitted, finished = (summed(lf.FACTS[name], node, "%s") for name in of[:2])
        return f"{submitted} - {finished}"
    return ""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start_prometheus(nodes, folder):
    """A Prometheus that scrapes the nodes every second; returns it and its URL."""
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [address]}]}
        for name, address in nodes.items()
    ]
    config = {"global": {"scrape_interval": f"{SCRAPE:.0f}s"}, "scrape_configs": jobs}
    path = pathlib.Path(folder, "prometheus.yml")
    path.write_text(json.dumps(config))
    port = free_port()
    options = [f"--config.file={path}", f"--storage.tsdb.path={folder}/data"]
    options.append(f"--web.listen-address=127.0.0.1:{port}")
    process = subprocess.Popen(["prometheus", *options], stderr=subprocess.DEVNULL)
    return process, f"http://127.0.0.1:{port}"


def evaluate(url, expression, at):
    """The value of a query, None when there is none."""
    arguments = urllib.parse.urlencode({"query": expression, "time": f"{at:.3f}"})
    with urllib.request.urlopen(f"{url}/api/v1/query?{arguments}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    value = float(result[0]["value"][1]) if result else float("nan")
    return value if value == value else None


def compare(front, url, nodes, table):
    """Note for each node and figure how the two agree now."""
    for node in front.ask("/api/status").json()["nodes"]:
        for figure in lf.FIGURES:
            shown = node["metrics"].get(figure.name)
            if shown is None or not query(figure, node["name"], WINDOWS[0]):
                continue
            values = [
                evaluate(url, query(figure, node["name"], window), node["polled"] + shift)
                for window in WINDOWS
                for shift in SHIFTS
            ]
            same_window = values[len(values) // 2 : len(values) // 2 + 1]
            apart = distance(shown, values), distance(shown, same_window)
            table[node["name"], figure.name].append(apart)


def distance(shown, values):
    """How far a figure is from these values or what is between them, as a part of it."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    nearest = min(max(shown, min(known)), max(known))
    return abs(shown - nearest) / max(abs(nearest), abs(shown), 1e-9)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("nodes", nargs="+", metavar="NAME=HOST:PORT")
    parser.add_argument("--times", type=int, default=5, help="comparisons, 10 s apart")
    options = parser.parse_args()
    nodes = dict(item.split("=", 1) for item in options.nodes)
    table = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        prometheus, url = start_prometheus(nodes, folder)
        arguments = [part for name in options.nodes for part in ("--node", name)]
        front = Frontend(*arguments, "--poll-interval", "10")
        try:
            time.sleep(WARM_UP)
            for _ in range(options.times):
                compare(front, url, nodes, table)
                time.sleep(10)
        finally:
            front.stop()
            prometheus.terminate()
            prometheus.wait()
    show(table)


def show(table):
    close = other = missing = exact = 0
    for (node, figure), pairs in sorted(table.items()):
        known = [apart for apart, _ in pairs if apart is not None]
        missing += len(pairs) - len(known)
        close += sum(apart <= CLOSE for apart in known)
        other += sum(apart > CLOSE for apart in known)
        exact += sum(apart is not None and apart <= CLOSE for _, apart in pairs)
        worst = max(known, default=None)
        if worst is None or worst > CLOSE:
            text = "no value in Prometheus" if worst is None else f"up to {worst:.2%} apart"
            print(f"{node:24} {figure:32} {text}")
    print(f"{close} of {close + other} within {CLOSE:.0%} of what one scrape more or less gives,")
    print(f"{exact} of them of the very window; {missing} without a value in Prometheus")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
