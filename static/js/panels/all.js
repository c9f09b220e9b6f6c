// The panels of a node: what is asked, and how its answer is shown.

import { getText, nodePath, parseJson, request, sendJson } from "../api.js";
import { confirmDialog, formDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { format } from "../format.js";
import { toast } from "../toast.js";
import { button, copy, dataTable, explain, field, guarded, panelFrame, searchBox, tree, working } from "../ui.js";

const SECRET = /key|token|secret|passw|credential/i;

const ask = (ctx, path) => async (signal) => {
  const raw = await getText(nodePath(ctx.node(), path), { signal });
  let data = raw;
  try { data = parseJson(raw); } catch (error) { /* a text answer is shown as text */ }
  return { data, raw };
};

function asTree(data, body) {
  const box = h("div");
  const draw = (word) => replace(box, typeof data === "object" && data !== null ? tree(data, "", word) : h("pre", { class: "block" }, String(data)));
  draw("");
  body.append(h("div", { class: "tools" }, searchBox("Search", (text) => { draw(text); })), box);
}

const plain = (title, path, note = "") => (ctx) => panelFrame({ title, note, ctx, path, load: ask(ctx, path), render: asTree });

function table(label, columns, rows, key, body, tools = []) {
  const data = dataTable({ label, columns, key, sort: { id: columns[0].id, down: false }, fixed: false });
  data.update(rows);
  body.append(h("div", { class: "tools" }, searchBox("Search", (text) => data.search(text)), tools), data.element);
  return data;
}

function loglevels(ctx) {
  const frame = panelFrame({ title: "Log levels", ctx, path: "/loglevel", load: ask(ctx, "/loglevel"), render: (text, body) => {
    const rows = String(text).split("\n").map((line) => line.match(/^(\S+): (\w+)$/)).filter(Boolean).map(([, name, level]) => ({ name, level }));
    const choose = (row) => {
      const box = h("select", { "aria-label": `Level of ${row.name}` }, ["NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].map((level) => h("option", { value: level }, level)));
      box.value = row.level;
      box.addEventListener("change", () => working(box, async () => {
        await getText(nodePath(ctx.node(), `/loglevel?logger_name=${encodeURIComponent(row.name)}&level=${box.value.toLowerCase()}`));
        toast(`${row.name}: ${row.level} → ${box.value}`, "good");
        row.level = box.value;
      }));
      return guarded(box, ctx.signal);
    };
    table("Log levels", [{ id: "name", label: "Logger", head: true, value: (row) => row.name }, { id: "level", label: "Level", value: (row) => row.level, sig: (row) => row.level, render: choose }], rows, (row) => row.name, body);
  } });
  return frame;
}

function config(ctx) {
  if (ctx.node().kind === "mp") return plain("Configuration", "/config")(ctx);
  const frame = panelFrame({ title: "Configuration", note: "Some settings can be changed while the node runs.", ctx, path: "/conf", load: ask(ctx, "/conf"), render: (data, body) => {
    const rows = Object.entries(data).map(([name, value]) => ({ name, value }));
    const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    const edit = (row) => guarded(button("Change", () => formDialog({
      title: `Change ${row.name}`, action: "Change",
      build: (box) => box.append(field("New value (JSON)", h("input", { name: "value", value: JSON.stringify(row.value), autocomplete: "off", spellcheck: "false" }), `Now: ${shown(row.value)}`)),
      submit: async (form) => {
        let value;
        try { value = JSON.parse(form.elements.value.value); } catch (error) { value = form.elements.value.value; }
        try {
          const answer = await sendJson("POST", nodePath(ctx.node(), "/conf"), { [row.name]: value });
          const errors = answer && answer.errors;
          if (errors && Object.keys(errors).length) throw new Error(JSON.stringify(errors));
        } catch (error) { throw Object.assign(new Error(error.message), { field: "value" }); }
        toast(`${row.name}: ${shown(row.value)} → ${shown(value)}`, "good");
        frame.run(true);
      },
    }), { kind: "small" }), ctx.signal);
    table("Configuration", [
      { id: "name", label: "Setting", head: true, value: (row) => row.name },
      { id: "value", label: "Value", value: (row) => shown(row.value), cls: "mono wrap" },
      { id: "type", label: "Type", value: (row) => (row.value === null ? "null" : Array.isArray(row.value) ? "list" : typeof row.value) },
      { id: "edit", label: "", sort: false, find: false, value: () => "", sig: () => "", render: edit },
    ], rows, (row) => row.name, body);
  } });
  return frame;
}

function environment(ctx) {
  return panelFrame({ title: "Environment", note: "Values that look secret are masked until you ask.", ctx, path: "/env", load: ask(ctx, "/env"), render: (data, body) => {
    const rows = Object.entries(data).map(([name, value]) => ({ name, value: String(value) }));
    const cell = (row) => {
      if (!SECRET.test(row.name)) return h("span", { class: "mono" }, row.value);
      const box = h("span", { class: "mono" }, "••••••••");
      const show = button("Show", () => { setText(box, row.value); show.remove(); }, { kind: "small" });
      return [box, " ", show];
    };
    table("Environment", [{ id: "name", label: "Variable", head: true, value: (row) => row.name },
      { id: "value", label: "Value", find: false, value: (row) => (SECRET.test(row.name) ? "" : row.value), cls: "wrap", sig: (row) => row.value, render: cell },
      { id: "filter", label: "", sort: false, find: false, value: () => "", sig: () => "", render: (row) => (SECRET.test(row.name) ? null : h("a", { href: `#/?env=${encodeURIComponent(`${row.name}=${row.value}`)}` }, "Filter the cluster")) }], rows, (row) => row.name, body);
  } });
}

function threads(ctx) {
  const periodic = panelFrame({ title: "Periodic threads", ctx, path: "/periodic-threads", load: ask(ctx, "/periodic-threads"), render: asTree });
  const stacks = panelFrame({ title: "Stacks", ctx, path: "/threads", load: ask(ctx, "/threads"), render: (text, body) => {
    const groups = new Map();
    for (const block of String(text).split(/\n\n+(?=Thread: )/)) {
      const [name, ...frames] = block.split("\n");
      const stack = frames.join("\n").trim();
      if (stack) groups.set(stack, [...(groups.get(stack) || []), name.replace(/^Thread: /, "")]);
    }
    body.append(...[...groups].map(([stack, names]) => h("details", {}, h("summary", {}, names.length > 1 ? `${names.length} threads: ` : "", names.join(", ")), h("pre", { class: "block", tabindex: "0" }, stack))));
  } });
  return h("div", {}, periodic.element, stacks.element);
}

const IN_PROCESS = [
  ["Hot cache", "/hot_cache/status", [["Turn on", "PUT", "/hot_cache/enable"], ["Turn off", "PUT", "/hot_cache/disable"]], "Keeps chunks that were retrieved in the CPU cache."],
  ["Freeze", "/freeze/status", [["Freeze", "PUT", "/freeze/enable"], ["Unfreeze", "PUT", "/freeze/disable"]], "A frozen cache answers, but stores nothing new."],
  ["Chunk statistics", "/chunk_statistics/status", [["Start", "POST", "/chunk_statistics/start"], ["Stop", "POST", "/chunk_statistics/stop"], ["Reset", "POST", "/chunk_statistics/reset"]], "Counts how often chunks are used again (scheduler only)."],
  ["Lookup", "/lookup/info", [], "Which lookup client and server are in use."],
  ["KV cache", "/cache/kvcache/info", [], "Shape, type and device of every layer."],
];

function cache(ctx) {
  const act = (frame, label, method, path, danger) => guarded(button(label, async (event) => {
    if (danger && !(await confirmDialog({ title: label, text: `${method} ${path} on ${ctx.node().key}. This cannot be taken back.`, action: label, typed: ctx.node().name }))) return;
    await working(event.target.closest("button"), async () => {
      const answer = await request(nodePath(ctx.node(), path), { method });
      if (!answer.ok) throw new Error(explain({ status: answer.status, message: answer.text.slice(0, 200) }, ctx.node()));
      toast(`${label}: done`, "good");
      if (frame()) frame().run(true);
    });
  }, { kind: danger ? "small danger" : "small" }), ctx.signal);
  const clear = h("section", { class: "panel", "aria-label": "Clear" }, h("header", { class: "panel-head" }, h("h2", {}, "Clear the cache"), h("p", { class: "muted" }, "Removes what is cached; requests then miss until it is filled again."),
    h("div", { class: "panel-tools" }, act(() => null, "Clear", ctx.node().kind === "mp" ? "POST" : "DELETE", "/cache/clear", true))));
  if (ctx.node().kind === "mp") return h("div", {}, clear);
  let backends = null;
  backends = panelFrame({ title: "Backends", note: "Bypass leaves a backend open and passes it over; recreate closes and opens it.", ctx, path: "/bypass/list", load: ask(ctx, "/bypass/list"), render: (data, body) => {
    const rows = (data.all_backends || []).map((name) => ({ name, off: (data.bypassed_backends || []).includes(name) }));
    table("Backends", [{ id: "name", label: "Backend", head: true, value: (row) => row.name }, { id: "state", label: "State", value: (row) => (row.off ? "bypassed" : "in use") },
      { id: "act", label: "", sort: false, find: false, value: () => "", sig: (row) => row.off, render: (row) => [
        act(() => backends, row.off ? "End bypass" : "Bypass", "PUT", `/bypass/${row.off ? "remove" : "add"}?backend_name=${encodeURIComponent(row.name)}`), " ",
        act(() => backends, "Recreate", "POST", `/backends/${encodeURIComponent(row.name)}/recreate`, true), " ", act(() => backends, "Remove", "DELETE", `/backends/${encodeURIComponent(row.name)}`, true)] }], rows, (row) => row.name, body);
  } });
  const others = IN_PROCESS.map(([title, path, actions, note]) => {
    let frame = null;
    frame = panelFrame({ title, note, ctx, path, load: ask(ctx, path), render: asTree, tools: actions.map(([label, method, where]) => act(() => frame, label, method, where)) });
    return frame.element;
  });
  return h("div", {}, backends.element, others, clear);
}

function script(ctx) {
  const text = h("textarea", { rows: 12, "aria-label": "Script", spellcheck: "false" }, "result = 6 * 7\n");
  const file = h("input", { type: "file", accept: ".py,text/plain", "aria-label": "Read a file into the editor" });
  const out = h("pre", { class: "block", hidden: true, tabindex: "0" });
  file.addEventListener("change", async () => { if (file.files[0]) text.value = await file.files[0].text(); });
  const run = guarded(button("Run on this node", () => working(run, async () => {
    const form = new FormData();
    form.append("script", new Blob([text.value], { type: "text/x-python" }), "script.py");
    const answer = await request(nodePath(ctx.node(), "/run_script"), { method: "POST", body: form, signal: ctx.signal });
    out.hidden = false;
    setText(out, answer.ok ? answer.text : explain({ status: answer.status, message: answer.text.trim().slice(0, 400) }, ctx.node()));
  }), { kind: "primary" }), ctx.signal);
  return panelFrame({ title: "Script", note: "Runs Python inside the node's process; what it assigns to result comes back.", ctx, path: "/run_script", curlOptions: { method: "POST", form: "script=@script.py" },
    render: (_, body) => body.append(h("div", { class: "tools" }, file), text, h("div", { class: "actions" }, run), out) });
}

const KNOWN = ["/version", "/metrics", "/conf", "/meta", "/inference_info", "/threads", "/periodic-threads", "/loglevel", "/env", "/backends", "/bypass/list", "/hot_cache/status", "/freeze/status",
  "/chunk_statistics/status", "/lookup/info", "/cache/kvcache/info", "/status", "/config", "/healthcheck", "/healthz", "/instances", "/quota", "/controller/workers", "/openapi.json"];

function requests(ctx) {
  const method = h("select", { "aria-label": "Method" }, ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"].map((name) => h("option", { value: name }, name)));
  const path = h("input", { "aria-label": "Path", value: "/version", list: "known-paths", spellcheck: "false", autocomplete: "off" });
  const body = h("textarea", { rows: 5, "aria-label": "Body", placeholder: "Body (JSON is sent as such)", spellcheck: "false" });
  const line = h("p", { class: "muted", role: "status" });
  const out = h("pre", { class: "block", hidden: true, tabindex: "0", "aria-label": "Answer" });
  const send = button("Send", () => working(send, async () => {
    const headers = body.value.trim().startsWith("{") || body.value.trim().startsWith("[") ? { "Content-Type": "application/json" } : {};
    const answer = await request(nodePath(ctx.node(), path.value), { method: method.value, body: body.value && !["GET", "HEAD"].includes(method.value) ? body.value : undefined, headers, signal: ctx.signal });
    setText(line, `${answer.status} ${answer.statusText} · ${format(answer.seconds, "seconds")} · ${format(answer.bytes, "bytes")} · ${answer.type}`);
    out.hidden = false;
    setText(out, answer.text);
  }), { kind: "primary" });
  path.addEventListener("keydown", (event) => { if (event.key === "Enter") send.click(); });
  return panelFrame({ title: "Requests", note: "Any request to this node, through the proxy.", ctx, render: (_, box) => box.append(
    h("div", { class: "tools" }, method, path, h("datalist", { id: "known-paths" }, KNOWN.map((value) => h("option", { value }))), send, button("Copy as curl", () => copy(`curl -X ${method.value} '${location.origin}${ctx.node().path}${path.value}'`), { kind: "small" })), body, line, out) });
}

/** Make the `mount` of a panel of a function that builds its element. */
const mounting = (build) => (root, ctx) => {
  const made = build(ctx);
  root.append(made.element || made);
  return made.update ? { update: made.update } : {};
};

export const mountThreads = mounting(threads);
export const mountLogLevels = mounting(loglevels);
export const mountConfig = mounting(config);
export const mountMeta = mounting(plain("Meta", "/meta"));
export const mountInference = mounting(plain("Inference", "/inference_info"));
export const mountEnvironment = mounting(environment);
export const mountCache = mounting(cache);
export const mountScript = mounting(script);
export const mountRequests = mounting(requests);
