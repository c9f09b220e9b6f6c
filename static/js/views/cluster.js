// The cluster: what is wrong and what happened first, then the figures, the fleet, and every
// instance.

import { bounds, onRange, timeRange } from "../address.js";
import {
  button,
  countMark,
  downloadBundle,
  empty,
  guarded,
  noNodes,
  online,
  opened,
  sayFound,
  searchBox,
  stateMark,
  working,
} from "../controls.js";
import { dotted, h, replace, setText } from "../dom.js";
import { duration, middle, minuteOf, plain, plural, serverNow } from "../format.js";
import {
  instanceName,
  loadFailure,
  loadModule,
  need,
  refreshNow,
  remember,
  saveFile,
  store,
  trusted,
} from "../server.js";
import { groupsOf } from "../shell.js";
import { kindName, STATE_ORDER, STATES } from "../words.js";
import { AlertCard, allAlerts, EventCard, eventRange } from "./alerts.js";
import { addedSince, asOf, eventRows, lasts, loadEvents, marksOf, toldAt } from "./eventlist.js";
import { CHARTS, ChartsCard, FigureHistory, Tiles } from "./figures.js";
import { chosenColumns, columnFigures, InstanceTable, sizeText, versionOf } from "./instances.js";

const MAP_FROM = 40; // nodes; with fewer the table says it all
const FILTERS = ["q", "state", "kind", "model", "env", "group"];
const KEPT = [...FILTERS, "by", "sort"]; // what the address holds
const MOST_LETTERS = 34; // of an environment variable, on the narrowest screens
const BAD = "bad"; // the state of nodes that are down or degraded, in links

const NO_MODEL = "No model reported";
const NO_VERSION = "No LMCache version reported";

/** Ways to put rows under headings: id, label, heading of a row. */
const GROUPS = [
  ["", "No grouping", null],
  ["model", "By model", (row) => row.model || NO_MODEL],
  ["version", "By version", (row) => (row.kind !== "engine" && versionOf(row)) || NO_VERSION],
  ["proxy", "By frontend", (row) => proxyOf(row)],
];

function proxyOf(row) {
  const { proxy } = row.node || row.nodes[0] || { proxy: "local_proxy" };
  return proxy === "local_proxy" ? "This frontend" : proxy;
}

/** Groups with the worst node first; of alike ones, that of rows without the property is last. */
function groupRank(rows, of) {
  const state = Math.min(...rows.map((row) => STATE_ORDER[row.state] ?? 2));
  return state + ([NO_MODEL, NO_VERSION].includes(of(rows[0])) ? 0.5 : 0);
}

/** What the user chose, kept while other views are shown. */
const memory = {
  by: "",
  q: "",
  state: "",
  kind: "",
  model: "",
  env: "",
  group: "",
  envHits: null,
  envNote: "",
  map: "", // what the squares of the map show
  sort: "", // "-name" is Z to A; "" is the standard order
  history: null, // the last figures and events, for as long as there are no newer ones
  events: null,
};

function takeQuery(query) {
  memory.map = query.get("map") || memory.map; // links to nodes leave it out
  if (!KEPT.some((key) => query.has(key))) return false;
  for (const key of KEPT) {
    const value = query.get(key) || "";
    if (key === "env" && value !== memory.env)
      Object.assign(memory, { envHits: null, envNote: "" });
    memory[key] = value;
  }
  return true;
}

// ---- the head of the page ----

class Head {
  constructor(signal) {
    this.counts = h("span", { class: "counts" });
    this.size = h("span", { class: "muted" });
    this.age = h("span", { class: "muted age" });
    const again = () => working(this.again, () => refreshNow());
    this.again = button("", again, { kind: "bare little", image: "refresh", title: "Refresh" });
    this.again.setAttribute("aria-label", "Refresh");
    online(this.again, signal);
    const bundle = button("Debug bundle", downloadBundle, {
      kind: "bare little",
      image: "download",
      title: "Save versions, settings, metrics and threads of all nodes for a bug report",
    });
    this.element = h(
      "div",
      { class: "page-head" },
      h("h1", {}, "Cluster"),
      this.counts,
      this.size,
      h("span", { class: "spring" }),
      h("span", { class: "age-box" }, this.age, this.again, guarded(bundle, signal)),
    );
  }

  /** `counts`: nodes by state, null when they are not known. */
  update(status, counts) {
    const shown = STATES.filter((state) => counts && counts[state]);
    const signature = shown.map((state) => `${state}${counts[state]}`).join();
    if (this.counts.dataset.shown !== signature) {
      this.counts.dataset.shown = signature;
      replace(
        this.counts,
        shown.map((state) => countMark(state, counts[state])),
      );
    }
    const size = sizeText(status);
    if (this.size.dataset.shown !== size) {
      this.size.dataset.shown = size;
      const linkOf = (text) =>
        /other frontend/.test(text) ? h("a", { href: "#/nodes" }, text) : text;
      replace(this.size, dotted(size.split(" · ").map(linkOf)));
    }
    this.tick();
  }

  tick() {
    const range = timeRange();
    const past = `As of ${minuteOf(range.to)}. Table and sidebar are current.`;
    if (!range.live) setText(this.age, past);
    else if (store.error) setText(this.age, "");
    else if (store.received) {
      const age = Math.max(0, serverNow() - store.received);
      const ago = age < 1 ? "just now" : `${duration(Math.floor(age))} ago`;
      setText(this.age, `Updated ${ago}`);
    }
  }
}

/**
 * Nodes by state at the end of a fixed range, from the events that lasted then; without those that
 * were `added` later.
 */
function statesAt(nodes, events, added) {
  const counts = {};
  const names = (kind) =>
    new Set(events.filter((event) => event.kind === kind).map((event) => event.node));
  const [down, degraded] = [names("node_down"), names("node_degraded")];
  for (const { key, state } of nodes) {
    if (added.has(key)) continue;
    const past = down.has(key) ? "down" : degraded.has(key) ? "degraded" : "up";
    const then = state === "unknown" ? state : past;
    counts[then] = (counts[then] || 0) + 1;
  }
  return counts;
}

// ---- filters above the table ----

const filterBox = (label, onchange) => {
  const box = h("select", { "aria-label": label });
  box.addEventListener("change", () => onchange(box.value));
  return box;
};

class Filters {
  constructor({ table, signal, changed }) {
    Object.assign(this, { table, signal, changed });
    this.abort = null;
    this.signature = "";
    this.search = searchBox("Filter", (text) => this.#find(text), { value: memory.q });
    this.states = h("span", { class: "chips", role: "group", "aria-label": "Filter by state" });
    this.kinds = filterBox("Filter by kind", (value) => this.set("kind", value));
    this.models = filterBox("Filter by model", (value) => this.set("model", value));
    this.models.classList.add("models");
    this.only = button("", () => this.set("group", ""), { kind: "little" });
    this.env = this.#envInput();
    this.onlyEnv = button("", () => this.clear(["env"]), { kind: "little" });
    this.envNote = h("span", { class: "progress", "aria-live": "polite" });
    this.isLive = h("span", { class: "is-now", hidden: true });
    this.fits = () => true;
    this.isOffered = () => true; // what fits in any state
    this.nodes = []; // those that the text and the choices let through
    this.found = h("span", { class: "progress", "aria-live": "polite" });
    this.more = this.#moreBox();
    this.columns = this.#columnBox();
    this.element = h(
      "div",
      { class: "tools instance-tools" },
      h("h2", {}, "Instances"),
      this.isLive,
      this.search,
      this.states,
      this.kinds,
      this.models,
      this.only,
      this.onlyEnv,
      this.envNote,
      this.found,
      h(
        "span",
        { class: "tools-end" },
        this.more,
        this.columns,
        button("CSV", () => this.#download(), { kind: "bare", image: "download" }),
      ),
    );
    signal.addEventListener("abort", () => {
      if (this.abort) this.abort.abort();
    });
  }

  #find(text) {
    memory.q = text;
    this.table.table.search(text);
    this.#follow();
  }

  #follow() {
    if (store.status) this.update(store.status);
    this.changed();
    keepAddress(this.signal);
  }

  set(name, value) {
    memory[name] = value;
    this.apply();
  }

  #envInput() {
    const input = h("input", {
      type: "search",
      class: "env-filter",
      placeholder: "KEY or KEY=VALUE",
      value: memory.env,
      spellcheck: "false",
      autocomplete: "off",
    });
    input.addEventListener("change", () => this.filterEnvironment());
    return guarded(input, this.signal);
  }

  #moreBox() {
    const by = h(
      "select",
      { value: memory.by },
      GROUPS.map(([id, label]) => h("option", { value: id }, label)),
    );
    by.addEventListener("change", () => {
      memory.by = by.value;
      this.group();
      keepAddress(this.signal);
    });
    this.by = by;
    return popover(
      "Group and filter",
      () => [
        h("label", { class: "field" }, h("span", {}, "Group rows"), by),
        h(
          "label",
          { class: "field" },
          h("span", {}, "Environment variable"),
          this.env,
          h("small", {}, "Matches nodes that have this variable, or this value of it."),
        ),
      ],
      this.signal,
    );
  }

  #columnBox() {
    const choose = (boxes) => {
      const ids = boxes.filter(([, box]) => box.checked).map(([column]) => column.id);
      remember("columns", JSON.stringify(ids));
      this.table.setColumns(ids);
      need({ figures: columnFigures(memory.sort) });
    };
    return popover(
      "Columns",
      () => {
        const shown = this.table.table.columns;
        const boxes = this.table.choices.map((column) => [
          column,
          h("input", { type: "checkbox", checked: shown.includes(column.id) }),
        ]);
        for (const [, box] of boxes) box.addEventListener("change", () => choose(boxes));
        const reset = button("Reset columns", () => this.#resetColumns(), { kind: "little" });
        return [boxes.map(([column, box]) => h("label", {}, box, column.label)), reset];
      },
      this.signal,
    );
  }

  #resetColumns() {
    remember("columns", "null");
    this.table.setColumns(null);
    need({ figures: columnFigures(memory.sort) });
    this.columns.open = false;
  }

  #download() {
    saveFile(new Blob([this.table.csv()], { type: "text/csv" }), "lmcache-instances.csv");
  }

  /** In a fixed range the table alone shows the present. */
  sayNow() {
    this.isLive.hidden = timeRange().live;
    setText(this.isLive, "Current values");
  }

  /** The choices that this status has. */
  update(status) {
    const kinds = [...new Set(status.nodes.map((node) => node.kind))].sort();
    const models = [...new Set(status.nodes.map((node) => node.model).filter(Boolean))].sort();
    const searched = memory.q.trim() ? this.table.searched : status.nodes;
    const counts = {}; // state -> how many nodes the other choices let through
    for (const { state } of searched.filter(this.isOffered))
      counts[state] = (counts[state] || 0) + 1;
    this.nodes = searched.filter(this.fits);
    this.sayNow();
    this.#sayCount(plural(status.nodes.length, "node"));
    const signature = JSON.stringify([kinds, models, counts, status.counts, memory.state]);
    if (signature === this.signature) return;
    this.signature = signature;
    this.#choices(this.kinds, "All kinds", kinds, kindName, memory.kind);
    const ends = models.map(lastPart); // where two are alike, the whole names
    const nameOf = (model) =>
      ends.filter((one) => one === lastPart(model)).length > 1 ? model : lastPart(model);
    this.#choices(this.models, "All models", models, nameOf, memory.model);
    this.models.title = memory.model;
    this.models.hidden = !models.length;
    const shown = STATES.filter((state) => status.counts[state] || memory.state === state);
    const bad = memory.state === BAD ? this.#chip(badMark(counts), BAD) : null;
    replace(
      this.states,
      shown.length > 1 || memory.state
        ? [bad, shown.map((state) => this.#stateButton(state, counts))]
        : null,
    );
  }

  /** How many nodes the text and the choices let through; "" while they let all through. */
  #sayCount(all) {
    const { q, state, kind, model, group } = memory;
    const { length } = this.nodes;
    const isChosen = state || kind || model || group;
    sayFound(this.search, q.trim() && !isChosen ? plural(length, "node") : "");
    setText(this.found, isChosen ? `${plain(length)} of ${all}` : "");
  }

  #choices(box, all, values, name, chosen) {
    replace(
      box,
      h("option", { value: "" }, all),
      values.map((value) => h("option", { value }, name(value) || value)),
    );
    box.value = chosen;
    box.hidden = values.length < 2 && !chosen;
  }

  #stateButton(state, counts) {
    return this.#chip(countMark(state, counts[state] || 0), state);
  }

  #chip(label, state) {
    const on = memory.state === state;
    const control = button(label, () => this.set("state", on ? "" : state), { kind: "chip" });
    control.setAttribute("aria-pressed", String(on));
    return control;
  }

  apply() {
    const groups = memory.group && store.status ? groupsOf(store.status) : [];
    const group = groups.find((one) => one.id === memory.group);
    const members = new Set((group ? group.nodes : []).map((one) => one.key));
    const name = memory.group.slice(2);
    const isInstance = memory.group.startsWith("i:"); // the list at the side lacks some
    const isMember = (node) => (isInstance ? instanceName(node) === name : members.has(node.key));
    this.only.hidden = !memory.group;
    setText(this.only, `Only ${group ? group.label : isInstance ? name : memory.group}  ×`);
    this.onlyEnv.hidden = !memory.env;
    const isLocked = !memory.envHits && store.session && !trusted();
    const found = isLocked ? " (not searched: read-only)" : "";
    setText(this.onlyEnv, `Env ${middle(memory.env, MOST_LETTERS)}${found}  ×`);
    if (isInstance) this.table.unfold(name);
    this.isOffered = (node) =>
      (!memory.kind || node.kind === memory.kind) &&
      (!memory.model || node.model === memory.model) &&
      (!memory.group || isMember(node)) &&
      (!memory.envHits || memory.envHits.has(node.key));
    this.fits = (node) => matchesState(node) && this.isOffered(node);
    // What fits are nodes then, not only their instances.
    const narrows = Boolean(memory.state || memory.kind || memory.envHits);
    const shown = (row) => (row.node ? this.fits(row.node) : row.nodes.some(this.fits));
    this.table.table.filter(shown, narrows);
    this.#follow();
  }

  /** Forget these choices, of all that the address holds. */
  clear(keys) {
    if (this.abort) this.abort.abort();
    for (const key of keys) memory[key] = "";
    Object.assign(memory, { envHits: null, envNote: "" });
    this.restore();
  }

  /** The keys of the nodes that the search and the choices let through; null: all. */
  get fitting() {
    const { q, state, kind, model, group, envHits } = memory;
    if (!(q.trim() || state || kind || model || group || envHits)) return null;
    return new Set(this.nodes.map(({ key }) => key));
  }

  async group() {
    const { by } = memory;
    const [, , of] = GROUPS.find(([id]) => id === by) || GROUPS[0];
    const module = of ? await opened(() => import("./groups.js")) : null;
    if (by !== memory.by) return;
    this.table.table.group(
      module && {
        of,
        rank: (rows) => groupRank(rows, of),
        hasSums: true,
        head: (rows, name) => module.groupHead(rows, name, this.table.table),
      },
    );
  }

  /** Ask the nodes for their environment, and keep those that have the wanted variable. */
  async filterEnvironment() {
    const wanted = this.env.value.trim();
    if (wanted === memory.env && memory.envHits) return;
    if (this.abort) this.abort.abort();
    Object.assign(memory, { env: wanted, envHits: null, envNote: "" });
    setText(this.envNote, "");
    this.apply();
    if (!wanted) return;
    if (!trusted()) {
      setText(this.envNote, "Read-only. To search environments, enter the access token.");
      return;
    }
    this.abort = new AbortController();
    const { signal } = this.abort;
    const module = await opened(() => import("./environments.js"));
    if (!module || signal.aborted) return;
    memory.envHits = new Set();
    const say = (text) => setText(this.envNote, text);
    const note = await module.findVariable(wanted, memory.envHits, say, signal);
    if (signal.aborted) return;
    memory.envNote = note;
    say(note);
    this.apply();
  }

  /** Show what the memory says, after a link changed it. */
  restore() {
    this.search.querySelector("input").value = memory.q;
    this.by.value = memory.by;
    this.env.value = memory.env;
    setText(this.envNote, memory.envNote);
    this.table.order = memory.sort;
    memory.sort = this.table.order; // what a link has wrong is left out of the address
    this.group();
    this.table.table.search(memory.q);
    this.apply();
  }
}

/** "Qwen3-32B" of "Qwen/Qwen3-32B", which a narrow list cannot hold. */
const lastPart = (model) => model.slice(model.lastIndexOf("/") + 1);

const matchesState = (node) =>
  !memory.state ||
  node.state === memory.state ||
  (memory.state === BAD && ["down", "degraded"].includes(node.state));

/** "■◆ 8 down or degraded" */
function badMark({ down = 0, degraded = 0 }) {
  const sign = (state) => h("span", { class: `state ${state}` }, stateMark(state).firstChild);
  return [sign("down"), sign("degraded"), `${plain(down + degraded)} down or degraded`];
}

/** A button with a small box of controls, which Escape and a click beside it close. */
function popover(label, build, signal) {
  const content = h("div", { class: "popover" });
  const box = h(
    "details",
    { class: "pop" },
    h("summary", { class: "button bare" }, label),
    content,
  );
  box.addEventListener("toggle", () => {
    if (!box.open) return;
    replace(content, build());
    content.classList.remove("rightwards");
    content.classList.toggle("rightwards", content.getBoundingClientRect().left < 0);
    content.scrollIntoView({ block: "nearest" });
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.firstChild.focus();
  });
  const outside = (event) => {
    if (!box.contains(event.target)) box.open = false;
  };
  addEventListener("pointerdown", outside, { signal });
  return box;
}

function keepAddress(signal) {
  if (signal.aborted) return;
  const query = new URLSearchParams();
  for (const key of [...KEPT, "map"]) if (memory[key]) query.set(key, memory[key]);
  const text = query.toString();
  const hash = `#/${text ? `?${text}` : ""}`;
  if (hash !== (location.hash || "#/"))
    history.replaceState(history.state, "", location.search + hash);
}

// ---- the chosen nodes ----

class Selection {
  constructor(clear) {
    this.clear = clear;
    this.signature = "";
    this.element = h("div", {
      class: "selection",
      role: "region",
      "aria-label": "Selected nodes",
      hidden: true,
    });
  }

  draw() {
    const keys = [...store.selected].filter((key) => store.byKey.has(key));
    this.element.hidden = keys.length === 0;
    if (keys.join() === this.signature) return; // what has the focus keeps it
    this.signature = keys.join();
    const names = encodeURIComponent(keys.slice(0, 40).join(","));
    replace(
      this.element,
      h("b", {}, `${plural(keys.length, "node")} selected`),
      button("Clear selection", this.clear, { kind: "bare" }),
      h("span", { class: "spring" }),
      h("a", { class: "button", href: `#/compare?nodes=${names}` }, "Compare"),
      h("a", { class: "button", href: "#/many" }, "Bulk actions"),
    );
  }
}

// ---- the view ----

/** What stands in the place of the map until its module is there. */
const loadingMap = () =>
  h(
    "section",
    { class: "card", "aria-label": "Fleet map" },
    h("header", { class: "card-head" }, h("h2", {}, "Fleet map")),
    h("p", { class: "card-note" }, "Loading …"),
  );

class ClusterView {
  /** With `reveal`, the table is scrolled to once it has its place. */
  constructor(root, signal, { reveal, isBack }) {
    Object.assign(this, { root, signal, reveal, isBack });
    this.head = new Head(signal);
    this.alerts = new AlertCard({
      figures: () => this.tiles.summary(),
      counts: () => this.#countStates(store.status),
    });
    this.eventCard = new EventCard();
    this.eventCard.follow(this.alerts);
    this.charts = new ChartsCard({ charts: CHARTS, strip: true });
    this.tiles = new Tiles((id) => this.charts.reveal(id));
    const { history } = memory;
    this.history = history && history.isKnown ? history : new FigureHistory();
    this.history.follow(signal);
    memory.history = this.history;
    this.selection = new Selection(() => this.#clearSelection());
    this.instances = new InstanceTable({
      selection: () => this.selection.draw(),
      onsort: (order) => {
        memory.sort = order;
        keepAddress(signal);
      },
      columns: chosenColumns(),
      width: 0,
    });
    const changed = () => this.map && this.map.update(store.status, this.filters.fitting);
    this.filters = new Filters({ table: this.instances, signal, changed });
    const cards = [this.alerts.element, this.eventCard.element];
    this.split = h("div", { class: "split" }, cards);
    this.mapPlace = h("div", { class: "map-place loading" }, loadingMap());
    this.map = null;
    this.mapAsked = -1; // when the status came with which the map was asked for
    this.events = memory.events || [];
    this.rows = eventRows(this.events);
    this.missing = memory.events ? "" : "Loading …"; // why events are not known
    this.split.classList.toggle("loading", Boolean(this.missing));
    this.added = new Set(); // nodes that are newer than the time range
    this.eventsRange = null; // the time range of the events
    this.eventsOf = 0; // time of the status with which they were asked for
    this.empty = null;
    this.restored = false;
    this.tableArea = h(
      "section",
      { "aria-label": "Instances" },
      this.filters.element,
      this.instances.element,
      this.selection.element,
    );
    this.#remember();
    onRange(() => {
      this.head.tick();
      this.filters.sayNow();
      this.#load();
    }, signal);
    const timer = setInterval(() => this.head.tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** The next first picture keeps the room that the upper parts take. */
  #remember() {
    const keep = (name, element) =>
      new ResizeObserver(([entry]) => {
        if (element.isConnected) remember(name, Math.round(entry.borderBoxSize[0].blockSize));
      }).observe(element);
    keep("alerts", this.split);
    keep("tiles", this.tiles.element);
    keep("map", this.mapPlace);
  }

  #clearSelection() {
    store.selected.clear();
    this.instances.update(store.status);
    this.selection.draw();
  }

  #show() {
    replace(
      this.root,
      this.head.element,
      this.split,
      this.tiles.element,
      this.mapPlace,
      this.charts.element,
      this.tableArea,
    );
  }

  update(status) {
    this.head.update(status, this.#countStates(status));
    if (!status.nodes.length) {
      this.#showEmpty();
      return;
    }
    if (this.empty || !this.tableArea.isConnected) this.#show();
    this.empty = null;
    this.#drawFigures(status);
    this.instances.update(status);
    if (!this.restored) {
      this.restored = true;
      this.filters.restore();
    } else this.filters.update(status);
    if (memory.env && !memory.envHits && trusted()) this.filters.filterEnvironment();
    this.selection.draw();
    this.#drawMap(status);
    this.#load();
  }

  /** Nodes by state, in a fixed range at its end; null while they are not known. */
  #countStates(status) {
    if (timeRange().live) return status.counts;
    const isKnown = this.eventsRange === timeRange() && !this.history.isBlank;
    return isKnown ? statesAt(status.nodes, this.events.filter(lasts), this.added) : null;
  }

  #showEmpty() {
    if (this.empty) return;
    this.empty = noNodes();
    replace(this.root, this.head.element, this.empty);
  }

  /** A fixed range shows its own figures, and the alerts that were active in it. */
  #drawFigures(status) {
    const { start, end } = bounds(status.time);
    const inside = (event) => event.time <= end && (event.until ?? end) >= start;
    const events = this.events.filter(inside);
    const alerts = !timeRange().live ? events.filter((event) => event.kind === "alert") : null;
    this.alerts.isBlank = this.history.isBlank;
    this.alerts.update({ ...status, alerts: allAlerts(status) }, alerts, this.events, this.rows);
    this.#fitCards();
    // Tiles and charts change together, also to another range: both are of one moment.
    if (!this.history.isChanging) this.#drawHistory(status, marksOf(events));
    this.eventCard.update(this.rows.filter(inside), toldAt(status), this.missing);
  }

  #drawHistory(status, marks) {
    const { history } = this;
    history.metrics = status.totals;
    // Figures of now would be wrong in a fixed range.
    if (timeRange().live || history.end)
      this.tiles.update(status, history.end ? history : null, this.events);
    this.charts.update(status, history, marks);
  }

  /** Without alerts their card is a line over the events. */
  #fitCards() {
    const { calm } = this.alerts;
    if (this.split.classList.contains("calm") === calm) return;
    this.split.classList.toggle("calm", calm);
    this.eventCard.refit();
  }

  /** The events of the range, and those shortly before an alert of now began. */
  async #loadEvents(status) {
    const range = timeRange();
    const events = await loadEvents(eventRange(status), this.signal);
    this.added = range.live ? new Set() : await addedSince(range.to, this.signal);
    this.eventsRange = range;
    this.events = timeRange().live ? events : asOf(events, timeRange().to);
    this.rows = eventRows(this.events);
    memory.events = this.events;
    this.missing = "";
  }

  async #load() {
    const { status } = store;
    if (!status || !status.nodes.length || this.signal.aborted) return;
    try {
      const fresh = await this.history.load(status);
      if (!fresh && this.eventsOf === status.time) return;
      this.eventsOf = status.time;
      await this.#loadEvents(status);
    } catch (error) {
      if (error.name === "AbortError" || this.empty) return;
      this.split.classList.remove("loading");
      this.missing = `Not loaded: ${error.message}.`;
      this.#drawFigures(store.status);
      this.charts.fail(error);
      return;
    }
    if (this.signal.aborted || this.empty) return;
    this.head.update(store.status, this.#countStates(store.status));
    // The events take the room that the alerts have now, not what those had before.
    this.split.classList.remove("loading");
    this.#drawFigures(store.status);
    if (this.reveal) this.tableArea.scrollIntoView({ block: "start" });
    this.reveal = false;
  }

  async #drawMap(status) {
    const wanted = status.nodes.length >= MAP_FROM;
    this.mapPlace.hidden = !wanted;
    if (!wanted) return;
    if (!this.map && !(await this.#loadMap())) return;
    this.map.update(store.status, this.filters.fitting);
  }

  /** Load the map; without the server it is tried again with the next status. */
  async #loadMap() {
    if (this.mapAsked === store.received) return false;
    this.mapAsked = store.received;
    try {
      const { FleetMap } = await loadModule(() => import("./fleetmap.js"));
      if (this.signal.aborted || this.map) return false;
      const keep = (mode) => this.#keepMap(mode);
      const clear = () => this.filters.clear(FILTERS);
      this.map = new FleetMap(this.signal, memory.map, keep, clear, this.isBack);
      this.mapPlace.classList.remove("loading");
      replace(this.mapPlace, this.map.element);
      return true;
    } catch (error) {
      replace(this.mapPlace, empty(loadFailure("map", error)));
      return false;
    }
  }

  #keepMap(mode) {
    memory.map = mode === "state" ? "" : mode;
    keepAddress(this.signal);
  }

  go({ query }) {
    const asked = takeQuery(query);
    if (this.map) this.map.show(memory.map);
    if (asked) this.filters.restore();
    else this.filters.clear(KEPT);
    if (asked) this.tableArea.scrollIntoView({ block: "start" });
  }
}

export function mount(root, { route, signal, isKnown, isBack }) {
  takeQuery(route.query);
  return new ClusterView(root, signal, { reveal: route.query.has("group") && !isKnown, isBack });
}
