// Prometheus text of one node: families by prefix, samples with their labels, histograms with
// quantiles.

import { axisSpan, historyQuery } from "../address.js";
import { Chart } from "../chart.js";
import { endOf } from "../chartmath.js";
import { button, fitted, sayMatches, searchBox } from "../controls.js";
import { append, breakable, breakableCall, dotted, h, replace } from "../dom.js";
import { clock, format, parts, plain, plural, serverNow, when } from "../format.js";
import { panelFrame } from "../panel.js";
import { ApiError, getJson, getText, store, subscribe } from "../server.js";
import { DataTable, VIRTUAL_FROM } from "../table.js";
import { metricLabel } from "../words.js";
import { loadEvents, marksOf } from "../views/eventlist.js";
import { AROUND, inPieces, LETTER, PADDING, RowLines } from "./rowlines.js";
import { familyUnit } from "./util.js";

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function number(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** A node's page; where it is on another port, as the frontend's own page has it. */
async function metricsText(ctx) {
  try {
    return await ctx.text("/metrics");
  } catch (error) {
    const { kind, key } = ctx.node();
    if (error.status !== 404 || kind !== "mp") throw error;
    const query = `metrics?node=${encodeURIComponent(key)}`;
    const page = await getText(query, { signal: ctx.signal });
    if (!/^lmcache_mp/m.test(page)) throw error;
    return page.replace(/^(?:# \w+ )?lmcache_frontend_.*\n/gm, "");
  }
}

/** Prometheus text 0.0.4 as [{name, type, help, samples: [{name, labels, value}]}]. */
export function parseMetrics(text) {
  const families = new Map();
  const typed = new Map();
  const family = (name) => {
    if (!families.has(name)) families.set(name, { name, type: "untyped", help: "", samples: [] });
    return families.get(name);
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("# HELP ") || line.startsWith("# TYPE ")) {
      const rest = line.slice(7);
      const space = rest.indexOf(" ");
      const name = space < 0 ? rest : rest.slice(0, space);
      const entry = family(name);
      // Some help texts mark names as code with double backquotes.
      if (line[2] === "H") entry.help = space < 0 ? "" : rest.slice(space + 1).replace(/``/g, "");
      else {
        entry.type = rest.slice(space + 1).trim();
        typed.set(name, entry);
      }
    } else if (line && line[0] !== "#") {
      const match = SAMPLE.exec(line);
      if (!match) continue;
      const labels = {};
      if (match[2])
        for (const [, key, value] of match[2].matchAll(LABEL))
          labels[key] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
      const name = match[1];
      const base = typed.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
      const owner = typed.get(name) || (typed.has(base) ? typed.get(base) : family(name));
      owner.samples.push({ name, labels, value: number(match[3]) });
    }
  }
  return [...families.values()].filter((one) => one.samples.length && !/_created$/.test(one.name));
}

/** Histograms of a family: one per set of labels, with counts by bucket. */
export function histograms(family) {
  const sets = new Map();
  for (const { name, labels, value } of family.samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    if (!sets.has(key)) sets.set(key, { labels: rest, buckets: [], sum: 0, count: 0 });
    const set = sets.get(key);
    if (name.endsWith("_bucket")) set.buckets.push([number(le), value]);
    else if (name.endsWith("_sum")) set.sum = value;
    else if (name.endsWith("_count")) set.count = value;
  }
  for (const set of sets.values()) set.buckets.sort((a, b) => a[0] - b[0]);
  return [...sets.values()];
}

/** A quantile the way Prometheus' histogram_quantile estimates it: linear inside the bucket. */
export function quantile(buckets, q) {
  const total = buckets.length ? buckets[buckets.length - 1][1] : 0;
  if (!total) return null;
  const rank = q * total;
  for (let i = 0; i < buckets.length; i += 1) {
    const [limit, count] = buckets[i];
    if (count < rank) continue;
    if (limit === Infinity) return i ? buckets[i - 1][0] : null;
    const low = i ? buckets[i - 1][0] : 0;
    const before = i ? buckets[i - 1][1] : 0;
    return count === before ? limit : low + ((limit - low) * (rank - before)) / (count - before);
  }
  return null;
}

/** "name=value" of labels, first the one that another frontend adds: it tells rows apart. */
const labelPairs = (labels, names) =>
  [...names]
    .sort((a, b) => (b === "node") - (a === "node"))
    .filter((name) => name in labels)
    .map((name) => `${name}=${labels[name] || '""'}`);
const labelText = (labels, names) => labelPairs(labels, names).join("  ");
/** Labels as elements, so that none is broken over two lines if it fits on one. */
const wholeLabels = (labels, names) =>
  labelPairs(labels, names).map((pair) => [
    h("span", { class: "whole" }, breakableCall(pair)),
    " ",
  ]);
const prefixOf = (name) =>
  name.includes(":")
    ? name.slice(0, name.indexOf(":"))
    : name.startsWith("lmcache_")
      ? name.split("_").slice(0, 2).join("_")
      : name.split("_")[0];
const show = (value, { unit, scale }) =>
  unit === "time" ? when(value) : format(value === null ? null : value * scale, unit);
const COUNTS = ["count", "tokens"]; // units in which a short value and the exact one are alike
const COUNTED = { unit: "count", scale: 1 };
const QUANTILES = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p99", 0.99],
];
const LABEL_COLUMNS = 4; // more labels than that share one column
const RARE = 4; // a label that less than one row in so many has stands under the name
// With more of them there is no room for the help text, which is in the name's title.
const LABELS_BESIDE_HELP = 2;

const observations = (count) =>
  count === 1 ? "1 observation" : `${format(count, "count")} observations`;

/** A quantile as text; one beyond the last bucket's limit is only known to be larger. */
function quantileText(buckets, q, measure) {
  const value = quantile(buckets, q);
  const bounded = buckets.filter(([limit]) => limit !== Infinity);
  const top = bounded.length ? bounded[bounded.length - 1] : null;
  const count = buckets[buckets.length - 1][1];
  const beyond = top && value === top[0] && count * q > top[1];
  return `${beyond ? ">\u00a0" : ""}${show(value, measure)}`;
}

/** "≤ 5 ms" where all observations are in the bucket above 0: quantiles would be invented. */
function allBelow(buckets, measure) {
  const at = buckets.findIndex(([limit]) => limit > 0);
  if (at < 0 || (at && buckets[at - 1][1] > 0)) return "";
  const [limit, count] = buckets[at];
  const isAll = count > 0 && count === buckets[buckets.length - 1][1] && limit !== Infinity;
  return isAll ? `≤\u00a0${show(limit, measure)}` : "";
}

/** What the table says of the observations of a histogram: {brief, shown}. */
function spreadText({ buckets, count, sum }, measure) {
  if (!count) return { brief: "none yet", shown: "no observations" };
  // The sum of one observation is its value; quantiles of it would be invented.
  if (count === 1) {
    const value = show(sum, measure);
    return { brief: value, shown: `${observations(1)} · ${value}` };
  }
  const of = (q) => quantileText(buckets, q, measure);
  const below = allBelow(buckets, measure);
  const spread = below ? `all ${below}` : `p50 ${of(0.5)} · p99 ${of(0.99)}`;
  return {
    brief: below ? spread : `p99 ${of(0.99)}`,
    shown: `${observations(count)} · ${spread}`,
  };
}

const STEP = 3; // seconds between two looks at a sample that is watched

// What the frontend itself remembers of a family with one sample: the chart begins with it.
const REMEMBERED = {
  "lmcache:num_hit_tokens_total": ["hit_tokens_per_second"],
  "lmcache:num_requested_tokens_total": ["requested_tokens_per_second"],
  "lmcache:num_stored_tokens_total": ["stored_tokens_per_second"],
  "lmcache:num_retrieve_requests_total": ["requests_per_second"],
  "lmcache:local_cpu_evict_count_total": ["evictions_per_second"],
  "lmcache:local_cache_usage": ["local_cache_bytes"],
  "lmcache:remote_cache_usage": ["remote_cache_bytes"],
  "lmcache:time_to_retrieve": ["retrieve_p50", "retrieve_p99"],
  "lmcache:time_to_store": ["store_p99"],
  "lmcache:time_to_lookup": ["lookup_p99"],
  lmcache_mp_lookup_requested_tokens_total: ["requested_tokens_per_second"],
  lmcache_mp_lookup_hit_tokens_total: ["hit_tokens_per_second"],
  lmcache_mp_l1_memory_usage_bytes: ["local_cache_bytes"],
};

/** The rows of the table: one per sample, one per set of labels of a histogram or summary. */
export function metricRows(families) {
  return families.flatMap((family) => {
    const measure = familyUnit(family.name, family.help);
    const common = {
      family,
      measure,
      prefix: prefixOf(family.name),
      help: family.help,
      type: family.type,
    };
    if (family.type === "histogram") {
      return histograms(family).map((set) => ({
        ...common,
        id: `${family.name}${JSON.stringify(set.labels)}`,
        name: family.name,
        labels: set.labels,
        value: set.count,
        set,
        ...spreadText(set, measure),
      }));
    }
    return family.samples
      .filter((sample) => !sample.name.endsWith("_created"))
      .map((sample) => {
        const own = family.type === "summary" && sample.name.endsWith("_count") ? COUNTED : measure;
        return {
          ...common,
          measure: own,
          id: `${sample.name}${JSON.stringify(sample.labels)}`,
          name: sample.name,
          labels: sample.labels,
          value: sample.value,
          shown: show(sample.value, own),
        };
      });
  });
}

/**
 * The values that each label has in these rows: labels with one value are said once, the others
 * become columns.
 */
function labelValues(rows) {
  const found = new Map();
  for (const row of rows)
    for (const [name, value] of Object.entries(row.labels))
      found.set(name, (found.get(name) || new Set()).add(value));
  return found;
}

/** How many of these rows have that label. */
const having = (rows, name) => rows.filter((row) => name in row.labels).length;

/** Buckets with their own counts, in the family's unit, without the empty ones at both ends. */
function ownCounts(buckets, scale) {
  const rows = buckets.map(([limit, count], i) => {
    const [low, below] = i ? buckets[i - 1] : [-Infinity, 0];
    return [low * scale, limit * scale, count - below];
  });
  const first = rows.findIndex(([, , count]) => count > 0);
  if (first < 0) return [];
  const last = rows.length - 1 - [...rows].reverse().findIndex(([, , count]) => count > 0);
  return rows.slice(Math.max(0, first - 1), last + 2);
}

/** [name, text] of what observations are known to be: {buckets, count, sum}. */
function spreadFigures({ buckets, count, sum }, measure) {
  if (!count) return [];
  if (count === 1) return [["value", show(sum, measure)]];
  const mean = ["mean", show(sum / count, measure)];
  const below = allBelow(buckets, measure);
  if (below) return [["all", below], mean];
  const quantiles = QUANTILES.map(([name, q]) => [name, quantileText(buckets, q, measure)]);
  return [...quantiles, mean];
}

const spreadLine = (set, measure) =>
  h(
    "p",
    { class: "quantiles" },
    spreadFigures(set, measure).map(([name, text]) => h("span", {}, `${name} `, h("b", {}, text))),
    h("span", {}, plural(set.count, "observation")),
  );

// ---- one metric, opened ----

const PLACE_HEIGHT = 150; // px of a chart
const LIVE_SPAN = 60; // seconds that the live chart shows at least
const RATES = { bytes: "bytes/s", tokens: "tokens/s" };

const isRising = (row) => row.type === "counter" || Boolean(row.set);

/** Unit of a row's live chart: counters are shown as rates. */
function liveUnit(row) {
  const { unit } = row.measure;
  if (isRising(row)) return RATES[unit] || "1/s";
  return unit === "time" ? "count" : unit;
}

function liveLabel(row) {
  if (row.set) return "Observations per second, while this is open";
  return isRising(row) ? "Per second, while this is open" : "Value, while this is open";
}

/** A chart of one sample, asked for again and again while `isOpen()`. */
class LiveChart {
  constructor(ctx, row, isOpen, onset) {
    Object.assign(this, { ctx, row, isOpen, onset });
    const label = liveLabel(row);
    this.chart = new Chart({ label, unit: liveUnit(row), height: PLACE_HEIGHT });
    this.scale = row.set ? 1 : row.measure.scale;
    this.times = [];
    this.values = [];
    this.started = serverNow();
    this.before = null; // [seconds, value] of the last reading, by a clock that is never set
    this.#draw(this.started);
  }

  #draw(now) {
    const wait = `Collecting: first value in ${STEP} s`;
    this.chart.update({
      series: [{ name: this.row.name, times: this.times, values: this.values }],
      start: this.started,
      end: Math.max(this.started + LIVE_SPAN, now),
      interval: STEP,
      emptyText: this.times.length ? "" : wait,
    });
  }

  #take(now, value) {
    if (!isRising(this.row)) {
      this.times.push(now);
      this.values.push(value === null ? null : value * this.scale);
      return;
    }
    const seconds = performance.now() / 1000;
    if (this.before && value !== null) {
      const [then, old] = this.before;
      this.times.push(now);
      // A counter that fell was reset.
      this.values.push(value >= old ? ((value - old) * this.scale) / (seconds - then) : null);
    }
    this.before = value === null ? null : [seconds, value];
  }

  async step() {
    const { ctx, row } = this;
    const gone = () => ctx.signal.aborted || !this.isOpen();
    if (gone()) return;
    const now = serverNow();
    try {
      const found = metricRows(parseMetrics(await metricsText(ctx)));
      if (gone()) return;
      const next = found.find((one) => one.id === row.id);
      this.#take(now, next ? next.value : null);
      if (row.set && next) this.onset(next.set);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.times.push(now);
      this.values.push(null);
    }
    this.#draw(now);
    setTimeout(() => this.step(), STEP * 1000);
  }
}

/** When the first value that a chart from `start` on shows was measured. */
function shownFrom(series, start) {
  const first = ({ times, values }) =>
    times.find((time, i) => time >= start && values[i] !== null) ?? Infinity;
  const from = Math.min(...series.map(first));
  return from === Infinity ? start : from;
}

/** The figures of a row that the frontend keeps a history of, as a chart; null without any. */
async function historyChart(ctx, row, names) {
  const node = encodeURIComponent(ctx.node().key);
  const path = `api/history?node=${node}&metric=${names.join(",")}&${historyQuery()}`;
  const answer = await getJson(path, { signal: ctx.signal });
  const series = answer.series
    .filter((one) => one.values.some((value) => value !== null))
    .map((one) => ({ name: metricLabel(one.metric), times: one.times, values: one.values }));
  if (!series.length) return null;
  const rate = { bytes: "bytes", tokens: "tokens/s" }[row.measure.unit] || "1/s";
  const span = axisSpan(endOf(answer, store.status.time));
  const chart = new Chart({
    label: `History since ${clock(shownFrom(series, span.start))}`,
    unit: row.set ? row.measure.unit : rate,
    height: PLACE_HEIGHT,
    legend: series.length > 1,
  });
  const events = await loadEvents(span, ctx.signal, { node: ctx.node().key });
  const data = { series, ...span, interval: answer.interval, marks: marksOf(events) };
  return { chart, data };
}

/** A limit of a bucket is exact: "10 ms", not "10.0 ms". */
const withoutZeros = (text) => text.replace(/\.0+(?!\d)|(\.\d*[1-9])0+(?!\d)/, "$1");

/** "10 – 20 ms": a bucket by itself; "≤ 20 ms" would be all below, as Prometheus counts. */
function rangeText(low, limit, unit) {
  const text = (value) => withoutZeros(format(value, unit));
  if (low === -Infinity) return limit === Infinity ? "all" : `≤\u00a0${text(limit)}`;
  if (limit === Infinity) return `>\u00a0${text(low)}`;
  const [[from, name], [, other]] = [low, limit].map((value) => parts(value, unit));
  return `${name === other || !low ? withoutZeros(from) : text(low)} – ${text(limit)}`;
}

/** A histogram's buckets as bars: [[lower limit, upper limit, count in it], ...]. */
function barList(rows, unit, label) {
  const most = Math.max(1, ...rows.map(([, , count]) => count));
  const body = rows.map(([low, limit, count]) => {
    const bar = h("i", { class: "bar" });
    bar.style.width = `${(count / most) * 100}%`;
    return h(
      "tr",
      {},
      h("th", { scope: "row", class: "num" }, rangeText(low, limit, unit)),
      h("td", { class: "bar-cell" }, bar),
      h("td", { class: "num" }, plain(count)),
    );
  });
  return h("table", { class: "plain bars", "aria-label": label }, h("tbody", {}, body));
}

/** Quantiles and bars of a histogram: since the node started, and since this was opened. */
class Distribution {
  constructor(row) {
    this.row = row;
    this.base = null; // the first reading after this was opened
    const { set, measure } = row;
    const none = h("p", { class: "muted" }, "Nothing observed since this was opened.");
    this.fresh = h("div", { class: "fresh" }, none);
    const bars = ownCounts(set.buckets, measure.scale);
    const label = `${row.name} since the node started`;
    const all = h(
      "div",
      {},
      h("h3", {}, "Since the node started"),
      spreadLine(set, measure),
      bars.length
        ? barList(bars, measure.unit, label)
        : h("p", { class: "muted" }, "Nothing observed yet."),
    );
    const since = h("div", {}, h("h3", {}, "Since this was opened"), this.fresh);
    this.element = h("div", { class: "halves" }, all, since);
  }

  update(set) {
    this.base = this.base || set;
    const old = this.base.buckets;
    const buckets = set.buckets.map(([limit, all], i) => [limit, all - ((old[i] || [])[1] || 0)]);
    const count = set.count - this.base.count;
    if (count <= 0) return;
    const sum = set.sum - this.base.sum;
    const { measure, name } = this.row;
    const label = `${name} since this was opened`;
    replace(
      this.fresh,
      spreadLine({ buckets, count, sum }, measure),
      barList(ownCounts(buckets, measure.scale), measure.unit, label),
    );
  }
}

/** The panel of one metric, with its charts. */
class Detail {
  constructor(panel) {
    this.panel = panel;
    this.element = h("div");
    this.row = null;
  }

  #close() {
    const { id } = this.row;
    this.row = null;
    replace(this.element);
    const buttons = [...this.panel.root.querySelectorAll("button[data-metric]")];
    const from = buttons.find((one) => one.dataset.metric === id);
    if (from) from.focus();
  }

  /** The value with all its digits, and with its unit; once where that is the same number. */
  #value({ value, shown, measure: { unit, scale } }) {
    const exact = plain(value);
    if (COUNTS.includes(unit) && Number.isFinite(value))
      return h("p", {}, h("b", {}, unit === "tokens" ? `${exact}\u00a0tok` : exact));
    const isExact = unit !== "time" && Number(parts(value * scale, unit)[0]) === value;
    const more = isExact ? null : h("span", { class: "muted" }, ` reported as ${exact}`);
    return h("p", {}, h("b", {}, shown), more);
  }

  open(row) {
    this.row = row;
    const close = button("Close", () => this.#close(), { kind: "small" });
    const area = h("div", { class: "charts" });
    const labels = wholeLabels(row.labels, Object.keys(row.labels));
    const distribution = row.set ? new Distribution(row) : null;
    replace(
      this.element,
      h(
        "section",
        { class: "panel", "aria-label": row.name },
        h(
          "header",
          { class: "panel-head" },
          h("h2", { class: "mono" }, row.name),
          h("div", { class: "panel-tools" }, close),
        ),
        h("p", { class: "muted" }, row.help || "No help text."),
        labels.length ? h("p", { class: "mono muted labels" }, labels) : null,
        distribution ? distribution.element : this.#value(row),
        area,
      ),
    );
    this.#watch(row, area, (set) => distribution.update(set));
    this.element.scrollIntoView({ block: "nearest" });
    close.focus({ preventScroll: true });
  }

  #watch(row, area, onset) {
    const isOpen = () => this.row === row;
    const live = new LiveChart(this.panel.ctx, row, isOpen, onset);
    area.append(live.chart.element);
    const names = row.family.samples.length === 1 || row.set ? REMEMBERED[row.name] : null;
    if (names) this.#showHistory(row, names, area);
    live.step();
  }

  async #showHistory(row, names, area) {
    try {
      const found = await historyChart(this.panel.ctx, row, names);
      if (!found || this.row !== row) return;
      area.prepend(found.chart.element);
      found.chart.update(found.data);
    } catch (error) {
      // Without a response there is still the live chart.
      if (!(error instanceof ApiError) && error.name !== "AbortError") throw error;
    }
  }
}

// ---- the table ----

// Widths of the table's columns in px. What they leave is the help's, or else the name's.
const LABEL_WIDTHS = { least: 110, most: 260 };
const NAME_WIDTHS = { least: 200, beside: 392, most: 440 };
const SPREAD_WIDTHS = { beside: 226, most: 246 };
const ROOMY = { name: 1080, spread: 940 }; // px of the table from which they have the most

/** A label as the head of its column: "Cache salt" of cache_salt. */
const labelHead = (name) => name[0].toUpperCase() + name.slice(1).replace(/_/g, " ");

/** A column as wide as its longest value; one that is longer yet keeps both its ends. */
const labelColumn = (panel, name) => ({
  id: `label ${name}`,
  label: labelHead(name),
  title: `Label ${name}`,
  cls: "mono",
  get width() {
    const need = (panel.letters.get(name) || 0) * LETTER + PADDING;
    return Math.max(LABEL_WIDTHS.least, Math.min(need, LABEL_WIDTHS.most));
  },
  // It tells the rows of a frontend apart.
  drop: name === "node" ? 1 : 2,
  value: (row) => row.labels[name] ?? "",
  sig: (row) => row.labels[name] ?? null,
  render: (row) => (name in row.labels ? fitted(row.labels[name] || '""') : " "),
  tip: (row) => row.labels[name] || "",
});

const nameButton = (panel, row) =>
  h(
    "button",
    {
      type: "button",
      class: "plain-link mono",
      title: row.help ? `${row.name}: ${row.help}` : row.name,
      dataset: { metric: row.id },
      onclick: () => panel.detail.open(row),
    },
    panel.heightOf(row) ? inPieces(row.name) : breakable(row.name),
  );

const nameColumn = (panel) => ({
  id: "name",
  label: "Name",
  head: true,
  cls: "mono labelled",
  get width() {
    const { least, beside, most } = NAME_WIDTHS;
    const need = panel.longest * LETTER + PADDING;
    return Math.max(least, Math.min(need, panel.room < ROOMY.name ? beside : most));
  },
  narrow: 176,
  get grow() {
    return !panel.table.fit.shows("help");
  },
  value: (row) => row.name,
  sig: (row) => `${row.id} ${panel.heightOf(row)}`,
  render: (row, fit) => {
    const labels = labelsBelow(panel, row, fit);
    const parts = [nameButton(panel, row), labels];
    const height = panel.heightOf(row);
    if (!height) return parts;
    if (labels) labels.style.width = `${panel.lines.labelRoom}px`;
    const lines = h("div", { class: "row-lines" }, parts);
    lines.style.height = `${height - AROUND}px`;
    return lines;
  },
});

/** The count of a histogram, and below it a line with its quantiles; none of them is broken. */
function spreadParts({ shown }) {
  const [first, ...quantiles] = shown.split(" · ");
  const count = h("span", { class: "gap" }, first);
  if (!quantiles.length) return count;
  return [count, " ", h("span", { class: "cell-more" }, dotted(quantiles))];
}

/** Names of the labels whose columns have no room. */
const hiddenLabels = (panel, fit) =>
  fit.shows("labels") ? [] : panel.varying.filter((name) => !fit.shows(`label ${name}`));

function labelsBelow(panel, row, fit) {
  const labels = wholeLabels(row.labels, hiddenLabels(panel, fit));
  return labels.length ? h("span", { class: "cell-more labels muted" }, labels) : null;
}

function factColumns(panel) {
  return [
    {
      id: "labels",
      label: "Labels",
      cls: "mono",
      width: 220,
      drop: 1,
      grow: true,
      value: (row) => labelText(row.labels, panel.labelNames),
      text: (row) => labelText(row.labels, panel.labelNames) || " ",
      tip: (row) => labelText(row.labels, panel.labelNames),
    },
    {
      id: "help",
      label: "Help",
      cls: "muted wrap",
      width: 240,
      drop: 4,
      grow: true,
      value: (row) => row.help,
      text: (row) => row.help || " ",
      tip: (row) => row.help,
    },
    { id: "type", label: "Type", width: 82, drop: 3, value: (row) => row.type },
    {
      id: "value",
      label: "Value",
      num: true,
      cls: "wrap",
      get width() {
        if (!panel.spread) return 126;
        return panel.room < ROOMY.spread ? SPREAD_WIDTHS.beside : SPREAD_WIDTHS.most;
      },
      get narrow() {
        return panel.long ? 126 : 112; // the rows of a long table have one line
      },
      find: false,
      value: (row) => row.value,
      sig: (row) => row.shown,
      render: (row, fit) => (row.set && !fit.tight ? spreadParts(row) : row.brief || row.shown),
      tip: (row) => (row.set ? row.shown : plain(row.value)),
    },
  ];
}

/** How many rows have each prefix; with `test` only those that pass. */
function prefixCounts(rows, test = () => true) {
  const counts = new Map();
  for (const row of rows) if (test(row)) counts.set(row.prefix, (counts.get(row.prefix) || 0) + 1);
  return counts;
}

/** The prefix with the most of LMCache's own rows, less what is there for old readers alone. */
function firstPrefix(rows) {
  const isOwn = (row) => row.prefix.startsWith("lmcache") && !/^deprecated/i.test(row.help || "");
  const own = prefixCounts(rows, isOwn);
  return [...own.keys()].sort((a, b) => own.get(b) - own.get(a))[0] || "";
}

class Metrics {
  constructor(root, ctx) {
    this.root = root;
    this.ctx = ctx;
    this.rows = [];
    this.labelNames = [];
    this.varying = []; // labels of the rows shown that have more than one value
    this.spread = false; // a row shown is a histogram: its value is a count and quantiles
    this.long = false; // the rows shown are more than a table keeps in the page
    this.longest = 0; // letters of the longest name of the rows shown
    this.letters = new Map(); // label -> letters of the longest value of the rows shown
    this.prefix = null;
    this.table = null;
    this.lines = null; // of the rows of the table, where it is long
    this.detail = new Detail(this);
    this.shared = h("p", { class: "family-help" });
    this.found = searchBox("Search metrics", (text) => {
      if (!this.table) return 0;
      this.table.search(text);
      return this.table.shown.length;
    });
    this.found.classList.add("wide");
    const label = "Families by prefix";
    this.prefixes = h("div", { class: "chips", role: "group", "aria-label": label });
    this.zeroBox = h("input", { type: "checkbox", onchange: () => this.#filter() });
    this.frame = panelFrame({
      title: "Metrics",
      note: "latest values, regardless of the time range",
      path: "/metrics",
      ctx,
      load: async () => {
        const raw = await metricsText(ctx);
        return { data: raw, raw };
      },
      render: (text, body) => this.#render(text, body),
    });
    this.frame.element.classList.add("metrics");
    subscribe(() => this.#checkNote(), ctx.signal);
    this.#checkNote();
  }

  /** What was loaded before the server or the node went away is not current. */
  #checkNote() {
    const note = this.frame.element.querySelector(".panel-head > p");
    note.hidden = Boolean(store.error) || this.ctx.node().state === "down";
  }

  /** The height of a row in px; 0 where it is as high as what is in it. */
  heightOf(row) {
    return this.table.isVirtual ? this.lines.height(row) : 0;
  }

  /** The room of the table in px. */
  get room() {
    return this.table.element.clientWidth;
  }

  #filter() {
    const { prefix } = this;
    for (const chip of this.prefixes.children)
      chip.setAttribute("aria-pressed", String(chip.dataset.prefix === prefix));
    const inGroup = this.rows.filter((row) => !prefix || row.prefix === prefix);
    const values = labelValues(inGroup);
    const isRare = (name) => having(inGroup, name) * RARE < inGroup.length;
    const varies = (name) => values.get(name).size > 1 || isRare(name);
    this.varying = this.labelNames.filter((name) => values.has(name) && varies(name));
    this.spread = inGroup.some((row) => row.set);
    this.long = inGroup.length > VIRTUAL_FROM;
    this.longest = Math.max(0, ...inGroup.map((row) => row.name.length));
    const most = (texts) => Math.max(...[...texts].map(({ length }) => length));
    this.letters = new Map([...values].map(([name, texts]) => [name, most(texts)]));
    this.#showShared(values);
    this.#chooseColumns(inGroup);
    const zeros = !this.zeroBox.checked;
    this.table.filter((row) => (!prefix || row.prefix === prefix) && (zeros || row.value !== 0));
    sayMatches(this.found, this.table.shown.length);
  }

  #showShared(values) {
    const single = [...values].filter(([name]) => !this.varying.includes(name));
    const once = Object.fromEntries(single.map(([name, all]) => [name, [...all][0]]));
    this.shared.hidden = !single.length;
    const labels = wholeLabels(once, Object.keys(once));
    replace(this.shared, "Common labels: ", h("span", { class: "mono labels" }, labels));
  }

  #chooseColumns(inGroup) {
    const common = this.varying.filter((name) => having(inGroup, name) * RARE >= inGroup.length);
    const apart = common.length <= LABEL_COLUMNS ? common : [];
    const isTogether = common.length > apart.length;
    this.table.setColumns([
      "name",
      ...apart.map((name) => `label ${name}`),
      ...(isTogether ? ["labels"] : []),
      ...(isTogether || apart.length > LABELS_BESIDE_HELP ? [] : ["help"]),
      "type",
      "value",
    ]);
  }

  #chip(name, count) {
    const choose = () => {
      this.prefix = name;
      this.#filter();
    };
    return h(
      "button",
      { type: "button", class: "small", dataset: { prefix: name }, onclick: choose },
      name || "All",
      " ",
      h("span", { class: "muted" }, plain(count)),
    );
  }

  #render(text, body) {
    this.rows = metricRows(parseMetrics(text));
    this.labelNames = [...labelValues(this.rows).keys()].sort();
    const counts = prefixCounts(this.rows);
    if (this.prefix === null) this.prefix = firstPrefix(this.rows);
    if (!counts.has(this.prefix)) this.prefix = "";
    const chips = [["", this.rows.length], ...[...counts].sort()];
    replace(
      this.prefixes,
      chips.map(([name, count]) => this.#chip(name, count)),
    );
    const labels = this.labelNames.map((name) => labelColumn(this, name));
    this.table = new DataTable({
      label: "Metrics",
      columns: [nameColumn(this), ...labels, ...factColumns(this)],
      key: (row) => row.id,
      onrow: (row) => this.detail.open(row),
      emptyText: "This node reports no metrics.",
      rowHeight: (row) => this.lines.height(row),
    });
    const below = (row) => labelPairs(row.labels, hiddenLabels(this, this.table.fit));
    this.lines = new RowLines(this.table, below);
    const zeros = h("label", {}, this.zeroBox, "Hide zeros");
    const tools = h("div", { class: "tools" }, this.found, this.prefixes, zeros);
    append(body, tools, this.shared, this.table.element);
    this.table.update(this.rows);
    this.table.search(this.found.querySelector("input").value);
    this.#filter();
  }
}

export function mount(root, ctx) {
  const metrics = new Metrics(root, ctx);
  root.append(metrics.detail.element, metrics.frame.element);
}
