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
# With one scrape more there are as many seconds between the first and the last as we have.
WINDOW = f"[{lf.WINDOW + SCRAPE:.0f}s]"
CLOSE = 0.01  # of the value: what counts as equal


def selector(fact, node, suffix=""):
    """The samples of a fact on a node, by whatever name this version has."""
    label, value = fact.label
    more = f',{label}="{value}"' if label else ""
    wanted = [f'{{__name__="{name}{suffix}",job="{node}"{more}}}' for name in (fact.families or ())]
    older = [f'{{__name__="{name}{suffix}",job="{node}"{more}}}' for name in fact.older]
    return wanted, older


def summed(fact, node, wrap, suffix="", by=""):
    """PromQL that adds up a fact's families, or its older names where none of them is there."""
    wanted, older = selector(fact, node, suffix)
    parts = []
    for names in (wanted, older):
        terms = [f"(sum{by}({wrap % name}))" for name in names]
        if terms:
            zero = [f"({term} or vector(0))" if not by else term for term in terms]
            known = " or ".join(f"count({name})" for name in names)
            joined = " + ".join(zero) if not by else " or ".join(terms)
            parts.append(f"(({joined}) and on() ({known}))" if not by else f"({joined})")
    return " or ".join(parts)


def rate(name, node):
    fact = lf.FACTS[name]
    return f"({summed(fact, node, f'rate(%s{WINDOW})')}) * {fact.scale}"


def query(figure, node):
    """The PromQL of a figure; "" for those that are made of no families."""
    of = figure.of
    if figure.kind in (lf.RATE, lf.LARGER) and len(of) == 1:
        return rate(of[0], node)
    if figure.kind == lf.RATE:
        return " + ".join(f"(({rate(name, node)}) or vector(0))" for name in of)
    if figure.kind in (lf.RATIO, lf.AVERAGE):
        return f"({rate(of[0], node)}) / (({rate(of[1], node)}) > 0)"
    if figure.kind == lf.QUANTILE:
        fact = lf.FACTS[of[0]]
        buckets = summed(fact, node, f"rate(%s{WINDOW})", "_bucket", " by (le) ")
        return f"histogram_quantile({lf.QUANTILES[of[1]]}, {buckets}) * {fact.scale}"
    if figure.kind == lf.GAUGE:
        fact = lf.FACTS[of[0]]
        return f"({summed(fact, node, '%s')}) * {fact.scale}"
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
            shown, expression = node["metrics"].get(figure.name), query(figure, node["name"])
            if shown is None or not expression:
                continue
            times = [node["polled"] + shift * SCRAPE for shift in (-1, 0, 1)]
            values = [evaluate(url, expression, at) for at in times]
            table[node["name"], figure.name].append(distance(shown, values))


def distance(shown, values):
    """How far a figure is from what Prometheus has within one scrape, as a part of it."""
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
    close = other = missing = 0
    for (node, figure), differences in sorted(table.items()):
        known = [value for value in differences if value is not None]
        missing += len(differences) - len(known)
        close += sum(value <= CLOSE for value in known)
        other += sum(value > CLOSE for value in known)
        worst = max(known, default=None)
        if worst is None or worst > CLOSE:
            text = "no value in Prometheus" if worst is None else f"up to {worst:.2%} apart"
            print(f"{node:24} {figure:32} {text}")
    print(f"{close} of {close + other} within {CLOSE:.0%}, {missing} without a value to compare")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
