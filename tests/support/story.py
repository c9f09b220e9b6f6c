"""A server that tells a story: the dashboard's files, and answers of the API made up for a picture.

    with StoryServer(small_fleet()) as server:
        browser.goto(server.url)

What the page shows of a night is tested with it, whatever the frontend of the day can measure.
"""

from __future__ import annotations

import http.server
import json
import math
import os
import threading
import time
import urllib.parse

from support.frontend import ROOT

STATIC = os.path.join(ROOT, "static")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
GIB = 2.0**30
HOUR = 3600
MINUTE = 60
POINTS = 240  # of a series, whatever its time range


def node(key, kind, instance="", state="up", **more):
    """A node of the status, with the members that the dashboard reads."""
    found = {
        "key": key,
        "name": key,
        "kind": kind,
        "instance": instance,
        "instance_id": instance or None,
        "state": state,
        "host": "10.0.0.1",
        "port": 9000,
        "address": "10.0.0.1:9000",
        "path": "/proxy2/" + key,
        "proxy": "local_proxy",
        "model": "",
        "role": kind,
        "version": "0.5.6",
        "source": "config",
        "error": None,
        "reasons": [],
        "since": 0,
        "polled": 0,
        "latency": 0.004,
        "metrics": {},
        "series": {},
    }
    found.update(more)
    return found


def spread(values):
    """The spread of a figure over nodes, {key: value}; an outlier is far from the median."""
    ordered = sorted(values.values())
    median = ordered[len(ordered) // 2]
    far = [key for key, value in values.items() if value > 2 * median or value < median / 2]
    outlier = far[0] if len(far) == 1 else None
    return {"min": ordered[0], "median": median, "max": ordered[-1], "outlier": outlier}


def alert(rule, severity, text, since, node=None, instance=None, details=(), silence=None):
    return {
        "id": "%s:%s" % (rule, node or instance),
        "rule": rule,
        "severity": severity,
        "node": node,
        "instance": instance,
        "group": "%s:%s" % (rule, instance),
        "text": text,
        "since": since,
        "silence": silence,
        "details": list(details),
    }


class Story:
    """What the API answers: ``status``, the events, and a function of time for each figure."""

    def __init__(self, now=None):
        self.now = now or time.time()
        self.nodes, self.instances, self.alerts, self.events = [], [], [], []
        self.proxies = []
        self.figures = {}  # name -> function of seconds before now
        self.kept = 7 * 24 * HOUR
        self.trusted = True
        self.started = 1.0  # another number is another process
        self.demo = False
        self.ahead = 0  # seconds of its clock: the page asks for events anew by it
        self.silences = []  # what was sent: (alert id, body)
        self.kept_silences = []  # those of alerts that are over
        self.more_silences = 0  # such that the server does not list

    def event(self, ago, kind, text, lasted=None, severity="info", node=None, **more):
        begun = self.now - ago
        until = begun if lasted is None else None if lasted == "still" else begun + lasted
        found = {
            "id": 1000 - len(self.events),
            "time": begun,
            "until": until,
            "kind": kind,
            "severity": severity,
            "node": node,
            "instance": None,
            "text": text,
            "count": 1,
        }
        found.update(more)
        self.events.append(found)

    def silence(self, alert_id, wanted):
        """Silence an alert (``wanted``: seconds and comment), or end its silence (None)."""
        self.silences.append((alert_id, wanted))
        self.kept_silences = [one for one in self.kept_silences if one["alert"] != alert_id]
        for one in self.alerts:
            if one["id"] == alert_id:
                one["silence"] = wanted and {
                    "until": time.time() + wanted["seconds"],
                    "comment": wanted["comment"],
                    "by": "token",
                }

    def status(self):
        states = [one["state"] for one in self.nodes]
        counts = {name: states.count(name) for name in ("up", "degraded", "down", "unknown")}
        now = {name: one(0) for name, one in self.figures.items()}
        return {
            "time": time.time() + self.ahead,
            "poll_interval": 5,
            "history_seconds": self.kept,
            "history_start": time.time() - self.kept,
            "demo": self.demo,
            "started": self.started,
            "counts": dict(counts, total=len(states)),
            "totals": {name: value for name, value in now.items() if value is not None},
            "totals_series": {},
            "instances": self.instances,
            "nodes": self.nodes,
            "alerts": self.alerts,
            "silences": self.kept_silences,
            "silences_total": len(self.kept_silences) + self.more_silences,
            "proxies": self.proxies,
        }

    def history(self, query):
        end = float(query.get("end", self.now))
        start = float(query.get("start", end - float(query.get("seconds", HOUR))))
        step = (end - start) / POINTS
        times = [round(start + step * i, 1) for i in range(POINTS + 1)]
        series = []
        for name in query.get("metric", "").split(","):
            if name in self.figures:
                values = [self.figures[name](max(0.0, self.now - one)) for one in times]
                series.append({"node": None, "metric": name, "times": times, "values": values})
        return {"interval": step, "start": start, "end": end, "source": "memory", "series": series}

    def found_events(self, query):
        since, until = (float(query.get(name) or 0) for name in ("since", "until"))
        kinds = [one for one in query.get("kind", "").split(",") if one]
        wanted = query.get("node")
        found = [
            one
            for one in self.events
            if (not until or one["time"] <= until)
            and (one["until"] is None or one["until"] >= since)
            and (not kinds or one["kind"] in kinds)
            and (not wanted or one["node"] == wanted)
            and one["id"] < float(query.get("before") or "inf")
        ]
        found.sort(key=lambda one: -one["time"])
        limit = int(query.get("limit") or 500)
        more = found[limit - 1]["id"] if len(found) > limit else None
        return {"events": found[:limit], "next": more}


def ripple(seconds, size):
    """A little movement, the same at every look."""
    return size * math.sin(seconds / 97.0) * math.sin(seconds / 41.0)


def moved(before, after, begin, length=600):
    """A figure that goes from one value to another ``begin`` seconds ago, within ``length``."""

    def at(ago):
        share = min(1.0, max(0.0, (begin - ago) / length))
        base = before + (after - before) * share
        return base * (1 + ripple(ago, 0.02))

    return at


def small_fleet(now=None):
    """Fifteen nodes, in trouble for twenty minutes: a setting was changed, a rank restarts."""
    story = Story(now)
    a, b = "llama70b-a", "llama70b-b"
    for instance in (a, b):
        sick = instance == a
        members = []
        for rank in range(4):
            odd = sick and rank == 2
            members.append(
                node(
                    "%s_worker%d" % (instance, rank),
                    "worker",
                    instance,
                    "degraded" if odd else "up",
                    model="Llama-3.3-70B",
                    role="worker",
                    metrics={
                        "retrieve_p99": 0.412 if odd else 0.084 if sick else 0.038,
                        "local_cache_bytes": (20.9 if odd else 47.6) * GIB,
                        "local_cache_limit_bytes": 48 * GIB,
                        "evictions_per_second": 0.0 if odd else 11.8 if sick else 0.25,
                        "failures_per_second": 0.15 if odd else 0.0,
                    },
                )
            )
        members.append(
            node(instance + "_scheduler", "scheduler", instance, metrics={"queue_size": 0})
        )
        engine = {
            "ttft_p50": 0.402,
            "gpu_prefix_hit_rate": 0.291,
            "running_requests": 34,
            "waiting_requests": 12,
        }
        members.append(node(instance + "_api", "engine", instance, metrics=engine))
        story.nodes += members
        story.instances.append(instance_of(instance, members, 0.413 if sick else 0.792))
    for number in range(2):
        server = node("mp-%d" % number, "mp", "", model="Qwen3-32B", instance_id="mp-%d" % number)
        server["metrics"] = {
            "lookup_hit_rate": 0.786 - number * 0.022,
            "hit_tokens_per_second": 8000 - 800 * number,
            "retrieve_p99": 0.041 + 0.005 * number,
            "local_cache_bytes": (118 + 13 * number) * GIB,
            "local_cache_limit_bytes": 160 * GIB,
            "evictions_per_second": 0.8 + 0.6 * number,
            "failures_per_second": 0.0,
        }
        story.nodes.append(server)
    story.nodes.append(node("coordinator", "coordinator"))
    tell_the_night(story, a)
    return story


def instance_of(name, members, hit_rate):
    workers = [one for one in members if one["kind"] == "worker"]
    names = ("retrieve_p99", "local_cache_bytes", "evictions_per_second", "failures_per_second")
    figures = {key: {one["key"]: one["metrics"][key] for one in workers} for key in names}
    metrics = {key: sum(values.values()) for key, values in figures.items()}
    metrics["local_cache_limit_bytes"] = 48 * GIB * len(workers)
    metrics["retrieve_p99"] = max(figures["retrieve_p99"].values())
    metrics.update(lookup_hit_rate=hit_rate, hit_tokens_per_second=8000 * hit_rate)
    degraded = any(one["state"] == "degraded" for one in members)
    down = any(one["state"] == "down" for one in members)
    drop = [hit_rate + (0.37 if hit_rate < 0.5 and i < 20 else 0) for i in range(30)]
    return {
        "id": name,
        "name": name,
        "kinds": sorted({one["kind"] for one in members}),
        "model": workers[0]["model"],
        "engine": "vLLM 0.14.0",
        "state": "down" if down else "degraded" if degraded else "up",
        "nodes": [one["key"] for one in members],
        "metrics": metrics,
        "spread": {key: spread(values) for key, values in figures.items()},
        "series": {"lookup_hit_rate": drop},
    }


def tell_the_night(story, sick):
    """Alerts, events and figures of ``small_fleet``."""
    rank = sick + "_worker2"
    now = story.now
    story.alerts = [
        alert(
            "restarts",
            "critical",
            "%s restarted twice in 15 minutes." % rank,
            now - 294,
            node=rank,
            instance=sick,
            details=["its L1 cache starts empty each time"],
        ),
        alert(
            "hit_rate",
            "warning",
            "Hit rate of %s dropped: 78 %% → 41 %%." % sick,
            now - 1118,
            instance=sick,
            details=["shortly before: save_unfull_chunk changed on 4 nodes"],
        ),
        alert(
            "evictions",
            "warning",
            "Evictions are rising on 3 nodes of %s: 1.2 → 12.2 per second." % sick,
            now - 1209,
            instance=sick,
            details=["highest on %s_worker1" % sick],
        ),
        alert(
            "failures",
            "warning",
            "Retrievals are failing on %s: 0 → 9 per minute." % rank,
            now - 330,
            node=rank,
            instance=sick,
        ),
        alert(
            "l2_full",
            "warning",
            "L2 adapter s3 of mp-1 is 97 % full.",
            now - 2 * HOUR,
            node="mp-1",
            instance="mp-1",
            silence={"until": now + 3 * HOUR, "comment": "disk is being grown", "by": "token"},
        ),
    ]
    story.event(332, "node_down", rank + " is down: connection refused", 38, "critical", rank)
    story.event(294, "restart", rank + " restarted", node=rank)
    story.event(920, "node_down", rank + " is down: connection refused", 98, "critical", rank)
    story.event(822, "restart", rank + " restarted", node=rank)
    story.event(1118, "alert", "hit rate of %s dropped" % sick, "still", "warning", instance=sick)
    story.event(1209, "alert", "evictions rising on %s" % sick, "still", "warning", instance=sick)
    changed = "save_unfull_chunk: false → true on 4 nodes of %s" % sick
    both = {"save_unfull_chunk": ["false", "true"]}
    story.event(1348, "changed", changed, instance=sick, changes=both)
    slow = "retrieve time of mp-1 above 200 ms"
    story.event(2710, "alert", slow, 190, "warning", "mp-1")
    story.event(3215, "nodes", "llama70b-b_api added", node="llama70b-b_api")
    story.figures = {
        "lookup_hit_rate": moved(0.764, 0.654, 1118),
        "l1_hit_rate": moved(0.58, 0.43, 1118),
        "l2_hit_rate": moved(0.46, 0.393, 1118),
        "gpu_prefix_hit_rate": moved(0.31, 0.304, 1118),
        "requested_tokens_per_second": moved(45600, 45400, 1118),
        "hit_tokens_per_second": moved(34000, 29700, 1118),
        "stored_tokens_per_second": moved(9000, 16100, 1118),
        "ttft_p50": moved(0.21, 0.356, 1000),
        "ttft_p99": moved(1.1, 1.92, 1000),
        "retrieve_p50": moved(0.008, 0.0114, 1000),
        "retrieve_p99": moved(0.035, 0.149, 1000),
        "local_cache_bytes": moved(575 * GIB, 596 * GIB, 1000),
        "local_cache_limit_bytes": lambda ago: 704 * GIB,
        "evictions_per_second": moved(8.0, 38.9, 1209),
        "failures_per_second": moved(0.0, 0.15, 330, 60),
        "source_gpu": moved(11300, 11300, 1118),
        "source_l1": moved(26000, 19500, 1118),
        "source_disk": moved(9000, 10200, 1118),
        "source_computed": moved(9400, 15700, 1118),
    }


def large_fleet(count=1000, now=None):
    """``count`` nodes: schedulers with four ranks each, three nodes down, a slow rack."""
    story = Story(now)
    models = (
        ("llama70b", "Llama-3.3-70B", 0.6),
        ("qwen32b", "Qwen3-32B", 0.3),
        ("mistral24b", "Mistral-24B", 0.1),
    )
    for prefix, model, share in models:
        for number in range(1, max(2, int(count * share / 5) + 1)):
            name = "%s-%03d" % (prefix, number)
            slow = prefix == "llama70b" and 97 <= number <= 108
            members = [node(name + "_scheduler", "scheduler", name, model=model)]
            for rank in range(4):
                jitter = (number * 7 + rank * 3) % 10 / 10.0
                down = (prefix, number, rank) in (("llama70b", 41, 2), ("qwen32b", 7, 0))
                members.append(
                    node(
                        "%s_worker%d" % (name, rank),
                        "worker",
                        name,
                        "down" if down else "up",
                        model=model,
                        error="connection refused" if down else None,
                        metrics={
                            "retrieve_p99": (0.25 if slow else 0.04) * (1 + jitter),
                            "local_cache_bytes": (30 + 17 * jitter) * GIB,
                            "local_cache_limit_bytes": 48 * GIB,
                            "evictions_per_second": 26.0 if slow else 4.0 * jitter,
                            "failures_per_second": 0.0,
                            "lookup_hit_rate": 0.35 if slow else 0.7 + 0.1 * jitter,
                        },
                    )
                )
            story.nodes += members
            story.instances.append(instance_of(name, members, 0.35 if slow else 0.72))
    for number in range(8):
        story.nodes.append(node("mp-%d" % number, "mp", model="Qwen3-32B"))
    story.nodes.append(node("coordinator", "coordinator"))
    for one in story.nodes:
        if one["state"] == "down":
            text = "%s is unreachable: connection refused" % one["key"]
            instance = one["instance"]
            story.alerts.append(
                alert("node_down", "critical", text, story.now - 480, one["key"], instance)
            )
            story.event(480, "node_down", one["key"] + " is down", "still", "critical", one["key"])
    for number in range(97, 109):
        name = "llama70b-%03d" % number
        text = "Evictions are rising on 4 nodes of %s: 4 → 26 per second." % name
        story.alerts.append(alert("evictions", "warning", text, story.now - 1140, instance=name))
    story.figures = {
        "lookup_hit_rate": moved(0.73, 0.699, 1200),
        "hit_tokens_per_second": moved(1.16e6, 1.11e6, 1200),
        "requested_tokens_per_second": moved(1.59e6, 1.59e6, 1200),
        "retrieve_p99": moved(0.068, 0.097, 1200),
        "evictions_per_second": moved(3300, 6970, 1200),
    }
    return story


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a browser opens many connections at once


class StoryServer:
    """Serves the dashboard and a story on a free port of this machine."""

    def __init__(self, story, port=0):
        self.story = story
        self.server = Server(("127.0.0.1", port), handler_of(story))
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def handler_of(story):
    """A request handler class that answers for this story."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two packets

        def log_message(self, *args):
            pass

        def reply(self, body, kind="application/json", status=200):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            path, _, query = self.path.partition("?")
            values = dict(urllib.parse.parse_qsl(query))
            answers = {
                "/api/status": story.status,
                "/api/session": lambda: {"trusted": story.trusted, "trust": "local", "reason": ""},
                "/api/history": lambda: story.history(values),
                "/api/events": lambda: story.found_events(values),
            }
            if path in answers:
                self.reply(answers[path]())
            elif path == "/" or path.startswith("/static/"):
                self.reply_file("index.html" if path == "/" else path[len("/static/") :])
            else:
                self.reply({"detail": "Not Found"}, status=404)

        def reply_file(self, name):
            path = os.path.normpath(os.path.join(STATIC, name))
            if not path.startswith(STATIC) or not os.path.isfile(path):
                self.reply({"detail": "Not Found"}, status=404)
                return
            with open(path, "rb") as file:
                kind = TYPES.get(os.path.splitext(path)[1], "application/octet-stream")
                self.reply(file.read(), kind)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urllib.parse.unquote(self.path).split("/")
            if parts[-1] == "silence":
                story.silence(parts[-2], json.loads(body))
            self.reply({"status": "success"})

        def do_DELETE(self):
            parts = urllib.parse.unquote(self.path).split("/")
            story.silence(parts[-2], None)
            self.reply({"status": "success"})

    return Handler
