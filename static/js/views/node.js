// One node: its head, and one panel at a time, loaded when it is first seen. A proxy node has such
// a page too.

import { timeRange } from "../address.js";
import {
  button,
  empty,
  instanceLink,
  linked,
  lockNote,
  nodeLink,
  nodeOf,
  online,
  setState,
} from "../controls.js";
import { h, needStyle, replace, setText } from "../dom.js";
import { addressText, clock, fullTime, middle, plain, plural, when } from "../format.js";
import {
  ApiError,
  getText,
  instanceName,
  loadFailure,
  loadModule,
  nodePath,
  parseJson,
  refreshNow,
  request,
  sendJson,
  store,
} from "../server.js";
import { hasPanel, KINDS, PANELS } from "../words.js";
import { alertsFor } from "../panels/nodeevents.js";
import { ageOf } from "./eventlist.js";
import { ranksLink, ranksOf } from "./ranks.js";
import { keepAnswer, keptAnswer, lacking } from "../panels/util.js";

needStyle("static/panels.css");

/** The module of a panel. */
const load = (name) => loadModule(() => import(`../panels/${name}.js`));

// Panels that change the node: without trust they say so.
const CHANGES = ["loglevels", "config", "cache", "script"];
const READ_ONLY = ["mp", "coordinator"]; // kinds whose configuration cannot be set
const PRELOAD = 500; // ms after this view is loaded
const OTHER_SOFTWARE = ["engine", "frontend", "discovery"]; // kinds with versions of their own
const GONE = [0, 502, 504]; // statuses that say that nobody answered
const PATIENCE = 5; // seconds until it is said that a node which is not down has not responded
const MOST_WAIT = 60; // seconds that the frontend waits for a node

/** The node of that key, or the proxy node of that name in the shape of a node. */
function find(key) {
  const node = nodeOf(key);
  if (node || !store.status) return node;
  const proxies = store.status.proxies || [];
  const proxy = proxies.find((one) => one.name === key && one.name !== "local_proxy");
  if (!proxy) return undefined;
  return {
    ...proxy,
    key,
    kind: "frontend",
    proxy: "local_proxy",
    address: addressText(proxy.host, proxy.port),
    path: `/proxy2/${encodeURIComponent(key)}`,
    metrics: {},
    series: {},
    reasons: [],
    instance: "",
    role: "",
    model: "",
    version: "",
    source: "",
    polled: null,
  };
}

// ---- the tabs ----

class Tabs {
  constructor() {
    this.element = h("nav", { class: "tabs", "aria-label": "Panels of this node" });
    this.signature = "";
    this.element.addEventListener("scroll", () => this.#fade(), { passive: true });
    new ResizeObserver(() => this.#showCurrent(false)).observe(this.element);
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  clear() {
    replace(this.element);
    this.signature = "";
  }

  draw(node, current) {
    const has = (name) => hasPanel(node.kind, name);
    const names = Object.keys(PANELS).filter((name) => has(name) || name === current);
    const signature = names.join() + current;
    if (signature === this.signature) return;
    this.signature = signature;
    const focused = this.element.contains(document.activeElement);
    replace(
      this.element,
      names.map((name) => {
        const props = { href: nodeLink(node, name) };
        if (!has(name)) props.class = "absent";
        if (name === current) props["aria-current"] = "page";
        return h("a", props, PANELS[name]);
      }),
    );
    this.#showCurrent(focused);
  }

  #showCurrent(focused) {
    const tabs = this.element;
    const here = tabs.querySelector("[aria-current]");
    if (here && focused) here.focus({ preventScroll: true });
    if (here && tabs.scrollWidth > tabs.clientWidth)
      tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - 40;
    this.#fade();
  }

  /** On a narrow screen the tabs fade at each end where more of them are a swipe away. */
  #fade() {
    const { scrollLeft, clientWidth, scrollWidth } = this.element;
    this.element.classList.toggle("before", scrollLeft > 1);
    this.element.classList.toggle("more", scrollLeft + clientWidth < scrollWidth - 1);
  }

  #key(event) {
    const links = [...this.element.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: links.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    links[(to + links.length) % links.length].focus();
  }
}

// ---- one panel and what it may ask ----

/** A panel while it is shown: what it gets is the node, the signal of its life, and ways to ask. */
class PanelContext {
  /** `anyway`: also a node that is down is asked; `canceled`: none is. */
  constructor(page, name, { anyway, canceled }) {
    this.page = page;
    this.anyway = anyway;
    this.canceled = canceled;
    this.open = 0; // requests without a response
    this.openSince = 0; // when the first of them was sent, ms
    this.name = name;
    this.abort = new AbortController();
    this.signal = this.abort.signal;
    this.panel = null;
    this.unasked = false; // something was not asked, because the node was down
    this.isEmpty = false; // so that a panel has nothing to show
    this.asked = new Set(); // what a kind is known to lack is asked for the second time
    this.node = () => find(page.key) || page.missing;
    for (const method of ["text", "json", "send", "request"])
      this[method] = this[method].bind(this);
  }

  #options(more) {
    return { signal: this.signal, ...more };
  }

  #say(time) {
    if (this.page.now === this) this.page.sayPast(time);
  }

  /** Say that a panel has nothing to show, because the node is down. */
  sayUnasked() {
    this.isEmpty = true;
    if (this.page.now === this) this.page.drawNote();
  }

  /** For how long requests have had no response, seconds. */
  get waited() {
    return this.open ? (performance.now() - this.openSince) / 1000 : 0;
  }

  async #get(node, path, more) {
    if (!this.open) this.openSince = performance.now();
    this.#count(1);
    try {
      return await getText(nodePath(node, path), this.#options(more));
    } finally {
      this.#count(-1);
    }
  }

  #count(more) {
    this.open += more;
    if (this.page.now === this) this.page.drawNote();
  }

  /** The text of the node's response; what a reading of the same path returned while it is down. */
  async text(path, more) {
    const node = this.node();
    const reads = !more && !/[?&]level=/.test(path);
    if (!reads) return this.#get(node, path, more);
    const first = !this.asked.has(path);
    this.asked.add(path);
    const lack = first ? lacking(node.kind, path) : "";
    if (lack) throw new ApiError(`Not available: ${lack}.`, 0);
    const old = keptAnswer(node, path);
    const isSpared = this.canceled || node.state === "down";
    if (isSpared && !this.anyway) return this.#notAsked(old);
    try {
      const answer = await this.#get(node, path);
      keepAnswer(node, path, answer);
      this.#say(0);
      return answer;
    } catch (error) {
      if (!old || !GONE.includes(error.status) || this.signal.aborted) throw error;
      return this.#notAsked(old);
    }
  }

  #notAsked(old) {
    this.unasked = true;
    if (!old) throw Object.assign(new ApiError("Not loaded.", 0), { isUnasked: true });
    this.#say(old.time);
    return old.text;
  }

  async json(path, more) {
    const raw = await this.text(path, more);
    try {
      return { data: parseJson(raw), raw };
    } catch (error) {
      throw new ApiError("the response is not JSON", 200, "", raw);
    }
  }

  send(method, path, object) {
    return sendJson(method, nodePath(this.node(), path), object, this.#options());
  }

  request(path, more) {
    return request(nodePath(this.node(), path), this.#options(more));
  }
}

// ---- the page ----

/** "since 12:01"; of a state that the node had when it was first polled "since before 12:01". */
const sinceOf = ({ since, since_known: known }, now) =>
  `since ${known === false ? "before " : ""}${when(since, now)}`;

/** The version of a node, of LMCache if nothing else says whose it is. */
const ofLmcache = (version) => version && `LMCache ${version}`;

/** What stands beside the node's name, as parts: [text, class]. */
function aboutLine(node, status) {
  // How long its process runs is another figure, of the Overview. "Before" our start says nothing.
  const isTold = node.state === "up" && node.since && node.since_known !== false;
  const kind = node.software ? `${node.software} engine` : KINDS[node.kind];
  const instance = instanceName(node);
  const ranks = instance ? ranksOf(status.nodes, instance).length : 0;
  return [
    [instance === node.key ? "" : instance, "", instanceLink(instance)],
    [ranks > 1 ? `compare ${plain(ranks)} ranks` : "", "", ranksLink(instance)],
    [kind === node.key ? "" : kind, ""],
    [OTHER_SOFTWARE.includes(node.kind) ? node.version : ofLmcache(node.version), ""],
    [middle(node.address || "", 24), "only-wide"],
    [node.proxy === "local_proxy" ? "" : `through ${node.proxy}`, ""],
    [isTold ? `up since ${when(node.since, status.time)}` : "", "only-wide"],
  ].filter(([text]) => text);
}

/** Why a node is not well, as a note; null when it is. */
function troubleNote(node, status) {
  const { state, since } = node;
  if (state === "unknown")
    return h("p", { class: "note" }, node.error ? `Unknown: ${node.error}.` : "Not polled yet.");
  if (state !== "down" && state !== "degraded") return null;
  const said = state === "down" ? "Down" : "Degraded";
  const why = node.reasons && node.reasons.length ? node.reasons.join("; ") : node.error;
  const isOfThis = ({ rule, node: key }) => rule === "node_down" && key === node.key;
  const alert = status.alerts.find(isOfThis);
  return h(
    "p",
    { class: `note ${state}` },
    h("b", {}, timeRange().live ? said : `Now ${said.toLowerCase()}`, " "),
    h("span", { title: fullTime(since) }, sinceOf(node, status.time)),
    [" (", ageOf(since), node.since_known === false ? " or longer)" : ")"],
    why ? [": ", linked(why), "."] : ".",
    alert && alert.advice ? ` ${alert.advice}` : null,
  );
}

/** How many alerts a node has, as a link to them; null without any. */
function alertCount(node, alerts) {
  if (!alerts.length) return null;
  const critical = alerts.some((alert) => alert.severity === "critical");
  const state = critical ? "down" : "degraded";
  const sign = h("span", { "aria-hidden": "true" }, critical ? "■" : "◆");
  const props = { class: `state ${state}`, href: nodeLink(node) };
  const now = timeRange().live ? "" : " now";
  return h("a", props, sign, ` ${plural(alerts.length, "alert")}${now}`);
}

class NodePage {
  constructor(root, route, signal) {
    this.key = route.key;
    this.panelName = route.panel;
    this.now = null; // the PanelContext that is shown
    this.missing = null; // the node as it was last seen
    this.failed = null; // when the last status came before the panel could not be loaded
    this.lastState = "";
    this.troubleSig = "";
    this.lineSig = "";
    this.tabs = new Tabs();
    this.again = button(h("span", {}, "Refresh"), () => refreshNow(this.key), {
      image: "refresh",
      kind: "small",
      title: "Refresh",
    });
    online(this.again, signal);
    this.#build(root, signal);
    signal.addEventListener("abort", () => this.#leave());
  }

  #build(root, signal) {
    this.title = h("h1", { title: this.key });
    this.mark = h("span");
    this.count = h("span");
    this.line = h("span", { class: "muted about-line" });
    this.trouble = h("div", { role: "status" });
    this.past = h("p", { class: "note past-note", role: "status", hidden: true });
    this.note = this.#buildNote(signal);
    this.locked = h("div", { hidden: true }, lockNote(signal));
    this.place = h("div");
    replace(
      root,
      h("div", { class: "page-head" }, this.title, this.mark, this.count, this.line, this.again),
      this.tabs.element,
      this.trouble,
      this.locked,
      this.note,
      this.past,
      this.place,
    );
  }

  /** What is said once of all panels: that the node is awaited, or was not asked. */
  #buildNote(signal) {
    const again = (how) => this.show(this.panelName, how);
    this.said = h("p");
    this.seconds = h("span", { class: "muted", "aria-hidden": "true" });
    this.ask = button("Query anyway", () => again({ anyway: true }), { kind: "small" });
    this.stop = button("Cancel", () => again({ canceled: true }), { kind: "small" });
    const note = h("div", { class: "note unasked", role: "status", hidden: true });
    note.append(this.said, this.seconds, online(this.ask, signal), this.stop);
    return note;
  }

  /** Say for how long the node has been awaited, or that it was not asked. */
  drawNote() {
    clearTimeout(this.timer);
    const { now } = this;
    const isDown = find(this.key)?.state === "down";
    const isAwaited = Boolean(now && now.open) && (isDown || now.waited >= PATIENCE);
    const isLacking = Boolean(now) && (now.isEmpty || (now.canceled && now.unasked));
    this.note.hidden = !isAwaited && !isLacking;
    if (now && now.open) this.timer = setTimeout(() => this.drawNote(), 1000);
    if (this.note.hidden) return;
    const why = isDown ? "Panels are not loaded while the node is down." : "Canceled: not loaded.";
    const hadFocus = [this.ask, this.stop].includes(document.activeElement);
    setText(this.said, isAwaited ? "The node has not responded yet." : why);
    const waited = `${Math.floor(now.waited)} s of up to ${MOST_WAIT} s`;
    setText(this.seconds, isAwaited ? waited : "");
    setText(this.ask, isDown ? "Query anyway" : "Query again");
    this.ask.hidden = isAwaited;
    this.stop.hidden = !isAwaited;
    if (hadFocus) (isAwaited ? this.stop : this.ask).focus({ preventScroll: true });
  }

  #leave() {
    if (this.now) this.now.abort.abort();
    this.now = null;
    clearTimeout(this.timer);
  }

  /** Say that a panel shows what the node reported at an earlier time; 0: it does not. */
  sayPast(time) {
    this.past.hidden = !time;
    this.place.classList.toggle("past", Boolean(time));
    if (time) setText(this.past, `Below is what the node reported at ${clock(time)}.`);
  }

  /**
   * Show a panel; `anew` loads one that is shown, `anyway` also from a node that is down; with
   * `canceled` its node is not asked.
   */
  async show(name, { anyway = false, canceled = false, anew = anyway || canceled } = {}) {
    this.panelName = name;
    this.failed = null;
    const node = find(this.key);
    if (!node) return;
    this.tabs.draw(node, name);
    this.#drawHead(node, store.status);
    if (this.now && this.now.name === name && !anew) return;
    this.#leave();
    const mine = new PanelContext(this, name, { anyway, canceled });
    this.now = mine;
    this.sayPast(0);
    const readOnly = name === "config" && READ_ONLY.includes(node.kind);
    this.locked.hidden = !CHANGES.includes(name) || readOnly;
    if (!Object.hasOwn(PANELS, name)) {
      const home = h("a", { class: "button", href: nodeLink(node) }, "Overview");
      replace(this.place, empty(`There is no panel “${name}”.`, home));
      this.drawNote();
      return;
    }
    if (!this.place.firstChild) replace(this.place, h("p", { class: "loading" }, "Loading …"));
    try {
      const module = await load(name);
      if (this.now !== mine) return;
      replace(this.place);
      mine.panel = module.mount(this.place, mine) || {};
      if (mine.panel.update) mine.panel.update(find(this.key), store.status);
    } catch (error) {
      if (this.now === mine) this.#failed(name, error);
    }
    // Not before its requests have been sent: a note that stays keeps its place and its focus.
    requestAnimationFrame(() => this.drawNote());
  }

  #failed(name, error) {
    this.now = null;
    this.failed = store.received;
    const text = loadFailure("panel", error);
    const again = error.isUnreachable ? [] : [button("Try again", () => this.show(name))];
    replace(this.place, empty(text, ...again));
    console.error(error);
  }

  #unknown() {
    this.#leave();
    this.tabs.clear();
    setText(this.title, `No node “${middle(this.key, 60)}”`);
    for (const part of [this.trouble, this.count, this.mark]) replace(part);
    replace(this.line);
    this.drawNote();
    this.troubleSig = "";
    this.lineSig = "";
    this.mark.dataset.state = "";
    if (this.place.querySelector(".empty")) return;
    replace(
      this.place,
      empty(
        "It may have been removed or renamed.",
        h("a", { class: "button", href: "#/" }, "All nodes"),
        h("a", { class: "button", href: "#/nodes" }, "Add a node"),
      ),
    );
  }

  #drawHead(node, status) {
    setText(this.title, middle(this.key, 60));
    setState(this.mark, node.state);
    const about = aboutLine(node, status);
    if (about.join() !== this.lineSig) {
      this.lineSig = about.join();
      replace(
        this.line,
        about.map(([text, kind, href], i) =>
          h(
            "span",
            { class: `gap ${kind}`.trim() },
            h("i", {}, i ? " · " : null),
            href ? h("a", { href }, text) : text,
          ),
        ),
      );
    }
    // Alerts of other nodes of its instance are those of the Overview.
    const isHere = ({ node: key, silence }) => !silence && (!key || key === node.key);
    const alerts = alertsFor(node, status).filter(isHere);
    const ids = alerts.map((alert) => alert.id);
    const { state, error, reasons, since } = node;
    const sig = JSON.stringify([
      state,
      error,
      reasons,
      since,
      ids,
      this.panelName,
      timeRange().live,
    ]);
    if (sig === this.troubleSig) return;
    this.troubleSig = sig;
    replace(this.count, this.panelName === "overview" ? null : alertCount(node, alerts));
    replace(this.trouble, troubleNote(node, status));
  }

  update(status) {
    const node = find(this.key);
    this.again.hidden = !node;
    if (!node) {
      this.#unknown();
      return;
    }
    this.missing = node;
    const healed = this.lastState === "down" && node.state !== "down";
    this.lastState = node.state;
    this.#drawHead(node, status);
    // A panel that the server did not deliver is loaded with the next status, not before.
    if (this.failed !== null && store.received <= this.failed) return;
    if (!this.now) this.show(this.panelName);
    else if (healed && this.now.unasked) this.show(this.panelName, { anew: true });
    else {
      this.tabs.draw(node, this.panelName);
      if (this.now.panel && this.now.panel.update) this.now.panel.update(node, status);
    }
  }
}

/** Panels open later even while the server is unreachable. */
setTimeout(() => {
  for (const name of Object.keys(PANELS)) load(name).catch(() => {});
}, PRELOAD);

export function mount(root, { route, signal }) {
  const page = new NodePage(root, route, signal);
  return { update: (status) => page.update(status), go: ({ panel }) => page.show(panel) };
}
