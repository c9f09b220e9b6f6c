// The cluster's figures over the page's time range: tiles with their small graphs, and four
// charts.

import { axisSpan, chartSpan, historyQuery, timeRange } from "../address.js";
import { alignPlots, Chart, sparkline } from "../chart.js";
import {
  endingWith,
  endOf,
  firstTime,
  isNumber,
  lastIndex,
  movement,
  slots,
} from "../chartmath.js";
import { menuButton, unknownText } from "../controls.js";
import { dotted, h, icon, replace, setText } from "../dom.js";
import {
  clock,
  duration,
  format,
  minuteOf,
  NONE,
  parts,
  plain,
  plural,
  spanText,
  zone,
} from "../format.js";
import { getJson, isFrontend, recall, remember, store } from "../server.js";
import { LAYER_COLOURS, metricHelp, metricLabel, metricUnit } from "../words.js";

const SPARK_POINTS = 40;
const LANE_HEIGHT = 112; // px
const LEAST_RELOAD = 5; // seconds between two questions for the history
const RELOADS = 360; // a range is asked for so often while it passes
const FOLD_CHARTS_FROM = 100; // nodes
const LEAST_MISSING = 0.1; // of the page's range that is worth a word
const LEAST_REST = 0.005; // of a ratio that is worth a line of its own

const worded = (value, unit, words) => (isNumber(value) ? words(format(value, unit)) : "");
/** How many engines, and of how many when not all of them. */
const enginesNote = (count, { engines }) =>
  count < engines ? `${plain(count)} of ${plural(engines, "engine")}` : plural(engines, "engine");
const reportingNote = (counts) => (counts.engines ? enginesNote(counts.reporting, counts) : "");
const joined = (...texts) => texts.filter(Boolean).join(" · ");

// ---- tiles ----

/**
 * The tiles, most wanted first: {id, label, note(totals, counts), chart: which chart shows more}.
 */
const TILES = [
  {
    id: "lookup_hit_rate",
    chart: "layers",
    note: (t) =>
      layerNote(t) ||
      worded(t.lookup_tokens_per_second, "tokens/s", (text) => `of ${text} looked up`) ||
      worded(t.retrieve_hit_rate, "ratio", (text) => `retrieve ${text}`),
  },
  {
    id: "hit_tokens_per_second",
    chart: "sources",
    note: (t) => servedNote(t),
  },
  {
    id: "ttft_p50",
    chart: "latency",
    note: (t, counts) =>
      counts.timed < counts.reporting
        ? enginesNote(counts.timed, counts)
        : joined(
            worded(t.ttft_p99, "seconds", (text) => `p99 ${text}`),
            reportingNote(counts),
          ),
  },
  {
    id: "retrieve_p99",
    chart: "latency",
    note: (t, counts) =>
      counts.slowest("retrieve_p99", "hit_tokens_per_second") ||
      worded(t.retrieve_p50, "seconds", (text) => `p50 ${text}`),
  },
  {
    id: "gpu_prefix_hit_rate",
    chart: "layers",
    note: (t, counts) => reportingNote(counts),
  },
  { id: "local_cache_bytes", note: usage },
  {
    id: "evictions_per_second",
    chart: "losses",
    note: (t) => worded(t.stored_tokens_per_second, "tokens/s", (text) => `storing ${text}`),
  },
  {
    id: "failures_per_second",
    chart: "losses",
    note: lossNote,
  },
  {
    id: "store_p99",
    note: (t, counts) =>
      counts.slowest("store_p99", "stored_tokens_per_second") ||
      worded(t.store_p50, "seconds", (text) => `p50 ${text}`),
  },
  { id: "l2_load_bytes_per_second", note: () => "" },
  { id: "requests_per_second", note: () => "" },
  { id: "remote_cache_bytes", note: () => "" },
];
/** What is no failure, but no success either: timeouts, which alert, before slow retrievals. */
export function lossNote({ timeouts_per_second: timeouts, slow_retrievals_per_second: slow }) {
  const timedOut = worded(timeouts, "1/min", (text) => `timeouts ${text}`);
  if (timeouts > 0) return timedOut;
  return worded(slow, "1/min", (text) => `slow retrievals ${text}`) || timedOut;
}

/** The hit rates of the layers, where they add up to the whole. */
function layerNote(t) {
  const { l1_hit_rate: l1, l2_hit_rate: l2, lookup_hit_rate: all } = t;
  if (![l1, l2].some(isNumber)) return "";
  if (all - (l1 || 0) - (l2 || 0) > LEAST_REST) return "";
  return joined(
    worded(l1, "ratio", (text) => `L1 ${text}`),
    worded(l2, "ratio", (text) => `L2 ${text}`),
  );
}

/**
 * Of what the tokens served from the cache are a part, of a node, an instance or the cluster. An MP
 * server counts them in all that it looks up. In-process LMCache is asked only for what it matched
 * beyond the GPU prefix: a part of that would look like another hit rate.
 */
export function servedNote(figures) {
  const { lookup_tokens_per_second: looked, requested_tokens_per_second: asked } = figures;
  const isLookup = isNumber(looked) && (!isNumber(asked) || asked === looked);
  if (isLookup) return worded(looked, "tokens/s", (text) => `of ${text} looked up`);
  return isNumber(asked) ? "without GPU prefix hits" : "";
}

/**
 * What the notes of tiles count: {engines, reporting: those that respond now (in the past that is
 * not known: all), timed, slowest(figure, traffic)}, and whether a node reports the use of its
 * cache now. Other frontends report quantiles but no histograms: a median of the cluster does not
 * cover their nodes (the `timed` engines it does), a p99 is that of the slowest instance.
 */
function countsOf(status) {
  const engines = status.nodes.filter(({ kind }) => kind === "engine");
  const responds = ({ state }) => state === "up" || state === "degraded";
  const reporting = timeRange().live ? engines.filter(responds) : engines;
  return {
    engines: engines.length,
    reporting: reporting.length,
    timed: reporting.filter((node) => node.proxy === "local_proxy").length,
    slowest: (figure, traffic) => slowestNote(status.instances, figure, traffic),
    isUseReported: isNumber((status.totals || {}).local_cache_bytes),
  };
}

/** The slowest of several instances, and how many there are when some report no latency. */
function slowestNote(instances, figure, traffic) {
  const timed = instances.filter(({ metrics }) => isNumber(metrics[figure]));
  const silent = instances.filter(
    ({ kinds, metrics }) =>
      kinds.includes("worker") && !isNumber(metrics[figure]) && metrics[traffic] > 0,
  ).length;
  const count = silent && `${plain(timed.length)} of ${plural(timed.length + silent, "instance")}`;
  if (timed.length < 2 || !timeRange().live) return count || "";
  const worst = timed.reduce((a, b) => (b.metrics[figure] > a.metrics[figure] ? b : a));
  return joined(`slowest: ${worst.name}`, count);
}

const TILE_ROWS = [8, 4]; // tiles are shown in full rows, as far as there are figures

/** Of what limit the cache is used; after a start nothing is said of nodes that were not asked. */
function usage(totals, { isUseReported }) {
  const { local_cache_bytes: used, local_cache_limit_bytes: limit } = totals;
  if (!limit) return isUseReported && isNumber(used) ? "limit not reported" : "";
  return `of ${format(limit, "bytes")} · ${Math.round((100 * used) / limit)}%`;
}

/** The tiles of this cluster: those with a value, or with one in the time range, in full rows. */
function tilesFor(totals, history) {
  const hadValue = (id) => (history ? history.line(id) !== null : false);
  const known = TILES.filter(({ id }) => isNumber(totals[id]) || hadValue(id));
  const room = TILE_ROWS.find((count) => known.length >= count) || known.length;
  return known.slice(0, room);
}

/** How a figure moved, in words: {text, large}. */
export function movementText(values, unit) {
  const moved = movement(values, unit);
  if (!moved) return { text: "", large: false };
  const arrow = moved.up ? "▲" : "▼";
  const { large } = moved;
  if (moved.fromZero) return { text: `${arrow} from 0`, large };
  if (moved.times) return { text: `${arrow} ×${plain(Number(moved.times.toPrecision(2)))}`, large };
  const size = 100 * (moved.points ?? moved.share);
  const figure = size < 10 ? size.toFixed(1).replace(/\.0$/, "") : plain(Math.round(size));
  return { text: `${arrow} ${figure}${moved.points ? "\u202fpt" : "%"}`, large };
}

export class Tile {
  /** What is clicked calls `reveal(chart)`, or leads to `href`: without both, to Compare. */
  constructor({ id, chart, note, href = chart ? "" : `#/compare?metric=${id}` }, reveal) {
    Object.assign(this, { id, note });
    this.unitName = metricUnit(id);
    this.delta = h("span", { class: "delta" });
    this.number = h("span", { class: "number" }, NONE);
    this.unit = h("span", { class: "unit" });
    this.more = h("div", { class: "more" });
    this.graph = h("span", { class: "tile-spark" });
    this.signature = "";
    this.noted = "";
    const title = metricHelp(id);
    const show = { type: "button", class: "plain-link", title, onclick: () => reveal(chart) };
    const label = metricLabel(id);
    const name = href ? h("a", { href, title }, label) : h("button", show, label);
    this.element = h(
      "div",
      { class: "tile" },
      h("div", { class: "name" }, name),
      this.delta,
      h("div", { class: "value" }, this.number, this.unit),
      this.graph,
      this.more,
    );
  }

  /** "Hit rate 64.7% (▼ 13 pt)". */
  get text() {
    const moved = this.delta.textContent;
    const figure = `${metricLabel(this.id)} ${format(this.value, this.unitName)}`;
    return moved ? `${figure} (${moved})` : figure;
  }

  /** `otherNodes`: why the past does not compare with the present, "" when it does. */
  update(value, totals, counts, values, otherNodes) {
    const [number, unit] = parts(value, this.unitName);
    setText(this.number, number);
    setText(this.unit, unit);
    this.unit.classList.toggle("per", unit.startsWith("/") || unit === "%");
    this.#drawNote(this.note(totals, counts));
    this.value = value;
    const ended = [...values.slice(0, -1), value];
    this.#drawMovement(isNumber(value) && !otherNodes ? ended : [], otherNodes);
    // The line ends at the figure, after its last slot: much may have happened in that, too.
    const isNow = isNumber(value) && isNumber(values[values.length - 1]);
    const line = isNow ? [...values, value] : values;
    const signature = line.join();
    if (signature === this.signature) return;
    this.signature = signature;
    replace(this.graph, sparkline(line, { unit: this.unitName }));
  }

  #drawNote(note) {
    if (note === this.noted) return;
    this.noted = note;
    replace(this.more, note && dotted(note.split(" · ")));
  }

  /** How the figure that is shown moved against the past. */
  #drawMovement(compared, otherNodes) {
    const { text, large } = movementText(compared, this.unitName);
    setText(this.delta, text);
    this.delta.classList.toggle("large", large);
    this.delta.title = text ? "compared with the first third of the time range" : "";
    this.element.title = otherNodes;
  }
}

/** The tiles over the charts. */
export class Tiles {
  /** `reveal(chart)` shows a chart by its name. */
  constructor(reveal) {
    this.reveal = reveal;
    this.element = h("div", { class: "tiles" });
    this.tiles = [];
    this.ids = "";
  }

  /** The figures in words, for an incident channel. */
  summary() {
    return this.tiles.map((tile) => tile.text);
  }

  /** `history` is what FigureHistory holds, null before it has an answer; `events` of its range. */
  update(status, history, events) {
    const totals = history ? history.totals(status) : status.totals || {};
    const wanted = tilesFor(totals, history);
    const ids = wanted.map(({ id }) => id).join();
    if (ids !== this.ids) {
      this.ids = ids;
      this.tiles = wanted.map((tile) => new Tile(tile, this.reveal));
      replace(
        this.element,
        this.tiles.map((tile) => tile.element),
      );
    }
    this.element.hidden = !wanted.length;
    const counts = countsOf(status);
    const isOther = history && nodesDiffer(events, history, status.nodes.length);
    const otherNodes = isOther ? OTHER_NODES : history ? history.tooShort : "";
    for (const tile of this.tiles) {
      const values = history ? history.spark(tile.id) : [];
      tile.update(totals[tile.id], totals, counts, values, otherNodes);
    }
  }
}

const LEAST_PAST = 300; // seconds: after a start, all nodes have figures only after some polls
const TOO_SHORT = "No change is shown: the figures cover less than 5 minutes.";
const OTHER_NODES = "No change is shown: other nodes were up in the first third of the time range.";

const FEW = 0.02; // of all nodes: of a large fleet some are always away

/**
 * Whether more than a few of `count` nodes are up at the end of a history and were not in its first
 * third, or the other way round, by its events.
 */
export function nodesDiffer(events, { series, end }, count) {
  const start = firstTime([...series.values()], end);
  const third = (end - start) / 3;
  const secondsDown = ({ time, until }, from, to) =>
    Math.min(until ?? Infinity, to) - Math.max(time, from);
  const downs = events.filter(({ kind }) => kind === "node_down");
  const names = (isDown) => new Set(downs.filter(isDown).map(({ node }) => node));
  const then = names((event) => secondsDown(event, start, start + third) > third / 2);
  const now = names(({ time, until }) => time <= end && (until ?? Infinity) > end);
  const moved = events
    .filter(({ kind, time }) => kind === "nodes" && time > start && time <= end)
    .flatMap(({ added = [], removed = [] }) => [...added, ...removed])
    .filter((name) => !isFrontend(name));
  const isOther = (name) => then.has(name) !== now.has(name) || moved.includes(name);
  const all = new Set([...then, ...now, ...moved]);
  return [...all].filter(isOther).length > FEW * count;
}

// ---- the history of the cluster ----

/** What the tiles and charts need of the past, asked for once for both. */
export class FigureHistory {
  constructor(signal = null) {
    this.signal = signal;
    this.series = new Map();
    this.end = 0;
    this.interval = 0;
    this.asked = 0; // time of the status with which it was last asked for
    this.range = null;
    this.answered = null; // the range of the last answer
    this.pending = null; // the question that is being answered
    this.metrics = null; // the current figures, which tiles show and lines end with
  }

  /** Belong to another view, which asks anew and meanwhile shows what is known. */
  follow(signal) {
    this.signal = signal;
    this.range = null;
  }

  /** Whether it is known what there is in the page's time range. */
  get isKnown() {
    return this.answered === timeRange();
  }

  /** Whether another range was chosen, and its figures are on their way. */
  get isChanging() {
    return this.end > 0 && this.range === timeRange() && !this.isKnown;
  }

  /** Whether nothing is recorded in the page's fixed range: that is no good news. */
  get isBlank() {
    const { live, from, to } = timeRange();
    const near = (time) => time > from - this.interval && time < to + this.interval;
    const isFound = ({ times, values }) => values.some((one, i) => isNumber(one) && near(times[i]));
    return !live && this.isKnown && ![...this.series.values()].some(isFound);
  }

  /** Ask for the history when it is due; resolves with true when there is a new answer. */
  async load(status) {
    const range = timeRange();
    const pace = Math.max(LEAST_RELOAD, range.seconds / RELOADS);
    const again = range !== this.range || status.started !== this.started;
    const due = again || (range.live && status.time - this.asked >= pace);
    if (!due) {
      await this.pending; // what is drawn meanwhile would mix two time ranges
      return false;
    }
    this.range = range;
    this.started = status.started; // a server that was restarted may remember less
    this.asked = status.time;
    this.pending = this.#ask(status, range);
    try {
      return await this.pending;
    } catch (error) {
      this.range = null; // the next status asks again
      throw error;
    }
  }

  /** Ask for all figures: those that no node reports now may have a past. */
  async #ask(status, range) {
    const query = `api/history?metric=${HISTORY_NAMES.join(",")}&${historyQuery()}`;
    const answer = await getJson(query, { signal: this.signal });
    if (range !== timeRange()) return false;
    this.series = new Map(answer.series.map((one) => [one.metric, one]));
    this.end = endOf(answer, status.time);
    this.interval = answer.interval;
    this.answered = range;
    return true;
  }

  /** Why its first third is no past to compare with; "" when it is. */
  get tooShort() {
    const length = this.end - firstTime([...this.series.values()], this.end);
    return length < LEAST_PAST ? TOO_SHORT : "";
  }

  get span() {
    return chartSpan([...this.series.values()], this.end);
  }

  /** A series of one figure as charts take it; null without any value. */
  line(metric, more = {}) {
    const found = this.series.get(metric);
    if (!found || !found.values.some(isNumber)) return null;
    const now = timeRange().live ? ((this.metrics || {})[metric] ?? null) : undefined;
    const points = endingWith(now, found, this.end, this.interval);
    const isGone = now === null; // nothing reports it any more: it has no present value
    return { name: metricLabel(metric), about: metricHelp(metric), isGone, ...points, ...more };
  }

  spark(metric) {
    const found = this.series.get(metric);
    if (!found) return [];
    const { start, end } = this.span;
    return slots(found.times, found.values, start, end, Math.min(SPARK_POINTS, found.times.length));
  }

  /** The figures to show: those of now, or in a fixed range the last in it. */
  totals(status) {
    if (timeRange().live) return status.totals || {};
    const { start, end } = this.span;
    const lastOf = (one) => one.values[lastIndex(one, start, end)] ?? null;
    const past = [...this.series].map(([name, one]) => [name, lastOf(one)]);
    const { local_cache_limit_bytes: limit } = status.totals || {}; // a setting: it has no past
    return { local_cache_limit_bytes: limit, ...Object.fromEntries(past) };
  }
}

// ---- charts ----

const COLOUR = { ...LAYER_COLOURS, latency: 3, retrieve: 4, total: 6 };

const IN_PROCESS = {
  name: "In-process",
  about: "from LMCache inside the engine, which does not report the layer",
  colour: COLOUR.lmcache,
};

const SOURCES = [
  ["source_gpu", { colour: COLOUR.gpu }],
  ["source_l1", { colour: COLOUR.l1 }],
  ["source_lmcache", IN_PROCESS],
  ["source_disk", { colour: COLOUR.disk }],
  ["source_remote", { colour: COLOUR.remote }],
  ["source_computed", { rest: true }],
];

/**
 * Tokens by where they came from; of a cluster that does not report it, those served from cache.
 * `names` are others for some of them.
 */
export function sourceLines(history, names = {}) {
  const lines = SOURCES.map(([id, look]) =>
    history.line(id, id in names ? { ...look, name: names[id] } : look),
  ).filter(Boolean);
  if (lines.length > 1) return lines;
  return [history.line("hit_tokens_per_second", { colour: COLOUR.lmcache })].filter(Boolean);
}

/** What a line has beyond the sum of some others; null when that is next to nothing. */
function restOf(whole, parts, look) {
  if (!whole || !parts.length) return null;
  const known = parts.map(
    ({ times, values }) => new Map(times.map((time, i) => [time, values[i]])),
  );
  const values = whole.values.map((value, i) => {
    const sum = known.reduce((total, one) => total + (one.get(whole.times[i]) || 0), 0);
    return isNumber(value) ? Math.max(0, value - sum) : null;
  });
  const { times, isGone } = whole;
  return Math.max(...values) > LEAST_REST ? { ...look, isGone, times, values } : null;
}

function layerLines(history) {
  const share = "looked-up tokens";
  const prompt = { name: "GPU prefix", colour: COLOUR.gpu, share: "prompt tokens" };
  const layers = [
    history.line("l1_hit_rate", { name: "L1", colour: COLOUR.l1, share }),
    history.line("l2_hit_rate", { name: "L2", colour: COLOUR.l2, share }),
  ].filter(Boolean);
  const total = history.line("lookup_hit_rate", { name: "Total", colour: COLOUR.total, share });
  const inProcess = restOf(total, layers, { ...IN_PROCESS, share });
  // The L1 of the tiles is that of engines, too; this one is not.
  if (inProcess && layers[0].name === "L1") layers[0].name = "MP L1";
  const lines = [history.line("gpu_prefix_hit_rate", prompt), ...layers, inProcess, total].filter(
    Boolean,
  );
  const loaded = history.line("retrieve_hit_rate", {
    name: "Retrieve",
    colour: COLOUR.retrieve,
    share: "requested tokens",
  });
  return lines.length > 1 ? lines : [...lines, loaded].filter(Boolean);
}

/** Like with like: no fast operation under a slow one. */
function latencyLines(history) {
  const first = history.line("ttft_p50", { colour: COLOUR.latency });
  const retrieve = history.line("retrieve_p99", { colour: COLOUR.retrieve });
  const half = history.line("retrieve_p50", { colour: COLOUR.latency });
  return [first || half, retrieve].filter(Boolean);
}

export const CHARTS = [
  {
    id: "layers",
    label: "Hit rate by layer",
    lanes: [{ unit: "ratio" }],
    of: (t) => [layerLines(t)],
  },
  {
    id: "sources",
    label: "Tokens by source",
    note: "tokens already in GPU memory count as GPU prefix",
    noted: (t) => t.line("source_gpu") !== null,
    lanes: [{ unit: "tokens/s", kind: "area" }],
    of: (t) => [sourceLines(t, t.line("l2_hit_rate") ? { source_remote: "L2" } : {})],
  },
  {
    id: "latency",
    label: "Latency",
    note: "retrieve p99 of the slowest instance",
    lanes: [{ unit: "seconds" }],
    of: (t) => [latencyLines(t)],
  },
  {
    id: "losses",
    label: "Evictions and failures",
    lanes: [
      { unit: "1/s", height: 64 },
      { unit: "1/min", height: 34, kind: "bar" },
    ],
    of: (t) => [
      [t.line("evictions_per_second", { colour: COLOUR.latency })].filter(Boolean),
      [t.line("failures_per_second", { colour: COLOUR.retrieve })].filter(Boolean),
    ],
  },
];

const HISTORY_NAMES = [
  ...TILES.map(({ id }) => id),
  ...SOURCES.map(([name]) => name),
  "l1_hit_rate",
  "l2_hit_rate",
  "retrieve_hit_rate",
  "lookup_tokens_per_second",
  "requested_tokens_per_second",
  "stored_tokens_per_second",
  "retrieve_p50",
  "store_p50",
  "ttft_p99",
  "slow_retrievals_per_second",
];

/** The marks of charts: how they look, their icon, what they are. */
const LEGEND = [
  ["down", "down-box", "node down"],
  ["restart", "restart", "restart"],
  ["change", "change", "change"],
  ["action", "action", "action"],
  ["critical", "stop", "critical alert"],
  ["other", "stop", "other node down"],
  ["alert", "alert", "alert"],
  ["resolved", "check", "resolved"],
  ["more", "+N", "N more events"],
];

/** What the signs are that are drawn on charts: `charts()` are those that are shown. */
export class MarkLegend {
  constructor(charts) {
    this.charts = charts;
    this.shown = "";
    this.element = h("span", {
      class: "mark-legend",
      "aria-hidden": "true",
      title: "+3: three more events of any kind, too close for signs of their own",
    });
  }

  draw() {
    const looks = new Set(this.charts().flatMap(({ signs }) => [...signs]));
    const shown = LEGEND.filter(([look]) => looks.has(look));
    if (shown.join() === this.shown) return;
    this.shown = shown.join();
    const image = (name) => {
      if (name === "+N") return h("b", {}, name);
      return name === "down-box" ? h("i", { class: name }) : icon(name);
    };
    replace(
      this.element,
      shown.map(([look, name, text]) => h("span", { class: look }, image(name), text)),
    );
  }
}

/** "History since 11:22", where the page's range reaches further back than these lines. */
export function sinceText(lines, { end, interval }) {
  const { live, seconds } = timeRange();
  const first = firstTime(lines, end);
  const known = end - first + 2 * interval; // the first values of a range may be so late
  if (!live || !lines.length || known >= (1 - LEAST_MISSING) * seconds) return "";
  return `History since ${minuteOf(first, end)}`;
}

/** The note in place of charts without figures: after a start it says when the first ones come. */
export function noFigures({ time, started, counts, history_start: begin }, interval) {
  const none = "No figures in this time range.";
  const { to, live } = timeRange();
  if (!live && to < begin) return `${none} ${beganText(begin, to)}`;
  if (!live || !interval) return none;
  const { unknown, total } = counts;
  if (store.error) return unknownText(unknown);
  if (unknown) return `Collecting: ${plain(unknown)} of ${unknownText(total)}`;
  const first = started + 2 * interval;
  if (time < first) return `Collecting: first values at ${clock(first)}.`;
  if (total && counts.down === total) return `${none} No node responds.`;
  return `${none} They appear after two polls (${duration(2 * interval)}).`;
}

/** For a time range before all that is kept. */
export const beganText = (begin, to) => `History begins at ${minuteOf(begin, to)}.`;

/** What a card keeps of one of its charts. */
function chartOf({ id, label, note, noted, lanes, of, limits }, strip, drawn) {
  const high = lanes.map((lane) => ({ height: LANE_HEIGHT, ...lane }));
  return {
    id,
    of,
    limits,
    noted,
    chart: new Chart({ label, note, legend: true, flags: true, lanes: high, strip, drawn }),
  };
}

/** The card of the four charts; folded at first where there are many nodes. */
export class ChartsCard {
  /**
   * Charts: {id, label, note, noted(history): whether the note applies, lanes, of(history),
   * limits(history)}; `fold` names what is remembered;
   * `strip`: see Chart.
   */
  constructor({ charts, fold = "charts.folded", foldFrom = FOLD_CHARTS_FROM, strip = false }) {
    this.foldName = fold;
    this.foldFrom = foldFrom;
    this.title = h("h2");
    this.drag = h("span", { class: "hint wide-only" }, "Drag to zoom all charts");
    this.zone = h("span", { class: "hint" });
    this.since = h("span", { class: "hint since" });
    this.marks = new MarkLegend(() => this.charts.map(({ chart }) => chart));
    const drawn = () => this.marks.draw();
    this.charts = charts.map((one) => chartOf(one, strip, drawn));
    this.body = h(
      "div",
      { class: "charts" },
      this.charts.map(({ chart }) => chart.element),
    );
    this.note = h("p", { class: "card-note", role: "status", hidden: true });
    this.fold = h(
      "button",
      { type: "button", class: "little bare", onclick: () => this.#fold(!this.body.hidden) },
      "Hide",
    );
    const menu = menuButton(icon("more"), () => this.#menu(), {
      kind: "little bare",
      label: "Actions for the charts",
    });
    this.element = h(
      "section",
      { class: `card charts-card${strip ? " strips" : ""}`, "aria-label": "Charts" },
      h(
        "header",
        { class: "card-head" },
        this.title,
        this.zone,
        this.since,
        this.drag,
        h("span", { class: "spring" }),
        this.marks.element,
        this.fold,
        menu,
      ),
      this.note,
      this.body,
    );
    this.decided = false;
    this.told = null; // the arguments of the last update
  }

  #menu() {
    const open = this.charts.some(({ chart }) => chart.figures.open);
    const label = open ? "Hide the figures" : "Figures as a table";
    return [{ label, image: "page", act: () => this.#showFigures(!open) }];
  }

  #showFigures(open) {
    this.#fold(false);
    for (const { chart } of this.charts) chart.figures.open = open;
  }

  /** The time range; folded, the card says what it is. */
  #drawTitle(span) {
    this.span = span;
    setText(this.title, this.body.hidden ? `Charts · ${span}` : span);
  }

  #fold(folded, kept = true) {
    const opens = this.body.hidden && !folded;
    this.body.hidden = folded;
    setText(this.fold, folded ? "Show" : "Hide");
    this.fold.setAttribute("aria-expanded", String(!folded));
    this.element.classList.toggle("folded", folded);
    if (kept) remember(this.foldName, folded ? "1" : "0");
    if (this.span) this.#drawTitle(this.span);
    if (opens && this.told) this.update(...this.told); // folded charts are not drawn
  }

  /** Show the chart of that name and give it the focus. */
  reveal(id) {
    this.#fold(false);
    const { chart } = this.charts.find((one) => one.id === id);
    chart.element.scrollIntoView({ block: "center" });
    chart.plot.focus({ preventScroll: true });
  }

  update(status, history, marks) {
    if (!this.decided) {
      this.decided = true;
      const folded = status.nodes.length >= this.foldFrom ? "1" : "0";
      this.#fold(recall(this.foldName, folded) === "1", false);
    }
    this.told = [status, history, marks];
    const drawn = this.charts.map(({ of }) => of(history));
    const lines = drawn.flat(2);
    const { start, end } = axisSpan(history.end || status.time);
    const since = history.end && history.isKnown ? sinceText(lines, history) : "";
    this.#drawTitle(spanText(start, end, status.time));
    setText(this.zone, zone(end));
    setText(this.since, since);
    this.drag.hidden = Boolean(since); // there is little room beside the legend
    if (this.body.hidden) return;
    this.charts.forEach(({ chart, limits, noted }, i) => {
      if (noted) chart.note.hidden = !noted(history);
      const series = drawn[i];
      const bars = limits ? limits(history) : [];
      chart.element.hidden = !series.flat().length && history.end > 0;
      const { interval, isKnown } = history;
      chart.update({ series, limits: bars, start, end, interval, marks, isKnown });
    });
    alignPlots(this.charts.map(({ chart }) => chart).filter(({ element }) => !element.hidden));
    this.#explain(status, history);
  }

  #explain(status, { interval, end }) {
    const none = end > 0 && this.charts.every(({ chart }) => chart.element.hidden);
    this.note.hidden = !none;
    if (none) setText(this.note, noFigures(status, interval));
  }

  fail(error) {
    this.note.hidden = false;
    const isKept = this.charts.some(({ chart }) => chart.series.length);
    for (const { chart } of this.charts) chart.element.hidden = !isKept || chart.element.hidden;
    const what = isKept ? "No newer history" : "Not loaded";
    setText(this.note, `${what}: ${error.message}.`);
  }
}
