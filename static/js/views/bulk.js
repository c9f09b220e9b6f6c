// One change on many nodes: what will be sent is shown first, then a result for each node.

import {
  button,
  field,
  fitted,
  guarded,
  kindText,
  LOCKED,
  nodeLink,
  sayMatches,
  searchBox,
  setOff,
  stateMark,
  toast,
  working,
} from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText, whole } from "../dom.js";
import { byName, plain, plural } from "../format.js";
import { changeFields } from "../forms.js";
import { explain } from "../panel.js";
import { each, getText, instanceName, nodePath, sendJson, store, trusted } from "../server.js";
import { DataTable } from "../table.js";
import { SETTABLE } from "../words.js";
import { LEVELS, levelPath } from "../panels/loglevels.js";
import { settingError, show } from "../panels/config.js";
import { LevelsNow } from "./levelsnow.js";
import { SettingFields } from "./settingfields.js";

const MOST_LINES = 8; // of the preview
const MOST_NAMES = 12; // of nodes in a sentence; a change of more is confirmed
const MOST_COMPARED = 40; // nodes that a link to Compare names
const TIMEOUT = 30; // seconds
const LINE = 32; // px, the height of a row
const TWO_LINES = 44; // px
const BACKENDS = [
  "LocalCPUBackend",
  "LocalDiskBackend",
  "RemoteBackend",
  "P2PBackend",
  "GdsBackend",
  "NixlStorageBackend",
];
const NO_LOGGERS = ["engine", "coordinator", "discovery", "frontend"]; // kinds without /loglevel

const hasSettings = (node) => SETTABLE.includes(node.kind);
const hasCache = (node) => node.kind === "worker";

const input = (name, more = {}) =>
  h("input", { name, spellcheck: "false", autocomplete: "off", ...more });

/** Why nothing can be sent at all; "" when it can be, or as long as that is not known. */
export function whyShut() {
  if (store.error) return "The frontend does not respond.";
  return store.session && !trusted() ? LOCKED : "";
}

/** The first names of a list, and how many more there are. */
export function namesText(nodes) {
  const shown = nodes.slice(0, MOST_NAMES).map((node) => node.key);
  const more = nodes.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${plain(more)} more` : "");
}

/** The fields that actions share. */
function makeInputs() {
  const level = h(
    "select",
    { name: "level" },
    LEVELS.map((one) => h("option", { value: one }, one)),
  );
  level.value = "INFO";
  return {
    logger: input("logger", { value: "lmcache" }),
    level,
    backend: input("backend", { value: "LocalDiskBackend", list: "backend-names" }),
  };
}

/** What the nodes are filtered by: [label, value(node)]. */
const FILTERS = [
  ["state", (node) => node.state],
  ["kind", kindText],
  ["instance", instanceName],
  ["model", (node) => node.model],
];

const LASTS = "Lasts until a node restarts";
const CANCEL_TIP = "Stop waiting. What has been sent may still be applied.";

const nothing = () => "";
const put = (path) => () => ({ method: "PUT", path });

const backendNames = () =>
  h(
    "datalist",
    { id: "backend-names" },
    BACKENDS.map((name) => h("option", { value: name })),
  );

const freeze = (label, path) => ({
  label,
  fields: [],
  missing: nothing,
  fits: hasCache,
  lacks: "cannot be frozen",
  request: put(path),
});

/**
 * The actions: name -> {label, says(), fields, missing(), fits(node), lacks, request(node), done(),
 * danger}; `missing()` is what is still to be entered, `lacks` is said of a node that does not fit,
 * `more()` before it is applied; an `unseen` action has no effect on any figure.
 */
function makeActions(inputs, change, levels) {
  const { logger, level, backend } = inputs;
  const backendField = field("Backend", [backend, backendNames()]);
  const bypass = (label, verb) => ({
    label,
    says: () => label.replace("a backend", backend.value.trim()),
    fields: [backendField],
    missing: () => (backend.value.trim() ? "" : "Enter a backend."),
    fits: hasCache,
    lacks: "has no backends to bypass",
    request: () => ({
      method: "PUT",
      path: `/bypass/${verb}?backend_name=${encodeURIComponent(backend.value.trim())}`,
    }),
  });
  return {
    loglevel: {
      label: "Set a log level",
      unseen: true,
      says: () => `Set the log level of ${logger.value.trim()} to ${level.value}`,
      more: () => [levels.nowText(), LASTS].filter(Boolean),
      fields: [field("Logger", logger), field("Level", level)],
      missing: () => (logger.value.trim() ? "" : "Enter a logger."),
      fits: (node) => !NO_LOGGERS.includes(node.kind),
      lacks: "has no log levels",
      request: () => ({ method: "GET", path: levelPath(logger.value.trim(), level.value) }),
    },
    setting: {
      label: "Change a setting",
      says: () => `Set ${change.setting} to ${show(change.read())}`,
      more: () => [change.nowText(), LASTS].filter(Boolean),
      fields: change.fields,
      missing: () => change.missing,
      fits: hasSettings,
      lacks: "has no settings to change",
      request: () => ({ method: "POST", path: "/conf", body: { [change.setting]: change.read() } }),
      done: () => `set to ${show(change.read())}`,
    },
    bypass: bypass("Bypass a backend", "add"),
    unbypass: bypass("End the bypass of a backend", "remove"),
    freeze: freeze("Freeze (store nothing new)", "/freeze/enable"),
    unfreeze: freeze("Unfreeze", "/freeze/disable"),
    clear: {
      label: "Clear the cache",
      fields: [],
      missing: nothing,
      danger: true,
      fits: (node) => hasCache(node) || node.kind === "mp",
      lacks: "has no cache",
      request: (node) =>
        node.kind === "mp"
          ? { method: "POST", path: "/cache/clear", body: { tier: "l1" } }
          : { method: "DELETE", path: "/cache/clear" },
    },
  };
}

const STATE_COLUMN = {
  id: "state",
  label: "State",
  width: 100,
  narrow: 40,
  value: (node) => node.state,
  sig: (node) => node.state,
  render: (node) => stateMark(node.state),
};

/** What is said of a node in the table, and whether that stands below its name. */
function resultsOf(view) {
  const textOf = (node) => (view.results.get(node.key) || {}).text || view.nowOf(node);
  return {
    textOf,
    sigOf: (node) => textOf(node) || view.lackOf(node),
    said: (node) => resultCell(view.results.get(node.key), view.lackOf(node), textOf(node)),
    isBelow: (node, fit) => !fit.shows("result") && (textOf(node) || view.lackOf(node)),
  };
}

/** A table of nodes to choose from, with a result for each. */
function nodeTable(view) {
  const { textOf, sigOf, said, isBelow } = resultsOf(view);
  const keyOf = (node) => node.key;
  const table = new DataTable({
    label: "Nodes and results",
    key: keyOf,
    rowHeight: (node) => (isBelow(node, table.fit) ? TWO_LINES : LINE),
    sort: { id: "name", down: false },
    emptyText: "No nodes yet.",
    select: {
      set: view.chosen,
      name: keyOf,
      able: (node) => view.fits(node),
      changed: () => view.draw(),
    },
    columns: [
      STATE_COLUMN,
      {
        id: "name",
        label: "Node",
        head: true,
        width: 300,
        narrow: 236,
        growNarrow: true,
        value: keyOf,
        sig: (node) => `${node.key} ${sigOf(node)}`,
        render: (node, fit) => [
          h("a", { href: nodeLink(node), title: node.key }, fitted(node.key)),
          isBelow(node, fit) ? h("div", { class: "result-below wrap" }, said(node)) : null,
        ],
      },
      { id: "kind", label: "Kind", width: 132, drop: 1, value: kindText },
      {
        id: "instance",
        label: "Instance",
        width: 200,
        drop: 2,
        value: instanceName,
        render: (node) => fitted(instanceName(node)),
      },
      {
        id: "result",
        label: "Result or reason",
        width: 260,
        narrow: 236,
        drop: 0.5,
        grow: true,
        cls: "wrap",
        // Failures come first.
        value: (node) => `${view.hasFailed(node) ? " " : ""}${textOf(node)}`,
        sig: sigOf,
        render: said,
        tip: textOf,
      },
    ],
  });
  return table;
}

const step = (label, title, ...content) =>
  h(
    "section",
    { class: "panel", "aria-label": label },
    h("header", { class: "panel-head" }, h("h2", {}, title)),
    content,
  );

let kept = null; // what is shown, or goes on while other views are shown
let unfinished = 0; // how many changes would be cut off if the tab was closed

const ask = (event) => event.preventDefault();

/** Have the browser ask before the tab is closed while `work()` goes on. */
export async function goOn(work) {
  unfinished += 1;
  addEventListener("beforeunload", ask);
  try {
    return await work();
  } finally {
    unfinished -= 1;
    if (!unfinished) removeEventListener("beforeunload", ask);
  }
}

/** Tell beside the link to this page how far its changes are; "" when none go on elsewhere. */
function tellAtLink(text) {
  const link = document.querySelector(".places [data-view=many]");
  link.querySelector("span")?.remove();
  if (text) link.append(h("span", { class: "muted" }, ` ${text}`));
}

/** The button that stops waiting for nodes. */
export const cancelButton = (cancel) => button("Cancel", cancel, { title: CANCEL_TIP });

/**
 * Like `each`, until `signal` aborts: then the rest of the items are done with an error that
 * `isCanceled`, and that `isSent` if the node may still do what it was asked for.
 */
export async function eachUntil(signal, items, work, done) {
  const open = new Map(items.map((item) => [item, false]));
  const send = (item) => {
    open.set(item, !signal.aborted);
    return work(item);
  };
  const finish = (item, answer, error) => {
    open.delete(item);
    done(item, answer, error);
  };
  await each(items, send, finish);
  for (const [item, isSent] of open) {
    const error = new Error(
      isSent ? "canceled without a response; may still be applied" : "canceled before it was sent",
    );
    done(item, null, Object.assign(error, { isCanceled: true, isSent }));
  }
}

/** How many of a change's nodes have it, and what became of the others or is awaited. */
function progressText({ done, failed, canceled, unsure }, total) {
  const waiting = total - done;
  const parts = [
    `Applied to ${plain(done - failed - canceled)} of ${plural(total, "node")}`,
    failed ? `${plain(failed)} failed` : "",
    canceled ? `${plain(canceled)} canceled` : "",
    waiting ? `${plain(waiting)} waiting (up to ${TIMEOUT} s)` : "",
  ];
  const may = unsure ? `. On ${plural(unsure, "node")} it may still be applied` : "";
  return parts.filter(Boolean).join(", ") + may;
}

/** The actions for a page that lasts as long as `signal`; what goes on comes back as it was. */
export function bulkActions(signal) {
  kept = kept || new BulkActions();
  kept.enter(signal);
  return kept;
}

class BulkActions {
  constructor() {
    this.end = new AbortController();
    this.signal = this.end.signal;
    this.page = null; // the signal of the page that shows this
    this.chosen = store.selected;
    this.results = new Map();
    this.running = false;
    this.canceled = null; // the controller of the requests that are sent
    this.applied = ""; // the requests that all went well, until others are chosen
    this.frame = 0; // the frame that will draw what has come in
    this.prefilled = false; // by an address that has not been shown for review yet
    this.borrowed = false; // whether the selection came from an address
    this.action = "loglevel";
    this.inputs = makeInputs();
    this.change = new SettingFields(this.signal, () => this.draw());
    this.levels = new LevelsNow(this.signal, () => this.draw());
    this.actions = makeActions(this.inputs, this.change, this.levels);
    this.#build();
    for (const one of Object.values(this.inputs)) one.addEventListener("input", () => this.draw());
    // Who types is not led on to the review in the middle of a word.
    const typing = () => {
      this.prefilled = false;
    };
    this.fields.addEventListener("input", typing, { capture: true });
    this.#drawFields();
  }

  #build() {
    this.actionBox = h(
      "select",
      { onchange: () => this.#choose(this.actionBox.value) },
      Object.entries(this.actions).map(([name, one]) => h("option", { value: name }, one.label)),
    );
    this.fields = h("div", { class: "contents" });
    const label = "Requests that will be sent";
    this.preview = h("pre", {
      class: "block wrapped",
      tabindex: "0",
      role: "region",
      "aria-label": label,
    });
    this.requests = h("details", { class: "requests" }, h("summary", {}, "Requests"), this.preview);
    this.advice = h("p", { id: "bulk-advice" });
    this.down = h("p", { id: "bulk-down", class: "odd-mark", hidden: true });
    this.progress = h("span", { class: "progress", "aria-live": "polite" });
    this.stop = cancelButton(() => this.canceled.abort());
    this.stop.hidden = true;
    this.effect = h("a", { hidden: true });
    this.go = guarded(
      button("Apply", () => this.#run(), { kind: "primary" }),
      this.signal,
    );
    this.table = nodeTable(this);
    this.search = searchBox("Search nodes", (text) => this.table.search(text));
    const fields = changeFields(this.signal, field("Action", this.actionBox), this.fields);
    const what = h("div", { class: "row-fields" }, fields);
    const tableBox = h("div", { class: "panel-body" }, this.table.element);
    const nodes = step("Nodes", "2 · Nodes", tableBox);
    this.count = h("span", { class: "hint", "aria-live": "polite" });
    this.filters = FILTERS.map(([label, valueOf]) => {
      const box = h("select", { "aria-label": `Filter by ${label}`, dataset: { label } });
      box.hidden = true; // until there is something to choose
      box.addEventListener("change", () => this.#filter());
      return { box, label, valueOf };
    });
    this.only = null; // the keys of the nodes that are listed, null: all
    this.onlyBox = h(
      "select",
      {
        "aria-label": "Show",
        onchange: () => this.#showOnly(this.#keysOf(this.onlyBox.value), this.onlyBox.value),
      },
      h("option", { value: "" }, "All nodes"),
      h("option", { value: "selected" }, "Selected nodes"),
      h("option", { value: "failed" }, "Failed nodes"),
    );
    this.onlyBox.lastChild.hidden = true; // until one fails
    const boxes = [this.onlyBox, ...this.filters.map(({ box }) => box)];
    nodes
      .querySelector(".panel-head")
      .append(this.count, h("span", { class: "spring" }), this.search);
    nodes.querySelector(".panel-head").after(h("div", { class: "tools filters" }, boxes));
    this.review = step(
      "Review and apply",
      "3 · Review and apply",
      this.advice,
      this.down,
      this.requests,
      h("div", { class: "actions" }, this.go, this.stop, this.progress, this.effect),
    );
    this.review.tabIndex = -1;
    this.review.setAttribute("aria-describedby", `${this.advice.id} ${this.down.id}`);
    this.element = h("div", {}, step("Action", "1 · Action", what), nodes, this.review);
  }

  enter(page) {
    this.page = page;
    tellAtLink("");
    page.addEventListener("abort", () => this.#leave());
  }

  /** Leaving the page aborts no change: the rest of the nodes get it, too. */
  #leave() {
    if (this.running) {
      toast(`Still applying in the background: ${this.title}`);
      tellAtLink("running");
      return;
    }
    this.end.abort();
    kept = null;
  }

  /** The states, kinds and models that there are. */
  #drawFilters() {
    for (const { box, label, valueOf } of this.filters) {
      const values = new Set(store.status.nodes.map(valueOf).filter(Boolean)).add(box.value);
      const shown = [...values].filter(Boolean).sort(byName);
      if (box.dataset.shown === shown.join()) continue;
      box.dataset.shown = shown.join();
      const chosen = box.value;
      const all = h("option", { value: "" }, `All ${label}s`);
      replace(
        box,
        all,
        shown.map((value) => h("option", { value }, value)),
      );
      box.value = chosen;
      box.hidden = shown.length < 2;
    }
  }

  #filter() {
    this.table.filter(
      (node) =>
        (!this.only || this.only.has(node.key)) &&
        this.filters.every(({ box, valueOf }) => !box.value || valueOf(node) === box.value),
    );
    sayMatches(this.search, this.table.shown.length);
  }

  /** Prefill what an address asks for: nothing is sent before the user confirms it. */
  take(query) {
    const action = query.get("action");
    if (!(action in this.actions)) return;
    if (this.running) {
      toast("An action is still being applied. Open the link again when it is done.");
      return;
    }
    this.actionBox.value = action;
    this.#choose(action);
    if (action === "setting") this.change.fill(query.get("key") || "", query.get("value") || "");
    const nodes = (query.get("nodes") || "").split(",").filter(Boolean);
    if (nodes.length) {
      this.#borrowSelection();
      this.chosen.clear();
      for (const key of nodes) this.chosen.add(key);
      this.#showOnly(new Set(nodes));
    }
    this.prefilled = true;
    this.draw();
  }

  /** Select the nodes of an address here only: other views get their selection back. */
  #borrowSelection() {
    if (this.borrowed) return;
    this.borrowed = true;
    const before = [...this.chosen];
    this.page.addEventListener("abort", () => {
      this.borrowed = false;
      this.chosen.clear();
      for (const key of before) this.chosen.add(key);
    });
  }

  /** What an address asked for only waits for a yes: the reader goes on there. */
  #showReview() {
    this.prefilled = false;
    this.review.focus({ preventScroll: true });
    this.review.scrollIntoView({ block: "nearest" });
  }

  /** The nodes that a choice lists, as they are now; null: all. */
  #keysOf(choice) {
    const failed = [...this.results].filter(([, { state }]) => state === "down");
    if (choice === "failed") return new Set(failed.map(([key]) => key));
    return choice ? new Set(this.chosen) : null;
  }

  /** List these nodes alone, or all with null. */
  #showOnly(keys, choice = "selected") {
    this.only = keys;
    this.onlyBox.value = keys ? choice : "";
    this.#filter();
  }

  get current() {
    return this.actions[this.action];
  }

  fits(node) {
    return this.current.fits(node);
  }

  /** Why a node cannot be selected for the action; "" when it can. */
  lackOf(node) {
    if (this.fits(node)) return "";
    return node.kind === "unknown" ? "kind is unknown" : this.current.lacks;
  }

  hasFailed(node) {
    return this.results.get(node.key)?.state === "down";
  }

  /** What a node has now of what is about to be changed. */
  nowOf(node) {
    const now = { setting: this.change, loglevel: this.levels }[this.action];
    return now && this.fits(node) ? now.nowOf(node) : "";
  }

  #targets() {
    return [...this.chosen]
      .map((key) => store.byKey.get(key))
      .filter((node) => node && this.fits(node));
  }

  #choose(action) {
    this.action = action;
    this.applied = "";
    this.results.clear();
    setText(this.progress, "");
    this.effect.hidden = true;
    this.#drawFields();
    this.draw();
  }

  #drawFields() {
    replace(this.fields, this.current.fields);
    this.go.className = this.current.danger ? "danger" : "primary";
  }

  /** How many of the selected nodes do not offer the action, by kind; "" without any. */
  #leftOut() {
    const selected = [...this.chosen].map((key) => store.byKey.get(key)).filter(Boolean);
    const skipped = selected.filter((node) => !this.fits(node));
    const kinds = skipped.map((node) => (node.kind === "unknown" ? node.kind : kindText(node)));
    if (!kinds.length) return "";
    const count = (kind) => kinds.filter((one) => one === kind).length;
    const parts = [...new Set(kinds)].sort(byName).map((kind) => `${kind} (${plain(count(kind))})`);
    const nodes = `${plain(kinds.length)} of ${plural(selected.length, "selected node")}`;
    const verb = kinds.length === 1 ? "is" : "are";
    return ` ${nodes} ${verb} skipped; this is not supported by: ${parts.join(", ")}.`;
  }

  /** What will be done, and where. */
  #sentence(nodes) {
    const { says, label, more } = this.current;
    const where = `${plural(nodes.length, "node")}: ${namesText(nodes)}.`;
    const notes = (more ? more() : []).map((text) => ` ${text}.`).join("");
    return `${says ? says() : label} on ${where}${notes}${this.#leftOut()}`;
  }

  /** Which of the nodes are down; "" when none is. */
  #downText(nodes) {
    const down = nodes.filter((node) => node.state === "down");
    const verb = down.length === 1 ? "is" : "are";
    const count = plural(down.length, "selected node");
    return down.length ? `${count} ${verb} down and may not respond: ${namesText(down)}.` : "";
  }

  #drawDown(nodes) {
    const text = this.#downText(nodes);
    this.down.hidden = !text;
    setText(this.down, text && `◆ ${text}`);
  }

  #previewText(nodes) {
    const lines = nodes.slice(0, MOST_LINES).map((node) => {
      const { method, path, body } = this.current.request(node);
      return `${method} ${nodePath(node, path)}${body ? `  ${JSON.stringify(body)}` : ""}`;
    });
    if (nodes.length > MOST_LINES) lines.push(`… and ${plain(nodes.length - MOST_LINES)} more`);
    return lines.join("\n");
  }

  /** All requests to nodes as a text, to tell whether they have been sent before. */
  #requestsText(nodes) {
    return JSON.stringify(nodes.map((node) => [node.key, this.current.request(node)]));
  }

  /** What went well everywhere is not offered again until something is changed. */
  #isApplied(nodes, ready) {
    if (!this.applied || this.running) return false;
    if (!ready || this.applied !== this.#requestsText(nodes)) this.applied = "";
    return Boolean(this.applied);
  }

  draw() {
    this.frame = 0;
    const nodes = this.#targets();
    if (this.action === "setting") this.change.update(nodes);
    if (this.action === "loglevel" && !this.running)
      this.levels.update(this.inputs.logger.value.trim(), nodes);
    const missing = this.current.missing();
    const ready = !missing;
    const isOpen = nodes.length && ready && !this.running && !this.#isApplied(nodes, ready);
    setOff(this.go, !isOpen);
    setText(this.go, nodes.length ? `Apply to ${plural(nodes.length, "node")}` : "Apply");
    this.requests.hidden = !ready || !nodes.length;
    setText(this.preview, ready ? this.#previewText(nodes) : "");
    const lacks = missing || "Select nodes in the table above.";
    const said = this.requests.hidden ? whyShut() || lacks : this.#sentence(nodes);
    if (this.advice.textContent !== said) replace(this.advice, whole(said));
    this.#drawDown(this.requests.hidden ? [] : nodes);
    setText(this.count, this.chosen.size ? `${plain(this.chosen.size)} selected` : "");
    if (!store.status) return;
    this.#drawFilters();
    this.table.update(store.status.nodes);
    if (this.prefilled && !this.requests.hidden) this.#showReview();
  }

  /** Ask only if the review cannot name all nodes, or if the action cannot be undone. */
  async #isConfirmed(nodes) {
    const { label, says, more, danger } = this.current;
    if (!danger && nodes.length <= MOST_NAMES) return true;
    const instances = [...new Set(nodes.map(instanceName))];
    const where = instances.length === 1 && instances[0] ? ` of ${instances[0]}` : "";
    const notes = (more ? more() : []).map((text) => `${text}.`);
    const all = plain(store.status.nodes.length);
    const among = plural(instances.length, "instance");
    notes.push(`Affects ${plain(nodes.length)} of ${all} nodes in ${among}.`);
    notes.push(this.#downText(nodes));
    if (danger)
      notes.push("This deletes all cached KV chunks on these nodes and cannot be undone.");
    return confirmDialog({
      title: `${says ? says() : label} on ${plural(nodes.length, "node")}${where}?`,
      text: [...notes.filter(Boolean), namesText(nodes)],
      action: "Apply",
      danger: Boolean(danger),
      typed: danger ? "clear" : "",
    });
  }

  async #run() {
    const nodes = this.#targets();
    if (!(await this.#isConfirmed(nodes)) || this.page.aborted) return;
    await working(this.go, () => goOn(() => this.#apply(nodes)));
    const { activeElement } = document;
    const next = this.go.disabled ? this.review : this.go;
    if ([document.body, this.go, this.stop].includes(activeElement))
      next.focus({ preventScroll: true });
  }

  async #apply(nodes) {
    const action = this.current;
    const done = action.done && action.done();
    const { setting } = this.change;
    // What is entered meanwhile is for the next time.
    const requests = new Map(nodes.map((node) => [node.key, action.request(node)]));
    const sent = this.#requestsText(nodes);
    this.title = action.says ? action.says() : action.label;
    const count = { done: 0, failed: 0, canceled: 0, unsure: 0 };
    this.#begin(nodes, count);
    const { signal } = this.canceled;
    await eachUntil(
      signal,
      nodes,
      (node) => {
        this.results.set(node.key, { text: "waiting …" });
        this.#drawSoon();
        return sendAction(requests.get(node.key), node, signal);
      },
      (node, answer, error) => {
        const text = error ? errorText(error, node, setting) : done || answer || "done";
        this.results.set(node.key, { state: error ? "down" : "up", text });
        this.#count(error, count, nodes.length);
      },
    );
    this.#end(count);
    this.#drawEffect(nodes, action);
    this.applied = count.failed || count.canceled || action.danger ? "" : sent;
    this.change.forget();
    this.draw();
  }

  #begin(nodes, count) {
    this.running = true;
    this.canceled = new AbortController();
    this.levels.forget();
    this.actionBox.disabled = true;
    this.effect.hidden = true;
    this.stop.hidden = false;
    this.results.clear();
    for (const node of nodes) this.results.set(node.key, { text: "not sent yet" });
    setText(this.progress, progressText(count, nodes.length));
    this.draw();
  }

  #end({ failed, canceled }) {
    this.running = false;
    this.actionBox.disabled = false;
    this.stop.hidden = true;
    this.onlyBox.lastChild.hidden = !failed && !canceled;
    if (!this.page.aborted) return;
    tellAtLink("done");
    toast(`${this.title}: ${this.progress.textContent}`, failed || canceled ? "bad" : "good");
  }

  /** Lead on to the figures of the nodes that were changed. */
  #drawEffect(nodes, action) {
    const changed = nodes.filter((node) => this.results.get(node.key)?.state === "up");
    this.effect.hidden = Boolean(action.unseen) || !changed.length;
    if (this.effect.hidden) return;
    const names = changed.slice(0, MOST_COMPARED).map((node) => node.key);
    const compare = `#/compare?nodes=${encodeURIComponent(names.join(","))}`;
    this.effect.href = changed.length > 1 ? compare : nodeLink(changed[0]);
    setText(this.effect, changed.length > 1 ? "Compare these nodes" : "Open this node");
  }

  /** Count how a node ended, and tell how far the change is. */
  #count(error, count, total) {
    count.done += 1;
    if (error) count[error.isCanceled ? "canceled" : "failed"] += 1;
    if (error && error.isSent) count.unsure += 1;
    setText(this.progress, progressText(count, total));
    if (this.page.aborted) tellAtLink(`${plain(count.done)} of ${plain(total)}`);
    this.#drawSoon();
  }

  #drawSoon() {
    if (this.page.aborted || this.frame) return;
    this.frame = requestAnimationFrame(() => this.draw());
  }

  update() {
    this.draw();
  }
}

/** What a failed request says about its node. */
export function errorText(error, node, setting = "") {
  if (!error.status) return error.message;
  // A 404 that names what is missing comes from an endpoint that is there.
  const { status, message } = error;
  if (status === 404 && !/^(404\b|not found$)/i.test(message)) return `Not found: ${message}`;
  return explain(Object.assign(error, { message: settingError(error, setting) }), node);
}

/** Send a request to a node; resolves with its response in a few words. */
async function sendAction({ method, path, body }, node, signal) {
  const options = { signal, timeout: TIMEOUT };
  if (method === "GET") return (await getText(nodePath(node, path), options)).trim();
  const answer = await sendJson(method, nodePath(node, path), body, options);
  const errors = Object.values((answer && answer.errors) || {});
  if (errors.length) throw new Error(errors.join("; "));
  return inWords(answer);
}

/** JSON without its punctuation. */
const loose = (value) =>
  JSON.stringify(value).replace(/[{}"]/g, "").replace(/:/g, ": ").replace(/,/g, ", ");

/** A node's response in a few words: what it says beside that it went well. */
export function inWords(answer) {
  if (answer === null || typeof answer !== "object") return answer === null ? "" : String(answer);
  if (typeof answer.message === "string") return answer.message;
  const { num_removed: removed, cleared } = answer;
  if (removed !== undefined) return `${plural(removed, "chunk")} removed`;
  if (cleared && cleared.tier) return `${cleared.tier.toUpperCase()} cleared`;
  const well = (name, value) => name === "status" && ["ok", "success"].includes(value);
  return Object.entries(answer)
    .filter(([name, value]) => name !== "backend_name" && !well(name, value))
    .map(([name, value]) => {
      const isNamed = value !== null && typeof value === "object" && !Array.isArray(value);
      const text = typeof value === "string" ? value : loose(value);
      return `${name.replace(/_/g, " ")}${isNamed ? "" : ":"} ${text}`;
    })
    .join(" · ");
}

/** The result of a node; before there is one, what it `lacks` for it, or what it has `now`. */
export function resultCell(result, lacks = "", now = "") {
  const why = { class: "lacking", title: `Cannot be selected: ${lacks}` };
  if (!result && lacks) return h("small", why, lacks);
  if (!result) return now ? h("span", { class: "muted" }, now) : null;
  if (!result.state) return h("span", { class: "muted" }, result.text);
  const failed = result.state === "down";
  return [
    h(
      "span",
      { class: `state ${result.state}` },
      h("span", { "aria-hidden": "true" }, failed ? "■ " : "● "),
      h("span", { class: "visually-hidden" }, failed ? "failed: " : "done: "),
    ),
    "\u00a0",
    result.text,
  ];
}
