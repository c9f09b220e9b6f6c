// Which nodes the frontend watches: add, edit, remove; test a connection before saving.

import {
  button,
  field,
  fitted,
  guarded,
  kindText,
  lockNote,
  nodeLink,
  noNodes,
  stateMark,
  toast,
} from "../controls.js";
import { confirmDialog, formDialog } from "../dialog.js";
import { breakable, h, replace, setText } from "../dom.js";
import { addressText, csvText, format, plural } from "../format.js";
import {
  getJson,
  getToken,
  instanceName,
  poll,
  refreshNow,
  saveFile,
  sendJson,
  store,
  subscribe,
} from "../server.js";
import { askToken } from "../shell.js";
import { DataTable } from "../table.js";
import { KINDS, sourceText, STATE_ORDER } from "../words.js";
import { NodeFilters } from "./nodefilters.js";
import { presentNote } from "./present.js";

// Sources that come and go by themselves.
const FOLLOWED = /^(found|supplier|coordinator|discovery|heartbeat|dns)/;
const TEST_TIMEOUT = 15; // seconds

// ---- the dialog ----

/** Host and port as they are typed in a form. */
function targetOf(form) {
  const port = form.elements.port.value.trim();
  const host = form.elements.host.value.trim();
  return {
    host: host || (port.startsWith("/") ? "localhost" : ""),
    port: /^\d+$/.test(port) ? Number(port) : port,
  };
}

const WITH_PORT = /^(?:http:\/\/)?(\[[^\]]+\]|[^:/]+):(\d{1,5})\/?$/; // HOST:PORT, [ADDRESS]:PORT

/** An address that was pasted into Host: its port goes to the field of the port. */
function splitPort({ elements: { host, port } }) {
  const [, name, digits] = WITH_PORT.exec(host.value.trim()) || [];
  if (!name || port.value.trim()) return;
  host.value = name;
  port.value = digits;
}

const asFrontend = (count) => `Add as frontend with ${plural(count, "node")}`;

/** Save an entry. What is wrong stands beside its field, without the entry's name before it. */
async function save(method, path, entry) {
  try {
    return await sendJson(method, path, entry);
  } catch (error) {
    const start = `${entry.name}: `;
    if (error.field && error.message.startsWith(start))
      error.message = error.message.slice(start.length);
    throw error;
  }
}

/** Add a frontend, and ask it for its nodes at once. */
async function addFrontend(entry) {
  const answer = await save("POST", "api/proxies", entry);
  try {
    await getJson(`api/proxies/${encodeURIComponent(entry.name)}/refresh`);
  } catch (error) {
    // Its page says why it does not respond.
  }
  return answer;
}

// As LMCache names it with the prefix that the manual shows.
const EXAMPLE_SOCKET = "/tmp/lmcache_internal_api_server/socket_7000";

const NEEDS_TOKEN =
  "On the frontend’s own host you can make changes without the token. Only link-local addresses " +
  "and sockets away from the listed ones need it.";

const DIRECT = "this frontend"; // through which a node is reached that no other one lists

/** The form that adds or changes a node or a frontend. */
class NodeForm {
  constructor(row, isProxy) {
    this.row = row;
    this.isProxy = isProxy;
    this.asked = ""; // the target for which the choice below was offered
    this.plain = false; // a frontend is to be added as a plain node
    this.frontendNodes = null; // how many nodes that target has behind it, when it is a frontend
    this.again = false; // an address that is listed already is to be there twice
  }

  open() {
    const { row } = this;
    return formDialog({
      title: row ? `Edit ${row.name}` : `Add a ${this.isProxy ? "frontend" : "node"}`,
      action: row ? "Save" : "Add",
      build: (body, dialog) => this.#build(body, dialog),
      submit: (form) => this.#submit(form),
    });
  }

  #input(name, value, placeholder) {
    const props = { name, autocomplete: "off", spellcheck: "false", placeholder };
    return h("input", { ...props, value: value === undefined ? "" : String(value) });
  }

  #build(body, { form, go, showError }) {
    const row = this.row || {};
    this.go = go;
    const socket = h("span", { class: "whole" }, breakable(`${EXAMPLE_SOCKET}.`));
    const portHint = this.isProxy
      ? "Where the other LMCache frontend listens."
      : ["A number, or the path of the node’s socket, such as ", socket];
    const portText = this.isProxy ? "e.g. 8000" : "e.g. 7000";
    this.result = h("p", { class: "panel-line", role: "status" });
    this.choice = h("p", { class: "actions" });
    const test = button("Test connection", () => this.#test(form, test, showError), {
      kind: "small",
    });
    body.append(
      field(
        "Name",
        this.#input("name", row.name),
        "Used in URLs and as the node label of metrics.",
      ),
      field(
        "Host",
        this.#input("host", row.host, "e.g. 10.0.0.5"),
        "Host name or address. Ignored for a Unix socket.",
      ),
      field("Port or Unix socket", this.#input("port", row.port, portText), portHint),
    );
    const groups = store.status ? store.status.proxies || [] : [];
    const proxies = groups.filter((proxy) => proxy.name !== "local_proxy");
    if (!this.row && !this.isProxy && proxies.length) {
      const options = proxies.map((proxy) => h("option", { value: proxy.name }, proxy.name));
      const direct = h("option", { value: "" }, DIRECT);
      body.append(field("Reached through", h("select", { name: "group" }, direct, options)));
    }
    body.append(h("div", { class: "actions" }, test), this.result, this.choice);
    for (const name of ["host", "port", "group"])
      form.elements[name]?.addEventListener("input", () => this.#forget());
    form.elements.host.addEventListener("change", () => splitPort(form));
  }

  /** Another target is typed: what was learnt about the last one says nothing. */
  #forget() {
    this.frontendNodes = null;
    this.asked = "";
    this.plain = false;
    this.again = false;
    setText(this.go, this.row ? "Save" : "Add");
    setText(this.result, "");
    replace(this.choice);
  }

  /**
   * Tell all that is missing at once. Without a host the server would look on its own machine:
   * seldom what is meant.
   */
  #need(form, isNamed) {
    const { host, port } = targetOf(form);
    const problems = [];
    const missing = (field, message) => problems.push({ field, message });
    if (isNamed && !form.elements.name.value.trim()) missing("name", "Enter a name.");
    if (!host && !(this.row && !this.row.host))
      missing("host", "Enter a host. A node on the frontend’s own host is at 127.0.0.1.");
    if (port === "") missing("port", "Enter a port, or the path of a Unix socket.");
    if (problems.length) throw Object.assign(new Error("Fields are missing."), { problems });
  }

  async #ask(form) {
    const target = targetOf(form);
    const said = await sendJson("POST", "api/test", target, { timeout: TEST_TIMEOUT });
    this.asked = JSON.stringify(target);
    this.frontendNodes = said.frontend_nodes ?? null;
    return said;
  }

  async #test(form, control, showError) {
    showError(null);
    setText(this.result, "Testing …");
    control.disabled = true;
    try {
      this.#need(form, false);
      const said = await this.#ask(form);
      const count = said.frontend_nodes ?? null;
      const what =
        count !== null
          ? `an LMCache frontend with ${plural(count, "node")}`
          : [KINDS[said.kind], said.version && `version ${said.version}`]
              .filter(Boolean)
              .join(", ");
      const time = format(said.seconds, "seconds");
      const twin = this.#twin(form);
      const also = twin ? ` This address is that of ${twin}.` : "";
      const text = ` Responds in ${time}: ${what || "no version reported"}.${also}`;
      replace(this.result, h("span", { class: "state up", "aria-hidden": "true" }, "●"), text);
      this.#offer(form);
    } catch (error) {
      setText(this.result, "");
      showError(error);
      this.#offerToken(error, () => control.click());
    } finally {
      control.disabled = false;
      if (document.activeElement === document.body) control.focus();
    }
  }

  /** A frontend that is about to become a node is better added as what it is. */
  #offer(form) {
    if (this.row || this.isProxy || this.plain || this.frontendNodes === null) return false;
    setText(this.go, asFrontend(this.frontendNodes));
    const plain = () => {
      this.plain = true;
      form.requestSubmit();
    };
    replace(this.choice, button("Add as a plain node", plain, { kind: "small" }));
    return true;
  }

  /** What is refused without the token goes on `again()` once that was entered. */
  #offerToken(error, again) {
    if (error.status !== 403 || getToken()) return;
    const enter = async () => {
      if (!(await askToken("Use the access token", NEEDS_TOKEN))) return;
      replace(this.choice);
      again();
    };
    replace(this.choice, button("Enter access token", enter, { kind: "small" }));
  }

  /** The name of what is listed with this address already; "" when there is nothing. */
  #twin(form) {
    const { host, port } = targetOf(form);
    const same = (text) => text.replace(/^localhost:/, "127.0.0.1:");
    const address = same(addressText(host, port));
    const proxy = form.elements.group?.value || this.row?.proxy || "";
    const isIt = (row) =>
      row.key !== this.row?.key && row.proxy === proxy && same(row.address) === address;
    const found = store.status && rowsOf(store.status).find(isIt);
    return found ? found.name : "";
  }

  /** One server under two names is counted twice: whoever wants that says so. */
  #refuseTwin(form) {
    const twin = this.again ? "" : this.#twin(form);
    if (!twin) return;
    const again = () => {
      this.again = true;
      form.requestSubmit();
    };
    const face = this.row ? "Save anyway" : "Add anyway";
    replace(this.choice, button(face, again, { kind: "small" }));
    const text = `This address is that of ${twin}: what it reports would be counted twice.`;
    throw Object.assign(new Error(text), { field: "port" });
  }

  async #submit(form) {
    try {
      return await this.#save(form);
    } catch (error) {
      this.#offerToken(error, () => form.requestSubmit());
      throw error;
    }
  }

  async #save(form) {
    this.#need(form, true);
    this.#refuseTwin(form);
    const entry = { name: form.elements.name.value.trim(), ...targetOf(form) };
    if (this.row) {
      const name = this.row.isProxy ? this.row.name : this.row.key;
      return save("PUT", `api/nodes/${encodeURIComponent(name)}`, entry);
    }
    if (!this.isProxy && !this.plain && this.asked !== JSON.stringify(targetOf(form))) {
      await this.#recognise(form);
    }
    const offered = this.frontendNodes !== null && !this.plain;
    if (this.isProxy || offered) return addFrontend(entry);
    const group = form.elements.group && form.elements.group.value;
    const path = group ? `api/proxies/${encodeURIComponent(group)}/nodes` : "api/nodes";
    return save("POST", path, entry);
  }

  /** Ask what is there before it is added; what does not respond may be added all the same. */
  async #recognise(form) {
    try {
      await this.#ask(form);
    } catch (error) {
      return;
    }
    if (!this.#offer(form)) return;
    const count = plural(this.frontendNodes, "node");
    const text = `This is an LMCache frontend with ${count}, not a node.`;
    throw Object.assign(new Error(text), { field: "port" });
  }
}

// ---- the table ----

function columns(view) {
  return [
    {
      id: "state",
      label: "State",
      width: 100,
      narrow: 42,
      value: (row) => `${STATE_ORDER[row.state]} ${row.name}`,
      text: (row) => row.state,
      sig: (row) => row.state,
      render: (row) => stateMark(row.state),
    },
    {
      id: "name",
      label: "Name",
      head: true,
      width: 235,
      narrow: 150,
      value: (row) => (row.isProxy ? row.name : row.key),
      sig: (row) => row.key,
      render: (row) => {
        const key = row.isProxy ? row.name : row.key;
        return h("a", { href: nodeLink({ key }), title: key }, fitted(key));
      },
    },
    { id: "what", label: "Kind", width: 146, drop: 2, value: (row) => row.kind },
    ...placeColumns(),
    actionColumn(view),
  ];
}

const actionColumn = (view) => ({
  id: "act",
  label: "Actions",
  width: 148,
  narrow: 88,
  sort: false,
  find: false,
  value: () => 0,
  sig: (row) => `${row.key}${row.host}${row.port}${row.source}`,
  render: (row) => view.actionCell(row),
});

const errorNote = ({ error }) => h("span", { class: "muted error-note" }, ` ${error}`);

function placeColumns() {
  return [
    {
      id: "address",
      label: "Address",
      width: 236,
      grow: true,
      drop: 1,
      cls: "mono",
      value: (row) => row.address,
      sig: (row) => `${row.address} ${row.error}`,
      render: (row) =>
        row.error
          ? h("div", { class: "with-error" }, fitted(row.address), errorNote(row))
          : fitted(row.address),
      tip: (row) => [row.address, row.error].filter(Boolean).join(": "),
    },
    {
      id: "proxy",
      label: "Reached through",
      width: 130,
      drop: 4,
      value: (row) => row.proxy,
      text: (row) => row.proxy || DIRECT,
    },
    {
      id: "source",
      label: "Source",
      width: 100,
      drop: 3,
      value: (row) => row.source || "",
      text: (row) => sourceText(row) || "–",
    },
  ];
}

/** The rows: the nodes, and the frontends whose nodes are reached through them. */
function rowsOf(status) {
  const nodes = status.nodes.map((node) => ({
    ...node,
    isProxy: false,
    type: node.kind,
    proxy: node.proxy === "local_proxy" ? "" : node.proxy,
    kind: kindText(node),
  }));
  const proxies = (status.proxies || []).filter((proxy) => proxy.name !== "local_proxy");
  return nodes.concat(
    proxies.map((proxy) => ({
      key: `proxy ${proxy.name}`,
      name: proxy.name,
      host: proxy.host,
      port: proxy.port,
      address: addressText(proxy.host, proxy.port),
      state: proxy.state,
      type: "frontend",
      kind: KINDS.frontend + (proxy.error ? "" : ` · ${plural(proxy.children || 0, "node")}`),
      proxy: "",
      source: proxy.source,
      error: proxy.error,
      isProxy: true,
    })),
  );
}

class NodesPage {
  constructor(root, query, signal) {
    this.signal = signal;
    this.where = h("p", { class: "muted" });
    this.table = new DataTable({
      label: "Nodes",
      key: (row) => row.key,
      sort: { id: "state", down: false },
      columns: columns(this),
    });
    this.none = noNodes(true);
    this.none.hidden = true;
    this.filters = new NodeFilters({ table: this.table, changed: () => this.#filter() });
    this.filters.take(query);
    this.addNode = guarded(
      button("Add a node", () => this.edit(null), { kind: "primary", image: "plus" }),
      signal,
    );
    const title = "Another LMCache frontend, whose nodes are then reached through it";
    const addProxy = guarded(
      button("Add a frontend", () => this.edit(null, true), { image: "plus", title }),
      signal,
    );
    const csv = button("CSV", () => this.#download(), { kind: "bare", image: "download" });
    const tools = [this.addNode, addProxy];
    const heading = [h("h1", {}, "Nodes"), presentNote(signal)];
    this.narrowing = h("div", { class: "tools instance-tools" }, this.filters.elements);
    this.offered = [csv, this.narrowing]; // while there are nodes
    replace(
      root,
      h("div", { class: "page-head" }, heading, this.where, csv),
      lockNote(signal),
      h("div", { class: "tools" }, tools),
      this.narrowing,
      this.table.element,
      this.none,
    );
  }

  #filter() {
    this.filters.update(this.table.all);
    this.table.filter((row) => this.filters.fits(row));
  }

  /** What is shown, as comma-separated values. */
  #download() {
    const heads = "state,name,kind,instance,model,version,address,reached_through,source,error";
    const lines = this.table.shown.map((row) => [
      row.state,
      row.isProxy ? row.name : row.key,
      row.type,
      instanceName(row),
      row.model || "",
      row.version || "",
      row.address,
      row.proxy,
      row.source || "",
      row.error || "",
    ]);
    const text = csvText([heads.split(","), ...lines]);
    saveFile(new Blob([text], { type: "text/csv" }), "lmcache-nodes.csv");
  }

  actionCell(row) {
    if (FOLLOWED.test(row.source) && !row.isProxy) {
      const title = `Listed by ${row.source}; edit it there`;
      return h("span", { class: "muted", title }, "managed by its source");
    }
    const act = (label, image, kind, work) => {
      const look = { kind: `small ${kind} in-row or-icon`, image, name: `${label} ${row.name}` };
      return guarded(button(label, work, look), this.signal);
    };
    const edit = act("Edit", "edit", "", () => this.edit(row));
    return [edit, " ", act("Remove", "trash", "danger", () => this.remove(row))];
  }

  async edit(row, asProxy = false) {
    const answer = await new NodeForm(row, row ? row.isProxy : asProxy).open();
    if (answer) await this.#settled(answer);
  }

  async remove(row) {
    const what = row.isProxy ? "frontend" : "node";
    const more = row.isProxy ? " Its nodes are removed too." : "";
    const text =
      `This frontend stops monitoring the ${what} at ${row.address}. ` +
      `The ${what} itself keeps running.${more}`;
    if (!(await confirmDialog({ title: `Remove ${row.name}?`, text, action: "Remove" }))) return;
    const name = encodeURIComponent(row.isProxy ? row.name : row.key);
    try {
      await this.#settled(await sendJson("DELETE", `api/nodes/${name}`));
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  async #settled(answer) {
    for (const key of [...store.selected]) if (!store.byKey.has(key)) store.selected.delete(key);
    const file = answer.persisted && store.session && store.session.config_file;
    toast((answer.message || "Done") + (file ? `; written to ${file}` : ""), "good");
    await refreshNow();
    await poll();
  }

  /** Open the dialog as soon as the page knows whether it may. */
  addSoon() {
    history.replaceState(history.state, "", "#/nodes");
    let wanted = true;
    const open = () => {
      if (!wanted || !store.session || this.signal.aborted) return;
      wanted = false;
      if (!this.addNode.disabled) this.edit(null);
    };
    subscribe(open, this.signal);
    setTimeout(open);
  }

  #drawWhere() {
    const { session } = store;
    const file = session ? session.config_file || "no file" : "";
    if (this.where.dataset.file === file) return;
    this.where.dataset.file = file;
    const kept = ["Changes are written to ", h("span", { class: "mono" }, file), "."];
    const option = h("span", { class: "gap" }, "--config");
    const lost = ["Changes last until the frontend stops: it was started without ", option, "."];
    replace(this.where, session && (session.config_file ? kept : lost));
  }

  update(status) {
    this.#drawWhere();
    const rows = rowsOf(status);
    this.none.hidden = rows.length > 0;
    for (const one of [this.table.element, ...this.offered]) one.hidden = !rows.length;
    this.filters.update(rows);
    this.table.update(rows);
  }
}

export function mount(root, { route, signal }) {
  const page = new NodesPage(root, route.query, signal);
  const add = ({ query }) => {
    if (query.get("add")) page.addSoon();
  };
  const go = (to) => {
    page.filters.take(to.query);
    add(to);
  };
  add(route);
  return { update: (status) => page.update(status), go };
}
