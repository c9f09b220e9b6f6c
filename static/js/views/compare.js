// One metric across nodes in one chart; and the settings that differ.

import { Chart, COLOURS, followCrosshair } from "../chart.js";
import { nearest } from "../chartmath.js";
import { button, empty, fitted, nodeLink, noNodes, searchBox, stateMark } from "../controls.js";
import { h, replace, setText } from "../dom.js";
import { byName, format, middle, plain, plural } from "../format.js";
import { chartSpan, historyQuery, onRange } from "../address.js";
import { each, getJson, nodePath, store } from "../server.js";
import { DataTable } from "../table.js";
import { HISTORY, metricLabel, metricUnit } from "../words.js";
import { show } from "../panels/config.js";

const MOST = 60; // lines in one chart
const UNASKED = 16; // nodes whose settings are compared at once; with more there is a button

export function mount(root, { route, signal }) {
  const query = route.query;
  let metric = HISTORY.includes(query.get("metric")) ? query.get("metric") : "lookup_hit_rate";
  let chosen = new Set(query.get("nodes") ? query.get("nodes").split(",") : store.selected);
  let picked = chosen.size > 0;
  let lastTime = 0;
  let chart = null;
  const note = h("p", { class: "panel-line", role: "status" });
  const chartBox = h("div");
  const values = h("div");
  const metricBox = h(
    "select",
    {
      "aria-label": "Metric",
      onchange: () => {
        metric = metricBox.value;
        lastTime = 0;
        chart = null;
        load();
      },
    },
    HISTORY.map((name) => h("option", { value: name }, metricLabel(name))),
  );
  metricBox.value = metric;
  const nodeSummary = h("summary", {}, "Nodes");
  const nodeList = h("div", { class: "pick-list" });
  let needle = "";
  const search = searchBox("Search nodes", (text) => {
    needle = text.toLowerCase();
    drawPicker();
  });
  const pickBox = h(
    "details",
    { class: "picker" },
    nodeSummary,
    h(
      "div",
      { class: "tools" },
      search,
      button(
        "Those that answer",
        () => {
          chosen = new Set(
            store.status.nodes
              .filter((node) => node.state !== "down")
              .slice(0, MOST)
              .map((node) => node.key),
          );
          changed();
        },
        { kind: "small" },
      ),
      button(
        "None",
        () => {
          chosen.clear();
          changed();
        },
        { kind: "small" },
      ),
    ),
    nodeList,
  );
  const driftNote = h("span", { class: "progress", "aria-live": "polite" });
  const driftBox = h("div");
  const driftAll = h("input", { type: "checkbox", onchange: () => drawDrift() });
  const driftButton = button("Compare settings", drift, { kind: "small" });
  let drifted = null;
  let driftNames = "";
  let turns = 0;
  let driftTimer = 0;
  let driftAbort = null;
  signal.addEventListener("abort", () => {
    clearTimeout(driftTimer);
    if (driftAbort) driftAbort.abort();
  });
  const none = noNodes();
  none.hidden = true;
  const metricPanel = h(
    "section",
    { class: "panel asking", "aria-label": "One metric across nodes" },
    h("header", { class: "panel-head" }, h("h2", {}, "One metric across nodes")),
    h("div", { class: "tools" }, metricBox),
    pickBox,
    note,
    chartBox,
    values,
  );
  const content = h(
    "div",
    {},
    metricPanel,
    h(
      "section",
      { class: "panel", "aria-label": "Settings that differ" },
      h(
        "header",
        { class: "panel-head" },
        h("h2", {}, "Settings that differ"),
        h("p", { class: "muted" }, "between the nodes chosen above"),
        h(
          "div",
          { class: "panel-tools" },
          h("label", { class: "inline" }, driftAll, "show equal ones too"),
          driftButton,
        ),
      ),
      driftNote,
      driftBox,
    ),
  );
  replace(root, h("div", { class: "page-head" }, h("h1", {}, "Compare")), none, content);

  function changed() {
    drawPicker();
    load();
  }

  /** A few nodes are asked for their settings without being told to. */
  function driftSoon() {
    if (chosen.size < 2 || chosen.size > UNASKED) return;
    clearTimeout(driftTimer);
    driftTimer = setTimeout(drift, 600);
  }

  function summarize() {
    setText(
      nodeSummary,
      `Nodes: ${chosen.size ? `${plain(chosen.size)} of ${plain(store.status.nodes.length)}` : "none chosen"}`,
    );
  }

  function drawPicker() {
    const nodes = store.status ? store.status.nodes : [];
    const hits = nodes
      .filter(
        (node) =>
          !needle ||
          `${node.key} ${node.kind} ${node.instance || ""}`.toLowerCase().includes(needle),
      )
      .slice(0, 200);
    summarize();
    replace(
      nodeList,
      hits.map((node) => {
        const box = h("input", { type: "checkbox", checked: chosen.has(node.key) });
        box.addEventListener("change", () => {
          if (box.checked) chosen.add(node.key);
          else chosen.delete(node.key);
          summarize();
          load();
        });
        return h(
          "label",
          {},
          box,
          stateMark(node.state, true),
          h("span", {}, middle(node.key, 30)),
        );
      }),
      hits.length ? null : h("p", { class: "muted" }, "No node of that name."),
    );
  }

  function keepAddress() {
    if (signal.aborted) return;
    const text = new URLSearchParams({
      metric,
      nodes: [...chosen].slice(0, MOST).join(","),
    }).toString();
    history.replaceState(null, "", `#/compare?${text}`);
  }

  async function load() {
    if (!store.status) return;
    keepAddress();
    const keys = [...chosen].slice(0, MOST);
    if (!keys.length) {
      metricPanel.classList.remove("asking");
      replace(chartBox);
      chart = null;
      replace(
        values,
        empty(
          "No nodes chosen. Open “Nodes” above and choose some, or select rows in the cluster's table.",
        ),
      );
      setText(note, "");
      return;
    }
    const names = [...chosen].join();
    if (names !== driftNames) {
      driftNames = names;
      driftSoon();
    }
    const unit = metricUnit(metric);
    const turn = (turns += 1);
    try {
      const answer = await getJson(
        `api/history?metric=${metric}&${historyQuery()}&node=${keys.map(encodeURIComponent).join(",")}`,
        { signal },
      );
      if (turn !== turns) return; // something else was chosen meanwhile
      if (!chart) {
        chart = new Chart({ label: metricLabel(metric), unit, height: 300 });
        replace(chartBox, chart.element);
      }
      const series = answer.series.map((one) => ({
        name: one.node,
        times: one.times,
        values: one.values,
      }));
      chart.update({
        series,
        ...chartSpan(series, answer.end),
        interval: answer.interval,
      });
      setText(
        note,
        chosen.size > MOST ? `The first ${MOST} of ${chosen.size} nodes are drawn.` : "",
      );
      drawValues(series, unit);
    } catch (error) {
      if (error.name !== "AbortError") setText(note, `No history: ${error.message}`);
    } finally {
      metricPanel.classList.remove("asking");
    }
  }

  let table = null;
  let rows = [];
  let drawn = [];
  // The table follows the crosshair.
  followCrosshair((time) => {
    for (const [index, one] of drawn.entries())
      rows[index].at =
        time === null || !one.times.length ? null : one.values[nearest(one.times, time)];
    if (table) table.update(rows);
  }, signal);
  onRange(load, signal);

  function drawValues(series, unit) {
    drawn = series;
    rows = series.map((one, index) => {
      const known = one.values.filter((value) => value !== null && Number.isFinite(value));
      return {
        name: one.name,
        index,
        at: null,
        last: known.length ? known[known.length - 1] : null,
        low: known.length ? Math.min(...known) : null,
        high: known.length ? Math.max(...known) : null,
        mean: known.length ? known.reduce((a, b) => a + b, 0) / known.length : null,
      };
    });
    const column = (id, label, drop) => ({
      id,
      label,
      num: true,
      width: 110,
      drop,
      find: false,
      value: (row) => row[id],
      text: (row) => format(row[id], unit),
    });
    if (!table || drawValues.unit !== unit) {
      drawValues.unit = unit;
      table = new DataTable({
        label: "Values",
        key: (row) => row.name,
        sort: { id: "last", down: true },
        columns: [
          {
            id: "name",
            label: "Node",
            head: true,
            grow: true,
            width: 200,
            narrow: 150,
            value: (row) => row.name,
            sig: (row) => `${row.name} ${row.index}`,
            render: (row) => [
              h("i", {
                class: `swatch c${row.index % COLOURS} d${Math.floor(row.index / COLOURS) % 3}`,
              }),
              h("a", { href: nodeLink({ key: row.name }), title: row.name }, fitted(row.name)),
            ],
          },
          { ...column("at", "At crosshair", 1), width: 116 },
          { ...column("last", "Last"), narrow: 96 },
          column("low", "Lowest", 3),
          column("mean", "Mean", 4),
          column("high", "Highest", 2),
        ],
      });
    }
    if (values.firstChild !== table.element) replace(values, table.element);
    table.update(rows);
  }

  async function drift() {
    const nodes = [...chosen]
      .map((key) => store.byKey.get(key))
      .filter(
        (node) =>
          node &&
          node.state !== "down" &&
          !["coordinator", "controller", "discovery"].includes(node.kind),
      );
    if (driftAbort) driftAbort.abort();
    if (nodes.length < 2) {
      driftButton.disabled = false;
      drifted = null;
      setText(driftNote, "");
      replace(driftBox, empty("Choose at least two nodes that answer and have settings."));
      return;
    }
    driftAbort = new AbortController();
    const mine = driftAbort.signal;
    driftButton.disabled = true;
    const told = [];
    const mute = [];
    let done = 0;
    await each(
      nodes,
      (node) =>
        getJson(nodePath(node, node.kind === "mp" ? "/config" : "/conf"), {
          signal: mine,
          timeout: 15,
        }),
      (node, conf, error) => {
        if (mine.aborted) return;
        done += 1;
        if (conf && typeof conf === "object")
          told.push([node.key, node.kind === "mp" ? flatten(conf) : conf, node.kind === "mp"]);
        else mute.push(`${node.key}: ${error ? error.message : "no settings"}`);
        setText(driftNote, `asked ${done} of ${nodes.length}`);
      },
      8,
    );
    if (mine.aborted) return;
    driftButton.disabled = false;
    drifted = { told: told.sort((a, b) => byName(a[0], b[0])), mute };
    drawDrift();
  }

  function drawDrift() {
    if (!drifted) return;
    const { told, mute } = drifted;
    // an MP server's settings are others than an engine's: compared each among their own
    const kinds = [told.filter((one) => !one[2]), told.filter((one) => one[2])].filter(
      (group) => group.length,
    );
    const rows = kinds.flatMap((group) =>
      [...new Set(group.flatMap(([, conf]) => Object.keys(conf)))].sort().map((name) => {
        const by = new Map();
        for (const [key, conf] of group) {
          const text = name in conf ? show(conf[name]) : "(absent)";
          if (!by.has(text)) by.set(text, []);
          by.get(text).push(key);
        }
        return { name, groups: [...by].sort((a, b) => b[1].length - a[1].length) };
      }),
    );
    const odd = rows.filter((row) => row.groups.length > 1);
    setText(
      driftNote,
      `${plural(odd.length, "setting")} differ${odd.length === 1 ? "s" : ""} between ${plural(told.length, "node")}, ${rows.length - odd.length} are equal${mute.length ? `; did not tell: ${mute.join("; ")}` : ""}.`,
    );
    const shown = driftAll.checked ? rows : odd;
    replace(
      driftBox,
      shown.length
        ? h(
            "div",
            {
              class: "scroll drift",
              tabindex: "0",
              role: "region",
              "aria-label": "Settings that differ",
            },
            h(
              "table",
              { class: "plain" },
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  h("th", { scope: "col" }, "Setting"),
                  h("th", { scope: "col" }, "Most have"),
                  h("th", { scope: "col" }, "Odd ones out"),
                ),
              ),
              h(
                "tbody",
                {},
                shown.map((row) =>
                  h(
                    "tr",
                    {},
                    h("th", { scope: "row", class: "mono" }, row.name),
                    h(
                      "td",
                      { class: "mono" },
                      `${row.groups[0][0]}`,
                      row.groups.length > 1
                        ? h(
                            "span",
                            { class: "muted" },
                            `  ${plural(row.groups[0][1].length, "node")}`,
                          )
                        : null,
                    ),
                    h(
                      "td",
                      { class: "mono" },
                      row.groups
                        .slice(1)
                        .map(([text, keys]) =>
                          h(
                            "div",
                            {},
                            `◆ ${text}`,
                            h(
                              "span",
                              { class: "muted" },
                              `  ${keys.slice(0, 6).join(", ")}${keys.length > 6 ? ` and ${keys.length - 6} more` : ""}`,
                            ),
                          ),
                        ),
                    ),
                  ),
                ),
              ),
            ),
          )
        : null,
    );
  }

  return {
    update(status) {
      none.hidden = status.nodes.length > 0;
      content.hidden = !none.hidden;
      if (content.hidden) return;
      if (!picked && status.nodes.length) {
        picked = true;
        chosen = new Set(
          status.nodes
            .filter(
              (node) =>
                node.metrics && node.metrics[metric] !== null && node.metrics[metric] !== undefined,
            )
            .slice(0, 16)
            .map((node) => node.key),
        );
        if (!chosen.size) chosen = new Set(status.nodes.slice(0, 16).map((node) => node.key));
      }
      if (!nodeList.firstChild) drawPicker();
      if (status.time - lastTime > 4) {
        lastTime = status.time;
        load();
      }
    },
    go({ query }) {
      // the address was changed by hand
      if (!query.size) {
        keepAddress();
        return;
      }
      if (HISTORY.includes(query.get("metric")) && query.get("metric") !== metric) {
        metric = query.get("metric");
        metricBox.value = metric;
        chart = null;
      }
      if (query.has("nodes")) chosen = new Set(query.get("nodes").split(",").filter(Boolean));
      changed();
    },
  };
}

function flatten(value, prefix = "", into = {}) {
  for (const [name, item] of Object.entries(value)) {
    const path = prefix ? `${prefix}.${name}` : name;
    if (item !== null && typeof item === "object" && !Array.isArray(item))
      flatten(item, path, into);
    else into[path] = item;
  }
  return into;
}
