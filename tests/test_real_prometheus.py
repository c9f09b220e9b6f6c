"""A real Prometheus scrapes what we merge, and finds the nodes through ``http_sd_config``."""

import contextlib
import http.server
import json
import threading

import pytest
from support import prometheus_files
from support.frontend import wait_for
from support.nodes import NodeServer
from support.prometheus import Prometheus, merge_pages

import lmcache_frontend as frontend

pytestmark = pytest.mark.slow

# What one node may give that is not as the format says: a name, and lines.
ODD_FORMS = {
    "negative timestamp": b"odd 1 -1",
    "timestamp with a sign": b"odd 1 +5",
    "timestamp with a point": b"odd 1 1.5",
    "timestamp with an exponent": b"odd 1 1e3",
    "timestamp beyond an int64": b"odd 1 9223372036854775808",
    "the largest timestamp": b"odd 1 9223372036854775807",
    "timestamp of 1970": b"odd 1 0",
    "timestamp of 40 digits": b"odd 1 " + b"1" * 40,
    "timestamp that is a word": b"odd 1 soon",
    "two timestamps": b"odd 1 2 3",
    "no value": b"odd",
    "no value behind labels": b'odd{a="b"}',
    "NaN": b"odd NaN",
    "nan": b"odd nan",
    "signed NaN": b"odd -NaN",
    "+Inf": b"odd +Inf",
    "inf": b"odd inf",
    "INF": b"odd INF",
    "infinity": b"odd -infinity",
    "underscore in a number": b"odd 1_000",
    "comma in a number": b"odd 1,5",
    "hexadecimal": b"odd 0x10",
    "hexadecimal float": b"odd 0x1p-2",
    "beyond a double": b"odd 1e999",
    "next to nothing": b"odd 1e-999",
    "exponent without digits": b"odd 1e",
    "point first": b"odd .5",
    "point last": b"odd 5.",
    "plus sign": b"odd +5",
    "two signs": b"odd --5",
    "300 digits": b"odd " + b"1" * 300,
    "400 digits": b"odd " + b"1" * 400,
    "12,000 digits": b"odd " + b"1" * 12000,
    "Arabic digits": "odd ١٢".encode(),
    "quotes around a value": b'odd "1"',
    "no braces but labels": b'odd a="b" 1',
    "empty braces": b"odd{} 1",
    "a comma in braces": b"odd{,} 1",
    "comma last": b'odd{a="b",} 1',
    "two commas": b'odd{a="b",,c="d"} 1',
    "no comma": b'odd{a="b" c="d"} 1',
    "no quotes": b"odd{a=b} 1",
    "single quotes": b"odd{a='b'} 1",
    "braces that stay open": b'odd{a="b" 1',
    "quotes that stay open": b'odd{a="b} 1',
    "brace in a label": b'odd{a="}{"} 1',
    "number sign in a label": b'odd{a=" # {"} 1',
    "escapes": b'odd{a="\\\\ \\" \\n"} 1',
    "unknown escape": b'odd{a="\\x41"} 1',
    "tab escape": b'odd{a="\\t"} 1',
    "backslash last": b'odd{a="b\\"} 1',
    "empty label": b'odd{a=""} 1',
    "label twice": b'odd{a="1",a="2"} 1',
    "label __name__": b'odd{__name__="even"} 1',
    "label __reserved": b'odd{__reserved="1"} 1',
    "label node": b'odd{node="good"} 1',
    "labels node and exported_node": b'odd{exported_node="a",node="good"} 1',
    "label le": b'odd{le="x"} 1',
    "label that begins with a digit": b'odd{1a="b"} 1',
    "label with a dot": b'odd{a.b="c"} 1',
    "quoted name": b'{"odd.name"} 1',
    "quoted label": b'odd{"a.b"="c"} 1',
    "no name": b'{a="b"} 1',
    "name with a dot": b"odd.name 1",
    "name with a letter of another script": "öd 1".encode(),
    "name that begins with a digit": b"1odd 1",
    "name of a colon": b": 1",
    "101 labels": b"odd{" + b",".join(b'a%d="1"' % index for index in range(101)) + b"} 1",
    "a label of 60 KB": b'odd{a="' + b"x" * 60000 + b'"} 1',
    "a line of 70 KB": b'odd{a="' + b"x" * 70000 + b'"} 1',
    "16,000 spaces in braces": b"odd{" + b" " * 16000 + b"} 1",
    "NUL": b"\x00",
    "NUL in a label": b'odd{a="\x00b"} 1',
    "NUL in a name": b"o\x00dd 1",
    "NUL in a help text": b"# HELP odd a\x00b\n# TYPE odd gauge\nodd 1",
    "control characters in a label": b'odd{a="' + bytes(range(1, 10)) + b'"} 1',
    "carriage return in a label": b'odd{a="x\ry"} 1',
    "carriage return alone": b"odd 1\reven 2",
    "carriage returns": b"# TYPE even gauge\r\neven 1\r\n",
    "form feed as a space": b"odd\x0c1",
    "vertical tab as a space": b"odd\x0b1",
    "no-break space": "odd\u00a01".encode(),
    "line separator in a label": 'odd{a="\u2028"} 1'.encode(),
    "tabs": b'\todd\t{\ta\t=\t"b"\t}\t1\t7\t',
    "spaces everywhere": b'  odd  {  a  =  "b"  ,  }  1  ',
    "broken UTF-8 in a label": b'odd{a="\xff"} 1',
    "half a surrogate in a label": b'odd{a="\xed\xa0\x80"} 1',
    "an overlong form in a label": b'odd{a="\xc0\x80"} 1',
    "a byte order mark": b"\xef\xbb\xbfodd 1",
    "broken UTF-8 in a help text": b"# HELP odd \xff\n# TYPE odd gauge\nodd 1",
    "unknown escape in a help text": b"# HELP odd \\x \\\n# TYPE odd gauge\nodd 1",
    "help text of 70 KB": b"# HELP odd " + b"x" * 70000 + b"\n# TYPE odd gauge\nodd 1",
    "help line without a text": b"# HELP odd\nodd 1",
    "help lines that differ": b"# HELP odd a\n# HELP odd b\n# TYPE odd gauge\nodd 1",
    "type line twice": b"# TYPE odd gauge\nodd 1\n# TYPE odd gauge\nodd 2",
    "type lines that differ": b"# TYPE odd gauge\nodd 1\n# TYPE odd counter\nodd 2",
    "unknown type": b"# TYPE odd something\nodd 1",
    "type line without a type": b"# TYPE odd\nodd 1",
    "type line of two types": b"# TYPE odd gauge counter\nodd 1",
    "type line without a name": b"# TYPE\nodd 1",
    "type of a name that cannot be": b"# TYPE 1odd gauge\nodd 1",
    "type line behind the samples": b"odd 1\n# TYPE odd gauge",
    "type in capitals": b"# TYPE odd GAUGE\nodd 1",
    "OpenMetrics types": b"# TYPE odd info\nodd_info 1\n# TYPE even stateset\neven 1",
    "unit": b"# UNIT odd seconds\nodd 1",
    "number sign alone": b"#\nodd 1",
    "comment without a space": b"#TYPE odd gauge\nodd 1",
    "end in the middle": b"odd 1\n# EOF\neven 1",
    "exemplar": b'odd 1 # {trace_id="a"} 1 1.5',
    "broken exemplar": b'odd 1 # {trace_id="a',
    "the same line twice": b"odd 1\nodd 1",
    "the same series twice": b"odd 1\nodd 2",
    "the same series in another order": b'odd{a="1",b="2"} 1\nodd{b="2",a="1"} 2',
    "the same series by an empty label": b'odd 1\nodd{a=""} 2',
    "histogram without le": b"# TYPE odd histogram\nodd_bucket 1\nodd_count 1\nodd_sum 1",
    "le that is a word": b'# TYPE odd histogram\nodd_bucket{le="much"} 1',
    "histogram without infinity": b'# TYPE odd histogram\nodd_bucket{le="1"} 1',
    "histogram with a sample of its name": b"# TYPE odd histogram\nodd 1\nodd_count 1",
    "quantile that is a word": b'# TYPE odd summary\nodd{quantile="half"} 1',
    "a histogram's count as a gauge": b"# TYPE odd histogram\nodd_count 1\n"
    b"# TYPE odd_count gauge\nodd_count 2",
    "the good node's family as a gauge": b"# TYPE good_total gauge\ngood_total 9",
    "the good node's family as a histogram": b"# TYPE good_total histogram\ngood_total_sum 9",
    "the good node's family without a type": b"good_total 9",
    "the good node's histogram as a gauge": b"# TYPE wait gauge\nwait 9",
    "the good node's buckets as a counter": b'# TYPE wait_bucket counter\nwait_bucket{le="1"} 9',
    "the good node's count as a summary": b"# TYPE wait_count summary\nwait_count 9",
    "the good node's buckets without a type": b"wait_bucket 9",
    "the good node's series": b'good_total{node="good"} 9',
    "our own family": b'# TYPE lmcache_frontend_node_up counter\nlmcache_frontend_node_up{a="b"} 9',
    "HTML": b"<html>\n<body>503 Service Unavailable</body>\n</html>",
    "JSON": b'{"detail": "Not Found"}\n[1, 2]',
    "all bytes": bytes(range(256)) * 4,
    "nothing but spaces": b" " * 100 + b"\n" + b"\t" * 100,
}
GOOD = b"""\
# HELP good_total Counted.
# TYPE good_total counter
good_total 5
good_total{a="b"} 6
# TYPE wait histogram
wait_bucket{le="0.1"} 1
wait_bucket{le="+Inf"} 2
wait_sum 0.5
wait_count 2
# TYPE level gauge
level{a="\\\\ \\" }"} -1.5e-07
untold 7
"""
GOOD_SERIES = 8
BEFORE, BEHIND = b"# TYPE odd gauge\n", b"\n# TYPE last gauge\nlast 1\n"


class Pages(http.server.ThreadingHTTPServer):
    """Serves pages[N] at /N."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, pages):
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.pages = pages
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *args):
        self.shutdown()
        self.server_close()


class PageHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = self.server.pages[int(self.path.strip("/"))]
        self.send_response(200)
        self.send_header("Content-Type", frontend.METRICS_TYPE)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args):
        pass


def pages_of(form):
    """The four pages in which a form is tried: behind a type line or not, first or last."""
    for bad in (form + b"\n", BEFORE + form + BEHIND):
        for nodes in ([("good", GOOD), ("bad", bad)], [("bad", bad), ("good", GOOD)]):
            yield merge_pages(nodes)[0]


def test_whatever_form_one_nodes_lines_have_the_target_stays_up_and_the_others_lose_nothing(
    tmp_path,
):
    forms = [(name, page) for name, form in ODD_FORMS.items() for page in pages_of(form)]
    assert len(ODD_FORMS) > 60
    with Pages([page for _, page in forms]) as pages:
        config = ["global: {scrape_interval: 10s}", "scrape_configs:", "  - job_name: forms"]
        config.append("    static_configs:")
        for index in range(len(forms)):
            address = "127.0.0.1:%d" % pages.server_port
            labels = "{__metrics_path__: /%d, form: '%d'}" % (index, index)
            config.append("      - {targets: ['%s'], labels: %s}" % (address, labels))
        with Prometheus(tmp_path, "\n".join(config) + "\n") as prometheus:

            def errors():
                """What Prometheus says of the pages that it could not read so far."""
                targets = prometheus.targets("forms")
                assert len(targets) in (0, len(forms))
                return {
                    forms[int(target["labels"]["form"])][0]: target["lastError"]
                    for target in targets or [{"labels": {"form": 0}, "lastError": "-"}]
                    if target.get("health") != "up"
                }

            with contextlib.suppress(AssertionError):
                wait_for(lambda: not errors(), 60)
            assert errors() == {}
            expression = 'count by (form) ({node="good", form!=""})'
            counts = {
                int(one["metric"]["form"]): int(one["value"][1])
                for one in prometheus.query(expression)
            }
            missing = {
                name: counts.get(index, 0)
                for index, (name, _) in enumerate(forms)
                if counts.get(index, 0) != GOOD_SERIES
            }
            assert missing == {}


def test_a_node_with_every_odd_form_at_once_costs_a_frontend_nothing(start, tmp_path):
    with NodeServer() as bad, NodeServer() as good:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        page = b"\n".join(ODD_FORMS.values())
        bad.exact["/metrics"] = head % len(page) + page
        good.exact["/metrics"] = head % len(GOOD) + GOOD
        front = start("--node", f"bad={bad.address}", "--node", f"good={good.address}")
        target = "static_configs: [{targets: ['127.0.0.1:%d']}]"
        config = "scrape_configs: [{job_name: front, scrape_interval: 1s, %s}]" % target
        with Prometheus(tmp_path, config % front.port) as prometheus:
            wait_for(lambda: prometheus.query('up{job="front"} == 1'), 30)
            own = prometheus.query("lmcache_frontend_node_up")
            assert {one["metric"]["node"]: one["value"][1] for one in own} == {
                "bad": "1",
                "good": "1",
            }
            names = "good_total|wait_.*|level|untold"
            kept = prometheus.query('count({node="good", __name__=~"%s"})' % names)
            assert int(kept[0]["value"][1]) == GOOD_SERIES
            errors = prometheus.query("lmcache_frontend_scrape_errors_total")
            assert {one["metric"]["node"] for one in errors if one["value"][1] != "0"} == {"bad"}


DISCOVERY = """
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs:
  - job_name: merged
    static_configs: [{targets: ["127.0.0.1:%(port)d"]}]
  - job_name: nodes
    http_sd_configs: [{url: "http://127.0.0.1:%(port)d/api/sd", refresh_interval: 1s}]
  - job_name: through
    http_sd_configs: [{url: "http://127.0.0.1:%(port)d/api/sd?via=proxy", refresh_interval: 1s}]
"""


def test_prometheus_finds_every_node_and_all_targets_are_up(start, tmp_path):
    front = start("--demo", "--poll-interval", "1")
    with Prometheus(tmp_path, DISCOVERY % {"port": front.port}) as prometheus:
        groups = front.ask("/api/nodes").json()["nodes"]
        names = {child["name"] for group in groups for child in group["children"]}

        def healths(job):
            return [target["health"] for target in prometheus.targets(job)]

        def all_are_up():
            all_nodes = [healths(job) for job in ("nodes", "through")]
            return healths("merged") == ["up"] and all_nodes == [["up"] * len(names)] * 2

        wait_for(all_are_up, 90)
        found = wait_for(lambda: prometheus.query("lmcache_frontend_node_up"), 20)
        assert {one["metric"]["node"] for one in found} == names
        assert {one["value"][1] for one in found} == {"1"}


MERGED = """
global: {scrape_interval: 2s, scrape_timeout: 2s}
rule_files: ["%(rules)s"]
scrape_configs:
  - job_name: merged
    static_configs: [{targets: ["127.0.0.1:%(port)d"]}]
"""


def dashboard_queries():
    """(title of the panel, query) of the dashboard, for all nodes."""
    for panel in json.loads(prometheus_files.DASHBOARD_FILE.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$node", ".*")


def test_every_query_of_the_dashboard_and_every_record_of_the_rules_has_series_of_the_demo(
    start, tmp_path
):
    front = start("--demo", "--poll-interval", "2")
    queries = [
        *dashboard_queries(),
        *((name, "lmcache_node:" + name) for name in prometheus_files.NEEDED),
    ]
    assert len(queries) > 80
    config = MERGED % {"port": front.port, "rules": prometheus_files.RULES_FILE}
    with Prometheus(tmp_path, config) as prometheus:

        def empty():
            """The panels without series so far."""
            queries[:] = [(title, query) for title, query in queries if not prometheus.query(query)]
            return sorted({title for title, _ in queries})

        with contextlib.suppress(AssertionError):
            wait_for(lambda: not empty(), 120)
        assert empty() == []

        def health():
            """What it says of the rules; "unknown" of those not yet evaluated."""
            groups = prometheus.ask("/api/v1/rules")["groups"]
            return {rule["health"] for group in groups for rule in group["rules"]}

        wait_for(lambda: "unknown" not in health(), 90)
        assert health() == {"ok"}
