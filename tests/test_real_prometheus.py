"""A real Prometheus finds the nodes through ``http_sd_config`` and scrapes them.

It does so directly and through the proxy.
"""

import http.client
import json
import socket
import subprocess

import pytest
from support.frontend import wait_for
from support.processes import Process, find_program

pytestmark = pytest.mark.slow
CONFIG = """
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs:
  - job_name: merged
    static_configs: [{targets: ["127.0.0.1:%(port)d"]}]
  - job_name: nodes
    http_sd_configs: [{url: "http://127.0.0.1:%(port)d/api/sd", refresh_interval: 1s}]
  - job_name: through
    http_sd_configs: [{url: "http://127.0.0.1:%(port)d/api/sd?via=proxy", refresh_interval: 1s}]
"""


@pytest.fixture
def prometheus(start, tmp_path):
    """(the frontend, a function that asks Prometheus's API)."""
    program = find_program("prometheus")
    front = start("--demo", "--poll-interval", "1")
    (tmp_path / "prometheus.yml").write_text(CONFIG % {"port": front.port})
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    options = [
        "--config.file=%s/prometheus.yml" % tmp_path,
        "--storage.tsdb.path=%s/data" % tmp_path,
        "--web.listen-address=127.0.0.1:%d" % port,
    ]
    with open(tmp_path / "log", "wb") as log:
        process = Process([program, *options], stdout=log, stderr=log)

    def ask(path):
        assert process.poll() is None, (tmp_path / "log").read_text()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())["data"]
        except (OSError, ValueError, KeyError):
            return None
        finally:
            connection.close()

    yield front, ask
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def test_prometheus_finds_every_node_and_all_targets_are_up(prometheus):
    front, ask = prometheus

    def targets():
        found = ask("/api/v1/targets") or {}
        return found.get("activeTargets", [])

    def healths(job):
        return [target["health"] for target in targets() if target["scrapePool"] == job]

    wait_for(
        lambda: (
            healths("merged") == ["up"]
            and healths("nodes") == ["up"] * 15
            and healths("through") == ["up"] * 15
        ),
        90,
    )
    found = wait_for(
        lambda: (ask("/api/v1/query?query=lmcache_frontend_node_up") or {}).get("result"), 20
    )
    instance = ["api", "scheduler", "worker0", "worker1", "worker2", "worker3"]
    names = {"llama70b-%s_%s" % (name, part) for name in "ab" for part in instance}
    assert {one["metric"]["node"] for one in found} == names | {"mp-0", "mp-1", "coordinator"}
    assert {one["value"][1] for one in found} == {"1"}
