"""Prometheus text.

Reading samples, and merging the pages of many nodes into one valid exposition.
"""

import random
import re
import subprocess
import threading
import time

import pytest

import lmcache_frontend as frontend
from support.processes import find_program
from support.prometheus import merge_pages

# As LMCache 0.5.6 writes it (prometheus_client): a counter, its _created, a gauge, a histogram,
# unlabelled samples.
WORKER = b"""\
# HELP process_open_fds Number of open file descriptors.
# TYPE process_open_fds gauge
process_open_fds 51.0
# HELP lmcache:num_hit_tokens_total Total number of tokens hit in lmcache
# TYPE lmcache:num_hit_tokens_total counter
lmcache:num_hit_tokens_total{model_name="m/8b",role="worker",worker_id="0"} 185344.0
# HELP lmcache:num_hit_tokens_created Total number of tokens hit in lmcache
# TYPE lmcache:num_hit_tokens_created gauge
lmcache:num_hit_tokens_created{model_name="m/8b",role="worker",worker_id="0"} 1.79542522182e+09
# HELP lmcache:time_to_retrieve Time to retrieve from lmcache (seconds)
# TYPE lmcache:time_to_retrieve histogram
lmcache:time_to_retrieve_bucket{le="0.001",model_name="m/8b",role="worker",worker_id="0"} 70.0
lmcache:time_to_retrieve_bucket{le="0.01",model_name="m/8b",role="worker",worker_id="0"} 110.0
lmcache:time_to_retrieve_bucket{le="+Inf",model_name="m/8b",role="worker",worker_id="0"} 111.0
lmcache:time_to_retrieve_count{model_name="m/8b",role="worker",worker_id="0"} 111.0
lmcache:time_to_retrieve_sum{model_name="m/8b",role="worker",worker_id="0"} 0.12253413600001295
# HELP lmcache:retrieve_broadcast_time Nothing was ever counted here
# TYPE lmcache:retrieve_broadcast_time histogram
"""

OPENMETRICS = b"""\
# TYPE requests counter
# UNIT requests tokens
# HELP requests Requests, with \\"quotes\\".
requests_total{path="/a"} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67
requests_created{path="/a"} 1520872607.123
# TYPE wait histogram
wait_bucket{le="0.1"} 8 # {} 0.054
wait_bucket{le="+Inf"} 17 # {trace_id="oHg5SJYRHA0"} 9.8 1520879607.789
wait_count 17
wait_sum 324789.3
wait_created 1520430000.123
# TYPE build info
build_info{version="1"} 1
# TYPE mode stateset
mode{mode="a"} 1
# TYPE odd unknown
odd 1
# EOF
"""


def merge(*pages, own=b""):
    """Merge pages of nodes n0, n1, ...; returns (text, {node: families left out})."""
    text, left_out = merge_pages(((f"n{index}", page) for index, page in enumerate(pages)), own)
    return text.decode(), left_out


def sums(page, *names):
    """{name: sum of its samples} of a page."""
    found = {}
    for name, _, value in frontend.read_samples(page, frozenset(names)):
        found[name] = found.get(name, 0.0) + value
    return found


def samples(text):
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def assert_is_valid(text):
    """One TYPE per family in front of its samples, all samples of a family together, none twice."""
    seen, series, family, allowed = set(), set(), None, ()
    for line in text.split("\n")[:-1]:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in seen, line
            seen.add(family)
            suffixes = {
                "histogram": ("_bucket", "_sum", "_count"),
                "summary": ("", "_sum", "_count"),
            }.get(kind, ("",))
            allowed = {family + suffix for suffix in suffixes}
        elif not line.startswith("#"):
            head = line[: line.rindex("}") + 1] if "}" in line else line.split(" ")[0]
            assert re.match(r"[^{ ]+", line).group() in allowed, line
            assert head not in series, line
            series.add(head)


def assert_promtool_parses(text):
    promtool = find_program("promtool")
    run = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True)
    assert run.returncode in (0, 3), (
        run.stderr.decode()
    )  # 3: it parses, but the names are not to its taste


# -- reading samples


def test_wanted_samples_come_one_by_one_with_their_labels_and_values():
    page = (
        b'# TYPE hits counter\nhits{w="0",m="a\\"b"} 2\nmiss 1\n  hits\t{ w = "1" } 3e2 17\n'
        b"hits 4 # {}"
    )
    found = frontend.read_samples(page, frozenset([b"hits"]))
    assert next(found) == (b"hits", {"w": "0", "m": 'a"b'}, 2.0)
    assert [(one.labels, one.value) for one in found] == [({"w": "1"}, 300.0), ({}, 4.0)]


def test_a_line_is_read_up_to_its_limit_and_broken_beyond():
    longest = b'x{a="%b"} 1' % (b"a" * (frontend.MAX_LINE - 9))
    wanted = frozenset([b"x", b"y"])
    for line, count in ((longest, 1), (longest + b" ", 0)):
        for page in (line, line + b"\n", b"y 1\n" + line + b"\n\ny 1"):
            expected = count + page.count(b"y 1")
            assert len(list(frontend.read_samples(page, wanted))) == expected


@pytest.mark.slow
@pytest.mark.parametrize("more", [0, 1])
def test_a_page_of_too_many_lines_is_read_up_to_the_limit(more):
    page = b"x 1\n" * (frontend.MAX_LINES - 1) + b"x 2\n" * more + b"# EOF\nx 4"
    assert sums(page, b"x") == {b"x": frontend.MAX_LINES - 1 + 2 * more}
    text, left_out = merge(page)
    assert samples(text) == ['x{node="n0"} 1']
    assert left_out == {"n0": 2 if more else 1}


def test_samples_of_other_names_are_passed_over():
    page = b'hits{a="1"} 2\nhits{a="2"} 3\nhits_total 100\nother 7\n# TYPE hits gauge\nplain 4'
    assert sums(page, b"hits", b"plain") == {b"hits": 5.0, b"plain": 4.0}


@pytest.mark.parametrize(
    "line",
    [
        b'x{a="} 9 {"} 4',
        b'x{a="b"} 4 1520879607789',
        b'x{a="b"} 4 # {t="8"} 9.5',
        b"x{} 4",
        b'x{ a = "b" , } 4',
        b"x  4.0 ",
        b'x{a="quote \\" and \\\\"} 4',
        b"x 4\r",
    ],
)
def test_a_value_is_found_whatever_else_is_in_the_line(line):
    assert sums(line, b"x") == {b"x": 4.0}


@pytest.mark.parametrize(
    "line",
    [
        b"x NaN",
        b"x +Inf",
        b"x",
        b"x abc",
        b'x{a="b} 4',
        b'x{a="b"}',
        b"",
        b"x{",
        b"\xff 1",
        b"# x 1",
    ],
)
def test_a_line_without_a_finite_value_is_left_out(line):
    assert sums(b"x 1\n" + line + b"\n", b"x") == {b"x": 1.0}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        'a "quoted" one',
        "back\\slash",
        "two\nlines",
        "\\n",
        'all \\"\n of them',
        "ümläut",
    ],
)
def test_a_label_value_comes_back_as_it_was(value):
    escaped = frontend.escape_label(value)
    assert "\n" not in escaped and frontend.unescape_label(escaped) == value


def test_labels_are_those_of_the_first_sample_that_has_some():
    page = (
        b'# HELP lmcache:a A\nlmcache:a 1\nlmcache:b{role="worker",model_name="a\\"b"} 1\n'
        b'lmcache:c{role="other"} 1\n'
    )
    assert frontend.sample_labels(page, b"lmcache:") == {"role": "worker", "model_name": 'a"b'}
    assert (
        frontend.sample_labels(page, b"vllm:") == {}
        and frontend.sample_labels(b"", b"lmcache:") == {}
    )
    assert frontend.sample_labels(b'lmcache:a{role="scheduler"} 1', b"lmcache:") == {
        "role": "scheduler"
    }


INF = float("inf")


@pytest.mark.parametrize(
    "counts, q, expected",
    [  # as PromQL's histogram_quantile answers
        ({0.1: 10, 0.5: 20, 1.0: 20, INF: 20}, 0.5, 0.1),
        ({0.1: 10, 0.5: 20, 1.0: 20, INF: 20}, 0.9, 0.42),
        ({0.1: 10, INF: 10}, 0.25, 0.025),
        ({0.1: 0, 0.5: 0, 1.0: 4, INF: 4}, 0.5, 0.75),
        ({0.1: 1, 1.0: 2, INF: 100}, 0.99, 1.0),
        ({1.0: 0, INF: 3}, 0.5, 1.0),
        ({-2.0: 1, -1.0: 2, INF: 2}, 0.25, -2.0),
    ],
)
def test_a_quantile_lies_on_a_straight_line_inside_its_bucket(counts, q, expected):
    assert frontend.quantile(counts, q) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [{}, {INF: 0}, {0.1: 0, INF: 0}])
def test_a_quantile_of_nothing_is_not_known(counts):
    assert frontend.quantile(counts, 0.5) is None


# -- merging


def test_a_family_has_one_help_and_type_and_its_samples_stand_together():
    text, left_out = merge(WORKER, WORKER, WORKER)
    assert left_out == {}
    assert (
        text.count("# HELP lmcache:num_hit_tokens_total ")
        == text.count("# TYPE lmcache:num_hit_tokens_total ")
        == 1
    )
    assert len(samples(text)) == 3 * len(samples(WORKER.decode()))
    assert "retrieve_broadcast_time" not in text  # a family without samples is not worth two lines
    assert_is_valid(text)
    assert_promtool_parses(text)


def test_every_sample_gets_the_name_of_its_node_and_changes_in_nothing_else():
    text, _ = merge(WORKER)
    assert 'process_open_fds{node="n0"} 51.0' in samples(text)
    assert (
        'lmcache:num_hit_tokens_total{model_name="m/8b",role="worker",worker_id="'
        '0",node="n0"} 185344.0' in samples(text)
    )
    original = [
        line.replace('",node="n0"}', '"}').replace('{node="n0"}', "") for line in samples(text)
    ]
    assert original == samples(WORKER.decode())


@pytest.mark.parametrize(
    "name", ["rack1/w0", 'the "best" one', "back\\slash", "two\nlines", "Knoten ü"]
)
def test_any_node_name_is_a_valid_label(name):
    text = merge_pages([(name, WORKER)])[0].decode()
    assert f'process_open_fds{{node="{frontend.escape_label(name)}"}} 51.0' in samples(text)
    assert_promtool_parses(text)


def test_our_own_samples_come_first_and_stay_as_they_are():
    own = (
        b"# HELP own_total Ours\n# TYPE own_total counter\nown_total 3\n"
        b"# HELP none Empty\n# TYPE none gauge\n"
        b'# HELP node_up Up\n# TYPE node_up gauge\nnode_up{node="n0"} 1\n'
    )
    text, left_out = merge(WORKER, own=own)
    assert samples(text)[:2] == ["own_total 3", 'node_up{node="n0"} 1'] and left_out == {}
    assert_is_valid(text)


@pytest.mark.parametrize(
    "given, expected",
    [
        (b'x{node="me"} 1', 'x{exported_node="me",node="n0"} 1'),
        (b'x{a="b",node="me",c="d"} 1', 'x{a="b",exported_node="me",c="d",node="n0"} 1'),
        (
            b'x{exported_node="he",node="me"} 1',
            'x{exported_node="he",exported_exported_node="me",node="n0"} 1',
        ),
        (b'x{nodes="1",my_node="2"} 1', 'x{nodes="1",my_node="2",node="n0"} 1'),
        (b'x{a="node=\\"1\\""} 1', 'x{a="node=\\"1\\"",node="n0"} 1'),
    ],
)
def test_a_nodes_own_label_node_becomes_exported_node(given, expected):
    text, left_out = merge(b"# TYPE x gauge\n" + given)
    assert samples(text) == [expected] and left_out == {}


@pytest.mark.parametrize(
    "given, expected",
    [
        (b'x{a="} 1 {"} 2', 'x{a="} 1 {",node="n0"} 2'),
        (b'x{a="\\"} "} 2', 'x{a="\\"} ",node="n0"} 2'),
        (b'x{a="b # {c"} 2', 'x{a="b # {c",node="n0"} 2'),
        (b'  x { a = "b" , c="d" , }   2', 'x{a="b",c="d",node="n0"} 2'),
        (b"x{} 2", 'x{node="n0"} 2'),
        (b"x\t2", 'x{node="n0"} 2'),
        (b'x{a="b"} 2 1395066363000', 'x{a="b",node="n0"} 2 1395066363000'),
        (b"x 2 9223372036854775807", 'x{node="n0"} 2 9223372036854775807'),
        (b"x +Inf", 'x{node="n0"} +Inf'),
        (b"x -Inf", 'x{node="n0"} -Inf'),
        (b"x NaN", 'x{node="n0"} NaN'),
        (b"x .5e-07", 'x{node="n0"} .5e-07'),
        ('x{a="ü"} 2'.encode(), 'x{a="ü",node="n0"} 2'),
    ],
)
def test_unusual_but_valid_lines_are_taken_over(given, expected):
    text, left_out = merge(b"# TYPE x gauge\n" + given + b"\n")
    assert samples(text) == [expected] and left_out == {}
    assert_promtool_parses(text)


BROKEN = [
    b"x",
    b"x0",
    b"x abc",
    b"x 1_000",
    b"x 0x10",
    b"x 1e999",
    b"x 1 2 3",
    b"x 1 soon",
    b'x{a="b} 1',
    b'x{a="b"',
    b"x{a=b} 1",
    b'x{a="b" 1',
    b'x{a="b"c="d"} 1',
    b'x{a="b",a="c"} 1',
    b'x{__name__="y"} 1',
    b'x{a="\\x"} 1',
    b'x{a="\xff"} 1',
    b'x{1a="b"} 1',
    b"x{,} 1",
    b'{a="b"} 1',
    b"\x00",
]


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_line_costs_its_node_that_family_and_nobody_else_anything(line):
    good = b'# TYPE a gauge\na 1\n# TYPE x gauge\nx{k="v"} 5\n# TYPE z gauge\nz 1\n'
    bad = (
        b'# TYPE a gauge\na 2\n# TYPE x gauge\nx{k="v"} 6\n'
        + line
        + b'\nx{k="w"} 7\n# TYPE z gauge\nz 2\n'
    )
    text, left_out = merge(bad, good)
    assert sorted(samples(text)) == [
        'a{node="n0"} 2',
        'a{node="n1"} 1',
        'x{k="v",node="n1"} 5',
        'z{node="n0"} 2',
        'z{node="n1"} 1',
    ]
    assert left_out == {"n0": 1}
    assert_promtool_parses(text)


def test_a_family_stays_left_out_when_good_lines_follow_the_broken_one():
    text, left_out = merge(b"# TYPE x gauge\nx abc\n# a comment\nx 1\n# TYPE y gauge\ny 1\nx 2\n")
    assert samples(text) == ['y{node="n0"} 1'] and left_out == {"n0": 1}


@pytest.mark.parametrize("stamp", [b"-1", b"9223372036854775808", b"1.5", b"+5", b"1e3"])
def test_a_timestamp_that_prometheus_refuses_costs_its_sample_and_is_counted(stamp):
    text, left_out = merge(b'# TYPE x gauge\nx{a="1"} 1 %b\nx{a="2"} 2\ny 3 7\n' % stamp)
    assert samples(text) == ['x{a="2",node="n0"} 2', 'y{node="n0"} 3 7']
    assert left_out == {"n0": 1}


@pytest.mark.parametrize("stamp", [b"-1.5", b"1e30", b"9223372036854775.808"])
def test_the_same_in_openmetrics(stamp):
    text, left_out = merge(b"x 1 %b\ny 3 7\n# EOF\n" % stamp)
    assert samples(text) == ['y{node="n0"} 3 7000'] and left_out == {"n0": 1}


@pytest.mark.parametrize(
    "page, kept, lost",
    [
        (b"# TYPE x gauge\nx 1\nx 1\n", ["x{} 1"], 0),
        (b"# TYPE x gauge\nx 1\nx 2\n", ["x{} 1"], 1),
        (b'# TYPE x gauge\nx{a="",b="2"} 1\nx { b="2" } 2\n', ['x{a="",b="2",} 1'], 1),
        (b'x{a="1",b="2"} 1\nx { b="2",a="1" } 2\n', ['x{a="1",b="2",} 1'], 1),
        (b"# TYPE x gauge\nx 1\n# TYPE y gauge\ny 1\n# TYPE x gauge\nx 1\n", ["x{} 1"], 0),
        (
            b'# HELP x X\n# TYPE x gauge\nx{a="1"} 1\n# HELP y Y\n# TYPE y gauge\ny 1\n'
            b'# HELP x X\n# TYPE x gauge\nx{a="1"} 1\nx{a="2"} 2\n',
            ['x{a="1",} 1', 'x{a="2",} 2'],
            0,
        ),
        (b"x 1\n# TYPE y gauge\ny 1\nx 1\n", ["x{} 1"], 0),
        (b"x 1\n# TYPE x gauge\nx 1\n", ["x{} 1"], 0),
        (b"x 1\n# TYPE x gauge\nx 2\n", ["x{} 1"], 1),
    ],
)
def test_of_equal_series_the_first_is_kept_and_equal_type_lines_are_one(page, kept, lost):
    for pages in ((page, b"z 1\n"), (b"z 1\n", page), (page, page)):
        text, left_out = merge(*pages)
        for index, given in enumerate(pages):
            label = 'node="n%d"}' % index
            lines = [line for line in samples(text) if line[0] == "x" and label in line]
            assert lines == [line.replace("}", label) for line in kept if given == page]
            assert left_out.get("n%d" % index, 0) == (lost if given == page else 0)
        assert_is_valid(text)
    assert_promtool_parses(text)


@pytest.mark.parametrize(
    "page",
    [
        b"# TYPE x gauge\nx 1\n# TYPE x counter\nx 2\n# TYPE y gauge\ny 1\n",
        b"# TYPE x sometype\nx 1\n",
        b"# TYPE x\nx 1\n",
        b'# TYPE x histogram\nx_bucket{le="much"} 1\nx_count 1\nx_sum 1\n',
        b"# TYPE x histogram\nx_bucket 1\nx_count 1\nx_sum 1\n",
        b'# TYPE x summary\nx{quantile="half"} 1\nx_count 1\nx_sum 1\n',
    ],
)
def test_a_family_that_contradicts_itself_or_its_type_is_left_out_once(page):
    text, left_out = merge(page, b"# TYPE z gauge\nz 1\n")
    assert left_out == {"n0": 1} and 'z{node="n1"} 1' in samples(text)
    assert not [line for line in samples(text) if line.startswith("x")]
    assert_promtool_parses(text)


def test_the_type_that_most_nodes_give_wins_whoever_comes_first():
    gauge, counter = b"# TYPE x gauge\nx 1\n", b"# TYPE x counter\nx 2\n"
    text, left_out = merge(gauge, counter, counter)
    assert samples(text) == ['x{node="n1"} 2', 'x{node="n2"} 2'] and left_out == {"n0": 1}


@pytest.mark.parametrize("kind", [b"gauge", b"histogram", b"summary", b"untyped"])
@pytest.mark.parametrize("is_first", [True, False])
def test_where_two_nodes_disagree_about_a_type_both_keep_their_samples(kind, is_first):
    good = WORKER.replace(b"lmcache:time_to_retrieve", b"x")
    names = [b"x", b"x_bucket", b"x_count"]
    bad = b"".join(b'# TYPE %b %b\n%b{le="1"} 1\n' % (name, kind, name) for name in names)
    text, _ = merge(*((bad, good) if is_first else (good, bad)))
    node = 'node="n%d"}' % is_first
    expected = [line.replace('node="n0"}', node) for line in samples(merge(good)[0])]
    assert set(expected) <= set(samples(text))
    assert_is_valid(text)
    assert_promtool_parses(text)


def test_our_own_type_wins_against_any_number_of_nodes():
    own = b"# HELP own Ours\n# TYPE own gauge\nown 1\n"
    text, left_out = merge(*[b"# TYPE own counter\nown 2\n"] * 3, own=own)
    assert samples(text) == ["own 1"] and left_out == {"n0": 1, "n1": 1, "n2": 1}


def test_a_histogram_and_a_counter_that_share_a_samples_name_do_not_both_stay():
    histogram = b'# TYPE x histogram\nx_bucket{le="+Inf"} 1\nx_count 1\nx_sum 1\n'
    text, left_out = merge(
        histogram, b"# TYPE x_count counter\nx_count 1\n# TYPE y gauge\ny 1\n", histogram
    )
    assert (
        left_out == {"n1": 1}
        and "x_count counter" not in text
        and 'y{node="n1"} 1' in samples(text)
    )
    assert_promtool_parses(text)


def test_a_node_that_gives_no_type_joins_those_that_do():
    text, left_out = merge(b"# TYPE x counter\nx 1\n", b"x 2\n")
    assert samples(text) == ['x{node="n0"} 1', 'x{node="n1"} 2'] and left_out == {}
    assert_is_valid(text)


def test_samples_of_a_family_that_stand_apart_are_brought_together():
    text, left_out = merge(
        b'# TYPE x gauge\nx{a="1"} 1\ny 1\nx{a="2"} 2\n# TYPE h histogram\nh_sum 1\nh_count 1\n'
        b'y{a="1"} 2\nh_bucket{le="+Inf"} 1\n'
    )
    assert left_out == {}
    assert [line.split("{")[0] for line in samples(text)] == [
        "x",
        "x",
        "y",
        "y",
        "h_sum",
        "h_count",
        "h_bucket",
    ]
    assert_is_valid(text)


def test_openmetrics_becomes_valid_text_format():
    text, left_out = merge(OPENMETRICS, OPENMETRICS)
    assert left_out == {} and "# EOF" not in text and "UNIT" not in text and "trace_id" not in text
    assert (
        "# TYPE requests_total counter" in text
        and '# HELP requests_total Requests, with "quotes".' in text
    )
    assert 'requests_total{path="/a",node="n0"} 17.0 1520879607789' in samples(
        text
    )  # milliseconds now
    assert "# TYPE requests_created gauge" in text and "# TYPE wait_created gauge" in text
    assert 'wait_bucket{le="+Inf",node="n1"} 17' in samples(text)
    assert (
        "# TYPE build_info gauge" in text
        and "# TYPE mode gauge" in text
        and "# TYPE odd untyped" in text
    )
    assert_is_valid(text)
    assert_promtool_parses(text)


def test_a_counter_is_one_family_in_both_formats():
    text, left_out = merge(
        b"# TYPE x_total counter\nx_total 1\n", b"# TYPE x counter\nx_total 2\n# EOF\n"
    )
    assert samples(text) == ['x_total{node="n0"} 1', 'x_total{node="n1"} 2'] and left_out == {}


@pytest.mark.parametrize(
    "given, expected",
    [
        (b"plain", "plain"),
        (b"a \\\\ b \\n c", "a \\\\ b \\n c"),
        (b"bad \\escape", "bad \\\\escape"),
        (b"three \\\\\\ x", "three \\\\\\\\ x"),
        ("ü".encode(), "ü"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_help_text_is_made_valid(given, expected):
    text, _ = merge(b"# HELP x " + given + b"\n# TYPE x gauge\nx 1\n")
    assert f"# HELP x {expected}\n" in text
    assert_promtool_parses(text)


@pytest.mark.parametrize(
    "page, left_out",
    [
        (b"", {}),
        (b"\n\n", {}),
        (b"# only a comment", {}),
        (b"# TYPE x gauge", {}),
        (b"<html><body>\nsorry\n</body></html>", {"n0": 1}),
    ],
)
def test_a_page_without_samples_adds_nothing(page, left_out):
    text, told = merge(page, WORKER)
    assert told == left_out and len(samples(text)) == len(samples(WORKER.decode()))


def test_carriage_returns_and_a_missing_last_line_feed_are_no_fault():
    text, left_out = merge(WORKER.replace(b"\n", b"\r\n"), WORKER.rstrip(b"\n"))
    assert left_out == {} and len(samples(text)) == 2 * len(samples(WORKER.decode()))
    assert_is_valid(text)


def test_merging_goes_on_when_what_was_learned_is_forgotten():
    labels = b",".join(b'l%d="%b"' % (index, b"v" * 200) for index in range(90))
    page = WORKER.replace(b'model_name="', labels + b',model_name="')
    count = 5 + frontend.MAX_LEARNED // len(page)
    pages = [page.replace(b'worker_id="0"', b'worker_id="%d"' % index) for index in range(count)]
    text, left_out = merge(*pages)
    assert left_out == {} and len(samples(text)) == count * len(samples(WORKER.decode()))
    assert_is_valid(text)


def test_pages_are_asked_for_one_after_the_other():
    asked = []

    def pages():
        for index in range(3):
            asked.append(index)
            yield f"n{index}", WORKER

    merger = frontend.ExpositionMerger()
    for node, page in pages():
        merger.add(node, page)
        assert len(asked) == 1 + int(node[1:])
    assert len(samples(b"".join(merger.result()).decode())) == 3 * len(samples(WORKER.decode()))


def damage(page, rng):
    """A page as a node would write it that is broken, hostile, or killed while it writes."""
    lines = page.split(b"\n")
    for _ in range(rng.randint(1, 6)):
        index, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        what = rng.randrange(6)
        if what == 0:
            lines[index] = lines[index][: rng.randint(0, len(lines[index]))]
        elif what == 1:
            lines.insert(other, lines[index])
        elif what == 2:
            lines[index], lines[other] = lines[other], lines[index]
        elif what == 3 and lines[index]:
            line = bytearray(lines[index])
            line[rng.randrange(len(line))] = rng.choice(b'{}"\\ ,=#\n\t_a1eE.+-\xff\x00\r:NI')
            lines[index] = bytes(line)
        elif what == 4:
            lines[index] = (
                lines[index]
                .replace(b" counter", b" histogram")
                .replace(b" gauge", rng.choice([b" counter", b"", b" summary"]))
            )
        else:
            lines[index] += rng.choice([b" 123", b' # {a="b"} 1', b" x", b"\t", b" 1.5", b"}"])
    return b"\n".join(lines)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_node_writes_the_others_samples_are_all_there_and_the_whole_is_valid(seed):
    rng = random.Random(seed)
    bad = [damage(rng.choice([WORKER, OPENMETRICS]), rng) for _ in range(3)]
    text, _ = merge(WORKER, *bad)
    good = [line for line in samples(text) if 'node="n0"' in line]
    assert sorted(good) == sorted(samples(merge(WORKER)[0]))
    assert_is_valid(text)
    assert_promtool_parses(text)


@pytest.mark.parametrize("seed", range(40))
def test_a_block_that_is_recognised_gives_what_reading_it_gives(seed):
    rng = random.Random(seed)
    pages = [rng.choice([WORKER, OPENMETRICS]) for _ in range(5)]
    pages[1:] = [damage(page, rng) if rng.random() < 0.7 else page for page in pages[1:]]
    # A carriage return at the end of each line changes nothing, but no block is recognised.
    read = merge(*[page.replace(b"\n", b"\r\n") for page in pages])
    assert merge(*pages) == read


@pytest.mark.parametrize(
    "page",
    [
        b'# TYPE foo histogram\nfoo_bucket{le="1",b="y"} 1\nfoo_sum{a="x",b="y"} 1\n'
        b'foo_bucket{a="x",b="y"} 5\n',  # a bucket without le
        b'# TYPE g gauge\ng{le="abc",b="y"} 1\n# TYPE foo histogram\n'
        b'foo_bucket{le="1",b="y"} 1\nfoo_bucket{le="abc",b="y"} 1\n',
        b'# TYPE foo histogram\nfoo_sum{le="abc"} 1\n',
    ],
)
def test_a_family_whose_labels_cannot_be_is_left_out_however_usual_it_looks(page):
    text, left_out = merge(page, WORKER, page)
    assert left_out == {"n0": 1, "n2": 1} and "foo" not in text
    assert_promtool_parses(text)


def test_a_help_line_without_a_text_is_taken_as_such():
    pages = [
        b"# HELP a A\n# TYPE c gauge\nc 1\n# HELP b B\n# TYPE b gauge\nb 1\n",
        b"# TYPE c gauge\nc 1\n# HELP bb\n# TYPE bb gauge\nbb 1\n",
    ]
    text, left_out = merge(*pages, b"# HELP bb other\n# TYPE bb gauge\nbb 2\n")
    assert left_out == {} and "HELP bb other" not in text and 'bb{node="n2"} 2' in text


# -- limits, on both sides


@pytest.mark.parametrize("form", ["x%d 1\n", "# HELP x%d X\n# TYPE x%d gauge\nx%d 1\n"])
def test_of_too_many_families_the_rest_of_the_page_is_left_out(form):
    lines = [form.replace("%d", str(index)) for index in range(frontend.MAX_FAMILIES + 2)]
    for more, kept in ((0, True), (2, False)):
        page = "".join(lines[: frontend.MAX_FAMILIES + more])
        text, left_out = merge(page.encode())
        assert (len(samples(text)) == frontend.MAX_FAMILIES + more) is kept
        assert left_out == ({} if kept else {"n0": 1})
        assert_is_valid(text)


def test_a_sample_has_its_labels_up_to_the_limit():
    for count, kept in ((frontend.MAX_LABELS, True), (frontend.MAX_LABELS + 1, False)):
        labels = b",".join(b'a%d="b"' % index for index in range(count))
        text, left_out = merge(b"# TYPE x gauge\nx{" + labels + b"} 1\n")
        assert (len(samples(text)) == 1) is kept and left_out == ({} if kept else {"n0": 1})


def test_a_number_is_read_up_to_its_longest():
    for size, value in ((frontend.MAX_NUMBER, 0.0), (frontend.MAX_NUMBER + 1, None)):
        assert frontend.read_number(b"0" * size) == value


def test_a_help_text_is_cut_at_its_limit():
    for size in (frontend.MAX_HELP, frontend.MAX_HELP + 1):
        text, _ = merge(b"# HELP x " + b"h" * size + b"\n# TYPE x gauge\nx 1\n")
        assert "# HELP x " + "h" * frontend.MAX_HELP + "\n" in text


@pytest.mark.slow
def test_pages_are_merged_up_to_the_limit_of_all_together():
    merger = frontend.ExpositionMerger()
    page = b"\n" * (frontend.MAX_EXPOSITION // 8)
    for index in range(8):
        merger.add("n%d" % index, page)
    assert merger.count_left_out() == {}
    merger.add("late", b"x 1\n")
    assert merger.count_left_out() == {"late": 1} and merger.result() == []


# -- what it costs

WORST_LINES = {  # each grows with its number of bytes
    "nothing but spaces": lambda n: b" " * n,
    "spaces in braces": lambda n: b"x{" + b" " * n + b"} 1",
    "spaces in braces that stay open": lambda n: b"x{" + b" " * n,
    "letters in braces": lambda n: b"x{" + b"a" * n + b"} 1",
    "spaces around a label": lambda n: b"x{a" + b" " * (n // 2) + b"=" + b" " * (n // 2) + b"}",
    "many labels": lambda n: b"x{" + b'a="b",' * (n // 6) + b"} 1",
    "many labels and no end": lambda n: b"x{" + b'a="b",' * (n // 6),
    "many label names": lambda n: (
        b"x{" + b",".join(b'a%d="b"' % index for index in range(n // 12)) + b"} 1"
    ),
    "backslashes in a label": lambda n: b'x{a="' + b"\\" * n + b'"} 1',
    "backslashes that stay open": lambda n: b'x{a="' + b"\\" * n,
    "quotes": lambda n: b"x{" + b'"' * n + b"} 1",
    "braces": lambda n: b"x" + b"{}" * (n // 2) + b" 1",
    "a long name": lambda n: b"x" * n,
    "spaces behind a name": lambda n: b"x" + b" " * n + b"{",
    "digits": lambda n: b'x{a="b"}  ' + b"1" * n + b"x",
    "digits and no name": lambda n: b"1" * n,
    "points": lambda n: b"x 1" + b"." * n,
    "an exponent": lambda n: b"x 1e" + b"1" * n,
    "spaces behind a value": lambda n: b"x 1" + b" " * n + b"z",
    "a timestamp": lambda n: b"x 1 " + b"1" * n,
    "spaces before an exemplar": lambda n: b"x 1" + b" " * n + b"# {",
    "number signs": lambda n: b"x 1" + b" #" * (n // 2),
    "numbers": lambda n: b"x" + b" 1" * (n // 2),
    "carriage returns": lambda n: b"x 1" + b"\r" * n + b"x",
    "a help text of backslashes": lambda n: b"# HELP x " + b"\\" * n,
    "spaces in a comment": lambda n: b"# TYPE" + b" " * n + b"x",
    "bytes that are no text": lambda n: b'x{a="' + b"\xff" * n + b'"} 1',
}
WORST_PAGES = {
    "line feeds": lambda n: b"\n" * n,
    "lines of one letter": lambda n: b"x\n" * (n // 2),
    "one series": lambda n: b"x 1\n" * (n // 4),
    "one long line": lambda n: b"x" * n,
    "many series": lambda n: b"".join(b'x{a="%d"} 1\n' % index for index in range(n // 14)),
    "many names": lambda n: b"".join(b"x%d 1\n" % index for index in range(n // 9)),
    "type lines": lambda n: b"# TYPE x gauge\nx 1\n" * (n // 19),
    "many types": lambda n: b"".join(
        b"# TYPE x%d gauge\nx%d 1\n" % (index, index) for index in range(n // 28)
    ),
    "blocks": lambda n: b"# HELP x\n# TYPE x gauge\nx 1\n" * (n // 28),
    "many blocks": lambda n: b"".join(
        b"# HELP x%d\n# TYPE x%d gauge\nx%d 1\n" % (index, index, index) for index in range(n // 40)
    ),
    "help lines": lambda n: b"# HELP \n" * (n // 8),
    "a series with many labels": lambda n: (
        (b"x{" + b",".join(b'a%d="b"' % index for index in range(2000)) + b"} 1\n") * (n // 20000)
    ),
    "contradicting types": lambda n: b"".join(
        b"# TYPE x%d histogram\nx%d_sum 1\n# TYPE x%d_sum gauge\nx%d_sum 2\n" % ((index,) * 4)
        for index in range(n // 80)
    ),
}
PARSERS = {
    "parse_sample": frontend.parse_sample,
    "read_samples": lambda text: list(frontend.read_samples(text, frozenset([b"x"]))),
    "sample_labels": lambda text: frontend.sample_labels(text, b"x"),
    "read_labels": lambda text: frontend.read_labels(text.partition(b"{")[2]),
    "read_number": lambda text: frontend.read_number(text.rpartition(b" ")[2]),
    "unescape_label": lambda text: frontend.unescape_label(text.decode("latin-1")),
    "escape_label": lambda text: frontend.escape_label(text.decode("latin-1")),
    "write_help": lambda text: frontend.write_help(text, True),
    "merge": lambda text: merge(text, text),
    "merge in a block": lambda text: merge(*[b"# HELP x X\n# TYPE x gauge\n" + text] * 2),
}


def cost(parse, text):
    """Seconds of CPU that one call takes: the least of some tries, each long enough to measure."""
    least = float("inf")
    for _ in range(3):
        count, began = 0, time.thread_time()
        while count < 1 or (time.thread_time() - began < 2e-3 and count < 100):
            parse(text)
            count += 1
        least = min(least, (time.thread_time() - began) / count)
    return least


@pytest.mark.slow
@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("kind", [*WORST_LINES, *WORST_PAGES])
def test_the_cost_of_the_worst_input_grows_no_faster_than_its_size(parser, kind):
    make = WORST_LINES.get(kind) or WORST_PAGES[kind]
    size = 15 * 1024 if kind in WORST_LINES else 32 * 1024
    small, large = make(size), make(4 * size)
    parse = PARSERS[parser]
    for _ in range(3):  # a busy machine may disturb a measurement, not three
        ratio = cost(parse, large) / (cost(parse, small) + 20e-6)
        if ratio < 8:  # 4 is linear, 16 quadratic
            return
    raise AssertionError("4 times the size costs %.1f times as much" % ratio)


@pytest.mark.parametrize("kind", WORST_LINES)
def test_the_worst_line_that_is_read_costs_less_than_ten_milliseconds(kind):
    line = WORST_LINES[kind](frontend.MAX_LINE - 40)
    end = time.monotonic() + 10
    while True:  # a busy machine has slow moments, not for all of these seconds
        costs = {parser: cost(PARSERS[parser], line) for parser in ("parse_sample", "read_samples")}
        if max(costs.values()) < 10e-3:
            return
        assert time.monotonic() < end, costs


def longest_hold(read):
    """The most CPU time, in seconds, that ``read()`` takes while another thread wants to go on."""
    begin = threading.Event()
    thread = threading.Thread(target=lambda: begin.wait() and read())
    thread.start()
    clock = time.pthread_getcpuclockid(thread.ident)
    begin.set()
    longest = 0.0
    while thread.is_alive():
        try:
            began = time.clock_gettime(clock)
            time.sleep(0.0005)
            longest = max(longest, time.clock_gettime(clock) - began)
        except OSError:  # it has ended
            break
    thread.join()
    return longest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="needs a thread's clock")
@pytest.mark.parametrize("kind", WORST_PAGES)
def test_no_other_thread_waits_long_for_the_interpreter_while_a_large_page_is_read(kind):
    page = WORST_PAGES[kind]((30 if kind in ("line feeds", "one long line") else 4) << 20)
    for read in (
        lambda: PARSERS["read_samples"](page),
        lambda: merge_pages([("n0", page)]),
    ):
        # A busy machine may keep the other thread from its turn, but not three times.
        # 0.1 s on a quiet machine; two runs that share a core take longer.
        assert any(longest_hold(read) < 0.2 for _ in range(3))
