// The table of the cluster: instances with their sums, worst first, and the nodes of each below
// it.

import { chartSpan, historyQuery, timeRange } from "../address.js";
import { sparkline } from "../chart.js";
import { isNumber, outliersOf, slots } from "../chartmath.js";
import {
  fitted,
  meter,
  nodeLink,
  outlierTag,
  outlierText,
  stateMark,
  timesText,
} from "../controls.js";
import { h } from "../dom.js";
import {
  byName,
  columnParts,
  columnStep,
  csvText,
  format,
  NONE,
  plain,
  plural,
} from "../format.js";
import { frontendsOf, getJson, recall, store } from "../server.js";
import { DataTable, TWO_LINES } from "../table.js";
import {
  kindName,
  metricHelp,
  metricLabel,
  metricUnit,
  STATE_ORDER,
  stateRank,
  worstState,
} from "../words.js";
import { allAlerts, instanceOf } from "./alerts.js";

const MOST_TOLD = 6; // alerts or ranks in a tooltip
const LINE = 32; // px, a row of one line
const MOST_DRAWN = 80; // lines that are all in the DOM: a dozen figures in each take their time
const OPEN_AT_FIRST = 12; // the worst instance is unfolded when it has at most so many nodes
const WORTH_TELLING = 1.25; // the highest rank against the lowest
const MOST_TRENDS = 64; // rows whose past is asked for at once
const TREND_POINTS = 40;
const FIRST_TRENDS = 3500; // ms that the first ones of a large fleet wait for all else

// ---- instances ----

const SPREAD = ["retrieve_p99", "local_cache_bytes", "evictions_per_second", "failures_per_second"];

/** An engine and its ranks may be reported apart, under one name: they are one instance. */
function joinedByName(instances) {
  const names = new Map();
  for (const one of instances) {
    const old = names.get(one.name);
    names.set(one.name, old ? joined(old, one) : one);
  }
  return [...names.values()];
}

function joined(a, b) {
  const [main, other] = a.nodes.length >= b.nodes.length ? [a, b] : [b, a];
  const known = Object.entries(main.metrics).filter(([, value]) => value !== null);
  return {
    ...main,
    engine: main.engine || other.engine,
    kinds: [...new Set([...main.kinds, ...other.kinds])],
    nodes: [...main.nodes, ...other.nodes],
    missing_ranks: [], // one may have what the other has not
    metrics: { ...other.metrics, ...Object.fromEntries(known) },
  };
}

/** What is made of a status once: several parts of the page ask for it at each update. */
function oncePerStatus(make) {
  const made = new WeakMap();
  return (status) => {
    if (!made.has(status)) made.set(status, make(status));
    return made.get(status);
  };
}

/** An instance whose state is that of its nodes as the status lists them, a moment later. */
function withState(instance) {
  const nodes = instance.nodes.map((key) => store.byKey.get(key)).filter(Boolean);
  return nodes.length ? { ...instance, state: worstState(nodes) } : instance;
}

/** The instances of a status by name, each with all its nodes, wherever they are. */
export const instancesOf = oncePerStatus((status) =>
  joinedByName(status.instances)
    .map(withState)
    .sort((a, b) => byName(a.name, b.name)),
);

/** Those that are far from the others of their model: name -> see `outliersOf`. */
export const outliersIn = oncePerStatus((status) => outliersOf(instancesOf(status), status.uptime));

/** Name of an instance, or key of a node -> its active alerts. */
const alertsIn = oncePerStatus((status) => {
  const found = new Map();
  for (const alert of allAlerts(status)) {
    if (alert.silence || alert.severity === "info") continue;
    for (const name of new Set([instanceOf(alert), alert.node]))
      if (name) found.set(name, [...(found.get(name) || []), alert]);
  }
  return found;
});

/** Whether it has no engine: an MP server by itself is listed as an instance, too. */
export const isMpServer = ({ kinds }) => kinds.every((kind) => kind === "mp");

/** How many there are: "165 instances" and "8 MP servers", as far as there are any. */
export function instanceWords(instances, nodes) {
  const engines = instances.filter((one) => !isMpServer(one)).length;
  const servers = nodes.filter(({ kind }) => kind === "mp").length;
  const words = [engines && plural(engines, "instance"), servers && plural(servers, "MP server")];
  return words.filter(Boolean);
}

/** The alerts on these names: {text: "evictions rising" or "2 alerts", title}; null without. */
export function alertsOn(status, names) {
  const known = alertsIn(status);
  const alerts = new Set(names.flatMap((name) => known.get(name) || []));
  if (!alerts.size) return null;
  const rules = new Set([...alerts].map(({ rule }) => rule));
  const [rule] = rules;
  const words = rule.replace(/_/g, " ").replace(/^l2/, "L2");
  const title = [...alerts].slice(0, MOST_TOLD).map((alert) => alert.text);
  return { text: rules.size > 1 ? plural(rules.size, "alert") : words, title: title.join("\n") };
}

// ---- rows ----

const ROLE_RANK = { worker: 0, scheduler: 1, engine: 2 };

function nodeRow(node, instance) {
  return {
    key: node.key,
    node,
    instance,
    state: node.state,
    name: node.key,
    kind: node.kind,
    model: node.model || "",
    metrics: node.metrics || {},
    spread: {},
    nodes: [],
    alone: !instance,
  };
}

const isRank = (row) => Boolean(row.node && row.instance && !row.alone);

function instanceRow(instance, outlier) {
  const nodes = instance.nodes.map((key) => store.byKey.get(key)).filter(Boolean);
  const single = nodes.length === 1 ? nodes[0] : null;
  if (single) return { ...nodeRow(single, null), instance, outlier };
  return {
    ...instance,
    outlier,
    key: `i:${instance.name}`,
    node: null,
    instance,
    nodes,
    kind: "instance",
  };
}

/** The rows of the table: instances, and nodes that belong to none. */
export function rowsOf(status) {
  const instances = instancesOf(status);
  const inside = new Set(instances.flatMap((one) => one.nodes));
  const others = status.nodes.filter((node) => !inside.has(node.key));
  const outliers = outliersIn(status);
  const rows = instances.map((one) => instanceRow(one, outliers.get(one.name)));
  others.sort((a, b) => byName(a.key, b.key)); // the order that they have at the side
  rows.push(...others.map((node) => nodeRow(node, null)));
  const steps = stepsOf(rows);
  for (const row of rows) row.steps = steps;
  return rows;
}

/** Figure -> what the rates in its column have in common. */
function stepsOf(rows) {
  const step = ({ id }) => {
    const values = rows.map(({ metrics }) => metrics[id]).filter(isNumber);
    return [id, columnStep(metricUnit(id), Math.max(0, ...values))];
  };
  return Object.fromEntries(FIGURE_COLUMNS.map(step));
}

/** The rows of an instance's nodes, which are made once: a table asks for them several times. */
function childrenOf(row) {
  row.children ||= [...row.nodes]
    .sort(
      (a, b) =>
        (STATE_ORDER[a.state] ?? 2) - (STATE_ORDER[b.state] ?? 2) ||
        (ROLE_RANK[a.kind] ?? 9) - (ROLE_RANK[b.kind] ?? 9) ||
        byName(a.key, b.key),
    )
    .map((node) => ({ ...nodeRow(node, row.instance), steps: row.steps }));
  return row.children;
}

const STATE_WEIGHT = 1e6; // of a state against one point of the hit rate

/** Worst first, by whole points of the hit rate: rows do not change places at each update. */
const badness = (row) => {
  const hits = row.metrics.lookup_hit_rate;
  const points = isNumber(hits) ? Math.round(hits * 100) : 200;
  return stateRank(row.state, row.nodes) * STATE_WEIGHT + (isRank(row) ? 0 : points);
};

/** The spread of a figure when it says something: an instance of several ranks. */
function spreadFor(row, name) {
  const spread = !row.node && row.spread && SPREAD.includes(name) ? row.spread[name] : null;
  return spread && spread.max > spread.min * WORTH_TELLING ? spread : null;
}

/** What makes a rank or an instance irregular in one figure: its {median}, or null. */
function oddness(row, name) {
  if (row.outlier && row.outlier.figure === name) return row.outlier;
  const spread = row.node && row.instance && row.instance.spread ? row.instance.spread[name] : null;
  if (!spread || spread.outlier !== row.key || !isNumber(row.metrics[name])) return null;
  return spread;
}

/** In what a row is far from its peers, [{figure, value, median}, peers]; null when in nothing. */
function farFrom(row) {
  if (row.outlier) return [row.outlier, "model"];
  const spread = row.node && row.instance ? row.instance.spread || {} : {};
  const figure = SPREAD.find((name) => spread[name] && spread[name].outlier === row.key);
  if (!figure) return null;
  const value = row.metrics[figure] ?? null;
  return [{ figure, value, median: spread[figure].median }, "instance"];
}

// ---- cells ----

/** A figure with its unit, as its column has it. */
export const withUnit = (value, unit, step) => {
  const [number, word] = columnParts(value, unit, step);
  const glued = word.startsWith("/") || word === "%" || word === "";
  return [number, word ? h("span", { class: `u${glued ? " per" : ""}` }, word) : null];
};

/** A figure below another one: its unit is left out where both have the same. */
function below(value, unit, above, step) {
  const [text, word] = columnParts(value, unit, step);
  return value === 0 || word === columnParts(above, unit, step)[1] ? text : format(value, unit);
}

/** "ranks 84 – 412"; "990 µs – 4.80" has no room for more. */
function spreadText(spread, value, unit, step) {
  const [min, max] = [spread.min, spread.max].map((one) => below(one, unit, value, step));
  const hasUnit = (text) => text.includes("\u00a0");
  return `${hasUnit(min) || hasUnit(max) ? "" : "ranks "}${min} – ${max}`;
}

function oddText(value, median) {
  const times = timesText({ value, median });
  return times ? `${times} median` : "median 0";
}

/** What only a process with a cache measures: a scheduler counts failures, too. */
const CACHE_FIGURES = [
  "lookup_hit_rate",
  ...SPREAD.filter((name) => name !== "failures_per_second"),
];

/** Whether a row is of a kind that has the figures of a cache and up, or has one. */
const hasFigures = (row) =>
  !row.node ||
  (["mp", "worker"].includes(row.kind) && !["down", "unknown"].includes(row.state)) ||
  CACHE_FIGURES.some((name) => isNumber(row.metrics[name]));

/** A figure, and below it the spread over the ranks or the median that it is far from. */
function figureCell(row, name, show = withUnit) {
  const unit = metricUnit(name);
  const value = row.metrics[name] ?? null;
  if (!isNumber(value)) return hasFigures(row) ? NONE : "";
  const spread = spreadFor(row, name);
  const odd = oddness(row, name);
  const step = row.steps[name];
  const more = odd
    ? oddText(value, odd.median)
    : spread
      ? spreadText(spread, value, unit, step)
      : "";
  return [
    h("span", { class: odd ? "outlier" : null }, show(value, unit, step, row)),
    more ? h("span", { class: odd ? "spread why" : "spread" }, more) : null,
  ];
}

const cellSignature = (row, name) =>
  JSON.stringify([
    row.metrics[name] ?? hasFigures(row),
    row.steps[name],
    spreadFor(row, name),
    oddness(row, name)?.median,
  ]);

const figure = (name, more = {}) => ({
  id: name,
  label: metricLabel(name),
  num: true,
  width: 96,
  find: false,
  title: metricHelp(name),
  value: (row) => row.metrics[name] ?? null,
  text: (row) => format(row.metrics[name] ?? null, metricUnit(name)),
  sig: (row) => cellSignature(row, name),
  render: (row) => figureCell(row, name),
  ...more,
});

export function memoryText(value, unit, step, row) {
  const limit = row.metrics.local_cache_limit_bytes;
  const share = limit ? [" · ", plain(Math.round((100 * value) / limit)), "%"] : null;
  const bar = limit ? meter(value, limit, `L1 memory of ${row.name}`) : null;
  return [bar, h("span", { class: "meter-text" }, withUnit(value, unit, step), share)];
}

/** What a node does whose figures have no column: one line beside its name. */
function nodeFacts(row) {
  const { metrics: m, kind } = row;
  const facts = {
    scheduler: [isNumber(m.queue_size) ? `queue ${plain(m.queue_size)}` : ""],
    engine: [
      isNumber(m.ttft_p50) ? `TTFT p50 ${format(m.ttft_p50, "seconds")}` : "",
      isNumber(m.gpu_prefix_hit_rate) ? `GPU prefix ${format(m.gpu_prefix_hit_rate, "ratio")}` : "",
      isNumber(m.running_requests) ? `${plain(Math.round(m.running_requests))} running` : "",
      isNumber(m.waiting_requests) ? `${plain(Math.round(m.waiting_requests))} waiting` : "",
    ],
  };
  return (facts[kind] || []).filter(Boolean).join(" · ");
}

export const rankOf = (node) => {
  const found = /^worker\D*(\d+)$/.exec(node.role || "") || /worker_?(\d+)$/.exec(node.name || "");
  return found ? `rank ${found[1]}` : "";
};

/** The ranks of an instance's engine that are not among its nodes, as far as that is known. */
const missingOf = (row) => (isRank(row) || !row.instance ? [] : row.instance.missing_ranks || []);

function missingTag(ranks) {
  const text = ranks.length > 1 ? `${ranks.length} ranks missing` : `rank ${ranks[0]} missing`;
  const names = ranks.slice(0, MOST_TOLD).join(", ") + (ranks.length > MOST_TOLD ? ", …" : "");
  const title = `No node here is rank ${names}: not listed, or down when this frontend started`;
  const spoken = h("span", { class: "visually-hidden" }, title);
  return h("span", { class: "tag", title }, h("span", { "aria-hidden": "true" }, text), spoken);
}

/** What stands in grey beside a name. */
function besideName(row) {
  if (!row.node) {
    const ranks = row.nodes.filter(rankOf).length;
    const size = ranks + missingOf(row).length;
    const engine = (row.engine || "").split(" ")[0];
    return [engine, size > 1 ? `TP ${size}` : ""].filter(Boolean).join(", ");
  }
  const kind = kindName(row.kind);
  const rank = row.kind === "worker" && isRank(row) ? rankOf(row.node) : "";
  return [rank || kind, hasFigures(row) ? "" : nodeFacts(row)].filter(Boolean).join(" · ");
}

/** The engine and its ranks are apart: the ranks are out of sight first. */
const besideSpans = (row) =>
  (row.node ? [besideName(row)] : besideName(row).split(", ")).map((text) =>
    h("span", { class: "beside" }, text),
  );

/** The name of a rank without what its instance's name says already. */
function shortName(row) {
  const name = row.node.key;
  if (!isRank(row)) return name;
  // All of them may be behind one other frontend, whose name is before theirs.
  const before = name.slice(0, name.lastIndexOf("/") + 1);
  const isShared = row.instance.nodes.every((key) => key.startsWith(before));
  const prefix = (isShared ? before : "") + row.instance.name;
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  return /^[_-]?[A-Za-z]/.test(rest) ? rest.replace(/^[_-]/, "") : name;
}

function stateText(row) {
  if (row.node) return row.state;
  const bad = row.nodes.filter((node) => node.state === row.state).length;
  if (row.state === "up" || !bad) return row.state;
  return `${bad} of ${row.nodes.length} ${row.state}`;
}

// ---- the table ----

/** The columns after the state and the name. */
const FIGURE_COLUMNS = [
  { id: "model", label: "Model", width: 130, off: true, value: (row) => row.model },
  { id: "version", label: "Version", width: 90, off: true, value: (row) => versionOf(row) },
  figure("lookup_hit_rate", { lowFirst: true, width: 88, narrow: 64 }),
  figure("hit_tokens_per_second", { label: "From cache", width: 90, drop: 3 }),
  figure("retrieve_p99", {
    label: "Retrieve p99",
    width: 108,
    narrow: 96,
    title:
      "99 of 100 retrievals are faster. An instance has the p99 of its slowest rank, because " +
      "the others wait for it.",
  }),
  {
    ...figure("local_cache_bytes", { width: 186, drop: 2 }),
    sig: (row) =>
      `${cellSignature(row, "local_cache_bytes")}${row.metrics.local_cache_limit_bytes}`,
    render: (row) => figureCell(row, "local_cache_bytes", memoryText),
  },
  figure("evictions_per_second", { width: 112, drop: 4 }),
  figure("failures_per_second", { width: 86, drop: 4 }),
  figure("ttft_p50", { width: 92, off: true }),
  figure("store_p99", { width: 92, off: true }),
  figure("stored_tokens_per_second", { label: "Stored", width: 104, off: true }),
  figure("running_requests", { label: "Running", width: 84, off: true }),
  figure("waiting_requests", { label: "Waiting", width: 84, off: true }),
  {
    ...figure("latency", { label: "Response time", width: 112, off: true }),
    value: (row) => (row.node ? row.node.latency : null),
    text: (row) => format(row.node ? row.node.latency : null, "seconds"),
    sig: undefined,
    render: undefined,
  },
  {
    id: "trend",
    label: "Hit rate trend",
    num: true,
    width: 100,
    drop: 5,
    sort: false,
    find: false,
    title: "over the page’s time range",
    value: () => 0,
    sig: (row) => trendOf(row).join(),
    render: (row) => trendCell(row),
  },
];

/** The figures of nodes that only these columns show: a status has them when it is asked to. */
export const ON_DEMAND = ["store_p99", "stored_tokens_per_second", "latency"];

/** The columns that the viewer chose; null for the standard ones. */
export const chosenColumns = () => JSON.parse(recall("columns", "null"));

/** What the table needs of these for the chosen columns, and for an order of the address. */
export const columnFigures = (sort = "") =>
  ON_DEMAND.filter((name) => [...(chosenColumns() || []), sort.replace("-", "")].includes(name));

const STANDARD_ORDER = { id: "state", down: false };

/**
 * Builds and keeps the table. `selection` is called when the chosen nodes change, `onsort(order)`
 * with the order as the address has it.
 */
export class InstanceTable {
  constructor({ selection, onsort, columns, width }) {
    this.started = false;
    this.trendTimer = 0;
    this.table = new DataTable({
      label: "Instances",
      columns: this.#columns(),
      key: (row) => row.key,
      sort: STANDARD_ORDER,
      onsort: () => onsort(this.order),
      tall: true,
      width,
      emptyText: "No nodes yet.",
      rowHeight: (row) => (this.#isTall(row) ? TWO_LINES : LINE),
      virtualFrom: MOST_DRAWN,
      children: childrenOf,
      rowClass: (row) => this.#classOf(row),
      select: {
        set: store.selected,
        name: (row) => row.name,
        changed: selection,
        members: (row) =>
          row.node ? [row.key] : this.table.fittingChildren(row).map(({ key }) => key),
      },
      onpaint: () => this.#followTrends(),
      onrow: (row) => {
        if (row.node) location.hash = nodeLink(row.node);
        else this.table.toggle(row.key);
      },
    });
    this.element = this.table.element;
    this.setColumns(columns);
  }

  /** The nodes that the search lets through, whatever the filter says. */
  get searched() {
    const { table } = this;
    const found = (row) => (row.node && table.hasWords(row) ? row : table.searched(row));
    return table.all.flatMap(found).map(({ node }) => node);
  }

  /** What stands beside a node: the address that it was found by, or its error. */
  #reason(row) {
    return addressFor(row, this.table.words) || (row.node && row.node.error);
  }

  #isTall(row) {
    // The tag may need a line of its own.
    if (farFrom(row) || missingOf(row).length) return true;
    if (this.table.fit.tight) return Boolean(this.#reason(row));
    return [...SPREAD, "lookup_hit_rate"].some(
      (name) => this.table.fit.shows(name) && (spreadFor(row, name) || oddness(row, name)),
    );
  }

  #classOf(row) {
    const level = isRank(row) ? "rank" : row.node ? "instance single" : "instance";
    const gone = row.node && row.state === "down" ? "gone" : "";
    const facts = hasFigures(row) ? "" : "facts-beside";
    return [level, facts, this.#isTall(row) ? "two-lines" : "", gone].filter(Boolean).join(" ");
  }

  #columns() {
    return [
      {
        id: "state",
        label: "State",
        width: 142,
        narrow: 34,
        value: badness,
        search: (row) => row.state,
        sig: stateText,
        render: (row) => stateCell(row),
      },
      {
        id: "name",
        label: "Name",
        width: 178,
        narrow: 104,
        grow: true,
        head: true,
        value: (row) => row.name,
        search: (row) => namesOf(row) + addressFor(row, this.table.words),
        sig: (row) => this.#nameSignature(row),
        tip: (row) => [row.name, besideName(row)].filter(Boolean).join(" · "),
        render: (row) => this.#nameCell(row),
      },
      ...FIGURE_COLUMNS,
    ];
  }

  #nameSignature(row) {
    const folded = !this.table.isOpen(row);
    const far = farFrom(row);
    return [
      row.key,
      besideName(row),
      missingOf(row),
      far ? outlierText(...far) : "",
      row.node ? [this.#reason(row), row.node.error] : folded,
    ].join("|");
  }

  #nameCell(row) {
    const far = farFrom(row);
    const missing = missingOf(row);
    const outlier = far ? outlierTag(...far) : null;
    const tag = missing.length ? missingTag(missing) : outlier;
    const rank = row.kind === "worker" && isRank(row) ? rankOf(row.node) : "";
    // Beside a tag the first of what stands beside a name is enough.
    const beside = tag ? besideSpans(row).slice(0, 1) : besideSpans(row);
    const name = tag ? "row-name far" : "row-name";
    if (!row.node) {
      const open = this.table.isOpen(row);
      const fold = h(
        "button",
        {
          type: "button",
          class: "fold",
          "aria-expanded": String(open),
          title: `${open ? "Hide" : "Show"} the nodes of ${row.name}`,
          onclick: () => this.table.toggle(row.key),
        },
        h("span", { class: "fold-mark", "aria-hidden": "true" }),
        fitted(row.name),
      );
      return h("div", { class: name }, fold, beside, tag);
    }
    const { node } = row;
    const link = h("a", { href: nodeLink(node), title: node.key }, fitted(shortName(row)));
    const reason = this.#reason(row);
    const { error } = node;
    const text =
      reason === error
        ? [rank, error].filter(Boolean).join(" · ")
        : [fitted(reason), error && ` · ${error}`];
    const more = reason
      ? [reason === error && tag, h("span", { class: "reason", title: reason }, text)]
      : [beside, tag];
    return h("div", { class: name }, link, more);
  }

  setColumns(ids) {
    const standard = this.#standard();
    this.table.setColumns(ids ? ["state", "name", ...ids] : standard, Boolean(ids));
  }

  #standard() {
    return this.table.options.columns.filter((column) => !column.off).map((column) => column.id);
  }

  /** The columns that may be chosen. */
  get choices() {
    return this.table.options.columns.filter(({ id }) => id !== "state" && id !== "name");
  }

  update(status) {
    const rows = rowsOf(status);
    if (!this.started && rows.length) {
      this.started = true;
      this.#openWorst(rows);
    }
    this.table.update(rows);
  }

  /** Ask for the trends of the rows that are drawn. */
  #followTrends() {
    if (this.trendTimer || !this.table.columns.includes("trend")) return;
    const isLarge = store.status.nodes.length > MOST_TRENDS;
    const wait = isLarge && !trends.range ? FIRST_TRENDS : 0;
    this.trendTimer = setTimeout(() => {
      this.trendTimer = 0;
      if (!this.element.isConnected) return;
      loadTrends(store.status, this.table.drawn).then(
        (isNew) => isNew && this.table.paint(),
        () => {}, // the next status asks again
      );
    }, wait);
  }

  #openWorst(rows) {
    const worst = rows
      .filter((row) => !row.node && row.nodes.length <= OPEN_AT_FIRST)
      .sort((a, b) => badness(a) - badness(b))[0];
    if (worst && (worst.state !== "up" || rows.length <= 4)) this.table.unfolded.add(worst.key);
  }

  /** The order as the address has it: "retrieve_p99", "-retrieve_p99"; "" is the standard order. */
  get order() {
    const { id, down } = this.table.order;
    const isStandard = id === STANDARD_ORDER.id && down === STANDARD_ORDER.down;
    return isStandard ? "" : (down ? "-" : "") + id;
  }

  /** An order that the table does not have is the standard one. */
  set order(text) {
    const [, minus, id] = /^(-?)(.*)$/.exec(text);
    const isColumn = (column) => column.id === id && column.sort !== false;
    const found = this.table.options.columns.some(isColumn);
    this.table.setOrder(found ? { id, down: Boolean(minus) } : STANDARD_ORDER);
  }

  /** Unfold an instance, as a link to it does. */
  unfold(name) {
    this.table.unfolded.add(`i:${name}`);
  }

  /** What is shown, as comma-separated values: instances with the nodes that the filters allow. */
  csv() {
    const columns = this.table.options.columns.filter(
      ({ id }) => this.table.columns.includes(id) && id !== "trend",
    );
    const value = (row, { id }) => {
      if (id === "state") return row.state;
      if (id === "name") return row.name;
      const column = columns.find((one) => one.id === id);
      return column.value(row) ?? "";
    };
    const rows = this.table.shown.flatMap((row) =>
      row.node ? [row] : [row, ...this.table.fittingChildren(row)],
    );
    const heads = ["instance", "kind", ...columns.map(({ id }) => id)];
    const lines = rows.map((row) => {
      const instance = row.instance ? row.instance.name : "";
      return [instance, row.kind, ...columns.map((column) => value(row, column))];
    });
    return csvText([heads, ...lines]);
  }
}

function stateCell(row) {
  const text = stateText(row);
  if (text === row.state) return stateMark(row.state);
  const mark = stateMark(row.state);
  mark.lastChild.textContent = ` ${text}`;
  return mark;
}

const namesOf = ({ name, model, node }) => [name, model, node?.kind, ""].join(" ").toLowerCase();

/** The address of a node that has a word which its names lack; few digits are not of a port. */
function addressFor(row, words) {
  const { address = "" } = row.node || {};
  const isPart = (word) => /[.:/]|\d{4}/.test(word) && address.toLowerCase().includes(word);
  return words.some((word) => isPart(word) && !namesOf(row).includes(word)) ? address : "";
}

/** The version of a node, or of LMCache in an instance: the engine's is another one. */
export function versionOf({ node, nodes }) {
  const those = node ? [node] : nodes.filter(({ kind }) => kind !== "engine");
  const versions = new Set(those.map(({ version }) => version).filter(Boolean));
  return [...versions].sort(byName).join(", ");
}

/**
 * Hit rates over the page's time range: key of a node -> {times, values, asked}. All that are drawn
 * are asked for again at one time and show one span, so that they compare.
 */
const trends = { known: new Map(), range: null, started: 0, isAsking: false, asked: 0, end: 0 };

/** The node whose hit rate is that of the row: the ranks of an instance serve the same tokens. */
const trendNode = (row) =>
  (row.node ? [row.node] : row.nodes).find(({ metrics }) =>
    isNumber((metrics || {}).lookup_hit_rate),
  );

/** The nodes of the rows whose trend is not known, or is that of an earlier time. */
function dueTrends(status, rows, range) {
  if (range.live && status.time - trends.asked >= trends.pace) trends.asked = status.time;
  const nodes = rows.filter((row) => !isRank(row)).map(trendNode);
  return nodes.filter(Boolean).filter(({ key }) => trends.known.get(key)?.asked !== trends.asked);
}

/** Ask for the trends that are due; resolves with true when there are new ones. */
async function loadTrends(status, rows) {
  const range = timeRange();
  const { started } = status; // a server that was restarted may remember less
  if (range !== trends.range || started !== trends.started)
    Object.assign(trends, { range, started, known: new Map(), asked: status.time, end: 0 });
  const due = trends.isAsking ? [] : dueTrends(status, rows, range).slice(0, MOST_TRENDS);
  if (!due.length) return false;
  trends.isAsking = true;
  try {
    const names = due.map(({ key }) => encodeURIComponent(key)).join();
    const query = `node=${names}&metric=lookup_hit_rate&points=${TREND_POINTS}`;
    const { series, end, interval } = await getJson(`api/history?${query}&${historyQuery()}`);
    if (range !== timeRange()) return false;
    const { asked } = trends;
    // Also what the server has no history of is asked for again only when it is due.
    for (const { key } of due) trends.known.set(key, { times: [], values: [], asked });
    for (const { node, times, values } of series) trends.known.set(node, { times, values, asked });
    trends.end = Math.max(trends.end, end || status.time);
    trends.span = chartSpan([...trends.known.values()], trends.end);
    trends.pace = Math.max(interval, (trends.span.end - trends.span.start) / TREND_POINTS);
  } finally {
    trends.isAsking = false;
  }
  return true;
}

function trendOf(row) {
  const source = isRank(row) ? null : trendNode(row);
  const past = source && trends.known.get(source.key);
  if (!past) return [];
  const { start, end } = trends.span;
  return slots(past.times, past.values, start, end, TREND_POINTS);
}

function trendCell(row) {
  const values = trendOf(row);
  return values.some(isNumber) ? sparkline(values, { unit: "ratio", width: 72, height: 20 }) : null;
}

/**
 * "1,000 nodes, 312 not polled yet · 198 instances · 2 other frontends, 1 down": the states above
 * count nodes. MP servers are counted apart.
 */
export function sizeText(status) {
  const words = instanceWords(instancesOf(status), status.nodes);
  const frontends = frontendsOf(status);
  const down = frontends.filter(({ state }) => state === "down").length;
  const others = plural(frontends.length, "other frontend");
  // Just after a start all sums are of the nodes that responded so far.
  const coming = status.nodes.filter(({ state, error }) => state === "unknown" && !error).length;
  return [
    plural(status.nodes.length, "node") + (coming ? `, ${plain(coming)} not polled yet` : ""),
    ...(words.join() === "1 instance" ? [] : words),
    frontends.length ? others + (down ? `, ${plain(down)} down` : "") : "",
  ]
    .filter(Boolean)
    .join(" · ");
}
