"""The panels of a node in a real browser.

On demo nodes, and on nodes that answer as each test says.
"""

import builtins
import collections
import contextlib
import json
import os
import re
import threading
import time

import pytest
from conftest import short_socket_path
from support.frontend import TOKEN, Frontend, wait_for
from support.nodes import NodeServer
from support.page import poll, wait_polling

pytestmark = pytest.mark.browser

METRICS = """# HELP lmcache:num_hit_tokens_total Hit tokens
# TYPE lmcache:num_hit_tokens_total counter
lmcache:num_hit_tokens_total{role="worker",worker_id="0"} 4200.0
# HELP lmcache:local_cache_usage Local cache usage (bytes)
# TYPE lmcache:local_cache_usage gauge
lmcache:local_cache_usage{role="worker",worker_id="0"} 1048576.0
# HELP lmcache:time_to_retrieve Time to retrieve (seconds)
# TYPE lmcache:time_to_retrieve histogram
lmcache:time_to_retrieve_bucket{role="worker",worker_id="0",le="0.1"} 50.0
lmcache:time_to_retrieve_bucket{role="worker",worker_id="0",le="0.2"} 90.0
lmcache:time_to_retrieve_bucket{role="worker",worker_id="0",le="0.4"} 100.0
lmcache:time_to_retrieve_bucket{role="worker",worker_id="0",le="+Inf"} 100.0
lmcache:time_to_retrieve_sum{role="worker",worker_id="0"} 11.0
lmcache:time_to_retrieve_count{role="worker",worker_id="0"} 100.0
"""
THREADS = """Thread: <Thread(pool_0, started daemon 11)>
Stack trace:
  File "/usr/lib/python3.11/threading.py", line 331, in wait
    gotit = waiter.acquire(True, timeout)

Thread: <Thread(pool_1, started daemon 12)>
Stack trace:
  File "/usr/lib/python3.11/threading.py", line 331, in wait
    gotit = waiter.acquire(True, timeout)

Thread: <Thread(mover, started daemon 13)>
Stack trace:
  File "/opt/lmcache/mover.py", line %d, in move
    step()
"""
EVIL = (
    "<img src=x onerror=\"window.evil='onerror'\"><script>window.evil='script'</script><svg "
    "onload=alert(1)>"
)


class PanelNode(NodeServer):
    """A worker that answers what ``pages`` holds.

    Path -> text, object (as JSON), or a function of the request that returns either.

    A pair is (status, answer). ``held`` are paths that get no answer until ``release`` is set.
    """

    def __init__(self, path=None):
        self.held = ()
        self.pages = {
            "/metrics": METRICS,
            "/version": "0.5.6",
            "/meta": {"role": "worker", "model_name": "m", "worker_id": 0},
            "/threads": THREADS % 1,
            "/conf": {
                "lmcache_instance_id": "i0",
                "chunk_size": 256,
                "min_retrieve_tokens": 0,
                "local_cpu": True,
                "max_local_cpu_size": 5.0,
            },
            "/periodic-threads": {"threads": []},
            "/loglevel": "lmcache: INFO\n",
            "/env": {"HOME": "/root"},
        }
        super().__init__(path)

    def do_echo(self, request):
        path = request.target.split("?")[0]
        if path in self.held:
            return self.do_hang(request)
        page = self.pages.get(path, (404, {"detail": "Not Found"}))
        request.body = request.read_body()
        page = page(request) if callable(page) else page
        status, answer = page if isinstance(page, tuple) else (200, page)
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        kind = "text/plain; charset=utf-8" if isinstance(answer, str) else "application/json"
        request.send(
            b"HTTP/1.1 %d OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
            % (status, kind.encode(), len(body))
            + body
        )
        return None

    do_metrics = do_version = do_echo

    def targets(self, beginning):
        return [request.target for request in self.requests if request.target.startswith(beginning)]


@pytest.fixture
def worker():
    with PanelNode() as server:
        yield server


@pytest.fixture
def show(browser, start):
    """Open a panel of a node: ``show(front or node server, panel, name)``; returns the frontend."""

    def begin(what, panel, name="w0", *options):
        front = (
            what
            if isinstance(what, Frontend)
            else start("--node", "w0=%s" % what.address, "--poll-interval", "0.5", *options)
        )
        if not isinstance(what, Frontend):
            wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["kind"] == "worker")
        browser.leave()
        browser.goto("%s/#/node/%s/%s" % (front.url, name, panel))
        browser.wait_for(lambda: browser.has("main .panel, main .empty"))
        return front

    return begin


def press(browser, label, place="main"):
    """Click the first button of that text that may be clicked."""
    find = (
        "const one = [...document.querySelectorAll(arguments[1] + ' button')].find((e) => "
        "e.textContent.trim() === arguments[0] && !e.disabled);"
        "if (one) { one.scrollIntoView({block: 'center'}); one.click(); } return Boolean(one);"
    )
    browser.wait_for(lambda: browser.script(find, label, place))


def choose(browser, panel, label):
    """Choose an entry of the menu of a panel."""
    opener = "button[aria-label='Actions for %s']" % panel
    browser.wait_for(lambda: browser.has(opener))
    browser.click(opener)
    press(browser, label, "[aria-label='%s'] .menu" % panel)


def wait_text(browser, words, place="main", seconds=10):
    browser.wait_for(lambda: words in browser.text(place), seconds)


def test_a_log_level_set_on_the_page_is_set_on_the_node(browser, demo, show):
    show(demo, "loglevels", "llama70b-b_worker0")
    name = "lmcache.v1.cache_engine"
    chosen = (
        "const box = document.querySelector(`select[aria-label='Level of ${arguments[0]}']`); "
        "if (!box) return false;"
        "box.value = 'ERROR'; box.dispatchEvent(new Event('change')); return true"
    )
    browser.wait_for(lambda: browser.script(chosen, name))
    button = "button[title='Set the level of %s']" % name
    assert browser.label(button) == "Set the level of " + name
    browser.focus(button)
    browser.press("Enter")
    wait_text(browser, "→ ERROR", ".toasts")
    assert browser.text(".toasts").count(name) == 1, "it is said once"
    focused = "return document.activeElement.getAttribute('aria-label')"
    browser.wait_for(lambda: browser.script(focused) == "Level of " + name)
    assert (
        demo.ask("/proxy2/llama70b-b_worker0/loglevel?logger_name=" + name).body
        == b"lmcache.v1.cache_engine: ERROR"
    )


def test_on_a_telephone_a_logger_has_its_effective_level(browser, demo, show):
    browser.resize(360, 800)
    try:
        show(demo, "loglevels", "llama70b-b_worker1")
        browser.wait_for(lambda: browser.has(".loggers td.effective"))
        assert browser.texts(".loggers td.effective")[0] in ("INFO", "WARNING")
        word = "const cell = document.querySelector('.loggers td.effective');"
        word += "return getComputedStyle(cell, '::before').content"
        assert browser.script(word) == '"Effective: "'
        wrap = "document.querySelector('.loggers .table-wrap')"
        assert browser.script(f"return {wrap}.scrollWidth <= {wrap}.clientWidth")
    finally:
        browser.resize(1280, 800)


def test_where_not_even_the_root_logger_has_a_level_all_are_logged(browser, worker, show):
    worker.pages["/loglevel"] = "root: NOTSET\nlmcache: NOTSET\nlmcache.v1: INFO\n"
    show(worker, "loglevels")
    browser.wait_for(lambda: browser.count(".loggers td.effective") == 2)
    assert browser.texts(".loggers td.own-level") == ["not set", "INFO"]
    assert browser.texts(".loggers td.effective") == ["all levels", "INFO"]
    assert "NOTSET" not in browser.text("main")
    title = browser.attribute(".loggers thead th:nth-child(3)", "title")
    assert "not even root, messages of all levels are logged" in title


def test_all_loggers_of_a_prefix_are_set_together(browser, demo, show):
    show(demo, "loglevels", "llama70b-b_worker1")
    browser.type("input[name=prefix]", "lmcache.v1")
    browser.script(
        "document.querySelector(\"select[aria-label='Level to set']\").value = 'CRITICAL'"
    )
    press(browser, "Set all")
    wait_text(browser, "set to CRITICAL", ".toasts")
    lines = demo.ask("/proxy2/llama70b-b_worker1/loglevel").body.decode().splitlines()
    assert {line.rpartition(" ")[2] for line in lines if line.startswith("lmcache.v1")} == {
        "CRITICAL"
    }
    assert any(
        line.endswith(": INFO") or line.endswith(": NOTSET")
        for line in lines
        if not line.startswith("lmcache.v1")
    )


def test_a_setting_is_edited_and_a_refusal_stands_beside_the_field(browser, worker, show):
    conf = worker.pages["/conf"]

    def answer(request):
        if request.method == "GET":
            return json.dumps(conf).replace("256", "Infinity")  # bare, as LMCache writes it
        change = json.loads(request.body)
        if "chunk_size" in change:
            return 400, {
                "updated": {},
                "errors": {"chunk_size": "Config is not mutable at runtime"},
            }
        conf.update(change)
        return {"updated": change}

    worker.pages["/conf"] = answer
    show(worker, "config")
    browser.click("button[title='Edit chunk_size']")
    assert browser.property(".in-place [name=value]", "value") == "Infinity"
    browser.type(".in-place [name=value]", "512")
    browser.press("Enter")
    wait_text(browser, "Config is not mutable at runtime", ".in-place .field-error")
    assert browser.attribute(".in-place [name=value]", "aria-invalid") == "true"
    browser.press("Escape")
    browser.click("button[title='Edit min_retrieve_tokens']")
    browser.type(".in-place [name=value]", "many")
    browser.press("Enter")
    wait_text(browser, "Enter a number", ".in-place .field-error")
    browser.type(".in-place [name=value]", "512")
    browser.press("Enter")
    wait_text(browser, "min_retrieve_tokens: 0 → 512", ".toasts")
    assert conf["min_retrieve_tokens"] == 512
    browser.wait_for(lambda: not browser.has(".in-place"))


def test_the_spaces_of_values_are_shown_and_stay_when_one_is_set(browser, worker, show):
    spaced, quoted = " #  # ", '" #  # "'
    conf = worker.pages["/conf"]
    conf["blend_special_str"] = spaced
    sent = []

    def answer(request):
        if request.method == "GET":
            return conf
        sent.append(json.loads(request.body))
        return {"updated": sent[-1]}

    worker.pages.update({"/conf": answer, "/env": {"PS1": spaced}, "/meta": {"mark": spaced}})
    front = show(worker, "meta")
    browser.wait_for(lambda: browser.texts(".leaf .value") == [quoted])
    browser.goto(front.url + "/#/node/w0/environment")
    browser.wait_for(lambda: quoted in " ".join(browser.texts(".environment td")))
    browser.goto(front.url + "/#/node/w0/config")
    browser.wait_for(lambda: quoted in " ".join(browser.texts(".settings td")))
    browser.resize(360, 800)
    try:
        browser.wait_for(lambda: quoted in " ".join(browser.texts(".settings td")))
    finally:
        browser.resize(1280, 800)
    browser.click("button[title='Edit blend_special_str']")
    assert browser.property(".in-place [name=value]", "value") == quoted
    browser.press("Enter")
    browser.wait_for(lambda: sent and not browser.has(".in-place"))
    assert sent == [{"blend_special_str": spaced}]
    conf["blend_special_str"] = "x"
    # A change through the frontend is looked for at the next poll.
    assert front.ask("/proxy2/w0/conf", "POST", {"blend_special_str": "x"}).status == 200
    browser.goto(front.url + "/#/node/w0/events")
    said = "blend_special_str %s → " % quoted
    wait_polling(browser, lambda: said in browser.text("main .events").replace("\xa0", " "))


def test_a_setting_that_differs_from_the_instance_is_marked(browser, demo, show):
    assert (
        demo.ask("/proxy2/llama70b-b_worker2/conf", "POST", {"min_retrieve_tokens": 77}).status
        == 200
    )
    show(demo, "config", "llama70b-b_worker0")
    wait_text(browser, "77 on llama70b-b_worker2")
    wait_text(browser, "1 differs within the instance")


def test_what_changed_lately_stands_before_what_is_not_the_default_and_says_from_what(
    browser, demo, show
):
    change = {"min_retrieve_tokens": 79}
    assert demo.ask("/proxy2/llama70b-b_worker3/conf", "POST", change).status == 200
    changed = "/api/events?kind=changed&node=llama70b-b_worker3"
    wait_for(lambda: "min_retrieve_tokens" in json.dumps(demo.ask(changed).json()))
    show(demo, "config", "llama70b-b_worker3")
    rows = browser.wait_for(lambda: browser.texts("main .data tbody:not(.spacer) tr"))
    groups = [row.split("\n")[0] for row in browser.texts("main .data tr.group")]
    assert [" ".join(name.strip("▾ ").split()[:2]) for name in groups[:3]] == [
        "Changed recently",
        "Not the",
        "CPU memory",
    ]
    assert "min_retrieve_tokens" in rows[1] and "→ 79 at " in rows[1]
    # The figures of the groups add up to that of the panel.
    notes = browser.texts("main .data tr.group .muted")
    assert notes[0].endswith(", not the default")
    total = re.search(r"(\d+) differ from the default", browser.text("main .panel .tools"))
    counts = [int(re.match(r"\d+", note).group()) for note in notes[:2]]
    assert int(total.group(1)) == sum(counts)
    # The facts stay while it is edited, and what is typed when they are drawn anew.
    browser.click("button[title='Edit min_retrieve_tokens']")
    wait_text(browser, "Current value: 79. A change lasts until the node restarts", ".editing")
    wait_text(browser, "→ 79 at ", ".editing")
    wait_text(browser, "Differs within the instance: 0 on llama70b-b_scheduler", ".editing")
    browser.type(".in-place [name=value]", "81")
    scheduler = "/proxy2/llama70b-b_scheduler/conf"
    assert demo.ask(scheduler, "POST", {"min_retrieve_tokens": 80}).status == 200
    choose(browser, "Config", "Refresh")
    wait_text(browser, "Differs within the instance: 80 on llama70b-b_scheduler", ".editing")
    assert browser.property(".in-place [name=value]", "value") == "81"
    assert demo.ask(scheduler, "POST", {"min_retrieve_tokens": 0}).status == 200


def test_a_figure_stays_beside_what_it_counts(browser, demo, show):
    lines = (
        "return [...document.querySelectorAll('main .panel .tools .gap')]"
        ".map((one) => one.getClientRects().length)"
    )
    show(demo, "config", "llama70b-b_worker0")
    wait_text(browser, "within the instance")
    for width in (360, 420, 700, 768, 900):
        browser.resize(width, 800)
        assert browser.script(lines) == [1, 1, 1], width


def test_on_a_telephone_a_difference_in_the_instance_stands_under_the_value(browser, demo, show):
    change = {"min_retrieve_tokens": 78}
    assert demo.ask("/proxy2/llama70b-b_worker2/conf", "POST", change).status == 200
    browser.resize(360, 800)
    try:
        show(demo, "config", "llama70b-b_worker1")
        browser.wait_for(
            lambda: (
                "◆ Differs within the instance: 78 on llama70b-b_worker2"
                in " ".join(browser.texts("main .data td .cell-more")).replace("\n", "")
            )
        )
        assert "In the instance" not in browser.texts("main .data thead th")
    finally:
        browser.resize(1280, 800)


def test_a_narrow_table_of_settings_has_their_defaults(browser, demo, show):
    browser.resize(768, 900)
    show(demo, "config", "llama70b-b_worker1")
    heads = ["Setting", "Value", "Default", "Actions"]
    browser.wait_for(lambda: browser.texts("main .data thead th") == heads)
    lines = (
        "const rows = [...document.querySelectorAll('main .data tbody tr:has(td)')];"
        "const row = rows.find((one) => /chunk_statistics_strategy/.test(one.textContent));"
        "const range = document.createRange();"
        "range.selectNodeContents(row.cells[2]);"
        "return [range.toString(), Math.round(range.getBoundingClientRect().height / 20)]"
    )
    for width in (768, 1440):
        browser.resize(width, 900)
        if width > 768:
            heads.insert(2, "What it does")
            browser.wait_for(lambda: browser.texts("main .data thead th") == heads)
            lines = lines.replace("cells[2]", "cells[3]")
        assert browser.script(lines) == ["memory_bloom_filter", 1 if width == 768 else 2]


def test_values_of_all_levels_of_a_configuration_stand_below_each_other(browser, demo, show):
    starts = (
        "document.querySelectorAll('main .tree details').forEach((one) => { one.open = true });"
        "return [...new Set([...document.querySelectorAll('main .tree .leaf .value')]"
        "  .map((one) => Math.round(one.getBoundingClientRect().left)))]"
    )
    depth = "return document.querySelectorAll('main .branch .branch .branch .leaf').length"
    browser.resize(1440, 900)
    show(demo, "config", "mp-0")
    browser.wait_for(lambda: browser.script(starts) and browser.script(depth))
    assert len(browser.script(starts)) == 1
    assert "[0]" in browser.texts("main .tree summary .key"), "no number beside that of entries"


def test_on_a_telephone_the_value_of_a_setting_stands_below_its_name(browser, demo, show):
    below = (
        "const rows = [...document.querySelectorAll('.settings tbody:not(.spacer) tr')];"
        "const row = rows.find((one) => one.textContent.startsWith(arguments[0]));"
        "if (!row) return null;"
        "const [name, value] = [...row.children].map((one) => one.getBoundingClientRect());"
        "return name.bottom <= value.top && name.left === value.left"
    )
    browser.resize(360, 800)
    try:
        show(demo, "config", "llama70b-b_worker1")
        assert browser.wait_for(lambda: browser.script(below, "chunk_size"))
        browser.click("[title='Edit chunk_size']")
        browser.wait_for(lambda: browser.has(".editing .in-place"))
        assert browser.script(below, "chunk_size")
    finally:
        browser.resize(1280, 800)


def test_a_backend_is_bypassed_and_used_again(browser, demo, show):
    show(demo, "cache", "llama70b-b_worker0")

    def bypassed():
        return demo.ask("/proxy2/llama70b-b_worker0/bypass/list").json()["bypassed_backends"]

    press(browser, "Bypass")
    wait_for(lambda: len(bypassed()) == 1)
    wait_text(browser, "◆ bypassed")
    press(browser, "End bypass")
    wait_for(lambda: bypassed() == [])


def test_the_focus_stays_where_an_action_drew_its_panel_anew(browser, demo, show):
    show(demo, "cache", "llama70b-b_worker2")
    browser.wait_for(lambda: browser.has("[aria-label='Turn off: Hot cache']"))
    browser.focus("[aria-label='Turn off: Hot cache']")
    browser.press("Enter")
    browser.wait_for(lambda: browser.has("[aria-label='Turn on: Hot cache']"))
    focused = "return document.activeElement.getAttribute('aria-label')"
    browser.wait_for(lambda: browser.script(focused) == "Turn on: Hot cache")


def test_a_worker_is_frozen_and_unfrozen(browser, demo, show):
    show(demo, "cache", "llama70b-b_worker3")

    def is_frozen():
        return demo.ask("/proxy2/llama70b-b_worker3/freeze/status").json()["freeze"]

    press(browser, "Freeze")
    press(browser, "Freeze", "dialog")
    wait_for(is_frozen)
    wait_text(browser, "Freeze mode enabled", ".toasts")
    assert "Freeze: Freeze" not in browser.text(".toasts"), "it is said once"
    press(browser, "Unfreeze")
    wait_for(lambda: not is_frozen())
    wait_text(browser, "not frozen")


def test_clearing_wants_the_name_typed(browser, demo, show):
    show(demo, "cache", "llama70b-b_worker1")
    press(browser, "Clear all")
    assert "Clear everything" not in browser.text("main")
    browser.wait_for(lambda: browser.has("dialog"))
    assert browser.property("dialog button[type=submit]", "disabled")
    browser.type("dialog input", "llama70b-b_worker")
    assert browser.property("dialog button[type=submit]", "disabled")
    browser.type("dialog input", "llama70b-b_worker1")
    browser.click("dialog button[type=submit]")
    wait_text(browser, "Clear all:", ".toasts")
    assert "removed" in browser.text(".toasts")


def test_a_label_of_the_checksums_of_slots_is_no_wider_than_its_field(browser, demo, show):
    show(demo, "cache", "llama70b-b_worker0")
    browser.wait_for(lambda: browser.has(".slot-form"))
    room = (
        "document.querySelector('details:has(.slot-form)').open = true;"
        "return [...document.querySelectorAll('.slot-form .field')].map((field) => {"
        "  const range = document.createRange(); range.selectNodeContents(field.firstChild);"
        "  const { width } = range.getBoundingClientRect();"
        "  return field.querySelector('input').offsetWidth - width })"
    )
    assert min(browser.script(room)) > 0
    assert browser.attribute("input[name=slots]", "placeholder") == "e.g. 0,1,[2,31]"


def test_clearing_l1_says_in_both_places_that_l2_keeps_its_copies(browser, demo, show):
    show(demo, "cache", "mp-0")
    press(browser, "Force-clear L1")
    browser.wait_for(lambda: browser.has("dialog"))
    assert browser.text("dialog h2") == "Force-clear L1 on mp-0?"
    text = browser.text("dialog p")
    told = [one for one in browser.texts("main .op") if "Force-clear" in one]
    what = "Deletes all objects in L1, locked ones too: running requests may fail."
    assert what in told[0] and what in text
    assert "L2 keeps its copies." in told[0] and "L2 keeps its copies." in text
    assert "compute again what L2 does not have" in text
    press(browser, "Cancel", "dialog")
    browser.wait_for(lambda: not browser.has("dialog"))


def test_a_secret_is_masked_until_it_is_asked_for(browser, demo, show):
    show(demo, "environment", "llama70b-b_worker0")
    line = "main .tools > .muted"
    masked = browser.wait_for(lambda: browser.has(line) and browser.text(line))
    assert "hf_example_not_a_secret" not in browser.script(
        "return document.documentElement.outerHTML"
    )
    browser.click("button[title='Show HF_TOKEN']")
    wait_text(browser, "hf_example_not_a_secret")
    shown = [int(text.split()[-2]) for text in (masked, browser.text(line))]
    assert shown[0] - shown[1] == 1, "the line counts what is still masked"
    assert "example-not-a-secret" not in browser.text("main"), "one at a time"
    choose(browser, "Environment", "Show raw response")
    assert "example" not in browser.text("pre.raw")
    choose(browser, "Environment", "Hide raw response")
    browser.click("button[title='Hide HF_TOKEN']")
    assert browser.text(line) == masked
    assert "hf_example_not_a_secret" not in browser.script(
        "return document.documentElement.outerHTML"
    )


def test_an_environment_value_filters_the_cluster(browser, demo, show):
    link = "a[aria-label='Find nodes with this value of CUDA_VISIBLE_DEVICES']"
    browser.resize(360, 800)
    try:
        show(demo, "environment", "llama70b-b_worker1")
        assert browser.text(link) == "Find nodes with this value"
    finally:
        browser.resize(1280, 800)
    browser.click(link)
    browser.wait_for(
        lambda: (
            [row for row in browser.texts("main tbody tr") if "worker1" in row]
            and not [row for row in browser.texts("main tbody tr") if "worker0" in row]
        )
    )


def test_a_name_of_a_variable_of_16_letters_is_whole_on_a_telephone(browser, worker, show):
    worker.pages["/env"] = {"PYTHONUNBUFFERED": "1", "HF_HOME": "/models"}
    browser.resize(360, 800)
    try:
        show(worker, "environment")
        browser.wait_for(lambda: browser.count("main tbody th") == 2)
        lines = (
            "const range = document.createRange();"
            "return [...document.querySelectorAll('main tbody th')].map((one) => {"
            "  range.selectNodeContents(one);"
            "  const tops = [...range.getClientRects()].map(({top}) => Math.round(top));"
            "  return new Set(tops).size })"
        )
        assert browser.script(lines) == [1, 1]
    finally:
        browser.resize(1280, 800)


def test_words_beside_a_value_are_not_in_its_monospaced_type(browser, worker, show):
    worker.pages["/env"] = {"HF_TOKEN": "hf_1", "HOME": "/root"}
    show(worker, "environment")
    browser.wait_for(lambda: browser.has("main td .masked"))
    sans = browser.style("main h1", "font-family")
    assert browser.style("main td .masked", "font-family") == sans
    assert browser.style("main td .masked", "letter-spacing") == "normal"
    assert browser.style("main td button", "font-family") == sans
    assert browser.style("main td.mono", "font-family") != sans


def test_a_list_of_paths_is_broken_between_them(browser, worker, show):
    paths = ["/opt/lmcache/venv/bin", "/usr/local/nvidia/bin", "/usr/local/cuda/bin", "/usr/bin"]
    worker.pages["/env"] = {"PATH": ":".join(paths)}
    browser.resize(900, 800)
    show(worker, "environment")
    browser.wait_for(lambda: browser.has("main td.wrap"))
    lines = browser.script(
        "const walker = document.createTreeWalker(document.querySelector('main td.wrap'), 4);"
        "const lines = new Map();"
        "while (walker.nextNode()) [...walker.currentNode.data].forEach((letter, i) => {"
        " const range = document.createRange();"
        " range.setStart(walker.currentNode, i); range.setEnd(walker.currentNode, i + 1);"
        " const top = Math.round(range.getBoundingClientRect().top);"
        " lines.set(top, (lines.get(top) || '') + letter); });"
        "return [...lines.values()]"
    )
    assert len(lines) > 1, lines
    assert "".join(lines) == ":".join(paths)
    assert all(line.endswith(":") for line in lines[:-1]), lines


def test_metrics_are_searched_and_a_sample_is_charted(browser, worker, show):
    show(worker, "metrics")
    browser.wait_for(lambda: browser.count("button[data-metric]") == 3)
    browser.type("input[aria-label='Search metrics']", "hit_tok")
    browser.wait_for(
        lambda: browser.texts("button[data-metric]") == ["lmcache:num_hit_tokens_total"]
    )
    browser.click("button[data-metric]")
    browser.wait_for(
        lambda: (
            browser.count(
                "section[aria-label='lmcache:num_hit_tokens_total'] figure.chart, "
                "section[aria-label='lmcache:num_hit_tokens_total'] .chart svg"
            )
            >= 1
        )
    )
    assert "Hit tokens" in browser.text("section[aria-label='lmcache:num_hit_tokens_total']")
    assert browser.focused().endswith("Close"), "a keyboard goes on where it is"
    press(browser, "Close")
    assert "num_hit_tokens" in browser.focused()


@pytest.mark.parametrize("node, panel", [("llama70b-b_worker1", "config"), ("mp-1", "overview")])
def test_a_panel_that_is_opened_while_the_frontend_is_away_loads_when_it_is_back(
    browser, demo, show, node, panel
):
    show(demo, panel, node.replace("1", "0"))
    browser.wait_for(lambda: browser.count("main .panel") > 0)
    browser.offline()
    try:
        wait_polling(browser, lambda: browser.has(".offline"))
        browser.script("location.hash = arguments[0]", "#/node/%s/%s" % (node, panel))
        wait_text(browser, "Not loaded: the frontend does not respond.")
    finally:
        browser.offline(False)
    poll(browser)
    browser.wait_for(lambda: "Not loaded" not in browser.text("main"))
    words = {"config": "min_retrieve_tokens", "overview": "nvme"}[panel]
    wait_text(browser, words)


@pytest.mark.parametrize(
    "panel, label, text, choice",
    [
        ("metrics", "metrics", "e", "main .chips button:not([aria-pressed=true])"),
        ("loglevels", "loggers", "e", "main .chips button:not([aria-pressed=true])"),
        ("config", "settings", "a", "main select[aria-label=Show]"),
    ],
)
def test_the_count_of_a_search_follows_what_else_is_chosen(
    browser, demo, show, panel, label, text, choice
):
    show(demo, panel, "llama70b-b_worker0")
    count = "main .search-count"
    browser.type("input[aria-label='Search %s']" % label, text)
    before = browser.wait_for(lambda: browser.text(count))
    if choice.startswith("main select"):
        browser.choose(choice, "set")
    else:
        browser.click(choice)
    told = browser.wait_for(lambda: browser.text(count) != before and browser.text(count))
    table = "main table[aria-label=%s]" % label.title()
    rows = browser.count(table + " tbody:not(.spacer) tr:not(.group)")
    assert int(told.split()[0].replace(",", "")) >= rows > 0


def test_metrics_open_on_the_largest_group_that_is_not_there_for_old_readers_alone(
    browser, worker, show
):
    old = [
        "# HELP lmcache_old_%d_total Deprecated: use lmcache_new.\n"
        "# TYPE lmcache_old_%d_total counter\nlmcache_old_%d_total 1\n" % (n, n, n)
        for n in range(3)
    ]
    worker.pages["/metrics"] = (
        "".join(old)
        + "# HELP lmcache_new_a A\nlmcache_new_a 1\n# HELP lmcache_new_b B\nlmcache_new_b 2\n"
        "process_start_time_seconds 5\n"
    )
    show(worker, "metrics")
    browser.wait_for(
        lambda: browser.texts("button[data-metric]") == ["lmcache_new_a", "lmcache_new_b"]
    )
    assert browser.text(".chips [aria-pressed='true']").split() == ["lmcache_new", "2"]


def test_the_name_of_a_metric_has_the_room_that_its_value_leaves(browser, worker, show):
    names = ["count_of_things_total", "the_time_of_%s_seconds_total" % ("another_thing_" * 3)]
    worker.pages["/metrics"] = "".join(
        "# TYPE lmcache:%s gauge\nlmcache:%s %s\n" % (name, name, value)
        for name, value in zip(names, ("3", "123.456"))
    )
    browser.resize(360, 800)
    show(worker, "metrics")
    browser.wait_for(lambda: browser.count("main .data tbody td.num") == 2)
    assert browser.role("main .data tbody:not(.spacer) tr") == "row"
    assert browser.role("main .data tbody td.num") == "cell"
    rows = (
        "const box = (element) => { const range = document.createRange();"
        "  range.selectNodeContents(element); return range.getBoundingClientRect() };"
        "return [...document.querySelectorAll('main .data tbody:not(.spacer) tr')].map((row) =>"
        "  [box(row.querySelector('button')).height,"
        "   row.lastChild.clientWidth - box(row.lastChild).width])"
    )
    (height, free), (more_height, more_free) = browser.script(rows)
    assert height < 30 < more_height
    assert free < 25 and more_free < 25, "the rest is padding"
    assert browser.script("return document.body.scrollWidth") == 360


@pytest.mark.parametrize(
    "panel", ["overview", "metrics", "threads", "loglevels", "config", "environment", "cache"]
)
def test_no_table_of_a_panel_scrolls_sideways(browser, demo, show, panel):
    fits = (
        "return [document.documentElement, "
        "...document.querySelectorAll('main .table-wrap')].every((one) => one.scrollWidth <= "
        "one.clientWidth + 1)"
    )
    for name in ("llama70b-b_worker0", "mp-0"):
        browser.resize(360, 900)
        show(demo, panel, name)
        browser.wait_for(lambda: browser.has("main .panel") and not browser.has("main .asking"))
        for width in (360, 640, 768, 1024):
            browser.resize(width, 900)
            browser.wait_for(lambda: browser.script(fits))


@pytest.mark.parametrize("name", ["llama70b-b_worker0", "llama70b-b_scheduler", "mp-0"])
def test_columns_of_metrics_are_alike_for_all_kinds_and_leave_long_names_whole(
    browser, demo, show, name
):
    lines = (
        "const box = (one) => { const range = document.createRange();"
        "  range.selectNodeContents(one); return range.getBoundingClientRect() };"
        "return [...document.querySelectorAll('main button[data-metric]')]"
        "  .filter((one) => one.textContent.length <= arguments[0])"
        "  .filter((one) => box(one).height > 24).map((one) => one.textContent)"
    )
    browser.resize(768, 900)
    show(demo, "metrics", name)
    browser.wait_for(lambda: browser.texts("main thead th") == ["Name", "Type", "Value"])
    assert browser.script(lines, 50) == []
    browser.resize(1440, 900)
    browser.wait_for(lambda: browser.texts("main thead th") == ["Name", "Help", "Type", "Value"])
    assert browser.script(lines, 58) == []


def test_no_line_of_a_value_begins_or_ends_with_a_dot(browser, demo, show):
    browser.resize(768, 900)
    show(demo, "metrics", "mp-0")
    browser.wait_for(lambda: browser.has("td.num .dots"))
    # Of each part that begins a line: the width of the dot before it, and how far its end and
    # that of the line above are apart.
    begins = (
        "const end = (gap) => { const range = document.createRange();"
        "  range.selectNodeContents(gap.lastChild); return range.getBoundingClientRect().right };"
        "const top = (gap) => gap.getBoundingClientRect().top;"
        "for (const cell of document.querySelectorAll('td.num'))"
        "  cell.querySelectorAll('.dots').forEach((dots) => (dots.style.width = '130px'));"
        "return [...document.querySelectorAll('td.num .dots .gap')]"
        "  .map((gap) => [gap, gap.parentNode.querySelector('.gap')])"
        "  .filter(([gap, first]) => top(gap) > top(first) + 3)"
        "  .map(([gap, first]) =>"
        "    [gap.firstChild.getBoundingClientRect().width, Math.round(end(gap) - end(first))])"
    )
    found = browser.script(begins)
    assert len(found) > 3
    assert [one for one in found if one != [0, 0]] == []
    browser.resize(1440, 900)
    level = (
        "const dots = document.querySelector('td.num .dots');"
        "dots.style.width = '';"
        "const [first, last] = [...dots.querySelectorAll('.gap')]"
        "  .map((gap) => gap.getBoundingClientRect().top);"
        "return first === last && dots.getBoundingClientRect().height < 22;"
    )
    browser.wait_for(lambda: browser.script(level))


def test_of_one_observation_its_value_is_said_and_no_quantile(browser, worker, show):
    worker.pages["/metrics"] = (
        "# TYPE lmcache:time_to_x histogram\n"
        'lmcache:time_to_x_bucket{le="0.02"} 0\nlmcache:time_to_x_bucket{le="0.05"} 1\n'
        'lmcache:time_to_x_bucket{le="+Inf"} 1\n'
        "lmcache:time_to_x_sum 0.0342\nlmcache:time_to_x_count 1\n"
    )
    show(worker, "metrics")
    browser.wait_for(lambda: browser.has("main tbody td.num"))
    assert browser.text("main tbody td.num").split() == "1 observation 34.2 ms".split()
    browser.click("button[data-metric]")
    assert browser.texts(".quantiles")[0].split() == "value 34.2 ms 1 observation".split()


def test_labels_without_room_for_their_columns_stand_under_the_name(browser, worker, show):
    worker.pages["/metrics"] = "# TYPE lmcache:x gauge\n" + "".join(
        'lmcache:x{backend="%s",tier="%s"} 1\n' % pair for pair in [("a", "l1"), ("b", "l2")]
    )
    browser.resize(360, 780)
    show(worker, "metrics")
    browser.wait_for(lambda: browser.texts("main thead th") == ["Name", "Value"])
    assert browser.count("button[data-metric]") == 2
    assert browser.texts("main tbody th")[0].split() == ["lmcache:x", "backend=a", "tier=l1"]
    browser.resize(1440, 900)
    browser.wait_for(
        lambda: (
            browser.texts("main thead th") == ["Name", "Backend", "Tier", "Help", "Type", "Value"]
        )
    )
    assert browser.texts("main tbody th")[0] == "lmcache:x"


def test_what_tells_rows_of_a_long_table_of_metrics_apart_is_whole(browser, worker, show):
    worker.pages["/metrics"] = "".join(
        "# TYPE lmcache:local_cpu_hot_cache_count_%d gauge\n" % metric
        + "".join(
            'lmcache:local_cpu_hot_cache_count_%d{node="llama70b-a_worker%d",role="worker",'
            'worker_id="%d"} 1234\n' % (metric, node, node % 4)
            for node in range(12)
        )
        for metric in range(20)
    )
    cut = (
        "const rows = [...document.querySelectorAll('.virtual tbody:not(.spacer) tr')];"
        "const box = (one) => { const range = document.createRange();"
        "  range.selectNodeContents(one); return range.getBoundingClientRect() };"
        "const below = (one) => one.getBoundingClientRect().top >= box(one.closest('tr')"
        "  .querySelector('td.num')).bottom;"
        "return rows.length < 5 ? 'no rows' : rows.flatMap((row, i) => {"
        "  const end = row.getBoundingClientRect();"
        "  const next = rows[i + 1] && rows[i + 1].getBoundingClientRect().top;"
        "  const parts = [...row.querySelectorAll('button, .whole, .fitted')];"
        "  const isCut = (one) => box(one).bottom > end.bottom || box(one).right > end.right"
        "    || one.scrollWidth > one.offsetWidth + 1 || (one.matches('.whole') && !below(one));"
        "  return next && Math.abs(next - end.bottom) > 1 ? ['overlap']"
        "    : parts.filter(isCut).map((one) => one.textContent) }).join(' ')"
    )
    browser.resize(360, 780)
    show(worker, "metrics")
    browser.wait_for(lambda: browser.texts("main thead th") == ["Name", "Value"])
    browser.wait_for(lambda: browser.script(cut) == "")
    labels = ["node=llama70b-a_worker0", "worker_id=0"]  # the role has one value
    name = "lmcache:local_cpu_hot_cache_count_0"
    assert browser.texts(".virtual tbody th")[0].split() == [name, *labels]
    rows = "return document.querySelector('.virtual').scrollHeight"
    height = browser.script(rows)
    browser.script("document.querySelector('.virtual').scrollTop = 9000")
    browser.wait_for(lambda: not browser.has(".virtual tr[aria-rowindex='2']"))
    assert browser.script(cut) == ""
    assert abs(browser.script(rows) - height) <= 40, "rows have the height that was computed"
    browser.resize(1440, 900)
    browser.wait_for(lambda: "Node" in browser.texts("main thead th"))
    room = (
        "const cell = document.querySelector('.virtual td:has(.fitted)');"
        "const pen = document.createElement('canvas').getContext('2d');"
        "pen.font = getComputedStyle(cell).font;"
        "return cell.clientWidth - 16 - pen.measureText('llama70b-a_worker10').width"
    )
    assert browser.script(room) >= 0


def test_what_is_searched_for_stands_whole_beside_the_count(browser, worker, show):
    browser.resize(1440, 900)
    show(worker, "metrics")
    browser.wait_for(lambda: browser.count("button[data-metric]") == 3)
    browser.type("input[aria-label='Search metrics']", "time_to_retrieve")
    browser.wait_for(lambda: browser.text("main .search-count") == "1 match")
    free = (
        "const input = document.querySelector('main .search input');"
        "const { font, paddingLeft, paddingRight } = getComputedStyle(input);"
        "const pen = document.createElement('canvas').getContext('2d');"
        "pen.font = font;"
        "return input.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight)"
        "  - pen.measureText(input.value).width"
    )
    assert browser.script(free) >= 0
    show(worker, "config?q=min_retrieve_tokens")
    browser.wait_for(lambda: browser.text("main .search-count") == "1 match")
    assert browser.script(free) >= 0


def test_the_search_of_metrics_has_a_line_of_its_own_on_a_telephone(browser, worker, show):
    prefixes = ("process", "lmcache")
    worker.pages["/metrics"] = "".join("# TYPE %s:x gauge\n%s:x 1\n" % (2 * (p,)) for p in prefixes)
    browser.resize(360, 780)
    show(worker, "metrics")
    browser.wait_for(lambda: browser.has("main .metrics .tools .search"))
    line, left = browser.script(
        "const tools = document.querySelector('main .metrics .tools');"
        "const box = (one) => one.getBoundingClientRect();"
        "const parts = [...tools.querySelectorAll('.search, .chips button, label')];"
        "const line = parts.filter((one) => box(one).top < box(parts[0]).bottom);"
        "const end = Math.max(...line.map((one) => box(one).right));"
        "return [line.map((one) => one.textContent), box(tools).right - end]"
    )
    browser.resize(1440, 900)
    assert line == [""] and abs(left) <= 1


def test_a_label_of_few_rows_gets_no_column(browser, worker, show):
    worker.pages["/metrics"] = (
        "# TYPE lmcache:x gauge\n"
        + "".join('lmcache:x{tier="l%d"} 1\n' % n for n in range(8))
        + 'lmcache:x{rare="a"} 1\nlmcache:x{rare="b"} 1\n'
    )
    show(worker, "metrics")
    browser.wait_for(
        lambda: browser.texts("main thead th") == ["Name", "Tier", "Help", "Type", "Value"]
    )
    assert browser.texts("main tbody th")[-1].split() == ["lmcache:x", "rare=b"]


def test_a_table_that_is_too_wide_becomes_cards_that_name_their_columns(browser, demo, show):
    browser.resize(360, 780)
    show(demo, "threads", "llama70b-b_worker0")
    browser.wait_for(lambda: browser.has("main .stacked"))
    card = browser.script(
        "const row = document.querySelector('.stacked tbody:not(.spacer) tr'); "
        "return [...row.children].map((e) => [e.getAttribute('role'), e.dataset.label])"
    )
    assert ["rowheader", "Name"] in card and ["cell", "Last result"] in card
    browser.resize(1440, 900)
    browser.wait_for(lambda: not browser.has("main .stacked"))
    assert "Last run" in browser.texts("main thead th")


@pytest.mark.parametrize("width", [360, 560])
def test_cards_leave_out_no_column(browser, demo, show, width):
    labels = (
        "const row = document.querySelector('main .stacked tbody:not(.spacer) tr');"
        "return row && [...row.children].map((cell) => cell.dataset.label)"
    )
    every = ["State", "Name", "Level", "Every", "Last run", "Runs", "Failed", "Last result"]
    browser.resize(width, 900)
    show(demo, "threads", "mp-0")
    browser.wait_for(lambda: browser.script(labels) == every)
    # Where there is more room it is a table again.
    browser.resize(1440, 900)
    browser.wait_for(lambda: not browser.has("main .stacked"))
    assert browser.count("main thead th") == len(every)
    browser.resize(width, 900)
    browser.wait_for(lambda: browser.script(labels) == every)


def test_a_range_before_the_history_says_when_that_begins_and_of_what_day_it_is(browser, demo):
    end = demo.ask("/api/status").json()["history_start"] - 2 * 86400
    begins = "No figures in this time range. History begins at"
    try:
        browser.resize(360, 800)
        for place in ("node/llama70b-b_worker1", ""):
            browser.leave()
            browser.goto(demo.url + "/?from=%d&to=%d#/%s" % (end - 1800, end, place))
            browser.wait_for(lambda: begins in browser.text("main"))
            shown = browser.texts(".span-box option")[0]
            assert re.match(r"\d+\s\w+\s\d\d:\d\d", shown), shown
            assert not place or "tables show current values" in browser.text("main")
        assert browser.script("return document.documentElement.scrollWidth") == 360
    finally:
        browser.resize(1280, 800)


@pytest.mark.parametrize(
    "node, note",
    [
        ("llama70b-a_api", "of tokens not on the GPU"),
        ("mp-0", "tok/s looked up"),
        ("llama70b-a_scheduler", "without GPU prefix hits"),
        ("llama70b-a_worker2", "slower than the limit"),
    ],
)
def test_what_tiles_say_below_their_figures_is_never_cut(browser, demo, show, node, note):
    cut = (
        "return [...document.querySelectorAll('.tile :is(.name, .more, .more *)')]"
        ".filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth)"
        ".map((one) => one.textContent)"
    )
    try:
        show(demo, "overview", node)
        wait_text(browser, note, "main")
        for width in (1440, 1024, 768, 360):
            browser.resize(width, 900)
            assert browser.script(cut) == [], width
    finally:
        browser.resize(1280, 800)


def test_the_hit_rates_of_a_page_say_of_what_they_are_shares(browser, demo, show):
    show(demo, "overview", "mp-0")
    tile = "return [...document.querySelectorAll('.tile')].find((one) =>"
    tile += " one.innerText.startsWith('L2 hit rate'))?.querySelector('.more').innerText"
    browser.wait_for(lambda: re.fullmatch(r"of \S+\s?tok/s looked up", browser.script(tile) or ""))
    show(demo, "overview", "llama70b-a_api")
    table = "section[aria-label='Other nodes of this instance'] thead "
    wait_text(browser, "Hit rate", table)
    titles = [browser.attribute(table + "th:nth-child(%d)" % at, "title") for at in (5, 6, 7)]
    assert titles == [
        "share of looked-up tokens that were in the cache",
        "99 of 100 retrievals are faster",
        "bytes in the local CPU cache",
    ]


def test_the_page_of_a_scheduler_begins_with_the_figures_of_its_instance(browser, demo, show):
    show(demo, "overview", "llama70b-b_scheduler")
    section = "section[aria-label='Figures of llama70b-b']"
    wait_text(browser, "without GPU prefix hits", section)
    assert browser.count(section + " .tile") == 8
    told = browser.texts(section + " .tile .number")[0]
    instances = demo.ask("/api/status").json()["instances"]
    [rate] = [one["metrics"]["lookup_hit_rate"] for one in instances if one["name"] == "llama70b-b"]
    assert abs(float(told) - 100 * rate) < 2  # they are of polls that follow each other
    assert browser.attribute(section + " h2 a", "href").startswith("#/?group=")
    wait_text(browser, "llama70b-b_worker3", "section[aria-label='Other nodes of this instance']")
    wait_text(browser, "Reuse rate", "section[aria-label='Chunk statistics']")


ANSWERS = os.path.join(os.path.dirname(__file__), "payloads", "answers.json")


def test_a_limit_is_that_of_the_l2_adapter_that_evicts_though_another_one_holds_as_much(
    browser, start
):
    with open(ANSWERS) as file:
        answers = json.load(file)["mp_0.5.6"]
    use = answers["/status"][1]["storage_manager"]["l2_eviction_controller"]["adapters"][0]
    page = 'lmcache_mp_l2_usage_bytes{l2_name="%s"} %d\n'
    used = [page % (name, use["total_bytes_used"]) for name in ("fs_native", "fs")]
    with PanelNode() as server:
        server.pages = {path: tuple(answer) for path, answer in answers.items()}
        head = "# TYPE lmcache_mp_l2_usage_bytes gauge\n"
        server.pages["/metrics"] = head + "".join(used)
        adapters = [{"eviction_config": "EvictionConfig()"}, {"eviction_config": None}]
        config = {"storage_manager": {"l2_adapter_config": {"adapters": adapters}}}
        server.pages["/config"] = {**answers["/config"][1], **config}
        front = start("--node", "m=%s" % server.address, "--poll-interval", "0.5")
        wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["kind"] == "mp")
        browser.leave()
        browser.goto(front.url + "/#/node/m")
        table = "table[aria-label='L2 adapters'] tbody:not(.spacer) tr"
        rows = browser.wait_for(lambda: browser.texts(table))
        assert len(rows) == 2 and "8.19" in rows[0]
        assert rows[1].split()[0] == "fs" and "not reported" in rows[1]


@pytest.mark.parametrize(
    "policy, is_without_effect", [("LRU", True), ("IsolatedLRU", False), (None, False)]
)
def test_quotas_that_no_adapter_heeds_are_said_to_have_no_effect(
    browser, start, policy, is_without_effect
):
    with open(ANSWERS) as file:
        answers = json.load(file)["mp_0.5.6"]
    storage = answers["/status"][1]["storage_manager"]
    storage["l2_eviction_controller"]["adapters"][0]["eviction_policy"] = policy
    if not policy:
        del storage["l2_eviction_controller"]
    with PanelNode() as server:
        server.pages = {path: tuple(answer) for path, answer in answers.items()}
        server.pages["/quota"] = {"users": {}}
        front = start("--node", "m=%s" % server.address, "--poll-interval", "0.5")
        wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["kind"] == "mp")
        browser.leave()
        browser.goto(front.url + "/#/node/m/cache")
        section = "section[aria-label=Quotas]"
        browser.wait_for(lambda: "No quotas on this server." in browser.text(section))
        text = browser.text(section)
        assert ("quotas set here have no effect" in text) == is_without_effect
        assert ("evicts all KV of a cache salt" in text) != is_without_effect
        assert "coordinator" not in text, "none is known"
        assert browser.has(section + " form"), "adapters may be replaced"


def test_the_quotas_of_an_mp_server_lead_to_those_of_its_coordinator(browser, demo, show):
    show(demo, "cache", "mp-0")
    section = "section[aria-label=Quotas] "
    wait_text(browser, "No L2 adapter of this server uses IsolatedLRU eviction", section)
    assert browser.attribute(section + "p a", "href") == "#/node/coordinator/cache"


def test_an_adapter_is_not_said_to_evict_nothing_where_the_status_does_not_tell(browser, start):
    with open(ANSWERS) as file:
        answers = json.load(file)["mp_0.5.6"]
    page = 'lmcache_mp_l2_usage_bytes{l2_name="%s"} 7\n'
    with PanelNode() as server:
        server.pages = {path: tuple(answer) for path, answer in answers.items()}
        head = "# TYPE lmcache_mp_l2_usage_bytes gauge\n"
        server.pages["/metrics"] = head + page % "fs_native" + page % "fs"
        front = start("--node", "m=%s" % server.address, "--poll-interval", "0.5")
        wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["kind"] == "mp")
        browser.leave()
        browser.goto(front.url + "/#/node/m")
        browser.wait_for(lambda: "L2, fs_native" in browser.text("main .meters"))
        text = browser.text("main .meters")
        assert "limit not reported" in text and "no eviction, limit" not in text
        browser.wait_for(lambda: "running, at most" in browser.text("main"))
        assert "other device" in browser.text("[aria-label='Registered workers']")


@pytest.fixture
def controller(browser, start):
    """The Overview of a controller with two workers of an instance: the node, with ``beats``.

    Those are the times of the workers' last heartbeats; the first worker holds ``keys``.
    """
    with open(ANSWERS) as file:
        answers = json.load(file)["controller_0.5.6"]

    def workers(_):
        common = {"instance_id": "real_uds", "ip": "127.0.0.1", "registration_time": 1795425222.5}
        return {
            "workers": [
                {
                    **common,
                    "worker_id": number,
                    "port": 27271 + number,
                    "last_heartbeat_time": beat,
                    "key_count": server.keys - number,
                }
                for number, beat in enumerate(server.beats)
            ],
            "total_count": 2,
        }

    def keys(_):
        instance = {"instance_id": "real_uds", "key_count": 2 * server.keys - 1, "worker_count": 2}
        return {"instances": [instance], "total_key_count": instance["key_count"]}

    with PanelNode() as server:
        server.keys = 240
        server.beats = [time.time() - 8, time.time() - 90]
        server.pages = {path: tuple(answer) for path, answer in answers.items()}
        server.pages["/controller/workers"] = workers
        server.pages["/controller/key-stats"] = keys
        front = start("--node", "c=%s" % server.address, "--poll-interval", "0.5")
        wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["kind"] == "controller")
        browser.leave()
        browser.goto(front.url + "/#/node/c")
        wait_text(browser, "ago", CONTROLLER_WORKERS)
        yield server


CONTROLLER_WORKERS = "[aria-label='Workers']"
HEARTBEATS = (
    "return [...document.querySelectorAll(\"section[aria-label='Workers'] td\")]"
    ".filter((cell) => cell.dataset.label === 'Last heartbeat').map((cell) => cell.textContent)"
)


def test_a_heartbeat_grows_no_older_when_its_table_is_sorted(browser, controller):
    before = browser.script(HEARTBEATS)
    # The late one stands first.
    assert re.fullmatch("◆ late, 1 min 3[0-9] s ago", before[0].replace("\u00a0", " "))
    assert re.fullmatch("([89]|1[0-9]) s ago", before[1].replace("\u00a0", " "))
    later = browser.script(
        "const now = Date.now, heads = [...document.querySelectorAll(\"[aria-label='Workers'] "
        'thead button")];'
        "Date.now = () => now() + 70000;"
        "try { heads.find((e) => e.textContent === 'Address').click();" + HEARTBEATS + "; }"
        "finally { Date.now = now; }"
    )
    assert sorted(later) == sorted(before)
    assert "As of " in browser.text(CONTROLLER_WORKERS)


@pytest.fixture
def other_clock(browser):
    """Load a page in a browser whose clock is so many seconds ahead; its tests end before it."""
    with contextlib.ExitStack() as ends:

        def load(url, seconds):
            ends.enter_context(browser.clock_ahead(seconds))
            browser.leave()
            browser.goto(url)
            return browser

        yield load


AHEAD = pytest.mark.parametrize("ahead", [30, -3600])  # seconds of the browser's clock


@AHEAD
def test_a_heartbeat_is_as_old_as_by_the_clock_of_the_server(
    browser, controller, other_clock, ahead
):
    other_clock(browser.url, ahead)
    wait_text(browser, "ago", CONTROLLER_WORKERS)
    beats = [text.replace("\u00a0", " ") for text in browser.script(HEARTBEATS)]
    assert re.fullmatch("◆ late, 1 min [34][0-9] s ago", beats[0])
    assert re.fullmatch("([89]|[12][0-9]) s ago", beats[1])
    # Of this minute or of the one before it, by the clock of this machine.
    said = browser.text(CONTROLLER_WORKERS + " .said-first")
    assert any(
        time.strftime("As of %H:%M:", time.localtime(time.time() - late)) in said
        for late in (0, 60)
    )


AGES = (
    "return [...document.querySelectorAll('[data-since]')].map((one) => [one.textContent,"
    " Number(one.dataset.since)])"
)


def seconds_of(text):
    """The seconds of a length of time."""
    parts = re.findall(r"(\d+)\s(h|min|s)\b", text)
    return sum(int(count) * {"h": 3600, "min": 60, "s": 1}[unit] for count, unit in parts)


@AHEAD
def test_how_long_a_node_is_down_is_told_each_second_by_the_clock_of_the_server(
    browser, start, other_clock, ahead
):
    # After its first poll nothing is polled for a minute: the status has an old time.
    front = start("--node", "w0=127.0.0.1:1", "--poll-interval", "60")
    wait_for(lambda: front.ask("/api/status").json()["counts"]["down"])
    other_clock(front.url + "/#/node/w0", ahead)
    browser.wait_for(lambda: browser.has(".note.down [data-since]"))
    for _ in range(3):
        shown, now = browser.script(AGES), time.time()
        assert all(abs(seconds_of(text) - (now - since)) < 3 for text, since in shown), shown
        browser.wait_for(lambda: browser.script(AGES)[0][0] != shown[0][0])


@AHEAD
def test_silences_links_and_updates_have_the_clock_of_the_server(
    browser, start, other_clock, ahead
):
    front = start("--node", "w0=127.0.0.1:1", "--poll-interval", "0.5")
    wait_for(lambda: front.ask("/api/status").json()["alerts"])
    other_clock(front.url, ahead)
    face = ".alerts .menu-box > button"
    browser.wait_for(lambda: browser.has(face))
    browser.box(face)  # nothing that loads moves it any more
    browser.click(face)
    browser.wait_for(lambda: browser.has(".alerts .menu"))
    hours = [
        time.strftime("until %H:%M", time.localtime(time.time() + 3600 - late)) for late in (0, 60)
    ]
    assert any(one in browser.text(".alerts .menu") for one in hours), browser.text(".alerts .menu")
    assert re.search(r"Updated (just now|\d s ago)", browser.text("main").replace("\u00a0", " "))
    link = "const { fixedLink } = await import('/static/js/address.js');"
    link += "const { serverNow } = await import('/static/js/format.js');"
    link += "return fixedLink(serverNow())"
    to = int(re.search(r"to=(\d+)", browser.script(link)).group(1))
    assert abs(to - time.time()) < 3


def test_the_events_of_a_frontend_are_those_of_the_nodes_behind_it(browser, start, worker):
    rack = start("--node", "w0=%s" % worker.address)
    behind = {"name": "w0", "host": "127.0.0.1", "port": worker.port}
    entry = {"name": "rack1", "host": "127.0.0.1", "port": rack.port, "nodes": [behind]}
    front = start("--nodes", json.dumps([entry]))
    browser.goto(front.url + "/#/node/rack1/events")
    line = "main section[aria-label='Events'] .quiet-line"
    wait_text(browser, "for the nodes behind this frontend.", line)


def test_a_frontend_that_is_listed_as_a_node_says_why_its_nodes_are_not_shown(
    browser, start, worker
):
    far = start("--node", "w0=%s" % worker.address)
    gone = {"name": "far-a", "host": "127.0.0.1", "port": 9}
    far_b = {"name": "far-b", "host": "127.0.0.1", "port": far.port}
    rack = start("--nodes", json.dumps([gone, far_b]))
    rack1 = {"name": "rack1", "host": "127.0.0.1", "port": rack.port, "nodes": []}
    options = ("--poll-interval", "0.5")
    front = start("--nodes", json.dumps([rack1, dict(far_b, name="near")]), *options)
    page = "main section[aria-label='Nodes behind this frontend']"

    def kinds():
        nodes = front.ask("/api/status").json()["nodes"]
        return {node["key"]: node["kind"] for node in nodes}

    wait_for(lambda: kinds().get("rack1/far-b") == kinds().get("near") == "frontend")
    ends = {
        "near": "This frontend is listed as a node, so its nodes are not shown here. To see them, "
        "remove it under Nodes and add it there as a frontend.",
        "rack1/far-b": "rack1 lists this frontend as a node, so its nodes are not shown here. To "
        "see them, remove it on rack1 and add it there as a frontend.",
    }
    for key, text in ends.items():
        browser.goto("%s/#/node/%s" % (front.url, key.replace("/", "%2F")))
        wait_text(browser, text, page)
    browser.goto(front.url + "/#/node/rack1")
    browser.wait_for(lambda: browser.count(page + " tbody:not(.spacer) tr") == 2)
    assert browser.texts(page + " tbody td:nth-child(3)") == ["–", "frontend"]


def test_in_a_fixed_range_the_tables_of_a_controller_follow_its_polls_and_say_so(
    browser, controller
):
    assert "this range" not in browser.text(CONTROLLER_WORKERS)
    now = int(time.time())
    fixed = "(await import('/static/js/address.js')).setFixed(arguments[0] - 600, arguments[0])"
    browser.script(fixed, now - 60)
    for table in (CONTROLLER_WORKERS, "[aria-label='Keys']"):
        assert re.search(r"As of [\d:]+, after the end of this range\.", browser.text(table))
    controller.keys = 300
    wait_text(browser, "300", CONTROLLER_WORKERS)


def test_the_tables_of_a_controller_follow_its_polls_and_stay_sorted(browser, controller):
    address = "[aria-label='Workers'] thead button"
    browser.script(
        "[...document.querySelectorAll(arguments[0])]"
        ".find((e) => e.textContent === 'Address').click()",
        address,
    )
    controller.keys = 300
    controller.beats = [time.time(), time.time() - 100]
    wait_polling(browser, lambda: "300" in browser.text(CONTROLLER_WORKERS))
    wait_polling(browser, lambda: "599" in browser.text("[aria-label='Keys']"))
    first, second = browser.script(HEARTBEATS)
    assert "late" not in first and "late" in second


@pytest.mark.parametrize("width", [360, 1280])
def test_cards_of_two_workers_of_an_instance_have_heads_of_their_own(browser, controller, width):
    heads = CONTROLLER_WORKERS + " tbody th"
    browser.resize(2560, 900)
    browser.wait_for(lambda: not browser.has(CONTROLLER_WORKERS + " .stacked"))
    assert browser.texts(heads) == ["real_uds", "real_uds"]
    browser.resize(width, 900)
    browser.wait_for(lambda: browser.has(CONTROLLER_WORKERS + " .stacked"))
    assert browser.texts(heads) == ["real_uds · worker 1", "real_uds · worker 0"]
    browser.resize(2560, 900)
    browser.wait_for(lambda: browser.texts(heads) == ["real_uds", "real_uds"])
    assert browser.has(CONTROLLER_WORKERS + " thead button")


def test_layers_of_one_shape_are_one_group(browser, demo, show):
    show(demo, "cache", "llama70b-b_worker0")
    browser.wait_for(lambda: browser.has("section[aria-label='KV cache'] .layers"))
    assert browser.texts("section[aria-label='KV cache'] .layers dd") == [
        "80",
        "2×4096×16×2×128",
        "bfloat16",
        "cuda:0",
    ]
    browser.click("section[aria-label='KV cache'] .layers summary")
    assert browser.count("section[aria-label='KV cache'] .layers li") == 80


def test_a_metric_with_a_history_shows_it_when_it_is_opened(browser, demo, show):
    show(demo, "metrics", "llama70b-b_worker0")
    metric = "lmcache:local_cache_usage"
    browser.click("button[data-metric^='%s']" % metric)
    chart = "section[aria-label^='%s'] .chart" % metric
    browser.wait_for(lambda: any("History since" in text for text in browser.texts(chart)))
    told = next(text for text in browser.texts(chart) if "History since" in text)
    since, age = browser.script(
        "const [, clock] = arguments[0].match(/since (\\d\\d:\\d\\d:\\d\\d)/);"
        "const seconds = (time) => time.split(':').reduce((sum, one) => 60 * sum + Number(one), 0);"
        "const now = seconds(new Date().toTimeString().slice(0, 8));"
        "return [clock, (now - seconds(clock) + 86400) % 86400]",
        told,
    )
    assert age <= 3600 + 60, "the chart of an hour begins no earlier: " + since


def test_a_histogram_shows_bars_and_quantiles(browser, worker, show):
    show(worker, "metrics")
    browser.click("button[data-metric^='lmcache:time_to_retrieve']")
    words = browser.text("section[aria-label='lmcache:time_to_retrieve']")
    # Ranks 50, 90 and 99 of 100: the ends of the first two buckets, and 9/10 of the way through
    # the third.
    assert ["p50 100 ms", "p90 200 ms", "p99 380 ms", "mean 110 ms"] == words.splitlines()[5:9]
    # Each is counted by itself: "≤ 400 ms" would be all 100, as in Prometheus.
    assert [" ".join(row.split()) for row in browser.texts(".bars tbody tr")] == [
        "≤ 100 ms 50",
        "100 – 200 ms 40",
        "200 – 400 ms 10",
        "> 400 ms 0",
    ]
    for metric, value in (
        ("num_hit_tokens_total", "4,200 tok"),
        ("local_cache_usage", "1.00 MiB reported as 1,048,576"),
    ):
        browser.click("button[data-metric^='lmcache:%s']" % metric)
        shown = "section[aria-label='lmcache:%s'] p:has(> b)" % metric
        browser.wait_for(lambda shown=shown: browser.has(shown))
        assert " ".join(browser.text(shown).split()) == value


def test_equal_threads_are_one_group_and_what_moved_is_left_out(browser, worker, show):
    step = iter(range(1, 1000))
    worker.pages["/threads"] = lambda request: THREADS % next(step)
    show(worker, "threads")
    browser.wait_for(lambda: browser.has(".thread") and browser.count(".thread") == 2)
    assert browser.texts(".thread summary")[0].startswith("2 ×\xa0pool_0, pool_1")
    assert "move (mover.py:1)" in browser.texts(".thread summary")[1]
    browser.type("input[aria-label='Search frames']", "mover")
    browser.wait_for(lambda: browser.count(".thread") == 1)
    browser.type("input[aria-label='Search frames']", " ")
    browser.wait_for(lambda: browser.count(".thread") == 2)
    press(browser, "Sample again and show stuck threads")
    browser.wait_for(lambda: browser.count(".thread") == 1)
    assert "pool_0" in browser.text(
        ".thread"
    ) and "2 of 3 threads with the same frames" in browser.text("main")


def test_a_setting_that_changed_lately_is_marked_and_leads_to_the_event(browser, worker, show):
    front = show(worker, "config")
    browser.wait_for(lambda: "chunk_size" in browser.text("main .data"))
    assert not browser.has("main .changed-at")
    worker.pages["/conf"]["chunk_size"] = 512
    query = "/api/events?kind=changed&node=w0"
    assert front.ask("/proxy2/w0/conf").status == 200
    press(browser, "Refresh", ".page-head")
    wait_for(lambda: front.ask(query).json()["events"], 70)
    browser.reload()
    title = browser.attribute("main .changed-at", "title")
    assert title.startswith("256 → 512 at ")
    only = "const box = document.querySelector('main select[aria-label=Show]');"
    only += "box.value = 'lately'; box.dispatchEvent(new Event('change'))"
    browser.script(only)
    assert browser.count("main .data tbody th[scope=row]") == 1
    browser.focus("main .changed-at")
    browser.press("Enter")
    browser.wait_for(lambda: "chunk_size 256 → 512" in browser.text("main .events"))


def tab_to(browser, words, most=80):
    """Press Tab until what has the focus says that."""
    told = "return document.activeElement.textContent.trim()"
    for _ in range(most):
        if browser.script(told) == words:
            return
        browser.press("Tab")
    raise AssertionError("%d presses of Tab do not reach %s" % (most, words))


def test_the_keyboard_reaches_what_an_alert_and_the_events_of_a_node_offer(browser, worker, show):
    check = "RemoteBackendHealthCheck(fs://h:0/)"
    worker.pages["/metrics"] = METRICS + 'lmcache:lmcache_is_healthy{role="worker"} 0\n'
    summary = {"success": False, "message": "Failed checks: ['%s']" % check}
    worker.pages["/periodic-threads/health-monitor-thread"] = {"last_summary": summary}
    show(worker, "overview")
    wait_polling(browser, lambda: check + " failed" in browser.text("main .note.degraded"))
    wait_polling(browser, lambda: browser.has("main .alerts .why button"))
    browser.focus(".tabs a")
    tab_to(browser, "Details")
    browser.press("Enter")
    tab_to(browser, "What to do")
    browser.script(
        "document.activeElement.addEventListener('click', (event) => {"
        " event.preventDefault(); document.title = event.target.href; })"
    )
    browser.press("Enter")
    assert browser.title.endswith("static/help.html#do-node_degraded")
    tab_to(browser, "Silence")
    browser.press("Enter")
    browser.wait_for(lambda: "For 1 hour" in browser.focused())
    browser.press("Enter")
    browser.wait_for(lambda: "1 silenced" in browser.text("main .alert-card"))
    tab_to(browser, "All events")
    browser.press("Enter")
    browser.wait_for(lambda: "w0 is degraded: reports itself" in browser.text("main .events"))


def test_what_a_node_does_not_offer_is_one_line(browser, worker, show):
    del worker.pages["/env"]
    show(worker, "environment")
    browser.wait_for(lambda: "has no such endpoint" in browser.text("main .panel.absent"))
    height = browser.script("return document.querySelector('main .panel').offsetHeight")
    assert height < 60


def test_a_search_of_environments_tells_a_node_without_one_from_a_failure(browser, worker, show):
    del worker.pages["/env"]
    show(worker, "environment")
    for page, told in (
        (None, "0 nodes match, 1 node does not report its environment"),
        ((500, {"error": "broken"}), "0 nodes match, 1 did not respond"),
        ({"HOME": "/root"}, "1 node matches"),
    ):
        worker.pages.update({"/env": page} if page else {})
        browser.script("location.hash = '#/?env=HOME'")
        browser.wait_for(lambda told=told: told in browser.texts("main .tools .progress"))
        browser.script("location.hash = '#/'")
        browser.wait_for(lambda: browser.text("main .tools .progress") == "")


def test_the_overdue_periodic_thread_stands_first(browser, worker, show):
    def thread(name, ago):
        return {
            "name": name,
            "level": "critical",
            "interval": 5,
            "is_running": True,
            "is_active": ago < 15,
            "last_run_time": 1,
            "last_run_ago": ago,
            "total_runs": 3,
            "failed_runs": 0,
        }

    worker.pages["/periodic-threads"] = {
        "threads": [thread("a-fine", 2), thread("b-late", 600), thread("c-fine", 1)]
    }
    show(worker, "threads")
    browser.wait_for(
        lambda: browser.count("section[aria-label='Periodic threads'] tbody:not(.spacer) tr") == 3
    )
    first = browser.texts("section[aria-label='Periodic threads'] tbody:not(.spacer) tr")[0]
    assert "b-late" in first and "overdue" in first


def test_a_thread_of_a_few_milliseconds_is_on_time_and_what_failed_is_a_sentence(
    browser, worker, show
):
    def thread(name, interval, ago, message, active):
        return {
            "name": name,
            "interval": interval,
            "is_running": True,
            "is_active": active,
            "last_run_time": 1,
            "last_run_ago": ago,
            "total_runs": 3,
            "failed_runs": 0,
            "last_summary": {"success": active, "message": message},
        }

    worker.pages["/periodic-threads"] = {
        "threads": [
            thread("fast", 0.005, 0.04, "ok", False),
            thread("just-late", 0.005, 1.0, "Failed checks: ['A(fs://h/)', 'B()']", False),
        ]
    }
    show(worker, "threads")
    rows = "section[aria-label='Periodic threads'] tbody:not(.spacer) tr"
    browser.wait_for(lambda: browser.count(rows) == 2)
    late, fast = [" ".join(row.split()) for row in browser.texts(rows)]
    assert "overdue" in late and "1.00 s ago" in late
    assert "Failed checks: A(fs://h/), B()" in late
    assert "overdue" not in fast and "40.0 ms ago" in fast


def test_help_is_shown_without_markup_and_an_empty_label_value_as_such(browser, worker, show):
    worker.pages["/metrics"] = (
        METRICS.replace("Hit tokens", "Hit tokens by ``salt``")
        + 'lmcache:num_hit_tokens_total{role="worker",worker_id="0",salt=""} 1.0\n'
    )
    show(worker, "metrics")
    browser.wait_for(lambda: "Hit tokens by salt" in browser.text("main"))
    assert 'salt=""' in browser.text("main")


def test_markup_in_an_answer_is_shown_as_text(browser, worker, show):
    worker.pages.update(
        {
            "/conf": {"lmcache_instance_id": "i0", EVIL: EVIL, "list": [EVIL]},
            "/meta": {"role": "worker", EVIL: {EVIL: [EVIL]}},
            "/inference_info": {EVIL: EVIL},
            "/env": {EVIL: EVIL, "B": EVIL},
            "/threads": THREADS.replace("pool_0", EVIL).replace("gotit", EVIL) % 1,
            "/loglevel": "lmcache: INFO\nlmcache.%s: INFO\n" % EVIL,
            "/metrics": METRICS.replace("Hit tokens", EVIL).replace(
                'worker_id="0"', 'worker_id="%s"' % EVIL.replace('"', '\\"')
            ),
            "/periodic-threads": {
                "threads": [
                    {
                        "name": EVIL,
                        "level": EVIL,
                        "interval": 5,
                        "is_running": True,
                        "last_run_ago": 1,
                        "last_run_time": 1,
                        "total_runs": 1,
                        "last_summary": {"message": EVIL},
                    }
                ]
            },
            "/backends": {EVIL: EVIL},
            "/bypass/list": {"bypassed_backends": [EVIL]},
            "/lookup/info": {"client": EVIL, "server": EVIL},
            "/hot_cache/status": (500, {"error": EVIL}),
        }
    )
    front = show(worker, "overview")
    for panel in (
        "config",
        "meta",
        "inference",
        "environment",
        "threads",
        "metrics",
        "loglevels",
        "cache",
    ):
        browser.goto("%s/#/node/w0/%s" % (front.url, panel))
        browser.wait_for(
            lambda panel=panel: (
                browser.has(".tabs a[aria-current][href$='/%s']" % panel)
                and "<img src=x" in browser.property("main", "textContent")
            )
        )
        if panel == "metrics":
            browser.click("button[data-metric]")
            browser.wait_for(lambda: browser.has("section[aria-label^='lmcache:']"))
        assert browser.count("main img, main script, main iframe, main svg[onload]") == 0, panel
    assert browser.script("return window.evil || document.querySelector('dialog[open]')") is None


def test_a_script_runs_and_its_answer_is_text(browser, worker, show):
    sent = []
    worker.pages["/conf"].update(
        {"run_script_api_enabled": True, "script_allowed_imports": ["math"]}
    )
    worker.pages["/run_script"] = lambda request: sent.append(request.body) or EVIL
    show(worker, "script")
    wait_text(browser, "Allowed imports: math")
    names = {
        name: getattr(builtins, name) for name in "print str int float list dict tuple set".split()
    }  # all that LMCache gives a script
    sample = {"__builtins__": names, "app": object()}
    exec(browser.script("return document.querySelector('textarea[name=script]').value"), sample)
    assert sample["result"].startswith("hello from")
    browser.type("textarea[name=script]", "result = 6 * 7")
    press(browser, "Run on this node")
    browser.click("dialog button[type=submit]")
    wait_text(browser, "<img src=x")
    assert b"result = 6 * 7" in sent[0] and b'name="script"' in sent[0]
    assert (
        browser.count("main img, main script") == 0 and browser.script("return window.evil") is None
    )


def test_where_scripts_are_off_none_can_be_run_and_the_setting_is_linked(browser, demo, show):
    show(demo, "script", "llama70b-b_worker0")
    wait_text(browser, "Scripts are disabled on this node")
    assert browser.property("main button.primary", "disabled")
    assert browser.count("main :is(input[type=file], textarea):disabled") == 2
    assert browser.has("main .panel-line a[href*='llama70b-b_worker0/config?q=']")


@pytest.mark.parametrize("name,side", [("worker0", "Server"), ("scheduler", "Client")])
def test_the_lookup_of_a_node_is_its_own_side_of_it(browser, demo, show, name, side):
    show(demo, "cache", "llama70b-b_" + name)
    lookup = "main section[aria-label=Lookup]"
    browser.wait_for(lambda: browser.has(lookup + " dt"))
    assert browser.texts(lookup + " dt") == [side]
    assert "While the %s is closed" % side.lower() in browser.text(lookup)


def test_an_empty_table_has_no_heads(browser, demo, show):
    show(demo, "cache", "coordinator")
    wait_text(browser, "Nothing is pinned.")
    heads = "return !!document.querySelector('[aria-label=%s] thead').offsetParent"
    assert not browser.script(heads % "Pins")
    assert browser.script(heads % "Keys")


def test_on_a_telephone_the_places_of_a_key_are_whole_and_the_box_shows_that_it_scrolls(
    browser, demo, show
):
    places = (
        'return [...document.querySelectorAll(\'[aria-label=Keys] td[data-label="Stored in"] '
        "span > span')].map((one) => one.getClientRects().length + one.offsetHeight)"
    )
    cut = (
        "const box = document.querySelector('[aria-label=Keys] .table-wrap');"
        "const edge = box.getBoundingClientRect().bottom;"
        "return [...box.querySelectorAll('th, td')].some((one) => {"
        "  const { top, bottom } = one.getBoundingClientRect();"
        "  return top < edge - 4 && bottom > edge + 4 })"
    )
    browser.resize(360, 800)
    show(demo, "cache", "coordinator")
    found = browser.wait_for(lambda: browser.script(places))
    assert max(found) < 24, "each is one box of one line"
    assert browser.script(cut)


def test_a_long_name_of_a_periodic_thread_makes_no_cards_of_a_table(browser, demo, show):
    browser.resize(768, 900)
    show(demo, "threads", "mp-0")
    browser.wait_for(lambda: "SessionManager-cleanup" in browser.text("main .table-wrap"))
    assert not browser.has("main .stacked")
    assert "Last result" in browser.texts("main .data thead th")


def test_a_sentence_in_a_card_of_a_table_begins_each_line_at_one_place(browser, demo, show):
    lefts = "const cell = document.querySelector('main .stacked td[data-label=\"Last result\"]');"
    lefts += "const range = document.createRange(); range.selectNodeContents(cell);"
    lefts += "const lines = Map.groupBy(range.getClientRects(), ({ top }) => Math.round(top));"
    lefts += "return [...lines.values()].map((one) => Math.min(...one.map(({ left }) => left)))"
    browser.resize(360, 800)
    try:
        show(demo, "threads", "llama70b-b_scheduler")
        browser.wait_for(lambda: browser.has("main .stacked td[data-label='Last result']"))
        lines = browser.script(lefts)
        assert len(lines) > 1 and max(lines) - min(lines) < 1
    finally:
        browser.resize(1280, 800)


def test_on_a_telephone_each_row_of_the_environment_has_its_link_on_one_line(browser, demo, show):
    browser.resize(360, 800)
    show(demo, "environment", "llama70b-b_worker0")
    browser.wait_for(lambda: browser.has("main .data td a"))
    lines = "return [...document.querySelectorAll('main .data td a')].map((a) => a.offsetHeight)"
    assert max(browser.script(lines)) < 30


def test_the_marks_of_a_list_of_facts_stand_below_each_other(browser, demo, show):
    lefts = (
        "return [...document.querySelectorAll('main .facts :is(.state, .state-word)')]"
        "  .map((mark) => { const range = document.createRange();"
        "    range.setStart(document.createTreeWalker(mark, 4).nextNode(), 0);"
        "    range.setEnd(range.startContainer, 1);"
        "    return Math.round(range.getBoundingClientRect().left) })"
    )
    browser.resize(1440, 900)
    show(demo, "overview", "llama70b-b_worker1")
    browser.wait_for(lambda: browser.has("main .facts .state-word"))
    up, healthy = browser.script(lefts)
    assert up == healthy


def test_a_script_is_not_offered_before_the_node_allows_it(browser, worker, show):
    conf = {**worker.pages["/conf"], "run_script_api_enabled": True}
    asked = threading.Event()

    def late(request):
        assert asked.wait(30)
        return conf

    worker.pages["/conf"] = late
    try:
        show(worker, "script")
        wait_text(browser, "Loading whether the node allows scripts")
        assert browser.property("main .actions .primary", "disabled")
        assert browser.property("textarea[name=script]", "disabled")
    finally:
        asked.set()
    wait_text(browser, "Scripts are enabled.")
    assert not browser.property("main .actions .primary", "disabled")


def test_a_node_that_runs_no_scripts_says_why_itself(browser, worker, show):
    worker.pages["/run_script"] = (404, {"error": "run_script_api_enabled is false"})
    show(worker, "script")
    press(browser, "Run on this node")
    browser.click("dialog button[type=submit]")
    wait_text(browser, "The node refused to run the script:")
    assert "run_script_api_enabled" in browser.text("pre.block")


def test_a_node_that_goes_down_shows_when_and_why_and_heals(browser, show):
    def soon(condition):
        """Wait for it with a page that asks for the status all the time.

        So does one whose network comes back.
        """
        browser.wait_for(
            lambda: browser.script("dispatchEvent(new Event('online'))") or condition(), 30
        )

    path = short_socket_path()
    with PanelNode(path) as server:
        front = show(server, "config")
        browser.wait_for(lambda: browser.has("button[title='Edit chunk_size']"))
        # The history begins with the second poll.
        kept = "/api/history?node=w0&metric=local_cache_bytes"
        wait_for(lambda: any(front.ask(kept).json()["series"][0]["values"]))
        soon(
            lambda: browser.script(
                "return (await import('/static/js/server.js')).store.status.nodes[0].metrics.lo"
                "cal_cache_bytes"
            )
        )
    soon(lambda: "Down since" in browser.text("main .note.down"))
    assert "no such socket" in browser.text("main .note.down").lower() or "refused" in browser.text(
        "main .note.down"
    )
    browser.goto(front.url + "/#/node/w0/overview")  # another panel of the same page, and back
    wait_text(browser, "Figures are the last values reported, at")
    assert "1.00 MiB" in browser.text("main .meters.stale")
    assert "of 5.00 GiB" in browser.text("main .meters.stale"), "its limit is a setting"
    browser.wait_for(lambda: browser.count("main .limit-name") == 1)
    tops = [browser.box("main .columns > .panel:nth-child(%d) h2" % at)[1] for at in (1, 2)]
    assert abs(tops[0] - tops[1]) <= 1, "titles of a row are at one height"
    # A panel that is one line stands at the top of a card beside others.
    line = browser.box("main .columns > .panel.absent h2")
    assert line[1] - browser.box("main .columns > .panel.absent")[1] < 24
    browser.goto(front.url + "/#/node/w0/script")
    wait_text(browser, "The node is down: no script can run on it.", "main .panel")
    browser.goto(front.url + "/#/node/w0/config")
    wait_text(browser, "Below is what the node reported at")
    assert browser.has("main .past") and "chunk_size" in browser.text("main")
    assert browser.style(".past .panel-body", "color") == browser.style(
        ".past .panel-body .tools .muted", "color"
    ), "greyed"
    with PanelNode(path):
        wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["state"] == "up")
        soon(
            lambda: (
                not browser.has("main .note.down")
                and not browser.has("main .past")
                and "chunk_size" in browser.text("main")
            )
        )


def test_the_start_of_a_process_is_that_of_the_one_which_runs_now(browser, worker, show):
    started = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n"
    worker.pages["/metrics"] = METRICS + started % (time.time() - 7200)
    show(worker, "overview")
    about = "section[aria-label='About this node']"
    wait_text(browser, "2 h", about)
    worker.pages["/metrics"] = METRICS.replace("4200", "3") + started % (time.time() - 240)
    wait_polling(browser, lambda: "4 min" in browser.text(about))
    assert "2 h" not in browser.text(about)


# What a node is asked for waits until it is aborted.
HANG = (
    "window.send = window.fetch; window.fetch = (path, options) => !/proxy2/.test(path)"
    " ? send(path, options) : new Promise((_, fail) => options.signal.addEventListener("
    "'abort', () => fail(new DOMException('', 'AbortError'))))"
)


def test_that_nothing_is_requested_of_a_node_that_is_down_is_said_once_for_all_panels(
    browser, show
):
    path = short_socket_path()
    with PanelNode(path) as server:
        front = show(server, "events")
    wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["state"] == "down", 30)
    show(front, "cache")
    wait_text(browser, "Panels are not loaded while the node is down.")
    browser.wait_for(lambda: browser.texts(".panel-line.said") == ["Not loaded."] * 5)
    assert browser.text("main").count("node is down") == 1
    browser.script(HANG)
    browser.focus("main .note.unasked button")
    browser.press("Enter")
    wait_text(browser, "The node has not responded yet.", ".note.unasked")
    assert browser.text(".note.unasked span").endswith(" s of up to 60 s")
    assert browser.text(".note.unasked :focus") == "Cancel"
    browser.press("Enter")
    wait_text(browser, "Panels are not loaded while the node is down.", ".note.unasked")
    browser.wait_for(lambda: browser.texts(".panel-line.said") == ["Not loaded."] * 5)
    browser.script("window.fetch = window.send")
    press(browser, "Query anyway")
    wait_text(browser, "No response from the node", ".panel-line.said")
    browser.wait_for(lambda: "Not loaded" not in browser.text("main"))
    assert not browser.has("main .note.unasked")
    browser.console()  # the browser itself reports each response of 502


def test_after_a_restart_with_other_nodes_nothing_of_the_old_ones_stays(
    browser, worker, show, start
):
    front = show(worker, "overview")
    browser.wait_for(lambda: browser.has("main .tile"))
    front.stop()
    wait_polling(browser, lambda: "No connection" in browser.text("body"), 30)
    assert browser.has("main .tile"), "the last figures stay, and the page says that it is offline"
    start("--node", "other=%s" % worker.address, "--port", front.port, "--poll-interval", "0.5")

    def forgotten():
        browser.script("dispatchEvent(new Event('online'))")
        return "No node “w0”" in browser.text("main")

    browser.wait_for(forgotten, 40)
    assert "No connection" not in browser.text("body")
    assert not browser.has("main .tile") and not browser.has("main .chart")
    tree = browser.text("#side")
    assert "other" in tree and "w0" not in tree


def test_a_locked_page_disables_what_needs_trust_and_says_why(browser, worker, show):
    worker.pages.update(
        {
            "/backends": {"LocalCPUBackend": "LocalCPUBackend"},
            "/bypass/list": {"bypassed_backends": []},
        }
    )
    front = show(worker, "cache", "w0", "--trust", "token")
    browser.wait_for(lambda: browser.has(".op button"))
    assert all(
        browser.script(
            "return [...document.querySelectorAll('.op button')].map((e) => e.disabled && "
            "e.title.startsWith('Read-only'))"
        )
    )
    browser.wait_for(lambda: browser.text("main .lock-note").startswith("Read-only"))
    assert browser.has("main .lock-note button")
    for panel, selector in (
        ("config", "button[title^='Read-only']"),
        ("loglevels", "select[title^='Read-only']"),
        ("script", "button.primary[title^='Read-only']"),
    ):
        browser.goto("%s/#/node/w0/%s" % (front.url, panel))
        browser.wait_for(lambda selector=selector: browser.has("main " + selector))
        assert browser.property("main " + selector, "disabled")
    browser.goto(front.url + "/#/node/w0/environment")
    wait_text(browser, "enter the access token")
    wait_text(browser, "Enter access token", "main .empty button")
    assert not worker.targets("/env"), "nothing was asked in vain"
    browser.goto(front.url + "/#/node/w0/requests")
    browser.wait_for(lambda: browser.has("form.request"))
    for method in ("DELETE", "OPTIONS"):  # the server refuses both
        browser.script(
            "const m = document.querySelector(\"select[aria-label='Method']\");"
            "m.value = 'GET'; m.dispatchEvent(new Event('change'));"
            "m.value = arguments[0]; m.dispatchEvent(new Event('change'))",
            method,
        )
        wait_text(browser, "Only GET and HEAD. To send others, enter the access token.")
        assert browser.property("form.request button[type=submit]", "disabled")


def reasons(browser):
    """What is said of each button of the cache's panels by the element that describes it."""
    return browser.script(
        "const said = (one) => document.getElementById(one.getAttribute('aria-describedby'));"
        "return [...document.querySelectorAll('main .op button')].map((one) => {"
        " const why = said(one); const isNear = why && one.closest('.panel').contains(why);"
        " return isNear ? why.innerText : 'none'; })"
    )


def test_each_panel_of_the_cache_says_why_its_buttons_are_disabled(browser, worker, show):
    worker.pages.update(
        {
            "/backends": {"LocalCPUBackend": "LocalCPUBackend"},
            "/bypass/list": {"bypassed_backends": []},
            "/hot_cache/status": {"hot_cache": True},
        }
    )
    front = show(worker, "cache", "w0", "--trust", "token")
    browser.wait_for(lambda: browser.has("[aria-label='Hot cache'] .op button"))
    browser.wait_for(lambda: set(reasons(browser)) == {"Read-only"})
    titles = ("Backends", "Hot cache", "Clear", "Metrics")
    heads = ["[aria-label='%s'] .panel-head h2 + .tag" % title for title in titles]
    assert [browser.text(head) for head in heads] == ["Read-only"] * len(heads)
    browser.wait_for(lambda: browser.has(".absent[aria-label=Freeze]"))
    assert not browser.has("[aria-label=Freeze] .tag"), "it has no buttons"
    browser.click("main .lock-note button")
    browser.type("dialog [name=token]", TOKEN)
    browser.press("Enter")
    browser.wait_for(lambda: set(reasons(browser)) == {""})
    assert not any(browser.has(head) for head in heads)
    worker.close()
    wait_for(lambda: front.ask("/api/status").json()["nodes"][0]["state"] == "down")
    wait_polling(browser, lambda: set(reasons(browser)) == {"Node down"})
    browser.script("sessionStorage.clear()")


def test_a_setting_is_no_longer_edited_when_the_token_is_forgotten(browser, worker, show):
    worker.pages["/conf"] = {"chunk_size": 256}
    show(worker, "config", "w0", "--trust", "token")
    browser.wait_for(lambda: browser.has("main button[title^='Read-only']"))
    browser.click(".lock")
    browser.type("dialog [name=token]", TOKEN)
    browser.press("Enter")
    browser.click("button[title='Edit chunk_size']")
    browser.wait_for(lambda: browser.has(".in-place [name=value]"))
    browser.click(".lock")
    browser.wait_for(lambda: browser.text(".lock") == "Read-only")
    browser.wait_for(lambda: not browser.has(".in-place"))
    assert browser.script("return document.activeElement.matches('.lock')"), "the focus stays"
    browser.script("sessionStorage.clear()")


@pytest.mark.parametrize(
    "place,fields",
    [
        ("node/w0/loglevels", ["[name=prefix]", "[aria-label='Level to set']"]),
        ("node/w0/script", ["[name=script]", "[type=file]"]),
        ("many", [".row-fields select", "[name=logger]", "[name=level]"]),
    ],
)
def test_in_a_read_only_page_the_fields_of_a_change_are_disabled_until_the_token_is_entered(
    browser, worker, show, place, fields
):
    worker.pages["/conf"] = {"run_script_api_enabled": True}
    front = show(worker, "overview", "w0", "--trust", "token")
    browser.goto("%s/#/%s" % (front.url, place))
    for field in fields:
        browser.wait_for(lambda field=field: browser.has("main %s:disabled" % field))
    box = "document.querySelector('main %s').closest('fieldset')" % fields[0].replace("'", '"')
    note = browser.script("return %s.getAttribute('aria-describedby')" % box)
    assert browser.text("#" + note) == "Read-only. To make changes, enter the access token."
    assert browser.has("main [type=search]:enabled") or place.endswith("script"), "it only reads"
    browser.click("main .lock-note button")
    browser.type("dialog [name=token]", TOKEN)
    browser.press("Enter")
    for field in fields:
        browser.wait_for(lambda field=field: browser.has("main %s:enabled" % field))
    assert not browser.count("main fieldset[aria-describedby]")
    browser.script("sessionStorage.clear()")


def test_the_console_never_changes_a_method_that_was_chosen_and_says_what_is_cleared(
    browser, worker, show
):
    method, path = "form.request select[aria-label='Method']", "input[aria-label='Path']"
    show(worker, "requests")
    browser.type(path, "/cache/clear")
    assert browser.property(method, "value") == "DELETE", "the only one that the node takes"
    browser.press("Enter")
    words = ["/cache/clear", "Clears the node’s cache. This cannot be undone."]
    browser.wait_for(lambda: browser.texts("dialog .dialog-body p") == words)
    browser.press("Escape")
    browser.wait_for(lambda: not browser.has("dialog"))
    browser.choose(method, "POST")
    browser.type(path, "/cache/clear?locations=LocalCPUBackend")
    browser.type(path, "/cache/clear")
    assert browser.property(method, "value") == "POST"
    browser.press("Enter")
    browser.wait_for(lambda: worker.targets("/cache/clear"))
    browser.wait_for(lambda: "POST /cache/clear" in browser.text(".sent"))


def test_the_console_sends_and_shows_status_time_and_size(browser, worker, show):
    worker.pages["/hello"] = lambda request: (
        201,
        {
            "got": request.body.decode(),
            "kind": request.header("Content-Type"),
            "x": request.header("X-Test"),
        },
    )
    show(worker, "requests")
    browser.script(
        "const m = document.querySelector(\"select[aria-label='Method']\"); m.value = 'POST'; "
        "m.dispatchEvent(new Event('change'))"
    )
    browser.type("input[aria-label='Path']", "/hello?a=1")
    browser.type("form.request .halves label:nth-child(1) textarea", "X-Test: yes")
    browser.type("form.request .halves label:nth-child(2) textarea", '{"a": 1}')
    browser.click("form.request button[type=submit]")
    browser.wait_for(lambda: "201" in browser.text(".result"))
    line = browser.text(".result")
    assert "ms" in line or "µs" in line
    assert " B " in line and "application/json" in line
    assert json.loads(browser.text("pre[aria-label='Response']")) == {
        "got": '{"a": 1}',
        "kind": ["application/json"],
        "x": ["yes"],
    }
    assert worker.targets("/hello") == ["/hello?a=1"]
    assert "POST /hello?a=1" in browser.text(".sent")


def test_only_the_open_panel_asks_the_node(browser, demo, show):
    def asked():
        # What this page asked for: the browser's log may also hold what an earlier one did.
        urls = browser.script("return performance.getEntriesByType('resource').map((e) => e.name)")
        mark = "/proxy2/llama70b-b_worker0"
        return {url.split(mark)[1] for url in urls if mark in url}

    show(demo, "meta", "llama70b-b_worker0")
    wait_text(browser, "meta-llama/Llama-3.3-70B-Instruct")
    browser.wait_for(lambda: "/meta" in asked())
    assert asked() == {"/meta"}
    before = {"/meta"}  # asked for again while the next panel opens, it may end there
    for panel, paths, words in (
        ("threads", {"/threads", "/periodic-threads"}, "distinct stack"),
        ("environment", {"/env"}, "PYTHONHASHSEED"),
        ("inference", {"/inference_info"}, "vllm_version"),
    ):
        browser.script("performance.clearResourceTimings()")
        browser.goto("%s/#/node/llama70b-b_worker0/%s" % (demo.url, panel))
        wait_text(browser, words)
        browser.wait_for(lambda: paths <= asked())
        assert asked() <= paths | before
        before = paths


def test_leaving_a_panel_or_canceling_ends_its_requests(browser, worker, show):
    worker.held = ("/inference_info",)
    front = show(worker, "inference")
    wait_for(lambda: worker.targets("/inference_info"))
    assert not worker.hung_up.is_set() and browser.property("main .note.unasked", "hidden")
    browser.script("const now = performance.now(); performance.now = () => now + 60000")
    wait_text(browser, "The node has not responded yet.", ".note.unasked")
    press(browser, "Cancel")
    assert worker.hung_up.wait(10)
    wait_text(browser, "Canceled: not loaded.", ".note.unasked")
    worker.hung_up.clear()
    press(browser, "Query again")
    wait_for(lambda: len(worker.targets("/inference_info")) == 2)
    browser.goto(front.url + "/#/node/w0/meta")
    assert worker.hung_up.wait(10)
    wait_text(browser, "model_name")


@pytest.mark.parametrize("delay, is_slow", [(1.2, False), (2.2, True)])
def test_a_node_is_marked_slow_where_it_is_degraded_for_that(browser, worker, show, delay, is_slow):
    worker.pages["/metrics"] = lambda request: time.sleep(delay) or METRICS
    show(worker, "overview")
    about = "main section[aria-label='About this node']"
    figure = "◆ slow, 2." if is_slow else "\n1.2"
    wait_polling(browser, lambda: figure in browser.text(about), 40)
    assert ("slow response (2." in browser.text("main")) == is_slow
    assert ("◆ slow" in browser.text("main")) == is_slow
    assert "slow" not in browser.text("main .about-line"), "the reason is right below it"


def test_a_node_is_marked_slow_until_it_is_clearly_faster(browser, worker, show):
    delays = [2.2]
    worker.pages["/metrics"] = lambda request: time.sleep(delays[0]) or METRICS
    show(worker, "overview")
    about = "main section[aria-label='About this node']"
    wait_polling(browser, lambda: "◆ slow, 2." in browser.text(about), 40)
    delays[0] = 1.7
    wait_polling(browser, lambda: "◆ slow, 1.7" in browser.text(about), 40)
    delays[0] = 0.1
    wait_polling(browser, lambda: "slow" not in browser.text(about))


@pytest.mark.parametrize("width", [360, 1440])
def test_names_of_a_node_break_at_slashes_alone(browser, demo, show, width):
    browser.resize(width, 900)
    show(demo, "overview", "llama70b-a_worker2")
    browser.wait_for(lambda: browser.count(".facts .part") > 6)
    parts = browser.script(
        "return [...document.querySelectorAll('.facts .part')]"
        ".filter((one) => one.getClientRects().length > 1 || one.offsetHeight > 24)"
        ".map((one) => one.textContent)"
    )
    assert parts == []
    browser.resize(1440, 900)


@pytest.mark.parametrize("width", [360, 1440])
def test_the_head_of_a_node_has_even_tabs_and_its_state_beside_its_alerts(
    browser, demo, show, width
):
    gaps = (
        "const range = document.createRange();"
        "const words = [...document.querySelectorAll('main .tabs a')].map((one) => {"
        "  range.selectNodeContents(one.firstChild); return range.getBoundingClientRect() });"
        "return words.slice(1).map((one, i) => one.left - words[i].right)"
    )
    browser.resize(width, 900)
    try:
        show(demo, "meta", "llama70b-a_worker2")
        found = browser.wait_for(lambda: browser.script(gaps))
        assert max(found) - min(found) < 1.5, found
        browser.wait_for(lambda: "alert" in browser.text(".page-head"))
        state, alerts = (browser.box(".page-head > span:nth-of-type(%d)" % n) for n in (1, 2))
        assert state[1] == alerts[1]
        browser.click(".live")
        browser.wait_for(lambda: re.search(r"\d alerts? now", browser.text(".page-head")))
        browser.click(".live")
        browser.wait_for(lambda: "now" not in browser.text(".page-head"))
    finally:
        browser.resize(1280, 800)


def test_the_form_of_a_request_leaves_no_empty_lines(browser, demo, show):
    try:
        show(demo, "requests", "mp-0")
        browser.wait_for(lambda: browser.count("main .request .field") == 2)
        ends = "const ends = [...document.querySelectorAll('main .request .field, main .panel')]"
        ends += ".map((one) => one.getBoundingClientRect());"
        ends += "const [panel, headers, body] = ends;"
        ends += "return [panel.bottom - body.bottom, body.top - headers.bottom]"
        for width in (1440, 768, 360):
            browser.resize(width, 900)
            below, between = browser.script(ends)
            assert 12 <= below <= 13
            assert width == 1440 or between == 12
    finally:
        browser.resize(1280, 800)


def test_the_line_under_the_selected_tab_is_whole_and_covers_that_of_the_row(browser, demo, show):
    try:
        show(demo, "meta", "llama70b-a_worker2")
        browser.wait_for(lambda: browser.has("main .tabs [aria-current]"))
        ends = "const tabs = document.querySelector('main .tabs');"
        ends += "const end = (one) => one.getBoundingClientRect().bottom;"
        ends += "return [tabs.scrollHeight - tabs.clientHeight,"
        ends += "  end(tabs) - end(tabs.querySelector('[aria-current]'))]"
        for width in (1440, 768, 360):
            browser.resize(width, 900)
            assert browser.script(ends) == [0, 0], width
    finally:
        browser.resize(1280, 800)


@pytest.mark.parametrize("width, columns", [(1440, 2), (768, 2), (360, 1)])
def test_facts_about_a_node_are_lines_without_holes(browser, demo, show, width, columns):
    """Each name has its value beside it, and each line begins where the one above it ends."""
    about = (
        "const box = (one) => one.getBoundingClientRect();"
        "const rows = [...document.querySelectorAll(arguments[0] + ' dl > div')];"
        "const columns = Map.groupBy(rows, (one) => Math.round(box(one).left));"
        "return {columns: columns.size,"
        " beside: rows.every(({firstChild, lastChild}) => box(firstChild).right <="
        "   box(lastChild).left && Math.abs(box(firstChild).top - box(lastChild).top) < 2),"
        " holes: [...columns.values()].flatMap((all) => all.slice(1).filter((one, i) =>"
        "   Math.abs(box(one).top - box(all[i]).bottom) > 1)).length,"
        " inStep: [...columns.values()].every((all) => all.every((one, i) =>"
        "   Math.abs(box(one).top - box(rows[i]).top) < 1))}"
    )
    browser.resize(width, 900)
    try:
        show(demo, "overview", "llama70b-b_worker1")
        place = "main section[aria-label='About this node']"
        wait_text(browser, "Response time", place)
        found = browser.script(about, place)
        assert found == {"columns": columns, "beside": True, "holes": 0, "inStep": True}
    finally:
        browser.resize(1280, 800)


@pytest.mark.parametrize(
    "node, panel, title, last, rows",
    [
        ("coordinator", "overview", "Key directory", "L1 keys of mp-1", {1440: 2, 768: 2, 360: 3}),
        ("llama70b-b_worker1", "cache", "KV cache", "Device", {2560: 1, 1920: 2, 768: 2, 360: 2}),
    ],
)
def test_four_and_six_facts_stand_in_even_rows(browser, demo, show, node, panel, title, last, rows):
    place = f"main section[aria-label='{title}']"
    tops = "return [...document.querySelectorAll(arguments[0] + ' .facts > div')]"
    tops += ".map((one) => one.getBoundingClientRect().top)"
    try:
        show(demo, panel, node)
        wait_text(browser, last, place)
        for width, count in rows.items():
            browser.resize(width, 900)
            counts = collections.Counter(browser.script(tops, place))
            assert len(counts) == count and len(set(counts.values())) == 1, (width, counts)
    finally:
        browser.resize(1280, 800)


@pytest.mark.parametrize(
    "node, panel, last",
    [
        ("mp-0", "overview", "About this node"),
        ("llama70b-a_scheduler", "overview", "About this node"),
        ("llama70b-a_worker0", "events", "Events"),
    ],
)
def test_heads_of_panels_and_cards_and_what_is_below_have_one_inset(
    browser, demo, show, node, panel, last
):
    """In px from the edge of their panel or card, without its border; tiles may fill a panel."""
    insets = (
        "const parts = 'h2, .tile .name, figcaption h3, .table-wrap, .facts, .quiet-line, "
        ".panel h3, .events time';"
        "const box = (one) => one.getBoundingClientRect();"
        "const left = (one) => {"
        "  const text = document.createRange();"
        "  text.selectNodeContents(one);"
        "  return box(one.matches('.table-wrap') ? one : text).left };"
        "return [...document.querySelectorAll('main :is(.panel, .card, .tiles)')].flatMap((card) =>"
        "  [...card.querySelectorAll(parts)]"
        "    .filter((one) => one.checkVisibility() && !one.closest('table, .tile:nth-child(n + 2),"
        "      .chart:nth-child(n + 2), .columns > :nth-child(n + 2), [hidden]'))"
        "    .map((one) => [Math.round(left(one) - box(card).left - card.clientLeft),"
        "      one.textContent]))"
    )
    try:
        show(demo, panel, node)
        wait_text(browser, "Response time" if panel == "overview" else "changed", "main")
        wait_text(browser, last, "main")
        browser.wait_for(lambda: len(browser.script(insets)) > 2)
        for width in (1440, 768, 360):
            browser.resize(width, 900)
            assert {at for at, _ in browser.script(insets)} == {12}, width
    finally:
        browser.resize(1280, 800)


def test_the_bars_of_caches_stand_below_their_heading_beside_a_higher_panel(browser, demo, show):
    gaps = (
        "const box = (one) => one.getBoundingClientRect();"
        "const panel = document.querySelector('main section[aria-label=Caches]');"
        "const rows = panel ? [...panel.querySelectorAll('.meter-row')] : [];"
        "if (rows.length < 2) return null;"
        "return [box(rows[0]).top - box(panel.querySelector('header')).bottom,"
        " box(rows[1]).top - box(rows[0]).bottom]"
    )
    browser.resize(1440, 900)
    try:
        show(demo, "overview", "llama70b-b_worker1")
        wait_text(browser, "RemoteBackend", "main section[aria-label=Backends]")
        found = browser.wait_for(lambda: browser.script(gaps))
        assert max(found) <= 12, found
    finally:
        browser.resize(1280, 800)


def test_names_of_threads_are_not_broken_while_there_is_room(browser, demo, show):
    browser.resize(768, 900)
    try:
        show(demo, "threads", "llama70b-b_worker1")
        wait_text(browser, "health-monitor-thread")
        name = "main tbody:not(.spacer) th span"
        assert browser.count(name) == 2
        lines = "return [...document.querySelectorAll(arguments[0])].map((e) => e.offsetHeight)"
        assert max(browser.script(lines, name)) < 24
        assert browser.texts("main thead th")[:3] == ["State\n▼", "Name", "Every"]
        assert "0\u00a0force unpinned" in browser.property("main table", "textContent")
    finally:
        browser.resize(1280, 800)


def test_what_a_setting_does_has_the_room_that_values_leave(browser, demo, show):
    lines = (
        "return [...document.querySelectorAll('main .settings td.muted:not(.mono)')]"
        ".filter((one) => one.scrollHeight > 32).map((one) => one.textContent)"
    )
    browser.resize(1440, 900)
    try:
        show(demo, "config", "llama70b-b_worker1")
        wait_text(browser, "Tokens in a chunk, the unit in which KV is stored")
        assert len(browser.script(lines)) < 16, browser.script(lines)
    finally:
        browser.resize(1280, 800)


def test_the_method_of_a_request_stands_beside_its_path_on_a_telephone(browser, demo, show):
    browser.resize(360, 800)
    try:
        show(demo, "requests", "llama70b-b_worker1")
        tops = (
            "return [...document.querySelectorAll('main .request .tools > :not(datalist)')]"
            ".map((one) => one.getBoundingClientRect().top)"
        )
        method, path, send, copy = browser.script(tops)
        assert method == path
        assert send == copy > path
        browser.type("main .request [aria-label=Path]", "/metrics")
        browser.click("main .request [type=submit]")
        wait_text(browser, "charset=utf-8", "main .result")  # a long line
        assert browser.script("return document.documentElement.scrollWidth") == 360
    finally:
        browser.resize(1280, 800)


def test_the_charts_of_a_coordinator_are_low_and_say_what_is_queued(browser, demo, show):
    show(demo, "overview", "coordinator")
    titles = "main .charts-card .chart:not([hidden]) h3"
    browser.wait_for(lambda: browser.texts(titles) == ["Queued events", "Response time"])
    heights = "return [...document.querySelectorAll('main .chart-plot')].map((e) => e.offsetHeight)"
    assert max(browser.script(heights)) < 160


def test_what_is_not_known_of_a_node_is_left_out(browser, demo, show):
    show(demo, "overview", "coordinator")
    about = "main section[aria-label='About this node']"
    wait_text(browser, "Proxy path", about)
    assert "" not in browser.texts(about + " dd")
    assert "Model" not in browser.texts(about + " dt")


def test_a_panel_that_the_server_cannot_deliver_is_asked_for_as_rarely_as_the_server(
    browser, worker, show
):
    browser.devtools("Network.enable")
    browser.devtools("Network.setBlockedURLs", urls=["*/cache.js", "*/palette.js"])
    try:
        show(worker, "overview")
        browser.script(
            "window.real = window.fetch;"
            "window.fetch = () => Promise.reject(new Error('gone'));"
            "window.began = performance.now(); location.hash = '#/node/w0/cache'"
        )
        poll(browser)
        wait_text(browser, "Not loaded: the frontend does not respond.")
        browser.press("/")
        wait_text(browser, "Not opened: the frontend does not respond.", ".toasts")
        failures = "return (await import('/static/js/server.js')).store.failures"
        browser.wait_for(lambda: browser.script(failures) >= 3, 20)
        # After the first failure the page waits 1 s, then 2 s.
        assert browser.script("return performance.now() - window.began") > 2500
    finally:
        browser.devtools("Network.setBlockedURLs", urls=[])
    browser.script("window.fetch = window.real")
    wait_polling(browser, lambda: "Backends" in browser.texts("main h2"))


def test_a_panel_that_fails_says_it_in_one_line(browser, worker, show):
    worker.pages.update(
        {
            "/inference_info": (500, {"error": "no vLLM", "message": "it left"}),
            "/meta": {"role": "worker"},
        }
    )
    front = show(worker, "inference")
    wait_text(browser, "The node returned 500: no vLLM: it left")
    worker.pages["/inference_info"] = {"engine": "back"}
    choose(browser, "Inference", "Refresh")
    wait_text(browser, "engine")
    assert "returned 500" not in browser.text("main")
    worker.pages["/conf"] = "this is not JSON"
    browser.goto(front.url + "/#/node/w0/config")
    wait_text(browser, "the response is not JSON")


RUBBISH = (None, 5, "text", [1, {"a": None}], {"threads": 7}, {"bypassed_backends": 3}, [], True)
PANELS_THAT_ASK = {
    "threads": ("/threads", "/periodic-threads"),
    "config": ("/conf",),
    "inference": ("/inference_info",),
    "environment": ("/env",),
    "loglevels": ("/loglevel",),
    "cache": ("/backends", "/bypass/list", "/hot_cache/status", "/lookup/info"),
}


@pytest.mark.parametrize("panel", sorted(PANELS_THAT_ASK))
def test_a_response_of_another_shape_breaks_no_panel(browser, worker, show, panel):
    front = show(worker, "meta")
    for rubbish in RUBBISH:
        for path in PANELS_THAT_ASK[panel]:
            worker.pages[path] = json.loads(json.dumps(rubbish))
        browser.goto("%s/#/node/w0/meta" % front.url)
        browser.wait_for(lambda: browser.has("main section[aria-label='Meta']"))
        browser.goto("%s/#/node/w0/%s" % (front.url, panel))
        browser.wait_for(
            lambda: (
                browser.has(".tabs a[aria-current][href$='/%s']" % panel)
                and "Loading" not in browser.text("main")
            )
        )
        said = " ".join(browser.texts("main .panel-line"))
        for words in ("undefined", "Cannot read", "is not a function", "is not iterable"):
            assert words not in said, (rubbish, said)
    assert [line for line in browser.console() if "Failed to load resource" not in line] == []


def test_a_huge_response_is_shown_in_part_and_searched_whole(browser, worker, show):
    worker.pages["/inference_info"] = {"k%d" % number: "v" * 50 for number in range(30000)}
    show(worker, "inference")
    wait_text(browser, "and 29,000 more")
    assert browser.count("main .leaf") == 1000
    browser.type("main input[aria-label='Search']", "k29999")
    browser.wait_for(lambda: browser.count("main .leaf") == 1)


@pytest.mark.parametrize(
    "node,panel,words",
    [
        ("llama70b-b_scheduler", "cache", "a scheduler has no cache engine"),
        ("mp-0", "meta", "Not available: an MP server has no such endpoint"),
        ("mp-0", "inference", "Not available"),
        ("llama70b-b_worker0", "cache", "only the scheduler counts chunks"),
    ],
)
def test_what_a_node_does_not_offer_is_said_without_asking_it(
    browser, demo, show, node, panel, words
):
    show(demo, panel, node)
    wait_text(browser, words)
    assert [line for line in browser.console() if "/proxy2/" in line] == []


def test_the_keyboard_alone_opens_a_panel_and_edits_a_setting(browser, demo, show):
    show(demo, "overview", "llama70b-b_worker0")
    browser.focus(".tabs a")
    browser.press(*["ArrowRight"] * 5, "Enter")
    browser.wait_for(lambda: browser.has("input[aria-label='Search settings']"))
    for _ in range(40):
        if (
            browser.script("return document.activeElement.getAttribute('aria-label')")
            == "Search settings"
        ):
            break
        browser.press("Tab")
    browser.press(*"min_retrieve")
    browser.wait_for(lambda: browser.count("button[title^='Edit ']") == 1)
    for _ in range(20):
        if (browser.script("return document.activeElement.title") or "").startswith("Edit "):
            break
        browser.press("Tab")
    browser.press("Enter")
    browser.wait_for(lambda: browser.has(".in-place"))
    browser.press("Control+a", "3", "3", "Enter")
    wait_text(browser, "→ 33", ".toasts")
    assert demo.ask("/proxy2/llama70b-b_worker0/conf?names=min_retrieve_tokens").json() == {
        "min_retrieve_tokens": 33
    }
    browser.wait_for(
        lambda: browser.script("return document.activeElement.title") == "Edit min_retrieve_tokens"
    )


# ---- the rollout of a setting over nodes that go down, lose it or refuse it


class SettingNode(PanelNode):
    """A worker whose settings can be changed; ``refusal`` is why it does not take a change.

    It responds to a change when ``ready`` is set.
    """

    def __init__(self, path):
        super().__init__(path)
        self.refusal = ""
        self.ready = threading.Event()
        self.ready.set()
        self.settings = dict(self.pages["/conf"])
        self.pages["/conf"] = self.answer_conf

    def answer_conf(self, request):
        if request.method == "GET":
            return dict(self.settings)
        change = json.loads(request.body)
        if self.refusal:
            return 400, {"updated": {}, "errors": dict.fromkeys(change, self.refusal)}
        self.settings.update(change)
        self.ready.wait(20)
        return {"updated": change}


@pytest.fixture
def workers():
    """Three workers of one instance, as {name: node}; one may be put in place of another."""
    nodes = {"w%d" % rank: SettingNode(short_socket_path()) for rank in range(3)}
    for rank, node in enumerate(nodes.values()):
        node.pages["/meta"] = {"role": "worker", "model_name": "m", "worker_id": rank}
    yield nodes
    for node in nodes.values():
        node.ready.set()
        node.close()


@pytest.fixture
def rollout(browser, start, workers):
    """The form of a rollout over these workers is open; the frontend."""
    options = [
        word for name, node in workers.items() for word in ("--node", name + "=" + node.path)
    ]
    front = start(*options, "--poll-interval", "0.5")

    def all_are_workers():
        nodes = front.ask("/api/status").json()["nodes"]
        return [node["kind"] for node in nodes] == ["worker"] * 3

    wait_for(all_are_workers)
    browser.leave()
    browser.goto(front.url + "/#/many?tab=rollout")
    browser.script("(await import('/static/js/server.js')).setRefresh(1)")
    browser.wait_for(lambda: browser.count("select[name=first] option") == 3)
    yield front
    browser.script("localStorage.clear(); sessionStorage.clear()")


def start_rollout(browser, value="128"):
    browser.type("input[name=setting]", "min_retrieve_tokens")
    browser.type("input[name=value]", value)
    press(browser, "Apply to one node")
    press(browser, "Apply", "dialog")
    browser.wait_for(lambda: results(browser) == ["w0: ● done: 0 → %s" % value])


def results(browser):
    """The nodes that the rollout was sent to, and how it went on each."""
    rows = browser.script(
        "return [...document.querySelectorAll('main table.plain:not(.compared) tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return [" ".join(": ".join(row).split()) for row in rows]


def state(browser):
    return browser.text("#rollout-state")


def test_a_rollout_names_each_node_with_its_state_and_goes_on_where_one_refused(
    browser, rollout, workers
):
    assert browser.texts("select[name=first] option") == ["w0", "w1", "w2"]
    start_rollout(browser)
    assert [node.settings["min_retrieve_tokens"] for node in workers.values()] == [128, 0, 0]
    assert re.fullmatch(
        r"Figures can be compared from [\d:]+ on\. Changed .* ago\.", state(browser)
    )
    first, others = browser.wait_for(lambda: browser.texts("main .legend li"))  # of all charts
    assert first == "w0" and others.startswith("median of the other ")
    assert browser.texts("main .chart h3") == ["Hit rate", "Failures", "Retrieve p99"]
    workers["w1"].refusal = "not now"
    press(browser, "Apply to the other 2 nodes anyway")
    assert browser.text("dialog p") == "w1, w2"
    press(browser, "Apply", "dialog")
    browser.wait_for(lambda: state(browser).startswith("Applied to 2 of 3 nodes"))
    assert any(row.startswith("w1: ■ failed:") and "not now" in row for row in results(browser))
    workers["w1"].refusal = ""
    press(browser, "Apply to the other node")
    press(browser, "Apply", "dialog")
    browser.wait_for(lambda: state(browser) == "Applied to all 3 nodes.")
    assert workers["w1"].settings["min_retrieve_tokens"] == 128
    press(browser, "Undo on 3 nodes")
    browser.wait_for(lambda: state(browser) == "Undone.")
    assert [node.settings["min_retrieve_tokens"] for node in workers.values()] == [0] * 3


def test_a_rollout_is_dated_as_its_events_are_and_not_by_the_last_status(browser, rollout):
    browser.script("(await import('/static/js/server.js')).setRefresh(60)")
    read = "return (await import('/static/js/server.js')).store.status.time"
    now = lambda: rollout.ask("/api/status").json()["time"]  # noqa: E731
    wait_for(lambda: now() > browser.script(read) + 2)
    start_rollout(browser)
    query = "/api/events?kind=changed&node=w0"
    change = wait_for(lambda: rollout.ask(query).json()["events"])[0]
    assert change["time"] > browser.script(read) + 1
    clock = "return (await import('/static/js/format.js')).clock(%r)" % change["time"]
    said = "first on w0, " + browser.script(clock)
    assert said in browser.texts("main .panel-head p")
    since = browser.script(clock.replace(".clock(", ".clock(60 + "))
    assert state(browser).startswith("Figures can be compared from %s on. Changed " % since)
    ago = browser.text("#rollout-state [data-since]")
    browser.wait_for(lambda: browser.text("#rollout-state [data-since]") != ago)  # no status came
    assert browser.text("table.compared thead th").replace("\xa0", " ") == "5 min before → since"


HISTORY = """
const before = window.fetch;
window.asked = [];
window.fetch = async (url, options) => {
  if (!String(url).includes("api/history")) return before(url, options);
  const query = new URL(url, location.href).searchParams;
  window.asked.push(Number(query.get("end")));
  const since = %(since)r;
  const times = [since - 60, since + 5, since + 60].filter((time) => time <= query.get("end"));
  const was = { lookup_hit_rate: 0.8, failures_per_second: 0, retrieve_p99: 0.04 };
  const is = (node) => (node === "w0" ? { ...was, ...%(changed)s } : was);
  const series = ["w0", "w1", "w2"].flatMap((node) =>
    Object.keys(was).map((metric) => {
      // With another end of the range the figures before the change are others.
      const old = times.length > 1 ? was[metric] / 2 : was[metric];
      return { node, metric, times, values: times.map((time, i) => (i ? is(node)[metric] : old)) };
    }),
  );
  return Response.json({ interval: 60, series });
};
const kept = JSON.parse(sessionStorage.getItem("lmcache.rollout"));
Object.assign(kept, { since: %(since)r, before: null });
sessionStorage.setItem("lmcache.rollout", JSON.stringify(kept));
location.hash = "#/many?tab=rollout";
"""


def compare(browser, rollout, changed):
    """The rollout that was started goes on, as if it were two minutes old."""
    browser.leave()
    browser.goto(rollout.url + "/#/nodes")
    browser.wait_for(lambda: browser.text("h1") == "Nodes")
    since = rollout.ask("/api/status").json()["time"] - 120
    browser.script(HISTORY % {"since": since, "changed": json.dumps(changed)})
    browser.wait_for(lambda: browser.has("table.compared"))


def compared(browser):
    rows = browser.script(
        "return [...document.querySelectorAll('table.compared tbody tr')].map((row) =>"
        "[...row.querySelectorAll('th, td > span, td:last-child')].map((one) => one.textContent))"
    )
    return [[text.replace("\u202f", " ").replace("\xa0", " ") for text in row] for row in rows]


def proposed(browser):
    return browser.texts("main .actions button.primary")


def test_a_change_that_made_the_first_node_worse_is_not_proposed_for_the_others(
    browser, rollout, workers
):
    start_rollout(browser)
    assert proposed(browser) == []
    compare(browser, rollout, {"lookup_hit_rate": 0.5, "retrieve_p99": 0.08})
    said = "◆ Hit rate and retrieve p99 of w0 got worse against the other 2 nodes. Changed 2 min "
    browser.wait_for(lambda: state(browser).replace("\xa0", " ").startswith(said))
    assert compared(browser) == [
        ["Hit rate", "80.0% → 50.0%", "▼ 30 pt against the other 2 nodes", "80.0% → 80.0%"],
        ["Failures", "0/min → 0/min", "0/min → 0/min"],
        [
            "Retrieve p99",
            "40.0 ms → 80.0 ms",
            "▲ ×2 against the other 2 nodes",
            "40.0 ms → 40.0 ms",
        ],
    ]
    weights = "return [...document.querySelectorAll('.moved')].map((e) => getComputedStyle(e)"
    assert browser.script(weights + ".fontWeight)") == ["600", "600"]
    assert browser.attribute("#rollout-state", "class") == "note degraded"
    assert proposed(browser) == ["Undo on 1 node"]
    assert "Apply to the other 2 nodes anyway" in browser.texts("main .actions button")
    compare(browser, rollout, {"lookup_hit_rate": 0.75})
    said = "Hit rate of w0 got slightly worse against the other 2 nodes. Wait, or undo it. Changed "
    browser.wait_for(lambda: state(browser).startswith(said))
    assert proposed(browser) == [], "it may become worse yet"
    press(browser, "Undo on 1 node")
    browser.wait_for(lambda: state(browser) == "Undone.")


def test_a_change_that_made_nothing_worse_is_proposed_for_the_others(browser, rollout, workers):
    start_rollout(browser)
    compare(browser, rollout, {"lookup_hit_rate": 0.95})
    said = "No figure of w0 got worse against the other 2 nodes. Changed "
    browser.wait_for(lambda: state(browser).startswith(said))
    assert compared(browser)[0][2] == "▲ 15 pt against the other 2 nodes"
    assert proposed(browser) == ["Apply to the other 2 nodes"]
    assert browser.attribute("#rollout-state", "class") == "quiet-line"
    asked = "return [...new Set(window.asked)].length"
    browser.wait_for(lambda: browser.script(asked) > 3)
    assert compared(browser)[0][1] == "80.0% → 95.0%", "what was before the change stays"
    press(browser, "Undo on 1 node")
    browser.wait_for(lambda: state(browser) == "Undone.")


def test_a_first_node_that_goes_down_is_named_and_undone_when_it_is_back(browser, rollout, workers):
    start_rollout(browser)
    path = workers["w0"].path
    workers["w0"].close()
    wait_polling(browser, lambda: state(browser).startswith("■ w0 is down: "))
    press(browser, "Undo on 1 node")
    browser.wait_for(lambda: state(browser).startswith("Not undone on 1 node"))
    assert results(browser)[0].startswith("w0: ■ failed:")
    os.makedirs(os.path.dirname(path))
    workers["w0"] = SettingNode(path)
    workers["w0"].settings["min_retrieve_tokens"] = 64
    press(browser, "Undo on 1 node")
    browser.wait_for(lambda: state(browser) == "Undone.")
    assert workers["w0"].settings["min_retrieve_tokens"] == 0


def test_a_first_node_that_lost_the_new_value_is_not_taken_for_a_comparison(
    browser, rollout, workers
):
    start_rollout(browser)
    workers["w0"].settings["min_retrieve_tokens"] = 0
    browser.wait_for(lambda: "w0 has min_retrieve_tokens = 0: it restarted" in state(browser))
    assert "primary" not in browser.attribute("main .actions button", "class")
    assert "There is nothing to undo." in state(browser)
    assert browser.attribute("#rollout-state", "class") == "note degraded"
    others = "Apply to the other 2 nodes anyway"
    browser.wait_for(lambda: browser.texts("main .actions button") == [others, "New rollout"])
    workers["w0"].settings["min_retrieve_tokens"] = 64  # neither the old nor the new value
    all_three = [others, "Undo on 1 node", "New rollout"]
    browser.wait_for(lambda: "= 64" in state(browser))
    assert "nothing to undo" not in state(browser)
    browser.reload()
    browser.wait_for(lambda: browser.texts("main .actions button") == all_three)
    press(browser, "New rollout")
    browser.wait_for(lambda: browser.has("input[name=setting]"))


def apply_to_the_others(browser):
    press(browser, "Apply to the other 2 nodes anyway")
    press(browser, "Apply", "dialog")


def test_a_rollout_goes_on_while_another_view_is_shown(browser, rollout, workers):
    start_rollout(browser)
    workers["w1"].ready.clear()
    apply_to_the_others(browser)
    wait_for(lambda: workers["w1"].settings["min_retrieve_tokens"] == 128)
    browser.goto(rollout.url + "/#/")
    browser.wait_for(lambda: browser.text("h1") == "Cluster")
    workers["w1"].ready.set()
    browser.back()
    browser.wait_for(lambda: state(browser) == "Applied to all 3 nodes.")
    press(browser, "Undo on 3 nodes")
    browser.wait_for(lambda: state(browser) == "Undone.")
    assert [node.settings["min_retrieve_tokens"] for node in workers.values()] == [0] * 3


def test_a_rollout_that_waits_for_a_node_is_canceled_and_undone_there_too(
    browser, rollout, workers
):
    start_rollout(browser)
    workers["w1"].ready.clear()
    apply_to_the_others(browser)
    browser.wait_for(lambda: state(browser) == "Applying … 1 node waiting (up to 30 s)")
    press(browser, "Cancel")
    browser.wait_for(lambda: state(browser).startswith("Applied to 2 of 3 nodes; 1 failed"))
    assert "w1: ■ failed: canceled without a response; may still be applied" in results(browser)
    workers["w1"].ready.set()
    press(browser, "Undo on 3 nodes")
    browser.wait_for(lambda: state(browser) == "Undone.")
    assert [node.settings["min_retrieve_tokens"] for node in workers.values()] == [0] * 3


def test_a_reload_of_the_page_loses_nothing_of_a_rollout(browser, rollout, workers):
    start_rollout(browser)
    browser.reload()
    browser.wait_for(lambda: results(browser) == ["w0: ● done: 0 → 128"])
    workers["w1"].ready.clear()
    apply_to_the_others(browser)
    browser.wait_for(lambda: "w2: ● done: 0 → 128" in results(browser))
    browser.reload()  # while w1 has not responded
    browser.wait_for(lambda: state(browser).startswith("Applied to 2 of 3 nodes; 1 failed"))
    assert results(browser)[1] == "w1: ■ failed: no response before the page was reloaded"
    press(browser, "Undo on 3 nodes")
    workers["w1"].ready.set()
    browser.wait_for(lambda: state(browser) == "Undone.")
    assert [node.settings["min_retrieve_tokens"] for node in workers.values()] == [0] * 3
    press(browser, "New rollout")
    browser.reload()
    browser.wait_for(lambda: browser.has("input[name=setting]"))


def test_what_was_typed_for_a_rollout_stays_when_a_node_goes_down(browser, rollout, workers):
    browser.focus("input[name=setting]")
    browser.press(*"chunk")
    workers["w2"].close()
    left = "1 node that is down is skipped"
    browser.wait_for(lambda: left in browser.text("main .row-fields"))
    assert browser.texts("select[name=first] option") == ["w0", "w1"]
    browser.press(*"_size")
    assert browser.property("input[name=setting]:focus", "value") == "chunk_size"


def test_nobody_is_told_that_a_name_is_wrong_while_it_is_typed(browser, rollout, workers):
    typing = (
        "const box = document.querySelector('input[name=setting]');"
        "const error = document.querySelector('#setting-error'), said = new Set();"
        "box.focus();"
        "for (const letter of 'min_re') {"
        "  box.value += letter;"
        "  box.dispatchEvent(new Event('input', { bubbles: true }));"
        "  await new Promise((done) => setTimeout(done, 600));"
        "  said.add(error.textContent + (box.getAttribute('aria-invalid') || ''));"
        "  said.add(document.querySelector('#value-hint').textContent);"
        "}"
        "return [...said]"
    )
    assert browser.script(typing) == ["", "JSON, or plain text"]
    wrong = ".field:has([name=setting][aria-invalid=true]) .field-error"
    browser.wait_for(lambda: browser.texts(wrong) == ["No selected node has this setting."])
    browser.press("e", "Tab")  # who leaves the field has a whole name
    assert browser.script("return document.activeElement.name") == "value"
    browser.wait_for(lambda: browser.texts(wrong) == ["No selected node has this setting."])


def test_a_rollout_says_beside_the_field_what_is_wrong(browser, rollout, workers):
    missing, go = "#rollout-missing", "main .actions button.primary"
    error = ".field:has([name=%s][aria-invalid=true]) .field-error"
    assert browser.text(missing) == "Enter a setting and its new value."
    assert browser.property(go, "disabled")
    field = ".field:has([name=value])"
    browser.type("input[name=setting]", "no_such")
    nowhere = ["No selected node has this setting."]
    for value in ("", "7"):
        browser.type("input[name=value]", value)
        browser.wait_for(lambda: browser.texts(error % "setting") == nowhere)
        assert "no such" not in browser.text(field) and not browser.has(error % "value")
        assert browser.text(missing) == "Correct the setting."
        assert browser.property(go, "disabled")
    workers["w1"].settings["rare"] = 1
    browser.type("input[name=setting]", "rare")
    now = "Now 1 on 1 node, no such setting on 2 nodes"
    browser.wait_for(lambda: now in browser.text(field))
    assert browser.text(missing) == "" and browser.property("#rollout-problem", "hidden")
    press(browser, "Apply to one node")
    said = "w0 has no setting rare."
    browser.wait_for(lambda: said in browser.texts(error % "setting"))
    browser.type("input[name=setting]", "chunk_size")
    assert not browser.has("[aria-invalid]") and browser.property("#rollout-problem", "hidden")
    browser.wait_for(lambda: "Now 256 on 3 nodes" in browser.text(field))
    browser.type("input[name=value]", "many")
    browser.wait_for(lambda: browser.text(error % "value") == "Enter a number.")
    assert browser.text(missing) == "Correct the new value." and browser.property(go, "disabled")
    browser.type("input[name=value]", "512")
    browser.wait_for(lambda: not browser.property(go, "disabled"))


@pytest.mark.parametrize(
    "count,said,missing",
    [
        (128, "No selected node has this setting.", "Correct the setting."),
        (
            129,
            "◆ No such setting on the 128 nodes checked; 1 selected node was not checked.",
            "",
        ),
    ],
)
def test_a_setting_that_no_checked_node_has_is_told_with_how_many_were_not_checked(
    browser, worker, show, count, said, missing
):
    show(worker, "overview")
    form = (
        "const { SettingFields } = await import('/static/js/views/settingfields.js');"
        "const node = (i) => ({ key: 'n' + i, path: '/proxy2/w0' });"
        "const nodes = Array.from({ length: arguments[0] }, (_, i) => node(i));"
        "window.form = new SettingFields(new AbortController().signal, () => form.update(nodes));"
        "document.querySelector('main').prepend(...form.fields);"
        "form.fill('no_such', '1'); form.update(nodes)"
    )
    browser.script(form, count)
    browser.wait_for(lambda: browser.text("#setting-error") == said)
    assert browser.script("return form.missing") == missing
    assert browser.has("input[name=setting][aria-invalid]") == bool(missing)
    assert len(worker.targets("/conf?names=no_such")) == 128


def test_the_new_value_of_a_rollout_is_chosen_where_nodes_have_a_switch(browser, rollout, workers):
    for name, node in workers.items():
        node.settings["save_unfull_chunk"] = name == "w2"
    browser.type("input[name=setting]", "save_unfull_chunk")
    browser.wait_for(lambda: browser.has("main select[name=value]"))
    field = ".field:has([name=value])"
    browser.wait_for(lambda: "on 2 nodes" in browser.text(field))
    assert "on 1 node" in browser.text(field)
    assert browser.text("#rollout-missing") == "Enter the new value."


@pytest.mark.parametrize(
    "node,panel,label,name,note,said",
    [
        ("mp-0", "cache", "Quotas", "salt", "quota-problem", "Enter a cache salt."),
        (
            "coordinator",
            "cache",
            "Default quota",
            "limit",
            "default-problem",
            "Enter a limit in GiB.",
        ),
        ("mp-0", "loglevels", "Log levels", "prefix", "prefix-note", "Enter a prefix."),
    ],
)
def test_a_field_that_is_left_empty_is_marked_and_says_what_to_enter(
    browser, demo, show, node, panel, label, name, note, said
):
    show(demo, panel, node)
    form = "section[aria-label='%s'] " % label
    box = form + "[name=%s]" % name
    browser.wait_for(lambda: browser.has(box))
    browser.type(box, "")
    press(browser, "Set all" if name == "prefix" else "Set", form)
    browser.wait_for(lambda: browser.text("#" + note) == said)
    marked = "%s:focus[aria-invalid=true][aria-describedby=%s]" % (box, note)
    assert browser.has(marked)
