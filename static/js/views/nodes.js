// Adding, changing and removing nodes.

import { sendJson } from "../api.js";
import { confirmDialog, formDialog } from "../dialog.js";
import { h, replace } from "../dom.js";
import { poll, store } from "../state.js";
import { toast } from "../toast.js";
import { button, dataTable, field, guarded, nodeLink, searchBox, stateMark } from "../ui.js";

export function mount(root, { signal }) {
  const table = dataTable({
    label: "Nodes", key: (node) => node.key, sort: { id: "name", down: false }, emptyText: "No nodes yet. Start with --config, or add one here.",
    columns: [
      { id: "state", label: "State", width: 112, value: (node) => node.state, sig: (node) => node.state, render: (node) => stateMark(node.state) },
      { id: "name", label: "Name", width: 200, grow: true, head: true, value: (node) => node.key, sig: (node) => node.key, render: (node) => h("a", { href: nodeLink(node) }, node.key) },
      { id: "address", label: "Address", width: 260, value: (node) => node.address, cls: "mono" },
      { id: "source", label: "From", width: 100, value: (node) => node.source || "" },
      { id: "act", label: "", width: 200, sort: false, find: false, value: () => "", sig: (node) => node.key + node.address, render: (node) => [
        guarded(button("Change", () => edit(node), { kind: "small" }), signal), " ", guarded(button("Remove", () => remove(node), { kind: "small danger" }), signal)] },
    ],
  });
  const add = guarded(button("Add a node", () => edit(null), { kind: "primary" }), signal);
  const kept = store.session && store.session.writable_config ? `Changes are written to ${store.session.config_file}.` : "Changes live until the frontend ends: it was started without --config.";
  replace(root, h("div", { class: "page-head" }, h("h1", {}, "Nodes"), h("span", { class: "spring" }), add), h("p", { class: "muted" }, kept), h("div", { class: "tools" }, searchBox("Search nodes", (text) => table.search(text))), table.element);

  const read = (form) => {
    const port = form.elements.port.value.trim();
    return { name: form.elements.name.value.trim(), host: form.elements.host.value.trim(), port: /^\d+$/.test(port) ? Number(port) : port };
  };

  function edit(node) {
    return formDialog({
      title: node ? `Change ${node.name}` : "Add a node", action: node ? "Change" : "Add",
      build: (body, { form, showError }) => {
        const proxy = h("input", { name: "proxy", type: "checkbox" });
        body.append(
          field("Name", h("input", { name: "name", value: node ? node.name : "", required: true, autocomplete: "off", spellcheck: "false" })),
          field("Host", h("input", { name: "host", value: node ? node.host : "127.0.0.1", autocomplete: "off", spellcheck: "false" }), "Not used for a Unix socket"),
          field("Port, or path of a Unix socket", h("input", { name: "port", value: node ? String(node.port) : "", required: true, autocomplete: "off", spellcheck: "false" })),
          node ? "" : h("label", { class: "check" }, proxy, " It is another frontend, whose nodes appear under it"),
          h("div", { class: "actions" }, button("Try the connection", async () => {
            try {
              const answer = await sendJson("POST", "api/test", read(form));
              showError(null);
              toast(`It answers${answer.version ? `: ${answer.version}` : ""}`, "good");
            } catch (error) { showError(error); }
          }, { kind: "small" })));
      },
      submit: async (form) => {
        const entry = read(form);
        const another = form.elements.proxy && form.elements.proxy.checked;
        const answer = await (node ? sendJson("PUT", `api/nodes/${encodeURIComponent(node.key)}`, entry) : sendJson("POST", another ? "api/proxies" : "api/nodes", entry));
        toast(answer.message, "good");
        await poll();
      },
    });
  }

  async function remove(node) {
    if (!(await confirmDialog({ title: `Remove ${node.name}?`, text: "The node itself goes on; it is no longer shown here.", action: "Remove" }))) return;
    try {
      const answer = await sendJson("DELETE", `api/nodes/${encodeURIComponent(node.key)}`);
      toast(answer.message, "good");
      await poll();
    } catch (error) { toast(error.message, "bad"); }
  }

  return { update(status) { table.update(status.nodes); } };
}
