// What MP servers, coordinators, controllers, discovery services and other frontends report about
// themselves: the upper part of their Overview.

import { onRange, timeRange } from "../address.js";
import { isNumber } from "../chartmath.js";
import { facts, fitted, linked, meter, nodeLink, stateMark } from "../controls.js";
import { append, breakable, h, replace, setText } from "../dom.js";
import {
  byName,
  clock,
  duration,
  format,
  fullTime,
  plain,
  plural,
  serverNow,
  when,
} from "../format.js";
import { panelFrame } from "../panel.js";
import {
  getJson,
  instanceName as instanceOf,
  isFrontend,
  need,
  refreshNow,
  store,
  subscribe,
} from "../server.js";
import { DataTable } from "../table.js";
import { KINDS, metricHelp, metricLabel } from "../words.js";
import { tree } from "../tree.js";
import { presentNote } from "../views/present.js";
import { InstanceFigures } from "./nodecharts.js";
import { keptAnswer, readEither } from "./util.js";

const MP_STATUS = ["/status", "/api/status"]; // the path of today, and that before 0.5.0
const LATE = 30; // seconds since a worker's last heartbeat after which it is marked

const panel =
  (title, path, show, { note = "", older = "", isWide = false } = {}) =>
  (ctx) => {
    const { element } = panelFrame({
      title,
      note,
      path,
      ctx,
      load: () => readEither(ctx, path, older),
      render: (data, body) => append(body, show(data, ctx)),
    });
    element.classList.toggle("whole", isWide);
    return element;
  };

function rows(label, columns, list, key, emptyText, { rowClass = null } = {}) {
  const table = new DataTable({ label, columns, key, fixed: false, rowClass, emptyText });
  table.update(list);
  return table.element;
}

/** Columns: text on the left, numbers on the right. */
const text = (id, label, value, more = {}) => ({ id, label, value, ...more });
const number = (id, label, value, show = plain, unknown = "–") => ({
  id,
  label,
  num: true,
  value,
  text: (row) => {
    const one = value(row);
    return one === null || one === undefined ? unknown : show(one);
  },
});
const bytes = (value) => format(value, "bytes");
const whole = (count) => plain(Math.round(count));
/** LMCache's GB are GiB. */
export const gigabytes = (value) => (value === 0 ? "0" : format(value * 2 ** 30, "bytes"));
/** The limit of cache salts without a quota, from a coordinator's configuration. */
export const limitText = ({ default_limit_gb: limit }) =>
  limit === null || limit === undefined ? "none" : gigabytes(limit);

const NEARLY_FULL = 0.95; // of the limit of a tier that evicts nothing

/**
 * A bar of what is used of a limit; `mark` is the share from which on it evicts. What does not
 * evict is marked when it is nearly full.
 */
export function meterRow(label, used, limit, note = "", mark = 0, isEvicting = true) {
  const isFull = !isEvicting && limit > 0 && used / limit >= NEARLY_FULL;
  const share = limit ? ` of ${bytes(limit)} · ${Math.round((100 * used) / limit)}%` : "";
  const bar = limit ? meter(used, limit, `${label} in use`) : null;
  if (bar) bar.classList.toggle("nearly-full", isFull);
  if (bar && mark > 0 && mark < 1) {
    const tick = h("span", { class: "meter-mark", "aria-hidden": "true" });
    tick.style.left = `${100 * mark}%`;
    bar.append(tick);
  }
  return h(
    "div",
    { class: "meter-row" },
    h(
      "div",
      {},
      h("span", {}, label),
      h("b", {}, bytes(used) + share),
      isFull ? h("b", { class: "nearly-full" }, "◆ nearly full") : null,
    ),
    bar,
    note || !limit ? h("small", {}, note || "limit not reported") : null,
  );
}

// ---- MP server ------------------------------------------------------------

const percent = (ratio) => format(ratio, "ratio");
/** A share that somebody has set: no figures that nobody wrote. */
const setShare = (ratio) => `${plain(100 * ratio)}%`;
const evicts = (one) =>
  `${one.eviction_policy}, evicts ${setShare(one.eviction_ratio)} at a time ` +
  `above\u00a0${setShare(one.trigger_watermark)}`;

/** The objects of a group of an MP server's status: [[tag, object], ...]. */
const grouped = (storage, group) =>
  Object.entries(storage[`${group}s`] || (storage[group] ? { _default: storage[group] } : {}));

/** Family -> adapter -> value, of the samples in a metrics text that are of L2 adapters. */
function adapterFigures(text) {
  const found = new Map();
  for (const match of text.matchAll(/^(lmcache_mp_l2_\w+)\{l2_name="([^"]{0,200})"\} (\S+)/gm)) {
    if (!found.has(match[1])) found.set(match[1], new Map());
    found.get(match[1]).set(match[2], Number(match[3]));
  }
  return found;
}

/**
 * The limits of each L2 adapter. The status lists those of adapters that evict, without names: they
 * belong to the adapters whose configuration has an eviction, in this order.
 */
function limitsOf(list, evicting, config, used) {
  if (evicting.length === list.length) return evicting;
  const evict = config.filter((one) => one.eviction_config);
  if (config.length === list.length && evict.length === evicting.length)
    return config.map((one) => evicting[evict.indexOf(one)]);
  // Without a configuration that fits, the use tells which one it is where no other has as much.
  return used.map((bytesUsed) => {
    const found = evicting.filter((one) => one.total_bytes_used === bytesUsed);
    const isSole = used.filter((one) => one === bytesUsed).length === 1;
    return isSole && found.length === 1 ? found[0] : undefined;
  });
}

/**
 * The L2 adapters of an MP server, from its status, its metrics, what it calls them and their
 * configuration.
 */
function l2Adapters(status, figures, named, config) {
  const storage = status.storage_manager || {};
  const list = storage.l2_adapters || [];
  const evicting = (storage.l2_eviction_controller || {}).adapters || [];
  const usage = figures.get("lmcache_mp_l2_usage_bytes") || new Map();
  const names = usage.size === list.length ? [...usage.keys()] : [];
  const nameOf = (one, i) => names[i] || (named[i] || {}).type_name || one.type;
  const limits = limitsOf(
    list,
    evicting,
    config,
    list.map((one, i) => usage.get(nameOf(one, i))),
  );
  const isWhole = limits.filter(Boolean).length === evicting.length;
  return list.map((one, i) => {
    const name = nameOf(one, i);
    const of = (family) => (figures.get(`lmcache_mp_l2_${family}`) || new Map()).get(name);
    const sent = of("prefetch_load_submitted_requests_total");
    const loaded = of("load_completed_requests_total");
    return {
      name,
      place: one.base_path || one.endpoint || one.bucket || one.url || "",
      well: one.is_healthy !== false && one.event_loop_alive !== false,
      alive: one.event_loop_alive !== false,
      used: usage.get(name),
      limits: limits[i],
      // One of them evicts, and the status does not tell which.
      mayEvict: !isWhole && !limits[i],
      loads: loaded,
      stores: of("store_completed_requests_total"),
      inFlight: sent === undefined ? null : Math.max(0, sent - (loaded || 0)),
    };
  });
}

const RATE_SPAN = 60; // seconds over which the rates of an adapter are taken
const LEAST_SPAN = 8; // seconds: a shorter one says little
const LEAST_STEP = 2; // seconds between two samples
const SECOND_SAMPLE = 1000 * LEAST_SPAN + 100; // ms after the first one

/**
 * What the L2 adapters did in the last minute: as the status has it, which begins with the server;
 * of nodes for which it has nothing, from the totals that they report.
 */
class AdapterRates {
  constructor() {
    this.samples = []; // [{time, adapters}], the oldest first
  }

  get isDue() {
    const last = this.samples[this.samples.length - 1];
    return Boolean(last) && Date.now() / 1000 - last.time >= LEAST_STEP;
  }

  /**
   * Adapters with their `rates` of loads and stores, per second, and the `highest` ones beside
   * them; null where neither the status has any nor there are samples of LEAST_SPAN. `l2` is what
   * the status has, by the name of the adapter.
   */
  take(adapters, l2 = {}) {
    const time = Date.now() / 1000;
    this.samples = this.samples.filter((sample) => time - sample.time <= RATE_SPAN);
    this.samples.push({ time, adapters });
    const reported = ({ name }, what) => (l2[name] || {})[`${what}_finished_per_second`];
    const ratesOf = (what) => adapters.map((now) => reported(now, what) ?? this.#rate(now, what));
    const [loads, stores] = [ratesOf("loads"), ratesOf("stores")];
    const highest = { loads: Math.max(...loads), stores: Math.max(...stores) };
    const rates = adapters.map((_, i) => ({ loads: loads[i], stores: stores[i] }));
    return adapters.map((now, i) => ({ ...now, rates: rates[i], highest }));
  }

  #rate(now, what) {
    const [first] = this.samples;
    const last = this.samples[this.samples.length - 1];
    const before = first.adapters.find((one) => one.name === now.name);
    const seconds = last.time - first.time;
    if (seconds < LEAST_SPAN || !before || now[what] === undefined) return null;
    // A total that fell was reset: the samples before that say nothing.
    if (now[what] < before[what]) {
      this.samples = [last];
      return null;
    }
    return (now[what] - before[what]) / seconds;
  }
}

const wellness = text("state", "State", (row) => (row.well ? 1 : 0), {
  search: (row) => (row.well ? "healthy" : "not healthy"),
  sig: (row) => `${row.well}${row.alive}`,
  render: (row) =>
    h(
      "span",
      { class: `state-word ${row.well ? "good" : "bad"}` },
      row.well ? "● healthy" : row.alive ? "■ not healthy" : "■ thread is dead",
    ),
});

/** Bars of L1 and of each L2 adapter, with what happens when they are full. */
function mpMemory(storage, adapters) {
  const eviction = new Map(grouped(storage, "l1_eviction_controller"));
  return h(
    "div",
    { class: "meters" },
    grouped(storage, "l1_manager").map(([tag, one]) => {
      const backends = Object.keys(one.capacity_bytes_by_backend || {}).map((name) =>
        name.toUpperCase(),
      );
      const name = ["L1", tag === "_default" ? "" : tag, ...backends].filter(Boolean).join(", ");
      const policy = eviction.get(tag);
      return meterRow(
        name,
        one.memory_used_bytes,
        one.memory_total_bytes,
        policy ? evicts(policy) : "no eviction: stores are refused when full",
        policy && policy.trigger_watermark,
        Boolean(policy),
      );
    }),
    adapters
      .filter((one) => one.used !== undefined || one.limits)
      .map((one) => {
        const limits = one.limits || {};
        const none = one.mayEvict ? "limit not reported" : "no eviction, limit not reported";
        const note = one.limits ? evicts(limits) : none;
        const used = one.used ?? limits.total_bytes_used;
        return meterRow(
          `L2, ${one.name}`,
          used,
          limits.total_capacity_bytes,
          note,
          limits.trigger_watermark,
        );
      }),
  );
}

/** The rate of the last minute; it is there where the total is, which a pointer shows. */
const rateColumn = (label, name) => ({
  id: name,
  label,
  num: true,
  title: "over the last minute",
  of: (row) => row[name] ?? null,
  value: ({ rates }) => rates[name],
  text: ({ rates, highest }) => format(rates[name], "1/s", highest[name]),
  tip: (row) => (isNumber(row[name]) ? `${plain(row[name])} since the start` : ""),
});

const ADAPTER_COLUMNS = [
  text("name", "Adapter", (row) => row.name, {
    head: true,
    sig: (row) => row.name + row.place,
    cls: "adapter",
    render: (row) => [
      h("b", {}, row.name),
      " ",
      h("span", { class: "place mono muted" }, breakable(row.place)),
    ],
  }),
  wellness,
  number("used", "Used", (row) => row.used ?? null, bytes),
  number(
    "limit",
    "Limit",
    (row) => (row.limits || {}).total_capacity_bytes ?? null,
    bytes,
    "not reported",
  ),
  number("flight", "Loads in flight", (row) => row.inFlight),
  rateColumn("Loads", "loads"),
  rateColumn("Stores", "stores"),
];

/** What no adapter reports is left out. */
const adapterColumns = (adapters) =>
  ADAPTER_COLUMNS.filter(
    ({ id, num, value, of = value }) =>
      !num || id === "limit" || adapters.some((row) => of(row) !== null),
  );

/** The storage of an MP server's status, with what its L1 holds now where it has a single one. */
function withUse(storage, node) {
  const l1 = grouped(storage, "l1_manager");
  const used = node.metrics.local_cache_bytes;
  if (l1.length !== 1 || typeof used !== "number") return storage;
  const [[tag, one]] = l1;
  return { ...storage, l1_managers: { [tag]: { ...one, memory_used_bytes: used } } };
}

/** The status of an MP server, and what else names and limits its L2 adapters. */
async function readTiers(ctx) {
  const { data, raw } = await readEither(ctx, ...MP_STATUS);
  const optional = (promise, none) => promise.catch(() => none);
  const [metrics, named, config] = await Promise.all([
    optional(ctx.text("/metrics"), ""),
    optional(ctx.json("/config/adapters"), { data: {} }),
    optional(ctx.json("/config"), { data: {} }),
  ]);
  const { l2_adapter_config: configured = {} } = config.data.storage_manager || {};
  const adaptersIn = (text) =>
    l2Adapters(data, adapterFigures(text), named.data.adapters || [], configured.adapters || []);
  return { data: { storage: data.storage_manager || {}, metrics, adaptersIn }, raw };
}

/**
 * Whether an L2 adapter of an MP server evicts what is over the quota of its cache salt; null where
 * that is not known. Its status has all adapters that evict.
 */
export async function evictsBySalt(ctx) {
  const { data } = await readEither(ctx, ...MP_STATUS).catch(() => ({ data: null }));
  const storage = (data || {}).storage_manager || {};
  const { adapters } = storage.l2_eviction_controller || {};
  if (!Array.isArray(adapters)) return null;
  return adapters.some((one) => one.eviction_policy === "IsolatedLRU");
}

/** L1 and the L2 adapters of an MP server: the first thing that is asked about it. */
class MpTiers {
  constructor(ctx) {
    this.ctx = ctx;
    this.rates = new AdapterRates();
    this.isAsking = false;
    this.place = h("div");
    this.table = null;
    this.frame = panelFrame({
      title: "L1 and L2",
      path: "/status",
      ctx,
      load: () => readTiers(ctx),
      render: (data, body) => this.#render(data, body),
    });
    subscribe(() => this.#follow(), ctx.signal);
  }

  #render({ storage, metrics, adaptersIn }, body) {
    Object.assign(this, { storage, adaptersIn });
    this.adapters = this.#rated(adaptersIn(metrics));
    this.table = new DataTable({
      label: "L2 adapters",
      columns: adapterColumns(this.adapters),
      key: (row) => row.name,
      fixed: false,
      rowClass: () => "noted",
      emptyText: "No L2 adapters.",
    });
    this.#draw();
    append(body, this.place, h("h3", {}, "L2 adapters"), this.table.element);
    // A rate needs a second sample, which does not wait for a poll.
    setTimeout(() => this.#follow(), SECOND_SAMPLE);
  }

  #rated(adapters) {
    return this.rates.take(adapters, this.ctx.node().l2);
  }

  #draw() {
    replace(this.place, mpMemory(withUse(this.storage, this.ctx.node()), this.adapters));
    this.table.update(this.adapters);
  }

  /** Bars and rates follow the polls. */
  async #follow() {
    if (!this.table || this.ctx.signal.aborted) return;
    const isThere = ["up", "degraded"].includes(this.ctx.node().state);
    if (isThere && this.adapters.length && this.rates.isDue && !this.isAsking) {
      this.isAsking = true;
      try {
        const metrics = await this.ctx.text("/metrics");
        this.adapters = this.#rated(this.adaptersIn(metrics));
      } catch (error) {
        // The next poll asks again.
      } finally {
        this.isAsking = false;
      }
    }
    if (!this.ctx.signal.aborted) this.#draw();
  }
}

const mpTiers = (ctx) => new MpTiers(ctx).frame.element;

/** The parts of an MP server that say whether they are well: [{name, at, well, alive}]. */
function mpParts(storage) {
  const each = (group, name, say) =>
    grouped(storage, group).map(([tag, one]) => [
      tag !== "_default" ? `${name} · ${tag}` : name,
      one,
      say(one),
    ]);
  const prefetch = storage.prefetch_controller;
  const l2 = storage.l2_eviction_controller;
  const waiting = prefetch && prefetch.pending_queue_size + prefetch.submission_queue_size;
  const running =
    prefetch &&
    `${whole(prefetch.in_flight_request_count)} running, at most ` +
      `${plain(prefetch.max_in_flight)}; ${whole(waiting)} waiting`;
  return [
    ...each("l1_manager", "L1 memory", lockText),
    ...each("l1_eviction_controller", "L1 eviction", evicts),
    ...each("store_controller", "Stores to L2", storeText),
    ...(prefetch ? [["Prefetch from L2", prefetch, running]] : []),
    ...(l2
      ? [["L2 eviction", l2, (l2.adapters || []).map(evicts).join("; ") || "no adapter evicts"]]
      : []),
  ].map(([name, one, at]) => ({
    name,
    at,
    well: one.is_healthy !== false && one.thread_alive !== false,
    alive: one.thread_alive !== false,
  }));
}

/** Words that stay on one line. */
const unbroken = (words) => words.replace(/ /g, "\u00a0");

const lockText = (one) =>
  `${plural(one.total_object_count, "object")}: ` +
  `${plain(one.read_locked_count)}\u00a0locked for reading, ` +
  `${plain(one.write_locked_count)}\u00a0locked for writing, ` +
  `${plain(one.staging_object_count || 0)}\u00a0staging`;

const storeText = (one) =>
  `${plain(one.pending_keys_count)} waiting, ${plain(one.in_flight_task_count)} running; ` +
  `${plural(one.num_active_adapters ?? one.num_l2_adapters ?? 0, "adapter")} active, ` +
  `${plain(one.num_draining_adapters ?? 0)} draining`;

function mpFacts(data) {
  const alive = data.worker_liveness || {};
  const events = data.kv_events || {};
  const lost = events.lost_markers ? `, ${plain(events.lost_markers)} lost` : "";
  const liveness = alive.enabled
    ? `${plain(alive.tracked_instances)} monitored; removed after ` +
      `${duration(alive.reap_timeout_seconds)} without a heartbeat`
    : "not monitored";
  const log = events.enabled
    ? unbroken(`${plain(events.log_depth)} of ${plain(events.log_capacity)}`) +
      `, ${unbroken(plural(events.subscribers, "subscriber"))}${lost}`
    : "off";
  const health = data.is_healthy ? "● healthy" : "■ not healthy";
  const peers = data.p2p_enabled
    ? `${data.p2p_state}, ${plural(data.p2p_peer_count, "peer")}`
    : "off";
  return facts([
    ["Health", h("span", { class: `state-word ${data.is_healthy ? "good" : "bad"}` }, health)],
    ["Engine", data.engine_type],
    ["Chunk size", data.chunk_size && `${plain(data.chunk_size)} tokens`],
    ["Hash", data.hash_algorithm],
    ["Active sessions", whole(data.active_sessions ?? 0)],
    ["Prefetch jobs", whole(data.active_prefetch_jobs ?? 0)],
    ["Peer to peer", peers],
    ["Worker heartbeats", alive.enabled === undefined ? null : liveness],
    ["KV event log", events.enabled === undefined ? null : log],
  ]);
}

const WORKER_COLUMNS = [
  text("id", "Worker", (row) => row.id, {
    head: true,
    text: (row, { cards }) => (cards ? `Worker ${row.id}` : row.id),
  }),
  text("on", "KV cache", (row) => row.on),
  text("model", "Model", (row) => row.model_name || ""),
  number("world", "World size", (row) => row.world_size),
  number(
    "block",
    "Block",
    (row) => row.block_size,
    (size) => `${plain(size)} tokens`,
  ),
  text("mla", "MLA", (row) => (row.use_mla === undefined ? "" : row.use_mla ? "yes" : "no")),
];
const PART_COLUMNS = [
  text("name", "Component", (row) => row.name, { head: true }),
  wellness,
  text("at", "Details", (row) => row.at, { cls: "wrap" }),
];

/** When a status was reported; it is not polled, and a node that is down has an old one. */
function statusTime(node) {
  const kept = MP_STATUS.map((path) => keptAnswer(node, path)).find(Boolean);
  const as = kept ? `As of ${clock(kept.time)}. ` : "";
  const areLive = node.state === "up" && timeRange().live && !store.error;
  return areLive ? `${as}Tiles and charts are updated with each poll.` : as.trim();
}

function mpStatus(data, ctx) {
  const of = (group, on) =>
    Object.entries(data[group] || {}).map(([id, one]) => ({ id, on, ...one }));
  const workers = [
    ...of("cache_context_meta", "CUDA GPU"),
    ...of("non_cuda_context_meta", "other device"),
  ];
  const parts = mpParts(data.storage_manager || {}).sort((a, b) => a.well - b.well);
  const id = (row) => `${row.on} ${row.id}`;
  return [
    h("p", { class: "quiet-line said-first" }, statusTime(ctx.node())),
    mpFacts(data),
    h("h3", {}, "Registered workers"),
    rows(
      "Registered workers",
      WORKER_COLUMNS,
      workers,
      id,
      "No serving engine has registered yet.",
    ),
    h("h3", {}, "Components"),
    rows("Components", PART_COLUMNS, parts, (row) => row.name, "No components reported."),
    h("details", { class: "all" }, h("summary", { class: "muted" }, "All values"), tree(data)),
  ];
}

// ---- worker ----------------------------------------------------------------

/** Whether a health check of that backend fails, as the node's reasons for being degraded say. */
export const fails = (node, backend) =>
  (node.reasons || []).some((reason) => reason.includes(`${backend}HealthCheck`));

/** The backends of a worker, which of them are bypassed, and whose health check fails. */
function workerBackends(ctx) {
  const reasons = () => ((ctx.node() || {}).reasons || []).join();
  let shown = reasons();
  const frame = panelFrame({
    title: "Backends",
    path: "/backends",
    ctx,
    load: async () => {
      const { data, raw } = await ctx.json("/backends");
      const list = await ctx.json("/bypass/list").catch(() => ({ data: {} }));
      const bypassed = list.data.bypassed_backends || [];
      const found = Object.entries(data).map(([name, type]) => ({
        name,
        type: type === name ? "" : type,
        state: bypassed.includes(name)
          ? ["warn", "◆ bypassed"]
          : fails(ctx.node(), name)
            ? ["bad", "■ health check fails"]
            : ["good", "● in use"],
      }));
      return { data: found, raw };
    },
    render: (list, body) =>
      append(
        body,
        rows(
          "Backends",
          [
            text("name", "Backend", (row) => row.name, { head: true }),
            text("state", "State", (row) => row.state[1], {
              sig: (row) => row.state[1],
              render: ({ state: [look, said] }) => h("span", { class: `state-word ${look}` }, said),
            }),
            ...(list.some((row) => row.type) ? [text("type", "Class", (row) => row.type)] : []),
          ],
          list,
          (row) => row.name,
          "No backends.",
        ),
        h("p", { class: "quiet-line" }, "Bypass, recreate and clear them under Cache."),
      ),
  });
  subscribe(() => {
    if (reasons() === shown) return;
    shown = reasons();
    frame.run();
  }, ctx.signal);
  return frame.element;
}

// ---- coordinator, controller -------------------------------------------------

function instanceName(row) {
  const node =
    store.status &&
    store.status.nodes.find(
      (one) =>
        one.kind === "mp" &&
        (one.instance === row.instance_id || one.address === `${row.ip}:${row.http_port}`),
    );
  return node ? h("a", { href: nodeLink(node) }, row.instance_id) : row.instance_id;
}

const instances = (data) =>
  rows(
    "Instances",
    [
      text("id", "Instance", (row) => row.instance_id, {
        head: true,
        sig: (row) => row.instance_id,
        render: instanceName,
      }),
      text("address", "Address", (row) => `${row.ip}:${row.http_port}`),
      text("p2p", "Peer to peer", (row) => row.p2p_advertised_url || "off"),
      {
        ...number("since", "Registered", (row) => row.registration_time, when),
        tip: (row) => fullTime(row.registration_time),
      },
    ],
    data.instances || [],
    (row) => row.instance_id,
    "No MP server has registered yet.",
  );

/** "L1, DRAM", "L2, s3": as on the page of an MP server. */
export const tierName = ({ tier, backend }) =>
  `${tier.toUpperCase()}, ${tier === "l1" ? backend.toUpperCase() : backend}`;

function usage(data) {
  const list = (data.instances || [])
    .flatMap((one) =>
      (one.modules || []).map((module) => ({
        of: one.instance_id,
        // An instance that declares capacities declares none for a tier without a limit.
        note: one.declared_capacity && !module.capacity_bytes ? "no limit declared" : "",
        ...module,
      })),
    )
    .concat((data.shared_modules || []).map((module) => ({ of: "shared", note: "", ...module })));
  return list.length
    ? h(
        "div",
        { class: "meters" },
        list.map((row) =>
          // It does not report which L2 evicts: one that does stays below its watermark.
          meterRow(
            `${row.of} · ${tierName(row)}`,
            row.used_bytes,
            row.capacity_bytes,
            row.note,
            0,
            row.tier === "l1",
          ),
        ),
      )
    : h("p", { class: "muted" }, "No instance has reported its usage yet.");
}

const quotas = (data) => [
  rows(
    "Quotas",
    [
      text("salt", "Cache salt", (row) => row.cache_salt || "(none)", { head: true }),
      number("use", "L2 in use", (row) => row.usage_gb, gigabytes),
      number(
        "limit",
        "L2 limit",
        (row) => (row.quota_exists ? row.quota_limit_gb : null),
        gigabytes,
        "none",
      ),
    ],
    data.by_cache_salt || [],
    (row) => row.cache_salt,
    "No quotas.",
  ),
  h(
    "p",
    { class: "quiet-line" },
    `${gigabytes(data.total_gb ?? 0)} of L2 in total: quotas do not count L1. ` +
      "Quotas are set under Cache.",
  ),
];

const directory = (data) => [
  facts([
    ["Keys", plain(data.num_keys ?? 0)],
    ["Copies of keys", plain(data.num_placements ?? 0)],
    ["Copies in L1", `${plain(data.l1_count ?? 0)} · ${bytes(data.l1_size_bytes ?? 0)}`],
    ["Copies in L2", `${plain(data.l2_count ?? 0)} · ${bytes(data.l2_size_bytes ?? 0)}`],
    ...Object.entries(data.l1_keys_by_instance || {}).map(([name, count]) => [
      `L1 keys of ${name}`,
      plain(count),
    ]),
  ]),
  h("details", { class: "all" }, h("summary", { class: "muted" }, "All values"), tree(data)),
];

/**
 * A table of what a controller counts. It is read again with the polls, as all that is of the
 * present whatever the time range is, and says of when it is.
 */
class ControllerTable {
  /** `rowsOf(data, time)` are the rows of a response that was read at that time. */
  constructor(ctx, { title, path, columns, rowsOf, key, emptyText }) {
    Object.assign(this, { ctx, path, rowsOf });
    this.time = 0; // when the node returned what is shown, Unix seconds
    this.isAsking = false;
    this.as = h("p", { class: "quiet-line said-first" });
    this.table = new DataTable({ label: title, columns, key, fixed: false, emptyText });
    this.frame = panelFrame({
      title,
      path,
      ctx,
      keeps: true,
      load: () => this.#load(),
      render: (data, body) => this.#render(data, body),
    });
    subscribe(() => this.#follow(), ctx.signal);
    onRange(() => this.#sayWhen(), ctx.signal);
  }

  async #load() {
    const found = await this.ctx.json(this.path);
    const kept = keptAnswer(this.ctx.node(), this.path);
    this.time = kept ? kept.time : serverNow();
    return found;
  }

  #render(data, body) {
    const list = this.rowsOf(data, this.time);
    if (!body.firstChild) append(body, this.as, this.table.element);
    this.#sayWhen();
    this.table.update(list);
  }

  #sayWhen() {
    const { live, to } = timeRange();
    const after = !live && this.time > to ? ", after the end of this range" : "";
    setText(this.as, `As of ${clock(this.time)}${after}.`);
  }

  async #follow() {
    const isThere = ["up", "degraded"].includes(this.ctx.node().state) && !store.error;
    const isDue = serverNow() - this.time >= LEAST_STEP;
    if (!isThere || !isDue || !this.frame.loaded || this.isAsking) return;
    this.isAsking = true;
    await this.frame.run();
    this.isAsking = false;
  }
}

const silenceText = (age) => `${age > LATE ? "◆ late, " : ""}${duration(age)} ago`;

/** Each with how long it was silent then: a table that is drawn again makes it no older. */
function workerRows(data, time) {
  const silence = ({ last_heartbeat_time: beat }) =>
    isNumber(beat) ? Math.max(0, time - beat) : null;
  const isLate = (row) => row.silence > LATE;
  return (data.workers || [])
    .map((one) => ({ ...one, silence: silence(one) }))
    .sort(
      (a, b) =>
        isLate(b) - isLate(a) ||
        byName(`${a.instance_id} ${a.worker_id}`, `${b.instance_id} ${b.worker_id}`),
    );
}

const CONTROLLER_WORKERS = {
  title: "Workers",
  path: "/controller/workers",
  columns: [
    text("instance", "Instance", (row) => row.instance_id, {
      head: true,
      text: (row, { cards }) =>
        cards ? `${row.instance_id} · worker ${row.worker_id}` : row.instance_id,
    }),
    { ...number("worker", "Worker", (row) => row.worker_id), cls: "in-head" },
    text("address", "Address", (row) => `${row.ip}:${row.port}`),
    number("keys", "Keys", (row) => row.key_count),
    number("since", "Registered", (row) => row.registration_time, when),
    number("beat", "Last heartbeat", (row) => row.silence, silenceText),
  ],
  rowsOf: workerRows,
  key: (row) => `${row.instance_id}/${row.worker_id}`,
  emptyText: "No worker has registered yet.",
};

const CONTROLLER_KEYS = {
  title: "Keys",
  path: "/controller/key-stats",
  columns: [
    text("instance", "Instance", (row) => row.instance_id, { head: true }),
    number("keys", "Keys", (row) => row.key_count),
    number("workers", "Workers", (row) => row.worker_count),
  ],
  rowsOf: (data) => data.instances || [],
  key: (row) => row.instance_id,
  emptyText: "No keys yet.",
};

const controllerTable = (options) => (ctx) => new ControllerTable(ctx, options).frame.element;

// ---- discovery service, other frontends ---------------------------------------

function reports(data) {
  const list = Object.values(data.processInfos || {}).flatMap(
    (one) => one.lmCacheInfoEntities || [],
  );
  return rows(
    "Reports",
    [
      text("address", "Reports as", (row) => row.apiAddress, { head: true, cls: "mono" }),
      number("pid", "Process", (row) => row.pid, String),
      text("version", "Version", (row) => row.version || ""),
      text("start", "Started", (row) => row.startTime || ""),
      text("last", "Last report", (row) => row.lastReportTime || ""),
      text("other", "Other information", (row) => row.otherInfo || "", { cls: "wrap mono" }),
    ],
    list,
    (row) => `${row.apiAddress} ${row.pid}`,
    "No process has reported yet.",
  );
}

const seconds = (value) => format(value, "seconds");
/** A column of a figure of each node; a pointer on its head shows what that is a share of. */
const figureColumn = (id, name, show, more) => ({
  ...number(id, metricLabel(name), (row) => (row.metrics || {})[name] ?? null, show),
  title: metricHelp(name),
  ...more,
});
const NODE_COLUMNS = [
  text("state", "State", (row) => row.state, {
    sig: (row) => row.state,
    render: (row) => stateMark(row.state),
    width: 100,
    narrow: 50,
  }),
  text("name", "Name", (row) => row.name, {
    head: true,
    grow: true,
    width: 150,
    narrow: 130,
    sig: (row) => row.key,
    render: (row) => h("a", { href: nodeLink(row), title: row.key }, fitted(row.name)),
  }),
  text("kind", "Kind", (row) => KINDS[row.kind] || "–", { width: 104, drop: 3 }),
  text("version", "Version", (row) => row.version || "–", { width: 160, drop: 5 }),
  figureColumn("hits", "lookup_hit_rate", percent, { width: 76, narrow: 68 }),
  figureColumn("p99", "retrieve_p99", seconds, { width: 110, drop: 1 }),
  figureColumn("memory", "local_cache_bytes", bytes, { width: 110, drop: 4 }),
  { ...number("latency", "Response time", (row) => row.latency, seconds), width: 120, drop: 2 },
];

/**
 * A table of nodes that belong together, of the status that the whole page shows; `again(signal)`
 * is run before a refresh.
 */
function nodeTable(ctx, { title, note, belongs, emptyText, again }) {
  let asked = false;
  const table = new DataTable({
    label: title,
    columns: NODE_COLUMNS,
    key: (row) => row.key,
    emptyText,
  });
  const nodes = () => (store.status ? store.status.nodes.filter(belongs) : []);
  const draw = () => table.update(nodes());
  const frame = panelFrame({
    title,
    note,
    ctx,
    tools: [presentNote(ctx.signal, "Current values")],
    load: async (signal) => {
      if (asked) {
        await again(signal);
        await refreshNow();
      }
      asked = true;
      const list = nodes();
      return { data: list, raw: JSON.stringify(list, null, 2) };
    },
    render: (_, body) => {
      append(body, table.element);
      draw();
    },
  });
  subscribe(draw, ctx.signal);
  need({ node: ctx.node().key, figures: ["latency"] });
  frame.element.classList.add("whole");
  return frame.element;
}

const BEHIND = "Nodes behind this frontend";

/** Why the nodes of a frontend that is listed as a node are not shown, and what shows them. */
function unlisted({ proxy }) {
  const isOurs = proxy === "local_proxy";
  const who = isOurs
    ? "This frontend is listed as a node"
    : `${proxy} lists this frontend as a node`;
  const where = isOurs ? "under Nodes" : `on ${proxy}`;
  const how = `To see them, remove it ${where} and add it there as a frontend.`;
  return h(
    "section",
    { class: "panel whole", "aria-label": BEHIND },
    h("header", { class: "panel-head" }, h("h2", {}, BEHIND)),
    h("p", { class: "muted" }, linked(`${who}, so its nodes are not shown here. ${how}`)),
  );
}

/** The nodes behind another frontend, as this one sees them. */
function children(ctx) {
  const { key, name, state } = ctx.node();
  if (!isFrontend(key)) return unlisted(ctx.node());
  return nodeTable(ctx, {
    title: BEHIND,
    note: "as last reported by this frontend",
    belongs: (node) => node.proxy === name,
    emptyText:
      state === "up" ? "This frontend reports no nodes." : "This frontend’s nodes are not known.",
    again: (signal) => getJson(`api/proxies/${encodeURIComponent(name)}/refresh`, { signal }),
  });
}

/** The other nodes of an instance, on the pages of its engine and of its scheduler. */
function members(ctx) {
  const isOther = (node, own) => instanceOf(node) === instanceOf(own) && node.key !== own.key;
  return nodeTable(ctx, {
    title: "Other nodes of this instance",
    belongs: (node) => instanceOf(node) && ctx.node() && isOther(node, ctx.node()),
    emptyText: "This instance has no other nodes.",
    again: () => null,
  });
}

/** The figures of the instance, on the page of its scheduler; none where there is no instance. */
const instanceFigures = (ctx) => (ctx.node().instance_id ? new InstanceFigures(ctx).element : null);

/** What a scheduler alone counts: how often the chunks of prompts repeat. */
function chunkReuse(data) {
  const where = "Start, stop and reset counting under Cache.";
  if (!data.enabled && !data.total_requests)
    return h("p", { class: "quiet-line" }, `Not counting. ${where}`);
  return [
    facts([
      ["Reuse rate", format(data.reuse_rate, "ratio")],
      ["Chunks", plain(data.total_chunks ?? 0)],
      ["Unique chunks", plain(data.unique_chunks ?? 0)],
      ["Requests", plain(data.total_requests ?? 0)],
      ["Collecting", data.enabled ? "yes" : "no"],
    ]),
    h("p", { class: "quiet-line" }, `Since counting began. ${where}`),
  ];
}

const itsStatus = panel("Reported by the node", "/api/status", (data) =>
  facts([
    ["Version", data.version],
    ["Process started", fullTime(data.started)],
    ["Running for", duration(data.uptime)],
    ["Poll interval", duration(data.poll_interval)],
    [
      "Nodes",
      data.counts
        ? ["up", "degraded", "down", "unknown"]
            .filter((state) => data.counts[state])
            .map((state) => `${plain(data.counts[state])} ${state}`)
            .join(", ") || "none"
        : null,
    ],
  ]),
);

/** Kind -> {above, below}: makers of panels before and after the charts, each `(ctx) -> Node`. */
export const OWN_PANELS = {
  mp: {
    above: [mpTiers],
    below: [panel("Server status", MP_STATUS[0], mpStatus, { older: MP_STATUS[1] })],
  },
  worker: { above: [workerBackends] },
  engine: { below: [members] },
  scheduler: {
    above: [instanceFigures, members],
    below: [panel("Chunk statistics", "/chunk_statistics/status", chunkReuse)],
  },
  coordinator: {
    above: [
      panel("Instances", "/instances", instances),
      panel("Memory by instance and tier", "/instances/usage", usage, {
        note: "as the coordinator counts it",
        isWide: true,
      }),
    ],
    below: [
      panel("Quotas", "/quota", quotas, { isWide: true }),
      panel("Key directory", "/directory/stats", directory),
    ],
  },
  controller: {
    above: [controllerTable(CONTROLLER_WORKERS), controllerTable(CONTROLLER_KEYS)],
  },
  discovery: { above: [panel("Reports", "/lmcache_infos", reports)] },
  frontend: { above: [itsStatus, children] },
};
