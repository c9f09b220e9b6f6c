"""The dashboard in a real browser, on demo nodes."""

import json
import signal

import pytest
from support.frontend import TOKEN
from support.page import wait_polling

pytestmark = pytest.mark.browser
PANELS = [
    "overview",
    "metrics",
    "threads",
    "loglevels",
    "config",
    "meta",
    "inference",
    "environment",
    "cache",
    "script",
    "requests",
]


def url(front, fragment=""):
    return "http://127.0.0.1:%d/%s" % (front.port, fragment)


def severe(browser):
    """Console errors, without a node's own refusals: those are said in the panel."""
    return [line for line in map(str, browser.console(("SEVERE",))) if "/proxy2/" not in line]


@pytest.mark.parametrize(
    "fragment,words",
    [
        ("#/", "llama70b-b"),
        ("#/events", "Events"),
        ("#/compare", "Compare"),
        ("#/many", "Bulk actions"),
        ("#/nodes", "mp-0"),
    ],
)
def test_every_view_opens_without_an_error_and_asks_nobody_else(browser, demo, fragment, words):
    browser.goto(url(demo, fragment))
    browser.wait_for(lambda: words in browser.text("main"))
    assert severe(browser) == []
    assert all(
        str(one).find("127.0.0.1:%d" % demo.port) >= 0
        for one in browser.requests()
        if "http" in str(one)
    )


@pytest.mark.parametrize("node", ["llama70b-b_worker0", "llama70b-b_scheduler", "mp-0"])
def test_every_panel_opens_without_an_error(browser, demo, node):
    for panel in PANELS:
        browser.goto(url(demo, "#/node/%s/%s" % (node, panel)))
        browser.wait_for(
            lambda: (
                node in browser.text("h1")
                and browser.has("main section:not([hidden], [hidden] *), main .empty")
            )
        )
    assert severe(browser) == []


def test_a_node_with_markup_in_its_name_is_shown_as_text(browser, start, node):
    name = "<img src=x onerror=document.title='bad'>"
    front = start(
        "--nodes",
        json.dumps([{"name": name, "host": "127.0.0.1", "port": node.port}]),
        "--poll-interval",
        "1",
    )
    browser.goto(url(front, "#/nodes"))
    browser.wait_for(lambda: "<img" in browser.text("main"))
    assert browser.count("main img") == 0 and "bad" not in browser.title


def test_an_unknown_node_says_what_to_do(browser, demo):
    browser.goto(url(demo, "#/node/nobody/overview"))
    browser.wait_for(lambda: browser.text("main h1") == "No node “nobody”")
    assert browser.has("main a[href='#/']")
    browser.goto(url(demo, "#/node/coordinator/overview"))
    browser.wait_for(lambda: browser.text("main h1") == "coordinator")


def test_a_lost_server_is_said_and_healed(browser, start, node):
    front = start("--node", "w0=" + node.address)
    browser.goto(url(front, "#/"))
    browser.wait_for(lambda: browser.has("main .state.up"))
    green = browser.style("main .state.up", "color")
    browser.offline(True)
    try:
        browser.wait_for(lambda: "No connection" in browser.text("body"), 20)
        # Nobody knows.
        browser.wait_for(lambda: browser.style("main .state.up", "color") != green)
    finally:
        browser.offline(False)
    browser.wait_for(lambda: "No connection" not in browser.text("body"), 30)
    browser.wait_for(lambda: browser.style("main .state.up", "color") == green)


def test_the_banner_of_a_lost_server_covers_nothing_that_stays_in_sight(browser, demo):
    browser.resize(1440, 500)
    browser.goto(url(demo, "#/"))
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    place = (
        "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [box.top, box.bottom]"
    )
    browser.offline(True)
    try:
        wait_polling(browser, lambda: "No connection" in browser.text(".banner"))
        browser.script("scrollTo(0, document.body.scrollHeight)")
        top, bottom = browser.script(place, ".banner")
        assert top == 48
        assert browser.script(place, "#side a")[0] >= bottom
        assert browser.script(place, "main .data thead th")[0] == bottom
    finally:
        browser.offline(False)
    browser.wait_for(lambda: "No connection" not in browser.text("body"), 30)
    browser.script("scrollTo(0, document.body.scrollHeight)")
    browser.wait_for(lambda: browser.script(place, "main .data thead th")[0] == 48)


def test_without_trust_the_page_is_locked_and_the_token_unlocks_it(browser, start, node):
    front = start("--node", "w0=" + node.address, "--trust", "token")
    browser.goto(url(front, "#/"))
    browser.wait_for(lambda: "Read-only" in browser.text("header"))
    browser.leave()
    browser.goto(url(front, "#token=" + TOKEN))
    browser.wait_for(lambda: "Editing enabled" in browser.text("header"))
    assert TOKEN not in browser.url


def test_a_wrong_token_takes_nothing_from_a_host_that_needs_none(browser, start, node):
    front = start("--node", "w0=" + node.address)
    browser.goto(url(front, "#token=wrong"))
    note = "The access token was not accepted. This browser runs on the frontend’s host"
    browser.wait_for(lambda: note in browser.text(".toasts"))
    browser.wait_for(lambda: browser.text("header .lock") == "Editing enabled")


def test_a_dialog_closes_when_another_page_is_opened_and_no_second_lies_above_it(browser, demo):
    browser.goto(url(demo, "#/node/llama70b-b_worker0/cache"))
    browser.goto(url(demo, "#/node/llama70b-b_worker1/cache"))
    ask = "[...document.querySelectorAll('main button')].find(e => e.className.includes('danger'))"
    browser.wait_for(lambda: browser.script("return Boolean(%s)" % ask))
    browser.script(ask + ".click()")
    browser.wait_for(lambda: browser.has("dialog[open]"))
    browser.script(ask + ".click()")
    assert browser.wait_for(lambda: browser.count("dialog") == 1)
    browser.back()
    browser.wait_for(lambda: "worker0" in browser.text("h1"))
    assert not browser.has("dialog")


def test_views_open_while_the_server_is_away_and_live_is_no_longer_marked(browser, start, node):
    front = start("--node", "w0=" + node.address)
    browser.goto(url(front, "#/"))
    browser.wait_for(lambda: "w0" in browser.text("main"))
    loaded = "return performance.getEntriesByType('resource').map(e => e.name).join()"
    modules = ("js/views/nodes.js", "js/views/node.js", "js/palette.js")
    browser.wait_for(lambda: all(name in browser.script(loaded) for name in modules), 20)
    for name in modules:  # with what they import
        browser.script("await import('/static/' + arguments[0])", name)
    accent = browser.style(".live i", "background-color")
    browser.offline(True)
    try:
        wait_polling(browser, lambda: "No connection" in browser.text("body"))
        browser.script("location.hash = '#/nodes'")
        browser.wait_for(lambda: browser.text("h1") == "Nodes")
        browser.wait_for(lambda: browser.style(".live i", "background-color") != accent)
        browser.script("location.hash = '#/node/w0/overview'")
        browser.wait_for(lambda: browser.text("h1") == "w0")
        browser.press("/")
        browser.wait_for(lambda: browser.has("dialog.palette"))
        browser.press("Escape")
        assert "grayscale" not in browser.style("main", "filter"), "colours tell states"
    finally:
        browser.offline(False)


def test_a_view_that_the_server_did_not_deliver_is_loaded_when_it_returns(browser, start, node):
    front = start("--node", "w0=" + node.address)
    browser.goto(url(front, "#/"))
    browser.wait_for(lambda: "w0" in browser.text("main"))
    browser.offline(True)
    try:
        browser.script("location.hash = '#/compare'")
        said = "Not loaded: the frontend does not respond."
        browser.wait_for(lambda: said in browser.text("main"))
        assert browser.text("h1") == "Compare"
        assert not browser.has("main button"), "the banner has one"
        wait_polling(browser, lambda: "Retry now" in browser.text(".banner"))
        browser.wait_for(lambda: browser.text(".live") == "Offline")
    finally:
        browser.offline(False)
    browser.wait_for(lambda: browser.has("main .compare-chart"), 40)
    assert browser.text("h1") == "Compare"
    browser.wait_for(lambda: browser.text(".live") == "Live")


def test_a_frontend_that_stands_still_is_said_before_it_counts_as_lost(browser, start, node):
    front = start("--node", "w0=" + node.address)
    browser.goto(url(front, "#/"))
    browser.wait_for(lambda: browser.has("main .state.up"))
    usual = browser.style(".page-head .age", "color")
    front.process.send_signal(signal.SIGSTOP)
    try:
        browser.script("import('/static/js/server.js').then((server) => server.poll())")
        browser.wait_for(lambda: browser.text(".live") == "Delayed")
        assert browser.style(".page-head .age", "color") != usual
        # Nobody waits for what a hidden page asked: only the next one tells that it is lost.
        hide = (
            "Object.defineProperty(document, 'hidden', {configurable: true, "
            "get: () => arguments[0]}); document.dispatchEvent(new Event('visibilitychange'))"
        )
        browser.script(hide, True)
        browser.wait_for(lambda: browser.text(".live") == "Live")
        assert not browser.has(".banner")
        browser.script(hide, False)
        browser.wait_for(lambda: browser.text(".live") == "Delayed")
        browser.wait_for(lambda: "no response within 10 s" in browser.text(".banner"))
        assert browser.text(".live") == "Offline"
    finally:
        front.process.send_signal(signal.SIGCONT)
    wait_polling(browser, lambda: browser.text(".live") == "Live" and not browser.has(".banner"))


@pytest.mark.parametrize(
    "fragment",
    [
        "#/node/llama70b-a_worker2/config",
        "#/node/llama70b-a_worker2/loglevels",
        "#/node/llama70b-a_worker2/environment",
        "#/nodes",
    ],
)
def test_on_the_narrowest_screen_no_part_of_a_row_lies_outside_its_table(browser, demo, fragment):
    browser.resize(320, 900)
    try:
        browser.goto(url(demo, fragment))
        parts = "[...document.querySelectorAll('main tbody :is(button, select, a)')]"
        browser.wait_for(lambda: browser.script("return %s.length > 3" % parts))
        browser.settle()
        outside = (
            "return %s.filter(e => e.offsetWidth && e.getBoundingClientRect().right > "
            "e.closest('.table-wrap').getBoundingClientRect().right).map(e => e.textContent)"
        )
        assert browser.script(outside % parts) == []
    finally:
        browser.resize(1280, 800)


@pytest.mark.parametrize("width", [1440, 768])
def test_the_banner_of_a_lost_server_is_one_line(browser, demo, width):
    browser.resize(width, 900)
    browser.goto(demo.url + "/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    browser.offline(True)
    try:
        wait_polling(browser, lambda: browser.has(".banner button"))
        middles = browser.script(
            "return [...document.querySelectorAll('.banner > *')].map((one) => {"
            "  const { top, bottom } = one.getBoundingClientRect();"
            "  return Math.round((top + bottom) / 2) })"
        )
        assert max(middles) - min(middles) <= 2, middles
        assert browser.box(".banner")[3] < 50
    finally:
        browser.offline(False)
    browser.resize(1440, 900)


def test_a_token_is_not_called_wrong_while_the_server_is_away(browser, start, node):
    front = start("--node", "w0=" + node.address, "--trust", "token")
    browser.goto(url(front, "#/"))
    browser.wait_for(lambda: browser.text("header .lock") == "Read-only")
    browser.click("header .lock")
    browser.type("dialog input[name=token]", TOKEN)
    browser.offline(True)
    try:
        wait_polling(browser, lambda: "No connection" in browser.text(".banner"))
        browser.press("Enter")
        browser.wait_for(lambda: browser.text("dialog .field-error").startswith("No connection:"))
    finally:
        browser.offline(False)
