// The cluster: what is wrong first, then the figures, then every node.

import { sparkline } from "../chart.js";
import {
  button,
  fitted,
  guarded,
  kindText,
  nodeLink,
  nodeOf,
  noNodes,
  searchBox,
  stateMark,
} from "../controls.js";
import { append, h, replace, setText } from "../dom.js";
import {
  byName,
  clock,
  duration,
  format,
  fullTime,
  middle,
  parts,
  plain,
  plural,
} from "../format.js";
import { each, getJson, nodePath, recall, remember, store, trusted } from "../server.js";
import { DataTable } from "../table.js";
import { metricHelp, metricLabel, metricUnit, STATE_ORDER, STATES } from "../words.js";

const said = (value, unit, words) =>
  value === null || value === undefined ? "" : words(format(value, unit));

// [metric, label, what the small line under it says of the totals]
const TILES = [
  [
    "lookup_hit_rate",
    "Lookup hit rate",
    (t) => said(t.retrieve_hit_rate, "ratio", (text) => `retrieve ${text}`),
  ],
  [
    "hit_tokens_per_second",
    "From cache",
    (t) => said(t.requested_tokens_per_second, "tokens/s", (text) => `of ${text} asked`),
  ],
  ["retrieve_p99", "Retrieve p99", (t) => said(t.retrieve_p50, "seconds", (text) => `p50 ${text}`)],
  ["store_p99", "Store p99", (t) => said(t.store_p50, "seconds", (text) => `p50 ${text}`)],
  [
    "local_cache_bytes",
    "CPU cache",
    (t) =>
      t.local_cache_limit_bytes
        ? `of ${format(t.local_cache_limit_bytes, "bytes")}`
        : t.local_cache_bytes
          ? "limit not known"
          : "",
  ],
  [
    "evictions_per_second",
    "Evictions",
    (t) => said(t.stored_tokens_per_second, "tokens/s", (text) => `storing ${text}`),
  ],
  [
    "failures_per_second",
    "Failures",
    (t) => said(t.slow_retrievals_per_second, "per second", (text) => `slow retrievals ${text}`),
  ],
];

const metric = (id, width = 104, label = metricLabel(id)) => ({
  id,
  label,
  num: true,
  width,
  find: false,
  title:
    metricHelp(id) +
    (/^(hit|requested|stored)_tokens/.test(id)
      ? "; each worker of an engine counts all of its tokens"
      : ""),
  value: (node) => (node.metrics ? (node.metrics[id] ?? null) : null),
  text: (node) => format(node.metrics ? node.metrics[id] : null, metricUnit(id)),
});

const noFigures = (node) =>
  !node.metrics || Object.values(node.metrics).every((value) => value === null);
const shortVersion = (version) =>
  version ? middle(/^v?\d+(\.\d+)+/.test(version) ? version.split("-")[0] : version, 10) : "–";

const COLUMNS = [
  {
    id: "state",
    label: "State",
    width: 100,
    narrow: 64,
    value: (node) => STATE_ORDER[node.state] ?? 2,
    search: (node) => node.state,
    sig: (node) => node.state,
    render: (node) => stateMark(node.state),
  },
  {
    id: "name",
    label: "Name",
    width: 160,
    narrow: 138,
    grow: true,
    head: true,
    value: (node) => node.key,
    sig: (node) => `${node.key}|${node.error || ""}`,
    search: (node) => `${node.key} ${node.address} ${node.model || ""} ${node.instance || ""}`,
    render: (node) => [
      h("a", { href: nodeLink(node), title: node.key }, fitted(node.key)),
      node.error ? h("span", { class: "reason", title: node.error }, node.error) : null,
    ],
  },
  { id: "kind", label: "Kind", width: 92, drop: 4, value: (node) => node.kind, text: kindText },
  {
    id: "instance",
    label: "Instance",
    width: 120,
    value: (node) => node.instance || "",
    text: (node) => middle(node.instance || "–", 18),
    drop: 12,
  },
  {
    id: "proxy",
    label: "Proxy",
    width: 120,
    value: (node) => (node.proxy === "local_proxy" ? "" : node.proxy),
    text: (node) => (node.proxy === "local_proxy" ? "–" : node.proxy),
    off: true,
  },
  {
    id: "version",
    label: "Version",
    width: 70,
    drop: 7,
    value: (node) => node.version || "",
    text: (node) => shortVersion(node.version),
    tip: (node) => node.version,
  },
  { ...metric("lookup_hit_rate", 90, "Lookup hits"), narrow: 88 },
  { ...metric("retrieve_hit_rate", 94, "Retrieve hits"), drop: 6 },
  { ...metric("hit_tokens_per_second", 102, "From cache"), drop: 1 },
  { ...metric("stored_tokens_per_second", 104, "Stored"), drop: 8 },
  { ...metric("retrieve_p99", 97), drop: 2 },
  { ...metric("store_p99", 92), drop: 9 },
  {
    id: "cache",
    label: "CPU cache",
    num: true,
    width: 122,
    drop: 1,
    find: false,
    title: "bytes in the local CPU cache and the share of its limit",
    value: (node) => (node.metrics ? (node.metrics.local_cache_bytes ?? null) : null),
    text: (node) => {
      const m = node.metrics || {};
      return m.local_cache_bytes === null || m.local_cache_bytes === undefined
        ? "–"
        : format(m.local_cache_bytes, "bytes") +
            (m.local_cache_limit_bytes
              ? ` · ${Math.round((100 * m.local_cache_bytes) / m.local_cache_limit_bytes)}\u202f%`
              : "");
    },
  },
  { ...metric("evictions_per_second", 92), drop: 10 },
  { ...metric("failures_per_second", 92), drop: 11 },
  {
    id: "latency",
    label: "Answer",
    num: true,
    width: 76,
    drop: 3,
    find: false,
    title: metricHelp("latency"),
    value: (node) => node.latency ?? null,
    text: (node) => format(node.latency, "seconds"),
  },
  {
    id: "trend",
    label: "Trend",
    width: 96,
    drop: 5,
    sort: false,
    find: false,
    title: "tokens served from the cache over time",
    value: () => 0,
    sig: (node) => trendOf(node).join(),
    render: (node) => sparkline(trendOf(node), { unit: "tokens/s", width: 80, height: 20 }),
  },
];

// Sparklines are drawn from the second picture on: the figures need not wait for them.
let linesToo = false;
const trendOf = (node) => (linesToo && node.series && node.series.hit_tokens_per_second) || [];

// Ways to put the table's rows under headings: id, label, heading of a node
const GROUPS = [
  ["", "No groups", null],
  ["instance", "By instance", (node) => node.instance || "no instance"],
  ["proxy", "By frontend", (node) => (node.proxy === "local_proxy" ? "this frontend" : node.proxy)],
  ["kind", "By kind", (node) => node.kind],
  ["version", "By version", (node) => node.version || "version not known"],
];

const KEPT = ["q", "state", "kind", "env", "group", "by"]; // what the address holds
const memory = {
  by: recall("groups", ""),
  q: "",
  state: "",
  kind: "",
  env: "",
  group: "",
  envHits: null,
  envSaid: "",
  sort: { id: "state", down: false },
};

export function mount(root, { route, signal }) {
  const summary = h("span", { class: "counts" });
  const alertBox = h("div");
  const spokenAlerts = h("p", { class: "visually-hidden", role: "status" });
  const tiles = h("div", { class: "tiles" });
  const tileParts = new Map();
  const lower = h("div");
  let envAbort = null;
  let showAll = false;
  let alertSig = null;
  let alertIds = null;
  let kinds = "";
  let selectionSig = "";

  if (KEPT.some((key) => route.query.has(key)))
    for (const key of KEPT) {
      // a link tells all of it; without one it is as it was left
      const value = route.query.get(key) || (key === "by" ? memory.by : "");
      if (key === "env" && value !== memory.env) memory.envSaid = "";
      memory[key] = value;
    }

  const standard = COLUMNS.filter((column) => !column.off).map((column) => column.id);
  const table = new DataTable({
    label: "Nodes",
    columns: COLUMNS,
    key: (node) => node.key,
    sort: memory.sort,
    tall: true,
    select: { set: store.selected, name: (node) => node.key, changed: drawSelection },
    onrow: (node) => {
      location.hash = nodeLink(node);
    },
    onsort: (order) => {
      memory.sort = order;
    },
    rowClass: (node) =>
      node.state !== "down"
        ? ""
        : noFigures(node) && (node.kind === "unknown" || !table.columns.includes("kind"))
          ? "mute"
          : "gone",
    emptyText: "No nodes yet.",
    // It is laid out already.
    width: root.querySelector(".first") ? root.querySelector(".first .table-wrap").clientWidth : 0,
  });
  setColumns(JSON.parse(recall("columns", "null")));
  if (memory.by) groupRows();

  const search = searchBox(
    "Search nodes",
    (text) => {
      memory.q = text;
      table.search(text);
      keepAddress();
      return table.shown.length;
    },
    { value: memory.q },
  );
  const stateBox = h("div", { class: "chips", role: "group", "aria-label": "Filter by state" });
  const stateButtons = new Map(
    STATES.map((state) => [
      state,
      button(
        "",
        () => {
          memory.state = memory.state === state ? "" : state;
          applyFilter();
        },
        { kind: "small" },
      ),
    ]),
  );
  stateBox.append(...stateButtons.values());
  const kindBox = h("select", {
    "aria-label": "Filter by kind",
    onchange: () => {
      memory.kind = kindBox.value;
      applyFilter();
    },
  });
  const envInput = guarded(
    h("input", {
      type: "search",
      class: "env-filter",
      placeholder: "Env: KEY or KEY=VALUE",
      title: "Nodes with this variable in their environment",
      "aria-label": "Filter by environment variable, KEY or KEY=VALUE",
      value: memory.env,
      spellcheck: "false",
      autocomplete: "off",
    }),
    signal,
  );
  const envNote = h("span", { class: "progress", "aria-live": "polite" });
  const byBox = h(
    "select",
    {
      "aria-label": "Group the rows",
      value: memory.by,
      onchange: () => {
        memory.by = byBox.value;
        remember("groups", memory.by);
        groupRows();
        keepAddress();
      },
    },
    GROUPS.map(([id, label]) => h("option", { value: id }, label)),
  );
  const groupNote = h("button", {
    type: "button",
    class: "small",
    hidden: true,
    onclick: () => {
      memory.group = "";
      applyFilter();
    },
  });
  envInput.addEventListener("change", filterEnv);
  envInput.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      filterEnv();
    }
  });
  const columnChecks = [];
  const columnList = h("div", { class: "found" });
  const columnBox = h("details", { class: "column-pick" }, h("summary", {}, "Columns"), columnList);
  columnBox.addEventListener("toggle", markColumns);
  columnBox.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && columnBox.open) {
      columnBox.open = false;
      columnBox.firstChild.focus();
    }
  });
  addEventListener(
    "pointerdown",
    (event) => {
      if (!columnBox.contains(event.target)) columnBox.open = false;
    },
    { signal },
  );
  const selection = h("div", {
    class: "selection",
    role: "region",
    "aria-label": "Selected nodes",
    hidden: true,
  });
  const tableArea = h(
    "section",
    { "aria-label": "Nodes" },
    h(
      "div",
      { class: "tools" },
      h("h2", {}, "Nodes"),
      search,
      stateBox,
      kindBox,
      byBox,
      envInput,
      envNote,
      groupNote,
      columnBox,
    ),
    table.element,
    selection,
  );

  const show = () =>
    replace(
      root,
      h("div", { class: "page-head" }, h("h1", {}, "Cluster"), summary),
      spokenAlerts,
      alertBox,
      tiles,
      lower,
    );
  buildTiles();
  if (!store.status) summary.append(h("span", { class: "muted" }, "Asking the server …"));
  if (!root.firstChild) show(); // else the page's first picture stays until there is an answer
  new ResizeObserver(([entry]) => remember("alerts", Math.round(entry.contentRect.height))).observe(
    alertBox,
  ); // the next first picture keeps that free
  if (!memory.envSaid) memory.envHits = null; // it was left while it asked
  setText(envNote, memory.envSaid);
  signal.addEventListener("abort", () => {
    if (envAbort) envAbort.abort();
  });

  /** These columns, or (null) the usual ones as far as there is room. */
  function setColumns(ids) {
    table.setColumns(ids ? ["state", "name", ...ids] : standard, Boolean(ids));
  }
  function chooseColumns() {
    const ids = columnChecks.filter(([, box]) => box.checked).map(([column]) => column.id);
    remember("columns", JSON.stringify(ids));
    setColumns(ids);
  }
  function markColumns() {
    if (!columnChecks.length) {
      // opened for the first time
      columnChecks.push(
        ...COLUMNS.filter((column) => column.id !== "name" && column.id !== "state").map(
          (column) => [column, h("input", { type: "checkbox", onchange: chooseColumns })],
        ),
      );
      append(
        columnList,
        columnChecks.map(([column, box]) => h("label", {}, box, column.label)),
        button(
          "Those that fit",
          () => {
            remember("columns", "null");
            setColumns(null);
            markColumns();
          },
          { kind: "small", title: "The usual columns, as many as there is room for" },
        ),
      );
    }
    for (const [column, box] of columnChecks) box.checked = table.columns.includes(column.id);
  }

  function buildTiles() {
    const make = (id, label) => {
      const change = h("span", { class: "change" });
      const number = h("span", { class: "number" }, "–");
      const unit = h("span", { class: "unit" });
      const more = h("div", { class: "more" });
      const spark = h("span", { class: "tile-spark" });
      tileParts.set(id, { number, unit, more, spark, change, sig: "" });
      const name =
        id === "nodes"
          ? label
          : h(
              "a",
              {
                href: `#/compare?metric=${id}`,
                title: `${metricHelp(id)}${id === "hit_tokens_per_second" ? ", each engine counted once" : ""}; click to compare nodes`,
              },
              label,
            );
      tiles.append(
        h(
          "div",
          { class: "tile" },
          h("div", { class: "name" }, name, change),
          h("div", {}, number, unit),
          spark,
          more,
        ),
      );
    };
    make("nodes", "Nodes answering");
    for (const [id, label] of TILES) make(id, label);
  }

  /** How a figure moved over its sparkline: ["▲ 12 %", "from 3.1 k to 3.5 k tok/s in 5 min"]. */
  function changeOf(series, id) {
    const from = series.findIndex((one) => one !== null);
    if (from < 0 || from === series.length - 1) return ["", ""];
    const [first, last] = [series[from], series[series.length - 1]];
    if (last === null) return ["", ""];
    const unit = metricUnit(id);
    const step = store.status.poll_interval * (series.length - 1 - from);
    const tip = `from ${format(first, unit)} to ${format(last, unit)}${step ? ` in ${duration(step)}` : ""}`;
    const moved =
      unit === "ratio"
        ? (last - first) * 100
        : first
          ? (last / first - 1) * 100
          : last
            ? Infinity
            : 0;
    if (Math.abs(moved) < 0.5) return ["", tip];
    if (unit !== "ratio" && Number.isFinite(moved) && moved >= 900)
      return [`▲ ×${plain(Math.round(last / first))}`, tip];
    return [
      `${moved > 0 ? "▲" : "▼"} ${Number.isFinite(moved) ? `${Math.abs(moved) < 10 ? Math.abs(moved).toFixed(1) : plain(Math.round(Math.abs(moved)))}\u202f${unit === "ratio" ? "pt" : "%"}` : "from 0"}`,
      tip,
    ];
  }

  function putTile(id, value, unit, more, series) {
    const tile = tileParts.get(id);
    setText(tile.number, value);
    setText(tile.unit, unit);
    tile.unit.classList.toggle("per", unit.startsWith("/"));
    setText(tile.more, more);
    const sig = (series || []).join();
    if (tile.sig !== sig) {
      tile.sig = sig;
      replace(
        tile.spark,
        sparkline(series, {
          unit: id === "nodes" ? "count" : metricUnit(id),
          width: 72,
          height: 24,
        }),
      );
      const [text, tip] = changeOf(series || [], id);
      setText(tile.change, text);
      tile.change.title = tip;
    }
  }

  function drawAlerts(status) {
    const order = { critical: 0, warning: 1, info: 2 };
    const alerts = [...(status.alerts || [])].sort(
      (a, b) => order[a.severity] - order[b.severity] || b.since - a.since,
    );
    const sig = JSON.stringify([
      alerts.map((alert) => [alert.id, alert.text, alert.severity]),
      showAll,
      status.nodes.length === 0,
    ]);
    if (sig === alertSig) return;
    alertSig = sig;
    const ids = alerts.map((alert) => alert.id).join();
    if (ids !== alertIds) {
      // said when others came, not each time that one grew older
      if (alertIds !== null)
        setText(
          spokenAlerts,
          alerts.length
            ? `${plural(alerts.length, "alert")}: ${alerts
                .slice(0, 3)
                .map((alert) => alert.text)
                .join("; ")}`
            : "No alerts",
        );
      alertIds = ids;
    }
    const focused = alertBox.contains(document.activeElement) ? document.activeElement : null;
    drawAlertList(alerts, status);
    const again =
      focused &&
      [...alertBox.querySelectorAll("a, button")].find(
        (one) => one.href === focused.href && one.tagName === focused.tagName,
      );
    if (again) again.focus({ preventScroll: true });
  }

  function drawAlertList(alerts, status) {
    if (!alerts.length) {
      replace(
        alertBox,
        status.nodes.length
          ? h(
              "p",
              { class: "all-well" },
              status.counts.unknown
                ? `${plural(status.counts.unknown, "node")} not asked yet.`
                : "Nothing is wrong as far as the nodes tell.",
            )
          : null,
      );
      return;
    }
    // many alerts of one rule become one line, so that they do not hide the others
    const groups = new Map();
    for (const alert of alerts) {
      const id = `${alert.severity} ${alert.rule}`;
      if (!groups.has(id)) groups.set(id, []);
      groups.get(id).push(alert);
    }
    const named = (a, b) => byName(a.node || "", b.node || "");
    const lines = [...groups.values()].flatMap((group) =>
      group.sort(named).length > 4 && !showAll ? [group] : group.map((alert) => [alert]),
    );
    const mark = { critical: "■ critical", warning: "◆ warning", info: "○ note" };
    const link = (alert, text) => {
      const node = alert.node ? nodeOf(alert.node) : null;
      return node ? h("a", { href: nodeLink(node) }, text) : text;
    };
    replace(
      alertBox,
      h(
        "section",
        { class: "alerts", "aria-label": plural(alerts.length, "alert") },
        h(
          "ul",
          {},
          lines.slice(0, showAll ? 500 : 8).map((group) => {
            const since = Math.min(...group.map((alert) => alert.since || Infinity));
            return h(
              "li",
              { class: group[0].severity },
              h("span", { class: "mark" }, mark[group[0].severity] || mark.info),
              h(
                "span",
                { class: "text" },
                group.length === 1
                  ? link(group[0], group[0].text)
                  : [
                      h("b", {}, `${group.length} × `),
                      link(group[0], group[0].text),
                      ", ",
                      group
                        .slice(1, 4)
                        .flatMap((alert) => [link(alert, alert.node || alert.text), ", "]),
                      `and ${group.length - 4} more`,
                    ],
              ),
              h(
                "span",
                {
                  class: "when",
                  onpointerenter: (event) => {
                    event.target.title = fullTime(since);
                  },
                },
                Number.isFinite(since) ? `since ${clock(since)}` : "",
              ),
            );
          }),
        ),
        lines.length > 8 || lines.length < alerts.length || showAll
          ? button(
              showAll ? "Show fewer" : `Show all ${alerts.length}`,
              () => {
                showAll = !showAll;
                drawAlerts(store.status);
              },
              { kind: "small" },
            )
          : null,
      ),
    );
  }

  const groupOf = (node) =>
    node.proxy === "local_proxy" ? `i:${node.instance || ""}` : `p:${node.proxy}`;

  function applyFilter() {
    for (const [state, control] of stateButtons)
      control.setAttribute("aria-pressed", String(memory.state === state));
    groupNote.hidden = !memory.group;
    setText(groupNote, `Only ${memory.group.slice(2)}  ×`);
    table.filter(
      (node) =>
        (!memory.state || node.state === memory.state) &&
        (!memory.kind || node.kind === memory.kind) &&
        (!memory.group || groupOf(node) === memory.group) &&
        (!memory.envHits || memory.envHits.has(node.key)),
    );
    keepAddress();
  }

  /** A heading tells how many nodes it has, and what is wrong with how many of them. */
  function groupRows() {
    const [, , of] = GROUPS.find(([id]) => id === memory.by) || GROUPS[0];
    table.group(
      of && {
        of,
        rank: (nodes) => Math.min(...nodes.map((node) => STATE_ORDER[node.state] ?? 2)),
        head(nodes, name) {
          const bad = ["down", "degraded", "unknown"]
            .map((state) => [state, nodes.filter((node) => node.state === state).length])
            .filter(([, count]) => count);
          return {
            sig: `${name}|${nodes.length}|${bad.join()}`,
            parts: [
              h("b", {}, name),
              h("span", { class: "muted" }, plural(nodes.length, "node")),
              bad.map(([state, count]) =>
                h("span", {}, stateMark(state, true), ` ${plain(count)} ${state}`),
              ),
            ],
          };
        },
      },
    );
  }

  function keepAddress() {
    if (signal.aborted) return;
    const query = new URLSearchParams();
    for (const key of KEPT) if (memory[key]) query.set(key, memory[key]);
    const text = query.toString();
    const hash = `#/${text ? `?${text}` : ""}`;
    if (hash !== (location.hash || "#/")) history.replaceState(null, "", hash);
  }

  /** Ask the nodes for their environment, and keep those that have the wanted variable. */
  async function filterEnv() {
    const wanted = envInput.value.trim();
    if (wanted === memory.env && memory.envHits) return;
    if (envAbort) envAbort.abort();
    Object.assign(memory, { env: wanted, envHits: null, envSaid: "" });
    setText(envNote, "");
    if (!wanted) {
      applyFilter();
      return;
    }
    if (!trusted()) {
      setText(envNote, "Locked: environments need the token");
      keepAddress();
      return;
    }
    const [name, ...rest] = wanted.split("=");
    const value = rest.length ? rest.join("=") : null;
    const nodes = store.status.nodes.filter((node) => node.state !== "down");
    const hits = new Set();
    let done = 0;
    let mute = 0;
    envAbort = new AbortController();
    const mine = envAbort.signal;
    memory.envHits = hits;
    applyFilter();
    await each(
      nodes,
      (node) => getJson(nodePath(node, "/env"), { signal: mine, timeout: 15 }),
      (node, env, error) => {
        done += 1;
        if (error || !env) mute += 1;
        else if (name in env && (value === null || String(env[name]) === value)) hits.add(node.key);
        if (mine.aborted) return;
        setText(envNote, `asked ${plain(done)} of ${plain(nodes.length)}`);
        if (done % 25 === 0) applyFilter();
      },
      12,
    );
    if (mine.aborted) return;
    memory.envSaid = `${plural(hits.size, "node")} match${hits.size === 1 ? "es" : ""}${mute ? `, ${plain(mute)} did not tell` : ""}`;
    setText(envNote, memory.envSaid);
    applyFilter();
  }

  function drawSelection() {
    const keys = [...store.selected].filter((key) => store.byKey.has(key));
    selection.hidden = keys.length === 0;
    if (keys.join() === selectionSig) return; // what has the focus keeps it
    selectionSig = keys.join();
    const names = encodeURIComponent(keys.slice(0, 40).join(","));
    replace(
      selection,
      h("b", {}, `${plural(keys.length, "node")} selected`),
      button(
        "Select none",
        () => {
          store.selected.clear();
          table.update(store.status.nodes);
          drawSelection();
        },
        { kind: "bare" },
      ),
      h("span", { class: "spring" }),
      h("a", { class: "button", href: `#/compare?nodes=${names}` }, "Compare"),
      h("a", { class: "button", href: "#/many" }, "Change them together"),
    );
  }

  function update(status) {
    if (!linesToo)
      requestAnimationFrame(() =>
        setTimeout(() => {
          linesToo = true;
          if (!signal.aborted) update(store.status);
        }),
      );
    const { counts, totals = {}, totals_series: series = {} } = status;
    if (!tiles.isConnected) show();
    replace(
      summary,
      STATES.filter((state) => counts[state]).map((state) =>
        h("span", { class: "gap" }, stateMark(state, true), ` ${plain(counts[state])} ${state}  `),
      ),
    );
    drawAlerts(status);
    putTile(
      "nodes",
      plain(counts.up + counts.degraded),
      `of ${plain(counts.total)}`,
      [
        counts.down && `${counts.down} down`,
        counts.degraded && `${counts.degraded} degraded`,
        counts.unknown && `${counts.unknown} unknown`,
      ]
        .filter(Boolean)
        .join(", ") || (counts.total ? "all answer" : ""),
      linesToo ? series.nodes_up : [],
    );
    for (const [id, , more] of TILES)
      putTile(
        id,
        ...parts(totals[id], metricUnit(id)).map((text) => text.trim()),
        more(totals),
        linesToo ? series[id] : [],
      );
    if (!status.nodes.length) {
      if (lower.firstChild !== lower.emptyBox || !lower.emptyBox) {
        lower.emptyBox = noNodes();
        replace(lower, lower.emptyBox);
      }
      tiles.hidden = true;
      return;
    }
    tiles.hidden = false;
    if (lower.firstChild !== tableArea) replace(lower, tableArea);
    for (const [state, control] of stateButtons) {
      const sig = `${state}${counts[state]}`;
      if (control.dataset.sig !== sig) {
        control.dataset.sig = sig;
        replace(
          control,
          stateMark(state),
          h("span", { class: "muted" }, plain(counts[state] || 0)),
        );
      }
      control.hidden = !counts[state] && memory.state !== state;
    }
    const all = [...new Set(status.nodes.map((node) => node.kind))].sort();
    if (all.join() !== kinds) {
      kinds = all.join();
      replace(
        kindBox,
        h("option", { value: "" }, "All kinds"),
        all.map((kind) => h("option", { value: kind }, kind)),
      );
      kindBox.value = memory.kind;
    }
    kindBox.hidden = all.length < 2;
    if (!update.done) {
      if (memory.q) table.search(memory.q);
      applyFilter();
      update.done = true;
    } // arranged once, with the rows
    table.update(status.nodes);
    drawSelection();
    if (memory.env && !memory.envHits && store.session && (trusted() || envNote.textContent === ""))
      filterEnv();
  }

  return {
    update,
    go({ query }) {
      let changed = false;
      if (query.has("by") && query.get("by") !== memory.by) {
        memory.by = query.get("by");
        byBox.value = memory.by;
        groupRows();
      }
      for (const key of ["q", "state", "kind", "group"]) {
        const value = query.get(key) || "";
        if (memory[key] !== value) {
          memory[key] = value;
          changed = true;
        }
      }
      const env = query.get("env") || "";
      if (env !== memory.env) {
        envInput.value = env;
        filterEnv();
      }
      if (changed) {
        search.firstChild.value = memory.q;
        kindBox.value = memory.kind;
        table.search(memory.q);
        applyFilter();
      }
    },
  };
}
