// Settings: searched, edited in place, compared with the other workers of the instance.

import { each, getJson, nodePath } from "../api.js";
import { formDialog } from "../dialog.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { store } from "../state.js";
import { toast } from "../toast.js";
import { button, dataTable, field, guarded, panelFrame, searchBox, tree } from "../ui.js";

export const show = (value) => (value === undefined ? "–" : typeof value === "string" ? value : typeof value === "number" ? String(value) : JSON.stringify(value));
const typeOf = (value) => (value === null ? "null" : Array.isArray(value) ? "list" : typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value);

/** What was typed, as a value of the same type as the old one; text that is not JSON stays text where text is allowed. */
export function readValue(text, old) {
  if (typeof old === "string") return text;
  if (/^-?(Infinity|NaN)$/.test(text.trim())) throw Object.assign(new Error("JSON cannot carry that number to the node"), { field: "value" });
  try {
    const value = JSON.parse(text);
    if (typeof old === "boolean" && typeof value !== "boolean") throw Object.assign(new Error("true or false"), { field: "value" });
    if (typeof old === "number" && typeof value !== "number") throw Object.assign(new Error("a number is needed"), { field: "value" });
    return value;
  } catch (error) {
    if (error.field) throw error;
    if (old === null) return text;
    throw Object.assign(new Error(typeof old === "boolean" ? "true or false" : typeof old === "number" ? "a number is needed" : "not valid JSON"), { field: "value" });
  }
}

export function mount(root, ctx) {
  if (ctx.node().kind === "mp") { mountMp(root, ctx); return; }
  if (ctx.node().kind === "coordinator") {
    root.append(panelFrame({ title: "Quota configuration", path: "/quota/config", ctx, load: () => ctx.json("/quota/config"), render: (data, body) => body.append(tree(data)) }).element);
    return;
  }
  let rows = [];
  let siblings = 0;
  const table = dataTable({
    label: "Settings", key: (row) => row.name, emptyText: "The node told of no settings.",
    columns: [
      { id: "name", label: "Setting", head: true, width: innerWidth < 600 ? 160 : 260, cls: "mono", value: (row) => row.name },
      { id: "value", label: "Value", width: innerWidth < 600 ? 150 : 300, grow: true, cls: "mono", value: (row) => (typeof row.value === "number" ? row.value : show(row.value)), text: (row) => show(row.value), tip: (row) => show(row.value) },
      { id: "type", label: "Type", width: 84, value: (row) => typeOf(row.value) },
      { id: "differs", label: "Others of the instance", width: 180, value: (row) => row.differs || "", text: (row) => row.differs || (siblings ? "the same" : "–"), tip: (row) => row.differs || "" },
      { id: "edit", label: "", width: 76, sort: false, find: false, value: () => 0, sig: (row) => show(row.value), render: (row) => guarded(button("Edit", () => edit(row), { kind: "small in-row", title: `Change ${row.name}` }), ctx.signal) },
    ],
  });
  const search = searchBox("Search settings", (text) => { table.search(text); return table.shown.length; });
  const onlyDiffer = h("input", { type: "checkbox", onchange: () => table.filter(onlyDiffer.checked ? (row) => Boolean(row.differs) : null) });

  function edit(row) {
    const old = row.value;
    return formDialog({
      title: `Change ${row.name}`, action: "Set",
      build: (body) => {
        const input = typeof old === "boolean" ? h("select", { name: "value" }, h("option", { value: "true" }, "true"), h("option", { value: "false" }, "false"))
          : old !== null && typeof old === "object" ? h("textarea", { name: "value", rows: 5, spellcheck: "false" }) : h("input", { name: "value", autocomplete: "off", spellcheck: "false" });
        input.value = typeof old === "string" ? old : old === null ? "null" : show(old);
        body.append(h("p", { class: "muted" }, `Now: ${show(old)} (${typeOf(old)}). The change lives until the node restarts; the node decides which settings may change while it runs.`), field("New value", input));
      },
      submit: async (form) => {
        const value = readValue(form.elements.value.value, old);
        let answer;
        try { answer = await ctx.send("POST", "/conf", { [row.name]: value }); } catch (error) { throw Object.assign(error, { message: settingError(error, row.name), field: "value" }); }
        if (answer && answer.errors && answer.errors[row.name]) throw Object.assign(new Error(answer.errors[row.name]), { field: "value" });
        const now = answer && answer.updated && row.name in answer.updated ? answer.updated[row.name] : value;
        toast(`${row.name}: ${show(old)} → ${show(now)}`, "good");
        frame.run();
      },
    });
  }

  const frame = panelFrame({
    title: "Config", path: "/conf", ctx, load: () => ctx.json("/conf"),
    render: (data, body) => {
      rows = Object.entries(data).map(([name, value]) => ({ name, value, differs: "" }));
      body.append(h("div", { class: "tools" }, search, h("label", {}, onlyDiffer, "only what differs"), h("span", { class: "muted" }, plural(rows.length, "setting"))), table.element);
      table.update(rows);
      compareSiblings();
    },
  });

  async function compareSiblings() {
    const me = ctx.node();
    const others = store.status && me.instance ? store.status.nodes.filter((node) => node.instance === me.instance && node.kind === me.kind && node.key !== me.key && node.state !== "down").slice(0, 16) : [];
    siblings = others.length;
    if (!others.length) return;
    const told = [];
    await each(others, (node) => getJson(nodePath(node, "/conf"), { signal: ctx.signal, timeout: 15 }), (node, conf) => { if (conf) told.push([node.name, conf]); });
    siblings = told.length;
    for (const row of rows) {
      const odd = told.filter(([, conf]) => show(conf[row.name]) !== show(row.value));
      row.differs = odd.length ? `◆ ${odd[0][0]}: ${show(odd[0][1][row.name])}${odd.length > 1 ? ` and ${odd.length - 1} more` : ""}` : "";
    }
    table.update(rows);
  }
  root.append(frame.element);
}

export function settingError(error, name) {
  try { const errors = JSON.parse(error.body).errors; if (errors && errors[name]) return errors[name]; } catch (problem) { /* not that shape */ }
  return error.message;
}

/** The MP server's configuration is read only. */
function mountMp(root, ctx) {
  for (const [title, path] of [["Config", "/config"], ["Live storage adapters", "/config/adapters"]]) {
    let data = null;
    const box = h("div");
    const search = searchBox("Search", (text) => box.replaceChildren(tree(data, "", text)));
    root.append(panelFrame({ title, note: "read only on an MP server", path, ctx, load: () => ctx.json(path), render: (value, body) => { data = value; box.replaceChildren(tree(data, "", search.firstChild.value)); body.append(h("div", { class: "tools" }, search), box); } }).element);
  }
}
