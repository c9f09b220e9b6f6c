// What can be done to a node's cache. Each action says in one line what it does; what cannot be
// taken back asks first.

import {
  button,
  facts,
  field,
  guarded,
  nodeLink,
  online,
  searchBox,
  toast,
  working,
} from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { append, breakable, breakableCall, h, replace, setText } from "../dom.js";
import { format, middle, plain, plural } from "../format.js";
import { changeFields, markWrong } from "../forms.js";
import { explain, panelFrame } from "../panel.js";
import { store, subscribe, trusted } from "../server.js";
import { DataTable } from "../table.js";
import { tree } from "../tree.js";
import { evictsBySalt, fails, gigabytes, limitText, tierName } from "./kinds.js";

/** One action: its name, what it does, and its buttons. */
function operation(name, text, ...buttons) {
  return h(
    "div",
    { class: "op" },
    h("div", {}, h("p", { class: "op-name" }, name), h("p", {}, text)),
    h("div", { class: "actions" }, buttons),
  );
}

export function mount(root, ctx) {
  const kind = ctx.node().kind;
  if (kind === "mp") mountMp(root, ctx);
  else if (kind === "coordinator") mountCoordinator(root, ctx);
  else if (kind === "controller") mountController(root, ctx);
  else if (kind === "scheduler") mountScheduler(root, ctx);
  else if (kind === "worker") mountEngine(root, ctx);
  else mountUnknown(root, ctx);
}

/**
 * A button that sends one request, says how it went, and then refreshes what it changed. `of` is
 * what it acts on, where others have the same label.
 */
function act(
  ctx,
  label,
  method,
  path,
  { danger = false, confirm = null, after = null, body, older = [], of = "" } = {},
) {
  const control = button(
    label,
    async () => {
      if (confirm && !(await confirmDialog({ action: label, ...confirm }))) return;
      await working(control, async () => {
        try {
          const answer = await sendEither(ctx, method, [path, ...older], body);
          toast(resultText(label, said(answer)), "good");
        } catch (error) {
          if (error.name === "AbortError") throw error;
          toast(`${label}: ${explain(error, ctx.node())}`, "bad");
        }
      });
      if (after) await after();
    },
    { kind: `small${danger ? " danger" : ""}`, name: of && `${label}: ${of}` },
  );
  return guarded(control, ctx.signal, ctx.node);
}

/** Send a request to the first of these paths that the node has. */
async function sendEither(ctx, method, [path, ...others], body) {
  try {
    return await ctx.send(method, path, body);
  } catch (error) {
    if (error.status !== 404 || !others.length) throw error;
    return sendEither(ctx, method, others);
  }
}

/** What was done and what the node said of it, which may begin with what was done. */
const resultText = (label, text) =>
  text.toLowerCase().startsWith(`${label.toLowerCase()} `) ? text : `${label}: ${text}`;

function said(answer) {
  if (answer === null || typeof answer !== "object") return String(answer ?? "done");
  if (answer.message) return answer.message;
  if (answer.bypassed !== undefined)
    return `${answer.backend_name} ${answer.bypassed ? "is now bypassed" : "is in use again"}`;
  if (answer.num_removed !== undefined) return `${plain(answer.num_removed)} removed`;
  if (answer.recreated) return `${Object.keys(answer.recreated).join(", ")} recreated`;
  if (answer.created) {
    const names = Object.keys(answer.created).join(", ");
    return names ? `${names} created` : "no backend was missing";
  }
  if (answer.cleared && answer.cleared.tier) return `${answer.cleared.tier.toUpperCase()} cleared`;
  if (answer.error_codes) {
    const bad = Object.entries(answer.error_codes).filter(([, code]) => code !== 0);
    return bad.length
      ? bad.map(([worker, code]) => `worker ${worker} returned code ${code}`).join(", ")
      : `${plural(Object.keys(answer.error_codes).length, "worker")} responded, no errors`;
  }
  if (answer.cache_salt) return `${answer.cache_salt} has no limit now`;
  const rest = Object.entries(answer)
    .filter(([name]) => name !== "backends" && name !== "status")
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return rest.join(", ") || "done";
}

const AFTER = "Requests compute those tokens again. This cannot be undone.";
const KEPT_IN_L2 = "L2 keeps its copies.";
const AFTER_L1 = "Requests compute again what L2 does not have. This cannot be undone.";

/** Where more can be done, through a server that speaks for others. */
function operationsNote(what) {
  const more = h("a", { href: "#/many?tab=cache" }, "Cache operations");
  return h("p", { class: "note" }, `To ${what} a prompt’s KV, use `, more, ".");
}

/** The names of nodes, as links to what can be done to their caches. */
const nodeLinks = (nodes) =>
  nodes.flatMap((one, i) => [
    i ? ", " : "",
    h("a", { class: "gap", href: nodeLink(one, "cache") }, one.name),
  ]);

let panels = 0; // how many have said why their buttons are disabled

/** A panel whose buttons change the node: why they are disabled stands beside its title. */
function changesFrame({ render, ...options }) {
  const { signal, node } = options.ctx;
  panels += 1;
  const why = h("span", { class: "tag", id: `why-off-${panels}` });
  let buttons = []; // none until the node has responded
  const apply = () => {
    const text = buttons.length ? whyOff(node()) : "";
    why.hidden = !text;
    setText(why, text);
  };
  const described = (data, body) => {
    render(data, body);
    buttons = body.querySelectorAll("button[data-refused]");
    for (const one of buttons) one.setAttribute("aria-describedby", why.id);
    apply();
  };
  const frame = panelFrame({ ...options, render: described });
  frame.element.querySelector("h2").after(why);
  apply();
  subscribe(apply, signal);
  return frame;
}

/** Why no change can be sent to a node, in two words; "" when it can be. */
function whyOff(node) {
  if (store.error) return "No connection";
  if (store.session && !trusted()) return "Read-only";
  return node && node.state === "down" ? "Node down" : "";
}

/** A panel of actions that shows nothing of the node itself. */
function actions(ctx, title, path, method, ...operations) {
  const render = (data, body) => append(body, operations);
  return changesFrame({ title, path, ctx, curlOptions: { method }, render }).element;
}

function resetMetrics(ctx) {
  const reset = act(ctx, "Reset metrics", "POST", "/metrics/reset", {
    confirm: {
      title: `Reset the metrics of ${ctx.node().key}?`,
      text: "Counters start again at zero.",
    },
  });
  const text = "Sets this process’s LMCache counters to zero; charts show a step.";
  const row = operation("Reset metrics", text, reset);
  return actions(ctx, "Metrics", "/metrics/reset", "POST", row);
}

/**
 * A node that has not told what it is gets the rest of an engine's panels when it answers the first
 * one.
 */
function mountUnknown(root, ctx) {
  root.append(
    backends(ctx, () => {
      root.append(engineRest(ctx));
    }),
  );
}

// ---- worker ------------------------------------------------------------------

function mountEngine(root, ctx) {
  root.append(backends(ctx), engineRest(ctx));
}

const NOT_COUNTED = "Not available on workers: only the scheduler counts chunks.";

// What a switch says in each of its states: the state, what it means, and what its button does.
const HOT_CACHE_ON = [
  "● on",
  "KV loaded from other backends is also kept in CPU memory. When off, it is loaded each time.",
  "Turn off",
];
const HOT_CACHE_OFF = [
  "○ off",
  "KV loaded from other backends is not kept in CPU memory. When on, it is.",
  "Turn on",
];
const FROZEN = ["◆ frozen", "Nothing new is stored; cached KV is still retrieved.", "Unfreeze"];
const NOT_FROZEN = [
  "○ not frozen",
  "New KV is stored. While frozen, nothing new is stored; cached KV is still retrieved.",
  "Freeze",
];

function engineRest(ctx) {
  return h(
    "div",
    { class: "columns below" },
    h(
      "div",
      {},
      toggle(ctx, "Hot cache", "/hot_cache", "hot_cache", HOT_CACHE_ON, HOT_CACHE_OFF),
      toggle(ctx, "Freeze", "/freeze", "freeze", FROZEN, NOT_FROZEN),
      lookup(ctx),
      resetMetrics(ctx),
    ),
    h(
      "div",
      {},
      kvCache(ctx),
      actions(
        ctx,
        "Clear",
        "/cache/clear",
        "DELETE",
        operation(
          "Clear all",
          `Deletes all cached KV chunks of this node in all backends. ${AFTER}`,
          clear(ctx, ""),
        ),
      ),
      ctx.node().kind === "worker"
        ? panelFrame({
            title: "Chunk statistics",
            ctx,
            render: (data, body) => append(body, h("p", { class: "quiet-line" }, NOT_COUNTED)),
          }).element
        : chunkStatistics(ctx),
    ),
  );
}

function clear(ctx, backend) {
  const name = ctx.node().key;
  return act(
    ctx,
    backend ? "Clear" : "Clear all",
    "DELETE",
    `/cache/clear${backend ? `?locations=${encodeURIComponent(backend)}` : ""}`,
    {
      danger: true,
      of: backend,
      confirm: {
        title: backend ? `Clear ${backend} of ${name}?` : `Clear every cache of ${name}?`,
        text: `Deletes all cached KV chunks there. ${AFTER}`,
        typed: name,
      },
    },
  );
}

const BACKEND_HELP =
  "Bypass: requests skip the backend, and its contents stay. Recreate: it is closed and " +
  "reopened. Remove: it is closed and not used until “Create missing” opens it. " +
  "Clear: its contents are deleted.";

/** The backends of a worker; `answered()` is called with the first response. */
function backends(ctx, answered = null) {
  const frame = changesFrame({
    title: "Backends",
    path: "/backends",
    ctx,
    load: async () => {
      const { data, raw } = await ctx.json("/backends");
      const { data: list, raw: rawList } = await ctx.json("/bypass/list");
      const bypassed = list.bypassed_backends || [];
      return { data: { found: data, bypassed }, raw: `${raw}\n${rawList}` };
    },
    render: ({ found, bypassed }, body) => {
      if (answered) answered();
      answered = null;
      append(
        body,
        h("p", { class: "quiet-line said-first" }, BACKEND_HELP),
        Object.entries(found).map(([backend, type]) =>
          backendActions(ctx, frame, backend, type, bypassed.includes(backend)),
        ),
        operation(
          "Create missing",
          "Opens the configured backends that are missing.",
          act(ctx, "Create missing", "POST", "/backends", { after: frame.run }),
        ),
      );
    },
  });
  return frame.element;
}

/** One backend and what can be done to it. */
function backendActions(ctx, frame, backend, type, off) {
  const name = ctx.node().key;
  const query = `?backend_name=${encodeURIComponent(backend)}`;
  const path = `/backends/${encodeURIComponent(backend)}`;
  const health = fails(ctx.node(), backend) ? "In use, but its health check fails." : "In use.";
  const use = off ? "Skipped by lookups, retrievals and stores." : health;
  const after = frame.run;
  return operation(
    [backend, off ? h("span", { class: "state-word warn" }, " ◆ bypassed") : null],
    type === backend ? use : `${type}. ${use}`,
    act(ctx, off ? "End bypass" : "Bypass", "PUT", `/bypass/${off ? "remove" : "add"}${query}`, {
      after,
      of: backend,
    }),
    act(ctx, "Recreate", "POST", `${path}/recreate`, {
      after,
      of: backend,
      confirm: {
        title: `Recreate ${backend} of ${name}?`,
        text: "It is closed and reopened. What it holds in memory may be lost.",
      },
    }),
    act(ctx, "Remove", "DELETE", path, {
      danger: true,
      after,
      of: backend,
      confirm: {
        title: `Remove ${backend} of ${name}?`,
        text: "It is closed and no longer used. “Create missing” opens it again.",
        typed: backend,
      },
    }),
    clear(ctx, backend),
  );
}

/** What is on or off: `on` and `off` are [state, what it means, the action that ends it]. */
function toggle(ctx, title, path, key, on, off) {
  const frame = changesFrame({
    title,
    path: `${path}/status`,
    ctx,
    load: () => ctx.json(`${path}/status`),
    render: (data, body) => {
      const now = Boolean(data[key]);
      const [word, text, action] = now ? on : off;
      const confirm =
        key === "freeze" && !now
          ? {
              title: `Freeze ${ctx.node().key}?`,
              text: "Nothing new is stored until the freeze ends.",
              danger: false,
            }
          : null;
      append(
        body,
        operation(
          word,
          text,
          act(ctx, action, "PUT", `${path}/${now ? "disable" : "enable"}`, {
            after: frame.run,
            confirm,
            of: key === "freeze" ? "" : title,
          }),
        ),
      );
    },
  });
  return frame.element;
}

function chunkStatistics(ctx) {
  const of = "chunk statistics";
  const frame = changesFrame({
    title: "Chunk statistics",
    note: "how often chunks are reused",
    path: "/chunk_statistics/status",
    ctx,
    load: () => ctx.json("/chunk_statistics/status"),
    render: (data, body) =>
      append(
        body,
        facts([
          ["Collecting", data.enabled ? "yes" : "no"],
          ["Requests", plain(data.total_requests ?? 0)],
          ["Chunks", plain(data.total_chunks ?? 0)],
          ["Unique chunks", plain(data.unique_chunks ?? 0)],
          ["Reuse rate", format(data.reuse_rate, "ratio")],
          [
            "Overhead",
            data.timing
              ? `${format(data.timing.overhead_percentage / 100, "ratio")} of lookup time`
              : null,
          ],
          [
            "Filter in memory",
            data.bloom_filter ? format(data.bloom_filter.size_mb * 1024 * 1024, "bytes") : null,
          ],
          [
            "Queue",
            data.async_queue
              ? `${plain(data.async_queue.current_size)} of ${plain(data.async_queue.capacity)}`
              : null,
          ],
        ]),
        operation(
          "Collect",
          "Start and stop counting. Reset discards the counts.",
          data.enabled
            ? act(ctx, "Stop", "POST", "/chunk_statistics/stop", { after: frame.run, of })
            : act(ctx, "Start", "POST", "/chunk_statistics/start", { after: frame.run, of }),
          act(ctx, "Reset", "POST", "/chunk_statistics/reset", {
            after: frame.run,
            of,
            confirm: {
              title: `Reset the chunk statistics of ${ctx.node().key}?`,
              text: "Discards all counts so far.",
            },
          }),
        ),
        h("details", { class: "all" }, h("summary", { class: "muted" }, "All values"), tree(data)),
      ),
  });
  return frame.element;
}

/**
 * What a node has open of the lookup: [["Client" or "Server", class], ...]. A scheduler has a
 * client, a worker the server that it asks.
 */
const openSides = ({ client, server }) =>
  [
    ["Client", client],
    ["Server", server],
  ].filter(([, told]) => told && told !== "None");

/** Of which kind of node each side is. */
const SIDE_OF = { scheduler: "Client", worker: "Server" };

function lookup(ctx) {
  const name = ctx.node().key;
  const frame = changesFrame({
    title: "Lookup",
    note: "between scheduler and workers",
    path: "/lookup/info",
    ctx,
    load: () => ctx.json("/lookup/info"),
    render: (data, body) => {
      const open = openSides(data);
      const isOpen = open.length > 0;
      const side = SIDE_OF[ctx.node().kind] || "Lookup";
      append(
        body,
        h(
          "div",
          { class: "one-by-one" },
          facts(isOpen ? open.map(([one, told]) => [one, breakableCall(told)]) : [[side, "none"]]),
        ),
        operation(
          isOpen ? "Recreate or close" : "Create",
          isOpen
            ? `While the ${open[0][0].toLowerCase()} is closed, lookups find nothing.`
            : "Creates what the configuration specifies.",
          isOpen
            ? act(ctx, "Recreate", "POST", "/lookup/recreate", {
                after: frame.run,
                of: "lookup",
                confirm: {
                  title: `Recreate the lookup of ${name}?`,
                  text: "It is closed and recreated; lookups fail in the meantime.",
                },
              })
            : act(ctx, "Create", "POST", "/lookup/create", { after: frame.run, of: "lookup" }),
          isOpen
            ? act(ctx, "Close", "POST", "/lookup/close", {
                danger: true,
                of: "lookup",
                after: frame.run,
                confirm: {
                  title: `Close the lookup of ${name}?`,
                  text: "Without it, requests find nothing cached. “Create” opens it again.",
                },
              })
            : null,
        ),
      );
    },
  });
  return frame.element;
}

function kvCache(ctx) {
  const frame = panelFrame({
    title: "KV cache",
    note: "of the serving engine",
    path: "/cache/kvcache/info",
    ctx,
    load: () => ctx.json("/cache/kvcache/info"),
    render: (data, body) => {
      const alike = new Map(); // most engines have layers of one shape
      for (const [layer, one] of Object.entries(data.layers || {})) {
        const told = [
          ["Shape", (one.shape || []).join("×")],
          ["Type", String(one.dtype).replace(/^torch\./, "")],
          ["Device", one.device],
        ];
        const id = JSON.stringify(told);
        if (!alike.has(id)) alike.set(id, { told, layers: [] });
        alike.get(id).layers.push(layer);
      }
      append(
        body,
        alike.size ? null : h("p", { class: "muted" }, "No layers."),
        [...alike.values()].map((one) =>
          h(
            "div",
            { class: "layers" },
            facts([["Layers", plain(one.layers.length)], ...one.told]),
            h(
              "details",
              { class: "all" },
              h("summary", { class: "muted" }, `Names of ${plural(one.layers.length, "layer")}`),
              h(
                "ul",
                { class: "mono scroll", tabindex: "0", "aria-label": "Layers" },
                one.layers.map((layer) => h("li", {}, breakable(layer))),
              ),
            ),
          ),
        ),
        slotCheck(ctx),
      );
    },
  });
  return frame.element;
}

function checkPath(slots, size, byLayer) {
  const query = new URLSearchParams({ slot_mapping: slots, chunk_size: size });
  if (byLayer) query.set("layerwise", "true");
  return `/cache/kvcache/check?${query}`;
}

/** Checksums of KV slots, to compare what two processes hold. It only reads. */
function slotCheck(ctx) {
  const slots = h("input", {
    name: "slots",
    value: "[0,31]",
    placeholder: "e.g. 0,1,[2,31]",
    title: "Slots and ranges of slots, for example 0,1,[2,31]",
    spellcheck: "false",
    autocomplete: "off",
  });
  const size = h("input", { name: "size", type: "number", min: 1, value: 16 });
  const layers = h("input", { type: "checkbox" });
  const out = h("pre", { class: "block", hidden: true, tabindex: "0", "aria-label": "Checksums" });
  const go = online(h("button", { type: "submit", class: "small" }, "Compute"), ctx.signal);
  const form = h(
    "form",
    { class: "slot-form", novalidate: true },
    field("Slots", slots),
    field("Chunk size", size),
    h("label", { class: "check" }, layers, "By layer"),
    go,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    out.hidden = false;
    const path = checkPath(slots.value, size.value, layers.checked);
    await working(go, async () => {
      try {
        setText(out, (await ctx.json(path)).raw);
      } catch (error) {
        if (error.name !== "AbortError") setText(out, explain(error, ctx.node()));
      }
    });
  });
  return h(
    "details",
    { class: "all" },
    h("summary", { class: "muted" }, "Checksums of slots"),
    form,
    out,
  );
}

// ---- scheduler -----------------------------------------------------------------

function mountScheduler(root, ctx) {
  const node = ctx.node();
  const workers =
    store.status && node.instance_id
      ? store.status.nodes.filter(
          (one) => one.instance_id === node.instance_id && one.kind === "worker",
        )
      : [];
  const rest = h(
    "div",
    { class: "columns below" },
    chunkStatistics(ctx),
    h("div", {}, lookup(ctx), resetMetrics(ctx)),
  );
  const anyway = () => {
    root.replaceChildren();
    mountEngine(root, ctx);
  };
  const where = h(
    "section",
    { class: "panel", "aria-label": "Cache engine" },
    h(
      "header",
      { class: "panel-head" },
      h("h2", {}, "Cache engine"),
      h(
        "div",
        { class: "panel-tools" },
        online(button("Show anyway", anyway, { kind: "small" }), ctx.signal),
      ),
    ),
    h(
      "p",
      {},
      "Backends, bypass, hot cache, freeze, KV cache and clearing are not available here: " +
        "a scheduler has no cache engine. ",
      workers.length
        ? ["They are on its workers: ", nodeLinks(workers), "."]
        : "They are on the workers of its instance.",
    ),
  );
  root.append(where, rest);
}

// ---- MP server, coordinator, controller --------------------------------------------

const quotaPath = (salt) => `/quota/${encodeURIComponent(salt)}`;

const NO_LIMIT = "Enter a limit in GiB.";
const limitInput = (more) =>
  h("input", { name: "limit", type: "number", min: 0, step: "any", ...more });
const isLimit = ({ value }) => value !== "" && Number(value) >= 0;

/** The form that sets the limit of a cache salt; `changed()` is called after that. */
function quotaForm(ctx, changed) {
  const salt = h("input", {
    name: "salt",
    placeholder: "e.g. user-a",
    spellcheck: "false",
    autocomplete: "off",
  });
  const limit = limitInput({ placeholder: "e.g. 1.5" });
  const named = {
    type: "submit",
    class: "small",
    "aria-label": "Set the quota of this cache salt",
  };
  const set = h("button", named, "Set");
  const error = h("p", { class: "field-error", id: "quota-problem", role: "alert", hidden: true });
  const say = (text, input = null) => {
    error.hidden = !text;
    setText(error, text);
    for (const one of [salt, limit]) markWrong(one, error, one === input);
    if (input) input.focus();
  };
  const form = h(
    "form",
    { class: "slot-form", novalidate: true },
    changeFields(ctx.signal, field("Cache salt", salt), field("Limit, GiB", limit)),
    guarded(set, ctx.signal, ctx.node),
    error,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    const name = salt.value.trim();
    if (!name) say("Enter a cache salt.", salt);
    else if (!isLimit(limit)) say(NO_LIMIT, limit);
    else working(set, () => setQuota(ctx, name, Number(limit.value), changed, say));
  });
  return form;
}

async function setQuota(ctx, salt, limit, changed, say) {
  try {
    await ctx.send("PUT", quotaPath(salt), { limit_gb: limit });
    toast(`Quota of ${salt}: ${gigabytes(limit)}`, "good");
    await changed();
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    say(explain(problem, ctx.node()));
  }
}

/** Whether a row has a limit that can be removed. */
const hasQuota = (row) => row.limit !== null && Boolean(row.salt);

const quotaColumns = (ctx, after) => [
  { id: "salt", label: "Cache salt", head: true, value: (row) => row.salt || "(none)" },
  {
    id: "use",
    label: "L2 in use",
    num: true,
    value: (row) => row.use,
    text: (row) => gigabytes(row.use),
  },
  {
    id: "limit",
    label: "L2 limit",
    num: true,
    value: (row) => row.limit,
    text: (row) => (row.limit === null ? "none" : gigabytes(row.limit)),
  },
  {
    id: "act",
    label: "Actions",
    sort: false,
    find: false,
    value: () => 0,
    sig: (row) => `${row.salt}${row.limit}`,
    render: (row) =>
      hasQuota(row)
        ? act(ctx, "Remove limit", "DELETE", quotaPath(row.salt), { after, of: row.salt })
        : null,
  },
];

/**
 * Limits of L2 by cache salt, with a form that sets one. `shape` makes rows of the response; `note`
 * says to what they apply, `none(data)` what holds without any, `about(data)` what else holds.
 */
function quotas(
  ctx,
  shape,
  { note, none, load = readQuotas, about = () => null, defaults = null },
) {
  const form = quotaForm(ctx, () => frame.run());
  const frame = changesFrame({
    title: "Quotas",
    note,
    path: "/quota",
    ctx,
    load: () => load(ctx),
    render: (data, body) => {
      const rows = shape(data);
      const columns = quotaColumns(ctx, frame.run);
      const hasActions = rows.some(hasQuota);
      const table = new DataTable({
        label: "Quotas",
        key: (row) => row.salt,
        fixed: false,
        rowClass: () => "centred",
        emptyText: none(data),
        columns: columns.filter(({ id }) => id !== "act" || hasActions),
      });
      table.update(rows);
      append(body, about(data), table.element, form);
    },
  });
  return defaults ? h("div", { class: "columns halves" }, frame.element, defaults) : frame.element;
}

const readQuotas = (ctx) => ctx.json("/quota");

/** The quotas of an MP server, and whether they have an effect; null where that is not known. */
async function readMpQuotas(ctx) {
  const [{ data, raw }, areEnforced] = await Promise.all([readQuotas(ctx), evictsBySalt(ctx)]);
  return { data: { ...data, areEnforced }, raw };
}

/** Whether the quotas of an MP server have an effect, and where those of a coordinator are. */
function aboutMpQuotas({ areEnforced }) {
  const { nodes = [] } = store.status || {};
  const coordinators = nodes.filter(({ kind }) => kind === "coordinator");
  const said = [
    areEnforced === false
      ? "No L2 adapter of this server uses IsolatedLRU eviction: quotas set here have no effect. "
      : null,
    coordinators.length
      ? ["A coordinator’s quotas are set on its page: ", nodeLinks(coordinators), "."]
      : null,
  ].filter(Boolean);
  return said.length ? h("p", { class: "quiet-line said-first" }, said) : null;
}

// Both kinds limit L2. LMCache's IsolatedLRU clears what has no quota of the MP server.
const MP_QUOTAS = {
  note: "for the L2 adapters of this server that use IsolatedLRU eviction",
  none: ({ areEnforced }) =>
    areEnforced === false
      ? "No quotas on this server."
      : "No quotas on this server. An L2 adapter with IsolatedLRU eviction evicts all KV of a " +
        "cache salt that has no quota.",
  load: readMpQuotas,
  about: aboutMpQuotas,
};
const COORDINATOR_QUOTAS = {
  note: "how much of L2 each cache salt may use, on all MP servers of this coordinator",
  none: () => "No quotas: the default quota applies to every cache salt.",
};

function mountMp(root, ctx) {
  const name = ctx.node().key;
  const clearL1 = (label, what, body, older = []) =>
    operation(
      label,
      `${what} ${KEPT_IN_L2}`,
      act(ctx, label, "POST", "/cache/clear", {
        danger: true,
        body,
        older,
        confirm: {
          title: `${label} on ${name}?`,
          text: `${what} ${KEPT_IN_L2} ${AFTER_L1}`,
          typed: name,
        },
      }),
    );
  root.append(
    actions(
      ctx,
      "Clear",
      "/cache/clear",
      "POST",
      clearL1(
        "Clear L1",
        "Deletes the objects in L1 that are not locked.",
        { tier: "l1" },
        ["/clear-cache", "/api/clear-cache"], // of 0.5.0 and 0.4.4
      ),
      clearL1(
        "Force-clear L1",
        "Deletes all objects in L1, locked ones too: running requests may fail.",
        { tier: "l1", force: true },
      ),
    ),
    quotas(
      ctx,
      (data) =>
        Object.entries(data.users || {}).map(([salt, one]) => ({
          salt,
          use: one.current_usage_gb,
          limit: one.limit_gb,
        })),
      MP_QUOTAS,
    ),
  );
}

/** The limit of cache salts without a quota of their own, with a form that sets it. */
function defaultQuota(ctx) {
  const standard = changesFrame({
    title: "Default quota",
    note: "applies to cache salts without a quota",
    path: "/quota/config",
    ctx,
    load: () => ctx.json("/quota/config"),
    render: (data, body) =>
      append(body, facts([["Now", limitText(data)]]), defaultQuotaForm(ctx, data, standard.run)),
  });
  return standard.element;
}

function defaultQuotaForm(ctx, data, changed) {
  const limit = limitInput({ value: data.default_limit_gb ?? "" });
  const named = { type: "submit", class: "small", "aria-label": "Set the default quota" };
  const set = h("button", named, "Set");
  const look = { class: "field-error", id: "default-problem", role: "alert", hidden: true };
  const error = h("p", look);
  const send = async () => {
    const wanted = Number(limit.value);
    await ctx.send("PUT", "/quota/config", { default_limit_gb: wanted });
    toast(`Default quota: ${limitText(data)} → ${gigabytes(wanted)}`, "good");
    await changed();
  };
  const form = h(
    "form",
    { class: "slot-form", novalidate: true },
    changeFields(ctx.signal, field("New limit, GiB", limit)),
    guarded(set, ctx.signal, ctx.node),
    error,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const isWrong = !isLimit(limit);
    error.hidden = !isWrong;
    setText(error, isWrong ? NO_LIMIT : "");
    markWrong(limit, error, isWrong);
    if (isWrong) limit.focus();
    else working(set, send);
  });
  return form;
}

function mountCoordinator(root, ctx) {
  root.append(
    operationsNote("look up, pin, prefetch or delete"),
    quotas(
      ctx,
      (data) =>
        (data.by_cache_salt || []).map((one) => ({
          salt: one.cache_salt,
          use: one.usage_gb,
          limit: one.quota_exists ? one.quota_limit_gb : null,
        })),
      { ...COORDINATOR_QUOTAS, defaults: defaultQuota(ctx) },
    ),
    pins(ctx),
    directory(ctx),
  );
}

/**
 * A KV rank holds, a byte each: world size, global rank, local world size, local rank (LMCache's
 * ObjectKey.ComputeKVRank).
 */
const rankText = (rank) => {
  const size = rank >>> 24;
  return size ? `${(rank >>> 16) & 255} of ${size}` : plain(rank);
};

const keyColumns = (rest) => [
  {
    id: "hash",
    label: "Chunk",
    head: true,
    width: 180,
    cls: "mono",
    value: (row) => row.key.chunk_hash_hex,
    text: (row) => middle(row.key.chunk_hash_hex, 20),
    tip: (row) => row.key.chunk_hash_hex,
  },
  { id: "model", label: "Model", width: 180, drop: 1, value: (row) => row.key.model_name },
  {
    id: "rank",
    label: "KV rank",
    width: 90,
    value: (row) => row.key.kv_rank,
    text: (row) => rankText(row.key.kv_rank),
    tip: (row) => `Rank and world size of the engine; as a number ${row.key.kv_rank}`,
  },
  {
    id: "salt",
    label: "Cache salt",
    width: 110,
    drop: 2,
    value: (row) => row.key.cache_salt || "(none)",
  },
  ...rest,
];
const keyId = ({ key }) =>
  [key.chunk_hash_hex, key.kv_rank, key.object_group_id, key.cache_salt, key.model_name].join("/");

function keyTable(ctx, title, path, columns, list, say, emptyText) {
  return panelFrame({
    title,
    path,
    ctx,
    load: () => ctx.json(path),
    render: (data, body) => {
      const table = new DataTable({
        label: title,
        key: keyId,
        fixed: false,
        emptyText,
        columns: keyColumns(columns),
      });
      table.update(list(data));
      append(
        body,
        list(data).length > 8
          ? h(
              "div",
              { class: "tools" },
              searchBox("Search keys", (text) => table.search(text)),
              h("span", { class: "muted" }, say(data)),
            )
          : say(data) && h("p", { class: "quiet-line" }, say(data)),
        h("div", { class: "key-table" }, table.element),
      );
    },
  }).element;
}

const pins = (ctx) =>
  keyTable(
    ctx,
    "Pins",
    "/cache/pins",
    [{ id: "pins", label: "Pins", num: true, value: (row) => row.pin_count }],
    (data) => data.pins || [],
    (data) => (data.total ? `${plain(data.total)} pinned` : ""),
    "Nothing is pinned.",
  );
const FIRST_KEYS = 100;
const placesOf = ({ placements }) =>
  placements.map((one) => `${one.instance_id} · ${tierName(one)}`);
const unbroken = (place, i) => [i ? "; " : "", h("span", { class: "whole" }, place)];
const directory = (ctx) =>
  keyTable(
    ctx,
    "Keys",
    `/directory/keys?limit=${FIRST_KEYS}`,
    [
      {
        id: "places",
        label: "Stored in",
        width: 230,
        cls: "wrap",
        value: (row) => placesOf(row).join("; "),
        sig: (row) => placesOf(row).join(),
        render: (row) => h("span", {}, placesOf(row).map(unbroken)),
      },
      {
        id: "size",
        label: "Size",
        width: 90,
        num: true,
        value: (row) => (row.placements[0] || {}).size_bytes ?? null,
        text: (row) => format((row.placements[0] || {}).size_bytes ?? null, "bytes"),
      },
      {
        id: "read",
        label: "Accesses",
        width: 90,
        num: true,
        value: (row) => row.access_count,
        text: (row) => plain(row.access_count),
      },
    ],
    (data) => data.keys || [],
    ({ keys = [], total = 0 }) =>
      `${keys.length < total ? "First " : ""}${plain(keys.length)} of ${plural(total, "key")}`,
    "The directory is empty.",
  );

function mountController(root, ctx) {
  const frame = changesFrame({
    title: "Instances",
    path: "/controller/key-stats",
    ctx,
    load: () => ctx.json("/controller/key-stats"),
    render: (data, body) =>
      append(
        body,
        (data.instances || []).map((one) =>
          operation(
            one.instance_id,
            `${plural(one.key_count, "key")} on ${plural(one.worker_count, "worker")}. ` +
              "“Check workers” makes the controller check the health of each worker.",
            act(ctx, "Check workers", "POST", "/health", {
              body: { instance_id: one.instance_id },
            }),
          ),
        ),
        (data.instances || []).length
          ? null
          : h("p", { class: "muted" }, "No instance has registered yet."),
      ),
  });
  root.append(operationsNote("find, pin, move or compress"), frame.element);
}
