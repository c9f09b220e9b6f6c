"""A real Prometheus server for tests, and the merge of pages that it judges."""

import http.client
import json
import os
import shutil
import subprocess
import urllib.parse

import pytest
from support.ports import free_port

import lmcache_frontend as lf


def find_program(name):
    """The path of a program; without it the test is skipped, in CI it fails."""
    program = shutil.which(name)
    if program is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("%s is not installed" % name)
    return program


def merge_pages(pages, own=b""):
    """Merge pages, (node, text) each, behind our own: the text, and {node: families left out}."""
    merger = lf.ExpositionMerger()
    if own:
        merger.add_own(own)
    for node, text in pages:
        merger.add(node, text)
    return b"".join(merger.result()), merger.count_left_out()


class Prometheus:
    """``prometheus`` with a configuration of the test, its data in ``folder``, on a free port."""

    def __init__(self, folder, config):
        self.log_path = folder / "prometheus.log"
        (folder / "prometheus.yml").write_text(config)
        self.port = free_port()
        options = [
            "--config.file=%s" % (folder / "prometheus.yml"),
            "--storage.tsdb.path=%s" % (folder / "data"),
            "--web.listen-address=127.0.0.1:%d" % self.port,
        ]
        with open(self.log_path, "wb") as log:
            command = [find_program("prometheus"), *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, path):
        """The data of an answer of its API; None while it does not answer."""
        assert self.process.poll() is None, self.log_path.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())["data"]
        except (OSError, ValueError, KeyError):
            return None
        finally:
            connection.close()

    def query(self, expression):
        """The series of an instant query: [{"metric": labels, "value": [time, text]}]."""
        answer = self.ask("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        return (answer or {}).get("result", [])

    def targets(self, job=None):
        """What it says of its targets, of one job or of all."""
        found = (self.ask("/api/v1/targets") or {}).get("activeTargets", [])
        return [target for target in found if job in (None, target["scrapePool"])]
