"""A real browser, driven over the WebDriver protocol.

That is W3C WebDriver, plus chromedriver's own commands.

    with Browser() as browser:
        browser.goto(front.url)
        browser.wait_for(lambda: browser.text("h1") == "Cluster")
        browser.click("a[href='#/node/w0']")

Selectors are CSS. An element is found anew by each call, so that a page that draws itself again
does no harm; what acts on an element waits until it is there and takes the action.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import time

from support.processes import ProcessGroup, temporary_folder

ELEMENT = (
    "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id (W3C WebDriver, section 11)
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # One process draws all pages: starting one for each takes longer than most tests.
    "--disable-site-isolation-trials",
    "--disable-features=SpareRendererForSitePerProcess,ProactivelySwapBrowsingInstance,"
    "BackForwardCache,IsolateOrigins,site-per-process",
)
KEYS = {  # W3C WebDriver, section 17.4.2
    "Backspace": "\ue003",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Escape": "\ue00c",
    "Space": "\ue00d",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Delete": "\ue017",
}
WAIT = 20.0  # seconds; a machine with two runs at a time may be slow


def find_programs():
    """The paths of the browser and of chromedriver, or None when one is missing.

    ``CHROMIUM`` and ``CHROMEDRIVER`` name others.
    """
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class BrowserError(AssertionError):
    """What the browser answered when it could not do what a test asked.

    ``kind`` is WebDriver's error code.
    """

    def __init__(self, kind, message):
        super().__init__(message.partition("\n")[0] or kind)
        self.kind = kind


RETRIED = (
    "no such element",
    "stale element reference",
    "element not interactable",
    "element click intercepted",
    "invalid element state",  # a field that is still disabled
)


class Browser:
    """Headless Chromium with a profile in a temporary folder, and its chromedriver."""

    def __init__(self, width=1280, height=800):
        programs = find_programs()
        assert programs, "no chromium and chromedriver on this machine"
        self.kept = contextlib.ExitStack()
        self.folder = self.kept.enter_context(temporary_folder("lf-browser-"))
        self.driver, self.session = None, ""
        self.size = (programs[0], width, height)
        self.patience = WAIT  # seconds to wait for an element
        try:
            self._start_driver(programs[1])
            self._start_session(*self.size)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def _start_driver(self, program):
        with open(os.path.join(self.folder, "driver.log"), "wb") as log:
            self.driver = ProcessGroup(
                [program, "--port=0", "--allowed-ips="],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

        def ready():
            """chromedriver is ready"""
            with open(os.path.join(self.folder, "driver.log")) as log:
                said = log.read()
            assert self.driver.poll() is None, said
            found = re.search(r"successfully on port (\d+)", said)
            if found is None:
                return False
            self.port = int(found.group(1))
            try:
                return self._request("GET", "/status")["ready"]
            except OSError:
                return False

        self.wait_for(ready, 60)

    def _start_session(self, program, width, height):
        options = {
            "binary": program,
            "args": [
                *ARGUMENTS,
                "--window-size=%d,%d" % (width, height),
                "--user-data-dir=" + os.path.join(self.folder, "profile"),
            ],
        }
        capabilities = {
            "browserName": "chrome",
            "pageLoadStrategy": "normal",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self._request("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = "/session/" + answer["sessionId"]

    def renew(self):
        """Start over: a new window with an empty profile, an empty console and nothing emulated."""
        self._end_session()
        shutil.rmtree(os.path.join(self.folder, "profile"), ignore_errors=True)
        self._start_session(*self.size)

    def _end_session(self, timeout=90):
        session, self.session = self.session, ""
        try:
            if session:
                self._request("DELETE", session, timeout=timeout)
        except (OSError, BrowserError, http.client.HTTPException):
            pass

    def close(self):
        """End the browser and remove its profile."""
        self._end_session(5)  # some take half a minute to go; what is left of the group is killed
        if self.driver is not None:
            self.driver.end()
        self.kept.close()

    # -- the protocol

    def _request(self, method, path, body=None, timeout=90):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"Content-Type": "application/json"},
            )
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(value["error"], value.get("message", ""))
        return value

    def _do(self, method, path, body=None):
        return self._request(
            method, self.session + path, {} if body is None and method == "POST" else body
        )

    def _element(self, selector):
        return self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _patiently(self, selector, action):
        """Run ``action(element id)`` on the element as soon as it is there and takes it."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return action(self._element(selector))
            except BrowserError as error:
                if error.kind not in RETRIED or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    # -- what tests use

    def goto(self, url):
        """Load a page and wait until it and its modules are loaded."""
        self._do("POST", "/url", {"url": url})

    def leave(self):
        """Leave the page, so that what is opened next is loaded as a whole."""
        if self.url != "about:blank":
            self.goto("about:blank")

    def reload(self):
        self._do("POST", "/refresh")

    def back(self):
        self._do("POST", "/back")

    @property
    def url(self):
        return self._do("GET", "/url")

    @property
    def title(self):
        return self._do("GET", "/title")

    def wait_for(self, condition, seconds=WAIT):
        """Wait until ``condition()`` is true and return its value.

        An element that is not there (yet) counts as false.
        """
        deadline = time.monotonic() + seconds
        while True:
            error, self.patience = None, 0.0
            try:
                value = condition()
                if value:
                    return value
            except BrowserError as caught:
                if caught.kind not in RETRIED:
                    raise
                error = caught
            finally:
                self.patience = WAIT
            name = getattr(condition, "__doc__", None) or getattr(
                condition, "__name__", "the condition"
            )
            assert time.monotonic() < deadline, "waited %g s for %s%s" % (
                seconds,
                name,
                ": %s" % error if error else "",
            )
            time.sleep(0.05)

    def has(self, selector):
        """Tell whether an element is there and shown, now."""
        return bool(
            self.script(
                "const e = document.querySelector(arguments[0]); "
                "return !!e && e.getClientRects().length > 0 && "
                "getComputedStyle(e).visibility === 'visible'",
                selector,
            )
        )

    def count(self, selector):
        return self.script("return document.querySelectorAll(arguments[0]).length", selector)

    def text(self, selector):
        """The text of the first element as it is shown; waits for the element."""
        return self._patiently(
            selector, lambda element: self._do("GET", "/element/%s/text" % element)
        )

    def texts(self, selector):
        """The texts of all elements as they are now."""
        return self.script(
            "return Array.from(document.querySelectorAll(arguments[0]), e => e.innerText.trim())",
            selector,
        )

    def attribute(self, selector, name):
        return self._patiently(
            selector, lambda element: self._do("GET", "/element/%s/attribute/%s" % (element, name))
        )

    def property(self, selector, name):
        return self._patiently(
            selector, lambda element: self._do("GET", "/element/%s/property/%s" % (element, name))
        )

    def style(self, selector, name):
        """A computed CSS property."""
        return self._patiently(
            selector, lambda element: self._do("GET", "/element/%s/css/%s" % (element, name))
        )

    def role(self, selector):
        """The element's role for assistive technology."""
        return self._patiently(
            selector, lambda element: self._do("GET", "/element/%s/computedrole" % element)
        )

    def label(self, selector):
        """The element's accessible name."""
        return self._patiently(
            selector, lambda element: self._do("GET", "/element/%s/computedlabel" % element)
        )

    def click(self, selector):
        self._patiently(selector, lambda element: self._do("POST", "/element/%s/click" % element))

    def focus(self, selector):
        """Give an element the focus as soon as it is there and takes it.

        What is disabled or not shown yet takes none, and a key pressed then goes nowhere.
        """
        given = (
            "const e = document.querySelector(arguments[0]); if (e) e.focus(); "
            "return !!e && document.activeElement === e"
        )

        def has_focus():
            return self.script(given, selector)

        has_focus.__doc__ = "%s has the focus" % selector
        self.wait_for(has_focus)

    def type(self, selector, text, clear=True):
        """Write into a field (in the place of what is there, unless ``clear`` is false)."""

        def write(element):
            if clear:
                self._do("POST", "/element/%s/clear" % element)
            self._do("POST", "/element/%s/value" % element, {"text": text})

        self._patiently(selector, write)

    def choose(self, selector, value):
        """Choose an option of a select as soon as the select is shown and offers it."""
        chosen = (
            "const e = document.querySelector(arguments[0]); "
            "if (![...e.options].some((one) => one.value === arguments[1])) return false; "
            "e.value = arguments[1]; "
            "for (const type of ['input', 'change'])"
            " e.dispatchEvent(new Event(type, {bubbles: true}));"
            "return true"
        )

        def offers():
            return self.has(selector) and self.script(chosen, selector, value)

        offers.__doc__ = "%s offers %s" % (selector, value)
        self.wait_for(offers)

    def press(self, *keys):
        """Press keys one after the other where the focus is.

        ``"Control+a"`` holds the first ones down.
        """
        actions = []
        for chord in keys:
            codes = [
                KEYS.get(name, name) for name in (chord.split("+") if len(chord) > 1 else [chord])
            ]
            actions += [{"type": "keyDown", "value": code} for code in codes]
            actions += [{"type": "keyUp", "value": code} for code in reversed(codes)]
        self._do(
            "POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
        )

    def box(self, selector):
        """Where an element is when what is loaded moves it no more: [left, top, width, height]."""
        looks = []

        def stays():
            """the element stays where it is"""
            looks.append(
                self.script(
                    "const e = document.querySelector(arguments[0]); if (!e) return null;"
                    "const b = e.getBoundingClientRect();"
                    "return [b.left, b.top, b.width, b.height]",
                    selector,
                )
            )
            return looks[-4:] == [looks[-1]] * 4 and looks[-1]

        return self.wait_for(stays)

    def hover(self, selector):
        """Move the mouse over an element."""

        def move(element):
            step = {
                "type": "pointerMove",
                "duration": 0,
                "origin": {ELEMENT: element},
                "x": 0,
                "y": 0,
            }
            self._do(
                "POST",
                "/actions",
                {"actions": [{"type": "pointer", "id": "mouse", "actions": [step]}]},
            )

        self._patiently(selector, move)

    def script(self, code, *arguments):
        """Run JavaScript in the page; returns what it returns (a promise is waited for)."""
        return self._do("POST", "/execute/sync", {"script": code, "args": list(arguments)})

    def focused(self):
        """The element that has the focus, as ``tag#id`` and its text, for messages and tests."""
        return self.script(
            "const e = document.activeElement; "
            "return e ? e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') "
            "+ (e.textContent.trim() ? ' ' + e.textContent.trim().slice(0, 40) : '') : ''"
        )

    def screenshot(self, path=None):
        """The window as PNG bytes, written to ``path`` when given."""
        data = base64.b64decode(self._do("GET", "/screenshot"))
        if path:
            with open(path, "wb") as file:
                file.write(data)
        return data

    def resize(self, width, height):
        """Make the page exactly that large, in CSS pixels (also narrower than a window can be)."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.settle()

    def settle(self):
        """Wait until what its observers of sizes changed is laid out, too."""
        frame = "await new Promise((done) => requestAnimationFrame(done));"
        self.script(frame * 2)

    def emulate(self, **features):
        """Set media features.

        ``emulate(prefers_color_scheme="dark", prefers_reduced_motion="reduce")``.
        """
        self.devtools(
            "Emulation.setEmulatedMedia",
            features=[{"name": k.replace("_", "-"), "value": v} for k, v in features.items()],
        )

    def timezone(self, name):
        self.devtools("Emulation.setTimezoneOverride", timezoneId=name)

    def offline(self, on=True):
        """Cut the page off the network."""
        self.devtools("Network.enable")
        self.devtools(
            "Network.emulateNetworkConditions",
            offline=on,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def devtools(self, command, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    @contextlib.contextmanager
    def clock_ahead(self, seconds):
        """Pages that are loaded meanwhile have a clock that is so much ahead of this machine's."""
        source = "{ const now = Date.now; Date.now = () => now() + %d; }" % (1000 * seconds)
        script = self.devtools("Page.addScriptToEvaluateOnNewDocument", source=source)
        try:
            yield
        finally:
            self.devtools("Page.removeScriptToEvaluateOnNewDocument", **script)

    def console(self, levels=("SEVERE", "WARNING")):
        """What the page wrote to the console since it was last asked.

        Errors and warnings, as texts.
        """
        return [
            entry["message"]
            for entry in self._do("POST", "/se/log", {"type": "browser"})
            if entry["level"] in levels
        ]

    def requests(self):
        """The URLs that the page asked for since it was last asked, in order."""
        found = []
        for entry in self._do("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return [
            url for url in found if not url.startswith(("chrome:", "data:"))
        ]  # the first empty tab's own
