// Which nodes the frontend knows: add, change, remove; try a connection before saving.

import {
  button,
  field,
  fitted,
  guarded,
  kindText,
  lockNote,
  nodeLink,
  searchBox,
  stateMark,
  toast,
} from "../controls.js";
import { confirmDialog, formDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { format, plural } from "../format.js";
import { poll, refreshNow, sendJson, store, subscribe } from "../server.js";
import { DataTable } from "../table.js";

// Sources that come and go by themselves.
const FOLLOWED = /^(found|supplier|coordinator|discovery|heartbeat|dns)/;

export function mount(root, { route, signal }) {
  const where = h("p", { class: "muted" });
  const table = new DataTable({
    label: "Known nodes",
    key: (row) => row.key,
    sort: { id: "proxy", down: false },
    emptyText:
      "No nodes yet. Start the frontend with --config FILE or --node NAME=ADDRESS, or add one here.",
    columns: [
      {
        id: "state",
        label: "State",
        width: 100,
        narrow: 56,
        value: (row) => row.state,
        sig: (row) => row.state,
        render: (row) => stateMark(row.state),
      },
      {
        id: "name",
        label: "Name",
        head: true,
        width: 200,
        narrow: 126,
        value: (row) => row.key,
        sig: (row) => row.key,
        render: (row) =>
          row.isProxy
            ? h("b", {}, fitted(row.name))
            : h("a", { href: nodeLink(row), title: row.key }, fitted(row.key)),
      },
      { id: "what", label: "Kind", width: 110, drop: 2, value: (row) => row.kind },
      {
        id: "address",
        label: "Address",
        width: 260,
        grow: true,
        drop: 1,
        cls: "mono",
        value: (row) => row.address,
        sig: (row) => row.address,
        render: (row) => fitted(row.address),
        tip: (row) => row.address,
      },
      {
        id: "proxy",
        label: "Reached through",
        width: 140,
        drop: 4,
        value: (row) => row.proxy,
        text: (row) => row.proxy || "directly",
      },
      {
        id: "source",
        label: "Known from",
        width: 110,
        drop: 3,
        value: (row) => row.source || "",
        text: (row) => row.source || "–",
      },
      {
        id: "act",
        label: "Actions",
        width: 168,
        narrow: 152,
        sort: false,
        find: false,
        value: () => 0,
        sig: (row) => `${row.key}${row.host}${row.port}${row.source}`,
        render: (row) =>
          FOLLOWED.test(row.source) && !row.isProxy
            ? h(
                "span",
                { class: "muted", title: `It comes from ${row.source} and is changed there` },
                "follows its source",
              )
            : [
                guarded(
                  button("Change", () => edit(row), {
                    kind: "small in-row",
                    title: `Change ${row.key}`,
                  }),
                  signal,
                ),
                " ",
                guarded(
                  button("Remove", () => remove(row), {
                    kind: "small danger in-row",
                    title: `Remove ${row.key}`,
                  }),
                  signal,
                ),
              ],
      },
    ],
  });
  const search = searchBox("Search nodes", (text) => {
    table.search(text);
    return table.found;
  });
  const addNode = guarded(
    button("Add a node", () => edit(null), { kind: "primary", image: "plus" }),
    signal,
  );
  const addProxy = guarded(
    button("Add a frontend", () => edit(null, true), {
      image: "plus",
      title: "Another LMCache frontend, whose nodes are then reached through it",
    }),
    signal,
  );
  replace(
    root,
    h("div", { class: "page-head" }, h("h1", {}, "Nodes"), where),
    lockNote(signal),
    h("div", { class: "tools" }, addNode, addProxy, h("span", { class: "spring" }), search),
    table.element,
  );

  function rowsOf(status) {
    const rows = status.nodes.map((node) => ({
      ...node,
      isProxy: false,
      proxy: node.proxy === "local_proxy" ? "" : node.proxy,
      kind: kindText(node),
    }));
    for (const proxy of status.proxies || []) {
      if (proxy.name === "local_proxy") continue;
      rows.push({
        key: `proxy ${proxy.name}`,
        name: proxy.name,
        host: proxy.host,
        port: proxy.port,
        address: `${proxy.host}:${proxy.port}`,
        state: proxy.state,
        kind: "frontend",
        proxy: "",
        source: proxy.error || plural(proxy.children || 0, "node"),
        isProxy: true,
      });
    }
    return rows;
  }

  async function edit(row, asProxy = false) {
    const isProxy = row ? row.isProxy : asProxy;
    const what = isProxy ? "frontend" : "node";
    const answer = await formDialog({
      title: row ? `Change ${row.name}` : `Add a ${what}`,
      action: row ? "Save" : "Add",
      build: (body, { form, showError }) => {
        const name = h("input", { name: "name", autocomplete: "off", spellcheck: "false" });
        const host = h("input", {
          name: "host",
          autocomplete: "off",
          spellcheck: "false",
          placeholder: "127.0.0.1",
        });
        const port = h("input", {
          name: "port",
          autocomplete: "off",
          spellcheck: "false",
          placeholder: isProxy ? "8000" : "9090 or /tmp/lmcache/socket/9090",
        });
        name.value = row ? row.name : "";
        host.value = row ? row.host : "";
        port.value = row ? String(row.port) : "";
        const result = h("p", { class: "panel-line", role: "status" });
        const groups = ((store.status && store.status.proxies) || []).filter(
          (proxy) => proxy.name !== "local_proxy",
        );
        const group = h(
          "select",
          { name: "group" },
          h("option", { value: "" }, "this frontend"),
          groups.map((proxy) => h("option", { value: proxy.name }, proxy.name)),
        );
        const test = button(
          "Try the connection",
          async () => {
            showError(null);
            setText(result, "Trying …");
            test.disabled = true;
            try {
              const said = await sendJson("POST", "api/test", target(form), { timeout: 15 });
              setText(
                result,
                `● Answers in ${format(said.seconds, "seconds")}: ${[said.kind === "unknown" ? "" : said.kind, said.version && `version ${said.version}`].filter(Boolean).join(", ") || "it tells no version"}.`,
              );
            } catch (error) {
              setText(result, "");
              showError(error);
            } finally {
              test.disabled = false;
            }
          },
          { kind: "small" },
        );
        body.append(
          field("Name", name, "In URLs and in the label node= of the metrics."),
          field("Host", host, "Host name or address. Any text for a Unix socket, e.g. localhost."),
          field(
            "Port or Unix socket",
            port,
            isProxy
              ? "Where the other LMCache frontend listens."
              : "A number, or the path of the node's socket.",
          ),
        );
        if (!row && !isProxy && groups.length) body.append(field("Belongs to", group));
        body.append(h("div", { class: "actions" }, test), result);
      },
      submit: (form) => {
        const entry = { name: form.elements.name.value.trim(), ...target(form) };
        if (row)
          return sendJson(
            "PUT",
            `api/nodes/${encodeURIComponent(row.isProxy ? row.name : row.key)}`,
            entry,
          );
        if (isProxy) return sendJson("POST", "api/proxies", entry);
        const group = form.elements.group && form.elements.group.value;
        return sendJson(
          "POST",
          group ? `api/proxies/${encodeURIComponent(group)}/nodes` : "api/nodes",
          entry,
        );
      },
    });
    if (answer) await settled(answer);
  }

  function target(form) {
    const port = form.elements.port.value.trim();
    const host = form.elements.host.value.trim();
    return {
      host: host || (port.startsWith("/") ? "localhost" : ""),
      port: /^\d+$/.test(port) ? Number(port) : port,
    };
  }

  async function remove(row) {
    const many = row.isProxy ? " Its nodes disappear from this page too." : "";
    if (
      !(await confirmDialog({
        title: `Remove ${row.name}?`,
        text: `The frontend forgets this ${row.isProxy ? "frontend" : "node"} (${row.address}). The ${row.isProxy ? "frontend" : "node"} itself goes on running.${many}`,
        action: "Remove",
      }))
    )
      return;
    try {
      await settled(
        await sendJson(
          "DELETE",
          `api/nodes/${encodeURIComponent(row.isProxy ? row.name : row.key)}`,
        ),
      );
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  async function settled(answer) {
    store.selected.forEach((key) => {
      if (!store.byKey.has(key)) store.selected.delete(key);
    });
    const file = answer.persisted && store.session && store.session.config_file;
    toast((answer.message || "Done") + (file ? `; written to ${file}` : ""), "good");
    await refreshNow();
    await poll();
  }

  if (route.query.get("add")) {
    history.replaceState(null, "", "#/nodes");
    let wanted = true; // as soon as the page knows whether it may
    const open = () => {
      if (wanted && store.session && !signal.aborted) {
        wanted = false;
        if (!addNode.disabled) edit(null);
      }
    };
    subscribe(open, signal);
    setTimeout(open);
  }
  return {
    update(status) {
      const session = store.session;
      const said = session ? session.config_file || "no file" : "";
      if (where.dataset.said !== said) {
        where.dataset.said = said;
        replace(
          where,
          session &&
            (session.config_file
              ? ["Changes are written to ", h("span", { class: "mono" }, session.config_file), "."]
              : [
                  "Changes live until the frontend ends: it was started without ",
                  h("span", { class: "gap" }, "--config"),
                  ".",
                ]),
        );
      }
      table.update(rowsOf(status));
    },
  };
}
