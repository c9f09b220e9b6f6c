"""Writes ``static/prometheus/rules.yml`` and ``static/grafana/lmcache-frontend.json``.

    python tests/support/prometheus_files.py

Both say in PromQL what the tables of the module say: figures, rules and thresholds. Run it after
changing one of these; a test compares the files with what this would write.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

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
    "config_drift": "a configuration is no metric",
    "version_mix": "neither is a version",
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
        busy = "(%s >= %g)" % (before(tokens), limit.least)
        found = "%s / %s\n%s" % (before(hits), busy, on(long_enough(tokens)))
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


def rules():
    """{rule: (records, expression, what the value is)}."""
    up, latency = "lmcache_frontend_node_up", "lmcache_frontend_node_latency_seconds"
    changes = "changes(%s[%ds])" % (up, lf.FLAPPING_SECONDS)
    flapping = begins_or_lasts(
        "node_flapping",
        "%s >= %d" % (changes, lf.FLAPPING_BEGINS),
        "%s >= %d" % (changes, lf.FLAPPING_ENDS),
    )
    degraded = "(%s) == 0\nor %s > %g" % (level("healthy"), latency, lf.SLOW_ANSWER)
    threads = "(%s)\n- (%s) > 0" % (level("critical_total"), level("critical_active"))
    return {
        "node_down": ([], up + " == 0", "{{ $labels.node }} is unreachable"),
        "node_flapping": (
            [],
            flapping,
            "{{ $labels.node }} is flapping: {{ $value }} state changes in 15 minutes",
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
            "L2 loads in flight are growing on {{ $labels.node }}: {{ $value | humanize }}",
        ),
        "remote_stores_stalled": (*stalled(), "Remote stores of {{ $labels.node }} stalled"),
        "remote_failing": (
            *pings(),
            "Remote backend of {{ $labels.node }} does not answer: {{ $value }} pings failed",
        ),
        "thread_stalled": (
            [],
            threads,
            "{{ $value }} critical threads of {{ $labels.node }} are stalled",
        ),
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
# Scrape every %(scrape)d seconds or more often: rates are taken over %(window)s.
#
# What a node does not tell in its metrics stays with the frontend:
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
    """An expression as a block of YAML."""
    return "".join("          %s\n" % line for line in expression.split("\n"))


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
    described = "Begins: %s. Ends: %s." % (rule.begins, rule.ends)
    text += "        annotations:\n          summary: %s\n" % json.dumps(summary)
    return text + "          description: %s\n" % json.dumps(described, ensure_ascii=False)


def rules_text():
    """The whole of rules.yml."""
    missing = ["#   %s: %s" % item for item in ONLY_IN_THE_FRONTEND.items()]
    values = {"interval": INTERVAL, "window": WINDOW, "scrape": lf.WINDOW / 4}
    parts = [HEADER % {**values, "missing": "\n".join(missing)}]
    parts += [record(recorded(name), figure(name)) for name in NEEDED]
    table = rules()
    for rule in lf.RULES:
        records, expression, summary = table[rule.name]
        parts += [record(name, found) for name, found in records]
        parts.append(alert(rule, expression, summary))
    return "".join(parts)


if __name__ == "__main__":
    RULES_FILE.write_text(rules_text())
