"""A cluster without sockets or waiting.

What its nodes answer, and a monitor that asks them by the test's clock.
"""

import json

import lmcache_frontend as lf


class StepClock(lf.Clock):
    """A clock that only the test moves; the wall clock can be set, as by an administrator."""

    def __init__(self, monotonic=1000.0, wall=1_700_000_000.0):
        self.now = monotonic
        self.ahead = wall - monotonic

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now + self.ahead


class Cluster:
    """Nodes by name with what they answer.

    ``answers[name][path]`` is bytes, an object for JSON, (status, body), an OSError, or a function
    of the job that returns one of these. A path that is missing is a 404, a name a refusal.
    """

    def __init__(self, answers=(), proxies=(), extra=(), **options):
        self.answers = dict(answers)
        self.asked = []  # (name, path) of every question
        self.ports = {}  # by path: the port of the last question
        self.seconds = 0.004  # how long every answer takes
        self.slow = {}  # by name: how long the answers of this node take
        self.clock = StepClock()
        self.registry = lf.NodeRegistry()
        self.entries = [
            {"name": name, "host": "127.0.0.1", "port": 9000 + index, **dict(extra).get(name, {})}
            for index, name in enumerate(self.answers)
        ]
        self.set_nodes([*self.entries, *proxies])
        options = {"interval": 10.0, "history_minutes": 60.0, **options}
        self.monitor = lf.Monitor(self.registry, fetch=self.ask, clock=self.clock, **options)

    def set_nodes(self, entries):
        nodes = [lf.Node.parse(entry, "", "nodes") for entry in entries]
        self.registry.replace_source("nodes", nodes)

    def round(self, seconds=10.0, times=1):
        """Let time go by, then ask every node; returns the status."""
        for _ in range(times):
            self.clock.now += seconds
            self.monitor.poll_once()
        return self.monitor.status()

    def node(self, key):
        """A node as the status shows it."""
        return next(node for node in self.monitor.status()["nodes"] if node["key"] == key)

    def alerts(self):
        """The ids of the alerts that last."""
        return [alert["id"] for alert in self.monitor.status()["alerts"]]

    def ask(self, jobs, *_, **__):
        for job in jobs:
            if job is None:
                return
            self.asked.append((job.node.key, job.path))
            self.ports[job.path] = job.node.target.port
            yield job, self._answer(job)

    def _answer(self, job):
        if job.node.key not in self.answers and job.node.name not in self.answers:
            return lf.FetchError("connection refused")
        answers = self.answers.get(job.node.key) or self.answers.get(job.node.name)
        answer = answers.get(job.path, (404, b'{"detail":"Not Found"}'))
        if callable(answer):
            answer = answer(job)
        if isinstance(answer, OSError):
            return answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return lf.Reply(status, {}, (body,), self.slow.get(job.node.name, self.seconds))
