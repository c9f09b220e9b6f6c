// Prometheus text of one node: families by prefix, samples with their labels, histograms with quantiles.

import { barList, lineChart } from "../chart.js";
import { h, replace } from "../dom.js";
import { format, plain, plural, unitOf } from "../format.js";
import { button, dataTable, panelFrame, searchBox } from "../ui.js";

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function number(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
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
      if (line[2] === "H") entry.help = space < 0 ? "" : rest.slice(space + 1);
      else { entry.type = rest.slice(space + 1).trim(); typed.set(name, entry); }
    } else if (line && line[0] !== "#") {
      const match = SAMPLE.exec(line);
      if (!match) continue;
      const labels = {};
      if (match[2]) for (const [, key, value] of match[2].matchAll(LABEL)) labels[key] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
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

const labelText = (labels, drop) => Object.entries(labels).filter(([key]) => !drop.has(key)).map(([key, value]) => `${key}=${value}`).join("  ");
const prefixOf = (name) => (name.includes(":") ? name.slice(0, name.indexOf(":")) : name.startsWith("lmcache_mp") ? "lmcache_mp" : name.split("_")[0]);

export function mount(root, ctx) {
  const detail = h("div");
  let families = [];
  let table = null;
  let rows = [];
  const found = searchBox("Search metrics", (text) => { if (table) table.search(text); return table ? table.shown.length : 0; });
  const prefixBox = h("select", { "aria-label": "Family prefix", onchange: () => table && filter() });
  const zeroBox = h("input", { type: "checkbox", onchange: () => table && filter() });

  function filter() {
    table.filter((row) => (!prefixBox.value || row.prefix === prefixBox.value) && (!zeroBox.checked || row.value !== 0));
  }

  function build(text) {
    families = parseMetrics(text);
    const all = families.flatMap((family) => family.samples.map((sample) => sample.labels));
    // labels that are the same in every LMCache sample say nothing in a row
    const own = families.filter((family) => /lmcache/.test(family.name)).flatMap((family) => family.samples.map((sample) => sample.labels));
    const base = own.length ? own : all;
    const drop = new Set(base.length ? Object.keys(base[0]).filter((key) => key !== "le" && base.every((labels) => labels[key] === base[0][key])) : []);
    const shared = [...drop].map((key) => `${key}=${base[0][key]}`).join("  ");
    rows = families.flatMap((family) => {
      const unit = unitOf(family.name);
      const common = { family, unit, prefix: prefixOf(family.name), help: family.help, type: family.type };
      if (family.type === "histogram") {
        return histograms(family).map((set, i) => ({ ...common, id: `${family.name}#${i}`, name: family.name, labels: labelText(set.labels, drop), value: set.count, set,
          shown: set.count ? `${plain(set.count)} × · p50 ${format(quantile(set.buckets, 0.5), unit)} · p99 ${format(quantile(set.buckets, 0.99), unit)}` : "0 ×" }));
      }
      return family.samples.filter((sample) => !sample.name.endsWith("_created")).map((sample, i) => ({ ...common, id: `${sample.name}#${i}`, name: sample.name, labels: labelText(sample.labels, drop), value: sample.value, shown: format(sample.value, unit) }));
    });
    const chosen = prefixBox.value || (prefixBox.options.length ? "" : rows.some((row) => row.prefix === "lmcache") ? "lmcache" : "");
    const prefixes = [...new Set(rows.map((row) => row.prefix))].sort();
    replace(prefixBox, h("option", { value: "" }, "All families"), prefixes.map((prefix) => h("option", { value: prefix }, prefix)));
    prefixBox.value = prefixes.includes(chosen) ? chosen : "";
    return shared;
  }

  function open(row) {
    const chartArea = h("div");
    const close = button("Close", () => replace(detail), { kind: "small" });
    const extra = row.set ? [facts3(row), h("h3", {}, "Observations by bucket"), barList(row.set.buckets.map(([limit, count], i) => [limit, count - (i ? row.set.buckets[i - 1][1] : 0)]), row.unit, row.name)] : null;
    replace(detail, h("section", { class: "panel", "aria-label": row.name }, h("header", { class: "panel-head" }, h("h2", { class: "mono" }, row.name), h("div", { class: "panel-tools" }, close)), h("p", { class: "muted" }, row.help || "No help text."), row.labels ? h("p", { class: "mono muted" }, row.labels) : null, extra, chartArea));
    watch(row, chartArea);
    detail.scrollIntoView({ block: "nearest" });
    close.focus({ preventScroll: true });
  }

  const facts3 = (row) => h("p", {}, [["p50", 0.5], ["p90", 0.9], ["p99", 0.99]].map(([name, q]) => `${name} ${format(quantile(row.set.buckets, q), row.unit)}`).join(" · "), ` · mean ${format(row.set.count ? row.set.sum / row.set.count : null, row.unit)} · ${plain(row.set.count)} observations since the node started`);

  /** A chart over time of one sample: asked of the node every few seconds for as long as it is open. */
  function watch(row, area) {
    const counter = row.type === "counter" || row.set;
    const unit = counter ? { bytes: "bytes/s", tokens: "tokens/s", seconds: "count" }[row.unit] || "per second" : row.unit;
    const chart = lineChart({ label: counter ? "Per second, while this is open" : "Value, while this is open", unit, height: 150 });
    const times = [];
    const values = [];
    let before = null;
    const started = Date.now() / 1000;
    area.append(chart.element);
    async function step() {
      if (ctx.signal.aborted || !area.isConnected) return;
      try {
        const fresh = parseMetrics(await ctx.text("/metrics"));
        const family = fresh.find((one) => one.name === row.family.name);
        const index = Number(row.id.slice(row.id.lastIndexOf("#") + 1));
        const value = family ? (row.set ? (histograms(family)[index] || {}).count : (family.samples.filter((sample) => !sample.name.endsWith("_created"))[index] || {}).value) : null;
        const now = Date.now() / 1000;
        if (counter) { if (before) { times.push(now); values.push(value >= before[1] ? (value - before[1]) / (now - before[0]) : null); } before = [now, value]; } else { times.push(now); values.push(value ?? null); }
      } catch (error) {
        if (error.name === "AbortError") return;
        times.push(Date.now() / 1000);
        values.push(null);
      }
      chart.update({ series: [{ name: row.name, times, values }], start: started, end: Math.max(started + 60, Date.now() / 1000), interval: 3 });
      setTimeout(step, 3000);
    }
    step();
  }

  const frame = panelFrame({
    title: "Metrics", path: "/metrics", ctx,
    load: async () => { const raw = await ctx.text("/metrics"); return { data: raw, raw }; },
    render: (text, body) => {
      const shared = build(text);
      const columns = [
        { id: "name", label: "Name", head: true, cls: "mono", width: 330, grow: true, value: (row) => row.name, search: (row) => `${row.name} ${row.help}`, sig: (row) => row.id, render: (row) => h("button", { type: "button", class: "plain-link mono", title: row.help, onclick: () => open(row) }, row.name) },
        { id: "labels", label: "Labels", cls: "mono", width: 220, value: (row) => row.labels, text: (row) => row.labels || " " },
        { id: "type", label: "Type", width: 96, value: (row) => row.type },
        { id: "value", label: "Value", num: true, width: 250, find: false, value: (row) => row.value, text: (row) => row.shown, tip: (row) => plain(row.value) },
      ];
      table = dataTable({ label: "Metrics", columns, key: (row) => row.id, onrow: open, emptyText: "This node tells no metrics." });
      body.append(h("div", { class: "tools" }, found, prefixBox, h("label", {}, zeroBox, "hide zeros"), h("span", { class: "muted" }, `${plural(families.length, "family", "families")}, ${plural(rows.length, "row")}`)), shared ? h("p", { class: "mono muted" }, `In every row: ${shared}`) : null, table.element);
      table.update(rows);
      filter();
      const text2 = found.firstChild.value;
      if (text2) table.search(text2);
    },
  });
  root.append(detail, frame.element);
}
