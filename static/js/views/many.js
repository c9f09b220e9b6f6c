// Many at once: one change on several nodes; a preview first, then each node's own result.

import { each, nodePath, request } from "../api.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { plural } from "../format.js";
import { button, dataTable, explain, field, guarded, searchBox, stateMark } from "../ui.js";

const LEVELS = ["debug", "info", "warning", "error", "critical"];

const ACTIONS = {
  loglevel: {
    label: "Set a log level", inputs: () => [field("Logger", h("input", { name: "logger", value: "lmcache", spellcheck: "false" })), field("Level", h("select", { name: "level" }, LEVELS.map((level) => h("option", { value: level }, level))))],
    make: (form) => ({ method: "GET", path: `/loglevel?logger_name=${encodeURIComponent(form.logger.value)}&level=${form.level.value}` }),
  },
  config: {
    label: "Change a setting", inputs: () => [field("Setting", h("input", { name: "name", value: "min_retrieve_tokens", spellcheck: "false" })), field("Value (JSON)", h("input", { name: "value", value: "0", spellcheck: "false" }))],
    make: (form) => ({ method: "POST", path: "/conf", body: JSON.stringify({ [form.name.value]: JSON.parse(form.value.value) }) }),
  },
  bypass: {
    label: "Bypass a backend", inputs: () => [field("Backend", h("input", { name: "backend", value: "RemoteBackend", spellcheck: "false" })), field("Do", h("select", { name: "verb" }, h("option", { value: "add" }, "bypass"), h("option", { value: "remove" }, "end the bypass")))],
    make: (form) => ({ method: "PUT", path: `/bypass/${form.verb.value}?backend_name=${encodeURIComponent(form.backend.value)}` }),
  },
  clear: { label: "Clear the cache", danger: true, inputs: () => [], make: (form, node) => ({ method: node && node.kind === "mp" ? "POST" : "DELETE", path: "/cache/clear" }) },
};

export function mount(root, { route, signal }) {
  const chosen = new Set((route.query.get("nodes") || "").split(",").filter(Boolean));
  let nodes = [];
  const actionBox = h("select", { "aria-label": "What to do" }, Object.entries(ACTIONS).map(([id, action]) => h("option", { value: id }, action.label)));
  const form = h("form", { class: "tools" });
  const preview = h("p", { class: "muted mono", role: "status" });
  const results = h("ul", { class: "results", "aria-live": "polite" });
  const table = dataTable({
    label: "Nodes to change", key: (node) => node.key, sort: { id: "name", down: false }, emptyText: "No nodes yet.",
    select: { set: chosen, name: (node) => node.key, changed: draw },
    columns: [
      { id: "state", label: "State", width: 112, value: (node) => node.state, sig: (node) => node.state, render: (node) => stateMark(node.state) },
      { id: "name", label: "Name", width: 200, grow: true, head: true, value: (node) => node.key },
      { id: "kind", label: "Kind", width: 120, value: (node) => node.kind },
    ],
  });
  const go = guarded(button("Send", send, { kind: "primary" }), signal);
  replace(root, h("div", { class: "page-head" }, h("h1", {}, "Many at once")), h("div", { class: "tools" }, actionBox, form), preview,
    h("div", { class: "actions" }, go), results, h("div", { class: "tools" }, searchBox("Search nodes", (text) => table.search(text))), table.element);
  actionBox.addEventListener("change", () => { replace(form, ACTIONS[actionBox.value].inputs()); draw(); });
  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => event.preventDefault());

  const picked = () => nodes.filter((node) => chosen.has(node.key));

  function made(node) {
    try { return ACTIONS[actionBox.value].make(form.elements, node); } catch (error) { return null; }
  }
  function draw() {
    const one = made(picked()[0]);
    go.dataset.off = one && chosen.size ? "" : "1";
    go.disabled = !one || !chosen.size || go.title.startsWith("Locked:");
    setText(preview, !one ? "The value is not JSON." : chosen.size ? `${one.method} ${one.path}${one.body ? ` ${one.body}` : ""} → ${plural(chosen.size, "node")}` : "Choose nodes below.");
  }

  async function send() {
    const to = picked();
    const action = ACTIONS[actionBox.value];
    if (action.danger && !(await confirmDialog({ title: action.label, text: `${action.label} on ${to.map((node) => node.key).join(", ")}. This cannot be taken back.`, action: action.label, typed: String(to.length) }))) return;
    replace(results);
    go.disabled = true;
    await each(to, async (node) => {
      const { method, path, body } = made(node);
      const answer = await request(nodePath(node, path), { method, body, headers: body ? { "Content-Type": "application/json" } : {}, signal });
      if (!answer.ok) throw Object.assign(new Error(answer.text.slice(0, 200)), { status: answer.status });
      return answer.text;
    }, (node, text, error) => results.append(h("li", {}, stateMark(error ? "down" : "up", true), h("b", {}, ` ${node.key} `), error ? explain(error, node) : text.slice(0, 200))));
    draw();
  }

  replace(form, ACTIONS[actionBox.value].inputs());
  draw();
  return { update(status) { nodes = status.nodes; table.update(nodes); draw(); } };
}
