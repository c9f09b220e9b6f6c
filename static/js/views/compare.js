// Compare: one metric of several nodes in one chart, and settings that differ between nodes.

import { each, getJson, nodePath } from "../api.js";
import { lineChart } from "../chart.js";
import { h, replace, setText } from "../dom.js";
import { format, METRICS, metricLabel } from "../format.js";
import { recall, remember } from "../state.js";
import { dataTable, nodeLink, searchBox, stateMark } from "../ui.js";

const KEPT = ["lookup_hit_rate", "retrieve_hit_rate", "requested_tokens_per_second", "hit_tokens_per_second", "stored_tokens_per_second", "requests_per_second",
  "retrieve_p99", "store_p99", "lookup_p99", "local_cache_bytes", "remote_cache_bytes", "evictions_per_second", "failures_per_second", "queue_size"];
const MOST = 60; // lines of the chart

export function mount(root, { route, signal }) {
  const metricBox = h("select", { name: "metric" }, KEPT.filter((name) => METRICS[name]).map((name) => h("option", { value: name }, metricLabel(name))));
  metricBox.value = route.query.get("metric") || recall("compare.metric", "lookup_hit_rate");
  if (!metricBox.value) metricBox.selectedIndex = 0;
  const chosen = new Set((route.query.get("nodes") || "").split(",").filter(Boolean));
  const chartBox = h("div");
  const line = h("p", { class: "muted", role: "status" });
  const driftBox = h("div");
  let chart = null;
  let nodes = [];
  let loaded = 0;
  const value = (node) => (node.metrics ? node.metrics[metricBox.value] ?? null : null);
  const table = dataTable({
    label: "Nodes to compare", key: (node) => node.key, sort: { id: "name", down: false }, emptyText: "No nodes yet.",
    select: { set: chosen, name: (node) => node.key, changed: () => load(true) },
    columns: [
      { id: "state", label: "State", width: 112, value: (node) => node.state, sig: (node) => node.state, render: (node) => stateMark(node.state) },
      { id: "name", label: "Name", width: 200, grow: true, head: true, value: (node) => node.key, sig: (node) => node.key, render: (node) => h("a", { href: nodeLink(node) }, node.key) },
      { id: "value", label: "Now", width: 140, num: true, find: false, value, sig: (node) => format(value(node), METRICS[metricBox.value][1]), render: (node) => format(value(node), METRICS[metricBox.value][1]) },
    ],
  });
  metricBox.addEventListener("change", () => { remember("compare.metric", metricBox.value); chart = null; table.update(nodes); load(true); });
  const drift = h("button", { type: "button", onclick: compareSettings }, "Compare settings");
  replace(root, h("div", { class: "page-head" }, h("h1", {}, "Compare")), h("div", { class: "tools" }, h("label", {}, "Metric", metricBox), searchBox("Search nodes", (text) => table.search(text))),
    chartBox, line, table.element, h("div", { class: "page-head" }, h("h2", {}, "Settings that differ"), drift), driftBox);

  async function load(now = false) {
    if (!now && Date.now() - loaded < 5000) return;
    loaded = Date.now();
    if (!chart) {
      chart = lineChart({ label: metricLabel(metricBox.value), unit: METRICS[metricBox.value][1], height: 280, legend: true });
      replace(chartBox, chart.element);
    }
    const wanted = nodes.filter((node) => (chosen.size ? chosen.has(node.key) : value(node) !== null)).slice(0, MOST);
    setText(line, wanted.length ? "" : "Nothing to compare: no chosen node has told this figure yet.");
    if (!wanted.length) return;
    try {
      const answer = await getJson(`api/history?node=${wanted.map((node) => encodeURIComponent(node.key)).join(",")}&metric=${metricBox.value}&seconds=3600`, { signal });
      chart.update({ series: answer.series.map((one) => ({ name: one.node, times: one.times, values: one.values })), start: answer.start, end: answer.end, interval: answer.interval });
    } catch (error) {
      if (error.name !== "AbortError") setText(line, `No history: ${error.message}`);
    }
  }

  async function compareSettings() {
    const asked = nodes.filter((node) => ["scheduler", "worker"].includes(node.kind) && node.state !== "down" && (!chosen.size || chosen.has(node.key)));
    const confs = new Map();
    const silent = [];
    drift.disabled = true;
    await each(asked, (node) => getJson(nodePath(node, "/conf"), { signal }), (node, conf) => { if (conf) confs.set(node.key, conf); else silent.push(node.key); setText(drift, `${confs.size + silent.length} of ${asked.length} asked`); });
    drift.disabled = false;
    setText(drift, "Compare settings");
    const rows = [];
    for (const name of new Set([...confs.values()].flatMap((conf) => Object.keys(conf)))) {
      const groups = new Map();
      for (const [key, conf] of confs) {
        const text = name in conf ? JSON.stringify(conf[name]) : "(not set)";
        groups.set(text, [...(groups.get(text) || []), key]);
      }
      if (groups.size < 2) continue;
      const [usual, ...odd] = [...groups].sort((a, b) => b[1].length - a[1].length);
      rows.push({ name, usual: `${usual[0]} (${usual[1].length} nodes)`, odd: odd.map(([text, keys]) => `${text}: ${keys.join(", ")}`).join("; ") });
    }
    const found = dataTable({ label: "Settings that differ", key: (row) => row.name, fixed: false, sort: { id: "name", down: false }, emptyText: `No setting differs between ${confs.size} nodes.`,
      columns: [{ id: "name", label: "Setting", head: true, value: (row) => row.name }, { id: "usual", label: "Most have", value: (row) => row.usual, cls: "mono wrap" }, { id: "odd", label: "Odd ones out", value: (row) => row.odd, cls: "mono wrap" }] });
    found.update(rows);
    replace(driftBox, silent.length ? h("p", { class: "note" }, `Not answered: ${silent.join(", ")}.`) : null, found.element);
  }

  return { update(status) { nodes = status.nodes; table.update(nodes); load(); } };
}
