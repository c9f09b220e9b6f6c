// A small console: any request to the node, its answer, time and size.

import { button, copy, field, LOCKED, online, setOff, working } from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { clock, format, serverNow } from "../format.js";
import { curl, nodePath, parseJson, subscribe, trusted } from "../server.js";

// "METHOD path" and, after a space, a body to start from. POST /lookup/create?dryrun=true hangs a
// scheduler for good and is
// not offered; /inference_version always answers 500.
const COMMON = [
  "GET /metrics",
  "POST /metrics/reset",
  "GET /env",
  "GET /threads",
  "GET /threads?name=main",
  "GET /loglevel",
  "GET /loglevel?logger_name=lmcache",
  "GET /periodic-threads",
  "GET /periodic-threads?level=high",
  "GET /periodic-threads-health",
];
const VERSION = ["GET /version", "GET /lmc_version", "GET /commit_id"];
const IN_PROCESS = "worker"; // and every kind that has no list
const KNOWN = {
  [IN_PROCESS]: [
    ...VERSION,
    ...COMMON,
    "GET /conf",
    "GET /conf?names=chunk_size,max_local_cpu_size",
    'POST /conf {"min_retrieve_tokens": 512}',
    "GET /meta",
    "GET /inference_info",
    "GET /backends",
    "POST /backends",
    "POST /backends/LocalDiskBackend/recreate",
    "DELETE /backends/LocalDiskBackend",
    "GET /bypass/list",
    "PUT /bypass/add?backend_name=LocalDiskBackend",
    "PUT /bypass/remove?backend_name=LocalDiskBackend",
    "GET /hot_cache/status",
    "PUT /hot_cache/enable",
    "PUT /hot_cache/disable",
    "GET /freeze/status",
    "PUT /freeze/enable",
    "PUT /freeze/disable",
    "GET /chunk_statistics/status",
    "POST /chunk_statistics/start",
    "POST /chunk_statistics/stop",
    "POST /chunk_statistics/reset",
    "GET /lookup/info",
    "POST /lookup/create",
    "POST /lookup/recreate",
    "POST /lookup/close",
    "GET /cache/kvcache/info",
    "GET /cache/kvcache/check?slot_mapping=[0,31]&chunk_size=16",
    "POST /cache/kvcache/record_slot?enabled=true",
    "POST /cache/store?tokens_mock=0,600",
    "POST /cache/retrieve?tokens_mock=0,600",
    "DELETE /cache/clear",
    "DELETE /cache/clear?locations=LocalCPUBackend",
    'POST /cache/load-fs-chunks {"config_path": "/path/to/config.yaml", "max_chunks": 100}',
  ],
  mp: [
    ...VERSION,
    ...COMMON,
    "GET /",
    "GET /status",
    "GET /healthcheck",
    "GET /config",
    "GET /config/adapters",
    "GET /quota",
    "GET /quota/user-a",
    'PUT /quota/user-a {"limit_gb": 0.5}',
    "DELETE /quota/user-a",
    'POST /cache/clear {"tier": "l1"}',
    "GET /cache/objects?tier=l2&page_size=20",
    'POST /cache/prefetches {"model_name": "", "world_size": 1, "token_ids": []}',
    "GET /reconfigure/fs/l2/status",
    "GET /reconfigure/dax/l1/status",
  ],
  coordinator: [
    "GET /healthz",
    "GET /instances",
    "GET /instances/usage",
    "GET /directory/stats",
    "GET /directory/keys?limit=20",
    "GET /quota",
    "GET /quota/config",
    'PUT /quota/config {"default_limit_gb": 2.0}',
    'PUT /quota/user-a {"limit_gb": 1.5}',
    "DELETE /quota/user-a",
    "GET /cache/pins",
    "GET /metrics",
  ],
  controller: [
    ...COMMON,
    "GET /controller/workers",
    "GET /controller/key-stats",
    'POST /query_worker_info {"instance_id": "", "worker_ids": [0]}',
    'POST /health {"instance_id": ""}',
    'POST /lookup {"tokens": []}',
  ],
  engine: ["GET /metrics", "GET /version", "GET /health", "GET /v1/models"],
  discovery: ["GET /lmcache_infos", "GET /lmcache_infos?hour=1"],
  frontend: [
    "GET /health",
    "GET /api/status",
    "GET /api/nodes",
    "GET /api/proxies",
    "GET /metrics",
    "GET /api/sd",
  ],
};
const FOR_GOOD = "This cannot be undone.";
// What those of them do that discard something: [method, path, words].
const EFFECTS = [
  ["DELETE", /^\/cache\/clear\?.*locations=/, `Clears the node’s cache there. ${FOR_GOOD}`],
  ["DELETE", /^\/cache\/clear(\?|$)/, `Clears the node’s cache. ${FOR_GOOD}`],
  ["POST", /^\/cache\/clear(\?|$)/, `Clears the node’s cache. ${FOR_GOOD}`],
  ["DELETE", /^\/backends\/[^/?]+$/, "Closes the backend; it is no longer used."],
];
const MOST_SENT = 20; // requests remembered below the answer
const MOST_SHOWN = 500000; // characters of an answer

const words = (entry) => {
  const [, verb, where, template = ""] = /^(\S+) (\S+) ?(.*)$/.exec(entry);
  return { verb, where, template };
};

/** A response in one line: status, time, size and type. */
function resultLine(answer) {
  return [
    `${answer.ok ? "●" : "■"} ${answer.status} ${answer.statusText}`,
    format(answer.seconds, "seconds"),
    format(new Blob([answer.text]).size, "bytes"),
    answer.type || "no content type",
  ].join(" · ");
}

const BODILESS = ["GET", "HEAD", "OPTIONS"];
const ALLOWED = ["GET", "HEAD"]; // without the token
const ONLY = `Only ${ALLOWED.join(" and ")}`;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/** "Name: value" lines as an object; a JSON body without a type gets one. */
function readHeaders(text, body) {
  const found = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) found[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  const typed = Object.keys(found).some((name) => name.toLowerCase() === "content-type");
  if (!typed && /^[[{]/.test(body)) found["Content-Type"] = "application/json";
  return found;
}

/** A response's text, JSON indented. */
function pretty({ text, type }) {
  if (!/json/.test(type) && !/^\s*[[{]/.test(text)) return text;
  const finite = (key, value) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  try {
    return JSON.stringify(parseJson(text), finite, 2);
  } catch (error) {
    return text;
  }
}

/** What a request discards that this kind of node is known to take; "" when nothing is known. */
function effectOf(method, where, entries) {
  const isOf = (verb, place) => (effect) => effect[0] === verb && effect[1].test(place);
  const found = EFFECTS.find(isOf(method, where));
  return found && entries.some((one) => isOf(one.verb, one.where)(found)) ? found[2] : "";
}

/** Ask before what deletes, and before what is known to hang a scheduler. */
async function isSure(method, where, node, entries) {
  const effect = effectOf(method, where, entries);
  const title = `Send ${method} to ${node.key}?`;
  const deleting = { title, text: [where, effect].filter(Boolean), action: "Send" };
  if ((method === "DELETE" || effect) && !(await confirmDialog(deleting))) return false;
  if (!/\/lookup\/create\b.*dryrun/.test(where)) return true;
  return confirmDialog({
    title: "This request makes a scheduler hang",
    text: "A scheduler of LMCache 0.5.6 never responds to it and must then be restarted.",
    action: "Send anyway",
  });
}

/** The fields of the console. */
function makeFields(entries) {
  const method = h(
    "select",
    { "aria-label": "Method" },
    METHODS.map((name) => h("option", { value: name }, name)),
  );
  const path = h("input", {
    "aria-label": "Path",
    list: "known-paths",
    spellcheck: "false",
    autocomplete: "off",
    class: "mono",
    required: true,
    value: entries[0].where,
  });
  const area = (rows, placeholder) => h("textarea", { rows, spellcheck: "false", placeholder });
  const example = (entries.find(({ template }) => template) || {}).template;
  const headers = area(5, "Accept: application/json");
  return { method, path, headers, body: area(5, example) };
}

function pathList(entries) {
  const paths = [...new Set(entries.map(({ where }) => where))];
  const verbs = (where) => entries.filter((one) => one.where === where).map((one) => one.verb);
  return h(
    "datalist",
    { id: "known-paths" },
    paths.map((where) => h("option", { value: where }, verbs(where).join(", "))),
  );
}

/** The console: one request to the node, and its response as it came. */
class Console {
  constructor(ctx) {
    this.ctx = ctx;
    this.entries = (KNOWN[ctx.node().kind] || KNOWN[IN_PROCESS]).map(words);
    this.isChosen = false; // the method, by the user: it is not changed any more
    this.offered = ""; // the body that was filled in with a known path
    Object.assign(this, makeFields(this.entries));
    this.status = h("p", { class: "result", role: "status" });
    this.heads = h(
      "details",
      { hidden: true },
      h("summary", { class: "muted" }, "Response headers"),
    );
    const label = "Response";
    this.output = h("pre", { class: "block", tabindex: "0", hidden: true, "aria-label": label });
    this.log = h("ul", { class: "sent" });
    this.sent = h("div", { hidden: true }, h("h3", {}, "Sent"), this.log);
    this.sendButton = online(button("Send", null, { kind: "primary" }), ctx.signal);
    this.sendButton.type = "submit";
    this.#build();
    this.path.addEventListener("input", (event) => this.#follow(event));
    this.method.addEventListener("change", (event) => {
      this.isChosen = true;
      this.#follow(event);
    });
    subscribe(() => this.#lock(), ctx.signal);
    this.#follow();
  }

  #build() {
    const copyCurl = () => {
      const command = curl(nodePath(this.ctx.node(), this.path.value), this.#options());
      copy(command, "curl command copied");
    };
    const tools = [this.method, this.path, pathList(this.entries), this.sendButton];
    const bodyHint = "Sent with POST, PUT, PATCH and DELETE. JSON is recognized.";
    const form = h(
      "form",
      { class: "request", novalidate: true },
      h("div", { class: "tools" }, tools, button("Copy as curl", copyCurl, { image: "copy" })),
      h(
        "div",
        { class: "halves" },
        field("Headers", this.headers),
        field("Body", this.body, bodyHint),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    const note = h("p", { class: "muted" }, "send any request to this node; it arrives unchanged");
    this.element = h(
      "section",
      { class: "panel", "aria-label": "Requests" },
      h("header", { class: "panel-head" }, h("h2", {}, "Requests"), note),
      form,
      this.status,
      this.heads,
      this.output,
      this.sent,
    );
  }

  get bodiless() {
    return BODILESS.includes(this.method.value);
  }

  #options() {
    const text = this.bodiless ? "" : this.body.value.trim();
    return {
      method: this.method.value,
      headers: readHeaders(this.headers.value, text),
      body: text ? this.body.value : undefined,
    };
  }

  /** A known path brings its method and a body; what was chosen or typed is not overwritten. */
  #follow(event) {
    const { path, method, body } = this;
    const found = this.entries.filter((one) => one.where === path.value);
    const fits = found.some((one) => one.verb === method.value);
    const isOpen = event && event.target === path && !this.isChosen;
    if (isOpen && found.length && !fits) method.value = found[0].verb;
    const one = found.find(({ verb }) => verb === method.value);
    if (one && (body.value === "" || body.value === this.offered)) {
      body.value = one.template;
      this.offered = one.template;
    }
    this.#lock();
  }

  #lock() {
    const locked = !ALLOWED.includes(this.method.value) && !trusted();
    const { sendButton, status } = this;
    setOff(sendButton, locked);
    if (sendButton.dataset.refused !== "1") sendButton.title = locked ? LOCKED : "";
    if (locked) setText(status, `${ONLY}. To send others, enter the access token.`);
    else if (status.textContent.startsWith(ONLY)) setText(status, "");
  }

  async #submit() {
    const where = this.path.value.startsWith("/") ? this.path.value : "/" + this.path.value;
    if (this.sendButton.disabled) return;
    if (!(await isSure(this.method.value, where, this.ctx.node(), this.entries))) return;
    await working(this.sendButton, () => this.#send(where));
  }

  async #send(where) {
    this.status.className = "result";
    setText(this.status, "Waiting …");
    const time = clock(serverNow());
    try {
      const answer = await this.ctx.request(where, this.#options());
      this.#show(answer);
      this.#remember(`${time}  ${answer.status}  ${format(answer.seconds, "seconds")}`, where);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.status.className = "result state down";
      setText(this.status, `■ ${error.message}`);
      this.#remember(`${time}  ${error.message}`, where);
    }
  }

  #show(answer) {
    setText(this.status, resultLine(answer));
    this.status.className = `result state ${answer.ok ? "up" : "down"}`;
    const heads = answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
    this.heads.hidden = false;
    replace(this.heads, this.heads.firstChild, h("pre", { class: "block" }, heads));
    const text = pretty(answer);
    const more = text.length - MOST_SHOWN;
    replace(
      this.output,
      text.slice(0, MOST_SHOWN) || "(empty)",
      more > 0 ? `\n… ${format(more, "count")} characters more` : null,
    );
    this.output.hidden = false;
  }

  /** A line of what was sent; it fills the form again. */
  #remember(outcome, where) {
    const { method, headers, body } = this;
    const old = { method: method.value, headers: headers.value, body: body.value };
    const fill = () => {
      method.value = old.method;
      this.isChosen = true;
      this.path.value = where;
      headers.value = old.headers;
      body.value = old.body;
      this.#lock();
      this.path.focus();
    };
    const props = { kind: "small bare", title: "Fill the form with this request" };
    this.log.prepend(h("li", {}, button(`${outcome}  ${old.method} ${where}`, fill, props)));
    while (this.log.children.length > MOST_SENT) this.log.lastChild.remove();
    this.sent.hidden = false;
  }
}

export function mount(root, ctx) {
  root.append(new Console(ctx).element);
}
