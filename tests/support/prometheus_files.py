"""Writes ``static/prometheus/rules.yml`` and ``static/grafana/lmcache-frontend.json``.

    python tests/support/prometheus_files.py

Both say in PromQL what the tables of the module say: figures, rules and thresholds. Run it after
changing one of these; a test compares the files with what this would write.
"""

import json
import pathlib
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import rule_words  # noqa: E402

import lmcache_frontend as lf  # noqa: E402

RULES_FILE = ROOT / "static" / "prometheus" / "rules.yml"
DASHBOARD_FILE = ROOT / "static" / "grafana" / "lmcache-frontend.json"
INTERVAL = 10  # seconds between two evaluations: the default of --poll-interval
BY = "job, instance, node"
WINDOW = "%ds" % lf.WINDOW
HOW = {lf.ALIKE: "sum", lf.SUM: "sum", lf.MEAN: "avg", lf.HIGHEST: "max", lf.LOWEST: "min"}
FIGURES = {figure.name: figure for figure in lf.FIGURES}
# What no metric of a node says, so that only a frontend can know it.
ONLY_IN_THE_FRONTEND = {
    "config_drift": "a configuration is not a metric",
    "controller_misses_workers": "which workers report to a controller is in their configuration",
}


# -- figures in PromQL


def selector(fact, name, suffix, more):
    """One family's samples; ``more`` are matchers of the dashboard."""
    matchers = ['%s="%s"' % fact.label] if fact.label[0] else []
    matchers += [more] if more else []
    return name + suffix + ("{%s}" % ", ".join(matchers) if matchers else "")


def added(facts, wrap, suffix="", by=BY, more="", how="sum"):
    """The families of facts put together; the older names where none of the others is there.

    A function such as rate() drops the names, after which two families of one node would be the
    same series: each gets its name as a label first.
    """
    choices = []
    for names in ("families", "older"):
        pairs = [(fact, name) for fact in facts for name in getattr(fact, names)]
        parts = [wrap % selector(fact, name, suffix, more) for fact, name in pairs]
        if len(parts) > 1:
            parts = [
                'label_replace(%s, "family", "%s", "", "")' % (part, name)
                for part, (_, name) in zip(parts, pairs)
            ]
        if parts:
            choices.append("%s by (%s) (\n  %s\n)" % (how, by, "\n  or ".join(parts)))
    return "\nor ".join(choices)


def scaled(fact, expression):
    return "(%s) * %g" % (expression, fact.scale) if fact.scale != 1.0 else expression


def rate(names, by=BY, more=""):
    """The growth per second of facts, added up."""
    facts = [lf.FACTS[name] for name in names]
    return scaled(facts[0], added(facts, "rate(%%s[%s])" % WINDOW, by=by, more=more))


def level(name, by=BY, more=""):
    """What a fact shows or has counted, as it is."""
    fact = lf.FACTS[name]
    found = added([fact], "%s", by=by, more=more, how=HOW[fact.together])
    is_set = any(family.encode() in lf.ZERO_IS_UNKNOWN for family in fact.families)
    return scaled(fact, "(%s) > 0" % found if is_set else found)


def figure(name, by=BY, more=""):
    """A figure as PromQL gives it; None for those that are not made of metrics alone."""
    one = FIGURES[name]
    if one.kind == lf.RATE:
        return rate(one.of, by, more)
    if one.kind in (lf.RATIO, lf.AVERAGE):
        part, whole = (rate([fact], by, more) for fact in one.of)
        return "(%s)\n/ ((%s) > 0)" % (part, whole)
    if one.kind == lf.GAUGE:
        return level(one.of[0], by, more)
    if one.kind == lf.LARGER:
        first, second = (rate([fact], by, more) for fact in one.of)
        return "(%s)\n> (%s)\nor (%s)\nor (%s)" % (first, second, second, first)
    if one.kind == lf.IN_FLIGHT:
        submitted, finished = (level(fact, by, more) for fact in one.of[:2])
        counted = "(%s)\n- ((%s) or (%s) * 0)" % (submitted, finished, submitted)
        return "\nor ".join([counted, *(level(fact, by, more) for fact in one.of[2:])])
    if one.kind == lf.QUANTILE:
        fact = lf.FACTS[one.of[0]]
        q = lf.QUANTILES[one.of[1]]
        buckets = added([fact], "rate(%%s[%s])" % WINDOW, "_bucket", "%s, le" % by, more)
        return scaled(fact, "histogram_quantile(%g,\n%s)" % (q, buckets))
    return None


# -- rules


def recorded(name):
    return "lmcache_node:" + name


def mean(name):
    """The mean of now: what a rule calls recent."""
    return "avg_over_time(%s[%ds])" % (recorded(name), lf.RECENT_SECONDS)


def before(name):
    """The mean of the past before it."""
    window = "[%ds] offset %ds" % (lf.BASE_SECONDS, lf.RECENT_SECONDS)
    return "avg_over_time(%s%s)" % (recorded(name), window)


def usual(hits, tokens, least):
    """The median of the rate of hits in the parts of that past that have traffic."""
    ratio = "%s / (%s >= %g)" % (mean(hits), mean(tokens), least)
    # Each point of the subquery is the mean of the part before it.
    span = lf.BASE_SECONDS - lf.RECENT_SECONDS
    window = "[%ds:%ds] offset %ds" % (span, lf.RECENT_SECONDS, lf.RECENT_SECONDS)
    return "quantile_over_time(0.5, (%s)%s)" % (ratio, window)


def long_enough(name):
    """Whether there is enough past to compare with."""
    window = "[%ds] offset %ds" % (lf.BASE_SECONDS, lf.RECENT_SECONDS)
    least = lf.MIN_BASE_SECONDS / INTERVAL
    return "count_over_time(%s%s) >= %d" % (recorded(name), window, least)


def fires(rule):
    return 'ALERTS{alertname="%s", alertstate="firing"}' % rule


def on(expression):
    return "and on (%s) %s" % (BY, expression)


def past_of(rule, name, found):
    """A record of the past as it was when the alert began: what lasts must not become normal."""
    kept = recorded(name)
    lines = ["(", found, ")", "unless on (%s) %s" % (BY, fires(rule)), "or " + kept]
    return kept, "\n".join(lines)


def begins_or_lasts(rule, begins, lasts):
    return "(\n%s\n)\nor (\n%s\n%s\n)" % (begins, lasts, on(fires(rule)))


def rising(rule, name, needs_requests):
    """Records and expression of a rule about a figure that rises."""
    limit = lf.THRESHOLDS[rule]
    now, past, requests = recorded(name), recorded(rule + ":past"), "requests_per_second"
    # Counters of MP servers appear with their first event: it was measured, and was zero.
    known = "%s or 0 * %s" % (before(name), before(requests))
    found = "(%s) %s" % (known, on("(%s or %s)" % (long_enough(requests), long_enough(name))))
    begins = [
        "%s >= %.6g" % (now, limit.least),
        on("%s >= %.6g" % (mean(name), limit.least)),
        on("%s >= %g * %s" % (now, limit.factor, past)),
        on("%s >= %g * %s" % (mean(name), limit.factor, past)),
    ]
    lasts = [
        "%s >= %.6g" % (now, limit.end_least),
        on("%s >= %g * %s" % (now, limit.end_factor, past)),
    ]
    for lines in (begins, lasts) if needs_requests else ():
        lines.append(on("%s > 0" % mean(requests)))
    records = [past_of(rule, rule + ":past", found)]
    return records, begins_or_lasts(rule, "\n".join(begins), "\n".join(lasts))


def halved():
    """A hit rate that fell: of lookups, else of retrieves."""
    rule, limit = "hit_rate_halved", lf.THRESHOLDS["hit_rate_halved"]
    records, expressions = [], []
    for what, hits, tokens in (
        ("lookup", "lookup_hits_per_second", "lookup_tokens_per_second"),
        ("retrieve", "hit_tokens_per_second", "requested_tokens_per_second"),
    ):
        now = recorded(what + "_hit_rate")
        name = "%s:past_%s" % (rule, what)
        past = recorded(name)
        found = "%s\n%s" % (usual(hits, tokens, limit.least), on(long_enough(tokens)))
        records.append(past_of(rule, name, found))
        recent = "%s / (%s >= %g)" % (mean(hits), mean(tokens), limit.least)
        worth = on("%s >= %g" % (past, lf.MIN_RATE_BEFORE))
        begins = [
            "%s < %g * %s" % (now, limit.factor, past),
            worth,
            on("%s >= %g" % (recorded(tokens), limit.least)),
            on("%s < %g * %s" % (recent, limit.factor, past)),
        ]
        lasts = [
            "%s < %g * %s" % (now, limit.end_factor, past),
            worth,
            on("%s >= %g" % (recorded(tokens), limit.end_least)),
        ]
        expressions.append(begins_or_lasts(rule, "\n".join(begins), "\n".join(lasts)))
    return records, "\nor ".join(expressions)


def stalled():
    """Stores go on and nothing reaches the layer below, which it did before."""
    rule = "remote_stores_stalled"
    least = lf.THRESHOLDS[rule].least
    records, expressions = [], []
    for stores, written in (
        ("stored_tokens_per_second", "remote_write_bytes_per_second"),
        ("l2_stores_per_second", "l2_chunks_stored_per_second"),
    ):
        name = "%s:past_%s" % (rule, written)
        found = "%s\n%s" % (before(written), on(long_enough(written)))
        records.append(past_of(rule, name, found))
        lines = [
            "%s >= %.6g" % (mean(stores), least),
            on("%s > 0" % recorded(name)),
            on("%s == 0" % mean(written)),
            on("%s == 0" % recorded(written)),
        ]
        expressions.append("(\n%s\n)" % "\n".join(lines))
    return records, "\nor ".join(expressions)


def pings():
    """Failed pings without a success between them: the errors since the last success."""
    errors, successes = level("ping_errors"), level("ping_successes")
    last, seen = recorded("remote_ping_errors:at_success"), recorded("remote_ping_successes")
    moved = "(%s)\nunless on (%s) ((%s) == %s)" % (errors, BY, successes, seen)
    started = "(%s)\nunless on (%s) %s" % (errors, BY, last)
    succeeded = "(%s)\n%s" % (moved, on("(%s)" % successes))
    records = [
        (last, "(\n%s\n)\nor %s\nor (\n%s\n)" % (succeeded, last, started)),
        (seen, successes),
    ]
    return records, "(%s)\n- %s >= %d" % (errors, last, lf.MIN_FAILED_PINGS)


def version_mix():
    """How many versions the LMCache nodes of a frontend run that are up, when it is not one."""
    labels = 'kind=~"%s", version!=""' % "|".join(lf.LMCACHE_KINDS)
    up = "lmcache_frontend_node_info{%s} * on (%s) group_left lmcache_frontend_node_up" % (
        labels,
        BY,
    )
    return "count by (job, instance) (\n  count by (job, instance, version) ((%s) > 0)\n) > 1" % up


def overloaded():
    """How many nodes responded slowly, when it is a share of them that tells of their frontend."""
    latency = "lmcache_frontend_node_latency_seconds"
    slow = "count by (job, instance) (%s > %g)" % (latency, lf.SLOW_RESPONSE)
    polled = "count by (job, instance) (%s)" % latency
    shares = (lf.OVERLOADED_BEGINS, lf.OVERLOADED_ENDS)
    begins, lasts = ("%s >= %g * %s" % (slow, share, polled) for share in shares)
    lasts += "\nand on (job, instance) " + fires("frontend_overloaded")
    return "(\n%s\nor (\n%s\n)\n)\nand (%s >= %d)" % (begins, lasts, polled, lf.MIN_SLOW_OF)


def rules():
    """{rule: (records, expression, what the value is)}."""
    up, latency = "lmcache_frontend_node_up", "lmcache_frontend_node_latency_seconds"
    changes = "changes(%s[%ds])" % (up, lf.FLAPPING_SECONDS)
    flapping = begins_or_lasts(
        "node_flapping",
        "%s >= %d" % (changes, lf.FLAPPING_BEGINS),
        "%s >= %d" % (changes, lf.FLAPPING_ENDS),
    )
    # increase() extrapolates: of 2 restarts it makes a little more or less.
    restarts = "round(increase(lmcache_frontend_node_restarts_total[%ds]))" % lf.FLAPPING_SECONDS
    restarting = begins_or_lasts(
        "node_restarting",
        "%s >= %d" % (restarts, lf.RESTARTING_BEGINS),
        "%s >= %d" % (restarts, lf.RESTARTING_ENDS),
    )
    flapping = "(%s)\nunless on (%s) %s >= %d" % (flapping, BY, restarts, lf.RESTARTING_BEGINS)
    alone = "unless on (job, instance) (%s)" % overloaded()
    slow = begins_or_lasts(
        "node_degraded",
        "%s > %g" % (latency, lf.SLOW_RESPONSE),
        "%s >= %g" % (latency, lf.SLOW_ENDS),
    )
    slow = "(%s)\n%s" % (slow, alone)
    degraded = "(%s) == 0\nor (\n%s\n)" % (level("healthy"), slow)
    threads = "(%s)\n- (%s) > 0" % (level("critical_total"), level("critical_active"))
    return {
        "node_down": ([], up + " == 0", "{{ $labels.node }} is unreachable"),
        "node_flapping": (
            [],
            flapping,
            "{{ $labels.node }} is flapping: {{ $value }} state changes in 15 minutes",
        ),
        "node_restarting": (
            [],
            restarting,
            "{{ $labels.node }} restarted {{ $value }} times in 15 minutes",
        ),
        "node_degraded": ([], degraded, "{{ $labels.node }} is unhealthy or slow"),
        "hit_rate_halved": (
            *halved(),
            "Hit rate of {{ $labels.node }} fell to {{ $value | humanizePercentage }}",
        ),
        "evictions_rising": (
            *rising("evictions_rising", "evictions_per_second", True),
            "Evictions are rising on {{ $labels.node }}: {{ $value | humanize }} per second",
        ),
        "failures_rising": (
            *rising("failures_rising", "failures_per_second", True),
            "Failures are rising on {{ $labels.node }}: {{ $value | humanize }} per second",
        ),
        "timeouts_rising": (
            *rising("timeouts_rising", "timeouts_per_second", False),
            "Timeouts are rising on {{ $labels.node }}: {{ $value | humanize }} per second",
        ),
        "l2_loads_growing": (
            *rising("l2_loads_growing", "loads_in_flight", False),
            "L2 loads in flight are rising on {{ $labels.node }}: {{ $value | humanize }}",
        ),
        "remote_stores_stalled": (*stalled(), "Remote stores of {{ $labels.node }} stalled"),
        "remote_failing": (
            *pings(),
            "Remote backend of {{ $labels.node }} does not respond: {{ $value }} pings failed",
        ),
        "thread_stalled": (
            [],
            threads,
            "{{ $value }} critical threads of {{ $labels.node }} are stalled",
        ),
        "frontend_overloaded": (
            [],
            overloaded(),
            "This frontend may be overloaded: {{ $value }} nodes responded slowly",
        ),
        "version_mix": ([], version_mix(), "LMCache nodes run {{ $value }} different versions"),
    }


NEEDED = (
    *("requests_per_second", "lookup_hit_rate", "lookup_hits_per_second"),
    *("lookup_tokens_per_second", "retrieve_hit_rate", "hit_tokens_per_second"),
    *("requested_tokens_per_second", "evictions_per_second", "failures_per_second"),
    *("timeouts_per_second", "loads_in_flight", "stored_tokens_per_second"),
    *("remote_write_bytes_per_second", "l2_stores_per_second", "l2_chunks_stored_per_second"),
)
HEADER = """\
# Alerting and recording rules for a Prometheus that scrapes /metrics of LMCache Frontend.
#
# They are the alerts of the frontend's own page, with the same names, severities and thresholds,
# for a Prometheus that keeps more history, watches several frontends, or routes its alerts itself.
# Scrape every %(scrape)d seconds or more often: rates are computed over %(window)s.
#
# What a node does not report in its metrics, only the frontend can tell:
%(missing)s
# node_degraded and remote_failing know the metrics only, not what a node's status adds to them.
#
# Written by tests/support/prometheus_files.py from the tables of lmcache_frontend.py.
groups:
  - name: lmcache
    interval: %(interval)ds
    rules:
"""


def block(expression):
    """A text as a block of YAML, in lines of at most 100 columns."""
    lines = []
    for line in expression.split("\n"):
        indent = " " * (10 + len(line) - len(line.lstrip()))
        wrapper = textwrap.TextWrapper(100, indent, indent + "  ")
        wrapper.break_long_words = wrapper.break_on_hyphens = False
        lines.append(wrapper.fill(line.strip()) + "\n")
    return "".join(lines)


def folded(text):
    """A sentence as a folded block of YAML."""
    indent = " " * 12
    return textwrap.fill(text, 100, initial_indent=indent, subsequent_indent=indent) + "\n"


def duration(polls):
    return "%ds" % ((polls - 1) * INTERVAL)


def record(name, expression):
    return "      - record: %s\n        expr: |\n%s" % (name, block(expression))


def alert(rule, expression, summary):
    # That a node is down is known from its second silence on.
    polls = 2 if rule.name == "node_down" else rule.raise_after
    lines = ["      - alert: " + rule.name, "        expr: |"]
    text = "\n".join(lines) + "\n" + block(expression)
    if polls > 1:
        text += "        for: %s\n" % duration(polls)
    if rule.clear_after > 1:
        text += "        keep_firing_for: %s\n" % duration(rule.clear_after)
    text += "        labels:\n          severity: %s\n" % rule.severity
    described = "Begins: %s. Ends: %s." % rule_words.WHEN[rule.name]
    text += "        annotations:\n          summary: >-\n" + folded(summary)
    text += "          description: >-\n" + folded(described)
    return text + "          advice: >-\n" + folded(lf.REMEDIES[rule.name])


def rules_text():
    """The whole of rules.yml."""
    missing = ["#   %s: %s" % item for item in ONLY_IN_THE_FRONTEND.items()]
    values = {"interval": INTERVAL, "window": WINDOW, "scrape": lf.WINDOW / 4}
    parts = [HEADER % {**values, "missing": "\n".join(missing)}]
    parts += [record(recorded(name), figure(name)) for name in NEEDED]
    table = rules()
    known = {**{rule.name: rule for rule in lf.RULES}, **lf.CLUSTER_RULES}
    for name, (records, expression, summary) in table.items():
        parts += [record(one, found) for one, found in records]
        parts.append(alert(known[name], expression, summary))
    return "".join(parts)


# -- the dashboard

NODE = 'node=~"$node"'
UNITS = {
    **{"ratio": "percentunit", "seconds": "s", "bytes": "bytes", "bytes/s": "Bps"},
    **{"tokens/s": "suffix: tok/s", "1/s": "cps", "count": "short", "bool": "short"},
}
# A row, and the figures in its panels: the quantiles of one histogram are one panel.
ROWS = {
    "Cache": (
        *("lookup_hit_rate", "retrieve_hit_rate", "l1_hit_rate", "l2_hit_rate"),
        *("requested_tokens_per_second", "hit_tokens_per_second", "stored_tokens_per_second"),
        *("lookup_tokens_per_second", "lookup_hits_per_second", "requests_per_second"),
        *("lookups_per_second", "zero_hit_lookups_per_second", "request_hit_rate_p50"),
    ),
    "Latency and speed": (
        *("retrieve_p50", "store_p50", "lookup_p50", "slow_retrievals_per_second"),
        *("retrieve_speed_p50", "store_speed_p50"),
    ),
    "Memory and evictions": (
        *("local_cache_bytes", "l1_usage_ratio", "local_storage_bytes", "evictions_per_second"),
        *("cache_lifespan_p50", "chunk_lifetime_p50", "idle_before_eviction_p50"),
        *("reuse_gap_p50", "pinned_objects"),
    ),
    "Failures": ("failures_per_second", "timeouts_per_second", "queue_size", "healthy"),
    "Remote backend and L2": (
        *("remote_cache_bytes", "remote_ping_seconds", "remote_read_bytes_per_second"),
        *("remote_write_bytes_per_second", "remote_read_p99", "remote_write_p99"),
        *("l2_load_bytes_per_second", "l2_store_bytes_per_second", "l2_stores_per_second"),
        *("l2_chunks_stored_per_second", "loads_in_flight", "stores_in_flight"),
    ),
    "GPU transfers": (
        *("l1_load_bytes_per_second", "l1_store_bytes_per_second"),
        *("gpu_loads_in_flight", "gpu_stores_in_flight"),
    ),
    "Serving engine": (
        *("running_requests", "waiting_requests", "kv_usage_ratio", "ttft_p50", "itl_p50"),
        *("gpu_prefix_hit_rate", "external_prefix_hit_rate", "prompt_tokens_per_second"),
        *("generation_tokens_per_second", "preemptions_per_second"),
    ),
}
# Figures that no node of the demo has, by which every query is tried.
NOT_SHOWN = ("registered_workers", "p2p_transfers_per_second", "p2p_speed_p50")
WIDTH, HEIGHT = 8, 7  # of a panel; a row is 24 wide
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def target(expression, legend, number):
    return {
        "datasource": SOURCE,
        "expr": expression,
        "legendFormat": legend,
        "refId": chr(ord("A") + number),
    }


def panel(title, unit, queries, kind="timeseries", about=""):
    """One panel; ``queries`` are pairs of an expression and a legend."""
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": UNITS[unit], "min": 0}, "overrides": []},
        "targets": [target(*query, number) for number, query in enumerate(queries)],
    }


def figure_panel(name):
    one = FIGURES[name]
    if one.kind != lf.QUANTILE:
        return panel(one.label, one.unit, [(figure(name, more=NODE), "{{node}}")], about=one.note)
    alike = [other for other in lf.FIGURES if other.kind == one.kind and other.of[0] == one.of[0]]
    queries = [(figure(other.name, more=NODE), "{{node}} " + other.of[1]) for other in alike]
    return panel(one.label.rpartition(" ")[0], one.unit, queries, about=one.note)


def overview():
    """What an operator wants to see first, as single numbers."""
    up = "lmcache_frontend_node_up"
    errors = "sum by (node) (rate(lmcache_frontend_scrape_errors_total[5m]))"
    return [
        panel("Nodes up", "count", [("sum(%s)" % up, "")], "stat"),
        panel("Nodes down", "count", [("count(%s == 0) or vector(0)" % up, "")], "stat"),
        panel(
            "Active alerts",
            "count",
            [("sum by (severity) (lmcache_frontend_alerts)", "{{severity}}")],
            "stat",
        ),
        panel("Lookup hit rate", "ratio", [(figure("lookup_hit_rate", "job"), "")], "stat"),
        panel("Requests", "1/s", [(figure("requests_per_second", "job"), "")], "stat"),
        panel("Scrape errors", "1/s", [("(%s) > 0 or vector(0)" % errors, "{{node}}")]),
    ]


def placed(rows):
    """Panels one beside the other, under the titles of their rows."""
    panels, top = [], 0
    for title, members in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": []})
        panels[-1]["gridPos"] = {"h": 1, "w": 24, "x": 0, "y": top}
        top += 1
        for index, member in enumerate(members):
            x, y = index % 3 * WIDTH, top + index // 3 * HEIGHT
            member["gridPos"] = {"h": HEIGHT, "w": WIDTH, "x": x, "y": y}
            panels.append(member)
        top += -(-len(members) // 3) * HEIGHT
    for number, member in enumerate(panels, 1):
        member["id"] = number
    return panels


def variables():
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            **{"name": "node", "label": "Node", "type": "query", "datasource": SOURCE},
            **{"query": "label_values(lmcache_frontend_node_up, node)", "refresh": 2},
            **{"includeAll": True, "allValue": ".*", "multi": True, "sort": 1},
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def dashboard():
    """The whole dashboard as Grafana imports it."""
    rows = [("Overview", overview())]
    rows += [(title, [figure_panel(name) for name in names]) for title, names in ROWS.items()]
    return {
        "title": "LMCache",
        "uid": "lmcache-frontend",
        "description": "LMCache nodes, by the /metrics of LMCache Frontend.",
        "tags": ["lmcache"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables()},
        "panels": placed(rows),
    }


def dashboard_text():
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    RULES_FILE.write_text(rules_text())
    DASHBOARD_FILE.write_text(dashboard_text())
