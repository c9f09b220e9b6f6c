"""Fixtures: real servers, real processes, a real browser."""

import collections
import os
import signal
import sys
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
sys.path.insert(0, os.path.join(ROOT, "tests"))

from support.browser import Browser, find_programs  # noqa: E402
from support.frontend import Frontend, wait_for  # noqa: E402
from support.nodes import NodeServer  # noqa: E402
from support.ports import release_ports  # noqa: E402
from support.processes import missing  # noqa: E402
from support.services import Service  # noqa: E402


def pytest_configure(config):
    """A run that is asked to end tears its fixtures down, as after Ctrl-C.

    What it cannot end any more, the guard does (see ``support/processes.py``).
    """

    def end(number, frame):
        pytest.exit("ended by %s" % signal.Signals(number).name, returncode=128 + number)

    signal.signal(signal.SIGTERM, end)


def pytest_terminal_summary(terminalreporter):
    """Say which programs were missing, so that no green run looks whole that is not."""
    reasons = collections.Counter(
        report.longrepr[2].replace("Skipped: ", "")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        if "not installed" in reason:
            tests = "1 test" if count == 1 else "%d tests" % count
            terminalreporter.write_line("NOT RUN: %s: %s" % (tests, reason), yellow=True)


@pytest.fixture(autouse=True)
def ports():
    """The ports that a test got are its own until it ends."""
    yield
    release_ports()


@pytest.fixture
def node():
    """A node on a TCP port that answers by ``NodeServer``'s rules."""
    with NodeServer() as server:
        yield server


@pytest.fixture
def uds_node(tmp_path_factory):
    """The same on a Unix socket."""
    with NodeServer(short_socket_path()) as server:
        yield server


socket_folders = []  # each is removed when the run ends


def short_socket_path():
    """A path short enough for a Unix socket everywhere."""
    socket_folders.append(tempfile.TemporaryDirectory(prefix="lf-", dir="/tmp"))
    return os.path.join(socket_folders[-1].name, "socket_9090")


@pytest.fixture
def service():
    """Make services: ``service({path: (status, body)}, port=..., certificate=...)``."""
    running = []

    def make(answers=None, **options):
        running.append(Service(answers, **options))
        return running[-1]

    yield make
    for item in running:
        item.close()


@pytest.fixture
def start():
    """Start frontends as a user would; they are ended with the test."""
    running = []

    def begin(*options, **kwargs):
        frontend = Frontend(*options, **kwargs)
        running.append(frontend)
        return frontend

    yield begin
    for frontend in running:
        frontend.stop()


@pytest.fixture
def front(start, node):
    """A frontend with one TCP node called w0."""
    return start("--node", "w0=%s" % node.address)


@pytest.fixture(scope="module")
def lasting_node():
    """The node of ``lasting_front``; a test that looks at its requests uses ``shared_node``."""
    with NodeServer() as server:
        yield server


@pytest.fixture(scope="module")
def lasting_front(lasting_node):
    """The same as ``front``, started once for the tests of a module that change nothing in it."""
    frontend = Frontend("--node", "w0=%s" % lasting_node.address)
    yield frontend
    frontend.stop()


@pytest.fixture
def shared_node(lasting_node):
    """The node of ``lasting_front``, with no requests yet."""
    del lasting_node.requests[:]
    return lasting_node


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


@pytest.fixture(scope="session")
def browser_process():
    if find_programs() is None:
        missing("chromium and chromedriver are not installed")
    with Browser() as browser:
        yield browser


# The server of a module's tests is one origin: what a page of one remembers, the next one has.
FORGET = "try { localStorage.clear(); sessionStorage.clear() } catch (error) { /* no page */ }"


@pytest.fixture
def browser(browser_process):
    """A browser with an empty page, an empty console and no token; it keeps nothing of a test."""
    browser_process.leave()
    browser_process.resize(1440, 900)
    browser_process.console()
    browser_process.requests()
    yield browser_process
    browser_process.script(FORGET)
