// Prometheus text of one node: families by prefix, samples with their labels, histograms with
// quantiles.

import { barList, Chart } from "../chart.js";
import { button, searchBox } from "../controls.js";
import { append, h, replace, setText } from "../dom.js";
import { clock, format, fullTime, plain, plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { getJson } from "../server.js";
import { DataTable } from "../table.js";
import { metricLabel } from "../words.js";
import { breakable, familyUnit } from "./util.js";

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

const labelText = (labels, names) =>
  names
    .filter((name) => name in labels)
    .map((name) => `${name}=${labels[name]}`)
    .join("  ");
const prefixOf = (name) =>
  name.includes(":")
    ? name.slice(0, name.indexOf(":"))
    : name.startsWith("lmcache_")
      ? name.split("_").slice(0, 2).join("_")
      : name.split("_")[0];
const show = (value, { unit, scale }) =>
  unit === "time" ? fullTime(value) : format(value === null ? null : value * scale, unit);
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

/** A quantile as text; one beyond the last bucket's limit is only known to be larger. */
function quantileText(buckets, q, measure) {
  const value = quantile(buckets, q);
  const bounded = buckets.filter(([limit]) => limit !== Infinity);
  const top = bounded.length ? bounded[bounded.length - 1] : null;
  const count = buckets[buckets.length - 1][1];
  const beyond = top && value === top[0] && count * q > top[1];
  return `${beyond ? "> " : ""}${show(value, measure)}`;
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
        brief: set.count ? `p99 ${quantileText(set.buckets, 0.99, measure)}` : "0 ×",
        shown: !set.count
          ? "0 ×"
          : `${format(set.count, "count")} × · ` +
            `p50 ${quantileText(set.buckets, 0.5, measure)} · ` +
            `p99 ${quantileText(set.buckets, 0.99, measure)}`,
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

/** Buckets with their own counts, in the family's unit, without the empty ones at both ends. */
function ownCounts(buckets, scale) {
  const rows = buckets.map(([limit, count], i) => [
    limit * scale,
    count - (i ? buckets[i - 1][1] : 0),
  ]);
  const first = rows.findIndex(([, count]) => count > 0);
  if (first < 0) return [];
  const last = rows.length - 1 - [...rows].reverse().findIndex(([, count]) => count > 0);
  return rows.slice(Math.max(0, first - 1), last + 2);
}

const quantileLine = (buckets, measure, ...more) =>
  h(
    "p",
    { class: "quantiles" },
    QUANTILES.map(([name, q]) =>
      h("span", {}, `${name} `, h("b", {}, quantileText(buckets, q, measure))),
    ),
    more.map((text) => h("span", {}, text)),
  );

export function mount(root, ctx) {
  const detail = h("div");
  let table = null;
  let rows = [];
  let labelNames = [];
  let varying = []; // labels of the rows shown that have more than one value
  let spread = false; // a row shown is a histogram: its value is a count and quantiles
  const shared = h("p", { class: "family-help" });
  let prefix = null;
  let watched = null; // id of the row whose detail is open
  const found = searchBox("Search metrics", (text) => {
    if (table) table.search(text);
    return table ? table.shown.length : 0;
  });
  const prefixes = h("div", { class: "chips", role: "group", "aria-label": "Families by prefix" });
  const zeroBox = h("input", { type: "checkbox", onchange: filter });

  function filter() {
    for (const chip of prefixes.children)
      chip.setAttribute("aria-pressed", String(chip.dataset.prefix === prefix));
    const inGroup = rows.filter((row) => !prefix || row.prefix === prefix);
    const values = labelValues(inGroup);
    const names = labelNames.filter((name) => values.has(name) && values.get(name).size > 1);
    const common = names.filter(
      (name) => inGroup.filter((row) => name in row.labels).length * RARE >= inGroup.length,
    );
    const apart = common.length <= LABEL_COLUMNS ? common : [];
    const once = Object.fromEntries(
      [...values].filter(([, all]) => all.size === 1).map(([name, all]) => [name, [...all][0]]),
    );
    shared.hidden = !Object.keys(once).length;
    replace(
      shared,
      "Common labels: ",
      h("span", { class: "mono" }, labelText(once, Object.keys(once))),
    );
    varying = names;
    spread = inGroup.some((row) => row.set);
    table.setColumns([
      "name",
      ...apart.map((name) => `label ${name}`),
      ...(common.length > apart.length ? ["labels"] : []),
      ...(apart.length > LABELS_BESIDE_HELP ? [] : ["help"]),
      "type",
      "value",
    ]);
    table.filter(
      (row) => (!prefix || row.prefix === prefix) && (!zeroBox.checked || row.value !== 0),
    );
  }

  function build(text) {
    rows = metricRows(parseMetrics(text));
    labelNames = [...labelValues(rows).keys()].sort();
    const counts = new Map();
    for (const row of rows) counts.set(row.prefix, (counts.get(row.prefix) || 0) + 1);
    if (prefix === null) {
      // the most of LMCache's own, less what is there for old readers alone
      const own = new Map();
      for (const row of rows)
        if (row.prefix.startsWith("lmcache") && !/^deprecated/i.test(row.help || ""))
          own.set(row.prefix, (own.get(row.prefix) || 0) + 1);
      prefix = [...own.keys()].sort((a, b) => own.get(b) - own.get(a))[0] || "";
    }
    if (prefix && !counts.has(prefix)) prefix = "";
    replace(
      prefixes,
      [["", rows.length], ...[...counts].sort()].map(([name, count]) =>
        h(
          "button",
          {
            type: "button",
            class: "small",
            dataset: { prefix: name },
            onclick: () => {
              prefix = name;
              filter();
            },
          },
          name || "All",
          " ",
          h("span", { class: "muted" }, plain(count)),
        ),
      ),
    );
  }

  function columns() {
    const ofLabel = (name) => ({
      id: `label ${name}`,
      label: name,
      cls: "mono",
      width: 110,
      drop: 2,
      value: (row) => row.labels[name] ?? "",
      text: (row) => (name in row.labels ? row.labels[name] || '""' : " "),
      tip: (row) => row.labels[name] || "",
    });
    return [
      {
        id: "name",
        label: "Name",
        head: true,
        cls: "mono",
        width: 300,
        narrow: 176,
        grow: true,
        value: (row) => row.name,
        sig: (row) => row.id,
        render: (row, fit) => [
          h(
            "button",
            {
              type: "button",
              class: "plain-link mono",
              title: row.help ? `${row.name}: ${row.help}` : row.name,
              dataset: { metric: row.id },
              onclick: () => open(row),
            },
            breakable(row.name),
          ),
          labelsBelow(row, fit),
        ],
      },
      ...labelNames.map(ofLabel),
      {
        id: "labels",
        label: "Labels",
        cls: "mono",
        width: 220,
        drop: 1,
        grow: true,
        value: (row) => labelText(row.labels, labelNames),
        text: (row) => labelText(row.labels, labelNames) || " ",
        tip: (row) => labelText(row.labels, labelNames),
      },
      {
        id: "help",
        label: "Help",
        cls: "muted",
        width: 160,
        drop: 3,
        grow: true,
        value: (row) => row.help,
        text: (row) => row.help || " ",
        tip: (row) => row.help,
      },
      { id: "type", label: "Type", width: 88, drop: 4, value: (row) => row.type },
      {
        id: "value",
        label: "Value",
        num: true,
        get width() {
          return spread ? 352 : 126;
        },
        narrow: 126,
        find: false,
        value: (row) => row.value,
        text: (row, fit) => (fit.tight && row.brief) || row.shown,
        tip: (row) => (row.set ? row.shown : plain(row.value)),
      },
    ];
  }

  /** The labels whose columns have no room. */
  function labelsBelow(row, fit) {
    const text = fit.shows("labels")
      ? ""
      : labelText(
          row.labels,
          varying.filter((name) => !fit.shows(`label ${name}`)),
        );
    return text ? h("span", { class: "cell-more muted" }, text) : null;
  }

  function shut(row) {
    watched = null;
    replace(detail);
    const from = [...root.querySelectorAll("button[data-metric]")].find(
      (one) => one.dataset.metric === row.id,
    );
    if (from) from.focus();
  }

  function open(row) {
    watched = row.id;
    const close = button("Close", () => shut(row), { kind: "small" });
    const area = h("div", { class: "charts" });
    const labels = Object.entries(row.labels);
    replace(
      detail,
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
        labels.length
          ? h(
              "p",
              { class: "mono muted" },
              labelText(
                row.labels,
                labels.map(([name]) => name),
              ),
            )
          : null,
        row.set
          ? distribution(row)
          : h(
              "p",
              {},
              h("b", {}, row.shown),
              row.shown === plain(row.value)
                ? null
                : h("span", { class: "muted" }, `  ${plain(row.value)}`),
            ),
        area,
      ),
    );
    watch(row, area);
    detail.scrollIntoView({ block: "nearest" });
    close.focus({ preventScroll: true });
  }

  /** Quantiles and bars of a histogram: since the node started, and since this was opened. */
  function distribution(row) {
    const { set, measure } = row;
    row.fresh = h(
      "div",
      { class: "fresh" },
      h("p", { class: "muted" }, "Nothing observed since this was opened."),
    );
    const bars = ownCounts(set.buckets, measure.scale);
    return h(
      "div",
      { class: "split" },
      h(
        "div",
        {},
        h("h3", {}, "Since the node started"),
        quantileLine(
          set.buckets,
          measure,
          `mean ${set.count ? show(set.sum / set.count, measure) : "–"}`,
          plural(set.count, "observation"),
        ),
        bars.length
          ? barList(bars, measure.unit, `${row.name} since the node started`)
          : h("p", { class: "muted" }, "Nothing observed yet."),
      ),
      h("div", {}, h("h3", {}, "Since this was opened"), row.fresh),
    );
  }

  /**
   * Charts of one sample: what the frontend remembers of it, and what the node tells for as long as
   * this is open.
   */
  async function watch(row, area) {
    const rising = row.type === "counter" || row.set;
    const unit = rising
      ? { bytes: "bytes/s", tokens: "tokens/s" }[row.measure.unit] || "1/s"
      : row.measure.unit === "time"
        ? "count"
        : row.measure.unit;
    const scale = row.set ? 1 : row.measure.scale;
    const chart = new Chart({
      label: row.set
        ? "Observations per second, while this is open"
        : rising
          ? "Per second, while this is open"
          : "Value, while this is open",
      unit,
      height: 150,
    });
    const times = [];
    const values = [];
    const started = Date.now() / 1000;
    let before = null;
    let base = null;
    const names = row.family.samples.length === 1 || row.set ? REMEMBERED[row.name] : null;
    if (names) remembered(row, names, area);
    area.append(chart.element);

    async function step() {
      if (ctx.signal.aborted || watched !== row.id) return;
      const now = Date.now() / 1000;
      try {
        const next = metricRows(parseMetrics(await ctx.text("/metrics"))).find(
          (one) => one.id === row.id,
        );
        if (ctx.signal.aborted || watched !== row.id) return;
        const value = next ? next.value : null;
        if (!rising) {
          times.push(now);
          values.push(value === null ? null : value * scale);
        } else {
          if (before && value !== null) {
            times.push(now);
            values.push(
              value >= before[1] ? ((value - before[1]) * scale) / (now - before[0]) : null,
            );
          }
          before = value === null ? null : [now, value];
        }
        if (row.set && next) {
          base = base || next.set;
          const since = next.set.buckets.map(([limit, count], i) => [
            limit,
            count - ((base.buckets[i] || [])[1] || 0),
          ]);
          const count = next.set.count - base.count;
          if (count > 0)
            replace(
              row.fresh,
              quantileLine(since, row.measure, plural(count, "observation")),
              barList(
                ownCounts(since, row.measure.scale),
                row.measure.unit,
                `${row.name} since this was opened`,
              ),
            );
        }
      } catch (error) {
        if (error.name === "AbortError") return;
        times.push(now);
        values.push(null);
      }
      chart.update({
        series: [{ name: row.name, times, values }],
        start: started,
        end: Math.max(started + 60, now),
        interval: STEP,
      });
      setTimeout(step, STEP * 1000);
    }
    step();
  }

  async function remembered(row, names, area) {
    try {
      const answer = await getJson(
        `api/history?node=${encodeURIComponent(ctx.node().key)}` +
          `&metric=${names.join(",")}&seconds=3600`,
        { signal: ctx.signal },
      );
      const series = answer.series
        .filter((one) => one.values.some((value) => value !== null))
        .map((one) => ({ name: metricLabel(one.metric), times: one.times, values: one.values }));
      if (!series.length || watched !== row.id) return;
      const from = Math.min(...series.map((one) => one.times[0]));
      const unit = row.set
        ? row.measure.unit
        : { bytes: "bytes", tokens: "tokens/s" }[row.measure.unit] || "1/s";
      const chart = new Chart({
        label: `Remembered since ${clock(from)}`,
        unit,
        height: 150,
        legend: series.length > 1,
      });
      area.prepend(chart.element);
      chart.update({
        series,
        start: Math.min(from, answer.end - 120),
        end: answer.end,
        interval: answer.interval,
      });
    } catch (error) {
      /* without it there is still the live chart */
    }
  }

  const frame = panelFrame({
    title: "Metrics",
    path: "/metrics",
    ctx,
    load: async () => {
      const raw = await ctx.text("/metrics");
      return { data: raw, raw };
    },
    render: (text, body) => {
      build(text);
      const word = found.querySelector("input").value;
      table = new DataTable({
        label: "Metrics",
        columns: columns(),
        key: (row) => row.id,
        onrow: open,
        emptyText: "This node reports no metrics.",
      });
      append(
        body,
        h("div", { class: "tools" }, found, prefixes, h("label", {}, zeroBox, "hide zeros")),
        shared,
        table.element,
      );
      table.update(rows);
      filter();
      if (word) setText(found.querySelector(".search-count"), `${plain(table.search(word))} found`);
    },
  });
  root.append(detail, frame.element);
}
