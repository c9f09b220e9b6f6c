"""What people click and read on every page: the size of its controls, and names in one piece."""

import pytest
from support.page import wait_polling
from support.story import StoryServer, small_fleet

pytestmark = pytest.mark.browser
WORKER = "llama70b-a_worker2"
PANELS = (
    "overview",
    "events",
    "metrics",
    "loglevels",
    "config",
    "meta",
    "inference",
    "environment",
    "threads",
    "cache",
    "script",
    "requests",
)
VIEWS = (
    "#/",
    "#/events",
    "#/compare?nodes=llama70b-a_worker0,llama70b-a_worker1",
    "#/many",
    "#/many?tab=cache",
    "#/many?tab=rollout",
    "#/nodes",
    *("#/node/%s/%s" % (WORKER, panel) for panel in PANELS),
    *("#/node/mp-0/%s" % panel for panel in ("overview", "config", "cache")),
    "#/node/coordinator/overview",
    "#/node/coordinator/cache",
    "#/node/llama70b-a_scheduler/overview",
    "#/node/llama70b-a_api/overview",
)
SETTLED = (
    "return !!document.querySelector('main h1')"
    " && !document.querySelector('main :is(.first, .asking, .split.loading)')"
    " && [...document.querySelectorAll('link[rel=stylesheet]')].every((one) => one.sheet)"
)
# WCAG 2.2, 2.5.8: 24 by 24 px; a link in a sentence is exempt. What lies around the middle of a
# control, its label included, counts as it does for a finger: by what is hit there.
SMALL = """
const LEAST = 24;
const root = document.querySelector("dialog[open]") || document;  // all else is inert then
const controls = root.querySelectorAll(
  "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=option]");
const isShown = (e) => e.checkVisibility({visibilityProperty: true}) && !e.disabled;
const isText = (node) => node.nodeType === 3 && node.textContent.trim().length > 1;
const inSentence = (e) =>
  e.tagName === "A" && getComputedStyle(e).display === "inline" &&
  [...e.parentNode.childNodes].some(isText);
const isSmall = (e) => {
  const whole = (e.labels && e.labels[0]) || e;
  const place = whole.getBoundingClientRect();
  if (place.width >= LEAST && place.height >= LEAST) return false;
  whole.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
  const box = e.getBoundingClientRect();
  const middle = [box.x + box.width / 2, box.y + box.height / 2];
  const isHit = (dx, dy) => {
    const hit = document.elementFromPoint(middle[0] + dx, middle[1] + dy);
    return e.contains(hit) || (whole !== e && whole.contains(hit));
  };
  const half = LEAST / 2 - 0.5;
  const isWide = box.width >= LEAST || (isHit(-half, 0) && isHit(half, 0));
  const isHigh = box.height >= LEAST || (isHit(0, -half) && isHit(0, half));
  return !isWide || !isHigh;
};
const isHidden = (e) => e.closest(".visually-hidden, .skip") || e.getBoundingClientRect().width < 2;
return [...controls]
  .filter((e) => isShown(e) && !isHidden(e) && !inSentence(e) && isSmall(e))
  .map((e) => {
    const { width, height } = e.getBoundingClientRect();
    const name = (e.getAttribute("aria-label") || e.textContent).trim().slice(0, 40);
    return `${e.tagName} ${e.className} ${name}: ${width} x ${height}`;
  });
"""
OPEN = """
for (const one of document.querySelectorAll("main details:not([open])")) one.open = true;
for (const one of document.querySelectorAll("main .fold[aria-expanded=false]")) one.click();
"""
# What is cut at the right or below, and words with a hyphen that stand on more than one line.
CUT = (
    "return [...document.querySelectorAll(arguments[0])]"
    ".filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)"
    ".map((e) => e.textContent)"
)
BROKEN = """
const found = [];
for (const root of document.querySelectorAll(arguments[0])) {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    for (const { 0: word, index } of text.data.matchAll(/[\\w-]+-[\\w-]+/g)) {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1) found.push(word);
    }
  }
}
return found;
"""


@pytest.fixture(scope="module")
def server():
    with StoryServer(small_fleet()) as running:
        yield running


@pytest.mark.parametrize("width", [1440, 360])
def test_every_control_is_large_enough_for_a_finger(browser, demo, width):
    browser.resize(width, 900)
    small = {}

    def look(place):
        found = browser.script(SMALL)
        if found:
            small[place] = found

    for view in VIEWS:
        browser.leave()
        browser.goto(demo.url + "/" + view)
        browser.wait_for(lambda: browser.script(SETTLED))
        look(view)
        browser.script(OPEN)
        browser.settle()
        look(view + ", all open")
    for key, selector in (("?", "dialog.help"), ("Control+k", "dialog.palette")):
        browser.press(key)
        browser.wait_for(lambda: browser.has(selector))
        look(selector)
        browser.press("Escape")
        browser.wait_for(lambda: not browser.has(selector))
    browser.goto(demo.url + "/static/help.html")
    look("manual")
    assert small == {}


def test_a_box_of_a_table_is_ticked_by_a_click_anywhere_in_its_cell(browser, demo):
    browser.goto(demo.url + "/#/many")
    cell = "main .data tbody .pick:not(:has(:disabled))"
    browser.wait_for(lambda: browser.has(cell))
    browser.script(
        "const cell = document.querySelector(arguments[0]), box = cell.getBoundingClientRect();"
        "document.elementFromPoint(box.left + 3, box.top + 3).click()",
        cell,
    )
    assert browser.property(cell + " input", "checked")
    browser.click(cell + " input")
    assert not browser.property(cell + " input", "checked")


@pytest.mark.parametrize("width", [1440, 768, 360])
def test_no_line_of_the_palette_is_cut_and_no_name_broken(browser, server, width):
    browser.resize(width, 900)
    browser.goto(server.url + "/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    browser.press("Control+k")
    browser.wait_for(lambda: browser.has(".palette-input"))
    for typed in ("silence", "llama70b", "rising"):
        browser.type(".palette-input", typed)
        browser.wait_for(lambda: browser.has(".palette mark"))
        assert browser.script(CUT, ".palette-text, .palette-note") == []
        assert browser.script(CUT, ".palette [role=option]") == []
        assert browser.script(BROKEN, ".palette-text, .palette-note") == []
    rises = "return [...document.querySelectorAll('.palette-text')].map((one) => one.textContent)"
    texts = [text for text in browser.script(rises) if "→" in text]
    assert texts and not any(" →" in text or "→ " in text for text in texts), "figures are whole"


def test_on_a_telephone_a_result_is_its_name_with_its_note_below(browser, server):
    browser.resize(360, 900)
    browser.goto(server.url + "/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    assert browser.text(".find") == "Search …"
    browser.press("Control+k")
    browser.type(".palette-input", "chunk_statistics")
    browser.wait_for(lambda: browser.has(".palette mark"))
    places = browser.script(
        "return [...document.querySelectorAll('.palette [role=option]')].map((one) => {"
        "  const [text, note] = ['.palette-text', '.palette-note']"
        "    .map((part) => one.querySelector(part).getBoundingClientRect());"
        "  return [note.left - text.left, note.top >= text.bottom || !note.height] })"
    )
    assert len(places) > 4 and {tuple(place) for place in places} == {(0, True)}
    lines = browser.script(
        "const name = [...document.querySelectorAll('.palette-text')]"
        "  .find((one) => one.textContent === 'chunk_statistics_auto_exit_timeout_hours');"
        "const texts = document.createTreeWalker(name, NodeFilter.SHOW_TEXT), ends = [];"
        "for (let text = texts.nextNode(); text; text = texts.nextNode()) {"
        "  const range = document.createRange();"
        "  range.selectNodeContents(text);"
        "  if (range.getClientRects().length > 1) ends.push(text.data) }"
        "return ends"
    )
    assert lines == []  # it is broken between its words only


def test_the_palette_says_how_many_more_alerts_there_are(browser, server):
    browser.goto(server.url + "/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    browser.script(
        "const { setRefresh, store } = await import('/static/js/server.js');"
        "setRefresh(3600); const [alert] = store.status.alerts;"
        "store.status.alerts = [1, 2, 3, 4, 5].map((i) => ({ ...alert, silence: null,"
        "  id: `r${i}:x`, rule: `r${i}`, group: `r${i}:x`, text: `Something is wrong: ${i}` }))"
    )
    browser.press("Control+k")
    browser.wait_for(lambda: browser.has(".palette-text"))
    assert browser.texts(".palette-text")[3] == "and 2 more alerts"
    # An alert has the sign of how grave it is, and no state: its node may be up.
    first = "return document.querySelector('.palette [role=option] .state').textContent"
    assert browser.script(first) in ("■", "◆")
    browser.type(".palette-input", "something")
    browser.wait_for(lambda: browser.has(".palette mark"))
    assert browser.texts(".palette-text")[3] == "and 2 more alerts"


def test_the_palette_leads_to_settings_where_they_are_and_finds_nodes_by_their_state(
    browser, server
):
    browser.goto(server.url + "/#/node/mp-0")
    browser.wait_for(lambda: browser.text("h1") == "mp-0")
    browser.script(
        "const { setRefresh, store } = await import('/static/js/server.js'); setRefresh(3600);"
        "store.byKey.get('llama70b-b_worker3').state = 'down'"
    )
    browser.press("Control+k")
    browser.type(".palette-input", "save_unfull")
    browser.wait_for(lambda: "save_unfull_chunk" in browser.texts(".palette-text"))
    at = browser.texts(".palette-text").index("save_unfull_chunk")
    assert browser.texts(".palette-note")[at].startswith("Config of llama70b-")
    browser.type(".palette-input", "down")
    browser.wait_for(lambda: "llama70b-b_worker3" in browser.texts(".palette-text"))


def test_a_dialog_does_not_break_the_name_that_it_asks_for(browser, demo):
    browser.resize(360, 800)
    browser.goto(demo.url + "/#/node/llama70b-b_worker1/cache")
    clear = (
        "return [...document.querySelectorAll('main button')]"
        ".find((one) => /^Clear/.test(one.textContent.trim()) && !one.disabled)"
    )
    browser.wait_for(lambda: browser.script(clear))
    browser.script(clear.replace("return", "(", 1) + ").click()")
    browser.wait_for(lambda: browser.has("dialog[open]"))
    assert "llama70b-b_worker1" in browser.text("dialog h2")
    assert browser.script(BROKEN, "dialog") == []


@pytest.mark.parametrize("found", [1, 12, 1000])
def test_the_count_of_a_search_leaves_room_for_its_clear_button(browser, server, found):
    browser.goto(server.url + "/")
    browser.wait_for(lambda: browser.has("main .data tbody th"))
    room = browser.script(
        "const { searchBox } = await import('/static/js/controls.js');"
        "const box = searchBox('Test', () => arguments[0]), input = box.querySelector('input');"
        "document.querySelector('main').prepend(box); input.value = 'a';"
        "input.dispatchEvent(new Event('input'));"
        "const end = input.getBoundingClientRect().right"
        " - parseFloat(getComputedStyle(input).paddingRight);"
        "return box.querySelector('.search-count').getBoundingClientRect().left - end",
        found,
    )
    assert room >= 0


def test_a_bulk_action_says_for_how_many_nodes_it_waits_and_can_be_canceled(browser, start, node):
    node.do_loglevel = node.do_hang
    nodes = ["w%d=%s" % (rank, node.address) for rank in range(5)] + ["gone=127.0.0.1:1"]
    front = start(*(word for one in nodes for word in ("--node", one)))
    browser.goto(front.url + "/#/many")
    browser.wait_for(lambda: browser.count("main tbody th") == 6)
    actions = "main [aria-label='Review and apply'] .actions "
    told, cancel = actions + ".progress", actions + "button:not(.primary)"
    assert browser.property(cancel, "hidden") and browser.property("#bulk-down", "hidden")
    assert browser.property("main [aria-label=Show] [value=failed]", "hidden")
    browser.click("main thead .pick input")
    down = "◆ 1 selected node is down and may not respond: gone."
    browser.wait_for(lambda: browser.text("#bulk-down") == down)
    browser.click(actions + "button.primary")
    waits = "Applied to 0 of 6 nodes, 1 failed, 5 waiting (up to 30 s)"
    browser.wait_for(lambda: browser.text(told) == waits)
    rows = lambda: " ".join(browser.texts("main tbody td.wrap"))  # noqa: E731
    browser.wait_for(lambda: rows().count("waiting …") == 4 and rows().count("not sent yet") == 1)
    browser.click(cancel)
    end = "Applied to 0 of 6 nodes, 1 failed, 5 canceled. On 4 nodes it may still be applied"
    browser.wait_for(lambda: browser.text(told) == end)
    assert rows().count("canceled without a response; may still be applied") == 4
    assert rows().count("canceled before it was sent") == 1
    assert browser.property(cancel, "hidden")
    browser.wait_for(lambda: browser.text(":focus") == "Apply to 6 nodes")
    del node.do_loglevel
    browser.press("Enter")
    browser.wait_for(lambda: browser.text(told) == "Applied to 5 of 6 nodes, 1 failed")
    # Failed nodes are listed alone, and on a telephone what failed stands below their names.
    name = "main .data tbody th"
    browser.click("main [aria-label=Show] [value=failed]")
    browser.wait_for(lambda: browser.texts(name) == ["gone"])
    browser.resize(360, 800)
    browser.wait_for(lambda: browser.has("main .result-below"))
    assert "connection refused" in browser.text(name)
    assert not any("Result" in one for one in browser.texts("main .data thead .sort"))


DISABLED = (
    "return [...document.querySelectorAll('main button')]"
    ".filter((one) => one.checkVisibility() && one.disabled)"
    ".map((one) => one.getAttribute('aria-label') || one.textContent.trim())"
)
TITLES = (
    "return [...document.querySelectorAll('main button:disabled')]"
    ".filter((one) => one.checkVisibility()).map((one) => one.title)"
)


@pytest.mark.parametrize(
    ("place", "shown", "needing"),
    [
        ("#/", "main .alerts .drop", ["Refresh", "Debug bundle"]),
        ("#/compare?nodes=%s,mp-0" % WORKER, "main table .isolate", ["Compare settings"]),
        ("#/nodes", "main .data button.danger", ["Add a node", "Add a frontend"]),
        ("#/many?tab=cache", "main .actions button.primary", ["Run"]),
        ("#/node/%s/requests" % WORKER, "main form.request", ["Refresh", "Send"]),
    ],
)
def test_what_needs_a_server_that_is_away_is_disabled_and_comes_back(
    browser, server, place, shown, needing
):
    browser.leave()
    browser.goto(server.url + "/" + place)
    browser.wait_for(lambda: browser.has(shown))
    if needing == ["Run"]:
        browser.type("main textarea[name=tokens]", "0-511")
        browser.type("main input[name=model]", "Qwen/Qwen3-32B")
    browser.wait_for(lambda: not set(needing) & set(browser.script(DISABLED)))
    browser.script(
        "[...document.querySelectorAll('main button')]"
        ".find((one) => [one.getAttribute('aria-label'), one.textContent.trim()]"
        ".includes(arguments[0])).focus()",
        needing[-1],
    )
    browser.offline(True)
    try:
        wait_polling(browser, lambda: set(needing) <= set(browser.script(DISABLED)))
        assert {title.split(":")[0] for title in browser.script(TITLES)} == {"No connection"}
        if place == "#/":
            assert any(name.startswith("Silence") for name in browser.script(DISABLED))
            assert "CSV" not in browser.script(DISABLED)  # of what is loaded
    finally:
        browser.offline(False)
    browser.wait_for(lambda: not set(needing) & set(browser.script(DISABLED)))
    focus = (
        "const one = document.activeElement;"
        "return one.getAttribute('aria-label') || one.textContent.trim()"
    )
    browser.wait_for(lambda: browser.script(focus) == needing[-1])
