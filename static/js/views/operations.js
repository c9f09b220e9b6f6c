// Cache operations through a coordinator, a controller or MP servers: a dry run shows what is
// affected, then the operation runs, with a result for each server.

import {
  button,
  empty,
  field,
  guarded,
  nodeLink,
  setOff,
  stateMark,
  toast,
  whyNone,
  working,
} from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { breakable, h, replace, setText } from "../dom.js";
import { changeFields, markWrong } from "../forms.js";
import { addressText, format, NONE, plain, plural, when } from "../format.js";
import { each, getJson, nodePath, sendJson, store } from "../server.js";
import { KINDS } from "../words.js";
import { cancelButton, eachUntil, errorText, goOn, inWords, resultCell, whyShut } from "./bulk.js";

const TIMEOUT = 30; // seconds
const MOST_TOKENS = 200000; // of one prompt
const MOST_TYPED = 60; // characters of a value in the question
const MOST_SHOWN = 3; // numbers of a list in the preview
const MOST_ASKED = 8; // MP servers that are queried for their model
const COMPRESS_NOTE =
  "LMCache 0.5.6 never responds to this request, and later requests to the same workers fail.";

// ---- what is typed ----

/** Numbers: "1, 2, 3", "[1, 2]", or ranges like "0-511". Throws what is wrong with them. */
export function readNumbers(text, what = "token IDs") {
  const words = text
    .replace(/[[\]]/g, " ")
    .split(/[\s,]+/)
    .filter(Boolean);
  const numbers = [];
  for (const word of words) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(word);
    if (!match)
      throw new Error(`“${word.slice(0, 40)}” is not a number. Enter ${what} such as 0-511.`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last - first + numbers.length >= MOST_TOKENS)
      throw new Error(`More than ${plain(MOST_TOKENS)} ${what}.`);
    for (let number = first; number <= last; number += 1) numbers.push(number);
  }
  if (!numbers.length) throw new Error(`Enter ${what}, such as 0-511 or 12, 7, 90.`);
  return numbers;
}

const text = (label, more = {}) => ({ label, ...more });

/**
 * The fields of the form: name -> {label, hint, placeholder, value, options, wide, optional};
 * `said` is what to enter, where that is not the label.
 */
const FIELDS = {
  tokens: text("Token IDs of the prompt", {
    said: "token IDs",
    wide: true,
    placeholder: "e.g. 0-511 or 12, 7, 90",
    hint: "All tokens, starting with the first. Ranges are accepted.",
  }),
  model: text("Model", { placeholder: "e.g. Qwen/Qwen3-32B" }),
  world: text("World size", {
    hint: "Ranks of the model: tensor parallel × pipeline parallel.",
  }),
  salt: text("Cache salt", {
    optional: true,
    placeholder: "none",
    hint: "Only if requests carry one: it separates the caches of tenants.",
  }),
  instance: text("Instance", { placeholder: "e.g. mp-0" }),
  tier: text("Tier", { options: ["all", "l1", "l2"] }),
  location: text("Location", { value: "LocalCPUBackend" }),
  toInstance: text("To instance", { said: "the instance to move to" }),
  toLocation: text("To location", { said: "the location to move to", value: "LocalCPUBackend" }),
  copy: text("Keep the original", { options: ["no", "yes"] }),
  method: text("Method", { value: "cachegen" }),
  ip: text("IP address", { said: "the IP address", placeholder: "e.g. 10.0.0.5" }),
  workers: text("Worker IDs", { said: "worker IDs", value: "0" }),
  blocks: text("Block IDs", { said: "block IDs", value: "0-1", hint: "Ranges are accepted." }),
  chunk: text("Chunk size", { value: "256" }),
  engine: text("Engine instance", {
    placeholder: "e.g. 1000",
    hint: "As registered with the server.",
  }),
};

/** Fields that MP servers fill in, and what the second is where none of them reports it. */
const REPORTED = ["model", "world"];
const ONE_RANK = "1";

/** "Enter token IDs, the model and the instance." */
function askFor(names) {
  const said = names.map((name) => FIELDS[name].said || `the ${FIELDS[name].label.toLowerCase()}`);
  const last = said.pop();
  return `Enter ${said.length ? `${said.join(", ")} and ${last}` : last}.`;
}

/** Fields whose value is a list of numbers; an operation has one of them at most. */
const LISTS = ["tokens", "workers", "blocks"];

const SERVERS = { coordinator: "Coordinators", controller: "Controllers", mp: "MP servers" };

// ---- what can be done ----

const prompt = (f) => ({
  model_name: f.model,
  world_size: Number(f.world),
  token_ids: readNumbers(f.tokens),
  cache_salt: f.salt,
});
const PROMPT = ["tokens", "model", "world", "salt"];
const spot = (f) => ({
  instance_id: f.instance,
  location: f.location,
  tokens: readNumbers(f.tokens),
});

const LOOKUP = {
  label: "Locate a prompt’s KV",
  help: "Looks up each chunk of the prompt in the key directory.",
  fields: PROMPT,
  reads: true,
  request: (f) => ["POST", "/directory/lookup", prompt(f)],
};
const FIND = {
  label: "Find which instance holds a prompt",
  help: "Finds which instance holds the longest prefix of the prompt, and where.",
  fields: ["tokens"],
  reads: true,
  request: (f) => ["POST", "/lookup", { tokens: readNumbers(f.tokens) }],
};
const compressing = (label, path) => ({
  label,
  help: `Changes how the KV of the prompt is stored. ${COMPRESS_NOTE}`,
  fields: ["tokens", "instance", "location", "method"],
  dry: FIND,
  danger: true,
  request: (f) => ["POST", path, { ...spot(f), method: f.method }],
});

/** Kind of server -> its operations by name. `dry` is what a dry run asks. */
const OPERATIONS = {
  coordinator: {
    lookup: LOOKUP,
    pin: {
      label: "Pin a prompt",
      help: "Keeps the prompt’s chunks from being evicted until they are unpinned.",
      fields: PROMPT,
      dry: LOOKUP,
      request: (f) => ["POST", "/cache/pins", prompt(f)],
    },
    unpin: {
      label: "Unpin a prompt",
      help: "Lets the prompt’s chunks be evicted again.",
      fields: PROMPT,
      dry: LOOKUP,
      request: (f) => ["DELETE", "/cache/pins", prompt(f)],
    },
    prefetch: {
      label: "Prefetch a prompt",
      help: "Loads the prompt’s chunks from L2 into the L1 of one MP server.",
      fields: [...PROMPT, "instance"],
      dry: LOOKUP,
      request: (f) => ["POST", "/cache/prefetches", { ...prompt(f), instance_id: f.instance }],
    },
    delete: {
      label: "Delete a prompt’s KV",
      help: "Deletes the prompt’s chunks on one MP server. Requests compute those tokens again.",
      fields: [...PROMPT, "instance", "tier"],
      dry: LOOKUP,
      danger: true,
      request: (f) => [
        "POST",
        "/cache/delete",
        { ...prompt(f), instance_id: f.instance, tier: f.tier },
      ],
    },
  },
  controller: {
    lookup: FIND,
    instance: {
      label: "Find the instance at an address",
      help: "Finds which instance runs at this IP address.",
      fields: ["ip"],
      reads: true,
      request: (f) => ["POST", "/query_instance", { event_id: "dashboard", ip: f.ip }],
    },
    workers: {
      label: "Find the workers of an instance",
      help: "Shows the addresses and last heartbeats of an instance’s workers.",
      fields: ["instance", "workers"],
      reads: true,
      request: (f) => [
        "POST",
        "/query_worker_info",
        { instance_id: f.instance, worker_ids: readNumbers(f.workers, "worker IDs") },
      ],
    },
    pin: {
      label: "Pin a prompt",
      help: "Keeps the KV of the prompt at that location until it is cleared.",
      fields: ["tokens", "instance", "location"],
      dry: FIND,
      request: (f) => ["POST", "/pin", spot(f)],
    },
    move: {
      label: "Move or copy a prompt’s KV",
      help: "Moves or copies the KV of the prompt from one instance and location to another.",
      fields: ["tokens", "instance", "location", "toInstance", "toLocation", "copy"],
      dry: FIND,
      danger: true,
      request: (f) => [
        "POST",
        "/move",
        {
          old_position: [f.instance, f.location],
          new_position: [f.toInstance, f.toLocation],
          tokens: readNumbers(f.tokens),
          should_copy: f.copy === "yes",
        },
      ],
    },
    compress: compressing("Compress a prompt’s KV", "/compress"),
    decompress: compressing("Decompress a prompt’s KV", "/decompress"),
  },
  mp: {
    checksums: {
      label: "Compute checksums",
      help: "Computes checksums of an engine’s KV blocks, to compare what servers hold.",
      fields: ["blocks", "chunk", "engine"],
      reads: true,
      request: (f) => [
        "POST",
        "/cache/checksums",
        {
          block_ids: readNumbers(f.blocks, "block IDs"),
          chunk_size: Number(f.chunk),
          instance_id: Number(f.engine),
        },
      ],
    },
    prefetch: {
      label: "Prefetch a prompt",
      help: "Loads the prompt’s chunks from L2 into L1.",
      fields: PROMPT,
      request: (f) => ["POST", "/cache/prefetches", prompt(f)],
    },
  },
};

/** The operations for which there are servers, as they are searched for: {label, kind, href}. */
export function operationLinks(nodes) {
  const kinds = Object.keys(OPERATIONS).filter((kind) => nodes.some((node) => node.kind === kind));
  return kinds.flatMap((kind) =>
    Object.entries(OPERATIONS[kind]).map(([name, { label }]) => {
      return { label, kind, href: `#/many?tab=cache&server=${kind}&operation=${name}` };
    }),
  );
}

// ---- what came back ----

/** The model that engines have registered with an MP server, and its ranks; null without any. */
export function modelOf(page) {
  const names = ["cache_context_meta", "non_cuda_context_meta", "gpu_context_meta"];
  const metas = names.flatMap((name) => Object.values(page[name] || {}));
  const found = metas.find((meta) => meta && meta.model_name);
  return found ? { model: found.model_name, world: String(found.world_size || 1) } : null;
}

/**
 * Where chunks are, summed: [{where, chunks, bytes}], most chunks first. Each rank of the model has
 * a separate key for a chunk.
 */
export function placementsOf(answer) {
  const found = new Map();
  for (const { key, placements } of answer.results || [])
    for (const one of placements || []) {
      const where = `${one.instance_id} · ${String(one.tier).toUpperCase()} ${one.backend}`;
      const sum = found.get(where) || { where, hashes: new Set(), bytes: 0 };
      sum.hashes.add(key.chunk_hash_hex);
      sum.bytes += one.size_bytes || 0;
      found.set(where, sum);
    }
  return [...found.values()]
    .map(({ where, hashes, bytes }) => ({ where, chunks: hashes.size, bytes }))
    .sort((a, b) => b.chunks - a.chunks);
}

/** The number of chunks that are cached anywhere. */
const cachedChunks = ({ results }) =>
  new Set(
    results.filter((one) => (one.placements || []).length).map((one) => one.key.chunk_hash_hex),
  ).size;

const workerText = (worker) =>
  `worker ${worker.worker_id}: ${addressText(worker.ip, worker.port)}, last heartbeat ` +
  when(worker.last_heartbeat_time);

/** A response in one line for the table of results. */
export function outcome(answer) {
  if (answer && Array.isArray(answer.results)) {
    const total = answer.chunks ?? answer.results.length;
    if (!total) return "less than one chunk: enter more tokens";
    const cached = cachedChunks(answer);
    const missing = total > cached ? `, ${plain(total - cached)} not cached` : "";
    return `${plural(total, "chunk")}: ${plain(cached)} cached${missing}`;
  }
  if (answer && answer.layout_info) {
    const places = Object.entries(answer.layout_info).map(
      ([instance, [location, count]]) => `${plain(count)} tokens in ${location} of ${instance}`,
    );
    return places.join("; ") || "not cached";
  }
  if (answer && "res" in answer) return answer.res || "no such instance";
  if (answer && Array.isArray(answer.worker_infos))
    return answer.worker_infos.map(workerText).join("; ") || "no such workers";
  if (answer && typeof answer === "object") {
    const { event_id: event, ...rest } = answer;
    return inWords(rest) || `accepted${event ? ` (${event})` : ""}`;
  }
  return inWords(answer) || "done";
}

/** Long lists of numbers shortened, as the preview has them. */
const shortened = (name, value) =>
  Array.isArray(value) && value.length > MOST_SHOWN && typeof value[0] === "number"
    ? `[${value.slice(0, MOST_SHOWN).join(", ")}, … ${value.length} numbers]`
    : value;

const LIST_IN_QUOTES = /"(\[[\d, ]+… \d+ numbers\])"/g;

// ---- the view ----

export class CacheOperations {
  constructor(signal) {
    this.signal = signal;
    this.kind = "";
    this.name = "";
    this.inputs = {};
    this.typed = new Set(); // names of the fields that the user has edited
    this.worlds = new Map(); // model -> its world size, as MP servers report them
    this.isLoading = false; // MP servers are being asked for it
    this.asked = null; // resolves when they have been
    this.kinds = "";
    this.results = [];
    this.stop = null; // the button that stops waiting for the requests that are sent
    this.chosen = new Set();
    this.wanted = {}; // {kind, name} of the operation that the address asks for
    this.element = h("div");
  }

  /** The address may name an operation: it is chosen once there is such a server. */
  take(query) {
    const [kind, name] = [query.get("server"), query.get("operation")];
    if (!Object.hasOwn(OPERATIONS, kind) || !Object.hasOwn(OPERATIONS[kind], name)) return;
    this.wanted = { kind, name };
    this.kinds = ""; // built anew
  }

  get operation() {
    return OPERATIONS[this.kind][this.name];
  }

  update(status) {
    const kinds = Object.keys(OPERATIONS).filter((kind) =>
      status.nodes.some((node) => node.kind === kind),
    );
    const servers = status.nodes.filter((node) => node.kind in OPERATIONS);
    const { unknown } = status.counts; // of nodes whose kind may not be known yet
    const members = servers.map((node) => node.key + node.state);
    const sig = [...kinds, "", ...members, kinds.length ? "" : [unknown, store.error]].join();
    if (sig === this.kinds) {
      if (this.kind) this.#sayMissing();
      return;
    }
    const first = this.kinds === "";
    this.kinds = sig;
    if (!kinds.length) {
      const needs = "Cache operations need a coordinator, a controller or an MP server.";
      const why = whyNone(status.nodes, needs);
      const add = h("a", { class: "button", href: "#/nodes" }, "Add a node");
      replace(this.element, empty(why, ...(why === needs ? [add] : [])));
      this.kind = "";
      return;
    }
    const { kind, name } = this.wanted;
    if (kinds.includes(kind)) {
      this.#chooseKind(kind);
      this.name = name;
      this.wanted = {};
    } else if (first || !kinds.includes(this.kind)) this.#chooseKind(kinds[0]);
    this.#build(kinds);
  }

  #servers() {
    return store.status.nodes.filter((node) => node.kind === this.kind);
  }

  #chooseKind(kind) {
    this.kind = kind;
    [this.name] = Object.keys(OPERATIONS[kind]);
    const servers = this.#servers().filter((node) => node.state !== "down");
    // A coordinator or controller speaks for all of its servers; MP servers are each asked.
    this.chosen = new Set((kind === "mp" ? servers : servers.slice(0, 1)).map((node) => node.key));
    this.results = [];
  }

  #select(label, options, value, onchange) {
    const box = h(
      "select",
      { onchange: () => onchange(box.value), "aria-label": label },
      options.map(([name, words]) => h("option", { value: name }, words)),
    );
    box.value = value;
    return field(label, box);
  }

  #build(kinds) {
    const again = () => this.#build(kinds);
    const kindBox = this.#select(
      "Send to",
      kinds.map((kind) => [kind, KINDS[kind]]),
      this.kind,
      (kind) => {
        this.#chooseKind(kind);
        again();
      },
    );
    const names = Object.entries(OPERATIONS[this.kind]).map(([name, one]) => [name, one.label]);
    const operationBox = this.#select("Operation", names, this.name, (name) => {
      this.name = name;
      this.results = [];
      again();
    });
    const fields = (...parts) => changeFields(this.signal, ...parts);
    const { help, dry, reads, danger } = this.operation;
    const look = { class: "field-error", id: "operation-problem", role: "alert", hidden: true };
    this.problem = h("p", look);
    const label = "Requests that will be sent";
    this.preview = h("pre", {
      class: "block wrapped",
      tabindex: "0",
      role: "region",
      "aria-label": label,
    });
    const summary = h("summary", { class: "muted" }, label);
    this.requests = h("details", { class: "all", hidden: true }, summary, this.preview);
    this.table = h("div", { "aria-live": "polite" });
    const run = this.#button(reads ? "Run" : "Review and run", danger ? "danger" : "primary", () =>
      this.#run(this.operation, run),
    );
    const test = dry ? this.#button("Dry run", "", () => this.#run(dry, test, true)) : null;
    this.runs = [run, test].filter(Boolean);
    this.missing = h("span", { class: "progress", id: "operation-missing" });
    for (const one of this.runs) one.setAttribute("aria-describedby", this.missing.id);
    replace(
      this.element,
      h(
        "section",
        { class: "panel", "aria-label": "Cache operation" },
        h("header", { class: "panel-head" }, h("h2", {}, "Cache operation")),
        h("div", { class: "row-fields" }, fields(kindBox, operationBox, this.#serverBoxes())),
        h("p", { class: "quiet-line" }, help),
        h("div", { class: "row-fields op-fields" }, fields(this.#fields())),
        this.problem,
        this.requests,
        h("div", { class: "actions" }, test, run, this.missing),
      ),
      this.table,
    );
    this.#drawPreview();
    this.#drawResults();
    if (this.operation.fields.includes("model")) this.#fillModel();
  }

  async #askWorlds() {
    this.isLoading = true;
    const servers = store.status.nodes.filter((node) => node.kind === "mp");
    const up = servers.filter((node) => node.state !== "down").slice(0, MOST_ASKED);
    const options = { signal: this.signal, timeout: TIMEOUT };
    await each(
      up,
      (node) => getJson(nodePath(node, "/status"), options),
      (node, page) => {
        const found = page && modelOf(page);
        if (found) this.worlds.set(found.model, found.world);
      },
    );
    this.isLoading = false;
  }

  /** Fill in the model and its world size, as MP servers report them, where nothing was typed. */
  async #fillModel() {
    this.asked = this.asked || this.#askWorlds();
    this.#drawPlaceholders();
    await this.asked;
    this.#drawPlaceholders();
    const { model, world } = this.inputs;
    const [only, ...others] = this.worlds.keys();
    if (only && !others.length && !this.typed.has("model")) model.value = only;
    const ranks = this.worlds.get(model.value.trim());
    if (!this.typed.has("world")) world.value = ranks || world.value || ONE_RANK;
    this.#drawPreview();
  }

  #drawPlaceholders() {
    for (const name of REPORTED)
      this.inputs[name].placeholder = this.isLoading ? "Loading …" : FIELDS[name].placeholder || "";
  }

  #button(label, kind, act) {
    return guarded(button(label, act, { kind }), this.signal);
  }

  #serverBoxes() {
    const boxes = this.#servers().map((node) => {
      const box = h("input", { type: "checkbox", checked: this.chosen.has(node.key) });
      box.addEventListener("change", () => {
        if (box.checked) this.chosen.add(node.key);
        else this.chosen.delete(node.key);
        this.#drawPreview();
      });
      const state = node.state === "up" ? null : stateMark(node.state);
      return h("label", { class: "check" }, box, node.key, state);
    });
    return h("fieldset", { class: "server-boxes" }, h("legend", {}, SERVERS[this.kind]), boxes);
  }

  #fields() {
    return this.operation.fields.map((name) => {
      const { label, hint, options, wide, value, placeholder } = FIELDS[name];
      // What was typed stays when the operation changes.
      const old = this.inputs[name];
      const props = { name, value: old ? old.value : (value ?? ""), spellcheck: "false" };
      const box = options
        ? h(
            "select",
            { name, value: old ? old.value : options[0] },
            options.map((one) => h("option", { value: one }, one)),
          )
        : wide
          ? h("textarea", { ...props, rows: 3, placeholder })
          : h("input", { ...props, autocomplete: "off", placeholder, list: this.#names(name) });
      box.addEventListener("input", () => {
        this.typed.add(name);
        if (name === "model") this.#fillModel();
        this.#drawPreview();
      });
      this.inputs[name] = box;
      const element = field(label, box, hint);
      if (wide) element.classList.add("wide");
      return [element, this.#datalist(name)];
    });
  }

  #names(name) {
    return { model: "operation-models", instance: "operation-instances" }[name] || null;
  }

  #datalist(name) {
    const list = this.#names(name);
    if (!list) return null;
    const nodes = store.status.nodes;
    const values = name === "model" ? nodes.map((node) => node.model) : nodes.map(instanceId);
    return h(
      "datalist",
      { id: list },
      [...new Set(values.filter(Boolean))].map((value) => h("option", { value })),
    );
  }

  /** The fields of an operation that must have a value and have none. */
  #emptyFields(operation) {
    const values = this.#values();
    return operation.fields.filter((name) => !FIELDS[name].optional && !values[name]);
  }

  /** Nothing runs without a server and its values; what is missing stands beside the button. */
  #sayMissing() {
    const servers = this.#servers();
    const isNone = !servers.some((node) => this.chosen.has(node.key));
    const lacks = this.#emptyFields(this.operation);
    const unasked = lacks.filter((name) => !(this.isLoading && REPORTED.includes(name)));
    let why = lacks.length ? "Loading the model and its world size …" : "";
    if (isNone) why = whyNone(servers, "Select at least one server.");
    else if (unasked.length) why = askFor(unasked);
    setText(this.missing, whyShut() || why);
    const [run, test] = this.runs;
    setOff(run, isNone || lacks.length > 0);
    if (test) setOff(test, isNone || this.#emptyFields(this.operation.dry).length > 0);
  }

  #values() {
    return Object.fromEntries(
      Object.entries(this.inputs).map(([name, box]) => [name, box.value.trim()]),
    );
  }

  /** The request of an operation; throws what is wrong, with the field. */
  #request(operation) {
    if (this.#emptyFields(operation).length) throw new Error("a field is empty");
    try {
      return operation.request(this.#values());
    } catch (error) {
      const field = operation.fields.find((name) => LISTS.includes(name));
      throw Object.assign(error, { field });
    }
  }

  #drawPreview() {
    let lines = "";
    try {
      const [method, path, body] = this.#request(this.operation);
      const shown = JSON.stringify(body, shortened).replace(LIST_IN_QUOTES, "$1");
      const servers = this.#servers().filter((node) => this.chosen.has(node.key));
      lines = servers.map((node) => `${method} ${nodePath(node, path)}  ${shown}`).join("\n");
    } catch (error) {
      lines = "";
    }
    this.requests.hidden = !lines;
    setText(this.preview, lines);
    this.#sayMissing();
  }

  #say(error) {
    this.problem.hidden = !error;
    setText(this.problem, error ? error.message : "");
    for (const one of Object.values(this.inputs)) markWrong(one, this.problem, false);
    const box = error && error.field ? this.inputs[error.field] : null;
    if (!box) return;
    box.closest(".field").append(this.problem);
    markWrong(box, this.problem, true);
    box.focus();
  }

  /** What was filled in, for the question before it is sent. */
  #filledIn(operation) {
    const values = this.#values();
    const filled = operation.fields.filter((name) => values[name]);
    return filled.map((name) => `${FIELDS[name].label}: ${values[name].slice(0, MOST_TYPED)}`);
  }

  async #confirmed(operation, servers) {
    if (operation.reads) return true;
    return confirmDialog({
      title: `${operation.label}?`,
      text: [
        operation.help,
        h(
          "ul",
          {},
          this.#filledIn(operation).map((line) => h("li", {}, line)),
        ),
        `Sent to ${servers.map((node) => node.key).join(", ")}.`,
      ],
      action: "Run",
      danger: Boolean(operation.danger),
    });
  }

  async #run(operation, control, isDry = false) {
    this.#say(null);
    const servers = this.#servers().filter((node) => this.chosen.has(node.key));
    let request;
    try {
      request = this.#request(operation);
    } catch (error) {
      this.#say(error);
      return;
    }
    if (!(await this.#confirmed(operation, servers))) return;
    const [method, path, body] = request;
    this.title = isDry ? `Dry run: ${this.operation.label}` : operation.label;
    this.note = isDry ? `${operation.label}; nothing is changed` : "";
    this.results = servers.map((node) => ({ node, text: "waiting …" }));
    const canceled = new AbortController();
    const cancel = () => canceled.abort();
    this.stop = cancelButton(cancel);
    this.#drawResults();
    const { signal } = canceled;
    // Leaving the page aborts no operation: a server may have done it already.
    if (isDry) this.signal.addEventListener("abort", cancel);
    const options = { signal, timeout: TIMEOUT };
    const send = (node) => sendJson(method, nodePath(node, path), body, options);
    const finished = (node, answer, error) => this.#finished(node, answer, error);
    await working(control, () => goOn(() => eachUntil(signal, servers, send, finished)));
    if (this.signal.aborted && !isDry) this.#tellElsewhere();
  }

  /** How the operation ended, when another view is shown by then. */
  #tellElsewhere() {
    const failed = this.results.filter((one) => one.state === "down");
    const why = failed.length ? `, ${plain(failed.length)} failed: ${failed[0].text}` : "";
    const done = plain(this.results.length - failed.length);
    const text = `${this.title}: done on ${done} of ${plural(this.results.length, "server")}${why}`;
    toast(text, failed.length ? "bad" : "good");
  }

  #finished(node, answer, error) {
    const result = this.results.find((one) => one.node.key === node.key);
    if (!result) return;
    result.state = error ? "down" : "up";
    result.text = error ? errorText(error, node) : outcome(answer);
    result.placements = error || !answer ? [] : placementsOf(answer);
    result.total = (answer && (answer.chunks ?? (answer.results || []).length)) || 0;
    this.#drawResults();
  }

  /** For how many servers an operation still waits, and the button that ends that. */
  #waiting() {
    const count = this.results.filter((one) => !one.state).length;
    if (!count) return null;
    const text = `${plural(count, "server")} waiting (up to ${TIMEOUT} s)`;
    const said = h("span", { class: "progress" }, text);
    return h("div", { class: "actions" }, this.stop, said);
  }

  #drawResults() {
    if (!this.results.length) {
      replace(this.table);
      return;
    }
    const hasFocus = document.activeElement === this.stop;
    replace(
      this.table,
      h(
        "section",
        { class: "panel", "aria-label": "Results" },
        h(
          "header",
          { class: "panel-head" },
          h("h2", {}, this.title),
          this.note ? h("p", { class: "muted" }, this.note) : null,
        ),
        this.#waiting(),
        plainTable(
          "Results",
          ["Server", "Result"],
          this.results.map((one) => [
            h("a", { href: nodeLink(one.node) }, breakable(one.node.key)),
            resultCell(one),
          ]),
        ),
        this.results.filter((one) => (one.placements || []).length).map(placementTable),
      ),
    );
    if (hasFocus) this.stop.focus({ preventScroll: true });
  }
}

const instanceId = (node) => (node.kind === "mp" ? node.instance || node.name : node.instance);

function plainTable(label, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      { class: "plain" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(([first, ...rest]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, first),
            rest.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}

const placementTable = ({ placements, total }) => [
  h("h3", {}, "Location of the chunks"),
  plainTable(
    "Location of the chunks",
    ["Location", "Chunks", "Size"],
    placements.map((one) => [
      one.where,
      `${plain(one.chunks)} of ${plain(total)}`,
      one.bytes ? format(one.bytes, "bytes") : NONE,
    ]),
  ),
];
