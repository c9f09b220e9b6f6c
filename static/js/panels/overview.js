// What the node is doing: figures, use of its caches, the last hour; and what MP servers, coordinators and
// controllers tell of themselves.

import { getJson } from "../api.js";
import { crosshair, lineChart, startOf } from "../chart.js";
import { h, replace, setText } from "../dom.js";
import { clock, duration, format, fullTime, METRICS, metricLabel, parts, plain } from "../format.js";
import { dataTable, facts, meter, panelFrame, tree } from "../ui.js";

const TILES = ["lookup_hit_rate", "retrieve_hit_rate", "hit_tokens_per_second", "stored_tokens_per_second", "requests_per_second", "retrieve_p99", "store_p99", "lookup_p99", "evictions_per_second", "failures_per_second", "remote_ping_seconds", "queue_size"];
const CHARTS = [
  ["Hit rate", ["lookup_hit_rate", "retrieve_hit_rate"]], ["Tokens", ["requested_tokens_per_second", "hit_tokens_per_second", "stored_tokens_per_second"]],
  ["Retrieve time", ["retrieve_p50", "retrieve_p99"]], ["Store and lookup time", ["store_p99", "lookup_p99"]],
  ["Cache bytes", ["local_cache_bytes", "remote_cache_bytes"]], ["Evictions and failures", ["evictions_per_second", "failures_per_second", "slow_retrievals_per_second"]],
  ["Queue", ["queue_size"]], ["Answer time", ["latency"]],
];
const SPANS = [[600, "10 min"], [3600, "1 h"], [14400, "4 h"]];

export function mount(root, ctx) {
  const tiles = h("div", { class: "tiles compact" });
  const use = h("div", { class: "meters" });
  const about = h("div");
  const chartBox = h("div", { class: "charts" });
  const chartNote = h("p", { class: "panel-line", role: "status" });
  const group = crosshair();
  const charts = CHARTS.map(([label, names]) => ({ names, chart: lineChart({ label, unit: METRICS[names[0]][1], group, legend: true }), shown: false }));
  const parts_ = new Map();
  let seconds = 3600;
  let lastPoll = null;
  let useSig = "";
  let aboutSig = "";

  const spans = SPANS.map(([size, label]) => h("button", { type: "button", class: "small", "aria-pressed": String(size === seconds), onclick: () => { seconds = size; spans.forEach((one, i) => one.setAttribute("aria-pressed", String(SPANS[i][0] === size))); loadCharts(); } }, label));
  const historyPanel = h("section", { class: "panel", "aria-label": "History" }, h("header", { class: "panel-head" }, h("h2", {}, "History"), h("p", { class: "muted" }, "Drag to zoom, arrow keys read values."), h("div", { class: "panel-tools", role: "group", "aria-label": "Time shown" }, spans)), chartNote, chartBox);
  const special = h("div", { class: "columns" });
  replace(root, tiles, special, h("section", { class: "panel", "aria-label": "Caches" }, h("header", { class: "panel-head" }, h("h2", {}, "Caches")), use), historyPanel,
    h("section", { class: "panel", "aria-label": "About this node" }, h("header", { class: "panel-head" }, h("h2", {}, "About this node")), about));
  const cachePanel = use.parentElement;

  let kind = null;
  function drawSpecial(node) {
    if (kind === node.kind) return;
    kind = node.kind;
    replace(special);
    for (const make of SPECIAL[kind] || []) special.append(make(ctx).element);
    special.style.marginBottom = special.firstChild ? "16px" : "0";
  }

  function drawTiles(node) {
    const metrics = node.metrics || {};
    const names = TILES.filter((name) => metrics[name] !== null && metrics[name] !== undefined);
    tiles.hidden = !names.length;
    for (const name of names) {
      if (!parts_.has(name)) {
        const number = h("span", { class: "number" });
        const unit = h("span", { class: "unit" });
        const tile = h("div", { class: "tile", title: METRICS[name][2] }, h("div", { class: "name" }, metricLabel(name)), h("div", {}, number, unit));
        parts_.set(name, { number, unit, tile });
        tiles.append(tile);
      }
      const [text, unit] = parts(metrics[name], METRICS[name][1]);
      setText(parts_.get(name).number, text);
      setText(parts_.get(name).unit, unit.trim());
    }
  }

  function drawUse(node) {
    const m = node.metrics || {};
    const rows = [["CPU cache", m.local_cache_bytes, m.local_cache_limit_bytes], ["Local storage", m.local_storage_bytes, m.local_storage_limit_bytes], ["Remote cache", m.remote_cache_bytes, null]].filter(([, used]) => used !== null && used !== undefined);
    const sig = JSON.stringify(rows);
    if (sig === useSig) return;
    useSig = sig;
    cachePanel.hidden = !rows.length;
    replace(use, rows.map(([label, used, limit]) => h("div", { class: "meter-row" }, h("div", {}, h("span", {}, label), h("b", {}, format(used, "bytes") + (limit ? ` of ${format(limit, "bytes")} · ${Math.round((100 * used) / limit)}\u202f%` : ""))),
      limit ? meter(used, limit, `${label} in use`) : h("small", {}, "limit not known"))));
  }

  function drawAbout(node) {
    const m = node.metrics || {};
    const health = m.healthy === 1 ? "healthy" : m.healthy === 0 ? "not healthy" : "not told";
    const rows = [["State", node.state], ["Since", fullTime(node.since)], ["Own health monitor", health], ["Kind", node.kind], ["Role", node.role], ["Instance", node.instance], ["Model", node.model], ["Version", node.version], ["Address", node.address], ["Path here", node.path], ["Known from", node.source], ["Proxy", node.proxy === "local_proxy" ? "" : node.proxy],
      ["Last asked", node.polled ? clock(node.polled) : "never"], ["Answer time", format(node.latency, "seconds")], ["Last error", node.error]];
    const sig = JSON.stringify(rows);
    if (sig === aboutSig) return;
    aboutSig = sig;
    replace(about, facts(rows));
  }

  async function loadCharts() {
    const names = charts.flatMap((one) => one.names);
    try {
      const answer = await getJson(`api/history?node=${encodeURIComponent(ctx.node().key)}&metric=${names.join(",")}&seconds=${seconds}`, { signal: ctx.signal });
      const by = new Map(answer.series.map((one) => [one.metric, one]));
      let any = false;
      for (const one of charts) {
        const series = one.names.map((name) => by.get(name)).filter((found) => found && found.values.some((value) => value !== null)).map((found) => ({ name: metricLabel(found.metric), times: found.times, values: found.values }));
        if (series.length) {
          any = true;
          if (!one.shown) { one.shown = true; const after = charts.slice(charts.indexOf(one) + 1).find((next) => next.shown); chartBox.insertBefore(one.chart.element, after ? after.chart.element : null); }
          one.chart.update({ series, start: startOf(series, answer.end, seconds), end: answer.end, interval: answer.interval });
        } else if (one.shown) { one.shown = false; one.chart.element.remove(); }
      }
      setText(chartNote, any ? "" : "No figures in memory yet: they appear after two polls, for nodes that tell LMCache metrics.");
    } catch (error) {
      if (error.name !== "AbortError") setText(chartNote, `No history: ${error.message}`);
    }
  }

  return {
    update(node) {
      drawSpecial(node);
      drawTiles(node);
      drawUse(node);
      drawAbout(node);
      if (node.polled !== lastPoll || lastPoll === null) { lastPoll = node.polled ?? 0; loadCharts(); }
    },
  };
}

const simple = (title, path, show) => (ctx) => panelFrame({ title, path, ctx, load: () => ctx.json(path), render: (data, body) => body.append(...[].concat(show(data)).filter(Boolean)) });

const small = (label, columns, rows, key, emptyText) => {
  const table = dataTable({ label, columns, key, fixed: false, emptyText });
  table.update(rows);
  return table.element;
};
const bytes = (get) => ({ num: true, value: get, text: (row) => format(get(row), "bytes") });

function meterRow(label, used, limit) {
  return h("div", { class: "meter-row" }, h("div", {}, h("span", {}, label), h("b", {}, format(used, "bytes") + (limit ? ` of ${format(limit, "bytes")}` : ""))), limit ? meter(used, limit, label) : h("small", {}, "no limit told"));
}

/** The MP server's /status: the parts that matter in figures, all of it as a tree. */
function mpStatus(data) {
  const store = data.storage_manager || {};
  const l1 = store.l1_manager || Object.values(store.l1_managers || {})[0] || {};
  const l2 = (store.l2_eviction_controller && store.l2_eviction_controller.adapters) || [];
  const prefetch = store.prefetch_controller || {};
  const adapters = store.l2_adapters || [];
  return [
    facts([["Health", data.is_healthy ? "healthy" : "not healthy"], ["Engine", data.engine_type], ["Chunk size", data.chunk_size && `${data.chunk_size} tokens`], ["Active sessions", data.active_sessions], ["L1 objects", l1.total_object_count],
      ["Locked for read, write", l1.read_locked_count === undefined ? null : `${l1.read_locked_count}, ${l1.write_locked_count}`], ["Prefetches running", prefetch.in_flight_request_count], ["Prefetch queue", prefetch.pending_queue_size], ["L2 adapters", adapters.length]]),
    h("h3", {}, "Memory"), h("div", { class: "meters" }, l1.memory_total_bytes ? meterRow("L1", l1.memory_used_bytes, l1.memory_total_bytes) : null,
      l2.map((one, i) => meterRow(`L2 · ${adapters[i] ? adapters[i].type : i}`, one.total_bytes_used, one.total_capacity_bytes))),
    adapters.length ? [h("h3", {}, "L2 adapters"), small("L2 adapters", [{ id: "type", label: "Type", head: true, value: (row) => row.type }, { id: "healthy", label: "Health", value: (row) => (row.is_healthy ? "● healthy" : "■ not healthy") }, { id: "path", label: "Path", cls: "mono", value: (row) => row.base_path || "" }], adapters, (row) => adapters.indexOf(row), "None.")] : null,
    h("details", { class: "all" }, h("summary", { class: "muted" }, "All of it"), tree(data)),
  ].flat();
}

const SPECIAL = {
  mp: [simple("MP server", "/status", mpStatus)],
  coordinator: [
    simple("Instances", "/instances", (data) => small("Instances", [{ id: "id", label: "Instance", head: true, value: (row) => row.instance_id }, { id: "address", label: "Address", value: (row) => `${row.ip}:${row.http_port}` }, { id: "since", label: "Registered", num: true, value: (row) => row.registration_time, text: (row) => clock(row.registration_time) }], data.instances || [], (row) => row.instance_id, "No MP server has registered yet.")),
    simple("Memory by instance and tier", "/instances/usage", (data) => small("Memory", [{ id: "instance", label: "Instance", head: true, value: (row) => row.instance }, { id: "tier", label: "Tier", value: (row) => row.tier }, { id: "backend", label: "Backend", value: (row) => row.backend }, { id: "used", label: "Used", ...bytes((row) => row.used_bytes) }, { id: "limit", label: "Limit", num: true, value: (row) => row.capacity_bytes || null, text: (row) => (row.capacity_bytes ? format(row.capacity_bytes, "bytes") : "none told") }, { id: "share", label: "Share", num: true, value: (row) => row.usage_ratio, text: (row) => format(row.usage_ratio, "ratio") }],
      (data.instances || []).flatMap((one) => (one.modules || []).map((module) => ({ instance: one.instance_id, ...module }))).concat((data.shared_modules || []).map((module) => ({ instance: "shared", ...module }))), (row) => `${row.instance}/${row.tier}/${row.backend}`, "No usage told yet.")),
    simple("Quotas", "/quota", (data) => small("Quotas", [{ id: "salt", label: "Cache salt", head: true, value: (row) => row.cache_salt || "(none)" }, { id: "use", label: "In use", num: true, value: (row) => row.usage_gb, text: (row) => `${plain(row.usage_gb)} GB` }, { id: "limit", label: "Limit", num: true, value: (row) => (row.quota_exists ? row.quota_limit_gb : null), text: (row) => (row.quota_exists ? `${plain(row.quota_limit_gb)} GB` : "none") }], data.by_cache_salt || [], (row) => row.cache_salt, "No quotas.")),
    simple("Key directory", "/directory/stats", (data) => tree(data)),
  ],
  controller: [
    simple("Workers", "/controller/workers", (data) => small("Workers", [{ id: "instance", label: "Instance", head: true, value: (row) => row.instance_id }, { id: "worker", label: "Worker", num: true, value: (row) => row.worker_id }, { id: "address", label: "Address", value: (row) => `${row.ip}:${row.port}` }, { id: "keys", label: "Keys", num: true, value: (row) => row.key_count, text: (row) => plain(row.key_count) }, { id: "beat", label: "Last heartbeat", num: true, value: (row) => row.last_heartbeat_time, text: (row) => `${duration(Date.now() / 1000 - row.last_heartbeat_time)} ago` }], data.workers || [], (row) => `${row.instance_id}/${row.worker_id}`, "No worker has registered yet.")),
    simple("Keys", "/controller/key-stats", (data) => small("Keys", [{ id: "instance", label: "Instance", head: true, value: (row) => row.instance_id }, { id: "keys", label: "Keys", num: true, value: (row) => row.key_count, text: (row) => plain(row.key_count) }, { id: "workers", label: "Workers", num: true, value: (row) => row.worker_count }], data.instances || [], (row) => row.instance_id, "No keys yet.")),
  ],
};
