"""A run of the tests that is interrupted leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys

import pytest
from support.frontend import ROOT, wait_for
from support.processes import Process, find_program

pytestmark = pytest.mark.slow
TESTS = os.path.join(ROOT, "tests")
WAITS = """
import json, os, time

def test_waits(front):
    tell(front, None)

def test_waits_with_a_browser(front, browser):
    browser.goto(front.url)
    tell(front, browser)

def tell(front, browser):
    pids = [front.process.pid] + ([browser.driver.pid] if browser else [])
    notes = {"pids": pids, "folder": browser.folder if browser else None}
    with open(os.environ["NOTES"] + ".new", "w") as file:
        json.dump(notes, file)
    os.replace(os.environ["NOTES"] + ".new", os.environ["NOTES"])
    time.sleep(60)
"""
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")


@pytest.fixture
def interrupted(tmp_path):
    """Interrupt a run during a test: ``interrupted(name, signal)`` returns what the test noted."""

    def interrupt(name, number):
        notes = tmp_path / "notes.json"
        (tmp_path / "test_waits.py").write_text(WAITS)
        command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"]
        run = Process(
            [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_waits.py"), "-k", name],
            env=dict(os.environ, PYTHONPATH=TESTS, NOTES=str(notes)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        with run:
            try:
                wait_for(lambda: notes.exists() or run.poll() is not None, 40)
                assert run.poll() is None, run.stdout.read().decode()
                run.send_signal(number)
                run.wait(40)
            finally:
                run.kill()
        return json.loads(notes.read_text())

    return interrupt


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def mentioning(text):
    """The processes whose command line holds ``text``."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                if text.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL"]


@needs_proc
@pytest.mark.parametrize("name", SIGNALS)
def test_a_run_that_is_interrupted_leaves_no_frontend(interrupted, name):
    notes = interrupted("test_waits and not browser", getattr(signal, name))
    wait_for(lambda: not any(map(is_running, notes["pids"])))


@needs_proc
@pytest.mark.browser
@pytest.mark.parametrize("name", SIGNALS)
def test_a_run_that_is_interrupted_leaves_no_browser(interrupted, name):
    find_program("chromedriver")
    notes = interrupted("browser", getattr(signal, name))
    wait_for(lambda: not any(map(is_running, notes["pids"])))
    wait_for(lambda: not mentioning(notes["folder"]))
    wait_for(lambda: not os.path.exists(notes["folder"]))


@pytest.mark.parametrize("ci,words", [("", "NOT RUN: 1 test: "), ("true", "1 error")])
def test_a_run_without_a_browser_says_so_at_its_end_and_fails_in_ci(tmp_path, ci, words):
    (tmp_path / "test_page.py").write_text("def test_page(browser):\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"]
    environment = dict(os.environ, PYTHONPATH=TESTS, PATH=str(tmp_path), CI=ci)
    for name in ("CHROMIUM", "CHROMEDRIVER"):
        environment.pop(name, None)
    run = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_page.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    text = run.stdout.decode()
    assert words in text and "chromium and chromedriver are not installed" in text
    assert run.returncode == (1 if ci else 0), text
