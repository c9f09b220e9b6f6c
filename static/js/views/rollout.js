// The rollout of a setting: one node first, then its figures beside those of the rest, then the
// others or back. A rollout goes on while other views are shown, and after a reload of the page.

import { Chart } from "../chart.js";
import { isNumber, movement } from "../chartmath.js";
import { button, empty, field, guarded, nodeLink, setOff, whyNone, working } from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { breakable, h, replace, setText } from "../dom.js";
import { changeFields, markWrong } from "../forms.js";
import {
  byName,
  clock,
  duration,
  format,
  NONE,
  plain,
  plural,
  serverNow,
  within,
} from "../format.js";
import {
  ApiError,
  getEvents,
  getJson,
  instanceName,
  nodePath,
  sendJson,
  store,
  trusted,
} from "../server.js";
import { metricLabel, metricUnit, SETTABLE } from "../words.js";
import { readValue, show } from "../panels/config.js";
import { DEFAULTS } from "../panels/defaults.js";
import {
  cancelButton,
  eachUntil,
  errorText,
  goOn,
  namesText,
  resultCell,
  whyShut,
} from "./bulk.js";
import { ageOf } from "./eventlist.js";
import { movementText } from "./figures.js";
import { SettingFields } from "./settingfields.js";

const METRICS = ["lookup_hit_rate", "failures_per_second", "retrieve_p99"];
const LOW_IS_BAD = ["lookup_hit_rate"];
const LEAST_POINTS = 0.02; // from here on a share is slightly worse
const LEAST_SHARE = 0.15; // the same of other figures, which vary more
const BEFORE = 300; // seconds before the change, to compare with; more could hold an incident
const DRAWN = 900; // seconds before the change that the charts show
const LEAST_WAIT = 60; // seconds after which a comparison means something
const COMPARED = 30; // nodes of the rest whose figures are asked for
const LANE = 64; // px
const CANARY_COLOUR = 4;
const TIMEOUT = 30; // seconds
const NEEDS = "A rollout needs at least two schedulers or workers that are up.";
const KEPT = "lmcache.rollout"; // in the storage of the browser's tab

const mean = (values) => {
  const known = values.filter(isNumber);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
};

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of several series of a metric at each time at which one has a value. */
export function medianSeries(series) {
  const by = new Map();
  for (const { times, values } of series)
    times.forEach((time, i) => {
      if (isNumber(values[i])) by.set(time, [...(by.get(time) || []), values[i]]);
    });
  const times = [...by.keys()].sort((a, b) => a - b);
  return { times, values: times.map((time) => median(by.get(time))) };
}

/** The mean of a series between two times; null without values. */
const meanBetween = ({ times, values }, from, to) =>
  mean(values.filter((value, i) => times[i] >= from && times[i] < to));

/**
 * How the first node moved against the rest, each [before, after]: {text, grade}, the grade
 * "worse", "slight" or ""; null where a figure is missing.
 */
function against([before, after], [restBefore, restAfter], metric) {
  if (![before, after, restBefore, restAfter].every(isNumber)) return null;
  const unit = metricUnit(metric);
  const moved = restAfter - restBefore;
  // What it would have, had it moved as the rest did; latencies do in proportion.
  const due = {
    ratio: before + moved,
    seconds: restBefore > 0 ? (before * restAfter) / restBefore : before + moved,
  };
  const expected = due[unit] ?? before + Math.max(0, moved);
  const values = [expected, null, after];
  return { text: movementText(values, unit).text, grade: gradeOf(movement(values, unit), metric) };
}

function gradeOf(moved, metric) {
  if (!moved || moved.up !== !LOW_IS_BAD.includes(metric)) return "";
  if (moved.large) return "worse";
  return moved.points >= LEAST_POINTS || moved.share >= LEAST_SHARE ? "slight" : "";
}

const otherNodes = (count) => (count === 1 ? "other node" : `other ${plural(count, "node")}`);

/** Whether a node may have made the change that failed: it is undone, too. */
const isOpen = (error) =>
  error.name === "AbortError" ||
  (error instanceof ApiError && [0, 200, 504].includes(error.status));

/**
 * One change of a setting on its way through nodes, {key, path, kind}. Leaving the page aborts none
 * of its changes: a node may have made one already.
 */
class Rollout {
  constructor({ setting, text, canary, others, state = "new", ...made }) {
    const { since = null, value, old, results, before = null } = made;
    Object.assign(this, { setting, text, canary, others });
    this.since = since; // when the first node was changed, Unix seconds
    this.value = value; // as it was sent
    this.old = new Map(old); // key of a node -> its value before
    this.results = new Map(results);
    this.canceled = null; // the controller of the requests that are sent
    this.state = state; // then "watching", "applying" and "done", "undoing" and "undone"
    this.other = null; // what the first node has in place of the new value, as text
    this.before = before; // figures before the change: [first node, rest] for each metric
    this.series = null;
    this.rows = []; // of the comparison
    this.reporting = 0; // how many of the others have figures
  }

  /** "other 4 nodes", those that the first one is compared with. */
  get rest() {
    const silent = this.reporting < this.others.length ? " with figures" : "";
    return otherNodes(this.reporting) + silent;
  }

  /** Whether figures since the change mean something by now. */
  get isComparable() {
    return this.elapsed >= LEAST_WAIT && !canaryProblem(this);
  }

  /**
   * What the figures say of the change: [grade, labels of the figures with it]; null while that is
   * not known.
   */
  get verdict() {
    const known = this.rows.filter(({ moved }) => moved);
    if (this.state !== "watching" || !this.isComparable || !known.length) return null;
    const of = (grade) => known.filter(({ moved }) => moved.grade === grade);
    const grade = ["worse", "slight"].find((one) => of(one).length) || "";
    return [grade, of(grade).map(({ metric }) => metricLabel(metric))];
  }

  get changed() {
    return [...this.old.keys()].map((key) => store.byKey.get(key)).filter(Boolean);
  }

  /** The nodes that have not been changed. */
  get pending() {
    return this.others.filter((node) => !this.old.has(node.key));
  }

  /** Whether the first node is up without the new value. */
  get isLost() {
    const node = store.byKey.get(this.canary.key);
    return this.other !== null && Boolean(node) && node.state !== "down";
  }

  /** Whether the only changed node has the value again that it had before. */
  get isReverted() {
    const { old, canary, other } = this;
    return other !== null && old.size === 1 && other === show(old.get(canary.key));
  }

  /** What a change of the first node would change: "false → true"; throws why it cannot. */
  async review() {
    const old = await this.#get(this.canary);
    return `${show(old)} → ${show(readValue(this.text, old, DEFAULTS.get(this.setting)))}`;
  }

  /** Change one node; what it had before is kept for undo, before it is changed. */
  async apply(node, signal = null) {
    const old = await this.#get(node, signal);
    this.value = readValue(this.text, old, DEFAULTS.get(this.setting));
    this.old.set(node.key, old);
    keep(this);
    try {
      await this.#set(node, this.value, signal);
    } catch (error) {
      if (!isOpen(error)) this.old.delete(node.key);
      throw error;
    }
    return `${show(old)} → ${show(this.value)}`;
  }

  /** Ask when the first node was changed: the event of the change has its time. */
  async date() {
    this.since = store.status.time; // it is not older than that
    try {
      const query = { kind: "action", node: this.canary.key, limit: 1 };
      const [sent] = (await getEvents(query)).events;
      // A request that is repeated is one event until the last.
      if (sent) this.since = Math.max(this.since, sent.until ?? sent.time);
    } catch (error) {
      // The change is made, and the time is near enough.
    }
  }

  /** Seconds since the first node was changed; the status may be older than the change. */
  get elapsed() {
    return Math.max(0, store.status.time - this.since);
  }

  async undo(node, signal) {
    const old = this.old.get(node.key);
    await this.#set(node, old, signal);
    this.old.delete(node.key);
    return `back to ${show(old)}`;
  }

  async #get(node, signal = null) {
    const names = encodeURIComponent(this.setting);
    const path = nodePath(node, `/conf?names=${names}`);
    const conf = await getJson(path, { signal, timeout: TIMEOUT });
    if (this.setting in conf) return conf[this.setting];
    const error = new Error(`${node.key} has no setting ${this.setting}.`);
    throw Object.assign(error, { isMissing: true });
  }

  /** See whether the first node still has the new value. */
  async #check(signal) {
    try {
      const now = show(await this.#get(this.canary, signal));
      this.other = now === show(this.value) ? null : now;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      // Its state says why it does not respond.
    }
  }

  async #set(node, value, signal) {
    const body = { [this.setting]: value };
    const options = { signal, timeout: TIMEOUT };
    const answer = await sendJson("POST", nodePath(node, "/conf"), body, options);
    const errors = Object.values((answer && answer.errors) || {});
    if (errors.length) throw new Error(errors.join("; "));
  }

  /** Ask for the figures of the first node and of the rest. */
  async load(signal) {
    await this.#check(signal);
    // Later answers have fewer points: one of them may hold values before and after the change.
    this.before ||= beforeOf(this.#seriesOf(await this.#ask(this.since, signal)), this.since);
    const answer = await this.#ask(Math.ceil(store.status.time), signal);
    this.interval = answer.interval;
    const reports = ({ values }) => values.some(isNumber);
    this.reporting = new Set(
      answer.series
        .filter((one) => one.node !== this.canary.key && reports(one))
        .map((one) => one.node),
    ).size;
    this.series = this.#seriesOf(answer);
    this.rows = comparison(this, store.status.time);
  }

  /** The history of the first node and of the rest until a time. */
  #ask(end, signal) {
    const keys = [this.canary, ...this.others.slice(0, COMPARED)].map((node) => node.key);
    const start = Math.floor(this.since - DRAWN);
    const nodes = keys.map(encodeURIComponent).join(",");
    const query = `metric=${METRICS.join(",")}&node=${nodes}&start=${start}`;
    return getJson(`api/history?${query}&end=${end}`, { signal });
  }

  #seriesOf({ series }) {
    const of = (metric, own) =>
      series.filter((one) => one.metric === metric && (one.node === this.canary.key) === own);
    return METRICS.map((metric) => ({
      metric,
      canary: of(metric, true)[0] || { times: [], values: [] },
      rest: medianSeries(of(metric, false)),
    }));
  }
}

const named = ({ key, path, kind }) => ({ key, path, kind });

/** Keep a rollout for a reload of the page; null ends it. Without storage it ends with the page. */
function keep(rollout) {
  try {
    if (!rollout) {
      sessionStorage.removeItem(KEPT);
      return;
    }
    const { setting, text, canary, others, since, value, old, results, state, before } = rollout;
    const lists = { others: others.map(named), old: [...old], results: [...results], before };
    const all = { setting, text, canary: named(canary), since, value, state, ...lists };
    sessionStorage.setItem(KEPT, JSON.stringify(all));
  } catch (error) {
    /* storage is off or full */
  }
}

/** What a reload interrupted; null without one. */
function restored() {
  try {
    const kept = sessionStorage.getItem(KEPT);
    if (!kept) return null;
    const rollout = new Rollout(JSON.parse(kept));
    const { state, results } = rollout;
    const next = { new: "watching", applying: "done", undoing: "undone" };
    rollout.state = next[state] || state;
    rollout.since = rollout.since ?? serverNow();
    const text = "no response before the page was reloaded";
    for (const [key, result] of results)
      if (!result.state || (result.state === "down" && rollout.old.has(key)))
        results.set(key, { state: "down", text });
    return rollout;
  } catch (error) {
    return null; // storage is off
  }
}

let current = restored(); // the Rollout that goes on

/** Whether requests are on their way: there is nothing to press. */
const isBusy = ({ state }) => ["applying", "undoing"].includes(state);

/** The figures shortly before the change: [of the first node, of the rest] for each metric. */
export const beforeOf = (series, since) =>
  series.map(({ canary, rest }) =>
    [canary, rest].map((one) => meanBetween(one, since - BEFORE, since)),
  );

/**
 * The figures of the first node and of the rest, before the change and from then until `now`:
 * [{metric, first, others, moved}], `moved` as against() says it.
 */
export function comparison({ since, series, before }, now) {
  const end = now + 1;
  return series.map(({ metric, canary, rest }, i) => {
    const [first, others] = [canary, rest].map((one, n) => [
      before[i][n],
      meanBetween(one, since, end),
    ]);
    return { metric, first, others, moved: against(first, others, metric) };
  });
}

export class RolloutView {
  constructor(signal) {
    this.signal = signal;
    this.element = h("div");
    this.drawn = "";
    this.loaded = 0;
    this.charts = null;
    this.change = new SettingFields(signal, () => this.#changed());
    this.nodes = []; // of the chosen group
    this.form = null;
  }

  update(status) {
    const groups = this.#groups();
    const nodes = groups.map(
      ([id, , list, down]) => id + down + list.map((node) => node.key + node.state),
    );
    const why = groups.length ? "" : whyNone(status.nodes, NEEDS);
    const can = [why, store.error, trusted()].join();
    const sig = current ? current.state : `form|${nodes.join()}|${can}`;
    if (sig !== this.drawn) {
      this.drawn = sig;
      if (current) this.#drawRollout();
      else if (why) replace(this.element, empty(why));
      else this.#drawForm(groups);
    }
    if (current && !isBusy(current)) setText(this.shut, whyShut());
    if (current && current.state === "watching") this.#watch(status);
  }

  /**
   * What a rollout can go over: [[id, label, nodes, down, lacking]]: the selection, then each
   * instance; `down` counts the nodes of the group that are left out because they are down,
   * `lacking` those of an instance that have no settings.
   */
  #groups() {
    const kinds = store.status.nodes.filter((node) => SETTABLE.includes(node.kind));
    const selected = kinds.filter((node) => store.selected.has(node.key));
    const by = new Map();
    for (const node of kinds) {
      const name = instanceName(node);
      if (name) by.set(name, [...(by.get(name) || []), node]);
    }
    const instances = [...by].sort((a, b) => byName(a[0], b[0]));
    const members = (name) => store.status.nodes.filter((node) => instanceName(node) === name);
    const all = [
      ["selected", "", selected],
      ...instances.map(([name, nodes]) => {
        return [`i:${name}`, name, nodes, members(name).length - nodes.length];
      }),
      ["all", "All schedulers and workers", kinds],
    ];
    return all
      .map(([id, label, nodes, lacking = 0]) => {
        const fits = nodes.filter((node) => node.state !== "down");
        const name = label || plural(fits.length, "selected node");
        return [id, name, fits, nodes.length - fits.length, lacking];
      })
      .filter(([, , nodes]) => nodes.length > 1);
  }

  #drawForm(groups) {
    // What was typed, chosen and focused stays when a node changes its state.
    if (!this.form || this.form.parentNode !== this.element) {
      this.form = this.#buildForm();
      replace(this.element, this.form);
      this.#fail("");
    }
    const chosen = this.group.value;
    const options = groups.map(([id, label, { length }, down, lacking]) => {
      const left = down + lacking;
      const count = left ? `${plain(length)} of ${plain(length + left)}` : plain(length);
      return h("option", { value: id }, `${label} (${count})`);
    });
    replace(this.group, options);
    if (groups.some(([id]) => id === chosen)) this.group.value = chosen;
    this.#fillNodes();
  }

  #buildForm() {
    this.group = h("select", { name: "group", onchange: () => this.#fillNodes() });
    this.first = h("select", { name: "first" });
    this.left = h("small", { class: "muted" });
    this.problem = h("p", { class: "field-error", id: "rollout-problem", role: "alert" });
    this.missing = h("span", { class: "progress", id: "rollout-missing" });
    this.go = guarded(
      button("Apply to one node", () => this.#start(this.go), { kind: "primary" }),
      this.signal,
    );
    this.go.setAttribute("aria-describedby", this.missing.id);
    const nodes = h("label", { class: "field" }, h("span", {}, "Nodes"), this.group, this.left);
    return h(
      "section",
      { class: "panel", "aria-label": "Rollout of a setting", tabindex: "-1" },
      h("header", { class: "panel-head" }, h("h2", {}, "Rollout of a setting")),
      h(
        "p",
        { class: "quiet-line" },
        "The setting is changed on one node first. Compare its hit rate, failures and latency " +
          "with the rest, then apply it to the others or undo it.",
      ),
      h(
        "div",
        { class: "row-fields four" },
        changeFields(this.signal, this.change.fields, nodes, field("First node", this.first)),
      ),
      this.problem,
      h("div", { class: "actions" }, this.go, this.missing),
    );
  }

  /** The nodes of the chosen group, with the state of those that are not up. */
  #fillNodes() {
    const groups = this.#groups();
    const [, , nodes, down, lacking] = groups.find(([id]) => id === this.group.value) || groups[0];
    const chosen = this.first.value;
    this.nodes = nodes;
    const verb = down === 1 ? "is" : "are";
    const has = lacking === 1 ? "has" : "have";
    const left = [
      down ? `${plural(down, "node")} that ${verb} down ${verb} skipped` : "",
      lacking ? `${plural(lacking, "engine")} ${has} no settings` : "",
    ];
    setText(this.left, left.filter(Boolean).join(", "));
    replace(
      this.first,
      nodes.map((node) => {
        const state = node.state === "up" ? "" : ` (${node.state})`;
        return h("option", { value: node.key }, node.key + state);
      }),
    );
    // A worker has figures to compare, a scheduler few; a healthy one shows what the change does.
    const workers = nodes.filter((node) => node.kind === "worker");
    const worker = workers.find((node) => node.state === "up") || workers[0] || nodes[0];
    const isThere = nodes.some((node) => node.key === chosen);
    this.first.value = isThere ? chosen : worker.key;
    this.#changed();
  }

  /** Only a setting with a value can be applied; beside the button stands what is missing. */
  #changed() {
    this.change.update(this.nodes);
    if (!this.form) return;
    const { missing } = this.change;
    setText(this.missing, whyShut() || missing);
    setOff(this.go, Boolean(missing));
  }

  /** Say what is wrong beside the field that it concerns until that is changed, and go there. */
  #fail(text, box = null) {
    this.problem.hidden = !text;
    setText(this.problem, text);
    // Not what the fields say themselves of what was entered.
    for (const one of this.form.querySelectorAll("input, select"))
      markWrong(one, this.problem, false);
    if (!box) return;
    box.closest(".field").append(this.problem);
    markWrong(box, this.problem, true);
    box.focus();
    const changed = () => {
      this.#fail("");
      this.#changed();
    };
    box.addEventListener("input", changed, { once: true });
  }

  async #start(control) {
    this.#fail("");
    const { setting, name, control: box } = this.change;
    const canary = store.byKey.get(this.first.value);
    const others = this.nodes.filter((node) => node.key !== canary.key);
    const rollout = new Rollout({ setting, text: box.value, canary, others });
    await working(control, async () => {
      try {
        if (!(await this.#isSure(rollout))) return;
        const text = await rollout.apply(canary);
        rollout.results.set(canary.key, { state: "up", text });
      } catch (error) {
        keep(null);
        const where = error instanceof ApiError ? `${canary.key}: ` : "";
        this.#fail(where + errorText(error, canary, setting), error.isMissing ? name : box);
        return;
      }
      await rollout.date();
      rollout.state = "watching";
      current = rollout;
      keep(current);
      this.charts = null;
      this.loaded = 0;
      this.#show();
    });
  }

  /** Show what changes on the first node, and ask. */
  async #isSure(rollout) {
    const { setting, canary } = rollout;
    const change = await rollout.review();
    const others = plural(rollout.others.length, "other node");
    const verb = rollout.others.length === 1 ? "keeps its value" : "keep their values";
    return confirmDialog({
      title: `Set ${setting} on ${canary.key}?`,
      text: [h("p", { class: "mono" }, change), `The ${others} ${verb}.`],
      action: "Apply",
      danger: false,
    });
  }

  /** Draw the next step, and go on there with the focus. */
  #show() {
    const { activeElement } = document;
    const isHere = activeElement === document.body || this.element.contains(activeElement);
    this.drawn = "";
    this.update(store.status);
    if (isHere && this.element.isConnected) this.element.firstChild.focus({ preventScroll: true });
  }

  // ---- while it goes on

  #drawRollout() {
    const rollout = current;
    this.said = h("span", { role: "status" });
    const ago = [" Changed ", ageOf(rollout.since), " ago."];
    this.age = h("span", {}, rollout.state === "watching" ? ago : []);
    this.wait = h("p", { id: "rollout-state" }, this.said, this.age);
    this.compared = h("div");
    this.shut = h("span", { class: "progress" });
    this.resultBox = h("div", { class: "requests" });
    this.actionBox = h("div", { class: "actions" }, this.#buttons(), this.shut);
    replace(
      this.element,
      h(
        "section",
        {
          class: "panel",
          "aria-label": "Rollout in progress",
          "aria-describedby": this.wait.id,
          tabindex: "-1",
        },
        h(
          "header",
          { class: "panel-head" },
          h("h2", {}, `${rollout.setting} = ${rollout.text}`),
          h("p", { class: "muted" }, `first on ${rollout.canary.key}, ${clock(rollout.since)}`),
        ),
        this.wait,
        this.compared,
        this.actionBox,
        this.resultBox,
        h(
          "p",
          { class: "quiet-line" },
          "Each change is also listed in ",
          h("a", { href: "#/events?kind=changed" }, "Events"),
          ", with an undo, and stays there after you close this page.",
        ),
      ),
    );
    this.charts = null;
    this.#drawResults();
    if (rollout.series) this.#drawComparison();
    this.#sayState();
  }

  /**
   * Say how far the rollout is and what its figures speak for, and propose that; why they show
   * nothing is a warning.
   */
  #sayState() {
    const isWarned = current.state === "watching" && canaryProblem(current);
    const grade = current.verdict?.[0];
    const isBad = grade === "worse";
    const look = current.isLost || isBad ? "note degraded" : "note down";
    setText(this.said, stateText(current));
    this.wait.className = isWarned || isBad ? look : "quiet-line";
    this.#propose(grade);
  }

  /** While it is not clear what the change does, the page proposes nothing. */
  #propose(grade) {
    const { pending, state } = current;
    if (this.undo) this.undo.classList.toggle("primary", grade === "worse");
    if (!this.goOn) return;
    const canGoOn = state !== "watching" || grade === "";
    const nodes = `the ${otherNodes(pending.length)}`;
    setText(this.goOn, canGoOn ? `Apply to ${nodes}` : `Apply to ${nodes} anyway`);
    this.goOn.classList.toggle("primary", canGoOn);
  }

  /** What can be done now; while requests are on their way, to stop waiting for them. */
  #buttons() {
    const { state, changed, pending, canceled } = current;
    [this.goOn, this.undo] = [null, null];
    if (isBusy(current)) return [cancelButton(() => canceled.abort())];
    const act = (label, work) => guarded(button(label, work), this.signal);
    const canGoOn = pending.length > 0 && state !== "undone";
    this.goOn = canGoOn ? act("", () => this.#finish()) : null;
    const again = button("New rollout", () => {
      current = null;
      keep(null);
      this.change.forget();
      this.#show();
    });
    const isOver = state !== "watching" || !changed.length || current.other !== null;
    const canUndo = changed.length > 0 && !(state === "watching" && current.isReverted);
    if (canUndo) this.undo = act(`Undo on ${plural(changed.length, "node")}`, () => this.#undo());
    return [this.goOn, this.undo, isOver ? again : null];
  }

  async #watch(status) {
    this.#sayState();
    if (status.time === this.loaded) return;
    this.loaded = status.time;
    const rollout = current;
    const { other } = rollout;
    try {
      await rollout.load(this.signal);
      if (rollout !== current || rollout.state !== "watching") return;
      keep(rollout);
      this.#drawComparison();
      if (rollout.other !== other) this.#drawButtons();
      else this.#sayState();
    } catch (error) {
      if (error.name !== "AbortError") setText(this.said, `No figures: ${error.message}`);
    }
  }

  /** The first node lost the new value, or has it again: something else can be done. */
  #drawButtons() {
    const hadFocus = this.actionBox.contains(document.activeElement);
    replace(this.actionBox, this.#buttons(), this.shut);
    this.#sayState();
    if (hadFocus) this.element.firstChild.focus({ preventScroll: true });
  }

  #drawComparison() {
    const rollout = current;
    if (!this.charts) this.#buildCharts();
    setText(this.restName, `median of the ${rollout.rest}`);
    replace(this.table, comparisonTable(rollout));
    const mark = { time: rollout.since, kind: "change", title: `${rollout.setting} changed` };
    this.charts.forEach((chart, i) => {
      const { canary, rest: others } = rollout.series[i];
      chart.update({
        series: [
          { ...canary, name: rollout.canary.key, colour: CANARY_COLOUR },
          { ...others, name: "rest", colour: 0 },
        ],
        start: rollout.since - DRAWN,
        end: Math.max(store.status.time, rollout.since),
        interval: rollout.interval,
        marks: [mark],
      });
    });
  }

  /** One chart for each metric, and one legend for all. */
  #buildCharts() {
    this.table = h("div");
    this.restName = h("span");
    const swatch = (look) => h("i", { class: `swatch ${look}` });
    const legend = h(
      "ul",
      { class: "legend", "aria-hidden": "true" },
      h("li", {}, swatch(`c${CANARY_COLOUR} d0`), current.canary.key),
      h("li", {}, swatch("c0 d1"), this.restName),
    );
    this.charts = METRICS.map(
      (metric) =>
        new Chart({
          label: metricLabel(metric),
          unit: metricUnit(metric),
          height: LANE,
          flags: true,
        }),
    );
    const drawn = this.charts.map((chart) => chart.element);
    replace(this.compared, this.table, legend, drawn);
  }

  #drawResults() {
    const rows = [...current.results];
    replace(
      this.resultBox,
      h(
        "table",
        { class: "plain" },
        h(
          "thead",
          {},
          h("tr", {}, h("th", { scope: "col" }, "Node"), h("th", { scope: "col" }, "Result")),
        ),
        h(
          "tbody",
          {},
          rows.map(([key, result]) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("a", { href: nodeLink({ key }) }, breakable(key))),
              h("td", {}, resultCell(result)),
            ),
          ),
        ),
      ),
    );
  }

  /** Send to nodes; `states` are those of the rollout while it goes on and afterwards. */
  async #each(nodes, work, [during, after]) {
    const rollout = current;
    rollout.state = during;
    rollout.canceled = new AbortController();
    const { signal } = rollout.canceled;
    for (const node of nodes) rollout.results.set(node.key, { text: "waiting …" });
    this.#show();
    const finished = (node, text, error) => {
      const failed = error ? errorText(error, node, rollout.setting) : "";
      rollout.results.set(node.key, { state: error ? "down" : "up", text: failed || text });
      keep(rollout);
      this.#drawResults();
      this.#sayState();
    };
    await goOn(() => eachUntil(signal, nodes, (node) => work(node, signal), finished));
    rollout.state = after;
    keep(rollout);
    this.#show();
  }

  async #finish() {
    const rollout = current;
    const { pending, setting, text } = rollout;
    const title = `Set ${setting} to ${text} on ${plural(pending.length, "node")}?`;
    const sure = await confirmDialog({
      title,
      text: namesText(pending),
      action: "Apply",
      danger: false,
    });
    if (!sure || rollout !== current) return;
    await this.#each(pending, (node, signal) => rollout.apply(node, signal), ["applying", "done"]);
  }

  async #undo() {
    const rollout = current;
    await this.#each(rollout.changed, (node, signal) => rollout.undo(node, signal), [
      "undoing",
      "undone",
    ]);
  }
}

/** Why the figures of the first node do not show what the change does; "" when they do. */
function canaryProblem({ canary: { key }, setting, other, isReverted }) {
  const node = store.byKey.get(key);
  if (!node) return `${key} is no longer listed.`;
  if (node.state === "down")
    return `${key} is down: ${node.error || "no response"}. A restart discards the change.`;
  if (other === null) return "";
  const why = `${key} has ${setting} = ${other}: it restarted, or someone else changed it.`;
  return isReverted ? `${why} There is nothing to undo.` : why;
}

/** How far a rollout is, and what to do next. */
function stateText(rollout) {
  const { state, results, changed, pending } = rollout;
  const failed = [...results.values()].filter((one) => one.state === "down").length;
  const words = { applying: "Applying", undoing: "Undoing" };
  if (state in words) {
    const waiting = [...results.values()].filter((one) => !one.state).length;
    return `${words[state]} … ${plural(waiting, "node")} waiting (up to ${TIMEOUT} s)`;
  }
  if (state === "undone")
    return changed.length
      ? `Not undone on ${plural(changed.length, "node")}; the table below says why.`
      : "Undone.";
  if (state === "done") {
    const all = plain(1 + rollout.others.length);
    if (!failed && !pending.length) return `Applied to all ${all} nodes.`;
    const some = `Applied to ${plain(results.size - failed)} of ${all} nodes`;
    return failed ? `${some}; ${plain(failed)} failed, and the table says why.` : `${some}.`;
  }
  const problem = canaryProblem(rollout);
  if (problem) return `${rollout.isLost ? "◆" : "■"} ${problem}`;
  if (rollout.isComparable) return verdictText(rollout);
  return `Figures can be compared from ${clock(rollout.since + LEAST_WAIT)} on.`;
}

/** What the figures say of the change, in words. */
function verdictText({ canary: { key }, verdict, rest }) {
  if (!verdict) return "There are no figures to compare yet.";
  const [grade, [first, ...more]] = verdict;
  if (!grade) return `No figure of ${key} got worse against the ${rest}.`;
  const names = [first, ...more.map(within)].join(", ").replace(/, ([^,]*)$/, " and $1");
  if (grade === "worse") return `◆ ${names} of ${key} got worse against the ${rest}.`;
  return `${names} of ${key} got slightly worse against the ${rest}. Wait, or undo it.`;
}

/** How the first node moved, as the page says it once figures can be compared. */
function movedText({ isComparable, rest }, row) {
  if (!isComparable || !row.moved?.text) return null;
  const text = `${row.moved.text} against the ${rest}`;
  return h("span", { class: row.moved.grade === "worse" ? "moved large" : "moved" }, text);
}

function comparisonTable(rollout) {
  const { canary, rest, rows } = rollout;
  const head = (text) => h("th", { scope: "col" }, text);
  const columns = [canary.key, `median of the ${rest}`].map(head);
  const figures = (values, metric) =>
    values.map((value) => (value === null ? NONE : format(value, metricUnit(metric)))).join(" → ");
  return h(
    "table",
    { class: "plain compared", "aria-label": "Before and since the change" },
    h("thead", {}, h("tr", {}, head(`${duration(BEFORE)} before → since`), columns)),
    h(
      "tbody",
      {},
      rows.map((row) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, metricLabel(row.metric)),
          h("td", {}, h("span", {}, figures(row.first, row.metric)), movedText(rollout, row)),
          h("td", {}, figures(row.others, row.metric)),
        ),
      ),
    ),
  );
}
