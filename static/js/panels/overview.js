// What the node is doing: figures, use of its caches, the last hour; kinds.js adds what other
// servers tell of themselves.

import { Chart } from "../chart.js";
import { facts, stateMark } from "../controls.js";
import { h, replace, setText } from "../dom.js";
import { clock, duration, format, fullTime, parts } from "../format.js";
import { chartSpan, historyQuery, onRange } from "../address.js";
import { getJson } from "../server.js";
import { metricHelp, metricLabel, metricUnit } from "../words.js";
import { meterRow, OWN_PANELS } from "./kinds.js";
import { breakable } from "./util.js";

const TILES = [
  "lookup_hit_rate",
  "retrieve_hit_rate",
  "hit_tokens_per_second",
  "stored_tokens_per_second",
  "requests_per_second",
  "retrieve_p99",
  "store_p99",
  "lookup_p99",
  "evictions_per_second",
  "failures_per_second",
  "remote_ping_seconds",
  "queue_size",
];
const CHARTS = [
  ["Hit rate", ["lookup_hit_rate", "retrieve_hit_rate"]],
  ["Tokens", ["requested_tokens_per_second", "hit_tokens_per_second", "stored_tokens_per_second"]],
  ["Retrieve time", ["retrieve_p50", "retrieve_p99"]],
  ["Store and lookup time", ["store_p99", "lookup_p99"]],
  ["Cache bytes", ["local_cache_bytes", "remote_cache_bytes"]],
  [
    "Evictions and failures",
    ["evictions_per_second", "failures_per_second", "slow_retrievals_per_second"],
  ],
  ["Queue", ["queue_size"]],
  ["Answer time", ["latency"]],
];
const MP_LABELS = { local_cache_bytes: "L1", remote_cache_bytes: "L2" };

export function mount(root, ctx) {
  const tiles = h("div", { class: "tiles compact" });
  const use = h("div", { class: "meters" });
  const about = h("div");
  const chartBox = h("div", { class: "charts" });
  const chartNote = h("p", { class: "panel-line", role: "status" });
  const charts = CHARTS.map(([label, names]) => ({
    names,
    chart: new Chart({ label, unit: metricUnit(names[0]), legend: names.length > 1 }),
    shown: false,
  }));
  const pastLine = h("p", { class: "note", role: "status", hidden: true });
  // Metric -> [value, time]: the last that the node told, for while it is down.
  const told = new Map();
  const parts_ = new Map();
  let lastPoll = null;
  let useSig = "";
  let aboutSig = "";
  const more = { started: null, disk: null };

  const hint = h("p", { class: "muted" }, "Drag to zoom, arrow keys read values.");
  const historyPanel = h(
    "section",
    { class: "panel", "aria-label": "History" },
    h("header", { class: "panel-head" }, h("h2", {}, "History"), hint),
    chartNote,
    chartBox,
  );
  const special = h("div", { class: "columns" });
  replace(
    root,
    pastLine,
    tiles,
    special,
    h(
      "section",
      { class: "panel", "aria-label": "Caches" },
      h("header", { class: "panel-head" }, h("h2", {}, "Caches")),
      use,
    ),
    historyPanel,
    h(
      "section",
      { class: "panel", "aria-label": "About this node" },
      h("header", { class: "panel-head" }, h("h2", {}, "About this node")),
      about,
    ),
  );
  const cachePanel = use.parentElement;

  let kind = null;
  function drawSpecial(node) {
    if (kind === node.kind) return;
    kind = node.kind;
    replace(special);
    for (const make of OWN_PANELS[kind] || []) special.append(make(ctx));
    special.classList.toggle("own-panels", Boolean(special.firstChild));
    historyPanel.hidden = kind === "frontend"; // the server keeps no figures of proxies
    for (const panel of [cachePanel, historyPanel]) panel.classList.add("asking");
    askMore().finally(() => cachePanel.classList.remove("asking"));
  }

  /** What the node tells now; while it is down, the last that it told. */
  function figures(node) {
    if (node.state === "down")
      return Object.fromEntries([...told].map(([name, [value]]) => [name, value]));
    for (const [name, value] of Object.entries(node.metrics || {}))
      if (value !== null) told.set(name, [value, node.polled]);
    return node.metrics || {};
  }

  /** Take the last values of series, where they are newer. */
  function remember(series) {
    for (const { metric, times, values } of series) {
      const last = values.reduce((found, value, i) => (value === null ? found : i), -1);
      if (last >= 0 && !(told.has(metric) && told.get(metric)[1] > times[last]))
        told.set(metric, [values[last], times[last]]);
    }
  }

  function drawTiles(node) {
    const metrics = figures(node);
    const down = node.state === "down";
    pastLine.hidden = !down || !told.size;
    if (!pastLine.hidden)
      setText(
        pastLine,
        `Figures are the last that it told, at ${clock(Math.max(...[...told.values()].map(([, time]) => time)))}.`,
      );
    for (const box of [tiles, use]) box.classList.toggle("stale", down);
    const names = TILES.filter((name) => metrics[name] !== null && metrics[name] !== undefined);
    tiles.hidden = names.length < 2;
    for (const name of names) {
      if (!parts_.has(name)) {
        const number = h("span", { class: "number" });
        const unit = h("span", { class: "unit" });
        const tile = h(
          "div",
          { class: "tile", title: metricHelp(name) },
          h("div", { class: "name" }, metricLabel(name)),
          h("div", {}, number, unit),
        );
        parts_.set(name, { number, unit, tile });
        tiles.append(tile);
      }
      const [text, unit] = parts(metrics[name], metricUnit(name));
      setText(parts_.get(name).number, text);
      setText(parts_.get(name).unit, unit.trim());
      parts_.get(name).unit.classList.toggle("per", unit.trim().startsWith("/"));
    }
  }

  function drawUse(node) {
    const m = figures(node);
    const rows = [
      [node.kind === "mp" ? "L1" : "CPU cache", m.local_cache_bytes, m.local_cache_limit_bytes],
      ["Local storage", m.local_storage_bytes, more.disk],
      [node.kind === "mp" ? "L2" : "Remote cache", m.remote_cache_bytes, null],
    ].filter(([, used]) => used !== null && used !== undefined);
    const sig = JSON.stringify([rows, node.state]);
    if (sig === useSig) return;
    useSig = sig;
    cachePanel.hidden = !rows.length || (node.kind === "mp" && node.state !== "down"); // an MP server's own panel says it better
    replace(
      use,
      rows.map(([label, used, limit]) =>
        meterRow(label, used, limit, limit ? "" : "limit not known"),
      ),
    );
  }

  function drawAbout(node) {
    const m = node.metrics || {};
    const health = m.healthy === 1 ? "● healthy" : m.healthy === 0 ? "■ not healthy" : ""; // LMCache's own monitor
    const rows = [
      ["State", node.state],
      ["In this state since", fullTime(node.since)],
      ["Own health monitor", health],
      ["Running since", more.started ? fullTime(more.started) : null],
      [
        "Up for",
        more.started && node.state !== "down" ? duration(Date.now() / 1000 - more.started) : null,
      ],
      ["Kind", node.kind === "unknown" ? "" : node.kind],
      ["Role", node.role],
      ["Instance", node.instance],
      ["Model", node.model],
      ["Version", node.version],
      ["Address", node.address],
      ["Path here", node.path],
      ["Known from", node.source],
      [
        "Proxy",
        node.proxy === "local_proxy"
          ? ""
          : h("a", { href: `#/node/${encodeURIComponent(node.proxy)}/overview` }, node.proxy),
      ],
      ["Last asked", node.polled ? clock(node.polled) : null],
      ["Answer time", node.latency === null ? null : format(node.latency, "seconds")],
      ["Last error", node.error],
    ];
    const sig = JSON.stringify([rows, node.proxy]);
    if (sig === aboutSig) return;
    aboutSig = sig;
    const shown = {
      State: () => stateMark(node.state),
      "Own health monitor": (said) =>
        h("span", { class: `state-word ${m.healthy ? "good" : "bad"}` }, said),
      Address: breakable,
      "Path here": breakable,
    };
    replace(
      about,
      facts(rows.map(([term, value]) => [term, shown[term] && value ? shown[term](value) : value])),
    );
  }

  /** What the status does not carry: when the process started, and the size of its disk cache. */
  async function askMore() {
    const node = ctx.node();
    const ask = async (path, take) => {
      try {
        take(await ctx.text(path));
      } catch (error) {
        /* these facts are left out */
      }
    };
    if (["scheduler", "worker", "mp", "coordinator", "controller"].includes(node.kind))
      await ask("/metrics", (text) => {
        more.started = Number((/^process_start_time_seconds (\S+)/m.exec(text) || [])[1]) || null;
      });
    if (node.kind === "worker")
      await ask("/conf?names=max_local_disk_size", (text) => {
        more.disk =
          (Number((/"max_local_disk_size":\s*([\d.eE+-]+)/.exec(text) || [])[1]) || 0) * 2 ** 30 ||
          null;
      });
    if (ctx.signal.aborted) return;
    drawUse(ctx.node());
    drawAbout(ctx.node());
  }

  async function loadCharts() {
    if (historyPanel.hidden) {
      historyPanel.classList.remove("asking");
      return;
    }
    const names = charts.flatMap((one) => one.names);
    try {
      const answer = await getJson(
        `api/history?node=${encodeURIComponent(ctx.node().key)}&metric=${names.join(",")}&${historyQuery()}`,
        { signal: ctx.signal },
      );
      const by = new Map(answer.series.map((one) => [one.metric, one]));
      let any = false;
      remember(answer.series);
      if (ctx.node().state === "down") {
        drawTiles(ctx.node());
        drawUse(ctx.node());
      }
      for (const one of charts) {
        const series = one.names
          .map((name) => by.get(name))
          .filter((found) => found && found.values.some((value) => value !== null))
          .map((found) => ({
            name: (kind === "mp" && MP_LABELS[found.metric]) || metricLabel(found.metric),
            times: found.times,
            values: found.values,
          }));
        if (series.length) {
          any = true;
          if (!one.shown) {
            one.shown = true;
            const after = charts.slice(charts.indexOf(one) + 1).find((next) => next.shown);
            chartBox.insertBefore(one.chart.element, after ? after.chart.element : null);
          }
          one.chart.update({
            series,
            ...chartSpan(series, answer.end),
            interval: answer.interval,
          });
        } else if (one.shown) {
          one.shown = false;
          one.chart.element.remove();
        }
      }
      hint.hidden = !any;
      setText(
        chartNote,
        any
          ? ""
          : ctx.node().state === "down"
            ? "This node has told no figures since the frontend started."
            : "No figures in memory yet: they appear after two polls, for nodes that tell LMCache metrics.",
      );
    } catch (error) {
      if (error.name !== "AbortError") setText(chartNote, `No history: ${error.message}`);
    } finally {
      historyPanel.classList.remove("asking");
    }
  }

  onRange(loadCharts, ctx.signal);
  return {
    update(node) {
      drawSpecial(node);
      drawTiles(node);
      drawUse(node);
      drawAbout(node);
      if (node.polled !== lastPoll || lastPoll === null) {
        lastPoll = node.polled ?? 0;
        loadCharts();
      }
    },
  };
}
