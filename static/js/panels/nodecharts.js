// The figures of one node over the page's time range: what matters first for its kind of server.

import { historyQuery, onRange, timeRange } from "../address.js";
import { LANE_GAP } from "../chart.js";
import { endOf, isNumber, lastTime, lastValue } from "../chartmath.js";
import { instanceLink } from "../controls.js";
import { h, replace } from "../dom.js";
import { format } from "../format.js";
import { historyNames } from "../figurelist.js";
import { getJson, instanceName, store, subscribe } from "../server.js";
import { LAYER_COLOURS as LAYER, metricUnit } from "../words.js";
import {
  beganText,
  ChartsCard,
  FigureHistory,
  servedNote,
  sourceLines,
  Tile,
} from "../views/figures.js";

const LANE = 112; // px of a lane above another one
const LOW_LANE = 44; // px of a lane below another one
const onlyLane = (first) => first + LANE_GAP + LOW_LANE; // px: all charts are of one height
const AT_ONCE = 2; // steps of a history within which figures were reported at the same time
const AWAY = "No change is shown: the node does not respond.";
const FULL_ROWS = [8, 6, 4, 3, 2]; // how many tiles stand in rows of one length

const said = (metrics, name, words) =>
  isNumber(metrics[name]) ? words(format(metrics[name], metricUnit(name))) : "";

// ---- tiles ----

/** The line below a tile's figure, of a node's figures. */
const NOTES = {
  lookup_hit_rate: (m) => said(m, "retrieve_hit_rate", (text) => `retrieve ${text}`),
  l1_hit_rate: (m) => said(m, "lookup_hit_rate", (text) => `L1 and L2 ${text}`),
  l2_hit_rate: (m) => said(m, "lookup_tokens_per_second", (text) => `of ${text} looked up`),
  hit_tokens_per_second: servedNote,
  retrieve_p99: (m) => said(m, "retrieve_p50", (text) => `p50 ${text}`),
  store_p99: (m) => said(m, "store_p50", (text) => `p50 ${text}`),
  lookup_p99: (m) => said(m, "lookup_p50", (text) => `p50 ${text}`),
  ttft_p50: (m) => said(m, "ttft_p99", (text) => `p99 ${text}`),
  itl_p50: (m) => said(m, "itl_p99", (text) => `p99 ${text}`),
  waiting_requests: (m) => said(m, "running_requests", (text) => `${text} running`),
  external_prefix_hit_rate: () => "of tokens not on the GPU",
  kv_usage_ratio: (m) => said(m, "preemptions_per_second", (text) => `preemptions ${text}`),
  local_cache_bytes: (m) => said(m, "local_cache_limit_bytes", (text) => `of ${text}`),
  // An MP server counts those of both layers.
  evictions_per_second: (m) =>
    isNumber(m.l1_hit_rate)
      ? "of L1 and L2"
      : said(m, "stored_tokens_per_second", (text) => `storing ${text}`),
  failures_per_second: (m) => said(m, "timeouts_per_second", (text) => `timeouts ${text}`),
  loads_in_flight: (m) =>
    said(m, "stores_in_flight", (text) => `${text} ${text === "1" ? "store" : "stores"} in flight`),
  slow_retrievals_per_second: () => "slower than the limit",
  remote_read_p99: (m) => said(m, "remote_read_bytes_per_second", (text) => `reading ${text}`),
  l2_load_bytes_per_second: (m) =>
    said(m, "l1_load_bytes_per_second", (text) => `L1 to GPU ${text}`),
  l2_store_bytes_per_second: (m) =>
    said(m, "l1_store_bytes_per_second", (text) => `GPU to L1 ${text}`),
};

/** Kind -> its figures, most wanted first. */
const TILES = {
  engine: [
    "ttft_p50",
    "waiting_requests",
    "external_prefix_hit_rate",
    "gpu_prefix_hit_rate",
    "itl_p50",
    "kv_usage_ratio",
    "prompt_tokens_per_second",
    "generation_tokens_per_second",
    "lookup_hit_rate",
  ],
  mp: [
    "l1_hit_rate",
    "l2_hit_rate",
    "hit_tokens_per_second",
    "l2_load_bytes_per_second",
    "l2_store_bytes_per_second",
    "loads_in_flight",
    "failures_per_second",
    "evictions_per_second",
    "retrieve_p99",
    "queue_size",
  ],
  // Its cache is that of its workers, whose figures its page has as those of the instance.
  scheduler: ["lookup_hit_rate", "lookup_p99", "requests_per_second"],
  instance: [
    "lookup_hit_rate",
    "hit_tokens_per_second",
    "ttft_p50",
    "retrieve_p99",
    "slow_retrievals_per_second",
    "local_cache_bytes",
    "evictions_per_second",
    "failures_per_second",
    "waiting_requests",
    "store_p99",
    "lookup_p99",
    "requests_per_second",
  ],
  other: [
    "lookup_hit_rate",
    "hit_tokens_per_second",
    "retrieve_p99",
    "slow_retrievals_per_second",
    "local_cache_bytes",
    "evictions_per_second",
    "remote_read_p99",
    "failures_per_second",
    "store_p99",
    "lookup_p99",
    "requests_per_second",
    "queue_size",
  ],
};

// ---- charts: like with like in a lane, what belongs together in one chart; where the other lane
// has no figures, a chart has a lane's name, or the names of its lines ----

const line = (metric, name, colour, share) => ({ metric, name, colour, share });
const lane = (unit, lines, more = {}) => ({ unit, lines, height: LANE, ...more });
const low = (unit, lines, more = {}) => lane(unit, lines, { height: LOW_LANE, ...more });
const SOURCES = lane("tokens/s", [], {
  kind: "area",
  sources: true,
  names: { source_lmcache: "LMCache" },
});
const PROBLEMS = [
  line("failures_per_second", "Failures", 4),
  line("timeouts_per_second", "Timeouts", 3),
  line("slow_retrievals_per_second", "Slow retrievals", 5),
];
const L1_LIMIT = ["local_cache_limit_bytes", "L1 limit"];

const memory = (evictions) => [
  "L1 memory and evictions",
  lane("bytes", [line("local_cache_bytes", "L1 memory", LAYER.l1)], {
    name: "L1 memory",
    limit: L1_LIMIT,
  }),
  low("1/s", [line("evictions_per_second", evictions, 3)], { name: evictions }),
];

const RESPONSE_TIME = [
  "Response time",
  lane("seconds", [line("latency", "Response time", 6)], { least: 0.01 }),
];
const EVENTS = {
  ...line("queue_size", "Queued events", 6),
  about: "events that wait in the coordinator’s event bus",
};

const CHARTS = {
  instance: [], // on the cluster's page
  engine: [
    [
      "TTFT and queue",
      lane("seconds", [line("ttft_p50", "p50", 3), line("ttft_p99", "p99", 4)], { name: "TTFT" }),
      low(
        "things",
        [line("waiting_requests", "Waiting", 6), line("running_requests", "Running", 5)],
        { name: "Queue" },
      ),
    ],
    [
      "Hit rate and GPU KV cache",
      lane(
        "ratio",
        [
          line("gpu_prefix_hit_rate", "GPU prefix", LAYER.gpu, "prompt tokens"),
          line("external_prefix_hit_rate", "LMCache", LAYER.lmcache, "the rest"),
        ],
        { name: "Hit rate" },
      ),
      low("ratio", [line("kv_usage_ratio", "GPU KV cache in use", 6)], { name: "GPU KV cache" }),
    ],
    ["Tokens by source", SOURCES],
    [
      "Inter-token latency and preemptions",
      lane("seconds", [line("itl_p50", "p50", 3), line("itl_p99", "p99", 4)], {
        name: "Inter-token latency",
      }),
      low("1/min", [line("preemptions_per_second", "Preemptions", 6)], {
        name: "Preemptions",
        kind: "bar",
      }),
    ],
  ],
  mp: [
    [
      "Hit rate by layer",
      lane("ratio", [line("l1_hit_rate", "L1", LAYER.l1), line("l2_hit_rate", "L2", LAYER.l2)]),
    ],
    ["Tokens by source", { ...SOURCES, names: { source_remote: "L2" } }],
    [
      "L2 speed",
      lane(
        "bytes/s",
        [
          line("l2_load_bytes_per_second", "L2 to L1", LAYER.l2),
          line("l2_store_bytes_per_second", "L1 to L2", 3),
        ],
        { name: "L2 speed" },
      ),
      low("seconds", [line("retrieve_p99", "Retrieve p99", 4)], { name: "Retrieve latency" }),
    ],
    memory("L1 and L2 evictions"),
    [
      "In flight and failures",
      lane(
        "things",
        [
          line("loads_in_flight", "Loads in flight", LAYER.l2),
          line("stores_in_flight", "Stores in flight", 6),
        ],
        { name: "In flight", kind: "step" },
      ),
      low("1/min", PROBLEMS, { kind: "bar" }),
    ],
    [
      "L1 speed",
      lane("bytes/s", [
        line("l1_load_bytes_per_second", "L1 to GPU", LAYER.l1),
        line("l1_store_bytes_per_second", "GPU to L1", 3),
      ]),
    ],
  ],
  coordinator: [["Queued events", lane("things", [EVENTS], { kind: "step" })], RESPONSE_TIME],
  other: [
    [
      "Hit rate",
      lane("ratio", [
        line("lookup_hit_rate", "Lookup", LAYER.lmcache),
        line("retrieve_hit_rate", "Retrieve", 4),
      ]),
    ],
    ["Tokens by source", SOURCES],
    [
      "Latency",
      lane(
        "seconds",
        [line("retrieve_p50", "Retrieve p50", 3), line("retrieve_p99", "Retrieve p99", 4)],
        { name: "Retrieve latency" },
      ),
      low("seconds", [line("store_p99", "Store p99", 6)], { name: "Store latency" }),
    ],
    memory("Evictions"),
    [
      "Remote backend",
      lane("bytes/s", [
        line("remote_read_bytes_per_second", "Read", LAYER.remote),
        line("remote_write_bytes_per_second", "Write", 3),
      ]),
      low("seconds", [
        line("remote_read_p99", "Read p99", 4),
        line("remote_write_p99", "Write p99", 6),
      ]),
    ],
    [
      "Failures and queue",
      lane("1/min", PROBLEMS, { kind: "bar" }),
      low("things", [line("queue_size", "Queued tasks", 6)], {
        name: "Queued tasks",
        kind: "step",
      }),
    ],
    [
      "Lookup latency",
      lane("seconds", [line("lookup_p50", "p50", 3), line("lookup_p99", "p99", 4)]),
    ],
    RESPONSE_TIME,
  ],
};
const SOURCE_NAMES = [
  "source_gpu",
  "source_l1",
  "source_disk",
  "source_remote",
  "source_lmcache",
  "source_computed",
  "hit_tokens_per_second",
  "requested_tokens_per_second",
];
// What the lines below the tiles say.
const NOTE_NAMES = [
  "retrieve_hit_rate",
  "lookup_tokens_per_second",
  "retrieve_p50",
  "stored_tokens_per_second",
  "ttft_p99",
  "timeouts_per_second",
];

/** Whether nothing is known of a node's present: it is down, or its frontend is. */
export const isAway = ({ state }) => state === "down" || state === "unknown";

/** Whether all figures of a node are known, not only those that lists show. */
const isWhole = (node) => "polled" in node;

const tilesOf = (kind) => TILES[kind] || TILES.other;
const chartsOf = (kind) => CHARTS[kind] || CHARTS.other;

/** All figures that a kind's tiles and charts show. */
function wantedNames(kind) {
  const lanes = chartsOf(kind).flatMap(([, ...rest]) => rest);
  const drawn = lanes.flatMap((one) => [
    ...one.lines.map(({ metric }) => metric),
    ...(one.limit ? [one.limit[0]] : []),
  ]);
  return [...new Set([...tilesOf(kind), ...drawn, ...SOURCE_NAMES, ...NOTE_NAMES])];
}

/**
 * The values that were reported last up to a time, and when: {values, time}. `series` is a Map by
 * figure. What had no value by then, as a speed without traffic, has none here.
 */
export function lastReported(series, end, interval) {
  const lasts = [...series].map(([name, one]) => [name, one, lastTime(one, end)]);
  const time = Math.max(0, ...lasts.map(([, , at]) => at));
  const together = lasts.filter(([, , at]) => time - at < AT_ONCE * interval);
  const values = together.map(([name, one]) => [name, lastValue(one, end)]);
  return { values: Object.fromEntries(values), time };
}

/** The past of the figures of one node or instance, asked for once for its tiles and charts. */
class NodeHistory extends FigureHistory {
  /** `about` is whose history it is: "node=KEY" or "instance=ID", encoded. */
  constructor(signal, about, kind) {
    super(signal);
    this.about = about;
    this.kind = kind;
  }

  async load(status) {
    const range = timeRange();
    const due = range !== this.range || (range.live && status.time > this.asked);
    if (!due) return false;
    this.range = range;
    this.asked = status.time;
    const known = new Set([...(await historyNames()), "latency"]);
    const names = wantedNames(this.kind).filter((name) => known.has(name));
    const query = `api/history?${this.about}&metric=${names.join(",")}&${historyQuery()}`;
    let answer;
    try {
      answer = await getJson(query, { signal: this.signal });
    } catch (error) {
      this.range = null; // the next status asks again
      throw error;
    }
    const end = endOf(answer, status.time);
    if (range !== timeRange() || (this.isKnown && end < this.end)) return false;
    this.answered = range;
    this.series = new Map(answer.series.map((one) => [one.metric, one]));
    this.end = end;
    this.interval = answer.interval;
    return true;
  }

  last() {
    return lastReported(this.series, this.span.end, this.interval);
  }
}

// ---- what the page shows of them ----

const QUIET = ["scheduler", "coordinator"]; // they have few figures of their own, and most are 0

const hasLane = (one, history) =>
  one.sources
    ? sourceLines(history).length > 0
    : one.lines.some(({ metric }) => history.line(metric));

const named = ({ name }) => name;

/** The charts of a kind for which there are figures, as ChartsCard takes them. */
function chartsFor(kind, history) {
  const isQuiet = QUIET.includes(kind);
  const whose = kind === "scheduler" ? " of this scheduler" : ""; // above are its instance's
  return chartsOf(kind)
    .map(([label, ...lanes]) => {
      const shown = lanes
        .filter((one) => hasLane(one, history))
        .map((one) => ({ ...one, height: isQuiet ? LOW_LANE : one.height }));
      if (shown.length === 1) shown[0].height = onlyLane(isQuiet ? LOW_LANE : LANE);
      const isWhole = !shown.length || shown.length === lanes.length;
      const part = () => shown[0].name || linesOf(shown[0], history).map(named).join(", ");
      return {
        id: label,
        label: (isWhole ? label : part()) + whose,
        lanes: shown.map(({ unit, kind: look, height, least }) => ({
          unit,
          kind: look,
          height,
          least,
        })),
        of: (past) => shown.map((one) => linesOf(one, past)),
        limits: (past) => shown.map((one) => limitsOf(one, past)),
      };
    })
    .filter((chart) => chart.lanes.length);
}

function linesOf(one, past) {
  if (one.sources) return sourceLines(past, one.names);
  return one.lines.map(({ metric, ...look }) => past.line(metric, look)).filter(Boolean);
}

function limitsOf(one, past) {
  const found = one.limit && past.series.get(one.limit[0]);
  const value = found ? lastValue(found, past.end) : null;
  const now = isNumber(value) ? value : (past.metrics || {})[one.limit && one.limit[0]];
  return isNumber(now) && now > 0 ? [{ value: now, name: one.limit[1] }] : [];
}

/** The figures to show: those of now, or the last values in the page's time range. */
function figuresOf(now, isPast, past) {
  const { local_cache_limit_bytes: limit } = now; // a setting: it has no past
  return isPast ? { local_cache_limit_bytes: limit, ...past } : now;
}

/** The tiles of a node or of an instance. */
class TileRow {
  /** A tile that is clicked leads to the page `href`, or calls `reveal(name)` with its figure. */
  constructor({ reveal, href = "" }) {
    Object.assign(this, { reveal, href });
    this.element = h("div", { class: "tiles", hidden: true });
    this.ids = "";
    this.shown = [];
  }

  /** Show these figures; those of a node that is down are not compared with the past. */
  update(kind, metrics, history, isUp) {
    const known = tilesOf(kind).filter((name) => isNumber(metrics[name]));
    const names = known.slice(0, FULL_ROWS.find((count) => count <= known.length) || 0);
    this.element.hidden = names.length < 2;
    this.element.classList.toggle("stale", !isUp);
    if (names.join() !== this.ids) {
      this.ids = names.join();
      const note = (id) => NOTES[id] || (() => "");
      const { href, reveal } = this;
      this.shown = names.map((id) => new Tile({ id, chart: id, note: note(id), href }, reveal));
      replace(
        this.element,
        this.shown.map((tile) => tile.element),
      );
    }
    for (const tile of this.shown) {
      const spark = history.end ? history.spark(tile.id) : [];
      tile.update(metrics[tile.id], metrics, {}, spark, isUp ? history.tooShort : AWAY);
    }
  }
}

/** The figures of the instance to which a node belongs, for a node that has few of its own. */
export class InstanceFigures {
  constructor(ctx) {
    const node = ctx.node();
    const name = instanceName(node);
    this.id = node.instance_id;
    this.row = new TileRow({ href: instanceLink(name) });
    const about = `instance=${encodeURIComponent(this.id)}`;
    this.history = new NodeHistory(ctx.signal, about, "instance");
    const link = h("a", { href: instanceLink(name) }, name);
    this.element = h(
      "section",
      { class: "panel whole", "aria-label": `Figures of ${name}`, hidden: true },
      h(
        "header",
        { class: "panel-head" },
        h("h2", {}, "Figures of ", link),
        h("p", { class: "muted" }, "the whole instance: a scheduler has no cache of its own"),
      ),
      this.row.element,
    );
    onRange(() => this.update(), ctx.signal);
    subscribe(() => this.update(), ctx.signal);
    this.update();
  }

  async update() {
    this.#draw();
    try {
      if (await this.history.load(store.status)) this.#draw();
    } catch (error) {
      // Its tiles stand without their small graphs.
      if (error.name !== "AbortError") console.warn(error);
    }
  }

  #draw() {
    const found = store.status.instances.find((one) => one.id === this.id);
    const past = this.history.end ? this.history.last().values : {};
    // Lists get fewer figures of an instance than its history has, up to the last poll.
    const reported = Object.entries(found ? found.metrics : {}).filter(([, one]) => isNumber(one));
    const now = timeRange().live ? { ...past, ...Object.fromEntries(reported) } : past;
    const nodes = found ? found.nodes.map((key) => store.byKey.get(key)).filter(Boolean) : [];
    const isGone = timeRange().live && nodes.every(isAway);
    const metrics = found && !isGone ? figuresOf(found.metrics, true, now) : {};
    this.row.update("instance", metrics, this.history, true);
    this.element.hidden = this.row.element.hidden;
  }
}

/** Tiles and charts of one node. `changed()` is called when they show a new status. */
export class NodeFigures {
  constructor(ctx, changed) {
    this.ctx = ctx;
    this.changed = changed;
    this.history = null;
    this.marks = [];
    this.row = new TileRow({ reveal: (name) => this.#reveal(name) });
    this.tiles = this.row.element;
    this.place = h("div", { class: "node-charts asking" }, instead("Loading …"));
    this.chartIds = "";
    this.card = null;
    this.told = { values: {}, time: 0 };
  }

  /** The figures to show: of now, of the end of a fixed range, or the last before it went down. */
  metrics(node) {
    const isPast = !timeRange().live || isAway(node);
    return figuresOf(this.#reported(node), isPast, this.told.values);
  }

  /** What a node reports now; figures that a list of nodes leaves out are those of its history. */
  #reported(node) {
    const { values } = this.told;
    return isWhole(node) ? node.metrics || {} : { ...values, ...node.metrics };
  }

  async update(node, status) {
    if (!this.history || this.history.kind !== node.kind)
      this.history = new NodeHistory(
        this.ctx.signal,
        `node=${encodeURIComponent(node.key)}`,
        node.kind,
      );
    const { history } = this;
    // Tiles and charts change together, also to another range: both are of one moment.
    if (!history.end) this.#drawTiles(node);
    else if (history.isKnown) this.#show(node, status);
    try {
      if (await history.load(status)) this.#show(this.ctx.node(), store.status);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#drawTiles(node);
      if (this.card) this.card.fail(error);
      else replace(this.place, instead(`Not loaded: ${error.message}.`));
      this.place.classList.remove("asking");
    }
    this.changed();
  }

  #show(node, status) {
    this.told = this.history.last();
    this.history.metrics = { ...this.#reported(node), latency: node.latency };
    this.#drawTiles(node);
    this.#drawCharts(node, status);
    this.place.classList.remove("asking");
  }

  /** Show these marks on the charts from now on. */
  mark(marks) {
    this.marks = marks;
    if (this.card && store.status) this.card.update(store.status, this.history, marks);
  }

  #drawTiles(node) {
    this.row.update(node.kind, this.metrics(node), this.history, !isAway(node));
  }

  #reveal(name) {
    if (!this.card) return;
    const kind = this.history.kind;
    const found = chartsOf(kind).find(([, ...lanes]) =>
      lanes.some((one) => one.lines.some(({ metric }) => metric === name)),
    );
    const label = found ? found[0] : "Tokens by source";
    if (this.card.charts.some(({ id }) => id === label)) this.card.reveal(label);
  }

  #drawCharts(node, status) {
    const charts = chartsFor(node.kind, this.history);
    const ids = charts.map(({ id, lanes }) => id + lanes.length).join();
    if (ids !== this.chartIds || !this.card) {
      this.chartIds = ids;
      this.card = charts.length
        ? new ChartsCard({ charts, fold: "charts.node.folded", foldFrom: Infinity })
        : null;
      replace(this.place, this.card ? this.card.element : noFigures(node, status.time));
    }
    if (this.card) this.card.update(status, this.history, this.marks);
  }
}

const AWAITED = " They appear after two polls.";
const NONE_REPORTED = " This node reports none of the figures shown here.";
const JUST_NOW = 60; // seconds in which figures are still awaited

const OLD_MP =
  "No figures. An MP server before 0.4.6 has its metrics on another port: set metrics_port.";

/** A card that says why it has no charts. */
const instead = (text) =>
  h(
    "section",
    { class: "panel absent", "aria-label": "Charts" },
    h("header", { class: "panel-head" }, h("h2", {}, "Charts")),
    h("p", { class: "panel-line said" }, text),
  );

/** Why there are no charts; null where that is said above, or there never are any. */
function noFigures(node, now) {
  if (["frontend", "discovery"].includes(node.kind) || node.state === "unknown") return null;
  return instead(whyNone(node, now));
}

function whyNone({ kind, state, version, since, reasons }, now) {
  const none = "No figures in this time range";
  const { live, to } = timeRange();
  const { history_start: begin } = store.status;
  if (!live) return `${none}.${to < begin ? ` ${beganText(begin, to)}` : ""}`;
  if (state === "down") return `${none}: the node is down.`;
  const failed = (reasons || []).find((reason) => reason.includes("/metrics"));
  if (failed) return `${none}: ${failed}.`;
  if (kind === "mp" && !version) return OLD_MP;
  return `${none}.${now - since < JUST_NOW ? AWAITED : NONE_REPORTED}`;
}
