"""The dashboard's pure modules, run in a real browser: numbers, charts, words."""

import re

import lmcache_frontend as lf
import pytest
from support.story import StoryServer, small_fleet

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server():
    with StoryServer(small_fleet()) as running:
        yield running


STYLED = (
    "const link = document.createElement('link'); link.rel = 'stylesheet';"
    "link.href = '/static/style.css'; document.head.append(link);"
    "await new Promise((done) => link.addEventListener('load', done))"
)


@pytest.fixture
def run(browser, server):
    """Run a function body in the page: ``run("format.js", "return format(0.5, 'ratio')")``.

    The names that the module exports are there; no-break spaces come back as plain ones. The page
    is one of the same origin with the dashboard's styles and nothing else, which takes far less
    than the dashboard itself.
    """
    browser.goto(server.url + "/static/js/first.js")
    browser.script(STYLED)

    def call(module, body, *arguments):
        code = (
            "const module = await import('/static/js/%s');"
            "const names = Object.keys(module);"
            "const values = names.map((name) => module[name]);"
            "const given = [...arguments];"
            "return new Function(...names, 'given', %r)(...values, given);" % (module, body)
        )
        return plain(browser.script(code, *arguments))

    return call


def plain(value):
    if isinstance(value, str):
        return value.replace("\u202f", " ").replace("\xa0", " ")
    return [plain(one) for one in value] if isinstance(value, list) else value


# ---- numbers and times


@pytest.mark.parametrize(
    "value,unit,words",
    [
        (None, "ratio", "–"),
        (0.654, "ratio", "65.4%"),
        (29700, "tokens/s", "29.7k tok/s"),
        (1.11e6, "tokens/s", "1.11M tok/s"),
        (38.9, "1/s", "38.9/s"),
        (0.15, "1/s", "9/min"),
        (0, "1/s", "0/min"),
        (0.15, "1/min", "9/min"),
        (12, "1/min", "12/s"),
        (0, "1/min", "0/min"),
        (0.149, "seconds", "149 ms"),
        (1.92, "seconds", "1.92 s"),
        (7260, "seconds", "2 h 1 min"),
        (596 * 2**30, "bytes", "596 GiB"),
        (1536, "bytes/s", "1.50 KiB/s"),
        (1, "bool", "yes"),
    ],
)
def test_a_value_is_told_with_its_unit(run, value, unit, words):
    assert run("format.js", "return format(...given)", value, unit) == words


def test_the_labels_of_an_axis_share_one_unit_and_have_no_needless_zeros(run):
    labels = "return axisLabels(...given)"
    assert run("format.js", labels, [0, 20000, 40000], "tokens/s") == ["0", "20k", "40k tok/s"]
    assert run("format.js", labels, [0, 0.15, 0.3], "seconds") == ["0 ms", "150 ms", "300 ms"]
    assert run("format.js", labels, [0, 0.5, 1], "ratio") == ["0%", "50%", "100%"]
    assert run("format.js", labels, [0, 25, 50], "1/s") == ["0", "25", "50/s"]
    assert run("format.js", labels, [0, 5 / 60], "1/min") == ["0", "5/min"]
    assert run("format.js", labels, [0, 2.5, 5], "GPUs") == ["0", "2.5", "5 GPUs"]


@pytest.mark.parametrize(
    "limits, unit, names",
    [
        ([0.4, 0.8, 1.6, 3.2], "1/s", "≤ 0.4/s, 0.4 – 0.8/s, 0.8 – 1.6/s, 1.6 – 3.2/s, > 3.2/s"),
        ([0.1, 0.2, 0.4, 0.8], "1/s", "≤ 6/min, 6 – 12/min, 12 – 24/min, 24 – 48/min, > 48/min"),
        (
            [0.05, 0.1, 0.2, 0.4],
            "seconds",
            "≤ 50 ms, 50 – 100 ms, 100 – 200 ms, 200 – 400 ms, > 400 ms",
        ),
        (
            [0.3, 0.6, 1.2, 2.4],
            "seconds",
            "≤ 0.3 s, 0.3 – 0.6 s, 0.6 – 1.2 s, 1.2 – 2.4 s, > 2.4 s",
        ),
        ([0.2, 0.4, 0.6, 0.8], "ratio", "≤ 20%, 20 – 40%, 40 – 60%, 60 – 80%, > 80%"),
        (
            [200, 400, 800, 1600],
            "1/s",
            "≤ 0.2k/s, 0.2 – 0.4k/s, 0.4 – 0.8k/s, 0.8 – 1.6k/s, > 1.6k/s",
        ),
    ],
)
def test_the_levels_of_the_map_have_one_unit(run, limits, unit, names):
    body = "return levelNames(given[0], given[1], false).join(', ')"
    assert run("views/fleetmap.js", body, limits, unit) == names


def test_what_saves_gpus_is_said_in_gpus(run):
    body = "return given[0].map((one) => format(one, 'GPUs'))"
    values = [0.2, 1, 1.5]
    assert run("format.js", body, values) == ["0.20 GPUs", "1 GPU", "1.50 GPUs"]


def test_rates_that_stand_together_share_one_unit(run):
    labels = "return axisLabels(...given)"
    thirds = [0, 20 / 60, 40 / 60, 1]
    assert run("format.js", labels, thirds, "1/s", 0.9) == ["0", "20", "40", "60/min"]
    beside = "return format(...given)"
    assert run("format.js", beside, 11.5, "1/s", 0.28) == "690/min"
    assert run("format.js", beside, 0.5, "1/s", 20) == "0.50/s"


@pytest.mark.parametrize(
    "unit,values,words",
    [
        (
            "1/s",
            [49, 48.5, 0.27, 0.02, 0, None],
            ["49.0/s", "48.5/s", "0.3/s", "< 0.1/s", "0/s", "–"],
        ),
        ("1/s", [0.5, 0.02, 0], ["30/min", "1.2/min", "0/min"]),
        ("1/min", [0.14, 0.0333], ["8.4/min", "2/min"]),
        ("tokens/s", [7610, 792], ["7,610 tok/s", "792 tok/s"]),
        ("tokens/s", [12345, 792], ["12.3k tok/s", "0.8k tok/s"]),
        ("1/s", [2350, 12.3, 0.2], ["2,350/s", "12/s", "< 1/s"]),
        ("1/s", [0, 0], ["0/min", "0/min"]),
        ("seconds", [4.8, 0.002], ["4.80 s", "2.00 ms"]),
    ],
)
def test_the_rates_of_a_column_have_one_unit_and_decimals_as_elsewhere(run, unit, values, words):
    body = (
        "const step = columnStep(given[1], given[0][0]);"
        "return given[0].map((one) => columnText(one, given[1], step))"
    )
    assert run("format.js", body, values, unit) == words


def test_a_span_of_time_names_its_days_when_they_are_not_today(run):
    body = "const noon = new Date(2026, 2, 4, 12).getTime() / 1000;"
    assert run("format.js", body + "return spanText(noon - 3600, noon, noon)") == "11:00 – 12:00"
    assert (
        run("format.js", body + "return spanText(noon - 86400, noon, noon)")
        == "3 Mar 12:00 – 4 Mar 12:00"
    )
    assert (
        run("format.js", body + "return spanText(noon - 3600, noon, noon + 86400)")
        == "4 Mar 11:00 – 12:00"
    )
    year = body + "return spanText(noon - 3600, noon, noon - 365 * 86400)"
    assert run("format.js", year) == "4 Mar 2026 11:00 – 12:00"
    ends = body + "return [when(noon, noon - 365 * 86400), minuteOf(noon, noon + 60)]"
    assert run("format.js", ends) == ["4 Mar 2026 12:00", "12:00"]


def test_the_page_calls_a_figure_what_the_api_calls_it(run):
    body = "return given[0].filter(isFigure).map((name) => [name, metricLabel(name)])"
    labels = {figure["name"]: figure["label"] for figure in lf.list_figures()}
    shown = dict(run("words.js", body, list(labels)))
    assert len(shown) > 60
    assert shown == {name: labels[name] for name in shown}


# ---- charts


def test_an_axis_has_round_ticks_and_a_ratio_runs_to_one(run):
    assert run("chartmath.js", "return valueTicks(0, 38.9, 2)") == [0, 20, 40]
    assert run("chartmath.js", "return axisRange(0.4, 0.6, 'ratio')") == [0, 1]
    assert run("chartmath.js", "return axisRange(3, 7, 'seconds')") == [0, 7]
    none = [run("chartmath.js", "return axisRange(0, 0, given[0])", u) for u in ("1/s", "1/min")]
    assert none[0] == none[1], "a rate of 0 is per minute"


def test_the_axis_of_counts_has_no_fractions(run):
    assert run("chartmath.js", "return valueTicks(0, 1, 4, true)") == [0, 1]
    assert run("chartmath.js", "return valueTicks(0, 5, 2, true)") == [0, 5]
    assert run("chartmath.js", "return valueTicks(0, 300, 4, true)") == [0, 100, 200, 300]


DRAWN = (
    "const chart = new Chart({label: 'x', unit: '1/min', kind: 'bar'});"
    "document.body.append(chart.element);"
    "const line = (name, values) => ({name, times: [0, 60], values});"
    "chart.update({series: given[0].map((one, i) => line('s' + i, one)),"
    " start: 0, end: 120, interval: 60});"
)


def test_where_values_are_denser_than_the_step_a_line_has_their_means_and_the_last_one(run):
    series = {"times": [0, 60, 120, 125, 130, 180, 185, 190], "values": [1, 2, 3, 5, 4, 8, None, 9]}
    body = "return evened(given[0], given[1])"
    means = {"times": [0, 60, 120, 180, 190], "values": [1, 2, 4, 8, 9]}
    assert run("chartmath.js", body, series, 60) == means
    assert run("chartmath.js", body, series, 5) == series
    counts = "return evened(given[0], given[1], false, (all) => Math.max(...all)).values"
    assert run("chartmath.js", counts, series, 60) == [1, 2, 5, 8, 9]


@pytest.mark.parametrize("interval, kept", [(60, 4), (600, 61)])
def test_a_part_that_was_measured_less_often_makes_no_coarse_means_of_the_rest(run, interval, kept):
    body = (
        "const chart = new Chart({label: 'x', unit: 'ratio'});"
        "document.body.append(chart.element);"
        "const times = Array.from({length: 61}, (_, i) => 5400 + 3 * i);"
        "const series = [{name: 'a', times, values: times.map(() => 1)}];"
        "chart.update({series, start: 0, end: 6000, interval: given[0]});"
        "return chart.series[0].times.length"
    )
    assert abs(run("chart.js", body, interval) - kept) <= 1


def test_bars_of_one_time_stand_on_each_other_and_the_axis_follows_their_sum(run):
    body = DRAWN + (
        "const bar = (e) => ['x', 'y', 'height'].map((name) => Number(e.getAttribute(name)));"
        "const bars = [...chart.plot.querySelectorAll('rect.bar')].map(bar);"
        "return [bars, chart.lanes[0].bottom, chart.lanes[0].ceiling]"
    )
    (first, second, third), bottom, ceiling = run("chart.js", body, [[0.1, 0.2], [0.3, 0]])
    assert first[0] == second[0] and round(first[1] + first[2], 3) == bottom
    assert round(second[1] + second[2], 3) == round(first[1], 3), "none covers another"
    assert third[0] > first[0]
    assert ceiling >= 0.4


def test_a_chart_of_bars_tells_none_from_no_values(run):
    text = DRAWN + "return chart.plot.querySelector('.chart-empty').textContent"
    assert run("chart.js", text, [[0, 0]]) == "None in this range"
    assert run("chart.js", text, [[None, None]]) == "No values in this time range"


def test_what_a_chart_without_bars_says_stands_between_its_marks(run):
    body = (
        "const chart = new Chart({label: 'x', unit: '1/min', kind: 'bar'});"
        "document.body.style.width = '600px'; document.body.append(chart.element);"
        "const series = [{name: 'a', times: [0, 60, 120], values: [0, 0, 0]}];"
        "const marks = given[0].map((time) => ({time, kind: 'change', title: 'x'}));"
        "chart.update({series, start: 0, end: 120, interval: 60, marks});"
        "const box = (one) => one.getBoundingClientRect();"
        "const text = chart.plot.querySelector('.chart-empty');"
        "const lines = [...chart.plot.querySelectorAll('.mark')].map(box);"
        "return text && lines.some(({left}) => left > box(text).left && left < box(text).right)"
    )
    assert run("chart.js", body, [50, 60, 70]) is False
    assert run("chart.js", body, list(range(0, 120, 5))) is True, "over the lines of marks"


def test_a_legend_does_not_repeat_the_title_and_has_shares_after_what_is_whole(run):
    body = (
        "const chart = new Chart({label: 'Queue', unit: 'things', legend: true});"
        "document.body.append(chart.element);"
        "const line = ([name, share]) => ({name, share, times: [0, 60], values: [1, 2]});"
        "chart.update({series: given[0].map(line), start: 0, end: 60, interval: 60});"
        "return [...chart.keys.children].map((one) =>"
        " [one.dataset.share || '', ...[...one.children].map((item) => item.textContent)])"
    )
    assert run("chart.js", body, [["Queue"]]) == [["", "2"]]
    assert run("chart.js", body, [["Queue"], ["Waiting"]]) == [["", "Queue2", "Waiting2"]]
    shares = [["GPU", "prompts"], ["LMCache", "the rest"], ["In use"]]
    lists = [["", "In use2"], ["of prompts:", "GPU2"], ["of the rest:", "LMCache2"]]
    assert run("chart.js", body, shares) == lists


@pytest.mark.parametrize(
    "count, down, having, first, chosen",
    [
        (62, 2, 62, 0, 60),  # all, in their order
        (70, 1, 70, 68, 60),  # the worst of those that are up
        (70, 1, 3, 2, 60),  # and others, where few have the metric
    ],
)
def test_compare_takes_the_worst_of_more_reachable_nodes_than_it_draws(
    run, count, down, having, first, chosen
):
    body = (
        "const [count, down, having] = given;"
        "const nodes = Array.from({length: count}, (_, i) => ({key: `w${i}`,"
        " state: i < count - down ? 'up' : 'down',"
        " metrics: i < having ? {lookup_hit_rate: 1 - i / 100} : {}}));"
        "const found = mostReachable(nodes, 'lookup_hit_rate').map(({key}) => key);"
        "return [found[0], new Set(found).size]"
    )
    assert run("views/compare.js", body, count, down, having) == [f"w{first}", chosen]


def test_a_rate_below_one_per_second_is_told_per_minute_whatever_was_before(run):
    body = (
        "const chart = new Chart({label: 'x', unit: '1/s', legend: true});"
        "document.body.append(chart.element);"
        "const series = [{name: 'a', times: [0, 60], values: [20, 0.5]}];"
        "chart.update({series, start: 0, end: 60, interval: 60});"
        "return chart.keyValues[0].textContent"
    )
    assert run("chart.js", body) == "30/min"
    body = (
        "const tile = new Tile({id: 'evictions_per_second', note: () => ''}, () => {});"
        "tile.update(0.5, {}, {}, [20, 10, 0.5], '');"
        "return tile.number.textContent + tile.unit.textContent"
    )
    assert run("views/figures.js", body) == "30/min"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_without_the_server_lines_of_charts_are_faded_and_their_texts_are_not(run, theme):
    body = MARKED + (
        "const main = document.createElement('main'); main.append(chart.element);"
        "document.body.append(main); const root = document.documentElement;"
        "document.body.className = root.className = 'offline'; root.dataset.theme = given[2];"
        "const shown = (one) => one === null ? 1"
        "  : Number(getComputedStyle(one).opacity) * shown(one.parentElement);"
        "const light = (colour) => colour.match(/\\d+/g).slice(0, 3).map((part) => part / 255)"
        "  .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)"
        "  .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);"
        "const probe = document.createElement('i'); main.append(probe);"
        "probe.style.color = 'var(--surface)'; const ground = light(getComputedStyle(probe).color);"
        "const texts = [...chart.plot.querySelectorAll('text')].map((one) => {"
        "  const parts = [light(getComputedStyle(one).fill), ground].sort((a, b) => b - a);"
        "  return [one.getAttribute('class'), shown(one), (parts[0] + 0.05) / (parts[1] + 0.05)];"
        "});"
        "const found = [texts, shown(chart.plot.querySelector('path.line'))];"
        "document.body.className = root.className = ''; delete root.dataset.theme; main.remove();"
        "return found"
    )
    marks = [[40, "alert"], [40.1, "alert"]]
    texts, line = run("chart.js", body, marks, 20, theme)
    assert line < 0.8 and {name for name, *_ in texts} == {"tick", "flag-count"}
    assert all(opacity == 1 and contrast >= 4.5 for _, opacity, contrast in texts), texts


def test_each_sign_of_the_charts_stands_for_one_thing(run):
    body = (
        "const legend = new MarkLegend(() => [{signs: new Set(['critical', 'other', 'alert'])}]);"
        "legend.draw(); return [...legend.element.children].map((one) => one.textContent)"
    )
    assert run("views/figures.js", body) == ["critical alert", "other node down", "alert"]


def test_how_long_something_lasted_fits_the_times_that_are_shown(run):
    body = "return lastedSeconds({time: given[0], until: given[1]}, 500)"
    assert run("views/eventlist.js", body, 100.9, 201.1) == 101
    assert run("views/eventlist.js", body, 100.9, None) == 400


def test_a_chart_shows_no_current_figure_of_what_is_no_longer_reported(run):
    body = (
        "const chart = new Chart({label: 'x', unit: '1/min', kind: 'bar', legend: true});"
        "document.body.append(chart.element);"
        "const times = [0, 5, 10]; const series = [{name: 'a', times, values: [0, 0, 0]}];"
        "chart.update({series, start: 0, end: given[0], interval: 5});"
        "const told = chart.plot.querySelector('.chart-empty').textContent;"
        "return [chart.keyValues[0].textContent, told.replace(/\\d.*/, '')]"
    )
    assert run("chart.js", body, 20) == ["0/min", "None in this range"]
    assert run("chart.js", body, 60) == ["–", "No data since "]


def test_beside_failures_timeouts_are_told_before_slow_retrievals(run):
    body = (
        "return given.map((timeouts) => lossNote("
        "{slow_retrievals_per_second: 0.05, timeouts_per_second: timeouts}))"
    )
    assert run("views/figures.js", body, 0, 0.1) == ["slow retrievals 3/min", "timeouts 6/min"]


def test_served_tokens_are_a_part_only_where_that_is_the_hit_rate(run):
    """In-process lookups also match what is in GPU memory already, which nobody loads."""
    body = "return servedNote({hit_tokens_per_second: 695, ...given[0]})"
    of = {"lookup_tokens_per_second": 12000, "lookup_hits_per_second": 3970}
    # An MP server counts lookups alone.
    assert run("views/figures.js", body, of) == "of 12.0k tok/s looked up"
    of["requested_tokens_per_second"] = 12000
    assert run("views/figures.js", body, of) == "of 12.0k tok/s looked up"
    of["requested_tokens_per_second"] = 980
    assert run("views/figures.js", body, of) == "without GPU prefix hits"
    assert run("views/figures.js", body, {}) == ""


def test_the_last_values_of_a_node_are_those_of_one_time(run):
    """A speed without traffic has no value: the one of minutes ago is not that of the end."""
    body = (
        "const times = [0, 10, 20, 30];"
        "const series = new Map(Object.entries(given[0]).map(([name, values]) =>"
        " [name, {times, values}]));"
        "return lastReported(series, given[1], 10)"
    )
    series = {"memory": [1, 2, 3, 4], "rate": [1, 2, 3, None], "speed": [5, None, None, None]}
    at_the_end = {"values": {"memory": 4, "rate": 3}, "time": 30}
    assert run("panels/nodecharts.js", body, series, 30) == at_the_end
    in_the_past = {"values": {"memory": 2, "rate": 2, "speed": 5}, "time": 10}
    assert run("panels/nodecharts.js", body, series, 10) == in_the_past
    assert run("panels/nodecharts.js", body, {}, 10) == {"values": {}, "time": 0}


def test_no_quantile_is_told_where_all_observations_are_in_the_first_bucket(run):
    body = "return metricRows(parseMetrics(given[0]))[0].shown"
    text = (
        "# TYPE x_seconds histogram\n"
        'x_seconds_bucket{le="0.0"} 0\nx_seconds_bucket{le="5.0"} %d\n'
        'x_seconds_bucket{le="10.0"} 4\n'
        'x_seconds_bucket{le="+Inf"} 4\nx_seconds_sum 3\nx_seconds_count 4\n'
    )
    assert run("panels/metrics.js", body, text % 4) == "4 observations · all ≤ 5.00 s"
    assert run("panels/metrics.js", body, text % 2) == "4 observations · p50 5.00 s · p99 9.90 s"


# Run with another status than the page's, which comes back before anybody sees it.
WITH_STATUS = (
    "const told = (status, make) => import('/static/js/server.js').then(({store}) => {"
    " const old = [store.status, store.byKey];"
    " store.status = status;"
    " store.byKey = new Map(status.nodes.map((node) => [node.key, node]));"
    " try { return make(); } finally { [store.status, store.byKey] = old; }"
    "});"
)


def test_a_node_behind_a_frontend_that_is_down_is_not_blamed(run):
    body = WITH_STATUS + (
        "const proxies = [{name: 'rack1', state: 'up'}, {name: 'rack2', state: 'down'}];"
        "const node = {kind: 'worker', proxy: given[0]};"
        "return told({nodes: [], proxies}, () => explain({status: 502, message: 'x'}, node))"
    )
    assert run("panel.js", body, "rack1") == "No response from the node: x"
    assert run("panel.js", body, "rack2") == "No response from its frontend rack2: x"


def test_an_instance_whose_nodes_are_all_down_has_no_current_figures(run):
    body = WITH_STATUS + (
        "const nodes = given.map((state, i) => ({key: 'w' + i, state, instance_id: 'i'}));"
        "const metrics = {local_cache_bytes: 1, waiting_requests: 1};"
        "const one = {id: 'i', name: 'i', nodes: nodes.map(({key}) => key), metrics};"
        "const ctx = {node: () => nodes[0], signal: AbortSignal.abort()};"
        "return told({nodes, instances: [one]}, () => new InstanceFigures(ctx).element.hidden)"
    )
    assert run("panels/nodecharts.js", body, "down", "up") is False
    assert run("panels/nodecharts.js", body, "down", "unknown") is True


def test_a_chart_that_is_waiting_for_its_first_value_says_so(run):
    body = (
        "const chart = new Chart({label: 'x', unit: '1/s'}); document.body.append(chart.element);"
        "chart.update({series: [], start: 0, end: 60, emptyText: 'The first value comes in 3 s'});"
        "return chart.plot.querySelector('.chart-empty').textContent"
    )
    assert run("chart.js", body) == "The first value comes in 3 s"


def test_a_frontend_that_has_just_started_says_when_its_charts_have_values(run):
    body = (
        "const started = new Date(2026, 2, 4, 12).getTime() / 1000;"
        "const [age, unknown, down] = given; const counts = {unknown, down, total: 1000};"
        "return noFigures({time: started + age, started, counts}, 10)"
    )
    assert run("views/figures.js", body, 1, 1000, 0) == (
        "Collecting: 1,000 of 1,000 nodes have not been polled yet."
    )
    assert run("views/figures.js", body, 19, 0, 0) == "Collecting: first values at 12:00:20."
    none = "No figures in this time range."
    assert (
        run("views/figures.js", body, 20, 0, 999) == none + " They appear after two polls (20 s)."
    )
    assert run("views/figures.js", body, 20, 0, 1000) == none + " No node responds."


def test_marks_of_one_change_on_several_nodes_are_one_that_counts_the_others(run):
    events = [
        event(
            n, "changed", "w%d" % n, 100 + n, text="w%d changed: chunk_size 1 → 2" % n, by="token"
        )
        for n in range(4)
    ]
    body = "return marksOf(given[0]).map(({ title, more }) => [title, more])"
    assert run("views/eventlist.js", body, events) == [["w0 changed: chunk_size 1 → 2", 3]]


def test_a_long_path_breaks_after_its_slashes_and_a_short_name_nowhere(run):
    body = (
        "const box = document.createElement('p');"
        "box.append(...linked(given[0]).flat(Infinity).filter(Boolean));"
        "return box.innerHTML.split('<wbr>')"
    )
    said = "save_unfull_chunk: Check(fs://localhost:0/var/lib/lmcache/remote/) failed"
    parts = ["save_unfull_chunk: Check", "(fs://localhost:0/", "var/", "lib/", "lmcache/"]
    assert run("controls.js", body, said) == [*parts, "remote/) failed"]


@pytest.mark.parametrize(
    "path,words",
    [
        ("/tmp/lmcache_internal_api_server/mp.socket", "/tmp/…/mp.socket"),
        ("/var/run/lmcache/rack1/socket_9091", "/var/run/…/socket_9091"),
        ("/tmp/x/lmcache-mp-server-0.socket", "…/lmcache-mp-…r-0.socket"),
        ("/tmp/lmcache/socket_9091", "/tmp/lmcache/socket_9091"),
        ("llm-worker-0.llm.svc.cluster.local:7000", "llm-worker-0….local:7000"),
    ],
)
def test_a_shortened_path_keeps_its_last_part_whole(run, path, words):
    assert run("format.js", "return middle(...given)", path, 24) == words


def test_a_fitted_path_is_cut_before_its_last_slash(run):
    tail = "return fitted(given[0]).querySelector('.fitted').dataset.tail"
    assert run("controls.js", tail, "/tmp/run/lmcache-mp-0.socket") == "/lmcache-mp-0.socket"
    assert run("controls.js", tail, "/tmp/lmcache/mp-0.socket") == "/mp-0.socket"
    assert run("controls.js", tail, "llama70b-a_scheduler-rank0") == "-rank0"
    assert run("controls.js", tail, "mistral24b-020") == "-020"


def test_a_name_with_spaces_or_markup_is_a_link_too(run):
    body = (
        "return import('/static/js/server.js').then(({store}) => {"
        " store.byKey = new Map(given[0].map((key) => [key, {key}]));"
        " store.instances = new Map([['1', 'rack 1']]);"
        " return given[1].map((text) => {"
        "  const box = document.createElement('p');"
        "  box.append(...linked(text).flat(Infinity).filter(Boolean));"
        "  return [box.textContent === text, ...[...box.querySelectorAll('a')].map("
        "   (one) => one.textContent)]; }); })"
    )
    names = ["a b", "a b c", "<b>x", "w <i>(1)</i>", "10.0.0.5:9090", "w0"]
    said = ["a b is degraded", "w0, a b c and <b>x of rack 1 are slow: w <i>(1)</i>.", "data b"]
    said += ["10.0.0.5:9090 (a b) is up", "a bc"]
    links = [["a b"], ["w0", "a b c", "<b>x", "rack 1", "w <i>(1)</i>"], []]
    links += [["10.0.0.5:9090", "a b"], []]
    # An error names no node, also where one has its name.
    said.append("w0 and a b are down: connection w0")
    links.append(["w0", "a b"])
    assert run("controls.js", body, names, said) == [[True, *one] for one in links]


def test_numbers_stay_with_their_units_and_short_pairs_together(run):
    body = (
        "const box = document.createElement('p');"
        "box.append(...linked(given[0]).flat(Infinity).filter(Boolean));"
        "return box.textContent.replaceAll('\\u00a0', '_')"
    )
    said = "Evictions are rising: 0.3 → 12 per second"
    assert run("controls.js", body, said) == "Evictions are rising: 0.3_→_12_per_second"
    said = "TTFT p50 of api rose: 230 ms → 1.2 s; TTFT p50 of a fell: 530 ms → 409 ms"
    kept = "TTFT p50 of api rose: 230_ms_→_1.2_s; TTFT p50 of a fell: 530_ms_→_409_ms"
    assert run("controls.js", body, said) == kept
    said = "was 0 → 7.2 per minute; TTFT p50 of api is 410 ms, TTFT p50 421 ms"
    kept = "was 0_→_7.2_per_minute; TTFT p50 of api is 410_ms, TTFT p50_421_ms"
    assert run("controls.js", body, said) == kept
    said = "connection refused on 3 nodes · since 14:05"
    assert run("controls.js", body, said) == "connection refused on_3 nodes_· since 14:05"
    said = "up again (4 min 35 s), restarted 2 times in 15 min"
    assert run("controls.js", body, said) == "up again (4_min_35_s), restarted 2_times in 15_min"
    said = "a_long_setting_name some_long_value → another_long_value"
    assert run("controls.js", body, said) == said


def test_rows_of_one_kind_are_blank_or_not_alike_whenever_they_were_drawn(run):
    body = (
        "const none = () => {};"
        "const options = { selection: none, onsort: none, sort: null, columns: ['retrieve_p99'] };"
        "const table = new InstanceTable(options);"
        "const node = (key, state) => ({ key, name: key, kind: 'mp', state, metrics: {} });"
        "const draw = (...nodes) => table.update({ nodes, instances: [], uptime: 9 });"
        "draw(node('a', 'unknown'));"
        "draw(node('a', 'up'), node('b', 'up'));"
        "return [...table.element.querySelectorAll('tbody td.num')].map((one) => one.textContent)"
    )
    assert run("views/instances.js", body) == ["–", "–"]


def test_a_line_breaks_where_a_value_is_missing_and_a_lone_point_is_seen(run):
    body = "const id = (one) => one; return linePath([0, 1, 2, 3], [1, 2, null, 4], id, id, 0)"
    assert run("chartmath.js", body) == "M0 1L1 2M3 4h0.01"


def test_counts_are_drawn_as_steps(run):
    body = "const id = (one) => one; return linePath([0, 1, 2], [1, 3, 2], id, id, 0, true)"
    assert run("chartmath.js", body) == "M0 1H1V3H2V2"


def test_layers_are_stacked_and_a_time_without_any_value_is_a_gap(run):
    body = "return stacked([{values: [1, 2, null]}, {values: [3, null, null]}])"
    first, second = run("chartmath.js", body)
    assert first == {"lower": [0, 0, 0], "upper": [1, 2, None]}
    assert second == {"lower": [1, 2, 0], "upper": [4, 2, None]}


def test_many_points_are_thinned_to_the_extremes_of_each_pixel(run):
    body = (
        "const times = Array.from({length: 1000}, (_, i) => i);"
        "const values = times.map((i) => (i === 500 ? 99 : i % 10));"
        "const [, kept] = thinned(times, values, 0, 999, 50);"
        "return [kept.length, Math.max(...kept), Math.min(...kept)]"
    )
    count, high, low = run("chartmath.js", body)
    assert count <= 110 and high == 99 and low == 0


def test_the_small_graph_of_a_tile_ends_at_its_figure(run):
    body = (
        "const tile = new Tile({id: 'failures_per_second', chart: '', note: () => ''}, () => {});"
        "const end = (value, name, last = 2) => {"
        " tile.update(value, {}, {}, [0, 0, 9, 9, 4, last], '');"
        " return Number(tile.element.querySelector('.spark-end').getAttribute(name)); };"
        "return [end(0, 'cy'), end(2, 'cy'), end(null, 'cy'), end(0, 'cx'), end(4, 'cx', null)]"
    )
    zero, mean, gone, now, before = run("views/figures.js", body)
    assert zero > mean == gone
    assert before < now, "the last value of what reports nothing any more is not one of now"
    body = (
        "const tile = new Tile({id: 'failures_per_second', chart: '', note: () => ''}, () => {});"
        "tile.update(0, {}, {}, [0, 0, 0, 0, 0, 9], '');"
        "const path = tile.element.querySelector('.spark-line').getAttribute('d');"
        "return path.match(/[\\d.]+(?=[ML]|$)/g).map(Number)"
    )
    *before, last, end = run("views/figures.js", body)
    assert last < min(before) and last < end, "what happened in the last slot is seen"


def test_no_tile_compares_with_the_first_minutes_after_a_start(run):
    body = (
        "const history = new FigureHistory(); history.end = given[0];"
        "history.series = new Map([['x', {times: [1000, given[0]], values: [1, 9]}]]);"
        "return history.tooShort"
    )
    said = "No change is shown: the figures cover less than 5 minutes."
    assert run("views/figures.js", body, 1299) == said
    assert run("views/figures.js", body, 1300) == ""


def test_a_time_of_another_day_has_its_own_preposition(run):
    now = 1790000000
    body = "return [atWhen(given[0], given[0]), atWhen(given[0] - 172800, given[0])]"
    today, before = run("format.js", body, now)
    assert re.match(r"at \d\d:\d\d:\d\d$", today)
    assert re.match(r"on \d+ [A-Z][a-z]{2} at \d\d:\d\d$", before)


def test_a_range_over_midnight_breaks_between_its_ends(run, browser):
    body = "return spanText(given[0], given[0] + 86400, given[0] + 172800).split(' ')"
    code = "const {spanText} = await import('/static/js/format.js');" + body.replace(
        "given", "arguments"
    )
    parts = browser.script(code, 1790000000)
    assert len(parts) == 3 and parts[1] == "–"


def test_small_graphs_make_no_disaster_of_noise(run):
    assert run("chartmath.js", "return sparkRange([0.62, 0.65], 'ratio')") == [0, 1]
    assert run("chartmath.js", "return sparkRange([98, 100], '1/s')") == [0, 100]


@pytest.mark.parametrize(
    "values,unit,words",
    [
        ([4] * 10 + [4] * 10 + [5] * 10, "1/s", "▲ 25%"),
        ([4] * 10 + [4] * 10 + [3.9] * 10, "1/s", "▼ 2.5%"),
        ([0] * 10 + [0] * 10 + [5] * 10, "1/s", "▲ from 0"),
        ([1] * 10 + [2] * 10 + [4.2] * 10, "1/s", "▲ ×4.2"),
        ([4] * 30, "1/s", ""),
        ([4] * 20 + [4.02] * 10, "1/s", ""),
        ([0.78] * 15 + [0.67] * 15, "ratio", "▼ 11 pt"),
        ([0.780] * 15 + [0.777] * 15, "ratio", ""),
        ([1, 2], "1/s", ""),
        ([0] * 10 + [5] * 19 + [0], "1/s", ""),
        ([0.78] * 15 + [0.37] * 14 + [0.778], "ratio", ""),
        ([0.78] * 15 + [0.37] * 14 + [0.5], "ratio", "▼ 28 pt"),
    ],
)
def test_how_far_a_figure_moved_is_told_against_the_first_third(run, values, unit, words):
    said = run("views/figures.js", "return movementText(...given).text", values, unit)
    assert said == words


# ---- times of messages


@pytest.mark.parametrize(
    "text,start,end",
    [
        ("04:12", (3, 3, 57), (3, 4, 27)),
        ("at 4:12:30", (3, 3, 57, 30), (3, 4, 27, 30)),
        ("12:00-12:10", (3, 12, 0), (3, 12, 10)),
        ("12:00 to 12:10", (3, 12, 0), (3, 12, 10)),
        ("from 12:00 – 12:10", (3, 12, 0), (3, 12, 10)),
        (" 12:00  12:10 ", (3, 12, 0), (3, 12, 10)),
        ("23:50", (2, 23, 35), (3, 0, 5)),  # later than now: yesterday
        ("23:50-00:10", (2, 23, 50), (3, 0, 10)),
        ("2026-09-01 12:00", (1, 11, 45), (1, 12, 15)),
        ("2026-09-01T12:00 to 2026-09-02 08:00", (1, 12, 0), (2, 8, 0)),
        ("14:25", (3, 14, 10), (3, 14, 30)),  # not beyond now
        ("25:00", None, None),
        ("12:75", None, None),
        ("2026-13-01 12:00", None, None),
        ("2026-09-04 12:00", None, None),  # in the future
        ("12:00-11:00", (3, 12, 0), (3, 14, 30)),  # until 11:00 of the next day
        ("12:00-12:00:05", None, None),  # shorter than can be shown
        ("10.0.0.5:9090", None, None),
        ("worker2", None, None),
        ("", None, None),
    ],
)
def test_a_time_or_two_mean_a_time_range(run, text, start, end):
    body = (
        "const at = (parts) => parts && new Date(2026, 8, ...parts).getTime() / 1000;"
        "const [text, start, end] = given; const span = spanOf(text, at([3, 14, 30]));"
        "return [span && [span.from, span.to], start && [at(start), at(end)]]"
    )
    found, expected = run("moments.js", body, text, start, end)
    assert found == expected


# ---- the address


def test_a_range_of_the_address_is_live_or_fixed(run):
    parse = "const {seconds, live, from} = parseRange(...given); return [seconds, live, from]"
    assert run("address.js", parse, "?last=6h") == [21600, True, None]
    assert run("address.js", parse, "?from=1000&to=4600") == [3600, False, 1000]
    assert run("address.js", parse, "?last=nonsense", "15m") == [900, True, None]
    assert run("address.js", parse, "?from=9&to=3") == [3600, True, None]


@pytest.mark.parametrize(
    "search,fault",
    [
        ("", ""),
        ("?last=6h", ""),
        ("?from=1000&to=4600", ""),
        ("?from=1000&to=9000", ""),
        ("?from=5000&to=9000", "in the future"),
        ("?from=abc&to=5", "not valid"),
        ("?from=9&to=3", "not valid"),
        ("?to=3", "not valid"),
        ("?last=99y", "not valid"),
    ],
)
def test_a_range_that_cannot_be_shown_is_a_fault_of_the_address(run, search, fault):
    assert run("address.js", "return rangeFault(...given)", search, 5000) == fault


NIGHT = 100_000  # seconds after 1970 at which the history begins; "now" is 1,000 s later


# Seconds after the history begins, of 1000; fields that are wrong; the first words of why.
TYPED_RANGES = (
    (0, 10, [], ""),  # the first ten seconds that there are
    (-1, 10, ["from"], "History begins at "),
    (0, 9, ["to"], "Enter a time at least 10 s after the start."),
    (0, 0, ["to"], "Enter a time after the start."),
    (100, 99, ["to"], "Enter a time after the start."),
    (990, 1000, [], ""),
    (990, 5000, [], ""),  # it ends now
    (991, 5000, ["from"], "Enter a time at least 10 s ago."),
    (1000, 5000, ["from"], "Enter a time at least 10 s ago."),
    (1001, 5000, ["from"], "This is in the future: it is "),
    (None, 100, ["from"], "Enter a date and a time."),
    (100, None, ["to"], "Enter a date and a time."),
    (-1, -2, ["from", "to"], "History begins at "),
    (None, None, ["from", "to"], "Enter a date and a time."),
)


def test_a_typed_range_is_refused_at_the_field_that_is_wrong(run):
    found = run(
        "views/timerange.js",
        "const [ranges, ...more] = given;"
        "return ranges.map(([from, to]) => rangeProblems(from ?? NaN, to ?? NaN, ...more)"
        "  .map(({ field, message }) => [field, message]))",
        [[time if time is None else NIGHT + time for time in one[:2]] for one in TYPED_RANGES],
        NIGHT,
        NIGHT + 1000,
    )
    for (*asked, wrong, words), problems in zip(TYPED_RANGES, found):
        assert [field for field, _ in problems] == wrong, asked
        assert not problems or problems[0][1].startswith(words), asked


def test_where_the_history_begins_is_told_with_its_day_when_that_is_another(run):
    body = "return rangeProblems(...given).map(({ message }) => message)"
    begin = run("views/timerange.js", "return new Date(2026, 8, 3, 2, 10, 11) / 1000")
    for now, words in ((begin + 3600, "02:10:11"), (begin + 86400, "02:10:11 on 3 Sep")):
        said = run("views/timerange.js", body, begin - 1, begin + 60, begin, now)
        assert said == ["History begins at %s." % words]


# ---- tables


def test_what_is_missing_stands_last_in_both_directions(run):
    body = (
        "const rows = [null, 3, '', 1, 2].map((value) => ({value}));"
        "const columns = [{id: 'value', value: (row) => row.value}];"
        "return sortRows(rows, columns, {id: 'value', down: given[0]}).map((row) => row.value)"
    )
    assert run("table.js", body, False)[:3] == [1, 2, 3]
    assert run("table.js", body, True)[:3] == [3, 2, 1]


def test_columns_that_have_no_room_are_left_out_in_their_order(run):
    body = (
        "const columns = [{id: 'a', width: 100}, {id: 'b', width: 100, drop: 1},"
        " {id: 'c', width: 100, drop: 2}];"
        "return fitColumns(columns, {room: given[0]}).columns.map(({id}) => id)"
    )
    assert run("table.js", body, 300) == ["a", "b", "c"]
    assert run("table.js", body, 250) == ["a", "b"]
    assert run("table.js", body, 100) == ["a"]
    wide = body.replace("{id: 'b', width: 100, drop: 1}", "{id: 'b', width: 150, drop: 1}")
    wide = wide.replace("{id: 'c', width: 100", "{id: 'c', width: 80")
    assert run("table.js", wide, 199) == ["a", "c"], "beside a wide one others may have room"
    assert run("table.js", wide, 179) == ["a"]


def test_rows_that_somebody_reads_stay_where_they_are_until_the_pointer_rests(run):
    body = (
        "let now = 0; performance.now = () => now;"
        "const columns = [{id: 'a', label: 'a', value: (row) => row.a, num: true}];"
        "const table = new DataTable({label: 't', columns, key: (row) => row.id,"
        " sort: {id: 'a', down: true}, children: (row) => row.below || []});"
        "const update = (x, y, z) => {"
        " const below = [{id: 'x1', a: x}, {id: 'x2', a: y}];"
        " table.update([{id: 'x', a: x, below}, {id: 'y', a: y}, {id: 'z', a: z}]);"
        " return table.lines.map(({id}) => id).join(' '); };"
        "table.toggle('x'); const found = [update(3, 2, 1)];"
        "table.body.dispatchEvent(new Event('pointermove'));"
        "now = 14000; found.push(update(1, 2, 3));"
        "table.arrange(); found.push(table.lines.map(({id}) => id).join(' '));"  # a click on a head
        "now = 14999; found.push(update(3, 2, 1));"
        "now = 15000; found.push(update(3, 2, 1)); return found"
    )
    first, swapped = "x x1 x2 y z", "z y x x2 x1"
    assert run("table.js", body) == [first, first, swapped, swapped, first]


# ---- events and alerts


def event(number, kind, node, time, until=None, text="", **more):
    found = {"id": number, "kind": kind, "node": node, "time": time, "until": until, "text": text}
    found.update({"severity": "info", "count": 1}, **more)
    return found


def test_a_down_time_and_the_restart_that_ended_it_are_one_row(run):
    events = [event(2, "restart", "w0", 140), event(1, "node_down", "w0", 100, 138)]
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 200)])"
    rows = run("views/eventlist.js", body, events)
    assert rows == [["w0 down, then restarted", "from 00:01:40, lasted", "38 s"]]


def test_a_change_and_the_request_that_made_it_are_one_row_that_names_its_sender(run):
    sent = {"path": "/proxy2/w0/conf", "status": 200, "by": "token", "from": "10.2.0.14"}
    by = "by token from 10.2.0.14"
    events = [
        event(3, "changed", "w1", 150, text="w1 changed: chunk_size 64 → 256"),
        event(2, "changed", "w0", 140, text="w0 changed: chunk_size 64 → 256, %s" % by),
        event(1, "action", "w0", 130, text="POST /proxy2/w0/conf on w0: 200", **sent),
    ]
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 200)])"
    assert run("views/eventlist.js", body, events) == [
        ["w1 changed: chunk_size 64 → 256 (not made through this frontend)", "", ""],
        ["w0 changed: chunk_size 64 → 256", "by token from 10.2.0.14", ""],
    ]
    body = "return marksOf(given[0]).map((mark) => mark.kind)"
    assert run("views/eventlist.js", body, events) == ["change", "change"]


@pytest.mark.parametrize(
    "changed,by,is_outside",
    [("chunk_size", None, True), ("chunk_size", "token", False), ("version", None, False)],
)
def test_whether_a_setting_was_changed_elsewhere_is_read_from_fields(run, changed, by, is_outside):
    more = {"changes": {changed: ["1", "2"]}, "by": by, "text": "w0 has changed: version 1 → 2"}
    said = run(
        "views/eventlist.js", "return eventText(given[0])", event(1, "changed", "w0", 9, **more)
    )
    assert said.endswith(" (not made through this frontend)") == is_outside


def test_an_action_names_its_sender_once(run):
    text = "POST /proxy2/w0/backends on w0: 200 (by token, from 10.2.0.14)"
    sent = {"path": "/proxy2/w0/backends", "status": 200, "by": "token", "from": "10.2.0.14"}
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 200)])"
    rows = run("views/eventlist.js", body, [event(1, "action", "w0", 130, text=text, **sent)])
    assert rows == [["POST /proxy2/w0/backends on w0: 200", "by token from 10.2.0.14", ""]]


def test_at_the_end_of_a_fixed_range_what_ended_later_still_lasts(run):
    events = [event(1, "node_down", "w0", 100, 500, "w0 is down: connection refused")]
    body = (
        "return eventRows(asOf(given[0], given[1]))"
        ".map((row) => [eventText(row), ...eventNote(row, given[1])])"
    )
    assert run("views/eventlist.js", body, events, 160) == [
        ["w0 is down: connection refused", "ongoing,", "1 min"]
    ]
    assert run("views/eventlist.js", body, events, 500)[0][1].endswith("lasted")


def test_a_row_of_several_times_says_how_long_they_were_in_all_and_since_when(run):
    about = {"count": 4, "seconds": 61.0}
    events = [
        event(3, "node_degraded", "w0", 150, None, "w0 is degraded: slow response", **about),
        event(2, "node_degraded", "w1", 100, 190, "w1 is degraded: slow response", **about),
        event(1, "node_degraded", "w2", 100, 190, "w2 is degraded: slow response", count=1),
    ]
    body = "return eventRows(given[0]).map((row) => eventNote(row, 200))"
    assert run("views/eventlist.js", body, events) == [
        ["4 times, in all", "1 min 1 s"],
        ["from 00:01:40, lasted", "1 min 30 s"],
        ["ongoing, 4 times in", "50 s"],
    ]


def test_times_that_clocks_show_alike_have_one_age(run):
    body = "return given.map(([since, now]) => ageOf(since, now).textContent)"
    told = run("views/eventlist.js", body, [100.2, 700.1], [100.9, 700.1], [100.9, 701.0])
    assert told == ["10 min", "10 min", "10 min 1 s"]


def test_what_many_nodes_did_at_one_time_is_one_row(run):
    events = [event(n, "restart", "w%d" % n, 100 + n, text="w%d restarted" % n) for n in range(5)]
    body = "return eventRows(given[0]).map(eventText)"
    assert run("views/eventlist.js", body, events) == ["5 nodes restarted"]
    down = [
        event(n, "node_down", "w%d" % n, 100, text="w%d is down: timed out" % n) for n in range(5)
    ]
    assert run("views/eventlist.js", body, down) == ["5 nodes are down: timed out"]


def test_an_outage_stands_above_what_ended_in_the_second_in_which_it_began(run):
    events = [
        event(2, "node_degraded", "w0", 50, 100.7, "w0 is degraded: slow response"),
        event(1, "node_down", "w0", 100.2, text="w0 is down: timed out"),
        event(3, "restart", "w1", 101.0, text="w1 restarted"),
    ]
    body = "return eventRows(given[0]).map((row) => row.id)"
    assert run("views/eventlist.js", body, events) == [3, 1, 2]


def test_what_still_lasts_and_what_is_over_is_told(run):
    events = [
        event(3, "alert", None, 100, None, "evictions rising"),
        event(2, "alert", None, 100, 250, "hit rate dropped"),
    ]
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 400)])"
    assert run("views/eventlist.js", body, events) == [
        ["Resolved: hit rate dropped", "lasted", "2 min 30 s"],
        ["Alert: evictions rising", "active,", "5 min"],
    ]


def test_what_is_over_stands_in_lists_where_it_ended(run):
    kinds = ("node_down", "node_degraded", "alert")
    events = [event(n, kind, "w%d" % n, 100, 250 + n, kind) for n, kind in enumerate(kinds)]
    events.append(event(4, "node_up", "w9", 251.1, 251.1, "w9 is up"))
    events.append(event(5, "node_down", "w5", 251.5, None, "w5 is down"))
    events.append(event(6, "restart", "w1", 251.2, 251.2, "w1 restarted"))
    events.append(event(7, "restart", "w0", 251.2, 251.2, "w0 restarted"))
    body = "return eventRows(given[0]).map((row) => [row.kind, rowTime(row)])"
    assert run("views/eventlist.js", body, sorted(events, key=lambda one: -one["time"])) == [
        ["alert", 252],
        ["node_down", 251.5],
        ["restart", 251.2],
        ["node_up", 251.1],
        ["node_degraded", 251],
        ["node_down", 250],
    ]
    body = "const row = eventItem(eventRows(given[0])[0], 400);"
    body += "return row.querySelector('time').title.split(', began ').length"
    assert run("views/eventlist.js", body, events[:1]) == 2, "its title says when it began"


def test_nodes_that_were_down_for_different_times_were_down_for_up_to_the_longest(run):
    text = "w%d is down: refused"
    ends = (1119, 1130, 1119)
    downs = [event(n, "node_down", "w%d" % n, 100, end, text % n) for n, end in enumerate(ends)]
    body = "return eventRows(given[0]).map((row) => eventNote(row, 2000).join(' '))"
    assert run("views/eventlist.js", body, downs) == ["from 00:01:40, lasted up to 17 min 10 s"]
    assert run("views/eventlist.js", body, downs[::2]) == ["from 00:01:40, lasted 16 min 59 s"]
    alert = {"rule": "r", "instance": "i", "end_reason": "node down"}
    alerts = [event(n, "alert", "w%d" % n, 100 + n, 160, "slow", **alert) for n in range(2)]
    assert run("views/eventlist.js", body, alerts) == ["active for up to 1 min"]


def test_a_resolved_alert_stands_in_lists_where_it_was_resolved(run):
    events = [
        event(4, "restart", "w1", 300, 300, "w1 restarted"),
        event(3, "restart", "w0", 200, 200, "w0 restarted"),
        event(2, "alert", "w0", 120, 250, "w0 is slow", rule="slow"),
        event(1, "alert", "w0", 100, None, "w0 is full", rule="full"),
    ]
    said = ["w1 restarted", "Resolved: w0 was slow", "w0 restarted", "Alert: w0 is full"]
    body = "return eventRows(given[0]).map((row) => [eventText(row), rowTime(row)])"
    rows = run("views/eventlist.js", body, events)
    assert rows == [list(row) for row in zip(said, (300, 250, 200, 100))]
    lines = run(
        "views/events.js",
        "return eventsMarkdown(given[0], 'Events', 400).split('\\n').slice(2)",
        run("views/eventlist.js", "return eventRows(given[0])", events),
    )
    times = run("format.js", "return given.map(fullTime)", 300, 250, 200, 100)
    expected = ["- %s %s" % one for one in zip(times, said)]
    assert [line[: len(one)] for line, one in zip(lines, expected)] == expected
    assert lines[1].endswith("(lasted 2 min 10 s)")
    body = "return marksOf(given[0]).map(({ time, kind }) => [time, kind])"
    assert [100, "alert"] in run("views/eventlist.js", body, events)


def test_what_is_over_is_told_in_the_past_tense(run):
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 700)])"
    down = event(1, "node_down", "w0", 100, 625, "w0 is down: connection refused")
    assert run("views/eventlist.js", body, [down]) == [
        ["w0 was down: connection refused", "from 00:01:40, lasted", "8 min 45 s"]
    ]
    alert = event(2, "alert", None, 100, 160, "Failures are rising on w0: 0 → 3.9 per minute")
    said = run("views/eventlist.js", body, [alert])[0][0]
    assert said == "Resolved: Failures were rising on w0: 0 → 3.9 per minute"


def test_an_alert_that_ended_while_its_node_was_down_is_not_told_as_resolved(run):
    text = "Timeouts are rising on %s: 0 → 5 per minute"
    events = [
        event(n, "alert", "w%d" % n, 100, end, text % ("w%d" % n), rule="timeouts_rising", **more)
        for n, end, more in (
            (3, None, {}),
            (2, 170, {}),
            (1, 160, {"end_reason": "node down"}),
            (0, 160, {"end_reason": "node down"}),
        )
    ]
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 200)])"
    assert run("views/eventlist.js", body, [events[2]]) == [
        ["No longer evaluated (node down): " + text.replace("are", "were") % "w1"]
        + ["active for", "1 min"]
    ]
    rows = run("views/eventlist.js", body, events)
    assert [row[0].split(":")[0] for row in rows] == ["No longer evaluated (node down)", "Alert"]
    body = "return marksOf(given[0]).map(({ time, kind }) => [time, kind])"
    assert run("views/eventlist.js", body, [events[2]]) == [[100, "alert"]]
    assert run("views/eventlist.js", body, [events[1]])[1] == [170, "resolved"]
    body = "return eventRows(asOf(given[0], 150)).map((row) => eventText(row).split(':')[0])"
    assert run("views/eventlist.js", body, events) == ["Alert"]


def test_a_row_of_many_nodes_counts_those_that_still_are_so(run):
    events = [
        event(
            n,
            "node_degraded",
            "w%d" % n,
            100,
            110 if n else None,
            "w%d is degraded: slow response" % n,
        )
        for n in range(5)
    ]
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 400)])"
    rows = run("views/eventlist.js", body, events)
    assert rows == [["5 nodes are degraded: slow response", "1 of 5 ongoing,", "5 min"]]


def test_what_somebody_added_has_one_row_however_slow_the_request_was(run):
    add = {"method": "POST", "path": "/api/proxies", "status": 200, "by": "token", "from": "h"}
    events = [
        event(4, "action", None, 108.5, 108.5, text="POST /api/proxies: 200", **add),
        event(3, "nodes", "rack2", 104.0, 104.0, text="Added a frontend: rack2", added=["rack2"]),
        event(2, "action", None, 103.0, 103.0, text="POST /api/proxies: 200", **add),
        event(1, "nodes", "rack1", 100.0, 100.0, text="Added a frontend: rack1", added=["rack1"]),
    ]
    body = "return eventRows(given[0]).map((row) => [eventText(row), row.by])"
    rows = run("views/eventlist.js", body, events)
    assert rows == [["Added a frontend: rack2", "token"], ["Added a frontend: rack1", "token"]]


def changes_of(nodes, time, first, **more):
    text = "%s changed: chunk_size 512 → 256"
    return [
        event(first - i, "changed", key, time + i / 10, text=text % key, **more)
        for i, key in enumerate(nodes)
    ]


@pytest.mark.parametrize("count", [2, 3])
def test_what_somebody_changed_at_once_on_a_few_nodes_is_one_row(run, count):
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 400)])"
    nodes = ["w%d" % i for i in range(count)]
    one, other = ({"by": "token", "from": host} for host in ("10.2.0.14", "10.2.0.15"))
    rows = run("views/eventlist.js", body, changes_of(nodes, 140, 9, **one))
    who = "w0 and w1" if count == 2 else "3 nodes"
    said = "%s changed: chunk_size 512 → 256" % who
    assert rows == [[said, "by token from 10.2.0.14", ""]]
    # What somebody else did in the same minute is another row.
    events = [*changes_of(nodes, 140, 9, **one), *changes_of(["x0", "x1"], 130, 4, **other)]
    assert run("views/eventlist.js", body, events) == [
        *rows,
        ["x0 and x1 changed: chunk_size 512 → 256", "by token from 10.2.0.15", ""],
    ]


def test_an_action_on_a_few_nodes_is_one_row(run):
    level = "/proxy2/%s/loglevel?logger_name=lmcache&level=INFO"
    sent = [dict(action("GET", level % key, node=key), id=i) for i, key in enumerate(("w0", "w1"))]
    for one in sent:
        one["text"] = "GET %s: 200" % one["path"]
    body = "return eventRows(given[0]).map(eventText)"
    said = "Log level of lmcache set to INFO on w0 and w1"
    assert run("views/eventlist.js", body, sent) == [said]


def test_a_search_finds_a_row_by_each_node_that_is_folded_in_it(run, browser):
    script = (
        "const { eventRows } = await import('/static/js/views/eventlist.js');"
        "const { searchText } = await import('/static/js/views/events.js');"
        "return eventRows(arguments[0]).map(searchText)"
    )
    nodes = ["w0", "w1", "w2", "w3"]
    more = ["n%d" % i for i in range(9)]
    added = event(1, "nodes", None, 20, 20, "Added 9 nodes: n0, n1, n2 and 6 more", added=more)
    rows = browser.script(script, [*changes_of(nodes, 140, 9), added])
    for row, names in zip(plain(rows), (nodes, more)):
        assert all(name in row for name in names)


def action(method, path, status=200, node="w0"):
    more = {"method": method, "path": path, "status": status, "by": "local", "from": "127.0.0.1"}
    return event(1, "action", node, 100, 100, "as it was sent", **more)


@pytest.mark.parametrize(
    "done,words",
    [
        (action("POST", "/proxy2/w0/conf"), "Settings changed on w0"),
        (
            action("POST", "/proxy2/r1/proxy2/w0/conf", 400),
            "Settings could not be changed on w0: the request was rejected",
        ),
        (
            dict(
                action("GET", "/proxy2/w0/loglevel?logger_name=lmcache&level=INFO", 502),
                error="connection refused",
            ),
            "Log level of lmcache could not be set to INFO on w0: connection refused",
        ),
        (
            action("PUT", "/proxy2/w0/bypass/add?backend_name=RemoteBackend", 499),
            "RemoteBackend may not have been bypassed on w0: "
            "the client disconnected before the response",
        ),
        (
            action("POST", "/proxy2/w0/other", 503),
            "POST /proxy2/w0/other on w0 failed: not available",
        ),
        (
            action("POST", "/api/alerts/node_down%3Aw0/silence", 404, None),
            "Alert could not be silenced (not found): node down on w0",
        ),
        (
            action("GET", "/proxy2/w0/loglevel?logger_name=lmcache.v1&level=DEBUG"),
            "Log level of lmcache.v1 set to DEBUG on w0",
        ),
        (
            action("PUT", "/proxy2/w0/bypass/add?backend_name=RemoteBackend"),
            "RemoteBackend bypassed on w0",
        ),
        (
            action("DELETE", "/proxy2/w0/cache/clear?locations=LocalCPUBackend"),
            "LocalCPUBackend cleared on w0",
        ),
        (action("POST", "/proxy2/w0/backends/DiskBackend/recreate"), "DiskBackend recreated on w0"),
        (action("POST", "/proxy2/w0/other?x=1"), "POST /proxy2/w0/other?x=1 on w0"),
        (
            action("DELETE", "/api/alerts/node_down%3Aw0/silence", node=None),
            "Silence ended: node down on w0",
        ),
    ],
)
def test_what_somebody_did_is_told_in_words(run, done, words):
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 200)])"
    assert run("views/eventlist.js", body, [done]) == [[words, "from this host", ""]]


def test_a_silence_names_its_alert_its_end_and_its_comment(run, browser):
    alert = {"id": "restarts:w0", "text": "w0 restarted 2 times in 15 min"}
    alert["silence"] = {"until": 4000, "comment": "known", "by": "token"}
    silence = action("POST", "/api/alerts/restarts%3Aw0/silence", node=None)
    script = (
        "const { store } = await import('/static/js/server.js');"
        "const { eventRows, eventText } = await import('/static/js/views/eventlist.js');"
        "store.status = { ...store.status, alerts: [arguments[0]] };"
        "return eventRows(arguments[1]).map((row) => eventText(row))"
    )
    rows = browser.script(script, alert, [silence, dict(silence, id=0, time=9)])
    first, again = plain(rows)
    assert first.startswith("Alert silenced until ")
    assert first.endswith(" (“known”): w0 restarted 2 times in 15 min")
    assert again == "Alert silenced: w0 restarted 2 times in 15 min"


def test_silences_of_one_act_are_one_row_and_one_mark(run):
    def silence(n, rule, method="POST", by="token"):
        done = action(method, "/api/alerts/%s%%3Aw%d/silence" % (rule, n), node=None)
        return dict(done, id=n, time=100 + n / 10, by=by)

    events = [silence(n, "hit_rate_halved") for n in (3, 2, 1, 0)]
    other = silence(0, "node_down")
    ended = [silence(n, "hit_rate_halved", "DELETE") for n in (1, 0)]
    body = "return [eventRows(given[0]).map(eventText), marksOf(given[0]).map((one) => one.title)]"
    rows, marks = run("views/eventlist.js", body, [*ended, *events, other])
    words = [
        "Silence of 2 alerts ended: hit rate halved on w0 and w1",
        "4 alerts silenced: hit rate halved on w0 and 3 others",
        "Alert silenced: node down on w0",
    ]
    assert sorted(rows) == sorted(marks) == sorted(words)
    fell = event(9, "alert", "w0", 50, 160, "Hit rate of w0 fell: 75% → 33%")
    over = dict(fell, rule="hit_rate_halved")
    rows, _ = run("views/eventlist.js", body, [*events, over])
    assert "4 alerts silenced: Hit rate of w0 and 3 others fell: 75% → 33%" in rows
    events[0]["by"] = "local"
    rows, _ = run("views/eventlist.js", body, events)
    assert len(rows) == 2


def test_what_was_undone_and_done_again_within_a_minute_has_a_row_each_time(run):
    def silences(method, time):
        path = "/api/alerts/hit_rate_halved%3Aw{}/silence"
        done = [action(method, path.format(n), node=None) for n in range(2)]
        return [dict(one, id=time + n, time=time + n / 10) for n, one in enumerate(done)][::-1]

    def levels(level, time):
        path = "/proxy2/w{}/loglevel?logger_name=lmcache&level=" + level
        done = [action("GET", path.format(n), node="w%d" % n) for n in range(2)]
        return [dict(one, id=time + n, time=time + n / 10) for n, one in enumerate(done)][::-1]

    body = "return eventRows(given[0]).map((row) => [eventText(row), rowTime(row)])"
    said = "2 alerts silenced: hit rate halved on w0 and w1"
    events = [*silences("POST", 120), *silences("DELETE", 110), *silences("POST", 100)]
    assert run("views/eventlist.js", body, events) == [
        [said, 120],
        ["Silence of 2 alerts ended: hit rate halved on w0 and w1", 110],
        [said, 100],
    ]
    words = "Log level of lmcache set to %s on w0 and w1"
    events = [*levels("DEBUG", 120), *levels("INFO", 110), *levels("DEBUG", 100)]
    assert run("views/eventlist.js", body, events) == [
        [words % "DEBUG", 120],
        [words % "INFO", 110],
        [words % "DEBUG", 100],
    ]
    # Some of them are enough: the rest of the first act is no part of the last.
    again, ended = silences("POST", 120)[:1], silences("DELETE", 110)[:1]
    rows = run("views/eventlist.js", body, [*again, *ended, *silences("POST", 100)])
    assert [time for _, time in rows] == [120.1, 110.1, 100]


def test_what_was_done_several_times_stands_at_the_last_with_their_number(run):
    silence = action("POST", "/api/alerts/node_down%3Aw0/silence", node=None)
    silence.update(count=3, until=190)
    body = "const [row] = eventRows(given[0]); return [rowTime(row), ...eventNote(row, 200)]"
    assert run("views/eventlist.js", body, [silence]) == [190, "from this host, 3 times", ""]
    body = "return eventItem(eventRows(given[0])[0], 400).querySelector('time').title"
    assert "the first time" in run("views/eventlist.js", body, [silence])


def test_a_request_of_several_times_stays_beside_the_change_that_was_seen(run):
    sent = dict(action("POST", "/proxy2/w0/conf"), id=1, time=100, until=400, count=5)
    changed = event(2, "changed", "w0", 300, 300, "w0 changed: chunk_size 64 → 256")
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 500)])"
    assert run("views/eventlist.js", body, [changed, sent]) == [
        ["Settings changed on w0", "from this host, 5 times", ""],
        ["w0 changed: chunk_size 64 → 256", "from this host", ""],
    ]


def test_what_happened_keeps_its_words_when_its_alert_has_others(run, browser):
    now = {"id": "rising:w0", "rule": "rising", "node": "w0", "silence": None}
    rose = event(1, "alert", "w0", 50, None, "Failures are rising on w0: 1 → 10", rule="rising")
    silence = action("POST", "/api/alerts/rising%3Aw0/silence", node=None)
    script = (
        "const { store } = await import('/static/js/server.js');"
        "const { eventRows, eventText } = await import('/static/js/views/eventlist.js');"
        "store.status = { ...store.status, alerts: [arguments[0]] };"
        "return eventRows(arguments[1]).map((row) => eventText(row))"
    )
    for text, said in (
        ("Failures are falling again on w0: 10 → 2", "Failures are rising on w0: 1 → 10"),
        ("Failures are rising on w0: 1 → 12", "Failures are rising on w0: 1 → 12"),
    ):
        silence["alert"] = "Failures are rising on w0: 1 → 9"
        rows = browser.script(script, dict(now, text=text), [silence, rose])
        # What was silenced is over: it does not follow the figures of now.
        assert plain(rows) == ["Alert silenced: " + silence["alert"], "Alert: " + said]


def test_an_alert_that_is_over_is_told_in_the_past(run):
    over = event(1, "alert", "w0", 100, 160, "w0 restarted 2 times in 15 min")
    fell = event(2, "alert", "w0", 100, 160, "Hit rate of w0 fell: 75% → 33%")
    body = "return given.map((one) => eventText(one))"
    assert run("views/eventlist.js", body, over, fell) == [
        "Resolved: w0 had restarted 2 times in 15 min",
        "Resolved: Hit rate of w0 had fallen: 75% → 33%",
    ]
    lasting = (
        "The 4 workers of a differ in their configuration: chunk_size",
        "LMCache nodes run different versions: 0.5.5: w0; 0.5.6: w1",
        "This frontend may be overloaded: 5 of 20 nodes responded slowly",
        "Remote backend of w0 does not respond: the last 3 pings failed",
        "Remote backend of w0 fails: 3 of 9 reads",
    )
    assert run("words.js", "return given.map(pastTense)", *lasting) == [
        "The 4 workers of a differed in their configuration: chunk_size",
        "LMCache nodes ran different versions: 0.5.5: w0; 0.5.6: w1",
        "This frontend may have been overloaded: 5 of 20 nodes responded slowly",
        "Remote backend of w0 did not respond: the last 3 pings failed",
        "Remote backend of w0 failed: 3 of 9 reads",
    ]
    said = "Lookup hit rate of a fell: 79% → 31%; TTFT p50 of api rose: 231 ms → 420 ms"
    told = run("words.js", "return pastTense(given[0])", said + "; evictions of a rose: 0 → 12")
    past = said.replace(" fell:", " had fallen:").replace(" rose:", " had risen:")
    assert told == past + "; evictions of a had risen: 0 → 12"


def test_the_rest_of_a_rollout_is_the_median_of_the_nodes_that_report(run):
    series = [
        {"times": [1, 2], "values": [1, 2]},
        {"times": [1, 2], "values": [3, None]},
        {"times": [1, 2], "values": [100, 4]},
        {"times": [1], "values": [None]},
    ]
    body = "const { times, values } = medianSeries(given); return [times, values]"
    assert run("views/rollout.js", body, *series) == [[1, 2], [3, 3]]


def test_a_rollout_compares_with_the_five_minutes_before_and_not_with_an_earlier_incident(run):
    times = [100, 400, 700, 710, 990, 1010, 1060]
    first = {"times": times, "values": [0.1, 0.1, 0.7, 0.8, 0.9, 0.4, 0.6]}
    rest = {"times": times, "values": [0.1, 0.1, 0.5, 0.6, 0.7, 0.6, 0.6]}
    series = [{"metric": "lookup_hit_rate", "canary": first, "rest": rest}]
    body = "const before = beforeOf(given[0], 1000);"
    body += "return comparison({ since: 1000, series: given[0], before }, 1060)"
    [row] = run("views/rollout.js", body, series)
    assert row["first"] == pytest.approx([0.8, 0.5]) and row["others"] == pytest.approx([0.6, 0.6])
    assert plain(row["moved"]["text"]) == "▼ 30 pt"
    assert row["moved"]["grade"] == "worse"


@pytest.mark.parametrize(
    "metric, first, others, moved",
    [
        ("lookup_hit_rate", [0.783, 0.509], [0.786, 0.786], "▼ 27 pt, worse"),
        ("lookup_hit_rate", [0.8, 0.5], [0.8, 0.5], ""),  # it went down everywhere
        ("lookup_hit_rate", [0.5, 0.8], [0.5, 0.5], "▲ 30 pt"),
        ("retrieve_p99", [0.0469, 0.0872], [0.0462, 0.0449], "▲ 91%, worse"),
        ("retrieve_p99", [0.04, 0.08], [0.04, 0.08], ""),
        ("retrieve_p99", [0.2, 0.3], [0.04, 0.06], ""),  # slower than the rest before, too
        ("lookup_hit_rate", [0.77, 0.731], [0.77, 0.786], "▼ 5.5 pt, slight"),
        ("lookup_hit_rate", [0.77, 0.76], [0.77, 0.77], "▼ 1 pt"),
        ("retrieve_p99", [0.04, 0.044], [0.04, 0.04], "▲ 10%"),
        ("retrieve_p99", [0.04, 0.048], [0.04, 0.04], "▲ 20%, slight"),
        ("retrieve_p99", [0.08, 0.04], [0.08, 0.08], "▼ 50%"),
        ("failures_per_second", [0, 0.5], [0, 0], "▲ from 0, worse"),
        ("failures_per_second", [0, 0.5], [0, 0.5], ""),
        ("failures_per_second", [0.5, 0.5], [0.5, 0], ""),  # not its own
        ("retrieve_p99", [0.04, None], [0.04, 0.04], None),
        ("lookup_hit_rate", [0.8, 0.5], [None, 0.8], None),
    ],
)
def test_the_first_node_of_a_rollout_is_told_how_it_moved_against_the_rest(
    run, metric, first, others, moved
):
    sides = [{"times": [100, 130], "values": values} for values in (first, others)]
    body = "const [metric, canary, rest] = given; const series = [{ metric, canary, rest }];"
    body += "const before = beforeOf(series, 120);"
    body += "const [{ moved }] = comparison({ since: 120, series, before }, 130);"
    body += "return moved && [moved.text, moved.grade].filter(Boolean).join(', ')"
    assert run("views/rollout.js", body, metric, *sides) == moved


def test_a_404_that_names_what_is_missing_is_not_taken_for_a_missing_endpoint(run):
    body = "return given.map(([status, message]) => errorText({ status, message }, {}))"
    missing, endpoint = run("views/bulk.js", body, [404, "no such MP server"], [404, "Not Found"])
    assert missing == "Not found: no such MP server"
    assert "no such endpoint" in endpoint


def test_the_workers_of_a_controller_are_listed_with_their_heartbeats(run):
    body = "return given.map(outcome)"
    worker = {"worker_id": 0, "ip": "10.0.0.5", "port": 9090, "last_heartbeat_time": 1700000000}
    answers = [{"worker_infos": [worker]}, {"worker_infos": []}, {"res": "i0"}]
    listed, none, instance = run("views/operations.js", body, *answers)
    assert listed.startswith("worker 0: 10.0.0.5:9090, last heartbeat ")
    assert [none, instance] == ["no such workers", "i0"]


def test_who_changed_a_setting_is_told_once(run):
    text = "w0 changed: chunk_size 256 → 512, by token from 10.2.0.14"
    changed = event(1, "changed", "w0", 130, text=text, by="token", **{"from": "10.2.0.14"})
    body = "return eventRows(given[0]).map((row) => [eventText(row), ...eventNote(row, 200)])"
    rows = run("views/eventlist.js", body, [changed])
    assert rows == [["w0 changed: chunk_size 256 → 512", "by token from 10.2.0.14", ""]]


def test_a_text_whose_spaces_count_is_quoted_and_read_as_it_was(run):
    shown = {
        "LRU": "LRU",
        "two words": "two words",
        "": '""',
        " # # ": '" # # "',
        "a  b": '"a  b"',
        "a\tb\nc": r'"a\tb\nc"',
        '"x"': r'"\"x\""',
        '"x" and "y"': r'"\"x\" and \"y\""',
        'say "x"': 'say "x"',
    }
    body = "return given[0].map((text) => [show(text), readValue(show(text), 'another')])"
    rows = run("panels/config.js", body, list(shown))
    assert rows == [[text, value] for value, text in shown.items()]
    # A text that only looks like JSON is taken as it is.
    assert run("panels/config.js", "return readValue('\"x\" y\"', '')") == '"x" y"'


def test_of_a_tie_no_value_is_the_common_one(run):
    body = (
        "const rows = settingRows(given[0]);"
        "return rows.map((row) => [...settingRow(row).children].map((cell) => cell.textContent))"
    )
    confs = [["w0", {"a": 1, "b": 1}], ["w1", {"a": 1, "b": 2}], ["w2", {"a": 2, "b": 1}]]
    confs.append(["w3", {"a": 2, "b": 1}])
    tie, common = run("views/drift.js", body, confs)
    assert tie == ["a", "no majority", "1 · w0, w12 · w2, w3"]
    assert common == ["b", "1 · 3 nodes", "◆ 2 · w1"]
    confs = [["w0", {"a": "x"}], ["w1", {"a": "x"}], ["w2", {"a": ""}]]
    assert run("views/drift.js", body, confs) == [["a", "x · 2 nodes", '◆ "" · w2']]


@pytest.mark.parametrize("count, names", [(4, "w0, w1, w2, w3"), (5, "w0, w1, w2 and 2 more")])
def test_one_more_node_of_a_value_is_named(run, count, names):
    body = "return settingRow(settingRows(given[0])[0]).children[2].textContent"
    confs = [["w%d" % i, {"a": "x"}] for i in range(count)]
    confs += [["z%d" % i, {"a": "y"}] for i in range(count)]
    assert run("views/drift.js", body, confs).startswith("x · " + names + "y")


def test_a_line_ends_with_the_value_that_its_tile_shows(run):
    body = "return endingWith(given[0], {times: [10, 20], values: [1, 2]}, given[1], 10)"
    assert run("chartmath.js", body, 5, 25) == {"times": [10, 20], "values": [1, 5]}
    assert run("chartmath.js", body, 5, 30) == {"times": [10, 20, 30], "values": [1, 2, 5]}
    # Nothing is reported now: a gap, at the time that the layers above and below have too.
    assert run("chartmath.js", body, None, 25) == {"times": [10, 20], "values": [1, 2]}
    assert run("chartmath.js", body, None, 30) == {"times": [10, 20, 30], "values": [1, 2, None]}
    past = body.replace("given[0]", "undefined")
    assert run("chartmath.js", past, None, 30) == {"times": [10, 20], "values": [1, 2]}


def test_charts_end_with_the_last_values_or_now_when_these_are_long_past(run):
    body = "return endOf({end: given[0], interval: 10}, given[1])"
    assert run("chartmath.js", body, 1000, 1030) == 1000
    assert run("chartmath.js", body, 1000, 1031) == 1031
    assert run("chartmath.js", body, None, 1031) == 1031


def test_a_small_graph_has_no_gap_where_readings_are_not_evenly_spaced(run):
    body = "return slots(given[0], given[1], 0, 40, 4)"
    assert run("chartmath.js", body, [2, 18, 22, 38], [1, 2, 4, 6]) == [1, 2, 4, 6]
    assert run("chartmath.js", body, [2, 22, 38], [1, 4, 6]) == [1, 2.5, 4, 6]
    assert run("chartmath.js", body, [2, 15, 22, 38], [1, None, 4, 6]) == [1, None, 4, 6]


def test_events_are_marks_on_charts_by_what_they_are(run):
    events = [
        event(3, "restart", "w0", 300),
        event(2, "node_up", "w0", 200),
        event(1, "node_down", "w0", 100, 200),
    ]
    body = "return marksOf(given[0]).map((mark) => [mark.time, mark.kind])"
    assert run("views/eventlist.js", body, events) == [[100, "down"], [300, "restart"]]


def test_down_times_of_many_nodes_are_one_span_where_they_overlap(run):
    down = {"kind": "down", "partly": False}
    marks = [
        dict(down, time=10, until=30),
        dict(down, time=20, until=40),
        dict(down, time=60, until=None),
        dict(down, time=15, until=20, partly=True),
        {"kind": "restart", "time": 12, "until": 12},
    ]
    body = "return downSpans(...given).map((one) => [one.time, one.until, one.partly])"
    spans = run("chartmath.js", body, marks, 100)
    assert spans == [[10, 40, False], [15, 20, True], [60, 100, False]]


def test_an_axis_is_the_whole_range_and_says_where_the_history_begins(run):
    assert run("address.js", "return axisSpan(given[0])", 7200) == {"start": 3600, "end": 7200}
    body = (
        "const end = new Date(2026, 2, 4, 12).getTime() / 1000;"
        "const line = {times: [end - given[0], end], values: [1, 2]};"
        "return sinceText([line], {end, interval: 10})"
    )
    assert run("views/figures.js", body, 600) == "History since 11:50"
    assert run("views/figures.js", body, 3590) == ""


def test_a_value_that_is_no_longer_reported_is_not_the_last_one(run):
    body = "return given[0].map((end) => lastReported(given[1], end, 10))"
    series = {"times": [100, 110, 120], "values": [1, 2, None]}
    assert run("views/compare.js", body, [120, 140, 150], series) == [2, 2, None]


def test_a_chart_begins_with_the_first_round_that_has_values(run):
    times = [100, 700, 760]
    series = [{"times": times, "values": values} for values in ([None, 1, 2], [None, None, 3])]
    body = "return [firstTime(...given), startOf(...given, 3600)]"
    assert run("chartmath.js", body, series, 900) == [700, 700]
    series[0]["values"][0] = 1
    assert run("chartmath.js", body, series, 900) == [100, 100]
    down = [{"times": times, "values": [None, None, 3]}]
    assert run("chartmath.js", body, down, 900) == [100, 100]  # an outage stays in sight


def test_the_end_of_an_alert_is_a_mark_too(run):
    events = [event(1, "alert", None, 100, 250, "hit rate dropped"), event(2, "alert", None, 300)]
    body = "return marksOf(given[0]).map((mark) => [mark.time, mark.kind])"
    marks = run("views/eventlist.js", body, events)
    assert marks == [[100, "alert"], [250, "resolved"], [300, "alert"]]


def test_a_rule_that_many_instances_break_is_one_line(run):
    alerts = [
        {"id": str(n), "rule": "evictions", "severity": "warning", "text": "rising on i%d" % n}
        for n in range(6)
    ]
    for one in alerts:
        one.update(node=None, instance="i" + one["id"], group="evictions:i" + one["id"], since=1)
    down = {"id": "d", "rule": "node_down", "severity": "critical", "text": "w0 is down"}
    down.update(node="w0", instance=None, group="node_down:", since=2)
    body = "return alertLines(given[0]).map((line) => [line.severity, otherNodes(line)])"
    assert run("views/alerts.js", body, [*alerts, down]) == [
        ["critical", ""],
        ["warning", "also on i1, i2, i3 and 2 more"],
    ]


def test_nodes_in_one_state_for_one_reason_are_one_line(run):
    alert = {"rule": "node_degraded", "severity": "warning", "since": 1}
    reasons = ("slow response (2.6 s)", "slow response (2.5 s)", "/metrics responds with 500")
    alerts = [
        dict(alert, id=key, node=key, group=key, text="%s is degraded: %s" % (key, reason))
        for key, reason in zip(("w0", "w1", "w2"), reasons)
    ]
    body = "return alertLines(given[0]).map((line) => line.nodes)"
    assert run("views/alerts.js", body, alerts) == [["w0", "w1"], ["w2"]]


def test_an_alert_says_how_slow_its_node_is(run):
    said = "w0 is degraded: slow response (2.4 s)"
    alert = {"id": "a", "rule": "node_degraded", "severity": "warning", "since": 1, "text": said}
    body = "return alertLines(given[0]).map(sentenceOf)"
    assert run("views/alerts.js", body, [dict(alert, node="w0")]) == [said]
    event = {"kind": "node_degraded", "node": "w0", "text": said, "time": 1, "until": None}
    body = "return [true, false].map((brief) => eventText(given[0], brief))"
    assert run("views/eventlist.js", body, event) == ["w0 is degraded: slow response", said]


def test_an_alert_says_since_when_what_joined_it_later_is_in_it(run):
    alert = {"rule": "node_down", "severity": "critical", "details": []}
    alerts = [
        dict(alert, id=key, node=key, group=key, text="%s is down: refused" % key, since=since)
        for key, since in (("w0", 100), ("w1", 160), ("w2", 161), ("w3", 400))
    ]
    body = "return alertLines(given[0]).map(({later}) => later.map(({node}) => node))"
    assert run("views/alerts.js", body, alerts[:2]) == [[]], "it began with the first"
    assert run("views/alerts.js", body, alerts) == [["w3", "w2"]]
    body = "return alertsMarkdown(incidentsOf(alertLines(given[0])), 'now', {now: 500})"
    said = run("views/alerts.js", body, alerts[:3])
    assert re.search(r"since \S+ · 6\smin 40\ss · w2 since \S+( ·|\n|$)", said), said
    assert re.search(r" · latest: w3 at \S+( ·|\n|$)", run("views/alerts.js", body, alerts))


def test_lines_are_hidden_where_others_with_nearly_their_values_are_drawn_later(run):
    body = "return hiddenLines(given[0])"
    times = [0, 10, 20]
    lines = [{"times": times, "values": values} for values in ([50, 60, 70], [50, 60.3, 70])]
    assert run("views/compare.js", body, lines) == 1
    lines.append({"times": times, "values": [50, 62, 70]})
    assert run("views/compare.js", body, lines) == 1
    lines.append({"times": times, "values": [50, None, 70]})
    assert run("views/compare.js", body, lines) == 1, "a gap hides nothing"
    lines.append({"times": times, "values": [None, 62.1, 70]})
    assert run("views/compare.js", body, lines) == 1
    lines.append({"times": times, "values": [50, 62, 70]})
    assert run("views/compare.js", body, lines) == 4
    lines[0].update(values=[50, 60, None], last=None)
    assert run("views/compare.js", body, lines) == 3, "a line that has ended leaves the other alone"


@pytest.mark.parametrize(
    "times, values, mean",
    [
        ([0, 60, 120, 180], [1, 2, 3, 6], 3),
        ([0, 600, 1200, 1260, 1320], [500, 500, 100, 100, 100], (2 * 600 * 500 + 18000) / 1380),
        ([0, 60, 120, 180, 240], [4, None, None, 2, 2], 16 / 6),
        ([0, 60, 120, 9000, 9060, 9120], [1, 1, 1, 7, 7, 7], 4),
        ([30], [5], 5),
        ([0, 60], [None, None], None),
    ],
)
def test_the_mean_of_a_line_is_one_over_time(run, times, values, mean):
    body = "return meanOver(given[0], 0, Infinity)"
    found = run("views/compare.js", body, {"times": times, "values": values})
    assert found == (None if mean is None else pytest.approx(mean))
    body = "return meanOver({times: [0, 60, 120], values: [1, 2, 3]}, 50, 70)"
    assert run("views/compare.js", body) == 2


def test_what_is_computed_from_figures_that_are_gone_has_no_present_value_either(run):
    body = (
        "const line = (metric, more) => given[0][metric] === undefined ? null :"
        " ({times: [1, 2], values: given[0][metric], isGone: true, ...more});"
        "const lines = given[1] === 'sources' ? sourceLines({line}) : CHARTS[0].of({line})[0];"
        "return lines.map(({name, isGone}) => [name, isGone])"
    )
    layers = {"l1_hit_rate": [0.1, 0.1], "lookup_hit_rate": [0.6, 0.6]}
    found = run("views/figures.js", body, layers, "layers")
    assert found == [["MP L1", True], ["In-process", True], ["Total", True]]
    layers["lookup_hit_rate"] = layers["l1_hit_rate"]  # MP servers alone: there is one L1
    found = run("views/figures.js", body, layers, "layers")
    assert found == [["L1", True], ["Total", True]]
    tokens = {"hit_tokens_per_second": [1, 1], "requested_tokens_per_second": [3, 3]}
    # What was computed is not known: LMCache requests what a lookup found, not whole prompts.
    assert run("views/figures.js", body, tokens, "sources") == [[None, True]]


def test_the_arrow_of_a_tile_is_that_of_the_value_beside_it(run):
    body = (
        "const tile = new Tile({id: 'failures_per_second', note: () => ''}, () => {});"
        "const told = (value) => {"
        " tile.update(value, {}, {}, [0, 0, 0, 0, 0, 5], '');"
        " return tile.delta.textContent };"
        "return [told(0), told(5), told(0)]"
    )
    assert run("views/figures.js", body) == ["", "▲ from 0", ""]


def test_figures_compare_with_the_past_while_the_same_nodes_are_up(run):
    body = (
        "const series = new Map([['a', {times: [100, 400], values: [1, 1]}]]);"
        "return nodesDiffer(given[0], {series, end: 400}, given[1])"
    )

    def differ(*events, count=15):
        return run("views/figures.js", body, list(events), count)

    def down(node, time, until):
        return event(1, "node_down", node, time, until)

    assert not differ()
    assert differ(down("w0", 390, None)), "it is down now, and was not then"
    assert differ(down("w0", 50, 390)), "it is up now, and was down then"
    assert not differ(down("w0", 50, None))
    assert differ(down("w0", 50, None), down("w1", 390, None))
    assert not differ(down("w0", 110, 160)), "for less than half of the first third"
    assert differ(down("w0", 110, 161))
    assert not differ(down("w0", 210, 390))
    assert differ(event(1, "nodes", "w0", 300, added=["w0"]))
    assert not differ(event(1, "nodes", "w0", 99, added=["w0"]))
    fleet = [down("w0", 390, None), down("w1", 390, None)]
    assert differ(*fleet, count=99) and not differ(*fleet, count=100), "2 of 100 are few"


def test_an_alert_that_is_over_stands_after_those_that_last(run):
    alerts = [
        {"id": "a", "rule": "a", "severity": "critical", "text": "a", "since": 1, "until": 62},
        {"id": "b", "rule": "b", "severity": "warning", "text": "b", "since": 3, "until": None},
    ]
    body = "return alertLines(given[0]).map((line) => [line.id, line.until])"
    assert run("views/alerts.js", body, alerts) == [["b", None], ["a", 62]]


def test_an_alert_that_came_twice_is_one_line_with_the_times_and_the_graver_text(run):
    alert = {"rule": "a", "severity": "warning", "node": "w0"}
    alerts = [
        dict(alert, id="a", text="to 5.9", since=100, until=150),
        dict(alert, id="b", text="to 9.5", since=400, until=500),
    ]
    body = (
        "return alertLines(given[0]).map((line) =>"
        " [line.text, line.since, line.until, line.spells.times, line.spells.seconds])"
    )
    assert run("views/alerts.js", body, alerts) == [["to 9.5", 100, 500, 2, 150]]
    alerts[1].update(node="w1", since=140)  # at once: one time
    assert run("views/alerts.js", body, alerts) == [["to 9.5", 100, 500, 1, 400]]


def test_a_fact_that_two_alerts_of_a_line_share_is_told_once(run):
    alert = {"rule": "r", "severity": "warning", "since": 1, "group": "g", "text": "t"}
    alerts = [
        dict(alert, id="a", node="a", details=["3 min before: x", "y"]),
        dict(alert, id="b", node="b", details=["4 min before: x"]),
    ]
    body = "return alertLines(given[0]).map((line) => line.details)"
    assert run("views/alerts.js", body, alerts) == [["3 min before: x", "y"]]
    joined = dict(alert, id="c", node="c", details=["3 min before: z"])
    for since, told in ((301, ["3 min before: z"]), (302, [])):
        found = run("views/alerts.js", body, [*alerts, dict(joined, since=since)])
        assert found == [["3 min before: x", "y", *told]], "what came before the first of them"


def alerts_of(*facts):
    """Alerts of one group, each on a node of an instance, with what was before it."""
    alert = {"rule": "r", "severity": "warning", "since": 1, "group": "g", "text": "t"}
    return [
        dict(alert, id=node, node=node, instance=instance, details=["3 min before: " + fact])
        for node, instance, fact in facts
    ]


@pytest.mark.parametrize(
    "facts, told",
    [
        ((("a0", "a", "x on 4 nodes"), ("b0", "b", "x on 4 nodes")), ["x on 8 nodes"]),
        ((("a0", "a", "x on 4 nodes"), ("a1", "a", "x on 4 nodes")), ["x on 4 nodes"]),
        ((("a0", "a", "x on 3 nodes"), ("a1", "a", "x on 4 nodes")), ["x on 4 nodes"]),
        ((("a0", "a", "x on 4 nodes"), ("b0", "b", "x on b1")), ["x on 5 nodes"]),
        ((("b0", "b", "x on b1"), ("a0", "a", "x on a0")), ["x on a0 and b1"]),
        ((("a0", "a", "x on a1"), ("a1", "a", "x on a1")), ["x on a1"]),
        (
            (("a0", "a", "x 1 → 2 on a0, by token from h"), ("b0", "b", "x 1 → 2 on 2 nodes")),
            ["x 1 → 2 on a0, by token from h", "x 1 → 2 on 2 nodes"],
        ),
    ],
)
def test_a_fact_of_several_instances_counts_the_nodes_of_all(run, facts, told):
    body = "return alertLines(given[0]).flatMap((line) => line.details)"
    expected = ["3 min before: " + fact for fact in told]
    assert run("views/alerts.js", body, alerts_of(*facts)) == expected


def test_a_fact_that_another_frontend_tells_of_an_instance_counts_its_nodes_once(run):
    facts = [("fe/%s" % name, None, "x on 4 nodes") for name in ("a0", "a1", "b0")]
    alerts = alerts_of(*facts)
    for alert, instance in zip(alerts, "aab"):
        alert.update(source="fe", instance_name=instance, group="fe g")
        del alert["instance"]
    body = "return alertLines(given[0]).flatMap((line) => line.details)"
    assert run("views/alerts.js", body, alerts) == ["3 min before: x on 8 nodes"]


def test_the_nodes_of_an_alert_are_listed_by_name_and_the_named_one_is_not_told_twice(run):
    alert = {"rule": "r", "severity": "warning", "group": "g", "details": []}
    alerts = [
        dict(alert, id=key, node=key, text="Evictions rise on %s" % key, since=since, until=300)
        for key, since in (("w10", 100), ("w2", 90), ("w1", 80))
    ]
    body = "return alertLines(given[0]).flatMap((line) => [sentenceOf(line), otherNodes(line)])"
    said = ["Evictions rise on w1 and 2 others", "also on w2, w10"]
    assert run("views/alerts.js", body, alerts) == said
    alerts[1]["until"] = 900  # the longest has the gravest figures
    said = ["Evictions rise on w2 and w1", "also on w1"]
    assert run("views/alerts.js", body, alerts[1:])[0] == said[0]


def test_letters_and_digits_of_a_search_may_stand_apart(run):
    body = "return matchRank(...given)"
    assert run("palette.js", body, "llama70b-a_worker2", ["work2"]) is not None
    assert run("palette.js", body, "llama70b-a_worker2", ["work3"]) is None
    assert run("palette.js", body, "worker0 fell to 32 %", ["work2"]) is None
    assert run("palette.js", body, "worker2", ["work"]) == 0
    assert run("palette.js", body, "worker12", ["work2"]) is None
    assert run("palette.js", body, "rising: 0.3 to 12 per second", ["2"]) is None
    assert run("palette.js", body, "a 12 and a 2", ["2"]) is not None
    assert run("palette.js", body, "mp-0", ["mp0"]) is not None
    # Those of a short one may only in one part of a name.
    assert run("palette.js", body, "llama70b-a_worker2", ["w2"]) is not None
    for name in ("llama70b-a_worker2", "llama_worker2"):
        assert run("palette.js", body, name, ["l2"]) is None


def test_numbers_are_found_without_their_leading_zeros(run):
    body = "return beginsWords(...given)"
    for number in ("7", "07", "007"):
        assert run("palette.js", body, "qwen32b-007_worker2", ["qwen", number])
    assert not run("palette.js", body, "qwen32b-017_worker2", ["7"])
    assert run("palette.js", body, "worker0", ["worker0"]) and run("palette.js", body, "w 0", ["0"])


def test_a_search_prefers_the_starts_of_words_to_their_middle_and_to_letters_apart(run):
    body = "return matchRank(...given)"
    for text, rank in (("L20 hit rate", 0), ("Rate of L20", 1), ("xl20", 2), ("llama_worker20", 3)):
        assert run("palette.js", body, text, ["l20"]) == rank, text


def test_values_that_are_further_apart_in_the_past_are_still_one_line(run):
    times = [61 * i for i in range(50)] + [3000 + 10 * i for i in range(20)]
    assert run("chartmath.js", "return spacing(given[0])", times) == 61


def test_a_slow_node_has_a_line_and_one_that_was_down_a_gap(run):
    body = "return answered(given[0])"
    times = list(range(0, 110, 10))
    slow = {"times": times, "values": [1, None] * 5 + [1]}
    assert run("chartmath.js", body, slow)["values"] == [1] * 6
    # A response that took long is told twice, and then what was missed meanwhile.
    thrice = [time for start in range(0, 300, 3) for time in (start - 0.01, start, start + 1)]
    late = run("chartmath.js", body, {"times": thrice, "values": [4, 4, None] * 100})
    assert late["times"][:-1] == list(range(0, 300, 3))
    assert late["values"] == [4] * 100 + [None]
    # Slow lately only.
    fast = list(range(-500, 0))
    mixed = {"times": fast + thrice, "values": [4] * 500 + [4, 4, None] * 100}
    assert run("chartmath.js", body, mixed)["values"] == [4] * 600 + [None]
    for missed in (1, 2):
        down = {"times": times, "values": [1] * 4 + [None] * missed + [1] * (7 - missed)}
        assert run("chartmath.js", body, down)["values"] == down["values"]


def test_an_alert_of_one_rule_on_many_ranks_is_one_row(run):
    events = [
        event(n, "alert", "w%d" % n, 100, text="Hit rate of w%d fell" % n, rule="r", instance="i")
        for n in range(3)
    ]
    body = "return eventRows(given[0]).map(eventText)"
    said = run("views/eventlist.js", body, events)
    assert said == ["Alert: Hit rate of w0 and 2 others fell"]


# A chart 600 px wide over 100 seconds, with a value every 20; marks: [seconds, kind, critical].
MARKED = (
    "const chart = new Chart({label: 'x', unit: 'count', flags: true});"
    "document.body.append(chart.element); chart.box.style.width = '600px';"
    "chart.element.style.position = 'fixed'; chart.element.style.top = '60px';"
    "const marks = given[0].map(([time, kind, critical]) =>"
    " ({time, kind, critical, title: kind + time}));"
    "const times = [0, 20, 40, 60, 80, 100];"
    "chart.update({series: [{name: 'a', times, values: times}], start: 0, end: 100,"
    " interval: given[1] || 20, marks});"
)


@pytest.mark.parametrize(
    "marks, counts",
    [
        # each on the side of what it counts
        (
            [
                [85.5, "alert", True],
                [86, "alert"],
                [99, "alert"],
                [99.5, "alert"],
            ],
            ["+1", "+1"],
        ),
        # a number of two digits before the next sign
        ([[40 + n / 10, "alert"] for n in range(13)] + [[48.5, "alert"]], ["+12"]),
        # two signs, the second of them at the edge
        ([[92, "alert", True], [93, "alert"], [99, "change"]], ["+1"]),
    ],
)
def test_the_numbers_beside_signs_touch_nothing_and_are_whole(run, marks, counts):
    body = (
        MARKED
        + "const parts = [...chart.plot.querySelectorAll('.flag, .flag-count')].map((one) => {"
        " const {left, right} = one.getBoundingClientRect();"
        " return [one.matches('.flag') ? '' : one.textContent, left, right]; });"
        "const {right} = chart.plot.getBoundingClientRect(); chart.element.remove();"
        "return [...parts.sort((a, b) => a[1] - b[1]), ['', right, right]]"
    )
    parts = run("chart.js", body, marks)
    assert [text for text, _, _ in parts if text] == counts
    for (text, _, right), (other, left, _) in zip(parts, parts[1:]):
        assert right < left or not (text or other), parts


# The signs and numbers of such a chart from left to right: [text or kind, the seconds that it tells
# of, from, to]; 100 seconds are 528 px.
ROW = MARKED + (
    "const shown = [...chart.plot.querySelectorAll('.flag, .flag-box')].map((one) => {"
    "  const told = one.parentNode.getAttribute('aria-label').split('\\n');"
    "  const [left, width] = ['x', 'width'].map((name) => Number(one.getAttribute(name)));"
    "  const [from, to] = [left, left + width].map(chart.scale.time);"
    "  const text = one.matches('.flag') ? one.getAttribute('class').slice(5)"
    "    : one.parentNode.querySelector('.flag-count').textContent;"
    "  return [text, told.map((line) => Number(/[\\d.]+$/.exec(line)[0])), from, to];"
    "});"
    "chart.element.remove();"
    "return shown.sort((a, b) => a[2] - b[2]);"
)
SECOND = 5.28  # px


def names(row):
    return [text for text, *_ in row]


@pytest.mark.parametrize(
    "marks, shown",
    [
        # It stands right after the sign at the line of the first mark that it counts,
        ([[40, "alert", True], [40.2, "alert"], [41, "resolved"]], ["alert critical", "+2"]),
        # or over that mark, where the sign in its way is on the right,
        ([[40, "alert"], [42, "alert", True]], ["+1", "alert critical"]),
        # and hides a sign, which it counts, rather than stand on the left or far off.
        (
            [
                [36, "change"],
                [40, "alert", True],
                [40.6, "alert"],
                [42.5, "alert"],
                [44.6, "resolved"],
                [48, "alert", True],
            ],
            ["change", "alert critical", "+3", "alert critical"],
        ),
        # Here seven events of 20 minutes were counted on the left of all of them.
        (
            [
                [30, "change"],
                [34, "alert"],
                [38, "alert", True],
                [39.6, "restart"],
                [39.6, "resolved"],
                [41.2, "alert"],
                [41.2, "alert"],
                [43.6, "resolved"],
                [47.6, "alert", True],
                [47.6, "restart"],
                [47.6, "alert"],
                [90, "alert"],
            ],
            ["change", "alert", "alert critical", "+5", "alert critical", "+2", "alert"],
        ),
        # It never hides the sign that it stands after, were they many.
        ([[40 + n / 10, "alert"] for n in range(13)], ["alert", "+12"]),
        # Where there is no room up to the right edge, it stands next to the sign on its left.
        ([[99, "alert"], [99.5, "alert"]], ["+1", "alert"]),
        # What has room for a sign of its own needs no number.
        ([[20, "alert"], [24, "resolved"]], ["alert", "resolved"]),
    ],
)
def test_a_number_stands_over_the_first_mark_that_it_counts_or_right_of_it(run, marks, shown):
    row = run("chart.js", ROW, marks)
    assert names(row) == shown
    assert sum(len(told) for _, told, *_ in row) == len(marks), "each is drawn or counted"
    for (_, _, _, end), (_, _, start, _) in zip(row, row[1:]):
        assert start >= end
    for text, told, start, end in row:
        if text[0] != "+":
            continue
        assert text == "+%d" % len(told)
        if marks[0][0] < 99:
            assert end > min(told) and start < max(told) + 20 / SECOND
        else:
            assert abs(row[1][2] - end) < 2 / SECOND, "as near as possible"


def test_a_sign_that_is_pushed_aside_stands_over_no_other_line(run):
    restart = [[40, "alert", True], [40.2, "restart"]]
    assert names(run("chart.js", ROW, restart)) == ["alert critical", "restart"]
    row = run("chart.js", ROW, [*restart, [42.6, "alert"]])
    assert names(row) == ["alert critical", "+2"] and row[1][1] == [40.2, 42.6]


def test_a_critical_alert_is_never_behind_another_sign_or_a_number(run):
    marks = [[40, "restart"], [40.4, "change"], [42, "alert", True], [42.3, "action"]]
    row = run("chart.js", ROW, marks)
    assert ["alert critical", [42]] in [[text, told] for text, told, *_ in row]
    both = [[40, "alert"], [41, "alert", True], [44, "alert", True]]
    assert [text for text in names(run("chart.js", ROW, both)) if "critical" in text] == [
        "alert critical",
        "alert critical",
    ]


def test_a_change_is_not_hidden_by_the_sign_of_an_alert(run):
    (change, _, start, end), alert = run("chart.js", ROW, [[40, "change"], [41, "alert", True]])
    assert (change, alert[0]) == ("change", "alert critical")
    assert 38 < (start + end) / 2 < 39, "it was before the alert, and stands on the left of it"
    far = [[36, "change"], [40, "alert", True], [41, "alert"], [42, "resolved"]]
    row = run("chart.js", ROW, far)
    assert names(row) == ["change", "alert critical", "+2"]
    assert abs((row[0][2] + row[0][3]) / 2 - 36) < 0.1, "there is room at its own line"
    # The same on its other side.
    assert names(run("chart.js", ROW, [[36, "change"], [40, "alert"]])) == ["change", "alert"]
    row = run("chart.js", ROW, [[40, "alert"], [41, "change"], [44.5, "alert"]])
    assert names(row) == ["alert", "change", "alert"]
    assert names(run("chart.js", ROW, [[40, "alert"], [41, "resolved"]])) == ["alert", "+1"]


def test_the_crosshair_names_the_marks_whose_lines_are_near_it(run):
    body = MARKED + (
        "const [, , time] = given; const { plot, scale } = chart;"
        "const { left, top } = plot.getBoundingClientRect();"
        "const place = {clientX: left + scale.x(time), clientY: top + 60, bubbles: true};"
        "plot.dispatchEvent(new PointerEvent('pointermove', place));"
        "return new Promise((done) => requestAnimationFrame(() => done("
        " [...chart.tip.querySelectorAll('.tip-mark')].map((one) =>"
        "  one.textContent.split(' ').pop()))))"
    )
    marks = [[38, "change"], [40.5, "alert", True], [44, "alert"], [49, "restart"]]
    # The crosshair is at 40, the next value, wherever the pointer is from 30 to 50.
    assert run("chart.js", body, marks, 20, 40.5) == ["alert40.5"]
    assert run("chart.js", body, marks, 20, 33) == ["alert40.5"], "its line is at the crosshair"
    assert run("chart.js", body, marks, 20, 38) == ["change38", "alert40.5"]
    assert run("chart.js", body, marks, 20, 49) == ["alert40.5", "restart49"]
    assert run("chart.js", body, marks, 20, 62) == []


def test_by_keyboard_every_mark_is_named_at_one_place(run):
    body = MARKED + (
        "const names = new Set(); let most = 0;"
        "const press = (key) => chart.plot.dispatchEvent(new KeyboardEvent('keydown', {key}));"
        "press('Home');"
        "for (let i = 0; i < 101; i += 1) {"
        "  const shown = chart.tip.hidden ? [] : [...chart.tip.querySelectorAll('.tip-mark')];"
        "  for (const one of shown) names.add(one.textContent.split(' ').pop());"
        "  most = Math.max(most, shown.length);"
        "  press('ArrowRight');"
        "}"
        "return [[...names].sort(), most]"
    )
    marks = [[31.2, "change"], [49.4, "alert"], [66, "restart"]]
    found = ["alert49.4", "change31.2", "restart66"]
    assert run("chart.js", body, marks, 1) == [found, 1]
    assert run("chart.js", body, marks, 20)[0] == found


def test_dense_bars_have_means_up_to_their_end(run):
    series = {"times": [0, 1, 2, 3, 4, 5, 6, 7], "values": [1, 3, 5, 7, 1, 1, 2, 4]}
    body = "return evened(given[0], given[1], true)"
    means = {"times": [0, 4], "values": [4, 2]}
    assert run("chartmath.js", body, series, 4) == means


def test_a_bar_is_as_wide_as_the_step_before_it_and_none_reaches_into_an_outage(run):
    body = (
        "const chart = new Chart({label: 'x', unit: '1/min', kind: 'bar'});"
        "document.body.append(chart.element); chart.box.style.width = '600px'; chart.width = 0;"
        "const [times, values, down] = given;"
        "const marks = [{kind: 'down', time: down[0], until: down[1], title: 'w0 is down'}];"
        "chart.update({series: [{name: 'a', times, values}], start: 0, end: 7200, interval: 660,"
        " marks});"
        "const place = (one, name) => Number(one.getAttribute(name));"
        "return [...chart.plot.querySelectorAll('.bar')].map((bar) => [place(bar, 'x'),"
        " place(bar, 'x') + place(bar, 'width')].map((px) => Math.round(chart.scale.time(px))))"
    )
    coarse = list(range(0, 6000, 600))
    fine = [5400 + 60 * n for n in range(1, 31)]
    down = [6310, 6500]
    values = [1 if time < down[0] or time > down[1] else None for time in fine]
    bars = run("chart.js", body, coarse + fine, [1] * len(coarse) + values, down)
    old = [end - start for start, end in bars if end < 5000]
    new = [end - start for start, end in bars if start > 5500]
    assert min(old) > 560 and max(new) < 65, "each part as it was measured"
    assert not [bar for bar in bars if bar[0] < down[1] and bar[1] > down[0]]
    assert all(start >= end - 1 for (_, end), (start, _) in zip(bars, bars[1:]))


@pytest.mark.parametrize("least, width", [(40, 60), (62, 60), (89, 60), (100, 120), (170, 180)])
def test_no_bar_is_missing_beside_one_that_is_the_mean_of_two(run, least, width):
    series = {"times": [60 * n for n in range(200)], "values": [1 + n for n in range(200)]}
    bars = run("chartmath.js", "return barStacks([given[0]], given[1], 60)", series, least)
    assert len(bars) == -(-200 * 60 // width)
    edges = [(bar["from"], bar["to"]) for bar in bars]
    assert all(end == start for (_, end), (start, _) in zip(edges, edges[1:]))


def test_bars_that_are_dense_in_a_part_of_a_history_stand_beside_each_other(run):
    times = [600 * n for n in range(20)] + [12000 + 60 * n for n in range(10)]
    series = {"times": times, "values": [1] * 18 + [None] * 2 + [1] * 10}
    bars = run("chartmath.js", "return barStacks([given[0]], 180, 60)", series)
    assert [(bar["from"], bar["to"]) for bar in bars[16:]] == [
        (9300, 9900),
        (9900, 10500),
        (11910, 12030),
        (12030, 12090),
        (12150, 12330),
        (12330, 12510),
    ]


def test_a_value_between_two_gaps_is_a_dot_and_two_values_are_a_line(run):
    body = "const id = (one) => one; return lonePoints(given[0], given[1], id, id, 2)"
    assert run("chartmath.js", body, [0, 1, 2, 3, 4], [1, 2, None, 4, None]) == [[3, 4]]
    assert run("chartmath.js", body, [0, 60], [1, 2]) == []


def test_a_low_lane_has_two_labels(run):
    assert run("chartmath.js", "return valueTicks(...given)", 0, 15, 1) == [0, 20]


def test_an_instance_is_an_outlier_against_five_or_more_of_its_model(run):
    found = run(
        "chartmath.js",
        "const make = (count, model, low) => Array.from({length: count}, (_, i) => ({"
        "name: model + i, model, kinds: ['worker'], metrics: {lookup_hit_rate: i ? 0.8 : low}}));"
        "const all = [...make(5, 'a', 0.39), ...make(5, 'b', 0.41), ...make(4, 'c', 0.1)];"
        "return [...outliersOf(all)].map(([name, one]) => [name, one.value, one.median])",
    )
    assert found == [["a0", 0.39, 0.8]]


def test_latencies_are_compared_when_the_frontend_has_seen_enough_requests(run):
    found = run(
        "chartmath.js",
        "const all = Array.from({length: 5}, (_, i) => ({name: `a${i}`, model: 'a', kinds: ['mp'],"
        "metrics: {retrieve_p99: i ? 0.1 : 0.31}}));"
        "return [89, 90].map((uptime) => outliersOf(all, uptime).size)",
    )
    assert found == [0, 1]


def unreachable(count, instances=1, reason="refused", first=0):
    """Alerts of nodes that are down, in so many instances."""
    return [
        dict(
            event(n, "alert", "w%d" % n, 100, None, "w%d is unreachable: %s" % (n, reason)),
            **{"rule": "node_down", "severity": "critical", "instance": "i%d" % (n % instances)},
        )
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize(
    "alerts, words",
    [
        (unreachable(2), "w0 and w1 are unreachable: refused"),
        (
            unreachable(1) + unreachable(1, 1, "no such socket", 1),
            "w0 (refused) and w1 (no such socket) are unreachable",
        ),
        (
            unreachable(3, 1, "no such socket") + unreachable(4, 1, first=3),
            "7 nodes are unreachable: refused on 4, no such socket on 3",
        ),
        (
            unreachable(1, 1, "no such socket") + unreachable(2, 1, first=1),
            "3 nodes are unreachable: refused on 2, no such socket on w0",
        ),
        (
            [one for n in range(4) for one in unreachable(1, 1, "reason %s" % "abcd"[n], n)],
            "4 nodes are unreachable",
        ),
        (
            unreachable(1, 1, "slow response (2.1 s)")
            + unreachable(2, 1, "slow response (2.3 s)", 1),
            "3 nodes are unreachable: slow response",
        ),
        (unreachable(6, 3), "6 nodes of 3 instances are unreachable: refused"),
    ],
)
def test_the_nodes_that_are_down_are_told_with_the_reasons_of_all(run, alerts, words):
    body = "return alertLines(given[0]).map(sentenceOf)"
    assert run("views/alerts.js", body, alerts) == [words]
    body = "return eventRows(given[0]).map((row) => eventText(row))"
    downs = [
        dict(one, kind="node_down", text=one["text"].replace("unreachable", "down"))
        for one in alerts
    ]
    assert run("views/eventlist.js", body, downs) == [words.replace("unreachable", "down")]


@pytest.mark.parametrize("ends, count", [((None, None), 1), ((160, 170), 1), ((160, 400), 2)])
def test_two_nodes_that_went_down_and_came_back_together_are_one_row(run, ends, count):
    events = [
        event(n, "node_down", "w%d" % n, 100, until, "w%d is down: refused" % n)
        for n, until in enumerate(ends)
    ]
    body = "return eventRows(given[0]).map((row) => eventText(row))"
    assert len(run("views/eventlist.js", body, events)) == count


def test_an_alert_of_many_instances_says_how_many_and_of_which_model(run):
    body = (
        "return Promise.all(['server', 'views/eventlist'].map((name) =>"
        "import(`/static/js/${name}.js`))).then(([{store}, events]) => {"
        "store.byKey = new Map(given[1].map((node) => [node.key, node]));"
        "store.status = {nodes: given[1]};"
        "return [...alertLines(given[0]).map(sentenceOf),"
        "...events.eventRows(given[0]).map((row) => events.eventText(row))]})"
    )
    nodes = [{"key": "w%d" % n, "model": "Qwen/Qwen2.5-32B"} for n in range(8)]
    alerts = [
        dict(one, rule="hit_rate_halved", text="Hit rate of %s fell: 76%% → 31%%" % one["node"])
        for one in unreachable(8, 4)
    ]
    others = [{"key": "x", "model": "meta/Llama-70B"}]
    said = "Hit rate of w0 and 7 others in 4 instances of Qwen2.5-32B fell: 76% → 31%"
    assert run("views/alerts.js", body, alerts, nodes + others) == [said, "Alert: " + said]
    said = said.replace(" of Qwen2.5-32B", "")  # there is no other model
    assert run("views/alerts.js", body, alerts, nodes) == [said, "Alert: " + said]


def test_what_was_done_shortly_before_an_alert_does_not_begin_a_sentence(run):
    sent = dict(action("POST", "/proxy2/w0/conf"), instance="i0")
    body = "return shortlyBefore(alertLines(given[0])[0], given[1])"
    alerts = [dict(one, since=280) for one in unreachable(1)]
    said = run("views/alerts.js", body, alerts, [sent])
    assert said.startswith("3 min before: settings changed on w0")


def test_the_copy_of_alerts_names_the_nodes_and_the_reasons_of_all(run):
    alerts = unreachable(3, 1, "no such socket") + unreachable(4, 1, first=3)
    body = "return alertsMarkdown(incidentsOf(alertLines(given[0])), 'now', {now: 160})"
    first, facts = run("views/alerts.js", body, alerts).split("\n")[2:]
    said = "7 nodes are unreachable: refused on 4, no such socket on 3"
    assert first == "- **Critical** " + said
    assert facts.endswith(" on w0, w1, w2 and 4 more")


def test_an_alert_of_every_node_of_an_instance_names_the_instance(run):
    body = (
        "return import('/static/js/server.js').then(({store}) => {"
        "store.instances.set('a', 'llama-a');"
        "store.status = {nodes: given[0].map(({node}) => ({instance_id: 'a', key: node}))};"
        "return eventRows(given[0]).map((row) => eventText(row))})"
    )
    events = [
        event(n, "alert", "w%d" % n, 100, 160, "w%d is unreachable: refused" % n, rule="node_down")
        for n in range(3)
    ]
    events = [dict(one, instance="a") for one in events]
    found = run("views/eventlist.js", body, events)
    assert found == ["Resolved: All 3 nodes of llama-a were unreachable: refused"]


def test_a_line_reaches_the_outage_and_the_end_of_the_range_with_its_last_value(run):
    body = (
        "const [values, stops, end] = given; const times = values.map((_, i) => 60 * i);"
        "const [one] = held([{times, values}], {stops, end, step: 60, longest: 210});"
        "return one.times.map((time, i) => [time, one.values[i]])"
    )
    down = run("chartmath.js", body, [1, 2, None, None, 3], [100], 240)
    assert down == [[0, 1], [60, 2], [100, 2], [100, None], [120, None], [180, None], [240, 3]]
    # What is known no longer when the outage begins is not drawn until then.
    assert run("chartmath.js", body, [1, 2, None, None], [125], 180)[1:3] == [[60, 2], [120, None]]
    up = [[0, 1], [60, 2], [120, 3]]
    assert run("chartmath.js", body, [1, 2, 3], [100], 120) == up  # it was another node
    # What a fixed range cuts off says nothing about its end.
    assert run("chartmath.js", body, [1, 2, 9], [], 90) == [[0, 1], [60, 2], [90, 2]]
    assert run("chartmath.js", body, [1, 2, None], [], 90) == [[0, 1], [60, 2]]


@pytest.mark.parametrize(
    "value,words", [(5370, "5.4k"), (2040, "2.0k"), (3590, "3.6k"), (71.9, "71.9"), (120, "120")]
)
def test_the_legend_of_stacked_areas_rounds_its_values(run, value, words):
    body = (
        "const chart = new Chart({label: 'x', unit: 'tokens/s', kind: 'area', legend: true});"
        "document.body.append(chart.element);"
        "const series = [{name: 'a', times: [0, 60], values: [given[0], given[0]]}];"
        "chart.update({series, start: 0, end: 60, interval: 60});"
        "return chart.keyValues[0].textContent"
    )
    assert run("chart.js", body, value) == words


def test_layers_reach_an_outage_together(run):
    body = (
        "return held(given.map((values) => ({times: [0, 60, 120], values})), "
        "{stops: [90], end: 120, step: 60, longest: 210}).map(({values}) => values)"
    )
    both = run("chartmath.js", body, [1, 2, None], [3, None, None])
    assert both == [[1, 2, 2, None, None], [3, None, None, None, None]]


def test_a_lane_without_series_is_left_out_and_leaves_its_room(run):
    body = (
        "const lanes = [{unit: '1/s', height: 64}, {unit: '1/min', kind: 'bar', height: 34}];"
        "const chart = new Chart({label: 'x', lanes, legend: true});"
        "document.body.append(chart.element);"
        "const one = {name: 'a', times: [0, 60, 120], values: [4, 2, 4]};"
        "return [[[one], [one]], [[], [one]], [[one], []]].map((series) => {"
        "  chart.update({series, start: 0, end: 120, interval: 60});"
        "  const { plot } = chart;"
        "  return [plot.querySelectorAll('.axis').length, plot.getAttribute('height')]; })"
    )
    both, *alone = run("chart.js", body)
    assert both[0] == 2
    assert alone == [[1, both[1]]] * 2


def test_a_dash_for_no_value_stands_apart_from_the_dashes_of_the_next_line_of_a_legend(run):
    body = (
        "const chart = new Chart({label: 'x', unit: 'seconds', legend: true});"
        "document.body.append(chart.element); chart.element.style.width = '600px';"
        "const one = (name, values) => ({name, times: [0, 60], values});"
        "const series = [one('a', [null, null]), one('b', [1, 2])];"
        "chart.update({series, start: 0, end: 60, interval: 60});"
        "const [value] = chart.keyValues; const range = document.createRange();"
        "range.selectNode(value.previousSibling);"
        "const [at, name] = [value, range].map((part) => part.getBoundingClientRect());"
        "const next = chart.keys.querySelectorAll('.swatch')[1].getBoundingClientRect();"
        "return [value.textContent, at.left - name.right, next.left - at.right]"
    )
    value, before, after = run("chart.js", body)
    assert value == "–" and after > 2 * before > 0


def test_the_legend_of_a_fixed_range_has_the_value_at_which_its_line_ends(run):
    body = (
        "const chart = new Chart({label: 'x', unit: 'count', legend: true});"
        "document.body.append(chart.element);"
        "const series = [{name: 'a', times: [0, 60, 120], values: [4, 2, 4]}];"
        "chart.update({series, start: 0, end: 90, interval: 60});"
        "const last = chart.plot.querySelector('path.line').getAttribute('d').split('L').pop();"
        "const dot = chart.plot.querySelector('circle');"
        "const place = ['cx', 'cy'].map((name) => Number(dot.getAttribute(name)).toFixed(1));"
        "return [chart.keyValues[0].textContent, last.split(' ').map(Number), place.map(Number)]"
    )
    shown, last, dot = run("chart.js", body)
    assert shown == "2" and last == dot


def test_the_legend_of_marks_lists_the_kinds_that_are_drawn_or_counted(run):
    body = (
        "const chart = new Chart({label: 'x', unit: 'count', flags: true});"
        "document.body.append(chart.element); chart.box.style.width = '600px';"
        "chart.update({series: [{name: 'a', times: [0, 99], values: [1, 2]}], start: 0, end: 99,"
        " interval: 9, marks: given[0].map(([time, kind]) => ({time, kind, title: kind}))});"
        "return [[...chart.signs].sort(), chart.plot.querySelectorAll('.flag-box').length]"
    )
    apart = [[10, "restart"], [40, "alert"], [80, "change"], [300, "resolved"]]
    assert run("chart.js", body, apart) == [["alert", "change", "restart"], 0]
    near = [[10, "restart"], [10.1, "alert"], [10.2, "other"], [10.3, "resolved"], [80, "change"]]
    # Those that the number counts, too: their lines are drawn.
    kinds = ["alert", "change", "more", "other", "resolved", "restart"]
    assert run("chart.js", body, near) == [kinds, 1]
    body = (
        "const legend = new MarkLegend(() => [{signs: new Set(['alert', 'more'])}]);"
        "legend.draw(); return [...legend.element.children].map((one) => one.textContent)"
    )
    assert run("views/figures.js", body) == ["alert", "+NN more events"]


def test_the_plots_of_a_card_begin_at_one_place_however_wide_their_labels_are(run):
    body = (
        "const lanes = (unit) => [{unit}];"
        "const charts = ['ratio', 'bytes/s'].map((unit, i) => ({id: unit, label: unit,"
        "  lanes: lanes(unit), of: () => [[{name: 'a', times: [0, 60], values: [[0.5, 0.5],"
        "  [4e8, given[0]]][i]}]]}));"
        "const card = new ChartsCard({charts});"
        "document.body.style.width = '900px'; document.body.append(card.element);"
        "const status = {nodes: [], time: 60, counts: {}};"
        "card.update(status, {end: 60, interval: 60, isKnown: true}, []);"
        "card.element.remove();"
        "return card.charts.map(({chart}) => [chart.indent, chart.scale.left])"
    )
    (narrow, left), (wide, other) = run("views/figures.js", body, 4e8)
    assert wide > narrow and left == other == wide + 8


def test_after_a_start_no_limit_is_said_to_be_missing(run):
    body = (
        "const tiles = new Tiles(() => {}); const [totals] = given;"
        "const series = new Map([['local_cache_bytes', {times: [0, 60], values: [4, 5]}]]);"
        "const history = Object.assign(new FigureHistory(), {series, end: 60, interval: 60});"
        "history.totals = () => ({local_cache_bytes: 5, ...totals});"
        "tiles.update({nodes: [], instances: [], totals}, history, []);"
        "return tiles.element.querySelector('.more').textContent"
    )
    assert run("views/figures.js", body, {}) == "", "nothing was polled yet"
    assert run("views/figures.js", body, {"local_cache_bytes": 5}) == "limit not reported"


def test_no_data_since_is_said_at_any_width_beside_the_end_of_the_line_where_it_fits(run):
    body = (
        "const chart = new Chart({label: 'x', unit: '1/min', kind: 'bar'});"
        "document.body.append(chart.element); chart.box.style.width = '600px'; chart.width = 0;"
        "const times = Array.from({length: given[0] / 5 + 1}, (_, i) => 5 * i);"
        "chart.update({series: [{name: 'a', times, values: times.map(() => 0)}],"
        " start: 0, end: 600, interval: 5});"
        "const box = chart.plot.querySelector('.chart-blank');"
        "return [box.nextSibling.textContent.slice(0, 13),"
        " Number(box.getAttribute('x')) - chart.scale.x(given[0])]"
    )
    said, beside = run("chart.js", body, 150)
    assert (said, beside > 0) == ("No data since", True)
    said, beside = run("chart.js", body, 500)
    assert (said, beside < 0) == ("No data since", True)
    said, beside = run("chart.js", body.replace("600px", "260px"), 300)
    assert (said, beside < 0) == ("No data since", True)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("/root/.cargo/bin:/usr/bin", ["/root/", ".cargo/", "bin:", "/usr/", "bin"]),
        ("http://10.0.0.9:80/a", ["http://10.0.0.9:80/", "a"]),
        ("max_local_cpu_size", ["max_", "local_", "cpu_", "size"]),
        ("lmcache:num_hit_tokens", ["lmcache:", "num_", "hit_", "tokens"]),
        ("/etc/lmcache/mp-0.yaml", ["/etc/", "lmcache/", "mp-", "0.yaml"]),
        ("lmcache.v1.lookup_client.api", ["lmcache.", "v1.", "lookup_", "client.api"]),
        ("0.5.6-g3e11e108", ["0.5.6-", "g3e11e108"]),
    ],
)
def test_a_path_is_not_broken_inside_a_hidden_file_an_address_or_before_a_suffix(run, text, parts):
    texts = "const texts = document.createTreeWalker(h('p', {}, breakable(...given)), 4);"
    body = texts + "const found = []; while (texts.nextNode()) found.push(texts.currentNode.data);"
    assert run("dom.js", body + "return found", text) == parts


# What begins a line where only one part has room, and what is in one piece then.
LINES = (
    "const box = h('p', {}, %s(...given));"
    "for (const mark of box.querySelectorAll(':scope > wbr')) mark.replaceWith('|');"
    "return [box.textContent, [...box.querySelectorAll('.whole')].map((one) => one.textContent)]"
)


@pytest.mark.parametrize("write", ["breakable", "breakableCall", "whole"])
def test_a_part_with_a_hyphen_is_one_piece(run, write):
    label = "model_name=meta-llama/Llama-3.3-70B-Instruct"
    text, pieces = run("dom.js", LINES % write, label)
    assert text.replace("|", "") == label
    assert {"meta-llama/", "Llama-3.3-70B-Instruct"} <= set(pieces)
    path = "/etc/lmcache/mp-0.yaml"
    assert "mp-0.yaml" in run("dom.js", LINES % write, path)[1]


def test_a_path_or_a_list_breaks_between_its_names_and_not_in_them(run):
    path = "/tmp/lmcache_internal_api_server/socket_7000"
    text, pieces = run("dom.js", LINES % "breakable", path)
    assert text.split("|") == ["/tmp/", "lmcache_internal_api_server/", "socket_7000"]
    assert pieces == ["lmcache_internal_api_server/", "socket_7000"]
    pieces = run("dom.js", LINES % "breakable", '["first_name","second_name"]')[1]
    assert pieces == ['["first_name",', '"second_name"]']
    assert run("dom.js", LINES % "breakable", "save_decode_cache")[1] == [], "one name"


def test_a_call_breaks_before_its_brackets_and_inside_paths_and_nowhere_else(run):
    said = "RemoteBackendHealthCheck(fs://localhost:0/var/lib/remote/) failed"
    text, pieces = run("dom.js", LINES % "breakableCall", said)
    lines = ["RemoteBackendHealthCheck", "(fs://localhost:0/", "var/", "lib/", "remote/) failed"]
    assert (text.split("|"), pieces) == (lines, [])


def test_lines_of_a_stack_are_no_one_piece(run):
    stack = '  File "/venv/site-packages/a-b.py", line 7\n    run(my-thread)\n'
    text, pieces = run("dom.js", LINES % "breakable", stack)
    assert text.replace("|", "") == stack
    assert pieces == ["site-packages/", 'a-b.py",', "(my-thread)"]


@pytest.mark.parametrize(
    "counts, others, servers, said",
    [
        (
            (0, 0, 108),
            ["w0", "w1"],
            ["mp"],
            "No settings differ between 2 nodes; 108 are equal."
            " mp is not compared: it is the only MP server.",
        ),
        (
            (1, 2, 1),
            ["w0"],
            ["m0", "m1"],
            "1 setting differs between 2 nodes, besides 2 that are IDs, ports or paths;"
            " 1 is equal. w0 is not compared: the others are MP servers.",
        ),
        (
            (2, 0, 5),
            ["w0", "w1"],
            ["m0", "m1"],
            "2 settings differ between 4 nodes; 5 are equal."
            " MP servers are compared only with each other.",
        ),
        ((2, 0, 5), ["w0", "w1"], [], "2 settings differ between 2 nodes; 5 are equal."),
        ((0, 0, 0), ["w0"], ["mp"], "w0 and mp, an MP server, have no settings in common."),
    ],
)
def test_settings_are_compared_only_between_nodes_that_have_them_in_common(
    run, counts, others, servers, said
):
    body = (
        "const [differ, natural, equal, ...keys] = given;"
        "return countText({differ, natural, equal}, ...keys)"
    )
    assert run("views/drift.js", body, *counts, others, servers) == said


def test_cells_with_commas_quotes_or_line_ends_are_quoted_in_csv(run):
    told = run("format.js", "return csvText(given)", ["a", 1, "b,c"], ['say "x"', "1\r2", "3\n4"])
    assert told == 'a,1,"b,c"\r\n"say ""x""","1\r2","3\n4"'


def test_text_that_a_spreadsheet_takes_for_a_formula_is_marked_as_text_in_csv(run):
    formulas = ["=1+2", "+cmd|'/c'!A0", "-a", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")']
    told = run("format.js", "return given[0].map((one) => csvText([[one]]))", formulas)
    assert told == ["'=1+2", "'+cmd|'/c'!A0", "'-a", "'@SUM(A1)", "'\t=1", told[-1]]
    assert told[-1] == '"\'=HYPERLINK(""http://x"")"'
    others = ["w0", "a=b", "10.0.0.1:80", "-5", "+1.5e3", "-", "–", ""]
    told = run("format.js", "return given[0].map((one) => csvText([[one]]))", others)
    assert told == ["w0", "a=b", "10.0.0.1:80", "-5", "+1.5e3", "'-", "–", ""]
    assert run("format.js", "return csvText([given])", -5, -0.25, 1e-7) == "-5,-0.25,1e-7"


def test_a_time_before_an_alert_is_told_as_the_server_tells_it(run):
    seconds = [1, 2.4, 59, 89.6, 90, 90.4, 91, 119, 149, 151, 899, 1200, 1799]
    told = run("views/alerts.js", "return given[0].map(ageBefore)", seconds)
    assert told == [lf.spoken_time(one) + " before" for one in seconds]


def test_the_page_of_a_node_groups_the_alerts_of_the_cluster_once_for_each_status(run):
    body = """
      let grouped = 0;
      const alert = (id) => ({
        id, node: id, rule: "r", severity: "warning", text: "t", details: [], since: 1,
        get group() { grouped += 1; return "g"; },
      });
      const node = { key: "w0", name: "w0", kind: "worker", state: "up" };
      const statusAt = (time) => ({
        time, nodes: [node], alerts: [alert("w1"), alert("w2")], counts: { up: 1 },
      });
      return import("/static/js/server.js").then(({ store }) => {
        const [first, second] = [statusAt(100), statusAt(105)];
        const events = new NodeEvents({ node: () => node }, () => {});
        return [first, first, second, second].map((status) => {
          store.status = status;
          events.draw(node, status);
          return grouped;
        });
      });
    """
    once, again, *later = run("panels/nodeevents.js", body)
    assert once > 0 and [again, *later] == [once, 2 * once, 2 * once]


def test_requests_to_many_nodes_leave_connections_to_the_status(run):
    """A browser has six connections to a host; nodes that do not respond may hold four of them."""
    body = (
        "let now = 0; let most = 0; const told = [];"
        "const work = async (item) => { most = Math.max(most, ++now);"
        "  await new Promise((done) => setTimeout(done)); now -= 1; return 2 * item; };"
        "return each([...Array(20).keys()], work, (item, twice) => told.push(twice - item))"
        ".then(() => [most, told.length, told[19]]);"
    )
    assert run("server.js", body) == [4, 20, 19]
