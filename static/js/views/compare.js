// One metric across nodes in one chart, the worst first; and the settings that differ.

import { axisSpan, bounds, historyQuery, onRange, timeRange } from "../address.js";
import { Chart, COLOURS, followCrosshair, lineLook } from "../chart.js";
import { ENDED, endOf, GAP, isGap, isNumber, lastIndex, nearest, spacing } from "../chartmath.js";
import { button, empty, fitted, nodeLink, noNodes, searchBox, stateMark } from "../controls.js";
import { h, icon, needStyle, replace, setText } from "../dom.js";
import { historyNames } from "../figurelist.js";
import { byName, columnStep, columnText, format, middle, plain, plural } from "../format.js";
import { getJson, instanceName, need, store } from "../server.js";
import { DataTable } from "../table.js";
import { HISTORY, isFigure, metricHelp, metricLabel, metricUnit } from "../words.js";
import { SettingsCard } from "./drift.js";
import { loadEvents, marksOf } from "./eventlist.js";
import { MarkLegend, sinceText } from "./figures.js";
import { instancesWithRanks, isLowBad, ranksOf, worstFirst, worstRanks } from "./ranks.js";

needStyle("static/panels.css");

const MOST = 60; // lines in one chart
const WORST = 10; // nodes of a preset
const FEW_RANKS = 12; // instances whose ranks are presets; of more the name is typed
const MOST_LISTED = 200; // nodes in the picker
const CHART_HEIGHT = 300; // px
const LEAST_RELOAD = 4; // seconds
const STANDARD = "lookup_hit_rate";
const BEHIND = "hidden behind a line with the same values";

const hasValues = ({ values }) => values.some(isNumber);
const isOrAre = (count) => (count === 1 ? "is" : "are");

const reachableOf = (nodes) => nodes.filter((node) => node.state !== "down");

/** The reachable nodes; of more than MOST the worst, and where few have the metric, others. */
export function mostReachable(nodes, metric) {
  const all = reachableOf(nodes);
  if (all.length <= MOST) return all;
  return [...new Set([...worstFirst(all, metric), ...all])].slice(0, MOST);
}

// ---- which nodes ----

/** The choice of nodes: presets, and a list with a search. */
class Picker {
  constructor(view) {
    this.view = view;
    this.needle = "";
    this.summary = h("summary", {}, "Nodes");
    this.list = h("div", { class: "pick-list" });
    this.reachable = button("", () => this.#usePreset("reachable"), { kind: "small" });
    this.preset = h("select", { "aria-label": "Preset" });
    this.preset.addEventListener("change", () => this.#usePreset(this.preset.value));
    this.presetSig = null;
    this.ranks = this.#rankSearch();
    const search = searchBox("Search nodes", (text) => {
      this.needle = text.toLowerCase();
      this.draw();
    });
    this.element = h(
      "details",
      { class: "picker" },
      this.summary,
      h(
        "div",
        { class: "tools" },
        search,
        this.reachable,
        button("None", () => view.choose([]), { kind: "small" }),
      ),
      this.list,
    );
  }

  /** A field for the name of the instance whose ranks are compared. */
  #rankSearch() {
    this.rankNames = h("datalist", { id: "rank-names" });
    const box = searchBox("Ranks of instance …", (text) => {
      if (instancesWithRanks(store.status.nodes).includes(text)) this.#usePreset(`i:${text}`);
    });
    box.querySelector("input").setAttribute("list", this.rankNames.id);
    return h("span", { hidden: true }, box, this.rankNames);
  }

  /** The nodes of a preset: a word of the list below, or "i:" and the name of an instance. */
  nodesOf(preset) {
    const nodes = store.status.nodes;
    if (preset === "worst") return worstFirst(nodes, this.view.metric).slice(0, WORST);
    if (preset === "instances") return worstRanks(nodes, this.view.metric).slice(0, WORST);
    if (preset === "reachable") return mostReachable(nodes, this.view.metric);
    return ranksOf(nodes, preset.slice(2));
  }

  #usePreset(preset) {
    if (preset === "chosen") return;
    this.view.preset = preset;
    this.view.choose(
      this.nodesOf(preset).map((node) => node.key),
      preset,
    );
  }

  drawPresets() {
    const ranks = instancesWithRanks(store.status.nodes);
    const isFew = ranks.length <= FEW_RANKS;
    const isListed = (name) => isFew || this.view.preset === `i:${name}`;
    const listed = ranks.filter(isListed);
    const isAll = reachableOf(store.status.nodes).length <= MOST;
    const reachable = isAll ? "All reachable nodes" : `${MOST} worst nodes`;
    setText(this.reachable, reachable);
    const sig = [...ranks, "", ...listed, reachable].join();
    if (sig !== this.presetSig) {
      this.presetSig = sig;
      this.ranks.hidden = isFew;
      replace(
        this.rankNames,
        ranks.map((name) => h("option", { value: name })),
      );
      replace(
        this.preset,
        h("option", { value: "worst" }, `${WORST} worst nodes`),
        h("option", { value: "instances" }, "Worst node per instance"),
        listed.map((name) => h("option", { value: `i:${name}` }, `Ranks of ${name}`)),
        h("option", { value: "reachable" }, reachable),
        h("option", { value: "chosen" }, "Selected nodes"),
      );
    }
    this.preset.value = this.view.preset;
    const asked = this.ranks.querySelector("input");
    if (asked !== document.activeElement && this.view.preset !== `i:${asked.value}`)
      asked.value = "";
    if (!this.preset.value) this.preset.value = "chosen";
  }

  summarize() {
    const { size } = this.view.chosen;
    const total = plain(store.status.nodes.length);
    const isFew = size < WORST;
    const isShort = isFew && size < store.status.nodes.length;
    const reachable = reachableOf(store.status.nodes).length;
    const whys = {
      reachable: reachable > size && `${plain(reachable)} are reachable`,
      worst: isShort && `${size === 1 ? "the only one" : "all"} with this metric`,
      instances: isFew ? "one per instance with this metric" : `of the ${WORST} worst instances`,
    };
    const said = whys[this.view.preset];
    const why = said ? ` (${said})` : "";
    setText(this.summary, `Nodes: ${size ? `${plain(size)} of ${total}${why}` : "none selected"}`);
  }

  draw() {
    this.summarize();
    const found = store.status.nodes.filter((node) => {
      const words = `${node.key} ${node.kind} ${instanceName(node)}`.toLowerCase();
      return words.includes(this.needle);
    });
    replace(
      this.list,
      found.slice(0, MOST_LISTED).map((node) => this.#item(node)),
      found.length ? null : h("p", { class: "muted" }, "No matching nodes."),
    );
  }

  #item(node) {
    const { chosen } = this.view;
    const box = h("input", { type: "checkbox", checked: chosen.has(node.key) });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(node.key);
      else chosen.delete(node.key);
      this.view.preset = "chosen";
      this.drawPresets();
      this.summarize();
      this.view.load();
    });
    return h("label", {}, box, stateMark(node.state, true), h("span", {}, middle(node.key, 30)));
  }
}

// ---- the values ----

/** The last value of a series; null where that was long before the end of the page's range. */
export const lastReported = (series, end, interval) =>
  series.values[lastIndex(series, end - ENDED * interval, end)] ?? null;

/**
 * The mean of a series over the time from `start` to `end`; null without a value. A value lasts
 * until the next one: old ones are farther apart, and count for more.
 */
export function meanOver({ times, values }, start, end) {
  const usual = spacing(times);
  let [sum, seconds] = [0, 0];
  times.forEach((time, i) => {
    if (!isNumber(values[i]) || time < start || time > end) return;
    const isFollowed = i + 1 < times.length && !isGap(times, i + 1, GAP * usual);
    const before = i ? Math.min(time - times[i - 1], usual) : usual;
    const lasts = (isFollowed ? times[i + 1] - time : before) || 1;
    sum += values[i] * lasts;
    seconds += lasts;
  });
  return seconds ? sum / seconds : null;
}

function valueRow(one) {
  const { start, end } = timeRange().live ? { start: 0, end: Infinity } : bounds();
  const inRange = (_, i) => one.times[i] >= start && one.times[i] <= end;
  const known = one.values.filter(inRange).filter(isNumber);
  return {
    name: one.name,
    look: one.look,
    at: null,
    last: one.last,
    low: known.length ? Math.min(...known) : null,
    high: known.length ? Math.max(...known) : null,
    mean: meanOver(one, start, end),
  };
}

/** The table below the chart; a click on a row's name isolates its line. */
class ValueTable {
  constructor(unit, view) {
    this.unit = unit;
    this.step = null; // what its rates have in common
    const number = (id, label, more = {}) => ({
      id,
      label,
      num: true,
      width: 92,
      find: false,
      value: (row) => row[id],
      text: (row) => columnText(row[id], unit, this.step),
      ...more,
    });
    this.table = new DataTable({
      label: "Values",
      key: (row) => row.name,
      rowClass: (row) => (view.alone && view.alone !== row.name ? "faint" : ""),
      columns: [
        {
          id: "name",
          label: "Node",
          head: true,
          grow: true,
          width: 250,
          narrow: 150,
          value: (row) => row.name,
          sig: (row) => `${row.name} ${row.look} ${view.alone === row.name}`,
          render: (row) => nameCell(row, view),
        },
        number("at", "At crosshair", { drop: 1, width: 108 }),
        number("last", "Last", { narrow: 84 }),
        number("low", "Lowest", { drop: 3 }),
        number("mean", "Mean", { drop: 4 }),
        number("high", "Highest", { drop: 2 }),
      ],
    });
  }

  update(rows) {
    const highest = Math.max(0, ...rows.map(({ high }) => high).filter(isNumber));
    this.step = columnStep(this.unit, highest);
    this.table.update(rows);
  }
}

function nameCell(row, view) {
  const pressed = view.alone === row.name;
  const open = { class: "open-node", href: nodeLink({ key: row.name }), title: `Open ${row.name}` };
  return h(
    "span",
    { class: "named" },
    h(
      "button",
      {
        type: "button",
        class: "plain-link isolate",
        "aria-pressed": String(pressed),
        title: pressed ? "Show all lines" : `Show only ${row.name}`,
        onclick: () => view.isolate(pressed ? "" : row.name),
      },
      h("i", { class: `swatch ${row.look}` }),
      fitted(row.name),
    ),
    h("a", { ...open, "aria-label": open.title }, icon("go")),
  );
}

const COVERED = 0.005; // of the highest value: a line so near to another is under it

/**
 * How many of these series, in the order of their drawing, are all under one that comes later: not
 * those that have ended (their `last` is null), where the other one is seen alone.
 */
export function hiddenLines(series) {
  const least = COVERED * Math.max(0, ...series.flatMap(({ values }) => values.filter(isNumber)));
  const valueAt = series.map(({ times, values }) => new Map(times.map((t, i) => [t, values[i]])));
  const covers = (above, { times, values }) =>
    times.every((time, i) => {
      if (!isNumber(values[i])) return true;
      const other = above.get(time);
      return isNumber(other) && Math.abs(other - values[i]) <= least;
    });
  const isHidden = (one, i) =>
    one.last !== null && valueAt.slice(i + 1).some((above) => covers(above, one));
  return series.filter(isHidden).length;
}

// ---- the view ----

class ComparePage {
  constructor(root, query, signal) {
    this.signal = signal;
    this.metric = isFigure(query.get("metric")) ? query.get("metric") : STANDARD;
    const asked = (query.get("nodes") || "").split(",").filter(Boolean);
    this.chosen = new Set(asked.length ? asked : store.selected);
    this.removed = []; // chosen nodes of which nothing is known any more
    this.preset = query.get("preset") || (this.chosen.size ? "chosen" : "");
    this.started = this.preset === "chosen";
    this.alone = "";
    this.series = []; // of nodes that have values, if any has
    this.without = 0; // how many nodes have none
    this.events = []; // those of the chosen nodes
    this.rows = [];
    this.chart = null;
    this.values = null;
    this.lastTime = 0;
    this.turn = 0; // grows with each question: only the answer to the last one counts
    this.#build(root, query);
    this.#fillMetrics(HISTORY);
    historyNames().then((names) => this.#fillMetrics(names));
    followCrosshair((time) => this.#pointed(time), signal);
    onRange(() => this.load(), signal);
  }

  #build(root, query) {
    this.none = noNodes();
    this.none.hidden = true;
    this.note = h("p", { class: "panel-line", role: "status" });
    this.help = h("p", { class: "muted" });
    this.chartBox = h("div", { class: "compare-chart" });
    this.signs = new MarkLegend(() => (this.chart ? [this.chart] : []));
    this.valueBox = h("div");
    this.metricBox = h("select", { "aria-label": "Metric" });
    this.metricBox.addEventListener("change", () => this.#chooseMetric(this.metricBox.value));
    this.picker = new Picker(this);
    this.settings = new SettingsCard(this.signal, () => this.#keepAddress());
    this.panel = h(
      "section",
      { class: "panel asking", "aria-label": "One metric across nodes" },
      h("header", { class: "panel-head" }, h("h2", {}, "One metric across nodes"), this.help),
      h("div", { class: "tools choices" }, this.metricBox, this.picker.preset, this.picker.ranks),
      this.picker.element,
      this.note,
      this.signs.element,
      this.chartBox,
      this.valueBox,
    );
    this.content = h("div", {}, this.panel, this.settings.element);
    this.#askSetting(query);
    const head = h("div", { class: "page-head" }, h("h1", {}, "Compare"));
    replace(root, head, this.none, this.content);
  }

  /** An address may ask for one setting, which then comes before the chart. */
  #askSetting(query) {
    const setting = query.get("setting") || "";
    this.settings.showOnly(setting);
    if (setting) this.content.prepend(this.settings.element);
    else this.content.append(this.settings.element);
  }

  #fillMetrics(names) {
    const all = [...new Set([...names, "latency"])];
    const sorted = all.sort((a, b) => byName(metricLabel(a), metricLabel(b)));
    replace(
      this.metricBox,
      sorted.map((name) => h("option", { value: name }, metricLabel(name))),
    );
    this.metricBox.value = this.metric;
    setText(this.help, metricHelp(this.metric));
  }

  async #chooseMetric(metric) {
    this.metric = metric;
    setText(this.help, metricHelp(metric));
    await need({ figures: [metric] });
    if (metric !== this.metric || this.signal.aborted) return;
    this.chart = null;
    this.alone = "";
    if (this.isByMetric || this.preset === "reachable") this.#usePreset(this.preset);
    else this.load();
  }

  /** Whether the chosen nodes are those for which the metric is worst. */
  get isByMetric() {
    return ["worst", "instances"].includes(this.preset);
  }

  choose(keys, preset = "chosen") {
    this.chosen = new Set(keys);
    this.removed = [];
    this.preset = preset;
    this.alone = "";
    this.picker.drawPresets();
    this.picker.draw();
    this.load();
  }

  #keepAddress() {
    if (this.signal.aborted) return;
    const query = { metric: this.metric };
    if (this.preset === "chosen") query.nodes = [...this.chosen].slice(0, MOST).join(",");
    else query.preset = this.preset;
    if (this.settings.only) query.setting = this.settings.only;
    const address = `${location.pathname}${location.search}#/compare?${new URLSearchParams(query)}`;
    history.replaceState(history.state, "", address);
  }

  #nothing() {
    this.panel.classList.remove("asking");
    replace(this.chartBox);
    this.chart = null;
    this.signs.draw();
    this.values = null;
    const isDown = store.status.nodes.every((node) => node.state === "down");
    const noMetric = this.isByMetric
      ? `No node reports ${metricLabel(this.metric)}. Choose another metric.`
      : "No nodes selected. Choose a preset or nodes above, or select rows in the cluster table.";
    const why = isDown ? "No node is reachable, so there is nothing to compare." : noMetric;
    replace(this.valueBox, empty(why));
    setText(this.note, this.#aboutRemoved());
  }

  async load() {
    if (!store.status) return;
    this.#keepAddress();
    const keys = [...this.chosen].slice(0, MOST);
    this.settings.choose([...this.chosen]);
    this.turn += 1;
    const { turn } = this;
    if (!keys.length) {
      this.#nothing();
      return;
    }
    const nodes = keys.map(encodeURIComponent).join(",");
    try {
      const path = `api/history?metric=${this.metric}&${historyQuery()}&node=${nodes}`;
      const [answer, events] = await Promise.all([
        getJson(path, { signal: this.signal }),
        loadEvents(bounds(store.status.time), this.signal),
      ]);
      const shown = events.filter((event) => event.node && this.chosen.has(event.node));
      if (turn === this.turn) this.#draw(answer, shown);
    } catch (error) {
      if (error.status === 404 && this.#leaveOutRemoved()) this.load();
      else if (error.name !== "AbortError") setText(this.note, `Not loaded: ${error.message}.`);
    } finally {
      this.panel.classList.remove("asking");
    }
  }

  /** Without the nodes that were removed with their history; returns whether there are any. */
  #leaveOutRemoved() {
    const removed = [...this.chosen].filter((key) => !store.byKey.has(key));
    for (const key of removed) this.chosen.delete(key);
    this.removed.push(...removed);
    this.picker.drawPresets();
    this.picker.draw();
    return removed.length > 0;
  }

  /** Lines keep their looks. Rows are worst first by the last figure as it is shown. */
  #draw(answer, events) {
    const sign = isLowBad(this.metric) ? 1 : -1;
    const unit = metricUnit(this.metric);
    const byLast = (a, b) => {
      if (format(a.last, unit) === format(b.last, unit)) return byName(a.name, b.name);
      return sign * ((a.last ?? sign * Infinity) - (b.last ?? sign * Infinity));
    };
    const isFew = answer.series.length <= COLOURS;
    const looks = new Map([...this.chosen].map((name, i) => [name, lineLook(i, isFew)]));
    const colours = new Map([...this.chosen].map((name, i) => [name, i]));
    const end = timeRange().live ? endOf(answer, store.status.time) : bounds().end;
    const all = answer.series
      .map(({ node, times, values }) => ({
        name: node,
        times,
        values,
        last: lastReported({ times, values }, end, answer.interval),
        colour: colours.get(node),
        look: looks.get(node),
      }))
      .sort(byLast);
    const lines = all.filter(hasValues);
    this.series = lines.length ? lines : all; // without any the table names the nodes
    this.without = all.length - this.series.length;
    Object.assign(this, { end, interval: answer.interval, events });
    this.#explain();
    this.#drawChart();
    this.#drawValues();
  }

  #aboutRemoved() {
    return this.removed.length ? `No history of removed nodes: ${this.removed.join(", ")}.` : "";
  }

  #explain() {
    const lines = this.series.filter(hasValues);
    const hidden = this.alone ? 0 : hiddenLines(lines);
    const { without } = this;
    const since = sinceText(lines, this);
    const notes = [
      since && `${since}.`,
      this.#aboutRemoved(),
      without ? `${plural(without, "node")} without values ${isOrAre(without)} left out.` : "",
      this.chosen.size > MOST ? `The first ${MOST} of ${this.chosen.size} nodes are drawn.` : "",
      hidden ? `${hidden} of ${lines.length} lines ${isOrAre(hidden)} ${BEHIND}.` : "",
    ];
    setText(this.note, notes.filter(Boolean).join(" "));
  }

  #drawChart() {
    if (!this.chart) {
      const unit = metricUnit(this.metric);
      const label = metricLabel(this.metric);
      const drawn = () => this.signs.draw();
      const kind = unit === "things" ? "step" : "line";
      const look = { kind, height: CHART_HEIGHT, flags: true, caption: false, drawn };
      this.chart = new Chart({ label, unit, ...look });
      replace(this.chartBox, this.chart.element);
    }
    const isShown = (name) => !this.alone || name === this.alone;
    const shown = this.series.filter(({ name }) => isShown(name));
    const marks = marksOf(this.events.filter(({ node }) => isShown(node)));
    const { end, interval } = this;
    this.chart.update({ series: shown, ...axisSpan(end), interval, marks });
  }

  #drawValues() {
    const unit = metricUnit(this.metric);
    this.rows = this.series.map(valueRow);
    if (!this.values || this.values.unit !== unit) this.values = new ValueTable(unit, this);
    const { table } = this.values;
    if (this.valueBox.firstChild !== table.element) replace(this.valueBox, table.element);
    this.values.update(this.rows);
  }

  /** The nodes of a preset; the worst ones where a single instance has figures, all before then. */
  #usePreset(preset) {
    const nodes = this.picker.nodesOf(preset);
    if (preset === "instances" && nodes.length < 2) this.#usePreset("worst");
    else if (!nodes.length && preset !== "reachable") this.#usePreset("reachable");
    else
      this.choose(
        nodes.map((node) => node.key),
        preset,
      );
  }

  /** Show one line alone, or all with "". */
  isolate(name) {
    this.alone = name;
    this.#explain();
    this.#drawChart();
    this.values.update(this.rows);
  }

  /** The table follows the crosshair. */
  #pointed(time) {
    if (!this.values) return;
    this.series.forEach((one, i) => {
      const outside = time === null || !one.times.length;
      this.rows[i].at = outside ? null : one.values[nearest(one.times, time)];
    });
    this.values.update(this.rows);
  }

  update(status) {
    this.none.hidden = status.nodes.length > 0;
    this.content.hidden = !this.none.hidden;
    if (this.content.hidden) return;
    // The worst nodes of a fleet are ranks of a few instances.
    const isFleet = status.instances.length > WORST;
    this.preset = this.preset || (isFleet ? "instances" : "worst");
    this.picker.drawPresets();
    if (!this.started) {
      this.started = true;
      this.lastTime = status.time;
      this.#usePreset(this.preset);
      return;
    }
    if (!this.picker.list.firstChild) this.picker.draw();
    this.settings.update();
    if (status.time - this.lastTime < LEAST_RELOAD) return;
    this.lastTime = status.time;
    this.load();
  }

  /** The address was changed by hand. */
  go(query) {
    const metric = query.get("metric");
    if (!query.size) {
      this.#keepAddress();
      return;
    }
    this.#askSetting(query);
    if (isFigure(metric) && metric !== this.metric) {
      this.metricBox.value = metric;
      this.metric = metric;
      setText(this.help, metricHelp(metric));
      need({ figures: [metric] });
      this.chart = null;
    }
    if (query.has("nodes")) this.choose(query.get("nodes").split(",").filter(Boolean));
    else if (query.has("preset")) this.#usePreset(query.get("preset"));
    else this.load();
  }
}

export function mount(root, { route, signal }) {
  const page = new ComparePage(root, route.query, signal);
  return { update: (status) => page.update(status), go: ({ query }) => page.go(query) };
}
