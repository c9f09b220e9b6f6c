// What MP servers, coordinators, controllers, discovery services and other frontends tell of
// themselves: the upper part
// of their Overview.

import { facts, meter, nodeLink, stateMark } from "../controls.js";
import { append, h } from "../dom.js";
import { byName, clock, duration, format, fullTime, plain, plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { getJson, refreshNow, store } from "../server.js";
import { DataTable } from "../table.js";
import { tree } from "../tree.js";

const LATE = 30; // seconds since a worker's last heartbeat after which it is marked

const panel =
  (title, path, show, note = "") =>
  (ctx) =>
    panelFrame({
      title,
      note,
      path,
      ctx,
      load: () => ctx.json(path),
      render: (data, body) => append(body, show(data, ctx)),
    }).element;

function rows(label, columns, list, key, emptyText) {
  const table = new DataTable({ label, columns, key, fixed: false, emptyText });
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
export const gigabytes = (value) => (value === 0 ? "0" : format(value * 2 ** 30, "bytes")); // LMCache's GB are GiB

export function meterRow(label, used, limit, note = "") {
  const share = limit ? ` of ${bytes(limit)} · ${Math.round((100 * used) / limit)}\u202f%` : "";
  return h(
    "div",
    { class: "meter-row" },
    h("div", {}, h("span", {}, label), h("b", {}, bytes(used) + share)),
    limit ? meter(used, limit, `${label} in use`) : null,
    note || !limit ? h("small", {}, note || "limit not known") : null,
  );
}

// ---- MP server ------------------------------------------------------------

const percent = (ratio) => format(ratio, "ratio");
const evicts = (one) =>
  `${one.eviction_policy}, from ${percent(one.trigger_watermark)} used, ${percent(one.eviction_ratio)} at a time`;

/** The parts of an MP server that say whether they are well: [name, object, what they are at]. */
function mpParts(storage) {
  const each = (group, name, say) =>
    Object.entries(storage[`${group}s`] || (storage[group] ? { "": storage[group] } : {})).map(
      ([tag, one]) => [tag && tag !== "_default" ? `${name} · ${tag}` : name, one, say(one)],
    );
  const prefetch = storage.prefetch_controller;
  const l2 = storage.l2_eviction_controller;
  return [
    ...each(
      "l1_manager",
      "L1 memory",
      (one) =>
        `${plural(one.total_object_count, "object")}; locked ${plain(one.read_locked_count)} for reading, ${plain(one.write_locked_count)} for writing; ${plain(one.staging_object_count || 0)} arriving`,
    ),
    ...each("l1_eviction_controller", "L1 eviction", evicts),
    ...each(
      "store_controller",
      "Stores to L2",
      (one) =>
        `${plain(one.pending_keys_count)} waiting, ${plain(one.in_flight_task_count)} running; ${plural(one.num_active_adapters, "adapter")} active, ${plain(one.num_draining_adapters)} draining`,
    ),
    ...(prefetch
      ? [
          [
            "Prefetch from L2",
            prefetch,
            `${plain(prefetch.in_flight_request_count)} of at most ${plain(prefetch.max_in_flight)} running, ${plain(prefetch.pending_queue_size + prefetch.submission_queue_size)} waiting`,
          ],
        ]
      : []),
    ...(l2
      ? [["L2 eviction", l2, (l2.adapters || []).map(evicts).join("; ") || "no adapter evicts"]]
      : []),
    ...(storage.l2_adapters || []).map((one, i) => [
      `L2 adapter ${i} · ${one.type}`,
      one,
      one.base_path || one.endpoint || one.url || "",
    ]),
  ].map(([name, one, at]) => ({
    name,
    at,
    well: one.is_healthy !== false && one.thread_alive !== false && one.event_loop_alive !== false,
    alive: one.thread_alive !== false,
  }));
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

function mpMemory(storage, inL2) {
  const l1 = Object.entries(
    storage.l1_managers || (storage.l1_manager ? { _default: storage.l1_manager } : {}),
  );
  const evicting = (storage.l2_eviction_controller || {}).adapters || [];
  const adapters = storage.l2_adapters || [];
  return h(
    "div",
    { class: "meters" },
    l1.map(([tag, one]) =>
      meterRow(
        tag === "_default" ? "L1" : `L1 · ${tag}`,
        one.memory_used_bytes,
        one.memory_total_bytes,
        Object.keys(one.capacity_bytes_by_backend || {}).join(", "),
      ),
    ),
    evicting.map((one, i) =>
      meterRow(
        evicting.length === adapters.length
          ? `L2 · ${adapters[i].type}`
          : evicting.length > 1
            ? `L2 with eviction · ${i}`
            : "L2 with eviction",
        one.total_bytes_used,
        one.total_capacity_bytes,
        plural(one.num_cache_salt_buckets ?? 0, "cache salt"),
      ),
    ),
    inL2 && adapters.length > evicting.length
      ? meterRow("L2 in all", inL2, null, "with the adapters that have no limit")
      : null,
  );
}

function mpStatus(data, ctx) {
  const storage = data.storage_manager || {};
  const alive = data.worker_liveness || {};
  const events = data.kv_events || {};
  const contexts = [
    ...Object.entries(data.cache_context_meta || {}).map(([id, one]) => ({
      id,
      on: "GPU",
      ...one,
    })),
    ...Object.entries(data.non_cuda_context_meta || {}).map(([id, one]) => ({
      id,
      on: "not CUDA",
      ...one,
    })),
  ];
  const parts = mpParts(storage).sort((a, b) => a.well - b.well);
  return [
    facts([
      [
        "Health",
        h(
          "span",
          { class: `state-word ${data.is_healthy ? "good" : "bad"}` },
          data.is_healthy ? "● healthy" : "■ not healthy",
        ),
      ],
      ["Engine", data.engine_type],
      ["Chunk size", data.chunk_size && `${plain(data.chunk_size)} tokens`],
      ["Hash", data.hash_algorithm],
      ["Active sessions", plain(data.active_sessions ?? 0)],
      ["Prefetch jobs", plain(data.active_prefetch_jobs ?? 0)],
      [
        "Peer to peer",
        data.p2p_enabled ? `${data.p2p_state}, ${plural(data.p2p_peer_count, "peer")}` : "off",
      ],
      [
        "Workers tracked",
        alive.enabled
          ? `${plain(alive.tracked_instances)}; one is dropped after ${duration(alive.reap_timeout_seconds)} of silence`
          : alive.enabled === false
            ? "not watched"
            : null,
      ],
      [
        "KV event log",
        events.enabled
          ? `${plain(events.log_depth)} of ${plain(events.log_capacity)}, ${plural(events.subscribers, "subscriber")}${events.lost_markers ? `, ${plain(events.lost_markers)} lost` : ""}`
          : events.enabled === false
            ? "off"
            : null,
      ],
    ]),
    h("h3", {}, "Memory"),
    mpMemory(storage, (ctx.node().metrics || {}).remote_cache_bytes),
    h("h3", {}, "Parts"),
    rows(
      "Parts of the server",
      [
        text("name", "Part", (row) => row.name, { head: true }),
        wellness,
        text("at", "Now", (row) => row.at, { cls: "wrap" }),
      ],
      parts,
      (row) => row.name,
      "The server tells of none.",
    ),
    h("h3", {}, "Workers"),
    rows(
      "Workers registered",
      [
        text("id", "Worker", (row) => row.id, { head: true }),
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
      ],
      contexts,
      (row) => `${row.on} ${row.id}`,
      "No serving engine has registered yet.",
    ),
    h("details", { class: "all" }, h("summary", { class: "muted" }, "All of it"), tree(data)),
  ];
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
        ...number("since", "Registered", (row) => row.registration_time, clock),
        tip: (row) => fullTime(row.registration_time),
      },
    ],
    data.instances || [],
    (row) => row.instance_id,
    "No MP server has registered yet.",
  );

function usage(data) {
  const list = (data.instances || [])
    .flatMap((one) => (one.modules || []).map((module) => ({ of: one.instance_id, ...module })))
    .concat((data.shared_modules || []).map((module) => ({ of: "shared", ...module })));
  return list.length
    ? h(
        "div",
        { class: "meters" },
        list.map((row) =>
          meterRow(
            `${row.of} · ${row.tier.toUpperCase()} ${row.backend}`,
            row.used_bytes,
            row.capacity_bytes,
          ),
        ),
      )
    : h("p", { class: "muted" }, "No instance has told its usage yet.");
}

const quotas = (data) => [
  rows(
    "Quotas",
    [
      text("salt", "Cache salt", (row) => row.cache_salt || "(none)", { head: true }),
      number("use", "In use", (row) => row.usage_gb, gigabytes),
      number(
        "limit",
        "Limit",
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
    `${gigabytes(data.total_gb ?? 0)} in all. Quotas are set under Cache.`,
  ),
];

const directory = (data) => [
  facts([
    ["Keys", plain(data.num_keys ?? 0)],
    ["Places", plain(data.num_placements ?? 0)],
    ["In L1", `${plain(data.l1_count ?? 0)}, ${bytes(data.l1_size_bytes ?? 0)}`],
    ["In L2", `${plain(data.l2_count ?? 0)}, ${bytes(data.l2_size_bytes ?? 0)}`],
    ...Object.entries(data.l1_keys_by_instance || {}).map(([name, count]) => [
      `L1 keys of ${name}`,
      plain(count),
    ]),
  ]),
  h("details", { class: "all" }, h("summary", { class: "muted" }, "All of it"), tree(data)),
];

const silence = (row) => Date.now() / 1000 - row.last_heartbeat_time;
const isLate = (row) => silence(row) > LATE;
const workers = (data) =>
  rows(
    "Workers",
    [
      text("instance", "Instance", (row) => row.instance_id, { head: true }),
      number("worker", "Worker", (row) => row.worker_id),
      text("address", "Address", (row) => `${row.ip}:${row.port}`),
      number("keys", "Keys", (row) => row.key_count),
      number("since", "Registered", (row) => row.registration_time, clock),
      number(
        "beat",
        "Last heartbeat",
        (row) => silence(row),
        (age) => `${age > LATE ? "◆ late, " : ""}${duration(age)} ago`,
      ),
    ],
    [...(data.workers || [])].sort(
      (a, b) =>
        isLate(b) - isLate(a) ||
        byName(`${a.instance_id} ${a.worker_id}`, `${b.instance_id} ${b.worker_id}`),
    ),
    (row) => `${row.instance_id}/${row.worker_id}`,
    "No worker has registered yet.",
  );

const keys = (data) =>
  rows(
    "Keys",
    [
      text("instance", "Instance", (row) => row.instance_id, { head: true }),
      number("keys", "Keys", (row) => row.key_count),
      number("workers", "Workers", (row) => row.worker_count),
    ],
    data.instances || [],
    (row) => row.instance_id,
    "No keys yet.",
  );

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
      text("other", "Also told", (row) => row.otherInfo || "", { cls: "wrap mono" }),
    ],
    list,
    (row) => `${row.apiAddress} ${row.pid}`,
    "Nobody has reported yet.",
  );
}

/** The nodes behind another frontend, as this one sees them. */
function children(ctx) {
  const name = ctx.node().name;
  // The first look takes what is known, a refresh asks that frontend for its nodes again.
  let asked = false;
  return panelFrame({
    title: "Nodes behind it",
    note: "as this frontend sees them through it",
    ctx,
    load: async (signal) => {
      if (asked) {
        await getJson(`api/proxies/${encodeURIComponent(name)}/refresh`, { signal });
        await refreshNow();
      }
      asked = true;
      const list = store.status ? store.status.nodes.filter((node) => node.proxy === name) : [];
      return { data: list, raw: JSON.stringify(list, null, 2) };
    },
    render: (list, body) =>
      append(
        body,
        rows(
          "Nodes behind it",
          [
            text("state", "State", (row) => row.state, {
              sig: (row) => row.state,
              render: (row) => stateMark(row.state),
            }),
            text("name", "Name", (row) => row.name, {
              head: true,
              sig: (row) => row.key,
              render: (row) => h("a", { href: nodeLink(row) }, row.name),
            }),
            text("kind", "Kind", (row) => row.kind),
            text("version", "Version", (row) => row.version || ""),
            number(
              "hits",
              "Lookup hits",
              (row) => (row.metrics || {}).lookup_hit_rate ?? null,
              percent,
            ),
            number(
              "latency",
              "Answer",
              (row) => row.latency,
              (value) => format(value, "seconds"),
            ),
          ],
          list,
          (row) => row.key,
          "That frontend tells of no nodes.",
        ),
      ),
  }).element;
}

const itsStatus = panel("What it says itself", "/api/status", (data) => [
  facts([
    ["Version", data.version],
    ["Running since", fullTime(data.started)],
    ["Up for", duration(data.uptime)],
    ["Asks its nodes every", duration(data.poll_interval)],
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
  (data.alerts || []).length
    ? [
        h("h3", {}, "Its alerts"),
        h(
          "ul",
          {},
          data.alerts
            .slice(0, 10)
            .map((alert) =>
              h(
                "li",
                {},
                h(
                  "span",
                  { class: `state-word ${alert.severity === "critical" ? "bad" : "warn"}` },
                  alert.severity === "critical" ? "■ " : "◆ ",
                ),
                alert.text,
              ),
            ),
        ),
      ]
    : h("p", { class: "quiet-line" }, "It has no alerts."),
]);

/** Kind -> makers of panels, each `(ctx) -> Node`. */
export const OWN_PANELS = {
  mp: [panel("MP server", "/status", mpStatus)],
  coordinator: [
    panel("Instances", "/instances", instances),
    panel("Memory by instance and tier", "/instances/usage", usage),
    panel("Quotas", "/quota", quotas),
    panel("Key directory", "/directory/stats", directory),
  ],
  controller: [
    panel("Workers", "/controller/workers", workers),
    panel("Keys", "/controller/key-stats", keys),
  ],
  discovery: [panel("Reports", "/lmcache_infos", reports)],
  frontend: [children, itsStatus],
};
