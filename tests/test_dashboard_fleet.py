"""Node pages by kind, Compare, cache operations and rollouts in a real browser, on the demo."""

import json
import re

import pytest
from support.frontend import TOKEN, Frontend, wait_for
from support.page import poll, wait_polling

pytestmark = pytest.mark.browser

WORKER = "llama70b-b_worker0"
FAVICON = "favicon.svg"  # the browser loads it when it has time


@pytest.fixture(scope="module")
def demo():
    """A frontend with the fifteen demo nodes, all of which answer."""
    front = Frontend("--demo", "--poll-interval", "1")

    def everybody_answers():
        counts = front.ask("/api/status").json()["counts"]
        return counts["up"] + counts["degraded"] == 15

    wait_for(everybody_answers, 90)
    yield front
    front.stop()


@pytest.fixture(scope="module")
def fleet():
    """A frontend with a demo fleet that is large enough for the map."""
    front = Frontend("--demo", "120", "--poll-interval", "10")

    def all_have_figures():
        """the nodes of the fleet have told their figures"""
        status = front.ask("/api/status").json()
        rates = [one["metrics"].get("lookup_hit_rate") for one in status["instances"]]
        return not status["counts"]["unknown"] and len(rates) - rates.count(None) > 10

    wait_for(all_have_figures, 90)
    yield front
    front.stop()


@pytest.fixture
def page(browser, start):
    """Open a fragment of a frontend's page; those of ``start`` run until its console was read."""

    def visit(front, fragment):
        browser.leave()
        browser.goto(front.url + "/" + fragment)
        browser.wait_for(lambda: browser.has("main h1"))
        return browser

    yield visit
    assert browser.console() == []


def press(browser, label, place="main"):
    """Click the first button of that text that may be clicked."""
    find = (
        "const one = [...document.querySelectorAll(arguments[1] + ' button')].find((e) => "
        "e.textContent.trim() === arguments[0] && !e.disabled);"
        "if (one) { one.scrollIntoView({block: 'center'}); one.click(); } return Boolean(one);"
    )
    browser.wait_for(lambda: browser.script(find, label, place))


def have_all(texts, word):
    """Whether there are texts and each has a word."""
    return bool(texts) and all(word in text for text in texts)


def tab_to(browser, condition, presses=60):
    """Press Tab until the focused element meets a condition in JavaScript of ``e``."""
    for _ in range(presses):
        if browser.script("const e = document.activeElement; return Boolean(%s)" % condition):
            return
        browser.press("Tab")
    raise AssertionError("Tab never reached an element with " + condition)


def chart_names(browser):
    return browser.texts("main .chart figcaption > h3")


# ---- the page of a node


@pytest.mark.parametrize(
    "name,tile,charts",
    [
        ("mp-0", "L1 hit rate", {"Hit rate by layer", "L2 speed", "In flight and failures"}),
        ("llama70b-b_api", "TTFT p50", {"TTFT and queue", "Hit rate and GPU KV cache"}),
        (WORKER, "Hit rate", {"L1 memory and evictions", "Remote backend"}),
    ],
)
def test_a_node_shows_first_what_matters_for_its_kind(page, demo, name, tile, charts):
    browser = page(demo, "#/node/%s" % name)
    browser.wait_for(lambda: charts <= set(chart_names(browser)))
    assert browser.text("main .tile .name") == tile


def test_a_degraded_node_shows_its_state_and_its_alerts(page, demo):
    browser = page(demo, "#/node/llama70b-a_worker2")

    browser.wait_for(lambda: "is degraded" in browser.text("main .alert-card"))
    assert "degraded" in browser.text("main .page-head")
    assert "Degraded since" in browser.text("main p.note.degraded")


def test_the_alerts_of_a_node_are_counted_on_its_other_panels_and_a_key_leads_to_them(page, demo):
    browser = page(demo, "#/node/llama70b-a_worker2/threads")
    count = "main .page-head a.state"
    browser.wait_for(lambda: "alert" in browser.text(count))
    assert not browser.has("main .alert-card")
    browser.focus(count)
    browser.press("Enter")
    browser.wait_for(lambda: "is degraded" in browser.text("main .alert-card"))
    assert not browser.has(count), "they stand below"
    browser.click("main .alert-card .menu-box button")
    browser.wait_for(lambda: browser.has("main .alert-card .menu button"))
    browser.press("Escape")
    browser.wait_for(lambda: not browser.has("main .alert-card .menu"))


def test_a_scheduler_without_alerts_folds_those_of_the_other_nodes_of_its_instance(page, demo):
    browser = page(demo, "#/node/llama70b-a_scheduler")
    fold = "main .alert-card details.others"
    browser.wait_for(lambda: "on other nodes of llama70b-a" in browser.text(fold + " summary"))
    assert not browser.has("main .alert-card > .alerts > li")
    assert "llama70b-a_worker2" not in browser.text(fold), "they stay folded"
    browser.click(fold + " summary")
    browser.wait_for(lambda: "llama70b-a_worker2" in browser.text(fold))


def test_an_alert_is_its_sentence_and_one_line_of_facts(page, demo):
    browser = page(demo, "#/")
    browser.wait_for(lambda: browser.has(".alert-card .fact-line"))
    heights = "return [...document.querySelectorAll('.alert-card .why')].map((e) => e.offsetHeight)"
    assert max(browser.script(heights)) < 24
    assert not browser.has(".alert-card .evidence")
    browser.focus(".alert-card .why button")
    browser.press("Enter")
    browser.wait_for(lambda: "What to do" in browser.text(".alert-card .evidence"))
    browser.press("Enter")
    browser.wait_for(lambda: not browser.has(".alert-card .evidence"))


def test_the_legend_of_hit_rates_says_of_what_each_is_a_share(page, demo):
    browser = page(demo, "#/")
    lists = ".charts-card .chart .legend"
    browser.wait_for(lambda: browser.count(lists) >= 2)
    prompt, looked_up = browser.texts(lists)[:2]
    assert "GPU prefix" in prompt and "Total" in looked_up
    shares = "return [...document.querySelectorAll('.legend')].map((one) => one.dataset.share)"
    assert browser.script(shares)[:2] == ["of prompt tokens:", "of looked-up tokens:"]
    label = browser.attribute(".charts-card .chart-svg", "aria-label")
    assert "% of prompt tokens" in label and "% of looked-up tokens" in label


def test_a_range_longer_than_the_history_says_since_when_there_is_one(page, demo):
    browser = page(demo, "?last=24h#/")
    head = ".charts-card .card-head"
    browser.wait_for(lambda: "istory since" in browser.text(head))
    assert re.search(r"History since (\d+ \w+ )?\d\d:\d\d", browser.text(head))
    assert browser.text(head).count("since") == 1 and "–" in browser.text(head + " h2")
    browser = page(demo, "?last=15m#/")
    browser.wait_for(lambda: browser.count(".charts-card .chart .legend") >= 2)
    assert "istory since" not in browser.text(head)


def test_a_state_has_one_start_and_one_age_wherever_it_is_told(page, demo):
    browser = page(demo, "#/node/llama70b-a_worker2")
    browser.wait_for(lambda: browser.has(".note.degraded") and browser.has(".event-card li"))
    ages = (
        "const texts = (selector) => [...document.querySelectorAll(selector)]"
        ".filter((e) => e.textContent.includes('is degraded')).map((e) => e.parentNode || e);"
        "const age = (e) => e && e.querySelector('[data-since]').textContent;"
        "const alert = document.querySelector('.alerts [data-rule=node_degraded]');"
        "return [age(document.querySelector('.note.degraded')), age(alert)]"
    )

    def both():
        """both tell an age (in the story the node is down for a while)"""
        found = browser.script(ages)
        return all(found) and found

    for _ in range(3):
        before = browser.wait_for(both, 60)
        assert before[0] == before[1]
        wait_polling(browser, lambda: browser.script(ages) != before)


@pytest.mark.parametrize(
    "key, whose",
    [
        ("llama70b-a_worker2", "for this node"),
        ("llama70b-a_scheduler", "for this node’s instance"),
        ("llama70b-a_api", "for this node’s instance"),
        ("coordinator", "for this node"),
    ],
)
def test_the_panel_of_events_says_whose_events_it_counts(page, demo, key, whose):
    line = "main section[aria-label='Events'] .quiet-line"
    browser = page(demo, "#/node/%s/events" % key)
    browser.wait_for(lambda: browser.has(line))
    said = browser.text(line)
    assert re.search(r": (\d+ events?|no events) %s(, and older ones)?\.$" % whose, said), said
    shown = browser.count("main section[aria-label='Events'] .event-text")
    assert ("no events" in said) if not shown else (": %d event" % shown in said)


def test_what_happened_to_a_node_stands_on_its_page_and_in_full_in_a_panel(page, demo):
    browser = page(demo, "#/node/llama70b-a_worker2")
    browser.wait_for(lambda: browser.has("main .event-card li"))
    recent = browser.texts("main .event-card .event-text")
    assert recent and all("llama70b-a_worker2" in text for text in recent)
    browser.focus("main .tabs a")
    tab_to(browser, "e.textContent === 'All events'")
    browser.press("Enter")
    panel = "main section[aria-label='Events'] .event-text"
    browser.wait_for(lambda: browser.has(panel))
    texts = browser.texts(panel)
    assert any("down, then restarted" in text for text in texts)
    assert any("save_unfull_chunk" in text for text in texts)
    press(browser, "15 min", ".seg")
    browser.wait_for(lambda: len(browser.texts(panel)) < len(texts))
    press(browser, "1 h", ".seg")  # the choice is remembered
    browser.wait_for(lambda: len(browser.texts(panel)) >= len(texts))


def test_the_charts_of_an_engine_carry_the_marks_of_its_instance_but_shade_its_down_times(
    page, demo
):
    browser = page(demo, "#/node/llama70b-a_api")
    browser.wait_for(lambda: browser.has("main .chart .mark.restart"))
    charts = len(chart_names(browser))
    for kind in ("restart", "change", "alert", "alert.critical", "resolved", "other"):
        assert browser.count("main .chart .mark." + kind) >= charts, kind
    assert not browser.has("main .chart .down-span")  # it was up all the time
    titles = browser.script(
        "return [...document.querySelectorAll('main .chart g[aria-label]')].map((e) => e.ariaLabel)"
    )
    assert any("save_unfull_chunk" in title for title in titles)
    # What a number counts is in its words, and in the legend, too.
    assert any("down" in title for title in titles)
    looks = (
        "const look = (one) => one.classList.item(one.classList.length - 1);"
        "const looks = (all) => [...new Set([...document.querySelectorAll(all)].map(look))];"
        "return ['main .mark-legend > span', 'main .chart .mark', 'main .chart .flag'].map(looks)"
    )
    listed, lines, signs = browser.script(looks)
    assert {*signs} <= {*listed} - {"more"} == {*lines}
    assert "critical" in listed
    # The sign of a critical alert is that of the list of alerts: not the one of a warning.
    sign = "return document.querySelector('main .flag.critical use').getAttribute('href')"
    assert browser.script(sign) == "#icon-stop"
    page(demo, "#/node/mp-0")
    browser.wait_for(lambda: "In flight and failures" in chart_names(browser))
    assert browser.text("main .mark-legend") == ""  # nothing happened to it


def test_the_small_graphs_of_the_table_follow_the_time_range(page, demo):
    browser = page(demo, "#/")
    ends = (
        "const row = [...document.querySelectorAll('main .data tbody tr.instance')]"
        ".find((e) => e.textContent.includes('llama70b-a'));"
        "const path = row && row.querySelector('.spark-line');"
        "return path && path.getAttribute('d').match(/[\\d.]+/g).map(Number)"
    )

    def falls():
        points = browser.script(ends)
        return bool(points) and points[-1] - points[1] > 5

    browser.wait_for(falls)  # the hit rate fell in this hour, and not in the last 30 polls


def test_charts_beside_each_other_have_their_axes_at_one_height(page, demo):
    browser = page(demo, "#/node/%s" % WORKER)
    browser.wait_for(lambda: len(chart_names(browser)) >= 6)
    bottoms = browser.script(
        "return [...document.querySelectorAll('main .chart-svg')].map("
        "(e) => Math.round(e.getBoundingClientRect().bottom + scrollY))"
    )
    pairs = zip(bottoms[::2], bottoms[1::2])
    assert all(left == right for left, right in pairs), bottoms


def test_events_are_copied_as_markdown_by_keyboard(page, demo):
    browser = page(demo, "#/events")
    browser.wait_for(lambda: browser.has("main .events li time"))
    browser.devtools("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    tab_to(browser, "e.textContent === 'Copy as Markdown'", 120)
    browser.press("Enter")
    browser.wait_for(lambda: "Events copied as Markdown" in browser.text(".toasts"))
    text = browser.script("return navigator.clipboard.readText()")
    assert text.startswith("### LMCache events, ") and "\n- " in text


def test_a_chart_on_a_node_page_zooms_all_by_dragging_and_by_keyboard(page, demo):
    browser = page(demo, "#/node/%s" % WORKER)
    browser.wait_for(lambda: browser.has("main .chart-svg path.line"))
    browser.focus("main .chart-svg")
    browser.press("ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Enter")
    browser.wait_for(lambda: "from=" in browser.url)
    browser.wait_for(lambda: "the end of this range" in " ".join(browser.texts("main p.note")))
    browser.back()
    browser.wait_for(lambda: "from=" not in browser.url)
    drag = (
        "const plot = document.querySelector('main .chart-svg');"
        "plot.scrollIntoView({block: 'center'});"
        "const box = plot.getBoundingClientRect();"
        "const at = (type, part) => plot.dispatchEvent(new PointerEvent(type, {bubbles: true,"
        " button: 0, pointerId: 1, clientX: box.left + part * box.width, clientY: box.top + 50}));"
        "plot.setPointerCapture = () => {};"
        "at('pointerdown', 0.4); at('pointermove', 0.6); at('pointerup', 0.6);"
    )
    browser.script(drag)
    browser.wait_for(lambda: "from=" in browser.url)


def test_an_engine_offers_only_the_panels_that_it_has(page, demo):
    browser = page(demo, "#/node/llama70b-b_api")
    browser.wait_for(lambda: browser.has("main .tabs a"))
    assert browser.texts("main .tabs a") == ["Overview", "Metrics", "Events", "Requests"]
    browser.requests()
    browser.goto(demo.url + "/#/node/llama70b-b_api/config")
    browser.wait_for(lambda: "has no such endpoint" in browser.text("main"))
    assert not [url for url in browser.requests() if "/proxy2/" in url]


def test_the_other_nodes_of_an_instance_are_a_table_on_the_pages_of_engine_and_scheduler(
    page, demo
):
    browser = page(demo, "#/node/llama70b-b_scheduler")
    place = "section[aria-label='Other nodes of this instance']"
    browser.wait_for(lambda: browser.count(place + " tbody a") == 5)
    browser.wait_for(lambda: "Hit rate" in browser.text(place + " thead"))
    assert "Current values" not in browser.text(place)
    browser.press("l")
    browser.wait_for(lambda: "Current values" in browser.text(place))
    browser.press("l")
    tile = "[aria-label='Figures of llama70b-b'] .tiles a"
    assert browser.attribute(tile, "href").endswith("#/?group=i%3Allama70b-b")
    browser.focus(tile)
    tab_to(browser, "e.textContent === 'llama70b-b_worker0'")
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("main h1") == "llama70b-b_worker0")


def test_names_of_two_instances_differ_on_a_telephone_and_columns_are_named(page, demo):
    browser = page(demo, "#/nodes")
    browser.resize(360, 800)
    try:
        browser.wait_for(lambda: browser.has("main .data.fixed th[scope=row] .fitted"))
        whole = (
            "return [...document.querySelectorAll('main .data.fixed th[scope=row]')]"
            ".every((one) => one.scrollWidth <= one.clientWidth)"
        )
        browser.wait_for(lambda: browser.script(whole))
        fitted = "main .data.fixed .fitted"
        assert browser.style(fitted, "white-space") == "normal"
        assert browser.style("main .data.fixed thead th:nth-child(2) .sort", "font-size") != "0px"
    finally:
        browser.resize(1280, 800)


def test_an_engine_shows_ttft_queue_and_hit_rate_in_one_view(page, demo):
    browser = page(demo, "#/node/llama70b-b_api")
    browser.wait_for(lambda: "TTFT and queue" in chart_names(browser))
    tiles = browser.texts("main .tile .name")
    assert tiles[:4] == [
        "TTFT p50",
        "Waiting requests",
        "LMCache hit rate",
        "GPU prefix hit rate",
    ]
    legend = browser.text("main .chart .legend")
    assert "p99" in legend and "Waiting" in legend


def test_an_mp_server_shows_its_adapters_with_their_use_and_loads_in_flight(page, demo):
    browser = page(demo, "#/node/mp-0")
    browser.wait_for(lambda: browser.count("[aria-label='L1 and L2'] tbody tr") >= 2)
    text = browser.text("[aria-label='L1 and L2']")
    assert "L1, DRAM" in text and "evicts 20% at a time" in text and "healthy" in text
    heads = browser.texts("[aria-label='L1 and L2'] thead th")
    assert "Loads in flight" in heads and "Used" in heads
    rates = (
        "const heads = [...document.querySelectorAll('[aria-label=\"L2 adapters\"] thead th')];"
        "const at = heads.findIndex((one) => one.textContent.trim() === 'Loads');"
        "return [...document.querySelectorAll('[aria-label=\"L2 adapters\"] tbody tr')]"
        ".map((row) => row.cells[at] && row.cells[at].textContent).filter(Boolean)"
    )
    each = re.compile(r"[\d.]+/(s|min)")
    browser.wait_for(lambda: any(each.fullmatch(one) for one in browser.script(rates)))


def test_the_rates_of_adapters_stand_in_their_table_at_once(page, demo):
    def has_rates():
        """the server knows the rates of the adapters of mp-0"""
        document = demo.ask("/api/status?node=mp-0").json()["nodes"][0]
        return "loads_finished_per_second" in document["l2"].get("nvme", {})

    wait_for(has_rates, 30)
    browser = page(demo, "#/nodes")
    browser.wait_for(lambda: browser.text("h1") == "Nodes")
    browser.script("(await import('/static/js/server.js')).setRefresh(3600)")
    browser.script("location.hash = '#/node/mp-0'")
    cells = "[aria-label='L2 adapters'] tbody td"
    found = browser.wait_for(lambda: browser.texts(cells))
    rates = [one for one in found if re.fullmatch(r"[\d.]+/(s|min)", one)]
    assert len(rates) == 4, found


def test_a_tile_and_the_legend_of_a_chart_tell_the_same_figure_at_any_time(page, demo):
    browser = page(demo, "#/node/mp-0")
    legend = "main .chart:has(.legend) .legend li"
    browser.wait_for(lambda: any("L2 to L1" in one for one in browser.texts(legend)))
    browser.script(
        "const item = (selector, name) => [...document.querySelectorAll(selector)]"
        ".find((one) => one.textContent.startsWith(name));"
        "const figure = (text) => text.replace(/\\s/g, '');"
        "window.told = [];"
        "const look = () => window.told.push(["
        " figure(item('main .tile', 'L2 to L1').querySelector('.value').textContent),"
        " figure(item('main .legend li', 'L2 to L1').querySelector('b').textContent)]);"
        "new MutationObserver(look).observe(document.querySelector('main'),"
        " {subtree: true, childList: true, characterData: true})"
    )
    count = "return new Set(told.map(([one]) => one)).size"
    wait_polling(browser, lambda: browser.script(count) > 2, 60)
    told = browser.script("return window.told")
    assert [one for one in told if one[0] != one[1]] == []


# Delays what the server says at this path.
DELAY = (
    "const [path, delay] = arguments; const real = window.fetch;"
    "window.fetch = async (url, ...more) => {"
    " if (String(url).includes(path)) await new Promise((go) => setTimeout(go, delay));"
    " return real(url, ...more); };"
)


@pytest.mark.parametrize("place, name", [("#/", "Evictions"), ("#/node/mp-0", "L2 to L1")])
def test_tiles_and_legends_change_together_while_the_history_is_awaited(page, demo, place, name):
    browser = page(demo, place)
    browser.wait_for(lambda: any(name in one for one in browser.texts("main .legend li")), 60)
    browser.script(
        "const [name] = arguments; const item = (selector) =>"
        " [...document.querySelectorAll(selector)].find((one) => one.textContent.startsWith(name));"
        "const figure = (element) => element.textContent.replace(/\\s/g, '');"
        "window.told = [];"
        "const look = () => window.told.push(["
        " figure(item('main .tile').querySelector('.value')),"
        " figure(item('main .legend li').querySelector('b')),"
        " document.querySelector('main .charts-card h2').textContent]);"
        "new MutationObserver(look).observe(document.querySelector('main'),"
        " {subtree: true, childList: true, characterData: true})",
        name,
    )
    browser.script(DELAY, "api/history", 1500)
    count = "return new Set(told.map(([one]) => one)).size"
    wait_polling(browser, lambda: browser.script(count) > 1, 60)
    browser.script("(await import('/static/js/address.js')).setLast(21600)")
    ranges = "return new Set(told.map(([, , range]) => range.slice(0, 2))).size"
    wait_polling(browser, lambda: browser.script(ranges) > 1, 60)
    told = browser.script("return window.told")
    assert [one for one in told if one[0] != one[1]] == []


def test_a_page_that_waits_for_the_server_says_at_once_which_it_will_be(page, demo):
    browser = page(demo, "#/node/llama70b-b_worker0")
    browser.wait_for(lambda: browser.has("main .tiles button"))
    browser.script(DELAY, "api/status", 8000)
    browser.script("location.hash = '#/node/llama70b-b_worker1'")
    browser.wait_for(lambda: browser.text("main h1") == "llama70b-b_worker1", 1.5)
    assert browser.text("main .loading") == "Loading …" and not browser.has("main .tiles")
    browser.wait_for(lambda: browser.has("main .tiles button"))
    assert browser.text("main h1") == "llama70b-b_worker1"


def test_cards_of_a_row_are_no_higher_than_what_is_in_them(page, demo):
    browser = page(demo, "#/node/coordinator")
    browser.wait_for(lambda: "L2, s3" in browser.text("main .own-panels"))
    lefts = "return [...new Set([...document.querySelectorAll('.own-panels > .panel')].map("
    assert browser.script(lefts + "(one) => one.getBoundingClientRect().left))].length") == 1
    browser = page(demo, "#/node/llama70b-a_scheduler")
    browser.wait_for(
        lambda: "No active alerts for this node itself" in browser.text("main .alert-card")
    )
    browser.wait_for(lambda: browser.has("main .event-card .events li"))
    alerts, events = browser.box("main .alert-card"), browser.box("main .event-card")
    assert events[1] >= alerts[1] + alerts[3]


def test_an_alert_of_a_rank_is_also_that_of_the_engine_which_it_says_to_be_slower(page, demo):
    browser = page(demo, "#/node/llama70b-a_api")
    own = "main .alert-card > ul"
    browser.wait_for(lambda: re.search(r"Lookup hit rate of .* fell", browser.text(own)))
    assert "No active alerts" not in browser.text("main .alert-card")
    # What does not name it stays folded.
    assert "Failures are rising" not in browser.text(own)
    assert re.search(r"alerts? on other nodes", browser.text("main .alert-card"))


def test_the_head_of_a_node_says_whose_version_it_is(page, demo):
    browser = page(demo, "#/node/mp-0")
    browser.wait_for(lambda: "LMCache 0.5" in browser.text("main .about-line"))
    browser = page(demo, "#/node/llama70b-b_api")
    browser.wait_for(lambda: "vLLM engine" in browser.text("main .about-line"))
    assert "LMCache" not in browser.text("main .about-line")


def test_the_limit_of_a_cache_is_a_line_in_its_chart(page, demo):
    browser = page(demo, "#/node/" + WORKER)
    name = "const e = document.querySelector('main .limit-name'); return e && e.textContent"
    browser.wait_for(lambda: browser.script(name) == "L1 limit")


def test_a_node_says_where_its_logs_are(page, demo):
    browser = page(demo, "#/node/" + WORKER)
    worker = "LMCache does not serve logs over HTTP. A worker logs to the output of its engine"
    browser.wait_for(lambda: worker in browser.text("main"))
    browser = page(demo, "#/node/llama70b-b_api")
    browser.wait_for(lambda: "vLLM does not serve logs over HTTP" in browser.text("main"))


def test_a_panel_has_one_menu_that_the_keyboard_opens(page, demo):
    browser = page(demo, "#/node/%s/meta" % WORKER)
    opener = "button[aria-label='Actions for Meta']"
    browser.wait_for(lambda: browser.has(opener))
    assert browser.count("[aria-label='Meta'] .panel-tools > *") == 1
    browser.focus(opener)
    browser.press("Enter")
    browser.wait_for(lambda: browser.has("[aria-label='Meta'] .menu"))
    assert browser.texts("[aria-label='Meta'] .menu button") == [
        "Refresh",
        "Show raw response",
        "Copy as curl",
    ]
    browser.press("ArrowDown", "Enter")
    browser.wait_for(lambda: '"model_name"' in browser.text("[aria-label='Meta'] pre.raw"))
    browser.focus(opener)
    browser.press("Enter", "Escape")
    browser.wait_for(lambda: not browser.has("[aria-label='Meta'] .menu"))
    assert browser.script("return document.activeElement.ariaLabel") == "Actions for Meta"
    # A subtitle stands beside its title where there is room.
    page(demo, "#/node/%s/cache" % WORKER)
    browser.resize(768, 900)
    try:
        card = "[aria-label='Lookup'] .panel-head "
        browser.wait_for(lambda: browser.has(card + "p"))
        box = "return document.querySelector(arguments[0]).getBoundingClientRect()"
        title, said, menu = (browser.script(box, card + one) for one in ("h2", "p", ".panel-menu"))
        assert title["top"] < said["top"] < said["bottom"] < title["bottom"]
        assert title["right"] < said["left"] < said["right"] < menu["left"]
    finally:
        browser.resize(1280, 800)


def test_settings_stand_by_topic_with_what_is_not_the_default_first(page, demo):
    browser = page(demo, "#/node/%s/config" % WORKER)
    browser.resize(1440, 900)
    browser.wait_for(lambda: browser.has("main tr.group"))
    groups = browser.texts("main tr.group .group-text b")
    ordered = [one for one in groups if one != "Changed recently"]
    assert ordered[:2] == ["Not the default", "CPU memory (L1)"] and "Storing" in ordered
    assert "max_local_cpu_size" in browser.texts("main tbody tr:not(.group) th")
    assert "Size of the CPU cache in GiB, for each worker." in browser.text("main")


# ---- Compare


def test_compare_begins_with_the_ten_worst_and_a_click_isolates_one(page, demo):
    browser = page(demo, "#/compare?preset=worst&metric=retrieve_p99")
    browser.wait_for(lambda: browser.count("main .isolate") >= 8)
    figures = "main .data tbody tr:has(th) td.num:nth-of-type(2)"
    values = browser.texts(figures)
    assert len(values) <= 10 and values[0].endswith("ms")
    name = browser.text("main .isolate")
    browser.click("main .isolate")
    browser.wait_for(lambda: browser.count("main svg path.line") == 1)
    assert browser.attribute("main .isolate[aria-pressed=true]", "title") == "Show all lines"
    assert name in browser.attribute("main .chart-svg", "aria-label")
    browser.press("Enter")
    browser.wait_for(lambda: browser.count("main svg path.line") > 1)


HIDDEN = "hidden behind a line with the same values"


def test_compare_shows_the_worst_node_of_each_instance_and_says_which_lines_are_hidden(page, demo):
    browser = page(demo, "#/compare?metric=lookup_hit_rate&preset=instances")
    browser.wait_for(lambda: browser.count("main .isolate") >= 3)
    shown = browser.texts("main .isolate")
    assert len({name.split("_")[0] for name in shown}) == len(shown)
    count = "%d of 15 (one per instance with this metric)" % len(shown)
    assert browser.text("main .picker summary") == "Nodes: " + count
    browser.choose("select[aria-label=Preset]", "i:llama70b-b")
    browser.wait_for(lambda: HIDDEN in browser.text("main .panel-line"))
    browser.choose("select[aria-label=Preset]", "i:llama70b-a")
    browser.wait_for(lambda: browser.has("main .down-span"))  # of worker2
    browser.wait_for(lambda: HIDDEN in browser.text("main .panel-line"))
    browser.click("main tr:has(a[href*=llama70b-a_worker0]) .isolate")
    browser.wait_for(lambda: browser.count("main svg path.line") == 1)
    assert not browser.has("main .down-span"), "the mark of another node"
    assert "node down" not in browser.text("main .mark-legend")
    assert HIDDEN not in browser.text("main .panel-line")
    browser.click("main tr:has(a[href*=llama70b-a_worker2]) .isolate")
    browser.wait_for(lambda: browser.has("main .down-span"))
    browser.click("main .open-node")
    browser.wait_for(lambda: browser.text("h1").startswith("llama70b-a"))


def test_the_ranks_of_an_instance_are_a_preset_and_what_differs_by_nature_is_left_out(page, demo):
    browser = page(demo, "#/compare")
    browser.choose("select[aria-label=Preset]", "i:llama70b-b")
    browser.wait_for(lambda: "preset=i%3Allama70b-b" in browser.url)
    ranks = {"llama70b-b_worker%d" % rank for rank in range(4)}
    browser.wait_for(lambda: ranks <= set(browser.texts("main .isolate")))
    browser.choose("select[aria-label=Preset]", "reachable")
    browser.wait_for(lambda: "besides 5 that are IDs, ports" in browser.text("main .progress"))
    assert "lmcache_instance_id" not in browser.text("main .drift")
    browser.focus(".panel-tools label:nth-of-type(2) input[type=checkbox]")
    browser.press("Space")
    browser.wait_for(lambda: "lmcache_instance_id" in browser.text("main .drift"))
    press(browser, "None", "main .picker")
    browser.wait_for(lambda: "No nodes selected" in browser.text("main .panel .empty"))
    assert not browser.has("main .drift"), "the result of the former choice"
    assert browser.text("main .progress") == ""
    browser.resize(360, 800)
    ends = (  # a row that is cut says that there are more
        "const list = document.querySelector('main .pick-list'); list.parentElement.open = true;"
        "const end = list.getBoundingClientRect().bottom;"
        "return [...list.children].map((one) => one.getBoundingClientRect())"
        ".filter(({ top, bottom }) => top < end - 6 && bottom > end + 6).length"
    )
    try:
        browser.wait_for(lambda: browser.script(ends) == 1)
    finally:
        browser.resize(1280, 800)


def test_metrics_of_every_kind_are_offered_with_the_servers_labels(page, demo):
    browser = page(demo, "#/compare?metric=ttft_p99")
    browser.wait_for(lambda: browser.count("main .isolate") == 2)
    labels = browser.texts("select[aria-label=Metric] option")
    assert {"TTFT p99", "L2 hit rate", "Response time"} <= set(labels)
    assert "Store p50" not in labels, "it has no history"


def test_compare_draws_counts_as_steps_and_leaves_out_nodes_without_values(page, demo):
    browser = page(demo, "#/compare?metric=loads_in_flight&preset=reachable")
    browser.wait_for(lambda: browser.count("main .isolate") == 2)
    paths = browser.script(
        "return [...document.querySelectorAll('main path.line')].map("
        "(path) => path.getAttribute('d')).filter(Boolean)"
    )
    assert len(paths) == 2 and all("H" in path and "L" not in path for path in paths)
    without, _, hidden = browser.text("main .panel-line").partition(" left out.")
    assert re.fullmatch(r"1\d nodes without values are", without)
    assert hidden in ("", f" 1 of 2 lines is {HIDDEN}.")


def test_compare_lists_the_nodes_where_none_of_them_has_values(page, demo):
    browser = page(demo, "#/compare?metric=loads_in_flight&nodes=coordinator,llama70b-a_worker0")
    browser.wait_for(lambda: browser.count("main .isolate") == 2)
    assert browser.text("main .panel-line") == ""


def test_compare_begins_with_one_rank_each_of_the_worst_instances_of_a_fleet(page, fleet):
    browser = page(fleet, "#/compare")
    browser.wait_for(lambda: browser.count("main .isolate") == 10)
    assert browser.property("select[aria-label=Preset]", "value") == "instances"
    chosen = "select[aria-label=Preset] option:checked"
    assert browser.text(chosen) == "Worst node per instance"
    count = "10 of 122 (of the 10 worst instances)"
    assert browser.text("main .picker summary") == "Nodes: " + count
    instances = {name.partition("_")[0] for name in browser.texts("main .isolate")}
    assert len(instances) == 10, instances


def test_compare_lists_worst_first_by_the_figure_it_shows_and_equal_ones_by_name(page, fleet):
    browser = page(fleet, "#/compare?metric=retrieve_p99&preset=reachable")
    browser.wait_for(lambda: browser.count("main .isolate") > 10)
    rows = browser.script(
        "return [...document.querySelectorAll('main .data tbody tr:has(.isolate)')].map((row) => "
        "[-parseFloat(row.querySelectorAll('td.num')[1].textContent),"
        " row.querySelector('.isolate').textContent])"
    )
    known = [row for row in rows if row[0] is not None]
    assert len(known) > 10 and rows[: len(known)] == sorted(known), rows


def test_compare_takes_the_worst_of_more_reachable_nodes_than_it_can_draw_and_says_so(page, fleet):
    browser = page(fleet, "#/compare?metric=lookup_hit_rate&preset=reachable")
    browser.wait_for(lambda: browser.count("main .isolate") > 10)
    chosen = "select[aria-label=Preset] option:checked"
    assert browser.text(chosen) == "60 worst nodes"
    assert re.fullmatch(
        r"Nodes: 60 of 122 \(1[12]\d are reachable\)", browser.text("main .picker summary")
    )


def test_the_search_leads_to_comparisons_whatever_the_order_of_the_words(page, fleet):
    browser = page(fleet, "#/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    browser.press("Control+k")
    for typed, first in (
        ("worst retrieve p99", "Worst Retrieve p99: "),
        ("p99 worst", "Worst Retrieve p99: "),
        ("ranks", "Compare ranks of "),
        ("ranks llama", "Compare ranks of llama70b-"),
        ("chunk_size", "Compare chunk_size across nodes"),
        ("chunk_size compare", "Compare chunk_size across nodes"),
    ):
        browser.type(".palette-input", typed)
        browser.wait_for(lambda: browser.text(".palette-text").startswith(first))
    browser.press("Enter")
    browser.wait_for(lambda: "Setting chunk_size" in browser.texts("main h2"))
    browser.wait_for(lambda: "256" in browser.text("main .drift tbody"))
    assert browser.count("main .drift tbody tr") == 1
    press(browser, "Show all settings")
    browser.wait_for(lambda: "Settings that differ" in browser.texts("main h2"))
    browser.wait_for(lambda: "setting=" not in browser.url)
    browser.press("Control+k")
    browser.type(".palette-input", "worst retrieve p99")
    browser.wait_for(lambda: browser.text(".palette-text").startswith("Worst Retrieve p99: "))
    node = browser.text(".palette-text").partition(": ")[2]
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("main h1") == node)


def test_the_search_leads_to_an_operation_on_the_cache(page, demo):
    browser = page(demo, "#/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    chosen = "return [...document.querySelectorAll('main select')].map((one) => one.value)"
    for typed, operation in (("checksum", ["mp", "checksums"]), ("pin a", ["coordinator", "pin"])):
        browser.press("Control+k")
        browser.type(".palette-input", typed)
        browser.wait_for(lambda: browser.text(".palette-text").startswith("Cache operation: "))
        browser.press("Enter")
        browser.wait_for(lambda: browser.script(chosen)[:2] == operation)


def test_a_column_that_is_off_at_first_has_its_figures_once_it_is_chosen(page, fleet):
    browser = page(fleet, "#/?q=llama70b-001_worker0")

    def cell(label):
        find = (
            "const [name, label] = arguments;"
            "const heads = [...document.querySelectorAll('main .data thead th')];"
            "const rows = [...document.querySelectorAll('main .data tbody tr')];"
            "const row = rows.find((one) => one.querySelector('th')?.innerText.includes(name));"
            "return row.children[heads.findIndex((one) => one.innerText === label)].innerText"
        )
        return browser.script(find, "worker0", label)

    def choose(label):
        find = "[...document.querySelectorAll('%s')].find((e) => e.textContent === arguments[0])"
        browser.script(find % ".tools summary, .pop[open] label" + ".click()", label)

    browser.wait_for(lambda: browser.has("main .data tbody th"))
    # The page does not know yet which node is the worst.
    browser.press("Control+k")
    browser.type(".palette-input", "worst response")
    text = "Compare nodes with the worst Response time"
    browser.wait_for(lambda: browser.text(".palette-text") == text)
    browser.press("Escape")
    browser.wait_for(lambda: not browser.has("dialog"))
    for label in ("Columns", "Response time", "Store p99"):
        choose(label)
    browser.press("Escape")
    browser.wait_for(lambda: cell("Response time").endswith("ms"))
    browser.wait_for(lambda: cell("Store p99").endswith("ms"))
    browser.reload()  # the choice is kept
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    browser.wait_for(lambda: cell("Response time").endswith("ms"))
    choose("Columns")
    press(browser, "Reset columns", ".pop[open]")
    browser.wait_for(lambda: "Store p99" not in browser.texts("main .data thead th"))
    # A link may order by such a figure where the column is not shown.
    browser.goto("about:blank")
    browser.goto(fleet.url + "/#/?sort=-latency")
    asked = "return performance.getEntriesByType('resource').map((one) => one.name).join()"
    browser.wait_for(lambda: "listed,latency" in browser.script(asked))


def test_a_node_leads_to_its_ranks_and_those_of_another_instance_are_found_by_name(page, fleet):
    node = "llama70b-001_worker0"
    browser = page(fleet, "#/node/%s/config" % node)
    link = ".about-line a[href*='#/compare']"
    browser.wait_for(lambda: browser.text(link) == "compare 4 ranks")
    browser.click(link)
    chosen = "select[aria-label=Preset] option:checked"
    browser.wait_for(lambda: browser.text(chosen) == "Ranks of llama70b-001")
    browser.wait_for(lambda: browser.count("main .isolate") == 4)
    names = browser.script(
        "return [...document.querySelectorAll('#rank-names option')].map((one) => one.value)"
    )
    listed = browser.texts("select[aria-label=Preset] option")
    assert len(names) > 12 and len([text for text in listed if "Ranks of" in text]) == 1
    browser.type("input[list=rank-names]", names[-1])
    browser.wait_for(lambda: browser.text(chosen) == "Ranks of " + names[-1])
    browser.wait_for(lambda: browser.text("main .isolate").startswith(names[-1]))
    browser.choose("select[aria-label=Preset]", "worst")
    browser.focus("select[aria-label=Preset]")
    browser.choose("select[aria-label=Preset]", "reachable")
    browser.wait_for(lambda: browser.property("input[list=rank-names]", "value") == "")


# ---- a fleet


def test_folded_charts_have_no_legend_and_no_hint_about_them(page, fleet):
    browser = page(fleet, "#/")
    fold = "main .charts-card .card-head button"
    browser.wait_for(lambda: browser.text(fold) == "Show")
    about = ("main .charts-card .mark-legend", "main .charts-card .hint.wide-only")
    assert {browser.style(one, "display") for one in about} == {"none"}
    assert browser.text("main .charts-card h2").startswith("Charts · ")
    browser.click(fold)
    browser.wait_for(lambda: browser.text(fold) == "Hide")
    assert browser.style(about[0], "display") != "none"
    assert "Charts" not in browser.text("main .charts-card h2")
    browser.click(fold)


def test_the_first_load_of_a_fleet_with_its_map_is_25_requests_and_small(page, fleet):
    browser = page(fleet, "#/")
    asked = "return performance.getEntriesByType('resource').map((one) => one.name).join()"
    browser.wait_for(lambda: browser.has(".map .sq") and "api/events" in browser.script(asked))
    loads = browser.script(
        "const loads = performance.getEntriesByType('resource');"
        "const later = loads.find((one) => one.name.endsWith('/views/events.js'));"
        # However slow the machine is, the map is not one of the views that are loaded later.
        "const isFirst = (one) => !later || one.startTime < later.startTime ||"
        " one.name.endsWith('/fleetmap.js');"
        "return [...performance.getEntriesByType('navigation'), ...loads].filter(isFirst)"
        ".map((one) => [one.name, one.transferSize])"
    )
    names = {name.rpartition("/")[2] for name, _ in loads}
    assert "fleetmap.js" in names
    assert len(names | {FAVICON}) <= 25, " ".join(sorted(names))
    assert sum(size for _, size in loads) < 200 * 1024, loads


def test_what_a_fleet_loads_has_its_place_before_it_is_there(page, fleet):
    moved = (
        "window.moved = 0; new PerformanceObserver((list) => list.getEntries().forEach((one) => "
        "{ window.moved += one.value; })).observe({type: 'layout-shift', buffered: true})"
    )
    asked = "return performance.getEntriesByType('resource').map((one) => one.name).join()"
    for _ in range(2):  # the second time the page knows how much room its parts take
        browser = page(fleet, "#/")
        browser.script(moved)
        browser.wait_for(lambda: browser.has(".map .sq") and "api/events" in browser.script(asked))
        browser.wait_for(lambda: browser.has("main .split:not(.loading)"))
    assert browser.script("return window.moved") < 0.05


def test_what_the_map_shows_is_in_its_link_and_going_back_leads_to_where_one_was(page, fleet):
    browser = page(fleet, "#/")
    pressed = "main .map-card [aria-pressed=true]"
    press(browser, "Retrieve p99", "main .map-card")
    browser.wait_for(lambda: browser.text(pressed) == "Retrieve p99")
    browser.wait_for(lambda: not browser.has("main .split.loading"))
    browser.script(
        "scrollTo(0, 300); document.querySelector('.map-plot').focus({preventScroll: 1})"
    )
    link = browser.url
    browser.press("ArrowRight", "Enter")
    browser.wait_for(lambda: browser.text("main h1") != "Cluster")
    node = browser.text("main h1")
    assert browser.script("return scrollY") == 0
    browser.back()
    browser.wait_for(lambda: browser.has(".map .sq") and browser.script("return scrollY") == 300)
    assert browser.text(pressed) == "Retrieve p99"
    browser.wait_for(lambda: browser.has(".map-plot:focus .sq.chosen"))
    assert browser.text(".map-card .chart-tip b") == node
    browser.reload()
    browser.wait_for(lambda: browser.has(".map .sq") and browser.script("return scrollY") == 300)
    browser = page(fleet, link[link.index("#") :])
    browser.wait_for(lambda: browser.has(pressed))
    assert browser.text(pressed) == "Retrieve p99"
    press(browser, "State", "main .map-card")
    browser.wait_for(lambda: "map=" not in browser.url)
    browser.script("location.hash = '#/nodes'")
    browser.wait_for(lambda: browser.text("main h1") == "Nodes")  # Cluster has such links, too
    browser.focus("main tbody a[href^='#/node/']")
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("main h1") not in ("Nodes", "Cluster"))
    node = browser.text("main h1")
    browser.back()
    focused = "return document.activeElement.getAttribute('href') || ''"
    browser.wait_for(lambda: node in browser.script(focused))


# ---- cache operations


def test_the_place_of_a_prompt_is_found_by_keyboard(page, demo):
    browser = page(demo, "#/many?tab=cache")
    browser.wait_for(lambda: browser.has("textarea[name=tokens]"))
    browser.focus("textarea[name=tokens]")
    browser.press(*"0-1023")
    browser.wait_for(lambda: browser.property("input[name=world]", "value") == "4")
    assert browser.property("input[name=model]", "value") == "Qwen/Qwen3-32B"
    browser.click("main details.all summary")
    assert "1024 numbers" in browser.text("main pre.block")
    assert browser.style("main pre.block", "white-space") == "pre-wrap"
    tab_to(browser, "e.textContent === 'Run'")
    browser.press("Enter")
    browser.wait_for(lambda: "4 chunks: " in browser.text("[aria-label='Results']"))
    places = browser.texts("[aria-label='Location of the chunks'] tbody tr")
    assert any("L1 dram" in place and "of 4" in place for place in places)
    browser.type("textarea[name=tokens]", "0-100")
    press(browser, "Run")
    browser.wait_for(lambda: "less than one chunk" in browser.text("[aria-label='Results']"))
    browser.type("textarea[name=tokens]", "0-1023")
    browser.type("input[name=world]", "1")
    press(browser, "Run")
    browser.wait_for(lambda: "4 chunks: 0 cached" in browser.text("[aria-label='Results']"))


# The first lookup waits until it is aborted.
HANG = (
    "const send = window.fetch; window.fetch = (path, options) => {"
    " if (!/lookup/.test(path)) return send(path, options);"
    " window.fetch = send; return new Promise((_, fail) =>"
    " options.signal.addEventListener('abort', () =>"
    " fail(new DOMException('', 'AbortError')))); }"
)


def test_a_change_of_the_cache_has_a_dry_run_and_is_confirmed(page, demo):
    browser = page(demo, "#/many?tab=cache")
    operation = "select[aria-label=Operation]"
    browser.choose(operation, "delete")
    browser.wait_for(lambda: browser.has("input[name=instance]"))
    off = "return [...document.querySelectorAll('main .actions button')].map((e) => e.disabled)"
    missing = "#operation-missing"
    browser.wait_for(lambda: browser.text(missing) == "Enter token IDs and the instance.")
    assert browser.script(off) == [True, True]
    browser.type("textarea[name=tokens]", "0-10x")
    assert browser.text(missing) == "Enter the instance."
    assert browser.script(off) == [False, True], "a dry run needs no instance"
    press(browser, "Dry run")
    error = ".field:has([name=tokens][aria-invalid=true]) .field-error"
    browser.wait_for(lambda: "is not a number" in browser.text(error))
    browser.type("textarea[name=tokens]", "0-1023")
    browser.script(HANG)
    press(browser, "Dry run")
    told = "[aria-label=Results] "
    browser.wait_for(lambda: browser.text(told + ".progress") == "1 server waiting (up to 30 s)")
    assert browser.text(told + "h2") == "Dry run: Delete a prompt’s KV"
    assert browser.text(told + ".muted") == "Locate a prompt’s KV; nothing is changed"
    press(browser, "Cancel", "[aria-label=Results]")
    browser.wait_for(lambda: "canceled without a response" in browser.text(told))
    assert not browser.has(told + ".progress")
    press(browser, "Dry run")
    browser.wait_for(lambda: "4 chunks: " in browser.text(told))
    changes = "/proxy2/coordinator/cache/delete"
    assert not [url for url in browser.requests() if changes in url]
    browser.type("input[name=instance]", "mp-1")
    assert browser.text(missing) == ""
    press(browser, "Review and run")
    browser.wait_for(lambda: browser.has("dialog"))
    assert {"Token IDs of the prompt: 0-1023", "Instance: mp-1"} <= set(browser.texts("dialog li"))
    press(browser, "Cancel", "dialog")
    assert not [url for url in browser.requests() if changes in url]


def test_the_model_of_an_operation_is_empty_until_it_is_loaded(page, demo):
    browser = page(demo, "#/events")
    browser.script(
        "const real = window.fetch; window.held = [];"
        "window.fetch = (url, ...more) => /mp-.[/]status$/.test(url)"
        " ? new Promise((go) => held.push(go)).then(() => real(url, ...more))"
        " : real(url, ...more)"
    )
    browser.script("location.hash = '#/many?tab=cache'")
    browser.wait_for(lambda: browser.has("textarea[name=tokens]"))
    values = (
        "return ['model', 'world'].map((name) => document.querySelector(`input[name=${name}]`))"
        ".map((one) => [one.value, one.placeholder])"
    )
    assert browser.script(values) == [["", "Loading …"]] * 2
    browser.type("textarea[name=tokens]", "0-1023")
    said = "Loading the model and its world size …"
    assert browser.text("#operation-missing") == said
    browser.choose("select[aria-label=Operation]", "unpin")
    assert browser.text("#operation-missing") == said
    browser.script("for (const go of held) go()")
    loaded = [["Qwen/Qwen3-32B", "e.g. Qwen/Qwen3-32B"], ["4", ""]]
    browser.wait_for(lambda: browser.script(values) == loaded)
    assert browser.text("#operation-missing") == ""


# ---- the rollout of a setting


def setting_of(front, node, name):
    return front.ask("/proxy2/%s/conf?names=%s" % (node, name)).json()[name]


def test_a_setting_goes_to_one_node_first_and_then_to_the_others_or_back(page, demo):
    name = "min_retrieve_tokens"
    nodes = ["llama70b-b_worker%d" % rank for rank in range(4)]
    old = setting_of(demo, nodes[0], name)
    browser = page(demo, "#/many?tab=rollout")
    browser.choose("select[name=group]", "i:llama70b-b")
    browser.type("input[name=setting]", name)
    browser.type("input[name=value]", "many")
    browser.wait_for(lambda: "Enter a number." in browser.texts("main .row-fields .field-error"))
    assert browser.property("main .actions button.primary", "disabled")
    browser.type("input[name=value]", "96")
    browser.choose("select[name=first]", nodes[0])
    press(browser, "Apply to one node")
    browser.wait_for(lambda: "%s → 96" % old in browser.text("dialog"))
    assert browser.text("dialog h2") == "Set %s on %s?" % (name, nodes[0])
    assert setting_of(demo, nodes[0], name) == old, "nothing is sent before it is confirmed"
    press(browser, "Apply", "dialog")
    browser.wait_for(lambda: browser.has("table.compared"))
    assert setting_of(demo, nodes[0], name) == 96
    assert setting_of(demo, nodes[1], name) == old
    rows = browser.texts("table.compared tbody th")
    assert rows == ["Hit rate", "Failures", "Retrieve p99"]
    browser.goto(demo.url + "/#/")
    browser.wait_for(lambda: browser.text("h1") == "Cluster")
    browser.back()
    browser.wait_for(lambda: browser.has("table.compared"))
    assert "median of the other" in browser.text("table.compared thead")
    assert "primary" not in browser.script(
        "return [...document.querySelectorAll('main .actions button')]"
        ".find((one) => /anyway$/.test(one.textContent)).className"
    ), "the figures are too young to propose it"
    press(browser, "Apply to the other 4 nodes anyway")
    press(browser, "Apply", "dialog")
    browser.wait_for(lambda: "Applied to all " in browser.text("main"))
    assert [setting_of(demo, node, name) for node in nodes] == [96] * 4
    press(browser, "Undo on 5 nodes")
    browser.wait_for(lambda: "Undone." in browser.text("main"))
    assert [setting_of(demo, node, name) for node in nodes] == [old] * 4
    press(browser, "New rollout")
    browser.wait_for(lambda: browser.has("input[name=setting]"))


# ---- Nodes


def test_a_frontend_that_is_added_as_a_node_is_recognised(page, demo, start):
    front = start("--port", "0", "--poll-interval", "1")
    browser = page(front, "#/nodes?add=1")
    browser.wait_for(lambda: browser.has("dialog"))
    for field, value in (("name", "rack1"), ("host", "127.0.0.1"), ("port", str(demo.port))):
        browser.type("dialog input[name=%s]" % field, value)
    press(browser, "Add", "dialog")
    browser.wait_for(lambda: "frontend with 15 nodes" in browser.text("dialog .field-error"))
    press(browser, "Add as frontend with 15 nodes", "dialog")
    browser.wait_for(lambda: not browser.has("dialog"))
    browser.wait_for(lambda: len(front.ask("/api/status").json()["nodes"]) == 15)
    browser.goto(front.url + "/#/node/rack1")
    browser.wait_for(lambda: "Nodes behind this frontend" in browser.text("main"))
    assert "127.0.0.1:%d" % demo.port in browser.text("main .page-head")


def test_a_frontend_is_added_by_keyboard(page, demo, start):
    browser = page(start("--port", "0", "--poll-interval", "1"), "#/nodes")
    tab_to(browser, "e.textContent.trim() === 'Add a node'")
    browser.press("Enter")
    browser.wait_for(lambda: browser.has("dialog"))
    browser.press(*"rack1", "Tab", *"127.0.0.1", "Tab", *str(demo.port), "Enter")
    browser.wait_for(lambda: "frontend with 15 nodes" in browser.text("dialog .field-error"))
    tab_to(browser, "e.textContent === 'Add as frontend with 15 nodes'")
    browser.press("Enter")
    browser.wait_for(lambda: not browser.has("dialog") and "rack1" in browser.text("main"))


def test_a_setting_is_rolled_out_and_undone_by_keyboard(page, demo):
    name = "min_retrieve_tokens"
    browser = page(demo, "#/many?tab=rollout")
    browser.choose("select[name=group]", "i:llama70b-b")
    node = browser.property("select[name=first]", "value")
    old = setting_of(demo, node, name)
    browser.focus("input[name=setting]")
    browser.press(*name, "Tab", *"128")
    tab_to(browser, "e.textContent === 'Apply to one node'")
    browser.press("Enter")
    tab_to(browser, "e.closest('dialog') && e.textContent === 'Apply'")
    browser.press("Enter")
    browser.wait_for(lambda: browser.has("table.compared"))
    assert setting_of(demo, node, name) == 128
    tab_to(browser, "/^Undo/.test(e.textContent)")
    browser.press("Enter")
    browser.wait_for(lambda: "Undone." in browser.text("main"))
    assert setting_of(demo, node, name) == old
    press(browser, "New rollout")


def set_everywhere(front, nodes, **settings):
    """What a test before this one left does not matter."""
    for node in nodes:
        body = json.dumps(settings).encode()
        headers = {"Content-Type": "application/json"}
        front.ask("/proxy2/%s/conf" % node, method="POST", body=body, headers=headers)


def change_together(front, nodes):
    """Set save_unfull_chunk to false and to true, each time until the frontend has noted it."""

    def seen(value):
        events = front.ask("/api/events?kind=changed&limit=500").json()["events"]
        last = {}
        for event in events:
            if "save_unfull_chunk" in (event.get("changes") or {}):
                last.setdefault(event["node"], event["changes"]["save_unfull_chunk"][1])
        return [last.get(node) for node in nodes] == [value] * len(nodes)

    for value in (False, True):
        set_everywhere(front, nodes, save_unfull_chunk=value)
        wait_for(lambda: seen(json.dumps(value)), 90)


def test_an_event_of_a_change_lists_its_nodes_and_leads_to_its_undo_by_mouse(page, demo):
    nodes = ["llama70b-a_worker%d" % rank for rank in range(4)]
    change_together(demo, nodes)
    browser = page(demo, "#/events?kind=changed")
    browser.wait_for(lambda: browser.has("main .events .link"))
    browser.click("main .events .link")
    assert browser.texts("main .event-nodes a") == nodes
    browser.click("main .events .undo")
    browser.wait_for(lambda: browser.text("h1") == "Bulk actions")
    browser.wait_for(lambda: browser.texts("main tbody th") == nodes)
    assert browser.property("main [name=setting]", "value") == "save_unfull_chunk"
    value = "main select[name=value]"
    browser.wait_for(lambda: browser.has(value))
    old = browser.property(value, "value") == "true"
    set_everywhere(demo, nodes, save_unfull_chunk=not old)
    review = "main [aria-label='Review and apply'] "
    said = "Set save_unfull_chunk to %s on 4 nodes" % str(old).lower()
    browser.wait_for(lambda: browser.text(review + "p").startswith(said))
    assert [setting_of(demo, node, "save_unfull_chunk") for node in nodes] == [not old] * 4
    assert not browser.has(review + "a[href]")
    press(browser, "Apply to 4 nodes")
    browser.wait_for(lambda: browser.text("main .progress") == "Applied to 4 of 4 nodes")
    assert [setting_of(demo, node, "save_unfull_chunk") for node in nodes] == [old] * 4
    assert browser.text(review + "a") == "Compare these nodes"
    browser.click(review + "a")
    browser.wait_for(lambda: browser.text("h1") == "Compare")
    browser.wait_for(lambda: all(node in browser.text("main") for node in nodes))


def test_nodes_that_a_link_selects_for_a_change_are_selected_nowhere_else(page, demo):
    box = "input[aria-label='Select %s']"
    browser = page(demo, "#/?q=llama70b-a")
    browser.wait_for(lambda: browser.has(box % "llama70b-a_worker1"))
    browser.script("document.querySelector(arguments[0]).click()", box % "llama70b-a_worker1")
    browser.wait_for(lambda: browser.text(".selection b") == "1 node selected")
    link = "#/many?action=setting&key=chunk_size&value=256&nodes=llama70b-b_worker0"
    browser.script("location.hash = arguments[0]", link + "%2Cllama70b-b_worker1")
    browser.wait_for(lambda: "2 selected" in browser.texts("main .panel-head .hint"))
    browser.script("location.hash = '#/'")
    browser.wait_for(lambda: browser.text(".selection b") == "1 node selected")
    assert browser.property(box % "llama70b-a_worker1", "checked")


def test_a_change_of_more_nodes_than_a_sentence_names_is_confirmed(page, fleet):
    browser = page(fleet, "#/many")
    browser.choose("main [data-label=kind]", "worker")
    names = "main tbody th"
    browser.wait_for(lambda: have_all(browser.texts(names), "worker"))
    browser.click("main thead input[type=checkbox]")
    apply = "main [aria-label='Review and apply'] .actions button"
    browser.wait_for(lambda: not browser.property(apply, "disabled"))
    browser.click(apply)
    nodes = len(fleet.ask("/api/status").json()["nodes"])
    browser.wait_for(lambda: "of %d nodes in " % nodes in browser.text("dialog"))
    press(browser, "Cancel", "dialog")
    assert not [url for url in browser.requests() if "&level=" in url]


@pytest.mark.parametrize("words", ["save_unf", "undo"])
def test_a_change_is_found_and_its_undo_filled_in_by_keyboard(page, demo, words):
    change_together(demo, ["llama70b-a_worker%d" % rank for rank in range(4)])
    browser = page(demo, "#/")
    browser.press("Control+k")
    browser.wait_for(lambda: browser.has("dialog.palette input"))
    browser.press(*words)
    chosen = ".palette [role=option][aria-selected=true]"
    undo = "Undo: set save_unfull_chunk back to "
    browser.wait_for(lambda: undo in browser.text(".palette [role=listbox]"))
    if words == "undo":
        browser.wait_for(lambda: browser.text(chosen).startswith(undo))
    for _ in range(browser.count(".palette [role=option]")):
        if browser.text(chosen).startswith(undo):
            break
        browser.press("ArrowDown")
    assert browser.text(chosen).startswith(undo)
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("h1") == "Bulk actions")
    said = "main [aria-label='Review and apply'] p"
    browser.wait_for(lambda: browser.text(said).startswith("Set save_unfull_chunk to"))
    assert not browser.has("dialog")
    browser.wait_for(lambda: browser.label("section:focus") == "Review and apply")
    tab_to(browser, "/^Apply to/.test(e.textContent)", 3)
    # The story has outages of a node, on which it would fail.
    wait_for(lambda: demo.ask("/api/status").json()["counts"]["down"] == 0, 60)
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("main .progress").startswith("Applied to"))
    # There is nothing more to apply: the focus stays where it was done.
    browser.wait_for(lambda: browser.label("section:focus") == "Review and apply")
    assert "set to " in " ".join(browser.texts("main tbody td"))


def test_search_opened_before_the_first_status_finds_changes_once_it_is_there(page, demo):
    change_together(demo, ["llama70b-a_worker%d" % rank for rank in range(4)])
    browser = page(demo, "#/about")  # its scripts are loaded
    browser.devtools("Network.enable")
    browser.devtools("Network.setBlockedURLs", urls=["*/api/status*"])
    try:
        page(demo, "#/")
        browser.press("Control+k")
        browser.wait_for(lambda: browser.has("dialog.palette input"))
        browser.press(*"undo")
        assert "Undo: " not in browser.text(".palette [role=listbox]")
    finally:
        browser.devtools("Network.setBlockedURLs", urls=[])
    undo = "Undo: set save_unfull_chunk back to "
    browser.wait_for(lambda: undo in browser.text(".palette [role=listbox]"))
    assert all("/api/status" in line for line in browser.console())


def test_a_setting_that_no_selected_node_has_is_not_sent(page, demo):
    link = "#/many?action=setting&key=no_such&value=1&nodes=llama70b-b_worker0"
    browser = page(demo, link)
    error = ".field:has([name=%s][aria-invalid=true]) .field-error"
    said = "No selected node has this setting."
    browser.wait_for(lambda: browser.texts(error % "setting") == [said])
    assert not browser.has(error % "value")
    described = browser.attribute("input[name=setting]", "aria-describedby")
    assert browser.text("#" + described) == said
    assert browser.text("#bulk-advice") == "Correct the setting."
    assert browser.property("main .actions button.primary", "disabled")
    browser.type("main input[name=setting]", "chunk_size")
    browser.wait_for(lambda: not browser.property("main .actions button.primary", "disabled"))
    assert not browser.has("[aria-invalid]")


def test_review_names_the_field_that_is_to_be_filled_in_or_corrected(page, demo):
    browser = page(demo, "#/many?action=setting&nodes=llama70b-b_worker0")

    def advises(text):
        browser.wait_for(lambda: browser.text("#bulk-advice") == text)

    def empty(field):
        """Empty a field as a user does, with keys."""
        browser.focus(field)
        browser.press("Control+a", "Backspace")

    advises("Enter a setting and its new value.")
    browser.type("main input[name=value]", "abc")
    advises("Enter a setting.")
    browser.type("main input[name=setting]", "chunk_size")
    advises("Correct the new value.")
    error = ".field:has([name=value][aria-invalid=true]) .field-error"
    assert browser.text(error) == "Enter a number."
    empty("main input[name=value]")
    advises("Enter the new value.")
    for action, field, said in (
        ("loglevel", "logger", "Enter a logger."),
        ("bypass", "backend", "Enter a backend."),
    ):
        browser.choose("main .row-fields select", action)
        empty("main input[name=%s]" % field)
        advises(said)


def test_what_the_nodes_have_says_what_a_setting_may_become(page, demo):
    browser = page(demo, "#/many")
    browser.choose("main .row-fields select", "setting")
    box = "input[aria-label='Select %s']"
    browser.wait_for(lambda: browser.has(box % WORKER))
    browser.click(box % WORKER)
    api = box % "llama70b-b_api"
    browser.wait_for(lambda: browser.property(api, "disabled"))
    selected = "(await import('/static/js/server.js')).store.selected.add('llama70b-b_api')"
    browser.script(selected)  # as in the table of the cluster, where any node can be
    browser.wait_for(lambda: browser.property(api, "checked"))
    browser.wait_for(lambda: not browser.property(api, "disabled"))
    browser.wait_for(lambda: browser.count("#setting-names option") > 50)
    browser.type("main [name=setting]", "min_retrieve_tokens")
    said = "main [aria-label='Review and apply'] p"
    browser.type("main input[name=value]", "many")
    browser.wait_for(lambda: "Enter a number." in browser.texts("main .field-error"))
    browser.wait_for(lambda: browser.property("main .actions button", "disabled"))
    browser.type("main input[name=value]", "64")
    browser.wait_for(lambda: "Now 0 on 1 node" in browser.text(said))
    browser.wait_for(lambda: "1 of 2 selected nodes is skipped" in browser.text(said))
    browser.type("main [name=setting]", "save_decode_cache")
    browser.wait_for(lambda: browser.has("main select[name=value]"))
    options = browser.texts("main select[name=value] option")
    assert options == ["Choose …", "true", "false"]
    browser.choose("main [data-label=instance]", "llama70b-a")
    names = "main tbody th"
    browser.wait_for(lambda: have_all(browser.texts(names), "llama70b-a"))
    assert browser.count(names) == 6


def test_a_list_of_true_and_false_does_not_ask_for_json_before_nodes_are_chosen(page, demo):
    browser = page(demo, "#/many")
    browser.choose("main .row-fields select", "setting")
    hint = "main label:has([name=value]) small"
    browser.wait_for(lambda: browser.text(hint) == "JSON, or plain text")
    browser.type("main [name=setting]", "save_decode_cache")
    browser.wait_for(lambda: browser.has("main select[name=value]"))
    assert browser.text(hint) == "true or false"


def test_a_log_level_goes_to_a_selected_node_by_keyboard(page, demo):
    browser = page(demo, "#/many")
    box = "input[aria-label='Select %s']" % WORKER
    browser.wait_for(lambda: browser.has(box))
    tab_to(browser, "e.name === 'level'")
    browser.press(*"ERR")
    tab_to(browser, 'e.matches("%s")' % box, 80)
    browser.press("Space")
    said = "Now INFO on 1 node. Lasts until a node restarts."
    browser.wait_for(lambda: said in browser.text("#bulk-advice"))
    assert "now INFO" in browser.texts("main tbody td.wrap")
    tab_to(browser, "e.textContent === 'Apply to 1 node'", 80)
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("main .progress") == "Applied to 1 of 1 node")
    answer = demo.ask("/proxy2/%s/loglevel?logger_name=lmcache" % WORKER)
    assert b"ERROR" in answer.body
    browser.wait_for(lambda: "Now ERROR on 1 node." in browser.text("#bulk-advice"))


HOLD = (
    "window.held = []; const send = window.fetch; window.fetch = (path, options) =>"
    " /&level=/.test(path) ? new Promise((go) => window.held.push(go))"
    ".then(() => send(path, options)) : send(path, options)"
)
RELEASE = "for (const go of window.held.splice(0)) go()"
IS_ASKED = (
    "const event = new Event('beforeunload', {cancelable: true});"
    "dispatchEvent(event); return event.defaultPrevented"
)


def test_a_bulk_action_goes_on_while_other_views_are_shown(page, demo):
    browser = page(demo, "#/many")
    browser.wait_for(lambda: browser.count("main tbody th") > 12)
    browser.choose("main [data-label=kind]", "worker")
    browser.click("main thead input[type=checkbox]")
    browser.script(HOLD)
    browser.click("main .actions button.primary")
    browser.wait_for(lambda: browser.script("return window.held.length") == 4)
    browser.click("[data-view=events]")
    browser.wait_for(lambda: browser.text("h1") == "Events")
    assert any("Still applying" in text for text in browser.texts(".toasts .toast"))
    assert browser.script(IS_ASKED)
    browser.click("[data-view=many]")
    browser.wait_for(lambda: "waiting …" in browser.texts("main tbody td"))
    browser.script("document.querySelector('[data-view=events]').click()")
    browser.wait_for(lambda: browser.text("h1") == "Events")
    link = ".places [data-view=many]"
    browser.wait_for(lambda: browser.script(RELEASE) or browser.text(link).endswith("done"))
    said = "Set the log level of lmcache to INFO: Applied to 8 of 8 nodes"
    assert any(said in text for text in browser.texts(".toasts .toast"))
    assert not browser.script(IS_ASKED)
    browser.click("[data-view=many]")
    browser.wait_for(lambda: browser.text("main .progress") == "Applied to 8 of 8 nodes")
    assert browser.text(link) == "Bulk actions"
    # What was seen is not shown again.
    browser.click("[data-view=events]")
    browser.wait_for(lambda: browser.text("h1") == "Events")
    browser.click("[data-view=many]")
    browser.wait_for(lambda: browser.has("main .progress"))
    assert browser.text("main .progress") == ""


def test_nodes_for_a_bulk_action_are_filtered_by_kind_and_selected_ones_are_counted(page, demo):
    browser = page(demo, "#/many")
    browser.wait_for(lambda: browser.count("main tbody th") > 6)
    browser.choose("main [data-label=kind]", "worker")
    names = "main tbody th"
    browser.wait_for(lambda: have_all(browser.texts(names), "worker"))
    browser.click("main thead input[type=checkbox]")
    count = "%d selected" % browser.count(names)
    browser.wait_for(lambda: count in browser.texts("main .panel-head .hint"))
    browser.click("main thead input[type=checkbox]")


@pytest.mark.parametrize("width", [1440, 360])
def test_a_node_that_a_bulk_action_cannot_be_for_says_why_at_every_width(page, demo, width):
    browser = page(demo, "#/many")
    browser.resize(width, 800)
    browser.wait_for(lambda: "has no log levels" in browser.texts("main tbody .lacking"))
    browser.choose("main .row-fields select", "setting")
    browser.wait_for(lambda: "has no settings to change" in browser.texts("main tbody .lacking"))
    cut = (
        "return [...document.querySelectorAll('main tbody .lacking')]"
        ".filter((one) => one.scrollWidth > one.parentNode.clientWidth).length"
    )
    assert browser.script(cut) == 0


@pytest.fixture(scope="module")
def locked_demo(demo):
    """Another frontend of the demo's nodes, which answered once; it trusts its token alone."""
    nodes = demo.ask("/api/status").json()["nodes"]
    entries = [{member: one[member] for member in ("name", "host", "port")} for one in nodes]
    options = ("--nodes", json.dumps(entries), "--trust", "token", "--poll-interval", "3")
    front = Frontend(*options)
    wait_for(lambda: not front.ask("/api/status").json()["counts"]["unknown"], 90)
    yield front
    front.stop()


@pytest.mark.parametrize("tab", ["actions", "cache", "rollout"])
def test_without_the_token_fleet_operations_are_disabled_with_the_reason(page, locked_demo, tab):
    browser = page(locked_demo, "#/many?tab=" + tab)
    last = "main .actions > :nth-last-child(1 of button:not([hidden]))"
    browser.wait_for(lambda: browser.has(last))
    browser.wait_for(lambda: (browser.attribute(last, "title") or "").startswith("Read-only"))
    assert browser.property(last, "disabled")
    browser.wait_for(lambda: browser.text("main .lock-note").startswith("Read-only"))
    assert not browser.count("main .row-fields :is(input, select, textarea):enabled")
    assert browser.count("main .row-fields fieldset[aria-describedby=lock-note]")


def test_a_wrong_token_is_told_in_the_dialog_and_that_of_a_link_in_a_note(page, locked_demo):
    browser = page(locked_demo, "#token=wrong")
    note = "The access token was not accepted: this page is read-only."
    browser.wait_for(lambda: note in browser.text(".toasts"))
    assert browser.script("return sessionStorage.length") == 0
    browser.focus("button.lock")
    browser.press("Enter")
    error = "dialog .field:has([aria-invalid=true]) .field-error"
    for typed, said in (("", "Enter the access token."), ("no", "This token was not accepted.")):
        browser.wait_for(lambda: browser.has("dialog [name=token]:focus"))
        browser.press(*typed, "Enter")
        browser.wait_for(lambda: browser.text(error) == said)
    browser.type("dialog [name=token]", TOKEN)
    browser.press("Enter")
    browser.wait_for(lambda: browser.focused() == "button Editing enabled")
    assert note not in browser.text(".toasts")
    browser.script("sessionStorage.clear()")


def test_a_tab_that_was_left_follows_the_token_when_it_is_shown_again(page, locked_demo):
    browser = page(locked_demo, "#/many")
    browser.wait_for(lambda: browser.count("main tbody th") > 10)
    box = "input[aria-label='Select %s']" % WORKER
    browser.wait_for(lambda: browser.has(box))
    browser.script("document.querySelector(arguments[0]).click()", box)
    poll(browser)
    browser.click("main .tabs [href$='tab=rollout']")
    browser.wait_for(lambda: browser.has("select[name=first]"))
    poll(browser)
    browser.click("main .tabs [href='#/many']")
    browser.click("main .lock-note button")
    browser.type("dialog [name=token]", TOKEN)
    browser.press("Enter")
    browser.wait_for(lambda: not browser.has("main .lock-note"))
    browser.wait_for(lambda: not browser.property("main .actions button", "disabled"))
    browser.script("sessionStorage.clear()")


def test_a_large_table_asks_for_the_trends_of_the_rows_in_view_alone(page, fleet):
    browser = page(fleet, "#/")
    addresses = (
        "return performance.getEntriesByType('resource').map((one) => one.name)"
        ".filter((name) => name.includes('points='))"
    )
    browser.wait_for(lambda: browser.script(addresses))
    (first, *_) = browser.script(addresses)
    rows = browser.script("return document.querySelectorAll('main .data tbody tr.instance').length")
    assert 1 <= first.count("%2C") + first.count(",") + 1 <= rows + 1


def test_a_rollout_says_which_nodes_of_an_instance_it_leaves_out(page, demo):
    browser = page(demo, "#/many?tab=rollout")
    browser.choose("select[name=group]", "i:llama70b-a")
    chosen = "return document.querySelector('select[name=group]').selectedOptions[0].textContent"
    assert browser.script(chosen) == "llama70b-a (5 of 6)"
    assert browser.text(".field:has([name=group]) small") == "1 engine has no settings"


def test_ten_worst_nodes_that_are_fewer_say_why(page, demo):
    browser = page(demo, "#/compare?metric=retrieve_p99&preset=worst")
    summary = "main .picker summary"
    browser.wait_for(lambda: "Nodes: 8 of 15 (all with this metric)" in browser.text(summary))


def test_a_comparison_without_a_reachable_node_says_so(page, start):
    front = start("--node", "gone=127.0.0.1:1")
    browser = page(front, "#/compare")
    browser.wait_for(lambda: "No node is reachable" in browser.text("main"))


@pytest.mark.parametrize(
    "width, view, last",
    [
        (1440, "#/many?action=setting", ".row-fields .field"),
        (768, "#/many", ".filters > select"),
    ],
)
def test_rows_of_fields_end_where_the_table_below_them_does(page, demo, width, view, last):
    browser = page(demo, view)
    browser.resize(width, 900)
    browser.wait_for(lambda: browser.has("main " + last))
    edge = "const at = (one) => one.getBoundingClientRect().right;"
    edge += "const all = [...document.querySelectorAll('main ' + arguments[0])];"
    edge += "const place = all[0].closest('.panel').querySelector('.table-wrap, .row-fields');"
    edge += "return at(place) - Math.max(...all.map(at))"
    assert abs(browser.script(edge, last)) < 1


@pytest.mark.parametrize("width, tab", [(1440, "rollout"), (768, "rollout"), (768, "cache")])
def test_fields_of_bulk_actions_stand_in_columns_of_one_width(page, demo, width, tab):
    browser = page(demo, f"#/many?tab={tab}")
    browser.resize(width, 900)
    browser.wait_for(lambda: browser.has("main .row-fields"))
    columns = "const fields = '.field:not(.wide), .server-boxes';"
    columns += "return [...document.querySelectorAll(`main .row-fields :is(${fields})`)]"
    columns += ".map((one) => one.getBoundingClientRect())"
    columns += ".map(({ left, width }) => `${left.toFixed(1)} ${width.toFixed(1)}`)"
    found = set(browser.script(columns))
    assert len(found) == {1440: 4, 768: 2 if tab == "rollout" else 3}[width]
    assert len({column.split()[1] for column in found}) == 1


def test_the_heads_of_groups_of_settings_are_whole_on_a_telephone(page, demo):
    browser = page(demo, "#/node/llama70b-a_worker0/config")
    browser.resize(360, 800)
    browser.wait_for(lambda: browser.has("main .group-text"))
    cut = "return [...document.querySelectorAll('main .group-text > b')]"
    cut += ".filter((one) => one.getClientRects().length > 1 || one.offsetHeight > 24)"
    cut += ".map((one) => one.textContent)"
    assert browser.script(cut) == []
