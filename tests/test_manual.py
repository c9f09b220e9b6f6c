"""The manual, ``static/help.html``, says what the program does: its tables match the code's.

What is added to the code without its line in the manual fails here, and so does a line about
something that is no longer there.
"""

import html.parser
import os
import re
import subprocess
import sys

import lmcache_frontend as lf
import pytest
from support import rule_words
from support.frontend import PROGRAM, ROOT, wait_for

MANUAL = os.path.join(ROOT, "static", "help.html")
README = os.path.join(ROOT, "README.md")
UNITS = {"KiB": 1024, "MiB": 1024**2, "bytes": 1, "s": 1, "d": 86400}
# What only the code itself meets: nothing that a client, a node or a file can run into.
INTERNAL = set(
    """
    DEMO_IDLE_TIMEOUT LINGER_TIMEOUT MAX_CHANGES MAX_CHUNK MAX_COUNTED_NODES MAX_DEPTH MAX_DOUBLINGS
    MAX_DRAIN MAX_JSON_NUMBER MAX_LEARNED MAX_LENGTH_DIGITS MAX_LOOKED_AT MAX_NEARBY
    MAX_NUMBER_OPTION MAX_PEERS MAX_PID_LENGTH MAX_PIECES MAX_REPLAY_POLLS MAX_SEPARATE
    MAX_SETTING_NAME MAX_SHARED_COLUMNS MAX_SHARED_LABELS MAX_SHOWN MAX_SHOWN_VALUE MAX_SOCKET_PATH
    MAX_THROUGH MAX_TIMESTAMP SPARE_TIMEOUT
    """.split()
)
VOID = {"meta", "link", "br", "hr", "img", "wbr"}


class Page(html.parser.HTMLParser):
    """A page's tables by id (rows of cell texts), its ids, links, elements and attributes."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.ids, self.links = {}, [], []
        self.elements, self.attributes = set(), set()
        self._open, self._rows, self._cell = [], None, None
        self.feed(text)
        self.close()
        assert not self._open, "these are not closed: %s" % self._open

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.elements.add(tag)
        self.attributes.update(values)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if name in values]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = self.tables[values["id"]] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag in ("td", "th"):
            self._rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)


@pytest.fixture(scope="module")
def page():
    with open(MANUAL, encoding="utf-8") as file:
        return Page(file.read())


def rows(page, table):
    """The rows of a table below its head."""
    return page.tables[table][1:]


def options():
    """Every option of the program with its help, as ``--help`` shows it to a wide terminal."""
    command = [sys.executable, PROGRAM, "--help"]
    text = subprocess.check_output(command, env=dict(os.environ, COLUMNS="400")).decode()
    return dict(re.findall(r"^  (?:-h, )?(--[a-z-]+)(?: \S+)?\s{2,}(\S.*)$", text, re.M))


def names_in(cell):
    return re.findall(r"--[a-z][a-z-]*", cell)


def test_every_option_has_its_line(page):
    described = {names_in(row[0])[-1]: row[1] for row in rows(page, "options")}
    assert described == options()


def test_every_option_has_the_same_row_in_the_readme():
    with open(README, encoding="utf-8") as file:
        found = re.findall(r"^\|[^|]*\| `(--[a-z-]+)[^`]*` \| (.*) \|$", file.read(), re.M)
    expected = options()
    del expected["--help"]
    assert dict(found) == expected
    assert len(found) == len(expected)


def test_every_environment_variable_is_named():
    with open(PROGRAM, encoding="utf-8") as file:
        names = re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', file.read())
    with open(MANUAL, encoding="utf-8") as file:
        text = file.read()
    assert names
    assert [name for name in [*names, "LMCACHE_FRONTEND_POLL_INTERVAL"] if name not in text] == []


def test_every_figure_has_its_line(page):
    expected = []
    for figure in lf.list_figures():
        expected.append([figure[name] for name in ("name", "label", "unit", "together")])
    described = [
        [name, label, unit, ranks] for name, label, unit, _, ranks in rows(page, "figures-table")
    ]
    assert described == expected


def test_every_figure_names_the_families_it_is_computed_from(page):
    described = {row[0]: row[3] for row in rows(page, "figures-table")}
    for figure in lf.list_figures():
        for family in figure["families"]:
            assert family in described[figure["name"]], figure["name"]


def test_every_way_to_compute_a_figure_has_its_line(page):
    described = {name: text.replace("’", "'") for name, text in rows(page, "kinds")}
    assert described == lf.HOW_MADE


def test_every_alert_says_when_it_begins_and_ends(page):
    rules = {rule.name: rule for rule in lf.RULES}
    rules.update(lf.CLUSTER_RULES)
    described = {row[0]: row[1:] for row in rows(page, "alerts-table")}
    expected = {}
    for name, rule in rules.items():
        polls = "%d / %d" % (rule.raise_after, rule.clear_after)
        expected[name] = [rule.severity, *rule_words.WHEN[name], polls]
    for name in lf.SERVICE_ALERTS:
        expected[name] = ["warning", *rule_words.SERVICES[name], ""]
    assert described == expected


def test_what_is_told_before_the_table_of_alerts_is_short_and_reads_its_last_column(page):
    with open(MANUAL, encoding="utf-8") as file:
        before = file.read().partition('<h2 id="alerts">')[2].partition("<table")[0]
    paragraphs = [" ".join(part.split()) for part in re.findall(r"<p>(.*?)</p>", before, re.S)]
    assert max(len(text.split()) for text in paragraphs) <= 80
    polls = re.match(r"“(\d) / (\d)” in the last column means [^.]*\.", paragraphs[-1])
    assert polls, paragraphs[-1]
    begins, ends = polls.groups()
    assert f"after {begins} polls in a row" in polls[0] and f"after {ends} polls" in polls[0]
    assert f"{begins} / {ends}" in [row[-1] for row in rows(page, "alerts-table")]


def test_every_alert_says_what_to_do(page):
    rules = [*(rule.name for rule in lf.RULES), *lf.CLUSTER_RULES, *lf.SERVICE_ALERTS]
    assert [row[0] for row in rows(page, "remedies-table")] == rules
    assert ["do-" + name for name in rules] == [one for one in page.ids if one[:3] == "do-"]


def test_what_an_alert_advises_is_the_first_sentence_of_its_remedy(page):
    described = {name: text.replace("’", "'") for name, text in rows(page, "remedies-table")}
    assert lf.REMEDIES.keys() == described.keys()
    for name, sentence in lf.REMEDIES.items():
        assert (described[name] + " ").startswith(sentence + " "), name


def test_every_kind_of_event_has_its_line(page):
    assert [row[0] for row in rows(page, "events-table")] == list(lf.EVENT_KINDS)


def test_every_route_has_its_line(page):
    routes = [row[0] for row in rows(page, "routes")]
    own = ["%s %s" % (route.method, route.pattern) for route in lf.ROUTES]
    assert sorted(name for name in routes if not name.startswith("any ")) == sorted(own)


def test_the_manual_says_which_routes_need_trust(page):
    described = dict(rows(page, "routes"))
    for route in lf.ROUTES:
        text = described["%s %s" % (route.method, route.pattern)]
        assert route.trusted == text.endswith("needs trust"), route.pattern


def test_every_field_of_a_node_has_its_line(page):
    assert sorted(row[0] for row in rows(page, "entry")) == sorted(lf.ENTRY_FIELDS)


def test_limits_have_the_values_of_the_code(page):
    tables = [name for name in page.tables if name.startswith("limits-")]
    limits = [row for table in tables for row in rows(page, table)]
    assert len(limits) > 50
    for name, text, _ in limits:
        number, _, unit = text.partition(" ")
        assert float(number) * UNITS.get(unit, 1) == getattr(lf, name), name


def test_every_limit_has_its_line(page):
    limits = {
        name
        for name, value in vars(lf).items()
        if re.match(r"MAX_|\w+_TIMEOUT$", name) and isinstance(value, (int, float))
    }
    tables = [name for name in page.tables if name.startswith("limits-")]
    described = {row[0] for table in tables for row in rows(page, table)}
    assert sorted(limits - described - INTERNAL) == []


def test_every_metric_of_the_frontend_has_its_line(page, start, node, tmp_path):
    file = str(tmp_path / "history.db")
    front = start("--node", "w0=" + node.address, "--history-file", file, "--poll-interval", "1")
    wait_for(lambda: "_node_latency_" in front.ask("/metrics").body.decode())
    text = front.ask("/metrics").body.decode()
    own = {}
    for name, about in re.findall(r"^# HELP (lmcache_frontend_\w+) (.+)$", text, re.M):
        own[name] = [re.findall(r"^# TYPE %s (\w+)$" % name, text, re.M)[0], about.rstrip(".")]
    described = {}
    for name, kind, _, about in rows(page, "own-metrics"):
        described[name] = [kind, about[0].upper() + about[1:].replace("’", "'")]
    assert described == own


def test_the_manual_works_alone_and_without_a_script(page):
    assert not page.elements & {"script", "style", "iframe", "form"}
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        elif link != "../":
            assert os.path.exists(os.path.join(ROOT, "static", link)), link


def test_the_contents_list_every_chapter():
    with open(MANUAL, encoding="utf-8") as file:
        text = file.read()
    chapters = re.findall(r'<h2 id="([\w-]+)"', text)
    contents = text[text.index("<nav") : text.index("</nav>")]
    assert re.findall(r'href="#([\w-]+)"', contents) == chapters


def test_the_last_line_of_help_is_the_path_of_the_manual():
    command = [sys.executable, PROGRAM, "--help"]
    last = subprocess.check_output(command).decode().strip().splitlines()[-1]
    assert os.path.samefile(last, MANUAL)


def test_help_reads_at_80_columns():
    command = [sys.executable, PROGRAM, "--help"]
    text = subprocess.check_output(command, env=dict(os.environ, COLUMNS="80")).decode()
    assert not [line for line in text.splitlines()[:-1] if len(line) > 80]


# What a name that takes several lines says on them, unless a line cannot hold it.
BROKEN_NAMES = """
    const broken = [];
    const cells = ":is(p, li, dd, th, td:not(.families)) code:not(.long)";
    for (const code of document.querySelectorAll(cells)) {
        const range = document.createRange();
        range.selectNodeContents(code);
        const tops = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
        const place = code.closest("p, li, dd, th, td").clientWidth;
        const width = code.textContent.length * 7.3;  // 12 px monospace
        if (tops.size > 1 && width < place - 24) broken.push(code.textContent);
    }
    return broken;
"""
# What each cell of a table with more than two columns says first, when rows are blocks.
CELL_LABELS = """
    const wrong = [];
    for (const table of document.querySelectorAll("table")) {
        const heads = [...table.querySelectorAll("thead th")];
        if (heads.length < 3) continue;
        for (const row of table.querySelectorAll("tbody tr"))
            [...row.cells].slice(1).forEach((cell, i) => {
                const head = heads[i + 1].textContent.replace(/\\s+/g, " ");
                const { content } = getComputedStyle(cell, "::before");
                const isPlain = head === "Meaning" && content === "none";
                if (cell.textContent && !isPlain && content !== `"${head}: "`)
                    wrong.push(`${table.id}: ${head}: ${content}`);
            });
    }
    return [...new Set(wrong)];
"""
STICKING_OUT = """
    const most = document.documentElement.clientWidth;
    return [...document.querySelectorAll("p, dl, table, tr, th, td, code")]
        .filter((one) => !one.closest("pre") && one.getBoundingClientRect().right > most)
        .map((one) => one.textContent.trim().slice(0, 60));
"""
# The parts of a metric's name, between the places where it may break, that take two lines.
BROKEN_PARTS = """
    const broken = [];
    for (const code of document.querySelectorAll(".families code"))
        for (const part of [...code.childNodes].filter((one) => one.nodeType === 3)) {
            const range = document.createRange();
            range.selectNodeContents(part);
            const tops = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
            if (tops.size > 1) broken.push(part.textContent);
        }
    return broken;
"""
# Code blocks with a line that takes two, and those that scroll without a name or the keyboard.
BAD_BLOCKS = """
    return [...document.querySelectorAll("pre")].flatMap((block) => {
        const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(block);
        const inside = block.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
        const lines = block.textContent.split("\\n").length;
        const isWrapped = inside > (lines + 0.5) * parseFloat(lineHeight);
        const isNamed = block.tabIndex === 0 && block.role && block.ariaLabel;
        return isWrapped || !isNamed ? [block.textContent.trim().slice(0, 40)] : [];
    });
"""
SCROLLING_BLOCKS = """
    return [...document.querySelectorAll("pre")]
        .filter((block) => block.scrollWidth > block.clientWidth)
        .map((block) => block.textContent.trim().slice(0, 40));
"""
# Words with a hyphen that a column breaks there.
BROKEN_WORDS = """
    return [...document.querySelectorAll("td, th")].flatMap((cell) => {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        const range = document.createRange();
        const broken = [];
        while (texts.nextNode()) {
            const text = texts.currentNode;
            if (text.parentElement.closest("code")) continue;
            for (const { 0: word, index } of text.data.matchAll(/\\w+-\\w+/g)) {
                range.setStart(text, index);
                range.setEnd(text, index + word.length);
                if (range.getClientRects().length > 1) broken.push(word);
            }
        }
        return broken;
    });
"""
TALL_TOPICS = """
    return [...document.querySelectorAll("#options td:last-child")]
        .filter((cell) => {
            const range = document.createRange();
            range.selectNodeContents(cell);
            return range.getBoundingClientRect().height > 25;
        })
        .map((cell) => cell.textContent);
"""
WIDE_NAMES = """
    return [...document.querySelectorAll("tbody tr")]
        .filter((row) => row.cells[0].offsetWidth > 0.6 * row.offsetWidth)
        .map((row) => row.cells[0].textContent);
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 720, 768, 861, 1100, 1440])
def test_the_manual_fits_on_every_screen_and_breaks_no_name(browser, lasting_front, width):
    browser.resize(width, 900)
    browser.goto(lasting_front.url + "/static/help.html")
    assert browser.script(STICKING_OUT) == []
    assert browser.script(BROKEN_NAMES) == []
    assert browser.script(BROKEN_PARTS) == []
    assert browser.script(TALL_TOPICS) == []
    assert browser.script(BAD_BLOCKS) == []
    assert browser.script(BROKEN_WORDS) == []
    if width >= 768:
        assert browser.script(SCROLLING_BLOCKS) == []
    if width <= 720:
        assert browser.script(CELL_LABELS) == []
    else:
        names = browser.script(WIDE_NAMES)
        figures = {figure.name for figure in lf.FIGURES} if width <= 860 else set()
        assert [name for name in names if name not in figures] == []


def test_the_manual_has_one_kind_of_apostrophe(page):
    with open(MANUAL, encoding="utf-8") as file:
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", file.read(), flags=re.DOTALL)
    assert [line for line in text.splitlines() if "'" in line] == []


def test_the_manual_says_response():
    with open(MANUAL, encoding="utf-8") as file:
        assert [line for line in file if re.search(r"\banswers?\b", line)] == []


def test_a_name_in_the_manual_is_set_as_code():
    with open(MANUAL, encoding="utf-8") as file:
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", file.read(), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", "", text)
    assert re.findall(r"\w+_\w*|(?<!\w)/[a-z]+/?", text) == []


def test_a_number_in_the_manual_keeps_to_its_unit():
    with open(MANUAL, encoding="utf-8") as file:
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", file.read(), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", "", text)
    assert re.findall(r"\d[ \n]+(?:s|min|px|KiB|MiB|d)\b(?!’)", text) == []


def test_a_figure_says_how_it_is_made_as_the_manual_does(page):
    described = {row[0]: row[3].replace("’", "'") for row in rows(page, "figures-table")}
    for figure in lf.FIGURES:
        if figure.note:
            assert described[figure.name].endswith(". " + figure.note), figure.name
        is_p99 = figure.name.endswith("_p99")
        assert (lf.together(figure) == lf.HIGHEST) == (
            is_p99 or figure.name == "remote_ping_seconds"
        )


def test_the_page_has_one_kind_of_apostrophe():
    """In texts, that is; comments and what is typed or sent as code keep the straight one."""
    found = []
    for folder, _, names in os.walk(os.path.join(ROOT, "static", "js")):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                code = re.sub(r"(?m)//(?!\S*\.).*$|/\*.*?\*/", "", file.read())
            texts = re.findall(r'"(?:[^"\\\n]|\\.)*"|`[^`\n]*`', code)
            found += [
                "%s: %s" % (name, text) for text in texts if re.search(r"[A-Za-z]'[a-z ]", text)
            ]
    assert found == []
