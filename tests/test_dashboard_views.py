"""The dashboard's shell and its views over many nodes, in a real browser.

The views are Cluster, Compare, Bulk actions and Nodes.
"""

import glob
import json
import os
import re

import lmcache_frontend as lf
import pytest
from conftest import short_socket_path
from support.frontend import ROOT, TOKEN, Frontend, wait_for
from support.nodes import NodeServer
from support.page import poll

pytestmark = pytest.mark.browser
NAMES = "main .data tbody th[scope=row] :is(a, .fold)"
KIB = 1024
# A selector whose :has() is asked anew whenever anything changes in the page, or in a row.
BROAD = re.compile(r"(?:^|[\s,>+~])(?:html|body|main|table|tbody|tr|th|td)[\w.:()\[\]-]*?:has\(")


def history_of(front, metric):
    """The cluster's values of a metric in the last minutes."""
    answer = front.ask("/api/history?metric=%s&seconds=300" % metric).json()
    return [value for value in answer["series"][0]["values"] if value is not None]


@pytest.fixture(scope="module")
def fleet():
    """A frontend without --config that watches ten nodes.

    Two instances of a scheduler and three workers, an MP server and a dead node.
    """
    instances = [
        {"name": "demo%03d" % index, "workers": 3, "engine": False, "model": "example/demo-8b"}
        for index in range(2)
    ]
    instances.append({"name": "demo_mp", "role": "mp", "model": "example/demo-8b"})
    cluster = lf.DemoCluster(instances, story=False)
    entries = [
        *cluster.start(),
        {"name": "dead", "host": "127.0.0.1", "port": "/tmp/nowhere/socket_9090"},
    ]
    front = Frontend("--nodes", json.dumps(entries), "--poll-interval", "1")
    wait_for(
        lambda: (
            front.ask("/api/status").json()["counts"]
            == {"up": 9, "degraded": 0, "down": 1, "unknown": 0, "total": 10}
        ),
        20,
    )
    # All tiles and charts of the first view have values.
    wait_for(lambda: len(history_of(front, "lookup_hit_rate")) > 3, 30)
    yield front
    front.stop()
    cluster.stop()


@pytest.fixture
def page(browser, start):
    """Open a fragment of a frontend's page; those of ``start`` run until its console was read.

    What it stored in the browser is forgotten with the test.
    """

    def visit(front, fragment=""):
        browser.leave()
        browser.goto(front.url + "/" + fragment)
        browser.wait_for(
            lambda: browser.has("main h1") and browser.has("nav .side-tree, nav .places")
        )
        return browser

    yield visit
    browser.script(
        "if (location.protocol === 'http:') { localStorage.clear(); sessionStorage.clear(); }"
    )
    browser.emulate()


def node_status(front, key):
    return next(node for node in front.ask("/api/status").json()["nodes"] if node["key"] == key)


def names(browser):
    return browser.texts(NAMES)


def button(browser, text, within="main"):
    """Click the button of that text."""
    find = (
        "return [...document.querySelectorAll(arguments[0] + ' button, "
        "' + arguments[0] + ' a.button')].find(e => e.innerText.trim() === arguments[1] && "
        "!e.disabled)"
    )
    browser.wait_for(lambda: browser.script(find, within, text))
    browser.script(find.replace("return", "(", 1) + ").click()", within, text)


def loaded(browser):
    """Wait until a table has its rows."""
    browser.wait_for(lambda: browser.has("main .data tbody th[scope=row]"))


def ask_nodes_now(browser):
    browser.script("return (await import('/static/js/server.js')).refreshNow()")


# ---- Cluster


def test_the_cluster_is_filtered_by_an_environment_variable_and_by_its_value(page, fleet):
    browser = page(fleet, "#/")
    loaded(browser)
    browser.click("main .tools .pop summary")
    is_open = "return document.querySelector('.env-filter')?.getClientRects().length > 0"
    browser.wait_for(lambda: browser.script(is_open))
    browser.type(".env-filter", "CUDA_VISIBLE_DEVICES=1")
    browser.press("Enter")
    browser.wait_for(lambda: "match" in browser.text("main .tools .progress"))
    matching = sorted(names(browser))
    devices = {
        key: json.loads(fleet.ask("/proxy2/%s/env" % key).body).get("CUDA_VISIBLE_DEVICES")
        for key in ("demo000_worker1", "demo000_worker0")
    }
    shown = {key: key.rpartition("_")[2] in matching for key in devices}
    assert shown == {key: device == "1" for key, device in devices.items()}, matching
    browser.type(".env-filter", "NO_SUCH_VARIABLE")
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("main .tools .progress") == "0 nodes match")
    assert names(browser) == [] and "Nothing matches" in browser.text("main .empty-row")
    button(browser, "Env NO_SUCH_VARIABLE ×", "main .tools")  # says which filter is on
    browser.wait_for(lambda: len(names(browser)) > len(matching))
    assert "env=" not in browser.script("return location.hash")
    assert not [text for text in browser.texts("main .tools button:not([hidden])") if "Env" in text]
    page(fleet, "#/?env=CUDA_VISIBLE_DEVICES%3D1")  # the same as a link
    browser.wait_for(lambda: sorted(names(browser)) == matching)
    browser.wait_for(lambda: "match" in browser.text("main .tools .progress"))
    browser.script("location.hash = '#/'")
    browser.wait_for(lambda: browser.text("main .tools .progress") == "")


def test_a_node_that_goes_down_and_comes_back_is_seen_in_the_row_the_title_and_the_alerts(
    page, start
):
    path = short_socket_path()
    node = NodeServer(path)
    front = start("--node", "w0=" + path, "--poll-interval", "1")
    browser = page(front, "#/")
    browser.wait_for(lambda: "up" in browser.text("main .data tbody td .state"))
    assert browser.title == "LMCache"
    node.close()
    wait_for(lambda: node_status(front, "w0")["state"] == "down", 20)
    ask_nodes_now(browser)
    browser.wait_for(lambda: "down" in browser.text("main .data tbody td .state"))
    browser.wait_for(lambda: browser.title == "1 down · LMCache")
    assert "no such socket" in browser.text("main .data tbody th")
    assert "w0" in browser.wait_for(lambda: browser.text("main .alerts"))
    with NodeServer(path):
        wait_for(lambda: node_status(front, "w0")["state"] == "up", 20)
        ask_nodes_now(browser)
        browser.wait_for(lambda: browser.title == "LMCache")
        assert "up" in browser.text("main .data tbody td .state")


# ---- the shell


def test_the_first_load_is_small(page, fleet):
    browser = page(fleet, "#/")
    loaded(browser)
    # Other views load a second after the first status: they are not part of the first load.
    sizes = browser.script(
        "const loads = performance.getEntriesByType('resource');"
        "const status = loads.find((one) => one.name.includes('/api/status'));"
        "return [...performance.getEntriesByType('navigation'), ...loads]"
        ".filter((one) => one.startTime < status.responseEnd + 1000)"
        ".map((one) => [one.name, one.transferSize])"
    )
    assert sum(size for _, size in sizes) < 200 * KIB, sizes
    files = {name.partition("?")[0] for name, _ in sizes}
    assert len(files) <= 25, sorted(files)


def test_the_first_status_is_asked_for_once_and_by_the_page_itself(page, fleet):
    browser = page(fleet, "#/")
    loaded(browser)
    asked = browser.script(
        "return performance.getEntriesByType('resource').filter(e => "
        "e.name.includes('/api/status')).map(e => e.initiatorType)"
    )
    assert asked[0] == "link" and len([one for one in asked if one == "link"]) == 1
    first = browser.script(
        "return performance.getEntriesByType('resource').filter(e => "
        "e.name.includes('/api/status')).map(e => e.startTime)"
    )
    assert len(first) == 1 or first[1] - first[0] > 2000  # the next is the first poll after it


def test_no_style_looks_into_the_rows_of_tables_or_into_the_whole_page():
    # With a thousand nodes each tick of a clock would cost 50 ms and more.
    found = []
    for path in sorted(glob.glob(os.path.join(ROOT, "static", "*.css"))):
        with open(path, encoding="utf-8") as file:
            rules = re.findall(r"([^{}]+)\{", file.read())
        found += [rule.strip() for rule in rules if BROAD.search(rule)]
    assert found == []


def test_a_page_that_is_not_seen_does_not_ask_and_asks_at_once_when_it_is_shown(page, fleet):
    browser = page(fleet, "#/")
    loaded(browser)
    browser.script("(await import('/static/js/server.js')).setRefresh(0.3)")
    show = (
        "Object.defineProperty(document, 'hidden', {configurable: true, "
        "get: () => arguments[0]}); document.dispatchEvent(new Event('visibilitychange'))"
    )
    polls = lambda: sum("/api/status" in url for url in browser.requests())  # noqa: E731
    browser.wait_for(polls)
    browser.script(show.replace("arguments[0]", "true"))
    poll(browser)  # what was on its way is done
    polls()
    # Three times the interval.
    browser.script("await new Promise((done) => setTimeout(done, 900))")
    assert polls() == 0
    browser.script(show.replace("arguments[0]", "false"))
    browser.wait_for(polls)


@pytest.mark.parametrize(
    "fragment",
    [
        "#/",
        "#/compare",
        "#/nodes",
        "#/many",
        "#/node/demo000_worker0/overview",
        "#/node/demo000_worker0/cache",
    ],
)
def test_nothing_jumps_while_data_arrives(page, fleet, fragment):
    browser = page(fleet, fragment)
    browser.script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((e) => "
        "{ if (!e.hadRecentInput) window.shift += e.value; }))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    browser.wait_for(lambda: "demo000" in browser.text("main"))
    first = browser.script("return (await import('/static/js/server.js')).store.received")
    poll(browser)
    browser.wait_for(
        lambda: (
            browser.script("return (await import('/static/js/server.js')).store.received") > first
        )
    )
    assert (
        browser.script("await new Promise((done) => setTimeout(done, 300)); return window.shift")
        < 0.1
    )


@pytest.mark.parametrize("fragment", ["#/", "#/compare", "#/nodes", "#/many"])
def test_a_telephone_never_scrolls_sideways(page, fleet, fragment):
    browser = page(fleet, fragment)
    browser.resize(360, 780)
    browser.wait_for(lambda: "demo000" in browser.text("main"))
    browser.settle()
    browser.wait_for(lambda: browser.script("return document.documentElement.scrollWidth") <= 360)
    assert browser.script(
        "return [...document.querySelectorAll('main .data')].every(e => e.scrollWidth <= "
        "e.parentNode.clientWidth + 1)"
    )


@pytest.mark.parametrize("fragment", ["#/", "#/compare", "#/many"])
def test_without_nodes_a_view_says_what_to_do_and_fills_itself_when_there_is_one(
    page, start, node, tmp_path, fragment
):
    config = tmp_path / "nodes.json"
    config.write_text("[]")
    front = start("--config", config)
    browser = page(front, fragment)
    browser.wait_for(lambda: "--config nodes.json" in browser.text("main .empty"))
    assert browser.has("main .empty a[href='#/nodes?add=1']")
    front.ask("/api/nodes", "POST", {"name": "w0", "host": "127.0.0.1", "port": node.port})
    ask_nodes_now(browser)
    browser.wait_for(lambda: "w0" in browser.text("main"))
    assert "--config nodes.json" not in browser.text("main")


def test_a_node_that_was_added_is_one_event_and_one_that_could_not_be_is_none(page, start, node):
    front = start("--node", "w0=%s" % node.address)
    wait_for(lambda: front.ask("/api/status").json()["counts"]["up"] == 1)
    new = {"name": "w1", "host": "127.0.0.1", "port": node.port}
    assert front.ask("/api/nodes", "POST", new).status == 200
    assert front.ask("/api/nodes", "POST", new).status == 409
    browser = page(front, "#/events")
    texts = (
        "return [...document.querySelectorAll('main .event-text')].map((one) => one.textContent)"
    )
    browser.wait_for(lambda: "Added a node: w1" in browser.script(texts))
    told = browser.script(texts)
    assert not any("/api/nodes" in text or text.startswith("Node ") for text in told), told
    # A frontend, too, has one event, which names it, links it and is among those of its page.
    rack = {"name": "rack1", "host": "127.0.0.1", "port": node.port}
    assert front.ask("/api/proxies", "POST", rack).status == 200
    browser.wait_for(lambda: "Added a frontend: rack1" in browser.script(texts))
    told = browser.script(texts)
    assert not any(text.startswith(("Frontend added", "Node added")) for text in told), told
    browser.wait_for(lambda: browser.has("main .event-text a[href^='#/node/rack1/']"))
    own = front.ask("/api/events?node=rack1&kind=nodes").json()["events"]
    assert [one["text"] for one in own] == ["Added a frontend: rack1"]


def test_that_there_are_no_nodes_is_said_when_the_server_has_said_so(page, browser, fleet):
    browser.devtools("Network.enable")
    browser.devtools("Network.setBlockedURLs", urls=["*/api/*"])
    try:
        page(fleet, "#/nodes")
        browser.wait_for(
            lambda: "No connection" in browser.text(".banner") and browser.has("main thead th")
        )
        assert "No nodes yet" not in browser.text("main")
    finally:
        browser.devtools("Network.setBlockedURLs", urls=[])
        browser.devtools("Network.disable")


def test_the_link_to_add_a_node_opens_the_dialog(page, fleet):
    browser = page(fleet, "#/nodes?add=1")
    browser.wait_for(lambda: browser.has("dialog[open]"))
    assert browser.script("return location.hash") == "#/nodes"


def test_a_share_is_never_shown_as_none_at_all(page, fleet):
    shown = page(fleet, "#/").script(
        "const {format} = await import('/static/js/format.js'); return [0, 1e-6, 1.2e-5, 4e-4, "
        "0.5, 1].map((value) => format(value, 'ratio'))"
    )
    assert [text.replace("\u202f", " ") for text in shown] == [
        "0%",
        "< 0.001%",
        "0.001%",
        "0.040%",
        "50.0%",
        "100%",
    ]


def test_deep_links_go_back_and_forth(page, fleet):
    browser = page(fleet, "#/node/demo000_worker1/config")
    browser.wait_for(lambda: browser.text("h1") == "demo000_worker1")
    assert browser.text(".tabs [aria-current=page]") == "Config"
    browser.click("nav .places a[href='#/nodes']")
    browser.wait_for(lambda: browser.text("h1") == "Nodes")
    assert (
        browser.attribute("nav .places a[href='#/nodes']", "aria-current") == "page"
        and browser.title == "1 down · Nodes · LMCache"
    )
    browser.back()
    browser.wait_for(
        lambda: (
            browser.text("h1") == "demo000_worker1"
            and browser.text(".tabs [aria-current=page]") == "Config"
        )
    )
    browser.script("history.forward()")
    browser.wait_for(lambda: browser.text("h1") == "Nodes")


def test_the_choice_of_theme_is_kept_and_the_system_is_followed_without_one(page, fleet):
    browser = page(fleet, "#/")
    theme = lambda: browser.script("return document.documentElement.dataset.theme")  # noqa: E731
    browser.emulate(prefers_color_scheme="dark")
    browser.wait_for(lambda: theme() == "dark")
    browser.click("header button[aria-label^='Theme:']")  # as the system -> light
    browser.wait_for(lambda: theme() == "light")
    browser.reload()
    browser.wait_for(lambda: browser.has("header button[aria-label='Theme: light. Change']"))
    assert theme() == "light"


def test_the_requests_of_a_view_that_is_left_are_aborted(page, fleet):
    browser = page(fleet, "#/")
    loaded(browser)
    browser.script(
        "window.asked = []; window.fetch = (url, {signal}) => new Promise((_, "
        "fail) => { asked.push([url, signal]); signal.addEventListener('abort', "
        "() => fail(new Error('aborted'))); });"
        "location.hash = '#/compare'"
    )
    open_ones = (
        "return asked.filter(([url, "
        "signal]) => url.includes('api/history') && signal.aborted === arguments[0]).length"
    )
    browser.wait_for(lambda: browser.script(open_ones, False) > 0)
    browser.script("location.hash = '#/nodes'")
    browser.wait_for(
        lambda: browser.script(open_ones, False) == 0 and browser.script(open_ones, True) > 0
    )


def test_a_lost_server_is_asked_ever_less_often_and_the_title_says_so(page, fleet):
    browser = page(fleet, "#/")
    loaded(browser)
    browser.script("window.fetch = () => Promise.reject(new Error('gone'))")
    waits = browser.script(
        "const {store, poll} = await import('/static/js/server.js'); const waits = [];"
        "const pause = () => new Promise((done) => setTimeout(done));"
        "for (let i = 1; i <= 7; i += 1) {"
        # A request may have been on its way: then this one waits for it alone.
        " while (store.failures < i) { await poll(); await pause(); }"
        " waits.push(Math.round(store.retryAt - Date.now() / 1000)); } return waits"
    )
    assert waits == sorted(waits) and waits[0] <= 1 < waits[3] <= waits[6] == 10
    assert browser.title == "No connection · LMCache"
    assert "No connection" in browser.text(".banner") and browser.has(".banner button")


def test_without_the_token_what_needs_it_is_disabled_with_the_reason_and_a_pasted_token_unlocks(
    page, start, node
):
    front = start("--node", "w0=" + node.address, "--trust", "token")
    browser = page(front, "#/nodes")
    browser.wait_for(lambda: "Read-only" in browser.text("header .lock"))
    add = "main .tools button"
    assert browser.property(add, "disabled") and "Read-only" in browser.attribute(add, "title")
    page(front, "#/")
    loaded(browser)
    browser.click("main .tools .pop summary")
    browser.wait_for(
        lambda: browser.has(".env-filter") and browser.property(".env-filter", "disabled")
    )
    page(front, "#/nodes")
    browser.wait_for(lambda: "Read-only" in browser.text("header .lock"))
    browser.click("header .lock")
    browser.type("dialog input[name=token]", "wrong")
    browser.press("Enter")
    browser.wait_for(lambda: browser.has("dialog .field-error"))
    browser.type("dialog input[name=token]", TOKEN)
    browser.press("Enter")
    browser.wait_for(lambda: browser.text("header .lock") == "Editing enabled")
    browser.wait_for(lambda: not browser.property(add, "disabled"))
    assert (
        browser.script("return sessionStorage.getItem('lmcache.token')") == TOKEN
        and TOKEN not in browser.url
    )
    browser.click("header .lock")
    browser.wait_for(
        lambda: browser.text("header .lock") == "Read-only" and browser.property(add, "disabled")
    )


# ---- Compare and the charts


def test_compare_draws_a_chart_with_its_figures_and_marks_the_odd_one_out(page, fleet):
    workers = ["demo000_worker%d" % i for i in range(3)]
    old = json.loads(fleet.ask("/proxy2/demo000_worker1/conf?names=min_retrieve_tokens").body)[
        "min_retrieve_tokens"
    ]
    fleet.ask("/proxy2/demo000_worker1/conf", "POST", {"min_retrieve_tokens": 777})
    try:
        browser = page(fleet, "#/compare?metric=hit_tokens_per_second&nodes=" + ",".join(workers))
        browser.wait_for(lambda: browser.count("main svg path.line") == 3)
        assert sorted(browser.texts("main .isolate")) == workers
        browser.wait_for(lambda: "777" in browser.text(".drift"))
        assert (
            browser.texts(".drift tbody tr")
            and "◆ 777" in browser.text(".drift")
            and "demo000_worker1" in browser.text(".drift")
        )
    finally:
        fleet.ask("/proxy2/demo000_worker1/conf", "POST", {"min_retrieve_tokens": old})


def test_compare_leaves_out_a_removed_node_and_says_so(page, fleet):
    nodes = "demo000_worker0,long_gone,demo000_worker1"
    browser = page(fleet, "#/compare?metric=local_cache_bytes&nodes=" + nodes)
    browser.wait_for(lambda: browser.count("main svg path.line") == 2)
    assert "No history of removed nodes: long_gone." in browser.text("main .panel-line")
    assert "long_gone" not in browser.url


def test_the_swatches_of_compare_have_the_colours_and_dashes_of_its_lines(page, fleet):
    workers = ["demo000_worker%d" % i for i in range(3)]
    browser = page(fleet, "#/compare?metric=local_cache_bytes&nodes=" + ",".join(workers))
    browser.wait_for(lambda: browser.count("main svg path.line") == 3)
    looks = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map((one) => one.getAttribute('class').match(/c\\d d\\d/)[0]).sort()"
    )
    swatches = browser.script(looks, "main .isolate .swatch")
    assert browser.script(looks, "main svg path.line") == swatches
    assert len({look.split()[1] for look in swatches}) == 3, "told apart without their colours"
    masks = "return [...document.querySelectorAll('main .isolate .swatch.d%d')]"
    masks += ".map((one) => getComputedStyle(one).maskImage)"
    assert "6px" in browser.script(masks % 1)[0] and "2px" in browser.script(masks % 2)[0]
    assert browser.style("main svg path.line.d1", "stroke-dasharray") == "6px, 3px"
    # A line that is shown alone looks as it did.
    browser.click("main .isolate:has(.swatch.d2)")
    browser.wait_for(lambda: browser.count("main svg path.line") == 1)
    assert browser.has("main svg path.line.d2")


def test_a_chart_says_its_values_under_the_pointer_zooms_by_dragging_and_has_a_table(page, fleet):
    browser = page(
        fleet, "#/compare?metric=local_cache_bytes&nodes=demo000_worker0,demo000_worker1"
    )
    browser.wait_for(lambda: browser.count("main svg path.line") == 2)
    cut = (
        "const box = document.querySelector('main .chart-svg').getBoundingClientRect(); "
        "return [...document.querySelectorAll('main .tick')].filter(e => { const b = "
        "e.getBoundingClientRect(); return b.left < box.left || b.right > box.right + 1; "
        "}).map(e => e.textContent)"
    )
    assert browser.script(cut) == []  # every label of the axes is whole
    browser.box("main .chart-svg")
    left, top, width, last = browser.script(
        "const b = document.querySelector('main .chart-svg').getBoundingClientRect(); "
        "const line = document.querySelector('main svg path.line'); "
        "const end = line.getPointAtLength(line.getTotalLength()); "
        "return [b.left, b.top, b.width, b.left + end.x]"
    )
    mouse = lambda kind, share: browser.devtools(  # noqa: E731
        "Input.dispatchMouseEvent",
        type=kind,
        x=left + width * share,
        y=top + 60,
        button="left",
        buttons=1,
        clickCount=1,
    )
    browser.devtools("Input.dispatchMouseEvent", type="mouseMoved", x=last, y=top + 60)
    browser.wait_for(
        lambda: (
            "demo000_worker0" in browser.text("main .chart-tip")
            and "GiB" in browser.text("main .chart-tip")
        )
    )
    mouse("mousePressed", 0.8)
    mouse("mouseMoved", 0.9)
    mouse("mouseReleased", 0.9)
    browser.wait_for(lambda: "from=" in browser.url and "to=" in browser.url)
    browser.back()
    browser.wait_for(lambda: "from=" not in browser.url)
    browser.script("document.querySelector('main .chart-table').open = true")
    browser.wait_for(
        lambda: (
            sorted(browser.texts("main .chart-table thead th"))
            == ["Time", "demo000_worker0", "demo000_worker1"]
        )
    )
    assert "GiB" in browser.text("main .chart-table tbody td")
    assert "Last: demo000_worker" in browser.attribute("main .chart-svg", "aria-label")


# ---- Bulk actions


def test_a_log_level_set_on_the_selected_nodes_is_seen_on_each(page, fleet):
    browser = page(fleet, "#/?q=demo001_worker")
    browser.wait_for(lambda: len(names(browser)) == 4)  # the instance, and three ranks below it
    browser.click("main thead input[type=checkbox]")
    browser.wait_for(lambda: browser.text(".selection b") == "3 nodes selected")
    button(browser, "Bulk actions")
    browser.wait_for(lambda: browser.text("h1") == "Bulk actions")
    browser.type("input[name=logger]", "lmcache.v1.cache_engine")
    browser.choose("select[name=level]", "ERROR")
    said = browser.texts("main [aria-label='Review and apply'] p")
    assert any(text.startswith("Set the log level of lmcache.v1.cache_engine") for text in said)
    browser.click("main [aria-label='Review and apply'] summary")
    preview = browser.wait_for(lambda: browser.text("main pre.block"))
    assert browser.style("main pre.block", "white-space") == "pre-wrap"
    assert preview.count("level=") == 3 and "demo001_worker2" in preview
    button(browser, "Apply to 3 nodes")
    browser.wait_for(lambda: browser.text("main .progress") == "Applied to 3 of 3 nodes")
    assert browser.count("main td .state.up + .state.up, main td.wrap .state.up") == 3
    go = "main [aria-label='Review and apply'] .actions button"
    browser.wait_for(lambda: browser.property(go, "disabled"))
    browser.choose("select[name=level]", "INFO")
    browser.wait_for(lambda: not browser.property(go, "disabled"))
    for worker in range(3):
        answer = fleet.ask(
            "/proxy2/demo001_worker%d/loglevel?logger_name=lmcache.v1.cache_engine" % worker
        )
        assert b"ERROR" in answer.body
    assert (
        b"ERROR"
        not in fleet.ask(
            "/proxy2/demo000_worker0/loglevel?logger_name=lmcache.v1.cache_engine"
        ).body
    )


def test_a_backend_is_bypassed_and_used_again_on_the_selected_nodes_and_a_refusal_is_said_per_node(
    page, fleet
):
    browser = page(fleet, "#/?q=demo000_worker")
    browser.wait_for(lambda: len(names(browser)) == 4)  # the instance, and three ranks below it
    browser.click("main thead input[type=checkbox]")
    button(browser, "Bulk actions")
    bypassed = lambda: [
        json.loads(fleet.ask("/proxy2/demo000_worker%d/bypass/list" % i).body)["bypassed_backends"]
        for i in range(3)
    ]  # noqa: E731
    for action, after in (("bypass", ["LocalDiskBackend"]), ("unbypass", [])):
        browser.choose("main .row-fields select", action)
        browser.type("input[name=backend]", "LocalDiskBackend")
        button(browser, "Apply to 3 nodes")
        browser.wait_for(lambda: bypassed() == [after] * 3)
    browser.choose("main .row-fields select", "bypass")
    browser.type("input[name=backend]", "NoSuchBackend")
    button(browser, "Apply to 3 nodes")
    browser.wait_for(lambda: browser.text("main .progress") == "Applied to 0 of 3 nodes, 3 failed")
    browser.wait_for(lambda: browser.count("main td.wrap .state.down") == 3)


# ---- Nodes


def fill(browser, **fields):
    for name, value in fields.items():
        browser.type("dialog input[name=%s]" % name, value)


def row_button(browser, text, name):
    find = (
        "[...document.querySelectorAll('main tbody tr')].find(e => e.querySelector('th') && "
        "e.querySelector('th').innerText.trim() === arguments[0])"
    )
    browser.wait_for(lambda: browser.script("return !!" + find, name))
    browser.script(
        "[...%s.querySelectorAll('button')].find(e => e.innerText.trim() === arguments[1]).click()"
        % find,
        name,
        text,
    )


def test_a_node_is_added_changed_and_removed_and_each_change_is_written_to_the_config_file(
    page, start, node, tmp_path
):
    config = tmp_path / "nodes.json"
    config.write_text("[]")
    front = start("--config", config, "--poll-interval", "1")
    browser = page(front, "#/nodes")
    browser.wait_for(lambda: str(config) in browser.text("main"))
    button(browser, "Add a node")
    fill(browser, name="w0", host="127.0.0.1", port=str(node.port))
    button(browser, "Test connection", "dialog")
    browser.wait_for(lambda: "Responds in" in browser.text("dialog"))
    button(browser, "Add", "dialog")
    browser.wait_for(lambda: names(browser) == ["w0"])
    assert any(os.path.basename(str(config)) in text for text in browser.texts(".toast"))
    assert [entry["name"] for entry in json.loads(config.read_text())] == ["w0"]
    row_button(browser, "Edit", "w0")
    fill(browser, name="w1")
    button(browser, "Save", "dialog")
    browser.wait_for(lambda: names(browser) == ["w1"])
    assert [entry["name"] for entry in json.loads(config.read_text())] == ["w1"]
    row_button(browser, "Remove", "w1")
    button(browser, "Remove", "dialog")
    browser.wait_for(lambda: "No nodes yet" in browser.text("main"))
    assert json.loads(config.read_text()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_that_is_listed_already_is_added_only_when_that_is_meant(
    page, start, node, host
):
    browser = page(start("--node", "w0=" + node.address), "#/nodes")
    browser.wait_for(lambda: names(browser) == ["w0"])
    button(browser, "Add a node")
    fill(browser, name="w9", host=host, port=str(node.port))
    button(browser, "Test connection", "dialog")
    browser.wait_for(lambda: "This address is that of w0." in browser.text("dialog"))
    button(browser, "Add", "dialog")
    error = "dialog label:has(input[name=port]) .field-error"
    said = "This address is that of w0: what it reports would be counted twice."
    browser.wait_for(lambda: browser.has(error) and browser.text(error) == said)
    assert names(browser) == ["w0"]
    button(browser, "Add anyway", "dialog")
    browser.wait_for(lambda: names(browser) == ["w0", "w9"])


def test_a_node_on_a_port_needs_a_host_and_one_on_a_socket_none(page, start, uds_node):
    browser = page(start(), "#/nodes")
    button(browser, "Add a node")
    fill(browser, name="w0", port="7000")
    error = "dialog label:has(input[name=host]) .field-error"
    for label in ("Add", "Test connection"):
        button(browser, label, "dialog")
        browser.wait_for(lambda: browser.has(error) and "Enter a host." in browser.text(error))
    fill(browser, port=uds_node.address)
    button(browser, "Test connection", "dialog")
    browser.wait_for(lambda: not browser.has(error) or browser.text(error) == "")


@pytest.mark.parametrize("label", ["Add", "Test connection"])
def test_a_socket_that_needs_the_token_offers_to_enter_it_and_goes_on(page, start, uds_node, label):
    browser = page(start(), "#/nodes")
    browser.wait_for(lambda: browser.text("header .lock") == "Editing enabled")
    button(browser, "Add a node")
    fill(browser, name="w0", port=uds_node.address)
    button(browser, label, "dialog")
    error = "dialog label:has(input[name=port]) .field-error"
    browser.wait_for(lambda: "use the access token, or start the" in browser.text(error))
    button(browser, "Enter access token", "dialog")
    token = "dialog:last-of-type [name=token]"
    browser.wait_for(lambda: browser.has(token + ":focus"))
    assert browser.label("dialog:last-of-type") == "Use the access token"
    browser.press(*"wrong", "Enter")
    refused = "dialog .field:has([name=token][aria-invalid=true]) .field-error"
    browser.wait_for(lambda: browser.text(refused) == "This token was not accepted.")
    assert browser.text("header .lock") == "Editing enabled"
    browser.type(token, TOKEN)
    browser.press("Enter")
    if label == "Add":
        browser.wait_for(lambda: names(browser) == ["w0"])
    else:
        browser.wait_for(lambda: "Responds in" in browser.text("dialog"))
        assert not browser.has("dialog .field-error[data-field]")
    browser.script("sessionStorage.clear()")


def test_all_that_is_missing_for_a_new_node_is_told_at_once_each_at_its_field(page, start):
    browser = page(start(), "#/nodes")
    host = "Enter a host. A node on the frontend’s own host is at 127.0.0.1."
    port = "Enter a port, or the path of a Unix socket."
    at = "dialog .field:has(> [name=%s][aria-invalid=true][aria-describedby=error-%s]) .field-error"
    at_all = "dialog .field-error[data-field]"
    button(browser, "Add a node")
    button(browser, "Add", "dialog")
    browser.wait_for(lambda: browser.texts(at_all) == ["Enter a name.", host, port])
    for name in ("name", "host", "port"):
        assert browser.has(at % (name, name))
    assert browser.has("dialog [name=name]:focus")
    button(browser, "Test connection", "dialog")  # which needs no name
    browser.wait_for(lambda: browser.texts(at_all) == [host, port])
    browser.wait_for(lambda: browser.has("dialog [name=host]:focus"))
    assert not browser.has("dialog [name=name]:is([aria-invalid], [aria-describedby])")
    names = ("name", "port")
    edges = [browser.style("dialog [name=%s]" % name, "border-top-color") for name in names]
    assert edges[1] == browser.style("dialog .field-error", "color") != edges[0]
    fill(browser, name=" ", host="10.0.0.5", port="7000")
    button(browser, "Add", "dialog")
    browser.wait_for(lambda: browser.texts(at_all) == ["Enter a name."])


@pytest.mark.parametrize("pasted", ["127.0.0.1:%d", "http://localhost:%d/"])
def test_an_address_that_is_pasted_as_the_host_gives_its_port_to_the_ports_field(
    page, start, node, pasted
):
    browser = page(start(), "#/nodes")
    button(browser, "Add a node")
    fill(browser, host=pasted % node.port)
    browser.press("Tab")
    button(browser, "Test connection", "dialog")
    browser.wait_for(lambda: "Responds in" in browser.text("dialog"))
    port = "return document.querySelector('dialog input[name=port]').value"
    assert browser.script(port) == str(node.port)


def test_an_empty_frontend_names_the_ways_to_nodes_and_its_events_ask_for_no_other_range(
    page, start
):
    front = start("--port", "0")
    browser = page(front, "#/")
    browser.wait_for(lambda: "No nodes yet" in browser.text("main .empty"))
    for option in ("--demo", "--config", "--coordinator-url", "--dns", "--discovery"):
        assert option in browser.text("main .empty")
    # An option stands with its value.
    assert "--node w0=10.0.0.5:7000" in browser.texts("main .commands i")
    command = "main .commands button[aria-label='Copy python3 lmcache_frontend.py --demo']"
    browser.click(command)
    browser.wait_for(lambda: "Command copied" in browser.text(".toasts"))
    browser = page(front, "#/events")
    browser.wait_for(lambda: "has no nodes yet" in browser.text("main"))
    assert "longer time range" not in browser.text("main")


def test_the_servers_error_stands_beside_its_field_and_the_page_says_how_long_nodes_stay(
    page, start, node
):
    front = start("--node", "w0=" + node.address)
    browser = page(front, "#/nodes")
    browser.wait_for(lambda: "until the frontend stops" in browser.text("main"))
    button(browser, "Add a node")
    fill(browser, name="w0", host="127.0.0.1", port="9")
    button(browser, "Add", "dialog")
    browser.wait_for(lambda: browser.has("dialog input[name=name][aria-invalid=true]"))
    assert browser.has("dialog label:has(input[name=name]) .field-error")
    fill(browser, name="w1", port="99999")
    button(browser, "Add", "dialog")
    error = "dialog label:has(input[name=port]) .field-error"
    said = "Port '99999' is neither a number from 1 to 65535 nor a socket path."
    browser.wait_for(lambda: browser.has(error) and browser.text(error) == said)
    button(browser, "Test connection", "dialog")
    browser.wait_for(lambda: browser.has(error) and browser.text(error) == said)
    fill(browser, port="")
    for action in ("Test connection", "Add"):
        button(browser, action, "dialog")
        said = "Enter a port, or the path of a Unix socket."
        browser.wait_for(lambda: browser.has(error) and browser.text(error) == said)
        fill(browser, port=" ")
    fill(browser, port="9")
    button(browser, "Test connection", "dialog")
    said = "127.0.0.1:9: connection refused. Is the node running?"
    browser.wait_for(lambda: browser.has(error) and browser.text(error) == said)
    fill(browser, host="localhost")
    button(browser, "Add", "dialog")
    browser.wait_for(lambda: not browser.has("dialog") and sorted(names(browser)) == ["w0", "w1"])
    assert not any("written to" in text for text in browser.texts(".toast"))


def test_what_a_node_that_is_down_cannot_take_is_disabled_with_the_reason_and_requests_are_not(
    page, fleet
):
    browser = page(fleet, "#/node/dead/script")
    browser.wait_for(lambda: browser.has("main .note.down") and browser.has("main button.primary"))
    assert (
        browser.property("main button.primary", "disabled")
        and browser.attribute("main button.primary", "title")
        == "The node is down and accepts no changes"
    )
    assert not browser.property(
        "main .page-head button", "disabled"
    )  # asking again is always possible
    page(fleet, "#/node/demo000_worker0/loglevels")
    browser.wait_for(lambda: not browser.property("main tbody select", "disabled"))
    page(fleet, "#/node/dead/requests")
    assert not browser.property("main form.request button[type=submit]", "disabled")
